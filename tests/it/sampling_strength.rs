//! Draws of a strength and their derivatives.
//!
//! Truth: `tests/data/gamma_samples.csv`, from `python3 xtask/generators/sampling.py vectors` (mpmath, 50 digits).

use crate::support::{Errors, Vectors};
use prefstrength::sampling::{Reparameterised, Sample};
use prefstrength::{Fixed, Gamma, LogNormal, Real};
use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use rand_distr::{Distribution, StandardNormal};

const INF: f64 = f64::INFINITY;

fn gamma(k: f64, theta: f64) -> Gamma<f64> {
    Gamma::from_shape_scale(k, theta).unwrap()
}

fn lognormal(mu: f64, sigma: f64) -> LogNormal<f64> {
    LogNormal::from_mu_sigma(mu, sigma).unwrap()
}

fn all<T: Copy>(s: Sample<T>) -> [T; 3] {
    [s.value, s.d_params[0], s.d_params[1]]
}

#[test]
fn reference() {
    let mut errors = Errors::default();
    let mut rows = 0;
    Vectors::load("gamma_samples").each(|column, _| {
        let (k, theta, z) = (column("k"), column("theta"), column("z"));
        let beta = gamma(k, theta);
        let at = format!("k {k:e}, theta {theta:e}, z {z}");
        // ln β = (ln Φ(z) + …)/k far below 1: the rounding of the probability, and of its logarithm, over k.
        let condition = 1.0 + (2.0 + 0.5 * z * z) / k;
        let sample = beta.sample(z);
        // And the same derivatives without that error.
        let given = beta.sample_at(column("beta"));
        assert_eq!(given.value, column("beta"));
        for (name, sample, condition) in [("sample", sample, condition), ("sample_at", given, 1.0)] {
            let columns = ["beta", "d_shape", "d_scale"];
            for (column_name, got) in columns.into_iter().zip(all(sample)) {
                let truth = column(column_name);
                if name == "sample" || column_name != "beta" {
                    errors.record_f64(
                        &format!("gamma {name} {column_name}"),
                        got,
                        truth,
                        truth * condition,
                        &at,
                    );
                }
            }
        }
        rows += 1;
    });
    assert!(rows >= 300);
    errors.check();
}

/// −ln Φ(−z): the draws of an exponential law, far beyond where 1 − Φ(z) is 0.
#[test]
fn both_tails() {
    let exponential = gamma(1.0, 1.0);
    for (z, upper, lower) in [
        (8.5, 39.197_396_428_217_67, 9.479_534_822_203_318e-18),
        (20.0, 203.917_155_371_097_26, 2.753_624_118_606_233_7e-89),
        (37.0, 689.030_585_576_890_6, 5.725_571_222_524_577e-300),
        (37.5, 707.668_989_317_507_2, 4.605_353_009_581_955e-308),
    ] {
        assert!((exponential.sample(z).value / upper - 1.0).abs() < 1e-15, "{z}");
        assert!((exponential.sample(-z).value / lower - 1.0).abs() < 4e-15, "{z}");
    }
    assert_eq!(exponential.sample(1e9), exponential.sample(37.5));
    assert_eq!(exponential.sample(-1e9), exponential.sample(-37.5));
}

/// Five-point differences of `quantile` in a parameter, of its logarithm, which is smoother: off by 4h⁴ of the
/// fifth derivative over 120, and by the quantile's own error over h.
fn slope(quantile: impl Fn(f64) -> f64, at: f64) -> f64 {
    let h = 2e-3 * at.abs();
    let difference = |i: f64| (quantile(at + i * h) / quantile(at - i * h)).ln();
    (8.0 * difference(1.0) - difference(2.0)) / (12.0 * h) * quantile(at)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn differences_of_gamma(k in -1.5..5.0, theta in 0.01..10.0, p in 1e-3..0.999) {
        let k = 10.0_f64.powf(k);
        let beta = gamma(k, theta).quantile(p);
        let [_, d_shape, d_scale] = all(gamma(k, theta).sample_at(beta));
        for (exact, rough) in [
            (d_shape, slope(|k| gamma(k, theta).quantile(p), k)),
            (d_scale, slope(|theta| gamma(k, theta).quantile(p), theta)),
        ] {
            prop_assert!((rough / exact - 1.0).abs() < 1e-9, "{} {}, k = {}, p = {}", exact, rough, k, p);
        }
    }

    #[test]
    fn differences_of_lognormal(mu in -3.0..3.0, sigma in 0.01..3.0, p in 1e-3..0.999) {
        let beta = lognormal(mu, sigma).quantile(p);
        let [_, d_mu, d_sigma] = all(lognormal(mu, sigma).sample_at(beta));
        let rough = slope(|mu| lognormal(mu, sigma).quantile(p), mu);
        prop_assert!((rough / d_mu - 1.0).abs() < 1e-9, "{} {}", d_mu, rough);
        // zβ crosses 0.
        let rough = slope(|sigma| lognormal(mu, sigma).quantile(p), sigma);
        prop_assert!((rough - d_sigma).abs() < 1e-9 * beta * (1.0 + 1.0 / sigma), "{} {}", d_sigma, rough);
    }

    /// β = F⁻¹(Φ(z)), on the tail of z, and its derivatives whichever way it was drawn.
    #[test]
    fn consistent(k in -2.0..5.0, theta in 0.01..10.0, mu in -3.0..3.0, sigma in 0.01..3.0, z in -8.0..8.0) {
        let g = gamma(10.0_f64.powf(k), theta);
        let l = lognormal(mu, sigma);
        prop_assert_eq!(g.sample(z), g.sample_at(g.sample(z).value));
        let (drawn, given) = (l.sample(z), l.sample_at(l.sample(z).value));
        prop_assert_eq!(given.d_params[0], drawn.d_params[0]);
        // ln β − μ is as good as β and e^μ.
        prop_assert!((given.d_params[1] - drawn.d_params[1]).abs() < drawn.value * (1e-15 * z.abs() + 6e-16 / sigma));
        let normal = lognormal(0.0, 1.0);
        let (below, above) = (normal.cdf(z.exp()), normal.sf(z.exp()));
        let beta = g.sample(z).value;
        prop_assume!(beta > 1e-290);
        let (value, target) = if z < 0.0 { (g.cdf(beta), below) } else { (g.sf(beta), above) };
        // The rounding of e^z counts |z| + 1 times, that of β 1 + β·pdf/tail times.
        let condition = 3.0 + z.abs() + beta * g.pdf(beta) / target;
        prop_assert!((value / target - 1.0).abs() < 2e-14 + 4e-16 * condition, "{} {}", value, target);
    }

    /// β = e^{μ+σz}, ∂μ = β, ∂σ = zβ; ln β is as good as its largest term.
    #[test]
    fn closed_form_of_lognormal(mu in -5.0..5.0, sigma in 0.0..12.0, z in -9.0..9.0) {
        let [beta, d_mu, d_sigma] = all(lognormal(mu, sigma).sample(z));
        let bound = 2.3e-16 * (4.0 + mu.abs() + 2.0 * (sigma * z).abs());
        prop_assert!((beta / (mu + sigma * z).exp() - 1.0).abs() < bound);
        prop_assert_eq!([d_mu, d_sigma], [beta, z * beta]);
    }

    #[test]
    fn point_mass(beta in 0.0..1e9, z in any::<f64>()) {
        let fixed = Fixed::new(beta).unwrap();
        let nan = z.is_nan();
        prop_assert!(nan || all(fixed.sample(z)) == [beta, 1.0, 0.0]);
        prop_assert!(nan == all(fixed.sample(z)).iter().all(|x| x.is_nan()));
    }

    /// f32 is the f64 result, rounded.
    #[test]
    fn single(k in 0.01f32..1e4, theta in 1e-3f32..10.0, mu in -3f32..3.0, sigma in 0f32..3.0, z in -8f32..8.0) {
        let wide = |x: f32| f64::from(x);
        let round = |s: Sample<f64>| all(s).map(|x| x as f32);
        let (narrow, g) = (Gamma::from_shape_scale(k, theta).unwrap(), gamma(wide(k), wide(theta)));
        prop_assert_eq!(all(narrow.sample(z)), round(g.sample(wide(z))));
        let beta = narrow.sample(z).value;
        prop_assert_eq!(all(narrow.sample_at(beta)), round(g.sample_at(wide(beta))));
        let (narrow, l) = (LogNormal::from_mu_sigma(mu, sigma).unwrap(), lognormal(wide(mu), wide(sigma)));
        prop_assert_eq!(all(narrow.sample(z)), round(l.sample(wide(z))));
        prop_assert_eq!(all(narrow.sample_at(beta)), round(l.sample_at(wide(beta))));
        let (narrow, f) = (Fixed::new(theta).unwrap(), Fixed::new(wide(theta)).unwrap());
        prop_assert_eq!(all(narrow.sample(z)), round(f.sample(wide(z))));
    }

    /// Also from one method to the next.
    #[test]
    fn increasing(k in -3.0..5.0, theta in 0.01..10.0, z in -37.0..37.0, step in -9.0..0.0) {
        let g = gamma(10.0_f64.powf(k), theta);
        let (low, high) = (g.sample(z), g.sample(z + 10.0_f64.powf(step)));
        prop_assert!(low.value <= high.value * (1.0 + 4e-14));
    }
}

#[test]
fn special_values() {
    for beta in [gamma(0.3, 2.0), gamma(4.0, 2.0), gamma(3e3, 2.0)] {
        assert_eq!(all(beta.sample(INF)), [INF; 3]);
        assert_eq!(all(beta.sample(-INF)), [0.0; 3]);
        assert_eq!(all(beta.sample_at(INF)), [INF; 3]);
        assert_eq!(all(beta.sample_at(-0.0)).map(f64::to_bits), [0; 3]);
    }
    for beta in [lognormal(-1.0, 0.5), lognormal(1.0, 1e-300)] {
        assert_eq!(all(beta.sample(INF)), [INF; 3]);
        assert_eq!(all(beta.sample(-INF)), [0.0; 3]);
        assert_eq!(all(beta.sample_at(INF)), [INF; 3]);
        assert_eq!(all(beta.sample_at(-0.0)).map(f64::to_bits), [0; 3]);
    }
    // Most draws of a tiny shape lie below the smallest f64.
    assert_eq!(all(gamma(1e-5, 1.0).sample(0.0)), [0.0; 3]);
    let narrow = Gamma::<f64>::from_mean_v(0.1, 0.0).unwrap();
    for z in [-INF, -3.0, 0.0, 40.0, INF] {
        assert_eq!(all(narrow.sample(z)), [0.1, 0.0, INF]);
    }
    assert_eq!(all(narrow.sample_at(0.1)), [0.1, 0.0, INF]);
    // Which is the limit.
    let nearly = Gamma::<f64>::from_mean_v(0.1, 1e-20).unwrap().sample(2.0);
    assert!(
        (nearly.d_params[0] / 1e-21 - 1.0).abs() < 1e-9 && (nearly.d_params[1] / 1e20 - 1.0).abs() < 1e-9
    );
    let narrow = lognormal(0.0, 0.0);
    assert_eq!(all(narrow.sample(2.0)), [1.0, 1.0, 2.0]);
    assert_eq!(all(narrow.sample(INF)), [1.0, 1.0, INF]);
    assert_eq!(all(narrow.sample_at(1.0)), [1.0, 1.0, 0.0]);
    let fixed = Fixed::new(0.5).unwrap();
    assert_eq!([all(fixed.sample(INF)), all(fixed.sample_at(0.5))], [[0.5, 1.0, 0.0]; 2]);
    fn refused<S: Reparameterised<f64>>(beta: S) {
        let samples = [beta.sample(f64::NAN), beta.sample_at(f64::NAN), beta.sample_at(-1e-300)];
        assert!(samples.iter().all(|&s| all(s).iter().all(|x| x.is_nan())), "{samples:?}");
    }
    refused(fixed);
    refused(narrow);
    refused(lognormal(0.0, 2.0));
    refused(gamma(2.0, 2.0));
    refused(Gamma::from_mean_v(2.0, 0.0).unwrap());
}

/// √n times the largest distance between the empirical distribution function and `cdf`.
fn kolmogorov_smirnov(mut draws: Vec<f64>, cdf: impl Fn(f64) -> f64) -> f64 {
    draws.sort_by(f64::total_cmp);
    let n = draws.len() as f64;
    let distance = |(i, &x): (usize, &f64)| (cdf(x) - i as f64 / n).max((i + 1) as f64 / n - cdf(x));
    draws.iter().enumerate().map(distance).fold(0.0, f64::max) * n.sqrt()
}

const DRAWS: usize = 20_000;
/// Exceeded once in 1000 samples.
const KS_BOUND: f64 = 1.95;
const SHAPES: [f64; 7] = [0.05, 0.5, 1.0, 4.0, 19.5, 250.0, 1e4];

fn normal_scores(seed: u64) -> impl Iterator<Item = f64> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..DRAWS).map(move |_| StandardNormal.sample(&mut rng))
}

#[test]
fn draws_follow_the_law() {
    for (seed, k) in (1..).zip(SHAPES) {
        let beta = gamma(k, 0.25);
        let draws = normal_scores(seed).map(|z| beta.sample(z).value).collect();
        let distance = kolmogorov_smirnov(draws, |x| beta.cdf(x));
        assert!(distance < KS_BOUND, "k = {k}: {distance}");
    }
    for (seed, sigma) in (11..).zip([0.1, 1.0, 5.0]) {
        let beta = lognormal(-2.0, sigma);
        let draws = normal_scores(seed).map(|z| beta.sample(z).value).collect();
        let distance = kolmogorov_smirnov(draws, |x| beta.cdf(x));
        assert!(distance < KS_BOUND, "sigma = {sigma}: {distance}");
    }
}

/// The mean of `values` is `expected`, to five standard errors.
fn assert_mean(values: impl Iterator<Item = f64> + Clone, expected: f64) {
    let n = values.clone().count() as f64;
    let mean = values.clone().sum::<f64>() / n;
    let variance = values.map(|x| (x - mean) * (x - mean)).sum::<f64>() / (n - 1.0);
    assert!((mean - expected).abs() < 5.0 * (variance / n).sqrt(), "{mean} is not {expected}");
}

/// Draws of another sampler: E[β] = kθ, so that E[∂β/∂k] = θ and E[∂β/∂θ] = k.
#[test]
fn draws_of_another_sampler() {
    for (seed, k) in (21..).zip(SHAPES) {
        let theta = 0.25;
        let (beta, law) = (gamma(k, theta), rand_distr::Gamma::new(k, theta).unwrap());
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let draws: Vec<f64> = (0..DRAWS).map(|_| law.sample(&mut rng)).collect();
        let samples: Vec<_> = draws.iter().map(|&b| beta.sample_at(b)).collect();
        assert_mean(samples.iter().map(|s| s.d_params[0]), theta);
        assert_mean(samples.iter().map(|s| s.d_params[1]), k);
        let distance = kolmogorov_smirnov(draws, |x| beta.cdf(x));
        assert!(distance < KS_BOUND, "k = {k}: {distance}");
    }
}

/// No draw of a valid family is negative or NaN but for a NaN score.
fn sane<T: Real, S: Reparameterised<T>>(beta: S, x: T) {
    let [value, first, second] = all(beta.sample(x));
    let at = format!("{beta:?}.sample({x:e}): {value} {first} {second}", x = x.to_f64());
    if x.is_nan() {
        assert!(value.is_nan() && first.is_nan() && second.is_nan(), "{at}");
    } else {
        assert!(value >= T::zero() && first >= T::zero() && !second.is_nan(), "{at}");
    }
    let [value, first, second] = all(beta.sample_at(x));
    let at = format!("{beta:?}.sample_at({x:e}): {value} {first} {second}", x = x.to_f64());
    if x.is_nan() || x < T::zero() {
        assert!(value.is_nan() && first.is_nan() && second.is_nan(), "{at}");
    } else {
        assert!(value == x && first >= T::zero() && !second.is_nan(), "{at}");
    }
}

#[test]
fn hostile() {
    let mut rng = ChaCha8Rng::seed_from_u64(31);
    let special =
        [0.0, -0.0, 5e-324, f64::MIN_POSITIVE, f64::MAX, INF, -INF, f64::NAN, 1.0, -37.5, 40.0, 1e300];
    let (mut gammas, mut lognormals) = (0, 0);
    for i in 0..100_000 {
        let mut number = || {
            let bits = rng.next_u64();
            match bits % 8 {
                0 => special[(bits >> 8) as usize % special.len()],
                1..4 => 10f64.powf((bits >> 11) as f64 / (1u64 << 53) as f64 * 12.0 - 6.0),
                _ => f64::from_bits(rng.next_u64()),
            }
        };
        let (a, b, z) = (number().abs(), number().abs(), number());
        let g = if i % 2 == 0 { Gamma::from_shape_scale(a, b) } else { Gamma::from_mean_v(a, b) };
        if let Ok(beta) = g {
            sane(beta, z);
            sane(beta, a);
            sane(beta, -0.01 * (i % 1000) as f64);
            sane(beta, beta.mean());
            gammas += 1;
        }
        if let Ok(beta) = LogNormal::from_mu_sigma(a.ln(), b % 12.0) {
            sane(beta, z);
            sane(beta, beta.mean());
            lognormals += 1;
        }
        if let Ok(beta) = Gamma::from_shape_scale(a as f32, b as f32) {
            sane(beta, z as f32);
        }
        if let Ok(beta) = Fixed::new(a) {
            sane(beta, z);
        }
    }
    assert!(gammas > 20_000 && lognormals > 20_000, "{gammas} {lognormals}");
}

/// Far below the mean of an enormous shape, where β ~ k·e^{−c}: ∂ ln β/∂ ln k = ln(k/x)/(1 − x/k).
#[test]
fn enormous_shapes_far_from_their_mean() {
    for (k, share) in [(1e18, 0.5), (1e20, 0.9), (1e25, 0.999)] {
        let beta = Gamma::<f64>::from_shape_scale(k, 1.0 / k).expect("valid");
        let elasticity = beta.sample_at(share).d_params[0] * k / share;
        let exact = -f64::ln(share) / (1.0 - share);
        assert!((elasticity / exact - 1.0).abs() < 1e-9, "{k} {share}: {elasticity} of {exact}");
    }
}
