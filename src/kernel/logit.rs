//! The effective logit over lanes: what the vector kernels of every family give, and the logistic loss takes.

use crate::lanes::Lanes;
use crate::math::elementary::exp_neg;
use crate::math::{neg_ln_1m, two_atanh};

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
