//! Two panels of curves over K, both axes logarithmic, as SVG.

use prefstrength::sampling::PointSet;
use std::fmt::{self, Write as _};

pub(crate) struct Point {
    pub(crate) draws: usize,
    pub(crate) value: f64,
    /// Hollow if not.
    pub(crate) sure: bool,
}

pub(crate) struct Panel {
    /// Two lines.
    pub(crate) title: [&'static str; 2],
    /// First and last decade of the vertical axis.
    pub(crate) decades: (i32, i32),
    /// From label to label.
    pub(crate) step: usize,
    pub(crate) curves: Vec<(PointSet, Vec<Point>)>,
}

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 452.0;
/// Of the plots.
const TOP: f64 = 156.0;
const BOTTOM: f64 = 406.0;
const SPANS: [(f64, f64); 2] = [(58.0, 308.0), (378.0, 628.0)];
/// Ends of the axis of K.
const DRAWS: (f64, f64) = (1.7, 75.0);

/// Colour, width and dashes of a curve.
fn stroke(set: PointSet) -> &'static str {
    match set {
        PointSet::Iid => r##"stroke="#c4560a" stroke-width="2""##,
        PointSet::Antithetic => r##"stroke="#8c6bb1" stroke-width="2" stroke-dasharray="9 4""##,
        PointSet::Stratified => r##"stroke="#0a8754" stroke-width="2" stroke-dasharray="5 3""##,
        PointSet::StratifiedAntithetic => r##"stroke="#0b3f8a" stroke-width="2""##,
        PointSet::Lattice => r##"stroke="#3d9fd6" stroke-width="2" stroke-dasharray="9 3 2 3""##,
        _ => r##"stroke="#1a1a1a" stroke-width="2" stroke-dasharray="2 3""##,
    }
}

/// Another shape for every set.
fn marker(set: PointSet, x: f64, y: f64, sure: bool) -> String {
    let path = match set {
        PointSet::Iid => "m-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0 -9 0z",
        PointSet::Antithetic => "m-4 -4h8v8h-8z",
        PointSet::Stratified => "m0 -5l5 8.5h-10z",
        PointSet::StratifiedAntithetic => "m0 -6l5 6l-5 6l-5 -6z",
        PointSet::Lattice => "m0 5l5 -8.5h-10z",
        _ => "m-4.5 -4.5l9 9m0 -9l-9 9",
    };
    let stroke = stroke(set).split(" stroke-dasharray").next().unwrap_or_default();
    let colour = stroke.split('"').nth(1).unwrap_or_default();
    let fill = if sure { colour } else { "#ffffff" };
    format!(r#"<path d="M{x:.1} {y:.1}{path}" {stroke} fill="{fill}"/>"#)
}

fn label(set: PointSet) -> &'static str {
    match set {
        PointSet::Iid => "independent",
        PointSet::Antithetic => "antithetic",
        PointSet::Stratified => "stratified",
        PointSet::StratifiedAntithetic => "stratified, antithetic",
        PointSet::Lattice => "lattice",
        _ => "Gauss–Hermite",
    }
}

fn along((from, to): (f64, f64), share: f64) -> f64 {
    from + share * (to - from)
}

fn x_of(span: (f64, f64), draws: f64) -> f64 {
    along(span, (draws / DRAWS.0).ln() / (DRAWS.1 / DRAWS.0).ln())
}

impl Panel {
    /// Beyond the plot where the value is.
    fn y(&self, value: f64) -> f64 {
        let (first, last) = (f64::from(self.decades.0), f64::from(self.decades.1));
        along((BOTTOM, TOP), (value.max(1e-300).log10() - first) / (last - first))
    }

    fn axes(&self, to: &mut String, span: (f64, f64), draws: &[usize]) -> fmt::Result {
        let (left, right) = span;
        for (line, title) in self.title.iter().enumerate() {
            let y = TOP - 28.0 + 17.0 * line as f64;
            let look = if line == 0 { r#"font-weight="bold""# } else { r##"fill="#444444""## };
            writeln!(to, r#"<text x="{left}" y="{y}" {look}>{title}</text>"#)?;
        }
        for decade in (self.decades.0..=self.decades.1).step_by(self.step) {
            let value = 10_f64.powi(decade);
            let (y, name) =
                (self.y(value), if decade < -2 { format!("{value:e}") } else { value.to_string() });
            writeln!(
                to,
                r##"<path d="M{left} {y:.1}H{right}" stroke="#d9d9d9"/><text x="{}" y="{:.1}" text-anchor="end" font-size="12">{name}</text>"##,
                left - 7.0,
                y + 4.0,
            )?;
        }
        for &draws in draws {
            let x = x_of(span, draws as f64);
            writeln!(
                to,
                r##"<path d="M{x:.1} {TOP}V{BOTTOM}" stroke="#ececec"/><text x="{x:.1}" y="{}" text-anchor="middle" font-size="12">{draws}</text>"##,
                BOTTOM + 17.0,
            )?;
        }
        let middle = along(span, 0.5);
        writeln!(
            to,
            r#"<text x="{middle}" y="{}" text-anchor="middle">draws per pair, K</text>"#,
            BOTTOM + 36.0
        )
    }

    /// Lines first, so that markers lie on them.
    fn curves(&self, to: &mut String, span: (f64, f64)) -> fmt::Result {
        let mut markers = String::new();
        for (set, points) in &self.curves {
            let at = |p: &Point| (x_of(span, p.draws as f64), self.y(p.value));
            let path: Vec<String> = points.iter().map(at).map(|(x, y)| format!("{x:.1} {y:.1}")).collect();
            let (left, width, height) = (span.0, span.1 - span.0, BOTTOM - TOP);
            writeln!(
                to,
                r#"<svg x="{left}" y="{TOP}" width="{width}" height="{height}" viewBox="{left} {TOP} {width} {height}"><path d="M{}" fill="none" {}/></svg>"#,
                path.join("L"),
                stroke(*set),
            )?;
            for point in points {
                let (x, y) = at(point);
                if y <= BOTTOM {
                    writeln!(markers, "{}", marker(*set, x, y, point.sure))?;
                }
            }
        }
        to.push_str(&markers);
        Ok(())
    }
}

/// Name, line and marker of every set, three a line.
fn legend(to: &mut String) -> fmt::Result {
    for (i, set) in PointSet::ALL.into_iter().enumerate() {
        let (x, y) = ([16.0, 236.0, 398.0][i % 3], 76.0 + 21.0 * (i / 3) as f64);
        writeln!(
            to,
            r#"<path d="M{x} {y}h38" fill="none" {}/>{}<text x="{}" y="{}">{}</text>"#,
            stroke(set),
            marker(set, x + 19.0, y, true),
            x + 46.0,
            y + 4.5,
            label(set),
        )?;
    }
    Ok(())
}

pub(crate) fn svg(
    title: &str,
    subtitle: &str,
    draws: &[usize],
    panels: &[Panel; 2],
) -> Result<String, fmt::Error> {
    let mut to = String::new();
    writeln!(
        to,
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" role="img" font-family="sans-serif" font-size="13" fill="#1a1a1a">
<title>{title}</title>
<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>
<text x="16" y="26" font-size="17" font-weight="bold">{title}</text>
<text x="16" y="47" fill="#444444">{subtitle}</text>"##
    )?;
    legend(&mut to)?;
    for (panel, span) in panels.iter().zip(SPANS) {
        panel.axes(&mut to, span, draws)?;
        panel.curves(&mut to, span)?;
    }
    to.push_str("</svg>\n");
    Ok(to)
}
