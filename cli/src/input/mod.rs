//! Tables of numbers from CSV, JSON lines and Parquet files.
//!
//! Rows are handed out one at a time and nothing grows with the file, so any size can be read from a pipe.
//! Files are not trusted: whatever is in them ends in rows or in one [`InputError`].

mod csv;
mod json_lines;
#[cfg(feature = "parquet")]
mod parquet;
mod problem;
mod row;
mod source;
#[cfg(test)]
mod tests;

pub(crate) use problem::{InputError, Refusal};
pub(crate) use row::{Accept, Row, Wanted};
pub(crate) use source::Progress;

use crate::printable::{printable, short};
use problem::Problem;
use row::Each;
use source::{BOM, MAX_COLUMNS, Source};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

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

impl Table {
    /// Opens a table and reads the names of its columns; `-` is standard input.
    ///
    /// Without a `format`, the extension decides, else the first bytes.
    pub(crate) fn open(path: &Path, format: Option<Format>) -> Result<Self, InputError> {
        let name = name_of(path);
        let (input, total) = if path == Path::new("-") {
            (Ok(Input::Pipe(Box::new(io::stdin()))), None)
        } else {
            match File::open(path).and_then(|file| file.metadata().map(|about| (file, about))) {
                // A pipe under a name (as of the shell's `<(...)`) cannot seek.
                Ok((file, about)) if about.is_file() => (Ok(Input::File(file)), Some(about.len())),
                Ok((file, _)) => (Ok(Input::Pipe(Box::new(file))), None),
                Err(e) => (Err(e), None),
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
    /// The file, as messages name it.
    pub(crate) fn name(&self) -> &str {
        &self.file
    }

    pub(crate) fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The index of the column with this name.
    pub(crate) fn column(&self, name: &str) -> Result<usize, InputError> {
        if let Some(index) = self.find(name)? {
            return Ok(index);
        }
        if self.columns.is_empty() {
            return Err(self.refuse(format!("no column `{}`; there are no columns", short(name))));
        }
        Err(self.refuse(format!("no column `{}`; the columns are {}", short(name), self.names())))
    }

    /// The same, `None` if there is none.
    pub(crate) fn find(&self, name: &str) -> Result<Option<usize>, InputError> {
        let mut found = self.columns.iter().enumerate().filter(|(_, column)| *column == name);
        match (found.next(), found.next()) {
            (Some(_), Some(_)) => {
                Err(self.refuse(format!("there is more than one column `{}`", short(name))))
            }
            (first, _) => Ok(first.map(|(index, _)| index)),
        }
    }

    /// The first columns, for a message.
    pub(crate) fn names(&self) -> String {
        const SHOWN: usize = 20;
        let names: Vec<_> = self.columns.iter().take(SHOWN).map(|name| short(name)).collect();
        let more = self.columns.len().saturating_sub(SHOWN);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        names.join(", ") + &more
    }

    /// The message that something is wrong with the table as a whole.
    pub(crate) fn refuse(&self, what: impl Into<String>) -> InputError {
        Problem::new(what).named(&self.file, &[])
    }

    /// Calls `each` for every row. Returns the number of rows.
    pub(crate) fn read(
        self,
        wanted: &Wanted<'_>,
        progress: &mut Progress<'_>,
        each: &mut Each<'_>,
    ) -> Result<u64, InputError> {
        let mut indices = wanted.numbers.iter().chain(wanted.texts);
        let rows = match indices.find(|&&column| column >= self.columns.len()) {
            Some(column) => Err(Problem::new(format!("there is no column {}", column.saturating_add(1)))),
            None => match self.rows {
                Rows::Csv(rows) => rows.read(wanted, self.columns.len(), progress, each),
                Rows::JsonLines(rows) => rows.read(wanted, &self.columns, progress, each),
                #[cfg(feature = "parquet")]
                Rows::Parquet(rows) => rows.read(wanted, progress, each),
            },
        };
        rows.map_err(|problem| problem.named(&self.file, &self.columns))
    }
}

/// What messages call the file.
pub(crate) fn name_of(path: &Path) -> String {
    if path == Path::new("-") { "standard input".into() } else { printable(&path.to_string_lossy()) }
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

enum Input {
    File(File),
    Pipe(Box<dyn Read>),
}
