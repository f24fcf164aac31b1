//! One β per person: the panel likelihood against vectors, and what must hold for every panel.

use crate::support::batch::Random;
use crate::support::{Errors, Vectors};
use prefstrength::batch::BatchError;
use prefstrength::math::{log_sigmoid, sigmoid};
#[cfg(feature = "std")]
use prefstrength::panel::ByPerson;
use prefstrength::panel::{Panel, PanelBatch, PanelRows, PanelSums};
use prefstrength::{AnyStrength, Coordinates, Family, Lapse, Level, Strength};
use proptest::prelude::*;

/// Everything about one person.
#[derive(Clone, Debug, PartialEq)]
struct Told {
    sums: PanelSums,
    d_margin: Vec<f64>,
    mean: f64,
    sd: f64,
    reversed: f64,
}

fn told(panel: &Panel<AnyStrength>, margins: &[f64]) -> Told {
    let (mut d_margin, [mut mean, mut sd, mut reversed, mut one, mut other]) =
        (vec![0.0; margins.len()], [[0.0]; 5]);
    let rows = PanelRows::new().d_margin(&mut d_margin).posterior_mean(&mut mean).posterior_sd(&mut sd);
    let rows = rows.reversed(&mut reversed).d_lapse([&mut one, &mut other]);
    let sums = panel.evaluate(&PanelBatch::new(margins, &[margins.len()]), rows).expect("a panel");
    assert_eq!([one[0], other[0]].map(f64::to_bits), sums.d_lapse.map(f64::to_bits));
    Told { sums, d_margin, mean: mean[0], sd: sd[0], reversed: reversed[0] }
}

fn strength(family: Family, mean: f64, cv: f64) -> AnyStrength {
    AnyStrength::from_mean_cv(family, mean, cv).expect("valid")
}

/// The sizes of the terms of ∂/∂v at one β: ½β²(L′² + |L″|) over (mean of β)².
fn spread_terms(margins: &[f64], beta: f64, mean: f64) -> f64 {
    let (mut d1, mut d2) = (0.0, 0.0);
    for &d in margins {
        let q = sigmoid(-beta * d);
        d1 += d.abs() * q;
        d2 += d * d * q * (1.0 - q);
    }
    0.5 * mean * mean * (d1 * d1 + d2)
}

/// The vectors, on every level: with lapses and people of the opposite preference in the second file.
#[test]
fn vectors() {
    let mut errors = Errors::default();
    for level in Level::available() {
        for file in ["panel", "extra_panel"] {
            let vectors = Vectors::load(file);
            vectors.each_text(|get, text| {
                let family: Family = text("family").parse().expect("a family");
                let margins: Vec<f64> =
                    text("margins").split(';').map(|x| x.parse().expect("a number")).collect();
                let optional = |name: &str| if vectors.has(name) { get(name) } else { 0.0 };
                let (mean, cv) = match vectors.has("p1") {
                    true => (get("p1"), get("p2")),
                    false => (get("mean"), get("cv")),
                };
                let beta = strength(family, mean, cv);
                let mut panel = Panel::new(&beta).with_level(level).with_coordinates(Coordinates::LnMeanV);
                let lapse = [optional("floor"), optional("ceiling")];
                if file == "extra_panel" {
                    panel = panel.with_lapse(Lapse::by_side(lapse[0], lapse[1]).expect("valid"));
                    panel = panel.with_reversed(get("reversed")).expect("valid");
                }
                let got = told(&panel, &margins);
                let at =
                    format!("{file} {level} {beta} {lapse:?} {} margins, {:?}", margins.len(), margins[0]);
                let ln = get("loglik");
                let mut record = |name: &str, got: f64, truth: f64, scale: f64| {
                    errors.record_f64(&format!("panel {name}"), got, truth, scale.max(truth.abs()), &at);
                };
                record("ln", -got.sums.nll, ln, 1.0);
                let pulls: f64 = margins.iter().zip(&got.d_margin).map(|(d, g)| (d * g).abs()).sum();
                record("d_ln_mean", -got.sums.d_params[0], get("dll_dln_mean"), pulls);
                let spread = spread_terms(&margins, got.mean.min(mean), mean).max(pulls * pulls);
                record("d_v", -got.sums.d_params[1], get("dll_dv"), spread);
                let first = get("dll_dmargin1");
                // e^{−βD} where that is what it is proportional to.
                record(
                    "d_margin",
                    -got.d_margin[0],
                    first,
                    first.abs() * (1.0 + (first / mean).abs().ln().abs()),
                );
                record("mean", got.mean, get("posterior_mean"), 0.0);
                record("sd", got.sd, get("posterior_sd"), 1e-3 * got.mean);
                if file == "extra_panel" {
                    // Of choices for and against the margin, each with its sign.
                    let size = margins.len() as f64;
                    record("d_lapse", -got.sums.d_lapse[0], get("dll_dfloor"), size);
                    record("d_lapse", -got.sums.d_lapse[1], get("dll_dceiling"), size);
                    record("d_reversed", -got.sums.d_reversed, get("dll_dreversed"), 1.0);
                }
            });
        }
    }
    errors.check();
}

fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

/// A family, mean, cv and lapse.
fn law() -> impl Strategy<Value = (AnyStrength, f64)> {
    let lapse = prop_oneof![Just(0.0), (-8.0..-0.4f64).prop_map(|e| 10f64.powf(e))];
    (prop::sample::select(Family::ALL.to_vec()), -2.0..1.0f64, -4.0..0.7f64, lapse).prop_map(
        |(family, mean, cv, lapse)| {
            let cv = if family == Family::Fixed { 0.0 } else { 10f64.powf(cv) };
            (strength(family, 10f64.powf(mean), cv), lapse)
        },
    )
}

proptest! {
    #![proptest_config(cases(200))]

    /// A panel of one choice is the loss, with its gradient and its posterior.
    #[test]
    fn one_choice_is_the_loss((beta, lapse) in law(), size in -3.0..2.5f64, negative: bool) {
        let d = 10f64.powf(size) / beta.mean() * if negative { -1.0 } else { 1.0 };
        let lapse = Lapse::new(lapse).unwrap();
        let noisy = beta.with_lapse(lapse);
        for coordinates in [Coordinates::LnMeanV, Coordinates::MeanCv, Coordinates::LnMeanLnCv, Coordinates::Native] {
            if coordinates == Coordinates::Native && beta.v() == 0.0 {
                continue;
            }
            let one = noisy.nll_gradient_in(d, coordinates);
            let got = told(&Panel::new(&beta).with_lapse(lapse).with_coordinates(coordinates), &[d]);
            // −ln A of a panel is the logarithm of a sum, which is 1 where the choice is certain.
            prop_assert!((got.sums.nll - one.value).abs() <= 1e-12 * one.value.max(1.0), "{got:?} {one:?}");
            prop_assert!((got.d_margin[0] - one.d_margin).abs() <= 1e-11 * (one.d_margin.abs() + 1e-3 * beta.mean()));
            for i in 0..2 {
                let size = one.d_params[i].abs() + (one.d_params[0] * beta.v().sqrt()).abs() + 1e-3;
                // In units of the parameter: σ and λ may be far from 1.
                let unit = match (coordinates, i) {
                    (Coordinates::Native, _) => 1.0 / beta.parameters()[i].abs().clamp(1e-9, 1.0),
                    (Coordinates::MeanCv, 0) => 1.0 / beta.mean(),
                    _ => 1.0,
                };
                let (a, b) = (got.sums.d_params[i], one.d_params[i]);
                // The score of a spread is of size 1/v, and cancels where the choice says nothing about it.
                let to_v = match coordinates {
                    Coordinates::LnMeanLnCv => 2.0 * beta.v(),
                    Coordinates::MeanCv => 2.0 * beta.cv(),
                    Coordinates::Native => 4.0 * (1.0 + beta.v()),
                    _ => 1.0,
                };
                let noise = 1e-13 * (1.0 / beta.v()).clamp(1.0, 1e3) * to_v.max(1.0);
                prop_assert!(
                    (a - b).abs() <= (1e-10 * size + noise) * unit.max(1.0),
                    "{coordinates:?} {i}: {a:e} {b:e} {beta}"
                );
            }
            prop_assert!((got.sums.d_lapse[0] - one.d_lapse[0]).abs() <= 1e-10 * (1.0 + one.d_lapse[0].abs()), "{got:?} {one:?}");
            let posterior = noisy.posterior(d);
            prop_assert!((got.mean / posterior.mean - 1.0).abs() < 1e-11, "{got:?} {posterior:?} {beta}");
            prop_assert!((got.sd - posterior.variance.sqrt()).abs() < 1e-9 * got.mean, "{got:?} {posterior:?} {beta}");
        }
    }

    /// Margins times c under a strength over c: the same likelihood.
    #[test]
    fn scale((beta, lapse) in law(), seed: u64, ln_scale in -200.0..200.0f64) {
        let mut random = Random(seed);
        let margins: Vec<f64> = (0..9).map(|_| random.between(-3.0, 6.0) / beta.mean()).collect();
        let c = 2f64.powi(ln_scale as i32);
        let scaled: Vec<f64> = margins.iter().map(|d| d * c).collect();
        let other = AnyStrength::from_mean_v(beta.family(), beta.mean() / c, beta.v()).unwrap();
        let lapse = Lapse::new(lapse).unwrap();
        let of = |beta: &AnyStrength, margins: &[f64]| {
            told(&Panel::new(beta).with_lapse(lapse).with_coordinates(Coordinates::LnMeanV), margins)
        };
        let (a, b) = (of(&beta, &margins), of(&other, &scaled));
        // The mean is a power of two away: the same numbers, but for the median that a LogNormal is kept by.
        prop_assert!((a.sums.nll - b.sums.nll).abs() <= 1e-12 * (1.0 + a.sums.nll), "{a:?} {b:?}");
        prop_assert!((a.mean / c / b.mean - 1.0).abs() < 1e-11);
    }

    /// The order of choices changes nothing beyond rounding, and the mask is as if the choice were not there.
    #[test]
    fn order_and_mask((beta, lapse) in law(), seed: u64, number in 1..40usize) {
        let mut random = Random(seed);
        let margins: Vec<f64> = (0..number).map(|_| random.between(-3.0, 6.0) / beta.mean()).collect();
        let reversed: Vec<f64> = margins.iter().rev().copied().collect();
        let panel = Panel::new(&beta).with_lapse(Lapse::new(lapse).unwrap()).with_coordinates(Coordinates::LnMeanV);
        let (a, b) = (told(&panel, &margins), told(&panel, &reversed));
        prop_assert!((a.sums.nll - b.sums.nll).abs() <= 1e-13 * (1.0 + a.sums.nll));
        for (x, y) in a.d_margin.iter().zip(b.d_margin.iter().rev()) {
            prop_assert!((x - y).abs() <= 1e-11 * (x.abs() + 1e-3 * beta.mean()));
        }
        // Masked choices between them.
        let mut padded = Vec::new();
        let mut mask = Vec::new();
        for &d in &margins {
            padded.extend([d, f64::NAN, -1e300]);
            mask.extend([true, false, false]);
        }
        let (mut nll, mut d_margin) = ([0.0], vec![1.0; padded.len()]);
        let sums = panel
            .evaluate(
                &PanelBatch::new(&padded, &[padded.len()]).mask(&mask),
                PanelRows::new().nll(&mut nll).d_margin(&mut d_margin),
            )
            .unwrap();
        prop_assert_eq!(sums.nll.to_bits(), a.sums.nll.to_bits());
        for (i, d) in d_margin.iter().enumerate() {
            let expected = if i % 3 == 0 { a.d_margin[i / 3] } else { 0.0 };
            prop_assert_eq!(d.to_bits(), expected.to_bits());
        }
    }

    /// Nothing hostile panics or hangs, and what is told makes sense.
    #[test]
    fn hostile(
        (beta, lapse) in law(),
        exponents in prop::collection::vec((-310.0..308.0f64, any::<bool>()), 0..12),
        special in prop::sample::select(vec![0.0, -0.0, f64::INFINITY, f64::NEG_INFINITY, f64::NAN, 5e-324, f64::MAX, f64::MIN]),
        extreme: bool,
        cv in prop::sample::select(vec![1e-8, 1e-150, 30.0, 1e4]),
        reversed in prop::sample::select(vec![0.0, 0.3]),
    ) {
        let beta = match extreme {
            true => AnyStrength::from_mean_cv(beta.family(), beta.mean(), cv).unwrap_or(beta),
            false => beta,
        };
        let mut margins: Vec<f64> =
            exponents.iter().map(|&(e, negative)| if negative { -(10f64.powf(e)) } else { 10f64.powf(e) }).collect();
        margins.push(special);
        let panel = Panel::new(&beta).with_lapse(Lapse::new(lapse).unwrap()).with_reversed(reversed).unwrap();
        let panel = panel.with_coordinates(Coordinates::LnMeanV);
        let got = told(&panel, &margins);
        if special.is_nan() {
            prop_assert!(got.sums.nll.is_nan() && got.d_margin.iter().all(|d| d.is_nan()) && got.mean.is_nan());
            prop_assert!(got.sums.d_params.iter().chain(&got.sums.d_lapse).all(|d| d.is_nan()));
            return Ok(());
        }
        if got.sums.nll.is_nan() {
            // Where all nodes are too few, or terms overflow.
            let most = margins.iter().filter(|d| d.is_finite()).fold(0.0, |most: f64, d| most.max(d.abs()));
            prop_assert!(most.log10() + beta.mean().log10() > 80.0, "{beta} {margins:?} {lapse} {got:?}");
            return Ok(());
        }
        prop_assert!(got.sums.nll >= -1e-12, "{beta} {margins:?} {lapse} {got:?}");
        prop_assert!(!got.d_margin.iter().any(|d| d.is_nan()), "{beta} {margins:?} {lapse} {got:?}");
        prop_assert!(got.mean >= 0.0 && got.sd >= 0.0, "{beta} {margins:?} {lapse} {got:?}");
        if reversed == 0.0 {
            prop_assert!(got.d_margin.iter().all(|d| *d <= 0.0));
        }
        let mut quantiles = [0.0; 3];
        panel.quantiles(&margins, &[0.05, 0.5, 0.95], &mut quantiles).unwrap();
        // Of no spread they differ by rounding.
        let sorted = quantiles.is_sorted_by(|a, b| *a <= b * (1.0 + 1e-13));
        prop_assert!((sorted && quantiles[0] >= 0.0) || special.abs() > 1e100, "{beta} {margins:?} {quantiles:?}");
    }
}

/// −ln of the panel likelihood by a rule so dense that nothing has to be known of the integrand.
fn dense(beta: &AnyStrength, margins: &[f64], epsilon: f64) -> f64 {
    let (low, high, step) = (-45.0, 9.0, 0.01);
    let ln_mean = beta.mean().ln();
    let logs: Vec<f64> = (0..((high - low) / step) as i32)
        .map(|i| {
            let b = (ln_mean + low + step * f64::from(i)).exp();
            let law = beta.ln_pdf(b) + b.ln();
            if law.is_nan() || law < -2000.0 {
                return f64::NEG_INFINITY;
            }
            let one = |d: &f64| match epsilon == 0.0 {
                true => log_sigmoid(b * d),
                false => (epsilon + (1.0 - 2.0 * epsilon) * sigmoid(b * d)).ln(),
            };
            law + margins.iter().map(one).sum::<f64>()
        })
        .collect();
    let top = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    -(top + logs.iter().map(|ln| (ln - top).exp()).sum::<f64>().ln() + step.ln())
}

#[test]
fn dense_rule() {
    let mut random = Random(777);
    for i in 0..400 {
        let family = [Family::Gamma, Family::LogNormal, Family::InverseGaussian][i % 3];
        let beta = strength(family, 1.0, random.decades(-1.2, 0.08));
        let epsilon = [0.0, 0.3, 0.1, 0.003, 1e-5][i / 3 % 5];
        let (number, scale) = (random.decades(0.0, 2.3) as usize, random.decades(-1.0, 1.5));
        let (wrong, same) = ([0.0, 0.1, 0.5, 1.0][i / 15 % 4], i / 60 % 3 == 0);
        let margins: Vec<f64> = (0..number)
            .map(|_| {
                let size = scale * if same { 1.3 } else { -random.between(0.0, 0.99).ln() + 0.01 };
                if random.between(0.0, 1.0) < wrong { -size } else { size }
            })
            .collect();
        let got = told(&Panel::new(&beta).with_lapse(Lapse::new(epsilon).expect("valid")), &margins).sums.nll;
        let truth = dense(&beta, &margins, epsilon);
        assert!((got - truth).abs() <= 2e-13 * truth.max(1.0), "{beta} {epsilon} {margins:?}: {got} {truth}");
    }
    // Where poles of a tiny lapse lie across a wide spread, and margins all alike are one pole of high order.
    for (family, cv, epsilon) in
        [(Family::LogNormal, 1.9, 1e-12), (Family::Gamma, 1.1, 1e-12), (Family::LogNormal, 1.5, 1e-6)]
    {
        let (beta, margins) = (strength(family, 1.0, cv), [6.0, -30.0, 2.0, -70.0, 1.0]);
        let got = told(&Panel::new(&beta).with_lapse(Lapse::new(epsilon).expect("valid")), &margins).sums.nll;
        let truth = dense(&beta, &margins, epsilon);
        assert!((got - truth).abs() <= 1e-11 * truth, "{beta} {epsilon}: {got} {truth}");
    }
    for (cv, number, every) in [(1.2, 146, 3), (0.374, 82, 1000), (0.329, 195, 2)] {
        let beta = strength(Family::Gamma, 1.0, cv);
        let margins: Vec<f64> =
            (0..number).map(|i| if i % every == every - 1 { -2.0 } else { 2.0 }).collect();
        let got = told(&Panel::new(&beta), &margins).sums.nll;
        let truth = dense(&beta, &margins, 0.0);
        assert!((got - truth).abs() <= 2e-13 * truth.max(1.0), "{beta} {number}: {got} {truth}");
    }
}

/// Asking for a derivative in the lapse where there is none changes nothing else.
#[test]
fn asking_changes_nothing() {
    let against: Vec<f64> = (0..1000).map(|i| -1e6 * (1.0 + (i % 7) as f64)).collect();
    for (family, cv, margins) in [
        (Family::Gamma, 1e-8, &against[..]),
        (Family::LogNormal, 50.0, &[3.0, -40.0, 2.0][..]),
        (Family::Gamma, 0.6, &[1.0, -2.0, 30.0][..]),
    ] {
        let panel = Panel::new(&strength(family, 0.5, cv)).with_coordinates(Coordinates::LnMeanV);
        let (mut nll, mut d_margin) = ([0.0], vec![0.0; margins.len()]);
        let rows = PanelRows::new().nll(&mut nll).d_margin(&mut d_margin);
        let sums = panel.evaluate(&PanelBatch::new(margins, &[margins.len()]), rows).expect("a panel");
        let asked = told(&panel, margins);
        assert!(
            (asked.sums.nll - sums.nll).abs() <= 1e-12 * (1.0 + sums.nll),
            "{family} {cv}: {sums:?} {asked:?}"
        );
        for (a, b) in asked.d_margin.iter().zip(&d_margin) {
            assert!((a - b).abs() <= 1e-9 * b.abs(), "{family} {cv}: {a} {b}");
        }
    }
}

/// As v → 0 the likelihood goes to the product of sigmoids, and ∂/∂v to ½(L′² + L″) of every family.
#[test]
fn small_spreads() {
    let margins = [0.4, -1.2, 3.0, 0.7, -0.1];
    let panel = |beta: &AnyStrength| told(&Panel::new(beta).with_coordinates(Coordinates::LnMeanV), &margins);
    let (mean, mut d1, mut d2) = (1.3, 0.0, 0.0);
    for d in margins {
        let q = sigmoid(-mean * d);
        (d1, d2) = (d1 + mean * d * q, d2 - mean * mean * d * d * q * (1.0 - q));
    }
    let limit = 0.5 * (d1 * d1 + d2);
    let product: f64 = margins.iter().map(|&d| -sigmoid(mean * d).ln()).sum();
    for family in Family::ALL {
        let spreads: &[f64] =
            if family == Family::Fixed { &[0.0] } else { &[0.0, 1e-200, 1e-16, 1e-12, 1e-9, 1e-6] };
        for &v in spreads {
            let got = panel(&AnyStrength::from_mean_v(family, mean, v).expect("valid"));
            assert!((got.sums.nll - product).abs() <= 1e-14 * product + 2.0 * v, "{family} {v} {got:?}");
            assert!(
                (-got.sums.d_params[1] - limit).abs() <= 1e-13 * d1 * d1 + 30.0 * v,
                "{family} {v} {got:?}"
            );
            // Below 1e-16 of the mean all β are one number.
            let error = (got.sd / mean - v.sqrt()).abs();
            assert!(error <= 1e-7 * v.sqrt() + 10.0 * v.powf(1.5) + 1e-15, "{family} {v} {got:?}");
        }
    }
    // And along the way ∂/∂v is the slope of the likelihood, whichever form it has.
    for family in Family::ALL.into_iter().filter(|&family| family != Family::Fixed) {
        for v in [3e-5, 9e-4, 1.1e-3, 0.02, 0.4, 0.99, 1.01, 3.0] {
            let at = |v: f64| panel(&AnyStrength::from_mean_v(family, mean, v).expect("valid"));
            let h = 1e-3 * v;
            let nll = |v: f64| at(v).sums.nll;
            let slope =
                (8.0 * (nll(v + h) - nll(v - h)) - (nll(v + 2.0 * h) - nll(v - 2.0 * h))) / (12.0 * h);
            let got = at(v).sums.d_params[1];
            assert!((got - slope).abs() <= 1e-9 + 3e-15 / h, "{family} {v}: {got} {slope}");
        }
    }
}

/// The posterior mean is −∂/∂s of ln E[e^{−sβ}Π], seen through a choice that nearly everyone makes.
#[test]
fn posterior_mean_is_a_derivative() {
    for family in Family::ALL {
        let beta = strength(family, 0.7, if family == Family::Fixed { 0.0 } else { 0.9 });
        let margins = [1.0, 2.0, -0.5, 4.0];
        // σ(−hβ) = ½(1 − hβ/2 + O(h³)), so ln E[Π σ(∓hβ)]⁺₋ differ by h·E[β].
        let h = 1e-4;
        let nll = |h: f64| {
            let mut more = margins.to_vec();
            more.push(h);
            told(&Panel::new(&beta), &more).sums.nll
        };
        let got = told(&Panel::new(&beta), &margins);
        assert!(((nll(-h) - nll(h)) / h - got.mean).abs() < 1e-8, "{family} {got:?}");
    }
}

/// Quantiles against the definition: the integral up to them, by the posterior of a truncated panel.
#[test]
fn quantiles() {
    for family in Family::ALL.into_iter().filter(|&family| family != Family::Fixed) {
        for (mean, cv, margins) in [
            (1.0, 0.6, vec![0.5, -1.0, 2.0]),
            (0.1, 1.8, vec![10.0; 40]),
            (2.0, 1e-4, vec![1.0]),
            (1.0, 1.0, vec![]),
        ] {
            let beta = strength(family, mean, cv);
            let p = [1e-6, 0.025, 0.3, 0.5, 0.8, 0.975, 0.999];
            let mut q = [0.0; 7];
            Panel::new(&beta).quantiles(&margins, &p, &mut q).expect("lengths");
            for (&p, &q) in p.iter().zip(&q) {
                // Simpson's rule in ln β, of the density times the likelihood.
                let low = beta.quantile(1e-13).ln();
                let integral = |to: f64| {
                    let n = 3000;
                    let step = (to.ln() - low) / f64::from(n);
                    let term = |i: i32| {
                        let x = low + step * f64::from(i);
                        let likelihood: f64 = margins.iter().map(|&d| sigmoid(x.exp() * d)).product();
                        let weight = if i == 0 || i == n {
                            1.0
                        } else if i % 2 == 0 {
                            2.0
                        } else {
                            4.0
                        };
                        weight * (beta.ln_pdf(x.exp()) + x).exp() * likelihood
                    };
                    (0..=n).map(term).sum::<f64>() * step / 3.0
                };
                let share = integral(q) / integral(beta.quantile(1.0 - 1e-13));
                assert!((share - p).abs() < 2e-6, "{beta} {margins:?}: p {p}, β {q} has {share}");
            }
        }
    }
    let point = strength(Family::Fixed, 0.4, 0.0);
    let mut q = [0.0; 3];
    Panel::new(&point).quantiles(&[1.0], &[0.0, 0.7, 1.5], &mut q).expect("lengths");
    assert!(q[0] == 0.4 && q[1] == 0.4 && q[2].is_nan());
}

/// Persons, weights, upstream gradients, threads: as of the persons alone.
#[test]
fn persons() {
    let mut random = Random(7);
    let beta = strength(Family::Gamma, 1.0, 0.8);
    let panel = Panel::new(&beta).with_lapse(Lapse::new(0.02).expect("valid"));
    let ends: Vec<usize> = (0..500)
        .scan(0, |end, i| {
            *end += if i % 50 == 0 { 0 } else { (random.bits() % 9) as usize };
            Some(*end)
        })
        .collect();
    let margins: Vec<f64> = (0..ends[499]).map(|_| random.between(-2.0, 5.0)).collect();
    let weights: Vec<f64> = (0..500).map(|i| f64::from(i % 4)).collect();
    let upstream: Vec<f64> = (0..500).map(|_| random.between(-1.0, 1.0)).collect();
    let batch = PanelBatch::new(&margins, &ends).weights(&weights).upstream(&upstream);
    let run = |threads: bool| {
        let (mut nll, mut mean, mut d_margin) = (vec![0.0; 500], vec![0.0; 500], vec![9.0; margins.len()]);
        let rows = PanelRows::new().nll(&mut nll).posterior_mean(&mut mean).d_margin(&mut d_margin);
        let _ = threads;
        #[cfg(feature = "rayon")]
        if threads {
            let sums = panel.par_evaluate(&batch, rows).expect("a panel");
            return (sums, nll, mean, d_margin);
        }
        let sums = panel.evaluate(&batch, rows).expect("a panel");
        (sums, nll, mean, d_margin)
    };
    let (sums, nll, mean, d_margin) = run(false);
    assert_eq!(run(true), (sums, nll.clone(), mean.clone(), d_margin.clone()));
    let mut start = 0;
    for (i, &end) in ends.iter().enumerate() {
        let alone = told(&panel, &margins[start..end]);
        let factor = weights[i] * upstream[i];
        assert_eq!(nll[i], factor * alone.sums.nll);
        assert_eq!(mean[i], if weights[i] == 0.0 { 0.0 } else { alone.mean });
        for (d, one) in d_margin[start..end].iter().zip(&alone.d_margin) {
            assert!((d - factor * one).abs() <= 4.0 * f64::EPSILON * one.abs());
        }
        start = end;
    }
    assert_eq!(sums.weight, weights.iter().sum::<f64>());
    assert!((sums.nll - nll.iter().sum::<f64>()).abs() < 1e-10);
}

/// Persons in any order.
#[cfg(feature = "std")]
#[test]
fn by_person() {
    let mut random = Random(8);
    let panel = Panel::new(&strength(Family::Gamma, 1.0, 0.8)).with_lapse(Lapse::new(0.02).expect("valid"));
    let margins: Vec<f64> = (0..1500).map(|_| random.between(-2.0, 5.0)).collect();
    let ids: Vec<u32> = (0..margins.len() as u32).map(|i| i.wrapping_mul(2_654_435_761) % 90).collect();
    let by_person = ByPerson::new(&ids);
    let sorted = by_person.gather(&margins).expect("lengths");
    let panels =
        panel.evaluate(&PanelBatch::new(&sorted, by_person.ends()), PanelRows::new()).expect("a panel");
    let each: f64 = by_person
        .persons()
        .iter()
        .map(|id| {
            let own: Vec<f64> =
                ids.iter().zip(&margins).filter(|(other, _)| *other == id).map(|(_, &d)| d).collect();
            told(&panel, &own).sums.nll
        })
        .sum();
    assert!((panels.nll - each).abs() < 1e-11 * each);
    let mut back = vec![0.0; margins.len()];
    by_person.scatter(&sorted, &mut back).expect("lengths");
    assert_eq!(back, margins);
}

/// f32 is f64 rounded once.
#[test]
fn in_f32() {
    let beta = prefstrength::LogNormal::<f32>::from_mean_cv(0.7, 0.9).expect("valid");
    let margins = [0.3_f32, -1.4, 2.2, 5.0];
    let wide = margins.map(f64::from);
    let same = AnyStrength::from(
        prefstrength::LogNormal::<f64>::from_mean_cv(0.7_f32.into(), 0.9_f32.into()).expect("valid"),
    );
    let (mut nll, mut d_margin) = ([0.0_f32], [0.0_f32; 4]);
    let rows = PanelRows::new().nll(&mut nll).d_margin(&mut d_margin);
    let sums = Panel::new(&beta).evaluate(&PanelBatch::new(&margins, &[4]), rows).expect("a panel");
    let truth = told(&Panel::new(&same), &wide);
    assert_eq!(nll[0], truth.sums.nll as f32);
    assert_eq!(sums.nll.to_bits(), truth.sums.nll.to_bits());
    assert_eq!(d_margin, [0, 1, 2, 3].map(|i| truth.d_margin[i] as f32));
}

/// Bad input is refused before anything is written.
#[test]
fn refusals() {
    let panel = Panel::new(&strength(Family::Gamma, 1.0, 0.5));
    let margins = [1.0, -1.0, 0.5];
    let (mut nll, mut d_margin, mut short) = ([7.0; 2], [7.0; 3], [7.0; 1]);
    let mut refused = |batch: PanelBatch<'_, f64>, error: BatchError| {
        let rows = PanelRows::new().nll(&mut nll).d_margin(&mut d_margin);
        assert_eq!(panel.evaluate(&batch, rows), Err(error));
    };
    refused(PanelBatch::new(&margins, &[2, 1]), BatchError::Person { index: 1 });
    refused(PanelBatch::new(&margins, &[2, 4]), BatchError::Person { index: 1 });
    refused(PanelBatch::new(&margins, &[1, 2]), BatchError::Length { slice: "ends", expected: 3, found: 2 });
    let batch = PanelBatch::new(&margins, &[1, 3]);
    refused(batch.weights(&[1.0, -1.0]), BatchError::Weight { index: 1 });
    refused(batch.weights(&[f64::NAN, 1.0]), BatchError::Weight { index: 0 });
    refused(batch.weights(&[1.0]), BatchError::Length { slice: "weights", expected: 2, found: 1 });
    refused(batch.upstream(&[1.0]), BatchError::Length { slice: "upstream", expected: 2, found: 1 });
    refused(batch.mask(&[true]), BatchError::Length { slice: "mask", expected: 3, found: 1 });
    let rows = PanelRows::new().nll(&mut short);
    assert!(panel.evaluate(&batch, rows).is_err());
    assert!(nll == [7.0; 2] && d_margin == [7.0; 3] && short == [7.0]);
    for share in [-0.1, 0.5, f64::NAN] {
        assert!(panel.with_reversed(share).is_err());
    }
    assert_eq!(panel.evaluate(&PanelBatch::<f64>::new(&[], &[]), PanelRows::new()), Ok(PanelSums::default()));
    // A person without choices, and one whose choices are all masked.
    let (mut nll, mut mean) = ([7.0; 2], [7.0; 2]);
    let rows = PanelRows::new().nll(&mut nll).posterior_mean(&mut mean);
    panel.evaluate(&PanelBatch::new(&margins, &[0, 3]).mask(&[false; 3]), rows).expect("a panel");
    assert!(nll.iter().all(|x| x.abs() < 1e-14) && mean.iter().all(|m| (m - 1.0).abs() < 1e-13));
}

/// From one choice to a million, all on one side, and margins of any size.
#[test]
fn large_panels() {
    for family in Family::ALL {
        for cv in [1e-8, 1e-3, 0.3, 2.0, 20.0, 100.0] {
            let beta = strength(family, 0.5, if family == Family::Fixed { 0.0 } else { cv });
            for (number, size) in
                [(10_000, 1.0), (10_000, 1e6), (10_000, -1.0), (10_000, -1e6), (100, 1e-300), (1000, 0.0)]
            {
                // Of both signs where the size is 0.
                let margins: Vec<f64> = (0..number)
                    .map(|i| {
                        if size == 0.0 {
                            if i % 3 == 0 { -1e6 } else { 1e6 }
                        } else {
                            size * (1.0 + (i % 7) as f64)
                        }
                    })
                    .collect();
                let got = told(&Panel::new(&beta).with_coordinates(Coordinates::LnMeanV), &margins);
                // The likelihood lies between that of the best single β and 0.
                let best = [1e-12, 1e-9, 1e-6, 1e-3, 0.1, 0.5, 3.0, 100.0]
                    .map(|b| margins.iter().map(|&d| -prefstrength::math::log_sigmoid(b * d)).sum::<f64>())
                    .into_iter()
                    .fold(f64::INFINITY, f64::min);
                let at = format!("{beta} {number} of {size}: {} best {best}", got.sums.nll);
                assert!(
                    got.sums.nll.is_finite() && got.sums.nll >= 0.8 * best - 1e-9 && got.mean.is_finite(),
                    "{at}"
                );
                let pull: f64 = margins.iter().zip(&got.d_margin).map(|(d, g)| d * g).sum();
                assert!((got.sums.d_params[0] - pull).abs() <= 1e-9 * (1.0 + pull.abs()), "{at}");
            }
        }
    }
    let million: Vec<f64> = (0..1_000_000).map(|i| if i % 10 == 0 { -1.0 } else { 1.5 }).collect();
    let got = told(&Panel::new(&strength(Family::LogNormal, 1.0, 1.0)), &million);
    assert!(got.sd < 0.01 * got.mean && got.sums.nll.is_finite());
}

/// A hundred thousand persons on threads with little more stack than one leaf of the tree asks for.
#[cfg(feature = "rayon")]
#[test]
fn many_persons_on_small_stacks() {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(3).stack_size(512 << 10).build().expect("threads");
    let margins: Vec<f64> = (0..100_000).map(|i| f64::from(i % 7) - 2.5).collect();
    let ends: Vec<usize> = (1..=margins.len()).collect();
    let (batch, panel) = (PanelBatch::new(&margins, &ends), Panel::new(&strength(Family::Gamma, 1.0, 0.5)));
    let got = pool.install(|| panel.par_evaluate(&batch, PanelRows::new())).expect("a panel");
    let one = panel.evaluate(&batch, PanelRows::new()).expect("a panel");
    assert_eq!(got.nll.to_bits(), one.nll.to_bits());
}
