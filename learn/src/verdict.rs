//! What the comparison of models comes to, in words.

use crate::compare::{Comparison, Fitted, Rival, Test};
use crate::limits::{GROUPS, SIGNIFICANCE};
use crate::model::Model;
use crate::people::People;
use crate::profile::Profile;
use crate::status::FitStatus;
use crate::train::Trained;
use core::fmt;
use prefstrength::Family;
use prefstrength::math::normal_cdf;

/// Bounds of cv from which on "no spread was found" says nothing.
pub(crate) const USELESS_CV: f64 = 1.0;
/// The same of cv between people: beyond it people would be said to differ much.
const USELESS_PEOPLE: f64 = 0.5;
/// Log-likelihood below which two models say the same.
const TIE: f64 = 0.05;
/// cv of nothing.
const NOTHING: f64 = 1e-3;
/// AIC units within which a model explains the data as well as another: the 5 % point of ½χ²₀ + ½χ²₁. Of two models with
/// as many parameters the wrong one is ahead by more in at most 5 % of sets: then the model that contains both rejects the
/// right one, too, by the likelihood ratio test of a parameter at its boundary.
const AS_GOOD: f64 = 2.705_543_454_095_404;
/// Log-likelihood by which one still on the rise is better than a maximum.
const RISING: f64 = 1.0;
/// Vuong's z from which on one model is closer than another: one-sided, 5 %.
const CLOSER: f64 = 1.645;
/// z of the score test below which the curve is steeper than plain DPO's.
const STEEPER: f64 = -2.0;
/// (z₀.₉₅ + z₀.₈)²: what a test at 5 % needs to find something four times out of five.
const POWER: f64 = 6.182_557_2;

/// What single choices say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum ChoicesVerdict {
    /// Nothing beyond plain DPO, and the bound of cv tells that there cannot be much.
    Plain,
    /// The curve levels off, and label noise explains it.
    Noise,
    /// The strength of preference varies, beyond what label noise explains.
    Strength,
    /// The curve is that of a concave margin.
    Concave,
    /// These choices cannot tell.
    CannotTell,
    /// The curve is steeper than plain DPO's: another misfit, which no spread mends.
    Steeper,
    /// There is no fit.
    NoFit,
}

/// What the choices of people say beside each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum PeopleVerdict {
    /// No evidence that they differ, and a bound that tells that they cannot differ much.
    Alike,
    /// They differ: in strength, in taste, or in what they prefer at all.
    Differ,
    /// These choices cannot tell.
    CannotTell,
}

/// The verdict on choices and people, as a tree of tests, all together at [`SIGNIFICANCE`]; `Display` says it in words.
///
/// 1. Plain DPO against label noise, every family, and a curved margin, by likelihood ratios (choices of one group
///    depend: they are divided by [`Comparison::dependence`]), and the test between people, with Holm's correction. None
///    significant: *plain*, with the bounds of cv and ε that the data allow, or *cannot tell* where that of cv is above
///    1; z < −2 of the score test: *steeper*.
/// 2. Else the model with the least AIC, if no other explanation is within 2.71 units of it, where a wrong one is named in
///    at most 5 % of sets: *noise*, *concave*, or *strength*, which asks for more: v = 0 is rejected at the fit of label
///    noise as well. Otherwise *cannot tell*, with the number of choices that would part the two.
/// 3. People, where there are groups: the test between the choices of each person, at plain DPO and at the model with the
///    least AIC, both. It says that they differ, and not that their strength does: people of the opposite preference and
///    other tastes trip it as well. *Alike* asks for a bound of cv below ½, and as much information as that of ten equal
///    people.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Verdict {
    /// Within choices.
    pub choices: ChoicesVerdict,
    /// Between people; `None` without groups of two choices.
    pub people: Option<PeopleVerdict>,
    /// The tests that were made.
    pub tests: Vec<Test>,
    /// The z of the score test within choices, of groups if there are any.
    /// `None` where plain DPO is a coin's.
    pub z: Option<f64>,
    /// z of v = 0 at the fit of label noise, likewise.
    pub z_beyond_noise: Option<f64>,
    /// So many choices would do: to show a cv of ½ where nothing was found, to part the two closest explanations where
    /// two are as good. `None` where nothing is missing, or no number would do.
    pub choices_needed: Option<f64>,
    /// So many persons, with as many choices each, would show a cv of 0.3 between them.
    pub persons_needed: Option<f64>,
    words: Words,
}

/// The sentences.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Words {
    choices: String,
    people: Option<String>,
}

impl Verdict {
    /// On choices.
    #[must_use]
    pub fn choices_text(&self) -> &str {
        &self.words.choices
    }

    /// On people, if there are groups.
    #[must_use]
    pub fn people_text(&self) -> Option<&str> {
        self.words.people.as_deref()
    }

    /// Whether there is a fit to tell of.
    #[must_use]
    pub fn is_fit(&self) -> bool {
        self.choices != ChoicesVerdict::NoFit
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words.choices)?;
        self.words.people.as_ref().map_or(Ok(()), |people| write!(f, "\n{people}"))
    }
}

/// What could be behind a curve that levels off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Plain,
    Noise,
    Strength,
    Concave,
    /// A spread beside label noise.
    Both,
    /// A convex margin.
    Convex,
}

fn kind_of<F: Fitted>(fit: &F) -> Kind {
    let Model { lapse, curvature, .. } = fit.model();
    match (fit.model().has_spread(), lapse, curvature) {
        (_, _, true) if fit.curve().curvature() < 1.0 => Kind::Concave,
        (_, _, true) => Kind::Convex,
        (true, true, _) => Kind::Both,
        (true, false, _) => Kind::Strength,
        (false, true, _) => Kind::Noise,
        (false, false, _) => Kind::Plain,
    }
}

impl<F: Fitted> Comparison<F> {
    /// What it comes to, from the choices and the test between people.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        self.verdict_with(None)
    }

    /// The same with fits of people, which bound how much they differ.
    #[must_use]
    pub fn verdict_with(&self, people: Option<&People>) -> Verdict {
        let tests = self.tests();
        let outer = |test: &crate::ScoreTest| {
            // By groups where there are any: choices of one group depend.
            if self.people.is_some() { test.z_outer.unwrap_or(test.z) } else { test.z }
        };
        let z = self.score.as_ref().map(outer);
        let z_beyond_noise = self.beyond_noise.as_ref().map(outer);
        let (choices, choices_needed, text) = self.judge_choices(&tests, z, z_beyond_noise);
        let (verdict, persons_needed, people) = self.judge_people(&tests, people);
        let words = Words { choices: text, people };
        Verdict { choices, people: verdict, tests, z, z_beyond_noise, choices_needed, persons_needed, words }
    }

    /// The best model, then the others.
    fn ranked(&self) -> Vec<(&F, Rival)> {
        let best = Rival { model: self.best, worse: 0.0, aic: 0.0, vuong_z: None };
        let all = core::iter::once(&best).chain(&self.rivals);
        all.filter_map(|rival| Some((self.fit(rival.model)?, *rival))).collect()
    }

    fn judge_choices(
        &self,
        tests: &[Test],
        z: Option<f64>,
        beyond: Option<f64>,
    ) -> (ChoicesVerdict, Option<f64>, String) {
        let fixed = &self.fits[Family::Fixed];
        let ranked = self.ranked();
        if let Some(text) = self.no_fit(&ranked) {
            return (ChoicesVerdict::NoFit, None, text);
        }
        let significant = |test: &&Test| test.holm <= SIGNIFICANCE;
        let found = tests.iter().filter(significant).filter_map(|test| self.fit(test.model?));
        let levels_off = found.map(kind_of).any(|kind| !matches!(kind, Kind::Convex | Kind::Plain));
        let best = ranked.first().map_or(Kind::Plain, |(fit, _)| kind_of(*fit));
        if !levels_off || matches!(best, Kind::Plain | Kind::Convex) {
            return self.nothing_found(fixed, z, tests);
        }
        // Of dependent choices differences are as much larger than of others as likelihood ratios are.
        let behind = |rival: &Rival| rival.aic - 2.0 * rival.worse * (1.0 - self.dependence.recip());
        let within = |kinds: &[Kind]| {
            ranked.iter().find(|(fit, rival)| kinds.contains(&kind_of(*fit)) && behind(rival) <= AS_GOOD)
        };
        let spread_beyond = beyond.is_some_and(|z| z >= CLOSER);
        let strength = [Kind::Strength, Kind::Both];
        let alone = |kinds: &[Kind]| {
            let others = [Kind::Noise, Kind::Strength, Kind::Both, Kind::Concave];
            let others: Vec<Kind> = others.into_iter().filter(|kind| !kinds.contains(kind)).collect();
            within(&others).is_none() && !self.may_reach(&others, ranked.first().map(|(fit, _)| *fit))
        };
        let named = match best {
            Kind::Strength | Kind::Both if spread_beyond && alone(&strength) => ChoicesVerdict::Strength,
            Kind::Noise if alone(&[Kind::Noise, Kind::Both]) => ChoicesVerdict::Noise,
            // The spread beside it is not significant.
            Kind::Both if !spread_beyond && alone(&[Kind::Noise, Kind::Both]) => ChoicesVerdict::Noise,
            Kind::Concave if alone(&[Kind::Concave]) => ChoicesVerdict::Concave,
            _ => ChoicesVerdict::CannotTell,
        };
        let kinds: &[Kind] = match named {
            ChoicesVerdict::Strength => &strength,
            ChoicesVerdict::Noise => &[Kind::Noise, Kind::Both],
            ChoicesVerdict::Concave => &[Kind::Concave],
            _ => &[],
        };
        let shown = ranked.iter().find(|(fit, _)| match named {
            ChoicesVerdict::Noise => kind_of(*fit) == Kind::Noise,
            _ => true,
        });
        let Some(&(shown, _)) = shown else { return self.nothing_found(fixed, z, tests) };
        // One rival of every other kind, the best of it.
        let mut seen = vec![kind_of(shown)];
        let mut rivals = Vec::new();
        for (fit, rival) in &ranked {
            let kind = kind_of(*fit);
            if !matches!(kind, Kind::Plain | Kind::Convex | Kind::Both)
                && !seen.contains(&kind)
                && !kinds.contains(&kind)
            {
                seen.push(kind);
                rivals.push((*fit, *rival));
            }
        }
        let worse = |(fit, rival): &(&F, Rival)| {
            let z = rival.vuong_z.map_or(String::new(), |z| format!(", z = {z:.1}"));
            format!("{} is worse by {:.1}{z}", describe(*fit), rival.worse.max(0.0))
        };
        let rest: Vec<String> = rivals.iter().map(worse).collect();
        let rest = if rest.is_empty() { String::new() } else { format!("; {}", rest.join("; ")) };
        let n = fixed.weight();
        let text = match named {
            ChoicesVerdict::Strength => format!(
                "the strength of preference varies from choice to choice beyond label noise: {}{rest}",
                describe(shown)
            ),
            ChoicesVerdict::Noise => {
                format!("the curve levels off, and {} explains it best{rest}", describe(shown))
            }
            ChoicesVerdict::Concave => {
                format!("the curve levels off as that of {}{rest}", describe(shown))
            }
            _ => {
                let needed = needed(n, &rivals);
                let more = needed.map_or(String::new(), |n| {
                    format!("; some {} choices would part the two closest", round(n))
                });
                let text = format!(
                    "the curve levels off, and these choices cannot tell why: {} explains it best{rest}{more}",
                    describe(shown)
                );
                return (ChoicesVerdict::CannotTell, needed, text);
            }
        };
        (named, None, text)
    }

    /// Whether a model of such a kind that stopped short is already as good as the best one: how much better its maximum is
    /// nobody knows.
    fn may_reach(&self, kinds: &[Kind], best: Option<&F>) -> bool {
        let value = |fit: &F| fit.log_likelihood() - fit.penalty();
        let mut all = self.fits.values().chain(self.lapsed.values()).chain(self.weighed_curved());
        all.any(|fit| {
            // One that rises to an end has nearly reached what it can.
            let open = fit.status() == FitStatus::NotConverged;
            let near = |best: &F| 2.0 * (value(best) - value(fit)) / self.dependence <= AS_GOOD;
            open && kinds.contains(&kind_of(fit)) && best.is_some_and(near)
        })
    }

    /// Why there is no fit, if there is none.
    fn no_fit(&self, ranked: &[(&F, Rival)]) -> Option<String> {
        let value = |fit: &F| fit.log_likelihood() - fit.penalty();
        let stuck = |fit: &F| fit.status() == FitStatus::NotConverged;
        let spreads = || self.fits.values().filter(|fit| fit.model().has_spread());
        let no_spread = spreads().any(stuck) && !spreads().any(F::is_maximum);
        let best = ranked.first().filter(|_| !stuck(&self.fits[Family::Fixed]) && !no_spread);
        let Some((best, _)) = best else {
            return Some("not converged: do not use these figures".into());
        };
        // A family on its way to infinity, and already better than every maximum.
        // A margin that bends ever more the other way is no spread, and a misfit of its own.
        let rises = |fit: &&F| {
            fit.status() == FitStatus::Unbounded
                && kind_of(*fit) != Kind::Convex
                && value(fit) > value(best) + RISING
        };
        let mut rising: Vec<&F> = self.fits.values().filter(rises).collect();
        if rising.is_empty() {
            rising
                .extend([&self.lapsed[Family::Fixed]].into_iter().chain(self.weighed_curved()).filter(rises));
        }
        if rising.is_empty() {
            return None;
        }
        let names: Vec<String> = rising.iter().map(|fit| fit.model().to_string()).collect();
        Some(format!(
            "no finite maximum ({}): the likelihood still rises, with the spread up to the cap cv = {} or with ever larger \
             margins; this is not a fit",
            names.join(", "),
            self.options.max_cv
        ))
    }

    /// Nothing that levels off.
    fn nothing_found(
        &self,
        fixed: &F,
        z: Option<f64>,
        tests: &[Test],
    ) -> (ChoicesVerdict, Option<f64>, String) {
        let convex =
            |test: &Test| test.model.and_then(|model| self.fit(model)).map(kind_of) == Some(Kind::Convex);
        let mut curved = tests.iter().any(|test| test.holm <= SIGNIFICANCE && convex(test));
        let bends = |fit: &&F| fit.status() == FitStatus::Unbounded && kind_of(*fit) == Kind::Convex;
        if let Some(bent) = self.weighed_curved().filter(bends) {
            // What it has reached is less than its maximum.
            let gain = bent.log_likelihood() - fixed.log_likelihood();
            let p = 2.0 * normal_cdf(-(2.0 * gain.max(0.0) / self.dependence).sqrt());
            curved |= p * (tests.len() + 1) as f64 <= SIGNIFICANCE;
        }
        let bounds = self.bounds();
        if z.is_some_and(|z| z < STEEPER) || curved {
            let evidence = match z.filter(|z| *z < STEEPER) {
                Some(z) => format!(" (z = {z:.1})"),
                None => format!(" ({} fits better)", describe(&self.curved)),
            };
            let text = format!(
                "the curve is steeper than plain DPO allows{evidence}: an intercept, a feature that is missing or \
                 compressed margins, and no spread{bounds}"
            );
            return (ChoicesVerdict::Steeper, None, text);
        }
        let useful = self.cv.as_ref().is_some_and(|cv| !cv.open && cv.interval[1] <= USELESS_CV);
        if useful {
            let apart = |profile: &Option<Profile>| profile.as_ref().is_some_and(|p| p.interval[0] > 0.0);
            let nothing =
                if apart(&self.cv) || apart(&self.lapse) { "nothing significant" } else { "nothing" };
            return (ChoicesVerdict::Plain, None, format!("{nothing} beyond plain DPO{bounds}"));
        }
        // For v = ¼.
        let each = self.score.map_or(0.0, |score| score.information) / (fixed.weight() * self.dependence);
        let needed = Some(POWER / (0.25 * 0.25 * each)).filter(|n| n.is_finite() && *n > fixed.weight());
        let more = needed.map_or(String::new(), |n| {
            format!("; some {} choices with margins as these would show a cv of 0.5", round(n))
        });
        let text = format!("these choices cannot tell plain DPO from a spread{bounds}{more}");
        (ChoicesVerdict::CannotTell, needed, text)
    }

    /// What the data allow.
    fn bounds(&self) -> String {
        let mut text = String::new();
        if let Some(cv) = &self.cv {
            let [low, high] = cv.interval;
            text.push_str(&match (cv.open, low > 0.0) {
                (true, _) => format!(": any cv up to {high:.1} and more fits them"),
                (false, false) => format!(": cv at most {high:.2}"),
                (false, true) => format!(": cv from {low:.2} to {high:.2}"),
            });
        }
        if let Some(lapse) = self.lapse.as_ref().filter(|_| !text.is_empty()) {
            let [low, high] = lapse.interval.map(|x| 100.0 * x);
            // What is written as 0.0 is none.
            text.push_str(&match (low >= 0.05, lapse.open) {
                (true, false) => format!(", label noise from {low:.1} to {high:.1} % (95 %)"),
                (false, false) => format!(", label noise at most {high:.1} % (95 %)"),
                (true, true) => format!(", label noise of {low:.1} % or more (95 %)"),
                (false, true) => ", and any label noise (95 %)".into(),
            });
        }
        text
    }

    fn judge_people(
        &self,
        tests: &[Test],
        fits: Option<&People>,
    ) -> (Option<PeopleVerdict>, Option<f64>, Option<String>) {
        let Some(people) = &self.people else { return (None, None, None) };
        let Some(test) = tests.iter().find(|test| test.model.is_none()) else { return (None, None, None) };
        // The weaker of the two tests: where single choices are no plain DPO's, its variances are not theirs.
        let z = self.between().map_or(0.0, |between| between.z);
        if test.holm <= SIGNIFICANCE {
            let cv = fits.map_or(String::new(), between_people);
            let tastes = people.features.iter().flatten().filter(|test| test.z > z.max(CLOSER)).count();
            let tastes = match tastes {
                0 => "",
                _ => "; tastes differ more than the scale does",
            };
            let text = format!("people differ (z = {z:.1}){cv}{tastes}");
            return (Some(PeopleVerdict::Differ), None, Some(text));
        }
        if z < STEEPER {
            let text = format!(
                "the choices of a person have less in common than chance would have it (z = {z:.1}): another misfit, and \
                 no word on whether people differ"
            );
            return (Some(PeopleVerdict::CannotTell), None, Some(text));
        }
        let needed = Some(people.groups_needed(0.3)).filter(|n| n.is_finite() && *n > people.groups as f64);
        // The largest cv of people that would be missed more often than one time out of five: a matter of many people, of
        // whom none outweighs the rest.
        let missed = (POWER / people.information_between).powf(0.25);
        let enough = people.effective >= GROUPS as f64;
        // Label noise may have its part in it.
        let bound = fits
            .filter(|fits| !noise_is_better(fits))
            .and_then(|fits| fits.cv.as_ref())
            .map(|cv| if cv.open { f64::INFINITY } else { cv.interval[1] });
        let (bound, words) = match bound {
            Some(bound) => (bound, format!("cv between them at most {bound:.2} (95 %)")),
            None => (
                missed,
                format!("a cv of {missed:.2} between them would have been found four times out of five"),
            ),
        };
        if bound <= USELESS_PEOPLE && enough {
            let text = format!("no evidence that people differ (z = {z:.1}): {words}");
            return (Some(PeopleVerdict::Alike), needed, Some(text));
        }
        let more = match needed {
            _ if !enough => format!(
                "; a few outweigh the rest, which tells as much as {:.1} equal people, and {GROUPS} are the least",
                people.effective
            ),
            Some(n) => format!("; some {} people with as many choices would show a cv of 0.3", round(n)),
            None if bound.is_finite() => format!("; {words}"),
            None => String::new(),
        };
        let text = format!("these choices cannot tell whether people differ (z = {z:.1}){more}");
        (Some(PeopleVerdict::CannotTell), needed, Some(text))
    }
}

/// Whether label noise beside one β per person explains more than it costs.
fn noise_is_better(fits: &People) -> bool {
    let (best, lapsed) = (fits.best(), &fits.lapsed);
    let value = |fit: &Trained| fit.log_likelihood - fit.penalty;
    lapsed.has_own_maximum() && 2.0 * (value(lapsed) - value(best)) > AS_GOOD
}

/// How much people differ, as the fits with one β for each have it.
fn between_people(fits: &People) -> String {
    let noisy = noise_is_better(fits);
    let best = if noisy { &fits.lapsed } else { fits.best() };
    if !(best.is_maximum() && best.status == FitStatus::Interior) {
        return String::new();
    }
    let (cv, family) = (best.strength.cv(), best.model.family);
    let noise =
        if noisy { format!(" beside label noise of {:.1} %", 100.0 * best.lapse) } else { String::new() };
    if cv < NOTHING {
        return format!(": not in the strength of one β for each, of which nothing is left{noise}");
    }
    match best.robust.cv.or(best.errors.cv) {
        Some(error) => format!(": with one β for each, its cv is {cv:.2} ± {error:.2} ({family}){noise}"),
        None => format!(": with one β for each, its cv is {cv:.2} ({family}){noise}"),
    }
}

/// A model with its estimate.
fn describe<F: Fitted>(fit: &F) -> String {
    let (curve, errors, family) = (fit.curve(), fit.shape_errors(), fit.model().family);
    let with = |x: f64, error: Option<f64>, digits: usize| {
        error.map_or(format!("{x:.digits$}"), |error| format!("{x:.digits$} ± {error:.digits$}"))
    };
    let percent = |x: f64, error: Option<f64>| with(100.0 * x, error.map(|e| 100.0 * e), 1) + " %";
    match kind_of(fit) {
        Kind::Plain => "plain DPO".into(),
        Kind::Noise => format!("label noise of {}", percent(curve.epsilon(), errors.lapse)),
        Kind::Strength => {
            format!("a spread with cv {} ({family})", with(curve.strength().cv(), errors.cv, 2))
        }
        Kind::Both => format!(
            "a spread with cv {} ({family}) beside label noise of {}",
            with(curve.strength().cv(), errors.cv, 2),
            percent(curve.epsilon(), errors.lapse)
        ),
        Kind::Concave | Kind::Convex => {
            format!("a margin to the power {}", with(curve.curvature(), errors.curvature, 2))
        }
    }
}

/// So many choices part the best from the closest rival in four sets out of five: n = 6.18/(2·KL), KL ≈ difference/n.
fn needed<F: Fitted>(n: f64, rivals: &[(&F, Rival)]) -> Option<f64> {
    // What ties will never part.
    let apart = rivals.iter().map(|(_, rival)| rival.worse).filter(|worse| *worse > TIE);
    let closest = apart.reduce(f64::min)?;
    Some(POWER * n / (2.0 * closest)).filter(|needed| needed.is_finite() && *needed > n)
}

/// To two digits.
fn round(n: f64) -> String {
    let unit = 10_f64.powf((n.log10().floor() - 1.0).max(0.0));
    let rounded = (n / unit).ceil() * unit;
    if rounded < 1e15 { format!("{rounded:.0}") } else { format!("{rounded:.1e}") }
}
