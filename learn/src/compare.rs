//! All families beside each other: whether the spread of β is real.

use crate::limits::SIGNIFICANCE;
use crate::options::Options;
use crate::score::ScoreTest;
use crate::status::FitStatus;
use core::fmt;
use prefstrength::math::normal_cdf;
use prefstrength::{Family, PerFamily};

/// What a comparison asks of a fit: [`Fit`](crate::Fit) of margins, [`Trained`](crate::Trained) of pairs.
///
/// ```
/// use prefstrength::Family;
/// use prefstrength_learn::{self as learn, Fitted, LearnError, Options};
/// let fit = learn::fit(Family::Fixed, &[1.0, 2.0, -0.5, 3.0, -1.0][..], &Options::default())?;
/// assert!(fit.is_maximum() && fit.aic() == Some(2.0 - 2.0 * fit.log_likelihood));
/// # Ok::<(), LearnError>(())
/// ```
pub trait Fitted {
    /// What became of the spread.
    fn status(&self) -> FitStatus;

    /// Without penalties.
    fn log_likelihood(&self) -> f64;

    /// What was taken from it: ½λ|w|² + ½cv²/τ².
    fn penalty(&self) -> f64;

    /// How many parameters were learned; the spread counts also at the boundary.
    fn parameter_count(&self) -> usize;

    /// The total weight, which counts as sample size.
    fn weight(&self) -> f64;

    /// Whether there is a maximum, and it was found.
    #[must_use]
    fn is_maximum(&self) -> bool {
        self.status().is_maximum()
    }

    /// Akaike's criterion, 2k − 2 ln L of k parameters; `None` without a maximum, and with penalties.
    #[must_use]
    fn aic(&self) -> Option<f64> {
        charge(self, 2.0)
    }

    /// Schwarz's criterion, k ln n − 2 ln L, n the total weight; `None` without a maximum, with penalties, and for
    /// n < 1.
    #[must_use]
    fn bic(&self) -> Option<f64> {
        charge(self, self.weight().ln())
    }
}

/// −2 ln L, and a price for every parameter.
fn charge(fit: &(impl Fitted + ?Sized), price: f64) -> Option<f64> {
    (fit.is_maximum() && fit.penalty() == 0.0 && price >= 0.0)
        .then(|| fit.parameter_count() as f64 * price - 2.0 * fit.log_likelihood())
}

/// Twice the gain in log-likelihood over `Fixed`.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct LikelihoodRatio {
    /// 2(ln L − ln L of `Fixed`), at least 0.
    pub statistic: f64,
    /// P of as much or more without spread, where the maximum is at v = 0 half the time: under ½χ²₀ + ½χ²₁,
    /// ½P(χ²₁ ≥ statistic) = Φ(−√statistic), and 1 at 0.
    pub p: f64,
}

impl LikelihoodRatio {
    fn from_gain(gain: f64) -> Self {
        let statistic = (2.0 * gain).max(0.0);
        Self { statistic, p: if statistic > 0.0 { normal_cdf(-statistic.sqrt()) } else { 1.0 } }
    }
}

/// All families fitted to the same data, and the tests: to margins by [`heterogeneity`](crate::heterogeneity), to
/// pairs by [`train_all`](crate::train_all).
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Comparison<F> {
    /// The fit of every family.
    pub fits: PerFamily<F>,
    /// The score test at plain DPO; `None` where that is a coin's, or next to it: at the mean 0 of
    /// [`FitStatus::MeanZero`], where v says nothing, and where one choice far beyond the others holds all other margins
    /// at nothing.
    pub score: Option<ScoreTest>,
    /// The options.
    pub options: Options,
}

impl<F: Fitted> Comparison<F> {
    /// Of a family against `Fixed`, in what was maximised: with penalties, twice the gain in the penalised
    /// log-likelihood, for which the distribution is an approximation. `None` without a maximum of both, and for
    /// `Fixed` itself.
    #[must_use]
    pub fn likelihood_ratio(&self, family: Family) -> Option<LikelihoodRatio> {
        let (fit, fixed) = (&self.fits[family], &self.fits[Family::Fixed]);
        if family == Family::Fixed || !fit.is_maximum() || !fixed.is_maximum() {
            return None;
        }
        let value = |fit: &F| fit.log_likelihood() - fit.penalty();
        Some(LikelihoodRatio::from_gain(value(fit) - value(fixed)))
    }

    /// The family with the least AIC among those with a maximum.
    #[must_use]
    pub fn best_by_aic(&self) -> Option<Family> {
        self.best_by(F::aic)
    }

    /// The family with the least BIC among those with a maximum.
    #[must_use]
    pub fn best_by_bic(&self) -> Option<Family> {
        self.best_by(F::bic)
    }

    fn best_by(&self, criterion: impl Fn(&F) -> Option<f64>) -> Option<Family> {
        let values = self.fits.iter().filter_map(|(family, fit)| Some((family, criterion(fit)?)));
        values.reduce(|a, b| if b.1 < a.1 { b } else { a }).map(|(family, _)| family)
    }

    /// All of it in one sentence. The likelihood ratio of the best family decides, at [`SIGNIFICANCE`]; several were
    /// tried, which makes a p close to that a little better than it is.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        // A family with a maximum that tells is enough, whatever became of the others.
        let p = Family::ALL.into_iter().filter_map(|family| self.likelihood_ratio(family));
        if p.fold(1.0, |p: f64, ratio| p.min(ratio.p)) <= SIGNIFICANCE {
            return Verdict::Heterogeneous;
        }
        let with = |status| {
            let those = self.fits.iter().filter(move |(_, fit)| fit.status() == status);
            those.map(|(family, _)| family).collect::<Vec<_>>()
        };
        let families = with(FitStatus::Unbounded);
        if !families.is_empty() {
            return Verdict::NoMaximum { families, max_cv: self.options.max_cv };
        }
        if !with(FitStatus::NotConverged).is_empty() {
            return Verdict::NotConverged;
        }
        let at_boundary =
            |(family, fit): (_, &F)| family == Family::Fixed || fit.status() == FitStatus::Boundary;
        if self.fits.iter().all(at_boundary) { Verdict::Homogeneous } else { Verdict::NotSignificant }
    }
}

/// What a [`Comparison`] comes to; `Display` says it in words.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Verdict {
    /// The likelihood of some families still rises at the largest cv, and none with a maximum is heterogeneous.
    NoMaximum {
        /// Of these.
        families: Vec<Family>,
        /// The largest cv.
        max_cv: f64,
    },
    /// A fit did not converge, and none that did is heterogeneous.
    NotConverged,
    /// Every p(β) collapses to a point.
    Homogeneous,
    /// A spread fits better, and not by more than chance would have it.
    NotSignificant,
    /// There is a spread, or something that looks like one: p(LR) of the best family is at most [`SIGNIFICANCE`].
    /// Others may have no maximum.
    Heterogeneous,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoMaximum { families, max_cv } => {
                f.write_str("no finite maximum (")?;
                for (i, family) in families.iter().enumerate() {
                    write!(f, "{}{family}", if i == 0 { "" } else { ", " })?;
                }
                return write!(
                    f,
                    "): the likelihood still rises with the spread, up to the cap cv = {max_cv} or with ever larger \
                     margins; this is not a fit"
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
