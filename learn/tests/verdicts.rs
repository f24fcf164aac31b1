//! The simulation evidence for the verdict: what it says of choices whose truth is known, and whether its intervals
//! cover. None of it runs unless asked for; `docs/simulation.md` has the numbers.
#[path = "support/sets.rs"]
mod sets;
#[path = "support/simulate.rs"]
mod simulate;

use prefstrength::Family;
use prefstrength_learn::{
    self as learn, ChoicesVerdict, Comparison, Fit, FitStatus, LearnError, Options, People, PeopleVerdict,
    PersonsInMemory, Profile, Weighted,
};
use sets::{Share, each, row};
use simulate::{Choices, Truth};
use std::fmt;

/// In the order of the columns.
const CHOICES: [(&str, ChoicesVerdict); 7] = [
    ("plain", ChoicesVerdict::Plain),
    ("noise", ChoicesVerdict::Noise),
    ("strength", ChoicesVerdict::Strength),
    ("concave", ChoicesVerdict::Concave),
    ("cannot tell", ChoicesVerdict::CannotTell),
    ("steeper", ChoicesVerdict::Steeper),
    ("no fit", ChoicesVerdict::NoFit),
];
const PEOPLE: [(&str, PeopleVerdict); 3] = [
    ("alike", PeopleVerdict::Alike),
    ("differ", PeopleVerdict::Differ),
    ("cannot tell", PeopleVerdict::CannotTell),
];
/// People of a panel, and choices of each.
const PANEL: (usize, usize) = (100, 20);

/// How many sets: the environment variable PREFSTRENGTH_SETS, or so many.
fn number_of_sets(usual: u64) -> u64 {
    let asked = std::env::var("PREFSTRENGTH_SETS").ok().and_then(|sets| sets.parse().ok());
    asked.unwrap_or(usual)
}

/// What a truth may not be called.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Allowed {
    /// Plain or cannot tell.
    Nothing,
    /// Neither strength, nor concave, nor steeper.
    Noise,
    /// Neither noise nor concave, nor steeper.
    Strength,
    /// Neither noise, nor strength, nor steeper.
    Concave,
    /// A misfit to the other side: nothing that levels off.
    Steeper,
    /// It is none of these.
    Anything,
}

impl Allowed {
    fn is_wrong(self, verdict: ChoicesVerdict) -> bool {
        use ChoicesVerdict::{Concave, Noise, Steeper, Strength};
        match self {
            Self::Nothing => matches!(verdict, Noise | Strength | Concave | Steeper),
            Self::Noise => matches!(verdict, Strength | Concave | Steeper),
            Self::Strength => matches!(verdict, Noise | Concave | Steeper),
            Self::Concave => matches!(verdict, Noise | Strength | Steeper),
            Self::Steeper => matches!(verdict, Noise | Strength | Concave),
            Self::Anything => false,
        }
    }
}

fn truths(size: f64) -> Vec<(String, Truth, Allowed)> {
    let control = Truth::control(size);
    let flips =
        |flips: f64| (format!("flips {} %", 100.0 * flips), Truth { flips, ..control }, Allowed::Noise);
    let intercept =
        |intercept: f64| (format!("intercept {intercept}"), Truth { intercept, ..control }, Allowed::Steeper);
    let gamma =
        |cv: f64| (format!("Gamma, cv {cv}"), Truth::spread(size, Family::Gamma, cv), Allowed::Strength);
    vec![
        ("control".into(), control, Allowed::Nothing),
        flips(0.05),
        flips(0.1),
        flips(0.2),
        ("reversed 15 %".into(), Truth { reversed: 0.15, ..control }, Allowed::Noise),
        ("guessers 10 %".into(), Truth { guessers: 0.1, ..control }, Allowed::Noise),
        intercept(0.5),
        intercept(2.0),
        ("omitted feature, sd 1.5".into(), Truth { omitted: 1.5, ..control }, Allowed::Steeper),
        ("power γ = 0.6".into(), Truth { curvature: 0.6, ..control }, Allowed::Concave),
        ("junk 5 %".into(), Truth { junk: 0.05, ..control }, Allowed::Anything),
        gamma(0.5),
        gamma(1.0),
    ]
}

/// The verdict on choices of people, or of no one in particular.
fn compare(choices: &Choices, people: bool) -> Result<Comparison<Fit>, LearnError> {
    let options = Options::default();
    match people {
        true => {
            learn::heterogeneity(Weighted::equally(&choices.margins).with_groups(&choices.persons)?, &options)
        }
        false => learn::heterogeneity(&choices.margins[..], &options),
    }
}

/// How many of each, in the order of the columns.
fn shares<V: PartialEq + Copy>(columns: &[(&str, V)], verdicts: &[V]) -> Vec<Share> {
    columns.iter().map(|(_, column)| Share::of(verdicts.iter().map(|verdict| verdict == column))).collect()
}

fn print_header(first: &[&str], columns: &[&[&str]]) {
    let cells: Vec<&str> = first.iter().copied().chain(columns.concat()).collect();
    let cells: Vec<&dyn fmt::Display> = cells.iter().map(|cell| cell as &dyn fmt::Display).collect();
    row(&cells);
    row(&vec![&"---" as &dyn fmt::Display; cells.len()]);
}

fn print_shares(first: &[&dyn fmt::Display], shares: &[Share]) {
    let cells: Vec<&dyn fmt::Display> =
        first.iter().copied().chain(shares.iter().map(|share| share as &dyn fmt::Display)).collect();
    row(&cells);
}

fn verdicts_of(n: usize, sets: u64) {
    print_header(&["truth", "s", "n", "sets"], &[&CHOICES.map(|(name, _)| name)]);
    let mut failed = Vec::new();
    for size in [2.0, 3.0] {
        for (name, truth, allowed) in truths(size) {
            let verdicts = each(900_000..900_000 + sets, |seed| {
                let choices = truth.panel(n, 1, seed);
                compare(&choices, false).map_or(ChoicesVerdict::NoFit, |report| report.verdict().choices)
            });
            print_shares(&[&name, &size, &n, &sets], &shares(&CHOICES, &verdicts));
            let wrong = Share::of(verdicts.iter().map(|&verdict| allowed.is_wrong(verdict)));
            failed.extend(wrong.above(5.0, &format!("{name}, s = {size}, n = {n}: a wrong name")));
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
}

/// What is said of 2000 choices.
///
/// `cargo test --release -p prefstrength-learn --test verdicts -- --ignored --nocapture verdicts_of_choices`
#[test]
#[ignore = "half an hour: ten thousand comparisons"]
fn verdicts_of_choices() {
    verdicts_of(2000, number_of_sets(400));
}

/// What is said of 20 000 choices.
///
/// `cargo test --release -p prefstrength-learn --test verdicts -- --ignored --nocapture verdicts_of_many_choices`
#[test]
#[ignore = "many minutes: comparisons of large sets"]
fn verdicts_of_many_choices() {
    verdicts_of(20_000, number_of_sets(40));
}

/// People who differ, and people who only look like it.
fn panels(size: f64) -> Vec<(String, Truth, Allowed, bool)> {
    let control = Truth::control(size);
    let own = |cv: f64| {
        let truth = Truth::spread(size, Family::Gamma, cv);
        (format!("people of Gamma, cv {cv}"), truth, Allowed::Strength, true)
    };
    let redrawn = Truth { redrawn: true, ..Truth::spread(size, Family::Gamma, 0.5) };
    vec![
        ("control".into(), control, Allowed::Nothing, false),
        ("flips 10 %".into(), Truth { flips: 0.1, ..control }, Allowed::Noise, false),
        ("choices of Gamma, cv 0.5".into(), redrawn, Allowed::Strength, false),
        ("reversed people, 15 %".into(), Truth { reversed: 0.15, ..control }, Allowed::Noise, true),
        own(0.3),
        own(0.5),
    ]
}

fn compare_people(report: &Comparison<Fit>, choices: &Choices) -> Result<People, LearnError> {
    let persons = PersonsInMemory::new(&choices.margins, &choices.persons, None)?;
    learn::compare_people_of_margins(&report.fits[Family::Fixed], persons, &Options::default())
}

/// What is said of 100 people of 20 choices each: by the test between people.
///
/// `cargo test --release -p prefstrength-learn --test verdicts -- --ignored --nocapture verdicts_of_people`
#[test]
#[ignore = "many minutes: thousands of comparisons"]
fn verdicts_of_people() {
    let sets = number_of_sets(400);
    let columns = [&CHOICES.map(|(name, _)| name)[..], &PEOPLE.map(|(name, _)| name)];
    print_header(&["truth", "s", "sets"], &columns);
    let mut failed = Vec::new();
    for size in [2.0, 3.0] {
        for (name, truth, allowed, differ) in panels(size) {
            let (choices, people): (Vec<_>, Vec<_>) = each(910_000..910_000 + sets, |seed| {
                let choices = truth.panel(PANEL.0, PANEL.1, seed);
                let verdict = compare(&choices, true).map(|report| report.verdict());
                verdict.map_or((ChoicesVerdict::NoFit, None), |verdict| (verdict.choices, verdict.people))
            })
            .into_iter()
            .unzip();
            let people: Vec<_> = people.into_iter().flatten().collect();
            let of_people = shares(&PEOPLE, &people);
            print_shares(&[&name, &size, &sets], &[shares(&CHOICES, &choices), of_people.clone()].concat());
            let what = format!("{name}, s = {size}");
            let wrong = Share::of(choices.iter().map(|&verdict| allowed.is_wrong(verdict)));
            failed.extend(wrong.above(5.0, &format!("{what}: a wrong name")));
            failed.extend(match (differ, name.contains("0.3")) {
                (true, false) => of_people[1].below(95.0, &format!("{what}: people differ")),
                (true, true) => None,
                (false, _) => of_people[1].above(5.0, &format!("{what}: people differ")),
            });
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
}

/// Whether an interval of 95 % has the truth, lies below it, or above it.
#[derive(Default)]
struct Coverage {
    within: Vec<bool>,
    below: Vec<bool>,
    above: Vec<bool>,
}

impl Coverage {
    fn add(&mut self, [low, high]: [f64; 2], truth: f64) {
        self.within.push((low..=high).contains(&truth));
        self.below.push(high < truth);
        self.above.push(low > truth);
    }

    fn shares(&self) -> [Share; 3] {
        [&self.within, &self.below, &self.above].map(|hits| Share::of(hits.iter().copied()))
    }
}

/// That of a profile; an open interval ends nowhere.
fn ends(profile: &Profile) -> [f64; 2] {
    let [low, high] = profile.interval;
    [low, if profile.open { f64::INFINITY } else { high }]
}

/// Intervals of cv and of ε by the profile likelihood, next to the boundary and away from it: 2000 choices, s = 2.
///
/// `cargo test --release -p prefstrength-learn --test verdicts -- --ignored --nocapture coverage_of_profiles`
#[test]
#[ignore = "many minutes: thousands of comparisons"]
fn coverage_of_profiles() {
    let (sets, size) = (number_of_sets(300), 2.0);
    print_header(&["truth", "sets"], &[&["covered", "below", "above", "from 0", "mean of upper end"]]);
    let mut failed = Vec::new();
    let spreads = [0.0, 0.1, 0.2, 0.3, 0.5].map(|cv| (true, cv));
    for (spread, value) in spreads.into_iter().chain([0.0, 0.02, 0.05].map(|flips| (false, flips))) {
        let truth = match spread {
            true => Truth::spread(size, Family::Gamma, value),
            false => Truth { flips: value, ..Truth::control(size) },
        };
        let profiles = each(920_000..920_000 + sets, |seed| {
            let report = compare(&truth.panel(2000, 1, seed), false).ok()?;
            if spread { report.cv } else { report.lapse }
        });
        let mut coverage = Coverage::default();
        profiles.iter().flatten().for_each(|profile| coverage.add(ends(profile), value));
        let found: Vec<&Profile> = profiles.iter().flatten().collect();
        let [within, below, above] = coverage.shares();
        let from_zero = Share::of(found.iter().map(|profile| profile.interval[0] == 0.0));
        let upper = found.iter().map(|profile| profile.interval[1]).sum::<f64>() / found.len() as f64;
        let name = if spread { format!("Gamma, cv {value}") } else { format!("ε = {value}") };
        row(&[&name, &found.len(), &within, &below, &above, &from_zero, &format!("{upper:.3}")]);
        failed.extend(within.below(95.0, &name));
        failed.extend(below.above(5.0, &name));
        failed.extend(above.above(5.0, &name));
    }
    assert!(failed.is_empty(), "{failed:#?}");
}

/// Standard errors of ln mean by groups where every person has one β, about what the estimate tends to, which is that of
/// two million choices: 100 people of 20 choices, Gamma, cv 0.5.
///
/// `cargo test --release -p prefstrength-learn --test verdicts -- --ignored --nocapture coverage_by_group`
#[test]
#[ignore = "a minute: thousands of fits"]
fn coverage_by_group() {
    let sets = number_of_sets(1000);
    let truth = Truth::spread(2.0, Family::Gamma, 0.5);
    print_header(&["model", "sets", "limit of the mean"], &[&["by group", "by choice"]]);
    let mut failed = Vec::new();
    for family in [Family::Fixed, Family::Gamma] {
        let fit = |choices: &Choices| {
            let margins = Weighted::equally(&choices.margins).with_groups(&choices.persons).unwrap();
            learn::fit(family, margins, &Options::default()).unwrap()
        };
        let limit = fit(&truth.panel(100_000, 20, 930_000)).strength.mean().ln();
        let fits = each(930_001..930_001 + sets, |seed| fit(&truth.panel(PANEL.0, PANEL.1, seed)));
        let covered = |robust: bool| {
            Share::of(fits.iter().map(|fit| {
                let errors = if robust { &fit.robust } else { &fit.errors };
                (fit.strength.mean().ln() - limit).abs() < 1.96 * errors.ln_mean.unwrap_or(0.0)
            }))
        };
        let by_group = covered(true);
        row(&[&family, &sets, &format!("{:.4}", limit.exp()), &by_group, &covered(false)]);
        // A hundred groups are few: sandwiches are a little too small.
        failed.extend(by_group.below(95.0, &family.to_string()));
    }
    assert!(failed.is_empty(), "{failed:#?}");
}

/// Intervals of cv of fits with one β per person, and the verdict on people with them: 100 people of 20 choices, s = 2.
///
/// `cargo test --release -p prefstrength-learn --test verdicts -- --ignored --nocapture coverage_of_panels`
#[test]
#[ignore = "many minutes: fits with one β per person"]
fn coverage_of_panels() {
    let (sets, size) = (number_of_sets(300), 2.0);
    let columns: [&[&str]; 2] = [
        &["profile", "below", "above", "cv ± 1.96 se", "robust", "boundary", "mean of cv"],
        &PEOPLE.map(|(name, _)| name),
    ];
    print_header(&["people", "sets"], &columns);
    let mut failed = Vec::new();
    for cv in [0.0, 0.3, 0.5] {
        let truth = Truth::spread(size, Family::Gamma, cv);
        let found = each(940_000..940_000 + sets, |seed| {
            let choices = truth.panel(PANEL.0, PANEL.1, seed);
            let report = compare(&choices, true).ok()?;
            let people = compare_people(&report, &choices).ok()?;
            let verdict = report.verdict_with(Some(&people)).people?;
            Some((people, verdict))
        });
        let found: Vec<(People, PeopleVerdict)> = found.into_iter().flatten().collect();
        let mut profiles = Coverage::default();
        let intervals = found.iter().filter_map(|(people, _)| people.cv.as_ref());
        intervals.for_each(|profile| profiles.add(ends(profile), cv));
        let interior = || found.iter().map(|(p, _)| p.best()).filter(|b| b.status == FitStatus::Interior);
        let by = |robust: bool| {
            Share::of(interior().map(|fit| {
                let error = if robust { fit.robust.cv } else { fit.errors.cv };
                (fit.strength.cv() - cv).abs() < 1.96 * error.unwrap_or(0.0)
            }))
        };
        let boundary = Share::of(found.iter().map(|(p, _)| p.best().status == FitStatus::Boundary));
        let mean = found.iter().map(|(p, _)| p.best().strength.cv()).sum::<f64>() / found.len() as f64;
        let verdicts: Vec<PeopleVerdict> = found.iter().map(|(_, verdict)| *verdict).collect();
        let ([within, below, above], of_people) = (profiles.shares(), shares(&PEOPLE, &verdicts));
        let shares = [vec![within, below, above, by(false), by(true), boundary]].concat();
        let mut cells: Vec<String> = vec![format!("Gamma, cv {cv}"), found.len().to_string()];
        cells.extend(shares.iter().map(ToString::to_string));
        cells.push(format!("{mean:.3}"));
        cells.extend(of_people.iter().map(ToString::to_string));
        let cells: Vec<&dyn fmt::Display> = cells.iter().map(|cell| cell as &dyn fmt::Display).collect();
        row(&cells);
        failed.extend(within.below(95.0, &format!("profile, cv {cv}")));
        if cv == 0.5 {
            failed.extend(by(false).below(95.0, "cv ± 1.96 se"));
            failed.extend(of_people[1].below(95.0, "people differ"));
        } else if cv == 0.0 {
            failed.extend(of_people[1].above(5.0, "people differ"));
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
}
