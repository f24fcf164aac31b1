//! Labels that may be flipped: the lapse against vectors, against its definition in double-double, and at its ends.

use crate::support::batch::Random;
use crate::support::dd::Dd;
use crate::support::{EPS, Errors, Vectors};
use prefstrength::batch::{Batch, BatchError, Direct, Number, PerElement, Plan, Rows, Sums};
use prefstrength::math::sigmoid;
use prefstrength::sampling::MonteCarlo;
use prefstrength::{
    AnyStrength, Coordinates, Family, Gamma, Lapse, Level, ParamError, Real, Smoothing, Strength,
};
use proptest::prelude::*;

/// One row of the vectors.
#[derive(Clone, Debug)]
struct Row {
    family: Family,
    parameters: [f64; 2],
    lapse: f64,
    margin: f64,
    /// Loss, and derivatives in the margin, the parameters and the lapse.
    truth: [f64; 5],
}

impl Row {
    fn native(&self) -> &[f64] {
        &self.parameters[..self.family.parameters().len()]
    }

    /// 1 + |ln(1 − A)| where A > ½.
    fn scale(&self) -> f64 {
        let nll = self.truth[0];
        if nll < core::f64::consts::LN_2 { 1.0 + (-(-nll).exp_m1()).max(5e-324).ln().abs() } else { 1.0 }
    }

    /// What errors are relative to: ∂/∂σ is a difference of two terms.
    fn sizes(&self) -> [f64; 5] {
        let mut sizes = self.truth.map(|x| x.abs() * self.scale());
        if self.family == Family::LogNormal {
            let mean_part = self.parameters[1] * self.margin * self.truth[1];
            sizes[3] = (mean_part.abs() + (self.truth[3] - mean_part).abs()) * self.scale();
        }
        sizes
    }
}

fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    Vectors::load("lapse").each(|get, family| {
        let names = ["nll", "dnll_dmargin", "dnll_dp1", "dnll_dp2", "dnll_dlapse"];
        rows.push(Row {
            family: family.parse().expect("a family"),
            parameters: [get("p1"), get("p2")],
            lapse: get("lapse"),
            margin: get("margin"),
            truth: names.map(get),
        });
    });
    rows
}

const NAMES: [&str; 5] = ["nll", "d_margin", "d_p", "d_p", "d_lapse"];

#[test]
fn vectors() {
    let mut errors = Errors::default();
    for row in rows() {
        let beta = AnyStrength::from_parameters(row.family, row.native()).expect("valid");
        let g = beta.with_lapse(Lapse::new(row.lapse).expect("valid")).nll_gradient(row.margin);
        let got = [g.value, g.d_margin, g.d_params[0], g.d_params[1], g.d_lapse[0]];
        for (i, size) in row.sizes().into_iter().enumerate() {
            let name = format!("lapse {} {}", row.family.name(), NAMES[i]);
            errors.record_f64(&name, got[i], row.truth[i], size, &format!("{row:?}"));
        }
    }
    errors.check();
}

/// Batches of every level and path.
#[test]
fn batches() {
    let mut errors = Errors::default();
    for level in Level::available() {
        for row in rows() {
            let beta = AnyStrength::from_parameters(row.family, row.native()).expect("valid");
            let lapse = Lapse::new(row.lapse).expect("valid");
            let margins = [row.margin; 3];
            let batch = Batch::new(&margins).lapse(lapse);
            let each = [row.lapse; 3];
            let columns: Vec<[f64; 3]> = row.native().iter().map(|&p| [p; 3]).collect();
            let columns: Vec<&[f64]> = columns.iter().map(|c| &c[..]).collect();
            for path in ["direct", "plan", "element"] {
                let mut out = [[0.0; 3]; 5];
                let [nll, d_margin, p0, p1, d_lapse] = &mut out;
                let rows = Rows::new().nll(nll).d_margin(d_margin).d_lapse([d_lapse]);
                let rows = match row.family {
                    Family::Fixed => rows.d_params([p0]),
                    _ => rows.d_params([p0, p1]),
                };
                let sums = match path {
                    "direct" => Direct::new(&beta).with_level(level).evaluate(&batch, rows),
                    "plan" => Plan::with_level(&beta, level).evaluate(&batch, rows),
                    _ => PerElement::new(row.family, &columns)
                        .expect("valid")
                        .with_level(level)
                        .evaluate(&Batch::new(&margins).lapses(&each), rows),
                }
                .expect("a batch");
                if path != "element" {
                    let total = out[4].iter().sum::<f64>();
                    assert!(sums.d_lapse[0] == total || (sums.d_lapse[0] / total - 1.0).abs() < 4.0 * EPS);
                }
                for (i, size) in row.sizes().into_iter().enumerate() {
                    assert!(out[i].iter().all(|x| x.to_bits() == out[i][0].to_bits()));
                    let name = format!("lapse batch {} {}", row.family.name(), NAMES[i]);
                    let at = format!("{path} {level} {row:?}");
                    errors.record_f64(&name, out[i][0], row.truth[i], size, &at);
                }
            }
        }
    }
    errors.check();
}

/// Derivatives in the parameters are those of the plain loss times the share of E[σ] in A, in whatever form a family
/// has them; at ±∞ nothing of it is left.
#[test]
fn derivatives_in_parameters_are_shares_of_the_plain_ones() {
    let lapse = Lapse::by_side(0.05, 0.02).expect("valid");
    for (family, parameters) in [
        (Family::Fixed, vec![1.5]),
        (Family::Gamma, vec![2.0, 0.5]),
        (Family::LogNormal, vec![-0.2, 0.8]),
        (Family::InverseGaussian, vec![1.0, 2.0]),
    ] {
        let beta: AnyStrength<f64> = AnyStrength::from_parameters(family, &parameters).expect("valid");
        let noisy = beta.with_lapse(lapse);
        for margin in [1e-100, 0.5, 3.0, 20.0, 50.0].into_iter().flat_map(|d| [d, -d]) {
            let (plain, found) = (beta.nll_gradient(margin), noisy.nll_gradient(margin));
            let share = 0.93 * beta.expected_sigmoid(margin) / noisy.probability(margin);
            for (plain, found) in plain.d_params.into_iter().zip(found.d_params) {
                let expected = share * plain;
                assert!(
                    (found - expected).abs() <= 1e-13 * expected.abs(),
                    "{beta}: {found} of {expected} at {margin}"
                );
            }
        }
        for margin in [f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(noisy.nll_gradient(margin).d_params, [0.0; 2], "{beta} at {margin}");
        }
    }
}

/// Margins from everywhere.
fn margins() -> Vec<f64> {
    let sizes = [0.0, 1e-300, 1e-12, 0.003, 0.4, 1.7, 6.0, 15.0, 18.0, 40.0, 700.0, 1500.0, 1e5, 1e30];
    let mut margins: Vec<f64> = sizes.iter().flat_map(|&d| [d, -d]).collect();
    margins.extend([f64::INFINITY, f64::NEG_INFINITY, f64::NAN]);
    margins
}

/// One of each family, and a point mass.
fn strengths() -> Vec<AnyStrength> {
    let mut all: Vec<_> = Family::ALL
        .into_iter()
        .map(|family| {
            let cv = if family == Family::Fixed { 0.0 } else { 0.8 };
            AnyStrength::from_mean_cv(family, 0.9, cv).expect("valid")
        })
        .collect();
    all.push(AnyStrength::from_mean_cv(Family::Gamma, 0.9, 0.0).expect("valid"));
    all
}

/// All rows of a batch: loss, d_margin, both parameters and both of the lapse.
fn rows_of<T: Number>(
    batch: &Batch<'_, T>,
    params: usize,
    lapses: usize,
    evaluate: impl Fn(&Batch<'_, T>, Rows<'_, T>) -> Result<Sums, BatchError>,
) -> (Vec<[T; 6]>, Sums) {
    let mut columns = [(); 6].map(|()| vec![T::zero(); batch.len()]);
    let [nll, d_margin, p0, p1, l0, l1] = &mut columns;
    let rows = Rows::new().nll(nll).d_margin(d_margin);
    let rows = if params == 1 { rows.d_params([p0]) } else { rows.d_params([p0, p1]) };
    let rows = match lapses {
        0 => rows,
        1 => rows.d_lapse([l0]),
        _ => rows.d_lapse([l0, l1]),
    };
    let sums = evaluate(batch, rows).expect("a batch");
    ((0..batch.len()).map(|i| columns.each_ref().map(|column| column[i])).collect(), sums)
}

fn bits<T: Number, const N: usize>(row: &[T]) -> [u64; N] {
    core::array::from_fn(|i| Real::to_f64(row[i]).to_bits())
}

/// ε = 0 has the bits of no lapse, on every level and path, in both precisions, with smoothing and weights.
fn zero_in<T: Number>(beta: &AnyStrength<T>) {
    let all: Vec<T> = margins().into_iter().map(T::from_f64).collect();
    let weights: Vec<T> = (0..all.len()).map(|i| T::from_f64((i % 3) as f64)).collect();
    let zeros = vec![T::zero(); all.len()];
    let none = Lapse::none();
    let smoothings = [Smoothing::none(), Smoothing::new(T::from_f64(0.1)).expect("valid")];
    let robust = Smoothing::robust(T::from_f64(0.1)).expect("valid");
    for level in Level::available() {
        for smoothing in smoothings.into_iter().chain([robust]) {
            let batch = Batch::new(&all).weights(&weights).smoothing(smoothing);
            let coordinates = Coordinates::LnMeanV;
            let direct = Direct::new(beta).with_level(level).with_coordinates(coordinates);
            let plan = Plan::with_level(beta, level).with_coordinates(coordinates);
            type Way<'a, T> = dyn Fn(&Batch<'_, T>, Rows<'_, T>) -> Result<Sums, BatchError> + 'a;
            let ways: [&Way<'_, T>; 2] = [&|b, r| direct.evaluate(b, r), &|b, r| plan.evaluate(b, r)];
            for way in ways {
                let (plain, sums) = rows_of(&batch, 2, 0, way);
                for other in [batch.lapse(none), batch.lapses(&zeros), batch.lapses_by_side([&zeros, &zeros])]
                {
                    let (rows, same) = rows_of(&other, 2, 0, way);
                    for (a, b) in plain.iter().zip(&rows) {
                        assert_eq!(bits::<T, 4>(a), bits::<T, 4>(b), "{level} {beta} {smoothing:?}");
                    }
                    assert_eq!(sums.nll.to_bits(), same.nll.to_bits());
                    assert_eq!(sums.d_params.map(f64::to_bits), same.d_params.map(f64::to_bits));
                }
                // Asking for the score at ε = 0 changes nothing else.
                let (rows, _) = rows_of(&batch, 2, 1, way);
                for (a, b) in plain.iter().zip(&rows) {
                    assert_eq!(bits::<T, 4>(a), bits::<T, 4>(b), "{level} {beta} {smoothing:?}");
                }
            }
        }
    }
    for &d in &all {
        let (plain, noisy) = (beta.nll_gradient(d), beta.with_lapse(none).nll_gradient(d));
        assert_eq!(
            bits::<T, 4>(&[plain.value, plain.d_margin, plain.d_params[0], plain.d_params[1]]),
            bits::<T, 4>(&[noisy.value, noisy.d_margin, noisy.d_params[0], noisy.d_params[1]]),
        );
        assert_eq!(
            bits::<T, 1>(&[beta.nll_d2_margin(d)]),
            bits::<T, 1>(&[beta.with_lapse(none).nll_d2_margin(d)])
        );
    }
}

#[test]
fn zero_has_the_bits_of_none() {
    for beta in strengths() {
        zero_in(&beta);
        zero_in(&beta.cast::<f32>().expect("in range"));
    }
}

/// ε → ½: every answer has probability ½.
#[test]
fn half_is_ln_2() {
    let epsilon = 0.5 - f64::EPSILON / 4.0;
    let lapse = Lapse::new(epsilon).expect("below ½");
    for beta in strengths() {
        for d in margins().into_iter().filter(|d| !d.is_nan()) {
            let g = beta.with_lapse(lapse).nll_gradient_in(d, Coordinates::LnMeanV);
            assert!((g.value - core::f64::consts::LN_2).abs() < 3.0 * EPS, "{beta} {d}: {g:?}");
            assert!(
                g.d_margin.abs() < 4.0 * EPS * beta.mean() && g.d_lapse[0].abs() <= 2.0 + 8.0 * EPS,
                "{g:?}"
            );
        }
        for level in Level::available() {
            let all: Vec<f64> = margins().into_iter().filter(|d| !d.is_nan()).collect();
            let direct = Direct::new(&beta).with_level(level).with_coordinates(Coordinates::LnMeanV);
            let (rows, _) = rows_of(&Batch::new(&all).lapse(lapse), 2, 1, |b, r| direct.evaluate(b, r));
            assert!(rows.iter().all(|row| (row[0] - core::f64::consts::LN_2).abs() < 4.0 * EPS), "{rows:?}");
        }
    }
    assert!(Lapse::from_logit(1e9).expect("a number").epsilon()[0] < 0.5);
    assert!(Lapse::from_logit(1e9_f32).expect("a number").epsilon()[0] < 0.5);
}

/// E[σ(βD)] of a Gamma strength in double-double, over u = ln(β/θ).
fn expected(shape: f64, scale: f64, d: f64) -> Dd {
    let (k, step) = (Dd::from(shape), 1.0 / 32.0);
    let (from, to) = (shape.ln() - 80.0 / shape - 4.0, (shape + 30.0 * shape.sqrt() + 90.0).ln());
    let (mut total, mut hit) = (Dd(0.0, 0.0), Dd(0.0, 0.0));
    for i in (from / step).floor() as i32..=(to / step) as i32 {
        let u = Dd::from(f64::from(i) * step);
        let e = u.exp();
        let exponent = k * u - e - (k * k.ln() - k);
        if exponent.0 < -650.0 {
            continue;
        }
        let (density, y) = (exponent.exp(), e * scale.into() * d.into());
        total = total + density;
        if y.0 > -600.0 {
            let up = if y.0 > 600.0 { Dd::from(1.0) } else { Dd::from(1.0) / (Dd::from(1.0) + (-y).exp()) };
            hit = hit + density * up;
        }
    }
    hit / total
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// Both sides against the definition, with the derivatives in both ε, in double-double.
    #[test]
    fn by_side(
        k in 0.8..60.0f64,
        d in (0.02..6.0f64, any::<bool>()).prop_map(|(d, negative)| if negative { -d } else { d }),
        exponents in (-9.0..-0.31f64, -9.0..-0.31f64),
        none in 0..4u32,
    ) {
        let (floor, ceiling) = (10f64.powf(exponents.0), 10f64.powf(exponents.1));
        let (floor, ceiling) = (if none == 1 { 0.0 } else { floor }, if none == 2 { 0.0 } else { ceiling });
        let beta = Gamma::from_shape_scale(k, 1.0 / k).unwrap();
        let lapse = Lapse::by_side(floor, ceiling).unwrap();
        let g = beta.with_lapse(lapse).nll_gradient(d);
        let (one, p) = (Dd::from(1.0), expected(k, 1.0 / k, d));
        let a = Dd::from(floor) + (one - floor.into() - ceiling.into()) * p;
        let truth = [-a.ln().0, -((one - p) / a).0, (p / a).0];
        let scale = 1.0 + if a.0 > 0.5 { (one - a).0.ln().abs() } else { 0.0 };
        for (got, truth) in [g.value, g.d_lapse[0], g.d_lapse[1]].into_iter().zip(truth) {
            prop_assert!((got - truth).abs() <= 12.0 * EPS * scale * truth.abs(), "{got:e} {truth:e} {lapse:?} {d}");
        }
        // The slope is that of E[σ], times its share.
        let plain = beta.nll_gradient(d);
        let share = ((one - floor.into() - ceiling.into()) * p / a).0;
        prop_assert!((g.d_margin - share * plain.d_margin).abs() <= 20.0 * EPS * scale * g.d_margin.abs());
        // The other label of the pair, and what is left of probabilities.
        let noisy = beta.with_lapse(lapse);
        let other = beta.with_lapse(lapse.mirrored());
        prop_assert!((noisy.probability(d) + other.probability(-d) - 1.0).abs() <= 2.0 * EPS);
        let flips = (Dd::from(floor) * (one - p) / a).0;
        prop_assert!((noisy.flip_probability(d) - flips).abs() <= 16.0 * EPS * scale * flips);
        prop_assert!((noisy.guess_probability(d) - floor / a.0).abs() <= 16.0 * EPS);
        // On all levels.
        for level in Level::available() {
            let direct = Direct::new(&beta).with_level(level);
            let (rows, sums) = rows_of(&Batch::new(&[d]).lapse(lapse), 2, 2, |b, r| direct.evaluate(b, r));
            let got = [rows[0][0], rows[0][4], rows[0][5]];
            for (got, truth) in got.into_iter().zip(truth) {
                prop_assert!((got - truth).abs() <= 32.0 * EPS * scale * truth.abs(), "{level} {got:e} {truth:e} {lapse:?} {d}");
            }
            prop_assert_eq!(sums.d_lapse, [rows[0][4], rows[0][5]]);
        }
    }

    /// Derivatives in ε and in ρ, and under all smoothings, against differences.
    #[test]
    fn derivatives_in_the_lapse(
        which in 0..5usize,
        rho in -8.0..4.0f64,
        d in -12.0..12.0f64,
        q in prop::sample::select(vec![0.0, 0.2, 1.0, -0.1]),
    ) {
        let beta = strengths()[which];
        let smoothing = if q < 0.0 { Smoothing::robust(-q) } else { Smoothing::new(q) }.unwrap();
        let at = |rho: f64| {
            let lapse = Lapse::from_logit(rho).unwrap();
            (lapse, beta.with_lapse(lapse).smoothed_nll_gradient_in(d, smoothing, Coordinates::LnMeanV))
        };
        let h = 1e-3;
        let value = |h: f64| at(rho + h).1.value;
        let slope = (8.0 * (value(h) - value(-h)) - (value(2.0 * h) - value(-2.0 * h))) / (12.0 * h);
        let (lapse, g) = at(rho);
        let d_rho = lapse.d_logit(g.d_lapse[0]);
        prop_assert!((d_rho - slope).abs() <= 1e-9, "{beta} {d} {rho} {smoothing:?}: {d_rho} {slope}");
        prop_assert!(q < 0.0 || d_rho.abs() <= 1.0);
        prop_assert!((lapse.logit() - rho).abs() <= 1e-12 * (1.0 + rho.abs() + rho.exp()));
        let margin = |h: f64| beta.with_lapse(lapse).smoothed_nll_gradient_in(d + h, smoothing, Coordinates::LnMeanV).value;
        let slope = (8.0 * (margin(h) - margin(-h)) - (margin(2.0 * h) - margin(-2.0 * h))) / (12.0 * h);
        prop_assert!((g.d_margin - slope).abs() <= 1e-9, "{beta} {d}: {g:?} {slope}");
        let slope = |h: f64| beta.with_lapse(lapse).nll_gradient(d + h).d_margin;
        let second = (8.0 * (slope(h) - slope(-h)) - (slope(2.0 * h) - slope(-2.0 * h))) / (12.0 * h);
        let got = beta.with_lapse(lapse).nll_d2_margin(d);
        prop_assert!((got - second).abs() <= 1e-9, "{beta} {d}: {got} {second}");
    }
}

/// What is known of β: a mixture of p(β) and the posterior of a right label, against the integral over p(β).
#[test]
fn posterior() {
    for beta in strengths().into_iter().filter(|beta| beta.v() > 0.0) {
        for (epsilon, d) in [(0.0, 2.0), (0.05, 3.0), (0.05, -3.0), (0.3, -40.0), (1e-6, -8.0), (0.2, 0.0)] {
            let got = beta.with_lapse(Lapse::new(epsilon).expect("valid")).posterior(d);
            let low = beta.quantile(1e-13).ln();
            let (n, step) = (6000, (beta.quantile(1.0 - 1e-13).ln() - low) / 6000.0);
            let mut moments = [0.0; 3];
            for i in 0..=n {
                let b = (low + step * f64::from(i)).exp();
                let weight = if i == 0 || i == n {
                    1.0
                } else if i % 2 == 0 {
                    2.0
                } else {
                    4.0
                };
                let mass = weight
                    * (beta.ln_pdf(b) + b.ln()).exp()
                    * (epsilon + (1.0 - 2.0 * epsilon) * sigmoid(b * d));
                moments = [moments[0] + mass, moments[1] + mass * b, moments[2] + mass * b * b];
            }
            let mean = moments[1] / moments[0];
            let variance = moments[2] / moments[0] - mean * mean;
            assert!((got.mean / mean - 1.0).abs() < 1e-9, "{beta} {epsilon} {d}: {got:?} {mean}");
            assert!((got.variance / variance - 1.0).abs() < 1e-7, "{beta} {epsilon} {d}: {got:?} {variance}");
        }
    }
}

/// A side without a lapse, so far out that T underflows: a label there is right.
#[test]
fn posterior_of_one_side() {
    for beta in strengths() {
        let (told, plain) = (beta.with_lapse(Lapse::by_side(0.0, 0.1).expect("valid")), beta);
        for d in [-1000.0, -1e300, f64::NEG_INFINITY] {
            let (told, plain) = (told.posterior(d), plain.posterior(d));
            assert!((told.mean - plain.mean).abs() <= 1e-12 * plain.mean, "{beta} {d}: {told:?} {plain:?}");
            assert!(
                (told.variance - plain.variance).abs() <= 1e-12 * plain.variance,
                "{beta} {d}: {told:?} {plain:?}"
            );
        }
    }
}

/// Sampled losses take the lapse as the exact ones do: on top of their own E[σ].
#[test]
fn sampled() {
    let beta = prefstrength::LogNormal::from_mean_cv(0.7, 0.9).expect("valid");
    let scores = [-1.3, -0.2, 0.4, 1.6];
    let estimator = MonteCarlo::lognormal(&beta, &scores).expect("scores");
    let all: Vec<f64> = margins();
    let lapse = Lapse::by_side(0.07, 0.01).expect("valid");
    let (plain, _) = rows_of(&Batch::new(&all), 2, 0, |b, r| estimator.evaluate(b, r));
    let (noisy, _) = rows_of(&Batch::new(&all).lapse(lapse), 2, 2, |b, r| estimator.evaluate(b, r));
    for ((d, plain), noisy) in all.iter().zip(&plain).zip(&noisy) {
        let a = 0.07 + 0.92 * (-plain[0]).exp();
        if d.is_nan() {
            assert!(noisy.iter().all(|x| x.is_nan()));
            continue;
        }
        assert!((noisy[0] + a.ln()).abs() < 1e-14 * (1.0 + noisy[0].abs()), "{d}: {plain:?} {noisy:?}");
        assert!((noisy[5] - (-plain[0]).exp() / a).abs() < 1e-13, "{d}: {plain:?} {noisy:?}");
    }
}

/// Masks, lengths and lapses that are none: refused before anything is written.
#[test]
fn refusals() {
    for bad in [-1e-300, 0.5, 0.7, f64::INFINITY, f64::NAN] {
        assert_eq!(Lapse::new(bad), Err(ParamError::LapseNotBelowHalf));
        assert!(Lapse::by_side(0.1, bad).is_err() && Lapse::by_side(bad, 0.1).is_err());
        assert!(Smoothing::robust(bad).is_err());
    }
    assert!(Lapse::from_logit(f64::NAN).is_err());
    let (beta, margins) = (AnyStrength::from_mean_cv(Family::Gamma, 1.0, 0.5).expect("valid"), [1.0, -1.0]);
    let direct = Direct::new(&beta);
    let (mut nll, mut one, mut other) = ([7.0; 2], [7.0; 2], [7.0; 2]);
    let mut refused = |batch: Batch<'_, f64>, both: bool, error: BatchError| {
        let rows = Rows::new().nll(&mut nll);
        let rows = if both { rows.d_lapse([&mut one, &mut other]) } else { rows.d_lapse([&mut one]) };
        assert_eq!(direct.evaluate(&batch, rows).map(|_| ()), Err(error));
    };
    let batch = Batch::new(&margins);
    refused(batch.lapses(&[0.1, 0.5]), false, BatchError::Lapse { index: 1 });
    refused(batch.lapses(&[f64::NAN, 0.1]), false, BatchError::Lapse { index: 0 });
    refused(batch.lapses(&[0.1]), false, BatchError::Length { slice: "lapses", expected: 2, found: 1 });
    refused(batch.lapses(&[0.1; 2]), true, BatchError::ParamCount { expected: 1, found: 2 });
    refused(
        batch.lapses_by_side([&[0.1; 2], &[0.1; 2]]),
        false,
        BatchError::ParamCount { expected: 2, found: 1 },
    );
    refused(batch.lapses_by_side([&[0.1; 2], &[-0.1; 2]]), true, BatchError::Lapse { index: 0 });
    assert!(nll == [7.0; 2] && one == [7.0; 2] && other == [7.0; 2]);
    // A mask covers a lapse's row, too.
    let rows = Rows::new().nll(&mut nll).d_lapse([&mut one]);
    let masked = Batch::new(&[f64::NAN, f64::NEG_INFINITY]).lapse(Lapse::none()).weights(&[0.0, 0.0]);
    let sums = direct.evaluate(&masked, rows).expect("a batch");
    assert_eq!((nll, one, sums.nll, sums.d_lapse), ([0.0; 2], [0.0; 2], 0.0, [0.0; 2]));
}

/// Elements of different lapses in one batch are as each alone, on every level.
#[test]
fn per_element() {
    let mut random = Random(3);
    let n = 1000;
    let margins: Vec<f64> = (0..n).map(|_| random.between(-30.0, 60.0)).collect();
    let epsilon: Vec<f64> =
        (0..n).map(|i| if i % 5 == 0 { 0.0 } else { random.decades(-14.0, -0.31).min(0.49) }).collect();
    for beta in strengths() {
        for level in Level::available() {
            let direct = Direct::new(&beta).with_level(level).with_coordinates(Coordinates::LnMeanV);
            let batch = Batch::new(&margins).lapses(&epsilon);
            let (rows, _) = rows_of(&batch, 2, 1, |b, r| direct.evaluate(b, r));
            for i in (0..n).step_by(7) {
                let lapse = Lapse::new(epsilon[i]).expect("valid");
                let one = Batch::new(&margins[i..=i]).lapse(lapse);
                let (alone, _) = rows_of(&one, 2, 1, |b, r| direct.evaluate(b, r));
                assert_eq!(
                    bits::<f64, 6>(&rows[i]),
                    bits::<f64, 6>(&alone[0]),
                    "{level} {beta} {lapse:?} {}",
                    margins[i]
                );
            }
        }
    }
}
