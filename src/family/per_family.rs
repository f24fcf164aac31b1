//! One thing per family, looked up by name.

use super::name::Family;
use core::ops::{Index, IndexMut};

/// One `X` for every family of [`Family::ALL`].
///
/// With feature `serde` it is a sequence in that order.
///
/// ```
/// use prefstrength::{Family, PerFamily};
/// let counts = PerFamily::from_fn(|family| family.parameters().len());
/// assert_eq!((counts[Family::Fixed], counts[Family::Gamma]), (1, 2));
/// assert_eq!(counts.iter().filter(|(_, count)| **count == 1).count(), 1);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(transparent))]
pub struct PerFamily<X>([X; Family::COUNT]);

impl<X> PerFamily<X> {
    /// What `f` gives for each.
    #[must_use]
    pub fn from_fn(f: impl FnMut(Family) -> X) -> Self {
        Self(Family::ALL.map(f))
    }

    /// The same, up to the first error.
    ///
    /// # Errors
    /// That of `f`.
    pub fn try_from_fn<E>(mut f: impl FnMut(Family) -> Result<X, E>) -> Result<Self, E> {
        let mut failed = None;
        let found = Family::ALL.map(|family| match failed {
            None => f(family).map_err(|error| failed = Some(error)).ok(),
            Some(_) => None,
        });
        match failed {
            Some(error) => Err(error),
            // Each is there: nothing failed.
            None => Ok(Self(found.map(|x| x.expect("a result for every family")))),
        }
    }

    /// Each with its family.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (Family, &X)> + ExactSizeIterator {
        Family::ALL.into_iter().zip(&self.0)
    }

    /// Each by itself.
    pub fn values(&self) -> core::slice::Iter<'_, X> {
        self.0.iter()
    }

    /// What `f` makes of each.
    #[must_use]
    pub fn map<Y>(self, mut f: impl FnMut(Family, X) -> Y) -> PerFamily<Y> {
        let mut families = Family::ALL.into_iter();
        PerFamily(self.0.map(|x| f(families.next().expect("as many families as values"), x)))
    }

    /// Borrowed.
    #[must_use]
    pub fn as_ref(&self) -> PerFamily<&X> {
        PerFamily(self.0.each_ref())
    }
}

impl<X> Index<Family> for PerFamily<X> {
    type Output = X;
    fn index(&self, family: Family) -> &X {
        &self.0[family as usize]
    }
}

impl<X> IndexMut<Family> for PerFamily<X> {
    fn index_mut(&mut self, family: Family) -> &mut X {
        &mut self.0[family as usize]
    }
}
