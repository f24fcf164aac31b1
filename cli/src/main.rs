//! The command line of prefstrength: learns from a file of margins or of pairs how strongly choices follow the margin,
//! and tells label noise, a strength that varies, and people who differ from each other.

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

/// Learn how strongly choices follow a margin: label noise, a strength that varies, people who differ?
///
/// A preference pair is a chosen and a rejected answer. A policy gives it a
/// margin D: the log-ratio of the chosen answer minus that of the rejected one,
/// positive where the policy agrees with the choice. Plain DPO says that the
/// chosen answer is chosen with probability σ(βD), with one strength β for all
/// choices. If β varies from choice to choice, with a distribution p(β), it is
/// E[σ(βD)], which levels off; but so it does where a share ε of the labels is
/// flipped, or where choices go by a power of the margin. This tool fits all of
/// that by maximum likelihood, p(β) in several families (cv is its standard
/// deviation over its mean), and says which of it explains the choices, or that
/// they cannot tell; and, where it is known who chose, whether people differ,
/// and how strongly each of them decides.
///
///   prefstrength fit margins.csv            p(β) for margins that a trained policy gives
///   prefstrength train pairs.csv            a linear policy on features of pairs, and p(β), together
///   prefstrength power                      how many choices or people it takes
///   prefstrength simulate margins | prefstrength fit -     data whose truth is known
///
/// Exit status: 0; 1 for data that cannot be read or have no answer (a message
/// says why, and no file is written); 2 for a wrong command line; 3 if the report
/// was written and there is no fit to report: the likelihood is largest where it
/// has no maximum at a finite spread, or the method did not converge.
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
