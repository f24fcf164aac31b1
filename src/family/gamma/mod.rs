//! Gamma strengths.

mod draw;
pub(crate) mod lanes;
mod law;
mod near;
#[rustfmt::skip]
mod near_tables;
mod piece;
mod statistics;
mod strength;
pub(crate) mod tail;
#[cfg(feature = "gpu")]
pub(crate) mod wgsl;

pub use strength::Gamma;

use super::error::ParamError;
use super::gradient::gradient;
use super::law::Law;
use super::sealed::{Calculus, Key, Member};
use crate::kernel::{Coordinates, Integral, KernelParams, Local, Nll, Tail};
use crate::real::Real;
use num_traits::Float;

gradient! {
    /// Loss and gradient of [`Gamma`] in shape and scale.
    GammaGradient {
        /// Derivative in the shape k, at fixed scale.
        d_shape,
        /// Derivative in the scale θ, at fixed shape.
        d_scale
    }
}

impl<T: Real> Calculus for Gamma<T> {
    fn tail_at(&self, size: f64, _second: bool, _: impl Key) -> Tail {
        tail::tail(self.point(size))
    }
    fn unit_of(&self, _: impl Key) -> f64 {
        self.mean
    }
    fn mean_and_cv(&self, _: impl Key) -> [f64; 2] {
        [self.mean, Float::sqrt(self.v)]
    }
    fn posterior_at(&self, size: f64, negative: bool, _: impl Key) -> (f64, f64) {
        if self.v == 0.0 {
            return (self.mean, 0.0);
        }
        let at = self.point(size);
        let (mean, variance, shrink) = tail::posterior(at, negative);
        // After a choice against the margin the unit is the mean over 1 + θ|D|.
        let unit = match shrink {
            false => self.mean,
            true if at.c == f64::INFINITY => self.k / size,
            true => self.mean / (1.0 + at.c),
        };
        (unit * mean, unit * variance * unit)
    }
    fn native_slopes(&self, at: &Local, _: impl Key) -> [f64; 2] {
        // ∂/∂k = (D nll_D − v nll_v)/k and ∂/∂θ = D nll_D/θ, arranged so that x never underflows
        // alone: x/k = θ|D|, x/θ = k|D|.
        let Nll { plain, d1, v_d_v, .. } = at.nll;
        let (k, theta, v) = (self.k, self.theta, self.v);
        let by_k = if plain { theta * at.size * d1 } else { d1 * v };
        let by_theta = match plain {
            true => k * at.size * d1,
            // θ underflows to 0 where a tiny mean meets a tiny v.
            false if d1 == 0.0 => 0.0,
            false => d1 / theta,
        };
        [at.nll.times(at.signed(by_k) - v * v_d_v), at.nll.times(at.signed(by_theta))]
    }
    fn spread_slopes(&self, at: &Local, _: impl Key) -> (f64, f64) {
        (at.nll.times(at.nll.d_v), at.nll.times(at.nll.v_d_v))
    }
    fn kernel_params(&self, coordinates: Coordinates, _: impl Key) -> KernelParams {
        let v = self.v;
        let jacobian = match coordinates {
            Coordinates::Native => [[v, -(v * v)], [1.0 / self.theta, 0.0]],
            Coordinates::LnMeanLnCv => [[1.0, 0.0], [0.0, 2.0 * v]],
            Coordinates::LnMeanV => [[1.0, 0.0], [0.0, 1.0]],
            Coordinates::MeanCv => [[1.0 / self.mean, 0.0], [0.0, 2.0 * Float::sqrt(v)]],
        };
        let integral = match (v == 0.0, coordinates) {
            (false, _) => Integral::Own,
            // A point mass has no shape and scale.
            (true, Coordinates::Native) => Integral::Scalar,
            (true, _) => Integral::PointMass,
        };
        KernelParams { unit: self.mean, shape: v, jacobian, params: 2, integral }
    }
    fn draw(&self, z: f64, _: impl Key) -> (f64, [f64; 2]) {
        let beta = self.draw_quantile(z);
        (beta, self.draw_slopes(beta))
    }
    fn draw_at(&self, beta: f64, _: impl Key) -> (f64, [f64; 2]) {
        (beta, self.draw_slopes(beta))
    }
    fn visit_law(&self, visit: &mut dyn FnMut(Option<&dyn Law>), _: impl Key) {
        if self.v == 0.0 { visit(None) } else { visit(Some(&law::GammaLaw::new(self.k))) }
    }
    fn draw_jacobian(&self, _: impl Key) -> [[f64; 2]; 2] {
        // θ is a scale: ∂β/∂θ = β/θ.
        let scale = T::from_f64(self.theta).to_f64();
        [[0.0, 1.0], [1.0 / scale, 0.0]]
    }
}

impl<T: Real> Member<T> for Gamma<T> {
    fn from_native([shape, scale]: [T; 2]) -> Result<Self, ParamError> {
        Self::from_shape_scale(shape, scale)
    }
    fn from_mean_and_cv(mean: T, cv: T) -> Result<Self, ParamError> {
        Self::from_mean_cv(mean, cv)
    }
    fn from_mean_and_v(mean: T, v: T) -> Result<Self, ParamError> {
        Self::from_mean_v(mean, v)
    }
    fn native(&self) -> [T; 2] {
        [self.shape(), self.scale()]
    }
    fn moments(&self) -> [T; 3] {
        [self.mean(), self.v(), self.cv()]
    }
    fn ln_density(&self, beta: T) -> T {
        self.ln_pdf(beta)
    }
}
