//! Label smoothing.

use crate::family::ParamError;
use crate::real::Real;

/// Label smoothing ε of conservative DPO: each label is wrong with probability ε, and the loss is
/// (1 − ε)·nll(D) + ε·nll(−D).
///
/// ```
/// use prefstrength::{Fixed, Smoothing, Strength};
/// let beta: Fixed<f64> = Fixed::new(0.1)?;
/// let eps = Smoothing::new(0.1)?;
/// let smoothed = beta.smoothed_nll(2.0, eps);
/// assert!((smoothed - (0.9 * beta.nll(2.0) + 0.1 * beta.nll(-2.0))).abs() < 1e-15);
/// # Ok::<(), prefstrength::ParamError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Smoothing<T>(T);

impl<T: Real> Smoothing<T> {
    /// 0 ≤ ε ≤ 1; conservative DPO has ε < ½.
    ///
    /// # Errors
    /// [`ParamError::SmoothingNotInUnit`], also for NaN.
    ///
    /// ```
    /// use prefstrength::Smoothing;
    /// assert_eq!(Smoothing::new(0.1)?.epsilon(), 0.1);
    /// assert!(Smoothing::new(1.5).is_err() && Smoothing::new(f64::NAN).is_err());
    /// # Ok::<(), prefstrength::ParamError>(())
    /// ```
    pub fn new(epsilon: T) -> Result<Self, ParamError> {
        if epsilon >= T::zero() && epsilon <= T::one() {
            Ok(Self(epsilon.abs()))
        } else {
            Err(ParamError::SmoothingNotInUnit)
        }
    }

    /// ε = 0: the plain loss.
    ///
    /// ```
    /// use prefstrength::{Gamma, Smoothing, Strength};
    /// let beta = Gamma::<f64>::from_mean_cv(0.1, 0.5)?;
    /// assert_eq!(beta.smoothed_nll(2.0, Smoothing::none()), beta.nll(2.0));
    /// # Ok::<(), prefstrength::ParamError>(())
    /// ```
    #[must_use]
    pub fn none() -> Self {
        Self(T::zero())
    }

    /// ε as given, in \[0, 1\].
    ///
    /// ```
    /// assert_eq!(prefstrength::Smoothing::<f64>::none().epsilon(), 0.0);
    /// ```
    #[must_use]
    pub fn epsilon(&self) -> T {
        self.0
    }
}

/// (1 − ε)·f(false) + ε·f(true), without touching f(true) at ε = 0 nor f(false) at ε = 1: 0·∞ is 0.
pub(crate) fn mix<T: Real, const M: usize>(
    smoothing: Smoothing<T>,
    f: impl Fn(bool) -> [f64; M],
) -> [f64; M] {
    let eps = smoothing.0.to_f64();
    if eps == 0.0 {
        return f(false);
    }
    if eps == 1.0 {
        return f(true);
    }
    let mut out = f(false);
    for (a, b) in out.iter_mut().zip(f(true)) {
        *a = (1.0 - eps) * *a + eps * b;
    }
    out
}
