//! One block of the sums, chunk by chunk: w, effective logits, losses, and what only the scalar kernels can do.

use super::column::{CHUNK, Column, GROUPS, Group, List, registers};
use super::losses::{Far, LapseColumns, Losses, LossesAndSums, LossesOnly, SumsOnly, Totals};
use super::partial::Partial;
use super::source::{KernelInputs, LogitColumns, LogitSource, Scales};
use crate::batch::input::{Batch, Lapses};
use crate::batch::rows::Rows;
use crate::batch::sums::Sums;
use crate::family::Precision;
use crate::lanes::{Isa, Lanes, SUM_LANES, Vectorised};

/// w = unit·|D|.
pub(super) struct Scale<'a, T> {
    pub(super) margins: &'a [Group<T>],
    pub(super) scales: &'a Scales<T>,
    pub(super) w: &'a mut Column<T>,
}

impl<T: Precision> Vectorised for Scale<'_, T> {
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
struct Scratch<T> {
    points: KernelInputs<T>,
    scales: Scales<T>,
    logits: LogitColumns<T>,
    partial: Partial,
}

/// Evaluates one block, whose first element is number `first` of the batch. A call, as its columns are large: inlined,
/// every level of the tree would hold them.
#[inline(never)]
pub(super) fn evaluate_block<T: Precision, S: LogitSource<T>>(
    source: &S,
    first: usize,
    batch: &Batch<'_, T>,
    rows: &mut Rows<'_, T>,
) -> Sums {
    let per_element = source.per_element();
    let points = KernelInputs { w: Column::new(0.0), shape: Column::new(0.0), shared: !per_element };
    let scales = if per_element {
        Scales::each()
    } else {
        Scales::Shared { unit: T::num(0.0), matrix: [T::num(0.0); 4] }
    };
    let mut space = Scratch { points, scales, logits: LogitColumns::new(), partial: Partial::ZERO };
    for start in (0..batch.len()).step_by(CHUNK) {
        let end = (start + CHUNK).min(batch.len());
        if per_element || start == 0 {
            source.setup(first + start, end - start, &mut space.points, &mut space.scales);
        }
        evaluate_chunk(source, first + start, &batch.slice(start..end), rows, start, &mut space);
    }
    let mut sums = space.partial.fold(source.jacobian());
    if batch.weights.is_none() {
        sums.weight = batch.len() as f64;
    }
    sums
}

/// Evaluates one chunk; its rows begin at `start`.
fn evaluate_chunk<T: Precision, S: LogitSource<T>>(
    source: &S,
    first: usize,
    batch: &Batch<'_, T>,
    rows: &mut Rows<'_, T>,
    start: usize,
    space: &mut Scratch<T>,
) {
    let Scratch { points, scales, logits, partial } = space;
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
    tiny_lapses(batch, &mut outside);
    let mut copies = None;
    let lapses = lapse_columns(batch, whole, &mut copies);
    let losses =
        || Losses { margins, points, logits, scales, opposite: batch.smoothing.opposite(), lapses: &lapses };
    let lapse = !matches!(batch.lapses, Lapses::None);
    let mut far = List::new();
    if lapse {
        level.dispatch(Far { losses: losses(), n, far: &mut far });
    }
    if whole && outside.as_slice().is_empty() && far.as_slice().is_empty() {
        let totals = Totals {
            margins,
            weights: batch.weights.map(|w| w.as_chunks().0),
            upstream: batch.upstream.map(|g| g.as_chunks().0),
            outputs: rows.columns().map(|to| to.map(|to| to[start..start + n].as_chunks_mut().0)),
            partial,
        };
        match lapse {
            false => level.dispatch(LossesAndSums::<_, false> { losses: losses(), totals }),
            true => level.dispatch(LossesAndSums::<_, true> { losses: losses(), totals }),
        }
        return;
    }
    let mut results = [Column::new(0.0); 6];
    match lapse {
        false => level.dispatch(LossesOnly::<_, false> { losses: losses(), results: &mut results }),
        true => level.dispatch(LossesOnly::<_, true> { losses: losses(), results: &mut results }),
    }
    for &i in outside.as_slice() {
        let i = i as usize;
        let row = source.scalar_row(first + i, batch.margins[i], batch.labels(i));
        put(&mut results, i, row, 0);
    }
    for &i in far.as_slice() {
        let i = i as usize;
        let labels = batch.labels(i);
        let row = source.scalar_row(first + i, batch.margins[i], labels);
        // Where there is no lapse, the rest has the bits of no lapse.
        put(&mut results, i, row, if labels.lapse.is_none() { 4 } else { 0 });
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
    let mut written = [Column::new(0.0); 6];
    level.dispatch(SumsOnly {
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

/// Writes what a scalar kernel returns for element `i`, from that field on.
fn put<T: Precision>(results: &mut [Column<T>; 6], i: usize, row: [f64; 6], from: usize) {
    for (column, x) in results.iter_mut().zip(row).skip(from) {
        column.flat_mut()[i] = T::num(x);
    }
}

/// Adds the elements whose lapse is too small for the kernels over lanes.
fn tiny_lapses<T: Precision>(batch: &Batch<'_, T>, outside: &mut List) {
    let tiny = |epsilon: T| epsilon != T::num(0.0) && epsilon.wide() < T::LAPSE_MIN;
    if matches!(batch.lapses, Lapses::None) {
        return;
    }
    for i in 0..batch.len() {
        if batch.lapses.of(i).epsilon().into_iter().any(tiny) && !outside.as_slice().contains(&(i as u8)) {
            outside.push(i);
        }
    }
}

/// The lapses of a chunk, copied where its groups are not whole.
fn lapse_columns<'a, T: Precision>(
    batch: &Batch<'a, T>,
    whole: bool,
    copies: &'a mut Option<[Column<T>; 2]>,
) -> LapseColumns<'a, T> {
    match batch.lapses {
        Lapses::None => LapseColumns::Shared { epsilon: [T::num(0.0); 2], by_side: false },
        Lapses::All(lapse) => LapseColumns::Shared { epsilon: lapse.epsilon(), by_side: lapse.is_by_side() },
        Lapses::Each { slices, by_side } if whole => {
            LapseColumns::Each { epsilon: slices.map(|slice| slice.as_chunks().0), by_side }
        }
        Lapses::Each { slices, by_side } => {
            let copies = copies.insert([Column::new(0.0); 2]);
            for (copy, slice) in copies.iter_mut().zip(slices) {
                copy.fill(slice, T::num(0.0));
            }
            let groups = batch.len().div_ceil(SUM_LANES);
            LapseColumns::Each { epsilon: copies.each_ref().map(|copy| &copy.0[..groups]), by_side }
        }
    }
}
