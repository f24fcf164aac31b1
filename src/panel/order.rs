//! Choices in any order, brought together by person.

use crate::batch::{BatchError, length};
use std::vec::Vec;

/// The order in which the choices of each person stand together, from ids of persons in any order.
///
/// Persons come in the order of their ids, and a person's choices in the order in which they came.
///
/// ```
/// use prefstrength::panel::{ByPerson, Panel, PanelBatch, PanelRows};
/// use prefstrength::Gamma;
/// let annotators = [7_u64, 3, 7, 3, 3];
/// let margins = [1.2, -0.3, 0.4, 2.0, 0.9];
/// let by_person = ByPerson::new(&annotators);
/// assert_eq!(by_person.persons(), [3, 7]);
/// let (sorted, mut d_sorted) = (by_person.gather(&margins)?, [0.0; 5]);
/// let panel = Panel::new(&Gamma::from_mean_cv(1.0, 0.8)?);
/// let rows = PanelRows::new().d_margin(&mut d_sorted);
/// panel.evaluate(&PanelBatch::new(&sorted, by_person.ends()), rows)?;
/// let mut d_margin = [0.0; 5];
/// by_person.scatter(&d_sorted, &mut d_margin)?; // back to the order of the choices
/// assert!(d_margin.iter().all(|d| *d < 0.0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct ByPerson<K> {
    persons: Vec<K>,
    ends: Vec<usize>,
    order: Vec<usize>,
}

impl<K: Ord + Clone> ByPerson<K> {
    /// From the id of each choice's person.
    #[must_use]
    pub fn new(ids: &[K]) -> Self {
        let mut order: Vec<usize> = (0..ids.len()).collect();
        // Stable: a person's choices keep their order.
        order.sort_by(|&i, &j| ids[i].cmp(&ids[j]));
        let (mut persons, mut ends) = (Vec::new(), Vec::new());
        for (place, &i) in order.iter().enumerate() {
            if persons.last() != Some(&ids[i]) {
                persons.push(ids[i].clone());
                ends.push(place);
            }
            if let Some(end) = ends.last_mut() {
                *end = place + 1;
            }
        }
        Self { persons, ends, order }
    }
}

impl<K> ByPerson<K> {
    /// The ids, one of each person.
    #[must_use]
    pub fn persons(&self) -> &[K] {
        &self.persons
    }

    /// Where each person's choices end, for [`PanelBatch::new`](super::PanelBatch::new).
    #[must_use]
    pub fn ends(&self) -> &[usize] {
        &self.ends
    }

    /// Numbers or flags of the choices, person after person.
    ///
    /// # Errors
    /// [`BatchError::Length`] unless there is one for each choice.
    pub fn gather<T: Copy>(&self, values: &[T]) -> Result<Vec<T>, BatchError> {
        length("values", Some(values), self.order.len())?;
        Ok(self.order.iter().map(|&i| values[i]).collect())
    }

    /// The inverse: numbers that stand person after person, to the order of the choices.
    ///
    /// # Errors
    /// [`BatchError::Length`] unless there is one for each choice in both; nothing is written then.
    pub fn scatter<T: Copy>(&self, values: &[T], to: &mut [T]) -> Result<(), BatchError> {
        length("values", Some(values), self.order.len())?;
        length("to", Some(&*to), self.order.len())?;
        self.order.iter().zip(values).for_each(|(&i, &value)| to[i] = value);
        Ok(())
    }
}
