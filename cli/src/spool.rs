//! Margins that are read again and again, and need not fit into memory.

use prefstrength::learn::{LearnError, Margins, Take};
use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};

/// Numbers that are kept in memory; more of them go to a file.
const IN_MEMORY: usize = 1 << 20;
/// Numbers that are handed on at once.
const CHUNK: usize = 1 << 16;

/// A column of numbers, written once: in memory or, if it is long, in an unnamed temporary file.
#[derive(Default)]
struct Column {
    tail: Vec<f64>,
    file: Option<BufWriter<File>>,
    number: usize,
}

impl Column {
    fn push(&mut self, x: f64) -> io::Result<()> {
        self.tail.push(x);
        self.number += 1;
        if self.tail.len() >= IN_MEMORY || (self.file.is_some() && self.tail.len() >= CHUNK) {
            self.spill()?;
        }
        Ok(())
    }

    fn spill(&mut self) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(BufWriter::with_capacity(8 * CHUNK, tempfile::tempfile()?)),
        };
        for x in self.tail.drain(..) {
            file.write_all(&x.to_le_bytes())?;
        }
        Ok(())
    }

    /// To be called before the first pass.
    fn finish(&mut self) -> io::Result<()> {
        if self.file.is_some() {
            self.spill()?;
        }
        self.file.iter_mut().try_for_each(|file| file.flush())
    }

    fn rewind(&mut self) -> io::Result<()> {
        self.file.iter_mut().try_for_each(|file| file.get_mut().seek(SeekFrom::Start(0)).map(|_| ()))
    }

    /// The numbers from `start` on, at most [`CHUNK`], which come in order after a `rewind`.
    fn next(&mut self, start: usize, bytes: &mut Vec<u8>, to: &mut Vec<f64>) -> io::Result<()> {
        let n = CHUNK.min(self.number - start);
        to.clear();
        match &mut self.file {
            None => to.extend(&self.tail[start..start + n]),
            Some(file) => {
                bytes.resize(8 * n, 0);
                file.get_mut().read_exact(bytes)?;
                to.extend(bytes.as_chunks().0.iter().map(|&eight| f64::from_le_bytes(eight)));
            }
        }
        Ok(())
    }
}

/// Takes margins, weights and groups.
type TakeAll<'a> = dyn FnMut(&[f64], Option<&[f64]>, &[u32]) -> Result<(), LearnError> + 'a;

/// Margins with weights and groups, if there are any.
pub(crate) struct Spool {
    margins: Column,
    weights: Option<Column>,
    groups: Option<Column>,
}

impl Spool {
    pub(crate) fn new(weights: bool, groups: bool) -> Self {
        let column = |wanted: bool| wanted.then(Column::default);
        Self { margins: Column::default(), weights: column(weights), groups: column(groups) }
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
            let [margins, weights, of_groups] = &buffers;
            groups.clear();
            groups.extend(of_groups.iter().map(|&g| g as u32));
            take(margins, self.weights.is_some().then_some(&weights[..]), &groups)?;
        }
        Ok(())
    }
}

impl Margins for Spool {
    fn for_each(&mut self, take: &mut Take<'_>) -> Result<(), LearnError> {
        // Groups are not read for a fit.
        let groups = self.groups.take();
        let done = self.pass(&mut |margins, weights, _| take(margins, weights));
        self.groups = groups;
        done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever the length: what was pushed comes back, in order, more than once.
    #[test]
    fn columns_come_back() {
        for n in [0, 1, CHUNK - 1, CHUNK, IN_MEMORY - 1, IN_MEMORY, IN_MEMORY + CHUNK + 7] {
            let mut spool = Spool::new(true, true);
            for i in 0..n {
                spool.push(i as f64 - 7.5, 1.0 / (i + 1) as f64, (i % 1000) as u32).unwrap();
            }
            spool.finish().unwrap();
            assert_eq!(spool.margins.file.is_some(), n >= IN_MEMORY);
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
