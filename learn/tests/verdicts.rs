//! The simulation evidence for the verdict: what it says of choices whose truth is known, and whether its intervals
//! cover. None of it runs unless asked for; `docs/simulation.md` has the numbers.
#[path = "support/sets.rs"]
mod sets;
#[path = "support/simulate.rs"]
mod simulate;

use prefstrength::Family;
use prefstrength_learn::{
    self as learn, ChoicesVerdict, Comparison, Fit, LearnError, Options, PeopleVerdict, PersonsInMemory,
    Weighted,
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
    let flips = |flips: f64| {
        (format!("flips {} %", 100.0 * flips), Truth { flips, ..control }, Allowed::Noise)
    };
    let intercept =
        |intercept: f64| (format!("intercept {intercept}"), Truth { intercept, ..control }, Allowed::Steeper);
    let gamma = |cv: f64| {
        (format!("Gamma, cv {cv}"), Truth::spread(size, Family::Gamma, cv), Allowed::Strength)
    };
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
