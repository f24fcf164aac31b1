//! What a batch is given.

use super::error::{BatchError, check_weights, first_bad, length};
use crate::loss::{Labels, Lapse, Smoothing, is_lapse};
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
    pub(crate) lapses: Lapses<'a, T>,
}

/// The chances of flipped labels.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Lapses<'a, T> {
    /// None, and nobody asked for a derivative.
    None,
    /// The same for all elements.
    All(Lapse<T>),
    /// ε₀ and ε₁ of every element; one slice twice unless by side.
    Each { slices: [&'a [T]; 2], by_side: bool },
}

impl<T: Real> Lapses<'_, T> {
    /// How many parameters the lapse has: also where there is none, so that its score at ε = 0 can be had.
    pub(crate) fn parameters(&self) -> usize {
        match self {
            Self::None => 1,
            Self::All(lapse) => lapse.parameters(),
            Self::Each { by_side, .. } => {
                if *by_side {
                    2
                } else {
                    1
                }
            }
        }
    }

    /// That of element `i`.
    pub(crate) fn of(&self, i: usize) -> Lapse<T> {
        match *self {
            Self::None => Lapse::none(),
            Self::All(lapse) => lapse,
            Self::Each { slices: [floor, ceiling], by_side } => {
                Lapse::of(floor[i].abs(), ceiling[i].abs(), by_side)
            }
        }
    }
}

impl<'a, T: Real> Batch<'a, T> {
    /// Margins D, of any length; NaN and ±∞ are taken as they are.
    #[must_use]
    pub fn new(margins: &'a [T]) -> Self {
        Self { margins, weights: None, upstream: None, smoothing: Smoothing::none(), lapses: Lapses::None }
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

    /// A lapse of all elements: the loss of labels that may be flipped. Derivatives in it go to
    /// [`Rows::d_lapse`](super::Rows::d_lapse) and [`Sums::d_lapse`](super::Sums::d_lapse).
    ///
    /// ```
    /// use prefstrength::{Gamma, Lapse, batch::{Batch, Direct, Rows}};
    /// let beta = Gamma::<f64>::from_mean_cv(0.1, 0.5)?;
    /// let mut lapse = Lapse::from_logit(-2.0)?;
    /// let sums = Direct::new(&beta).evaluate(&Batch::new(&[3.0, -1.0]).lapse(lapse), Rows::new())?;
    /// lapse = Lapse::from_logit(lapse.logit() - 0.1 * lapse.d_logit(sums.d_lapse[0]))?; // a step of ε
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn lapse(self, lapse: Lapse<T>) -> Self {
        Self { lapses: Lapses::All(lapse), ..self }
    }

    /// A lapse 0 ≤ ε < ½ per element (per annotator, per source).
    #[must_use]
    pub fn lapses(self, epsilon: &'a [T]) -> Self {
        Self { lapses: Lapses::Each { slices: [epsilon, epsilon], by_side: false }, ..self }
    }

    /// ε₀ and ε₁ per element ([`Lapse::by_side`]).
    #[must_use]
    pub fn lapses_by_side(self, epsilon: [&'a [T]; 2]) -> Self {
        Self { lapses: Lapses::Each { slices: epsilon, by_side: true }, ..self }
    }

    /// Label smoothing of all elements, conservative or robust.
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
        check_weights(self.weights)?;
        if let Lapses::Each { slices, .. } = self.lapses {
            for slice in slices {
                length("lapses", Some(slice), self.len())?;
                if let Some(index) = first_bad(Some(slice), is_lapse) {
                    return Err(BatchError::Lapse { index });
                }
            }
        }
        Ok(())
    }

    /// What stands between p(β) and the loss of element `i`.
    pub(crate) fn labels(&self, i: usize) -> Labels<T> {
        Labels { smoothing: self.smoothing, lapse: self.lapses.of(i) }
    }

    /// The elements of a range.
    pub(crate) fn slice(&self, range: core::ops::Range<usize>) -> Self {
        Self {
            margins: &self.margins[range.clone()],
            weights: self.weights.map(|w| &w[range.clone()]),
            upstream: self.upstream.map(|g| &g[range.clone()]),
            smoothing: self.smoothing,
            lapses: match self.lapses {
                Lapses::Each { slices, by_side } => {
                    Lapses::Each { slices: slices.map(|slice| &slice[range.clone()]), by_side }
                }
                all => all,
            },
        }
    }
}
