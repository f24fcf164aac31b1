//! A report as text for people.

use super::format::{or_dash, percent, probability, shorten, significant, strings, table};
use super::summary::{Calibrated, FamilySummary, Groups, OneGroup, Summary};
use prefstrength::{Family, Strength};
use prefstrength_learn::CrossValidation;
use prefstrength_learn::FitStatus;
use std::fmt::Write as _;

/// Features, and groups at either end, that are listed.
const FEATURES: usize = 40;
const ENDS: usize = 5;

/// A sentence about rows and their weight, and the table of families.
pub(crate) fn report(summary: &Summary) -> String {
    let what = if summary.command == "fit" { "margins" } else { "pairs" };
    let mut text = format!("{}: {} {what}", summary.file, summary.number);
    if summary.weight != summary.number as f64 {
        let _ = write!(text, " of total weight {}", significant(summary.weight, 6));
    }
    if let Some(penalties) = &summary.penalties {
        let _ = write!(text, "; ridge {}", penalties.ridge);
        if let Some(tau) = penalties.prior_cv {
            let _ = write!(text, ", half-normal prior of scale {tau} on cv");
        }
    }
    text.push_str("\n\n");
    text.push_str(&families(summary));
    text.push_str(&score_test(summary));
    let _ = writeln!(text, "  => {}", summary.verdict_text);
    if let Some(predicts) = summary.predicts {
        let _ = writeln!(text, "  => {}", predicts.words());
    }
    if let Some(error) = &summary.cross_validation_error {
        let _ = writeln!(text, "  no cross-validation: {error}");
    }
    text.push_str(&advice(summary));
    text.push_str(&policy(summary));
    if let Some(held_out) = &summary.cross_validation {
        text.push_str(&cross_validation(held_out));
    }
    text.push_str(&meaning(summary));
    text.push_str(&calibration(summary));
    if let Some(groups) = &summary.groups {
        text.push_str(&of_groups(groups));
    }
    text
}

fn score_test(summary: &Summary) -> String {
    let Some(score) = summary.score_test else {
        return "  no score test: plain DPO does no better than a coin (one large margin on the wrong side is enough for \
                that)\n"
            .to_owned();
    };
    let mut text =
        format!("  score test of heterogeneity: z = {:.3}, p = {}\n", score.z, probability(score.p));
    if let (Some(z), Some(p)) = (score.z_outer, score.p_outer) {
        let by = if summary.command == "train" && summary.groups.is_some() { ", by group" } else { "" };
        let _ = writeln!(text, "    from squared scores{by}: z = {z:.3}, p = {}", probability(p));
    }
    text
}

fn families(summary: &Summary) -> String {
    let train = summary.command == "train";
    let mut header = strings(["family", "log-likelihood"]);
    header.extend(if train {
        strings(["cv", "s.e.", "robust s.e.", "|w|"])
    } else {
        strings(["mean β", "s.e.", "cv", "s.e."])
    });
    header.extend(strings(["LR", "p(LR)", "AIC", "BIC"]));
    let row = |f: &FamilySummary| {
        let error = |e: Option<f64>| or_dash(e.map(|e| significant(e, 3)));
        let cv = match f.spread {
            FitStatus::Fixed | FitStatus::MeanZero => "-".into(),
            FitStatus::Boundary => "0".into(),
            FitStatus::Interior => significant(f.cv, 4),
            FitStatus::Unbounded => format!("> {}", significant(f.cv, 3)),
            FitStatus::NotConverged => format!("{}?", significant(f.cv, 4)),
        };
        let mut cells = vec![f.family.to_string(), format!("{:.4}", f.log_likelihood)];
        cells.extend(match &f.policy {
            Some(w) => {
                let finite = w.iter().filter(|w| w.separated.is_none());
                let norm = finite.map(|w| w.weight * w.weight).sum::<f64>().sqrt();
                [cv, error(f.cv_error), error(f.cv_error_robust), significant(norm, 4)]
            }
            None => [significant(f.mean, 4), error(f.mean_error), cv, error(f.cv_error)],
        });
        let lr = f.likelihood_ratio;
        cells.push(or_dash(lr.map(|lr| format!("{:.3}", lr.statistic))));
        cells.push(or_dash(lr.map(|lr| probability(lr.p))));
        cells.extend([f.aic, f.bic].map(|x| or_dash(x.map(|x| format!("{x:.2}")))));
        cells
    };
    let mut rows = vec![header];
    rows.extend(summary.families.values().map(row));
    let mut text = table(&rows);
    if let (Some(aic), Some(bic)) = (summary.best_by_aic, summary.best_by_bic) {
        let _ = writeln!(text, "  AIC prefers {aic}, BIC {bic}");
    }
    text
}

/// What may help where there is no fit.
fn advice(summary: &Summary) -> String {
    let train = summary.command == "train";
    let mut text = String::new();
    let rising =
        summary.families.values().filter(|f| f.spread == FitStatus::Unbounded).map(|f| f.family.to_string());
    let rising: Vec<String> = rising.collect();
    if summary.is_fit && !rising.is_empty() {
        let _ = writeln!(text, "     {} has no maximum up to the cap of cv.", rising.join(" and "));
    }
    if !summary.is_fit && !rising.is_empty() {
        text.push_str(if train {
            "     Bound it with --ridge or --prior-cv, or take fewer features; --folds tells what predicts.\n"
        } else {
            "     So few choices, or choices that hardly depend on the size of the margin, cannot tell how far β spreads.\n"
        });
    }
    if train
        && summary.verdict == "heterogeneous"
        && summary.penalties.is_some()
        && summary.predicts.is_none()
    {
        text.push_str(
            "     With penalties p(LR) is an approximation: --folds tells whether a spread predicts.\n",
        );
    }
    text
}

fn policy(summary: &Summary) -> String {
    let shown: Vec<(&FamilySummary, &Vec<_>)> = summary
        .families
        .values()
        .filter(|f| matches!(f.spread, FitStatus::Fixed | FitStatus::Interior))
        .filter_map(|f| f.policy.as_ref().map(|w| (f, w)))
        .collect();
    let Some((_, first)) = shown.first() else { return String::new() };
    let mut header = vec!["feature".to_owned()];
    for (f, _) in &shown {
        header.extend([format!("w {}", f.family), "s.e.".into()]);
    }
    let mut rows = vec![header];
    for (i, feature) in first.iter().enumerate().take(FEATURES) {
        let mut row = vec![shorten(&feature.name, 24)];
        for (_, w) in &shown {
            let w = w.get(i);
            row.push(or_dash(w.map(|w| match w.separated {
                Some(0) => "any".into(),
                Some(_) => if w.weight > 0.0 { "∞" } else { "-∞" }.into(),
                None => significant(w.weight, 4),
            })));
            row.push(or_dash(w.and_then(|w| w.error).map(|e| significant(e, 2))));
        }
        rows.push(row);
    }
    let mut text = format!("\npolicy, margin = w·f\n{}", table(&rows));
    if first.len() > FEATURES {
        let _ = writeln!(text, "  and {} more: --json has all", first.len() - FEATURES);
    }
    for feature in first.iter() {
        let name = shorten(&feature.name, 24);
        let _ = match feature.separated {
            None => Ok(()),
            Some(0) => {
                writeln!(text, "  {name}: only pairs have it that other features decide: any weight does")
            }
            Some(n) => writeln!(
                text,
                "  {name}: has one sign in all {n} pairs that have it, so that its weight has no end; the rest is \
                 fitted without these pairs, which is the limit"
            ),
        };
    }
    text
}

fn cross_validation(held_out: &CrossValidation) -> String {
    let mut rows =
        vec![strings(["family", "log-likelihood", "gain", "s.e.", "folds without maximum", "not converged"])];
    for family in Family::ALL {
        let f = &held_out.families[family];
        let fixed = family == Family::Fixed;
        rows.push(vec![
            family.to_string(),
            format!("{:.3}", f.log_likelihood),
            if fixed { "-".into() } else { format!("{:+.3}", f.gain) },
            if fixed { "-".into() } else { format!("{:.3}", f.gain_error) },
            f.unbounded.to_string(),
            f.not_converged.to_string(),
        ]);
    }
    format!("\ncross-validation, {} folds: pairs predicted from the others\n{}", held_out.folds, table(&rows))
}

/// What the p(β) comes to at margins as there are.
fn meaning(summary: &Summary) -> String {
    let described = summary.family(summary.described_by);
    let mut text = String::from("\n");
    let parameters: Vec<String> =
        described.parameters.iter().map(|(name, x)| format!("{name} {}", significant(*x, 4))).collect();
    let _ = write!(text, "{}: {}", described.family, parameters.join(", "));
    if described.spread == FitStatus::Interior {
        let q = |p: f64| significant(described.beta.quantile(p), 3);
        let _ = write!(
            text,
            "; β is below {} in 10 %, {} in 50 %, {} in 90 % of choices",
            q(0.1),
            q(0.5),
            q(0.9)
        );
    }
    text.push('\n');
    if summary.sizes.is_empty() {
        return text;
    }
    let mut header = vec!["size of the margin |D|".to_owned()];
    header.extend(summary.sizes.iter().map(|(_, size)| significant(*size, 3)));
    let mut share = vec!["  exceeded by".to_owned()];
    share.extend(summary.sizes.iter().map(|(share, _)| format!("{} %", 100.0 - share)));
    let mut rows = vec![header, share];
    for f in summary.families.values() {
        // In training, sizes are those of one family's margins.
        let same = summary.command == "fit" || f.family == summary.described_by;
        if f.has_own_spread() && same {
            let mut row = vec![format!("  P of the larger margin, {}", f.family)];
            row.extend(summary.sizes.iter().map(|(_, size)| percent(f.beta.expected_sigmoid(*size))));
            rows.push(row);
        }
    }
    text.push_str(&table(&rows));
    text
}

/// A table for the family that describes, and the deviations of all.
fn calibration(summary: &Summary) -> String {
    let main = |c: &&Calibrated| c.families.contains(&summary.described_by);
    let Some(shown) = summary.calibration.iter().find(main) else { return String::new() };
    let mut header = strings(["mean |D|", "choices", "observed", "95 % interval"]);
    header.extend(shown.families.iter().map(ToString::to_string));
    let mut rows = vec![header];
    for bin in &shown.bins {
        let [low, high] = bin.interval;
        let mut row = vec![
            significant(bin.size, 3),
            bin.number.to_string(),
            percent(bin.observed),
            format!("{:.1} … {:.1} %", 100.0 * low, 100.0 * high),
        ];
        row.extend(bin.predicted.iter().map(|&p| percent(p)));
        rows.push(row);
    }
    let errors: Vec<String> = summary
        .calibration
        .iter()
        .flat_map(|c| c.families.iter().zip(&c.error))
        .map(|(family, error)| format!("{family} {:.2} %", 100.0 * error))
        .collect();
    format!(
        "\ncalibration: how often the answer with the larger margin was chosen, and predicted to be\n{}  \
         mean deviation: {}\n",
        table(&rows),
        errors.join(", ")
    )
}

fn of_groups(groups: &Groups) -> String {
    let mut rows = vec![strings(["", "margin", "accuracy", "log-likelihood", "strength"])];
    for (name, a) in [("over choices", groups.micro), ("over groups", groups.macro_average)] {
        rows.push(vec![
            name.into(),
            significant(a.margin, 4),
            percent(a.accuracy),
            format!("{:.4}", a.log_likelihood),
            format!("{:.3}", a.strength),
        ]);
    }
    let n = groups.groups.len();
    let mut text = format!("\n{n} groups, averages\n{}", table(&rows));
    let mut rows = vec![strings(["group", "choices", "margin", "accuracy", "strength", "s.e."])];
    let row = |g: &OneGroup| {
        vec![
            shorten(&g.name, 24),
            g.number.to_string(),
            significant(g.margin, 4),
            percent(g.accuracy),
            format!("{:.3}", g.strength),
            or_dash(g.strength_error.map(|e| format!("{e:.3}"))),
        ]
    };
    if n <= 2 * ENDS + 1 {
        rows.extend(groups.groups.iter().map(row));
    } else {
        rows.extend(groups.groups[..ENDS].iter().map(row));
        rows.push(vec!["…".into()]);
        rows.extend(groups.groups[n - ENDS..].iter().map(row));
    }
    let _ = write!(
        text,
        "from weak to strong (strength: posterior mean of β given the choices, over E[β])\n{}",
        table(&rows)
    );
    match &groups.alike {
        Some(test) => {
            let words = if test.p <= 0.05 {
                "some groups decide strongly throughout, others weakly"
            } else {
                "no evidence that groups differ in strength"
            };
            let _ = writeln!(
                text,
                "  are choices of one group alike in strength? z = {:.3}, p = {}: {words}",
                test.z,
                probability(test.p)
            );
        }
        None => {
            text.push_str("  whether groups differ in strength cannot be tested: that asks for a spread of β and 10 groups of two choices\n");
        }
    }
    text
}
