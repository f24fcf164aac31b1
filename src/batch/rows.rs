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
    /// As many as were given, for the comparison with the family.
    param_count: Option<usize>,
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
        Self { nll: None, d_margin: None, d_params: [None, None], param_count: None }
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
    pub(super) fn split_at(self, at: usize) -> (Self, Self) {
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
