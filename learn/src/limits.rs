//! The limits of what is learned, each in one place.

use core::ops::RangeInclusive;

/// What [`Options::max_cv`](crate::Options::max_cv) may be. Below 1/8 nearly nothing of a spread is left, and at 100
/// p(β) is a step next to 0.
pub const MAX_CV: RangeInclusive<f64> = 0.125..=100.0;

/// How many features a pair may have: the matrix of their products is 128 MiB then.
pub const FEATURES: RangeInclusive<usize> = 1..=4096;

/// The largest size of a feature: squares, and sums of squares, stay finite.
pub const LARGEST_FEATURE: f64 = 1e100;

/// A feature that is smaller in all pairs is 0: its squares would be.
pub const SMALLEST_FEATURE: f64 = 1e-100;

/// What the total weight, which counts as sample size, may be.
pub const TOTAL_WEIGHT: RangeInclusive<f64> = 1e-100..=1e100;

/// The significance that [`Comparison::verdict`](crate::Comparison::verdict) asks for.
pub const SIGNIFICANCE: f64 = 0.05;

/// Fewer groups than this do not tell how much their sums vary: those of the scores at a maximum add up to 0.
pub const GROUPS: usize = 10;

/// Of policies with more features than this, covariances are not kept.
pub const COVARIANCES: usize = 128;

/// How many replicates a bootstrap may have: they are kept.
pub const REPLICATES: RangeInclusive<u32> = 2..=100_000;
