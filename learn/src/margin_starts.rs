//! Where fits of margins begin.
//!
//! Moments are a good guess until one margin is a thousand times the others: then they are about that margin alone.
//! The median of |D| is about the others.

use crate::data::margins::Margins;
use crate::data::scan::Scanned;
use crate::descent::{BENDS, LAPSES, STARTS};
use crate::error::LearnError;
use crate::model::{Model, SHAPES};
use crate::objective::margins::MarginLoss;
use crate::objective::point::{Objective, epsilon_at, join};
use prefstrength::Family;

/// Scales that differ by more than this factor are looked into.
const FAR: f64 = 30.0;
/// ln of the largest mean that is tried.
const MOST: f64 = 700.0;

/// ln mean for plain DPO: Newton's first step from 0, or, where that is far below what the usual margin asks for, some
/// place within a factor e of the maximum. The likelihood is concave in the mean, so that its slope tells the side.
pub(crate) fn start_fixed<M: Margins>(data: &mut Scanned<M>) -> Result<f64, LearnError> {
    // No maximum is below it.
    let (mut low, typical) = (data.ln_first_step, -data.ln_typical);
    if low.is_finite() && typical - low <= FAR.ln() {
        return Ok(low);
    }
    low = if low.is_finite() { low } else { -MOST };
    let mut loss = MarginLoss { data, model: Model::new(Family::Fixed), prior: 0.0, reference: 0.0 };
    // Whether the maximum is below, or at, a mean; one beyond f64 is too large.
    let mut is_below = |ln_mean: f64| -> Result<bool, LearnError> {
        Ok(loss.evaluate(join([ln_mean], [0.0; SHAPES]))?.is_none_or(|point| point.gradient[0] >= 0.0))
    };
    let mut high = typical + FAR.ln();
    if !is_below(high)? {
        (low, high) = (high, MOST);
    }
    while high - low > 1.0 {
        let middle = 0.5 * (low + high);
        if is_below(middle)? { high = middle } else { low = middle }
    }
    Ok(0.5 * (low + high))
}

/// Starts (ln u, ln γ, r, s) with one scale, and with that of the usual margin where it is another.
pub(crate) fn usual_starts(model: Model, ln_u: f64, cap: f64, ln_typical: f64) -> Vec<Vec<f64>> {
    let mut starts = starts_at(model, ln_u, cap);
    if (ln_u + ln_typical).abs() > FAR.ln() {
        starts.extend(starts_at(model, -ln_typical, cap));
    }
    starts
}

fn starts_at(model: Model, ln_u: f64, cap: f64) -> Vec<Vec<f64>> {
    let lapses: &[f64] = match (model.lapse, model.has_spread()) {
        (true, false) => &LAPSES,
        (true, true) => &LAPSES[1..2],
        (false, _) => &[0.0],
    };
    let spreads: &[f64] = match (model.has_spread(), model.lapse) {
        (true, false) => &STARTS,
        (true, true) => &STARTS[1..2],
        (false, _) => &[0.0],
    };
    let bends: &[f64] = if model.curvature { &BENDS } else { &[0.0] };
    let mut starts = Vec::new();
    for &c in bends {
        for &r in lapses {
            for &s in spreads {
                // Flipped labels flatten the curve by 1 − 2ε next to 0.
                let steeper = ln_u - (-2.0 * epsilon_at(r)).ln_1p();
                starts.push(join([steeper], [c, r, s.min(0.9 * cap)]));
            }
        }
    }
    starts
}
