//! The LogNormal distribution, on the normal one.

use super::strength::LogNormal;
use crate::family::place::{HALF_LN_2PI_E, Place, locate, quantile};
use crate::math::elementary::ln;
use crate::math::normal::{FRAC_1_SQRT_2PI, normal_cdf_twofold, normal_quantile};
use crate::math::twofold::{
    Twofold, add, div, exp_twofold, half_square, ln_positive, ln_quotient, neg, times, two_prod,
};
use crate::real::Real;
use num_traits::Float;

impl<T: Real> LogNormal<T> {
    /// Density e^{−z²/2}/(βσ√(2π)), z = (ln β − μ)/σ.
    ///
    /// * Domain: every β; 0 for β ≤ 0 and at ∞.
    /// * Special values: σ = 0: 0, and ∞ at e^μ. NaN at NaN.
    /// * Max error: 2e-15 relative for normal results, plus what the rounding of e^μ makes:
    ///   |z|/σ·2.2e-16.
    ///
    /// ```
    /// use prefstrength::LogNormal;
    /// let beta = LogNormal::<f64>::from_mu_sigma(0.0, 1.0)?;
    /// assert!((beta.pdf(1.0) - 0.3989422804014327).abs() < 1e-15);
    /// # Ok::<(), prefstrength::ParamError>(())
    /// ```
    #[must_use]
    pub fn pdf(&self, beta: T) -> T {
        T::from_f64(match self.locate(beta) {
            Place::Special(s) => s.pdf,
            Place::Inside(b) => exp_twofold(self.ln_density(b)) * FRAC_1_SQRT_2PI,
        })
    }

    /// ln of the density: −z²/2 − ln(βσ√(2π)), z = (ln β − μ)/σ, finite where the density underflows.
    ///
    /// * Domain: every β; −∞ for β ≤ 0 and at ∞.
    /// * Special values: the logarithms of those of [`pdf`](Self::pdf).
    /// * Max error: 2 ulp of the larger of 1 and |ln pdf|, plus |z|/σ·2.2e-16.
    #[must_use]
    pub fn ln_pdf(&self, beta: T) -> T {
        T::from_f64(match self.locate(beta) {
            Place::Special(s) => ln(s.pdf),
            Place::Inside(b) => add(self.ln_density(b), (ln(FRAC_1_SQRT_2PI), 0.0)).0,
        })
    }

    /// The probability of a strength ≤ β: Φ((ln β − μ)/σ) = ½erfc((μ − ln β)/(σ√2)).
    ///
    /// * Domain: every β.
    /// * Special values: 0 for β ≤ 0, 1 at ∞, NaN at NaN. σ = 0: a step at e^μ, where it is 1.
    /// * Max error: 1e-15 relative for normal results, also far below the median, plus the share of
    ///   the rounding of e^μ: 2.2e-16·β·pdf/cdf.
    ///
    /// ```
    /// use prefstrength::LogNormal;
    /// let beta = LogNormal::<f64>::from_mean_cv(0.1, 0.5)?;
    /// assert!((beta.cdf(beta.median()) - 0.5).abs() < 1e-15);
    /// assert!(beta.sf(50.0) > 0.0); // 1 − cdf would be 0
    /// # Ok::<(), prefstrength::ParamError>(())
    /// ```
    #[must_use]
    pub fn cdf(&self, beta: T) -> T {
        T::from_f64(match self.locate(beta) {
            Place::Special(s) => s.cdf,
            Place::Inside(b) => normal_cdf_twofold(self.deviate(b)),
        })
    }

    /// The probability of a strength > β: Φ((μ − ln β)/σ) = ½erfc((ln β − μ)/(σ√2)).
    ///
    /// * Domain: every β.
    /// * Special values: 1 for β ≤ 0, 0 at ∞, NaN at NaN. σ = 0: a step at e^μ, where it is 0.
    /// * Max error: that of [`cdf`](Self::cdf), relative to the upper tail itself.
    #[doc(alias = "survival")]
    #[must_use]
    pub fn sf(&self, beta: T) -> T {
        T::from_f64(match self.locate(beta) {
            Place::Special(s) => s.sf,
            Place::Inside(b) => normal_cdf_twofold(neg(self.deviate(b))),
        })
    }

    /// The β with [`cdf`](Self::cdf)(β) = p: e^{μ+σΦ⁻¹(p)}.
    ///
    /// * Domain: 0 ≤ p ≤ 1; NaN elsewhere.
    /// * Special values: 0 at p = 0, ∞ at p = 1, [`median`](Self::median) at ½ and, for σ = 0, for
    ///   every p.
    /// * Max error: 2.2e-16·(4 + σ) relative.
    ///
    /// ```
    /// use prefstrength::LogNormal;
    /// let beta = LogNormal::<f64>::from_mu_sigma(0.0, 1.0)?;
    /// assert!((beta.quantile(0.975) - 7.099071).abs() < 1e-6);
    /// # Ok::<(), prefstrength::ParamError>(())
    /// ```
    #[doc(alias = "ppf")]
    #[doc(alias = "inverse_cdf")]
    #[must_use]
    pub fn quantile(&self, p: T) -> T {
        let atom = (self.sigma == 0.0).then_some(self.median);
        let inside = |p| self.at(times(normal_quantile(p), self.sigma));
        T::from_f64(quantile(p.to_f64(), atom, inside))
    }

    /// e^μ; 1 ulp.
    #[must_use]
    pub fn median(&self) -> T {
        T::from_f64(self.median)
    }

    /// Where the density is largest: e^{μ−σ²}; 3 ulp.
    #[must_use]
    pub fn mode(&self) -> T {
        T::from_f64(self.at(neg(two_prod(self.sigma, self.sigma))))
    }

    /// Standard deviation mean·√(e^{σ²} − 1); 1e-14 relative. May overflow to ∞.
    #[must_use]
    pub fn std_dev(&self) -> T {
        T::from_f64(self.at(half_square((self.sigma, 0.0))) * self.spread())
    }

    /// Differential entropy μ + ln σ + ½ ln(2πe), in nats.
    ///
    /// * Special values: −∞ at σ = 0.
    /// * Max error: 2 ulp of the largest term.
    #[must_use]
    pub fn entropy(&self) -> T {
        T::from_f64(ln(self.median) + (HALF_LN_2PI_E + ln(self.sigma)))
    }

    /// E(β − mean)³/std³ = (e^{σ²} + 2)√(e^{σ²} − 1); 3e-14 relative. 0 at σ = 0, the limit.
    #[must_use]
    pub fn skewness(&self) -> T {
        T::from_f64((self.v + 3.0) * self.spread())
    }

    /// E(β − mean)⁴/variance² − 3 = v⁴ + 6v³ + 15v² + 16v, v = e^{σ²} − 1; 1e-13 relative. 0 at
    /// σ = 0, the limit.
    ///
    /// The textbook form e^{4σ²} + 2e^{3σ²} + 3e^{2σ²} − 6 cancels for small σ. May overflow to ∞ in
    /// f32.
    #[must_use]
    pub fn kurtosis_excess(&self) -> T {
        let v = self.v;
        T::from_f64(v * (16.0 + v * (15.0 + v * (6.0 + v))))
    }

    fn locate(&self, beta: T) -> Place {
        locate(beta, (self.sigma == 0.0).then(|| self.median()), 0.0)
    }

    /// √(e^{σ²} − 1), also where σ² underflows.
    pub(super) fn spread(&self) -> f64 {
        if self.sigma < 1e-8 { self.sigma } else { Float::sqrt(self.v) }
    }

    /// e^{μ+y}.
    pub(super) fn at(&self, y: Twofold) -> f64 {
        self.median * exp_twofold(y)
    }

    /// z = (ln β − μ)/σ for 0 < β < ∞ and σ > 0.
    pub(super) fn deviate(&self, beta: f64) -> Twofold {
        let median = self.median;
        let ratio = div((beta, 0.0), (median, 0.0));
        div(ln_quotient(beta, median, ratio), (self.sigma, 0.0))
    }

    /// −z²/2 − ln β − ln σ: the logarithm of the density, less ln(1/√(2π)).
    fn ln_density(&self, beta: f64) -> Twofold {
        let half = half_square(self.deviate(beta));
        neg(add(half, add(ln_positive(beta), ln_positive(self.sigma))))
    }
}
