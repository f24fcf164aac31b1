//! What is wanted of a row, and the row as it is put together from cells.

use super::problem::{NOT_UTF8, Place, Problem, Refusal};
use crate::printable::short_bytes;
use std::ops::Range;

/// The columns to read, by index, in any order and as often as wanted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    /// As numbers.
    pub(crate) numbers: &'a [usize],
    /// As they are written.
    pub(crate) texts: &'a [usize],
    /// What numbers and texts may be.
    pub(crate) accept: Accept,
}

/// What becomes of cells that are not finite numbers, or are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Accept {
    /// They are refused.
    Finite,
    /// They are refused unless this one of the wanted numbers, the weight of the row, is 0: then nothing of the
    /// row counts, and they read as 0.
    Masked(usize),
    /// The table is to pass through as it is: NaN and the infinities are numbers, which are of f32 if `single`
    /// says so; a missing text is empty.
    Everything { single: bool },
}

/// One row of a table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row<'a> {
    /// Where the row begins.
    #[cfg_attr(not(test), expect(dead_code, reason = "refusals get their place here; tests look at it"))]
    pub(crate) place: Place,
    /// The wanted columns in the order asked for.
    pub(crate) numbers: &'a [f64],
    text: &'a str,
    texts: &'a [Range<usize>],
}

impl<'a> Row<'a> {
    /// One of the wanted texts as it is written (it may be empty); a number as its shortest decimal.
    pub(crate) fn text(&self, index: usize) -> &'a str {
        self.texts.get(index).and_then(|range| self.text.get(range.clone())).unwrap_or_default()
    }
}

/// Called for every row.
pub(crate) type Each<'a> = dyn FnMut(&Row<'_>) -> Result<(), Refusal> + 'a;

/// The row that is being read, cell by cell.
#[derive(Debug)]
pub(super) struct RowBuffer {
    accept: Accept,
    numbers: Vec<f64>,
    text: String,
    texts: Vec<Range<usize>>,
    /// The first cell that only a weight of 0 excuses: its column, and why.
    fault: Option<(usize, String)>,
}

impl RowBuffer {
    pub(super) fn new(wanted: &Wanted<'_>) -> Self {
        Self {
            accept: wanted.accept,
            numbers: vec![0.0; wanted.numbers.len()],
            text: String::new(),
            texts: vec![0..0; wanted.texts.len()],
            fault: None,
        }
    }

    /// Begins the next row.
    #[inline]
    pub(super) fn clear(&mut self) {
        self.text.clear();
        self.fault = None;
    }

    /// Cell `index` of the wanted numbers, which are of `column`, from the text of a CSV file.
    #[inline]
    pub(super) fn number_cell(&mut self, index: usize, column: usize, cell: &[u8]) -> Result<(), String> {
        match self.parse(cell) {
            Some(x) if x.is_finite() => {
                self.store(index, x);
                Ok(())
            }
            Some(x) => self.number(index, column, x, || not_a_number(cell, "a finite number")),
            None if cell.trim_ascii().is_empty() => {
                self.missing(index, column, || "the cell is empty".into())
            }
            None => {
                Err(not_a_number(cell, if self.lets_all_pass() { "a number" } else { "a finite number" }))
            }
        }
    }

    #[inline]
    fn parse(&self, cell: &[u8]) -> Option<f64> {
        let text = std::str::from_utf8(cell.trim_ascii()).ok()?;
        match self.accept {
            // By way of f64 it would be rounded twice.
            Accept::Everything { single: true } => text.parse::<f32>().ok().map(f64::from),
            _ => text.parse().ok(),
        }
    }

    /// A number, which need not be finite; `why` says what it is otherwise.
    pub(super) fn number(
        &mut self,
        index: usize,
        column: usize,
        x: f64,
        why: impl FnOnce() -> String,
    ) -> Result<(), String> {
        match self.accept {
            Accept::Everything { single: true } => self.store(index, f64::from(x as f32)),
            Accept::Everything { single: false } => self.store(index, x),
            _ if x.is_finite() => self.store(index, x),
            _ => return self.missing(index, column, why),
        }
        Ok(())
    }

    /// No number; a weight of 0 excuses it.
    #[cold]
    pub(super) fn missing(
        &mut self,
        index: usize,
        column: usize,
        why: impl FnOnce() -> String,
    ) -> Result<(), String> {
        match self.accept {
            Accept::Masked(weight) if weight != index => {
                self.store(index, 0.0);
                self.fault.get_or_insert_with(|| (column, why()));
                Ok(())
            }
            _ => Err(why()),
        }
    }

    #[inline]
    fn store(&mut self, index: usize, x: f64) {
        if let Some(slot) = self.numbers.get_mut(index) {
            *slot = x;
        }
    }

    /// Cell `index` of the wanted texts.
    pub(super) fn text(&mut self, index: usize, text: &str) {
        let start = self.text.len();
        self.text.push_str(text);
        if let Some(range) = self.texts.get_mut(index) {
            *range = start..self.text.len();
        }
    }

    pub(super) fn text_cell(&mut self, index: usize, cell: &[u8]) -> Result<(), String> {
        self.text(index, std::str::from_utf8(cell).map_err(|_| NOT_UTF8)?);
        Ok(())
    }

    /// Whether nothing that can be written down is refused.
    pub(super) fn lets_all_pass(&self) -> bool {
        matches!(self.accept, Accept::Everything { .. })
    }

    /// Hands the row on.
    #[inline]
    pub(super) fn finish(&mut self, place: Place, each: &mut Each<'_>) -> Result<(), Problem> {
        if let (Some(_), Accept::Masked(weight)) = (&self.fault, self.accept)
            && self.numbers.get(weight) != Some(&0.0)
            && let Some((column, why)) = self.fault.take()
        {
            return Err(Problem::cell(place, column, why));
        }
        let row = Row { place, numbers: &self.numbers, text: &self.text, texts: &self.texts };
        each(&row).map_err(|no| Problem::refused(place, no))
    }
}

/// Whether the header of a CSV file holds this instead of a name.
pub(super) fn is_number(cell: &[u8]) -> bool {
    let text = std::str::from_utf8(cell.trim_ascii()).ok();
    text.and_then(|text| text.parse::<f64>().ok()).is_some_and(f64::is_finite)
}

#[cold]
fn not_a_number(cell: &[u8], wanted: &str) -> String {
    // The longest that is looked through for what is not UTF-8.
    const LOOKED_AT: usize = 40;
    let text = cell.trim_ascii();
    if text.len() <= LOOKED_AT && std::str::from_utf8(text).is_err() {
        return NOT_UTF8.into();
    }
    format!("`{}` is not {wanted}", short_bytes(text))
}
