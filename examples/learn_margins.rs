//! Fits p(β) to margins on standard input and says whether its spread is real.
//!
//! ```text
//! cargo run --release --example learn_margins < margins.csv
//! ```
//!
//! CSV with a column `margin`, chosen minus rejected; other columns are not read. In the table, s.e. are by the
//! observed information; p(LR) is under ½χ²₀ + ½χ²₁.

#[path = "support/rows.rs"]
mod rows;

use prefstrength::learn::{self, Family, Fit, Options, Report, Spread};
use std::io::{self, Write};
use std::process::ExitCode;

fn read() -> Result<Vec<f64>, String> {
    let mut rows = rows::Rows::new(io::stdin().lock())?;
    let column = rows.header.iter().position(|name| name == "margin").ok_or("header: no column `margin`")?;
    let number = |(line, record): (u64, csv::StringRecord)| {
        let cell = record[column].trim();
        match cell.parse::<f64>() {
            Ok(margin) if margin.is_finite() => Ok(margin),
            _ => Err(format!("line {line}: `{cell}` is not a finite number")),
        }
    };
    rows.by_ref().map(|row| row.and_then(number)).collect()
}

fn line(report: &Report, fit: &Fit) -> String {
    let or_dash = |x: Option<String>| x.unwrap_or("-".into());
    let error = |x: Option<f64>| or_dash(x.map(|x| format!("{x:.4}")));
    let spread = match fit.spread {
        Spread::Fixed => "-".into(),
        Spread::Boundary => "0 boundary".into(),
        Spread::Interior => format!("{:.4}", fit.beta.cv()),
        Spread::Unbounded => format!("> {}", report.max_cv),
        Spread::NotConverged => format!("{:.4}?", fit.beta.cv()),
    };
    let lr = report.likelihood_ratio(fit.family);
    format!(
        "{:<9} {:>14.4} {:>11.5} {:>8} {:>10} {:>7} {:>9} {:>8} {:>13} {:>13} {:>6.0e}",
        fit.family,
        fit.log_likelihood,
        fit.beta.mean(),
        error(fit.errors.ln_mean),
        spread,
        error(fit.errors.cv),
        or_dash(lr.map(|lr| format!("{:.3}", lr.statistic))),
        or_dash(lr.map(|lr| format!("{:.2e}", lr.p))),
        or_dash(fit.aic().map(|x| format!("{x:.3}"))),
        or_dash(fit.bic().map(|x| format!("{x:.3}"))),
        fit.gradient,
    )
}

fn run() -> Result<(), String> {
    let margins = read()?;
    let report = learn::heterogeneity(&margins[..], &Options::default()).map_err(|e| e.to_string())?;
    let print = |out: &mut dyn Write| -> io::Result<()> {
        writeln!(
            out,
            "{:<9} {:>14} {:>11} {:>8} {:>10} {:>7} {:>9} {:>8} {:>13} {:>13} {:>6}",
            "family", "log-likelihood", "mean", "s.e. ln", "cv", "s.e.", "LR", "p(LR)", "AIC", "BIC", "|g|"
        )?;
        for family in Family::ALL {
            writeln!(out, "{}", line(&report, report.fit(family)))?;
        }
        let score = report.score;
        writeln!(out, "score test of heterogeneity: z = {:.4}, p = {:.2e}", score.z, score.p)?;
        if let (Some(z), Some(p)) = (score.z_outer, score.p_outer) {
            writeln!(out, "  by the outer product of scores: z = {z:.4}, p = {p:.2e}")?;
        }
        writeln!(out, "{} margins => {}", report.fixed.number, report.verdict())
    };
    print(&mut io::stdout().lock()).map_err(|e| format!("output: {e}"))
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("learn_margins: {message}");
            ExitCode::FAILURE
        }
    }
}
