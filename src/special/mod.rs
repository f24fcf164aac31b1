//! Special functions.
pub(crate) mod alternating;
pub(crate) mod elementary;
mod logistic;
#[rustfmt::skip]
pub(crate) mod tables;
pub(crate) mod twofold;

pub use crate::lerch::{LerchPhi, lerch_phi_m1, lerch_phi_m1_gradient, lerch_phi_m1_scaled, ln_lerch_phi_m1};
pub(crate) use logistic::{ln_1p, neg_ln_1m, two_atanh};
pub use logistic::{log_sigmoid, sigmoid, softplus};
