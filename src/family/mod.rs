//! The families of strengths β ≥ 0.
//!
//! A family is a folder: its parameters (`strength.rs`), the scalar kernel (`tail.rs`), the kernels over lanes
//! (`lanes.rs` and tables), what statisticians ask of a distribution (`statistics.rs`), draws with derivatives
//! (`draw.rs`) and the shader (`wgsl.rs`, `*.wgsl`); and a line in [`families!`], from which the crate makes the
//! name, the strength chosen at run time, and every dispatch. CONTRIBUTING.md has the steps.

/// The registry. `families! { callback }` calls `callback!` with a line for every family:
/// `Type, module, gradient, "name", ["parameter" = "symbol", …]`. The symbols head the columns of `evaluate`.
macro_rules! families {
    ($callback:ident) => {
        $callback! {
            Fixed, fixed, FixedGradient, "fixed", ["beta" = "beta"];
            Gamma, gamma, GammaGradient, "gamma", ["shape" = "k", "scale" = "theta"];
            LogNormal, lognormal, LogNormalGradient, "lognormal", ["mu" = "mu", "sigma" = "sigma"];
            InverseGaussian, inverse_gaussian, InverseGaussianGradient, "inverse-gaussian", ["mean" = "mean", "shape" = "lambda"];
        }
    };
}
pub(crate) use families;

pub(crate) mod any;
pub(crate) mod dispatch;
pub(crate) mod error;
pub(crate) mod fixed;
pub(crate) mod gamma;
pub(crate) mod gradient;
pub(crate) mod inverse_gaussian;
pub(crate) mod law;
pub(crate) mod lognormal;
pub(crate) mod name;
pub(crate) mod per_family;
mod place;
pub(crate) mod sealed;
pub(crate) mod strengths;

pub use any::AnyStrength;
pub(crate) use dispatch::{Dispatch, Precision};
pub use error::ParamError;
pub use gradient::NllGradient;
pub use name::{Family, UnknownName};
pub use per_family::PerFamily;
pub(crate) use sealed::{Calculus, Inside, Key, Member};
