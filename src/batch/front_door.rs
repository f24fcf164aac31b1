//! One p(β) for all margins, by whatever is fastest for the length of the batch.

use super::direct::Direct;
use super::error::BatchError;
use super::input::Batch;
use super::number::Number;
use super::plan::Plan;
use super::rows::Rows;
use super::sums::Sums;
use crate::kernel::Coordinates;
use crate::loss::Strength;

/// Losses and gradients of a batch under one p(β), in its native parameters, on the best level: by
/// [`Plan`] for a batch long enough to pay for the table, else by [`Direct`].
///
/// Which it is depends on the family and the length alone. For several batches under one p(β), prepare a
/// [`Plan`] once.
///
/// # Errors
/// [`BatchError`] for slices of different lengths and for weights that are negative or not finite; nothing
/// is written then. An empty batch gives zeros.
///
/// ```
/// use prefstrength::{LogNormal, Strength, batch::{self, Batch, Rows}};
/// let beta = LogNormal::from_mean_cv(0.1, 0.5)?;
/// let margins: Vec<f64> = (0..1000).map(|i| 0.1 * i as f64 - 50.0).collect();
/// let sums = batch::evaluate(&beta, &Batch::new(&margins), Rows::new())?;
/// let scalar: f64 = margins.iter().map(|&d| beta.nll(d)).sum();
/// assert!((sums.nll - scalar).abs() < 1e-12 * scalar);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn evaluate<T: Number, S: Strength<T>>(
    beta: &S,
    batch: &Batch<'_, T>,
    rows: Rows<'_, T>,
) -> Result<Sums, BatchError> {
    evaluate_in(beta, batch, rows, Coordinates::Native)
}

/// [`evaluate`] in any coordinates.
///
/// # Errors
/// As [`evaluate`].
///
/// ```
/// use prefstrength::{Coordinates, Gamma, Strength, batch::{self, Batch, Rows}};
/// let beta = Gamma::<f64>::from_mean_cv(0.1, 0.5)?;
/// let (batch, coordinates) = (Batch::new(&[3.0, -1.0]), Coordinates::LnMeanLnCv);
/// let [d_ln_mean, _] = batch::evaluate_in(&beta, &batch, Rows::new(), coordinates)?.d_params;
/// let one = |d: f64| beta.nll_gradient_in(d, coordinates).d_params[0];
/// assert!((d_ln_mean - one(3.0) - one(-1.0)).abs() < 1e-15);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn evaluate_in<T: Number, S: Strength<T>>(
    beta: &S,
    batch: &Batch<'_, T>,
    rows: Rows<'_, T>,
    coordinates: Coordinates,
) -> Result<Sums, BatchError> {
    if batch.len() >= Plan::<T, S>::break_even(beta) {
        Plan::new(beta).with_coordinates(coordinates).evaluate(batch, rows)
    } else {
        Direct::new(beta).with_coordinates(coordinates).evaluate(batch, rows)
    }
}

/// [`evaluate_in`] on the threads of rayon: the same bits.
///
/// # Errors
/// As [`evaluate`].
#[cfg(feature = "rayon")]
pub fn par_evaluate_in<T: Number, S: Strength<T>>(
    beta: &S,
    batch: &Batch<'_, T>,
    rows: Rows<'_, T>,
    coordinates: Coordinates,
) -> Result<Sums, BatchError> {
    if batch.len() >= Plan::<T, S>::break_even(beta) {
        Plan::new(beta).with_coordinates(coordinates).par_evaluate(batch, rows)
    } else {
        Direct::new(beta).with_coordinates(coordinates).par_evaluate(batch, rows)
    }
}
