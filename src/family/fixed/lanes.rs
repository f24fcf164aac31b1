//! A fixed strength: plain DPO, ℓ = w. The derivative in v is that of every family at v = 0.

use crate::kernel::{FamilyKernels, Goal, LaneKernels, Limits, Logit, logistic, within};
use crate::lanes::Lanes;
use crate::math::elementary::exp_neg_parts;

/// No constants of its own.
pub trait Form: Limits {}

impl<T: Limits> Form for T {}

/// The one kernel; beyond the box of w the scalar ones.
pub(crate) struct Kernels;

impl<T: Limits> FamilyKernels<T> for Kernels {
    type On<V: Lanes<Scalar = T>> = Self;
    /// A table cannot be faster than w itself.
    const BREAK_EVEN: usize = usize::MAX;
    fn covers(_shape: f64) -> bool {
        true
    }
    fn first_exponent(_goal: Goal, _shape: f64) -> f64 {
        0.0
    }
    fn unit_exponent(_shape: f64) -> f64 {
        0.0
    }
}

impl<V: Lanes<Scalar: Limits>> LaneKernels<V> for Kernels {
    #[inline(always)]
    fn count() -> usize {
        1
    }
    #[inline(always)]
    fn prepare(_shape: V, _shared: bool, _goal: Goal) -> Self {
        Self
    }
    #[inline(always)]
    fn region(&self, w: V, _shape: V) -> V {
        within(w, V::Scalar::X_MIN, V::Scalar::X_MAX, V::splat(0.0), V::splat(1.0))
    }
    #[inline(always)]
    fn logit(&self, _region: usize, w: V, _shape: V) -> Logit<V> {
        logit(w)
    }
}

/// ℓ = w, ∂ℓ/∂v = −½w² tanh(w/2).
#[inline(always)]
pub(crate) fn logit<V: Lanes>(w: V) -> Logit<V> {
    let (e, one_minus_e) = exp_neg_parts(-w);
    let (p, _) = logistic(e);
    // tanh(w/2) = (1 − e^{−w})/(1 + e^{−w})
    let half = V::splat(0.5) * w;
    Logit { value: w, slope: V::splat(1.0), spread: (half * w) * (one_minus_e * p) }
}
