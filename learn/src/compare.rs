//! All families beside each other: whether the spread of β is real.

use crate::model::{ChoiceCurve, Model};
use crate::options::Options;
use crate::profile::Profile;
use crate::score::{PeopleTests, ScoreTest};
use crate::status::FitStatus;
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
    /// What was asked for.
    fn model(&self) -> Model;

    /// What became of the spread.
    fn status(&self) -> FitStatus;

    /// Without penalties.
    fn log_likelihood(&self) -> f64;

    /// What was taken from it: ½λ|w|² + ½cv²/τ².
    fn penalty(&self) -> f64;

    /// How many parameters were learned; the spread counts also at the boundary.
    fn parameter_count(&self) -> usize;

    /// How many margins or pairs.
    fn number(&self) -> usize;

    /// The total weight, which counts as sample size.
    fn weight(&self) -> f64;

    /// The chance of a choice as a function of the margin.
    fn curve(&self) -> ChoiceCurve;

    /// Standard errors: by groups, if there are any.
    fn shape_errors(&self) -> ShapeErrors;

    /// Whether there is a maximum, and it was found.
    #[must_use]
    fn is_maximum(&self) -> bool {
        self.status().is_maximum()
    }

    /// Whether the maximum is this model's own: not one on the boundary, which a smaller model has too.
    #[must_use]
    fn has_own_maximum(&self) -> bool {
        matches!(self.status(), FitStatus::Fixed | FitStatus::Interior)
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

/// Standard errors of what a model has beside its scale.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ShapeErrors {
    /// Of cv.
    pub cv: Option<f64>,
    /// Of ε.
    pub lapse: Option<f64>,
    /// Of γ.
    pub curvature: Option<f64>,
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
    pub(crate) fn from_gain(gain: f64) -> Self {
        let statistic = (2.0 * gain).max(0.0);
        Self { statistic, p: if statistic > 0.0 { normal_cdf(-statistic.sqrt()) } else { 1.0 } }
    }
}

/// A model beside the one with the least AIC.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Rival {
    /// Which one.
    pub model: Model,
    /// By how much its log-likelihood (with penalties) is worse than that of the best model; negative where it is better
    /// and pays for more parameters.
    pub worse: f64,
    /// Its AIC less the least.
    pub aic: f64,
    /// z = Σd/√Σ(d − d̄)² of the differences d of log-likelihoods, of choices or, with groups, of groups: beyond 1.645 the
    /// best model is closer to the data than chance would have it. Of models of which neither is part of the other.
    /// `None` where they say the same. Source: Q. Vuong, Econometrica 57 (1989).
    pub vuong_z: Option<f64>,
}

/// All families fitted to the same data, and the tests: to margins by [`heterogeneity`](crate::heterogeneity), to
/// pairs by [`train_all`](crate::train_all).
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Comparison<F> {
    /// The fit of every family.
    pub fits: PerFamily<F>,
    /// The same with flipped labels: `Fixed` with them is label noise alone.
    pub lapsed: PerFamily<F>,
    /// Plain DPO of a curved margin.
    pub curved: F,
    /// The score test of v = 0 at the fit of label noise: whether there is a spread beyond it.
    pub beyond_noise: Option<ScoreTest>,
    /// With groups, whether people differ.
    pub people: Option<PeopleTests>,
    /// Where plain DPO is not the model with the least AIC, the test between people at that model: that a curve levels off
    /// is no reason for people to differ.
    pub people_at_best: Option<ScoreTest>,
    /// How much more the choices of a group vary together than independent ones would, at least 1:
    /// [`PeopleTests::dependence`]. Likelihood ratios of choices are divided by it. 1 without groups.
    pub dependence: f64,
    /// The model with the least AIC.
    pub best: Model,
    /// The others with a maximum of their own, by AIC.
    pub rivals: Vec<Rival>,
    /// The values of cv that the choices allow, of the family that explains them best.
    pub cv: Option<Profile>,
    /// The values of ε that they allow beside plain DPO.
    pub lapse: Option<Profile>,
    /// The score test at plain DPO; `None` where that is a coin's, or next to it: at the mean 0 of
    /// [`FitStatus::MeanZero`], where v says nothing, and where one choice far beyond the others holds all other margins
    /// at nothing.
    pub score: Option<ScoreTest>,
    /// The options.
    pub options: Options,
}

impl<F: Fitted> Comparison<F> {
    /// Of a family against `Fixed`, in what was maximised: with penalties, twice the gain in the penalised
    /// log-likelihood, for which the distribution is an approximation; with groups, divided by
    /// [`dependence`](Self::dependence). `None` without a maximum of both, and for `Fixed` itself.
    #[must_use]
    pub fn likelihood_ratio(&self, family: Family) -> Option<LikelihoodRatio> {
        self.likelihood_ratio_of(&self.fits[family])
    }

    /// The same of any of the models. p of one with two parameters more than `Fixed`, a spread beside label noise, is
    /// under ¼χ²₀ + ½χ²₁ + ¼χ²₂, that of a curved margin, which may bend to either side, under χ²₁.
    #[must_use]
    pub fn likelihood_ratio_of(&self, fit: &F) -> Option<LikelihoodRatio> {
        let statistic = self.ratio(fit).filter(|_| fit.model().parameters() > 0)?;
        let below = if statistic > 0.0 { normal_cdf(-statistic.sqrt()) } else { 0.5 };
        let p = match (fit.model().curvature, fit.model().parameters()) {
            (true, _) => 2.0 * below,
            (_, 1) if statistic > 0.0 => below,
            (_, _) if statistic > 0.0 => below + 0.25 * (-0.5 * statistic).exp(),
            _ => 1.0,
        };
        Some(LikelihoodRatio { statistic, p })
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

    /// The curved margin, where it is weighed against others.
    pub(crate) fn weighed_curved(&self) -> Option<&F> {
        weighed(&self.curved, &self.options)
    }

    /// The weaker of the tests between people, at plain DPO and at the model with the least AIC.
    pub(crate) fn between(&self) -> Option<ScoreTest> {
        let at_plain = self.people.as_ref()?.between;
        let weaker = self.people_at_best.filter(|at_best| at_best.p > at_plain.p);
        Some(weaker.unwrap_or(at_plain))
    }

    /// A model, with or without label noise, one of those that were fitted.
    #[must_use]
    pub fn fit(&self, model: Model) -> Option<&F> {
        let all = self.fits.values().chain(self.lapsed.values()).chain([&self.curved]);
        all.into_iter().find(|fit| fit.model() == model)
    }

    /// Twice the gain of a model over plain DPO, divided by the [`dependence`](Self::dependence) of choices; 0 at the
    /// boundary. `None` without a maximum of both.
    fn ratio(&self, fit: &F) -> Option<f64> {
        let fixed = &self.fits[Family::Fixed];
        let value = |fit: &F| fit.log_likelihood() - fit.penalty();
        let both = fit.is_maximum() && fixed.is_maximum();
        both.then(|| (2.0 * (value(fit) - value(fixed))).max(0.0) / self.dependence)
    }

    /// The tests that [`verdict`](crate::Verdict) rests on: p of plain DPO against each alternative, and against people
    /// who differ; then these after S. Holm's correction for their number.
    #[must_use]
    pub fn tests(&self) -> Vec<Test> {
        let mut tests = Vec::new();
        let mut add = |model: Option<Model>, p: Option<f64>| {
            tests.extend(p.filter(|p| p.is_finite()).map(|p| Test { model, p, holm: p }));
        };
        let alternatives =
            self.fits.values().chain([&self.lapsed[Family::Fixed]]).chain(self.weighed_curved());
        for fit in alternatives {
            add(Some(fit.model()), self.likelihood_ratio_of(fit).map(|ratio| ratio.p));
        }
        add(None, self.between().map(|between| between.p));
        correct(&mut tests);
        tests
    }
}

/// A curved margin, unless there is a ridge: on w alone, that makes room for γ, which it does not hold.
pub(crate) fn weighed<'a, F>(curved: &'a F, options: &Options) -> Option<&'a F> {
    Some(curved).filter(|_| options.ridge == 0.0)
}

/// One of the tests of a verdict.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Test {
    /// The alternative to plain DPO; `None` for people who differ.
    pub model: Option<Model>,
    /// P of as much or more under plain DPO.
    pub p: f64,
    /// The same corrected for the number of tests: at most α for any of them with probability α.
    pub holm: f64,
}

/// S. Holm, A simple sequentially rejective multiple test procedure, Scand. J. Statist. 6 (1979).
fn correct(tests: &mut [Test]) {
    let mut order: Vec<usize> = (0..tests.len()).collect();
    order.sort_by(|&a, &b| tests[a].p.total_cmp(&tests[b].p));
    let mut largest: f64 = 0.0;
    for (before, &i) in order.iter().enumerate() {
        largest = largest.max(tests[i].p * (order.len() - before) as f64).min(1.0);
        tests[i].holm = largest;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holm() {
        let mut tests = [0.01, 0.04, 0.03, 0.5].map(|p| Test { model: None, p, holm: p });
        correct(&mut tests);
        assert_eq!(tests.map(|t| t.holm), [0.04, 0.09, 0.09, 0.5]);
    }
}
