//! Lambert's W on the positive axis: w eʷ = a, the saddle of a LogNormal's integral.

use super::elementary::{exp_neg, ln, ln_1p_parts};
use crate::lanes::Lanes;

/// Newton's steps after which W is within 2 ulp: the start is off by 0.3 at most, and a step leaves less than half of
/// the square of that.
pub(crate) const FULL: usize = 6;

/// W(a) for 0 ≤ a ≤ 1e290 (f32: 1e30) after so many of Newton's steps from l(1 − ln(1 + l)/(2 + l)), l = ln(1 + a).
#[inline(always)]
pub(crate) fn lambert_w<V: Lanes>(a: V, steps: usize) -> V {
    let one = V::splat(1.0);
    let l = ln_1p_parts(a).0;
    let mut w = l * (one - ln_1p_parts(l).0 / (V::splat(2.0) + l));
    for _ in 0..steps {
        w = w - (w - a * exp_neg(-w)) / (one + w);
    }
    w
}

/// W(eˡ) for l ≥ 600, where eˡ may overflow: w + ln w = l by Newton's method.
pub(crate) fn lambert_w_of_exp(l: f64) -> f64 {
    let mut w = l;
    for _ in 0..4 {
        w -= (w + ln(w) - l) * w / (1.0 + w);
    }
    w
}
