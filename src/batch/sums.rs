//! Sums over a batch, in an order that depends on its length alone.

use crate::lanes::SUM_LANES;

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
    pub(super) fn plus(self, rhs: Self) -> Self {
        Self {
            weight: self.weight + rhs.weight,
            nll: self.nll + rhs.nll,
            d_params: [self.d_params[0] + rhs.d_params[0], self.d_params[1] + rhs.d_params[1]],
        }
    }
}

/// Partial sums of one block.
#[derive(Clone, Copy)]
#[repr(align(64))]
pub(super) struct Partial(pub(super) [[f64; SUM_LANES]; 4]);

impl Partial {
    pub(super) const ZERO: Self = Self([[0.0; SUM_LANES]; 4]);

    /// The lanes folded in halves.
    pub(super) fn fold(self) -> Sums {
        let [weight, nll, p0, p1] = self.0.map(|mut lanes| {
            let mut n = SUM_LANES;
            while n > 1 {
                n /= 2;
                for j in 0..n {
                    lanes[j] += lanes[j + n];
                }
            }
            lanes[0]
        });
        Sums { weight, nll, d_params: [p0, p1] }
    }
}
