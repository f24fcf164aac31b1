//! `evaluate` and `par_evaluate`, once for all batch types.

use super::engine::{self, LogitSource};
use super::error::BatchError;
use super::gate::{Call, Opened};
use super::input::{Batch, Lapses};
use super::number::Number;
use super::rows::Rows;
use super::sums::Sums;
use crate::family::Inside;
use crate::loss::Lapse;

/// What evaluates batches: checks that come first, and where effective logits come from.
pub(crate) trait Evaluator<T: Number> {
    /// Whether the batch fits, before anything is written.
    fn check(&self, batch: &Batch<'_, T>, rows: &Rows<'_, T>) -> Result<(), BatchError>;
    /// Where effective logits come from.
    fn source(&self) -> impl LogitSource<T>
    where
        T: Opened;
    /// Whether the sums of derivatives in parameters mean something.
    fn sums_params(&self) -> bool {
        true
    }
}

/// Checks and evaluates a batch, on threads if wanted and built in: the same bits.
pub(crate) fn run<T: Number, E: Evaluator<T>>(
    evaluator: &E,
    batch: &Batch<'_, T>,
    rows: Rows<'_, T>,
    threads: bool,
) -> Result<Sums, BatchError> {
    evaluator.check(batch, &rows)?;
    let batch = &scored(batch, &rows);
    let mut sums = T::enter(Run { evaluator, batch, rows, threads }, Inside);
    if !evaluator.sums_params() {
        sums.d_params = [0.0; 2];
    }
    if let Lapses::Each { .. } = batch.lapses {
        sums.d_lapse = [0.0; 2];
    }
    Ok(sums)
}

/// With the lapse of which derivatives are asked for: where there is none, its score is that of ε = 0.
pub(crate) fn scored<'a, T: Number>(batch: &Batch<'a, T>, rows: &Rows<'_, T>) -> Batch<'a, T> {
    match batch.lapses {
        Lapses::None if rows.wants_lapse() => batch.lapse(Lapse::none()),
        _ => *batch,
    }
}

struct Run<'a, 'b, T, E> {
    evaluator: &'a E,
    batch: &'a Batch<'b, T>,
    rows: Rows<'b, T>,
    threads: bool,
}

impl<T: Number, E: Evaluator<T>> Call<T> for Run<'_, '_, T, E> {
    type Output = Sums;
    fn call(self) -> Sums
    where
        T: Opened,
    {
        let source = self.evaluator.source();
        #[cfg(feature = "rayon")]
        if self.threads {
            return engine::par_tree(&source, 0, self.batch, self.rows);
        }
        let _ = self.threads;
        engine::tree(&source, 0, self.batch, self.rows)
    }
}

/// The public methods of an [`Evaluator`]: `methods!([generics of the method] [where clauses] T)`.
macro_rules! methods {
    ([$($generics:tt)*] [$($clauses:tt)*] $t:ty) => {
        /// Losses and gradients of a batch. An empty one gives zeros.
        ///
        /// # Errors
        /// [`BatchError`](crate::batch::BatchError) for slices of different lengths or of another length than the
        /// parameters or draws, a wrong number of them, and weights that are negative or not finite; nothing is
        /// written then.
        pub fn evaluate $($generics)* (
            &self,
            batch: &$crate::batch::Batch<'_, $t>,
            rows: $crate::batch::Rows<'_, $t>,
        ) -> Result<$crate::batch::Sums, $crate::batch::BatchError>
        $($clauses)*
        {
            $crate::batch::evaluation::run(self, batch, rows, false)
        }

        /// The same, bit for bit, on the threads of rayon.
        ///
        /// # Errors
        /// As [`evaluate`](Self::evaluate).
        #[cfg(feature = "rayon")]
        pub fn par_evaluate $($generics)* (
            &self,
            batch: &$crate::batch::Batch<'_, $t>,
            rows: $crate::batch::Rows<'_, $t>,
        ) -> Result<$crate::batch::Sums, $crate::batch::BatchError>
        $($clauses)*
        {
            $crate::batch::evaluation::run(self, batch, rows, true)
        }
    };
}
pub(crate) use methods;
