//! The point mass.

use super::strength::Fixed;
use crate::family::place::step;
use crate::real::Real;

impl<T: Real> Fixed<T> {
    /// The probability of a strength ≤ x: 0 below β, 1 from β on, NaN at NaN; exact.
    #[must_use]
    pub fn cdf(&self, x: T) -> T {
        T::from_f64(step(x, self.beta()).cdf)
    }

    /// The probability of a strength > x: 1 below β, 0 from β on, NaN at NaN; exact.
    #[doc(alias = "survival")]
    #[must_use]
    pub fn sf(&self, x: T) -> T {
        T::from_f64(step(x, self.beta()).sf)
    }

    /// β for 0 ≤ p ≤ 1, NaN elsewhere.
    #[doc(alias = "ppf")]
    #[doc(alias = "inverse_cdf")]
    #[must_use]
    pub fn quantile(&self, p: T) -> T {
        if p >= T::zero() && p <= T::one() { self.beta() } else { T::nan() }
    }

    /// β.
    #[must_use]
    pub fn median(&self) -> T {
        self.beta()
    }

    /// β.
    #[must_use]
    pub fn mode(&self) -> T {
        self.beta()
    }

    /// Standard deviation = 0.
    #[must_use]
    pub fn std_dev(&self) -> T {
        T::zero()
    }

    /// Differential entropy = −∞, the limit of ever narrower densities.
    #[must_use]
    pub fn entropy(&self) -> T {
        T::neg_infinity()
    }
}
