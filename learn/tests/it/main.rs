//! What learning promises, in one binary; the simulation evidence has its own.

#[path = "../../examples/support/pairs.rs"]
#[allow(dead_code, unreachable_pub, reason = "shared with examples, which use other parts")]
mod pairs;
#[path = "../support/simulate.rs"]
mod simulate;

mod describe;
mod labels;
mod learn;
mod masks;
mod models;
mod noise;
mod persons;
mod power;
mod ratio;
mod resampling;
mod robust;
mod score;
mod train;
mod truths;
mod verdicts;
