//! A linear policy and p(β) by maximum likelihood, together.

use crate::cholesky::{Cholesky, dot};
use crate::compare::{Comparison, Fitted};
use crate::data::pairs::{Pairs, total_weight};
use crate::data::sizes::UsualSizes;
use crate::descent::{Baseline, Solution, classify, descend, find_minima, least};
use crate::error::LearnError;
use crate::objective::pairs::{PairLoss, WeightedPairs, scale};
use crate::options::Options;
use crate::prepared::{Prepared, has_spread};
use crate::score::{ScoreTest, Squares, test_pairs};
use crate::separation::{Rest, Separated};
use crate::starts::{find_directions, find_fixed_starts, start_along, start_beside};
use crate::status::FitStatus;
use core::cell::OnceCell;
use prefstrength::batch::{Batch, Rows};
use prefstrength::{AnyStrength, Family, ParamError, PerFamily};

/// Size of margins of pairs that are open.
const OPEN: f64 = 10.0;
/// Cosine between a direction and a pair that it turns the wrong way.
const WRONG_WAY: f64 = 0.01;
/// Gradient norm at which what is left to gain is rounding.
const NOTHING_LEFT: f64 = 1e-5;

/// Standard errors of a [`Trained`]; `None` where the information is not positive, and where there is no maximum.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct TrainedErrors {
    /// Of w, by the observed information (with the penalties' share); at the boundary, at v = 0. Infinite for a feature
    /// that is [`separated`](Trained::separated), stored as null.
    #[cfg_attr(feature = "serde", serde(with = "crate::separation::infinite_as_null"))]
    pub w: Option<Vec<f64>>,
    /// Of v, likewise.
    pub v: Option<f64>,
    /// Of cv, by the delta method.
    pub cv: Option<f64>,
    /// Of cv by the sandwich H⁻¹(Σ ggᵀ)H⁻¹, with scores g summed within groups first if the pairs have groups:
    /// it holds for dependent choices of one group, and asks for many groups. `None` for fewer than
    /// [`GROUPS`](crate::limits::GROUPS).
    pub cv_robust: Option<f64>,
}

/// A linear policy and a p(β) with E\[β\] = 1, learned together, or what there is instead.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Trained {
    /// The family that was asked for.
    pub family: Family,
    /// What became of the spread; this is a fit at `Fixed`, `Boundary` and `Interior`.
    pub status: FitStatus,
    /// p(β); its mean is 1, since its scale is one of w.
    pub strength: AnyStrength,
    /// The policy: margin = w·f. Of a feature that is [`separated`](Self::separated), the least weight that makes the
    /// margin of every pair that it separates 40 or more: there σ is 1 to rounding, and whatever is computed from w
    /// stays finite.
    pub w: Vec<f64>,
    /// Features whose weights are infinite, one after the other; all else is the exact limit, to which their pairs
    /// contribute ln 1 = 0. Empty with a ridge.
    pub separated: Vec<Separated>,
    /// Σ w ln E\[σ(β w·f)\] there, without penalties.
    pub log_likelihood: f64,
    /// ½λ|w|² + ½cv²/τ².
    pub penalty: f64,
    /// Standard errors.
    pub errors: TrainedErrors,
    /// Gradient at the end, √(gᵀH⁻¹g): in units of standard errors. Infinite where H is not positive definite.
    pub gradient: f64,
    /// Iterations of Newton's method that led there.
    pub iterations: u32,
    /// How many pairs.
    pub number: usize,
    /// Their total weight, which counts as sample size.
    pub weight: f64,
}

impl Fitted for Trained {
    fn status(&self) -> FitStatus {
        self.status
    }
    fn log_likelihood(&self) -> f64 {
        self.log_likelihood
    }
    fn penalty(&self) -> f64 {
        self.penalty
    }
    /// Those of w, and the spread: the mean of β is none.
    fn parameter_count(&self) -> usize {
        self.w.len() + self.family.parameters().len() - 1
    }
    fn weight(&self) -> f64 {
        self.weight
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
pub fn train(family: Family, pairs: &Pairs, options: &Options) -> Result<Trained, LearnError> {
    train_rest(pairs, None, options, |training| training.train(family), |whole, trained| whole(trained))
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
/// println!("{}: score test {:?}", comparison.verdict(), comparison.score);
/// # assert!(comparison.fits[Family::Fixed].log_likelihood < 0.0);
/// # Ok::<(), LearnError>(())
/// ```
pub fn train_all(pairs: &Pairs, options: &Options) -> Result<Comparison<Trained>, LearnError> {
    let (fits, score) = train_all_weighted(pairs, None, options)?;
    Ok(Comparison { fits, score, options: *options })
}

/// Every family, and the score test, with `weights` instead of the pairs' own.
pub(crate) fn train_all_weighted(
    pairs: &Pairs,
    weights: Option<&[f64]>,
    options: &Options,
) -> Result<(PerFamily<Trained>, Option<ScoreTest>), LearnError> {
    let expand = |whole: &dyn Fn(Trained) -> Trained,
                  (fits, score): (PerFamily<Trained>, Option<ScoreTest>)| {
        (fits.map(|_, trained| whole(trained)), score)
    };
    train_rest(pairs, weights, options, |training| training.train_all(), expand)
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
    let whole = |trained: Trained| Trained {
        w: rest.expand_weights(pairs, &trained.w),
        separated: rest.separated.clone(),
        errors: TrainedErrors {
            w: trained.errors.w.as_ref().map(|w| rest.expand_errors(pairs.dim(), w)),
            ..trained.errors
        },
        number: rest.number,
        weight: rest.weight,
        ..trained
    };
    found.map(|found| expand(&whole, found)).map_err(|error| rest.translate(error))
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

    fn train(&self, family: Family) -> Result<Trained, LearnError> {
        let fixed = self.train_fixed()?;
        if !has_spread(family) {
            return Ok(fixed.trained);
        }
        self.test_score(&fixed)?;
        self.train_spread(family, &fixed)
    }

    /// Every family, and the score test.
    fn train_all(&self) -> Result<(PerFamily<Trained>, Option<ScoreTest>), LearnError> {
        let fixed = self.train_fixed()?;
        let score = self.test_score(&fixed)?;
        let fits = PerFamily::try_from_fn(|family| match has_spread(family) {
            true => self.train_spread(family, &fixed),
            false => Ok(fixed.trained.clone()),
        })?;
        Ok((fits, score))
    }

    fn loss(&self, family: Family, reference: f64) -> PairLoss<'_> {
        let Self { data, prior, metric, .. } = self;
        PairLoss { data: *data, family, ridge: self.options.ridge, prior: *prior, metric, reference }
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
        let (mut loss, limit) = (self.loss(Family::Fixed, 0.0), self.options.max_iterations);
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
        let trained = self.finish(Family::Fixed, status, &solution)?;
        Ok(FixedTrained { trained, baseline, directions: OnceCell::new() })
    }

    /// Whether the policy that a search ended with, or the direction that it was going in, puts no pair the wrong way
    /// round.
    fn is_separable(&self, solution: &Solution) -> bool {
        let (u, _) = solution.point.split();
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

    fn train_spread(&self, family: Family, fixed: &FixedTrained) -> Result<Trained, LearnError> {
        let (cap, w) = (self.options.max_cv.asinh(), &fixed.trained.w);
        let others = self.other_directions(fixed);
        let mut starts = start_beside(w, cap);
        for w in std::iter::once(w).chain(others) {
            starts.extend(start_along(&self.data, w, family, self.options.max_cv));
        }
        // That of plain DPO may be next to nothing by one pair far beyond the others.
        let known = std::iter::once(w).chain(others.iter().filter(|_| self.usual.shrunk));
        let reference = known.fold(0.0, |most: f64, w| most.max(self.metric.square(w).sqrt()));
        let mut loss = self.loss(family, reference);
        let solutions = find_minima(&mut loss, starts, cap, self.options.max_iterations)?;
        // No family refuses the starts.
        let best = least(solutions).ok_or(ParamError::MeanOutOfRange)?;
        match classify(&best, Some(&fixed.baseline)) {
            status @ FitStatus::Boundary => {
                let strength = AnyStrength::from_mean_v(family, 1.0, 0.0)?;
                Ok(Trained { family, status, strength, ..fixed.trained.clone() })
            }
            status => self.finish(family, status, &best),
        }
    }

    fn finish(&self, family: Family, status: FitStatus, found: &Solution) -> Result<Trained, LearnError> {
        let point = &found.point;
        let (u, s) = point.split();
        Ok(Trained {
            family,
            status,
            strength: AnyStrength::from_mean_v(family, 1.0, point.v())?,
            w: scale(u, s.cosh()),
            separated: Vec::new(),
            log_likelihood: -point.nll,
            penalty: point.value - point.nll,
            errors: self.standard_errors(family, status, found)?,
            gradient: found.gradient,
            iterations: found.iterations,
            number: self.data.pairs.len(),
            weight: self.weight,
        })
    }

    fn standard_errors(
        &self,
        family: Family,
        status: FitStatus,
        found: &Solution,
    ) -> Result<TrainedErrors, LearnError> {
        let none = TrainedErrors::default();
        let Some(hessian) = &found.hessian else { return Ok(none) };
        let (u, s) = found.point.split();
        let d = u.len();
        let free = match status {
            FitStatus::Fixed => d,
            FitStatus::Interior => d + 1,
            FitStatus::MeanZero | FitStatus::Boundary | FitStatus::Unbounded | FitStatus::NotConverged => {
                return Ok(none);
            }
        };
        let w = u.iter().enumerate().map(|(i, u)| {
            let mut a = vec![0.0; free];
            // w = u cosh s.
            a[i] = s.cosh();
            if free > d {
                a[d] = u * s.sinh();
            }
            found.standard_error(a)
        });
        let w = w.collect();
        if free == d {
            return Ok(TrainedErrors { w, ..none });
        }
        let mut e = vec![0.0; free];
        e[d] = 1.0;
        let of_s = found.standard_error(e.clone());
        hessian.solve(&mut e);
        let robust = self.standard_error_by_scores(family, u, s, &e)?;
        Ok(TrainedErrors {
            w,
            v: of_s.map(|e| e * (2.0 * s).sinh()),
            cv: of_s.map(|e| e * s.cosh()),
            cv_robust: robust.map(|e| e * s.cosh()),
        })
    }

    /// √(xᵀ(Σ ggᵀ)x), g the scores in (u, s), for the x = H⁻¹e_s of a sandwich.
    fn standard_error_by_scores(
        &self,
        family: Family,
        u: &[f64],
        s: f64,
        x: &[f64],
    ) -> Result<Option<f64>, LearnError> {
        let (pairs, d) = (self.data.pairs, u.len());
        let margins = pairs.margins(&scale(u, s.cosh()))?;
        let strength = AnyStrength::from_mean_v(family, 1.0, s.sinh().powi(2))?;
        let mut rows = [(); 3].map(|()| vec![0.0; margins.len()]);
        let [slope, mean, v] = &mut rows;
        let to = Rows::new().d_margin(slope).d_params([mean, v]);
        Prepared::new(&strength, margins.len()).evaluate(&Batch::new(&margins), to)?;
        let [slope, mean, v] = &rows;
        let mut squares = Squares::new(pairs.groups());
        for (i, f) in pairs.rows().enumerate() {
            let along_s = s.tanh() * mean[i] + (2.0 * s).sinh() * v[i];
            let g = s.cosh() * slope[i] * dot(&x[..d], f) + x[d] * along_s;
            squares.add(i, self.data.weight(i), g);
        }
        Ok(squares.sum().map(f64::sqrt).filter(|&sum| sum > 0.0 && sum.is_finite()))
    }
}
