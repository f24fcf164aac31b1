//! From a family to its kernels: every dispatch that depends on which family it is.

use super::name::Family;
use super::sealed::{Calculus, Key, Member};
use super::strengths;
use crate::kernel::{KernelVisitor, Limits};
use crate::real::Real;

/// A strength whose kernels over lanes are known.
pub trait Dispatch: Calculus {
    /// Which family it is of.
    fn family_of(&self, key: impl Key) -> Family;
    /// Hands the family's kernels to `visitor`.
    fn visit_kernels<T: Precision, V: KernelVisitor<T>>(&self, visitor: V, key: impl Key) -> V::Output;
}

/// What is done with the type of a family, once it is known which family it is.
pub(crate) trait MemberVisitor<T: Real> {
    /// What comes of it.
    type Output;
    /// Does it.
    fn visit<S: Member<T>>(self) -> Self::Output;
}

macro_rules! dispatches {
    ($($family:ident, $module:ident, $gradient:ident, $name:literal, $parameters:tt;)*) => {
        /// A number type that has the kernels of all families.
        pub trait Precision: Real + Limits $(+ super::$module::lanes::Form)* {}
        impl Precision for f32 {}
        impl Precision for f64 {}

        $(
            impl<R: Real> Dispatch for strengths::$family<R> {
                fn family_of(&self, _: impl Key) -> Family {
                    Family::$family
                }
                #[inline]
                fn visit_kernels<T: Precision, V: KernelVisitor<T>>(&self, visitor: V, _: impl Key) -> V::Output {
                    visitor.visit::<super::$module::lanes::Kernels>()
                }
            }
        )*

        impl Family {
            /// Hands the family's kernels to `visitor`; those of plain DPO for a point mass.
            pub(crate) fn visit_kernels<T: Precision, V: KernelVisitor<T>>(self, visitor: V) -> V::Output {
                match self { $(Self::$family => visitor.visit::<super::$module::lanes::Kernels>()),* }
            }

            /// Hands the family's type to `visitor`.
            pub(crate) fn visit_member<T: Real, V: MemberVisitor<T>>(self, visitor: V) -> V::Output {
                match self { $(Self::$family => visitor.visit::<strengths::$family<T>>()),* }
            }
        }
    };
}
families! { dispatches }
