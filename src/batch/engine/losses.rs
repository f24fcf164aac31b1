//! The logistic loss on top of effective logits, weights and sums.

use super::column::{Column, GROUPS, Group, registers};
use super::partial::Partial;
use super::source::{KernelInputs, LogitColumns, Scales};
use crate::family::Precision;
use crate::kernel::logistic;
use crate::lanes::{Isa, Lanes, SUM_LANES, Vectorised};
use crate::math::elementary::exp_neg;

/// Groups of an input.
type In<'a, T> = &'a [Group<T>];

/// Groups of an output that may not be asked for.
type Out<'a, T> = Option<&'a mut [Group<T>]>;

/// The logistic loss of the effective logits, with label smoothing.
///
/// With e = e^{−ℓ}: L = ln(1 + e) + aℓ, a = 1 − ε for D < 0 and ε otherwise, and r = (1 − ε)σ(∓ℓ) − εσ(±ℓ)
/// is −∂L/∂(±ℓ) on that side.
pub(super) struct Losses<'a, T> {
    pub(super) margins: In<'a, T>,
    pub(super) points: &'a KernelInputs<T>,
    pub(super) logits: &'a LogitColumns<T>,
    pub(super) scales: &'a Scales<T>,
    pub(super) epsilon: T,
}

/// What [`Losses`] gives for a register.
struct Loss<V> {
    /// Loss, ∂/∂margin, D ∂/∂D and ∂/∂v.
    rows: [V; 4],
    /// Still to be multiplied with them, at the very end, if `gradual`: a power of two.
    down: V,
    /// Whether some lane is so deep on the right side that e^{−ℓ} may be subnormal.
    gradual: bool,
}

impl<V: Lanes> Loss<V> {
    /// A row, or what was made of rows, in its final size.
    #[inline(always)]
    fn scaled(&self, row: V) -> V {
        if self.gradual { row * self.down } else { row }
    }
}

/// e = e^{−ℓ} of a register.
struct Decay<V> {
    /// e, times 2ⁿ in lanes where it may be subnormal.
    e: V,
    /// 2⁻ⁿ in those lanes, 1 in the others.
    down: V,
    /// Whether there are such lanes.
    gradual: bool,
}

impl<T: Precision> Losses<'_, T> {
    /// Without smoothing, and with ε = 1, the loss of a pair on the right side is proportional to e, and so are its
    /// derivatives: down to subnormal numbers, of which `exp_neg` gives none. There 2ⁿ keeps e normal until the rows
    /// are done. Elsewhere e is added to something, and where it underflows nothing feels it.
    #[inline(always)]
    fn decay<V: Lanes<Scalar = T>>(&self, margin: V, logit: V) -> Decay<V> {
        let (zero, one, low) = (V::splat(0.0), V::splat(1.0), V::splat(T::GRADUAL));
        let (plain, flipped) = (self.epsilon.wide() == 0.0, self.epsilon.wide() == 1.0);
        let normal = Decay { e: exp_neg(-logit), down: one, gradual: false };
        if !(plain || flipped) || !low.any_lt(logit) {
            return normal;
        }
        // Positive in the lanes in question.
        let deep = low.select_lt(logit, if flipped { -margin } else { margin }, zero);
        let (ln_power, power) = T::LIFT;
        let lifted = logit - V::splat(ln_power);
        let lifted = lifted.select_lt(V::splat(-T::EXP_RANGE[1]), exp_neg(-lifted), zero);
        Decay {
            e: zero.select_lt(deep, lifted, normal.e),
            down: zero.select_lt(deep, V::splat(power), one),
            gradual: zero.any_lt(deep),
        }
    }

    /// Loss and derivatives of the register at a place, given its margins.
    #[inline(always)]
    fn losses_of<V: Lanes<Scalar = T>>(&self, margin: V, g: usize, lane: usize) -> Loss<V> {
        let (zero, one) = (V::splat(0.0), V::splat(1.0));
        let w: V = self.points.w.get(g, lane);
        let logit: V = self.logits.value.get(g, lane);
        let slope: V = self.logits.slope.get(g, lane);
        let spread: V = self.logits.spread.get(g, lane);
        let Decay { e, down, gradual } = self.decay(margin, logit);
        // σ(ℓ) and σ(−ℓ): `own` is that of the answer not chosen.
        let (upper, ln) = logistic(e);
        let lower = e * upper;
        let own = margin.select_lt(zero, upper, lower);
        let (loss, r) = if self.epsilon.wide() == 0.0 {
            (margin.select_lt(zero, logit, zero) + ln, own)
        } else {
            let epsilon = V::splat(self.epsilon.wide());
            let loss = margin.select_lt(zero, one - epsilon, epsilon).mul_add(logit, ln);
            // (1 − ε)σ(∓ℓ) − εσ(±ℓ): without ε of both a difference would cancel at ε = 1.
            let other = margin.select_lt(zero, lower, upper);
            (loss, (-epsilon).mul_add(other, (one - epsilon) * own))
        };
        let against = margin.select_lt(zero, r, -r);
        let d_margin = -(r * (slope * self.scales.unit(g, lane)));
        Loss { rows: [loss, d_margin, against * (slope * w), -(against * spread)], down, gradual }
    }

    /// The derivatives in the two parameters, from D ∂/∂D and ∂/∂v.
    #[inline(always)]
    fn params<V: Lanes<Scalar = T>>(&self, elastic: V, spread: V, g: usize, lane: usize) -> [V; 2] {
        // The rows of the Jacobian.
        let (m00, m01): (V, V) = (self.scales.entry(0, g, lane), self.scales.entry(1, g, lane));
        let (m10, m11): (V, V) = (self.scales.entry(2, g, lane), self.scales.entry(3, g, lane));
        [m00.mul_add(elastic, m01 * spread), m10.mul_add(elastic, m11 * spread)]
    }
}

/// Weights and upstream gradients, and where the weighted rows go.
pub(super) struct Totals<'a, T> {
    pub(super) margins: In<'a, T>,
    pub(super) weights: Option<In<'a, T>>,
    pub(super) upstream: Option<In<'a, T>>,
    pub(super) outputs: [Out<'a, T>; 4],
    pub(super) partial: &'a mut Partial,
}

impl<T: Precision> Totals<'_, T> {
    /// A row times what it is to be multiplied by.
    #[inline(always)]
    fn weighted<V: Lanes<Scalar = T>>(&self, mut row: V, g: usize, lane: usize) -> V {
        if let Some(upstream) = self.upstream {
            row = row * V::load(&upstream[g][lane..]);
        }
        if let Some(weights) = self.weights {
            let w = V::load(&weights[g][lane..]);
            // 0 is a mask: what it leaves out may be infinite or NaN.
            row = V::splat(0.0).select_lt(w, row * w, V::splat(0.0));
        }
        row
    }

    /// Writes a row, if it was asked for.
    #[inline(always)]
    fn write<V: Lanes<Scalar = T>>(&mut self, j: usize, row: V, g: usize, lane: usize) {
        if let Some(output) = &mut self.outputs[j] {
            row.store(&mut output[g][lane..]);
        }
    }

    /// Adds to the sum of weights.
    #[inline(always)]
    fn add_weight<V: Lanes<Scalar = T>>(&self, partial: &mut Partial, g: usize, lane: usize) {
        if let Some(weights) = self.weights {
            V::load(&weights[g][lane..]).add_to(&mut partial.weight[lane..]);
        }
    }
}

/// Losses and sums in one pass: for whole groups of which no element needs the scalar kernels.
pub(super) struct LossesAndSums<'a, T> {
    pub(super) losses: Losses<'a, T>,
    pub(super) totals: Totals<'a, T>,
}

impl<T: Precision> Vectorised for LossesAndSums<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(mut self) {
        let margins = self.losses.margins;
        let with_params = self.totals.outputs[2].is_some() || self.totals.outputs[3].is_some();
        // A copy, so that the sums stay in registers.
        let mut partial = *self.totals.partial;
        registers!(T::On<I>, 0..margins.len().min(GROUPS), |g, lane| {
            let loss = self.losses.losses_of(T::On::<I>::load(&margins[g][lane..]), g, lane);
            let [nll, d_margin, elastic, spread] = loss.rows;
            if with_params {
                let [p0, p1] = self.losses.params(elastic, spread, g, lane);
                let p0 = self.totals.weighted(loss.scaled(p0), g, lane);
                let p1 = self.totals.weighted(loss.scaled(p1), g, lane);
                self.totals.write(2, p0, g, lane);
                self.totals.write(3, p1, g, lane);
            }
            let nll = self.totals.weighted(loss.scaled(nll), g, lane);
            let d_margin = self.totals.weighted(loss.scaled(d_margin), g, lane);
            let elastic = self.totals.weighted(loss.scaled(elastic), g, lane);
            let spread = self.totals.weighted(loss.scaled(spread), g, lane);
            self.totals.write(0, nll, g, lane);
            self.totals.write(1, d_margin, g, lane);
            self.totals.add_weight::<T::On<I>>(&mut partial, g, lane);
            nll.add_to(&mut partial.nll[lane..]);
            elastic.add_to(&mut partial.elastic[lane..]);
            spread.add_to(&mut partial.spread[lane..]);
        });
        *self.totals.partial = partial;
    }
}

/// Losses alone, into columns.
pub(super) struct LossesOnly<'a, T> {
    pub(super) losses: Losses<'a, T>,
    pub(super) results: &'a mut [Column<T>; 4],
}

impl<T: Precision> Vectorised for LossesOnly<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let margins = self.losses.margins;
        registers!(T::On<I>, 0..margins.len().min(GROUPS), |g, lane| {
            let loss = self.losses.losses_of(T::On::<I>::load(&margins[g][lane..]), g, lane);
            let [nll, d_margin, elastic, spread] = loss.rows;
            let [p0, p1] = self.losses.params(elastic, spread, g, lane);
            let [to_nll, to_d_margin, to_p0, to_p1] = &mut *self.results;
            to_nll.put(g, lane, loss.scaled(nll));
            to_d_margin.put(g, lane, loss.scaled(d_margin));
            to_p0.put(g, lane, loss.scaled(p0));
            to_p1.put(g, lane, loss.scaled(p1));
        });
    }
}

/// Sums of rows that lie in columns.
pub(super) struct SumsOnly<'a, T> {
    pub(super) results: &'a [Column<T>; 4],
    pub(super) totals: Totals<'a, T>,
}

impl<T: Precision> Vectorised for SumsOnly<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(mut self) {
        let mut partial = *self.totals.partial;
        registers!(T::On<I>, 0..self.totals.margins.len().min(GROUPS), |g, lane| {
            let mut rows = [T::On::<I>::splat(0.0); 4];
            for (j, column) in self.results.iter().enumerate() {
                rows[j] = self.totals.weighted(column.get(g, lane), g, lane);
                self.totals.write(j, rows[j], g, lane);
            }
            self.totals.add_weight::<T::On<I>>(&mut partial, g, lane);
            let [nll, _, p0, p1] = rows;
            nll.add_to(&mut partial.nll[lane..]);
            p0.add_to(&mut partial.params[0][lane..]);
            p1.add_to(&mut partial.params[1][lane..]);
        });
        *self.totals.partial = partial;
    }
}
