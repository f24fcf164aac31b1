//! Margins that are read again and again, and need not fit into memory.

use prefstrength_learn::{ChunkSink, GroupedSink, LearnError, Margins};
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use tempfile::SpooledTempFile;

/// Bytes of a column that are kept in memory; a longer one goes to an unnamed file.
const IN_MEMORY: usize = 8 << 20;
/// Numbers that are handed on at once.
const CHUNK: usize = 1 << 16;

/// A column of numbers, written once.
#[derive(Debug)]
struct Column {
    spool: BufWriter<SpooledTempFile>,
    number: usize,
}

impl Default for Column {
    fn default() -> Self {
        let spool = BufWriter::with_capacity(8 * CHUNK, SpooledTempFile::new(IN_MEMORY));
        Self { spool, number: 0 }
    }
}

impl Column {
    fn push(&mut self, x: f64) -> io::Result<()> {
        self.number += 1;
        self.spool.write_all(&x.to_le_bytes())
    }

    /// To be called before the first pass.
    fn finish(&mut self) -> io::Result<()> {
        self.spool.flush()
    }

    fn rewind(&mut self) -> io::Result<()> {
        self.spool.get_mut().seek(SeekFrom::Start(0)).map(|_| ())
    }

    /// The numbers from `start` on, at most [`CHUNK`], which come in order after a `rewind`.
    fn next(&mut self, start: usize, bytes: &mut Vec<u8>, to: &mut Vec<f64>) -> io::Result<()> {
        bytes.resize(8 * CHUNK.min(self.number - start), 0);
        self.spool.get_mut().read_exact(bytes)?;
        to.clear();
        to.extend(bytes.as_chunks().0.iter().map(|&eight| f64::from_le_bytes(eight)));
        Ok(())
    }
}

/// Takes margins, weights and groups.
type TakeAll<'a> = dyn FnMut(&[f64], Option<&[f64]>, &[u32]) -> Result<(), LearnError> + 'a;

/// Margins with weights and groups, if there are any.
#[derive(Debug)]
pub(crate) struct Spool {
    margins: Column,
    weights: Option<Column>,
    groups: Option<Column>,
    /// What weights are multiplied by.
    factor: f64,
}

impl Spool {
    pub(crate) fn new(weights: bool, groups: bool) -> Self {
        let column = |wanted: bool| wanted.then(Column::default);
        Self { margins: Column::default(), weights: column(weights), groups: column(groups), factor: 1.0 }
    }

    /// One row; `weight` and `group` do not count where the spool has none.
    pub(crate) fn push(&mut self, margin: f64, weight: f64, group: u32) -> io::Result<()> {
        self.margins.push(margin)?;
        if let Some(weights) = &mut self.weights {
            weights.push(weight)?;
        }
        match &mut self.groups {
            // Exact: there are fewer than 2⁵³.
            Some(groups) => groups.push(group.into()),
            None => Ok(()),
        }
    }

    /// Has weights multiplied from now on.
    pub(crate) fn scale_weights(&mut self, factor: f64) {
        self.factor = factor;
    }

    pub(crate) fn finish(&mut self) -> io::Result<()> {
        self.columns().into_iter().flatten().try_for_each(Column::finish)
    }

    fn columns(&mut self) -> [Option<&mut Column>; 3] {
        [Some(&mut self.margins), self.weights.as_mut(), self.groups.as_mut()]
    }

    /// A pass over margins, weights and groups.
    pub(crate) fn pass(&mut self, take: &mut TakeAll<'_>) -> Result<(), LearnError> {
        let failed = |e: io::Error| LearnError::Source(format!("temporary file: {e}"));
        self.columns().into_iter().flatten().try_for_each(Column::rewind).map_err(failed)?;
        let (mut bytes, mut groups) = (Vec::new(), Vec::new());
        let mut buffers = [const { Vec::new() }; 3];
        for start in (0..self.margins.number).step_by(CHUNK) {
            for (column, buffer) in self.columns().into_iter().zip(&mut buffers) {
                if let Some(column) = column {
                    column.next(start, &mut bytes, buffer).map_err(failed)?;
                }
            }
            if self.factor != 1.0 {
                buffers[1].iter_mut().for_each(|w| *w *= self.factor);
            }
            let [margins, weights, of_groups] = &buffers;
            groups.clear();
            groups.extend(of_groups.iter().map(|&g| g as u32));
            take(margins, self.weights.is_some().then_some(&weights[..]), &groups)?;
        }
        Ok(())
    }
}

impl Margins for Spool {
    fn for_each(&mut self, take: &mut ChunkSink<'_>) -> Result<(), LearnError> {
        // Groups are not read for a fit.
        let groups = self.groups.take();
        let done = self.pass(&mut |margins, weights, _| take(margins, weights));
        self.groups = groups;
        done
    }

    fn for_each_with_groups(&mut self, take: &mut GroupedSink<'_>) -> Result<(), LearnError> {
        let grouped = self.groups.is_some();
        self.pass(&mut |margins, weights, groups| take(margins, weights, grouped.then_some(groups)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever the length: what was pushed comes back, in order, more than once.
    #[test]
    fn columns_come_back() {
        let most = IN_MEMORY / 8;
        for n in [0, 1, CHUNK - 1, CHUNK, most, most + 1, most + CHUNK + 7] {
            let mut spool = Spool::new(true, true);
            for i in 0..n {
                spool.push(i as f64 - 7.5, 1.0 / (i + 1) as f64, (i % 1000) as u32).unwrap();
            }
            spool.finish().unwrap();
            assert_eq!(spool.margins.spool.get_ref().is_rolled(), n > most);
            for _ in 0..2 {
                let mut i = 0;
                let pass = spool.pass(&mut |margins, weights, groups| {
                    let weights = weights.unwrap();
                    assert!(margins.len() == weights.len() && margins.len() == groups.len());
                    for ((&margin, &weight), &group) in margins.iter().zip(weights).zip(groups) {
                        assert_eq!(margin, i as f64 - 7.5);
                        assert_eq!((weight, group), (1.0 / (i + 1) as f64, (i % 1000) as u32));
                        i += 1;
                    }
                    Ok(())
                });
                assert_eq!((pass, i), (Ok(()), n));
                let mut count = 0;
                let plain = spool.for_each(&mut |margins, weights| {
                    count += margins.len();
                    assert_eq!(weights.unwrap().len(), margins.len());
                    Ok(())
                });
                assert_eq!((plain, count), (Ok(()), n));
            }
        }
    }
}
