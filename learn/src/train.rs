//! A linear policy and p(β) by maximum likelihood, together.

use crate::cholesky::{Cholesky, add_outer, add_scaled, dot};
use crate::compare::{Comparison, Fitted, ShapeErrors, weighed};
use crate::covariance::{Covariance, Variance, root};
use crate::data::pairs::{Pairs, total_weight};
use crate::data::sizes::UsualSizes;
use crate::descent::{Baseline, ENDS, Solution, classify, descend, find_minima, least, least_gain};
use crate::error::LearnError;
use crate::fit::{check_model, describing};
use crate::limits::{COVARIANCES, GROUPS};
use crate::model::{ChoiceCurve, Model, SHAPES};
use crate::objective::pairs::{PairLoss, WeightedPairs, scale};
use crate::objective::point::{LAPSE, SPREAD, join, r_of};
use crate::options::Options;
use crate::prepared::{Prepared, has_spread};
use crate::profile::{Profile, find_profile};
use crate::score::{Alternative, BetweenAt, PairRows, ScoreTest, test_beyond, test_pairs, test_people};
use crate::separation::{Rest, Separated};
use crate::starts::{find_directions, find_fixed_starts, start_along, start_beside};
use crate::status::FitStatus;
use crate::vuong::{Differences, rank, rivals};
use core::cell::OnceCell;
use prefstrength::batch::Rows;
use prefstrength::{AnyStrength, Family, Lapse, ParamError, PerFamily};

/// Size of margins of pairs that are open.
const OPEN: f64 = 10.0;
/// Cosine between a direction and a pair that it turns the wrong way.
const WRONG_WAY: f64 = 0.01;
/// Gradient norm at which what is left to gain is rounding.
const NOTHING_LEFT: f64 = 1e-5;

/// Standard errors of a [`Trained`]; `None` where the information is not positive, where there is no maximum, and of what
/// was not learned.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct TrainedErrors {
    /// Of w; at the boundary, at v = 0. Infinite for a feature that is [`separated`](Trained::separated), stored as
    /// null.
    #[cfg_attr(feature = "serde", serde(with = "crate::separation::infinite_as_null"))]
    pub w: Option<Vec<f64>>,
    /// Covariances of the estimates of w, d rows of d numbers, of policies of at most [`COVARIANCES`] features.
    pub covariance: Option<Vec<f64>>,
    /// Of v.
    pub v: Option<f64>,
    /// Of cv, by the delta method.
    pub cv: Option<f64>,
    /// Of ε.
    pub lapse: Option<f64>,
    /// Of γ.
    pub curvature: Option<f64>,
}

/// A linear policy and a p(β) with E\[β\] = 1, learned together, or what there is instead.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Trained {
    /// What was asked for.
    pub model: Model,
    /// What became of the spread; this is a fit at `Fixed`, `Boundary` and `Interior`.
    pub status: FitStatus,
    /// p(β); its mean is 1, since its scale is one of w.
    pub strength: AnyStrength,
    /// ε, the share of flipped labels; 0 where none was learned.
    pub lapse: f64,
    /// γ, the curvature of the margin w·f; 1 where none was learned.
    pub curvature: f64,
    /// The policy: margin = w·f. Of a feature that is [`separated`](Self::separated), the least weight that makes the
    /// margin of every pair that it separates 40 or more: there σ is 1 to rounding, and whatever is computed from w
    /// stays finite.
    pub w: Vec<f64>,
    /// Features whose weights are infinite, one after the other; all else is the exact limit, to which their pairs
    /// contribute ln 1 = 0 (with label noise, ln(1 − ε) is left out). Empty with a ridge.
    pub separated: Vec<Separated>,
    /// Σ w ln P there, without penalties.
    pub log_likelihood: f64,
    /// ½λ|w|² + ½cv²/τ².
    pub penalty: f64,
    /// Standard errors by the observed information (with the penalties' share).
    pub errors: TrainedErrors,
    /// Standard errors by the sandwich H⁻¹(Σ ggᵀ)H⁻¹, with scores g summed within groups first if the pairs have
    /// groups: they hold for dependent choices of one group, and ask for many groups. None for fewer than
    /// [`GROUPS`](crate::limits::GROUPS) of them.
    pub robust: TrainedErrors,
    /// How many groups that were; `None` without groups, where scores of single pairs are squared.
    pub robust_units: Option<usize>,
    /// Gradient at the end, √(gᵀH⁻¹g): in units of standard errors. Infinite where H is not positive definite.
    pub gradient: f64,
    /// Iterations of Newton's method that led there.
    pub iterations: u32,
    /// How many pairs.
    pub number: usize,
    /// Their total weight, which counts as sample size.
    pub weight: f64,
}

impl Trained {
    /// The chance of a choice as a function of the margin w·f.
    #[must_use]
    pub fn curve(&self) -> ChoiceCurve {
        let curve = ChoiceCurve::from(self.strength);
        let lapsed = Lapse::new(self.lapse).map_or(curve, |lapse| curve.with_lapse(lapse));
        lapsed.with_curvature(self.curvature).unwrap_or(lapsed)
    }
}

impl Fitted for Trained {
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
    /// Those of w, and the shapes: the mean of β is none.
    fn parameter_count(&self) -> usize {
        self.w.len() + self.model.parameters()
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

/// The linear policy w and the spread of β under which the choices are likeliest, E\[β\] = 1: it maximises
/// Σ w ln E\[σ(β w·f)\] − ½λ|w|² − ½cv²/τ² over w and v = cv² ≥ 0.
///
/// * Method: Newton's in (u, s), w = u cosh s, v = sinh² s, which takes out most of the correlation (above 0.9)
///   between the scale of w and the spread; damped; the best of the maxima that several starts lead to, along the w of
///   `Fixed` and along one that no single pair can bend. Second derivatives are differences of analytic gradients.
///   Feature `rayon`: on several threads, the same bits.
/// * A feature of one sign in all pairs that have it, as a rare dummy may be, has no finite weight: it is named in
///   [`Trained::separated`], and all else is the maximum in that limit.
/// * What is found is stationary ([`Trained::gradient`]) and no worse than v = 0; that nothing else is better yet,
///   the starts make likely and not certain. It asks for many more pairs than features: with ten pairs a feature, there
///   is mostly no maximum.
/// * Time: some 40 passes of n·(40 ns + d²/10 ns) per family, n pairs of d features.
/// * For a policy that is not linear, train [`StrengthParams`](crate::StrengthParams) beside it.
///
/// # Errors
/// [`LearnError`] before anything is fitted: [`LearnError::MaxCv`], [`LearnError::Ridge`],
/// [`LearnError::PriorCv`]; without a ridge [`LearnError::Collinear`] features and pairs that
/// are [`LearnError::Separable`] by several features, or [`LearnError::SeparatedBy`] one, or one after the other, so that
/// nothing is left, which have no maximum; with a spread to learn [`LearnError::OneSize`] where the margins of plain DPO say nothing
/// about it.
///
/// ```
/// use prefstrength::Family;
/// use prefstrength_learn::{self as learn, FitStatus, LearnError, Options, Pairs};
/// // Someone who decides by the first feature, the more often the larger it is, but never always.
/// let mut features = Vec::new();
/// for i in 0..3000 {
///     let (first, second) = (f64::from(i % 30 + 1) / 10.0, f64::from(i % 7 - 3));
///     let sign = if i % 4 < 3 { 1.0 } else { -1.0 };
///     features.extend([sign * first, sign * second]);
/// }
/// let pairs = Pairs::new(features, 2)?;
/// let trained = learn::train(Family::Gamma, &pairs, &Options::default())?;
/// println!("w = {:?}, cv {} ± {:?}", trained.w, trained.strength.cv(), trained.errors.cv);
/// // Three of four at any size of the margin: only β next to 0 or far from it explains that.
/// assert_eq!(trained.status, FitStatus::Unbounded);
/// let bounded = Options { prior_cv: Some(1.0), ..Options::default() };
/// assert_eq!(learn::train(Family::Gamma, &pairs, &bounded)?.status, FitStatus::Interior);
/// # Ok::<(), LearnError>(())
/// ```
pub fn train(model: impl Into<Model>, pairs: &Pairs, options: &Options) -> Result<Trained, LearnError> {
    let model = model.into();
    check_model(model)?;
    train_rest(pairs, None, options, |training| training.train(model), |whole, trained| whole(trained))
}

/// [`train`] with `weights` instead of the pairs' own.
pub(crate) fn train_weighted(
    model: Model,
    pairs: &Pairs,
    weights: &[f64],
    options: &Options,
) -> Result<Trained, LearnError> {
    let whole = |whole: &dyn Fn(Trained) -> Trained, trained| whole(trained);
    train_rest(pairs, Some(weights), options, |training| training.train(model), whole)
}

/// [`train`] for all families, and the tests of heterogeneity.
///
/// # Errors
/// As [`train`].
///
/// ```
/// use prefstrength::Family;
/// use prefstrength_learn::{self as learn, LearnError, Options, Pairs};
/// let features = (0..4000).flat_map(|i| {
///     let sign = if i * i % 11 < 7 { 1.0 } else { -1.0 };
///     [sign * f64::from(i % 40), sign * f64::from(i % 9 - 4)]
/// });
/// let comparison = learn::train_all(&Pairs::new(features.collect(), 2)?, &Options::default())?;
/// println!("{}: score test z = {:?}", comparison.verdict(), comparison.score.map(|score| score.z));
/// # assert!(comparison.fits[Family::Fixed].log_likelihood < 0.0);
/// # Ok::<(), LearnError>(())
/// ```
pub fn train_all(pairs: &Pairs, options: &Options) -> Result<Comparison<Trained>, LearnError> {
    let expand = |whole: &dyn Fn(Trained) -> Trained, all: Comparison<Trained>| Comparison {
        fits: all.fits.map(|_, trained| whole(trained)),
        lapsed: all.lapsed.map(|_, trained| whole(trained)),
        curved: whole(all.curved),
        ..all
    };
    train_rest(pairs, None, options, |training| training.train_all(), expand)
}

/// Every family alone, with `weights` instead of the pairs' own.
pub(crate) fn train_families(
    pairs: &Pairs,
    weights: &[f64],
    options: &Options,
) -> Result<PerFamily<Trained>, LearnError> {
    let expand =
        |whole: &dyn Fn(Trained) -> Trained, fits: PerFamily<Trained>| fits.map(|_, trained| whole(trained));
    train_rest(pairs, Some(weights), options, |training| training.train_families(), expand)
}

/// `work` on what single features leave unseparated; `expand` says where fits are in what it made, which are to be fits
/// of the whole.
fn train_rest<R>(
    pairs: &Pairs,
    weights: Option<&[f64]>,
    options: &Options,
    work: impl Fn(&Training<'_>) -> Result<R, LearnError>,
    expand: impl Fn(&dyn Fn(Trained) -> Trained, R) -> R,
) -> Result<R, LearnError> {
    options.check()?;
    // With a ridge every weight has its maximum.
    let rest = if options.ridge == 0.0 { Rest::new(pairs, weights)? } else { None };
    let Some(rest) = rest else { return work(&Training::new(pairs, weights, options)?) };
    let found = Training::new(&rest.pairs, None, options).and_then(|training| work(&training));
    let whole = |trained: Trained| expand_trained(&rest, pairs, trained);
    found.map(|found| expand(&whole, found)).map_err(|error| rest.translate(error))
}

/// A fit of the rest as one of the whole.
pub(crate) fn expand_trained(rest: &Rest, pairs: &Pairs, trained: Trained) -> Trained {
    Trained {
        w: rest.expand_weights(pairs, &trained.w),
        separated: rest.separated.clone(),
        errors: expand_errors(rest, pairs.dim(), trained.errors),
        robust: expand_errors(rest, pairs.dim(), trained.robust),
        number: rest.number,
        weight: rest.weight,
        ..trained
    }
}

/// Of all features. Covariances with an infinite weight are none: there are none at all then.
fn expand_errors(rest: &Rest, dim: usize, errors: TrainedErrors) -> TrainedErrors {
    let w = errors.w.as_ref().map(|w| rest.expand_errors(dim, w));
    TrainedErrors { w, covariance: None, ..errors }
}

/// Pairs, weights and options that have been looked through.
struct Training<'a> {
    data: WeightedPairs<'a>,
    options: &'a Options,
    /// 1/τ².
    prior: f64,
    usual: UsualSizes,
    /// Of lengths of w.
    metric: Cholesky,
    weight: f64,
}

/// The fit of `Fixed`, and what the others want to know of it.
struct FixedTrained {
    trained: Trained,
    baseline: Baseline,
    /// Other policies to start from, made when they are first asked for.
    directions: OnceCell<Vec<Vec<f64>>>,
}

impl<'a> Training<'a> {
    /// `weights` instead of the pairs' own.
    fn new(pairs: &'a Pairs, weights: Option<&'a [f64]>, options: &'a Options) -> Result<Self, LearnError> {
        let prior = options.check()?;
        let data = WeightedPairs::new(pairs, weights);
        let weight = match data.weights() {
            Some(weights) => total_weight(weights)?,
            None => pairs.len() as f64,
        };
        let rows = || pairs.rows().enumerate().map(|(i, f)| (f, data.weight(i)));
        let usual = UsualSizes::measure(rows, pairs.dim());
        Ok(Self { metric: data.metric(options.ridge, &usual)?, usual, data, options, prior, weight })
    }

    fn train(&self, model: Model) -> Result<Trained, LearnError> {
        let fixed = self.train_fixed()?;
        if model.parameters() == 0 {
            return Ok(fixed.trained);
        }
        self.test_score(&fixed)?;
        if !(model.lapse && model.has_spread()) {
            return self.train_model(model, &fixed, &[]);
        }
        // At its boundary it is one of those that it contains.
        let spread = self.train_model(Model { lapse: false, ..model }, &fixed, &[])?;
        let noise = self.train_model(Model::new(Family::Fixed).with_lapse(), &fixed, &[])?;
        self.train_model(model, &fixed, &[&spread, &noise])
    }

    /// Every family alone.
    fn train_families(&self) -> Result<PerFamily<Trained>, LearnError> {
        let fixed = self.train_fixed()?;
        self.test_score(&fixed)?;
        self.families(&fixed)
    }

    fn families(&self, fixed: &FixedTrained) -> Result<PerFamily<Trained>, LearnError> {
        PerFamily::try_from_fn(|family| match has_spread(family) {
            true => self.train_model(family.into(), fixed, &[]),
            false => Ok(fixed.trained.clone()),
        })
    }

    /// Every model, and the score test.
    fn train_all(&self) -> Result<Comparison<Trained>, LearnError> {
        let fixed = self.train_fixed()?;
        let score = self.test_score(&fixed)?;
        let fits = self.families(&fixed)?;
        let noise = self.train_model(Model::new(Family::Fixed).with_lapse(), &fixed, &[])?;
        let lapsed = PerFamily::try_from_fn(|family| match has_spread(family) {
            true => self.train_model(Model::new(family).with_lapse(), &fixed, &[&fits[family], &noise]),
            false => Ok(noise.clone()),
        })?;
        let curved = self.train_model(Model::new(Family::Fixed).with_curvature(), &fixed, &[])?;
        let (ridge, groups) = (self.options.ridge, self.data.pairs.groups());
        let rows = |w: &[f64]| PairRows::new(self.data, groups, w);
        let people = match groups {
            Some(_) => test_people(&mut rows(&fixed.trained.w)?, ridge)?,
            None => None,
        };
        let beyond_noise = match noise.lapse > 0.0 && noise.is_maximum() {
            true => test_beyond(&mut rows(&noise.w)?, noise.lapse, Alternative::Spread, ridge)?,
            false => score,
        };
        let dependence = people.as_ref().map_or(1.0, |people| people.dependence.max(1.0));
        let ranked = rank(fits.values().chain(lapsed.values()).chain(weighed(&curved, self.options)));
        let rivals = rivals(&ranked, self.differences(&ranked)?);
        let best = ranked.first().map_or(Model::new(Family::Fixed), |fit| fit.model);
        let people_at_best = match (ranked.first(), groups) {
            (Some(best), Some(groups)) if people.is_some() && best.model.parameters() > 0 => {
                let mut between = BetweenAt::default();
                let margins = self.data.pairs.margins(&best.w)?;
                let model = Prepared::new(&best.curve(), margins.len());
                between.add(&model, &margins, self.data.weights(), groups)?;
                between.finish()
            }
            _ => None,
        };
        let cv = self.profile(describing(&fits), SPREAD, dependence, &fixed)?;
        let lapse = self.profile(&noise, LAPSE, dependence, &fixed)?;
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
            options: *self.options,
        })
    }

    /// z of the first model against the others.
    fn differences(&self, ranked: &[&Trained]) -> Result<Vec<Option<f64>>, LearnError> {
        let pairs = self.data.pairs;
        let losses = ranked.iter().map(|trained| compute_losses(pairs, trained));
        let losses = losses.collect::<Result<Vec<_>, _>>()?;
        let Some((best, others)) = losses.split_first() else { return Ok(Vec::new()) };
        let mut differences = Differences::new(others.len());
        for (i, &nll) in best.iter().enumerate().filter(|&(i, _)| self.data.weight(i) > 0.0) {
            let group = pairs.groups().map(|groups| groups[i]);
            differences.add(group, self.data.weight(i), nll, others.iter().map(|nll| nll[i]));
        }
        Ok(differences.finish())
    }

    /// Of the spread or the lapse of a model that has been fitted.
    fn profile(
        &self,
        fit: &Trained,
        shape: usize,
        kappa: f64,
        fixed: &FixedTrained,
    ) -> Result<Option<Profile>, LearnError> {
        if !fit.is_maximum() {
            return Ok(None);
        }
        let cap = self.options.max_cv.asinh();
        let s = fit.strength.v().sqrt().asinh();
        let r = if fit.model.lapse { r_of(fit.lapse) } else { 0.0 };
        let start = join(scale(&fit.w, s.cosh().recip()), [0.0, r, s]);
        let end = if shape == SPREAD { cap } else { ENDS[LAPSE] };
        let zero = Some(join(fixed.trained.w.iter().copied(), [0.0; SHAPES]));
        find_profile(
            &mut self.loss(fit.model, self.metric.square(&fit.w).sqrt()),
            shape,
            start,
            zero,
            end,
            kappa,
        )
    }

    fn loss(&self, model: Model, reference: f64) -> PairLoss<'_> {
        let Self { data, prior, metric, .. } = self;
        PairLoss { data: *data, model, ridge: self.options.ridge, prior: *prior, metric, reference }
    }

    /// `None` where one pair far beyond the others leaves these no margins at plain DPO, which elsewhere they have.
    fn test_score(&self, fixed: &FixedTrained) -> Result<Option<ScoreTest>, LearnError> {
        let test = |w: &Vec<f64>| test_pairs(&self.data, w, self.options.ridge);
        match test(&fixed.trained.w) {
            Err(LearnError::OneSize)
                if self.usual.shrunk && self.other_directions(fixed).iter().any(|w| test(w).is_ok()) =>
            {
                Ok(None)
            }
            other => other.map(Some),
        }
    }

    fn other_directions<'f>(&self, fixed: &'f FixedTrained) -> &'f [Vec<f64>] {
        fixed.directions.get_or_init(|| find_directions(&self.data, &self.metric, &self.usual))
    }

    fn train_fixed(&self) -> Result<FixedTrained, LearnError> {
        let model = Model::new(Family::Fixed);
        let (mut loss, limit) = (self.loss(model, 0.0), self.options.max_iterations);
        let mut found: Option<Solution> = None;
        // The loss is convex: from wherever the search converges there is no other minimum.
        for start in find_fixed_starts(&self.data, &self.usual, self.options.ridge) {
            let here = descend(&mut loss, start, 0.0, limit, &[])?;
            found = least(found.into_iter().chain(here).collect());
            if found.as_ref().is_some_and(|found| found.converged) {
                break;
            }
        }
        let mut solution = found.ok_or(LearnError::Separable)?;
        // There is a minimum unless a direction of w separates the pairs.
        if self.options.ridge == 0.0 && self.is_separable(&solution) {
            return Err(LearnError::Separable);
        }
        // One pair far beyond the others may be moved on and on, for a gain that is rounding.
        solution.converged |= solution.iterations < limit && solution.gradient < NOTHING_LEFT;
        let status = if solution.converged { FitStatus::Fixed } else { FitStatus::NotConverged };
        let baseline = Baseline {
            value: solution.point.value,
            is_maximum: solution.converged,
            falling: solution.point.d_v >= 0.0,
        };
        let trained = self.finish(model, status, &solution)?;
        Ok(FixedTrained { trained, baseline, directions: OnceCell::new() })
    }

    /// Whether the policy that a search ended with, or the direction that it was going in, puts no pair the wrong way
    /// round.
    fn is_separable(&self, solution: &Solution) -> bool {
        let u = solution.point.scale();
        let zero = u.iter().all(|&u| u == 0.0);
        if !zero && self.data.counting_rows().all(|f| dot(u, f) >= 0.0) {
            return true;
        }
        // Out of iterations is another matter.
        if solution.converged || solution.iterations >= self.options.max_iterations {
            return false;
        }
        // Without curvature there is a direction in which nothing changes any more.
        let Some(hessian) = &solution.hessian else { return true };
        let mut step = scale(&solution.point.gradient[..u.len()], -1.0);
        hessian.solve(&mut step);
        // Pairs that a separating direction leaves open are across it; those that it has made sure may move either way.
        let length = self.metric.square(&step).sqrt();
        !self.data.counting_rows().any(|f| {
            let mut x = f.to_vec();
            self.metric.solve_lower(&mut x);
            dot(u, f).abs() < OPEN && dot(&step, f) < -WRONG_WAY * length * dot(&x, &x).sqrt()
        })
    }

    /// A model with shapes, above plain DPO and the models that it contains.
    fn train_model(
        &self,
        model: Model,
        fixed: &FixedTrained,
        nested: &[&Trained],
    ) -> Result<Trained, LearnError> {
        let (cap, w) = (self.options.max_cv.asinh(), &fixed.trained.w);
        let mut starts: Vec<Vec<f64>> = nested.iter().map(|trained| start_at(model, trained, cap)).collect();
        let others = self.other_directions(fixed);
        if nested.is_empty() {
            starts.extend(start_beside(model, w, cap));
            if !model.has_spread() {
                // The others are found along a spread; here they are starts themselves.
                starts.extend(others.iter().flat_map(|w| start_beside(model, w, cap)));
            }
            for w in std::iter::once(w).chain(others) {
                starts.extend(start_along(&self.data, w, model, self.options.max_cv));
            }
        }
        // That of plain DPO may be next to nothing by one pair far beyond the others.
        let known = std::iter::once(w).chain(others.iter().filter(|_| self.usual.shrunk));
        let reference = known.fold(0.0, |most: f64, w| most.max(self.metric.square(w).sqrt()));
        let mut loss = self.loss(model, reference);
        let solutions = find_minima(&mut loss, starts, cap, self.options.max_iterations)?;
        // No family refuses the starts.
        let best = least(solutions).ok_or(ParamError::MeanOutOfRange)?;
        // What a smaller model says as well, it says.
        let value = |trained: &Trained| trained.log_likelihood - trained.penalty;
        let smaller = nested.iter().filter(|trained| trained.is_maximum());
        let smaller = smaller.reduce(|a, b| if value(b) > value(a) { b } else { a });
        if let Some(smaller) = smaller.filter(|other| -best.point.value - value(other) <= least_gain(&best)) {
            return Ok(Trained { model, status: FitStatus::Boundary, ..(**smaller).clone() });
        }
        match classify(&best, Some(&fixed.baseline), model.shapes()) {
            status @ FitStatus::Boundary => {
                let strength = AnyStrength::from_mean_v(model.family, 1.0, 0.0)?;
                Ok(Trained { model, status, strength, ..fixed.trained.clone() })
            }
            status => self.finish(model, status, &best),
        }
    }

    fn finish(&self, model: Model, status: FitStatus, found: &Solution) -> Result<Trained, LearnError> {
        let point = &found.point;
        let (outer, robust_units) = match status {
            FitStatus::Fixed | FitStatus::Interior => self.sum_scores(model, found)?,
            _ => (None, None),
        };
        let covariance = Covariance::new(found, outer);
        Ok(Trained {
            model,
            status,
            strength: AnyStrength::from_mean_v(model.family, 1.0, point.v())?,
            lapse: point.epsilon(),
            curvature: point.gamma(),
            w: scale(point.scale(), point.s().cosh()),
            separated: Vec::new(),
            log_likelihood: -point.nll,
            penalty: point.value - point.nll,
            errors: trained_errors(status, &covariance, Variance::Observed),
            robust: trained_errors(status, &covariance, Variance::Robust),
            robust_units,
            gradient: found.gradient,
            iterations: found.iterations,
            number: self.data.pairs.len(),
            weight: self.weight,
        })
    }

    /// Σ ggᵀ over groups, or over pairs without groups, in the scale and the free shapes.
    fn sum_scores(
        &self,
        model: Model,
        found: &Solution,
    ) -> Result<(Option<Vec<f64>>, Option<usize>), LearnError> {
        let Some(scores) = self.loss(model, 0.0).scores(&found.point)? else { return Ok((None, None)) };
        let pairs = self.data.pairs;
        let (d, n) = (pairs.dim(), pairs.dim() + found.free.len());
        let mut order: Vec<usize> = (0..pairs.len()).filter(|&i| self.data.weight(i) > 0.0).collect();
        let group = |i: usize| pairs.groups().map(|groups| groups[i]);
        // One group after the other: one sum at a time is kept.
        order.sort_by_key(|&i| group(i));
        let (mut outer, mut sum, mut groups) = (vec![0.0; n * n], vec![0.0; n], 0);
        for same in order.chunk_by(|&a, &b| group(a).is_some() && group(a) == group(b)) {
            sum.fill(0.0);
            for &i in same {
                let (weight, score) = (self.data.weight(i), &scores[i]);
                // Without groups a weight counts as repetition, and the square is of one of them.
                let weight = if pairs.groups().is_some() { weight } else { weight.sqrt() };
                add_scaled(&mut sum[..d], weight * score.slope, pairs.block(i..i + 1));
                for (to, &k) in sum[d..].iter_mut().zip(&found.free) {
                    *to += weight * score.shapes[k];
                }
            }
            add_outer(&mut outer, 1.0, &sum);
            groups += 1;
        }
        let groups = pairs.groups().map(|_| groups);
        // The scores of few groups add up to 0, and say next to nothing of how much they vary.
        let enough = groups.is_none_or(|groups| groups >= GROUPS);
        Ok((Some(outer).filter(|_| enough), groups))
    }
}

/// By one of the two variances.
pub(crate) fn trained_errors(status: FitStatus, of: &Covariance<'_>, by: Variance) -> TrainedErrors {
    if !matches!(status, FitStatus::Fixed | FitStatus::Interior) {
        return TrainedErrors::default();
    }
    let error = |a: Option<Vec<f64>>| a.and_then(|a| root(of.variance(by, &a, &a)));
    let weights: Vec<Vec<f64>> = (0..of.dim()).map(|j| of.weight(j)).collect();
    let covariances = || weights.iter().flat_map(|a| weights.iter().map(|b| of.variance(by, a, b))).collect();
    TrainedErrors {
        w: weights.iter().map(|a| root(of.variance(by, a, a))).collect(),
        covariance: if weights.len() <= COVARIANCES { covariances() } else { None },
        v: error(of.v()),
        cv: error(of.cv()),
        lapse: error(of.lapse()),
        curvature: error(of.curvature()),
    }
}

/// Where a smaller model ended, moved off the boundary of this one.
pub(crate) fn start_at(model: Model, trained: &Trained, cap: f64) -> Vec<f64> {
    let s = trained.strength.v().sqrt().asinh();
    let u = scale(&trained.w, s.cosh().recip());
    let [curvature, lapse, spread] = model.shapes();
    let shapes = [
        if curvature { trained.curvature.ln() } else { 0.0 },
        if lapse { r_of(trained.lapse).clamp(0.1, 1.5) } else { 0.0 },
        if spread { s.clamp(0.1, 0.95 * cap) } else { 0.0 },
    ];
    join(u, shapes)
}

/// Of all pairs under a fit.
pub(crate) fn compute_losses(pairs: &Pairs, trained: &Trained) -> Result<Vec<f64>, LearnError> {
    let margins = pairs.margins(&trained.w)?;
    let loss = Prepared::new(&trained.curve(), margins.len());
    let (mut bent, mut nll) = (Vec::new(), vec![0.0; margins.len()]);
    loss.evaluate(loss.bend(&margins, &mut bent), None, Rows::new().nll(&mut nll))?;
    Ok(nll)
}
