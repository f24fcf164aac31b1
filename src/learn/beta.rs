//! Any of the three strengths.

use super::LearnError;
use crate::batch::{self, Batch, BatchError, Coordinates, Direct, Plan, Rows, Sums};
use crate::family::{Fixed, Gamma, LogNormal, ParamError};
use crate::float::Real;
use crate::loss::{Posterior, Strength};
use core::fmt;

/// The name of a family of strengths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Family {
    /// All mass at one β: plain DPO.
    Fixed,
    /// [`Gamma`].
    Gamma,
    /// [`LogNormal`].
    LogNormal,
}

impl Family {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Fixed, Self::Gamma, Self::LogNormal];

    /// How many parameters it has: 1 or 2.
    #[must_use]
    pub fn parameters(self) -> u32 {
        if self == Self::Fixed { 1 } else { 2 }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Fixed => "Fixed",
            Self::Gamma => "Gamma",
            Self::LogNormal => "LogNormal",
        })
    }
}

/// A p(β) whose family is known at run time only.
///
/// With feature `serde` it is stored as family, mean and v, from which it comes back as
/// [`from_mean_v`](Self::from_mean_v) makes it: native parameters to rounding.
///
/// ```
/// use prefstrength::batch::{Batch, Coordinates, Rows};
/// use prefstrength::learn::{Beta, Family};
/// for family in [Family::Gamma, Family::LogNormal] {
///     let beta = Beta::from_mean_v(family, 0.1, 0.25)?;
///     assert_eq!((beta.family(), beta.mean(), beta.v(), beta.cv()), (family, 0.1, 0.25, 0.5));
///     let sums = beta.evaluate(&Batch::new(&[3.0, -1.0]), Rows::none(), Coordinates::LnMeanV)?;
///     assert!((sums.nll - beta.nll(3.0) - beta.nll(-1.0)).abs() < 1e-14);
/// }
/// # Ok::<(), prefstrength::learn::LearnError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(try_from = "Stored", into = "Stored"))]
pub enum Beta {
    /// Plain DPO.
    Fixed(Fixed<f64>),
    /// Gamma.
    Gamma(Gamma<f64>),
    /// LogNormal.
    LogNormal(LogNormal<f64>),
}

/// Calls `$body` with the strength in it.
macro_rules! each {
    ($beta:expr, $inner:ident => $body:expr) => {
        match $beta {
            Beta::Fixed($inner) => $body,
            Beta::Gamma($inner) => $body,
            Beta::LogNormal($inner) => $body,
        }
    };
}

impl Beta {
    /// Of a mean > 0 (≥ 0 for `Fixed`) and v = cv² ≥ 0 (0 for `Fixed`).
    ///
    /// # Errors
    /// Those of the family's constructor, [`ParamError::VNotZero`] for a `Fixed` with a spread.
    pub fn from_mean_v(family: Family, mean: f64, v: f64) -> Result<Self, ParamError> {
        Ok(match family {
            Family::Fixed if v != 0.0 => return Err(ParamError::VNotZero),
            Family::Fixed => Self::Fixed(Fixed::new(mean)?),
            Family::Gamma => Self::Gamma(Gamma::from_mean_v(mean, v)?),
            Family::LogNormal => Self::LogNormal(LogNormal::from_mean_v(mean, v)?),
        })
    }

    /// Which family it is of.
    #[must_use]
    pub fn family(&self) -> Family {
        match self {
            Self::Fixed(_) => Family::Fixed,
            Self::Gamma(_) => Family::Gamma,
            Self::LogNormal(_) => Family::LogNormal,
        }
    }

    /// E\[β\].
    #[must_use]
    pub fn mean(&self) -> f64 {
        each!(self, beta => beta.mean())
    }

    /// v = Var β/E\[β\]².
    #[must_use]
    pub fn v(&self) -> f64 {
        each!(self, beta => beta.v())
    }

    /// √v.
    #[must_use]
    pub fn cv(&self) -> f64 {
        each!(self, beta => beta.cv())
    }

    /// −ln E\[σ(βD)\]; [`Strength::nll`].
    #[must_use]
    pub fn nll(&self, margin: f64) -> f64 {
        each!(self, beta => beta.nll(margin))
    }

    /// E\[σ(βD)\]; [`Strength::expected_sigmoid`].
    #[must_use]
    pub fn expected_sigmoid(&self, margin: f64) -> f64 {
        each!(self, beta => beta.expected_sigmoid(margin))
    }

    /// ln(E\[σ(βD)\]/E\[σ(−βD)\]); [`Strength::effective_logit`].
    #[must_use]
    pub fn effective_logit(&self, margin: f64) -> f64 {
        each!(self, beta => beta.effective_logit(margin))
    }

    /// Mean and variance of β given a choice; [`Strength::posterior`].
    #[must_use]
    pub fn posterior(&self, margin: f64) -> Posterior<f64> {
        each!(self, beta => beta.posterior(margin))
    }

    /// The β with P(strength ≤ β) = p; NaN outside \[0, 1\].
    #[must_use]
    pub fn quantile(&self, p: f64) -> f64 {
        each!(self, beta => beta.quantile(p))
    }

    /// Losses and gradients of a batch in f32 or f64, from a table or the integral by its length, as
    /// [`batch::evaluate`] does; mean and v are rounded to the batch's precision first.
    ///
    /// # Errors
    /// [`LearnError::Batch`] as [`batch::evaluate`], [`LearnError::Param`] for a mean or v beyond the range of
    /// the precision; nothing is written then.
    pub fn evaluate<T: Real>(
        &self,
        batch: &Batch<'_, T>,
        rows: Rows<'_, T>,
        coordinates: Coordinates,
    ) -> Result<Sums, LearnError> {
        let (mean, v) = (T::from_f64(self.mean()), T::from_f64(self.v()));
        Ok(match self {
            Self::Fixed(_) => batch::evaluate_in(&Fixed::new(mean)?, batch, rows, coordinates)?,
            Self::Gamma(_) => batch::evaluate_in(&Gamma::from_mean_v(mean, v)?, batch, rows, coordinates)?,
            Self::LogNormal(_) => {
                batch::evaluate_in(&LogNormal::from_mean_v(mean, v)?, batch, rows, coordinates)?
            }
        })
    }
}

/// A [`Beta`] as it is stored.
#[cfg(feature = "serde")]
#[derive(serde::Serialize, serde::Deserialize)]
struct Stored {
    family: Family,
    mean: f64,
    v: f64,
}

#[cfg(feature = "serde")]
impl From<Beta> for Stored {
    fn from(beta: Beta) -> Self {
        Self { family: beta.family(), mean: beta.mean(), v: beta.v() }
    }
}

#[cfg(feature = "serde")]
impl TryFrom<Stored> for Beta {
    type Error = ParamError;
    fn try_from(stored: Stored) -> Result<Self, ParamError> {
        Self::from_mean_v(stored.family, stored.mean, stored.v)
    }
}

/// A [`Beta`] ready for pass after pass in (ln mean, v).
pub(super) enum Prepared {
    Fixed(Direct<Fixed<f64>>),
    Gamma(Direct<Gamma<f64>>),
    LogNormal(Direct<LogNormal<f64>>),
    GammaPlan(Box<Plan<f64, Gamma<f64>>>),
    LogNormalPlan(Box<Plan<f64, LogNormal<f64>>>),
}

/// Calls `$body` with what evaluates.
macro_rules! prepared {
    ($prepared:expr, $loss:ident => $body:expr) => {
        match $prepared {
            Prepared::Fixed($loss) => $body,
            Prepared::Gamma($loss) => $body,
            Prepared::LogNormal($loss) => $body,
            Prepared::GammaPlan($loss) => $body,
            Prepared::LogNormalPlan($loss) => $body,
        }
    };
}

impl Prepared {
    /// For so many margins in all.
    pub(super) fn new(beta: &Beta, number: usize) -> Self {
        let long = each!(beta, beta => number >= batch::worthwhile(beta));
        let c = Coordinates::LnMeanV;
        match beta {
            Beta::Fixed(beta) => Self::Fixed(Direct::new(beta).with_coordinates(c)),
            Beta::Gamma(beta) if long => Self::GammaPlan(Box::new(Plan::new(beta).with_coordinates(c))),
            Beta::LogNormal(beta) if long => {
                Self::LogNormalPlan(Box::new(Plan::new(beta).with_coordinates(c)))
            }
            Beta::Gamma(beta) => Self::Gamma(Direct::new(beta).with_coordinates(c)),
            Beta::LogNormal(beta) => Self::LogNormal(Direct::new(beta).with_coordinates(c)),
        }
    }

    pub(super) fn evaluate(&self, batch: &Batch<'_, f64>, rows: Rows<'_, f64>) -> Result<Sums, BatchError> {
        prepared!(self, loss => loss.evaluate(batch, rows))
    }

    /// Sums of a long batch: the same bits, on several threads with feature `rayon`.
    pub(super) fn sums(&self, batch: &Batch<'_, f64>) -> Result<Sums, BatchError> {
        #[cfg(feature = "rayon")]
        return prepared!(self, loss => loss.par_evaluate(batch, Rows::none()));
        #[cfg(not(feature = "rayon"))]
        self.evaluate(batch, Rows::none())
    }
}
