//! The quantile of Gamma(a, 1) as a function of its shape: implicit reparameterisation (Figurnov, Mohamed
//! & Mnih 2018, arXiv 1805.08498) without a difference that cancels.
//!
//! At fixed P(a, x), dx/da = −(∂P/∂a)/p with the density p. As ∂p/∂a = p(t)·(ln t − ψ(a)), of integral 0
//! over (0, ∞), with t = xeʸ
//!
//! dx/da = x ∫ |y − d| e^{(a−x)y − x(eʸ−1−y)} dy,  d = ψ(a) − ln x,
//!
//! over (−∞, 0) for d ≥ 0 and over (0, ∞) for d ≤ 0: there the integrand keeps its sign.

use super::elementary::{exp_node, exp_parts, ln, ln_1p};
use crate::lanes::{Block, Lanes};
use num_traits::Float;

/// From this shape on the series of ψ(a) − ln a serves, to 2e-16, and the quadrature on both sides.
const ASYMPTOTIC: f64 = 8.0;
/// Nodes are laid to where e⁻⁴⁰ of the integrand is left.
const END: f64 = 40.0;
/// Terms of the power series; the slowest case, a = x = 8, needs 45.
const MAX_TERMS: usize = 100;

/// d ln x/d ln a at fixed P(a, x): dx/da = x/a times this.
///
/// * Domain: a > 0, 0 ≤ x < ∞; ln x apart, for an x that underflowed.
/// * Special values: eˣE₁(x) as a → 0; ψ(a + 1) − ln x as x → 0; 1 as a → ∞ at x = a.
/// * Max error: 2e-15 relative, for 1e-3 ≤ a ≤ 1e6.
pub(crate) fn shape_elasticity(a: f64, x: f64, ln_x: f64) -> f64 {
    if a >= ASYMPTOTIC {
        let off = (x - a) / a;
        let ln_ratio = if off.abs() < 0.5 { ln_1p(off) } else { ln_x - ln(a) };
        return a * integral(a, x, digamma_less_ln(a) - ln_ratio);
    }
    // ψ(a + 1) = ψ(a + 9) − Σ 1/(a + i), i = 1…8.
    let up = a + 9.0;
    let shift = Block::<8>::from_fn(|i| 1.0 / (a + (i + 1) as f64)).sum();
    let c = (ln(up) - shift) + digamma_less_ln(up) - ln_x;
    if c >= 0.0 { power_series(a, x, c) } else { a * integral(a, x, c - 1.0 / a) }
}

/// Σ xⁿ/((a + 1)…(a + n))·(c + 1/(a + 1) + … + 1/(a + n)), n ≥ 0, c = ψ(a + 1) − ln x ≥ 0: the integral over
/// (−∞, 0) in powers of x, which stays positive a little beyond d = 0.
fn power_series(a: f64, x: f64, c: f64) -> f64 {
    let (mut term, mut weight, mut sum, mut n) = (1.0, c, c, a);
    for _ in 0..MAX_TERMS {
        n += 1.0;
        let r = 1.0 / n;
        term *= x * r;
        weight += r;
        sum += term * weight;
        if term * weight < 1e-17 * sum {
            break;
        }
    }
    sum
}

/// ∫ |y − d| e^{(a−x)y − x(eʸ−1−y)} dy over the side of 0 away from d, by Gauss and Legendre's rule.
///
/// For a ≥ 8, or for x ≥ e^{ψ(a+1)}; the rule is least exact, 1e-17, at a = 8.
fn integral(a: f64, x: f64, d: f64) -> f64 {
    let end = if d >= 0.0 { -lower_end(a, x) } else { upper_end(a, x) };
    let (slope, curve, d) = (Block::splat(a - x), Block::splat(-x), Block::splat(d));
    let mut sum = Block::<8>::splat(0.0);
    for (nodes, weights) in NODES.chunks_exact(8).zip(WEIGHTS.chunks_exact(8)) {
        let y = Block::splat(end) * Block::load(nodes);
        let value = exp_node(slope * y + curve * exp_parts(y).exp_m1_my);
        sum = sum + Block::load(weights) * (y - d).abs() * value;
    }
    sum.sum() * end.abs()
}

/// s with (a − x)s + x(e⁻ˢ − 1 + s) ≥ `END`, and not much larger: as e⁻ˢ − 1 + s ≥ s²/(2 + s), the root of a
/// quadratic.
fn lower_end(a: f64, x: f64) -> f64 {
    let reach = END / a;
    let b = (1.0 - x / a) - 0.5 * reach;
    let root = Float::sqrt(b * b + 2.0 * reach);
    if b > 0.0 { 2.0 * reach / (root + b) } else { root - b }
}

/// s with (x − a)s + x(eˢ − 1 − s) ≥ `END`, and not much larger: eˢ − 1 − s ≥ s²/2, then twice the iteration
/// eˢ − 1 ← (`END` + as)/x, which descends to the root.
fn upper_end(a: f64, x: f64) -> f64 {
    let (slope, reach) = ((x - a) / x, END / x);
    let s = 2.0 * reach / (slope + Float::sqrt(slope * slope + 2.0 * reach));
    let s = ln_1p((END + a * s) / x);
    ln_1p((END + a * s) / x)
}

/// ψ(a) − ln a for a ≥ `ASYMPTOTIC`.
fn digamma_less_ln(a: f64) -> f64 {
    let r = 1.0 / a;
    let w = r * r;
    -r * (0.5 + r * w.poly(&DIGAMMA))
}

/// ln a − ψ(a) for a > 0, to 1e-15 of the larger of itself and 1.
pub(crate) fn ln_less_digamma(a: f64) -> f64 {
    if a >= ASYMPTOTIC {
        return -digamma_less_ln(a);
    }
    // ψ(a) = ψ(a + 8) − Σ 1/(a + i), i = 0…7.
    let up = a + 8.0;
    let shift = Block::<8>::from_fn(|i| 1.0 / (a + i as f64)).sum();
    ln(a) - ln(up) - digamma_less_ln(up) + shift
}

/// B₂ⱼ/(2j), j ≥ 1: ψ(a) = ln a − 1/(2a) − Σ B₂ⱼ/(2j)·a⁻²ʲ.
pub(crate) const DIGAMMA: [f64; 8] = [
    1.0 / 12.0,
    -1.0 / 120.0,
    1.0 / 252.0,
    -1.0 / 240.0,
    1.0 / 132.0,
    -691.0 / 32_760.0,
    1.0 / 12.0,
    -3617.0 / 8160.0,
];

/// Nodes of Gauss and Legendre on [0, 1] (`python3 xtask/generators/sampling.py tables`).
pub(super) const NODES: [f64; 32] = [
    0.0013680690752592183,
    0.007194244227365833,
    0.017618872206246784,
    0.03254696203113015,
    0.05183942211697394,
    0.07531619313371501,
    0.1027581020160288,
    0.13390894062985517,
    0.1684778665348924,
    0.20614212137961885,
    0.2465500455338853,
    0.2893243619346823,
    0.33406569885893617,
    0.38035631887393145,
    0.42776401920860174,
    0.4758461671561308,
    0.5241538328438692,
    0.5722359807913983,
    0.6196436811260685,
    0.6659343011410638,
    0.7106756380653176,
    0.7534499544661147,
    0.7938578786203812,
    0.8315221334651076,
    0.8660910593701449,
    0.8972418979839712,
    0.9246838068662849,
    0.9481605778830261,
    0.9674530379688698,
    0.9823811277937532,
    0.9928057557726342,
    0.9986319309247408,
];

/// The weights of `NODES`.
pub(super) const WEIGHTS: [f64; 32] = [
    0.003509305004735048,
    0.008137197365452835,
    0.01269603265463103,
    0.017136931456510716,
    0.02141794901111334,
    0.025499029631188087,
    0.029342046739267772,
    0.032911111388180925,
    0.03617289705442425,
    0.039096947893535156,
    0.041655962113473374,
    0.043826046502201906,
    0.045586939347881945,
    0.04692219954040228,
    0.04781936003963743,
    0.0482700442573639,
    0.0482700442573639,
    0.04781936003963743,
    0.04692219954040228,
    0.045586939347881945,
    0.043826046502201906,
    0.041655962113473374,
    0.039096947893535156,
    0.03617289705442425,
    0.032911111388180925,
    0.029342046739267772,
    0.025499029631188087,
    0.02141794901111334,
    0.017136931456510716,
    0.01269603265463103,
    0.008137197365452835,
    0.003509305004735048,
];
