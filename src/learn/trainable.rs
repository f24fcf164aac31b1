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
/// * A margin scales with the policy: where the policy can grow, E\[β\] is its scale once more. Hold it by
///   [`with_scale_held`](Self::with_scale_held), which keeps out of the policy's way while the spread moves, or by
///   [`with_mean_held`](Self::with_mean_held).
/// * Where the likelihood rises with the spread without end, [`with_max_cv`](Self::with_max_cv) stops it and
///   [`rises_at_max_cv`](Self::rises_at_max_cv) says so; [`with_prior_cv`](Self::with_prior_cv) gives it a maximum.
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
    held: Held,
    max_cv: Option<f64>,
    prior_cv: Option<f64>,
    params: [f64; 2],
}

/// What the optimiser does not move.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
enum Held {
    Nothing,
    Mean,
    /// ln mean − ½ ln(1 + v).
    LnScale(f64),
}

/// −ln of a prior, but for a constant, and its gradient.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Penalty {
    /// ½cv²/τ².
    pub value: f64,
    /// In [`Trainable::params`].
    pub d_params: [f64; 2],
}

impl Trainable {
    /// In (ln mean, ln cv), with cv = ½.
    ///
    /// # Errors
    /// [`LearnError::NotFinite`] unless 0 < mean < ∞.
    pub fn in_ln_mean_ln_cv(family: Family, mean: f64) -> Result<Self, LearnError> {
        Self::start(family, false, [mean.ln(), 0.5_f64.ln()])
    }

    /// In (ln mean, v), with v = 0.05.
    ///
    /// # Errors
    /// [`LearnError::NotFinite`] unless 0 < mean < ∞.
    pub fn in_ln_mean_v(family: Family, mean: f64) -> Result<Self, LearnError> {
        Self::start(family, true, [mean.ln(), 0.05])
    }

    fn start(family: Family, in_v: bool, params: [f64; 2]) -> Result<Self, LearnError> {
        // Replaced at once.
        let beta = Beta::from_mean_v(family, 1.0, 0.0)?;
        Self { beta, in_v, held: Held::Nothing, max_cv: None, prior_cv: None, params }.at(params)
    }

    /// The same at other parameters, clamped; a mean that is held is the caller's to respect.
    fn at(self, [a, b]: [f64; 2]) -> Result<Self, LearnError> {
        if !(a.is_finite() && b.is_finite()) {
            return Err(LearnError::NotFinite);
        }
        let most = self.max_cv.map_or(MAX_LN_CV, f64::ln);
        let (b, v) = match (self.beta.family(), self.in_v) {
            (Family::Fixed, _) => (0.0, 0.0),
            // max: −0 becomes 0.
            (_, true) => {
                let v = b.clamp(0.0, (2.0 * most).exp()).max(0.0);
                (v, v)
            }
            (_, false) => {
                let b = b.clamp(-MAX_LN_CV, most);
                (b, (2.0 * b).exp())
            }
        };
        let a = match self.held {
            Held::LnScale(ln_scale) => ln_scale + 0.5 * v.ln_1p(),
            Held::Nothing | Held::Mean => a,
        };
        let a = a.clamp(-MAX_LN_MEAN, MAX_LN_MEAN);
        Ok(Self { beta: Beta::from_mean_v(self.beta.family(), a.exp(), v)?, params: [a, b], ..self })
    }

    /// The same with the mean held where it is: its gradient is 0, and [`set`](Self::set) leaves it alone.
    #[must_use]
    pub fn with_mean_held(self) -> Self {
        Self { held: Held::Mean, ..self }
    }

    /// The same with mean/√(1 + v) held where it is: the mean follows the spread, its gradient is 0 and part of
    /// that of the spread, and [`set`](Self::set) takes the spread alone.
    ///
    /// For a policy that can grow. When the spread moves at a given mean, the best policy changes its scale by as
    /// much (their estimates are correlated above 0.9), and a joint descent crawls along that valley; at a given
    /// mean/√(1 + v), for LogNormal the median e^μ, the policy can stay where it is. Of a policy that is linear
    /// in its parameters nothing is lost: w with mean m is m·w with mean 1.
    ///
    /// ```
    /// use prefstrength::learn::{Family, LearnError, Trainable};
    /// let mut p_beta = Trainable::in_ln_mean_v(Family::LogNormal, 0.1)?.with_scale_held();
    /// p_beta.set([0.0, 1.0])?;
    /// assert!((p_beta.beta().mean() / p_beta.beta().cv().hypot(1.0) - 0.1 / 1.05_f64.sqrt()).abs() < 1e-15);
    /// # Ok::<(), LearnError>(())
    /// ```
    #[must_use]
    pub fn with_scale_held(self) -> Self {
        Self { held: Held::LnScale(self.params[0] - 0.5 * self.beta.v().ln_1p()), ..self }
    }

    /// The same with cv ≤ `max_cv`.
    ///
    /// # Errors
    /// [`LearnError::MaxCv`] unless 1/8 ≤ max_cv ≤ 100.
    ///
    /// ```
    /// use prefstrength::batch::{Batch, Rows};
    /// use prefstrength::learn::{Family, LearnError, Trainable};
    /// let mut p_beta = Trainable::in_ln_mean_v(Family::Gamma, 1.0)?.with_max_cv(2.0)?;
    /// p_beta.set([0.0, 1e6])?;
    /// assert!((p_beta.beta().cv() - 2.0).abs() < 1e-12);
    /// // Three of four, at any size of the margin.
    /// let margins: Vec<f64> = (1..200).map(|i| f64::from(i) * if i % 4 == 0 { -1.0 } else { 1.0 }).collect();
    /// let sums = p_beta.evaluate(&Batch::new(&margins), Rows::none())?;
    /// assert!(p_beta.rises_at_max_cv(&sums));
    /// # Ok::<(), LearnError>(())
    /// ```
    pub fn with_max_cv(self, max_cv: f64) -> Result<Self, LearnError> {
        if !(0.125..=100.0).contains(&max_cv) {
            return Err(LearnError::MaxCv);
        }
        Self { max_cv: Some(max_cv), ..self }.at(self.params)
    }

    /// The same with a half-normal prior of scale τ on cv, whose [`penalty`](Self::penalty) the caller adds.
    ///
    /// # Errors
    /// [`LearnError::PriorCv`] unless τ and 1/τ² are finite and positive.
    pub fn with_prior_cv(self, tau: f64) -> Result<Self, LearnError> {
        super::train::inverse_square(tau)?;
        Ok(Self { prior_cv: Some(tau), ..self })
    }

    /// That of the prior on cv, 0 without one. It stands against the loss of all data: of a batch, the part that
    /// the batch is of them.
    ///
    /// ```
    /// use prefstrength::batch::{Batch, Rows};
    /// use prefstrength::learn::{Family, LearnError, Trainable};
    /// let p_beta = Trainable::in_ln_mean_v(Family::Gamma, 0.1)?.with_prior_cv(0.5)?;
    /// let (batch, pairs) = ([3.0, -1.0, 0.4, 8.0], 60_000.0);
    /// let sums = p_beta.evaluate(&Batch::new(&batch), Rows::none())?;
    /// let prior = p_beta.penalty();
    /// let d_v = sums.d_params[1] + prior.d_params[1] * batch.len() as f64 / pairs;
    /// # assert!(d_v > sums.d_params[1]);
    /// # Ok::<(), LearnError>(())
    /// ```
    #[must_use]
    pub fn penalty(&self) -> Penalty {
        let Some(tau) = self.prior_cv.filter(|_| self.beta.family() != Family::Fixed) else {
            return Penalty::default();
        };
        let v = self.beta.v();
        let d_v = 0.5 / (tau * tau);
        Penalty { value: d_v * v, d_params: [0.0, if self.in_v { d_v } else { 2.0 * d_v * v }] }
    }

    /// Whether the spread is at [`with_max_cv`](Self::with_max_cv)'s end and these sums, of all data, would have
    /// it larger still: the likelihood has no finite maximum, and this p(β) is not a fit. Of one batch it says
    /// little.
    #[must_use]
    pub fn rises_at_max_cv(&self, sums: &Sums) -> bool {
        let cap = self.max_cv.is_some_and(|cap| self.beta.cv() >= cap * (1.0 - 1e-12));
        cap && sums.d_params[1] + self.penalty().d_params[1] < 0.0
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

    /// Takes new parameters, after clamping them to the range above; 0 for a negative v is part of that. What is
    /// held stays.
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
        let a = if self.held == Held::Nothing { a } else { self.params[0] };
        *self = self.at([a, b])?;
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
        if let Held::LnScale(_) = self.held {
            // ln mean = ln scale + ½ ln(1 + v).
            let v = self.beta.v();
            sums.d_params[1] += sums.d_params[0] * if self.in_v { 0.5 / (1.0 + v) } else { v / (1.0 + v) };
        }
        if self.held != Held::Nothing {
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
    held: Held,
    max_cv: Option<f64>,
    prior_cv: Option<f64>,
    params: [f64; 2],
}

#[cfg(feature = "serde")]
impl From<Trainable> for Stored {
    fn from(t: Trainable) -> Self {
        let Trainable { beta, in_v, held, max_cv, prior_cv, params } = t;
        Self { family: beta.family(), in_v, held, max_cv, prior_cv, params }
    }
}

#[cfg(feature = "serde")]
impl TryFrom<Stored> for Trainable {
    type Error = LearnError;
    fn try_from(t: Stored) -> Result<Self, LearnError> {
        let mut new = Self::start(t.family, t.in_v, t.params)?;
        if matches!(t.held, Held::LnScale(ln_scale) if !ln_scale.is_finite()) {
            return Err(LearnError::NotFinite);
        }
        new.held = t.held;
        if let Some(max_cv) = t.max_cv {
            new = new.with_max_cv(max_cv)?;
        }
        if let Some(tau) = t.prior_cv {
            new = new.with_prior_cv(tau)?;
        }
        new.at(t.params)
    }
}
