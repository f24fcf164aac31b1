//! LogNormal strengths over lanes: one trapezoidal rule per lane, each with its own centre and step.
//!
//! The integrals, the choice of the step and the recurrence for the weights are those of the scalar
//! kernel. A lane that has converged goes on with weight 0, which changes no bit of its sums: so its result
//! does not depend on its neighbours.

use super::Logit;
use crate::lanes::{Lanes, Scalar};
use crate::special::elementary::{exp_node, exp_parts, ln, ln_1p_parts};
use core::f64::consts::PI;

/// Which kernel an element takes.
///
/// | region | where | kernel |
/// | --- | --- | --- |
/// | `NEAR` | ξ < 1 | ½ − T, centred at z = s |
/// | `FAR` | ξ ≥ 1, X at the saddle up to X₀ | T about the saddle |
/// | `DEEP` | beyond | the same without the logistic's denominator |
/// | `OUTSIDE` | ξ or s beyond the box, NaN | none: the scalar kernel |
pub(crate) struct Region;

impl Region {
    pub(crate) const NEAR: usize = 0;
    pub(crate) const FAR: usize = 1;
    pub(crate) const DEEP: usize = 2;
    pub(crate) const OUTSIDE: usize = 3;

    /// Where [`Region::DEEP`] begins: the saddle of ξ = X₀e^{s²X₀} is X₀.
    #[inline(always)]
    pub(crate) fn deep<V: Lanes<Scalar: LogNormal>>(s: V) -> V {
        let x0 = V::splat(V::Scalar::DEEP);
        x0 * exp_node((s * s) * x0)
    }

    /// The region of every lane, as a number.
    #[inline(always)]
    pub(crate) fn of<V: Lanes<Scalar: LogNormal>>(xi: V, s: V, deep: V) -> V {
        let outside = V::splat(Self::OUTSIDE as f64);
        let far = xi.select_lt(deep, V::splat(Self::FAR as f64), V::splat(Self::DEEP as f64));
        let region = xi.select_lt(V::splat(1.0), V::splat(Self::NEAR as f64), far);
        let region = xi.select_lt(V::splat(V::Scalar::XI_MAX), region, outside);
        let region = s.select_lt(V::splat(V::Scalar::S_MAX), region, outside);
        // Below, squares of ξ leave the normal numbers; 0 itself does not mind.
        let tiny = V::splat(0.0).select_lt(xi, outside, region);
        xi.select_lt(V::splat(V::Scalar::XI_MIN), tiny, region)
    }
}

/// The form of the kernels in one precision.
pub trait LogNormal: Scalar {
    /// −ln of the discretisation error aimed at.
    const DIGITS: f64;
    /// A term below this part of its sum is the last.
    const LAST: f64;
    /// X₀: beyond, E[e^{−2X}] is below an ulp of E[e^{−X}].
    const DEEP: f64;
    /// The box of ξ and s.
    const XI_MIN: f64;
    const XI_MAX: f64;
    const S_MAX: f64;
    /// An s below counts as this one: s²ξ² is below an ulp.
    const S_MIN: f64;
}

impl LogNormal for f64 {
    const DIGITS: f64 = 38.5;
    const LAST: f64 = 2e-17;
    const DEEP: f64 = 60.0;
    const XI_MIN: f64 = 1e-100;
    const XI_MAX: f64 = 1e12;
    const S_MAX: f64 = 2.5;
    const S_MIN: f64 = 1e-20;
}

impl LogNormal for f32 {
    const DIGITS: f64 = 19.0;
    const LAST: f64 = 1e-8;
    const DEEP: f64 = 27.0;
    const XI_MIN: f64 = 1e-11;
    const XI_MAX: f64 = 1e6;
    const S_MAX: f64 = 2.5;
    const S_MIN: f64 = 1e-10;
}

/// 1/√(2π)
const NORM: f64 = 0.398_942_280_401_432_7;

/// No lane needs as many nodes in one direction: a bound on the loop, never a truncation.
const MAX_NODES: usize = 256;

/// The factors of e^{sδ} and of the weight φ(z + δ)/φ(z) from one node to the next.
#[derive(Clone, Copy)]
struct Grid<V> {
    h: V,
    /// e^{sh}, e^{−sh}
    growth: [V; 2],
    /// φ(z ± h)/φ(z)
    ratio: [V; 2],
    /// e^{−h²}
    decay: V,
}

/// An integrand of three positive terms.
trait Terms<V> {
    /// Whether the first is among the slowest to the right.
    const FIRST: bool;
    /// At e^{sδ}, times a weight.
    fn at(&self, e: V, w: V) -> [V; 3];
}

impl<V: Lanes<Scalar: LogNormal>> Grid<V> {
    /// The step as in the scalar kernel: for a Gaussian of curvature `bend`, the nearest pole at
    /// Im(sz) = π/2, `weight` = X at the centre.
    #[inline(always)]
    fn step(s: V, bend: V, weight: V) -> V {
        let digits = V::splat(V::Scalar::DIGITS);
        let free = (V::splat(2.0 * V::Scalar::DIGITS) / bend).sqrt();
        let pole = V::splat(0.45 * PI) / s;
        let eta = free.select_lt(pole, free, pole);
        let se = s * eta;
        let w = se * se;
        let ln_cos = (V::splat(0.5) * w) * w.poly(&[1.0, 1.0 / 6.0, 2.0 / 45.0, 0.0135, 0.0148]);
        let growth = weight.mul_add(ln_cos, (V::splat(0.5) * eta).mul_add(eta, digits));
        V::splat(2.0 * PI) * eta / growth
    }

    /// About the centre z.
    #[inline(always)]
    fn new(s: V, z: V, h: V) -> Self {
        let sh = s * h;
        let square = h * h;
        let half = V::splat(0.5) * square;
        let hz = h * z;
        Self {
            h,
            growth: [exp_node(sh), exp_node(-sh)],
            ratio: [exp_node(-hz - half), exp_node(hz - half)],
            decay: exp_node(-square),
        }
    }

    /// Sums three positive `terms` of e^{sδ} and the weight over δ = 0, h, 2h, …, then −h, −2h, …, for
    /// every lane by itself until the slowest terms have settled: to the left the first, to the
    /// right the third, which has the most powers of e^{sδ}, and with `FIRST` the first as well.
    #[inline(always)]
    fn sum<K: Terms<V>>(&self, terms: &K) -> [V; 3] {
        let zero = V::splat(0.0);
        let last = V::splat(V::Scalar::LAST);
        let mut sums = [zero; 3];
        for side in [0, 1] {
            let (growth, mut ratio) = (self.growth[side], self.ratio[side]);
            let (mut e, mut w) = if side == 0 { (V::splat(1.0), V::splat(1.0)) } else { (growth, ratio) };
            if side == 1 {
                ratio = ratio * self.decay;
            }
            for _ in 0..MAX_NODES {
                let new = terms.at(e, w);
                for (sum, term) in sums.iter_mut().zip(new) {
                    *sum = *sum + term;
                }
                // A lane that has settled goes on with weight 0.
                let next = w * ratio;
                w = zero;
                if side == 1 || K::FIRST {
                    w = (last * sums[0]).select_lt(new[0], next, w);
                }
                if side == 0 {
                    w = (last * sums[2]).select_lt(new[2], next, w);
                }
                if !zero.any_lt(w) {
                    break;
                }
                e = e * growth;
                ratio = ratio * self.decay;
            }
        }
        sums
    }
}

/// What of [`near`] depends on s alone.
#[derive(Clone, Copy)]
pub(crate) struct NearGrid<V> {
    grid: Grid<V>,
    /// e^{s²} and h e^{−s²/2}/√(2π)
    beta: V,
    norm: V,
}

impl<V: Lanes<Scalar: LogNormal>> NearGrid<V> {
    #[inline(always)]
    pub(crate) fn new(s: V) -> Self {
        let s = s.at_least(V::Scalar::S_MIN);
        let square = s * s;
        let h = Grid::step(s, V::splat(1.0), V::splat(0.0));
        Self {
            grid: Grid::new(s, s, h),
            beta: exp_node(square),
            norm: V::splat(NORM) * h * exp_node(V::splat(-0.5) * square),
        }
    }
}

/// ½ tanh(X/2) doubled, X u r², X² u(1 − u) r³, X = xe^{sδ}, without the powers of x.
struct NearTerms<V> {
    x: V,
}

impl<V: Lanes> Terms<V> for NearTerms<V> {
    // tanh tends to 1.
    const FIRST: bool = true;
    #[inline(always)]
    fn at(&self, e: V, w: V) -> [V; 3] {
        let parts = exp_parts(-(self.x * e));
        let (u, m1) = (parts.exp, -parts.exp_m1);
        let r = V::splat(1.0) / (V::splat(1.0) + u);
        let wr = w * r;
        let er = e * r;
        let first = wr * u * er;
        [wr * m1, first, first * er * m1]
    }
}

/// [`Region::NEAR`]: H = ½ − T = E[½ tanh(X/2)], centred at z = s, where X φ(z) is largest.
#[inline(always)]
pub(crate) fn near<V: Lanes<Scalar: LogNormal>>(xi: V, at: &NearGrid<V>) -> Logit<V> {
    let (zero, half) = (V::splat(0.0), V::splat(0.5));
    let positive = xi.at_least(V::Scalar::XI_MIN);
    let x = positive * at.beta;
    let [s0, s1, s2] = at.grid.sum(&NearTerms { x });
    let h = half * at.norm * s0;
    let scale = at.norm * at.beta / ((half - h) * (half + h));
    let slope = scale * s1;
    let spread = half * (xi * (xi * at.beta)) * (scale * s2);
    // ℓ = ln((½ + H)/(½ − H))
    let value = ln_1p_parts((h + h) / (half - h)).0;
    Logit { value: zero.select_lt(xi, value, zero), slope, spread }
}

/// A point near the saddle of φ(z)e^{−X}: z = −w/s and X = ξe^{−w} belong together to rounding, while w
/// solves weʷ = s²ξ to a few digits only, which costs a few nodes at most.
struct Saddle<V> {
    s: V,
    z: V,
    x: V,
    /// e^{−w} = X/ξ
    shrink: V,
    grid: Grid<V>,
}

impl<V: Lanes<Scalar: LogNormal>> Saddle<V> {
    #[inline(always)]
    fn new(xi: V, s: V) -> Self {
        let one = V::splat(1.0);
        let s = s.at_least(V::Scalar::S_MIN);
        let a = (s * s) * xi;
        // W(a) ≈ l(1 − ln(1 + l)/(2 + l)), l = ln(1 + a), and one Newton step.
        let l = ln_1p_parts(a).0;
        let w = l * (one - ln_1p_parts(l).0 / (V::splat(2.0) + l));
        let w = w - (w - a * exp_node(-w)) / (one + w);
        let shrink = exp_node(-w);
        let x = xi * shrink;
        let z = -(w / s);
        let h = Grid::step(s, (s * s).mul_add(x, one), x);
        Self { s, z, x, shrink, grid: Grid::new(s, z, h) }
    }

    /// From the three sums, and what the exponents left out.
    #[inline(always)]
    fn logit(&self, [s0, s1, s2]: [V; 3], left_out: V) -> Logit<V> {
        let ln_t =
            (V::splat(-0.5) * self.z).mul_add(self.z, -left_out) + ln(V::splat(NORM) * self.grid.h * s0);
        let inv = V::splat(1.0) / s0;
        let slope = self.shrink * (s1 * inv);
        let spread = (V::splat(0.5) * self.x) * (self.x * (s2 * inv));
        Logit::from_ln_tail(ln_t, slope, spread)
    }
}

/// u r, X u r², X² u(1 − u) r³, X = xe^{sδ}, without the powers of x.
struct FarTerms<V> {
    x: V,
}

impl<V: Lanes> Terms<V> for FarTerms<V> {
    const FIRST: bool = false;
    #[inline(always)]
    fn at(&self, e: V, w: V) -> [V; 3] {
        let one = V::splat(1.0);
        let u = exp_node(-(self.x * e));
        let r = one / (one + u);
        let er = e * r;
        let zeroth = (w * u) * r;
        let first = zeroth * er;
        [zeroth, first, first * er * (one - u)]
    }
}

/// [`Region::FAR`]: T = E[u r], u = e^{−X}, r = 1/(1 + u).
#[inline(always)]
pub(crate) fn far<V: Lanes<Scalar: LogNormal>>(xi: V, s: V) -> Logit<V> {
    let at = Saddle::new(xi, s);
    let sums = at.grid.sum(&FarTerms { x: at.x });
    at.logit(sums, V::splat(0.0))
}

/// [`Region::DEEP`]: T = E[e^{−X}] to rounding, with e^{−X} and the weight in one exponent.
#[inline(always)]
pub(crate) fn deep<V: Lanes<Scalar: LogNormal>>(xi: V, s: V) -> Logit<V> {
    let at = Saddle::new(xi, s);
    let slope = at.s.mul_add(at.x, at.z);
    // The recurrences serve for δ, as the weight's own logarithm is needed here.
    let zero = V::splat(0.0);
    let last = V::splat(V::Scalar::LAST);
    let mut sums = [zero; 3];
    for side in [0, 1] {
        let h = if side == 0 { at.grid.h } else { -at.grid.h };
        let mut j = side as f64;
        let mut live = V::splat(1.0);
        for _ in 0..MAX_NODES {
            let delta = V::splat(j) * h;
            let parts = exp_parts(at.s * delta);
            let quadratic = delta * V::splat(0.5).mul_add(delta, slope);
            let zeroth = live * exp_node(-(at.x.mul_add(parts.exp_m1_my, quadratic)));
            let first = zeroth * parts.exp;
            let new = [zeroth, first, first * parts.exp];
            for (sum, term) in sums.iter_mut().zip(new) {
                *sum = *sum + term;
            }
            let slowest = if side == 0 { 2 } else { 0 };
            let bound = last * sums[slowest];
            if !bound.any_lt(new[slowest]) {
                break;
            }
            live = bound.select_lt(new[slowest], live, zero);
            j += 1.0;
        }
    }
    at.logit(sums, at.x)
}
