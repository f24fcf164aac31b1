//! Labels that are not one of two: probabilities, and ties.

use crate::simulate::Truth;
use prefstrength::batch::{Batch, BatchError, Rows, evaluate};
use prefstrength::math::{log_sigmoid, sigmoid};
use prefstrength::{AnyStrength, Family, Gamma, Strength};
use prefstrength_learn::{
    self as learn, Davidson, FitStatus, LearnError, LossSums, Options, SoftLabels, Weighted, fit_ties,
};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Distribution, StandardNormal, StandardUniform};

/// p·nll(D) + (1 − p)·nll(−D), and hard labels to the bit.
#[test]
fn soft_labels_are_two_choices() {
    let gamma = Gamma::from_mean_cv(0.8, 0.7).unwrap();
    let any = AnyStrength::from(gamma);
    let (margins, labels, weights) = ([2.0, -1.0, 700.0, -0.3], [0.9, 0.25, 1.0, 0.0], [1.0, 2.0, 0.5, 3.0]);
    let soft = SoftLabels::weighted(&margins, &labels, &weights).unwrap();
    let expected: f64 = (0..4)
        .map(|i| {
            weights[i] * (labels[i] * gamma.nll(margins[i]) + (1.0 - labels[i]) * gamma.nll(-margins[i]))
        })
        .sum();
    let sums = LossSums::evaluate(&any, soft).unwrap();
    assert!((sums.nll - expected).abs() < 1e-13 && (sums.weight - 6.5).abs() < 1e-15);
    assert_eq!(sums.number, 6);
    let (expanded, halves) = soft.expand();
    assert_eq!(expanded[..4], [2.0, -2.0, -1.0, 1.0]);
    assert_eq!((halves[0], halves[4], halves[5], halves[6], halves[7]), (0.9, 0.5, 0.0, 0.0, 3.0));
    // The gradient in the margins, against differences.
    let mut d_choices = [0.0; 8];
    let batch = Batch::new(&expanded).weights(&halves);
    let batch_sums = evaluate(&gamma, &batch, Rows::new().d_margin(&mut d_choices)).unwrap();
    assert!((batch_sums.nll - expected).abs() < 1e-13);
    let mut d_margin = [0.0; 4];
    soft.fold_gradient(&d_choices, &mut d_margin).unwrap();
    for i in 0..4 {
        let at = |h: f64| {
            let d = margins[i] + h;
            weights[i] * (labels[i] * gamma.nll(d) + (1.0 - labels[i]) * gamma.nll(-d))
        };
        let difference = (at(1e-5) - at(-1e-5)) / 2e-5;
        assert!((d_margin[i] - difference).abs() < 1e-9, "{i}: {} {difference}", d_margin[i]);
    }
    // Hard labels: the margins that they turn, with the bits of a fit.
    let plain = Truth::spread(3.0, Family::Gamma, 1.0).margins(2000, 1);
    let sizes: Vec<f64> = plain.iter().map(|d| d.abs()).collect();
    let hard: Vec<f64> = plain.iter().map(|&d| f64::from(u8::from(d > 0.0))).collect();
    let fit =
        learn::fit(Family::Gamma, SoftLabels::new(&sizes, &hard).unwrap(), &Options::default()).unwrap();
    assert_eq!(fit, learn::fit(Family::Gamma, &plain[..], &Options::default()).unwrap());
    // f32, in chunks.
    let n = 150_000;
    let many: Vec<f32> = (0..n).map(|i| (i % 17) as f32 - 5.0).collect();
    let shares: Vec<f32> = (0..n).map(|i| (i % 5) as f32 * 0.25).collect();
    let sums = LossSums::evaluate(&any, SoftLabels::new(&many, &shares).unwrap()).unwrap();
    let (expanded, halves) = SoftLabels::new(&many, &shares).unwrap().expand();
    let same = LossSums::evaluate(&any, Weighted::new(&expanded, &halves).unwrap()).unwrap();
    assert!((sums.nll / same.nll - 1.0).abs() < 1e-12 && (sums.weight - n as f64).abs() < 1e-6);
    assert_eq!(sums.number, n + n / 5 * 3);
}

/// m votes at one margin, and their share with weight m: the same likelihood, so the same maximum and errors.
#[test]
fn shares_of_votes_are_votes() {
    let beta = AnyStrength::from_mean_v(Family::Gamma, 1.0, 1.0).unwrap();
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let (mut votes, mut margins, mut shares) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..400 {
        let normal: f64 = StandardNormal.sample(&mut rng);
        let d = 3.0 * normal;
        let ahead = (0..8).filter(|_| {
            let uniform: f64 = StandardUniform.sample(&mut rng);
            uniform < (-beta.nll(d)).exp()
        });
        let ahead = ahead.count();
        votes.extend((0..8).map(|i| if i < ahead { d } else { -d }));
        margins.push(d);
        shares.push(ahead as f64 / 8.0);
    }
    let weights = vec![8.0; margins.len()];
    let soft = SoftLabels::weighted(&margins, &shares, &weights).unwrap();
    let [one, other] = [
        learn::fit(Family::Gamma, soft, &Options::default()).unwrap(),
        learn::fit(Family::Gamma, &votes[..], &Options::default()).unwrap(),
    ];
    assert!((one.log_likelihood - other.log_likelihood).abs() < 1e-8);
    assert!((one.strength.cv() - other.strength.cv()).abs() < 1e-5);
    assert!((one.errors.cv.unwrap() - other.errors.cv.unwrap()).abs() < 1e-5);
    // The exact probabilities are labels, too: the truth is the maximum.
    let exact: Vec<f64> = margins.iter().map(|&d| (-beta.nll(d)).exp()).collect();
    let fit =
        learn::fit(Family::Gamma, SoftLabels::new(&margins, &exact).unwrap(), &Options::default()).unwrap();
    assert!((fit.strength.mean() - 1.0).abs() < 1e-5 && (fit.strength.cv() - 1.0).abs() < 1e-5);
}

#[test]
fn soft_labels_are_checked() {
    let refused = |margins: &[f64], labels: &[f64]| SoftLabels::new(margins, labels).unwrap_err();
    for bad in [-1e-300, 1.0 + f64::EPSILON, f64::NAN, f64::INFINITY] {
        assert_eq!(refused(&[1.0, 2.0], &[0.5, bad]), LearnError::Label { index: 1 });
    }
    assert_eq!(refused(&[1.0, f64::NAN], &[0.5, 0.5]), LearnError::Margin { index: 1 });
    let length = |slice, expected, found| LearnError::from(BatchError::Length { slice, expected, found });
    assert_eq!(refused(&[1.0], &[]), length("labels", 1, 0));
    let weighted =
        |w: &[f64]| SoftLabels::weighted(&[1.0, f64::NAN], &[0.5, f64::NAN], w).map(|s| s.expand());
    assert_eq!(weighted(&[1.0]).unwrap_err(), length("weights", 2, 1));
    assert_eq!(weighted(&[1.0, 1.0]).unwrap_err(), LearnError::Margin { index: 1 });
    assert_eq!(weighted(&[-1.0, 0.0]).unwrap_err(), LearnError::Weight { index: 0 });
    // A mask masks.
    assert_eq!(weighted(&[2.0, 0.0]).unwrap().1, [1.0, 1.0, 0.0, 0.0]);
    let masked = SoftLabels::weighted(&[1.0, f64::NAN], &[0.75, f64::NAN], &[1.0, 0.0]).unwrap();
    let sums =
        LossSums::evaluate(&AnyStrength::from_mean_v(Family::Fixed, 1.0, 0.0).unwrap(), masked).unwrap();
    assert_eq!(sums.weight, 1.0);
    let soft = SoftLabels::new(&[1.0, 2.0], &[0.5, 0.5]).unwrap();
    let mut kept = [7.0, 7.0];
    assert_eq!(soft.fold_gradient(&[1.0; 3], &mut kept), Err(length("d_choices", 4, 3)));
    assert_eq!(soft.fold_gradient(&[1.0; 4], &mut kept[..1]), Err(length("d_margin", 2, 1)));
    assert_eq!(kept, [7.0, 7.0]);
    assert!(SoftLabels::<f64>::new(&[], &[]).unwrap().expand().0.is_empty());
    assert_eq!(
        learn::fit(Family::Fixed, SoftLabels::<f64>::new(&[], &[]).unwrap(), &Options::default()),
        Err(LearnError::NoMargins)
    );
}

/// ln ν of the tests of values: from no ties to nothing else.
const LN_NUS: [f64; 8] = [-740.0, -40.0, -3.0, -0.1, 0.0, 0.7, 5.0, 709.0];

#[test]
fn tie_losses_are_probabilities_and_gradients_their_differences() {
    for ln_nu in LN_NUS {
        let at = Davidson::from_ln_nu(ln_nu).unwrap();
        for x in [0.0, 1e-9, 0.3, 1.0, -1.0, 4.0, -7.5, 30.0, -30.0, 200.0] {
            let p = at.probabilities(x);
            assert!((p.iter().sum::<f64>() - 1.0).abs() < 1e-15);
            let (choice, other, tie) = (at.choice(x), at.choice(-x), at.tie(x));
            for (loss, p) in [(choice, p[0]), (other, p[1]), (tie, p[2])] {
                assert!(loss.nll >= 0.0);
                if p > 1e-300 {
                    assert!(
                        (loss.nll + p.ln()).abs() < 1e-13 * (1.0 + loss.nll),
                        "{ln_nu} {x}: {loss:?} {p}"
                    );
                }
            }
            // Given that there is no tie the choice is logistic.
            assert!((other.nll - choice.nll - x).abs() < 1e-13 * (1.0 + other.nll));
            assert_eq!(tie.nll, at.tie(-x).nll);
            assert_eq!(tie.d_margin, -at.tie(-x).d_margin);
            let h = 1e-5;
            for (of, loss) in [(0, choice), (1, tie)] {
                let nll = |dx: f64, dt: f64| {
                    let there = Davidson::from_ln_nu(ln_nu + dt).unwrap();
                    if of == 0 { there.choice(x + dx).nll } else { there.tie(x + dx).nll }
                };
                let slack = 1e-9 + 1e-10 * loss.nll;
                let in_x = (nll(h, 0.0) - nll(-h, 0.0)) / (2.0 * h);
                let in_t = (nll(0.0, h) - nll(0.0, -h)) / (2.0 * h);
                assert!((loss.d_margin - in_x).abs() < slack, "{ln_nu} {x}: {loss:?} {in_x}");
                assert!((loss.d_ln_nu - in_t).abs() < slack, "{ln_nu} {x}: {loss:?} {in_t}");
            }
        }
    }
}

#[test]
fn tie_losses_at_the_ends() {
    // ν = 0 is plain DPO, and ties do not happen.
    let none = Davidson::new(0.0).unwrap();
    assert_eq!(none, Davidson::from_ln_nu(f64::NEG_INFINITY).unwrap());
    for x in [0.0, 1e-300, 0.4, -3.0, 40.0, 700.0, -700.0, -1e300, 1e300, f64::INFINITY, f64::NEG_INFINITY] {
        let (choice, tie) = (none.choice(x), none.tie(x));
        assert!((choice.nll + log_sigmoid(x)).abs() <= 1e-15 * choice.nll || choice.nll == -log_sigmoid(x));
        assert!((choice.d_margin + sigmoid(-x)).abs() <= 1e-15 * sigmoid(-x), "{x}: {choice:?}");
        assert_eq!((choice.d_ln_nu, tie.nll, tie.d_ln_nu), (0.0, f64::INFINITY, -1.0));
        assert!((tie.d_margin - 0.5 * (0.5 * x).tanh()).abs() < 1e-15);
    }
    for ln_nu in LN_NUS {
        let at = Davidson::from_ln_nu(ln_nu).unwrap();
        for x in [1e5, 1e150, 1e300, f64::MAX] {
            // Everything else is beyond rounding.
            assert_eq!((at.choice(-x).nll, at.choice(-x).d_margin), (x, -1.0), "{ln_nu} {x}");
            assert_eq!(
                (at.choice(x).nll, at.choice(x).d_margin.abs(), at.choice(x).d_ln_nu),
                (0.0, 0.0, 0.0)
            );
            let tie = at.tie(-x);
            assert!((tie.nll / (0.5 * x - ln_nu) - 1.0).abs() < 1e-15);
            assert_eq!((tie.d_margin, tie.d_ln_nu), (-0.5, -1.0));
        }
        for (x, nll) in [(f64::INFINITY, 0.0), (f64::NEG_INFINITY, f64::INFINITY)] {
            assert_eq!((at.choice(x).nll, at.tie(x).nll), (nll, f64::INFINITY));
            assert!(at.choice(x).d_margin.abs() == if x > 0.0 { 0.0 } else { 1.0 });
        }
        for loss in [at.choice(f64::NAN), at.tie(f64::NAN)] {
            assert!(loss.nll.is_nan() && loss.d_margin.is_nan() && loss.d_ln_nu.is_nan());
        }
    }
    // Relative accuracy where it is small: e⁻ˣ and ν e^{−x/2}.
    let small = Davidson::from_ln_nu(-700.0).unwrap().choice(50.0).nll;
    assert!((small / (-50.0_f64).exp() - 1.0).abs() < 1e-14);
    let small = Davidson::new(2.0).unwrap().choice(400.0).nll;
    assert!((small / (2.0 * (-200.0_f64).exp()) - 1.0).abs() < 1e-14);
    // Nearly all are ties.
    let huge = Davidson::from_ln_nu(60.0).unwrap();
    assert!((huge.tie(0.0).nll / (2.0 * (-60.0_f64).exp()) - 1.0).abs() < 1e-14);
    assert!((huge.tie(1e-8).d_margin / (0.5e-8 * (-60.0_f64).exp()) - 1.0).abs() < 1e-7);
    assert_eq!(Davidson::new(f64::MAX).unwrap().tie(0.0).d_margin, 0.0);
    for bad in [-1e-300, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert_eq!(Davidson::new(bad), Err(LearnError::TieParameter));
    }
    for bad in [f64::NAN, f64::INFINITY, 710.0, -746.0] {
        assert_eq!(Davidson::from_ln_nu(bad), Err(LearnError::TieParameter));
    }
    assert!(Davidson::new(-0.0).unwrap().nu().is_sign_positive());
}

/// Margins and ties of pairs D ~ N(0, s²), β = 1.
fn outcomes(n: usize, size: f64, nu: f64, seed: u64) -> (Vec<f64>, Vec<bool>) {
    let (mut rng, davidson) = (ChaCha8Rng::seed_from_u64(seed), Davidson::new(nu).unwrap());
    let one = |_| {
        let (normal, uniform): (f64, f64) =
            (StandardNormal.sample(&mut rng), StandardUniform.sample(&mut rng));
        let d = size * normal;
        let [ahead, behind, _] = davidson.probabilities(d);
        (if uniform < ahead { d } else { -d }, uniform >= ahead + behind)
    };
    (0..n).map(one).unzip()
}

#[test]
fn ties_are_recovered() {
    for (size, nu, seed) in [(2.0, 0.8, 1), (1.0, 0.1, 2), (4.0, 6.0, 3)] {
        let (margins, ties) = outcomes(20_000, size, nu, seed);
        let fit = fit_ties(&margins, &ties, None).unwrap();
        let tied = ties.iter().filter(|tie| **tie).count();
        assert_eq!((fit.status, fit.number, fit.weight), (FitStatus::Fixed, 20_000, 20_000.0));
        assert_eq!(fit.tie_weight, tied as f64);
        let [[of_mean, _], [_, of_nu]] = fit.covariance.unwrap();
        let z = [fit.mean.ln() / of_mean.sqrt(), (fit.davidson.ln_nu() - nu.ln()) / of_nu.sqrt()];
        assert!(z.iter().all(|z| z.abs() < 3.0), "{size} {nu}: {fit:?} {z:?}");
        assert!(fit.gradient < 1e-6 && fit.iterations < 20, "{fit:?}");
        // A maximum, with the covariance of its curvature.
        let loss = |dm: f64, dt: f64| -> f64 {
            let at = Davidson::from_ln_nu(fit.davidson.ln_nu() + dt).unwrap();
            let x = margins.iter().map(|d| fit.mean * dm.exp() * d);
            x.zip(&ties).map(|(x, &tie)| if tie { at.tie(x).nll } else { at.choice(x).nll }).sum()
        };
        assert!((loss(0.0, 0.0) + fit.log_likelihood).abs() < 1e-8);
        let h = 1e-2;
        let second = [
            (loss(h, 0.0) + loss(-h, 0.0) - 2.0 * loss(0.0, 0.0)) / (h * h),
            (loss(h, h) + loss(-h, -h) - loss(h, -h) - loss(-h, h)) / (4.0 * h * h),
            (loss(0.0, h) + loss(0.0, -h) - 2.0 * loss(0.0, 0.0)) / (h * h),
        ];
        let determinant = second[0] * second[2] - second[1] * second[1];
        let [[mm, mt], [tm, tt]] = fit.covariance.unwrap();
        assert!((mm * determinant / second[2] - 1.0).abs() < 1e-3);
        assert!((tt * determinant / second[0] - 1.0).abs() < 1e-3);
        assert!((mt + second[1] / determinant).abs() < 1e-3 * (mm * tt).sqrt() && (mt - tm).abs() < 1e-12);
        // Dropping ties is consistent, and knows less.
        let choices = margins.iter().zip(&ties).filter(|(_, tie)| !**tie).map(|(d, _)| *d);
        let choices: Vec<f64> = choices.collect();
        let plain = learn::fit(Family::Fixed, &choices[..], &Options::default()).unwrap();
        let error = plain.errors.ln_mean.unwrap();
        assert!(plain.strength.mean().ln().abs() < 3.0 * error && error > of_mean.sqrt());
        // Weights are repetitions, signs of ties nothing, and units units.
        let weights: Vec<f64> = (0..margins.len()).map(|i| [0.0, 1.0, 2.0][i % 3]).collect();
        let repeat = |i: &usize| [0, 1, 2][i % 3];
        let places: Vec<usize> = (0..margins.len()).flat_map(|i| vec![i; repeat(&i)]).collect();
        let repeated: Vec<f64> = places.iter().map(|&i| margins[i]).collect();
        let repeated_ties: Vec<bool> = places.iter().map(|&i| ties[i]).collect();
        let mut turned: Vec<f64> =
            margins.iter().zip(&ties).map(|(d, tie)| if *tie { -d } else { *d } * 1e200).collect();
        turned.iter_mut().step_by(3).for_each(|d| *d = f64::NAN);
        let one = fit_ties(&turned, &ties, Some(&weights)).unwrap();
        let other = fit_ties(&repeated, &repeated_ties, None).unwrap();
        assert!((one.mean * 1e200 / other.mean - 1.0).abs() < 1e-9, "{one:?} {other:?}");
        assert!((one.davidson.nu() / other.davidson.nu() - 1.0).abs() < 1e-9);
        assert!((one.log_likelihood / other.log_likelihood - 1.0).abs() < 1e-12);
    }
}

#[test]
fn ties_without_an_answer_are_refused() {
    let refused = |margins: &[f64], ties: &[bool]| fit_ties(margins, ties, None).unwrap_err();
    let (yes, no) = (true, false);
    assert_eq!(refused(&[], &[]), LearnError::NoMargins);
    assert_eq!(refused(&[1.0, -1.0], &[yes, yes]), LearnError::OnlyTies);
    assert_eq!(refused(&[0.0, 0.0], &[yes, no]), LearnError::AllZero);
    // Ties are all closer than choices, which are all right.
    assert_eq!(refused(&[1.0, 2.0, -1.0], &[no, no, yes]), LearnError::Separable);
    assert_eq!(refused(&[-1.0, -2.0, 3.0], &[no, no, yes]), LearnError::MeanVanishes);
    assert_eq!(refused(&[1.0, -1.0, 3.0], &[no, no, yes]), LearnError::MeanVanishes);
    assert_eq!(refused(&[0.0, 3.0], &[no, yes]), LearnError::MeanVanishes);
    assert_eq!(refused(&[1.0, f64::INFINITY], &[no, yes]), LearnError::Margin { index: 1 });
    let length = |slice, expected, found| LearnError::from(BatchError::Length { slice, expected, found });
    assert_eq!(refused(&[1.0, 2.0], &[no]), length("ties", 2, 1));
    assert_eq!(fit_ties(&[1.0], &[no], Some(&[])), Err(length("weights", 1, 0)));
    assert_eq!(fit_ties(&[1.0], &[no], Some(&[0.0])), Err(LearnError::NoWeight));
    assert_eq!(fit_ties(&[1.0], &[no], Some(&[1e101])), Err(LearnError::WeightOutOfRange));
    assert_eq!(fit_ties(&[1.0], &[no], Some(&[-1.0])), Err(LearnError::Weight { index: 0 }));
    // All choices right, and a tie that is further apart than one of them: an answer.
    let fit = fit_ties(&[1.0, 2.0, -1.01], &[no, no, yes], None).unwrap();
    assert_eq!(fit.status, FitStatus::Fixed);
    // Without ties, plain DPO.
    let margins = [1.0_f32, 2.0, -0.5];
    let fit = fit_ties(&margins, &[no; 3], None).unwrap();
    let plain = learn::fit(Family::Fixed, &margins[..], &Options::default()).unwrap();
    assert_eq!((fit.mean, fit.davidson.nu(), fit.tie_weight), (plain.strength.mean(), 0.0, 0.0));
    assert_eq!(refused(&[1.0, 2.0], &[no; 2]), LearnError::Separable);
    // One size: as many unknowns as shares, which are met.
    let margins = [2.0, 2.0, 2.0, -2.0, 2.0];
    let fit = fit_ties(&margins, &[no, no, no, no, yes], None).unwrap();
    let [ahead, behind, tie] = fit.davidson.probabilities(2.0 * fit.mean);
    assert!((ahead - 0.6).abs() < 1e-7 && (behind - 0.2).abs() < 1e-7 && (tie - 0.2).abs() < 1e-7);
    // Whatever the sizes.
    for margins in
        [[1e300, -1.0, 1e-300], [1e-310, -1e-311, 1e-310], [1e300, -1e299, 1e300], [5e-324, -0.0, 1.0]]
    {
        match fit_ties(&margins, &[no, no, yes], None) {
            Ok(fit) => assert!(fit.mean > 0.0 && fit.mean.is_finite() && fit.log_likelihood < 0.0, "{fit:?}"),
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
}

/// The table of `Davidson`: what a fit without the ties says of a population whose β is random.
#[test]
fn dropped_ties_tilt_the_strengths() {
    let beta = Gamma::from_mean_cv(1.0, 1.0).unwrap();
    let nodes: Vec<f64> = (0..400).map(|i| beta.quantile((f64::from(i) + 0.5) / 400.0)).collect();
    for (nu, share, mean, cv) in TILTED {
        let davidson = Davidson::new(nu).unwrap();
        let (mut margins, mut weights, mut tied) = (Vec::new(), Vec::new(), 0.0);
        for i in -160..=160 {
            let d = 0.05 * f64::from(i);
            let density = 0.05 / (8.0 * std::f64::consts::PI).sqrt() * (-d * d / 8.0).exp();
            let mut p = [0.0; 3];
            for b in &nodes {
                let of = davidson.probabilities(b * d);
                p.iter_mut().zip(of).for_each(|(p, of)| *p += of / nodes.len() as f64);
            }
            margins.push(d);
            weights.push(1e4 * density * p[0]);
            tied += density * p[2];
        }
        let fit = learn::fit(Family::Gamma, Weighted::new(&margins, &weights).unwrap(), &Options::default());
        let strength = fit.unwrap().strength;
        for (found, said) in [(tied, share), (strength.mean(), mean), (strength.cv(), cv)] {
            assert!((found - said).abs() < 0.0051, "{nu}: {found}, said {said}");
        }
    }
}

/// ν, and the share of ties, mean and cv.
const TILTED: [(f64, f64, f64, f64); 4] =
    [(0.0, 0.0, 1.0, 1.0), (0.5, 0.16, 1.01, 0.94), (1.0, 0.27, 1.02, 0.89), (2.0, 0.42, 1.04, 0.82)];

#[cfg(feature = "serde")]
#[test]
fn ties_are_stored() {
    let (margins, ties) = outcomes(2000, 2.0, 0.8, 1);
    let fit = fit_ties(&margins, &ties, None).unwrap();
    let text = serde_json::to_string(&fit).unwrap();
    let read: learn::TieFit = serde_json::from_str(&text).unwrap();
    // ν is stored, and its logarithm taken again.
    assert!((read.davidson.ln_nu() - fit.davidson.ln_nu()).abs() < 1e-15);
    assert_eq!(learn::TieFit { davidson: fit.davidson, ..read }, fit);
    let davidson = |text: &str| serde_json::from_str::<Davidson>(text);
    assert_eq!(davidson("0.0").unwrap(), Davidson::new(0.0).unwrap());
    assert!(davidson("-1.0").is_err() && davidson("null").is_err());
}
