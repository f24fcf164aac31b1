//! The number types of the public interface.

use num_traits::Float;

mod sealed {
    /// Nothing: it only keeps other types out.
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
}

/// `f32` or `f64`. Sealed: the kernels are written for these two.
///
/// Scalar evaluation computes in f64 for both; an `f32` result is the f64 result rounded once.
pub trait Real:
    Float + sealed::Sealed + core::fmt::Debug + core::fmt::Display + Send + Sync + 'static
{
    /// The same number as an f64.
    fn to_f64(self) -> f64;
    /// The nearest number of this type.
    fn from_f64(x: f64) -> Self;
}

impl Real for f32 {
    #[inline]
    fn to_f64(self) -> f64 {
        f64::from(self)
    }
    #[inline]
    fn from_f64(x: f64) -> Self {
        x as Self
    }
}

impl Real for f64 {
    #[inline]
    fn to_f64(self) -> f64 {
        self
    }
    #[inline]
    fn from_f64(x: f64) -> Self {
        x
    }
}
