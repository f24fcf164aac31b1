//! LogNormal strengths over lanes: one trapezoidal rule per lane, each with its own centre and step.
//!
//! The integrals, the choice of the step and the recurrence for the weights are those of the scalar
//! kernel. A lane that has converged goes on with weight 0, which changes no bit of its sums: so its result
//! does not depend on its neighbours.

use crate::kernel::{FamilyKernels, Goal, LaneKernels, Limits, Logit, within};
use crate::lanes::{Lanes, Scalar};
use crate::math::elementary::{exp_neg, exp_neg_parts, exp_node, exp_parts, ln, ln_1p_parts};
use crate::math::lambert::lambert_w;
use core::f64::consts::{LOG2_E, PI};

/// Which kernel an element takes.
///
/// | region | where | kernel |
/// | --- | --- | --- |
/// | `NEAR` | ξ < 1 | ½ − T, centred at z = 2s |
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
    pub(crate) fn deep<V: Lanes<Scalar: Form>>(s: V, rule: &Rule) -> V {
        let x0 = V::splat(rule.deep);
        x0 * exp_node((s * s) * x0)
    }

    /// The region of every lane, as a number.
    #[inline(always)]
    pub(crate) fn of<V: Lanes<Scalar: Form>>(xi: V, s: V, deep: V) -> V {
        let outside = V::splat(Self::OUTSIDE as f64);
        let far = xi.select_lt(deep, V::splat(Self::FAR as f64), V::splat(Self::DEEP as f64));
        let region = xi.select_lt(V::splat(1.0), V::splat(Self::NEAR as f64), far);
        let region = s.select_lt(V::splat(V::Scalar::S_MAX), region, outside);
        within(xi, V::Scalar::XI_MIN, V::Scalar::XI_MAX, region, outside)
    }
}

/// What depends on s alone is computed once where all have the same s.
pub(crate) struct Ready<V> {
    shared: bool,
    rule: Rule,
    grid: NearGrid<V>,
    deep: V,
}

/// The kernels on any register.
pub(crate) struct Kernels;

impl<T: Form> FamilyKernels<T> for Kernels {
    type On<V: Lanes<Scalar = T>> = Ready<V>;
    const BREAK_EVEN: usize = 2048;
    fn covers(shape: f64) -> bool {
        shape < T::S_MAX
    }
    /// The series in w has terms like e^{n(n−1)s²/2}(w/π)ⁿ, so that ln w is bounded by a multiple of −s²: where those
    /// beyond the table's degree are rounding. The numbers are the largest that kept the errors next to 0, found by
    /// trial.
    fn first_exponent(goal: Goal, s: f64) -> f64 {
        match goal {
            Goal::SingleTable => -6.2 * s * s - 0.6,
            Goal::Lane => -8.0 * s * s - 2.6,
        }
    }
    fn unit_exponent(s: f64) -> f64 {
        -0.5 * s * s * LOG2_E
    }
}

impl<V: Lanes<Scalar: Form>> LaneKernels<V> for Ready<V> {
    #[inline(always)]
    fn count() -> usize {
        Region::OUTSIDE
    }
    #[inline(always)]
    fn prepare(s: V, shared: bool, goal: Goal) -> Self {
        let rule = V::Scalar::rule(goal);
        Self { shared, rule, grid: NearGrid::new(s, &rule), deep: Region::deep(s, &rule) }
    }
    #[inline(always)]
    fn region(&self, xi: V, s: V) -> V {
        let deep = if self.shared { self.deep } else { Region::deep(s, &self.rule) };
        Region::of(xi, s, deep)
    }
    #[inline(always)]
    fn logit(&self, region: usize, xi: V, s: V) -> Logit<V> {
        match region {
            Region::NEAR => {
                let grid = if self.shared { self.grid } else { NearGrid::new(s, &self.rule) };
                near(xi, &grid)
            }
            Region::FAR => far(xi, s, &self.rule),
            _ => deep(xi, s, &self.rule),
        }
    }
}

/// How fine a quadrature is.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// −ln of the discretisation error aimed at.
    pub(crate) digits: f64,
    /// The quadrature near zero reaches so far to both sides.
    pub(crate) reach: f64,
    /// A term below this part of its sum is the last.
    pub(crate) last: f64,
    /// X₀: beyond, E[e^{−2X}] is below the error of E[e^{−X}].
    pub(crate) deep: f64,
}

/// In f64, for a table in f32.
const SINGLE_TABLE: Rule = Rule { digits: 23.0, reach: 6.8, last: 1e-10, deep: 30.0 };

/// The form of the kernels in one precision.
pub trait Form: Scalar + Limits {
    /// In the arithmetic of this precision.
    const RULE: Rule;
    /// In this arithmetic, as fine as the goal asks for.
    #[inline(always)]
    fn rule(goal: Goal) -> Rule {
        match goal {
            Goal::Lane => Self::RULE,
            Goal::SingleTable => SINGLE_TABLE,
        }
    }
    /// Steps per unit: products of two numbers ≤ 16 on the first are exact, and so are those of one number ≤ 4 on
    /// either.
    const LATTICES: (f64, f64);
    /// The box of ξ and s.
    const XI_MIN: f64;
    const XI_MAX: f64;
    const S_MAX: f64;
    /// An s below counts as this one: s²ξ² is below an ulp.
    const S_MIN: f64;
}

impl Form for f64 {
    const RULE: Rule = Rule { digits: 38.5, reach: 9.0, last: 1e-16, deep: 60.0 };
    const LATTICES: (f64, f64) = (4_194_304.0, 67_108_864.0);
    const XI_MIN: f64 = 1e-100;
    const XI_MAX: f64 = 1e8;
    const S_MAX: f64 = 2.0;
    const S_MIN: f64 = 1e-20;
}

impl Form for f32 {
    const RULE: Rule = Rule { digits: 18.2, reach: 5.9, last: 3e-8, deep: 27.0 };
    const LATTICES: (f64, f64) = (256.0, 1024.0);
    const XI_MIN: f64 = 1e-11;
    const XI_MAX: f64 = 1e4;
    const S_MAX: f64 = 2.0;
    const S_MIN: f64 = 1e-10;
}

/// 1/√(2π)
pub(crate) const NORM: f64 = 0.398_942_280_401_432_7;

/// No lane needs as many nodes in one direction: a bound on the loop, never a truncation.
pub(crate) const MAX_NODES: usize = 256;

/// −ln(cos t)/(½t²) in powers of t², for t up to the first of [`LINES`].
pub(crate) const LN_COS: [f64; 5] = [1.0, 1.0 / 6.0, 2.0 / 45.0, 0.0135, 0.0148];

/// Lines of the step: s Im z at most, and the nearer line as a part of the other.
pub(crate) const LINES: (f64, f64) = (0.45 * PI, 0.7);

/// The factors of e^{sδ} and of the weight φ(z + δ)/φ(z) from one node to the next.
#[derive(Clone, Copy)]
struct Grid<V> {
    z: V,
    h: V,
    /// e^{sh}, e^{−sh}
    growth: [V; 2],
    /// φ(z ± h)/φ(z)
    ratio: [V; 2],
    /// e^{−h²}
    decay: V,
}

impl<V: Lanes<Scalar: Form>> Grid<V> {
    /// The step as in the scalar kernel: for a Gaussian of curvature `bend`, the nearest pole at
    /// Im(sz) = π/2, `weight` = X at the centre.
    #[inline(always)]
    fn step(s: V, bend: V, weight: V, rule: &Rule) -> V {
        let free = (V::splat(2.0 * rule.digits) / bend).sqrt();
        let pole = V::splat(LINES.0) / s;
        let eta = free.select_lt(pole, free, pole);
        // Where X is large, a line nearer to the real axis may be the better one.
        let (far, near) =
            (Self::step_at(s, eta, weight, rule), Self::step_at(s, V::splat(LINES.1) * eta, weight, rule));
        far.select_lt(near, near, far)
    }

    /// The step that a line Im z = η allows.
    #[inline(always)]
    fn step_at(s: V, eta: V, weight: V, rule: &Rule) -> V {
        let digits = V::splat(rule.digits);
        let se = s * eta;
        let w = se * se;
        let ln_cos = (V::splat(0.5) * w) * w.poly(&LN_COS);
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
            z,
            h,
            growth: [exp_node(sh), exp_neg(-sh)],
            ratio: [exp_node(-hz - half), exp_node(hz - half)],
            decay: exp_neg(-square),
        }
    }
}

/// The node pairs δ = ±jh, j = 1, 2, …
struct Pairs<V> {
    /// e^{sδ} to the right and to the left
    e: [V; 2],
    /// φ(z + δ)/φ(z)
    w: [V; 2],
    ratio: [V; 2],
}

impl<V: Lanes> Pairs<V> {
    #[inline(always)]
    fn new(grid: &Grid<V>) -> Self {
        let [right, left] = grid.ratio;
        Self { e: grid.growth, w: grid.ratio, ratio: [right * grid.decay, left * grid.decay] }
    }

    /// To pair `j`.
    #[inline(always)]
    fn next(&mut self, grid: &Grid<V>, j: usize) {
        self.e[0] = self.e[0] * grid.growth[0];
        self.e[1] = self.e[1] * grid.growth[1];
        // Errors of the recurrence grow with the square of its length: now and then a fresh start.
        if j.is_multiple_of(REFRESH) {
            let delta = V::splat(j as f64) * grid.h;
            let square = V::splat(-0.5) * (delta * delta);
            let ahead = V::splat(-0.5 - j as f64) * (grid.h * grid.h);
            let (shift, step) = (delta * grid.z, grid.h * grid.z);
            self.w = [exp_node(square - shift), exp_node(square + shift)];
            self.ratio = [exp_node(ahead - step), exp_node(ahead + step)];
            return;
        }
        for side in [0, 1] {
            self.w[side] = self.w[side] * self.ratio[side];
            self.ratio[side] = self.ratio[side] * grid.decay;
        }
    }
}

/// Pairs between two fresh starts.
pub(crate) const REFRESH: usize = 4;

/// 1/(1 + a) and 1/(1 + b), for one division.
#[inline(always)]
fn reciprocals<V: Lanes>(a: V, b: V) -> [V; 2] {
    let one = V::splat(1.0);
    let (a, b) = (one + a, one + b);
    let both = one / (a * b);
    [b * both, a * both]
}

/// What of [`near`] depends on s alone.
#[derive(Clone, Copy)]
pub(crate) struct NearGrid<V> {
    grid: Grid<V>,
    /// Node pairs.
    count: V,
    /// e^{sz} and h e^{−z²/2}/√(2π)
    beta: V,
    norm: V,
}

impl<V: Lanes<Scalar: Form>> NearGrid<V> {
    /// Centred at z = 2s: the three integrands are nearly Gaussian there, about z between 0 and 3s.
    #[inline(always)]
    pub(crate) fn new(s: V, rule: &Rule) -> Self {
        let s = s.at_least(V::Scalar::S_MIN);
        // Centre and step on a lattice, so that the exponents of the weights are exact, and sz but for the
        // lower half of s: that leaves half of the error in the derivatives.
        let (fine, finer) = V::Scalar::LATTICES;
        let h = on_lattice(Grid::step(s, V::splat(1.0), V::splat(0.0), rule), fine);
        let z = on_lattice(s + s, fine);
        let s_hi = on_lattice(s, finer);
        Self {
            grid: Grid::new(s, z, h),
            count: (V::splat(rule.reach) + s) / h,
            beta: exp_node(s_hi * z) * exp_node((s - s_hi) * z),
            norm: V::splat(NORM) * h * exp_node(V::splat(-0.5) * (z * z)),
        }
    }
}

/// The nearest multiple of 1/`steps`.
#[inline(always)]
fn on_lattice<V: Lanes>(x: V, steps: f64) -> V {
    (x * V::splat(steps)).round_int() * V::splat(1.0 / steps)
}

/// [`Region::NEAR`]: H = ½ − T = E[½ tanh(X/2)] and its derivatives, from tanh(X/2), X u r² and
/// X²u(1 − u)r³.
#[inline(always)]
pub(crate) fn near<V: Lanes<Scalar: Form>>(xi: V, at: &NearGrid<V>) -> Logit<V> {
    let (zero, half, one) = (V::splat(0.0), V::splat(0.5), V::splat(1.0));
    let positive = xi.at_least(V::Scalar::XI_MIN);
    let x = positive * at.beta;
    let (u, m1) = exp_neg_parts(-x);
    let r = one / (one + u);
    let first = (u * r) * r;
    let (mut s0, mut s1, mut s2) = (r * m1, first, first * (r * m1));
    let mut nodes = Pairs::new(&at.grid);
    let end = at.count + one;
    for j in 1..MAX_NODES {
        // A lane that has enough goes on with weight 0.
        let here = V::splat(j as f64);
        if !here.any_lt(end) {
            break;
        }
        let (u0, m0) = exp_neg_parts(-(x * nodes.e[0]));
        let (u1, m1) = exp_neg_parts(-(x * nodes.e[1]));
        let r = reciprocals(u0, u1);
        for (side, u, m1) in [(0, u0, m0), (1, u1, m1)] {
            let w = here.select_lt(end, nodes.w[side], zero);
            let wr = w * r[side];
            let er = nodes.e[side] * r[side];
            let first = wr * u * er;
            s0 = wr.mul_add(m1, s0);
            s1 = s1 + first;
            s2 = (first * er).mul_add(m1, s2);
        }
        nodes.next(&at.grid, j + 1);
    }
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

impl<V: Lanes<Scalar: Form>> Saddle<V> {
    #[inline(always)]
    fn new(xi: V, s: V, steps: usize, rule: &Rule) -> Self {
        let one = V::splat(1.0);
        let s = s.at_least(V::Scalar::S_MIN);
        let w = lambert_w((s * s) * xi, steps);
        let shrink = exp_neg(-w);
        let x = xi * shrink;
        let z = -(w / s);
        let h = Grid::step(s, (s * s).mul_add(x, one), x, rule);
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

/// [`Region::FAR`]: T = E[u r], u = e^{−X}, r = 1/(1 + u).
#[inline(always)]
pub(crate) fn far<V: Lanes<Scalar: Form>>(xi: V, s: V, rule: &Rule) -> Logit<V> {
    let (zero, one) = (V::splat(0.0), V::splat(1.0));
    let at = Saddle::new(xi, s, 1, rule);
    let u = exp_neg(-at.x);
    let r = one / (one + u);
    let zeroth = u * r;
    let first = zeroth * r;
    let (mut s0, mut s1, mut s2) = (zeroth, first, first * r * (one - u));
    let mut nodes = Pairs::new(&at.grid);
    let last = V::splat(rule.last);
    let mut live = one;
    for j in 1..MAX_NODES {
        // 0 where it underflows: the weight to the right grows.
        let u = [exp_node(-(at.x * nodes.e[0])), exp_node(-(at.x * nodes.e[1]))];
        let r = reciprocals(u[0], u[1]);
        let mut slowest = [zero; 2];
        for side in [0, 1] {
            let er = nodes.e[side] * r[side];
            let zeroth = ((live * nodes.w[side]) * u[side]) * r[side];
            let first = zeroth * er;
            let second = first * er * (one - u[side]);
            s0 = s0 + zeroth;
            s1 = s1 + first;
            s2 = s2 + second;
            slowest[side] = if side == 0 { second } else { zeroth };
        }
        // To the right the terms with the most powers of e^{sδ} are the slowest, to the left those
        // with none. A lane where both have settled goes on with weight 0.
        let left = (last * s0).select_lt(slowest[1], live, zero);
        live = (last * s2).select_lt(slowest[0], live, left);
        if !zero.any_lt(live) {
            break;
        }
        nodes.next(&at.grid, j + 1);
    }
    at.logit([s0, s1, s2], zero)
}

/// [`Region::DEEP`]: T = E[e^{−X}] to rounding, with e^{−X} and the weight in one exponent.
#[inline(always)]
pub(crate) fn deep<V: Lanes<Scalar: Form>>(xi: V, s: V, rule: &Rule) -> Logit<V> {
    // The integrand is narrow here: its centre must be met.
    let at = Saddle::new(xi, s, 3, rule);
    let slope = at.s.mul_add(at.x, at.z);
    // The recurrences serve for δ, as the weight's own logarithm is needed here.
    let zero = V::splat(0.0);
    let last = V::splat(rule.last);
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
