//! Error-free sums and products without fused multiply-add (Knuth; Dekker, Veltkamp), and the
//! logarithm to twice the working precision that a power with a large exponent needs.

use super::tables::ATANH5;
use crate::lanes::Lanes;

/// a + b = hi + lo exactly.
#[inline]
pub(crate) fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let hi = a + b;
    let bb = hi - a;
    (hi, (a - (hi - bb)) + (b - bb))
}

/// a·b = hi + lo exactly, for |a|, |b| < 2⁹⁹⁵ and no underflow of the low part.
#[inline]
pub(crate) fn two_prod(a: f64, b: f64) -> (f64, f64) {
    let hi = a * b;
    let (a1, a2) = halves(a);
    let (b1, b2) = halves(b);
    (hi, ((a1 * b1 - hi) + a1 * b2 + a2 * b1) + a2 * b2)
}

/// a as a sum of two numbers of 26 bits.
#[inline]
fn halves(a: f64) -> (f64, f64) {
    let t = 134_217_729.0 * a;
    let high = t - (t - a);
    (high, a - high)
}

/// δ with a·b = fl(a·b)·(1 + δ) exactly, for positive normal a, b whose product is normal; 0 where
/// either is not normal.
#[inline]
pub(crate) fn product_error(a: f64, b: f64) -> f64 {
    if !(a.is_normal() && b.is_normal()) {
        return 0.0;
    }
    // Rounding does not see the exponents.
    let (hi, lo) = two_prod(a.split().0, b.split().0);
    lo / hi
}

/// ln 2 − LN2_HI − LN2_MID
const LN2_LO: f64 = 1.161_222_722_936_253_2e-26;
const LN2_HI: f64 = f64::from_bits(0x3fe6_2e42_fee0_0000);
const LN2_MID: f64 = 1.908_214_929_270_587_7e-10;

/// ⅓ − fl(⅓)
const THIRD_LO: f64 = 1.850_371_707_708_594e-17;

/// ln(1 + c) = hi + lo for finite c > 0, with a relative error below 2⁻⁶¹.
pub(crate) fn ln_1p_twofold(c: f64) -> (f64, f64) {
    if c < 1e-6 {
        return two_sum(c, -c * c * (0.5 - c * (1.0 / 3.0 - 0.25 * c)));
    }
    let (u, rest) = two_sum(1.0, c);
    let (hi, lo) = ln_twofold(u, 0.0);
    two_sum(hi, lo + rest / u)
}

/// ln(2ʲu) = hi + lo for normal u > 0 and integral j, with a relative error below 2⁻⁶¹.
///
/// u = 2ⁿm, m in [√½, √2), s = (m − 1)/(m + 1): ln u = n ln 2 + 2s + ⅔s³ + s⁵(…), with 2s and ⅔s³ in two
/// parts each.
pub(crate) fn ln_twofold(u: f64, j: f64) -> (f64, f64) {
    let (mut m, mut n) = u.split();
    n += j;
    if m > core::f64::consts::SQRT_2 {
        m *= 0.5;
        n += 1.0;
    }
    let f = m - 1.0;
    let (den, den_lo) = two_sum(2.0, f);
    let s = f / den;
    let (back, back_lo) = two_prod(s, den);
    let s_lo = (((f - back) - back_lo) - s * den_lo) / den;
    // w = s², cube = s³
    let (w, mut w_lo) = two_prod(s, s);
    w_lo += 2.0 * s * s_lo;
    let (cube, mut cube_lo) = two_prod(s, w);
    cube_lo += s * w_lo + s_lo * w;
    let (third, mut third_lo) = two_prod(cube, 1.0 / 3.0);
    third_lo += cube * THIRD_LO + cube_lo * (1.0 / 3.0);
    let fifth = cube * w * w.poly(&ATANH5);
    let (a, a_lo) = two_sum(n * LN2_HI, n * LN2_MID);
    let (b, b_lo) = two_sum(a, 2.0 * s);
    let (hi, lo) = two_sum(b, 2.0 * third);
    two_sum(hi, lo + (b_lo + (a_lo + (n * LN2_LO + 2.0 * (s_lo + third_lo + fifth)))))
}
