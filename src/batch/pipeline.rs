//! From margins to rows and sums, in chunks that stay in the first-level cache: effective logits, the
//! logistic loss on top of them, elements that only the scalar kernels can do, weights and sums.
//!
//! Each stage is a kernel of its own, entered through [`Level::dispatch`]; a stage looks at one element at a
//! time, so that the bits of a row depend on nothing else. Groups of 16 are filled up, never masked.

use super::sums::{Partial, Sums};
use super::{Batch, Rows};
use crate::canonical::lanes::{Element, Logit, fixed, gamma, logistic, lognormal, within};
use crate::float::Real;
use crate::lanes::{Isa, Lanes, MAX_LANES, SUM_LANES, Scalar};
use crate::level::{Level, Vectorised};
use crate::loss::{Integral, Model, Smoothing};
use crate::special::elementary::{exp_neg, zero_or_nan};

/// Elements per chunk: whole groups, and indices fit a byte.
pub(crate) const CHUNK: usize = 256;

/// Elements per block of the sums.
pub(crate) const BLOCK: usize = 4096;

/// Groups per chunk.
const GROUPS: usize = CHUNK / SUM_LANES;

/// Runs the body for every register of some groups; it begins at lane `lane` of group `g`. No
/// function that takes a closure: nothing would oblige the compiler to inline it.
macro_rules! registers {
    ($v:ty, $groups:expr, |$g:ident, $lane:ident| $body:block) => {
        for $g in $groups {
            let mut $lane = 0;
            while $lane < SUM_LANES {
                $body
                $lane += <$v as Lanes>::N;
            }
        }
    };
}
pub(crate) use registers;

/// Groups that hold the first `n` elements of a chunk.
#[inline(always)]
pub(crate) fn groups(n: usize) -> usize {
    n.div_ceil(SUM_LANES).min(GROUPS)
}

/// Sixteen numbers: whole registers of every instruction set, and the virtual lanes of the sums.
pub(crate) type Group<T> = [T; SUM_LANES];

/// One number per element of a chunk, and room for a register behind them.
#[derive(Clone, Copy)]
#[repr(align(64))]
pub(crate) struct Column<T>([Group<T>; GROUPS + 1]);

impl<T: Element> Column<T> {
    pub(crate) fn new(x: f64) -> Self {
        Self([[T::num(x); SUM_LANES]; GROUPS + 1])
    }

    /// The numbers one by one.
    #[inline(always)]
    pub(crate) fn flat(&self) -> &[T] {
        self.0.as_flattened()
    }

    #[inline(always)]
    pub(crate) fn flat_mut(&mut self) -> &mut [T] {
        self.0.as_flattened_mut()
    }

    /// A register from lane `lane` of group `g` on.
    #[inline(always)]
    pub(crate) fn get<V: Lanes<Scalar = T>>(&self, g: usize, lane: usize) -> V {
        V::load(&self.0[g][lane..])
    }

    #[inline(always)]
    pub(crate) fn put<V: Lanes<Scalar = T>>(&mut self, g: usize, lane: usize, x: V) {
        x.store(&mut self.0[g][lane..]);
    }

    /// Copies `from` to the front, and fills the last group up.
    fn fill(&mut self, from: &[T], pad: T) {
        let end = from.len().next_multiple_of(SUM_LANES);
        let flat = self.flat_mut();
        flat[..from.len()].copy_from_slice(from);
        flat[from.len()..end].fill(pad);
    }
}

/// Indices into a chunk.
pub(crate) struct List {
    items: [u8; CHUNK],
    len: usize,
}

impl List {
    pub(crate) const fn new() -> Self {
        Self { items: [0; CHUNK], len: 0 }
    }

    pub(crate) fn push(&mut self, index: usize) {
        // An element comes once at most: there is room.
        if let Some(item) = self.items.get_mut(self.len) {
            *item = index as u8;
            self.len += 1;
        }
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.items[..self.len]
    }

    /// Appends the elements of a register from number `at` on whose flag is positive, below `n`.
    #[inline(always)]
    pub(crate) fn push_flagged<V: Lanes>(&mut self, flags: V, at: usize, n: usize) {
        if !V::splat(0.0).any_lt(flags) {
            return;
        }
        let mut lanes = [V::Scalar::num(0.0); MAX_LANES];
        flags.store(&mut lanes);
        for (i, flag) in lanes[..V::N].iter().enumerate() {
            if flag.wide() > 0.0 && at + i < n {
                self.push(at + i);
            }
        }
    }
}

/// w = unit·|D| and the shape (v or σ) of every element.
pub(crate) struct Points<T> {
    pub(crate) w: Column<T>,
    pub(crate) shape: Column<T>,
    /// Whether the shape is the same everywhere.
    pub(crate) shared: bool,
}

/// ℓ and its derivatives.
pub(crate) struct Logits<T> {
    pub(crate) value: Column<T>,
    pub(crate) slope: Column<T>,
    pub(crate) spread: Column<T>,
}

impl<T: Element> Logits<T> {
    pub(crate) fn new() -> Self {
        Self { value: Column::new(0.0), slope: Column::new(0.0), spread: Column::new(0.0) }
    }

    #[inline(always)]
    pub(crate) fn put<V: Lanes<Scalar = T>>(&mut self, g: usize, lane: usize, logit: Logit<V>) {
        self.value.put(g, lane, logit.value);
        self.slope.put(g, lane, logit.slope);
        self.spread.put(g, lane, logit.spread);
    }
}

/// Effective logits of the first `n` points from the integrals themselves; w and shape must be numbers up
/// to the end of the last group. What no kernel covers goes to `outside`, its logits undefined.
pub(crate) struct Integrate<'a, T> {
    pub(crate) integral: Integral,
    /// How fine the quadrature of a LogNormal is.
    pub(crate) rule: lognormal::Rule,
    pub(crate) points: &'a Points<T>,
    pub(crate) n: usize,
    pub(crate) logits: &'a mut Logits<T>,
    pub(crate) outside: &'a mut List,
}

impl<T: Element> Integrate<'_, T> {
    /// On a level. Every integral is entered by itself, so that each is a function of its own.
    pub(crate) fn on(self, level: Level) {
        match self.integral {
            Integral::Fixed => level.dispatch(FixedLogits(self)),
            Integral::Gamma => level.dispatch(GammaLogits(self)),
            Integral::LogNormal => level.dispatch(LogNormalLogits(self)),
            Integral::Scalar => (0..self.n).for_each(|i| self.outside.push(i)),
        }
    }
}

struct FixedLogits<'a, T>(Integrate<'a, T>);

impl<T: Element> Vectorised for FixedLogits<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let Integrate { points, n, logits, outside, .. } = self.0;
        let (zero, one) = (T::On::<I>::splat(0.0), T::On::<I>::splat(1.0));
        registers!(T::On<I>, 0..groups(n), |g, lane| {
            let w: T::On<I> = points.w.get(g, lane);
            logits.put(g, lane, fixed::logit(w));
            outside.push_flagged(within(w, T::X_MIN, T::X_MAX, zero, one), g * SUM_LANES + lane, n);
        });
    }
}

/// The kernels of a family: which one an element takes, and what it gives.
trait Kernels<V: Lanes> {
    /// How many regions there are; this number is the outside.
    fn count(&self) -> usize;
    /// The region of every lane, as a number.
    fn region(&self, w: V, shape: V) -> V;
    /// The kernel of a region.
    fn logit(&self, region: usize, w: V, shape: V) -> Logit<V>;
}

/// Sorts the first `n` points by region, and runs each region's kernel over its points, a register at a
/// time. Where all are in region 0, the usual case, nothing has to move.
#[inline(always)]
fn by_region<V: Lanes<Scalar: Element>, K: Kernels<V>>(
    kernels: &K,
    Integrate { points, n, logits, outside, .. }: Integrate<'_, V::Scalar>,
) {
    let groups = groups(n);
    let mut codes = Column::new(0.0);
    let mut mixed = false;
    registers!(V, 0..groups, |g, lane| {
        let code = kernels.region(points.w.get(g, lane), points.shape.get(g, lane));
        mixed |= V::splat(0.5).any_lt(code);
        codes.put(g, lane, code);
    });
    if !mixed {
        registers!(V, 0..groups, |g, lane| {
            let logit = kernels.logit(0, points.w.get::<V>(g, lane), points.shape.get(g, lane));
            logits.put(g, lane, logit);
        });
        return;
    }
    let count = kernels.count();
    let mut present = 0_u32;
    for code in &codes.flat()[..groups * SUM_LANES] {
        present |= 1 << code.small_integer();
    }
    if present >> count & 1 == 1 {
        for (i, code) in codes.flat()[..n].iter().enumerate() {
            if code.small_integer() as usize == count {
                outside.push(i);
            }
        }
    }
    let mut sorted = Points { w: Column::new(1.0), shape: points.shape, shared: points.shared };
    let mut found = Logits::new();
    for region in 0..count {
        if present >> region & 1 == 0 {
            continue;
        }
        let this = V::splat(region as f64);
        let mut len = 0;
        registers!(V, 0..groups, |g, lane| {
            let code = codes.get::<V>(g, lane);
            if !points.shared {
                points.shape.get::<V>(g, lane).compress(code, this, &mut sorted.shape.flat_mut()[len..]);
            }
            len += points.w.get::<V>(g, lane).compress(code, this, &mut sorted.w.flat_mut()[len..]);
        });
        // The last register repeats the last element: what else it held may be slow.
        if len > 0 {
            let end = len.next_multiple_of(V::N);
            let (w, shape) = (sorted.w.flat()[len - 1], sorted.shape.flat()[len - 1]);
            sorted.w.flat_mut()[len..end].fill(w);
            sorted.shape.flat_mut()[len..end].fill(shape);
        }
        registers!(V, 0..self::groups(len), |g, lane| {
            if g * SUM_LANES + lane < len {
                let logit = kernels.logit(region, sorted.w.get::<V>(g, lane), sorted.shape.get(g, lane));
                found.put(g, lane, logit);
            }
        });
        let mut at = 0;
        registers!(V, 0..groups, |g, lane| {
            let code = codes.get::<V>(g, lane);
            let (value, _) = logits.value.get::<V>(g, lane).expand(code, this, &found.value.flat()[at..]);
            let (slope, _) = logits.slope.get::<V>(g, lane).expand(code, this, &found.slope.flat()[at..]);
            let (spread, taken) =
                logits.spread.get::<V>(g, lane).expand(code, this, &found.spread.flat()[at..]);
            logits.put(g, lane, Logit { value, slope, spread });
            at += taken;
        });
    }
}

struct GammaKernels;

impl<V: Lanes<Scalar: Element>> Kernels<V> for GammaKernels {
    #[inline(always)]
    fn count(&self) -> usize {
        gamma::Region::count::<V::Scalar>()
    }
    #[inline(always)]
    fn region(&self, w: V, shape: V) -> V {
        gamma::Region::of(w, shape)
    }
    #[inline(always)]
    fn logit(&self, region: usize, w: V, shape: V) -> Logit<V> {
        gamma::Region::logit(region, w, shape)
    }
}

struct GammaLogits<'a, T>(Integrate<'a, T>);

impl<T: Element> Vectorised for GammaLogits<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        by_region::<T::On<I>, _>(&GammaKernels, self.0);
    }
}

/// What depends on s alone is computed once where all have the same s.
struct LogNormalKernels<V> {
    shared: bool,
    rule: lognormal::Rule,
    grid: lognormal::NearGrid<V>,
    deep: V,
}

impl<V: Lanes<Scalar: Element>> Kernels<V> for LogNormalKernels<V> {
    #[inline(always)]
    fn count(&self) -> usize {
        lognormal::Region::OUTSIDE
    }
    #[inline(always)]
    fn region(&self, xi: V, s: V) -> V {
        let deep = if self.shared { self.deep } else { lognormal::Region::deep(s, &self.rule) };
        lognormal::Region::of(xi, s, deep)
    }
    #[inline(always)]
    fn logit(&self, region: usize, xi: V, s: V) -> Logit<V> {
        match region {
            lognormal::Region::NEAR => {
                let grid = if self.shared { self.grid } else { lognormal::NearGrid::new(s, &self.rule) };
                lognormal::near(xi, &grid)
            }
            lognormal::Region::FAR => lognormal::far(xi, s, &self.rule),
            _ => lognormal::deep(xi, s, &self.rule),
        }
    }
}

struct LogNormalLogits<'a, T>(Integrate<'a, T>);

impl<T: Element> Vectorised for LogNormalLogits<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let Integrate { points, rule, .. } = self.0;
        let s = points.shape.get::<T::On<I>>(0, 0);
        let kernels = LogNormalKernels {
            shared: points.shared,
            rule,
            grid: lognormal::NearGrid::new(s, &rule),
            deep: lognormal::Region::deep(s, &rule),
        };
        by_region::<T::On<I>, _>(&kernels, self.0);
    }
}

/// unit and the matrix of [`Model`], for all elements or for each.
pub(crate) enum Scales<T> {
    Shared { unit: T, matrix: [T; 4] },
    Each { unit: Column<T>, matrix: [Column<T>; 4] },
}

impl<T: Element> Scales<T> {
    pub(crate) fn shared(model: &Model) -> Self {
        let [[a, b], [c, d]] = model.matrix;
        Self::Shared { unit: T::num(model.unit), matrix: [T::num(a), T::num(b), T::num(c), T::num(d)] }
    }

    pub(crate) fn each() -> Self {
        let zero = Column::new(0.0);
        Self::Each { unit: zero, matrix: [zero; 4] }
    }

    /// unit.
    #[inline(always)]
    fn unit<V: Lanes<Scalar = T>>(&self, g: usize, lane: usize) -> V {
        match self {
            Self::Shared { unit, .. } => V::splat(unit.wide()),
            Self::Each { unit, .. } => unit.get(g, lane),
        }
    }

    /// An entry of the matrix.
    #[inline(always)]
    fn entry<V: Lanes<Scalar = T>>(&self, j: usize, g: usize, lane: usize) -> V {
        match self {
            Self::Shared { matrix, .. } => V::splat(matrix[j].wide()),
            Self::Each { matrix, .. } => matrix[j].get(g, lane),
        }
    }
}

/// Groups of an input.
type In<'a, T> = &'a [Group<T>];

/// Groups of an output that may not be asked for.
type Out<'a, T> = Option<&'a mut [Group<T>]>;

/// The logistic loss of the effective logits, with label smoothing.
///
/// With e = e^{−ℓ}: L = ln(1 + e) + aℓ, a = 1 − ε for D < 0 and ε otherwise, and r = (1 − ε)σ(∓ℓ) − εσ(±ℓ)
/// is −∂L/∂(±ℓ) on that side.
struct Losses<'a, T> {
    margins: In<'a, T>,
    points: &'a Points<T>,
    logits: &'a Logits<T>,
    scales: &'a Scales<T>,
    epsilon: T,
}

/// What [`Losses`] gives for a register.
struct Loss<V> {
    /// Loss, ∂/∂margin, D ∂/∂D and ∂/∂v.
    rows: [V; 4],
    /// Still to be multiplied with them, at the very end, if `gradual`: a power of two.
    down: V,
    /// Whether some lane is so deep on the right side that e^{−ℓ} may be subnormal.
    gradual: bool,
}

impl<V: Lanes> Loss<V> {
    /// A row, or what was made of rows, in its final size.
    #[inline(always)]
    fn scaled(&self, row: V) -> V {
        if self.gradual { row * self.down } else { row }
    }
}

impl<T: Element> Losses<'_, T> {
    #[inline(always)]
    fn at<V: Lanes<Scalar = T>>(&self, d: V, g: usize, lane: usize) -> Loss<V> {
        let (zero, one) = (V::splat(0.0), V::splat(1.0));
        let w: V = self.points.w.get(g, lane);
        let value: V = self.logits.value.get(g, lane);
        let slope: V = self.logits.slope.get(g, lane);
        let spread: V = self.logits.spread.get(g, lane);
        let (plain, flipped) = (self.epsilon.wide() == 0.0, self.epsilon.wide() == 1.0);
        // Where it underflows it stays at the smallest normal number, which nothing feels…
        let mut e = exp_neg(-value);
        let mut down = one;
        let low = V::splat(T::GRADUAL);
        let mut gradual = false;
        // … but the results that are linear in it: there a power of two keeps it normal to the end. With
        // smoothing ε takes its place.
        if (plain || flipped) && low.any_lt(value) {
            let deep = low.select_lt(value, if flipped { -d } else { d }, zero);
            gradual = zero.any_lt(deep);
            let (log, power) = T::LIFT;
            let lifted = value - V::splat(log);
            let lifted = lifted.select_lt(V::splat(-T::EXP_RANGE[1]), exp_neg(-lifted), zero);
            e = zero.select_lt(deep, lifted, e);
            down = zero.select_lt(deep, V::splat(power), one);
        }
        let (upper, ln) = logistic(e);
        let lower = e * upper;
        let own = d.select_lt(zero, upper, lower);
        let (loss, r) = if plain {
            (d.select_lt(zero, value, zero) + ln, own)
        } else {
            let epsilon = V::splat(self.epsilon.wide());
            let loss = d.select_lt(zero, one - epsilon, epsilon).mul_add(value, ln);
            // (1 − ε)σ(∓ℓ) − εσ(±ℓ): without ε of both a difference would cancel at ε = 1.
            let other = d.select_lt(zero, lower, upper);
            (loss, (-epsilon).mul_add(other, (one - epsilon) * own))
        };
        let against = d.select_lt(zero, r, -r);
        let d_margin = -(r * (slope * self.scales.unit(g, lane)));
        Loss { rows: [loss, d_margin, against * (slope * w), -(against * spread)], down, gradual }
    }

    /// The derivatives in the two parameters, from D ∂/∂D and ∂/∂v.
    #[inline(always)]
    fn params<V: Lanes<Scalar = T>>(&self, elastic: V, spread: V, g: usize, lane: usize) -> [V; 2] {
        let (a, b): (V, V) = (self.scales.entry(0, g, lane), self.scales.entry(1, g, lane));
        let (c, d): (V, V) = (self.scales.entry(2, g, lane), self.scales.entry(3, g, lane));
        [a.mul_add(elastic, b * spread), c.mul_add(elastic, d * spread)]
    }
}

/// Weights and upstream gradients, and where the weighted rows go.
struct Totals<'a, T> {
    margins: In<'a, T>,
    weights: Option<In<'a, T>>,
    upstream: Option<In<'a, T>>,
    outputs: [Out<'a, T>; 4],
    partial: &'a mut Partial,
}

impl<T: Element> Totals<'_, T> {
    /// A row times what it is to be multiplied by.
    #[inline(always)]
    fn weighted<V: Lanes<Scalar = T>>(&self, mut row: V, g: usize, lane: usize) -> V {
        if let Some(upstream) = self.upstream {
            row = row * V::load(&upstream[g][lane..]);
        }
        if let Some(weights) = self.weights {
            let (w, d) = (V::load(&weights[g][lane..]), V::load(&self.margins[g][lane..]));
            // 0 leaves out what may be infinite; a NaN margin stays NaN.
            row = V::splat(0.0).select_lt(w, row * w, zero_or_nan(d));
        }
        row
    }

    /// Writes a row, if it was asked for.
    #[inline(always)]
    fn write<V: Lanes<Scalar = T>>(&mut self, j: usize, row: V, g: usize, lane: usize) {
        if let Some(output) = &mut self.outputs[j] {
            row.store(&mut output[g][lane..]);
        }
    }

    /// Adds to the sum of weights.
    #[inline(always)]
    fn add_weight<V: Lanes<Scalar = T>>(&self, partial: &mut Partial, g: usize, lane: usize) {
        if let Some(weights) = self.weights {
            V::load(&weights[g][lane..]).add_to(&mut partial.weight[lane..]);
        }
    }
}

/// Losses and sums in one pass: for whole groups of which no element needs the scalar kernels.
struct Fused<'a, T> {
    losses: Losses<'a, T>,
    totals: Totals<'a, T>,
}

impl<T: Element> Vectorised for Fused<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(mut self) {
        let margins = self.losses.margins;
        let with_params = self.totals.outputs[2].is_some() || self.totals.outputs[3].is_some();
        // A copy, so that the sums stay in registers.
        let mut partial = *self.totals.partial;
        registers!(T::On<I>, 0..margins.len().min(GROUPS), |g, lane| {
            let loss = self.losses.at(T::On::<I>::load(&margins[g][lane..]), g, lane);
            let [nll, d_margin, elastic, spread] = loss.rows;
            if with_params {
                let [p0, p1] = self.losses.params(elastic, spread, g, lane);
                let p0 = self.totals.weighted(loss.scaled(p0), g, lane);
                let p1 = self.totals.weighted(loss.scaled(p1), g, lane);
                self.totals.write(2, p0, g, lane);
                self.totals.write(3, p1, g, lane);
            }
            let nll = self.totals.weighted(loss.scaled(nll), g, lane);
            let d_margin = self.totals.weighted(loss.scaled(d_margin), g, lane);
            let elastic = self.totals.weighted(loss.scaled(elastic), g, lane);
            let spread = self.totals.weighted(loss.scaled(spread), g, lane);
            self.totals.write(0, nll, g, lane);
            self.totals.write(1, d_margin, g, lane);
            self.totals.add_weight::<T::On<I>>(&mut partial, g, lane);
            nll.add_to(&mut partial.nll[lane..]);
            elastic.add_to(&mut partial.elastic[lane..]);
            spread.add_to(&mut partial.spread[lane..]);
        });
        *self.totals.partial = partial;
    }
}

/// Losses alone, into columns.
struct Unfused<'a, T> {
    losses: Losses<'a, T>,
    results: &'a mut [Column<T>; 4],
}

impl<T: Element> Vectorised for Unfused<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let margins = self.losses.margins;
        registers!(T::On<I>, 0..margins.len().min(GROUPS), |g, lane| {
            let loss = self.losses.at(T::On::<I>::load(&margins[g][lane..]), g, lane);
            let [nll, d_margin, elastic, spread] = loss.rows;
            let [p0, p1] = self.losses.params(elastic, spread, g, lane);
            let [to_nll, to_d_margin, to_p0, to_p1] = &mut *self.results;
            to_nll.put(g, lane, loss.scaled(nll));
            to_d_margin.put(g, lane, loss.scaled(d_margin));
            to_p0.put(g, lane, loss.scaled(p0));
            to_p1.put(g, lane, loss.scaled(p1));
        });
    }
}

/// Sums of rows that lie in columns.
struct Rest<'a, T> {
    results: &'a [Column<T>; 4],
    totals: Totals<'a, T>,
}

impl<T: Element> Vectorised for Rest<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(mut self) {
        let mut partial = *self.totals.partial;
        registers!(T::On<I>, 0..self.totals.margins.len().min(GROUPS), |g, lane| {
            let mut rows = [T::On::<I>::splat(0.0); 4];
            for (j, column) in self.results.iter().enumerate() {
                rows[j] = self.totals.weighted(column.get(g, lane), g, lane);
                self.totals.write(j, rows[j], g, lane);
            }
            self.totals.add_weight::<T::On<I>>(&mut partial, g, lane);
            let [nll, _, p0, p1] = rows;
            nll.add_to(&mut partial.nll[lane..]);
            p0.add_to(&mut partial.params[0][lane..]);
            p1.add_to(&mut partial.params[1][lane..]);
        });
        *self.totals.partial = partial;
    }
}

/// Where the effective logits of a batch come from.
pub(crate) trait Source<T: Real>: Sync {
    /// The instruction set.
    fn level(&self) -> Level;
    /// Whether parameters differ from element to element.
    fn per_element(&self) -> bool;
    /// The matrix of [`Model`], in full precision, where parameters are shared.
    fn matrix(&self) -> [[f64; 2]; 2];
    /// Unit, matrix and shapes: once for all elements if they are shared, else of the `n` elements from
    /// number `first` on, filling up the last group.
    fn setup(&self, first: usize, n: usize, points: &mut Points<T>, scales: &mut Scales<T>);
    /// Effective logits of the first `n` points, whose elements begin at number `first`.
    fn logits(&self, first: usize, points: &Points<T>, n: usize, logits: &mut Logits<T>, outside: &mut List);
    /// Everything about element `index` by the scalar kernels.
    fn scalar(&self, index: usize, margin: T, smoothing: Smoothing<T>) -> [f64; 4];
}

/// w = unit·|D|.
struct Scale<'a, T> {
    margins: In<'a, T>,
    scales: &'a Scales<T>,
    w: &'a mut Column<T>,
}

impl<T: Element> Vectorised for Scale<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let (zero, nan) = (T::On::<I>::splat(0.0), T::On::<I>::splat(f64::NAN));
        let least = T::On::<I>::splat(T::X_MIN);
        registers!(T::On<I>, 0..self.margins.len().min(GROUPS), |g, lane| {
            let d = T::On::<I>::load(&self.margins[g][lane..]).abs();
            let w = d * self.scales.unit(g, lane);
            // A product that underflows has lost its digits: NaN is outside every region.
            let lost = zero.select_lt(d, nan, w);
            self.w.put(g, lane, w.select_lt(least, lost, w));
        });
    }
}

/// Scratch space of one block.
struct Block<T> {
    points: Points<T>,
    scales: Scales<T>,
    logits: Logits<T>,
    partial: Partial,
}

/// Evaluates one block, whose first element is number `first` of the batch.
fn block<T: Real, S: Source<T>>(
    source: &S,
    first: usize,
    batch: &Batch<'_, T>,
    rows: &mut Rows<'_, T>,
) -> Sums {
    let per_element = source.per_element();
    let points = Points { w: Column::new(0.0), shape: Column::new(0.0), shared: !per_element };
    let scales = if per_element {
        Scales::each()
    } else {
        Scales::Shared { unit: T::num(0.0), matrix: [T::num(0.0); 4] }
    };
    let mut space = Block { points, scales, logits: Logits::new(), partial: Partial::ZERO };
    for start in (0..batch.len()).step_by(CHUNK) {
        let end = (start + CHUNK).min(batch.len());
        if per_element || start == 0 {
            source.setup(first + start, end - start, &mut space.points, &mut space.scales);
        }
        chunk(source, first + start, &batch.slice(start..end), rows, start, &mut space);
    }
    let mut sums = space.partial.fold(source.matrix());
    if batch.weights.is_none() {
        sums.weight = batch.len() as f64;
    }
    sums
}

/// Evaluates one chunk; its rows begin at `start`.
fn chunk<T: Real, S: Source<T>>(
    source: &S,
    first: usize,
    batch: &Batch<'_, T>,
    rows: &mut Rows<'_, T>,
    start: usize,
    space: &mut Block<T>,
) {
    let Block { points, scales, logits, partial } = space;
    let level = source.level();
    let n = batch.len();
    let zero = T::num(0.0);
    // Whole groups are read and written in place.
    let (groups, rest) = batch.margins.as_chunks();
    let whole = rest.is_empty();
    let mut copy = Column([[zero; SUM_LANES]; GROUPS + 1]);
    let margins = if whole {
        groups
    } else {
        copy.fill(batch.margins, zero);
        &copy.0[..n.div_ceil(SUM_LANES)]
    };
    level.dispatch(Scale { margins, scales, w: &mut points.w });
    let mut outside = List::new();
    source.logits(first, points, n, logits, &mut outside);
    let losses = || Losses { margins, points, logits, scales, epsilon: batch.smoothing.epsilon() };
    if whole && outside.as_slice().is_empty() {
        let fused = Fused {
            losses: losses(),
            totals: Totals {
                margins,
                weights: batch.weights.map(|w| w.as_chunks().0),
                upstream: batch.upstream.map(|g| g.as_chunks().0),
                outputs: rows.columns().map(|to| to.map(|to| to[start..start + n].as_chunks_mut().0)),
                partial,
            },
        };
        level.dispatch(fused);
        return;
    }
    let mut results = [Column::new(0.0); 4];
    level.dispatch(Unfused { losses: losses(), results: &mut results });
    for &i in outside.as_slice() {
        let i = i as usize;
        let row = source.scalar(first + i, batch.margins[i], batch.smoothing);
        for (column, x) in results.iter_mut().zip(row) {
            column.flat_mut()[i] = T::num(x);
        }
    }
    // The padding must not count.
    for column in &mut results {
        column.flat_mut()[n..].fill(zero);
    }
    let (mut weights, mut upstream) = (Column::new(0.0), Column::new(0.0));
    let padded =
        |slice: Option<&[T]>, column: &mut Column<T>| slice.map(|slice| column.fill(slice, zero)).is_some();
    let weighted = padded(batch.weights, &mut weights);
    let chained = padded(batch.upstream, &mut upstream);
    let mut written = [Column::new(0.0); 4];
    level.dispatch(Rest {
        results: &results,
        totals: Totals {
            margins,
            weights: weighted.then_some(&weights.0[..margins.len()]),
            upstream: chained.then_some(&upstream.0[..margins.len()]),
            outputs: written.each_mut().map(|column| Some(&mut column.0[..])),
            partial,
        },
    });
    for (to, from) in rows.columns().into_iter().zip(&written) {
        if let Some(to) = to {
            to[start..start + n].copy_from_slice(&from.flat()[..n]);
        }
    }
}

/// Evaluates a batch whose slices have been checked, and adds its blocks as a balanced tree.
pub(crate) fn tree<T: Real, S: Source<T>>(
    source: &S,
    first: usize,
    batch: &Batch<'_, T>,
    mut rows: Rows<'_, T>,
) -> Sums {
    if batch.len() <= BLOCK {
        return block(source, first, batch, &mut rows);
    }
    let half = split(batch.len());
    let (low_rows, high_rows) = rows.split_at(half);
    let low = tree(source, first, &batch.slice(0..half), low_rows);
    low.plus(tree(source, first + half, &batch.slice(half..batch.len()), high_rows))
}

/// Where the tree divides more than one block: the largest power of two of blocks below the length.
fn split(len: usize) -> usize {
    let blocks = len.div_ceil(BLOCK);
    BLOCK * (blocks.next_power_of_two() / 2)
}

/// The same tree on the threads of rayon: the same bits.
#[cfg(feature = "rayon")]
pub(crate) fn par_tree<T: Real, S: Source<T>>(
    source: &S,
    first: usize,
    batch: &Batch<'_, T>,
    rows: Rows<'_, T>,
) -> Sums {
    // Below, a thread costs more than it brings.
    if batch.len() <= 4 * BLOCK {
        return tree(source, first, batch, rows);
    }
    let half = split(batch.len());
    let (low_rows, high_rows) = rows.split_at(half);
    let (low, high) = (batch.slice(0..half), batch.slice(half..batch.len()));
    let (a, b) = rayon::join(
        || par_tree(source, first, &low, low_rows),
        || par_tree(source, first + half, &high, high_rows),
    );
    a.plus(b)
}
