//! What is learned from: a stream of margins, of persons, or pairs as features.

pub(crate) mod margins;
pub(crate) mod pairs;
pub(crate) mod persons;
pub(crate) mod scan;
