//! Everything that a report says: what is printed, drawn, or written as JSON.

use prefstrength::{AnyStrength, Family, PerFamily};
use prefstrength_learn::{
    Averages, Bootstrap, CalibrationBin, ChoiceCurve, ChoicesVerdict, Comparison, CrossValidation, Fit,
    FitStatus, Fitted, GroupEffectTest, ItemTest, LearnError, LikelihoodRatio, Model, PeopleTests,
    PeopleVerdict, PersonStrength, Profile, Ratio, RatioInterval, ScoreTest, StandardErrors, Trained,
    Verdict, limits,
};
use serde::Serialize;
use std::collections::BTreeMap;

/// The alternative of the test between people.
const PEOPLE: &str = "people";
const SIGNIFICANCE: f64 = limits::SIGNIFICANCE;

/// Of the JSON: raised where a key changes its meaning or goes.
const SCHEMA_VERSION: u32 = 1;

#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    pub(crate) schema_version: u32,
    pub(crate) command: &'static str,
    pub(crate) file: String,
    /// Rows, and their total weight.
    pub(crate) number: usize,
    pub(crate) weight: f64,
    /// What the text gives of the standard errors of a fit, which has them all.
    pub(crate) standard_errors: ErrorsBy,
    /// The cap.
    pub(crate) max_cv: f64,
    /// Whether the verdict is one of a fit.
    pub(crate) is_fit: bool,
    pub(crate) verdict: VerdictSummary,
    /// None where plain DPO is a coin's.
    pub(crate) score_test: Option<ScoreTest>,
    /// The score test of v = 0 at the fit of label noise.
    pub(crate) score_test_beyond_noise: Option<ScoreTest>,
    /// How much more the choices of a group vary together than independent ones: what likelihood ratios are divided by.
    pub(crate) dependence: f64,
    pub(crate) families: PerFamily<ModelSummary>,
    /// Plain DPO with label noise, with a curved margin; and the families with label noise.
    pub(crate) noise: ModelSummary,
    pub(crate) curved: ModelSummary,
    pub(crate) families_with_noise: Vec<ModelSummary>,
    /// Values of cv and ε that the choices allow.
    pub(crate) profile_cv: Option<Profile>,
    pub(crate) profile_noise: Option<Profile>,
    pub(crate) best_by_aic: Option<Family>,
    pub(crate) best_by_bic: Option<Family>,
    /// What the position of an answer is worth, of margins with a position.
    pub(crate) position: Option<Position>,
    pub(crate) penalties: Option<Penalties>,
    pub(crate) cross_validation: Option<CrossValidation>,
    /// Why there is none that was asked for.
    pub(crate) cross_validation_error: Option<String>,
    /// What cross-validation says of a spread: better, worse, or undecided.
    pub(crate) predicts: Option<Predicts>,
    /// The model of the verdict, fitted to replicates.
    pub(crate) bootstrap: Option<Bootstrapped>,
    /// Why there is none that was asked for.
    pub(crate) bootstrap_error: Option<String>,
    /// What is strange about the file.
    pub(crate) notes: Vec<String>,
    pub(crate) calibration: Vec<Calibrated>,
    /// The model of the verdict; [`main`](Self::main) has it.
    pub(crate) shown: String,
    /// Sizes of margins that so many per cent of the choices do not exceed; in training, of the model shown.
    pub(crate) sizes: Vec<(f64, f64)>,
    /// The family that groups and pictures are about.
    pub(crate) described_by: Family,
    pub(crate) groups: Option<Groups>,
    pub(crate) people: Option<PeopleSummary>,
    pub(crate) items: Option<ItemTest>,
    /// Counts of choices against the margin by its size, and what each model says of it, for a picture.
    #[serde(skip)]
    pub(crate) against: Option<Against>,
    /// The model whose calibration and margins are shown.
    #[serde(skip)]
    pub(crate) main: Model,
}

/// What standard errors are by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ErrorsBy {
    /// The curvature of the likelihood.
    Curvature,
    /// Scores of groups.
    Group,
    /// Scores of single choices: of sampling weights.
    Sandwich,
}

/// α of β(D + α·position), in units of the margin.
#[derive(Debug, Serialize)]
pub(crate) struct Position {
    pub(crate) name: String,
    /// Of the model with the least AIC.
    pub(crate) model: String,
    pub(crate) alpha: f64,
    /// By the delta method.
    pub(crate) error: Option<f64>,
    /// Fieller's, of 95 %.
    pub(crate) interval: Option<RatioInterval>,
    #[serde(skip)]
    pub(crate) of: Model,
}

/// The verdict, with everything that its words rest on.
#[derive(Debug, Serialize)]
pub(crate) struct VerdictSummary {
    pub(crate) choices: ChoicesVerdict,
    pub(crate) people: Option<PeopleVerdict>,
    pub(crate) text: String,
    pub(crate) choices_text: String,
    pub(crate) people_text: Option<String>,
    /// p of plain DPO against each alternative, and after Holm's correction.
    pub(crate) tests: Vec<OneTest>,
    pub(crate) z: Option<f64>,
    pub(crate) z_beyond_noise: Option<f64>,
    pub(crate) choices_needed: Option<f64>,
    pub(crate) persons_needed: Option<f64>,
}

#[derive(Debug, Serialize)]
pub(crate) struct OneTest {
    /// The alternative; people for the test between them.
    pub(crate) alternative: String,
    pub(crate) p: f64,
    pub(crate) holm: f64,
}

impl VerdictSummary {
    fn new(verdict: &Verdict) -> Self {
        let name = |test: &prefstrength_learn::Test| test.model.map_or(PEOPLE.to_owned(), |m| m.to_string());
        let one = |test| OneTest { alternative: name(test), p: test.p, holm: test.holm };
        Self {
            choices: verdict.choices,
            people: verdict.people,
            text: verdict.to_string(),
            choices_text: verdict.choices_text().to_owned(),
            people_text: verdict.people_text().map(str::to_owned),
            tests: verdict.tests.iter().map(one).collect(),
            z: verdict.z,
            z_beyond_noise: verdict.z_beyond_noise,
            choices_needed: verdict.choices_needed,
            persons_needed: verdict.persons_needed,
        }
    }
}

/// What groups tell where each is a person.
#[derive(Debug, Serialize)]
pub(crate) struct PeopleSummary {
    pub(crate) tests: PeopleTests,
    /// The test between people at the model with the least AIC, where that is not plain DPO: the verdict takes the weaker.
    pub(crate) between_at_best: Option<ScoreTest>,
    /// Names of the features of `tests.features`.
    pub(crate) features: Vec<String>,
    /// With one β per person.
    pub(crate) panel: Option<PanelSummary>,
    /// Why there is no panel that was asked for.
    pub(crate) panel_error: Option<String>,
}

#[derive(Debug, Serialize)]
pub(crate) struct PanelSummary {
    pub(crate) persons: usize,
    pub(crate) fits: PerFamily<Trained>,
    pub(crate) best: Family,
    pub(crate) with_noise: Trained,
    pub(crate) likelihood_ratio: Option<LikelihoodRatio>,
    pub(crate) profile_cv: Option<Profile>,
    /// From weak to strong.
    pub(crate) strengths: Vec<OnePerson>,
}

impl PanelSummary {
    /// Whether people have strengths to tell of.
    pub(crate) fn has_spread(&self) -> bool {
        self.fits[self.best].strength.v() > 0.0
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct OnePerson {
    pub(crate) name: String,
    #[serde(flatten)]
    pub(crate) strength: PersonStrength,
}

/// What the picture of alternatives shows.
#[derive(Debug)]
pub(crate) struct Against {
    pub(crate) bins: Vec<CalibrationBin>,
    pub(crate) curves: Vec<(Model, ChoiceCurve)>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Penalties {
    pub(crate) ridge: f64,
    pub(crate) prior_cv: Option<f64>,
}

/// One model's fit.
#[derive(Debug, Serialize)]
pub(crate) struct ModelSummary {
    pub(crate) model: String,
    pub(crate) family: Family,
    pub(crate) spread: FitStatus,
    pub(crate) is_maximum: bool,
    pub(crate) log_likelihood: f64,
    /// 0 unless there is a ridge or a prior.
    pub(crate) penalty: f64,
    pub(crate) mean: f64,
    pub(crate) mean_error: Option<f64>,
    pub(crate) mean_error_robust: Option<f64>,
    pub(crate) cv: f64,
    pub(crate) cv_error: Option<f64>,
    pub(crate) cv_error_robust: Option<f64>,
    /// ε, the share of flipped labels; 0 where none was learned.
    pub(crate) lapse: f64,
    pub(crate) lapse_error: Option<f64>,
    pub(crate) lapse_error_robust: Option<f64>,
    /// γ, the power of the margin; 1 where none was learned.
    pub(crate) curvature: f64,
    pub(crate) curvature_error: Option<f64>,
    pub(crate) curvature_error_robust: Option<f64>,
    /// So many groups are behind robust errors; none without groups.
    pub(crate) robust_units: Option<usize>,
    /// By name: beta; shape and scale; mu and sigma.
    pub(crate) parameters: BTreeMap<&'static str, f64>,
    /// Of a policy.
    pub(crate) policy: Option<Vec<Feature>>,
    pub(crate) likelihood_ratio: Option<LikelihoodRatio>,
    pub(crate) aic: Option<f64>,
    pub(crate) bic: Option<f64>,
    /// AIC less the least of all models, and Vuong's z of the best one against this one.
    pub(crate) aic_difference: Option<f64>,
    pub(crate) vuong_z: Option<f64>,
    pub(crate) iterations: u32,
    pub(crate) gradient: f64,
    #[serde(skip)]
    pub(crate) of: Model,
    #[serde(skip)]
    pub(crate) curve: ChoiceCurve,
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
    pub(crate) error_robust: Option<f64>,
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

/// The seed of replicates: a report repeats.
pub(crate) const SEED: u64 = 0;
/// Of intervals by replicates.
const LEVEL: f64 = 0.95;

/// What replicates of the data say of the estimates.
#[derive(Debug, Serialize)]
pub(crate) struct Bootstrapped {
    pub(crate) model: String,
    pub(crate) replicates: usize,
    /// Replicates without a fit.
    pub(crate) failed: u32,
    /// Groups, or rows, that were drawn from.
    pub(crate) units: usize,
    pub(crate) level: f64,
    pub(crate) estimates: Vec<Replicated>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Replicated {
    /// mean, cv, lapse, curvature, or a feature.
    pub(crate) name: String,
    pub(crate) estimate: f64,
    pub(crate) error: Option<f64>,
    pub(crate) interval: Option<[f64; 2]>,
}

impl Bootstrapped {
    pub(crate) fn of_fit(found: &Bootstrap<Fit>) -> Self {
        Self::new(found, vec![Replicated::of(found, "mean", |fit| fit.strength.mean())])
    }

    /// Separated features have no weight to tell of.
    pub(crate) fn of_trained(found: &Bootstrap<Trained>, features: &[String]) -> Self {
        let separated = |j: usize| found.fit.separated.iter().any(|separated| separated.feature == j);
        let kept = features.iter().enumerate().filter(|&(j, _)| !separated(j));
        let weights = kept.map(|(j, name)| Replicated::of(found, name, move |trained| trained.w[j]));
        Self::new(found, weights.collect())
    }

    fn new<F: Fitted>(found: &Bootstrap<F>, mut estimates: Vec<Replicated>) -> Self {
        let Model { lapse, curvature, .. } = found.fit.model();
        if found.fit.model().has_spread() {
            estimates.push(Replicated::of(found, "cv", |fit| fit.curve().strength().cv()));
        }
        if lapse {
            estimates.push(Replicated::of(found, "lapse", |fit| fit.curve().epsilon()));
        }
        if curvature {
            estimates.push(Replicated::of(found, "curvature", |fit| fit.curve().curvature()));
        }
        Self {
            model: found.fit.model().to_string(),
            replicates: found.replicates.len(),
            failed: found.failed,
            units: found.units,
            level: LEVEL,
            estimates,
        }
    }
}

impl Replicated {
    fn of<F>(found: &Bootstrap<F>, name: &str, of: impl Fn(&F) -> f64) -> Self {
        Self {
            name: name.into(),
            estimate: of(&found.fit),
            error: found.standard_error(&of),
            interval: found.interval(LEVEL, &of),
        }
    }
}

/// Predictions of one family, or of several for the same margins.
#[derive(Debug, Serialize)]
pub(crate) struct Calibrated {
    pub(crate) models: Vec<String>,
    #[serde(skip)]
    pub(crate) of: Vec<Model>,
    /// Σ share·|observed − predicted|, in the order of the models.
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
    /// Where it fails the rest of the report is as good as ever.
    pub(crate) fn cross_validated(&mut self, found: Result<CrossValidation, LearnError>) {
        match found {
            Ok(held_out) => {
                self.predicts = Some(Predicts::of(&held_out, self.described_by));
                self.cross_validation = Some(held_out);
            }
            Err(error) => self.cross_validation_error = Some(error.to_string()),
        }
    }

    /// Likewise.
    pub(crate) fn bootstrapped<F>(
        &mut self,
        found: Result<&Bootstrap<F>, &LearnError>,
        of: impl Fn(&Bootstrap<F>) -> Bootstrapped,
    ) {
        match found {
            Ok(found) => self.bootstrap = Some(of(found)),
            Err(error) => self.bootstrap_error = Some(error.to_string()),
        }
    }

    /// Of margins, without what only some reports have.
    pub(crate) fn of_fit(file: String, report: &Comparison<Fit>, verdict: &Verdict) -> Self {
        let one = |fit: &Fit| ModelSummary::of_fit(report, fit);
        Self::new("fit", file, report, verdict, one)
    }

    /// Of pairs.
    pub(crate) fn of_trained(
        command: &'static str,
        file: String,
        report: &Comparison<Trained>,
        verdict: &Verdict,
        names: &[String],
    ) -> Self {
        let one = |fit: &Trained| ModelSummary::of_trained(report, fit, names);
        Self::new(command, file, report, verdict, one)
    }

    fn new<F: Fitted>(
        command: &'static str,
        file: String,
        report: &Comparison<F>,
        verdict: &Verdict,
        one: impl Fn(&F) -> ModelSummary,
    ) -> Self {
        let families = PerFamily::from_fn(|family| one(&report.fits[family]));
        let lapsed = report.lapsed.iter().filter(|(family, _)| *family != Family::Fixed);
        let fixed = &report.fits[Family::Fixed];
        let units = families.values().filter_map(|f| f.robust_units).max();
        let by_group = units.is_some_and(|units| units >= limits::GROUPS);
        let mut summary = Self {
            schema_version: SCHEMA_VERSION,
            command,
            file,
            number: fixed.number(),
            weight: fixed.weight(),
            standard_errors: if by_group { ErrorsBy::Group } else { ErrorsBy::Curvature },
            max_cv: report.options.max_cv,
            is_fit: verdict.is_fit(),
            verdict: VerdictSummary::new(verdict),
            score_test: report.score,
            score_test_beyond_noise: report.beyond_noise,
            dependence: report.dependence,
            noise: one(&report.lapsed[Family::Fixed]),
            curved: one(&report.curved),
            families_with_noise: lapsed.map(|(_, fit)| one(fit)).collect(),
            profile_cv: report.cv.clone(),
            profile_noise: report.lapse.clone(),
            best_by_aic: report.best_by_aic(),
            best_by_bic: report.best_by_bic(),
            position: None,
            penalties: None,
            cross_validation: None,
            cross_validation_error: None,
            bootstrap: None,
            bootstrap_error: None,
            predicts: None,
            notes: Vec::new(),
            calibration: Vec::new(),
            sizes: Vec::new(),
            described_by: describing(&families),
            groups: None,
            people: None,
            items: None,
            against: None,
            shown: String::new(),
            main: Model::new(Family::Fixed),
            families,
        };
        // A spread beside noise says nearly what one of both says, which is.
        let main = match summary.shown().of {
            both if both.lapse && both.has_spread() => Model::new(summary.described_by),
            main => main,
        };
        (summary.main, summary.shown) = (main, main.to_string());
        summary
    }

    /// The model whose calibration and margins are shown.
    pub(crate) fn main(&self) -> &ModelSummary {
        self.models().find(|f| f.of == self.main).unwrap_or(self.family(Family::Fixed))
    }

    pub(crate) fn family(&self, family: Family) -> &ModelSummary {
        &self.families[family]
    }

    /// All models that have a maximum of their own.
    pub(crate) fn models(&self) -> impl Iterator<Item = &ModelSummary> {
        let others = [&self.noise, &self.curved].into_iter().chain(&self.families_with_noise);
        self.families.values().chain(others).filter(|f| f.has_own_spread())
    }

    /// Whether margins are those of weights that were learned, beside which E[β] is 1.
    pub(crate) fn is_policy(&self) -> bool {
        self.family(Family::Fixed).policy.is_some()
    }

    /// One β per person, where these differ.
    pub(crate) fn spread_panel(&self) -> Option<&PanelSummary> {
        self.people.as_ref()?.panel.as_ref().filter(|panel| panel.has_spread())
    }

    /// The one with the least AIC.
    pub(crate) fn best_by_aic_of_all(&self) -> Option<&ModelSummary> {
        let least = |a: &&ModelSummary, b: &&ModelSummary| {
            let of = |f: &ModelSummary| f.aic.unwrap_or(f64::INFINITY);
            of(a).total_cmp(&of(b))
        };
        self.models().filter(|f| f.aic.is_some()).min_by(least)
    }

    /// The model that the verdict is about.
    pub(crate) fn shown(&self) -> &ModelSummary {
        let fixed = self.family(Family::Fixed);
        match self.verdict.choices {
            ChoicesVerdict::Plain | ChoicesVerdict::Steeper => fixed,
            ChoicesVerdict::Noise => &self.noise,
            ChoicesVerdict::Concave => &self.curved,
            ChoicesVerdict::Strength => self.family(self.described_by),
            // Nothing was found, and it is not known whether there is something.
            _ if self
                .verdict
                .tests
                .iter()
                .all(|test| test.alternative == PEOPLE || test.holm > SIGNIFICANCE) =>
            {
                fixed
            }
            _ => self.best_by_aic_of_all().unwrap_or(fixed),
        }
    }

    /// With sampling weights, standard errors are those of the sandwich.
    pub(crate) fn of_a_sample(&mut self) {
        if self.standard_errors == ErrorsBy::Curvature {
            self.standard_errors = ErrorsBy::Sandwich;
        }
    }
}

impl Position {
    /// Of pairs whose features are the margin and the position.
    pub(crate) fn new(report: &Comparison<Trained>, names: &[String], by: ErrorsBy) -> Option<Self> {
        let fit = report.fit(report.best)?;
        let (&[margin, position], [_, name]) = (&fit.w[..], names) else { return None };
        let errors = if by == ErrorsBy::Curvature { &fit.errors } else { &fit.robust };
        let covariance = errors.covariance.as_deref();
        let ratio = covariance.and_then(|covariance| Ratio::of_weights(&fit.w, covariance, 1, 0).ok());
        Some(Self {
            name: name.clone(),
            model: report.best.to_string(),
            of: report.best,
            alpha: position / margin,
            error: ratio.map(|ratio| ratio.error()).filter(|error| error.is_finite()),
            interval: ratio.and_then(|ratio| ratio.fieller(0.95).ok()),
        })
        .filter(|position| position.alpha.is_finite())
    }
}

/// The family with a spread of its own under which the choices are likeliest, or plain DPO.
fn describing(families: &PerFamily<ModelSummary>) -> Family {
    let spread = families.values().filter(|f| f.spread == FitStatus::Interior);
    let best = spread.reduce(|a, b| if b.value() > a.value() { b } else { a });
    best.map_or(Family::Fixed, |f| f.family)
}

impl ModelSummary {
    /// Whether it is a fit of its own: one whose spread collapsed says what plain DPO says.
    pub(crate) fn has_own_spread(&self) -> bool {
        self.is_maximum && self.spread != FitStatus::Boundary
    }

    /// What was maximised.
    pub(crate) fn value(&self) -> f64 {
        self.log_likelihood - self.penalty
    }

    fn of_fit(report: &Comparison<Fit>, fit: &Fit) -> Self {
        let StandardErrors { ln_mean, cv, lapse, curvature, .. } = fit.errors;
        let by_group = fit.robust_units.is_some_and(|units| units >= limits::GROUPS);
        let of_band = if by_group { fit.robust } else { fit.errors };
        let of_mean = |e: Option<f64>| e.map(|e| e * fit.strength.mean());
        Self {
            mean_error: of_mean(ln_mean),
            mean_error_robust: of_mean(fit.robust.ln_mean),
            cv_error: cv,
            cv_error_robust: fit.robust.cv,
            lapse_error: lapse,
            lapse_error_robust: fit.robust.lapse,
            curvature_error: curvature,
            curvature_error_robust: fit.robust.curvature,
            robust_units: fit.robust_units,
            iterations: fit.iterations,
            gradient: fit.gradient,
            covariance: of_band
                .ln_mean
                .map(|m| [m * m, of_band.v.map_or(0.0, |v| v * v), of_band.covariance.unwrap_or(0.0)]),
            ..Self::new(report, fit)
        }
    }

    fn of_trained(report: &Comparison<Trained>, fit: &Trained, names: &[String]) -> Self {
        let error = |errors: &Option<Vec<f64>>, i: usize| {
            errors.as_ref().and_then(|e| e.get(i).copied()).filter(|e| e.is_finite())
        };
        let by_group = fit.robust_units.is_some_and(|units| units >= limits::GROUPS);
        let of_band = if by_group { &fit.robust } else { &fit.errors };
        let policy = fit.w.iter().zip(names).enumerate().map(|(i, (&weight, name))| Feature {
            name: name.clone(),
            weight,
            error: error(&fit.errors.w, i),
            error_robust: error(&fit.robust.w, i),
            separated: fit.separated.iter().find(|s| s.feature == i).map(|s| s.number),
        });
        Self {
            cv_error: fit.errors.cv,
            cv_error_robust: fit.robust.cv,
            lapse_error: fit.errors.lapse,
            lapse_error_robust: fit.robust.lapse,
            curvature_error: fit.errors.curvature,
            curvature_error_robust: fit.robust.curvature,
            robust_units: fit.robust_units,
            policy: Some(policy.collect()),
            iterations: fit.iterations,
            gradient: fit.gradient,
            covariance: of_band.v.map(|v| [0.0, v * v, 0.0]),
            ..Self::new(report, fit)
        }
    }

    /// What all fits have.
    fn new<F: Fitted>(report: &Comparison<F>, fit: &F) -> Self {
        let (model, curve) = (fit.model(), fit.curve());
        let rival = report.rivals.iter().find(|rival| rival.model == model);
        let best = model == report.best;
        Self {
            model: model.to_string(),
            family: model.family,
            spread: fit.status(),
            is_maximum: fit.is_maximum(),
            log_likelihood: fit.log_likelihood(),
            penalty: fit.penalty(),
            mean: curve.strength().mean(),
            mean_error: None,
            mean_error_robust: None,
            cv: curve.strength().cv(),
            cv_error: None,
            cv_error_robust: None,
            lapse: curve.epsilon(),
            lapse_error: None,
            lapse_error_robust: None,
            curvature: curve.curvature(),
            curvature_error: None,
            curvature_error_robust: None,
            robust_units: None,
            parameters: parameters(&curve.strength()),
            policy: None,
            likelihood_ratio: report.likelihood_ratio_of(fit),
            aic: fit.aic(),
            bic: fit.bic(),
            aic_difference: rival.map(|rival| rival.aic).or(best.then_some(0.0)),
            vuong_z: rival.and_then(|rival| rival.vuong_z),
            iterations: 0,
            gradient: 0.0,
            of: model,
            curve,
            beta: curve.strength(),
            covariance: None,
        }
    }
}

/// Native parameters by name.
fn parameters(beta: &AnyStrength) -> BTreeMap<&'static str, f64> {
    beta.family().parameters().iter().copied().zip(beta.parameters()).collect()
}
