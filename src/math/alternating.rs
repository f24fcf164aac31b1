//! S(k, c) = Σₙ (−1)ⁿ (1 + nc)⁻ᵏ for n ≥ 0 and its derivatives: the one sum behind the Lerch
//! transcendent at −1 (S = aˢΦ(−1, s, a) with s = k, a = 1/c) and behind the Gamma family.
//!
//! Two regimes, both for 0 < c ≤ 1, with x = kc and v = 1/k (derivation: docs/math.md §2):
//! [`abel_plana`] for x ≤ [`ABEL_PLANA_MAX`], [`boole`] beyond. The recursion
//! S(k, c) = 1 − (1 + c)⁻ᵏ S(k, c/(1 + c)) brings every other c here.

use super::elementary::{atan_parts, exp_node, ln_1p_parts, sin_cos};
use super::tables::{ABEL_PLANA_T, ABEL_PLANA_W, BOOLE};
use crate::lanes::{Block, Lanes};

/// Lanes of one block of nodes.
const N: usize = 4;
type B = Block<N>;

/// Largest x = kc for [`abel_plana`].
pub(crate) const ABEL_PLANA_MAX: f64 = 2.0;

/// Largest x for [`boole`]; beyond, S = 1 (1 − S < 2⁻⁷⁰⁰).
pub(crate) const BOOLE_MAX: f64 = 700.0;

/// S − ½ and derivatives in x at fixed v = 1/k, and in v at fixed x.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HalfSum {
    /// H = S − ½, in [0, ½)
    pub(crate) h: f64,
    /// ∂H/∂x > 0
    pub(crate) d_x: f64,
    /// −∂²H/∂x² ≥ 0
    pub(crate) neg_d_xx: f64,
    /// −∂H/∂v ≥ 0
    pub(crate) neg_d_v: f64,
}

/// Abel–Plana: H = ∫₀^∞ Im E(t) / sinh(πt) dt, E(t) = (1 − itc)⁻ᵏ = e^{−ρ}(cos ϑ + i sin ϑ),
/// ρ = (k/2) ln(1 + t²c²), ϑ = k atan(tc).
///
/// Domain: x = kc ≤ 2, c ≤ 1. Form: trapezoidal rule in t = sinh u, 28 midpoint nodes up to
/// t = 15.5: truncation and discretisation stay below 0.05 eps of each integral (the corner is x = 2). With
/// ζ = 1/(1 − itc): ∂ₓE = itζE, ∂ₓₓE = −(1 + v)t²ζ²E, and
/// ∂ᵥE = k²[ln(1 − itc) + itcζ]E = (tx)²(R + iI)E with
/// R = [½ ln(1 + τ²) − τ²/(1 + τ²)]/τ², I = −[atan τ − τ/(1 + τ²)]/τ², τ = tc.
pub(crate) fn abel_plana(x: f64, c: f64, k: f64, v: f64) -> HalfSum {
    let one = B::splat(1.0);
    let (mut s0, mut s1, mut s2, mut sv) = (B::splat(0.0), B::splat(0.0), B::splat(0.0), B::splat(0.0));
    for j in (0..ABEL_PLANA_T.len()).step_by(N) {
        let t = B::load(&ABEL_PLANA_T[j..]);
        let weight = B::load(&ABEL_PLANA_W[j..]);
        let tau = t * B::splat(c);
        let tau2 = tau * tau;
        let (ln, _) = ln_1p_parts(tau2);
        let (atan, rest) = atan_parts(tau);
        let size = exp_node(B::splat(-0.5 * k) * ln) * weight;
        // A subnormal c has few digits left, and x = kc all of them.
        let tiny = B::splat(1e-150);
        let (sin, cos) = sin_cos(tiny.select_lt(tau, B::splat(k) * atan, B::splat(x) * t));
        let (re, im) = (size * cos, size * sin);
        // ζ = (1 + iτ)/(1 + τ²)
        let inv = one / (one + tau2);
        let (zre, zim) = ((re - tau * im) * inv, (im + tau * re) * inv);
        let z2im = (zim + tau * zre) * inv;
        let t2 = t * t;
        s0 = s0 + im;
        s1 = s1 + t * zre;
        s2 = s2 + t2 * z2im;
        // A tiny τ would make τ² vanish: then R = −½, I = −⅔τ.
        let inv2 = one / tiny.select_lt(tau, tau2, one);
        let r = tiny.select_lt(tau, (B::splat(0.5) * ln - tau2 * inv) * inv2, B::splat(-0.5));
        let i = B::splat(1e-100).select_lt(tau, -rest * inv2, B::splat(-2.0 / 3.0) * tau);
        sv = sv + t2 * (r * im + i * re);
    }
    HalfSum { h: s0.sum(), d_x: s1.sum(), neg_d_xx: (1.0 + v) * s2.sum(), neg_d_v: -(x * x) * sv.sum() }
}

/// S and derivatives; those in x times powers of x.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sum {
    /// S, in [½, 1]
    pub(crate) s: f64,
    /// x ∂S/∂x ≥ 0
    pub(crate) x_d_x: f64,
    /// −x² ∂²S/∂x² ≥ 0
    pub(crate) neg_xx_d_xx: f64,
    /// −∂S/∂v at fixed x, ≥ 0
    pub(crate) neg_d_v: f64,
}

/// Nodes summed one by one before the Boole tail.
const BOOLE_NODES: usize = 16;

/// Boole summation (Euler–Maclaurin for alternating sums): 16 terms, then
/// φ(M)·A(y, w), A = ½ + ¼y − y(y + w)(y + 2w)/48 + …, y = x/(1 + Mc), w = c/(1 + Mc), M = 16.
///
/// Domain: 2 ≤ x ≤ 700, c ≤ 1. The correction is a sum of terms homogeneous of degree
/// 1, 3, 5, … in (y, w), so Euler's relation gives its derivatives along (y, w) from the terms.
pub(crate) fn boole(x: f64, c: f64, k: f64, v: f64) -> Sum {
    let one = B::splat(1.0);
    let (mut s0, mut s1, mut s2, mut sv) = (B::splat(0.0), B::splat(0.0), B::splat(0.0), B::splat(0.0));
    for j in (0..BOOLE_NODES).step_by(N) {
        let n = B::from_fn(|i| (j + i) as f64);
        let sign = B::from_fn(|i| if (j + i) % 2 == 0 { 1.0 } else { -1.0 });
        let z = n * B::splat(c);
        let (ln, g) = ln_1p_parts(z);
        let phi = sign * exp_node(B::splat(-k) * ln);
        let p = n * B::splat(x) / (one + z);
        s0 = s0 + phi;
        s1 = s1 - p * phi;
        s2 = s2 - p * p * phi;
        // k²g(z) = (nx)²·g(z)/z², and g/z² → ½ at z = 0.
        let tiny = B::splat(1e-150);
        let ratio = tiny.select_lt(z, g / tiny.select_lt(z, z * z, one), B::splat(0.5));
        let nx = n * B::splat(x);
        sv = sv - nx * nx * ratio * phi;
        // The terms decrease from here on (p > 1): stop when nothing can follow.
        if phi.0[N - 1].abs() * x * x * 256.0 < 1e-20 {
            break;
        }
    }
    let (mut s, mut x_d_x, mut neg_xx, mut neg_d_v) = (s0.sum(), s1.sum(), s2.sum() * (1.0 + v), sv.sum());

    let m = BOOLE_NODES as f64;
    let z = m * c;
    let (ln, g) = ln_1p_parts(z);
    let phi = exp_node(-k * ln);
    if phi * x * x * 256.0 > 1e-20 {
        let e = 1.0 / (1.0 + z);
        let (y, w, p) = (x * e, c * e, m * x * e);
        let (mut a, mut a1, mut a2, mut a_w) = (0.5, 0.0, 0.0, 0.0);
        // prod = y(y + w)…(y + (d − 1)w), d odd; slope = ∂prod/∂w
        let (mut prod, mut slope, mut d) = (y, 0.0, 1.0);
        for &b in &BOOLE {
            let term = b * prod;
            a += term;
            a1 += d * term;
            a2 += d * (d - 1.0) * term;
            a_w += b * slope;
            for i in [d, d + 1.0] {
                slope = slope * (y + i * w) + prod * i;
                prod *= y + i * w;
            }
            d += 2.0;
        }
        // Along x at fixed k: (y, w) ∝ λ = c/(1 + Mc), λ'c/λ = e, λ''c²/λ = −2Mc·e².
        let first = -p * a + e * a1;
        let second = p * p * (1.0 + v) * a - 2.0 * p * e * a1 + e * e * (a2 - 2.0 * z * a1);
        // Along v at fixed x: ∂y = −My², ∂w = ye, and yA_y = a1 − wA_w.
        let k2g = if z > 1e-150 { (m * x) * (m * x) * (g / (z * z)) } else { 0.5 * (m * x) * (m * x) };
        let along_v = k2g * a - m * y * (a1 - w * a_w) + y * e * a_w;
        s += phi * a;
        x_d_x += phi * first;
        neg_xx -= phi * second;
        neg_d_v -= phi * along_v;
    }
    Sum { s, x_d_x, neg_xx_d_xx: neg_xx, neg_d_v }
}
