//! Training a policy and p(β) with the optimiser of the trainer's own choice, and what the paper's estimator learns
//! in place of the exact loss.
//!
//! ```text
//! cargo run --release --example policy_training [-- --quick]
//! ```
//!
//! The policy here is linear, so that `train` knows where the maximum is; all that this file uses of it is
//! margins forward and ∂loss/∂margin backward, as with any other.
//!
//! 1. Adam on the policy and on p(β) = LogNormal, with E[β] held and with E[β]/√(1 + v) held: how many steps it takes
//!    to come within 0.1 of the maximal log-likelihood. The scale of a policy and the spread of β are correlated
//!    above 0.9; holding the right combination takes that out.
//! 2. The same training with the Monte Carlo loss of MixDPO, K fresh draws in every step (its σ averaged over the
//!    second half of the steps). −ln of a mean of K draws is larger than −ln of the expectation, the more the
//!    larger the spread, so what it learns is less spread than there is.

#[path = "support/pairs.rs"]
#[allow(dead_code, reason = "the other example reads files")]
mod pairs;

use pairs::{TRUE_W, Truth};
use prefstrength::batch::{Batch, Rows};
use prefstrength::sampling::{MonteCarlo, PointSet};
use prefstrength::{AnyStrength, Family};
use prefstrength_learn::{self as learn, Options, Pairs, StrengthParams, Trained};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use std::error::Error;
use std::process::ExitCode;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const DIM: usize = TRUE_W.len();
/// cv = 1: σ = √ln 2.
const TRUTH: Truth = Truth::LogNormal { cv: 1.0 };

/// D. Kingma, J. Ba, 2015; the policy's parameters, then that of the spread.
struct Adam {
    rate: f64,
    step: i32,
    mean: [f64; DIM + 1],
    square: [f64; DIM + 1],
}

impl Adam {
    fn new(rate: f64) -> Self {
        Self { rate, step: 0, mean: [0.0; DIM + 1], square: [0.0; DIM + 1] }
    }

    fn step(&mut self, x: &mut [f64; DIM + 1], gradient: &[f64; DIM + 1]) {
        self.step += 1;
        let (a, b) = (0.9, 0.99);
        let unbias = |decay: f64| 1.0 / (1.0 - decay.powi(self.step));
        let (first, second) = (unbias(a), unbias(b));
        for i in 0..=DIM {
            self.mean[i] = a * self.mean[i] + (1.0 - a) * gradient[i];
            self.square[i] = b * self.square[i] + (1.0 - b) * gradient[i].powi(2);
            x[i] -= self.rate * first * self.mean[i] / ((second * self.square[i]).sqrt() + 1e-12);
        }
    }
}

/// What is trained: w and the spread.
struct Model<'a> {
    pairs: &'a Pairs,
    x: [f64; DIM + 1],
    p_beta: StrengthParams,
    margins: Vec<f64>,
    d_margin: Vec<f64>,
}

impl<'a> Model<'a> {
    fn new(pairs: &'a Pairs, w: &[f64], p_beta: StrengthParams) -> Self {
        let mut x = [0.0; DIM + 1];
        x[..DIM].copy_from_slice(w);
        x[DIM] = p_beta.params()[1];
        Self { pairs, x, p_beta, margins: Vec::new(), d_margin: vec![0.0; pairs.len()] }
    }

    /// Takes new parameters, and lets the policy give its margins.
    fn forward(&mut self) -> Result<()> {
        self.p_beta.set([0.0, self.x[DIM]])?;
        self.x[DIM] = self.p_beta.params()[1];
        self.margins = self.pairs.margins(&self.x[..DIM])?;
        Ok(())
    }

    /// ∂loss/∂margin goes into the policy; the mean over pairs is what Adam sees.
    fn backward(&self, d_spread: f64) -> [f64; DIM + 1] {
        let mut gradient = [0.0; DIM + 1];
        for (f, d) in self.pairs.rows().zip(&self.d_margin) {
            gradient.iter_mut().zip(f).for_each(|(g, f)| *g += d * f);
        }
        gradient[DIM] = d_spread;
        gradient.map(|g| g / self.pairs.len() as f64)
    }

    /// The exact loss and its gradient.
    fn exact(&mut self) -> Result<(f64, [f64; DIM + 1])> {
        self.forward()?;
        let sums =
            self.p_beta.evaluate(&Batch::new(&self.margins), Rows::new().d_margin(&mut self.d_margin))?;
        Ok((sums.nll, self.backward(sums.d_params[1])))
    }

    /// The same by K draws, which all pairs share or not.
    fn sampled(
        &mut self,
        draws: usize,
        shared: bool,
        rng: &mut ChaCha8Rng,
        z: &mut Vec<f64>,
    ) -> Result<[f64; DIM + 1]> {
        self.forward()?;
        let AnyStrength::LogNormal(beta) = self.p_beta.strength() else { return Err("not LogNormal".into()) };
        z.resize(draws * if shared { 1 } else { self.pairs.len() }, 0.0);
        PointSet::Iid.draw(rng, z)?;
        let estimator = if shared {
            MonteCarlo::lognormal(&beta, z)?
        } else {
            MonteCarlo::lognormal_per_pair(&beta, draws, z)?
        };
        let sums =
            estimator.evaluate(&Batch::new(&self.margins), Rows::new().d_margin(&mut self.d_margin))?;
        // Holding mean/√(1 + v) is holding μ. σ² = ln(1 + v), and the parameter is ln √v.
        let v = beta.v();
        Ok(self.backward(sums.d_params[1] * v / ((1.0 + v) * beta.sigma())))
    }
}

/// A LogNormal whose mean would be 1 if the spread were that of the truth.
fn start(held: fn(StrengthParams) -> StrengthParams) -> Result<StrengthParams> {
    Ok(held(StrengthParams::in_ln_mean_ln_cv(Family::LogNormal, 1.0)?))
}

/// Steps of Adam until the log-likelihood is within 0.1 of the maximum, at most `most`.
fn steps_needed(
    pairs: &Pairs,
    best: &Trained,
    held: fn(StrengthParams) -> StrengthParams,
    most: u32,
) -> Result<Option<u32>> {
    let (mut model, mut adam) = (Model::new(pairs, &[0.0; DIM], start(held)?), Adam::new(0.03));
    for step in 0..most {
        let (nll, gradient) = model.exact()?;
        if nll < 0.1 - best.log_likelihood {
            return Ok(Some(step));
        }
        adam.step(&mut model.x, &gradient);
    }
    Ok(None)
}

/// σ where the training with K draws ends up, on average.
fn sigma_learned(
    pairs: &Pairs,
    from: &Trained,
    draws: usize,
    shared: bool,
    steps: u32,
    seed: u64,
) -> Result<f64> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut p_beta = StrengthParams::in_ln_mean_ln_cv(Family::LogNormal, 1.0)?;
    p_beta.set([0.0, from.strength.cv().ln()])?;
    let mut model = Model::new(pairs, &from.w, p_beta.with_scale_held());
    let (mut adam, mut z, mut sum) = (Adam::new(0.01), Vec::new(), 0.0);
    for step in 0..steps {
        let gradient = model.sampled(draws, shared, &mut rng, &mut z)?;
        adam.step(&mut model.x, &gradient);
        if step >= steps / 2 {
            sum += model.p_beta.strength().v().ln_1p().sqrt();
        }
    }
    Ok(sum / f64::from(steps - steps / 2))
}

/// Mean and its standard error.
fn mean(x: &[f64]) -> (f64, f64) {
    let n = x.len() as f64;
    let mean = x.iter().sum::<f64>() / n;
    let square = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>();
    (mean, (square / (n * (n - 1.0).max(1.0))).sqrt())
}

fn run(quick: bool) -> Result<()> {
    let (number, populations, steps) = if quick { (1000, 2, 60) } else { (5000, 4, 500) };
    let populations: Vec<Pairs> = (0..populations)
        .map(|seed| pairs::simulate(TRUTH, number, 100 + seed))
        .collect::<std::result::Result<_, _>>()?;
    let exact: Vec<Trained> = populations
        .iter()
        .map(|pairs| learn::train(Family::LogNormal, pairs, &Options::default()))
        .collect::<std::result::Result<_, _>>()?;

    println!("steps of Adam to within 0.1 of the maximum, {number} pairs, β ~ LogNormal with cv 1:");
    let most = if quick { 200 } else { 5000 };
    for (name, held) in [
        ("E[β] held", StrengthParams::with_mean_held as fn(StrengthParams) -> StrengthParams),
        ("E[β]/√(1 + v) held", StrengthParams::with_scale_held),
    ] {
        print!("  {name:<20}");
        for (pairs, best) in populations.iter().zip(&exact) {
            match steps_needed(pairs, best, held, most)? {
                Some(steps) => print!(" {steps:>6}"),
                None => print!(" > {most:>4}"),
            }
        }
        println!();
    }

    println!(
        "\nσ learned, mean over {} populations (truth {:.4}), and its part of the exact one:",
        exact.len(),
        2.0_f64.ln().sqrt()
    );
    let sigma = |t: &Trained| t.strength.v().ln_1p().sqrt();
    let (value, error) = mean(&exact.iter().map(sigma).collect::<Vec<_>>());
    println!("  {:<28} {value:.4} ± {error:.4}", "exact");
    for (draws, shared) in [(4, false), (16, false), (64, false), (16, true)] {
        let mut learned = Vec::new();
        for (seed, (pairs, from)) in populations.iter().zip(&exact).enumerate() {
            learned.push(sigma_learned(pairs, from, draws, shared, steps, seed as u64)?);
        }
        let parts: Vec<f64> = learned.iter().zip(&exact).map(|(s, t)| s / sigma(t)).collect();
        let ((value, error), (part, spread)) = (mean(&learned), mean(&parts));
        let name = format!("K = {draws} {}", if shared { "for all pairs" } else { "for every pair" });
        println!("  {name:<28} {value:.4} ± {error:.4}   {:.1} % ± {:.1}", 100.0 * part, 100.0 * spread);
    }
    Ok(())
}

fn main() -> ExitCode {
    let quick = std::env::args().nth(1).as_deref() == Some("--quick");
    match run(quick) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("policy_training: {error}");
            ExitCode::FAILURE
        }
    }
}
