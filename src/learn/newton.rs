//! Newton's method for the negative log-likelihood of margins, in coordinates in which it is close to a bowl.
//!
//! * v = sinh² s is even in s, so that the boundary v = 0 is an ordinary stationary point.
//! * mean = u cosh s: holding u = mean/√(1 + v) while the spread moves takes out most of the correlation of mean
//!   and spread, and lets the mean of `Fixed` be the start.

use super::margins::Data;
use super::{Beta, Family, LearnError, Margins};
use crate::batch::Sums;

/// Gradient norm, in units of standard errors, that the method aims at; rounding permits less.
const AIM: f64 = 1e-7;
/// Step of the differences of gradients: truncation 1e-8, noise 1e-10.
const STEP: f64 = 1e-4;

/// Growth of ln u after which the mean is on its way to infinity: 1e13-fold.
const FAR: f64 = 30.0;

/// A point (ln u, s).
#[derive(Clone, Copy, Debug)]
pub(super) struct Point {
    pub(super) y: [f64; 2],
    pub(super) nll: f64,
    gradient: [f64; 2],
}

/// p(β) at (ln u, s), if the family holds it.
pub(super) fn beta_at(family: Family, [ln_u, s]: [f64; 2]) -> Option<Beta> {
    Beta::from_mean_v(family, ln_u.exp() * s.cosh(), s.sinh().powi(2)).ok()
}

impl Point {
    fn new(y: [f64; 2], sums: &Sums) -> Self {
        let [a, b] = sums.d_params;
        Self { y, nll: sums.nll, gradient: [a, a * y[1].tanh() + b * (2.0 * y[1]).sinh()] }
    }
}

/// Evaluates points in one pass; `None` if one of them is beyond the family.
fn evaluate<M: Margins, const N: usize>(
    data: &mut Data<M>,
    family: Family,
    at: [[f64; 2]; N],
) -> Result<Option<[Point; N]>, LearnError> {
    // No family refuses a mean of 1.
    let mut betas = [Beta::from_mean_v(Family::Fixed, 1.0, 0.0)?; N];
    for (beta, y) in betas.iter_mut().zip(at) {
        match beta_at(family, y) {
            Some(there) => *beta = there,
            None => return Ok(None),
        }
    }
    let sums = data.sums(&betas)?;
    Ok(Some(core::array::from_fn(|i| Point::new(at[i], &sums[i]))))
}

/// Differences of the gradient.
fn hessian<M: Margins>(
    data: &mut Data<M>,
    family: Family,
    [a, b]: [f64; 2],
) -> Result<Option<[[f64; 2]; 2]>, LearnError> {
    let h = STEP;
    let slope = |up: &Point, down: &Point, i: usize| (up.gradient[i] - down.gradient[i]) / (2.0 * h);
    if family == Family::Fixed {
        let points = evaluate(data, family, [[a + h, b], [a - h, b]])?;
        return Ok(points.map(|[up, down]| [[slope(&up, &down, 0), 0.0], [0.0; 2]]));
    }
    let points = evaluate(data, family, [[a + h, b], [a - h, b], [a, b + h], [a, b - h]])?;
    Ok(points.map(|[u_up, u_down, s_up, s_down]| {
        let mixed = 0.5 * (slope(&u_up, &u_down, 1) + slope(&s_up, &s_down, 0));
        [[slope(&u_up, &u_down, 0), mixed], [mixed, slope(&s_up, &s_down, 1)]]
    }))
}

/// Eigenvalues and the first eigenvector (c, s); the second is (−s, c).
fn eigen([[a, b], [_, d]]: [[f64; 2]; 2]) -> ([f64; 2], [f64; 2]) {
    let (half, mean) = (0.5 * (a - d), 0.5 * (a + d));
    let radius = half.hypot(b);
    let (s, c) = (0.5 * b.atan2(half)).sin_cos();
    ([mean + radius, mean - radius], [c, s])
}

/// The quadratic model at a point.
struct Model {
    /// Eigenvalues, and the gradient along their vectors.
    curvature: [f64; 2],
    slope: [f64; 2],
    vector: [f64; 2],
}

impl Model {
    /// In both coordinates, or in the first alone.
    fn new(hessian: [[f64; 2]; 2], gradient: [f64; 2], both: bool) -> Self {
        if !both {
            return Self {
                curvature: [hessian[0][0], f64::INFINITY],
                slope: [gradient[0], 0.0],
                vector: [1.0, 0.0],
            };
        }
        let (curvature, [c, s]) = eigen(hessian);
        let [a, b] = gradient;
        Self { curvature, slope: [a * c + b * s, b * c - a * s], vector: [c, s] }
    }

    fn definite(&self) -> bool {
        self.curvature.iter().all(|&c| c > 0.0)
    }

    /// √(gᵀH⁻¹g), with |H|.
    fn norm(&self) -> f64 {
        let part = |i: usize| {
            if self.slope[i] == 0.0 { 0.0 } else { self.slope[i].powi(2) / self.curvature[i].abs() }
        };
        (part(0) + part(1)).sqrt()
    }

    /// −(|H| + λ)⁻¹g, λ in units of the larger curvature of the two.
    fn step(&self, damping: f64) -> [f64; 2] {
        let finite = |c: f64| if c.is_finite() { c.abs() } else { 0.0 };
        let damping = damping * finite(self.curvature[0]).max(finite(self.curvature[1]));
        let along = |i: usize| {
            if self.slope[i] == 0.0 { 0.0 } else { -self.slope[i] / (self.curvature[i].abs() + damping) }
        };
        let ([c, s], [p, q]) = (self.vector, [along(0), along(1)]);
        [p * c - q * s, p * s + q * c]
    }
}

/// Where the method ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Solution {
    pub(super) point: Point,
    pub(super) hessian: [[f64; 2]; 2],
    /// Whether the Hessian is positive definite: a minimum, at the cap in the first coordinate.
    pub(super) definite: bool,
    /// Whether s is at the cap and the likelihood rises beyond it.
    pub(super) rising: bool,
    /// √(gᵀH⁻¹g): the gradient in units of standard errors.
    pub(super) gradient: f64,
    pub(super) iterations: u32,
}

impl Solution {
    /// Whether the mean grows without end, from where `ln_u` was.
    pub(super) fn escaped(&self, ln_u: f64) -> bool {
        self.point.y[0] - ln_u > FAR
    }

    /// Whether a minimum near `point` is this one.
    fn attracts(&self, point: &Point, hessian: &[[f64; 2]; 2]) -> bool {
        let d = [point.y[0] - self.point.y[0], point.y[1].abs() - self.point.y[1].abs()];
        let sign = if point.y[1] < 0.0 { -1.0 } else { 1.0 };
        let square = hessian[0][0] * d[0] * d[0]
            + 2.0 * sign * hessian[0][1] * d[0] * d[1]
            + hessian[1][1] * d[1] * d[1];
        self.definite && !self.rising && square.abs() < 0.01
    }
}

/// From a start, |s| ≤ `cap`; `None` if the start is beyond the family, or leads to one of `known`.
pub(super) fn newton<M: Margins>(
    data: &mut Data<M>,
    family: Family,
    start: [f64; 2],
    cap: f64,
    max_iterations: u32,
    known: &[Solution],
) -> Result<Option<Solution>, LearnError> {
    let Some([mut now]) = evaluate(data, family, [start])? else { return Ok(None) };
    // Damping after failures; longer and longer steps where there is no minimum ahead of the quadratic model.
    let (mut damping, mut stretch, mut iterations) = (0.0, 1.0, 0);
    loop {
        let Some(hessian) = hessian(data, family, now.y)? else { return Ok(None) };
        let rising = family != Family::Fixed && now.y[1].abs() >= cap && now.gradient[1] * now.y[1] < 0.0;
        let model = Model::new(hessian, now.gradient, family != Family::Fixed && !rising);
        let (definite, gradient) = (model.definite(), model.norm());
        let here = Solution { point: now, hessian, definite, rising, gradient, iterations };
        let done = definite && gradient < AIM;
        if done || iterations >= max_iterations || here.escaped(start[0]) || !gradient.is_finite() {
            return Ok(Some(here));
        }
        if definite && gradient < 0.3 && known.iter().any(|k| k.attracts(&now, &hessian)) {
            return Ok(None);
        }
        let mut accepted = None;
        for _ in 0..12 {
            let [a, b] = model.step(damping).map(|x| x * stretch);
            // A table of p(β) moves far in one step only where nothing is at stake.
            let fit = (4.0 * stretch / a.abs()).min(0.7 / b.abs()).min(1.0);
            let y = [now.y[0] + fit * a, (now.y[1] + fit * b).clamp(-cap, cap)];
            // Its last steps gain less than the sum's rounding.
            let slack = 1e-13 * now.nll.abs();
            if let Some([next]) = evaluate(data, family, [y])?
                && next.nll <= now.nll + slack
            {
                accepted = Some(next);
                break;
            }
            if stretch > 1.0 {
                stretch = 1.0;
            } else {
                damping = if damping == 0.0 { 0.1 } else { 8.0 * damping };
            }
        }
        let Some(next) = accepted else { return Ok(Some(here)) };
        now = next;
        iterations += 1;
        damping = if damping > 0.01 { 0.1 * damping } else { 0.0 };
        stretch = if definite { 1.0 } else { 2.0 * stretch };
    }
}
