//! A p(β) ready for pass after pass.

use prefstrength::batch::{Batch, BatchError, Direct, Plan, Rows, Sums};
use prefstrength::{AnyStrength, Coordinates, Family};

/// Whether a family has a spread to learn; `Fixed` has none.
pub(crate) fn has_spread(family: Family) -> bool {
    family.parameters().len() > 1
}

/// A p(β) in (ln mean, v), with a table where that pays.
pub(crate) enum Prepared {
    Direct(Direct<AnyStrength>),
    Plan(Box<Plan<f64, AnyStrength>>),
}

impl Prepared {
    /// For so many margins in all.
    pub(crate) fn new(strength: &AnyStrength, number: usize) -> Self {
        let coordinates = Coordinates::LnMeanV;
        if number >= Plan::<f64, _>::break_even(strength) {
            Self::Plan(Box::new(Plan::new(strength).with_coordinates(coordinates)))
        } else {
            Self::Direct(Direct::new(strength).with_coordinates(coordinates))
        }
    }

    pub(crate) fn evaluate(&self, batch: &Batch<'_, f64>, rows: Rows<'_, f64>) -> Result<Sums, BatchError> {
        match self {
            Self::Direct(loss) => loss.evaluate(batch, rows),
            Self::Plan(loss) => loss.evaluate(batch, rows),
        }
    }

    /// Sums of a long batch: the same bits, on several threads with feature `rayon`.
    pub(crate) fn sum(&self, batch: &Batch<'_, f64>) -> Result<Sums, BatchError> {
        #[cfg(feature = "rayon")]
        return match self {
            Self::Direct(loss) => loss.par_evaluate(batch, Rows::new()),
            Self::Plan(loss) => loss.par_evaluate(batch, Rows::new()),
        };
        #[cfg(not(feature = "rayon"))]
        self.evaluate(batch, Rows::new())
    }
}
