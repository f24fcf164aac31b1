//! Losses, gradients and posteriors for rows of numbers, by every path of the library; nothing is read or
//! written here.

mod gpu;
mod paths;
mod task;

pub(crate) use paths::{Path, check, of_panel, of_row, of_rows};
pub(crate) use task::{Function, LAPSE, Task};
