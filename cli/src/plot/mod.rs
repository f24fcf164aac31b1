//! Pictures of a fit as SVG text: p(β), effective logits, calibration, groups.
//!
//! Numbers that cannot be drawn (NaN, infinite, beyond 1e300) are left out.

mod calibration;
mod density;
mod effective_logit;
mod groups;
mod parts;
mod series;
#[cfg(test)]
mod tests;

pub(crate) use calibration::{CalibrationBin, calibration};
pub(crate) use density::{Density, DensityShape, density};
pub(crate) use effective_logit::{Curve, effective_logit};
pub(crate) use groups::{Group, groups};
pub(crate) use series::Series;
