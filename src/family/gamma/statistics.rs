//! The Gamma distribution, on the incomplete gamma functions.

use super::strength::Gamma;
use crate::family::place::{HALF_LN_2PI_E, Place, locate, quantile};
use crate::lanes::Lanes;
use crate::math::elementary::{exp, exp_m1, ln, ln_1p};
use crate::math::gamma_shape::DIGAMMA;
use crate::math::incomplete_gamma::{Point, ln_gamma_1p};
use crate::math::normal::normal_quantile;
use crate::math::twofold::{add, exp_twofold, ln_positive, sub};
use crate::real::Real;
use num_traits::Float;

/// From this shape on the mean, not the scale, is the exact parameter.
pub(super) const LARGE: f64 = 1e3;
/// Newton steps. Up to 11 where p is a normal number and k < 1e13; up to 62, by bisection, where the
/// tail is a staircase: k beyond 1e30, whose whole spread is an ulp or less, and subnormal p.
const MAX_NEWTON: usize = 100;

impl<T: Real> Gamma<T> {
    /// Density β^{k−1}e^{−β/θ}/(Γ(k)θᵏ).
    ///
    /// * Domain: every β; 0 below 0 and at ∞.
    /// * Special values at β = 0: ∞ for k < 1, 1/θ for k = 1, 0 for k > 1. Zero spread: 0, and ∞ at
    ///   the mean. NaN at NaN.
    /// * Max error: 4e-15 relative for normal results, plus what half an ulp of the mean (of θ for
    ///   k < 1000) makes: |k − β/θ|·1.1e-16.
    ///
    /// ```
    /// use prefstrength::Gamma;
    /// let exponential = Gamma::from_shape_scale(1.0, 0.5)?;
    /// assert_eq!(exponential.pdf(0.0), 2.0);
    /// # Ok::<(), prefstrength::ParamError>(())
    /// ```
    #[must_use]
    pub fn pdf(&self, beta: T) -> T {
        T::from_f64(match self.locate(beta) {
            Place::Special(s) => s.pdf,
            Place::Inside(b) => {
                let point = self.point_at(b);
                exp_twofold(sub(point.slope_exponent(), ln_positive(b))) * point.factor()
            }
        })
    }

    /// ln of the density: (k − 1) ln β − β/θ − ln Γ(k) − k ln θ, finite where the density underflows.
    ///
    /// * Domain: every β; −∞ below 0 and at ∞.
    /// * Special values: the logarithms of those of [`pdf`](Self::pdf).
    /// * Max error: 2 ulp of the largest of 1, |ln pdf|, |ln Γ(k + 1)| (½ ln k for k ≥ 20).
    #[must_use]
    pub fn ln_pdf(&self, beta: T) -> T {
        T::from_f64(match self.locate(beta) {
            Place::Special(s) => ln(s.pdf),
            Place::Inside(b) => {
                let point = self.point_at(b);
                let exponent = sub(point.slope_exponent(), ln_positive(b));
                add(exponent, (point.ln_factor(), 0.0)).0
            }
        })
    }

    /// The probability of a strength ≤ β: the regularised lower incomplete gamma function P(k, β/θ).
    ///
    /// * Domain: every β.
    /// * Special values: 0 for β ≤ 0, 1 at ∞, NaN at NaN. Zero spread: a step at the mean, where it
    ///   is 1.
    /// * Max error: 1e-14 relative for normal results, also far below the mean, plus the share of half
    ///   an ulp of the mean (of θ for k < 1000): 1.1e-16·β·pdf/cdf.
    ///
    /// ```
    /// use prefstrength::Gamma;
    /// let beta = Gamma::<f64>::from_mean_cv(0.1, 0.5)?;
    /// assert!((beta.cdf(0.1) + beta.sf(0.1) - 1.0).abs() < 1e-15);
    /// assert!(beta.sf(5.0) > 0.0); // 1 − cdf would be 0
    /// # Ok::<(), prefstrength::ParamError>(())
    /// ```
    #[must_use]
    pub fn cdf(&self, beta: T) -> T {
        T::from_f64(match self.locate(beta) {
            Place::Special(s) => s.cdf,
            Place::Inside(b) => self.point_at(b).tails().p,
        })
    }

    /// The probability of a strength > β: the regularised upper incomplete gamma function Q(k, β/θ).
    ///
    /// * Domain: every β.
    /// * Special values: 1 for β ≤ 0, 0 at ∞, NaN at NaN. Zero spread: a step at the mean, where it
    ///   is 0.
    /// * Max error: that of [`cdf`](Self::cdf), relative to the upper tail itself.
    #[doc(alias = "survival")]
    #[must_use]
    pub fn sf(&self, beta: T) -> T {
        T::from_f64(match self.locate(beta) {
            Place::Special(s) => s.sf,
            Place::Inside(b) => self.point_at(b).tails().q,
        })
    }

    /// The β with [`cdf`](Self::cdf)(β) = p.
    ///
    /// * Domain: 0 ≤ p ≤ 1; NaN elsewhere.
    /// * Special values: 0 at p = 0, ∞ at p = 1. Zero spread: the mean for every p. Small shapes put
    ///   quantiles below the smallest f64: those are 0.
    /// * Max error: cdf(quantile(p)) = p to 2e-14 relative (the smaller of p and 1 − p), plus the
    ///   share of the rounding of β, 2.2e-16·β·pdf/p.
    ///
    /// ```
    /// use prefstrength::Gamma;
    /// let beta = Gamma::<f64>::from_mean_cv(0.1, 0.5)?;
    /// let low = beta.quantile(0.025);
    /// assert!((beta.cdf(low) - 0.025).abs() < 1e-15);
    /// # Ok::<(), prefstrength::ParamError>(())
    /// ```
    #[doc(alias = "ppf")]
    #[doc(alias = "inverse_cdf")]
    #[must_use]
    pub fn quantile(&self, p: T) -> T {
        let atom = (self.v == 0.0).then_some(self.mean);
        let inside = |p| {
            // 1 − p is exact.
            let target = if p <= 0.5 { p } else { 1.0 - p };
            self.solve(target, p <= 0.5, normal_quantile(p).0)
        };
        T::from_f64(quantile(p.to_f64(), atom, inside))
    }

    /// [`quantile`](Self::quantile)(½); the mean at zero spread.
    #[must_use]
    pub fn median(&self) -> T {
        self.quantile(T::from_f64(0.5))
    }

    /// Where the density is largest: (k − 1)θ, and 0 for k ≤ 1; 2 ulp. The mean at zero spread.
    #[must_use]
    pub fn mode(&self) -> T {
        let k = self.k;
        T::from_f64(if k <= 1.0 {
            0.0
        } else if k < 2.0 {
            (k - 1.0) * self.theta
        } else {
            self.mean - self.theta
        })
    }

    /// Standard deviation √k·θ = mean·cv; 1 ulp.
    #[must_use]
    pub fn std_dev(&self) -> T {
        T::from_f64(self.mean * Float::sqrt(self.v))
    }

    /// Differential entropy k + ln θ + ln Γ(k) + (1 − k)ψ(k), in nats.
    ///
    /// * Special values: −∞ at zero spread.
    /// * Max error: 1e-14 absolute plus 4 ulp.
    #[must_use]
    pub fn entropy(&self) -> T {
        let k = self.k;
        T::from_f64(if k < 10.0 {
            let shape = k + ::special::Gamma::ln_gamma(k).0 + (1.0 - k) * ::special::Gamma::digamma(k);
            shape + ln(self.theta)
        } else {
            // Stirling's series of ln Γ and ψ, in which k and k ln k drop out:
            // ½ ln(2πe·variance) − 1/(2k) + Σ B₂ⱼ/(2j − 1)·k^{1−2j} − Σ B₂ⱼ/(2j)·k^{−2j}.
            let v = self.v;
            let w = v * v;
            let odd = w.poly(&ENTROPY_ODD);
            let even = w.poly(&DIGAMMA);
            let rest = v * (odd - 0.5) - w * even;
            HALF_LN_2PI_E + rest + (ln(self.mean) + 0.5 * ln(v))
        })
    }

    /// E(β − mean)³/std³ = 2/√k; 1 ulp. 0 at zero spread.
    #[must_use]
    pub fn skewness(&self) -> T {
        T::from_f64(2.0 * Float::sqrt(self.v))
    }

    /// E(β − mean)⁴/variance² − 3 = 6/k; 1 ulp. 0 at zero spread.
    #[must_use]
    pub fn kurtosis_excess(&self) -> T {
        T::from_f64(6.0 * self.v)
    }

    fn locate(&self, beta: T) -> Place {
        let edge = match self.k {
            k if k < 1.0 => f64::INFINITY,
            k if k > 1.0 => 0.0,
            _ => 1.0 / self.theta,
        };
        locate(beta, (self.v == 0.0).then(|| self.mean()), edge)
    }

    /// For 0 < β < ∞ and a spread above 0.
    fn point_at(&self, beta: f64) -> Point {
        let k = self.k;
        if k >= LARGE { Point::from_mean(k, beta, self.mean) } else { Point::from_scale(k, beta, self.theta) }
    }

    /// The β > 0 whose lower tail, or upper tail if not `lower`, is `target` ≤ ½, for a spread above 0; z is
    /// the standard normal score of the same probability, for a start.
    ///
    /// Newton's method for the logarithm of the smaller tail in ln β. Both logarithms are concave
    /// there (the density of ln β is log-concave), so that after one step the iterates approach
    /// from one side; the bracket only guards against rounding and underflow.
    pub(super) fn solve(&self, target: f64, lower: bool, z: f64) -> f64 {
        let (mut lo, mut hi) = (0.0, f64::INFINITY);
        let mut beta = self.guess(target, lower, z);
        let mut last = f64::INFINITY;
        for _ in 0..MAX_NEWTON {
            if beta == 0.0 {
                return 0.0;
            }
            let tails = self.point_at(beta).tails();
            let value = if lower { tails.p } else { tails.q };
            let off = ln_ratio(value, target);
            // Above 0 beyond the root.
            let f = if lower { off } else { -off };
            if f > 0.0 {
                hi = beta;
            } else {
                lo = beta;
            }
            // No step beyond e: from far below, the upper tail looks flat in ln β.
            let step = (-f * (value / tails.slope)).min(1.0);
            let next = beta + beta * exp_m1(step);
            // Within rounding of the root once steps are small and have stopped shrinking.
            if f == 0.0 || next == beta || (step.abs() < 1e-9 && step.abs() >= 0.5 * last) {
                return beta;
            }
            last = step.abs();
            // Also where `next` is NaN, from a tail that underflowed.
            let next = if next > lo && next < hi { next } else { between(lo, hi) };
            if !(next > lo && next < hi) {
                return beta;
            }
            beta = next;
        }
        beta
    }

    /// A start for [`solve`](Self::solve): the larger of the bound from P(k, x) ≤ xᵏ/Γ(k + 1), sharp
    /// for small x, and the cube of Wilson and Hilferty (1931).
    fn guess(&self, target: f64, lower: bool, z: f64) -> f64 {
        let (k, v, mean) = (self.k, self.v, self.mean);
        let root = 1.0 - v / 9.0 + z * Float::sqrt(v) / 3.0;
        let cube = (mean * root * root * root).min(f64::MAX);
        if k >= LARGE {
            return cube;
        }
        let ln_p = if lower { ln(target) } else { ln_1p(-target) };
        let bound = exp((ln_p + ln_gamma_1p(k)) / k + ln(self.theta)).min(f64::MAX);
        if cube > bound { cube } else { bound }
    }
}

/// ln(x/y), also where x/y is near 1.
fn ln_ratio(x: f64, y: f64) -> f64 {
    let off = x - y;
    if off.abs() < 0.5 * y { ln_1p(off / y) } else { ln(x) - ln(y) }
}

/// A point inside (lo, hi), on a logarithmic scale.
fn between(lo: f64, hi: f64) -> f64 {
    if lo == 0.0 {
        hi / 1024.0
    } else if hi == f64::INFINITY {
        (lo * 1024.0).min(f64::MAX)
    } else {
        Float::sqrt(lo) * Float::sqrt(hi)
    }
}

/// B₂ⱼ/(2j − 1), j ≥ 1.
const ENTROPY_ODD: [f64; 8] = [
    1.0 / 6.0,
    -1.0 / 90.0,
    1.0 / 210.0,
    -1.0 / 210.0,
    5.0 / 594.0,
    -691.0 / 30_030.0,
    7.0 / 78.0,
    -3617.0 / 7650.0,
];
