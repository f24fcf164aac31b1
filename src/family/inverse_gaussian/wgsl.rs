//! The WGSL text of the f32 kernel over lanes, with its constants and tables.

use super::lanes::{Form, NEAR_C};
use crate::lanes::Scalar;
use crate::lanes::polynomials::{COS_F32, SIN_F32};
use crate::math::tables::BOOLE;
use crate::wgsl::{constants, integers, literal, poly};
use std::fmt::Write as _;
use std::string::String;

/// Constants, `inverse_gaussian_tail` and `inverse_gaussian_logit`; after `elementary.wgsl` and `logit.wgsl`.
pub(crate) fn source() -> String {
    let mut text = String::new();
    let (hi, lo) = <f32 as Scalar>::PI_2;
    let numbers = [
        ("INVERSE_GAUSSIAN_TWO_OVER_PI", core::f64::consts::FRAC_2_PI),
        ("INVERSE_GAUSSIAN_PI_2_HI", hi),
        ("INVERSE_GAUSSIAN_PI_2_LO", lo),
        ("INVERSE_GAUSSIAN_NEAR_X", f32::NEAR_X),
        ("INVERSE_GAUSSIAN_NEAR_C", NEAR_C),
        ("INVERSE_GAUSSIAN_Y_MAX", f32::Y_MAX),
        ("INVERSE_GAUSSIAN_V_MAX", f32::V_MAX),
    ];
    constants(&mut text, &numbers);
    integers(&mut text, &[("INVERSE_GAUSSIAN_TERMS", f32::TERMS)]);
    poly(&mut text, "inverse_gaussian_sin_tail", &SIN_F32);
    poly(&mut text, "inverse_gaussian_cos_tail", &COS_F32);
    nodes(&mut text);
    tail(&mut text);
    text + include_str!("inverse_gaussian.wgsl")
}

/// A call per node: no backend must copy an array for every element.
fn nodes(text: &mut String) {
    *text += "// The sums of Abel–Plana: H, its derivatives in x and, over −x², in v.\n";
    *text += "fn inverse_gaussian_half(x: f32, c: f32) -> vec3<f32> {\n    var sum = vec3<f32>(0.0);\n";
    for (&t, &w) in f32::T.iter().zip(f32::W) {
        let (t, w) = (literal(t), literal(w));
        let _ = writeln!(text, "    sum += inverse_gaussian_node(x, c, {t}, {w});");
    }
    *text += "    return sum;\n}\n";
}

/// The tail of Boole's sum, at `y`, `w` and index n, with derivatives `y_v`, `w_v` and `y2_v` = ∂y²/∂v.
fn tail(text: &mut String) {
    *text += "// Boole's sum: Σ bP_d, Σ b(nP_{d+1} − dP_d), Σ b∂P_d/∂v.\n";
    *text += "fn inverse_gaussian_tail(y: f32, w: f32, n: f32, y_v: f32, w_v: f32) -> vec3<f32> {\n";
    *text += "    let y2 = y * y;\n    let y2_v = 2.0 * (y * y_v);\n";
    *text += "    var sum = vec3(0.5, (0.5 * n) * y, 0.0);\n    var p = y;\n    var p_v = y_v;\n";
    *text += "    var next = w * y + y2;\n    var next_v = w * y_v + (w_v * y + y2_v);\n";
    *text += "    var after = 0.0;\n    var after_v = 0.0;\n    var dw = 0.0;\n";
    for (i, &b) in BOOLE.iter().enumerate().take(f32::TAIL) {
        let (d, b) = (2 * i + 1, literal(b));
        let _ = writeln!(text, "    sum += {b} * vec3(p, n * next - {d}.0 * p, p_v);");
        // What comes after the last term is not used.
        for d in [2 * d + 1, 2 * d + 3].into_iter().filter(|_| i + 1 < f32::TAIL) {
            let _ = writeln!(text, "    dw = {d}.0 * w;\n    after = y2 * p + dw * next;");
            let _ =
                writeln!(text, "    after_v = y2 * p_v + (dw * next_v + (y2_v * p + ({d}.0 * w_v) * next));");
            *text += "    p = next;\n    p_v = next_v;\n    next = after;\n    next_v = after_v;\n";
        }
    }
    *text += "    return sum;\n}\n";
}
