//! Learns a linear policy w and p(β) together by maximum likelihood on preference pairs.
//!
//! ```text
//! cargo run --release --example joint_training
//! cargo run --release --example joint_training -- --pairs pairs.csv
//! ```
//!
//! The margin of a pair is w·f, f = features of the chosen answer minus those of the rejected one,
//! and its loss is −ln E[σ(β w·f)]. E[β] is fixed to 1, since a scale of β is one of w. Fixed is
//! plain DPO; the other families also learn the spread of β: cv, or σ of a LogNormal.
//!
//! Without arguments this runs on simulated populations, half of them homogeneous: there the spread
//! collapses to 0 in about every second sample and stays insignificant in the others, as theory has it.
//!
//! * s.e.: standard error of the spread, from the observed information of (w, v = cv²).
//! * LR: twice the gain in log-likelihood over Fixed. The spread cannot be negative, so under
//!   homogeneity LR is ½χ²₀ + ½χ²₁, and p = ½ erfc(√(LR/2)).
//! * score test: of v at v = 0, with w profiled out; it needs no family.
//! * |g|: gradient at the end, in units of standard errors.
//!
//! `prefstrength train`, the command line tool, does the same with groups, calibration and cross-validation.

#[path = "support/pairs.rs"]
mod pairs;

use pairs::{TRUE_W, Truth};
use prefstrength::Family;
use prefstrength_learn::{self as learn, Comparison, FitStatus, Fitted, Options, Pairs, Trained};
use std::fs::File;
use std::io::{self, BufReader, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

const USAGE: &str = "usage: joint_training [--quick] [--pairs FILE]...
  --pairs FILE  CSV with the header pair_id[,group_id],f1,...,fn (chosen minus rejected);
                without it, simulated populations are fitted
  --quick       smaller simulated populations";

const POPULATIONS: [(&str, Truth, u64); 4] = [
    ("homogeneous, β = 1", Truth::Point, 1),
    ("homogeneous, β = 1, another sample", Truth::Point, 2),
    ("heterogeneous, β ~ Gamma with cv 1", Truth::Gamma { cv: 1.0 }, 3),
    ("heterogeneous, β ~ LogNormal with cv 1", Truth::LogNormal { cv: 1.0 }, 4),
];

/// Fits all families and prints their table.
fn report(out: &mut impl Write, title: &str, pairs: &Pairs, truth: Option<Truth>) -> Result<(), String> {
    let start = Instant::now();
    let report = learn::train_all(pairs, &Options::default()).map_err(|e| e.to_string())?;
    let ms = 1e3 * start.elapsed().as_secs_f64();
    print_table(out, title, pairs, truth, &report, ms).map_err(|e| format!("output: {e}"))
}

/// Symbol and value of the spread that a family is usually described by, and its derivative in v.
fn describe_spread(family: Family, v: f64) -> (&'static str, f64, f64) {
    match family {
        Family::LogNormal => {
            let sigma = v.ln_1p().sqrt();
            ("σ", sigma, 0.5 / (sigma * (1.0 + v)))
        }
        _ => ("cv", v.sqrt(), 0.5 / v.sqrt()),
    }
}

fn print_table(
    out: &mut impl Write,
    title: &str,
    pairs: &Pairs,
    truth: Option<Truth>,
    report: &Comparison<Trained>,
    ms: f64,
) -> io::Result<()> {
    writeln!(out, "{title}: {} pairs, {} features, {ms:.0} ms", pairs.len(), pairs.dim())?;
    let mut row = |cells: [&str; 10]| {
        let [family, ll, spread, error, true_spread, lr, p, size, iterations, gradient] = cells;
        writeln!(
            out,
            "  {family:<15} {ll:>14} {spread:>11} {error:>6} {true_spread:>6} {lr:>8} {p:>7} {size:>8} \
             {iterations:>4} {gradient:>6}"
        )
    };
    row(["family", "log-likelihood", "spread", "s.e.", "truth", "LR", "p(LR)", "|w|", "iter", "|g|"])?;
    let or_dash = |text: Option<String>| text.unwrap_or("-".into());
    for family in Family::ALL {
        let fit = &report.fits[family];
        let (symbol, value, slope) = describe_spread(family, fit.strength.v());
        let (shown, error) = match fit.status {
            FitStatus::Fixed | FitStatus::MeanZero => ("-".into(), None),
            FitStatus::Boundary => ("0 boundary".into(), None),
            FitStatus::Interior => (format!("{symbol} {value:.4}"), fit.errors.v.map(|e| e * slope)),
            FitStatus::Unbounded => (format!("cv > {}", report.options.max_cv), None),
            FitStatus::NotConverged => (format!("{symbol} {value:.4}?"), None),
        };
        let truth = truth.filter(|_| family != Family::Fixed);
        let lr = report.likelihood_ratio(family);
        row([
            &family.to_string(),
            &format!("{:.4}", fit.log_likelihood),
            &shown,
            &or_dash(error.map(|e| format!("{e:.4}"))),
            &or_dash(truth.map(|t| format!("{:.4}", describe_spread(family, t.cv() * t.cv()).1))),
            &or_dash(lr.map(|lr| format!("{:.3}", lr.statistic))),
            &or_dash(lr.map(|lr| probability(lr.p))),
            &number(fit.w.iter().map(|w| w * w).sum::<f64>().sqrt()),
            &fit.iterations.to_string(),
            &format!("{:.0e}", fit.gradient),
        ])?;
    }
    // What else makes a curve level off.
    for (name, fit) in [("label noise", &report.lapsed[Family::Fixed]), ("curved margin", &report.curved)] {
        let (symbol, value, error) = match fit.model.curvature {
            true => ("γ", fit.curvature, fit.errors.curvature),
            false => ("ε", fit.lapse, fit.errors.lapse),
        };
        let lr = report.likelihood_ratio_of(fit);
        row([
            name,
            &format!("{:.4}", fit.log_likelihood),
            &format!("{symbol} {value:.4}{}", if fit.is_maximum() { "" } else { "?" }),
            &or_dash(error.map(|e| format!("{e:.4}"))),
            "-",
            &or_dash(lr.map(|lr| format!("{:.3}", lr.statistic))),
            &or_dash(lr.map(|lr| probability(lr.p))),
            &number(fit.w.iter().map(|w| w * w).sum::<f64>().sqrt()),
            &fit.iterations.to_string(),
            &format!("{:.0e}", fit.gradient),
        ])?;
    }
    for family in Family::ALL {
        let fit = &report.fits[family];
        if matches!(fit.status, FitStatus::Fixed | FitStatus::Interior) {
            print_w(out, &family.to_string(), &fit.w)?;
        }
    }
    if truth.is_some() {
        print_w(out, "truth", &TRUE_W)?;
    }
    if let Some(score) = report.score {
        let p = probability(score.p);
        writeln!(out, "  score test of a spread (expected information): z = {:.4}, p = {p}", score.z)?;
        if let (Some(z), Some(p)) = (score.z_outer, score.p_outer) {
            let groups = if pairs.groups().is_some() { ", summed by group_id" } else { "" };
            writeln!(out, "    by squared scores{groups}: z = {z:.4}, p = {}", probability(p))?;
        }
    }
    // A line on choices, and with groups one on people.
    for line in report.verdict().to_string().lines() {
        writeln!(out, "  => {line}")?;
    }
    writeln!(out)
}

/// Eight weights a line.
fn print_w(out: &mut impl Write, name: &str, w: &[f64]) -> io::Result<()> {
    for (i, line) in w.chunks(8).enumerate() {
        write!(out, "  {:<17}", if i == 0 { format!("w {name}") } else { String::new() })?;
        for w in line {
            write!(out, " {:>9}", number(*w))?;
        }
        writeln!(out)?;
    }
    Ok(())
}

/// A weight, of whatever scale the features give it.
fn number(x: f64) -> String {
    if x == 0.0 || (1e-4..1e3).contains(&x.abs()) { format!("{x:.4}") } else { format!("{x:.1e}") }
}

fn probability(p: f64) -> String {
    if p < 1e-3 { format!("{p:.1e}") } else { format!("{p:.4}") }
}

fn run(files: &[PathBuf], quick: bool) -> Result<(), String> {
    let mut out = io::stdout().lock();
    for file in files {
        let blame = |e: String| format!("{}: {e}", file.display());
        let input = File::open(file).map_err(|e| blame(e.to_string()))?;
        let pairs = pairs::read(BufReader::new(input)).map_err(blame)?;
        let title = file.file_name().unwrap_or_default().to_string_lossy();
        report(&mut out, &title, &pairs, None).map_err(blame)?;
    }
    if files.is_empty() {
        let n = if quick { 1000 } else { 5000 };
        for (title, truth, seed) in POPULATIONS {
            report(&mut out, title, &pairs::simulate(truth, n, seed)?, Some(truth))?;
        }
    }
    Ok(())
}

fn main() -> ExitCode {
    let (mut files, mut quick) = (Vec::new(), false);
    let mut args = std::env::args_os().skip(1);
    while let Some(arg) = args.next() {
        match arg.to_str() {
            Some("--quick") => quick = true,
            Some("--help" | "-h") => {
                println!("{USAGE}");
                return ExitCode::SUCCESS;
            }
            Some("--pairs") => match args.next() {
                Some(file) => files.push(PathBuf::from(file)),
                None => {
                    eprintln!("joint_training: `--pairs` needs a value\n{USAGE}");
                    return ExitCode::FAILURE;
                }
            },
            _ => {
                eprintln!("joint_training: unknown argument `{}`\n{USAGE}", arg.display());
                return ExitCode::FAILURE;
            }
        }
    }
    match run(&files, quick) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("joint_training: {message}");
            ExitCode::FAILURE
        }
    }
}
