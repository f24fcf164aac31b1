//! What a batch is given.

use super::error::{BatchError, check_weights, length};
use crate::loss::Smoothing;
use crate::real::Real;

/// Margins, and what goes with them.
///
/// ```
/// use prefstrength::{Fixed, Smoothing, batch::{Batch, Direct, Rows}};
/// let batch = Batch::new(&[1.0, -2.0]).weights(&[1.0, 0.5]).smoothing(Smoothing::new(0.1)?);
/// let sums = Direct::new(&Fixed::new(0.1)?).evaluate(&batch, Rows::new())?;
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

    /// A weight wᵢ ≥ 0, finite, per element: rows and sums are those of wᵢLᵢ. A weight of 0 is a mask: it leaves the
    /// element out (zeros), whatever its margin, NaN and ±∞ included.
    #[must_use]
    pub fn weights(self, weights: &'a [T]) -> Self {
        Self { weights: Some(weights), ..self }
    }

    /// With [`weights`](Self::weights), if there are any.
    #[must_use]
    pub fn maybe_weights(self, weights: Option<&'a [T]>) -> Self {
        Self { weights, ..self }
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
    /// let [d_shape, d_scale] = loss.evaluate(&batch, Rows::new().d_margin(&mut d_margin))?.d_params;
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
        check_weights(self.weights)
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
