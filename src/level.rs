//! The instruction set that batches run on, as a value: detected once, or asked for by name.

#[cfg(target_arch = "x86_64")]
use crate::lanes::x86::{Avx2, Avx512};
use crate::lanes::{Portable, Single, Vectorised};
use core::fmt;
use core::str::FromStr;

/// An instruction set that this machine has.
///
/// [`Level::best`] asks the machine (feature `std`); every level can be asked for by name, so that each
/// can be tested and measured on one machine. Results at one level are reproducible bit for bit; two
/// levels differ in last bits (fused multiply-adds).
///
/// ```
/// use prefstrength::Level;
/// let best = Level::best();
/// assert_eq!(best.name().parse(), Ok(best));
/// assert!(Level::available().any(|level| level == Level::portable()));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Level(Kind);

// Without `std` nothing can ask the machine.
#[cfg_attr(not(feature = "std"), allow(dead_code, reason = "nothing can make the other kinds"))]
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Scalar,
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    #[cfg(target_arch = "x86_64")]
    Avx512(Avx512),
}

/// Why there is no such [`Level`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LevelError {
    /// The name is none of `scalar`, `portable`, `avx2`, `avx512`.
    Unknown,
    /// This machine, or this build (without `std`, or for another architecture), does not have it.
    Unavailable,
}

impl fmt::Display for LevelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown => "unknown level; the levels are scalar, portable, avx2, avx512",
            Self::Unavailable => "this machine or build does not have that level",
        })
    }
}

impl core::error::Error for LevelError {}

impl Level {
    /// The names of all levels, slowest first.
    pub const NAMES: [&'static str; 4] = ["scalar", "portable", "avx2", "avx512"];

    /// One element at a time: the batch kernels without vector registers.
    ///
    /// ```
    /// assert_eq!(prefstrength::Level::scalar().name(), "scalar");
    /// ```
    #[must_use]
    pub fn scalar() -> Self {
        Self(Kind::Scalar)
    }

    /// The vector registers that the build's target always has: SSE2, NEON, wasm simd128, or what
    /// `-C target-feature` and `-C target-cpu` add.
    ///
    /// ```
    /// assert_eq!(prefstrength::Level::portable().name(), "portable");
    /// ```
    #[must_use]
    pub fn portable() -> Self {
        Self(Kind::Portable)
    }

    /// The fastest one that this machine has; [`Level::portable`] without the feature `std`. Cheap: the
    /// answer of the machine is kept by the standard library.
    ///
    /// ```
    /// println!("batches run on {}", prefstrength::Level::best());
    /// ```
    #[must_use]
    pub fn best() -> Self {
        Self::available().last().unwrap_or(Self::portable())
    }

    /// All levels of this machine, slowest first.
    ///
    /// ```
    /// use prefstrength::Level;
    /// let names: Vec<_> = Level::available().map(|level| level.name()).collect();
    /// assert!(names.starts_with(&["scalar", "portable"]));
    /// ```
    pub fn available() -> impl Iterator<Item = Self> {
        Self::NAMES.into_iter().filter_map(|name| name.parse().ok())
    }

    /// Its name, one of [`Level::NAMES`].
    ///
    /// ```
    /// assert_eq!(prefstrength::Level::scalar().name(), "scalar");
    /// ```
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self.0 {
            Kind::Scalar => "scalar",
            Kind::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2(_) => "avx2",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512(_) => "avx512",
        }
    }

    /// Runs `kernel` on this level.
    #[inline]
    pub(crate) fn dispatch<K: Vectorised>(self, kernel: K) -> K::Output {
        match self.0 {
            Kind::Scalar => kernel.run::<Single>(),
            Kind::Portable => kernel.run::<Portable>(),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2(proof) => proof.enter(kernel),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512(proof) => proof.enter(kernel),
        }
    }
}

impl FromStr for Level {
    type Err = LevelError;

    /// By name: one of [`Level::NAMES`].
    ///
    /// ```
    /// use prefstrength::{Level, LevelError};
    /// assert_eq!("scalar".parse(), Ok(Level::scalar()));
    /// assert_eq!("mmx".parse::<Level>(), Err(LevelError::Unknown));
    /// ```
    fn from_str(name: &str) -> Result<Self, LevelError> {
        let found = match name {
            "scalar" => Some(Kind::Scalar),
            "portable" => Some(Kind::Portable),
            #[cfg(all(target_arch = "x86_64", feature = "std"))]
            "avx2" => Avx2::detect().map(Kind::Avx2),
            #[cfg(all(target_arch = "x86_64", feature = "std"))]
            "avx512" => Avx512::detect().map(Kind::Avx512),
            other if Self::NAMES.contains(&other) => None,
            _ => return Err(LevelError::Unknown),
        };
        found.map(Self).ok_or(LevelError::Unavailable)
    }
}

impl fmt::Debug for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Level({})", self.name())
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
