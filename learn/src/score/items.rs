//! Different people on the same item, and the same people on it again.

use super::Choice;
use super::ScoreTest;
use super::people::{BetweenSum, Cross};
use super::rows::Rows;
use crate::error::LearnError;
use std::collections::BTreeMap;

/// Whether choices on the same item have something in common that the margin does not know: omitted quality; and how
/// often people contradict themselves.
///
/// An item is what was shown: a prompt with two answers. The residual of a choice at plain DPO is e = ±q, q = 1 − σ(x),
/// with the sign of the answer that was chosen. S = Σ eᵢeⱼ over all choices i < j on one item by different people has
/// mean 0 if people choose independently by the margin, and the variance Σ pᵢqᵢpⱼqⱼ. It is large where people agree
/// with each other more than with the margin.
///
/// * Which answer is which: that of margins by their sign (D and −D are the same answer, chosen and rejected);
///   that of pairs by the sign of the product of features with those of the item's first pair. A product of 0 does not
///   count.
/// * p is one-sided, under a χ² with the skewness of S; the outer variance is the sum of squares over items, of 10
///   or more that count.
/// * Without groups, every choice is another person's, copies by a weight as well.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct ItemTest {
    /// Of S; `None` where no item has choices by two people.
    pub between: Option<ScoreTest>,
    /// How many items.
    pub items: usize,
    /// How many of them have choices by two people or more.
    pub counting: usize,
    /// People on the same item again, if there are any.
    pub repeats: Option<Repeats>,
}

/// The same people on the same items again: noise whose size no model has a part in.
///
/// ```
/// use prefstrength_learn::{Choices, LearnError};
/// // Ten people see five items twice; one in ten times they answer differently.
/// let margins: Vec<f64> = (0..100).map(|i| if i < 50 || i % 10 > 0 { 1.0 } else { -1.0 }).collect();
/// let (people, items): (Vec<u32>, Vec<u32>) = (0..100).map(|i| (i % 50 / 5, i % 5)).unzip();
/// let choices = Choices::of_margins(&margins, None, 1.0)?.with_groups(&people)?;
/// let repeats = choices.test_items(&items)?.repeats.expect("everything is repeated");
/// assert_eq!((repeats.units, repeats.share()), (50, 0.1));
/// assert!((repeats.error_rate() - 0.0528).abs() < 1e-4);
/// # Ok::<(), LearnError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Repeats {
    /// A person with an item, so many of them with two answers or more.
    pub units: usize,
    /// Pairs of answers in these.
    pub pairs: f64,
    /// Pairs that differ.
    pub differing: f64,
}

impl Repeats {
    /// The share of pairs that differ.
    #[must_use]
    pub fn share(&self) -> f64 {
        self.differing / self.pairs
    }

    /// The chance e of an error of every answer that makes so many pairs differ, 2e(1 − e); at most ½. A margin
    /// near 0 makes for such errors as well as a flipped label.
    #[must_use]
    pub fn error_rate(&self) -> f64 {
        0.5 * (1.0 - (1.0 - 2.0 * self.share()).max(0.0).sqrt())
    }
}

/// The answers of one person on one item.
#[derive(Clone, Copy, Default)]
struct Answers {
    residuals: Cross,
    /// How many: as if e = 1.
    all: Cross,
    /// Of either side.
    sides: [f64; 2],
}

/// Of rows at plain DPO, in one pass; numbers are kept for every person with an item.
pub(crate) fn test_items(rows: &mut dyn Rows) -> Result<ItemTest, LearnError> {
    let mut items: BTreeMap<u32, Cross> = BTreeMap::new();
    let mut people: BTreeMap<(u32, u32), Answers> = BTreeMap::new();
    rows.for_each(&mut |row| {
        let item = items.entry(row.item).or_default();
        if row.side == 0.0 {
            return;
        }
        let [e, c, m] = Choice::new(row.x).moments(row.side);
        match row.group {
            None => item.add(row.weight, [e, c, m]),
            Some(group) => {
                let answers = people.entry((row.item, group)).or_default();
                answers.residuals.add(row.weight, [e, c, m]);
                answers.all.add(row.weight, [1.0; 3]);
                answers.sides[usize::from(row.side > 0.0)] += row.weight;
            }
        }
    })?;
    // What one person says counts as one: its own pairs are left out.
    for (&(item, _), answers) in &people {
        items.entry(item).or_default().add(1.0, answers.residuals.total());
    }
    let mut repeats = Repeats::default();
    for answers in people.values().filter(|answers| answers.all.variance() > 0.0) {
        repeats.units += 1;
        repeats.pairs += answers.all.variance();
        repeats.differing += answers.sides[0] * answers.sides[1];
    }
    let sum = BetweenSum::new(items.values());
    Ok(ItemTest {
        between: sum.test(),
        items: items.len(),
        counting: sum.counting,
        repeats: (repeats.units > 0).then_some(repeats),
    })
}
