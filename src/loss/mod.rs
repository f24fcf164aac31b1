//! Losses at one margin.

mod labels;
mod lapse;
mod lapsed;
mod smoothing;
mod strength;

pub(crate) use labels::{Labels, Row};
pub(crate) use lapse::is_lapse;
pub use lapse::{Lapse, Lapsed};
pub use lapsed::LapsedGradient;
pub use smoothing::Smoothing;
pub(crate) use strength::row;
pub use strength::{Posterior, Strength};
