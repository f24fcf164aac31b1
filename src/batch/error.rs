//! Why a batch was refused.

use crate::family::ParamError;
use crate::real::Real;
use core::fmt;

/// Why a batch was refused. Nothing has been written then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BatchError {
    /// A slice is not as long as the margins ask for.
    Length {
        /// Which one.
        slice: &'static str,
        /// The number of margins, or of draws for all of them.
        expected: usize,
        /// The slice's length.
        found: usize,
    },
    /// The wrong number of slices for the derivatives in the parameters, or in the lapse.
    ParamCount {
        /// How many parameters there are.
        expected: usize,
        /// How many slices came.
        found: usize,
    },
    /// A weight is negative or not finite.
    Weight {
        /// Where, from 0.
        index: usize,
    },
    /// A lapse is not in [0, ½).
    Lapse {
        /// Where, from 0.
        index: usize,
    },
    /// A person's choices do not end where they begin or later, within the margins.
    Person {
        /// Which person, from 0.
        index: usize,
    },
    /// An element's parameters are none of its family.
    Param {
        /// Where, from 0.
        index: usize,
        /// Why.
        error: ParamError,
    },
}

impl fmt::Display for BatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length { slice, expected, found } => {
                write!(f, "{slice} has length {found}, the margins ask for {expected}")
            }
            Self::ParamCount { expected, found } => {
                write!(f, "{found} slices for the derivatives in {expected} parameters")
            }
            Self::Weight { index } => write!(f, "weight {index} is negative or not finite"),
            Self::Lapse { index } => write!(f, "lapse {index} is not at least 0 and below 1/2"),
            Self::Person { index } => {
                write!(f, "the choices of person {index} end before they begin, or beyond the margins")
            }
            Self::Param { index, error } => write!(f, "element {index}: {error}"),
        }
    }
}

impl core::error::Error for BatchError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Param { error, .. } => Some(error),
            _ => None,
        }
    }
}

/// A slice must be as long as the margins ask for.
pub(crate) fn length<T>(
    slice: &'static str,
    values: Option<&[T]>,
    expected: usize,
) -> Result<(), BatchError> {
    match values.map(<[T]>::len) {
        Some(found) if found != expected => Err(BatchError::Length { slice, expected, found }),
        _ => Ok(()),
    }
}

/// Weights must be finite and not negative.
pub(crate) fn check_weights<T: Real>(weights: Option<&[T]>) -> Result<(), BatchError> {
    let good = |w: T| w >= T::zero() && w < T::infinity();
    first_bad(weights, good).map_or(Ok(()), |index| Err(BatchError::Weight { index }))
}

/// The first number that is not good.
pub(crate) fn first_bad<T: Real>(numbers: Option<&[T]>, good: impl Fn(T) -> bool) -> Option<usize> {
    let numbers = numbers?;
    // Without an early exit the common case is one pass over vector registers.
    if numbers.iter().fold(true, |all, &x| all & good(x)) {
        return None;
    }
    numbers.iter().position(|&x| !good(x))
}
