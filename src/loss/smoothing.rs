//! Losses of soft labels: conservative and robust DPO.

use super::lapse::is_lapse;
use crate::family::ParamError;
use crate::real::Real;

/// A weight for the opposite label: (1 − q)·nll + q·nll of the opposite label.
///
/// | loss | constructor | q |
/// | --- | --- | --- |
/// | plain | [`none`](Self::none) | 0 |
/// | conservative DPO: label smoothing | [`new`](Self::new) | ε: the expected loss if a label is wrong with probability ε |
/// | robust DPO | [`robust`](Self::robust) | −ε/(1 − 2ε): unbiased for the loss of the right labels; not bounded below |
///
/// Neither learns ε: as a function of q the loss is linear. The likelihood of flipped labels, in which ε is a parameter,
/// is [`Lapse`](crate::Lapse); docs/label-noise.md has all three. Without a lapse the opposite label is the margin −D.
///
/// * Source: conservative DPO, Mitchell 2023; robust DPO, Chowdhury, Kini and Natarajan 2024 (arXiv 2403.00409), eq. 12.
///
/// ```
/// use prefstrength::{Fixed, Smoothing, Strength};
/// let beta: Fixed<f64> = Fixed::new(0.1)?;
/// let smoothed = beta.smoothed_nll(2.0, Smoothing::new(0.1)?);
/// assert!((smoothed - (0.9 * beta.nll(2.0) + 0.1 * beta.nll(-2.0))).abs() < 1e-15);
/// let robust = beta.smoothed_nll(2.0, Smoothing::robust(0.1)?);
/// assert!((robust - (0.9 * beta.nll(2.0) - 0.1 * beta.nll(-2.0)) / 0.8).abs() < 1e-15);
/// # Ok::<(), prefstrength::ParamError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Smoothing<T> {
    epsilon: T,
    opposite: T,
}

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
            let epsilon = epsilon.abs();
            Ok(Self { epsilon, opposite: epsilon })
        } else {
            Err(ParamError::SmoothingNotInUnit)
        }
    }

    /// Robust DPO, ((1 − ε)·nll − ε·nll of the opposite label)/(1 − 2ε): 0 ≤ ε < ½.
    ///
    /// # Errors
    /// [`ParamError::LapseNotBelowHalf`], also for NaN.
    ///
    /// ```
    /// use prefstrength::Smoothing;
    /// let robust = Smoothing::robust(0.1_f64)?;
    /// assert_eq!((robust.epsilon(), robust.opposite()), (0.1, -0.125));
    /// # Ok::<(), prefstrength::ParamError>(())
    /// ```
    pub fn robust(epsilon: T) -> Result<Self, ParamError> {
        if !is_lapse(epsilon) {
            return Err(ParamError::LapseNotBelowHalf);
        }
        let e = epsilon.to_f64().abs();
        Ok(Self {
            epsilon: epsilon.abs(),
            opposite: T::from_f64(if e == 0.0 { 0.0 } else { -e / (1.0 - 2.0 * e) }),
        })
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
        Self { epsilon: T::zero(), opposite: T::zero() }
    }

    /// ε as given.
    ///
    /// ```
    /// assert_eq!(prefstrength::Smoothing::<f64>::none().epsilon(), 0.0);
    /// ```
    #[must_use]
    pub fn epsilon(&self) -> T {
        self.epsilon
    }

    /// q, the weight of the opposite label's loss.
    ///
    /// ```
    /// assert_eq!(prefstrength::Smoothing::new(0.1)?.opposite(), 0.1);
    /// # Ok::<(), prefstrength::ParamError>(())
    /// ```
    #[must_use]
    pub fn opposite(&self) -> T {
        self.opposite
    }
}

/// (1 − q)·f(false) + q·f(true), without touching f(true) at q = 0 nor f(false) at q = 1: 0·∞ is 0.
pub(crate) fn mix<T: Real, const M: usize>(
    smoothing: Smoothing<T>,
    f: impl Fn(bool) -> [f64; M],
) -> [f64; M] {
    let opposite = smoothing.opposite.to_f64();
    if opposite == 0.0 {
        return f(false);
    }
    if opposite == 1.0 {
        return f(true);
    }
    let mut out = f(false);
    for (a, b) in out.iter_mut().zip(f(true)) {
        *a = (1.0 - opposite) * *a + opposite * b;
    }
    out
}
