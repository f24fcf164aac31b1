//! From margins to rows and sums, in chunks that stay in the first-level cache: effective logits, the
//! logistic loss on top of them, elements that only the scalar kernels can do, weights and sums.
//!
//! Each stage is a kernel of its own, entered through [`Level::dispatch`](crate::Level); a stage looks at one element
//! at a time, so that the bits of a row depend on nothing else. Groups of 16 are filled up, never masked.

mod chunk;
mod column;
mod integrate;
mod logits;
mod losses;
mod partial;
mod source;
mod tree;

pub(crate) use column::{CHUNK, Column, List, groups, registers};
pub(crate) use integrate::Integrate;
pub(crate) use logits::logit_rows;
#[cfg(feature = "rayon")]
pub(crate) use logits::par_logit_rows;
#[cfg(feature = "gpu")]
pub(crate) use losses::FAR;
pub(crate) use source::{KernelInputs, LogitColumns, LogitSource, Scales};
#[cfg(feature = "rayon")]
pub(crate) use tree::par_tree;
pub(crate) use tree::tree;
