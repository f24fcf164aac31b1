//! The pictures of a report: what is drawn where.

use super::format::{probability, shorten, significant};
use super::summary::{Calibrated, FamilySummary, Groups, Summary};
use crate::plot::{self, CalibrationBin, Curve, Density, DensityShape, Group, Series};
use prefstrength::{AnyStrength, Strength};
use prefstrength_learn::FitStatus;

/// Points of a curve.
const POINTS: usize = 400;
/// Groups that are drawn.
const GROUPS: usize = 5000;
/// Φ⁻¹(0.975).
const Z: f64 = 1.96;

/// File names and SVG texts.
pub(crate) fn draw(summary: &Summary) -> Vec<(String, String)> {
    let file = summary.file.rsplit(['/', '\\']).next().unwrap_or_default();
    let what = if summary.command == "fit" { "margins" } else { "pairs" };
    let about = format!("{}: {} {what}", shorten(file, 40), summary.number);
    let mut pictures = vec![
        ("strength.svg".to_owned(), strength(summary, &about)),
        ("effective_logit.svg".to_owned(), effective_logit(summary, &about)),
    ];
    for calibrated in &summary.calibration {
        // In training each family has margins of its own; the one that describes is the main picture.
        let main = summary.calibration.len() == 1 || calibrated.families.contains(&summary.described_by);
        let name = match calibrated.families.first() {
            Some(family) if !main => format!("calibration_{}.svg", family.name()),
            _ => "calibration.svg".to_owned(),
        };
        pictures.push((name, calibration(calibrated, &about)));
    }
    if let Some(groups) = &summary.groups {
        pictures.push(("groups.svg".to_owned(), of_groups(groups, &about)));
    }
    pictures
}

fn strength(summary: &Summary, about: &str) -> String {
    let shown = summary.families.values().filter(|f| f.is_maximum);
    // Far enough for 98 % of every p(β).
    let reach = shown.clone().map(|f| f.beta.quantile(0.99).max(1.2 * f.mean)).fold(0.0, f64::max);
    let densities: Vec<Density> =
        shown.map(|f| Density { series: Series(f.family), shape: shape(f, reach) }).collect();
    let p = summary.families.values().filter_map(|f| f.likelihood_ratio).map(|lr| lr.p).reduce(f64::min);
    let p = p.map_or(String::new(), |p| format!(", p = {}", probability(p)));
    let verdict = match summary.verdict {
        "heterogeneous" => "heterogeneous",
        "homogeneous" => "no evidence of heterogeneity",
        "not_significant" => "no significant heterogeneity",
        "no_maximum" => "no maximum at a finite spread",
        _ => "not converged",
    };
    let unit = if summary.command == "train" { "; E[β] = 1" } else { "" };
    plot::density(
        "How strongly do preferences follow the margin?",
        &format!("{about}; {verdict}{p}{unit}"),
        &densities,
    )
}

/// A density with its band by the delta method, or a point mass.
fn shape(f: &FamilySummary, reach: f64) -> DensityShape {
    if f.spread != FitStatus::Interior {
        let interval = f.mean_error.map(|e| [f.mean - Z * e, f.mean + Z * e]);
        return DensityShape::Point { at: f.mean, interval };
    }
    let beta: Vec<f64> = (1..=POINTS).map(|i| reach * i as f64 / POINTS as f64).collect();
    let density: Vec<f64> = beta.iter().map(|&b| f.beta.ln_pdf(b).exp()).collect();
    let (mut lower, mut upper) = (Vec::new(), Vec::new());
    if let Some(errors) = errors_of_ln_density(f, &beta) {
        for (d, e) in density.iter().zip(errors) {
            lower.push(d * (-Z * e).exp());
            upper.push(d * (Z * e).exp());
        }
    }
    DensityShape::Curve { beta, density, lower, upper }
}

/// Standard errors of ln p(β) at some β, from those of (ln mean, v) by differences.
fn errors_of_ln_density(f: &FamilySummary, at: &[f64]) -> Option<Vec<f64>> {
    let [mm, vv, mv] = f.covariance?;
    let (mean, v, h) = (f.beta.mean(), f.beta.v(), 1e-4);
    let other =
        |a: f64, b: f64| AnyStrength::from_mean_v(f.family, mean * (a * h).exp(), v * (1.0 + b * h)).ok();
    let (up, down) = (other(1.0, 0.0)?, other(-1.0, 0.0)?);
    let (wide, narrow) = (other(0.0, 1.0)?, other(0.0, -1.0)?);
    let error = |&b: &f64| {
        let slope = |x: &AnyStrength, y: &AnyStrength, step: f64| (x.ln_pdf(b) - y.ln_pdf(b)) / (2.0 * step);
        let (m, s) = (slope(&up, &down, h), slope(&wide, &narrow, v * h));
        (m * m * mm + 2.0 * m * s * mv + s * s * vv).max(0.0).sqrt()
    };
    Some(at.iter().map(error).collect())
}

fn effective_logit(summary: &Summary, about: &str) -> String {
    let described = summary.family(summary.described_by);
    let reach = summary.sizes.last().map_or(1.0, |(_, size)| *size);
    let train = summary.command == "train";
    let mut curves = Vec::new();
    for f in summary.families.values().filter(|f| f.has_own_spread()) {
        let point = |i: usize| {
            let d = reach * i as f64 / POINTS as f64;
            (d, f.beta.effective_logit(d))
        };
        curves.push(Curve { series: Series(f.family), points: (0..=POINTS).map(point).collect() });
    }
    let marks: Vec<(f64, String)> =
        summary.sizes.iter().map(|(share, size)| (*size, format!("{share} %"))).collect();
    let at = |size: f64| significant(described.beta.expected_sigmoid(size), 3);
    let middle = summary.sizes.get(1).map_or(String::new(), |(_, size)| {
        format!("; at the median |D| = {} P is {}", significant(*size, 3), at(*size))
    });
    let x_title = if train {
        "margin D = w·f, each family with its own w"
    } else {
        "margin D (chosen minus rejected log-ratio)"
    };
    plot::effective_logit(
        "How far does a margin carry?",
        &format!("{about}{middle}"),
        x_title,
        &curves,
        &marks,
    )
}

fn calibration(calibrated: &Calibrated, about: &str) -> String {
    let bin = |b: &prefstrength_learn::CalibrationBin| CalibrationBin {
        size: b.size,
        weight: b.weight,
        observed: b.observed,
        interval: b.interval,
        predicted: calibrated.families.iter().map(|&f| Series(f)).zip(b.predicted.iter().copied()).collect(),
    };
    let bins: Vec<CalibrationBin> = calibrated.bins.iter().map(bin).collect();
    let errors: Vec<String> = calibrated
        .families
        .iter()
        .zip(&calibrated.error)
        .map(|(family, error)| format!("{family} {:.1}", 100.0 * error))
        .collect();
    let subtitle = format!("{about}; mean deviation: {} %", errors.join(", "));
    plot::calibration("Are choices as frequent as predicted?", &subtitle, &bins)
}

fn of_groups(groups: &Groups, about: &str) -> String {
    let all = &groups.groups;
    // Thinned evenly, with both ends.
    let shown: Vec<&_> = if all.len() <= GROUPS {
        all.iter().collect()
    } else {
        (0..GROUPS).filter_map(|i| all.get(i * (all.len() - 1) / (GROUPS - 1))).collect()
    };
    let drawn: Vec<Group> = shown
        .into_iter()
        .map(|g| Group {
            name: g.name.clone(),
            number: g.number as u64,
            strength: g.strength,
            interval: g.strength_error.map(|e| [g.strength - Z * e, g.strength + Z * e]),
            accuracy: g.accuracy,
        })
        .collect();
    let test =
        groups.alike.map_or(String::new(), |t| format!("; alike within groups: p = {}", probability(t.p)));
    plot::groups("Who decides strongly, who weakly?", &format!("{about}, {} groups{test}", all.len()), &drawn)
}
