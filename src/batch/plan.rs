//! A table of the effective logit for one p(β), evaluated at streaming speed.

use super::direct::Shared;
use super::pipeline::{
    self, CHUNK, Column, Integrate, List, Logits, Points, Scales, Source, groups, registers,
};
use super::{Batch, BatchError, Coordinates, Rows, Sums};
use crate::canonical::lanes::{Element, Logit, within};
use crate::float::Real;
use crate::lanes::{Isa, Lanes, MAX_LANES, SUM_LANES};
use crate::level::{Level, Vectorised};
use crate::loss::{Integral, Model, Smoothing, Strength, row};
use crate::special::tables::{
    PLAN_F32_CHEBYSHEV, PLAN_F32_MONOMIAL, PLAN_F32_NODES, PLAN_F32_OCTAVE, PLAN_F32_OCTAVE_NODES,
    PLAN_F64_CHEBYSHEV, PLAN_F64_MONOMIAL, PLAN_F64_NODES, PLAN_F64_OCTAVE, PLAN_F64_OCTAVE_NODES,
};

/// One p(β) for all margins, prepared as piecewise polynomials of ℓ/w, ℓ′ and −ℓ_v/w (in the
/// first piece −ℓ_v/w³) in w = unit·|D|.
///
/// Preparing costs some hundred evaluations of the integral, and evaluating a few multiply-adds per
/// element and polynomial. The table lies in the plan itself (f32 8.5 KB, f64 44 KB; `Box` it to move it
/// around): nothing is allocated, also when it is prepared again for new parameters.
///
/// * Max error, in eps of the precision (for D > 0 times 1 + |ln T|): f64 nll and derivatives 40; f32 nll
///   8, d_margin 16, derivatives in parameters 64. Measured: README.
/// * The table reaches from w = 0, or 2⁻¹⁶ for σ above 1.2 (f32 1.5) and in f64 for v above 4900, to 2¹⁰ (f32
///   2⁸ for σ above 0.7 and v above 5). Margins beyond it, NaN and ±∞ are evaluated as by [`Direct`](super::Direct).
///
/// ```
/// use prefstrength::batch::{Batch, Plan, Rows};
/// use prefstrength::{LogNormal, Strength};
/// let margins: Vec<f32> = (0..10_000).map(|i| i as f32 * 1e-3 - 5.0).collect();
/// let mut nll = vec![0.0; margins.len()];
/// let mut beta = LogNormal::from_mean_cv(1.0, 0.5)?;
/// let mut plan = Plan::new(&beta);
/// for step in 0..3 {
///     let sums = plan.evaluate(&Batch::new(&margins), Rows::none().nll(&mut nll))?;
///     assert!((nll[0] - beta.nll(-5.0)).abs() < 1e-5);
///     // A step of an optimiser moves the parameters; the table follows in place.
///     let d_sigma = sums.d_params[1] / sums.weight;
///     beta = LogNormal::from_mu_sigma(beta.mu(), beta.sigma() - 0.1 * d_sigma as f32)?;
///     plan.prepare(&beta);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Plan<T: Real, S> {
    shared: Shared<S>,
    table: Table<T>,
}

impl<T: Real, S: Strength<T>> Plan<T, S> {
    /// Prepared for `beta`, on the best level of this machine, in native coordinates.
    #[must_use]
    pub fn new(beta: &S) -> Self {
        Self::with_level(beta, Level::best())
    }

    /// On another level.
    #[must_use]
    pub fn with_level(beta: &S, level: Level) -> Self {
        let shared = Shared::new::<T>(beta, level, Coordinates::Native);
        let mut plan = Self { shared, table: Table::empty() };
        plan.table.prepare(&plan.shared.model, level);
        plan
    }

    /// Gradients in other coordinates; the table is the same.
    #[must_use]
    pub fn with_coordinates(mut self, coordinates: Coordinates) -> Self {
        self.shared = Shared::new::<T>(&self.shared.beta, self.shared.level, coordinates);
        self
    }

    /// Prepares it again, in place; at once if `beta` is the one it has.
    pub fn prepare(&mut self, beta: &S) {
        let old = self.shared.model;
        self.shared = Shared::new::<T>(beta, self.shared.level, self.shared.coordinates);
        let new = &self.shared.model;
        // The unit scales margins, not the table.
        if (old.integral, old.shape.to_bits()) != (new.integral, new.shape.to_bits()) {
            self.table.prepare(new, self.shared.level);
        }
    }

    /// Losses and gradients of a batch.
    ///
    /// # Errors
    /// As [`Direct::evaluate`](super::Direct::evaluate).
    pub fn evaluate(&self, batch: &Batch<'_, T>, rows: Rows<'_, T>) -> Result<Sums, BatchError> {
        self.check(batch, &rows)?;
        Ok(pipeline::tree(self, 0, batch, rows))
    }

    /// The same, bit for bit, on the threads of rayon.
    ///
    /// # Errors
    /// As [`evaluate`](Self::evaluate).
    #[cfg(feature = "rayon")]
    pub fn par_evaluate(&self, batch: &Batch<'_, T>, rows: Rows<'_, T>) -> Result<Sums, BatchError> {
        self.check(batch, &rows)?;
        Ok(pipeline::par_tree(self, 0, batch, rows))
    }

    pub(crate) fn check(&self, batch: &Batch<'_, T>, rows: &Rows<'_, T>) -> Result<(), BatchError> {
        batch.check()?;
        rows.check(batch.len(), self.shared.model.params)
    }
}

/// What another device needs to evaluate the same table.
#[cfg(feature = "gpu")]
impl<T: Real, S: Strength<T>> Plan<T, S> {
    pub(crate) fn model(&self) -> &Model {
        &self.shared.model
    }

    /// The polynomials of all pieces there can be.
    pub(crate) fn rows(&self) -> &T::Rows {
        &self.table.rows
    }

    /// The exponents of the first piece's end and of the last one's, and whether the first begins at 0;
    /// `None` without a table.
    pub(crate) fn table(&self) -> Option<([i32; 2], bool)> {
        self.table.filled.then_some((self.table.exponents, self.table.from_zero))
    }

    /// How many pieces there are.
    pub(crate) fn pieces(&self) -> usize {
        self.table.pieces()
    }
}

/// The length of a batch from which on a plan pays for its preparation.
pub(crate) fn worthwhile<T: Real, S: Strength<T>>(beta: &S) -> usize {
    match crate::loss::BatchFamily::model(beta, Coordinates::Native).integral {
        Integral::Gamma => 2048,
        Integral::LogNormal => 2048,
        // A table cannot be faster than w itself.
        Integral::Fixed | Integral::Scalar => usize::MAX,
    }
}

/// A number type with its table: the degree balances look-ups against pieces.
pub trait Tabulated: Element {
    /// The rows of [`Lanes::rows`].
    type Rows: Copy + Send + Sync + core::fmt::Debug;
    /// The columns of [`Lanes::columns`].
    type Columns: Copy + Send + Sync + core::fmt::Debug;
    /// Where the first piece, from 0 on, is sampled: on [−½, ½].
    const FIRST_NODES: &'static [f64];
    /// Where an octave is sampled: on [1, 2].
    const OCTAVE_NODES: &'static [f64];
    /// The exponent of the first piece's end, for mean margins x and v (σ).
    fn first_exponent(integral: Integral, shape: f64) -> i32;
    /// The exponent of the table's end, given that of the first piece's.
    fn last_exponent(first: i32) -> i32;
    /// Zeros.
    fn empty() -> Self::Rows;
    /// Sets the first polynomials to those through `values` at the nodes.
    fn fit_first(rows: &mut Self::Rows, values: &[[f64; 4]]);
    /// Sets the polynomials of an octave, from piece number `piece` on, likewise.
    fn fit_octave(rows: &mut Self::Rows, piece: usize, values: &[[f64; 4]]);
    /// Polynomials at two registers of `t`, of a table of so many pieces.
    fn evaluate<V: Lanes<Scalar = Self>>(
        rows: &Self::Rows,
        columns: &Self::Columns,
        pieces: usize,
        index: &[[u32; MAX_LANES]; 2],
        t: [V; 2],
    ) -> [[V; 3]; 2];
    /// Copies the rows of the first 32 pieces.
    fn columns(rows: &Self::Rows) -> Self::Columns;
}

/// A matrix times four columns.
#[inline(always)]
fn product<const N: usize, const M: usize>(matrix: &[[f64; M]; N], columns: &[[f64; 4]; M]) -> [[f64; 4]; N] {
    let mut out = [[0.0; 4]; N];
    for (row, weights) in out.iter_mut().zip(matrix) {
        for (weight, column) in weights.iter().zip(columns) {
            for f in 0..4 {
                row[f] += weight * column[f];
            }
        }
    }
    out
}

/// Values less that in the middle, so that rounding is relative to the variation, and that.
#[inline(always)]
fn centred<const M: usize>(values: &[[f64; 4]]) -> ([[f64; 4]; M], [f64; 4]) {
    let centre = values[M / 2];
    let mut differences = [[0.0; 4]; M];
    for (difference, value) in differences.iter_mut().zip(values) {
        for f in 0..4 {
            difference[f] = value[f] - centre[f];
        }
    }
    (differences, centre)
}

/// No piece lies below.
const START_EXPONENT: i32 = -16;

/// No piece lies beyond.
const END_EXPONENT: i32 = 10;

/// Pieces of a table.
const fn pieces(octaves: i32, bits: u32) -> usize {
    1 + ((octaves as usize) << bits)
}

macro_rules! tabulated {
    (
        $t:ident, $nodes:literal, $bits:literal,
        $node_table:ident $octave_nodes:ident $chebyshev:ident $octave:ident $monomial:ident,
        $gamma:expr, $lognormal:expr, $last:expr, {$($columns:item)*}
    ) => {
        impl Tabulated for $t {
            type Rows = [[[$t; 4]; $nodes]; pieces(END_EXPONENT - START_EXPONENT, $bits)];
            const FIRST_NODES: &'static [f64] = &$node_table;
            const OCTAVE_NODES: &'static [f64] = &$octave_nodes;
            fn first_exponent(integral: Integral, shape: f64) -> i32 {
                let exponent: fn(f64) -> f64 = match integral {
                    Integral::LogNormal => $lognormal,
                    _ => $gamma,
                };
                num_traits::Float::floor(exponent(shape)) as i32
            }
            fn last_exponent(first: i32) -> i32 {
                let last: fn(i32) -> i32 = $last;
                last(first)
            }
            fn empty() -> Self::Rows {
                const { assert!($bits == <$t as crate::lanes::Scalar>::PIECE_BITS) };
                [[[0.0; 4]; $nodes]; pieces(END_EXPONENT - START_EXPONENT, $bits)]
            }
            #[inline(always)]
            fn fit_first(rows: &mut Self::Rows, values: &[[f64; 4]]) {
                let (differences, centre) = centred(values);
                $t::fit(&mut rows[0], &product(&$chebyshev, &differences), centre);
            }
            #[inline(always)]
            fn fit_octave(rows: &mut Self::Rows, piece: usize, values: &[[f64; 4]]) {
                let (differences, centre) = centred(values);
                for (row, chebyshev) in rows[piece..].iter_mut().zip(&$octave) {
                    $t::fit(row, &product(chebyshev, &differences), centre);
                }
            }
            $($columns)*
        }
        impl Fit<[[$t; 4]; $nodes], $nodes> for $t {
            #[inline(always)]
            fn fit(row: &mut [[$t; 4]; $nodes], series: &[[f64; 4]; $nodes], centre: [f64; 4]) {
                let polynomial = product(&$monomial, series);
                for (j, (to, from)) in row.iter_mut().zip(&polynomial).enumerate() {
                    for f in 0..4 {
                        to[f] = (if j == 0 { from[f] + centre[f] } else { from[f] }) as $t;
                    }
                }
            }
        }
    };
}

/// One row from Chebyshev coefficients.
trait Fit<R, const N: usize> {
    fn fit(row: &mut R, series: &[[f64; 4]; N], centre: [f64; 4]);
}

tabulated!(
    f32,
    7,
    1,
    PLAN_F32_NODES PLAN_F32_OCTAVE_NODES PLAN_F32_CHEBYSHEV PLAN_F32_OCTAVE PLAN_F32_MONOMIAL,
    |v| num_traits::Float::log2(1.0 / (1.0 + 6.0 * v)),
    |s| -6.2 * s * s - 0.6,
    // The columns of 32 pieces are worth two octaves.
    |first| if pieces(END_EXPONENT - first, 1) <= 32 { END_EXPONENT } else { 8 },
    {
        type Columns = [[[f32; 32]; 3]; 7];
        fn columns(rows: &Self::Rows) -> Self::Columns {
            core::array::from_fn(|j| {
                core::array::from_fn(|f| core::array::from_fn(|piece| rows[piece][j][f]))
            })
        }
        #[inline(always)]
        fn evaluate<V: Lanes<Scalar = f32>>(
            rows: &Self::Rows,
            columns: &Self::Columns,
            pieces: usize,
            index: &[[u32; MAX_LANES]; 2],
            t: [V; 2],
        ) -> [[V; 3]; 2] {
            if V::COLUMNS && pieces <= 32 {
                return V::columns(columns, index, t);
            }
            let [a, b, c, _] = V::rows(rows, &index[0], t[0]);
            let [d, e, f, _] = V::rows(rows, &index[1], t[1]);
            [[a, b, c], [d, e, f]]
        }
    }
);
tabulated!(
    f64,
    13,
    2,
    PLAN_F64_NODES PLAN_F64_OCTAVE_NODES PLAN_F64_CHEBYSHEV PLAN_F64_OCTAVE PLAN_F64_MONOMIAL,
    |v| num_traits::Float::log2(0.6 / (1.0 + 8.0 * v)),
    |s| -8.0 * s * s - 2.6,
    |_| END_EXPONENT,
    {
        type Columns = ();
        fn columns(_rows: &Self::Rows) -> Self::Columns {}
        #[inline(always)]
        fn evaluate<V: Lanes<Scalar = f64>>(
            rows: &Self::Rows,
            _columns: &Self::Columns,
            _pieces: usize,
            index: &[[u32; MAX_LANES]; 2],
            t: [V; 2],
        ) -> [[V; 3]; 2] {
            let [a, b, c, _] = V::rows(rows, &index[0], t[0]);
            let [d, e, f, _] = V::rows(rows, &index[1], t[1]);
            [[a, b, c], [d, e, f]]
        }
    }
);

/// Piecewise polynomials of ℓ/w, ℓ′ and −ℓ_v/w (first piece: w³) in w.
#[derive(Clone, Debug)]
struct Table<T: Tabulated> {
    /// Whether there are any: not where the vector kernels do not reach.
    filled: bool,
    /// Whether the first piece begins at 0.
    from_zero: bool,
    /// The exponents of the first piece's end and of the last one's.
    exponents: [i32; 2],
    rows: T::Rows,
    columns: T::Columns,
}

/// 2ᵉ
fn power(e: i32) -> f64 {
    f64::from_bits(((1023 + e) as u64) << 52)
}

impl<T: Tabulated> Table<T> {
    fn empty() -> Self {
        let rows = T::empty();
        Self { filled: false, from_zero: false, exponents: [0; 2], rows, columns: T::columns(&rows) }
    }

    /// How many pieces.
    fn pieces(&self) -> usize {
        pieces(self.exponents[1] - self.exponents[0], T::PIECE_BITS)
    }

    /// Fills in the polynomials for a p(β). Always from f64, so that an f32 table is right to its last
    /// bits.
    fn prepare(&mut self, model: &Model, level: Level) {
        self.filled = false;
        if !matches!(model.integral, Integral::Gamma | Integral::LogNormal) {
            return;
        }
        // The kernel's unit is the median of a LogNormal.
        let shift = match model.integral {
            Integral::LogNormal => -0.5 * model.shape * model.shape * core::f64::consts::LOG2_E,
            _ => 0.0,
        };
        let exponent =
            T::first_exponent(model.integral, model.shape) + num_traits::Float::floor(shift) as i32;
        self.from_zero = exponent >= START_EXPONENT;
        let first = exponent.clamp(START_EXPONENT, END_EXPONENT);
        self.exponents = [first, T::last_exponent(first)];
        let start = power(first);
        let first_nodes = T::FIRST_NODES.iter().map(|t| (0.5 + t) * start);
        if self.from_zero && !self.sample(first_nodes, None, model, level) {
            return;
        }
        let at_once = (CHUNK / T::OCTAVE_NODES.len()) as i32;
        for octave in (first..self.exponents[1]).step_by(at_once as usize) {
            let octaves = octave..(octave + at_once).min(self.exponents[1]);
            let nodes = octaves.clone().flat_map(|e| T::OCTAVE_NODES.iter().map(move |t| t * power(e)));
            if !self.sample(nodes, Some(octaves), model, level) {
                return;
            }
        }
        self.columns = T::columns(&self.rows);
        self.filled = true;
    }

    /// Sets the first piece, or those of some octaves, from the integral at `nodes`. False if it is not to be
    /// had there.
    fn sample(
        &mut self,
        nodes: impl Iterator<Item = f64>,
        octaves: Option<core::ops::Range<i32>>,
        model: &Model,
        level: Level,
    ) -> bool {
        let mut points = Points { w: Column::new(1.0), shape: Column::new(model.shape), shared: true };
        let mut n = 0;
        for (to, w) in points.w.flat_mut().iter_mut().zip(nodes) {
            *to = w;
            n += 1;
        }
        let (mut logits, mut outside) = (Logits::new(), List::new());
        Integrate {
            integral: model.integral,
            rule: T::TABLE_RULE,
            points: &points,
            n,
            logits: &mut logits,
            outside: &mut outside,
        }
        .on(level);
        if !outside.as_slice().is_empty() {
            return false;
        }
        level.dispatch(Interpolate { points: &points, logits: &logits, octaves, table: self });
        true
    }
}

/// Polynomials from sampled logits.
struct Interpolate<'a, T: Tabulated> {
    points: &'a Points<f64>,
    logits: &'a Logits<f64>,
    /// The octaves of the samples; `None` for the first piece.
    octaves: Option<core::ops::Range<i32>>,
    table: &'a mut Table<T>,
}

impl<T: Tabulated> Interpolate<'_, T> {
    /// The functions of the table at `out.len()` samples from number `from` on.
    #[inline(always)]
    fn functions(&self, from: usize, out: &mut [[f64; 4]]) {
        for (i, value) in out.iter_mut().enumerate() {
            let at = from + i;
            let inv = 1.0 / self.points.w.flat()[at];
            // w³ is how it begins, but too steep for a polynomial further out.
            let power = if self.octaves.is_none() { inv * inv * inv } else { inv };
            *value = [
                self.logits.value.flat()[at] * inv,
                self.logits.slope.flat()[at],
                self.logits.spread.flat()[at] * power,
                0.0,
            ];
        }
    }
}

impl<T: Tabulated> Vectorised for Interpolate<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let mut values = [[0.0; 4]; 32];
        let Some(octaves) = self.octaves.clone() else {
            let values = &mut values[..T::FIRST_NODES.len()];
            self.functions(0, values);
            T::fit_first(&mut self.table.rows, values);
            return;
        };
        let values = &mut values[..T::OCTAVE_NODES.len()];
        for (k, octave) in octaves.enumerate() {
            self.functions(k * values.len(), values);
            let piece = pieces(octave - self.table.exponents[0], T::PIECE_BITS);
            T::fit_octave(&mut self.table.rows, piece, values);
        }
    }
}

/// Effective logits from the table; what is beyond it goes to `beyond`.
struct TableLogits<'a, T: Tabulated> {
    table: &'a Table<T>,
    points: &'a Points<T>,
    n: usize,
    logits: &'a mut Logits<T>,
    beyond: &'a mut List,
}

impl<T: Tabulated> Vectorised for TableLogits<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let (zero, one) = (T::On::<I>::splat(0.0), T::On::<I>::splat(1.0));
        let table = self.table;
        let [first, last] = table.exponents;
        let (width, end) = (power(first), power(last));
        let (start, inverse) = (T::On::<I>::splat(width), T::On::<I>::splat(1.0 / width));
        // Below X_MIN, w³ loses its digits; without a first piece 0 is beyond as well.
        let (least, at_zero) = if table.from_zero { (T::X_MIN, zero) } else { (width, one) };
        let bias = if T::PIECE_BITS == 1 { 127 } else { 1023 };
        let first = ((bias + first) as u32) << T::PIECE_BITS;
        let pieces = table.pieces();
        let groups = groups(self.n);
        let mut index = [[0; MAX_LANES]; 2];
        // Two registers at once: every look-up of a coefficient serves both.
        registers!(T::On<I>, (0..groups).step_by(2), |g, lane| {
            let pair = [g, (g + 1).min(groups - 1)];
            let w: [T::On<I>; 2] = [self.points.w.get(pair[0], lane), self.points.w.get(pair[1], lane)];
            let mut t = w;
            for k in 0..2 {
                let fraction = w[k].locate(first, pieces as u32 - 1, &mut index[k]);
                let from_start = w[k].mul_add(inverse, T::On::<I>::splat(-0.5));
                t[k] = w[k].select_lt(start, from_start, fraction);
            }
            let values = T::evaluate(&table.rows, &table.columns, pieces, &index, t);
            for k in 0..2 {
                let (w, [a, slope, c]) = (w[k], values[k]);
                let power = w.select_lt(start, (w * w) * w, w);
                let logit = Logit { value: w * a, slope, spread: power * c };
                self.logits.put(pair[k], lane, logit);
                let inside = zero.select_lt(w, zero, at_zero);
                let beyond = within(w, least, end, inside, one);
                if k == 0 || pair[1] > pair[0] {
                    self.beyond.push_flagged(beyond, pair[k] * SUM_LANES + lane, self.n);
                }
            }
        });
    }
}

impl<T: Real, S: Strength<T>> Source<T> for Plan<T, S> {
    fn level(&self) -> Level {
        self.shared.level
    }
    fn per_element(&self) -> bool {
        false
    }
    fn matrix(&self) -> [[f64; 2]; 2] {
        self.shared.model.matrix
    }
    fn setup(&self, first: usize, n: usize, points: &mut Points<T>, scales: &mut Scales<T>) {
        self.shared.setup(first, n, points, scales);
    }
    fn logits(&self, first: usize, points: &Points<T>, n: usize, logits: &mut Logits<T>, outside: &mut List) {
        if !self.table.filled || self.shared.model.integral == Integral::Scalar {
            return self.shared.logits(first, points, n, logits, outside);
        }
        let mut beyond = List::new();
        let table = &self.table;
        self.shared.level.dispatch(TableLogits { table, points, n, logits, beyond: &mut beyond });
        if beyond.as_slice().is_empty() {
            return;
        }
        let mut few = Points { w: Column::new(1.0), shape: points.shape, shared: true };
        for (w, &i) in few.w.flat_mut().iter_mut().zip(beyond.as_slice()) {
            *w = points.w.flat()[i as usize];
        }
        let mut found = Logits::new();
        let mut still = List::new();
        self.shared.logits(first, &few, beyond.as_slice().len(), &mut found, &mut still);
        for (j, &i) in beyond.as_slice().iter().enumerate() {
            logits.value.flat_mut()[i as usize] = found.value.flat()[j];
            logits.slope.flat_mut()[i as usize] = found.slope.flat()[j];
            logits.spread.flat_mut()[i as usize] = found.spread.flat()[j];
        }
        for &j in still.as_slice() {
            outside.push(beyond.as_slice()[j as usize] as usize);
        }
    }
    fn scalar(&self, _index: usize, margin: T, smoothing: Smoothing<T>) -> [f64; 4] {
        row(&self.shared.beta, margin, smoothing, self.shared.coordinates)
    }
}
