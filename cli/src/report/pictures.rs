//! The pictures of a report: what is drawn where.

use super::format::{shorten, significant};
use super::summary::{Against, Calibrated, Groups, ModelSummary, PanelSummary, Summary};
use crate::plot::{self, CalibrationBin, Curve, Density, DensityShape, Group, Series};
use prefstrength::{AnyStrength, Family, Strength};
use prefstrength_learn::{ChoicesVerdict, FitStatus, Model, Profile};

/// Points of a curve.
const POINTS: usize = 400;
/// Bins of the picture of alternatives.
const BINS: usize = 16;
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
        // In training each model has margins of its own; the family that describes is the main picture.
        let families: Vec<Family> =
            calibrated.of.iter().filter(|model| is_family(**model)).map(|model| model.family).collect();
        let main = summary.calibration.len() == 1 || families.contains(&summary.described_by);
        let name = match families.first() {
            None => continue,
            Some(family) if !main => format!("calibration_{}.svg", family.name()),
            _ => "calibration.svg".to_owned(),
        };
        pictures.push((name, calibration(calibrated, &about)));
    }
    if let Some(against) = &summary.against {
        let size = if summary.position.is_some() {
            "size of β(D + α·position)"
        } else {
            "size of the margin |D|"
        };
        pictures.push(("alternatives.svg".to_owned(), alternatives(against, &about, size)));
    }
    let mut spreads = Vec::new();
    let dependence = summary.dependence;
    let divided = match dependence > 1.0 {
        true => format!("{about}; ln L of choices divided by {}", significant(dependence, 3)),
        false => about.clone(),
    };
    if let Some(cv) = &summary.profile_cv {
        let family = if summary.described_by == Family::Fixed { Family::Gamma } else { summary.described_by };
        spreads.push(profile_of(plot::Model::of(family), cv, dependence));
    }
    if let Some(PanelSummary { best, profile_cv: Some(cv), .. }) =
        summary.people.as_ref().and_then(|people| people.panel.as_ref())
    {
        spreads.push(profile_of(plot::Model::of(*best).per_person(), cv, 1.0));
    }
    if !spreads.is_empty() {
        let picture = plot::profile("How much spread do the choices allow?", &divided, "cv of β", &spreads);
        pictures.push(("profile_cv.svg".to_owned(), picture));
    }
    if let Some(noise) = &summary.profile_noise {
        let profile = profile_of(plot::Model::of(Family::Fixed).with_noise(), noise, dependence);
        let title = "How much label noise do the choices allow?";
        let picture = plot::profile(title, &divided, "share of flipped labels ε", &[profile]);
        pictures.push(("profile_noise.svg".to_owned(), picture));
    }
    // The strengths of persons say what groups.svg would, and better.
    match (summary.spread_panel(), &summary.groups) {
        (Some(panel), _) => pictures.push(("people.svg".to_owned(), forest(panel, &about))),
        (None, Some(groups)) => pictures.push(("groups.svg".to_owned(), of_groups(groups, &about))),
        (None, None) => {}
    }
    pictures
}

/// Whether a strength alone.
fn is_family(model: Model) -> bool {
    model == Model::new(model.family)
}

fn drawn(model: Model) -> plot::Model {
    let drawn = plot::Model::of(model.family);
    let drawn = if model.lapse { drawn.with_noise() } else { drawn };
    let drawn = if model.curvature { drawn.with_curved_margin() } else { drawn };
    if model.per_person { drawn.per_person() } else { drawn }
}

/// A profile in units of what its interval is by.
fn profile_of(model: plot::Model, profile: &Profile, dependence: f64) -> plot::Profile {
    let [low, high] = profile.interval;
    let known: Vec<(f64, f64)> = profile.points.iter().map(|[x, y]| (*x, y.min(0.0) / dependence)).collect();
    // Half of 3.84, or of 2.71 at the boundary, or between; of the end that the data set.
    let end = if profile.open { low } else { high };
    let fallen = known.iter().filter(|(x, _)| *x == end).map(|(_, y)| -y).next_back();
    let cut = match fallen.unwrap_or(1.92) {
        cut if cut > 1.8 => 1.92,
        cut if cut < 1.45 => 1.35,
        cut => cut,
    };
    plot::Profile {
        model,
        points: smooth(&known, profile.estimate, model == plot::Model::of(Family::Fixed).with_noise()),
        maximum: profile.estimate,
        interval: Some([low, if profile.open { f64::INFINITY } else { high }]),
        cut,
    }
}

/// More points of ln L less its maximum, which is at `top`: between those that are known, by what is nearly a straight
/// line, the root of the likelihood ratio with the sign of the side.
fn smooth(known: &[(f64, f64)], top: f64, noise: bool) -> Vec<(f64, f64)> {
    const BETWEEN: usize = 24;
    // Beside a boundary ln L itself is, in ε; in cv it falls as a square there, too.
    let rooted = top > 0.0 || !noise;
    let root =
        |&(x, y): &(f64, f64)| (x, if rooted { (-2.0 * y).max(0.0).sqrt().copysign(x - top) } else { y });
    let mut points: Vec<(f64, f64)> = known.iter().filter(|(_, y)| y.is_finite()).map(root).collect();
    points.retain(|(x, _)| *x != top);
    points.push((top, 0.0));
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    points.dedup_by(|a, b| a.0 == b.0);
    let back = |(x, r): (f64, f64)| (x, if rooted { -0.5 * r * r } else { r });
    let secants: Vec<f64> = points.windows(2).map(|p| (p[1].1 - p[0].1) / (p[1].0 - p[0].0)).collect();
    // Slopes that keep it monotonic (F. Fritsch and J. Butland, 1984): harmonic means of those on either side.
    let slope = |i: usize| match (i.checked_sub(1).and_then(|i| secants.get(i)), secants.get(i)) {
        (Some(a), Some(b)) if a * b > 0.0 => 2.0 * a * b / (a + b),
        (Some(_), Some(_)) => 0.0,
        (Some(&a), None) | (None, Some(&a)) => a,
        (None, None) => 0.0,
    };
    let mut all = Vec::new();
    for (i, pair) in points.windows(2).enumerate() {
        let ([(x, y), (to, end)], h) = ([pair[0], pair[1]], pair[1].0 - pair[0].0);
        let (a, b) = (h * slope(i), h * slope(i + 1));
        for k in 0..BETWEEN {
            let t = k as f64 / BETWEEN as f64;
            let s = 1.0 - t;
            let value = s * s * ((1.0 + 2.0 * t) * y + t * a) + t * t * ((1.0 + 2.0 * s) * end - s * b);
            all.push(back((s * x + t * to, value)));
        }
    }
    all.extend(points.last().map(|&point| back(point)));
    all
}

/// The models that a reader knows, at the margins where they part.
fn alternatives(against: &Against, about: &str, x_title: &str) -> String {
    let fine: Vec<plot::Choices> = against
        .bins
        .iter()
        .map(|bin| {
            let number = bin.number as f64;
            plot::Choices { size: bin.size, number, against: number * (1.0 - bin.observed) }
        })
        .collect();
    let reach = fine.iter().map(|bin| bin.size).fold(0.0, f64::max);
    let least = fine.iter().map(|bin| bin.size).fold(f64::INFINITY, f64::min).max(1e-6 * reach);
    // Close together for small margins as well, where the axis may be logarithmic.
    let size = |i: usize| least * (reach / least).powf(i as f64 / POINTS as f64);
    let curves: Vec<plot::AgainstCurve> = against
        .curves
        .iter()
        .filter(|(model, _)| !(model.lapse && model.has_spread()))
        .map(|(model, curve)| plot::AgainstCurve {
            model: drawn(*model),
            points: (0..=POINTS).map(|i| (size(i), curve.probability(-size(i)))).collect(),
        })
        .collect();
    let bins = plot::bins_of_choices(&fine, BINS);
    plot::alternatives("Where do the explanations part?", about, x_title, &bins, &curves)
}

/// Strengths of persons, thinned evenly with both ends.
fn forest(panel: &PanelSummary, about: &str) -> String {
    let all = &panel.strengths;
    let shown: Vec<&_> = if all.len() <= GROUPS {
        all.iter().collect()
    } else {
        (0..GROUPS).filter_map(|i| all.get(i * (all.len() - 1) / (GROUPS - 1))).collect()
    };
    let people: Vec<plot::Person> = shown
        .into_iter()
        .map(|person| plot::Person {
            name: person.name.clone(),
            choices: person.strength.number as u64,
            strength: Some(plot::StrengthEstimate {
                middle: person.strength.median,
                interval: person.strength.interval,
            }),
        })
        .collect();
    let beta = &panel.fits[panel.best].strength;
    let population = (beta.v() > 0.0).then(|| plot::Population {
        range: [beta.quantile(0.05), beta.quantile(0.95)],
        estimate: plot::StrengthEstimate {
            middle: beta.quantile(0.5),
            interval: [beta.quantile(0.025), beta.quantile(0.975)],
        },
    });
    let subtitle = format!("{about}; one β per person, {}, cv {}", panel.best, significant(beta.cv(), 3));
    let title = "How strongly does each person decide?";
    plot::forest(title, &subtitle, "median", population.as_ref(), &people, panel.persons)
}

fn strength(summary: &Summary, about: &str) -> String {
    let shown = summary.families.values().filter(|f| f.is_maximum);
    // Far enough for 98 % of every p(β).
    let reach = shown.clone().map(|f| f.beta.quantile(0.99).max(1.2 * f.mean)).fold(0.0, f64::max);
    let densities: Vec<Density> =
        shown.map(|f| Density { series: Series(f.family), shape: shape(f, reach) }).collect();
    let verdict = match summary.verdict.choices {
        ChoicesVerdict::Strength => "the strength of preference varies",
        ChoicesVerdict::Noise => "label noise explains the choices best",
        ChoicesVerdict::Concave => "a curved margin explains the choices best",
        ChoicesVerdict::Plain => "nothing beyond plain DPO",
        ChoicesVerdict::Steeper => "steeper than plain DPO",
        ChoicesVerdict::NoFit => "no fit",
        _ => "these choices cannot tell",
    };
    let unit = if summary.is_policy() { "; E[β] = 1" } else { "" };
    plot::density(
        "How strongly do preferences follow the margin?",
        &format!("{about}; {verdict}{unit}"),
        &densities,
    )
}

/// A density with its band by the delta method, or a point mass.
fn shape(f: &ModelSummary, reach: f64) -> DensityShape {
    if f.spread != FitStatus::Interior {
        let error = f.covariance.map(|[of_ln_mean, ..]| f.mean * of_ln_mean.sqrt());
        let interval = error.filter(|e| *e > 0.0).map(|e| [f.mean - Z * e, f.mean + Z * e]);
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
fn errors_of_ln_density(f: &ModelSummary, at: &[f64]) -> Option<Vec<f64>> {
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
    let main = summary.main();
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
    let at = |size: f64| significant(main.curve.probability(size), 3);
    let middle = summary.sizes.get(1).map_or(String::new(), |(_, size)| {
        format!("; at the median |D| = {} P is {}", significant(*size, 3), at(*size))
    });
    let x_title = match (train, summary.is_policy()) {
        (true, _) => "margin D = w·f, each family with its own w",
        (_, true) => "β(D + α·position), each family with its own β and α",
        _ => "margin D (chosen minus rejected log-ratio)",
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
        predicted: calibrated
            .of
            .iter()
            .zip(b.predicted.iter().copied())
            .filter(|(model, _)| is_family(**model))
            .map(|(model, p)| (Series(model.family), p))
            .collect(),
    };
    let bins: Vec<CalibrationBin> = calibrated.bins.iter().map(bin).collect();
    let errors: Vec<String> = calibrated
        .of
        .iter()
        .zip(&calibrated.error)
        .filter(|(model, _)| is_family(**model))
        .map(|(model, error)| format!("{} {:.1}", model.family, 100.0 * error))
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
    plot::groups("Who decides strongly, who weakly?", &format!("{about}, {} groups", all.len()), &drawn)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Parabolas, in v as in cv, from the few points that are known; none goes above the maximum.
    #[test]
    fn profiles_are_smooth() {
        let parabola = |x: f64| -8.0 * (x - 0.7).powi(2);
        let known: Vec<(f64, f64)> =
            [0.0, 0.02, 0.21, 0.4, 0.7, 1.0, 1.19, 1.4].map(|x| (x, parabola(x))).to_vec();
        let points = smooth(&known, 0.7, false);
        assert!(points.len() > 150 && points.is_sorted_by(|a, b| a.0 < b.0));
        assert!(points.iter().all(|&(x, y)| (y - parabola(x)).abs() < 1e-9 && y <= 0.0));
        let boundary: Vec<(f64, f64)> = [0.0, 0.02, 0.3, 0.6].map(|x| (x, -3.0 * x * x)).to_vec();
        let points = smooth(&boundary, 0.0, false);
        assert!(points.iter().all(|&(x, y)| (y + 3.0 * x * x).abs() < 1e-9 && y <= 0.0));
        let line: Vec<(f64, f64)> = [0.0, 1e-4, 0.05, 0.1].map(|x| (x, -20.0 * x)).to_vec();
        let points = smooth(&line, 0.0, true);
        assert!(points.iter().all(|&(x, y)| (y + 20.0 * x).abs() < 1e-9));
        assert_eq!(smooth(&[], 0.3, false), [(0.3, 0.0)]);
        assert_eq!(smooth(&[(0.0, f64::NEG_INFINITY)], 0.3, true), [(0.3, 0.0)]);
    }

    /// The curve passes through the level at the end of the interval, also where choices of a group depend.
    #[test]
    fn intervals_are_where_the_curve_is_cut() {
        let points = [[0.0, -8.0], [0.3, -3.84], [0.6, 0.0], [0.9, -3.84], [1.2, -9.0]].to_vec();
        let profile = Profile { estimate: 0.6, interval: [0.3, 0.9], open: false, level: 0.95, points };
        let drawn = profile_of(plot::Model::of(Family::Gamma), &profile, 2.0);
        assert!((drawn.cut - 1.92).abs() < 1e-12);
        let end = drawn.points.iter().find(|p| (p.0 - 0.9).abs() < 1e-9);
        assert!(end.is_some_and(|p| (p.1 + 1.92).abs() < 1e-9));
    }
}
