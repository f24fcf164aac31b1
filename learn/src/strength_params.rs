//! p(β) as an optimiser sees it.

use crate::error::LearnError;
use crate::options::{check_max_cv, invert_square};
use crate::prepared::has_spread;
use prefstrength::batch::{self, Batch, Number, Rows, Sums};
use prefstrength::panel::{Panel, PanelBatch, PanelRows, PanelSums};
use prefstrength::{AnyStrength, Coordinates, Family, Lapse};

/// Largest |ln mean|.
const MAX_LN_MEAN: f64 = 60.0;
/// Largest |ln cv|, and half of the largest ln v.
const MAX_LN_CV: f64 = 20.0;

/// p(β) as two numbers for an optimiser that trains it beside the policy: (ln mean, ln cv), which may be any,
/// or (ln mean, v), where v is put back to v ≥ 0 after each step.
///
/// * In (ln mean, ln cv) a homogeneous p(β) lies at −∞ and is approached slowly. In (ln mean, v) it is the
///   boundary v = 0, reached in finitely many steps and left again when the gradient in v turns negative.
/// * Start: [`from_strength`](Self::from_strength), a fit for instance; or a mean alone, with cv = ½, or v = 0.05. For
///   plain DPO's strength as it is in use, give that.
/// * Range: |ln mean| ≤ 60, |ln cv| ≤ 20, 0 ≤ v ≤ e⁴⁰: what all families hold in f32 as well as in f64.
///   [`set`](Self::set) clamps to it.
/// * A margin scales with the policy: where the policy can grow, E\[β\] is its scale once more. Hold it by
///   [`with_scale_held`](Self::with_scale_held), which keeps out of the policy's way while the spread moves, or by
///   [`with_mean_held`](Self::with_mean_held).
/// * Where the likelihood rises with the spread without end, [`with_max_cv`](Self::with_max_cv) stops it and
///   [`rises_at_max_cv`](Self::rises_at_max_cv) says so; [`with_prior_cv`](Self::with_prior_cv) gives it a maximum.
/// * The order in which these are called does not matter.
///
/// ```
/// use prefstrength::Family;
/// use prefstrength::batch::{Batch, Rows};
/// use prefstrength_learn::{LearnError, StrengthParams};
///
/// let mut p_beta = StrengthParams::in_ln_mean_v(Family::Gamma, 0.1)?;
/// let margins = [4.0_f32, -2.5, 0.1, 7.0]; // from the policy, a new batch every step
/// let mut d_margin = [0.0; 4]; // back into it
/// let mut losses = Vec::new();
/// for _ in 0..20 {
///     let sums = p_beta.evaluate(&Batch::new(&margins), Rows::new().d_margin(&mut d_margin))?;
///     let [a, b] = p_beta.params();
///     p_beta.set([a - 0.1 * sums.d_params[0], b - 0.1 * sums.d_params[1]])?;
///     losses.push(sums.nll);
/// }
/// assert!(losses.is_sorted_by(|a, b| a > b));
/// println!("mean {}, cv {}", p_beta.strength().mean(), p_beta.strength().cv());
/// # Ok::<(), LearnError>(())
/// ```
///
/// With feature `serde` it can be stored as a checkpoint, and what is read back goes on with the same bits: the two
/// numbers themselves are stored, and nothing that would have to be recomputed from others. JSON keeps all digits if
/// `serde_json` has its feature `float_roundtrip`; without it, it may be off in the last one.
#[cfg_attr(feature = "serde", doc = "```")]
#[cfg_attr(not(feature = "serde"), doc = "```ignore")]
/// use prefstrength::Family;
/// use prefstrength::batch::{Batch, Rows};
/// use prefstrength_learn::StrengthParams;
///
/// let mut p_beta = StrengthParams::in_ln_mean_ln_cv(Family::LogNormal, 0.1)?.with_scale_held();
/// let step = |p_beta: &mut StrengthParams| -> Result<f64, prefstrength_learn::LearnError> {
///     let sums = p_beta.evaluate(&Batch::new(&[4.0_f32, -2.5, 0.1, 7.0]), Rows::new())?;
///     p_beta.set([0.0, p_beta.params()[1] - 0.1 * sums.d_params[1]])?;
///     Ok(sums.nll)
/// };
/// step(&mut p_beta)?;
/// let checkpoint = serde_json::to_string(&p_beta)?; // beside the policy, and the optimiser's state
/// let mut restarted: StrengthParams = serde_json::from_str(&checkpoint)?;
/// for _ in 0..10 {
///     assert_eq!(step(&mut p_beta)?.to_bits(), step(&mut restarted)?.to_bits());
/// }
/// assert_eq!(p_beta, restarted);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(try_from = "Stored", into = "Stored"))]
pub struct StrengthParams {
    strength: AnyStrength,
    /// Whether the second parameter is v rather than ln cv.
    in_v: bool,
    constraint: Constraint,
    /// ln mean − ½ ln(1 + v) of the start, as it was before a cap of cv, or of the last step: what is held, if it is. So
    /// it does not matter which of cap and hold is asked for first.
    ln_scale: f64,
    max_cv: Option<f64>,
    prior_cv: Option<f64>,
    params: [f64; 2],
}

/// What the optimiser does not move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
enum Constraint {
    None,
    Mean,
    /// mean/√(1 + v).
    Scale,
}

/// −ln of a prior, but for a constant, and its gradient.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Penalty {
    /// ½cv²/τ².
    pub value: f64,
    /// In [`StrengthParams::params`].
    pub d_params: [f64; 2],
}

impl StrengthParams {
    /// At a p(β), that of a fit or one that was in use, in [`Coordinates::LnMeanLnCv`] or [`Coordinates::LnMeanV`].
    ///
    /// A strength without spread lies at v = 0. In ln cv it comes to the end of the range, cv = e⁻²⁰, where the gradient
    /// is next to 0, and stays there.
    ///
    /// # Errors
    /// [`LearnError::Coordinates`] for others, [`LearnError::NotFinite`] for a mean of 0.
    ///
    /// ```
    /// use prefstrength::{Coordinates, Family};
    /// use prefstrength_learn::{self as learn, LearnError, Options, StrengthParams};
    /// let margins: Vec<f64> = (0..999).map(|i| f64::from(i % 40 + 1) * if i * i % 7 < 4 { 0.1 } else { -0.03 }).collect();
    /// let fit = learn::fit(Family::Gamma, &margins[..], &Options::default())?;
    /// let p_beta = StrengthParams::from_strength(&fit.strength, Coordinates::LnMeanV)?.with_scale_held();
    /// assert!((p_beta.strength().mean() / fit.strength.mean() - 1.0).abs() < 1e-14);
    /// assert_eq!(p_beta.strength().v(), fit.strength.v());
    /// # Ok::<(), LearnError>(())
    /// ```
    pub fn from_strength(strength: &AnyStrength, coordinates: Coordinates) -> Result<Self, LearnError> {
        let (ln_mean, v) = (strength.mean().ln(), strength.v());
        match coordinates {
            Coordinates::LnMeanV => Self::start(strength.family(), true, [ln_mean, v]),
            // ln 0 is −∞, which is no number to clamp.
            Coordinates::LnMeanLnCv => {
                Self::start(strength.family(), false, [ln_mean, (0.5 * v.ln()).max(-MAX_LN_CV)])
            }
            _ => Err(LearnError::Coordinates),
        }
    }

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
        let strength = AnyStrength::from_mean_v(family, 1.0, 0.0)?;
        let constraint = Constraint::None;
        let new = Self { strength, in_v, constraint, ln_scale: 0.0, max_cv: None, prior_cv: None, params };
        Ok(new.move_to(params)?.note_scale())
    }

    /// The same with the scale as it is now, for a constraint that is still to come.
    fn note_scale(self) -> Self {
        Self { ln_scale: self.params[0] - 0.5 * self.strength.v().ln_1p(), ..self }
    }

    /// The same at other parameters, clamped; a mean that is held is the caller's to respect.
    fn move_to(self, [a, b]: [f64; 2]) -> Result<Self, LearnError> {
        if !(a.is_finite() && b.is_finite()) {
            return Err(LearnError::NotFinite);
        }
        let family = self.strength.family();
        let most = self.max_cv.map_or(MAX_LN_CV, f64::ln);
        let (b, v) = match (has_spread(family), self.in_v) {
            (false, _) => (0.0, 0.0),
            // max: −0 becomes 0.
            (true, true) => {
                let v = b.clamp(0.0, (2.0 * most).exp()).max(0.0);
                (v, v)
            }
            (true, false) => {
                let b = b.clamp(-MAX_LN_CV, most);
                (b, (2.0 * b).exp())
            }
        };
        let a = match self.constraint {
            Constraint::Scale => self.ln_scale + 0.5 * v.ln_1p(),
            Constraint::None | Constraint::Mean => a,
        };
        let a = a.clamp(-MAX_LN_MEAN, MAX_LN_MEAN);
        Ok(Self { strength: AnyStrength::from_mean_v(family, a.exp(), v)?, params: [a, b], ..self })
    }

    /// The same with the mean held where it is: its gradient is 0, and [`set`](Self::set) leaves it alone.
    #[must_use]
    pub fn with_mean_held(self) -> Self {
        Self { constraint: Constraint::Mean, ..self }
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
    /// use prefstrength::Family;
    /// use prefstrength_learn::{LearnError, StrengthParams};
    /// let mut p_beta = StrengthParams::in_ln_mean_v(Family::LogNormal, 0.1)?.with_scale_held();
    /// p_beta.set([0.0, 1.0])?;
    /// let scale = p_beta.strength().mean() / p_beta.strength().cv().hypot(1.0);
    /// assert!((scale - 0.1 / 1.05_f64.sqrt()).abs() < 1e-15);
    /// # Ok::<(), LearnError>(())
    /// ```
    #[must_use]
    pub fn with_scale_held(self) -> Self {
        let held = Self { constraint: Constraint::Scale, ..self };
        // Where the cap has taken some of the spread, the mean follows; else it stays to the bit.
        if self.note_scale() == self { held } else { held.move_to(self.params).unwrap_or(held) }
    }

    /// The same with cv ≤ `max_cv`.
    ///
    /// # Errors
    /// [`LearnError::MaxCv`] unless it is within [`limits::MAX_CV`](crate::limits::MAX_CV).
    ///
    /// ```
    /// use prefstrength::Family;
    /// use prefstrength::batch::{Batch, Rows};
    /// use prefstrength_learn::{LearnError, StrengthParams};
    /// let mut p_beta = StrengthParams::in_ln_mean_v(Family::Gamma, 1.0)?.with_max_cv(2.0)?;
    /// p_beta.set([0.0, 1e6])?;
    /// assert!((p_beta.strength().cv() - 2.0).abs() < 1e-12);
    /// // Three of four, at any size of the margin.
    /// let margins: Vec<f64> = (1..200).map(|i| f64::from(i) * if i % 4 == 0 { -1.0 } else { 1.0 }).collect();
    /// let sums = p_beta.evaluate(&Batch::new(&margins), Rows::new())?;
    /// assert!(p_beta.rises_at_max_cv(&sums));
    /// # Ok::<(), LearnError>(())
    /// ```
    pub fn with_max_cv(self, max_cv: f64) -> Result<Self, LearnError> {
        check_max_cv(max_cv)?;
        Self { max_cv: Some(max_cv), ..self }.move_to(self.params)
    }

    /// The same with a half-normal prior of scale τ on cv, whose [`penalty`](Self::penalty) the caller adds.
    ///
    /// # Errors
    /// [`LearnError::PriorCv`] unless τ and 1/τ² are finite and positive.
    pub fn with_prior_cv(self, tau: f64) -> Result<Self, LearnError> {
        invert_square(tau)?;
        Ok(Self { prior_cv: Some(tau), ..self })
    }

    /// That of the prior on cv, 0 without one. It stands against the loss of all data: of a batch, the part that
    /// the batch is of them.
    ///
    /// ```
    /// use prefstrength::Family;
    /// use prefstrength::batch::{Batch, Rows};
    /// use prefstrength_learn::{LearnError, StrengthParams};
    /// let p_beta = StrengthParams::in_ln_mean_v(Family::Gamma, 0.1)?.with_prior_cv(0.5)?;
    /// let (batch, pairs) = ([3.0, -1.0, 0.4, 8.0], 60_000.0);
    /// let sums = p_beta.evaluate(&Batch::new(&batch), Rows::new())?;
    /// let prior = p_beta.penalty();
    /// let d_v = sums.d_params[1] + prior.d_params[1] * batch.len() as f64 / pairs;
    /// # assert!(d_v > sums.d_params[1]);
    /// # Ok::<(), LearnError>(())
    /// ```
    #[must_use]
    pub fn penalty(&self) -> Penalty {
        let Some(tau) = self.prior_cv.filter(|_| has_spread(self.strength.family())) else {
            return Penalty::default();
        };
        let v = self.strength.v();
        let d_v = 0.5 / (tau * tau);
        Penalty { value: d_v * v, d_params: [0.0, if self.in_v { d_v } else { 2.0 * d_v * v }] }
    }

    /// Whether the spread is at [`with_max_cv`](Self::with_max_cv)'s end and these sums, of all data, would have
    /// it larger still: the likelihood has no finite maximum, and this p(β) is not a fit. Of one batch it says
    /// little.
    #[must_use]
    pub fn rises_at_max_cv(&self, sums: &Sums) -> bool {
        let cap = self.max_cv.is_some_and(|cap| self.strength.cv() >= cap * (1.0 - 1e-12));
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
    /// use prefstrength::Family;
    /// use prefstrength_learn::{LearnError, StrengthParams};
    /// let mut p_beta = StrengthParams::in_ln_mean_v(Family::LogNormal, 1.0)?;
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
        let a = if self.constraint == Constraint::None { a } else { self.params[0] };
        let moved = self.move_to([a, b])?;
        *self = if self.constraint == Constraint::Scale { moved } else { moved.note_scale() };
        Ok(())
    }

    /// The p(β) that they stand for.
    #[must_use]
    pub fn strength(&self) -> AnyStrength {
        self.strength
    }

    /// Losses and gradients of a batch of f32 or f64 margins, of which weight 0 masks any. `d_params` of the sums is the
    /// gradient of the sum in [`params`](Self::params), with 0 for a mean that is held and for the second parameter of
    /// `Fixed`; rows of `d_params`, if asked for, have the derivatives in any case.
    ///
    /// Sums of micro-batches at the same parameters add up (`+`) to those of the batch: divide by `sums.weight` at the
    /// very end, once for all gradients.
    ///
    /// # Errors
    /// [`LearnError::Batch`], as [`batch::evaluate`].
    pub fn evaluate<T: Number>(&self, batch: &Batch<'_, T>, rows: Rows<'_, T>) -> Result<Sums, LearnError> {
        let strength = self.strength.cast::<T>()?;
        Ok(self.constrain(batch::evaluate_in(&strength, batch, rows, self.coordinates())?))
    }

    /// The same, bit for bit, on the threads of rayon.
    ///
    /// # Errors
    /// As [`evaluate`](Self::evaluate).
    #[cfg(feature = "rayon")]
    pub fn par_evaluate<T: Number>(
        &self,
        batch: &Batch<'_, T>,
        rows: Rows<'_, T>,
    ) -> Result<Sums, LearnError> {
        let strength = self.strength.cast::<T>()?;
        Ok(self.constrain(batch::par_evaluate_in(&strength, batch, rows, self.coordinates())?))
    }

    /// Losses and gradients of a panel: every person draws β from p(β) once, and decides all pairs of the batch with it.
    /// Labels may be flipped ([`Lapse::none`] where they are not). `d_params` of the sums as in
    /// [`evaluate`](Self::evaluate).
    ///
    /// # Errors
    /// [`LearnError::Batch`], as [`Panel::evaluate`].
    ///
    /// ```
    /// use prefstrength::panel::{ByPerson, PanelBatch, PanelRows};
    /// use prefstrength::{Family, Lapse};
    /// use prefstrength_learn::{LearnError, StrengthParams};
    /// // Of the pairs of a step, whose they are.
    /// let (annotators, margins) = ([2, 1, 2, 2, 1], [1.0_f32, 0.4, -0.3, 2.0, 0.9]);
    /// let p_beta = StrengthParams::in_ln_mean_v(Family::Gamma, 1.0)?;
    /// let by_person = ByPerson::new(&annotators);
    /// let (sorted, mut d_sorted, mut d_margin) = (by_person.gather(&margins)?, [0.0; 5], [0.0; 5]);
    /// let batch = PanelBatch::new(&sorted, by_person.ends());
    /// let sums = p_beta.evaluate_panel(&batch, PanelRows::new().d_margin(&mut d_sorted), Lapse::none())?;
    /// by_person.scatter(&d_sorted, &mut d_margin)?; // into the policy
    /// assert_eq!(sums.weight, 2.0); // persons
    /// # Ok::<(), LearnError>(())
    /// ```
    pub fn evaluate_panel<T: Number>(
        &self,
        batch: &PanelBatch<'_, T>,
        rows: PanelRows<'_, T>,
        lapse: Lapse<T>,
    ) -> Result<PanelSums, LearnError> {
        Ok(self.constrain_panel(self.panel(lapse)?.evaluate(batch, rows)?))
    }

    /// The same, bit for bit, with the persons on the threads of rayon.
    ///
    /// # Errors
    /// As [`evaluate_panel`](Self::evaluate_panel).
    #[cfg(feature = "rayon")]
    pub fn par_evaluate_panel<T: Number>(
        &self,
        batch: &PanelBatch<'_, T>,
        rows: PanelRows<'_, T>,
        lapse: Lapse<T>,
    ) -> Result<PanelSums, LearnError> {
        Ok(self.constrain_panel(self.panel(lapse)?.par_evaluate(batch, rows)?))
    }

    fn panel<T: Number>(&self, lapse: Lapse<T>) -> Result<Panel<AnyStrength<T>>, LearnError> {
        let panel = Panel::new(&self.strength.cast::<T>()?).with_coordinates(self.coordinates());
        Ok(if lapse == Lapse::none() { panel } else { panel.with_lapse(lapse) })
    }

    fn constrain_panel(&self, sums: PanelSums) -> PanelSums {
        PanelSums { d_params: self.constrain_gradient(sums.d_params), ..sums }
    }

    /// The chain rule of what is held.
    fn constrain(&self, sums: Sums) -> Sums {
        Sums { d_params: self.constrain_gradient(sums.d_params), ..sums }
    }

    fn constrain_gradient(&self, [mut first, mut second]: [f64; 2]) -> [f64; 2] {
        if self.constraint == Constraint::Scale {
            // ln mean = ln scale + ½ ln(1 + v).
            let v = self.strength.v();
            second += first * if self.in_v { 0.5 / (1.0 + v) } else { v / (1.0 + v) };
        }
        if self.constraint != Constraint::None {
            first = 0.0;
        }
        if !has_spread(self.strength.family()) {
            second = 0.0;
        }
        [first, second]
    }
}

/// [`StrengthParams`] as they are stored.
#[cfg(feature = "serde")]
#[derive(serde::Serialize, serde::Deserialize)]
struct Stored {
    family: Family,
    in_v: bool,
    constraint: Constraint,
    ln_scale: f64,
    max_cv: Option<f64>,
    prior_cv: Option<f64>,
    params: [f64; 2],
}

#[cfg(feature = "serde")]
impl From<StrengthParams> for Stored {
    fn from(params: StrengthParams) -> Self {
        let StrengthParams { strength, in_v, constraint, ln_scale, max_cv, prior_cv, params } = params;
        Self { family: strength.family(), in_v, constraint, ln_scale, max_cv, prior_cv, params }
    }
}

#[cfg(feature = "serde")]
impl TryFrom<Stored> for StrengthParams {
    type Error = LearnError;
    fn try_from(stored: Stored) -> Result<Self, LearnError> {
        let mut new = Self::start(stored.family, stored.in_v, stored.params)?;
        if !stored.ln_scale.is_finite() {
            return Err(LearnError::NotFinite);
        }
        if let Some(max_cv) = stored.max_cv {
            new = new.with_max_cv(max_cv)?;
        }
        if let Some(tau) = stored.prior_cv {
            new = new.with_prior_cv(tau)?;
        }
        // The mean as it was stored, rather than from the scale once more, which may round otherwise.
        let moved = new.move_to(stored.params)?;
        Ok(Self { constraint: stored.constraint, ln_scale: stored.ln_scale, ..moved })
    }
}
