//! CSV: RFC 4180 with a header.
//!
//! Lines without quotes, nearly all of them, are split in place; a record with quotes is first copied without
//! them.

use super::problem::{Place, Problem};
use super::row::{Accept, Each, RowBuffer, Wanted, is_number};
use super::source::{MAX_COLUMNS, MAX_RECORD, Progress, Source, too_long};
use memchr::{memchr, memchr_iter, memchr2};

pub(super) struct Csv {
    source: Source,
    /// Lines used so far.
    line: u64,
    record: Record,
    /// The first column whose name is not UTF-8.
    spoiled: Option<usize>,
}

/// Reads the header.
pub(super) fn open(source: Source) -> Result<(Csv, Vec<String>), Problem> {
    let mut csv = Csv { source, line: 0, record: Record::new(MAX_COLUMNS), spoiled: None };
    let Some(place) = csv.next_record(&mut |_, _| {})? else {
        return Err(Problem::new("the file is empty"));
    };
    if csv.record.count > MAX_COLUMNS {
        return Err(Problem::at(place, format!("more than {MAX_COLUMNS} columns")));
    }
    let cells = || (0..csv.record.count).map(|i| csv.record.cell(i));
    if cells().all(is_number) {
        return Err(Problem::at(
            place,
            "the first line holds numbers: a header with the names of the columns is needed",
        ));
    }
    let columns: Vec<_> = cells().map(|cell| String::from_utf8_lossy(cell).trim().to_owned()).collect();
    csv.spoiled = cells().position(|cell| std::str::from_utf8(cell).is_err());
    csv.record.keep = columns.len();
    Ok((csv, columns))
}

impl Csv {
    pub(super) fn read(
        mut self,
        wanted: &Wanted<'_>,
        width: usize,
        progress: &mut Progress<'_>,
        each: &mut Each<'_>,
    ) -> Result<u64, Problem> {
        if let (Some(column), Accept::Everything { .. }) = (self.spoiled, wanted.accept) {
            let what = "the name of the column is not valid UTF-8".into();
            return Err(Problem { place: None, column: Some(column), what });
        }
        let mut rows = Rows::new(wanted, width, each);
        loop {
            let rest = self.source.rest();
            let quote = memchr(b'"', rest).unwrap_or(rest.len());
            let mut used = 0;
            while let Some(tail) = rest.get(used..)
                && let Some(length) = memchr(b'\n', tail)
                && used + length <= quote
            {
                self.line += 1;
                used += length + 1;
                let line = tail.get(..length).unwrap_or_default();
                rows.line(Place::Line(self.line), line.strip_suffix(b"\r").unwrap_or(line))?;
            }
            self.source.advance(used);
            // Next is a record with quotes, or one that the window does not hold to its end.
            match self.next_record(progress)? {
                Some(place) => rows.record(place, &self.record)?,
                None => return Ok(rows.count),
            }
        }
    }

    /// Reads the next record, whatever it holds, into `self.record`.
    fn next_record(&mut self, progress: &mut Progress<'_>) -> Result<Option<Place>, Problem> {
        loop {
            let place = Place::Line(self.line + 1);
            let (rest, ended) = (self.source.rest(), self.source.ended);
            match rest {
                [b'\n', ..] => {
                    self.line += 1;
                    self.source.advance(1);
                    continue;
                }
                [b'\r', b'\n', ..] => {
                    self.line += 1;
                    self.source.advance(2);
                    continue;
                }
                [] | [b'\r'] if ended => return Ok(None),
                _ => {}
            }
            // Without a quote, nothing but a line break ends a record: a long line is not taken apart in vain.
            if !ended && memchr2(b'\n', b'"', rest).is_none() {
                self.source.fill_record(place, progress)?;
                continue;
            }
            match self.record.parse(rest, ended) {
                Parsed::Record(used) if used > MAX_RECORD => return Err(too_long(place)),
                Parsed::Record(used) => {
                    let record = rest.get(..used).unwrap_or_default();
                    self.line += (memchr_iter(b'\n', record).count() as u64).max(1);
                    self.source.advance(used);
                    return Ok(Some(place));
                }
                Parsed::OpenQuote if ended => {
                    return Err(Problem::at(place, "a quote that begins here is not closed"));
                }
                Parsed::TextAfterQuote => return Err(Problem::at(place, "text after a closing quote")),
                Parsed::Incomplete | Parsed::OpenQuote => self.source.fill_record(place, progress)?,
            }
        }
    }
}

/// The cells of one record without their quotes.
struct Record {
    text: Vec<u8>,
    /// Where each cell ends in `text`.
    ends: Vec<usize>,
    count: usize,
    /// Cells beyond this many are counted, not kept.
    keep: usize,
}

enum Parsed {
    /// The record takes this many bytes.
    Record(usize),
    Incomplete,
    OpenQuote,
    TextAfterQuote,
}

impl Record {
    fn new(keep: usize) -> Self {
        Self { text: Vec::new(), ends: Vec::new(), count: 0, keep }
    }

    fn cell(&self, index: usize) -> &[u8] {
        let start = index.checked_sub(1).map_or(Some(0), |before| self.ends.get(before).copied());
        let range = start.zip(self.ends.get(index).copied());
        range.and_then(|(start, end)| self.text.get(start..end)).unwrap_or_default()
    }

    fn end_cell(&mut self) {
        self.count += 1;
        if self.count <= self.keep {
            self.ends.push(self.text.len());
        }
    }

    fn parse(&mut self, bytes: &[u8], ended: bool) -> Parsed {
        self.text.clear();
        self.ends.clear();
        self.count = 0;
        let mut at = 0;
        // One cell with its delimiter at a time.
        loop {
            let rest = bytes.get(at..).unwrap_or_default();
            if let Some(mut quoted) = rest.strip_prefix(b"\"") {
                loop {
                    let Some((text, after)) = memchr(b'"', quoted).and_then(|n| quoted.split_at_checked(n))
                    else {
                        return Parsed::OpenQuote;
                    };
                    self.text.extend_from_slice(text);
                    match after {
                        [_, b'"', rest @ ..] => {
                            self.text.push(b'"');
                            quoted = rest;
                        }
                        [_] if !ended => return Parsed::Incomplete,
                        _ => {
                            quoted = after.get(1..).unwrap_or_default();
                            break;
                        }
                    }
                }
                self.end_cell();
                while let [b' ' | b'\t', rest @ ..] = quoted {
                    quoted = rest;
                }
                at = bytes.len() - quoted.len();
                match quoted {
                    [b',', ..] => at += 1,
                    [b'\n', ..] => return Parsed::Record(at + 1),
                    [b'\r', b'\n', ..] => return Parsed::Record(at + 2),
                    [] | [b'\r'] if ended => return Parsed::Record(bytes.len()),
                    [] | [b'\r'] => return Parsed::Incomplete,
                    _ => return Parsed::TextAfterQuote,
                }
            } else {
                let length = match memchr2(b',', b'\n', rest) {
                    Some(length) => length,
                    None if ended => rest.len(),
                    None => return Parsed::Incomplete,
                };
                let cell = rest.get(..length).unwrap_or_default();
                at += length + 1;
                if rest.get(length) == Some(&b',') {
                    self.text.extend_from_slice(cell);
                    self.end_cell();
                } else {
                    self.text.extend_from_slice(cell.strip_suffix(b"\r").unwrap_or(cell));
                    self.end_cell();
                    return Parsed::Record(at.min(bytes.len()));
                }
            }
        }
    }
}

/// What becomes of a cell.
#[derive(Clone, Copy)]
enum Slot {
    Number(usize),
    Text(usize),
}

/// Turns records into rows.
struct Rows<'a, 'b> {
    /// The wanted columns in the order of the file.
    slots: Vec<(usize, Slot)>,
    width: usize,
    buffer: RowBuffer,
    count: u64,
    each: &'a mut Each<'b>,
}

impl<'a, 'b> Rows<'a, 'b> {
    fn new(wanted: &Wanted<'_>, width: usize, each: &'a mut Each<'b>) -> Self {
        let numbers = wanted.numbers.iter().enumerate().map(|(i, &column)| (column, Slot::Number(i)));
        let texts = wanted.texts.iter().enumerate().map(|(i, &column)| (column, Slot::Text(i)));
        let mut slots: Vec<_> = numbers.chain(texts).collect();
        slots.sort_by_key(|&(column, _)| column);
        Self { slots, width, buffer: RowBuffer::new(wanted), count: 0, each }
    }

    /// A record without quotes.
    #[inline]
    fn line(&mut self, place: Place, line: &[u8]) -> Result<(), Problem> {
        if line.is_empty() {
            return Ok(());
        }
        if line.len() > MAX_RECORD {
            return Err(too_long(place));
        }
        self.buffer.clear();
        let mut next = 0;
        let (mut start, mut count) = (0, 0);
        let mut commas = memchr_iter(b',', line);
        loop {
            let comma = commas.next();
            let end = comma.unwrap_or(line.len());
            while let Some(&(column, slot)) = self.slots.get(next)
                && column == count
            {
                if let Err(what) = self.cell(column, slot, line.get(start..end).unwrap_or_default()) {
                    // Cells that are shifted by one too many say nothing of their columns.
                    self.check_width(place, memchr_iter(b',', line).count() + 1)?;
                    return Err(Problem::cell(place, column, what));
                }
                next += 1;
            }
            start = end + 1;
            count += 1;
            if comma.is_none() {
                break;
            }
            if next == self.slots.len() {
                count += commas.count() + 1;
                break;
            }
        }
        self.check_width(place, count)?;
        self.count += 1;
        self.buffer.finish(place, self.each)
    }

    fn record(&mut self, place: Place, record: &Record) -> Result<(), Problem> {
        self.check_width(place, record.count)?;
        self.buffer.clear();
        for k in 0..self.slots.len() {
            if let Some(&(column, slot)) = self.slots.get(k) {
                let read = self.cell(column, slot, record.cell(column));
                read.map_err(|what| Problem::cell(place, column, what))?;
            }
        }
        self.count += 1;
        self.buffer.finish(place, self.each)
    }

    #[inline]
    fn cell(&mut self, column: usize, slot: Slot, cell: &[u8]) -> Result<(), String> {
        match slot {
            Slot::Number(i) => self.buffer.number_cell(i, column, cell),
            Slot::Text(i) => self.buffer.text_cell(i, cell),
        }
    }

    #[inline]
    fn check_width(&self, place: Place, count: usize) -> Result<(), Problem> {
        if count == self.width {
            return Ok(());
        }
        let columns = if count == 1 { "column" } else { "columns" };
        Err(Problem::at(place, format!("{count} {columns}, the header has {}", self.width)))
    }
}
