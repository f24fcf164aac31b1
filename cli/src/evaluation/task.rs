//! What is evaluated: the columns that it needs, and those that it gives.

use prefstrength::Family;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Task {
    /// The loss, from native parameters.
    Native(Family),
    /// The loss, from the mean and the cv of β.
    MeanCv(Family),
    /// Φ(−1, s, a).
    Lerch,
}

impl Task {
    /// The columns of parameters.
    pub(crate) fn parameters(self) -> &'static [&'static str] {
        match self {
            Self::Native(family) => family.symbols(),
            Self::MeanCv(_) => &["mean", "cv"],
            Self::Lerch => &["s", "a"],
        }
    }

    /// The names of the results; `scalar` has all of them, the batches losses and first derivatives.
    pub(crate) fn outputs(self, scalar: bool) -> Vec<String> {
        if self == Self::Lerch {
            return ["phi", "dphi_ds", "dphi_da", "scaled", "log_phi"].map(String::from).to_vec();
        }
        let names: &[&str] = match scalar {
            true => &["expected_sigmoid", "nll", "dnll_dmargin", "d2nll_dmargin2"],
            false => &["nll", "dnll_dmargin"],
        };
        let mut names: Vec<_> = names.iter().copied().map(String::from).collect();
        names.extend(self.parameters().iter().map(|p| format!("dnll_d{p}")));
        if scalar {
            names.extend(["posterior_mean", "posterior_variance"].map(String::from));
        }
        names
    }
}
