//! Panels to measure with, and what people use for them instead, in plain Rust: Gauss rules over p(β) that all
//! persons share, and adaptive Gauss–Hermite quadrature about each person's mode, as in packages for mixed models.
//!
//! Losses as rows of persons, ∂/∂margin as rows of choices, sums of ∂/∂(ln E\[β\]) and ∂/∂v. `exp` and `ln_1p` of the
//! standard library once per node and choice: slopes are kept until the nodes' weights are known. E\[β\] = 1.

#[path = "quadrature.rs"]
mod quadrature;

use quadrature::{gauss, hermite};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Bernoulli, Distribution, LogNormal};
use std::f64::consts::PI;

/// Choices of `persons` who make `each`, and where they end: |D| about 1 to 3, three in ten against the margin.
pub(crate) fn choices(each: usize, persons: usize) -> (Vec<f64>, Vec<usize>) {
    let mut rng = ChaCha8Rng::seed_from_u64(20_261_030);
    let size = LogNormal::new(0.6, 0.5).expect("valid");
    let against = Bernoulli::new(0.3).expect("valid");
    let mut draw = || size.sample(&mut rng) * if against.sample(&mut rng) { -1.0 } else { 1.0 };
    let margins = (0..each * persons).map(|_| draw()).collect();
    (margins, (1..=persons).map(|person| person * each).collect())
}

/// p(β) as the density of x = ln β.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Prior {
    /// kᵏ/Γ(k)·e^{k(x − eˣ)}: k, ln of the factor, and ln k − ψ(k).
    Gamma { k: f64, ln_factor: f64, ln_less_digamma: f64 },
    /// Normal, of mean −q/2 and variance q.
    LogNormal { q: f64 },
}

impl Prior {
    pub(crate) fn gamma(cv: f64) -> Self {
        let k = 1.0 / (cv * cv);
        Self::Gamma {
            k,
            ln_factor: k * k.ln() - special::Gamma::ln_gamma(k).0,
            ln_less_digamma: k.ln() - special::Gamma::digamma(k),
        }
    }

    pub(crate) fn lognormal(cv: f64) -> Self {
        Self::LogNormal { q: (cv * cv).ln_1p() }
    }

    /// ln of the density at x = ln β, with two derivatives.
    fn ln_density(&self, x: f64, beta: f64) -> [f64; 3] {
        match *self {
            Self::Gamma { k, ln_factor, .. } => [ln_factor + k * (x - beta), k * (1.0 - beta), -k * beta],
            Self::LogNormal { q } => {
                let z = x + 0.5 * q;
                [-0.5 * (z * z / q + (2.0 * PI * q).ln()), -z / q, -1.0 / q]
            }
        }
    }

    /// ∂/∂v of it, v = cv², at fixed mean.
    fn score(&self, x: f64, beta: f64) -> f64 {
        match *self {
            Self::Gamma { k, ln_less_digamma, .. } => -k * k * (ln_less_digamma + 1.0 + x - beta),
            Self::LogNormal { q } => {
                let z = x + 0.5 * q;
                0.5 * ((z * z / q - 1.0) / q - z / q) * (-q).exp()
            }
        }
    }

    /// All but e⁻⁴⁰ of it lies between.
    fn ends(&self) -> [f64; 2] {
        match *self {
            Self::Gamma { k, .. } => [-45.0 / k - 1.0, (2.0 + 45.0 / k).ln()],
            Self::LogNormal { q } => [-1.0, 1.0].map(|side| side * 10.0 * q.sqrt() - 0.5 * q),
        }
    }
}

/// Nodes β with what stands before the likelihood there.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    beta: Vec<f64>,
    ln_weight: Vec<f64>,
    /// ∂/∂v of the prior.
    score: Vec<f64>,
}

impl Rule {
    fn new(prior: &Prior, nodes: impl Iterator<Item = (f64, f64)>) -> Self {
        let (x, ln_weight): (Vec<_>, _) = nodes.unzip();
        let beta: Vec<f64> = x.iter().map(|x| x.exp()).collect();
        let score = x.iter().zip(&beta).map(|(&x, &beta)| prior.score(x, beta)).collect();
        Self { beta, ln_weight, score }
    }

    /// The rule of Gauss for p(β): Laguerre's in β, or Hermite's in ln β.
    pub(crate) fn textbook(prior: &Prior) -> Self {
        const N: usize = 64;
        match *prior {
            Prior::Gamma { k, .. } => {
                let a = |j: usize| 2.0 * j as f64 + k;
                let b = |j: usize| (j as f64 * (j as f64 + k - 1.0)).sqrt();
                let (t, weight) = gauss::<N>(a, b, [0.0, 4.0 * N as f64 + 2.0 * k]);
                Self::new(prior, t.into_iter().zip(weight).map(|(t, w)| ((t / k).ln(), w.ln())))
            }
            Prior::LogNormal { q } => {
                let (z, weight) = hermite::<N>();
                Self::new(prior, z.into_iter().zip(weight).map(|(z, w)| (q.sqrt() * z - 0.5 * q, w.ln())))
            }
        }
    }

    /// The truth: a fine trapezoidal rule over all of p(β).
    pub(crate) fn fine(prior: &Prior) -> Self {
        const N: usize = 1000;
        let [low, high] = prior.ends();
        let step = (high - low) / N as f64;
        let nodes = (0..=N).map(|i| {
            let x = low + i as f64 * step;
            (x, step.ln() + prior.ln_density(x, x.exp())[0])
        });
        Self::new(prior, nodes)
    }

    /// The loss of one person, ∂/∂(ln E\[β\]) and ∂/∂v.
    fn person(&self, margins: &[f64], slopes: &mut Vec<f64>, d_margin: &mut [f64]) -> [f64; 3] {
        let n = margins.len();
        slopes.resize(self.beta.len() * n, 0.0);
        let mut ln_terms = self.ln_weight.clone();
        for ((&beta, ln_term), slopes) in self.beta.iter().zip(&mut ln_terms).zip(slopes.chunks_mut(n)) {
            for (&d, slope) in margins.iter().zip(slopes) {
                let y = beta * d;
                let u = (-y.abs()).exp();
                *ln_term += y.min(0.0) - u.ln_1p();
                *slope = beta * (if y > 0.0 { u } else { 1.0 }) / (1.0 + u);
            }
        }
        let top = ln_terms.iter().fold(f64::NEG_INFINITY, |top, &ln| top.max(ln));
        let total: f64 = ln_terms.iter().map(|ln| (ln - top).exp()).sum();
        let mut d_v = 0.0;
        d_margin.fill(0.0);
        for ((ln_term, score), slopes) in ln_terms.iter().zip(&self.score).zip(slopes.chunks(n)) {
            let weight = (ln_term - top).exp() / total;
            d_v -= weight * score;
            d_margin.iter_mut().zip(slopes).for_each(|(d, slope)| *d -= weight * slope);
        }
        let d_ln_mean = margins.iter().zip(d_margin).map(|(d, slope)| d * *slope).sum();
        [-(top + total.ln()), d_ln_mean, d_v]
    }
}

/// How one person's nodes are found.
#[derive(Clone, Debug)]
pub(crate) enum Alternative {
    /// Nodes that all persons share.
    Shared(Rule),
    /// Nodes and weights of Hermite about the mode of each person's integrand, as wide as that.
    Adaptive { prior: Prior, z: [f64; 15], ln_weight: [f64; 15] },
}

impl Alternative {
    pub(crate) fn adaptive(prior: &Prior) -> Self {
        let (z, weight) = hermite();
        let mut ln_weight = [0.0; 15];
        for ((to, z), weight) in ln_weight.iter_mut().zip(z).zip(weight) {
            *to = f64::ln(weight) + 0.5 * (z * z + (2.0 * PI).ln());
        }
        Self::Adaptive { prior: *prior, z, ln_weight }
    }

    /// Rows of losses and ∂/∂margin. Returns the sums of losses, ∂/∂(ln E\[β\]) and ∂/∂v.
    pub(crate) fn evaluate(
        &self,
        margins: &[f64],
        ends: &[usize],
        nll: &mut [f64],
        d_margin: &mut [f64],
    ) -> [f64; 3] {
        let (mut sums, mut start, mut slopes) = ([0.0; 3], 0, Vec::new());
        for (&end, nll) in ends.iter().zip(nll) {
            let (margins, d_margin) = (&margins[start..end], &mut d_margin[start..end]);
            let person = match self {
                Self::Shared(rule) => rule.person(margins, &mut slopes, d_margin),
                Self::Adaptive { prior, z, ln_weight } => {
                    let (mode, sd) = mode(prior, margins);
                    let nodes = z.iter().zip(ln_weight).map(|(z, ln_weight)| {
                        let x = mode + sd * z;
                        (x, sd.ln() + ln_weight + prior.ln_density(x, x.exp())[0])
                    });
                    Rule::new(prior, nodes).person(margins, &mut slopes, d_margin)
                }
            };
            *nll = person[0];
            sums.iter_mut().zip(person).for_each(|(sum, x)| *sum += x);
            start = end;
        }
        sums
    }
}

/// Newton's method for the mode of one person's integrand in ln β; with the standard deviation of the normal density
/// that is as curved there.
fn mode(prior: &Prior, margins: &[f64]) -> (f64, f64) {
    let mut x = 0.0_f64;
    for _ in 0..50 {
        let beta = x.exp();
        let [_, mut d1, mut d2] = prior.ln_density(x, beta);
        for &d in margins {
            let y = beta * d;
            let p = 1.0 / (1.0 + y.exp());
            d1 += y * p;
            d2 += y * p * (1.0 - y * (1.0 - p));
        }
        let step = if d2 < 0.0 { (-d1 / d2).clamp(-1.0, 1.0) } else { d1.signum() };
        x += step;
        let sd = (-d2).sqrt().recip();
        if step.abs() < 1e-3 * sd {
            return (x, sd);
        }
    }
    (x, 1.0)
}
