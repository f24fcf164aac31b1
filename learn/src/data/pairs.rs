//! Preference pairs as features.

use crate::cholesky::dot;
use crate::error::{LearnError, check_length};
use crate::limits::{FEATURES, LARGEST_FEATURE, SMALLEST_FEATURE, TOTAL_WEIGHT};

/// Preference pairs: features of the chosen answer minus those of the rejected one. Turning the sign of a row
/// turns its choice round; there is no intercept.
///
/// ```
/// use prefstrength_learn::{LearnError, Pairs};
/// // Two features of three pairs.
/// let pairs = Pairs::new(vec![0.5, -1.0, 2.0, 0.1, -0.3, 0.7], 2)?.with_groups(vec![0, 0, 1])?;
/// assert_eq!((pairs.len(), pairs.dim()), (3, 2));
/// assert_eq!(pairs.margins(&[1.0, 10.0])?, [-9.5, 3.0, 6.7]);
/// # Ok::<(), LearnError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Pairs {
    features: Vec<f64>,
    dim: usize,
    weights: Option<Vec<f64>>,
    groups: Option<Vec<u32>>,
}

impl Pairs {
    /// Of the features of one pair after the other, `dim` each. All must be finite, also those of pairs that get
    /// weight 0.
    ///
    /// # Errors
    /// [`LearnError::NoMargins`] without pairs, [`LearnError::Shape`] for a length that is no multiple of `dim`
    /// and unless `dim` is within [`FEATURES`], [`LearnError::Feature`] for a number that is not finite or beyond
    /// ±[`LARGEST_FEATURE`].
    pub fn new(features: Vec<f64>, dim: usize) -> Result<Self, LearnError> {
        if !FEATURES.contains(&dim) || !features.len().is_multiple_of(dim) {
            return Err(LearnError::Shape { numbers: features.len(), dim });
        }
        if features.is_empty() {
            return Err(LearnError::NoMargins);
        }
        match features.iter().position(|x| x.is_nan() || x.abs() > LARGEST_FEATURE) {
            Some(at) => Err(LearnError::Feature { pair: at / dim, feature: at % dim }),
            None => Ok(Self { features, dim, weights: None, groups: None }),
        }
    }

    /// With a weight ≥ 0 for every pair: weight 3 is the pair three times.
    ///
    /// # Errors
    /// [`LearnError::Batch`] for another number of them, [`LearnError::Weight`] for one that is negative or not
    /// finite, [`LearnError::NoWeight`] and [`LearnError::WeightOutOfRange`] for their total.
    pub fn with_weights(self, weights: Vec<f64>) -> Result<Self, LearnError> {
        check_length("weights", Some(&weights), self.len())?;
        total_weight(&weights)?;
        Ok(Self { weights: Some(weights), ..self })
    }

    /// With the group (the annotator, the prompt) of every pair. Groups do not change the fit: they are units
    /// of the standard errors that say so, and of cross-validation.
    ///
    /// # Errors
    /// [`LearnError::Batch`] for another number of them.
    pub fn with_groups(self, groups: Vec<u32>) -> Result<Self, LearnError> {
        check_length("groups", Some(&groups), self.len())?;
        Ok(Self { groups: Some(groups), ..self })
    }

    /// How many pairs.
    #[must_use]
    #[allow(clippy::len_without_is_empty, reason = "there are some, always")]
    pub fn len(&self) -> usize {
        self.features.len() / self.dim
    }

    /// How many features.
    #[must_use]
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// The features of every pair.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[f64]> {
        self.features.chunks_exact(self.dim)
    }

    /// The weights, if there are any.
    #[must_use]
    pub fn weights(&self) -> Option<&[f64]> {
        self.weights.as_deref()
    }

    /// The groups, if there are any.
    #[must_use]
    pub fn groups(&self) -> Option<&[u32]> {
        self.groups.as_deref()
    }

    /// The margins w·f.
    ///
    /// # Errors
    /// [`LearnError::Batch`] unless w has `dim` numbers.
    pub fn margins(&self, w: &[f64]) -> Result<Vec<f64>, LearnError> {
        check_length("w", Some(w), self.dim)?;
        Ok(self.rows().map(|f| dot(w, f)).collect())
    }

    /// A feature whose squares are nothing in all pairs.
    pub(crate) fn find_vanishing_feature(&self) -> Option<usize> {
        (0..self.dim).find(|&j| self.rows().all(|f| f[j].abs() < SMALLEST_FEATURE))
    }

    /// The features of some pairs.
    pub(crate) fn block(&self, range: core::ops::Range<usize>) -> &[f64] {
        &self.features[range.start * self.dim..range.end * self.dim]
    }
}

/// Σ w, if it can be a sample size.
pub(crate) fn total_weight(weights: &[f64]) -> Result<f64, LearnError> {
    if let Some(index) = weights.iter().position(|&w| !(w >= 0.0 && w.is_finite())) {
        return Err(LearnError::Weight { index });
    }
    let total: f64 = weights.iter().sum();
    match () {
        () if total == 0.0 => Err(LearnError::NoWeight),
        () if !TOTAL_WEIGHT.contains(&total) => Err(LearnError::WeightOutOfRange),
        () => Ok(total),
    }
}
