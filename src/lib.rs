//! prefstrength
#![cfg_attr(not(feature = "std"), no_std)]

#[cfg(not(any(feature = "std", feature = "libm")))]
compile_error!("prefstrength needs the feature `std` (default) or `libm` for its floating-point functions");

pub mod canonical;
pub mod family;
mod float;
mod lanes;
mod lerch;
pub mod loss;
pub mod special;

pub use family::{Fixed, Gamma, LogNormal, ParamError};
pub use float::Real;
pub use loss::{Smoothing, Strength};
