//! Choices as they were made and as they were predicted.

use super::parts::{HEIGHT, LEFT, Layout, OBSERVED, Plot, RIGHT, Range, rule, usable};
use super::series::Series;

/// Pairs with margins of about the same size.
#[derive(Clone, Debug)]
pub(crate) struct CalibrationBin {
    /// Mean of |D|.
    pub(crate) size: f64,
    /// Number or total weight of the pairs.
    pub(crate) weight: f64,
    /// Share that prefers the answer with the larger margin.
    pub(crate) observed: f64,
    /// 95 % interval of that share.
    pub(crate) interval: [f64; 2],
    /// The share that each family predicts.
    pub(crate) predicted: Vec<(Series, f64)>,
}

/// Predicted against observed shares of choices, by the size of the margin.
pub(crate) fn calibration(title: &str, subtitle: &str, bins: &[CalibrationBin]) -> String {
    let mut bins: Vec<&CalibrationBin> = bins.iter().filter(|bin| usable(bin.size)).collect();
    bins.sort_by(|a, b| a.size.total_cmp(&b.size));
    let sizes = || bins.iter().map(|bin| bin.size);
    let (least, most) = (sizes().fold(f64::INFINITY, f64::min), sizes().fold(0.0, f64::max));
    let x = if least > 0.0 && most.ln() - least.ln() > f64::ln(30.0) {
        Range { log: true, ..Range::new(least / 1.25, most * 1.25) }
    } else {
        Range::around(sizes()).spare(0.04, 0.04)
    };
    let shares = |bin: &&CalibrationBin| {
        let predicted = bin.predicted.iter().map(|p| p.1);
        predicted.chain(bin.interval).chain([bin.observed]).collect::<Vec<f64>>()
    };
    let all = Range::around(bins.iter().flat_map(shares).map(|share| 100.0 * share).chain([50.0, 60.0]));
    let mut y = Range { unit: " %", ..all.spare(0.05, 0.05) };
    if all.from >= 0.0 && all.to <= 100.0 {
        (y.from, y.to) = (y.from.max(-1.5), y.to.min(101.5));
    }

    let predicts = |s: &Series| bins.iter().any(|bin| bin.predicted.iter().any(|p| p.0 == *s));
    let bars = format!(r#"stroke="{OBSERVED}" stroke-width="1.5""#);
    let sample = format!(
        r#"<path d="M15 -8V8m-3 0h6m-6 -16h6" {bars} fill="none"/><circle cx="15" r="4.5" fill="{OBSERVED}"/>"#
    );
    let mut keys = vec![(sample, "observed, 95 % interval".to_owned())];
    keys.extend(Series::all().filter(predicts).map(Series::key));
    let mut plot = Plot::new(Layout {
        title,
        subtitle,
        keys,
        x,
        x_title: if x.log {
            "mean size of the margin |D|, logarithmic"
        } else {
            "mean size of the margin |D|"
        },
        y,
        y_title: "share that prefers the answer with the larger margin",
        left: LEFT,
        right: RIGHT,
        height: HEIGHT,
    });
    let half = plot.y.at(50.0);
    rule(&mut plot, None, half);

    let heaviest = bins.iter().map(|bin| bin.weight).filter(|w| usable(*w)).fold(0.0, f64::max);
    let mut dots = String::new();
    for bin in &bins {
        let Some(x) = plot.x.at(bin.size) else { continue };
        if let [Some(from), Some(to)] = bin.interval.map(|end| plot.y.at(100.0 * end)) {
            dots +=
                &format!(r#"<path d="M{x:.2} {from:.2}V{to:.2}m-3 0h6M{:.2} {from:.2}h6" {bars}/>"#, x - 3.0);
        }
        if let Some(y) = plot.y.at(100.0 * bin.observed) {
            let share = if usable(bin.weight) && heaviest > 0.0 { bin.weight / heaviest } else { 0.0 };
            let radius = (6.5 * share.clamp(0.0, 1.0).sqrt()).max(3.0);
            dots += &format!(
                r##"<circle cx="{x:.2}" cy="{y:.2}" r="{radius:.2}" fill="{OBSERVED}" stroke="#ffffff"/>"##
            );
        }
    }
    let of = |series| {
        let predicted = move |bin: &&CalibrationBin| {
            let size = bin.size;
            let own = bin.predicted.iter().filter(move |p| p.0 == series);
            own.map(move |p| (size, 100.0 * p.1)).collect::<Vec<_>>()
        };
        bins.iter().flat_map(predicted)
    };
    let lines: String = Series::bottom_up().map(|s| s.line(&plot, of(s))).collect();
    plot.clipped(&(lines + &dots));
    if bins.is_empty() {
        plot.no_data();
    }
    plot.finish()
}
