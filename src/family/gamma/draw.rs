//! Draws from a Gamma distribution with their derivatives.

use super::statistics::LARGE;
use super::strength::Gamma;
use crate::math::elementary::ln;
use crate::math::gamma_shape::shape_elasticity;
use crate::math::normal::normal_cdf_twofold;
use crate::real::Real;

/// Scores beyond ±37.5 are taken for it: Φ(−37.5) = 5e-308 is still a normal number.
const MAX_Z: f64 = 37.5;

impl<T: Real> Gamma<T> {
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

    /// ∂β/∂k and ∂β/∂θ of a quantile β at fixed probability; the limits (θ, k) at zero spread.
    pub(super) fn draw_slopes(&self, beta: f64) -> [f64; 2] {
        let (k, theta) = (self.k, self.theta);
        if self.v == 0.0 {
            return [theta, k].map(|limit| if beta.is_nan() { beta } else { limit });
        }
        let x = if k >= LARGE { k * (beta / self.mean) } else { beta / theta };
        if !(beta > 0.0 && beta < f64::INFINITY) {
            return [beta, x];
        }
        let ln_x = if x.is_normal() { ln(x) } else { ln(k) + (ln(beta) - ln(self.mean)) };
        [beta * shape_elasticity(k, x.min(f64::MAX), ln_x) * self.v, x]
    }
}
