//! Learns a linear policy w and p(β) together by maximum likelihood on preference pairs.
//!
//! ```text
//! cargo run --release --example joint_training
//! cargo run --release --example joint_training -- --pairs pairs.csv
//! ```
//!
//! The margin of a pair is w·f, f = features of the chosen answer minus those of the rejected one,
//! and its loss is −ln E[σ(β w·f)]. E[β] is fixed to 1, since a scale of β is one of w. Fixed is
//! plain DPO; Gamma and LogNormal also learn the spread of β, their cv and σ.
//!
//! Without arguments this runs on simulated populations, half of them homogeneous: there the spread
//! collapses to 0 in about every second sample and stays insignificant in the others, as theory has it.
//!
//! * s.e.: standard error of the spread, from the observed information of (w, v = cv²).
//! * LR: twice the gain in log-likelihood over Fixed. The spread cannot be negative, so under
//!   homogeneity LR is ½χ²₀ + ½χ²₁, and p = ½ erfc(√(LR/2)).
//! * score test: of v at v = 0, by the expected information with w profiled out; it needs no family.
//! * |g|: gradient at the end, in units of about one standard error per coordinate.

#[path = "support/fit.rs"]
mod fit;
#[path = "support/pairs.rs"]
mod pairs;
#[path = "support/rows.rs"]
mod rows;

use fit::{CAP_CV, Family, Fit, Logit, Spread};
use pairs::{Pairs, TRUE_W, Truth};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
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
    let (logit, logit_ms) = timed(|| fit::fit_logit(pairs))?;
    let mut fits = Vec::new();
    for family in [Family::LogNormal, Family::Gamma] {
        fits.push(timed(|| fit::fit_joint(family, pairs, &logit))?);
    }
    print_table(out, title, pairs, truth, (&logit, logit_ms), &fits).map_err(|e| format!("output: {e}"))
}

fn timed<R>(work: impl FnOnce() -> Result<R, String>) -> Result<(R, f64), String> {
    let start = Instant::now();
    Ok((work()?, 1e3 * start.elapsed().as_secs_f64()))
}

fn print_table(
    out: &mut impl Write,
    title: &str,
    pairs: &Pairs,
    truth: Option<Truth>,
    (logit, logit_ms): (&Logit, f64),
    fits: &[(Fit, f64)],
) -> io::Result<()> {
    writeln!(out, "{title}: {} pairs, {} features", pairs.len(), pairs.dim)?;
    if pairs.grouped {
        writeln!(out, "  group_id is not used: s.e. and p take the pairs as independent")?;
    }
    let mut row = |cells: [&str; 11]| {
        let [family, ll, spread, error, true_spread, lr, p, size, iterations, gradient, ms] = cells;
        writeln!(
            out,
            "  {family:<9} {ll:>14} {spread:>11} {error:>6} {true_spread:>6} {lr:>8} {p:>7} {size:>8} \
             {iterations:>4} {gradient:>6} {ms:>6}"
        )
    };
    row(["family", "log-likelihood", "spread", "s.e.", "truth", "LR", "p(LR)", "|w|", "iter", "|g|", "ms"])?;
    row([
        "Fixed",
        &format!("{:.4}", logit.log_likelihood),
        "-",
        "-",
        "-",
        "-",
        "-",
        &number(fit::norm(&logit.w)),
        &logit.iterations.to_string(),
        &format!("{:.0e}", logit.gradient),
        &format!("{logit_ms:.1}"),
    ])?;
    for (fit, ms) in fits {
        let named = |v| {
            let (symbol, value) = fit.family.spread(v);
            format!("{symbol} {value:.4}")
        };
        let (spread, error, tested) = match fit.spread {
            Spread::Boundary => ("0 boundary".into(), None, true),
            Spread::Interior { v, error } => (named(v), error, true),
            Spread::Unbounded => (format!("cv > {CAP_CV}"), None, false),
            Spread::NotConverged { v } => (named(v) + "?", None, false),
        };
        let lr = 2.0 * (fit.log_likelihood - logit.log_likelihood);
        let or_dash = |text: Option<String>| text.unwrap_or("-".into());
        row([
            &format!("{:?}", fit.family),
            &format!("{:.4}", fit.log_likelihood),
            &spread,
            &or_dash(error.map(|e| format!("{e:.4}"))),
            &or_dash(truth.map(|t| format!("{:.4}", fit.family.spread(t.cv() * t.cv()).1))),
            &or_dash(tested.then(|| format!("{lr:.3}"))),
            &or_dash(tested.then(|| probability(fit::p_likelihood_ratio(lr)))),
            &number(fit::norm(&fit.w)),
            &fit.iterations.to_string(),
            &format!("{:.0e}", fit.gradient),
            &format!("{ms:.1}"),
        ])?;
    }
    print_w(out, "Fixed", &logit.w)?;
    for (fit, _) in fits.iter().filter(|(fit, _)| matches!(fit.spread, Spread::Interior { .. })) {
        print_w(out, &format!("{:?}", fit.family), &fit.w)?;
    }
    if truth.is_some() {
        print_w(out, "truth", &TRUE_W)?;
    }
    let p = probability(fit::p_normal(logit.z));
    writeln!(out, "  score test of heterogeneity (expected information): z = {:.4}, p = {p}", logit.z)?;
    writeln!(out, "  => {}\n", verdict(logit, fits))
}

/// Eight weights a line.
fn print_w(out: &mut impl Write, name: &str, w: &[f64]) -> io::Result<()> {
    for (i, line) in w.chunks(8).enumerate() {
        write!(out, "  {:<12}", if i == 0 { format!("w {name}") } else { String::new() })?;
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

/// The plain words for all fits of one table.
fn verdict(logit: &Logit, fits: &[(Fit, f64)]) -> String {
    let which = |is: fn(Spread) -> bool| {
        let names: Vec<_> =
            fits.iter().filter(|(f, _)| is(f.spread)).map(|(f, _)| format!("{:?}", f.family)).collect();
        (!names.is_empty()).then(|| names.join(", "))
    };
    if let Some(names) = which(|s| s == Spread::Unbounded) {
        return format!(
            "no finite maximum ({names}): at the cap cv = {CAP_CV} the likelihood still rises with the\n     \
             spread while |w| grows. This is not a fit; bound the spread by a prior and w by a ridge."
        );
    }
    if let Some(names) = which(|s| matches!(s, Spread::NotConverged { .. })) {
        return format!("not converged ({names}): do not use the figures marked with ?");
    }
    if fits.iter().all(|(fit, _)| fit.spread == Spread::Boundary) {
        return "no evidence of heterogeneity: p(β) collapses to a point, the loss is plain DPO".into();
    }
    let best = fits.iter().map(|(fit, _)| fit.log_likelihood).fold(f64::NEG_INFINITY, f64::max);
    if fit::p_likelihood_ratio(2.0 * (best - logit.log_likelihood)) > 0.05 {
        "no significant heterogeneity: plain DPO explains these pairs as well".into()
    } else {
        "heterogeneous: the strength of preference varies beyond what plain DPO can explain".into()
    }
}

fn run(files: &[PathBuf], quick: bool) -> Result<(), String> {
    let mut out = io::stdout().lock();
    for file in files {
        let blame = |e| format!("{}: {e}", file.display());
        let pairs = Pairs::read(file).map_err(blame)?;
        let title = Path::new(file).file_name().unwrap_or_default().to_string_lossy();
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
