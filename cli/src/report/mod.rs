//! Reports: what they say, how they look, and where they go.

mod describe;
mod format;
mod pictures;
mod present;
mod sizes;
mod summary;
mod text;

pub(crate) use describe::{calibrate, explain, fitted, groups};
pub(crate) use format::shorten;
pub(crate) use present::present;
pub(crate) use sizes::{Sizes, of_sizes};
pub(crate) use summary::{FamilySummary, Groups, Penalties, Predicts, Summary};
