//! Everything that a report says: what is printed, drawn, or written as JSON.

use prefstrength::{AnyStrength, Family, PerFamily};
use prefstrength_learn::{
    Averages, CalibrationBin, Comparison, CrossValidation, Fit, FitStatus, Fitted, GroupEffectTest,
    LikelihoodRatio, ScoreTest, StandardErrors, Trained, Verdict,
};
use serde::Serialize;
use std::collections::BTreeMap;

#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    pub(crate) command: &'static str,
    pub(crate) file: String,
    /// Rows, and their total weight.
    pub(crate) number: usize,
    pub(crate) weight: f64,
    /// Whether the verdict is one of a fit.
    pub(crate) is_fit: bool,
    pub(crate) verdict: &'static str,
    pub(crate) verdict_text: String,
    /// None where plain DPO is a coin's.
    pub(crate) score_test: Option<ScoreTest>,
    pub(crate) families: PerFamily<FamilySummary>,
    pub(crate) best_by_aic: Option<Family>,
    pub(crate) best_by_bic: Option<Family>,
    pub(crate) penalties: Option<Penalties>,
    pub(crate) cross_validation: Option<CrossValidation>,
    /// Why there is none that was asked for.
    pub(crate) cross_validation_error: Option<String>,
    /// What cross-validation says of a spread: better, worse, or undecided.
    pub(crate) predicts: Option<Predicts>,
    pub(crate) calibration: Vec<Calibrated>,
    /// Sizes of margins that so many per cent of the choices do not exceed; of the `described_by` family.
    pub(crate) sizes: Vec<(f64, f64)>,
    /// The family that groups and pictures are about.
    pub(crate) described_by: Family,
    pub(crate) groups: Option<Groups>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Penalties {
    pub(crate) ridge: f64,
    pub(crate) prior_cv: Option<f64>,
}

/// One family's fit.
#[derive(Debug, Serialize)]
pub(crate) struct FamilySummary {
    pub(crate) family: Family,
    pub(crate) spread: FitStatus,
    pub(crate) is_maximum: bool,
    pub(crate) log_likelihood: f64,
    /// 0 unless there is a ridge or a prior.
    pub(crate) penalty: f64,
    pub(crate) mean: f64,
    pub(crate) mean_error: Option<f64>,
    pub(crate) cv: f64,
    pub(crate) cv_error: Option<f64>,
    pub(crate) cv_error_robust: Option<f64>,
    /// By name: beta; shape and scale; mu and sigma.
    pub(crate) parameters: BTreeMap<&'static str, f64>,
    /// Of a policy.
    pub(crate) policy: Option<Vec<Feature>>,
    pub(crate) likelihood_ratio: Option<LikelihoodRatio>,
    pub(crate) aic: Option<f64>,
    pub(crate) bic: Option<f64>,
    pub(crate) iterations: u32,
    pub(crate) gradient: f64,
    #[serde(skip)]
    pub(crate) beta: AnyStrength,
    /// Variances of the estimates of ln mean and v, and their covariance.
    #[serde(skip)]
    pub(crate) covariance: Option<[f64; 3]>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Feature {
    pub(crate) name: String,
    pub(crate) weight: f64,
    pub(crate) error: Option<f64>,
    /// So many pairs, which all that have the feature agree: its weight is infinite, and the one given stands for it.
    pub(crate) separated: Option<usize>,
}

/// Whether a spread predicts pairs that were not learned from better than plain DPO does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Predicts {
    Better,
    Worse,
    Undecided,
}

impl Predicts {
    /// By the family that describes, or else the one that predicts best: a gain beyond 1.645 standard errors.
    pub(crate) fn of(held_out: &CrossValidation, described_by: Family) -> Self {
        let of = |family| &held_out.families[family];
        let spread = Family::ALL.into_iter().filter(|&family| family != Family::Fixed);
        let best = || spread.reduce(|a, b| if of(a).gain > of(b).gain { a } else { b });
        let f = of(if described_by == Family::Fixed { best().unwrap_or(described_by) } else { described_by });
        match f.gain {
            gain if gain > 1.645 * f.gain_error => Self::Better,
            gain if gain < -1.645 * f.gain_error => Self::Worse,
            _ => Self::Undecided,
        }
    }

    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Better => "a spread also predicts pairs held out better than plain DPO",
            Self::Worse => "a spread predicts pairs held out worse than plain DPO: do not rely on it",
            Self::Undecided => {
                "cross-validation does not tell whether a spread predicts better than plain DPO"
            }
        }
    }
}

/// Predictions of one family, or of several for the same margins.
#[derive(Debug, Serialize)]
pub(crate) struct Calibrated {
    pub(crate) families: Vec<Family>,
    /// Σ share·|observed − predicted|, in the order of the families.
    pub(crate) error: Vec<f64>,
    pub(crate) bins: Vec<CalibrationBin>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Groups {
    pub(crate) micro: Averages,
    #[serde(rename = "macro")]
    pub(crate) macro_average: Averages,
    pub(crate) alike: Option<GroupEffectTest>,
    /// From weak to strong.
    pub(crate) groups: Vec<OneGroup>,
}

#[derive(Debug, Serialize)]
pub(crate) struct OneGroup {
    pub(crate) name: String,
    pub(crate) number: usize,
    pub(crate) weight: f64,
    pub(crate) margin: f64,
    pub(crate) accuracy: f64,
    /// Mean.
    pub(crate) log_likelihood: f64,
    pub(crate) strength: f64,
    pub(crate) strength_error: Option<f64>,
}

impl Summary {
    /// Without what only some reports have.
    pub(crate) fn new(
        command: &'static str,
        file: String,
        (number, weight): (usize, f64),
        verdict: Verdict,
        score_test: Option<ScoreTest>,
        (best_by_aic, best_by_bic): (Option<Family>, Option<Family>),
        families: PerFamily<FamilySummary>,
    ) -> Self {
        Self {
            command,
            file,
            number,
            weight,
            is_fit: !matches!(verdict, Verdict::NoMaximum { .. } | Verdict::NotConverged),
            verdict: verdict_name(&verdict),
            verdict_text: verdict.to_string(),
            score_test,
            best_by_aic,
            best_by_bic,
            penalties: None,
            cross_validation: None,
            cross_validation_error: None,
            predicts: None,
            calibration: Vec::new(),
            sizes: Vec::new(),
            described_by: describing(&families),
            groups: None,
            families,
        }
    }

    pub(crate) fn family(&self, family: Family) -> &FamilySummary {
        &self.families[family]
    }
}

/// The family with a spread of its own under which the choices are likeliest, or plain DPO.
fn describing(families: &PerFamily<FamilySummary>) -> Family {
    let spread = families.values().filter(|f| f.spread == FitStatus::Interior);
    let best = spread.reduce(|a, b| if b.value() > a.value() { b } else { a });
    best.map_or(Family::Fixed, |f| f.family)
}

fn verdict_name(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::NoMaximum { .. } => "no_maximum",
        Verdict::NotConverged => "not_converged",
        Verdict::Homogeneous => "homogeneous",
        Verdict::NotSignificant => "not_significant",
        Verdict::Heterogeneous => "heterogeneous",
    }
}

impl FamilySummary {
    /// Whether it is a fit of its own: one whose spread collapsed says what plain DPO says.
    pub(crate) fn has_own_spread(&self) -> bool {
        self.is_maximum && self.spread != FitStatus::Boundary
    }

    /// What was maximised.
    pub(crate) fn value(&self) -> f64 {
        self.log_likelihood - self.penalty
    }

    pub(crate) fn of_fit(report: &Comparison<Fit>, family: Family) -> Self {
        let fit: &Fit = &report.fits[family];
        let StandardErrors { ln_mean, v, cv, covariance } = fit.errors;
        Self {
            family,
            spread: fit.status,
            is_maximum: fit.is_maximum(),
            log_likelihood: fit.log_likelihood,
            penalty: 0.0,
            mean: fit.strength.mean(),
            mean_error: ln_mean.map(|e| e * fit.strength.mean()),
            cv: fit.strength.cv(),
            cv_error: cv,
            cv_error_robust: None,
            parameters: parameters(&fit.strength),
            policy: None,
            likelihood_ratio: report.likelihood_ratio(family),
            aic: fit.aic(),
            bic: fit.bic(),
            iterations: fit.iterations,
            gradient: fit.gradient,
            beta: fit.strength,
            covariance: ln_mean.map(|m| [m * m, v.map_or(0.0, |v| v * v), covariance.unwrap_or(0.0)]),
        }
    }

    pub(crate) fn of_trained(report: &Comparison<Trained>, family: Family, names: &[String]) -> Self {
        let fit: &Trained = &report.fits[family];
        let policy = fit.w.iter().zip(names).enumerate().map(|(i, (&weight, name))| Feature {
            name: name.clone(),
            weight,
            error: fit.errors.w.as_ref().and_then(|e| e.get(i).copied()).filter(|e| e.is_finite()),
            separated: fit.separated.iter().find(|s| s.feature == i).map(|s| s.number),
        });
        Self {
            family,
            spread: fit.status,
            is_maximum: fit.is_maximum(),
            log_likelihood: fit.log_likelihood,
            penalty: fit.penalty,
            mean: fit.strength.mean(),
            mean_error: None,
            cv: fit.strength.cv(),
            cv_error: fit.errors.cv,
            cv_error_robust: fit.errors.cv_robust,
            parameters: parameters(&fit.strength),
            policy: Some(policy.collect()),
            likelihood_ratio: report.likelihood_ratio(family),
            aic: fit.aic(),
            bic: fit.bic(),
            iterations: fit.iterations,
            gradient: fit.gradient,
            beta: fit.strength,
            covariance: fit.errors.v.map(|v| [0.0, v * v, 0.0]),
        }
    }
}

/// Native parameters by name.
fn parameters(beta: &AnyStrength) -> BTreeMap<&'static str, f64> {
    beta.family().parameters().iter().copied().zip(beta.parameters()).collect()
}
