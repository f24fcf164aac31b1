//! What a few bad rows may not do: hide a maximum, make units of their own, or refuse the fit of all others.

use crate::pairs::{Truth, simulate};
use prefstrength::{AnyStrength, Family, Strength};
use prefstrength_learn::{
    self as learn, ChoicesVerdict, Comparison, Extremes, Fit, FitStatus, LearnError, Options, Pairs,
    Separated, Trained, Weighted,
};

const SPREADS: [Family; 3] = [Family::Gamma, Family::LogNormal, Family::InverseGaussian];

/// The columns of a small CSV file.
fn columns(text: &str) -> Vec<Vec<f64>> {
    let rows: Vec<Vec<f64>> =
        text.lines().skip(1).map(|line| line.split(',').map(|x| x.parse().unwrap()).collect()).collect();
    (0..rows[0].len()).map(|j| rows.iter().map(|row| row[j]).collect()).collect()
}

fn pairs(features: &[Vec<f64>]) -> Pairs {
    let n = features[0].len();
    Pairs::new((0..n).flat_map(|i| features.iter().map(move |f| f[i])).collect(), features.len()).unwrap()
}

fn near(a: f64, b: f64, tolerance: f64) {
    assert!((a - b).abs() <= tolerance * (1.0 + b.abs()), "{a} {b}");
}

fn log_likelihood(pairs: &Pairs, strength: &AnyStrength, w: &[f64]) -> f64 {
    let margins = pairs.margins(w).unwrap();
    let weight = |i: usize| pairs.weights().map_or(1.0, |w| w[i]);
    margins.iter().enumerate().map(|(i, &d)| -weight(i) * strength.nll(d)).sum()
}

/// One row of a placeholder bends plain DPO; the maximum with a spread is elsewhere, whatever the units.
#[test]
fn a_placeholder_hides_no_maximum() {
    let [a, b, w] = <[Vec<f64>; 3]>::try_from(columns(include_str!("../data/sentinel.csv"))).unwrap();
    for units in [[1.0, 1.0], [1e-9, 1e6], [3e40, 7e-30]] {
        let scaled = |x: &[f64], unit: f64| x.iter().map(|x| x * unit).collect();
        let both = [scaled(&a, units[0]), scaled(&b, units[1])];
        let given = pairs(&both).with_weights(w.clone()).unwrap();
        let gamma = learn::train(Family::Gamma, &given, &Options::default()).unwrap();
        assert_eq!(gamma.status, FitStatus::Interior);
        near(gamma.log_likelihood, -247.207_401_880_565, 1e-11);
        near(gamma.w[0] * units[0], 3.37507, 1e-5);
        near(gamma.w[1] * units[1], -3.05572, 1e-5);
        near(gamma.strength.cv(), 1.69771, 1e-5);
    }
}

/// Placeholders of any size, sign and place: what is found is no worse than the fit of the other rows.
#[test]
fn no_single_cell_hides_a_maximum() {
    let clean = simulate(Truth::Gamma { cv: 1.2 }, 600, 31).unwrap();
    let numbers: Vec<f64> = clean.rows().flatten().copied().collect();
    let dim = clean.dim();
    let best = learn::train(Family::Gamma, &clean, &Options::default()).unwrap();
    for (i, size) in [-99_999.0, 99_999.0, -9999.0, -999.0, -1e9, 1e15, -1e30].into_iter().enumerate() {
        let mut numbers = numbers.clone();
        // In some places of one row.
        for j in (0..dim).filter(|j| j % 3 == i % 3) {
            numbers[7 * dim + j] = size;
        }
        let pairs = Pairs::new(numbers, dim).unwrap();
        let found = learn::train(Family::Gamma, &pairs, &Options::default()).unwrap();
        let least = log_likelihood(&pairs, &best.strength, &best.w);
        assert!(
            found.log_likelihood > least - 1e-6 && found.status != FitStatus::NotConverged,
            "{size:e}: {found:?} {least}"
        );
    }
}

/// Plain DPO at mean 0 is a coin, and others go on.
#[test]
fn a_spread_goes_on_where_plain_dpo_is_a_coin() {
    let [margins, w] = <[Vec<f64>; 2]>::try_from(columns(include_str!("../data/fit_outlier.csv"))).unwrap();
    let source = || Weighted::new(&margins, &w).unwrap();
    let report = learn::heterogeneity(source(), &Options::default()).unwrap();
    let fixed = report.fits[Family::Fixed];
    assert_eq!((fixed.status, fixed.strength.mean(), report.score), (FitStatus::MeanZero, 0.0, None));
    near(fixed.log_likelihood, -161.0 * 2.0_f64.ln(), 1e-14);
    let gamma = report.fits[Family::Gamma];
    assert_eq!(gamma.status, FitStatus::Interior);
    // One in twenty of the largest is on the other side, and so is one far beyond them: flipped labels.
    assert_eq!(report.verdict().choices, ChoicesVerdict::Noise);
    assert!(report.lapsed[Family::Fixed].log_likelihood > gamma.log_likelihood);
    near(gamma.log_likelihood, -78.37409, 1e-7);
    near(gamma.strength.mean(), 1.86228, 1e-5);
    near(gamma.strength.cv(), 1.76120, 1e-5);
    near(report.likelihood_ratio(Family::Gamma).unwrap().statistic, 66.445, 1e-4);
    assert_eq!(learn::fit(Family::Gamma, source(), &Options::default()).unwrap(), gamma);
    assert_eq!(learn::fit(Family::Fixed, source(), &Options::default()), Err(LearnError::MeanVanishes));
    // As features of pairs they say the same.
    let trained = learn::train(
        Family::Gamma,
        &pairs(std::slice::from_ref(&margins)).with_weights(w.clone()).unwrap(),
        &Options::default(),
    );
    let trained = trained.unwrap();
    near(trained.log_likelihood, gamma.log_likelihood, 1e-9);
    near(trained.w[0], gamma.strength.mean(), 1e-5);
    // Plain DPO's own length is no measure there.
    let mut far = margins.clone();
    far[16] = -1e16;
    let far = pairs(&[far]).with_weights(w.clone()).unwrap();
    let capped = learn::train(Family::Gamma, &far, &Options { max_cv: 1.8, ..Options::default() }).unwrap();
    near(capped.strength.cv(), 1.8, 1e-9);
    let held =
        learn::train(Family::Gamma, &far, &Options { prior_cv: Some(0.3), ..Options::default() }).unwrap();
    assert_eq!(held.status, FitStatus::Interior);
    let report = learn::train_all(&far, &Options { max_cv: 1.8, ..Options::default() }).unwrap();
    assert_eq!((report.score, &report.fits[Family::Gamma]), (None, &capped));
    // The same by two outliers that nearly cancel.
    let (mut two, mut weights) = (margins.clone(), w.clone());
    (two[16], two[15], weights[15]) = (-1e15, 1e15, 1.5);
    let report = learn::heterogeneity(Weighted::new(&two, &weights).unwrap(), &Options::default()).unwrap();
    assert_eq!((report.score, report.fits[Family::Fixed].status), (None, FitStatus::Fixed));
    assert!(report.fits[Family::Gamma].log_likelihood > fixed.log_likelihood + 20.0);
    // Further away and in other units.
    for (unit, outlier) in [(1e-30, -9999.0), (1e25, -1e6), (1e-200, -1e9), (1.0, -1e15), (1.0, -1e100)] {
        let mut margins = margins.clone();
        margins[16] = outlier;
        margins.iter_mut().for_each(|d| *d *= unit);
        let source = Weighted::new(&margins, &w).unwrap();
        let report = learn::heterogeneity(source, &Options::default()).unwrap();
        let gamma = report.fits[Family::Gamma];
        assert!(
            gamma.status != FitStatus::NotConverged && gamma.log_likelihood > fixed.log_likelihood + 20.0,
            "{outlier:e}: {gamma:?}"
        );
        assert_eq!(report.fits[Family::Fixed].status, FitStatus::MeanZero);
        // Without it everything is as it is.
        let extremes = Extremes::measure(source, 10.0).unwrap();
        assert_eq!((extremes.number(), extremes.negative, extremes.weight), (1, 1, 1.0));
        near(extremes.how_far() * extremes.usual, -outlier * unit, 1e-12);
        let without = learn::heterogeneity(extremes.without(source), &Options::default()).unwrap();
        assert!(without.score.is_some() && without.fits[Family::Fixed].weight == 160.0);
    }
    // A weak one is none: a spread that does no better than a coin is one, too.
    let against: Vec<f64> = margins.iter().map(|d| -d).collect();
    let nobody = learn::heterogeneity(Weighted::new(&against[..16], &w[..16]).unwrap(), &Options::default());
    assert_eq!(nobody, Err(LearnError::MeanVanishes));
}

/// A margin on the right side that is beyond all doubt costs nothing, however large: nothing changes.
#[test]
fn a_sure_margin_changes_nothing() {
    const FEW: [f64; 8] = [2.0, -1.0, 3.0, 1.0, -2.0, 4.0, 1.5, -0.5];
    let alone = learn::heterogeneity(&FEW[..], &Options::default()).unwrap();
    near(alone.fits[Family::Fixed].strength.mean(), 0.509_888_424_989, 1e-10);
    near(alone.fits[Family::Fixed].log_likelihood, -4.615_557_498_75, 1e-11);
    let sizes = [1e3, 1e6, 1e9, 1e12, 1e15, 1e16, 1e19, 1e21, 1e30, 1e60, 1e99, 1e150, 1e290];
    for (size, others) in sizes.into_iter().flat_map(|s| [(s, vec![]), (s, vec![1e5]), (s, vec![1e80, 1e18])])
    {
        // In other units alone.
        let units: &[f64] = if others.is_empty() { &[1.0, 1e-12, 1e9] } else { &[1.0] };
        for &unit in units {
            let mut margins = FEW.to_vec();
            margins.push(size);
            margins.extend(&others);
            margins.iter_mut().for_each(|d| *d *= unit);
            let report = learn::heterogeneity(&margins[..], &Options::default()).unwrap();
            for (family, fit) in report.fits.iter() {
                let truth = &alone.fits[family];
                assert_eq!(fit.status, truth.status, "{family} {margins:?}");
                near(fit.log_likelihood, truth.log_likelihood, 1e-10);
                near(fit.strength.mean() * unit, truth.strength.mean(), 1e-7);
                near(fit.errors.ln_mean.unwrap(), truth.errors.ln_mean.unwrap(), 1e-5);
            }
            near(report.score.unwrap().z, alone.score.unwrap().z, 1e-6);
            assert_eq!(report.verdict().choices, alone.verdict().choices);
            if margins.iter().any(|d| *d > 1e100) {
                continue;
            }
            let report =
                learn::train_all(&pairs(std::slice::from_ref(&margins)), &Options::default()).unwrap();
            for (family, fit) in report.fits.iter() {
                assert_eq!(fit.status, alone.fits[family].status, "{family} {margins:?}");
                near(fit.log_likelihood, alone.fits[family].log_likelihood, 1e-10);
                near(fit.w[0] * unit, 0.509_888_424_989, 1e-7);
            }
            near(report.score.unwrap().z, alone.score.unwrap().z, 1e-6);
        }
    }
}

/// The same for pairs of several features, the row being beyond doubt in one or in all of them.
#[test]
fn a_sure_pair_changes_nothing() {
    let clean = simulate(Truth::Gamma { cv: 1.0 }, 800, 5).unwrap();
    let dim = clean.dim();
    let plain = learn::train(Family::Fixed, &clean, &Options::default()).unwrap();
    for size in [1e6, 1e12, 1e40, 1e90] {
        for of in [vec![0], (0..dim).collect::<Vec<_>>()] {
            let mut numbers: Vec<f64> = clean.rows().flatten().copied().collect();
            numbers.extend((0..dim).map(|j| if of.contains(&j) { size * plain.w[j].signum() } else { 0.3 }));
            let pairs = Pairs::new(numbers, dim).unwrap();
            let with = learn::train(Family::Fixed, &pairs, &Options::default()).unwrap();
            assert_eq!(with.status, FitStatus::Fixed);
            near(with.log_likelihood, plain.log_likelihood, 1e-10);
            with.w.iter().zip(&plain.w).for_each(|(a, b)| near(*a, *b, 1e-7));
        }
    }
}

fn separated(feature: usize, positive: bool, number: usize, weight: f64) -> Separated {
    Separated { feature, positive, number, weight }
}

/// Pairs with weights and groups, and the same with columns that few pairs have.
fn with_columns(n: usize, columns: &[&dyn Fn(usize) -> f64]) -> (Pairs, Pairs) {
    let clean = simulate(Truth::Gamma { cv: 1.0 }, n, 17).unwrap();
    let dim = clean.dim();
    let weights: Vec<f64> = (0..n).map(|i| 0.5 + (i % 3) as f64).collect();
    let groups: Vec<u32> = (0..n as u32).map(|i| i % 37).collect();
    let wide = clean.rows().enumerate().flat_map(|(i, f)| {
        // One in front, so that places move.
        let (first, rest) = columns.split_first().unwrap();
        std::iter::once(first(i))
            .chain(f.iter().copied())
            .chain(rest.iter().map(move |c| c(i)))
            .collect::<Vec<_>>()
    });
    let wide = Pairs::new(wide.collect(), dim + columns.len()).unwrap();
    let without: Vec<usize> = (0..n).filter(|&i| columns.iter().all(|c| c(i) == 0.0)).collect();
    let rows: Vec<&[f64]> = clean.rows().collect();
    let rest = Pairs::new(without.iter().flat_map(|&i| rows[i].to_vec()).collect(), dim).unwrap();
    let pick = |i: &usize| (weights[*i], groups[*i]);
    let (w, g): (Vec<f64>, Vec<u32>) = without.iter().map(pick).unzip();
    (
        wide.with_weights(weights.clone()).unwrap().with_groups(groups.clone()).unwrap(),
        rest.with_weights(w).unwrap().with_groups(g).unwrap(),
    )
}

/// All but the separated features, as in the fit of the rest.
fn assert_same(whole: &Comparison<Trained>, rest: &Comparison<Trained>, pairs: &Pairs, first: usize) {
    assert_eq!(whole.score, rest.score);
    for (family, fit) in whole.fits.iter() {
        let of_rest = &rest.fits[family];
        let kept = first..first + of_rest.w.len();
        assert_eq!(fit.w[kept.clone()], of_rest.w);
        assert_eq!((fit.log_likelihood, fit.strength), (of_rest.log_likelihood, of_rest.strength));
        assert_eq!((fit.status, fit.robust.cv), (of_rest.status, of_rest.robust.cv));
        assert_eq!(fit.errors.w.as_ref().map(|e| &e[kept.clone()]), of_rest.errors.w.as_deref());
        let infinite = fit.errors.w.iter().flatten().filter(|e| **e == f64::INFINITY).count();
        assert_eq!(infinite, if fit.errors.w.is_some() { fit.separated.len() } else { 0 });
        assert_eq!((fit.number, fit.weight), (pairs.len(), pairs.weights().unwrap().iter().sum()));
        let margins = pairs.margins(&fit.w).unwrap();
        assert!(margins.iter().all(|d| d.is_finite()));
    }
    // Under plain DPO the weight that stands for infinity is as good.
    let fixed = &whole.fits[Family::Fixed];
    near(log_likelihood(pairs, &fixed.strength, &fixed.w), fixed.log_likelihood, 1e-12);
}

#[test]
fn a_rare_feature_of_one_sign_refuses_nothing() {
    let n = 500;
    for sign in [1.0, -1.0] {
        let dummy = |i: usize| if i % 100 == 53 { sign } else { 0.0 };
        let (whole, rest) = with_columns(n, &[&dummy]);
        let report = learn::train_all(&whole, &Options::default()).unwrap();
        // Pairs 53, 153, … of weight 0.5 + i % 3.
        let weight = (0..5).map(|k| 0.5 + f64::from((53 + 100 * k) % 3)).sum();
        assert_eq!(report.fits[Family::Gamma].separated, [separated(0, sign > 0.0, 5, weight)]);
        let truth = learn::train_all(&rest, &Options::default()).unwrap();
        assert_same(&report, &truth, &whole, 1);
        for family in Family::ALL {
            let one = learn::train(family, &whole, &Options::default()).unwrap();
            assert_eq!(one, report.fits[family]);
        }
        let fixed = &report.fits[Family::Fixed];
        let margins = whole.margins(&fixed.w).unwrap();
        let least = (0..n).filter(|i| i % 100 == 53).map(|i| margins[i]).fold(f64::INFINITY, f64::min);
        near(least, 40.0, 1e-9);
        assert!(fixed.w[0] * sign > 0.0);
        // Held out they are as sure, whatever the family: the folds are the same, since the groups are.
        let [with, without] =
            [&whole, &rest].map(|p| learn::cross_validate(p, &Options::default(), 5).unwrap());
        for (family, held_out) in with.families.iter() {
            near(held_out.log_likelihood, without.families[family].log_likelihood, 1e-12);
            near(held_out.gain, without.families[family].gain, 1e-12);
        }
        let ridge =
            learn::train(Family::Fixed, &whole, &Options { ridge: 1.0, ..Options::default() }).unwrap();
        assert!(ridge.separated.is_empty() && ridge.errors.w.unwrap().iter().all(|e| e.is_finite()));
    }
}

/// One after the other: the second has two signs only in pairs of the first; the third is in no other pairs.
#[test]
fn separation_goes_on_in_what_is_left() {
    let first = |i: usize| if i % 50 == 1 { 1.0 } else { 0.0 };
    let second = |i: usize| match i % 50 {
        1 => -1e6,
        2 => -0.25 - (i / 50) as f64,
        _ => 0.0,
    };
    let second = move |i: usize| if i % 50 == 1 { -second(i) } else { second(i) };
    let third = |i: usize| if i % 50 == 1 { ((i / 50) % 2) as f64 - 0.5 } else { 0.0 };
    let (whole, rest) = with_columns(500, &[&first, &second, &third]);
    let report = learn::train_all(&whole, &Options::default()).unwrap();
    let of = &report.fits[Family::LogNormal].separated;
    let (a, b) = (1, whole.dim() - 2);
    assert_eq!(
        of.iter().map(|s| (s.feature, s.positive, s.number)).collect::<Vec<_>>(),
        [(0, true, 10), (b, false, 10), (b + 1, true, 0),]
    );
    assert_same(&report, &learn::train_all(&rest, &Options::default()).unwrap(), &whole, a);
    let fixed = &report.fits[Family::Fixed];
    assert!(fixed.w[b + 1] == 0.0 && fixed.w[b] < 0.0 && fixed.w[0] > 1e6, "{:?}", fixed.w);
}

/// A pair held out that the limit makes impossible has no finite loss, and no family a gain.
#[test]
fn a_contradicted_limit_has_no_prediction() {
    let dummy = |i: usize| if i % 100 == 3 { if i == 403 { -1.0 } else { 1.0 } } else { 0.0 };
    let (whole, _) = with_columns(500, &[&dummy]);
    let error = learn::cross_validate(&whole, &Options::default(), 5).unwrap_err();
    let LearnError::Fold { error, .. } = error else { panic!("{error}") };
    assert_eq!(*error, LearnError::SeparatedBy { features: vec![0] });
}

#[test]
fn features_that_leave_nothing_are_named() {
    let refused = |columns: &[Vec<f64>]| {
        let error = learn::train_all(&pairs(columns), &Options::default()).unwrap_err();
        (error.to_string(), error)
    };
    let mixed: Vec<f64> = (0..90).map(|i| f64::from(i * i % 7 - 3)).collect();
    let all: Vec<f64> = (0..90).map(|i| f64::from(1 + i % 4)).collect();
    let (text, error) = refused(&[mixed.clone(), all.clone()]);
    assert_eq!(error, LearnError::SeparatedBy { features: vec![1] });
    assert!(text.starts_with("feature 1 "), "{text}");
    // Half by one, and then half by the other.
    let half = |odd: i32| (0..90).map(|i| if i % 2 == odd { 2.0 } else { 0.0 }).collect::<Vec<f64>>();
    let other: Vec<f64> =
        half(1).iter().enumerate().map(|(i, x)| if i % 2 == 0 { mixed[i] } else { -x }).collect();
    let (text, error) = refused(&[half(0), other, vec![0.0; 90]]);
    assert_eq!(error, LearnError::SeparatedBy { features: vec![0, 1] }, "{text}");
    assert!(text.starts_with("features 0, 1 "), "{text}");
    // What was 0 from the start is another matter, and has the place that it had.
    let dummy: Vec<f64> = (0..90).map(|i| if i < 5 { 1.0 } else { 0.0 }).collect();
    let (_, error) = refused(&[dummy.clone(), mixed.clone(), vec![0.0; 90]]);
    assert_eq!(error, LearnError::Collinear { feature: 2 });
    // Weight 0 is absence: of what contradicts, and of what would.
    let mut contradicted = all;
    contradicted[7] = -1.0;
    let mut weights = vec![1.0; 90];
    weights[7] = 0.0;
    let masked = pairs(&[mixed, contradicted]).with_weights(weights).unwrap();
    let error = learn::train(Family::Fixed, &masked, &Options::default()).unwrap_err();
    assert_eq!(error, LearnError::SeparatedBy { features: vec![1] });
}

/// Weights that sum to 1 say nothing; times n/Σw they do.
#[test]
fn sampling_weights_are_scaled_to_the_sample() {
    let margins: Vec<f64> =
        (0..900).map(|i| f64::from(i % 40 + 1) * if i % 4 < 3 { 0.1 } else { -0.05 }).collect();
    let raw: Vec<f64> = (0..900).map(|i| f64::from(1 + i % 2) / 1350.0).collect();
    let total = learn::TotalWeight::of(Weighted::new(&margins, &raw).unwrap()).unwrap();
    assert!(!total.is_sample_size() && (total.sum - 1.0).abs() < 1e-12);
    near(total.factor(), 900.0, 1e-12);
    near(total.effective_number(), 810.0, 1e-12);
    let scaled: Vec<f64> = raw.iter().map(|w| w * total.factor()).collect();
    let fit = |w: &[f64]| {
        learn::fit(Family::Fixed, Weighted::new(&margins, w).unwrap(), &Options::default()).unwrap()
    };
    let (of_raw, of_scaled) = (fit(&raw), fit(&scaled));
    near(of_raw.strength.mean(), of_scaled.strength.mean(), 1e-7);
    near(of_raw.errors.ln_mean.unwrap(), 30.0 * of_scaled.errors.ln_mean.unwrap(), 1e-4);
}

#[cfg(feature = "serde")]
#[test]
fn limits_can_be_stored() {
    let dummy = |i: usize| if i % 100 == 3 { 1.0 } else { 0.0 };
    let (whole, _) = with_columns(300, &[&dummy]);
    let report = learn::train_all(&whole, &Options::default()).unwrap();
    let text = serde_json::to_string(&report.fits[Family::Fixed]).unwrap();
    let back: Trained = serde_json::from_str(&text).unwrap();
    assert_eq!(back.errors.w.as_ref().unwrap()[0], f64::INFINITY);
    assert_eq!(back.separated, report.fits[Family::Fixed].separated);
    let [margins, w] = <[Vec<f64>; 2]>::try_from(columns(include_str!("../data/fit_outlier.csv"))).unwrap();
    let report = learn::heterogeneity(Weighted::new(&margins, &w).unwrap(), &Options::default()).unwrap();
    let back: Comparison<Fit> = serde_json::from_str(&serde_json::to_string(&report).unwrap()).unwrap();
    assert_eq!((back.score, back.fits[Family::Fixed]), (None, report.fits[Family::Fixed]));
    let of_spreads = SPREADS.map(|family| back.fits[family].status);
    assert_eq!(of_spreads, SPREADS.map(|family| report.fits[family].status));
}
