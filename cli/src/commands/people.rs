//! What `fit` and `train` ask about the people behind the choices.

use clap::{Args, ValueEnum};

/// Who chose, and what.
#[derive(Args, Debug)]
pub(super) struct PeopleArgs {
    /// Column of items: the same value where people were shown the same pair. Whether they agree on an item more than its
    /// margin tells is a test of what the margin misses; a pair that the same person answers differently is noise, free
    /// of any model.
    #[arg(long, value_name = "COLUMN")]
    pub(super) item: Option<String>,
    /// Fit one β per person as well, where groups are persons: how much people differ, and the strength of each. All
    /// choices of a person must have one weight.
    #[arg(
        long,
        value_enum,
        value_name = "WHEN",
        default_value = "auto",
        default_missing_value = "on",
        num_args = 0..=1,
        require_equals = true
    )]
    pub(super) panel: Panel,
}

/// When one β per person is fitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Panel {
    /// With groups, up to 32 features.
    Auto,
    /// With groups, which must be there.
    On,
    /// Never.
    Off,
}

/// Features up to which a panel is fitted by itself: it takes some 30·d passes.
const FEATURES: usize = 32;

impl Panel {
    pub(super) fn wanted(self, grouped: bool, features: usize) -> bool {
        match self {
            Self::Auto => grouped && features <= FEATURES,
            Self::On => true,
            Self::Off => false,
        }
    }
}
