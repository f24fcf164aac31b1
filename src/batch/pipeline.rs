//! From margins to rows and sums, in chunks that stay in the first-level cache: effective logits, the
//! logistic loss on top of them, elements that only the scalar kernels can do, weights and sums.
//!
//! Each stage is a kernel of its own, entered through [`Level::dispatch`]; a stage looks at one element at a
//! time, so that the bits of a row depend on nothing else. Chunks are padded, never masked.

use super::sums::{Partial, Sums};
use super::{Batch, Rows};
use crate::canonical::lanes::{Element, Logit, fixed, gamma, logistic, lognormal};
use crate::float::Real;
use crate::lanes::{Isa, Lanes, MAX_LANES, SUM_LANES, Scalar};
use crate::level::{Level, Vectorised};
use crate::loss::{Integral, Model, Smoothing};
use crate::special::elementary::exp;

/// Elements per chunk: a multiple of every lane count, and indices fit a byte.
pub(super) const CHUNK: usize = 256;

/// Elements per block of the sums.
pub(super) const BLOCK: usize = 4096;

/// One number per element of a chunk.
#[derive(Clone, Copy)]
#[repr(align(64))]
pub(super) struct Column<T>(pub(super) [T; CHUNK]);

impl<T: Element> Column<T> {
    pub(super) fn new(x: f64) -> Self {
        Self([T::num(x); CHUNK])
    }
}

/// Indices into a chunk, ascending within one stage.
pub(super) struct List {
    items: [u8; CHUNK],
    len: usize,
}

impl List {
    pub(super) const fn new() -> Self {
        Self { items: [0; CHUNK], len: 0 }
    }

    #[inline(always)]
    pub(super) fn push(&mut self, index: usize) {
        // A chunk has no more elements than the list: only a repeated index could overflow it.
        if let Some(item) = self.items.get_mut(self.len) {
            *item = index as u8;
            self.len += 1;
        }
    }

    #[inline(always)]
    pub(super) fn as_slice(&self) -> &[u8] {
        &self.items[..self.len]
    }

    fn clear(&mut self) {
        self.len = 0;
    }
}

/// w = unit·|D| and the shape (v or σ) of every element.
pub(super) struct Points<T> {
    pub(super) w: Column<T>,
    pub(super) shape: Column<T>,
    /// Whether the shape is the same everywhere.
    pub(super) shared: bool,
}

/// ℓ and its derivatives.
pub(super) struct Logits<T> {
    pub(super) value: Column<T>,
    pub(super) slope: Column<T>,
    pub(super) spread: Column<T>,
}

impl<T: Element> Logits<T> {
    pub(super) fn new() -> Self {
        Self { value: Column::new(0.0), slope: Column::new(0.0), spread: Column::new(0.0) }
    }

    #[inline(always)]
    pub(super) fn store<V: Lanes<Scalar = T>>(&mut self, at: usize, logit: Logit<V>) {
        logit.value.store(&mut self.value.0[at..]);
        logit.slope.store(&mut self.slope.0[at..]);
        logit.spread.store(&mut self.spread.0[at..]);
    }
}

/// Effective logits of the first `n` points from the integrals themselves. What no kernel covers goes to
/// `outside`, its logits undefined.
pub(super) fn direct<T: Element>(
    level: Level,
    integral: Integral,
    points: &Points<T>,
    n: usize,
    logits: &mut Logits<T>,
    outside: &mut List,
) {
    let mut regions = Regions::new();
    match integral {
        Integral::Fixed => level.dispatch(FixedLogits { points, n, logits, outside }),
        Integral::Gamma => level.dispatch(GammaLogits { points, n, logits, regions: &mut regions, outside }),
        Integral::LogNormal => {
            level.dispatch(LogNormalLogits { points, n, logits, regions: &mut regions, outside });
        }
        Integral::Scalar => (0..n).for_each(|i| outside.push(i)),
    }
}

struct FixedLogits<'a, T> {
    points: &'a Points<T>,
    n: usize,
    logits: &'a mut Logits<T>,
    outside: &'a mut List,
}

impl<T: Element> Vectorised for FixedLogits<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let inside = |w: T| w.wide() <= T::X_MAX && (w.wide() >= T::X_MIN || w.wide() == 0.0);
        for at in (0..self.n).step_by(T::On::<I>::N) {
            let w = T::On::<I>::load(&self.points.w.0[at..]);
            self.logits.store(at, fixed::logit(w));
        }
        if !self.points.w.0[..self.n].iter().fold(true, |all, &w| all & inside(w)) {
            (0..self.n).filter(|&i| !inside(self.points.w.0[i])).for_each(|i| self.outside.push(i));
        }
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

/// The elements of a chunk by region.
struct Regions {
    lists: [List; gamma::Region::MOST],
}

impl Regions {
    fn new() -> Self {
        Self { lists: [const { List::new() }; gamma::Region::MOST] }
    }
}

/// The numbers of a column from `at` on.
#[inline(always)]
fn load<V: Lanes>(column: &Column<V::Scalar>, at: usize) -> V {
    V::load(&column.0[at..])
}

/// The listed numbers of a column; the last lanes repeat the list's last element.
#[inline(always)]
fn gather<V: Lanes>(column: &Column<V::Scalar>, index: &[u8; MAX_LANES]) -> V {
    let mut lanes = [V::Scalar::num(0.0); MAX_LANES];
    for lane in 0..V::N {
        lanes[lane] = column.0[index[lane] as usize];
    }
    V::load(&lanes)
}

/// The inverse, for as many lanes as there are indices.
#[inline(always)]
fn scatter<V: Lanes>(lanes: V, column: &mut Column<V::Scalar>, index: &[u8]) {
    let mut from = [V::Scalar::num(0.0); MAX_LANES];
    lanes.store(&mut from);
    for (&x, &i) in from.iter().zip(index) {
        column.0[i as usize] = x;
    }
}

/// Sorts the first `n` points by region, and runs each region's kernel over its points, a register at a
/// time. Where all are in region 0, the usual case, nothing has to move.
#[inline(always)]
fn logits<V: Lanes<Scalar: Element>, K: Kernels<V>>(
    kernels: &K,
    points: &Points<V::Scalar>,
    n: usize,
    logits: &mut Logits<V::Scalar>,
    regions: &mut Regions,
    outside: &mut List,
) {
    let mut codes = Column::new(0.0);
    let mut mixed = false;
    for at in (0..n).step_by(V::N) {
        let code = kernels.region(load(&points.w, at), load(&points.shape, at));
        mixed |= V::splat(0.5).any_lt(code);
        code.store(&mut codes.0[at..]);
    }
    if !mixed {
        for at in (0..n).step_by(V::N) {
            logits.store(at, kernels.logit(0, load::<V>(&points.w, at), load(&points.shape, at)));
        }
        return;
    }
    let count = kernels.count();
    for (i, code) in codes.0[..n].iter().enumerate() {
        let region = code.wide() as usize;
        if region < count { regions.lists[region].push(i) } else { outside.push(i) }
    }
    for (region, list) in regions.lists[..count].iter().enumerate() {
        for group in list.as_slice().chunks(V::N) {
            let mut index = [group[group.len() - 1]; MAX_LANES];
            index[..group.len()].copy_from_slice(group);
            let logit = kernels.logit(region, gather::<V>(&points.w, &index), gather(&points.shape, &index));
            scatter(logit.value, &mut logits.value, group);
            scatter(logit.slope, &mut logits.slope, group);
            scatter(logit.spread, &mut logits.spread, group);
        }
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

struct GammaLogits<'a, T> {
    points: &'a Points<T>,
    n: usize,
    logits: &'a mut Logits<T>,
    regions: &'a mut Regions,
    outside: &'a mut List,
}

impl<T: Element> Vectorised for GammaLogits<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let Self { points, n, logits: to, regions, outside } = self;
        logits::<T::On<I>, _>(&GammaKernels, points, n, to, regions, outside);
    }
}

/// What depends on s alone is computed once where all have the same s.
struct LogNormalKernels<V> {
    shared: bool,
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
        let deep = if self.shared { self.deep } else { lognormal::Region::deep(s) };
        lognormal::Region::of(xi, s, deep)
    }
    #[inline(always)]
    fn logit(&self, region: usize, xi: V, s: V) -> Logit<V> {
        match region {
            lognormal::Region::NEAR => {
                let grid = if self.shared { self.grid } else { lognormal::NearGrid::new(s) };
                lognormal::near(xi, &grid)
            }
            lognormal::Region::FAR => lognormal::far(xi, s),
            _ => lognormal::deep(xi, s),
        }
    }
}

struct LogNormalLogits<'a, T> {
    points: &'a Points<T>,
    n: usize,
    logits: &'a mut Logits<T>,
    regions: &'a mut Regions,
    outside: &'a mut List,
}

impl<T: Element> Vectorised for LogNormalLogits<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let Self { points, n, logits: to, regions, outside } = self;
        let s = load::<T::On<I>>(&points.shape, 0);
        let kernels = LogNormalKernels {
            shared: points.shared,
            grid: lognormal::NearGrid::new(s),
            deep: lognormal::Region::deep(s),
        };
        logits::<T::On<I>, _>(&kernels, points, n, to, regions, outside);
    }
}

/// Loss, ∂/∂margin and ∂/∂(two parameters) of every element.
pub(super) struct Results<T>(pub(super) [Column<T>; 4]);

/// unit and the matrix of [`Model`] for every element.
pub(super) struct Scales<T> {
    pub(super) unit: Column<T>,
    pub(super) matrix: [Column<T>; 4],
}

impl<T: Element> Scales<T> {
    pub(super) fn new(model: &Model) -> Self {
        let [[a, b], [c, d]] = model.matrix;
        Self { unit: Column::new(model.unit), matrix: [a, b, c, d].map(Column::new) }
    }
}

/// The logistic loss of the effective logits, with label smoothing.
///
/// With e = e^{−ℓ}: L = ln(1 + e) + aℓ, a = 1 − ε for D < 0 and ε otherwise, and −∂L/∂(±ℓ) = r =
/// σ(∓ℓ) − ε on that side.
struct Losses<'a, T> {
    margins: &'a Column<T>,
    points: &'a Points<T>,
    logits: &'a Logits<T>,
    scales: &'a Scales<T>,
    epsilon: T,
    n: usize,
    results: &'a mut Results<T>,
    outside: &'a mut List,
}

impl<T: Element> Vectorised for Losses<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let (zero, one) = (T::On::<I>::splat(0.0), T::On::<I>::splat(1.0));
        let [low, high] = T::STRIP;
        let (low, high) = (T::On::<I>::splat(low), T::On::<I>::splat(high));
        let epsilon = T::On::<I>::splat(self.epsilon.wide());
        for at in (0..self.n).step_by(T::On::<I>::N) {
            let d: T::On<I> = load(self.margins, at);
            let w = load(&self.points.w, at);
            let value: T::On<I> = load(&self.logits.value, at);
            let slope: T::On<I> = load(&self.logits.slope, at);
            let spread = load(&self.logits.spread, at);
            let unit = load(&self.scales.unit, at);
            let [m00, m01, m10, m11] = &self.scales.matrix;
            let (a00, a01): (T::On<I>, T::On<I>) = (load(m00, at), load(m01, at));
            let (a10, a11): (T::On<I>, T::On<I>) = (load(m10, at), load(m11, at));
            let e = exp(-value);
            let (upper, ln) = logistic(e);
            // Without smoothing ℓ times 0, and not 1 − ε with a rounding.
            let loss = d.select_lt(zero, (one - epsilon).mul_add(value, ln), epsilon.mul_add(value, ln));
            let r = d.select_lt(zero, upper, e * upper) - epsilon;
            let against = d.select_lt(zero, r, -r);
            let elastic = slope * w;
            let [loss_to, d_margin, p0, p1] = &mut self.results.0;
            loss.store(&mut loss_to.0[at..]);
            (-(r * (slope * unit))).store(&mut d_margin.0[at..]);
            (against * (a00 * elastic - a01 * spread)).store(&mut p0.0[at..]);
            (against * (a10 * elastic - a11 * spread)).store(&mut p1.0[at..]);
            // Rare: D > 0 and ℓ in the strip.
            let positive = zero.select_lt(d, one, zero);
            let gradual = low.select_lt(value, value.select_lt(high, positive, zero), zero);
            if zero.any_lt(gradual) {
                let mut flags = [T::num(0.0); MAX_LANES];
                gradual.store(&mut flags);
                let n = T::On::<I>::N.min(self.n - at);
                (0..n).filter(|&i| flags[i].wide() > 0.0).for_each(|i| self.outside.push(at + i));
            }
        }
    }
}

/// Multiplies by weights and upstream gradients, and adds to the sums.
struct Accumulate<'a, T> {
    margins: &'a Column<T>,
    weights: Option<&'a Column<T>>,
    upstream: Option<&'a Column<T>>,
    n: usize,
    results: &'a mut Results<T>,
    partial: &'a mut Partial,
}

impl<T: Element> Vectorised for Accumulate<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let zero = T::On::<I>::splat(0.0);
        let [weight_sum, nll_sum, p0_sum, p1_sum] = &mut self.partial.0;
        for group in (0..self.n).step_by(SUM_LANES) {
            for lane in (0..SUM_LANES).step_by(T::On::<I>::N) {
                let at = group + lane;
                let mut rows = [zero; 4];
                for (row, column) in rows.iter_mut().zip(&self.results.0) {
                    *row = load(column, at);
                }
                if let Some(upstream) = self.upstream {
                    let g = load(upstream, at);
                    for row in &mut rows {
                        *row = *row * g;
                    }
                }
                if let Some(weights) = self.weights {
                    let (w, d): (T::On<I>, T::On<I>) = (load(weights, at), load(self.margins, at));
                    // 0 leaves out what may be infinite; a NaN margin stays NaN.
                    let number = d.select_lt(zero, zero, (-d).select_lt(zero, zero, d));
                    for row in &mut rows {
                        *row = zero.select_lt(w, *row * w, number);
                    }
                    w.add_to(&mut weight_sum[lane..]);
                }
                if self.weights.is_some() || self.upstream.is_some() {
                    for (row, column) in rows.iter().zip(&mut self.results.0) {
                        row.store(&mut column.0[at..]);
                    }
                }
                let [nll, _, p0, p1] = rows;
                nll.add_to(&mut nll_sum[lane..]);
                p0.add_to(&mut p0_sum[lane..]);
                p1.add_to(&mut p1_sum[lane..]);
            }
        }
    }
}

/// Where the effective logits of a batch come from.
pub(super) trait Source<T: Real>: Sync {
    /// The instruction set.
    fn level(&self) -> Level;
    /// Fills in what belongs to the `n` elements from `first` on. Called once per block for shared
    /// parameters (`first` = 0 at the time of setting up), once per chunk otherwise.
    fn setup(&self, first: usize, n: usize, points: &mut Points<T>, scales: &mut Scales<T>);
    /// Whether parameters differ from element to element.
    fn per_element(&self) -> bool;
    /// Effective logits of the first `n` points.
    fn logits(&self, points: &Points<T>, n: usize, logits: &mut Logits<T>, outside: &mut List);
    /// Everything about element `index` by the scalar kernels.
    fn scalar(&self, index: usize, margin: T, smoothing: Smoothing<T>) -> [f64; 4];
}

/// w = unit·|D| over whole registers.
struct Scale<'a, T> {
    margins: &'a Column<T>,
    unit: &'a Column<T>,
    n: usize,
    w: &'a mut Column<T>,
}

impl<T: Element> Vectorised for Scale<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        for at in (0..self.n).step_by(T::On::<I>::N) {
            let d: T::On<I> = load(self.margins, at);
            (d.abs() * load(self.unit, at)).store(&mut self.w.0[at..]);
        }
    }
}

/// Copies the elements of a chunk, and fills up with `pad`.
fn fill<T: Copy>(column: &mut Column<T>, from: &[T], pad: T) {
    let (head, tail) = column.0.split_at_mut(from.len());
    head.copy_from_slice(from);
    // Whole registers beyond the last element are never read.
    let end = tail.len().min(MAX_LANES);
    tail[..end].fill(pad);
}

/// Evaluates one block, whose first element is number `first` of the batch.
fn block<T: Real, S: Source<T>>(
    source: &S,
    first: usize,
    batch: &Batch<'_, T>,
    rows: &mut Rows<'_, T>,
) -> Sums {
    let level = source.level();
    let zero = T::num(0.0);
    let mut margins = Column::new(0.0);
    let mut points = Points { w: Column::new(0.0), shape: Column::new(0.0), shared: !source.per_element() };
    let mut scales = Scales {
        unit: Column::new(0.0),
        matrix: [Column::new(0.0), Column::new(0.0), Column::new(0.0), Column::new(0.0)],
    };
    let mut logits = Logits::new();
    let mut results = Results([Column::new(0.0), Column::new(0.0), Column::new(0.0), Column::new(0.0)]);
    let (mut weights, mut upstream) = (Column::new(0.0), Column::new(0.0));
    let mut outside = List::new();
    let mut partial = Partial::ZERO;
    source.setup(first, CHUNK.min(batch.len()), &mut points, &mut scales);
    for start in (0..batch.len()).step_by(CHUNK) {
        let end = (start + CHUNK).min(batch.len());
        let n = end - start;
        if source.per_element() && start > 0 {
            source.setup(first + start, n, &mut points, &mut scales);
        }
        fill(&mut margins, &batch.margins[start..end], zero);
        outside.clear();
        level.dispatch(Scale { margins: &margins, unit: &scales.unit, n, w: &mut points.w });
        source.logits(&points, n, &mut logits, &mut outside);
        level.dispatch(Losses {
            margins: &margins,
            points: &points,
            logits: &logits,
            scales: &scales,
            epsilon: batch.smoothing.epsilon(),
            n,
            results: &mut results,
            outside: &mut outside,
        });
        for &i in outside.as_slice() {
            let i = i as usize;
            let row = source.scalar(first + start + i, margins.0[i], batch.smoothing);
            for (column, x) in results.0.iter_mut().zip(row) {
                column.0[i] = T::num(x);
            }
        }
        // The padding must not count.
        let padded = n.next_multiple_of(SUM_LANES).min(CHUNK);
        for column in &mut results.0 {
            column.0[n..padded].fill(zero);
        }
        let optional = |slice: Option<&[T]>, column: &mut Column<T>| {
            slice.map(|slice| fill(column, &slice[start..end], zero)).is_some()
        };
        let weighted = optional(batch.weights, &mut weights);
        let chained = optional(batch.upstream, &mut upstream);
        level.dispatch(Accumulate {
            margins: &margins,
            weights: weighted.then_some(&weights),
            upstream: chained.then_some(&upstream),
            n,
            results: &mut results,
            partial: &mut partial,
        });
        let Rows { nll, d_margin, d_params: [p0, p1], .. } = rows;
        for (to, from) in [nll, d_margin, p0, p1].into_iter().zip(&results.0) {
            if let Some(to) = to {
                to[start..end].copy_from_slice(&from.0[..n]);
            }
        }
    }
    let mut sums = partial.fold();
    if batch.weights.is_none() {
        sums.weight = batch.len() as f64;
    }
    sums
}

/// Evaluates a batch whose slices have been checked, and adds its blocks as a balanced tree.
pub(super) fn tree<T: Real, S: Source<T>>(
    source: &S,
    first: usize,
    batch: &Batch<'_, T>,
    mut rows: Rows<'_, T>,
) -> Sums {
    if batch.len() <= BLOCK {
        return block(source, first, batch, &mut rows);
    }
    let half = split(batch.len());
    let (low, high) = batch.split_at(half);
    let (low_rows, high_rows) = rows.split_at(half);
    tree(source, first, &low, low_rows).plus(tree(source, first + half, &high, high_rows))
}

/// Where the tree divides more than one block: the largest power of two of blocks below the length.
fn split(len: usize) -> usize {
    let blocks = len.div_ceil(BLOCK);
    BLOCK * (blocks.next_power_of_two() / 2)
}

/// The same tree on the threads of rayon: the same bits.
#[cfg(feature = "rayon")]
pub(super) fn par_tree<T: Real, S: Source<T>>(
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
    let (low, high) = batch.split_at(half);
    let (low_rows, high_rows) = rows.split_at(half);
    let (a, b) = rayon::join(
        || par_tree(source, first, &low, low_rows),
        || par_tree(source, first + half, &high, high_rows),
    );
    a.plus(b)
}
