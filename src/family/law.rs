//! p(β) as the panel integral sees it: the density of x = ln(β/E\[β\]) and its derivatives.

use crate::math::elementary::{ExpParts, exp_parts};

/// The law of x = ln(β/E\[β\]), of a positive spread. Every method is a few operations: it is called for every node.
pub trait Law: core::fmt::Debug {
    /// ln of the density of x, with its first two derivatives.
    fn ln_density(&self, x: f64) -> [f64; 3];
    /// ln of the density at `x` + `step` less that at `x`, from a form that does not cancel; `at` and `parts` are those of
    /// `x` and `step`.
    fn difference(&self, x: f64, at: &ExpParts<f64>, step: f64, parts: &ExpParts<f64>) -> f64;
    /// v.
    fn v(&self) -> f64;
    /// Where the density of x is largest.
    fn mode(&self) -> f64;
    /// Whether ln density(x) is concave as a function of eˣ: then a log-likelihood that is concave in β leaves one maximum.
    fn concave(&self) -> bool;
    /// The density falls to the left no faster than eᵏˣ for this k.
    fn left_rate(&self) -> f64;
    /// ∂/∂v of ln density at fixed x; `parts` are those of `x`.
    fn score(&self, x: f64, parts: &ExpParts<f64>) -> f64;
    /// The kernel that turns ∂/∂v into a second derivative.
    fn curvature(&self) -> Curvature;
}

/// Terms of [`Curvature`].
pub(crate) const TERMS: usize = 13;

/// κ(δ) with ∂/∂v E\[g(B)\] = E\[κ(B − 1)g″(B)\], B = β/E\[β\]: (pκ)″ = ∂p/∂v. As a polynomial in δ, up to |δ| = `reach`.
///
/// κ(0) → ½ as v → 0 for every family: there ∂/∂v needs no difference, where the score ∂ ln p/∂v ~ 1/v cancels.
#[derive(Clone, Copy, Debug)]
pub struct Curvature {
    pub(crate) coefficients: [f64; TERMS],
    pub(crate) reach: f64,
}

impl Curvature {
    /// From the coefficients of vⁱδʲ: those with 2i + j < [`TERMS`] serve v ≤ 1e-3 and |δ| ≤ 0.15 to 1e-12.
    pub(crate) fn small(v: f64, table: &[&[f64]]) -> Self {
        let mut coefficients = [0.0; TERMS];
        if v > 1e-3 {
            return Self { coefficients, reach: 0.0 };
        }
        for row in table.iter().rev() {
            for (j, c) in coefficients.iter_mut().enumerate() {
                *c = *c * v + row.get(j).copied().unwrap_or(0.0);
            }
        }
        // Three standard deviations of B at least.
        Self { coefficients, reach: 0.15 }
    }

    /// κ at δ.
    pub(crate) fn at(&self, delta: f64) -> f64 {
        self.coefficients.iter().rev().fold(0.0, |sum, &c| sum * delta + c)
    }
}

/// eˣ and its remainders for x < 709, without the lower limit of [`exp_parts`].
pub(crate) fn exp_parts_of(x: f64) -> ExpParts<f64> {
    if x < -690.0 { ExpParts { exp: 0.0, exp_m1: -1.0, exp_m1_my: -1.0 - x } } else { exp_parts(x) }
}
