//! The Monte Carlo estimator against its definition, on every level.

use crate::support::batch::Precision;
use crate::support::dd::Dd;
use prefstrength::batch::{Batch, BatchError, Rows, Sums};
use prefstrength::sampling::{MonteCarlo, PointSet, SamplingError};
use prefstrength::{Gamma, Level, LogNormal, Real, Smoothing, Strength};
use proptest::prelude::*;

/// A draw: β, ∂β/∂p for the parameter that is no scale, and the weight.
type Draw = (Dd, Dd, f64);

/// L̂ = −ln Σ w σ(βD), ∂L̂/∂D, ∂L̂/∂(ln scale), ∂L̂/∂p, and what errors are relative to, in double-double.
///
/// Derivatives feel a rounding of β |ln T| times, T = Σ w σ(−β|D|), the loss only for D > 0.
fn estimate(draws: &[Draw], margin: f64) -> ([f64; 4], [f64; 4]) {
    let (zero, one): (Dd, Dd) = (0.0.into(), 1.0.into());
    let size: Dd = margin.abs().into();
    let exp = |x: Dd| if x.0 < -650.0 { zero } else { x.exp() };
    let least = draws.iter().map(|d| d.0).min_by(|a, b| a.0.total_cmp(&b.0)).expect("draws");
    // T e^{least·|D|}, and its derivatives likewise.
    let mut sums = [zero; 4];
    for &(beta, derivative, w) in draws {
        let upper = one / (one + exp(-(beta * size)));
        let t = Dd::from(w) * exp((least - beta) * size) * upper;
        let slope = t * upper;
        let absolute = if derivative.0 < 0.0 { -derivative } else { derivative };
        for (sum, term) in sums.iter_mut().zip([t, slope * beta, slope * derivative, slope * absolute]) {
            *sum = *sum + term;
        }
    }
    let [s0, s1, s2, s3] = sums;
    let shift = least * size;
    let ln_t = s0.ln() - shift;
    // Of T where the margin is against the choice, of 1 − T else.
    let (nll, odds) = if margin < 0.0 {
        (-ln_t, one)
    } else {
        let t = s0 * exp(-shift);
        // ln(1 − T) = −T − T²/2 − … where T is small.
        let ln = if t.0 > 1e-8 { -(one - t).ln() } else { t + t * t * 0.5.into() };
        (ln, exp(-shift) / (one - t))
    };
    let ratio = if margin < 0.0 { one / s0 } else { odds };
    let toward = if margin < 0.0 { size } else { -size };
    let terms = [s1 * ratio, toward * s1 * ratio, toward * s2 * ratio, size * s3 * ratio].map(|x| x.0);
    let [slope, scale, spread, absolute] = terms;
    let factor = 1.0 + ln_t.0.abs();
    (
        [nll.0, -slope, scale, spread],
        [
            if margin < 0.0 { nll.0 } else { nll.0 * factor },
            slope * factor,
            scale.abs() * factor,
            absolute * factor,
        ],
    )
}

/// The four rows of a batch, and its sums.
fn rows<T: prefstrength::batch::Number>(
    estimator: &MonteCarlo<'_, T>,
    batch: &Batch<'_, T>,
) -> ([Vec<T>; 4], Sums) {
    let mut out: [Vec<T>; 4] = std::array::from_fn(|_| vec![T::nan(); batch.len()]);
    let [nll, d_margin, p0, p1] = &mut out;
    let rows = Rows::new().nll(nll).d_margin(d_margin).d_params([p0, p1]);
    let sums = estimator.evaluate(batch, rows).expect("checked");
    (out, sums)
}

/// Numbers from a counter, uniform in (0, 1).
fn uniform(seed: u64, i: usize) -> f64 {
    let mut x = seed.wrapping_add((i as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    for shift in [30, 27, 31] {
        x = (x ^ (x >> shift)).wrapping_mul(0x94D0_49BB_1331_11EB);
    }
    ((x >> 12) as f64 + 0.5) / 2_f64.powi(52)
}

/// Margins of every size and sign.
fn margins<T: Real>(n: usize, decades: f64) -> Vec<T> {
    (0..n)
        .map(|i| {
            let size = 10_f64.powf(decades * (2.0 * uniform(7, i) - 1.0));
            T::from_f64(if uniform(8, i) < 0.5 { size } else { -size })
        })
        .collect()
}

/// Scores of shared draws or of `pairs` pairs.
fn scores<T: Real>(seed: u64, set: PointSet, draws: usize, pairs: usize) -> Vec<T> {
    let mut z = vec![T::zero(); draws * pairs];
    let uniforms: Vec<f64> = (0..set.uniforms(draws) * pairs).map(|i| uniform(seed, i)).collect();
    set.scores_per_pair(pairs, &uniforms, &mut z).expect("valid");
    z
}

/// The largest errors in eps of nll, and of the derivatives.
fn worst<T: Precision>(
    estimator: &MonteCarlo<'_, T>,
    margins: &[T],
    draws: impl Fn(usize) -> Vec<Draw>,
    param: impl Fn([f64; 2]) -> [f64; 2],
) -> [f64; 2] {
    let (eps, tiny) = T::UNITS;
    let mut worst = [0.0_f64; 2];
    for level in Level::available() {
        let (found, _) = rows(&estimator.with_level(level), &Batch::new(margins));
        for (i, &d) in margins.iter().enumerate() {
            let ([nll, d_margin, scale, spread], sizes) = estimate(&draws(i), Real::to_f64(d));
            if nll == 0.0 {
                // Beyond the reference's own range.
                assert!(Real::to_f64(found[0][i]) < 1e-280, "at {d}, {level}: {}", found[0][i]);
                continue;
            }
            let ([p0, p1], [s0, s1]) = (param([scale, spread]), param([sizes[2], sizes[3]]));
            for (j, (truth, size)) in
                [(nll, sizes[0]), (d_margin, sizes[1]), (p0, s0), (p1, s1)].into_iter().enumerate()
            {
                let error = (Real::to_f64(found[j][i]) - truth).abs();
                let error = if error <= 4.0 * tiny { 0.0 } else { error / size.abs() / eps };
                assert!(error.is_finite(), "row {j} at {d}, {level}: {} of {truth}", found[j][i]);
                worst[j.min(1)] = worst[j.min(1)].max(error);
            }
        }
    }
    worst
}

fn against_definition<T: Precision>(decades: f64, bounds: [f64; 2]) {
    let mut largest = [0.0_f64; 2];
    let mut note = |found: [f64; 2]| {
        for j in 0..2 {
            largest[j] = largest[j].max(found[j]);
        }
    };
    let margins = margins::<T>(300, decades);
    for sigma in [0.0, 1e-3, 0.5, 1.5] {
        let beta = LogNormal::from_mu_sigma(T::from_f64(-0.3), T::from_f64(sigma)).expect("valid");
        let strength = |z: T| {
            let [mu, sigma, z] = [beta.mu(), beta.sigma(), z].map(|x| Dd::from(Real::to_f64(x)));
            let value = (mu + sigma * z).exp();
            (value, z * value)
        };
        for draws in [1, 2, 16, 33, 300] {
            let z = scores::<T>(1, PointSet::Stratified, draws, 1);
            let weight = 1.0 / draws as f64;
            let shared = MonteCarlo::lognormal(&beta, &z).expect("valid");
            let all: Vec<Draw> = z.iter().map(|&z| strength(z)).map(|(b, d)| (b, d, weight)).collect();
            note(worst(&shared, &margins, |_| all.clone(), |p| p));
        }
        for draws in [1, 7, 16] {
            let z = scores::<T>(2, PointSet::Iid, draws, margins.len());
            let each = MonteCarlo::lognormal_per_pair(&beta, draws, &z).expect("valid");
            let of = |i: usize| {
                let z = (0..draws).map(|j| z[j * margins.len() + i]);
                z.map(strength).map(|(b, d)| (b, d, 1.0 / draws as f64)).collect()
            };
            note(worst(&each, &margins, of, |p| p));
        }
        for draws in [1, 16, 20] {
            let z = scores::<T>(3, PointSet::GaussHermite, draws, 1);
            let mut w = vec![T::zero(); draws];
            PointSet::GaussHermite.weights(&mut w).expect("valid");
            let weighted = MonteCarlo::lognormal(&beta, &z).and_then(|m| m.weights(&w)).expect("valid");
            let all: Vec<Draw> =
                (0..draws).map(|j| (strength(z[j]).0, strength(z[j]).1, Real::to_f64(w[j]))).collect();
            note(worst(&weighted, &margins, |_| all.clone(), |p| p));
        }
    }
    let beta = Gamma::from_shape_scale(T::from_f64(2.0), T::from_f64(0.5)).expect("valid");
    let values: Vec<T> = (0..16 * 300).map(|i| T::from_f64(-2.0 * uniform(4, i).ln())).collect();
    let d_shape: Vec<T> = (0..16 * 300).map(|i| T::from_f64(2.0 * uniform(5, i) - 0.5)).collect();
    let draw = |i: usize| (Real::to_f64(values[i]).into(), Real::to_f64(d_shape[i]).into(), 1.0 / 16.0);
    // ∂/∂θ = ∂/∂(ln scale)/θ.
    let param = |[scale, shape]: [f64; 2]| [shape, scale / 0.5];
    let shared = MonteCarlo::samples(&beta, &values[..16], &d_shape[..16]).expect("valid");
    note(worst(&shared, &margins, |_| (0..16).map(draw).collect(), param));
    let each = MonteCarlo::samples_per_pair(&beta, 16, &values, &d_shape).expect("valid");
    note(worst(&each, &margins, |i| (0..16).map(|j| draw(j * 300 + i)).collect(), param));
    println!(
        "{}: nll {:.1} of {}, derivatives {:.1} of {} eps",
        T::NAME,
        largest[0],
        bounds[0],
        largest[1],
        bounds[1]
    );
    assert!(largest[0] <= bounds[0] && largest[1] <= bounds[1], "{}: {largest:?}", T::NAME);
}

#[test]
fn definition_f64() {
    against_definition::<f64>(4.0, [9.0, 8.0]);
}

#[test]
fn definition_f32() {
    against_definition::<f32>(3.0, [9.0, 8.0]);
}

#[test]
fn an_element_is_its_own_batch() {
    let n = 300;
    let margins = margins::<f32>(n, 12.0);
    let beta = LogNormal::from_mu_sigma(-0.5, 0.7).expect("valid");
    let shared = scores::<f32>(5, PointSet::Antithetic, 9, 1);
    let each = scores::<f32>(6, PointSet::Iid, 9, n);
    let bits = |row: &[Vec<f32>; 4], i: usize| row.clone().map(|column| column[i].to_bits());
    for level in Level::available() {
        let estimator = MonteCarlo::lognormal(&beta, &shared).expect("valid").with_level(level);
        let per_pair = MonteCarlo::lognormal_per_pair(&beta, 9, &each).expect("valid").with_level(level);
        let (together, apart) =
            (rows(&estimator, &Batch::new(&margins)).0, rows(&per_pair, &Batch::new(&margins)).0);
        for i in 0..n {
            let alone = rows(&estimator, &Batch::new(&margins[i..=i])).0;
            assert_eq!(bits(&alone, 0), bits(&together, i), "{level}, {}", margins[i]);
            let z: Vec<f32> = (0..9).map(|j| each[j * n + i]).collect();
            let one = MonteCarlo::lognormal_per_pair(&beta, 9, &z).expect("valid").with_level(level);
            let alone = rows(&one, &Batch::new(&margins[i..=i])).0;
            assert_eq!(bits(&alone, 0), bits(&apart, i), "per pair, {level}, {}", margins[i]);
        }
    }
}

#[test]
fn limits() {
    let margins = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, -0.0, 1e300, -1e300, 5e-324, f64::MAX];
    let zs = [-1.0, 0.5, 2.0];
    let lognormal = LogNormal::from_mu_sigma(0.0, 1.0).expect("valid");
    let gamma = Gamma::from_shape_scale(2.0, 0.5).expect("valid");
    let least = (-1.0_f64).exp();
    for level in Level::available() {
        for per_pair in [false, true] {
            let many: Vec<f64> = zs.iter().flat_map(|&z| vec![z; margins.len()]).collect();
            let estimator = match per_pair {
                false => MonteCarlo::lognormal(&lognormal, &zs),
                true => MonteCarlo::lognormal_per_pair(&lognormal, 3, &many),
            };
            let (found, sums) = rows(&estimator.expect("valid").with_level(level), &Batch::new(&margins));
            let row = |i: usize| found.clone().map(|column| column[i]);
            assert!(row(0).iter().all(|x| x.is_nan()) && sums.nll.is_nan());
            assert_eq!(row(1), [0.0; 4], "{level}");
            // The smallest β is drawn at z < 0: it falls with σ.
            assert_eq!(row(2)[0], f64::INFINITY);
            assert!((row(2)[1] + least).abs() < 1e-15);
            assert_eq!(row(2)[2..], [f64::INFINITY, f64::NEG_INFINITY]);
            for i in [3, 4, 7] {
                assert!((row(i)[0] - std::f64::consts::LN_2).abs() < 1e-15);
                let mean = zs.map(f64::exp).iter().sum::<f64>() / 3.0;
                assert!((row(i)[1] + 0.5 * mean).abs() < 1e-15, "{level}: {:?}", row(i));
            }
            assert_eq!(row(3)[2..], [0.0, 0.0]);
            assert_eq!(row(5), [0.0; 4]);
            assert!((row(6)[0] / (1e300 * least) - 1.0).abs() < 1e-14);
            assert_eq!(row(8), [0.0; 4]);
        }
        // zβ beyond the precision, β within.
        let far = LogNormal::from_mu_sigma(88.0_f32, 0.1).expect("valid");
        let estimator = MonteCarlo::lognormal(&far, &[6.0]).expect("valid").with_level(level);
        assert_eq!(rows(&estimator, &Batch::new(&[0.0])).0[3], [0.0]);
        // A draw of 0 leaves a floor of probability.
        let estimator =
            MonteCarlo::samples(&gamma, &[0.0, 1.0], &[0.0, 0.3]).expect("valid").with_level(level);
        let (found, _) = rows(&estimator, &Batch::new(&[f64::NEG_INFINITY, f64::INFINITY, -800.0]));
        for (i, expected) in [0.25_f64, 0.75, 0.25].into_iter().enumerate() {
            assert!((found[0][i] + expected.ln()).abs() < 1e-15, "{level}: {:?}", found[0]);
            assert!(
                found[1..].iter().all(|column| column[i] == 0.0 || column[i].abs() < 1e-300),
                "{found:?}"
            );
        }
    }
}

/// β|D| so large that an ulp of β decides between draws: every path finds the same smallest one.
#[test]
fn enormous_products() {
    fn one<T: Precision>(cases: &[(f64, f64, f64)]) {
        for &(mu, sigma, d) in cases {
            let beta = LogNormal::from_mu_sigma(T::from_f64(mu), T::from_f64(sigma)).expect("valid");
            for draws in [8, 16, 300] {
                let z = scores::<T>(40, PointSet::Iid, draws, 1);
                let least = z.iter().fold(T::infinity(), |a, &b| a.min(b));
                let least =
                    (Real::to_f64(beta.mu()) + Real::to_f64(beta.sigma()) * Real::to_f64(least)).exp();
                let shared = MonteCarlo::lognormal(&beta, &z).expect("valid");
                let weights = vec![T::from_f64(1.0 / draws as f64); draws];
                let weighted = shared.weights(&weights).ok();
                let each = MonteCarlo::lognormal_per_pair(&beta, draws, &z).expect("valid");
                for estimator in [Some(shared), weighted, Some(each)].into_iter().flatten() {
                    for level in Level::available() {
                        let estimator = estimator.with_level(level);
                        let found =
                            rows(&estimator, &Batch::new(&[T::from_f64(-d)])).0.map(|c| Real::to_f64(c[0]));
                        // At most ln K away from the smallest draw alone.
                        let close = |x: f64, y: f64, of: f64| (x / y - 1.0).abs() < of;
                        assert!(close(found[0], least * d, 1e-3), "{mu} {sigma} {d}, {level}: {found:?}");
                        let spread = 3.0 * sigma / (1.0 + sigma) * 1e-2 + 1e-3;
                        assert!(
                            close(found[1], -least, spread),
                            "{mu} {sigma} {d}, {level}: {found:?}, {least}"
                        );
                        let right =
                            rows(&estimator, &Batch::new(&[T::from_f64(d)])).0.map(|c| Real::to_f64(c[0]));
                        assert_eq!(right.map(f64::abs), [0.0; 4], "{mu} {sigma} {d}, {level}");
                    }
                }
            }
        }
    }
    one::<f32>(&[
        (2.04, 1e-4, 1e8),
        (5.0, 1e-3, 1e8),
        (12.0, 2.0, 1e7),
        (25.01, 1e-4, 1e6),
        (25.0, 0.5, 1e6),
    ]);
    one::<f64>(&[(0.6, 0.5, 1e19), (0.74, 0.05, 1e19), (5.0, 1e-3, 1e8)]);
}

#[test]
fn smoothing_weights_and_upstream() {
    let beta = LogNormal::<f64>::from_mu_sigma(-0.5, 0.7).expect("valid");
    let margins = margins::<f64>(100, 2.0);
    let flipped: Vec<f64> = margins.iter().map(|d| -d).collect();
    let z = scores::<f64>(9, PointSet::Stratified, 16, 1);
    let estimator = MonteCarlo::lognormal(&beta, &z).expect("valid");
    let weights: Vec<f64> = (0..100).map(|i| 2.0 * uniform(10, i)).collect();
    let upstream: Vec<f64> = (0..100).map(|i| 2.0 * uniform(11, i) - 1.0).collect();
    let smoothing = Smoothing::new(0.2).expect("valid");
    let batch = Batch::new(&margins).weights(&weights).upstream(&upstream).smoothing(smoothing);
    let ((found, sums), (plain, _)) = (rows(&estimator, &batch), rows(&estimator, &Batch::new(&margins)));
    let (other, _) = rows(&estimator, &Batch::new(&flipped));
    let mut totals = [0.0; 4];
    for i in 0..100 {
        for (j, total) in totals.iter_mut().enumerate() {
            // The derivative of D ↦ L̂(−D).
            let back = if j == 1 { -other[j][i] } else { other[j][i] };
            let (a, b) = (0.8 * plain[j][i], 0.2 * back);
            let factor = weights[i] * upstream[i];
            let close = (found[j][i] - factor * (a + b)).abs() <= 1e-14 * factor.abs() * (a.abs() + b.abs());
            assert!(close, "row {j} at {}: {} of {}", margins[i], found[j][i], factor * (a + b));
            *total += found[j][i];
        }
    }
    for (sum, total) in [(sums.nll, totals[0]), (sums.d_params[0], totals[2]), (sums.d_params[1], totals[3])]
    {
        assert!((sum - total).abs() < 1e-12 * (1.0 + total.abs()));
    }
}

/// Unbiased is the probability, with its derivatives: p̂ = e^{−L̂}, ∂p̂ = −p̂ ∂L̂. L̂ itself is Var/2 too large.
#[test]
fn many_estimates_agree_with_the_exact_kernel() {
    let beta = LogNormal::<f64>::from_mean_cv(1.0, 0.6).expect("valid");
    let n = 40_000;
    for margin in [-3.0, -0.5, 0.5, 3.0] {
        let g = beta.nll_gradient(margin);
        let p = (-g.value).exp();
        for (set, draws) in [(PointSet::Iid, 16), (PointSet::Stratified, 4), (PointSet::Lattice, 5)] {
            let z = scores::<f64>(12, set, draws, n);
            let estimator = MonteCarlo::lognormal_per_pair(&beta, draws, &z).expect("valid");
            let (found, _) = rows(&estimator, &Batch::new(&vec![margin; n]));
            let exact = [p, -p * g.d_margin, -p * g.d_mu, -p * g.d_sigma];
            let mut variance = 0.0;
            for (j, exact) in exact.into_iter().enumerate() {
                let value = |i: usize| {
                    let p = (-found[0][i]).exp();
                    if j == 0 { p } else { -p * found[j][i] }
                };
                let mean = (0..n).map(value).sum::<f64>() / n as f64;
                let square = (0..n).map(|i| (value(i) - mean).powi(2)).sum::<f64>() / n as f64;
                let error = (mean - exact) / (square / n as f64).sqrt();
                assert!(error.abs() < 4.0, "{set:?}, row {j} at {margin}: {error} standard errors");
                if j == 0 {
                    variance = square / (p * p);
                }
            }
            let losses = || found[0].iter().map(|l| l - g.value);
            let bias = losses().sum::<f64>() / n as f64;
            let error = (losses().map(|x| x * x).sum::<f64>() / n as f64 / n as f64).sqrt();
            // The next order is of relative size Var.
            let close = (bias - 0.5 * variance).abs() < 4.0 * error + 2.0 * variance * variance;
            assert!(close, "{set:?} at {margin}: bias {bias}, Var/2 {}", 0.5 * variance);
        }
    }
}

/// The bias of the paper's estimator: the gradient in σ over training-like margins. Its positive and negative
/// terms nearly cancel in the exact sum and not in the bias, so that the share depends much on the margins.
#[test]
fn understated_spread() {
    let n = 100_000;
    let normal = scores::<f64>(20, PointSet::Stratified, n, 1);
    let margins: Vec<f64> = normal.iter().map(|z| 0.2 + 0.5 * z).collect();
    let z = scores::<f64>(21, PointSet::Iid, 16, n);
    for (mu, sigma, share, within) in
        [(-0.125, 0.5, 0.84, 0.06), (-0.5, 1.0, 0.86, 0.04), (0.0, 1.0, 0.27, 0.15)]
    {
        let beta = LogNormal::<f64>::from_mu_sigma(mu, sigma).expect("valid");
        let exact: f64 = margins.iter().map(|&d| beta.nll_gradient(d).d_sigma).sum();
        let estimator = MonteCarlo::lognormal_per_pair(&beta, 16, &z).expect("valid");
        let sums = estimator.evaluate(&Batch::new(&margins), Rows::new()).expect("checked");
        println!("mu {mu}, sigma {sigma}: {:.3} of the exact gradient in sigma", sums.d_params[1] / exact);
        // Three standard errors.
        assert!((sums.d_params[1] / exact - share).abs() < within);
    }
}

#[test]
fn typed_errors() {
    let beta = LogNormal::from_mu_sigma(0.0, 1.0).expect("valid");
    let gamma = Gamma::from_shape_scale(2.0, 0.5).expect("valid");
    let value = |slice, index| Some(SamplingError::Value { slice, index });
    assert_eq!(MonteCarlo::lognormal(&beta, &[]).err(), Some(SamplingError::NoDraws));
    assert_eq!(MonteCarlo::lognormal_per_pair(&beta, 0, &[1.0]).err(), Some(SamplingError::NoDraws));
    assert_eq!(MonteCarlo::lognormal(&beta, &[0.0, f64::NAN]).err(), value("scores", 1));
    assert_eq!(MonteCarlo::lognormal(&beta, &[f64::INFINITY]).err(), value("scores", 0));
    assert_eq!(MonteCarlo::lognormal(&beta, &[0.0, 1e3, 0.0]).err(), value("scores", 1));
    let length = SamplingError::Length { slice: "scores", expected: 4, found: 3 };
    assert_eq!(MonteCarlo::lognormal_per_pair(&beta, 2, &[0.0; 3]).err(), Some(length));
    assert_eq!(MonteCarlo::samples(&gamma, &[1.0, -1.0], &[0.0; 2]).err(), value("values", 1));
    assert_eq!(MonteCarlo::samples(&gamma, &[1.0], &[f64::NAN]).err(), value("d_shape", 0));
    let length = SamplingError::Length { slice: "d_shape", expected: 1, found: 2 };
    assert_eq!(MonteCarlo::samples(&gamma, &[1.0], &[0.0; 2]).err(), Some(length));

    let z = [0.0; 4];
    let shared = MonteCarlo::lognormal(&beta, &z).expect("valid");
    let length = SamplingError::Length { slice: "weights", expected: 4, found: 1 };
    assert_eq!(shared.weights(&[1.0]).err(), Some(length));
    assert_eq!(shared.weights(&[0.5, 0.5, -0.5, 0.5]).err(), value("weights", 2));
    assert_eq!(shared.weights(&[0.5; 4]).err(), value("weights", 4));
    let each = MonteCarlo::lognormal_per_pair(&beta, 2, &z).expect("valid");
    assert_eq!(each.weights(&[0.5; 2]).err(), Some(SamplingError::WeightsPerPair));
    let many = MonteCarlo::lognormal(&beta, &[0.0; 257]).expect("valid");
    assert_eq!(many.weights(&[1.0 / 257.0; 257]).err(), Some(SamplingError::TooManyDraws { limit: 256 }));

    let mut nll = [7.0; 3];
    let refused = each.evaluate(&Batch::new(&[1.0; 3]), Rows::new().nll(&mut nll));
    assert_eq!(refused, Err(BatchError::Length { slice: "scores", expected: 6, found: 4 }));
    let refused = shared.evaluate(&Batch::new(&[1.0; 2]), Rows::new().nll(&mut nll));
    assert_eq!(refused, Err(BatchError::Length { slice: "nll", expected: 2, found: 3 }));
    assert_eq!(nll, [7.0; 3]);
    // Draws for no pairs go with no margins, whatever μ.
    let far = LogNormal::<f32>::from_mu_sigma(80.0, 1.0).expect("valid");
    assert!(MonteCarlo::lognormal_per_pair(&far, 2, &[]).is_ok());
    let none = MonteCarlo::lognormal_per_pair(&beta, 2, &[]).expect("valid");
    assert_eq!(none.evaluate(&Batch::new(&[]), Rows::new()), Ok(Sums::default()));
}

proptest! {
    #[test]
    fn arbitrary_bits(
        bits in proptest::collection::vec(any::<u64>(), 0..60),
        draws in proptest::collection::vec(
            prop_oneof![1 => any::<u64>().prop_map(f64::from_bits), 30 => -9.0..9.0_f64],
            1..20,
        ),
        parameters in (-90.0..90.0_f64, 0.0..6.0_f64),
    ) {
        fn one<T: Precision>(bits: &[u64], draws: &[f64], parameters: (f64, f64)) {
            let (mu, sigma) = (T::from_f64(parameters.0), T::from_f64(parameters.1));
            let (margins, z): (Vec<T>, Vec<T>) =
                (bits.iter().map(|&b| T::of_bits(b)).collect(), draws.iter().map(|&x| T::from_f64(x)).collect());
            let zeros = vec![T::zero(); z.len()];
            let lognormal = LogNormal::from_mu_sigma(mu, sigma).ok();
            let gamma = Gamma::from_shape_scale(mu.abs(), sigma).ok();
            let values: Vec<T> = z.iter().map(|z| z.abs()).collect();
            let estimators = [
                lognormal.and_then(|beta| MonteCarlo::lognormal(&beta, &z).ok()),
                gamma.and_then(|beta| MonteCarlo::samples(&beta, &values, &zeros).ok()),
            ];
            for estimator in estimators.into_iter().flatten() {
                for level in Level::available() {
                    let (found, _) = rows(&estimator.with_level(level), &Batch::new(&margins));
                    for (i, d) in margins.iter().enumerate() {
                        assert_eq!(found[0][i].is_nan(), d.is_nan(), "{d}, {z:?}");
                        assert!(d.is_nan() || found[0][i] >= T::zero(), "{d}: {}", found[0][i]);
                        assert!(d.is_nan() || found[1][i] <= T::zero(), "{d}: {}", found[1][i]);
                    }
                }
            }
        }
        one::<f32>(&bits, &draws, parameters);
        one::<f64>(&bits, &draws, parameters);
    }
}

#[cfg(feature = "rayon")]
#[test]
fn threads() {
    let beta = LogNormal::<f32>::from_mu_sigma(-0.5, 0.7).expect("valid");
    let margins = margins::<f32>(50_000, 2.0);
    let z = scores::<f32>(30, PointSet::Iid, 3, margins.len());
    let estimator = MonteCarlo::lognormal_per_pair(&beta, 3, &z).expect("valid");
    let mut nll = vec![0.0; margins.len()];
    let batch = Batch::new(&margins);
    let parallel = estimator.par_evaluate(&batch, Rows::new().nll(&mut nll)).expect("checked");
    let (found, sums) = rows(&estimator, &batch);
    assert_eq!((parallel, nll), (sums, found[0].clone()));
}
