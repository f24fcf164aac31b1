//! A linear policy and p(β) by maximum likelihood, together.

use super::beta::Prepared;
use super::cholesky::{Cholesky, add_scaled, dot};
use super::heterogeneity::least;
use super::joint::{Problem, Solution};
use super::pairs::total_weight;
use super::{Beta, Family, LearnError, LikelihoodRatio, Pairs, ScoreTest, Spread, Verdict, starts};
use crate::batch::{Batch, Rows};
use crate::special::sigmoid;
use core::cell::OnceCell;
use core::cmp::Ordering;
use std::collections::BTreeMap;

/// Gain in what is maximised over `Fixed` that is none.
const NO_GAIN: f64 = 1e-6;
/// Where the spread starts beside the w of `Fixed`: s of v = sinh² s. From well inside, also where the likelihood
/// falls as v leaves 0: it is not concave, and a local maximum at the boundary proves little.
const STARTS: [f64; 2] = [0.8, 1.6];
/// A policy so many times as long as that of `Fixed`, and no end of it, is on its way to infinity.
const FAR: f64 = 1e3;

/// Limits and penalties of [`train`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct TrainOptions {
    /// Largest cv that a fit may take, 1/8 to 100, 5 by default; as [`Options::max_cv`](super::Options::max_cv).
    pub max_cv: f64,
    /// Most iterations of Newton's method from one start, 100 by default.
    pub max_iterations: u32,
    /// λ ≥ 0 of the penalty ½λ|w|²: a normal prior of variance 1/λ on every weight, in the units of its feature.
    /// 0, none, by default.
    pub ridge: f64,
    /// τ > 0 of the penalty ½cv²/τ²: a half-normal prior on cv. None by default.
    pub prior_cv: Option<f64>,
}

impl Default for TrainOptions {
    fn default() -> Self {
        Self { max_cv: 5.0, max_iterations: 100, ridge: 0.0, prior_cv: None }
    }
}

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
    /// it holds for dependent choices of one group, and asks for many groups. `None` for fewer than 10.
    pub cv_robust: Option<f64>,
}

/// A linear policy and a p(β) with E\[β\] = 1, learned together, or what there is instead.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Trained {
    /// The family that was asked for.
    pub family: Family,
    /// What became of the spread; this is a fit at `Fixed`, `Boundary` and `Interior`.
    pub spread: Spread,
    /// p(β); its mean is 1, since its scale is one of w.
    pub beta: Beta,
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

impl Trained {
    /// Whether there is a maximum, and it was found.
    #[must_use]
    pub fn is_maximum(&self) -> bool {
        !matches!(self.spread, Spread::Unbounded | Spread::NotConverged)
    }

    /// Akaike's criterion, 2k − 2 ln L, k weights and, but for `Fixed`, one spread; `None` without a maximum,
    /// and with penalties.
    #[must_use]
    pub fn aic(&self) -> Option<f64> {
        self.criterion(2.0)
    }

    /// Schwarz's criterion, k ln n − 2 ln L, n the total weight; `None` without a maximum, with penalties, and for
    /// n < 1.
    #[must_use]
    pub fn bic(&self) -> Option<f64> {
        self.criterion(self.weight.ln())
    }

    fn criterion(&self, price: f64) -> Option<f64> {
        let parameters = self.w.len() as f64 + f64::from(self.family.parameters() - 1);
        (self.is_maximum() && self.penalty == 0.0 && price >= 0.0)
            .then_some(parameters * price - 2.0 * self.log_likelihood)
    }
}

/// All families trained on the same pairs, and the tests.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct TrainingReport {
    /// Plain DPO.
    pub fixed: Trained,
    /// Gamma.
    pub gamma: Trained,
    /// LogNormal.
    pub lognormal: Trained,
    /// The score test at plain DPO, with all of w as nuisance. It is of the form that holds for any good estimate
    /// of w; with a ridge, w goes one step of Newton's method without it first (J. Neyman's C(α)); `z` by the expected information, `z_outer` by the
    /// sum of squares of efficient scores, summed within groups first if the pairs have groups.
    pub score: ScoreTest,
    /// The options.
    pub options: TrainOptions,
}

impl TrainingReport {
    /// That of a family.
    #[must_use]
    pub fn fit(&self, family: Family) -> &Trained {
        match family {
            Family::Fixed => &self.fixed,
            Family::Gamma => &self.gamma,
            Family::LogNormal => &self.lognormal,
        }
    }

    /// Of a family against `Fixed`, in what was maximised: with penalties, twice the gain in the penalised
    /// log-likelihood, for which the distribution is an approximation. `None` without a maximum of both, and for
    /// `Fixed` itself.
    #[must_use]
    pub fn likelihood_ratio(&self, family: Family) -> Option<LikelihoodRatio> {
        let (fit, fixed) = (self.fit(family), &self.fixed);
        if family == Family::Fixed || !fit.is_maximum() || !fixed.is_maximum() {
            return None;
        }
        let value = |t: &Trained| t.log_likelihood - t.penalty;
        Some(LikelihoodRatio::of(value(fit) - value(fixed)))
    }

    /// The family with the least AIC.
    #[must_use]
    pub fn best_by_aic(&self) -> Option<Family> {
        least(|family| self.fit(family).aic())
    }

    /// The family with the least BIC.
    #[must_use]
    pub fn best_by_bic(&self) -> Option<Family> {
        least(|family| self.fit(family).bic())
    }

    /// All of it in one sentence; as [`Report::verdict`](super::Report::verdict).
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let ratios = Family::ALL.map(|family| self.likelihood_ratio(family));
        Verdict::of(Family::ALL.map(|family| self.fit(family).spread), &ratios, self.options.max_cv)
    }
}

/// The linear policy w and the spread of β under which the choices are likeliest, E\[β\] = 1: it maximises
/// Σ w ln E\[σ(β w·f)\] − ½λ|w|² − ½cv²/τ² over w and v = cv² ≥ 0.
///
/// * Method: Newton's in (u, s), w = u cosh s, v = sinh² s, which takes out most of the correlation (above 0.9)
///   between the scale of w and the spread; damped; the best of the maxima that several starts lead to, along the w of
///   `Fixed` and along one that no single pair can bend. Second derivatives are differences of analytic gradients. Feature `rayon`: on several threads, the same
///   bits.
/// * What is found is stationary ([`Trained::gradient`]) and no worse than v = 0; that nothing else is better yet,
///   the starts make likely and not certain. It asks for many more pairs than features: with ten pairs a feature, there
///   is mostly no maximum.
/// * Time: some 40 passes of n·(40 ns + d²/10 ns) per family, n pairs of d features.
/// * For a policy that is not linear, train a [`Trainable`](super::Trainable) beside it.
///
/// # Errors
/// [`LearnError`] before anything is fitted: [`LearnError::MaxCv`], [`LearnError::Ridge`],
/// [`LearnError::PriorCv`]; without a ridge [`LearnError::Collinear`] features and [`LearnError::Separable`] pairs,
/// which have no maximum; with a spread to learn [`LearnError::OneSize`] where the margins of plain DPO say nothing
/// about it.
///
/// ```
/// use prefstrength::learn::{self, Family, Pairs, Spread, TrainOptions};
/// // Someone who decides by the first feature, the more often the larger it is, but never always.
/// let mut features = Vec::new();
/// for i in 0..3000 {
///     let (first, second) = (f64::from(i % 30 + 1) / 10.0, f64::from(i % 7 - 3));
///     let sign = if i % 4 < 3 { 1.0 } else { -1.0 };
///     features.extend([sign * first, sign * second]);
/// }
/// let pairs = Pairs::new(features, 2)?;
/// let trained = learn::train(Family::Gamma, &pairs, &TrainOptions::default())?;
/// println!("w = {:?}, cv {} ± {:?}", trained.w, trained.beta.cv(), trained.errors.cv);
/// // Three of four at any size of the margin: only β next to 0 or far from it explains that.
/// assert_eq!(trained.spread, Spread::Unbounded);
/// let bounded = TrainOptions { prior_cv: Some(1.0), ..TrainOptions::default() };
/// assert_eq!(learn::train(Family::Gamma, &pairs, &bounded)?.spread, Spread::Interior);
/// # Ok::<(), learn::LearnError>(())
/// ```
pub fn train(family: Family, pairs: &Pairs, options: &TrainOptions) -> Result<Trained, LearnError> {
    let problem = Training::new(pairs, None, options)?;
    let fixed = problem.fixed()?;
    if family == Family::Fixed {
        return Ok(fixed.trained);
    }
    problem.score_test(&fixed.trained.w)?;
    problem.spread(family, &fixed)
}

/// [`train`] for all families, and the tests of heterogeneity.
///
/// # Errors
/// As [`train`].
///
/// ```
/// use prefstrength::learn::{self, Family, Pairs, TrainOptions};
/// let features = (0..4000).flat_map(|i| {
///     let sign = if i * i % 11 < 7 { 1.0 } else { -1.0 };
///     [sign * f64::from(i % 40), sign * f64::from(i % 9 - 4)]
/// });
/// let report = learn::train_all(&Pairs::new(features.collect(), 2)?, &TrainOptions::default())?;
/// println!("{}: score test z = {}, p = {}", report.verdict(), report.score.z, report.score.p);
/// # assert!(report.fixed.log_likelihood < 0.0);
/// # Ok::<(), learn::LearnError>(())
/// ```
pub fn train_all(pairs: &Pairs, options: &TrainOptions) -> Result<TrainingReport, LearnError> {
    let problem = Training::new(pairs, None, options)?;
    let fixed = problem.fixed()?;
    let score = problem.score_test(&fixed.trained.w)?;
    let gamma = problem.spread(Family::Gamma, &fixed)?;
    let lognormal = problem.spread(Family::LogNormal, &fixed)?;
    Ok(TrainingReport { fixed: fixed.trained, gamma, lognormal, score, options: *options })
}

/// 1/τ² of a prior.
pub(super) fn inverse_square(tau: f64) -> Result<f64, LearnError> {
    let inverse = (tau * tau).recip();
    if tau > 0.0 && inverse > 0.0 && inverse.is_finite() { Ok(inverse) } else { Err(LearnError::PriorCv) }
}

/// Pairs, weights and options that have been looked through.
pub(super) struct Training<'a> {
    problem: Problem<'a>,
    options: &'a TrainOptions,
    /// Of lengths of w.
    metric: Cholesky,
    weight: f64,
}

/// The fit of `Fixed`, and what the others want to know of it.
pub(super) struct FixedTrained {
    pub(super) trained: Trained,
    solution: Solution,
    /// Whether what is maximised falls as v leaves 0.
    falling: bool,
    /// Another policy to start from, made when it is first asked for.
    direction: OnceCell<Option<Vec<f64>>>,
}

impl<'a> Training<'a> {
    /// `weights` instead of the pairs' own.
    pub(super) fn new(
        pairs: &'a Pairs,
        weights: Option<&'a [f64]>,
        options: &'a TrainOptions,
    ) -> Result<Self, LearnError> {
        if !(0.125..=100.0).contains(&options.max_cv) {
            return Err(LearnError::MaxCv);
        }
        if !(options.ridge >= 0.0 && options.ridge.is_finite()) {
            return Err(LearnError::Ridge);
        }
        let prior = options.prior_cv.map_or(Ok(0.0), inverse_square)?;
        let problem = Problem { pairs, weights, ridge: options.ridge, prior };
        let weight = match problem.weights() {
            Some(weights) => total_weight(weights)?,
            None => pairs.len() as f64,
        };
        Ok(Self { metric: problem.metric()?, problem, options, weight })
    }

    pub(super) fn fixed(&self) -> Result<FixedTrained, LearnError> {
        let start = (vec![0.0; self.problem.pairs.dim()], 0.0);
        let found =
            self.problem.newton(Family::Fixed, &self.metric, start, 0.0, self.options.max_iterations, &[])?;
        let solution = found.ok_or(LearnError::Separable)?;
        // The loss is convex, and has a minimum unless a direction of w separates the pairs.
        let mut rows = self.problem.pairs.rows().enumerate().filter(|&(i, _)| self.problem.weight(i) > 0.0);
        let separable = rows.all(|(_, f)| dot(&solution.point.u, f) >= 0.0);
        if self.problem.ridge == 0.0 {
            let zero = solution.point.u.iter().all(|&u| u == 0.0);
            // Out of iterations is another matter.
            let astray = !solution.converged && solution.iterations < self.options.max_iterations;
            if astray || (separable && !zero) {
                return Err(LearnError::Separable);
            }
        }
        let spread = if solution.converged { Spread::Fixed } else { Spread::NotConverged };
        let falling = self.problem.slope_at_zero(&solution.point.u)? >= 0.0;
        let trained = self.finish(Family::Fixed, spread, &solution)?;
        Ok(FixedTrained { trained, solution, falling, direction: OnceCell::new() })
    }

    pub(super) fn spread(&self, family: Family, fixed: &FixedTrained) -> Result<Trained, LearnError> {
        let cap = self.options.max_cv.asinh();
        let w = &fixed.solution.point.u;
        let other = fixed.direction.get_or_init(|| starts::direction(&self.problem, &self.metric));
        let mut all: Vec<_> = STARTS.iter().map(|s| (w.clone(), s.min(0.9 * cap))).collect();
        for w in [Some(w), other.as_ref()].into_iter().flatten() {
            all.extend(starts::along(&self.problem, w, family, cap, self.options.max_cv));
        }
        let (mut solutions, limit): (Vec<Solution>, u32) = (Vec::new(), self.options.max_iterations);
        for start in all {
            solutions.extend(self.problem.newton(family, &self.metric, start, cap, limit, &solutions)?);
        }
        let best = solutions.into_iter().reduce(|a, b| if b.point.value < a.point.value { b } else { a });
        // No family refuses the starts.
        let best = best.ok_or(LearnError::Param(crate::ParamError::MeanOutOfRange))?;
        let slack = NO_GAIN + 1e-13 * best.point.value.abs();
        let gain = fixed.solution.point.value - best.point.value;
        let at_zero = best.point.s.abs() < 1e-4;
        if fixed.trained.is_maximum() && (fixed.falling || at_zero) && gain <= slack {
            let beta = Beta::from_mean_v(family, 1.0, 0.0)?;
            return Ok(Trained { family, spread: Spread::Boundary, beta, ..fixed.trained.clone() });
        }
        let spread = match () {
            // At v = 0 w is that of `Fixed`, unless one of the two is not done.
            () if gain < -slack || at_zero => Spread::NotConverged,
            () if best.rising && best.converged => Spread::Unbounded,
            () if best.converged && best.hessian.is_some() => Spread::Interior,
            () if self.metric.square(&best.point.u) > FAR * FAR * self.metric.square(w) => Spread::Unbounded,
            () => Spread::NotConverged,
        };
        self.finish(family, spread, &best)
    }

    fn finish(&self, family: Family, spread: Spread, at: &Solution) -> Result<Trained, LearnError> {
        let point = &at.point;
        Ok(Trained {
            family,
            spread,
            beta: Beta::from_mean_v(family, 1.0, point.v())?,
            w: point.w(),
            log_likelihood: -point.nll,
            penalty: point.value - point.nll,
            errors: self.errors(family, spread, at)?,
            gradient: at.gradient,
            iterations: at.iterations,
            number: self.problem.pairs.len(),
            weight: self.weight,
        })
    }

    fn errors(&self, family: Family, spread: Spread, at: &Solution) -> Result<TrainedErrors, LearnError> {
        let none = TrainedErrors::default();
        let Some(hessian) = &at.hessian else { return Ok(none) };
        let (d, s) = (at.point.u.len(), at.point.s);
        let free = match spread {
            Spread::Fixed => d,
            Spread::Interior => d + 1,
            Spread::Boundary | Spread::Unbounded | Spread::NotConverged => return Ok(none),
        };
        // Of aᵀy: |L⁻¹a|.
        let error = |mut a: Vec<f64>| {
            hessian.solve_lower(&mut a);
            let error = dot(&a, &a).sqrt();
            (error > 0.0 && error.is_finite()).then_some(error)
        };
        let w = at.point.u.iter().enumerate().map(|(i, u)| {
            let mut a = vec![0.0; free];
            // w = u cosh s.
            a[i] = s.cosh();
            if free > d {
                a[d] = u * s.sinh();
            }
            error(a)
        });
        let w = w.collect();
        if free == d {
            return Ok(TrainedErrors { w, ..none });
        }
        let mut e = vec![0.0; free];
        e[d] = 1.0;
        let of_s = error(e.clone());
        hessian.solve(&mut e);
        let robust = self.problem.spread_of_scores(family, &at.point.u, s, &e)?;
        Ok(TrainedErrors {
            w,
            v: of_s.map(|e| e * (2.0 * s).sinh().abs()),
            cv: of_s.map(|e| e * s.cosh()),
            cv_robust: robust.map(|e| e * s.cosh()),
        })
    }

    /// Of v = 0 at some w. With x = w·f, σ = σ(x), for every pair: a = (1 − σ)f is the score of w and
    /// (1 − σ)b, b = ½x²(1 − 2σ), that of v; their expected information is Σ w σ(1 − σ)(f, b)(f, b)ᵀ. The efficient
    /// score takes away what w explains: (1 − σ)(b − k·f), k = I_ww⁻¹I_wv.
    ///
    /// A ridge moves w by more than the efficient score forgives: one step of Newton's method without it leads back.
    pub(super) fn score_test(&self, w: &[f64]) -> Result<ScoreTest, LearnError> {
        if self.problem.ridge > 0.0
            && let Some(step) = self.step_without_ridge(w)?
        {
            let w: Vec<f64> = w.iter().zip(step).map(|(w, x)| w + x).collect();
            if let Ok(test) = self.score_test_at(&w, 0.0) {
                return Ok(test);
            }
        }
        self.score_test_at(w, self.problem.ridge)
    }

    /// I_ww⁻¹ Σ w (1 − σ)f; `None` where the information is singular.
    fn step_without_ridge(&self, w: &[f64]) -> Result<Option<Vec<f64>>, LearnError> {
        let pairs = self.problem.pairs;
        let margins = pairs.margins(w)?;
        let of = |i: usize| sigmoid(margins[i]) * sigmoid(-margins[i]);
        let information = self.problem.gram(|i, _| of(i)).ok_or(LearnError::NoMargins)?;
        let Ok(information) = Cholesky::new(information, pairs.dim()) else { return Ok(None) };
        let mut step = vec![0.0; pairs.dim()];
        for (i, f) in pairs.rows().enumerate() {
            add_scaled(&mut step, self.problem.weight(i) * sigmoid(-margins[i]), f);
        }
        information.solve(&mut step);
        Ok(step.iter().all(|x| x.is_finite()).then_some(step))
    }

    fn score_test_at(&self, w: &[f64], ridge: f64) -> Result<ScoreTest, LearnError> {
        let pairs = self.problem.pairs;
        let margins = pairs.margins(w)?;
        let parts = |i: usize| {
            let x = margins[i];
            let (p, q) = (sigmoid(x), sigmoid(-x));
            // Beyond 700 the product of p and q underflows, before x⁴ could make up for it.
            let b = if x.abs() < 700.0 { 0.5 * x * x * (q - p) } else { 0.0 };
            (p * q, q, b)
        };
        let weight = |i| self.problem.weight(i);
        let d = pairs.dim();
        let mut information = self.problem.gram(|i, _| parts(i).0).ok_or(LearnError::NoMargins)?;
        for i in 0..d {
            // Singular only where a ridge had to help.
            information[i * d + i] += ridge;
        }
        let information = Cholesky::new(information, d).map_err(|_| LearnError::OneSize)?;
        let (mut i_vv, mut k) = (0.0, vec![0.0; d]);
        for (i, f) in pairs.rows().enumerate() {
            let (pq, _, b) = parts(i);
            i_vv += weight(i) * pq * b * b;
            add_scaled(&mut k, weight(i) * pq * b, f);
        }
        let i_wv = k.clone();
        information.solve(&mut k);
        let efficient = i_vv - dot(&i_wv, &k);
        if efficient.partial_cmp(&(1e-12 * i_vv)) != Some(Ordering::Greater) {
            return Err(LearnError::OneSize);
        }
        let mut score = 0.0;
        let mut squares = Squares::new(pairs.groups());
        for (i, f) in pairs.rows().enumerate() {
            let (_, q, b) = parts(i);
            let e = q * (b - dot(&k, f));
            score += weight(i) * e;
            squares.add(i, weight(i), e);
        }
        Ok(ScoreTest::new(score, efficient, squares.sum()))
    }
}

/// Fewer groups than this do not tell how much their sums vary: those of the scores at a maximum add up to 0.
const GROUPS: usize = 10;

/// Σ w x², or Σ (Σ w x)² over groups.
struct Squares<'a> {
    groups: Option<&'a [u32]>,
    sums: BTreeMap<u32, f64>,
    sum: f64,
}

impl<'a> Squares<'a> {
    fn new(groups: Option<&'a [u32]>) -> Self {
        Self { groups, sums: Default::default(), sum: 0.0 }
    }

    fn add(&mut self, i: usize, weight: f64, x: f64) {
        match self.groups {
            Some(groups) => *self.sums.entry(groups[i]).or_default() += weight * x,
            None => self.sum += weight * x * x,
        }
    }

    /// `None` for too few groups.
    fn sum(&self) -> Option<f64> {
        let enough = self.groups.is_none() || self.sums.len() >= GROUPS;
        enough.then(|| self.sum + self.sums.values().map(|x| x * x).sum::<f64>())
    }
}

impl Problem<'_> {
    /// ∂/∂v of what is minimised, at v = 0 and w.
    fn slope_at_zero(&self, w: &[f64]) -> Result<f64, LearnError> {
        let margins = self.pairs.margins(w)?;
        let batch = Batch::weighted(&margins, self.weights());
        let beta = Beta::from_mean_v(Family::Fixed, 1.0, 0.0)?;
        let sums = Prepared::new(&beta, margins.len()).evaluate(&batch, Rows::none())?;
        Ok(sums.d_params[1] + 0.5 * self.prior)
    }

    /// √(xᵀ(Σ ggᵀ)x), g the scores in (u, s), for the x = H⁻¹e_s of a sandwich.
    fn spread_of_scores(
        &self,
        family: Family,
        u: &[f64],
        s: f64,
        x: &[f64],
    ) -> Result<Option<f64>, LearnError> {
        let (d, n) = (self.pairs.dim(), self.pairs.len());
        let w: Vec<f64> = u.iter().map(|u| u * s.cosh()).collect();
        let margins = self.pairs.margins(&w)?;
        let beta = Beta::from_mean_v(family, 1.0, s.sinh().powi(2))?;
        let mut rows = [(); 3].map(|()| vec![0.0; n]);
        let [slope, mean, v] = &mut rows;
        let to = Rows::none().d_margin(slope).d_params([mean, v]);
        Prepared::new(&beta, n).evaluate(&Batch::new(&margins), to)?;
        let mut squares = Squares::new(self.pairs.groups());
        for (i, f) in self.pairs.rows().enumerate() {
            let along_s = s.tanh() * mean[i] + (2.0 * s).sinh() * v[i];
            let g = s.cosh() * slope[i] * dot(&x[..d], f) + x[d] * along_s;
            squares.add(i, self.weight(i), g);
        }
        Ok(squares.sum().map(f64::sqrt).filter(|&sum| sum > 0.0 && sum.is_finite()))
    }
}
