//! The command line of prefstrength: learns how much the strength of preferences varies, from a file of margins or
//! of pairs, and says whether the variation is real.

mod describe;
#[path = "../../examples/support/evaluate.rs"]
mod evaluate;
mod fit;
mod input;
mod output;
mod pictures;
mod plot;
mod progress;
mod simulate;
mod spool;
mod summary;
mod text;
mod train;

use clap::{Args, CommandFactory, Parser, Subcommand};
use evaluate::{Evaluation, Request};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Learn how much the strength of preferences varies, and whether that is real.
///
/// A preference pair is a chosen and a rejected answer. A policy gives it a
/// margin D: the log-ratio of the chosen answer minus that of the rejected one,
/// positive where the policy agrees with the choice. Plain DPO says that the
/// chosen answer is chosen with probability σ(βD), with one strength β for all
/// choices. If β varies from choice to choice, with a distribution p(β), it is
/// E[σ(βD)]. This tool fits p(β) by maximum likelihood in three families (Fixed:
/// one β, plain DPO; Gamma; LogNormal), and tests whether its spread (cv,
/// standard deviation over mean) is more than chance.
///
///   prefstrength fit margins.csv            p(β) for margins that a trained policy gives
///   prefstrength train pairs.csv            a linear policy on features of pairs, and p(β), together
///   prefstrength simulate margins | prefstrength fit -     data whose truth is known
///
/// Exit status: 0; 1 for data that cannot be read or have no answer (a message
/// says why, and no file is written); 2 for a wrong command line; 3 if the report
/// was written and there is no fit to report: the likelihood has no maximum at a
/// finite spread, or the method did not converge.
#[derive(Parser)]
#[command(name = "prefstrength", version, max_term_width = 110, verbatim_doc_comment)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Fit(fit::FitArgs),
    Train(train::TrainArgs),
    Evaluate(EvaluateArgs),
    #[command(subcommand)]
    Simulate(simulate::Simulate),
}

/// A number for which `valid` holds.
fn number(text: &str, valid: impl Fn(f64) -> bool, must: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(x) if valid(x) => Ok(x),
        _ => Err(format!("must be {must}")),
    }
}

fn max_cv(text: &str) -> Result<f64, String> {
    number(text, |x| (0.125..=100.0).contains(&x), "a number between 0.125 and 100")
}

/// How a table is read, and what is reported.
#[derive(Args)]
struct Common {
    /// The format of the file; by default by its name (.csv, .jsonl, .ndjson, .parquet), else by how it begins.
    #[arg(long, value_enum)]
    format: Option<FormatName>,
    /// Column of weights ≥ 0. In fits and tests weight 3 counts as the row three times; intervals of calibration and
    /// groups take it for one choice of more importance.
    #[arg(long, value_name = "COLUMN")]
    weight: Option<String>,
    /// The largest coefficient of variation of β that a fit may take, 1/8 to 100. Where the likelihood still rises
    /// there, it has no maximum worth the name, and the report says so.
    #[arg(long, value_name = "CV", default_value_t = 5.0, allow_negative_numbers = true, value_parser = max_cv)]
    max_cv: f64,
    /// How many bins the calibration has: choices by the size of their margin.
    #[arg(long, value_name = "NUMBER", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=1000))]
    bins: u16,
    /// Print one JSON object for machines instead of tables.
    #[arg(long)]
    json: bool,
    /// Write pictures into this folder: p(β) with its 95 % band, the effective logit, calibration, groups.
    #[arg(long, value_name = "FOLDER")]
    svg: Option<PathBuf>,
    /// No progress bar.
    #[arg(long, short)]
    quiet: bool,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum FormatName {
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

/// Losses, gradients and posteriors for the rows of a CSV file, each with its own parameters.
///
/// The header has `margin` and either `k,theta` (Gamma), `mu,sigma` (LogNormal) or `beta` (Fixed); other columns pass
/// through, and results are appended as columns: shortest decimals that parse back to the same number.
#[derive(Args)]
struct EvaluateArgs {
    /// A CSV file; - is standard input.
    #[arg(default_value = "-")]
    file: PathBuf,
    /// Number type of inputs, computation on the batch paths, and results: f64 or f32.
    #[arg(long, default_value = "f64", value_parser = ["f64", "f32"])]
    precision: String,
    /// `loss`, or `lerch`: Φ(−1, s, a) of the columns s and a.
    #[arg(long, default_value = "loss", value_parser = ["loss", "lerch"])]
    function: String,
    /// `scalar`: all results, row by row. `direct`: losses and first derivatives by the batch kernels. `plan`: the
    /// same by one table for every set of parameters, which holds the file in memory. `gpu`: direct, on a GPU (f32).
    #[arg(long, default_value = "scalar", value_parser = ["scalar", "direct", "plan", "gpu"])]
    path: String,
    /// Vector registers of direct and plan: scalar, portable, avx2, avx512; by default the best of this machine.
    #[arg(long)]
    level: Option<String>,
    /// Write here instead of to standard output; the file appears when it is complete.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl EvaluateArgs {
    fn run(&self) -> Result<ExitCode, String> {
        let request = Request {
            precision: &self.precision,
            function: &self.function,
            path: &self.path,
            level: self.level.as_deref(),
        };
        let evaluation = match Evaluation::new(&request) {
            Ok(evaluation) => evaluation,
            Err(message) => usage(&message),
        };
        let input: Box<dyn Read> = if self.file == Path::new("-") {
            Box::new(io::stdin().lock())
        } else {
            Box::new(File::open(&self.file).map_err(|e| format!("{}: {e}", self.file.display()))?)
        };
        output::write_to(self.output.as_deref(), |out| evaluation.run(input, out))?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Ends as clap does for a wrong command line.
fn usage(message: &str) -> ! {
    Cli::command().error(clap::error::ErrorKind::ValueValidation, message).exit()
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Fit(args) => args.run(),
        Command::Train(args) => args.run(),
        Command::Evaluate(args) => args.run(),
        Command::Simulate(what) => what.run(),
    };
    result.unwrap_or_else(|message| {
        eprintln!("prefstrength: {message}");
        ExitCode::FAILURE
    })
}
