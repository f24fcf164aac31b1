//! What is evaluated: the columns that it needs, and those that it gives.

use prefstrength::Family;

/// What is evaluated of a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Task {
    pub(crate) function: Function,
    /// Whether there is a column `lapse`.
    pub(crate) lapse: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Function {
    /// The loss, from native parameters.
    Native(Family),
    /// The loss, from the mean and the cv of β.
    MeanCv(Family),
    /// The likelihood of all choices of a person, from the mean and the cv of β.
    Panel(Family),
    /// Φ(−1, s, a).
    Lerch,
}

/// The column of the chance of a flipped label.
pub(crate) const LAPSE: &str = "lapse";

impl Task {
    /// The columns of parameters.
    pub(crate) fn parameters(self) -> &'static [&'static str] {
        match self.function {
            Function::Native(family) => family.symbols(),
            Function::MeanCv(_) | Function::Panel(_) => &["mean", "cv"],
            Function::Lerch => &["s", "a"],
        }
    }

    /// The columns of numbers beside the margin: parameters, and the lapse if there is one.
    pub(crate) fn numbers(self) -> impl Iterator<Item = &'static str> {
        self.parameters().iter().copied().chain(self.lapse.then_some(LAPSE))
    }

    /// The names of the results; `scalar` has all of them, the batches losses and first derivatives.
    pub(crate) fn outputs(self, scalar: bool) -> Vec<String> {
        let names: &[&str] = match (self.function, scalar) {
            (Function::Lerch, _) => {
                return ["phi", "dphi_ds", "dphi_da", "scaled", "log_phi"].map(String::from).to_vec();
            }
            (Function::Panel(_), _) => {
                let names =
                    ["loglik", "dll_dln_mean", "dll_dv", "posterior_mean", "posterior_sd", "dll_dmargin1"];
                let lapse = self.lapse.then_some("dll_dlapse");
                return names.into_iter().chain(lapse).map(String::from).collect();
            }
            (_, true) => &["expected_sigmoid", "nll", "dnll_dmargin", "d2nll_dmargin2"],
            (_, false) => &["nll", "dnll_dmargin"],
        };
        let mut names: Vec<_> = names.iter().copied().map(String::from).collect();
        names.extend(self.numbers().map(|p| format!("dnll_d{p}")));
        if scalar {
            names.extend(["posterior_mean", "posterior_variance"].map(String::from));
        }
        names
    }
}
