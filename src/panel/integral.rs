//! ln E\[Π σ(βDₜ)\] by the trapezoidal rule in ln β, about the largest of the integrand.
//!
//! The integrand p(x)·e^{L(eˣ)} falls doubly exponentially or as a Gaussian and is analytic in a strip about the real
//! line, where the rule converges exponentially in 1/step. Nothing else converges as fast for every number of choices:
//! rules of Gauss and Hermite about the maximum miss up to 7e-4 with 15 nodes (`benches/panel.rs`).

use super::choices::{BLOCK, Choices, Chunk, Nodes, Slopes};
use super::places::{Exponentials, Lay};
use super::remainder::beyond_tangent;
use crate::family::law::{Curvature, Law, exp_parts_of};
use crate::math::elementary::{ExpParts, exp, ln};
use crate::real::Real;
use core::f64::consts::{FRAC_PI_2, PI};
use num_traits::Float;

/// Nodes at most: usually some fifty. A margin of 1e300 under a strength that is nearly always 0 takes 4000.
const MOST: usize = 4096;
/// Nodes are laid to where e^{−CUT} of the largest is left.
const CUT: f64 = 38.0;
/// Maxima that are looked at.
const MAXIMA: usize = 16;
/// Steps of a search, each an evaluation of all choices.
const SEARCH: usize = 4096;

/// What one integral needs of memory.
#[derive(Debug)]
pub(super) struct Workspace {
    pub(super) chunk: Chunk,
    pub(super) laid: Laid,
}

/// The nodes that have been laid.
#[derive(Debug)]
pub(super) struct Laid {
    betas: [f64; MOST],
    /// β less that of the first node, with all its digits.
    away: [f64; MOST],
    /// Weights, which sum to 1 in the end.
    weights: [f64; MOST],
    /// Their logarithms without what is linear in β.
    ln_weights: [f64; MOST],
    len: usize,
    /// Σ|y| against the label, where that is linear.
    linear: f64,
}

impl Workspace {
    pub(super) const EMPTY: Self = {
        let zero = [0.0; MOST];
        let laid = Laid { betas: zero, away: zero, weights: zero, ln_weights: zero, len: 0, linear: 0.0 };
        Self { chunk: Chunk::EMPTY, laid }
    };
}

impl Laid {
    pub(super) fn nodes(&self) -> Nodes<'_> {
        let n = self.len;
        Nodes {
            betas: &self.betas[..n],
            weights: &self.weights[..n],
            away: &self.away[..n],
            ln_weights: &self.ln_weights[..n],
            linear: self.linear,
        }
    }

    /// One node, which has all of the weight.
    fn set_single(&mut self, beta: f64, linear: f64) {
        (self.betas[0], self.away[0], self.weights[0], self.ln_weights[0]) = (beta, 0.0, 1.0, 0.0);
        (self.len, self.linear) = (1, linear);
    }
}

/// The integral, with the nodes left in the workspace. β is in the unit of the choices.
#[derive(Clone, Copy, Debug)]
pub(super) struct Integral {
    /// ln E\[Π\].
    pub(super) ln: f64,
    /// ∂/∂v of that, at fixed mean.
    pub(super) d_v: f64,
    /// Whether the nodes hold all of a derivative in the lapse.
    pub(super) holds_lapse: bool,
    /// Mean and variance of β given the choices.
    pub(super) mean: f64,
    pub(super) variance: f64,
}

/// A point mass: the product of the choices' probabilities.
pub(super) fn point_mass<T: Real>(choices: &Choices<'_, T>, space: &mut Workspace) -> Integral {
    let at = choices.slopes(1.0, &mut space.chunk);
    space.laid.set_single(1.0, 0.0);
    // The slope in v where a spread begins, the same for every family.
    Integral { ln: at.value, d_v: 0.5 * (at.d1 * at.d1 + at.d2), holds_lapse: true, mean: 1.0, variance: 0.0 }
}

/// The integrand of one person.
pub(super) struct Integrand<'a, 'b, T> {
    pub(super) law: &'a dyn Law,
    pub(super) choices: &'a Choices<'b, T>,
    /// β = e^{x + shift} in the unit of the choices, x = ln(β/E\[β\]).
    pub(super) shift: f64,
}

/// ln of the integrand at one x, with slopes.
#[derive(Clone, Copy, Debug)]
struct At {
    x: f64,
    value: f64,
    d1: f64,
    d2: f64,
    /// The share of the law.
    law: [f64; 2],
    choices: Slopes,
}

impl<T: Real> Integrand<'_, '_, T> {
    fn at(&self, x: f64, chunk: &mut Chunk) -> At {
        let beta = exp(x + self.shift);
        let [value, d1, d2] = self.law.ln_density(x);
        let choices = self.choices.slopes(beta, chunk);
        At {
            x,
            value: value + choices.value,
            d1: d1 + choices.d1,
            d2: d2 + (choices.d1 + choices.d2),
            law: [value, d1],
            choices,
        }
    }

    /// Newton's method for a maximum between `low` and `high`, where the slope is positive and negative. Not to the last
    /// digit: any point nearby will do.
    fn climb(&self, mut at: At, mut low: f64, mut high: f64, chunk: &mut Chunk) -> At {
        let mut reach = 1.0;
        for _ in 0..200 {
            if at.d2 < 0.0 && at.d1 * at.d1 < -4e-4 * at.d2 {
                break;
            }
            if at.d1 > 0.0 {
                low = at.x
            } else {
                high = at.x
            }
            let newton = if at.d2 < 0.0 { -at.d1 / at.d2 } else { at.d1.signum() * reach };
            // Against a wall that is linear in β, Newton's steps in x are of length 1, wherever it balances the law's slope.
            let [law, choices] = [at.law[1], -at.choices.d1];
            let balance = if law > 0.0 && choices > 0.0 { ln(law / choices) } else { 0.0 };
            // Far away steps grow.
            let step = if balance < -2.0 { balance } else { newton.clamp(-reach, reach) };
            reach = if step.abs() == reach { 2.0 * reach } else { 1.0 };
            let next = at.x + step;
            let next = if low <= next && next <= high { next } else { 0.5 * (low + high) };
            if next == at.x || !next.is_finite() {
                break;
            }
            at = self.at(next, chunk);
        }
        at
    }

    /// The maxima that count, the highest first: returns how many.
    fn maxima(&self, found: &mut [At; MAXIMA], chunk: &mut Chunk) -> usize {
        let start = self.at(self.law.mode(), chunk);
        let lapse = self.choices.sides.lapse;
        let single = !lapse && (self.law.concave() || start.d1 <= 0.0);
        if single {
            // To the left of the law's own maximum it rises, and β dL/dβ < 0 falls as β grows: one crossing.
            let high = if self.law.concave() { f64::INFINITY } else { start.x };
            found[0] = self.climb(start, f64::NEG_INFINITY, high, chunk);
            return 1;
        }
        // β dL/dβ varies over a unit of ln β, and about ln(1/ε) of them where a lapse takes over.
        let pace = 0.5 * self.strip() / FRAC_PI_2;
        let mut best = start.value;
        let mut number = 0;
        let mut note = |this: &Self, left: &At, right: &At, chunk: &mut Chunk| {
            if left.d1 > 0.0 && right.d1 <= 0.0 && number < MAXIMA {
                // From where it is nearer: one end may be the law's own maximum, next to it.
                let from = if right.d1.abs() < left.d1.abs() { right } else { left };
                found[number] = this.climb(*from, left.x, right.x, chunk);
                number += 1;
            }
        };
        // No likelihood is above 1.
        let mut last = start;
        for _ in 0..SEARCH {
            let beyond = -last.law[1] >= last.choices.rise || last.law[0] < best - CUT - 3.0;
            if last.d1 <= 0.0 && beyond {
                break;
            }
            let next = self.at(last.x + pace, chunk);
            note(self, &last, &next, chunk);
            best = best.max(next.value);
            last = next;
        }
        let mut last = start;
        for _ in 0..SEARCH {
            if !lapse
                || (last.d1 > 0.0 && (last.law[1] >= last.choices.fall || last.law[0] < best - CUT - 3.0))
            {
                break;
            }
            let next = self.at(last.x - pace, chunk);
            note(self, &next, &last, chunk);
            best = best.max(next.value);
            last = next;
        }
        if number == 0 {
            found[0] = self.climb(start, f64::NEG_INFINITY, f64::INFINITY, chunk);
            return 1;
        }
        let highest = (0..number).max_by(|&i, &j| found[i].value.total_cmp(&found[j].value)).unwrap_or(0);
        found.swap(0, highest);
        number
    }

    /// Half the height of the strip in which ln of a choice's probability has no pole: π/2, and less where a + bu vanishes,
    /// near which the integrand is steep.
    fn strip(&self) -> f64 {
        let [a, b] = self.choices.sides.against;
        // arg(ln(b/a) + iπ), from below.
        if self.choices.sides.lapse && 0.0 < a && a < b { PI / (2.0 + ln(b / a)) } else { FRAC_PI_2 }
    }

    /// The integral.
    pub(super) fn integrate(&self, space: &mut Workspace, finer: f64) -> Integral {
        let sizes = self.choices.sizes(&mut space.chunk);
        let linear = if self.choices.sides.linear() { sizes.against } else { 0.0 };
        let mut found = [At {
            x: 0.0,
            value: 0.0,
            d1: 0.0,
            d2: 0.0,
            law: [0.0; 2],
            choices: Slopes { value: 0.0, d1: 0.0, d2: 0.0, rise: 0.0, fall: 0.0 },
        }; MAXIMA];
        let number = self.maxima(&mut found, &mut space.chunk);
        let top = found[0];
        let counted = || found[..number].iter().filter(|at| at.value >= top.value - CUT);
        let narrow = counted().map(|at| -at.d2).fold(1e-3, f64::max);
        // What rounding leaves of the slopes of law and choices, over the width: they cancel at the top.
        let noise = f64::EPSILON * top.law[1].abs() * 9.0 / Float::sqrt(narrow);
        if noise > 1e-9 && narrow > 1e10 {
            return self.laplace(&top, linear, space);
        }
        let ends =
            counted().fold([0.0_f64; 2], |[low, high], at| [low.min(at.x - top.x), high.max(at.x - top.x)]);
        // A slow tail to the left is drawn in, from where the largest margin decides nothing any more: further right the
        // choices have their poles, which must not be drawn nearer.
        let drawn =
            (self.law.left_rate() < 12.0).then(|| (-ln(sizes.most) - self.shift - top.x).clamp(-560.0, 0.0));
        let narrow = if drawn == Some(0.0) { 2.0 * narrow } else { narrow };
        let (beta, parts) = (exp(top.x + self.shift), exp_parts_of(top.x));
        // Where the choices leave β: within three standard deviations.
        let reach = parts.exp_m1.abs() + 3.0 / Float::sqrt(narrow);
        let spread = self.spread(reach, sizes.most, space);
        // Under a tiny lapse the poles are near, and often nowhere that counts: the check below will tell.
        let strip = self.strip();
        let step = step(narrow, 0.9 * strip.max(0.7)) * if drawn.is_some() { 0.8 } else { 1.0 };
        let none = drawn.map_or(0.0, exp);
        let mut grid = Grid {
            top,
            ends,
            drawn,
            linear,
            most: sizes.most_against,
            step,
            rest: 0.0,
            spread,
            full: false,
            lapse_full: false,
            beta,
            parts,
            none,
            sum: 0.0,
            spread_sum: 0.0,
            mean_sum: 0.0,
            reached: 0.0,
        };
        // What even and odd nodes may differ by, the error at twice the step: at the step it is the fourth power of that
        // where the integrand is next to a Gaussian, else about its square.
        let tolerance = if narrow > 60.0 && strip == FRAC_PI_2 { 3e-5 } else { 2e-7 };
        let mut apart = self.lay(&mut grid, space);
        // Without room for twice as many nodes these have to do, or there is no result.
        while apart >= tolerance && 2 * space.laid.len <= MOST {
            grid.step *= 0.5;
            apart = self.lay(&mut grid, space);
        }
        grid.full |= apart > 1e-6 && apart > tolerance;
        let room = (MOST / space.laid.len.max(1)) as f64;
        if finer > 1.0 && room > 1.0 {
            grid.step /= finer.min(room);
            self.lay(&mut grid, space);
        }
        self.summarise(&grid, sizes.constant, space)
    }

    /// A top so narrow and steep that numbers do not resolve it: its height and width. The next term of the expansion is
    /// 1/b, less than 1e-10.
    fn laplace(&self, top: &At, linear: f64, space: &mut Workspace) -> Integral {
        let x = top.x - top.d1 / top.d2;
        let beta = exp(x + self.shift);
        space.laid.set_single(beta, linear);
        let parts = exp_parts_of(x);
        Integral {
            ln: top.value + 0.5 * (ln(-2.0 * PI / top.d2) - top.d1 * (top.d1 / top.d2)),
            d_v: self.law.score(x, &parts),
            // Infinite or not, it is that of this one β.
            holds_lapse: true,
            mean: beta,
            variance: -beta / top.d2 * beta,
        }
    }

    /// How ∂/∂v is taken, for a β that the choices leave so far from E\[β\].
    fn spread(&self, reach: f64, most: f64, space: &mut Workspace) -> Spread {
        let curvature = self.law.curvature();
        if reach <= curvature.reach {
            return Spread::Curvature(curvature);
        }
        if most > 0.5 || self.shift > 0.0 {
            return Spread::Score;
        }
        let mean = self.choices.slopes(1.0, &mut space.chunk);
        let slope = mean.d1;
        // Further out the score is no larger than what it weighs.
        let gentle = (slope.abs() + Float::sqrt(mean.d2.abs())) * (1.0 + 10.0 * self.law.v()) <= 0.5;
        if gentle {
            let [values, ..] = self.choices.nodes(&[1.0; BLOCK], false, &mut space.chunk);
            return Spread::Tangent { slope, value: values[0] };
        }
        Spread::Score
    }

    /// Lays nodes outwards from the maximum, relative to which their weights are. Returns the part of their sum that even
    /// and odd nodes differ by.
    fn lay(&self, grid: &mut Grid, space: &mut Workspace) -> f64 {
        space.laid.len = 0;
        (space.laid.linear, grid.reached) = (grid.linear, f64::NEG_INFINITY);
        (grid.spread_sum, grid.mean_sum) = (0.0, 0.0);
        let (mut even, mut odd) = (0.0, 0.0);
        for side in [1.0, -1.0] {
            let mut first = if side > 0.0 { 0.0 } else { 1.0 };
            while space.laid.len + BLOCK <= MOST {
                let from = space.laid.len;
                let (least, [whole, lapse]) = self.block(grid, [side, first], space);
                for i in 0..BLOCK {
                    let sum = if (first as usize + i).is_multiple_of(2) { &mut even } else { &mut odd };
                    *sum += space.laid.weights[from + i];
                }
                first += BLOCK as f64;
                let past = match side > 0.0 {
                    true => least > grid.ends[1],
                    false => least < grid.ends[0],
                };
                // A derivative at ε = 0 may lie anywhere in p(β): it gets half of the room.
                let out_of_room = space.laid.len >= MOST / 2;
                let done = |ln: f64| ln <= -CUT || ln.is_nan();
                if past && done(whole) && (done(lapse) || out_of_room) {
                    grid.lapse_full |= lapse > -CUT;
                    break;
                }
                grid.full |= space.laid.len + BLOCK > MOST;
            }
        }
        grid.sum = even + odd;
        (even - odd).abs() / grid.sum
    }

    /// Eight nodes to one side. Returns the outermost step in x, ln of its weight, and the same with what a derivative in
    /// the lapse may make of it.
    fn block(&self, grid: &mut Grid, [side, first]: [f64; 2], space: &mut Workspace) -> (f64, [f64; 2]) {
        let from = space.laid.len;
        let (x0, beta0, at0) = (grid.top.x, grid.beta, &grid.parts);
        let level = self.choices.level;
        let places = level.dispatch(Lay {
            first: side * first * grid.step,
            step: side * grid.step,
            drawn: grid.drawn.map(|from| [from, grid.none]),
        });
        let steps = places.steps;
        let (mut betas, mut away, mut weights) = ([0.0; BLOCK], [0.0; BLOCK], [0.0; BLOCK]);
        for i in 0..BLOCK {
            let parts = places.parts(i);
            betas[i] = beta0 * parts.exp;
            away[i] = beta0 * parts.exp_m1;
            weights[i] = places.density[i] + self.law.difference(x0, at0, steps[i], &parts);
        }
        let slopes = matches!(grid.spread, Spread::Curvature(_));
        let [values, d1, d2] = self.choices.nodes(&betas, slopes, &mut space.chunk);
        let remainders = match grid.spread {
            Spread::Tangent { .. } => self.choices.remainders(&betas, &mut space.chunk),
            _ => [0.0; BLOCK],
        };
        // Relative to the first node, where everything is known.
        if side > 0.0 && first == 0.0 {
            grid.rest = values[0];
        }
        let mut whole_weights = [0.0; BLOCK];
        for i in 0..BLOCK {
            let ln_weight = weights[i] + (values[i] - grid.rest);
            space.laid.ln_weights[from + i] = ln_weight;
            whole_weights[i] = ln_weight - grid.linear * away[i];
        }
        let weights = level.dispatch(Exponentials(whole_weights));
        space.laid.betas[from..from + BLOCK].copy_from_slice(&betas);
        space.laid.away[from..from + BLOCK].copy_from_slice(&away);
        space.laid.weights[from..from + BLOCK].copy_from_slice(&weights);
        for i in 0..BLOCK {
            let weight = weights[i];
            // eˣ and its remainders at x₀ + step.
            let x = x0 + steps[i];
            let step = places.parts(i);
            let parts = ExpParts {
                exp: at0.exp * step.exp,
                exp_m1: at0.exp * step.exp_m1 + at0.exp_m1,
                exp_m1_my: at0.exp * step.exp_m1_my + (at0.exp_m1 * steps[i] + at0.exp_m1_my),
            };
            let term = match &grid.spread {
                Spread::Curvature(curvature) => {
                    // In B = β/E[β], which is next to 1 where a curvature serves.
                    curvature.at(parts.exp_m1) * ((d1[i] * d1[i] + d2[i]) / (parts.exp * parts.exp))
                }
                Spread::Tangent { slope, value } => {
                    let along = slope * parts.exp_m1;
                    let beyond = if along.abs() <= 1.0 {
                        beyond_tangent(along, remainders[i])
                    } else {
                        let change = values[i] - value - grid.linear * parts.exp_m1;
                        1.0 - (1.0 + along) * exp(-change)
                    };
                    self.law.score(x, &parts) * beyond
                }
                Spread::Score => self.law.score(x, &parts),
            };
            // Far out a term may be beyond every number.
            if weight > 0.0 {
                grid.spread_sum += weight * term;
                grid.mean_sum += weight * betas[i];
            }
        }
        space.laid.len += BLOCK;
        let last = BLOCK - 1;
        let (weight, floor) = (space.laid.ln_weights[from + last], self.choices.sides.floor());
        let whole = weight - grid.linear * away[last];
        // The variance takes two more powers of β, and a derivative in the lapse 1/(a + bu) of the largest margin.
        let moments = whole + 2.0 * steps[last].max(0.0);
        let lapse = match self.choices.sides.lapse {
            false => f64::NEG_INFINITY,
            true if floor > 0.0 => whole + (-ln(floor)).min(grid.most * betas[last]),
            // Without that choice; relative to where that is largest.
            true => {
                let without =
                    |i: usize| space.laid.ln_weights[from + i] - (grid.linear - grid.most) * away[i];
                grid.reached = (0..BLOCK).map(without).fold(grid.reached, f64::max);
                without(last) - grid.reached
            }
        };
        (steps[last], [moments, lapse])
    }

    fn summarise(&self, grid: &Grid, constant: f64, space: &mut Workspace) -> Integral {
        let n = space.laid.len;
        let (ln_sum, inverse) = (ln(grid.sum), 1.0 / grid.sum);
        space.laid.weights[..n].iter_mut().for_each(|weight| *weight *= inverse);
        space.laid.ln_weights[..n].iter_mut().for_each(|ln| *ln -= ln_sum);
        let (betas, weights) = (&space.laid.betas[..n], &space.laid.weights[..n]);
        let (mean, d_v) = (grid.mean_sum * inverse, grid.spread_sum * inverse);
        let variance =
            weights.iter().zip(betas).map(|(&weight, &beta)| weight * (beta - mean) * (beta - mean)).sum();
        // Half an integral is none.
        let top = if grid.full { f64::NAN } else { grid.top.law[0] };
        let likelihood = grid.rest + constant - grid.linear * grid.beta;
        Integral {
            ln: top + likelihood + ln_sum + ln(grid.step),
            d_v,
            holds_lapse: !grid.lapse_full,
            mean,
            variance,
        }
    }
}

/// How ∂/∂v is taken.
enum Spread {
    /// By the law's kernel of second order, where the spread is small.
    Curvature(Curvature),
    /// By the law's score, of what the likelihood has beyond its tangent at E\[β\]: where it hardly depends on β. The
    /// slope and the value there.
    Tangent { slope: f64, value: f64 },
    /// By the law's score.
    Score,
}

/// Where nodes are.
struct Grid {
    top: At,
    /// Between these steps from the top there are maxima.
    ends: [f64; 2],
    /// With c here, x = top + u − (e^{c − u} − eᶜ): doubly exponential to the left of c.
    drawn: Option<f64>,
    /// Σ|y| against the label, where that is linear; the largest of them.
    linear: f64,
    most: f64,
    step: f64,
    /// The rest of the log-likelihood at the top.
    rest: f64,
    spread: Spread,
    /// Whether nodes ran out; for a derivative in the lapse.
    full: bool,
    lapse_full: bool,
    /// β at the top, eˣ and its remainders there, and eᶜ.
    beta: f64,
    parts: ExpParts<f64>,
    none: f64,
    /// Σ of the weights, and of what ∂/∂v and the mean take of them.
    sum: f64,
    spread_sum: f64,
    mean_sum: f64,
    /// The largest of what stands for a derivative at ε = 0.
    reached: f64,
}

/// The step for an integrand of second derivative −b at its maximum that is analytic up to height `strip`: the error
/// e^{−2πy/h + by²/2} of a line at height y is e⁻⁵², at the best y.
fn step(b: f64, strip: f64) -> f64 {
    let y = Float::sqrt(104.0 / b).min(strip);
    2.0 * PI * y / (52.0 + 0.5 * b * y * y)
}
