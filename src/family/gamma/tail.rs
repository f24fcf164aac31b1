//! Gamma strengths: T(x, v) from the alternating sum S (see [`crate::math::alternating`]).

use crate::family::fixed;
use crate::kernel::Tail;
use crate::math::alternating::{ABEL_PLANA_MAX, BOOLE_MAX, abel_plana, boole};
use crate::math::elementary::{exp, exp_parts, ln, ln_1p_parts};
use crate::math::twofold::{ln_1p_twofold, two_prod, two_sum};

/// Where to evaluate: x = m|D|, c = θ|D| = xv, k = 1/v, each as exact as the caller has it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Point {
    pub(crate) x: f64,
    pub(crate) c: f64,
    pub(crate) k: f64,
    pub(crate) v: f64,
    /// c − (this c), over c: what rounding took from the product θ|D|.
    pub(crate) c_error: f64,
    /// ln c in two parts, read only where c overflows
    pub(crate) ln_c: (f64, f64),
}

impl Point {
    /// From the canonical pair.
    pub(crate) fn from_mean_v(x: f64, v: f64) -> Self {
        Self { x, c: x * v, k: 1.0 / v, v, c_error: 0.0, ln_c: (ln(x) + ln(v), 0.0) }
    }
}

/// T at a point with x ≥ 0, v ≥ 0 finite.
pub(crate) fn tail(at: Point) -> Tail {
    let Point { x, c, k, v, ln_c: (ln_c, _), .. } = at;
    // A subnormal v has no finite 1/v, and differs from 0 by nothing an f64 can show.
    if v < f64::MIN_POSITIVE || x == 0.0 {
        return fixed::tail::tail(x).with_v(v);
    }
    if ln_c == f64::INFINITY {
        return limit(k);
    }
    if x <= ABEL_PLANA_MAX && c <= 1.0 { near(at) } else { far(at) }
}

impl Tail {
    /// Sets v·∂/∂v from ∂/∂v.
    fn with_v(mut self, v: f64) -> Self {
        self.v_d_v = if v == 0.0 { 0.0 } else { v * self.d_v };
        self
    }
}

/// x = ∞ for shape k: T ~ S(k, 1)·c⁻ᵏ.
fn limit(k: f64) -> Tail {
    Tail {
        x: f64::INFINITY,
        plain: false,
        t: 0.0,
        h: 0.5,
        ln: f64::NEG_INFINITY,
        ln_lo: 0.0,
        t_lo: 0.0,
        d1: k,
        d2: k * k + k,
        ln_d2: k,
        d_v: f64::INFINITY,
        v_d_v: f64::INFINITY,
    }
}

/// x ≤ 2, c ≤ 1: ½ − T directly.
fn near(Point { x, c, k, v, .. }: Point) -> Tail {
    let sum = abel_plana(x, c, k, v);
    let t = 0.5 - sum.h;
    let d1 = sum.d_x / t;
    let d2 = sum.neg_d_xx / t;
    let d_v = sum.neg_d_v / t;
    Tail {
        x,
        plain: true,
        t,
        h: sum.h,
        ln: ln(t),
        ln_lo: 0.0,
        t_lo: 0.0,
        d1,
        d2,
        ln_d2: d2 - d1 * d1,
        d_v,
        v_d_v: v * d_v,
    }
}

/// Everything else, by T(x, v) = (1 + c)⁻ᵏ S(k, κ), κ = c/(1 + c) < 1, y = kκ = x/(1 + c).
///
/// With W(y, v) = −ln S: ln T = −k ln(1 + c) − W, and by the chain rule (∂y/∂x = (1 − κ)²,
/// ∂y/∂v = −y²) all derivatives come without a difference of large terms.
fn far(Point { x, c, k, v, c_error, ln_c }: Point) -> Tail {
    let huge = c == f64::INFINITY;
    let (l, g) = if huge { (ln_c.0, ln_c.0 - 1.0) } else { ln_1p_parts(c) };
    let rest = 1.0 / (1.0 + c);
    let Part { kappa, y, s, h: half, w1, w2, wv } = Part::new(k, v, c);
    // ln T to twice the working precision: as a power, T would lose |ln T| ulp.
    let (ln_t, ln_lo) = if k > 1e290 {
        (-k * l + ln(s), 0.0)
    } else {
        let (hi, lo) = if huge { ln_c } else { ln_1p_twofold(c) };
        let (p, p_lo) = two_prod(-k, hi);
        let (sum, sum_lo) = two_sum(p, ln(s));
        (sum, sum_lo + p_lo - k * (lo + c_error * kappa))
    };
    let t = exp(ln_t);
    let t = t + t * ln_lo;
    let h = if t < 0.25 {
        0.5 - t
    } else {
        // t = (1 + c)⁻ᵏ(½ + half)
        let p = exp_parts(-k * l);
        -0.5 * p.exp_m1 - p.exp * half
    };
    let d1 = y - rest * w1;
    let ln_d2 = y * kappa - rest * (rest * w2 + 2.0 * kappa * w1);
    let d2 = ln_d2 + d1 * d1;
    let (d_v, v_d_v) = if c > 1e-3 {
        let v_d_v = k * g - v * wv - kappa * w1;
        (v_d_v / v, v_d_v)
    } else {
        // The same over v: k·g would underflow for small c, where g/c² → ½.
        let ratio = if c > 1e-100 { g / (c * c) } else { 0.5 };
        let d_v = x * x * ratio - wv - y * w1;
        (d_v, v * d_v)
    };
    let plain = x < 1.0;
    let (d1, d2, ln_d2) = if plain { (d1 / x, d2 / x / x, ln_d2 / x / x) } else { (d1, d2, ln_d2) };
    Tail { x, plain, t, h, ln: ln_t, ln_lo, t_lo: 0.0, d1, d2, ln_d2, d_v, v_d_v }
}

/// S and W(y, v) = −ln S at (k, κ).
#[derive(Clone, Copy, Debug)]
struct Part {
    kappa: f64,
    y: f64,
    s: f64,
    /// S − ½
    h: f64,
    /// −yW_y > 0
    w1: f64,
    /// y²W_yy > 0
    w2: f64,
    /// W_v > 0
    wv: f64,
}

impl Part {
    fn new(k: f64, v: f64, c: f64) -> Self {
        let kappa = if c == f64::INFINITY { 1.0 } else { c / (1.0 + c) };
        let y = k * kappa;
        if y <= ABEL_PLANA_MAX {
            let sum = abel_plana(y, kappa, k, v);
            let s = 0.5 + sum.h;
            let w1 = y * sum.d_x / s;
            Self { kappa, y, s, h: sum.h, w1, w2: y * sum.neg_d_xx * y / s + w1 * w1, wv: sum.neg_d_v / s }
        } else if y <= BOOLE_MAX {
            let sum = boole(y, kappa, k, v);
            let s = sum.s;
            let w1 = sum.x_d_x / s;
            Self { kappa, y, s, h: s - 0.5, w1, w2: sum.neg_xx_d_xx / s + w1 * w1, wv: sum.neg_d_v / s }
        } else {
            Self { kappa, y, s: 1.0, h: 0.5, w1: 0.0, w2: 0.0, wv: 0.0 }
        }
    }
}

/// Posterior mean and variance of β given the choice, in the unit mean/(1 + c) if the third value is
/// true, else in the unit of the mean.
///
/// The posterior is an exponential family in λ = 1/θ with log-partition −k ln λ − nll, so its
/// cumulants are derivatives of nll. For D < 0, nll = k ln(1 + c) + W(y): the first term moves the
/// rate to λ + |D|, and W is the nll of a positive margin at y. With N = nll or W, in x or y, and in
/// the unit kθ: mean = 1 − vxN′, variance = v(1 − v(x²N″ + 2xN′)).
pub(crate) fn posterior(at: Point, negative: bool) -> (f64, f64, bool) {
    let Point { x, c, k, v, ln_c: (ln_c, _), .. } = at;
    if x == 0.0 || ln_c == f64::INFINITY {
        return (1.0, v, negative);
    }
    let (slope, curvature) = if negative {
        let part = Part::new(k, v, c);
        (part.w1, part.w2)
    } else {
        let nll = tail(at).nll(false);
        let curvature = nll.times(if nll.plain { x * nll.d2 * x } else { nll.d2 });
        (nll.times(nll.elasticity(x, 1.0)), curvature)
    };
    (1.0 + v * slope, v * (1.0 - v * (curvature - 2.0 * slope)), negative)
}

/// T(x, v) for B ~ Gamma(shape 1/v, scale v): T = (1 + c)⁻ᵏ S, the Lerch transcendent at −1, with
/// k = 1/v, c = xv.
///
/// * Domain: x ≥ 0, v ≥ 0; NaN outside. v = 0 is [`fixed`](crate::canonical::fixed); x = ∞ gives the limits.
/// * Max error: ln T 4 eps, −T_x/T 8 eps, T_v/T 24 eps (relative, eps = 2⁻⁵²).
/// * Source: MixDPO, arXiv 2601.06180, the closed form for Gamma strengths.
///
/// ```
/// // B ~ Exponential: T(x, 1) = Σ (−1)ⁿ⁺¹/(1 + nx), at x = 1: 1 − ln 2.
/// let t = prefstrength::canonical::gamma(1.0, 1.0).value();
/// assert!((t - (1.0 - core::f64::consts::LN_2)).abs() < 1e-16);
/// ```
#[must_use]
pub fn gamma(x: f64, v: f64) -> Tail {
    if !(x >= 0.0 && v >= 0.0) || v == f64::INFINITY {
        return Tail::NAN;
    }
    tail(Point::from_mean_v(x, v))
}
