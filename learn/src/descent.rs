//! Newton's method on an objective, damped, and the search from several starts.

use crate::cholesky::{Cholesky, add_scaled, dot};
use crate::error::LearnError;
use crate::objective::point::{Objective, Point};
use crate::status::FitStatus;

/// Gradient norm, in units of standard errors, that the method aims at; rounding permits less.
const AIM: f64 = 1e-7;
/// What the last step may still move.
const REACH: f64 = 1e-6;
/// Gradient norm at which a search that can go no further counts as converged, and reach likewise.
const CLOSE: f64 = 1e-3;
/// Gradient norm from which on a known minimum is looked for nearby.
const ATTRACTED: f64 = 0.3;
/// Distance from it, in squared standard errors.
const SAME: f64 = 0.01;
/// Steps in a row that gain nothing, after which there is no more to gain.
const IDLE: u32 = 8;
/// How far the spread moves in one step: far only where nothing is at stake.
const LARGEST_STEP: f64 = 0.7;
/// Trials of a step, each more damped than the one before, from the first damping on.
const TRIALS: u32 = 24;
const FIRST_DAMPING: f64 = 1e-3;
/// A scale that has grown by so much is on its way to infinity…
const ESCAPED: f64 = 1e13;
/// … as one that has grown by so much, and no end of it.
const FAR: f64 = 1e3;
/// Gain over plain DPO in what is maximised that is none.
const NO_GAIN: f64 = 1e-6;
/// s below which v is 0.
const ZERO: f64 = 1e-4;
/// Where the spread starts: s of v = sinh² s, the last one next to the cap. From well inside, also where the likelihood
/// falls as v leaves 0: it is not concave, and a local maximum at the boundary proves little.
pub(crate) const STARTS: [f64; 4] = [0.2, 0.8, 1.6, 2.4];

/// Where the method ended.
#[derive(Clone, Debug)]
pub(crate) struct Solution {
    pub(crate) point: Point,
    /// Of the Hessian in the scale and s, or in the scale alone where s is not free; none if that is not positive
    /// definite.
    pub(crate) hessian: Option<Cholesky>,
    /// Whether s is at the cap and the likelihood rises beyond it.
    rising: bool,
    /// √(gᵀH⁻¹g): the gradient in units of standard errors.
    pub(crate) gradient: f64,
    pub(crate) converged: bool,
    pub(crate) iterations: u32,
    growth: f64,
}

impl Solution {
    /// Whether a search that has come to `point` will end here.
    fn attracts(&self, point: &Point) -> bool {
        let Some(hessian) = self.hessian.as_ref().filter(|_| self.converged && !self.rising) else {
            return false;
        };
        let difference: Vec<f64> = point.y.iter().zip(&self.point.y).map(|(a, b)| a - b).collect();
        hessian.square(&difference) < SAME
    }

    /// That of aᵀy: √(aᵀH⁻¹a), |L⁻¹a| of the factor.
    pub(crate) fn standard_error(&self, mut a: Vec<f64>) -> Option<f64> {
        self.hessian.as_ref()?.solve_lower(&mut a);
        let error = dot(&a, &a).sqrt();
        (error > 0.0 && error.is_finite()).then_some(error)
    }
}

/// What plain DPO leaves to be gained.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Baseline {
    /// What is minimised, there.
    pub(crate) value: f64,
    pub(crate) is_maximum: bool,
    /// Whether the likelihood falls as v leaves 0.
    pub(crate) falling: bool,
}

/// The minima that the starts lead to, |s| ≤ `cap`, each once.
pub(crate) fn find_minima(
    objective: &mut impl Objective,
    starts: Vec<Vec<f64>>,
    cap: f64,
    max_iterations: u32,
) -> Result<Vec<Solution>, LearnError> {
    let mut solutions = Vec::with_capacity(starts.len());
    for start in starts {
        solutions.extend(descend(objective, start, cap, max_iterations, &solutions)?);
    }
    Ok(solutions)
}

/// The least of them.
pub(crate) fn least(solutions: Vec<Solution>) -> Option<Solution> {
    solutions.into_iter().reduce(|a, b| if b.point.value < a.point.value { b } else { a })
}

/// What became of a search over scale and spread; without a baseline, where plain DPO has no maximum.
pub(crate) fn classify(best: &Solution, baseline: Option<&Baseline>) -> FitStatus {
    let at_zero = best.point.s() < ZERO;
    if let Some(baseline) = baseline {
        let (gain, slack) = (baseline.value - best.point.value, least_gain(best));
        if baseline.is_maximum && (baseline.falling || at_zero) && gain <= slack {
            return FitStatus::Boundary;
        }
        // At v = 0 the scale is that of plain DPO, unless one of the two is not done.
        if gain < -slack || at_zero {
            return FitStatus::NotConverged;
        }
    }
    match () {
        () if best.growth > ESCAPED || (best.rising && best.converged) => FitStatus::Unbounded,
        () if best.converged && best.hessian.is_some() => FitStatus::Interior,
        () if best.growth > FAR => FitStatus::Unbounded,
        () => FitStatus::NotConverged,
    }
}

/// What counts as a gain: a little more than rounding.
pub(crate) fn least_gain(best: &Solution) -> f64 {
    NO_GAIN + slack(&best.point)
}

/// Rounding of what is minimised.
fn slack(at: &Point) -> f64 {
    1e-13 * at.value.abs()
}

/// From a start, |s| ≤ `cap`; in the scale alone where there is no spread. `None` if the start is beyond the family,
/// or leads to one of `known`.
pub(crate) fn descend(
    objective: &mut impl Objective,
    start: Vec<f64>,
    cap: f64,
    max_iterations: u32,
    known: &[Solution],
) -> Result<Option<Solution>, LearnError> {
    let Some(mut now) = objective.evaluate(start)? else { return Ok(None) };
    let d = now.y.len() - 1;
    let (mut damping, mut iterations, mut idle) = (0.0, 0, 0);
    loop {
        let rising = objective.has_spread() && now.s() >= cap && now.gradient[d] < 0.0;
        let free = d + usize::from(objective.has_spread() && !rising);
        let Some(hessian) = objective.hessian(&now, free > d)? else { return Ok(None) };
        let exact = Cholesky::new(hessian.clone(), free).ok();
        let gradient = exact.as_ref().map_or(f64::INFINITY, |exact| {
            let mut g = now.gradient[..free].to_vec();
            exact.solve_lower(&mut g);
            dot(&g, &g).sqrt()
        });
        if gradient < ATTRACTED && !rising && known.iter().any(|k| k.attracts(&now)) {
            return Ok(None);
        }
        let growth = objective.growth(&now);
        // How far Newton's own step would move what the scale is for.
        let reach = {
            let mut step = now.gradient[..free].to_vec();
            exact.iter().for_each(|exact| exact.solve(&mut step));
            if gradient.is_finite() { objective.reach(&now, &step[..d]) } else { f64::INFINITY }
        };
        let converged = gradient < AIM && reach < REACH;
        let done = converged || iterations >= max_iterations || idle >= IDLE || growth > ESCAPED;
        let next = if done { None } else { step(objective, &now, &hessian, free, cap, &mut damping)? };
        let Some(next) = next else {
            // Rounding may end the search a little above the aim. Where it went on for long without gain, the steps
            // must be short, too; and where standard errors are small beside the scale, short steps are enough.
            let close = gradient < CLOSE && (idle < IDLE || reach < CLOSE);
            let converged = converged || ((close || reach < REACH) && iterations < max_iterations);
            return Ok(Some(Solution {
                point: now,
                hessian: exact,
                rising,
                gradient,
                converged,
                iterations,
                growth,
            }));
        };
        // On a floor of rounding there is nowhere to go.
        idle = if next.value < now.value - slack(&now) { 0 } else { idle + 1 };
        now = next;
        iterations += 1;
    }
}

/// A point below `now`, if there is one.
fn step(
    objective: &mut impl Objective,
    now: &Point,
    hessian: &[f64],
    free: usize,
    cap: f64,
    damping: &mut f64,
) -> Result<Option<Point>, LearnError> {
    let d = now.y.len() - 1;
    let mut information = None;
    for _ in 0..TRIALS {
        let mut damped = hessian.to_vec();
        if *damping > 0.0 {
            if information.is_none() {
                information = objective.information(now, hessian)?;
            }
            let rows = information.iter().flat_map(|lower| lower.chunks_exact(d));
            for (row, m) in damped.chunks_exact_mut(free).zip(rows) {
                add_scaled(&mut row[..d], *damping, m);
            }
            if free > d {
                let last = free * free - 1;
                damped[last] += *damping * damped[last].abs();
            }
        }
        // What ties s to the scale.
        let tie = damped.get(d * free..d * free + d).map(<[f64]>::to_vec);
        if let Ok(model) = Cholesky::new(damped, free) {
            let mut step = now.gradient[..free].to_vec();
            model.solve(&mut step);
            let along_s = step.get(d).map_or(0.0, |x| x.abs());
            let mut fit = (LARGEST_STEP / along_s).min(objective.limit_step(now, &step[..d])).min(1.0);
            let mut s = step.get(d).map_or(now.s(), |x| now.s() - fit * x);
            if let Some(tie) = tie.filter(|_| s.abs() > cap) {
                // To the cap, and the scale to where it is best there.
                s = s.clamp(-cap, cap);
                step[..d].copy_from_slice(&now.gradient[..d]);
                add_scaled(&mut step[..d], s - now.s(), &tie);
                model.solve(&mut step[..d]);
                fit = objective.limit_step(now, &step[..d]).min(1.0);
            }
            let mut y: Vec<f64> = now.y[..d].iter().zip(&step).map(|(u, x)| u - fit * x).collect();
            // Everything is even in s.
            y.push(s.abs());
            // Its last steps gain less than the sum's rounding.
            if let Some(next) = objective.evaluate(y)?
                && next.value <= now.value + slack(now)
            {
                *damping = if *damping > FIRST_DAMPING { 0.1 * *damping } else { 0.0 };
                return Ok(Some(next));
            }
        }
        *damping = if *damping == 0.0 { FIRST_DAMPING } else { 8.0 * *damping };
    }
    Ok(None)
}
