//! One β per person: panel fits of margins and of pairs.

use crate::cholesky::{Cholesky, add_outer};
use crate::compare::{Fitted, LikelihoodRatio};
use crate::covariance::{Covariance, Variance};
use crate::data::pairs::Pairs;
use crate::descent::{Baseline, Solution, classify, find_minima, least, least_gain};
use crate::error::LearnError;
use crate::fit::describing;
use crate::limits::GROUPS;
use crate::model::Model;
use crate::objective::pairs::{WeightedPairs, scale};
use crate::objective::panel::{PanelLoss, PersonChoices, PersonRows};
use crate::objective::point::{Objective, SPREAD, epsilon_at, join};
use crate::options::Options;
use crate::prepared::has_spread;
use crate::profile::{Profile, find_profile};
use crate::status::FitStatus;
use crate::train::{Trained, start_at, train, trained_errors};
use prefstrength::{AnyStrength, Family, ParamError, PerFamily};

/// Starts of s, and of r beside it.
const SPREADS: [f64; 2] = [0.3, 0.9];
const LAPSE: f64 = 0.3;

/// Pairs, person after person.
pub(crate) struct PairPersons {
    features: Vec<f64>,
    dim: usize,
    ends: Vec<usize>,
    weights: Option<Vec<f64>>,
    persons: Vec<u32>,
}

impl PairPersons {
    /// Brings the choices of each group together, in the order of their ids, then of their rows.
    ///
    /// # Errors
    /// [`LearnError::NoGroups`], and [`LearnError::PersonWeight`] where choices of one person that count have several
    /// weights.
    pub(crate) fn new(data: &WeightedPairs<'_>) -> Result<Self, LearnError> {
        let pairs = data.pairs;
        let groups = pairs.groups().ok_or(LearnError::NoGroups)?;
        let mut order: Vec<usize> = (0..pairs.len()).filter(|&i| data.weight(i) > 0.0).collect();
        order.sort_by_key(|&i| groups[i]);
        let mut all = Self {
            features: Vec::with_capacity(order.len() * pairs.dim()),
            dim: pairs.dim(),
            ends: Vec::new(),
            weights: data.weights().map(|_| Vec::new()),
            persons: Vec::new(),
        };
        for person in order.chunk_by(|&a, &b| groups[a] == groups[b]) {
            let weight = data.weight(person[0]);
            if let Some(&index) = person.iter().find(|&&i| data.weight(i) != weight) {
                return Err(LearnError::PersonWeight { index });
            }
            for &i in person {
                all.features.extend_from_slice(pairs.block(i..i + 1));
            }
            all.persons.push(groups[person[0]]);
            all.weights.iter_mut().for_each(|weights| weights.push(weight));
            all.ends.push(all.features.len() / all.dim);
        }
        Ok(all)
    }
}

impl PersonRows for PairPersons {
    fn dim(&self) -> usize {
        self.dim
    }

    fn for_each_block(
        &mut self,
        take: &mut dyn FnMut(&PersonChoices<'_>) -> Result<(), LearnError>,
    ) -> Result<(), LearnError> {
        take(&PersonChoices {
            features: &self.features,
            ends: &self.ends,
            weights: self.weights.as_deref(),
            persons: &self.persons,
        })
    }
}

/// Choices of persons that have been looked through.
pub(crate) struct Paneling<'a, R> {
    pub(crate) rows: R,
    options: &'a Options,
    /// 1/τ².
    prior: f64,
    metric: Cholesky,
    sizes: Vec<f64>,
    /// How many choices, their weight, and how many persons.
    number: usize,
    weight: f64,
    pub(crate) persons: usize,
}

impl<'a, R: PersonRows> Paneling<'a, R> {
    /// The first pass.
    pub(crate) fn new(mut rows: R, options: &'a Options) -> Result<Self, LearnError> {
        let prior = options.check()?;
        let d = rows.dim();
        let (mut lower, mut squares) = (vec![0.0; d * d], vec![0.0; d]);
        let (mut number, mut weight, mut persons) = (0, 0.0, 0);
        rows.for_each_block(&mut |block| {
            let mut start = 0;
            for (p, &end) in block.ends.iter().enumerate() {
                let w = block.weights.map_or(1.0, |w| w[p]);
                for f in block.features[start * d..end * d].chunks_exact(d) {
                    add_outer(&mut lower, 0.25 * w, f);
                    squares.iter_mut().zip(f).for_each(|(sum, f)| *sum += f * f);
                }
                weight += w * (end - start) as f64;
                start = end;
            }
            number += start;
            persons += block.ends.len();
            Ok(())
        })?;
        if number == 0 {
            return Err(LearnError::NoMargins);
        }
        for i in 0..d {
            lower[i * d + i] += options.ridge;
        }
        let metric = Cholesky::new(lower, d).map_err(|feature| LearnError::Collinear { feature })?;
        let sizes = squares.iter().map(|sum| (sum / number as f64).sqrt()).collect();
        Ok(Self { rows, options, prior, metric, sizes, number, weight, persons })
    }

    fn loss(&mut self, model: Model, reference: f64) -> PanelLoss<'_, R> {
        PanelLoss {
            rows: &mut self.rows,
            model,
            ridge: self.options.ridge,
            prior: self.prior,
            metric: &self.metric,
            sizes: &self.sizes,
            number: self.number,
            reference,
        }
    }

    /// A model with one β per person, above plain DPO and the models of persons that it contains.
    pub(crate) fn fit(
        &mut self,
        model: Model,
        fixed: &Trained,
        nested: &[&Trained],
    ) -> Result<Trained, LearnError> {
        let (cap, limit) = (self.options.max_cv.asinh(), self.options.max_iterations);
        let starts: Vec<Vec<f64>> = if nested.is_empty() {
            let r = if model.lapse { LAPSE } else { 0.0 };
            // Flipped labels flatten the curve by 1 − 2ε next to 0.
            let steeper = 1.0 / (1.0 - 2.0 * epsilon_at(r));
            SPREADS.iter().map(|&s| join(scale(&fixed.w, steeper), [0.0, r, s.min(0.9 * cap)])).collect()
        } else {
            nested.iter().map(|trained| start_at(model, trained, cap)).collect()
        };
        let size = self.metric.square(&fixed.w).sqrt();
        let mut loss = self.loss(model, size);
        let solutions = find_minima(&mut loss, starts, cap, limit)?;
        let best = least(solutions).ok_or(ParamError::MeanOutOfRange)?;
        let value = |trained: &Trained| trained.log_likelihood - trained.penalty;
        let smaller = nested.iter().filter(|trained| trained.is_maximum());
        let smaller = smaller.reduce(|a, b| if value(b) > value(a) { b } else { a });
        if let Some(smaller) = smaller.filter(|other| -best.point.value - value(other) <= least_gain(&best)) {
            return Ok(Trained { model, status: FitStatus::Boundary, ..(**smaller).clone() });
        }
        // At v = 0 a panel is plain DPO; whether it falls there is asked of the panel.
        let at_zero = join(fixed.w.iter().copied(), [0.0; 3]);
        let zero = loss.evaluate(at_zero)?;
        let baseline = Baseline {
            value: -value(fixed),
            is_maximum: fixed.is_maximum(),
            falling: zero.is_none_or(|point| point.d_v >= 0.0),
        };
        match classify(&best, Some(&baseline), model.shapes()) {
            status @ FitStatus::Boundary => {
                let strength = AnyStrength::from_mean_v(model.family, 1.0, 0.0)?;
                Ok(Trained { model, status, strength, ..fixed.clone() })
            }
            status => self.finish(model, status, &best),
        }
    }

    fn finish(&mut self, model: Model, status: FitStatus, found: &Solution) -> Result<Trained, LearnError> {
        let point = &found.point;
        let (number, weight, persons) = (self.number, self.weight, self.persons);
        let outer = self.loss(model, 0.0).outer(point, &found.free)?.filter(|_| persons >= GROUPS);
        let covariance = Covariance::new(found, outer);
        Ok(Trained {
            model,
            status,
            strength: AnyStrength::from_mean_v(model.family, 1.0, point.v())?,
            lapse: point.epsilon(),
            curvature: 1.0,
            w: scale(point.scale(), point.s().cosh()),
            log_likelihood: -point.nll,
            penalty: point.value - point.nll,
            errors: trained_errors(status, &covariance, Variance::Observed),
            robust: trained_errors(status, &covariance, Variance::Robust),
            robust_units: Some(persons),
            gradient: found.gradient,
            iterations: found.iterations,
            number,
            weight,
        })
    }
}

/// [`train`] where each group is a person with one β: pairs have groups.
pub fn train_people(
    model: impl Into<Model>,
    pairs: &Pairs,
    options: &Options,
) -> Result<Trained, LearnError> {
    let model = model.into();
    if model.curvature || !model.has_spread() {
        return Err(LearnError::Model);
    }
    let rows = PairPersons::new(&WeightedPairs::new(pairs, None))?;
    let fixed = train(Family::Fixed, pairs, options)?;
    Paneling::new(rows, options)?.fit(model.per_person(), &fixed, &[])
}

/// Fits with one β per person, beside the tests of [`Comparison::people`](crate::Comparison::people).
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct People {
    /// How many persons.
    pub persons: usize,
    /// Of every family; `Fixed` is plain DPO, without a person's own β. Of margins, w has one number, E\[β\], and that of
    /// the strength is 1.
    pub fits: PerFamily<Trained>,
    /// The family that explains the choices best, with flipped labels.
    pub lapsed: Trained,
    /// The values of cv between people that the choices allow, of that family.
    pub cv: Option<Profile>,
}

impl People {
    /// The family that explains the choices best.
    #[must_use]
    pub fn best(&self) -> &Trained {
        describing(&self.fits)
    }

    /// Twice the gain of the best family over plain DPO, and its p under ½χ²₀ + ½χ²₁. `None` without a maximum.
    #[must_use]
    pub fn likelihood_ratio(&self) -> Option<LikelihoodRatio> {
        let (best, fixed) = (self.best(), &self.fits[Family::Fixed]);
        let value = |fit: &Trained| fit.log_likelihood - fit.penalty;
        let both = best.is_maximum() && fixed.is_maximum();
        both.then(|| LikelihoodRatio::from_gain(value(best) - value(fixed)))
    }
}

impl<R: PersonRows> Paneling<'_, R> {
    /// All families, above plain DPO.
    pub(crate) fn compare(&mut self, fixed: &Trained) -> Result<People, LearnError> {
        let fits = PerFamily::try_from_fn(|family| match has_spread(family) {
            true => self.fit(Model::new(family).per_person(), fixed, &[]),
            false => Ok(fixed.clone()),
        })?;
        let best = describing(&fits);
        let lapsed = self.fit(best.model.with_lapse(), fixed, &[best])?;
        let cv = self.profile(best)?;
        Ok(People { persons: self.persons, lapsed, cv, fits })
    }

    fn profile(&mut self, fit: &Trained) -> Result<Option<Profile>, LearnError> {
        if !fit.is_maximum() {
            return Ok(None);
        }
        let (cap, s) = (self.options.max_cv.asinh(), fit.strength.v().sqrt().asinh());
        let start = join(scale(&fit.w, s.cosh().recip()), [0.0, 0.0, s]);
        let size = self.metric.square(&fit.w).sqrt();
        find_profile(&mut self.loss(fit.model, size), SPREAD, start, cap, 1.0)
    }
}

/// Fits every family with one β per person to pairs with groups, above the fit of plain DPO.
///
/// # Errors
/// [`LearnError::NoGroups`]; [`LearnError::PersonWeight`] where choices of one person that count have several weights;
/// as [`train`].
///
/// ```
/// use prefstrength::Family;
/// use prefstrength_learn::{self as learn, LearnError, Options, Pairs};
/// // Sixty people of ten choices; every third one hardly looks at the feature.
/// let (mut features, mut groups) = (Vec::new(), Vec::new());
/// for i in 0..600_u32 {
///     let (person, size) = (i % 60, f64::from(i * 7 % 20 + 1) / 8.0);
///     let against = if person % 3 == 0 { i / 60 % 2 == 0 } else { size < 1.0 && i / 60 % 4 == 0 };
///     features.push(if against { -size } else { size });
///     groups.push(person);
/// }
/// let pairs = Pairs::new(features, 1)?.with_groups(groups)?;
/// let people = learn::compare_people(&pairs, &Options::default())?;
/// let interval = people.cv.as_ref().map(|cv| cv.interval);
/// println!("cv between people {} of {interval:?}", people.best().strength.cv());
/// assert!(interval.is_some_and(|[low, _]| low > 0.3) && people.likelihood_ratio().is_some_and(|lr| lr.p < 1e-4));
/// # Ok::<(), LearnError>(())
/// ```
pub fn compare_people(pairs: &Pairs, options: &Options) -> Result<People, LearnError> {
    let rows = PairPersons::new(&WeightedPairs::new(pairs, None))?;
    let fixed = train(Family::Fixed, pairs, options)?;
    Paneling::new(rows, options)?.compare(&fixed)
}
