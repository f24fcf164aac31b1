//! Draws of β with their derivatives in the parameters.

use crate::family::Inside;
use crate::loss::Strength;
use crate::real::Real;

/// A draw of β and its derivatives at fixed noise.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample<T> {
    /// β.
    pub value: T,
    /// ∂β/∂p in the native parameters: (shape, scale), (μ, σ), (mean, λ), or β and a 0 in the second place.
    pub d_params: [T; 2],
}

impl<T: Real> Sample<T> {
    fn new((value, d_params): (f64, [f64; 2])) -> Self {
        Self { value: T::from_f64(value), d_params: d_params.map(T::from_f64) }
    }
}

/// Strengths as differentiable functions of noise: β = F⁻¹(Φ(z)), z standard normal.
///
/// The derivatives turn those of a loss in β into unbiased estimates of those of its expectation:
/// ∂E\[f(β)\]/∂p = E\[f′(β)·∂β/∂p\]. β increases with z.
///
/// * Domain: every z. NaN gives NaN in every field.
/// * Special values: z = ∞ gives ∞ and z = −∞ gives 0, in every field; so does β that underflows. A point mass
///   is at its β for every z; Gamma at v = 0 has the limits of the derivatives, (θ, k) = (0, ∞), LogNormal at
///   σ = 0 has zβ for that in σ. Gamma takes finite z beyond ±37.5, of probability 5e-308, for ±37.5.
/// * Max error, relative, β: Gamma 7e-16·(1 + (2 + z²/2)/k) plus half an ulp of the mean (of θ for k < 1000);
///   LogNormal 7e-16 + 1.2e-16·σ|z|. Derivatives: that of β and, in the shape, 2e-15.
/// * Source: Figurnov, Mohamed & Mnih 2018, arXiv 1805.08498, in a form without cancellation.
///
/// ```
/// use prefstrength::{Gamma, LogNormal};
/// use prefstrength::sampling::Reparameterised;
///
/// // The scale multiplies, whatever the shape.
/// let draw = Gamma::<f64>::from_shape_scale(4.0, 0.025)?.sample(0.7);
/// assert!((draw.d_params[1] * 0.025 - draw.value).abs() < 1e-16);
/// // β = e^{μ+σz}
/// let draw = LogNormal::<f64>::from_mu_sigma(0.0, 1.0)?.sample(2.0);
/// assert_eq!(draw.d_params, [draw.value, 2.0 * draw.value]);
/// # Ok::<(), prefstrength::ParamError>(())
/// ```
pub trait Reparameterised<T: Real>: Strength<T> {
    /// The draw that belongs to a standard normal score z.
    ///
    /// ```
    /// use prefstrength::Gamma;
    /// use prefstrength::sampling::Reparameterised;
    /// let beta = Gamma::<f64>::from_mean_cv(0.1, 0.5)?;
    /// let h = 1e-6;
    /// let other = Gamma::from_shape_scale(beta.shape() + h, beta.scale())?;
    /// let (draw, moved) = (beta.sample(1.0), other.sample(1.0));
    /// assert!((draw.d_params[0] - (moved.value - draw.value) / h).abs() < 1e-7);
    /// # Ok::<(), prefstrength::ParamError>(())
    /// ```
    #[must_use]
    fn sample(&self, z: T) -> Sample<T>;

    /// The same derivatives at a β that was drawn in another way: −(∂F/∂p)/F′, implicit reparameterisation.
    ///
    /// * Domain: 0 ≤ β ≤ ∞. β < 0 and NaN give NaN in every field.
    /// * Special values: those of [`sample`](Self::sample) at the z of β. A point mass has the same derivatives
    ///   at every β, and, as β does not tell which z was drawn, LogNormal has 0 in σ, the mean over z.
    /// * Max error, relative: 2e-15, but 2.2e-16·(2 + 1/σ)·β absolute in σ.
    ///
    /// ```
    /// use prefstrength::LogNormal;
    /// use prefstrength::sampling::Reparameterised;
    /// let beta = LogNormal::<f64>::from_mu_sigma(0.0, 0.5)?;
    /// let draw = beta.sample_at(1.0_f64.exp()); // z = 2
    /// assert!((draw.d_params[1] - 2.0 * draw.value).abs() < 1e-15);
    /// # Ok::<(), prefstrength::ParamError>(())
    /// ```
    #[must_use]
    fn sample_at(&self, beta: T) -> Sample<T>;
}

impl<T: Real, S: Strength<T>> Reparameterised<T> for S {
    fn sample(&self, z: T) -> Sample<T> {
        Sample::new(self.draw(z.to_f64(), Inside))
    }
    fn sample_at(&self, beta: T) -> Sample<T> {
        Sample::new(self.draw_at(in_support(beta), Inside))
    }
}

/// NaN for β < 0, 0 for −0.
fn in_support<T: Real>(beta: T) -> f64 {
    let beta = beta.to_f64();
    if beta < 0.0 { f64::NAN } else { beta.abs() }
}
