//! Inverse Gaussian strengths.

mod draw;
pub(crate) mod lanes;
mod law;
#[rustfmt::skip]
mod nodes;
mod statistics;
mod strength;
pub(crate) mod tail;
#[cfg(feature = "gpu")]
pub(crate) mod wgsl;

pub use strength::InverseGaussian;

use super::error::ParamError;
use super::gradient::gradient;
use super::law::Law;
use super::sealed::{Calculus, Key, Member};
use crate::kernel::{Coordinates, Integral, KernelParams, Local, Tail};
use crate::real::Real;
use num_traits::Float;

gradient! {
    /// Loss and gradient of [`InverseGaussian`] in mean and shape.
    InverseGaussianGradient {
        /// Derivative in the mean, at fixed shape.
        d_mean,
        /// Derivative in the shape λ, at fixed mean.
        d_shape
    }
}

/// From this xv on D nll_D and v nll_v cancel by more than a factor of 3.
const CANCELS: f64 = 4.0;

/// Below these x and xv the loss is ln 2 with the first terms of its series, to rounding; x³ is still normal.
const SMALL: f64 = 1e-90;
const SMALL_C: f64 = 1e-10;

impl<T: Real> Calculus for InverseGaussian<T> {
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
        let (mean, variance, g) = tail::posterior(self.point(size), negative);
        let unit = self.mean * g;
        (unit * mean, unit * variance * unit)
    }
    /// (D nll_D + v nll_v)/m and −v nll_v/λ. The first two cancel for large xv: there in a form of its own.
    fn native_slopes(&self, at: &Local, _: impl Key) -> [f64; 2] {
        let nll = &at.nll;
        let d_mean = if nll.d1 == 0.0 {
            0.0
        } else if self.mean * at.size * self.v > CANCELS {
            at.share * (at.signed(tail::mean_elasticity(self.point(at.size))) / self.mean)
        } else {
            // x/m = |D|, which may be a normal number where x is not.
            let by_x = if nll.plain { at.size * nll.d1 } else { nll.d1 / self.mean };
            at.signed(by_x) + nll.v_d_v / self.mean
        };
        let x = self.mean * at.size;
        let c = x * self.v;
        let d_shape = if x < SMALL && c < SMALL_C {
            // The leading term D³m⁴(1 + 2v)/(8λ²), from x³ nothing of which may be a normal number.
            let size = 0.125 * ((c * at.size) * c) * (1.0 + 2.0 * self.v);
            nll.times(at.share * if at.negative { size } else { -size })
        } else if nll.v_d_v.abs() < f64::MIN_POSITIVE / f64::EPSILON && nll.d_v.abs() > nll.v_d_v.abs() {
            // A tiny v, where λ is tiny too.
            -nll.times((nll.d_v / self.shape) * self.v)
        } else {
            -nll.times(nll.v_d_v / self.shape)
        };
        [nll.times(d_mean), d_shape]
    }
    fn spread_slopes(&self, at: &Local, _: impl Key) -> (f64, f64) {
        (at.nll.times(at.nll.d_v), at.nll.times(at.nll.v_d_v))
    }
    fn kernel_params(&self, coordinates: Coordinates, _: impl Key) -> KernelParams {
        let (mean, v) = (self.mean, self.v);
        let jacobian = match coordinates {
            Coordinates::Native => [[1.0 / mean, v / mean], [0.0, -v / self.shape]],
            Coordinates::LnMeanLnCv => [[1.0, 0.0], [0.0, 2.0 * v]],
            Coordinates::LnMeanV => [[1.0, 0.0], [0.0, 1.0]],
            Coordinates::MeanCv => [[1.0 / mean, 0.0], [0.0, 2.0 * Float::sqrt(v)]],
        };
        let integral = match (v == 0.0, coordinates) {
            // v/λ underflows where v/λ times ∂/∂v need not.
            (false, Coordinates::Native) if v / self.shape == 0.0 => Integral::Scalar,
            (false, _) => Integral::Own,
            // A point mass has no shape.
            (true, Coordinates::Native) => Integral::Scalar,
            (true, _) => Integral::PointMass,
        };
        KernelParams { unit: mean, shape: v, jacobian, params: 2, integral }
    }
    fn draw(&self, z: f64, _: impl Key) -> (f64, [f64; 2]) {
        let beta = self.draw_quantile(z);
        (beta, self.draw_slopes(beta))
    }
    fn draw_at(&self, beta: f64, _: impl Key) -> (f64, [f64; 2]) {
        (beta, self.draw_slopes(beta))
    }
    fn visit_law(&self, visit: &mut dyn FnMut(Option<&dyn Law>), _: impl Key) {
        if self.v == 0.0 { visit(None) } else { visit(Some(&law::InverseGaussianLaw { v: self.v })) }
    }
    fn draw_jacobian(&self, _: impl Key) -> [[f64; 2]; 2] {
        // F depends on ratios alone: m∂β/∂m + λ∂β/∂λ = β.
        let mean = T::from_f64(self.mean).to_f64();
        [[1.0 / mean, -self.shape / mean], [0.0, 1.0]]
    }
}

impl<T: Real> Member<T> for InverseGaussian<T> {
    fn from_native([mean, shape]: [T; 2]) -> Result<Self, ParamError> {
        Self::from_mean_shape(mean, shape)
    }
    fn from_mean_and_cv(mean: T, cv: T) -> Result<Self, ParamError> {
        Self::from_mean_cv(mean, cv)
    }
    fn from_mean_and_v(mean: T, v: T) -> Result<Self, ParamError> {
        Self::from_mean_v(mean, v)
    }
    fn native(&self) -> [T; 2] {
        [self.mean(), self.shape()]
    }
    fn moments(&self) -> [T; 3] {
        [self.mean(), self.v(), self.cv()]
    }
    fn ln_density(&self, beta: T) -> T {
        self.ln_pdf(beta)
    }
}
