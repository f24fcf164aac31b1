//! What is fitted: a family of strengths, perhaps beside flipped labels, a curved margin, or one β per person.

use crate::error::LearnError;
use core::fmt;
use prefstrength::{AnyStrength, Family, Lapse, ParamError, Strength};

/// A model of choices: which parameters beside the scale (E\[β\], or the weights of a policy) are learned.
///
/// P(chosen | D) = ε + (1 − 2ε)·E\[σ(β·sign(D)|D|^γ)\], with
///
/// * the spread v = cv² of a family; `Fixed` has none,
/// * ε, the share of flipped labels, if [`lapse`](Self::lapse) is set; ε = 0 otherwise. Of single choices guessers (2ε of
///   them) and people of the opposite preference are the same likelihood,
/// * γ > 0, the curvature of the margin, if [`curvature`](Self::curvature) is set; γ = 1 otherwise. γ < 1 is a concave
///   margin, whose curve levels off as that of a spread does.
///
/// With [`per_person`](Self::per_person), β is drawn once for each person and kept for all of their choices:
/// Lᵢ = ∫ p(β) Πₜ P(chosen | β, Dᵢₜ) dβ.
///
/// ```
/// use prefstrength::Family;
/// use prefstrength_learn::Model;
/// let model = Model::new(Family::Gamma).with_lapse();
/// assert_eq!(model.to_string(), "Gamma + lapse");
/// assert_eq!(Model::from(Family::Fixed).with_curvature().to_string(), "Fixed, curved");
/// assert_eq!(model.parameters(), 2); // v and ε
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Model {
    /// The family of p(β).
    pub family: Family,
    /// Whether labels may be flipped.
    pub lapse: bool,
    /// Whether the margin may be curved.
    pub curvature: bool,
    /// Whether each person has one β.
    pub per_person: bool,
}

impl Model {
    /// A strength alone, drawn anew for every choice.
    #[must_use]
    pub fn new(family: Family) -> Self {
        Self { family, lapse: false, curvature: false, per_person: false }
    }

    /// With flipped labels.
    #[must_use]
    pub fn with_lapse(self) -> Self {
        Self { lapse: true, ..self }
    }

    /// With a curved margin.
    #[must_use]
    pub fn with_curvature(self) -> Self {
        Self { curvature: true, ..self }
    }

    /// With one β for each person.
    #[must_use]
    pub fn per_person(self) -> Self {
        Self { per_person: true, ..self }
    }

    /// How many parameters are learned beside the scale.
    #[must_use]
    pub fn parameters(&self) -> usize {
        usize::from(self.has_spread()) + usize::from(self.lapse) + usize::from(self.curvature)
    }

    /// Whether there is a spread to learn.
    #[must_use]
    pub fn has_spread(&self) -> bool {
        self.family.parameters().len() > 1
    }

    /// Which of γ, ε and v are unknown, in the order of a point's coordinates.
    pub(crate) fn shapes(&self) -> [bool; SHAPES] {
        [self.curvature, self.lapse, self.has_spread()]
    }
}

impl From<Family> for Model {
    fn from(family: Family) -> Self {
        Self::new(family)
    }
}

impl fmt::Display for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.family.fmt(f)?;
        f.write_str(if self.lapse { " + lapse" } else { "" })?;
        f.write_str(if self.curvature { ", curved" } else { "" })?;
        f.write_str(if self.per_person { ", per person" } else { "" })
    }
}

/// Coordinates of a point beside its scale: ln γ; r of ε = ½ tanh² r; s of v = sinh² s.
pub(crate) const SHAPES: usize = 3;

/// A model at its parameters: the chance of a choice as a function of the margin.
///
/// ```
/// use prefstrength::{AnyStrength, Family, Lapse};
/// use prefstrength_learn::ChoiceCurve;
/// let beta = AnyStrength::from_mean_cv(Family::Gamma, 1.0, 0.5)?;
/// let curve = ChoiceCurve::from(beta).with_lapse(Lapse::new(0.1)?);
/// assert!((curve.probability(1e9) - 0.9).abs() < 1e-4);
/// assert!((curve.nll(-1e9) + 0.1_f64.ln()).abs() < 1e-3);
/// # Ok::<(), prefstrength::ParamError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ChoiceCurve {
    strength: AnyStrength,
    lapse: f64,
    curvature: f64,
}

impl From<AnyStrength> for ChoiceCurve {
    fn from(strength: AnyStrength) -> Self {
        Self { strength, lapse: 0.0, curvature: 1.0 }
    }
}

impl ChoiceCurve {
    /// With a chance of flipped labels; of a lapse by side, the lower end alone counts.
    #[must_use]
    pub fn with_lapse(self, lapse: Lapse<f64>) -> Self {
        Self { lapse: lapse.epsilon()[0], ..self }
    }

    /// With a margin D that counts as sign(D)|D|^γ.
    ///
    /// # Errors
    /// [`LearnError::Curvature`] unless 0 < γ < ∞.
    pub fn with_curvature(self, curvature: f64) -> Result<Self, LearnError> {
        if !(curvature > 0.0 && curvature.is_finite()) {
            return Err(LearnError::Curvature);
        }
        Ok(Self { curvature, ..self })
    }

    /// With another p(β).
    pub(crate) fn with_strength(self, strength: AnyStrength) -> Self {
        Self { strength, ..self }
    }

    /// p(β).
    #[must_use]
    pub fn strength(&self) -> AnyStrength {
        self.strength
    }

    /// ε.
    #[must_use]
    pub fn epsilon(&self) -> f64 {
        self.lapse
    }

    /// γ.
    #[must_use]
    pub fn curvature(&self) -> f64 {
        self.curvature
    }

    /// What stands between strength and loss.
    pub(crate) fn lapse(&self) -> Result<Lapse<f64>, ParamError> {
        Lapse::new(self.lapse)
    }

    pub(crate) fn bend(&self) -> Bend {
        Bend { gamma: self.curvature }
    }

    /// P(chosen | D).
    #[must_use]
    pub fn probability(&self, margin: f64) -> f64 {
        self.lapse + (1.0 - 2.0 * self.lapse) * self.strength.expected_sigmoid(self.bend().bend(margin))
    }

    /// −ln of it, also where it underflows.
    #[must_use]
    pub fn nll(&self, margin: f64) -> f64 {
        let y = self.bend().bend(margin);
        match self.lapse() {
            Ok(lapse) if self.lapse > 0.0 => self.strength.with_lapse(lapse).nll(y),
            _ => self.strength.nll(y),
        }
    }

    /// ln P/(1 − P) at D.
    #[must_use]
    pub fn effective_logit(&self, margin: f64) -> f64 {
        if self.lapse == 0.0 {
            return self.strength.effective_logit(self.bend().bend(margin));
        }
        self.nll(-margin) - self.nll(margin)
    }
}

/// D → sign(D)|D|^γ.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bend {
    pub(crate) gamma: f64,
}

/// |D| below which the slope of a concave margin is that at this size: it is infinite at 0.
const LEAST: f64 = 1e-9;

impl Bend {
    pub(crate) fn bend(self, margin: f64) -> f64 {
        if self.gamma == 1.0 { margin } else { margin.abs().powf(self.gamma).copysign(margin) }
    }

    /// ∂/∂D, bounded next to 0.
    pub(crate) fn slope(self, margin: f64) -> f64 {
        self.gamma * margin.abs().max(LEAST).powf(self.gamma - 1.0)
    }

    /// ∂/∂ln γ.
    pub(crate) fn along_gamma(self, margin: f64) -> f64 {
        if margin == 0.0 { 0.0 } else { self.gamma * margin.abs().ln() * self.bend(margin) }
    }
}
