//! Maximum likelihood for margins at hand.

use crate::compare::{Comparison, Fitted, ShapeErrors};
use crate::covariance::{Covariance, ScoreSums, Variance, root};
use crate::data::margins::{Margins, visit_elements};
use crate::data::scan::Scanned;
use crate::descent::{Baseline, ENDS, Solution, classify, descend, find_minima, least, least_gain};
use crate::error::LearnError;
use crate::limits::GROUPS;
use crate::margin_starts::{start_fixed, usual_starts};
use crate::model::{ChoiceCurve, Model, SHAPES};
use crate::objective::margins::{MarginLoss, curve_at, strength_at};
use crate::objective::point::{CURVATURE, LAPSE, SPREAD, d_epsilon, join, r_of};
use crate::options::Options;
use crate::prepared::{Prepared, has_spread};
use crate::profile::{Profile, find_profile};
use crate::score::{
    Alternative, BetweenAt, MarginRow, MarginRows, ScoreTest, test_beyond, test_margins, test_people,
};
use crate::status::FitStatus;
use crate::vuong::{Differences, rank, rivals};
use prefstrength::batch::Rows;
use prefstrength::{AnyStrength, Family, Lapse, ParamError, PerFamily};

/// Standard errors of a [`Fit`]; `None` where the information is not positive, where there is no maximum to have one at,
/// and of what was not learned.
///
/// At the boundary there is that of ln mean alone, at v = 0: the likelihood of v has no bowl there that would have a
/// width. [`Comparison::cv`](crate::Comparison::cv) has an interval there too.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct StandardErrors {
    /// Of ln E\[β\].
    pub ln_mean: Option<f64>,
    /// Of v.
    pub v: Option<f64>,
    /// Of cv = √v, by the delta method.
    pub cv: Option<f64>,
    /// Covariance of the estimates of ln E\[β\] and v.
    pub covariance: Option<f64>,
    /// Of ε.
    pub lapse: Option<f64>,
    /// Of γ.
    pub curvature: Option<f64>,
}

/// A maximum-likelihood model of margins, or what there is instead.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Fit {
    /// What was asked for.
    pub model: Model,
    /// What became of the spread; a fit is one at `Fixed`, `Boundary` and `Interior`.
    pub status: FitStatus,
    /// p(β); at [`FitStatus::MeanZero`] that of `Fixed` with β = 0, whatever the family.
    pub strength: AnyStrength,
    /// ε, the share of flipped labels; 0 where none was learned.
    pub lapse: f64,
    /// γ, the curvature of the margin; 1 where none was learned.
    pub curvature: f64,
    /// Σ w ln P there, without the penalty.
    pub log_likelihood: f64,
    /// ½cv²/τ².
    pub penalty: f64,
    /// Standard errors by the observed information, the inverse of the Hessian of what was maximised.
    pub errors: StandardErrors,
    /// Standard errors by the sandwich H⁻¹(Σ ggᵀ)H⁻¹, with scores g summed within groups first if the margins have
    /// groups: they hold for dependent choices of one group, and ask for many groups.
    pub robust: StandardErrors,
    /// How many groups that were; `None` without groups, where scores of single choices are squared.
    pub robust_units: Option<usize>,
    /// Gradient at the end, √(gᵀH⁻¹g): in units of standard errors. Infinite where H is not positive definite.
    pub gradient: f64,
    /// Iterations of Newton's method that led there.
    pub iterations: u32,
    /// How many margins.
    pub number: usize,
    /// Their total weight, which counts as sample size.
    pub weight: f64,
}

impl Fit {
    /// The chance of a choice as a function of the margin.
    #[must_use]
    pub fn curve(&self) -> ChoiceCurve {
        let curve = ChoiceCurve::from(self.strength);
        let lapsed = Lapse::new(self.lapse).map_or(curve, |lapse| curve.with_lapse(lapse));
        lapsed.with_curvature(self.curvature).unwrap_or(lapsed)
    }
}

impl Fitted for Fit {
    fn model(&self) -> Model {
        self.model
    }
    fn status(&self) -> FitStatus {
        self.status
    }
    fn log_likelihood(&self) -> f64 {
        self.log_likelihood
    }
    fn penalty(&self) -> f64 {
        self.penalty
    }
    fn parameter_count(&self) -> usize {
        1 + self.model.parameters()
    }
    fn number(&self) -> usize {
        self.number
    }
    fn weight(&self) -> f64 {
        self.weight
    }
    fn curve(&self) -> ChoiceCurve {
        Self::curve(self)
    }
    fn shape_errors(&self) -> ShapeErrors {
        let errors = if self.robust_units.is_some() { &self.robust } else { &self.errors };
        ShapeErrors { cv: errors.cv, lapse: errors.lapse, curvature: errors.curvature }
    }
}

/// The p(β) of a family under which the choices are likeliest, given their margins: it maximises
/// Σ w ln E\[σ(βD)\] − ½cv²/τ² over mean and v = cv² ≥ 0.
///
/// * Method: Newton's in (ln u, s), mean = u cosh s, v = sinh² s, on analytic gradients and their differences,
///   damped, from v = 0.04, 0.8, 5.6 and next to the cap; the best of the maxima. A pass over the margins per evaluation of 1 to 4
///   p(β), by [`Plan`](prefstrength::batch::Plan). From 2¹³ margins on, three points with weights stand for those
///   within 1/64 of each other: the sums are the same to rounding (docs/math.md §10), and a pass over ten thousand
///   points costs the same for any number of margins.
/// * The likelihood is not concave. What is found is stationary ([`Fit::gradient`]) and better than v = 0;
///   that nothing else is better yet, four starts make likely and not certain.
/// * The result is to rounding that of the margins in any order and in chunks of any size.
///
/// # Errors
/// [`LearnError`] before anything is fitted: no margins, no weight, margins or weights that are not finite, and
/// margins to which no p(β) is the answer: all 0, none negative ([`LearnError::Separable`]), none positive
/// ([`LearnError::MeanVanishes`]), with a spread to learn all of one size ([`LearnError::OneSize`]). `Fixed`
/// has no maximum for Σ wD ≤ 0 either ([`LearnError::MeanVanishes`]). [`LearnError::MaxCv`],
/// [`LearnError::PriorCv`], [`LearnError::RidgeWithoutPolicy`].
///
/// ```
/// use prefstrength::Family;
/// use prefstrength_learn::{self as learn, FitStatus, LearnError, Options};
/// // Choices of someone with β = 1, as many as expected: σ(D) of the pairs of size D.
/// let mut margins = Vec::new();
/// for size in [0.5_f64, 1.0, 2.0, 3.0] {
///     let with = (1000.0 / (1.0 + (-size).exp())).round() as usize;
///     margins.extend((0..1000).map(|i| if i < with { size } else { -size }));
/// }
/// let fixed = learn::fit(Family::Fixed, &margins[..], &Options::default())?;
/// assert!((fixed.strength.mean() - 1.0).abs() < 0.01 && fixed.errors.ln_mean.is_some_and(|e| e < 0.05));
/// let gamma = learn::fit(Family::Gamma, &margins[..], &Options::default())?;
/// assert!(gamma.status == FitStatus::Boundary || gamma.strength.cv() < 0.2);
/// assert!(learn::fit(Family::Gamma, &[1.0, 2.0][..], &Options::default()).is_err());
/// # Ok::<(), LearnError>(())
/// ```
pub fn fit(model: impl Into<Model>, margins: impl Margins, options: &Options) -> Result<Fit, LearnError> {
    let model = model.into();
    check_model(model)?;
    let mut fitting = Fitting::new(margins, options, model.parameters() > 0)?;
    let fixed = match fitting.fit_fixed() {
        // A spread may find a mean where `Fixed` has none.
        Err(LearnError::MeanVanishes) if model.has_spread() => None,
        other => Some(other?),
    };
    match fixed {
        Some(fixed) if model.parameters() == 0 => Ok(fixed.fit),
        fixed => fitting.fit_whole(model, fixed.as_ref()),
    }
}

/// Persons are for [`train_people`](crate::train_people); a curved margin has no lapse and no spread beside it.
pub(crate) fn check_model(model: Model) -> Result<(), LearnError> {
    let alone = model.curvature && (model.lapse || model.has_spread());
    if model.per_person || alone { Err(LearnError::Model) } else { Ok(()) }
}

/// Fits all models to margins and tests whether the spread of β is real: plain DPO, flipped labels, a curved margin, the
/// families, and these with flipped labels.
///
/// # Errors
/// As [`fit`] of any family, but for two things: where Σ wD ≤ 0, which one large margin on the wrong side can do,
/// `Fixed` is reported at the mean 0 with [`FitStatus::MeanZero`] and without a score test, and so is every model that
/// does no better than a coin; [`LearnError::MeanVanishes`] only where none does. There p(LR) is against a coin, and
/// an approximation. [`LearnError::OneSize`] also for margins whose sizes differ too little to say anything about
/// a spread.
///
/// ```
/// use prefstrength::Family;
/// use prefstrength_learn::{self as learn, LearnError, Options};
/// let margins: Vec<f64> = (0..4000).map(|i| f64::from(i % 40 + 1) * if i % 4 < 3 { 0.2 } else { -0.2 }).collect();
/// let comparison = learn::heterogeneity(&margins[..], &Options { max_cv: 3.0, ..Options::default() })?;
/// if let Some(score) = comparison.score {
///     println!("z = {}, p = {}; {}", score.z, score.p, comparison.verdict());
/// }
/// for (family, fit) in comparison.fits.iter() {
///     println!("{family}: {} with cv {}", fit.log_likelihood, fit.strength.cv());
/// }
/// // One in four choices goes against the margin, however large it is: that is label noise.
/// let noise = &comparison.lapsed[Family::Fixed];
/// assert!((noise.lapse - 0.25).abs() < 0.02);
/// # assert!(comparison.score.is_some_and(|score| score.z > 5.0 && score.p < 1e-6));
/// # Ok::<(), LearnError>(())
/// ```
pub fn heterogeneity(margins: impl Margins, options: &Options) -> Result<Comparison<Fit>, LearnError> {
    let mut fitting = Fitting::new(margins, options, true)?;
    // Where plain DPO is a coin's, the others stand beside a coin.
    let fixed = if fitting.data.rising { Some(fitting.fit_fixed()?) } else { None };
    let beside = fixed.as_ref();
    let score = match beside {
        Some(fixed) => fitting.test_score(fixed)?,
        None => None,
    };
    let fits = PerFamily::try_from_fn(|family| match (has_spread(family), beside) {
        (true, _) => fitting.fit_or_coin(family.into(), beside, &[]),
        (false, Some(fixed)) => Ok(fixed.fit),
        (false, None) => fitting.coin(family.into()),
    })?;
    if fits.values().all(|fit| fit.status == FitStatus::MeanZero) {
        return Err(LearnError::MeanVanishes);
    }
    let noise = fitting.fit_or_coin(Model::new(Family::Fixed).with_lapse(), beside, &[])?;
    let lapsed = PerFamily::try_from_fn(|family| match has_spread(family) {
        true => fitting.fit_or_coin(Model::new(family).with_lapse(), beside, &[&fits[family], &noise]),
        false => Ok(noise),
    })?;
    let curved = fitting.fit_or_coin(Model::new(Family::Fixed).with_curvature(), beside, &[])?;
    let scale = fitting.data.scale;
    let mean = |fit: &Fit| fit.strength.mean() / scale;
    let people = match beside.filter(|fixed| fixed.fit.robust_units.is_some()) {
        Some(fixed) => test_people(&mut margin_rows(&mut fitting.data, mean(&fixed.fit))?, 0.0)?,
        None => None,
    };
    // By groups, if there are any.
    let score = people.as_ref().and_then(|people| people.within).or(score);
    let beyond_noise = match noise.lapse > 0.0 && noise.is_maximum() {
        true => {
            let mut rows = margin_rows(&mut fitting.data, mean(&noise))?;
            test_beyond(&mut rows, noise.lapse, Alternative::Spread, 0.0)?
        }
        false => score,
    };
    let dependence = people.as_ref().map_or(1.0, |people| people.dependence.max(1.0));
    let all = fits.values().chain(lapsed.values()).chain([&curved]);
    let ranked = rank(all);
    let rivals = rivals(&ranked, fitting.differences(&ranked)?);
    let best = ranked.first().map_or(Model::new(Family::Fixed), |fit| fit.model);
    let people_at_best = match ranked.first().filter(|best| people.is_some() && best.model.parameters() > 0) {
        Some(best) => fitting.test_between_at(best)?,
        None => None,
    };
    let cv = fitting.profile(describing(&fits), SPREAD, dependence, beside)?;
    let lapse = fitting.profile(&noise, LAPSE, dependence, beside)?;
    Ok(Comparison {
        fits,
        lapsed,
        curved,
        score,
        beyond_noise,
        people,
        people_at_best,
        dependence,
        best,
        rivals,
        cv,
        lapse,
        options: *options,
    })
}

/// Margins one by one, for score tests, at a mean.
#[allow(clippy::type_complexity, reason = "a source of rows for score tests, which has no shorter name")]
fn margin_rows<'a, M: Margins>(
    data: &'a mut Scanned<M>,
    mean: f64,
) -> Result<MarginRows<impl FnMut(&mut dyn FnMut(MarginRow)) -> Result<(), LearnError> + 'a>, LearnError> {
    MarginRows::new(mean, move |take: &mut dyn FnMut(MarginRow)| {
        data.for_each_with_groups(&mut |margins, weights, groups| {
            visit_elements(0, margins, weights, |i, margin, weight| {
                take(MarginRow { margin, weight, group: groups.map(|g| g[i]), item: 0, column: 0.0 });
            })
        })
    })
}

/// The family whose spread explains the choices best.
pub(crate) fn describing<F: Fitted>(fits: &PerFamily<F>) -> &F {
    let value = |fit: &F| fit.log_likelihood() - fit.penalty();
    let spread =
        fits.iter().filter(|(family, fit)| has_spread(*family) && fit.is_maximum()).map(|(_, fit)| fit);
    // At the boundary all are alike, and the first one will do.
    let best = spread.reduce(|a, b| if value(b) > value(a) { b } else { a });
    best.unwrap_or(&fits[Family::Gamma])
}

/// The fit of `Fixed`, and what the others want to know of it.
struct FixedFit {
    fit: Fit,
    /// ln mean in the data's units.
    ln_mean: f64,
    baseline: Baseline,
}

/// Margins and options that have been looked through.
struct Fitting<'a, M> {
    data: Scanned<M>,
    options: &'a Options,
    /// 1/τ².
    prior: f64,
}

impl<'a, M: Margins> Fitting<'a, M> {
    fn new(margins: M, options: &'a Options, spread: bool) -> Result<Self, LearnError> {
        let prior = options.check()?;
        if options.ridge > 0.0 {
            return Err(LearnError::RidgeWithoutPolicy);
        }
        let data = Scanned::new(margins)?;
        if spread && data.one_size { Err(LearnError::OneSize) } else { Ok(Self { data, options, prior }) }
    }

    fn loss(&mut self, model: Model, reference: f64) -> MarginLoss<'_, M> {
        MarginLoss { data: &mut self.data, model, prior: self.prior, reference }
    }

    fn fit_fixed(&mut self) -> Result<FixedFit, LearnError> {
        let limit = self.options.max_iterations;
        if !self.data.rising {
            return Err(LearnError::MeanVanishes);
        }
        let model = Model::new(Family::Fixed);
        let start = start_fixed(&mut self.data)?;
        let found = descend(&mut self.loss(model, start), join([start], [0.0; SHAPES]), 0.0, limit, &[])?;
        let solution = found.ok_or(LearnError::MeanVanishes)?;
        let converged = solution.converged && solution.hessian.is_some();
        let status = if converged { FitStatus::Fixed } else { FitStatus::NotConverged };
        let point = &solution.point;
        let baseline = Baseline { value: point.value, is_maximum: converged, falling: point.d_v >= 0.0 };
        Ok(FixedFit { fit: self.finish(model, status, &solution)?, ln_mean: point.y[0], baseline })
    }

    /// `None` where a few margins far beyond the others hold the mean so low that these say nothing at plain DPO, which
    /// at a mean of their own they do.
    fn test_score(&mut self, fixed: &FixedFit) -> Result<Option<ScoreTest>, LearnError> {
        match test_margins(&mut self.data, fixed.ln_mean.exp()) {
            Err(LearnError::OneSize) => {
                let usual = (-self.data.ln_typical).exp();
                test_margins(&mut self.data, usual).map(|_| None)
            }
            other => other.map(Some),
        }
    }

    /// Mean 0, which is one p(β) for all models.
    fn coin(&self, model: Model) -> Result<Fit, LearnError> {
        Ok(Fit {
            model,
            status: FitStatus::MeanZero,
            strength: AnyStrength::from_mean_v(Family::Fixed, 0.0, 0.0)?,
            lapse: 0.0,
            curvature: 1.0,
            log_likelihood: -self.data.weight * core::f64::consts::LN_2,
            penalty: 0.0,
            errors: StandardErrors::default(),
            robust: StandardErrors::default(),
            robust_units: None,
            gradient: 0.0,
            iterations: 0,
            number: self.data.number,
            weight: self.data.weight,
        })
    }

    /// A model, or a coin where that does as well.
    fn fit_or_coin(
        &mut self,
        model: Model,
        fixed: Option<&FixedFit>,
        nested: &[&Fit],
    ) -> Result<Fit, LearnError> {
        match self.fit_model(model, fixed, nested) {
            Err(LearnError::MeanVanishes) if fixed.is_none() => self.coin(model),
            other => other,
        }
    }

    /// A model above those that it contains: at its boundary it is one of them.
    fn fit_whole(&mut self, model: Model, fixed: Option<&FixedFit>) -> Result<Fit, LearnError> {
        if !(model.lapse && model.has_spread()) {
            return self.fit_model(model, fixed, &[]);
        }
        let spread = self.fit_or_coin(Model { lapse: false, ..model }, fixed, &[])?;
        let noise = self.fit_or_coin(Model::new(Family::Fixed).with_lapse(), fixed, &[])?;
        self.fit_model(model, fixed, &[&spread, &noise])
    }

    /// A model with shapes, above plain DPO and those of its own smaller models that are given.
    fn fit_model(
        &mut self,
        model: Model,
        fixed: Option<&FixedFit>,
        nested: &[&Fit],
    ) -> Result<Fit, LearnError> {
        let (cap, limit) = (self.options.max_cv.asinh(), self.options.max_iterations);
        let ln_u = match fixed {
            Some(fixed) => fixed.ln_mean,
            None => -self.data.mean_ln_size()?,
        };
        let mut starts = usual_starts(model, ln_u, cap, self.data.ln_typical);
        starts.extend(nested.iter().filter_map(|fit| self.start_at(model, fit)));
        let solutions = find_minima(&mut self.loss(model, ln_u), starts, cap, limit)?;
        // Not even the starts: the margins' scale is at the end of f64's range.
        let best = least(solutions).ok_or(ParamError::MeanOutOfRange)?;
        if fixed.is_none() {
            // Against a coin: that is what a mean of 0 is.
            let coin = self.data.weight * core::f64::consts::LN_2;
            if coin - best.point.value <= least_gain(&best) {
                return Err(LearnError::MeanVanishes);
            }
        }
        // What a smaller model says as well, it says.
        let value = |fit: &Fit| fit.log_likelihood - fit.penalty;
        let smaller = nested.iter().filter(|fit| fit.is_maximum());
        let smaller = smaller.reduce(|a, b| if value(b) > value(a) { b } else { a });
        if let Some(smaller) = smaller.filter(|fit| -best.point.value - value(fit) <= least_gain(&best)) {
            return Ok(Fit { model, status: FitStatus::Boundary, ..**smaller });
        }
        let baseline = fixed.map(|fixed| &fixed.baseline);
        match (classify(&best, baseline, model.shapes()), fixed) {
            (status @ FitStatus::Boundary, Some(FixedFit { fit, .. })) => {
                let strength = AnyStrength::from_mean_v(model.family, fit.strength.mean(), 0.0)?;
                Ok(Fit { model, status, strength, ..*fit })
            }
            (status, _) => self.finish(model, status, &best),
        }
    }

    /// Where a smaller model ended, moved off the boundary.
    fn start_at(&self, model: Model, fit: &Fit) -> Option<Vec<f64>> {
        let s = fit.strength.v().sqrt().asinh();
        let u = fit.strength.mean() / self.data.scale.powf(fit.curvature) / s.cosh();
        let shapes = [fit.curvature.ln(), r_of(fit.lapse), s];
        let cap = self.options.max_cv.asinh();
        (u > 0.0 && u.is_finite()).then(|| inside(model, join([u.ln() / fit.curvature], shapes), cap))
    }

    /// From the data's units to those of the source.
    fn finish(&mut self, model: Model, status: FitStatus, solution: &Solution) -> Result<Fit, LearnError> {
        let point = &solution.point;
        let inside = strength_at(model.family, &point.y).ok_or(ParamError::MeanOutOfRange)?;
        let mean = inside.mean() * self.data.scale.powf(point.gamma());
        let (outer, robust_units) = match status {
            FitStatus::Fixed | FitStatus::Interior => self.sum_scores(model, solution)?,
            _ => (None, None),
        };
        let (covariance, ln_unit) = (Covariance::new(solution, outer), self.data.scale.ln());
        Ok(Fit {
            model,
            status,
            strength: AnyStrength::from_mean_v(model.family, mean, inside.v())?,
            lapse: point.epsilon(),
            curvature: point.gamma(),
            log_likelihood: -point.nll,
            penalty: point.value - point.nll,
            errors: standard_errors(status, &covariance, Variance::Observed, ln_unit),
            robust: standard_errors(status, &covariance, Variance::Robust, ln_unit),
            robust_units,
            gradient: solution.gradient,
            iterations: solution.iterations,
            number: self.data.number,
            weight: self.data.weight,
        })
    }

    /// A fit in the data's units.
    fn rescaled(&self, fit: &Fit) -> Result<Prepared, LearnError> {
        let mean = fit.strength.mean() / self.data.scale.powf(fit.curvature);
        let strength = AnyStrength::from_mean_v(fit.model.family, mean, fit.strength.v())?;
        Ok(Prepared::new(&fit.curve().with_strength(strength), self.data.number))
    }

    fn test_between_at(&mut self, fit: &Fit) -> Result<Option<ScoreTest>, LearnError> {
        let (model, mut between) = (self.rescaled(fit)?, BetweenAt::default());
        self.data.for_each_with_groups(&mut |margins, weights, groups| match groups {
            Some(groups) => between.add(&model, margins, weights, groups),
            None => Ok(()),
        })?;
        Ok(between.finish())
    }

    /// z of the first model against the others.
    fn differences(&mut self, ranked: &[&Fit]) -> Result<Vec<Option<f64>>, LearnError> {
        let losses = ranked.iter().map(|fit| self.rescaled(fit)).collect::<Result<Vec<_>, LearnError>>()?;
        let mut differences = Differences::new(losses.len().saturating_sub(1));
        let (mut bent, mut nll) = (Vec::new(), vec![Vec::new(); losses.len()]);
        self.data.for_each_with_groups(&mut |margins, weights, groups| {
            for (loss, nll) in losses.iter().zip(&mut nll) {
                nll.resize(margins.len(), 0.0);
                loss.evaluate(loss.bend(margins, &mut bent), None, Rows::new().nll(nll))?;
            }
            let Some((best, others)) = nll.split_first() else { return Ok(()) };
            visit_elements(0, margins, weights, |i, _, w| {
                differences.add(groups.map(|g| g[i]), w, best[i], others.iter().map(|nll| nll[i]));
            })
        })?;
        Ok(differences.finish())
    }

    /// Of the spread or the lapse of a model that has been fitted.
    fn profile(
        &mut self,
        fit: &Fit,
        shape: usize,
        kappa: f64,
        fixed: Option<&FixedFit>,
    ) -> Result<Option<Profile>, LearnError> {
        let (model, cap) = (fit.model, self.options.max_cv.asinh());
        let s = fit.strength.v().sqrt().asinh();
        let u = fit.strength.mean() / self.data.scale / s.cosh();
        if !(fit.is_maximum() && u > 0.0 && u.is_finite()) {
            return Ok(None);
        }
        let start = join([u.ln()], [0.0, if model.lapse { r_of(fit.lapse) } else { 0.0 }, s]);
        let end = if shape == SPREAD { cap } else { ENDS[LAPSE] };
        let zero = fixed.map(|fixed| join([fixed.ln_mean], [0.0; SHAPES]));
        find_profile(&mut self.loss(model, u.ln()), shape, start, zero, end, kappa)
    }

    /// Σ ggᵀ over groups, or choices without groups, in the scale and the free shapes.
    fn sum_scores(
        &mut self,
        model: Model,
        solution: &Solution,
    ) -> Result<(Option<Vec<f64>>, Option<usize>), LearnError> {
        let (point, free) = (&solution.point, &solution.free);
        let curve = strength_at(model.family, &point.y)
            .and_then(|strength| curve_at(strength, point.gamma().ln(), point.r()));
        let Some(curve) = curve else { return Ok((None, None)) };
        let loss = Prepared::new(&curve, self.data.number).with_curvature(model.curvature);
        let mut sums = ScoreSums::new(1 + free.len());
        let (mut bent, mut gradient) = (Vec::new(), vec![0.0; 1 + free.len()]);
        let mut buffers = [const { Vec::new() }; 4];
        let (gamma, r, s) = (point.gamma(), point.r(), point.s());
        let ln_u = point.scale()[0];
        self.data.for_each_with_groups(&mut |margins, weights, groups| {
            buffers.iter_mut().for_each(|buffer| buffer.resize(margins.len(), 0.0));
            let [slopes, d_ln_mean, d_v, d_lapse] = &mut buffers;
            let rows = Rows::new().d_margin(slopes).d_params([d_ln_mean, d_v]).d_lapse([d_lapse]);
            loss.evaluate(loss.bend(margins, &mut bent), None, rows)?;
            let [slopes, d_ln_mean, d_v, d_lapse] = &buffers;
            visit_elements(0, margins, weights, |i, d, w| {
                gradient[0] = gamma * d_ln_mean[i];
                for (to, &k) in gradient[1..].iter_mut().zip(free) {
                    *to = match k {
                        CURVATURE if slopes[i] == 0.0 => 0.0,
                        CURVATURE => slopes[i] * loss.along_gamma(d) + gamma * ln_u * d_ln_mean[i],
                        LAPSE => d_epsilon(r) * d_lapse[i],
                        _ => d_ln_mean[i] * s.tanh() + d_v[i] * (2.0 * s).sinh(),
                    };
                }
                sums.add(groups.map(|groups| groups[i]), w, &gradient);
            })
        })?;
        let (outer, groups) = sums.finish();
        // The scores of few groups add up to 0, and say next to nothing of how much they vary.
        let enough = groups.is_none_or(|groups| groups >= GROUPS);
        Ok((Some(outer).filter(|_| enough), groups))
    }
}

/// A point with what the model has moved off its boundary, and the rest 0.
fn inside(model: Model, mut y: Vec<f64>, cap: f64) -> Vec<f64> {
    let [curvature, lapse, spread] = model.shapes();
    y[1 + CURVATURE] = if curvature { y[1 + CURVATURE] } else { 0.0 };
    y[1 + LAPSE] = if lapse { y[1 + LAPSE].clamp(0.1, 1.5) } else { 0.0 };
    y[1 + SPREAD] = if spread { y[1 + SPREAD].clamp(0.1, 0.95 * cap) } else { 0.0 };
    y
}

/// The minima for margins at hand, as (u, s) in their units, |s| up to the cap.
pub(crate) fn find_margin_minima(
    family: Family,
    margins: impl Margins,
    options: &Options,
) -> Result<Vec<(f64, f64)>, LearnError> {
    let mut data = Scanned::new(margins)?;
    let (cap, reference, scale) = (options.max_cv.asinh(), -data.mean_ln_size()?, data.scale);
    let model = Model::new(family);
    let starts = usual_starts(model, reference, cap, data.ln_typical);
    let mut loss = MarginLoss { data: &mut data, model, prior: 0.0, reference };
    let found = find_minima(&mut loss, starts, cap, options.max_iterations)?;
    Ok(found.iter().map(|f| (f.point.y[0].exp() * scale, f.point.s())).collect())
}

/// By one of the two variances, u in units of so much more.
fn standard_errors(status: FitStatus, of: &Covariance<'_>, by: Variance, ln_unit: f64) -> StandardErrors {
    let error = |a: Option<Vec<f64>>| a.and_then(|a| root(of.variance(by, &a, &a)));
    match status {
        FitStatus::Fixed | FitStatus::Interior => {
            let v = of.v();
            StandardErrors {
                ln_mean: error(Some(of.ln_mean(ln_unit))),
                covariance: v.as_ref().and_then(|v| of.variance(by, &of.ln_mean(ln_unit), v)),
                v: error(v),
                cv: error(of.cv()),
                lapse: error(of.lapse()),
                curvature: error(of.curvature()),
            }
        }
        FitStatus::MeanZero | FitStatus::Boundary | FitStatus::Unbounded | FitStatus::NotConverged => {
            StandardErrors::default()
        }
    }
}
