//! Inverse Gaussian strengths: T(x, v) by a few terms of the alternating sum and Abel–Plana for the rest.
//!
//! With K(s) = −ln E[e^{−sB}] = 2s/(1 + √(1 + 2vs)): T = Σ (−1)ⁿ⁺¹ e^{−K(nx)}. Derivation:
//! docs/math.md.

use crate::kernel::Tail;
use crate::lanes::{Block, Lanes};
use crate::math::elementary::{exp, exp_node, exp_parts, ln, sin_cos};
use crate::math::tables::{ABEL_PLANA_T, ABEL_PLANA_W};
use crate::math::twofold::{Twofold, add, div, two_prod, two_sum};
use num_traits::Float;

/// Lanes of one block of nodes.
const N: usize = 4;
type B = Block<N>;

/// Abel–Plana serves up to this x (the rule would do for 2, but the integrals cancel more and more), and up to this
/// c = xv: beyond, the branch point t = i/(2c) comes too near.
const X_MAX: f64 = 1.5;
const C_MAX: f64 = 0.5;

/// No sum takes as many terms: a bound, never a truncation.
const MAX_TERMS: usize = 64;

/// Where to evaluate: x = mean·size = m|D|, and v.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Point {
    /// The rounded product, which may have overflowed where ln T is a number.
    pub(crate) x: f64,
    pub(crate) v: f64,
    pub(crate) mean: f64,
    pub(crate) size: f64,
    /// mean·size − x, over x
    pub(crate) x_error: f64,
}

impl Point {
    /// From the canonical pair.
    pub(crate) fn from_x_v(x: f64, v: f64) -> Self {
        Self { x, v, mean: x, size: 1.0, x_error: 0.0 }
    }
}

/// T at a point with x ≥ 0, 0 ≤ v < ∞.
pub(crate) fn tail(at: Point) -> Tail {
    let Point { x, v, .. } = at;
    if v == 0.0 || x == 0.0 {
        return crate::family::fixed::tail::tail(x);
    }
    if at.mean == f64::INFINITY || at.size == f64::INFINITY {
        return limit();
    }
    if x <= X_MAX && x * v <= C_MAX { near(x, v) } else { far(at) }
}

/// x = ∞: ln T ~ −√(2x/v).
fn limit() -> Tail {
    Tail {
        x: f64::INFINITY,
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
    }
}

/// A block of complex numbers.
#[derive(Clone, Copy)]
struct Complex {
    re: B,
    im: B,
}

impl Complex {
    #[inline(always)]
    fn times(self, z: Self) -> Self {
        Self { re: self.re * z.re - self.im * z.im, im: self.re * z.im + self.im * z.re }
    }

    #[inline(always)]
    fn scaled(self, by: B) -> Self {
        Self { re: self.re * by, im: self.im * by }
    }

    #[inline(always)]
    fn plus(self, re: f64) -> Self {
        Self { re: self.re + B::splat(re), im: self.im }
    }
}

/// One block of nodes on the line s = (M − it)x: with s = Mx at its start, r = √(1 + 2vs) there, and c = xv/r²,
/// y = x/r in the units of that start.
struct Nodes {
    t: B,
    /// e^{K(Mx) − K(s)} times the weight
    e: Complex,
    /// u = r/√(1 + 2vs) = 1/√(1 − 2itc)
    u: Complex,
    /// √(1 − 2itc) = p − iq
    p: B,
    q: B,
    /// 2tc
    a: B,
}

impl Nodes {
    /// √(1 − ia) = p − iq with a = 2tc: p² = ½(√(1 + a²) + 1), q = a/(2p), and |p − iq|² = √(1 + a²). The exponent
    /// 2ity/(1 + √(1 − ia)) is −t²yc/(p²(1 + p)) + ity/p: its parts do not cancel.
    #[inline(always)]
    fn new(j: usize, y: f64, c: f64) -> Self {
        let one = B::splat(1.0);
        let t = B::load(&ABEL_PLANA_T[j..]);
        let weight = B::load(&ABEL_PLANA_W[j..]);
        let a = t * B::splat(2.0 * c);
        let size = (one + a * a).sqrt();
        let p = (B::splat(0.5) * (size + one)).sqrt();
        let q = B::splat(0.5) * a / p;
        let inv = one / size;
        let angle = t * B::splat(y) / p;
        let decay = B::splat(0.5) * (a * angle) / (p * (one + p));
        let (sin, cos) = sin_cos(angle);
        let scale = exp_node(-decay) * weight;
        let e = Complex { re: scale * cos, im: scale * sin };
        Self { t, e, u: Complex { re: p * inv, im: q * inv }, p, q, a }
    }

    /// Im ze, added up.
    #[inline(always)]
    fn im(&self, z: Complex) -> B {
        z.re * self.e.im + z.im * self.e.re
    }
}

/// Σ over n of (−1)ⁿ f(n), times weights, where f(n) = e^{−K}: what [`near`] and [`far`] are made of.
///
/// With V = sK′(s) in the unit of the tail (`shift` = 1) or of x (`shift` = 0), and Q the ratio of −∂K/∂v to
/// 2y²g: 1, V − shift, (V − shift)² + (v/r)V²·u, Q. Derivatives are ratios of these.
struct Sums([f64; 4]);

impl Sums {
    /// The integral ∫₀^∞ Im E(t)/sinh πt dt of all four along s = (m − it)x, divided by e^{−K(mx)}; `rho` is
    /// r(mx)/r(x), `v` is v/r(mx), `g` = 1/r(x).
    fn abel_plana(y: f64, c: f64, v: f64, m: f64, rho: f64, g: f64, shift: f64) -> Self {
        let (mut s0, mut s1, mut s2, mut sv) = (B::splat(0.0), B::splat(0.0), B::splat(0.0), B::splat(0.0));
        let (m, inv, rho, g) = (B::splat(m), B::splat(1.0 / rho), B::splat(rho), B::splat(g));
        for j in (0..ABEL_PLANA_T.len()).step_by(N) {
            let at = Nodes::new(j, y, c);
            let line = Complex { re: m * inv, im: -at.t * inv };
            let v1 = line.times(at.u);
            let z = v1.plus(-shift);
            let second = v1.times(v1).times(at.u).scaled(B::splat(v));
            let square = z.times(z);
            // (m − it)/(g + ρ(p − iq))
            let (re, im) = (g + rho * at.p, rho * at.q);
            let size = B::splat(1.0) / (re * re + im * im);
            let l = Complex { re: m, im: -at.t }.times(Complex { re, im }.scaled(size));
            s0 = s0 + at.e.im;
            s1 = s1 + at.im(z);
            s2 = s2 + at.im(Complex { re: square.re + second.re, im: square.im + second.im });
            sv = sv + at.im(l.times(l).times(at.u)) * inv;
        }
        Self([s0.sum(), s1.sum(), s2.sum(), sv.sum()])
    }
}

/// x ≤ 1.5, xv ≤ ½: ½ − T directly, the line s = −itx.
fn near(x: f64, v: f64) -> Tail {
    let Sums([h, s1, s2, sv]) = Sums::abel_plana(x, x * v, v, 0.0, 1.0, 1.0, 0.0);
    let t = 0.5 - h;
    let d1 = -s1 / t;
    let d2 = -s2 / t;
    let d_v = -2.0 * (x * (x * sv)) / t;
    Tail {
        x,
        plain: true,
        t,
        h,
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

/// The start of the tail: tilted by e^{−xB}, B is inverse Gaussian again, of mean g = 1/r, r = √(1 + 2xv).
#[derive(Clone, Copy, Debug)]
struct Start {
    g: f64,
    /// x/r
    y: f64,
    /// x/r²
    yg: f64,
    /// v/r
    v: f64,
    /// xv/r² ≤ ½
    c: f64,
    /// K(x) = 2x/(1 + r), and its part yδ that a rounded x leaves out
    k: Twofold,
}

/// 2x v from which on 1 + 2xv is 2xv.
const HUGE: f64 = 1e40;

impl Start {
    fn new(at: &Point) -> Self {
        let Point { x, v, mean, size, x_error } = *at;
        const LIMIT: f64 = 1e290; // of `two_prod`
        const DOWN: f64 = f64::from_bits((1023 - 600) << 52);
        const UP: f64 = f64::from_bits((1023 + 600) << 52);
        let c = if x < f64::INFINITY { x * v } else { (mean * DOWN * size) * (v * UP) };
        if c >= HUGE || c.is_nan() {
            return Self::huge(at, c);
        }
        let c2 = if x < LIMIT && v < LIMIT && c > 1e-270 { two_prod(x, v) } else { (c, 0.0) };
        let (r, r_lo) = root(add((1.0, 0.0), (2.0 * c2.0, 2.0 * c2.1)));
        let g = 1.0 / r;
        let y = if x < f64::INFINITY { x * g } else { mean * (size * g) };
        let k = if x < LIMIT {
            let (k, k_lo) = div((x, 0.0), add((1.0, 0.0), (r, r_lo)));
            (2.0 * k, 2.0 * k_lo + y * x_error)
        } else {
            (y * (2.0 / (1.0 + g)), 0.0)
        };
        Self { g, y, yg: y * g, v: v * g, c: c * g * g, k }
    }

    /// r = √(2xv), which may overflow, and K = 2y, y² = x/(2v), from mantissas and exponents.
    fn huge(at: &Point, c: f64) -> Self {
        let ((a, i), (b, j), (d, l)) = (normal(at.mean), normal(at.size), normal(at.v));
        let (mut hi, mut lo) = div(two_prod(a, b), (d, 0.0));
        let mut exponent = i + j - l - 1.0;
        // An even exponent halves.
        if exponent - 2.0 * Lanes::round_int(0.5 * exponent - 0.25) > 0.5 {
            (hi, lo, exponent) = (2.0 * hi, 2.0 * lo, exponent - 1.0);
        }
        let (y, y_lo) = root((hi, lo));
        let half = 0.5 * exponent;
        // 2ᵉ in two factors: |e| may be 1300.
        let first = Lanes::round_int(0.5 * half);
        let power = |z: f64| z * first.exp2_int() * (half - first).exp2_int();
        let (y, y_lo) = (power(y), power(y_lo));
        let yg = 0.5 / at.v;
        let g = if c < 1e300 { 1.0 / Float::sqrt(2.0 * c) } else { yg / y };
        Self { g, y, yg, v: 0.5 / y, c: 0.5, k: (2.0 * y, 2.0 * y_lo) }
    }
}

/// (m, n) with x = m·2ⁿ, also for subnormal x > 0.
fn normal(x: f64) -> (f64, f64) {
    const TWO_54: f64 = 18_014_398_509_481_984.0;
    if x < f64::MIN_POSITIVE {
        let (m, n) = (x * TWO_54).split();
        (m, n - 54.0)
    } else {
        x.split()
    }
}

/// √ in two parts.
fn root(u: Twofold) -> Twofold {
    let r = Float::sqrt(u.0);
    let (square, square_lo) = two_prod(r, r);
    (r, ((u.0 - square) - square_lo + u.1) / (2.0 * r))
}

/// Terms j of the tilted sum S = Σ (−1)ʲ e^{−K(jy)}, from j = 1 on until y/√(1 + 2jc) ≤ 1.5: then Abel–Plana takes
/// the rest. Calls `term` with (j, √(1 + 2jc), ±e^{−K(jy)}), and returns what it must start from, if anything is
/// left.
fn peel(y: f64, c: f64, mut term: impl FnMut(f64, f64, f64)) -> Option<(f64, f64, f64)> {
    if y <= X_MAX {
        return Some((0.0, 1.0, 1.0));
    }
    let mut sign = -1.0;
    for j in 1..MAX_TERMS {
        let j = j as f64;
        let rho = Float::sqrt(1.0 + 2.0 * j * c);
        let phi = exp_node(-2.0 * j * (y / (1.0 + rho)));
        if y <= X_MAX * rho {
            return Some((j, rho, sign * phi));
        }
        term(j, rho, sign * phi);
        // The largest weight is (j + 1)².
        if phi * ((j + 1.0) * (j + 1.0)) < 1e-20 {
            break;
        }
        sign = -sign;
    }
    None
}

/// Everything else: T = e^{−K(x)}·S, all derivatives as ratios of sums with the tilted weights.
fn far(at: Point) -> Tail {
    let Point { x, v, .. } = at;
    let start = Start::new(&at);
    let Start { g, y, yg, v: v1, c, k } = start;
    if y == f64::INFINITY {
        return limit();
    }
    // The terms but the first, small ones: added to it in the end.
    let mut rest = [0.0; 4];
    let add_term = |j: f64, rho: f64, phi: f64, rest: &mut [f64; 4]| {
        let value = (j + 1.0) / rho;
        let z = value - 1.0;
        let q = (j + 1.0) / (g + rho);
        let weights = [1.0, z, z * z + (v1 / rho) * value * value, q * q / rho];
        for (sum, weight) in rest.iter_mut().zip(weights) {
            *sum += phi * weight;
        }
    };
    let left = peel(y, c, |j, rho, phi| add_term(j, rho, phi, &mut rest));
    let mut half = 0.5;
    if let Some((j, rho, phi)) = left {
        let Sums(sums) = Sums::abel_plana(y / rho, c / (rho * rho), v1 / rho, j + 1.0, rho, g, 1.0);
        half = sums[0];
        for (sum, s) in rest.iter_mut().zip(sums) {
            *sum += phi * s;
        }
        // Half of the term itself; of the first one, half is there.
        add_term(j, rho, if j == 0.0 { -0.5 } else { 0.5 * phi }, &mut rest);
    }
    let first = 1.0 / (g + 1.0);
    let s = 1.0 + rest[0];
    let (e1, e2, ev) = (rest[1] / s, (v1 + rest[2]) / s, (first * first + rest[3]) / s);
    let (ln_t, lo) = two_sum(-k.0, ln(s));
    let ln_lo = lo - k.1;
    let t = exp(ln_t);
    let t = t + t * ln_lo;
    let h = if t < 0.25 {
        0.5 - t
    } else {
        // t = e^{−K}(½ + half), and y < 1.5.
        let p = exp_parts(-k.0);
        -0.5 * p.exp_m1 - p.exp * half
    };
    let plain = x < 1.0;
    let unit = if plain { g } else { y };
    let d1 = unit * (1.0 + e1);
    let ln_d2 = unit * (unit * (e2 - e1 * e1));
    let d_v = 2.0 * (y * (yg * ev));
    Tail {
        x,
        plain,
        t,
        h,
        ln: ln_t,
        ln_lo,
        t_lo: 0.0,
        d1,
        d2: ln_d2 + d1 * d1,
        ln_d2,
        d_v,
        // c may be a product that underflowed; v is exact.
        v_d_v: if c < 1e-290 { v * d_v } else { 2.0 * (y * (c * ev)) },
    }
}

/// Posterior mean and variance of β given the choice, in the unit mean·g = mean/√(1 + 2xv) if `negative`, else in
/// the unit of the mean; and g.
///
/// Against the margin β has the density of the tilted prior times σ(xB): its moments are sums with the weights
/// K′(s) and K′² − K″ of each term, here about those of the first. With the margin, prior moments less those.
pub(crate) fn posterior(at: Point, negative: bool) -> (f64, f64, f64) {
    let v = at.v;
    if at.x == 0.0 || v == 0.0 {
        return (1.0, v, 1.0);
    }
    if at.mean == f64::INFINITY || at.size == f64::INFINITY {
        return if negative { (0.0, 0.0, 0.0) } else { (1.0, v, 1.0) };
    }
    let Start { g, y, v: v1, c, .. } = Start::new(&at);
    let mut rest = [0.0; 3];
    let add_term = |j: f64, rho: f64, phi: f64, rest: &mut [f64; 3]| {
        // 1/ρ − 1
        let z = -2.0 * j * c / (rho * (1.0 + rho));
        for (sum, weight) in rest.iter_mut().zip([1.0, z, z * z + v1 / (rho * rho * rho)]) {
            *sum += phi * weight;
        }
    };
    let left = peel(y, c, |j, rho, phi| add_term(j, rho, phi, &mut rest));
    if let Some((j, rho, phi)) = left {
        let one = B::splat(1.0);
        let shift = B::splat(-2.0 * j * c / (rho * (1.0 + rho)));
        let cube = B::splat(v1 / (rho * rho * rho));
        let mut sums = [B::splat(0.0); 3];
        for i in (0..ABEL_PLANA_T.len()).step_by(N) {
            let at = Nodes::new(i, y / rho, c / (rho * rho));
            // u − 1 = ia·u/(1 + √(1 − ia)), and the inverse of the last is (1 + p + iq)/(2p(1 + p)).
            let f = at.a / (B::splat(2.0) * at.p * (one + at.p));
            let less = at.u.times(Complex { re: -(f * at.q), im: f * (one + at.p) });
            // u/ρ − 1
            let z = Complex { re: at.u.re * shift + less.re, im: at.u.im * shift + less.im };
            let square = z.times(z);
            let third = at.u.times(at.u).times(at.u).scaled(cube);
            sums[0] = sums[0] + at.e.im;
            sums[1] = sums[1] + at.im(z);
            sums[2] = sums[2] + at.im(Complex { re: square.re + third.re, im: square.im + third.im });
        }
        for (sum, s) in rest.iter_mut().zip(sums) {
            *sum += phi * s.sum();
        }
        add_term(j, rho, if j == 0.0 { -0.5 } else { 0.5 * phi }, &mut rest);
    }
    let s = 1.0 + rest[0];
    let mean = rest[1] / s;
    let variance = (v1 + rest[2]) / s - mean * mean;
    if negative {
        return (1.0 + mean, variance, g);
    }
    let tail = tail(at);
    let (t, upper) = (tail.t, 0.5 + tail.h);
    // The prior mean less that of the other choice; 1 − g = 2c/(1 + g).
    let off = 2.0 * c / (1.0 + g) - g * mean;
    let odds = t / upper;
    (1.0 + odds * off, (v - t * (g * variance * g) - odds * (off * off)) / upper, 1.0)
}

/// −m ∂ ln T/∂m at fixed shape λ = m/v, for v > 0: the sum of −x(ln T)ₓ and −v(ln T)ᵥ, which cancel for large xv,
/// in a form that does not.
///
/// With 2c = 1 − g² and ρ² = 1 + 2jc the two weights of a term, (j + 1)/ρ and 2c(j + 1)²/((g + ρ)²ρ), differ by
/// 2g(j + 1)/(ρ(g + ρ)).
pub(crate) fn mean_elasticity(at: Point) -> f64 {
    if at.size == f64::INFINITY {
        return 1.0 / at.v;
    }
    let Start { g, y, yg, c, .. } = Start::new(&at);
    let (mut s, mut sum) = (0.0, 0.0);
    let left = peel(y, c, |j, rho, phi| {
        s += phi;
        sum += phi * (j + 1.0) / (rho * (g + rho));
    });
    if let Some((j, rho, phi)) = left {
        let (mut h, mut h1) = (B::splat(0.0), B::splat(0.0));
        for i in (0..ABEL_PLANA_T.len()).step_by(N) {
            let at = Nodes::new(i, y / rho, c / (rho * rho));
            let (re, im) = (B::splat(g) + B::splat(rho) * at.p, B::splat(rho) * at.q);
            let size = B::splat(1.0) / (re * re + im * im);
            let l = Complex { re: B::splat(j + 1.0), im: -at.t }.times(Complex { re, im }.scaled(size));
            h = h + at.e.im;
            h1 = h1 + at.im(l.times(at.u));
        }
        let half = if j == 0.0 { -0.5 } else { 0.5 * phi };
        s += phi * h.sum() + half;
        sum += phi * h1.sum() / rho + half * (j + 1.0) / (rho * (g + rho));
    }
    2.0 * (yg * ((1.0 / (1.0 + g) + sum) / (1.0 + s)))
}

/// T(x, v) for B ~ inverse Gaussian of mean 1 and variance v: T = Σ (−1)ⁿ⁺¹ e^{−K(nx)},
/// K(s) = 2s/(1 + √(1 + 2vs)).
///
/// * Domain: x ≥ 0, v ≥ 0; NaN outside. v = 0 is [`fixed`](crate::canonical::fixed); x = ∞ gives the limits.
/// * Max error: ln T 2 eps, −T_x/T 4 eps, T_v/T 9 eps (relative, eps = 2⁻⁵²).
///
/// ```
/// let tail = prefstrength::canonical::inverse_gaussian(1.0, 0.25);
/// let gamma = prefstrength::canonical::gamma(1.0, 0.25);
/// assert!((tail.value() - gamma.value()).abs() < 1e-2); // same mean, same variance
/// ```
#[must_use]
pub fn inverse_gaussian(x: f64, v: f64) -> Tail {
    if !(x >= 0.0 && v >= 0.0) || v == f64::INFINITY {
        return Tail::NAN;
    }
    tail(Point::from_x_v(x, v))
}
