//! How far a margin carries.

use super::parts::{
    HEIGHT, Key, LEFT, Layout, OBSERVED, Plot, Range, WIDTH, rule, shorten, text_width, usable,
};
use super::series::Series;

/// An effective logit against the margin.
#[derive(Clone, Debug)]
pub(crate) struct Curve {
    /// The family.
    pub(crate) series: Series,
    /// Margins and logits.
    pub(crate) points: Vec<(f64, f64)>,
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
    for series in Series::all().filter(|s| curves.iter().any(|c| c.series == *s)) {
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
    let order = Series::bottom_up();
    let ordered = order.flat_map(|series| curves.iter().filter(move |curve| curve.series == series));
    let lines: String = ordered.map(|c| c.series.line(&plot, c.points.iter().copied())).collect();
    plot.clipped(&lines);
    if empty {
        plot.no_data();
    }
    plot.finish()
}
