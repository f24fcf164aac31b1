//! All mass at one β.

mod draw;
pub(crate) mod lanes;
mod statistics;
mod strength;
pub(crate) mod tail;
#[cfg(feature = "gpu")]
pub(crate) mod wgsl;

pub use strength::Fixed;

use super::error::ParamError;
use super::gradient::gradient;
use super::law::Law;
use super::sealed::{Calculus, Key, Member};
use crate::kernel::{Coordinates, Integral, KernelParams, Local, Tail};
use crate::math::twofold::product_error;
use crate::real::Real;

gradient! {
    /// Loss and gradient of [`Fixed`] in its own parameter.
    FixedGradient {
        /// Derivative in β.
        d_beta
    }
}

impl<T: Real> Calculus for Fixed<T> {
    fn tail_at(&self, size: f64, _second: bool, _: impl Key) -> Tail {
        let beta = self.beta.to_f64();
        // β = 0 decides nothing, however large the margin.
        let x = if beta == 0.0 { 0.0 } else { beta * size };
        let tail = tail::fixed(x);
        let lost = if x < f64::INFINITY { x * product_error(beta, size) } else { 0.0 };
        Tail { t_lo: -lost * tail.d1, ..tail }
    }
    fn unit_of(&self, _: impl Key) -> f64 {
        self.beta.to_f64()
    }
    fn mean_and_cv(&self, _: impl Key) -> [f64; 2] {
        [self.beta.to_f64(), 0.0]
    }
    fn posterior_at(&self, _size: f64, _negative: bool, _: impl Key) -> (f64, f64) {
        (self.beta.to_f64(), 0.0)
    }
    fn native_slopes(&self, at: &Local, _: impl Key) -> [f64; 2] {
        // ∂nll/∂β = D nll_D/β = D·(slope at unit strength)
        [if at.nll.d1 == 0.0 { 0.0 } else { at.signed(at.nll.times(at.size * at.nll.d1)) }, 0.0]
    }
    fn spread_slopes(&self, at: &Local, _: impl Key) -> (f64, f64) {
        (at.nll.times(at.nll.d_v), 0.0)
    }
    fn kernel_params(&self, coordinates: Coordinates, _: impl Key) -> KernelParams {
        let beta = self.beta.to_f64();
        let (jacobian, params) = match coordinates {
            Coordinates::Native => ([[1.0 / beta, 0.0], [0.0; 2]], 1),
            Coordinates::LnMeanLnCv => ([[1.0, 0.0], [0.0; 2]], 2),
            Coordinates::LnMeanV => ([[1.0, 0.0], [0.0, 1.0]], 2),
            Coordinates::MeanCv => ([[1.0 / beta, 0.0], [0.0; 2]], 2),
        };
        KernelParams { unit: beta, shape: 0.0, jacobian, params, integral: Integral::PointMass }
    }
    fn draw(&self, z: f64, _: impl Key) -> (f64, [f64; 2]) {
        draw::draw(if z.is_nan() { z } else { self.beta.to_f64() })
    }
    fn draw_at(&self, beta: f64, _: impl Key) -> (f64, [f64; 2]) {
        draw::draw(beta)
    }
    fn visit_law(&self, visit: &mut dyn FnMut(Option<&dyn Law>), _: impl Key) {
        visit(None)
    }
    fn draw_jacobian(&self, _: impl Key) -> [[f64; 2]; 2] {
        [[1.0 / self.beta.to_f64(), 0.0], [0.0; 2]]
    }
}

impl<T: Real> Member<T> for Fixed<T> {
    fn from_native([beta, _]: [T; 2]) -> Result<Self, ParamError> {
        Self::new(beta)
    }
    fn from_mean_and_cv(mean: T, cv: T) -> Result<Self, ParamError> {
        if cv == T::zero() { Self::new(mean) } else { Err(ParamError::VNotZero) }
    }
    fn from_mean_and_v(mean: T, v: T) -> Result<Self, ParamError> {
        Self::from_mean_and_cv(mean, v)
    }
    fn native(&self) -> [T; 2] {
        [self.beta, T::zero()]
    }
    fn moments(&self) -> [T; 3] {
        [self.beta, T::zero(), T::zero()]
    }
    fn ln_density(&self, beta: T) -> T {
        // All of it at one place.
        match beta {
            beta if beta.is_nan() => beta,
            beta if beta == self.beta => T::infinity(),
            _ => T::neg_infinity(),
        }
    }
}
