//! Choices whose rows come in any order, brought together by person, within bounds of memory.
//!
//! What a spool holds is copied once, to three columns in one unnamed file, or in memory where they are short: margins,
//! persons, weights. How many choices each person has is counted first, so every part of consecutive ids has its place
//! in the file before it is written. Then the parts are sorted, each in memory, and a pass reads from front to back.

use crate::spool::Spool;
use prefstrength::batch::BatchError;
use prefstrength_learn::{LearnError, PersonBlock, PersonSink, Persons};
use std::collections::BTreeMap;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use tempfile::SpooledTempFile;

/// Choices that are handed on at once, unless one person has more.
const BLOCK: usize = 1 << 16;
/// Rows of a column that are read at once.
const CHUNK: usize = 1 << 16;
/// Rows of all parts together, about, that wait to be written.
const WAITING: usize = 1 << 20;
/// Ids are counted by what is above these bits, and again by each where that is too many for one part.
const LOW: u32 = 12;

#[derive(Clone, Copy)]
struct Bounds {
    /// Bytes of all columns that are kept in memory; more go to a file.
    in_memory: usize,
    /// Choices that are sorted at once.
    part: usize,
}

const BOUNDS: Bounds = Bounds { in_memory: 64 << 20, part: 1 << 20 };

/// The choices of a spool that has groups: persons in the order of their ids, and a person's choices in the order of
/// their rows, in the same blocks wherever they are kept. Choices of weight 0 are left out. Memory is bounded but
/// for the choices of one person, and for what there is of each part: at most a twentieth of a byte a choice.
#[derive(Debug)]
pub(crate) struct PersonSpool {
    columns: Columns,
}

impl PersonSpool {
    /// Of a finished spool.
    ///
    /// Errors: [`LearnError::Margin`] and [`LearnError::Weight`] for a row that is not fit,
    /// [`LearnError::PersonWeight`] for a person of two weights, [`LearnError::Source`] for the temporary file.
    pub(crate) fn new(spool: &mut Spool) -> Result<Self, LearnError> {
        Self::within(spool, BOUNDS)
    }

    fn within(spool: &mut Spool, bounds: Bounds) -> Result<Self, LearnError> {
        let (parts, weighted) = divide(spool, bounds.part)?;
        let rows = parts.last().map_or(0, |part| part.rows.end);
        let mut columns = Columns::new(rows, weighted, bounds.in_memory).map_err(failed)?;
        scatter(spool, &parts, &mut columns)?;
        for part in &parts {
            // What is longer is one person.
            let other = if part.rows.len() > bounds.part {
                columns.compare_weights(part)
            } else {
                columns.sort(part)
            };
            if let Some(person) = other.map_err(failed)? {
                return Err(other_weight(spool, person));
            }
        }
        Ok(Self { columns })
    }
}

impl Persons for PersonSpool {
    fn for_each_block(&mut self, take: &mut PersonSink<'_>) -> Result<(), LearnError> {
        let Columns { rows, weighted, .. } = self.columns;
        let (mut chunk, mut of_chunk, mut w) = (Vec::new(), Vec::new(), Vec::new());
        // The block that is being put together; its last person may have more choices to come.
        let (mut margins, mut ends, mut persons, mut weights) =
            (Vec::new(), Vec::<usize>::new(), Vec::<u32>::new(), Vec::new());
        for start in (0..rows).step_by(CHUNK) {
            let range = start..rows.min(start + CHUNK);
            self.columns
                .read(Column::Margins, range.clone(), f64::from_le_bytes, &mut chunk)
                .map_err(failed)?;
            self.columns
                .read(Column::Persons, range.clone(), u32::from_le_bytes, &mut of_chunk)
                .map_err(failed)?;
            if weighted {
                self.columns.read(Column::Weights, range, f64::from_le_bytes, &mut w).map_err(failed)?;
            }
            let mut at = 0;
            for run in of_chunk.chunk_by(|a, b| a == b) {
                let of_run = at..at + run.len();
                margins.extend_from_slice(&chunk[of_run.clone()]);
                match ends.last_mut() {
                    Some(end) if persons.last() == Some(&run[0]) => *end = margins.len(),
                    _ => {
                        ends.push(margins.len());
                        persons.push(run[0]);
                        weights.extend(w.get(at));
                    }
                }
                at = of_run.end;
                let whole = persons.len() - 1;
                if margins.len() > BLOCK && whole > 0 {
                    let (end, given) = (ends[whole - 1], whole.min(weights.len()));
                    take(&PersonBlock::new(
                        &margins[..end],
                        &ends[..whole],
                        &persons[..whole],
                        weighted.then_some(&weights[..given]),
                    )?)?;
                    margins.drain(..end);
                    persons.drain(..whole);
                    weights.drain(..given);
                    ends.clear();
                    ends.push(margins.len());
                }
            }
        }
        if persons.is_empty() {
            return Ok(());
        }
        take(&PersonBlock::new(&margins, &ends, &persons, weighted.then_some(&weights[..]))?)
    }
}

fn failed(e: io::Error) -> LearnError {
    LearnError::Source(format!("temporary file: {e}"))
}

/// Calls `each` with row, margin, person and weight of every choice that counts; tells whether there are weights.
fn visit_choices(
    spool: &mut Spool,
    mut each: impl FnMut(usize, f64, u32, f64) -> Result<(), LearnError>,
) -> Result<bool, LearnError> {
    let (mut first, mut weighted) = (0, false);
    spool.pass(&mut |margins, weights, persons| {
        if persons.len() != margins.len() {
            let (expected, found) = (margins.len(), persons.len());
            return Err(BatchError::Length { slice: "groups", expected, found }.into());
        }
        weighted = weights.is_some();
        for (i, (&d, &person)) in margins.iter().zip(persons).enumerate() {
            let (index, w) = (first + i, weights.map_or(1.0, |w| w[i]));
            match () {
                () if !(w >= 0.0 && w.is_finite()) => return Err(LearnError::Weight { index }),
                () if w == 0.0 => {}
                () if !d.is_finite() => return Err(LearnError::Margin { index }),
                () => each(index, d, person, w)?,
            }
        }
        first += margins.len();
        Ok(())
    })?;
    Ok(weighted)
}

/// The first choice of a person that has another weight than those before it.
fn other_weight(spool: &mut Spool, person: u32) -> LearnError {
    let mut weight = None;
    let found = visit_choices(spool, |index, _, of, w| {
        if of == person && *weight.get_or_insert(w) != w {
            return Err(LearnError::PersonWeight { index });
        }
        Ok(())
    });
    found.err().unwrap_or(LearnError::Changed)
}

/// Persons of consecutive ids, and the rows that their choices have in the columns.
#[derive(Debug)]
struct Part {
    /// The lowest id.
    first: u32,
    rows: Range<usize>,
}

/// Parts of at most `bound` choices, but for those that are one person; and whether there are weights.
fn divide(spool: &mut Spool, bound: usize) -> Result<(Vec<Part>, bool), LearnError> {
    let mut counts = vec![0_usize; 1 << (u32::BITS - LOW)];
    let weighted = visit_choices(spool, |_, _, person, _| {
        counts[(person >> LOW) as usize] += 1;
        Ok(())
    })?;
    // Fewer of these than choices / bound.
    let mut crowded: BTreeMap<u32, Vec<usize>> = (0..)
        .zip(&counts)
        .filter(|&(_, &count)| count > bound)
        .map(|(high, _)| (high, vec![0; 1 << LOW]))
        .collect();
    if !crowded.is_empty() {
        visit_choices(spool, |_, _, person, _| {
            if let Some(counts) = crowded.get_mut(&(person >> LOW)) {
                counts[(person & ((1 << LOW) - 1)) as usize] += 1;
            }
            Ok(())
        })?;
    }
    let mut parts: Vec<Part> = Vec::new();
    let mut add = |first: u32, count: usize| match parts.last_mut() {
        _ if count == 0 => {}
        Some(part) if part.rows.len() + count <= bound => part.rows.end += count,
        _ => {
            let start = parts.last().map_or(0, |part| part.rows.end);
            parts.push(Part { first, rows: start..start + count });
        }
    };
    for (high, &count) in (0..).zip(&counts) {
        match crowded.get(&high) {
            Some(counts) => (0..).zip(counts).for_each(|(low, &count)| add(high << LOW | low, count)),
            None => add(high << LOW, count),
        }
    }
    Ok((parts, weighted))
}

/// Copies every choice to its part, in the order of rows.
fn scatter(spool: &mut Spool, parts: &[Part], columns: &mut Columns) -> Result<(), LearnError> {
    #[derive(Default)]
    struct Waiting {
        written: usize,
        margins: Vec<f64>,
        persons: Vec<u32>,
        weights: Vec<f64>,
    }
    impl Waiting {
        fn write(&mut self, part: &Part, columns: &mut Columns) -> Result<(), LearnError> {
            let row = part.rows.start + self.written;
            self.written += self.margins.len();
            if self.written > part.rows.len() {
                return Err(LearnError::Changed);
            }
            columns
                .write(Column::Margins, row, self.margins.iter().map(|d| d.to_le_bytes()))
                .map_err(failed)?;
            columns
                .write(Column::Persons, row, self.persons.iter().map(|p| p.to_le_bytes()))
                .map_err(failed)?;
            columns
                .write(Column::Weights, row, self.weights.iter().map(|w| w.to_le_bytes()))
                .map_err(failed)?;
            self.margins.clear();
            self.persons.clear();
            self.weights.clear();
            Ok(())
        }
    }
    let most = (WAITING / parts.len().max(1)).clamp(1 << 8, 1 << 14);
    let mut waiting: Vec<Waiting> = parts.iter().map(|_| Waiting::default()).collect();
    let weighted = columns.weighted;
    visit_choices(spool, |_, d, person, w| {
        let at = parts.partition_point(|part| part.first <= person);
        let Some(at) = at.checked_sub(1) else { return Err(LearnError::Changed) };
        let to = &mut waiting[at];
        to.margins.push(d);
        to.persons.push(person);
        if weighted {
            to.weights.push(w);
        }
        if to.margins.len() < most { Ok(()) } else { to.write(&parts[at], columns) }
    })?;
    for (waiting, part) in waiting.iter_mut().zip(parts) {
        waiting.write(part, columns)?;
        if waiting.written != part.rows.len() {
            return Err(LearnError::Changed);
        }
    }
    Ok(())
}

#[derive(Clone, Copy, Debug)]
enum Column {
    Margins,
    Persons,
    Weights,
}

/// The columns, one after the other.
#[derive(Debug)]
struct Columns {
    file: SpooledTempFile,
    rows: usize,
    weighted: bool,
    bytes: Vec<u8>,
}

impl Columns {
    fn new(rows: usize, weighted: bool, in_memory: usize) -> io::Result<Self> {
        let mut file = SpooledTempFile::new(in_memory);
        file.set_len(rows as u64 * if weighted { 20 } else { 12 })?;
        Ok(Self { file, rows, weighted, bytes: Vec::new() })
    }

    fn seek(&mut self, column: Column, row: usize) -> io::Result<()> {
        let (rows, row) = (self.rows as u64, row as u64);
        let place = match column {
            Column::Margins => 8 * row,
            Column::Persons => 8 * rows + 4 * row,
            Column::Weights => 12 * rows + 8 * row,
        };
        self.file.seek(SeekFrom::Start(place)).map(|_| ())
    }

    fn read<const N: usize, T>(
        &mut self,
        column: Column,
        rows: Range<usize>,
        decode: impl Fn([u8; N]) -> T,
        to: &mut Vec<T>,
    ) -> io::Result<()> {
        to.clear();
        self.seek(column, rows.start)?;
        for start in rows.clone().step_by(CHUNK) {
            self.bytes.resize(N * CHUNK.min(rows.end - start), 0);
            self.file.read_exact(&mut self.bytes)?;
            to.extend(self.bytes.as_chunks().0.iter().map(|&bytes| decode(bytes)));
        }
        Ok(())
    }

    fn write<const N: usize>(
        &mut self,
        column: Column,
        row: usize,
        values: impl Iterator<Item = [u8; N]>,
    ) -> io::Result<()> {
        self.bytes.clear();
        values.for_each(|value| self.bytes.extend_from_slice(&value));
        self.seek(column, row)?;
        self.file.write_all(&self.bytes)
    }

    /// Brings a part in the order of persons, and of rows within each. The id of the first person of two weights, if
    /// there is one.
    fn sort(&mut self, part: &Part) -> io::Result<Option<u32>> {
        let (mut persons, mut numbers) = (Vec::new(), Vec::new());
        self.read(Column::Persons, part.rows.clone(), u32::from_le_bytes, &mut persons)?;
        let sorted = persons.is_sorted();
        // A part has fewer than 2³² choices: id and place in one number, which is fast to sort.
        let mut keys: Vec<u64> = (0..).zip(&persons).map(|(i, &p)| u64::from(p) << 32 | i).collect();
        keys.sort_unstable();
        let place = |key: u64| key as u32 as usize;
        if !sorted {
            let row = part.rows.start;
            self.write(Column::Persons, row, keys.iter().map(|key| ((key >> 32) as u32).to_le_bytes()))?;
            self.read(Column::Margins, part.rows.clone(), f64::from_le_bytes, &mut numbers)?;
            self.write(Column::Margins, row, keys.iter().map(|&key| numbers[place(key)].to_le_bytes()))?;
        }
        if !self.weighted {
            return Ok(None);
        }
        self.read(Column::Weights, part.rows.clone(), f64::from_le_bytes, &mut numbers)?;
        let differ = |pair: &&[u64]| {
            pair[0] >> 32 == pair[1] >> 32 && numbers[place(pair[0])] != numbers[place(pair[1])]
        };
        let found = keys.windows(2).find(differ).map(|pair| (pair[0] >> 32) as u32);
        if !sorted {
            let weights = keys.iter().map(|&key| numbers[place(key)].to_le_bytes());
            self.write(Column::Weights, part.rows.start, weights)?;
        }
        Ok(found)
    }

    /// The id of the person who is this part, if there are two weights.
    fn compare_weights(&mut self, part: &Part) -> io::Result<Option<u32>> {
        let (mut first, mut weights) = (None, Vec::new());
        for start in part.rows.clone().step_by(CHUNK) {
            if !self.weighted {
                break;
            }
            let rows = start..part.rows.end.min(start + CHUNK);
            self.read(Column::Weights, rows, f64::from_le_bytes, &mut weights)?;
            if weights.iter().any(|&w| *first.get_or_insert(w) != w) {
                return Ok(Some(part.first));
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prefstrength::panel::{Panel, PanelBatch, PanelRows};
    use prefstrength::{Coordinates, Gamma};
    use prefstrength_learn::PersonsInMemory;

    /// Everything in memory; in a file, in parts of a thousand choices; in a file, every person by themselves.
    const BOUNDS_OF_ALL_SIZES: [Bounds; 3] =
        [BOUNDS, Bounds { in_memory: 0, part: 1 << 10 }, Bounds { in_memory: 1 << 10, part: 1 }];

    #[derive(Clone, Debug, Default, PartialEq)]
    struct Rows {
        margins: Vec<f64>,
        persons: Vec<u32>,
        weights: Option<Vec<f64>>,
    }

    impl Rows {
        /// So many choices of each person, in turn by chance; with weights a quarter of them, about, has weight 0 and
        /// margin NaN.
        fn shuffled(choices: &[(u32, usize)], weighted: bool, seed: u64) -> Self {
            let mut state = seed;
            let mut draw = move || {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                state >> 33
            };
            let mut order: Vec<u32> = choices.iter().flat_map(|&(p, n)| std::iter::repeat_n(p, n)).collect();
            for i in (1..order.len()).rev() {
                order.swap(i, draw() as usize % (i + 1));
            }
            let mut rows = Self { weights: weighted.then(Vec::new), ..Self::default() };
            let mut seen = BTreeMap::new();
            for person in order {
                // Known from the person and how many choices they made before: not from where the row is.
                let number = seen.entry(person).or_insert(0_u32);
                *number += 1;
                let margin = f64::from(*number % 100) - 30.5 + f64::from(person % 7);
                match &mut rows.weights {
                    Some(weights) if draw() % 4 == 0 => {
                        *number -= 1;
                        rows.margins.push(f64::NAN);
                        weights.push(0.0);
                        rows.persons.push(person);
                        continue;
                    }
                    Some(weights) => weights.push(f64::from(person % 3) + 0.5),
                    None => {}
                }
                rows.margins.push(margin);
                rows.persons.push(person);
            }
            rows
        }

        fn spool(&self) -> Spool {
            let mut spool = Spool::new(self.weights.is_some(), true);
            for (i, (&margin, &person)) in self.margins.iter().zip(&self.persons).enumerate() {
                spool.push(margin, self.weights.as_ref().map_or(1.0, |w| w[i]), person).unwrap();
            }
            spool.finish().unwrap();
            spool
        }

        fn in_memory(&self) -> Result<PersonsInMemory, LearnError> {
            PersonsInMemory::new(&self.margins, &self.persons, self.weights.as_deref())
        }
    }

    type Block = (Vec<f64>, Vec<usize>, Vec<u32>, Option<Vec<f64>>);

    fn blocks(mut source: impl Persons) -> Vec<Block> {
        let mut pass = || {
            let mut all = Vec::new();
            let done = source.for_each_block(&mut |block| {
                let weights = block.weights().map(<[f64]>::to_vec);
                all.push((
                    block.margins().to_vec(),
                    block.ends().to_vec(),
                    block.persons().to_vec(),
                    weights,
                ));
                Ok(())
            });
            assert_eq!(done, Ok(()));
            all
        };
        let all = pass();
        assert!(all == pass());
        all
    }

    fn many() -> Vec<(u32, usize)> {
        // Persons of one choice and of several thousand, whose ids are close to each other and far apart.
        let ids = (0..3000).chain([5000, 8191, 8192, 1 << 20, u32::MAX - 1, u32::MAX]);
        ids.map(|id| (id, if id % 500 == 0 { 9000 } else { 1 + id as usize % 30 })).collect()
    }

    /// Wherever they are kept, the blocks are those of the library.
    #[test]
    fn blocks_are_those_of_choices_in_memory() {
        for weighted in [false, true] {
            let rows = Rows::shuffled(&many(), weighted, 1);
            let expected = blocks(rows.in_memory().unwrap());
            assert!(expected.len() > 1);
            let mut rolled = Vec::new();
            for bounds in BOUNDS_OF_ALL_SIZES {
                let persons = PersonSpool::within(&mut rows.spool(), bounds).unwrap();
                rolled.push(persons.columns.file.is_rolled());
                assert!(blocks(persons) == expected);
            }
            assert_eq!(rolled, [false, true, true]);
        }
    }

    /// How the rows of different persons are mixed changes nothing.
    #[test]
    fn the_order_of_rows_does_not_matter() {
        let [a, b] = [2, 3].map(|seed| Rows::shuffled(&many(), false, seed));
        assert!(a != b);
        for bounds in BOUNDS_OF_ALL_SIZES {
            let [a, b] = [&a, &b].map(|rows| blocks(PersonSpool::within(&mut rows.spool(), bounds).unwrap()));
            assert!(a == b);
        }
    }

    /// A person of more choices than are sorted at once, among others and alone.
    #[test]
    fn giants() {
        let giant = BOUNDS.part + CHUNK + 3;
        for (choices, weighted) in [
            (vec![(6, giant)], true),
            (vec![(3, 5), (6, giant), (7, 1), (8, BLOCK), (9, BLOCK + 1), (10, 1), (12, giant)], false),
        ] {
            let rows = Rows::shuffled(&choices, weighted, 4);
            let expected = blocks(rows.in_memory().unwrap());
            let persons =
                PersonSpool::within(&mut rows.spool(), Bounds { in_memory: 1 << 20, ..BOUNDS }).unwrap();
            assert!(persons.columns.file.is_rolled() && blocks(persons) == expected);
            let ids: Vec<Vec<u32>> = expected.into_iter().map(|(_, _, ids, _)| ids).collect();
            match choices.len() {
                1 => assert_eq!(ids, [[6]]),
                _ => assert_eq!(ids, [vec![3], vec![6], vec![7], vec![8], vec![9], vec![10], vec![12]]),
            }
        }
    }

    #[test]
    fn few_or_none() {
        let masked = Rows { margins: vec![f64::NAN], persons: vec![3], weights: Some(vec![0.0]) };
        for rows in [Rows::default(), masked] {
            for bounds in BOUNDS_OF_ALL_SIZES {
                assert_eq!(blocks(PersonSpool::within(&mut rows.spool(), bounds).unwrap()), []);
            }
        }
        let one = Rows { margins: vec![-0.5], persons: vec![u32::MAX], weights: None };
        for bounds in BOUNDS_OF_ALL_SIZES {
            let expected = [(vec![-0.5], vec![1], vec![u32::MAX], None)];
            assert_eq!(blocks(PersonSpool::within(&mut one.spool(), bounds).unwrap()), expected);
        }
    }

    /// The same errors as in memory, which name the same row.
    #[test]
    fn errors_name_the_row() {
        let rows = Rows::shuffled(&[(1, 9000), (2, 40), (3, 9), (70_000, 8)], true, 5);
        let refused = |rows: &Rows| {
            let error = rows.in_memory().unwrap_err();
            for bounds in BOUNDS_OF_ALL_SIZES {
                assert_eq!(PersonSpool::within(&mut rows.spool(), bounds).unwrap_err(), error);
            }
            error
        };
        let counts = |i: &usize| rows.weights.as_ref().unwrap()[*i] > 0.0;
        for person in [1, 2, 70_000] {
            let last =
                (0..rows.margins.len()).rev().filter(counts).find(|&i| rows.persons[i] == person).unwrap();
            let with = |margin: f64, weight: f64| {
                let mut rows = rows.clone();
                rows.margins[last] = margin;
                rows.weights.as_mut().unwrap()[last] = weight;
                refused(&rows)
            };
            assert_eq!(with(1.0, 7.0), LearnError::PersonWeight { index: last });
            assert_eq!(with(1.0, -1.0), LearnError::Weight { index: last });
            assert_eq!(with(1.0, f64::NAN), LearnError::Weight { index: last });
            assert_eq!(with(f64::INFINITY, f64::from(person % 3) + 0.5), LearnError::Margin { index: last });
        }
        let mut without = Spool::new(false, false);
        without.push(1.0, 1.0, 0).unwrap();
        without.finish().unwrap();
        assert!(matches!(PersonSpool::new(&mut without), Err(LearnError::Batch(_))));
    }

    /// What a source is asked to pass on.
    #[test]
    fn an_error_ends_the_pass() {
        let rows = Rows::shuffled(&many(), false, 6);
        let mut persons = PersonSpool::new(&mut rows.spool()).unwrap();
        let mut calls = 0;
        let stopped = persons.for_each_block(&mut |_| {
            calls += 1;
            Err(LearnError::NoWeight)
        });
        assert_eq!((stopped, calls), (Err(LearnError::NoWeight), 1));
        assert!(blocks(persons) == blocks(rows.in_memory().unwrap()));
    }

    /// The likelihood of a panel, block by block, is that of one call.
    #[test]
    fn a_panel_block_by_block() {
        let rows = Rows::shuffled(&many(), true, 7);
        let panel =
            Panel::new(&Gamma::from_mean_cv(0.3, 0.8).unwrap()).with_coordinates(Coordinates::LnMeanV);
        let known = rows.in_memory().unwrap();
        let batch: PanelBatch<'_, f64> = known.block().batch();
        let whole = panel.par_evaluate(&batch, PanelRows::new()).unwrap();
        let mut sums = prefstrength::panel::PanelSums::default();
        let mut persons = PersonSpool::within(&mut rows.spool(), BOUNDS_OF_ALL_SIZES[1]).unwrap();
        let pass = persons.for_each_block(&mut |block| {
            sums += panel.par_evaluate(&block.batch(), PanelRows::new())?;
            Ok(())
        });
        assert_eq!(pass, Ok(()));
        let near = |a: f64, b: f64| assert!((a - b).abs() <= 1e-13 * whole.nll, "{a} {b}");
        near(sums.weight, whole.weight);
        near(sums.nll, whole.nll);
        (0..2).for_each(|i| near(sums.d_params[i], whole.d_params[i]));
    }
}
