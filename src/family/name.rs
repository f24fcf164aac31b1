//! The names of the families.

use core::fmt;
use core::str::FromStr;

macro_rules! names {
    ($($family:ident, $module:ident, $gradient:ident, $name:literal, [$($parameter:literal = $symbol:literal),*];)*) => {
        /// The name of a family of strengths.
        ///
        /// ```
        /// use prefstrength::Family;
        /// assert_eq!("lognormal".parse(), Ok(Family::LogNormal));
        /// assert_eq!((Family::Gamma.to_string(), Family::Gamma.name()), ("Gamma".to_owned(), "gamma"));
        /// assert_eq!(Family::Gamma.parameters(), ["shape", "scale"]);
        /// ```
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
        #[non_exhaustive]
        pub enum Family {
            $(
                #[doc = concat!("[`", stringify!($family), "`](crate::", stringify!($family), ").")]
                $family,
            )*
        }

        impl Family {
            /// All of them, plain DPO first.
            pub const ALL: [Self; Self::COUNT] = [$(Self::$family),*];

            /// How many there are.
            pub const COUNT: usize = [$(stringify!($family)),*].len();

            /// Its name on a command line: lower case, with hyphens.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$family => $name),* }
            }

            /// Its native parameters, one or two.
            #[must_use]
            pub fn parameters(self) -> &'static [&'static str] {
                match self { $(Self::$family => &[$($parameter),*]),* }
            }

            /// What the native parameters are called in formulas, and in the columns of a table: ASCII.
            #[must_use]
            pub fn symbols(self) -> &'static [&'static str] {
                match self { $(Self::$family => &[$($symbol),*]),* }
            }
        }

        impl fmt::Display for Family {
            /// The name of its type.
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(match self { $(Self::$family => stringify!($family)),* })
            }
        }
    };
}
families! { names }

/// No family has that name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownName;

impl fmt::Display for UnknownName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no such family; the families are ")?;
        for (i, family) in Family::ALL.into_iter().enumerate() {
            write!(f, "{}{}", if i == 0 { "" } else { ", " }, family.name())?;
        }
        Ok(())
    }
}

impl core::error::Error for UnknownName {}

impl FromStr for Family {
    type Err = UnknownName;

    /// By [`name`](Self::name) or by the name of its type.
    fn from_str(text: &str) -> Result<Self, UnknownName> {
        let fits = |family: &Self| text == family.name() || is_type_name(text, *family);
        Self::ALL.into_iter().find(fits).ok_or(UnknownName)
    }
}

/// Whether `text` is what `Display` writes, found without an allocation.
fn is_type_name(text: &str, family: Family) -> bool {
    struct Rest<'a>(&'a str);
    impl fmt::Write for Rest<'_> {
        fn write_str(&mut self, part: &str) -> fmt::Result {
            self.0 = self.0.strip_prefix(part).ok_or(fmt::Error)?;
            Ok(())
        }
    }
    let mut rest = Rest(text);
    fmt::write(&mut rest, format_args!("{family}")).is_ok() && rest.0.is_empty()
}
