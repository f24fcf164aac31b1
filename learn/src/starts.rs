//! Where joint training begins.
//!
//! The likelihood of w and the spread has several maxima. That of `Fixed` gives a direction of w, which a few choices
//! against large margins hold down or bend; so does a policy of pairs that all have one length, which no single pair
//! bends, and where single numbers are far beyond the others, as placeholders are, policies that these cannot bend
//! either. Along each direction the mean and the spread are those that margins at hand ask for: the descent of
//! [`fit`](crate::fit()) in two dimensions, which costs little and has its own several starts.

use crate::cholesky::Cholesky;
use crate::data::margins::Weighted;
use crate::data::pairs::Pairs;
use crate::data::sizes::UsualSizes;
use crate::descent::{BENDS, LAPSES, STARTS, descend};
use crate::fit::find_margin_minima;
use crate::model::{Model, SHAPES};
use crate::objective::pairs::{PairLoss, WeightedPairs, scale};
use crate::objective::point::{epsilon_at, join};
use crate::options::Options;
use prefstrength::Family;

/// Iterations that another direction may take: it need not be a maximum, and where pairs separate has none.
const DIRECTION: u32 = 25;
/// s between which a start lies: v = 0 may be a saddle, and the cap leaves no way back.
const LEAST: f64 = 0.1;
const PART_OF_CAP: f64 = 0.97;

/// Where plain DPO starts: at 0, whose curvature is large where there is much to learn; where a row is far beyond the
/// others, that curvature is of this row alone, and the policy of shrunk rows may be a better place.
pub(crate) fn find_fixed_starts(data: &WeightedPairs<'_>, usual: &UsualSizes, ridge: f64) -> Vec<Vec<f64>> {
    let mut starts = vec![vec![0.0; data.pairs.dim() + SHAPES]];
    if usual.shrunk {
        let shrink = |f: &[f64]| f.iter().map(|x| x * usual.shrink(f)).collect::<Vec<_>>();
        starts.extend(find_policy(data, shrink, ridge).map(|w| join(w, [0.0; SHAPES])));
    }
    starts
}

/// Other policies of the same choices: between features of one length; where some are far beyond their usual size,
/// between features that are cut off, and between their signs. None where that is no policy.
pub(crate) fn find_directions(
    data: &WeightedPairs<'_>,
    metric: &Cholesky,
    usual: &UsualSizes,
) -> Vec<Vec<f64>> {
    let equal = |f: &[f64]| {
        // In the metric of w, so that the units of the features do not matter.
        let mut x = f.to_vec();
        metric.solve_lower(&mut x);
        let length = x.iter().map(|x| x * x).sum::<f64>().sqrt();
        f.iter().map(|f| if length > 0.0 { f / length } else { 0.0 }).collect()
    };
    let mut directions: Vec<Vec<f64>> = find_policy(data, equal, 0.0).into_iter().collect();
    if usual.extreme {
        directions.extend(find_policy(data, |f| usual.clip(f).collect(), 0.0));
        directions.extend(find_policy(data, |f| usual.sign(f).collect(), 0.0));
    }
    directions
}

/// The w of plain DPO for features put in place of others, about: it need not be a maximum.
fn find_policy(
    data: &WeightedPairs<'_>,
    replace: impl Fn(&[f64]) -> Vec<f64>,
    ridge: f64,
) -> Option<Vec<f64>> {
    let pairs = data.pairs;
    let mut features = Vec::with_capacity(pairs.len() * pairs.dim());
    pairs.rows().for_each(|f| features.extend(replace(f)));
    let replaced = Pairs::new(features, pairs.dim()).ok()?;
    let data = WeightedPairs::new(&replaced, data.weights());
    let metric = data.metric(ridge, &UsualSizes::default()).ok()?;
    let model = Model::new(Family::Fixed);
    let mut loss = PairLoss { data, model, ridge, prior: 0.0, metric: &metric, reference: 0.0 };
    let start = vec![0.0; replaced.dim() + SHAPES];
    let found = descend(&mut loss, start, 0.0, DIRECTION, &[]).ok()??;
    let u = found.point.scale();
    u.iter().all(|u| u.is_finite()).then(|| u.to_vec()).filter(|u| u.iter().any(|&u| u != 0.0))
}

/// Starts at the policy of plain DPO itself.
pub(crate) fn start_beside(model: Model, w: &[f64], cap: f64) -> Vec<Vec<f64>> {
    let at = |shapes: [f64; SHAPES]| join(w.iter().copied(), shapes);
    if model.curvature {
        return BENDS.iter().map(|&c| at([c, 0.0, 0.0])).collect();
    }
    if !model.has_spread() {
        // Flipped labels flatten the curve by 1 − 2ε next to 0.
        let steeper = |&r: &f64| join(scale(w, 1.0 / (1.0 - 2.0 * epsilon_at(r))), [0.0, r, 0.0]);
        return LAPSES.iter().map(steeper).collect();
    }
    let r = if model.lapse { LAPSES[1] } else { 0.0 };
    // Not from the smallest and the largest spread: the search along w has these.
    STARTS[1..3].iter().map(|s| at([0.0, r, s.min(0.9 * cap)])).collect()
}

/// Starts along a direction of w, of a model whose only shape is a spread.
pub(crate) fn start_along(data: &WeightedPairs<'_>, w: &[f64], model: Model, max_cv: f64) -> Vec<Vec<f64>> {
    if model != Model::new(model.family) || !model.has_spread() {
        return Vec::new();
    }
    let Ok(margins) = data.pairs.margins(w) else { return Vec::new() };
    let options = Options { max_cv, ..Options::default() };
    let found = Weighted::maybe_weighted(&margins, data.weights())
        .and_then(|margins| find_margin_minima(model.family, margins, &options));
    // Margins that all have one sign, or say nothing, give no start.
    let Ok(found) = found else { return Vec::new() };
    let most = (PART_OF_CAP * max_cv.asinh()).max(LEAST);
    let starts = found.into_iter().map(|(unit, s)| join(scale(w, unit), [0.0, 0.0, s.clamp(LEAST, most)]));
    starts.filter(|y| y.iter().all(|y| y.is_finite())).collect()
}
