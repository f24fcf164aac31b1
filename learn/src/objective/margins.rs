//! The likelihood of mean and shapes for a stream of margins.

use super::point::{CURVATURE, LAPSE, Objective, Point, SPREAD, d_epsilon, epsilon_at};
use crate::data::margins::Margins;
use crate::data::scan::Scanned;
use crate::error::LearnError;
use crate::model::{ChoiceCurve, Model, SHAPES};
use crate::prepared::CurveSums;
use prefstrength::{AnyStrength, Family, Lapse};

/// Step of the differences of gradients: truncation 1e-8, noise 1e-10.
const STEP: f64 = 1e-4;
/// A table of p(β) moves far in one step only where nothing is at stake: at most e⁴-fold.
const LARGEST_STEP: f64 = 4.0;

/// Σ w nll + ½v/τ² in (ln u, ln γ, r, s), mean = u^γ cosh s: margins are pairs of one feature with the weight u, which is
/// E\[β\] but for a curvature, and a weight that is positive is an unknown by its logarithm. The power is one of uD, so
/// that the unit of D does not matter.
pub(crate) struct MarginLoss<'a, M> {
    pub(crate) data: &'a mut Scanned<M>,
    pub(crate) model: Model,
    /// 1/τ².
    pub(crate) prior: f64,
    /// ln u of plain DPO, or of a start.
    pub(crate) reference: f64,
}

/// p(β) at a point, if the family holds it.
pub(crate) fn strength_at(family: Family, y: &[f64]) -> Option<AnyStrength> {
    let (ln_u, gamma, s) = (y[0], y[1 + CURVATURE].exp(), y[1 + SPREAD]);
    AnyStrength::from_mean_v(family, (gamma * ln_u).exp() * s.cosh(), s.sinh().powi(2)).ok()
}

/// A model at ln γ and r.
pub(crate) fn curve_at(strength: AnyStrength, ln_gamma: f64, r: f64) -> Option<ChoiceCurve> {
    let lapse = Lapse::new(epsilon_at(r)).ok()?;
    ChoiceCurve::from(strength).with_lapse(lapse).with_curvature(ln_gamma.exp()).ok()
}

impl<M: Margins> MarginLoss<'_, M> {
    /// Several points in one pass; `None` if one of them is beyond the family.
    fn evaluate_all(&mut self, points: &[Vec<f64>]) -> Result<Option<Vec<Point>>, LearnError> {
        let family = self.model.family;
        let curve = |y: &Vec<f64>| curve_at(strength_at(family, y)?, y[1 + CURVATURE], y[1 + LAPSE]);
        let Some(curves) = points.iter().map(curve).collect::<Option<Vec<_>>>() else { return Ok(None) };
        let sums = self.data.sum_losses(&curves, self.model.curvature)?;
        Ok(Some(points.iter().zip(&sums).map(|(y, sums)| self.point(y.clone(), sums)).collect()))
    }

    /// The chain rule: ln mean = γ ln u + ln cosh s, v = sinh² s, ε = ½ tanh² r.
    fn point(&self, y: Vec<f64>, sums: &CurveSums) -> Point {
        let (gamma, r, s) = (y[1 + CURVATURE].exp(), y[1 + LAPSE], y[1 + SPREAD]);
        let [d_ln_mean, d_v] = sums.losses.d_params;
        let d_v = d_v + 0.5 * self.prior;
        let along = [
            sums.d_curvature + gamma * y[0] * d_ln_mean,
            d_epsilon(r) * sums.losses.d_lapse[0],
            d_ln_mean * s.tanh() + d_v * (2.0 * s).sinh(),
        ];
        let shapes = self.model.shapes();
        let mut gradient = vec![gamma * d_ln_mean];
        gradient.extend((0..SHAPES).map(|k| if shapes[k] { along[k] } else { 0.0 }));
        let value = sums.losses.nll + 0.5 * self.prior * s.sinh().powi(2);
        Point { y, nll: sums.losses.nll, value, gradient, d_v }
    }
}

impl<M: Margins> Objective for MarginLoss<'_, M> {
    fn shapes(&self) -> [bool; SHAPES] {
        self.model.shapes()
    }

    fn evaluate(&mut self, y: Vec<f64>) -> Result<Option<Point>, LearnError> {
        Ok(self.evaluate_all(&[y])?.and_then(|mut points| points.pop()))
    }

    fn hessian(&mut self, at: &Point, shapes: &[usize]) -> Result<Option<Vec<f64>>, LearnError> {
        // All in one pass: what costs is reading the margins.
        let unknowns: Vec<usize> = core::iter::once(0).chain(shapes.iter().map(|k| 1 + k)).collect();
        let moved = |i: usize, step: f64| {
            let mut y = at.y.clone();
            y[i] += step;
            y
        };
        let points: Vec<_> = unknowns.iter().flat_map(|&i| [moved(i, STEP), moved(i, -STEP)]).collect();
        Ok(self.evaluate_all(&points)?.map(|points| differences(&points, &unknowns)))
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

/// Lower triangle of a Hessian from the gradients at points up and down in each unknown.
pub(crate) fn differences(points: &[Point], unknowns: &[usize]) -> Vec<f64> {
    let n = unknowns.len();
    let slope = |i: usize, j: usize| {
        let (up, down) = (&points[2 * i].gradient, &points[2 * i + 1].gradient);
        (up[unknowns[j]] - down[unknowns[j]]) / (2.0 * STEP)
    };
    let mut hessian = vec![0.0; n * n];
    for i in 0..n {
        for j in 0..=i {
            hessian[i * n + j] = 0.5 * (slope(i, j) + slope(j, i));
        }
    }
    hessian
}
