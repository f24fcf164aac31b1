//! One β per person: panel fits of margins and of pairs.

use crate::cholesky::{Cholesky, add_outer, dot};
use crate::compare::{Fitted, LikelihoodRatio};
use crate::covariance::{Covariance, Variance};
use crate::data::pairs::Pairs;
use crate::data::persons::{Persons, PersonsInMemory};
use crate::descent::{Baseline, Solution, classify, find_minima, follow, follow_all, least, least_gain};
use crate::error::{LearnError, check_length};
use crate::fit::{Fit, describing};
use crate::limits::GROUPS;
use crate::model::{Model, SHAPES};
use crate::objective::pairs::scale;
use crate::objective::panel::{PanelLoss, PersonChoices, PersonRows};
use crate::objective::point::{LAPSE, Objective, SPREAD, epsilon_at, join};
use crate::options::Options;
use crate::prepared::has_spread;
use crate::profile::{CLEAR, Profile, find_profile, parabola};
use crate::separation::Rest;
use crate::status::FitStatus;
use crate::train::{Trained, TrainedErrors, expand_trained, start_at, train, trained_errors};
use prefstrength::panel::Panel;
use prefstrength::{AnyStrength, Family, Lapse, ParamError, PerFamily};

/// Starts of s, and of r beside it.
const SPREADS: [f64; 2] = [0.3, 0.9];
const FLIPS: f64 = 0.3;
/// s of no spread.
const NOTHING: f64 = 1e-4;
/// r next to the boundary.
const NEXT: f64 = 0.02;

/// Pairs, person after person.
pub(crate) struct PairPersons {
    /// Where persons end, and their weights; what the margins are does not matter.
    persons: PersonsInMemory,
    /// Those that count.
    sorted: Pairs,
}

impl PairPersons {
    /// Brings the choices of each group together, in the order of their ids, then of their rows.
    ///
    /// # Errors
    /// [`LearnError::NoGroups`], and [`LearnError::PersonWeight`] where choices of one person that count have several
    /// weights.
    pub(crate) fn new(pairs: &Pairs) -> Result<Self, LearnError> {
        let groups = pairs.groups().ok_or(LearnError::NoGroups)?;
        let persons = PersonsInMemory::new(&vec![0.0; pairs.len()], groups, pairs.weights())?;
        let order = persons.order();
        let rows = order.iter().map(|&i| pairs.block(i..i + 1));
        let mut sorted = Pairs::new(rows.collect::<Vec<_>>().concat(), pairs.dim())?;
        if let Some(weights) = pairs.weights() {
            sorted = sorted.with_weights(order.iter().map(|&i| weights[i]).collect())?;
        }
        sorted = sorted.with_groups(order.iter().map(|&i| groups[i]).collect())?;
        Ok(Self { persons, sorted })
    }
}

impl PersonRows for PairPersons {
    fn dim(&self) -> usize {
        self.sorted.dim()
    }

    fn for_each_block(
        &mut self,
        take: &mut dyn FnMut(&PersonChoices<'_>) -> Result<(), LearnError>,
    ) -> Result<(), LearnError> {
        let block = self.persons.block();
        take(&PersonChoices {
            features: self.sorted.block(0..self.sorted.len()),
            ends: block.ends(),
            weights: block.weights(),
            persons: block.persons(),
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
    /// Some persons, in memory, if there are many; and more of them.
    samples: Vec<Sample>,
}

/// Choices beyond which a fit begins with samples of persons: about so many make up the first, and the second.
const LARGE: usize = 1 << 20;
const SAMPLED: [usize; 2] = [1 << 17, 1 << 20];

/// Whole persons, kept.
#[derive(Default)]
pub(crate) struct Sample {
    features: Vec<f64>,
    dim: usize,
    ends: Vec<usize>,
    weights: Option<Vec<f64>>,
    persons: Vec<u32>,
    weight: f64,
}

impl Sample {
    /// One of so many persons, by a hash of their place.
    fn draw(rows: &mut impl PersonRows, one_of: usize) -> Result<Self, LearnError> {
        let mut sample = Self { dim: rows.dim(), ..Self::default() };
        let (d, mut place) = (sample.dim, 0_u64);
        rows.for_each_block(&mut |block| {
            for (p, &end) in block.ends.iter().enumerate() {
                // Multiplicative hashing: a regular stride could fall in step with the data.
                place = place.wrapping_add(0x9e37_79b9_7f4a_7c15);
                let start = p.checked_sub(1).map_or(0, |before| block.ends[before]);
                // A giant would be the sample, and is left to all of the data.
                if (place >> 32) % one_of as u64 != 0 || end - start > SAMPLED[0] / 8 {
                    continue;
                }
                sample.features.extend_from_slice(&block.features[start * d..end * d]);
                sample.ends.push(sample.features.len() / d);
                sample.persons.extend(block.persons.get(p));
                let weight = block.weights.map(|w| w[p]);
                if let Some(weight) = weight {
                    sample.weights.get_or_insert_default().push(weight);
                }
                sample.weight += weight.unwrap_or(1.0) * (end - start) as f64;
            }
            Ok(())
        })?;
        Ok(sample)
    }
}

impl PersonRows for Sample {
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
        let mut samples = Vec::new();
        for size in SAMPLED.into_iter().filter(|size| number >= LARGE && 4 * size < number) {
            let sample = Sample::draw(&mut rows, number / size)?;
            if sample.ends.len() >= GROUPS {
                samples.push(sample);
            }
        }
        Ok(Self { rows, options, prior, metric, sizes, number, weight, persons, samples })
    }

    fn loss(&mut self, model: Model, reference: f64) -> PanelLoss<'_, R> {
        let Self { metric, sizes, number, prior, .. } = self;
        let (number, prior, ridge) = (*number, *prior, self.options.ridge);
        let rows = &mut self.rows;
        PanelLoss { rows, model, ridge, prior, metric, sizes, number, reference, nearby: None, held: None }
    }

    /// The maxima that the starts lead to; of many choices, those of a sample are followed.
    fn find(
        &mut self,
        model: Model,
        starts: Vec<Vec<f64>>,
        reference: f64,
    ) -> Result<Vec<Solution>, LearnError> {
        let (cap, limit) = (self.options.max_cv.asinh(), self.options.max_iterations);
        if self.samples.is_empty() {
            return find_minima(&mut self.loss(model, reference), starts, cap, limit);
        }
        let (mut samples, mut last) = (core::mem::take(&mut self.samples), None::<(Solution, f64)>);
        let Self { metric, sizes, prior, weight, .. } = &*self;
        let (all, ridge) = (*weight, self.options.ridge);
        for rows in &mut samples {
            let (share, number) = (rows.weight / all, rows.ends.last().copied().unwrap_or(0));
            let (weight, prior, ridge) = (rows.weight, prior * share, ridge * share);
            let mut loss = PanelLoss {
                rows,
                model,
                ridge,
                prior,
                metric,
                sizes,
                number,
                reference,
                nearby: None,
                held: None,
            };
            let found = match &last {
                None => least(find_minima(&mut loss, starts.clone(), cap, limit)?),
                Some((before, of)) => {
                    follow(&mut loss, off_boundary(model, before, cap), before, weight / of, cap, limit)?
                }
            };
            last = found.map(|found| (found, weight)).or(last);
        }
        self.samples = samples;
        let Some((before, of)) = last else { return Ok(Vec::new()) };
        let start = off_boundary(model, &before, cap);
        let mut loss = self.loss(model, reference);
        Ok(follow_all(&mut loss, start, &before, all / of, cap, limit)?.into_iter().collect())
    }

    /// A model with one β per person, above plain DPO and the models of persons that it contains; `hint` is where
    /// another family ended.
    pub(crate) fn fit(
        &mut self,
        model: Model,
        fixed: &Trained,
        nested: &[&Trained],
        hint: Option<&Trained>,
    ) -> Result<Trained, LearnError> {
        let cap = self.options.max_cv.asinh();
        let starts: Vec<Vec<f64>> = if nested.is_empty() {
            let r = if model.lapse { FLIPS } else { 0.0 };
            // Flipped labels flatten the curve by 1 − 2ε next to 0.
            let steeper = 1.0 / (1.0 - 2.0 * epsilon_at(r));
            let at = |&s: &f64| join(scale(&fixed.w, steeper), [0.0, r, s.min(0.9 * cap)]);
            match hint.filter(|hint| hint.status == FitStatus::Interior) {
                Some(hint) => vec![start_at(model, hint, cap), at(&SPREADS[1])],
                None => SPREADS.iter().map(at).collect(),
            }
        } else {
            nested.iter().map(|trained| start_at(model, trained, cap)).collect()
        };
        let size = self.metric.square(&fixed.w).sqrt();
        if let [smaller] = nested
            && model.lapse
            && smaller.is_maximum()
        {
            // Next to its boundary the likelihood falls: a search would come back.
            let mut y = start_at(model, smaller, cap);
            let place = y.len() - SHAPES + LAPSE;
            y[place] = NEXT;
            if self.loss(model, size).evaluate(y)?.is_some_and(|point| point.gradient[place] > 0.0) {
                return Ok(Trained { model, status: FitStatus::Boundary, ..(**smaller).clone() });
            }
        }
        let solutions = self.find(model, starts, size)?;
        let best = least(solutions).ok_or(ParamError::MeanOutOfRange)?;
        let value = |trained: &Trained| trained.log_likelihood - trained.penalty;
        let smaller = nested.iter().filter(|trained| trained.is_maximum());
        let smaller = smaller.reduce(|a, b| if value(b) > value(a) { b } else { a });
        if let Some(smaller) = smaller.filter(|other| -best.point.value - value(other) <= least_gain(&best)) {
            return Ok(Trained { model, status: FitStatus::Boundary, ..(**smaller).clone() });
        }
        // Of both at once, all the spread may go to the label noise.
        if model.lapse && best.converged && best.point.s() < NOTHING {
            let strength = AnyStrength::from_mean_v(model.family, 1.0, 0.0)?;
            return Ok(Trained {
                status: FitStatus::Boundary,
                strength,
                ..self.finish(model, FitStatus::Interior, &best)?
            });
        }
        // At v = 0 a panel is plain DPO; whether it falls there is asked of the panel, where that matters.
        let gain = -value(fixed) - best.point.value;
        let falling = gain > least_gain(&best) || {
            let at_zero = join(fixed.w.iter().copied(), [0.0; SHAPES]);
            self.loss(model, size).evaluate(at_zero)?.is_none_or(|point| point.d_v >= 0.0)
        };
        let baseline = Baseline { value: -value(fixed), is_maximum: fixed.is_maximum(), falling };
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
            separated: Vec::new(),
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
    let model = model.per_person();
    let expand = |whole: &dyn Fn(Trained) -> Trained, trained| whole(trained);
    let work = |paneling: &mut Paneling<'_, PairPersons>, fixed: &Trained| {
        if !model.lapse {
            return paneling.fit(model, fixed, &[], None);
        }
        // At its boundary it is the one without a lapse.
        let spread = paneling.fit(Model { lapse: false, ..model }, fixed, &[], None)?;
        paneling.fit(model, fixed, &[&spread], None)
    };
    on_rest(pairs, options, work, expand)
}

/// Where a search ended, a little inside.
fn off_boundary(model: Model, found: &Solution, cap: f64) -> Vec<f64> {
    let (mut y, d) = (found.point.y.clone(), found.point.dim());
    let [_, lapse, spread] = model.shapes();
    y[d + LAPSE] = if lapse { y[d + LAPSE].clamp(0.1, 1.5) } else { 0.0 };
    y[d + SPREAD] = if spread { y[d + SPREAD].clamp(0.05, 0.95 * cap) } else { 0.0 };
    y
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
        let mut hint: Option<Trained> = None;
        let fits = PerFamily::try_from_fn(|family| match has_spread(family) {
            true => {
                let fit = self.fit(Model::new(family).per_person(), fixed, &[], hint.as_ref());
                // The families end near each other.
                hint = fit.as_ref().ok().cloned();
                fit
            }
            false => Ok(fixed.clone()),
        })?;
        let best = describing(&fits);
        let lapsed = self.fit(best.model.with_lapse(), fixed, &[best], None)?;
        let cv = self.profile(best)?;
        Ok(People { persons: self.persons, lapsed, cv, fits })
    }

    fn profile(&mut self, fit: &Trained) -> Result<Option<Profile>, LearnError> {
        if !fit.is_maximum() {
            return Ok(None);
        }
        if let (true, Some(error)) = (!self.samples.is_empty(), fit.errors.v)
            && fit.strength.v() > CLEAR * error
        {
            return Ok(parabola(fit.strength.v(), error, self.options.max_cv.asinh()));
        }
        let (cap, s) = (self.options.max_cv.asinh(), fit.strength.v().sqrt().asinh());
        let start = join(scale(&fit.w, s.cosh().recip()), [0.0, 0.0, s]);
        let size = self.metric.square(&fit.w).sqrt();
        find_profile(&mut self.loss(fit.model, size), SPREAD, start, None, cap, 1.0)
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
    on_rest(
        pairs,
        options,
        |paneling, fixed| paneling.compare(fixed),
        |whole, people| People {
            fits: people.fits.map(|_, trained| whole(trained)),
            lapsed: whole(people.lapsed),
            ..people
        },
    )
}

/// `work` on what single features leave unseparated, and `expand` to fits of the whole.
fn on_rest<R>(
    pairs: &Pairs,
    options: &Options,
    work: impl FnOnce(&mut Paneling<'_, PairPersons>, &Trained) -> Result<R, LearnError>,
    expand: impl FnOnce(&dyn Fn(Trained) -> Trained, R) -> R,
) -> Result<R, LearnError> {
    options.check()?;
    if pairs.groups().is_none() {
        return Err(LearnError::NoGroups);
    }
    let rest = if options.ridge == 0.0 { Rest::new(pairs, None)? } else { None };
    let left = rest.as_ref().map_or(pairs, |rest| &rest.pairs);
    let rows = PairPersons::new(left)?;
    // In this order, so that another one of the rows changes no bit.
    let fixed = train(Family::Fixed, &rows.sorted, options)?;
    let found = work(&mut Paneling::new(rows, options)?, &fixed)?;
    Ok(match &rest {
        Some(rest) => expand(&|trained| expand_trained(rest, pairs, trained), found),
        None => found,
    })
}

/// Margins, person after person.
struct MarginPersons<P>(P);

impl<P: Persons> PersonRows for MarginPersons<P> {
    fn dim(&self) -> usize {
        1
    }

    fn for_each_block(
        &mut self,
        take: &mut dyn FnMut(&PersonChoices<'_>) -> Result<(), LearnError>,
    ) -> Result<(), LearnError> {
        self.0.for_each_block(&mut |block| {
            take(&PersonChoices {
                features: block.margins(),
                ends: block.ends(),
                weights: block.weights(),
                persons: block.persons(),
            })
        })
    }
}

/// A fit of margins as one of pairs of one feature.
fn as_trained(fit: &Fit) -> Result<Trained, LearnError> {
    Ok(Trained {
        model: fit.model,
        status: fit.status,
        strength: AnyStrength::from_mean_v(fit.model.family, 1.0, fit.strength.v())?,
        lapse: fit.lapse,
        curvature: fit.curvature,
        w: vec![fit.strength.mean()],
        separated: Vec::new(),
        log_likelihood: fit.log_likelihood,
        penalty: fit.penalty,
        errors: TrainedErrors::default(),
        robust: TrainedErrors::default(),
        robust_units: fit.robust_units,
        gradient: fit.gradient,
        iterations: fit.iterations,
        number: fit.number,
        weight: fit.weight,
    })
}

/// Fits every family with one β per person to margins, above a fit of plain DPO to the same ones.
///
/// * A pass over the margins per evaluation of one or several p(β), some 30 for each family: 0.4 to 3 µs a choice and
///   p(β), the more the fewer choices a person has. The fits of many persons begin with some of them.
///
/// # Errors
/// Those of the source; [`LearnError::NoMargins`]; [`LearnError::Model`] unless `fixed` is one of `Fixed` with a maximum.
///
/// ```
/// use prefstrength::Family;
/// use prefstrength_learn::{self as learn, LearnError, Options, PersonsInMemory};
/// let margins: Vec<f64> = (0..600_u32)
///     .map(|i| f64::from(i * 7 % 20 + 1) / 4.0 * if i % 3 == 0 && i / 60 % 2 == 0 || i % 11 == 0 { -1.0 } else { 1.0 })
///     .collect();
/// let annotators: Vec<u32> = (0..600).map(|i| i % 60).collect();
/// let options = Options::default();
/// let fixed = learn::fit(Family::Fixed, &margins[..], &options)?;
/// let persons = PersonsInMemory::new(&margins, &annotators, None)?;
/// let people = learn::compare_people_of_margins(&fixed, persons, &options)?;
/// println!("{}: cv {}", people.best().model, people.best().strength.cv());
/// assert_eq!(people.persons, 60);
/// # Ok::<(), LearnError>(())
/// ```
pub fn compare_people_of_margins(
    fixed: &Fit,
    persons: impl Persons,
    options: &Options,
) -> Result<People, LearnError> {
    if fixed.model != Model::new(Family::Fixed) || fixed.status != FitStatus::Fixed {
        return Err(LearnError::Model);
    }
    Paneling::new(MarginPersons(persons), options)?.compare(&as_trained(fixed)?)
}

/// What the choices of a person say of their β, as a multiple of E\[β\] = 1.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct PersonStrength {
    /// Who.
    pub person: u32,
    /// How many choices.
    pub number: usize,
    /// The posterior mean.
    pub mean: f64,
    /// The posterior median.
    pub median: f64,
    /// The posterior standard deviation.
    pub sd: f64,
    /// From the 2.5 % to the 97.5 % quantile of the posterior: β is in it with probability 95 %, if the p(β) of the fit
    /// is true (that it is an estimate is not in it).
    pub interval: [f64; 2],
}

/// The strength of every person under a fit with one β per person, of pairs.
///
/// # Errors
/// [`LearnError::NoGroups`]; [`LearnError::PersonWeight`]; [`LearnError::Batch`] for another number of features.
pub fn person_strengths(pairs: &Pairs, fit: &Trained) -> Result<Vec<PersonStrength>, LearnError> {
    check_length("w", Some(&fit.w), pairs.dim())?;
    strengths(&mut PairPersons::new(pairs)?, fit)
}

/// The same of margins.
///
/// # Errors
/// Those of the source.
pub fn person_strengths_of_margins(
    persons: impl Persons,
    fit: &Trained,
) -> Result<Vec<PersonStrength>, LearnError> {
    strengths(&mut MarginPersons(persons), fit)
}

fn strengths<R: PersonRows>(rows: &mut R, fit: &Trained) -> Result<Vec<PersonStrength>, LearnError> {
    let lapse = Lapse::new(fit.lapse)?;
    let panel = Panel::new(&fit.strength);
    let panel = if fit.lapse > 0.0 { panel.with_lapse(lapse) } else { panel };
    let (d, mut all, mut margins) = (rows.dim(), Vec::new(), Vec::new());
    rows.for_each_block(&mut |block| {
        margins.clear();
        margins.extend(block.features.chunks_exact(d).map(|f| dot(&fit.w, f)));
        let of = |p: usize| -> Result<PersonStrength, LearnError> {
            let start = p.checked_sub(1).map_or(0, |before| block.ends[before]);
            let choices = &margins[start..block.ends[p]];
            let mut quantiles = [0.0; 3];
            panel.quantiles(choices, &[0.025, 0.5, 0.975], &mut quantiles)?;
            let ([low, median, high], posterior) = (quantiles, panel.posterior(choices));
            Ok(PersonStrength {
                person: block.persons.get(p).copied().unwrap_or(p as u32),
                number: choices.len(),
                mean: posterior.mean,
                median,
                sd: posterior.sd,
                interval: [low, high],
            })
        };
        #[cfg(feature = "rayon")]
        let found: Result<Vec<_>, _> = {
            use rayon::prelude::*;
            (0..block.ends.len()).into_par_iter().map(of).collect()
        };
        #[cfg(not(feature = "rayon"))]
        let found: Result<Vec<_>, LearnError> = (0..block.ends.len()).map(of).collect();
        all.extend(found?);
        Ok(())
    })?;
    Ok(all)
}
