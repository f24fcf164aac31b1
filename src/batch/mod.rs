//! Losses and gradients of whole slices of margins.
//!
//! A trainer hands over the margins of a batch and gets losses, ∂/∂margin and the gradient in the
//! parameters of p(β), on the widest vector registers the machine has, without allocation.
//!
//! | way in | for |
//! | --- | --- |
//! | [`evaluate`], [`evaluate_in`] | one p(β) for all margins: picks one of the next two by the length of the batch |
//! | [`Direct`] | one p(β), every element from the integral itself: short batches |
//! | [`Plan`] | one p(β), from a table of the effective logit that is prepared once per p(β): long batches |
//! | [`PerElement`] | parameters per element (per annotator, per group) |
//!
//! The last three also give [effective logits](LogitRows) with their derivatives, for losses of others.
//! All take a [`Batch`] (margins, and optionally weights, label smoothing and upstream gradients), write
//! the [`Rows`] that they are given, and return [`Sums`].
//!
//! * Element i of a batch is bit-equal to the batch of that element alone, on the same level and path.
//! * Sums are f64, added in an order that depends on the length of the batch alone: the same bits for
//!   every number of threads (`par_evaluate`, feature `rayon`). [`Sums`] of micro-batches add up.
//! * Errors come before anything is written.
//!
//! ```
//! use prefstrength::batch::{self, Batch, Rows};
//! use prefstrength::Gamma;
//!
//! let beta = Gamma::from_mean_cv(0.1_f32, 0.5)?;
//! let margins = [4.0, -2.5, 0.1];
//! let (mut nll, mut d_margin) = ([0.0; 3], [0.0; 3]);
//! let rows = Rows::new().nll(&mut nll).d_margin(&mut d_margin);
//! let sums = batch::evaluate(&beta, &Batch::new(&margins), rows)?;
//! println!("mean loss {}, gradient in (shape, scale) {:?}", sums.mean_nll(), sums.d_params);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod direct;
mod element;
pub(crate) mod engine;
mod error;
pub(crate) mod evaluation;
mod export;
mod front_door;
pub(crate) mod gate;
mod input;
mod logits;
mod number;
mod plan;
mod rows;
mod shared;
mod sums;
pub(crate) mod table;
#[rustfmt::skip]
pub(crate) mod tables;
#[cfg(test)]
mod tables_tests;

pub use direct::Direct;
pub use element::PerElement;
pub use error::BatchError;
pub(crate) use error::{check_weights, length};
pub use export::{PlanTable, Reach};
#[cfg(feature = "rayon")]
pub use front_door::par_evaluate_in;
pub use front_door::{evaluate, evaluate_in};
pub use input::Batch;
#[cfg(feature = "gpu")]
pub(crate) use input::Lapses;
pub use number::Number;
pub use plan::Plan;
pub use rows::{LogitRows, Rows};
pub use sums::Sums;
pub(crate) use sums::chain;
