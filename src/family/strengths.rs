//! What the families bring into the crate, collected from the registry.

macro_rules! exports {
    ($($family:ident, $module:ident, $gradient:ident, $name:literal, $parameters:tt;)*) => {
        $(pub use super::$module::{$family, $gradient};)*

        /// The functions of (x, v), for `crate::canonical`.
        pub(crate) mod canonical {
            $(pub use super::super::$module::tail::$module;)*
        }
    };
}
families! { exports }
