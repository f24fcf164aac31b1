//! What a report says beside the fits: calibration, sizes of margins, groups.

use super::format::{shorten, significant};
use super::summary::{Against, Calibrated, Groups, OneGroup, OnePerson, PanelSummary, PeopleSummary};
use prefstrength::Family;
use prefstrength_learn::{
    self as learn, ByGroup, Calibration, ChoiceCurve, Extremes, LearnError, Margins, Model, Options, Pairs,
    People, PeopleTests, PersonStrength, ScoreTest, TotalWeight, Weighted,
};

/// Shares of the choices whose sizes of margins are told, in per cent.
const SHARES: [f64; 4] = [10.0, 50.0, 90.0, 99.0];

/// Times the usual size from which on a margin is extreme.
const EXTREME: f64 = 10.0;

/// Calibration of some models for the same margins, sizes of the margins, and what a picture of the models shows.
#[allow(clippy::type_complexity, reason = "three things of one pass")]
pub(crate) fn calibrate(
    models: &[(Model, ChoiceCurve)],
    margins: impl Margins,
    bins: u16,
) -> Result<(Calibrated, Vec<(f64, f64)>, Against), LearnError> {
    let bins = usize::from(bins);
    let curves: Vec<ChoiceCurve> = models.iter().map(|(_, curve)| *curve).collect();
    let calibration = Calibration::measure(&curves, margins)?;
    let calibrated = Calibrated {
        models: models.iter().map(|(model, _)| model.to_string()).collect(),
        of: models.iter().map(|(model, _)| *model).collect(),
        error: (0..models.len()).map(|i| calibration.error(i, bins)).collect(),
        bins: calibration.bins(bins),
    };
    let fine = calibration.bins(1000);
    let total: f64 = fine.iter().map(|bin| bin.weight).sum();
    let size = |share: f64| {
        let mut seen = 0.0;
        let reached = fine.iter().find(|bin| {
            seen += bin.weight;
            seen >= share / 100.0 * total * (1.0 - 1e-9)
        });
        reached.map(|bin| (share, bin.largest))
    };
    let sizes = SHARES.into_iter().filter_map(size).collect();
    Ok((calibrated, sizes, Against { bins: fine, curves: models.to_vec() }))
}

/// What is strange about margins, in sentences.
pub(crate) fn notes_of_margins(
    mut margins: impl Margins,
    weights_count: bool,
) -> Result<Vec<String>, LearnError> {
    let extremes = Extremes::measure(&mut margins, EXTREME)?;
    let mut notes = Vec::new();
    if weights_count {
        notes.extend(note_weight(&TotalWeight::of(&mut margins)?));
    }
    if let Some(note) = note_extremes(&extremes) {
        // What a fit without them says: of plain DPO, which they move most.
        let fit = learn::fit(Family::Fixed, extremes.without(&mut margins), &Options::default());
        let without = fit.map_or(String::new(), |fit| {
            let mean = significant(fit.strength.mean(), 4);
            format!("; without them plain DPO has mean β {mean}, log-likelihood {:.4}", fit.log_likelihood)
        });
        notes.push(format!("{note}{without}"));
    }
    Ok(notes)
}

/// What is strange about pairs at the margins of plain DPO.
pub(crate) fn notes_of_pairs(
    pairs: &Pairs,
    names: &[String],
    margins: &[f64],
    of_margins: Option<&[f64]>,
    weights_count: bool,
) -> Result<Vec<String>, LearnError> {
    let mut notes = Vec::new();
    if let Some(weights) = pairs.weights().filter(|_| weights_count) {
        notes.extend(note_weight(&TotalWeight::of_weights(weights)?));
    }
    for (j, name) in names.iter().enumerate() {
        let column: Vec<f64> = pairs.rows().map(|f| f[j]).collect();
        let weighted = match pairs.weights() {
            Some(weights) => Weighted::new(&column, weights)?,
            None => Weighted::equally(&column),
        };
        // A dummy that is nearly always 0 has no scale of its own.
        let Ok(extremes) = Extremes::measure(weighted, 100.0 * EXTREME) else { continue };
        if extremes.number() > 0 {
            notes.push(format!(
                "feature {}: {} of its values beyond {:.0} times the usual size, up to {} (a placeholder for \
                 what is missing?)",
                shorten(name, 24),
                extremes.number(),
                100.0 * EXTREME,
                significant(extremes.largest, 4)
            ));
        }
    }
    let weighted = match of_margins {
        Some(weights) => Weighted::new(margins, weights)?,
        None => Weighted::equally(margins),
    };
    if let Ok(extremes) = Extremes::measure(weighted, EXTREME) {
        notes.extend(note_extremes(&extremes));
    }
    Ok(notes)
}

fn note_extremes(extremes: &Extremes) -> Option<String> {
    let (number, far) = (extremes.number(), extremes.how_far());
    (number > 0).then(|| {
        let sides = format!("{} with the choice, {} against it", extremes.positive, extremes.negative);
        format!(
            "{number} extreme margin{}: more than {EXTREME:.0} times the usual size {}, up to {} times ({sides})",
            if number == 1 { "" } else { "s" },
            significant(extremes.usual, 3),
            significant(far, 3)
        )
    })
}

fn note_weight(total: &TotalWeight) -> Option<String> {
    let what = match () {
        () if !total.is_sample_size() => format!(
            "the weights of {} rows sum to {}, which counts as sample size: standard errors and tests are those of so \
             many choices",
            total.number,
            significant(total.sum, 4)
        ),
        () if total.fractional > 0 => format!(
            "{} of {} weights are no whole numbers, and count as repetitions all the same: of one person's rows they look \
             like choices that agree",
            total.fractional, total.number
        ),
        () => return None,
    };
    Some(format!("{what}. If they are weights of a sample, use --sampling-weights"))
}

/// How much weights of a sample say.
pub(crate) fn note_sample(total: &TotalWeight) -> Option<String> {
    let (number, effective) = (total.number, total.effective_number());
    (effective < 0.99 * number as f64).then(|| {
        format!(
            "the weights differ: {number} choices say about as much as {} of one weight, which is the sample size of all \
             tests",
            significant(effective, 4)
        )
    })
}

/// Why there is no test between people, whose groups are there.
pub(crate) fn note_no_people(groups: &Groups) -> String {
    let groups = &groups.groups;
    let why = match () {
        () if groups.len() == 1 => "there is one group only",
        () if groups.iter().all(|group| group.number < 2) => "no group has two choices",
        () => "plain DPO tells the choices apart in no group",
    };
    format!("nothing tells whether people differ, and there is no β per person: {why}")
}

/// What groups tell where each is a person; strengths from weak to strong.
pub(crate) fn people_summary(
    tests: Option<PeopleTests>,
    between_at_best: Option<ScoreTest>,
    features: &[String],
    panel: Option<Result<(People, Vec<PersonStrength>), LearnError>>,
    names: &[String],
) -> Option<PeopleSummary> {
    let tests = tests?;
    let (panel, panel_error) = match panel {
        None => (None, None),
        Some(Err(error)) => (None, Some(error.to_string())),
        Some(Ok((people, mut strengths))) => {
            strengths.sort_by(|a, b| a.median.total_cmp(&b.median).then(a.person.cmp(&b.person)));
            let name = |person: u32| names.get(person as usize).cloned().unwrap_or_default();
            let strengths = strengths.into_iter();
            let panel = PanelSummary {
                persons: people.persons,
                best: people.best().model.family,
                likelihood_ratio: people.likelihood_ratio(),
                strengths: strengths
                    .map(|strength| OnePerson { name: name(strength.person), strength })
                    .collect(),
                with_noise: people.lapsed,
                profile_cv: people.cv,
                fits: people.fits,
            };
            (Some(panel), None)
        }
    };
    Some(PeopleSummary { tests, between_at_best, features: features.to_vec(), panel, panel_error })
}

/// The groups, by their names.
pub(crate) fn groups(by_group: &ByGroup, names: &[String]) -> Groups {
    let one = |(&id, group): (&u32, &prefstrength_learn::Group)| OneGroup {
        name: names.get(id as usize).cloned().unwrap_or_default(),
        number: group.number,
        weight: group.weight,
        margin: group.margin(),
        accuracy: group.accuracy(),
        log_likelihood: group.log_likelihood / group.weight,
        strength: group.strength(),
        strength_error: group.strength_error(),
    };
    let mut groups: Vec<OneGroup> = by_group.groups().iter().map(one).collect();
    // Without a spread all strengths are 1, and the accuracy orders them.
    groups.sort_by(|a, b| a.strength.total_cmp(&b.strength).then(a.accuracy.total_cmp(&b.accuracy)));
    Groups {
        micro: by_group.micro(),
        macro_average: by_group.macro_average(),
        alike: by_group.test_group_effect(),
        groups,
    }
}

/// An error of the library, with what to do about it.
pub(crate) fn explain(file: &str, error: &LearnError, names: &[String]) -> String {
    let hint = match error {
        LearnError::Separable if names.is_empty() => {
            "\nNo margin is negative, so that the data agree with β = ∞. If the margins are those of the pairs that \
             the policy was trained on, take pairs that it has not seen; make sure that they are not absolute values."
        }
        LearnError::Separable => "\nUse --ridge, fewer features, or more pairs.",
        LearnError::SeparatedBy { features } => {
            let named = features.iter().take(10);
            let named: Vec<String> = named
                .map(|&j| names.get(j).map_or("?".into(), |name| format!("`{}`", shorten(name, 40))))
                .collect();
            let more = if features.len() > 10 { ", …" } else { "" };
            let what = if features.len() == 1 { "the feature" } else { "one after the other, the features" };
            let has = if features.len() == 1 { "has" } else { "have" };
            return format!(
                "{file}: {what} {}{more} {has} one sign in every pair that is left, so that the likelihood rises \
                 without end\n\
                 Is it chosen minus rejected? Leave it out (--features), or use --ridge.",
                named.join(", ")
            );
        }
        LearnError::MeanVanishes => {
            "\nThe chosen answers do not have the larger margins, on average. Is the sign chosen minus rejected?"
        }
        LearnError::OneSize => "\nA spread can be told only from choices at margins of different sizes.",
        LearnError::Collinear { feature } => {
            let name = names.get(*feature).map_or("?".into(), |name| shorten(name, 40));
            return format!(
                "{file}: the feature `{name}` is 0 or a linear combination of those before it\n\
                 Leave it out (--features), or use --ridge."
            );
        }
        _ => "",
    };
    format!("{file}: {error}{hint}")
}
