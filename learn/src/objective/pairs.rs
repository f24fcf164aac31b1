//! The likelihood of a linear policy and the spread, for pairs as features.

use super::point::{Objective, Point};
use crate::cholesky::{Cholesky, add_outer, add_scaled, dot};
use crate::data::pairs::Pairs;
use crate::data::sizes::UsualSizes;
use crate::error::LearnError;
use crate::prepared::{Prepared, has_spread};
use core::ops::Range;
use prefstrength::batch::{Batch, Rows, Sums};
use prefstrength::{AnyStrength, Family};

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
    fn sum_losses(&self, strength: &AnyStrength, w: &[f64], second: bool) -> Result<PairSums, LearnError> {
        let dim = self.pairs.dim();
        let loss = Prepared::new(strength, self.pairs.len());
        let numbers = if second { dim * dim } else { dim };
        let work = |range: Range<usize>| {
            let mut sum = PairSums {
                losses: Sums::default(),
                d_w: vec![0.0; dim],
                d2_w: vec![0.0; if second { dim * dim } else { 0 }],
            };
            let mut buffers = [const { Vec::new() }; 5];
            for start in range.clone().step_by(BLOCK) {
                let here = start..range.end.min(start + BLOCK);
                let rows = self.pairs.block(here.clone()).chunks_exact(dim);
                let weights = self.weights.map(|w| &w[here.clone()]);
                for buffer in &mut buffers {
                    buffer.resize(here.len(), 0.0);
                }
                let [margins, slopes, shifted, up, down] = &mut buffers;
                let evaluate = |margins: &[f64], d_margin: &mut [f64]| {
                    let batch = Batch::new(margins).maybe_weights(weights);
                    loss.evaluate(&batch, Rows::new().d_margin(d_margin))
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
    losses: Sums,
    /// Σ w ∂nll/∂D f.
    d_w: Vec<f64>,
    /// Σ w ∂²nll/∂D² ffᵀ, lower triangle, or empty.
    d2_w: Vec<f64>,
}

/// Σ w nll + ½λ|w|² + ½v/τ² in (u, s), w = u cosh s, E\[β\] = 1: a scale of β is one of w.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PairLoss<'a> {
    pub(crate) data: WeightedPairs<'a>,
    pub(crate) family: Family,
    /// λ.
    pub(crate) ridge: f64,
    /// 1/τ².
    pub(crate) prior: f64,
    /// Of lengths of u.
    pub(crate) metric: &'a Cholesky,
    /// The length of plain DPO's policy; 0 if it is not known.
    pub(crate) reference: f64,
}

impl PairLoss<'_> {
    fn strength(&self, v: f64) -> Option<AnyStrength> {
        AnyStrength::from_mean_v(self.family, 1.0, v).ok()
    }

    fn evaluate_at(&self, y: Vec<f64>) -> Result<Option<Point>, LearnError> {
        let d = self.data.pairs.dim();
        let (u, s) = (&y[..d], y[d]);
        let (sinh, cosh) = (s.sinh(), s.cosh());
        let Some(strength) = self.strength(sinh * sinh) else { return Ok(None) };
        let w = scale(u, cosh);
        let sums = self.data.sum_losses(&strength, &w, false)?;
        let square = dot(&w, &w);
        let nll = sums.losses.nll;
        let value = nll + 0.5 * self.ridge * square + 0.5 * self.prior * sinh * sinh;
        let mut gradient = scale(&sums.d_w, cosh);
        add_scaled(&mut gradient, self.ridge * cosh, &w);
        let [d_ln_mean, d_v] = sums.losses.d_params;
        let d_v = d_v + 0.5 * self.prior;
        gradient.push(if self.has_spread() {
            s.tanh() * (d_ln_mean + self.ridge * square) + (2.0 * s).sinh() * d_v
        } else {
            0.0
        });
        Ok(Some(Point { y, nll, value, gradient, d_v }))
    }
}

/// c·x.
pub(crate) fn scale(x: &[f64], c: f64) -> Vec<f64> {
    x.iter().map(|x| x * c).collect()
}

impl Objective for PairLoss<'_> {
    fn has_spread(&self) -> bool {
        has_spread(self.family)
    }

    fn evaluate(&mut self, y: Vec<f64>) -> Result<Option<Point>, LearnError> {
        self.evaluate_at(y)
    }

    fn hessian(&mut self, at: &Point, with_s: bool) -> Result<Option<Vec<f64>>, LearnError> {
        let (d, n) = (self.data.pairs.dim(), self.data.pairs.dim() + usize::from(with_s));
        let Some(strength) = self.strength(at.v()) else { return Ok(None) };
        let (u, s) = at.split();
        let inner = self.data.sum_losses(&strength, &scale(u, s.cosh()), true)?.d2_w;
        let square = s.cosh().powi(2);
        let mut hessian = vec![0.0; n * n];
        for i in 0..d {
            for j in 0..=i {
                hessian[i * n + j] = square * inner[i * d + j];
            }
            hessian[i * n + i] += square * self.ridge;
        }
        if with_s {
            let moved = |step: f64| {
                let mut y = at.y.clone();
                y[d] += step;
                self.evaluate_at(y)
            };
            let (Some(up), Some(down)) = (moved(STEP)?, moved(-STEP)?) else { return Ok(None) };
            for j in 0..n {
                hessian[d * n + j] = (up.gradient[j] - down.gradient[j]) / (2.0 * STEP);
            }
        }
        Ok(Some(hessian))
    }

    /// The expected one, with the ridge: Σ w g²p/(1 − p) ffᵀ, p the chance of the choice and g its ∂nll/∂D.
    fn information(&mut self, at: &Point, _hessian: &[f64]) -> Result<Option<Vec<f64>>, LearnError> {
        let Some(strength) = self.strength(at.v()) else { return Ok(None) };
        let (u, s) = at.split();
        let margins = self.data.pairs.margins(&scale(u, s.cosh()))?;
        let mut rows = [(); 2].map(|()| vec![0.0; margins.len()]);
        let [nll, slopes] = &mut rows;
        let to = Rows::new().nll(nll).d_margin(slopes);
        Prepared::new(&strength, margins.len()).evaluate(&Batch::new(&margins), to)?;
        let [nll, slopes] = &rows;
        let expected = |i: usize, _: &[f64]| {
            let other = -(-nll[i]).exp_m1();
            if other > 0.0 { slopes[i] * slopes[i] * (-nll[i]).exp() / other } else { 0.0 }
        };
        let mut lower = self.data.sum_products(expected)?;
        add_ridge(&mut lower, self.data.pairs.dim(), self.ridge);
        Ok(Some(scale(&lower, s.cosh().powi(2))))
    }

    /// The policy becomes at most three times as long at once.
    fn limit_step(&self, at: &Point, step: &[f64]) -> f64 {
        let size = self.metric.square(at.split().0).sqrt();
        if size > 0.0 { 2.0 * size / self.metric.square(step).sqrt() } else { 1.0 }
    }

    /// The largest change of a margin; of a large one in proportion to it, since little depends on it.
    fn reach(&self, at: &Point, step: &[f64]) -> f64 {
        let ((u, s), rows) = (at.split(), self.data.counting_rows());
        let change = |f: &[f64]| dot(step, f).abs() / (dot(u, f).abs() * s.cosh() / LARGE).max(1.0);
        rows.fold(0.0, |most: f64, f| most.max(change(f))) * s.cosh()
    }

    fn growth(&self, at: &Point) -> f64 {
        if self.reference > 0.0 { self.metric.square(at.split().0).sqrt() / self.reference } else { 0.0 }
    }
}
