//! Draws from a LogNormal distribution with their derivatives.

use super::strength::LogNormal;
use crate::math::twofold::times;
use crate::real::Real;

impl<T: Real> LogNormal<T> {
    /// e^{μ+σz}; e^μ for σ = 0.
    pub(super) fn draw_quantile(&self, z: f64) -> f64 {
        match self.sigma {
            0.0 if !z.is_nan() => self.median,
            sigma if z.abs() < 1e3 => self.at(times((z, 0.0), sigma)),
            // ∞ or 0, or σ next to 0.
            sigma => self.at((z * sigma, 0.0)),
        }
    }

    /// The z of β ≥ 0 or NaN. At 0, ∞ and NaN β stands for z: as far as its sign matters, it is that. A point mass
    /// does not tell which z was drawn: 0, the mean.
    pub(super) fn draw_score(&self, beta: f64) -> f64 {
        match self.sigma {
            0.0 if !beta.is_nan() => 0.0,
            _ if beta > 0.0 && beta < f64::INFINITY => self.deviate(beta).0,
            _ => beta,
        }
    }
}

/// ∂β/∂μ = β and ∂β/∂σ = zβ, 0 where β or z is, whatever the other.
pub(super) fn with_slopes(beta: f64, z: f64) -> (f64, [f64; 2]) {
    let zero = beta == 0.0 || z == 0.0;
    (beta, [beta, if zero { 0.0 } else { z * beta }])
}
