//! Parameters per element: per annotator, per group.

use super::direct::representable;
use super::error::length;
use super::pipeline::{self, Integrate, List, Logits, Points, Scales, Source};
use super::{Batch, BatchError, Coordinates, Rows, Sums};
use crate::family::{Fixed, Gamma, LogNormal, ParamError};
use crate::float::Real;
use crate::level::Level;
use crate::loss::{BatchFamily, Integral, Model, Smoothing, row};

/// Native parameters of p(β) for every element of a batch; derivatives in them go to
/// [`Rows::d_params`], and are not summed.
///
/// * Accuracy, NaN and ±∞: as [`Direct`](super::Direct).
///
/// ```
/// use prefstrength::batch::{Batch, PerElement, Rows};
/// // Two annotators, looked up per pair.
/// let (mu, sigma) = ([-2.0, -2.0, -3.0], [0.3, 0.3, 0.8]);
/// let (mut d_mu, mut d_sigma) = ([0.0; 3], [0.0; 3]);
/// let rows = Rows::none().d_params([&mut d_mu, &mut d_sigma]);
/// let sums = PerElement::lognormal(&mu, &sigma)?.evaluate(&Batch::new(&[1.0, -4.0, 2.5]), rows)?;
/// assert!(sums.nll > 0.0 && d_mu[1] > 0.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct PerElement<'a, T> {
    family: Families<'a, T>,
    level: Level,
}

#[derive(Clone, Copy, Debug)]
enum Families<'a, T> {
    Fixed(&'a [T]),
    Gamma(&'a [T], &'a [T]),
    LogNormal(&'a [T], &'a [T]),
}

impl<'a, T: Real> PerElement<'a, T> {
    /// β of every element.
    ///
    /// # Errors
    /// [`BatchError::Param`] where [`Fixed::new`] refuses an element.
    pub fn fixed(beta: &'a [T]) -> Result<Self, BatchError> {
        Self::checked(Families::Fixed(beta), beta.len())
    }

    /// Shape and scale of every element.
    ///
    /// # Errors
    /// [`BatchError::Length`] unless both are of one length; [`BatchError::Param`] where
    /// [`Gamma::from_shape_scale`] refuses an element.
    pub fn gamma(shape: &'a [T], scale: &'a [T]) -> Result<Self, BatchError> {
        length("scale", Some(scale), shape.len())?;
        Self::checked(Families::Gamma(shape, scale), shape.len())
    }

    /// μ and σ of every element.
    ///
    /// # Errors
    /// [`BatchError::Length`] unless both are of one length; [`BatchError::Param`] where
    /// [`LogNormal::from_mu_sigma`] refuses an element.
    pub fn lognormal(mu: &'a [T], sigma: &'a [T]) -> Result<Self, BatchError> {
        length("sigma", Some(sigma), mu.len())?;
        Self::checked(Families::LogNormal(mu, sigma), mu.len())
    }

    fn checked(family: Families<'a, T>, len: usize) -> Result<Self, BatchError> {
        let this = Self { family, level: Level::best() };
        match (0..len).find_map(|index| Some((index, this.model(index).err()?))) {
            Some((index, error)) => Err(BatchError::Param { index, error }),
            None => Ok(this),
        }
    }

    /// On another level.
    #[must_use]
    pub fn with_level(self, level: Level) -> Self {
        Self { level, ..self }
    }

    /// Losses and gradients of a batch of as many elements.
    ///
    /// # Errors
    /// [`BatchError`] for slices of different lengths, a wrong number of them, and weights that are
    /// negative or not finite; nothing is written then.
    pub fn evaluate(&self, batch: &Batch<'_, T>, rows: Rows<'_, T>) -> Result<Sums, BatchError> {
        self.check(batch, &rows)?;
        Ok(Self::without_gradient(pipeline::tree(self, 0, batch, rows)))
    }

    /// The same, bit for bit, on the threads of rayon.
    ///
    /// # Errors
    /// As [`evaluate`](Self::evaluate).
    #[cfg(feature = "rayon")]
    pub fn par_evaluate(&self, batch: &Batch<'_, T>, rows: Rows<'_, T>) -> Result<Sums, BatchError> {
        self.check(batch, &rows)?;
        Ok(Self::without_gradient(pipeline::par_tree(self, 0, batch, rows)))
    }

    fn without_gradient(sums: Sums) -> Sums {
        Sums { d_params: [0.0; 2], ..sums }
    }

    pub(crate) fn check(&self, batch: &Batch<'_, T>, rows: &Rows<'_, T>) -> Result<(), BatchError> {
        let (name, slice, params) = match self.family {
            Families::Fixed(beta) => ("beta", beta, 1),
            Families::Gamma(shape, _) => ("shape", shape, 2),
            Families::LogNormal(mu, _) => ("mu", mu, 2),
        };
        length(name, Some(slice), batch.len())?;
        batch.check()?;
        rows.check(batch.len(), params)
    }

    /// The family as a number, and the slices of its parameters.
    #[cfg(feature = "gpu")]
    pub(crate) fn parameters(&self) -> (u32, [Option<&'a [T]>; 2]) {
        match self.family {
            Families::Fixed(beta) => (0, [Some(beta), None]),
            Families::Gamma(shape, scale) => (1, [Some(shape), Some(scale)]),
            Families::LogNormal(mu, sigma) => (2, [Some(mu), Some(sigma)]),
        }
    }

    /// The parameters of some elements.
    #[cfg(feature = "gpu")]
    pub(crate) fn slice(&self, range: core::ops::Range<usize>) -> Self {
        let of = |slice: &'a [T]| &slice[range.clone()];
        let family = match self.family {
            Families::Fixed(beta) => Families::Fixed(of(beta)),
            Families::Gamma(shape, scale) => Families::Gamma(of(shape), of(scale)),
            Families::LogNormal(mu, sigma) => Families::LogNormal(of(mu), of(sigma)),
        };
        Self { family, level: self.level }
    }

    fn model(&self, i: usize) -> Result<Model, ParamError> {
        let native = Coordinates::Native;
        Ok(match self.family {
            Families::Fixed(beta) => Fixed::new(beta[i])?.model(native),
            Families::Gamma(shape, scale) => Gamma::from_shape_scale(shape[i], scale[i])?.model(native),
            Families::LogNormal(mu, sigma) => LogNormal::from_mu_sigma(mu[i], sigma[i])?.model(native),
        })
    }
}

impl<T: Real> Source<T> for PerElement<'_, T> {
    fn level(&self) -> Level {
        self.level
    }
    fn per_element(&self) -> bool {
        true
    }
    fn matrix(&self) -> [[f64; 2]; 2] {
        // Sums over elements of different parameters are not asked for.
        [[0.0; 2]; 2]
    }
    fn setup(&self, first: usize, n: usize, points: &mut Points<T>, scales: &mut Scales<T>) {
        let Scales::Each { unit, matrix } = scales else { return };
        let fill = n.next_multiple_of(crate::lanes::SUM_LANES);
        for i in 0..fill {
            // Checked when the parameters came. The last group is filled up with the last element.
            let Ok(model) = self.model(first + i.min(n - 1)) else { continue };
            // What the vector kernels cannot take gets a unit that no region covers.
            let inside = model.integral != Integral::Scalar && representable::<T>(&model);
            points.shape.flat_mut()[i] = T::num(model.shape);
            unit.flat_mut()[i] = T::num(if inside { model.unit } else { f64::NAN });
            let [[a, b], [c, d]] = model.matrix;
            for (column, x) in matrix.iter_mut().zip([a, b, c, d]) {
                column.flat_mut()[i] = T::num(x);
            }
        }
    }
    fn logits(
        &self,
        _first: usize,
        points: &Points<T>,
        n: usize,
        logits: &mut Logits<T>,
        outside: &mut List,
    ) {
        let integral = match self.family {
            Families::Fixed(_) => Integral::Fixed,
            Families::Gamma(..) => Integral::Gamma,
            Families::LogNormal(..) => Integral::LogNormal,
        };
        Integrate { integral, rule: T::RULE, points, n, logits, outside }.on(self.level);
    }
    fn scalar(&self, i: usize, margin: T, smoothing: Smoothing<T>) -> [f64; 4] {
        let native = Coordinates::Native;
        let all = match self.family {
            Families::Fixed(beta) => Fixed::new(beta[i]).map(|f| row(&f, margin, smoothing, native)),
            Families::Gamma(shape, scale) => {
                Gamma::from_shape_scale(shape[i], scale[i]).map(|f| row(&f, margin, smoothing, native))
            }
            Families::LogNormal(mu, sigma) => {
                LogNormal::from_mu_sigma(mu[i], sigma[i]).map(|f| row(&f, margin, smoothing, native))
            }
        };
        all.unwrap_or([f64::NAN; 4])
    }
}
