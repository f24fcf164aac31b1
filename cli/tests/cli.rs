//! The command line as people and scripts use it: reports, files, messages, exit codes.

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
    assert_eq!((&report["verdict"], &report["number"]), (&"heterogeneous".into(), &20000.into()));
    assert_eq!((&report["is_fit"], &gamma["spread"]), (&true.into(), &"Interior".into()));
    // The mean deviation of plain DPO is the largest.
    let errors: Vec<f64> = report["calibration"][0]["error"].as_array().unwrap().iter().map(number).collect();
    assert!(errors[0] > errors[1] && errors[0] > errors[2], "{errors:?}");
    assert_eq!(report["calibration"][0]["bins"].as_array().unwrap().len(), 10);
    assert_eq!(names(&place.path("pictures")), ["calibration.svg", "effective_logit.svg", "strength.svg"]);
    let text = place.text("fit margins.csv --max-cv 8 --bins 4");
    contains(
        &text,
        &["margins.csv: 20000 margins", "log-likelihood", "=> heterogeneous", "mean deviation: Fixed"],
    );
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
    assert!(report["verdict"] == "homogeneous" || report["verdict"] == "not_significant");
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

/// Choices that do not depend on the size of the margin: said, with a status of its own.
#[test]
fn no_maximum_has_a_status() {
    let place = Place::new();
    let rows: String = (0..2000)
        .map(|i| {
            format!("{}\n", 10.0_f64.powf(f64::from(i) / 400.0 - 2.0) * if i % 5 == 0 { -1.0 } else { 1.0 })
        })
        .collect();
    place.file("step.csv", format!("margin\n{rows}"));
    let out = place.run("fit step.csv");
    assert_eq!(out.status.code(), Some(3));
    let text = String::from_utf8(out.stdout).unwrap();
    contains(&text, &["no finite maximum (Gamma, LogNormal)", "> 5.00", "cannot tell how far β spreads"]);
    let out = place.run("fit step.csv --json");
    let report: Value = serde_json::from_slice(&out.stdout).unwrap();
    assert_eq!((&report["verdict"], &report["is_fit"]), (&"no_maximum".into(), &false.into()));
    assert_eq!(family(&report, "Gamma")["aic"], Value::Null);
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
    contains(&text, &["60 groups", "from weak to strong", "some groups decide strongly throughout"]);
    assert!(names(&place.path("pictures")).contains(&"groups.svg".to_owned()));
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
    let text = place.text("train pairs.csv --features f3,f1");
    contains(&text, &["8000 pairs", "policy, margin = w·f", "f3", "50 groups"]);
    assert!(!text.contains("f2"));
    // Groups are left out when asked for under another name.
    contains(&place.refused("train pairs.csv --group who"), &["no column `who`"]);
    let bounded = place.json("train pairs.csv --ridge 50 --prior-cv 0.5");
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
    contains(&place.refused("train separable.csv"), &["rises without end", "Use --ridge"]);
    place.file("none.csv", "pair_id,x\n1,2\n");
    contains(&place.refused("train none.csv"), &["no feature columns f1, f2", "pair_id, x"]);
    place.file("empty.csv", "pair_id,f1\n");
    contains(&place.refused("train empty.csv"), &["there are no rows"]);
    place.file("bad.csv", "pair_id,f1,f2\n1,0.5,2\n2,0.1,\n");
    contains(&place.refused("train bad.csv"), &["bad.csv, line 3, column `f2`"]);
    place.file("bad.csv", "pair_id,f1,f2\n1,0.5,2\n2,-1e101,1\n");
    contains(&place.refused("train bad.csv"), &["bad.csv, line 3, column `f1`: -1e101 is beyond ±1e100"]);
    // A feature of a single pair is separable without the fold that it is in.
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
    contains(&place.refused("simulate margins -o no/such/folder.csv"), &["no/such/folder.csv"]);
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
        "simulate margins --cv -1",
        "simulate margins --mean 0",
        "simulate pairs --norm inf",
        "simulate margins --own-strength",
    ] {
        let out = place.run(args);
        assert_eq!(out.status.code(), Some(2), "{args}");
        assert!(out.stdout.is_empty());
    }
    for (args, parts) in [
        ("--help", &["preference pair", "fit", "train", "evaluate", "simulate", "Exit status"][..]),
        ("fit --help", &["--margin", "--weight", "--group", "--svg", "--json", "Example: prefstrength fit"]),
        ("train --help", &["--folds", "--ridge", "--prior-cv", "f1, f2"]),
        ("evaluate --help", &["--precision", "--level", "k,theta"]),
        ("simulate margins --help", &["--cv", "--own-strength", "--seed"]),
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
