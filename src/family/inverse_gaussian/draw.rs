//! Draws of an inverse Gaussian β with their derivatives.

use super::statistics::mills;
use super::strength::InverseGaussian;
use crate::math::normal::normal_cdf_twofold;
use crate::real::Real;
use core::f64::consts::SQRT_2;
use num_traits::Float;

/// Scores beyond ±37.5 are taken for it: Φ(−37.5) = 5e-308 is still a normal number.
const MAX_Z: f64 = 37.5;

impl<T: Real> InverseGaussian<T> {
    /// F⁻¹(Φ(z)); the mean at zero spread.
    pub(super) fn draw_quantile(&self, z: f64) -> f64 {
        if z.is_nan() {
            z
        } else if self.v == 0.0 {
            self.mean
        } else if z.abs() == f64::INFINITY {
            z.max(0.0)
        } else {
            let z = z.clamp(-MAX_Z, MAX_Z);
            self.solve(normal_cdf_twofold((-z.abs(), 0.0)), z <= 0.0, z)
        }
    }

    /// ∂β/∂m and ∂β/∂λ of a quantile β at fixed probability; the limits (1, 0) at zero spread, and (∞, −∞) at
    /// β = ∞.
    ///
    /// −F_λ/F′ = (β/λ)[1 − (2B/(1 + B))·Y], B = β/m, X = (1 + B)/√(2vB), Y = √πX erfcx(X); and as F depends on
    /// ratios alone, m∂β/∂m + λ∂β/∂λ = β. With 1 − Y known by itself nothing cancels but next to the true zero of
    /// the second: [(1 − B) + 2B(1 − Y)]/(1 + B).
    pub(super) fn draw_slopes(&self, beta: f64) -> [f64; 2] {
        let (mean, v) = (self.mean, self.v);
        if v == 0.0 {
            return [1.0, 0.0].map(|limit| if beta.is_nan() { beta } else { limit });
        }
        if !(beta > 0.0 && beta < f64::INFINITY) {
            return [beta, -beta];
        }
        let b = beta / mean;
        let x = (1.0 + b) / (SQRT_2 * (Float::sqrt(v) * Float::sqrt(b)));
        let (y, rest) = mills(x);
        let share = 2.0 * b / (1.0 + b);
        let off = (mean - beta) / mean / (1.0 + b);
        // β/λ = Bv
        [b * (share * y), b * v * (off + share * rest)]
    }
}
