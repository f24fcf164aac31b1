//! A report as text for people.

use super::format::{
    count, equals, or_dash, percent, probability, shorten, significant, strings, table, wrap,
};
use super::summary::{
    Bootstrapped, Calibrated, ErrorsBy, Groups, ModelSummary, OneGroup, OnePerson, PanelSummary,
    PeopleSummary, Position, Replicated, Summary,
};
use prefstrength::Family;
use prefstrength_learn::{
    ChoicesVerdict, CrossValidation, FitStatus, ItemTest, Model, Profile, RatioInterval, ScoreTest, Trained,
};
use std::fmt::Write as _;

/// Features, and groups at either end, that are listed.
const FEATURES: usize = 40;
const ENDS: usize = 5;

/// A sentence about rows and their weight, and everything else in the order in which it is asked.
pub(crate) fn report(summary: &Summary) -> String {
    let what = if summary.command == "fit" { ["margin", "margins"] } else { ["pair", "pairs"] };
    let mut text = format!("{}: {}", summary.file, count(summary.number, what[0], what[1]));
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
    text.push_str(&wrap("  => ", &summary.verdict.choices_text));
    if let Some(people) = &summary.verdict.people_text {
        text.push_str(&wrap("  => ", people));
    }
    if let Some(predicts) = summary.predicts {
        text.push_str(&wrap("  => ", predicts.words()));
    }
    if let Some(error) = &summary.cross_validation_error {
        text.push_str(&wrap("  ", &format!("no cross-validation: {error}")));
    }
    if let Some(error) = &summary.bootstrap_error {
        text.push_str(&wrap("  ", &format!("no bootstrap: {error}")));
    }
    for advice in advice(summary) {
        text.push_str(&wrap("     ", &advice));
    }
    for note in &summary.notes {
        text.push_str(&wrap("  note: ", note));
    }
    text.push_str(&policy(summary));
    if let Some(held_out) = &summary.cross_validation {
        text.push_str(&cross_validation(held_out));
    }
    if let Some(found) = &summary.bootstrap {
        text.push_str(&bootstrap(found, summary));
    }
    text.push_str(&meaning(summary));
    text.push_str(&calibration(summary));
    if let Some(people) = &summary.people {
        text.push_str(&of_people(people));
    }
    if let Some(groups) = &summary.groups {
        let panel = summary.spread_panel().is_some();
        text.push_str(&of_groups(groups, summary.described_by, panel));
    }
    if let Some(items) = &summary.items {
        text.push_str(&of_items(items, summary.groups.is_some()));
    }
    text
}

/// z and p, and those from squared scores.
fn test_line(name: &str, test: &ScoreTest, grouped: bool) -> String {
    let mut text = format!("  {name}: z = {:.3}, {}", test.z, equals(test.p));
    if let (Some(z), Some(p)) = (test.z_outer, test.p_outer) {
        let by = if grouped { ", by group" } else { "" };
        let _ = write!(text, "; from squared scores{by}: z = {z:.3}, {}", equals(p));
    }
    text + "\n"
}

fn score_test(summary: &Summary) -> String {
    let Some(score) = &summary.score_test else {
        return wrap(
            "  ",
            "no score test: plain DPO does no better than a coin (one large margin on the wrong side is enough for \
             that)",
        );
    };
    let grouped = summary.people.is_some();
    let mut text = test_line("score test of a spread", score, grouped);
    if let Some(beyond) = summary.score_test_beyond_noise.filter(|_| summary.noise.has_own_spread()) {
        text.push_str(&test_line("  and beyond label noise", &beyond, grouped));
    }
    text
}

/// What a model has beside its scale, with standard errors.
fn shape(f: &ModelSummary, errors: ErrorsBy) -> [String; 2] {
    let robust = errors != ErrorsBy::Curvature;
    let error = |[plain, robust_one]: [Option<f64>; 2]| if robust { robust_one } else { plain };
    let three = |e: Option<f64>| or_dash(e.map(|e| significant(e, 3)));
    let cv = three(error([f.cv_error, f.cv_error_robust]));
    let share = or_dash(error([f.lapse_error, f.lapse_error_robust]).map(percent));
    let noise = match f.spread {
        _ if f.of.lapse && f.lapse == 0.0 => "ε 0".to_owned(),
        _ => format!("ε {}", percent(f.lapse)),
    };
    if f.of.curvature {
        let of_curvature = three(error([f.curvature_error, f.curvature_error_robust]));
        return [format!("γ {}", significant(f.curvature, 3)), of_curvature];
    }
    if f.of.lapse && !f.of.has_spread() {
        return [noise, share];
    }
    let value = match f.spread {
        FitStatus::Fixed | FitStatus::MeanZero => return ["-".into(), "-".into()],
        FitStatus::Boundary => "cv 0".into(),
        FitStatus::Interior => format!("cv {}", significant(f.cv, 4)),
        FitStatus::Unbounded => format!("cv > {}", significant(f.cv, 3)),
        FitStatus::NotConverged if f.cv < 1e-6 => "cv 0?".into(),
        FitStatus::NotConverged => format!("cv {}?", significant(f.cv, 4)),
    };
    if f.of.lapse { [format!("{value}, {noise}"), format!("{cv}, {share}")] } else { [value, cv] }
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

/// The same where plain DPO is known.
fn short_name(model: Model) -> String {
    if model == Model::new(Family::Fixed) { "Fixed".into() } else { name_of(model) }
}

fn models(summary: &Summary) -> String {
    let by = summary.standard_errors;
    let error = match by {
        ErrorsBy::Curvature => "s.e.",
        ErrorsBy::Group => "s.e. by group",
        ErrorsBy::Sandwich => "robust s.e.",
    };
    let trained = summary.is_policy();
    let mut header = strings(["model", "log-likelihood"]);
    header.extend(if trained { strings(["|w|"]) } else { strings(["mean β", error]) });
    header.extend(strings(["shape", error, "LR", "p(LR)", "AIC", "BIC", "Vuong z"]));
    let row = |f: &ModelSummary| {
        let mut cells = vec![name_of(f.of), format!("{:.4}", f.log_likelihood)];
        match &f.policy {
            Some(w) => {
                let finite = w.iter().filter(|w| w.separated.is_none());
                let norm = finite.map(|w| w.weight * w.weight).sum::<f64>().sqrt();
                cells.push(significant(norm, 4));
            }
            None => {
                let error = if by == ErrorsBy::Curvature { f.mean_error } else { f.mean_error_robust };
                cells.extend([significant(f.mean, 4), or_dash(error.map(|e| significant(e, 3)))]);
            }
        }
        cells.extend(shape(f, by));
        let lr = f.likelihood_ratio;
        cells.push(match f.spread {
            FitStatus::Unbounded => "no maximum".into(),
            FitStatus::NotConverged => "not converged".into(),
            _ => or_dash(lr.map(|lr| format!("{:.3}", lr.statistic))),
        });
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
    text.push_str(&wrap("  ", &errors_are(summary)));
    if let Some(best) = summary.best_by_aic_of_all().filter(|_| summary.is_fit) {
        let best = name_of(best.of);
        text.push_str(&wrap(
            "  ",
            &format!(
                "AIC prefers {best}; Vuong z: how clearly the choices prefer that to another, 1.645 at 5 %"
            ),
        ));
    }
    text.push_str(&bounds("cv", summary.profile_cv.as_ref(), "", |x| significant(x, 3)));
    text.push_str(&bounds("label noise", summary.profile_noise.as_ref(), " %", |x| {
        format!("{:.1}", 100.0 * x)
    }));
    text
}

/// What standard errors are, and what likelihood ratios are divided by.
fn errors_are(summary: &Summary) -> String {
    let groups = summary.groups.as_ref().map(|groups| groups.groups.len());
    match (summary.standard_errors, groups) {
        (ErrorsBy::Group, Some(n)) => {
            let divided = match summary.dependence > 1.0 {
                true => format!("; LR is divided by {} for that", significant(summary.dependence, 3)),
                false => String::new(),
            };
            format!(
                "s.e. by group: of the sandwich, scores summed within each of {n} groups, as its choices may depend on \
                 each other{divided}"
            )
        }
        (ErrorsBy::Curvature, Some(n)) => format!(
            "s.e.: of choices that do not depend on each other; {} too few for those by group",
            if n == 1 { "1 group is".into() } else { format!("{n} groups are") }
        ),
        (ErrorsBy::Sandwich, _) => {
            "robust s.e.: of the sandwich, which holds for any sampling weights; the weights are scaled to the number of \
             choices of one weight that say as much"
                .into()
        }
        (_, None) => "s.e.: by the curvature of the likelihood, of choices that do not depend on each other".into(),
    }
}

/// The values that the data allow.
fn bounds(what: &str, profile: Option<&Profile>, after: &str, write: impl Fn(f64) -> String) -> String {
    let Some(profile) = profile else { return String::new() };
    let [low, high] = profile.interval.map(write);
    // What is written as 0 is none.
    let none = !low.bytes().any(|b| (b'1'..=b'9').contains(&b));
    let range = match (none, profile.open) {
        (true, true) => format!("any up to {high}{after}, and more"),
        (false, true) => format!("{low}{after} or more"),
        (false, false) => format!("{low} to {high}{after}"),
        (true, false) => format!("at most {high}{after}"),
    };
    format!("  {what}: {range} (95 %, profile likelihood)\n")
}

/// What may help.
fn advice(summary: &Summary) -> Vec<String> {
    let train = summary.command == "train";
    let mut all = Vec::new();
    let rising = summary.families.values().filter(|f| f.spread == FitStatus::Unbounded);
    let rising: Vec<String> = rising.map(|f| f.family.to_string()).collect();
    let grouped = summary.groups.is_some();
    match summary.verdict.choices {
        ChoicesVerdict::NoFit if !rising.is_empty() => all.push(if train {
            "Bound it with --ridge or --prior-cv, or take fewer features; --folds tells what predicts.".into()
        } else {
            "So few choices, or choices that hardly depend on the size of the margin, cannot tell how far β spreads. A \
             larger --max-cv may reach a maximum."
                .into()
        }),
        ChoicesVerdict::Steeper if summary.command == "fit" && !summary.is_policy() => {
            all.push("If one answer is shown first, --position tells what that is worth.".into());
        }
        ChoicesVerdict::CannotTell if grouped => {
            all.push("More choices of the same people tell most; `prefstrength power` says how many.".into());
        }
        ChoicesVerdict::CannotTell => all.push(
            "Clearer margins, or several choices of each person (--group), tell more; `prefstrength power` says how \
             many it takes."
                .into(),
        ),
        _ => {}
    }
    if summary.is_fit && !rising.is_empty() {
        let (names, have) = (listed(&rising), if rising.len() == 1 { "has" } else { "have" });
        all.push(format!("{names} {have} no maximum up to the cap of cv, {}.", summary.max_cv));
    }
    let spread = summary.verdict.choices == ChoicesVerdict::Strength;
    if train && spread && summary.penalties.is_some() && summary.predicts.is_none() {
        all.push("With penalties p(LR) is an approximation: --folds tells whether a spread predicts.".into());
    }
    all
}

/// a, b and c.
fn listed(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

fn policy(summary: &Summary) -> String {
    let shown: Vec<(&ModelSummary, &Vec<_>)> = summary
        .families
        .values()
        .filter(|f| matches!(f.spread, FitStatus::Fixed | FitStatus::Interior))
        .filter_map(|f| f.policy.as_ref().map(|w| (f, w)))
        .collect();
    let Some((_, first)) = shown.first() else { return String::new() };
    let robust = summary.standard_errors != ErrorsBy::Curvature;
    let error = match summary.standard_errors {
        ErrorsBy::Curvature => "s.e.",
        ErrorsBy::Group => "by group",
        ErrorsBy::Sandwich => "robust",
    };
    let mut header = vec!["feature".to_owned()];
    for (f, _) in &shown {
        header.extend([format!("w {}", f.family), error.into()]);
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
    let what = match summary.command {
        "fit" => "weights of the margin, E[β], and of the position",
        _ => "policy, margin = w·f",
    };
    let mut text = format!("\n{what}\n{}", table(&rows));
    if let Some(position) = &summary.position {
        text.push_str(&of_position(position));
    }
    if first.len() > FEATURES {
        let _ = writeln!(text, "  and {} more: --json has all", first.len() - FEATURES);
    }
    for feature in first.iter() {
        let name = shorten(&feature.name, 24);
        let said = match feature.separated {
            None => continue,
            Some(0) => format!("{name}: only pairs have it that other features decide: any weight does"),
            Some(n) => format!(
                "{name}: has one sign in all {n} pairs that have it, so that its weight has no end; the rest is fitted \
                 without these pairs, which is the limit"
            ),
        };
        text.push_str(&wrap("  ", &said));
    }
    text
}

/// What a position is worth.
fn of_position(position: &Position) -> String {
    let Position { name, alpha, error, interval, of, .. } = position;
    let error = error.map_or(String::new(), |e| format!(" ± {}", significant(e, 2)));
    let interval = match interval {
        Some(RatioInterval::Between { low, high }) if low.is_finite() && high.is_finite() => {
            format!(", {} to {} (95 %, Fieller)", significant(*low, 3), significant(*high, 3))
        }
        _ => String::new(),
    };
    wrap(
        "  ",
        &format!(
            "α = {}{error} by {}{interval}: 1 of {} is worth so much margin",
            significant(*alpha, 4),
            name_of(*of),
            shorten(name, 24)
        ),
    )
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
    format!("\ncross-validation, {} folds: rows predicted from the others\n{}", held_out.folds, table(&rows))
}

/// Estimates of the model of the verdict, by replicates.
fn bootstrap(found: &Bootstrapped, summary: &Summary) -> String {
    let mut rows = vec![strings(["estimate", "value", "s.e.", "95 % interval"])];
    for Replicated { name, estimate, error, interval } in &found.estimates {
        let share = name == "lapse" && summary.main.lapse;
        let number = |x: f64| if share { percent(x) } else { significant(x, 4) };
        let name = match name.as_str() {
            "lapse" if share => "ε".into(),
            "curvature" if summary.main.curvature => "γ".into(),
            "mean" if !summary.is_policy() => "mean β".into(),
            name => shorten(name, 24),
        };
        let interval = interval.map(|[low, high]| format!("{} … {}", number(low), number(high)));
        rows.push(vec![name, number(*estimate), or_dash(error.map(number)), or_dash(interval)]);
    }
    let units = if summary.groups.is_some() { "groups" } else { "rows" };
    let failed = match found.failed {
        0 => String::new(),
        failed => format!(", {failed} more without a fit"),
    };
    format!(
        "\nbootstrap of {}: {} replicates of {} {units} drawn with replacement{failed}\n{}",
        name_of(summary.main),
        found.replicates,
        found.units,
        table(&rows)
    )
}

/// A model with its parameters, as a sentence.
fn in_words(f: &ModelSummary, train: bool) -> String {
    let model = f.of;
    if model.curvature {
        let gamma = significant(f.curvature, 3);
        return match train {
            true => format!("curved margin: choices go by sign(D)|D|^γ, γ = {gamma}"),
            false => {
                let beta = significant(f.mean, 4);
                format!("curved margin: choices go by β·sign(D)|D|^γ, β = {beta}, γ = {gamma}")
            }
        };
    }
    let flipped =
        if model.lapse { format!(", and {} of the labels flipped", percent(f.lapse)) } else { String::new() };
    if !model.has_spread() {
        let (beta, scale) = match train {
            true => ("1".to_owned(), " (its scale is that of w)"),
            false => (significant(f.mean, 4), ""),
        };
        return format!("{}: β = {beta} for all choices{scale}{flipped}", short_name(model));
    }
    let parameters: Vec<String> =
        f.parameters.iter().map(|(name, x)| format!("{name} {}", significant(*x, 4))).collect();
    let mut text = format!("{}: {}{flipped}", name_of(model), parameters.join(", "));
    if f.spread == FitStatus::Interior {
        let q = |p: f64| significant(f.beta.quantile(p), 3);
        let _ = write!(
            text,
            "; β is below {} in 10 %, {} in 50 %, {} in 90 % of choices",
            q(0.1),
            q(0.5),
            q(0.9)
        );
    }
    text
}

/// What the model of the verdict comes to, and predicts at margins as there are.
fn meaning(summary: &Summary) -> String {
    let train = summary.is_policy();
    let (shown, described) = (summary.shown(), summary.family(summary.described_by));
    let mut text = String::from("\n");
    text.push_str(&wrap("", &in_words(shown, train)));
    let open = summary.verdict.choices == ChoicesVerdict::CannotTell;
    if open && shown.of != described.of && described.of.has_spread() {
        text.push_str(&wrap("", &format!("if it is a spread, {}", in_words(described, train))));
    }
    if summary.sizes.is_empty() {
        return text;
    }
    let mut header = vec!["size of the margin |D|".to_owned()];
    header.extend(summary.sizes.iter().map(|(_, size)| significant(*size, 3)));
    let mut share = vec!["  as large or less".to_owned()];
    share.extend(summary.sizes.iter().map(|(share, _)| format!("{share} %")));
    let mut rows = vec![header, share];
    let fixed = summary.family(Family::Fixed);
    let all = [fixed, &summary.noise, &summary.curved];
    for f in all.into_iter().chain(summary.families.values().skip(1)) {
        // In training, sizes are those of one model's margins.
        let same = !train || f.of == summary.main;
        if f.has_own_spread() && same {
            let mut row = vec![format!("  P of the larger margin, {}", short_name(f.of))];
            row.extend(summary.sizes.iter().map(|(_, size)| percent(f.curve.probability(*size))));
            rows.push(row);
        }
    }
    text.push_str(&table(&rows));
    text
}

/// A table for the model of the verdict, and the deviations of all.
fn calibration(summary: &Summary) -> String {
    let of = |model: Model| summary.calibration.iter().find(|c| c.of.contains(&model));
    let Some(shown): Option<&Calibrated> = of(summary.main) else { return String::new() };
    let mut header = strings(["mean |D|", "choices", "observed", "95 % interval"]);
    // Beside noise they say nearly the same as one of the two.
    let columns: Vec<usize> =
        (0..shown.of.len()).filter(|&i| !(shown.of[i].lapse && shown.of[i].has_spread())).collect();
    header.extend(columns.iter().map(|&i| short_name(shown.of[i])));
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
    let all = summary.calibration.iter().flat_map(|c| c.of.iter().zip(&c.error));
    let errors: Vec<String> = all
        .filter(|(model, _)| !(model.lapse && model.has_spread()))
        .map(|(model, error)| format!("{} {:.2} %", short_name(*model), 100.0 * error))
        .collect();
    format!(
        "\ncalibration: how often the answer with the larger margin was chosen, and predicted to be\n{}{}",
        table(&rows),
        wrap("  ", &format!("mean deviation: {}", errors.join(", ")))
    )
}

/// Tests of people, and one β for each.
fn of_people(people: &PeopleSummary) -> String {
    let tests = &people.tests;
    let mut text = match tests.groups == tests.counting {
        true => format!("\n{} people with two choices or more\n", tests.groups),
        false => format!("\n{} people, {} of them with two choices or more\n", tests.groups, tests.counting),
    };
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
        let shown: Vec<String> =
            z.iter().take(FEATURES).map(|(name, z)| format!("{name}\u{a0}{z:.1}")).collect();
        let more = if z.len() > FEATURES { ", …" } else { "" };
        let said = format!(
            "between, by feature (tastes differ where z is above {:.1}, the larger of that of the scale and 1.6): {}{more}",
            // A scale that does not differ is beaten by nothing that chance beats.
            tests.between.z.max(1.645),
            shown.join(", ")
        );
        text.push_str(&wrap("  ", &said));
    }
    if let Some(error) = &people.panel_error {
        text.push_str(&wrap("  ", &format!("no fit with one β per person: {error}")));
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
            FitStatus::NotConverged if fit.strength.cv() < 1e-6 => "0?".into(),
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
        let (statistic, p) = (lr.statistic, equals(lr.p));
        let _ = writeln!(text, "  {} against one β for all: LR = {statistic:.3}, {p}", panel.best);
    }
    text.push_str(&bounds("cv between people", panel.profile_cv.as_ref(), "", |x| significant(x, 3)));
    if !panel.has_spread() {
        return text + "  without a spread between people all strengths are 1\n";
    }
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
    let said = format!(
        "from weak to strong (strength: posterior median of β given all choices of the person, over E[β], by {})",
        panel.best
    );
    text + &wrap("", &said) + &table(&rows)
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

fn of_items(items: &ItemTest, grouped: bool) -> String {
    let by = if grouped { "several people" } else { "several choices" };
    let (seen, counting) = (count(items.items, "item", "items"), items.counting);
    let mut text =
        format!("\n{seen}, {} with {by}\n", if counting == 0 { "none".into() } else { counting.to_string() });
    if let Some(between) = &items.between {
        text.push_str(&test_line("agreement on an item beyond its margin", between, false));
    }
    if let Some(repeats) = &items.repeats {
        let said = format!(
            "answers of one person to the same item again: {} differ, as by errors in {} of answers, whatever the model",
            percent(repeats.share()),
            percent(repeats.error_rate())
        );
        text.push_str(&wrap("  ", &said));
    }
    text
}

/// Averages, and the groups themselves unless there is a panel, which tells their strengths better.
fn of_groups(groups: &Groups, family: Family, panel: bool) -> String {
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
    let mut text = format!("\n{}, averages\n{}", count(n, "group", "groups"), table(&rows));
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
    if family == Family::Fixed {
        text.push_str("from weak to strong, by accuracy: without a spread all strengths are 1\n");
    } else {
        let _ = writeln!(
            text,
            "from weak to strong (strength: posterior mean of β given the choices, over E[β], by {family})"
        );
    }
    rows.extend(ends(&groups.groups, row));
    text.push_str(&table(&rows));
    text
}
