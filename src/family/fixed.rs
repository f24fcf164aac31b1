//! All mass at one β.

use super::{Kernel, ParamError, check};
use crate::canonical::{self, Tail};
use crate::float::Real;

/// β known: plain DPO.
///
/// ```
/// use prefstrength::{Fixed, Strength};
/// let dpo = Fixed::new(0.1)?;
/// assert_eq!(dpo.nll(0.0), core::f64::consts::LN_2);
/// # Ok::<(), prefstrength::ParamError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fixed<T> {
    beta: T,
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

impl<T: Real> Kernel for Fixed<T> {
    fn tail(&self, size: f64, _second: bool) -> Tail {
        let beta = self.beta.to_f64();
        // β = 0 decides nothing, however large the margin.
        canonical::fixed(if beta == 0.0 { 0.0 } else { beta * size })
    }
    fn unit(&self) -> f64 {
        self.beta.to_f64()
    }
    fn posterior(&self, _size: f64, _negative: bool) -> (f64, f64) {
        (self.beta.to_f64(), 0.0)
    }
}
