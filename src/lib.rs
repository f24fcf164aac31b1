//! Losses and analytic gradients for preference learning when the strength β is not one number.
//!
//! Direct Preference Optimization scores a preference pair with margin D (chosen minus rejected
//! log-ratio) by −ln σ(βD). MixDPO (arXiv 2601.06180) lets β be random with a learned distribution
//! p(β): the loss is −ln E[σ(βD)]. This crate is the mathematics under that: the expectation for
//! Gamma, LogNormal and inverse Gaussian strengths, its logarithm, and the gradients in D and in the distribution's
//! parameters, exact to a few units in the last place over the whole range of f64, without sampling.
//!
//! ```
//! use prefstrength::{Coordinates, Fixed, Gamma, Strength};
//!
//! let beta = Gamma::from_mean_cv(0.1, 0.8)?; // p(β): mean 0.1, standard deviation 0.08
//! let g = beta.nll_gradient_in(-4.2, Coordinates::LnMeanLnCv);
//! println!("loss {}, into the policy {}, into p(β) {:?}", g.value, g.d_margin, g.d_params);
//!
//! // The spread of β is a boundary coordinate: at v = 0 the loss is plain DPO, and the slope there
//! // is the score of heterogeneity.
//! let dpo = Gamma::from_mean_v(0.1, 0.0)?;
//! assert_eq!(dpo.nll_gradient_in(-4.2, Coordinates::LnMeanV).value, Fixed::new(0.1)?.nll(-4.2));
//! # Ok::<(), prefstrength::ParamError>(())
//! ```
//!
//! # A training loop
//!
//! Margins come from the policy, ∂loss/∂margin goes back into it, and p(β) is two numbers for the same optimiser.
//! Here the policy is one number w, and the optimiser goes downhill.
//!
//! ```
//! use prefstrength::batch::{self, Batch, Rows, Sums};
//! use prefstrength::{Coordinates, Gamma};
//!
//! // Margins are w·f. The last pair of every micro-batch of four is padding: weight 0 masks it, whatever it holds.
//! let micro_batches = [[1.2_f32, -0.4, 0.7, f32::NAN], [0.3, 2.0, -1.1, f32::NAN], [0.8, 0.1, 1.5, f32::NAN]];
//! let mask = [1.0, 1.0, 1.0, 0.0];
//! let (mut w, mut ln_mean, mut ln_cv) = (1.0_f32, -1.0_f32, -0.5_f32);
//! let mut losses = Vec::new();
//! for _ in 0..20 {
//!     let beta = Gamma::from_mean_cv(ln_mean.exp(), ln_cv.exp())?;
//!     let (mut sums, mut d_w) = (Sums::default(), 0.0);
//!     for f in &micro_batches {
//!         let margins = f.map(|f| w * f);
//!         let mut d_margin = [0.0; 4];
//!         let (batch, rows) = (Batch::new(&margins).weights(&mask), Rows::new().d_margin(&mut d_margin));
//!         sums += batch::evaluate_in(&beta, &batch, rows, Coordinates::LnMeanLnCv)?; // or `par_evaluate_in`
//!         d_w += f.iter().zip(d_margin).filter(|(_, d)| *d != 0.0).map(|(f, d)| f * d).sum::<f32>();
//!     }
//!     losses.push(sums.mean_nll());
//!     // Gradients are those of the sum: divide by the weight for those of the mean.
//!     w -= 0.1 * d_w / sums.weight as f32;
//!     let [d_ln_mean, d_ln_cv] = sums.d_params.map(|d| (d / sums.weight) as f32);
//!     (ln_mean, ln_cv) = (ln_mean - 0.1 * d_ln_mean, ln_cv - 0.1 * d_ln_cv);
//! }
//! assert!(losses.iter().all(|loss| loss.is_finite()) && losses[19] < losses[0]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! w and E\[β\] share a scale: the crate `prefstrength-learn` holds it, and has fits, tests and a checkpoint besides.
//! In ln cv plain DPO is infinitely far away; [`Coordinates::LnMeanV`] has it at v = 0.
//!
//! # What there is
//!
//! | way in | for |
//! | --- | --- |
//! | [`Strength`] | losses, gradients, effective logit and posterior at one margin; [`Smoothing`] for noisy labels |
//! | [`Fixed`], [`Gamma`], [`LogNormal`], [`InverseGaussian`] | the families: constructors, parameters, distribution |
//! | [`AnyStrength`], [`Family`], [`PerFamily`] | a strength whose family is known at run time; its name; one thing for each family |
//! | [`Coordinates`] | in which parameters of p(β) gradients are |
//! | [`batch`] | whole slices of margins on vector registers; [`Level`] names them |
//! | `gpu` (feature `gpu`) | the same batches on a GPU, through wgpu |
//! | [`sampling`] | draws of β with their derivatives, and the loss as MixDPO estimates it from them |
//! | [`canonical`] | the integral T(x, v) that everything comes from |
//! | [`lerch`], [`math`] | the Lerch transcendent Φ(−1, s, a); the logistic and the normal distribution function |
//!
//! | feature | default | |
//! | --- | --- | --- |
//! | `std` | yes | floating-point functions from the standard library |
//! | `libm` | no | the same from the crate `libm`, for builds without `std` |
//! | `rayon` | no | batches on several threads: the same bits |
//! | `gpu` | no | batches on a GPU |
//! | `serde` | no | families, strengths and coordinates can be stored and sent |
//! | `rand` | no | noise for [`sampling`] from a `rand_core` generator |
//!
//! One of `std` and `libm` is needed: a build with neither is refused by a message that says so. Nothing but `gpu`
//! allocates; the only `unsafe` code is the file of the x86 vector registers.

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
pub mod panel;
mod real;
pub mod sampling;
#[cfg(feature = "gpu")]
mod wgsl;

pub use family::strengths::*;
pub use family::{AnyStrength, Family, NllGradient, ParamError, PerFamily, UnknownName};
pub use kernel::Coordinates;
pub use level::{Level, LevelError};
pub use loss::{Lapse, Lapsed, LapsedGradient, Posterior, Smoothing, Strength};
pub use real::Real;

/// The README's code, as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
