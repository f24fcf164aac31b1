//! A linear policy and p(β) by maximum likelihood, together.

use crate::cholesky::{Cholesky, dot};
use crate::compare::{Comparison, Fitted};
use crate::data::pairs::{Pairs, total_weight};
use crate::descent::{Baseline, Solution, classify, descend, find_minima, least};
use crate::error::LearnError;
use crate::objective::pairs::{PairLoss, WeightedPairs, scale};
use crate::options::Options;
use crate::prepared::{Prepared, has_spread};
use crate::score::{ScoreTest, Squares, test_pairs};
use crate::starts::{find_second_direction, start_along, start_beside};
use crate::status::FitStatus;
use core::cell::OnceCell;
use prefstrength::batch::{Batch, Rows};
use prefstrength::{AnyStrength, Family, ParamError, PerFamily};

/// Standard errors of a [`Trained`]; `None` where the information is not positive, and where there is no maximum.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct TrainedErrors {
    /// Of w, by the observed information (with the penalties' share); at the boundary, at v = 0.
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
    /// The policy: margin = w·f.
    pub w: Vec<f64>,
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
/// * What is found is stationary ([`Trained::gradient`]) and no worse than v = 0; that nothing else is better yet,
///   the starts make likely and not certain. It asks for many more pairs than features: with ten pairs a feature, there
///   is mostly no maximum.
/// * Time: some 40 passes of n·(40 ns + d²/10 ns) per family, n pairs of d features.
/// * For a policy that is not linear, train [`StrengthParams`](crate::StrengthParams) beside it.
///
/// # Errors
/// [`LearnError`] before anything is fitted: [`LearnError::MaxCv`], [`LearnError::Ridge`],
/// [`LearnError::PriorCv`]; without a ridge [`LearnError::Collinear`] features and [`LearnError::Separable`] pairs,
/// which have no maximum; with a spread to learn [`LearnError::OneSize`] where the margins of plain DPO say nothing
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
    let training = Training::new(pairs, None, options)?;
    let fixed = training.train_fixed()?;
    if !has_spread(family) {
        return Ok(fixed.trained);
    }
    training.test_score(&fixed)?;
    training.train_spread(family, &fixed)
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
/// println!("{}: score test z = {}, p = {}", comparison.verdict(), comparison.score.z, comparison.score.p);
/// # assert!(comparison.fits[Family::Fixed].log_likelihood < 0.0);
/// # Ok::<(), LearnError>(())
/// ```
pub fn train_all(pairs: &Pairs, options: &Options) -> Result<Comparison<Trained>, LearnError> {
    let (fits, score) = Training::new(pairs, None, options)?.train_all()?;
    Ok(Comparison { fits, score, options: *options })
}

/// Pairs, weights and options that have been looked through.
pub(crate) struct Training<'a> {
    data: WeightedPairs<'a>,
    options: &'a Options,
    /// 1/τ².
    prior: f64,
    /// Of lengths of w.
    metric: Cholesky,
    weight: f64,
}

/// The fit of `Fixed`, and what the others want to know of it.
struct FixedTrained {
    trained: Trained,
    baseline: Baseline,
    /// Another policy to start from, made when it is first asked for.
    direction: OnceCell<Option<Vec<f64>>>,
}

impl<'a> Training<'a> {
    /// `weights` instead of the pairs' own.
    pub(crate) fn new(
        pairs: &'a Pairs,
        weights: Option<&'a [f64]>,
        options: &'a Options,
    ) -> Result<Self, LearnError> {
        let prior = options.check()?;
        let data = WeightedPairs::new(pairs, weights);
        let weight = match data.weights() {
            Some(weights) => total_weight(weights)?,
            None => pairs.len() as f64,
        };
        Ok(Self { metric: data.metric(options.ridge)?, data, options, prior, weight })
    }

    /// Every family, and the score test.
    pub(crate) fn train_all(&self) -> Result<(PerFamily<Trained>, ScoreTest), LearnError> {
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

    fn test_score(&self, fixed: &FixedTrained) -> Result<ScoreTest, LearnError> {
        test_pairs(&self.data, &fixed.trained.w, self.options.ridge)
    }

    fn train_fixed(&self) -> Result<FixedTrained, LearnError> {
        let (start, limit) = (vec![0.0; self.data.pairs.dim() + 1], self.options.max_iterations);
        let found = descend(&mut self.loss(Family::Fixed, 0.0), start, 0.0, limit, &[])?;
        let solution = found.ok_or(LearnError::Separable)?;
        let (u, _) = solution.point.split();
        // The loss is convex, and has a minimum unless a direction of w separates the pairs.
        let separable = self.data.counting_rows().all(|f| dot(u, f) >= 0.0);
        if self.options.ridge == 0.0 {
            let zero = u.iter().all(|&u| u == 0.0);
            // Out of iterations is another matter.
            let astray = !solution.converged && solution.iterations < limit;
            if astray || (separable && !zero) {
                return Err(LearnError::Separable);
            }
        }
        let status = if solution.converged { FitStatus::Fixed } else { FitStatus::NotConverged };
        let baseline = Baseline {
            value: solution.point.value,
            is_maximum: solution.converged,
            falling: solution.point.d_v >= 0.0,
        };
        let trained = self.finish(Family::Fixed, status, &solution)?;
        Ok(FixedTrained { trained, baseline, direction: OnceCell::new() })
    }

    fn train_spread(&self, family: Family, fixed: &FixedTrained) -> Result<Trained, LearnError> {
        let (cap, w) = (self.options.max_cv.asinh(), &fixed.trained.w);
        let other = fixed.direction.get_or_init(|| find_second_direction(&self.data, &self.metric));
        let mut starts = start_beside(w, cap);
        for w in [Some(w), other.as_ref()].into_iter().flatten() {
            starts.extend(start_along(&self.data, w, family, self.options.max_cv));
        }
        let mut loss = self.loss(family, self.metric.square(w).sqrt());
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
            FitStatus::Boundary | FitStatus::Unbounded | FitStatus::NotConverged => return Ok(none),
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
