//! Where the results of a batch go.

use super::error::{BatchError, length};

/// Where results go: any of the losses, ∂/∂margin and ∂/∂(parameters), one per element. What is not asked
/// for is not written; [`Sums`](super::Sums) come in any case.
///
/// ```
/// use prefstrength::batch::Rows;
/// let (mut nll, mut a, mut b) = ([0.0; 8], [0.0; 8], [0.0; 8]);
/// let rows = Rows::new().nll(&mut nll).d_params([&mut a, &mut b]);
/// ```
#[derive(Debug)]
pub struct Rows<'a, T> {
    pub(crate) nll: Option<&'a mut [T]>,
    pub(crate) d_margin: Option<&'a mut [T]>,
    pub(crate) d_params: [Option<&'a mut [T]>; 2],
    pub(crate) d_lapse: [Option<&'a mut [T]>; 2],
    /// As many as were given, for the comparison with the family.
    param_count: Option<usize>,
    /// As many as were given, for the comparison with the lapse.
    lapse_count: Option<usize>,
}

impl<T> Default for Rows<'_, T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<'a, T> Rows<'a, T> {
    /// Sums alone.
    #[must_use]
    pub fn new() -> Self {
        Self {
            nll: None,
            d_margin: None,
            d_params: [None, None],
            d_lapse: [None, None],
            param_count: None,
            lapse_count: None,
        }
    }

    /// Losses.
    #[must_use]
    pub fn nll(self, to: &'a mut [T]) -> Self {
        Self { nll: Some(to), ..self }
    }

    /// Derivatives in the margin: what flows into the policy. They are those of the sum of the losses; for the mean
    /// divide by [`Sums::weight`](super::Sums::weight).
    #[must_use]
    pub fn d_margin(self, to: &'a mut [T]) -> Self {
        Self { d_margin: Some(to), ..self }
    }

    /// Derivatives in each of the parameters, in the order of [`Sums::d_params`](super::Sums::d_params): one slice for `Fixed` in
    /// its native coordinate, two otherwise.
    #[must_use]
    pub fn d_params<const N: usize>(self, to: [&'a mut [T]; N]) -> Self {
        let mut to = to.into_iter();
        Self { d_params: [to.next(), to.next()], param_count: Some(N), ..self }
    }

    /// Derivatives in the lapse: one slice for ε, two for ε₀ and ε₁ ([`Lapse::by_side`](crate::Lapse::by_side)). Without
    /// a lapse they are those at ε = 0.
    ///
    /// ```
    /// use prefstrength::{Fixed, Lapse, batch::{Batch, Direct, Rows}};
    /// let (margins, mut d_lapse) = ([3.0, -3.0], [0.0; 2]);
    /// let batch = Batch::new(&margins).lapse(Lapse::new(0.1)?);
    /// Direct::new(&Fixed::new(1.0)?).evaluate(&batch, Rows::new().d_lapse([&mut d_lapse]))?;
    /// assert!(d_lapse[0] > 0.0 && d_lapse[1] < 0.0); // flips explain labels against the margin
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn d_lapse<const N: usize>(self, to: [&'a mut [T]; N]) -> Self {
        let mut to = to.into_iter();
        Self { d_lapse: [to.next(), to.next()], lapse_count: Some(N), ..self }
    }

    pub(crate) fn check(&self, len: usize, params: usize, lapse: usize) -> Result<(), BatchError> {
        length("nll", self.nll.as_deref(), len)?;
        length("d_margin", self.d_margin.as_deref(), len)?;
        counted(params, self.param_count)?;
        counted(lapse, self.lapse_count)?;
        self.d_params.iter().try_for_each(|slice| length("d_params", slice.as_deref(), len))?;
        self.d_lapse.iter().try_for_each(|slice| length("d_lapse", slice.as_deref(), len))
    }

    /// The slices in the order of [`Row`](crate::loss::Row).
    pub(crate) fn columns(&mut self) -> [Option<&mut [T]>; 6] {
        let Self { nll, d_margin, d_params: [p0, p1], d_lapse: [l0, l1], .. } = self;
        [nll, d_margin, p0, p1, l0, l1].map(|slice| slice.as_deref_mut())
    }

    /// Whether derivatives in the lapse were asked for.
    pub(crate) fn wants_lapse(&self) -> bool {
        self.d_lapse.iter().any(Option::is_some)
    }

    /// Which of them were asked for.
    #[cfg(feature = "gpu")]
    pub(crate) fn wanted(&self) -> [bool; 6] {
        let ([p0, p1], [l0, l1]) = (&self.d_params, &self.d_lapse);
        [&self.nll, &self.d_margin, p0, p1, l0, l1].map(Option::is_some)
    }

    /// The rows before `at`, and the rest.
    pub(super) fn split_at(self, at: usize) -> (Self, Self) {
        let half = |s| halves(s, at);
        let Self { nll, d_margin, d_params: [p0, p1], d_lapse: [l0, l1], param_count, lapse_count } = self;
        let ((nll, nll2), (d_margin, d_margin2)) = (half(nll), half(d_margin));
        let ((p0, p02), (p1, p12)) = (half(p0), half(p1));
        let ((l0, l02), (l1, l12)) = (half(l0), half(l1));
        (
            Self { nll, d_margin, d_params: [p0, p1], d_lapse: [l0, l1], param_count, lapse_count },
            Self {
                nll: nll2,
                d_margin: d_margin2,
                d_params: [p02, p12],
                d_lapse: [l02, l12],
                param_count,
                lapse_count,
            },
        )
    }
}

/// Whether as many slices of derivatives were given, if any, as there are parameters.
fn counted(expected: usize, found: Option<usize>) -> Result<(), BatchError> {
    match found {
        Some(found) if found != expected => Err(BatchError::ParamCount { expected, found }),
        _ => Ok(()),
    }
}

/// A row before `at`, and the rest.
fn halves<T>(row: Option<&mut [T]>, at: usize) -> (Option<&mut [T]>, Option<&mut [T]>) {
    row.map(|row| row.split_at_mut(at)).unzip()
}

/// Where effective logits go: any of ℓ(D), ∂ℓ/∂D and ∂ℓ/∂(parameters), one per margin.
///
/// ℓ(D) = ln(E\[σ(βD)\]/E\[σ(−βD)\]), so that −ln E\[σ(βD)\] = −ln σ(ℓ(D)): a trainer keeps its loss, and puts ℓ(D) where β·D
/// was. With the derivative g of that loss in ℓ, ∂/∂D is g ∂ℓ/∂D and ∂/∂pᵢ the sum of g ∂ℓ/∂pᵢ.
///
/// ```
/// use prefstrength::batch::{Direct, LogitRows};
/// use prefstrength::{Gamma, Strength};
/// let beta = Gamma::from_mean_cv(0.1, 0.5)?;
/// let margins = [30.0_f64, -30.0, 0.0];
/// let (mut logit, mut d_margin) = ([0.0_f64; 3], [0.0_f64; 3]);
/// let rows = LogitRows::new().logit(&mut logit).d_margin(&mut d_margin);
/// Direct::new(&beta).effective_logits(&margins, rows)?;
/// assert!((logit[0] - beta.effective_logit(30.0)).abs() < 1e-14 && logit[1] == -logit[0]);
/// assert!((d_margin[2] - 0.1).abs() < 1e-15 && d_margin[0] < 0.1); // E[β] at 0, and less beyond
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct LogitRows<'a, T> {
    logit: Option<&'a mut [T]>,
    d_margin: Option<&'a mut [T]>,
    d_params: [Option<&'a mut [T]>; 2],
    /// As many as were given.
    param_count: Option<usize>,
}

impl<T> Default for LogitRows<'_, T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<'a, T> LogitRows<'a, T> {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self { logit: None, d_margin: None, d_params: [None, None], param_count: None }
    }

    /// ℓ.
    #[must_use]
    pub fn logit(self, to: &'a mut [T]) -> Self {
        Self { logit: Some(to), ..self }
    }

    /// ∂ℓ/∂D.
    #[must_use]
    pub fn d_margin(self, to: &'a mut [T]) -> Self {
        Self { d_margin: Some(to), ..self }
    }

    /// ∂ℓ in each of the parameters, in the order of [`Sums::d_params`](super::Sums::d_params): one slice for `Fixed` in
    /// its native coordinate, two otherwise.
    #[must_use]
    pub fn d_params<const N: usize>(self, to: [&'a mut [T]; N]) -> Self {
        let mut to = to.into_iter();
        Self { d_params: [to.next(), to.next()], param_count: Some(N), ..self }
    }

    pub(super) fn check(&self, len: usize, params: usize) -> Result<(), BatchError> {
        length("logit", self.logit.as_deref(), len)?;
        length("d_margin", self.d_margin.as_deref(), len)?;
        counted(params, self.param_count)?;
        self.d_params.iter().try_for_each(|slice| length("d_params", slice.as_deref(), len))
    }

    pub(super) fn columns(&mut self) -> [Option<&mut [T]>; 4] {
        let Self { logit, d_margin, d_params: [p0, p1], .. } = self;
        [logit, d_margin, p0, p1].map(|slice| slice.as_deref_mut())
    }

    /// The rows before `at`, and the rest.
    #[cfg(feature = "rayon")]
    pub(super) fn split_at(self, at: usize) -> (Self, Self) {
        let half = |s| halves(s, at);
        let Self { logit, d_margin, d_params: [p0, p1], param_count } = self;
        let ((logit, logit2), (d_margin, d_margin2)) = (half(logit), half(d_margin));
        let ((p0, p02), (p1, p12)) = (half(p0), half(p1));
        (
            Self { logit, d_margin, d_params: [p0, p1], param_count },
            Self { logit: logit2, d_margin: d_margin2, d_params: [p02, p12], param_count },
        )
    }
}
