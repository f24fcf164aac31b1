//! Losses and analytic gradients for preference learning when the strength β is not one number.
//!
//! Direct Preference Optimization scores a preference pair with margin D (chosen minus rejected
//! log-ratio) by −ln σ(βD). MixDPO (arXiv 2601.06180) lets β be random with a learned distribution
//! p(β): the loss is −ln E[σ(βD)]. This crate is the mathematics under that: the expectation for
//! Gamma and LogNormal strengths, its logarithm, and the gradients in D and in the distribution's
//! parameters, exact to a few units in the last place over the whole range of f64, without sampling.
//!
//! ```
//! use prefstrength::{Gamma, Strength};
//!
//! let beta = Gamma::from_mean_cv(0.1, 0.8)?; // p(β): mean 0.1, standard deviation 0.08
//! let g = beta.nll_gradient_ln_mean_ln_cv(-4.2);
//! println!("loss {}, into the policy {}, into p(β) {} {}", g.value, g.d_margin, g.d_ln_mean, g.d_ln_cv);
//!
//! // The spread of β is a boundary coordinate: at v = 0 the loss is plain DPO, and the slope there
//! // is the score of heterogeneity.
//! let dpo = Gamma::from_mean_v(0.1, 0.0)?;
//! assert_eq!(dpo.nll_gradient_ln_mean_v(-4.2).value, prefstrength::Fixed::new(0.1)?.nll(-4.2));
//! # Ok::<(), prefstrength::ParamError>(())
//! ```
//!
//! * [`Strength`]: losses, gradients, posteriors of any family; [`Smoothing`] for noisy labels.
//! * [`batch`]: whole slices of margins on vector registers; [`Level`] names them.
//! * `gpu` (feature `gpu`): batches on a GPU, through wgpu.
//! * `learn` (feature `std`): learning p(β) from margins, and whether its spread is real.
//! * [`sampling`]: draws of β with their derivatives, and the loss as MixDPO estimates it from them.
//! * [`Fixed`], [`Gamma`], [`LogNormal`]: the families.
//! * [`canonical`]: the integral T(x, v) that everything comes from.
//! * [`lerch`]: the Lerch transcendent Φ(−1, s, a); [`special`]: the logistic function.
//!
//! Features: `std` (default), or `libm` without the standard library. Neither is an error.
//! `rayon`: batches on several threads. `gpu`: batches on a GPU. `rand`: noise from a `rand_core` generator.
//! `serde`: what `learn` keeps is serialisable. Nothing but `gpu` and `learn` allocates; the only `unsafe` code
//! is the file of the x86 vector registers.

#![cfg_attr(not(feature = "std"), no_std)]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![allow(unnameable_types, reason = "that a caller cannot name what a family is made of is its seal")]

#[cfg(not(any(feature = "std", feature = "libm")))]
compile_error!("prefstrength needs the feature `std` (default) or `libm` for its floating-point functions");

pub mod batch;
pub mod canonical;
mod family;
#[cfg(feature = "gpu")]
pub mod gpu;
mod kernel;
mod lanes;
pub mod lerch;
mod level;
mod loss;
pub mod math;
mod real;
pub mod sampling;
#[cfg(feature = "gpu")]
mod wgsl;

pub use family::strengths::*;
pub use family::{AnyStrength, Family, NllGradient, ParamError, PerFamily, UnknownName};
pub use kernel::Coordinates;
pub use level::{Level, LevelError};
pub use loss::{Posterior, Smoothing, Strength};
pub use real::Real;

/// The README's code, as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
