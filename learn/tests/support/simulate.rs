//! Simulated margins; pairs are those of `examples/support/pairs.rs`.
#![allow(dead_code, reason = "shared by binaries that use other parts")]

use prefstrength::{AnyStrength, Family};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Distribution, StandardNormal, StandardUniform};

type Sample = Box<dyn Fn(&mut ChaCha8Rng) -> f64>;

/// Draws from p(β).
fn sampler(truth: &AnyStrength) -> Sample {
    let mean = truth.mean();
    match *truth {
        _ if truth.v() == 0.0 => Box::new(move |_| mean),
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
    }
}

/// Margins of n pairs of size |N(0, 4²)|, chosen with strengths drawn from p(β).
pub(crate) fn margins(truth: &AnyStrength, n: usize, seed: u64) -> Vec<f64> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let strength = sampler(truth);
    let mut margins = Vec::with_capacity(n);
    for _ in 0..n {
        let normal: f64 = StandardNormal.sample(&mut rng);
        let (size, uniform): (f64, f64) = (4.0 * normal.abs(), StandardUniform.sample(&mut rng));
        let beta = strength(&mut rng);
        margins.push(if uniform < 1.0 / (1.0 + (-beta * size).exp()) { size } else { -size });
    }
    margins
}

/// How people choose, known: strengths, and what else passes for a spread of them or hides it.
///
/// E β = 1 and D ~ N(0, s²). The answer that is ahead by D is preferred with probability σ(b·y),
/// y = sign(D)|D|^γ + α·side + N(0, τ²), where b is β, or −β of people who are reversed, or 0 of those who guess; the
/// label is the opposite with probability ε, and what is reported is not D but D + N(0, ω²), times ten if it is junk.
///
/// All that can be drawn is, whatever is used, so that truths that differ in one number share everything else.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Truth {
    /// p(β).
    pub(crate) strength: AnyStrength,
    /// In a panel every choice has a β of its own; otherwise every person.
    pub(crate) redrawn: bool,
    /// Standard deviation s of D.
    pub(crate) size: f64,
    /// ε.
    pub(crate) flips: f64,
    /// In a panel every person has an ε of their own, uniform between 0 and 2ε.
    pub(crate) own_flips: bool,
    /// Share of people with β = 0.
    pub(crate) guessers: f64,
    /// Share of people with −β.
    pub(crate) reversed: f64,
    /// α; sides are ±1, and as likely.
    pub(crate) intercept: f64,
    /// γ.
    pub(crate) curvature: f64,
    /// τ, of a feature that D leaves out.
    pub(crate) omitted: f64,
    /// ω, of classical noise in the reported margin.
    pub(crate) noise: f64,
    /// Share of reported margins that are ten times too wide.
    pub(crate) junk: f64,
}

/// Choices one after the other, in a panel person by person.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Choices {
    /// Reported, of the chosen answer.
    pub(crate) margins: Vec<f64>,
    /// Who chose, from 0.
    pub(crate) persons: Vec<u32>,
    /// 1 where the chosen answer is the one that gains the intercept, −1 where the other one is.
    pub(crate) sides: Vec<f64>,
}

impl Choices {
    /// Where every person's choices end.
    pub(crate) fn ends(&self) -> Vec<usize> {
        let starts = self.persons.windows(2).enumerate().filter(|(_, pair)| pair[0] != pair[1]);
        let mut ends: Vec<usize> = starts.map(|(i, _)| i + 1).collect();
        ends.extend((!self.persons.is_empty()).then_some(self.persons.len()));
        ends
    }
}

impl Truth {
    /// The control: everyone's β is 1, and nothing else.
    pub(crate) fn control(size: f64) -> Self {
        Self {
            strength: AnyStrength::from_mean_v(Family::Fixed, 1.0, 0.0).unwrap(),
            redrawn: false,
            size,
            flips: 0.0,
            own_flips: false,
            guessers: 0.0,
            reversed: 0.0,
            intercept: 0.0,
            curvature: 1.0,
            omitted: 0.0,
            noise: 0.0,
            junk: 0.0,
        }
    }

    /// E β = 1 and a spread.
    pub(crate) fn spread(size: f64, family: Family, cv: f64) -> Self {
        let strength = AnyStrength::from_mean_v(family, 1.0, cv * cv).unwrap();
        Self { strength, ..Self::control(size) }
    }

    /// Margins of n people who choose once.
    pub(crate) fn margins(&self, n: usize, seed: u64) -> Vec<f64> {
        self.panel(n, 1, seed).margins
    }

    /// So many people, who choose so often each.
    pub(crate) fn panel(&self, persons: usize, each: usize, seed: u64) -> Choices {
        // The strength takes as many numbers as it pleases, so it has a stream of its own.
        let mut streams = [0, 1].map(|stream| {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            rng.set_stream(stream);
            rng
        });
        let [rng, strengths] = &mut streams;
        let strength = sampler(&self.strength);
        let mut choices = Choices::default();
        for person in 0..persons {
            let mut own = strength(strengths);
            let kind: f64 = StandardUniform.sample(rng);
            let sign = match kind {
                kind if kind < self.reversed => -1.0,
                kind if kind < self.reversed + self.guessers => 0.0,
                _ => 1.0,
            };
            let share: f64 = StandardUniform.sample(rng);
            let flips = if self.own_flips { 2.0 * share * self.flips } else { self.flips };
            for choice in 0..each {
                if self.redrawn && choice > 0 {
                    own = strength(strengths);
                }
                let (margin, side) = self.choose(sign * own, flips, rng);
                choices.margins.push(margin);
                choices.persons.push(person as u32);
                choices.sides.push(side);
            }
        }
        choices
    }

    fn choose(&self, beta: f64, flips: f64, rng: &mut ChaCha8Rng) -> (f64, f64) {
        let [d, omitted, noise]: [f64; 3] = std::array::from_fn(|_| StandardNormal.sample(rng));
        let [chosen, flipped, first, junk]: [f64; 4] = std::array::from_fn(|_| StandardUniform.sample(rng));
        let d = self.size * d;
        let side = if first < 0.5 { 1.0 } else { -1.0 };
        let y = d.signum() * d.abs().powf(self.curvature) + self.intercept * side + self.omitted * omitted;
        let prefers = chosen < 1.0 / (1.0 + (-beta * y).exp());
        let turn = if prefers != (flipped < flips) { 1.0 } else { -1.0 };
        let reported = (d + self.noise * noise) * if junk < self.junk { 10.0 } else { 1.0 };
        (turn * reported, turn * side)
    }
}
