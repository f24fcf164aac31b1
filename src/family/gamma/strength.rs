//! The parameters of a Gamma strength: constructors and accessors.

use super::tail::Point;
use crate::family::error::{ParamError, check};
use crate::math::twofold::{ln_twofold, product_error};
use crate::real::Real;
use core::marker::PhantomData;
use num_traits::Float;

/// β ~ Gamma(shape k, scale θ): density β^{k−1}e^{−β/θ}/(Γ(k)θᵏ), mean kθ, cv 1/√k.
///
/// `from_mean_cv` and `from_mean_v` also take a spread of 0: the point mass at the mean, where the
/// shape is ∞, the scale 0, and only the derivatives in the mean and in v make sense.
///
/// ```
/// use prefstrength::{Gamma, Strength};
/// let beta: Gamma<f64> = Gamma::from_mean_cv(0.1, 0.5)?;
/// let g = beta.nll_gradient(3.0);
/// assert!(g.value < beta.nll(2.0) && g.d_margin < 0.0);
/// assert!((beta.shape() - 4.0).abs() < 1e-15 && (beta.scale() - 0.025).abs() < 1e-17);
/// # Ok::<(), prefstrength::ParamError>(())
/// ```
#[derive(Clone, Copy, PartialEq)]
pub struct Gamma<T> {
    // k = 1/v and θ = m·v to rounding; all four are kept so that no margin pays for a conversion.
    pub(super) k: f64,
    pub(super) theta: f64,
    pub(super) mean: f64,
    pub(super) v: f64,
    precision: PhantomData<T>,
}

impl<T: Real> Gamma<T> {
    /// Shape k > 0 and scale θ > 0: mean kθ, v = 1/k, each rounded once.
    ///
    /// # Errors
    /// [`ParamError::ShapeNotPositive`], [`ParamError::ScaleNotPositive`] (also for NaN and ∞), or
    /// [`ParamError::MeanOutOfRange`] where kθ or 1/k under- or overflows.
    ///
    /// ```
    /// let beta = prefstrength::Gamma::<f64>::from_shape_scale(4.0, 0.025)?;
    /// assert!((beta.mean() - 0.1).abs() < 1e-16 && beta.cv() == 0.5);
    /// # Ok::<(), prefstrength::ParamError>(())
    /// ```
    pub fn from_shape_scale(shape: T, scale: T) -> Result<Self, ParamError> {
        let (k, theta) = (shape.to_f64(), scale.to_f64());
        check(k, k > 0.0, ParamError::ShapeNotPositive)?;
        check(theta, theta > 0.0, ParamError::ScaleNotPositive)?;
        Self::checked(k, theta, k * theta, 1.0 / k)
    }

    /// Shape k > 0 and rate λ = 1/θ > 0: mean k/λ, v = 1/k, each rounded once.
    ///
    /// # Errors
    /// [`ParamError::ShapeNotPositive`], [`ParamError::RateNotPositive`] (also for NaN and ∞), or
    /// [`ParamError::MeanOutOfRange`] where k/λ, 1/λ or 1/k under- or overflows.
    ///
    /// ```
    /// let beta = prefstrength::Gamma::<f64>::from_shape_rate(4.0, 40.0)?;
    /// assert!((beta.mean() - 0.1).abs() < 1e-16 && beta.cv() == 0.5);
    /// # Ok::<(), prefstrength::ParamError>(())
    /// ```
    pub fn from_shape_rate(shape: T, rate: T) -> Result<Self, ParamError> {
        let (k, rate) = (shape.to_f64(), rate.to_f64());
        check(k, k > 0.0, ParamError::ShapeNotPositive)?;
        check(rate, rate > 0.0, ParamError::RateNotPositive)?;
        Self::checked(k, 1.0 / rate, k / rate, 1.0 / k)
    }

    /// Mean > 0 and coefficient of variation ≥ 0; k = 1/cv², θ = mean·cv².
    ///
    /// # Errors
    /// [`ParamError::MeanNotPositive`], [`ParamError::CvNegative`] (also for NaN and ∞), or
    /// [`ParamError::MeanOutOfRange`] where cv² overflows. A cv whose square underflows counts as 0.
    ///
    /// ```
    /// let beta = prefstrength::Gamma::<f64>::from_mean_cv(0.1, 0.5)?;
    /// assert_eq!((beta.shape(), beta.scale()), (4.0, 0.025));
    /// # Ok::<(), prefstrength::ParamError>(())
    /// ```
    pub fn from_mean_cv(mean: T, cv: T) -> Result<Self, ParamError> {
        let (mean, cv) = (mean.to_f64(), cv.to_f64());
        check(mean, mean > 0.0, ParamError::MeanNotPositive)?;
        check(cv, cv >= 0.0, ParamError::CvNegative)?;
        Self::from_mean_v_f64(mean, cv * cv)
    }

    /// Mean > 0 and squared coefficient of variation v = cv² ≥ 0; k = 1/v, θ = mean·v.
    ///
    /// # Errors
    /// [`ParamError::MeanNotPositive`], [`ParamError::VNegative`] (also for NaN and ∞) or
    /// [`ParamError::MeanOutOfRange`].
    ///
    /// ```
    /// let beta = prefstrength::Gamma::<f64>::from_mean_v(0.1, 0.0)?; // plain DPO
    /// assert_eq!((beta.shape(), beta.scale()), (f64::INFINITY, 0.0));
    /// # Ok::<(), prefstrength::ParamError>(())
    /// ```
    pub fn from_mean_v(mean: T, v: T) -> Result<Self, ParamError> {
        let (mean, v) = (mean.to_f64(), v.to_f64());
        check(mean, mean > 0.0, ParamError::MeanNotPositive)?;
        check(v, v >= 0.0, ParamError::VNegative)?;
        Self::from_mean_v_f64(mean, v)
    }

    fn from_mean_v_f64(mean: f64, v: f64) -> Result<Self, ParamError> {
        // A spread that no f64 can tell from none is none.
        if v < f64::MIN_POSITIVE {
            return Ok(Self { k: f64::INFINITY, theta: 0.0, mean, v: 0.0, precision: PhantomData });
        }
        Self::checked(1.0 / v, mean * v, mean, v)
    }

    /// All four positive, finite, and none so small that its reciprocal is lost.
    fn checked(k: f64, theta: f64, mean: f64, v: f64) -> Result<Self, ParamError> {
        let fits = |x: f64| (f64::MIN_POSITIVE..f64::INFINITY).contains(&x);
        if fits(mean) && fits(v) && fits(k) && theta < f64::INFINITY {
            Ok(Self { k, theta, mean, v, precision: PhantomData })
        } else {
            Err(ParamError::MeanOutOfRange)
        }
    }

    /// Shape k; ∞ at cv = 0.
    #[must_use]
    pub fn shape(&self) -> T {
        T::from_f64(self.k)
    }

    /// Scale θ; 0 at cv = 0.
    #[must_use]
    pub fn scale(&self) -> T {
        T::from_f64(self.theta)
    }

    /// Rate 1/θ; ∞ at cv = 0.
    #[must_use]
    pub fn rate(&self) -> T {
        T::from_f64(1.0 / self.theta)
    }

    /// E\[β\] = kθ.
    #[must_use]
    pub fn mean(&self) -> T {
        T::from_f64(self.mean)
    }

    /// Var β = kθ².
    #[must_use]
    pub fn variance(&self) -> T {
        T::from_f64(self.mean * self.theta)
    }

    /// Standard deviation / mean = 1/√k.
    #[must_use]
    pub fn cv(&self) -> T {
        T::from_f64(Float::sqrt(self.v))
    }

    /// v = cv² = 1/k, the coordinate in which plain DPO is the boundary v = 0.
    #[must_use]
    pub fn v(&self) -> T {
        T::from_f64(self.v)
    }

    pub(super) fn point(&self, size: f64) -> Point {
        let x = self.mean * size;
        // A subnormal scale may have lost its digits.
        let tiny = self.theta < f64::MIN_POSITIVE;
        let c = if tiny { x * self.v } else { self.theta * size };
        let ln_c = match (c == f64::INFINITY, size == f64::INFINITY) {
            (true, false) => {
                // θ|D| ≥ 2¹⁰²⁴ with both halved in exponent.
                let half = f64::from_bits((1023 - 512) << 52);
                ln_twofold((self.theta * half) * (size * half), 1024.0)
            }
            // ln ∞ = ∞; not read where c is finite.
            _ => (c, 0.0),
        };
        let c_error = if size < f64::INFINITY { product_error(self.theta, size) } else { 0.0 };
        Point { x, c, k: self.k, v: self.v, c_error, ln_c }
    }
}
