//! What a report says beside the fits: calibration, sizes of margins, groups.

use super::format::shorten;
use super::summary::{Calibrated, FamilySummary, Groups, OneGroup};
use prefstrength::{AnyStrength, PerFamily};
use prefstrength_learn::{ByGroup, Calibration, LearnError, Margins};

/// Shares of the choices whose sizes of margins are told, in per cent.
const SHARES: [f64; 4] = [10.0, 50.0, 90.0, 99.0];

/// Calibration of some p(β) for the same margins, and sizes of the margins.
pub(crate) fn calibrate(
    betas: &[AnyStrength],
    margins: impl Margins,
    bins: u16,
) -> Result<(Calibrated, Vec<(f64, f64)>), LearnError> {
    let bins = usize::from(bins);
    let calibration = Calibration::measure(betas, margins)?;
    let calibrated = Calibrated {
        families: betas.iter().map(AnyStrength::family).collect(),
        error: (0..betas.len()).map(|i| calibration.error(i, bins)).collect(),
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
    Ok((calibrated, SHARES.into_iter().filter_map(size).collect()))
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

/// Those of the families that have a fit.
pub(crate) fn fitted(families: &PerFamily<FamilySummary>) -> Vec<AnyStrength> {
    families.values().filter(|f| f.is_maximum).map(|f| f.beta).collect()
}
