//! Features that separate some pairs by themselves.
//!
//! Where a feature has one sign in every pair that has it at all, the likelihood rises as its weight grows, without end,
//! and in the limit these pairs are sure: their ln P is 0, whatever the other weights, for every p(β) without an atom at
//! 0. So the maximum in the limit is that of the other pairs without that feature, exactly; and setting pairs aside may
//! leave another feature with one sign. (With a share ε of flipped labels the limit of their ln P is ln(1 − ε).)

use crate::cholesky::dot;
use crate::data::pairs::{Pairs, total_weight};
use crate::error::LearnError;
use crate::limits::SMALLEST_FEATURE;

/// Margins of separated pairs, at least: plain DPO is sure to rounding.
const SURE: f64 = 40.0;
/// The largest weight that stands for infinity: times any feature it stays finite.
const LARGEST: f64 = 1e150;

/// A feature whose weight has no finite maximum: all pairs that have it agree on its sign.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Separated {
    /// Which one, from 0.
    pub feature: usize,
    /// Whether its weight goes to +∞, or to −∞.
    pub positive: bool,
    /// How many pairs have it, without those that features before it have separated; at 0 these are all that have
    /// it, and its weight may be any and is given as 0.
    pub number: usize,
    /// Their weight.
    pub weight: f64,
}

/// Whether a pair goes, in the limit, the way it went: what the first separated feature that it has says.
pub(crate) fn agrees(separated: &[Separated], f: &[f64]) -> Option<(usize, bool)> {
    let first = separated.iter().find(|s| s.number > 0 && has(f, s.feature))?;
    Some((first.feature, (f[first.feature] > 0.0) == first.positive))
}

/// Pairs and features that are left once those that separate are set aside.
pub(crate) struct Rest {
    pub(crate) pairs: Pairs,
    /// Of each feature that is left, its place among all.
    features: Vec<usize>,
    pub(crate) separated: Vec<Separated>,
    /// The pairs of each of them.
    rows: Vec<Vec<usize>>,
    pub(crate) number: usize,
    pub(crate) weight: f64,
}

impl Rest {
    /// `None` where no feature separates anything.
    ///
    /// # Errors
    /// [`LearnError::SeparatedBy`] where nothing is left; those of the weights.
    pub(crate) fn new(pairs: &Pairs, weights: Option<&[f64]>) -> Result<Option<Self>, LearnError> {
        let weights = weights.or(pairs.weights());
        let weight = weights.map_or(Ok(pairs.len() as f64), total_weight)?;
        let weight_of = |i: usize| weights.map_or(1.0, |w| w[i]);
        let rows: Vec<&[f64]> = pairs.rows().collect();
        let mut left: Vec<usize> = (0..rows.len()).filter(|&i| weight_of(i) > 0.0).collect();
        let mut features: Vec<usize> = (0..pairs.dim()).collect();
        let (mut separated, mut of): (Vec<Separated>, Vec<Vec<usize>>) = (Vec::new(), Vec::new());
        loop {
            let signs = find_signs(&rows, &left, &features);
            let found: Vec<(usize, bool)> = features
                .iter()
                .zip(&signs)
                .filter_map(|(&j, &(minus, plus))| (minus != plus).then_some((j, plus)))
                .collect();
            if found.is_empty() {
                break;
            }
            for &(feature, positive) in &found {
                let with: Vec<usize> = left.iter().copied().filter(|&i| has(rows[i], feature)).collect();
                let weight = with.iter().map(|&i| weight_of(i)).sum();
                separated.push(Separated { feature, positive, number: with.len(), weight });
                of.push(with);
            }
            left.retain(|&i| !found.iter().any(|&(j, _)| has(rows[i], j)));
            features.retain(|j| !found.iter().any(|(other, _)| other == j));
        }
        if separated.is_empty() {
            return Ok(None);
        }
        // What only pairs had that are set aside.
        let signs = find_signs(&rows, &left, &features);
        let gone = |j: usize| (0..rows.len()).any(|i| weight_of(i) > 0.0 && has(rows[i], j));
        let mut kept = Vec::new();
        for (&feature, &(minus, plus)) in features.iter().zip(&signs) {
            if minus || plus || !gone(feature) {
                kept.push(feature);
            } else {
                separated.push(Separated { feature, positive: true, number: 0, weight: 0.0 });
                of.push(Vec::new());
            }
        }
        if kept.is_empty() || left.is_empty() {
            let features = separated.iter().filter(|s| s.number > 0).map(|s| s.feature).collect();
            return Err(LearnError::SeparatedBy { features });
        }
        let numbers = left.iter().flat_map(|&i| kept.iter().map(move |&j| (i, j))).map(|(i, j)| rows[i][j]);
        let mut rest = Pairs::new(numbers.collect(), kept.len())?;
        if weights.is_some() {
            rest = rest.with_weights(left.iter().map(|&i| weight_of(i)).collect())?;
        }
        if let Some(groups) = pairs.groups() {
            rest = rest.with_groups(left.iter().map(|&i| groups[i]).collect())?;
        }
        Ok(Some(Self { pairs: rest, features: kept, separated, rows: of, number: rows.len(), weight }))
    }

    /// All weights, from those of the rest: what is infinite is the least that makes the margin of every pair that it
    /// separates at least [`SURE`].
    pub(crate) fn expand_weights(&self, pairs: &Pairs, of_rest: &[f64]) -> Vec<f64> {
        let mut w = vec![0.0; pairs.dim()];
        for (&j, &x) in self.features.iter().zip(of_rest) {
            w[j] = x;
        }
        let rows: Vec<&[f64]> = pairs.rows().collect();
        // The last first: a feature has to outdo those after it in its pairs, while those before it are not there.
        for (separated, with) in self.separated.iter().zip(&self.rows).rev() {
            let j = separated.feature;
            let size = with.iter().fold(0.0, |most: f64, &i| {
                most.max((SURE + (-dot(&w, rows[i])).max(0.0)) / rows[i][j].abs())
            });
            let size = size.min(LARGEST);
            w[j] = if separated.positive { size } else { -size };
        }
        w
    }

    /// All standard errors, from those of the rest: infinite where the weight is.
    pub(crate) fn expand_errors(&self, dim: usize, of_rest: &[f64]) -> Vec<f64> {
        let mut errors = vec![f64::INFINITY; dim];
        for (&j, &x) in self.features.iter().zip(of_rest) {
            errors[j] = x;
        }
        errors
    }

    /// An error about the rest, in the places of all features.
    pub(crate) fn translate(&self, error: LearnError) -> LearnError {
        match error {
            LearnError::Collinear { feature } => {
                LearnError::Collinear { feature: self.features.get(feature).copied().unwrap_or(feature) }
            }
            other => other,
        }
    }
}

fn has(f: &[f64], j: usize) -> bool {
    f[j].abs() >= SMALLEST_FEATURE
}

/// Whether each of some features is negative, and positive, in some of the pairs.
fn find_signs(rows: &[&[f64]], left: &[usize], features: &[usize]) -> Vec<(bool, bool)> {
    let mut signs = vec![(false, false); features.len()];
    // Mostly a few pairs show both signs of everything.
    let mut open: Vec<usize> = (0..features.len()).collect();
    for &i in left {
        for &k in &open {
            let j = features[k];
            if has(rows[i], j) {
                let (minus, plus) = &mut signs[k];
                (*minus, *plus) = (*minus || rows[i][j] < 0.0, *plus || rows[i][j] > 0.0);
            }
        }
        open.retain(|&k| signs[k] != (true, true));
        if open.is_empty() {
            break;
        }
    }
    signs
}

/// Standard errors as JSON has them: it knows no infinity, and null stands for it.
#[cfg(feature = "serde")]
pub(crate) mod infinite_as_null {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[allow(clippy::ref_option, reason = "serde asks for it")]
    pub(crate) fn serialize<S: Serializer>(errors: &Option<Vec<f64>>, to: S) -> Result<S::Ok, S::Error> {
        let finite = |e: &Vec<f64>| e.iter().map(|&x| x.is_finite().then_some(x)).collect::<Vec<_>>();
        errors.as_ref().map(finite).serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Vec<f64>>, D::Error> {
        let errors = Option::<Vec<Option<f64>>>::deserialize(from)?;
        Ok(errors.map(|e| e.into_iter().map(|x| x.unwrap_or(f64::INFINITY)).collect()))
    }
}
