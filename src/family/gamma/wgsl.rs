//! The shader of Gamma strengths: `gamma.wgsl`, with the constants and polynomials of the f32 kernels over lanes.

use super::lanes::Form;
use super::near::Near;
use super::near_tables::NEAR32;
use super::piece::Piece;
use crate::math::tables::BOOLE;
use crate::wgsl::{constants, integers, literal};
use std::fmt::Write as _;
use std::format;
use std::string::String;

/// The text.
pub(crate) fn source() -> String {
    let mut text = String::new();
    let numbers = [
        ("GAMMA_V_MAX", f32::V_MAX),
        ("GAMMA_V_MIN", f32::V_MIN),
        ("GAMMA_Y_MAX", f32::Y_MAX),
        ("NEAR_MAX", f32::NEAR_MAX),
        ("NEAR_CENTRE", NEAR32.centre),
        ("NEAR_POLE", NEAR32.pole),
        ("NEAR_ALPHA", NEAR32.alpha),
    ];
    constants(&mut text, &numbers);
    integers(&mut text, &[("GAMMA_NODES", f32::NODES)]);
    near(&mut text, &const { NEAR32 });
    boole(&mut text);
    text + include_str!("gamma.wgsl")
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
