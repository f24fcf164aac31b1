//! Partial sums of one block, in virtual lanes.

use crate::batch::sums::{Sums, chain};
use crate::lanes::{Block, SUM_LANES};

/// Sixteen partial sums.
type Lanes = [f64; SUM_LANES];

/// Partial sums of one block.
#[derive(Clone, Copy)]
#[repr(align(64))]
pub(crate) struct Partial {
    pub(crate) weight: Lanes,
    pub(crate) nll: Lanes,
    /// D ∂/∂D and ∂/∂v, from which the parameters' derivatives come by the Jacobian…
    pub(crate) elastic: Lanes,
    pub(crate) spread: Lanes,
    /// … and such derivatives themselves, of elements for which they are all there is.
    pub(crate) params: [Lanes; 2],
    /// Derivatives in the lapse.
    pub(crate) lapse: [Lanes; 2],
}

impl Partial {
    pub(crate) const ZERO: Self = Self {
        weight: [0.0; SUM_LANES],
        nll: [0.0; SUM_LANES],
        elastic: [0.0; SUM_LANES],
        spread: [0.0; SUM_LANES],
        params: [[0.0; SUM_LANES]; 2],
        lapse: [[0.0; SUM_LANES]; 2],
    };

    /// The sums, with the Jacobian.
    pub(crate) fn fold(self, matrix: [[f64; 2]; 2]) -> Sums {
        let fold = |lanes: Lanes| Block(lanes).sum();
        let [a, b] = chain(matrix, [fold(self.elastic), fold(self.spread)]);
        let [p, q] = self.params.map(fold);
        let d_lapse = self.lapse.map(fold);
        Sums { weight: fold(self.weight), nll: fold(self.nll), d_params: [p + a, q + b], d_lapse }
    }
}
