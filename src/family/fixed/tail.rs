//! v = 0: B = 1, plain DPO.

use crate::kernel::Tail;
use crate::math::elementary::{exp, exp_parts};
use crate::math::softplus;

/// T = σ(−x), for 0 ≤ x ≤ ∞.
pub(crate) fn tail(x: f64) -> Tail {
    let parts = exp_parts(-x);
    // `exp_parts` clamps at −700; beyond, e⁻ˣ matters in T alone.
    let e = if x > 690.0 { exp(-x) } else { parts.exp };
    let r = 1.0 / (1.0 + e);
    let one_minus = -parts.exp_m1;
    let d2 = one_minus * r * r;
    Tail {
        x,
        plain: true,
        t: e * r,
        h: 0.5 * one_minus * r,
        ln: -softplus(x),
        ln_lo: 0.0,
        t_lo: 0.0,
        d1: r,
        d2,
        ln_d2: -e * r * r,
        // T_v = ½x²σ″(−x)
        d_v: 0.5 * x * x * d2,
        v_d_v: 0.0,
    }
}

/// T(x, 0) = σ(−x) and its derivatives: plain DPO. ∂T/∂v at v = 0 is the same for every family.
///
/// Domain x ≥ 0, else NaN; x = ∞ gives the limits.
///
/// ```
/// let tail = prefstrength::canonical::fixed(2.0);
/// assert!((tail.effective_logit() - 2.0).abs() < 1e-15);
/// ```
#[must_use]
pub fn fixed(x: f64) -> Tail {
    if x >= 0.0 { tail(x) } else { Tail::NAN }
}
