//! Sums over a batch, in an order that depends on its length alone.

use crate::lanes::{Block, SUM_LANES};

/// Sums over a batch: of wᵢ, and of wᵢLᵢ and its derivatives (times gᵢ with upstream gradients).
///
/// In f64 for both precisions: element i goes to partial sum i mod 16 of its block of 4096, and the
/// blocks are added as a balanced tree.
///
/// Max error: 2e−15 times the sum of the absolute terms, on top of the errors of the terms.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct Sums {
    /// Σ wᵢ; the length of the batch without weights.
    pub weight: f64,
    /// Σ of the losses.
    pub nll: f64,
    /// Σ of the derivatives in the parameters: (shape, scale), (μ, σ), (β, 0), or what
    /// [`Coordinates`](super::Coordinates) says. Zeros with parameters per element.
    pub d_params: [f64; 2],
}

impl Sums {
    /// Both together.
    pub(crate) fn plus(self, rhs: Self) -> Self {
        Self {
            weight: self.weight + rhs.weight,
            nll: self.nll + rhs.nll,
            d_params: [self.d_params[0] + rhs.d_params[0], self.d_params[1] + rhs.d_params[1]],
        }
    }
}

/// Sixteen partial sums.
type Lanes = [f64; SUM_LANES];

/// Partial sums of one block.
#[derive(Clone, Copy)]
#[repr(align(64))]
pub(super) struct Partial {
    pub(super) weight: Lanes,
    pub(super) nll: Lanes,
    /// D ∂/∂D and ∂/∂v, from which the parameters' derivatives come by the matrix of the model…
    pub(super) elastic: Lanes,
    pub(super) spread: Lanes,
    /// … and such derivatives themselves, of elements for which they are all there is.
    pub(super) params: [Lanes; 2],
}

impl Partial {
    pub(super) const ZERO: Self = Self {
        weight: [0.0; SUM_LANES],
        nll: [0.0; SUM_LANES],
        elastic: [0.0; SUM_LANES],
        spread: [0.0; SUM_LANES],
        params: [[0.0; SUM_LANES]; 2],
    };

    /// The sums, with the matrix of the model.
    pub(super) fn fold(self, matrix: [[f64; 2]; 2]) -> Sums {
        let fold = |lanes: Lanes| Block(lanes).sum();
        let [a, b] = chain(matrix, [fold(self.elastic), fold(self.spread)]);
        let [p, q] = self.params.map(fold);
        Sums { weight: fold(self.weight), nll: fold(self.nll), d_params: [p + a, q + b] }
    }
}

/// The derivatives in the parameters, from D ∂/∂D and ∂/∂v. 0·∞ is 0: a matrix of a model that only the scalar
/// kernels take may be infinite, and so may a sum.
pub(crate) fn chain(matrix: [[f64; 2]; 2], terms: [f64; 2]) -> [f64; 2] {
    let term = |factor: f64, sum: f64| if factor == 0.0 || sum == 0.0 { 0.0 } else { factor * sum };
    matrix.map(|[a, b]| term(a, terms[0]) + term(b, terms[1]))
}
