//! Losses at one margin.

mod smoothing;
mod strength;

pub use smoothing::Smoothing;
pub(crate) use smoothing::mix;
pub(crate) use strength::row;
pub use strength::{Posterior, Strength};
