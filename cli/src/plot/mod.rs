//! Pictures of a fit as SVG text: p(β), effective logits, calibration, groups.
//!
//! Numbers that cannot be drawn (NaN, infinite, beyond 1e300) are left out.

mod parts;
#[cfg(test)]
mod tests;

use parts::{Key, Layout, Plot, Range, WIDTH, compact, shorten, text_width, usable};

/// Whose numbers are drawn: gives name, colour and dashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Series {
    /// One strength for all choices: plain DPO.
    Fixed,
    /// Gamma distributed strengths.
    Gamma,
    /// Strengths with a normally distributed logarithm.
    LogNormal,
}

/// The p(β) of a family.
#[derive(Clone, Debug)]
pub(crate) struct Density {
    /// The family.
    pub(crate) series: Series,
    /// What is known of it.
    pub(crate) shape: DensityShape,
}

/// A p(β), by points or as a point mass.
#[derive(Clone, Debug)]
pub(crate) enum DensityShape {
    /// A density; all vectors have the same length.
    Curve {
        /// Strengths.
        beta: Vec<f64>,
        /// At each of them; may be infinite.
        density: Vec<f64>,
        /// Lower ends of pointwise 95 % intervals; empty if unknown.
        lower: Vec<f64>,
        /// Upper ends; empty if unknown.
        upper: Vec<f64>,
    },
    /// All probability at one strength.
    Point {
        /// The strength.
        at: f64,
        /// Its 95 % interval.
        interval: Option<[f64; 2]>,
    },
}

/// An effective logit against the margin.
#[derive(Clone, Debug)]
pub(crate) struct Curve {
    /// The family.
    pub(crate) series: Series,
    /// Margins and logits.
    pub(crate) points: Vec<(f64, f64)>,
}

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

/// The choices of an annotator, a source, a topic.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    /// Shown, if there is room.
    pub(crate) name: String,
    /// Of pairs.
    pub(crate) number: u64,
    /// Mean posterior strength, relative to E[β].
    pub(crate) strength: f64,
    /// Its 95 % interval.
    pub(crate) interval: Option<[f64; 2]>,
    /// Share of the pairs whose chosen answer has the larger margin.
    pub(crate) accuracy: f64,
}

const OBSERVED: &str = "#0a8754";
/// Of the frames of most pictures.
const HEIGHT: f64 = 256.0;
const LEFT: f64 = 58.0;
const RIGHT: f64 = 614.0;

impl Series {
    const ALL: [Self; 3] = [Self::Fixed, Self::Gamma, Self::LogNormal];
    /// The solid line lowest, so that those that lie on it can be told.
    const BOTTOM_UP: [Self; 3] = [Self::Gamma, Self::LogNormal, Self::Fixed];

    fn name(self) -> &'static str {
        match self {
            Self::Fixed => "Fixed (plain DPO)",
            Self::Gamma => "Gamma",
            Self::LogNormal => "LogNormal",
        }
    }

    fn colour(self) -> &'static str {
        match self {
            Self::Fixed => "#1a1a1a",
            Self::Gamma => "#0b3f8a",
            Self::LogNormal => "#c4560a",
        }
    }

    /// Attributes of a line.
    fn stroke(self) -> String {
        let dash = match self {
            Self::Fixed => r#" stroke-dasharray="5 4""#,
            Self::Gamma => "",
            Self::LogNormal => r#" stroke-dasharray="11 3 2 3""#,
        };
        format!(r#"fill="none" stroke="{}" stroke-width="2.2"{dash}"#, self.colour())
    }

    /// Head of a point mass, another shape for every family, at `x`, `y`.
    fn head(self, x: f64, y: f64) -> String {
        let path = match self {
            Self::Fixed => "m-5 -5l10 10m0 -10l-10 10",
            Self::Gamma => "m-5 0a5 5 0 1 0 10 0a5 5 0 1 0 -10 0z",
            Self::LogNormal => "m0 -6.5l6 6.5l-6 6.5l-6 -6.5z",
        };
        let colour = self.colour();
        let path = format!(r#"M{x:.2} {y:.2}{path}"#);
        format!(r#"<path d="{path}" fill="{colour}" stroke="{colour}" stroke-width="2.2"/>"#)
    }

    fn key(self) -> Key {
        (format!(r#"<path d="M0 0h30" {}/>"#, self.stroke()), self.name().to_owned())
    }

    /// A line through the points, from left to right.
    fn line(self, plot: &Plot, points: impl IntoIterator<Item = (f64, f64)>) -> String {
        let mut points: Vec<_> = points.into_iter().collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut places = plot.places(points);
        if let [only] = &places[..] {
            places.push(only.clone());
        }
        if places.is_empty() {
            return String::new();
        }
        let stroke = self.stroke();
        format!(r#"<path d="M{}" stroke-linejoin="round" {stroke}/>"#, places.join("L"))
    }
}

/// An upright or level line across the frame.
fn rule(plot: &mut Plot, x: Option<f64>, y: Option<f64>) {
    let (left, right, bottom, top) = (plot.x.start, plot.x.end, plot.y.start, plot.y.end);
    let mut line = |path: String| plot.draw(&format!(r##"<path d="{path}" stroke="#8a8a8a"/>"##));
    if let Some(x) = x.filter(|x| (left..=right).contains(x)) {
        line(format!("M{x:.2} {top:.2}V{bottom:.2}"));
    }
    if let Some(y) = y.filter(|y| (top..=bottom).contains(y)) {
        line(format!("M{left:.2} {y:.2}H{right:.2}"));
    }
}

/// A density as β, p, lower, upper, in the order of β. Beyond all numbers is as high as can be drawn.
fn rows(shape: &DensityShape) -> Vec<[f64; 4]> {
    let DensityShape::Curve { beta, density, lower, upper } = shape else { return Vec::new() };
    let get = |of: &[f64], i: usize| match of.get(i).copied().unwrap_or(f64::NAN) {
        value if value > 1e300 => 1e300,
        value => value,
    };
    let row = |i| [beta[i], get(density, i), get(lower, i), get(upper, i)];
    let mut rows: Vec<_> = (0..beta.len()).map(row).collect();
    rows.retain(|row| usable(row[0]) && usable(row[1]));
    rows.sort_by(|a, b| a[0].total_cmp(&b[0]));
    rows
}

/// Where all but a fiftieth of what the points show of a density lies below.
fn most_below(rows: &[[f64; 4]]) -> f64 {
    let pieces = rows.windows(2).map(|r| (r[1][0], (r[1][0] - r[0][0]) * (0.5 * r[0][1] + 0.5 * r[1][1])));
    let finite = |pieces: &(f64, f64)| pieces.1 < 1e290;
    let total: f64 = pieces.clone().filter(finite).map(|(_, mass)| mass).sum();
    let mut left = total;
    for (beta, mass) in pieces.filter(finite) {
        left -= mass;
        if left <= 0.02 * total {
            return beta;
        }
    }
    rows.last().map_or(0.0, |row| row[0])
}

/// How high a density needs the frame to be, whose β end at `to`: a peak is shown unless it is much above
/// what lies right of it, and a density that is highest at its left end is cut there.
fn height_needed(rows: &[[f64; 4]], from: f64, to: f64) -> f64 {
    let right = |row: &&[f64; 4]| row[0] >= from + 0.02 * (to - from) && row[0] <= to;
    let highest = |which: usize, all: f64| rows.iter().filter(right).map(|r| r[which]).fold(all, f64::max);
    let body = match highest(1, 0.0) {
        0.0 => rows.iter().map(|row| row[1]).fold(0.0, f64::max),
        body => body,
    };
    let peak = rows.iter().map(|row| row[1]).fold(0.0, f64::max);
    let falls = rows.first().is_some_and(|row| row[1] >= peak);
    let needed = peak.min(body * if falls { 1.25 } else { 3.0 });
    needed.max(highest(3, 0.0).min(1.6 * needed))
}

/// p(β) of every family. A family without spread is a line with a head, its 95 % interval a strip.
pub(crate) fn density(title: &str, subtitle: &str, densities: &[Density]) -> String {
    let curves: Vec<(Series, Vec<[f64; 4]>)> =
        densities.iter().map(|d| (d.series, rows(&d.shape))).filter(|(_, rows)| !rows.is_empty()).collect();
    let points: Vec<(Series, f64, Option<[f64; 2]>)> = densities
        .iter()
        .filter_map(|d| match d.shape {
            DensityShape::Point { at, interval } if usable(at) => {
                Some((d.series, at, interval.filter(|ends| ends.iter().all(|end| usable(*end)))))
            }
            _ => None,
        })
        .collect();

    let ats = || points.iter().map(|point| point.1);
    let ends = || points.iter().filter_map(|point| point.2).flatten();
    let most = curves.iter().map(|(_, rows)| most_below(rows)).chain(ats()).fold(0.0, f64::max);
    let furthest = ends().fold(most, f64::max).min(2.0 * most);
    let least = curves.iter().filter_map(|(_, rows)| Some(rows.first()?[0])).chain(ats()).fold(0.0, f64::min);
    let mut x = Range::around([least, furthest]).spare(0.0, 0.06);
    if most == 0.0 && least == 0.0 {
        x = Range::new(0.0, 1.0);
    }

    let needs = || curves.iter().map(|(_, rows)| height_needed(rows, x.from, x.to)).filter(|h| *h > 0.0);
    let modest = 10.0 * needs().fold(f64::INFINITY, f64::min);
    let mut y = Range::new(0.0, needs().fold(0.0, f64::max).min(modest));
    y.to *= 1.06;
    y.from = y.from.max(0.0);
    y.shown = !curves.is_empty();
    let seen = |row: &&[f64; 4]| row[0] <= x.to;
    let cut = curves.iter().any(|(_, rows)| rows.iter().filter(seen).any(|row| row[1] > y.to));

    let mut keys: Vec<Key> = Vec::new();
    for (series, _) in &curves {
        keys.push(series.key());
    }
    for (series, at, _) in &points {
        let line = format!(r#"<path d="M0 0h30" {}/>{}"#, series.stroke(), series.head(15.0, 0.0));
        keys.push((line, format!("{}: all at β = {}", series.name(), compact(*at))));
    }
    let band = |row: &[f64; 4]| usable(row[2]) && usable(row[3]);
    if points.iter().any(|point| point.2.is_some()) || curves.iter().any(|c| c.1.iter().any(band)) {
        let sample = r##"<rect y="-6" width="30" height="12" fill="#1a1a1a" fill-opacity="0.18"/>"##;
        keys.push((sample.to_owned(), "95 % interval".to_owned()));
    }
    let y_title = match (curves.is_empty(), cut) {
        (true, _) => "",
        (_, true) => "density p(β), cut off at the top",
        _ => "density p(β)",
    };
    let mut plot = Plot::new(Layout {
        title,
        subtitle,
        keys,
        x,
        x_title: "strength β",
        y,
        y_title,
        left: if y.shown { LEFT } else { WIDTH - RIGHT },
        right: RIGHT,
        height: HEIGHT,
    });

    let (mut areas, mut lines) = (String::new(), String::new());
    let fill = |series: Series| format!(r#"fill="{}" fill-opacity="0.16""#, series.colour());
    for series in Series::BOTTOM_UP {
        for (_, rows) in curves.iter().filter(|curve| curve.0 == series) {
            let band = || rows.iter().filter(|row| band(row));
            let mut around = plot.places(band().map(|row| (row[0], row[3])));
            around.extend(plot.places(band().rev().map(|row| (row[0], row[2]))));
            if !around.is_empty() {
                areas += &format!(r#"<path d="M{}z" {}/>"#, around.join("L"), fill(series));
            }
            lines += &series.line(&plot, rows.iter().map(|row| (row[0], row[1])));
        }
        let (bottom, top) = (plot.y.start, plot.y.end);
        for (_, at, interval) in points.iter().filter(|point| point.0 == series) {
            let level = Series::ALL.iter().position(|s| *s == series).unwrap_or(0) as f64;
            let head = top + 14.0 + 24.0 * level;
            if let Some([from, to]) = interval.map(|ends| ends.map(|end| plot.x.at(end).unwrap_or(0.0))) {
                let (from, width) = (from.min(to), (to - from).abs());
                let (height, fill) = (bottom - head, fill(series));
                areas += &format!(
                    r#"<rect x="{from:.2}" y="{head:.2}" width="{width:.2}" height="{height:.2}" {fill}/>"#
                );
            }
            let x = plot.x.at(*at).unwrap_or(0.0);
            let stroke = series.stroke();
            lines += &format!(r#"<path d="M{x:.2} {head:.2}V{bottom:.2}" {stroke}/>"#);
            lines += &series.head(x, head);
        }
    }
    plot.clipped(&(areas + &lines));
    if curves.is_empty() && points.is_empty() {
        plot.no_data();
    }
    plot.finish()
}

/// Centres of labels near to their places, which ascend, side by side between two ends.
fn side_by_side(labels: &[(f64, String)], ends: (f64, f64)) -> Vec<f64> {
    let half = |i: usize| 0.5 * text_width(&labels[i].1) + 4.0;
    let rightwards = |at: &mut [f64]| {
        (0..at.len()).fold(ends.0, |end, i| {
            at[i] = at[i].max(end + half(i));
            at[i] + half(i)
        });
    };
    let leftwards = |at: &mut [f64]| {
        (0..at.len()).rev().fold(ends.1, |end, i| {
            at[i] = at[i].min(end - half(i));
            at[i] - half(i)
        });
    };
    let mut a: Vec<f64> = labels.iter().map(|label| label.0).collect();
    let mut b = a.clone();
    rightwards(&mut a);
    leftwards(&mut a);
    leftwards(&mut b);
    rightwards(&mut b);
    a.iter().zip(&b).map(|(a, b)| 0.5 * (a + b)).collect()
}

/// Effective logit against the margin; plain DPO is a straight line. `marks` are margins with labels, such as
/// quantiles of the observed ones.
pub(crate) fn effective_logit(
    title: &str,
    subtitle: &str,
    x_title: &str,
    curves: &[Curve],
    marks: &[(f64, String)],
) -> String {
    let points = || curves.iter().flat_map(|c| &c.points).filter(|p| usable(p.0) && usable(p.1));
    let empty = points().next().is_none();
    let x = Range::around(points().map(|p| p.0));
    let mut y = Range::around(points().map(|p| p.1));
    let right = 572.0;
    let mut marks: Vec<(f64, String)> = marks.to_vec();
    marks.retain(|mark| (x.from..=x.to).contains(&mark.0));
    marks.sort_by(|a, b| a.0.total_cmp(&b.0));
    // Room for the marks below all curves.
    let strip = if marks.is_empty() { 8.0 } else { 44.0 };
    y = y.spare(strip / (HEIGHT - strip - 8.0), 8.0 / (HEIGHT - strip - 8.0));

    let mut keys: Vec<Key> = Vec::new();
    for series in Series::ALL.into_iter().filter(|s| curves.iter().any(|c| c.series == *s)) {
        keys.push(series.key());
    }
    if !marks.is_empty() {
        let sample = format!(r#"<path d="M15 -6V6" stroke="{OBSERVED}" stroke-width="2.5"/>"#);
        keys.push((sample, "quantiles of |D|".to_owned()));
    }
    let mut plot = Plot::new(Layout {
        title,
        subtitle,
        keys,
        x,
        x_title,
        y,
        y_title: "effective logit ln P/(1 − P)",
        left: LEFT,
        right,
        height: HEIGHT,
    });
    let (x0, y0) = (plot.x.at(0.0), plot.y.at(0.0));
    rule(&mut plot, x0, y0);

    let (left, bottom, top) = (plot.x.start, plot.y.start, plot.y.end);
    plot.text(WIDTH - 16.0, top - 11.0, r#"text-anchor="end""#, "chance P");
    let mut used: Vec<f64> = Vec::new();
    for percent in [
        50.0, 90.0, 10.0, 99.0, 1.0, 99.9, 0.1, 99.99, 0.01, 75.0, 25.0, 60.0, 40.0, 95.0, 5.0, 70.0, 30.0,
        80.0, 20.0, 55.0, 45.0, 65.0, 35.0, 52.0, 48.0, 51.0, 49.0,
    ] {
        let inside = plot.y.at(f64::ln(percent / (100.0 - percent))).filter(|y| (top..=bottom).contains(y));
        if let Some(y) = inside.filter(|y| used.iter().all(|other| (y - other).abs() >= 24.0)) {
            used.push(y);
            plot.draw(&format!(r##"<path d="M{right} {y:.2}h5" stroke="#8a8a8a"/>"##));
            plot.text(right + 9.0, y + 4.5, "", &format!("{percent} %"));
        }
    }

    let line = format!(r#"fill="none" stroke="{OBSERVED}" stroke-width="#);
    let mut labels: Vec<(f64, String)> = Vec::new();
    let mut room = right - left;
    for (mark, label) in &marks {
        let (Some(x), label) = (plot.x.at(*mark), shorten(label, 18, 140.0)) else { continue };
        plot.draw(&format!(r#"<path d="M{x:.2} {bottom:.2}v-9" {line}"2.5"/>"#));
        room -= text_width(&label) + 8.0;
        if room >= 0.0 {
            labels.push((x, label));
        }
    }
    for ((x, label), centre) in labels.iter().zip(side_by_side(&labels, (left, right))) {
        let (tip, width, start) = (bottom - 9.0, text_width(label), centre - 0.5 * text_width(label));
        plot.draw(&format!(
            r##"<path d="M{x:.2} {tip:.2}L{centre:.2} {:.2}" {line}"1"/><rect x="{start:.2}" y="{:.2}" width="{width:.2}" height="14" fill="#ffffff"/>"##,
            tip - 9.0,
            tip - 24.0,
        ));
        let look = format!(r#"text-anchor="middle" fill="{OBSERVED}""#);
        plot.text(centre, tip - 13.0, &look, label);
    }
    let order = Series::BOTTOM_UP.into_iter();
    let ordered = order.flat_map(|series| curves.iter().filter(move |curve| curve.series == series));
    let lines: String = ordered.map(|c| c.series.line(&plot, c.points.iter().copied())).collect();
    plot.clipped(&lines);
    if empty {
        plot.no_data();
    }
    plot.finish()
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
    keys.extend(Series::ALL.into_iter().filter(predicts).map(Series::key));
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
    let lines: String = Series::BOTTOM_UP.into_iter().map(|s| s.line(&plot, of(s))).collect();
    plot.clipped(&(lines + &dots));
    if bins.is_empty() {
        plot.no_data();
    }
    plot.finish()
}

/// Groups by their strength: up to 40 with a row each, more as a profile without names.
pub(crate) fn groups(title: &str, subtitle: &str, groups: &[Group]) -> String {
    let mut groups: Vec<&Group> = groups.iter().filter(|group| usable(group.strength)).collect();
    groups.sort_by(|a, b| b.strength.total_cmp(&a.strength));
    let interval = |group: &Group| group.interval.filter(|ends| ends.iter().all(|end| usable(*end)));
    let named = (1..=40).contains(&groups.len());

    let ends = groups.iter().filter_map(|group| interval(group)).flatten();
    let x =
        Range::around(ends.chain(groups.iter().map(|group| group.strength)).chain([1.0])).spare(0.04, 0.04);
    let count = groups.len().max(1) as f64;
    let y = Range { shown: false, ..Range::new(0.0, count).spare(0.01, 0.01) };
    let dot = format!(r#"<circle cx="15" r="4" fill="{OBSERVED}"/>"#);
    let bar = format!(r#"<path d="M0 0h30" stroke="{OBSERVED}" stroke-width="2" stroke-opacity="0.55"/>"#);
    let average = r##"<path d="M15 -8V8" stroke="#8a8a8a"/>"##;
    let mut keys = vec![(dot, "mean".to_owned())];
    if groups.iter().any(|group| interval(group).is_some()) {
        keys.push((bar, "95 % interval".to_owned()));
    }
    keys.push((average.to_owned(), "1, as in the average choice".to_owned()));
    let mut plot = Plot::new(Layout {
        title,
        subtitle,
        keys,
        x,
        x_title: "mean posterior strength of the group's choices / E[β]",
        y,
        y_title: if named { "group" } else { "" },
        left: 172.0,
        right: if named { 496.0 } else { RIGHT },
        height: if named { 20.0 * count } else { HEIGHT + 20.0 },
    });
    let one = plot.x.at(1.0).filter(|_| !groups.is_empty());
    rule(&mut plot, one, None);

    let (left, right, bottom, top) = (plot.x.start, plot.x.end, plot.y.start, plot.y.end);
    let name = |group: &Group| shorten(&group.name, 18, left - 24.0);
    let (mut bars, mut dots) = (String::new(), String::new());
    let end = r#"text-anchor="end""#;
    for (i, group) in groups.iter().enumerate() {
        let (Some(x), Some(y)) = (plot.x.at(group.strength), plot.y.at(count - i as f64 - 0.5)) else {
            continue;
        };
        if let Some([Some(from), Some(to)]) = interval(group).map(|ends| ends.map(|end| plot.x.at(end))) {
            bars += &format!("M{from:.2} {y:.2}H{to:.2}");
        }
        dots += &format!("M{x:.2} {y:.2}h.01");
        if named {
            plot.text(left - 8.0, y + 4.5, end, &name(group));
            let number = match group.number {
                number @ 0..1_000_000 => number.to_string(),
                number => compact(number as f64),
            };
            plot.text(right + 58.0, y + 4.5, end, &number);
            let accuracy = 100.0 * group.accuracy;
            let accuracy = if usable(accuracy) { compact(accuracy.round()) + " %" } else { "–".to_owned() };
            plot.text(WIDTH - 16.0, y + 4.5, end, &accuracy);
        }
    }
    let row = (bottom - top) / count;
    let (thin, thick, faint) = match named {
        true => (2.0, 8.0, 0.55),
        false => (row.clamp(0.3, 1.5), (1.5 * row).clamp(2.5, 5.0), (0.2 * row).clamp(0.2, 0.5)),
    };
    plot.clipped(&format!(
        r#"<path d="{}" fill="none" stroke="{OBSERVED}" stroke-width="{thin:.2}" stroke-opacity="{faint:.2}"/><path d="{}" fill="none" stroke="{OBSERVED}" stroke-width="{thick:.2}" stroke-linecap="round"/>"#,
        if bars.is_empty() { "M0 0" } else { &bars },
        if dots.is_empty() { "M0 0" } else { &dots },
    ));
    match &groups[..] {
        [] => plot.no_data(),
        [first, .., last] if !named => {
            plot.text(left - 8.0, top + 12.0, end, &name(first));
            plot.text(left - 8.0, bottom - 4.0, end, &name(last));
            let shown = format!("{} groups", groups.len());
            plot.text(left - 8.0, 0.5 * (top + bottom), r##"text-anchor="end" fill="#666666""##, &shown);
        }
        _ => {
            plot.text(right + 58.0, top - 11.0, end, "pairs");
            plot.text(WIDTH - 16.0, top - 11.0, end, "accuracy");
        }
    }
    plot.finish()
}
