//! The logistic function and its logarithm.

use super::elementary::{exp, ln_1p_parts};
use crate::lanes::{Lanes, Scalar};
use crate::real::Real;

/// The logistic function σ(x) = 1/(1 + e⁻ˣ), to the last bits in both tails.
///
/// * Domain: every x.
/// * Special values: σ(−∞) = 0, σ(∞) = 1, σ(NaN) = NaN.
/// * Max error: 2.5 ulp (f64), ½ ulp + 2⁻²⁸ (f32, computed in f64).
///
/// ```
/// use prefstrength::math::sigmoid;
/// assert_eq!(sigmoid(0.0), 0.5);
/// assert_eq!(sigmoid(-700.0), (-700.0f64).exp()); // the lower tail does not cancel
/// ```
#[doc(alias = "expit")]
#[doc(alias = "logistic")]
#[must_use]
pub fn sigmoid<T: Real>(x: T) -> T {
    let x = x.to_f64();
    let e = exp(-x.abs());
    T::from_f64(if x < 0.0 { e / (1.0 + e) } else { 1.0 / (1.0 + e) })
}

/// ln σ(x) = −softplus(−x), without underflow for x → −∞ or loss of digits for x → ∞.
///
/// * Domain: every x.
/// * Special values: −∞ at −∞, −0 at ∞, NaN at NaN.
/// * Max error: 3 ulp (f64), ½ ulp + 2⁻²⁸ (f32).
///
/// ```
/// use prefstrength::math::log_sigmoid;
/// assert_eq!(log_sigmoid(-1e5), -1e5);
/// assert_eq!(log_sigmoid(50.0), -(-50.0f64).exp());
/// ```
#[must_use]
pub fn log_sigmoid<T: Real>(x: T) -> T {
    T::from_f64(-softplus(-x.to_f64()))
}

/// softplus(x) = ln(1 + eˣ) = −ln σ(−x).
///
/// * Domain: every x.
/// * Special values: 0 at −∞, ∞ at ∞, NaN at NaN.
/// * Max error: 3 ulp (f64), ½ ulp + 2⁻²⁸ (f32).
///
/// ```
/// use prefstrength::math::softplus;
/// assert_eq!(softplus(0.0), core::f64::consts::LN_2);
/// assert_eq!(softplus(1e300), 1e300);
/// ```
#[must_use]
pub fn softplus<T: Real>(x: T) -> T {
    let x = x.to_f64();
    let tail = ln_1p_parts(exp(-x.abs())).0;
    // The polynomial logarithm answers NaN with a number; `x` itself carries it on.
    T::from_f64(if x <= 0.0 { tail } else { x + tail })
}

/// −ln(1 − t) for 0 ≤ t ≤ ½: 2 atanh(t/(2 − t)), t/(2 − t) ≤ ⅓.
#[inline(always)]
pub(crate) fn neg_ln_1m<V: Lanes>(t: V) -> V {
    two_atanh(t / (V::splat(2.0) - t))
}

/// 2 atanh s = ln((1 + s)/(1 − s)) for 0 ≤ s ≤ ⅓.
#[inline(always)]
pub(crate) fn two_atanh<V: Lanes>(s: V) -> V {
    let w = s * s;
    let two = V::splat(2.0) * s;
    (two * w).mul_add(V::Scalar::atanh_tail(w), two)
}

/// 2 atanh s − 2s for |s| ≤ ⅓, to full relative accuracy.
#[inline(always)]
pub(crate) fn two_atanh_cubic<V: Lanes>(s: V) -> V {
    let w = s * s;
    (V::splat(2.0) * s) * (w * V::Scalar::atanh_tail(w))
}
