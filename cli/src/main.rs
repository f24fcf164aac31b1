//! The command line of prefstrength: learns how much the strength of preferences varies, from a file of margins or
//! of pairs, and says whether the variation is real.

mod commands;
mod evaluation;
mod input;
mod output;
mod persons;
mod plot;
mod printable;
mod progress;
mod report;
mod spool;

use clap::{CommandFactory, Parser, Subcommand};
use commands::{Failure, evaluate, fit, power, simulate, train};
use std::process::ExitCode;

/// Learn how much the strength of preferences varies, and whether that is real.
///
/// A preference pair is a chosen and a rejected answer. A policy gives it a
/// margin D: the log-ratio of the chosen answer minus that of the rejected one,
/// positive where the policy agrees with the choice. Plain DPO says that the
/// chosen answer is chosen with probability σ(βD), with one strength β for all
/// choices. If β varies from choice to choice, with a distribution p(β), it is
/// E[σ(βD)]. This tool fits p(β) by maximum likelihood in several families, of
/// which Fixed is plain DPO with one β, and tests whether its spread (cv,
/// standard deviation over mean) is more than chance.
///
///   prefstrength fit margins.csv            p(β) for margins that a trained policy gives
///   prefstrength train pairs.csv            a linear policy on features of pairs, and p(β), together
///   prefstrength power                      how many choices or people it takes
///   prefstrength simulate margins | prefstrength fit -     data whose truth is known
///
/// Exit status: 0; 1 for data that cannot be read or have no answer (a message
/// says why, and no file is written); 2 for a wrong command line; 3 if the report
/// was written and there is no fit to report: the likelihood has no maximum at a
/// finite spread, or the method did not converge.
#[derive(Debug, Parser)]
#[command(name = "prefstrength", version, max_term_width = 110, verbatim_doc_comment)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Fit(fit::FitArgs),
    Train(train::TrainArgs),
    Evaluate(evaluate::EvaluateArgs),
    Power(power::PowerArgs),
    #[command(subcommand)]
    Simulate(simulate::Simulate),
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Fit(args) => args.run(),
        Command::Train(args) => args.run(),
        Command::Evaluate(args) => args.run(),
        Command::Power(args) => args.run(),
        Command::Simulate(what) => what.run(),
    };
    match result {
        Ok(status) => status,
        Err(Failure::Data(message)) => {
            eprintln!("prefstrength: {message}");
            ExitCode::FAILURE
        }
        Err(Failure::Usage(message)) => {
            Cli::command().error(clap::error::ErrorKind::ValueValidation, message).exit()
        }
    }
}
