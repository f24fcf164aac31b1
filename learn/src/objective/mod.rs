//! What is minimised, over margins and over pairs.

pub(crate) mod margins;
pub(crate) mod pairs;
pub(crate) mod panel;
pub(crate) mod point;
