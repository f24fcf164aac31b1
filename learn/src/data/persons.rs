//! Choices of one β per person, whole persons at a time.

use super::margins::visit_elements;
use crate::error::{LearnError, check_length};
use prefstrength::Real;
use prefstrength::batch::BatchError;
use prefstrength::panel::PanelBatch;

/// Choices that are handed on at once, unless one person has more.
const BLOCK: usize = 1 << 16;

/// Takes one block of persons.
pub type PersonSink<'a> = dyn FnMut(&PersonBlock<'_>) -> Result<(), LearnError> + 'a;

/// A source of choices, whole persons at a time, that can be read again and again: what [`Margins`](crate::Margins)
/// are to choices that have nothing in common. [`PersonsInMemory`] makes one of choices in any order; implement it for
/// data that do not fit into memory.
///
/// ```
/// use prefstrength::Gamma;
/// use prefstrength::panel::{Panel, PanelRows};
/// use prefstrength_learn::{LearnError, PersonBlock, PersonSink, Persons};
///
/// /// A hundred thousand choices of ten thousand persons who are nowhere all at once.
/// struct Shards;
///
/// impl Persons for Shards {
///     fn for_each_block(&mut self, take: &mut PersonSink<'_>) -> Result<(), LearnError> {
///         let ends: Vec<usize> = (1..=1000).map(|person| 10 * person).collect();
///         for shard in 0..10 {
///             let margins: Vec<f64> = (0..10_000).map(|i| f64::from(i * 7 % 100 - 30 + shard) / 30.0).collect();
///             let persons: Vec<u32> = (1000 * shard as u32..).take(1000).collect();
///             take(&PersonBlock::new(&margins, &ends, &persons, None)?)?;
///         }
///         Ok(())
///     }
/// }
/// let panel = Panel::new(&Gamma::from_mean_cv(1.0, 0.5)?);
/// let (mut persons, mut nll) = (0.0, 0.0);
/// Shards.for_each_block(&mut |block| {
///     let sums = panel.evaluate(&block.batch(), PanelRows::new())?;
///     (persons, nll) = (persons + sums.weight, nll + sums.nll);
///     Ok(())
/// })?;
/// assert!(persons == 10_000.0 && nll > 0.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Persons {
    /// Hands every block to `take`: the same persons every time, each in one block and once in it, with all their
    /// choices in the same order, in blocks of any number of persons; an error of `take` is to be passed on.
    ///
    /// # Errors
    /// Those of `take`, and [`LearnError::Source`] for its own.
    fn for_each_block(&mut self, take: &mut PersonSink<'_>) -> Result<(), LearnError>;
}

impl<P: Persons + ?Sized> Persons for &mut P {
    fn for_each_block(&mut self, take: &mut PersonSink<'_>) -> Result<(), LearnError> {
        (**self).for_each_block(take)
    }
}

/// Some persons with all their choices.
///
/// ```
/// use prefstrength_learn::{LearnError, PersonBlock};
/// // Persons 4 and 7, of two choices and one; the second counts three times.
/// let block = PersonBlock::new(&[0.5, -1.0, 2.0], &[2, 3], &[4, 7], Some(&[1.0, 3.0]))?;
/// let all: Vec<(u32, &[f64], f64)> = block.iter().collect();
/// assert_eq!(all, [(4, &[0.5, -1.0][..], 1.0), (7, &[2.0], 3.0)]);
/// # Ok::<(), LearnError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PersonBlock<'a> {
    margins: &'a [f64],
    ends: &'a [usize],
    persons: &'a [u32],
    weights: Option<&'a [f64]>,
}

impl<'a> PersonBlock<'a> {
    /// Margins D, person after person; where each person's choices end, as in [`PanelBatch::new`]; an id of each; and
    /// perhaps a weight of each: a person of weight w counts as w persons who chose the same, their likelihood to that
    /// power. Margins of persons whose weight is not 0 should be finite, which is left to who looks at them.
    ///
    /// # Errors
    /// [`LearnError::Batch`] for slices of different lengths, ends that do not ascend or do not end with the margins,
    /// and weights that are negative or not finite.
    pub fn new(
        margins: &'a [f64],
        ends: &'a [usize],
        persons: &'a [u32],
        weights: Option<&'a [f64]>,
    ) -> Result<Self, LearnError> {
        let ascends =
            |index: usize| ends[index] <= margins.len() && (index == 0 || ends[index - 1] <= ends[index]);
        if let Some(index) = (0..ends.len()).find(|&index| !ascends(index)) {
            return Err(BatchError::Person { index }.into());
        }
        let found = ends.last().copied().unwrap_or(0);
        if found != margins.len() {
            return Err(BatchError::Length { slice: "ends", expected: margins.len(), found }.into());
        }
        check_length("persons", Some(persons), ends.len())?;
        check_length("weights", weights, ends.len())?;
        match weights.and_then(|w| w.iter().position(|&w| !(w >= 0.0 && w.is_finite()))) {
            Some(index) => Err(BatchError::Weight { index }.into()),
            None => Ok(Self { margins, ends, persons, weights }),
        }
    }

    /// The margins, person after person.
    #[must_use]
    pub fn margins(&self) -> &'a [f64] {
        self.margins
    }

    /// Where each person's choices end.
    #[must_use]
    pub fn ends(&self) -> &'a [usize] {
        self.ends
    }

    /// The id of each person.
    #[must_use]
    pub fn persons(&self) -> &'a [u32] {
        self.persons
    }

    /// The weight of each person, if there are weights.
    #[must_use]
    pub fn weights(&self) -> Option<&'a [f64]> {
        self.weights
    }

    /// Id, margins and weight of every person; without weights they are 1.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (u32, &'a [f64], f64)> + use<'a> {
        let Self { margins, ends, persons, weights } = *self;
        (0..ends.len()).map(move |i| {
            let start = i.checked_sub(1).map_or(0, |before| ends[before]);
            (persons[i], &margins[start..ends[i]], weights.map_or(1.0, |w| w[i]))
        })
    }

    /// What a [`Panel`](prefstrength::panel::Panel) takes.
    #[must_use]
    pub fn batch(&self) -> PanelBatch<'a, f64> {
        let batch = PanelBatch::new(self.margins, self.ends);
        match self.weights {
            Some(weights) => batch.weights(weights),
            None => batch,
        }
    }
}

/// Choices in memory, brought together by person: persons in the order of their ids, and a person's choices in the
/// order in which they came. So how the rows of different persons are mixed changes no bit of what is learned.
///
/// Weight 0 is absence of the choice, also where its margin is NaN or infinite: a mask. Otherwise all choices of a
/// person have one weight, which is that of the person.
///
/// ```
/// use prefstrength_learn::{LearnError, PersonsInMemory};
/// let (margins, annotators) = ([0.5, 2.0, f64::NAN, -1.0], [4, 7, 4, 4]);
/// let persons = PersonsInMemory::new(&margins, &annotators, Some(&[1.0, 3.0, 0.0, 1.0]))?;
/// let block = persons.block();
/// assert_eq!((block.margins(), block.ends()), (&[0.5, -1.0, 2.0][..], &[2, 3][..]));
/// assert_eq!((block.persons(), block.weights()), (&[4, 7][..], Some(&[1.0, 3.0][..])));
/// assert_eq!(persons.order(), [0, 3, 1]);
/// # Ok::<(), LearnError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct PersonsInMemory {
    margins: Vec<f64>,
    ends: Vec<usize>,
    persons: Vec<u32>,
    weights: Option<Vec<f64>>,
    order: Vec<usize>,
}

impl PersonsInMemory {
    /// Of a margin, the id of the person and perhaps a weight ≥ 0 of every choice. Sorts once.
    ///
    /// # Errors
    /// [`LearnError::Batch`] for slices of different lengths, [`LearnError::Margin`] and [`LearnError::Weight`] for
    /// what is not finite, or negative, [`LearnError::PersonWeight`] for a person of two weights, both not 0.
    pub fn new<T: Real>(margins: &[T], groups: &[u32], weights: Option<&[T]>) -> Result<Self, LearnError> {
        check_length("groups", Some(groups), margins.len())?;
        check_length("weights", weights, margins.len())?;
        let convert = |from: &[T]| -> Vec<f64> { from.iter().map(|&x| Real::to_f64(x)).collect() };
        let (margins, weights) = (convert(margins), weights.map(convert));
        let mut keys = Vec::new();
        visit_elements(0, &margins, weights.as_deref(), |i, _, _| keys.push((groups[i], i)))?;
        keys.sort_unstable();
        let mut found = Self {
            margins: Vec::with_capacity(keys.len()),
            ends: Vec::new(),
            persons: Vec::new(),
            weights: weights.is_some().then(Vec::new),
            order: Vec::with_capacity(keys.len()),
        };
        for (person, i) in keys {
            found.margins.push(margins[i]);
            found.order.push(i);
            let known = found.persons.last() == Some(&person);
            if let (Some(all), Some(of_persons)) = (&weights, &mut found.weights) {
                match of_persons.last() {
                    Some(&w) if known && w != all[i] => return Err(LearnError::PersonWeight { index: i }),
                    Some(_) if known => {}
                    _ => of_persons.push(all[i]),
                }
            }
            match found.ends.last_mut() {
                Some(end) if known => *end += 1,
                _ => {
                    found.persons.push(person);
                    found.ends.push(found.margins.len());
                }
            }
        }
        Ok(found)
    }

    /// All of them.
    #[must_use]
    pub fn block(&self) -> PersonBlock<'_> {
        PersonBlock {
            margins: &self.margins,
            ends: &self.ends,
            persons: &self.persons,
            weights: self.weights.as_deref(),
        }
    }

    /// Which row each choice came from, so that what else is known of the rows, such as features of pairs, can be
    /// brought in the same order. Rows of weight 0 are not in it.
    #[must_use]
    pub fn order(&self) -> &[usize] {
        &self.order
    }
}

impl Persons for PersonsInMemory {
    fn for_each_block(&mut self, take: &mut PersonSink<'_>) -> Result<(), LearnError> {
        let (mut person, mut start) = (0, 0);
        let mut ends = Vec::new();
        while person < self.ends.len() {
            let fit = self.ends[person..].partition_point(|end| end - start <= BLOCK).max(1);
            let persons = person..person + fit;
            ends.clear();
            ends.extend(self.ends[persons.clone()].iter().map(|end| end - start));
            let end = self.ends[persons.end - 1];
            take(&PersonBlock {
                margins: &self.margins[start..end],
                ends: &ends,
                persons: &self.persons[persons.clone()],
                weights: self.weights.as_ref().map(|w| &w[persons.clone()]),
            })?;
            (person, start) = (persons.end, end);
        }
        Ok(())
    }
}
