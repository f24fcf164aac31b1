use super::parts::{Range, Scale, WIDTH, compact, escape, shorten, text_width, ticks};
use super::*;
use prefstrength::Family;

/// Elements in order: tag or text between tags. Fails where tags do not match.
fn elements(svg: &str) -> Vec<(String, String)> {
    let (mut open, mut all, mut rest) = (Vec::new(), Vec::new(), svg);
    while let Some(start) = rest.find('<') {
        let end = start + rest[start..].find('>').expect("closed tag");
        let (tag, after) = (&rest[start + 1..end], &rest[end + 1..]);
        assert!(!tag.contains('<') && tag.matches('"').count() % 2 == 0, "{tag}");
        let name = tag.trim_matches('/').split_whitespace().next().expect("a name");
        if let Some(closed) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(closed), "{svg}");
        } else if !tag.ends_with('/') {
            open.push(name);
        }
        let text = after.split('<').next().unwrap_or("").to_owned();
        for entity in text.split('&').skip(1) {
            assert!(["amp;", "lt;", "gt;", "quot;", "#39;"].iter().any(|e| entity.starts_with(e)), "{text}");
        }
        all.push((tag.to_owned(), text));
        rest = after;
    }
    assert!(open.is_empty() && rest.trim().is_empty());
    all
}

fn attribute(tag: &str, name: &str) -> Option<f64> {
    let value = tag.split(&format!(" {name}=\"")).nth(1)?.split('"').next()?;
    Some(value.parse().expect("a number"))
}

/// Well-formed, only finite numbers, texts inside the picture and apart from each other.
fn check(svg: &str) {
    let all = elements(svg);
    let height = attribute(&all[0].0, "height").expect("height");
    assert!(all[0].0.contains(r#"role="img""#) && all[0].0.contains("viewBox") && all[1].0 == "title");
    let mut boxes: Vec<([f64; 4], String)> = Vec::new();
    for (tag, text) in all {
        assert!(!["NaN", "inf", "e1", "e3"].iter().any(|bad| tag.contains(bad)), "{tag}");
        if !tag.starts_with("text ") {
            continue;
        }
        let text =
            text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&");
        let scale = attribute(&tag, "font-size").unwrap_or(13.0) / 13.0;
        let (x, y) = (attribute(&tag, "x").expect("x"), attribute(&tag, "y").expect("y"));
        let width = text_width(&text) * scale;
        let x = match tag.split("text-anchor=\"").nth(1).map(|t| &t[..3]) {
            Some("end") => x - width,
            Some(_) => x - 0.5 * width,
            None => x,
        };
        let own = [x, y - 9.0 * scale, x + width, y];
        assert!(x >= 0.0 && own[2] <= WIDTH + 1.0 && own[1] >= 0.0 && y <= height, "{text}: {own:?}");
        for (other, that) in &boxes {
            let apart = own[0] >= other[2] || other[0] >= own[2] || own[1] >= other[3] || other[1] >= own[3];
            assert!(apart, "{text} {own:?} on {that} {other:?}");
        }
        boxes.push((own, text));
    }
}

const HOSTILE: [f64; 14] = [
    f64::NAN,
    f64::INFINITY,
    f64::NEG_INFINITY,
    0.0,
    -0.0,
    1e300,
    -1e300,
    1e-300,
    5e-324,
    f64::MAX,
    f64::MIN,
    1.0,
    -1.0,
    1.000_000_000_1,
];

/// All four pictures from the same numbers.
fn all(values: &[f64], names: &str) -> [String; 4] {
    let shift = |by: usize| (0..values.len()).map(move |i| values[(i + by) % values.len()]);
    let at = |i: usize, by: usize| values[(i + by) % values.len()];
    let series = |i: usize| Series(Family::ALL[i % Family::ALL.len()]);
    let curve = |i| Density {
        series: series(i),
        shape: DensityShape::Curve {
            beta: values.to_vec(),
            density: shift(i).collect(),
            lower: shift(i + 1).collect(),
            upper: shift(i + 2).take(i + 1).collect(),
        },
    };
    let point = |i| Density {
        series: series(i),
        shape: DensityShape::Point { at: at(i, 0), interval: Some([at(i, 1), at(i, 2)]) },
    };
    let n = values.len();
    let densities: Vec<Density> = (0..n.min(2)).map(curve).chain((0..n.min(3)).map(point)).collect();
    let curves: Vec<Curve> = (0..n.min(3))
        .map(|i| Curve { series: series(i), points: shift(0).zip(shift(i)).collect() })
        .collect();
    let marks: Vec<(f64, String)> = shift(0).map(|v| (v, names.to_owned())).collect();
    let bin = |i| CalibrationBin {
        size: at(i, 0),
        weight: at(i, 1),
        observed: at(i, 2),
        interval: [at(i, 3), at(i, 4)],
        predicted: Series::all().zip(shift(i)).collect(),
    };
    let bins: Vec<CalibrationBin> = (0..n).map(bin).collect();
    let group = |i| Group {
        name: names.to_owned(),
        number: u64::MAX >> (i % 64),
        strength: at(i, 0),
        interval: (i % 2 == 0).then(|| [at(i, 1), at(i, 2)]),
        accuracy: at(i, 3),
    };
    let people: Vec<Group> = (0..n).map(group).collect();
    [
        density(names, names, &densities),
        effective_logit(names, names, "margin D", &curves, &marks),
        calibration(names, names, &bins),
        groups(names, names, &people),
    ]
}

#[test]
fn any_numbers_make_a_sound_picture() {
    let mut sets: Vec<Vec<f64>> = HOSTILE.iter().map(|v| vec![*v]).collect();
    sets.extend([vec![], HOSTILE.to_vec(), vec![f64::NAN; 5], vec![0.3; 50], vec![-2e-7; 3]]);
    for a in HOSTILE {
        sets.extend(HOSTILE.map(|b| vec![a, b, 0.5 * a + 0.5 * b]));
        sets.extend(HOSTILE.map(|b| [a, b].repeat(40)));
    }
    sets.push((0..60).map(|i| 10_f64.powi(i - 30)).collect());
    sets.push((0..60).map(|i| -1e6 + 37.0 * f64::from(i)).collect());
    for set in &sets {
        all(set, "median").iter().for_each(|svg| check(svg));
    }
}

#[test]
fn nothing_to_draw_is_said() {
    for set in [vec![], vec![f64::NAN; 4], vec![f64::INFINITY]] {
        for svg in all(&set, "t") {
            assert!(svg.contains(">no data<"), "{svg}");
        }
    }
    assert!(all(&[0.5, 0.7], "t").iter().all(|svg| !svg.contains("no data")));
}

#[test]
fn texts_are_escaped_and_kept_inside() {
    let long = "word ".repeat(300);
    let longer = "W".repeat(5000);
    for name in
        ["<&\"'>", "Zoë\u{0}\n\u{1b} 日本語の評価者グループ番号十二", "]]> <!-- &amp;", "", &long, &longer]
    {
        for svg in all(&[0.2, 0.4, 0.6, 0.9], name) {
            check(&svg);
        }
    }
    assert!(all(&[0.5], "a<b & \"c\"")[0].contains("<title>a&lt;b &amp; &quot;c&quot;</title>"));
    assert_eq!(escape("a\u{0}\u{ffff}é"), "a  é");
    assert_eq!(shorten("short", 18, 200.0), "short");
    assert_eq!(shorten("a name of many characters", 18, 200.0), "a name of many ch…");
}

#[test]
fn ticks_are_round_and_labels_short() {
    let texts = |from, to, count: usize| {
        let scale = Scale { range: Range::new(from, to), start: 0.0, end: 1000.0 };
        scale.placed(count).into_iter().map(|(_, label)| label).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(ticks(0.0, 1.0, 5), (vec![0.0, 0.2, 0.4, 0.6000000000000001, 0.8, 1.0], 0.2));
    assert_eq!(texts(0.0, 0.6, 6), "0 0.1 0.2 0.3 0.4 0.5 0.6");
    assert_eq!(texts(-1.0, 1.0, 4), "−1.0 −0.5 0 0.5 1.0");
    assert_eq!(texts(0.0, 3e6, 3), "0 1e6 2e6 3e6");
    assert_eq!(texts(0.0, 1.5e-7, 3), "0 5e−8 1e−7 1.5e−7");
    assert_eq!(texts(-5e299, 5e299, 2), "−5e299 0 5e299");
    assert_eq!(texts(980.0, 1020.0, 4), "980 990 1000 1010 1020");
    for (value, text) in [
        (0.1 + 0.2, "0.3"),
        (0.07123, "0.0712"),
        (0.0, "0"),
        (1234.0, "1234"),
        (2.5e-9, "2.5e−9"),
        (100.0, "100"),
    ] {
        assert_eq!(compact(value), text);
    }
}

#[test]
fn what_is_given_is_drawn() {
    let beta: Vec<f64> = (0..200).map(|i| 0.004 * f64::from(i)).collect();
    let gamma: Vec<f64> = beta.iter().map(|b| b.powf(-0.17) * (-8.3 * b).exp()).collect();
    let scaled = |by: f64| gamma.iter().map(|p| by * p).collect();
    let (lower, upper) = (scaled(0.8), scaled(1.2));
    let shape = DensityShape::Curve { beta, density: gamma, lower, upper };
    let point = DensityShape::Point { at: 0.07, interval: Some([0.06, 0.08]) };
    let svg = density(
        "t",
        "s",
        &[
            Density { series: Series(Family::Gamma), shape },
            Density { series: Series(Family::Fixed), shape: point },
        ],
    );
    check(&svg);
    for text in ["cut off at the top", "all at β = 0.07", "95 % interval", "strength β", "stroke-dasharray"]
    {
        assert!(svg.contains(text), "{text}");
    }
    let bin = |i| CalibrationBin {
        size: f64::from(i),
        weight: 1.0,
        observed: 0.7,
        interval: [0.6, 0.8],
        predicted: vec![(Series(Family::Gamma), 0.7)],
    };
    let near = calibration("t", "s", &[bin(10), bin(20)]);
    let far = calibration("t", "s", &[bin(1), bin(10), bin(100)]);
    assert!(
        !near.contains("logarithmic") && far.contains("logarithmic") && far.matches("<circle").count() == 4
    );
}

#[test]
fn groups_have_names_while_there_is_room() {
    let group = |i: u64| Group {
        name: format!("reader {i}"),
        number: i,
        strength: 1.0 + i as f64,
        interval: Some([0.5, 2.0 + i as f64]),
        accuracy: 0.7,
    };
    let some = |n: u64| groups("t", "s", &(0..n).map(group).collect::<Vec<_>>());
    for n in [1, 5, 40, 41, 5000] {
        let svg = some(n);
        check(&svg);
        assert_eq!(svg.matches(">reader ").count() as u64, if n <= 40 { n } else { 2 });
    }
    let svg = some(3);
    assert!(svg.find("reader 2") < svg.find("reader 0"), "the strongest first");
}
