//! The logistic loss on top of effective logits, weights and sums.

use super::column::{Column, GROUPS, Group, List, registers};
use super::partial::Partial;
use super::source::{KernelInputs, LogitColumns, Scales};
use crate::family::Precision;
use crate::kernel::logistic;
use crate::lanes::{Isa, Lanes, SUM_LANES, Vectorised};
use crate::math::elementary::{exp_neg, exp_neg_parts, ln, ln_1p};

/// Groups of an input.
type In<'a, T> = &'a [Group<T>];

/// Groups of an output that may not be asked for.
type Out<'a, T> = Option<&'a mut [Group<T>]>;

/// The logistic loss of the effective logits, with label smoothing and a lapse.
///
/// With e = e^{−ℓ}: L = ln(1 + e) + aℓ, a = 1 − q for D < 0 and q otherwise, and r = (1 − q)σ(∓ℓ) − qσ(±ℓ)
/// is −∂L/∂(±ℓ) on that side; q is the weight of the opposite label. With a lapse: [`Losses::lapsed`].
pub(super) struct Losses<'a, T> {
    pub(super) margins: In<'a, T>,
    pub(super) points: &'a KernelInputs<T>,
    pub(super) logits: &'a LogitColumns<T>,
    pub(super) scales: &'a Scales<T>,
    pub(super) opposite: T,
    pub(super) lapses: &'a LapseColumns<'a, T>,
}

/// ε₀ and ε₁.
pub(super) enum LapseColumns<'a, T> {
    /// For all elements.
    Shared { epsilon: [T; 2], by_side: bool },
    /// For each.
    Each { epsilon: [In<'a, T>; 2], by_side: bool },
}

impl<T: Precision> LapseColumns<'_, T> {
    #[inline(always)]
    fn get<V: Lanes<Scalar = T>>(&self, g: usize, lane: usize) -> [V; 2] {
        match self {
            Self::Shared { epsilon: [floor, ceiling], .. } => {
                [V::splat(floor.wide()), V::splat(ceiling.wide())]
            }
            Self::Each { epsilon: [floor, ceiling], .. } => {
                [V::load(&floor[g][lane..]).abs(), V::load(&ceiling[g][lane..]).abs()]
            }
        }
    }

    #[inline(always)]
    fn by_side(&self) -> bool {
        let (Self::Shared { by_side, .. } | Self::Each { by_side, .. }) = self;
        *by_side
    }
}

/// What [`Losses`] gives for a register.
struct Loss<V> {
    /// Loss, ∂/∂margin, D ∂/∂D and ∂/∂v.
    rows: [V; 4],
    /// Derivatives in the lapse, in their final size.
    lapse: [V; 2],
    /// Still to be multiplied with the rows, at the very end, if `gradual`: a power of two.
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

/// A loss with its slope in ±ℓ.
struct Sided<V> {
    loss: V,
    r: V,
}

impl<T: Precision> Losses<'_, T> {
    /// Without smoothing, and with q = 1, the loss of a pair on the right side is proportional to e, and so are its
    /// derivatives: down to subnormal numbers, of which `exp_neg` gives none. There 2ⁿ keeps e normal until the rows
    /// are done. Elsewhere e is added to something, and where it underflows nothing feels it. `lapse` is that of the
    /// less likely answer: where there is one, it is what e is added to.
    #[inline(always)]
    fn decay<V: Lanes<Scalar = T>>(&self, margin: V, logit: V, lapse: Option<V>) -> Decay<V> {
        let (zero, one, low) = (V::splat(0.0), V::splat(1.0), V::splat(T::GRADUAL));
        let (plain, flipped) = (self.opposite.wide() == 0.0, self.opposite.wide() == 1.0);
        let normal = Decay { e: exp_neg(-logit), down: one, gradual: false };
        if !(plain || flipped) || !low.any_lt(logit) {
            return normal;
        }
        // Positive in the lanes in question.
        let deep = low.select_lt(logit, if flipped { -margin } else { margin }, zero);
        let deep = match lapse {
            Some(lapse) => zero.select_lt(lapse, zero, deep),
            None => deep,
        };
        let (ln_power, power) = T::LIFT;
        let lifted = logit - V::splat(ln_power);
        let lifted = lifted.select_lt(V::splat(-T::EXP_RANGE[1]), exp_neg(-lifted), zero);
        Decay {
            e: zero.select_lt(deep, lifted, normal.e),
            down: zero.select_lt(deep, V::splat(power), one),
            gradual: zero.any_lt(deep),
        }
    }

    /// The loss without a lapse, with its slope, and both sides of the logistic function.
    #[inline(always)]
    fn plain<V: Lanes<Scalar = T>>(&self, margin: V, logit: V, e: V) -> Sided<V> {
        let (zero, one) = (V::splat(0.0), V::splat(1.0));
        // σ(ℓ) and σ(−ℓ): `own` is that of the answer not chosen.
        let (upper, ln) = logistic(e);
        let lower = e * upper;
        let own = margin.select_lt(zero, upper, lower);
        if self.opposite.wide() == 0.0 {
            return Sided { loss: margin.select_lt(zero, logit, zero) + ln, r: own };
        }
        let opposite = V::splat(self.opposite.wide());
        let loss = margin.select_lt(zero, one - opposite, opposite).mul_add(logit, ln);
        // (1 − q)σ(∓ℓ) − qσ(±ℓ): without q of both a difference would cancel at q = 1.
        let other = margin.select_lt(zero, lower, upper);
        Sided { loss, r: (-opposite).mul_add(other, (one - opposite) * own) }
    }

    /// The loss with a lapse, its slope, and its derivatives in the lapse. With ε the lapse of the less likely answer
    /// and ε̄ that of the other:
    ///
    /// A = N/(1 + e), N = ε + (1 − ε̄)e, and 1 − A = M/(1 + e), M = 1 − ε + ε̄e: sums of positive terms. So
    /// −ln A = ln(1 + M/N), with slope (1 − ε − ε̄)eσ(ℓ)/N in ℓ, and likewise −ln(1 − A) with N and M exchanged.
    #[inline(always)]
    fn lapsed<V: Lanes<Scalar = T>>(
        &self,
        margin: V,
        logit: V,
        decay: &Decay<V>,
        [floor, ceiling]: [V; 2],
    ) -> (Sided<V>, [V; 2]) {
        let (zero, one) = (V::splat(0.0), V::splat(1.0));
        let Decay { e, down, gradual } = *decay;
        let plain = self.plain(margin, logit, e);
        let (lapse, other) = (margin.select_lt(zero, floor, ceiling), margin.select_lt(zero, ceiling, floor));
        // Beside a lapse, where `exp_neg` stops there is nothing.
        let gone = (-logit).select_lt(V::splat(T::EXP_RANGE[1]), zero, e);
        let e = zero.select_lt(lapse, gone, e);
        let kept = one - lapse - other;
        let upper = one / (one + e);
        let (rarer, likelier) = ((one - other).mul_add(e, lapse), other.mul_add(e, one - lapse));
        let (of_rarer, of_likelier) = (one / rarer, one / likelier);
        let slope = kept * (e * upper);
        // Without a lapse on this side A may underflow, where −ln A = ℓ + ln(1 + e) − ln(1 − ε̄).
        let ln_rarer = ln_1p(likelier * of_rarer);
        let deep = logit + logistic(e).1 - ln_1p(-other);
        let ln_rarer = zero.select_lt(lapse, ln_rarer, deep);
        let ln_likelier = ln_1p(rarer * of_likelier);
        // Derivatives in ε, in ε̄ and in both at once. 1 − e has all its digits next to ℓ = 0; e may be lifted.
        let m1 = exp_neg_parts(-logit).1;
        let unlifted = if gradual { e * down } else { e };
        // 1/N of ε = 0 in two factors: e^ℓ may be beyond e⁷⁰⁷, which `exp_neg` does not know.
        let half = one / exp_neg(V::splat(-0.5) * logit);
        let of_rarest = zero.select_lt(lapse, of_rarer, half * (half * (one / (one - other))));
        let rarer_d = [-of_rarest, e * of_rarer, -(m1 * of_rarest)];
        let likelier_d = [of_likelier, -(unlifted * of_likelier), m1 * of_likelier];
        let opposite = self.opposite.wide();
        let (own, rest) = (V::splat(1.0 - opposite), V::splat(opposite));
        let mut loss = margin.select_lt(zero, ln_rarer, ln_likelier);
        let mut r = slope * margin.select_lt(zero, of_rarer, of_likelier);
        let mut d = [zero; 3];
        for j in 0..3 {
            d[j] = margin.select_lt(zero, rarer_d[j], likelier_d[j]);
        }
        if opposite != 0.0 {
            loss = own * loss + rest * margin.select_lt(zero, ln_likelier, ln_rarer);
            r = own * r - rest * (slope * margin.select_lt(zero, of_likelier, of_rarer));
            for j in 0..3 {
                // At q = 1 the own label may be infinitely unlikely, and does not count.
                let own_d = if opposite == 1.0 { zero } else { own * d[j] };
                d[j] = own_d + rest * margin.select_lt(zero, likelier_d[j], rarer_d[j]);
            }
        }
        // ε = ε̄ = 0 has the bits of no lapse.
        let any = lapse + other;
        let loss = zero.select_lt(any, loss, plain.loss);
        let r = zero.select_lt(any, r, plain.r);
        let d = match self.lapses.by_side() {
            true => [margin.select_lt(zero, d[0], d[1]), margin.select_lt(zero, d[1], d[0])],
            false => [d[2], zero],
        };
        (Sided { loss, r }, d)
    }

    /// Loss and derivatives of the register at a place, given its margins.
    #[inline(always)]
    fn losses_of<V: Lanes<Scalar = T>, const LAPSE: bool>(
        &self,
        margin: V,
        g: usize,
        lane: usize,
    ) -> Loss<V> {
        let zero = V::splat(0.0);
        let w: V = self.points.w.get(g, lane);
        let logit: V = self.logits.value.get(g, lane);
        let slope: V = self.logits.slope.get(g, lane);
        let spread: V = self.logits.spread.get(g, lane);
        let epsilon: [V; 2] = if LAPSE { self.lapses.get(g, lane) } else { [zero; 2] };
        let lapse = if LAPSE { Some(margin.select_lt(zero, epsilon[0], epsilon[1])) } else { None };
        let decay = self.decay(margin, logit, lapse);
        let (Sided { loss, r }, lapse) = if LAPSE {
            self.lapsed(margin, logit, &decay, epsilon)
        } else {
            (self.plain(margin, logit, decay.e), [zero; 2])
        };
        let against = margin.select_lt(zero, r, -r);
        let d_margin = -(r * (slope * self.scales.unit(g, lane)));
        let rows = [loss, d_margin, against * (slope * w), -(against * spread)];
        Loss { rows, lapse, down: decay.down, gradual: decay.gradual }
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
    pub(super) outputs: [Out<'a, T>; 6],
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

/// Finds the elements whose share of T in A the kernels over lanes would not know well enough: the relative error of
/// e^{−ℓ} is ℓ times that of ℓ. With a margin on the right side results are compared with 1 + |ln(1 − A)|, and where
/// there is no lapse, they have always been; but with the loss of the opposite label in them, by nothing.
pub(super) struct Far<'a, 'b, T> {
    pub(super) losses: Losses<'a, T>,
    pub(super) n: usize,
    pub(super) far: &'b mut List,
}

/// Largest ℓ, in units of that comparison: in f32 its errors are up to 1.4 eps, and derivatives are to have 16.
pub(crate) const FAR: f64 = 10.0;

impl<T: Precision> Vectorised for Far<'_, '_, T> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let (zero, one) = (T::On::<I>::splat(0.0), T::On::<I>::splat(1.0));
        let margins = self.losses.margins;
        let both = self.losses.opposite.wide() != 0.0;
        registers!(T::On<I>, 0..margins.len().min(GROUPS), |g, lane| {
            let [_, ceiling]: [T::On<I>; 2] = self.losses.lapses.get(g, lane);
            let margin = T::On::<I>::load(&margins[g][lane..]);
            let scale = if both { one } else { margin.select_lt(zero, one, one - ln(ceiling)) };
            let limit = T::On::<I>::splat(FAR) * scale;
            let logit = self.losses.logits.value.get(g, lane);
            self.far.push_flagged(limit.select_lt(logit, one, zero), g * SUM_LANES + lane, self.n);
        });
    }
}

/// Losses and sums in one pass: for whole groups of which no element needs the scalar kernels.
pub(super) struct LossesAndSums<'a, T, const LAPSE: bool> {
    pub(super) losses: Losses<'a, T>,
    pub(super) totals: Totals<'a, T>,
}

impl<T: Precision, const LAPSE: bool> Vectorised for LossesAndSums<'_, T, LAPSE> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(mut self) {
        let margins = self.losses.margins;
        let with_params = self.totals.outputs[2].is_some() || self.totals.outputs[3].is_some();
        // A copy, so that the sums stay in registers.
        let mut partial = *self.totals.partial;
        registers!(T::On<I>, 0..margins.len().min(GROUPS), |g, lane| {
            let loss = self.losses.losses_of::<_, LAPSE>(T::On::<I>::load(&margins[g][lane..]), g, lane);
            let [nll, d_margin, elastic, spread] = loss.rows;
            if LAPSE {
                for j in 0..2 {
                    let d_lapse = self.totals.weighted(loss.lapse[j], g, lane);
                    self.totals.write(4 + j, d_lapse, g, lane);
                    d_lapse.add_to(&mut partial.lapse[j][lane..]);
                }
            }
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
pub(super) struct LossesOnly<'a, T, const LAPSE: bool> {
    pub(super) losses: Losses<'a, T>,
    pub(super) results: &'a mut [Column<T>; 6],
}

impl<T: Precision, const LAPSE: bool> Vectorised for LossesOnly<'_, T, LAPSE> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let margins = self.losses.margins;
        registers!(T::On<I>, 0..margins.len().min(GROUPS), |g, lane| {
            let loss = self.losses.losses_of::<_, LAPSE>(T::On::<I>::load(&margins[g][lane..]), g, lane);
            let [nll, d_margin, elastic, spread] = loss.rows;
            let [p0, p1] = self.losses.params(elastic, spread, g, lane);
            let [to_nll, to_d_margin, to_p0, to_p1, to_l0, to_l1] = &mut *self.results;
            if LAPSE {
                to_l0.put(g, lane, loss.lapse[0]);
                to_l1.put(g, lane, loss.lapse[1]);
            }
            to_nll.put(g, lane, loss.scaled(nll));
            to_d_margin.put(g, lane, loss.scaled(d_margin));
            to_p0.put(g, lane, loss.scaled(p0));
            to_p1.put(g, lane, loss.scaled(p1));
        });
    }
}

/// Sums of rows that lie in columns.
pub(super) struct SumsOnly<'a, T> {
    pub(super) results: &'a [Column<T>; 6],
    pub(super) totals: Totals<'a, T>,
}

impl<T: Precision> Vectorised for SumsOnly<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(mut self) {
        let mut partial = *self.totals.partial;
        registers!(T::On<I>, 0..self.totals.margins.len().min(GROUPS), |g, lane| {
            let mut rows = [T::On::<I>::splat(0.0); 6];
            for (j, column) in self.results.iter().enumerate() {
                rows[j] = self.totals.weighted(column.get(g, lane), g, lane);
                self.totals.write(j, rows[j], g, lane);
            }
            self.totals.add_weight::<T::On<I>>(&mut partial, g, lane);
            let [nll, _, p0, p1, l0, l1] = rows;
            l0.add_to(&mut partial.lapse[0][lane..]);
            l1.add_to(&mut partial.lapse[1][lane..]);
            nll.add_to(&mut partial.nll[lane..]);
            p0.add_to(&mut partial.params[0][lane..]);
            p1.add_to(&mut partial.params[1][lane..]);
        });
        *self.totals.partial = partial;
    }
}
