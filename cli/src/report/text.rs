//! A report as text for people.

use super::format::{or_dash, percent, probability, shorten, significant, strings, table};
use super::summary::{
    Calibrated, Groups, ModelSummary, OneGroup, OnePerson, PanelSummary, PeopleSummary, Summary,
};
use prefstrength::{Family, Strength};
use prefstrength_learn::{
    ChoicesVerdict, CrossValidation, FitStatus, ItemTest, Model, Profile, ScoreTest, Trained,
};
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
    text.push_str(&models(summary));
    text.push_str(&score_test(summary));
    let _ = writeln!(text, "  => {}", summary.verdict.choices_text);
    if let Some(people) = &summary.verdict.people_text {
        let _ = writeln!(text, "  => {people}");
    }
    if let Some(predicts) = summary.predicts {
        let _ = writeln!(text, "  => {}", predicts.words());
    }
    if let Some(error) = &summary.cross_validation_error {
        let _ = writeln!(text, "  no cross-validation: {error}");
    }
    text.push_str(&advice(summary));
    for note in &summary.notes {
        let _ = writeln!(text, "  note: {note}");
    }
    text.push_str(&policy(summary));
    if let Some(held_out) = &summary.cross_validation {
        text.push_str(&cross_validation(held_out));
    }
    text.push_str(&meaning(summary));
    text.push_str(&calibration(summary));
    if let Some(people) = &summary.people {
        text.push_str(&of_people(people));
    }
    if let Some(groups) = &summary.groups {
        let panel = summary.people.as_ref().is_some_and(|people| people.panel.is_some());
        text.push_str(&of_groups(groups, panel));
    }
    if let Some(items) = &summary.items {
        text.push_str(&of_items(items));
    }
    text
}

/// z and p, and those from squared scores.
fn test_line(name: &str, test: &ScoreTest, grouped: bool) -> String {
    let mut text = format!("  {name}: z = {:.3}, p = {}", test.z, probability(test.p));
    if let (Some(z), Some(p)) = (test.z_outer, test.p_outer) {
        let by = if grouped { ", by group" } else { "" };
        let _ = write!(text, "; from squared scores{by}: z = {z:.3}, p = {}", probability(p));
    }
    text + "\n"
}

fn score_test(summary: &Summary) -> String {
    let Some(score) = &summary.score_test else {
        return "  no score test: plain DPO does no better than a coin (one large margin on the wrong side is enough for \
                that)\n"
            .to_owned();
    };
    let grouped = summary.people.is_some();
    let mut text = test_line("score test of a spread", score, grouped);
    if let Some(beyond) = summary.score_test_beyond_noise.filter(|_| summary.noise.has_own_spread()) {
        text.push_str(&test_line("  and beyond label noise", &beyond, grouped));
    }
    text
}

/// What a model has beside its scale, with a standard error.
fn shape(f: &ModelSummary, robust: bool) -> [String; 2] {
    let error = |[plain, by_group]: [Option<f64>; 2]| if robust { by_group } else { plain };
    let (cv, noise) = ([f.cv_error, f.cv_error_robust], [f.lapse_error, f.lapse_error_robust]);
    let curvature = [f.curvature_error, f.curvature_error_robust];
    let three = |e: Option<f64>| or_dash(e.map(|e| significant(e, 3)));
    let share = |e: Option<f64>| or_dash(e.map(|e| format!("{:.1} %", 100.0 * e)));
    if f.of.curvature {
        return [format!("γ {}", significant(f.curvature, 3)), three(error(curvature))];
    }
    if f.of.lapse && !f.of.has_spread() {
        return [format!("ε {:.1} %", 100.0 * f.lapse), share(error(noise))];
    }
    let value = match f.spread {
        FitStatus::Fixed | FitStatus::MeanZero => return ["-".into(), "-".into()],
        FitStatus::Boundary => "cv 0".into(),
        FitStatus::Interior => format!("cv {}", significant(f.cv, 4)),
        FitStatus::Unbounded => format!("cv > {}", significant(f.cv, 3)),
        FitStatus::NotConverged => format!("cv {}?", significant(f.cv, 4)),
    };
    let beside = if f.of.lapse { format!(", ε {:.1} %", 100.0 * f.lapse) } else { String::new() };
    [value + &beside, three(error(cv))]
}

/// As people know it.
fn name_of(model: Model) -> String {
    match (model.family, model.lapse, model.curvature) {
        (Family::Fixed, false, false) => "Fixed (plain DPO)".into(),
        (Family::Fixed, true, _) => "label noise".into(),
        (_, _, true) => "curved margin".into(),
        (family, true, _) => format!("{family} + noise"),
        (family, false, _) => family.to_string(),
    }
}

fn models(summary: &Summary) -> String {
    let robust = summary.is_grouped();
    let error = if robust { "s.e. by group" } else { "s.e." };
    let mut header = strings(["model", "log-likelihood"]);
    header.extend(strings(if summary.family(Family::Fixed).policy.is_some() {
        ["|w|", "", "shape", error]
    } else {
        ["mean β", error, "shape", error]
    }));
    header.extend(strings(["LR", "p(LR)", "AIC", "BIC", "z"]));
    let row = |f: &ModelSummary| {
        let mut cells = vec![name_of(f.of), format!("{:.4}", f.log_likelihood)];
        cells.extend(match &f.policy {
            Some(w) => {
                let finite = w.iter().filter(|w| w.separated.is_none());
                let norm = finite.map(|w| w.weight * w.weight).sum::<f64>().sqrt();
                [significant(norm, 4), String::new()]
            }
            None => {
                let error = if robust { f.mean_error_robust } else { f.mean_error };
                [significant(f.mean, 4), or_dash(error.map(|e| significant(e, 3)))]
            }
        });
        cells.extend(shape(f, robust));
        let lr = f.likelihood_ratio;
        cells.push(or_dash(lr.map(|lr| format!("{:.3}", lr.statistic))));
        cells.push(or_dash(lr.map(|lr| probability(lr.p))));
        cells.extend([f.aic, f.bic].map(|x| or_dash(x.map(|x| format!("{x:.2}")))));
        cells.push(or_dash(f.vuong_z.map(|z| format!("{z:.2}"))));
        cells
    };
    let mut rows = vec![header];
    rows.push(row(summary.family(Family::Fixed)));
    rows.extend([&summary.noise, &summary.curved].map(row));
    rows.extend(summary.families.values().skip(1).map(row));
    // Beside noise only those that are more than either.
    rows.extend(summary.families_with_noise.iter().filter(|f| f.has_own_spread()).map(row));
    let mut text = table(&rows);
    let best = summary.models().filter(|f| f.aic.is_some()).min_by(|a, b| {
        let of = |f: &ModelSummary| f.aic.unwrap_or(f64::INFINITY);
        of(a).total_cmp(&of(b))
    });
    if let Some(best) = best {
        let _ = writeln!(
            text,
            "  AIC prefers {}; z (Vuong) is how clearly the choices prefer it to another, 1.645 at 5 %",
            name_of(best.of)
        );
    }
    if summary.dependence > 1.0 {
        let _ = writeln!(
            text,
            "  choices of a group depend: LR is divided by {}",
            significant(summary.dependence, 3)
        );
    }
    text.push_str(&bounds("cv", summary.profile_cv.as_ref(), 1.0, ""));
    text.push_str(&bounds("label noise", summary.profile_noise.as_ref(), 100.0, " %"));
    text
}

/// The values that the data allow.
fn bounds(what: &str, profile: Option<&Profile>, unit: f64, after: &str) -> String {
    let Some(profile) = profile else { return String::new() };
    let [low, high] = profile.interval.map(|x| x * unit);
    let range = match (low > 0.0, profile.open) {
        (_, true) => format!("{} or more{after}", significant(low, 3)),
        (true, false) => format!("{} to {}{after}", significant(low, 3), significant(high, 3)),
        (false, false) => format!("at most {}{after}", significant(high, 3)),
    };
    format!("  {what}: {range} (95 %, profile likelihood)\n")
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
        && summary.verdict.choices == ChoicesVerdict::Strength
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
    let shown: Vec<(&ModelSummary, &Vec<_>)> = summary
        .families
        .values()
        .filter(|f| matches!(f.spread, FitStatus::Fixed | FitStatus::Interior))
        .filter_map(|f| f.policy.as_ref().map(|w| (f, w)))
        .collect();
    let Some((_, first)) = shown.first() else { return String::new() };
    let robust = summary.is_grouped();
    let mut header = vec!["feature".to_owned()];
    for (f, _) in &shown {
        header.extend([format!("w {}", f.family), if robust { "by group" } else { "s.e." }.into()]);
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
            let error = w.and_then(|w| if robust { w.error_robust } else { w.error });
            row.push(or_dash(error.map(|e| significant(e, 2))));
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
    let main = |c: &&Calibrated| c.of.contains(&Model::new(summary.described_by));
    let Some(shown) = summary.calibration.iter().find(main) else { return String::new() };
    let mut header = strings(["mean |D|", "choices", "observed", "95 % interval"]);
    // Beside noise they say nearly the same as one of the two.
    let columns: Vec<usize> =
        (0..shown.of.len()).filter(|&i| !(shown.of[i].lapse && shown.of[i].has_spread())).collect();
    header.extend(columns.iter().map(|&i| match name_of(shown.of[i]) {
        name if name.starts_with("Fixed") => "Fixed".into(),
        name => name,
    }));
    let mut rows = vec![header];
    for bin in &shown.bins {
        let [low, high] = bin.interval;
        let mut row = vec![
            significant(bin.size, 3),
            bin.number.to_string(),
            percent(bin.observed),
            format!("{:.1} … {:.1} %", 100.0 * low, 100.0 * high),
        ];
        row.extend(columns.iter().map(|&i| percent(bin.predicted[i])));
        rows.push(row);
    }
    let errors: Vec<String> = summary
        .calibration
        .iter()
        .flat_map(|c| c.of.iter().zip(&c.error))
        .filter(|(model, _)| !(model.lapse && model.has_spread()))
        .map(|(model, error)| format!("{} {:.2} %", name_of(*model), 100.0 * error))
        .collect();
    format!(
        "\ncalibration: how often the answer with the larger margin was chosen, and predicted to be\n{}  \
         mean deviation: {}\n",
        table(&rows),
        errors.join(", ")
    )
}

/// Tests of people, and one β for each.
fn of_people(people: &PeopleSummary) -> String {
    let tests = &people.tests;
    let mut text =
        format!("\n{} people, of whom {} have two choices or more\n", tests.groups, tests.counting);
    if let Some(within) = &tests.within {
        text.push_str(&test_line("spread within single choices", within, true));
    }
    text.push_str(&test_line("between the choices of a person", &tests.between, true));
    text.push_str(&test_line("both", &tests.panel, true));
    let z: Vec<(String, f64)> = people
        .features
        .iter()
        .zip(&tests.features)
        .filter_map(|(name, test)| Some((shorten(name, 24), test.as_ref()?.z)))
        .collect();
    if !z.is_empty() {
        let shown: Vec<String> = z.iter().take(FEATURES).map(|(name, z)| format!("{name} {z:.1}")).collect();
        let _ = writeln!(
            text,
            "  between, by feature (tastes differ where z is above {:.1}, that of the scale): {}",
            tests.between.z,
            shown.join(", ")
        );
    }
    if let Some(error) = &people.panel_error {
        let _ = writeln!(text, "  no fit with one β per person: {error}");
    }
    if let Some(panel) = &people.panel {
        text.push_str(&of_panel(panel));
    }
    text
}

fn of_panel(panel: &PanelSummary) -> String {
    let mut rows = vec![strings(["one β per person", "log-likelihood", "cv", "s.e.", "by person", "ε"])];
    let row = |fit: &Trained| {
        let error = |e: Option<f64>| or_dash(e.map(|e| significant(e, 3)));
        let cv = match fit.status {
            FitStatus::Fixed | FitStatus::MeanZero => "-".into(),
            _ if fit.strength.v() == 0.0 => "0".into(),
            FitStatus::Unbounded => format!("> {}", significant(fit.strength.cv(), 3)),
            FitStatus::NotConverged => format!("{}?", significant(fit.strength.cv(), 4)),
            FitStatus::Boundary | FitStatus::Interior => significant(fit.strength.cv(), 4),
        };
        let noise = if fit.model.lapse { format!("{:.1} %", 100.0 * fit.lapse) } else { "-".into() };
        vec![
            name_of(fit.model),
            format!("{:.4}", fit.log_likelihood),
            cv,
            error(fit.errors.cv),
            error(fit.robust.cv),
            noise,
        ]
    };
    rows.extend(panel.fits.values().map(row));
    rows.push(row(&panel.with_noise));
    let mut text = table(&rows);
    if let Some(lr) = panel.likelihood_ratio {
        let (statistic, p) = (lr.statistic, probability(lr.p));
        let _ = writeln!(text, "  {} against one β for all: LR = {statistic:.3}, p = {p}", panel.best);
    }
    text.push_str(&bounds("cv between people", panel.profile_cv.as_ref(), 1.0, ""));
    let mut rows = vec![strings(["person", "choices", "strength", "95 % interval"])];
    let row = |person: &OnePerson| {
        let [low, high] = person.strength.interval;
        vec![
            shorten(&person.name, 24),
            person.strength.number.to_string(),
            significant(person.strength.median, 3),
            format!("{} … {}", significant(low, 3), significant(high, 3)),
        ]
    };
    rows.extend(ends(&panel.strengths, row));
    let _ = write!(
        text,
        "from weak to strong (strength: posterior median of β given all choices of the person, over E[β], by {})\n{}",
        panel.best,
        table(&rows)
    );
    text
}

/// Rows for all of them, or for some at either end.
fn ends<X>(all: &[X], row: impl Fn(&X) -> Vec<String>) -> Vec<Vec<String>> {
    let n = all.len();
    if n <= 2 * ENDS + 1 {
        return all.iter().map(row).collect();
    }
    let mut rows: Vec<Vec<String>> = all[..ENDS].iter().map(&row).collect();
    rows.push(vec!["…".into()]);
    rows.extend(all[n - ENDS..].iter().map(row));
    rows
}

fn of_items(items: &ItemTest) -> String {
    let mut text = format!("\n{} items, of which {} were seen twice or more\n", items.items, items.counting);
    if let Some(between) = &items.between {
        text.push_str(&test_line("do choices of an item agree beyond its margin?", between, true));
    }
    if let Some(repeats) = &items.repeats {
        let _ = writeln!(
            text,
            "  of pairs that the same person saw again, {} were answered differently: noise of {} by any model",
            percent(repeats.share()),
            percent(repeats.error_rate())
        );
    }
    text
}

/// Averages, and the groups themselves unless there is a panel, which tells their strengths better.
fn of_groups(groups: &Groups, panel: bool) -> String {
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
    if panel {
        return text;
    }
    rows.extend(ends(&groups.groups, row));
    let _ = write!(
        text,
        "from weak to strong (strength: posterior mean of β given the choices, over E[β])\n{}",
        table(&rows)
    );
    text
}
