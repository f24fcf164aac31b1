//! Bias and standard deviation of Monte Carlo losses and gradients, against the exact kernel.

use prefstrength::batch::{Batch, BatchError, Direct, Plan, Rows, Sums};
use prefstrength::sampling::{MonteCarlo, PointSet, Reparameterised};
use prefstrength::{Gamma, LogNormal, Strength};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use std::array;
use std::error::Error;
use std::hint::black_box;
use std::time::Instant;

/// nll, ∂/∂D and the derivatives in the two parameters.
type Row = [f64; 4];

/// What the estimates of one number are like.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moments {
    pub(crate) exact: f64,
    pub(crate) bias: f64,
    /// Standard error of the bias, 0 for one that is no average.
    pub(crate) error: f64,
    /// Standard deviation of one estimate.
    pub(crate) sd: f64,
    /// What the plain mean of the estimates is off, beside the bias, in its standard errors.
    pub(crate) drift: f64,
}

impl Moments {
    /// Whether the bias is at least twice its standard error.
    pub(crate) fn is_sure(&self) -> bool {
        self.bias.abs() >= 2.0 * self.error
    }

    pub(crate) fn relative_bias(&self) -> f64 {
        self.bias / self.exact.abs()
    }

    pub(crate) fn relative_sd(&self) -> f64 {
        self.sd / self.exact.abs()
    }
}

/// Mean and variance of small numbers.
#[derive(Clone, Copy, Default)]
struct Tally {
    count: f64,
    sum: f64,
    squares: f64,
}

impl Tally {
    fn add(&mut self, x: f64) {
        self.count += 1.0;
        self.sum += x;
        self.squares += x * x;
    }

    fn mean(&self) -> f64 {
        self.sum / self.count
    }

    fn sd(&self) -> f64 {
        ((self.squares - self.sum * self.mean()) / (self.count - 1.0)).max(0.0).sqrt()
    }

    /// Standard error of the mean.
    fn error(&self) -> f64 {
        self.sd() / self.count.sqrt()
    }
}

/// Terms of second order in the noise whose expectations are the biases.
///
/// p̂ = e^{−L̂} and its derivatives are unbiased. So with δ = p̂/p − 1, E[L̂ − L] = E[L̂ − L + δ] and
/// E[∂L̂ − ∂L] = −E[(∂L̂ − ∂L)δ], exactly. The plain means would need 1/Var times as many replications.
fn bias_terms(exact: &Row, estimate: &Row) -> Row {
    let error: Row = array::from_fn(|j| estimate[j] - exact[j]);
    let delta = (-error[0]).exp_m1();
    array::from_fn(|j| if j == 0 { error[0] + delta } else { -error[j] * delta })
}

fn moments(exact: &Row, estimates: &[Row]) -> [Moments; 4] {
    let mut tallies = [[Tally::default(); 3]; 4];
    for estimate in estimates {
        let terms = bias_terms(exact, estimate);
        for (j, [errors, biases, rest]) in tallies.iter_mut().enumerate() {
            let error = estimate[j] - exact[j];
            errors.add(error);
            biases.add(terms[j]);
            rest.add(error - terms[j]);
        }
    }
    array::from_fn(|j| {
        let [errors, biases, rest] = &tallies[j];
        Moments {
            exact: exact[j],
            bias: biases.mean(),
            error: biases.error(),
            sd: errors.sd(),
            drift: rest.mean() / rest.error(),
        }
    })
}

/// The same for a rule without chance.
fn errors(exact: &Row, estimate: &Row) -> [Moments; 4] {
    array::from_fn(|j| Moments {
        exact: exact[j],
        bias: estimate[j] - exact[j],
        error: 0.0,
        sd: 0.0,
        drift: 0.0,
    })
}

fn lognormal_exact(beta: &LogNormal<f64>, margin: f64) -> Row {
    let g = beta.nll_gradient(margin);
    [g.value, g.d_margin, g.d_mu, g.d_sigma]
}

fn gamma_exact(beta: &Gamma<f64>, margin: f64) -> Row {
    let g = beta.nll_gradient(margin);
    [g.value, g.d_margin, g.d_shape, g.d_scale]
}

/// All rows of a batch.
fn rows(
    margins: &[f64],
    evaluate: impl FnOnce(&Batch<'_, f64>, Rows<'_, f64>) -> Result<Sums, BatchError>,
) -> Result<Vec<Row>, BatchError> {
    let mut columns: [Vec<f64>; 4] = array::from_fn(|_| vec![0.0; margins.len()]);
    let [nll, d_margin, first, second] = &mut columns;
    let rows = Rows::new().nll(nll).d_margin(d_margin).d_params([first, second]);
    evaluate(&Batch::new(margins), rows)?;
    Ok((0..margins.len()).map(|i| array::from_fn(|j| columns[j][i])).collect())
}

fn estimates(estimator: &MonteCarlo<'_, f64>, margins: &[f64]) -> Result<Vec<Row>, Box<dyn Error>> {
    Ok(rows(margins, |batch, rows| estimator.evaluate(batch, rows))?)
}

/// A LogNormal strength of mean 1.
fn lognormal(sigma: f64) -> Result<LogNormal<f64>, Box<dyn Error>> {
    Ok(LogNormal::from_mu_sigma(-0.5 * sigma * sigma, sigma)?)
}

/// K draws for each of `pairs` pairs, the same in every run.
struct Draws {
    count: usize,
    scores: Vec<f64>,
    /// Of draws that all pairs share.
    weights: Option<Vec<f64>>,
}

impl Draws {
    /// One set for all pairs where there is no chance in it.
    fn new(set: PointSet, count: usize, pairs: usize) -> Result<Self, Box<dyn Error>> {
        if set == PointSet::GaussHermite {
            let (mut scores, mut weights) = (vec![0.0; count], vec![0.0; count]);
            set.scores(&[], &mut scores)?;
            set.weights(&mut weights)?;
            return Ok(Self { count, scores, weights: Some(weights) });
        }
        let mut rng = ChaCha8Rng::seed_from_u64(20_260_106);
        rng.set_stream(1000 * set as u64 + count as u64);
        let mut scores = vec![0.0; count * pairs];
        set.draw_per_pair(pairs, &mut rng, &mut scores)?;
        Ok(Self { count, scores, weights: None })
    }

    fn lognormal(&self, beta: &LogNormal<f64>, margins: &[f64]) -> Result<Vec<Row>, Box<dyn Error>> {
        match &self.weights {
            Some(weights) => {
                estimates(&MonteCarlo::lognormal(beta, &self.scores)?.weights(weights)?, margins)
            }
            None => estimates(&MonteCarlo::lognormal_per_pair(beta, self.count, &self.scores)?, margins),
        }
    }

    /// [`moments`] of sets for one margin.
    fn lognormal_moments(&self, sigma: f64, margin: f64) -> Result<[Moments; 4], Box<dyn Error>> {
        let beta = lognormal(sigma)?;
        self.moments(&lognormal_exact(&beta, margin), margin, |margins| self.lognormal(&beta, margins))
    }

    fn moments(
        &self,
        exact: &Row,
        margin: f64,
        estimates: impl Fn(&[f64]) -> Result<Vec<Row>, Box<dyn Error>>,
    ) -> Result<[Moments; 4], Box<dyn Error>> {
        Ok(match self.weights {
            Some(_) => errors(exact, &estimates(&[margin])?[0]),
            None => moments(exact, &estimates(&vec![margin; self.scores.len() / self.count])?),
        })
    }
}

/// One set at one margin of a strength of mean 1, so that D is x = D·E[β].
pub(crate) struct Case {
    pub(crate) set: PointSet,
    pub(crate) draws: usize,
    /// σ of a LogNormal, cv of a Gamma strength.
    pub(crate) spread: f64,
    pub(crate) margin: f64,
    pub(crate) moments: [Moments; 4],
}

pub(crate) const MARGINS: [f64; 2] = [1.0, -1.0];
pub(crate) const SIGMAS: [f64; 3] = [0.5, 1.0, 2.0];
pub(crate) const CVS: [f64; 2] = [0.5, 1.0];
pub(crate) const DRAWS: [usize; 6] = [2, 4, 8, 16, 32, 64];

/// Cases, each found by its numbers.
pub(crate) struct Study(Vec<Case>);

impl Study {
    /// Every set, number of draws and σ, at both margins.
    pub(crate) fn lognormal(replications: usize) -> Result<Self, Box<dyn Error>> {
        let mut cases = Vec::new();
        for (set, count) in PointSet::ALL.into_iter().flat_map(|set| DRAWS.map(|count| (set, count))) {
            let draws = Draws::new(set, count, replications)?;
            for (spread, margin) in SIGMAS.into_iter().flat_map(|s| MARGINS.map(|d| (s, d))) {
                let moments = draws.lognormal_moments(spread, margin)?;
                cases.push(Case { set, draws: count, spread, margin, moments });
            }
        }
        Ok(Self(cases))
    }

    /// Every set and cv, at both margins, with 16 draws.
    pub(crate) fn gamma(replications: usize) -> Result<Self, Box<dyn Error>> {
        let mut cases = Vec::new();
        for set in PointSet::ALL {
            let draws = Draws::new(set, 16, replications)?;
            for spread in CVS {
                let beta = Gamma::from_mean_cv(1.0, spread)?;
                let samples: Vec<_> = draws.scores.iter().map(|&z| beta.sample(z)).collect();
                let values: Vec<f64> = samples.iter().map(|s| s.value).collect();
                let d_shape: Vec<f64> = samples.iter().map(|s| s.d_params[0]).collect();
                let all = |margins: &[f64]| match &draws.weights {
                    Some(w) => {
                        estimates(&MonteCarlo::samples(&beta, &values, &d_shape)?.weights(w)?, margins)
                    }
                    None => estimates(&MonteCarlo::samples_per_pair(&beta, 16, &values, &d_shape)?, margins),
                };
                for margin in MARGINS {
                    let moments = draws.moments(&gamma_exact(&beta, margin), margin, all)?;
                    cases.push(Case { set, draws: 16, spread, margin, moments });
                }
            }
        }
        Ok(Self(cases))
    }

    pub(crate) fn of(&self, set: PointSet, draws: usize, spread: f64, margin: f64) -> &Case {
        let same = |c: &&Case| (c.set, c.draws, c.spread, c.margin) == (set, draws, spread, margin);
        self.0.iter().find(same).expect("every case of the tables is computed")
    }

    /// The largest [drift](Moments::drift), and of how many.
    pub(crate) fn drift(&self) -> (f64, usize) {
        let random = self.0.iter().filter(|case| case.set != PointSet::GaussHermite);
        let drifts = random.flat_map(|case| case.moments.map(|m| m.drift.abs()));
        drifts.fold((0.0, 0), |(largest, count), drift| (drift.max(largest), count + 1))
    }
}

/// Margins as in training: D ~ N(0.2, 0.5²), the middles of strata of equal probability.
pub(crate) fn training_margins(n: usize) -> Result<Vec<f64>, Box<dyn Error>> {
    let mut z = vec![0.0; n];
    PointSet::Stratified.scores(&vec![0.5; n], &mut z)?;
    Ok(z.iter().map(|z| 0.2 + 0.5 * z).collect())
}

/// The gradient in σ summed over a batch.
pub(crate) struct Share {
    /// Expected sum over the exact sum, and its standard error.
    pub(crate) mean: f64,
    pub(crate) error: f64,
    /// Standard deviation of that of [`BATCH`] pairs with draws of their own.
    pub(crate) sd: f64,
    /// Per pair of the batch, of D < 0 and of D > 0: the exact sum, and its bias.
    pub(crate) sides: [[f64; 2]; 2],
}

pub(crate) const BATCH: usize = 4096;

/// That of each strength, with 16 draws per pair.
pub(crate) fn shares(
    set: PointSet,
    strengths: &[LogNormal<f64>],
    margins: &[f64],
) -> Result<Vec<Share>, Box<dyn Error>> {
    let draws = Draws::new(set, 16, margins.len())?;
    strengths
        .iter()
        .map(|beta| {
            let exact = rows(margins, |batch, rows| Direct::new(beta).evaluate(batch, rows))?;
            share(&draws, margins, &exact, beta)
        })
        .collect()
}

fn share(
    draws: &Draws,
    margins: &[f64],
    exact: &[Row],
    beta: &LogNormal<f64>,
) -> Result<Share, Box<dyn Error>> {
    let random = draws.weights.is_none();
    let (mut noise, mut bias, mut sides) = (Tally::default(), Tally::default(), [[0.0; 2]; 2]);
    for ((&margin, exact), estimate) in margins.iter().zip(exact).zip(draws.lognormal(beta, margins)?) {
        let error = estimate[3] - exact[3];
        let term = if random { bias_terms(exact, &estimate)[3] } else { error };
        noise.add(error);
        bias.add(term);
        let [values, terms] = &mut sides[usize::from(margin > 0.0)];
        *values += exact[3] / margins.len() as f64;
        *terms += term / margins.len() as f64;
    }
    let mean = sides[0][0] + sides[1][0];
    let scale = if random { 1.0 / mean.abs() } else { 0.0 };
    Ok(Share {
        mean: 1.0 + bias.mean() / mean,
        error: scale * bias.error(),
        sd: scale * noise.sd() / (BATCH as f64).sqrt(),
        sides,
    })
}

/// Nanoseconds per margin for losses, ∂/∂D and the sums of the other gradients of a [`BATCH`], by name.
pub(crate) fn times() -> Result<Vec<(&'static str, f64)>, Box<dyn Error>> {
    let (beta, margins) = (lognormal(0.5)?, training_margins(BATCH)?);
    let (shared, own) = (Draws::new(PointSet::Iid, 16, 1)?, Draws::new(PointSet::Iid, 16, BATCH)?);
    let direct = Direct::new(&beta);
    let shared = MonteCarlo::lognormal(&beta, &shared.scores)?;
    let own = MonteCarlo::lognormal_per_pair(&beta, 16, &own.scores)?;
    Ok(vec![
        (
            "exact, by a plan, with its preparation",
            time(&margins, |batch, rows| Plan::new(&beta).evaluate(batch, rows))?,
        ),
        ("exact, direct", time(&margins, |batch, rows| direct.evaluate(batch, rows))?),
        ("16 draws, shared by all pairs", time(&margins, |batch, rows| shared.evaluate(batch, rows))?),
        ("16 draws of its own for each pair", time(&margins, |batch, rows| own.evaluate(batch, rows))?),
        ("drawing these", time(&margins, |_, _| Draws::new(PointSet::Iid, 16, BATCH))?),
    ])
}

/// The median of 31 runs.
fn time<R, E: Into<Box<dyn Error>>>(
    margins: &[f64],
    work: impl Fn(&Batch<'_, f64>, Rows<'_, f64>) -> Result<R, E>,
) -> Result<f64, Box<dyn Error>> {
    let (mut nll, mut d_margin, mut runs) = (vec![0.0; margins.len()], vec![0.0; margins.len()], Vec::new());
    for _ in 0..31 {
        let start = Instant::now();
        let rows = Rows::new().nll(&mut nll).d_margin(&mut d_margin);
        black_box(work(&Batch::new(black_box(margins)), rows).map_err(Into::into)?);
        runs.push(1e9 * start.elapsed().as_secs_f64() / margins.len() as f64);
    }
    runs.sort_by(f64::total_cmp);
    Ok(runs[15])
}
