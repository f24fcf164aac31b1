//! Weight 0 is absence, whatever the margin is; and what is held or stored does not depend on the way there.

use crate::pairs::{self, Truth};
use crate::simulate::margins as simulate;
use prefstrength::batch::{Batch, Rows, Sums};
use prefstrength::{AnyStrength, Coordinates, Family};
use prefstrength_learn::{
    self as learn, ByGroup, Calibration, ChunkSink, LearnError, LossSums, Margins, Options, StrengthParams,
    Weighted,
};

const NONE: [f64; 3] = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY];

fn beta(family: Family, mean: f64, v: f64) -> AnyStrength {
    AnyStrength::from_mean_v(family, mean, v).unwrap()
}

/// Every fifth margin is none, of weight 0.
fn masked(margins: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let (mut all, mut weights) = (Vec::new(), Vec::new());
    for (i, &d) in margins.iter().enumerate() {
        if i % 4 == 0 {
            all.push(NONE[i / 4 % 3]);
            weights.push(0.0);
        }
        all.push(d);
        weights.push(1.0);
    }
    (all, weights)
}

#[test]
fn masked_margins_do_not_count() {
    let margins = simulate(&beta(Family::Gamma, 0.8, 1.0), 3000, 40);
    let (all, weights) = masked(&margins);
    let source = || Weighted::new(&all, &weights).unwrap();
    let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-9 * (1.0 + b.abs()), "{a} {b}");
    let options = Options::default();
    let (a, b) = (
        learn::heterogeneity(source(), &options).unwrap(),
        learn::heterogeneity(&margins[..], &options).unwrap(),
    );
    for family in Family::ALL {
        near(a.fits[family].log_likelihood, b.fits[family].log_likelihood);
        near(a.fits[family].weight, b.fits[family].weight);
        near(a.fits[family].strength.v(), b.fits[family].strength.v());
        let strength = b.fits[family].strength;
        let (a, b) = (
            LossSums::evaluate_with_hessian(&strength, source()).unwrap(),
            LossSums::evaluate_with_hessian(&strength, &margins[..]).unwrap(),
        );
        near(a.nll, b.nll);
        near(a.weight, b.weight);
        for i in 0..2 {
            near(a.gradient[i], b.gradient[i]);
            for j in 0..2 {
                near(a.outer[i][j], b.outer[i][j]);
                assert!((a.hessian.unwrap()[i][j] - b.hessian.unwrap()[i][j]).abs() < 1e-6 * b.weight);
            }
        }
    }
    near(a.score.unwrap().z, b.score.unwrap().z);
    near(a.score.unwrap().z_outer.unwrap(), b.score.unwrap().z_outer.unwrap());
    let strengths = [b.fits[Family::Gamma].strength];
    let bins = |calibration: Calibration| calibration.bins(10);
    let (a, b) = (
        bins(Calibration::measure(&strengths, source()).unwrap()),
        bins(Calibration::measure(&strengths, &margins[..]).unwrap()),
    );
    assert_eq!(a.iter().map(|bin| bin.number).sum::<usize>(), b.iter().map(|bin| bin.number).sum::<usize>());
    a.iter().zip(&b).for_each(|(a, b)| near(a.predicted[0], b.predicted[0]));
    let by_group = |margins: &[f64], weights: Option<&[f64]>| {
        let mut by_group = ByGroup::new(strengths[0]);
        by_group.add(margins, &vec![7; margins.len()], weights).unwrap();
        by_group.groups()[&7]
    };
    let (a, b) = (by_group(&all, Some(&weights)), by_group(&margins, None));
    assert_eq!(a.number, b.number);
    near(a.strength(), b.strength());
    near(a.log_likelihood, b.log_likelihood);
    // Without the mask it is an error.
    assert_eq!(learn::fit(Family::Fixed, &all[..], &options), Err(LearnError::Margin { index: 0 }));
    let nothing = Weighted::new(&NONE, &[0.0; 3]).unwrap();
    assert_eq!(learn::fit(Family::Fixed, nothing, &options), Err(LearnError::NoWeight));
}

/// Many of them, in a unit far from everyday ones, from a stream: also the sample is masked.
#[test]
fn masked_streams_are_sampled() {
    struct Stream<'a>(&'a [f64], &'a [f64]);
    impl Margins for Stream<'_> {
        fn for_each(&mut self, take: &mut ChunkSink<'_>) -> Result<(), LearnError> {
            let mut chunks = self.0.chunks(50_001).zip(self.1.chunks(50_001));
            chunks.try_for_each(|(margins, weights)| take(margins, Some(weights)))
        }
    }
    let margins: Vec<f64> =
        simulate(&beta(Family::Gamma, 0.8, 1.0), 230_000, 27).iter().map(|d| d * 1e-30).collect();
    let (all, weights) = masked(&margins);
    assert!(all.len() >= 1 << 18);
    let fit = learn::fit(Family::Gamma, Stream(&all, &weights), &Options::default()).unwrap();
    let other = learn::fit(Family::Gamma, &margins[..], &Options::default()).unwrap();
    assert!((fit.log_likelihood / other.log_likelihood - 1.0).abs() < 1e-10, "{fit:?} {other:?}");
    assert!((fit.strength.cv() - other.strength.cv()).abs() < 1e-6);
}

#[test]
fn strength_params_take_masks_and_micro_batches() {
    let margins = simulate(&beta(Family::Gamma, 0.7, 0.8), 1000, 3);
    let (all, weights) = masked(&margins);
    let [all, weights] = [all, weights].map(|x| x.iter().map(|&x| x as f32).collect::<Vec<f32>>());
    for family in Family::ALL {
        let params = StrengthParams::in_ln_mean_ln_cv(family, 0.7).unwrap().with_scale_held();
        let mut d_margin = vec![1.0; all.len()];
        let batch = Batch::new(&all).weights(&weights);
        let sums = params.evaluate(&batch, Rows::new().d_margin(&mut d_margin)).unwrap();
        assert!(sums.nll.is_finite() && sums.weight == 1000.0 && sums.d_params[1].is_finite());
        assert!(d_margin.iter().zip(&weights).all(|(d, w)| (*w == 0.0) == (*d == 0.0)));
        let parts = all.chunks(77).zip(weights.chunks(77));
        let added: Sums = parts
            .map(|(margins, weights)| {
                params.evaluate(&Batch::new(margins).weights(weights), Rows::new()).unwrap()
            })
            .sum();
        assert!((added.nll / sums.nll - 1.0).abs() < 1e-6 && added.weight == sums.weight);
        assert!((added.d_params[1] - sums.d_params[1]).abs() < 1e-4 * (1.0 + sums.d_params[1].abs()));
        #[cfg(feature = "rayon")]
        {
            let long: Vec<f32> = all.iter().copied().cycle().take(100_000).collect();
            let weights: Vec<f32> = weights.iter().copied().cycle().take(100_000).collect();
            let batch = Batch::new(&long).weights(&weights);
            let (a, b) = (params.evaluate(&batch, Rows::new()), params.par_evaluate(&batch, Rows::new()));
            assert_eq!(a.unwrap(), b.unwrap());
        }
    }
}

/// A strength is where training starts, whatever is asked for first.
#[test]
fn strength_params_start_where_a_fit_ended() {
    for family in Family::ALL {
        for coordinates in [Coordinates::LnMeanV, Coordinates::LnMeanLnCv] {
            let v = if family == Family::Fixed { 0.0 } else { 9.0 };
            let start = beta(family, 0.1143, v);
            let params = StrengthParams::from_strength(&start, coordinates).unwrap();
            assert!((params.strength().mean() / 0.1143 - 1.0).abs() < 1e-14);
            assert!((params.strength().v() - v).abs() <= 1e-14 * v);
            assert_eq!((params.coordinates(), params.strength().family()), (coordinates, family));
            let one = params.with_max_cv(2.0).unwrap().with_scale_held().with_prior_cv(0.5).unwrap();
            let other = params.with_prior_cv(0.5).unwrap().with_scale_held().with_max_cv(2.0).unwrap();
            assert_eq!(one, other);
            if family != Family::Fixed {
                // The scale of the start, and not that of the cap.
                let scale = |strength: AnyStrength| strength.mean() / strength.cv().hypot(1.0);
                assert!((one.strength().cv() - 2.0).abs() < 1e-12);
                assert!((scale(one.strength()) / scale(start) - 1.0).abs() < 1e-14);
            }
        }
        for coordinates in [Coordinates::Native, Coordinates::MeanCv] {
            let refused = StrengthParams::from_strength(&beta(family, 1.0, 0.0), coordinates);
            assert_eq!(refused, Err(LearnError::Coordinates));
        }
    }
    let none = AnyStrength::from_mean_v(Family::Fixed, 0.0, 0.0).unwrap();
    let refused = StrengthParams::from_strength(&none, Coordinates::LnMeanV);
    assert_eq!(refused, Err(LearnError::NotFinite));
    // No spread: the end of the range of ln cv, and v = 0 itself.
    let collapsed = beta(Family::Gamma, 1.0, 0.0);
    let in_v = StrengthParams::from_strength(&collapsed, Coordinates::LnMeanV).unwrap();
    let in_ln_cv = StrengthParams::from_strength(&collapsed, Coordinates::LnMeanLnCv).unwrap();
    assert!(in_v.strength().v() == 0.0 && in_ln_cv.params()[1] == -20.0);
}

/// A checkpoint goes on with the same bits, whatever is held.
#[cfg(feature = "serde")]
#[test]
fn strength_params_restart_with_the_same_bits() {
    let margins: Vec<f32> =
        simulate(&beta(Family::Gamma, 0.7, 0.8), 300, 3).iter().map(|&d| d as f32).collect();
    let step = |params: &mut StrengthParams| {
        let sums = params.evaluate(&Batch::new(&margins), Rows::new()).unwrap();
        let [a, b] = params.params();
        params.set([a - 1e-3 * sums.d_params[0], b - 1e-3 * sums.d_params[1]]).unwrap();
    };
    for family in Family::ALL {
        for new in [StrengthParams::in_ln_mean_v, StrengthParams::in_ln_mean_ln_cv] {
            let free = new(family, 0.37).unwrap();
            let capped = free.with_max_cv(0.3).unwrap();
            let all = [
                free,
                free.with_mean_held(),
                free.with_scale_held(),
                capped,
                capped.with_scale_held(),
                capped.with_prior_cv(0.7).unwrap(),
            ];
            for mut params in all {
                for _ in 0..4 {
                    let text = serde_json::to_string(&params).unwrap();
                    let mut back: StrengthParams = serde_json::from_str(&text).unwrap();
                    assert_eq!(back, params);
                    for _ in 0..3 {
                        step(&mut params);
                        step(&mut back);
                        assert_eq!(back.params().map(f64::to_bits), params.params().map(f64::to_bits));
                        assert_eq!(back, params);
                    }
                }
            }
        }
    }
}

/// One set of options for margins and pairs: a prior bounds the spread of both, and margins have no weights to shrink.
#[test]
fn a_prior_bounds_the_spread_of_margins_as_of_pairs() {
    let margins: Vec<f64> =
        (0..1200).map(|i| f64::from(i % 40 + 1) * if i % 4 < 3 { 0.2 } else { -0.2 }).collect();
    let options = Options { prior_cv: Some(0.2), ..Options::default() };
    let comparison = learn::heterogeneity(&margins[..], &options).unwrap();
    for family in [Family::Gamma, Family::LogNormal, Family::InverseGaussian] {
        let fit = &comparison.fits[family];
        assert_eq!(fit.status, learn::FitStatus::Interior);
        assert!((fit.penalty - 0.5 * fit.strength.v() / 0.04).abs() < 1e-9 && fit.strength.cv() < 5.0);
        assert!(fit.errors.cv.is_some() && comparison.likelihood_ratio(family).is_some());
        // Pairs of one feature are the same question.
        let pairs = learn::Pairs::new(margins.clone(), 1).unwrap();
        let trained = learn::train(family, &pairs, &options).unwrap();
        assert!((trained.strength.v() - fit.strength.v()).abs() < 1e-6, "{trained:?} {fit:?}");
        assert!((trained.w[0] - fit.strength.mean()).abs() < 1e-6);
        // What was maximised is flat there; its two parts are not.
        let value = |log_likelihood: f64, penalty: f64| log_likelihood - penalty;
        let (a, b) = (value(trained.log_likelihood, trained.penalty), value(fit.log_likelihood, fit.penalty));
        assert!((a - b).abs() < 1e-8, "{a} {b}");
        let cv = trained.errors.cv.unwrap() / fit.errors.cv.unwrap();
        assert!((cv - 1.0).abs() < 1e-5, "{cv}");
    }
    let ridge = Options { ridge: 1.0, ..Options::default() };
    assert_eq!(learn::fit(Family::Fixed, &margins[..], &ridge), Err(LearnError::RidgeWithoutPolicy));
}

/// The reader of the example names lines as they are in the file, blank ones counted.
#[test]
fn pairs_are_read_line_by_line() {
    let read = |text: &str| pairs::read(text.as_bytes());
    let good = read("\u{feff}pair_id, group_id,f1,f2 \r\n\n1,a,0.5,-1\r\n\n2,b,1e3,2\n3,a,1,1").unwrap();
    assert_eq!((good.len(), good.dim(), good.groups()), (3, 2, Some(&[0, 1, 0][..])));
    let message = |text: &str| read(text).unwrap_err();
    assert_eq!(message("pair_id,f1\n\n1,2\n\n\n4\n"), "line 6: 1 columns, the header has 2");
    assert_eq!(message("pair_id,f1\n1,x\n"), "line 2, column `f1`: `x` is not a finite number");
    assert_eq!(message("pair_id,f1\n1,1e300\n"), "line 2, column `f1`: 1e300 is too large");
    assert!(message("pair_id,f1\n1,\"2\"\n").starts_with("line 2: quotes"));
    assert!(message("").contains("empty") && message("pair_id,f1\n").contains("no rows"));
    assert!(message("pair_id\n1\n").contains("no features") && message("id,f1\n1,2\n").contains("pair_id"));
    assert_eq!(pairs::simulate(Truth::Point, 10, 1).unwrap().len(), 10);
}
