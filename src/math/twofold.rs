//! Error-free sums and products without fused multiply-add (Knuth; Dekker, Veltkamp), arithmetic on
//! unevaluated sums of two f64 made from them, and the logarithm to twice the working precision that
//! a power with a large exponent needs.

use super::elementary::exp;
use super::tables::ATANH5;
use crate::lanes::Lanes;

/// An unevaluated sum hi + lo of two f64, lo within half an ulp of hi; about 100 bits.
pub(crate) type Twofold = (f64, f64);

/// a + b = hi + lo exactly.
#[inline]
pub(crate) fn two_sum(a: f64, b: f64) -> Twofold {
    let hi = a + b;
    let bb = hi - a;
    (hi, (a - (hi - bb)) + (b - bb))
}

/// a·b = hi + lo exactly, for |a|, |b| < 2⁹⁹⁵ and no underflow of the low part.
#[inline]
pub(crate) fn two_prod(a: f64, b: f64) -> Twofold {
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

/// −a.
pub(crate) fn neg(a: Twofold) -> Twofold {
    (-a.0, -a.1)
}

/// a + b; a single word where it is infinite.
pub(crate) fn add(a: Twofold, b: Twofold) -> Twofold {
    let (hi, lo) = two_sum(a.0, b.0);
    // The low part of ∞ is ∞ − ∞.
    if hi.is_finite() { two_sum(hi, lo + (a.1 + b.1)) } else { (hi, 0.0) }
}

/// a − b; a single word where it is infinite.
pub(crate) fn sub(a: Twofold, b: Twofold) -> Twofold {
    add(a, neg(b))
}

/// a·b, in the range of [`two_prod`].
pub(crate) fn mul(a: Twofold, b: Twofold) -> Twofold {
    let (hi, lo) = two_prod(a.0, b.0);
    two_sum(hi, lo + (a.0 * b.1 + a.1 * b.0))
}

/// a·b, a single word where it is large or where `two_prod` would overflow.
pub(crate) fn times(a: Twofold, b: f64) -> Twofold {
    let hi = a.0 * b;
    if hi.abs() > 1e6 || b > 1e290 { (hi, 0.0) } else { mul(a, (b, 0.0)) }
}

/// a/b for b > 0; a single word where the quotient is out of range.
pub(crate) fn div(a: Twofold, b: Twofold) -> Twofold {
    const UP: f64 = 3.273_390_607_896_142e150; // 2⁵⁰⁰
    // Only the ratio matters; a divisor near 1 keeps the products below in range.
    let scale = match b.0 {
        b if b < 1e-150 => UP,
        b if b > 1e150 => 1.0 / UP,
        _ => 1.0,
    };
    let (a, b) = ((a.0 * scale, a.1 * scale), (b.0 * scale, b.1 * scale));
    let quotient = a.0 / b.0;
    if !(quotient.abs() > 1e-140 && quotient.abs() < 1e140) {
        return (quotient, 0.0);
    }
    let (hi, lo) = two_prod(quotient, b.0);
    two_sum(quotient, (((a.0 - hi) - lo) + (a.1 - quotient * b.1)) / b.0)
}

/// z²/2, a single word where it is large.
pub(crate) fn half_square(z: Twofold) -> Twofold {
    if z.0.abs() > 1e100 {
        return (0.5 * z.0 * z.0, 0.0);
    }
    let (hi, lo) = mul(z, z);
    (0.5 * hi, 0.5 * lo)
}

/// eʸ; ≤ 1.5 ulp, however large y.
pub(crate) fn exp_twofold(y: Twofold) -> f64 {
    let e = exp(y.0);
    if e > 0.0 && e < f64::INFINITY { e + e * y.1 } else { e }
}

/// ln 2 − LN2_HI − LN2_MID
const LN2_LO: f64 = 1.161_222_722_936_253_2e-26;
const LN2_HI: f64 = f64::from_bits(0x3fe6_2e42_fee0_0000);
const LN2_MID: f64 = 1.908_214_929_270_587_7e-10;

/// ⅓ − fl(⅓)
const THIRD_LO: f64 = 1.850_371_707_708_594e-17;

/// ln(1 + c) = hi + lo for finite c > 0, with a relative error below 2⁻⁶¹.
pub(crate) fn ln_1p_twofold(c: f64) -> Twofold {
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
pub(crate) fn ln_twofold(u: f64, j: f64) -> Twofold {
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

/// ln x for 0 < x < ∞, subnormal or not; error as that of [`ln_twofold`].
pub(crate) fn ln_positive(x: f64) -> Twofold {
    const TWO_54: f64 = 18_014_398_509_481_984.0;
    if x < f64::MIN_POSITIVE { ln_twofold(x * TWO_54, -54.0) } else { ln_twofold(x, 0.0) }
}

/// ln(x/y) for 0 < x, y < ∞, where `quotient` = x/y may have under- or overflowed.
pub(crate) fn ln_quotient(x: f64, y: f64, quotient: Twofold) -> Twofold {
    if quotient.0 > 1e-140 && quotient.0 < 1e140 {
        let (hi, lo) = ln_twofold(quotient.0, 0.0);
        two_sum(hi, lo + quotient.1 / quotient.0)
    } else {
        sub(ln_positive(x), ln_positive(y))
    }
}
