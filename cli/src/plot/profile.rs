//! Which values of a parameter the data allow.

use super::model::Model;
use super::parts::{HEIGHT, LEFT, Layout, Plot, Range, compact, rule, usable};

/// The profile log-likelihood of a parameter under a model.
#[derive(Clone, Debug)]
pub(crate) struct Profile {
    /// Under which.
    pub(crate) model: Model,
    /// Values of the parameter, and ln L, greatest over all other parameters, less its maximum.
    pub(crate) points: Vec<(f64, f64)>,
    /// Where ln L is greatest.
    pub(crate) maximum: f64,
    /// The values that are not rejected at 5 %; [0, c] at the boundary, to infinity where the data set no upper end.
    pub(crate) interval: Option<[f64; 2]>,
    /// How far ln L has fallen at its ends: 1.92, half of the 95 % quantile of χ²₁, or 1.35 with ½χ²₀ + ½χ²₁.
    pub(crate) cut: f64,
}

impl Profile {
    fn cut(&self) -> Option<f64> {
        Some(self.cut).filter(|cut| (1e-6..=1e6).contains(cut))
    }

    /// In order; the upper end may be infinite.
    fn interval(&self) -> Option<[f64; 2]> {
        self.interval.filter(|[a, b]| usable(*a) && a <= b && (usable(*b) || *b == f64::INFINITY))
    }

    /// ln L of 0 is far down, but somewhere.
    fn points(&self) -> impl DoubleEndedIterator<Item = (f64, f64)> {
        let somewhere = |y: f64| if y == f64::NEG_INFINITY { -1e9 } else { y };
        let points = self.points.iter().map(move |&(x, y)| (x, somewhere(y)));
        points.filter(|(x, y)| usable(*x) && usable(*y))
    }

    /// Maximum and interval as text.
    fn numbers(&self) -> String {
        let interval = match self.interval() {
            Some([a, f64::INFINITY]) => format!(", {} or more", compact(a)),
            Some([a, b]) => format!(", {} to {}", compact(a), compact(b)),
            None => String::new(),
        };
        format!(": {}{interval}", compact(self.maximum))
    }
}

/// The values to show: where ln L is at least `least`, and the ends of intervals unless they are far from that.
fn shown(profiles: &[Profile], least: f64) -> Range {
    let near = |profile: &Profile| {
        let near = profile.points().filter(move |p| p.1 >= least).map(|p| p.0);
        near.chain([profile.maximum]).collect::<Vec<f64>>()
    };
    let values = || profiles.iter().flat_map(near);
    let core = Range::around(values());
    let length = core.to - core.from;
    let ends = profiles.iter().filter_map(Profile::interval).flatten();
    let ends = ends.filter(|end| (core.from - length..=core.to + length).contains(end));
    let mut x = Range::around(values().chain(ends));
    // Small values begin where the parameter does.
    if x.from > 0.0 && x.from < 0.35 * x.to {
        x.from = 0.0;
    }
    x.spare(0.02, 0.03)
}

/// Profile log-likelihoods of one parameter, each less its own maximum; the first is on top. Between each curve and
/// the level where it is rejected lies its interval.
pub(crate) fn profile(title: &str, subtitle: &str, x_title: &str, profiles: &[Profile]) -> String {
    let mut cuts: Vec<f64> = profiles.iter().filter_map(Profile::cut).collect();
    cuts.sort_by(f64::total_cmp);
    cuts.dedup_by(|a, b| *a - *b < 1e-9);
    let depth = 2.6 * cuts.last().copied().unwrap_or(1.92);
    let keys = profiles.iter().map(|p| p.model.key(true, &p.numbers())).collect();
    let mut plot = Plot::new(Layout {
        title,
        subtitle,
        keys,
        x: shown(profiles, -depth),
        x_title,
        y: Range::new(-depth, 0.09 * depth),
        y_title: "ln L less its maximum",
        left: LEFT,
        right: 572.0,
        height: HEIGHT,
    });
    let highest = plot.y.at(0.0);
    rule(&mut plot, None, highest);
    let (left, right, bottom) = (plot.x.start, plot.x.end, plot.y.start);
    let mut labelled = f64::NEG_INFINITY;
    for cut in cuts {
        let Some(y) = plot.y.at(-cut) else { continue };
        rule(&mut plot, None, Some(y));
        if y - labelled >= 14.0 {
            labelled = y;
            plot.draw(&format!(r##"<path d="M{right:.2} {y:.2}h5" stroke="#8a8a8a"/>"##));
            plot.text(right + 9.0, y + 4.5, "", "95 %");
        }
    }

    let (mut areas, mut lines, mut marks, mut some) = (String::new(), String::new(), String::new(), false);
    // Plain DPO, which has gaps, over all, then the first.
    let (plain, others): (Vec<_>, Vec<_>) = profiles.iter().rev().partition(|p| p.model.is_plain());
    for profile in others.into_iter().chain(plain) {
        let (model, colour) = (profile.model, profile.model.colour());
        lines += &model.line(&plot, profile.points());
        some |= profile.points().next().is_some() || usable(profile.maximum);
        if let [Some(x), Some(y)] = [plot.x.at(profile.maximum), plot.y.at(0.0)] {
            marks += &model.head(x, y);
        }
        let (Some([a, b]), Some(cut)) = (profile.interval(), profile.cut()) else { continue };
        some = true;
        let mut inside: Vec<_> = profile.points().filter(|p| (a..=b).contains(&p.0) && p.1 >= -cut).collect();
        inside.sort_by(|a, b| a.0.total_cmp(&b.0));
        // Without an upper end it is shaded as far as the curve goes.
        let furthest = if usable(b) { b } else { inside.last().map_or(a, |p| p.0) };
        let ends = [(a, -cut)].into_iter().chain(inside).chain([(furthest, -cut)]);
        let around = plot.places(ends);
        areas += &format!(r#"<path d="M{}z" fill="{colour}" fill-opacity="0.14"/>"#, around.join("L"));
        let Some(y) = plot.y.at(-cut) else { continue };
        // The boundary is no end that the data set.
        let ends = [a, b].into_iter().filter(|end| *end != profile.maximum);
        for x in ends.filter_map(|end| plot.x.at(end)) {
            if (left..=right).contains(&x) {
                lines += &format!(
                    r#"<path d="M{x:.2} {:.2}v10m0 -5V{bottom:.2}" fill="none" stroke="{colour}" stroke-width="1.3"/>"#,
                    y - 5.0
                );
            }
        }
    }
    plot.clipped(&(areas + &lines + &marks));
    if !some {
        plot.no_data();
    }
    plot.finish()
}
