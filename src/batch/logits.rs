//! Rows of the effective logit: a strength in the place of β, under a loss of one's own.

use super::engine;
use super::error::BatchError;
use super::evaluation::Evaluator;
use super::gate::{Call, Opened};
use super::input::Batch;
use super::number::Number;
use super::rows::{LogitRows, Rows};
use crate::family::Inside;

/// What has effective logits.
pub(crate) trait LogitEvaluator<T: Number>: Evaluator<T> + Sync {
    /// How many parameters the derivatives are taken in.
    fn params(&self) -> usize;
    /// ℓ and its derivatives at one margin by the scalar kernels.
    fn scalar_logit(&self, index: usize, margin: T) -> [f64; 4];
}

/// Checks and evaluates, on threads if wanted and built in: the same bits.
pub(crate) fn run<T: Number, E: LogitEvaluator<T>>(
    evaluator: &E,
    margins: &[T],
    rows: LogitRows<'_, T>,
    threads: bool,
) -> Result<(), BatchError> {
    evaluator.check(&Batch::new(margins), &Rows::new())?;
    rows.check(margins.len(), evaluator.params())?;
    T::enter(Run { evaluator, margins, rows, threads }, Inside);
    Ok(())
}

struct Run<'a, T, E> {
    evaluator: &'a E,
    margins: &'a [T],
    rows: LogitRows<'a, T>,
    threads: bool,
}

impl<T: Number, E: LogitEvaluator<T>> Call<T> for Run<'_, T, E> {
    type Output = ();
    fn call(self)
    where
        T: Opened,
    {
        let Self { evaluator, margins, mut rows, threads } = self;
        let (source, scalar) = (evaluator.source(), |i: usize, d: T| evaluator.scalar_logit(i, d));
        #[cfg(feature = "rayon")]
        if threads {
            return engine::par_logit_rows(&source, &scalar, 0, margins, rows);
        }
        let _ = threads;
        engine::logit_rows(&source, &scalar, 0, margins, &mut rows);
    }
}

/// The public methods of a [`LogitEvaluator`], as `methods!` of the losses.
macro_rules! logit_methods {
    ([$($generics:tt)*] [$($clauses:tt)*] $t:ty) => {
        /// Effective logits of margins, with their derivatives: [`LogitRows`](crate::batch::LogitRows).
        ///
        /// * NaN: NaN in every row. ±∞: as `effective_logit` and `effective_beta` of
        ///   [`Strength`](crate::Strength), and the limits of the derivatives.
        /// * Max error: that of the losses' derivatives on the wrong side (D < 0), relative, on both sides.
        ///
        /// # Errors
        /// [`BatchError`](crate::batch::BatchError) for slices of another length than the margins or the parameters,
        /// and a wrong number of them; nothing is written then.
        pub fn effective_logits $($generics)* (
            &self,
            margins: &[$t],
            rows: $crate::batch::LogitRows<'_, $t>,
        ) -> Result<(), $crate::batch::BatchError>
        $($clauses)*
        {
            $crate::batch::logits::run(self, margins, rows, false)
        }

        /// The same, bit for bit, on the threads of rayon.
        ///
        /// # Errors
        /// As [`effective_logits`](Self::effective_logits).
        #[cfg(feature = "rayon")]
        pub fn par_effective_logits $($generics)* (
            &self,
            margins: &[$t],
            rows: $crate::batch::LogitRows<'_, $t>,
        ) -> Result<(), $crate::batch::BatchError>
        $($clauses)*
        {
            $crate::batch::logits::run(self, margins, rows, true)
        }
    };
}
pub(crate) use logit_methods;
