//! Evaluates losses, gradients and posteriors for the rows of a CSV file.
//!
//! ```text
//! printf 'margin,k,theta\n1.5,2,0.5\n' | cargo run --release --example evaluate
//! printf 's,a\n1,1\n' | cargo run --release --example evaluate -- --function lerch
//! ```
//!
//! Standard input is CSV with a header. It holds `margin` and either `k,theta` (Gamma), `mu,sigma`
//! (LogNormal) or `beta` (fixed); other columns pass through. Results are appended as columns, as
//! shortest decimals that parse back to the same number. `--precision f32` reads and writes f32.
//!
//! `--path direct` and `--path plan` take losses and gradients from the batch engine, in the kernels of the
//! precision and on the registers that `--level` names; other quantities are the scalar path's alone, and
//! their columns are left out. `direct` evaluates 4096 rows at a time, each with its own parameters. `plan`
//! reads the whole file first and prepares one table per set of parameters, whatever rows they stand in.
//! `--path gpu` (feature `gpu`, with `--precision f32`) is `direct` on a GPU, a million rows at a time.

#[path = "support/evaluate.rs"]
mod evaluate;

use evaluate::{Evaluation, Request};
use std::io::{self, BufWriter};
use std::process::ExitCode;

const USAGE: &str = "usage: evaluate [--precision f64|f32] [--function loss|lerch]
                [--path scalar|direct|plan|gpu] [--level scalar|portable|avx2|avx512] < rows.csv > results.csv
  loss   needs the columns margin and k,theta | mu,sigma | beta
  lerch  needs the columns s and a (f64, scalar path only)
  --path scalar  (default) all results, row by row, f32 rounded from f64
  --path direct  nll and first derivatives alone, by the batch kernels with parameters per row
  --path plan    the same by a table for each set of parameters; holds the whole file in memory
  --path gpu     as direct, on a GPU; f32 alone
  --level        vector registers of the paths direct and plan; default: the best of this machine";

fn main() -> ExitCode {
    let (mut precision, mut function) = ("f64".to_owned(), "loss".to_owned());
    let (mut path, mut level) = ("scalar".to_owned(), None);
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let slot = match arg.as_str() {
            "--precision" => &mut precision,
            "--function" => &mut function,
            "--path" => &mut path,
            "--level" => level.insert(String::new()),
            "--help" | "-h" => {
                println!("{USAGE}");
                return ExitCode::SUCCESS;
            }
            _ => {
                eprintln!("evaluate: unknown argument `{arg}`\n{USAGE}");
                return ExitCode::FAILURE;
            }
        };
        let Some(value) = args.next() else {
            eprintln!("evaluate: `{arg}` needs a value\n{USAGE}");
            return ExitCode::FAILURE;
        };
        *slot = value;
    }
    let request =
        Request { precision: &precision, function: &function, path: &path, level: level.as_deref() };
    let result = Evaluation::new(&request)
        .and_then(|evaluation| evaluation.run(io::stdin().lock(), BufWriter::new(io::stdout().lock())));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("evaluate: {message}");
            ExitCode::FAILURE
        }
    }
}
