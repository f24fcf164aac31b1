//! Newton's method on an objective, damped, and the search from several starts.

use crate::cholesky::{Cholesky, add_scaled, dot};
use crate::error::LearnError;
use crate::model::SHAPES;
use crate::objective::point::{CURVATURE, HeldHessian, LAPSE, Objective, Point, pick};
use crate::status::FitStatus;

/// What the last step may still move, for every unit of the gradient norm that is aimed at.
const REACH: f64 = 10.0;
/// Reach at which a search that can go no further counts as converged.
const CLOSE: f64 = 1e-3;
/// Gradient norm from which on a known minimum is looked for nearby.
const ATTRACTED: f64 = 0.3;
/// Distance from it, in squared standard errors.
const SAME: f64 = 0.01;
/// Iterations under the Hessian of a sample: each leaves a few per cent of the distance.
const FOLLOWING: u32 = 20;
/// Steps in a row that gain nothing, after which there is no more to gain.
const IDLE: u32 = 8;
/// How far ln γ, r and s move in one step: far only where nothing is at stake.
const LARGEST_STEP: [f64; SHAPES] = [0.5, 0.4, 0.7];
/// Ends of |ln γ| and of r: γ = 1/20 and 20, ε = 0.46.
pub(crate) const ENDS: [f64; 2] = [3.0, 2.0];
/// Trials of a step, each more damped than the one before, from the first damping on.
const TRIALS: u32 = 24;
const FIRST_DAMPING: f64 = 1e-3;
/// A scale that has grown by so much is on its way to infinity…
const ESCAPED: f64 = 1e13;
/// … as one that has grown by so much, and no end of it.
const FAR: f64 = 1e3;
/// Gain over plain DPO in what is maximised that is none.
const NO_GAIN: f64 = 1e-6;
/// s and r below which v and ε are 0.
const ZERO: f64 = 1e-4;
/// Where the spread starts: s of v = sinh² s, the last one next to the cap. From well inside, also where the likelihood
/// falls as v leaves 0: it is not concave, and a local maximum at the boundary proves little.
pub(crate) const STARTS: [f64; 4] = [0.2, 0.8, 1.6, 2.4];
/// Where the lapse starts: ε = 0.01, 0.05, 0.17.
pub(crate) const LAPSES: [f64; 3] = [0.15, 0.35, 0.65];
/// Where ln γ starts.
pub(crate) const BENDS: [f64; 2] = [-0.1, -0.7];

/// Where the method ended.
#[derive(Clone, Debug)]
pub(crate) struct Solution {
    pub(crate) point: Point,
    /// The shapes that were free at the end.
    pub(crate) free: Vec<usize>,
    /// The Hessian in the scale and the free shapes, lower triangle, where the search ended, or next to it.
    lower: Vec<f64>,
    /// Its factor; none if that is not positive definite.
    pub(crate) hessian: Option<Cholesky>,
    /// Whether a shape is at its end and the likelihood rises beyond it.
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
        let d = point.dim();
        let pinned = (0..SHAPES).filter(|k| !self.free.contains(k));
        pinned.map(|k| difference[d + k].abs()).all(|x| x < ZERO)
            && hessian.square(&pick(&difference, d, &self.free)) < SAME
    }

    /// H⁻¹a, for an a of the scale and the free shapes.
    pub(crate) fn solve(&self, mut a: Vec<f64>) -> Option<Vec<f64>> {
        self.hessian.as_ref()?.solve(&mut a);
        a.iter().all(|x| x.is_finite()).then_some(a)
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

/// Follows what was found for a sample to all of the data, of so many times the weight: by the sample's Hessian, which
/// asks for one evaluation a step, and by that of all data for one more step at the end.
pub(crate) fn follow(
    objective: &mut impl Objective,
    start: Vec<f64>,
    of_sample: &Solution,
    times: f64,
    cap: f64,
    max_iterations: u32,
) -> Result<Option<Solution>, LearnError> {
    if let Some(mut found) = by_sample(objective, start.clone(), of_sample, times, cap)?
        && let Some(lower) = objective.hessian(&found.point, &found.free)?
        && let Ok(exact) = Cholesky::new(lower.clone(), found.point.dim() + found.free.len())
    {
        // One of Newton's steps, which leaves the square of what was left.
        let (d, free) = (found.point.dim(), found.free.clone());
        let mut step = pick(&found.point.gradient, d, &free);
        exact.solve(&mut step);
        let mut y = found.point.y.clone();
        let places = (0..d).chain(free.iter().map(|k| d + k));
        places.zip(&step).for_each(|(place, x)| y[place] -= x);
        if let Some(next) = objective.evaluate(y)?
            && next.value <= found.point.value + slack(&found.point)
        {
            found.point = next;
        }
        let mut g = pick(&found.point.gradient, d, &free);
        exact.solve_lower(&mut g);
        found.gradient = dot(&g, &g).sqrt();
        (found.lower, found.hessian) = (lower, Some(exact));
        return Ok(Some(found));
    }
    descend(objective, start, cap, max_iterations, &[])
}

/// The same of a sample so large that its Hessian will do for all: standard errors are those of it.
pub(crate) fn follow_all(
    objective: &mut impl Objective,
    start: Vec<f64>,
    of_sample: &Solution,
    times: f64,
    cap: f64,
    max_iterations: u32,
) -> Result<Option<Solution>, LearnError> {
    match by_sample(objective, start.clone(), of_sample, times, cap)? {
        None => descend(objective, start, cap, max_iterations, &[]),
        found => Ok(found),
    }
}

fn by_sample(
    objective: &mut impl Objective,
    start: Vec<f64>,
    of_sample: &Solution,
    times: f64,
    cap: f64,
) -> Result<Option<Solution>, LearnError> {
    if !(of_sample.converged && of_sample.hessian.is_some()) {
        return Ok(None);
    }
    let lower = of_sample.lower.iter().map(|x| x * times).collect();
    objective.hold_hessian(Some(HeldHessian { shapes: of_sample.free.clone(), lower }));
    let found = descend(objective, start, cap, FOLLOWING, &[]);
    objective.hold_hessian(None);
    Ok(found?.filter(|found| found.converged && found.free == of_sample.free))
}

/// The least of them.
pub(crate) fn least(solutions: Vec<Solution>) -> Option<Solution> {
    solutions.into_iter().reduce(|a, b| if b.point.value < a.point.value { b } else { a })
}

/// What became of a search; without a baseline, where plain DPO has no maximum. The boundary is that of the last shape
/// of the model: v = 0, or ε = 0 of a lapse alone.
pub(crate) fn classify(best: &Solution, baseline: Option<&Baseline>, shapes: [bool; SHAPES]) -> FitStatus {
    let point = &best.point;
    let at_zero = match shapes {
        [_, _, true] => point.s() < ZERO,
        [_, true, false] => point.r() < ZERO,
        _ => false,
    };
    if let Some(baseline) = baseline {
        let (gain, slack) = (baseline.value - point.value, least_gain(best));
        // A curvature has no boundary at γ = 1.
        let inner = shapes == [true, false, false];
        if baseline.is_maximum && (baseline.falling || at_zero) && gain <= slack && !inner {
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

/// From a start, |s| ≤ `cap`; in the scale alone where there are no shapes. `None` if the start is beyond the family,
/// or leads to one of `known`.
pub(crate) fn descend(
    objective: &mut impl Objective,
    start: Vec<f64>,
    cap: f64,
    max_iterations: u32,
    known: &[Solution],
) -> Result<Option<Solution>, LearnError> {
    let Some(mut now) = objective.evaluate(start)? else { return Ok(None) };
    let (d, shapes) = (now.dim(), objective.shapes());
    let ends = [ENDS[CURVATURE], ENDS[LAPSE], cap];
    let (mut damping, mut iterations, mut idle) = (0.0, 0, 0);
    loop {
        // At its end, and better beyond.
        let pinned = |k: usize| {
            let (y, slope) = (now.y[d + k], now.gradient[d + k]);
            y.abs() >= ends[k] && y * slope < 0.0
        };
        let rising = (0..SHAPES).any(|k| shapes[k] && pinned(k));
        let free: Vec<usize> = (0..SHAPES).filter(|&k| shapes[k] && !pinned(k)).collect();
        let Some(hessian) = objective.hessian(&now, &free)? else { return Ok(None) };
        let slopes = pick(&now.gradient, d, &free);
        let exact = Cholesky::new(hessian.clone(), slopes.len()).ok();
        let gradient = exact.as_ref().map_or(f64::INFINITY, |exact| {
            let mut g = slopes.clone();
            exact.solve_lower(&mut g);
            dot(&g, &g).sqrt()
        });
        if gradient < ATTRACTED && !rising && known.iter().any(|k| k.attracts(&now)) {
            return Ok(None);
        }
        let growth = objective.growth(&now);
        // How far Newton's own step would move what the scale is for.
        let reach = {
            let mut step = slopes.clone();
            exact.iter().for_each(|exact| exact.solve(&mut step));
            if gradient.is_finite() { objective.reach(&now, &step[..d]) } else { f64::INFINITY }
        };
        let (aim, within) = (objective.aim(), REACH * objective.aim());
        let converged = gradient < aim && reach < within;
        let done = converged || iterations >= max_iterations || idle >= IDLE || growth > ESCAPED;
        let next = match done {
            true => None,
            false => step(objective, &now, &hessian, &free, &ends, &mut damping)?,
        };
        let Some(next) = next else {
            // Rounding may end the search a little above the aim. Where it went on for long without gain, the steps
            // must be short, too; and where standard errors are small beside the scale, short steps are enough.
            let close = gradient < objective.close() && (idle < IDLE || reach < CLOSE.max(objective.close()));
            let converged = converged || ((close || reach < within) && iterations < max_iterations);
            return Ok(Some(Solution {
                point: now,
                free,
                lower: hessian,
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
    free: &[usize],
    ends: &[f64; SHAPES],
    damping: &mut f64,
) -> Result<Option<Point>, LearnError> {
    let d = now.dim();
    let n = d + free.len();
    let mut information = None;
    for _ in 0..TRIALS {
        let mut damped = hessian.to_vec();
        if *damping > 0.0 {
            if information.is_none() {
                information = objective.information(now, hessian)?;
            }
            let rows = information.iter().flat_map(|lower| lower.chunks_exact(d));
            for (row, m) in damped.chunks_exact_mut(n).zip(rows) {
                add_scaled(&mut row[..d], *damping, m);
            }
            for i in d..n {
                damped[i * n + i] += *damping * damped[i * n + i].abs();
            }
        }
        if let Some(y) = propose(objective, now, &damped, free, ends)
            && let Some(next) = objective.evaluate(y)?
            // Its last steps gain less than the sum's rounding.
            && next.value <= now.value + slack(now)
        {
            *damping = if *damping > FIRST_DAMPING { 0.1 * *damping } else { 0.0 };
            return Ok(Some(next));
        }
        *damping = if *damping == 0.0 { FIRST_DAMPING } else { 8.0 * *damping };
    }
    Ok(None)
}

/// Where Newton's step leads, no further than may be; `None` where the matrix is not positive definite.
fn propose(
    objective: &impl Objective,
    now: &Point,
    matrix: &[f64],
    free: &[usize],
    ends: &[f64; SHAPES],
) -> Option<Vec<f64>> {
    let (d, n) = (now.dim(), now.dim() + free.len());
    let model = Cholesky::new(matrix.to_vec(), n).ok()?;
    let slopes = pick(&now.gradient, d, free);
    let mut step = slopes.clone();
    model.solve(&mut step);
    let fraction = |step: &[f64]| {
        let shapes = free.iter().zip(&step[d..]).map(|(&k, x)| LARGEST_STEP[k] / x.abs());
        shapes.fold(objective.limit_step(now, &step[..d]).min(1.0), f64::min)
    };
    let mut part = fraction(&step);
    let proposed = |step: &[f64], part: f64, i: usize, k: usize| now.y[d + k] - part * step[d + i];
    let beyond = |step: &[f64], part: f64| {
        let over = |&(i, &k): &(usize, &usize)| proposed(step, part, i, k).abs() > ends[k];
        free.iter().enumerate().filter(over).map(|(i, _)| d + i).collect::<Vec<_>>()
    };
    let stopped = beyond(&step, part);
    if !stopped.is_empty() {
        // To the end, and all others to where they are best there.
        let mut fixed = vec![0.0; n];
        for &i in &stopped {
            let k = free[i - d];
            fixed[i] = now.y[d + k] - proposed(&step, part, i - d, k).clamp(-ends[k], ends[k]);
        }
        let rest: Vec<usize> = (0..n).filter(|i| !stopped.contains(i)).collect();
        let entry = |i: usize, j: usize| if i >= j { matrix[i * n + j] } else { matrix[j * n + i] };
        let reduced = rest.iter().flat_map(|&i| rest.iter().map(move |&j| (i, j))).map(|(i, j)| entry(i, j));
        let reduced = Cholesky::new(reduced.collect(), rest.len()).ok()?;
        let mut others: Vec<f64> = rest
            .iter()
            .map(|&i| slopes[i] - stopped.iter().map(|&j| entry(i, j) * fixed[j]).sum::<f64>())
            .collect();
        reduced.solve(&mut others);
        step.fill(0.0);
        rest.iter().zip(&others).for_each(|(&i, x)| step[i] = *x);
        part = fraction(&step);
        for &i in &stopped {
            // Taken whole, whatever part of the others is.
            step[i] = fixed[i] / part;
        }
    }
    let mut y = now.y.clone();
    for (y, x) in y.iter_mut().zip(&step[..d]) {
        *y -= part * x;
    }
    for (i, &k) in free.iter().enumerate() {
        let moved = proposed(&step, part, i, k).clamp(-ends[k], ends[k]);
        // Everything is even in r and s.
        y[d + k] = if k == CURVATURE { moved } else { moved.abs() };
    }
    Some(y)
}
