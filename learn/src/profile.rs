//! Profile likelihood of the spread and of the lapse: intervals that hold at the boundary.

use crate::descent::{Solution, descend};
use crate::error::LearnError;
use crate::model::SHAPES;
use crate::objective::point::{LAPSE, Objective, Point, SPREAD, d_epsilon, epsilon_at};
use prefstrength::math::normal_cdf;

/// The profile log-likelihood of a parameter that is not negative, cv or ε, and the values that the data allow.
///
/// ℓ(t) is the largest log-likelihood under that value of the parameter. The 95 % interval has the t with
/// 2(ℓ(t̂) − ℓ(t)) ≤ κ·c: a likelihood ratio in units of its null distribution. Far from the boundary that is χ²₁ and
/// c = 3.84. Next to the boundary t̂ cannot be negative, the ratio is smaller, and c with it: with t lying δ standard
/// errors inside, c solves Φ(√c) − Φ(−(c + δ²)/(2δ)) = 0.95, which at t = 0 is c = 2.71. So the interval covers as
/// often as it says also where it is \[0, t\].
///
/// * δ² = 2(ℓ(0) + ℓ′(0)x − ℓ(x))/κ, x = cv² or ε: how far the profile has fallen below its tangent at 0.
/// * κ is 1, or with groups the ratio of the variance by groups to that by choices: choices of one group depend.
/// * Max error: ends to 1 % of their distance from the estimate. Between people of 2²⁰ choices and more the profile is
///   taken for a parabola in cv² where that lies four standard errors from 0.
/// * Source: G. Feldman, R. Cousins, Unified approach to the classical statistical analysis of small signals, Phys. Rev. D
///   57 (1998), for a normal mean that is bounded; J. Kent, Robust properties of likelihood ratio tests, Biometrika 69
///   (1982), for κ.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Profile {
    /// Where the likelihood is largest.
    pub estimate: f64,
    /// The interval. It starts at 0 where the data allow none.
    pub interval: [f64; 2],
    /// Whether the data allow more than could be looked at: the upper end is that of the range.
    pub open: bool,
    /// Its probability, 0.95.
    pub level: f64,
    /// Values that were looked at, ascending, and ℓ there less ℓ at the estimate, over κ: −1.92 is the cut far inside.
    pub points: Vec<[f64; 2]>,
}

/// The probability of intervals.
pub(crate) const LEVEL: f64 = 0.95;
/// Standard errors from the boundary at which a profile of many choices is a parabola.
pub(crate) const CLEAR: f64 = 4.0;
/// Values of a parameter that are looked at, at most, on either side.
const TRIALS: usize = 12;
/// Relative error of an end in likelihood.
const CLOSE: f64 = 0.01;
/// Where slopes at the boundary are taken.
const NEXT: f64 = 0.02;
/// Iterations of a search for the others.
const ITERATIONS: u32 = 25;

/// A model with one of its shapes held.
struct Held<'a, O> {
    objective: &'a mut O,
    shape: usize,
    at: f64,
}

impl<O: Objective> Objective for Held<'_, O> {
    fn shapes(&self) -> [bool; SHAPES] {
        let mut shapes = self.objective.shapes();
        shapes[self.shape] = false;
        shapes
    }
    fn evaluate(&mut self, mut y: Vec<f64>) -> Result<Option<Point>, LearnError> {
        let place = y.len() - SHAPES + self.shape;
        y[place] = self.at;
        self.objective.evaluate(y)
    }
    fn hessian(&mut self, at: &Point, shapes: &[usize]) -> Result<Option<Vec<f64>>, LearnError> {
        self.objective.hessian(at, shapes)
    }
    fn information(&mut self, at: &Point, hessian: &[f64]) -> Result<Option<Vec<f64>>, LearnError> {
        self.objective.information(at, hessian)
    }
    fn limit_step(&self, at: &Point, step: &[f64]) -> f64 {
        self.objective.limit_step(at, step)
    }
    fn reach(&self, at: &Point, step: &[f64]) -> f64 {
        self.objective.reach(at, step)
    }
    fn growth(&self, at: &Point) -> f64 {
        self.objective.growth(at)
    }
    /// Likelihoods to a few ten-thousandths are enough.
    fn aim(&self) -> f64 {
        0.02
    }
    fn close(&self) -> f64 {
        0.03
    }
}

/// The parameter at a coordinate: cv of s, ε of r.
fn parameter(shape: usize, t: f64) -> f64 {
    if shape == SPREAD { t.sinh() } else { epsilon_at(t) }
}

/// What the likelihood is smooth in: v or ε.
fn natural(shape: usize, t: f64) -> f64 {
    if shape == SPREAD { t.sinh().powi(2) } else { epsilon_at(t) }
}

/// Of the spread, or the lapse, of a model. `start` is where the search for the others starts, and the best point if that
/// is a maximum; `zero` is where the others are at 0, if that is known; `cap` is the largest coordinate.
pub(crate) fn find_profile(
    objective: &mut impl Objective,
    shape: usize,
    start: Vec<f64>,
    zero: Option<Vec<f64>>,
    cap: f64,
    kappa: f64,
) -> Result<Option<Profile>, LearnError> {
    debug_assert!(shape == SPREAD || shape == LAPSE);
    let place = start.len() - SHAPES + shape;
    let best = start[place];
    let mut path = Path { objective, shape, place, cap, visited: Vec::new() };
    let Some(top) = path.visit(best, start)? else { return Ok(None) };
    let zero = match zero {
        Some(start) if best != 0.0 => path.visit(0.0, start)?,
        _ => path.visit_from(0.0)?,
    };
    let Some(zero) = zero else { return Ok(None) };
    // The slope at the boundary, in v or ε.
    let Some(next) = path.visit_from(NEXT)? else { return Ok(None) };
    let along = if shape == SPREAD { (2.0 * NEXT).sinh() } else { d_epsilon(NEXT) };
    let slope = -path.slope_at(next) / along;
    let (top, at_zero) = (path.visited[top].value.max(path.visited[zero].value), path.visited[zero].value);
    let excess = |t: f64, value: f64| {
        let ratio = 2.0 * (top - value).max(0.0) / kappa;
        let fallen = 2.0 * (at_zero + slope * natural(shape, t) - value) / kappa;
        // Above its tangent it tells no distance: that of far inside is the careful one.
        let distance = if t == 0.0 { 0.0 } else { fallen.max(0.0).sqrt() };
        let cut = if fallen < 0.0 { cut_at(f64::INFINITY) } else { cut_at(distance) };
        ratio / cut - 1.0
    };
    let lower = if excess(0.0, at_zero) <= 0.0 { 0.0 } else { path.find(best, 0.0, &excess)?.unwrap_or(0.0) };
    let mut outer = (best.max(0.3) * 1.5).min(cap);
    let mut open = false;
    loop {
        let Some(at) = path.visit_from(outer)? else {
            open = true;
            break;
        };
        if excess(outer, path.visited[at].value) > 0.0 {
            break;
        }
        if outer >= cap {
            open = true;
            break;
        }
        outer = (1.4 * outer).min(cap);
    }
    let upper = if open { Some(outer) } else { path.find(best, outer, &excess)? };
    let Some(upper) = upper else { return Ok(None) };
    // A ten-thousandth of the upper end is 0.
    let lower = if natural(shape, lower) < 1e-4 * natural(shape, upper) { 0.0 } else { lower };
    let mut points: Vec<[f64; 2]> =
        path.visited.iter().map(|at| [parameter(shape, at.t), (at.value - top) / kappa]).collect();
    points.sort_by(|a, b| a[0].total_cmp(&b[0]));
    Ok(Some(Profile {
        estimate: parameter(shape, best),
        interval: [parameter(shape, lower), parameter(shape, upper)],
        open,
        level: LEVEL,
        points,
    }))
}

/// The same of a spread where there are so many choices that the profile is a parabola in v, with its top and its width: no
/// search at all.
pub(crate) fn parabola(top: f64, width: f64, cap: f64) -> Option<Profile> {
    let value = |x: f64| -0.5 * ((x - top) / width).powi(2);
    let excess = |x: f64| -2.0 * value(x) / cut_at(x / width) - 1.0;
    if !(width > 0.0 && width.is_finite() && top.is_finite()) {
        return None;
    }
    let end = |mut inside: f64, mut outside: f64| {
        for _ in 0..60 {
            let between = 0.5 * (inside + outside);
            if excess(between) > 0.0 { outside = between } else { inside = between }
        }
        0.5 * (inside + outside)
    };
    let most = natural(SPREAD, cap);
    let far = (top + 8.0 * width).min(most);
    let lower = if excess(0.0) <= 0.0 { 0.0 } else { end(top, 0.0) };
    let open = excess(far) <= 0.0;
    let upper = if open { far } else { end(top, far) };
    let of = f64::sqrt;
    let from = (top - 4.0 * width).max(0.0);
    let places = (0..=24).map(|i| from + f64::from(i) / 24.0 * ((top + 4.0 * width).min(most) - from));
    Some(Profile {
        estimate: of(top),
        interval: [of(lower), of(upper)],
        open,
        level: LEVEL,
        points: places.map(|x| [of(x), value(x)]).collect(),
    })
}

/// One value of the parameter.
struct Visited {
    t: f64,
    /// The log-likelihood, with penalties.
    value: f64,
    point: Point,
}

struct Path<'a, O> {
    objective: &'a mut O,
    shape: usize,
    place: usize,
    cap: f64,
    visited: Vec<Visited>,
}

impl<O: Objective> Path<'_, O> {
    /// The best of the others at t, from a start; its place among the visited.
    fn visit(&mut self, t: f64, start: Vec<f64>) -> Result<Option<usize>, LearnError> {
        let mut held = Held { objective: self.objective, shape: self.shape, at: t };
        let found: Option<Solution> = descend(&mut held, start, self.cap, ITERATIONS, &[])?;
        Ok(found.map(|found| {
            self.visited.push(Visited { t, value: -found.point.value, point: found.point });
            self.visited.len() - 1
        }))
    }

    /// From the nearest that was visited.
    fn visit_from(&mut self, t: f64) -> Result<Option<usize>, LearnError> {
        if let Some(at) = self.visited.iter().position(|at| at.t == t) {
            return Ok(Some(at));
        }
        let nearest = self.visited.iter().min_by(|a, b| (a.t - t).abs().total_cmp(&(b.t - t).abs()));
        let Some(start) = nearest.map(|at| at.point.y.clone()) else { return Ok(None) };
        self.visit(t, start)
    }

    /// ∂/∂t of what is minimised.
    fn slope_at(&self, at: usize) -> f64 {
        self.visited[at].point.gradient[self.place]
    }

    /// Where the excess passes through 0 between the estimate, where it is −1, and `outer`, where it is positive: by the
    /// roots of the likelihood ratio, which are nearly straight lines.
    fn find(
        &mut self,
        best: f64,
        outer: f64,
        excess: &impl Fn(f64, f64) -> f64,
    ) -> Result<Option<f64>, LearnError> {
        let root = |excess: f64| (excess + 1.0).max(0.0).sqrt() - 1.0;
        let (mut inside, mut outside) = ((best, -1.0), outer);
        let Some(at) = self.visit_from(outer)? else { return Ok(None) };
        let mut beyond = root(excess(outer, self.visited[at].value));
        for trial in 0..TRIALS {
            // The chord; every third time the middle, lest one end stays.
            let share = if trial % 3 == 2 { 0.5 } else { -inside.1 / (beyond - inside.1) };
            let t = inside.0 + share.clamp(0.02, 0.98) * (outside - inside.0);
            let Some(at) = self.visit_from(t)? else { return Ok(None) };
            let here = root(excess(t, self.visited[at].value));
            if here.abs() < CLOSE {
                return Ok(Some(t));
            }
            if here < 0.0 { inside = (t, here) } else { (outside, beyond) = (t, here) }
        }
        Ok(Some(0.5 * (inside.0 + outside)))
    }
}

/// The c of a value that lies so many standard errors inside.
fn cut_at(distance: f64) -> f64 {
    const FAR: f64 = 3.841_458_820_694_124;
    const NEAR: f64 = 2.705_543_454_095_404;
    let covered = |c: f64| {
        let root = c.sqrt();
        let below = if root > distance { (c + distance * distance) / (2.0 * distance) } else { root };
        normal_cdf(root) - normal_cdf(-below)
    };
    let (mut low, mut high) = (NEAR, FAR);
    for _ in 0..30 {
        let middle = 0.5 * (low + high);
        if covered(middle) < LEVEL { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By the distribution of the ratio of a bounded normal mean.
    #[test]
    fn cuts() {
        for (distance, cut) in [(0.0, 2.7055), (5.0, 3.8415), (f64::INFINITY, 3.8415)] {
            assert!((cut_at(distance) - cut).abs() < 1e-4, "{distance}");
        }
        // By the trapezoidal rule over Z.
        for distance in [0.2, 0.7, 1.3, 1.9] {
            let (c, mut covered, h) = (cut_at(distance), 0.0, 1e-4);
            for i in -80_000..80_000 {
                let z = h * f64::from(i);
                let ratio = if z > -distance { z * z } else { -2.0 * z * distance - distance * distance };
                if ratio <= c {
                    covered += h * (-0.5 * z * z).exp() / (2.0 * core::f64::consts::PI).sqrt();
                }
            }
            assert!((covered - LEVEL).abs() < 1e-4, "{distance}: {covered}");
        }
    }
}
