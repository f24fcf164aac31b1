//! The command line as people and scripts use it: reports, files, messages, exit codes.

mod diagnosis;

use serde_json::Value;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

/// A folder of its own, in which the tool runs.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn file(&self, name: &str, text: impl AsRef<[u8]>) -> &Self {
        fs::write(self.path(name), text).unwrap();
        self
    }

    fn run_with(&self, args: &str, input: &[u8]) -> Output {
        let mut child = Command::new(env!("CARGO_BIN_EXE_prefstrength"))
            .args(args.split_whitespace())
            .current_dir(self.0.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A tool that stops early closes the pipe.
        let _ = child.stdin.take().unwrap().write_all(input);
        child.wait_with_output().unwrap()
    }

    fn run(&self, args: &str) -> Output {
        self.run_with(args, b"")
    }

    /// What it prints, which must go well.
    fn text(&self, args: &str) -> String {
        let out = self.run(args);
        assert!(out.status.success(), "{args}: {}", String::from_utf8_lossy(&out.stderr));
        assert!(out.stderr.is_empty(), "{args}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).unwrap()
    }

    fn json(&self, args: &str) -> Value {
        serde_json::from_str(&self.text(&format!("{args} --json"))).unwrap()
    }

    /// Its message; nothing else may have been written.
    fn refused(&self, args: &str) -> String {
        let before = self.names();
        let out = self.run(args);
        assert_eq!(out.status.code(), Some(1), "{args}: {}", String::from_utf8_lossy(&out.stderr));
        assert!(out.stdout.is_empty(), "{args}: {}", String::from_utf8_lossy(&out.stdout));
        assert_eq!(self.names(), before, "{args}");
        let message = String::from_utf8(out.stderr).unwrap();
        assert!(message.starts_with("prefstrength: ") && !message.contains("panicked"), "{message}");
        assert!(message.len() < 2000, "{args}: a message of {} bytes", message.len());
        message
    }

    fn names(&self) -> Vec<String> {
        names(self.0.path())
    }
}

fn names(folder: &Path) -> Vec<String> {
    let each = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
    let mut names: Vec<String> = fs::read_dir(folder).unwrap().map(each).collect();
    names.sort();
    names
}

fn contains(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "`{part}` is not in:\n{text}");
    }
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is not a number"))
}

/// Fixed, Gamma, LogNormal.
fn family<'a>(report: &'a Value, name: &str) -> &'a Value {
    report["families"].as_array().unwrap().iter().find(|f| f["family"] == name).unwrap()
}

fn within(value: f64, truth: f64, error: f64) {
    assert!((value - truth).abs() < 3.0 * error, "{value} ± {error}, truth {truth}");
}

#[test]
fn a_spread_is_recovered_from_margins() {
    let place = Place::new();
    place.text("simulate margins -n 20000 --cv 1.2 --mean 0.1 -o margins.csv");
    let report = place.json("fit margins.csv --svg pictures");
    let gamma = family(&report, "Gamma");
    within(number(&gamma["cv"]), 1.2, number(&gamma["cv_error"]));
    within(number(&gamma["mean"]), 0.1, number(&gamma["mean_error"]));
    assert!(number(&gamma["likelihood_ratio"]["p"]) < 1e-6 && number(&report["score_test"]["p"]) < 1e-6);
    // Label noise would do as well, or nearly so; nothing less does.
    let verdict = &report["verdict"]["choices"];
    assert!(verdict == "strength" || verdict == "cannot_tell", "{verdict}");
    assert_eq!(report["number"], 20000);
    assert_eq!((&report["is_fit"], &gamma["spread"]), (&true.into(), &"Interior".into()));
    // The mean deviation of plain DPO is the largest.
    let errors: Vec<f64> = report["calibration"][0]["error"].as_array().unwrap().iter().map(number).collect();
    assert!(errors[0] > errors[1] && errors[0] > errors[2], "{errors:?}");
    assert_eq!(report["calibration"][0]["bins"].as_array().unwrap().len(), 10);
    let others = ["profile_cv.svg", "profile_noise.svg", "strength.svg"];
    let pictures = ["alternatives.svg", "calibration.svg", "effective_logit.svg"].into_iter().chain(others);
    assert_eq!(names(&place.path("pictures")), pictures.collect::<Vec<_>>());
    let text = place.text("fit margins.csv --max-cv 8 --bins 4");
    contains(
        &text,
        &["margins.csv: 20000 margins", "log-likelihood", "=> ", "levels off", "mean deviation: Fixed"],
    );
    // Where margins reach far enough, it is told from label noise.
    place.text("simulate margins -n 20000 --cv 1 --size 60 -o far.csv");
    let far = place.json("fit far.csv");
    assert_eq!(far["verdict"]["choices"], "strength");
    assert!(number(&far["verdict"]["z_beyond_noise"]) > 3.0);
    contains(far["verdict"]["choices_text"].as_str().unwrap(), &["the strength of preference varies"]);
}

#[test]
fn homogeneous_margins_collapse() {
    let place = Place::new();
    place.text("simulate margins -n 20000 --cv 0 --seed 4 -o margins.csv");
    let report = place.json("fit margins.csv");
    let fixed = number(&family(&report, "Fixed")["log_likelihood"]);
    for name in ["Gamma", "LogNormal"] {
        let gain = number(&family(&report, name)["log_likelihood"]) - fixed;
        assert!((0.0..2.0).contains(&gain), "{name}: {gain}");
    }
    assert_eq!(report["verdict"]["choices"], "plain");
}

/// The same margins in every format, by file and by pipe, with other columns around them.
#[test]
fn formats_are_equal() {
    let place = Place::new();
    place.text("simulate margins -n 3000 --groups 7 -o margins.csv");
    let csv = fs::read_to_string(place.path("margins.csv")).unwrap();
    let rows: Vec<(&str, &str)> = csv.lines().skip(1).map(|line| line.split_once(',').unwrap()).collect();
    let lines: String =
        rows.iter().map(|(d, g)| format!("{{\"x\":[1,{{}}],\"margin\":{d},\"group\":\"{g}\"}}\n")).collect();
    place.file("margins.jsonl", &lines).file("noname", &lines);
    let quoted: String = rows.iter().map(|(d, g)| format!("\"{g}\",\"a,\"\"\nb\", {d} \r\n")).collect();
    place.file("quoted.csv", format!("\u{feff}group, other ,margin\r\n\r\n{quoted}"));
    let first = place.json("fit margins.csv --group group");
    let same = |mut report: Value| {
        report["file"] = first["file"].clone();
        assert_eq!(report, first);
    };
    same(place.json("fit margins.jsonl --group group"));
    same(place.json("fit noname --group group"));
    same(place.json("fit quoted.csv --group group"));
    for (format, text) in [("csv", &csv), ("jsonl", &lines)] {
        for args in [String::new(), format!("--format {format}")] {
            let out = place.run_with(&format!("fit - --group group --json {args}"), text.as_bytes());
            same(serde_json::from_slice(&out.stdout).unwrap());
        }
    }
    let renamed = csv.replacen("margin,group", "d,who", 1);
    place.file("renamed.csv", renamed);
    same(place.json("fit renamed.csv --margin d --group who"));
    contains(&place.refused("fit renamed.csv"), &["renamed.csv", "no column `margin`", "d, who"]);
}

/// As bytes of a Parquet file.
#[cfg(feature = "parquet")]
fn parquet(margins: &[f64], groups: &[&str]) -> Vec<u8> {
    use parquet::column::writer::ColumnWriter;
    use parquet::data_type::ByteArray;
    use parquet::file::{properties::WriterProperties, writer::SerializedFileWriter};
    let schema = "message t { required double margin; required binary group (utf8); }";
    let schema = std::sync::Arc::new(parquet::schema::parser::parse_message_type(schema).unwrap());
    let compression = parquet::basic::Compression::ZSTD(Default::default());
    let properties = std::sync::Arc::new(WriterProperties::builder().set_compression(compression).build());
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, properties).unwrap();
    let mut rows = writer.next_row_group().unwrap();
    while let Some(mut column) = rows.next_column().unwrap() {
        match column.untyped() {
            ColumnWriter::DoubleColumnWriter(w) => w.write_batch(margins, None, None).unwrap(),
            ColumnWriter::ByteArrayColumnWriter(w) => {
                let groups: Vec<ByteArray> = groups.iter().map(|&g| g.into()).collect();
                w.write_batch(&groups, None, None).unwrap()
            }
            _ => unreachable!(),
        };
        column.close().unwrap();
    }
    rows.close().unwrap();
    writer.into_inner().unwrap()
}

/// Parquet says what CSV says, also through a pipe; cut off anywhere, it says nothing but a message.
#[cfg(feature = "parquet")]
#[test]
fn parquet_is_read_or_refused() {
    let place = Place::new();
    place.text("simulate margins -n 3000 --groups 7 -o margins.csv");
    let csv = fs::read_to_string(place.path("margins.csv")).unwrap();
    let rows: Vec<(f64, &str)> = csv
        .lines()
        .skip(1)
        .map(|line| line.split_once(',').map(|(d, g)| (d.parse().unwrap(), g)).unwrap())
        .collect();
    let (margins, groups): (Vec<f64>, Vec<&str>) = rows.into_iter().unzip();
    let bytes = parquet(&margins, &groups);
    place.file("margins.parquet", &bytes);
    let first = place.json("fit margins.csv --group group");
    let same = |mut report: Value| {
        report["file"] = first["file"].clone();
        assert_eq!(report, first);
    };
    same(place.json("fit margins.parquet --group group"));
    let piped = place.run_with("fit - --group group --json", &bytes);
    same(serde_json::from_slice(&piped.stdout).unwrap());
    for part in [1, 4, 100, bytes.len() / 2, bytes.len() - 9, bytes.len() - 1] {
        place.file("cut.parquet", &bytes[..part]);
        contains(&place.refused("fit cut.parquet --svg pictures"), &["cut.parquet"]);
    }
    contains(&place.refused("fit margins.parquet --margin group"), &["margins.parquet", "`group`"]);
    contains(
        &place.refused("fit margins.parquet --margin d"),
        &["no column `d`; the columns are margin, group"],
    );
    place.file("bad.parquet", parquet(&[1.0, -2.0, f64::NAN], &["a", "b", "c"]));
    contains(&place.refused("fit bad.parquet"), &["bad.parquet, row 3, column `margin`"]);
}

#[test]
fn weights_are_repetitions() {
    let place = Place::new();
    place.text("simulate margins -n 2000 -o margins.csv");
    let csv = fs::read_to_string(place.path("margins.csv")).unwrap();
    let (mut weighted, mut repeated) = ("margin,w\n".to_owned(), "margin\n".to_owned());
    for (i, line) in csv.lines().skip(1).enumerate() {
        weighted += &format!("{line},{}\n", i % 3);
        repeated += &format!("{line}\n").repeat(i % 3);
    }
    place.file("weighted.csv", &weighted).file("repeated.csv", repeated);
    let (a, b) = (place.json("fit weighted.csv --weight w"), place.json("fit repeated.csv"));
    for name in ["Fixed", "Gamma", "LogNormal"] {
        let of = |report: &Value, what: &str| number(&family(report, name)[what]);
        assert!((of(&a, "log_likelihood") - of(&b, "log_likelihood")).abs() < 1e-6);
        assert!((of(&a, "mean") / of(&b, "mean") - 1.0).abs() < 1e-6);
    }
    assert_eq!((a["number"].as_u64(), number(&a["weight"])), (Some(2000), number(&b["weight"])));
    place.file("bad.csv", "margin,w\n1,1\n-2,-0.5\n");
    contains(&place.refused("fit bad.csv --weight w"), &["bad.csv, line 3, column `w`", "-0.5 is negative"]);
}

/// Everything that can be wrong with a file has a message with its place, and leaves nothing behind.
#[test]
fn bad_files_are_refused() {
    let place = Place::new();
    let long = format!("margin\n1\n{}\n", "7x".repeat(500_000));
    for (text, parts) in [
        ("", &["the file is empty"][..]),
        ("margin\n", &["there are no margins"]),
        ("x\n1\n", &["no column `margin`"]),
        ("margin,margin\n1,2\n", &["more than one column `margin`"]),
        ("margin\n1\nabc\n", &["line 3, column `margin`", "`abc`"]),
        ("margin\n1\n\n-1\nNaN\n", &["line 5, column `margin`"]),
        ("margin\ninf\n", &["line 2, column `margin`"]),
        ("margin\n1e999\n", &["line 2, column `margin`"]),
        ("margin,b\n1,2\n3\n", &["line 3", "1 column"]),
        ("margin,b\n,2\n", &["line 2, column `margin`"]),
        ("margin\n\"1\n", &["line 2"]),
        (long.as_str(), &["line 3, column `margin`"]),
        ("margin\n1\n", &["rises without end", "No margin is negative"]),
        ("margin\n1\n1\n1\n", &["rises without end"]),
        ("margin\n1\n2\n3\n", &["rises without end"]),
        ("margin\n-1\n-2\n-3\n", &["the mean of β goes to 0", "chosen minus rejected?"]),
        ("margin\n2\n2\n-2\n", &["one size"]),
        ("margin\n0\n0\n", &["all margins are 0"]),
        ("1\n2\n3\n", &["header"]),
    ] {
        place.file("bad.csv", text);
        let message = place.refused("fit bad.csv --svg pictures --json");
        contains(&message, &["bad.csv"]);
        contains(&message, parts);
    }
    for (text, parts) in [
        ("{\"margin\":1}\n{\"margin\":\"a\"}\n", &["line 2", "margin"][..]),
        ("{\"margin\":1}\n{}\n", &["line 2", "margin"]),
        ("{\"margin\":1}\n{\"margin\":null}\n", &["line 2", "margin"]),
        ("{\"margin\":1}\n{\"margin\":\n", &["line 2"]),
        ("[1]\n", &["line 1"]),
        ("{\"x\":1}\n", &["no column `margin`", "x"]),
    ] {
        place.file("bad.jsonl", text);
        let message = place.refused("fit bad.jsonl --svg pictures");
        contains(&message, &["bad.jsonl"]);
        contains(&message, parts);
    }
    contains(&place.refused("fit nowhere.csv"), &["nowhere.csv"]);
    place.file("bad.csv", "margin\n1\n-0.5\n");
    contains(&place.refused("fit bad.csv --group who"), &["no column `who`"]);
    place.file("bad.csv", "margin,who\n1,a\n-0.5,\n");
    contains(&place.refused("fit bad.csv --group who"), &["line 3, column `who`: the group is empty"]);
}

/// Pictures that cannot be written are an error before the report, and files with their names stay as they are.
#[test]
fn pictures_appear_whole() {
    let place = Place::new();
    place.text("simulate margins -n 3000 -o margins.csv");
    place.file("taken", "a file");
    contains(&place.refused("fit margins.csv --svg taken"), &["taken"]);
    assert_eq!(fs::read(place.path("taken")).unwrap(), b"a file");
    place.text("fit margins.csv --svg deep/in/folders");
    let folder = place.path("deep/in/folders");
    for name in names(&folder) {
        let text = fs::read_to_string(folder.join(&name)).unwrap();
        assert!(
            text.starts_with("<svg ") && text.trim_end().ends_with("</svg>") && !text.contains("NaN"),
            "{name}"
        );
    }
}

/// Choices that hardly depend on the size of the margin, those of a Gamma with cv 4: said, with a status of its own, where
/// the cap is below that.
#[test]
fn no_maximum_has_a_status() {
    let place = Place::new();
    let row = |i: i32| {
        let [u, w] = [(0.618_033_988_9, 0.0), (0.754_877_666_2, 0.5)]
            .map(|(step, from)| (f64::from(i) * step + from).fract());
        let size = 10.0_f64.powf(8.0 * w - 2.0);
        format!("{}\n", if u < 0.5 * (size / 0.01).powf(-0.06) { -size } else { size })
    };
    place.file("flat.csv", format!("margin\n{}", (0..4000).map(row).collect::<String>()));
    let out = place.run("fit flat.csv --max-cv 3.5");
    assert_eq!(out.status.code(), Some(3));
    let text = String::from_utf8(out.stdout).unwrap();
    contains(
        &text,
        &["no finite maximum (Gamma", "cv > 3.50", "no maximum", "cannot tell how far β spreads"],
    );
    assert!(!text.contains("AIC prefers"), "{text}");
    let out = place.run("fit flat.csv --max-cv 3.5 --json");
    let report: Value = serde_json::from_slice(&out.stdout).unwrap();
    assert_eq!((&report["verdict"]["choices"], &report["is_fit"]), (&"no_fit".into(), &false.into()));
    assert_eq!(family(&report, "Gamma")["aic"], Value::Null);
    // Choices that do not depend on it at all are label noise, whatever the cap.
    let rows = (0..2000).map(|i| {
        let size = 10.0_f64.powf(f64::from(i) / 400.0 - 2.0);
        format!("{}\n", if i % 5 == 0 { -size } else { size })
    });
    place.file("step.csv", format!("margin\n{}", rows.collect::<String>()));
    let report = place.json("fit step.csv");
    assert_eq!(report["verdict"]["choices"], "noise");
    within(number(&report["noise"]["lapse"]), 0.2, number(&report["noise"]["lapse_error"]));
    contains(&place.text("fit step.csv"), &["Gamma, LogNormal and InverseGaussian have no maximum"]);
}

#[test]
fn groups_are_told_apart() {
    let place = Place::new();
    place.text("simulate margins -n 6000 --groups 60 --own-strength -o own.csv");
    place.text("simulate margins -n 6000 --groups 60 -o drawn.csv");
    let p = |report: &Value| number(&report["groups"]["alike"]["p"]);
    let (own, drawn) = (place.json("fit own.csv --group group"), place.json("fit drawn.csv --group group"));
    assert!(p(&own) < 1e-6 && p(&drawn) > 1e-3, "{} {}", p(&own), p(&drawn));
    let groups = own["groups"]["groups"].as_array().unwrap();
    assert_eq!(groups.len(), 60);
    assert!(groups.is_sorted_by_key(|g| number(&g["strength"])));
    let mean = groups.iter().map(|g| number(&g["accuracy"])).sum::<f64>() / 60.0;
    assert!((mean - number(&own["groups"]["macro"]["accuracy"])).abs() < 1e-12);
    let text = place.text("fit own.csv --group group --svg pictures");
    contains(&text, &["60 groups", "from weak to strong", "=> people differ"]);
    let people = |report: &Value| report["verdict"]["people"].clone();
    assert!(people(&own) == "differ" && people(&drawn) != "differ");
    assert!(names(&place.path("pictures")).contains(&"people.svg".to_owned()));
    place.text("fit own.csv --group group --panel=off --svg others");
    assert!(names(&place.path("others")).contains(&"groups.svg".to_owned()));
}

#[test]
fn a_policy_is_trained_with_its_spread() {
    let place = Place::new();
    place.text("simulate pairs -n 8000 --cv 1.2 --features 3 --groups 50 -o pairs.csv");
    let report = place.json("train pairs.csv --folds 4 --svg pictures");
    let gamma = family(&report, "Gamma");
    within(number(&gamma["cv"]), 1.2, number(&gamma["cv_error"]));
    let policy = gamma["policy"].as_array().unwrap();
    let raw = [1.0, -0.8, 0.64];
    let length = raw.iter().map(|x: &f64| x * x).sum::<f64>().sqrt();
    for (w, truth) in policy.iter().zip(raw) {
        within(number(&w["weight"]), 1.5 * truth / length, number(&w["error"]));
    }
    assert!(number(&gamma["cv_error_robust"]) > 0.0);
    assert!(number(&report["cross_validation"]["families"][1]["gain"]) > 0.0);
    assert_eq!(report["predicts"], "better");
    assert_eq!(report["groups"]["groups"].as_array().unwrap().len(), 50);
    assert!(names(&place.path("pictures")).contains(&"calibration_fixed.svg".to_owned()));
    let text = place.text("train pairs.csv --features f3,f1 --panel=off");
    contains(&text, &["8000 pairs", "policy, margin = w·f", "f3", "50 groups"]);
    assert!(!text.contains("f2"));
    // Groups are left out when asked for under another name.
    contains(&place.refused("train pairs.csv --group who"), &["no column `who`"]);
    let bounded = place.json("train pairs.csv --ridge 50 --prior-cv 0.5 --panel=off");
    assert!(number(&family(&bounded, "Gamma")["cv"]) < number(&gamma["cv"]));
    assert_eq!(number(&bounded["penalties"]["ridge"]), 50.0);
}

#[test]
fn what_a_policy_cannot_learn_is_said() {
    let place = Place::new();
    let rows = |f: &dyn Fn(i32) -> String| (0..200).map(f).collect::<String>();
    let sum = rows(&|i| format!("{i},{},{},{}\n", i % 7 - 3, i % 5 - 2, i % 7 - 3 + i % 5 - 2));
    place.file("sum.csv", format!("pair_id,f1,f2,f3\n{sum}"));
    contains(&place.refused("train sum.csv"), &["sum.csv", "`f3`", "linear combination", "--ridge"]);
    place.text("train sum.csv --features f1,f2 --max-cv 3 --ridge 1 --prior-cv 1");
    place.file("separable.csv", format!("pair_id,f1\n{}", rows(&|i| format!("{i},{}\n", i + 1))));
    contains(&place.refused("train separable.csv"), &["`f1`", "rises without end", "use --ridge"]);
    place.file("none.csv", "pair_id,x\n1,2\n");
    contains(&place.refused("train none.csv"), &["no feature columns f1, f2", "pair_id, x"]);
    place.file("empty.csv", "pair_id,f1\n");
    contains(&place.refused("train empty.csv"), &["there are no rows"]);
    place.file("bad.csv", "pair_id,f1,f2\n1,0.5,2\n2,0.1,\n");
    contains(&place.refused("train bad.csv"), &["bad.csv, line 3, column `f2`"]);
    place.file("bad.csv", "pair_id,f1,f2\n1,0.5,2\n2,-1e101,1\n");
    contains(&place.refused("train bad.csv"), &["bad.csv, line 3, column `f1`: -1e101 is beyond ±1e100"]);
    // A feature of two pairs that contradict each other is separated without the fold that one of them is in.
    let rare = rows(&|i| format!("{i},{},{}\n", i * 7 % 11 - 4, if i < 2 { 2 * i - 1 } else { 0 }));
    place.file("rare.csv", format!("pair_id,f1,f2\n{rare}"));
    let report = place.json("train rare.csv --folds 5");
    assert_eq!(report["cross_validation"], Value::Null);
    contains(report["cross_validation_error"].as_str().unwrap(), &["without fold", "rises without end"]);
    contains(
        &place.text("train rare.csv --folds 400"),
        &["no cross-validation: there must be at least 2 folds"],
    );
}

/// One large margin makes a coin of plain DPO, which is said, and the rest goes on.
#[test]
fn a_coin_beside_a_spread_is_reported() {
    let place = Place::new();
    place.file("margins.csv", include_str!("../../learn/tests/data/fit_outlier.csv"));
    let report = place.json("fit margins.csv --weight w --svg pictures");
    assert_eq!(report["score_test"], Value::Null);
    let (fixed, gamma) = (family(&report, "Fixed"), family(&report, "Gamma"));
    assert!(fixed["spread"] == "MeanZero" && fixed["mean"] == 0.0 && fixed["is_maximum"] == true);
    within(number(&gamma["log_likelihood"]), -78.37409, 1e-5);
    within(number(&gamma["mean"]), 1.86228, 1e-5);
    contains(
        &place.text("fit margins.csv --weight w"),
        &["no score test: plain DPO does no better than a coin"],
    );
    for name in names(&place.path("pictures")) {
        let picture = fs::read_to_string(place.path("pictures").join(&name)).unwrap();
        assert!(!picture.contains("NaN") && !picture.contains("inf"), "{name}");
    }
}

#[test]
fn rows_are_drawn_again_and_held_out() {
    let place = Place::new();
    place.text("simulate margins -n 3000 --cv 1 --size 4 --groups 60 --own-strength -o margins.csv");
    let report = place.json("fit margins.csv --group group --panel=off --folds 4 --bootstrap 100");
    assert_eq!(report["cross_validation"]["folds"], 4);
    assert_eq!(report["cross_validation_error"], Value::Null);
    let bootstrap = &report["bootstrap"];
    assert_eq!((&bootstrap["replicates"], &bootstrap["units"]), (&Value::from(100), &Value::from(60)));
    assert_eq!(bootstrap["model"], report["shown"]);
    let mean = &bootstrap["estimates"][0];
    assert!(mean["name"] == "mean" && number(&mean["error"]) > 0.0);
    assert!(number(&mean["interval"][0]) < number(&mean["interval"][1]));
    let text = place.text("fit margins.csv --group group --panel=off --folds 4 --bootstrap 100");
    contains(
        &text,
        &["cross-validation, 4 folds", "100 replicates of 60 groups drawn with replacement", "mean β"],
    );
    assert_eq!(text, place.text("fit margins.csv --group group --panel=off --folds 4 --bootstrap 100"));
    // What cannot be done leaves the rest of the report as it is.
    place.text("simulate pairs -n 600 --cv 0 --features 2 --groups 4 -o pairs.csv");
    let report = place.json("train pairs.csv --folds 5 --bootstrap 100 --panel=off");
    contains(report["bootstrap_error"].as_str().unwrap(), &["4 groups", "10 are the least"]);
    contains(report["cross_validation_error"].as_str().unwrap(), &["folds"]);
    let text = place.text("train pairs.csv --group f1 --bootstrap 100 --panel=off");
    contains(&text, &["bootstrap of", "100 replicates of 600 groups", "f2"]);
    let out = place.run("fit margins.csv --bootstrap 99");
    assert_eq!(out.status.code(), Some(2));
    contains(&String::from_utf8(out.stderr).unwrap(), &["99", "100"]);
}

/// A dummy that few pairs have, all of one sign, and one that all have.
#[test]
fn separated_features_are_named() {
    let place = Place::new();
    let row = |i: usize| {
        let x = (i * i % 11) as f64 - 4.0 + 0.1 * (i % 7) as f64;
        format!("{x},{},{}\n", u8::from(i % 80 == 3), 1 + i % 4)
    };
    let rows: String = (0..400).map(row).collect();
    place.file("pairs.csv", format!("x,rare,always\n{rows}"));
    let report = place.json("train pairs.csv --features x,rare");
    for name in ["Fixed", "Gamma"] {
        let policy = &family(&report, name)["policy"];
        assert!(policy[0]["separated"].is_null() && policy[1]["separated"] == 5, "{policy}");
        assert!(number(&policy[1]["weight"]) > 10.0 && policy[1]["error"].is_null());
    }
    let text = place.text("train pairs.csv --features x,rare --folds 5");
    contains(&text, &["rare: has one sign in all 5 pairs that have it", "∞"]);
    // What stands for an infinite weight is in no margin that is told of.
    assert!(!text.contains("extreme margin"), "{text}");
    let largest = report["calibration"][0]["bins"].as_array().unwrap().last().unwrap();
    assert!(number(&largest["largest"]) < 1.0, "{largest}");
    assert!(!text.contains("NaN") && !text.contains("inf"), "{text}");
    let message = place.refused("train pairs.csv --features x,always");
    contains(&message, &["the feature `always` has one sign in every pair", "--ridge"]);
}

#[test]
fn evaluate_is_complete_or_not_there() {
    let place = Place::new();
    place.file("rows.csv", "id,margin,k,theta\na,1.5,2,0.5\nb,-1.5,2,0.5\n");
    let text = place.text("evaluate rows.csv");
    assert!(text.starts_with("id,margin,k,theta,expected_sigmoid,nll,"));
    assert_eq!(text.lines().count(), 3);
    place.text("evaluate rows.csv -o results.csv");
    assert_eq!(fs::read_to_string(place.path("results.csv")).unwrap(), text);
    let piped = place.run_with("evaluate", &fs::read(place.path("rows.csv")).unwrap());
    assert_eq!(piped.stdout, text.as_bytes());
    let nll = |text: &str, at: usize| {
        text.lines().nth(1).unwrap().split(',').nth(at).unwrap().parse::<f64>().unwrap()
    };
    for path in ["direct", "plan"] {
        let batch = place.text(&format!("evaluate rows.csv --path {path} --level scalar"));
        assert!((nll(&batch, 4) / nll(&text, 5) - 1.0).abs() < 1e-14);
    }
    place.file("lerch.csv", "s,a\n1,1\n");
    contains(&place.text("evaluate lerch.csv --function lerch"), &["0.6931471805599453"]);
    place.file("bad.csv", "margin,k,theta\n1,2,3\n1,-2,3\n").file("old.csv", "old");
    for output in ["new.csv", "old.csv"] {
        contains(&place.refused(&format!("evaluate bad.csv -o {output}")), &["line 3"]);
    }
    assert_eq!(fs::read(place.path("old.csv")).unwrap(), b"old");
}

/// What came in comes out, in as many rows, whatever its quotes, line ends and first bytes are.
#[test]
fn evaluate_loses_no_row() {
    let place = Place::new();
    // A quote inside a cell is a character of it: `5" tall` is no end of anything.
    let stray = "note,margin,beta\n5\" tall,1,0.1\nok,2,0.1\nok,3,0.1\nok,4,0.1\n";
    let header = "id\"x,margin,beta\n1,2,0.1\n2,3,0.1";
    let many = "\u{feff} note ,margin , beta\r\n\r\n\"a,\n\"\"b\r\n\n\",1,0.1\r\n\n\nok,2,0.1\n6\",3,0.1\r\n\" x\" , 4 ,0.1";
    let read = |text: &str| -> Vec<Vec<String>> {
        let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
        reader.records().map(|row| row.unwrap().iter().map(String::from).collect()).collect()
    };
    for path in ["scalar", "direct", "plan"] {
        place.file("stray.csv", stray).file("header.csv", header).file("many.csv", many);
        let texts = ["stray", "header", "many"].map(|name| {
            let rows = read(&place.text(&format!("evaluate {name}.csv --path {path}")));
            rows.iter().map(|row| row[..3].join("|")).collect::<Vec<_>>()
        });
        let rest = ["ok|2|0.1", "ok|3|0.1", "ok|4|0.1"];
        assert_eq!(texts[0], [&["note|margin|beta", "5\" tall|1|0.1"], &rest[..]].concat());
        assert_eq!(texts[1], ["id\"x|margin|beta", "1|2|0.1", "2|3|0.1"]);
        let rows = ["note|margin|beta", "a,\n\"b\r\n\n|1|0.1", "ok|2|0.1", "6\"|3|0.1", " x| 4 |0.1"];
        assert_eq!(texts[2], rows);
    }
    // A bad row is named by the line that it begins on.
    let lines = "margin,note,beta\n\n1,\"two\nlines\",0.1\n\n2,\"\n\n\",-1\n3,x,0.1\n";
    place.file("lines.csv", lines);
    for path in ["scalar", "direct", "plan"] {
        let out = place.run(&format!("evaluate lines.csv --path {path}"));
        assert_eq!(out.status.code(), Some(1));
        let message = String::from_utf8(out.stderr).unwrap();
        assert!(message.starts_with("prefstrength: lines.csv, line 6: "), "{message}");
        // The row before it is written.
        assert_eq!(read(&String::from_utf8(out.stdout).unwrap()).len(), 2);
    }
    for (text, message) in [
        ("margin,k,theta\n1,2,x\n", "rows.csv, line 2, column `theta`: `x` is not a number"),
        ("margin,k,theta\n1,2,3\n1,2\n", "rows.csv, line 3: 2 columns, the header has 3"),
        ("margin,beta\n1,\"2\n", "rows.csv, line 2: a quote that begins here is not closed"),
    ] {
        place.file("rows.csv", text);
        let out = place.run("evaluate rows.csv");
        contains(&String::from_utf8(out.stderr).unwrap(), &[message]);
        assert_eq!(out.status.code(), Some(1));
    }
    let piped = place.run_with("evaluate", b"margin,beta\n1,x\n");
    contains(
        &String::from_utf8(piped.stderr).unwrap(),
        &["prefstrength: standard input, line 2, column `beta`"],
    );
}

#[test]
fn nothing_is_written_for_a_bad_header() {
    let place = Place::new();
    for (header, what) in [
        ("margin,k\n1,2\n", "needs `beta`, `k,theta`, `mu,sigma`"),
        ("k,theta\n1,2\n", "no column `margin`; the columns are k, theta"),
        ("margin,beta,beta\n1,2,3\n", "more than one column `beta`"),
        ("margin,margin,beta\n1,2,3\n", "more than one column `margin`"),
        ("margin,beta,k,theta\n1,2,3,4\n", "more than one family"),
        ("margin,mean,cv\n1,2,3\n", "need --family fixed|gamma|lognormal"),
        ("1,2,3\n", "a header with the names of the columns is needed"),
        ("", "the file is empty"),
    ] {
        place.file("rows.csv", header);
        for args in ["evaluate rows.csv", "evaluate rows.csv -o out.csv", "evaluate rows.csv --path plan"] {
            contains(&place.refused(args), &["prefstrength: rows.csv", what]);
        }
    }
    // A header alone is a table without rows.
    place.file("rows.csv", "margin,beta\n");
    for path in ["scalar", "direct"] {
        assert_eq!(place.text(&format!("evaluate rows.csv --path {path}")).lines().count(), 1);
    }
}

/// The same table in every format gives the same results.
#[test]
fn evaluate_reads_every_format() {
    let place = Place::new();
    let csv = "margin,group,beta\n1.5,a,0.1\n-20.25,\"b,c\",0.3\n";
    let json =
        "{\"margin\":1.5,\"group\":\"a\",\"beta\":0.1}\n\n{\"beta\":0.3,\"group\":\"b,c\",\"margin\":-20.25}";
    place.file("rows.csv", csv).file("rows.jsonl", json);
    for args in ["", "--path direct", "--precision f32"] {
        let text = place.text(&format!("evaluate rows.csv {args}"));
        assert_eq!(place.text(&format!("evaluate rows.jsonl {args}")), text);
        let piped = place.run_with(&format!("evaluate --format jsonl {args}"), json.as_bytes());
        assert_eq!(String::from_utf8(piped.stdout).unwrap(), text);
    }
    #[cfg(feature = "parquet")]
    {
        // `group` is a number in text here; the margins are their own β.
        place.file("rows.parquet", parquet(&[1.5, 2.25], &["a", "b,c"]));
        contains(
            &place.refused("evaluate rows.parquet"),
            &["rows.parquet: needs", "the columns are margin, group"],
        );
        contains(&place.refused("evaluate rows.parquet -o x.csv"), &["rows.parquet"]);
    }
}

/// A mean and a cv say what the native parameters of the same strength say.
#[test]
fn evaluate_takes_means_and_cvs() {
    let place = Place::new();
    let columns = |text: &str| -> Vec<(String, f64)> {
        let mut lines = text.lines();
        let names = lines.next().unwrap().split(',').map(String::from);
        let row: Vec<f64> = lines.next().unwrap().split(',').map(|x| x.parse().unwrap()).collect();
        names.zip(row).collect()
    };
    let get = |row: &[(String, f64)], name: &str| row.iter().find(|(n, _)| n == name).unwrap().1;
    // k = 1/cv² and θ = mean·cv²; σ² = ln(1 + cv²) and μ = ln mean − σ²/2.
    let (margin, mean, cv) = (-2.5, 0.3, 0.8);
    let (k, theta) = (1.0 / (cv * cv), mean * cv * cv);
    let s2 = (1.0_f64 + cv * cv).ln();
    let (mu, sigma) = (f64::ln(mean) - 0.5 * s2, s2.sqrt());
    place.file("gamma.csv", format!("margin,k,theta\n{margin},{k:?},{theta:?}\n"));
    place.file("lognormal.csv", format!("margin,mu,sigma\n{margin},{mu:?},{sigma:?}\n"));
    place.file("mean.csv", format!("margin,mean,cv\n{margin},{mean},{cv}\n"));
    for family in ["gamma", "lognormal"] {
        let native = columns(&place.text(&format!("evaluate {family}.csv")));
        let by_mean = columns(&place.text(&format!("evaluate mean.csv --family {family}")));
        for name in ["expected_sigmoid", "nll", "dnll_dmargin", "d2nll_dmargin2", "posterior_mean"] {
            let (a, b) = (get(&native, name), get(&by_mean, name));
            assert!((a / b - 1.0).abs() < 1e-12, "{family} {name}: {a} {b}");
        }
        // The chain rule.
        let (d_mean, d_cv) = match family {
            "gamma" => {
                let (dk, dt) = (get(&native, "dnll_dk"), get(&native, "dnll_dtheta"));
                (dt * cv * cv, dk * -2.0 / cv.powi(3) + dt * 2.0 * mean * cv)
            }
            _ => {
                let (dm, ds) = (get(&native, "dnll_dmu"), get(&native, "dnll_dsigma"));
                let of_s2 = 2.0 * cv / (1.0 + cv * cv);
                (dm / mean, of_s2 * (0.5 * ds / sigma - 0.5 * dm))
            }
        };
        assert!((get(&by_mean, "dnll_dmean") / d_mean - 1.0).abs() < 1e-12, "{family}");
        assert!((get(&by_mean, "dnll_dcv") / d_cv - 1.0).abs() < 1e-12, "{family}");
    }
    // Plain DPO is what all families are at cv = 0.
    place.file("zero.csv", format!("margin,mean,cv\n{margin},{mean},0\n"));
    let nll =
        |family: &str| get(&columns(&place.text(&format!("evaluate zero.csv --family {family}"))), "nll");
    assert!(["gamma", "lognormal"].iter().all(|family| (nll(family) / nll("fixed") - 1.0).abs() < 1e-14));
    assert_eq!(get(&columns(&place.text("evaluate zero.csv --family fixed")), "dnll_dcv"), 0.0);
    let out = place.run("evaluate mean.csv --family fixed");
    contains(&String::from_utf8(out.stderr).unwrap(), &["mean.csv, line 2: "]);
    // One family, by one set of columns.
    contains(
        &place.refused("evaluate gamma.csv --family lognormal"),
        &["`k,theta` are of the family gamma, not lognormal"],
    );
    assert_eq!(place.text("evaluate gamma.csv --family gamma"), place.text("evaluate gamma.csv"));
    place.file("both.csv", "margin,mean,cv,k,theta\n1,2,0.5,4,0.5\n");
    contains(&place.refused("evaluate both.csv --family gamma"), &["both `k,theta` and `mean,cv`"]);
    assert!(place.text("evaluate both.csv").starts_with("margin,mean,cv,k,theta,expected_sigmoid"));
}

/// The cells of a CSV text by name.
fn cells(text: &str, name: &str) -> Vec<f64> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let header = reader.headers().unwrap().clone();
    let column = header.iter().position(|n| n == name).unwrap_or_else(|| panic!("no {name} in {header:?}"));
    reader.records().map(|row| row.unwrap()[column].parse().unwrap()).collect()
}

/// A column `lapse` is the chance of a flipped label, on every path.
#[test]
fn evaluate_takes_a_lapse() {
    let place = Place::new();
    let rows = [(2.0, 0.0), (-3.0, 0.05), (4.0, 0.2), (-40.0, 1e-9), (-2.0, 0.45)];
    let table = |lapse: bool| {
        let header = if lapse { "margin,k,theta,lapse\n" } else { "margin,k,theta\n" };
        let row =
            |(d, e): &(f64, f64)| if lapse { format!("{d},2,0.5,{e}\n") } else { format!("{d},2,0.5\n") };
        header.to_string() + &rows.iter().map(row).collect::<String>()
    };
    place.file("noisy.csv", table(true)).file("plain.csv", table(false));
    let plain = place.text("evaluate plain.csv");
    let scalar = place.text("evaluate noisy.csv");
    assert!(scalar.starts_with("margin,k,theta,lapse,expected_sigmoid,nll,dnll_dmargin,d2nll_dmargin2,dnll_dk,dnll_dtheta,dnll_dlapse,posterior_mean"));
    let (p, nll, d_lapse) =
        (cells(&plain, "expected_sigmoid"), cells(&scalar, "nll"), cells(&scalar, "dnll_dlapse"));
    assert_eq!(cells(&scalar, "expected_sigmoid"), p);
    for (i, (_, e)) in rows.iter().enumerate() {
        let a = e + (1.0 - 2.0 * e) * p[i];
        assert!((nll[i] + a.ln()).abs() < 1e-14 * (1.0 + nll[i]), "{i}: {} {a}", nll[i]);
        assert!((d_lapse[i] + (1.0 - 2.0 * p[i]) / a).abs() < 1e-13 * (1.0 + d_lapse[i].abs()));
    }
    // The first row has no lapse: the same digits.
    assert_eq!(cells(&scalar, "dnll_dmargin")[0].to_bits(), cells(&plain, "dnll_dmargin")[0].to_bits());
    for (path, names) in
        [("direct", 4), ("plan", 4), ("direct --level scalar", 4), ("plan --level portable", 4)]
    {
        let text = place.text(&format!("evaluate noisy.csv --path {path}"));
        for name in ["nll", "dnll_dmargin", "dnll_dk", "dnll_dtheta", "dnll_dlapse"] {
            for (a, b) in cells(&text, name).into_iter().zip(cells(&scalar, name)) {
                assert!((a - b).abs() < 1e-13 * b.abs().max(1e-3), "{path} {name}: {a} {b}");
            }
        }
        assert_eq!(text.lines().next().unwrap().split(',').count(), names + 5);
    }
    place.file("single.csv", table(true));
    for (a, b) in
        cells(&place.text("evaluate single.csv --precision f32"), "dnll_dlapse").into_iter().zip(&d_lapse)
    {
        assert!((a / b - 1.0).abs() < 1e-5);
    }
    place.file("mean.csv", "margin,mean,cv,lapse\n-3,1,0.7071067811865476,0.05\n");
    let mean = place.text("evaluate mean.csv --family gamma");
    assert!((cells(&mean, "nll")[0] / nll[1] - 1.0).abs() < 1e-13);
    for bad in ["0.5", "-0.1", "nan"] {
        place.file("bad.csv", format!("margin,beta,lapse\n1,1,0.1\n1,1,{bad}\n"));
        for path in ["scalar", "direct", "plan"] {
            let message = place.refused(&format!("evaluate bad.csv --path {path} -o out.csv"));
            contains(&message, &["bad.csv, line 3: ", "at least 0 and below 1/2"]);
        }
    }
}

/// All choices of a person under one strength.
#[test]
fn evaluate_takes_panels() {
    let place = Place::new();
    place.file("panel.csv", "id,mean,cv,margins\na,1,0.5,1.5;-0.5;2\nb,0.2,0,3\nc,2,1.5, -1 ; 4 \n");
    let text = place.text("evaluate panel.csv --function panel --family lognormal");
    assert!(text.starts_with(
        "id,mean,cv,margins,loglik,dll_dln_mean,dll_dv,posterior_mean,posterior_sd,dll_dmargin1\na,1,0.5,1.5;-0.5;2,"
    ));
    // One choice and no spread: plain DPO.
    assert!((cells(&text, "loglik")[1] + (-0.6_f64).exp().ln_1p()).abs() < 1e-15);
    assert_eq!((cells(&text, "posterior_mean")[1], cells(&text, "posterior_sd")[1]), (0.2, 0.0));
    let levels = ["scalar", "portable"].map(|level| {
        place.text(&format!(
            "evaluate panel.csv --function panel --family lognormal --path direct --level {level}"
        ))
    });
    for (other, name) in levels.iter().zip(["loglik", "dll_dv"]) {
        for (a, b) in cells(other, name).into_iter().zip(cells(&text, name)) {
            assert!((a - b).abs() < 1e-12 * (1.0 + b.abs()), "{name}: {a} {b}");
        }
    }
    // A lapse, and its derivative; from JSON lines as well.
    place.file("noisy.csv", "mean,cv,lapse,margins\n1,0.5,0.1,1.5;-0.5;2\n");
    place.file("noisy.jsonl", "{\"mean\":1,\"cv\":0.5,\"lapse\":0.1,\"margins\":\"1.5;-0.5;2\"}\n");
    let noisy = place.text("evaluate noisy.csv --function panel --family gamma");
    assert!(noisy.lines().next().unwrap().ends_with(",dll_dmargin1,dll_dlapse"));
    let json = place.text("evaluate noisy.jsonl --function panel --family gamma");
    assert_eq!(cells(&json, "loglik"), cells(&noisy, "loglik"));
    for (rows, found) in [
        ("1,0.5,1;x\n", vec!["bad.csv, line 2, column `margins`: ", "`x` is not a number"]),
        ("1,0.5,\n", vec!["bad.csv, line 2, column `margins`: ", "`` is not a number"]),
        ("1,-0.5,1\n", vec!["bad.csv, line 2: "]),
    ] {
        place.file("bad.csv", format!("mean,cv,margins\n{rows}"));
        contains(&place.refused("evaluate bad.csv --function panel --family gamma -o out.csv"), &found);
    }
    let usage = |args: &str| {
        let out = place.run(args);
        assert_eq!(out.status.code(), Some(2));
        String::from_utf8(out.stderr).unwrap()
    };
    contains(&usage("evaluate noisy.csv --function panel"), &["--function panel needs --family"]);
    contains(
        &usage("evaluate noisy.csv --function panel --family gamma --path plan"),
        &["scalar and direct"],
    );
    place.file("none.csv", "mean,cv,margin\n1,1,1\n");
    contains(&place.refused("evaluate none.csv --function panel --family gamma"), &["no column `margins`"]);
}

/// A line without end is refused at the bound: the tool does not take in much more than that.
#[test]
fn a_line_without_end_is_refused() {
    let place = Place::new();
    for (args, start, filler, message) in [
        ("evaluate", "margin,beta\n1,0.1\n2,", "9", "standard input, line 3: longer than 16 MiB"),
        (
            "evaluate --path plan",
            "margin,beta\n1,0.1\n2,0.1,",
            ",",
            "standard input, line 3: longer than 16 MiB",
        ),
        ("evaluate", "margin,", "x", "standard input, line 1: longer than 16 MiB"),
        ("evaluate", "margin,beta\n1,\"", "x\n", "standard input, line 2: longer than 16 MiB"),
        ("evaluate", "{\"margin\":1,\"beta\":1", "0", "standard input, line 1: longer than 16 MiB"),
        ("fit -", "margin\n1\n", "1", "standard input, line 3: longer than 16 MiB"),
        ("train -", "f1\n1\n", "1", "standard input, line 3: longer than 16 MiB"),
    ] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_prefstrength"))
            .args(args.split(' '))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        input.write_all(start.as_bytes()).unwrap();
        let block = filler.repeat((1 << 16) / filler.len());
        let (all, mut taken) = (300 << 20, 0);
        while taken < all && input.write_all(block.as_bytes()).is_ok() {
            taken += block.len();
        }
        drop(input);
        let out = child.wait_with_output().unwrap();
        assert_eq!(out.status.code(), Some(1), "{args}");
        contains(&String::from_utf8(out.stderr).unwrap(), &[message]);
        assert!(taken < 40 << 20, "{args}: {taken} bytes were read");
    }
    drop(place);
}

/// A row of weight 0 is left out, whatever its numbers are, and is counted.
#[test]
fn weights_mask() {
    let place = Place::new();
    place.text("simulate margins -n 2000 -o margins.csv");
    let margins = fs::read_to_string(place.path("margins.csv")).unwrap();
    let mut clean = String::from("margin,w\n");
    let mut masked = clean.clone();
    for (i, margin) in margins.lines().skip(1).enumerate() {
        clean += &format!("{margin},1\n");
        masked += &format!("{margin},1\n");
        if i % 100 == 0 {
            masked += ["NaN,0\n", "inf,0\n", "-1e999,0.0\n", ",0\n", "7,0\n"][i / 100 % 5];
        }
    }
    place.file("clean.csv", &clean).file("masked.csv", &masked);
    let (clean, masked) = (place.json("fit clean.csv --weight w"), place.json("fit masked.csv --weight w"));
    assert_eq!((&masked["number"], &masked["weight"]), (&2020.into(), &clean["weight"]));
    for name in ["Fixed", "Gamma", "LogNormal"] {
        let value = |report: &Value, key: &str| number(&family(report, name)[key]);
        for key in ["log_likelihood", "mean", "cv"] {
            let (a, b) = (value(&clean, key), value(&masked, key));
            assert!((a - b).abs() <= 1e-9 * a.abs(), "{name} {key}: {a} {b}");
        }
    }
    place.text("simulate pairs -n 1000 --features 2 -o pairs.csv");
    let pairs = fs::read_to_string(place.path("pairs.csv")).unwrap();
    let weighted: String = pairs.lines().skip(1).map(|row| format!("{row},1\n")).collect();
    place.file("clean.csv", format!("pair_id,f1,f2,w\n{weighted}"));
    place.file("masked.csv", format!("pair_id,f1,f2,w\na,NaN,1,0\nb,1,,0\nc,1e300,2,0\n{weighted}"));
    let (clean, masked) =
        (place.json("train clean.csv --weight w"), place.json("train masked.csv --weight w"));
    assert_eq!((&masked["number"], &masked["weight"]), (&1003.into(), &clean["weight"]));
    let value = |report: &Value| number(&family(report, "Gamma")["log_likelihood"]);
    assert!((value(&clean) / value(&masked) - 1.0).abs() < 1e-9);
    place.file("bad.csv", "margin,w\n1,1\nNaN,0.5\n-1,1\n");
    contains(
        &place.refused("fit bad.csv --weight w"),
        &["line 3, column `margin`: `NaN` is not a finite number"],
    );
    place.file("bad.csv", "margin,w\n1,1\nNaN,NaN\n-1,1\n");
    contains(&place.refused("fit bad.csv --weight w"), &["line 3, column"]);
}

/// Files that are there keep what they are: links, and who may read them.
#[cfg(unix)]
#[test]
fn outputs_keep_links_and_modes() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let place = Place::new();
    place.file("old.csv", "old");
    fs::set_permissions(place.path("old.csv"), PermissionsExt::from_mode(0o600)).unwrap();
    symlink("old.csv", place.path("link.csv")).unwrap();
    place.text("simulate margins -n 3 -o link.csv");
    assert!(fs::symlink_metadata(place.path("link.csv")).unwrap().is_symlink());
    assert_eq!(fs::read_to_string(place.path("old.csv")).unwrap(), place.text("simulate margins -n 3"));
    assert_eq!(fs::metadata(place.path("old.csv")).unwrap().permissions().mode() & 0o777, 0o600);
    place.text("simulate margins -n 3 -o new.csv");
    assert_ne!(fs::metadata(place.path("new.csv")).unwrap().permissions().mode() & 0o044, 0);
    // A folder where a file is to be: no picture is written.
    place.text("simulate margins -n 3000 -o margins.csv");
    fs::create_dir_all(place.path("pictures/strength.svg")).unwrap();
    contains(&place.refused("fit margins.csv --svg pictures"), &["strength.svg is a folder"]);
    assert_eq!(names(&place.path("pictures")), ["strength.svg"]);
    contains(&place.refused("simulate margins -o pictures"), &["is a folder"]);
}

#[test]
fn simulations_repeat() {
    let place = Place::new();
    let one = place.text("simulate pairs -n 50 --groups 4 --family lognormal");
    assert_eq!(one, place.text("simulate pairs -n 50 --groups 4 --family lognormal"));
    assert_ne!(one, place.text("simulate pairs -n 50 --groups 4 --family lognormal --seed 2"));
    assert!(one.starts_with("pair_id,group_id,f1,f2,f3,f4,f5\n1,1,") && one.lines().count() == 51);
    assert_eq!(place.text("simulate margins -n 0"), "margin\n");
    // Seeds that others have written down make the files that they made.
    let margins = "margin\n3.52271\n16.9015\n2.97585\n18.4635\n28.2617\n16.1052\n";
    assert_eq!(place.text("simulate margins -n 6"), margins);
    let pairs =
        "pair_id,group_id,f1,f2\n1,1,-0.889713,-0.359779\n2,2,0.649986,1.12928\n3,1,-0.269759,1.56485\n";
    let options = "-n 3 --features 2 --groups 2 --own-strength --family lognormal --seed 7";
    assert_eq!(place.text(&format!("simulate pairs {options}")), pairs);
    contains(&place.refused("simulate margins -o no/such/folder.csv"), &["no/such/folder.csv"]);
}

/// Columns of numbers below a header.
fn columns(csv: &str) -> Vec<Vec<f64>> {
    let mut lines = csv.lines();
    let mut columns = vec![Vec::new(); lines.next().unwrap().split(',').count()];
    for line in lines {
        let cells: Vec<&str> = line.split(',').collect();
        assert_eq!(cells.len(), columns.len(), "{line}");
        columns.iter_mut().zip(cells).for_each(|(column, cell)| column.push(cell.parse().unwrap()));
    }
    columns
}

/// How often the answer ahead is chosen, in bins of |D|, against the probability at |D|: χ² of independent choices.
fn follows(margins: &[f64], probability: impl Fn(f64) -> f64) {
    let mut bins = [[0.0; 3]; 8];
    for &d in margins {
        let (p, bin) = (probability(d.abs()), (2.0 * d.abs()) as usize);
        let [hits, expected, variance] = &mut bins[bin.min(7)];
        *hits += f64::from(u8::from(d > 0.0));
        *expected += p;
        *variance += p * (1.0 - p);
    }
    let chi2: f64 = bins.iter().map(|[hits, expected, variance]| (hits - expected).powi(2) / variance).sum();
    // The 0.9999 quantile of eight degrees of freedom.
    assert!(chi2 < 31.8, "{chi2}: {bins:?}");
}

/// E f(z) of a standard normal z.
fn normal_average(f: impl Fn(f64) -> f64) -> f64 {
    let weight = |z: f64| 0.1 * (-0.5 * z * z).exp() / (2.0 * std::f64::consts::PI).sqrt();
    (-80..=80).map(|i| 0.1 * f64::from(i)).map(|z| weight(z) * f(z)).sum()
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// Margins D of normal pairs with β = 2 and flips, coins, …: the curve in 2D is what --help says.
#[test]
fn impostors_are_what_they_are_called() {
    let place = Place::new();
    let plain = "simulate margins -n 40000 --cv 0 --mean 2 --size 1";
    let margins = |options: &str| columns(&place.text(&format!("{plain} {options}"))).swap_remove(0);
    let control = margins("");
    follows(&control, |d| sigmoid(2.0 * d));
    follows(&margins("--flips 0.1"), |d| 0.1 + 0.8 * sigmoid(2.0 * d));
    follows(&margins("--guessers 0.2"), |d| 0.1 + 0.8 * sigmoid(2.0 * d));
    follows(&margins("--reversed 0.1"), |d| 0.1 + 0.8 * sigmoid(2.0 * d));
    follows(&margins("--intercept -0.7"), |d| 0.5 * (sigmoid(2.0 * d + 0.7) + sigmoid(2.0 * d - 0.7)));
    follows(&margins("--curvature 0.6"), |d| sigmoid(2.0 * d.powf(0.6)));
    follows(&margins("--omitted 1.5"), |d| normal_average(|z| sigmoid(2.0 * d + 1.5 * z)));
    follows(&margins("--flips 0.1 --guessers 0.2 --reversed 0.1 --intercept 0.7 --curvature 2"), |d| {
        let own = 0.5 * (sigmoid(2.0 * d * d + 0.7) + sigmoid(2.0 * d * d - 0.7));
        0.1 + 0.8 * (0.1 + 0.7 * own + 0.1 * (1.0 - own))
    });
    // What differs from the control is what the impostor did.
    let turned = margins("--flips 0.1").iter().zip(&control).filter(|(a, b)| **a == -**b).count();
    assert!((turned as f64 - 4000.0).abs() < 4.0 * 60.0, "{turned}");
    let wide = margins("--junk 0.05");
    let wide = wide.iter().zip(&control).filter(|(a, b)| {
        let junk = (*a / *b - 10.0).abs() < 1e-9;
        assert!(junk || a == b);
        junk
    });
    let wide = wide.count();
    assert!((wide as f64 - 2000.0).abs() < 4.0 * 44.0, "{wide}");
}

/// The side is that of the chosen answer; a column of it changes nothing else.
#[test]
fn sides_are_written() {
    let place = Place::new();
    let plain = "simulate margins -n 20000 --cv 0 --mean 2 --size 1 --groups 3";
    let text = place.text(&format!("{plain} --write-side"));
    assert!(text.starts_with("margin,group,side\n"));
    let (sides, without) = (columns(&text), columns(&place.text(plain)));
    assert_eq!(sides[..2], without);
    assert!(sides[2].iter().all(|s| s.abs() == 1.0) && sides[2].iter().sum::<f64>().abs() < 4.0 * 142.0);
    // Given D and which of both was shown first, the one ahead is chosen with σ(2D ± 0.7), whatever is flipped.
    let sides = columns(&place.text(&format!("{plain} --intercept 0.7 --flips 0.1 --write-side")));
    for first in [1.0, -1.0] {
        // Where the answer ahead was shown first, or second.
        let shown = sides[0].iter().zip(&sides[2]).filter(|(d, s)| d.signum() * *s == first).map(|(&d, _)| d);
        let shown: Vec<f64> = shown.collect();
        follows(&shown, |d| 0.1 + 0.8 * sigmoid(2.0 * d + 0.7 * first));
    }
    let pairs = place.text("simulate pairs -n 50 --features 2 --groups 2 --write-side --intercept 1");
    assert!(pairs.starts_with("pair_id,group_id,f1,f2,side\n1,1,"));
    assert!(pairs.lines().skip(1).all(|row| row.ends_with(",1") || row.ends_with(",-1")));
}

/// Coins and opposite tastes are those of people, where there are any; pairs know all impostors, too.
#[test]
fn people_are_impostors_throughout() {
    let place = Place::new();
    // Nobody errs: β is huge.
    let plain = "simulate margins -n 20000 --cv 0 --mean 1e9 --size 1 --groups 200";
    let table = columns(&place.text(&format!("{plain} --reversed 0.2 --guessers 0.1")));
    let [mut own, mut opposite, mut coin] = [0; 3];
    for group in 1..=200 {
        let of_group = table[0].iter().zip(&table[1]).filter(|(_, g)| **g == f64::from(group));
        match of_group.filter(|(d, _)| **d > 0.0).count() {
            100 => own += 1,
            0 => opposite += 1,
            agreed => {
                assert!((20..80).contains(&agreed), "{agreed}");
                coin += 1;
            }
        }
    }
    assert!((118..=162).contains(&own) && (18..=62).contains(&opposite) && (4..=36).contains(&coin));
    // Without groups, it is that share of choices.
    let single = columns(&place.text("simulate margins -n 20000 --cv 0 --mean 1e9 --size 1 --reversed 0.2"));
    let against = single[0].iter().filter(|d| **d < 0.0).count();
    assert!((against as f64 - 4000.0).abs() < 4.0 * 57.0, "{against}");
    let plain = "simulate pairs -n 20000 --features 1 --norm 2 --cv 0 --seed 5";
    let feature = |options: &str| columns(&place.text(&format!("{plain} {options}"))).swap_remove(1);
    follows(&feature(""), |f| sigmoid(2.0 * f));
    follows(&feature("--flips 0.1"), |f| 0.1 + 0.8 * sigmoid(2.0 * f));
    follows(&feature("--reversed 0.1"), |f| 0.1 + 0.8 * sigmoid(2.0 * f));
    follows(&feature("--curvature 0.5"), |f| sigmoid((2.0 * f).sqrt()));
    follows(&feature("--omitted 2"), |f| normal_average(|z| sigmoid(2.0 * f + 2.0 * z)));
    follows(&feature("--intercept 3"), |f| 0.5 * (sigmoid(2.0 * f + 3.0) + sigmoid(2.0 * f - 3.0)));
    let (junk, control) = (feature("--junk 0.5"), feature(""));
    let junk = junk.iter().zip(&control).filter(|(a, b)| (*a / *b - 10.0).abs() < 1e-9).count();
    assert!((junk as f64 - 10_000.0).abs() < 4.0 * 71.0, "{junk}");
    // The ends of what options allow.
    for options in ["--curvature 3 --guessers 1", "--intercept -1e50 --omitted 1e50 --curvature 0.01"] {
        for rest in ["--mean 1e-50 --size 1e50", "--mean 1e50 --size 1e50 --cv 1000", "--size 0"] {
            let table = columns(&place.text(&format!("simulate margins -n 100 {options} {rest} --junk 1")));
            assert!(table[0].len() == 100 && table[0].iter().all(|d| d.is_finite()), "{options} {rest}");
        }
    }
}

#[test]
fn command_lines_are_checked_and_taught() {
    let place = Place::new();
    // The file is there, so that only the command line is wrong.
    place.file("a", "margin,k,theta\n1,2,3\n");
    for args in [
        "",
        "fit",
        "fit a b",
        "fit a --bins 0",
        "fit a --format xml",
        "learn a",
        "train a --folds x",
        "fit a --max-cv 0",
        "fit a --max-cv NaN",
        "train a --max-cv 1e-300",
        "train a --folds 1",
        "train a --ridge -1",
        "train a --ridge inf",
        "train a --prior-cv 0",
        "evaluate a --level avx2",
        "evaluate a --path plan --level foo",
        "evaluate a --path gpu",
        "evaluate a --precision f16",
        "evaluate a --function lerch --path plan",
        "evaluate a --function lerch --precision f32",
        "evaluate a --function lerch --family gamma",
        "evaluate a --family normal",
        "simulate margins --cv -1",
        "simulate margins --mean 0",
        "simulate pairs --norm inf",
        "simulate margins --own-strength",
        "simulate margins --flips 1.1",
        "simulate margins --guessers -0.1",
        "simulate pairs --junk NaN",
        "simulate pairs --curvature 0",
        "simulate pairs --omitted -1",
        "simulate margins --intercept inf",
        "simulate margins --guessers 0.6 --reversed 0.6",
    ] {
        let out = place.run(args);
        assert_eq!(out.status.code(), Some(2), "{args}");
        assert!(out.stdout.is_empty());
    }
    for (args, parts) in [
        ("--help", &["preference pair", "fit", "train", "evaluate", "simulate", "Exit status"][..]),
        ("fit --help", &["--margin", "--weight", "--group", "--svg", "--json", "Example: prefstrength fit"]),
        ("train --help", &["--folds", "--ridge", "--prior-cv", "f1, f2"]),
        ("evaluate --help", &["--precision", "--level", "k,theta", "--family", "mean,cv"]),
        ("simulate margins --help", &["--cv", "--own-strength", "--seed", "--reversed", "Impostors"]),
        ("--version", &["prefstrength"]),
    ] {
        let text = place.text(args);
        contains(&text, parts);
        assert!(text.lines().all(|line| line.chars().count() <= 110), "{args}");
    }
}

/// `| head` is no failure: no message, and status 0.
#[test]
fn a_reader_may_leave() {
    let place = Place::new();
    place.text("simulate margins -n 2000 -o margins.csv");
    for args in ["simulate margins -n 100000", "fit margins.csv --json", "fit margins.csv"] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_prefstrength"))
            .args(args.split(' '))
            .current_dir(place.path(""))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let out = child.wait_with_output().unwrap();
        assert_eq!((out.status.code(), out.stderr.as_slice()), (Some(0), &b""[..]), "{args}");
    }
}

#[test]
fn sample_sizes_are_told() {
    let place = Place::new();
    let text = place.text("power");
    contains(
        &text,
        &["power of 80 % at a one-sided level of 5 %", "which of the two", "hopeless at s = 0.5, 1:"],
    );
    let report = place.json("power --size 3,1 --cv 0.5 --lapse 0.1 --choices 20");
    assert_eq!((&report["schema_version"], &report["command"]), (&1.into(), &"power".into()));
    let [large, small] = [&report["designs"][0], &report["designs"][1]];
    assert_eq!((&large["hopeless"], &small["hopeless"]), (&false.into(), &true.into()));
    within(number(&large["information_of_ln_mean"]), 0.2506, 1e-4);
    within(number(&large["lapses"][0]["choices"]), 357.0, 1.0);
    within(number(&large["lapses"][0]["looks_like_cv"]), 0.9375, 1e-3);
    assert!(number(&large["spreads"][0]["choices"]) < number(&large["spreads"][0]["choices_to_tell"]));
    assert_eq!(large["spreads"][0]["people"][0]["choices_each"], 20);
    // More is asked for.
    let more = place.json("power --size 3 --cv 0.5 --lapse 0.1 --level 0.01 --power 0.95");
    assert!(number(&more["designs"][0]["lapses"][0]["choices"]) > 600.0);

    place.text("simulate margins -n 2000 --cv 0.5 --groups 100 --own-strength -o margins.csv");
    let report = place.json("power margins.csv --group group --cv 0.5");
    let (data, spread) = (&report["designs"][0]["data"], &report["designs"][0]["spreads"][0]);
    assert_eq!((&data["number"], &data["people"]["number"]), (&2000.into(), &100.into()));
    assert_eq!((&data["people"]["choices_least"], &data["people"]["choices_most"]), (&20.into(), &20.into()));
    // What is found is more than 0.5 where more choices are needed for that, and less where fewer people are.
    assert!(number(&spread["choices"]) > 2000.0 && number(&data["cv_found"]) > 0.5);
    assert!(number(&spread["people"][0]["people"]) < 100.0 && number(&data["people"]["cv_found"]) < 0.5);
    contains(
        &place.text("power --cv 0.4 margins.csv"),
        &["margins.csv: 2000 margins", "as many choices as these show a cv of"],
    );
    // As many as the repetitions of a weight.
    let rows = fs::read_to_string(place.path("margins.csv")).unwrap();
    let weighted: Vec<String> = rows.lines().skip(1).map(|row| format!("{row},3")).collect();
    place.file("weighted.csv", format!("margin,group,w\nNaN,none,0\n{}\n", weighted.join("\n")));
    let weighted = place.json("power weighted.csv --weight w --group group --cv 0.5");
    assert_eq!(weighted["designs"][0]["data"]["weight"], 6000.0);
    assert_eq!(weighted["designs"][0]["data"]["people"]["number"], 100);
    within(number(&weighted["designs"][0]["spreads"][0]["choices"]), number(&spread["choices"]), 1e-6);
    place.file("sure.csv", "margin\n1\n2\n");
    contains(&place.refused("power sure.csv"), &["sure.csv", "larger margin"]);
    for wrong in [
        "--cv 0",
        "--cv 11",
        "--lapse 0.5",
        "--size 0",
        "--level 0.6",
        "--power 0.3",
        "--choices 1",
        "--group g",
    ] {
        assert_eq!(place.run(&format!("power {wrong}")).status.code(), Some(2), "{wrong}");
    }
    assert_eq!(place.run("power margins.csv --size 2").status.code(), Some(2));
}
