//! exp, ln, ln_1p, expm1, atan, sin and cos over [`Lanes`], branch-free.
//!
//! Each function names its domain, form and bound; the bounds are asserted in `src/special/tests.rs`
//! against high-precision values. Coefficients: [`super::tables`].

use super::tables::{ATAN, ATANH, COS, EXP, SIN};
use crate::lanes::Lanes;

/// ln 2 rounded to 32 bits, so that n·LN2_HI is exact for |n| < 2²¹, and the rest.
const LN2_HI: f64 = f64::from_bits(0x3fe6_2e42_fee0_0000);
const LN2_LO: f64 = 1.908_214_929_270_587_7e-10;

/// π/2 rounded to 33 bits, so that n·HI is exact for |n| < 2²⁰, and the rest.
const PIO2_HI: f64 = f64::from_bits(0x3ff9_21fb_5440_0000);
const PIO2_LO: f64 = 6.077_100_506_506_192e-11;

/// eʸ and its first two Taylor remainders, each to full relative accuracy near y = 0.
#[derive(Clone, Copy)]
pub(crate) struct ExpParts<V> {
    /// eʸ
    pub(crate) exp: V,
    /// eʸ − 1
    pub(crate) exp_m1: V,
    /// eʸ − 1 − y
    pub(crate) exp_m1_my: V,
}

/// y = n ln 2 + r, |r| ≤ ½ ln 2: returns (n, r, eʳ − 1 − r).
#[inline(always)]
fn exp_reduced<V: Lanes>(y: V) -> (V, V, V) {
    let n = (y * V::splat(core::f64::consts::LOG2_E)).round_int();
    let r = (y - n * V::splat(LN2_HI)) - n * V::splat(LN2_LO);
    (n, r, r * r * r.poly(&EXP))
}

/// eʸ for every y, with gradual underflow; ≤ 1 ulp for normal results.
///
/// y = n ln 2 + r, eʸ = 2ⁿ(1 + (r + r²q(r))), 2ⁿ in two factors.
#[inline(always)]
pub(crate) fn exp<V: Lanes>(y: V) -> V {
    let finite = y.at_least(-750.0).at_most(710.0);
    let (n, r, p) = exp_reduced(finite);
    let half = (n * V::splat(0.5)).round_int();
    let value = (V::splat(1.0) + (r + p)) * half.exp2_int() * (n - half).exp2_int();
    // `at_least` turned NaN into a number: give it back. y − y is NaN for infinities too.
    let value = y.select_lt(V::splat(-750.0), V::splat(0.0), value);
    let value = V::splat(710.0).select_lt(y, V::splat(f64::INFINITY), value);
    let number = y.select_lt(V::splat(0.0), V::splat(0.0), (-y).select_lt(V::splat(0.0), V::splat(0.0), y));
    value + number
}

/// eʸ for −∞ ≤ y ≤ 709, 0 below −707; ≤ 1 ulp. NaN gives a number: for quadrature nodes only.
#[inline(always)]
pub(crate) fn exp_node<V: Lanes>(y: V) -> V {
    let (n, r, p) = exp_reduced(y.at_least(-707.5).at_most(709.0));
    let value = (V::splat(1.0) + (r + p)) * n.exp2_int();
    y.select_lt(V::splat(-707.0), V::splat(0.0), value)
}

/// eʸ, eʸ − 1 and eʸ − 1 − y for y ≤ 709 (clamped to −700 from below).
///
/// With y = n ln 2 + r: eʸ − 1 = 2ⁿ(eʳ − 1) + (2ⁿ − 1), exact in the second term; for n = 0 both
/// remainders are pure polynomials in r = y.
#[inline(always)]
pub(crate) fn exp_parts<V: Lanes>(y: V) -> ExpParts<V> {
    let one = V::splat(1.0);
    let y = y.at_least(-700.0).at_most(709.0);
    let (n, r, p) = exp_reduced(y);
    let scale = n.exp2_int();
    let m1 = scale * (r + p) + (scale - one);
    // |y| ≤ ½ ln 2 has n = 0, r = y and scale = 1.
    let inside = n * n;
    ExpParts {
        exp: scale * (one + (r + p)),
        exp_m1: m1,
        exp_m1_my: inside.select_lt(V::splat(0.5), p, m1 - y),
    }
}

/// ln x for x > 0 including subnormals; −∞ at 0, NaN below; ≤ 1.25 ulp.
#[inline(always)]
pub(crate) fn ln<V: Lanes>(x: V) -> V {
    let tiny = V::splat(f64::MIN_POSITIVE);
    let two_54 = 18_014_398_509_481_984.0;
    let scaled = x.select_lt(tiny, x * V::splat(two_54), x);
    let shift = x.select_lt(tiny, V::splat(54.0), V::splat(0.0));
    let (m, n) = scaled.split();
    // m in [√½, √2).
    let high = V::splat(core::f64::consts::SQRT_2).select_lt(m, V::splat(1.0), V::splat(0.0));
    let m = m - m * high * V::splat(0.5);
    let n = n + high - shift;
    let f = m - V::splat(1.0);
    let s = f / (m + V::splat(1.0));
    let w = s * s;
    // ln(1 + f) = 2s + 2s³P, and 2s = f − s·f: f − (s·f − 2s³P) keeps the leading term exact.
    let ln_m = f - (s * f - (w * s) * V::splat(2.0) * w.poly(&ATANH));
    let value = n * V::splat(LN2_HI) + (ln_m + n * V::splat(LN2_LO));
    let value = x.select_lt(V::splat(f64::INFINITY), value, x);
    let value = x.select_lt(V::splat(f64::MIN_POSITIVE * f64::EPSILON), V::splat(f64::NEG_INFINITY), value);
    x.select_lt(V::splat(0.0), V::splat(f64::NAN), value)
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
    let cubic = two * s * w * w.poly(&ATANH);
    let ln_m = two * s + cubic;
    let ln = n * V::splat(LN2_HI) + (ln_m + n * V::splat(LN2_LO));
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
    let q = w.poly(&ATAN);
    let atan = base + (t - t * w * q);
    let inv = one / (one + tau * tau);
    let rest = tau.select_lt(near, tau * w * (inv - q), atan - tau * inv);
    (atan, rest)
}

/// (sin x, cos x) for |x| < 1e5; ≤ 1.5 ulp + |n|·6e−27, ≤ 1.05 ulp for |x| ≤ π/4.
///
/// x = n π/2 + r, |r| ≤ π/4, n π/2 in two parts.
#[inline(always)]
pub(crate) fn sin_cos<V: Lanes>(x: V) -> (V, V) {
    let one = V::splat(1.0);
    let half = V::splat(0.5);
    let n = (x * V::splat(core::f64::consts::FRAC_2_PI)).round_int();
    let r = (x - n * V::splat(PIO2_HI)) - n * V::splat(PIO2_LO);
    let w = r * r;
    let s = r + r * w * w.poly(&SIN);
    let c = one - (half * w - w * w * w.poly(&COS));
    // n = 2a + odd; the sign of sin flips with a, that of cos with a + odd.
    let a = (n * half - V::splat(0.25)).round_int();
    let odd = n - a - a;
    let parity = |k: V| {
        let h = (k * half - V::splat(0.25)).round_int();
        k - h - h
    };
    let sign = |k: V| one - V::splat(2.0) * parity(k);
    let (sin, cos) = (half.select_lt(odd, c, s), half.select_lt(odd, s, c));
    (sin * sign(a), cos * sign(a + odd))
}
