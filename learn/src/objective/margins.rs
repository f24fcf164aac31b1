//! The likelihood of mean and spread for a stream of margins.

use super::point::{Objective, Point};
use crate::data::margins::Margins;
use crate::data::scan::Scanned;
use crate::error::LearnError;
use crate::prepared::has_spread;
use prefstrength::batch::Sums;
use prefstrength::{AnyStrength, Family};

/// Step of the differences of gradients: truncation 1e-8, noise 1e-10.
const STEP: f64 = 1e-4;
/// A table of p(β) moves far in one step only where nothing is at stake: at most e⁴-fold.
const LARGEST_STEP: f64 = 4.0;

/// Σ w nll + ½v/τ² in (ln u, s), mean = u cosh s: margins are pairs of one feature with E\[β\] for its weight, and a
/// weight that is positive is an unknown by its logarithm.
pub(crate) struct MarginLoss<'a, M> {
    pub(crate) data: &'a mut Scanned<M>,
    pub(crate) family: Family,
    /// 1/τ².
    pub(crate) prior: f64,
    /// ln u of plain DPO, or of a start.
    pub(crate) reference: f64,
}

/// p(β) at (ln u, s), if the family holds it.
pub(crate) fn strength_at(family: Family, [ln_u, s]: [f64; 2]) -> Option<AnyStrength> {
    AnyStrength::from_mean_v(family, ln_u.exp() * s.cosh(), s.sinh().powi(2)).ok()
}

impl<M: Margins> MarginLoss<'_, M> {
    /// Several points in one pass; `None` if one of them is beyond the family.
    fn evaluate_all<const N: usize>(
        &mut self,
        points: [[f64; 2]; N],
    ) -> Result<Option<[Point; N]>, LearnError> {
        // No family refuses a mean of 1; replaced at once.
        let mut strengths = [AnyStrength::from_mean_v(self.family, 1.0, 0.0)?; N];
        for (strength, y) in strengths.iter_mut().zip(points) {
            match strength_at(self.family, y) {
                Some(there) => *strength = there,
                None => return Ok(None),
            }
        }
        let sums = self.data.sum_losses(&strengths)?;
        Ok(Some(core::array::from_fn(|i| self.point(points[i], &sums[i]))))
    }

    /// The chain rule: ln mean = ln u + ln cosh s, v = sinh² s.
    fn point(&self, [ln_u, s]: [f64; 2], sums: &Sums) -> Point {
        let [d_ln_mean, d_v] = sums.d_params;
        let d_v = d_v + 0.5 * self.prior;
        let along_s =
            if has_spread(self.family) { d_ln_mean * s.tanh() + d_v * (2.0 * s).sinh() } else { 0.0 };
        Point {
            y: vec![ln_u, s],
            nll: sums.nll,
            value: sums.nll + 0.5 * self.prior * s.sinh().powi(2),
            gradient: vec![d_ln_mean, along_s],
            d_v,
        }
    }
}

impl<M: Margins> Objective for MarginLoss<'_, M> {
    fn has_spread(&self) -> bool {
        has_spread(self.family)
    }

    fn evaluate(&mut self, y: Vec<f64>) -> Result<Option<Point>, LearnError> {
        Ok(self.evaluate_all([[y[0], y[1]]])?.map(|[point]| point))
    }

    fn hessian(&mut self, at: &Point, with_s: bool) -> Result<Option<Vec<f64>>, LearnError> {
        let ([a, b], h) = ([at.y[0], at.y[1]], STEP);
        let slope = |up: &Point, down: &Point, i: usize| (up.gradient[i] - down.gradient[i]) / (2.0 * h);
        if !with_s {
            let points = self.evaluate_all([[a + h, b], [a - h, b]])?;
            return Ok(points.map(|[up, down]| vec![slope(&up, &down, 0)]));
        }
        // All four in one pass: what costs is reading the margins.
        let points = self.evaluate_all([[a + h, b], [a - h, b], [a, b + h], [a, b - h]])?;
        Ok(points.map(|[u_up, u_down, s_up, s_down]| {
            let mixed = 0.5 * (slope(&u_up, &u_down, 1) + slope(&s_up, &s_down, 0));
            vec![slope(&u_up, &u_down, 0), 0.0, mixed, slope(&s_up, &s_down, 1)]
        }))
    }

    /// The size of the curvature, which costs no pass.
    fn information(&mut self, _at: &Point, hessian: &[f64]) -> Result<Option<Vec<f64>>, LearnError> {
        Ok(Some(vec![hessian[0].abs()]))
    }

    fn limit_step(&self, _at: &Point, step: &[f64]) -> f64 {
        LARGEST_STEP / step[0].abs()
    }

    /// Of ln mean.
    fn reach(&self, _at: &Point, step: &[f64]) -> f64 {
        step[0].abs()
    }

    fn growth(&self, at: &Point) -> f64 {
        (at.y[0] - self.reference).exp()
    }
}
