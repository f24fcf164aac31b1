//! The parameters of an inverse Gaussian strength: constructors and accessors.

use super::tail::Point;
use crate::family::error::{ParamError, check};
use crate::math::twofold::product_error;
use crate::real::Real;
use core::marker::PhantomData;
use num_traits::Float;

/// β ~ inverse Gaussian (mean m, shape λ): density √(λ/(2πβ³)) e^{−λ(β−m)²/(2m²β)}, variance m³/λ, cv √(m/λ).
///
/// The time at which a Brownian motion with drift first comes to a level: a tail as light as that of a Gamma
/// strength, and next to no mass near 0.
///
/// `from_mean_cv` and `from_mean_v` also take a spread of 0: the point mass at the mean, where the
/// shape is ∞, and only the derivatives in the mean and in v make sense.
///
/// ```
/// use prefstrength::{InverseGaussian, Strength};
/// let beta: InverseGaussian<f64> = InverseGaussian::from_mean_cv(0.1, 0.5)?;
/// let g = beta.nll_gradient(3.0);
/// assert!(g.value < beta.nll(2.0) && g.d_margin < 0.0);
/// assert!((beta.shape() - 0.4).abs() < 1e-15);
/// # Ok::<(), prefstrength::ParamError>(())
/// ```
#[doc(alias = "Wald")]
#[derive(Clone, Copy, PartialEq)]
pub struct InverseGaussian<T> {
    // λ = m/v to rounding; all three are kept so that no margin pays for a conversion.
    pub(super) mean: f64,
    pub(super) shape: f64,
    pub(super) v: f64,
    precision: PhantomData<T>,
}

impl<T: Real> InverseGaussian<T> {
    /// Mean m > 0 and shape λ > 0: v = m/λ, rounded once.
    ///
    /// # Errors
    /// [`ParamError::MeanNotPositive`], [`ParamError::ShapeNotPositive`] (also for NaN and ∞), or
    /// [`ParamError::MeanOutOfRange`] where one of m, λ and m/λ is not a normal number.
    ///
    /// ```
    /// let beta = prefstrength::InverseGaussian::<f64>::from_mean_shape(0.1, 0.4)?;
    /// assert!(beta.mean() == 0.1 && beta.cv() == 0.5);
    /// # Ok::<(), prefstrength::ParamError>(())
    /// ```
    pub fn from_mean_shape(mean: T, shape: T) -> Result<Self, ParamError> {
        let (mean, shape) = (mean.to_f64(), shape.to_f64());
        check(mean, mean > 0.0, ParamError::MeanNotPositive)?;
        check(shape, shape > 0.0, ParamError::ShapeNotPositive)?;
        Self::checked(mean, shape, mean / shape)
    }

    /// Mean > 0 and coefficient of variation ≥ 0; λ = mean/cv².
    ///
    /// # Errors
    /// [`ParamError::MeanNotPositive`], [`ParamError::CvNegative`] (also for NaN and ∞), or
    /// [`ParamError::MeanOutOfRange`] where cv² overflows or λ is not a normal number. A cv whose square underflows
    /// counts as 0.
    ///
    /// ```
    /// let beta = prefstrength::InverseGaussian::<f64>::from_mean_cv(0.1, 0.5)?;
    /// assert_eq!((beta.mean(), beta.shape()), (0.1, 0.4));
    /// # Ok::<(), prefstrength::ParamError>(())
    /// ```
    pub fn from_mean_cv(mean: T, cv: T) -> Result<Self, ParamError> {
        let (mean, cv) = (mean.to_f64(), cv.to_f64());
        check(mean, mean > 0.0, ParamError::MeanNotPositive)?;
        check(cv, cv >= 0.0, ParamError::CvNegative)?;
        Self::from_mean_v_f64(mean, cv * cv)
    }

    /// Mean > 0 and squared coefficient of variation v = cv² ≥ 0; λ = mean/v.
    ///
    /// # Errors
    /// [`ParamError::MeanNotPositive`], [`ParamError::VNegative`] (also for NaN and ∞) or
    /// [`ParamError::MeanOutOfRange`].
    ///
    /// ```
    /// let beta = prefstrength::InverseGaussian::<f64>::from_mean_v(0.1, 0.0)?; // plain DPO
    /// assert_eq!((beta.shape(), beta.variance()), (f64::INFINITY, 0.0));
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
            return Ok(Self { mean, shape: f64::INFINITY, v: 0.0, precision: PhantomData });
        }
        Self::checked(mean, mean / v, v)
    }

    /// All three positive, finite, and none so small that its digits are lost.
    fn checked(mean: f64, shape: f64, v: f64) -> Result<Self, ParamError> {
        let fits = |x: f64| (f64::MIN_POSITIVE..f64::INFINITY).contains(&x);
        if fits(mean) && fits(v) && fits(shape) {
            Ok(Self { mean, shape, v, precision: PhantomData })
        } else {
            Err(ParamError::MeanOutOfRange)
        }
    }

    /// E\[β\].
    #[must_use]
    pub fn mean(&self) -> T {
        T::from_f64(self.mean)
    }

    /// Shape λ = mean/v; ∞ at cv = 0.
    #[must_use]
    pub fn shape(&self) -> T {
        T::from_f64(self.shape)
    }

    /// Var β = m³/λ.
    #[must_use]
    pub fn variance(&self) -> T {
        T::from_f64(self.mean * self.v * self.mean)
    }

    /// Standard deviation / mean = √(m/λ).
    #[must_use]
    pub fn cv(&self) -> T {
        T::from_f64(Float::sqrt(self.v))
    }

    /// v = cv² = m/λ, the coordinate in which plain DPO is the boundary v = 0.
    #[must_use]
    pub fn v(&self) -> T {
        T::from_f64(self.v)
    }

    pub(super) fn point(&self, size: f64) -> Point {
        let x_error = if size < f64::INFINITY { product_error(self.mean, size) } else { 0.0 };
        Point { x: self.mean * size, v: self.v, mean: self.mean, size, x_error }
    }
}
