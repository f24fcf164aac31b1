//! Inverse Gaussian strengths over lanes.
//!
//! T(x, v) = e^{−K}[1 − T(y, v/r)], r = √(1 + 2xv), K = 2x/(1 + r), y = x/r: tilted, B stays inverse Gaussian. As
//! the scalar kernel, but Boole's sum where y is large, and what a lane needs is chosen before, by region.

use crate::kernel::{FamilyKernels, Goal, LaneKernels, Limits, Logit, within};
use crate::lanes::Lanes;
use crate::math::elementary::{exp_neg, exp_neg_parts, ln_1p_parts, sin_cos};
use crate::math::tables::{ABEL_PLANA_T, ABEL_PLANA_W, BOOLE};
use crate::math::{neg_ln_1m, two_atanh};

/// Which kernel an element takes, with c = xv.
///
/// | region | where | kernel |
/// | --- | --- | --- |
/// | `NEAR` | x ≤ x₀, c ≤ ½ | Abel–Plana |
/// | `SHIFTED` | y ≤ x₀ else | Abel–Plana at (y, v/r) and the recursion |
/// | `FAR` | y > x₀ | Boole's sum of the tilted terms |
/// | `OUTSIDE` | x or v beyond the box, NaN | none: the scalar kernel |
pub(crate) struct Kernels;

const NEAR: usize = 0;
const SHIFTED: usize = 1;
const FAR: usize = 2;
const OUTSIDE: usize = 3;

impl<T: Form> FamilyKernels<T> for Kernels {
    type On<V: Lanes<Scalar = T>> = Self;
    // Estimated, not measured: the kernels are some ten times as dear as Gamma's.
    const BREAK_EVEN: usize = 1024;
    fn covers(shape: f64) -> bool {
        shape < T::V_MAX
    }
    /// Up to a part of 1/v polynomials of the table's degree give ℓ/w, ℓ′ and ℓ_v/w³ to rounding. Their branch
    /// points −1/(2vn) come close to 0, but ever more weakly. In f64 twice this value costs 250 eps in ℓ_v.
    fn first_exponent(goal: Goal, v: f64) -> f64 {
        num_traits::Float::log2(match goal {
            Goal::SingleTable => 1.0 / (1.0 + 6.0 * v),
            Goal::Lane => 0.5 / (1.0 + 16.0 * v),
        })
    }
    fn unit_exponent(_shape: f64) -> f64 {
        0.0
    }
}

impl<V: Lanes<Scalar: Form>> LaneKernels<V> for Kernels {
    #[inline(always)]
    fn count() -> usize {
        OUTSIDE
    }
    #[inline(always)]
    fn prepare(_v: V, _shared: bool, _goal: Goal) -> Self {
        Self
    }
    #[inline(always)]
    fn region(&self, x: V, v: V) -> V {
        let (near, shifted) = (V::splat(NEAR as f64), V::splat(SHIFTED as f64));
        let (far, outside) = (V::splat(FAR as f64), V::splat(OUTSIDE as f64));
        let (x_max, c) = (V::splat(V::Scalar::NEAR_X), x * v);
        let region = V::splat(NEAR_C).select_lt(c, shifted, near);
        let region = x_max.select_lt(x, shifted, region);
        // y² = x²/(1 + 2c)
        let bound = V::splat(V::Scalar::NEAR_X * V::Scalar::NEAR_X) * (V::splat(1.0) + (c + c));
        let region = bound.select_lt(x * x, far, region);
        let region = v.select_lt(V::splat(V::Scalar::V_MAX), region, outside);
        within(x, V::Scalar::X_MIN, V::Scalar::X_MAX, region, outside)
    }
    #[inline(always)]
    fn logit(&self, region: usize, x: V, v: V) -> Logit<V> {
        match region {
            NEAR => near(x, v),
            SHIFTED => shifted(x, v),
            _ => far(x, v),
        }
    }
}

/// Abel–Plana serves up to this c: beyond, the branch point t = i/(2c) comes too near.
pub(crate) const NEAR_C: f64 = 0.5;

/// The form of the kernels in one precision.
pub trait Form: Limits {
    /// Nodes and weights of Abel–Plana.
    const T: &'static [f64];
    const W: &'static [f64];
    /// Abel–Plana serves up to this x; the rule would do for 2, but the integrals cancel more and more.
    const NEAR_X: f64;
    /// Terms of Boole's sum one by one, and those of its tail.
    const TERMS: usize;
    const TAIL: usize;
    /// Largest y of that sum: 1 − S is negligible from there on, and powers of y would overflow.
    const Y_MAX: f64;
    /// The box of v; that of x is the precision's.
    const V_MAX: f64;
}

impl Form for f64 {
    const T: &'static [f64] = &ABEL_PLANA_T;
    const W: &'static [f64] = &ABEL_PLANA_W;
    const NEAR_X: f64 = 1.5;
    const TERMS: usize = 14;
    const TAIL: usize = 12;
    const Y_MAX: f64 = 700.0;
    const V_MAX: f64 = 1e8;
}

impl Form for f32 {
    const T: &'static [f64] = &T_F32;
    const W: &'static [f64] = &W_F32;
    const NEAR_X: f64 = 1.25;
    const TERMS: usize = 6;
    const TAIL: usize = 5;
    const Y_MAX: f64 = 100.0;
    const V_MAX: f64 = 1e4;
}

/// As [`ABEL_PLANA_T`], 11 nodes up to 9: t = sinh u, u = (j + ½)h, h = asinh(9)/10.5, and h cosh u/sinh πt.
#[rustfmt::skip]
const T_F32: [f64; 11] = [0.13821941, 0.42522074, 0.744716768, 1.12112288, 1.58320342, 2.16626988, 2.91487926, 3.88623911, 5.15457922, 6.81682414, 9.0];
#[rustfmt::skip]
const W_F32: [f64; 11] = [0.620944755, 0.169159719, 0.0668410874, 0.024477048, 0.00713888211, 0.00145649507, 0.000179079435, 1.10259105e-05, 2.6834017e-07, 1.89997362e-09, 2.62286246e-12];

/// H = ½ − T(x, v), ∂H/∂x and −(∂H/∂v)/x², all ≥ 0.
struct Half<V> {
    h: V,
    d_x: V,
    spread: V,
}

/// ∫₀^∞ Im E(t)/sinh πt dt along s = −itx, for x ≤ 2, c ≤ ½. With √(1 − 2itc) = p − iq, p² − q² = 1 and
/// p² + q² = A = √(1 + 4t²c²):
/// E = e^{−δ + iϑ}, ϑ = tx/p, δ = tcϑ/(p(1 + p)), E_x = it(p + iq)/A·E and
/// E_v = −t²x²(1 + p − p² + iq(1 + p))/(p²(1 + p)A)·E.
#[inline(always)]
fn abel_plana<V: Lanes<Scalar: Form>>(x: V, c: V) -> Half<V> {
    let (half, one) = (V::splat(0.5), V::splat(1.0));
    let zero = V::splat(0.0);
    let (mut h, mut d_x, mut spread) = (zero, zero, zero);
    let mut j = 0;
    while j < V::Scalar::T.len() {
        let t = V::splat(V::Scalar::T[j]);
        let tc = t * c;
        let a = tc + tc;
        let size = a.mul_add(a, one).sqrt();
        let p = half.mul_add(size, half).sqrt();
        let p1 = one + p;
        // One division for all quotients.
        let pp = p * p1;
        let inv = one / (pp * size);
        let inv_p = inv * (p1 * size);
        let q = tc * inv_p;
        let angle = (t * x) * inv_p;
        let decay = (tc * angle) * (inv * size);
        let scale = exp_neg(-decay) * V::splat(V::Scalar::W[j]);
        let (sin, cos) = sin_cos(angle);
        let (re, im) = (scale * cos, scale * sin);
        h = h + im;
        let first = p * re - q * im;
        d_x = (t * (inv * pp)).mul_add(first, d_x);
        let second = (p1 - p * p).mul_add(im, (q * p1) * re);
        spread = ((t * t) * (inv * inv_p)).mul_add(second, spread);
        j += 1;
    }
    Half { h, d_x, spread }
}

#[inline(always)]
fn near<V: Lanes<Scalar: Form>>(x: V, v: V) -> Logit<V> {
    let half = V::splat(0.5);
    let Half { h, d_x, spread } = abel_plana(x, x * v);
    let lower = half - h;
    let scale = V::splat(1.0) / (lower * (half + h));
    // ℓ = ln((½ + H)/(½ − H))
    let value = ln_1p_parts((h + h) / lower).0;
    Logit { value, slope: d_x * scale, spread: (x * x) * (spread * scale) }
}

/// The tilted start: g = 1/r, and x, c there.
struct Start<V> {
    g: V,
    y: V,
    c: V,
    /// −ln e^{−K}
    power: V,
}

impl<V: Lanes<Scalar: Form>> Start<V> {
    #[inline(always)]
    fn new(x: V, v: V) -> Self {
        let one = V::splat(1.0);
        let c = x * v;
        let r = (one + (c + c)).sqrt();
        let r1 = one + r;
        let both = one / (r * r1);
        let g = both * r1;
        Self { g, y: x * g, c: (c * g) * g, power: (x + x) * (both * r) }
    }
}

/// With y_x = (1 − c)g, y_v = −y²g and the same of v/r, −(v/r)²g and (1 − c)g, where c is the tilted one.
#[inline(always)]
fn shifted<V: Lanes<Scalar: Form>>(x: V, v: V) -> Logit<V> {
    let (half, one, two) = (V::splat(0.5), V::splat(1.0), V::splat(2.0));
    let Start { g, y, c, power } = Start::new(x, v);
    let inner = abel_plana(y, c);
    let inv_s = one / (half + inner.h);
    let rest = one - c;
    let slope = g * (one - rest.mul_add(inner.d_x, (c * c) * inner.spread) * inv_s);
    let inv_r1 = one / (one + g);
    let leading = (two * inv_r1) * inv_r1;
    let spread = (y * (y * g)) * (leading - rest.mul_add(inner.spread, inner.d_x) * inv_s);
    let far = Logit::from_ln_tail(-(power + neg_ln_1m(half - inner.h)), slope, spread);
    // Where T is near ½: ½ − T = ½(1 − q) − q·H, q = e^{−K}.
    let (q, one_minus_q) = exp_neg_parts(-power);
    let h = (-q).mul_add(inner.h, half * one_minus_q);
    let value = h.select_lt(V::splat(0.125), two_atanh(two * h), far.value);
    Logit { value, ..far }
}

/// T = e^{−K}·S, S = Σ (−1)ʲ e^{−K(jy)}: terms one by one, and the tail by Boole's summation. In units of y and
/// 2y²g term j has the weights (j + 1)/ρ and (j + 1)²/((g + ρ)²ρ), ρ² = 1 + 2jc, for −x∂/∂x and ∂/∂v.
///
/// Of f(s) = e^{−K(s)} the derivatives obey r²f⁽ᵈ⁺²⁾ + (2d + 1)vf⁽ᵈ⁺¹⁾ = f⁽ᵈ⁾. So P_d = (−x)ᵈf⁽ᵈ⁾(nx)/f(nx), n = j + 1,
/// are P₀ = 1, P₁ = y, P_{d+2} = y²P_d + (2d + 1)wP_{d+1} at y, w = xv/r² there; −x∂(fP_d)/∂x = f(nP_{d+1} − dP_d).
#[inline(always)]
fn far<V: Lanes<Scalar: Form>>(x: V, v: V) -> Logit<V> {
    let (zero, one, two) = (V::splat(0.0), V::splat(1.0), V::splat(2.0));
    let Start { g, y, c, power } = Start::new(x, v);
    let capped = y.at_most(V::Scalar::Y_MAX);
    let (mut s0, mut s1, mut sv) = (zero, zero, zero);
    let mut j = 1;
    while j < V::Scalar::TERMS {
        let Term { phi, inv_rho, q, .. } = Term::new(j, capped, c, g);
        let n = V::splat((j + 1) as f64);
        let phi = if j % 2 == 1 { phi } else { -phi };
        s0 = s0 + phi;
        s1 = phi.mul_add(n * inv_rho - one, s1);
        sv = phi.mul_add((q * q) * inv_rho, sv);
        j += 1;
    }
    let Term { phi, inv_rho, q } = Term::new(V::Scalar::TERMS, capped, c, g);
    let n = V::splat((V::Scalar::TERMS + 1) as f64);
    let phi = if V::Scalar::TERMS % 2 == 1 { phi } else { -phi };
    let inv_rho2 = inv_rho * inv_rho;
    let (yn, w) = (capped * inv_rho, c * inv_rho2);
    let y2 = yn * yn;
    let inv_y = one / capped;
    // ∂y/∂v and ∂w/∂v over 2y²g
    let half = V::splat(0.5);
    let y_v = -(half * n) * (inv_rho2 * inv_rho);
    let w_v = (half * (g * g)) * (inv_y * (inv_rho2 * inv_rho2));
    let y2_v = two * (yn * y_v);
    let (mut a, mut a1, mut a_v) = (half, (half * n) * yn, zero);
    // P_d and P_{d+1}, and their derivatives
    let (mut p, mut p_v) = (yn, y_v);
    let mut next = w.mul_add(yn, y2);
    let mut next_v = w.mul_add(y_v, w_v.mul_add(yn, y2_v));
    let mut i = 0;
    while i < V::Scalar::TAIL {
        let b = V::splat(BOOLE[i]);
        let d = (2 * i + 1) as f64;
        a = b.mul_add(p, a);
        a1 = b.mul_add(n * next - V::splat(d) * p, a1);
        a_v = b.mul_add(p_v, a_v);
        for d in [2.0 * d + 1.0, 2.0 * d + 3.0] {
            let dw = V::splat(d) * w;
            let after = y2.mul_add(p, dw * next);
            let turn = y2_v.mul_add(p, (V::splat(d) * w_v) * next);
            let after_v = y2.mul_add(p_v, dw.mul_add(next_v, turn));
            (p, p_v, next, next_v) = (next, next_v, after, after_v);
        }
        i += 1;
    }
    s0 = phi.mul_add(a, s0);
    s1 = phi.mul_add(a1 * inv_y - a, s1);
    sv = phi.mul_add(((q * q) * inv_rho).mul_add(a, a_v), sv);
    let inv_s = one / (one - s0);
    let slope = g * (one - s1 * inv_s);
    let inv_r1 = one / (one + g);
    let spread = (two * y) * (y * g) * (inv_r1.mul_add(inv_r1, -sv) * inv_s);
    Logit::from_ln_tail(-(power + neg_ln_1m(s0)), slope, spread)
}

/// Term j of the tilted sum.
struct Term<V> {
    /// e^{−K(jy)}
    phi: V,
    inv_rho: V,
    /// (j + 1)/(g + ρ)
    q: V,
}

impl<V: Lanes<Scalar: Form>> Term<V> {
    #[inline(always)]
    fn new(j: usize, y: V, c: V, g: V) -> Self {
        let (one, two_j) = (V::splat(1.0), V::splat((2 * j) as f64));
        let rho = two_j.mul_add(c, one).sqrt();
        let (rho1, rho_g) = (one + rho, g + rho);
        let both = rho1 * rho_g;
        let inv = one / (both * rho);
        let phi = exp_neg(-((two_j * y) * ((inv * rho) * rho_g)));
        Self { phi, inv_rho: inv * both, q: V::splat((j + 1) as f64) * ((inv * rho) * rho1) }
    }
}
