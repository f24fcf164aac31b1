//! Tables of numbers from CSV, JSON lines and Parquet files.
//!
//! Rows are handed out one at a time and nothing grows with the file, so any size can be read from a pipe.
//! Files are not trusted: whatever is in them ends in rows or in one [`InputError`].

mod csv;
mod json_lines;
#[cfg(feature = "parquet")]
mod pages;
#[cfg(feature = "parquet")]
mod parquet;
#[cfg(test)]
mod tests;

use std::fmt::{self, Display};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// The longest record of a CSV or JSON lines file.
const MAX_RECORD: usize = 16 << 20;
const MAX_COLUMNS: usize = 100_000;
/// Bytes read at a time.
const BLOCK: usize = 1 << 20;

/// The format of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// Comma separated values with a header (RFC 4180).
    Csv,
    /// One JSON object a line.
    JsonLines,
    /// Apache Parquet.
    Parquet,
}

/// Where in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Line, from 1: the first line of a record that spans several.
    Line(u64),
    /// Row of a Parquet file, from 1.
    #[cfg_attr(not(feature = "parquet"), allow(dead_code))]
    Row(u64),
}

impl Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(line) => write!(f, "line {line}"),
            Self::Row(row) => write!(f, "row {row}"),
        }
    }
}

/// A file that cannot be read as a table: its name, the place and the column where known, and what is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct InputError {
    file: String,
    place: Option<Place>,
    column: Option<String>,
    what: String,
}

impl Display for InputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(place) = self.place {
            write!(f, ", {place}")?;
        }
        if let Some(column) = &self.column {
            write!(f, ", column `{column}`")?;
        }
        write!(f, ": {}", self.what)
    }
}

impl std::error::Error for InputError {}

/// One row of a table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row<'a> {
    /// Where the row begins.
    #[cfg_attr(not(test), expect(dead_code, reason = "refusals get their place here; tests look at it"))]
    pub(crate) place: Place,
    /// The wanted columns in the order asked for; all finite.
    pub(crate) numbers: &'a [f64],
    /// The cell of the group column as it is written (it may be empty); a number as its shortest decimal.
    pub(crate) group: Option<&'a str>,
}

/// Why the caller does not accept a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// The index of the column to name.
    pub(crate) column: Option<usize>,
    /// Ends the message.
    pub(crate) why: String,
}

/// Called now and then with the bytes read and, if known, their total.
pub(crate) type Progress<'a> = dyn FnMut(u64, Option<u64>) + 'a;

/// Called for every row.
pub(crate) type Each<'a> = dyn FnMut(&Row<'_>) -> Result<(), Refusal> + 'a;

/// An open table: its columns are known, its rows not yet read.
pub(crate) struct Table {
    file: String,
    columns: Vec<String>,
    rows: Rows,
}

enum Rows {
    Csv(csv::Csv),
    JsonLines(json_lines::JsonLines),
    #[cfg(feature = "parquet")]
    Parquet(parquet::Parquet),
}

/// The columns to read, by index.
struct Wanted<'a> {
    columns: &'a [String],
    numbers: &'a [usize],
    group: Option<usize>,
}

/// An [`InputError`] that does not know its file and the names of the columns.
#[derive(Debug, Default)]
struct Problem {
    place: Option<Place>,
    column: Option<usize>,
    what: String,
}

impl Problem {
    fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), ..Self::default() }
    }

    fn at(place: Place, what: impl Into<String>) -> Self {
        Self { place: Some(place), column: None, what: what.into() }
    }

    fn cell(place: Place, column: usize, what: impl Into<String>) -> Self {
        Self { place: Some(place), column: Some(column), what: what.into() }
    }

    fn refused(place: Place, refusal: Refusal) -> Self {
        Self { place: Some(place), column: refusal.column, what: refusal.why }
    }

    fn named(self, file: &str, columns: &[String]) -> InputError {
        let column = self.column.map(|i| columns.get(i).map_or_else(|| i.to_string(), |name| short(name)));
        InputError { file: file.to_owned(), place: self.place, column, what: self.what }
    }
}

impl From<io::Error> for Problem {
    fn from(e: io::Error) -> Self {
        Self::new(e.to_string())
    }
}

impl Table {
    /// Opens a table and reads the names of its columns; `-` is standard input.
    ///
    /// Without a `format`, the extension decides, else the first bytes.
    pub(crate) fn open(path: &Path, format: Option<Format>) -> Result<Self, InputError> {
        let (name, input, total) = if path == Path::new("-") {
            ("standard input".to_owned(), Ok(Input::Pipe(Box::new(io::stdin()))), None)
        } else {
            let file = File::open(path).and_then(|file| file.metadata().map(|about| (file, about)));
            let name = printable(&path.to_string_lossy());
            match file {
                // A pipe under a name (as of the shell's `<(...)`) cannot seek.
                Ok((file, about)) if about.is_file() => (name, Ok(Input::File(file)), Some(about.len())),
                Ok((file, _)) => (name, Ok(Input::Pipe(Box::new(file))), None),
                Err(e) => (name, Err(e), None),
            }
        };
        let format = format.or_else(|| by_extension(path));
        match input.map_err(Problem::from).and_then(|input| Self::start(input, total, format)) {
            Ok((rows, columns)) => Ok(Self { file: name, columns, rows }),
            Err(problem) => Err(problem.named(&name, &[])),
        }
    }

    fn start(
        input: Input,
        total: Option<u64>,
        format: Option<Format>,
    ) -> Result<(Rows, Vec<String>), Problem> {
        let (mut source, file) = match input {
            Input::File(file) => (Source::new(Box::new(file.try_clone()?), total), Some(file)),
            Input::Pipe(input) => (Source::new(input, total), None),
        };
        source.fill()?;
        let format = format.unwrap_or_else(|| by_first_bytes(source.rest()));
        if format != Format::Parquet {
            source.check_text()?;
        }
        let (rows, columns) = match format {
            Format::Csv => csv::open(source).map(|(rows, columns)| (Rows::Csv(rows), columns))?,
            Format::JsonLines => {
                json_lines::open(source).map(|(rows, columns)| (Rows::JsonLines(rows), columns))?
            }
            #[cfg(feature = "parquet")]
            Format::Parquet => {
                let file = match file {
                    Some(file) => file,
                    None => source.spool()?,
                };
                parquet::open(file).map(|(rows, columns)| (Rows::Parquet(rows), columns))?
            }
            #[cfg(not(feature = "parquet"))]
            Format::Parquet => {
                drop(file);
                return Err(Problem::new("this tool was built without support for Parquet"));
            }
        };
        if columns.len() > MAX_COLUMNS {
            return Err(Problem::new(format!("more than {MAX_COLUMNS} columns")));
        }
        Ok((rows, columns))
    }

    /// The format of the file.
    #[cfg(test)]
    pub(crate) fn format(&self) -> Format {
        match self.rows {
            Rows::Csv(_) => Format::Csv,
            Rows::JsonLines(_) => Format::JsonLines,
            #[cfg(feature = "parquet")]
            Rows::Parquet(_) => Format::Parquet,
        }
    }

    /// The names in the header, the keys of the first JSON object, or the top-level Parquet columns.
    pub(crate) fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The index of the column with this name.
    pub(crate) fn column(&self, name: &str) -> Result<usize, InputError> {
        let mut found = self.columns.iter().enumerate().filter(|(_, column)| *column == name);
        let what = match (found.next(), found.next()) {
            (Some((index, _)), None) => return Ok(index),
            (Some(_), Some(_)) => format!("there is more than one column `{}`", short(name)),
            (None, _) if self.columns.is_empty() => {
                format!("no column `{}`; there are no columns", short(name))
            }
            (None, _) => {
                const SHOWN: usize = 20;
                let names: Vec<_> = self.columns.iter().take(SHOWN).map(|name| short(name)).collect();
                let more = self.columns.len().saturating_sub(SHOWN);
                let more = if more > 0 { format!(" and {more} more") } else { String::new() };
                format!("no column `{}`; the columns are {}{more}", short(name), names.join(", "))
            }
        };
        Err(Problem::new(what).named(&self.file, &[]))
    }

    /// Calls `each` for every row with the columns `numbers`, in that order, and the text of the column
    /// `group`. Returns the number of rows.
    pub(crate) fn read(
        self,
        numbers: &[usize],
        group: Option<usize>,
        progress: &mut Progress<'_>,
        each: &mut Each<'_>,
    ) -> Result<u64, InputError> {
        let wanted = Wanted { columns: &self.columns, numbers, group };
        let rows = match numbers.iter().chain(&group).find(|&&column| column >= self.columns.len()) {
            Some(column) => Err(Problem::new(format!("there is no column {}", column.saturating_add(1)))),
            None => match self.rows {
                Rows::Csv(rows) => rows.read(&wanted, progress, each),
                Rows::JsonLines(rows) => rows.read(&wanted, progress, each),
                #[cfg(feature = "parquet")]
                Rows::Parquet(rows) => rows.read(&wanted, progress, each),
            },
        };
        rows.map_err(|problem| problem.named(&self.file, &self.columns))
    }
}

fn by_extension(path: &Path) -> Option<Format> {
    match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
        "csv" => Some(Format::Csv),
        "jsonl" | "ndjson" | "json" => Some(Format::JsonLines),
        "parquet" | "pq" => Some(Format::Parquet),
        _ => None,
    }
}

fn by_first_bytes(bytes: &[u8]) -> Format {
    let text = bytes.strip_prefix(BOM).unwrap_or(bytes);
    if bytes.starts_with(b"PAR1") {
        Format::Parquet
    } else if text.trim_ascii_start().starts_with(b"{") {
        Format::JsonLines
    } else {
        Format::Csv
    }
}

/// UTF-8 byte order mark.
const BOM: &[u8] = b"\xef\xbb\xbf";

enum Input {
    File(File),
    Pipe(Box<dyn Read>),
}

/// A window over the input: what is read and not yet used.
struct Source {
    input: Box<dyn Read>,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    read: u64,
    total: Option<u64>,
    ended: bool,
}

impl Source {
    fn new(input: Box<dyn Read>, total: Option<u64>) -> Self {
        Self { input, buffer: vec![0; BLOCK], start: 0, end: 0, read: 0, total, ended: false }
    }

    fn rest(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    /// Drops `bytes` from the front of the window.
    fn advance(&mut self, bytes: usize) {
        self.start = self.end.min(self.start.saturating_add(bytes));
    }

    /// Reads until the buffer is full or the input ends. A full buffer is doubled, so that looking again
    /// through a record that did not fit costs no more than reading it.
    fn fill(&mut self) -> io::Result<()> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        if self.end == self.buffer.len() {
            self.buffer.resize(2 * self.end, 0);
        }
        while !self.ended {
            let free = self.buffer.get_mut(self.end..).unwrap_or_default();
            if free.is_empty() {
                break;
            }
            match self.input.read(free) {
                Ok(0) => self.ended = true,
                Ok(n) => {
                    self.end += n;
                    self.read = self.read.saturating_add(n as u64);
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    /// As [`fill`](Self::fill), for a record at `place` that does not end in the window.
    fn fill_record(&mut self, place: Place, progress: &mut Progress<'_>) -> Result<(), Problem> {
        if self.rest().len() > MAX_RECORD {
            return Err(too_long(place));
        }
        self.fill()?;
        progress(self.read, self.total);
        Ok(())
    }

    /// Drops a byte order mark and refuses what is plainly not UTF-8 text.
    fn check_text(&mut self) -> Result<(), Problem> {
        let rest = self.rest();
        if rest.starts_with(BOM) {
            self.advance(BOM.len());
        } else if rest.starts_with(b"\xff\xfe") || rest.starts_with(b"\xfe\xff") {
            return Err(Problem::new("the file is UTF-16 text: save it as UTF-8"));
        } else if rest.starts_with(b"\x1f\x8b") || rest.starts_with(b"\x28\xb5\x2f\xfd") {
            return Err(Problem::new("the file is compressed: unpack it first"));
        }
        Ok(())
    }

    /// Copies everything to an unnamed temporary file, for a format that needs to seek.
    #[cfg(feature = "parquet")]
    fn spool(mut self) -> Result<File, Problem> {
        use std::io::Write as _;

        let mut copy = || {
            let mut file = tempfile::tempfile()?;
            file.write_all(self.rest())?;
            io::copy(&mut self.input, &mut file)?;
            Ok(file)
        };
        copy().map_err(|e: io::Error| Problem::new(format!("copying to a temporary file: {e}")))
    }
}

fn too_long(place: Place) -> Problem {
    Problem::at(place, format!("longer than {} MiB", MAX_RECORD >> 20))
}

/// A cell as a finite number.
#[inline]
fn number(cell: &[u8]) -> Result<f64, String> {
    let text = cell.trim_ascii();
    match std::str::from_utf8(text).ok().and_then(|text| text.parse::<f64>().ok()) {
        Some(x) if x.is_finite() => Ok(x),
        _ => Err(not_a_number(text)),
    }
}

#[cold]
fn not_a_number(text: &[u8]) -> String {
    match text {
        [] => "the cell is empty".into(),
        _ if std::str::from_utf8(text).is_err() && text.len() <= MAX_SHORT => NOT_UTF8.into(),
        _ => format!("`{}` is not a finite number", short_bytes(text)),
    }
}

const NOT_UTF8: &str = "the cell is not valid UTF-8";

/// The most characters that a message quotes.
const MAX_SHORT: usize = 40;

/// The most characters of a library's message, which may quote the file.
const MAX_MESSAGE: usize = 120;

/// Text from a file for use in a message: cut off, and without characters that would disturb a terminal.
fn short(text: &str) -> String {
    let mut shown: String = text.chars().take(MAX_SHORT + 1).collect();
    if shown.chars().count() > MAX_SHORT {
        shown = shown.chars().take(MAX_SHORT - 1).chain(['…']).collect();
    }
    let mut out = printable(&shown);
    // Escapes take up to ten characters.
    if out.chars().count() > MAX_SHORT {
        out = out.chars().take(MAX_SHORT - 1).chain(['…']).collect();
    }
    out
}

fn short_bytes(text: &[u8]) -> String {
    // Four bytes a character at most.
    short(&String::from_utf8_lossy(text.get(..4 * (MAX_SHORT + 1)).unwrap_or(text)))
}

/// Whether a character turns the direction of text, or is there without being seen.
pub(crate) fn turns(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// Escapes control characters, among them those that turn the direction of text.
pub(crate) fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            c if turns(c) => out.extend(c.escape_unicode()),
            c if c.is_control() => out.extend(c.escape_default()),
            c => out.push(c),
        }
    }
    out
}
