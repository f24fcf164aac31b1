//! Gradient structs: one for all families, and one with named fields for each.

use super::sealed::Key;
use crate::real::Real;

/// Loss and gradient in parameters that are chosen at run time, by [`Coordinates`](crate::Coordinates) or by an
/// [`AnyStrength`](crate::AnyStrength).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NllGradient<T> {
    /// The loss.
    pub value: T,
    /// Its derivative in the margin.
    pub d_margin: T,
    /// Its derivatives in the parameters, in the order of the coordinates; 0 in the second place where there is one.
    pub d_params: [T; 2],
}

impl<T: Real> Pack for NllGradient<T> {
    fn pack(parts: [f64; 4], _: impl Key) -> Self {
        let [value, d_margin, first, second] = parts.map(T::from_f64);
        Self { value, d_margin, d_params: [first, second] }
    }
}

/// A gradient struct, from loss, d_margin and up to two native derivatives.
pub trait Pack {
    /// Rounds and assembles.
    fn pack(parts: [f64; 4], key: impl Key) -> Self;
}

/// A struct of loss, d_margin and a derivative in each native parameter.
macro_rules! gradient {
    ($(#[$doc:meta])* $name:ident { $($(#[$fdoc:meta])* $field:ident),* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub struct $name<T> {
            /// The loss.
            pub value: T,
            /// Its derivative in the margin.
            pub d_margin: T,
            $($(#[$fdoc])* pub $field: T,)*
        }

        impl<T: $crate::Real> $crate::family::gradient::Pack for $name<T> {
            fn pack([value, d_margin, rest @ ..]: [f64; 4], _: impl $crate::family::sealed::Key) -> Self {
                let mut rest = rest.into_iter();
                let mut next = || T::from_f64(rest.next().unwrap_or(f64::NAN));
                Self { value: T::from_f64(value), d_margin: T::from_f64(d_margin), $($field: next()),* }
            }
        }
    };
}
pub(super) use gradient;
