//! Blocks of a batch as a balanced tree: the same sums on any number of threads.

use super::chunk::evaluate_block;
use super::source::LogitSource;
use crate::batch::input::Batch;
use crate::batch::rows::Rows;
use crate::batch::sums::Sums;
use crate::family::Precision;

/// Elements per block of the sums.
pub(crate) const BLOCK: usize = 4096;

/// Evaluates a batch whose slices have been checked, and adds its blocks as a balanced tree.
pub(crate) fn tree<T: Precision, S: LogitSource<T>>(
    source: &S,
    first: usize,
    batch: &Batch<'_, T>,
    mut rows: Rows<'_, T>,
) -> Sums {
    if batch.len() <= BLOCK {
        return evaluate_block(source, first, batch, &mut rows);
    }
    let half = split(batch.len());
    let (low_rows, high_rows) = rows.split_at(half);
    let low = tree(source, first, &batch.slice(0..half), low_rows);
    low + tree(source, first + half, &batch.slice(half..batch.len()), high_rows)
}

/// Where the tree divides more than one block: the largest power of two of blocks below the length.
pub(super) fn split(len: usize) -> usize {
    let blocks = len.div_ceil(BLOCK);
    BLOCK * (blocks.next_power_of_two() / 2)
}

/// The same tree on the threads of rayon: the same bits.
#[cfg(feature = "rayon")]
pub(crate) fn par_tree<T: Precision, S: LogitSource<T>>(
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
    a + b
}
