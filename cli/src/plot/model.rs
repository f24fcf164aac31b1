//! How a model of choices is drawn, which is more than its family: label noise, curved margins, persons.

use super::parts::{Key, Plot, shorten};
use super::series::{Series, Style, line};
use prefstrength::Family;

/// What may explain the choices: a family of strengths, and what is put beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Model {
    family: Family,
    noise: bool,
    curved: bool,
    person: bool,
}

/// A share of flipped labels beside plain DPO. This colour and the next stay apart from those of the families and of
/// the observations where a kind of cone is missing, and have a contrast of 3 to white.
const NOISE: Style =
    Style { colour: "#3d8bfd", dash: r#" stroke-dasharray="9 3 2 3 2 3""#, head: "m0 6l6 -11l-12 0z" };
/// A power of the margin beside plain DPO.
const CURVED: Style =
    Style { colour: "#e83ec0", dash: r#" stroke-dasharray="20 4 6 4""#, head: "m-6 0h12m-6 -6v12" };

impl Model {
    /// The family alone; Fixed is plain DPO.
    pub(crate) fn of(family: Family) -> Self {
        Self { family, noise: false, curved: false, person: false }
    }

    /// With a share of flipped labels.
    pub(crate) fn with_noise(self) -> Self {
        Self { noise: true, ..self }
    }

    /// With a power of the margin, sign(D)|D|^γ.
    pub(crate) fn with_curved_margin(self) -> Self {
        Self { curved: true, ..self }
    }

    /// With one strength for all choices of a person.
    pub(crate) fn per_person(self) -> Self {
        Self { person: true, ..self }
    }

    /// Whether a straight line in the margin: it goes on top of the others.
    pub(super) fn is_plain(self) -> bool {
        self == Self::of(Family::Fixed)
    }

    /// The style of what is first in it, and whether there is more.
    fn style(self) -> (&'static Style, bool) {
        match self {
            Self { family: Family::Fixed, noise: true, curved, .. } => (&NOISE, curved),
            Self { family: Family::Fixed, curved: true, .. } => (&CURVED, false),
            Self { family, noise, curved, .. } => (Series(family).style(), noise || curved),
        }
    }

    pub(super) fn name(self) -> String {
        let mut parts = Vec::new();
        if self.family != Family::Fixed {
            parts.push(Series(self.family).name());
        }
        if self.noise {
            parts.push("label noise".to_owned());
        }
        if self.curved {
            parts.push("curved margin".to_owned());
        }
        let mut name = if parts.is_empty() { Series(self.family).name() } else { parts.join(" + ") };
        if self.person {
            name += ", one β per person";
        }
        name
    }

    pub(super) fn colour(self) -> &'static str {
        self.style().0.colour
    }

    /// Attributes of a line: what is put beside a family changes its dashes, one β per person makes it heavier.
    pub(super) fn stroke(self) -> String {
        let (Style { colour, dash, .. }, more) = self.style();
        let dash = match (more, self.family == Family::Fixed || self.noise, self.curved) {
            (false, ..) => dash,
            (true, _, false) => r#" stroke-dasharray="6 6""#,
            (true, false, true) => r#" stroke-dasharray="14 6""#,
            (true, true, true) => r#" stroke-dasharray="14 6 2 6""#,
        };
        let width = if self.person { "3.8" } else { "2.2" };
        format!(r#"fill="none" stroke="{colour}" stroke-width="{width}"{dash}"#)
    }

    /// Its mark at `x`, `y`, hollow where something is put beside a family.
    pub(super) fn head(self, x: f64, y: f64) -> String {
        let (Style { colour, head, .. }, more) = self.style();
        let fill = if more { "#ffffff" } else { colour };
        format!(r#"<path d="M{x:.2} {y:.2}{head}" fill="{fill}" stroke="{colour}" stroke-width="2.2"/>"#)
    }

    /// A line, its mark if asked for, and the name with what there is to `say` of it.
    pub(super) fn key(self, mark: bool, say: &str) -> Key {
        let mark = if mark { self.head(15.0, 0.0) } else { String::new() };
        let text = shorten(&(self.name() + say), usize::MAX, 560.0);
        (format!(r#"<path d="M0 0h30" {}/>{mark}"#, self.stroke()), text)
    }

    /// A line through the points, from left to right.
    pub(super) fn line(self, plot: &Plot, points: impl IntoIterator<Item = (f64, f64)>) -> String {
        line(plot, points, &self.stroke())
    }
}
