//! Simulated truths against the curves that they are of: what other tests take for known.

use crate::simulate::{Choices, Truth};
use prefstrength::math::sigmoid;
use prefstrength::{Family, Strength};
use prefstrength_learn::{self as learn, Options};

const N: usize = 20_000;
/// The 0.9999 quantile of χ² with eight degrees of freedom.
const LARGEST_CHI2: f64 = 31.8;

/// E f(z) of a standard normal z: the trapezoid rule.
fn normal_average(f: impl Fn(f64) -> f64) -> f64 {
    let weight = |z: f64| 0.1 * (-0.5 * z * z).exp() / (2.0 * std::f64::consts::PI).sqrt();
    (-80..=80).map(|i| 0.1 * f64::from(i)).map(|z| weight(z) * f(z)).sum()
}

/// χ² of how often the answer ahead is chosen, in bins of |D|, against the probability at |D|.
fn chi2(margins: &[f64], probability: impl Fn(f64) -> f64) -> f64 {
    let mut bins = [[0.0; 3]; 8];
    for &d in margins {
        let (p, bin) = (probability(d.abs()), (2.0 * d.abs()) as usize);
        let [hits, expected, variance] = &mut bins[bin.min(7)];
        *hits += f64::from(u8::from(d > 0.0));
        *expected += p;
        *variance += p * (1.0 - p);
    }
    assert!(bins.iter().all(|[_, _, variance]| *variance > 5.0), "{bins:?}");
    bins.iter().map(|[hits, expected, variance]| (hits - expected).powi(2) / variance).sum()
}

fn follows(name: &str, margins: &[f64], probability: impl Fn(f64) -> f64) {
    let chi2 = chi2(margins, probability);
    assert!(chi2 < LARGEST_CHI2, "{name}: {chi2}");
}

#[test]
fn margins_follow_their_curves() {
    const S: f64 = 3.0;
    let control = Truth::control(S);
    let margins = |truth: Truth| truth.margins(N, 7);
    follows("control", &margins(control), sigmoid);
    let lapse = |d: f64| 0.1 + 0.8 * sigmoid(d);
    follows("flips", &margins(Truth { flips: 0.1, ..control }), lapse);
    follows("own flips", &margins(Truth { flips: 0.1, own_flips: true, ..control }), lapse);
    follows("guessers", &margins(Truth { guessers: 0.2, ..control }), lapse);
    follows("reversed", &margins(Truth { reversed: 0.1, ..control }), lapse);
    let intercept = |d: f64| 0.5 * (sigmoid(d + 1.0) + sigmoid(d - 1.0));
    follows("intercept", &margins(Truth { intercept: 1.0, ..control }), intercept);
    follows("curvature", &margins(Truth { curvature: 0.6, ..control }), |d| sigmoid(d.powf(0.6)));
    let omitted = |d: f64| normal_average(|z| sigmoid(d + 2.0 * z));
    follows("omitted", &margins(Truth { omitted: 2.0, ..control }), omitted);
    // What D is, given D + N(0, 2²): normal.
    let share = S * S / (S * S + 4.0);
    let noise = |d: f64| normal_average(|z| sigmoid(share * d + S * (1.0 - share).sqrt() * z));
    follows("noise", &margins(Truth { noise: 2.0, ..control }), noise);
    // The densities of what is reported, and of what is ten times as wide.
    let normal = |d: f64| (-0.5 * (d / S).powi(2)).exp();
    let junk = |d: f64| {
        let [right, junk] = [0.95 * normal(d), 0.05 / 10.0 * normal(d / 10.0)];
        (right * sigmoid(d) + junk * sigmoid(d / 10.0)) / (right + junk)
    };
    follows("junk", &margins(Truth { junk: 0.05, ..control }), junk);
    for family in [Family::Gamma, Family::LogNormal, Family::InverseGaussian] {
        let truth = Truth::spread(S, family, 1.2);
        // Quantiles of the last one take their time.
        let n = if family == Family::InverseGaussian { 4000 } else { N };
        follows(family.name(), &truth.margins(n, 7), |d| (-truth.strength.nll(d)).exp());
        assert!((truth.strength.mean() - 1.0).abs() < 1e-12);
    }
    // All at once, inside β.
    let all = Truth {
        flips: 0.05,
        guessers: 0.1,
        reversed: 0.1,
        intercept: 0.5,
        curvature: 0.8,
        ..Truth::spread(S, Family::Gamma, 0.8)
    };
    follows("all", &margins(all), |d| {
        let of = |y: f64| (-all.strength.nll(y)).exp();
        let own = 0.5 * (of(d.powf(0.8) + 0.5) + of(d.powf(0.8) - 0.5));
        0.05 + 0.9 * (0.8 * own + 0.1 * 0.5 + 0.1 * (1.0 - own))
    });
    // And the check would notice the wrong one.
    for truth in [
        Truth { flips: 0.1, ..control },
        Truth { junk: 0.05, ..control },
        Truth { intercept: 1.0, ..control },
    ] {
        assert!(chi2(&margins(truth), sigmoid) > 2.0 * LARGEST_CHI2, "{truth:?}");
    }
}

/// Truths that differ in one number share the rest; a seed makes one set.
#[test]
fn truths_share_their_draws() {
    let control = Truth::control(2.0);
    let plain = control.panel(50, 40, 3);
    assert_eq!(plain, Truth::spread(2.0, Family::Gamma, 0.0).panel(50, 40, 3));
    assert_ne!(plain.margins, control.margins(2000, 4));
    let flipped = Truth { flips: 0.1, ..control }.panel(50, 40, 3);
    let turned = plain.margins.iter().zip(&flipped.margins).filter(|(a, b)| a != b);
    let turned = turned.inspect(|(a, b)| assert_eq!(**a, -**b)).count();
    assert!((150..=250).contains(&turned), "{turned}");
    let junk = Truth { junk: 0.05, ..control }.panel(50, 40, 3);
    let wide = plain.margins.iter().zip(&junk.margins).filter(|(a, b)| a != b);
    let wide = wide.inspect(|(a, b)| assert_eq!(10.0 * **a, **b)).count();
    assert!((60..=140).contains(&wide), "{wide}");
    assert_eq!((plain.persons[39], plain.persons[40]), (0, 1));
    assert_eq!(plain.ends(), (1..=50).map(|i| 40 * i).collect::<Vec<_>>());
    assert_eq!(control.panel(0, 5, 1), Choices::default());
    assert!(Choices::default().ends().is_empty());
    // Sides are those of the chosen answer, and turn with it.
    let sided = Truth { intercept: 50.0, ..control }.panel(50, 40, 3);
    assert!(sided.sides.iter().all(|&side| side == 1.0));
    assert!(plain.sides.iter().sum::<f64>().abs() < 4.0 * 2000.0_f64.sqrt());
}

/// Persons keep what is theirs: strength, sign, the coin, ε.
#[test]
fn people_keep_what_is_theirs() {
    let (persons, each) = (1000, 40);
    // A person's ΣD·(chosen − expected at β = 1) varies more between persons than choices explain, as v has it.
    let between = |truth: Truth| {
        let choices = truth.panel(persons, each, 5);
        let pairs = choices.margins.chunks(each).map(|own| {
            let x = own.iter().map(|&d| d * sigmoid(-d));
            let (sum, squares) = (x.clone().sum::<f64>(), x.map(|x| x * x).sum::<f64>());
            sum * sum - squares
        });
        // Its mean is T(T − 1)·v·c̄² to first order, c̄ = E D²σσ̄; 0 where nobody keeps anything.
        pairs.sum::<f64>() / (persons * each * (each - 1)) as f64
    };
    let (size, cv) = (2.0, 0.3);
    let c = normal_average(|z| (size * z).powi(2) * sigmoid(size * z) * sigmoid(-size * z));
    let own = Truth::spread(size, Family::Gamma, cv);
    let found = between(own) / (c * c);
    // The standard error of the sum is √2·c̄ T per person, and more with a spread.
    let error = 2.0_f64.sqrt() / (c * each as f64 * (persons as f64).sqrt());
    assert!((found / (cv * cv) - 1.0).abs() < 0.35 && found > 10.0 * error, "{found} ± {error}");
    let redrawn = between(Truth { redrawn: true, ..own }) / (c * c);
    assert!(redrawn.abs() < 5.0 * error, "{redrawn} ± {error}");
    assert!(between(Truth::control(size)).abs() / (c * c) < 5.0 * error);
    // Both have the same curve in single choices.
    for redrawn in [false, true] {
        let choices = Truth { redrawn, ..Truth::spread(3.0, Family::Gamma, 0.8) }.panel(N, 1, 5);
        follows("panel", &choices.margins, |d| {
            (-Truth::spread(3.0, Family::Gamma, 0.8).strength.nll(d)).exp()
        });
    }
    // Who errs at margins that leave no doubt is reversed, or guesses, or flips; throughout.
    let sure = Truth { reversed: 0.2, guessers: 0.1, ..Truth::control(1e9) };
    let wrong = |truth: Truth| -> Vec<usize> {
        let choices = truth.panel(persons, each, 6);
        choices.margins.chunks(each).map(|own| own.iter().filter(|d| **d < 0.0).count()).collect()
    };
    let errors = wrong(sure);
    let share =
        |of: &dyn Fn(usize) -> bool| errors.iter().filter(|&&n| of(n)).count() as f64 / persons as f64;
    assert!((share(&|n| n == each) - 0.2).abs() < 0.04 && (share(&|n| n == 0) - 0.7).abs() < 0.04);
    // The variance of errors: binomial with one ε; with ε of one's own E ε(1 − ε) T + Var ε T², Var ε = ε²/3.
    for own_flips in [false, true] {
        let errors = wrong(Truth { flips: 0.1, own_flips, ..Truth::control(1e9) });
        let mean = errors.iter().sum::<usize>() as f64 / persons as f64;
        let variance = errors.iter().map(|&n| (n as f64 - mean).powi(2)).sum::<f64>() / persons as f64;
        let (t, between) = (each as f64, if own_flips { 0.01 / 3.0 } else { 0.0 });
        let expected = (0.1 * 0.9 - between) * t + between * t * t;
        assert!((mean / (0.1 * t) - 1.0).abs() < 0.06, "{mean}");
        assert!((variance / expected - 1.0).abs() < 0.15, "{own_flips}: {variance}, expected {expected}");
    }
}

/// Every truth but those with light tails passes for a spread in a cross-section, and these do not.
#[test]
fn impostors_look_like_a_spread_in_single_choices() {
    let control = Truth::control(2.0);
    let z = |truth: Truth| {
        let margins = truth.margins(N, 8);
        let mean = learn::fit(Family::Fixed, &margins[..], &Options::default()).unwrap().strength.mean();
        // The score test of v = 0, by its formula.
        let [score, vv, vw, ww] = margins.iter().fold([0.0; 4], |[score, vv, vw, ww], d| {
            let (y, p) = (mean * d, sigmoid(mean * d));
            let (q, half) = (1.0 - p, 0.5 * y * (1.0 - 2.0 * p));
            [
                score + half * y * q,
                vv + (half * y).powi(2) * p * q,
                vw + half * y * y * p * q,
                ww + y * y * p * q,
            ]
        });
        score / (vv - vw * vw / ww).sqrt()
    };
    for truth in [
        Truth { flips: 0.1, ..control },
        Truth { reversed: 0.15, ..control },
        Truth { guessers: 0.2, ..control },
        Truth { curvature: 0.6, ..control },
        Truth { junk: 0.05, ..control },
        Truth::spread(2.0, Family::Gamma, 1.0),
    ] {
        let z = z(truth);
        assert!(z > 5.0, "{z}: {truth:?}");
    }
    for truth in [Truth { omitted: 1.5, ..control }, Truth { noise: 2.0, ..control }] {
        let z = z(truth);
        assert!(z < 2.0, "{z}: {truth:?}");
    }
    // Steeper than plain DPO allows.
    assert!(z(Truth { intercept: 2.0, ..control }) < -2.0);
    assert!(z(control).abs() < 3.0);
}
