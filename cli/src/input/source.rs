//! A window over a file or a pipe, and the bounds of what it may hold.

use super::problem::{Place, Problem};
use std::io::{self, Read};

/// The longest record of a CSV or JSON lines file.
pub(super) const MAX_RECORD: usize = 16 << 20;
pub(super) const MAX_COLUMNS: usize = 100_000;
/// Bytes read at a time.
pub(super) const BLOCK: usize = 1 << 20;
/// UTF-8 byte order mark.
pub(super) const BOM: &[u8] = b"\xef\xbb\xbf";

/// Called now and then with the bytes read and, if known, their total.
pub(crate) type Progress<'a> = dyn FnMut(u64, Option<u64>) + 'a;

/// A window over the input: what is read and not yet used.
pub(super) struct Source {
    input: Box<dyn Read>,
    pub(super) buffer: Vec<u8>,
    start: usize,
    end: usize,
    read: u64,
    total: Option<u64>,
    pub(super) ended: bool,
}

impl Source {
    pub(super) fn new(input: Box<dyn Read>, total: Option<u64>) -> Self {
        Self { input, buffer: vec![0; BLOCK], start: 0, end: 0, read: 0, total, ended: false }
    }

    pub(super) fn rest(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    /// Drops `bytes` from the front of the window.
    pub(super) fn advance(&mut self, bytes: usize) {
        self.start = self.end.min(self.start.saturating_add(bytes));
    }

    /// Reads until the buffer is full or the input ends. A full buffer is doubled, so that looking again
    /// through a record that did not fit costs no more than reading it.
    pub(super) fn fill(&mut self) -> io::Result<()> {
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
    pub(super) fn fill_record(&mut self, place: Place, progress: &mut Progress<'_>) -> Result<(), Problem> {
        if self.rest().len() > MAX_RECORD {
            return Err(too_long(place));
        }
        self.fill()?;
        progress(self.read, self.total);
        Ok(())
    }

    /// Drops a byte order mark and refuses what is plainly not UTF-8 text.
    pub(super) fn check_text(&mut self) -> Result<(), Problem> {
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
    pub(super) fn spool(mut self) -> Result<std::fs::File, Problem> {
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

pub(super) fn too_long(place: Place) -> Problem {
    Problem::at(place, format!("longer than {} MiB", MAX_RECORD >> 20))
}
