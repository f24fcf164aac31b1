//! How strongly each person decides.

use super::parts::{
    HEIGHT, Key, Layout, OBSERVED, Plot, RIGHT, Range, WIDTH, compact, rule, shorten, usable,
};

/// Colour of a person of whom no more is known than of the population.
const UNKNOWN: &str = "#6a6a6a";
/// Persons that have a row with their name.
const NAMED: usize = 60;

/// How far beyond the outermost dots the frame goes for an interval, as a factor.
const REACH: f64 = 30.0;

/// Where a strength lies, as a multiple of E[β].
#[derive(Clone, Copy, Debug)]
pub(crate) struct StrengthEstimate {
    /// Median or mean; above 0.
    pub(crate) middle: f64,
    /// Its 95 % interval. From 0, or to infinity, it goes on beyond the frame.
    pub(crate) interval: [f64; 2],
}

/// All who could be asked: p(β), as multiples of E[β].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Population {
    /// From the 5 % to the 95 % quantile.
    pub(crate) range: [f64; 2],
    /// What is known of a person without choices: p(β) itself, from 2.5 % to 97.5 %.
    pub(crate) estimate: StrengthEstimate,
}

/// Who chose, and how strongly.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    /// Shown, if there is room.
    pub(crate) name: String,
    /// How many.
    pub(crate) choices: u64,
    /// Posterior strength; none where the choices say nothing, and the population's is shown.
    pub(crate) strength: Option<StrengthEstimate>,
}

/// A row: the person, what is drawn of them, and whether that is the population's.
type Row<'a> = (&'a Person, StrengthEstimate, bool);

/// On a logarithmic axis.
fn drawable(value: f64) -> bool {
    usable(value) && value >= 1e-300
}

/// The frame: around all dots and 1, and around what reaches out no further than [`REACH`] beyond them.
fn frame(rows: &[Row<'_>], population: Option<&Population>) -> Range {
    let dots = || rows.iter().map(|row| row.1.middle).chain([1.0]);
    let (least, most) = (dots().fold(f64::INFINITY, f64::min), dots().fold(0.0, f64::max));
    let range = population.into_iter().filter(|_| !rows.is_empty()).flat_map(|p| p.range);
    let ends = || rows.iter().flat_map(|row| row.1.interval).chain(range.clone()).filter(|v| !v.is_nan());
    let from = ends().fold(least, f64::min).max(least / REACH);
    let to = ends().fold(most, f64::max).min(most * REACH);
    let spare = (to / from).powf(0.03).clamp(1.05, 1e6);
    Range { from: from / spare, to: to * spare, log: true, unit: "", shown: true }
}

/// Persons by their strength, the strongest first: up to 60 with a row each, more as a profile without names.
/// `middle` says what the dots are, "median" or "mean"; `number` counts all persons, should only some be given.
pub(crate) fn forest(
    title: &str,
    subtitle: &str,
    middle: &str,
    population: Option<&Population>,
    people: &[Person],
    number: usize,
) -> String {
    let own = |person: &Person| person.strength.filter(|s| drawable(s.middle));
    let row = |person| match own(person) {
        Some(strength) => Some((person, strength, false)),
        None => population.map(|p| (person, p.estimate, true)).filter(|row| drawable(row.1.middle)),
    };
    let mut rows: Vec<Row<'_>> = people.iter().filter_map(row).collect();
    rows.sort_by(|a, b| b.1.middle.total_cmp(&a.1.middle));
    let named = (1..=NAMED).contains(&rows.len());
    let x = frame(&rows, population);
    let band = population.map(|p| p.range).filter(|r| !rows.is_empty() && r[0] >= 0.0 && r[1] > r[0]);

    let count = rows.len().max(1) as f64;
    let per_row = if rows.len() <= 40 { 20.0 } else { 17.0 };
    let mut plot = Plot::new(Layout {
        title,
        subtitle,
        keys: keys(&rows, middle, band.is_some(), x),
        x,
        x_title: "posterior strength of the person / E[β], logarithmic",
        y: Range { shown: false, ..Range::new(0.0, count).spare(0.01, 0.01) },
        y_title: if named { "person" } else { "" },
        left: 172.0,
        right: if named { 552.0 } else { RIGHT },
        height: match rows.len() {
            0 => HEIGHT,
            1..=NAMED => per_row * count,
            _ => 380.0,
        },
    });
    let (left, right, bottom, top) = (plot.x.start, plot.x.end, plot.y.start, plot.y.end);
    // Beyond the frame, or nowhere on its axis, is at its edge.
    let edge = |plot: &Plot, value: f64| match plot.x.at(value) {
        Some(x) => x.clamp(left, right),
        None if value > 1.0 => right,
        None => left,
    };
    if let Some(ends) = band {
        let [from, to] = ends.map(|end| edge(&plot, end));
        let (width, height) = (to - from, bottom - top);
        plot.draw(&format!(
            r##"<rect x="{from:.2}" y="{top:.2}" width="{width:.2}" height="{height:.2}" fill="#1a1a1a" fill-opacity="0.09"/>"##
        ));
    }
    let one = plot.x.at(1.0).filter(|_| !rows.is_empty());
    rule(&mut plot, one, None);

    let height = (bottom - top) / count;
    let (thin, thick, faint) = match named {
        true => (2.0, 8.0, 0.6),
        false => (height.clamp(0.3, 1.5), (1.5 * height).clamp(2.0, 5.0), (0.2 * height).clamp(0.14, 0.5)),
    };
    // Half the width and the length of an arrow.
    let (half, long) = if named { (4.5, 8.0) } else { ((0.5 * height).clamp(1.0, 3.0), 5.0) };
    // Of the persons known, and of the others.
    let (mut bars, mut dots, mut arrows) = <([String; 2], [String; 2], [String; 2])>::default();
    let end = r#"text-anchor="end""#;
    for (i, (person, strength, borrowed)) in rows.iter().enumerate() {
        let (Some(at), Some(y)) = (plot.x.at(strength.middle), plot.y.at(count - i as f64 - 0.5)) else {
            continue;
        };
        let (which, [a, b]) = (usize::from(*borrowed), strength.interval);
        if !a.is_nan() && !b.is_nan() {
            let [from, to] = [a.min(b), a.max(b)].map(|v| edge(&plot, v));
            bars[which] += &format!("M{from:.2} {y:.2}H{to:.2}");
            if a.min(b) < x.from {
                arrows[which] += &format!("M{left:.2} {y:.2}l{long} {half}v{:.2}z", -2.0 * half);
            }
            if a.max(b) > x.to {
                arrows[which] += &format!("M{right:.2} {y:.2}l-{long} {half}v{:.2}z", -2.0 * half);
            }
        }
        dots[which] += &format!("M{at:.2} {y:.2}h.01");
        if named {
            plot.text(left - 8.0, y + 4.5, end, &shorten(&person.name, 18, left - 24.0));
            let number = match person.choices {
                number @ 0..1_000_000 => number.to_string(),
                number => compact(number as f64),
            };
            plot.text(WIDTH - 16.0, y + 4.5, end, &number);
        }
    }
    let path = |d: &str, look: &str| match d {
        "" => String::new(),
        d => format!(r#"<path d="{d}" {look}/>"#),
    };
    let round = r#"fill="none" stroke-linecap="round""#;
    let strong = if named { 1.0 } else { faint };
    let mut all = String::new();
    for (which, colour) in [(1, UNKNOWN), (0, OBSERVED)] {
        let stroke = format!(r#"stroke="{colour}" stroke-width"#);
        let bar = format!(r#"fill="none" {stroke}="{thin:.2}" stroke-opacity="{faint:.2}""#);
        all += &path(&bars[which], &bar);
        all += &path(&arrows[which], &format!(r#"fill="{colour}" fill-opacity="{strong:.2}""#));
        all += &path(&dots[which], &format!(r#"{round} {stroke}="{thick:.2}""#));
        if named && which == 1 {
            all += &path(&dots[1], &format!(r##"{round} stroke="#ffffff" stroke-width="4.8""##));
        }
    }
    plot.clipped(&all);

    match &rows[..] {
        [] => plot.no_data(),
        [first, .., last] if !named => {
            let name = |row: &Row<'_>| shorten(&row.0.name, 18, left - 24.0);
            plot.text(left - 8.0, top + 12.0, end, &name(first));
            plot.text(left - 8.0, bottom - 4.0, end, &name(last));
            let (grey, middle) = (r##"text-anchor="end" fill="#666666""##, 0.5 * (top + bottom));
            if number > rows.len() {
                plot.text(left - 8.0, middle - 4.0, grey, &format!("{} of", rows.len()));
                plot.text(left - 8.0, middle + 13.0, grey, &format!("{number} persons"));
            } else {
                plot.text(left - 8.0, middle + 4.5, grey, &format!("{} persons", rows.len()));
            }
        }
        _ => plot.text(WIDTH - 16.0, top - 11.0, end, "choices"),
    }
    plot.finish()
}

/// What is there, and nothing else.
fn keys(rows: &[Row<'_>], middle: &str, band: bool, x: Range) -> Vec<Key> {
    let bar = format!(r#"<path d="M0 0h30" stroke="{OBSERVED}" stroke-width="2" stroke-opacity="0.6""#);
    let dot = format!(r#"{bar}/><circle cx="15" r="4" fill="{OBSERVED}"/>"#);
    let mut keys = vec![(dot, format!("{}, 95 % interval", shorten(middle, 20, 200.0)))];
    let ends = || rows.iter().flat_map(|row| row.1.interval);
    if ends().any(|end| end < x.from || end > x.to) {
        let arrow = format!(
            r#"{bar}/><path d="M30 0l-8 4.5v-9z" fill="{OBSERVED}"/><path d="M0 0l8 4.5v-9z" fill="{OBSERVED}"/>"#
        );
        keys.push((arrow, "goes on beyond the frame".to_owned()));
    }
    if rows.iter().any(|row| row.2) {
        let ring = format!(
            r##"<path d="M0 0h30" stroke="{UNKNOWN}" stroke-width="2" stroke-opacity="0.6"/><circle cx="15" r="3.2" fill="#ffffff" stroke="{UNKNOWN}" stroke-width="1.6"/>"##
        );
        keys.push((ring, "choices say nothing: as the population".to_owned()));
    }
    if band {
        let sample = r##"<rect y="-6" width="30" height="12" fill="#1a1a1a" fill-opacity="0.09"/>"##;
        keys.push((sample.to_owned(), "90 % of the population".to_owned()));
    }
    keys.push((r##"<path d="M15 -8V8" stroke="#8a8a8a"/>"##.to_owned(), "1 = E[β]".to_owned()));
    keys
}
