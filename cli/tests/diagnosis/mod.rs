//! What `fit` and `train` say of choices whose truth is known, and of files that are odd.

use super::{Place, contains, family, names, number, within};
use serde_json::Value;
use std::fs;

/// The JSON of a report whose text says nothing that is no number. Status 0, or 3 where there is no fit.
fn sane(place: &Place, args: &str) -> Value {
    let out = place.run(&format!("{args} --quiet"));
    let text = String::from_utf8(out.stdout).unwrap();
    let message = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(out.stderr.is_empty() && !text.is_empty(), "{args}: {message}");
    for word in text.split(|c: char| !c.is_alphanumeric()) {
        assert!(!matches!(word, "NaN" | "nan" | "inf"), "{args}: {word} in\n{text}");
    }
    let wide = text.lines().filter(|line| line.chars().count() > 150).count();
    assert_eq!(wide, 0, "{args}: wide lines in\n{text}");
    let json = place.run(&format!("{args} --quiet --json"));
    let report: Value = serde_json::from_slice(&json.stdout).unwrap();
    for out in [&out.status, &json.status] {
        let expected = if report["is_fit"] == true { 0 } else { 3 };
        assert_eq!(out.code(), Some(expected), "{args}");
    }
    // The text holds the sentences of the JSON, wrapped.
    let flat = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let verdict = &report["verdict"];
    for key in ["choices_text", "people_text"] {
        let Some(sentence) = verdict[key].as_str() else { continue };
        contains(&flat(&text), &[&flat(sentence)]);
        assert!(verdict["text"].as_str().unwrap().contains(sentence));
    }
    let notes = report["notes"].as_array().unwrap();
    notes.iter().for_each(|note| contains(&flat(&text), &[&flat(note.as_str().unwrap())]));
    report
}

fn verdict(report: &Value) -> &str {
    report["verdict"]["choices"].as_str().unwrap()
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

/// A table of margins with a group each.
fn table(rows: impl IntoIterator<Item = (f64, String)>) -> String {
    let rows = rows.into_iter().map(|(d, group)| format!("{d},{group}\n"));
    format!("margin,group\n{}", rows.collect::<String>())
}

#[test]
fn label_noise_is_not_strength() {
    let place = Place::new();
    place.text("simulate margins --cv 0 --flips 0.1 -n 20000 -o flips.csv");
    let report = sane(&place, "fit flips.csv");
    assert_eq!((verdict(&report), &report["schema_version"]), ("noise", &1.into()));
    assert_eq!(
        keys(&report["verdict"]),
        [
            "choices",
            "choices_needed",
            "choices_text",
            "people",
            "people_text",
            "persons_needed",
            "tests",
            "text",
            "z",
            "z_beyond_noise"
        ]
    );
    for key in
        ["families", "noise", "curved", "families_with_noise", "profile_cv", "profile_noise", "score_test"]
    {
        assert!(!report[key].is_null(), "{key}");
    }
    let (noise, verdict) = (&report["noise"], &report["verdict"]);
    within(number(&noise["lapse"]), 0.1, number(&noise["lapse_error"]));
    within(number(&noise["mean"]), 0.1, number(&noise["mean_error"]));
    // The spread of old is significant against plain DPO, and not beyond the noise.
    assert!(number(&verdict["z"]) > 5.0 && number(&verdict["z_beyond_noise"]) < 1.645);
    let tests = verdict["tests"].as_array().unwrap();
    assert!(tests.iter().all(|test| number(&test["holm"]) >= number(&test["p"])));
    assert!(tests.iter().any(|test| test["alternative"] == "Gamma" && number(&test["holm"]) < 1e-6));
    contains(verdict["choices_text"].as_str().unwrap(), &["levels off", "label noise of", "cv"]);
    assert!(verdict["people"].is_null() && verdict["people_text"].is_null());
    let [low, high] = [0, 1].map(|i| number(&report["profile_noise"]["interval"][i]));
    assert!(low < 0.1 && 0.1 < high && high < 0.2);
    contains(
        &place.text("fit flips.csv"),
        &["labels flipped", "P of the larger margin, label noise", "Vuong z"],
    );
}

#[test]
fn nothing_is_said_of_plain_choices() {
    let place = Place::new();
    place.text("simulate margins --cv 0 -n 5000 -o plain.csv");
    let report = sane(&place, "fit plain.csv");
    assert_eq!((verdict(&report), &report["verdict"]["choices_needed"]), ("plain", &Value::Null));
    contains(
        report["verdict"]["choices_text"].as_str().unwrap(),
        &["nothing beyond plain DPO: cv at most ", "label noise at most ", "(95 %)"],
    );
    assert_eq!(report["profile_cv"]["interval"][0], 0.0);
    assert!(number(&report["profile_cv"]["interval"][1]) < 1.0 && report["profile_cv"]["open"] == false);
    contains(&place.text("fit plain.csv"), &["cv: at most ", "Fixed: β = 0.1"]);
}

/// Strengths that are people's own: the test between them, and one β per person.
#[test]
fn people_with_their_own_strength_differ() {
    let place = Place::new();
    place.text("simulate margins -n 3000 --cv 0.8 --groups 60 --own-strength -o own.csv");
    let report = sane(&place, "fit own.csv --group group --svg pictures");
    let people = &report["people"];
    assert_eq!(
        (&report["verdict"]["people"], &report["standard_errors"]),
        (&"differ".into(), &"group".into())
    );
    contains(
        report["verdict"]["people_text"].as_str().unwrap(),
        &["people differ (z = ", "with one β for each"],
    );
    assert!(number(&people["tests"]["between"]["z"]) > 5.0 && people["panel_error"].is_null());
    let panel = &people["panel"];
    let strengths = panel["strengths"].as_array().unwrap();
    assert!(strengths.len() == 60 && strengths.is_sorted_by_key(|person| number(&person["median"])));
    for person in strengths {
        let [low, high] = [0, 1].map(|i| number(&person["interval"][i]));
        let median = number(&person["median"]);
        assert!(0.0 < low && low < median && median < high && person["number"] == 50, "{person}");
        assert!(person["name"].as_str().unwrap().parse::<u32>().is_ok_and(|name| (1..=60).contains(&name)));
    }
    let best = panel["best"].as_str().unwrap();
    let fits = panel["fits"].as_array().unwrap();
    assert!(fits.len() == 4 && best != "Fixed");
    let [low, high] = [0, 1].map(|i| number(&panel["profile_cv"]["interval"][i]));
    assert!(low < 0.8 && 0.8 < high, "{low} {high}");
    assert_eq!(
        names(&place.path("pictures")),
        [
            "alternatives.svg",
            "calibration.svg",
            "effective_logit.svg",
            "people.svg",
            "profile_cv.svg",
            "profile_noise.svg",
            "strength.svg"
        ]
    );
    // Without the fits, the test is the same.
    let without = sane(&place, "fit own.csv --group group --panel=off --svg others");
    assert_eq!(without["people"]["tests"], people["tests"]);
    assert!(without["people"]["panel"].is_null() && without["people"]["panel_error"].is_null());
    assert_eq!(without["verdict"]["people"], "differ");
    assert!(names(&place.path("others")).contains(&"groups.svg".to_owned()));
    assert!(!names(&place.path("others")).contains(&"people.svg".to_owned()));
    let text = place.text("fit own.csv --group group");
    contains(
        &text,
        &["60 people with two choices or more", "s.e. by group: of the sandwich", "from weak to strong"],
    );
    // Pairs say the same, by feature as well.
    place.text("simulate pairs -n 2000 --cv 0.8 --groups 50 --own-strength --features 2 -o pairs.csv");
    let trained = sane(&place, "train pairs.csv");
    assert_eq!(trained["verdict"]["people"], "differ");
    assert_eq!(trained["people"]["features"], serde_json::json!(["f1", "f2"]));
    assert_eq!(trained["people"]["tests"]["features"].as_array().unwrap().len(), 2);
    assert_eq!(trained["people"]["panel"]["strengths"].as_array().unwrap().len(), 50);
}

/// An unknown position makes the curve steeper; known, it is a number.
#[test]
fn a_position_is_found() {
    let place = Place::new();
    place.text("simulate margins -n 30000 --cv 0 --intercept 0.8 --write-side --seed 2 -o side.csv");
    let unknown = sane(&place, "fit side.csv");
    assert_eq!(verdict(&unknown), "steeper");
    assert!(number(&unknown["verdict"]["z"]) < -2.0 && unknown["position"].is_null());
    contains(&place.text("fit side.csv"), &["steeper than plain DPO", "--position"]);
    let known = sane(&place, "fit side.csv --position side --svg pictures");
    assert_eq!((verdict(&known), &known["command"]), ("plain", &"fit".into()));
    // In units of the margin, of which β makes 0.1.
    let position = &known["position"];
    within(number(&position["alpha"]), 8.0, number(&position["error"]));
    let interval = &position["interval"]["Between"];
    assert!(number(&interval["low"]) < 8.0 && number(&interval["high"]) > 8.0);
    let weights = &family(&known, "Fixed")["policy"];
    within(number(&weights[1]["weight"]), 0.8, number(&weights[1]["error"]));
    within(number(&weights[0]["weight"]), 0.1, number(&weights[0]["error"]));
    contains(&place.text("fit side.csv --position side"), &["α = ", "(95 %, Fieller)"]);
    contains(&place.refused("fit side.csv --position nowhere"), &["no column `nowhere`"]);
}

/// People agree on items beyond their margin, and contradict themselves on some.
#[test]
fn items_are_tested() {
    let place = Place::new();
    // Forty items seen by ten people, on every fourth of which all of them go against the margin; the first one saw
    // all of them twice, and differs in five.
    let row = |i: usize, who: usize, again: bool| {
        let size = 0.5 + (i * 7 % 11) as f64 / 4.0;
        let against = i.is_multiple_of(4) || (i + who).is_multiple_of(9);
        let d = if against != (again && i % 8 == 1) { -size } else { size };
        format!("{d},{who},{i}\n")
    };
    let mut rows: String = (0..400).map(|k| row(k % 40, k / 40, false)).collect();
    rows.extend((0..40).map(|i| row(i, 0, true)));
    place.file("items.csv", format!("margin,who,what\n{rows}"));
    let items = &sane(&place, "fit items.csv --group who --item what --panel=off")["items"];
    assert_eq!((&items["items"], &items["counting"]), (&40.into(), &40.into()));
    assert!(number(&items["between"]["z"]) > 3.0);
    assert_eq!((&items["repeats"]["units"], number(&items["repeats"]["differing"])), (&40.into(), 5.0));
    let text = place.text("fit items.csv --group who --item what --panel=off");
    contains(&text, &["40 items, 40 with several people", "agreement on an item beyond", "12.5 % differ"]);
    // Without people, there are no repeats.
    let alone = &sane(&place, "fit items.csv --item what")["items"];
    assert!(alone["repeats"].is_null() && number(&alone["between"]["z"]) > 3.0);
    // An item with one row says nothing by itself.
    place.file("single.csv", "margin,what\n1,a\n-0.5,b\n2,c\n");
    let single = &sane(&place, "fit single.csv --item what")["items"];
    assert_eq!(
        (&single["items"], &single["counting"], &single["between"]),
        (&3.into(), &0.into(), &Value::Null)
    );
    contains(&place.text("fit single.csv --item what"), &["3 items, none with several choices"]);
    place.file("missing.csv", "margin,what\n1,a\n-0.5,\n");
    contains(&place.refused("fit missing.csv --item what"), &["line 3, column `what`: the item is empty"]);
    place.text("simulate pairs -n 300 --features 2 --groups 5 -o pairs.csv");
    let trained = sane(&place, "train pairs.csv --item pair_id --panel=off");
    assert_eq!(trained["items"]["items"], 300);
}

/// Weights that count repetitions, and weights of a sample.
#[test]
fn sampling_weights_have_no_scale() {
    let place = Place::new();
    place.text("simulate margins -n 1500 --seed 3 -o margins.csv");
    let margins = fs::read_to_string(place.path("margins.csv")).unwrap();
    let weighted = |name: &str, weight: &dyn Fn(usize) -> f64| {
        let rows = margins.lines().skip(1).enumerate().map(|(i, d)| format!("{d},{:e}\n", weight(i)));
        place.file(name, format!("margin,w\n{}", rows.collect::<String>()));
    };
    weighted("ones.csv", &|_| 1.0);
    weighted("shares.csv", &|_| 1.0 / 1500.0);
    weighted("millions.csv", &|_| 1e6);
    let ones = sane(&place, "fit ones.csv --weight w");
    assert_eq!(ones["notes"].as_array().unwrap().len(), 0);
    // Without the flag they count, and that is said.
    let shares = sane(&place, "fit shares.csv --weight w");
    contains(shares["notes"][0].as_str().unwrap(), &["1500 rows sum to 1.000", "use --sampling-weights"]);
    assert!(number(&shares["score_test"]["p"]) > 0.4 && verdict(&shares) == "cannot_tell");
    for name in ["shares.csv", "millions.csv"] {
        let sampled = sane(&place, &format!("fit {name} --weight w --sampling-weights"));
        assert_eq!((verdict(&sampled), &sampled["standard_errors"]), (verdict(&ones), &"sandwich".into()));
        assert_eq!(sampled["notes"].as_array().unwrap().len(), 0);
        for key in ["log_likelihood", "mean", "cv_error_robust", "mean_error"] {
            let [a, b] = [&sampled, &ones].map(|report| number(&family(report, "Gamma")[key]));
            assert!((a / b - 1.0).abs() < 1e-6, "{name} {key}: {a} {b}");
        }
        assert!((number(&sampled["score_test"]["z"]) - number(&ones["score_test"]["z"])).abs() < 1e-6);
        assert!((number(&sampled["weight"]) - 1500.0).abs() < 1e-6);
    }
    contains(&place.text("fit shares.csv --weight w --sampling-weights"), &["robust s.e.: of the sandwich"]);
    // Weights that differ say less: 1, 2, 3, … of mean 2 are as 6/7 of equal ones.
    weighted("unequal.csv", &|i| [1.0, 2.0, 3.0][i % 3]);
    let unequal = sane(&place, "fit unequal.csv --weight w --sampling-weights");
    assert!((number(&unequal["weight"]) - 1500.0 * 6.0 / 7.0).abs() < 1e-6);
    contains(unequal["notes"][0].as_str().unwrap(), &["the weights differ", "about as much as 1286"]);
    weighted("tiny.csv", &|i| if i == 0 { 1e-300 } else { 1e300 });
    contains(&place.refused("fit tiny.csv --weight w --sampling-weights"), &["tiny.csv", "too large"]);
    assert_eq!(place.run("fit ones.csv --sampling-weights").status.code(), Some(2));
    // Of pairs.
    place.text("simulate pairs -n 800 --features 1 -o pairs.csv");
    let pairs = fs::read_to_string(place.path("pairs.csv")).unwrap();
    let rows: String = pairs.lines().skip(1).map(|row| format!("{row},0.00125\n")).collect();
    place.file("weighted.csv", format!("pair_id,f1,w\n{rows}"));
    let [a, b] =
        [sane(&place, "train pairs.csv"), sane(&place, "train weighted.csv --weight w --sampling-weights")]
            .map(|report| number(&family(&report, "Gamma")["log_likelihood"]));
    assert!((a / b - 1.0).abs() < 1e-9);
}

/// Groups that are not people, or not there.
#[test]
fn odd_groups_are_reported() {
    let place = Place::new();
    place.text("simulate margins -n 400 --cv 0.5 -o margins.csv");
    let margins = fs::read_to_string(place.path("margins.csv")).unwrap();
    let margins: Vec<f64> = margins.lines().skip(1).map(|d| d.parse().unwrap()).collect();
    let with = |name: &str, group: &dyn Fn(usize) -> String| {
        place.file(name, table(margins.iter().enumerate().map(|(i, &d)| (d, group(i)))));
    };
    with("one.csv", &|_| "a".into());
    with("each.csv", &|i| i.to_string());
    for (file, why) in [("one.csv", "there is one group only"), ("each.csv", "no group has two choices")] {
        for panel in ["auto", "on", "off"] {
            let report = sane(&place, &format!("fit {file} --group group --panel={panel}"));
            assert!(report["people"].is_null() && report["verdict"]["people"].is_null());
            contains(report["notes"][0].as_str().unwrap(), &["nothing tells whether people differ", why]);
        }
    }
    contains(
        &place.text("fit one.csv --group group"),
        &["1 group is too few for those by group", "1 group, averages"],
    );
    // Four people are too few for standard errors by group, not for the test.
    with("few.csv", &|i| (i % 4).to_string());
    let few = sane(&place, "fit few.csv --group group");
    assert_eq!(
        (&few["standard_errors"], &few["people"]["tests"]["groups"]),
        (&"curvature".into(), &4.into())
    );
    assert_eq!(few["people"]["panel"]["strengths"].as_array().unwrap().len(), 4);
    contains(&place.text("fit few.csv --group group"), &["4 groups are too few for those by group"]);
    // A missing group is refused, with its place.
    place.file("missing.csv", "margin,group\n1,a\n-0.5,b\n2,\n");
    place.file("missing.jsonl", "{\"margin\":1,\"group\":\"a\"}\n{\"margin\":-0.5}\n");
    place.file("null.jsonl", "{\"margin\":1,\"group\":\"a\"}\n{\"margin\":-0.5,\"group\":null}\n");
    for (file, line) in [("missing.csv", 4), ("missing.jsonl", 2), ("null.jsonl", 2)] {
        let message = place.refused(&format!("fit {file} --group group --svg pictures"));
        contains(&message, &[file, &format!("line {line}, "), "group"]);
    }
    // One β per person needs persons.
    let out = place.run("fit one.csv --panel=on");
    assert_eq!((out.status.code(), out.stdout.is_empty()), (Some(2), true));
    contains(&String::from_utf8_lossy(&out.stderr), &["--panel=on needs --group"]);
    assert_eq!(place.run("fit one.csv --panel on --group group").status.code(), Some(2));
    place.text("simulate pairs -n 50 --features 1 -o pairs.csv");
    contains(&place.refused("train pairs.csv --panel=on"), &["pairs.csv: --panel=on needs --group"]);
}

/// A person's choices have one weight, or there is no panel: the rest of the report is as ever.
#[test]
fn persons_have_one_weight() {
    let place = Place::new();
    place.text("simulate margins -n 600 --cv 0.8 --groups 30 --own-strength -o margins.csv");
    let rows = fs::read_to_string(place.path("margins.csv")).unwrap();
    let weighted = |name: &str, weight: &dyn Fn(usize, usize) -> f64| {
        let row = |(i, row): (usize, &str)| {
            let group: usize = row.rsplit(',').next().unwrap().parse().unwrap();
            format!("{row},{}\n", weight(i, group))
        };
        let rows: String = rows.lines().skip(1).enumerate().map(row).collect();
        place.file(name, format!("margin,group,w\n{rows}"));
    };
    weighted("equal.csv", &|_, group| if group % 2 == 0 { 1.0 } else { 2.0 });
    weighted("unequal.csv", &|i, _| if i % 7 == 0 { 2.0 } else { 1.0 });
    let equal = sane(&place, "fit equal.csv --weight w --group group");
    assert!(equal["people"]["panel_error"].is_null());
    assert_eq!(equal["people"]["panel"]["persons"], 30);
    let unequal = sane(&place, "fit unequal.csv --weight w --group group --svg pictures");
    assert!(unequal["people"]["panel"].is_null() && unequal["verdict"]["people"].is_string());
    contains(unequal["people"]["panel_error"].as_str().unwrap(), &["weight", "the same person"]);
    contains(&place.text("fit unequal.csv --weight w --group group"), &["no fit with one β per person: "]);
    assert!(names(&place.path("pictures")).contains(&"groups.svg".to_owned()));
    // Rows of weight 0 do not count.
    weighted("masked.csv", &|i, group| if i % 7 == 0 { 0.0 } else { 1.0 + (group % 2) as f64 });
    assert!(sane(&place, "fit masked.csv --weight w --group group")["people"]["panel_error"].is_null());
}

/// Few choices, huge ones, a low cap, and a person who always goes against the margin.
#[test]
fn odd_margins_are_reported() {
    let place = Place::new();
    place.file("two.csv", "margin\n1\n-0.5\n");
    assert_eq!(verdict(&sane(&place, "fit two.csv --svg two")), "cannot_tell");
    place.text("simulate margins -n 60 --cv 0 -o sixty.csv");
    let sixty = sane(&place, "fit sixty.csv --svg sixty");
    assert_eq!(verdict(&sixty), "cannot_tell");
    assert!(number(&sixty["verdict"]["choices_needed"]) > 60.0);
    contains(
        sixty["verdict"]["choices_text"].as_str().unwrap(),
        &["cannot tell", " choices with margins as these"],
    );
    let rows = (0..800).map(|i| {
        let size = [1e-6, 0.5, 2.0, 1e6][i % 4];
        let against = if i % 4 == 3 { i % 20 == 3 } else { i % 3 == 0 };
        (if against { -size } else { size }, format!("p{}", i / 40))
    });
    place.file("huge.csv", table(rows));
    for args in ["fit huge.csv", "fit huge.csv --group group", "fit huge.csv --max-cv 0.125 --group group"] {
        sane(&place, &format!("{args} --svg huge"));
    }
    place.text("simulate margins -n 2000 --cv 1 --groups 20 -o cap.csv");
    let capped = sane(&place, "fit cap.csv --max-cv 0.125 --group group --svg cap");
    assert_eq!(family(&capped, "Gamma")["spread"], "Unbounded");
    contains(
        &place.text("fit cap.csv --max-cv 0.125"),
        &["no maximum", "cv > 0.125", "up to the cap of cv, 0.125"],
    );
    let rows = (0..600).map(|i| {
        let (who, size) = (i % 12, 0.25 + (i * 7 % 13) as f64 / 3.0);
        let against = who == 5 || (i / 12 % 5 == 0 && size < 3.0);
        (if against { -size } else { size }, format!("p{who}"))
    });
    place.file("against.csv", table(rows));
    let against = sane(&place, "fit against.csv --group group --svg against");
    let weakest = &against["people"]["panel"]["strengths"][0];
    assert!(weakest["name"] == "p5" && number(&weakest["median"]) < 0.1, "{weakest}");
    for folder in ["two", "sixty", "huge", "cap", "against"] {
        for name in names(&place.path(folder)) {
            let picture = fs::read_to_string(place.path(folder).join(&name)).unwrap();
            assert!(!picture.contains("NaN") && !picture.contains("inf"), "{folder}/{name}");
        }
    }
}
