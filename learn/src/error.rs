//! Why nothing was learned.

use crate::limits::{FEATURES, GROUPS, LARGEST_FEATURE, MAX_CV, REPLICATES, SMALLEST_FEATURE, TOTAL_WEIGHT};
use core::fmt;
use prefstrength::ParamError;
use prefstrength::batch::BatchError;

/// Why nothing was learned. Margins of weight 0 do not count as margins in any of these, whatever they are.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LearnError {
    /// There are no margins.
    NoMargins,
    /// The total weight is 0.
    NoWeight,
    /// The total weight is not within [`TOTAL_WEIGHT`].
    WeightOutOfRange,
    /// A margin is NaN or infinite.
    Margin {
        /// Which one, from 0, over all chunks.
        index: usize,
    },
    /// A weight is negative, NaN or infinite.
    Weight {
        /// Which one, from 0, over all chunks.
        index: usize,
    },
    /// A soft label is not within \[0, 1\].
    Label {
        /// Which one, from 0.
        index: usize,
    },
    /// `0 <= ν < ∞`, of ties, fails.
    TieParameter,
    /// All pairs are ties.
    OnlyTies,
    /// A choice has another weight than those of the same person before it, neither of them 0: the weight of a person
    /// is that of all their choices.
    PersonWeight {
        /// Which one, from 0, over all rows: the first such choice of the person with the lowest id.
        index: usize,
    },
    /// All margins are 0: every p(β) explains them equally well.
    AllZero,
    /// No margin is negative: the likelihood rises as the mean of β grows, and has no maximum. For pairs: some w
    /// of several features puts every chosen answer first, or all but the last few by their rounding, and the
    /// likelihood rises with |w|.
    Separable,
    /// Of pairs: each of these features has one sign in every pair that has it at all, once the pairs that have those
    /// before it are set aside, and nothing is left beside them: the likelihood rises without end with their weights.
    /// Where something is left the rest is fitted ([`Separated`](crate::Separated)). In a cross-validation: without
    /// that fold the first of them has one sign, and a pair of the fold has the other.
    SeparatedBy {
        /// Which ones, from 0.
        features: Vec<usize>,
    },
    /// The likelihood is largest in the limit of mean 0: no margin is positive, or (for `Fixed`) Σ wD ≤ 0, or
    /// no p(β) that was found does better than a coin.
    MeanVanishes,
    /// All margins other than 0 have one size, or almost: they tell E\[σ(β|D|)\] there, one number, and nothing
    /// about the spread of β.
    OneSize,
    /// The source gave other margins on another pass.
    Changed,
    /// The source failed, in its own words.
    Source(String),
    /// The largest cv is not within [`MAX_CV`].
    MaxCv,
    /// So many numbers are not features of pairs, `dim` each, with a `dim` within [`FEATURES`].
    Shape {
        /// How many numbers.
        numbers: usize,
        /// Features of a pair.
        dim: usize,
    },
    /// A feature is NaN, infinite, or beyond ±[`LARGEST_FEATURE`].
    Feature {
        /// Which pair, from 0.
        pair: usize,
        /// Which feature of it, from 0.
        feature: usize,
    },
    /// A feature is 0, or below [`SMALLEST_FEATURE`], in all pairs that count, or a linear combination of those
    /// before it.
    Collinear {
        /// Which one, from 0.
        feature: usize,
    },
    /// `0 <= ridge < ∞` fails.
    Ridge,
    /// A ridge is for the weights of a policy, and margins have none.
    RidgeWithoutPolicy,
    /// The scale τ of a prior: `0 < τ`, `0 < 1/τ² < ∞` fails.
    PriorCv,
    /// There are no groups, and one β per person was asked for.
    NoGroups,
    /// `0 < γ < ∞` fails.
    Curvature,
    /// Such a [`Model`](crate::Model) is not for this function: one β per person asks for
    /// [`train_people`](crate::train_people) or groups, and a curved margin has no lapse and no spread beside it.
    Model,
    /// `1 <= times < ∞` fails.
    Times,
    /// `2 <= folds`, and no more than there are pairs or groups, fails.
    Folds,
    /// The number of replicates is not within [`REPLICATES`].
    Replicates,
    /// Fewer than [`GROUPS`] groups, or choices without groups, to draw from.
    TooFewUnits {
        /// How many.
        units: usize,
    },
    /// What was stored is no summary of margins.
    Summary,
    /// Sums under another p(β) do not add up.
    OtherStrength,
    /// A fold of a cross-validation has no answer.
    Fold {
        /// Which one, from 0.
        fold: u32,
        /// Why.
        error: Box<LearnError>,
    },
    /// A number for [`StrengthParams`](crate::StrengthParams) is NaN or infinite.
    NotFinite,
    /// [`StrengthParams`](crate::StrengthParams) are trained in (ln mean, ln cv) or (ln mean, v).
    Coordinates,
    /// A number of a [`Design`](crate::Design) for a sample size, or of a [`Ratio`](crate::Ratio), is outside its
    /// domain; in words.
    Design(&'static str),
    /// The variances of two estimates are not positive, or their correlation is beyond ±1.
    Covariance,
    /// A parameter outside its domain.
    Param(ParamError),
    /// A batch that was refused.
    Batch(BatchError),
}

impl fmt::Display for LearnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoMargins => "there are no margins",
            Self::NoWeight => "the total weight is 0",
            Self::WeightOutOfRange => {
                let (least, most) = TOTAL_WEIGHT.into_inner();
                return write!(f, "the total weight must lie between {least:e} and {most:e}");
            }
            Self::Margin { index } => return write!(f, "margin {index} is NaN or infinite"),
            Self::Weight { index } => return write!(f, "weight {index} is negative, NaN or infinite"),
            Self::Label { index } => return write!(f, "label {index} is not a probability within 0 and 1"),
            Self::TieParameter => "the parameter ν of ties must be finite and not negative",
            Self::OnlyTies => "all pairs are ties, and none tells which answer is preferred",
            Self::PersonWeight { index } => {
                return write!(f, "weight {index} is not that of the same person's choices before it");
            }
            Self::AllZero => "all margins are 0, which says nothing about β",
            Self::Separable => {
                "the chosen answers all have the larger margin, or can be given it: the likelihood rises without end"
            }
            Self::SeparatedBy { features } => {
                f.write_str(if features.len() == 1 { "feature" } else { "features" })?;
                for (i, feature) in features.iter().enumerate() {
                    write!(f, "{} {feature}", if i == 0 { "" } else { "," })?;
                }
                let (have, its) = if features.len() == 1 { ("has", "its weight") } else { ("have", "their weights") };
                return write!(
                    f,
                    " {have} one sign in all pairs that are left: the likelihood rises without end with {its}"
                );
            }
            Self::MeanVanishes => "the margins do not predict the choices: the mean of β goes to 0",
            Self::OneSize => "all margins have one size, which says nothing about the spread of β",
            Self::Changed => "the source gave other margins on another pass",
            Self::Source(why) => return write!(f, "the source of margins failed: {why}"),
            Self::MaxCv => {
                let (least, most) = MAX_CV.into_inner();
                return write!(f, "the largest cv must lie between 1/{} and {most}", 1.0 / least);
            }
            Self::Shape { numbers, dim } => {
                let (least, most) = FEATURES.into_inner();
                return write!(
                    f,
                    "{numbers} numbers are not pairs of {dim} features, of which {least} to {most} can be"
                );
            }
            Self::Feature { pair, feature } => {
                return write!(
                    f,
                    "pair {pair}, feature {feature}: NaN, infinite, or beyond ±{LARGEST_FEATURE:e}"
                );
            }
            Self::Collinear { feature } => {
                return write!(
                    f,
                    "feature {feature} is 0 (below {SMALLEST_FEATURE:e}) or a linear combination of those before it"
                );
            }
            Self::Ridge => "the ridge must be finite and not negative",
            Self::RidgeWithoutPolicy => "a ridge is for the weights of a policy, and margins have none",
            Self::PriorCv => "the scale of the prior of cv must be finite and positive",
            Self::NoGroups => "one β per person asks for groups",
            Self::Curvature => "the curvature of the margin must be finite and positive",
            Self::Model => "this model cannot be fitted here",
            Self::Times => "the multiple of the usual size must be finite, and 1 or more",
            Self::Folds => "there must be at least 2 folds, and no more than pairs or groups",
            Self::Fold { fold, error } => {
                return write!(f, "without fold {fold} of the cross-validation: {error}");
            }
            Self::Summary => "what was stored is no summary of margins",
            Self::Replicates => {
                let (least, most) = REPLICATES.into_inner();
                return write!(f, "a bootstrap has {least} to {most} replicates");
            }
            Self::TooFewUnits { units } => {
                return write!(f, "there are {units} groups (or choices, without groups) to draw from, and {GROUPS} are the least");
            }
            Self::OtherStrength => "sums under another p(β) do not add up",
            Self::NotFinite => "a parameter is NaN or infinite",
            Self::Coordinates => "the coordinates must be (ln mean, ln cv) or (ln mean, v)",
            Self::Design(why) => why,
            Self::Covariance => "the variances must be positive, and the correlation from -1 to 1",
            Self::Param(error) => return error.fmt(f),
            Self::Batch(error) => return error.fmt(f),
        })
    }
}

impl core::error::Error for LearnError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Param(error) => Some(error),
            Self::Batch(error) => Some(error),
            Self::Fold { error, .. } => Some(&**error),
            _ => None,
        }
    }
}

impl From<ParamError> for LearnError {
    fn from(error: ParamError) -> Self {
        Self::Param(error)
    }
}

impl From<BatchError> for LearnError {
    fn from(error: BatchError) -> Self {
        Self::Batch(error)
    }
}

/// A slice must be as long as the margins or pairs ask for.
pub(crate) fn check_length<T>(
    slice: &'static str,
    values: Option<&[T]>,
    expected: usize,
) -> Result<(), LearnError> {
    match values.map(<[T]>::len) {
        Some(found) if found != expected => Err(BatchError::Length { slice, expected, found }.into()),
        _ => Ok(()),
    }
}
