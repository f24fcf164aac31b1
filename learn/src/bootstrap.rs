//! Fits to data drawn again: standard errors and intervals without a formula.

use crate::data::margins::{Margins, Weighted};
use crate::data::pairs::Pairs;
use crate::data::resampled::{Resampled, Units, scramble};
use crate::error::LearnError;
use crate::fit::{Fit, fit};
use crate::limits::{GROUPS, REPLICATES};
use crate::model::Model;
use crate::options::Options;
use crate::train::{Trained, TrainedErrors, train, train_weighted};

/// Replicates that are fitted before the next ones are looked at.
#[cfg(feature = "rayon")]
const AT_ONCE: u64 = 64;

/// Fits of one model to data in which every unit, a group or, without groups, a choice, counts as often as it was drawn.
///
/// * Every unit counts Poisson(1) times, which is drawing with replacement from a population of unknown size; whole
///   groups are drawn, so that choices of one group may depend on each other. The draws are a function of the seed and
///   the group's id, or the choice's place among those that count: they repeat, for any chunks and number of threads.
///   A row of weight 3 is one row that was drawn or not, as for the sandwich.
/// * It asks for many groups, as the sandwich does, whose assumptions it shares (see [`Fit::robust`]); intervals have no
///   symmetry to them, and of a function of several estimates, as w₁/w₂, they cost nothing.
/// * Next to cv = 0 or ε = 0 no bootstrap is consistent (D. Andrews, Econometrica 68 (2000)): intervals there are those
///   of [`Profile`](crate::Profile).
/// * Source: B. Efron, Ann. Statist. 7 (1979); A. Cameron, D. Miller, A practitioner's guide to cluster-robust inference,
///   J. Human Resources 50 (2015); Poisson weights: J. Præstgaard, J. Wellner, Ann. Probab. 21 (1993).
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Bootstrap<F> {
    /// Of the data at hand.
    pub fit: F,
    /// One for every replicate that has a fit, at a maximum or at the cap. Policies are without standard errors.
    pub replicates: Vec<F>,
    /// Replicates without one: what was drawn has no answer.
    pub failed: u32,
    /// How many units there are to draw from.
    pub units: usize,
}

impl<F> Bootstrap<F> {
    /// The standard deviation of something over the replicates; `None` for fewer than two, and where it is not finite.
    pub fn standard_error(&self, of: impl Fn(&F) -> f64) -> Option<f64> {
        let n = self.replicates.len() as f64;
        let mean = self.replicates.iter().map(&of).sum::<f64>() / n;
        let variance = self.replicates.iter().map(|fit| (of(fit) - mean).powi(2)).sum::<f64>() / (n - 1.0);
        Some(variance.sqrt()).filter(|error| n >= 2.0 && error.is_finite())
    }

    /// Its percentile interval of probability `level`: the quantiles (1 ± level)/2 of the replicates. `None` unless
    /// 0 < level < 1 and there are replicates enough to have them, 2/(1 − level), and where something is NaN.
    ///
    /// Source: B. Efron, R. Tibshirani, An Introduction to the Bootstrap (1993), ch. 13; quantiles by linear
    /// interpolation.
    pub fn interval(&self, level: f64, of: impl Fn(&F) -> f64) -> Option<[f64; 2]> {
        let mut all: Vec<f64> = self.replicates.iter().map(of).collect();
        let enough = all.len() as f64 * (1.0 - level) >= 2.0;
        if !(level > 0.0 && level < 1.0 && enough) || all.iter().any(|x| x.is_nan()) {
            return None;
        }
        all.sort_by(f64::total_cmp);
        let quantile = |p: f64| {
            let place = p * (all.len() - 1) as f64;
            let (low, part) = (place.floor() as usize, place.fract());
            let high = all[(low + 1).min(all.len() - 1)];
            // Between infinities there is nothing to interpolate.
            if part == 0.0 || all[low] == high { all[low] } else { all[low] + part * (high - all[low]) }
        };
        let ends = [0.5 * (1.0 - level), 0.5 * (1.0 + level)].map(quantile);
        (!ends.iter().any(|x| x.is_nan())).then_some(ends)
    }
}

/// [`fit`], and the same of replicates: by group, if the margins have groups. Memory as for one fit, and one for every
/// replicate.
///
/// # Errors
/// [`LearnError::Replicates`] unless their number is within [`REPLICATES`]; [`LearnError::TooFewUnits`] for fewer than
/// [`GROUPS`] groups, or choices without groups; those of [`fit`], of the data at hand; those of the source.
///
/// ```
/// use prefstrength::Family;
/// use prefstrength_learn::{self as learn, LearnError, Options, Weighted};
/// let margins: Vec<f64> = (0..600_u32).map(|i| f64::from(i % 9 + 1) * if i % 4 == 0 { -0.2 } else { 0.3 }).collect();
/// let people: Vec<u32> = (0..600).map(|i| i / 12).collect();
/// let source = Weighted::equally(&margins).with_groups(&people)?;
/// let found = learn::bootstrap(Family::Fixed, source, &Options::default(), 100, 1)?;
/// let error = found.standard_error(|fit| fit.strength.mean());
/// let [low, high] = found.interval(0.9, |fit| fit.strength.mean()).expect("a hundred replicates");
/// assert!(found.units == 50 && error.is_some_and(|error| error > 0.0));
/// assert!(low < found.fit.strength.mean() && found.fit.strength.mean() < high);
/// # Ok::<(), LearnError>(())
/// ```
pub fn bootstrap(
    model: impl Into<Model>,
    mut margins: impl Margins,
    options: &Options,
    replicates: u32,
    seed: u64,
) -> Result<Bootstrap<Fit>, LearnError> {
    let model = model.into();
    check(replicates)?;
    let units = Units::find(&mut margins)?.number();
    let of_data = fit(model, &mut margins, options)?;
    let mut found = Bootstrap { fit: of_data, replicates: Vec::new(), failed: 0, units: enough(units)? };
    for replicate in 0..u64::from(replicates) {
        let drawn = Resampled::new(&mut margins, |unit| draw(seed, replicate, unit));
        match fit(model, drawn, options) {
            Ok(fit) => found.replicates.push(fit),
            // That is no matter of what was drawn.
            Err(error @ (LearnError::Source(_) | LearnError::Changed)) => return Err(error),
            Err(_) => found.failed += 1,
        }
    }
    Ok(found)
}

/// [`train`], and the same of replicates: by group, if the pairs have groups. On several threads with feature `rayon`.
///
/// # Errors
/// As [`bootstrap`]; those of [`train`].
///
/// ```
/// use prefstrength::Family;
/// use prefstrength_learn::{self as learn, LearnError, Options, Pairs};
/// let features = (0..900).flat_map(|i| {
///     let sign = if i * i % 11 < 7 { 1.0 } else { -1.0 };
///     [sign * f64::from(i % 40) / 20.0, sign * f64::from(i % 9 - 4) / 4.0]
/// });
/// let pairs = Pairs::new(features.collect(), 2)?.with_groups((0..900).map(|i| i / 10).collect())?;
/// let found = learn::bootstrap_training(Family::Fixed, &pairs, &Options::default(), 100, 1)?;
/// // What one feature is worth in the other's unit.
/// let ratio = found.interval(0.9, |trained| trained.w[1] / trained.w[0]);
/// assert!(ratio.is_some_and(|[low, high]| low < high));
/// # Ok::<(), LearnError>(())
/// ```
pub fn bootstrap_training(
    model: impl Into<Model>,
    pairs: &Pairs,
    options: &Options,
    replicates: u32,
    seed: u64,
) -> Result<Bootstrap<Trained>, LearnError> {
    let model = model.into();
    check(replicates)?;
    // What the margins are does not matter.
    let zeros = vec![0.0; pairs.len()];
    let rows = || {
        let rows = Weighted::maybe_weighted(&zeros, pairs.weights())?;
        pairs.groups().map_or(Ok(rows), |groups| rows.with_groups(groups))
    };
    let units = Units::find(&mut rows()?)?.number();
    let mut found = Bootstrap {
        fit: train(model, pairs, options)?,
        replicates: Vec::new(),
        failed: 0,
        units: enough(units)?,
    };
    let one = |replicate: u64| {
        let mut weights = Vec::with_capacity(pairs.len());
        let mut rows = rows().ok()?;
        let mut drawn = Resampled::new(&mut rows, |unit| draw(seed, replicate, unit));
        let read = drawn.for_each(&mut |_, drawn| {
            weights.extend_from_slice(drawn.unwrap_or_default());
            Ok(())
        });
        read.ok()?;
        let trained = train_weighted(model, pairs, &weights, options).ok()?;
        // Covariances of many replicates are many, and nobody asks for them.
        Some(Trained { errors: TrainedErrors::default(), robust: TrainedErrors::default(), ..trained })
    };
    let mut add = |trained: Option<Trained>| match trained {
        Some(trained) => found.replicates.push(trained),
        None => found.failed += 1,
    };
    #[cfg(feature = "rayon")]
    for first in (0..u64::from(replicates)).step_by(AT_ONCE as usize) {
        use rayon::prelude::*;
        let here = first..u64::from(replicates).min(first + AT_ONCE);
        here.into_par_iter().map(one).collect::<Vec<_>>().into_iter().for_each(&mut add);
    }
    #[cfg(not(feature = "rayon"))]
    (0..u64::from(replicates)).map(one).for_each(&mut add);
    Ok(found)
}

fn check(replicates: u32) -> Result<(), LearnError> {
    if REPLICATES.contains(&replicates) { Ok(()) } else { Err(LearnError::Replicates) }
}

fn enough(units: usize) -> Result<usize, LearnError> {
    if units < GROUPS { Err(LearnError::TooFewUnits { units }) } else { Ok(units) }
}

/// How often a unit was drawn: a Poisson variable of mean 1, by inversion.
fn draw(seed: u64, replicate: u64, unit: u64) -> f64 {
    let random = scramble(scramble(scramble(seed).wrapping_add(replicate)).wrapping_add(unit));
    let uniform = (random >> 11) as f64 / (1_u64 << 53) as f64;
    let (mut times, mut chance, mut below) = (0.0, (-1.0_f64).exp(), 0.0);
    loop {
        below += chance;
        // Beyond 18 there is nothing left of the probability.
        if uniform < below || times >= 18.0 {
            return times;
        }
        times += 1.0;
        chance /= times;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_are_poisson() {
        let n = 200_000;
        let mut counts = [0.0; 6];
        let (mut sum, mut square, mut product) = (0.0, 0.0, 0.0);
        for unit in 0..n {
            let (x, y) = (draw(7, 3, unit), draw(7, 4, unit));
            counts[(x as usize).min(5)] += 1.0 / n as f64;
            (sum, square, product) = (sum + x, square + x * x, product + x * y);
        }
        let n = n as f64;
        // Six standard errors.
        let error = 6.0 / n.sqrt();
        assert!((sum / n - 1.0).abs() < error && (square / n - 2.0).abs() < 4.0 * error);
        assert!((product / n - 1.0).abs() < 2.0 * error);
        let mut chance = (-1.0_f64).exp();
        for (k, count) in counts[..5].iter().enumerate() {
            assert!((count - chance).abs() < error, "{k}: {count} {chance}");
            chance /= (k + 1) as f64;
        }
    }

    #[test]
    fn quantiles() {
        let of = |replicates: Vec<f64>| Bootstrap { fit: 0.0, replicates, failed: 0, units: 10 };
        let found = of((0..=100).rev().map(f64::from).collect());
        let [low, high] = found.interval(0.9, |x| *x).unwrap();
        assert!((low - 5.0).abs() < 1e-12 && (high - 95.0).abs() < 1e-12);
        assert_eq!(found.interval(0.99, |x| *x), None);
        assert_eq!(found.interval(0.0, |x| *x), None);
        assert_eq!(found.interval(f64::NAN, |x| *x), None);
        assert_eq!(found.interval(0.9, |_| f64::NAN), None);
        assert_eq!(found.interval(0.9, |_| f64::INFINITY), Some([f64::INFINITY; 2]));
        assert!((found.standard_error(|x| *x).unwrap() - 29.300_170_647_967_224).abs() < 1e-12);
        assert_eq!(
            (of(Vec::new()).standard_error(|x| *x), of(vec![1.0]).standard_error(|x| *x)),
            (None, None)
        );
        assert_eq!(of(Vec::new()).interval(0.5, |x| *x), None);
    }
}
