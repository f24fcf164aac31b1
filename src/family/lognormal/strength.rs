//! The parameters of a LogNormal strength: constructors and accessors.

use super::tail::{self, MAX_SIGMA, Point};
use crate::family::error::{ParamError, check};
use crate::math::elementary::{exp, exp_parts};
use crate::math::twofold::{ln_1p_twofold, ln_twofold, two_prod, two_sum};
use crate::real::Real;
use core::marker::PhantomData;
use num_traits::Float;

/// ln β ~ Normal(μ, σ²): mean e^{μ+σ²/2}, cv² = e^{σ²} − 1.
///
/// σ = 0 is the point mass at e^μ.
///
/// ```
/// use prefstrength::{LogNormal, Strength};
/// let beta = LogNormal::from_mu_sigma(-2.3, 0.5)?;
/// let g = beta.nll_gradient(-1.0);
/// assert!(g.value > core::f64::consts::LN_2 && g.d_margin < 0.0);
/// # Ok::<(), prefstrength::ParamError>(())
/// ```
#[derive(Clone, Copy, PartialEq)]
pub struct LogNormal<T> {
    /// μ = mu + mu_lo
    pub(super) mu: f64,
    pub(super) mu_lo: f64,
    /// σ = sigma + sigma_lo
    pub(super) sigma: f64,
    pub(super) sigma_lo: f64,
    /// e^μ
    pub(super) median: f64,
    pub(super) mean: f64,
    /// cv²
    pub(super) v: f64,
    precision: PhantomData<T>,
}

impl<T: Real> LogNormal<T> {
    /// Mean μ and standard deviation σ of ln β; μ finite, 0 ≤ σ ≤ 12.
    ///
    /// # Errors
    /// [`ParamError::MuNotFinite`], [`ParamError::SigmaNegative`], [`ParamError::SigmaTooLarge`], or
    /// [`ParamError::MeanOutOfRange`] where the median e^μ or the mean under- or overflows an f64.
    ///
    /// ```
    /// let beta = prefstrength::LogNormal::<f64>::from_mu_sigma(0.0, 1.0)?;
    /// assert!((beta.mean() - 0.5_f64.exp()).abs() < 1e-15); // e^{μ+σ²/2}
    /// # Ok::<(), prefstrength::ParamError>(())
    /// ```
    pub fn from_mu_sigma(mu: T, sigma: T) -> Result<Self, ParamError> {
        let (mu, sigma) = (mu.to_f64(), sigma.to_f64());
        check(mu, true, ParamError::MuNotFinite)?;
        check(sigma, sigma >= 0.0, ParamError::SigmaNegative)?;
        check(sigma, sigma <= MAX_SIGMA, ParamError::SigmaTooLarge)?;
        let (sigma, median) = (sigma.abs(), exp(mu));
        let (grow, _) = exp_square(sigma, 0.5);
        let (_, v) = exp_square(sigma, 1.0);
        Self::checked((mu, 0.0), (sigma, 0.0), median, median * grow, v)
    }

    /// Mean of β > 0 and coefficient of variation ≥ 0; σ² = ln(1 + cv²), μ = ln mean − σ²/2.
    ///
    /// # Errors
    /// [`ParamError::MeanNotPositive`], [`ParamError::CvNegative`] (also for NaN and ∞),
    /// [`ParamError::SigmaTooLarge`], [`ParamError::MeanOutOfRange`].
    ///
    /// ```
    /// let beta = prefstrength::LogNormal::<f64>::from_mean_cv(1.0, 1.0)?;
    /// assert!((beta.sigma() - core::f64::consts::LN_2.sqrt()).abs() < 1e-15);
    /// # Ok::<(), prefstrength::ParamError>(())
    /// ```
    pub fn from_mean_cv(mean: T, cv: T) -> Result<Self, ParamError> {
        let (mean, cv) = (mean.to_f64(), cv.to_f64());
        check(mean, mean > 0.0, ParamError::MeanNotPositive)?;
        check(cv, cv >= 0.0, ParamError::CvNegative)?;
        // √ln(1 + cv²) = cv below the square root of eps, where cv² may underflow.
        let sigma = if cv < 1e-8 { (cv.abs(), 0.0) } else { tail::sigma(cv * cv) };
        Self::from_mean_sigma(mean, sigma, cv * cv)
    }

    /// Mean of β > 0 and squared coefficient of variation v = cv² ≥ 0; σ² = ln(1 + v),
    /// μ = ln mean − σ²/2.
    ///
    /// # Errors
    /// [`ParamError::MeanNotPositive`], [`ParamError::VNegative`] (also for NaN and ∞),
    /// [`ParamError::SigmaTooLarge`], [`ParamError::MeanOutOfRange`].
    ///
    /// ```
    /// let beta = prefstrength::LogNormal::<f64>::from_mean_v(0.1, 0.0)?; // plain DPO
    /// assert_eq!((beta.mean(), beta.sigma()), (0.1, 0.0));
    /// # Ok::<(), prefstrength::ParamError>(())
    /// ```
    pub fn from_mean_v(mean: T, v: T) -> Result<Self, ParamError> {
        let (mean, v) = (mean.to_f64(), v.to_f64());
        check(mean, mean > 0.0, ParamError::MeanNotPositive)?;
        check(v, v >= 0.0, ParamError::VNegative)?;
        Self::from_mean_sigma(mean, tail::sigma(v.abs()), v.abs())
    }

    fn from_mean_sigma(mean: f64, sigma: (f64, f64), v: f64) -> Result<Self, ParamError> {
        check(sigma.0, sigma.0 <= MAX_SIGMA, ParamError::SigmaTooLarge)?;
        // A mean that is not normal is refused below.
        let (ln_mean, mean_lo) = ln_twofold(mean, 0.0);
        let (ln_square, square_lo) = ln_1p_twofold(v);
        let (mu, lo) = two_sum(ln_mean, -0.5 * ln_square);
        let mu = two_sum(mu, lo + mean_lo - 0.5 * square_lo);
        // The median from the mean itself, which ln and exp would cost ln(mean) ulp.
        Self::checked(mu, sigma, mean / Float::sqrt(1.0 + v), mean, v)
    }

    /// Median and mean positive, normal and finite.
    fn checked(
        (mu, mu_lo): (f64, f64),
        (sigma, sigma_lo): (f64, f64),
        median: f64,
        mean: f64,
        v: f64,
    ) -> Result<Self, ParamError> {
        if median >= f64::MIN_POSITIVE && mean < f64::INFINITY {
            Ok(Self { mu, mu_lo, sigma, sigma_lo, median, mean, v, precision: PhantomData })
        } else {
            Err(ParamError::MeanOutOfRange)
        }
    }

    /// μ = E[ln β].
    #[must_use]
    pub fn mu(&self) -> T {
        T::from_f64(self.mu)
    }

    /// σ, the standard deviation of ln β.
    #[must_use]
    pub fn sigma(&self) -> T {
        T::from_f64(self.sigma)
    }

    /// E\[β\] = e^{μ+σ²/2}.
    #[must_use]
    pub fn mean(&self) -> T {
        T::from_f64(self.mean)
    }

    /// Var β = mean²(e^{σ²} − 1); may overflow to ∞.
    #[must_use]
    pub fn variance(&self) -> T {
        T::from_f64(self.mean * self.v * self.mean)
    }

    /// Standard deviation / mean = √(e^{σ²} − 1).
    #[must_use]
    pub fn cv(&self) -> T {
        T::from_f64(if self.sigma < 1e-8 { self.sigma } else { Float::sqrt(self.v) })
    }

    /// v = cv² = e^{σ²} − 1, the coordinate in which plain DPO is the boundary v = 0.
    #[must_use]
    pub fn v(&self) -> T {
        T::from_f64(self.v)
    }
}

/// e^{fσ²} and e^{fσ²} − 1 for a power of two f, without the σ² ulp that rounding σ² would cost.
fn exp_square(sigma: f64, f: f64) -> (f64, f64) {
    let (square, lo) = two_prod(sigma, sigma);
    let p = exp_parts(f * square);
    let lo = p.exp * (f * lo);
    (p.exp + lo, p.exp_m1 + lo)
}

impl<T> LogNormal<T> {
    pub(super) fn point(&self, size: f64) -> Point {
        Point {
            median: self.median,
            size,
            mu: self.mu,
            mu_lo: self.mu_lo,
            sigma: self.sigma,
            sigma_lo: self.sigma_lo,
        }
    }
}
