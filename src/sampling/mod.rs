//! Reparameterised sampling: strengths drawn with their derivatives, and the loss as MixDPO estimates it.
//!
//! The exact losses of this crate need no sampling. This room is for whoever wants the paper's estimator
//! all the same, for models that need draws of β, and for seeing what sampling costs.
//!
//! | | |
//! | --- | --- |
//! | [`PointSet`] | standard normal scores: independent, antithetic, stratified, lattice, Gauss–Hermite |
//! | [`Reparameterised`] | a draw of β from a score, with its derivatives in the parameters |
//! | [`MonteCarlo`] | −ln Σ wⱼ σ(βⱼD) and pathwise gradients, for batches |
//!
//! Noise comes from the caller, as scores or as uniforms; feature `rand` draws it from a `rand_core`
//! generator.

mod error;
mod monte_carlo;
mod points;
mod strength;

pub use error::SamplingError;
pub use monte_carlo::MonteCarlo;
pub use points::PointSet;
pub use strength::{Reparameterised, Sample};
