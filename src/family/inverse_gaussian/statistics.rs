//! The inverse Gaussian distribution, on scaled complementary error functions.
//!
//! With B = β/m, a = (B − 1)/√(vB), b = (B + 1)/√(vB), E = a²/2: the textbook Φ(a) + e^{2/v}Φ(−b) is
//! ½e^{−E}[erfcx(−a/√2) + erfcx(b/√2)], as b²/2 = E + 2/v. Tails are integrals of positive functions, so that
//! neither cancels: erfcx(X) = (2/√π) ∫₀^∞ e^{−u²−2Xu} du.

use super::nodes::{S, W};
use super::strength::InverseGaussian;
use crate::family::place::{HALF_LN_2PI_E, Place, locate, quantile};
use crate::lanes::{Block, Lanes};
use crate::math::elementary::{exp, exp_neg, exp_neg_parts, exp_node, ln};
use crate::math::normal::{FRAC_1_SQRT_2PI, normal_quantile};
use crate::math::twofold::{Twofold, add, div, exp_twofold, ln_positive, mul, neg, two_sum};
use crate::real::Real;
use core::f64::consts::{PI, SQRT_2};
use num_traits::Float;

/// Newton steps; a bound: bisection between them halves what is left on a logarithmic scale.
const MAX_NEWTON: usize = 200;

const N: usize = 8;
type B = Block<N>;

impl<T: Real> InverseGaussian<T> {
    /// Density √(λ/(2πβ³)) e^{−λ(β−m)²/(2m²β)}.
    ///
    /// * Domain: every β; 0 for β ≤ 0 and at ∞.
    /// * Special values: zero spread: 0, and ∞ at the mean. NaN at NaN.
    /// * Max error: 2e-15 relative for normal results, plus what half an ulp of v makes: 1.1e-16·(β − m)²/(2vmβ).
    ///
    /// ```
    /// use prefstrength::InverseGaussian;
    /// let beta = InverseGaussian::<f64>::from_mean_shape(1.0, 1.0)?;
    /// assert!((beta.pdf(1.0) - 0.398_942_280_401_432_7).abs() < 1e-15); // 1/√(2π)
    /// # Ok::<(), prefstrength::ParamError>(())
    /// ```
    #[must_use]
    pub fn pdf(&self, beta: T) -> T {
        T::from_f64(match self.locate(beta) {
            Place::Special(s) => s.pdf,
            Place::Inside(b) => FRAC_1_SQRT_2PI * exp_twofold(self.ln_density(b)),
        })
    }

    /// ln of the density, finite where the density underflows.
    ///
    /// * Domain: every β; −∞ for β ≤ 0 and at ∞.
    /// * Special values: the logarithms of those of [`pdf`](Self::pdf).
    /// * Max error: 2 ulp of the largest of 1, |ln pdf| and the exponent.
    #[must_use]
    pub fn ln_pdf(&self, beta: T) -> T {
        T::from_f64(match self.locate(beta) {
            Place::Special(s) => ln(s.pdf),
            Place::Inside(b) => add(self.ln_density(b), (0.5 - HALF_LN_2PI_E, 0.0)).0,
        })
    }

    /// The probability of a strength ≤ β: Φ(a) + e^{2/v}Φ(−b), a, b = (β ∓ m)/√(vmβ).
    ///
    /// * Domain: every β.
    /// * Special values: 0 for β ≤ 0, 1 at ∞, NaN at NaN. Zero spread: a step at the mean, where it
    ///   is 1.
    /// * Max error: 4e-15 relative for normal results, also far below the mean, plus the share of half an ulp
    ///   of v.
    ///
    /// ```
    /// use prefstrength::InverseGaussian;
    /// let beta = InverseGaussian::<f64>::from_mean_cv(0.1, 0.5)?;
    /// assert!((beta.cdf(0.1) + beta.sf(0.1) - 1.0).abs() < 1e-15);
    /// assert!(beta.sf(5.0) > 0.0); // 1 − cdf would be 0
    /// # Ok::<(), prefstrength::ParamError>(())
    /// ```
    #[must_use]
    pub fn cdf(&self, beta: T) -> T {
        T::from_f64(match self.locate(beta) {
            Place::Special(s) => s.cdf,
            Place::Inside(b) => self.tails(b).lower,
        })
    }

    /// The probability of a strength > β: Φ(−a) − e^{2/v}Φ(−b), without that difference.
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
            Place::Inside(b) => self.tails(b).upper,
        })
    }

    /// The β with [`cdf`](Self::cdf)(β) = p.
    ///
    /// * Domain: 0 ≤ p ≤ 1; NaN elsewhere.
    /// * Special values: 0 at p = 0, ∞ at p = 1. Zero spread: the mean for every p.
    /// * Max error: cdf(quantile(p)) = p to 1e-14 relative (the smaller of p and 1 − p), plus the share of the
    ///   rounding of β, 2.2e-16·β·pdf/p.
    ///
    /// ```
    /// use prefstrength::InverseGaussian;
    /// let beta = InverseGaussian::<f64>::from_mean_cv(0.1, 0.5)?;
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

    /// Where the density is largest: m/(√(1 + w²) + w), w = 3v/2; 3 ulp. The mean at zero spread.
    #[must_use]
    pub fn mode(&self) -> T {
        let w = 1.5 * self.v;
        // √(1 + w²) = w long before w² overflows.
        let root = if w < 1e150 { Float::sqrt(1.0 + w * w) } else { w };
        T::from_f64(self.mean / (root + w))
    }

    /// Standard deviation mean·cv = √(m³/λ); 1 ulp.
    #[must_use]
    pub fn std_dev(&self) -> T {
        T::from_f64(self.mean * Float::sqrt(self.v))
    }

    /// Differential entropy ½ ln(2πe m²v) − (3/2)e^{2/v}E₁(2/v), in nats: E\[ln(β/m)\] = −e^{2/v}E₁(2/v).
    ///
    /// * Special values: −∞ at zero spread.
    /// * Max error: 2e-15 absolute plus 4 ulp of the largest term.
    #[must_use]
    pub fn entropy(&self) -> T {
        let v = self.v;
        let spread = if v == 0.0 { 0.0 } else { 1.5 * scaled_e1(2.0 / v) };
        T::from_f64(HALF_LN_2PI_E + (ln(self.mean) + 0.5 * ln(v)) - spread)
    }

    /// E(β − mean)³/std³ = 3√v; 1 ulp. 0 at zero spread.
    #[must_use]
    pub fn skewness(&self) -> T {
        T::from_f64(3.0 * Float::sqrt(self.v))
    }

    /// E(β − mean)⁴/variance² − 3 = 15v; 1 ulp. 0 at zero spread.
    #[must_use]
    pub fn kurtosis_excess(&self) -> T {
        T::from_f64(15.0 * self.v)
    }

    fn locate(&self, beta: T) -> Place {
        locate(beta, (self.v == 0.0).then(|| self.mean()), 0.0)
    }

    /// β/m and (β − m)/m, for 0 < β < ∞.
    fn ratio(&self, b: f64) -> (Twofold, Twofold) {
        let mean = (self.mean, 0.0);
        (div((b, 0.0), mean), div(two_sum(b, -self.mean), mean))
    }

    /// E = (B − 1)²/(2vB).
    fn exponent(&self, ratio: Twofold, off: Twofold) -> Twofold {
        let (by_v, by_ratio) = (div(off, (self.v, 0.0)), div(off, ratio));
        let plain = 0.5 * by_v.0 * by_ratio.0;
        // Where low parts matter the factors are in the range of `mul`.
        if by_v.0.abs() > 1e150 || by_ratio.0.abs() > 1e150 || plain < 1e-280 {
            return (plain, 0.0);
        }
        let (hi, lo) = mul(by_v, by_ratio);
        (0.5 * hi, 0.5 * lo)
    }

    /// −E − ½ ln(vB) − ln β: the logarithm of the density, less ln(1/√(2π)).
    fn ln_density(&self, b: f64) -> Twofold {
        let (ratio, off) = self.ratio(b);
        let (ln_b, ln_m) = (ln_positive(b), ln_positive(self.mean));
        let (hi, lo) = add(add(ln_positive(self.v), ln_b), neg(ln_m));
        neg(add(self.exponent(ratio, off), add((0.5 * hi, 0.5 * lo), ln_b)))
    }

    /// Both tails at 0 < β < ∞, for a spread above 0.
    fn tails(&self, b: f64) -> Tails {
        let (ratio, off) = self.ratio(b);
        let e = self.exponent(ratio, off);
        let decay = exp_twofold(neg(e));
        // √(vB), whose square may overflow.
        let root = Float::sqrt(self.v) * Float::sqrt(ratio.0);
        let near = off.0.abs() / root / SQRT_2;
        let far = (ratio.0 + 1.0) / root / SQRT_2;
        // far − near: √2/√(vB) above the mean, √2·√(B/v) below.
        let above = SQRT_2 / root;
        let (lower, upper) = if off.0 >= 0.0 {
            let upper = 0.5 * decay * difference(near, above, far);
            (1.0 - upper, upper)
        } else {
            let lower = 0.5 * decay * (erfcx(near) + erfcx(far));
            // Where the mass is next to 0 the upper tail is small below the mean, too.
            let upper = if lower < 0.7 { 1.0 - lower } else { 0.5 * decay * difference(-near, above, far) };
            (lower, upper)
        };
        Tails { lower, upper, slope: FRAC_1_SQRT_2PI * decay / root }
    }

    /// The β > 0 whose lower tail, or upper tail if not `lower`, is `target` ≤ ½, for a spread above 0; z is
    /// the standard normal score of the same probability, for a start.
    ///
    /// Newton's method for the logarithm of the smaller tail in ln β. Both logarithms are concave there (the
    /// density of ln β is log-concave), so that after one step the iterates approach from one side; the
    /// bracket guards against rounding and underflow.
    pub(super) fn solve(&self, target: f64, lower: bool, z: f64) -> f64 {
        let (mut lo, mut hi) = (0.0, f64::INFINITY);
        let mut beta = self.guess(target, lower, z);
        let mut last = f64::INFINITY;
        for _ in 0..MAX_NEWTON {
            if beta == 0.0 {
                return 0.0;
            }
            let tails = self.tails(beta);
            let value = if lower { tails.lower } else { tails.upper };
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
            let next = beta + beta * Float::exp_m1(step);
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

    /// A start for [`solve`](Self::solve). a = z, which is right for small v, and 2Φ(−1/√(vB)) = p, the limit of
    /// large v (Lévy's distribution): both are above the root in the lower tail, the first in the upper one.
    fn guess(&self, target: f64, lower: bool, z: f64) -> f64 {
        let v = self.v;
        let s = z * Float::sqrt(v);
        // √B − 1/√B = s
        let root = 0.5 * (s.abs() + Float::sqrt(s * s + 4.0));
        let root = if s < 0.0 { 1.0 / root } else { root };
        let normal = root * root;
        let levy = normal_quantile(0.5 * target).0;
        let ratio = if lower { normal.min(1.0 / (v * levy * levy)) } else { normal };
        (self.mean * ratio).clamp(f64::MIN_POSITIVE, f64::MAX)
    }
}

/// cdf, sf, and β times the density.
struct Tails {
    lower: f64,
    upper: f64,
    slope: f64,
}

/// The unit of u for ∫ e^{−u²−2Xu}(…) du: with s = u/τ the integrand falls as e^{−s} or faster.
fn scale(x: f64) -> f64 {
    1.0 / (1.0 + x.max(0.0))
}

/// erfcx(X) = e^{X²} erfc(X) for X ≥ 0; 1e-15.
fn erfcx(x: f64) -> f64 {
    let tau = scale(x);
    let mut sum = B::splat(0.0);
    for j in (0..S.len()).step_by(N) {
        let u = B::load(&S[j..]) * B::splat(tau);
        sum = sum + exp_neg(-(u * (u + B::splat(2.0 * x)))) * B::load(&W[j..]);
    }
    2.0 / Float::sqrt(PI) * (tau * sum.sum())
}

/// erfcx(X) − erfcx(X + δ) for X ≥ −1, δ > 0, `end` = X + δ as it is known best; 2e-15.
fn difference(x: f64, delta: f64, end: f64) -> f64 {
    let tau = scale(x);
    let apart = delta * tau;
    // NaN: an infinite distance.
    if apart >= 1.0 || apart.is_nan() {
        // The second is less than half of the first.
        return if x < 0.0 { 2.0 * exp(x * x) - erfcx(-x) } else { erfcx(x) } - erfcx(end);
    }
    let mut sum = B::splat(0.0);
    for j in (0..S.len()).step_by(N) {
        let u = B::load(&S[j..]) * B::splat(tau);
        let (_, drop) = exp_neg_parts(-(u * B::splat(2.0 * delta)));
        sum = sum + exp_node(-(u * (u + B::splat(2.0 * x)))) * drop * B::load(&W[j..]);
    }
    2.0 / Float::sqrt(PI) * (tau * sum.sum())
}

/// √π X erfcx(X) and 1 − that, each as it is, for X > 0; 2e-15.
///
/// The second is ∫₀^∞ 2u e^{−u²−2Xu} du, by parts.
pub(super) fn mills(x: f64) -> (f64, f64) {
    let tau = scale(x);
    let (mut sum, mut rest) = (B::splat(0.0), B::splat(0.0));
    for j in (0..S.len()).step_by(N) {
        let u = B::load(&S[j..]) * B::splat(tau);
        let term = exp_neg(-(u * (u + B::splat(2.0 * x)))) * B::load(&W[j..]);
        sum = sum + term;
        rest = rest + term * u;
    }
    (2.0 * (x * tau) * sum.sum(), 2.0 * (tau * rest.sum()))
}

/// eˣE₁(x) for x > 0; 2e-15. E₁ = −γ − ln x − Σ (−x)ᵏ/(k·k!) below 1, ∫₀^∞ e^{−s}/(x + s) ds above.
fn scaled_e1(x: f64) -> f64 {
    const EULER_GAMMA: f64 = 0.577_215_664_901_532_9;
    if x < 1.0 {
        let (mut sum, mut power) = (0.0, 1.0);
        for k in 1..20 {
            let k = f64::from(k);
            power *= -x / k;
            sum -= power / k;
        }
        return exp(x) * ((sum - EULER_GAMMA) - ln(x));
    }
    let mut sum = B::splat(0.0);
    for j in (0..S.len()).step_by(N) {
        let s = B::load(&S[j..]);
        sum = sum + exp_neg(-s) * B::load(&W[j..]) / (s + B::splat(x));
    }
    sum.sum()
}

/// ln(x/y), also where x/y is near 1.
fn ln_ratio(x: f64, y: f64) -> f64 {
    let off = x - y;
    if off.abs() < 0.5 * y { Float::ln_1p(off / y) } else { ln(x) - ln(y) }
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
