//! Where joint training begins.
//!
//! The likelihood of w and the spread has several maxima. That of `Fixed` gives a direction of w, which a few choices
//! against large margins hold down or bend; so does a policy of pairs that all have one length, which no single pair
//! bends. Along each direction the mean and the spread are those that margins at hand ask for: a search in two
//! dimensions, which costs little and has its own several starts.

use super::cholesky::Cholesky;
use super::fit::{self, Options};
use super::joint::Problem;
use super::margins::Data;
use super::{Family, Pairs, Weighted};

/// Iterations that the second direction may take: it need not be a maximum, and where pairs separate has none.
const DIRECTION: u32 = 25;
/// s between which a start lies: v = 0 may be a saddle, and the cap leaves no way back.
const LEAST: f64 = 0.1;
const PART_OF_CAP: f64 = 0.97;

/// The policy of the same choices between features of one length; none where that is no policy.
pub(super) fn direction(problem: &Problem<'_>, metric: &Cholesky) -> Option<Vec<f64>> {
    let pairs = problem.pairs;
    let mut features = Vec::with_capacity(pairs.len() * pairs.dim());
    for f in pairs.rows() {
        // In the metric of w, so that the units of the features do not matter.
        let mut x = f.to_vec();
        metric.solve_lower(&mut x);
        let length = x.iter().map(|x| x * x).sum::<f64>().sqrt();
        features.extend(f.iter().map(|f| if length > 0.0 { f / length } else { 0.0 }));
    }
    let equal = Pairs::new(features, pairs.dim()).ok()?;
    let problem = Problem { pairs: &equal, weights: problem.weights(), ridge: 0.0, prior: 0.0 };
    let metric = problem.metric().ok()?;
    let start = (vec![0.0; equal.dim()], 0.0);
    let found = problem.newton(Family::Fixed, &metric, start, 0.0, DIRECTION, &[]).ok()??;
    let u = found.point.u;
    u.iter().all(|u| u.is_finite()).then_some(u).filter(|u| u.iter().any(|&u| u != 0.0))
}

/// Starts (u, s) along a direction of w.
pub(super) fn along(
    problem: &Problem<'_>,
    w: &[f64],
    family: Family,
    cap: f64,
    max_cv: f64,
) -> Vec<(Vec<f64>, f64)> {
    let Ok(margins) = problem.pairs.margins(w) else { return Vec::new() };
    let options = Options { max_cv, ..Options::default() };
    let found = Weighted::maybe(&margins, problem.weights())
        .and_then(Data::new)
        .and_then(|mut data| Ok((data.scale, fit::search(&mut data, family, &options)?)));
    // Margins that all have one sign, or say nothing, give no start.
    let Ok((scale, found)) = found else { return Vec::new() };
    let start = |[ln_u, s]: [f64; 2]| {
        let unit = ln_u.exp() * scale;
        let u: Vec<f64> = w.iter().map(|w| w * unit).collect();
        (u, s.abs().clamp(LEAST, (PART_OF_CAP * cap).max(LEAST)))
    };
    found.into_iter().map(start).filter(|(u, _)| u.iter().all(|u| u.is_finite())).collect()
}
