//! Gamma strengths over lanes.
//!
//! T(x, v) = (1 + c)⁻ᵏ[1 − T(y, v)], c = xv, k = 1/v, y = x/(1 + c), κ = c/(1 + c), as in the scalar
//! kernel; what differs is how the canonical pair is evaluated near zero (a polynomial in two variables
//! instead of a quadrature) and that a kernel is chosen per element before, not by branching within.

use super::near::Near;
use crate::kernel::{FamilyKernels, Goal, LaneKernels, Limits, Logit, within};
use crate::lanes::{Lanes, Scalar};
use crate::math::elementary::{exp_neg, exp_neg_parts};
use crate::math::tables::BOOLE;
use crate::math::{neg_ln_1m, two_atanh};
use num_traits::Float;

/// Which kernel an element takes.
///
/// | region | where | kernel |
/// | --- | --- | --- |
/// | `near` | x ≤ x₀, c ≤ 1 | the polynomial of the piece, [`Near`] |
/// | `shifted` | y ≤ x₀ else | the polynomial at (y, κ) and the recursion |
/// | `far` | y > x₀ | Boole's sum at (y, κ) and the recursion |
/// | outside | x or v beyond the box, NaN | none: the scalar kernel |
///
/// Numbered in this order, the first two once per piece.
pub(crate) struct Kernels;

impl<T: Form> FamilyKernels<T> for Kernels {
    type On<V: Lanes<Scalar = T>> = Self;
    const BREAK_EVEN: usize = 2048;
    fn covers(shape: f64) -> bool {
        shape < T::V_MAX
    }
    /// ln T's series in w has terms like n!(vw/π)ⁿ (docs/math.md §6): up to a part of 1/v those beyond the table's
    /// degree are rounding. The numbers are the largest that kept the errors next to 0, found by trial.
    fn first_exponent(goal: Goal, v: f64) -> f64 {
        Float::log2(match goal {
            Goal::SingleTable => 1.0 / (1.0 + 6.0 * v),
            Goal::Lane => 0.6 / (1.0 + 8.0 * v),
        })
    }
    fn unit_exponent(_shape: f64) -> f64 {
        0.0
    }
}

impl<V: Lanes<Scalar: Form>> LaneKernels<V> for Kernels {
    #[inline(always)]
    fn count() -> usize {
        2 * V::Scalar::PIECES + 1
    }
    #[inline(always)]
    fn prepare(_v: V, _shared: bool, _goal: Goal) -> Self {
        Self
    }
    #[inline(always)]
    fn region(&self, x: V, v: V) -> V {
        let (zero, one) = (V::splat(0.0), V::splat(1.0));
        let pieces = V::splat(V::Scalar::PIECES as f64);
        let far = pieces + pieces;
        let outside = far + one;
        let x0 = V::splat(V::Scalar::NEAR_MAX);
        let c = x * v;
        let inv = one / (one + c);
        let (y, kappa) = (x * inv, c * inv);
        let near = x0.select_lt(x, one, one.select_lt(c, one, zero));
        let (px, pc) = (zero.select_lt(near, y, x), zero.select_lt(near, kappa, c));
        let piece = V::Scalar::piece(px, pc) + near * pieces;
        let region = zero.select_lt(near, x0.select_lt(y, far, piece), piece);
        let region = v.select_lt(V::splat(V::Scalar::V_MAX), region, outside);
        within(x, V::Scalar::X_MIN, V::Scalar::X_MAX, region, outside)
    }
    #[inline(always)]
    fn logit(&self, region: usize, x: V, v: V) -> Logit<V> {
        let pieces = V::Scalar::PIECES;
        if region < pieces {
            near(region, x, v)
        } else if region < 2 * pieces {
            shifted(region - pieces, x, v)
        } else {
            far(x, v)
        }
    }
}

/// The form of the kernels in one precision.
pub trait Form: Near + Limits {
    /// Terms summed one by one before the Boole tail.
    const NODES: usize;
    /// Terms of the tail.
    const TAIL: usize;
    /// Largest y of the sum: 1 − S is negligible from there on, and powers of y would overflow.
    const Y_MAX: f64;
    /// The box of v; that of x is the precision's.
    const V_MAX: f64;
    /// A v below counts as this one: v x² is below an ulp of ℓ for all x of the box.
    const V_MIN: f64;
}

impl Form for f64 {
    const NODES: usize = 14;
    const TAIL: usize = 12;
    const Y_MAX: f64 = 700.0;
    const V_MAX: f64 = 1e5;
    const V_MIN: f64 = 1e-40;
}

impl Form for f32 {
    const NODES: usize = 6;
    const TAIL: usize = 5;
    const Y_MAX: f64 = 100.0;
    const V_MAX: f64 = 1e4;
    const V_MIN: f64 = 1e-18;
}

#[inline(always)]
fn near<V: Lanes<Scalar: Form>>(piece: usize, x: V, v: V) -> Logit<V> {
    V::Scalar::near(piece, x, x * v)
}

/// c, 1/(1 + c), k ln(1 + c) and k²g(c), g(c) = ln(1 + c) − c/(1 + c).
struct Recursion<V> {
    rest: V,
    kappa: V,
    y: V,
    /// −ln (1 + c)⁻ᵏ
    power: V,
    /// −∂(power)/∂v at fixed x
    k2g: V,
}

impl<V: Lanes<Scalar: Form>> Recursion<V> {
    #[inline(always)]
    fn new(x: V, v: V, k: V) -> Self {
        let c = x * v;
        let Log { ln, inv, k2g } = Log::new(c, x, k);
        Self { rest: inv, kappa: c * inv, y: x * inv, power: k * ln, k2g }
    }
}

/// ln(1 + z), 1/(1 + z) and k²g(z).
struct Log<V> {
    ln: V,
    inv: V,
    k2g: V,
}

impl<V: Lanes> Log<V> {
    /// `kz` = kz to full accuracy.
    ///
    /// With s = z/(2 + z) (z < 1) or (m − 1)/(m + 1) (1 + z = 2ⁿm): ln(1 + z) = n ln 2 + 2 atanh s. For
    /// z < 1, g(z)/z² = [1/(1 + z) + 2sP/(2 + z)]/(2 + z), a sum of positive terms; otherwise g by
    /// subtraction. One division serves for s and 1/(1 + z).
    #[inline(always)]
    fn new(z: V, kz: V, k: V) -> Self {
        let (one, two) = (V::splat(1.0), V::splat(2.0));
        let u = one + z;
        let (m, n) = u.split();
        let n = z.select_lt(one, V::splat(0.0), n);
        let num = z.select_lt(one, z, m - one);
        let den = z.select_lt(one, two + z, m + one);
        let both = one / (den * u);
        let (inv, inv_den) = (den * both, u * both);
        let s = num * inv_den;
        let w = s * s;
        let p = V::Scalar::atanh_tail(w);
        let twice = two * s;
        let (hi, lo) = V::Scalar::LN_2;
        let ln_m = (twice * w).mul_add(p, twice);
        let ln = n.mul_add(V::splat(hi), n.mul_add(V::splat(lo), ln_m));
        let small = (kz * kz) * inv_den * (twice * p).mul_add(inv_den, inv);
        let large = (k * k) * (ln - z * inv);
        Self { ln, inv, k2g: z.select_lt(one, small, large) }
    }
}

#[inline(always)]
fn shifted<V: Lanes<Scalar: Form>>(piece: usize, x: V, v: V) -> Logit<V> {
    let one = V::splat(1.0);
    let v = v.at_least(V::Scalar::V_MIN);
    let k = one / v;
    let at = Recursion::new(x, v, k);
    let inner = V::Scalar::near(piece, at.y, at.kappa);
    let (e, one_minus_e) = exp_neg_parts(-inner.value);
    let upper = one / (one + e);
    let lower = e * upper;
    // ln T = −power + ln σ(ℓ(y))
    let ln_s = neg_ln_1m(lower);
    let ln_t = -(at.power + ln_s);
    let slope = at.rest - lower * inner.slope * (at.rest * at.rest);
    let spread = at.k2g - lower * (at.y * at.y).mul_add(inner.slope, inner.spread);
    let far = Logit::from_ln_tail(ln_t, slope, spread);
    // Where T is near ½: ½ − T = ½(1 − q) − q·(½ − T(y)), q = (1 + c)⁻ᵏ.
    let (q, one_minus_q) = exp_neg_parts(-at.power);
    let half_y = V::splat(0.5) * one_minus_e * upper;
    let h = (-q).mul_add(half_y, V::splat(0.5) * one_minus_q);
    let value = h.select_lt(V::splat(0.125), two_atanh(V::splat(2.0) * h), far.value);
    Logit { value, ..far }
}

#[inline(always)]
fn far<V: Lanes<Scalar: Form>>(x: V, v: V) -> Logit<V> {
    let one = V::splat(1.0);
    let v = v.at_least(V::Scalar::V_MIN);
    let k = one / v;
    let at = Recursion::new(x, v, k);
    let sum = boole(at.y.at_most(V::Scalar::Y_MAX), at.kappa, k);
    let inv_s = one / (one - sum.rest);
    let w1 = sum.y_d_y * inv_s;
    let ln_t = -(at.power + neg_ln_1m(sum.rest));
    let slope = at.rest - at.rest * w1 / x;
    let spread = at.k2g - (sum.neg_d_v * inv_s + at.y * w1);
    Logit::from_ln_tail(ln_t, slope, spread)
}

/// S = Σ (−1)ⁿ(1 + nκ)⁻ᵏ and derivatives at fixed v or y.
struct Sum<V> {
    /// 1 − S
    rest: V,
    /// y ∂S/∂y
    y_d_y: V,
    /// −∂S/∂v
    neg_d_v: V,
}

/// Boole summation, as [`crate::math::alternating::boole`] but for the number of terms. With
/// p = ny/(1 + nκ): φₙ = (1 + nκ)⁻ᵏ, −y∂φ/∂y = pφ, ∂φ/∂v = k²g(nκ)φ.
#[inline(always)]
fn boole<V: Lanes<Scalar: Form>>(y: V, kappa: V, k: V) -> Sum<V> {
    let zero = V::splat(0.0);
    let (mut s0, mut s1, mut sv) = (zero, zero, zero);
    let mut n = 1;
    while n < V::Scalar::NODES {
        let at = V::splat(n as f64);
        let ny = at * y;
        let Log { ln, inv, k2g } = Log::new(at * kappa, ny, k);
        let phi = exp_neg(-(k * ln));
        let phi = if n % 2 == 1 { phi } else { -phi };
        s0 = s0 + phi;
        s1 = phi.mul_add(ny * inv, s1);
        sv = phi.mul_add(k2g, sv);
        n += 1;
    }
    let m = V::splat(V::Scalar::NODES as f64);
    let my = m * y;
    let z = m * kappa;
    let Log { ln, inv: e, k2g } = Log::new(z, my, k);
    let phi = exp_neg(-(k * ln));
    let phi = if V::Scalar::NODES % 2 == 1 { phi } else { -phi };
    let (ym, wm, p) = (y * e, kappa * e, my * e);
    // As in the scalar kernel: prod = y(y + w)…(y + (d − 1)w), slope = ∂prod/∂w.
    let (mut a, mut a1, mut a_w) = (V::splat(0.5), zero, zero);
    let (mut prod, mut slope) = (ym, zero);
    let mut j = 0;
    while j < V::Scalar::TAIL {
        let d = (2 * j + 1) as f64;
        let b = V::splat(BOOLE[j]);
        let term = b * prod;
        a = a + term;
        a1 = V::splat(d).mul_add(term, a1);
        a_w = b.mul_add(slope, a_w);
        for i in [d, d + 1.0] {
            let factor = V::splat(i).mul_add(wm, ym);
            slope = slope.mul_add(factor, V::splat(i) * prod);
            prod = prod * factor;
        }
        j += 1;
    }
    let along_y = p * a - e * a1;
    let along_v = k2g * a - (m * ym) * (a1 - wm * a_w) + ym * e * a_w;
    Sum { rest: phi.mul_add(a, s0), y_d_y: phi.mul_add(along_y, s1), neg_d_v: phi.mul_add(along_v, sv) }
}
