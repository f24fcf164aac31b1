//! What is learned from: a stream of margins, of persons, or pairs as features.

pub(crate) mod cells;
pub(crate) mod margins;
pub(crate) mod octaves;
pub(crate) mod pairs;
pub(crate) mod persons;
pub(crate) mod places;
pub(crate) mod resampled;
pub(crate) mod scan;
pub(crate) mod sizes;
