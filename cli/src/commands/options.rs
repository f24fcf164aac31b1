//! Options that commands share, and the checks of their values.

use crate::input;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// A number for which `valid` holds.
pub(super) fn number(text: &str, valid: impl Fn(f64) -> bool, must: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(x) if valid(x) => Ok(x),
        _ => Err(format!("must be {must}")),
    }
}

fn max_cv(text: &str) -> Result<f64, String> {
    number(text, |x| (0.125..=100.0).contains(&x), "a number between 0.125 and 100")
}

/// How a table is read, and what is reported, of the commands that fit.
#[derive(Args, Debug)]
pub(super) struct Common {
    /// The format of the file; by default by its name (.csv, .jsonl, .ndjson, .parquet), else by how it begins.
    #[arg(long, value_enum)]
    pub(super) format: Option<FormatName>,
    /// Column of weights ≥ 0. In fits and tests weight 3 counts as the row three times; intervals of calibration and
    /// groups take it for one choice of more importance. A row of weight 0 is left out, whatever its numbers are.
    #[arg(long, value_name = "COLUMN")]
    pub(super) weight: Option<String>,
    /// The weights are those of a sample, one over the chance to be in it: only their proportions count. They are scaled
    /// to sum to (Σw)²/Σw², the number of choices of one weight that say about as much, and standard errors are those of
    /// the sandwich.
    #[arg(long, requires = "weight")]
    pub(super) sampling_weights: bool,
    /// The largest coefficient of variation of β that a fit may take, 1/8 to 100. Where the likelihood still rises
    /// there, it has no maximum worth the name, and the report says so.
    #[arg(long, value_name = "CV", default_value_t = 5.0, allow_negative_numbers = true, value_parser = max_cv)]
    pub(super) max_cv: f64,
    /// Cross-validate with so many folds: does a spread predict rows that were not fitted? Groups stay together.
    #[arg(long, value_name = "FOLDS", value_parser = clap::value_parser!(u32).range(2..))]
    pub(super) folds: Option<u32>,
    /// Fit the model of the verdict to so many replicates, 100 to 100 000, of groups (or rows, whatever their weight) drawn
    /// with replacement, for standard errors and intervals without a formula.
    #[arg(long, value_name = "REPLICATES", value_parser = clap::value_parser!(u32).range(100..=100_000))]
    pub(super) bootstrap: Option<u32>,
    /// How many bins the calibration has: choices by the size of their margin.
    #[arg(long, value_name = "NUMBER", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(super) bins: u16,
    /// Print one JSON object for machines instead of tables.
    #[arg(long)]
    pub(super) json: bool,
    /// Write pictures into this folder: p(β) with its 95 % band, the effective logit, calibration, where the
    /// explanations part, the cv and the noise that the data allow, and the strength of every person or group.
    #[arg(long, value_name = "FOLDER")]
    pub(super) svg: Option<PathBuf>,
    /// No progress bar.
    #[arg(long, short)]
    pub(super) quiet: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum FormatName {
    /// Comma-separated, with a header.
    Csv,
    /// One JSON object a line.
    Jsonl,
    /// Apache Parquet.
    Parquet,
}

impl From<FormatName> for input::Format {
    fn from(name: FormatName) -> Self {
        match name {
            FormatName::Csv => Self::Csv,
            FormatName::Jsonl => Self::JsonLines,
            FormatName::Parquet => Self::Parquet,
        }
    }
}
