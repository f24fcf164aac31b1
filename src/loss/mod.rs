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
pub use strength::{Posterior, Strength};
pub(crate) use strength::{logit_row, row};
