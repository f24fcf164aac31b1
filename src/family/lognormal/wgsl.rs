//! The shader of LogNormal strengths: `lognormal.wgsl`, with the constants of the f32 kernels over lanes.

use super::lanes::{Form, LINES, LN_COS, MAX_NODES, NORM, REFRESH};
use crate::wgsl::{constants, integers, poly};
use std::string::String;

/// The text.
pub(crate) fn source() -> String {
    let (mut text, rule) = (String::new(), f32::RULE);
    let numbers = [
        ("LOGNORMAL_XI_MIN", f32::XI_MIN),
        ("LOGNORMAL_XI_MAX", f32::XI_MAX),
        ("LOGNORMAL_S_MIN", f32::S_MIN),
        ("LOGNORMAL_S_MAX", f32::S_MAX),
        ("LOGNORMAL_RULE_DIGITS", rule.digits),
        ("LOGNORMAL_RULE_REACH", rule.reach),
        ("LOGNORMAL_RULE_LAST", rule.last),
        ("LOGNORMAL_RULE_DEEP", rule.deep),
        ("LOGNORMAL_POLE", LINES.0),
        ("LOGNORMAL_NEARER", LINES.1),
        ("LOGNORMAL_LATTICE", f32::LATTICES.0),
        ("LOGNORMAL_FINER", f32::LATTICES.1),
        ("LOGNORMAL_NORM", NORM),
    ];
    constants(&mut text, &numbers);
    integers(&mut text, &[("LOGNORMAL_MAX_NODES", MAX_NODES), ("LOGNORMAL_REFRESH", REFRESH)]);
    poly(&mut text, "lognormal_ln_cos", &LN_COS);
    text + include_str!("lognormal.wgsl")
}
