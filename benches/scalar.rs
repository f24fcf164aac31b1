//! Scalar speed: value and all gradients of one margin, beside what people use instead.
//!
//!     cargo bench --bench scalar

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use prefstrength::math::log_sigmoid;
use prefstrength::{Fixed, Gamma, LogNormal, Strength};
use std::hint::black_box;

/// ln of Σₙ (−1)ⁿ⁺¹ (1 + nθ|D|)⁻ᵏ over 64 terms and its derivatives: the textbook series, cut off.
fn series64(k: f64, theta: f64, margin: f64) -> [f64; 4] {
    let c = theta * margin.abs();
    let (mut t, mut t_k, mut t_c) = (0.0, 0.0, 0.0);
    for n in 1..=64 {
        let sign = if n % 2 == 1 { 1.0 } else { -1.0 };
        let nf = f64::from(n);
        let ln = (nf * c).ln_1p();
        let phi = sign * (-k * ln).exp();
        t += phi;
        t_k -= ln * phi;
        t_c -= k * nf / (1.0 + nf * c) * phi;
    }
    let (value, factor) = if margin < 0.0 { (-t.ln(), -1.0 / t) } else { (-(-t).ln_1p(), 1.0 / (1.0 - t)) };
    [value, factor * t_c * theta * margin.signum(), factor * t_k, factor * t_c * margin.abs()]
}

/// The paper's estimator: −ln of the mean of 16 sigmoids at β = exp(μ + σz), pathwise gradients.
fn monte_carlo16(mu: f64, sigma: f64, margin: f64, noise: &[f64; 16]) -> [f64; 4] {
    let (mut sum, mut d_margin, mut d_mu, mut d_sigma) = (0.0, 0.0, 0.0, 0.0);
    for &z in noise {
        let beta = (mu + sigma * z).exp();
        let p = 1.0 / (1.0 + (-beta * margin).exp());
        let slope = p * (1.0 - p);
        sum += p;
        d_margin += slope * beta;
        d_mu += slope * beta * margin;
        d_sigma += slope * beta * margin * z;
    }
    [-(sum / 16.0).ln(), -d_margin / sum, -d_mu / sum, -d_sigma / sum]
}

/// Standard normal draws, fixed.
const NOISE: [f64; 16] =
    [0.31, -1.27, 0.88, 2.01, -0.45, 0.12, -0.93, 1.44, -2.2, 0.57, -0.08, 1.09, -0.66, 0.24, -1.61, 0.79];

fn scalar(c: &mut Criterion) {
    let margins = [-4.0, -1.0, -0.1, 0.1, 1.0, 4.0, 40.0];

    let mut group = c.benchmark_group("gamma");
    for d in margins {
        for k in [0.5, 4.0, 1000.0] {
            let beta = Gamma::from_shape_scale(k, 1.0 / k).unwrap();
            group.bench_function(BenchmarkId::new(format!("k={k}"), d), |b| {
                b.iter(|| black_box(beta).nll_gradient(black_box(d)));
            });
        }
    }
    group.bench_function("series64, k=4/1", |b| b.iter(|| series64(black_box(4.0), 0.25, black_box(1.0))));
    group.finish();

    let mut group = c.benchmark_group("lognormal");
    for d in margins {
        for sigma in [0.1, 0.5, 1.0, 2.0] {
            let beta = LogNormal::from_mu_sigma(0.0, sigma).unwrap();
            group.bench_function(BenchmarkId::new(format!("sigma={sigma}"), d), |b| {
                b.iter(|| black_box(beta).nll_gradient(black_box(d)));
            });
        }
    }
    group.bench_function("monte_carlo16, sigma=0.5/1", |b| {
        b.iter(|| monte_carlo16(black_box(0.0), 0.5, black_box(1.0), &NOISE));
    });
    group.finish();

    let mut group = c.benchmark_group("fixed");
    group.bench_function("nll_gradient/1", |b| {
        let beta = Fixed::new(1.0).unwrap();
        b.iter(|| black_box(beta).nll_gradient(black_box(1.0)));
    });
    group.bench_function("log_sigmoid/1", |b| b.iter(|| log_sigmoid(black_box(1.0))));
    group.finish();
}

criterion_group!(benches, scalar);
criterion_main!(benches);
