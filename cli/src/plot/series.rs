//! How a family is drawn: its name, colour, dashes, and the head of a point mass.

use super::parts::{Key, Plot};
use prefstrength::Family;

/// Whose numbers are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Series(pub(crate) Family);

/// Told apart by colour, by dashes and by shape, so that any one of them is enough.
#[derive(Debug)]
pub(super) struct Style {
    pub(super) colour: &'static str,
    /// Attribute of a line.
    pub(super) dash: &'static str,
    /// Path around the place.
    pub(super) head: &'static str,
}

/// In the order of [`Family::ALL`]; with more families than styles they begin again.
const STYLES: [Style; 5] = [
    Style { colour: "#1a1a1a", dash: r#" stroke-dasharray="5 4""#, head: "m-5 -5l10 10m0 -10l-10 10" },
    Style { colour: "#0b3f8a", dash: "", head: "m-5 0a5 5 0 1 0 10 0a5 5 0 1 0 -10 0z" },
    Style {
        colour: "#c4560a",
        dash: r#" stroke-dasharray="11 3 2 3""#,
        head: "m0 -6.5l6 6.5l-6 6.5l-6 -6.5z",
    },
    Style { colour: "#7a1f8a", dash: r#" stroke-dasharray="2 3""#, head: "m0 -6l6 11l-12 0z" },
    Style { colour: "#6b6b00", dash: r#" stroke-dasharray="14 4""#, head: "m-5 -5l10 0l0 10l-10 0z" },
];

impl Series {
    pub(super) fn all() -> impl Iterator<Item = Self> {
        Family::ALL.into_iter().map(Self)
    }

    /// The solid line lowest, and plain DPO, which has dashes, on top: those that lie on each other can be told.
    pub(super) fn bottom_up() -> impl Iterator<Item = Self> {
        let [first, rest @ ..] = Family::ALL;
        rest.into_iter().chain([first]).map(Self)
    }

    /// Its place among all.
    pub(super) fn place(self) -> usize {
        Self::all().position(|series| series == self).unwrap_or_default()
    }

    pub(super) fn style(self) -> &'static Style {
        &STYLES[self.place() % STYLES.len()]
    }

    pub(super) fn name(self) -> String {
        match self.0 {
            Family::Fixed => "Fixed (plain DPO)".to_owned(),
            family => family.to_string(),
        }
    }

    pub(super) fn colour(self) -> &'static str {
        self.style().colour
    }

    /// Attributes of a line.
    pub(super) fn stroke(self) -> String {
        let Style { colour, dash, .. } = self.style();
        format!(r#"fill="none" stroke="{colour}" stroke-width="2.2"{dash}"#)
    }

    /// Head of a point mass, another shape for every family, at `x`, `y`.
    pub(super) fn head(self, x: f64, y: f64) -> String {
        let Style { colour, head, .. } = self.style();
        let path = format!(r#"M{x:.2} {y:.2}{head}"#);
        format!(r#"<path d="{path}" fill="{colour}" stroke="{colour}" stroke-width="2.2"/>"#)
    }

    pub(super) fn key(self) -> Key {
        (format!(r#"<path d="M0 0h30" {}/>"#, self.stroke()), self.name())
    }

    /// A line through the points, from left to right.
    pub(super) fn line(self, plot: &Plot, points: impl IntoIterator<Item = (f64, f64)>) -> String {
        line(plot, points, &self.stroke())
    }
}

/// A line through the points, from left to right, with the attributes `stroke`.
pub(super) fn line(plot: &Plot, points: impl IntoIterator<Item = (f64, f64)>, stroke: &str) -> String {
    let mut points: Vec<_> = points.into_iter().collect();
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut places = plot.places(points);
    if let [only] = &places[..] {
        places.push(only.clone());
    }
    if places.is_empty() {
        return String::new();
    }
    format!(r#"<path d="M{}" stroke-linejoin="round" {stroke}/>"#, places.join("L"))
}
