//! Every element from the integral itself, with one p(β) for all.

use super::pipeline::{self, Integrate, List, Logits, Points, Scales, Source};
use super::{Batch, BatchError, Coordinates, Rows, Sums};
use crate::canonical::lanes::Element;
use crate::float::Real;
use crate::level::Level;
use crate::loss::{Integral, Model, Smoothing, Strength, row};

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
/// let sums = loss.evaluate(&Batch::new(&[3.0, -1.0]), Rows::none().d_margin(&mut d_margin))?;
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

    /// Losses and gradients of a batch.
    ///
    /// # Errors
    /// [`BatchError`] for slices of different lengths, a wrong number of them, and weights that are
    /// negative or not finite; nothing is written then. An empty batch gives zeros.
    pub fn evaluate<T: Real>(&self, batch: &Batch<'_, T>, rows: Rows<'_, T>) -> Result<Sums, BatchError>
    where
        S: Strength<T>,
    {
        Ok(pipeline::tree(&self.check(batch, &rows)?, 0, batch, rows))
    }

    /// The same, bit for bit, on the threads of rayon.
    ///
    /// # Errors
    /// As [`evaluate`](Self::evaluate).
    #[cfg(feature = "rayon")]
    pub fn par_evaluate<T: Real>(&self, batch: &Batch<'_, T>, rows: Rows<'_, T>) -> Result<Sums, BatchError>
    where
        S: Strength<T>,
    {
        Ok(pipeline::par_tree(&self.check(batch, &rows)?, 0, batch, rows))
    }

    fn check<T: Real>(&self, batch: &Batch<'_, T>, rows: &Rows<'_, T>) -> Result<Shared<S>, BatchError>
    where
        S: Strength<T>,
    {
        let shared = Shared::new::<T>(&self.beta, self.level, self.coordinates);
        batch.check()?;
        rows.check(batch.len(), shared.model.params)?;
        Ok(shared)
    }
}

/// One p(β) as the pipeline sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shared<S> {
    pub(super) beta: S,
    pub(super) level: Level,
    pub(super) coordinates: Coordinates,
    pub(super) model: Model,
}

impl<S: Copy> Shared<S> {
    pub(super) fn new<T: Real>(beta: &S, level: Level, coordinates: Coordinates) -> Self
    where
        S: Strength<T>,
    {
        let mut model = crate::loss::BatchFamily::model(beta, coordinates);
        if !representable::<T>(&model) {
            model.integral = Integral::Scalar;
        }
        Self { beta: *beta, level, coordinates, model }
    }
}

/// Whether unit and matrix are far enough from the ends of the precision's range.
pub(super) fn representable<T: Element>(model: &Model) -> bool {
    // f32: 1e±18, 1e±30; f64: 1e±100, 1e±200.
    let (unit, factor) = T::SCALES;
    let [[a, b], [c, d]] = model.matrix;
    let fits = |x: f64| x == 0.0 || (1.0 / factor..factor).contains(&x.abs());
    (1.0 / unit..unit).contains(&model.unit) && fits(a) && fits(c) && fits(d) && b.abs() < factor
}

impl<T: Real, S: Strength<T>> Source<T> for Shared<S> {
    fn level(&self) -> Level {
        self.level
    }
    fn per_element(&self) -> bool {
        false
    }
    fn matrix(&self) -> [[f64; 2]; 2] {
        self.model.matrix
    }
    fn setup(&self, _first: usize, _n: usize, points: &mut Points<T>, scales: &mut Scales<T>) {
        points.shape = pipeline::Column::new(self.model.shape);
        *scales = Scales::shared(&self.model);
    }
    fn logits(
        &self,
        _first: usize,
        points: &Points<T>,
        n: usize,
        logits: &mut Logits<T>,
        outside: &mut List,
    ) {
        let (integral, rule) = (self.model.integral, T::RULE);
        Integrate { integral, rule, points, n, logits, outside }.on(self.level);
    }
    fn scalar(&self, _index: usize, margin: T, smoothing: Smoothing<T>) -> [f64; 4] {
        row(&self.beta, margin, smoothing, self.coordinates)
    }
}
