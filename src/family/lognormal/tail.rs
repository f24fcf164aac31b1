//! LogNormal strengths: T by the trapezoidal rule, which converges geometrically here.
//!
//! With X = ξe^{sz}, ξ = e^μ|D| the median of β|D|, u = e^{−X}, r = 1/(1 + u) and z ~ N(0, 1):
//! T = E[u r], −ξT_ξ = E[X u r²], and by the heat equation T_q = ½E[X²u(1 − u)r³] at fixed mean
//! x = ξe^{s²/2}, q = s². All integrands are positive: no sum cancels. Derivation: docs/math.md §3.

use crate::family::fixed;
use crate::kernel::Tail;
use crate::lanes::{Block, Lanes};
use crate::math::elementary::{ExpParts, exp, exp_node, exp_parts, ln};
use crate::math::lambert::{FULL, lambert_w, lambert_w_of_exp};
use crate::math::twofold::{ln_1p_twofold, ln_twofold, two_prod, two_sum};
use core::f64::consts::PI;
use num_traits::Float;

/// The largest σ: cv² = e^{σ²} − 1 up to 1e62. The number of nodes grows in proportion to σ.
pub(crate) const MAX_SIGMA: f64 = 12.0;

/// Below it a spread changes no f64 anywhere.
pub(crate) const MIN_SIGMA: f64 = 1e-150;

const N: usize = 8;
type B = Block<N>;

/// Where to evaluate: ln β ~ Normal(μ, σ²) at |D| = `size`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Point {
    /// e^μ
    pub(crate) median: f64,
    pub(crate) size: f64,
    /// μ = mu + mu_lo
    pub(crate) mu: f64,
    pub(crate) mu_lo: f64,
    /// σ = sigma + sigma_lo: at large σ an ulp of it is σ² ulp of the mean.
    pub(crate) sigma: f64,
    pub(crate) sigma_lo: f64,
}

/// σ = √ln(1 + v) in two parts; ∞ far beyond [`MAX_SIGMA`].
pub(crate) fn sigma(v: f64) -> (f64, f64) {
    if v > 1e300 {
        return (f64::INFINITY, 0.0);
    }
    let (q, q_lo) = ln_1p_twofold(v);
    let s = Float::sqrt(q);
    let (square, square_lo) = two_prod(s, s);
    // Below, the square of s has no second part.
    if s < 1e-140 { (s, 0.0) } else { (s, ((q - square) - square_lo + q_lo) / (2.0 * s)) }
}

impl Point {
    /// ξ = e^μ|D|, possibly under- or overflowed.
    fn xi(&self) -> f64 {
        if self.size == 0.0 { 0.0 } else { self.median * self.size }
    }

    /// ln ξ.
    fn ln_xi(&self) -> f64 {
        self.mu + ln(self.size)
    }

    /// σz = hi + lo, and e^{σz}.
    fn exp_sigma(&self, z: f64) -> (f64, f64, f64) {
        let (hi, lo) = two_prod(self.sigma, z);
        let lo = lo + self.sigma_lo * z;
        let e = exp(hi);
        (hi, lo, e + e * lo)
    }

    /// (ln(x/ξ))/σ, in two parts, for normal numbers x and `size`.
    fn quantile(&self, x: f64) -> (f64, f64) {
        let (a, a_lo) = ln_twofold(x, 0.0);
        let (b, b_lo) = ln_twofold(self.size, 0.0);
        let (hi, lo) = two_sum(a, -b);
        let (hi, rest) = two_sum(hi, -self.mu);
        let z = hi / self.sigma;
        let (back, back_lo) = two_prod(z, self.sigma);
        let rest = ((hi - back) - back_lo - z * self.sigma_lo) + (rest + lo + a_lo - b_lo - self.mu_lo);
        two_sum(z, rest / self.sigma)
    }
}

/// Blocks per direction: 4096 nodes, twice what σ = 12 needs. A bound, never a truncation.
const MAX_BLOCKS: usize = 512;

/// −ln of the discretisation error aimed at.
const DIGITS: f64 = 38.5;

/// Offsets δⱼ = jh from a centre, with h and the leading part of sh so short that jh and j·sh_hi are
/// exact: at |sδ| in the hundreds a rounding of sδ would cost as many ulp.
#[derive(Clone, Copy, Debug)]
struct Grid {
    h: f64,
    /// sh = sh_hi + sh_lo
    sh_hi: f64,
    sh_lo: f64,
}

/// Keeps the leading `bits` bits of a number.
fn shorten(x: f64, bits: u32) -> f64 {
    f64::from_bits(x.to_bits() & (u64::MAX << (53 - bits)))
}

/// e^{sδ} with its first two Taylor remainders, and δ.
#[derive(Clone, Copy)]
struct Node {
    exp: B,
    exp_m1: B,
    exp_m1_my: B,
    delta: B,
}

/// Blocks between two fresh evaluations of the factors in [`Grid::sum_gauss`]: their error stays at
/// a few ulp.
const STRIDE: usize = 4;

/// Whether a block that ends with `term` leaves `sum` as it is (lane 0 holds the centre node).
#[inline(always)]
fn settled(term: B, sum: B) -> bool {
    term.0[N - 1] <= 2e-17 * sum.0[0]
}

impl Grid {
    /// The step for an integrand that is Gaussian of curvature `bend` about its centre and has
    /// its nearest pole at Im(sz) = π/2, `weight` being X at the centre.
    ///
    /// On the line Im z = η the integrand grows by at most e^{η²/2 − X ln cos(sη)}, and the rule's
    /// error is e^{−2πη/h} times that; any η below the pole gives a valid step, the best one is flat.
    fn new(at: &Point, bend: f64, weight: f64) -> Self {
        let s = at.sigma;
        let free = Float::sqrt(2.0 * DIGITS / bend);
        let pole = 0.45 * PI / s;
        let eta = if free < pole { free } else { pole };
        // −ln cos θ for θ = sη ≤ 0.45π, within 3 %
        let w = (s * eta) * (s * eta);
        let ln_cos = 0.5 * w * (1.0 + w * (1.0 / 6.0 + w * (2.0 / 45.0 + w * (0.0135 + w * 0.0148))));
        let growth = weight * ln_cos;
        let h = shorten(2.0 * PI * eta / (DIGITS + 0.5 * eta * eta + growth), 20);
        let (product, rest) = two_prod(s, h);
        let sh_hi = shorten(product, 40);
        Self { h, sh_hi, sh_lo: (product - sh_hi) + (rest + at.sigma_lo * h) }
    }

    /// Sums `terms` over all nodes, outwards from the centre until none of the sums changes any more.
    /// The terms must be positive.
    #[inline(always)]
    fn sum<const M: usize, const R: usize>(
        &self,
        terms: impl Fn(Node) -> ([B; M], [B; R]),
    ) -> ([f64; M], [f64; R]) {
        let mut sums = [B::splat(0.0); M];
        let mut riders = [B::splat(0.0); R];
        for (start, step) in [(0.0, 1.0), (-1.0, -1.0)] {
            let mut first = start;
            for _ in 0..MAX_BLOCKS {
                let j = B::from_fn(|i| first + step * i as f64);
                let e = exp_parts(j * B::splat(self.sh_hi));
                let lo = j * B::splat(self.sh_lo);
                let (new, more) = terms(Node {
                    exp: e.exp + e.exp * lo,
                    exp_m1: e.exp_m1 + e.exp * lo,
                    exp_m1_my: e.exp_m1_my + e.exp_m1 * lo,
                    delta: j * B::splat(self.h),
                });
                let mut done = true;
                for (sum, term) in sums.iter_mut().zip(new) {
                    *sum = *sum + term;
                    done &= settled(term, *sum);
                }
                for (sum, term) in riders.iter_mut().zip(more) {
                    *sum = *sum + term;
                }
                if done {
                    break;
                }
                first += step * N as f64;
            }
        }
        (sums.map(B::sum), riders.map(B::sum))
    }

    /// The same for terms in e^{sδ} and the weight φ(z + δ)/φ(z) = e^{−δ(z + δ/2)}, where both
    /// factors advance from block to block by one multiplication: e^{sδ} is geometric, and so is
    /// the ratio of successive weights.
    #[inline(always)]
    fn sum_gauss<const M: usize, const R: usize>(
        &self,
        z: f64,
        terms: impl Fn(B, B) -> ([B; M], [B; R]),
    ) -> ([f64; M], [f64; R]) {
        let mut sums = [B::splat(0.0); M];
        let mut riders = [B::splat(0.0); R];
        let n = N as f64;
        let stride = n * self.h;
        let decay = B::splat(exp_node(-stride * stride));
        let growth = exp_node(n * self.sh_hi) * (1.0 + n * self.sh_lo);
        for (start, step, growth) in [(0.0, 1.0, growth), (-1.0, -1.0, 1.0 / growth)] {
            let mut first = start;
            let ahead = step * n;
            let jump = step * stride;
            let growth = B::splat(growth);
            'direction: for _ in 0..MAX_BLOCKS / STRIDE {
                let j = B::from_fn(|i| first + step * i as f64);
                let delta = j * B::splat(self.h);
                let mut e = exp_node(j * B::splat(self.sh_hi));
                e = e + e * (j * B::splat(self.sh_lo));
                let mut w = exp_node(-delta * (B::splat(z) + B::splat(0.5) * delta));
                let mut ratio = exp_node(-B::splat(jump) * (delta + B::splat(z + 0.5 * jump)));
                for _ in 0..STRIDE {
                    let (new, more) = terms(e, w);
                    let mut done = true;
                    for (sum, term) in sums.iter_mut().zip(new) {
                        *sum = *sum + term;
                        done &= settled(term, *sum);
                    }
                    for (sum, term) in riders.iter_mut().zip(more) {
                        *sum = *sum + term;
                    }
                    if done {
                        break 'direction;
                    }
                    e = e * growth;
                    w = w * ratio;
                    ratio = ratio * decay;
                    first += ahead;
                }
            }
        }
        (sums.map(B::sum), riders.map(B::sum))
    }
}

/// |z| of a saddle beyond which neighbouring f64 are further apart than the integrand is wide.
const REMOTE: f64 = 1e14;

/// The saddle point of φ(z)e^{−X}: sX + z = 0. Returns (X, z) with X = ξe^{sz} to full accuracy;
/// z is only near the saddle. A remote saddle has sX + z = 0 instead and ξ perturbed by a few ulp.
fn saddle(at: &Point) -> (f64, f64) {
    let (xi, s) = (at.xi(), at.sigma);
    let q = s * s;
    let a = q * xi;
    // w eʷ = s²ξ, w = s²X
    let w = if a < 1e290 { lambert_w(a, FULL) } else { lambert_w_of_exp(at.ln_xi() + 2.0 * ln(s)) };
    let z = -w / s;
    // The last bits of W are rounding: leave them out, so that z and sz are exact, while that moves the saddle by
    // nothing that matters.
    let z = if z > -1e3 { shorten(z, 26) } else { z };
    let (hi, lo, e) = at.exp_sigma(z);
    let x = if z < -REMOTE {
        w / q
    } else if xi < 1e290 {
        xi * e
    } else {
        exp((at.ln_xi() + hi) + lo)
    };
    (x, z)
}

/// z + sX at a computed saddle: zero but for the rounding of w, which X = ξe^{sz} magnifies.
fn residual(x: f64, z: f64, s: f64) -> f64 {
    if z < -REMOTE { 0.0 } else { z + s * x }
}

/// T at a median margin ξ ≥ 0; 0 ≤ s ≤ 12. The field `x` is ξ, `d_v` is ∂/∂q at fixed mean. `second` asks
/// for a `ln_d2` that does not cancel.
pub(crate) fn tail(at: &Point, second: bool) -> Tail {
    let (xi, s) = (at.xi(), at.sigma);
    if s < MIN_SIGMA || at.size == 0.0 {
        // At ξ = 0: T′ = −E[β]/4 in units of the median.
        let mut tail = fixed::tail::tail(xi);
        tail.d1 *= exp(0.5 * s * s);
        tail.ln_d2 = if xi == 0.0 { -tail.d1 * tail.d1 } else { tail.ln_d2 };
        return tail;
    }
    if at.size == f64::INFINITY {
        return Tail {
            x: xi,
            plain: false,
            t: 0.0,
            h: 0.5,
            ln: f64::NEG_INFINITY,
            ln_lo: 0.0,
            t_lo: 0.0,
            d1: f64::INFINITY,
            d2: f64::INFINITY,
            ln_d2: f64::INFINITY,
            d_v: f64::INFINITY,
            v_d_v: f64::INFINITY,
        };
    }
    match (xi < 1.0, second) {
        (true, _) => near(at),
        (false, true) => far::<true>(at),
        (false, false) => far::<false>(at),
    }
}

/// 1/√(2π)
const NORM: f64 = 0.398_942_280_401_432_7;

/// ξ < 1: accumulates ½ − T = E[½ tanh(X/2)].
///
/// Centred at z = min(s, −ln ξ/s), where Xφ(z) or, once X reaches 1 before that, φ(z) alone is
/// largest: the weights there are then relative to e^{−z²/2}, which comes out as a factor.
fn near(at: &Point) -> Tail {
    let one = B::splat(1.0);
    let (xi, s) = (at.xi(), at.sigma);
    let grid = Grid::new(at, 1.0, 0.0);
    let edge = -ln(xi) / s;
    let z = shorten(if edge < s { edge } else { s }, 20);
    let beta = at.exp_sigma(z).2;
    // ξ may be subnormal, or 0, where the x at the centre is not.
    let x = if xi.is_normal() { xi * beta } else { (at.median * beta) * at.size };
    let ([s0, s1, s2], []) = grid.sum_gauss(z, |e, w| {
        let ExpParts { exp: u, exp_m1, .. } = exp_parts(-(B::splat(x) * e));
        let r = one / (one + u);
        let wr = w * r;
        let eur = e * u * r;
        ([B::splat(-0.5) * wr * exp_m1, wr * eur, -(wr * eur) * (e * r) * exp_m1], [])
    });
    let norm = NORM * grid.h * exp(-0.5 * z * z);
    let h = norm * s0;
    let t = 0.5 - h;
    let norm = norm * beta / t;
    let (d1, d2) = (norm * s1, norm * s2 * beta);
    let d_q = 0.5 * xi * d2 * xi;
    Tail {
        x: xi,
        plain: true,
        t,
        h,
        ln: ln(t),
        ln_lo: 0.0,
        t_lo: 0.0,
        d1,
        d2,
        ln_d2: d2 - d1 * d1,
        d_v: d_q,
        v_d_v: d_q,
    }
}

/// ξ ≥ 1: accumulates T about the saddle point. Without `SECOND`, the field `ln_d2` is the plain
/// difference.
fn far<const SECOND: bool>(at: &Point) -> Tail {
    let one = B::splat(1.0);
    let s = at.sigma;
    let (x, z) = saddle(at);
    // The z that belongs to this x to twice the working precision: T is e^{−z²/2 − x} times a sum.
    let twofold = s > 1e-6 && x.is_normal() && at.size.is_normal();
    let (z, z_lo) = if twofold { at.quantile(x) } else { (z, 0.0) };
    let grid = Grid::new(at, 1.0 + s * s * x, x);
    let r_c = B::splat(if SECOND { 1.0 / (1.0 + exp(-x)) } else { 0.0 });
    let main = |e: B, u: B, w: B| {
        let r = one / (one + u);
        let wr = w * r;
        let er = e * r;
        ([wr, wr * er, wr * er * er * (one - u)], r)
    };
    // Xr about the centre, for a variance that does not cancel, and X²ur².
    let second = |e: B, exp_m1: B, u: B, r: B, wr: B| {
        let b = exp_m1 * r + (r - r_c);
        let er = e * r;
        [wr * b, wr * b * b, wr * er * er * u]
    };
    // The weight φe^{−X}, of which e^{−z²/2} or e^{−z²/2 − X} at the saddle comes out as a factor.
    let fast = x < DEEP && s > 1e-3;
    let factor = if fast { 0.0 } else { x };
    let ([s0, s1, s2], [b1, b2, c2]) = if fast {
        let terms = |e: B, w: B| {
            let u = exp_node(-(B::splat(x) * e));
            let (sums, r) = main(e, u, w * u);
            (sums, u, r)
        };
        if SECOND {
            grid.sum_gauss(z, |e, w| {
                let (sums, u, r) = terms(e, w);
                (sums, second(e, e - one, u, r, sums[0]))
            })
        } else {
            let (sums, []) = grid.sum_gauss(z, |e, w| (terms(e, w).0, []));
            (sums, [0.0; 3])
        }
    } else {
        let slope = residual(x, z, s);
        grid.sum(|Node { exp: e, exp_m1, exp_m1_my, delta }| {
            let w = exp_node(-(B::splat(x) * exp_m1_my + delta * (B::splat(slope) + B::splat(0.5) * delta)));
            let u = exp_node(-(B::splat(x) * e));
            let (sums, r) = main(e, u, w);
            (sums, second(e, exp_m1, u, r, sums[0]))
        })
    };
    let (square, square_lo) = two_prod(z, z);
    let (ln_t, lo) = two_sum(-0.5 * square, -factor);
    let (ln_t, rest) = two_sum(ln_t, ln(NORM * grid.h * s0));
    // Beyond the range of exp the low parts change nothing, and may not be numbers.
    let ln_lo = if ln_t > -3000.0 { rest + lo - (0.5 * square_lo + z * z_lo) } else { 0.0 };
    let t = exp(ln_t);
    let t = t + t * ln_lo;
    let d1 = x * (s1 / s0);
    let d2 = x * (s2 / s0) * x;
    let mean = b1 / s0;
    let ln_d2 = if SECOND { x * ((b2 / s0 - mean * mean) - c2 / s0) * x } else { d2 - d1 * d1 };
    let d_q = 0.5 * d2;
    Tail {
        x: at.xi(),
        plain: false,
        t,
        h: 0.5 - t,
        ln: ln_t,
        ln_lo,
        t_lo: 0.0,
        d1,
        d2,
        ln_d2,
        d_v: d_q,
        v_d_v: d_q,
    }
}

/// X at the saddle from which on e^{−X} and φ are combined before exponentiation.
const DEEP: f64 = 30.0;

/// Mean and variance of β under p(β)σ(±β|D|)/E[σ(±β|D|)], the lower sign if `negative`, in a unit
/// that is the third value over |D| where there is one, else e^μ.
///
/// Sums e^{sδ} − 1 and its square about the centre: the variance does not cancel for small s.
pub(crate) fn posterior(at: &Point, negative: bool) -> (f64, f64, Option<f64>) {
    let (xi, s) = (at.xi(), at.sigma);
    let one = B::splat(1.0);
    let at_saddle = negative && xi >= 1.0;
    let (x, z, grid) = if at_saddle {
        let (x, z) = saddle(at);
        (x, z, Grid::new(at, 1.0 + s * s * x, x))
    } else {
        (xi, 0.0, Grid::new(at, 1.0, 0.0))
    };
    let slope = if at_saddle { residual(x, z, s) } else { 0.0 };
    let ([s0, _, m2], [m1]) = grid.sum(|Node { exp: e, exp_m1, exp_m1_my, delta }| {
        let u = exp_node(-(B::splat(x) * e));
        let r = one / (one + u);
        let quadratic = delta * (B::splat(slope) + B::splat(0.5) * delta);
        let w = if at_saddle {
            exp_node(-(B::splat(x) * exp_m1_my + quadratic)) * r
        } else if negative {
            exp_node(-quadratic) * u * r
        } else {
            exp_node(-quadratic) * r
        };
        let first = w * exp_m1;
        ([w, w * e * e, first * exp_m1], [first])
    });
    let mean = m1 / s0;
    (1.0 + mean, m2 / s0 - mean * mean, at_saddle.then_some(x))
}

/// T(x, v) for ln B ~ Normal(−s²/2, s²), s² = ln(1 + v).
///
/// * Domain: x ≥ 0, 0 ≤ v ≤ e¹⁴⁴ − 1 (s ≤ 12); NaN outside. v = 0 is [`fixed`](crate::canonical::fixed); x = ∞ gives the
///   limits.
/// * Max error: ln T, −T_x/T and T_v/T 16 eps (relative).
/// * Source: MixDPO, arXiv 2601.06180; here by quadrature instead of Monte Carlo.
///
/// ```
/// let tail = prefstrength::canonical::lognormal(1.0, 0.25);
/// let gamma = prefstrength::canonical::gamma(1.0, 0.25);
/// assert!((tail.value() - gamma.value()).abs() < 1e-2); // same mean, same variance
/// ```
#[must_use]
pub fn lognormal(x: f64, v: f64) -> Tail {
    if !(x >= 0.0 && v >= 0.0) {
        return Tail::NAN;
    }
    let (sigma, sigma_lo) = sigma(v);
    if sigma > MAX_SIGMA {
        return Tail::NAN;
    }
    let root = Float::sqrt(1.0 + v);
    let (ln_square, lo) = ln_1p_twofold(v);
    let (mu, mu_lo) = (-0.5 * ln_square, -0.5 * lo);
    let at = Point { median: 1.0 / root, size: x, mu, mu_lo, sigma, sigma_lo };
    let mut tail = self::tail(&at, true);
    // The kernel's unit is the median of β, and its strength derivative is ∂/∂q, q = s².
    tail.x = x;
    if tail.plain {
        tail.d1 /= root;
        tail.d2 = tail.d2 / root / root;
        tail.ln_d2 = tail.ln_d2 / root / root;
    }
    tail.d_v /= 1.0 + v;
    tail.v_d_v = v * tail.d_v;
    tail
}
