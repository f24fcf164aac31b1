//! Who decides strongly, who weakly.

use super::parts::{HEIGHT, Layout, OBSERVED, Plot, RIGHT, Range, WIDTH, compact, rule, shorten, usable};

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
