//! The Lerch transcendent at z = −1: Φ(−1, s, a) = Σₙ (−1)ⁿ (a + n)⁻ˢ.
//!
//! It is the survival side of the Gamma family's canonical integral: aˢΦ(−1, s, a) = 1 − T(x, v)
//! with v = 1/s, x = s/a, so both have the same accuracy and the same derivatives.

use crate::family::gamma::tail::{self as gamma, Point};
use crate::kernel::Tail;
use crate::math::elementary::{exp, ln};
use crate::math::neg_ln_1m;
use crate::math::twofold::{Twofold, add, div, ln_positive, mul, sub, times, two_sum};
use num_traits::Float;

/// Φ(−1, s, a) with derivatives, and the two forms that do not overflow.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LerchPhi {
    /// Φ(−1, s, a).
    pub value: f64,
    /// ∂Φ/∂s. Changes sign: for small s near a = 1.5, towards a = 1 as s grows.
    pub d_s: f64,
    /// ∂Φ/∂a = −sΦ(−1, s + 1, a).
    pub d_a: f64,
    /// aˢΦ(−1, s, a), in [½, 1].
    pub scaled: f64,
    /// ln Φ(−1, s, a).
    pub ln: f64,
}

/// 1 − T, T and its derivative data at (s, a); `None` outside the domain.
fn tail(s: f64, a: f64) -> Option<Tail> {
    let fits = |x: f64| (f64::MIN_POSITIVE..=1e300).contains(&x);
    if !(fits(s) && fits(a)) {
        return None;
    }
    Some(gamma::tail(Point { x: s / a, c: 1.0 / a, k: s, v: 1.0 / s, c_error: 0.0, ln_c: (-ln(a), 0.0) }))
}

/// Φ(−1, s, a) = Σₙ (−1)ⁿ (a + n)⁻ˢ, n ≥ 0.
///
/// * Domain: 2.3e−308 ≤ s, a ≤ 1e300; NaN outside. 0 or ∞ where a⁻ˢ under- or overflows: see
///   [`lerch_phi_m1_scaled`] and [`ln_lerch_phi_m1`].
/// * Max error: 4 ulp.
/// * Source: DLMF 25.14; MixDPO, arXiv 2601.06180, for its use.
///
/// ```
/// use prefstrength::lerch::lerch_phi_m1;
/// // Φ(−1, 1, 1) = ln 2, and Φ(−1, 2, ½)/4 is Catalan's constant.
/// assert!((lerch_phi_m1(1.0, 1.0) - core::f64::consts::LN_2).abs() < 1e-16);
/// assert!((lerch_phi_m1(2.0, 0.5) / 4.0 - 0.915965594177219).abs() < 1e-15);
/// ```
#[must_use]
pub fn lerch_phi_m1(s: f64, a: f64) -> f64 {
    power_times(s, a, lerch_phi_m1_scaled(s, a))
}

/// a⁻ˢz: where the power alone is out of range the product need not be.
fn power_times(s: f64, a: f64, z: f64) -> f64 {
    let power = Float::powf(a, -s);
    if (1e-290..1e290).contains(&power) {
        return power * z;
    }
    let root = Float::powf(a, -0.5 * s);
    root * z * root
}

/// aˢΦ(−1, s, a) = E[1/(1 + e^{−G/a})], G ~ Gamma(s): between ½ and 1, increasing in s, decreasing
/// in a.
///
/// * Domain: 2.3e−308 ≤ s, a ≤ 1e300; NaN outside.
/// * Max error: 2 ulp.
///
/// ```
/// use prefstrength::lerch::lerch_phi_m1_scaled;
/// assert_eq!(lerch_phi_m1_scaled(1e12, 1e-300), 1.0);
/// ```
#[must_use]
pub fn lerch_phi_m1_scaled(s: f64, a: f64) -> f64 {
    tail(s, a).map_or(f64::NAN, |t| 0.5 + t.h)
}

/// ln Φ(−1, s, a), where Φ itself may under- or overflow.
///
/// * Domain: 2.3e−308 ≤ s, a ≤ 1e300; NaN outside.
/// * Max error: 2 eps·max(1, |ln Φ|).
///
/// ```
/// use prefstrength::lerch::ln_lerch_phi_m1;
/// let ln = ln_lerch_phi_m1(1e4, 1e3);
/// assert!((ln + 1e4 * 1e3f64.ln()).abs() < 1e-4); // Φ ≈ a⁻ˢ for s ≫ a
/// ```
#[must_use]
pub fn ln_lerch_phi_m1(s: f64, a: f64) -> f64 {
    tail(s, a).map_or(f64::NAN, |t| ln_phi(s, a, &t))
}

fn ln_phi(s: f64, a: f64, t: &Tail) -> f64 {
    -s * ln(a) - neg_ln_1m(t.t)
}

/// Terms of the accelerated sum: error 5.8⁻³².
const TERMS: i128 = 32;

/// aˢ ∂Φ/∂s = −Σₙ (−1)ⁿ ln(a + n)(1 + n/a)⁻ˢ for 1 ≤ a < 1.6, accurate near its zeros: the alternating sum
/// in twofold arithmetic, accelerated with exact integer weights (Cohen, Rodriguez Villegas, Zagier 2000,
/// algorithm 1).
fn slope_by_acceleration(s: f64, a: f64) -> f64 {
    // d = T₃₂(3), the Chebyshev polynomial.
    let (mut d, mut before) = (3, 1);
    for _ in 1..TERMS {
        (d, before) = (6 * d - before, d);
    }
    let wide = |n: i128| (n as f64, (n - n as f64 as i128) as f64);
    let ln_a = ln_positive(a);
    let (mut b, mut c) = (-1, -d);
    let mut sum = (0.0, 0.0);
    for n in 0..TERMS {
        c = b - c;
        b = b * (n + TERMS) * (n - TERMS) * 2 / ((2 * n + 1) * (n + 1));
        let (u, rest) = two_sum(a, n as f64);
        let ln = add(ln_positive(u), (rest / u, 0.0));
        let term = mul(ln, exp_wide(times(sub(ln_a, ln), s)));
        sum = add(sum, mul(term, wide(c)));
    }
    let (hi, lo) = div(sum, wide(d));
    -(hi + lo)
}

/// eʸ in two parts, for y ≤ 0: the f64 exponential, corrected by its own logarithm.
fn exp_wide(y: Twofold) -> Twofold {
    let e = exp(y.0);
    if e < 1e-290 { (0.0, 0.0) } else { add((e, 0.0), times(sub(y, ln_positive(e)), e)) }
}

/// Φ(−1, s, a), its derivatives in s and a, and the scaled and logarithmic forms.
///
/// * Domain: 2.3e−308 ≤ s, a ≤ 1e300; every field NaN outside.
/// * Max error: `value` 4 ulp, `d_a` 8 ulp, `d_s` 16 ulp also next to its zeros, `scaled` 2 ulp.
///
/// ```
/// use prefstrength::lerch::lerch_phi_m1_gradient;
/// let phi = lerch_phi_m1_gradient(1.0, 1.0);
/// // ∂Φ/∂s at s = 1, a = 1: η′(1) = γ ln 2 − ½ ln² 2
/// let (g, l) = (0.5772156649015329, core::f64::consts::LN_2);
/// assert!((phi.d_s - (g * l - 0.5 * l * l)).abs() < 1e-15);
/// ```
#[must_use]
pub fn lerch_phi_m1_gradient(s: f64, a: f64) -> LerchPhi {
    let Some(t) = tail(s, a) else {
        let nan = f64::NAN;
        return LerchPhi { value: nan, d_s: nan, d_a: nan, scaled: nan, ln: nan };
    };
    let scaled = 0.5 + t.h;
    // ∂(1 − T)/∂k = T(−xT_x/T + vT_v/T)/k, with x/k = 1/a
    let spread = if t.plain { t.d1 / a + t.v_d_v / s } else { (t.d1 + t.v_d_v) / s };
    // Once T has underflowed, so has its derivative.
    let spread = if t.t == 0.0 { 0.0 } else { spread };
    let (rise, fall) = (t.t * spread, ln(a) * scaled);
    // ∂Φ/∂s has a zero for every s, at an a between 1 and 1.51.
    let slope =
        if (rise - fall).abs() < 0.3 * rise && a < 1.6 { slope_by_acceleration(s, a) } else { rise - fall };
    LerchPhi {
        value: power_times(s, a, scaled),
        d_s: power_times(s, a, slope),
        d_a: -power_times(s, a, (s / a) * lerch_phi_m1_scaled(s + 1.0, a)),
        scaled,
        ln: ln_phi(s, a, &t),
    }
}
