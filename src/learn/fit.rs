//! Maximum likelihood.

use super::margins::{Data, elements};
use super::newton::{Solution, beta_at, newton};
use super::{Beta, Family, LearnError, Margins};

/// Gradient norm, in units of standard errors, at which a fit counts as converged; Newton's method aims lower.
const CONVERGED: f64 = 1e-3;
/// Gain in log-likelihood over `Fixed` that is none.
const NO_GAIN: f64 = 1e-6;
/// Where the spread starts: s of v = sinh² s.
const STARTS: [f64; 3] = [0.2, 0.8, 1.6];

/// Limits of a fit.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Options {
    /// Largest cv that a fit may take, 1/8 to 100. At 5, the default, nearly all β are next to 0, and a
    /// likelihood that still rises is on its way to a step function of the margin.
    pub max_cv: f64,
    /// Most iterations of Newton's method from one start; 60 by default, of which a dozen are needed.
    pub max_iterations: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self { max_cv: 5.0, max_iterations: 60 }
    }
}

/// What became of the spread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Spread {
    /// `Fixed` has none.
    Fixed,
    /// The maximum is at v = 0: plain DPO. No better one was found, here and in `Interior`.
    Boundary,
    /// A maximum with v > 0.
    Interior,
    /// The likelihood still rises at the largest cv, or as a policy grows and grows: `beta` is where it was stopped,
    /// and not a fit. Whether there is a maximum beyond, a larger cap tells; few choices often have none.
    Unbounded,
    /// The method stopped short of a maximum: `beta` is where, and not a fit.
    NotConverged,
}

/// Standard errors by the observed information, the inverse of the Hessian of the log-likelihood; `None` where
/// it is not positive, and where there is no maximum to have one at.
///
/// At the boundary there is that of ln mean alone, at v = 0.
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
    pub spread: Spread,
    /// p(β).
    pub beta: Beta,
    /// Σ w ln E\[σ(βD)\] there.
    pub log_likelihood: f64,
    /// Standard errors.
    pub errors: StandardErrors,
    /// Gradient at the end, √(gᵀH⁻¹g): in units of standard errors.
    pub gradient: f64,
    /// Iterations of Newton's method that led there.
    pub iterations: u32,
    /// How many margins.
    pub number: usize,
    /// Their total weight, which counts as sample size.
    pub weight: f64,
}

impl Fit {
    /// Whether there is a maximum, and it was found.
    #[must_use]
    pub fn is_maximum(&self) -> bool {
        !matches!(self.spread, Spread::Unbounded | Spread::NotConverged)
    }

    /// Akaike's criterion, 2k − 2 ln L, k = 1 or 2 parameters (2 also at the boundary); `None` without a maximum.
    #[must_use]
    pub fn aic(&self) -> Option<f64> {
        self.criterion(2.0)
    }

    /// Schwarz's criterion, k ln n − 2 ln L, n the total weight; `None` without a maximum, and for n < 1.
    #[must_use]
    pub fn bic(&self) -> Option<f64> {
        self.criterion(self.weight.ln())
    }

    fn criterion(&self, price: f64) -> Option<f64> {
        (self.is_maximum() && price >= 0.0)
            .then(|| f64::from(self.family.parameters()) * price - 2.0 * self.log_likelihood)
    }
}

/// The p(β) of a family under which the choices are likeliest, given their margins: it maximises
/// Σ w ln E\[σ(βD)\] over mean and v = cv² ≥ 0.
///
/// * Method: Newton's in (ln u, s), mean = u cosh s, v = sinh² s, on analytic gradients and their differences,
///   damped, from v = 0.04, 0.8 and 5.6; the best of the maxima. A pass over the margins per evaluation of 1 to 4
///   p(β), by [`Plan`](crate::batch::Plan). From 2¹⁸ margins on, the maxima are sought among some 2¹⁶ of them
///   first, which are kept in memory, and each is then followed on all.
/// * The likelihood is not concave. What is found is stationary ([`Fit::gradient`]) and better than v = 0;
///   that nothing else is better yet, three starts make likely and not certain.
/// * The result is to rounding that of the margins in any order and in chunks of any size.
///
/// # Errors
/// [`LearnError`] before anything is fitted: no margins, no weight, margins or weights that are not finite, and
/// margins to which no p(β) is the answer: all 0, none negative ([`LearnError::Separable`]), none positive
/// ([`LearnError::MeanVanishes`]), with a spread to learn all of one size ([`LearnError::OneSize`]). `Fixed`
/// has no maximum for Σ wD ≤ 0 either ([`LearnError::MeanVanishes`]). [`LearnError::MaxCv`].
///
/// ```
/// use prefstrength::learn::{self, Family, Options, Spread};
/// // Choices of someone with β = 1, as many as expected: σ(D) of the pairs of size D.
/// let mut margins = Vec::new();
/// for size in [0.5_f64, 1.0, 2.0, 3.0] {
///     let with = (1000.0 / (1.0 + (-size).exp())).round() as usize;
///     margins.extend((0..1000).map(|i| if i < with { size } else { -size }));
/// }
/// let fixed = learn::fit(Family::Fixed, &margins[..], &Options::default())?;
/// assert!((fixed.beta.mean() - 1.0).abs() < 0.01 && fixed.errors.ln_mean.is_some_and(|e| e < 0.05));
/// let gamma = learn::fit(Family::Gamma, &margins[..], &Options::default())?;
/// assert!(gamma.spread == Spread::Boundary || gamma.beta.cv() < 0.2);
/// assert!(learn::fit(Family::Gamma, &[1.0, 2.0][..], &Options::default()).is_err());
/// # Ok::<(), learn::LearnError>(())
/// ```
pub fn fit(family: Family, margins: impl Margins, options: &Options) -> Result<Fit, LearnError> {
    let mut data = prepare(margins, options, family != Family::Fixed)?;
    let fixed = match fit_fixed(&mut data, options) {
        // A spread may find a mean where `Fixed` has none.
        Err(LearnError::MeanVanishes) if family != Family::Fixed => None,
        other => Some(other?),
    };
    match fixed {
        Some(fixed) if family == Family::Fixed => Ok(fixed.fit),
        fixed => fit_spread(&mut data, family, options, fixed.as_ref()),
    }
}

/// The margins, looked through.
pub(super) fn prepare<M: Margins>(
    margins: M,
    options: &Options,
    spread: bool,
) -> Result<Data<M>, LearnError> {
    if !(0.125..=100.0).contains(&options.max_cv) {
        return Err(LearnError::MaxCv);
    }
    let data = Data::new(margins)?;
    if spread && data.one_size { Err(LearnError::OneSize) } else { Ok(data) }
}

/// The fit of `Fixed`, and what the others want to know of it.
pub(super) struct FixedFit {
    pub(super) fit: Fit,
    /// ln mean in the data's units.
    pub(super) ln_mean: f64,
    /// Whether the likelihood falls as v leaves 0.
    falling: bool,
}

pub(super) fn fit_fixed<M: Margins>(data: &mut Data<M>, options: &Options) -> Result<FixedFit, LearnError> {
    let [first, second] = data.moments;
    if first <= 0.0 {
        return Err(LearnError::MeanVanishes);
    }
    // Newton's first step from mean 0.
    let start = [(2.0 * first / second).ln(), 0.0];
    let found = newton(data, Family::Fixed, start, 0.0, options.max_iterations, &[])?;
    let solution = found.ok_or(LearnError::MeanVanishes)?;
    let converged = solution.definite && solution.gradient <= CONVERGED;
    let spread = if converged { Spread::Fixed } else { Spread::NotConverged };
    let ln_mean = solution.point.y[0];
    let [sums] = data.sums(&[Beta::from_mean_v(Family::Fixed, ln_mean.exp(), 0.0)?])?;
    let fit = finish(data, Family::Fixed, spread, &solution)?;
    Ok(FixedFit { fit, ln_mean, falling: sums.d_params[1] >= 0.0 })
}

pub(super) fn fit_spread<M: Margins>(
    data: &mut Data<M>,
    family: Family,
    options: &Options,
    fixed: Option<&FixedFit>,
) -> Result<Fit, LearnError> {
    let cap = options.max_cv.asinh();
    let ln_u = match fixed {
        Some(fixed) => fixed.ln_mean,
        None => -mean_ln_size(data)?,
    };
    let mut starts = STARTS.map(|s| [ln_u, s.min(0.9 * cap)]).to_vec();
    if let Some(mut sample) = data.sample()? {
        let shift = sample.scale.ln();
        starts.iter_mut().for_each(|start| start[0] -= shift);
        let found = solve(&mut sample, family, &starts, cap, options)?;
        // Not from s = 0, which may be a saddle, nor from the cap.
        starts.clear();
        starts
            .extend(found.iter().map(|f| [f.point.y[0] + shift, f.point.y[1].abs().clamp(0.1, 0.95 * cap)]));
    }
    let solutions = solve(data, family, &starts, cap, options)?;
    let best = solutions.into_iter().reduce(|a, b| if b.point.nll < a.point.nll { b } else { a });
    let Some(best) = best else {
        // Not even the starts: the margins' scale is at the end of f64's range.
        return Err(LearnError::Param(crate::ParamError::MeanOutOfRange));
    };
    let slack = NO_GAIN + 1e-13 * best.point.nll.abs();
    let nothing = match fixed {
        Some(fixed) => -fixed.fit.log_likelihood,
        None => data.weight * core::f64::consts::LN_2,
    };
    let gain = nothing - best.point.nll;
    let Some(fixed) = fixed else {
        return if gain <= slack {
            Err(LearnError::MeanVanishes)
        } else {
            classify(data, family, &best, ln_u)
        };
    };
    let at_zero = best.point.y[1].abs() < 1e-4;
    if fixed.fit.is_maximum() && (fixed.falling || at_zero) && gain <= slack {
        let beta = Beta::from_mean_v(family, fixed.fit.beta.mean(), 0.0)?;
        return Ok(Fit { family, spread: Spread::Boundary, beta, ..fixed.fit });
    }
    if gain < -slack {
        return finish(data, family, Spread::NotConverged, &best);
    }
    classify(data, family, &best, ln_u)
}

/// The minima that the usual starts lead to, as (ln u, s).
pub(super) fn search<M: Margins>(
    data: &mut Data<M>,
    family: Family,
    options: &Options,
) -> Result<Vec<[f64; 2]>, LearnError> {
    let (cap, ln_u) = (options.max_cv.asinh(), -mean_ln_size(data)?);
    let starts = STARTS.map(|s| [ln_u, s.min(0.9 * cap)]);
    Ok(solve(data, family, &starts, cap, options)?.iter().map(|found| found.point.y).collect())
}

/// The minima that the starts lead to.
fn solve<M: Margins>(
    data: &mut Data<M>,
    family: Family,
    starts: &[[f64; 2]],
    cap: f64,
    options: &Options,
) -> Result<Vec<Solution>, LearnError> {
    let mut solutions = Vec::with_capacity(starts.len());
    for &start in starts {
        solutions.extend(newton(data, family, start, cap, options.max_iterations, &solutions)?);
    }
    Ok(solutions)
}

fn classify<M: Margins>(
    data: &Data<M>,
    family: Family,
    best: &Solution,
    ln_u: f64,
) -> Result<Fit, LearnError> {
    let spread = match () {
        () if best.rising || best.escaped(ln_u) => Spread::Unbounded,
        () if best.definite && best.gradient <= CONVERGED => Spread::Interior,
        () => Spread::NotConverged,
    };
    finish(data, family, spread, best)
}

/// From the data's units to those of the source.
fn finish<M: Margins>(
    data: &Data<M>,
    family: Family,
    spread: Spread,
    solution: &Solution,
) -> Result<Fit, LearnError> {
    let inside = beta_at(family, solution.point.y).ok_or(crate::ParamError::MeanOutOfRange)?;
    Ok(Fit {
        family,
        spread,
        beta: Beta::from_mean_v(family, inside.mean() * data.scale, inside.v())?,
        log_likelihood: -solution.point.nll,
        errors: standard_errors(spread, solution),
        gradient: solution.gradient,
        iterations: solution.iterations,
        number: data.number,
        weight: data.weight,
    })
}

fn standard_errors(spread: Spread, solution: &Solution) -> StandardErrors {
    let [[uu, us], [_, ss]] = solution.hessian;
    match spread {
        Spread::Fixed => StandardErrors { ln_mean: root(1.0 / uu), ..StandardErrors::default() },
        Spread::Interior => {
            let s = solution.point.y[1].abs();
            let us = us.copysign(us * solution.point.y[1]);
            // The inverse's entries. At a stationary point Hessians transform by the Jacobian alone:
            // ln mean = ln u + ln cosh s, v = sinh² s, cv = sinh s.
            let (of_u, of_s) = (uu - us * (us / ss), ss - us * (us / uu));
            let (var_u, var_s, t) = (1.0 / of_u, 1.0 / of_s, s.tanh());
            let error_s = root(var_s);
            let covariance = (t * var_s - us / uu * var_s) * (2.0 * s).sinh();
            StandardErrors {
                ln_mean: root(var_u - 2.0 * t * (us / uu) * var_s + t * t * var_s),
                v: error_s.map(|e| e * (2.0 * s).sinh()),
                cv: error_s.map(|e| e * s.cosh()),
                covariance: error_s.and(covariance.is_finite().then_some(covariance)),
            }
        }
        Spread::Boundary | Spread::Unbounded | Spread::NotConverged => StandardErrors::default(),
    }
}

fn root(variance: f64) -> Option<f64> {
    (variance > 0.0 && variance.is_finite()).then(|| variance.sqrt())
}

/// Σ w ln|D|/Σ w over margins other than 0.
fn mean_ln_size<M: Margins>(data: &mut Data<M>) -> Result<f64, LearnError> {
    let (mut sum, mut weight) = (0.0, 0.0);
    data.for_each(&mut |margins, weights| {
        elements(0, margins, weights, |_, d, w| {
            if w > 0.0 && d != 0.0 {
                sum += w * d.abs().ln();
                weight += w;
            }
        })
    })?;
    Ok(if weight > 0.0 { sum / weight } else { 0.0 })
}
