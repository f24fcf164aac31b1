//! What is wrong with a file, and where.

use crate::printable::short;
use std::fmt::{self, Display};
use std::io;

/// The most characters of a library's message, which may quote the file.
pub(super) const MAX_MESSAGE: usize = 120;

pub(super) const NOT_UTF8: &str = "the cell is not valid UTF-8";

/// Where in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Line, from 1: the first line of a record that spans several.
    Line(u64),
    /// Row of a Parquet file, from 1.
    #[cfg_attr(
        not(feature = "parquet"),
        expect(dead_code, reason = "Parquet files alone have rows without lines")
    )]
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

impl InputError {
    /// Whether it is one row that is wrong, so that those before it count.
    pub(crate) fn is_of_a_row(&self) -> bool {
        self.place.is_some()
    }
}

/// Why the caller does not accept a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// The index of the column to name.
    pub(crate) column: Option<usize>,
    /// Ends the message.
    pub(crate) why: String,
}

/// An [`InputError`] that does not know its file and the names of the columns.
#[derive(Debug, Default)]
pub(super) struct Problem {
    pub(super) place: Option<Place>,
    pub(super) column: Option<usize>,
    pub(super) what: String,
}

impl Problem {
    pub(super) fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), ..Self::default() }
    }

    pub(super) fn at(place: Place, what: impl Into<String>) -> Self {
        Self { place: Some(place), column: None, what: what.into() }
    }

    pub(super) fn cell(place: Place, column: usize, what: impl Into<String>) -> Self {
        Self { place: Some(place), column: Some(column), what: what.into() }
    }

    pub(super) fn refused(place: Place, refusal: Refusal) -> Self {
        Self { place: Some(place), column: refusal.column, what: refusal.why }
    }

    pub(super) fn named(self, file: &str, columns: &[String]) -> InputError {
        let column = self.column.map(|i| columns.get(i).map_or_else(|| i.to_string(), |name| short(name)));
        InputError { file: file.to_owned(), place: self.place, column, what: self.what }
    }
}

impl From<io::Error> for Problem {
    fn from(e: io::Error) -> Self {
        Self::new(e.to_string())
    }
}
