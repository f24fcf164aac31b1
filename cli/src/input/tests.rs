use super::problem::Place;
use super::source::{MAX_COLUMNS, MAX_RECORD, Source};
use super::{Accept, Format, Refusal, Row, Table, Wanted};
use std::io::{Cursor, Write as _};
use std::path::Path;

/// Place, numbers and group of a row.
type Line = (String, Vec<f64>, Option<String>);

fn table(content: &[u8], extension: &str) -> (tempfile::NamedTempFile, Result<Table, String>) {
    let mut file = tempfile::Builder::new().suffix(&format!(".{extension}")).tempfile().unwrap();
    file.write_all(content).unwrap();
    let table = open(file.path());
    (file, table)
}

/// Errors without the folder of the temporary file.
fn message(e: &super::InputError) -> String {
    let e = e.to_string();
    e.split_once(".tmp").map_or(e.clone(), |(_, rest)| rest.split_at(7).1.to_owned())
}

fn open(path: &Path) -> Result<Table, String> {
    Table::open(path, None).map_err(|e| message(&e))
}

fn rows(table: Table, numbers: &[&str], group: Option<&str>) -> Result<Vec<Line>, String> {
    accepted(table, numbers, group, Accept::Finite)
}

fn line_of(row: &Row<'_>, grouped: bool) -> Line {
    (row.place.to_string(), row.numbers.to_vec(), grouped.then(|| row.text(0).to_owned()))
}

fn accepted(
    table: Table,
    numbers: &[&str],
    group: Option<&str>,
    accept: Accept,
) -> Result<Vec<Line>, String> {
    let of = |name: &&str| table.column(name).map_err(|e| message(&e));
    let numbers = numbers.iter().map(of).collect::<Result<Vec<_>, _>>()?;
    let group = group.as_ref().map(of).transpose()?;
    let mut rows = Vec::new();
    let wanted = Wanted { numbers: &numbers, texts: group.as_slice(), accept };
    let count = table
        .read(&wanted, &mut |_, _| {}, &mut |row| {
            rows.push(line_of(row, group.is_some()));
            Ok(())
        })
        .map_err(|e| message(&e))?;
    assert_eq!(count, rows.len() as u64);
    Ok(rows)
}

fn numbers(columns: &[usize]) -> Wanted<'_> {
    Wanted { numbers: columns, texts: &[], accept: Accept::Finite }
}

fn read(content: &[u8], extension: &str, numbers: &[&str], group: Option<&str>) -> Result<Vec<Line>, String> {
    table(content, extension).1.and_then(|table| rows(table, numbers, group))
}

fn csv(content: &str, numbers: &[&str], group: Option<&str>) -> Result<Vec<Line>, String> {
    read(content.as_bytes(), "csv", numbers, group)
}

fn json(content: &str, numbers: &[&str], group: Option<&str>) -> Result<Vec<Line>, String> {
    read(content.as_bytes(), "jsonl", numbers, group)
}

fn line(n: u64, numbers: &[f64], group: Option<&str>) -> Line {
    (format!("line {n}"), numbers.to_vec(), group.map(str::to_owned))
}

fn error(result: Result<Vec<Line>, String>) -> String {
    result.unwrap_err()
}

#[test]
fn csv_rows() {
    let wanted = Ok(vec![line(2, &[1.5, -2e-3], Some("x y"))]);
    for text in [
        "a,g,b\n1.5,x y,-2e-3\n",
        "a,g,b\n1.5,x y,-2e-3",
        "a,g,b\r\n1.5,x y,-2e-3\r\n",
        "\u{feff}a,g,b\n1.5,x y,-2e-3\n",
        " a , g\t,b \n 1.5 ,x y,\t-2e-3 \n",
        "\"a\",\"g\",\"b\"\r\n\"1.5\",\"x y\",\"-2e-3\"\r\n",
        "\u{feff}\"a\",g,b\n\" 1.5\" ,\"x y\",-2e-3",
    ] {
        assert_eq!(csv(text, &["a", "b"], Some("g")), wanted, "{text:?}");
    }
    // In the order asked for, also twice, also as a group.
    let twice = csv("a,b\n1,2\n", &["b", "a", "b"], Some("b"));
    assert_eq!(twice, Ok(vec![line(2, &[2.0, 1.0, 2.0], Some("2"))]));
    // Header only.
    assert_eq!(csv("a,b\n", &["a"], None), Ok(vec![]));
    assert_eq!(csv("a,b", &["a"], None), Ok(vec![]));
    // A group may be empty, and is not trimmed.
    assert_eq!(
        csv("a,g\n1,\n2, x", &["a"], Some("g")),
        Ok(vec![line(2, &[1.0], Some("")), line(3, &[2.0], Some(" x"))])
    );
    // No columns at all: rows are counted.
    assert_eq!(csv("a\n1\n2\n", &[], None), Ok(vec![line(2, &[], None), line(3, &[], None)]));
}

#[test]
fn csv_quotes() {
    let text = "x,g\n1,\"a,b\"\n2,\"say \"\"hi\"\"\"\n\n3,\"two\nlines\"\r\n4,\"\"\n5,a\"b\n";
    let wanted =
        [(2, 1.0, "a,b"), (3, 2.0, "say \"hi\""), (5, 3.0, "two\nlines"), (7, 4.0, ""), (8, 5.0, "a\"b")];
    let wanted: Vec<_> = wanted.iter().map(|&(n, x, g)| line(n, &[x], Some(g))).collect();
    assert_eq!(csv(text, &["x"], Some("g")), Ok(wanted));
    assert_eq!(
        error(csv("x\n1\n\"2\n3\n", &["x"], None)),
        "csv, line 3: a quote that begins here is not closed"
    );
    assert_eq!(error(csv("x\n\"1\"2\n", &["x"], None)), "csv, line 2: text after a closing quote");
    // The line where the record begins.
    assert_eq!(
        error(csv("x,g\n\nz,\"\n\n\"\n", &["x"], None)),
        "csv, line 3, column `x`: `z` is not a finite number"
    );
    assert_eq!(
        error(csv("x,g\n1,\"\n\"\nz,1\n", &["x"], None)),
        "csv, line 4, column `x`: `z` is not a finite number"
    );
}

#[test]
fn csv_windows() {
    let text = "x,g\n1,a\n\n22,\"b,\n\"\"c\"\r\n\r\n333,d\n4444,\"\"\n55555,\"é\"\n6,f";
    let whole = csv(text, &["x"], Some("g")).unwrap();
    assert_eq!(whole.len(), 6);
    for size in 1..text.len() + 1 {
        let mut source = Source::new(Box::new(Cursor::new(text.to_owned().into_bytes())), None);
        source.buffer = vec![0; size];
        let (rows, columns) = super::csv::open(source).unwrap();
        let wanted = Wanted { numbers: &[0], texts: &[1], accept: Accept::Finite };
        let mut read = Vec::new();
        let mut each = |row: &Row<'_>| {
            read.push(line_of(row, true));
            Ok(())
        };
        rows.read(&wanted, columns.len(), &mut |_, _| {}, &mut each).unwrap();
        assert_eq!(read, whole, "{size}");
    }
}

#[test]
fn csv_cells_that_are_not_numbers() {
    let long = "9".repeat(1_000_000);
    for (cell, what) in [
        ("abc", "`abc` is not a finite number"),
        ("NaN", "`NaN` is not a finite number"),
        ("-inf", "`-inf` is not a finite number"),
        ("1e999", "`1e999` is not a finite number"),
        ("1 2", "`1 2` is not a finite number"),
        ("0x10", "`0x10` is not a finite number"),
        ("1\0", "`1\\u{0}` is not a finite number"),
        ("\u{1b}[31m\u{202e}", "`\\u{1b}[31m\\u{202e}` is not a finite number"),
        ("", "the cell is empty"),
        ("  ", "the cell is empty"),
        (&long, "`999999999999999999999999999999999999999…` is not a finite number"),
    ] {
        let text = format!("m,g\n1,2\n{cell},x\n");
        assert_eq!(error(csv(&text, &["m"], None)), format!("csv, line 3, column `m`: {what}"));
        let text = format!("m,g\n1,2\n\"{cell}\",x\n");
        assert_eq!(error(csv(&text, &["m"], None)), format!("csv, line 3, column `m`: {what}"));
        // Not asked for, not looked at.
        assert_eq!(csv(&text, &[], Some("g")).map(|rows| rows.len()), Ok(2));
    }
    let bytes = b"m,g\n1,\xff\n";
    assert_eq!(read(bytes, "csv", &["m"], None), Ok(vec![line(2, &[1.0], None)]));
    assert_eq!(
        error(read(bytes, "csv", &["m"], Some("g"))),
        "csv, line 2, column `g`: the cell is not valid UTF-8"
    );
    assert_eq!(
        error(read(bytes, "csv", &["g"], None)),
        "csv, line 2, column `g`: the cell is not valid UTF-8"
    );
}

#[test]
fn csv_shape() {
    assert_eq!(error(csv("", &["a"], None)), "csv: the file is empty");
    assert_eq!(error(csv("\n\r\n\n", &["a"], None)), "csv: the file is empty");
    assert_eq!(error(csv("a,b\n1,2,3\n", &["a"], None)), "csv, line 2: 3 columns, the header has 2");
    assert_eq!(error(csv("a,b\nx,2,3\n", &["a"], None)), "csv, line 2: 3 columns, the header has 2");
    assert_eq!(error(csv("a,b\n1,\"2\",3\n", &["a"], None)), "csv, line 2: 3 columns, the header has 2");
    assert_eq!(error(csv("a,b\n1\n", &["a"], None)), "csv, line 2: 1 column, the header has 2");
    assert_eq!(error(csv("a,b\n1\n", &["b"], None)), "csv, line 2: 1 column, the header has 2");
    assert_eq!(
        error(csv("1.5,2\n3,4\n", &["a"], None)),
        "csv, line 1: the first line holds numbers: a header with the names of the columns is needed"
    );
    let wide = ",".repeat(MAX_COLUMNS);
    assert_eq!(error(csv(&format!("a{wide}\n"), &["a"], None)), "csv, line 1: more than 100000 columns");
    let long = "x".repeat(MAX_RECORD + 1);
    assert_eq!(error(csv(&format!("a,b\n1,{long}\n"), &["a"], None)), "csv, line 2: longer than 16 MiB");
    assert_eq!(error(csv(&format!("a,b\n1,\"{long}\"\n"), &["a"], None)), "csv, line 2: longer than 16 MiB");
    assert_eq!(error(csv(&long, &["a"], None)), "csv, line 1: longer than 16 MiB");
    let utf16 = "csv: the file is UTF-16 text: save it as UTF-8";
    assert_eq!(error(read(b"\xff\xfea\0\n\0", "csv", &["a"], None)), utf16);
    assert_eq!(
        error(read(b"\x1f\x8b\x08", "csv", &["a"], None)),
        "csv: the file is compressed: unpack it first"
    );
}

#[test]
fn names_of_columns() {
    let (_file, table) = table(b"a,b,a\n", "csv");
    let table = table.unwrap();
    assert_eq!(table.columns(), ["a", "b", "a"]);
    assert_eq!(table.column("b"), Ok(1));
    assert_eq!(message(&table.column("a").unwrap_err()), "csv: there is more than one column `a`");
    assert_eq!(message(&table.column("x").unwrap_err()), "csv: no column `x`; the columns are a, b, a");
    let header: Vec<_> = (0..30).map(|i| format!("{i}{}", "n".repeat(100))).collect();
    let e = error(csv(&header.join(","), &["x"], None));
    assert!(e.ends_with("… and 10 more") && e.len() < 1000, "{e}");
}

#[test]
fn rows_may_be_refused() {
    let refuse = |column| {
        let (_file, table) = table(b"a,b\n1,2\n3,4\n", "csv");
        let mut each = |row: &Row<'_>| match row.place {
            Place::Line(3) => Err(Refusal { column, why: "too large".into() }),
            _ => Ok(()),
        };
        message(&table.unwrap().read(&numbers(&[0]), &mut |_, _| {}, &mut each).unwrap_err())
    };
    assert_eq!(refuse(None), "csv, line 3: too large");
    assert_eq!(refuse(Some(1)), "csv, line 3, column `b`: too large");
    let (_file, table) = table(b"a\n1\n", "csv");
    assert!(table.unwrap().read(&numbers(&[7]), &mut |_, _| {}, &mut |_| Ok(())).is_err());
}

#[test]
fn formats() {
    for (content, extension, format) in [
        ("a\n", "csv", Format::Csv),
        ("a\n", "txt", Format::Csv),
        ("{\"a\": 1}", "csv", Format::Csv),
        ("{\"a\": 1}", "txt", Format::JsonLines),
        ("\n {\"a\": 1}", "x", Format::JsonLines),
        ("{\"a\": 1}", "JSON", Format::JsonLines),
        ("{\"a\": 1}", "ndjson", Format::JsonLines),
    ] {
        assert_eq!(table(content.as_bytes(), extension).1.unwrap().format(), format, "{content} {extension}");
    }
    let (file, _) = table(b"{\"a\": 1}", "csv");
    assert_eq!(Table::open(file.path(), Some(Format::JsonLines)).unwrap().columns(), ["a"]);
    let missing = Table::open(Path::new("/nowhere\u{1b}/x.csv"), None).err().unwrap().to_string();
    assert!(missing.starts_with("/nowhere\\u{1b}/x.csv: "), "{missing}");
    assert!(Table::open(Path::new("/"), None).is_err());
}

#[test]
fn progress_is_called_now_and_then() {
    let text = format!("a\n{}", "1.25\n".repeat(1_000_000));
    let (_file, table) = table(text.as_bytes(), "csv");
    let mut calls = Vec::new();
    table
        .unwrap()
        .read(&numbers(&[0]), &mut |read, total| calls.push((read, total)), &mut |_| Ok(()))
        .unwrap();
    let total = text.len() as u64;
    assert_eq!(calls.last(), Some(&(total, Some(total))));
    assert!((4..10).contains(&calls.len()), "{calls:?}");
}

#[test]
fn json_rows() {
    let text = concat!(
        "{\"m\": 1.5, \"g\": \"x\\ny\", \"junk\": {\"m\": [1, {}, null]}}\n\n \r\n",
        "{\"g\": 7, \"m\": 9007199254740993}\r\n",
        "{\"g\": -0.5, \"\\u006d\": -3, \"big\": 1e999}\n",
        "{\"g\": 18446744073709551615, \"m\": 0.1}",
    );
    let wanted =
        [(1, 1.5, "x\ny"), (4, 9007199254740992.0, "7"), (5, -3.0, "-0.5"), (6, 0.1, "18446744073709551615")];
    let wanted: Vec<_> = wanted.iter().map(|&(n, x, g)| line(n, &[x], Some(g))).collect();
    assert_eq!(json(text, &["m"], Some("g")), Ok(wanted));
    assert_eq!(json("{\"m\": 2}", &["m", "m"], Some("m")), Ok(vec![line(1, &[2.0, 2.0], Some("2"))]));
    assert_eq!(json("", &["m"], None).unwrap_err(), "jsonl: the file is empty");
    assert_eq!(
        json("{\"a\": 1, \"b\": 2}", &["m"], None).unwrap_err(),
        "jsonl: no column `m`; the columns are a, b"
    );
    assert_eq!(
        json("{\"m\": 1, \"m\": 2}", &["m"], None).unwrap_err(),
        "jsonl: there is more than one column `m`"
    );
}

#[test]
fn json_values_that_are_not_numbers() {
    let m = "jsonl, line 2, column `m`: ";
    for (object, what) in [
        ("{}", "the key is missing"),
        ("{\"m\": null}", "the value is null, not a finite number"),
        ("{\"m\": \"1.5\"}", "`1.5` is a string, not a finite number"),
        ("{\"m\": true}", "the value is true or false, not a finite number"),
        ("{\"m\": [1]}", "the value is an array, not a finite number"),
        ("{\"m\": {\"m\": 1}}", "the value is an object, not a finite number"),
        ("{\"m\": 1e999}", "number out of range (byte 11)"),
        ("{\"m\": NaN}", "expected value (byte 7)"),
        ("{\"m\": 1, \"m\": 2}", "the key occurs twice (byte 12)"),
    ] {
        let e = error(json(&format!("{{\"m\": 1}}\n{object}\n"), &["m"], None));
        assert_eq!(e, format!("{m}{what}"), "{object}");
    }
    let group = error(json("{\"m\": 1, \"g\": null}", &["m"], Some("g")));
    assert_eq!(group, "jsonl, line 1, column `g`: the value is null, not a string or a number");
    for (object, what) in [
        ("[1]", "invalid type: sequence, expected an object: JSON lines hold one object a line"),
        ("1", "invalid type: integer `1`, expected an object: JSON lines hold one object a line"),
        ("{\"m\": 1", "EOF while parsing an object (byte 7)"),
        ("{\"m\": 1} 2", "trailing characters (byte 10)"),
    ] {
        let e = error(json(&format!("{{\"m\": 1}}\n{object}\n"), &["m"], None));
        assert!(e.starts_with("jsonl, line 2"), "{e}");
        assert!(e.contains(what), "{e}");
        let first = error(json(object, &["m"], None));
        assert!(first.starts_with(&format!("jsonl, line 1: {what}")), "{first}");
    }
    let long = error(json(&format!("\"{}\"", "x\\u0007".repeat(100_000)), &["m"], None));
    assert!(long.len() < 1000, "{}", long.len());
}

#[test]
fn json_depth_and_length() {
    let deep = "[".repeat(1_000_000);
    for object in [format!("{{\"m\": 1, \"junk\": {deep}"), format!("{{\"m\": {deep}")] {
        assert!(json(&object, &["m"], None).is_err());
        assert!(json(&format!("{{\"m\": 1}}\n{object}"), &["m"], None).is_err());
    }
    let nested = format!("{{\"junk\": {deep}{}, \"m\": 1}}", "]".repeat(1_000_000));
    assert_eq!(json(&nested, &["m"], None), Ok(vec![line(1, &[1.0], None)]));
    let long = " ".repeat(MAX_RECORD);
    assert_eq!(
        error(json(&format!("{{\"m\": 1}}\n{{{long}}}"), &["m"], None)),
        "jsonl, line 2: longer than 16 MiB"
    );
}

/// A weight of 0 excuses what is missing or infinite beside it, and nothing else.
#[test]
fn masks() {
    let masked = |content: &str, extension: &str| {
        let (_file, table) = table(content.as_bytes(), extension);
        table.and_then(|table| accepted(table, &["m", "w", "n"], None, Accept::Masked(1)))
    };
    let text = "m,w,n\nNaN,0,1\n2,-0.0,\n1,3,4\n inf ,0.0,-1e999\n\"nan\",0,\"\"\n";
    let zeros = |n| line(n, &[0.0, 0.0, 0.0], None);
    let wanted = vec![
        line(2, &[0.0, 0.0, 1.0], None),
        line(3, &[2.0, 0.0, 0.0], None),
        line(4, &[1.0, 3.0, 4.0], None),
        zeros(5),
        zeros(6),
    ];
    assert_eq!(masked(text, "csv"), Ok(wanted.clone()));
    let json = text.lines().skip(1).map(|row| {
        let cells = row.split(',').map(|cell| match cell.trim() {
            number @ ("0" | "0.0" | "-0.0" | "1" | "2" | "3" | "4") => number.to_owned(),
            _ => "null".to_owned(),
        });
        let cells: Vec<_> = cells.collect();
        format!("{{\"m\":{},\"w\":{},\"n\":{}}}\n", cells[0], cells[1], cells[2])
    });
    let by_json = masked(&format!("\n{}", json.collect::<String>()), "jsonl");
    assert_eq!(by_json, Ok(wanted));
    for (row, what) in [
        ("NaN,1,1", "column `m`: `NaN` is not a finite number"),
        ("1,1e-300,inf", "column `n`: `inf` is not a finite number"),
        ("1,2,", "column `n`: the cell is empty"),
        // The first of two.
        ("-inf,2,x", "column `n`: `x` is not a finite number"),
        ("-inf,2,NaN", "column `m`: `-inf` is not a finite number"),
        ("NaN,NaN,1", "column `w`: `NaN` is not a finite number"),
        ("1,,1", "column `w`: the cell is empty"),
        // What is no number at all tells of a broken file.
        ("abc,0,1", "column `m`: `abc` is not a finite number"),
        ("NaN,0", "2 columns, the header has 3"),
    ] {
        let sep = if row == "NaN,0" { ":" } else { "," };
        let e = masked(&format!("m,w,n\n1,1,1\n{row}\n"), "csv").unwrap_err();
        assert_eq!(e, format!("csv, line 3{sep} {what}"), "{row}");
    }
    // A fault is not carried to the next row.
    assert!(masked("m,w,n\nNaN,0,1\n1,1,1\n", "csv").is_ok());
}

/// A table that passes through: every cell as it is written, and every number that has a name.
#[test]
fn everything_passes_through() {
    let all = |content: &[u8], extension: &str, single: bool| {
        let (_file, table) = table(content, extension);
        let table = table.unwrap();
        let texts: Vec<usize> = (0..table.columns().len()).collect();
        let wanted = Wanted { numbers: &[0], texts: &texts, accept: Accept::Everything { single } };
        let mut rows = Vec::new();
        let mut each = |row: &Row<'_>| {
            let texts: Vec<_> = texts.iter().map(|&i| row.text(i).to_owned()).collect();
            rows.push((row.numbers[0].to_bits(), texts.join("|")));
            Ok(())
        };
        let read = table.read(&wanted, &mut |_, _| {}, &mut each).map(|_| ()).map_err(|e| message(&e));
        read.map(|()| rows)
    };
    let row = |x: f64, text: &str| (x.to_bits(), text.to_owned());
    assert_eq!(
        all(b"m,g\n1.50, x \n\"-inf\",\"a,\"\"b\n\"\n 1e999,5\" tall\n", "csv", false),
        Ok(vec![
            row(1.5, "1.50| x "),
            row(f64::NEG_INFINITY, "-inf|a,\"b\n"),
            row(f64::INFINITY, " 1e999|5\" tall"),
        ])
    );
    // Rounded once: by way of f64 this would be 1.
    let halfway = "1.000000059604644775390625000000000000000001";
    assert_eq!(
        (halfway.parse::<f64>().unwrap() as f32, halfway.parse::<f32>()),
        (1.0, Ok(1.0 + f32::EPSILON))
    );
    let single = all(format!("m\n{halfway}\n").as_bytes(), "csv", true);
    assert_eq!(single, Ok(vec![row(f64::from(1.0 + f32::EPSILON), halfway)]));
    let e = |content: &[u8], extension| all(content, extension, false).unwrap_err();
    assert_eq!(e(b"m\n1\nx\n", "csv"), "csv, line 3, column `m`: `x` is not a number");
    assert_eq!(
        e(b"m,\xff\n1,2\n", "csv"),
        "csv, column `\u{fffd}`: the name of the column is not valid UTF-8"
    );
    assert_eq!(e(b"m,g\n1,\xff\n", "csv"), "csv, line 2, column `g`: the cell is not valid UTF-8");
    let json = b"{\"m\":1.0,\"g\":\"x\",\"h\":true}\n{\"m\":7,\"g\":null}\n";
    assert_eq!(all(json, "jsonl", false), Ok(vec![row(1.0, "1.0|x|true"), row(7.0, "7||")]));
    let lost = e(b"{\"m\":1}\n{\"m\":2,\"extra\":3}\n", "jsonl");
    assert!(lost.starts_with("jsonl, line 2: the first object does not have the key `extra`"), "{lost}");
    let nested = e(b"{\"m\":1,\"g\":[1]}\n", "jsonl");
    assert_eq!(nested, "jsonl, line 1, column `g`: the value is an array, not a string or a number");
}

#[cfg(not(feature = "parquet"))]
#[test]
fn parquet_is_not_built_in() {
    let what = "parquet: this tool was built without support for Parquet";
    assert_eq!(error(read(b"PAR1", "parquet", &["m"], None)), what);
}

#[cfg(feature = "parquet")]
mod parquet {
    use super::{Line, error, message, open, read, rows};
    use crate::input::{Accept, Row, Wanted};
    use crate::input::{Format, Table};
    use ::parquet::basic::{Compression, Encoding};
    use ::parquet::column::writer::ColumnWriter;
    use ::parquet::data_type::{ByteArray, FixedLenByteArray};
    use ::parquet::file::properties::{WriterProperties, WriterPropertiesBuilder, WriterVersion};
    use ::parquet::file::writer::SerializedFileWriter;
    use ::parquet::schema::parser::parse_message_type;
    use std::sync::Arc;

    const SCHEMA: &str = "message table {
        required double m; optional double null; required float f; required fixed_len_byte_array(2) h (float16);
        required int32 i; required int32 u (integer(32, false)); required int64 l;
        required int64 ul (integer(64, false)); required int32 day (date); required boolean b;
        required binary g (utf8); optional binary raw; repeated int32 many; required group nest { required int32 x; }
    }";
    const ROWS: usize = 40;

    fn number(row: usize) -> f64 {
        row as f64 - 7.25
    }

    /// Two row groups of `ROWS` rows; `null` is null in the last one.
    fn write(properties: WriterPropertiesBuilder, last: Option<f64>) -> Vec<u8> {
        let schema = Arc::new(parse_message_type(SCHEMA).unwrap());
        let properties = Arc::new(properties.set_write_batch_size(16).build());
        let mut writer = SerializedFileWriter::new(Vec::new(), schema, properties).unwrap();
        for part in 0..2 {
            let numbers: Vec<_> = (part * ROWS..(part + 1) * ROWS).map(number).collect();
            let mut nullable = numbers.clone();
            let mut levels = vec![1; ROWS];
            match last {
                Some(last) if part == 1 => nullable[ROWS - 1] = last,
                None if part == 1 => {
                    nullable.pop();
                    levels[ROWS - 1] = 0;
                }
                _ => {}
            }
            let texts: Vec<_> =
                (0..ROWS).map(|row| ByteArray::from(format!("é{}", row % 3).as_str())).collect();
            let mut group = writer.next_row_group().unwrap();
            let mut column = 0;
            while let Some(mut chunk) = group.next_column().unwrap() {
                match chunk.untyped() {
                    ColumnWriter::DoubleColumnWriter(w) if column == 0 => w.write_batch(&numbers, None, None),
                    ColumnWriter::DoubleColumnWriter(w) => w.write_batch(&nullable, Some(&levels), None),
                    ColumnWriter::FloatColumnWriter(w) => w.write_batch(&[0.1; ROWS], None, None),
                    ColumnWriter::FixedLenByteArrayColumnWriter(w) => {
                        // -1.5
                        w.write_batch(&vec![FixedLenByteArray::from(vec![0x00, 0xbe]); ROWS], None, None)
                    }
                    ColumnWriter::Int32ColumnWriter(w) if column == 12 => {
                        w.write_batch(&[1; ROWS], Some(&[1; ROWS]), Some(&[0; ROWS]))
                    }
                    ColumnWriter::Int32ColumnWriter(w) => w.write_batch(&[-2; ROWS], None, None),
                    ColumnWriter::Int64ColumnWriter(w) => w.write_batch(&[-1; ROWS], None, None),
                    ColumnWriter::BoolColumnWriter(w) => w.write_batch(&[true; ROWS], None, None),
                    ColumnWriter::ByteArrayColumnWriter(w) if column == 10 => {
                        w.write_batch(&texts, None, None)
                    }
                    ColumnWriter::ByteArrayColumnWriter(w) => {
                        w.write_batch(&vec![ByteArray::from(vec![0xff]); ROWS], Some(&[1; ROWS]), None)
                    }
                    _ => unreachable!(),
                }
                .unwrap();
                chunk.close().unwrap();
                column += 1;
            }
            group.close().unwrap();
        }
        writer.into_inner().unwrap()
    }

    fn plain() -> WriterPropertiesBuilder {
        WriterProperties::builder()
    }

    fn parquet(content: &[u8], numbers: &[&str], group: Option<&str>) -> Result<Vec<Line>, String> {
        read(content, "parquet", numbers, group)
    }

    fn expected(numbers: &[f64], group: impl Fn(usize) -> String) -> Vec<Line> {
        let row = |row: usize| {
            let numbers = [number(row)].iter().chain(numbers).copied().collect();
            (format!("row {}", row + 1), numbers, Some(group(row)))
        };
        (0..2 * ROWS).map(row).collect()
    }

    #[test]
    fn rows_of_all_kinds() {
        let codecs = [
            Compression::UNCOMPRESSED,
            Compression::SNAPPY,
            Compression::ZSTD(Default::default()),
            Compression::GZIP(Default::default()),
            Compression::LZ4,
            Compression::LZ4_RAW,
        ];
        let expected =
            expected(&[f64::from(0.1_f32), -1.5, -2.0, 4294967294.0, -1.0, u64::MAX as f64], |row| {
                format!("é{}", row % ROWS % 3)
            });
        for codec in codecs {
            for version in [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0] {
                for (dictionary, text) in [
                    (true, Encoding::PLAIN),
                    (false, Encoding::PLAIN),
                    (false, Encoding::DELTA_LENGTH_BYTE_ARRAY),
                    (false, Encoding::DELTA_BYTE_ARRAY),
                ] {
                    // Without dictionaries, version 2 uses delta encodings.
                    let properties = plain()
                        .set_compression(codec)
                        .set_writer_version(version)
                        .set_dictionary_enabled(dictionary)
                        .set_column_encoding("g".into(), text)
                        .set_data_page_row_count_limit(16);
                    let file = write(properties, Some(1.0));
                    let wanted = ["m", "f", "h", "i", "u", "l", "ul"];
                    let read = parquet(&file, &wanted, Some("g"));
                    assert_eq!(read.as_ref(), Ok(&expected), "{codec} {version:?} {dictionary} {text}");
                }
            }
        }
    }

    #[test]
    fn groups_of_numbers() {
        let file = write(plain(), Some(1.0));
        for (column, text) in
            [("f", "0.1"), ("h", "-1.5"), ("i", "-2"), ("u", "4294967294"), ("ul", "18446744073709551615")]
        {
            assert_eq!(parquet(&file, &["m"], Some(column)), Ok(expected(&[], |_| text.into())));
        }
        let numbers = parquet(&file, &[], Some("m")).unwrap();
        assert_eq!(numbers[8], ("row 9".into(), vec![], Some("0.75".into())));
    }

    #[test]
    fn columns_that_are_not_numbers() {
        let file = write(plain(), None);
        let e = |numbers: &[&str], group| error(parquet(&file, numbers, group));
        assert_eq!(e(&["null"], None), "parquet, row 80, column `null`: the value is null");
        assert_eq!(e(&[], Some("null")), "parquet, row 80, column `null`: the value is null");
        assert_eq!(e(&["many"], None), "parquet, column `many`: nested and repeated columns cannot be read");
        assert_eq!(e(&["nest"], None), "parquet, column `nest`: nested and repeated columns cannot be read");
        assert_eq!(
            e(&["day"], None),
            "parquet, column `day`: columns of type INT32 (Date) cannot be read here"
        );
        assert_eq!(e(&["b"], None), "parquet, column `b`: columns of type BOOLEAN cannot be read here");
        assert_eq!(
            e(&["g"], None),
            "parquet, column `g`: columns of type BYTE_ARRAY (UTF8) cannot be read here"
        );
        assert_eq!(e(&[], Some("raw")), "parquet, row 1, column `raw`: the cell is not valid UTF-8");
        assert!(e(&["x"], None).starts_with("parquet: no column `x`; the columns are m, null, f, h"));
        let nan = write(plain(), Some(f64::NAN));
        let nan = error(parquet(&nan, &["m", "null"], None));
        assert_eq!(nan, "parquet, row 80, column `null`: `NaN` is not a finite number");
    }

    #[test]
    fn by_first_bytes_and_from_a_pipe() {
        let file = write(plain(), Some(1.0));
        let (_kept, table) = super::table(&file, "data");
        assert_eq!(table.unwrap().format(), Format::Parquet);
        let mut source = crate::input::source::Source::new(Box::new(std::io::Cursor::new(file)), None);
        source.fill().unwrap();
        let (_, columns) = crate::input::parquet::open(source.spool().unwrap()).unwrap();
        assert_eq!(columns.len(), 14);
    }

    fn read_all(content: &[u8]) -> Result<Vec<Line>, String> {
        parquet(content, &["m", "null", "f", "h", "i", "l"], Some("g"))
    }

    #[test]
    fn cut_off_files() {
        let file = write(plain().set_compression(Compression::SNAPPY), Some(1.0));
        for length in (0..file.len()).step_by(7) {
            assert!(read_all(&file[..length]).is_err());
        }
        // With the footer in place the offsets are wrong.
        let (body, footer) = file.split_at(file.len() - 8 - footer_length(&file));
        for length in (4..body.len() / 3).step_by(97) {
            assert!(read_all(&[&body[..length], footer].concat()).is_err());
        }
    }

    fn footer_length(file: &[u8]) -> usize {
        let length = file[file.len() - 8..].first_chunk().unwrap();
        u32::from_le_bytes(*length) as usize
    }

    /// Any outcome but the end of the process.
    #[test]
    fn flipped_bytes() {
        let path = tempfile::Builder::new().suffix(".parquet").tempfile().unwrap();
        let mut state = 1_u32;
        let mut random = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state as usize >> 8
        };
        let mut failed = 0;
        for codec in [Compression::UNCOMPRESSED, Compression::ZSTD(Default::default())] {
            let file = write(plain().set_compression(codec).set_data_page_row_count_limit(16), Some(1.0));
            for _ in 0..150 {
                let mut bytes = file.clone();
                for _ in 0..3 {
                    let at = random() % bytes.len();
                    bytes[at] = [0, 0x7f, 0xff, random() as u8][random() % 4];
                }
                std::fs::write(path.path(), bytes).unwrap();
                let table = open(path.path());
                failed += u32::from(
                    table.and_then(|table| rows(table, &["m", "null", "h", "i"], Some("g"))).is_err(),
                );
            }
        }
        assert!(failed > 30, "{failed}");
    }

    /// A file with this footer.
    fn with_footer(footer: &[u8]) -> Vec<u8> {
        [b"PAR1", footer, &(footer.len() as u32).to_le_bytes(), b"PAR1"].concat()
    }

    #[test]
    fn hostile_footers() {
        let no_sense = "parquet: damaged Parquet file: the footer makes no sense";
        // Version 1, then a schema of these elements.
        let schema = |elements: usize| {
            let mut footer = vec![0x15, 2, 0x19, 0xfc];
            let mut rest = elements;
            while rest > 127 {
                footer.push(rest as u8 | 128);
                rest >>= 7;
            }
            footer.push(rest as u8);
            footer
        };
        // Each with one child: `name: "a", num_children: 1`.
        let mut deep = schema(200_000);
        deep.extend([0x48, 1, b'a', 0x15, 2, 0].repeat(200_000));
        deep.push(0);
        assert_eq!(error(read_all(&with_footer(&deep))), no_sense);
        // One that claims two thousand million children.
        let mut wide = schema(1);
        wide.extend([0x48, 1, b'a', 0x15, 0xfe, 0xff, 0xff, 0xff, 0x0f, 0, 0]);
        assert_eq!(error(read_all(&with_footer(&wide))), no_sense);
        // A list that claims more than there is.
        assert_eq!(error(read_all(&with_footer(&schema(1 << 30)))), no_sense);
        // Nested lists, in a field that is not known.
        let mut lists = vec![0xf9];
        lists.extend([0x19].repeat(1_000_000));
        assert_eq!(error(read_all(&with_footer(&lists))), no_sense);
        let long = [&with_footer(&[0])[..5], &[0xff, 0xff, 0xff, 0x7f], b"PAR1"].concat();
        assert_eq!(
            error(read_all(&long)),
            "parquet: damaged Parquet file: the footer is longer than the file"
        );
        assert_eq!(error(read_all(b"PAR1\0\0\0\0PARE")), "parquet: the Parquet file is encrypted");
        assert!(error(read_all(b"PAR1")).contains("not a Parquet file"));
    }

    #[test]
    fn rows_may_be_refused() {
        let file = write(plain(), Some(1.0));
        let (_kept, table) = super::table(&file, "parquet");
        let table: Table = table.unwrap();
        let mut each = |row: &crate::input::Row<'_>| match row.numbers {
            [x] if *x > 0.0 => Err(crate::input::Refusal { column: Some(0), why: "no".into() }),
            _ => Ok(()),
        };
        let e = table.read(&super::numbers(&[0]), &mut |_, _| {}, &mut each).unwrap_err();
        assert_eq!(message(&e), "parquet, row 9, column `m`: no");
    }

    /// Rows before a bad one are handed out, nulls are excused by a weight of 0, and pass through as nothing.
    #[test]
    fn nulls_and_what_passes_through() {
        let file = write(plain(), None);
        let (_kept, table) = super::table(&file, "parquet");
        let table = table.unwrap();
        let of = |name: &str| table.column(name).unwrap();
        let numbers = [of("m")];
        let texts = ["null", "f", "b", "g", "raw"].map(of);
        let wanted =
            Wanted { numbers: &numbers, texts: &texts[..4], accept: Accept::Everything { single: true } };
        let mut rows = Vec::new();
        let mut each = |row: &Row<'_>| {
            rows.push((row.numbers[0], [0, 1, 2, 3].map(|i| row.text(i).to_owned()).join("|")));
            Ok(())
        };
        table.read(&wanted, &mut |_, _| {}, &mut each).unwrap();
        assert_eq!(rows.len(), 2 * ROWS);
        assert_eq!(rows[3], (number(3), "-4.25|0.1|true|é0".into()));
        assert_eq!(rows[2 * ROWS - 1], (number(2 * ROWS - 1), "|0.1|true|é0".into()));
        let mut count = 0;
        let (_kept, table) = super::table(&file, "parquet");
        let wanted = Wanted { numbers: &[1], texts: &[], accept: Accept::Finite };
        let mut each = |_: &Row<'_>| {
            count += 1;
            Ok(())
        };
        assert!(table.unwrap().read(&wanted, &mut |_, _| {}, &mut each).is_err());
        assert_eq!(count, 2 * ROWS - 1);
        // The first column is nowhere 0, so that the null counts; as its own weight a null does, too.
        for (columns, row) in [([1, 0], 80), ([0, 1], 80)] {
            let (_kept, table) = super::table(&file, "parquet");
            let wanted = Wanted { numbers: &columns, texts: &[], accept: Accept::Masked(1) };
            let e = table.unwrap().read(&wanted, &mut |_, _| {}, &mut |_| Ok(())).unwrap_err();
            assert_eq!(message(&e), format!("parquet, row {row}, column `null`: the value is null"));
        }
    }
}
