//! WGSL text from Rust numbers: constants and polynomials, written out from the tables that the kernels over lanes
//! take them from.

use std::fmt::Write as _;
use std::format;
use std::string::String;
use std::vec::Vec;

/// The f32 nearest to x as a literal that reads back exactly.
pub(crate) fn literal(x: f64) -> String {
    let x = x as f32;
    assert!(x.is_finite());
    format!("{x:?}f")
}

/// `const NAME: f32 = …;`, a line each.
pub(crate) fn constants(text: &mut String, numbers: &[(&str, f64)]) {
    for (name, x) in numbers {
        let _ = writeln!(text, "const {name}: f32 = {};", literal(*x));
    }
}

/// `const NAME: u32 = …;`, a line each.
pub(crate) fn integers(text: &mut String, numbers: &[(&str, usize)]) {
    for (name, n) in numbers {
        let _ = writeln!(text, "const {name}: u32 = {n}u;");
    }
}

/// [`crate::lanes::Lanes::poly`]: the even and the odd coefficients side by side.
pub(crate) fn poly(text: &mut String, name: &str, c: &[f64]) {
    let horner = |from: usize| {
        let c: Vec<_> = c.iter().skip(from).step_by(2).rev().map(|&x| literal(x)).collect();
        c.into_iter().reduce(|sum, c| format!("({sum} * s + {c})")).unwrap_or_default()
    };
    let (even, odd) = (horner(0), horner(1));
    let _ =
        writeln!(text, "fn {name}(x: f32) -> f32 {{\n    let s = x * x;\n    return {odd} * x + {even};\n}}");
}
