//! Losses and their analytic gradients: the trait [`Strength`] over every family.

use crate::canonical::{Nll, Tail};
use crate::family::{Fixed, Gamma, Kernel, LogNormal, ParamError};
use crate::float::Real;

/// Label smoothing ε of conservative DPO: each label is wrong with probability ε, and the loss is
/// (1 − ε)·nll(D) + ε·nll(−D).
///
/// ```
/// use prefstrength::{Fixed, Smoothing, Strength};
/// let beta: Fixed<f64> = Fixed::new(0.1)?;
/// let eps = Smoothing::new(0.1)?;
/// let smoothed = beta.smoothed_nll(2.0, eps);
/// assert!((smoothed - (0.9 * beta.nll(2.0) + 0.1 * beta.nll(-2.0))).abs() < 1e-15);
/// # Ok::<(), prefstrength::ParamError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Smoothing<T>(T);

impl<T: Real> Smoothing<T> {
    /// 0 ≤ ε ≤ 1; conservative DPO has ε < ½.
    ///
    /// # Errors
    /// [`ParamError::SmoothingNotInUnit`], also for NaN.
    ///
    /// ```
    /// use prefstrength::Smoothing;
    /// assert_eq!(Smoothing::new(0.1)?.epsilon(), 0.1);
    /// assert!(Smoothing::new(1.5).is_err() && Smoothing::new(f64::NAN).is_err());
    /// # Ok::<(), prefstrength::ParamError>(())
    /// ```
    pub fn new(epsilon: T) -> Result<Self, ParamError> {
        if epsilon >= T::zero() && epsilon <= T::one() {
            Ok(Self(epsilon.abs()))
        } else {
            Err(ParamError::SmoothingNotInUnit)
        }
    }

    /// ε = 0: the plain loss.
    ///
    /// ```
    /// use prefstrength::{Gamma, Smoothing, Strength};
    /// let beta = Gamma::<f64>::from_mean_cv(0.1, 0.5)?;
    /// assert_eq!(beta.smoothed_nll(2.0, Smoothing::none()), beta.nll(2.0));
    /// # Ok::<(), prefstrength::ParamError>(())
    /// ```
    #[must_use]
    pub fn none() -> Self {
        Self(T::zero())
    }

    /// ε as given, in \[0, 1\].
    ///
    /// ```
    /// assert_eq!(prefstrength::Smoothing::<f64>::none().epsilon(), 0.0);
    /// ```
    #[must_use]
    pub fn epsilon(&self) -> T {
        self.0
    }
}

macro_rules! gradients {
    ($($(#[$doc:meta])* $name:ident { $($(#[$fdoc:meta])* $field:ident),* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub struct $name<T> {
            /// The loss.
            pub value: T,
            /// Its derivative in the margin.
            pub d_margin: T,
            $($(#[$fdoc])* pub $field: T,)*
        }
    )*};
}
gradients! {
    /// Loss and gradient of [`Fixed`] in its own parameter.
    FixedGradient {
        /// Derivative in β.
        d_beta
    }
    /// Loss and gradient of [`Gamma`] in shape and scale.
    GammaGradient {
        /// Derivative in the shape k, at fixed scale.
        d_shape,
        /// Derivative in the scale θ, at fixed shape.
        d_scale
    }
    /// Loss and gradient of [`LogNormal`] in μ and σ.
    LogNormalGradient {
        /// Derivative in μ.
        d_mu,
        /// Derivative in σ, at fixed μ.
        d_sigma
    }
    /// Loss and gradient in ln mean and ln cv: unconstrained coordinates for learning.
    LnMeanLnCv {
        /// Derivative in ln E\[β\], at fixed cv.
        d_ln_mean,
        /// Derivative in ln cv, at fixed mean; 0 at cv = 0.
        d_ln_cv
    }
    /// Loss and gradient in ln mean and v = cv²: coordinates in which plain DPO is the boundary
    /// v = 0.
    LnMeanV {
        /// Derivative in ln E\[β\], at fixed v.
        d_ln_mean,
        /// Derivative in v, at fixed mean. At v = 0 its negative is the score of heterogeneity, the
        /// same for every family.
        d_v
    }
}

/// Mean and variance of β given that the chosen answer was chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Posterior<T> {
    /// E\[β | choice\].
    pub mean: T,
    /// Var(β | choice).
    pub variance: T,
}

/// In which parameters of p(β) a batch's gradients are given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Coordinates {
    /// The family's own: (shape, scale), (μ, σ), or β.
    #[default]
    Native,
    /// (ln mean, ln cv); the second derivative is 0 at cv = 0.
    LnMeanLnCv,
    /// (ln mean, v = cv²): v = 0 is the boundary where MixDPO is plain DPO.
    LnMeanV,
}

mod sealed {
    use super::Coordinates;
    use crate::canonical::Nll;

    /// Which integral a batch takes.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Integral {
        /// Plain DPO; shape is not used.
        Fixed,
        /// Shape is v.
        Gamma,
        /// Shape is σ.
        LogNormal,
        /// None of them: the scalar kernels alone serve.
        Scalar,
    }

    /// One p(β), as the batch kernels see it.
    #[derive(Clone, Copy, Debug)]
    pub struct Model {
        pub(crate) integral: Integral,
        /// Unit of the margin: E\[β\], or e^μ for a LogNormal.
        pub(crate) unit: f64,
        pub(crate) shape: f64,
        /// ∂/∂pᵢ = matrix\[i\]\[0\]·D ∂nll/∂D + matrix\[i\]\[1\]·∂nll/∂v (LogNormal: ∂q, q = σ²).
        pub(crate) matrix: [[f64; 2]; 2],
        /// How many parameters the coordinates have.
        pub(crate) params: usize,
    }

    /// Everything at one margin, in f64: the families differ in the native parameters alone.
    #[derive(Clone, Copy, Debug)]
    pub struct Local {
        pub(crate) nll: Nll,
        pub(crate) unit: f64,
        pub(crate) size: f64,
        pub(crate) negative: bool,
    }

    impl Local {
        /// Of a quantity that is odd in the margin and grows against it.
        pub(crate) fn signed(&self, z: f64) -> f64 {
            if self.negative { z } else { -z }
        }

        /// D ∂nll/∂D, before scaling.
        pub(crate) fn d_ln_margin(&self) -> f64 {
            self.signed(self.nll.elasticity(self.unit, self.size))
        }
    }

    /// The part of a family's calculus that only this crate may implement.
    pub trait Family<T> {
        /// T at |margin|.
        fn tail_at(&self, size: f64, second: bool) -> crate::canonical::Tail;
        /// Unit of x in the tail.
        fn unit_of(&self) -> f64;
        /// Posterior mean and variance.
        fn posterior_at(&self, size: f64, negative: bool) -> (f64, f64);
        /// Derivatives in the native parameters.
        fn native(&self, at: &Local) -> [f64; 2];
        /// (∂/∂v, v ∂/∂v) at fixed mean.
        fn spread(&self, at: &Local) -> (f64, f64);
        /// For the batch kernels.
        fn model(&self, coordinates: Coordinates) -> Model;
    }

    /// A gradient struct, from loss, d_margin and up to two native derivatives.
    pub trait Pack {
        /// Rounds and assembles.
        fn pack(parts: [f64; 4]) -> Self;
    }
}
pub(crate) use sealed::{Family as BatchFamily, Integral, Model};
use sealed::{Family, Local, Pack};

/// A random strength β: losses, gradients and posteriors at a margin D (chosen minus rejected
/// log-ratio, before β). Sealed; implemented by [`Fixed`], [`Gamma`] and [`LogNormal`] for f32 and
/// f64.
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
pub trait Strength<T: Real>: Family<T> + Copy + core::fmt::Debug + Send + Sync + 'static {
    /// Loss and gradient in the margin and the family's native parameters: [`FixedGradient`],
    /// [`GammaGradient`] or [`LogNormalGradient`].
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
        let Some((tail, _, negative)) = at(self, margin, false) else { return T::nan() };
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

    /// The loss −ln E\[σ(βD)\] (MixDPO; plain DPO for [`Fixed`]). Positive, decreasing in D.
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
        let Some((tail, _, negative)) = at(self, margin, false) else { return T::nan() };
        T::from_f64(tail.nll(negative).value)
    }

    /// The loss with its gradient in the margin and the family's native parameters, in one pass.
    ///
    /// * NaN: NaN in every field. +∞: every field 0 (β = 0: loss ln 2, d_beta −∞).
    /// * −∞: loss ∞. [`Fixed`]: d_margin −β, d_beta ∞. [`Gamma`]: d_margin 0, d_shape ∞, d_scale k/θ.
    ///   [`LogNormal`]: d_margin 0, d_mu ∞, d_sigma −∞. At v = 0 d_margin is −E\[β\]; at σ = 0 d_sigma
    ///   is 0.
    /// * A [`Gamma`] of v = 0 has no native parameters: take another gradient there.
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

    /// The loss with its gradient in the margin, ln mean and ln cv; d_ln_mean = D·d_margin.
    ///
    /// * NaN: NaN in every field. +∞: every field 0 (β = 0: loss ln 2).
    /// * −∞: loss ∞; d_margin 0, or −E\[β\] at cv = 0; d_ln_mean ∞, or k for [`Gamma`] of shape k; d_ln_cv
    ///   −∞, or 0 at cv = 0.
    /// * Max error: nll 4 eps, derivatives 8, d_ln_cv 24 (for D > 0 times 1 + |ln T|).
    ///
    /// ```
    /// use prefstrength::{Gamma, Strength};
    /// let g = Gamma::<f64>::from_mean_cv(0.1, 0.5)?.nll_gradient_ln_mean_ln_cv(3.0);
    /// assert!((g.d_ln_mean - 3.0 * g.d_margin).abs() < 1e-15 && g.d_ln_cv > 0.0);
    /// # Ok::<(), prefstrength::ParamError>(())
    /// ```
    #[must_use]
    fn nll_gradient_ln_mean_ln_cv(&self, margin: T) -> LnMeanLnCv<T> {
        self.smoothed_nll_gradient_ln_mean_ln_cv(margin, Smoothing::none())
    }

    /// The loss with its gradient in the margin, ln mean and v = cv²; v = 0 is allowed.
    ///
    /// * NaN: NaN in every field. +∞: every field 0 (β = 0: loss ln 2).
    /// * −∞: loss ∞; d_margin 0, or −E\[β\] at v = 0; d_ln_mean ∞, or k for [`Gamma`] of shape k; d_v −∞.
    /// * Max error: nll 4 eps, derivatives 8, d_v 24 (for D > 0 times 1 + |ln T|).
    ///
    /// ```
    /// use prefstrength::{Gamma, LogNormal, Strength};
    /// let gamma = Gamma::<f64>::from_mean_v(1.0, 0.0)?.nll_gradient_ln_mean_v(2.0);
    /// let lognormal = LogNormal::<f64>::from_mean_v(1.0, 0.0)?.nll_gradient_ln_mean_v(2.0);
    /// assert!(gamma.d_v > 0.0 && (gamma.d_v - lognormal.d_v).abs() < 1e-15);
    /// # Ok::<(), prefstrength::ParamError>(())
    /// ```
    #[must_use]
    fn nll_gradient_ln_mean_v(&self, margin: T) -> LnMeanV<T> {
        self.smoothed_nll_gradient_ln_mean_v(margin, Smoothing::none())
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
        let Some((tail, size, negative)) = at(self, margin, true) else { return T::nan() };
        T::from_f64(tail.nll(negative).curvature(self.unit_of(), size))
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
        let Some((tail, _, negative)) = at(self, margin, false) else { return T::nan() };
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
        let Some((tail, size, _)) = at(self, margin, false) else { return T::nan() };
        T::from_f64(tail.nll(true).slope(self.unit_of(), size) / (0.5 + tail.half_minus()))
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
        let (mean, variance) = self.posterior_at(d.abs(), d < 0.0);
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
        let Some((tail, _, negative)) = at(self, margin, false) else { return T::nan() };
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
        Self::Gradient::pack(row(self, margin, smoothing, Coordinates::Native))
    }

    /// The label-smoothed loss with its gradient in the margin, ln mean and ln cv.
    ///
    /// * Formula: (1 − ε)·g(D) + ε·g(−D), g of
    ///   [`nll_gradient_ln_mean_ln_cv`](Self::nll_gradient_ln_mean_ln_cv),
    ///   the derivatives of g(−D) being those of D ↦ nll(−D).
    /// * NaN: NaN in every field. ±∞: (1 − ε) and ε times the limits of the plain gradients at D and −D.
    /// * Max error: that of the two terms, each weighted, and 2 eps of the larger; they may cancel.
    ///
    /// ```
    /// use prefstrength::{Gamma, Smoothing, Strength};
    /// let beta = Gamma::<f64>::from_mean_cv(0.1, 0.5)?;
    /// let g = beta.smoothed_nll_gradient_ln_mean_ln_cv(3.0, Smoothing::new(0.1)?);
    /// assert!((g.d_ln_mean - 3.0 * g.d_margin).abs() < 1e-15);
    /// # Ok::<(), prefstrength::ParamError>(())
    /// ```
    #[must_use]
    fn smoothed_nll_gradient_ln_mean_ln_cv(&self, margin: T, smoothing: Smoothing<T>) -> LnMeanLnCv<T> {
        let [value, d_margin, d_ln_mean, d_ln_cv] =
            row(self, margin, smoothing, Coordinates::LnMeanLnCv).map(T::from_f64);
        LnMeanLnCv { value, d_margin, d_ln_mean, d_ln_cv }
    }

    /// The label-smoothed loss with its gradient in the margin, ln mean and v.
    ///
    /// * Formula: (1 − ε)·g(D) + ε·g(−D), g of [`nll_gradient_ln_mean_v`](Self::nll_gradient_ln_mean_v),
    ///   the derivatives of g(−D) being those of D ↦ nll(−D).
    /// * NaN: NaN in every field. ±∞: (1 − ε) and ε times the limits of the plain gradients at D and −D.
    /// * Max error: that of the two terms, each weighted, and 2 eps of the larger; they may cancel.
    ///
    /// ```
    /// use prefstrength::{Gamma, Smoothing, Strength};
    /// let beta = Gamma::<f64>::from_mean_v(0.1, 0.0)?; // v = 0 is allowed
    /// let g = beta.smoothed_nll_gradient_ln_mean_v(3.0, Smoothing::new(0.1)?);
    /// assert!((g.d_ln_mean - 3.0 * g.d_margin).abs() < 1e-15);
    /// # Ok::<(), prefstrength::ParamError>(())
    /// ```
    #[must_use]
    fn smoothed_nll_gradient_ln_mean_v(&self, margin: T, smoothing: Smoothing<T>) -> LnMeanV<T> {
        let [value, d_margin, d_ln_mean, d_v] =
            row(self, margin, smoothing, Coordinates::LnMeanV).map(T::from_f64);
        LnMeanV { value, d_margin, d_ln_mean, d_v }
    }
}

/// The tail at a margin, |margin|, and whether it is negative; `None` for NaN.
fn at<T: Real, S: Family<T> + ?Sized>(family: &S, margin: T, second: bool) -> Option<(Tail, f64, bool)> {
    let d = margin.to_f64();
    if d.is_nan() {
        return None;
    }
    Some((family.tail_at(d.abs(), second), d.abs(), d < 0.0))
}

/// (1 − ε)·f(false) + ε·f(true), without touching f(true) at ε = 0 nor f(false) at ε = 1: 0·∞ is 0.
pub(crate) fn mix<T: Real, const M: usize>(
    smoothing: Smoothing<T>,
    f: impl Fn(bool) -> [f64; M],
) -> [f64; M] {
    let eps = smoothing.0.to_f64();
    if eps == 0.0 {
        return f(false);
    }
    if eps == 1.0 {
        return f(true);
    }
    let mut out = f(false);
    for (a, b) in out.iter_mut().zip(f(true)) {
        *a = (1.0 - eps) * *a + eps * b;
    }
    out
}

/// Loss, d_margin and two derivatives in parameters; NaN everywhere for a NaN margin.
fn gradient<T: Real, S: Family<T> + ?Sized>(
    family: &S,
    margin: T,
    smoothing: Smoothing<T>,
    params: impl Fn(&Local) -> [f64; 2],
) -> [f64; 4] {
    let Some((tail, size, negative)) = at(family, margin, false) else { return [f64::NAN; 4] };
    mix(smoothing, |flip| {
        let unit = family.unit_of();
        let local = Local { nll: tail.nll(negative != flip), unit, size, negative: negative != flip };
        let slope = local.nll.slope(unit, size);
        let [p0, p1] = params(&local);
        [local.nll.value, if flip { slope } else { -slope }, p0, p1]
    })
}

/// Loss, d_margin and the derivatives in the coordinates' parameters at one margin: the batch kernels'
/// way out of their box.
pub(crate) fn row<T: Real, S: Family<T>>(
    family: &S,
    margin: T,
    smoothing: Smoothing<T>,
    coordinates: Coordinates,
) -> [f64; 4] {
    gradient(family, margin, smoothing, |at| match coordinates {
        Coordinates::Native => family.native(at),
        Coordinates::LnMeanLnCv => [at.nll.times(at.d_ln_margin()), 2.0 * family.spread(at).1],
        Coordinates::LnMeanV => [at.nll.times(at.d_ln_margin()), family.spread(at).0],
    })
}

macro_rules! strength {
    (
        $family:ident, $gradient:ident { $($field:ident),* }, $self:ident, $at:ident, $derivatives:expr, $spread:expr,
        |$coordinates:ident| $model:expr
    ) => {
        impl<T: Real> Family<T> for $family<T> {
            fn tail_at(&self, size: f64, second: bool) -> Tail {
                Kernel::tail(self, size, second)
            }
            fn unit_of(&self) -> f64 {
                Kernel::unit(self)
            }
            fn posterior_at(&self, size: f64, negative: bool) -> (f64, f64) {
                Kernel::posterior(self, size, negative)
            }
            fn native(&$self, $at: &Local) -> [f64; 2] {
                $derivatives
            }
            fn spread(&$self, $at: &Local) -> (f64, f64) {
                $spread
            }
            fn model(&$self, $coordinates: Coordinates) -> Model {
                $model
            }
        }
        impl<T: Real> Pack for $gradient<T> {
            fn pack([value, d_margin, rest @ ..]: [f64; 4]) -> Self {
                let mut rest = rest.into_iter();
                let mut next = || T::from_f64(rest.next().unwrap_or(f64::NAN));
                Self { value: T::from_f64(value), d_margin: T::from_f64(d_margin), $($field: next()),* }
            }
        }
        impl<T: Real> Strength<T> for $family<T> {
            type Gradient = $gradient<T>;
            fn mean(&self) -> T {
                $family::mean(self)
            }
            fn v(&self) -> T {
                $family::v(self)
            }
        }
    };
}

strength!(
    Fixed,
    FixedGradient { d_beta },
    self,
    at,
    // ∂nll/∂β = D nll_D/β = D·(slope at unit strength)
    [if at.nll.d1 == 0.0 { 0.0 } else { at.signed(at.nll.times(at.size * at.nll.d1)) }, 0.0],
    (at.nll.times(at.nll.d_v), 0.0),
    |coordinates| {
        let beta = Kernel::unit(self);
        let (matrix, params) = match coordinates {
            Coordinates::Native => ([[1.0 / beta, 0.0], [0.0; 2]], 1),
            Coordinates::LnMeanLnCv => ([[1.0, 0.0], [0.0; 2]], 2),
            Coordinates::LnMeanV => ([[1.0, 0.0], [0.0, 1.0]], 2),
        };
        Model { integral: Integral::Fixed, unit: beta, shape: 0.0, matrix, params }
    }
);
strength!(
    Gamma,
    GammaGradient { d_shape, d_scale },
    self,
    at,
    {
        // ∂/∂k = (D nll_D − v nll_v)/k and ∂/∂θ = D nll_D/θ, arranged so that x never underflows
        // alone: x/k = θ|D|, x/θ = k|D|.
        let Nll { plain, d1, v_d_v, .. } = at.nll;
        let (k, theta, v) = (self.k_f64(), self.theta_f64(), self.v_f64());
        let by_k = if plain { theta * at.size * d1 } else { d1 * v };
        let by_theta = match plain {
            true => k * at.size * d1,
            // θ underflows to 0 where a tiny mean meets a tiny v.
            false if d1 == 0.0 => 0.0,
            false => d1 / theta,
        };
        [at.nll.times(at.signed(by_k) - v * v_d_v), at.nll.times(at.signed(by_theta))]
    },
    (at.nll.times(at.nll.d_v), at.nll.times(at.nll.v_d_v)),
    |coordinates| {
        let v = self.v_f64();
        let matrix = match coordinates {
            Coordinates::Native => [[v, -(v * v)], [1.0 / self.theta_f64(), 0.0]],
            Coordinates::LnMeanLnCv => [[1.0, 0.0], [0.0, 2.0 * v]],
            Coordinates::LnMeanV => [[1.0, 0.0], [0.0, 1.0]],
        };
        let integral = match (v == 0.0, coordinates) {
            (false, _) => Integral::Gamma,
            // A point mass has no shape and scale.
            (true, Coordinates::Native) => Integral::Scalar,
            (true, _) => Integral::Fixed,
        };
        Model { integral, unit: Kernel::unit(self), shape: v, matrix, params: 2 }
    }
);
strength!(
    LogNormal,
    LogNormalGradient { d_mu, d_sigma },
    self,
    at,
    {
        let sigma = self.sigma_f64();
        let d_mu = at.nll.times(at.d_ln_margin());
        // ∂/∂σ at fixed μ: σ D nll_D + 2σ nll_q. At σ = 0 it is 0, also where x overflows.
        let d_sigma = if sigma == 0.0 {
            0.0
        } else if at.size == f64::INFINITY {
            if at.negative { f64::NEG_INFINITY } else { 0.0 }
        } else if at.nll.d_v.is_infinite() {
            // Quadratic in x, where the first term is linear.
            at.nll.d_v
        } else {
            at.nll.times(sigma * (at.d_ln_margin() + 2.0 * at.nll.d_v))
        };
        [d_mu, d_sigma]
    },
    {
        // nll_v = nll_q/(1 + v). At v = 0, v·nll_v is 0, also where nll_q overflows.
        let (d_v, v) = (at.nll.d_v / (1.0 + self.v_f64()), self.v_f64());
        let v_d_v = if v == 0.0 { 0.0 } else { v * d_v };
        (at.nll.times(d_v), at.nll.times(v_d_v))
    },
    |coordinates| {
        let (sigma, v) = (self.sigma_f64(), self.v_f64());
        let matrix = match coordinates {
            Coordinates::Native => [[1.0, 0.0], [sigma, 2.0 * sigma]],
            Coordinates::LnMeanLnCv => [[1.0, 0.0], [0.0, 2.0 * v / (1.0 + v)]],
            Coordinates::LnMeanV => [[1.0, 0.0], [0.0, 1.0 / (1.0 + v)]],
        };
        let integral = if sigma == 0.0 { Integral::Fixed } else { Integral::LogNormal };
        Model { integral, unit: Kernel::unit(self), shape: sigma, matrix, params: 2 }
    }
);
