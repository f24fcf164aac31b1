//! Densities, distribution functions, quantiles and moments of the families.
//!
//! Everything is computed in f64 and rounded once. Exponents that may reach −745 are carried as
//! unevaluated sums of two f64, since half an ulp of 700 alone would cost 6e-14 of e⁻⁷⁰⁰.
//!
//! `special` supplies Γ, ln Γ, ψ and erfc. Its incomplete gamma function is not used: it does not
//! return for NaN, has no upper tail, and takes its exponent from ln Γ, which cancels.

use super::{Fixed, Gamma, Kernel, LogNormal};
use crate::float::Real;
use crate::lanes::Lanes;
use crate::special::elementary::{exp, ln};
use crate::special::twofold::{two_prod, two_sum};
use core::f64::consts::{FRAC_1_PI, FRAC_1_SQRT_2, PI, SQRT_2};
use num_traits::Float;

/// 1/√(2π)
const FRAC_1_SQRT_2PI: f64 = 0.398_942_280_401_432_7;
/// ½ ln(2πe)
const HALF_LN_2PI_E: f64 = 1.418_938_533_204_672_8;

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
                let (exponent, factor, _) = self.density(&self.point_at(b), b);
                exp_wide(exponent) * factor
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
                let (exponent, _, ln_factor) = self.density(&self.point_at(b), b);
                add(exponent, (ln_factor, 0.0)).0
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
        let p = p.to_f64();
        T::from_f64(if !(0.0..=1.0).contains(&p) {
            f64::NAN
        } else if self.v_f64() == 0.0 {
            self.unit()
        } else if p == 0.0 {
            0.0
        } else if p == 1.0 {
            f64::INFINITY
        } else {
            self.solve(p)
        })
    }

    /// [`quantile`](Self::quantile)(½); the mean at zero spread.
    #[must_use]
    pub fn median(&self) -> T {
        self.quantile(T::from_f64(0.5))
    }

    /// Where the density is largest: (k − 1)θ, and 0 for k ≤ 1; 2 ulp. The mean at zero spread.
    #[must_use]
    pub fn mode(&self) -> T {
        let k = self.k_f64();
        T::from_f64(if k <= 1.0 {
            0.0
        } else if k < 2.0 {
            (k - 1.0) * self.theta_f64()
        } else {
            self.unit() - self.theta_f64()
        })
    }

    /// Standard deviation √k·θ = mean·cv; 1 ulp.
    #[must_use]
    pub fn std_dev(&self) -> T {
        T::from_f64(self.unit() * Float::sqrt(self.v_f64()))
    }

    /// Differential entropy k + ln θ + ln Γ(k) + (1 − k)ψ(k), in nats.
    ///
    /// * Special values: −∞ at zero spread.
    /// * Max error: 1e-14 absolute plus 4 ulp.
    #[must_use]
    pub fn entropy(&self) -> T {
        let k = self.k_f64();
        T::from_f64(if k < 10.0 {
            let shape = k + ::special::Gamma::ln_gamma(k).0 + (1.0 - k) * ::special::Gamma::digamma(k);
            shape + ln(self.theta_f64())
        } else {
            // Stirling's series of ln Γ and ψ, in which k and k ln k drop out:
            // ½ ln(2πe·variance) − 1/(2k) + Σ B₂ⱼ/(2j − 1)·k^{1−2j} − Σ B₂ⱼ/(2j)·k^{−2j}.
            let v = self.v_f64();
            let w = v * v;
            let odd = series(w, &ENTROPY_ODD);
            let even = series(w, &ENTROPY_EVEN);
            let rest = v * (odd - 0.5) - w * even;
            HALF_LN_2PI_E + rest + (ln(self.unit()) + 0.5 * ln(v))
        })
    }

    /// E(β − mean)³/std³ = 2/√k; 1 ulp. 0 at zero spread.
    #[must_use]
    pub fn skewness(&self) -> T {
        T::from_f64(2.0 * Float::sqrt(self.v_f64()))
    }

    /// E(β − mean)⁴/variance² − 3 = 6/k; 1 ulp. 0 at zero spread.
    #[must_use]
    pub fn kurtosis_excess(&self) -> T {
        T::from_f64(6.0 * self.v_f64())
    }

    fn locate(&self, beta: T) -> Place {
        let edge = match self.k_f64() {
            k if k < 1.0 => f64::INFINITY,
            k if k > 1.0 => 0.0,
            _ => 1.0 / self.theta_f64(),
        };
        locate(beta, T::from_f64(self.unit()), self.v_f64() == 0.0, edge)
    }

    /// k, x = β/θ and the exponent of x^k e^{−x} for 0 < β < ∞ and a spread above 0.
    fn point_at(&self, beta: f64) -> Point {
        let a = self.k_f64();
        if a >= LARGE {
            // β/mean rather than β/θ: θ = mean/k carries an ulp, which counts √k times.
            let mean = self.unit();
            let mu = div(two_sum(beta, -mean), (mean, 0.0));
            let ratio = div((beta, 0.0), (mean, 0.0));
            let phi = phi(mu, || ln_quotient(beta, mean, ratio));
            return Point { a, x: a * ratio.0, mu: mu.0, ln_x: f64::NAN, exponent: times(phi, a) };
        }
        let theta = self.theta_f64();
        let x = div((beta, 0.0), (theta, 0.0));
        if a >= STIRLING {
            let mu = div(add(x, (-a, 0.0)), (a, 0.0));
            let phi = phi(mu, || sub(ln_quotient(beta, theta, x), ln_wide(a)));
            return Point { a, x: x.0, mu: mu.0, ln_x: f64::NAN, exponent: times(phi, a) };
        }
        let ln_x = ln_quotient(beta, theta, x);
        let exponent = sub(x, times(ln_x, a));
        Point { a, x: x.0, mu: x.0 / a - 1.0, ln_x: ln_x.0, exponent }
    }

    /// (y, c, ln c) with density eʸc.
    fn density(&self, point: &Point, beta: f64) -> (Wide, f64, f64) {
        let a = point.a;
        let ln_a = ln_wide(a);
        let fixed = sub(ln_wide(beta), if a < STIRLING { ln_a } else { (0.5 * ln_a.0, 0.5 * ln_a.1) });
        let (hi, lo) = add(point.exponent, fixed);
        let (factor, ln_factor) = if a < STIRLING {
            (reciprocal_gamma_1p(a), -ln_gamma_1p(a))
        } else {
            let delta = stirling(a);
            (FRAC_1_SQRT_2PI * exp(-delta), 0.5 * ln(0.5 * FRAC_1_PI) - delta)
        };
        ((-hi, -lo), factor, ln_factor)
    }

    /// The quantile for 0 < p < 1 and a spread above 0.
    ///
    /// Newton's method for the logarithm of the smaller tail in ln β. Both logarithms are concave
    /// there (the density of ln β is log-concave), so that after one step the iterates approach
    /// from one side; the bracket only guards against rounding and underflow.
    fn solve(&self, p: f64) -> f64 {
        let lower = p <= 0.5;
        let target = if lower { p } else { 1.0 - p };
        let (mut lo, mut hi) = (0.0, f64::INFINITY);
        let mut beta = self.guess(p, target);
        let mut last = f64::INFINITY;
        for _ in 0..MAX_NEWTON {
            if beta == 0.0 {
                return 0.0;
            }
            let tails = self.point_at(beta).tails();
            let value = if lower { tails.p } else { tails.q };
            let off = value - target;
            let f =
                if off.abs() < 0.5 * target { Float::ln_1p(off / target) } else { ln(value) - ln(target) };
            let f = if lower { f } else { -f };
            if f == 0.0 {
                return beta;
            }
            if f > 0.0 {
                hi = beta;
            } else {
                lo = beta;
            }
            // No step beyond e: from far below, the upper tail looks flat in ln β.
            let step = (-f * (value / tails.slope)).min(1.0);
            let next = beta + beta * Float::exp_m1(step);
            // Within rounding of the root once steps are small and have stopped shrinking.
            if next == beta || (step.abs() < 1e-9 && step.abs() >= 0.5 * last) {
                return beta;
            }
            last = step.abs();
            // Also where `next` is NaN, from a tail that underflowed.
            beta = if next > lo && next < hi {
                next
            } else {
                let middle = between(lo, hi);
                if !(middle > lo && middle < hi) {
                    return beta;
                }
                middle
            };
        }
        beta
    }

    /// A start for [`solve`](Self::solve): the larger of the bound from P(k, x) ≤ xᵏ/Γ(k + 1), sharp
    /// for small x, and the cube of Wilson and Hilferty (1931).
    fn guess(&self, p: f64, target: f64) -> f64 {
        let (a, v, mean) = (self.k_f64(), self.v_f64(), self.unit());
        let z = normal_quantile(p).0;
        let root = 1.0 - v / 9.0 + z * Float::sqrt(v) / 3.0;
        let cube = (mean * root * root * root).min(f64::MAX);
        if a >= LARGE {
            return cube;
        }
        let ln_p = if p <= 0.5 { ln(p) } else { Float::ln_1p(-target) };
        let bound = exp((ln_p + ln_gamma_1p(a)) / a + ln(self.theta_f64())).min(f64::MAX);
        if cube > bound { cube } else { bound }
    }
}

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
            Place::Inside(b) => exp_wide(self.density(b)) * FRAC_1_SQRT_2PI,
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
            Place::Inside(b) => add(self.density(b), (ln(FRAC_1_SQRT_2PI), 0.0)).0,
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
            Place::Inside(b) => normal_tail(self.deviate(b)),
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
            Place::Inside(b) => {
                let z = self.deviate(b);
                normal_tail((-z.0, -z.1))
            }
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
        let p = p.to_f64();
        T::from_f64(if !(0.0..=1.0).contains(&p) {
            f64::NAN
        } else if self.sigma_f64() == 0.0 {
            self.unit()
        } else if p == 0.0 {
            0.0
        } else if p == 1.0 {
            f64::INFINITY
        } else {
            self.at(times(normal_quantile(p), self.sigma_f64()))
        })
    }

    /// e^μ; 1 ulp.
    #[must_use]
    pub fn median(&self) -> T {
        T::from_f64(self.unit())
    }

    /// Where the density is largest: e^{μ−σ²}; 3 ulp.
    #[must_use]
    pub fn mode(&self) -> T {
        let (hi, lo) = two_prod(self.sigma_f64(), self.sigma_f64());
        T::from_f64(self.at((-hi, -lo)))
    }

    /// Standard deviation mean·√(e^{σ²} − 1); 1e-14 relative. May overflow to ∞.
    #[must_use]
    pub fn std_dev(&self) -> T {
        let (hi, lo) = two_prod(self.sigma_f64(), self.sigma_f64());
        T::from_f64(self.at((0.5 * hi, 0.5 * lo)) * self.spread())
    }

    /// Differential entropy μ + ln σ + ½ ln(2πe), in nats.
    ///
    /// * Special values: −∞ at σ = 0.
    /// * Max error: 2 ulp of the largest term.
    #[must_use]
    pub fn entropy(&self) -> T {
        T::from_f64(ln(self.unit()) + (HALF_LN_2PI_E + ln(self.sigma_f64())))
    }

    /// E(β − mean)³/std³ = (e^{σ²} + 2)√(e^{σ²} − 1); 3e-14 relative. 0 at σ = 0, the limit.
    #[must_use]
    pub fn skewness(&self) -> T {
        T::from_f64((self.v_f64() + 3.0) * self.spread())
    }

    /// E(β − mean)⁴/variance² − 3 = v⁴ + 6v³ + 15v² + 16v, v = e^{σ²} − 1; 1e-13 relative. 0 at
    /// σ = 0, the limit.
    ///
    /// The textbook form e^{4σ²} + 2e^{3σ²} + 3e^{2σ²} − 6 cancels for small σ. May overflow to ∞ in
    /// f32.
    #[must_use]
    pub fn kurtosis_excess(&self) -> T {
        let v = self.v_f64();
        T::from_f64(v * (16.0 + v * (15.0 + v * (6.0 + v))))
    }

    fn locate(&self, beta: T) -> Place {
        locate(beta, self.median(), self.sigma_f64() == 0.0, 0.0)
    }

    /// √(e^{σ²} − 1), also where σ² underflows.
    fn spread(&self) -> f64 {
        let sigma = self.sigma_f64();
        if sigma < 1e-8 { sigma } else { Float::sqrt(self.v_f64()) }
    }

    /// e^{μ+y}.
    fn at(&self, y: Wide) -> f64 {
        self.unit() * exp_wide(y)
    }

    /// z = (ln β − μ)/σ for 0 < β < ∞ and σ > 0.
    fn deviate(&self, beta: f64) -> Wide {
        let median = self.unit();
        let ratio = div((beta, 0.0), (median, 0.0));
        div(ln_quotient(beta, median, ratio), (self.sigma_f64(), 0.0))
    }

    /// −z²/2 − ln β − ln σ.
    fn density(&self, beta: f64) -> Wide {
        let half = half_square(self.deviate(beta));
        let (hi, lo) = add(half, add(ln_wide(beta), ln_wide(self.sigma_f64())));
        (-hi, -lo)
    }
}

impl<T: Real> Fixed<T> {
    /// The probability of a strength ≤ x: 0 below β, 1 from β on, NaN at NaN; exact.
    #[must_use]
    pub fn cdf(&self, x: T) -> T {
        match locate(x, self.beta(), true, 0.0) {
            Place::Special(s) => T::from_f64(s.cdf),
            Place::Inside(_) => T::nan(),
        }
    }

    /// The probability of a strength > x: 1 below β, 0 from β on, NaN at NaN; exact.
    #[doc(alias = "survival")]
    #[must_use]
    pub fn sf(&self, x: T) -> T {
        match locate(x, self.beta(), true, 0.0) {
            Place::Special(s) => T::from_f64(s.sf),
            Place::Inside(_) => T::nan(),
        }
    }

    /// β for 0 ≤ p ≤ 1, NaN elsewhere.
    #[doc(alias = "ppf")]
    #[doc(alias = "inverse_cdf")]
    #[must_use]
    pub fn quantile(&self, p: T) -> T {
        if p >= T::zero() && p <= T::one() { self.beta() } else { T::nan() }
    }

    /// β.
    #[must_use]
    pub fn median(&self) -> T {
        self.beta()
    }

    /// β.
    #[must_use]
    pub fn mode(&self) -> T {
        self.beta()
    }

    /// Standard deviation = 0.
    #[must_use]
    pub fn std_dev(&self) -> T {
        T::zero()
    }

    /// Differential entropy = −∞, the limit of ever narrower densities.
    #[must_use]
    pub fn entropy(&self) -> T {
        T::neg_infinity()
    }
}

/// Where a β lies: at a place with known values, or where something is to be computed.
enum Place {
    Special(Known),
    Inside(f64),
}

struct Known {
    pdf: f64,
    cdf: f64,
    sf: f64,
}

/// `atom` matters to a point mass only, `edge` is the density at 0 of anything else.
///
/// An atom is compared in T, where β is given: cdf(quantile(p)) must not fall on its other side.
fn locate<T: Real>(beta: T, atom: T, point_mass: bool, edge: f64) -> Place {
    let b = beta.to_f64();
    let (pdf, cdf, sf) = if b.is_nan() {
        (f64::NAN, f64::NAN, f64::NAN)
    } else if point_mass {
        let cdf = if beta < atom { 0.0 } else { 1.0 };
        (if beta == atom { f64::INFINITY } else { 0.0 }, cdf, 1.0 - cdf)
    } else if b <= 0.0 {
        (if b == 0.0 { edge } else { 0.0 }, 0.0, 1.0)
    } else if b == f64::INFINITY {
        (0.0, 1.0, 0.0)
    } else {
        return Place::Inside(b);
    };
    Place::Special(Known { pdf, cdf, sf })
}

/// From this shape on the mean, not the scale, is the exact parameter.
const LARGE: f64 = 1e3;
/// From this shape on Stirling's series of ln Γ(a + 1) has a remainder below 1e-17.
const STIRLING: f64 = 20.0;
/// From this shape on, and for |η| ≤ 0.8, `TEMME` serves.
const UNIFORM: f64 = 200.0;
const UNIFORM_ETA: f64 = 0.8;
/// Below this x, shapes under 1 take the power series: rounding costs the continued fraction 1e-14 at
/// x = 1, and cancellation the series of Q 2e-15 at 1.5.
const SMALL: f64 = 1.5;
/// Terms of either expansion; the slowest case, a = x = 200, needs 132.
const MAX_TERMS: usize = 500;
/// Newton steps. Up to 11 where p is a normal number and k < 1e13; up to 62, by bisection, where the
/// tail is a staircase: k beyond 1e30, whose whole spread is an ulp or less, and subnormal p.
const MAX_NEWTON: usize = 100;

/// A shape a, an argument x > 0 and an exponent E of the incomplete gamma function.
struct Point {
    a: f64,
    x: f64,
    /// x/a − 1
    mu: f64,
    /// ln x; only for a < `STIRLING`.
    ln_x: f64,
    /// a < `STIRLING`: x − a ln x. Else a(x/a − 1 − ln(x/a)) ≥ 0.
    exponent: Wide,
}

/// P(a, x), Q(a, x) and their slope x^a e^{−x}/Γ(a) = dP/d ln x.
struct Tails {
    p: f64,
    q: f64,
    slope: f64,
}

impl Point {
    /// Both regularised incomplete gamma functions; the smaller one is computed as such.
    ///
    /// * a ≥ 200, |η| ≤ 0.8: Temme's uniform expansion.
    /// * x < a, or x < 1.5 where a < 1: the power series of P; Q by its own series for a < 1, where it may be small.
    /// * elsewhere: Legendre's continued fraction of Q.
    ///
    /// The last two are reached only while e^{−E} has not underflowed, that is for a below 2500:
    /// the number of terms is bounded.
    fn tails(&self) -> Tails {
        let Self { a, x, .. } = *self;
        let below = x < if a < 1.0 { SMALL } else { a };
        let power = exp_wide((-self.exponent.0, -self.exponent.1));
        // x^a e^{−x}/Γ(a + 1)
        let front = if a < STIRLING {
            power * reciprocal_gamma_1p(a)
        } else {
            power * exp(-stirling(a)) * FRAC_1_SQRT_2PI / Float::sqrt(a)
        };
        let slope = front * a;
        if a >= UNIFORM && self.exponent.0 <= 0.5 * UNIFORM_ETA * UNIFORM_ETA * a {
            let upper = self.mu >= 0.0;
            let size = Float::sqrt(2.0 * (self.exponent.0 / a));
            let rest = power * FRAC_1_SQRT_2PI / Float::sqrt(a) * temme(if upper { size } else { -size }, a);
            let tail = half_erfc(self.exponent);
            let small = clamp(if upper { tail + rest } else { tail - rest });
            let (p, q) = if upper { (1.0 - small, small) } else { (small, 1.0 - small) };
            return Tails { p, q, slope };
        }
        // Also where x or E overflowed.
        if front <= 0.0 {
            return if below { Tails { p: 0.0, q: 1.0, slope } } else { Tails { p: 1.0, q: 0.0, slope } };
        }
        if below {
            let p = clamp(front * power_series(a, x));
            Tails { p, q: if a < 1.0 { small_shape_upper(a, x, self.ln_x) } else { 1.0 - p }, slope }
        } else {
            let q = clamp(slope * continued_fraction(a, x));
            Tails { p: 1.0 - q, q, slope }
        }
    }
}

fn clamp(x: f64) -> f64 {
    x.clamp(0.0, 1.0)
}

/// Σ xⁿ/((a + 1)…(a + n)), n ≥ 0, for x < a, or x < `SMALL` where a < 1.
fn power_series(a: f64, x: f64) -> f64 {
    let (mut term, mut sum, mut n) = (1.0, 1.0, a);
    for _ in 0..MAX_TERMS {
        n += 1.0;
        term *= x / n;
        sum += term;
        if term < 1e-17 * sum {
            break;
        }
    }
    sum
}

/// 1/(x + 1 − a − 1(1 − a)/(x + 3 − a − 2(2 − a)/(x + 5 − a − …))) for x ≥ a and x ≥ 1, by Lentz's
/// method.
fn continued_fraction(a: f64, x: f64) -> f64 {
    let mut b = x + 1.0 - a;
    let (mut c, mut d) = (f64::INFINITY, 1.0 / b);
    let (mut h, mut n) = (d, 0.0);
    for _ in 0..MAX_TERMS {
        n += 1.0;
        let numerator = n * (a - n);
        b += 2.0;
        d = 1.0 / (numerator * d + b);
        c = b + numerator / c;
        let factor = c * d;
        h *= factor;
        if (factor - 1.0).abs() < 1e-16 {
            break;
        }
    }
    h
}

/// Q(a, x) for a < 1, 0 ≤ x < `SMALL`: 1 − x^a(1 + a·g)(1 + a·S) with 1/Γ(1 + a) = 1 + a·g and
/// S = Σ (−x)ⁿ/((a + n)n!), n ≥ 1, multiplied out so that a factor a comes out of every term.
fn small_shape_upper(a: f64, x: f64, ln_x: f64) -> f64 {
    let (mut power, mut s, mut n) = (1.0, 0.0, 0.0);
    for _ in 0..MAX_TERMS {
        n += 1.0;
        power *= -x / n;
        let term = power / (a + n);
        s += term;
        if term.abs() <= 1e-17 * s.abs() {
            break;
        }
    }
    let g = reciprocal_gamma_slope(a);
    let rest = g + s + a * g * s;
    let grown = Float::exp_m1(a * ln_x);
    clamp(-(grown * (1.0 + a * rest) + a * rest))
}

/// Σₙ C_n(η) a⁻ⁿ of Temme's expansion (DLMF 8.12.8): Q = ½erfc(η√(a/2)) + e^{−aη²/2}/√(2πa)·Σ.
fn temme(eta: f64, a: f64) -> f64 {
    let mut sum = 0.0;
    for row in TEMME.iter().rev() {
        sum = sum / a + series(eta, row);
    }
    sum
}

/// δ(a) = ln Γ(a + 1) − ½ ln(2πa) − a ln a + a for a ≥ `STIRLING`.
fn stirling(a: f64) -> f64 {
    let r = 1.0 / a;
    r * series(r * r, &STIRLING_SERIES)
}

/// 1/Γ(1 + a) for 0 ≤ a < `STIRLING`.
fn reciprocal_gamma_1p(a: f64) -> f64 {
    // Γ(1 + a) = a(a − 1)…Γ(1 + a − n): `special` is 5e-15 off at a = 15.
    let (mut rest, mut product) = (a, 1.0);
    while rest >= 1.0 && product < 1e20 {
        product *= rest;
        rest -= 1.0;
    }
    (1.0 + rest * reciprocal_gamma_slope(rest)) / product
}

/// (1/Γ(1 + a) − 1)/a for 0 ≤ a ≤ 1.
fn reciprocal_gamma_slope(a: f64) -> f64 {
    series(a, &RECIPROCAL_GAMMA)
}

/// ln Γ(1 + a) for a ≥ 0.
fn ln_gamma_1p(a: f64) -> f64 {
    if a < 1.0 { -Float::ln_1p(a * reciprocal_gamma_slope(a)) } else { ::special::Gamma::ln_gamma(1.0 + a).0 }
}

/// Σ cⱼ xʲ.
fn series(x: f64, c: &[f64]) -> f64 {
    c.iter().rev().fold(0.0, |sum, &c| sum * x + c)
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

/// Φ(z).
fn normal_tail(z: Wide) -> f64 {
    let tail = half_erfc(half_square(z));
    if z.0 <= 0.0 { tail } else { 1.0 - tail }
}

/// ½erfc(√E) for E ≥ 0.
///
/// √E rounds, which the tail feels 2E times over; the first-order change makes up for it.
fn half_erfc(e: Wide) -> f64 {
    if !(e.0 > 0.0 && e.0 < 800.0) {
        return if e.0 > 0.0 { 0.0 } else { 0.5 };
    }
    let y = Float::sqrt(e.0);
    let (hi, lo) = two_prod(y, y);
    let missing = (e.0 - hi) - lo + e.1;
    let slope = exp(-e.0) / (y * Float::sqrt(PI));
    0.5 * (::special::Error::compl_error(y) - slope * missing)
}

/// Φ⁻¹(p) for 0 < p < 1, the error below 2e-16/(1 + |z|) in the tails.
///
/// Start: the rational approximation of Hastings (Abramowitz & Stegun 26.2.23, 4.5e-4), then two
/// steps of Halley's method, each of which cubes the error. The last step stays apart: the tail
/// feels the rounding of z z times over.
fn normal_quantile(p: f64) -> Wide {
    // 1 − p is exact.
    let target = if p <= 0.5 { p } else { 1.0 - p };
    if target == 0.5 {
        return (0.0, 0.0);
    }
    let t = Float::sqrt(-2.0 * ln(target));
    let top = series(t, &[2.515_517, 0.802_853, 0.010_328]);
    let bottom = series(t, &[1.0, 1.432_788, 0.189_269, 0.001_308]);
    let mut z = (top / bottom - t, 0.0);
    for _ in 0..2 {
        let e = half_square((z.0, 0.0));
        // Near ½ z may come out positive: erfc serves there as well.
        let tail =
            if z.0 < -1.0 { half_erfc(e) } else { 0.5 * ::special::Error::compl_error(-z.0 * FRAC_1_SQRT_2) };
        let u = (tail - target) / (FRAC_1_SQRT_2PI * exp_wide((-e.0, -e.1)));
        // Subnormal tails: the start is all there is.
        if !u.is_finite() {
            break;
        }
        z = two_sum(z.0, -u / (1.0 + 0.5 * z.0 * u));
    }
    if p <= 0.5 { z } else { (-z.0, -z.1) }
}

/// φ(μ) = μ − ln(1 + μ) to 1/100 ulp; `ln` gives ln(1 + μ).
///
/// |μ| ≤ 0.03: with r = μ/(2 + μ), ln(1 + μ) = 2 atanh r and μ − 2r = rμ: φ = rμ − 2r³(⅓ + r²/5 + …),
/// of which only rμ needs the second word.
fn phi(mu: Wide, ln: impl FnOnce() -> Wide) -> Wide {
    if mu.0.abs() > 0.03 {
        return sub(mu, ln());
    }
    let below = two_sum(2.0, mu.0);
    let lead = div(mul(mu, mu), (below.0, below.1 + mu.1));
    let r = mu.0 / (2.0 + mu.0);
    let w = r * r;
    let (hi, lo) = two_sum(lead.0, -2.0 * r * w * series(w, &ATANH));
    (hi, lo + lead.1)
}

/// An unevaluated sum of two f64, the second below half an ulp of the first; about 100 bits.
type Wide = (f64, f64);

fn add(a: Wide, b: Wide) -> Wide {
    let (hi, lo) = two_sum(a.0, b.0);
    // The low part of ∞ is ∞ − ∞.
    if hi.is_finite() { two_sum(hi, lo + (a.1 + b.1)) } else { (hi, 0.0) }
}

fn sub(a: Wide, b: Wide) -> Wide {
    add(a, (-b.0, -b.1))
}

fn mul(a: Wide, b: Wide) -> Wide {
    let (hi, lo) = two_prod(a.0, b.0);
    two_sum(hi, lo + (a.0 * b.1 + a.1 * b.0))
}

/// a·b, a single word where it is large or where `two_prod` would overflow.
fn times(a: Wide, b: f64) -> Wide {
    let hi = a.0 * b;
    if hi.abs() > 1e6 || b > 1e290 { (hi, 0.0) } else { mul(a, (b, 0.0)) }
}

/// a/b for b > 0; a single word where the quotient is out of range.
fn div(a: Wide, b: Wide) -> Wide {
    const UP: f64 = 3.273_390_607_896_142e150; // 2⁵⁰⁰
    // Only the ratio matters; a divisor near 1 keeps the products below in range.
    let scale = match b.0 {
        b if b < 1e-150 => UP,
        b if b > 1e150 => 1.0 / UP,
        _ => 1.0,
    };
    let (a, b) = ((a.0 * scale, a.1 * scale), (b.0 * scale, b.1 * scale));
    let quotient = a.0 / b.0;
    if !(quotient.abs() > 1e-140 && quotient.abs() < 1e140) {
        return (quotient, 0.0);
    }
    let (hi, lo) = two_prod(quotient, b.0);
    two_sum(quotient, (((a.0 - hi) - lo) + (a.1 - quotient * b.1)) / b.0)
}

/// z²/2, a single word where it is large.
fn half_square(z: Wide) -> Wide {
    if z.0.abs() > 1e100 {
        return (0.5 * z.0 * z.0, 0.0);
    }
    let (hi, lo) = mul(z, z);
    (0.5 * hi, 0.5 * lo)
}

/// eʸ.
fn exp_wide(y: Wide) -> f64 {
    let e = exp(y.0);
    if e > 0.0 && e < f64::INFINITY { e + e * y.1 } else { e }
}

/// ln(x/y), where `quotient` = x/y may have under- or overflowed.
fn ln_quotient(x: f64, y: f64, quotient: Wide) -> Wide {
    if quotient.0 > 1e-140 && quotient.0 < 1e140 {
        let (hi, lo) = ln_wide(quotient.0);
        two_sum(hi, lo + quotient.1 / quotient.0)
    } else {
        sub(ln_wide(x), ln_wide(y))
    }
}

/// ln x for 0 < x < ∞, to about 100 bits of the larger of 1 and |ln x|, and relatively near x = 1.
///
/// x = 2ⁿm, m in [√½, √2), ln m = 2 atanh s, s = (m − 1)/(m + 1): the terms below s¹⁶ carry two words.
fn ln_wide(x: f64) -> Wide {
    const LN2: [f64; 3] =
        [f64::from_bits(0x3fe6_2e42_fee0_0000), 1.908_214_929_270_587_7e-10, 1.161_222_722_936_253_2e-26];
    const UP: f64 = 18_014_398_509_481_984.0; // 2⁵⁴
    let (x, shift) = if x < f64::MIN_POSITIVE { (x * UP, 54.0) } else { (x, 0.0) };
    let (m, n) = Lanes::split(x);
    let (m, n) = if m > SQRT_2 { (0.5 * m, n + 1.0 - shift) } else { (m, n - shift) };
    let s = div((m - 1.0, 0.0), two_sum(m, 1.0));
    let w = mul(s, s);
    let mut tail = 0.0;
    let mut odd = 41.0;
    while odd > 16.0 {
        tail = tail * w.0 + 1.0 / odd;
        odd -= 2.0;
    }
    let mut sum = (tail, 0.0);
    while odd > 0.0 {
        let c = 1.0 / odd;
        let (hi, lo) = two_prod(c, odd);
        sum = add(mul(sum, w), (c, ((1.0 - hi) - lo) / odd));
        odd -= 2.0;
    }
    let (hi, lo) = mul(s, sum);
    let (middle, rest) = two_prod(n, LN2[1]);
    // n·LN2[0] is exact.
    add(add((n * LN2[0], 0.0), (middle, rest + n * LN2[2])), (2.0 * hi, 2.0 * lo))
}

/// (atanh(r)/r − 1)/r² in r², for r² ≤ 0.00024.
const ATANH: [f64; 7] = [1.0 / 3.0, 0.2, 1.0 / 7.0, 1.0 / 9.0, 1.0 / 11.0, 1.0 / 13.0, 1.0 / 15.0];

/// B₂ⱼ/(2j(2j − 1)), j ≥ 1: Stirling's series of ln Γ(a + 1) in 1/a².
const STIRLING_SERIES: [f64; 7] =
    [1.0 / 12.0, -1.0 / 360.0, 1.0 / 1260.0, -1.0 / 1680.0, 1.0 / 1188.0, -691.0 / 360_360.0, 1.0 / 156.0];

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

/// B₂ⱼ/(2j), j ≥ 1.
const ENTROPY_EVEN: [f64; 8] = [
    1.0 / 12.0,
    -1.0 / 120.0,
    1.0 / 252.0,
    -1.0 / 240.0,
    1.0 / 132.0,
    -691.0 / 32_760.0,
    1.0 / 12.0,
    -3617.0 / 8160.0,
];

/// Taylor coefficients of (1/Γ(1 + a) − 1)/a (`python3 tools/statistics.py tables`).
const RECIPROCAL_GAMMA: [f64; 26] = [
    0.5772156649015329,
    -0.6558780715202539,
    -0.04200263503409524,
    0.16653861138229148,
    -0.04219773455554433,
    -0.009621971527876973,
    0.0072189432466631,
    -0.0011651675918590652,
    -0.00021524167411495098,
    0.0001280502823881162,
    -2.013485478078824e-05,
    -1.2504934821426706e-06,
    1.133027231981696e-06,
    -2.056338416977607e-07,
    6.116095104481416e-09,
    5.002007644469223e-09,
    -1.18127457048702e-09,
    1.0434267116911005e-10,
    7.782263439905071e-12,
    -3.696805618642206e-12,
    5.100370287454476e-13,
    -2.0583260535665066e-14,
    -5.348122539423018e-15,
    1.2267786282382608e-15,
    -1.1812593016974588e-16,
    1.1866922547516004e-18,
];

/// Taylor coefficients of C_n(η) in Temme's expansion, rows n = 0..7, each cut where its terms fall
/// below 3e-19·aⁿ at η = 0.8, a = 200 (`python3 tools/statistics.py tables`).
const TEMME: [&[f64]; 7] = [
    &[
        -0.3333333333333333,
        0.08333333333333333,
        -0.014814814814814815,
        0.0011574074074074073,
        0.0003527336860670194,
        -0.0001787551440329218,
        3.919263178522438e-05,
        -2.185448510679992e-06,
        -1.85406221071516e-06,
        8.296711340953087e-07,
        -1.7665952736826078e-07,
        6.707853543401498e-09,
        1.0261809784240309e-08,
        -4.382036018453353e-09,
        9.14769958223679e-10,
        -2.5514193994946248e-11,
        -5.830772132550426e-11,
        2.4361948020667415e-11,
        -5.0276692801141755e-12,
        1.1004392031956135e-13,
        3.371763262400985e-13,
        -1.392388722418162e-13,
        2.8534893807047445e-14,
        -5.139111834242572e-16,
        -1.9752288294349442e-15,
        8.099521156704561e-16,
        -1.6522531216398162e-16,
    ],
    &[
        -0.001851851851851852,
        -0.003472222222222222,
        0.0026455026455026454,
        -0.0009902263374485596,
        0.00020576131687242798,
        -4.018775720164609e-07,
        -1.8098550334489977e-05,
        7.64916091608111e-06,
        -1.6120900894563446e-06,
        4.647127802807434e-09,
        1.378633446915721e-07,
        -5.752545603517705e-08,
        1.1951628599778148e-08,
        -1.7543241719747647e-11,
        -1.0091543710600413e-09,
        4.162792991842583e-10,
        -8.56390702649298e-11,
        6.067215101604758e-14,
        7.1624989648114856e-12,
        -2.933186643771437e-12,
        5.996696365683689e-13,
        -2.1671786527323313e-16,
        -4.978339972369262e-14,
        2.0291628823713425e-14,
    ],
    &[
        0.004133597883597883,
        -0.0026813271604938273,
        0.0007716049382716049,
        2.0093878600823047e-06,
        -0.0001073665322636516,
        5.2923448829120125e-05,
        -1.2760635188618728e-05,
        3.423578734096138e-08,
        1.3721957309062934e-06,
        -6.298992138380055e-07,
        1.4280614206064242e-07,
        -2.0477098421990866e-10,
        -1.409252991086752e-08,
        6.228974084922022e-09,
        -1.3670488396617114e-09,
        9.428356159014678e-13,
        1.2872252400089318e-10,
        -5.5645956134363323e-11,
        1.197593554636698e-11,
    ],
    &[
        0.0006494341563786008,
        0.00022947209362139917,
        -0.0004691894943952557,
        0.00026772063206283885,
        -7.561801671883977e-05,
        -2.396505113867297e-07,
        1.1082654115347302e-05,
        -5.6749528269915965e-06,
        1.4230900732435883e-06,
        -2.7861080291528143e-11,
        -1.6958404091930278e-07,
        8.099464905388083e-08,
        -1.9111168485973655e-08,
        2.3928620439808118e-12,
        2.0620131815488797e-09,
        -9.460496661855133e-10,
        2.1541049775774907e-10,
    ],
    &[
        -0.0008618882909167117,
        0.0007840392217200666,
        -0.0002990724803031902,
        -1.4638452578843418e-06,
        6.641498215465122e-05,
        -3.968365047179435e-05,
        1.1375726970678419e-05,
        2.507497226237533e-10,
        -1.6954149536558305e-06,
        8.907507532205309e-07,
        -2.292934834000805e-07,
        2.956794137544049e-11,
        2.8865829742708783e-08,
        -1.4189739437803219e-08,
    ],
    &[
        -0.00033679855336635813,
        -6.972813758365857e-05,
        0.0002772753244959392,
        -0.00019932570516188847,
        6.797780477937208e-05,
        1.419062920643967e-07,
        -1.3594048189768693e-05,
        8.018470256334202e-06,
        -2.291481176508095e-06,
    ],
    &[
        0.0005313079364639922,
        -0.0005921664373536939,
        0.0002708782096718045,
        7.902353232660328e-07,
        -8.153969367561969e-05,
    ],
];
