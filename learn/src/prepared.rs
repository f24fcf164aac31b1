//! A model ready for pass after pass.

use crate::model::{Bend, ChoiceCurve};
use core::ops::AddAssign;
use prefstrength::batch::{Batch, BatchError, Direct, Plan, Rows, Sums};
use prefstrength::{AnyStrength, Coordinates, Family, Lapse};

/// Whether a family has a spread to learn; `Fixed` has none.
pub(crate) fn has_spread(family: Family) -> bool {
    family.parameters().len() > 1
}

/// A model in (ln mean, v), with a table of its strength where that pays.
pub(crate) struct Prepared {
    strength: PreparedStrength,
    /// None where ε = 0 and stays so.
    lapse: Option<Lapse<f64>>,
    bend: Bend,
    /// Whether the derivative in γ is wanted, also at γ = 1.
    curved: bool,
}

enum PreparedStrength {
    Direct(Direct<AnyStrength>),
    Plan(Box<Plan<f64, AnyStrength>>),
}

/// Sums over margins, with the derivative in the curvature.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CurveSums {
    /// In (ln mean, v) and ε.
    pub(crate) losses: Sums,
    /// ∂/∂ln γ, where the margin is curved.
    pub(crate) d_curvature: f64,
}

impl AddAssign for CurveSums {
    fn add_assign(&mut self, other: Self) {
        self.losses += other.losses;
        self.d_curvature += other.d_curvature;
    }
}

impl Prepared {
    /// For so many margins in all.
    pub(crate) fn new(curve: &ChoiceCurve, number: usize) -> Self {
        let (coordinates, strength) = (Coordinates::LnMeanV, curve.strength());
        let prepared = if number >= Plan::<f64, _>::break_even(&strength) {
            let plan = Plan::new(&strength).with_coordinates(coordinates);
            PreparedStrength::Plan(Box::new(plan))
        } else {
            PreparedStrength::Direct(Direct::new(&strength).with_coordinates(coordinates))
        };
        let lapse = Lapse::new(curve.epsilon()).ok().filter(|_| curve.epsilon() > 0.0);
        Self { strength: prepared, lapse, bend: curve.bend(), curved: curve.curvature() != 1.0 }
    }

    /// With the derivative in γ, if that is an unknown.
    pub(crate) fn with_curvature(self, unknown: bool) -> Self {
        Self { curved: self.curved || unknown, ..self }
    }

    /// Of a strength alone.
    pub(crate) fn of(strength: &AnyStrength, number: usize) -> Self {
        Self::new(&ChoiceCurve::from(*strength), number)
    }

    /// Losses and derivatives; those in the margin are in the margin that counts, sign(D)|D|^γ, which `margins` are. The
    /// same bits, on several threads with feature `rayon`, where the batch is long.
    pub(crate) fn evaluate(
        &self,
        margins: &[f64],
        weights: Option<&[f64]>,
        rows: Rows<'_, f64>,
    ) -> Result<Sums, BatchError> {
        let batch = self.batch(margins, weights);
        #[cfg(feature = "rayon")]
        return match &self.strength {
            PreparedStrength::Direct(loss) => loss.par_evaluate(&batch, rows),
            PreparedStrength::Plan(loss) => loss.par_evaluate(&batch, rows),
        };
        #[cfg(not(feature = "rayon"))]
        match &self.strength {
            PreparedStrength::Direct(loss) => loss.evaluate(&batch, rows),
            PreparedStrength::Plan(loss) => loss.evaluate(&batch, rows),
        }
    }

    fn batch<'a>(&self, margins: &'a [f64], weights: Option<&'a [f64]>) -> Batch<'a, f64> {
        let batch = Batch::new(margins).maybe_weights(weights);
        self.lapse.map_or(batch, |lapse| batch.lapse(lapse))
    }

    /// The margins that count, in a buffer if they are curved.
    pub(crate) fn bend<'a>(&self, margins: &'a [f64], buffer: &'a mut Vec<f64>) -> &'a [f64] {
        if !self.curved {
            return margins;
        }
        buffer.clear();
        buffer.extend(margins.iter().map(|&d| self.bend.bend(d)));
        buffer
    }

    /// Sums of a long batch of margins as they are.
    pub(crate) fn sum(&self, margins: &[f64], weights: Option<&[f64]>) -> Result<CurveSums, BatchError> {
        if self.curved {
            return self.sum_curved(margins, weights);
        }
        let losses = self.evaluate(margins, weights, Rows::new());
        Ok(CurveSums { losses: losses?, d_curvature: 0.0 })
    }

    fn sum_curved(&self, margins: &[f64], weights: Option<&[f64]>) -> Result<CurveSums, BatchError> {
        let (mut bent, mut slopes) = (Vec::new(), vec![0.0; margins.len()]);
        let counting = self.bend(margins, &mut bent);
        let losses = self.evaluate(counting, weights, Rows::new().d_margin(&mut slopes))?;
        let along = margins.iter().zip(&slopes).map(|(&d, slope)| {
            // A row that does not count has no slope, whatever its margin.
            if *slope == 0.0 { 0.0 } else { slope * self.bend.along_gamma(d) }
        });
        Ok(CurveSums { losses, d_curvature: along.sum() })
    }

    /// The chain rule of a curved margin: ∂/∂D of ∂/∂(sign(D)|D|^γ).
    pub(crate) fn slope(&self, margin: f64) -> f64 {
        if self.curved { self.bend.slope(margin) } else { 1.0 }
    }

    /// ∂(sign(D)|D|^γ)/∂ln γ.
    pub(crate) fn along_gamma(&self, margin: f64) -> f64 {
        self.bend.along_gamma(margin)
    }
}
