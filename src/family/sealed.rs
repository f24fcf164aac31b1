//! What the crate asks of a family, and nobody else may call: every item wants a key that has no name outside.

use super::error::ParamError;
use super::law::Law;
use crate::kernel::{Coordinates, KernelParams, Local, Tail};
use crate::real::Real;

/// Implemented by [`Inside`] alone. A generic parameter that no caller outside can name or infer keeps an item of a
/// sealed trait from being called, and from being named without a call.
pub trait Key {}

/// The key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Inside;

impl Key for Inside {}

/// The calculus of one p(β), in f64.
pub trait Calculus: Copy {
    /// T at |margin| = `size` ≥ 0. Unless `second`, (ln T)″ may be a difference that cancels.
    fn tail_at(&self, size: f64, second: bool, key: impl Key) -> Tail;
    /// The unit of x in that tail: x = unit·size.
    fn unit_of(&self, key: impl Key) -> f64;
    /// E\[β\] and cv.
    fn mean_and_cv(&self, key: impl Key) -> [f64; 2];
    /// Posterior mean and variance of β given a choice at |margin| = `size`.
    fn posterior_at(&self, size: f64, negative: bool, key: impl Key) -> (f64, f64);
    /// Derivatives in the native parameters.
    fn native_slopes(&self, at: &Local, key: impl Key) -> [f64; 2];
    /// (∂/∂v, v ∂/∂v) at fixed mean.
    fn spread_slopes(&self, at: &Local, key: impl Key) -> (f64, f64);
    /// For the batch kernels.
    fn kernel_params(&self, coordinates: Coordinates, key: impl Key) -> KernelParams;
    /// β = F⁻¹(Φ(z)) and its derivatives in the native parameters at fixed z.
    fn draw(&self, z: f64, key: impl Key) -> (f64, [f64; 2]);
    /// The same derivatives at a β ≥ 0 (or NaN) that was drawn in another way, and β.
    fn draw_at(&self, beta: f64, key: impl Key) -> (f64, [f64; 2]);
    /// Hands the law of ln(β/E\[β\]) to `visit`; `None` for a point mass.
    fn visit_law(&self, visit: &mut dyn FnMut(Option<&dyn Law>), key: impl Key);
    /// The derivative that the Jacobian of [`kernel_params`](Self::kernel_params) takes beside D ∂/∂D, from ∂/∂v at fixed
    /// mean.
    fn kernel_spread(&self, d_v: f64, _key: impl Key) -> f64 {
        d_v
    }
    /// ∂β/∂pᵢ of a draw from β and its derivative in the second native parameter: jacobian\[i\]·(β, ∂β/∂p₁).
    fn draw_jacobian(&self, key: impl Key) -> [[f64; 2]; 2];
}

/// A family as one of many: made from numbers, and turned into them.
pub(crate) trait Member<T: Real>: Calculus {
    /// From the native parameters; the second is not looked at where there is one.
    fn from_native(parameters: [T; 2]) -> Result<Self, ParamError>;
    /// From mean and cv.
    fn from_mean_and_cv(mean: T, cv: T) -> Result<Self, ParamError>;
    /// From mean and v.
    fn from_mean_and_v(mean: T, v: T) -> Result<Self, ParamError>;
    /// The native parameters; 0 in the second place where there is one.
    fn native(&self) -> [T; 2];
    /// E\[β\], v and √v.
    fn moments(&self) -> [T; 3];
    /// ln of the density.
    fn ln_density(&self, beta: T) -> T;
}
