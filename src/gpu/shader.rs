//! The WGSL text of the kernels: `*.wgsl` beside this file, with constants and polynomials written out from
//! the tables and traits that the kernels over lanes take them from.
//!
//! The kernels are those over lanes in f32, operation by operation, so that a batch on `Level::scalar()` is
//! their twin; only where a driver rounds otherwise (fused multiply-adds, division, subnormals) do they differ.

use crate::canonical::lanes::Element;
use crate::canonical::lanes::gamma::Gamma;
use crate::canonical::lanes::lognormal::{LINES, LN_COS, LogNormal, MAX_NODES, NORM, REFRESH};
use crate::canonical::lanes::near::{Near, Piece};
use crate::canonical::lanes::near_tables::NEAR32;
use crate::lanes::Scalar;
use crate::special::tables::{ATANH_F32, BOOLE, EXP_F32, PLAN_F32_NODES};
use core::f64::consts;
use std::fmt::Write as _;

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
    let parts: &[&str] = match kernel {
        Kernel::Shared => &[
            include_str!("bits.wgsl"),
            include_str!("loss.wgsl"),
            include_str!("elementary.wgsl"),
            include_str!("logit.wgsl"),
            include_str!("gamma.wgsl"),
            include_str!("lognormal.wgsl"),
            include_str!("sums.wgsl"),
            include_str!("shared.wgsl"),
        ],
        Kernel::PerElement => &[
            include_str!("bits.wgsl"),
            include_str!("loss.wgsl"),
            include_str!("elementary.wgsl"),
            include_str!("logit.wgsl"),
            include_str!("gamma.wgsl"),
            include_str!("lognormal.wgsl"),
            include_str!("per_element.wgsl"),
        ],
        Kernel::Sum => &[include_str!("bits.wgsl"), include_str!("sums.wgsl"), include_str!("sum.wgsl")],
    };
    let mut text = match kernel {
        Kernel::Sum => String::new(),
        _ => constants() + &polynomials(),
    };
    if kernel == Kernel::Shared {
        text += &table_row();
    }
    parts.iter().fold(text, |text, part| text + part)
}

/// The f32 nearest to x as a literal that reads back exactly.
fn literal(x: f64) -> String {
    let x = x as f32;
    assert!(x.is_finite());
    format!("{x:?}f")
}

fn constants() -> String {
    let rule = f32::RULE;
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
        ("GAMMA_X_MAX", f32::X_MAX),
        ("GAMMA_V_MAX", f32::V_MAX),
        ("GAMMA_V_MIN", f32::V_MIN),
        ("GAMMA_Y_MAX", f32::Y_MAX),
        ("NEAR_MAX", f32::NEAR_MAX),
        ("NEAR_CENTRE", NEAR32.centre),
        ("NEAR_POLE", NEAR32.pole),
        ("NEAR_ALPHA", NEAR32.alpha),
        ("LOGNORMAL_XI_MIN", f32::XI_MIN),
        ("LOGNORMAL_XI_MAX", f32::XI_MAX),
        ("LOGNORMAL_S_MIN", f32::S_MIN),
        ("LOGNORMAL_S_MAX", f32::S_MAX),
        ("RULE_DIGITS", rule.digits),
        ("RULE_REACH", rule.reach),
        ("RULE_LAST", rule.last),
        ("RULE_DEEP", rule.deep),
        ("POLE", LINES.0),
        ("NEARER", LINES.1),
        ("LATTICE", f32::LATTICES.0),
        ("FINER", f32::LATTICES.1),
        ("NORM", NORM),
    ];
    let integers = [
        ("GAMMA_NODES", f32::NODES),
        ("MAX_NODES", MAX_NODES),
        ("REFRESH", REFRESH),
        ("PIECE_BITS", f32::PIECE_BITS as usize),
    ];
    let mut text = String::new();
    for (name, x) in numbers {
        let _ = writeln!(text, "const {name}: f32 = {};", literal(x));
    }
    for (name, n) in integers {
        let _ = writeln!(text, "const {name}: u32 = {n}u;");
    }
    text
}

fn polynomials() -> String {
    let mut text = String::new();
    poly(&mut text, "exp_tail", &EXP_F32);
    poly(&mut text, "atanh_tail", &ATANH_F32);
    poly(&mut text, "ln_cos_tail", &LN_COS);
    near(&mut text, &const { NEAR32 });
    boole(&mut text);
    text
}

/// [`crate::lanes::Lanes::poly`]: the even and the odd coefficients side by side.
fn poly(text: &mut String, name: &str, c: &[f64]) {
    let horner = |from: usize| {
        let c: Vec<_> = c.iter().skip(from).step_by(2).rev().map(|&x| literal(x)).collect();
        c.into_iter().reduce(|sum, c| format!("({sum} * s + {c})")).unwrap_or_default()
    };
    let (even, odd) = (horner(0), horner(1));
    let _ =
        writeln!(text, "fn {name}(x: f32) -> f32 {{\n    let s = x * x;\n    return {odd} * x + {even};\n}}");
}

/// Statements for the polynomial in `x` and its derivative, as `near.rs` orders them, in `p` and `d`.
fn horner(text: &mut String, p: &str, d: &str, x: &str, c: &[f64]) {
    let mut c = c.iter().rev().map(|&x| literal(x));
    let top = c.next().unwrap_or_default();
    let Some(next) = c.next() else {
        let _ = writeln!(text, "    var {p} = {top};\n    var {d} = 0.0;");
        return;
    };
    let _ = writeln!(text, "    var {p} = {top} * {x} + {next};\n    var {d} = {top};");
    for c in c {
        let _ = writeln!(text, "    {d} = {d} * {x} + {p};\n    {p} = {p} * {x} + {c};");
    }
}

/// W with ∂/∂u and ∂/∂z, and U with its derivative.
fn near<const N: usize, const M: usize, const K: usize>(text: &mut String, piece: &Piece<N, M, K>) {
    const { assert!(K > 0 && M > 1) };
    *text += "// W, ∂W/∂u and ∂W/∂z.\nfn near_w(u: f32, z: f32) -> vec3<f32> {\n";
    let mut end = N;
    for i in (0..M).rev() {
        let start = end - piece.lens[i];
        let (row, row_z) = (format!("row{i}"), format!("row{i}_z"));
        horner(text, &row, &row_z, "z", &piece.coef[start..end]);
        end = start;
        if i == M - 1 {
            let _ = writeln!(text, "    var p = {row};\n    var p_u = {row};\n    var p_z = {row_z};");
            continue;
        }
        if i + 2 < M {
            *text += "    p_u = p_u * u + p;\n";
        }
        let _ = writeln!(text, "    p = p * u + {row};\n    p_z = p_z * u + {row_z};");
    }
    *text += "    return vec3(p, p_u, p_z);\n}\n// U and its derivative.\nfn near_u(x: f32) -> vec2<f32> {\n";
    horner(text, "p", "d", "x", &piece.u);
    *text += "    return vec2(p, d);\n}\n";
}

/// The tail of Boole's sum.
fn boole(text: &mut String) {
    *text += "// Boole's sum: Σ bⱼ(1, d, ∂/∂w)y(y + w)…(y + (d − 1)w), d = 2j + 1.\n";
    *text += "fn gamma_tail(y: f32, w: f32) -> vec3<f32> {\n";
    *text += "    var sum = vec3(0.5, 0.0, 0.0);\n    var prod = y;\n    var slope = 0.0;\n    var factor = 0.0;\n";
    *text += "    var term = 0.0;\n";
    for (j, &b) in BOOLE.iter().enumerate().take(f32::TAIL) {
        let (d, b) = (2 * j + 1, literal(b));
        let _ = writeln!(text, "    term = {b} * prod;");
        let _ = writeln!(text, "    sum += vec3(term, {d}.0 * term, {b} * slope);");
        // What comes after the last term is not used.
        for i in [d, d + 1].into_iter().filter(|_| j + 1 < f32::TAIL) {
            let _ = writeln!(text, "    factor = {i}.0 * w + y;");
            let _ = writeln!(text, "    slope = slope * factor + {i}.0 * prod;\n    prod = prod * factor;");
        }
    }
    *text += "    return sum;\n}\n";
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
