//! Why a parameter was refused.

use core::fmt;

/// A parameter outside its domain. Each variant names the predicate that fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ParamError {
    /// `shape > 0` fails, or the shape is not finite.
    ShapeNotPositive,
    /// `scale > 0` fails, or the scale is not finite.
    ScaleNotPositive,
    /// `rate > 0` fails, or the rate is not finite.
    RateNotPositive,
    /// `mean > 0` fails, or the mean is not finite.
    MeanNotPositive,
    /// `cv >= 0` fails, or the coefficient of variation is not finite.
    CvNegative,
    /// `v >= 0` fails, or the squared coefficient of variation is not finite.
    VNegative,
    /// `v == 0` fails, where the family has no spread.
    VNotZero,
    /// The mean that the parameters imply, or the median or 1/shape, is not a positive normal f64.
    MeanOutOfRange,
    /// `mu` is not finite.
    MuNotFinite,
    /// `sigma >= 0` fails, or sigma is not finite.
    SigmaNegative,
    /// `sigma <= 12` fails (cv² = e^{sigma²} − 1 beyond 1e62).
    SigmaTooLarge,
    /// `beta >= 0` fails, or beta is not finite.
    BetaNegative,
    /// `0 <= smoothing <= 1` fails.
    SmoothingNotInUnit,
    /// `0 <= epsilon < 1/2` fails, for a lapse or for the label noise of robust DPO.
    LapseNotBelowHalf,
    /// `0 <= share < 1/2` fails, for the share of people of the opposite preference.
    ReversedNotBelowHalf,
    /// So many numbers are not the family's native parameters.
    Count,
}

impl fmt::Display for ParamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ShapeNotPositive => "the shape must be positive and finite",
            Self::ScaleNotPositive => "the scale must be positive and finite",
            Self::RateNotPositive => "the rate must be positive and finite",
            Self::MeanNotPositive => "the mean must be positive and finite",
            Self::CvNegative => "the coefficient of variation must be finite and not negative",
            Self::VNegative => "the squared coefficient of variation must be finite and not negative",
            Self::VNotZero => "a fixed strength has no spread: its v must be 0",
            Self::MeanOutOfRange => "the parameters imply a mean, median or 1/shape that under- or overflows",
            Self::MuNotFinite => "mu must be finite",
            Self::SigmaNegative => "sigma must be finite and not negative",
            Self::SigmaTooLarge => "sigma must be at most 12",
            Self::BetaNegative => "beta must be finite and not negative",
            Self::Count => "the family has another number of parameters",
            Self::SmoothingNotInUnit => "the label smoothing must lie between 0 and 1",
            Self::ReversedNotBelowHalf => {
                "the share of people of the opposite preference must be at least 0 and below 1/2"
            }
            Self::LapseNotBelowHalf => "the chance of a flipped label must be at least 0 and below 1/2",
        })
    }
}

impl core::error::Error for ParamError {}

/// `Err(error)` unless `x` is finite and `ok`: NaN fails whatever the comparison.
#[inline]
pub(crate) fn check(x: f64, ok: bool, error: ParamError) -> Result<(), ParamError> {
    if ok && x.is_finite() { Ok(()) } else { Err(error) }
}
