//! What is learned from: a stream of margins, or pairs as features.

pub(crate) mod margins;
pub(crate) mod pairs;
pub(crate) mod scan;
