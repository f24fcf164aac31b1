//! Effective logits with their derivatives as rows, for losses of others on top of them.

use super::column::{CHUNK, Column, GROUPS, List, groups, registers};
use super::source::{KernelInputs, LogitColumns, LogitSource, Scales};
#[cfg(feature = "rayon")]
use super::tree::{BLOCK, split};
use super::{chunk::Scale, column::Group};
use crate::batch::rows::LogitRows;
use crate::family::Precision;
use crate::lanes::{Isa, Lanes, SUM_LANES, Vectorised};

/// Everything about one element by the scalar kernels: ℓ and its derivatives.
pub(crate) trait ScalarLogit<T>: Fn(usize, T) -> [f64; 4] + Sync {}

impl<T, F: Fn(usize, T) -> [f64; 4] + Sync> ScalarLogit<T> for F {}

/// ℓ is odd in the margin: values and derivatives in parameters take its sign, the slope does not.
struct Signed<'a, T> {
    margins: &'a Column<T>,
    points: &'a KernelInputs<T>,
    logits: &'a LogitColumns<T>,
    scales: &'a Scales<T>,
    n: usize,
    results: &'a mut [Column<T>; 4],
}

impl<T: Precision> Vectorised for Signed<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let (zero, one) = (T::On::<I>::splat(0.0), T::On::<I>::splat(1.0));
        let Self { margins, points, logits, scales, n, results } = self;
        registers!(T::On<I>, 0..groups(n), |g, lane| {
            let d: T::On<I> = margins.get(g, lane);
            let sign = d.select_lt(zero, -one, one);
            let (w, slope): (T::On<I>, T::On<I>) = (points.w.get(g, lane), logits.slope.get(g, lane));
            let (value, spread): (T::On<I>, T::On<I>) =
                (logits.value.get(g, lane), logits.spread.get(g, lane));
            let entry = |j: usize| -> T::On<I> { scales.entry(j, g, lane) };
            // D ∂ℓ/∂D and ∂ℓ/∂v of |D|.
            let (elastic, d_v) = (w * slope, -spread);
            let of = |j: usize| sign * entry(j).mul_add(elastic, entry(j + 1) * d_v);
            let unit: T::On<I> = scales.unit(g, lane);
            for (column, x) in results.iter_mut().zip([sign * value, slope * unit, of(0), of(2)]) {
                column.put(g, lane, x);
            }
        });
    }
}

/// Rows of margins from number `first` on.
pub(crate) fn logit_rows<T: Precision, S: LogitSource<T>>(
    source: &S,
    scalar: &impl ScalarLogit<T>,
    first: usize,
    margins: &[T],
    rows: &mut LogitRows<'_, T>,
) {
    let per_element = source.per_element();
    let mut points = KernelInputs { w: Column::new(0.0), shape: Column::new(0.0), shared: !per_element };
    let mut scales = if per_element {
        Scales::each()
    } else {
        Scales::Shared { unit: T::num(0.0), matrix: [T::num(0.0); 4] }
    };
    let mut logits = LogitColumns::new();
    let mut results = [Column::new(0.0); 4];
    for (k, chunk) in margins.chunks(CHUNK).enumerate() {
        let (start, n) = (k * CHUNK, chunk.len());
        if per_element || k == 0 {
            source.setup(first + start, n, &mut points, &mut scales);
        }
        let mut copy = Column::new(0.0);
        copy.fill(chunk, T::num(0.0));
        let whole: &[Group<T>] = &copy.0[..GROUPS.min(n.div_ceil(SUM_LANES))];
        source.level().dispatch(Scale { margins: whole, scales: &scales, w: &mut points.w });
        let mut outside = List::new();
        source.logits(first + start, &points, n, &mut logits, &mut outside);
        source.level().dispatch(Signed {
            margins: &copy,
            points: &points,
            logits: &logits,
            scales: &scales,
            n,
            results: &mut results,
        });
        for &i in outside.as_slice() {
            let i = usize::from(i);
            for (column, x) in results.iter_mut().zip(scalar(first + start + i, chunk[i])) {
                column.flat_mut()[i] = T::num(x);
            }
        }
        for (to, from) in rows.columns().into_iter().zip(&results) {
            if let Some(to) = to {
                to[start..start + n].copy_from_slice(&from.flat()[..n]);
            }
        }
    }
}

/// The same on the threads of rayon: the same bits, as rows do not depend on each other.
#[cfg(feature = "rayon")]
pub(crate) fn par_logit_rows<T: Precision, S: LogitSource<T>>(
    source: &S,
    scalar: &impl ScalarLogit<T>,
    first: usize,
    margins: &[T],
    mut rows: LogitRows<'_, T>,
) {
    if margins.len() <= 4 * BLOCK {
        return logit_rows(source, scalar, first, margins, &mut rows);
    }
    let half = split(margins.len());
    let (low, high) = margins.split_at(half);
    let (low_rows, high_rows) = rows.split_at(half);
    rayon::join(
        || par_logit_rows(source, scalar, first, low, low_rows),
        || par_logit_rows(source, scalar, first + half, high, high_rows),
    );
}
