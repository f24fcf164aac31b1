//! The chance of a flipped label as an optimiser sees it.

use crate::error::LearnError;
use prefstrength::{Lapse, Real};

/// What the unconstrained parameter may be: ε from 2e-26, which f32 holds with room, to 3e-6 below ½.
const LOGITS: core::ops::RangeInclusive<f64> = -60.0..=12.0;

/// A [`Lapse`] as one number for an optimiser that trains it beside the policy and p(β), ρ = ln(2ε/(1 − 2ε)); or as two,
/// [by side](Self::by_side).
///
/// * Any ρ is valid; [`set`](Self::set) clamps it to −60 ≤ ρ ≤ 12. |∂nll/∂ρ| ≤ 1 for every pair, where ∂nll/∂ε has no
///   bound. ε = 0 lies at −∞ and is approached slowly, as −ρ: where labels are right, ε is small and stays positive.
/// * ε and the spread of p(β) both fatten the wrong tail: with margins that seldom leave βD ≈ 1 they are not told apart,
///   and one of them alone takes what both explain. Repeated choices of the same people do tell:
///   [`StrengthParams::evaluate_panel`](crate::StrengthParams::evaluate_panel).
/// * With feature `serde` it can be stored, and what is read back goes on with the same bits.
///
/// ```
/// use prefstrength::Family;
/// use prefstrength::batch::{Batch, Rows};
/// use prefstrength_learn::{LapseParams, LearnError, StrengthParams};
/// // Nine of ten choices go by the sign of the margin, however large it is.
/// let margins: Vec<f32> = (0..2000).map(|i| (i % 40 + 1) as f32 * if i % 10 < 9 { 0.5 } else { -0.5 }).collect();
/// let mut p_beta = StrengthParams::in_ln_mean_v(Family::Gamma, 1.0)?;
/// let mut lapse = LapseParams::new(0.02)?;
/// for _ in 0..400 {
///     let batch = Batch::new(&margins).lapse(lapse.lapse()?);
///     let sums = p_beta.evaluate(&batch, Rows::new())?;
///     let [ln_mean, v] = p_beta.params();
///     let [d_ln_mean, d_v] = sums.d_params.map(|d| d / sums.weight);
///     p_beta.set([ln_mean - d_ln_mean, v - d_v])?;
///     let [d_rho, _] = lapse.gradient(sums.d_lapse);
///     lapse.set([lapse.params()[0] - 10.0 * d_rho / sums.weight, 0.0])?;
/// }
/// assert!((lapse.epsilon()[0] - 0.1).abs() < 0.005 && p_beta.strength().cv() < 0.1);
/// # Ok::<(), LearnError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(try_from = "Stored", into = "Stored"))]
pub struct LapseParams {
    logits: [f64; 2],
    by_side: bool,
}

impl LapseParams {
    /// One ε for all labels, from 0 < ε < ½. A start of a few percent is a good one.
    ///
    /// # Errors
    /// [`LearnError::NotFinite`] for 0, where no gradient leads away, and otherwise outside of the range.
    pub fn new(epsilon: f64) -> Result<Self, LearnError> {
        Self { logits: [0.0; 2], by_side: false }.at([logit(epsilon)?, 0.0])
    }

    /// ε₀ and ε₁ ([`Lapse::by_side`]).
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn by_side(floor: f64, ceiling: f64) -> Result<Self, LearnError> {
        Self { logits: [0.0; 2], by_side: true }.at([logit(floor)?, logit(ceiling)?])
    }

    /// The parameters: ρ and 0, or ρ₀ and ρ₁.
    #[must_use]
    pub fn params(&self) -> [f64; 2] {
        self.logits
    }

    /// Takes new parameters, after clamping them; without sides the second one is not looked at.
    ///
    /// # Errors
    /// [`LearnError::NotFinite`] if one is NaN or infinite; the old ones stay.
    pub fn set(&mut self, params: [f64; 2]) -> Result<(), LearnError> {
        *self = self.at(params)?;
        Ok(())
    }

    fn at(self, [first, second]: [f64; 2]) -> Result<Self, LearnError> {
        let second = if self.by_side { second } else { 0.0 };
        if !(first.is_finite() && second.is_finite()) {
            return Err(LearnError::NotFinite);
        }
        let clamp = |logit: f64| logit.clamp(*LOGITS.start(), *LOGITS.end());
        Ok(Self { logits: [clamp(first), if self.by_side { clamp(second) } else { 0.0 }], ..self })
    }

    /// \[ε₀, ε₁\], the same without sides.
    #[must_use]
    pub fn epsilon(&self) -> [f64; 2] {
        let of = |logit: f64| 0.5 * prefstrength::math::sigmoid(logit);
        [of(self.logits[0]), of(self.logits[usize::from(self.by_side)])]
    }

    /// The lapse, for [`Batch::lapse`](prefstrength::batch::Batch::lapse) and panels.
    ///
    /// # Errors
    /// None within the range of the parameters.
    pub fn lapse<T: Real>(&self) -> Result<Lapse<T>, LearnError> {
        let [floor, ceiling] = self.epsilon().map(T::from_f64);
        Ok(if self.by_side { Lapse::by_side(floor, ceiling)? } else { Lapse::new(floor)? })
    }

    /// The gradient in the parameters from that in ε, as sums have it: times ε(1 − 2ε).
    #[must_use]
    pub fn gradient(&self, d_lapse: [f64; 2]) -> [f64; 2] {
        let [first, second] = self.epsilon();
        let chain = |epsilon: f64, d: f64| epsilon * (1.0 - 2.0 * epsilon) * d;
        [chain(first, d_lapse[0]), if self.by_side { chain(second, d_lapse[1]) } else { 0.0 }]
    }
}

/// ln(2ε/(1 − 2ε)), which is finite for 0 < ε < ½.
fn logit(epsilon: f64) -> Result<f64, LearnError> {
    let logit = (2.0 * epsilon).ln() - (-2.0 * epsilon).ln_1p();
    if logit.is_finite() { Ok(logit) } else { Err(LearnError::NotFinite) }
}

/// [`LapseParams`] as they are stored.
#[cfg(feature = "serde")]
#[derive(serde::Serialize, serde::Deserialize)]
struct Stored {
    logits: [f64; 2],
    by_side: bool,
}

#[cfg(feature = "serde")]
impl From<LapseParams> for Stored {
    fn from(LapseParams { logits, by_side }: LapseParams) -> Self {
        Self { logits, by_side }
    }
}

#[cfg(feature = "serde")]
impl TryFrom<Stored> for LapseParams {
    type Error = LearnError;
    fn try_from(Stored { logits, by_side }: Stored) -> Result<Self, LearnError> {
        Self { logits: [0.0; 2], by_side }.at(logits)
    }
}
