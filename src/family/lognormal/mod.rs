//! LogNormal strengths.

mod draw;
pub(crate) mod lanes;
mod law;
mod statistics;
mod strength;
pub(crate) mod tail;
#[cfg(feature = "gpu")]
pub(crate) mod wgsl;

pub use strength::LogNormal;

use self::tail::MIN_SIGMA;
use super::error::ParamError;
use super::gradient::gradient;
use super::law::Law;
use super::sealed::{Calculus, Key, Member};
use crate::kernel::{Coordinates, Integral, KernelParams, Local, Tail};
use crate::real::Real;
use num_traits::Float;

gradient! {
    /// Loss and gradient of [`LogNormal`] in μ and σ.
    LogNormalGradient {
        /// Derivative in μ.
        d_mu,
        /// Derivative in σ, at fixed μ.
        d_sigma
    }
}

impl<T: Real> Calculus for LogNormal<T> {
    fn tail_at(&self, size: f64, second: bool, _: impl Key) -> Tail {
        tail::tail(&self.point(size), second)
    }
    fn unit_of(&self, _: impl Key) -> f64 {
        self.median
    }
    fn mean_and_cv(&self, _: impl Key) -> [f64; 2] {
        [self.mean, self.spread()]
    }
    fn posterior_at(&self, size: f64, negative: bool, _: impl Key) -> (f64, f64) {
        if self.sigma < MIN_SIGMA {
            let deviation = self.median * self.sigma;
            return (self.median, deviation * deviation);
        }
        if size == f64::INFINITY && negative {
            return (0.0, 0.0);
        }
        let (mean, variance, x) = tail::posterior(&self.point(size), negative);
        let unit = x.map_or(self.median, |x| x / size);
        (unit * mean, unit * variance * unit)
    }
    fn native_slopes(&self, at: &Local, _: impl Key) -> [f64; 2] {
        let sigma = self.sigma;
        let d_mu = at.nll.times(at.d_ln_margin());
        // ∂/∂σ at fixed μ: σ D nll_D + 2σ nll_q. At σ = 0 it is 0, also where x overflows.
        let d_sigma = if sigma == 0.0 {
            0.0
        } else if at.size == f64::INFINITY {
            if at.negative && at.share > 0.0 { f64::NEG_INFINITY } else { 0.0 }
        } else if at.nll.d_v.is_infinite() {
            // Quadratic in x, where the first term is linear.
            at.nll.d_v
        } else {
            at.nll.times(sigma * (at.d_ln_margin() + 2.0 * at.nll.d_v))
        };
        [d_mu, d_sigma]
    }
    fn spread_slopes(&self, at: &Local, _: impl Key) -> (f64, f64) {
        // nll_v = nll_q/(1 + v). At v = 0, v·nll_v is 0, also where nll_q overflows.
        let (d_v, v) = (at.nll.d_v / (1.0 + self.v), self.v);
        let v_d_v = if v == 0.0 { 0.0 } else { v * d_v };
        (at.nll.times(d_v), at.nll.times(v_d_v))
    }
    fn kernel_params(&self, coordinates: Coordinates, _: impl Key) -> KernelParams {
        let (sigma, v) = (self.sigma, self.v);
        let jacobian = match coordinates {
            Coordinates::Native => [[1.0, 0.0], [sigma, 2.0 * sigma]],
            Coordinates::LnMeanLnCv => [[1.0, 0.0], [0.0, 2.0 * v / (1.0 + v)]],
            Coordinates::LnMeanV => [[1.0, 0.0], [0.0, 1.0 / (1.0 + v)]],
            Coordinates::MeanCv => [[1.0 / self.mean, 0.0], [0.0, 2.0 * Float::sqrt(v) / (1.0 + v)]],
        };
        let integral = if sigma == 0.0 { Integral::PointMass } else { Integral::Own };
        KernelParams { unit: self.median, shape: sigma, jacobian, params: 2, integral }
    }
    fn draw(&self, z: f64, _: impl Key) -> (f64, [f64; 2]) {
        draw::with_slopes(self.draw_quantile(z), z)
    }
    fn draw_at(&self, beta: f64, _: impl Key) -> (f64, [f64; 2]) {
        draw::with_slopes(beta, self.draw_score(beta))
    }
    fn visit_law(&self, visit: &mut dyn FnMut(Option<&dyn Law>), _: impl Key) {
        // σ² underflows long before σ.
        let q = self.sigma * (self.sigma + 2.0 * self.sigma_lo);
        if q < f64::MIN_POSITIVE { visit(None) } else { visit(Some(&law::LogNormalLaw { q, v: self.v })) }
    }
    fn kernel_spread(&self, d_v: f64, _: impl Key) -> f64 {
        // ∂/∂σ²
        (1.0 + self.v) * d_v
    }
    fn draw_jacobian(&self, _: impl Key) -> [[f64; 2]; 2] {
        // e^μ is a scale: ∂β/∂μ = β.
        [[1.0, 0.0], [0.0, 1.0]]
    }
}

impl<T: Real> Member<T> for LogNormal<T> {
    fn from_native([mu, sigma]: [T; 2]) -> Result<Self, ParamError> {
        Self::from_mu_sigma(mu, sigma)
    }
    fn from_mean_and_cv(mean: T, cv: T) -> Result<Self, ParamError> {
        Self::from_mean_cv(mean, cv)
    }
    fn from_mean_and_v(mean: T, v: T) -> Result<Self, ParamError> {
        Self::from_mean_v(mean, v)
    }
    fn native(&self) -> [T; 2] {
        [self.mu(), self.sigma()]
    }
    fn moments(&self) -> [T; 3] {
        [self.mean(), self.v(), self.cv()]
    }
    fn ln_density(&self, beta: T) -> T {
        self.ln_pdf(beta)
    }
}
