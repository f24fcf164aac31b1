//! The canonical integrals over lanes: the effective logit and its derivatives, many margins at once.
//!
//! What the scalar kernels of [`crate::canonical`] do everywhere, these do in the box where training
//! happens, in the precision of the lane, without branches; [`gamma::Region`] and [`lognormal::Region`]
//! say which kernel an element takes, and leave what is outside the box to the scalar kernels.

pub(crate) mod fixed;
pub(crate) mod gamma;
pub(crate) mod lognormal;
pub(crate) mod near;
#[rustfmt::skip]
pub(crate) mod near_tables;

use crate::lanes::{Lanes, Scalar};
use crate::special::elementary::exp_neg;

/// ℓ(w) and its derivatives at w = unit·|D| ≥ 0; the unit is the mean of β, or e^μ for a LogNormal.
#[derive(Clone, Copy, Debug)]
pub struct Logit<V> {
    /// ℓ ≥ 0
    pub value: V,
    /// ∂ℓ/∂w > 0
    pub slope: V,
    /// −∂ℓ/∂v ≥ 0 at fixed mean; for a LogNormal −∂ℓ/∂q, q = σ²
    pub spread: V,
}

/// `inside` where w is 0 or from `least` to below `end`, `outside` elsewhere and for NaN. Below `least`
/// powers of w leave the normal numbers; 0 itself does not mind.
#[inline(always)]
pub(crate) fn within<V: Lanes>(w: V, least: f64, end: f64, inside: V, outside: V) -> V {
    let inside = w.select_lt(V::splat(end), inside, outside);
    let small = V::splat(0.0).select_lt(w, outside, inside);
    w.select_lt(V::splat(least), small, inside)
}

/// 2 atanh s = ln((1 + s)/(1 − s)) for 0 ≤ s ≤ ⅓.
#[inline(always)]
pub(crate) fn two_atanh<V: Lanes>(s: V) -> V {
    let w = s * s;
    let two = V::splat(2.0) * s;
    (two * w).mul_add(V::Scalar::atanh_tail(w), two)
}

/// −ln(1 − t) for 0 ≤ t ≤ ½.
#[inline(always)]
pub(crate) fn neg_ln_1m<V: Lanes>(t: V) -> V {
    two_atanh(t / (V::splat(2.0) - t))
}

/// e = e^{−ℓ}, 1/(1 + e) and ln(1 + e) for ℓ ≥ 0: both sides of a logistic loss.
#[inline(always)]
pub(crate) fn logistic<V: Lanes>(e: V) -> (V, V) {
    let (one, two) = (V::splat(1.0), V::splat(2.0));
    // One division for both quotients.
    let (a, b) = (one + e, two + e);
    let inv = one / (a * b);
    (b * inv, two_atanh(e * a * inv))
}

impl<V: Lanes> Logit<V> {
    /// From ln T, −T_w/T and T_v/T where T ≤ ¼ or so.
    #[inline(always)]
    pub(crate) fn from_ln_tail(ln_t: V, slope: V, spread: V) -> Self {
        let t = exp_neg(ln_t);
        let upper = V::splat(1.0) / (V::splat(1.0) - t);
        Self { value: -ln_t - neg_ln_1m(t), slope: slope * upper, spread: spread * upper }
    }
}

/// A number type that has all kernels.
pub trait Element: gamma::Gamma + lognormal::LogNormal {
    /// Largest unit of the margin, and largest factor from ∂/∂(ln mean, v) to other coordinates, that
    /// leave everything between normal; their inverses are the smallest.
    const SCALES: (f64, f64);
    /// ℓ beyond which e^{−ℓ} and what comes from it may be subnormal; 1 + e^{−ℓ} is 1 long before.
    const GRADUAL: f64;
    /// A power of two that lifts it from there, as the logarithm of its inverse and itself.
    const LIFT: (f64, f64);
}
impl Element for f64 {
    const SCALES: (f64, f64) = (1e100, 1e200);
    const GRADUAL: f64 = 640.0;
    const LIFT: (f64, f64) = (128.0 * core::f64::consts::LN_2, f64::from_bits((1023 - 128) << 52));
}
impl Element for f32 {
    const SCALES: (f64, f64) = (1e15, 1e30);
    const GRADUAL: f64 = 62.0;
    const LIFT: (f64, f64) = (60.0 * core::f64::consts::LN_2, f64::from_bits((1023 - 60) << 52));
}
