//! Choices in memory, for the tests.

use super::ScoreTest;
use super::beyond::{Alternative, test_beyond};
use super::items::{ItemTest, test_items};
use super::people::{PeopleTests, test_people};
use super::rows::{MarginRow, MarginRows, PairRows, Rows};
use crate::data::margins::visit_elements;
use crate::data::pairs::Pairs;
use crate::error::{LearnError, check_length};
use crate::objective::pairs::WeightedPairs;
use prefstrength::Lapse;

/// Choices at a fit of plain DPO, or of plain DPO with a lapse, and score tests of what is left over.
///
/// What is a nuisance: the policy of pairs, the mean of margins. Every test gives `None` where it has no information.
/// Variances by squares are clustered where there are groups. w is the maximum-likelihood one, or one step of Newton's
/// method away from it.
///
/// ```
/// use prefstrength::Family;
/// use prefstrength_learn::{self as learn, Choices, LearnError, Options};
/// // Nineteen of twenty choices go with the margin, whatever its size: a spread, says the test at plain DPO.
/// let margins: Vec<f64> = (0..4000).map(|i| f64::from(i % 37 + 1) * if i % 20 > 0 { 0.2 } else { -0.2 }).collect();
/// let fixed = learn::heterogeneity(&margins[..], &Options::default())?;
/// assert!(fixed.score.is_some_and(|score| score.z > 5.0));
/// // At a lapse of 5 % with steep choices nothing is left of it.
/// let lapse = Choices::of_margins(&margins, None, 20.0)?;
/// let beyond = lapse.test_spread_beyond_lapse(0.05)?;
/// assert!(beyond.is_none_or(|test| test.z < 2.0));
/// # Ok::<(), LearnError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Choices<'a> {
    source: Source<'a>,
    groups: Option<&'a [u32]>,
    ridge: f64,
}

#[derive(Clone, Copy, Debug)]
enum Source<'a> {
    Pairs { pairs: &'a Pairs, w: &'a [f64] },
    Margins { margins: &'a [f64], weights: Option<&'a [f64]>, mean: f64 },
}

impl<'a> Choices<'a> {
    /// Pairs with their weights and groups, and the policy.
    ///
    /// # Errors
    /// [`LearnError::Batch`] unless w has a number for every feature, [`LearnError::NotFinite`].
    pub fn of_pairs(pairs: &'a Pairs, w: &'a [f64]) -> Result<Self, LearnError> {
        check_length("w", Some(w), pairs.dim())?;
        if w.iter().any(|w| !w.is_finite()) {
            return Err(LearnError::NotFinite);
        }
        Ok(Self { source: Source::Pairs { pairs, w }, groups: pairs.groups(), ridge: 0.0 })
    }

    /// Margins with weights, if there are any, and the mean of β.
    ///
    /// # Errors
    /// [`LearnError::Batch`] for slices of different lengths, [`LearnError::Margin`] and [`LearnError::Weight`] for
    /// what is not finite, or negative; [`LearnError::NotFinite`] unless 0 < mean < ∞. What has weight 0 may be
    /// anything.
    pub fn of_margins(margins: &'a [f64], weights: Option<&'a [f64]>, mean: f64) -> Result<Self, LearnError> {
        visit_elements(0, margins, weights, |_, _, _| {})?;
        if !(mean > 0.0 && mean.is_finite()) {
            return Err(LearnError::NotFinite);
        }
        Ok(Self { source: Source::Margins { margins, weights, mean }, groups: None, ridge: 0.0 })
    }

    /// With a group for every choice: who chose.
    ///
    /// # Errors
    /// [`LearnError::Batch`] for another number of them.
    pub fn with_groups(self, groups: &'a [u32]) -> Result<Self, LearnError> {
        check_length("groups", Some(groups), self.len())?;
        Ok(Self { groups: Some(groups), ..self })
    }

    /// With the ridge that w was fitted under: it goes one step of Newton's method without it.
    ///
    /// # Errors
    /// [`LearnError::Ridge`] unless it is finite and not negative, [`LearnError::RidgeWithoutPolicy`] for margins.
    pub fn with_ridge(self, ridge: f64) -> Result<Self, LearnError> {
        match self.source {
            _ if !(ridge >= 0.0 && ridge.is_finite()) => Err(LearnError::Ridge),
            Source::Margins { .. } if ridge > 0.0 => Err(LearnError::RidgeWithoutPolicy),
            _ => Ok(Self { ridge, ..self }),
        }
    }

    fn len(&self) -> usize {
        match self.source {
            Source::Pairs { pairs, .. } => pairs.len(),
            Source::Margins { margins, .. } => margins.len(),
        }
    }

    /// Whether people differ: within choices, between those of a person, and both; `None` as in
    /// [`PeopleTests::of_pairs`].
    ///
    /// # Errors
    /// None but of what overflows: [`LearnError::NotFinite`].
    pub fn test_people(&self) -> Result<Option<PeopleTests>, LearnError> {
        let ridge = self.ridge;
        match self.groups {
            Some(_) => self.with_rows(None, None, |rows| test_people(rows, ridge)),
            None => Ok(None),
        }
    }

    /// Whether different people on the same item agree beyond the margin, and the same people with themselves.
    ///
    /// # Errors
    /// [`LearnError::Batch`] for another number of items than of choices.
    pub fn test_items(&self, items: &[u32]) -> Result<ItemTest, LearnError> {
        check_length("items", Some(items), self.len())?;
        self.with_rows(Some(items), None, test_items)
    }

    /// v = 0 against v > 0 with a lapse, P = ε + (1 − 2ε)E\[σ(βx)\]: is there a spread beyond label noise? At the fit
    /// of `Fixed` with ε, both of which are nuisances; at ε = 0, the end of its range, x alone.
    ///
    /// P_v = (1 − 2ε)·½x²σσ̄(1 − 2σ), and the expected information is Σ w P_aP_b/(P(1 − P)) with nuisances profiled
    /// out. One-sided.
    ///
    /// # Errors
    /// [`LearnError::Param`] unless 0 ≤ ε < ½.
    pub fn test_spread_beyond_lapse(&self, epsilon: f64) -> Result<Option<ScoreTest>, LearnError> {
        Lapse::new(epsilon)?;
        self.test_alternative(epsilon, Alternative::Spread, None)
    }

    /// γ = 1 of the margin sign(x)|x|^γ at plain DPO, two-sided: z below 0 where large margins tell less than plain
    /// DPO says (γ < 1, concave). P_γ = σσ̄·x ln|x|.
    ///
    /// # Errors
    /// [`LearnError::NotFinite`] where margins overflow.
    pub fn test_curvature(&self) -> Result<Option<ScoreTest>, LearnError> {
        self.test_alternative(0.0, Alternative::Curvature, None)
    }

    /// α = 0 of the margin x + αs at plain DPO, two-sided: s is a column that the margin lacks, as which answer was
    /// shown first, 1 for the chosen one and −1 for the other. P_α = σσ̄·s.
    ///
    /// # Errors
    /// [`LearnError::Batch`] for another number of values than of choices, [`LearnError::NotFinite`].
    pub fn test_column(&self, column: &[f64]) -> Result<Option<ScoreTest>, LearnError> {
        check_length("column", Some(column), self.len())?;
        if column.iter().any(|s| !s.is_finite()) {
            return Err(LearnError::NotFinite);
        }
        self.test_alternative(0.0, Alternative::Column, Some(column))
    }

    fn test_alternative(
        &self,
        epsilon: f64,
        alternative: Alternative,
        column: Option<&[f64]>,
    ) -> Result<Option<ScoreTest>, LearnError> {
        self.with_rows(None, column, |rows| test_beyond(rows, epsilon, alternative, self.ridge))
    }

    fn with_rows<R>(
        &self,
        items: Option<&[u32]>,
        column: Option<&[f64]>,
        test: impl FnOnce(&mut dyn Rows) -> Result<R, LearnError>,
    ) -> Result<R, LearnError> {
        match self.source {
            Source::Pairs { pairs, w } => {
                let mut rows = PairRows::new(WeightedPairs::new(pairs, None), self.groups, w)?;
                if let Some(items) = items {
                    rows = rows.with_items(items);
                }
                if let Some(column) = column {
                    rows = rows.with_column(column);
                }
                test(&mut rows)
            }
            Source::Margins { margins, weights, mean } => {
                let replay = |take: &mut dyn FnMut(MarginRow)| {
                    visit_elements(0, margins, weights, |i, margin, weight| {
                        take(MarginRow {
                            margin,
                            weight,
                            group: self.groups.map(|groups| groups[i]),
                            item: items.map_or(0, |items| items[i]),
                            column: column.map_or(0.0, |column| column[i]),
                        });
                    })
                };
                test(&mut MarginRows::new(mean, replay)?)
            }
        }
    }
}
