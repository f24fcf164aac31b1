//! Nodes and weights of Gauss–Hermite quadrature for the standard normal density.

use super::elementary::sin_cos;
use super::twofold::{Twofold, add, div, mul, neg, sub};
use core::f64::consts::PI;
use num_traits::Float;

/// As many nodes as the polynomials of [`gauss_hermite`] have room for: He₁₂₈ stays below 1e170.
pub(crate) const MAX_NODES: usize = 128;

/// Calls `put(j, z, w)` for the nodes z of the rule of n ≤ [`MAX_NODES`], j counting them in ascending
/// order, and their weights w; each within 1 ulp. Nodes are exactly antisymmetric; one in the middle comes
/// twice.
///
/// The nodes are the zeros of Heₙ, by Halley's method (y″ = zy′ − ny), w = (n − 1)!/(n Heₙ₋₁²). In two parts
/// throughout: a node of one f64 would cost the outer weights z ulps each time z of it.
pub(crate) fn gauss_hermite(nodes: usize, mut put: impl FnMut(usize, f64, f64)) {
    let n = nodes as f64;
    let factorial = (1..nodes).fold((1.0, 0.0), |f, k| mul(f, (k as f64, 0.0)));
    for j in 0..nodes.div_ceil(2) {
        let middle = 2 * j + 1 == nodes;
        let mut z = (if middle { 0.0 } else { start(n, j as f64) }, 0.0);
        // The error of the start is 0.013 at most, and cubed each time.
        for _ in 0..3 {
            let (y, before) = hermite(nodes, z);
            let u = y.0 / (n * before.0);
            z = add(z, (-u / (1.0 - 0.5 * u * (z.0 - n * u)), 0.0));
        }
        let before = hermite(nodes, z).1;
        let before = if before.0 < 0.0 { neg(before) } else { before };
        let w = div(div(div(factorial, before), before), (n, 0.0)).0;
        put(j, -z.0, w);
        put(nodes - 1 - j, z.0, w);
    }
}

/// Heₙ(z) and Heₙ₋₁(z), n ≥ 1: He_{k+1} = z He_k − k He_{k−1}.
fn hermite(n: usize, z: Twofold) -> (Twofold, Twofold) {
    let (mut y, mut before) = ((1.0, 0.0), (0.0, 0.0));
    for k in 0..n {
        (y, before) = (sub(mul(z, y), mul((k as f64, 0.0), before)), y);
    }
    (y, before)
}

/// The zero of Heₙ that has j zeros above it, nearly, by the phase integral (WKB) from the turning point:
/// z² = (2n + 1)(1 + cos τ) with τ − sin τ = (4j + 3)π/(2n + 1).
fn start(n: f64, j: f64) -> f64 {
    let nu = 2.0 * n + 1.0;
    let phase = (4.0 * j + 3.0) * PI / nu;
    // Convex: Newton comes down from π, and by a third each time while τ is small.
    let mut tau = PI;
    for _ in 0..10 {
        let (sin, cos) = sin_cos(tau);
        tau -= (tau - sin - phase) / (1.0 - cos);
    }
    Float::sqrt(nu * (1.0 + sin_cos(tau).1))
}
