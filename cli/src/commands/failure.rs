//! Why a command did nothing.

#[derive(Debug)]
pub(crate) enum Failure {
    /// Options that do not go together: ends as for any wrong command line.
    Usage(String),
    /// Data that cannot be read or have no answer.
    Data(String),
}

impl From<String> for Failure {
    fn from(message: String) -> Self {
        Self::Data(message)
    }
}
