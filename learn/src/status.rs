//! What became of a fit.

/// What became of the spread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum FitStatus {
    /// `Fixed` has none.
    Fixed,
    /// No mean above 0 does better than a coin: the maximum over means ≥ 0 is at mean 0, ln L = −Σw ln 2, where v means
    /// nothing. Of margins only; that of `Fixed` for Σ wD ≤ 0, while a spread may find a mean
    /// ([`heterogeneity`](crate::heterogeneity)).
    MeanZero,
    /// The maximum is at v = 0: plain DPO. No better one was found, here and in `Interior`.
    Boundary,
    /// A maximum with v > 0.
    Interior,
    /// The likelihood still rises at the largest cv, or as a policy grows and grows: the p(β) is where it was
    /// stopped, and not a fit. Whether there is a maximum beyond, a larger cap tells; few choices often have none.
    Unbounded,
    /// The method stopped short of a maximum: the p(β) is where, and not a fit.
    NotConverged,
}

impl FitStatus {
    /// Whether there is a maximum, and it was found.
    #[must_use]
    pub fn is_maximum(self) -> bool {
        matches!(self, Self::Fixed | Self::MeanZero | Self::Boundary | Self::Interior)
    }
}
