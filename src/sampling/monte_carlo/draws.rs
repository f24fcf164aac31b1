//! Draws of β, as they are given and checked.

use crate::lanes::SUM_LANES;
use crate::math::elementary::exp;
use crate::real::Real;
use crate::sampling::error::SamplingError;

/// Shared draws that are prepared at once.
pub(super) const TILE: usize = 256;

/// β and its derivative in the parameter that is no scale.
#[derive(Clone, Copy, Debug)]
pub(super) enum Draws<'a, T> {
    /// β = e^{μ + σz}, ∂β/∂σ = zβ.
    Scores { mu: T, sigma: T, z: &'a [T] },
    /// As given.
    Samples { beta: &'a [T], derivative: &'a [T] },
}

impl<T: Real> Draws<'_, T> {
    /// Draw number `i`, and its derivative.
    pub(super) fn at(&self, i: usize) -> (f64, f64) {
        match *self {
            Self::Scores { mu, sigma, z } => {
                let z = z[i].to_f64();
                let beta = T::from_f64(exp(mu.to_f64() + sigma.to_f64() * z)).to_f64();
                (beta, z * beta)
            }
            Self::Samples { beta, derivative } => (beta[i].to_f64(), derivative[i].to_f64()),
        }
    }

    /// One number per draw, and what they are called.
    pub(super) fn slice(&self) -> (&'static str, &[T]) {
        match *self {
            Self::Scores { z, .. } => ("scores", z),
            Self::Samples { beta, .. } => ("values", beta),
        }
    }
}

/// Checks numbers for so many draws; the smallest and the largest.
pub(super) fn check_draws<T: Real>(
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

pub(super) fn same_length<T>(
    slice: &'static str,
    expected: usize,
    values: &[T],
) -> Result<(), SamplingError> {
    match values.len() {
        found if found == expected => Ok(()),
        found => Err(SamplingError::Length { slice, expected, found }),
    }
}

/// The smallest and the largest number (0 of none), if all are finite.
pub(super) fn extremes<T: Real>(slice: &'static str, values: &[T]) -> Result<[T; 2], SamplingError> {
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
