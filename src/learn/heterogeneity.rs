//! Whether the spread of β is real.

use super::fit::{fit_fixed, fit_spread, prepare};
use super::margins::{Data, elements};
use super::{Family, Fit, LearnError, Margins, Options, Spread};
use crate::special::normal::{half_erfc, normal_cdf};
use crate::special::sigmoid;
use core::fmt;

/// Significance that [`Report::verdict`] asks for.
const LEVEL: f64 = 0.05;

/// Score test of v = 0 against v > 0, with the mean as nuisance. It needs no family: the slope at v = 0 is the
/// same for all.
///
/// z = S/√I, S = −Σ w ∂nll/∂v at the fit of `Fixed`, I = I_vv − I_mv²/I_mm the information of v with ln mean
/// profiled out. With x = mean·D, σ = σ(x): ∂nll/∂v = −½x²(1 − σ)(1 − 2σ).
///
/// * Expected information: over both outcomes of each pair, Σ w σ(1 − σ)(a, b)ᵀ(a, b), a = x, b = ½x²(1 − 2σ).
/// * Source: C. R. Rao's score test; A. Chesher, Testing for neglected heterogeneity, Econometrica 52 (1984).
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ScoreTest {
    /// z by the expected information: positive where a spread would help.
    pub z: f64,
    /// P(Z ≥ z) of a standard normal: one-sided.
    pub p: f64,
    /// z by the outer product of scores, Σ w ggᵀ, instead: needs no model of the choices, and more data. `None`
    /// where that is singular.
    pub z_outer: Option<f64>,
    /// Its P(Z ≥ z).
    pub p_outer: Option<f64>,
}

impl ScoreTest {
    /// Of a score and its variance, expected and by the outer product.
    pub(super) fn new(score: f64, expected: f64, outer: Option<f64>) -> Self {
        let p = |z: f64| normal_cdf((-z, 0.0));
        let z = score / expected.sqrt();
        let z_outer = outer.filter(|&v| v > 0.0 && v.is_finite()).map(|variance| score / variance.sqrt());
        Self { z, p: p(z), z_outer, p_outer: z_outer.map(p) }
    }
}

/// Twice the gain in log-likelihood over `Fixed`.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct LikelihoodRatio {
    /// 2(ln L − ln L of `Fixed`), at least 0.
    pub statistic: f64,
    /// P of as much or more without spread, where the maximum is at v = 0 half the time: under ½χ²₀ + ½χ²₁,
    /// ½erfc(√(statistic/2)), and 1 at 0.
    pub p: f64,
}

impl LikelihoodRatio {
    /// From a gain in log-likelihood over `Fixed`.
    pub(super) fn of(gain: f64) -> Self {
        let statistic = (2.0 * gain).max(0.0);
        Self { statistic, p: if statistic > 0.0 { half_erfc((0.5 * statistic, 0.0)) } else { 1.0 } }
    }
}

/// All families fitted to the same margins, and the tests.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Report {
    /// Plain DPO.
    pub fixed: Fit,
    /// Gamma.
    pub gamma: Fit,
    /// LogNormal.
    pub lognormal: Fit,
    /// The score test at plain DPO.
    pub score: ScoreTest,
    /// [`Options::max_cv`] of the fits.
    pub max_cv: f64,
}

/// What a [`Report`] comes to; `Display` says it in words.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Verdict {
    /// The likelihood of Gamma, of LogNormal, or of both still rises at the largest cv, and none with a maximum is
    /// heterogeneous.
    NoMaximum {
        /// Of Gamma.
        gamma: bool,
        /// Of LogNormal.
        lognormal: bool,
        /// The largest cv.
        max_cv: f64,
    },
    /// A fit did not converge, and none that did is heterogeneous.
    NotConverged,
    /// Both p(β) collapse to a point.
    Homogeneous,
    /// A spread fits better, and not by more than chance would have it.
    NotSignificant,
    /// There is a spread: p(LR) of the better family is at most 0.05. The other one may have no maximum.
    Heterogeneous,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoMaximum { gamma, lognormal, max_cv } => {
                let names = match (gamma, lognormal) {
                    (true, true) => "Gamma, LogNormal",
                    (true, false) => "Gamma",
                    _ => "LogNormal",
                };
                return write!(
                    f,
                    "no finite maximum ({names}): the likelihood still rises with the spread, up to the cap cv = \
                     {max_cv} or with ever larger margins; this is not a fit"
                );
            }
            Self::NotConverged => "not converged: do not use these figures",
            Self::Homogeneous => {
                "no evidence of heterogeneity: p(β) collapses to a point, the loss is plain DPO"
            }
            Self::NotSignificant => {
                "no significant heterogeneity: plain DPO explains these choices as well"
            }
            Self::Heterogeneous => {
                "heterogeneous: the strength of preference varies beyond what plain DPO can explain"
            }
        })
    }
}

impl Verdict {
    /// From what became of the spreads of [`Family::ALL`], and likelihood ratios where there are maxima.
    pub(super) fn of(spreads: [Spread; 3], ratios: &[Option<LikelihoodRatio>; 3], max_cv: f64) -> Self {
        // A family with a maximum that tells is enough, whatever became of the other.
        let p = ratios.iter().flatten().fold(1.0, |p: f64, ratio| p.min(ratio.p));
        if p <= LEVEL {
            return Self::Heterogeneous;
        }
        let unbounded = spreads.map(|s| s == Spread::Unbounded);
        if unbounded.contains(&true) {
            return Self::NoMaximum { gamma: unbounded[1], lognormal: unbounded[2], max_cv };
        }
        if spreads.contains(&Spread::NotConverged) {
            return Self::NotConverged;
        }
        let boundary = spreads[1..].iter().all(|&s| s == Spread::Boundary);
        if boundary { Self::Homogeneous } else { Self::NotSignificant }
    }
}

/// The family with the least of some criterion.
pub(super) fn least(criterion: impl Fn(Family) -> Option<f64>) -> Option<Family> {
    let each = Family::ALL.iter().filter_map(|&family| Some((family, criterion(family)?)));
    each.reduce(|a, b| if b.1 < a.1 { b } else { a }).map(|(family, _)| family)
}

impl Report {
    /// The fit of a family.
    #[must_use]
    pub fn fit(&self, family: Family) -> &Fit {
        match family {
            Family::Fixed => &self.fixed,
            Family::Gamma => &self.gamma,
            Family::LogNormal => &self.lognormal,
        }
    }

    /// Of a family against `Fixed`; `None` without a maximum of both, and for `Fixed` itself.
    #[must_use]
    pub fn likelihood_ratio(&self, family: Family) -> Option<LikelihoodRatio> {
        let fit = self.fit(family);
        if family == Family::Fixed || !fit.is_maximum() || !self.fixed.is_maximum() {
            return None;
        }
        Some(LikelihoodRatio::of(fit.log_likelihood - self.fixed.log_likelihood))
    }

    /// The family with the least AIC among those with a maximum.
    #[must_use]
    pub fn best_by_aic(&self) -> Option<Family> {
        least(|family| self.fit(family).aic())
    }

    /// The family with the least BIC among those with a maximum.
    #[must_use]
    pub fn best_by_bic(&self) -> Option<Family> {
        least(|family| self.fit(family).bic())
    }

    /// All of it in one sentence. The likelihood ratio of the better family decides at 5 %; two of them were
    /// tried, which makes a p close to 5 % a little better than it is.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let ratios = Family::ALL.map(|family| self.likelihood_ratio(family));
        Verdict::of(Family::ALL.map(|family| self.fit(family).spread), &ratios, self.max_cv)
    }
}

/// Fits all families to margins and tests whether the spread of β is real.
///
/// # Errors
/// As [`fit`](super::fit) of any family; [`LearnError::MeanVanishes`] where `Fixed` has no maximum, Σ wD ≤ 0,
/// and [`LearnError::OneSize`] also for margins whose sizes differ too little to say anything about a spread.
///
/// ```
/// use prefstrength::learn::{self, Family, Options};
/// let margins: Vec<f64> = (0..4000).map(|i| f64::from(i % 40 + 1) * if i % 4 < 3 { 0.2 } else { -0.2 }).collect();
/// let report = learn::heterogeneity(&margins[..], &Options { max_cv: 3.0, ..Options::default() })?;
/// println!("z = {}, p = {}; {}", report.score.z, report.score.p, report.verdict());
/// if let Some(lr) = report.likelihood_ratio(Family::Gamma) {
///     println!("Gamma: LR = {}, p = {}", lr.statistic, lr.p);
/// }
/// # assert!(report.score.z > 5.0 && report.score.p < 1e-6);
/// # Ok::<(), learn::LearnError>(())
/// ```
pub fn heterogeneity(margins: impl Margins, options: &Options) -> Result<Report, LearnError> {
    let mut data = prepare(margins, options, true)?;
    let fixed = fit_fixed(&mut data, options)?;
    let score = score_test(&mut data, fixed.ln_mean.exp())?;
    let gamma = fit_spread(&mut data, Family::Gamma, options, Some(&fixed))?;
    let lognormal = fit_spread(&mut data, Family::LogNormal, options, Some(&fixed))?;
    Ok(Report { fixed: fixed.fit, gamma, lognormal, score, max_cv: options.max_cv })
}

/// Sums of (aa, ab, bb): information of (ln mean, v).
#[derive(Clone, Copy, Default)]
struct Information([f64; 3]);

impl Information {
    fn add(&mut self, weight: f64, a: f64, b: f64) {
        for (sum, term) in self.0.iter_mut().zip([a * a, a * b, b * b]) {
            *sum += weight * term;
        }
    }

    /// Of v with ln mean profiled out; `None` where rounding is all there is.
    fn efficient(&self) -> Option<f64> {
        let [aa, ab, bb] = self.0;
        let left = bb - ab * (ab / aa);
        (left > 1e-12 * bb && left.is_finite()).then_some(left)
    }
}

fn score_test<M: Margins>(data: &mut Data<M>, mean: f64) -> Result<ScoreTest, LearnError> {
    let (mut score, mut expected, mut outer) = (0.0, Information::default(), Information::default());
    data.for_each(&mut |margins, weights| {
        let (mut part, mut e, mut o) = (0.0, Information::default(), Information::default());
        elements(0, margins, weights, |_, d, w| {
            let x = mean * d;
            // The chance of the other choice; 1 − 2σ is odd and exact in it.
            let (p, q) = (sigmoid(x), sigmoid(-x));
            // Where q underflows, x² may overflow: the product is 0.
            let (a, b) = if q == 0.0 { (0.0, 0.0) } else { (x, 0.5 * x * x * (q - p)) };
            part += w * q * b;
            o.add(w, q * a, q * b);
            // Beyond 700 the product of both underflows, before x⁴ could make up for it.
            if x.abs() < 700.0 {
                e.add(w * p * q, a, b);
            }
        })?;
        score += part;
        for (sums, parts) in [(&mut expected, e), (&mut outer, o)] {
            for (sum, part) in sums.0.iter_mut().zip(parts.0) {
                *sum += part;
            }
        }
        Ok(())
    })?;
    let information = expected.efficient().ok_or(LearnError::OneSize)?;
    Ok(ScoreTest::new(score, information, outer.efficient()))
}
