//! CSV records with the number of the line they begin on.
//!
//! The `csv` crate does not count the blank lines that it skips, and a message about a bad row must name
//! the right line: lines are read here, and those with quotes are parsed there.

use std::io::{BufRead, BufReader, Read};

pub(crate) struct Rows<R> {
    input: BufReader<R>,
    line: u64,
    columns: usize,
    pub(crate) header: csv::StringRecord,
}

impl<R: Read> Rows<R> {
    /// Reads the header; its names are trimmed, and a byte order mark is dropped.
    pub(crate) fn new(input: R) -> Result<Self, String> {
        let mut rows =
            Self { input: BufReader::new(input), line: 0, columns: 0, header: csv::StringRecord::new() };
        let (_, mut header) =
            rows.record().map_err(|e| format!("header: {e}"))?.ok_or("header: the file is empty")?;
        header.trim();
        rows.header = header.iter().map(|name| name.trim_start_matches('\u{feff}')).collect();
        rows.columns = rows.header.len();
        Ok(rows)
    }

    /// The next record and its line, or `None` at the end.
    fn record(&mut self) -> Result<Option<(u64, csv::StringRecord)>, String> {
        let mut text = String::new();
        let (mut first, mut quotes) = (0, 0);
        loop {
            let before = text.len();
            self.line += 1;
            let read = self.input.read_line(&mut text).map_err(|e| format!("line {}: {e}", self.line))?;
            if before == 0 {
                if read > 0 && text.trim_end_matches(['\r', '\n']).is_empty() {
                    text.clear();
                    continue;
                }
                first = self.line;
            }
            // A quoted cell may hold line breaks.
            quotes += text.as_bytes()[before..].iter().filter(|&&b| b == b'"').count();
            if read == 0 || quotes % 2 == 0 {
                break;
            }
        }
        if text.is_empty() {
            return Ok(None);
        }
        if quotes == 0 {
            return Ok(Some((first, text.trim_end_matches(['\r', '\n']).split(',').collect())));
        }
        let mut reader =
            csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
        let mut record = csv::StringRecord::new();
        reader.read_record(&mut record).map_err(|e| format!("line {first}: {e}"))?;
        Ok(Some((first, record)))
    }
}

impl<R: Read> Iterator for Rows<R> {
    type Item = Result<(u64, csv::StringRecord), String>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.record() {
            Ok(Some((line, record))) if record.len() != self.columns => {
                Some(Err(format!("line {line}: {} columns, the header has {}", record.len(), self.columns)))
            }
            other => other.transpose(),
        }
    }
}
