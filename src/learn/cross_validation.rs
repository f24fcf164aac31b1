//! Log-likelihood on pairs that were not learned from.

use super::beta::Prepared;
use super::train::Training;
use super::{Family, LearnError, Pairs, Spread, TrainOptions, Trained};
use crate::batch::{Batch, Rows};
use std::collections::BTreeMap;

/// What each family predicts for pairs that it was not trained on.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct CrossValidation {
    /// How many folds.
    pub folds: u32,
    /// The families, in the order of [`Family::ALL`].
    pub families: [HeldOut; 3],
}

/// One family over all folds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct HeldOut {
    /// Σ w ln E\[σ(β w·f)\] over all pairs, each under the fit to the other folds.
    pub log_likelihood: f64,
    /// That less the one of `Fixed`.
    pub gain: f64,
    /// Standard error of `gain`, from its variation over pairs, or over groups if there are any. The fits of the
    /// folds share most of their pairs, which it does not know of.
    pub gain_error: f64,
    /// Folds in which the likelihood of the other folds had no maximum at a finite spread: they count with the
    /// p(β) at the cap.
    pub unbounded: u32,
    /// Folds in which the method stopped short: they count with where it stopped.
    pub not_converged: u32,
}

impl CrossValidation {
    /// Of one family.
    #[must_use]
    pub fn family(&self, family: Family) -> &HeldOut {
        match family {
            Family::Fixed => &self.families[0],
            Family::Gamma => &self.families[1],
            Family::LogNormal => &self.families[2],
        }
    }
}

/// Trains every family on all folds but one, and adds up what it predicts for that one, fold after fold.
///
/// Pairs are dealt to the folds in an order that looks random and is always the same; groups stay together, if
/// there are any. Unlike a likelihood ratio, a gain does not favour the family with more parameters, and unlike it,
/// it counts how much spread is enough for prediction: it may fall while the likelihood of the pairs at hand rises.
///
/// # Errors
/// [`LearnError::Fold`] where the pairs without a fold have no answer, as [`train`](super::train) has none (a feature
/// that is seen in a single pair can do that); [`LearnError::Folds`] unless 2 ≤ `folds` ≤ pairs (groups).
///
/// ```
/// use prefstrength::learn::{self, Family, Pairs, TrainOptions};
/// let features = (0..2000).flat_map(|i| {
///     let sign = if i * i % 11 < 7 { 1.0 } else { -1.0 };
///     [sign * f64::from(i % 40), sign * f64::from(i % 9 - 4)]
/// });
/// let pairs = Pairs::new(features.collect(), 2)?;
/// let held_out = learn::cross_validate(&pairs, &TrainOptions::default(), 5)?;
/// let gamma = held_out.family(Family::Gamma);
/// println!("Gamma predicts better than plain DPO by {} ± {}", gamma.gain, gamma.gain_error);
/// # assert!(gamma.log_likelihood < 0.0);
/// # Ok::<(), learn::LearnError>(())
/// ```
pub fn cross_validate(
    pairs: &Pairs,
    options: &TrainOptions,
    folds: u32,
) -> Result<CrossValidation, LearnError> {
    let (units, number) = units(pairs);
    let fold_of = deal(number, folds)?;
    let fold = |i: usize| fold_of[units.as_ref().map_or(i, |u| u[i])];
    let whole = |i: usize| pairs.weights().map_or(1.0, |w| w[i]);
    let mut families = [HeldOut::default(); 3];
    // Gains over `Fixed` of every unit.
    let mut gains = vec![[0.0; 3]; number];
    for out in 0..folds {
        let weights: Vec<f64> =
            (0..pairs.len()).map(|i| if fold(i) == out { 0.0 } else { whole(i) }).collect();
        let trained = trained(pairs, &weights, options)
            .map_err(|error| LearnError::Fold { fold: out, error: Box::new(error) })?;
        let mut base = Vec::new();
        for (f, trained) in trained.iter().enumerate() {
            let nll = losses(pairs, trained)?;
            if f == 0 {
                base.clone_from(&nll);
            }
            let held = (0..pairs.len()).filter(|&i| fold(i) == out && whole(i) > 0.0);
            for i in held {
                families[f].log_likelihood -= whole(i) * nll[i];
                gains[units.as_ref().map_or(i, |u| u[i])][f] += whole(i) * (base[i] - nll[i]);
            }
            families[f].unbounded += u32::from(trained.spread == Spread::Unbounded);
            families[f].not_converged += u32::from(trained.spread == Spread::NotConverged);
        }
    }
    let n = number as f64;
    for (f, family) in families.iter_mut().enumerate() {
        family.gain = gains.iter().map(|g| g[f]).sum();
        let mean = family.gain / n;
        let variance = gains.iter().map(|g| (g[f] - mean).powi(2)).sum::<f64>() / (n - 1.0);
        family.gain_error = (n * variance).sqrt();
    }
    Ok(CrossValidation { folds, families })
}

/// Every family on the pairs that have a weight.
fn trained(pairs: &Pairs, weights: &[f64], options: &TrainOptions) -> Result<[Trained; 3], LearnError> {
    let training = Training::new(pairs, Some(weights), options)?;
    let fixed = training.fixed()?;
    training.score_test(&fixed.trained.w)?;
    let [gamma, lognormal] = [Family::Gamma, Family::LogNormal].map(|family| training.spread(family, &fixed));
    Ok([fixed.trained, gamma?, lognormal?])
}

/// What is dealt out as a whole: the place among the groups of every pair, or, without groups, none: pairs are.
fn units(pairs: &Pairs) -> (Option<Vec<usize>>, usize) {
    let Some(groups) = pairs.groups() else { return (None, pairs.len()) };
    let mut places = BTreeMap::new();
    let units = groups.iter().map(|&group| {
        let next = places.len();
        *places.entry(group).or_insert(next)
    });
    let units = units.collect();
    (Some(units), places.len())
}

/// The fold of every unit.
fn deal(units: usize, folds: u32) -> Result<Vec<u32>, LearnError> {
    if folds < 2 || folds as usize > units {
        return Err(LearnError::Folds);
    }
    // In the order of a hash: as random as it needs to be, and the same every time.
    let mut order: Vec<usize> = (0..units).collect();
    order.sort_by_cached_key(|&unit| scramble(unit as u64));
    let mut fold = vec![0; units];
    for (place, unit) in order.into_iter().enumerate() {
        fold[unit] = (place % folds as usize) as u32;
    }
    Ok(fold)
}

/// A bijection that leaves no pattern: the finaliser of SplitMix64 (G. Steele, D. Lea, C. Flood, 2014).
fn scramble(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// Of all pairs.
fn losses(pairs: &Pairs, trained: &Trained) -> Result<Vec<f64>, LearnError> {
    let margins = pairs.margins(&trained.w)?;
    let mut nll = vec![0.0; margins.len()];
    Prepared::new(&trained.beta, margins.len())
        .evaluate(&Batch::new(&margins), Rows::none().nll(&mut nll))?;
    Ok(nll)
}
