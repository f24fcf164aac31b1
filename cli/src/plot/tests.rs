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

/// One of every kind.
fn models() -> Vec<Model> {
    let families = Family::ALL.into_iter().map(Model::of);
    let noisy = families.clone().map(Model::with_noise);
    let curved = families.clone().map(Model::with_curved_margin);
    let both = noisy.clone().map(Model::with_curved_margin);
    let cross_section: Vec<Model> = families.chain(noisy).chain(curved).chain(both).collect();
    cross_section.iter().copied().chain(cross_section.iter().map(|m| m.per_person())).collect()
}

/// All pictures from the same numbers.
fn all(values: &[f64], names: &str) -> [String; 7] {
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
    let estimate = |i| StrengthEstimate { middle: at(i, 0), interval: [at(i, 1), at(i, 2)] };
    let person = |i| Person {
        name: names.to_owned(),
        choices: u64::MAX >> (i % 64),
        strength: (i % 3 != 1).then(|| estimate(i)),
    };
    let persons: Vec<Person> = (0..n).map(person).collect();
    let population = (n > 0).then(|| Population { range: [at(0, 1), at(0, 2)], estimate: estimate(n - 1) });
    let model = |i: usize| models()[i % models().len()];
    let profile_of = |i| Profile {
        model: model(i),
        points: shift(0).zip(shift(i)).collect(),
        maximum: at(i, 0),
        interval: (i % 3 != 1).then(|| [at(i, 1), at(i, 2)]),
        cut: at(i, 3),
    };
    let profiles: Vec<Profile> = (0..n.min(12)).map(profile_of).collect();
    let choices: Vec<Choices> =
        (0..n).map(|i| Choices { size: at(i, 0), number: at(i, 1), against: at(i, 2) }).collect();
    let against = |i| AgainstCurve { model: model(i), points: shift(0).zip(shift(i)).collect() };
    let some_curves: Vec<AgainstCurve> = (0..n.min(12)).map(against).collect();
    [
        density(names, names, &densities),
        effective_logit(names, names, "margin D", &curves, &marks),
        calibration(names, names, &bins),
        groups(names, names, &people),
        forest(names, names, names, population.as_ref(), &persons, n),
        profile(names, names, "cv", &profiles),
        alternatives(names, names, "margin", &bins_of_choices(&choices, 10), &some_curves),
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

fn person(name: &str, choices: u64, middle: f64, interval: [f64; 2]) -> Person {
    Person { name: name.to_owned(), choices, strength: Some(StrengthEstimate { middle, interval }) }
}

/// Gamma with a cv of 1.
const POPULATION: Population = Population {
    range: [0.0513, 2.996],
    estimate: StrengthEstimate { middle: 0.693, interval: [0.0253, 3.689] },
};

#[test]
fn persons_have_names_while_there_is_room() {
    let some = |n: usize| {
        let one =
            |i: usize| person(&format!("reader {i}"), i as u64, 0.1 + i as f64, [0.05, 1.0 + i as f64 * 2.0]);
        forest("t", "s", "median", Some(&POPULATION), &(0..n).map(one).collect::<Vec<_>>(), n.max(5001))
    };
    for n in [1, 2, 40, 41, 60, 61, 5000] {
        let svg = some(n);
        check(&svg);
        assert_eq!(svg.matches(">reader ").count(), if n <= 60 { n } else { 2 });
        assert_eq!(svg.contains("5001 persons"), n > 60);
    }
    let svg = some(3);
    assert!(svg.find("reader 2") < svg.find("reader 0"), "the strongest first");
    // Thousands of persons stay a file that a browser shows at once.
    assert!(some(5000).len() < 400_000);
}

/// Where arrows start, of the rows.
fn arrows(svg: &str) -> usize {
    svg.matches("v-9.00z").count()
}

#[test]
fn persons_beyond_the_frame_and_without_choices() {
    let inside = [person("a", 9, 0.5, [0.2, 1.0]), person("b", 9, 2.0, [0.9, 4.0])];
    let svg = forest("t", "s", "median", None, &inside, 2);
    check(&svg);
    assert_eq!(arrows(&svg), 0);
    assert!(!svg.contains("goes on") && !svg.contains("of the population") && !svg.contains("say nothing"));

    let beyond = [
        person("a", 9, 0.5, [0.0, 1.0]),
        person("b", 9, 2.0, [0.9, f64::INFINITY]),
        person("c", 9, 1.0, [1e-9, 1e9]),
        Person { name: "d".to_owned(), choices: 0, strength: None },
    ];
    let svg = forest("t", "s", "median", Some(&POPULATION), &beyond, 4);
    check(&svg);
    assert_eq!(arrows(&svg), 4);
    assert!(["goes on", "90 % of the population", "say nothing"].iter().all(|text| svg.contains(text)));
    assert_eq!(svg.matches(r##"stroke="#ffffff""##).count(), 1, "{svg}");
    // Without a population there is nothing to say of a person without choices.
    let svg = forest("t", "s", "median", None, &beyond[3..], 1);
    check(&svg);
    assert!(svg.contains(">no data<"));
}

/// ½((x − m)/s)² below the maximum.
fn parabola(model: Model, m: f64, s: f64) -> Profile {
    let points = (0..=100).map(|i| 0.05 * f64::from(i)).map(|x| (x, -0.5 * ((x - m) / s).powi(2))).collect();
    Profile { model, points, maximum: m, interval: Some([m - 1.96 * s, m + 1.96 * s]), cut: 1.9207 }
}

#[test]
fn profiles_say_what_they_show() {
    let gamma = parabola(Model::of(Family::Gamma), 1.05, 0.2);
    let svg = profile("t", "s", "cv", std::slice::from_ref(&gamma));
    check(&svg);
    for text in ["Gamma: 1.05, 0.658 to 1.44", ">95 %<", "fill-opacity=\"0.14\"", ">ln L less its maximum<"] {
        assert!(svg.contains(text), "{text}");
    }
    // At the boundary, without an upper end, and with another cut.
    let noise = Model::of(Family::Fixed).with_noise();
    let boundary = Profile { interval: Some([0.0, 0.31]), cut: 1.35, ..parabola(noise, 0.0, 0.19) };
    let open = Profile { interval: Some([0.4, f64::INFINITY]), ..parabola(noise.per_person(), 1.0, 2.0) };
    let svg = profile("t", "s", "cv", &[gamma, boundary, open]);
    check(&svg);
    for text in ["label noise: 0, 0 to 0.31", "label noise, one β per person: 1, 0.4 or more"] {
        assert!(svg.contains(text), "{text}");
    }
    assert_eq!(svg.matches(">95 %<").count(), 2);
}

#[test]
fn choices_against_the_margin() {
    let choices = [(1.0, 100.0, 20.0), (2.0, 100.0, 5.0), (3.0, 100.0, 0.0)];
    let bins = choices.map(|(size, number, against)| Choices { size, number, against });
    let curve = |model: Model| AgainstCurve { model, points: vec![(0.0, 0.5), (3.0, 0.01)] };
    let curves: Vec<AgainstCurve> = models().into_iter().take(6).map(curve).collect();
    let svg = alternatives("t", "s", "margin |D|", &bins, &curves);
    check(&svg);
    for text in [
        "none observed, 95 % interval from 0",
        "observed, 95 % interval",
        ">label noise<",
        ">Fixed (plain DPO)<",
        "50 %",
    ] {
        assert!(svg.contains(text), "{text}");
    }
    assert!(!svg.contains("|D|, logarithmic"));
    let none = alternatives("t", "s", "margin |D|", &bins[..2], &curves);
    assert!(!none.contains("none observed"));
    let far = Choices { size: 1000.0, ..bins[0] };
    assert!(alternatives("t", "s", "margin |D|", &[bins[0], bins[1], far], &[]).contains("|D|, logarithmic"));
}

#[test]
fn half_of_the_bins_are_for_large_margins() {
    let one = |i: usize| Choices {
        size: 1.0 + i as f64,
        number: 1.0,
        against: f64::from(u8::from(i.is_multiple_of(10))),
    };
    let all: Vec<Choices> = (0..1000).map(one).collect();
    let bins = bins_of_choices(&all, 10);
    let numbers: Vec<f64> = bins.iter().map(|bin| bin.number).collect();
    assert_eq!(numbers, [[140.0; 5], [60.0; 5]].concat());
    assert_eq!(bins.iter().map(|bin| bin.against).sum::<f64>(), 100.0);
    assert!((bins[0].size - 70.5).abs() < 1e-9 && (bins[9].size - 970.5).abs() < 1e-9, "{bins:?}");
    // Equal margins stay together, and nothing is lost.
    let same: Vec<Choices> = (0..1000).map(|i| Choices { size: (i / 400) as f64 + 1.0, ..one(i) }).collect();
    let bins = bins_of_choices(&same, 10);
    assert_eq!(bins.iter().map(|bin| bin.number).collect::<Vec<_>>(), [400.0, 400.0, 200.0]);
    for (fine, most) in [(&all[..], 0), (&all[..], 1), (&all[..1], 7), (&[], 7)] {
        let bins = bins_of_choices(fine, most);
        assert_eq!(bins.iter().map(|bin| bin.number).sum::<f64>(), fine.len() as f64);
        assert!(bins.len() <= most.max(1));
    }
}

#[test]
fn models_are_told_apart() {
    let all = models();
    for (i, a) in all.iter().enumerate() {
        for b in &all[..i] {
            assert!(a.name() != b.name() && a.stroke() != b.stroke(), "{a:?} {b:?}");
        }
    }
    // A family alone looks as in the other pictures.
    for family in Family::ALL {
        let (model, series) = (Model::of(family), Series(family));
        assert_eq!((model.name(), model.stroke()), (series.name(), series.stroke()));
        assert_eq!(model.head(1.0, 2.0), series.head(1.0, 2.0));
    }
}

/// Uniform on (0, 1), the same every time.
fn uniform(state: &mut u64) -> f64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    ((*state >> 11) as f64 + 0.5) / 2_f64.powi(53)
}

/// Persons with a true strength from Gamma with a cv of 1, and an interval that narrows with their choices.
fn sample_persons(n: usize, choices: impl Fn(f64) -> u64) -> Vec<Person> {
    let mut state = 7;
    let one = |i: usize| {
        let (u, v, w) = (uniform(&mut state), uniform(&mut state), uniform(&mut state));
        let choices = choices(w);
        // Posterior of −ln u after information that grows with the choices, roughly.
        let known = choices as f64 / (choices as f64 + 6.0);
        let middle =
            (known * (-u.ln()).ln() + (1.0 - known) * 0.693_f64.ln() + 0.3 * (1.0 - known) * (v - 0.5)).exp();
        let error = 1.2 * (1.0 - known).sqrt();
        let strength = StrengthEstimate {
            middle,
            interval: [middle * (-2.3 * error).exp(), middle * (1.5 * error).exp()],
        };
        Person { name: format!("judge_{i}"), choices, strength: (choices > 0).then_some(strength) }
    };
    (0..n).map(one).collect()
}

/// Pictures to look at: `PREFSTRENGTH_PICTURES=folder cargo test -p prefstrength-cli pictures_to_look_at -- --ignored`.
#[test]
#[ignore = "writes files for people to look at into the folder named by PREFSTRENGTH_PICTURES"]
fn pictures_to_look_at() {
    use prefstrength::{AnyStrength, Strength};
    let folder = std::env::var("PREFSTRENGTH_PICTURES").expect("PREFSTRENGTH_PICTURES");
    let write = |name: &str, svg: String| {
        check(&svg);
        std::fs::write(format!("{folder}/{name}.svg"), svg).expect("a folder that can be written to");
    };

    let ask = "How strongly does each person decide?";
    for (n, number) in [(1, 1), (12, 12), (25, 25), (60, 60), (65, 65), (235, 235), (5000, 20_000)] {
        let people = sample_persons(n, |u| if u < 0.06 { 0 } else { (60.0 * u * u) as u64 });
        let about =
            format!("train.csv: 2929 pairs, {number} persons; between persons p = 2.1e−5; Gamma, cv 1.00");
        write(&format!("forest_{n}"), forest(ask, &about, "median", Some(&POPULATION), &people, number));
    }
    // A few persons of many choices, of whom some decide at random.
    let mut few = sample_persons(9, |_| 1100);
    few.push(person("random", 1000, 0.003, [1e-6, 0.02]));
    few.push(person("always right", 1000, 9.0, [2.5, 3e4]));
    write("forest_far", forest(ask, "tavares.csv", "median", Some(&POPULATION), &few, few.len()));
    write("forest_none", forest(ask, "train.csv", "median", None, &[], 0));

    let title = "Which values do the data allow?";
    let (gamma, normal) = (Model::of(Family::Gamma), Model::of(Family::LogNormal));
    let (plain, noise) = (Model::of(Family::Fixed), Model::of(Family::Fixed).with_noise());
    // Like ln L, steeper below the maximum than above.
    let skewed = |model, m: f64, s: f64, to: f64| {
        let y = |x: f64| -0.5 * (((x + 0.2).ln() - (m + 0.2).ln()) / s).powi(2);
        let end = |z: f64| ((m + 0.2) * (z * s).exp() - 0.2).max(0.0);
        let points = (0..=80).map(|i| to * f64::from(i) / 80.0).map(|x| (x, y(x))).collect();
        Profile { model, points, maximum: m, interval: Some([end(-1.96), end(1.96)]), cut: 1.9207 }
    };
    let spread = "coefficient of variation of the strength, cv = sd(β)/E[β]";
    write(
        "profile_cv",
        profile(
            title,
            "train.csv: 2929 pairs; each model at its own best",
            spread,
            &[
                skewed(gamma, 1.05, 0.17, 3.0),
                skewed(normal, 1.2, 0.22, 3.0),
                skewed(gamma.per_person(), 1.4, 0.05, 3.0),
                skewed(Model::of(Family::InverseGaussian), 1.3, 0.25, 3.0),
            ],
        ),
    );
    write("profile_one", profile(title, "train.csv: 2929 pairs", spread, &[skewed(gamma, 1.05, 0.17, 3.0)]));
    let open = Profile { interval: Some([0.35, f64::INFINITY]), ..skewed(gamma.with_noise(), 1.0, 0.9, 3.0) };
    write(
        "profile_open",
        profile(title, "sim.csv: 300 pairs", spread, &[open, skewed(gamma, 1.3, 0.5, 3.0)]),
    );
    let falling = |model, slope: f64| {
        let points =
            (0..=80).map(|i| 0.002 * f64::from(i)).map(|x| (x, -slope * x - 300.0 * x * x)).collect();
        let end = (-slope + (slope * slope + 1200.0 * 1.3528).sqrt()) / 600.0;
        Profile { model, points, maximum: 0.0, interval: Some([0.0, end]), cut: 1.3528 }
    };
    write(
        "profile_noise",
        profile(
            title,
            "electricity.csv: 4308 pairs; no label noise is found",
            "share of flipped labels ε",
            &[falling(noise, 20.0), falling(gamma.with_noise(), 35.0)],
        ),
    );

    let beta = |family, cv: f64| AnyStrength::from_mean_v(family, 1.0, cv * cv).expect("a strength");
    let (fixed, wide) = (beta(Family::Fixed, 0.0), beta(Family::Gamma, 1.0));
    let log_normal = beta(Family::LogNormal, 1.2);
    let inverse = beta(Family::InverseGaussian, 1.3);
    let curve = |model, p: &dyn Fn(f64) -> f64, to: f64| AgainstCurve {
        model,
        points: (0..=300).map(|i| to * (f64::from(i) / 300.0).powi(4)).map(|d| (d, p(d))).collect(),
    };
    for (name, epsilon, n, scale) in [
        ("flips", 0.06, 3000, 1.6),
        ("gamma", 0.0, 3000, 1.6),
        ("few", 0.0, 250, 2.0),
        ("far", 0.02, 4000, 1.0),
    ] {
        let mut state = 11;
        let (mut choices, mut most) = (Vec::new(), 0.0_f64);
        for _ in 0..n {
            let (u, v) = (uniform(&mut state), uniform(&mut state));
            let normal = (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos();
            let size = if name == "far" { (2.0 * normal).exp() } else { scale * normal.abs() + 0.01 };
            let truth = if name == "gamma" { &wide } else { &fixed };
            let p = epsilon + (1.0 - 2.0 * epsilon) * truth.expected_sigmoid(-size);
            let against = if uniform(&mut state) < p { 1.0 } else { 0.0 };
            most = most.max(size);
            choices.push(Choices { size, number: 1.0, against });
        }
        let to = 1.1 * most;
        let curves = [
            curve(plain, &|d| fixed.expected_sigmoid(-0.7 * d), to),
            curve(noise, &|d| 0.06 + 0.88 * fixed.expected_sigmoid(-d), to),
            curve(gamma, &|d| wide.expected_sigmoid(-d), to),
            curve(normal, &|d| log_normal.expected_sigmoid(-d), to),
            curve(Model::of(Family::InverseGaussian), &|d| inverse.expected_sigmoid(-d), to),
            curve(plain.with_curved_margin(), &|d| fixed.expected_sigmoid(-0.9 * d.powf(0.65)), to),
        ];
        write(
            &format!("alternatives_{name}"),
            alternatives(
                "Where do the explanations part?",
                "train.csv: 2929 pairs; label noise explains it best, Gamma is worse by 7.0 (z = 2.3)",
                "size of the margin |D|",
                &bins_of_choices(&choices, 14),
                &curves,
            ),
        );
    }
}
