//! Simulated margins; pairs are those of `examples/support/pairs.rs`.

use prefstrength::AnyStrength;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Distribution, StandardNormal, StandardUniform};

/// Margins of n pairs of size |N(0, 4²)|, chosen with strengths drawn from p(β).
pub(crate) fn margins(truth: &AnyStrength, n: usize, seed: u64) -> Vec<f64> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let strength: Box<dyn Fn(&mut ChaCha8Rng) -> f64> = match *truth {
        AnyStrength::Fixed(beta) => Box::new(move |_| beta.beta()),
        AnyStrength::Gamma(beta) => {
            let gamma = rand_distr::Gamma::new(beta.shape(), beta.scale()).unwrap();
            Box::new(move |rng| gamma.sample(rng))
        }
        AnyStrength::LogNormal(beta) => {
            let lognormal = rand_distr::LogNormal::new(beta.mu(), beta.sigma()).unwrap();
            Box::new(move |rng| lognormal.sample(rng))
        }
        beta => Box::new(move |rng| beta.quantile(StandardUniform.sample(rng))),
    };
    let mut margins = Vec::with_capacity(n);
    for _ in 0..n {
        let normal: f64 = StandardNormal.sample(&mut rng);
        let (size, uniform): (f64, f64) = (4.0 * normal.abs(), StandardUniform.sample(&mut rng));
        let beta = strength(&mut rng);
        margins.push(if uniform < 1.0 / (1.0 + (-beta * size).exp()) { size } else { -size });
    }
    margins
}
