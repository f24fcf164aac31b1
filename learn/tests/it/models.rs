//! Every model of choices: what it recovers, what it contains, and that the answer does not depend on the way of asking.

use crate::simulate::Truth;
use prefstrength::math::{normal_cdf, sigmoid};
use prefstrength::panel::{Panel, PanelBatch, PanelRows};
use prefstrength::{AnyStrength, Coordinates, Family, Lapse, Strength};
use prefstrength_learn::{
    self as learn, Comparison, Fit, FitStatus, Fitted, LearnError, Margins, Model, Options, Pairs, People,
    PersonsInMemory, Profile, Trained, Weighted,
};

const SPREADS: [Family; 3] = [Family::Gamma, Family::LogNormal, Family::InverseGaussian];

fn fixed() -> Model {
    Model::new(Family::Fixed)
}

/// All of single choices.
fn models() -> Vec<Model> {
    let spreads =
        SPREADS.into_iter().flat_map(|family| [Model::new(family), Model::new(family).with_lapse()]);
    [fixed(), fixed().with_lapse(), fixed().with_curvature()].into_iter().chain(spreads).collect()
}

fn fit(model: impl Into<Model>, margins: impl Margins) -> Fit {
    learn::fit(model, margins, &Options::default()).unwrap()
}

fn compare(margins: impl Margins) -> Comparison<Fit> {
    learn::heterogeneity(margins, &Options::default()).unwrap()
}

fn all<F: Fitted>(comparison: &Comparison<F>) -> Vec<&F> {
    let lapsed = comparison.lapsed.values();
    comparison.fits.values().chain(lapsed).chain([&comparison.curved]).collect()
}

#[track_caller]
fn near(what: &str, a: f64, b: f64, tolerance: f64) {
    assert!((a - b).abs() <= tolerance, "{what}: {a} {b}");
}

/// Both or none, and relative.
#[track_caller]
fn same(what: &str, a: Option<f64>, b: Option<f64>, tolerance: f64) {
    match (a, b) {
        (Some(a), Some(b)) => assert!((a / b - 1.0).abs() <= tolerance, "{what}: {a} {b}"),
        (a, b) => assert_eq!(a, b, "{what}"),
    }
}

/// Gradients and Hessians of all models, by what they lead to: the truth, within three of the standard errors, which by
/// both ways are about the same where the model is true.
#[test]
fn every_model_recovers_its_truth() {
    let control = Truth::control(3.0);
    let spread = |family| Truth::spread(3.0, family, 1.0);
    let both = |family| Truth { flips: 0.08, ..Truth::spread(6.0, family, 0.8) };
    let of = |family| Model::new(family);
    for (model, truth, n) in [
        (fixed(), control, 4000),
        (fixed().with_lapse(), Truth { flips: 0.1, ..control }, 4000),
        (fixed().with_curvature(), Truth { curvature: 0.6, ..control }, 4000),
        (fixed().with_curvature(), Truth { curvature: 1.5, ..control }, 4000),
        (of(Family::Gamma), spread(Family::Gamma), 8000),
        (of(Family::LogNormal), spread(Family::LogNormal), 8000),
        // Quantiles of it take their time.
        (of(Family::InverseGaussian), spread(Family::InverseGaussian), 4000),
        (of(Family::Gamma).with_lapse(), both(Family::Gamma), 20_000),
        (of(Family::LogNormal).with_lapse(), both(Family::LogNormal), 20_000),
    ] {
        let found = fit(model, &truth.margins(n, 100)[..]);
        let estimates = |errors: &learn::StandardErrors| {
            let mut all = vec![("ln mean", found.strength.mean().ln(), 0.0, errors.ln_mean)];
            all.extend(model.has_spread().then_some(("v", found.strength.v(), truth.strength.v(), errors.v)));
            all.extend(model.lapse.then_some(("ε", found.lapse, truth.flips, errors.lapse)));
            all.extend(model.curvature.then_some(("γ", found.curvature, truth.curvature, errors.curvature)));
            all
        };
        let own = if model.parameters() == 0 { FitStatus::Fixed } else { FitStatus::Interior };
        assert!(found.status == own && found.gradient < 1e-5, "{model}: {found:?}");
        for ((name, value, truth, error), (.., robust)) in
            estimates(&found.errors).into_iter().zip(estimates(&found.robust))
        {
            let (error, robust) = (error.unwrap(), robust.unwrap());
            println!("{model}: {name} {value:.4}, truth {truth:.4}, ± {error:.4}, robust {robust:.4}");
            assert!((value - truth).abs() < 3.0 * error, "{model}: {name} {value} ± {error}, truth {truth}");
            assert!((robust / error - 1.0).abs() < 0.35, "{model}: {name} ± {error}, robust {robust}");
        }
        let unlearned = [(found.errors.cv, model.has_spread()), (found.errors.lapse, model.lapse)];
        assert!(unlearned.iter().all(|(error, learned)| error.is_some() == *learned), "{model}: {found:?}");
        assert_eq!(found.errors.curvature.is_some(), model.curvature);
    }
}

/// Whether the second is the first with something held.
fn contains(large: Model, small: Model) -> bool {
    let family = small.family == large.family || small.family == Family::Fixed;
    family && (large.lapse || !small.lapse) && (large.curvature || !small.curvature)
}

#[track_caller]
fn assert_nested<F: Fitted>(fits: &[&F]) {
    for large in fits {
        let within = |small: &&&F| contains(large.model(), small.model()) && small.model() != large.model();
        for small in fits.iter().filter(within).filter(|small| small.is_maximum() && large.is_maximum()) {
            let (a, b) = (small.log_likelihood(), large.log_likelihood());
            assert!(a <= b + 1e-6, "{} {a}, {} {b}", small.model(), large.model());
        }
        if large.status() == FitStatus::Boundary {
            let curve = |fit: &F| {
                let curve = fit.curve();
                [curve.strength().mean(), curve.strength().v(), curve.epsilon(), curve.curvature()]
            };
            let equal = |small: &&F| {
                small.log_likelihood() == large.log_likelihood()
                    && curve(small) == curve(large)
                    && small.has_own_maximum()
            };
            assert!(fits.iter().filter(within).any(equal), "{}", large.model());
        }
    }
}

#[test]
fn what_contains_a_model_is_as_likely() {
    let control = Truth::control(3.0);
    let mut statuses = Vec::new();
    for (truth, n) in [
        (control, 60),
        (control, 700),
        (Truth { flips: 0.1, ..control }, 700),
        (Truth { flips: 0.05, ..Truth::spread(3.0, Family::Gamma, 0.8) }, 700),
        (Truth::spread(0.5, Family::Gamma, 1.0), 500),
        (Truth { curvature: 0.6, ..control }, 700),
        (Truth { intercept: 1.5, ..control }, 700),
        (Truth { junk: 0.05, ..control }, 500),
    ] {
        let margins = truth.margins(n, 7);
        let report = compare(&margins[..]);
        assert_nested(&all(&report));
        // One by one they are the same.
        for one in all(&report) {
            assert_eq!(&fit(one.model, &margins[..]), one);
            statuses.push((one.model, one.status));
        }
    }
    // Boundaries of all kinds were seen.
    for model in models().into_iter().filter(|model| model.parameters() > 0 && !model.curvature) {
        for status in [FitStatus::Boundary, FitStatus::Interior] {
            // A spread that ends inside beside label noise is rare.
            let rare = model.parameters() > 1 && status == FitStatus::Interior;
            assert!(rare || statuses.contains(&(model, status)), "{model} {status:?}");
        }
    }
    let pairs = Pairs::new(Truth { flips: 0.1, ..control }.margins(1500, 8), 1).unwrap();
    assert_nested(&all(&learn::train_all(&pairs, &Options::default()).unwrap()));
}

fn assert_margins_are_pairs(fit: &Fit, trained: &Trained) {
    let model = fit.model;
    let what = model.to_string();
    assert_eq!((trained.model, trained.status, trained.robust_units), (model, fit.status, fit.robust_units));
    near(&what, trained.log_likelihood, fit.log_likelihood, 1e-6);
    near(&what, trained.lapse, fit.lapse, 1e-4 * fit.lapse);
    near(&what, trained.curvature, fit.curvature, 1e-4);
    near(&what, trained.strength.cv(), fit.strength.cv(), 1e-4 * fit.strength.cv());
    // The weight of a policy is inside of the power, and E β outside.
    near(&what, trained.w[0].powf(trained.curvature), fit.strength.mean(), 1e-4 * fit.strength.mean());
    for (a, b, by) in [(&trained.errors, &fit.errors, "observed"), (&trained.robust, &fit.robust, "robust")] {
        let what = format!("{model}, {by}");
        same(&what, a.v, b.v, 1e-4);
        same(&what, a.cv, b.cv, 1e-4);
        same(&what, a.lapse, b.lapse, 1e-4);
        same(&what, a.curvature, b.curvature, 1e-4);
        if !model.curvature {
            same(&what, a.w.as_ref().map(|w| w[0] / trained.w[0]), b.ln_mean, 1e-4);
        }
    }
}

/// `a` of pairs and `b` of margins, between values that are looked at in different coordinates.
fn assert_same_profile(a: &Option<Profile>, b: &Option<Profile>) {
    let (Some(a), Some(b)) = (a, b) else {
        assert_eq!(a, b);
        return;
    };
    near("estimate", a.estimate, b.estimate, 1e-4 * (1e-3 + b.estimate));
    let size = b.interval[1] - b.interval[0];
    (0..2).for_each(|i| near("interval", a.interval[i], b.interval[i], 0.02 * size));
    assert_eq!(a.open, b.open);
}

/// The same question of margins and of pairs that have one feature: fits, their errors by group and by choice, tests,
/// rivals, intervals and the verdict.
#[test]
fn margins_are_pairs_of_one_feature() {
    let truth = Truth { flips: 0.05, ..Truth::spread(3.0, Family::Gamma, 0.6) };
    let choices = truth.panel(150, 10, 3);
    let weights: Vec<f64> = (0..choices.margins.len()).map(|i| 0.5 + (i % 3) as f64).collect();
    for grouped in [false, true] {
        let mut source = Weighted::new(&choices.margins, &weights).unwrap();
        let mut pairs =
            Pairs::new(choices.margins.clone(), 1).unwrap().with_weights(weights.clone()).unwrap();
        if grouped {
            source = source.with_groups(&choices.persons).unwrap();
            pairs = pairs.with_groups(choices.persons.clone()).unwrap();
        }
        for model in models() {
            let trained = learn::train(model, &pairs, &Options::default()).unwrap();
            assert_margins_are_pairs(&fit(model, source), &trained);
        }
        let a = learn::train_all(&pairs, &Options::default()).unwrap();
        let b = compare(source);
        all(&a).into_iter().zip(all(&b)).for_each(|(a, b)| assert_margins_are_pairs(b, a));
        let (z, y) = (a.score.unwrap(), b.score.unwrap());
        near("score", z.z, y.z, 1e-5);
        // Of single choices there are two ways to take the nuisance out of squares: that of margins takes it from them.
        let wide = if grouped { 1e-5 } else { 0.1 };
        near("outer", z.z_outer.unwrap(), y.z_outer.unwrap(), wide);
        near("beyond", a.beyond_noise.unwrap().z, b.beyond_noise.unwrap().z, 1e-4);
        near("dependence", a.dependence, b.dependence, 1e-5);
        assert!(grouped == (a.dependence > 1.0) && grouped == a.people.is_some());
        if let (Some(a), Some(b)) = (&a.people, &b.people) {
            near("between", a.between.z, b.between.z, 1e-5);
            near("panel", a.panel.z, b.panel.z, 1e-5);
        }
        assert_eq!((a.best, a.rivals.len()), (b.best, b.rivals.len()));
        for (a, b) in a.rivals.iter().zip(&b.rivals) {
            assert_eq!(a.model, b.model);
            near("worse", a.worse, b.worse, 1e-6);
            same("Vuong", a.vuong_z, b.vuong_z, 1e-3);
        }
        assert_same_profile(&a.cv, &b.cv);
        assert_same_profile(&a.lapse, &b.lapse);
        let (v, u) = (a.verdict(), b.verdict());
        assert_eq!((v.choices, v.people, v.tests.len()), (u.choices, u.people, u.tests.len()));
        v.tests.iter().zip(&u.tests).for_each(|(a, b)| near("p", a.p, b.p, 1e-4 * b.p));
    }
}

/// The unit of margins is that of 1/β, and of |D|^γ that of its power.
#[test]
fn the_unit_of_margins_does_not_matter() {
    let truth = Truth { flips: 0.05, curvature: 0.8, ..Truth::spread(3.0, Family::Gamma, 0.7) };
    let margins = truth.margins(700, 5);
    for model in models() {
        let plain = fit(model, &margins[..]);
        for unit in [2.0_f64.powi(40), 2.0_f64.powi(-40), 1e12, 1e-12, 1e100, 1e-100] {
            let scaled: Vec<f64> = margins.iter().map(|d| d * unit).collect();
            let scaled = fit(model, &scaled[..]);
            let what = format!("{model}, {unit:e}");
            assert_eq!(scaled.status, plain.status, "{what}");
            near(&what, scaled.log_likelihood, plain.log_likelihood, 1e-9 * plain.log_likelihood.abs());
            near(&what, scaled.lapse, plain.lapse, 1e-5);
            near(&what, scaled.curvature, plain.curvature, 1e-5);
            near(&what, scaled.strength.cv(), plain.strength.cv(), 1e-5);
            let ln_mean = scaled.strength.mean().ln() + plain.curvature * unit.ln();
            near(&what, ln_mean, plain.strength.mean().ln(), 1e-5 + 2e-6 * unit.ln().abs());
            for (a, b) in [(&scaled.errors, &plain.errors), (&scaled.robust, &plain.robust)] {
                same(&what, a.cv, b.cv, 1e-4);
                same(&what, a.lapse, b.lapse, 1e-4);
                same(&what, a.curvature, b.curvature, 1e-4);
                if !model.curvature {
                    same(&what, a.ln_mean, b.ln_mean, 1e-4);
                }
            }
        }
    }
}

/// The standard error of ln mean of a curved margin, which its unit moves: that of ln mean + γ ln unit where the unit is
/// what it was.
#[test]
fn the_mean_of_a_curved_margin_has_the_error_of_its_unit() {
    let margins = Truth { curvature: 0.7, ..Truth::control(3.0) }.margins(1500, 6);
    let model = fixed().with_curvature();
    let variance = |unit: f64| {
        let scaled: Vec<f64> = margins.iter().map(|d| d * unit).collect();
        let found = fit(model, &scaled[..]);
        [found.errors, found.robust].map(|errors| errors.ln_mean.unwrap().powi(2))
    };
    let found = fit(model, &margins[..]);
    // Var(a − γb) is a parabola in b, of which three units give the rest.
    let step = 0.5_f64;
    let at = [-1.0, 0.0, 1.0].map(|i| variance((i * step).exp()));
    for (by, errors) in [found.errors, found.robust].into_iter().enumerate() {
        let [low, middle, high] = at.map(|variances| variances[by]);
        let (bend, slope) = ((low + high - 2.0 * middle) / (2.0 * step * step), (high - low) / (2.0 * step));
        near("Var γ", bend, errors.curvature.unwrap().powi(2), 1e-4 * bend);
        for unit in [1e3_f64, 1e-40, 1e70] {
            let b = unit.ln();
            let expected = middle + slope * b + bend * b * b;
            near("Var ln mean", variance(unit)[by], expected, 1e-3 * expected);
        }
    }
}

/// A weight counts as repetition, and weight 0 as absence, whatever the margin.
#[test]
fn weights_are_repetitions_for_every_model() {
    let margins = Truth { flips: 0.05, ..Truth::spread(3.0, Family::Gamma, 0.7) }.margins(500, 9);
    let weights: Vec<f64> = (0..margins.len()).map(|i| (i % 3) as f64).collect();
    let repeated: Vec<f64> =
        margins.iter().zip(&weights).flat_map(|(&d, &w)| std::iter::repeat_n(d, w as usize)).collect();
    let masked: Vec<f64> =
        margins.iter().zip(&weights).map(|(&d, &w)| if w == 0.0 { f64::NAN } else { d }).collect();
    let twice = vec![2.0; margins.len()];
    for model in models() {
        let doubled: Vec<f64> = margins.iter().flat_map(|&d| [d, d]).collect();
        for (weighted, repeated) in [
            (fit(model, Weighted::new(&masked, &weights).unwrap()), fit(model, &repeated[..])),
            (fit(model, Weighted::new(&margins, &twice).unwrap()), fit(model, &doubled[..])),
        ] {
            let what = model.to_string();
            assert_eq!((weighted.status, weighted.weight), (repeated.status, repeated.weight));
            near(&what, weighted.log_likelihood, repeated.log_likelihood, 1e-8);
            near(&what, weighted.lapse, repeated.lapse, 1e-6);
            near(&what, weighted.curvature, repeated.curvature, 1e-6);
            near(&what, weighted.strength.cv(), repeated.strength.cv(), 1e-6);
            near(&what, weighted.strength.mean(), repeated.strength.mean(), 1e-6);
            for (a, b) in [(&weighted.errors, &repeated.errors), (&weighted.robust, &repeated.robust)] {
                same(&what, a.ln_mean, b.ln_mean, 1e-5);
                same(&what, a.v, b.v, 1e-5);
                same(&what, a.lapse, b.lapse, 1e-5);
                same(&what, a.curvature, b.curvature, 1e-5);
            }
        }
    }
}

#[test]
fn models_for_other_functions_are_refused() {
    let margins = Truth::control(2.0).margins(50, 1);
    let pairs = Pairs::new(margins.clone(), 1).unwrap();
    let options = Options::default();
    for model in [
        Model::new(Family::Gamma).with_curvature(),
        fixed().with_lapse().with_curvature(),
        fixed().per_person(),
        Model::new(Family::Gamma).per_person(),
    ] {
        assert_eq!(learn::fit(model, &margins[..], &options), Err(LearnError::Model), "{model}");
        assert_eq!(learn::train(model, &pairs, &options), Err(LearnError::Model), "{model}");
    }
    assert_eq!(learn::train_people(Family::Gamma, &pairs, &options), Err(LearnError::NoGroups));
    assert_eq!(learn::compare_people(&pairs, &options), Err(LearnError::NoGroups));
    let pairs = pairs.with_groups(vec![1; 50]).unwrap();
    for model in [fixed(), fixed().with_lapse(), Model::new(Family::Gamma).with_curvature()] {
        assert_eq!(learn::train_people(model, &pairs, &options), Err(LearnError::Model), "{model}");
    }
    let persons = || PersonsInMemory::new(&margins, &[1; 50], None).unwrap();
    let gamma = fit(Family::Gamma, &margins[..]);
    assert_eq!(learn::compare_people_of_margins(&gamma, persons(), &options), Err(LearnError::Model));
}

/// Where a function of one hump is largest, and how large it is there: by golden sections.
fn maximise(low: f64, high: f64, mut f: impl FnMut(f64) -> f64) -> [f64; 2] {
    let share = 0.5 * (5.0_f64.sqrt() - 1.0);
    let (mut low, mut high) = (low, high);
    let inner = |low: f64, high: f64| [high - share * (high - low), low + share * (high - low)];
    let [mut a, mut b] = inner(low, high);
    let (mut at_a, mut at_b) = (f(a), f(b));
    while high - low > 1e-5 {
        if at_a > at_b {
            (high, b, at_b) = (b, a, at_a);
            a = inner(low, high)[0];
            at_a = f(a);
        } else {
            (low, a, at_a) = (a, b, at_b);
            b = inner(low, high)[1];
            at_b = f(b);
        }
    }
    if at_a > at_b { [a, at_a] } else { [b, at_b] }
}

fn persons_of(pairs: &Pairs) -> PersonsInMemory {
    let margins: Vec<f64> = pairs.rows().map(|f| f[0]).collect();
    PersonsInMemory::new(&margins, pairs.groups().unwrap(), pairs.weights()).unwrap()
}

/// Σ ln Lᵢ of one β per person, by the panel alone.
fn panel_likelihood(persons: &PersonsInMemory, family: Family, w: f64, cv: f64, epsilon: f64) -> f64 {
    let panel = Panel::new(&AnyStrength::from_mean_cv(family, 1.0, cv).unwrap());
    let panel = panel.with_lapse(Lapse::new(epsilon).unwrap());
    let block = persons.block();
    let margins: Vec<f64> = block.margins().iter().map(|d| w * d).collect();
    -panel.evaluate(&PanelBatch::new(&margins, block.ends()), PanelRows::new()).unwrap().nll
}

/// People in turn, one choice each, so that rows of different persons are mixed.
fn mixed(pairs: &Pairs, each: usize) -> Pairs {
    let n = pairs.len();
    let order: Vec<usize> = (0..each).flat_map(|t| (0..n / each).rev().map(move |p| p * each + t)).collect();
    let rows: Vec<&[f64]> = pairs.rows().collect();
    let features = order.iter().flat_map(|&i| rows[i].to_vec()).collect();
    let groups = order.iter().map(|&i| pairs.groups().unwrap()[i]).collect();
    Pairs::new(features, pairs.dim()).unwrap().with_groups(groups).unwrap()
}

fn panel_pairs(truth: Truth, persons: usize, each: usize, seed: u64) -> Pairs {
    let choices = truth.panel(persons, each, seed);
    Pairs::new(choices.margins, 1).unwrap().with_groups(choices.persons).unwrap()
}

fn compare_people(pairs: &Pairs) -> People {
    learn::compare_people(pairs, &Options::default()).unwrap()
}

/// Maxima over a grid, refined, of the panel's own likelihood.
#[test]
fn people_are_the_maximum_of_the_panel() {
    let pairs = panel_pairs(Truth::spread(2.0, Family::Gamma, 0.8), 40, 6, 4);
    let (persons, people) = (persons_of(&pairs), compare_people(&pairs));
    assert_eq!(people.persons, 40);
    for family in [Family::Gamma, Family::LogNormal] {
        let at = |w: f64, cv: f64| panel_likelihood(&persons, family, w, cv, 0.0);
        let (mut best, mut start) = (f64::NEG_INFINITY, [0.0; 2]);
        for i in -6..=6 {
            for j in 0..14 {
                let (w, cv) = ((0.25 * f64::from(i)).exp(), 0.05 * 1.4_f64.powi(j));
                let here = at(w, cv);
                if here > best {
                    (best, start) = (here, [w.ln(), cv.ln()]);
                }
            }
        }
        let at_cv = |ln_cv: f64| maximise(start[0] - 0.8, start[0] + 0.8, |ln_w| at(ln_w.exp(), ln_cv.exp()));
        let [ln_cv, top] = maximise(start[1] - 0.4, start[1] + 0.4, |ln_cv| at_cv(ln_cv)[1]);
        let (cv, w) = (ln_cv.exp(), at_cv(ln_cv)[0].exp());
        let found = &people.fits[family];
        println!("{family}: {top} at w = {w}, cv = {cv}; {found:?}");
        assert_eq!(found.status, FitStatus::Interior);
        near("ln L", found.log_likelihood, top, 1e-6);
        near("cv", found.strength.cv(), cv, 1e-4 * cv);
        near("w", found.w[0], w, 1e-4 * w);
        let one = learn::train_people(family, &pairs, &Options::default()).unwrap();
        near("ln L", one.log_likelihood, found.log_likelihood, 1e-8);
    }
    // Nothing on a grid is better than what was found with a lapse.
    let family = people.best().model.family;
    assert_eq!(people.lapsed.model, people.best().model.with_lapse());
    assert!(people.lapsed.log_likelihood >= people.best().log_likelihood);
    for (i, j) in (-3..=5).flat_map(|i| (0..7).map(move |j| (i, j))) {
        for epsilon in [0.005, 0.03, 0.1] {
            let (w, cv) = ((0.3 * f64::from(i)).exp(), 0.1 * 1.7_f64.powi(j));
            let here = panel_likelihood(&persons, family, w, cv, epsilon);
            assert!(here < people.lapsed.log_likelihood + 1e-6, "{w} {cv} {epsilon}: {here}");
        }
    }
    let one = learn::train_people(people.lapsed.model, &pairs, &Options::default()).unwrap();
    assert_eq!(one.status, people.lapsed.status);
    near("ln L", one.log_likelihood, people.lapsed.log_likelihood, 1e-6);
    // Flips beside people who differ.
    let pairs = panel_pairs(Truth { flips: 0.1, ..Truth::spread(3.0, Family::Gamma, 0.6) }, 100, 12, 5);
    let flipped =
        learn::train_people(Model::new(Family::Gamma).with_lapse(), &pairs, &Options::default()).unwrap();
    let errors = &flipped.errors;
    assert_eq!(flipped.status, FitStatus::Interior);
    near("ε", flipped.lapse, 0.1, 3.0 * errors.lapse.unwrap());
    near("v", flipped.strength.v(), 0.36, 3.0 * errors.v.unwrap());
    near("w", flipped.w[0], 1.0, 3.0 * errors.w.as_ref().unwrap()[0]);
    // Without a spread it is plain DPO.
    let alike = panel_pairs(Truth { redrawn: true, intercept: 1.5, ..Truth::control(3.0) }, 60, 8, 2);
    let people = compare_people(&alike);
    let plain = &people.fits[Family::Fixed];
    for fit in people.fits.values().chain([&people.lapsed]).filter(|fit| fit.status == FitStatus::Boundary) {
        assert_eq!((fit.log_likelihood, &fit.w), (plain.log_likelihood, &plain.w));
        assert!(fit.strength.v() == 0.0 && fit.lapse == 0.0);
    }
    assert_eq!(people.fits[Family::Gamma].status, FitStatus::Boundary);
    assert_eq!(people.cv.unwrap().interval[0], 0.0);
}

fn assert_same_people(a: &People, b: &People, tolerance: f64) {
    assert_eq!(a.persons, b.persons);
    for (a, b) in a.fits.values().chain([&a.lapsed]).zip(b.fits.values().chain([&b.lapsed])) {
        let what = a.model.to_string();
        assert_eq!((a.model, a.status), (b.model, b.status));
        near(&what, a.log_likelihood, b.log_likelihood, tolerance * b.log_likelihood.abs());
        near(&what, a.strength.cv(), b.strength.cv(), 100.0 * tolerance * b.strength.cv());
        near(&what, a.w[0], b.w[0], 100.0 * tolerance * b.w[0]);
        if a.model != fixed() {
            same(&what, a.errors.cv, b.errors.cv, 1e-4);
            same(&what, a.robust.cv, b.robust.cv, 1e-4);
        }
    }
    assert_same_profile(&a.cv, &b.cv);
}

/// What choices are whose, and not in what order; margins; masks; and a weight is that of a person.
#[test]
fn people_do_not_depend_on_the_way_of_asking() {
    let pairs = panel_pairs(Truth::spread(3.0, Family::LogNormal, 0.7), 40, 8, 11);
    let (n, people) = (pairs.len(), compare_people(&pairs));
    assert_eq!(people.fits[Family::LogNormal].status, FitStatus::Interior);
    // Rows of different persons in another order: the same bits.
    assert_eq!(compare_people(&mixed(&pairs, 8)), people);
    let renamed = pairs.groups().unwrap().iter().map(|id| 5000 - 7 * id).collect();
    assert_same_people(&compare_people(&pairs.clone().with_groups(renamed).unwrap()), &people, 1e-9);
    // As margins, by a fit of their own.
    let margins: Vec<f64> = pairs.rows().map(|f| f[0]).collect();
    let plain = fit(Family::Fixed, &margins[..]);
    let of_margins =
        learn::compare_people_of_margins(&plain, persons_of(&pairs), &Options::default()).unwrap();
    assert_same_people(&of_margins, &people, 1e-9);
    let other =
        learn::compare_people_of_margins(&plain, persons_of(&mixed(&pairs, 8)), &Options::default()).unwrap();
    assert_eq!(other, of_margins);
    // Rows of weight 0, of someone and of nobody else.
    let mut features = margins.clone();
    features.extend([-1e30, 77.0, -3.0]);
    let mut groups = pairs.groups().unwrap().to_vec();
    groups.extend([3, 3, 999]);
    let mut weights = vec![1.0; n];
    weights.extend([0.0; 3]);
    let masked = Pairs::new(features, 1).unwrap().with_groups(groups).unwrap();
    assert_same_people(&compare_people(&masked.with_weights(weights).unwrap()), &people, 1e-9);
    // Every other person twice.
    let twice = |i: usize| (i / 8).is_multiple_of(2);
    let weights = (0..n).map(|i| if twice(i) { 2.0 } else { 1.0 }).collect();
    let weighted = compare_people(&pairs.clone().with_weights(weights).unwrap());
    let again = (0..n).filter(|&i| twice(i));
    let features = margins.iter().copied().chain(again.clone().map(|i| margins[i])).collect();
    let ids = pairs.groups().unwrap();
    let groups = ids.iter().copied().chain(again.map(|i| 100 + ids[i])).collect();
    let repeated = compare_people(&Pairs::new(features, 1).unwrap().with_groups(groups).unwrap());
    assert_eq!((weighted.persons, repeated.persons), (40, 60));
    assert_same_people(&People { persons: 60, ..weighted }, &repeated, 1e-9);
    // Two weights of one person.
    let mut weights = vec![1.0; n];
    weights[13] = 2.0;
    let refused = learn::compare_people(&pairs.with_weights(weights).unwrap(), &Options::default());
    assert_eq!(refused, Err(LearnError::PersonWeight { index: 13 }));
}

#[track_caller]
fn assert_defined(trained: &Trained) {
    let finite = [trained.log_likelihood, trained.lapse, trained.strength.v(), trained.penalty];
    assert!(finite.iter().chain(&trained.w).all(|x| x.is_finite()), "{trained:?}");
    assert!(trained.log_likelihood <= 0.0 && !trained.gradient.is_nan(), "{trained:?}");
    for errors in [&trained.errors, &trained.robust] {
        let each = [errors.v, errors.cv, errors.lapse].into_iter().flatten();
        assert!(each.chain(errors.w.iter().flatten().copied()).all(|e| e > 0.0), "{trained:?}");
    }
}

fn assert_people_are_defined(pairs: &Pairs) -> People {
    let people = compare_people(pairs);
    people.fits.values().chain([&people.lapsed]).for_each(assert_defined);
    let best = people.best().log_likelihood;
    assert!(!people.best().is_maximum() || best >= people.fits[Family::Fixed].log_likelihood - 1e-6);
    for cv in people.cv.iter() {
        let [low, high] = cv.interval;
        assert!(low <= cv.estimate && cv.estimate <= high && high.is_finite(), "{cv:?}");
    }
    if people.best().is_maximum() {
        for person in learn::person_strengths(pairs, people.best()).unwrap() {
            let [low, high] = person.interval;
            let defined = [person.mean, person.sd, low, high].iter().all(|x| x.is_finite() && *x >= 0.0);
            assert!(defined && low <= person.median && person.median <= high, "{person:?}");
        }
    }
    people
}

#[test]
fn people_of_any_kind_have_results() {
    let usual = panel_pairs(Truth::spread(2.0, Family::Gamma, 0.5), 20, 8, 12);
    let with = |others: &[(u32, Vec<f64>)]| {
        let mut features: Vec<f64> = usual.rows().map(|f| f[0]).collect();
        let mut groups = usual.groups().unwrap().to_vec();
        for (id, margins) in others {
            features.extend(margins);
            groups.extend(vec![*id; margins.len()]);
        }
        Pairs::new(features, 1).unwrap().with_groups(groups).unwrap()
    };
    let against: Vec<f64> = (0..30).map(|i| -0.5 - 0.1 * f64::from(i)).collect();
    let sure: Vec<f64> = (0..30).map(|i| 0.5 + 0.1 * f64::from(i)).collect();
    let huge: Vec<f64> = (0..10).map(|i| if i % 4 == 0 { -1e6 } else { 1e6 }).collect();
    let one = vec![-0.7];
    for others in [
        vec![(50, against.clone())],
        vec![(50, sure.clone())],
        vec![(50, one.clone())],
        vec![(50, huge.clone())],
        vec![(50, vec![1e6; 3])],
        vec![(50, against), (51, sure), (52, one), (53, huge)],
    ] {
        let people = assert_people_are_defined(&with(&others));
        assert_eq!(people.persons, 20 + others.len());
    }
    // One person alone, and everyone with a single choice.
    let alone = panel_pairs(Truth::control(2.0), 1, 60, 13);
    assert_eq!(assert_people_are_defined(&alone).persons, 1);
    let single = panel_pairs(Truth::spread(3.0, Family::Gamma, 1.0), 400, 1, 13);
    let people = assert_people_are_defined(&single);
    // Which is a choice each: the model without persons.
    for family in SPREADS {
        let margins: Vec<f64> = single.rows().map(|f| f[0]).collect();
        let own = fit(family, &margins[..]);
        near(family.name(), people.fits[family].log_likelihood, own.log_likelihood, 1e-5);
        near(family.name(), people.fits[family].strength.cv(), own.strength.cv(), 1e-3 * own.strength.cv());
    }
    // Very many choices of one person tell their β, and next to nothing of its spread.
    let many = Truth::control(2.0).panel(1, 100_000, 14).margins;
    let many = with(&[(50, many)]);
    let trained = learn::train_people(Family::Gamma, &many, &Options::default()).unwrap();
    assert_defined(&trained);
    let strengths = learn::person_strengths(&many, &trained).unwrap();
    let last = strengths.last().unwrap();
    let error = trained.errors.w.as_ref().unwrap()[0] / trained.w[0];
    assert_eq!((last.person, last.number), (50, 100_000));
    assert!(last.sd < 0.02 && (last.mean * trained.w[0] - 1.0).abs() < 0.05, "{last:?}, w ± {error}");
}

/// A person's strength is the panel's posterior, in the order of the ids.
#[test]
fn strengths_of_persons_are_posteriors() {
    let pairs = panel_pairs(Truth { flips: 0.05, ..Truth::spread(3.0, Family::Gamma, 0.8) }, 30, 10, 15);
    let people = compare_people(&pairs);
    let persons = persons_of(&pairs);
    let mut own = 0;
    for trained in people.fits.values().skip(1).chain([&people.lapsed]) {
        let found = learn::person_strengths(&mixed(&pairs, 10), trained).unwrap();
        assert_eq!(found, learn::person_strengths(&pairs, trained).unwrap());
        assert_eq!(found, learn::person_strengths_of_margins(persons.clone(), trained).unwrap());
        let mut panel = Panel::new(&trained.strength);
        if trained.lapse > 0.0 {
            panel = panel.with_lapse(Lapse::new(trained.lapse).unwrap());
        }
        for (found, (id, margins, _)) in found.iter().zip(persons.block().iter()) {
            let margins: Vec<f64> = margins.iter().map(|d| trained.w[0] * d).collect();
            let (posterior, mut quantiles) = (panel.posterior(&margins), [0.0; 3]);
            panel.quantiles(&margins, &[0.025, 0.5, 0.975], &mut quantiles).unwrap();
            assert_eq!((found.person, found.number), (id, 10));
            assert_eq!([found.mean, found.sd], [posterior.mean, posterior.sd]);
            assert_eq!([found.interval[0], found.median, found.interval[1]], quantiles);
            assert!(quantiles[0] < quantiles[1] && quantiles[1] < quantiles[2], "{found:?}");
            own += 1;
        }
        let mean = found.iter().map(|person| person.mean).sum::<f64>() / 30.0;
        assert!((mean - 1.0).abs() < 0.1, "{mean}");
    }
    assert_eq!(own, 120);
    let wide = Pairs::new(vec![1.0, 2.0, -1.0, 0.5], 2).unwrap().with_groups(vec![1, 2]).unwrap();
    assert!(matches!(learn::person_strengths(&wide, people.best()), Err(LearnError::Batch(_))));
}

/// The c of a bounded normal mean that lies δ standard errors inside.
fn cut(distance: f64) -> f64 {
    let covered = |c: f64| {
        let root = c.sqrt();
        let below = if root > distance { (c + distance * distance) / (2.0 * distance) } else { root };
        normal_cdf(root) - normal_cdf(-below)
    };
    let (mut low, mut high) = (2.5, 4.0);
    while high - low > 1e-9 {
        let middle = 0.5 * (low + high);
        if covered(middle) < 0.95 { low = middle } else { high = middle }
    }
    low
}

/// Ends of an interval, by refitting the mean with the parameter held at them.
fn assert_ends(
    what: &str,
    profile: &Profile,
    kappa: f64,
    at: impl Fn(f64) -> f64,
    x: impl Fn(f64) -> f64,
    slope: f64,
) {
    let [low, high] = profile.interval;
    let (estimate, zero) = (at(profile.estimate), at(0.0));
    assert!(low <= profile.estimate && profile.estimate <= high && !profile.open, "{what}: {profile:?}");
    let excess = |t: f64| {
        let ratio = 2.0 * (estimate.max(zero) - at(t)) / kappa;
        let fallen = 2.0 * (zero + slope * x(t) - at(t)) / kappa;
        let cut = if t == 0.0 {
            cut(0.0)
        } else if fallen < 0.0 {
            3.8415
        } else {
            cut(fallen.sqrt())
        };
        ratio / cut
    };
    println!(
        "{what}: {:?} at {}, ratios {} {}",
        profile.interval,
        profile.estimate,
        excess(low),
        excess(high)
    );
    near(what, excess(high), 1.0, 0.03);
    if low > 0.0 {
        near(what, excess(low), 1.0, 0.03)
    } else {
        assert!(excess(0.0) <= 1.0, "{what}")
    }
    // The curve itself, which starts at the boundary.
    assert_eq!(profile.points[0][0], 0.0);
    assert!(profile.points.windows(2).all(|pair| pair[0][0] < pair[1][0]), "{what}");
    let top = profile.points.iter().map(|point| point[1]).fold(f64::NEG_INFINITY, f64::max);
    near(what, top, 0.0, 1e-6);
    for [t, value] in &profile.points {
        near(what, *value, at(*t) - estimate.max(zero), 1e-3);
    }
}

/// The likelihood ratio at an end is the one that it claims.
#[test]
fn ends_of_profiles_have_their_likelihood_ratio() {
    let control = Truth::control(3.0);
    let mut at_zero = [0; 2];
    for (truth, seed) in [
        (control, 20),
        (control, 21),
        (Truth { intercept: 1.0, ..control }, 22),
        (Truth { flips: 0.1, ..control }, 23),
        (Truth { flips: 0.02, ..control }, 24),
        (Truth::spread(3.0, Family::Gamma, 0.5), 25),
        (Truth::spread(3.0, Family::LogNormal, 1.0), 26),
    ] {
        let margins = truth.margins(600, seed);
        let report = compare(&margins[..]);
        let of_cv = report.cv.as_ref().unwrap();
        let value = |fit: &&Fit| fit.log_likelihood;
        let spreads = SPREADS.map(|family| &report.fits[family]);
        let best = spreads.into_iter().reduce(|a, b| if value(&b) > value(&a) { b } else { a }).unwrap();
        near("cv", of_cv.estimate, best.strength.cv(), 1e-9);
        let mean = report.fits[Family::Fixed].strength.mean();
        let over_mean =
            |f: &dyn Fn(f64) -> f64| maximise(mean.ln() - 1.0, mean.ln() + 8.0, |m| f(m.exp()))[1];
        let sum = |f: &dyn Fn(f64) -> f64| margins.iter().map(|&d| f(d)).sum::<f64>();
        let at = |cv: f64| {
            over_mean(&|mean| {
                let strength = AnyStrength::from_mean_cv(best.model.family, mean, cv).unwrap();
                -sum(&|d| strength.nll(d))
            })
        };
        let plain = AnyStrength::from_mean_v(Family::Gamma, mean, 0.0).unwrap();
        let slope = -sum(&|d| plain.nll_gradient_in(d, Coordinates::LnMeanV).d_params[1]);
        assert_ends("cv", of_cv, 1.0, at, |cv| cv * cv, slope);
        let of_lapse = report.lapse.as_ref().unwrap();
        let at = |e: f64| over_mean(&|mean| sum(&|d| (e + (1.0 - 2.0 * e) * sigmoid(mean * d)).ln()));
        let slope = sum(&|d| (1.0 - 2.0 * sigmoid(mean * d)) / sigmoid(mean * d));
        assert_ends("ε", of_lapse, 1.0, at, |e| e, slope);
        for (count, profile) in at_zero.iter_mut().zip([of_cv, of_lapse]) {
            *count += u32::from(profile.estimate == 0.0);
            assert!(profile.estimate > 0.0 || profile.interval[0] == 0.0);
        }
    }
    assert!(at_zero.iter().all(|n| *n > 0), "{at_zero:?}");
    // With groups it is wider by the dependence of choices.
    let choices = Truth::spread(3.0, Family::Gamma, 1.0).panel(60, 20, 3);
    let alone = compare(&choices.margins[..]);
    let grouped = compare(Weighted::equally(&choices.margins).with_groups(&choices.persons).unwrap());
    let width = |report: &Comparison<Fit>| {
        let [low, high] = report.cv.as_ref().unwrap().interval;
        high - low
    };
    assert_eq!((alone.dependence, alone.people.is_some()), (1.0, false));
    let expected = grouped.dependence.sqrt();
    let wider = width(&grouped) / width(&alone);
    println!("wider by {wider}, √κ = {expected}");
    assert!(expected > 1.1 && wider > 1.0 + 0.5 * (expected - 1.0) && wider < 2.0 * expected, "{wider}");
}

/// Far from the boundary a profile is as Wald has it.
#[test]
fn profiles_of_many_choices_are_those_of_wald() {
    let spread = compare(&Truth::spread(3.0, Family::Gamma, 1.0).margins(16_000, 30)[..]);
    let noise = compare(&Truth { flips: 0.1, ..Truth::control(3.0) }.margins(8000, 31)[..]);
    let value = |fit: &&Fit| fit.log_likelihood;
    let best = SPREADS.map(|family| &spread.fits[family]);
    let best = best.into_iter().reduce(|a, b| if value(&b) > value(&a) { b } else { a }).unwrap();
    let flips = &noise.lapsed[Family::Fixed];
    for (profile, estimate, error) in [
        (spread.cv.as_ref().unwrap(), best.strength.cv(), best.errors.cv.unwrap()),
        (noise.lapse.as_ref().unwrap(), flips.lapse, flips.errors.lapse.unwrap()),
    ] {
        let [low, high] = profile.interval;
        let wald = 1.959_964 * error;
        println!("{low} {estimate} {high}, ± {wald}");
        assert!(!profile.open && profile.level == 0.95);
        near("estimate", profile.estimate, estimate, 1e-6);
        near("below", estimate - low, wald, 0.1 * wald);
        near("above", high - estimate, wald, 0.1 * wald);
    }
}

#[test]
fn tests_are_corrected_for_their_number() {
    let choices = Truth::spread(2.0, Family::Gamma, 0.5).panel(60, 10, 40);
    for grouped in [false, true] {
        let mut source = Weighted::equally(&choices.margins);
        if grouped {
            source = source.with_groups(&choices.persons).unwrap();
        }
        let report = compare(source);
        let tests = report.tests();
        let mut names: Vec<Option<Model>> = SPREADS.map(|family| Some(Model::new(family))).to_vec();
        names.extend([Some(fixed().with_lapse()), Some(fixed().with_curvature())]);
        names.extend(grouped.then_some(None));
        assert_eq!(tests.iter().map(|test| test.model).collect::<Vec<_>>(), names);
        for test in &tests {
            let (p, gain) = match test.model {
                None => (report.people.as_ref().unwrap().between.p, None),
                Some(model) => {
                    let fit = report.fit(model).unwrap();
                    let gain = 2.0 * (fit.log_likelihood - report.fits[Family::Fixed].log_likelihood);
                    let root = (gain.max(0.0) / report.dependence).sqrt();
                    // To either side of γ = 1; of what is not negative, to one.
                    let p = if model.curvature {
                        2.0 * normal_cdf(-root)
                    } else if root > 0.0 {
                        normal_cdf(-root)
                    } else {
                        1.0
                    };
                    (p, Some(gain))
                }
            };
            near("p", test.p, p, 1e-9);
            assert!(gain.is_none_or(|gain| gain >= -1e-9) && (0.0..=1.0).contains(&test.holm));
        }
        let mut sorted = tests.clone();
        sorted.sort_by(|a, b| a.p.total_cmp(&b.p));
        let mut last: f64 = 0.0;
        for (i, test) in sorted.iter().enumerate() {
            last = last.max((tests.len() - i) as f64 * test.p).min(1.0);
            near("Holm", test.holm, last, 1e-12);
        }
        assert_eq!(report.verdict().tests, tests);
    }
}

#[cfg(feature = "serde")]
#[test]
fn comparisons_can_be_stored() {
    fn back<T: serde::Serialize + for<'a> serde::Deserialize<'a>>(of: &T) -> T {
        serde_json::from_str(&serde_json::to_string(of).unwrap()).unwrap()
    }
    let choices = Truth { flips: 0.05, ..Truth::spread(3.0, Family::Gamma, 0.8) }.panel(40, 10, 50);
    let source = Weighted::equally(&choices.margins).with_groups(&choices.persons).unwrap();
    let pairs = Pairs::new(choices.margins.clone(), 1).unwrap().with_groups(choices.persons.clone()).unwrap();
    let of_pairs = learn::train_all(&pairs, &Options::default()).unwrap();
    assert_eq!(back(&of_pairs), of_pairs);
    let (report, people) = (compare(source), compare_people(&pairs));
    assert_eq!(back(&report), report);
    assert_eq!(back(&people), people);
    let verdict = report.verdict_with(Some(&people));
    assert_eq!(back(&verdict), verdict);
    assert!(verdict.people_text().is_some());
    let text = serde_json::to_string(&verdict).unwrap();
    assert!(text.contains(r#""choices":"cannot_tell","people":""#), "{text}");
    for model in models() {
        assert_eq!(back(&model), model);
    }
    let strengths = learn::person_strengths(&pairs, people.best()).unwrap();
    assert_eq!(back(&strengths), strengths);
    // Where nothing is a fit.
    let short = Options { max_iterations: 1, ..Options::default() };
    let report = learn::heterogeneity(&choices.margins[..], &short).unwrap();
    assert_eq!(back(&report).verdict(), report.verdict());
    let step: Vec<f64> =
        (0..300).map(|i| f64::from(i % 30 + 1) * if i % 4 < 3 { 1.0 } else { -1.0 }).collect();
    let report = compare(&step[..]);
    assert_eq!(back(&report).verdict(), report.verdict());
}
