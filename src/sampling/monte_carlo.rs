//! The loss as MixDPO estimates it, from draws of β.

use super::SamplingError;
use crate::batch::pipeline::{self, List, Logits, Points, Scales, Source, groups, registers};
use crate::batch::{Batch, BatchError, Rows, Sums, chain, length};
use crate::canonical::Tail;
use crate::canonical::lanes::{Element, Logit, within};
use crate::family::{Gamma, LogNormal};
use crate::float::Real;
use crate::lanes::{Isa, Lanes, MAX_LANES, SUM_LANES, Scalar};
use crate::level::{Level, Vectorised};
use crate::loss::{Integral, Model, Smoothing, mix};
use crate::special::elementary::{exp, exp_neg, exp_node, ln};
use num_traits::Zero;

/// −ln Σ wⱼ σ(βⱼD) over K draws of β, and its pathwise gradient: the estimator of MixDPO, and the same with
/// other draws.
///
/// * Formula: L̂ = −ln Σ wⱼ σ(βⱼD), wⱼ = 1/K unless [given](Self::weights); ∂L̂/∂p = −D Σ πⱼ σ(−βⱼD) ∂βⱼ/∂p,
///   πⱼ = wⱼ σ(βⱼD)/Σ. By log-mean-exp: nothing underflows before its result does.
/// * E L̂ is larger than the exact loss (Jensen's inequality), by Var/2 to first order, Var that of L̂; the
///   gradients are those of L̂, and as biased.
/// * Domain, NaN and ±∞, weights, smoothing, upstream gradients, sums: as in [`batch`](crate::batch).
/// * Max error, in eps of the precision, against the estimate that the draws define: nll 10 (for D > 0 times
///   1 + |ln T|, T = Σ wⱼ σ(−βⱼ|D|)), derivatives 10·(1 + |ln T|) of the sum of their absolute terms. A
///   rounding of β alone costs as much.
/// * Source: MixDPO, arXiv 2601.06180: LogNormal, K = 16 independent draws.
///
/// ```
/// use prefstrength::batch::{Batch, Rows};
/// use prefstrength::sampling::{MonteCarlo, PointSet};
/// use prefstrength::{LogNormal, Strength};
/// let beta = LogNormal::from_mean_cv(0.1, 0.5)?;
/// let (margins, mut d_margin) = ([4.0, -2.5, 0.1], [0.0; 3]);
/// // 16 scores, shared by the batch. The uniforms would come from a generator.
/// let (uniforms, mut z) = ([0.5; 8], [0.0; 16]);
/// PointSet::StratifiedAntithetic.scores(&uniforms, &mut z)?;
/// let estimator = MonteCarlo::lognormal(&beta, &z)?;
/// let sums = estimator.evaluate(&Batch::new(&margins), Rows::none().d_margin(&mut d_margin))?;
/// let exact: f64 = margins.iter().map(|&d| beta.nll(d)).sum();
/// assert!((sums.nll - exact).abs() < 1e-3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct MonteCarlo<'a, T> {
    draws: Draws<'a, T>,
    weights: Option<&'a [T]>,
    count: usize,
    per_pair: bool,
    /// What decides the smallest β of shared draws with a weight: its score, or β itself.
    least: T,
    /// Whether the vector kernels have room for β and its derivative.
    inside: bool,
    matrix: [[f64; 2]; 2],
    level: Level,
}

/// β and its derivative in the parameter that is no scale.
#[derive(Clone, Copy, Debug)]
enum Draws<'a, T> {
    /// β = e^{μ + σz}, ∂β/∂σ = zβ.
    Scores { mu: T, sigma: T, z: &'a [T] },
    /// As given.
    Samples { beta: &'a [T], derivative: &'a [T] },
}

/// Shared draws that are prepared at once.
const TILE: usize = 256;

impl<'a, T: Real> MonteCarlo<'a, T> {
    /// K = `scores.len()` draws β = e^{μ + σz} for all pairs of the batch; gradients in (μ, σ).
    ///
    /// # Errors
    /// [`SamplingError`] for no scores, a score that is not finite, and a β that overflows.
    pub fn lognormal(beta: &LogNormal<T>, scores: &'a [T]) -> Result<Self, SamplingError> {
        Self::from_scores(beta, scores.len(), false, scores)
    }

    /// `draws` scores for every pair, draw-major: `scores[j·n + i]` is draw j of pair i of a batch of n.
    ///
    /// # Errors
    /// As [`lognormal`](Self::lognormal), and for a number of scores that `draws` does not divide.
    ///
    /// ```
    /// use prefstrength::batch::{Batch, Rows};
    /// use prefstrength::{LogNormal, sampling::MonteCarlo};
    /// let beta = LogNormal::from_mu_sigma(-2.0, 0.5)?;
    /// let z = [0.3, -1.1, 0.2, 0.9, 1.4, -0.6]; // 2 draws for each of 3 pairs
    /// let estimator = MonteCarlo::lognormal_per_pair(&beta, 2, &z)?;
    /// let [d_mu, d_sigma] = estimator.evaluate(&Batch::new(&[1.0, -4.0, 2.5]), Rows::none())?.d_params;
    /// # assert!(d_mu.is_finite() && d_sigma.is_finite());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn lognormal_per_pair(
        beta: &LogNormal<T>,
        draws: usize,
        scores: &'a [T],
    ) -> Result<Self, SamplingError> {
        Self::from_scores(beta, draws, true, scores)
    }

    /// K draws for all pairs, with their derivatives in the shape
    /// ([`Reparameterised::sample`](super::Reparameterised::sample)); gradients in (shape, scale).
    ///
    /// # Errors
    /// [`SamplingError`] for no samples, slices of different lengths, a sample that is negative or not finite,
    /// and a derivative that is not finite.
    ///
    /// ```
    /// use prefstrength::batch::{Batch, Rows};
    /// use prefstrength::sampling::{MonteCarlo, Reparameterised};
    /// use prefstrength::{Gamma, Strength};
    /// let beta = Gamma::from_mean_cv(0.1, 0.5)?;
    /// let draws = [-1.2, -0.3, 0.4, 1.1].map(|z| beta.sample(z));
    /// let (values, d_shape) = (draws.map(|s| s.value), draws.map(|s| s.d_params[0]));
    /// let estimator = MonteCarlo::gamma(&beta, &values, &d_shape)?;
    /// let sums = estimator.evaluate(&Batch::new(&[2.0]), Rows::none())?;
    /// assert!((sums.nll - beta.nll(2.0)).abs() < 1e-2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn gamma(beta: &Gamma<T>, values: &'a [T], d_shape: &'a [T]) -> Result<Self, SamplingError> {
        Self::from_samples(beta, values.len(), false, values, d_shape)
    }

    /// `draws` samples for every pair, draw-major: `values[j·n + i]` is draw j of pair i of a batch of n.
    ///
    /// # Errors
    /// As [`gamma`](Self::gamma), and for a number of samples that `draws` does not divide.
    pub fn gamma_per_pair(
        beta: &Gamma<T>,
        draws: usize,
        values: &'a [T],
        d_shape: &'a [T],
    ) -> Result<Self, SamplingError> {
        Self::from_samples(beta, draws, true, values, d_shape)
    }

    /// With weights of the draws, which sum to 1 within 1e-3, as those of
    /// [`PointSet::GaussHermite`](super::PointSet::GaussHermite).
    ///
    /// # Errors
    /// [`SamplingError`] for draws per pair, more than 256 of them, another number of weights, a weight that is
    /// negative or not finite (`index` is the number of weights if only their sum is wrong).
    ///
    /// ```
    /// use prefstrength::batch::{Batch, Rows};
    /// use prefstrength::sampling::{MonteCarlo, PointSet};
    /// use prefstrength::{LogNormal, Strength};
    /// let beta = LogNormal::<f64>::from_mean_cv(1.0, 0.5)?;
    /// let (mut z, mut w) = ([0.0; 16], [0.0; 16]);
    /// PointSet::GaussHermite.scores(&[], &mut z)?;
    /// PointSet::GaussHermite.weights(&mut w)?;
    /// let sums = MonteCarlo::lognormal(&beta, &z)?.weights(&w)?.evaluate(&Batch::new(&[1.0]), Rows::none())?;
    /// assert!((sums.nll - beta.nll(1.0)).abs() < 1e-9);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn weights(self, weights: &'a [T]) -> Result<Self, SamplingError> {
        if self.per_pair {
            return Err(SamplingError::WeightsPerPair);
        }
        if self.count > TILE {
            return Err(SamplingError::TooManyDraws { limit: TILE });
        }
        same_length("weights", self.count, weights)?;
        let good = |&w: &T| w >= T::zero() && w < T::infinity();
        if let Some(index) = weights.iter().position(|w| !good(w)) {
            return Err(SamplingError::Value { slice: "weights", index });
        }
        let sum: f64 = weights.iter().map(|&w| Real::to_f64(w)).sum();
        if (sum - 1.0).abs() > 1e-3 {
            return Err(SamplingError::Value { slice: "weights", index: weights.len() });
        }
        let numbers = self.draws.slice().1.iter().zip(weights);
        let weighty = numbers.filter(|(_, w)| **w > T::zero()).map(|(number, _)| *number);
        let least = weighty.fold(T::infinity(), T::min);
        Ok(Self { weights: Some(weights), least, ..self })
    }

    /// On another level.
    #[must_use]
    pub fn with_level(self, level: Level) -> Self {
        Self { level, ..self }
    }

    /// Estimated losses and gradients of a batch.
    ///
    /// # Errors
    /// [`BatchError`] for slices of different lengths, a wrong number of them, draws per pair for another number
    /// of pairs, and weights that are negative or not finite; nothing is written then. An empty batch gives
    /// zeros.
    pub fn evaluate(&self, batch: &Batch<'_, T>, rows: Rows<'_, T>) -> Result<Sums, BatchError> {
        self.check(batch, &rows)?;
        Ok(pipeline::tree(self, 0, batch, rows))
    }

    /// The same, bit for bit, on the threads of rayon.
    ///
    /// # Errors
    /// As [`evaluate`](Self::evaluate).
    #[cfg(feature = "rayon")]
    pub fn par_evaluate(&self, batch: &Batch<'_, T>, rows: Rows<'_, T>) -> Result<Sums, BatchError> {
        self.check(batch, &rows)?;
        Ok(pipeline::par_tree(self, 0, batch, rows))
    }

    fn check(&self, batch: &Batch<'_, T>, rows: &Rows<'_, T>) -> Result<(), BatchError> {
        if self.per_pair {
            let (name, slice) = self.draws.slice();
            length(name, Some(slice), self.count.saturating_mul(batch.len()))?;
        }
        batch.check()?;
        rows.check(batch.len(), 2)
    }

    fn from_scores(
        beta: &LogNormal<T>,
        count: usize,
        per_pair: bool,
        z: &'a [T],
    ) -> Result<Self, SamplingError> {
        let [low, high] = check("scores", count, per_pair, z)?;
        // Increasing in z.
        let strength = |z: T| exp(Real::to_f64(beta.mu()) + Real::to_f64(beta.sigma()) * Real::to_f64(z));
        if !z.is_empty() && T::from_f64(strength(high)).is_infinite() {
            let index = z.iter().position(|&z| z == high).unwrap_or(0);
            return Err(SamplingError::Value { slice: "scores", index });
        }
        let room = T::SCALES.0;
        let farthest = Real::to_f64(high.max(-low));
        Ok(Self {
            draws: Draws::Scores { mu: beta.mu(), sigma: beta.sigma(), z },
            weights: None,
            count,
            per_pair,
            least: low,
            // Also no smaller than its inverse: an exponent rounds as it grows.
            inside: (1.0 / room..room).contains(&strength(low))
                && strength(high) < room
                && farthest * farthest < room,
            matrix: [[1.0, 0.0], [0.0, 1.0]],
            level: Level::best(),
        })
    }

    fn from_samples(
        family: &Gamma<T>,
        count: usize,
        per_pair: bool,
        beta: &'a [T],
        derivative: &'a [T],
    ) -> Result<Self, SamplingError> {
        let [least, largest] = check("values", count, per_pair, beta)?;
        same_length("d_shape", beta.len(), derivative)?;
        let [low, high] = extremes("d_shape", derivative)?;
        if least < T::zero() {
            let index = beta.iter().position(|&b| b < T::zero()).unwrap_or(0);
            return Err(SamplingError::Value { slice: "values", index });
        }
        let (room, scale) = (T::from_f64(T::SCALES.0), family.scale().to_f64());
        Ok(Self {
            draws: Draws::Samples { beta, derivative },
            weights: None,
            count,
            per_pair,
            least,
            inside: largest < room && high.max(-low) < room && 1.0 / scale < T::SCALES.1,
            matrix: [[0.0, 1.0], [1.0 / scale, 0.0]],
            level: Level::best(),
        })
    }

    /// T and its derivatives for pair `pair` at |D| = `size`, in f64.
    fn tail(&self, pair: usize, size: f64) -> Tail {
        let pairs = self.draws.slice().1.len() / self.count;
        let at = |j: usize| {
            let (beta, derivative) = self.draws.at(if self.per_pair { j * pairs + pair } else { j });
            let weight = self.weights.map_or(1.0 / self.count as f64, |w| w[j].to_f64());
            (beta, derivative, weight)
        };
        let weighty = (0..self.count).map(at).filter(|&(_, _, weight)| weight > 0.0);
        let least = weighty.clone().map(|(beta, ..)| beta).fold(f64::INFINITY, f64::min);
        let (mut s0, mut s1, mut s2) = (0.0, 0.0, 0.0);
        for (beta, derivative, weight) in weighty {
            // At ∞ the smallest β is all there is: (least − β)·∞ would be NaN.
            let gap = least - beta;
            let scaled = weight * if gap == 0.0 { 1.0 } else { exp(gap * size) };
            let y = if beta == 0.0 { 0.0 } else { beta * size };
            let upper = 1.0 / (1.0 + exp(-y));
            s0 += scaled * upper;
            s1 += scaled * upper * upper * beta;
            s2 += scaled * upper * upper * derivative;
        }
        let shift = if least == 0.0 { 0.0 } else { least * size };
        let t = exp(-shift) * s0;
        let slope = s2 / s0;
        Tail {
            x: size,
            t,
            h: 0.5 - t,
            ln: ln(s0) - shift,
            ln_lo: 0.0,
            d1: s1 / s0,
            d_v: if slope == 0.0 || size == 0.0 { 0.0 } else { -size * slope },
            ..Tail::NAN
        }
    }
}

impl<T: Real> Draws<'_, T> {
    /// Draw number `i`, and its derivative.
    fn at(&self, i: usize) -> (f64, f64) {
        match *self {
            Self::Scores { mu, sigma, z } => {
                let z = z[i].to_f64();
                let beta = T::from_f64(exp(mu.to_f64() + sigma.to_f64() * z)).to_f64();
                (beta, z * beta)
            }
            Self::Samples { beta, derivative } => (beta[i].to_f64(), derivative[i].to_f64()),
        }
    }

    /// The β that a number decides.
    #[inline(always)]
    fn strength<V: Lanes<Scalar = T>>(&self, number: V) -> V {
        match *self {
            Self::Scores { mu, sigma, .. } => draw(mu, sigma, number).0,
            Self::Samples { .. } => number,
        }
    }

    /// One number per draw, and what they are called.
    fn slice(&self) -> (&'static str, &[T]) {
        match *self {
            Self::Scores { z, .. } => ("scores", z),
            Self::Samples { beta, .. } => ("values", beta),
        }
    }
}

/// Checks numbers for so many draws; the smallest and the largest.
fn check<T: Real>(
    slice: &'static str,
    draws: usize,
    per_pair: bool,
    values: &[T],
) -> Result<[T; 2], SamplingError> {
    if draws == 0 {
        return Err(SamplingError::NoDraws);
    }
    let found = values.len();
    if per_pair && !found.is_multiple_of(draws) {
        let expected = found.checked_next_multiple_of(draws).unwrap_or(usize::MAX);
        return Err(SamplingError::Length { slice, expected, found });
    }
    extremes(slice, values)
}

fn same_length<T>(slice: &'static str, expected: usize, values: &[T]) -> Result<(), SamplingError> {
    match values.len() {
        found if found == expected => Ok(()),
        found => Err(SamplingError::Length { slice, expected, found }),
    }
}

/// The smallest and the largest number (0 of none), if all are finite.
fn extremes<T: Real>(slice: &'static str, values: &[T]) -> Result<[T; 2], SamplingError> {
    let first = values.first().copied().unwrap_or(T::zero());
    // Side by side, so that the compiler may use vector registers.
    let (mut low, mut high, mut sound) = ([first; SUM_LANES], [first; SUM_LANES], [T::zero(); SUM_LANES]);
    for chunk in values.chunks(SUM_LANES) {
        for (i, &x) in chunk.iter().enumerate() {
            low[i] = if x < low[i] { x } else { low[i] };
            high[i] = if x > high[i] { x } else { high[i] };
            // NaN from then on if x is NaN or infinite.
            sound[i] = sound[i] + x * T::zero();
        }
    }
    if sound.iter().any(|s| s.is_nan()) {
        let index = values.iter().position(|x| !x.is_finite()).unwrap_or(0);
        return Err(SamplingError::Value { slice, index });
    }
    Ok([low.into_iter().fold(first, T::min), high.into_iter().fold(first, T::max)])
}

impl<T: Real> Source<T> for MonteCarlo<'_, T> {
    fn level(&self) -> Level {
        self.level
    }
    fn per_element(&self) -> bool {
        false
    }
    fn matrix(&self) -> [[f64; 2]; 2] {
        self.matrix
    }
    fn setup(&self, _first: usize, _n: usize, _points: &mut Points<T>, scales: &mut Scales<T>) {
        *scales = Scales::shared(&Model {
            integral: Integral::Scalar,
            unit: 1.0,
            shape: 0.0,
            matrix: self.matrix,
            params: 2,
        });
    }
    fn logits(&self, first: usize, points: &Points<T>, n: usize, logits: &mut Logits<T>, outside: &mut List) {
        if !self.inside {
            return (0..n).for_each(|i| outside.push(i));
        }
        let estimate = Estimate { estimator: self, first, points, n, logits, outside };
        match (self.per_pair, self.weights) {
            (true, _) => self.level.dispatch(PerPair(estimate)),
            (false, None) => self.level.dispatch(Shared(estimate)),
            (false, Some(weights)) => self.level.dispatch(Weighted(estimate, weights)),
        }
    }
    fn scalar(&self, index: usize, margin: T, smoothing: Smoothing<T>) -> [f64; 4] {
        let (size, negative) = (margin.to_f64().abs(), margin < T::zero());
        if size.is_nan() {
            return [f64::NAN; 4];
        }
        let tail = self.tail(index, size);
        mix(smoothing, |flip| {
            let nll = tail.nll(negative != flip);
            let slope = nll.slope(1.0, size);
            let elastic = nll.times(nll.elasticity(1.0, size));
            let terms = [if negative != flip { elastic } else { -elastic }, nll.times(nll.d_v)];
            let [p0, p1] = chain(self.matrix, terms);
            [nll.value, if flip { slope } else { -slope }, p0, p1]
        })
    }
}

struct Estimate<'a, 'b, T> {
    estimator: &'a MonteCarlo<'b, T>,
    first: usize,
    points: &'a Points<T>,
    n: usize,
    logits: &'a mut Logits<T>,
    outside: &'a mut List,
}

/// Σ of wⱼtⱼ, wⱼβⱼσ(βⱼa)tⱼ and wⱼβⱼ′σ(βⱼa)tⱼ, tⱼ = σ(−βⱼa)·e^{shift}: T, −T_a and −T_p/a with the shift.
struct Terms<V> {
    sums: [V; 3],
    /// Of the draws since the last multiple of [`FOLD`].
    part: [V; 3],
}

/// Draws whose terms are added on their own, so that errors do not grow with the number of draws.
const FOLD: usize = 16;

impl<V: Lanes<Scalar: Element>> Terms<V> {
    #[inline(always)]
    fn from(sums: [V; 3]) -> Self {
        Self { sums, part: [V::splat(0.0); 3] }
    }

    /// Draw number `j`: `e` is wⱼe^{shift − βⱼa}, `u` e^{−βⱼa}.
    #[inline(always)]
    fn add(&mut self, j: usize, (beta, derivative): (V, V), e: V, u: V) {
        let upper = V::splat(1.0) / (V::splat(1.0) + u);
        let t = e * upper;
        let slope = t * upper;
        let [s0, s1, s2] = self.part;
        self.part = [s0 + t, beta.mul_add(slope, s1), derivative.mul_add(slope, s2)];
        if j % FOLD == FOLD - 1 {
            *self = Self::from(self.total());
        }
    }

    #[inline(always)]
    fn total(&self) -> [V; 3] {
        let ([a, b, c], [x, y, z]) = (self.sums, self.part);
        [a + x, b + y, c + z]
    }

    /// The effective logit, with −∂ℓ/∂p as its spread; every term is still to be multiplied by `weight`.
    #[inline(always)]
    fn logit(&self, weight: V, a: V, shift: V) -> Logit<V> {
        let [s0, s1, s2] = self.total();
        let inv = V::splat(1.0) / s0;
        Logit::from_ln_tail(ln(weight * s0) - shift, s1 * inv, -(a * (s2 * inv)))
    }
}

impl<T: Element> Estimate<'_, '_, T> {
    /// Stores the logits of a register, and sorts out what is outside the box.
    #[inline(always)]
    fn finish<V: Lanes<Scalar = T>>(&mut self, g: usize, lane: usize, a: V, logit: Logit<V>) {
        self.logits.put(g, lane, logit);
        let beyond = within(a, T::X_MIN, T::X_MAX, V::splat(0.0), V::splat(1.0));
        self.outside.push_flagged(beyond, g * SUM_LANES + lane, self.n);
    }
}

/// Up to [`TILE`] shared draws.
struct Tile<T> {
    beta: [T; TILE],
    derivative: [T; TILE],
    len: usize,
}

impl<T: Real> Tile<T> {
    /// Those from number `start` on.
    #[inline(always)]
    fn new<V: Lanes<Scalar = T>>(draws: &Draws<'_, T>, start: usize) -> Self {
        let len = (draws.slice().1.len() - start).min(TILE);
        let mut tile = Self { beta: [T::zero(); TILE], derivative: [T::zero(); TILE], len };
        match *draws {
            Draws::Scores { mu, sigma, z } => {
                let mut at = 0;
                while at < len {
                    let (beta, derivative) = draw(mu, sigma, load::<V>(&z[start..], at));
                    beta.store(&mut tile.beta[at..]);
                    derivative.store(&mut tile.derivative[at..]);
                    at += V::N;
                }
            }
            Draws::Samples { beta, derivative } => {
                tile.beta[..len].copy_from_slice(&beta[start..][..len]);
                tile.derivative[..len].copy_from_slice(&derivative[start..][..len]);
            }
        }
        tile
    }
}

/// β = e^{μ + σz} and zβ.
#[inline(always)]
fn draw<V: Lanes<Scalar: Real>>(mu: V::Scalar, sigma: V::Scalar, z: V) -> (V, V) {
    let (mu, sigma) = (V::splat(mu.wide()), V::splat(sigma.wide()));
    let beta = exp_node(sigma.mul_add(z, mu));
    (beta, z * beta)
}

/// A register from number `at` on, filled up with zeros where the slice ends.
#[inline(always)]
fn load<V: Lanes<Scalar: Real>>(from: &[V::Scalar], at: usize) -> V {
    let rest = &from[at..];
    if rest.len() >= V::N {
        return V::load(rest);
    }
    let mut lanes = [V::Scalar::zero(); MAX_LANES];
    lanes[..rest.len()].copy_from_slice(rest);
    V::load(&lanes)
}

/// The same draws for all pairs.
struct Shared<'a, 'b, T>(Estimate<'a, 'b, T>);

impl<T: Real> Vectorised for Shared<'_, '_, T> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let Self(mut this) = self;
        let Estimate { estimator, points, n, .. } = this;
        let count = estimator.count;
        let least = estimator.draws.strength(T::On::<I>::splat(estimator.least.wide()));
        let weight = T::On::<I>::splat(1.0 / count as f64);
        for start in (0..count).step_by(TILE) {
            let tile = Tile::new::<T::On<I>>(&estimator.draws, start);
            registers!(T::On<I>, 0..groups(n), |g, lane| {
                let a: T::On<I> = points.w.get(g, lane);
                let mut terms = Terms::from(match start {
                    0 => [T::On::<I>::splat(0.0); 3],
                    // What the tiles before have left there.
                    _ => [
                        this.logits.value.get(g, lane),
                        this.logits.slope.get(g, lane),
                        this.logits.spread.get(g, lane),
                    ],
                });
                let shift = least * a;
                let below = exp_neg(-shift);
                for j in 0..tile.len {
                    let beta = T::On::<I>::splat(tile.beta[j].wide());
                    let derivative = T::On::<I>::splat(tile.derivative[j].wide());
                    // No two roundings of β put it below the least; 0 where it underflows, whatever β is.
                    let e = exp_node(((least - beta) * a).at_most(0.0));
                    terms.add(j, (beta, derivative), e, e * below);
                }
                if start + TILE < count {
                    let [value, slope, spread] = terms.total();
                    this.logits.put(g, lane, Logit { value, slope, spread });
                } else {
                    this.finish(g, lane, a, terms.logit(weight, a, shift));
                }
            });
        }
    }
}

/// The same with weights, which may be tiny where β is smallest: the shift follows the largest term.
struct Weighted<'a, 'b, T>(Estimate<'a, 'b, T>, &'b [T]);

impl<T: Real> Vectorised for Weighted<'_, '_, T> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let Self(mut this, weights) = self;
        let Estimate { estimator, points, n, .. } = this;
        let tile = Tile::new::<T::On<I>>(&estimator.draws, 0);
        let mut ln_weights = [T::zero(); TILE];
        let mut at = 0;
        while at < tile.len {
            ln(load::<T::On<I>>(weights, at)).store(&mut ln_weights[at..]);
            at += T::On::<I>::N;
        }
        let least = estimator.draws.strength(T::On::<I>::splat(estimator.least.wide()));
        registers!(T::On<I>, 0..groups(n), |g, lane| {
            let a: T::On<I> = points.w.get(g, lane);
            let mut largest = T::On::<I>::splat(f64::NEG_INFINITY);
            for (beta, ln_weight) in tile.beta[..tile.len].iter().zip(&ln_weights) {
                let (beta, ln_weight) = (T::On::<I>::splat(beta.wide()), T::On::<I>::splat(ln_weight.wide()));
                let exponent = (least - beta).mul_add(a, ln_weight);
                largest = largest.select_lt(exponent, exponent, largest);
            }
            let mut terms = Terms::from([T::On::<I>::splat(0.0); 3]);
            for (j, ln_weight) in ln_weights[..tile.len].iter().enumerate() {
                let beta = T::On::<I>::splat(tile.beta[j].wide());
                let derivative = T::On::<I>::splat(tile.derivative[j].wide());
                let exponent = (least - beta).mul_add(a, T::On::<I>::splat(ln_weight.wide()));
                terms.add(j, (beta, derivative), exp_node(exponent - largest), exp_neg(-(beta * a)));
            }
            let one = T::On::<I>::splat(1.0);
            this.finish(g, lane, a, terms.logit(one, a, least * a - largest));
        });
    }
}

/// Draws of its own for every pair.
struct PerPair<'a, 'b, T>(Estimate<'a, 'b, T>);

impl<T: Real> PerPair<'_, '_, T> {
    /// The numbers of draw j for the pairs from number `at` of the chunk on.
    #[inline(always)]
    fn row<V: Lanes<Scalar = T>>(&self, numbers: &[T], j: usize, at: usize) -> V {
        let Estimate { estimator, first, n, .. } = self.0;
        let begin = j * (numbers.len() / estimator.count) + first;
        load(&numbers[begin..][..n], at)
    }

    /// What decides β, increasing in it.
    #[inline(always)]
    fn number<V: Lanes<Scalar = T>>(&self, j: usize, at: usize) -> V {
        self.row(self.0.estimator.draws.slice().1, j, at)
    }

    /// β and its derivative.
    #[inline(always)]
    fn draw<V: Lanes<Scalar = T>>(&self, j: usize, at: usize) -> (V, V) {
        let number = self.number(j, at);
        match self.0.estimator.draws {
            Draws::Scores { mu, sigma, .. } => draw(mu, sigma, number),
            Draws::Samples { derivative, .. } => (number, self.row(derivative, j, at)),
        }
    }
}

impl<T: Real> Vectorised for PerPair<'_, '_, T> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(mut self) {
        let Estimate { estimator, points, n, .. } = self.0;
        let weight = T::On::<I>::splat(1.0 / estimator.count as f64);
        registers!(T::On<I>, 0..groups(n), |g, lane| {
            let at = g * SUM_LANES + lane;
            if at < n {
                let a: T::On<I> = points.w.get(g, lane);
                let mut least: T::On<I> = self.number(0, at);
                for j in 1..estimator.count {
                    let next: T::On<I> = self.number(j, at);
                    least = next.select_lt(least, next, least);
                }
                least = estimator.draws.strength(least);
                let shift = least * a;
                let below = exp_neg(-shift);
                let mut terms = Terms::from([T::On::<I>::splat(0.0); 3]);
                for j in 0..estimator.count {
                    let (beta, derivative) = self.draw::<T::On<I>>(j, at);
                    let e = exp_node(((least - beta) * a).at_most(0.0));
                    terms.add(j, (beta, derivative), e, e * below);
                }
                self.0.finish(g, lane, a, terms.logit(weight, a, shift));
            }
        });
    }
}
