//! Piecewise polynomials of the effective logit: how they are made from samples, and looked up.

use super::engine::{CHUNK, Column, Integrate, KernelInputs, List, LogitColumns, groups, registers};
use super::tables::{
    PLAN_F32_CHEBYSHEV, PLAN_F32_MONOMIAL, PLAN_F32_NODES, PLAN_F32_OCTAVE, PLAN_F32_OCTAVE_NODES,
    PLAN_F64_CHEBYSHEV, PLAN_F64_MONOMIAL, PLAN_F64_NODES, PLAN_F64_OCTAVE, PLAN_F64_OCTAVE_NODES,
};
use crate::family::Precision;
use crate::kernel::{FamilyKernels, Goal, KernelVisitor as _, Logit, within};
use crate::lanes::{Isa, Lanes, MAX_LANES, SUM_LANES, Vectorised};
use crate::level::Level;

/// A number type with its table: the degree balances look-ups against pieces.
pub trait Tabulated: Precision {
    /// The rows of [`Lanes::rows`].
    type Rows: Copy + Send + Sync + core::fmt::Debug;
    /// The columns of [`Lanes::columns`].
    type Columns: Copy + Send + Sync + core::fmt::Debug;
    /// Where the first piece, from 0 on, is sampled: on [−½, ½].
    const FIRST_NODES: &'static [f64];
    /// Where an octave is sampled: on [1, 2].
    const OCTAVE_NODES: &'static [f64];
    /// How accurate the samples have to be.
    const GOAL: Goal;
    /// The exponent of the table's end, given that of the first piece's.
    fn last_exponent(first: i32) -> i32;
    /// Coefficients of a polynomial.
    const POLYNOMIAL: usize;
    /// All polynomials, one after the other.
    fn flat(rows: &Self::Rows) -> &[[Self; 4]];
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
        $goal:expr, $last:expr, {$($columns:item)*}
    ) => {
        impl Tabulated for $t {
            type Rows = [[[$t; 4]; $nodes]; pieces(END_EXPONENT - START_EXPONENT, $bits)];
            const POLYNOMIAL: usize = $nodes;
            fn flat(rows: &Self::Rows) -> &[[Self; 4]] {
                rows.as_flattened()
            }
            const FIRST_NODES: &'static [f64] = &$node_table;
            const OCTAVE_NODES: &'static [f64] = &$octave_nodes;
            const GOAL: Goal = $goal;
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
    Goal::SingleTable,
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
    Goal::Lane,
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
pub struct Table<T: Tabulated> {
    /// Whether there are any: not where the vector kernels do not reach.
    pub(crate) filled: bool,
    /// Whether the first piece begins at 0.
    pub(crate) from_zero: bool,
    /// The exponents of the first piece's end and of the last one's.
    pub(crate) exponents: [i32; 2],
    pub(crate) rows: T::Rows,
    pub(crate) columns: T::Columns,
}

/// 2ᵉ
fn power(e: i32) -> f64 {
    f64::from_bits(((1023 + e) as u64) << 52)
}

/// ⌊x⌋ as an exponent.
fn floor(x: f64) -> i32 {
    num_traits::Float::floor(x) as i32
}

impl<T: Tabulated> Table<T> {
    pub(super) fn empty() -> Self {
        let rows = T::empty();
        Self { filled: false, from_zero: false, exponents: [0; 2], rows, columns: T::columns(&rows) }
    }

    /// How many pieces.
    pub(crate) fn pieces(&self) -> usize {
        pieces(self.exponents[1] - self.exponents[0], T::PIECE_BITS)
    }

    /// Fills in the polynomials for margins of a strength of this shape, by the kernels of its family. Always from
    /// f64, so that an f32 table is right to its last bits.
    pub(super) fn prepare<K: FamilyKernels<f64>>(&mut self, shape: f64, level: Level) {
        self.filled = false;
        let exponent = floor(K::first_exponent(T::GOAL, shape)) + floor(K::unit_exponent(shape));
        self.from_zero = exponent >= START_EXPONENT;
        let first = exponent.clamp(START_EXPONENT, END_EXPONENT);
        self.exponents = [first, T::last_exponent(first)];
        let start = power(first);
        let first_nodes = T::FIRST_NODES.iter().map(|t| (0.5 + t) * start);
        if self.from_zero && !self.sample::<K>(first_nodes, None, shape, level) {
            return;
        }
        let at_once = (CHUNK / T::OCTAVE_NODES.len()) as i32;
        for octave in (first..self.exponents[1]).step_by(at_once as usize) {
            let octaves = octave..(octave + at_once).min(self.exponents[1]);
            let nodes = octaves.clone().flat_map(|e| T::OCTAVE_NODES.iter().map(move |t| t * power(e)));
            if !self.sample::<K>(nodes, Some(octaves), shape, level) {
                return;
            }
        }
        self.columns = T::columns(&self.rows);
        self.filled = true;
    }

    /// Sets the first piece, or those of some octaves, from the integral at `nodes`. False if it is not to be
    /// had there.
    fn sample<K: FamilyKernels<f64>>(
        &mut self,
        nodes: impl Iterator<Item = f64>,
        octaves: Option<core::ops::Range<i32>>,
        shape: f64,
        level: Level,
    ) -> bool {
        let mut points = KernelInputs { w: Column::new(1.0), shape: Column::new(shape), shared: true };
        let mut n = 0;
        for (to, w) in points.w.flat_mut().iter_mut().zip(nodes) {
            *to = w;
            n += 1;
        }
        let (mut logits, mut outside) = (LogitColumns::new(), List::new());
        let (points, found) = (&points, &mut logits);
        Integrate { level, goal: T::GOAL, points, n, logits: found, outside: &mut outside }.visit::<K>();
        if !outside.as_slice().is_empty() {
            return false;
        }
        level.dispatch(Interpolate { points, logits: &logits, octaves, table: self });
        true
    }
}

/// Polynomials from sampled logits.
struct Interpolate<'a, T: Tabulated> {
    points: &'a KernelInputs<f64>,
    logits: &'a LogitColumns<f64>,
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
pub(super) struct TableLogits<'a, T: Tabulated> {
    pub(super) table: &'a Table<T>,
    pub(super) points: &'a KernelInputs<T>,
    pub(super) n: usize,
    pub(super) logits: &'a mut LogitColumns<T>,
    pub(super) beyond: &'a mut List,
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
