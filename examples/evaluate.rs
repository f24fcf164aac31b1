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

#[path = "support/rows.rs"]
mod rows;

use prefstrength::lerch::lerch_phi_m1_gradient;
use prefstrength::{Fixed, Gamma, LogNormal, Real, Strength};
use rows::Rows;
use std::error::Error;
use std::fmt::Display;
use std::io::{self, BufWriter, Read, Write};
use std::process::ExitCode;
use std::str::FromStr;

const USAGE: &str = "usage: evaluate [--precision f64|f32] [--function loss|lerch] < rows.csv > results.csv
  loss   needs the columns margin and k,theta | mu,sigma | beta
  lerch  needs the columns s and a (f64 only)";

/// What a header asks for.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Task {
    Fixed,
    Gamma,
    LogNormal,
    Lerch,
}

impl Task {
    const LOSSES: [Self; 3] = [Self::Gamma, Self::LogNormal, Self::Fixed];

    /// Input columns beside `margin`.
    fn parameters(self) -> &'static [&'static str] {
        match self {
            Self::Fixed => &["beta"],
            Self::Gamma => &["k", "theta"],
            Self::LogNormal => &["mu", "sigma"],
            Self::Lerch => &["s", "a"],
        }
    }

    fn outputs(self) -> Vec<String> {
        if self == Self::Lerch {
            return ["phi", "dphi_ds", "dphi_da", "scaled", "log_phi"].map(String::from).to_vec();
        }
        let mut names =
            ["expected_sigmoid", "nll", "dnll_dmargin", "d2nll_dmargin2"].map(String::from).to_vec();
        names.extend(self.parameters().iter().map(|p| format!("dnll_d{p}")));
        names.extend(["posterior_mean", "posterior_variance"].map(String::from));
        names
    }
}

/// The eight columns of a loss row, one derivative fewer for [`Fixed`].
fn loss_row<T: Real, S: Strength<T>>(
    strength: &S,
    margin: T,
    native: impl Fn(S::Gradient) -> Vec<T>,
) -> Vec<T> {
    let posterior = strength.posterior(margin);
    let gradient = native(strength.nll_gradient(margin));
    let mut row =
        vec![strength.expected_sigmoid(margin), gradient[0], gradient[1], strength.nll_d2_margin(margin)];
    row.extend_from_slice(&gradient[2..]);
    row.extend([posterior.mean, posterior.variance]);
    row
}

fn evaluate<T: Real>(task: Task, x: &[T]) -> Result<Vec<T>, Box<dyn Error>> {
    Ok(match task {
        Task::Fixed => loss_row(&Fixed::new(x[1])?, x[0], |g| vec![g.value, g.d_margin, g.d_beta]),
        Task::Gamma => loss_row(&Gamma::from_shape_scale(x[1], x[2])?, x[0], |g| {
            vec![g.value, g.d_margin, g.d_shape, g.d_scale]
        }),
        Task::LogNormal => loss_row(&LogNormal::from_mu_sigma(x[1], x[2])?, x[0], |g| {
            vec![g.value, g.d_margin, g.d_mu, g.d_sigma]
        }),
        Task::Lerch => {
            let phi = lerch_phi_m1_gradient(x[0].to_f64(), x[1].to_f64());
            if phi.scaled.is_nan() {
                return Err("s and a must be positive, at least 2.3e-308 and at most 1e300".into());
            }
            [phi.value, phi.d_s, phi.d_a, phi.scaled, phi.ln].map(T::from_f64).to_vec()
        }
    })
}

/// The one position of `name`.
fn column(header: &csv::StringRecord, name: &str) -> Result<Option<usize>, String> {
    let mut found = header.iter().enumerate().filter(|(_, h)| *h == name).map(|(i, _)| i);
    match (found.next(), found.next()) {
        (first, None) => Ok(first),
        _ => Err(format!("header: the column `{name}` occurs twice")),
    }
}

/// The task and the positions of its inputs.
fn plan(header: &csv::StringRecord, lerch: bool) -> Result<(Task, Vec<usize>), String> {
    let find = |names: &[&str]| -> Result<Option<Vec<usize>>, String> {
        names.iter().map(|n| column(header, n)).collect()
    };
    if lerch {
        let columns = find(&["s", "a"])?.ok_or("header: needs the columns `s` and `a`")?;
        return Ok((Task::Lerch, columns));
    }
    let margin = column(header, "margin")?.ok_or("header: needs the column `margin`")?;
    let mut chosen = None;
    for task in Task::LOSSES {
        if let Some(columns) = find(task.parameters())? {
            if chosen.is_some() {
                return Err("header: holds the parameters of more than one family".into());
            }
            chosen = Some((task, [vec![margin], columns].concat()));
        }
    }
    chosen.ok_or_else(|| "header: needs `k,theta`, `mu,sigma` or `beta` beside `margin`".into())
}

fn run<T: Real + FromStr>(lerch: bool, input: impl Read, output: impl Write) -> Result<(), String>
where
    <T as FromStr>::Err: Display,
{
    let rows = Rows::new(input)?;
    let header = rows.header.clone();
    let (task, columns) = plan(&header, lerch)?;

    let mut writer = csv::Writer::from_writer(output);
    let write = |e: csv::Error| format!("output: {e}");
    let names = task.outputs();
    writer.write_record(header.iter().chain(names.iter().map(String::as_str))).map_err(write)?;
    let mut result = Ok(());
    for record in rows {
        match record.and_then(|(line, r)| Ok((row::<T>(task, &columns, &header, line, &r)?, r))) {
            Ok((values, record)) => writer
                .write_record(record.iter().map(String::from).chain(values.iter().map(|v| format!("{v:?}"))))
                .map_err(write)?,
            Err(message) => {
                result = Err(message);
                break;
            }
        }
    }
    writer.flush().map_err(|e| format!("output: {e}"))?;
    result
}

fn row<T: Real + FromStr>(
    task: Task,
    columns: &[usize],
    header: &csv::StringRecord,
    line: u64,
    record: &csv::StringRecord,
) -> Result<Vec<T>, String>
where
    <T as FromStr>::Err: Display,
{
    let inputs = columns
        .iter()
        .map(|&i| {
            record[i]
                .parse::<T>()
                .map_err(|e| format!("line {line}, column `{}`: `{}`: {e}", &header[i], &record[i]))
        })
        .collect::<Result<Vec<_>, _>>()?;
    evaluate(task, &inputs).map_err(|e| format!("line {line}: {e}"))
}

fn main() -> ExitCode {
    let (mut precision, mut function) = ("f64".to_owned(), "loss".to_owned());
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let slot = match arg.as_str() {
            "--precision" => &mut precision,
            "--function" => &mut function,
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
    let output = BufWriter::new(io::stdout().lock());
    let result = match (precision.as_str(), function.as_str()) {
        ("f64", "loss") => run::<f64>(false, io::stdin().lock(), output),
        ("f32", "loss") => run::<f32>(false, io::stdin().lock(), output),
        ("f64", "lerch") => run::<f64>(true, io::stdin().lock(), output),
        _ => {
            eprintln!("evaluate: no such precision or function\n{USAGE}");
            return ExitCode::FAILURE;
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("evaluate: {message}");
            ExitCode::FAILURE
        }
    }
}
