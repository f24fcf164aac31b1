//! p(β) as an optimiser sees it.

use super::{Beta, Family, LearnError};
use crate::batch::{Batch, Coordinates, Rows, Sums};
use crate::float::Real;

/// Largest |ln mean|.
const MAX_LN_MEAN: f64 = 60.0;
/// Largest |ln cv|, and half of the largest ln v.
const MAX_LN_CV: f64 = 20.0;

/// p(β) as two numbers for an optimiser that trains it beside the policy: (ln mean, ln cv), which may be any,
/// or (ln mean, v), where v is put back to v ≥ 0 after each step.
///
/// * In (ln mean, ln cv) a homogeneous p(β) lies at −∞ and is approached slowly. In (ln mean, v) it is the
///   boundary v = 0, reached in finitely many steps and left again when the gradient in v turns negative.
/// * Start: the mean that is given; cv = ½, or v = 0.05. For plain DPO's strength as it is in use, give that.
/// * Range: |ln mean| ≤ 60, |ln cv| ≤ 20, 0 ≤ v ≤ e⁴⁰: what both families hold in f32 as well as in f64.
///   [`set`](Self::set) clamps to it.
/// * A margin scales with the policy: where the policy can grow, E\[β\] is its scale once more.
///   [`with_mean_held`](Self::with_mean_held) keeps it.
///
/// ```
/// use prefstrength::batch::{Batch, Rows};
/// use prefstrength::learn::{Family, Trainable};
///
/// let mut p_beta = Trainable::in_ln_mean_v(Family::Gamma, 0.1)?;
/// let margins = [4.0_f32, -2.5, 0.1, 7.0]; // from the policy, a new batch every step
/// let mut d_margin = [0.0; 4]; // back into it
/// let mut losses = Vec::new();
/// for _ in 0..20 {
///     let sums = p_beta.evaluate(&Batch::new(&margins), Rows::none().d_margin(&mut d_margin))?;
///     let [a, b] = p_beta.params();
///     p_beta.set([a - 0.1 * sums.d_params[0], b - 0.1 * sums.d_params[1]])?;
///     losses.push(sums.nll);
/// }
/// assert!(losses.is_sorted_by(|a, b| a > b));
/// println!("mean {}, cv {}", p_beta.beta().mean(), p_beta.beta().cv());
/// # Ok::<(), prefstrength::learn::LearnError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(try_from = "Stored", into = "Stored"))]
pub struct Trainable {
    beta: Beta,
    /// Whether the second parameter is v rather than ln cv.
    in_v: bool,
    mean_held: bool,
    params: [f64; 2],
}

impl Trainable {
    /// In (ln mean, ln cv), with cv = ½.
    ///
    /// # Errors
    /// [`LearnError::NotFinite`] unless 0 < mean < ∞.
    pub fn in_ln_mean_ln_cv(family: Family, mean: f64) -> Result<Self, LearnError> {
        Self::new(family, false, false, [mean.ln(), 0.5_f64.ln()])
    }

    /// In (ln mean, v), with v = 0.05.
    ///
    /// # Errors
    /// [`LearnError::NotFinite`] unless 0 < mean < ∞.
    pub fn in_ln_mean_v(family: Family, mean: f64) -> Result<Self, LearnError> {
        Self::new(family, true, false, [mean.ln(), 0.05])
    }

    fn new(family: Family, in_v: bool, mean_held: bool, [a, b]: [f64; 2]) -> Result<Self, LearnError> {
        if !(a.is_finite() && b.is_finite()) {
            return Err(LearnError::NotFinite);
        }
        let a = a.clamp(-MAX_LN_MEAN, MAX_LN_MEAN);
        let (b, v) = match (family, in_v) {
            (Family::Fixed, _) => (0.0, 0.0),
            // max: −0 becomes 0.
            (_, true) => {
                let v = b.clamp(0.0, (2.0 * MAX_LN_CV).exp()).max(0.0);
                (v, v)
            }
            (_, false) => {
                let b = b.clamp(-MAX_LN_CV, MAX_LN_CV);
                (b, (2.0 * b).exp())
            }
        };
        Ok(Self { beta: Beta::from_mean_v(family, a.exp(), v)?, in_v, mean_held, params: [a, b] })
    }

    /// The same with the mean held where it is: its gradient is 0, and [`set`](Self::set) leaves it alone.
    #[must_use]
    pub fn with_mean_held(self) -> Self {
        Self { mean_held: true, ..self }
    }

    /// [`Coordinates::LnMeanLnCv`] or [`Coordinates::LnMeanV`].
    #[must_use]
    pub fn coordinates(&self) -> Coordinates {
        if self.in_v { Coordinates::LnMeanV } else { Coordinates::LnMeanLnCv }
    }

    /// The two parameters. `Fixed` has no second one: it is 0, and so is its gradient.
    #[must_use]
    pub fn params(&self) -> [f64; 2] {
        self.params
    }

    /// Takes new parameters, after clamping them to the range above; 0 for a negative v is part of that.
    ///
    /// # Errors
    /// [`LearnError::NotFinite`] if one is NaN or infinite (also one that is not used); the old ones stay.
    ///
    /// ```
    /// use prefstrength::learn::{Family, LearnError, Trainable};
    /// let mut p_beta = Trainable::in_ln_mean_v(Family::LogNormal, 1.0)?;
    /// p_beta.set([0.5, -0.01])?;
    /// assert_eq!(p_beta.params(), [0.5, 0.0]);
    /// assert_eq!(p_beta.set([f64::NAN, 0.1]), Err(LearnError::NotFinite));
    /// # Ok::<(), LearnError>(())
    /// ```
    pub fn set(&mut self, params: [f64; 2]) -> Result<(), LearnError> {
        let [a, b] = params;
        if !a.is_finite() {
            return Err(LearnError::NotFinite);
        }
        let a = if self.mean_held { self.params[0] } else { a };
        *self = Self::new(self.beta.family(), self.in_v, self.mean_held, [a, b])?;
        Ok(())
    }

    /// The p(β) that they stand for.
    #[must_use]
    pub fn beta(&self) -> Beta {
        self.beta
    }

    /// Losses and gradients of a batch of f32 or f64 margins. `d_params` of the sums is the gradient in
    /// [`params`](Self::params), with 0 for a mean that is held and for the second parameter of `Fixed`; rows of
    /// `d_params`, if asked for, have the derivatives in any case.
    ///
    /// # Errors
    /// [`LearnError::Batch`], as [`batch::evaluate`](crate::batch::evaluate).
    pub fn evaluate<T: Real>(&self, batch: &Batch<'_, T>, rows: Rows<'_, T>) -> Result<Sums, LearnError> {
        let mut sums = self.beta.evaluate(batch, rows, self.coordinates())?;
        if self.mean_held {
            sums.d_params[0] = 0.0;
        }
        if self.beta.family() == Family::Fixed {
            sums.d_params[1] = 0.0;
        }
        Ok(sums)
    }
}

/// A [`Trainable`] as it is stored.
#[cfg(feature = "serde")]
#[derive(serde::Serialize, serde::Deserialize)]
struct Stored {
    family: Family,
    in_v: bool,
    mean_held: bool,
    params: [f64; 2],
}

#[cfg(feature = "serde")]
impl From<Trainable> for Stored {
    fn from(t: Trainable) -> Self {
        Self { family: t.beta.family(), in_v: t.in_v, mean_held: t.mean_held, params: t.params }
    }
}

#[cfg(feature = "serde")]
impl TryFrom<Stored> for Trainable {
    type Error = LearnError;
    fn try_from(t: Stored) -> Result<Self, LearnError> {
        Self::new(t.family, t.in_v, t.mean_held, t.params)
    }
}
