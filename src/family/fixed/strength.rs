//! The parameters of a Fixed strength: constructors and accessors.

use crate::family::error::{ParamError, check};
use crate::real::Real;

/// β known: plain DPO.
///
/// ```
/// use prefstrength::{Fixed, Strength};
/// let dpo = Fixed::new(0.1)?;
/// assert_eq!(dpo.nll(0.0), core::f64::consts::LN_2);
/// # Ok::<(), prefstrength::ParamError>(())
/// ```
#[derive(Clone, Copy, PartialEq)]
pub struct Fixed<T> {
    pub(super) beta: T,
}

impl<T: Real> Fixed<T> {
    /// All mass at `beta`, 0 ≤ beta < ∞; kept exactly, −0 as 0.
    ///
    /// # Errors
    /// [`ParamError::BetaNegative`], also for NaN and ∞.
    ///
    /// ```
    /// use prefstrength::Fixed;
    /// assert_eq!(Fixed::new(0.1)?.beta(), 0.1);
    /// assert!(Fixed::new(-0.1).is_err() && Fixed::new(f64::NAN).is_err());
    /// # Ok::<(), prefstrength::ParamError>(())
    /// ```
    pub fn new(beta: T) -> Result<Self, ParamError> {
        let b = beta.to_f64();
        check(b, b >= 0.0, ParamError::BetaNegative)?;
        // −0 counts as 0.
        Ok(Self { beta: beta.abs() })
    }

    /// β.
    #[must_use]
    pub fn beta(&self) -> T {
        self.beta
    }

    /// E\[β\] = β.
    #[must_use]
    pub fn mean(&self) -> T {
        self.beta
    }

    /// Var β = 0.
    #[must_use]
    pub fn variance(&self) -> T {
        T::zero()
    }

    /// v = cv² = 0.
    #[must_use]
    pub fn v(&self) -> T {
        T::zero()
    }

    /// Standard deviation / mean = 0.
    #[must_use]
    pub fn cv(&self) -> T {
        T::zero()
    }
}
