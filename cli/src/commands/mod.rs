//! The commands: what their options are, what they read, and in which order what is done.

pub(crate) mod evaluate;
mod failure;
pub(crate) mod fit;
mod options;
mod people;
pub(crate) mod power;
mod rows;
pub(crate) mod simulate;
pub(crate) mod train;

pub(crate) use failure::Failure;
