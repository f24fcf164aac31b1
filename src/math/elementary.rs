//! exp, exp_m1, ln, ln_1p, atan, sin and cos over [`Lanes`], branch-free.
//!
//! Each function names its domain, form and bound; the bounds are asserted in `src/math/tests.rs`
//! against high-precision values. Coefficients: [`super::tables`].

use crate::lanes::{Lanes, Scalar};

/// eʸ and its first two Taylor remainders, each to full relative accuracy near y = 0.
#[derive(Clone, Copy, Debug)]
pub struct ExpParts<V> {
    /// eʸ
    pub(crate) exp: V,
    /// eʸ − 1
    pub(crate) exp_m1: V,
    /// eʸ − 1 − y
    pub(crate) exp_m1_my: V,
}

/// y = n ln 2 + r, |r| ≤ ½ ln 2: returns n, for [`Lanes::exp2_int`] or plus MAGIC for
/// [`Lanes::exp2_biased`], and r.
#[inline(always)]
fn reduced<V: Lanes>(y: V) -> (V, V, V) {
    let (hi, lo) = V::Scalar::LN_2;
    let magic = V::splat(V::Scalar::MAGIC);
    let biased = y.mul_add(V::splat(core::f64::consts::LOG2_E), magic);
    let n = biased - magic;
    let r = (-n).mul_add(V::splat(lo), (-n).mul_add(V::splat(hi), y));
    (n, biased, r)
}

/// eʳ − 1 for |r| ≤ ½ ln 2.
#[inline(always)]
fn reduced_m1<V: Lanes>(r: V) -> V {
    (r * r).mul_add(V::Scalar::exp_tail(r), r)
}

/// eʸ for every y, with gradual underflow; ≤ 1 ulp for normal results.
///
/// y = n ln 2 + r, eʸ = 2ⁿ(1 + (r + r²q(r))), 2ⁿ in two factors.
#[inline(always)]
pub(crate) fn exp<V: Lanes>(y: V) -> V {
    let [zero, _, infinity] = V::Scalar::EXP_RANGE;
    let finite = y.at_least(zero).at_most(infinity);
    let (n, _, r) = reduced(finite);
    let half = (n * V::splat(0.5)).round_int();
    let value = (V::splat(1.0) + reduced_m1(r)) * half.exp2_int() * (n - half).exp2_int();
    // `at_least` turned NaN into a number: give it back. y − y is NaN for infinities too.
    let value = y.select_lt(V::splat(zero), V::splat(0.0), value);
    let value = V::splat(infinity).select_lt(y, V::splat(f64::INFINITY), value);
    value + zero_or_nan(y)
}

/// 0, or NaN where y is NaN.
#[inline(always)]
pub(crate) fn zero_or_nan<V: Lanes>(y: V) -> V {
    let zero = V::splat(0.0);
    y.select_lt(zero, zero, (-y).select_lt(zero, zero, y))
}

/// eʸ for −∞ ≤ y ≤ 709 (f32: 88), 0 below −707 (−87); ≤ 1 ulp. NaN gives a number: for quadrature
/// nodes only.
#[inline(always)]
pub(crate) fn exp_node<V: Lanes>(y: V) -> V {
    let [_, normal, infinity] = V::Scalar::EXP_RANGE;
    let (_, biased, r) = reduced(y.at_least(normal - 0.5).at_most(infinity - 1.0));
    let scale = biased.exp2_biased();
    let value = reduced_m1(r).mul_add(scale, scale);
    y.select_lt(V::splat(normal), V::splat(0.0), value)
}

/// eʸ for y ≤ 0, e⁻⁷⁰⁷ (f32: e⁻⁸⁷) from there down and for NaN; ≤ 1 ulp. The shortest of them: for terms
/// of sums that such a number does not change.
#[inline(always)]
pub(crate) fn exp_neg<V: Lanes>(y: V) -> V {
    exp_neg_parts(y).0
}

/// The same, and 1 − eʸ to full relative accuracy for small y (≤ 2.2 ulp).
#[inline(always)]
pub(crate) fn exp_neg_parts<V: Lanes>(y: V) -> (V, V) {
    let (_, biased, r) = reduced(y.at_least(V::Scalar::EXP_RANGE[1]));
    let scale = biased.exp2_biased();
    let m1 = reduced_m1(r);
    (m1.mul_add(scale, scale), (-scale).mul_add(m1, V::splat(1.0) - scale))
}

/// eʸ, eʸ − 1 and eʸ − 1 − y for y ≤ 709 (f32: 87.5), clamped to −700 (−86.5) from below.
///
/// With y = n ln 2 + r: eʸ − 1 = 2ⁿ(eʳ − 1) + (2ⁿ − 1), exact in the second term; for n = 0 both
/// remainders are pure polynomials in r = y.
#[inline(always)]
pub(crate) fn exp_parts<V: Lanes>(y: V) -> ExpParts<V> {
    let one = V::splat(1.0);
    let [_, normal, infinity] = V::Scalar::EXP_RANGE;
    let y = y.at_least(if normal < -700.0 { -700.0 } else { normal + 0.5 }).at_most(infinity - 1.0);
    let (n, biased, r) = reduced(y);
    let scale = biased.exp2_biased();
    let p = (r * r) * V::Scalar::exp_tail(r);
    let m1 = scale.mul_add(r + p, scale - one);
    // |y| ≤ ½ ln 2 has n = 0, r = y and scale = 1.
    let inside = n * n;
    ExpParts {
        exp: scale * (one + (r + p)),
        exp_m1: m1,
        exp_m1_my: inside.select_lt(V::splat(0.5), p, m1 - y),
    }
}

/// eʸ − 1 for every y, −0 for −0, subnormal arguments unchanged; ≤ 1.3 ulp.
///
/// y = n ln 2 + r as for eʸ, ln 2 = hi + lo, and 2ⁿeʳ − 1 = (2ⁿ(y − n·hi) + (2ⁿ − 1)) +
/// 2ⁿ((eʳ − 1 − r) − n·lo): y − n·hi is exact, so that the rounding of r only meets the small second
/// part. It tells at n = 1, where the result is 0.41 of 2ⁿ − 1. Coefficients: EXP.
#[inline(always)]
pub(crate) fn exp_m1<V: Lanes>(y: V) -> V {
    let (hi, lo) = V::Scalar::LN_2;
    let [_, _, infinity] = V::Scalar::EXP_RANGE;
    // Selected, where `at_least` and `at_most` would lose NaN. e⁻⁵⁰ is lost beside 1.
    let (low, high) = (V::splat(-50.0), V::splat(infinity));
    let y = y.select_lt(low, low, y);
    let y = high.select_lt(y, high, y);
    let n = (y * V::splat(core::f64::consts::LOG2_E)).round_int();
    let r_hi = (-n).mul_add(V::splat(hi), y);
    let r_lo = n * V::splat(lo);
    let r = r_hi - r_lo;
    // Negated, as the first part is: so −0 meets no +0.
    let rest = (-(r * r)).mul_add(V::Scalar::exp_tail(r), r_lo);
    // 2ⁿ may be one binade too large: then half of it, and twice the result (where −1 is lost).
    let top = V::splat(infinity - 1.0).select_lt(y, V::splat(1.0), V::splat(0.0));
    let scale = (n - top).exp2_int();
    let value = (-scale).mul_add(rest, scale.mul_add(r_hi, -(V::splat(1.0) - scale)));
    value.mul_add(top, value)
}

/// ln x for x > 0 including subnormals; −∞ at 0, NaN below; ≤ 1.25 ulp.
#[inline(always)]
pub(crate) fn ln<V: Lanes>(x: V) -> V {
    let tiny = V::splat(V::Scalar::MIN_POSITIVE);
    let (raise, exponent) = V::Scalar::RAISE;
    let scaled = x.select_lt(tiny, x * V::splat(raise), x);
    let shift = x.select_lt(tiny, V::splat(exponent), V::splat(0.0));
    let (m, n) = scaled.split();
    // m in [√½, √2).
    let high = V::splat(core::f64::consts::SQRT_2).select_lt(m, V::splat(1.0), V::splat(0.0));
    let m = m - m * high * V::splat(0.5);
    let n = n + high - shift;
    let f = m - V::splat(1.0);
    let s = f / (m + V::splat(1.0));
    let w = s * s;
    // ln(1 + f) = 2s + 2s³P, and 2s = f − s·f: f − (s·f − 2s³P) keeps the leading term exact.
    let ln_m = f - (s * f - (w * s) * V::splat(2.0) * V::Scalar::atanh_tail(w));
    let (hi, lo) = V::Scalar::LN_2;
    let value = n.mul_add(V::splat(hi), n.mul_add(V::splat(lo), ln_m));
    let value = x.select_lt(V::splat(f64::INFINITY), value, x);
    let value = x.select_lt(V::splat(V::Scalar::MIN_SUBNORMAL), V::splat(f64::NEG_INFINITY), value);
    x.select_lt(V::splat(0.0), V::splat(f64::NAN), value)
}

/// ln(1 + z) for z > −1, subnormals unchanged; −∞ at −1, NaN below; ≤ 1.1 ulp.
///
/// 1 + z = u + c, u rounded and c what that lost. u = 2ⁿ(1 + f) as for ln u, and c·2⁻ⁿ joins f. ln 2 =
/// hi + lo; the sum n·hi + (f − rest) has all small terms in the rest. Coefficients: ATANH.
#[inline(always)]
pub(crate) fn ln_1p<V: Lanes>(z: V) -> V {
    let one = V::splat(1.0);
    let u = one + z;
    // Exact up to 1/ε, 0 (as good as exact) above 2/ε.
    let c = z - (u - one);
    let (m, n) = u.split();
    // m in [√½, √2).
    let high = V::splat(core::f64::consts::SQRT_2).select_lt(m, one, V::splat(0.0));
    let m = m - m * high * V::splat(0.5);
    let n = n + high;
    // 2⁻¹⁰²⁴ is no normal number; c = 0 long before.
    let f_lo = c * (-n).at_least(-100.0).exp2_int();
    let f_hi = m - one;
    let f = f_hi + f_lo;
    let s = f / (f + V::splat(2.0));
    let w = s * s;
    let (hi, lo) = V::Scalar::LN_2;
    // ln(1 + f) = f − (s·f − 2s³P) as in `ln`.
    let rest = (s * f - (w * s) * V::splat(2.0) * V::Scalar::atanh_tail(w)) - n.mul_add(V::splat(lo), f_lo);
    let value = n.mul_add(V::splat(hi), f_hi - rest);
    let value = z.select_lt(V::splat(f64::INFINITY), value, z);
    let value = u.select_lt(V::splat(V::Scalar::MIN_POSITIVE), V::splat(f64::NEG_INFINITY), value);
    u.select_lt(V::splat(0.0), V::splat(f64::NAN), value)
}

/// ln(1 + z) and g(z) = ln(1 + z) − z/(1 + z), both to full relative accuracy, for 0 ≤ z ≤ 1e300.
///
/// z < 1: with s = z/(2 + z) ≤ ⅓, ln(1 + z) = 2 atanh s = 2s + 2s³P(s²) and
/// z/(1 + z) = 2s/(1 + s), so that g = 2s²/(1 + s) + 2s³P, a sum of positive terms.
/// z ≥ 1: 1 + z = 2ⁿm, s = (m − 1)/(m + 1), and g ≥ 0.19 by subtraction.
#[inline(always)]
pub(crate) fn ln_1p_parts<V: Lanes>(z: V) -> (V, V) {
    let one = V::splat(1.0);
    let two = V::splat(2.0);
    let u = one + z;
    let (m, n) = u.split();
    // u is in [1, 2) where z < 1 (but for rounding up to 2, where both forms serve).
    let small = z.select_lt(one, one, V::splat(0.0));
    let n = n * (one - small);
    let s = z.select_lt(one, z, m - one) / z.select_lt(one, two + z, m + one);
    let w = s * s;
    let cubic = two * s * w * V::Scalar::atanh_tail(w);
    let ln_m = two * s + cubic;
    let (hi, lo) = V::Scalar::LN_2;
    let ln = n.mul_add(V::splat(hi), n.mul_add(V::splat(lo), ln_m));
    let g = z.select_lt(one, two * w / (one + s) + cubic, ln - z / u);
    (ln, g)
}

/// atan τ and atan τ − τ/(1 + τ²), both to full relative accuracy, for 0 ≤ τ ≤ 1e150.
///
/// τ < 0.61: τ − τ³Q(τ²), and the difference is τ³(1/(1 + τ²) − Q); otherwise π/4 + atan((τ − 1)/(τ + 1))
/// up to 2.4 and π/2 − atan(1/τ) beyond.
#[inline(always)]
pub(crate) fn atan_parts<V: Lanes>(tau: V) -> (V, V) {
    use core::f64::consts::{FRAC_PI_2, FRAC_PI_4};
    let one = V::splat(1.0);
    let zero = V::splat(0.0);
    let near = V::splat(0.61);
    let far = V::splat(2.4);
    let num = tau.select_lt(near, tau, tau.select_lt(far, tau - one, -one));
    let den = tau.select_lt(near, one, tau.select_lt(far, tau + one, tau));
    let base = tau.select_lt(near, zero, tau.select_lt(far, V::splat(FRAC_PI_4), V::splat(FRAC_PI_2)));
    let t = num / den;
    let w = t * t;
    let q = V::Scalar::atan_tail(w);
    let atan = base + (t - t * w * q);
    let inv = one / (one + tau * tau);
    let rest = tau.select_lt(near, tau * w * (inv - q), atan - tau * inv);
    (atan, rest)
}

/// (−1)ᵏ for integral k.
#[inline(always)]
fn alternate<V: Lanes>(k: V) -> V {
    let h = (k * V::splat(0.5) - V::splat(0.25)).round_int();
    V::splat(1.0) - V::splat(2.0) * (k - h - h)
}

/// (sin x, cos x) for |x| < 1e5 (f32: 6400); ≤ 1.5 ulp + |n|·6e−27 (5e−13), ≤ 1.05 ulp for |x| ≤ π/4.
///
/// x = n π/2 + r, |r| ≤ π/4, n π/2 in two parts.
#[inline(always)]
pub(crate) fn sin_cos<V: Lanes>(x: V) -> (V, V) {
    let one = V::splat(1.0);
    let half = V::splat(0.5);
    let n = (x * V::splat(core::f64::consts::FRAC_2_PI)).round_int();
    let (hi, lo) = V::Scalar::PI_2;
    let r = (-n).mul_add(V::splat(lo), (-n).mul_add(V::splat(hi), x));
    let w = r * r;
    let s = r + r * w * V::Scalar::sin_tail(w);
    let c = one - (half * w - w * w * V::Scalar::cos_tail(w));
    // n = 2a + odd; the sign of sin flips with a, that of cos with a + odd.
    let a = (n * half - V::splat(0.25)).round_int();
    let odd = n - a - a;
    let (sin, cos) = (half.select_lt(odd, c, s), half.select_lt(odd, s, c));
    (sin * alternate(a), cos * alternate(a + odd))
}
