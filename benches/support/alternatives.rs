//! What people use instead, in plain Rust, as the author of a trainer would write it: a loop over the batch,
//! `exp` and `ln` of the standard library, losses and ∂/∂margin as rows, parameter gradients as f64 sums.

#[path = "quadrature.rs"]
mod quadrature;

use num_traits::Float;
use quadrature::hermite;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Distribution, StandardNormal};

/// f32 or f64.
pub(crate) trait Number: Float + Into<f64> {
    fn of(x: f64) -> Self;
}

impl Number for f32 {
    fn of(x: f64) -> Self {
        x as f32
    }
}

impl Number for f64 {
    fn of(x: f64) -> Self {
        x
    }
}

/// Standard normal draws, always the same.
pub(crate) fn normals() -> impl Iterator<Item = f64> {
    StandardNormal.sample_iter(ChaCha8Rng::seed_from_u64(16))
}

/// E over a LogNormal β as Σ weight·(at β).
#[derive(Clone, Copy)]
pub(crate) struct Nodes<T, const N: usize> {
    z: [T; N],
    beta: [T; N],
    weight: [T; N],
}

impl<T: Number, const N: usize> Nodes<T, N> {
    fn new(mu: f64, sigma: f64, z: [f64; N], weight: [f64; N]) -> Self {
        Self { z: z.map(T::of), beta: z.map(|z| T::of((mu + sigma * z).exp())), weight: weight.map(T::of) }
    }

    /// Monte Carlo: N draws, shared by the batch.
    pub(crate) fn draws(mu: f64, sigma: f64) -> Self {
        let mut z = [0.0; N];
        z.iter_mut().zip(normals()).for_each(|(z, draw)| *z = draw);
        Self::new(mu, sigma, z, [1.0 / N as f64; N])
    }

    /// Gauss–Hermite quadrature.
    pub(crate) fn hermite(mu: f64, sigma: f64) -> Self {
        let (z, weight) = hermite();
        Self::new(mu, sigma, z, weight)
    }

    /// −ln of the mean sigmoid, pathwise gradients: one `exp` per node. Returns Σ∂/∂μ and Σ∂/∂σ.
    pub(crate) fn mean_of_sigmoids(&self, margins: &[T], nll: &mut [T], d_margin: &mut [T]) -> [f64; 2] {
        let (zero, one) = (T::zero(), T::one());
        let mut sums = [0.0; 2];
        for ((&d, nll), d_margin) in margins.iter().zip(nll).zip(d_margin) {
            let (mut mean, mut d_d, mut d_z) = (zero, zero, zero);
            for ((&z, &beta), &weight) in self.z.iter().zip(&self.beta).zip(&self.weight) {
                let p = one / (one + (-beta * d).exp());
                let slope = weight * p * (one - p) * beta;
                mean = mean + weight * p;
                d_d = d_d + slope;
                d_z = d_z + slope * z;
            }
            *nll = -mean.ln();
            *d_margin = -d_d / mean;
            sums[0] += (*d_margin * d).into();
            sums[1] += (-d_z * d / mean).into();
        }
        sums
    }

    /// The same by log-mean-exp of log-sigmoids, which does not underflow far from zero.
    pub(crate) fn log_mean_exp(&self, margins: &[T], nll: &mut [T], d_margin: &mut [T]) -> [f64; 2] {
        let (zero, one) = (T::zero(), T::one());
        let mut sums = [0.0; 2];
        for ((&d, nll), d_margin) in margins.iter().zip(nll).zip(d_margin) {
            let (mut ln_p, mut slope) = ([zero; N], [zero; N]);
            for k in 0..N {
                let x = self.beta[k] * d;
                let e = (-x.abs()).exp();
                ln_p[k] = x.min(zero) - e.ln_1p();
                slope[k] = self.beta[k] * (if x > zero { e } else { one }) / (one + e);
            }
            let top = ln_p.iter().fold(-T::infinity(), |a, &b| a.max(b));
            let (mut total, mut d_d, mut d_z) = (zero, zero, zero);
            for k in 0..N {
                let weight = self.weight[k] * (ln_p[k] - top).exp();
                total = total + weight;
                d_d = d_d + weight * slope[k];
                d_z = d_z + weight * slope[k] * self.z[k];
            }
            *nll = -top - total.ln();
            *d_margin = -d_d / total;
            sums[0] += (*d_margin * d).into();
            sums[1] += (-d_z * d / total).into();
        }
        sums
    }
}

/// T = Σ (−1)ⁿ⁺¹ (1 + nθ|D|)⁻ᵏ for a Gamma β, the first 20 terms with the weights of Cohen, Rodriguez Villegas
/// and Zagier (Experimental Mathematics 9, 2000, algorithm 1).
pub(crate) struct Series<T> {
    k: T,
    theta: T,
    weights: [T; 20],
}

impl<T: Number> Series<T> {
    pub(crate) fn new(k: f64, theta: f64) -> Self {
        let n = 20.0;
        let power = (3.0 + 8_f64.sqrt()).powi(20);
        let d = 0.5 * (power + 1.0 / power);
        let (mut b, mut c) = (-1.0, -d);
        let weights = std::array::from_fn(|i| {
            let i = i as f64;
            c = b - c;
            b *= (i + n) * (i - n) / ((i + 0.5) * (i + 1.0));
            T::of(c / d)
        });
        Self { k: T::of(k), theta: T::of(theta), weights }
    }

    /// Losses and gradients. Returns Σ∂/∂k and Σ∂/∂θ.
    pub(crate) fn evaluate(&self, margins: &[T], nll: &mut [T], d_margin: &mut [T]) -> [f64; 2] {
        let (zero, one) = (T::zero(), T::one());
        let mut sums = [0.0; 2];
        for ((&d, nll), d_margin) in margins.iter().zip(nll).zip(d_margin) {
            let c = self.theta * d.abs();
            let (mut t, mut t_k, mut t_c, mut n) = (zero, zero, zero, zero);
            for &weight in &self.weights {
                n = n + one;
                let base = one + n * c;
                let ln = base.ln();
                let term = weight * (-self.k * ln).exp();
                t = t + term;
                t_k = t_k - ln * term;
                t_c = t_c - self.k * n * term / base;
            }
            let (value, factor) =
                if d < zero { (-t.ln(), -one / t) } else { (-(-t).ln_1p(), one / (one - t)) };
            *nll = value;
            *d_margin = factor * t_c * self.theta * d.signum();
            sums[0] += (factor * t_k).into();
            sums[1] += (factor * t_c * d.abs()).into();
        }
        sums
    }
}
