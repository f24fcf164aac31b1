//! The distributions of the strength β ≥ 0: [`Fixed`], [`Gamma`], [`LogNormal`].
//!
//! A family here is its parameters and what statisticians ask of a distribution; losses and
//! gradients come from the trait [`Strength`](crate::Strength) that all three implement.

mod error;
mod fixed;
mod gamma;
mod lognormal;
mod statistics;

pub use error::ParamError;
pub(crate) use error::check;
pub use fixed::Fixed;
pub use gamma::Gamma;
pub use lognormal::LogNormal;

use crate::canonical::Tail;

/// What the losses need of a family, in f64.
pub(crate) trait Kernel: Copy {
    /// T at |margin| = `size` ≥ 0. Unless `second`, (ln T)″ may be a difference that cancels.
    fn tail(&self, size: f64, second: bool) -> Tail;
    /// The unit of x in that tail: x = unit·size.
    fn unit(&self) -> f64;
    /// Posterior mean and variance of β given a choice at |margin| = `size`.
    fn posterior(&self, size: f64, negative: bool) -> (f64, f64);
}
