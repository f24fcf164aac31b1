//! The lapse: the chance that a label says the opposite of what the choice was.

use crate::family::ParamError;
use crate::real::Real;
use num_traits::Float;

/// Chances of a flipped label: A = ε₀ + (1 − ε₀ − ε₁)·E\[σ(βD)\] is the probability that the label says what it says.
///
/// | who flips | constructor | A |
/// | --- | --- | --- |
/// | nobody | [`none`](Self::none) | E\[σ\] |
/// | everybody alike | [`new`](Self::new): ε₀ = ε₁ = ε | ε + (1 − 2ε)E\[σ\] |
/// | one side more than the other | [`by_side`](Self::by_side) | from ε₀, however far the margin is against the label, to 1 − ε₁ |
///
/// This is the likelihood of flipped labels, in which ε can be learned; label smoothing is another loss, and robust DPO
/// a third: [`Smoothing`](crate::Smoothing). The same likelihood has a share 2ε of guessers (β = 0), or a share ε of
/// people of the opposite preference: single choices do not tell them apart.
///
/// * Domain: 0 ≤ ε < ½, also for each side. ε = 0 is the loss without a lapse, bit for bit.
/// * Unconstrained coordinate ρ = ln(2ε/(1 − 2ε)), ε = ½σ(ρ): [`from_logit`](Self::from_logit). |∂nll/∂ρ| ≤ 1, where
///   ∂nll/∂ε grows like 1/A.
/// * Source: docs/label-noise.md.
///
/// ```
/// use prefstrength::{Gamma, Lapse, Strength};
/// let beta = Gamma::<f64>::from_mean_cv(0.1, 0.5)?;
/// let noisy = beta.with_lapse(Lapse::new(0.05)?);
/// let far = noisy.nll_gradient(-1e4);
/// assert!((far.value + 0.05_f64.ln()).abs() < 1e-6); // a choice against a huge margin: a flipped label
/// assert!(far.d_margin.abs() < 1e-6); // … from which the policy need not learn
/// # Ok::<(), prefstrength::ParamError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lapse<T> {
    floor: T,
    ceiling: T,
    by_side: bool,
}

impl<T: Real> Lapse<T> {
    /// The same chance ε of a flip for all labels: one parameter.
    ///
    /// # Errors
    /// [`ParamError::LapseNotBelowHalf`] unless 0 ≤ ε < ½, also for NaN.
    ///
    /// ```
    /// use prefstrength::{Lapse, ParamError};
    /// assert_eq!(Lapse::new(0.05)?.epsilon(), [0.05, 0.05]);
    /// assert_eq!(Lapse::new(0.5), Err(ParamError::LapseNotBelowHalf));
    /// # Ok::<(), ParamError>(())
    /// ```
    pub fn new(epsilon: T) -> Result<Self, ParamError> {
        let epsilon = checked(epsilon)?;
        Ok(Self { floor: epsilon, ceiling: epsilon, by_side: false })
    }

    /// A label that should be the other one is flipped into this one with chance ε₀, this one into the other with
    /// chance ε₁: two parameters. For pairs whose label means something beside "chosen": the answer shown first, say.
    /// Pairs labelled the other way round take [`mirrored`](Self::mirrored).
    ///
    /// # Errors
    /// As [`new`](Self::new), for both.
    ///
    /// ```
    /// use prefstrength::{Fixed, Lapse, Strength};
    /// let beta = Fixed::<f64>::new(1.0)?;
    /// let first = Lapse::by_side(0.1, 0.02)?;
    /// let a = beta.with_lapse(first).probability(2.0);
    /// let b = beta.with_lapse(first.mirrored()).probability(-2.0);
    /// assert!((a + b - 1.0).abs() < 1e-15); // the two labels of one pair
    /// # Ok::<(), prefstrength::ParamError>(())
    /// ```
    pub fn by_side(floor: T, ceiling: T) -> Result<Self, ParamError> {
        Ok(Self { floor: checked(floor)?, ceiling: checked(ceiling)?, by_side: true })
    }

    /// ε = 0, and no parameter.
    ///
    /// ```
    /// assert_eq!(prefstrength::Lapse::<f64>::none().epsilon(), [0.0, 0.0]);
    /// ```
    #[must_use]
    pub fn none() -> Self {
        Self { floor: T::zero(), ceiling: T::zero(), by_side: false }
    }

    /// ε = ½σ(ρ), for an optimiser: any ρ is valid. ρ = −∞ is ε = 0; where ½σ(ρ) would round to ½, the largest number
    /// below it.
    ///
    /// # Errors
    /// [`ParamError::LapseNotBelowHalf`] for NaN.
    ///
    /// ```
    /// use prefstrength::Lapse;
    /// let lapse = Lapse::from_logit(-2.0_f64)?;
    /// assert!((lapse.logit() + 2.0).abs() < 1e-15);
    /// # Ok::<(), prefstrength::ParamError>(())
    /// ```
    pub fn from_logit(rho: T) -> Result<Self, ParamError> {
        if rho.is_nan() {
            return Err(ParamError::LapseNotBelowHalf);
        }
        let epsilon = T::from_f64(0.5 * crate::math::sigmoid(rho.to_f64()));
        let half = T::from_f64(0.5);
        Self::new(if epsilon < half { epsilon } else { half - T::epsilon() / T::from_f64(4.0) })
    }

    /// ρ = ln(2ε/(1 − 2ε)) of ε₀; −∞ at 0.
    #[must_use]
    pub fn logit(&self) -> T {
        let two = 2.0 * self.floor.to_f64();
        T::from_f64(Float::ln(two) - Float::ln_1p(-two))
    }

    /// ∂nll/∂ρ from ∂nll/∂ε, of ε₀: times dε/dρ = ε(1 − 2ε). 0 at ε = 0.
    ///
    /// ```
    /// use prefstrength::{Gamma, Lapse, Strength};
    /// let beta = Gamma::<f64>::from_mean_cv(0.1, 0.5)?;
    /// let at = |rho: f64| Ok::<_, prefstrength::ParamError>(beta.with_lapse(Lapse::from_logit(rho)?));
    /// let lapse = Lapse::from_logit(-3.0)?;
    /// let d_rho = lapse.d_logit(at(-3.0)?.nll_gradient(-20.0).d_lapse[0]);
    /// let difference = (at(-2.999)?.nll(-20.0) - at(-3.001)?.nll(-20.0)) / 0.002;
    /// assert!((d_rho - difference).abs() < 1e-6);
    /// # Ok::<(), prefstrength::ParamError>(())
    /// ```
    #[must_use]
    pub fn d_logit(&self, d_epsilon: T) -> T {
        let epsilon = self.floor.to_f64();
        // 0·∞ at the boundary, where ρ = −∞ does not move.
        T::from_f64(if epsilon == 0.0 { 0.0 } else { d_epsilon.to_f64() * epsilon * (1.0 - 2.0 * epsilon) })
    }

    /// \[ε₀, ε₁\].
    #[must_use]
    pub fn epsilon(&self) -> [T; 2] {
        [self.floor, self.ceiling]
    }

    /// That of the same pair with the opposite label: ε₀ and ε₁ change places.
    #[must_use]
    pub fn mirrored(&self) -> Self {
        Self { floor: self.ceiling, ceiling: self.floor, ..*self }
    }

    /// How many parameters there are: 1, or 2 [by side](Self::by_side).
    #[must_use]
    pub fn parameters(&self) -> usize {
        if self.by_side { 2 } else { 1 }
    }

    /// Whether ε₀ and ε₁ are two parameters.
    pub(crate) fn is_by_side(&self) -> bool {
        self.by_side
    }

    /// Both ε are 0.
    pub(crate) fn is_none(&self) -> bool {
        self.floor == T::zero() && self.ceiling == T::zero()
    }

    /// Of numbers that have been checked.
    pub(crate) fn of(floor: T, ceiling: T, by_side: bool) -> Self {
        Self { floor, ceiling, by_side }
    }

    /// ε of the less likely answer, and of the other, at a margin of this sign.
    pub(crate) fn of_the_rarer(&self, negative: bool) -> [f64; 2] {
        let [floor, ceiling] = self.epsilon().map(Real::to_f64);
        if negative { [floor, ceiling] } else { [ceiling, floor] }
    }
}

/// A strength under a lapse: [`Strength::with_lapse`](crate::Strength::with_lapse). The probability of the label is
/// A = ε₀ + (1 − ε₀ − ε₁)E\[σ(βD)\], and the loss −ln A.
///
/// * Domain: every D. NaN gives NaN in every field. D = ±∞ gives the limits: for ε > 0 a loss of −ln ε₀ against
///   and −ln(1 − ε₁) with the margin, and no slope.
/// * Max error, in eps (where A > ½ times 1 + |ln(1 − A)|): nll 8 (LogNormal 16), derivatives 32. Far from the margin
///   0 the share of T in A, and with it all derivatives but that in ε, has the relative error of T itself, which is
///   larger by 1 + |ln T| for a LogNormal. Measured: README.
/// * ε = 0: the bits of [`Strength`](crate::Strength); the derivative in ε goes to −1/T there, and −∞ is no error.
///
/// ```
/// use prefstrength::{Coordinates, Gamma, Lapse, Strength};
/// let noisy = Gamma::<f64>::from_mean_cv(0.1, 0.5)?.with_lapse(Lapse::new(0.05)?);
/// let g = noisy.nll_gradient_in(-30.0, Coordinates::LnMeanV);
/// assert!(g.d_lapse[0] < 0.0); // more flips would explain this label better
/// assert!(noisy.flip_probability(-30.0) > 0.3);
/// # Ok::<(), prefstrength::ParamError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lapsed<T, S> {
    pub(super) strength: S,
    pub(super) lapse: Lapse<T>,
}

/// Whether a number is a lapse.
pub(crate) fn is_lapse<T: Real>(epsilon: T) -> bool {
    epsilon >= T::zero() && epsilon < T::from_f64(0.5)
}

fn checked<T: Real>(epsilon: T) -> Result<T, ParamError> {
    // −0 is 0.
    if is_lapse(epsilon) { Ok(epsilon.abs()) } else { Err(ParamError::LapseNotBelowHalf) }
}

/// As it is stored: the same bits back.
#[cfg(feature = "serde")]
mod stored {
    use super::Lapse;
    use crate::real::Real;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    struct Stored<T> {
        epsilon: [T; 2],
        by_side: bool,
    }

    impl<T: Real + Serialize> Serialize for Lapse<T> {
        fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
            Stored { epsilon: self.epsilon(), by_side: self.by_side }.serialize(to)
        }
    }

    impl<'de, T: Real + Deserialize<'de>> Deserialize<'de> for Lapse<T> {
        fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
            let Stored { epsilon: [floor, ceiling], by_side } = Stored::deserialize(from)?;
            let lapse = match by_side {
                true => Self::by_side(floor, ceiling),
                false if floor == ceiling => Self::new(floor),
                false => return Err(serde::de::Error::custom("two lapses, and not by side")),
            };
            lapse.map_err(serde::de::Error::custom)
        }
    }
}
