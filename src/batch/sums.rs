//! Sums over a batch, in an order that depends on its length alone.

use core::iter::Sum;
use core::ops::{Add, AddAssign};

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
    /// Σ of the derivatives in the parameters: (shape, scale), (μ, σ), (mean, λ), (β, 0), or
    /// what [`Coordinates`](crate::Coordinates) says. Zeros with parameters per element.
    pub d_params: [f64; 2],
    /// Σ of the derivatives in the lapse: in ε and 0, or in ε₀ and ε₁. Zeros with
    /// lapses per element, and where neither a lapse nor derivatives in it were asked for.
    pub d_lapse: [f64; 2],
}

impl Sums {
    /// The mean loss Σ wᵢLᵢ/Σ wᵢ; NaN where all weights are 0.
    #[must_use]
    pub fn mean_nll(&self) -> f64 {
        self.nll / self.weight
    }
}

/// Those of two batches, as of both: gradients accumulated over micro-batches.
///
/// ```
/// use prefstrength::Gamma;
/// use prefstrength::batch::{Batch, Direct, Rows, Sums};
/// let loss = Direct::new(&Gamma::from_mean_cv(0.1, 0.5)?);
/// let micro = [vec![3.0, -1.0], vec![0.2]];
/// let sums: Sums = micro.iter().map(|m| loss.evaluate(&Batch::new(m), Rows::new())).sum::<Result<_, _>>()?;
/// assert_eq!(sums.weight, 3.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
impl Add for Sums {
    type Output = Self;
    fn add(self, rhs: Self) -> Self {
        Self {
            weight: self.weight + rhs.weight,
            nll: self.nll + rhs.nll,
            d_params: [self.d_params[0] + rhs.d_params[0], self.d_params[1] + rhs.d_params[1]],
            d_lapse: [self.d_lapse[0] + rhs.d_lapse[0], self.d_lapse[1] + rhs.d_lapse[1]],
        }
    }
}

impl AddAssign for Sums {
    fn add_assign(&mut self, rhs: Self) {
        *self = *self + rhs;
    }
}

impl Sum for Sums {
    fn sum<I: Iterator<Item = Self>>(sums: I) -> Self {
        sums.fold(Self::default(), Add::add)
    }
}

/// The derivatives in the parameters, from D ∂/∂D and ∂/∂v. 0·∞ is 0: a jacobian of a model that only the scalar
/// kernels take may be infinite, and so may a sum.
pub(crate) fn chain(jacobian: [[f64; 2]; 2], terms: [f64; 2]) -> [f64; 2] {
    let term = |factor: f64, sum: f64| if factor == 0.0 || sum == 0.0 { 0.0 } else { factor * sum };
    jacobian.map(|[a, b]| term(a, terms[0]) + term(b, terms[1]))
}
