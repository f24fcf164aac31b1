//! The likelihood of a linear policy w and the spread of β together, and Newton's method on it.
//!
//! E\[β\] = 1, margin = w·f, and coordinates y = (u, s) in which the negative log-likelihood is close to a bowl:
//!
//! * v = sinh² s is even in s, so that the boundary v = 0 is an ordinary stationary point.
//! * w = u cosh s: holding u = w/√(1 + v) while the spread moves takes out most of the correlation of the scale
//!   of w and the spread, and lets the w of `Fixed` be the start.

use super::beta::Prepared;
use super::cholesky::{Cholesky, add_outer, add_scaled, dot};
use super::{Beta, Family, LearnError, Pairs};
use crate::batch::{Batch, Rows};
use core::ops::Range;

/// Gradient norm, in units of standard errors, that the method aims at; rounding permits less.
const AIM: f64 = 1e-7;
/// Change of any margin that the last step may still make. Along a direction that separates the pairs the
/// gradient vanishes and the steps do not.
const REACH: f64 = 1e-6;
/// Steps in a row that gain nothing, after which there is no more to gain.
const IDLE: u32 = 8;
/// Steps of the differences of gradients, in s and in margins: truncation 1e-8, noise 1e-10.
const STEP: f64 = 1e-4;
/// Pairs whose margins are in memory at once.
const BLOCK: usize = 4096;
/// Partial sums of a pass, which are added in order: the same bits on any number of threads.
const SEGMENTS: usize = 64;
/// Numbers in all partial sums together, about.
const PARTIAL: usize = 1 << 24;

/// What is minimised: Σ w nll + ½λ|w|² + ½v/τ².
#[derive(Clone, Copy, Debug)]
pub(super) struct Problem<'a> {
    pub(super) pairs: &'a Pairs,
    /// Instead of the pairs' own.
    pub(super) weights: Option<&'a [f64]>,
    /// λ.
    pub(super) ridge: f64,
    /// 1/τ².
    pub(super) prior: f64,
}

/// Where a p(β) and a policy are, and the slope of what is minimised.
#[derive(Clone, Debug)]
pub(super) struct Point {
    pub(super) u: Vec<f64>,
    pub(super) s: f64,
    /// Σ w nll, and with the penalties.
    pub(super) nll: f64,
    pub(super) value: f64,
    /// In (u, s).
    gradient: Vec<f64>,
}

impl Point {
    pub(super) fn v(&self) -> f64 {
        self.s.sinh().powi(2)
    }

    pub(super) fn w(&self) -> Vec<f64> {
        self.u.iter().map(|u| u * self.s.cosh()).collect()
    }
}

/// Where the method ended.
#[derive(Clone, Debug)]
pub(super) struct Solution {
    pub(super) point: Point,
    /// Of the Hessian in (u, s), or in u alone where s is not free; none if that is not positive definite.
    pub(super) hessian: Option<Cholesky>,
    /// Whether s is at the cap and the likelihood rises beyond it.
    pub(super) rising: bool,
    /// √(gᵀH⁻¹g): the gradient in units of standard errors.
    pub(super) gradient: f64,
    pub(super) converged: bool,
    pub(super) iterations: u32,
}

/// Sums over some pairs.
struct Sums {
    nll: f64,
    /// Σ w ∂nll/∂(ln mean, v).
    d_params: [f64; 2],
    /// Σ w ∂nll/∂D f.
    d_w: Vec<f64>,
    /// Σ w ∂²nll/∂D² ffᵀ, lower triangle, or empty.
    d2_w: Vec<f64>,
}

impl Sums {
    fn add(&mut self, other: &Self) {
        self.nll += other.nll;
        for (a, b) in self.d_params.iter_mut().zip(other.d_params) {
            *a += b;
        }
        add_scaled(&mut self.d_w, 1.0, &other.d_w);
        add_scaled(&mut self.d2_w, 1.0, &other.d2_w);
    }
}

impl<'a> Problem<'a> {
    pub(super) fn weights(&self) -> Option<&'a [f64]> {
        self.weights.or(self.pairs.weights())
    }

    /// Of pair i.
    pub(super) fn weight(&self, i: usize) -> f64 {
        self.weights().map_or(1.0, |w| w[i])
    }

    /// Pairs in a few long ranges, by their number alone; `numbers` f64 are kept for each.
    fn segments(&self, numbers: usize) -> Vec<Range<usize>> {
        let (n, most) = (self.pairs.len(), (PARTIAL / numbers.max(1)).clamp(1, SEGMENTS));
        let length = n.div_ceil(most).next_multiple_of(BLOCK);
        (0..n).step_by(length).map(|start| start..n.min(start + length)).collect()
    }

    /// Sums of `work` over all pairs.
    fn each<R: Send>(
        &self,
        numbers: usize,
        work: impl Fn(Range<usize>) -> R + Sync,
        add: impl FnMut(R, R) -> R,
    ) -> Option<R> {
        let segments = self.segments(numbers);
        #[cfg(feature = "rayon")]
        let parts: Vec<R> = {
            use rayon::prelude::*;
            segments.into_par_iter().map(&work).collect()
        };
        #[cfg(not(feature = "rayon"))]
        let parts = segments.into_iter().map(&work);
        parts.into_iter().reduce(add)
    }

    /// The losses of all pairs at margins `w·f`, and their derivatives.
    fn sums(&self, beta: &Beta, w: &[f64], second: bool) -> Result<Sums, LearnError> {
        let dim = self.pairs.dim();
        let loss = Prepared::new(beta, self.pairs.len());
        let numbers = if second { dim * dim } else { dim };
        let work = |range: Range<usize>| {
            let mut sum = Sums {
                nll: 0.0,
                d_params: [0.0; 2],
                d_w: vec![0.0; dim],
                d2_w: vec![0.0; if second { dim * dim } else { 0 }],
            };
            let mut buffers = [const { Vec::new() }; 5];
            for start in range.clone().step_by(BLOCK) {
                let at = start..range.end.min(start + BLOCK);
                let rows = self.pairs.block(at.clone()).chunks_exact(dim);
                let weights = self.weights().map(|w| &w[at.clone()]);
                for buffer in &mut buffers {
                    buffer.resize(at.len(), 0.0);
                }
                let [margins, slopes, shifted, up, down] = &mut buffers;
                let evaluate = |margins: &[f64], d_margin: &mut [f64]| {
                    loss.evaluate(&Batch::weighted(margins, weights), Rows::none().d_margin(d_margin))
                };
                for (margin, f) in margins.iter_mut().zip(rows.clone()) {
                    *margin = dot(w, f);
                }
                let sums = evaluate(margins, slopes)?;
                sum.nll += sums.nll;
                for (a, b) in sum.d_params.iter_mut().zip(sums.d_params) {
                    *a += b;
                }
                for (&slope, f) in slopes.iter().zip(rows.clone()) {
                    add_scaled(&mut sum.d_w, slope, f);
                }
                if second {
                    // In proportion to large margins, at which 1e-4 is nothing.
                    let step = |margin: f64| STEP * margin.abs().max(1.0);
                    for (sign, to) in [(1.0, up), (-1.0, down)] {
                        shifted.iter_mut().zip(&*margins).for_each(|(s, &m)| *s = m + sign * step(m));
                        evaluate(shifted, to)?;
                    }
                    let [margins, _, _, up, down] = &buffers;
                    for (((up, down), &margin), f) in up.iter().zip(down).zip(margins).zip(rows) {
                        add_outer(&mut sum.d2_w, (up - down) / (2.0 * step(margin)), f);
                    }
                }
            }
            Ok(sum)
        };
        let add = |a: Result<Sums, LearnError>, b| {
            let (mut a, b): (Sums, Sums) = (a?, b?);
            a.add(&b);
            Ok(a)
        };
        self.each(numbers, work, add).ok_or(LearnError::NoMargins)?
    }

    /// The information of w where all margins are 0, with the ridge: in what lengths of w are measured.
    ///
    /// # Errors
    /// [`LearnError::Collinear`].
    pub(super) fn metric(&self) -> Result<Cholesky, LearnError> {
        let dim = self.pairs.dim();
        if let Some(feature) = self.pairs.without_size(self.ridge == 0.0) {
            return Err(LearnError::Collinear { feature });
        }
        let mut lower = self.gram(|_, _| 0.25).ok_or(LearnError::NoMargins)?;
        for i in 0..dim {
            lower[i * dim + i] += self.ridge;
        }
        Cholesky::new(lower, dim).map_err(|feature| LearnError::Collinear { feature })
    }

    /// Σ w c ffᵀ, lower triangle, for a c of every pair.
    pub(super) fn gram(&self, c: impl Fn(usize, &[f64]) -> f64 + Sync) -> Option<Vec<f64>> {
        let dim = self.pairs.dim();
        let work = |range: Range<usize>| {
            let mut sum = vec![0.0; dim * dim];
            for (i, f) in range.clone().zip(self.pairs.block(range).chunks_exact(dim)) {
                add_outer(&mut sum, c(i, f) * self.weight(i), f);
            }
            sum
        };
        self.each(dim * dim, work, |mut a, b| {
            add_scaled(&mut a, 1.0, &b);
            a
        })
    }

    /// `None` beyond the family.
    pub(super) fn point(&self, family: Family, u: Vec<f64>, s: f64) -> Result<Option<Point>, LearnError> {
        let Ok(beta) = Beta::from_mean_v(family, 1.0, s.sinh().powi(2)) else { return Ok(None) };
        let (sinh, cosh) = (s.sinh(), s.cosh());
        let w: Vec<f64> = u.iter().map(|u| u * cosh).collect();
        let sums = self.sums(&beta, &w, false)?;
        let square = dot(&w, &w);
        let value = sums.nll + 0.5 * self.ridge * square + 0.5 * self.prior * sinh * sinh;
        let mut gradient: Vec<f64> = sums.d_w.iter().map(|d| d * cosh).collect();
        add_scaled(&mut gradient, self.ridge * cosh, &w);
        let [d_ln_mean, d_v] = sums.d_params;
        gradient.push(if family == Family::Fixed {
            0.0
        } else {
            s.tanh() * (d_ln_mean + self.ridge * square) + (2.0 * s).sinh() * (d_v + 0.5 * self.prior)
        });
        Ok(Some(Point { u, s, nll: sums.nll, value, gradient }))
    }

    /// Lower triangle of the Hessian in (u, s), or in u alone.
    fn hessian(&self, family: Family, at: &Point, with_s: bool) -> Result<Option<Vec<f64>>, LearnError> {
        let (d, n) = (self.pairs.dim(), self.pairs.dim() + usize::from(with_s));
        let Ok(beta) = Beta::from_mean_v(family, 1.0, at.v()) else { return Ok(None) };
        let inner = self.sums(&beta, &at.w(), true)?.d2_w;
        let square = at.s.cosh().powi(2);
        let mut hessian = vec![0.0; n * n];
        for i in 0..d {
            for j in 0..=i {
                hessian[i * n + j] = square * inner[i * d + j];
            }
            hessian[i * n + i] += square * self.ridge;
        }
        if with_s {
            let up = self.point(family, at.u.clone(), at.s + STEP)?;
            let down = self.point(family, at.u.clone(), at.s - STEP)?;
            let (Some(up), Some(down)) = (up, down) else { return Ok(None) };
            for j in 0..n {
                hessian[d * n + j] = (up.gradient[j] - down.gradient[j]) / (2.0 * STEP);
            }
        }
        Ok(Some(hessian))
    }

    /// Expected information of w there, with the ridge, lower triangle: Σ w g²p/(1 − p) ffᵀ, p the chance of the
    /// choice and g its ∂nll/∂D. Positive where the Hessian need not be, and as small as that far out, where a
    /// multiple of any fixed matrix would stop all movement.
    fn information(&self, family: Family, at: &Point) -> Result<Option<Vec<f64>>, LearnError> {
        let Ok(beta) = Beta::from_mean_v(family, 1.0, at.v()) else { return Ok(None) };
        let margins = self.pairs.margins(&at.w())?;
        let mut rows = [(); 2].map(|()| vec![0.0; margins.len()]);
        let [nll, slopes] = &mut rows;
        let to = Rows::none().nll(nll).d_margin(slopes);
        Prepared::new(&beta, margins.len()).evaluate(&Batch::new(&margins), to)?;
        let [nll, slopes] = &rows;
        let of = |i: usize, _: &[f64]| {
            let other = -(-nll[i]).exp_m1();
            if other > 0.0 { slopes[i] * slopes[i] * (-nll[i]).exp() / other } else { 0.0 }
        };
        let Some(mut lower) = self.gram(of) else { return Ok(None) };
        let dim = self.pairs.dim();
        for i in 0..dim {
            lower[i * dim + i] += self.ridge;
        }
        Ok(Some(lower))
    }

    /// From a start, |s| ≤ `cap`; in u alone for `Fixed`. `metric` measures u. `None` if the start is
    /// beyond the family, or leads to one of `known`.
    pub(super) fn newton(
        &self,
        family: Family,
        metric: &Cholesky,
        start: (Vec<f64>, f64),
        cap: f64,
        max_iterations: u32,
        known: &[Solution],
    ) -> Result<Option<Solution>, LearnError> {
        let d = self.pairs.dim();
        let Some(mut now) = self.point(family, start.0, start.1)? else { return Ok(None) };
        let (mut damping, mut iterations, mut idle) = (0.0, 0, 0);
        loop {
            let rising = family != Family::Fixed && now.s.abs() >= cap && now.gradient[d] * now.s < 0.0;
            let free = d + usize::from(family != Family::Fixed && !rising);
            let Some(hessian) = self.hessian(family, &now, free > d)? else { return Ok(None) };
            let exact = Cholesky::new(hessian.clone(), free).ok();
            let gradient = exact.as_ref().map_or(f64::INFINITY, |exact| {
                let mut g = now.gradient[..free].to_vec();
                exact.solve_lower(&mut g);
                dot(&g, &g).sqrt()
            });
            let near = known.iter().any(|k| gradient < 0.3 && !rising && k.attracts(&now));
            if near {
                return Ok(None);
            }
            // How far Newton's own step would move any margin.
            let reach = || {
                let mut step = now.gradient[..free].to_vec();
                exact.iter().for_each(|exact| exact.solve(&mut step));
                self.reach(&step[..d]) * now.s.cosh()
            };
            let converged = gradient < AIM && reach() < REACH;
            let done = converged || iterations >= max_iterations || idle >= IDLE;
            let next =
                if done { None } else { self.step(family, metric, &now, &hessian, free, cap, &mut damping)? };
            let Some(next) = next else {
                // Rounding may end the search a little above the aim.
                let near = gradient < 1e-3 && (idle < IDLE || reach() < 1e3 * REACH);
                // Large weights have small standard errors.
                let near = near || (gradient.is_finite() && reach() < REACH);
                let converged = converged || (near && iterations < max_iterations);
                return Ok(Some(Solution {
                    point: now,
                    hessian: exact,
                    rising,
                    gradient,
                    converged,
                    iterations,
                }));
            };
            // On a floor of rounding there is nowhere to go.
            idle = if next.value < now.value - slack(&now) { 0 } else { idle + 1 };
            now = next;
            iterations += 1;
        }
    }

    /// A point below `now`, if there is one.
    #[allow(clippy::too_many_arguments)]
    fn step(
        &self,
        family: Family,
        metric: &Cholesky,
        now: &Point,
        hessian: &[f64],
        free: usize,
        cap: f64,
        damping: &mut f64,
    ) -> Result<Option<Point>, LearnError> {
        let d = self.pairs.dim();
        let size = metric.square(&now.u).sqrt();
        let mut information = None;
        for _ in 0..24 {
            let mut damped = hessian.to_vec();
            if *damping > 0.0 {
                if information.is_none() {
                    information = self.information(family, now)?;
                }
                let square = now.s.cosh().powi(2) * *damping;
                let rows = information.iter().flat_map(|lower| lower.chunks_exact(d));
                for (row, m) in damped.chunks_exact_mut(free).zip(rows) {
                    add_scaled(&mut row[..d], square, m);
                }
                if free > d {
                    let last = free * free - 1;
                    damped[last] += *damping * damped[last].abs();
                }
            }
            // What ties s to u.
            let tie = damped.get(d * free..d * free + d).map(<[f64]>::to_vec);
            if let Ok(model) = Cholesky::new(damped, free) {
                let mut step = now.gradient[..free].to_vec();
                model.solve(&mut step);
                let along = step.get(d).map_or(0.0, |x| x.abs());
                // The spread moves far in one step only where nothing is at stake, and so does the scale.
                let bound = |u: &[f64]| if size > 0.0 { 2.0 * size / metric.square(u).sqrt() } else { 1.0 };
                let mut fit = (0.7 / along).min(bound(&step[..d])).min(1.0);
                let mut s = step.get(d).map_or(now.s, |x| now.s - fit * x);
                if let Some(tie) = tie.filter(|_| s.abs() > cap) {
                    // To the cap, and u to where it is best there.
                    s = s.clamp(-cap, cap);
                    step[..d].copy_from_slice(&now.gradient[..d]);
                    add_scaled(&mut step[..d], s - now.s, &tie);
                    model.solve(&mut step[..d]);
                    fit = bound(&step[..d]).min(1.0);
                }
                let u = now.u.iter().zip(&step).map(|(u, x)| u - fit * x).collect();
                // Its last steps gain less than the sum's rounding.
                if let Some(next) = self.point(family, u, s)?
                    && next.value <= now.value + slack(now)
                {
                    *damping = if *damping > 1e-3 { 0.1 * *damping } else { 0.0 };
                    return Ok(Some(next));
                }
            }
            *damping = if *damping == 0.0 { 1e-3 } else { 8.0 * *damping };
        }
        Ok(None)
    }

    /// max |step·f| over pairs that count.
    fn reach(&self, step: &[f64]) -> f64 {
        let each = self.pairs.rows().enumerate().filter(|&(i, _)| self.weight(i) > 0.0);
        each.fold(0.0, |most: f64, (_, f)| most.max(dot(step, f).abs()))
    }
}

/// Rounding of what is minimised.
fn slack(at: &Point) -> f64 {
    1e-13 * at.value.abs()
}

impl Solution {
    /// Whether a minimum near `point` is this one.
    fn attracts(&self, point: &Point) -> bool {
        let Some(hessian) = self.hessian.as_ref().filter(|_| self.converged && !self.rising) else {
            return false;
        };
        let mut difference: Vec<f64> = point.u.iter().zip(&self.point.u).map(|(a, b)| a - b).collect();
        difference.push(point.s.abs() - self.point.s.abs());
        hessian.square(&difference) < 0.01
    }
}
