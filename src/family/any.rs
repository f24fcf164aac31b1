//! A strength whose family is known at run time only, and what the families have in common to be seen.

use super::dispatch::{Dispatch, Precision};
use super::error::ParamError;
use super::law::Law;
use super::name::Family;
use super::sealed::{Calculus, Key, Member};
use super::strengths;
use crate::kernel::{Coordinates, KernelParams, KernelVisitor, Local, Tail};
use crate::real::Real;
use core::fmt;

macro_rules! any {
    ($($family:ident, $module:ident, $gradient:ident, $name:literal, $parameters:tt;)*) => {
        /// A p(β) whose family is known at run time only.
        ///
        /// It is a [`Strength`](crate::Strength) like those in it, for batches too. With feature `serde` it is stored
        /// as family, mean and v, from which it comes back as [`from_mean_v`](Self::from_mean_v) makes it: native
        /// parameters to rounding.
        ///
        /// ```
        /// use prefstrength::batch::{Batch, Direct, Rows};
        /// use prefstrength::{AnyStrength, Family, Gamma, Strength};
        /// for family in Family::ALL.into_iter().filter(|family| family.parameters().len() == 2) {
        ///     let beta = AnyStrength::from_mean_cv(family, 0.1, 0.5)?;
        ///     let sums = Direct::new(&beta).evaluate(&Batch::new(&[3.0, -1.0]), Rows::new())?;
        ///     assert!((sums.nll - beta.nll(3.0) - beta.nll(-1.0)).abs() < 1e-14);
        ///     println!("{beta}");
        /// }
        /// let gamma = AnyStrength::from(Gamma::from_shape_scale(4.0, 0.025)?);
        /// assert_eq!((gamma.family(), gamma.to_string()), (Family::Gamma, "Gamma(shape 4, scale 0.025)".into()));
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        #[derive(Clone, Copy, PartialEq)]
        #[non_exhaustive]
        pub enum AnyStrength<T = f64> {
            $(
                #[doc = concat!("Of [`", stringify!($family), "`](crate::", stringify!($family), ").")]
                $family(strengths::$family<T>),
            )*
        }

        /// Calls the body with the strength in it.
        macro_rules! each {
            ($any:expr, $inner:ident => $body:expr) => {
                match $any { $(AnyStrength::$family($inner) => $body),* }
            };
        }

        impl<T: Real> AnyStrength<T> {
            /// From a mean > 0 (≥ 0 for `Fixed`) and v = cv² ≥ 0 (0 for `Fixed`).
            ///
            /// # Errors
            /// Those of the family's constructor, [`ParamError::VNotZero`] for a `Fixed` with a spread.
            pub fn from_mean_v(family: Family, mean: T, v: T) -> Result<Self, ParamError> {
                Ok(match family {
                    $(Family::$family => Self::$family(Member::from_mean_and_v(mean, v)?)),*
                })
            }

            /// From a mean > 0 (≥ 0 for `Fixed`) and cv ≥ 0 (0 for `Fixed`).
            ///
            /// # Errors
            /// As [`from_mean_v`](Self::from_mean_v).
            pub fn from_mean_cv(family: Family, mean: T, cv: T) -> Result<Self, ParamError> {
                Ok(match family {
                    $(Family::$family => Self::$family(Member::from_mean_and_cv(mean, cv)?)),*
                })
            }

            /// From the native parameters, in the order of [`Family::parameters`].
            ///
            /// # Errors
            /// Those of the family's constructor, [`ParamError::Count`] for another number of them.
            pub fn from_parameters(family: Family, parameters: &[T]) -> Result<Self, ParamError> {
                let native = match *parameters {
                    [only] if family.parameters().len() == 1 => [only, T::zero()],
                    [first, second] if family.parameters().len() == 2 => [first, second],
                    _ => return Err(ParamError::Count),
                };
                Ok(match family {
                    $(Family::$family => Self::$family(Member::from_native(native)?)),*
                })
            }

            /// Which family it is of.
            #[must_use]
            pub fn family(&self) -> Family {
                match self { $(Self::$family(_) => Family::$family),* }
            }
        }

        $(
            impl<T> From<strengths::$family<T>> for AnyStrength<T> {
                fn from(beta: strengths::$family<T>) -> Self {
                    Self::$family(beta)
                }
            }

            /// The family with its native parameters; with mean and v where these do not tell.
            impl<T: Real> fmt::Display for strengths::$family<T> {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    show(f, Family::$family, Member::native(self), self.moments())
                }
            }

            impl<T: Real> fmt::Debug for strengths::$family<T> {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    fmt::Display::fmt(self, f)
                }
            }
        )*

        impl<T: Real> Dispatch for AnyStrength<T> {
            fn family_of(&self, _: impl Key) -> Family {
                self.family()
            }
            fn visit_kernels<U: Precision, V: KernelVisitor<U>>(&self, visitor: V, _: impl Key) -> V::Output {
                self.family().visit_kernels(visitor)
            }
        }

        impl<T: Real> Calculus for AnyStrength<T> {
            fn tail_at(&self, size: f64, second: bool, key: impl Key) -> Tail {
                each!(self, beta => beta.tail_at(size, second, key))
            }
            fn unit_of(&self, key: impl Key) -> f64 {
                each!(self, beta => beta.unit_of(key))
            }
            fn mean_and_cv(&self, key: impl Key) -> [f64; 2] {
                each!(self, beta => beta.mean_and_cv(key))
            }
            fn posterior_at(&self, size: f64, negative: bool, key: impl Key) -> (f64, f64) {
                each!(self, beta => beta.posterior_at(size, negative, key))
            }
            fn native_slopes(&self, at: &Local, key: impl Key) -> [f64; 2] {
                each!(self, beta => beta.native_slopes(at, key))
            }
            fn spread_slopes(&self, at: &Local, key: impl Key) -> (f64, f64) {
                each!(self, beta => beta.spread_slopes(at, key))
            }
            fn kernel_params(&self, coordinates: Coordinates, key: impl Key) -> KernelParams {
                each!(self, beta => beta.kernel_params(coordinates, key))
            }
            fn draw(&self, z: f64, key: impl Key) -> (f64, [f64; 2]) {
                each!(self, beta => Calculus::draw(beta, z, key))
            }
            fn draw_at(&self, at: f64, key: impl Key) -> (f64, [f64; 2]) {
                each!(self, beta => beta.draw_at(at, key))
            }
            fn visit_law(&self, visit: &mut dyn FnMut(Option<&dyn Law>), key: impl Key) {
                each!(self, beta => beta.visit_law(visit, key))
            }
            fn kernel_spread(&self, d_v: f64, key: impl Key) -> f64 {
                each!(self, beta => beta.kernel_spread(d_v, key))
            }
            fn draw_jacobian(&self, key: impl Key) -> [[f64; 2]; 2] {
                each!(self, beta => beta.draw_jacobian(key))
            }
        }

        impl<T: Real> AnyStrength<T> {
            /// E\[β\].
            #[must_use]
            pub fn mean(&self) -> T {
                each!(self, beta => beta.moments()[0])
            }

            /// v = Var β/E\[β\]².
            #[must_use]
            pub fn v(&self) -> T {
                each!(self, beta => beta.moments()[1])
            }

            /// √v.
            #[must_use]
            pub fn cv(&self) -> T {
                each!(self, beta => beta.moments()[2])
            }

            /// The native parameters, in the order of [`Family::parameters`]; 0 in the second place where there is
            /// one.
            #[must_use]
            pub fn parameters(&self) -> [T; 2] {
                each!(self, beta => Member::native(beta))
            }

            /// The β with P(strength ≤ β) = p; NaN outside \[0, 1\].
            #[must_use]
            pub fn quantile(&self, p: T) -> T {
                each!(self, beta => beta.quantile(p))
            }

            /// ln of the density; −∞ and ∞ of a point mass.
            #[must_use]
            pub fn ln_pdf(&self, beta: T) -> T {
                each!(self, strength => strength.ln_density(beta))
            }

            /// The probability of a strength ≤ β.
            #[must_use]
            pub fn cdf(&self, beta: T) -> T {
                each!(self, strength => strength.cdf(beta))
            }

            /// The probability of a strength > β.
            #[doc(alias = "survival")]
            #[must_use]
            pub fn sf(&self, beta: T) -> T {
                each!(self, strength => strength.sf(beta))
            }

            /// The same family, mean and v in another precision.
            ///
            /// # Errors
            /// [`ParamError`] for a mean or v beyond the range of that precision.
            ///
            /// ```
            /// use prefstrength::{AnyStrength, Family};
            /// let beta = AnyStrength::from_mean_v(Family::Gamma, 0.1, 0.25)?;
            /// assert_eq!(beta.cast::<f32>()?.mean(), 0.1_f32);
            /// assert!(AnyStrength::from_mean_v(Family::Gamma, 1e-60, 0.25)?.cast::<f32>().is_err());
            /// # Ok::<(), prefstrength::ParamError>(())
            /// ```
            pub fn cast<U: Real>(&self) -> Result<AnyStrength<U>, ParamError> {
                let narrow = |x: T| U::from_f64(x.to_f64());
                AnyStrength::from_mean_v(self.family(), narrow(self.mean()), narrow(self.v()))
            }
        }

        impl<T: Real> fmt::Display for AnyStrength<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                each!(self, beta => fmt::Display::fmt(beta, f))
            }
        }
    };
}
families! { any }

impl<T: Real> fmt::Debug for AnyStrength<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// `Gamma(shape 4, scale 0.025)`.
fn show<T: Real>(f: &mut fmt::Formatter<'_>, family: Family, native: [T; 2], moments: [T; 3]) -> fmt::Result {
    let names = family.parameters();
    let told = native[..names.len()].iter().all(|x| x.is_finite());
    let (names, numbers): (&[&str], [T; 2]) =
        if told { (names, native) } else { (&["mean", "v"], [moments[0], moments[1]]) };
    write!(f, "{family}(")?;
    for (i, (name, number)) in names.iter().zip(numbers).enumerate() {
        write!(f, "{}{name} {number}", if i == 0 { "" } else { ", " })?;
    }
    f.write_str(")")
}

/// An [`AnyStrength`] as it is stored.
#[cfg(feature = "serde")]
mod stored {
    use super::{AnyStrength, Family, ParamError};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    struct Stored {
        family: Family,
        mean: f64,
        v: f64,
    }

    impl Serialize for AnyStrength {
        fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
            Stored { family: self.family(), mean: self.mean(), v: self.v() }.serialize(to)
        }
    }

    impl<'de> Deserialize<'de> for AnyStrength {
        fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
            let Stored { family, mean, v } = Stored::deserialize(from)?;
            Self::from_mean_v(family, mean, v).map_err(|e: ParamError| serde::de::Error::custom(e))
        }
    }
}
