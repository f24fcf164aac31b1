//! Pictures of a fit as SVG text: p(β), effective logits, calibration, groups, persons, profiles, alternatives.
//!
//! Numbers that cannot be drawn (NaN, infinite, beyond 1e300) are left out.

mod alternatives;
mod calibration;
mod density;
mod effective_logit;
mod forest;
mod groups;
mod model;
mod parts;
mod profile;
mod series;
#[cfg(test)]
mod tests;

pub(crate) use alternatives::{AgainstCurve, Choices, alternatives, bins_of_choices};
pub(crate) use calibration::{CalibrationBin, calibration};
pub(crate) use density::{Density, DensityShape, density};
pub(crate) use effective_logit::{Curve, effective_logit};
pub(crate) use forest::{Person, Population, StrengthEstimate, forest};
pub(crate) use groups::{Group, groups};
pub(crate) use model::Model;
pub(crate) use profile::{Profile, profile};
pub(crate) use series::Series;
