//! Choices one by one, from pairs in memory or from a stream of margins, for all score tests alike.

use crate::cholesky::{add_outer, dot};
use crate::error::LearnError;
use crate::objective::pairs::WeightedPairs;
use std::collections::BTreeMap;

/// One choice that counts, with a fitted index x and what moves x.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row<'a> {
    /// mean·D, or w·f.
    pub(crate) x: f64,
    /// ∂x by every nuisance parameter: f, or of margins x itself, for ln mean.
    pub(crate) features: &'a [f64],
    /// Positive; weight 3 is the choice three times.
    pub(crate) weight: f64,
    /// Who chose.
    pub(crate) group: Option<u32>,
    /// What was shown.
    pub(crate) item: u32,
    /// Which way round: 1 or −1, and 0 where that cannot be told.
    pub(crate) side: f64,
    /// Of one more column in the margin.
    pub(crate) column: f64,
}

/// Takes choices.
pub(crate) type RowSink<'a> = dyn FnMut(Row<'_>) + 'a;

/// Choices that can be gone through again and again.
pub(crate) trait Rows {
    /// How many nuisance parameters.
    fn dim(&self) -> usize;

    /// Whether features say more than x does.
    fn has_features(&self) -> bool;

    /// The same choices every time.
    fn for_each(&mut self, take: &mut RowSink<'_>) -> Result<(), LearnError>;

    /// Σ w c(x) ffᵀ, lower triangle.
    fn sum_products(&mut self, c: &(dyn Fn(f64) -> f64 + Sync)) -> Result<Vec<f64>, LearnError> {
        let dim = self.dim();
        let mut sum = vec![0.0; dim * dim];
        self.for_each(&mut |row| {
            let c = c(row.x);
            // f may be large where c is nothing.
            if c > 0.0 {
                add_outer(&mut sum, row.weight * c, row.features);
            }
        })?;
        Ok(sum)
    }

    /// Moves the nuisance parameters.
    fn step(&mut self, step: &[f64]);
}

/// x within the range of f64.
fn clamp(x: f64) -> f64 {
    x.clamp(-f64::MAX, f64::MAX)
}

/// Pairs at a policy.
#[derive(Debug)]
pub(crate) struct PairRows<'a> {
    data: WeightedPairs<'a>,
    x: Vec<f64>,
    groups: Option<&'a [u32]>,
    column: Option<&'a [f64]>,
    items: Option<&'a [u32]>,
    sides: Vec<f64>,
}

impl<'a> PairRows<'a> {
    /// With as many groups as pairs, if there are any.
    ///
    /// # Errors
    /// [`LearnError::Batch`] unless w has a number for every feature, [`LearnError::NotFinite`].
    pub(crate) fn new(
        data: WeightedPairs<'a>,
        groups: Option<&'a [u32]>,
        w: &[f64],
    ) -> Result<Self, LearnError> {
        let x = data.pairs.margins(w)?;
        if w.iter().any(|w| !w.is_finite()) || x.iter().any(|x| x.is_nan()) {
            return Err(LearnError::NotFinite);
        }
        let x = x.into_iter().map(clamp).collect();
        Ok(Self { data, x, groups, column: None, items: None, sides: Vec::new() })
    }

    /// With a number for every pair.
    pub(crate) fn with_column(self, column: &'a [f64]) -> Self {
        Self { column: Some(column), ..self }
    }

    /// With an item for every pair, which stands as the first pair of the item does where their features' product is
    /// positive.
    pub(crate) fn with_items(self, items: &'a [u32]) -> Self {
        let mut first = BTreeMap::new();
        let rows = self.data.pairs.rows().enumerate();
        let side = rows.map(|(i, f)| {
            if self.data.weight(i) == 0.0 {
                return 0.0;
            }
            sign(dot(f, first.entry(items[i]).or_insert(f)))
        });
        let sides = side.collect();
        Self { items: Some(items), sides, ..self }
    }
}

impl Rows for PairRows<'_> {
    fn dim(&self) -> usize {
        self.data.pairs.dim()
    }

    fn has_features(&self) -> bool {
        true
    }

    fn for_each(&mut self, take: &mut RowSink<'_>) -> Result<(), LearnError> {
        for (i, features) in self.data.pairs.rows().enumerate() {
            let weight = self.data.weight(i);
            if weight > 0.0 {
                take(Row {
                    x: self.x[i],
                    features,
                    weight,
                    group: self.groups.map(|groups| groups[i]),
                    item: self.items.map_or(0, |items| items[i]),
                    side: self.sides.get(i).copied().unwrap_or(0.0),
                    column: self.column.map_or(0.0, |column| column[i]),
                });
            }
        }
        Ok(())
    }

    fn sum_products(&mut self, c: &(dyn Fn(f64) -> f64 + Sync)) -> Result<Vec<f64>, LearnError> {
        // On several threads where there are some.
        self.data.sum_products(|i, _| c(self.x[i]))
    }

    fn step(&mut self, step: &[f64]) {
        for (x, f) in self.x.iter_mut().zip(self.data.pairs.rows()) {
            *x = clamp(*x + dot(step, f));
        }
    }
}

/// One margin as a stream gives it: finite, and with a weight > 0.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MarginRow {
    pub(crate) margin: f64,
    pub(crate) weight: f64,
    pub(crate) group: Option<u32>,
    pub(crate) item: u32,
    pub(crate) column: f64,
}

/// Margins at a mean, from what replays them.
#[derive(Debug)]
pub(crate) struct MarginRows<F> {
    replay: F,
    mean: f64,
}

impl<F: FnMut(&mut dyn FnMut(MarginRow)) -> Result<(), LearnError>> MarginRows<F> {
    /// `replay` hands the same margins to its argument every time; what has weight 0 it passes over.
    ///
    /// # Errors
    /// [`LearnError::NotFinite`] unless 0 < mean < ∞.
    pub(crate) fn new(mean: f64, replay: F) -> Result<Self, LearnError> {
        if mean > 0.0 && mean.is_finite() { Ok(Self { replay, mean }) } else { Err(LearnError::NotFinite) }
    }
}

impl<F: FnMut(&mut dyn FnMut(MarginRow)) -> Result<(), LearnError>> Rows for MarginRows<F> {
    fn dim(&self) -> usize {
        1
    }

    fn has_features(&self) -> bool {
        false
    }

    fn for_each(&mut self, take: &mut RowSink<'_>) -> Result<(), LearnError> {
        let mean = self.mean;
        (self.replay)(&mut |MarginRow { margin, weight, group, item, column }| {
            let x = clamp(mean * margin);
            take(Row { x, features: &[x], weight, group, item, side: sign(margin), column });
        })
    }

    fn step(&mut self, step: &[f64]) {
        let mean = self.mean * step[0].exp();
        if mean > 0.0 && mean.is_finite() {
            self.mean = mean;
        }
    }
}

/// 1, −1, or 0.
fn sign(x: f64) -> f64 {
    match x {
        _ if x > 0.0 => 1.0,
        _ if x < 0.0 => -1.0,
        _ => 0.0,
    }
}
