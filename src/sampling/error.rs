//! Why draws were refused.

use core::fmt;

/// Why draws were refused. Nothing has been written then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SamplingError {
    /// `draws > 0` fails.
    NoDraws,
    /// More draws than the point set has.
    TooManyDraws {
        /// How many there can be.
        limit: usize,
    },
    /// Weights go with draws that all pairs share.
    WeightsPerPair,
    /// A slice has the wrong length.
    Length {
        /// Which one.
        slice: &'static str,
        /// The length that it must have.
        expected: usize,
        /// The length that it has.
        found: usize,
    },
    /// A number is NaN or infinite, or otherwise not one that this slice may hold.
    Value {
        /// Of which slice.
        slice: &'static str,
        /// Where, from 0.
        index: usize,
    },
    /// No [`PointSet`](super::PointSet) has that name.
    UnknownPointSet,
}

impl fmt::Display for SamplingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoDraws => f.write_str("there must be at least one draw"),
            Self::TooManyDraws { limit } => write!(f, "there can be at most {limit} draws"),
            Self::UnknownPointSet => f.write_str("no such point set; see PointSet::ALL"),
            Self::WeightsPerPair => f.write_str("weights go with draws that all pairs share"),
            Self::Length { slice, expected, found } => {
                write!(f, "{slice} has length {found} where {expected} is needed")
            }
            Self::Value { slice, index } => write!(f, "{slice}[{index}] is outside its domain"),
        }
    }
}

impl core::error::Error for SamplingError {}
