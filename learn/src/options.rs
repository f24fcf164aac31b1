//! Limits and penalties of what is maximised.

use crate::error::LearnError;
use crate::limits::MAX_CV;

/// Limits and penalties of fits, [`train`](crate::train) and [`fit`](crate::fit) alike: margins are pairs of one
/// feature, with E\[β\] for its weight.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Options {
    /// Largest cv that a fit may take, within [`limits::MAX_CV`](MAX_CV). At 5, the default, nearly all β are next
    /// to 0, and a likelihood that still rises is on its way to a step function of the margin.
    pub max_cv: f64,
    /// Most iterations of Newton's method from one start; 100 by default, of which a dozen are needed.
    pub max_iterations: u32,
    /// λ ≥ 0 of the penalty ½λ|w|²: a normal prior of variance 1/λ on every weight, in the units of its feature.
    /// 0, none, by default; margins have no weights and refuse it.
    pub ridge: f64,
    /// τ > 0 of the penalty ½cv²/τ²: a half-normal prior on cv. None by default.
    pub prior_cv: Option<f64>,
}

impl Default for Options {
    fn default() -> Self {
        Self { max_cv: 5.0, max_iterations: 100, ridge: 0.0, prior_cv: None }
    }
}

impl Options {
    /// 1/τ², 0 without a prior, once everything has been looked through.
    pub(crate) fn check(&self) -> Result<f64, LearnError> {
        check_max_cv(self.max_cv)?;
        if !(self.ridge >= 0.0 && self.ridge.is_finite()) {
            return Err(LearnError::Ridge);
        }
        self.prior_cv.map_or(Ok(0.0), invert_square)
    }
}

pub(crate) fn check_max_cv(max_cv: f64) -> Result<(), LearnError> {
    if MAX_CV.contains(&max_cv) { Ok(()) } else { Err(LearnError::MaxCv) }
}

/// 1/τ² of a prior.
pub(crate) fn invert_square(tau: f64) -> Result<f64, LearnError> {
    let inverse = (tau * tau).recip();
    if tau > 0.0 && inverse > 0.0 && inverse.is_finite() { Ok(inverse) } else { Err(LearnError::PriorCv) }
}
