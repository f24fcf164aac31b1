//! The choices of one person, and sums over them at one or several β.
//!
//! With y = unit·D, β in the same unit and u = e^{−|y|β}, a choice has probability (a + bu)/(1 + u), where (a, b) depends
//! on the side of the margin and on the lapse. Without a lapse that is 1/(1 + u) with the margin, and u/(1 + u) against
//! it: Σ|y|β of those is kept apart, so that nothing underflows.

use crate::lanes::{Isa, Lanes, MAX_LANES, Vectorised};
use crate::level::Level;
use crate::math::elementary::{exp, exp_neg_parts, exp_node, ln};
use crate::real::Real;

/// Choices that are looked at together.
pub(super) const CHUNK: usize = 256;

/// Nodes that are looked at together: whole registers of every instruction set.
pub(super) const BLOCK: usize = 8;

/// Largest |y|β in second derivatives, where its square is finite, and times u = 0 is 0.
const LARGEST: f64 = 1e150;

/// a and b of both sides.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sides {
    /// Of D ≥ 0: 1 − ε₁ and ε₀.
    with: [f64; 2],
    /// Of D < 0: ε₀ and 1 − ε₁.
    pub(super) against: [f64; 2],
    /// Whether there is a lapse, or a derivative in it is wanted.
    pub(super) lapse: bool,
    /// How many factors a + bu a product can hold.
    factors: usize,
}

impl Sides {
    pub(super) fn new([floor, ceiling]: [f64; 2], lapse: bool) -> Self {
        // a of the margins against the label is the least of them, and the others are at least ½.
        let least = if floor > 0.0 { floor } else { 0.5 };
        let factors = (-690.0 / ln(least.min(0.5))) as usize;
        Self {
            with: [1.0 - ceiling, floor],
            against: [floor, 1.0 - ceiling],
            lapse,
            factors: factors.clamp(1, CHUNK),
        }
    }

    /// 1 − ε₀ − ε₁.
    pub(super) fn kept(&self) -> f64 {
        self.with[0] - self.against[0]
    }

    /// ε₀.
    pub(super) fn floor(&self) -> f64 {
        self.against[0]
    }

    /// Whether a margin against the label makes its probability as small as it can be: a = 0.
    pub(super) fn linear(&self) -> bool {
        self.floor() == 0.0
    }

    /// a and b of the lanes.
    #[inline(always)]
    fn lanes<V: Lanes<Scalar = f64>>(&self, y: V) -> [V; 2] {
        let zero = V::splat(0.0);
        let mut both = [zero; 2];
        for (j, side) in both.iter_mut().enumerate() {
            *side = y.select_lt(zero, V::splat(self.against[j]), V::splat(self.with[j]));
        }
        both
    }
}

/// The margins of one person, in a unit of β.
#[derive(Clone, Copy, Debug)]
pub(super) struct Choices<'a, T> {
    pub(super) margins: &'a [T],
    /// Which of them count.
    pub(super) mask: Option<&'a [bool]>,
    /// unit·sign: y = unit·D.
    pub(super) unit: f64,
    pub(super) sides: Sides,
    pub(super) level: Level,
}

/// Some choices that count, side by side.
#[repr(align(64))]
#[derive(Debug)]
pub(super) struct Chunk {
    y: [f64; CHUNK],
    /// 1, and 0 in what fills up the last register.
    live: [f64; CHUNK],
    len: usize,
    /// Where in the margins the chunk begins and ends.
    range: [usize; 2],
}

impl Chunk {
    /// y of the choices.
    pub(super) fn choices(&self) -> &[f64] {
        &self.y[..self.len]
    }

    pub(super) const EMPTY: Self = Self { y: [0.0; CHUNK], live: [0.0; CHUNK], len: 0, range: [0; 2] };
}

impl<T: Real> Choices<'_, T> {
    /// Whether a choice has a part that depends on β: one with an infinite margin has none, and counts elsewhere, unless
    /// β = 0, which decides nothing.
    fn counts(&self, i: usize) -> bool {
        self.mask.is_none_or(|mask| mask[i]) && (self.margins[i].is_finite() || self.unit == 0.0)
    }

    fn y(&self, i: usize) -> f64 {
        if self.unit == 0.0 { 0.0 } else { self.unit * self.margins[i].to_f64() }
    }

    /// Fills a chunk with the choices from margin `start` on, unless it holds them.
    fn load(&self, start: usize, chunk: &mut Chunk) {
        let end = (start + CHUNK).min(self.margins.len());
        if chunk.range == [start, end] {
            return;
        }
        let mut len = 0;
        for i in (start..end).filter(|&i| self.counts(i)) {
            chunk.y[len] = self.y(i);
            chunk.live[len] = 1.0;
            len += 1;
        }
        let full = len.next_multiple_of(BLOCK);
        chunk.y[len..full].fill(0.0);
        chunk.live[len..full].fill(0.0);
        (chunk.len, chunk.range) = (len, [start, end]);
    }

    /// Calls `f` with chunk after chunk. A single one is filled once.
    pub(super) fn each(&self, chunk: &mut Chunk, mut f: impl FnMut(&Chunk)) {
        for start in (0..self.margins.len()).step_by(CHUNK) {
            self.load(start, chunk);
            f(chunk);
        }
    }

    /// What does not depend on β.
    pub(super) fn sizes(&self, chunk: &mut Chunk) -> Sizes {
        let mut sizes = Sizes { against: 0.0, most_against: 0.0, most: 0.0, constant: 0.0 };
        let mut number = 0.0;
        self.each(chunk, |chunk| {
            let (mut part, mut n) = (0.0, 0.0);
            for &y in chunk.choices() {
                sizes.most = sizes.most.max(y.abs());
                if y < 0.0 {
                    part -= y;
                    n += 1.0;
                    sizes.most_against = sizes.most_against.max(-y);
                }
            }
            sizes.against += part;
            number += n;
        });
        if self.sides.lapse && self.sides.linear() {
            sizes.constant = number * ln(self.sides.against[1]);
        }
        sizes
    }

    /// Everything about the log-likelihood at one β.
    pub(super) fn slopes(&self, beta: f64, chunk: &mut Chunk) -> Slopes {
        let mut all = [0.0; 5];
        self.each(chunk, |chunk| {
            let part = match self.sides.lapse {
                false => self.level.dispatch(AtOne::<false> { chunk, beta, sides: &self.sides }),
                true => self.level.dispatch(AtOne::<true> { chunk, beta, sides: &self.sides }),
            };
            all.iter_mut().zip(part).for_each(|(all, part)| *all += part);
        });
        let [value, d1, d2, rise, fall] = all;
        Slopes { value, d1, d2, rise, fall }
    }

    /// ln of the factors of infinite margins, so many against and with the label, and their derivatives in ε₀, ε₁ and
    /// both.
    pub(super) fn infinite(&self, [against, with]: [f64; 2]) -> (f64, [f64; 3]) {
        let (floor, most) = (self.sides.floor(), self.sides.with[0]);
        let of_floor = if against > 0.0 { [against * ln(floor), against / floor] } else { [0.0; 2] };
        let d_most = with / most;
        (of_floor[0] + with * ln(most), [of_floor[1], -d_most, of_floor[1] - d_most])
    }

    /// Σ ln(a + bu)/(1 + u) at eight β without the part that is linear in β, with
    /// β and β² times its first two derivatives, if wanted.
    pub(super) fn nodes(&self, betas: &[f64; BLOCK], slopes: bool, chunk: &mut Chunk) -> [[f64; BLOCK]; 3] {
        let mut all = [[0.0; BLOCK]; 3];
        self.each(chunk, |chunk| {
            let (y, sides, sums) = (chunk.choices(), &self.sides, &mut all);
            match (sides.lapse, slopes) {
                (false, false) => self.level.dispatch(AtNodes::<false, false> { y, betas, sides, sums }),
                (false, true) => self.level.dispatch(AtNodes::<false, true> { y, betas, sides, sums }),
                (true, false) => self.level.dispatch(AtNodes::<true, false> { y, betas, sides, sums }),
                (true, true) => self.level.dispatch(AtNodes::<true, true> { y, betas, sides, sums }),
            }
        });
        all
    }

    /// Hands Σ weightⱼβⱼ ∂ ln(…)/∂(yβ), the derivative in y, of every choice to `write`, with its margin's place (0 of
    /// those that do not count); returns the sums over choices of the derivatives in ε₀, ε₁ and both.
    pub(super) fn pull(
        &self,
        nodes: Nodes<'_>,
        chunk: &mut Chunk,
        mut write: impl FnMut(usize, f64),
    ) -> [f64; 3] {
        let mut d_lapse = [0.0; 3];
        let mut out = [0.0; CHUNK];
        self.each(chunk, |chunk| {
            match self.sides.lapse {
                false => {
                    self.level.dispatch(Pull::<false> { chunk, nodes, sides: &self.sides, out: &mut out });
                }
                true => {
                    let part =
                        self.level.dispatch(Pull::<true> { chunk, nodes, sides: &self.sides, out: &mut out });
                    d_lapse.iter_mut().zip(part).for_each(|(all, part)| *all += part);
                    if self.sides.linear() {
                        let one = self.scores_of_no_lapse(nodes, chunk);
                        d_lapse[0] += one;
                        d_lapse[2] += one;
                    }
                }
            }
            let mut values = out[..chunk.len].iter();
            for i in chunk.range[0]..chunk.range[1] {
                let value = if self.counts(i) { values.next().copied().unwrap_or(0.0) } else { 0.0 };
                write(i, value);
            }
        });
        d_lapse
    }

    /// Σ of weightⱼ/(bu), the derivative in ε₀ at ε₀ = 0 of choices against the margin: beyond every number where their
    /// probability underflows.
    fn scores_of_no_lapse(&self, nodes: Nodes<'_>, chunk: &Chunk) -> f64 {
        let mut sum = 0.0;
        for &y in chunk.choices().iter().filter(|y| **y < 0.0) {
            // The weight may have underflowed where the quotient has not: the linear part without this choice.
            let first = nodes.betas[0];
            for (&away, &ln_weight) in nodes.away.iter().zip(nodes.ln_weights) {
                sum += exp(ln_weight - (nodes.linear + y) * away - y * first);
            }
        }
        sum / self.sides.against[1]
    }
}

/// Sums over choices that do not depend on β.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    /// Σ and the largest of |y| against the label.
    pub(super) against: f64,
    pub(super) most_against: f64,
    /// The largest of all |y|.
    pub(super) most: f64,
    /// ln of the constant factors of a lapse.
    pub(super) constant: f64,
}

/// The log-likelihood L at one β, and bounds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slopes {
    pub(super) value: f64,
    /// β dL/dβ and β² d²L/dβ²: dL/dβ itself may be beyond every number.
    pub(super) d1: f64,
    pub(super) d2: f64,
    /// No larger β has β dL/dβ above this.
    pub(super) rise: f64,
    /// No smaller β has β dL/dβ below minus this.
    pub(super) fall: f64,
}

/// Nodes with their weights, which sum to 1.
#[derive(Clone, Copy, Debug)]
pub(super) struct Nodes<'a> {
    pub(super) betas: &'a [f64],
    pub(super) weights: &'a [f64],
    /// β less that of the first node.
    pub(super) away: &'a [f64],
    /// ln of the weights without their part linear·away.
    pub(super) ln_weights: &'a [f64],
    pub(super) linear: f64,
}

#[inline(always)]
fn sum_of<V: Lanes<Scalar = f64>>(x: V) -> f64 {
    let mut lanes = [0.0; MAX_LANES];
    x.store(&mut lanes);
    let mut sum = 0.0;
    for lane in &lanes[..V::N] {
        sum += lane;
    }
    sum
}

/// u/(a + bu), which is 1/b where a = 0 and u may have underflowed.
#[inline(always)]
fn share<V: Lanes<Scalar = f64>>(u: V, [a, b]: [V; 2]) -> (V, V) {
    let number = b.mul_add(u, a);
    let inverse = V::splat(1.0) / V::splat(0.0).select_lt(a, number, b);
    (V::splat(0.0).select_lt(a, u * inverse, inverse), inverse)
}

/// The choices of a chunk at one β: lanes are choices.
struct AtOne<'a, const LAPSE: bool> {
    chunk: &'a Chunk,
    beta: f64,
    sides: &'a Sides,
}

/// The maximum of zσ(−z), and where it is.
const BUMP: [f64; 2] = [0.278_464_542_761_073_8, 1.278_464_542_761_073_8];

impl<const LAPSE: bool> Vectorised for AtOne<'_, LAPSE> {
    type Output = [f64; 5];
    #[inline(always)]
    fn run<I: Isa>(self) -> [f64; 5] {
        let (zero, one, beta) = (I::F64::splat(0.0), I::F64::splat(1.0), I::F64::splat(self.beta));
        let (mut value, mut product, mut linear) = (zero, one, zero);
        let (mut d1, mut d2, mut rise, mut fall) = (zero, zero, zero, zero);
        let mut i = 0;
        while i < self.chunk.len {
            let (y, live) = (I::F64::load(&self.chunk.y[i..]), I::F64::load(&self.chunk.live[i..]));
            let whole = y.abs() * beta;
            let z = whole.at_most(LARGEST);
            let u = exp_node(-z) * live;
            let r = one / (one + u);
            let against = y.select_lt(zero, whole, zero);
            // A choice with the margin pulls at most so much, for this β and all that are larger.
            let bump = z.select_lt(I::F64::splat(BUMP[1]), I::F64::splat(BUMP[0]), z * (u * r));
            let bump = y.select_lt(zero, zero, bump) * live;
            if LAPSE {
                let [a, b] = self.sides.lanes(y);
                let a = zero.select_lt(live, a, one);
                let (part, inverse) = share(u, [a, b]);
                let linear_part = zero.select_lt(a, zero, whole);
                value = value + (ln(zero.select_lt(a, b.mul_add(u, a), b) * r) - linear_part);
                let pull = (a - b) * (r * part);
                d1 = d1 + zero.select_lt(a, z, whole) * pull;
                // z d/dz of u/((1 + u)(a + bu)).
                let bend = zero.select_lt(a, (a - (b * u) * u) * inverse, -u);
                d2 = d2 - (z * z * pull) * (r * bend);
                rise = rise + bump * (one / self.sides.lanes(one)[0]);
            } else {
                product = product.mul_add(u, product);
                linear = linear + against;
                let pull = z * (u * r);
                d1 = d1 + (pull - against);
                d2 = d2 - (z * pull) * r;
                // Against the margin the pull back only grows: zσ(z).
                rise = rise + bump - against * r;
            }
            fall = fall + against;
            i += I::F64::N;
        }
        if !LAPSE {
            value = -(ln(product) + linear);
        }
        [sum_of(value), sum_of(d1), sum_of(d2), sum_of(rise), sum_of(fall)]
    }
}

/// The choices at eight β: lanes are β.
struct AtNodes<'a, const LAPSE: bool, const SLOPES: bool> {
    y: &'a [f64],
    betas: &'a [f64; BLOCK],
    sides: &'a Sides,
    sums: &'a mut [[f64; BLOCK]; 3],
}

impl<const LAPSE: bool, const SLOPES: bool> Vectorised for AtNodes<'_, LAPSE, SLOPES> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let (zero, one) = (I::F64::splat(0.0), I::F64::splat(1.0));
        let linear = self.sides.linear();
        let mut at = 0;
        while at < BLOCK {
            let beta = I::F64::load(&self.betas[at..]);
            let (mut value, mut over, mut under) = (zero, one, one);
            let (mut d1, mut d2) = (zero, zero);
            // A product takes one logarithm for many choices.
            for part in self.y.chunks(if LAPSE { self.sides.factors } else { CHUNK }) {
                for &y in part {
                    let whole = I::F64::splat(y.abs()) * beta;
                    let z = whole.at_most(LARGEST);
                    let u = exp_node(-z);
                    under = under.mul_add(u, under);
                    if LAPSE {
                        let [a, b] = if y < 0.0 { self.sides.against } else { self.sides.with };
                        let (against, a, b) = (y < 0.0 && linear, I::F64::splat(a), I::F64::splat(b));
                        if !against {
                            over = over * b.mul_add(u, a);
                        }
                        if SLOPES {
                            let r = one / (one + u);
                            let (part, inverse) = share(u, [a, b]);
                            let pull = (a - b) * (r * part);
                            d1 = d1 + if against { whole } else { z } * pull;
                            let bend = zero.select_lt(a, (a - (b * u) * u) * inverse, -u);
                            d2 = d2 - (z * z * pull) * (r * bend);
                        }
                    } else if SLOPES {
                        let r = one / (one + u);
                        let pull = z * (u * r);
                        d1 = d1 + if y < 0.0 { pull - whole } else { pull };
                        d2 = d2 - (z * pull) * r;
                    }
                }
                value = value - ln(under);
                under = one;
                if LAPSE {
                    value = value + ln(over);
                    over = one;
                }
            }
            value.add_to(&mut self.sums[0][at..]);
            d1.add_to(&mut self.sums[1][at..]);
            d2.add_to(&mut self.sums[2][at..]);
            at += I::F64::N;
        }
    }
}

/// Derivatives in the margins: lanes are choices.
struct Pull<'a, const LAPSE: bool> {
    chunk: &'a Chunk,
    nodes: Nodes<'a>,
    sides: &'a Sides,
    out: &'a mut [f64; CHUNK],
}

impl<const LAPSE: bool> Vectorised for Pull<'_, LAPSE> {
    type Output = [f64; 3];
    #[inline(always)]
    fn run<I: Isa>(self) -> [f64; 3] {
        let (zero, one) = (I::F64::splat(0.0), I::F64::splat(1.0));
        let mut d_lapse = [zero; 3];
        let mut i = 0;
        while i < self.chunk.len {
            let y = I::F64::load(&self.chunk.y[i..]);
            let size = y.abs();
            let mut sum = zero;
            if LAPSE {
                let live = I::F64::load(&self.chunk.live[i..]);
                let [a, b] = self.sides.lanes(y);
                let kept = (a - b).abs();
                let (mut of_inverse, mut of_share, mut of_both) = (zero, zero, zero);
                for (&beta, &weight) in self.nodes.betas.iter().zip(self.nodes.weights) {
                    let z = size * I::F64::splat(beta);
                    let u = exp_node(-z);
                    let r = one / (one + u);
                    let (part, inverse) = share(u, [a, b]);
                    sum = I::F64::splat(weight * beta).mul_add(kept * (r * part), sum);
                    let weight = I::F64::splat(weight);
                    of_inverse = weight.mul_add(inverse, of_inverse);
                    of_share = weight.mul_add(part, of_share);
                    // 1 − u has all its digits next to 0.
                    of_both = weight.mul_add(exp_neg_parts(-z).1 * inverse, of_both);
                }
                // Where a = 0, 1/(bu) is added elsewhere, and (1 − u)/(bu) is that less 1/b.
                let of_inverse = zero.select_lt(a, of_inverse, zero);
                let of_both = zero.select_lt(a, of_both, -of_share);
                d_lapse[0] = d_lapse[0] + y.select_lt(zero, of_inverse, of_share) * live;
                d_lapse[1] = d_lapse[1] - y.select_lt(zero, of_share, of_inverse) * live;
                d_lapse[2] = d_lapse[2] + y.select_lt(zero, of_both, -of_both) * live;
            } else {
                for (&beta, &weight) in self.nodes.betas.iter().zip(self.nodes.weights) {
                    let u = exp_node(-(size * I::F64::splat(beta)));
                    let r = one / (one + u);
                    let share = y.select_lt(zero, r, u * r);
                    sum = I::F64::splat(weight * beta).mul_add(share, sum);
                }
            }
            sum.store(&mut self.out[i..]);
            i += I::F64::N;
        }
        [sum_of(d_lapse[0]), sum_of(d_lapse[1]), sum_of(d_lapse[2])]
    }
}
