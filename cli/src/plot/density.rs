//! p(β) of every family.

use super::parts::{HEIGHT, Key, LEFT, Layout, Plot, RIGHT, Range, WIDTH, compact, usable};
use super::series::Series;

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
    for series in Series::bottom_up() {
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
            let level = series.place() as f64;
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
