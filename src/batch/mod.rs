//! Losses and gradients of whole slices of margins.
//!
//! A trainer hands over the margins of a batch and gets losses, ∂/∂margin and the gradient in the
//! parameters of p(β), on the widest vector registers the machine has, without allocation.
//!
//! | way in | for |
//! | --- | --- |
//! | [`evaluate`] | one p(β) for all margins: picks one of the next two by the length of the batch |
//! | [`Direct`] | one p(β), every element from the integral itself: short batches |
//! | [`Plan`] | one p(β), from a table of the effective logit that is prepared once per p(β): long batches |
//! | [`PerElement`] | parameters per element (per annotator, per group) |
//!
//! All take a [`Batch`] (margins, and optionally weights, label smoothing and upstream gradients), write
//! the [`Rows`] that they are given, and return [`Sums`].
//!
//! * Element i of a batch is bit-equal to the batch of that element alone, on the same level and path.
//! * Sums are f64, added in an order that depends on the length of the batch alone: the same bits for
//!   every number of threads (`par_evaluate`, feature `rayon`).
//! * Errors come before anything is written.
//!
//! ```
//! use prefstrength::batch::{self, Batch, Rows};
//! use prefstrength::Gamma;
//!
//! let beta = Gamma::from_mean_cv(0.1_f32, 0.5)?;
//! let margins = [4.0, -2.5, 0.1];
//! let (mut nll, mut d_margin) = ([0.0; 3], [0.0; 3]);
//! let rows = Rows::none().nll(&mut nll).d_margin(&mut d_margin);
//! let sums = batch::evaluate(&beta, &Batch::new(&margins), rows)?;
//! println!("mean loss {}, gradient in (shape, scale) {:?}", sums.nll / sums.weight, sums.d_params);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod direct;
mod element;
mod error;
pub(crate) mod pipeline;
mod plan;
mod sums;

pub use direct::Direct;
pub use element::PerElement;
pub use error::BatchError;
pub use plan::Plan;
pub(crate) use plan::Tabulated;
#[cfg(feature = "std")]
pub(crate) use plan::worthwhile;
pub use sums::Sums;
pub(crate) use sums::chain;

use crate::float::Real;
pub use crate::loss::Coordinates;
use crate::loss::{Smoothing, Strength};
pub(crate) use error::length;
use error::weights;

/// Margins, and what goes with them.
///
/// ```
/// use prefstrength::{Fixed, Smoothing, batch::{Batch, Direct, Rows}};
/// let batch = Batch::new(&[1.0, -2.0]).weights(&[1.0, 0.5]).smoothing(Smoothing::new(0.1)?);
/// let sums = Direct::new(&Fixed::new(0.1)?).evaluate(&batch, Rows::none())?;
/// assert_eq!(sums.weight, 1.5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a, T> {
    pub(crate) margins: &'a [T],
    pub(crate) weights: Option<&'a [T]>,
    pub(crate) upstream: Option<&'a [T]>,
    pub(crate) smoothing: Smoothing<T>,
}

impl<'a, T: Real> Batch<'a, T> {
    /// Margins D, of any length; NaN and ±∞ are taken as they are.
    #[must_use]
    pub fn new(margins: &'a [T]) -> Self {
        Self { margins, weights: None, upstream: None, smoothing: Smoothing::none() }
    }

    /// A weight wᵢ ≥ 0, finite, per element: rows and sums are those of wᵢLᵢ. A weight of 0 leaves an
    /// element out (zeros), unless its margin is NaN.
    #[must_use]
    pub fn weights(self, weights: &'a [T]) -> Self {
        Self { weights: Some(weights), ..self }
    }

    /// With weights, if there are any.
    #[cfg(feature = "std")]
    pub(crate) fn weighted(margins: &'a [T], weights: Option<&'a [T]>) -> Self {
        Self { weights, ..Self::new(margins) }
    }

    /// Label smoothing of all elements.
    #[must_use]
    pub fn smoothing(self, smoothing: Smoothing<T>) -> Self {
        Self { smoothing, ..self }
    }

    /// The vector-Jacobian product: rows and sums are those of gᵢLᵢ for upstream gradients gᵢ of the
    /// losses, of any sign, as an autodiff framework hands them back. Times the weights, if there are
    /// any. NaN and ∞ are taken as they are.
    ///
    /// ```
    /// use prefstrength::{Gamma, batch::{Batch, Direct, Rows}};
    /// let loss = Direct::new(&Gamma::from_shape_scale(4.0, 0.025)?);
    /// let (margins, upstream) = ([1.0, -2.0], [0.3, -0.7]);
    /// // Forward: losses. Backward: Σ gᵢ ∂Lᵢ/∂p, and gᵢ ∂Lᵢ/∂Dᵢ into the policy.
    /// let mut d_margin = [0.0; 2];
    /// let batch = Batch::new(&margins).upstream(&upstream);
    /// let [d_shape, d_scale] = loss.evaluate(&batch, Rows::none().d_margin(&mut d_margin))?.d_params;
    /// # assert!(d_margin[0] < 0.0 && d_margin[1] > 0.0 && d_shape != 0.0 && d_scale != 0.0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn upstream(self, upstream: &'a [T]) -> Self {
        Self { upstream: Some(upstream), ..self }
    }

    /// How many elements.
    #[must_use]
    pub fn len(&self) -> usize {
        self.margins.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.margins.is_empty()
    }

    pub(crate) fn check(&self) -> Result<(), BatchError> {
        length("weights", self.weights, self.len())?;
        length("upstream", self.upstream, self.len())?;
        weights(self.weights)
    }

    /// The elements of a range.
    pub(crate) fn slice(&self, range: core::ops::Range<usize>) -> Self {
        Self {
            margins: &self.margins[range.clone()],
            weights: self.weights.map(|w| &w[range.clone()]),
            upstream: self.upstream.map(|g| &g[range]),
            smoothing: self.smoothing,
        }
    }
}

/// Where results go: any of the losses, ∂/∂margin and ∂/∂(parameters), one per element. What is not asked
/// for is not written; [`Sums`] come in any case.
///
/// ```
/// use prefstrength::batch::Rows;
/// let (mut nll, mut a, mut b) = ([0.0; 8], [0.0; 8], [0.0; 8]);
/// let rows = Rows::none().nll(&mut nll).d_params([&mut a, &mut b]);
/// ```
#[derive(Debug)]
pub struct Rows<'a, T> {
    pub(crate) nll: Option<&'a mut [T]>,
    pub(crate) d_margin: Option<&'a mut [T]>,
    pub(crate) d_params: [Option<&'a mut [T]>; 2],
    /// As many as were given, for the comparison with the family.
    param_count: Option<usize>,
}

impl<'a, T> Rows<'a, T> {
    /// Sums alone.
    #[must_use]
    pub fn none() -> Self {
        Self { nll: None, d_margin: None, d_params: [None, None], param_count: None }
    }

    /// Losses.
    #[must_use]
    pub fn nll(self, to: &'a mut [T]) -> Self {
        Self { nll: Some(to), ..self }
    }

    /// Derivatives in the margin: what flows into the policy.
    #[must_use]
    pub fn d_margin(self, to: &'a mut [T]) -> Self {
        Self { d_margin: Some(to), ..self }
    }

    /// Derivatives in each of the parameters, in the order of [`Sums::d_params`]: one slice for `Fixed` in
    /// its native coordinate, two otherwise.
    #[must_use]
    pub fn d_params<const N: usize>(self, to: [&'a mut [T]; N]) -> Self {
        let mut to = to.into_iter();
        Self { d_params: [to.next(), to.next()], param_count: Some(N), ..self }
    }

    pub(crate) fn check(&self, len: usize, params: usize) -> Result<(), BatchError> {
        length("nll", self.nll.as_deref(), len)?;
        length("d_margin", self.d_margin.as_deref(), len)?;
        if let Some(found) = self.param_count
            && found != params
        {
            return Err(BatchError::ParamCount { expected: params, found });
        }
        self.d_params.iter().try_for_each(|slice| length("d_params", slice.as_deref(), len))
    }

    /// The four slices in order.
    pub(crate) fn columns(&mut self) -> [Option<&mut [T]>; 4] {
        let Self { nll, d_margin, d_params: [p0, p1], .. } = self;
        [nll.as_deref_mut(), d_margin.as_deref_mut(), p0.as_deref_mut(), p1.as_deref_mut()]
    }

    /// Which of the four were asked for.
    #[cfg(feature = "gpu")]
    pub(crate) fn wanted(&self) -> [bool; 4] {
        let [p0, p1] = &self.d_params;
        [self.nll.is_some(), self.d_margin.is_some(), p0.is_some(), p1.is_some()]
    }

    /// The rows before `at`, and the rest.
    fn split_at(self, at: usize) -> (Self, Self) {
        let half = |s: Option<&'a mut [T]>| s.map(|s| s.split_at_mut(at)).unzip();
        let Self { nll, d_margin, d_params: [p0, p1], param_count } = self;
        let ((nll, nll2), (d_margin, d_margin2)) = (half(nll), half(d_margin));
        let ((p0, p02), (p1, p12)) = (half(p0), half(p1));
        (
            Self { nll, d_margin, d_params: [p0, p1], param_count },
            Self { nll: nll2, d_margin: d_margin2, d_params: [p02, p12], param_count },
        )
    }
}

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
/// let sums = batch::evaluate(&beta, &Batch::new(&margins), Rows::none())?;
/// let scalar: f64 = margins.iter().map(|&d| beta.nll(d)).sum();
/// assert!((sums.nll - scalar).abs() < 1e-12 * scalar);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn evaluate<T: Real, S: Strength<T>>(
    beta: &S,
    batch: &Batch<'_, T>,
    rows: Rows<'_, T>,
) -> Result<Sums, BatchError> {
    evaluate_in(beta, batch, rows, Coordinates::Native)
}

/// The same in any coordinates.
pub(crate) fn evaluate_in<T: Real, S: Strength<T>>(
    beta: &S,
    batch: &Batch<'_, T>,
    rows: Rows<'_, T>,
    coordinates: Coordinates,
) -> Result<Sums, BatchError> {
    if batch.len() >= plan::worthwhile::<T, S>(beta) {
        Plan::new(beta).with_coordinates(coordinates).evaluate(batch, rows)
    } else {
        Direct::new(beta).with_coordinates(coordinates).evaluate(batch, rows)
    }
}
