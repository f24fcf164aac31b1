//! Sample sizes: against integrals taken elsewhere, against each other, and against simulated studies.

use prefstrength::math::sigmoid;
use prefstrength::{AnyStrength, Family, LogNormal, Strength};
use prefstrength_learn::{
    self as learn, Design, Explanation, LearnError, Options, PowerTarget, Truth, Weighted,
};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Distribution, StandardUniform};

/// The quantile of p.
fn normal(p: f64) -> f64 {
    LogNormal::from_mu_sigma(0.0, 1.0).expect("valid").quantile(p).ln()
}

fn close(value: f64, truth: f64, tolerance: f64) {
    assert!((value / truth - 1.0).abs() < tolerance, "{value}, not {truth}");
}

/// By the trapezoidal rule in NumPy, with a step half as long.
#[test]
fn information_of_normal_margins() {
    let cases = [
        (0.5, 0.05275087579013407, 0.0007230191793817567),
        (1.0, 0.14422448018264786, 0.01243009081528082),
        (2.0, 0.2421101333211847, 0.06833213187128884),
        (3.0, 0.2505900122201305, 0.11115018144017702),
        (6.0, 0.1840340888382516, 0.12895714053731078),
    ];
    for (size, of_ln_mean, of_v) in cases {
        let design = Design::normal(size).expect("a size");
        close(design.information_of_ln_mean(), of_ln_mean, 1e-12);
        close(design.information_of_v(), of_v, 1e-10);
        assert_eq!(design.size(), size);
    }
}

/// 6.18/(2·KL) by integrals over u = ln β in NumPy and the method of Nelder and Mead.
#[test]
fn label_noise_and_spread() {
    let truths = [Truth::Lapse(0.05), Truth::Lapse(0.1), Truth::Spread(0.5), Truth::Spread(1.0)];
    // Divergence from plain DPO, and from the other kind.
    let cases = [
        (
            0.5,
            [1.92135522e-6, 5.17365206e-6, 1.652439980e-5, 1.2964261429e-4],
            [2.4129e-8, 6.2469e-8, 3.33798e-7, 4.02265e-6],
        ),
        (
            1.0,
            [7.810530175e-5, 1.843764831e-4, 2.024586742e-4, 9.716593443e-4],
            [4.50636e-6, 8.18152e-6, 1.262715e-5, 5.072207e-5],
        ),
        (
            3.0,
            [0.006305488374, 0.009470615574, 0.001984763130, 0.007380828993],
            [6.674214e-4, 6.903095e-4, 3.663781e-4, 6.221220e-4],
        ),
        (
            6.0,
            [0.02753003118, 0.03238209297, 0.003565735417, 0.015627953398],
            [0.002297512836, 0.002034028974, 9.699399e-4, 0.001543511],
        ),
    ];
    for (size, plain, other) in cases {
        let design = Design::normal(size).expect("a size");
        for ((truth, plain), other) in truths.into_iter().zip(plain).zip(other) {
            let rival =
                if matches!(truth, Truth::Lapse(_)) { Explanation::Spread } else { Explanation::Lapse };
            close(design.nearest(truth, Explanation::Plain).expect("a truth").divergence, plain, 1e-6);
            close(design.nearest(truth, rival).expect("a truth").divergence, other, 1e-4);
            // Its own kind has it.
            let own = if rival == Explanation::Spread { Explanation::Lapse } else { Explanation::Spread };
            let own = design.nearest(truth, own).expect("a truth");
            assert!(
                own.divergence < 1e-9 * plain && (own.mean - 1.0).abs() < 1e-4,
                "{size} {truth:?} {own:?}"
            );
        }
    }
    let nearest = Design::normal(3.0)
        .expect("a size")
        .nearest(Truth::Spread(0.5), Explanation::Lapse)
        .expect("a truth");
    close(nearest.mean, 0.9244003732, 1e-5);
    close(nearest.lapse, 0.5 * sigmoid(-2.9919396448), 1e-4);
    // By NumPy as well: √(variance/2KL), and what follows from it.
    let target = PowerTarget::default();
    for (size, truth, ratio, choices) in [
        (2.0, Truth::Spread(1.0), 1.0448522382, 793.43),
        (6.0, Truth::Spread(0.5), 1.1693736675, 969.21),
        (3.0, Truth::Lapse(0.05), 1.2158087508, 564.49),
        (3.0, Truth::Lapse(0.1), 1.1356866123, 357.08),
    ] {
        let plain =
            Design::normal(size).expect("a size").nearest(truth, Explanation::Plain).expect("a truth");
        close((plain.variance / (2.0 * plain.divergence)).sqrt(), ratio, 1e-6);
        close(plain.choices(&target), choices, 1e-4);
    }
}

/// As the spread shrinks, everything tends to what information says of it.
#[test]
fn small_spreads_are_what_information_says() {
    let target = PowerTarget::default();
    for size in [0.05, 0.5, 2.0, 6.0, 100.0] {
        let design = Design::normal(size).expect("a size");
        let cv: f64 = 0.01;
        let limit = target.noncentrality() / (cv.powi(4) * design.information_of_v());
        let choices =
            design.nearest(Truth::Spread(cv), Explanation::Plain).expect("a truth").choices(&target);
        close(choices, limit, if size > 50.0 { 0.1 } else { 0.01 });
        close(design.cv_of_choices(choices, &target).expect("a number").expect("within"), cv, 1e-4);
        for each in [2, 20] {
            let people = design.people(cv, &[each], &target).expect("a number");
            let pairs = (each * (each - 1)) as f64 / 2.0;
            let limit =
                target.noncentrality() / (cv.powi(4) * pairs * design.information_of_ln_mean().powi(2));
            close(people, limit, 0.02);
        }
    }
    // People who choose as often as others, and some who choose once and tell nothing.
    let design = Design::normal(2.0).expect("a size");
    let one = design.people(0.4, &[10], &target).expect("a number");
    close(design.people(0.4, &[10, 10, 10], &target).expect("a number"), one, 1e-12);
    close(design.people(0.4, &[10, 1], &target).expect("a number"), 2.0 * one, 1e-12);
    assert_eq!(design.people(0.4, &[1], &target), Ok(f64::INFINITY));
    let found =
        design.cv_of_people(&vec![10; one.ceil() as usize], &target).expect("people").expect("within");
    close(found, 0.4, 0.01);
    assert_eq!(design.cv_of_people(&[1; 100], &target), Ok(None));
    assert_eq!(design.cv_of_choices(3.0, &target), Ok(None));
}

/// Data whose margins are normal quantiles are normal margins; weights are repetitions.
#[test]
fn margins_of_data() {
    let beta = AnyStrength::from_mean_cv(Family::Gamma, 1.0, 1.0).expect("valid");
    let (mut margins, mut weights) = (Vec::new(), Vec::new());
    for i in 0..4000 {
        let x = 2.0 * normal((f64::from(i) + 0.5) / 4000.0);
        margins.extend([7.0 * x, f64::NAN]);
        weights.extend([sigmoid(x), 0.0]);
    }
    let data = Design::of_margins(Weighted::new(&margins, &weights).expect("as many")).expect("a fit");
    let normal_margins = Design::normal(2.0).expect("a size");
    let target = PowerTarget::default();
    close(data.size(), 2.0, 1e-3);
    close(data.information_of_ln_mean(), normal_margins.information_of_ln_mean(), 1e-3);
    close(data.information_of_v(), normal_margins.information_of_v(), 2e-3);
    // Of data the truth is that which plain DPO fits with mean 1: a wider one.
    let truth = Truth::Spread(0.2);
    let plain = data.nearest(truth, Explanation::Plain).expect("a truth");
    let wider = Design::normal(2.0 / plain.mean)
        .expect("a size")
        .nearest(truth, Explanation::Plain)
        .expect("a truth");
    assert!(plain.mean < 0.99 && (plain.mean - wider.mean).abs() < 1e-3, "{plain:?} {wider:?}");
    close(plain.divergence, wider.divergence, 5e-3);
    // Choices of that spread, with weights that are its probabilities: as many as the fit says.
    let chance = |d: f64| if d.is_nan() { 0.0 } else { beta.expected_sigmoid(d / 7.0) };
    let weights: Vec<f64> = margins.iter().map(|&d| chance(d)).collect();
    let weighted = Weighted::new(&margins, &weights).expect("as many");
    let data = Design::of_margins(weighted).expect("a fit");
    let (gamma, fixed) = (
        learn::fit(Family::Gamma, weighted, &Options::default()).expect("a fit"),
        learn::fit(Family::Fixed, weighted, &Options::default()).expect("a fit"),
    );
    close(gamma.strength.cv(), 1.0, 1e-3);
    let plain = data.nearest(Truth::Spread(1.0), Explanation::Plain).expect("a truth");
    close(plain.divergence, (gamma.log_likelihood - fixed.log_likelihood) / gamma.weight, 5e-3);
    assert!(plain.choices(&target) > 100.0);
}

#[test]
fn domains() {
    let design = Design::normal(1.0).expect("a size");
    let refused = |what: bool| assert!(what);
    for bad in [0.0, -1.0, 1e-3, 1e3, f64::NAN, f64::INFINITY] {
        refused(matches!(Design::normal(bad), Err(LearnError::Design(_))));
        refused(design.nearest(Truth::Spread(bad), Explanation::Lapse).is_err());
        refused(design.people(bad, &[2], &PowerTarget::default()).is_err());
    }
    for bad in [0.0, -0.1, 0.46, f64::NAN] {
        refused(design.nearest(Truth::Lapse(bad), Explanation::Plain).is_err());
    }
    for (level, power) in
        [(0.0, 0.8), (0.5, 0.8), (0.05, 1.0), (0.05, 0.4), (f64::NAN, 0.8), (0.05, f64::NAN)]
    {
        refused(PowerTarget::new(level, power).is_err());
    }
    for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        refused(design.cv_of_choices(bad, &PowerTarget::default()).is_err());
    }
    refused(design.people(0.5, &[], &PowerTarget::default()).is_err());
    refused(design.people(0.5, &[0], &PowerTarget::default()).is_err());
    assert_eq!(Design::of_margins(&[1.0, 2.0][..]), Err(LearnError::Separable));
    assert_eq!(Design::of_margins(&[1.0, 1.0, -1.0][..]), Err(LearnError::OneSize));
    assert_eq!(Design::of_margins(&[][..] as &[f64]), Err(LearnError::NoMargins));
    let target = PowerTarget::new(0.05, 0.8).expect("valid");
    close(target.noncentrality(), PowerTarget::default().noncentrality(), 1e-12);
    assert_eq!((target.level(), target.power()), (0.05, 0.8));
}

/// Corners: margins next to nothing, huge, of two sizes; spreads and shares at the ends of what they may be.
#[test]
fn corners_have_answers() {
    let designs = [
        Design::normal(0.05),
        Design::normal(100.0),
        Design::of_margins(&[1e-200, 2e-200, 2e-200, -1e-200, 0.0][..]),
        Design::of_margins(&[1e200, 2e200, 2e200, -1e200, 0.0][..]),
        Design::of_margins(&[1e200, 2.0, 2.0, -1.0, 0.0][..]),
    ];
    for design in designs.into_iter().flatten() {
        for truth in [0.01, 10.0].map(Truth::Spread).into_iter().chain([1e-9, 0.45].map(Truth::Lapse)) {
            for rival in [Explanation::Plain, Explanation::Spread, Explanation::Lapse] {
                match design.nearest(truth, rival) {
                    Ok(nearest) => {
                        assert!(nearest.divergence >= 0.0 && nearest.mean > 0.0, "{truth:?} {nearest:?}")
                    }
                    Err(e) => assert!(matches!(e, LearnError::Design(_)), "{e}"),
                }
            }
        }
        for cv in [0.01, 10.0] {
            if let Ok(people) = design.people(cv, &[2, 1_000_000_000], &PowerTarget::default()) {
                assert!(people > 0.0, "{cv}");
            }
        }
    }
}

fn uniform(random: &mut ChaCha8Rng) -> f64 {
    StandardUniform.sample(random)
}

/// Choices of people of a Gamma spread at normal margins: those of one person stand together.
fn choices(random: &mut ChaCha8Rng, people: usize, each: usize, cv: f64, size: f64) -> Vec<f64> {
    let beta = AnyStrength::from_mean_cv(Family::Gamma, 1.0, cv).expect("valid");
    let mut margins = Vec::new();
    for _ in 0..people {
        let own = beta.quantile(uniform(random));
        for _ in 0..each {
            let x = size * normal(uniform(random));
            margins.push(if uniform(random) < sigmoid(own * x) { x } else { -x });
        }
    }
    margins
}

/// Σ between/√(½Σ((Σc)² − Σc²)) at the fit of plain DPO.
fn z_between(margins: &[f64], each: usize) -> f64 {
    let mean = learn::fit(Family::Fixed, margins, &Options::default()).expect("a fit").strength.mean();
    let (mut sum, mut variance) = (0.0, 0.0);
    for person in margins.chunks(each) {
        let [mut x1, mut x2, mut c1, mut c2] = [0.0; 4];
        for x in person.iter().map(|d| mean * d) {
            let (q, c) = (x * sigmoid(-x), x * x * sigmoid(x) * sigmoid(-x));
            (x1, x2, c1, c2) = (x1 + q, x2 + q * q, c1 + c, c2 + c * c);
        }
        sum += 0.5 * (x1 * x1 - x2);
        variance += 0.5 * (c1 * c1 - c2);
    }
    sum / variance.sqrt()
}

/// Studies of the computed size find what they are to find in about 80 % of cases.
///
/// `cargo test --release -p prefstrength-learn --test it studies -- --ignored --nocapture`
#[test]
#[ignore = "a minute or two"]
fn studies_of_the_computed_size_have_the_power() {
    let sets = 1000;
    let target = PowerTarget::default();
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let mut outside = Vec::new();
    let mut note = |what: String, power: f64| {
        println!("{what}: {:.1} %", 100.0 * power);
        if !(0.75..=0.85).contains(&power) {
            outside.push(format!("{what}: {power}"));
        }
    };
    for (size, cv) in [(2.0, 1.0), (3.0, 0.5), (3.0, 1.0), (6.0, 0.5)] {
        let design = Design::normal(size).expect("a size");
        let plain = design.nearest(Truth::Spread(cv), Explanation::Plain).expect("a truth");
        let n = plain.choices(&target).ceil() as usize;
        let found = (0..sets).filter(|_| {
            let margins = choices(&mut random, n, 1, cv, size);
            let fit =
                |family| learn::fit(family, &margins[..], &Options::default()).expect("a fit").log_likelihood;
            2.0 * (fit(Family::Gamma) - fit(Family::Fixed)) > 1.6448536269514722_f64.powi(2)
        });
        let power = found.count() as f64 / f64::from(sets);
        note(format!("choices, s = {size}, cv {cv}: likelihood ratio at n = {n}"), power);
    }
    for (size, each, cv) in
        [(1.0, 20, 0.5), (2.0, 5, 0.5), (2.0, 20, 0.3), (2.0, 20, 0.5), (3.0, 10, 1.0), (6.0, 20, 0.3)]
    {
        let design = Design::normal(size).expect("a size");
        let people = design.people(cv, &[each], &target).expect("a number").ceil() as usize;
        let found =
            (0..sets).filter(|_| z_between(&choices(&mut random, people, each, cv, size), each) > 1.6448536);
        let power = found.count() as f64 / f64::from(sets);
        let pairs = (each * (each - 1)) as f64 / 2.0;
        let limit = target.noncentrality() / (cv.powi(4) * pairs * design.information_of_ln_mean().powi(2));
        note(
            format!("people, s = {size}, T = {each}, cv {cv}: z between at G = {people} (limit {limit:.0})"),
            power,
        );
    }
    assert!(outside.is_empty(), "{outside:#?}");
}
