//! What `learn` promises: gradients, totals that add up, fits that find the truth, say how well, and say so when
//! there is nothing to find.
use crate::simulate::margins as simulate;
use prefstrength::batch::{Batch, BatchError, Rows};
use prefstrength::math::normal_cdf;
use prefstrength::{AnyStrength, Coordinates, Family, Gamma, Lapse, LogNormal, Strength};
use prefstrength_learn::{
    self as learn, Choices, ChoicesVerdict, ChunkSink, Fit, FitStatus, Fitted, LearnError, LossSums, Margins,
    Model, Options, StrengthParams, Weighted,
};
use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Distribution, StandardUniform};

const SPREADS: [Family; 3] = [Family::Gamma, Family::LogNormal, Family::InverseGaussian];

fn beta(family: Family, mean: f64, v: f64) -> AnyStrength {
    AnyStrength::from_mean_v(family, mean, v).unwrap()
}

fn fit(family: Family, margins: &[f64]) -> Result<Fit, LearnError> {
    learn::fit(family, margins, &Options::default())
}

fn refused(family: Family, margins: &[f64]) -> LearnError {
    fit(family, margins).unwrap_err()
}

/// The log-likelihood and its gradient in (ln mean, v), by the scalar kernels.
fn scalar(beta: &AnyStrength, margins: &[f64]) -> [f64; 3] {
    margins.iter().fold([0.0; 3], |[l, m, v], &d| {
        let g = beta.nll_gradient_in(d, Coordinates::LnMeanV);
        [l - g.value, m - g.d_params[0], v - g.d_params[1]]
    })
}

/// One chunk of a few after the other.
struct Chunks<'a>(&'a [f64], usize);

impl Margins for Chunks<'_> {
    fn for_each(&mut self, take: &mut ChunkSink<'_>) -> Result<(), LearnError> {
        take(&[], None)?;
        self.0.chunks(self.1).try_for_each(|chunk| take(chunk, None))
    }
}

#[test]
fn trainable_gradients_are_those_of_its_params() {
    let margins = simulate(&beta(Family::Gamma, 0.7, 0.8), 300, 1);
    for family in Family::ALL {
        for in_v in [false, true] {
            let new = if in_v { StrengthParams::in_ln_mean_v } else { StrengthParams::in_ln_mean_ln_cv };
            let start = new(family, 0.7).unwrap();
            let loss = |params: [f64; 2]| {
                let mut t = start;
                t.set(params).unwrap();
                margins.iter().map(|&d| t.strength().nll(d)).sum::<f64>()
            };
            let sums = start.evaluate(&Batch::new(&margins), Rows::new()).unwrap();
            let [a, b] = start.params();
            let h = 1e-5;
            let differences = [
                (loss([a + h, b]) - loss([a - h, b])) / (2.0 * h),
                (loss([a, b + h]) - loss([a, b - h])) / (2.0 * h),
            ];
            for (got, difference) in sums.d_params.iter().zip(differences) {
                assert!(
                    (got - difference).abs() < 1e-6 * (1.0 + got.abs()),
                    "{family} {in_v}: {got} {difference}"
                );
            }
            assert_eq!(sums.d_params[1] == 0.0, family == Family::Fixed);
            let single: Vec<f32> = margins.iter().map(|&d| d as f32).collect();
            let f32s = start.evaluate(&Batch::new(&single), Rows::new()).unwrap();
            for (a, b) in f32s.d_params.iter().zip(sums.d_params) {
                assert!((a - b).abs() < 1e-4 * (1.0 + b.abs()), "{family} {in_v}: f32 {a}, f64 {b}");
            }
            let held = start.with_mean_held();
            assert_eq!(
                held.evaluate(&Batch::new(&margins), Rows::new()).unwrap().d_params,
                [0.0, sums.d_params[1]]
            );
        }
    }
}

/// With the scale held the spread takes the mean along, and its gradient knows.
#[test]
fn trainable_scale_is_held() {
    let margins = simulate(&beta(Family::Gamma, 0.7, 0.8), 300, 1);
    for family in SPREADS {
        let starts =
            [StrengthParams::in_ln_mean_v(family, 0.7), StrengthParams::in_ln_mean_ln_cv(family, 0.7)];
        for (start, b) in starts.into_iter().zip([0.6, -0.2]) {
            let start = start.unwrap();
            let held = start.with_scale_held();
            assert_eq!(held.params(), start.params());
            let at = |b: f64| {
                let mut t = held;
                t.set([7.0, b]).unwrap();
                let scale = |t: &StrengthParams| t.strength().mean() / (1.0 + t.strength().v()).sqrt();
                assert!((scale(&t) / scale(&start) - 1.0).abs() < 1e-14);
                t
            };
            let loss = |t: StrengthParams| margins.iter().map(|&d| t.strength().nll(d)).sum::<f64>();
            let sums = at(b).evaluate(&Batch::new(&margins), Rows::new()).unwrap();
            let h = 1e-5;
            let difference = (loss(at(b + h)) - loss(at(b - h))) / (2.0 * h);
            assert!((sums.d_params[1] - difference).abs() < 1e-6 * (1.0 + difference.abs()));
            assert_eq!(sums.d_params[0], 0.0);
        }
    }
}

/// A prior adds what it says, and a cap stops the spread and says when it is in the way.
#[test]
fn trainable_spread_is_bounded() {
    // Three of four at any size: the likelihood rises with the spread.
    let margins: Vec<f64> =
        (0..4000).map(|i| f64::from(i % 40 + 1) * if i % 4 < 3 { 0.2 } else { -0.2 }).collect();
    for new in [StrengthParams::in_ln_mean_v, StrengthParams::in_ln_mean_ln_cv] {
        let mut t = new(Family::Gamma, 1.0).unwrap().with_max_cv(2.0).unwrap();
        let sums = t.evaluate(&Batch::new(&margins), Rows::new()).unwrap();
        assert!(!t.rises_at_max_cv(&sums));
        t.set([1.0, 100.0]).unwrap();
        assert!((t.strength().cv() - 2.0).abs() < 1e-12, "{t:?}");
        // ln 4.9: near the best mean there.
        t.set([1.6, 100.0]).unwrap();
        let sums = t.evaluate(&Batch::new(&margins), Rows::new()).unwrap();
        assert!(t.rises_at_max_cv(&sums), "{sums:?}");
        let prior = t.with_prior_cv(0.05).unwrap();
        assert!(!prior.rises_at_max_cv(&sums));
        let at = |b: f64| {
            let mut t = prior;
            t.set([0.0, b]).unwrap();
            t.penalty()
        };
        assert!((prior.penalty().value - 0.5 * 4.0 / 0.0025).abs() < 1e-9);
        let slope = (at(0.3 + 1e-6).value - at(0.3 - 1e-6).value) / 2e-6;
        assert!((at(0.3).d_params[1] - slope).abs() < 1e-6 * slope);
        assert_eq!(at(0.3).d_params[0], 0.0);
        assert_eq!(t.penalty(), learn::Penalty::default());
        for bad in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e-200, 1e200] {
            assert_eq!(t.with_prior_cv(bad), Err(LearnError::PriorCv));
        }
        for bad in [0.0, 0.1, 101.0, f64::NAN] {
            assert_eq!(t.with_max_cv(bad), Err(LearnError::MaxCv));
        }
    }
    let fixed = StrengthParams::in_ln_mean_v(Family::Fixed, 1.0).unwrap().with_prior_cv(1.0).unwrap();
    assert_eq!(fixed.penalty(), learn::Penalty::default());
}

#[test]
fn trainable_takes_any_finite_numbers() {
    let mut t = StrengthParams::in_ln_mean_v(Family::Gamma, 0.1).unwrap();
    assert!((t.strength().mean() - 0.1).abs() < 1e-15 && t.strength().v() == 0.05);
    t.set([0.0, -3.0]).unwrap();
    assert_eq!((t.params(), t.strength().mean(), t.strength().v()), ([0.0, 0.0], 1.0, 0.0));
    for bad in [[f64::NAN, 0.0], [0.0, f64::INFINITY], [f64::NEG_INFINITY, 0.0]] {
        assert_eq!(t.set(bad), Err(LearnError::NotFinite));
        assert_eq!(t.params(), [0.0, 0.0]);
    }
    t.set([1e300, 1e300]).unwrap();
    assert_eq!(t.params(), [60.0, 40.0_f64.exp()]);
    let held = &mut t.with_mean_held();
    held.set([1.0, 2.0]).unwrap();
    assert_eq!(held.params(), [60.0, 2.0]);
    let t = StrengthParams::in_ln_mean_ln_cv(Family::LogNormal, 0.1).unwrap();
    assert!((t.strength().cv() - 0.5).abs() < 1e-15);
    for mean in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert_eq!(StrengthParams::in_ln_mean_v(Family::Gamma, mean), Err(LearnError::NotFinite));
    }
    // The corners of the range hold in both precisions.
    for family in Family::ALL {
        for corner in [[-1e9, -1e9], [-1e9, 1e9], [1e9, -1e9], [1e9, 1e9]] {
            for new in [StrengthParams::in_ln_mean_v, StrengthParams::in_ln_mean_ln_cv] {
                let mut t = new(family, 1.0).unwrap();
                t.set(corner).unwrap();
                t.evaluate(&Batch::new(&[1.0_f32, -2.0]), Rows::new()).unwrap();
                t.evaluate(&Batch::new(&[1.0_f64, -2.0]), Rows::new()).unwrap();
            }
        }
    }
}

/// Plain gradient descent reaches what Newton's method finds.
#[test]
fn descent_ends_at_the_fit() {
    let margins = simulate(&beta(Family::Gamma, 1.0, 1.0), 2000, 2);
    let fit = fit(Family::Gamma, &margins).unwrap();
    for new in [StrengthParams::in_ln_mean_ln_cv, StrengthParams::in_ln_mean_v] {
        let mut t = new(Family::Gamma, 0.5).unwrap();
        for _ in 0..3000 {
            let sums = t.evaluate(&Batch::new(&margins), Rows::new()).unwrap();
            let ([a, b], rate) = (t.params(), 4.0 / sums.weight);
            t.set([a - rate * sums.d_params[0], b - rate * sums.d_params[1]]).unwrap();
        }
        assert!((t.strength().mean() / fit.strength.mean() - 1.0).abs() < 1e-3, "{t:?} {fit:?}");
        assert!((t.strength().cv() / fit.strength.cv() - 1.0).abs() < 1e-3, "{t:?} {fit:?}");
    }
}

fn close(a: &LossSums, b: &LossSums, tolerance: f64) -> bool {
    let all = |t: &LossSums| {
        let [[p, q], [r, s]] = t.outer;
        [t.weight, t.nll, t.gradient[0], t.gradient[1], p, q, r, s]
    };
    let size = a.nll.abs() + a.outer[0][0].abs() + a.outer[1][1].abs();
    a.number == b.number && all(a).iter().zip(all(b)).all(|(a, b)| (a - b).abs() <= tolerance * size)
}

#[test]
fn totals_are_sums_over_margins() {
    let margins = simulate(&beta(Family::Gamma, 0.7, 0.8), 9000, 3);
    let weights: Vec<f64> = (0..margins.len()).map(|i| f64::from(i as u32 % 4)).collect();
    let p = Gamma::from_mean_v(0.9, 0.5).unwrap();
    let mut truth = LossSums::default();
    for (&d, &w) in margins.iter().zip(&weights) {
        let g = p.nll_gradient_in(d, Coordinates::LnMeanV);
        let s = g.d_params;
        truth += LossSums {
            number: 1,
            weight: w,
            nll: w * g.value,
            gradient: s.map(|s| w * s),
            outer: s.map(|a| s.map(|b| w * a * b)),
            hessian: None,
        };
    }
    let p = AnyStrength::Gamma(p);
    let whole = LossSums::evaluate(&p, Weighted::new(&margins, &weights).unwrap()).unwrap();
    assert!(close(&whole, &truth, 1e-12), "{whole:?} {truth:?}");
    assert!(whole.outer[0][1] == whole.outer[1][0] && whole.outer[0][1] != 0.0);
    // In any split.
    for cut in [0, 1, 100, 4096, 5000, 9000] {
        let part = |r: std::ops::Range<usize>| {
            LossSums::evaluate(&p, Weighted::new(&margins[r.clone()], &weights[r]).unwrap()).unwrap()
        };
        let mut merged = part(0..cut);
        merged += part(cut..9000);
        assert!(close(&merged, &whole, 1e-13), "cut {cut}");
        assert_eq!(merged, part(0..cut) + part(cut..9000));
    }
    let streamed = LossSums::evaluate(&p, Chunks(&margins, 777)).unwrap();
    assert!(close(&streamed, &LossSums::evaluate(&p, &margins[..]).unwrap(), 1e-13));
    let empty: &[f64] = &[];
    assert_eq!(LossSums::evaluate(&p, empty).unwrap(), LossSums::default());
    assert_eq!(LossSums::evaluate(&p, &[1.0, f64::NAN][..]), Err(LearnError::Margin { index: 1 }));
    assert_eq!(
        LossSums::evaluate(&p, Weighted::new(&[1.0, 2.0], &[1.0, -1.0]).unwrap()),
        Err(LearnError::Weight { index: 1 })
    );
}

/// The Hessian of totals against differences of the scalar kernels with a step of their own; sums of shards; v = 0.
#[test]
fn totals_have_a_hessian() {
    let margins = simulate(&beta(Family::Gamma, 0.7, 0.8), 6000, 3);
    let weights: Vec<f64> = (0..margins.len()).map(|i| f64::from(i as u32 % 4)).collect();
    let source = |r: std::ops::Range<usize>| Weighted::new(&margins[r.clone()], &weights[r]).unwrap();
    for family in SPREADS {
        for v in [0.0, 1e-9, 1e-3, 0.5, 4.0] {
            let p = beta(family, 0.9, v);
            let totals = LossSums::evaluate_with_hessian(&p, source(0..6000)).unwrap();
            let [[mm, mv], [vm, vv]] = totals.hessian.unwrap();
            let gradient = |a: f64, b: f64| {
                let p = beta(family, 0.9 * a.exp(), v + b);
                LossSums::evaluate(&p, source(0..6000)).unwrap().gradient
            };
            let (h, a) = (3e-4, [gradient(3e-4, 0.0), gradient(-3e-4, 0.0)]);
            // Second order, one-sided in v.
            let b = [gradient(0.0, 0.0), gradient(0.0, h), gradient(0.0, 2.0 * h)];
            let of_v = |i: usize| (4.0 * b[1][i] - 3.0 * b[0][i] - b[2][i]) / (2.0 * h);
            let near =
                |x: f64, y: f64| assert!((x - y).abs() < 1e-4 * y.abs().max(mm), "{family} {v}: {x} {y}");
            near(mm, (a[0][0] - a[1][0]) / (2.0 * h));
            near(mv, (a[0][1] - a[1][1]) / (2.0 * h));
            near(vm, of_v(0));
            near(vv, of_v(1));
            assert_eq!(totals.gradient, LossSums::evaluate(&p, source(0..6000)).unwrap().gradient);
            let mut parts = LossSums::default();
            for r in [0..10, 10..10, 10..5000, 5000..6000] {
                parts += LossSums::evaluate_with_hessian(&p, source(r)).unwrap();
            }
            let ([[am, _], [_, av]], scale) = (parts.hessian.unwrap(), mm.abs() + vv.abs());
            assert!((am - mm).abs() < 1e-7 * scale && (av - vv).abs() < 1e-7 * scale, "{family} {v}");
            parts += LossSums::evaluate(&p, source(0..3)).unwrap();
            assert_eq!(parts.hessian, None);
        }
    }
    let fixed = LossSums::evaluate_with_hessian(&beta(Family::Fixed, 0.9, 0.0), source(0..6000)).unwrap();
    let gamma = LossSums::evaluate_with_hessian(&beta(Family::Gamma, 0.9, 0.0), source(0..6000)).unwrap();
    let ([[a, b], [_, c]], [[x, y], _]) = (fixed.hessian.unwrap(), gamma.hessian.unwrap());
    assert!((a - x).abs() < 1e-9 * x.abs() && (b - y).abs() < 1e-9 * x.abs() && c == 0.0);
}

#[test]
fn homogeneous_margins_collapse() {
    let (mut boundaries, n) = (0, 20_000);
    for seed in 12..16 {
        let margins = simulate(&beta(Family::Fixed, 0.5, 0.0), n, seed);
        let report = learn::heterogeneity(&margins[..], &Options::default()).unwrap();
        let error = report.fits[Family::Fixed].errors.ln_mean.unwrap();
        assert!((report.fits[Family::Fixed].strength.mean() / 0.5).ln().abs() < 3.0 * error, "{report:?}");
        for family in SPREADS {
            let fit = &report.fits[family];
            let gain = fit.log_likelihood - report.fits[Family::Fixed].log_likelihood;
            assert!(fit.is_maximum() && (0.0..2.0).contains(&gain), "{seed}: {fit:?}");
            boundaries += u32::from(fit.status == FitStatus::Boundary);
            if report.score.unwrap().z < 0.0 {
                assert!(
                    fit.status == FitStatus::Boundary && gain == 0.0 && fit.strength.v() == 0.0,
                    "{seed}: {fit:?}"
                );
                assert_eq!(fit.strength.mean(), report.fits[Family::Fixed].strength.mean());
                assert!(fit.errors.v.is_none() && fit.errors.cv.is_none());
            }
            assert!(report.likelihood_ratio(family).unwrap().p > 0.02);
        }
        assert_eq!(report.verdict().choices, ChoicesVerdict::Plain, "{seed}: {report:?}");
        assert_eq!(report.best_by_bic(), Some(Family::Fixed));
    }
    assert!((2..=10).contains(&boundaries), "{boundaries} of 12");
}

/// A gradient next to 0, in the larger of which the terms nearly cancel.
fn stationary(fit: &Fit, margins: &[f64]) {
    let [log_likelihood, d_ln_mean, d_v] = scalar(&fit.strength, margins);
    assert!((log_likelihood - fit.log_likelihood).abs() < 1e-11 * log_likelihood.abs());
    let (m, v) = (fit.errors.ln_mean.unwrap(), fit.errors.v.unwrap());
    // In units of standard errors.
    assert!((d_ln_mean * m).abs() < 1e-5 && (d_v * v).abs() < 1e-5, "{fit:?}: {d_ln_mean} {d_v}");
    assert!(fit.gradient < 1e-6);
}

#[test]
fn spreads_are_recovered() {
    let v = 1.0_f64.exp_m1(); // σ = 1
    for (family, truth) in [(Family::Gamma, 1.44), (Family::LogNormal, v)] {
        let mut strengths = 0;
        for seed in 20..26 {
            let margins = simulate(&beta(family, 0.8, truth), 20_000, seed);
            let fit = &fit(family, &margins).unwrap();
            let fixed = self::fit(Family::Fixed, &margins).unwrap();
            assert_eq!(fit.status, FitStatus::Interior);
            let (m, c) = (fit.errors.ln_mean.unwrap(), fit.errors.cv.unwrap());
            let z = [(fit.strength.mean() / 0.8).ln() / m, (fit.strength.cv() - truth.sqrt()) / c];
            println!(
                "{family} seed {seed}: mean {:.4} (s.e. ln {m:.4}), cv {:.4} ± {c:.4}, z {z:.2?}, LR {:.1}",
                fit.strength.mean(),
                fit.strength.cv(),
                2.0 * (fit.log_likelihood - fixed.log_likelihood)
            );
            assert!(z.iter().all(|z| z.abs() < 2.5), "{family}, seed {seed}: {z:?}");
            assert!(m < 0.1 && c < 0.2);
            stationary(fit, &margins);
            let choices = Choices::of_margins(&margins, None, fixed.strength.mean()).unwrap();
            let score = choices.test_spread_beyond_lapse(0.0).unwrap().unwrap();
            assert!(score.z > 5.0 && score.z_outer.is_some_and(|z| z > 3.0));
            // What is behind it costs all models.
            if seed < 21 {
                let verdict = learn::heterogeneity(&margins[..], &Options::default()).unwrap().verdict();
                let strength = verdict.choices == ChoicesVerdict::Strength;
                assert!(strength || verdict.choices == ChoicesVerdict::CannotTell, "{verdict}");
                strengths += u32::from(strength);
            }
        }
        assert!(strengths > 0, "{family}");
    }
}

/// Many margins: starts from a sample, the fit on all.
#[test]
fn many_margins_are_fitted_in_full() {
    let margins = simulate(&beta(Family::Gamma, 0.8, 1.0), 300_000, 27);
    let gamma = fit(Family::Gamma, &margins).unwrap();
    assert_eq!((gamma.status, gamma.number), (FitStatus::Interior, 300_000));
    stationary(&gamma, &margins);
    assert!((gamma.strength.cv() - 1.0).abs() < 2.5 * gamma.errors.cv.unwrap(), "{gamma:?}");
    // A unit far from everyday ones, which the sample may see with another one.
    let scaled: Vec<f64> = margins.iter().map(|d| d * 1e-30).collect();
    let scaled = fit(Family::Gamma, &scaled).unwrap();
    assert!((scaled.strength.mean() * 1e-30 / gamma.strength.mean() - 1.0).abs() < 1e-6, "{scaled:?}");
    let plain = simulate(&beta(Family::Fixed, 0.5, 0.0), 300_000, 28);
    let fixed = fit(Family::Fixed, &plain).unwrap();
    let gamma = fit(Family::Gamma, &plain).unwrap();
    let gain = gamma.log_likelihood - fixed.log_likelihood;
    assert!((0.0..2.0).contains(&gain) && gamma.is_maximum(), "{gamma:?}");
}

/// Standard errors are those of the Hessian in (ln mean, v) itself.
#[test]
fn standard_errors_are_those_of_the_information() {
    let margins = simulate(&beta(Family::LogNormal, 0.8, 1.0), 5000, 30);
    for family in SPREADS {
        let fit = fit(family, &margins).unwrap();
        let (mean, v, h) = (fit.strength.mean(), fit.strength.v(), 1e-4);
        let slope = |a: f64, b: f64| scalar(&beta(family, mean * a.exp(), v + b), &margins);
        let column = |a: f64, b: f64| {
            let (up, down) = (slope(a, b), slope(-a, -b));
            [1, 2].map(|i| (down[i] - up[i]) / (2.0 * h))
        };
        let ([mm, mv], [vm, vv]) = (column(h, 0.0), column(0.0, h));
        assert!((mv - vm).abs() < 1e-4 * mv.abs());
        let determinant = mm * vv - mv * vm;
        let truth = [(vv / determinant).sqrt(), (mm / determinant).sqrt()];
        let covariance = fit.errors.covariance.unwrap();
        assert!((covariance * determinant / -mv - 1.0).abs() < 1e-4, "{family}: {covariance}");
        let got = [fit.errors.ln_mean.unwrap(), fit.errors.v.unwrap()];
        for (got, truth) in got.iter().zip(truth) {
            assert!((got / truth - 1.0).abs() < 1e-4, "{family}: {got} {truth}");
        }
        assert!((fit.errors.cv.unwrap() / (got[1] / (2.0 * v.sqrt())) - 1.0).abs() < 1e-12);
    }
}

#[test]
fn weights_are_repetitions() {
    let margins = simulate(&beta(Family::Gamma, 0.8, 1.0), 3000, 40);
    let weights: Vec<f64> = (0..margins.len()).map(|i| f64::from(i as u32 % 3)).collect();
    let repeated: Vec<f64> =
        margins.iter().zip(&weights).flat_map(|(&d, &w)| std::iter::repeat_n(d, w as usize)).collect();
    let options = Options::default();
    let a = learn::heterogeneity(Weighted::new(&margins, &weights).unwrap(), &options).unwrap();
    let b = learn::heterogeneity(&repeated[..], &options).unwrap();
    for family in Family::ALL {
        same(&a.fits[family], &b.fits[family], 1e-9);
        assert!((a.fits[family].bic().unwrap() - b.fits[family].bic().unwrap()).abs() < 1e-8);
    }
    assert!((a.score.unwrap().z - b.score.unwrap().z).abs() < 1e-9);
    assert!((a.score.unwrap().z_outer.unwrap() - b.score.unwrap().z_outer.unwrap()).abs() < 1e-9);
    // A weight of 0 is absence, also where the margin would decide everything.
    let (mut more, mut weights) = (margins.clone(), vec![1.0; margins.len()]);
    more.push(-1e9);
    weights.push(0.0);
    let c = learn::fit(Family::Gamma, Weighted::new(&more, &weights).unwrap(), &options).unwrap();
    same(&c, &fit(Family::Gamma, &margins).unwrap(), 1e-9);
}

fn same(a: &Fit, b: &Fit, tolerance: f64) {
    assert_eq!(a.status, b.status);
    assert!((a.log_likelihood - b.log_likelihood).abs() < tolerance * b.log_likelihood.abs(), "{a:?} {b:?}");
    assert!((a.strength.mean() / b.strength.mean() - 1.0).abs() < 100.0 * tolerance, "{a:?} {b:?}");
    assert!((a.strength.v() - b.strength.v()).abs() < 100.0 * tolerance, "{a:?} {b:?}");
    assert!((a.errors.ln_mean.unwrap() / b.errors.ln_mean.unwrap() - 1.0).abs() < 1e-5);
}

#[test]
fn sources_are_equal() {
    let margins = simulate(&beta(Family::Gamma, 0.8, 1.0), 30_000, 41);
    let single: Vec<f32> = margins.iter().map(|&d| d as f32).collect();
    let options = Options::default();
    for family in Family::ALL {
        let whole = fit(family, &margins).unwrap();
        for size in [1000, 29_999] {
            same(&learn::fit(family, Chunks(&margins, size), &options).unwrap(), &whole, 1e-10);
        }
        same(&learn::fit(family, &single[..], &options).unwrap(), &whole, 1e-6);
        // The unit of the margins is that of 1/β.
        for unit in [2.0_f64.powi(-500), 2.0_f64.powi(500)] {
            let scaled: Vec<f64> = margins.iter().map(|d| d * unit).collect();
            let scaled = fit(family, &scaled).unwrap();
            assert!((scaled.strength.mean() * unit / whole.strength.mean() - 1.0).abs() < 1e-7, "{scaled:?}");
            assert!((scaled.log_likelihood / whole.log_likelihood - 1.0).abs() < 1e-12);
        }
    }
}

/// Every kind of margins that no p(β) is the answer to.
#[test]
fn nothing_is_invented() {
    for family in Family::ALL {
        assert_eq!(refused(family, &[]), LearnError::NoMargins);
        assert_eq!(refused(family, &[0.0, -0.0]), LearnError::AllZero);
        assert_eq!(refused(family, &[1.0, 0.0, 3.0]), LearnError::Separable);
        assert_eq!(refused(family, &[-1.0, 0.0, -3.0]), LearnError::MeanVanishes);
        assert_eq!(refused(family, &[-1.0, 2.0, f64::NAN]), LearnError::Margin { index: 2 });
        assert_eq!(refused(family, &[-1.0, f64::NEG_INFINITY, 2.0]), LearnError::Margin { index: 1 });
        let weighted = |margins: &[f64], weights: &[f64]| {
            learn::fit(family, Weighted::new(margins, weights).unwrap(), &Options::default()).unwrap_err()
        };
        assert_eq!(weighted(&[1.0, -1.0], &[0.0, 0.0]), LearnError::NoWeight);
        assert_eq!(weighted(&[1.0, -1.0], &[1.0, 0.0]), LearnError::Separable);
        assert_eq!(weighted(&[1.0, -1.0], &[1.0, f64::NAN]), LearnError::Weight { index: 1 });
        assert_eq!(weighted(&[1.0, -1.0], &[1.0, -1.0]), LearnError::Weight { index: 1 });
        assert_eq!(weighted(&[1.0, -2.0], &[1e200, 1.0]), LearnError::WeightOutOfRange);
        for max_cv in [0.0, f64::NAN, 1e9] {
            let options = Options { max_cv, ..Options::default() };
            assert_eq!(learn::fit(family, &[2.0, -1.0][..], &options), Err(LearnError::MaxCv));
        }
    }
    assert_eq!(
        Weighted::new(&[1.0, 2.0], &[1.0]).unwrap_err(),
        LearnError::Batch(BatchError::Length { slice: "weights", expected: 2, found: 1 })
    );
    // One size: E[σ(βd)] = ¾ tells β if it is fixed, and no spread.
    let one_size = [2.0, 2.0, 0.0, 2.0, -2.0];
    assert!((fit(Family::Fixed, &one_size).unwrap().strength.mean() - 0.5 * 3.0_f64.ln()).abs() < 1e-6);
    for family in SPREADS {
        assert_eq!(refused(family, &one_size), LearnError::OneSize);
    }
    assert_eq!(learn::heterogeneity(&one_size[..], &Options::default()), Err(LearnError::OneSize));
    // The wrong way round: no β is better than none.
    let against: Vec<f64> = simulate(&beta(Family::Fixed, 1.0, 0.0), 500, 50).iter().map(|d| -d).collect();
    for family in Family::ALL {
        assert_eq!(refused(family, &against), LearnError::MeanVanishes);
    }
    // Σ D < 0 through one margin: `Fixed` has no maximum, and a spread explains it.
    let mut outlier: Vec<f64> = simulate(&beta(Family::Fixed, 1.0, 0.0), 500, 51);
    outlier.push(-1e5);
    assert_eq!(refused(Family::Fixed, &outlier), LearnError::MeanVanishes);
    let report = learn::heterogeneity(&outlier[..], &Options::default()).unwrap();
    let fixed = &report.fits[Family::Fixed];
    assert_eq!((fixed.status, fixed.strength.mean(), report.score), (FitStatus::MeanZero, 0.0, None));
    for family in SPREADS {
        let found = fit(family, &outlier).unwrap();
        println!("{family} with an outlier: {:?} at {:?}", found.status, found.strength);
        // Without a strength it is −501 ln 2 = −347. The inverse Gaussian has hardly any β next to 0.
        let least = if family == Family::InverseGaussian { -330.0 } else { -200.0 };
        assert!(found.log_likelihood > least && found.status != FitStatus::NotConverged, "{found:?}");
    }
}

#[test]
fn sources_that_fail_or_change_are_named() {
    struct Failing(u32);
    impl Margins for Failing {
        fn for_each(&mut self, take: &mut ChunkSink<'_>) -> Result<(), LearnError> {
            self.0 += 1;
            take(&[1.0, 2.0, -1.5], None)?;
            match self.0 {
                3 => Err(LearnError::Source("disk".into())),
                _ => Ok(()),
            }
        }
    }
    let failed = learn::fit(Family::Gamma, Failing(0), &Options::default());
    assert_eq!(failed, Err(LearnError::Source("disk".into())));
    struct Growing(Vec<f64>);
    impl Margins for Growing {
        fn for_each(&mut self, take: &mut ChunkSink<'_>) -> Result<(), LearnError> {
            self.0.push(1.0);
            take(&self.0, None)
        }
    }
    let changed = learn::fit(Family::Fixed, Growing(vec![-1.0, 3.0]), &Options::default());
    assert_eq!(changed, Err(LearnError::Changed));
    struct Uneven;
    impl Margins for Uneven {
        fn for_each(&mut self, take: &mut ChunkSink<'_>) -> Result<(), LearnError> {
            take(&[1.0, -2.0], Some(&[1.0]))
        }
    }
    assert!(matches!(learn::fit(Family::Fixed, Uneven, &Options::default()), Err(LearnError::Batch(_))));
    assert!(matches!(LossSums::evaluate(&beta(Family::Fixed, 1.0, 0.0), Uneven), Err(LearnError::Batch(_))));
}

/// Choices that do not depend on the size of the margin: a step function, which is cv → ∞.
#[test]
fn a_step_function_is_no_fit() {
    let mut rng = ChaCha8Rng::seed_from_u64(60);
    let margins: Vec<f64> = (0..2000)
        .map(|i| {
            let size: f64 =
                10.0_f64.powf(6.0 * Distribution::<f64>::sample(&StandardUniform, &mut rng) - 3.0);
            if i % 10 < 8 { size } else { -size }
        })
        .collect();
    for family in SPREADS {
        let fit = fit(family, &margins).unwrap();
        assert_eq!(fit.status, FitStatus::Unbounded, "{fit:?}");
        assert!((fit.strength.cv() - 5.0).abs() < 1e-6 && fit.aic().is_none() && !fit.is_maximum());
        assert_eq!(fit.errors, learn::StandardErrors::default());
    }
    let report = learn::heterogeneity(&margins[..], &Options::default()).unwrap();
    // One in five goes the other way, and that has a maximum.
    let (verdict, noise) = (report.verdict(), &report.lapsed[Family::Fixed]);
    assert!((noise.lapse - 0.2).abs() < 3.0 * noise.errors.lapse.unwrap(), "{noise:?}");
    assert_eq!(verdict.choices, ChoicesVerdict::Noise, "{verdict}");
    assert!(report.likelihood_ratio(Family::Gamma).is_none());
    // Unless a spread is better still, on its way to the cap: then that is no fit.
    let names = SPREADS.map(|family| family.to_string()).join(", ");
    for (better, choices) in [(0.5, ChoicesVerdict::Noise), (1.5, ChoicesVerdict::NoFit)] {
        let mut report = report.clone();
        let log_likelihood = report.lapsed[Family::Fixed].log_likelihood + better;
        report.fits = report.fits.map(|family, fit| match family {
            Family::Fixed => fit,
            _ => Fit { log_likelihood, ..fit },
        });
        let verdict = report.verdict();
        assert!(verdict.choices == choices && verdict.is_fit() == (choices == ChoicesVerdict::Noise));
        let said = verdict.to_string().contains(&format!("no finite maximum ({names})"));
        assert!(said != verdict.is_fit(), "{verdict}");
    }
    // Stopped short is said, too.
    let margins = simulate(&beta(Family::Gamma, 0.8, 1.0), 3000, 61);
    let options = Options { max_iterations: 1, ..Options::default() };
    let fit = learn::fit(Family::Gamma, &margins[..], &options).unwrap();
    assert!(fit.status == FitStatus::NotConverged && fit.bic().is_none());
    let verdict = learn::heterogeneity(&margins[..], &options).unwrap().verdict();
    assert!(verdict.choices == ChoicesVerdict::NoFit && verdict.to_string().contains("not converged"));
}

/// The score test against its definition by the scalar kernels.
#[test]
fn the_score_is_what_it_says() {
    let margins = simulate(&beta(Family::Gamma, 0.8, 0.3), 1000, 70);
    let report = learn::heterogeneity(&margins[..], &Options::default()).unwrap();
    let fixed = LogNormal::from_mean_v(report.fits[Family::Fixed].strength.mean(), 0.0).unwrap();
    let (mut score, mut expected, mut outer) = (0.0, [0.0; 3], [0.0; 3]);
    for &d in &margins {
        score -= fixed.nll_gradient_in(d, Coordinates::LnMeanV).d_params[1];
        let add = |sums: &mut [f64; 3], w: f64, d: f64| {
            let [d_ln_mean, d_v] = fixed.nll_gradient_in(d, Coordinates::LnMeanV).d_params;
            let terms = [d_ln_mean * d_ln_mean, d_ln_mean * d_v, d_v * d_v];
            sums.iter_mut().zip(terms).for_each(|(sum, term)| *sum += w * term);
        };
        add(&mut outer, 1.0, d);
        for choice in [d, -d] {
            add(&mut expected, fixed.expected_sigmoid(choice), choice);
        }
    }
    let z = |[mm, mv, vv]: [f64; 3]| score / (vv - mv * mv / mm).sqrt();
    assert!(
        (report.score.unwrap().z / z(expected) - 1.0).abs() < 1e-9,
        "{} {}",
        report.score.unwrap().z,
        z(expected)
    );
    assert!((report.score.unwrap().z_outer.unwrap() / z(outer) - 1.0).abs() < 1e-9);
    assert!(report.score.unwrap().p > 0.0 && report.score.unwrap().p < 0.5);
    // The p-values at textbook points.
    let lr = report.likelihood_ratio(Family::Gamma).unwrap();
    let p = rand_free_p(lr.statistic);
    assert!((lr.p / p - 1.0).abs() < 1e-6, "{lr:?} {p}");
}

/// ½P(χ²₁ ≥ x) = P(Z ≥ √x), by Simpson's rule.
fn rand_free_p(x: f64) -> f64 {
    let (a, n, h) = (x.sqrt(), 20_000, 1e-3);
    let density = |z: f64| (-0.5 * z * z).exp() / (2.0 * std::f64::consts::PI).sqrt();
    let weight = |i: u32| {
        if i == 0 || i == n {
            1.0
        } else if i % 2 == 1 {
            4.0
        } else {
            2.0
        }
    };
    (0..=n).map(|i| weight(i) * density(a + f64::from(i) * h)).sum::<f64>() * h / 3.0
}

/// Rejections at 5 % among 200 sets of 500 margins: of the score test (both versions), and of the ratio.
fn rejections(truth: &AnyStrength, seeds: std::ops::Range<u64>) -> [f64; 3] {
    let (mut counts, n) = ([0; 3], seeds.end - seeds.start);
    for seed in seeds {
        let margins = simulate(truth, 500, seed);
        let fixed = fit(Family::Fixed, &margins).unwrap();
        let choices = Choices::of_margins(&margins, None, fixed.strength.mean()).unwrap();
        let score = choices.test_spread_beyond_lapse(0.0).unwrap().unwrap();
        let gamma = fit(Family::Gamma, &margins).unwrap();
        let root = (2.0 * (gamma.log_likelihood - fixed.log_likelihood)).max(0.0).sqrt();
        let ratio = if gamma.is_maximum() && root > 0.0 { normal_cdf(-root) } else { 1.0 };
        let p = [score.p, score.p_outer.unwrap_or(1.0), ratio];
        for (count, p) in counts.iter_mut().zip(p) {
            *count += u32::from(p < 0.05);
        }
    }
    counts.map(|count| f64::from(count) / n as f64)
}

#[test]
fn the_score_test_has_its_size_and_power() {
    let size = rejections(&beta(Family::Fixed, 0.5, 0.0), 1000..1200);
    let power = rejections(&beta(Family::Gamma, 0.8, 1.0), 2000..2200);
    println!("score, outer, LR Gamma: size {size:?}, power at cv 1 {power:?}");
    for i in [0, 2] {
        assert!((0.02..=0.09).contains(&size[i]), "{size:?}");
        assert!(power[i] > 0.5 && power[i] > 3.0 * size[i], "{power:?}");
    }
}

/// `cargo test --release --test learn -- --ignored --nocapture time`
#[test]
#[ignore = "seconds, and memory for ten million margins"]
fn time() {
    let margins = simulate(&beta(Family::Gamma, 0.8, 1.0), 10_000_000, 80);
    for n in [1_000_000, 10_000_000] {
        for family in Family::ALL {
            let start = std::time::Instant::now();
            let fit = fit(family, &margins[..n]).unwrap();
            println!(
                "{family} {n}: {:?}, {} iterations, {:?}",
                start.elapsed(),
                fit.iterations,
                fit.strength
            );
        }
    }
}

#[cfg(feature = "serde")]
#[test]
fn everything_can_be_stored() {
    let margins = simulate(&beta(Family::Gamma, 0.8, 1.0), 500, 90);
    let report = learn::heterogeneity(&margins[..], &Options::default()).unwrap();
    let text = serde_json::to_string(&report).unwrap();
    let back: learn::Comparison<Fit> = serde_json::from_str(&text).unwrap();
    assert_eq!(back.verdict(), report.verdict());
    assert!((back.fits[Family::Gamma].strength.v() - report.fits[Family::Gamma].strength.v()).abs() < 1e-14);
    let mut t = StrengthParams::in_ln_mean_v(Family::LogNormal, 0.5).unwrap().with_mean_held();
    t.set([0.0, 0.25]).unwrap();
    let held = t.with_scale_held().with_max_cv(2.0).unwrap().with_prior_cv(0.5).unwrap();
    let text = serde_json::to_string(&held).unwrap();
    assert_eq!(serde_json::from_str::<StrengthParams>(&text).unwrap(), held);
    assert!(serde_json::from_str::<StrengthParams>(&text.replace("0.5", "-0.5")).is_err());
    let back: StrengthParams = serde_json::from_str(&serde_json::to_string(&t).unwrap()).unwrap();
    assert_eq!(back.params()[1], 0.25);
    assert_eq!(back.coordinates(), t.coordinates());
    let totals = LossSums::evaluate(&t.strength(), &margins[..]).unwrap();
    let back: LossSums = serde_json::from_str(&serde_json::to_string(&totals).unwrap()).unwrap();
    assert!(close(&back, &totals, 1e-14));
    // What is no p(β) is refused.
    let bad = r#"{"family":"Gamma","mean":-1.0,"v":0.5}"#;
    assert!(serde_json::from_str::<AnyStrength>(bad).is_err());
    assert!(serde_json::from_str::<AnyStrength>(r#"{"family":"Fixed","mean":1.0,"v":0.5}"#).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever the bits: an error or a fit without NaN, in bounded time.
    #[test]
    fn arbitrary_bits_are_survived(
        bits in prop::collection::vec(any::<u64>(), 0..40),
        exponents in prop::collection::vec((-320.0..308.0f64, any::<bool>()), 0..20),
        few in prop::collection::vec(-3.0..5.0f64, 0..20),
        weights in prop::collection::vec(prop_oneof![Just(0.0), Just(1.0), Just(1e-50), 0.0..3.0f64], 80),
        raw in any::<bool>(),
    ) {
        let mut margins: Vec<f64> = bits.iter().map(|&b| f64::from_bits(b)).collect();
        margins.retain(|d| raw || d.is_finite());
        margins.extend(exponents.iter().map(|&(e, s)| if s { 10f64.powf(e) } else { -(10f64.powf(e)) }));
        margins.extend(&few);
        let all = [Options::default(), Options { max_cv: 100.0, max_iterations: 20, ..Options::default() }];
        for (i, options) in all.into_iter().enumerate() {
            for family in Family::ALL {
                let weighted = Weighted::new(&margins, &weights[..margins.len()]).unwrap();
                if let Ok(fit) = learn::fit(family, weighted, &options) {
                    prop_assert!(!fit.log_likelihood.is_nan() && fit.strength.mean() > 0.0, "{fit:?}");
                    prop_assert!(fit.strength.cv() <= options.max_cv * (1.0 + 1e-12), "{fit:?}");
                    prop_assert!(!fit.is_maximum() || fit.gradient <= 1e-3, "{fit:?}");
                }
            }
            // All models cost four times as much.
            if usize::from(raw) != i {
                continue;
            }
            if let Ok(report) = learn::heterogeneity(&margins[..], &options) {
                prop_assert!(report.score.is_none_or(|s| !s.z.is_nan() && (0.0..=1.0).contains(&s.p)), "{report:?}");
                let text = report.verdict().to_string();
                prop_assert!(!text.contains("NaN") && !text.contains("inf"), "{text}");
            }
        }
        let _ = LossSums::evaluate(&AnyStrength::from_mean_v(Family::Gamma, 1.0, 1.0).unwrap(), &margins[..]);
    }
}

/// Many margins are summed as few, to rounding: the maximum is that of all of them, and so are its errors.
#[test]
fn many_margins_are_summed_to_rounding() {
    let truth = AnyStrength::from_mean_v(Family::Gamma, 0.7, 0.8).unwrap();
    let mut margins = simulate(&truth, 30_000, 9);
    margins[7] = 0.0;
    let options = Options::default();
    for model in [
        Model::new(Family::Gamma),
        Model::new(Family::Fixed).with_lapse(),
        Model::new(Family::Fixed).with_curvature(),
    ] {
        let fit = learn::fit(model, &margins[..], &options).unwrap();
        let nll = |curve: &learn::ChoiceCurve| margins.iter().map(|&d| curve.nll(d)).sum::<f64>();
        let direct = nll(&fit.curve());
        assert!(
            (fit.log_likelihood + direct).abs() < 1e-11 * direct,
            "{model}: {} {direct}",
            fit.log_likelihood
        );
        // It is the maximum of the sum over all: a hundredth of a standard error to either side are alike.
        let error = fit.errors.ln_mean.unwrap();
        let moved = |by: f64| {
            let strength = AnyStrength::from_mean_v(
                model.family,
                fit.strength.mean() * (by * error).exp(),
                fit.strength.v(),
            );
            let curve =
                learn::ChoiceCurve::from(strength.unwrap()).with_lapse(Lapse::new(fit.lapse).unwrap());
            nll(&curve.with_curvature(fit.curvature).unwrap()) - direct
        };
        let slope = (moved(0.01) - moved(-0.01)) / 0.02;
        assert!(slope.abs() < 1e-5, "{model}: {slope}");
        // In another order and in other chunks.
        let mut turned = margins.clone();
        turned.reverse();
        let again = learn::fit(model, &turned[..], &options).unwrap();
        assert!((again.strength.mean() / fit.strength.mean() - 1.0).abs() < 1e-9);
        let (a, b) = (again.robust.ln_mean.unwrap(), fit.robust.ln_mean.unwrap());
        assert!((a / b - 1.0).abs() < 1e-7);
        // The sandwich without groups, against every choice as a group of its own.
        let ids: Vec<u32> = (0..30_000).collect();
        let grouped = Weighted::equally(&margins).with_groups(&ids).unwrap();
        let by_choice = learn::fit(model, grouped, &options).unwrap();
        assert!((by_choice.robust.ln_mean.unwrap() / b - 1.0).abs() < 1e-9);
    }
}
