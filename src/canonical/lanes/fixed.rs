//! A fixed strength: plain DPO, ℓ = w. The derivative in v is that of every family at v = 0.

use super::{Logit, logistic};
use crate::lanes::Lanes;
use crate::special::elementary::exp_neg_parts;

/// ℓ = w, ∂ℓ/∂v = −½w² tanh(w/2).
#[inline(always)]
pub(crate) fn logit<V: Lanes>(w: V) -> Logit<V> {
    let (e, one_minus_e) = exp_neg_parts(-w);
    let (p, _) = logistic(e);
    // tanh(w/2) = (1 − e^{−w})/(1 + e^{−w})
    let half = V::splat(0.5) * w;
    Logit { value: w, slope: V::splat(1.0), spread: (half * w) * (one_minus_e * p) }
}
