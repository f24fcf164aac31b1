//! How far the kernels over lanes reach, per precision.

use crate::lanes::Scalar;

/// Where the numbers of a precision stay normal through a batch kernel.
pub trait Limits: Scalar {
    /// Largest unit of the margin, and largest factor from ∂/∂(ln mean, v) to other coordinates, that
    /// leave everything between normal; their inverses are the smallest.
    const SCALES: (f64, f64);
    /// ℓ beyond which e^{−ℓ} and what comes from it may be subnormal; 1 + e^{−ℓ} is 1 long before.
    const GRADUAL: f64;
    /// A power of two that lifts it from there, as the logarithm of its inverse and itself.
    const LIFT: (f64, f64);
    /// w = unit·|D| is 0, or between these: below, powers of w leave the normal numbers.
    const X_MIN: f64;
    const X_MAX: f64;
    /// A lapse is 0, or at least this: its products with e^{−ℓ} stay normal.
    const LAPSE_MIN: f64;
    /// Whether it is f32.
    const SINGLE: bool;
}

impl Limits for f64 {
    const SCALES: (f64, f64) = (1e100, 1e200);
    const GRADUAL: f64 = 640.0;
    const LIFT: (f64, f64) = (128.0 * core::f64::consts::LN_2, f64::from_bits((1023 - 128) << 52));
    const X_MIN: f64 = 1e-100;
    const X_MAX: f64 = 1e20;
    const LAPSE_MIN: f64 = 1e-290;
    const SINGLE: bool = false;
}

impl Limits for f32 {
    const SCALES: (f64, f64) = (1e15, 1e30);
    const GRADUAL: f64 = 62.0;
    const LIFT: (f64, f64) = (60.0 * core::f64::consts::LN_2, f64::from_bits((1023 - 60) << 52));
    const X_MIN: f64 = 1e-12;
    const X_MAX: f64 = 1e9;
    const LAPSE_MIN: f64 = 1e-30;
    const SINGLE: bool = true;
}
