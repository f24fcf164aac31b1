//! The estimate over lanes, and by scalars.

use super::draws::{Draws, TILE};
use crate::batch::chain;
use crate::batch::engine::{KernelInputs, List, LogitColumns, LogitSource, Scales, groups, registers};
use crate::family::Precision;
use crate::kernel::{Integral, KernelParams, Limits, Logit, Tail, within};
use crate::lanes::{Isa, Lanes, MAX_LANES, SUM_LANES, Scalar, Vectorised};
use crate::level::Level;
use crate::loss::{Labels, Row};
use crate::math::elementary::{exp, exp_neg, exp_node, ln};

/// The estimator behind the gate.
#[derive(Clone, Copy, Debug)]
pub(super) struct Estimator<'a, T> {
    pub(super) draws: Draws<'a, T>,
    pub(super) weights: Option<&'a [T]>,
    pub(super) count: usize,
    pub(super) per_pair: bool,
    /// What decides the smallest β of shared draws with a weight: its score, or β itself.
    pub(super) least: T,
    /// Whether the vector kernels have room for β and its derivative.
    pub(super) inside: bool,
    pub(super) jacobian: [[f64; 2]; 2],
    pub(super) level: Level,
}

impl<T: Precision> Estimator<'_, T> {
    /// T and its derivatives for pair `pair` at |D| = `size`, in f64.
    fn tail(&self, pair: usize, size: f64) -> Tail {
        let pairs = self.draws.slice().1.len() / self.count;
        let at = |j: usize| {
            let (beta, derivative) = self.draws.at(if self.per_pair { j * pairs + pair } else { j });
            let weight = self.weights.map_or(1.0 / self.count as f64, |w| w[j].to_f64());
            (beta, derivative, weight)
        };
        let weighty = (0..self.count).map(at).filter(|&(_, _, weight)| weight > 0.0);
        let least = weighty.clone().map(|(beta, ..)| beta).fold(f64::INFINITY, f64::min);
        let (mut s0, mut s1, mut s2) = (0.0, 0.0, 0.0);
        for (beta, derivative, weight) in weighty {
            // At ∞ the smallest β is all there is: (least − β)·∞ would be NaN.
            let gap = least - beta;
            let scaled = weight * if gap == 0.0 { 1.0 } else { exp(gap * size) };
            let y = if beta == 0.0 { 0.0 } else { beta * size };
            let upper = 1.0 / (1.0 + exp(-y));
            s0 += scaled * upper;
            s1 += scaled * upper * upper * beta;
            s2 += scaled * upper * upper * derivative;
        }
        let shift = if least == 0.0 { 0.0 } else { least * size };
        let t = exp(-shift) * s0;
        let slope = s2 / s0;
        Tail {
            x: size,
            t,
            h: 0.5 - t,
            ln: ln(s0) - shift,
            ln_lo: 0.0,
            t_lo: 0.0,
            d1: s1 / s0,
            d_v: if slope == 0.0 || size == 0.0 { 0.0 } else { -size * slope },
            ..Tail::NAN
        }
    }
}

impl<T: Precision> LogitSource<T> for Estimator<'_, T> {
    fn level(&self) -> Level {
        self.level
    }
    fn per_element(&self) -> bool {
        false
    }
    fn jacobian(&self) -> [[f64; 2]; 2] {
        self.jacobian
    }
    fn setup(&self, _first: usize, _n: usize, _points: &mut KernelInputs<T>, scales: &mut Scales<T>) {
        *scales = Scales::shared(&KernelParams {
            integral: Integral::Scalar,
            unit: 1.0,
            shape: 0.0,
            jacobian: self.jacobian,
            params: 2,
        });
    }
    fn logits(
        &self,
        first: usize,
        points: &KernelInputs<T>,
        n: usize,
        logits: &mut LogitColumns<T>,
        outside: &mut List,
    ) {
        if !self.inside {
            return (0..n).for_each(|i| outside.push(i));
        }
        let estimate = Estimate { estimator: self, first, points, n, logits, outside };
        match (self.per_pair, self.weights) {
            (true, _) => self.level.dispatch(PerPair(estimate)),
            (false, None) => self.level.dispatch(Shared(estimate)),
            (false, Some(weights)) => self.level.dispatch(Weighted(estimate, weights)),
        }
    }
    fn scalar_row(&self, index: usize, margin: T, labels: Labels<T>) -> Row {
        let (size, negative) = (margin.to_f64().abs(), margin < T::zero());
        if size.is_nan() {
            return [f64::NAN; 6];
        }
        labels.row(&self.tail(index, size), negative, |nll, negative, _| {
            let slope = nll.slope(1.0, size);
            let elastic = nll.times(nll.elasticity(1.0, size));
            let terms = [if negative { elastic } else { -elastic }, nll.times(nll.d_v)];
            let [p0, p1] = chain(self.jacobian, terms);
            [nll.value, -slope, p0, p1]
        })
    }
}

struct Estimate<'a, 'b, T> {
    estimator: &'a Estimator<'b, T>,
    first: usize,
    points: &'a KernelInputs<T>,
    n: usize,
    logits: &'a mut LogitColumns<T>,
    outside: &'a mut List,
}

/// The β that a number decides.
#[inline(always)]
fn strength<V: Lanes<Scalar: Precision>>(draws: &Draws<'_, V::Scalar>, number: V) -> V {
    match *draws {
        Draws::Scores { mu, sigma, .. } => draw(mu, sigma, number).0,
        Draws::Samples { .. } => number,
    }
}

/// Σ of wⱼtⱼ, wⱼβⱼσ(βⱼa)tⱼ and wⱼβⱼ′σ(βⱼa)tⱼ, tⱼ = σ(−βⱼa)·e^{shift}: T, −T_a and −T_p/a with the shift.
struct Terms<V> {
    sums: [V; 3],
    /// Of the draws since the last multiple of [`FOLD`].
    part: [V; 3],
}

/// Draws whose terms are added on their own, so that errors do not grow with the number of draws.
const FOLD: usize = 16;

impl<V: Lanes<Scalar: Limits>> Terms<V> {
    #[inline(always)]
    fn from(sums: [V; 3]) -> Self {
        Self { sums, part: [V::splat(0.0); 3] }
    }

    /// Draw number `j`: `e` is wⱼe^{shift − βⱼa}, `u` e^{−βⱼa}.
    #[inline(always)]
    fn add(&mut self, j: usize, (beta, derivative): (V, V), e: V, u: V) {
        let upper = V::splat(1.0) / (V::splat(1.0) + u);
        let t = e * upper;
        let slope = t * upper;
        let [s0, s1, s2] = self.part;
        self.part = [s0 + t, beta.mul_add(slope, s1), derivative.mul_add(slope, s2)];
        if j % FOLD == FOLD - 1 {
            *self = Self::from(self.total());
        }
    }

    #[inline(always)]
    fn total(&self) -> [V; 3] {
        let ([a, b, c], [x, y, z]) = (self.sums, self.part);
        [a + x, b + y, c + z]
    }

    /// The effective logit, with −∂ℓ/∂p as its spread; every term is still to be multiplied by `weight`.
    #[inline(always)]
    fn logit(&self, weight: V, a: V, shift: V) -> Logit<V> {
        let [s0, s1, s2] = self.total();
        let inv = V::splat(1.0) / s0;
        Logit::from_ln_tail(ln(weight * s0) - shift, s1 * inv, -(a * (s2 * inv)))
    }
}

impl<T: Precision> Estimate<'_, '_, T> {
    /// Stores the logits of a register, and sorts out what is outside the box.
    #[inline(always)]
    fn finish<V: Lanes<Scalar = T>>(&mut self, g: usize, lane: usize, a: V, logit: Logit<V>) {
        self.logits.put(g, lane, logit);
        let beyond = within(a, T::X_MIN, T::X_MAX, V::splat(0.0), V::splat(1.0));
        self.outside.push_flagged(beyond, g * SUM_LANES + lane, self.n);
    }
}

/// Up to [`TILE`] shared draws.
struct Tile<T> {
    beta: [T; TILE],
    derivative: [T; TILE],
    len: usize,
}

impl<T: Precision> Tile<T> {
    /// Those from number `start` on.
    #[inline(always)]
    fn new<V: Lanes<Scalar = T>>(draws: &Draws<'_, T>, start: usize) -> Self {
        let len = (draws.slice().1.len() - start).min(TILE);
        let mut tile = Self { beta: [T::num(0.0); TILE], derivative: [T::num(0.0); TILE], len };
        match *draws {
            Draws::Scores { mu, sigma, z } => {
                let mut at = 0;
                while at < len {
                    let (beta, derivative) = draw(mu, sigma, load::<V>(&z[start..], at));
                    beta.store(&mut tile.beta[at..]);
                    derivative.store(&mut tile.derivative[at..]);
                    at += V::N;
                }
            }
            Draws::Samples { beta, derivative } => {
                tile.beta[..len].copy_from_slice(&beta[start..][..len]);
                tile.derivative[..len].copy_from_slice(&derivative[start..][..len]);
            }
        }
        tile
    }
}

/// β = e^{μ + σz} and zβ.
#[inline(always)]
fn draw<V: Lanes<Scalar: Precision>>(mu: V::Scalar, sigma: V::Scalar, z: V) -> (V, V) {
    let (mu, sigma) = (V::splat(mu.wide()), V::splat(sigma.wide()));
    let beta = exp_node(sigma.mul_add(z, mu));
    (beta, z * beta)
}

/// A register from number `at` on, filled up with zeros where the slice ends.
#[inline(always)]
fn load<V: Lanes<Scalar: Precision>>(from: &[V::Scalar], at: usize) -> V {
    let rest = &from[at..];
    if rest.len() >= V::N {
        return V::load(rest);
    }
    let mut lanes = [V::Scalar::num(0.0); MAX_LANES];
    lanes[..rest.len()].copy_from_slice(rest);
    V::load(&lanes)
}

/// The same draws for all pairs.
struct Shared<'a, 'b, T>(Estimate<'a, 'b, T>);

impl<T: Precision> Vectorised for Shared<'_, '_, T> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let Self(mut this) = self;
        let Estimate { estimator, points, n, .. } = this;
        let count = estimator.count;
        let least = strength(&estimator.draws, T::On::<I>::splat(estimator.least.wide()));
        let weight = T::On::<I>::splat(1.0 / count as f64);
        for start in (0..count).step_by(TILE) {
            let tile = Tile::new::<T::On<I>>(&estimator.draws, start);
            registers!(T::On<I>, 0..groups(n), |g, lane| {
                let a: T::On<I> = points.w.get(g, lane);
                let mut terms = Terms::from(match start {
                    0 => [T::On::<I>::splat(0.0); 3],
                    // What the tiles before have left there.
                    _ => [
                        this.logits.value.get(g, lane),
                        this.logits.slope.get(g, lane),
                        this.logits.spread.get(g, lane),
                    ],
                });
                let shift = least * a;
                let below = exp_neg(-shift);
                for j in 0..tile.len {
                    let beta = T::On::<I>::splat(tile.beta[j].wide());
                    let derivative = T::On::<I>::splat(tile.derivative[j].wide());
                    // No two roundings of β put it below the least; 0 where it underflows, whatever β is.
                    let e = exp_node(((least - beta) * a).at_most(0.0));
                    terms.add(j, (beta, derivative), e, e * below);
                }
                if start + TILE < count {
                    let [value, slope, spread] = terms.total();
                    this.logits.put(g, lane, Logit { value, slope, spread });
                } else {
                    this.finish(g, lane, a, terms.logit(weight, a, shift));
                }
            });
        }
    }
}

/// The same with weights, which may be tiny where β is smallest: the shift follows the largest term.
struct Weighted<'a, 'b, T>(Estimate<'a, 'b, T>, &'b [T]);

impl<T: Precision> Vectorised for Weighted<'_, '_, T> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let Self(mut this, weights) = self;
        let Estimate { estimator, points, n, .. } = this;
        let tile = Tile::new::<T::On<I>>(&estimator.draws, 0);
        let mut ln_weights = [T::num(0.0); TILE];
        let mut at = 0;
        while at < tile.len {
            ln(load::<T::On<I>>(weights, at)).store(&mut ln_weights[at..]);
            at += T::On::<I>::N;
        }
        let least = strength(&estimator.draws, T::On::<I>::splat(estimator.least.wide()));
        registers!(T::On<I>, 0..groups(n), |g, lane| {
            let a: T::On<I> = points.w.get(g, lane);
            let mut largest = T::On::<I>::splat(f64::NEG_INFINITY);
            for (beta, ln_weight) in tile.beta[..tile.len].iter().zip(&ln_weights) {
                let (beta, ln_weight) = (T::On::<I>::splat(beta.wide()), T::On::<I>::splat(ln_weight.wide()));
                let exponent = (least - beta).mul_add(a, ln_weight);
                largest = largest.select_lt(exponent, exponent, largest);
            }
            let mut terms = Terms::from([T::On::<I>::splat(0.0); 3]);
            for (j, ln_weight) in ln_weights[..tile.len].iter().enumerate() {
                let beta = T::On::<I>::splat(tile.beta[j].wide());
                let derivative = T::On::<I>::splat(tile.derivative[j].wide());
                let exponent = (least - beta).mul_add(a, T::On::<I>::splat(ln_weight.wide()));
                terms.add(j, (beta, derivative), exp_node(exponent - largest), exp_neg(-(beta * a)));
            }
            let one = T::On::<I>::splat(1.0);
            this.finish(g, lane, a, terms.logit(one, a, least * a - largest));
        });
    }
}

/// Draws of its own for every pair.
struct PerPair<'a, 'b, T>(Estimate<'a, 'b, T>);

impl<T: Precision> PerPair<'_, '_, T> {
    /// The numbers of draw j for the pairs from number `at` of the chunk on.
    #[inline(always)]
    fn row<V: Lanes<Scalar = T>>(&self, numbers: &[T], j: usize, at: usize) -> V {
        let Estimate { estimator, first, n, .. } = self.0;
        let begin = j * (numbers.len() / estimator.count) + first;
        load(&numbers[begin..][..n], at)
    }

    /// What decides β, increasing in it.
    #[inline(always)]
    fn number<V: Lanes<Scalar = T>>(&self, j: usize, at: usize) -> V {
        self.row(self.0.estimator.draws.slice().1, j, at)
    }

    /// β and its derivative.
    #[inline(always)]
    fn draw<V: Lanes<Scalar = T>>(&self, j: usize, at: usize) -> (V, V) {
        let number = self.number(j, at);
        match self.0.estimator.draws {
            Draws::Scores { mu, sigma, .. } => draw(mu, sigma, number),
            Draws::Samples { derivative, .. } => (number, self.row(derivative, j, at)),
        }
    }
}

impl<T: Precision> Vectorised for PerPair<'_, '_, T> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(mut self) {
        let Estimate { estimator, points, n, .. } = self.0;
        let weight = T::On::<I>::splat(1.0 / estimator.count as f64);
        registers!(T::On<I>, 0..groups(n), |g, lane| {
            let at = g * SUM_LANES + lane;
            if at < n {
                let a: T::On<I> = points.w.get(g, lane);
                let mut least: T::On<I> = self.number(0, at);
                for j in 1..estimator.count {
                    let next: T::On<I> = self.number(j, at);
                    least = next.select_lt(least, next, least);
                }
                least = strength(&estimator.draws, least);
                let shift = least * a;
                let below = exp_neg(-shift);
                let mut terms = Terms::from([T::On::<I>::splat(0.0); 3]);
                for j in 0..estimator.count {
                    let (beta, derivative) = self.draw::<T::On<I>>(j, at);
                    let e = exp_node(((least - beta) * a).at_most(0.0));
                    terms.add(j, (beta, derivative), e, e * below);
                }
                self.0.finish(g, lane, a, terms.logit(weight, a, shift));
            }
        });
    }
}
