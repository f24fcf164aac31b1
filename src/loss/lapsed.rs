//! A strength under a lapse: losses, gradients and posteriors of labels that may be flipped.

use super::labels::{Labels, Row};
use super::lapse::{Lapse, Lapsed};
use super::smoothing::Smoothing;
use super::strength::{Posterior, Strength, row, tail_of};
use crate::family::Inside;
use crate::kernel::{Coordinates, Tail};
use crate::real::Real;

/// Loss and gradient under a lapse.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LapsedGradient<T> {
    /// The loss.
    pub value: T,
    /// Its derivative in the margin.
    pub d_margin: T,
    /// Its derivatives in the parameters of p(β), in the order of the coordinates; 0 in the second place where there is
    /// one.
    pub d_params: [T; 2],
    /// Its derivatives in the lapse: in ε and 0, or in ε₀ and ε₁ ([`Lapse::by_side`]).
    pub d_lapse: [T; 2],
}

impl<T: Real> LapsedGradient<T> {
    fn of(row: Row) -> Self {
        let [value, d_margin, p0, p1, l0, l1] = row.map(T::from_f64);
        Self { value, d_margin, d_params: [p0, p1], d_lapse: [l0, l1] }
    }
}

impl<T: Real, S: Strength<T>> Lapsed<T, S> {
    /// The strength.
    #[must_use]
    pub fn strength(&self) -> &S {
        &self.strength
    }

    /// The lapse.
    #[must_use]
    pub fn lapse(&self) -> Lapse<T> {
        self.lapse
    }

    /// A, the probability of the label.
    #[must_use]
    pub fn probability(&self, margin: T) -> T {
        let Some((_, lapsed, _, negative)) = self.tails(margin, false) else { return T::nan() };
        T::from_f64(if negative { lapsed.value() } else { 0.5 + lapsed.half_minus() })
    }

    /// −ln A.
    #[must_use]
    pub fn nll(&self, margin: T) -> T {
        let Some((_, lapsed, _, negative)) = self.tails(margin, false) else { return T::nan() };
        T::from_f64(lapsed.nll(negative).value)
    }

    /// The loss with its gradient in the margin, in the native parameters and in the lapse.
    #[must_use]
    pub fn nll_gradient(&self, margin: T) -> LapsedGradient<T> {
        self.nll_gradient_in(margin, Coordinates::Native)
    }

    /// The same in other coordinates of p(β).
    #[must_use]
    pub fn nll_gradient_in(&self, margin: T, coordinates: Coordinates) -> LapsedGradient<T> {
        self.smoothed_nll_gradient_in(margin, Smoothing::none(), coordinates)
    }

    /// (1 − q)·nll + q·nll of the opposite label, whose probability is 1 − A.
    ///
    /// ```
    /// use prefstrength::{Coordinates, Fixed, Lapse, Smoothing, Strength};
    /// let noisy = Fixed::<f64>::new(1.0)?.with_lapse(Lapse::new(0.05)?);
    /// let g = noisy.smoothed_nll_gradient_in(2.0, Smoothing::new(0.2)?, Coordinates::Native);
    /// assert!((g.value - 0.8 * noisy.nll(2.0) - 0.2 * noisy.nll(-2.0)).abs() < 1e-15);
    /// # Ok::<(), prefstrength::ParamError>(())
    /// ```
    #[must_use]
    pub fn smoothed_nll_gradient_in(
        &self,
        margin: T,
        smoothing: Smoothing<T>,
        coordinates: Coordinates,
    ) -> LapsedGradient<T> {
        LapsedGradient::of(row(&self.strength, margin, Labels { smoothing, lapse: self.lapse }, coordinates))
    }

    /// ∂²nll/∂D². Max error: 32 eps of max(|itself|, d_margin², T″/A).
    #[must_use]
    pub fn nll_d2_margin(&self, margin: T) -> T {
        let Some((_, lapsed, size, negative)) = self.tails(margin, true) else { return T::nan() };
        T::from_f64(lapsed.nll(negative).curvature(self.strength.unit_of(Inside), size))
    }

    /// The probability that the label was flipped, given that it is there: ε₀E\[σ(−βD)\]/A. NaN for a NaN margin.
    ///
    /// ```
    /// use prefstrength::{Fixed, Lapse, Strength};
    /// let noisy = Fixed::<f64>::new(1.0)?.with_lapse(Lapse::new(0.05)?);
    /// assert!((noisy.flip_probability(0.0) - 0.05).abs() < 1e-16); // the label says nothing about itself
    /// assert!(noisy.flip_probability(-20.0) > 0.99 && noisy.flip_probability(20.0) < 1e-9);
    /// # Ok::<(), prefstrength::ParamError>(())
    /// ```
    #[must_use]
    pub fn flip_probability(&self, margin: T) -> T {
        let Some((tail, lapsed, _, negative)) = self.tails(margin, false) else { return T::nan() };
        let [floor, _] = self.lapse.epsilon().map(Real::to_f64);
        let (opposite, label) =
            if negative { (0.5 + tail.h, lapsed.t) } else { (tail.t, 0.5 + lapsed.half_minus()) };
        T::from_f64(if floor == 0.0 { 0.0 } else { floor * opposite / label })
    }

    /// The probability that the label was a guess, where a share ε₀ + ε₁ of guesses, right with chance
    /// ε₀/(ε₀ + ε₁), stands for the flips: ε₀/A. The same likelihood, and another probability. NaN for a NaN margin.
    ///
    /// ```
    /// use prefstrength::{Fixed, Lapse, Strength};
    /// let noisy = Fixed::<f64>::new(1.0)?.with_lapse(Lapse::new(0.05)?);
    /// assert!((noisy.guess_probability(0.0) - 0.1).abs() < 1e-16);
    /// # Ok::<(), prefstrength::ParamError>(())
    /// ```
    #[must_use]
    pub fn guess_probability(&self, margin: T) -> T {
        let Some((_, lapsed, _, negative)) = self.tails(margin, false) else { return T::nan() };
        let [floor, _] = self.lapse.epsilon().map(Real::to_f64);
        let label = if negative { lapsed.t } else { 0.5 + lapsed.half_minus() };
        T::from_f64(if floor == 0.0 { 0.0 } else { floor / label })
    }

    /// Mean and variance of β given the label: a mixture of the posterior of a label that is right and of p(β), which a
    /// flip of either kind leaves as it is but for what a right label would have told.
    ///
    /// * Formula: p(β | label) ∝ p(β)(ε₀ + (1 − ε₀ − ε₁)σ(βD)).
    /// * Max error: mean 16 eps, variance 128 of max(itself, its two parts).
    ///
    /// ```
    /// use prefstrength::{Gamma, Lapse, Strength};
    /// let beta = Gamma::<f64>::from_mean_cv(0.1, 0.5)?;
    /// let noisy = beta.with_lapse(Lapse::new(0.05)?);
    /// // Against a huge margin the label is a flip, and says nothing about β.
    /// assert!((noisy.posterior(-1e6).mean - 0.1).abs() < 1e-6);
    /// assert!(beta.posterior(-1e6).mean < 1e-5);
    /// # Ok::<(), prefstrength::ParamError>(())
    /// ```
    #[must_use]
    pub fn posterior(&self, margin: T) -> Posterior<T> {
        let told = self.strength.posterior(margin);
        let Some((tail, lapsed, _, negative)) = self.tails(margin, false) else { return told };
        let [floor, ceiling] = self.lapse.epsilon().map(Real::to_f64);
        // Nothing is flipped into this label: it is right.
        if floor == 0.0 {
            return told;
        }
        let (kept, label) =
            (1.0 - floor - ceiling, if negative { lapsed.t } else { 0.5 + lapsed.half_minus() });
        let share = kept * if negative { tail.t } else { 0.5 + tail.h } / label;
        let (mean, v) = (self.strength.mean().to_f64(), self.strength.v().to_f64());
        let (mean_told, variance_told) = (told.mean.to_f64(), told.variance.to_f64());
        let apart = mean_told - mean;
        let rest = floor / label;
        let variance = share * variance_told + rest * (mean * v * mean) + share * rest * (apart * apart);
        Posterior { mean: T::from_f64(mean + share * apart), variance: T::from_f64(variance) }
    }

    /// The tail, the same with the lapse, |margin|, and whether it is negative.
    fn tails(&self, margin: T, second: bool) -> Option<(Tail, Tail, f64, bool)> {
        let (tail, size, negative) = tail_of(&self.strength, margin, second)?;
        Some((tail, tail.lapsed(self.lapse.of_the_rarer(negative)), size, negative))
    }
}
