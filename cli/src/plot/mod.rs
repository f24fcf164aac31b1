//! Pictures of a fit as SVG text: p(β), effective logits, calibration, groups, persons, profiles, alternatives.
//!
//! Numbers that cannot be drawn (NaN, infinite, beyond 1e300) are left out.

#[cfg_attr(not(test), expect(dead_code, reason = "drawn by the report in a later commit"))]
mod alternatives;
mod calibration;
mod density;
mod effective_logit;
#[cfg_attr(not(test), expect(dead_code, reason = "drawn by the report in a later commit"))]
mod forest;
mod groups;
#[cfg_attr(not(test), expect(dead_code, reason = "drawn by the report in a later commit"))]
mod model;
mod parts;
#[cfg_attr(not(test), expect(dead_code, reason = "drawn by the report in a later commit"))]
mod profile;
mod series;
#[cfg(test)]
mod tests;

#[cfg_attr(not(test), expect(unused_imports, reason = "drawn by the report in a later commit"))]
pub(crate) use alternatives::{AgainstCurve, Choices, alternatives, bins_of_choices};
pub(crate) use calibration::{CalibrationBin, calibration};
pub(crate) use density::{Density, DensityShape, density};
pub(crate) use effective_logit::{Curve, effective_logit};
#[cfg_attr(not(test), expect(unused_imports, reason = "drawn by the report in a later commit"))]
pub(crate) use forest::{Person, Population, StrengthEstimate, forest};
pub(crate) use groups::{Group, groups};
#[cfg_attr(not(test), expect(unused_imports, reason = "drawn by the report in a later commit"))]
pub(crate) use model::Model;
#[cfg_attr(not(test), expect(unused_imports, reason = "drawn by the report in a later commit"))]
pub(crate) use profile::{Profile, profile};
pub(crate) use series::Series;
