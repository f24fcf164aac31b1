//! The logistic function and the normal distribution function; the elementary functions, sums, and incomplete
//! Gamma functions under everything else.
//!
//! The Lerch transcendent, built on the Gamma family's integral, is in [`crate::lerch`].
pub(crate) mod alternating;
pub(crate) mod elementary;
pub(crate) mod gamma_shape;
pub(crate) mod hermite;
pub(crate) mod incomplete_gamma;
pub(crate) mod lambert;
mod logistic;
pub(crate) mod normal;
#[rustfmt::skip]
pub(crate) mod tables;
#[cfg(test)]
mod tests;
pub(crate) mod twofold;

pub use logistic::{log_sigmoid, sigmoid, softplus};
pub(crate) use logistic::{neg_ln_1m, two_atanh, two_atanh_cubic};
pub use normal::normal_cdf;
