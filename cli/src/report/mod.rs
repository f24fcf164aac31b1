//! Reports: what they say, how they look, and where they go.

mod describe;
mod format;
mod pictures;
mod present;
mod sizes;
mod summary;
mod text;

pub(crate) use describe::{
    calibrate, explain, groups, note_no_people, note_sample, notes_of_margins, notes_of_pairs, people_summary,
};
pub(crate) use format::shorten;
pub(crate) use present::present;
pub(crate) use sizes::{Sizes, of_sizes};
pub(crate) use summary::{Against, Bootstrapped, Penalties, Position, SEED, Summary};
