//! How labels come about: what stands between p(β) and the loss of a pair.

use super::lapse::Lapse;
use super::smoothing::{Smoothing, mix};
use crate::kernel::{Nll, Tail};
use crate::real::Real;

/// Loss, d_margin, two derivatives in parameters of p(β), and those in the lapse: in ε and 0, or in ε₀ and ε₁.
pub(crate) type Row = [f64; 6];

/// The lapse and the smoothing of a label.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Labels<T> {
    pub(crate) smoothing: Smoothing<T>,
    pub(crate) lapse: Lapse<T>,
}

impl<T: Real> Labels<T> {
    /// The row of a label at a margin of this sign. `own` gives loss, d_margin and derivatives in parameters of one
    /// side; its flag tells whether the side is that of a negative margin, and its number the share of T in A.
    pub(crate) fn row(&self, tail: &Tail, negative: bool, own: impl Fn(Nll, bool, f64) -> [f64; 4]) -> Row {
        let lapsed = tail.lapsed(self.lapse.of_the_rarer(negative));
        let share = if lapsed.d1 == tail.d1 { 1.0 } else { lapsed.d1 / tail.d1 };
        mix(self.smoothing, |flip| {
            let against = negative != flip;
            let [value, d_margin, p0, p1] = own(lapsed.nll(against), against, share);
            let [rarer, other, both] = tail.d_lapse(&lapsed, against);
            let lapse = match (self.lapse.is_by_side(), negative) {
                (false, _) => [both, 0.0],
                (true, true) => [rarer, other],
                (true, false) => [other, rarer],
            };
            [value, if flip { -d_margin } else { d_margin }, p0, p1, lapse[0], lapse[1]]
        })
    }
}
