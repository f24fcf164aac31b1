//! Losses and their analytic gradients: the trait [`Strength`] over every family.

use super::labels::{Labels, Row};
use super::lapse::{Lapse, Lapsed};
use super::smoothing::{Smoothing, mix};
use crate::family::families;
use crate::family::gradient::Pack;
use crate::family::strengths;
use crate::family::{AnyStrength, Calculus, Dispatch, Inside, Member, NllGradient};
use crate::kernel::{Coordinates, Local, Tail};
use crate::real::Real;

/// Mean and variance of β given that the chosen answer was chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Posterior<T> {
    /// E\[β | choice\].
    pub mean: T,
    /// Var(β | choice).
    pub variance: T,
}

/// A random strength β: losses, gradients and posteriors at a margin D (chosen minus rejected
/// log-ratio, before β). Sealed; implemented by every
/// family for f32 and f64, and by [`AnyStrength`](crate::AnyStrength).
///
/// | method | formula |
/// | --- | --- |
/// | [`expected_sigmoid`](Self::expected_sigmoid) | E\[σ(βD)\] |
/// | [`nll`](Self::nll) | −ln E\[σ(βD)\] |
/// | [`nll_gradient`](Self::nll_gradient) | nll, ∂/∂D, ∂/∂(native parameters) |
/// | [`effective_logit`](Self::effective_logit) | ℓ(D) = ln(E\[σ\]/(1 − E\[σ\])) |
/// | [`posterior`](Self::posterior) | mean and variance of β given the choice |
///
/// * Domain: every D. Special values: NaN gives NaN in every field; D = ±∞ gives the limits.
/// * Max error, in units of eps = 2⁻⁵² (for D > 0 times 1 + |ln T|, T = 1 − E\[σ\]): nll 4, first
///   derivatives 8 (in v 24; in σ of the sum of its two terms), second derivative 16 (of the larger of
///   itself and d_margin²), posterior mean 8 and variance 64; f32: rounded once. Measured: README.
/// * Source: MixDPO, arXiv 2601.06180.
///
/// ```
/// use prefstrength::{Gamma, LogNormal, Strength};
///
/// fn total<S: Strength<f64>>(beta: &S, margins: &[f64]) -> f64 {
///     margins.iter().map(|&d| beta.nll(d)).sum()
/// }
/// let margins = [0.3, -0.1, 2.0];
/// let gamma = total(&Gamma::from_mean_cv(1.0, 0.5)?, &margins);
/// let lognormal = total(&LogNormal::from_mean_cv(1.0, 0.5)?, &margins);
/// assert!((gamma - lognormal).abs() < 0.01);
/// # Ok::<(), prefstrength::ParamError>(())
/// ```
pub trait Strength<T: Real>: Dispatch + Copy + core::fmt::Debug + Send + Sync + 'static {
    /// Loss and gradient in the margin and the family's native parameters, by name:
    /// [`GammaGradient`](crate::GammaGradient) and so on; [`NllGradient`] where the family is chosen at run time.
    type Gradient: Pack + Copy + core::fmt::Debug + PartialEq;

    /// E\[β\].
    ///
    /// ```
    /// use prefstrength::{Gamma, Strength};
    /// fn mean<S: Strength<f64>>(beta: S) -> f64 {
    ///     beta.mean()
    /// }
    /// assert_eq!(mean(Gamma::from_shape_scale(2.0, 0.5)?), 1.0);
    /// # Ok::<(), prefstrength::ParamError>(())
    /// ```
    #[must_use]
    fn mean(&self) -> T;

    /// v = Var β/E\[β\]², the squared coefficient of variation; 0 is plain DPO.
    ///
    /// ```
    /// use prefstrength::{Gamma, Strength};
    /// fn v<S: Strength<f64>>(beta: S) -> f64 {
    ///     beta.v()
    /// }
    /// assert_eq!(v(Gamma::from_shape_scale(2.0, 0.5)?), 0.5);
    /// # Ok::<(), prefstrength::ParamError>(())
    /// ```
    #[must_use]
    fn v(&self) -> T;

    /// E\[σ(βD)\], the probability that the chosen answer is chosen. Increasing; E\[σ(βD)\] +
    /// E\[σ(−βD)\] = 1. Rounds to 1 for large D: take losses from [`nll`](Self::nll).
    ///
    /// * NaN: NaN. +∞: 1, −∞: 0; ½ everywhere for β = 0.
    /// * Max error: 4 eps times 1 + |ln T|, T = E\[σ(−β|D|)\].
    ///
    /// ```
    /// use prefstrength::{Gamma, Strength};
    /// let beta = Gamma::<f64>::from_mean_cv(1.0, 1.0)?; // exponential: E[σ(β)] = ln 2
    /// assert!((beta.expected_sigmoid(1.0) - core::f64::consts::LN_2).abs() < 1e-15);
    /// # Ok::<(), prefstrength::ParamError>(())
    /// ```
    #[must_use]
    fn expected_sigmoid(&self, margin: T) -> T {
        let Some((tail, _, negative)) = tail_of(self, margin, false) else { return T::nan() };
        T::from_f64(if negative { tail.value() } else { 0.5 + tail.half_minus() })
    }

    /// ln E\[σ(βD)\] = −nll.
    ///
    /// * NaN: NaN. +∞: 0, −∞: −∞; −ln 2 everywhere for β = 0.
    /// * Max error: that of [`nll`](Self::nll).
    ///
    /// ```
    /// use prefstrength::{LogNormal, Strength};
    /// let beta = LogNormal::<f64>::from_mean_cv(0.1, 0.5)?;
    /// assert_eq!(beta.log_expected_sigmoid(3.0), -beta.nll(3.0));
    /// # Ok::<(), prefstrength::ParamError>(())
    /// ```
    #[must_use]
    fn log_expected_sigmoid(&self, margin: T) -> T {
        -self.nll(margin)
    }

    /// The loss −ln E\[σ(βD)\] (MixDPO; plain DPO for [`Fixed`](crate::Fixed)). Positive, decreasing in D.
    ///
    /// * NaN: NaN. +∞: 0, −∞: ∞; ln 2 everywhere for β = 0.
    /// * Max error: 4 eps (for D > 0 times 1 + |ln T|).
    ///
    /// ```
    /// use prefstrength::{Gamma, Strength};
    /// let beta = Gamma::<f64>::from_mean_cv(1.0, 1.0)?; // exponential: E[σ(β)] = ln 2
    /// assert!((beta.nll(1.0) + core::f64::consts::LN_2.ln()).abs() < 1e-15);
    /// assert_eq!(beta.nll(f64::INFINITY), 0.0);
    /// # Ok::<(), prefstrength::ParamError>(())
    /// ```
    #[must_use]
    fn nll(&self, margin: T) -> T {
        let Some((tail, _, negative)) = tail_of(self, margin, false) else { return T::nan() };
        T::from_f64(tail.nll(negative).value)
    }

    /// The loss with its gradient in the margin and the family's native parameters, in one pass.
    ///
    /// * NaN: NaN in every field. +∞: every field 0 (β = 0: loss ln 2, d_beta −∞).
    /// * −∞: loss ∞. [`Fixed`](crate::Fixed): d_margin −β, d_beta ∞. [`Gamma`](crate::Gamma): d_margin 0, d_shape ∞, d_scale k/θ.
    ///   [`LogNormal`](crate::LogNormal): d_margin 0, d_mu ∞, d_sigma −∞. [`InverseGaussian`](crate::InverseGaussian):
    ///   d_margin 0, d_mean λ/mean², d_shape ∞. At v = 0 d_margin is −E\[β\]; at σ = 0 d_sigma is 0.
    /// * A [`Gamma`](crate::Gamma) and an [`InverseGaussian`](crate::InverseGaussian) of v = 0 have no native parameters:
    ///   take another gradient there.
    /// * Max error: nll 4 eps, derivatives 8 (for D > 0 times 1 + |ln T|; d_sigma relative to the sum of
    ///   its two terms).
    ///
    /// ```
    /// use prefstrength::{LogNormal, Strength};
    /// let g = LogNormal::<f64>::from_mu_sigma(-2.3, 0.5)?.nll_gradient(3.0);
    /// assert!((g.d_mu - 3.0 * g.d_margin).abs() < 1e-15); // μ scales β
    /// # Ok::<(), prefstrength::ParamError>(())
    /// ```
    #[must_use]
    fn nll_gradient(&self, margin: T) -> Self::Gradient {
        self.smoothed_nll_gradient(margin, Smoothing::none())
    }

    /// The loss with its gradient in the margin and in the parameters of any [`Coordinates`].
    ///
    /// * NaN: NaN in every field. +∞: every field 0 (β = 0: loss ln 2).
    /// * −∞: loss ∞; d_margin 0, or −E\[β\] at v = 0; the derivative in ln mean ∞, or k for [`Gamma`](crate::Gamma) of shape k, that
    ///   in v −∞, that in ln cv and cv −∞, or 0 at cv = 0.
    /// * Max error: nll 4 eps, derivatives 8, in v and cv 24 (for D > 0 times 1 + |ln T|).
    ///
    /// ```
    /// use prefstrength::{Coordinates, Gamma, LogNormal, Strength};
    /// let g = Gamma::<f64>::from_mean_cv(0.1, 0.5)?.nll_gradient_in(3.0, Coordinates::LnMeanLnCv);
    /// let [d_ln_mean, d_ln_cv] = g.d_params;
    /// assert!((d_ln_mean - 3.0 * g.d_margin).abs() < 1e-15 && d_ln_cv > 0.0);
    /// // At v = 0 the slope in v is that of every family.
    /// let gamma = Gamma::<f64>::from_mean_v(1.0, 0.0)?.nll_gradient_in(2.0, Coordinates::LnMeanV);
    /// let lognormal = LogNormal::<f64>::from_mean_v(1.0, 0.0)?.nll_gradient_in(2.0, Coordinates::LnMeanV);
    /// assert!(gamma.d_params[1] > 0.0 && (gamma.d_params[1] - lognormal.d_params[1]).abs() < 1e-15);
    /// # Ok::<(), prefstrength::ParamError>(())
    /// ```
    #[must_use]
    fn nll_gradient_in(&self, margin: T, coordinates: Coordinates) -> NllGradient<T> {
        self.smoothed_nll_gradient_in(margin, Smoothing::none(), coordinates)
    }

    /// ∂²nll/∂D². Positive at D = 0, negative for large negative margins unless β is fixed: the
    /// loss is not convex.
    ///
    /// * NaN: NaN. ±∞: 0.
    /// * Max error: 16 eps of max(|itself|, d_margin²) (for D > 0 times 1 + |ln T|); it changes sign.
    ///
    /// ```
    /// use prefstrength::{Gamma, Strength};
    /// let beta = Gamma::<f64>::from_mean_cv(1.0, 0.5)?;
    /// assert!((beta.nll_d2_margin(0.0) - 0.25).abs() < 1e-15); // E[β]²/4
    /// assert!(beta.nll_d2_margin(-20.0) < 0.0);
    /// # Ok::<(), prefstrength::ParamError>(())
    /// ```
    #[must_use]
    fn nll_d2_margin(&self, margin: T) -> T {
        let Some((tail, size, negative)) = tail_of(self, margin, true) else { return T::nan() };
        T::from_f64(tail.nll(negative).curvature(self.unit_of(Inside), size))
    }

    /// The effective logit ℓ(D) = ln(E\[σ(βD)\]/E\[σ(−βD)\]): odd, increasing, βD for a fixed β. It
    /// neither underflows nor saturates.
    ///
    /// * NaN: NaN. ±∞: ±∞; 0 everywhere for β = 0.
    /// * Max error: 8 eps, relative, on both sides.
    ///
    /// ```
    /// use prefstrength::{Gamma, Strength};
    /// let beta = Gamma::<f64>::from_mean_cv(0.1, 0.5)?;
    /// assert_eq!(beta.effective_logit(-30.0), -beta.effective_logit(30.0));
    /// assert!(beta.effective_logit(30.0) < 0.1 * 30.0); // concave for D > 0
    /// # Ok::<(), prefstrength::ParamError>(())
    /// ```
    #[must_use]
    fn effective_logit(&self, margin: T) -> T {
        let Some((tail, _, negative)) = tail_of(self, margin, false) else { return T::nan() };
        let logit = tail.effective_logit();
        T::from_f64(if negative { -logit } else { logit })
    }

    /// ℓ′(D), the strength with which plain DPO would act at this margin: E\[β\] at D = 0, falling
    /// with |D|.
    ///
    /// * NaN: NaN. ±∞: 0, or E\[β\] at v = 0.
    /// * Max error: 8 eps, relative, on both sides.
    ///
    /// ```
    /// use prefstrength::{Gamma, Strength};
    /// let beta = Gamma::<f64>::from_mean_cv(0.1, 0.5)?;
    /// assert!((beta.effective_beta(0.0) - 0.1).abs() < 1e-15);
    /// assert!(beta.effective_beta(30.0) < 0.1);
    /// # Ok::<(), prefstrength::ParamError>(())
    /// ```
    #[must_use]
    fn effective_beta(&self, margin: T) -> T {
        let Some((tail, size, _)) = tail_of(self, margin, false) else { return T::nan() };
        T::from_f64(tail.nll(true).slope(self.unit_of(Inside), size) / (0.5 + tail.half_minus()))
    }

    /// Mean and variance of β given the observed choice: p(β | choice) ∝ p(β)σ(βD). A choice
    /// against a large margin speaks for a small β.
    ///
    /// * NaN: NaN in both. +∞: those of the prior. −∞: 0 and 0. v = 0: E\[β\] and 0 everywhere.
    /// * Max error: mean 8 eps, variance 64 (for D > 0 times 1 + |ln T|).
    ///
    /// ```
    /// use prefstrength::{Gamma, Strength};
    /// let beta = Gamma::<f64>::from_mean_cv(0.1, 0.5)?;
    /// assert!((beta.posterior(0.0).mean - 0.1).abs() < 1e-15); // no information
    /// assert!(beta.posterior(-30.0).mean < 0.1);
    /// # Ok::<(), prefstrength::ParamError>(())
    /// ```
    #[must_use]
    fn posterior(&self, margin: T) -> Posterior<T> {
        let d = margin.to_f64();
        if d.is_nan() {
            return Posterior { mean: T::nan(), variance: T::nan() };
        }
        let (mean, variance) = self.posterior_at(d.abs(), d < 0.0, Inside);
        Posterior { mean: T::from_f64(mean), variance: T::from_f64(variance) }
    }

    /// The label-smoothed loss (1 − ε)·nll(D) + ε·nll(−D).
    ///
    /// * NaN: NaN. ±∞: ∞ for 0 < ε < 1 and β ≠ 0; at ε = 0 and 1 nll(D) and nll(−D).
    /// * Max error: that of its two terms, each weighted, and 2 eps.
    ///
    /// ```
    /// use prefstrength::{Gamma, Smoothing, Strength};
    /// let beta = Gamma::<f64>::from_mean_cv(0.1, 0.5)?;
    /// let flipped = Smoothing::new(1.0)?;
    /// assert_eq!(beta.smoothed_nll(2.0, flipped), beta.nll(-2.0));
    /// # Ok::<(), prefstrength::ParamError>(())
    /// ```
    #[must_use]
    fn smoothed_nll(&self, margin: T, smoothing: Smoothing<T>) -> T {
        let Some((tail, _, negative)) = tail_of(self, margin, false) else { return T::nan() };
        T::from_f64(mix(smoothing, |flip| [tail.nll(negative != flip).value])[0])
    }

    /// The label-smoothed loss with its gradient in the margin and the native parameters.
    ///
    /// * Formula: (1 − ε)·g(D) + ε·g(−D), g of [`nll_gradient`](Self::nll_gradient),
    ///   the derivatives of g(−D) being those of D ↦ nll(−D).
    /// * NaN: NaN in every field. ±∞: (1 − ε) and ε times the limits of the plain gradients at D and −D;
    ///   NaN where these are −∞ and ∞ (d_beta at β = 0).
    /// * Max error: that of the two terms, each weighted, and 2 eps of the larger; they may cancel.
    ///
    /// ```
    /// use prefstrength::{Fixed, Smoothing, Strength};
    /// let g = Fixed::<f64>::new(0.1)?.smoothed_nll_gradient(0.0, Smoothing::new(0.1)?);
    /// assert!((g.d_margin + 0.1 * (0.5 - 0.1)).abs() < 1e-16); // −β(σ(−βD) − ε)
    /// # Ok::<(), prefstrength::ParamError>(())
    /// ```
    #[must_use]
    fn smoothed_nll_gradient(&self, margin: T, smoothing: Smoothing<T>) -> Self::Gradient {
        let labels = Labels { smoothing, lapse: Lapse::none() };
        Self::Gradient::pack(four(row(self, margin, labels, Coordinates::Native)), Inside)
    }

    /// The label-smoothed loss with its gradient in the margin and in the parameters of any [`Coordinates`].
    ///
    /// * Formula: (1 − ε)·g(D) + ε·g(−D), g of [`nll_gradient_in`](Self::nll_gradient_in), the derivatives of g(−D)
    ///   being those of D ↦ nll(−D).
    /// * NaN: NaN in every field. ±∞: (1 − ε) and ε times the limits of the plain gradients at D and −D.
    /// * Max error: that of the two terms, each weighted, and 2 eps of the larger; they may cancel.
    ///
    /// ```
    /// use prefstrength::{Coordinates, Gamma, Smoothing, Strength};
    /// let beta = Gamma::<f64>::from_mean_v(0.1, 0.0)?; // v = 0 is allowed
    /// let g = beta.smoothed_nll_gradient_in(3.0, Smoothing::new(0.1)?, Coordinates::LnMeanV);
    /// assert!((g.d_params[0] - 3.0 * g.d_margin).abs() < 1e-15);
    /// # Ok::<(), prefstrength::ParamError>(())
    /// ```
    #[must_use]
    fn smoothed_nll_gradient_in(
        &self,
        margin: T,
        smoothing: Smoothing<T>,
        coordinates: Coordinates,
    ) -> NllGradient<T> {
        let labels = Labels { smoothing, lapse: Lapse::none() };
        NllGradient::pack(four(row(self, margin, labels, coordinates)), Inside)
    }

    /// The same strength where labels may be flipped: the loss −ln(ε₀ + (1 − ε₀ − ε₁)E\[σ(βD)\]).
    ///
    /// ```
    /// use prefstrength::{Gamma, Lapse, Strength};
    /// let beta = Gamma::<f64>::from_mean_cv(0.1, 0.5)?;
    /// let noisy = beta.with_lapse(Lapse::new(0.05)?);
    /// let a = 0.05 + 0.9 * beta.expected_sigmoid(-3.0);
    /// assert!((noisy.nll(-3.0) + a.ln()).abs() < 1e-15);
    /// # Ok::<(), prefstrength::ParamError>(())
    /// ```
    #[must_use]
    fn with_lapse(self, lapse: Lapse<T>) -> Lapsed<T, Self> {
        Lapsed { strength: self, lapse }
    }
}

/// Without the derivatives in a lapse.
fn four([a, b, c, d, ..]: Row) -> [f64; 4] {
    [a, b, c, d]
}

/// The tail at a margin, |margin|, and whether it is negative; `None` for NaN.
pub(super) fn tail_of<T: Real, S: Calculus>(beta: &S, margin: T, second: bool) -> Option<(Tail, f64, bool)> {
    let d = margin.to_f64();
    if d.is_nan() {
        return None;
    }
    Some((beta.tail_at(d.abs(), second, Inside), d.abs(), d < 0.0))
}

/// Loss, d_margin, the derivatives in the coordinates' parameters and in the lapse at one margin, NaN everywhere for a
/// NaN margin: the batch kernels' way out of their box.
pub(crate) fn row<T: Real, S: Calculus>(
    beta: &S,
    margin: T,
    labels: Labels<T>,
    coordinates: Coordinates,
) -> Row {
    let Some((tail, size, negative)) = tail_of(beta, margin, false) else { return [f64::NAN; 6] };
    let unit = beta.unit_of(Inside);
    labels.row(&tail, negative, |nll, negative, share| {
        let at = Local { nll, unit, size, negative, share };
        let slope = nll.slope(unit, size);
        let [p0, p1] = slopes(beta, &at, coordinates);
        [nll.value, -slope, p0, p1]
    })
}

/// ℓ, ∂ℓ/∂margin and the derivatives in the coordinates' parameters at one margin, NaN everywhere for a NaN margin.
///
/// With T the chance of the answer that is behind, dℓ = −d ln T/(1 − T) in whatever moves it.
pub(crate) fn logit_row<T: Real, S: Calculus>(beta: &S, margin: T, coordinates: Coordinates) -> [f64; 4] {
    let Some((tail, size, negative)) = tail_of(beta, margin, false) else { return [f64::NAN; 4] };
    let (unit, upper) = (beta.unit_of(Inside), 0.5 + tail.half_minus());
    let nll = tail.nll(true);
    let at = Local { nll, unit, size, negative: true, share: 1.0 };
    let sign = if negative { -1.0 } else { 1.0 };
    let slopes = slopes(beta, &at, coordinates).map(|slope| sign * slope / upper);
    [sign * tail.effective_logit(), nll.slope(unit, size) / upper, slopes[0], slopes[1]]
}

/// The derivatives in the coordinates' parameters.
fn slopes<S: Calculus>(beta: &S, at: &Local, coordinates: Coordinates) -> [f64; 2] {
    let scale = || at.nll.times(at.d_ln_margin());
    match coordinates {
        Coordinates::Native => beta.native_slopes(at, Inside),
        Coordinates::LnMeanLnCv => [scale(), 2.0 * beta.spread_slopes(at, Inside).1],
        Coordinates::LnMeanV => [scale(), beta.spread_slopes(at, Inside).0],
        Coordinates::MeanCv => {
            let [mean, cv] = beta.mean_and_cv(Inside);
            let (d_v, v_d_v) = beta.spread_slopes(at, Inside);
            // ∂/∂v may overflow where its product with a tiny cv does not.
            let d_cv = if d_v.is_finite() { cv * d_v } else { v_d_v / cv };
            [at.d_mean(mean), if cv == 0.0 { 0.0 } else { 2.0 * d_cv }]
        }
    }
}

macro_rules! implementations {
    ($($family:ident, $module:ident, $gradient:ident, $name:literal, $parameters:tt;)*) => {$(
        impl<T: Real> Strength<T> for strengths::$family<T> {
            type Gradient = strengths::$gradient<T>;
            fn mean(&self) -> T {
                self.moments()[0]
            }
            fn v(&self) -> T {
                self.moments()[1]
            }
        }
    )*};
}
families! { implementations }

impl<T: Real> Strength<T> for AnyStrength<T> {
    type Gradient = NllGradient<T>;
    fn mean(&self) -> T {
        self.mean()
    }
    fn v(&self) -> T {
        self.v()
    }
}
