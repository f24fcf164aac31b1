//! What is said of data whose truth is known: in single sets, which a seed makes.

use crate::simulate::Truth;
use prefstrength::Family;
use prefstrength_learn::{
    self as learn, ChoicesVerdict, Comparison, Fit, FitStatus, Fitted, Options, PeopleVerdict,
    PersonsInMemory, Verdict, Weighted,
};

const SIZE: f64 = 3.0;

fn control() -> Truth {
    Truth::control(SIZE)
}

#[track_caller]
fn assert_words(verdict: &Verdict) {
    let text = verdict.to_string();
    println!("{text}");
    let shown =
        |text: &str| !text.contains("NaN") && !text.contains("inf") && text.contains(char::is_numeric);
    assert!(shown(verdict.choices_text()), "{verdict:?}");
    assert!(verdict.people_text().is_none_or(shown), "{verdict:?}");
    let all: Vec<&str> = std::iter::once(verdict.choices_text()).chain(verdict.people_text()).collect();
    assert_eq!(text, all.join("\n"));
    assert_eq!(verdict.people.is_some(), verdict.people_text().is_some());
    for needed in [verdict.choices_needed, verdict.persons_needed].into_iter().flatten() {
        assert!(needed > 0.0 && needed.is_finite(), "{verdict:?}");
    }
}

fn of(truth: Truth, n: usize, seed: u64) -> (Comparison<Fit>, Verdict) {
    let report = learn::heterogeneity(&truth.margins(n, seed)[..], &Options::default()).unwrap();
    let verdict = report.verdict();
    assert_words(&verdict);
    assert_eq!((verdict.people, verdict.persons_needed), (None, None));
    assert_eq!(verdict.z, report.score.map(|score| score.z));
    (report, verdict)
}

#[test]
fn nothing_beyond_plain_dpo_has_bounds() {
    for seed in [1, 2, 3] {
        let (report, verdict) = of(control(), 6000, seed);
        assert_eq!(verdict.choices, ChoicesVerdict::Plain, "{verdict}");
        let [cv, lapse] = [report.cv.unwrap().interval[1], report.lapse.unwrap().interval[1]];
        assert!(cv < 0.6 && lapse < 0.03, "{verdict}");
        let bounds = verdict.choices_text();
        assert!(bounds.contains(&format!("{cv:.2}")) && bounds.contains(&format!("{:.1} %", 100.0 * lapse)));
        assert!(verdict.choices_needed.is_none() && verdict.tests.iter().all(|test| test.holm > 0.05));
    }
    // Light tails cannot fake a spread.
    let (_, verdict) = of(Truth { noise: 1.0, ..control() }, 6000, 4);
    assert!(matches!(verdict.choices, ChoicesVerdict::Plain | ChoicesVerdict::Steeper), "{verdict}");
}

#[test]
fn label_noise_is_no_strength() {
    let mut named = 0;
    for (truth, seed) in [
        (Truth { flips: 0.1, ..control() }, 11),
        (Truth { flips: 0.1, ..control() }, 12),
        (Truth { flips: 0.05, ..control() }, 13),
        (Truth { guessers: 0.2, ..control() }, 14),
        (Truth { reversed: 0.1, ..control() }, 15),
    ] {
        let (report, verdict) = of(truth, 6000, seed);
        match verdict.choices {
            ChoicesVerdict::Noise => named += 1,
            other => assert_eq!(other, ChoicesVerdict::CannotTell, "{verdict}"),
        }
        assert!(verdict.choices_text().contains("label noise of"), "{verdict}");
        let noise = &report.lapsed[Family::Fixed];
        let share = truth.flips + 0.5 * truth.guessers + truth.reversed;
        assert!((noise.lapse - share).abs() < 3.0 * noise.errors.lapse.unwrap(), "{noise:?}");
        assert!(report.beyond_noise.unwrap().z < 2.5 && report.score.unwrap().z > 5.0);
    }
    assert!(named >= 3, "{named}");
}

#[test]
fn a_spread_is_no_noise() {
    let mut named = 0;
    for (family, seed) in
        [(Family::Gamma, 21), (Family::Gamma, 22), (Family::LogNormal, 23), (Family::LogNormal, 24)]
    {
        let (report, verdict) = of(Truth::spread(SIZE, family, 1.0), 8000, seed);
        match verdict.choices {
            ChoicesVerdict::Strength => {
                named += 1;
                assert!(verdict.z_beyond_noise.unwrap() > 1.645);
                assert!(verdict.choices_text().contains("a spread with cv"), "{verdict}");
            }
            other => assert_eq!(other, ChoicesVerdict::CannotTell, "{verdict}"),
        }
        let own = &report.fits[family];
        assert!((own.strength.cv() - 1.0).abs() < 3.0 * own.errors.cv.unwrap(), "{own:?}");
        assert!(report.cv.unwrap().interval[0] > 0.5, "{verdict}");
    }
    println!("{named} of 4 named");
}

/// A spread may be ahead of the true curve by chance, in at most one set of twenty.
#[test]
fn a_concave_margin_is_no_strength() {
    let mut strengths = 0;
    for seed in 31..36 {
        let (report, verdict) = of(Truth { curvature: 0.5, ..control() }, 8000, seed);
        match verdict.choices {
            ChoicesVerdict::Strength => strengths += 1,
            other => {
                assert!(matches!(other, ChoicesVerdict::Concave | ChoicesVerdict::CannotTell), "{verdict}")
            }
        }
        assert!(verdict.choices_text().contains("a margin to the power 0."), "{verdict}");
        let curved = &report.curved;
        assert!((curved.curvature - 0.5).abs() < 3.0 * curved.errors.curvature.unwrap(), "{curved:?}");
    }
    assert!(strengths <= 1, "{strengths} of 5");
}

#[test]
fn a_steeper_curve_is_another_misfit() {
    for truth in [Truth { intercept: 2.0, ..control() }, Truth { curvature: 1.6, ..control() }] {
        let (report, verdict) = of(truth, 4000, 41);
        assert_eq!(verdict.choices, ChoicesVerdict::Steeper, "{verdict}");
        assert!(verdict.z.unwrap() < -2.0 && report.fits[Family::Gamma].status == FitStatus::Boundary);
        assert_eq!(report.cv.unwrap().interval[0], 0.0);
    }
}

#[test]
fn few_choices_cannot_tell() {
    for seed in [51, 52, 53] {
        let (_, verdict) = of(control(), 60, seed);
        assert_eq!(verdict.choices, ChoicesVerdict::CannotTell, "{verdict}");
        let needed = verdict.choices_needed.unwrap();
        assert!((100.0..1e5).contains(&needed), "{needed}");
    }
    // Small margins tell nothing, however many they are.
    let (_, verdict) = of(Truth::control(0.3), 4000, 54);
    assert_eq!(verdict.choices, ChoicesVerdict::CannotTell, "{verdict}");
    assert!(verdict.choices_needed.unwrap() > 1e5, "{verdict}");
    // Enough to see that something is there, and not what: two explanations part at so many choices.
    let (report, verdict) = of(Truth::spread(2.0, Family::Gamma, 0.8), 1500, 55);
    assert_eq!(verdict.choices, ChoicesVerdict::CannotTell, "{verdict}");
    assert!(report.rivals.iter().any(|rival| rival.aic < 2.0));
    assert!(verdict.choices_needed.is_none_or(|needed| needed > 1500.0), "{verdict}");
}

fn of_panel(truth: Truth, persons: usize, each: usize, seed: u64) -> [Verdict; 2] {
    let choices = truth.panel(persons, each, seed);
    let source = Weighted::equally(&choices.margins).with_groups(&choices.persons).unwrap();
    let options = Options::default();
    let report = learn::heterogeneity(source, &options).unwrap();
    let persons = PersonsInMemory::new(&choices.margins, &choices.persons, None).unwrap();
    let people = learn::compare_people_of_margins(&report.fits[Family::Fixed], persons, &options).unwrap();
    assert!(people.likelihood_ratio().is_some() && people.best().is_maximum());
    let verdicts = [report.verdict(), report.verdict_with(Some(&people))];
    verdicts.iter().for_each(assert_words);
    assert_eq!(verdicts[0].tests, verdicts[1].tests);
    assert_eq!(verdicts[0].choices_text(), verdicts[1].choices_text());
    verdicts
}

#[test]
fn people_who_differ_are_found() {
    for seed in [61, 62] {
        for verdict in of_panel(Truth::spread(SIZE, Family::Gamma, 0.5), 150, 20, seed) {
            assert_eq!(verdict.people, Some(PeopleVerdict::Differ), "{verdict}");
            assert!(verdict.people_text().is_some_and(|text| text.starts_with("people differ (z = ")));
            assert!(verdict.tests.iter().any(|test| test.model.is_none() && test.holm < 0.01));
        }
        let [_, verdict] = of_panel(Truth::spread(SIZE, Family::Gamma, 0.5), 150, 20, seed);
        assert!(verdict.people_text().is_some_and(|text| text.contains("its cv is 0.")), "{verdict}");
    }
    // So are people of the opposite preference, who are not said to vary in strength.
    for verdict in of_panel(Truth { reversed: 0.1, ..control() }, 100, 20, 63) {
        assert_eq!(verdict.people, Some(PeopleVerdict::Differ), "{verdict}");
        assert_ne!(verdict.choices, ChoicesVerdict::Strength, "{verdict}");
    }
}

#[test]
fn people_who_are_alike_have_a_bound() {
    for seed in [71, 72] {
        for verdict in of_panel(control(), 150, 20, seed) {
            assert_eq!(verdict.people, Some(PeopleVerdict::Alike), "{verdict}");
            assert_eq!(verdict.choices, ChoicesVerdict::Plain, "{verdict}");
        }
        // A β of every choice is none of a person.
        let redrawn = Truth { redrawn: true, ..Truth::spread(SIZE, Family::Gamma, 1.0) };
        for verdict in of_panel(redrawn, 150, 20, seed) {
            assert_eq!(verdict.people, Some(PeopleVerdict::Alike), "{verdict}");
            assert!(
                matches!(verdict.choices, ChoicesVerdict::Strength | ChoicesVerdict::CannotTell),
                "{verdict}"
            );
        }
    }
    let [_, verdict] = of_panel(control(), 12, 3, 73);
    assert_eq!(verdict.people, Some(PeopleVerdict::CannotTell), "{verdict}");
    assert!(verdict.persons_needed.unwrap() > 12.0);
}

/// How often each verdict is given: `cargo test --release -p prefstrength-learn --test it -- --ignored --nocapture
/// how_often`
#[test]
#[ignore = "minutes: hundreds of comparisons"]
fn how_often_verdicts_are_given() {
    use ChoicesVerdict::{CannotTell, Concave, NoFit, Noise, Plain, Steeper, Strength};
    const SETS: u64 = 60;
    let all = [Plain, Noise, Strength, Concave, CannotTell, Steeper, NoFit];
    println!("| truth | n | {} |", all.map(|choices| format!("{choices:?}")).join(" | "));
    for (name, truth, wrong) in [
        ("control", control(), &[Noise, Strength, Concave][..]),
        ("flips 10 %", Truth { flips: 0.1, ..control() }, &[Strength, Concave]),
        ("Gamma 1", Truth::spread(SIZE, Family::Gamma, 1.0), &[Plain, Noise, Concave]),
        ("LogNormal 1", Truth::spread(SIZE, Family::LogNormal, 1.0), &[Plain, Noise, Concave]),
        ("power 0.5", Truth { curvature: 0.5, ..control() }, &[Noise, Strength]),
        ("power 0.7", Truth { curvature: 0.7, ..control() }, &[Noise, Strength]),
    ] {
        for n in [2000, 8000] {
            let verdicts: Vec<ChoicesVerdict> = (9000..9000 + SETS)
                .map(|seed| {
                    let margins = truth.margins(n, seed);
                    learn::heterogeneity(&margins[..], &Options::default()).unwrap().verdict().choices
                })
                .collect();
            let share = |of: &[ChoicesVerdict]| {
                let hits = verdicts.iter().filter(|choices| of.contains(choices)).count();
                100.0 * hits as f64 / SETS as f64
            };
            println!(
                "| {name} | {n} | {} |",
                all.map(|choices| format!("{:.0}", share(&[choices]))).join(" | ")
            );
            assert!(share(wrong) <= 25.0, "{name}, n = {n}: {} % mislead", share(wrong));
        }
    }
}

/// Where single choices are no plain DPO's, the variances of plain DPO are not theirs: people who are all alike do not differ
/// for that.
#[test]
fn misfits_are_no_people() {
    let (mut differ, mut fooled) = (0, 0);
    for seed in 0..12 {
        let choices = Truth { junk: 0.05, ..control() }.panel(50, 40, seed);
        let margins = Weighted::equally(&choices.margins).with_groups(&choices.persons).unwrap();
        let report = learn::heterogeneity(margins, &Options::default()).unwrap();
        let people = report.people.as_ref().unwrap();
        let verdict = report.verdict();
        assert_words(&verdict);
        differ += u32::from(verdict.people == Some(PeopleVerdict::Differ));
        fooled += u32::from(people.between.z.abs() > 3.0);
        assert!(
            report.people_at_best.is_some_and(|test| test.z.abs() < 4.0),
            "{seed}: {:?}",
            report.people_at_best
        );
    }
    assert!(differ <= 1 && fooled >= 2, "{differ} {fooled}");
    // Those who do differ do so at any of the models.
    let choices = Truth { junk: 0.05, ..Truth::spread(SIZE, Family::Gamma, 0.8) }.panel(100, 30, 5);
    let margins = Weighted::equally(&choices.margins).with_groups(&choices.persons).unwrap();
    let report = learn::heterogeneity(margins, &Options::default()).unwrap();
    assert_eq!(report.verdict().people, Some(PeopleVerdict::Differ), "{}", report.verdict());
}

/// One person whose choices outweigh all others' says nothing about people.
#[test]
fn a_giant_is_no_evidence() {
    let (giant, rest) = (control().panel(1, 20_000, 1), control().panel(30, 10, 2));
    let margins = [giant.margins, rest.margins].concat();
    let persons: Vec<u32> =
        giant.persons.iter().copied().chain(rest.persons.iter().map(|person| person + 7)).collect();
    let source = Weighted::equally(&margins).with_groups(&persons).unwrap();
    let report = learn::heterogeneity(source, &Options::default()).unwrap();
    let effective = report.people.as_ref().unwrap().effective;
    assert!((1.0..1.5).contains(&effective), "{effective}");
    let verdict = report.verdict();
    assert_eq!(verdict.people, Some(PeopleVerdict::CannotTell), "{verdict}");
    assert!(verdict.people_text().unwrap().contains("outweigh"), "{verdict}");
}
