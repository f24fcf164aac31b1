//! Choices against the margin, where explanations part.

use super::model::Model;
use super::parts::{HEIGHT, LEFT, Layout, OBSERVED, Plot, RIGHT, Range, usable};

/// Share of the choices, those with the largest margins, that get half of the bins.
const LARGE: f64 = 0.3;
/// Φ⁻¹(0.975).
const Z: f64 = 1.959_963_984_540_054;

/// Choices at margins of about the same size.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Choices {
    /// Mean of |D|.
    pub(crate) size: f64,
    /// How many; with unequal weights (Σw)²/Σw².
    pub(crate) number: f64,
    /// Of them, those that went to the answer with the smaller margin.
    pub(crate) against: f64,
}

impl Choices {
    fn usable(&self) -> bool {
        let Self { size, number, against } = *self;
        usable(size) && size > 0.0 && usable(number) && number >= 1e-290 && (0.0..=number).contains(&against)
    }

    fn share(&self) -> f64 {
        self.against / self.number
    }

    /// 95 % interval of the share, by E. B. Wilson (1927).
    fn interval(&self) -> [f64; 2] {
        let (p, z) = (self.share(), Z * Z / self.number);
        if z > 1e100 {
            return [0.0, 1.0];
        }
        let (middle, half) = (p + 0.5 * z, (z * (p * (1.0 - p) + 0.25 * z)).max(0.0).sqrt());
        // Where none went against, the lower end is 0, not what rounding leaves of it.
        let lower = if p > 0.0 { middle - half } else { 0.0 };
        [lower, middle + half].map(|x| (x / (1.0 + z)).clamp(0.0, 1.0))
    }
}

/// Single choices, or fine bins, put together in about so many bins, half of them for the 30 % with the largest
/// margins; fewer where many margins have one size. What is no count of choices is left out.
pub(crate) fn bins_of_choices(fine: &[Choices], bins: usize) -> Vec<Choices> {
    let mut fine: Vec<Choices> = fine.iter().copied().filter(Choices::usable).collect();
    fine.sort_by(|a, b| a.size.total_cmp(&b.size));
    let largest = fine.iter().map(|c| c.number).fold(1.0, f64::max);
    let total: f64 = fine.iter().map(|c| c.number / largest).sum();
    let few = bins / 2;
    // The share of all choices at which a bin ends.
    let ends = |bin: usize| match bin < few {
        true => (1.0 - LARGE) * (bin + 1) as f64 / few as f64,
        false => 1.0 - LARGE + LARGE * (bin + 1 - few) as f64 / (bins - few).max(1) as f64,
    };
    let (mut all, mut bin, mut seen, mut ended) = (Vec::new(), None::<Choices>, 0.0, 0);
    for (i, one) in fine.iter().enumerate() {
        let own = one.number / largest;
        seen += own;
        bin = Some(match bin {
            None => *one,
            Some(sum) => {
                let number = sum.number + one.number;
                let share = one.number / number;
                let size = sum.size + share * (one.size - sum.size);
                Choices { size, number, against: (sum.against + one.against).min(number) }
            }
        });
        let due = seen / total * (1.0 + 1e-12) >= ends(ended);
        if due && fine.get(i + 1).is_none_or(|next| next.size > one.size) {
            all.extend(bin.take());
            while ended < bins && ends(ended) <= seen / total * (1.0 + 1e-12) {
                ended += 1;
            }
        }
    }
    all.extend(bin);
    all
}

/// What a model says.
#[derive(Clone, Debug)]
pub(crate) struct AgainstCurve {
    /// Which.
    pub(crate) model: Model,
    /// |D|, and the chance to choose against it. Close to each other on a logarithmic axis too.
    pub(crate) points: Vec<(f64, f64)>,
}

/// Logarithmic where the largest margins are far from the others.
fn across(sizes: &[f64]) -> Range {
    let (Some(&least), Some(&most)) = (sizes.first(), sizes.last()) else { return Range::new(0.0, 1.0) };
    let median = sizes[sizes.len() / 2];
    if least >= 1e-290 && most > 20.0 * median {
        return Range { log: true, ..Range::new(least / 1.25, most * 1.25) };
    }
    Range::new(0.0, 1.04 * most)
}

/// In per cent: down to a bit below what was observed, and at least over a decade.
fn upwards(bins: &[Choices], curves: &[AgainstCurve]) -> Range {
    let deep = |bin: &Choices| match (bin.share(), bin.interval()) {
        (share, [lower, _]) if share > 0.0 => lower.max(0.1 * share),
        (_, [_, upper]) => upper / 8.0,
    };
    let mut from = bins.iter().map(deep).filter(|p| *p >= 1e-290).fold(0.05, f64::min);
    if bins.is_empty() {
        let points = curves.iter().flat_map(|c| &c.points).map(|p| p.1);
        from = points.filter(|p| *p >= 1e-5).fold(from, f64::min);
    }
    let to = bins.iter().map(|bin| bin.interval()[1]).fold(0.5, f64::max);
    Range { from: 100.0 * from / 1.2, to: 120.0 * to, log: true, unit: " %", shown: true }
}

/// How often choices go against the margin, by its size, and how often some models say that they do; the first is on
/// top. For plain DPO it is all but a straight line, unless the horizontal axis is logarithmic too.
pub(crate) fn alternatives(
    title: &str,
    subtitle: &str,
    x_title: &str,
    bins: &[Choices],
    curves: &[AgainstCurve],
) -> String {
    let mut bins: Vec<Choices> = bins.iter().copied().filter(Choices::usable).collect();
    bins.sort_by(|a, b| a.size.total_cmp(&b.size));
    let mut sizes: Vec<f64> = bins.iter().map(|bin| bin.size).collect();
    if sizes.is_empty() {
        let points = curves.iter().flat_map(|c| &c.points).map(|p| p.0);
        sizes = points.filter(|x| usable(*x) && *x > 0.0).collect();
        sizes.sort_by(f64::total_cmp);
    }
    let (x, y) = (across(&sizes), upwards(&bins, curves));

    let bars = format!(r#"stroke="{OBSERVED}" stroke-width="1.5" fill="none""#);
    let mut keys = Vec::new();
    if bins.iter().any(|bin| bin.against > 0.0) || bins.is_empty() {
        let sample = format!(
            r#"<path d="M15 -8V8m-3 0h6m-6 -16h6" {bars}/><circle cx="15" r="4.5" fill="{OBSERVED}"/>"#
        );
        keys.push((sample, "observed, 95 % interval".to_owned()));
    }
    if bins.iter().any(|bin| bin.against == 0.0) {
        let sample = format!(r##"<path d="M12 -8h6m-3 0V2" {bars}/>{}"##, none_at(15.0, 8.0));
        keys.push((sample, "none observed, 95 % interval from 0".to_owned()));
    }
    keys.extend(curves.iter().map(|curve| curve.model.key(false, "")));
    let mut plot = Plot::new(Layout {
        title,
        subtitle,
        keys,
        x,
        x_title: &if x.log { format!("{x_title}, logarithmic") } else { x_title.to_owned() },
        y,
        y_title: "share that chose against the margin, logarithmic",
        left: LEFT,
        right: RIGHT,
        height: HEIGHT + 44.0,
    });

    let percent = |points: &[(f64, f64)]| points.iter().map(|p| (p.0, 100.0 * p.1)).collect::<Vec<_>>();
    // Plain DPO, which has gaps, over all, then the first.
    let (plain, others): (Vec<_>, Vec<_>) = curves.iter().rev().partition(|c| c.model.is_plain());
    let mut drawn = String::new();
    for curve in others.into_iter().chain(plain) {
        drawn += &curve.model.line(&plot, percent(&curve.points));
    }
    let some = !drawn.is_empty() || !bins.is_empty();
    let bottom = plot.y.start;
    for bin in &bins {
        let [lower, upper] = bin.interval().map(|end| plot.y.at(100.0 * end));
        let (Some(x), Some(upper)) = (plot.x.at(bin.size), upper) else { continue };
        if let Some(y) = plot.y.at(100.0 * bin.share()) {
            let lower = lower.unwrap_or(4000.0);
            let (start, end) = (x - 3.0, lower.min(bottom + 9.0));
            drawn += &format!(r#"<path d="M{start:.2} {upper:.2}h6m-3 0V{end:.2}m-3 0h6" {bars}/>"#);
            drawn +=
                &format!(r##"<circle cx="{x:.2}" cy="{y:.2}" r="4.5" fill="{OBSERVED}" stroke="#ffffff"/>"##);
        } else {
            let (start, end) = (x - 3.0, bottom - 7.0);
            drawn += &format!(r#"<path d="M{start:.2} {upper:.2}h6m-3 0V{end:.2}" {bars}/>"#);
            drawn += &none_at(x, bottom - 1.0);
        }
    }
    plot.clipped(&drawn);
    if !some {
        plot.no_data();
    }
    plot.finish()
}

/// A hollow arrow that points down to `x`, `y`.
fn none_at(x: f64, y: f64) -> String {
    format!(
        r##"<path d="M{x:.2} {y:.2}l4.5 -8h-9z" fill="#ffffff" stroke="{OBSERVED}" stroke-width="1.5"/>"##
    )
}
