//! The loss as MixDPO estimates it, from draws of β.

mod draws;
mod kernels;

use self::draws::{Draws, TILE, check_draws, extremes, same_length};
use self::kernels::Estimator;
use super::error::SamplingError;
use crate::batch::engine::LogitSource;
use crate::batch::evaluation::{Evaluator, methods};
use crate::batch::gate::Opened;
use crate::batch::{Batch, BatchError, Number, Rows, length};
use crate::family::strengths::LogNormal;
use crate::family::{Calculus as _, Inside};
use crate::level::Level;
use crate::loss::Strength;
use crate::math::elementary::exp;
use crate::real::Real;

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
/// let sums = estimator.evaluate(&Batch::new(&margins), Rows::new().d_margin(&mut d_margin))?;
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
    jacobian: [[f64; 2]; 2],
    level: Level,
}

impl<'a, T: Number> MonteCarlo<'a, T> {
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
    /// let [d_mu, d_sigma] = estimator.evaluate(&Batch::new(&[1.0, -4.0, 2.5]), Rows::new())?.d_params;
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

    /// K draws for all pairs, with their derivatives in the shape, which is the parameter that does not scale β: of
    /// [`Reparameterised::sample`](super::Reparameterised::sample) `d_params[0]` for [`Gamma`](crate::Gamma), else
    /// `d_params[1]`. Gradients are in the native parameters.
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
    /// let estimator = MonteCarlo::samples(&beta, &values, &d_shape)?;
    /// let sums = estimator.evaluate(&Batch::new(&[2.0]), Rows::new())?;
    /// assert!((sums.nll - beta.nll(2.0)).abs() < 1e-2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn samples<S: Strength<T>>(
        beta: &S,
        values: &'a [T],
        d_shape: &'a [T],
    ) -> Result<Self, SamplingError> {
        Self::from_samples(beta, values.len(), false, values, d_shape)
    }

    /// `draws` samples for every pair, draw-major: `values[j·n + i]` is draw j of pair i of a batch of n.
    ///
    /// # Errors
    /// As [`samples`](Self::samples), and for a number of samples that `draws` does not divide.
    pub fn samples_per_pair<S: Strength<T>>(
        beta: &S,
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
    /// let sums = MonteCarlo::lognormal(&beta, &z)?.weights(&w)?.evaluate(&Batch::new(&[1.0]), Rows::new())?;
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

    methods!([] [] T);

    fn from_scores(
        beta: &LogNormal<T>,
        count: usize,
        per_pair: bool,
        z: &'a [T],
    ) -> Result<Self, SamplingError> {
        let [low, high] = check_draws("scores", count, per_pair, z)?;
        // Increasing in z.
        let strength = |z: T| exp(Real::to_f64(beta.mu()) + Real::to_f64(beta.sigma()) * Real::to_f64(z));
        if !z.is_empty() && T::from_f64(strength(high)).is_infinite() {
            let index = z.iter().position(|&z| z == high).unwrap_or(0);
            return Err(SamplingError::Value { slice: "scores", index });
        }
        let room = T::scales(Inside).0;
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
            jacobian: beta.draw_jacobian(Inside),
            level: Level::best(),
        })
    }

    fn from_samples<S: Strength<T>>(
        strength: &S,
        count: usize,
        per_pair: bool,
        beta: &'a [T],
        derivative: &'a [T],
    ) -> Result<Self, SamplingError> {
        let [least, largest] = check_draws("values", count, per_pair, beta)?;
        same_length("d_shape", beta.len(), derivative)?;
        let [low, high] = extremes("d_shape", derivative)?;
        if least < T::zero() {
            let index = beta.iter().position(|&b| b < T::zero()).unwrap_or(0);
            return Err(SamplingError::Value { slice: "values", index });
        }
        let (room, factor) = T::scales(Inside);
        let (room, jacobian) = (T::from_f64(room), strength.draw_jacobian(Inside));
        Ok(Self {
            draws: Draws::Samples { beta, derivative },
            weights: None,
            count,
            per_pair,
            least,
            inside: largest < room
                && high.max(-low) < room
                && jacobian.as_flattened().iter().all(|x| x.abs() < factor),
            jacobian,
            level: Level::best(),
        })
    }
}

impl<T: Number> Evaluator<T> for MonteCarlo<'_, T> {
    fn check(&self, batch: &Batch<'_, T>, rows: &Rows<'_, T>) -> Result<(), BatchError> {
        if self.per_pair {
            let (name, slice) = self.draws.slice();
            length(name, Some(slice), self.count.saturating_mul(batch.len()))?;
        }
        batch.check()?;
        rows.check(batch.len(), 2, batch.lapses.parameters())
    }
    fn source(&self) -> impl LogitSource<T>
    where
        T: Opened,
    {
        Estimator {
            draws: self.draws,
            weights: self.weights,
            count: self.count,
            per_pair: self.per_pair,
            least: self.least,
            inside: self.inside,
            jacobian: self.jacobian,
            level: self.level,
        }
    }
}
