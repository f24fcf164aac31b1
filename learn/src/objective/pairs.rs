//! The likelihood of a linear policy and the spread, for pairs as features.

use super::margins::curve_at;
use super::point::{Objective, Point, d_epsilon};
use crate::cholesky::{Cholesky, add_outer, add_scaled, dot};
use crate::data::pairs::Pairs;
use crate::data::sizes::UsualSizes;
use crate::error::LearnError;
use crate::model::{Model, SHAPES};
use crate::prepared::{CurveSums, Prepared};
use core::ops::Range;
use prefstrength::AnyStrength;
use prefstrength::batch::Rows;

/// Steps of the differences of gradients, in s and in margins: truncation 1e-8, noise 1e-10.
const STEP: f64 = 1e-4;
/// Margins beyond this are large: plain DPO is sure to rounding.
const LARGE: f64 = 40.0;
/// Pairs whose margins are in memory at once.
const BLOCK: usize = 4096;
/// Partial sums of a pass, which are added in order: the same bits on any number of threads.
const SEGMENTS: usize = 64;
/// Numbers in all partial sums together, about.
const PARTIAL: usize = 1 << 24;

/// Pairs, perhaps with other weights than their own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WeightedPairs<'a> {
    pub(crate) pairs: &'a Pairs,
    weights: Option<&'a [f64]>,
}

impl<'a> WeightedPairs<'a> {
    /// `weights` instead of the pairs' own.
    pub(crate) fn new(pairs: &'a Pairs, weights: Option<&'a [f64]>) -> Self {
        Self { pairs, weights: weights.or(pairs.weights()) }
    }

    pub(crate) fn weights(&self) -> Option<&'a [f64]> {
        self.weights
    }

    /// Of pair i.
    pub(crate) fn weight(&self, i: usize) -> f64 {
        self.weights.map_or(1.0, |w| w[i])
    }

    /// Those that count.
    pub(crate) fn counting_rows(&self) -> impl Iterator<Item = &'a [f64]> {
        self.pairs.rows().enumerate().filter(|&(i, _)| self.weight(i) > 0.0).map(|(_, f)| f)
    }

    /// Pairs in a few long ranges, by their number alone; `numbers` f64 are kept for each.
    fn segments(&self, numbers: usize) -> Vec<Range<usize>> {
        let (n, most) = (self.pairs.len(), (PARTIAL / numbers.max(1)).clamp(1, SEGMENTS));
        let length = n.div_ceil(most).next_multiple_of(BLOCK);
        (0..n).step_by(length).map(|start| start..n.min(start + length)).collect()
    }

    /// Adds up `work` of all pairs.
    fn reduce<R: Send>(
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

    /// Σ w c ffᵀ, lower triangle, for a c of every pair.
    ///
    /// # Errors
    /// [`LearnError::NoMargins`] without pairs.
    pub(crate) fn sum_products(
        &self,
        c: impl Fn(usize, &[f64]) -> f64 + Sync,
    ) -> Result<Vec<f64>, LearnError> {
        let dim = self.pairs.dim();
        let work = |range: Range<usize>| {
            let mut sum = vec![0.0; dim * dim];
            for (i, f) in range.clone().zip(self.pairs.block(range).chunks_exact(dim)) {
                add_outer(&mut sum, c(i, f) * self.weight(i), f);
            }
            sum
        };
        let sum = self.reduce(dim * dim, work, |mut a, b| {
            add_scaled(&mut a, 1.0, &b);
            a
        });
        sum.ok_or(LearnError::NoMargins)
    }

    /// The information of w where all margins are 0, with the ridge: in what lengths of w are measured. Rows far beyond
    /// the usual sizes of features count as shrunk ones: whole rows, so that what is linear in them stays so.
    ///
    /// # Errors
    /// [`LearnError::Collinear`].
    pub(crate) fn metric(&self, ridge: f64, usual: &UsualSizes) -> Result<Cholesky, LearnError> {
        let dim = self.pairs.dim();
        // With a ridge a feature may vanish: its weight is 0.
        if let Some(feature) = self.pairs.find_vanishing_feature().filter(|_| ridge == 0.0) {
            return Err(LearnError::Collinear { feature });
        }
        let mut lower = self.sum_products(|_, f| 0.25 * usual.shrink(f).powi(2))?;
        add_ridge(&mut lower, dim, ridge);
        Cholesky::new(lower, dim).map_err(|feature| LearnError::Collinear { feature })
    }

    /// The losses of all pairs at margins `w·f`, and their derivatives.
    fn sum_losses(&self, loss: &Prepared, w: &[f64], second: bool) -> Result<PairSums, LearnError> {
        let dim = self.pairs.dim();
        let numbers = if second { dim * dim } else { dim };
        let work = |range: Range<usize>| {
            let mut sum = PairSums {
                losses: CurveSums::default(),
                d_w: vec![0.0; dim],
                d2_w: vec![0.0; if second { dim * dim } else { 0 }],
            };
            let mut buffers = [const { Vec::new() }; 5];
            let mut bent = Vec::new();
            for start in range.clone().step_by(BLOCK) {
                let here = start..range.end.min(start + BLOCK);
                let rows = self.pairs.block(here.clone()).chunks_exact(dim);
                let weights = self.weights.map(|w| &w[here.clone()]);
                for buffer in &mut buffers {
                    buffer.resize(here.len(), 0.0);
                }
                let [margins, slopes, shifted, up, down] = &mut buffers;
                let mut evaluate = |margins: &[f64], slopes: &mut [f64]| -> Result<CurveSums, LearnError> {
                    let counting = loss.bend(margins, &mut bent);
                    let losses = loss.evaluate(counting, weights, Rows::new().d_margin(slopes))?;
                    let mut d_curvature = 0.0;
                    for (slope, &m) in slopes.iter_mut().zip(margins).filter(|(slope, _)| **slope != 0.0) {
                        d_curvature += *slope * loss.along_gamma(m);
                        *slope *= loss.slope(m);
                    }
                    Ok(CurveSums { losses, d_curvature })
                };
                for (margin, f) in margins.iter_mut().zip(rows.clone()) {
                    *margin = dot(w, f);
                }
                sum.losses += evaluate(margins, slopes)?;
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
        let add = |a: Result<PairSums, LearnError>, b| {
            let (mut a, b): (PairSums, PairSums) = (a?, b?);
            a.losses += b.losses;
            add_scaled(&mut a.d_w, 1.0, &b.d_w);
            add_scaled(&mut a.d2_w, 1.0, &b.d2_w);
            Ok(a)
        };
        self.reduce(numbers, work, add).ok_or(LearnError::NoMargins)?
    }
}

/// Adds λ to the diagonal.
fn add_ridge(matrix: &mut [f64], dim: usize, ridge: f64) {
    for i in 0..dim {
        matrix[i * dim + i] += ridge;
    }
}

/// Sums over some pairs.
struct PairSums {
    losses: CurveSums,
    /// Σ w ∂nll/∂D f.
    d_w: Vec<f64>,
    /// Σ w ∂²nll/∂D² ffᵀ, lower triangle, or empty.
    d2_w: Vec<f64>,
}

/// Σ w nll + ½λ|w|² + ½v/τ² in (u, ln γ, r, s), w = u cosh s, E\[β\] = 1: a scale of β is one of w.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PairLoss<'a> {
    pub(crate) data: WeightedPairs<'a>,
    pub(crate) model: Model,
    /// λ.
    pub(crate) ridge: f64,
    /// 1/τ².
    pub(crate) prior: f64,
    /// Of lengths of u.
    pub(crate) metric: &'a Cholesky,
    /// The length of plain DPO's policy; 0 if it is not known.
    pub(crate) reference: f64,
}

/// One choice's part of the gradient of a loss.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ChoiceScore {
    /// ∂/∂(u·f).
    pub(crate) slope: f64,
    /// ∂/∂ of ln γ, r and s.
    pub(crate) shapes: [f64; SHAPES],
}

impl PairLoss<'_> {
    /// The model at a point, ready.
    fn prepare(&self, at: &Point) -> Option<Prepared> {
        let strength = AnyStrength::from_mean_v(self.model.family, 1.0, at.v()).ok()?;
        let curve = curve_at(strength, at.gamma().ln(), at.r())?;
        Some(Prepared::new(&curve, self.data.pairs.len()).with_curvature(self.model.curvature))
    }

    fn evaluate_at(&self, y: Vec<f64>) -> Result<Option<Point>, LearnError> {
        let gradient = vec![0.0; y.len()];
        let mut point = Point { y, nll: 0.0, value: 0.0, gradient, d_v: 0.0 };
        let Some(loss) = self.prepare(&point) else { return Ok(None) };
        let (d, s) = (point.dim(), point.s());
        let (sinh, cosh) = (s.sinh(), s.cosh());
        let w = scale(point.scale(), cosh);
        let sums = self.data.sum_losses(&loss, &w, false)?;
        let square = dot(&w, &w);
        let CurveSums { losses, d_curvature } = sums.losses;
        point.nll = losses.nll;
        point.value = losses.nll + 0.5 * self.ridge * square + 0.5 * self.prior * sinh * sinh;
        add_scaled(&mut point.gradient[..d], cosh, &sums.d_w);
        add_scaled(&mut point.gradient[..d], self.ridge * cosh, &w);
        point.d_v = losses.d_params[1] + 0.5 * self.prior;
        // Of a curved margin w·d_w is not that: the mean stands outside of the power.
        let d_scale = if self.model.curvature { dot(&w, &sums.d_w) } else { losses.d_params[0] };
        let along = [
            d_curvature,
            d_epsilon(point.r()) * losses.d_lapse[0],
            s.tanh() * (d_scale + self.ridge * square) + (2.0 * s).sinh() * point.d_v,
        ];
        for (k, unknown) in self.model.shapes().into_iter().enumerate() {
            point.gradient[d + k] = if unknown { along[k] } else { 0.0 };
        }
        Ok(Some(point))
    }

    /// The part of every pair, without weights and penalties, in order; `None` beyond the family.
    pub(crate) fn scores(&self, at: &Point) -> Result<Option<Vec<ChoiceScore>>, LearnError> {
        let Some(loss) = self.prepare(at) else { return Ok(None) };
        let (s, pairs) = (at.s(), self.data.pairs);
        let margins = pairs.margins(&scale(at.scale(), s.cosh()))?;
        let mut bent = Vec::new();
        let counting = loss.bend(&margins, &mut bent);
        let [mut slopes, mut d_mean, mut d_v, mut d_lapse] = [(); 4].map(|()| vec![0.0; margins.len()]);
        let rows =
            Rows::new().d_margin(&mut slopes).d_params([&mut d_mean, &mut d_v]).d_lapse([&mut d_lapse]);
        loss.evaluate(counting, None, rows)?;
        let score = |i: usize| {
            let slope = if slopes[i] == 0.0 { 0.0 } else { slopes[i] * loss.slope(margins[i]) };
            let along_gamma = if slopes[i] == 0.0 { 0.0 } else { slopes[i] * loss.along_gamma(margins[i]) };
            // NaN where a margin is infinite: such a pair has weight 0.
            let along_w = if slope == 0.0 { 0.0 } else { slope * margins[i] };
            let along_s = s.tanh() * along_w + (2.0 * s).sinh() * d_v[i];
            ChoiceScore {
                slope: s.cosh() * slope,
                shapes: [along_gamma, d_epsilon(at.r()) * d_lapse[i], along_s],
            }
        };
        Ok(Some((0..margins.len()).map(score).collect()))
    }
}

/// c·x.
pub(crate) fn scale(x: &[f64], c: f64) -> Vec<f64> {
    x.iter().map(|x| x * c).collect()
}

impl Objective for PairLoss<'_> {
    fn shapes(&self) -> [bool; SHAPES] {
        self.model.shapes()
    }

    fn evaluate(&mut self, y: Vec<f64>) -> Result<Option<Point>, LearnError> {
        self.evaluate_at(y)
    }

    fn hessian(&mut self, at: &Point, shapes: &[usize]) -> Result<Option<Vec<f64>>, LearnError> {
        let (d, n) = (self.data.pairs.dim(), self.data.pairs.dim() + shapes.len());
        let square = at.s().cosh().powi(2);
        let inner = if self.model.curvature {
            // Next to a margin of 0 a concave one has no second derivative: the expected information is Newton's matrix.
            let Some(inner) = self.expected(at)? else { return Ok(None) };
            inner
        } else {
            let Some(loss) = self.prepare(at) else { return Ok(None) };
            let mut inner = self.data.sum_losses(&loss, &scale(at.scale(), at.s().cosh()), true)?.d2_w;
            add_ridge(&mut inner, d, self.ridge);
            inner
        };
        let mut hessian = vec![0.0; n * n];
        for i in 0..d {
            for j in 0..=i {
                hessian[i * n + j] = square * inner[i * d + j];
            }
        }
        for (row, &k) in shapes.iter().enumerate() {
            let moved = |step: f64| {
                let mut y = at.y.clone();
                y[d + k] += step;
                self.evaluate_at(y)
            };
            let (Some(up), Some(down)) = (moved(STEP)?, moved(-STEP)?) else { return Ok(None) };
            let slope = |j: usize| (up.gradient[j] - down.gradient[j]) / (2.0 * STEP);
            let row = d + row;
            for j in 0..d {
                hessian[row * n + j] = slope(j);
            }
            for (j, &other) in shapes.iter().enumerate().take(row - d + 1) {
                hessian[row * n + d + j] = slope(d + other);
            }
        }
        Ok(Some(hessian))
    }

    /// The expected one, with the ridge: Σ w g²p/(1 − p) ffᵀ, p the chance of the choice and g its ∂nll/∂D.
    fn information(&mut self, at: &Point, _hessian: &[f64]) -> Result<Option<Vec<f64>>, LearnError> {
        Ok(self.expected(at)?.map(|lower| scale(&lower, at.s().cosh().powi(2))))
    }

    /// The policy becomes at most three times as long at once.
    fn limit_step(&self, at: &Point, step: &[f64]) -> f64 {
        let size = self.metric.square(at.scale()).sqrt();
        if size > 0.0 { 2.0 * size / self.metric.square(step).sqrt() } else { 1.0 }
    }

    /// The largest change of a margin; of a large one in proportion to it, since little depends on it.
    fn reach(&self, at: &Point, step: &[f64]) -> f64 {
        let (u, s, rows) = (at.scale(), at.s(), self.data.counting_rows());
        let change = |f: &[f64]| dot(step, f).abs() / (dot(u, f).abs() * s.cosh() / LARGE).max(1.0);
        rows.fold(0.0, |most: f64, f| most.max(change(f))) * s.cosh()
    }

    fn growth(&self, at: &Point) -> f64 {
        if self.reference > 0.0 { self.metric.square(at.scale()).sqrt() / self.reference } else { 0.0 }
    }

    /// The slope of a concave margin jumps at every pair whose margin is 0: a search ends in one of the many kinks.
    fn close(&self) -> f64 {
        if self.model.curvature { 0.05 } else { 1e-3 }
    }
}

impl PairLoss<'_> {
    /// The expected information of w, with the ridge.
    fn expected(&self, at: &Point) -> Result<Option<Vec<f64>>, LearnError> {
        let Some(loss) = self.prepare(at) else { return Ok(None) };
        let margins = self.data.pairs.margins(&scale(at.scale(), at.s().cosh()))?;
        let mut bent = Vec::new();
        let counting = loss.bend(&margins, &mut bent);
        let mut rows = [(); 2].map(|()| vec![0.0; margins.len()]);
        let [nll, slopes] = &mut rows;
        loss.evaluate(counting, None, Rows::new().nll(nll).d_margin(slopes))?;
        let [nll, slopes] = &rows;
        let expected = |i: usize, _: &[f64]| {
            let (other, slope) = (-(-nll[i]).exp_m1(), slopes[i]);
            if other > 0.0 && slope != 0.0 {
                (slope * loss.slope(margins[i])).powi(2) * (-nll[i]).exp() / other
            } else {
                0.0
            }
        };
        let mut lower = self.data.sum_products(expected)?;
        add_ridge(&mut lower, self.data.pairs.dim(), self.ridge);
        Ok(Some(lower))
    }
}
