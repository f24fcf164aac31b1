//! The WGSL text of the kernels: `*.wgsl` beside this file and in the families' folders, with constants and
//! polynomials written out from the tables and traits that the kernels over lanes take them from.
//!
//! The kernels are those over lanes in f32, operation by operation, so that a batch on `Level::scalar()` is
//! their twin; only where a driver rounds otherwise (fused multiply-adds, division, subnormals) do they differ.

use crate::batch::engine::FAR;
use crate::batch::tables::PLAN_F32_NODES;
use crate::family::{Family, families};
use crate::kernel::Limits;
use crate::lanes::Scalar;
use crate::lanes::polynomials::{ATANH_F32, EXP_F32};
use crate::wgsl::{constants, integers, poly};
use core::f64::consts;
use std::fmt::Write as _;
use std::format;
use std::string::String;

/// A compute shader; its entry point is `main`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kernel {
    /// One p(β) for all margins.
    Shared,
    /// Parameters per element.
    PerElement,
    /// The sum of the partial sums of [`Kernel::Shared`].
    Sum,
}

/// The complete WGSL text.
pub(crate) fn source(kernel: Kernel) -> String {
    if kernel == Kernel::Sum {
        return [include_str!("bits.wgsl"), include_str!("sums.wgsl"), include_str!("sum.wgsl")].concat();
    }
    let mut text = general();
    let parts = [
        include_str!("bits.wgsl"),
        include_str!("loss.wgsl"),
        include_str!("elementary.wgsl"),
        include_str!("logit.wgsl"),
    ];
    parts.iter().for_each(|part| text += part);
    text += &of_families();
    if kernel == Kernel::Shared {
        text += &table_row();
        text += include_str!("sums.wgsl");
        text += include_str!("shared.wgsl");
    } else {
        text += include_str!("per_element.wgsl");
    }
    text
}

/// What is no family's.
fn general() -> String {
    let [_, normal, infinity] = f32::EXP_RANGE;
    let numbers = [
        ("LOG2_E", consts::LOG2_E),
        ("LN_2_HI", f32::LN_2.0),
        ("LN_2_LO", f32::LN_2.1),
        ("SQRT_2", consts::SQRT_2),
        ("TWO_PI", 2.0 * consts::PI),
        // Where eʸ is still normal, and ∞.
        ("EXP_NORMAL", normal),
        ("EXP_INFINITY", infinity),
        ("GRADUAL", f32::GRADUAL),
        ("LIFT_LN", f32::LIFT.0),
        ("LIFT", f32::LIFT.1),
        ("X_MAX", f32::X_MAX),
        ("LAPSE_MIN", f32::LAPSE_MIN),
        ("FAR", FAR),
    ];
    let mut text = String::new();
    constants(&mut text, &numbers);
    integers(&mut text, &[("PIECE_BITS", f32::PIECE_BITS as usize)]);
    poly(&mut text, "exp_tail", &EXP_F32);
    poly(&mut text, "atanh_tail", &ATANH_F32);
    text
}

/// A prefix, and the text of what begins with it.
type Source = (&'static str, fn() -> String);

macro_rules! sources {
    ($($family:ident, $module:ident, $gradient:ident, $name:literal, $parameters:tt;)*) => {
        /// The prefix of every family's functions, and the text with them.
        const SOURCES: [Source; Family::COUNT] =
            [$((stringify!($module), crate::family::$module::wgsl::source)),*];
    };
}
families! { sources }

/// Names with types.
type Fields = &'static [(&'static str, &'static str)];

/// What a family's text must define: `<prefix>_<name>(parameters) -> result`, in the order of `Family::ALL`.
const FUNCTIONS: [(&str, Fields, &str); 7] = [
    ("covers", &[("w", "f32"), ("shape", "f32")], "bool"),
    ("logit", &[("w", "f32"), ("shape", "f32")], "Logit"),
    ("elastic_at_infinity", &[("shape", "f32"), ("share", "f32")], "u32"),
    ("element", &[("a", "f32"), ("b", "f32"), ("mean_cv", "bool")], "Element"),
    (
        "limits",
        &[("e", "Element"), ("a", "f32"), ("b", "f32"), ("mean_cv", "bool"), ("share", "f32")],
        "vec2<u32>",
    ),
    ("params_cover", &[("a", "f32"), ("b", "f32"), ("mean_cv", "bool"), ("size", "f32")], "bool"),
    (
        "params",
        &[
            ("e", "Element"),
            ("a", "f32"),
            ("b", "f32"),
            ("mean_cv", "bool"),
            ("against", "f32"),
            ("at", "Logit"),
            ("size", "f32"),
        ],
        "vec2<f32>",
    ),
];

/// The families' texts, their numbers, and functions `family_…` that dispatch on them.
fn of_families() -> String {
    let mut text = String::new();
    for (number, (prefix, source)) in SOURCES.iter().enumerate() {
        let _ = writeln!(text, "const {}: u32 = {number}u;", prefix.to_uppercase());
        text += &source();
    }
    for (name, parameters, result) in FUNCTIONS {
        let join = |part: fn(&(&str, &str)) -> String| -> String {
            parameters.iter().map(part).collect::<std::vec::Vec<_>>().join(", ")
        };
        let (declared, passed) =
            (join(|(name, kind)| format!("{name}: {kind}")), join(|(name, _)| (*name).into()));
        let _ = writeln!(text, "fn family_{name}(family: u32, {declared}) -> {result} {{");
        // The first is what is left.
        for (number, (prefix, _)) in SOURCES.iter().enumerate().skip(1) {
            let _ = writeln!(
                text,
                "    if family == {number}u {{\n        return {prefix}_{name}({passed});\n    }}"
            );
        }
        let _ = writeln!(text, "    return {}_{name}({passed});\n}}", SOURCES[0].0);
    }
    text
}

/// The polynomials of a row of the table, four at once.
fn table_row() -> String {
    let len = PLAN_F32_NODES.len();
    let mut text = format!("fn table_row(row: u32, t: f32) -> vec4<f32> {{\n    let at = {len}u * row;\n");
    let _ = writeln!(text, "    var value = table[at + {}u];", len - 1);
    for j in (0..len - 1).rev() {
        let _ = writeln!(text, "    value = value * t + table[at + {j}u];");
    }
    text + "    return value;\n}\n"
}
