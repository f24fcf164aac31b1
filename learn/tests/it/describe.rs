//! What `learn` says of choices once there is a p(β): calibration, and groups.
use prefstrength::{AnyStrength, Family, Gamma, Strength};
use prefstrength_learn::{ByGroup, Calibration, LearnError, Weighted};
use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Distribution, StandardNormal, StandardUniform};

/// E[β] = 1.
fn gamma(cv: f64) -> AnyStrength {
    AnyStrength::from_mean_v(Family::Gamma, 1.0, cv * cv).unwrap()
}

fn uniform(rng: &mut ChaCha8Rng) -> f64 {
    StandardUniform.sample(rng)
}

/// Margins of choices with a strength β each, of sizes about 2.
fn choices(strengths: impl Iterator<Item = f64>, rng: &mut ChaCha8Rng) -> Vec<f64> {
    let choose = |beta: f64| {
        let d: f64 = 2.0 * Distribution::<f64>::sample(&StandardNormal, rng);
        if uniform(rng) < 1.0 / (1.0 + (-beta * d).exp()) { d } else { -d }
    };
    strengths.map(choose).collect()
}

fn independent(cv: f64, n: usize, seed: u64) -> Vec<f64> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let strengths: Vec<f64> = (0..n).map(|_| gamma(cv).quantile(uniform(&mut rng))).collect();
    choices(strengths.into_iter(), &mut rng)
}

#[test]
fn calibration_bins_are_what_they_say() {
    let betas = [AnyStrength::from_mean_v(Family::Fixed, 0.5, 0.0).unwrap(), gamma(1.2)];
    let mut margins = independent(1.2, 5000, 1);
    margins.extend([0.0; 7]);
    let weights: Vec<f64> = (0..margins.len()).map(|i| (i % 3) as f64).collect();
    let calibration = Calibration::measure(&betas, Weighted::new(&margins, &weights).unwrap()).unwrap();
    let bins = calibration.bins(10);
    assert!((9..=10).contains(&bins.len()), "{}", bins.len());
    let (mut number, mut error) = (0, [0.0; 2]);
    for (i, bin) in bins.iter().enumerate() {
        assert!(i == 0 || bins[i - 1].largest < bin.smallest);
        let inside = |d: &f64| (bin.smallest..=bin.largest).contains(&d.abs());
        let choices: Vec<(f64, f64)> = margins
            .iter()
            .copied()
            .zip(weights.iter().copied())
            .filter(|(d, w)| inside(d) && *w > 0.0)
            .collect();
        let sum = |f: &dyn Fn(f64) -> f64| choices.iter().map(|&(d, w)| w * f(d)).sum::<f64>();
        let total = sum(&|_| 1.0);
        let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-12 * (1.0 + b.abs()), "{a} {b}");
        assert_eq!(bin.number, choices.len());
        near(bin.weight, total);
        near(bin.size, sum(&f64::abs) / total);
        near(bin.observed, sum(&|d| f64::from(u8::from(d > 0.0))) / total);
        for (p, beta) in bin.predicted.iter().zip(&betas) {
            near(*p, sum(&|d| beta.expected_sigmoid(d.abs())) / total);
        }
        error.iter_mut().zip(&bin.predicted).for_each(|(e, p)| *e += total * (bin.observed - p).abs());
        // Of equal weight, about: cells are 0.8 % wide.
        assert!((total / (weights.iter().sum::<f64>() / 10.0) - 1.0).abs() < 0.25, "{total}");
        number += bin.number;
    }
    assert_eq!(number, margins.iter().zip(&weights).filter(|(d, w)| **d != 0.0 && **w > 0.0).count());
    let total: f64 = bins.iter().map(|bin| bin.weight).sum();
    for (i, error) in error.into_iter().enumerate() {
        assert!((calibration.error(i, 10) - error / total).abs() < 1e-12);
    }
    // The truth is calibrated, and plain DPO is not.
    assert!(calibration.error(1, 10) < 0.03 && calibration.error(0, 10) > 1.5 * calibration.error(1, 10));
    let inside = bins.iter().filter(|b| b.interval[0] <= b.predicted[1] && b.predicted[1] <= b.interval[1]);
    assert!(inside.count() >= bins.len() - 2);
}

#[test]
fn calibration_is_a_sum() {
    let betas = [gamma(0.7)];
    let margins = independent(0.7, 9000, 2);
    let whole = Calibration::measure(&betas, &margins[..]).unwrap();
    let mut parts = Calibration::measure(&betas, &margins[..100]).unwrap();
    parts.merge(&Calibration::measure(&betas, &margins[100..]).unwrap()).unwrap();
    for (a, b) in parts.bins(7).iter().zip(whole.bins(7)) {
        assert_eq!((a.smallest, a.largest, a.number), (b.smallest, b.largest, b.number));
        assert!((a.predicted[0] - b.predicted[0]).abs() < 1e-13 && (a.observed - b.observed).abs() < 1e-13);
    }
    let other = Calibration::measure(&[gamma(0.8)], &margins[..]).unwrap();
    let before = parts.clone();
    assert_eq!(parts.merge(&other), Err(LearnError::OtherStrength));
    assert_eq!(parts, before);
}

#[test]
fn calibration_of_little() {
    let none = Calibration::measure(&[gamma(1.0)], &[0.0, -0.0][..]).unwrap();
    assert!(none.bins(10).is_empty() && none.error(0, 10).is_nan());
    let one = Calibration::measure(&[gamma(1.0)], &[1e308][..]).unwrap();
    let bins = one.bins(0);
    assert_eq!((bins.len(), bins[0].observed, bins[0].size, bins[0].interval[1]), (1, 1.0, 1e308, 1.0));
    assert!((bins[0].interval[0] - 0.2065).abs() < 1e-4, "{:?}", bins[0].interval);
    assert!(one.error(1, 10).is_nan());
    assert_eq!(
        Calibration::measure::<AnyStrength>(&[], &[1.0, f64::NAN][..]).unwrap_err(),
        LearnError::Margin { index: 1 }
    );
    // Wilson's interval of 15 of 20, as in the textbooks.
    let margins: Vec<f64> = (0..20).map(|i| if i < 15 { 1.0 } else { -1.0 }).collect();
    let [low, high] = Calibration::measure::<AnyStrength>(&[], &margins[..]).unwrap().bins(3)[0].interval;
    assert!((low - 0.5313).abs() < 1e-4 && (high - 0.8881).abs() < 1e-4, "{low} {high}");
}

#[test]
fn groups_are_sums_over_their_choices() {
    let beta = Gamma::from_mean_v(1.0, 1.0).unwrap();
    let mut margins = independent(1.0, 600, 3);
    margins[5] = 0.0;
    let groups: Vec<u32> = (0..600).map(|i| i * i % 17).collect();
    let weights: Vec<f64> = (0..600).map(|i| f64::from(i % 4)).collect();
    let mut whole = ByGroup::new(AnyStrength::Gamma(beta));
    whole.add(&margins, &groups, Some(&weights)).unwrap();
    let [mut parts, mut rest] = [(); 2].map(|()| ByGroup::new(AnyStrength::Gamma(beta)));
    parts.add(&margins[..250], &groups[..250], Some(&weights[..250])).unwrap();
    rest.add(&margins[250..], &groups[250..], Some(&weights[250..])).unwrap();
    parts.merge(&rest).unwrap();
    let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-11 * (1.0 + b.abs()), "{a} {b}");
    let mut all = [0.0; 5];
    for (group, sums) in whole.groups() {
        let of = |f: &dyn Fn(f64) -> f64| {
            let terms = (0..600).filter(|&i| groups[i] == *group).map(|i| weights[i] * f(margins[i]));
            terms.sum::<f64>()
        };
        let right = of(&|d| if d == 0.0 { 0.5 } else { f64::from(u8::from(d > 0.0)) });
        let truth = [of(&|_| 1.0), of(&|d| d), right, of(&|d| -beta.nll(d)), of(&|d| beta.posterior(d).mean)];
        near(sums.weight, truth[0]);
        near(sums.margin(), truth[1] / truth[0]);
        near(sums.accuracy(), truth[2] / truth[0]);
        near(sums.log_likelihood, truth[3]);
        near(sums.strength(), truth[4] / truth[0]);
        let other = parts.groups()[group];
        near(other.strength(), sums.strength());
        near(other.strength_error().unwrap(), sums.strength_error().unwrap());
        assert_eq!(other.number, sums.number);
        all.iter_mut().zip(truth).for_each(|(a, b)| *a += b);
    }
    let micro = whole.micro();
    near(micro.margin, all[1] / all[0]);
    near(micro.accuracy, all[2] / all[0]);
    near(micro.log_likelihood, all[3] / all[0]);
    near(micro.strength, all[4] / all[0]);
    let n = whole.groups().len() as f64;
    let mean = whole.groups().values().map(|g| g.accuracy()).sum::<f64>() / n;
    near(whole.macro_average().accuracy, mean);
}

#[test]
fn bad_groups_change_nothing() {
    let mut by_group = ByGroup::new(gamma(1.0));
    assert!(by_group.micro().margin.is_nan() && by_group.macro_average().strength.is_nan());
    by_group.add(&[1.0, -1.0, 0.0], &[3, 4, 3], None).unwrap();
    let before = by_group.clone();
    assert!(matches!(by_group.add(&[1.0], &[1, 2], None), Err(LearnError::Batch(_))));
    assert!(matches!(by_group.add(&[1.0, 2.0], &[1, 2], Some(&[1.0])), Err(LearnError::Batch(_))));
    assert_eq!(by_group.add(&[1.0, f64::NAN], &[1, 2], None), Err(LearnError::Margin { index: 1 }));
    assert_eq!(by_group.add(&[1.0, 1.0], &[1, 2], Some(&[1.0, -1.0])), Err(LearnError::Weight { index: 1 }));
    assert_eq!(by_group.merge(&ByGroup::new(gamma(0.5))), Err(LearnError::OtherStrength));
    assert_eq!(by_group, before);
    assert_eq!(by_group.groups()[&4].strength_error(), None);
    assert_eq!(by_group.test_group_effect(), None);
    // Without a spread all strengths are equal.
    let mut fixed = ByGroup::new(AnyStrength::from_mean_v(Family::Fixed, 0.5, 0.0).unwrap());
    let groups: Vec<u32> = (0..400).map(|i| i % 20).collect();
    fixed.add(&independent(0.0, 400, 4), &groups, None).unwrap();
    assert!(fixed.test_group_effect().is_none() && fixed.groups().values().all(|g| g.strength() == 1.0));
}

/// Strengths drawn for every choice pass; strengths that stay with a group are found.
#[test]
fn groups_with_a_strength_of_their_own_are_told() {
    let (groups, each) = (100, 10);
    let of: Vec<u32> = (0..groups * each).map(|i| i / each).collect();
    let z = |margins: &[f64]| {
        let mut by_group = ByGroup::new(gamma(1.0));
        by_group.add(margins, &of, None).unwrap();
        let test = by_group.test_group_effect().unwrap();
        assert_eq!(test.groups, 100);
        test.z
    };
    let drawn: Vec<f64> = (0..200).map(|seed| z(&independent(1.0, of.len(), 100 + seed))).collect();
    let mean = drawn.iter().sum::<f64>() / 200.0;
    let variance = drawn.iter().map(|z| (z - mean).powi(2)).sum::<f64>() / 199.0;
    let rejected = drawn.iter().filter(|&&z| z > 1.645).count();
    println!("drawn anew: mean z {mean:.3}, variance {variance:.3}, {rejected} of 200 beyond 5 %");
    assert!(mean.abs() < 0.2 && (0.7..1.3).contains(&variance) && (1..=24).contains(&rejected));
    let mut found = 0;
    for seed in 0..20 {
        let mut rng = ChaCha8Rng::seed_from_u64(900 + seed);
        let own: Vec<f64> = (0..groups).map(|_| gamma(1.0).quantile(uniform(&mut rng))).collect();
        let strengths: Vec<f64> = of.iter().map(|&g| own[g as usize]).collect();
        found += u32::from(z(&choices(strengths.into_iter(), &mut rng)) > 1.645);
    }
    println!("stays with the group: {found} of 20 found");
    assert!(found >= 18, "{found}");
}

/// One group that outweighs ten others: the statistic is skew, and small p are as rare as they say.
#[test]
fn one_large_group_does_not_make_a_small_p() {
    let of: Vec<u32> = (0..520).map(|i| if i < 500 { 0 } else { 1 + (i - 500) / 2 }).collect();
    let sets = 1000;
    let small = (0..sets).filter(|seed| {
        let mut by_group = ByGroup::new(gamma(1.0));
        by_group.add(&independent(1.0, of.len(), 5000 + seed), &of, None).unwrap();
        by_group.test_group_effect().unwrap().p < 0.003
    });
    // 3 expected; the tail of the normal distribution makes it some 30.
    let small = small.count();
    println!("{small} of {sets} have p < 0.003");
    assert!(small <= 12, "{small}");
}

#[cfg(feature = "serde")]
#[test]
fn descriptions_can_be_stored() {
    let margins = independent(1.0, 300, 5);
    let calibration = Calibration::measure(&[gamma(1.0)], &margins[..]).unwrap();
    let text = serde_json::to_string(&calibration).unwrap();
    let back: Calibration = serde_json::from_str(&text).unwrap();
    assert_eq!(back.bins(5).len(), calibration.bins(5).len());
    let mut by_group = ByGroup::new(gamma(1.0));
    by_group.add(&margins, &(0..300).map(|i| i % 9).collect::<Vec<_>>(), None).unwrap();
    let back: ByGroup = serde_json::from_str(&serde_json::to_string(&by_group).unwrap()).unwrap();
    assert!((back.micro().strength - by_group.micro().strength).abs() < 1e-14);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever the bits: no panic, shares within [0, 1], and nothing lost.
    #[test]
    fn arbitrary_bits_are_survived(
        bits in prop::collection::vec(any::<u64>(), 1..60),
        weights in prop::collection::vec(prop_oneof![Just(0.0), Just(1.0), Just(1e-60), 0.0..3.0f64], 60),
        most in 0usize..30,
        cv in 0.0..50.0f64,
    ) {
        let margins: Vec<f64> = bits.iter().map(|&b| f64::from_bits(b)).collect();
        let finite: Vec<f64> = margins.iter().copied().filter(|d| d.is_finite()).collect();
        let betas = [gamma(cv), AnyStrength::from_mean_v(Family::Fixed, 0.0, 0.0).unwrap()];
        let groups: Vec<u32> = (0..60).map(|i| i % 5).collect();
        for margins in [&margins, &finite] {
            let n = margins.len();
            let weighted = Weighted::new(margins, &weights[..n]).unwrap();
            if let Ok(calibration) = Calibration::measure(&betas, weighted) {
                for bin in calibration.bins(most) {
                    let shares = [bin.observed, bin.predicted[0], bin.predicted[1]];
                    prop_assert!(shares.iter().all(|p| (-1e-12..=1.0 + 1e-12).contains(p)), "{bin:?}");
                    prop_assert!(bin.smallest <= bin.size && bin.size <= bin.largest, "{bin:?}");
                }
            }
            for beta in betas {
                let mut by_group = ByGroup::new(beta);
                if by_group.add(margins, &groups[..n], Some(&weights[..n])).is_ok() {
                    for group in by_group.groups().values() {
                        prop_assert!(group.strength() >= -1e-12 && group.accuracy() <= 1.0 + 1e-12, "{group:?}");
                    }
                    prop_assert!(by_group.test_group_effect().is_none());
                }
            }
        }
    }
}
