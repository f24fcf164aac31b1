//! Log-likelihood on pairs that were not learned from.

use crate::data::margins::{Margins, visit_elements};
use crate::data::pairs::Pairs;
use crate::data::places::Places;
use crate::data::resampled::{Resampled, Units, scramble};
use crate::error::LearnError;
use crate::fit::{Fit, fit};
use crate::options::Options;
use crate::prepared::Prepared;
use crate::separation::agrees;
use crate::status::FitStatus;
use crate::train::{Trained, compute_losses, train_families};
use prefstrength::batch::Rows;
use prefstrength::{Family, PerFamily};
use std::collections::BTreeMap;

/// What each family predicts for pairs that it was not trained on.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct CrossValidation {
    /// How many folds.
    pub folds: u32,
    /// Every family.
    pub families: PerFamily<HeldOut>,
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
/// use prefstrength::Family;
/// use prefstrength_learn::{self as learn, LearnError, Options, Pairs};
/// let features = (0..2000).flat_map(|i| {
///     let sign = if i * i % 11 < 7 { 1.0 } else { -1.0 };
///     [sign * f64::from(i % 40), sign * f64::from(i % 9 - 4)]
/// });
/// let pairs = Pairs::new(features.collect(), 2)?;
/// let held_out = learn::cross_validate(&pairs, &Options::default(), 5)?;
/// let gamma = &held_out.families[Family::Gamma];
/// println!("Gamma predicts better than plain DPO by {} ± {}", gamma.gain, gamma.gain_error);
/// # assert!(gamma.log_likelihood < 0.0);
/// # Ok::<(), LearnError>(())
/// ```
pub fn cross_validate(pairs: &Pairs, options: &Options, folds: u32) -> Result<CrossValidation, LearnError> {
    let (units, number) = find_units(pairs);
    let unit = |i: usize| units.as_ref().map_or(i, |units| units[i]);
    let fold_of = deal(number, folds)?;
    let fold = |i: usize| fold_of[unit(i)];
    let whole = |i: usize| pairs.weights().map_or(1.0, |w| w[i]);
    let mut families = PerFamily::<HeldOut>::default();
    // Gains over `Fixed` of every unit.
    let mut gains = PerFamily::from_fn(|_| vec![0.0; number]);
    for out in 0..folds {
        let weights: Vec<f64> =
            (0..pairs.len()).map(|i| if fold(i) == out { 0.0 } else { whole(i) }).collect();
        let trained = train_families(pairs, &weights, options)
            .map_err(|error| LearnError::Fold { fold: out, error: Box::new(error) })?;
        let held_out = |i: usize| fold(i) == out && whole(i) > 0.0;
        // Pairs that a limit decides: without loss, or with an infinite one.
        let mut sure = Vec::new();
        for (i, f) in pairs.rows().enumerate().filter(|&(i, _)| held_out(i)) {
            match agrees(&trained[Family::Fixed].separated, f) {
                None => {}
                Some((_, true)) => sure.push(i),
                Some((feature, false)) => {
                    let error = LearnError::SeparatedBy { features: vec![feature] };
                    return Err(LearnError::Fold { fold: out, error: Box::new(error) });
                }
            }
        }
        let compute_losses = |trained: &Trained| {
            let mut nll = compute_losses(pairs, trained)?;
            sure.iter().for_each(|&i| nll[i] = 0.0);
            Ok::<_, LearnError>(nll)
        };
        let base = compute_losses(&trained[Family::Fixed])?;
        for (family, trained) in trained.iter() {
            let nll = compute_losses(trained)?;
            let to = &mut families[family];
            for i in (0..pairs.len()).filter(|&i| held_out(i)) {
                to.log_likelihood -= whole(i) * nll[i];
                gains[family][unit(i)] += whole(i) * (base[i] - nll[i]);
            }
            to.unbounded += u32::from(trained.status == FitStatus::Unbounded);
            to.not_converged += u32::from(trained.status == FitStatus::NotConverged);
        }
    }
    let n = number as f64;
    let families = families.map(|family, held_out| {
        let gain = gains[family].iter().sum::<f64>();
        let variance = gains[family].iter().map(|g| (g - gain / n).powi(2)).sum::<f64>() / (n - 1.0);
        HeldOut { gain, gain_error: (n * variance).sqrt(), ..held_out }
    });
    Ok(CrossValidation { folds, families })
}

/// The same of margins, fitted by [`fit`](crate::fit) to all folds but one, with groups together if there are any.
///
/// Folds are of one size, or one unit apart, in an order that looks random and is always the same; memory does not grow with
/// the margins (but for the number of groups).
///
/// # Errors
/// [`LearnError::Fold`] where the margins without a fold have no answer; [`LearnError::Folds`] unless 2 ≤ `folds` ≤ margins (groups); those of [`fit`](crate::fit) of all of them.
///
/// ```
/// use prefstrength::Family;
/// use prefstrength_learn::{self as learn, LearnError, Options};
/// let margins: Vec<f64> = (0..3000_u32)
///     .map(|i| f64::from(i % 40 + 1) / 8.0 * if i * i % 11 < 3 { -1.0 } else { 1.0 })
///     .collect();
/// let held_out = learn::cross_validate_margins(&margins[..], &Options::default(), 5)?;
/// let fixed = held_out.families[Family::Fixed];
/// assert!(fixed.gain == 0.0 && fixed.log_likelihood > -3000.0 * 0.7);
/// # Ok::<(), LearnError>(())
/// ```
pub fn cross_validate_margins(
    mut margins: impl Margins,
    options: &Options,
    folds: u32,
) -> Result<CrossValidation, LearnError> {
    let units = Units::find(&mut margins)?;
    if folds < 2 || folds as usize > units.number() {
        return Err(LearnError::Folds);
    }
    // What is wrong with all of them is no matter of a fold.
    fit(Family::Fixed, &mut margins, options).map(|_| ()).or_else(|error| match error {
        LearnError::MeanVanishes => Ok(()),
        error => Err(error),
    })?;
    let fold = units.deal(folds);
    let mut families = PerFamily::<HeldOut>::default();
    let mut gains = Gains::default();
    for out in 0..folds {
        let of_fold = |error| LearnError::Fold { fold: out, error: Box::new(error) };
        let mut rest = Resampled::new(&mut margins, |unit| f64::from(u8::from(fold(unit) != out)));
        let fits = PerFamily::try_from_fn(|family| fit(family, &mut rest, options)).map_err(of_fold)?;
        let losses = fits.as_ref().map(|_, fit: &Fit| Prepared::new(&fit.curve(), fit.number));
        let mut nll = PerFamily::from_fn(|_| Vec::new());
        let mut first = 0;
        let mut held = Resampled::new(&mut margins, |unit| f64::from(u8::from(fold(unit) == out)));
        held.for_each_with_groups(&mut |margins, weights, groups| {
            for (family, loss) in losses.iter() {
                let nll = &mut nll[family];
                nll.clear();
                nll.resize(margins.len(), 0.0);
                loss.evaluate(margins, None, Rows::new().nll(nll))?;
            }
            visit_elements(first, margins, weights, |i, _, weight| {
                let base = nll[Family::Fixed][i];
                let gain = PerFamily::from_fn(|family| weight * (base - nll[family][i]));
                for (family, nll) in nll.iter() {
                    families[family].log_likelihood -= weight * nll[i];
                }
                gains.add(groups.map(|groups| groups[i]), &gain);
            })?;
            first += margins.len();
            Ok(())
        })?;
        for (family, fit) in fits.iter() {
            families[family].unbounded += u32::from(fit.status == FitStatus::Unbounded);
            families[family].not_converged += u32::from(fit.status == FitStatus::NotConverged);
        }
    }
    let of_units = gains.finish();
    let families = families.map(|family, held_out| {
        let (gain, gain_error) = of_units[family];
        HeldOut { gain, gain_error, ..held_out }
    });
    Ok(CrossValidation { folds, families })
}

/// Gains of units: of groups by place, or of single choices as sums.
#[derive(Default)]
struct Gains {
    places: Places,
    groups: Vec<PerFamily<f64>>,
    number: f64,
    sums: PerFamily<[f64; 2]>,
}

impl Gains {
    fn add(&mut self, group: Option<u32>, gain: &PerFamily<f64>) {
        match group {
            Some(group) => {
                let place = self.places.place(group);
                self.groups.resize(self.places.number(), PerFamily::default());
                gain.iter().for_each(|(family, gain)| self.groups[place][family] += gain);
            }
            None => self.add_unit(gain),
        }
    }

    fn add_unit(&mut self, gain: &PerFamily<f64>) {
        self.number += 1.0;
        for (family, gain) in gain.iter() {
            let [sum, square] = &mut self.sums[family];
            (*sum, *square) = (*sum + gain, *square + gain * gain);
        }
    }

    /// The sum, and its standard error.
    fn finish(mut self) -> PerFamily<(f64, f64)> {
        for gain in core::mem::take(&mut self.groups) {
            self.add_unit(&gain);
        }
        let n = self.number;
        self.sums.map(|_, [sum, square]| {
            let variance = (square - sum / n * sum).max(0.0) / (n - 1.0);
            (sum, (n * variance).sqrt())
        })
    }
}

/// What is dealt out as a whole: the place among the groups of every pair, or, without groups, none: pairs are.
fn find_units(pairs: &Pairs) -> (Option<Vec<usize>>, usize) {
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
