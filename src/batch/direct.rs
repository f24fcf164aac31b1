//! Every element from the integral itself, with one p(β) for all.

use super::engine::LogitSource;
use super::error::BatchError;
use super::evaluation::{Evaluator, methods};
use super::gate::Opened;
use super::input::Batch;
use super::logits::{LogitEvaluator, logit_methods};
use super::number::Number;
use super::rows::Rows;
use super::shared::Shared;
use crate::family::Inside;
use crate::kernel::Coordinates;
use crate::level::Level;
use crate::loss::{Strength, logit_row};

/// One p(β) for all margins, each evaluated from the integral itself.
///
/// * Max error, in eps of the precision (for D > 0 times 1 + |ln T|): f64 nll 16 (LogNormal 32), d_margin
///   32 (48), derivatives in parameters 64; f32 nll 8, d_margin 16, parameters 64. Measured: README.
/// * NaN and ±∞ as in [`Strength`]. Margins and parameters beyond the box of the vector kernels take the
///   scalar ones, which are slower and cover everything.
///
/// ```
/// use prefstrength::batch::{Batch, Direct, Rows};
/// use prefstrength::{Gamma, Strength};
/// let beta = Gamma::<f64>::from_shape_scale(4.0, 0.025)?;
/// let mut d_margin = [0.0; 2];
/// let loss = Direct::new(&beta);
/// let sums = loss.evaluate(&Batch::new(&[3.0, -1.0]), Rows::new().d_margin(&mut d_margin))?;
/// assert!((d_margin[0] - beta.nll_gradient(3.0).d_margin).abs() < 1e-15); // 0.03 in size
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Direct<S> {
    beta: S,
    level: Level,
    coordinates: Coordinates,
}

impl<S: Copy> Direct<S> {
    /// On the best level of this machine, in native coordinates.
    #[must_use]
    pub fn new(beta: &S) -> Self {
        Self { beta: *beta, level: Level::best(), coordinates: Coordinates::Native }
    }

    /// On another level.
    #[must_use]
    pub fn with_level(self, level: Level) -> Self {
        Self { level, ..self }
    }

    /// Gradients in other coordinates.
    #[must_use]
    pub fn with_coordinates(self, coordinates: Coordinates) -> Self {
        Self { coordinates, ..self }
    }

    methods!([<T: Number>] [where S: Strength<T>] T);
    logit_methods!([<T: Number>] [where S: Strength<T>] T);

    fn shared<T: Number>(&self) -> Shared<S>
    where
        S: Strength<T>,
    {
        Shared::new(&self.beta, self.level, self.coordinates, T::scales(Inside))
    }
}

impl<T: Number, S: Strength<T>> Evaluator<T> for Direct<S> {
    fn check(&self, batch: &Batch<'_, T>, rows: &Rows<'_, T>) -> Result<(), BatchError> {
        batch.check()?;
        rows.check(batch.len(), self.shared::<T>().params.params, batch.lapses.parameters())
    }
    fn source(&self) -> impl LogitSource<T>
    where
        T: Opened,
    {
        self.shared::<T>()
    }
}

impl<T: Number, S: Strength<T> + Sync> LogitEvaluator<T> for Direct<S> {
    fn params(&self) -> usize {
        self.shared::<T>().params.params
    }
    fn scalar_logit(&self, _index: usize, margin: T) -> [f64; 4] {
        logit_row(&self.beta, margin, self.coordinates)
    }
}
