//! Maximum likelihood for margins at hand.

use crate::compare::{Comparison, Fitted};
use crate::data::margins::Margins;
use crate::data::scan::Scanned;
use crate::descent::{Baseline, Solution, classify, descend, find_minima, least, least_gain};
use crate::error::LearnError;
use crate::margin_starts::{start_fixed, usual_starts};
use crate::objective::margins::{MarginLoss, strength_at};
use crate::options::Options;
use crate::prepared::has_spread;
use crate::score::{ScoreTest, test_margins};
use crate::status::FitStatus;
use prefstrength::{AnyStrength, Family, ParamError, PerFamily};

/// Standard errors by the observed information, the inverse of the Hessian of what was maximised; `None` where
/// it is not positive, and where there is no maximum to have one at.
///
/// At the boundary there is that of ln mean alone, at v = 0: the likelihood of v has no bowl there that would have a
/// width.
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
}

/// A maximum-likelihood p(β), or what there is instead.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Fit {
    /// The family that was asked for.
    pub family: Family,
    /// What became of the spread; a fit is one at `Fixed`, `Boundary` and `Interior`.
    pub status: FitStatus,
    /// p(β); at [`FitStatus::MeanZero`] that of `Fixed` with β = 0, whatever the family.
    pub strength: AnyStrength,
    /// Σ w ln E\[σ(βD)\] there, without the penalty.
    pub log_likelihood: f64,
    /// ½cv²/τ².
    pub penalty: f64,
    /// Standard errors.
    pub errors: StandardErrors,
    /// Gradient at the end, √(gᵀH⁻¹g): in units of standard errors. Infinite where H is not positive definite.
    pub gradient: f64,
    /// Iterations of Newton's method that led there.
    pub iterations: u32,
    /// How many margins.
    pub number: usize,
    /// Their total weight, which counts as sample size.
    pub weight: f64,
}

impl Fitted for Fit {
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
        self.family.parameters().len()
    }
    fn weight(&self) -> f64 {
        self.weight
    }
}

/// The p(β) of a family under which the choices are likeliest, given their margins: it maximises
/// Σ w ln E\[σ(βD)\] − ½cv²/τ² over mean and v = cv² ≥ 0.
///
/// * Method: Newton's in (ln u, s), mean = u cosh s, v = sinh² s, on analytic gradients and their differences,
///   damped, from v = 0.04, 0.8, 5.6 and next to the cap; the best of the maxima. A pass over the margins per evaluation of 1 to 4
///   p(β), by [`Plan`](prefstrength::batch::Plan). From 2¹⁸ margins on, the maxima are sought among some 2¹⁶ of them
///   first, which are kept in memory, and each is then followed on all.
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
pub fn fit(family: Family, margins: impl Margins, options: &Options) -> Result<Fit, LearnError> {
    let mut fitting = Fitting::new(margins, options, has_spread(family))?;
    let fixed = match fitting.fit_fixed() {
        // A spread may find a mean where `Fixed` has none.
        Err(LearnError::MeanVanishes) if has_spread(family) => None,
        other => Some(other?),
    };
    match fixed {
        Some(fixed) if !has_spread(family) => Ok(fixed.fit),
        fixed => fitting.fit_spread(family, fixed.as_ref()),
    }
}

/// Fits all families to margins and tests whether the spread of β is real.
///
/// # Errors
/// As [`fit`] of any family, but for two things: where Σ wD ≤ 0, which one large margin on the wrong side can do,
/// `Fixed` is reported at the mean 0 with [`FitStatus::MeanZero`] and without a score test, and so is every family that
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
/// if let Some(lr) = comparison.likelihood_ratio(Family::Gamma) {
///     println!("Gamma: LR = {}, p = {}", lr.statistic, lr.p);
/// }
/// # assert!(comparison.score.is_some_and(|score| score.z > 5.0 && score.p < 1e-6));
/// # Ok::<(), LearnError>(())
/// ```
pub fn heterogeneity(margins: impl Margins, options: &Options) -> Result<Comparison<Fit>, LearnError> {
    let mut fitting = Fitting::new(margins, options, true)?;
    if !fitting.data.rising {
        return Ok(Comparison { fits: fitting.fit_beside_coin()?, score: None, options: *options });
    }
    let fixed = fitting.fit_fixed()?;
    let score = fitting.test_score(&fixed)?;
    let fits = PerFamily::try_from_fn(|family| match has_spread(family) {
        true => fitting.fit_spread(family, Some(&fixed)),
        false => Ok(fixed.fit),
    })?;
    Ok(Comparison { fits, score, options: *options })
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

    fn loss(&mut self, family: Family, reference: f64) -> MarginLoss<'_, M> {
        MarginLoss { data: &mut self.data, family, prior: self.prior, reference }
    }

    fn fit_fixed(&mut self) -> Result<FixedFit, LearnError> {
        let limit = self.options.max_iterations;
        if !self.data.rising {
            return Err(LearnError::MeanVanishes);
        }
        let start = start_fixed(&mut self.data)?;
        let found = descend(&mut self.loss(Family::Fixed, start), vec![start, 0.0], 0.0, limit, &[])?;
        let solution = found.ok_or(LearnError::MeanVanishes)?;
        let converged = solution.converged && solution.hessian.is_some();
        let status = if converged { FitStatus::Fixed } else { FitStatus::NotConverged };
        let point = &solution.point;
        let baseline = Baseline { value: point.value, is_maximum: converged, falling: point.d_v >= 0.0 };
        Ok(FixedFit { fit: self.finish(Family::Fixed, status, &solution)?, ln_mean: point.y[0], baseline })
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

    /// Where plain DPO is a coin's: every family that does better, and the coin for those that do not.
    fn fit_beside_coin(&mut self) -> Result<PerFamily<Fit>, LearnError> {
        let fits = PerFamily::try_from_fn(|family| match has_spread(family) {
            true => match self.fit_spread(family, None) {
                Err(LearnError::MeanVanishes) => self.coin(family),
                other => other,
            },
            false => self.coin(family),
        })?;
        let none_better = fits.values().all(|fit| fit.status == FitStatus::MeanZero);
        if none_better { Err(LearnError::MeanVanishes) } else { Ok(fits) }
    }

    /// Mean 0, which is one p(β) for all families.
    fn coin(&self, family: Family) -> Result<Fit, LearnError> {
        Ok(Fit {
            family,
            status: FitStatus::MeanZero,
            strength: AnyStrength::from_mean_v(Family::Fixed, 0.0, 0.0)?,
            log_likelihood: -self.data.weight * core::f64::consts::LN_2,
            penalty: 0.0,
            errors: StandardErrors::default(),
            gradient: 0.0,
            iterations: 0,
            number: self.data.number,
            weight: self.data.weight,
        })
    }

    fn fit_spread(&mut self, family: Family, fixed: Option<&FixedFit>) -> Result<Fit, LearnError> {
        let (cap, limit, prior) = (self.options.max_cv.asinh(), self.options.max_iterations, self.prior);
        let ln_u = match fixed {
            Some(fixed) => fixed.ln_mean,
            None => -self.data.mean_ln_size()?,
        };
        let mut starts = usual_starts(ln_u, cap, self.data.ln_typical);
        if let Some(mut sample) = self.data.draw_sample()? {
            // The penalty of all margins, in proportion to those of the sample.
            let prior = prior * (sample.weight / self.data.weight);
            // The sample may have units of its own.
            let shift = sample.scale.ln();
            starts.iter_mut().for_each(|start| start[0] -= shift);
            let mut loss = MarginLoss { data: &mut sample, family, prior, reference: ln_u - shift };
            let found = find_minima(&mut loss, starts, cap, limit)?;
            // Not from s = 0, which may be a saddle, nor from the cap.
            let inside = |s: f64| s.clamp(0.1, 0.95 * cap);
            starts = found.iter().map(|f| vec![f.point.y[0] + shift, inside(f.point.s())]).collect();
        }
        let solutions = find_minima(&mut self.loss(family, ln_u), starts, cap, limit)?;
        // Not even the starts: the margins' scale is at the end of f64's range.
        let best = least(solutions).ok_or(ParamError::MeanOutOfRange)?;
        if fixed.is_none() {
            // Against a coin: that is what a mean of 0 is.
            let coin = self.data.weight * core::f64::consts::LN_2;
            if coin - best.point.value <= least_gain(&best) {
                return Err(LearnError::MeanVanishes);
            }
        }
        match (classify(&best, fixed.map(|fixed| &fixed.baseline)), fixed) {
            (status @ FitStatus::Boundary, Some(FixedFit { fit, .. })) => {
                let strength = AnyStrength::from_mean_v(family, fit.strength.mean(), 0.0)?;
                Ok(Fit { family, status, strength, ..*fit })
            }
            (status, _) => self.finish(family, status, &best),
        }
    }

    /// From the data's units to those of the source.
    fn finish(&self, family: Family, status: FitStatus, solution: &Solution) -> Result<Fit, LearnError> {
        let point = &solution.point;
        let inside = strength_at(family, [point.y[0], point.s()]).ok_or(ParamError::MeanOutOfRange)?;
        Ok(Fit {
            family,
            status,
            strength: AnyStrength::from_mean_v(family, inside.mean() * self.data.scale, inside.v())?,
            log_likelihood: -point.nll,
            penalty: point.value - point.nll,
            errors: standard_errors(status, solution),
            gradient: solution.gradient,
            iterations: solution.iterations,
            number: self.data.number,
            weight: self.data.weight,
        })
    }
}

/// The minima for margins at hand, as (u, s) in their units, |s| up to the cap.
pub(crate) fn find_margin_minima(
    family: Family,
    margins: impl Margins,
    options: &Options,
) -> Result<Vec<(f64, f64)>, LearnError> {
    let mut data = Scanned::new(margins)?;
    let (cap, reference, scale) = (options.max_cv.asinh(), -data.mean_ln_size()?, data.scale);
    let starts = usual_starts(reference, cap, data.ln_typical);
    let mut loss = MarginLoss { data: &mut data, family, prior: 0.0, reference };
    let found = find_minima(&mut loss, starts, cap, options.max_iterations)?;
    Ok(found.iter().map(|f| (f.point.y[0].exp() * scale, f.point.s())).collect())
}

fn standard_errors(status: FitStatus, solution: &Solution) -> StandardErrors {
    let s = solution.point.s();
    match status {
        FitStatus::Fixed => {
            StandardErrors { ln_mean: solution.standard_error(vec![1.0]), ..StandardErrors::default() }
        }
        FitStatus::Interior => {
            // At a stationary point Hessians transform by the Jacobian alone: ln mean = ln u + ln cosh s,
            // v = sinh² s, cv = sinh s.
            let ln_mean = vec![1.0, s.tanh()];
            let of_s = solution.standard_error(vec![0.0, 1.0]);
            let covariance = solution.hessian.as_ref().map(|hessian| {
                let mut column = vec![0.0, 1.0];
                hessian.solve(&mut column);
                (column[0] + ln_mean[1] * column[1]) * (2.0 * s).sinh()
            });
            StandardErrors {
                covariance: covariance.filter(|c| of_s.is_some() && c.is_finite()),
                ln_mean: solution.standard_error(ln_mean),
                v: of_s.map(|e| e * (2.0 * s).sinh()),
                cv: of_s.map(|e| e * s.cosh()),
            }
        }
        FitStatus::MeanZero | FitStatus::Boundary | FitStatus::Unbounded | FitStatus::NotConverged => {
            StandardErrors::default()
        }
    }
}
