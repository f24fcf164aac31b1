//! What sampling costs: bias and standard deviation of the Monte Carlo loss and of its gradients, against the
//! exact kernel, for every point set.
//!
//! ```text
//! cargo run --release --example sampling --features rand
//! ```
//!
//! E[β] = 1 throughout, so that the margin D is x = D·E[β]. Every replication has draws of its own, from fixed
//! seeds. Biases are means of terms of second order in the noise, which have the same expectation as the plain
//! errors (p̂ = e^{−L̂} and its derivatives are unbiased) and a far smaller variance; the plain means are
//! compared with them (last line). Gauss–Hermite is a rule: its error is all bias, and it has no deviation.

#[path = "support/chart.rs"]
mod chart;
#[path = "support/sampled.rs"]
mod sampled;

use chart::{Panel, Point};
use prefstrength::sampling::PointSet;
use prefstrength::{Level, LogNormal};
use sampled::{
    BATCH, CVS, Case, DRAWS, MARGINS, Moments, SIGMAS, Share, Study, shares, times, training_margins,
};
use std::error::Error;
use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const USAGE: &str = "usage: sampling [--quick] [--svg PATH]
  --svg PATH  where the picture goes; default: docs/sampling.svg of the checkout
  --quick     a tenth of the replications; no picture unless --svg is given";

type Outcome = Result<(), Box<dyn Error>>;

/// How much is computed.
struct Effort {
    lognormal: usize,
    gamma: usize,
    margins: usize,
}

const FULL: Effort = Effort { lognormal: 25_000, gamma: 5_000, margins: 100_000 };
const QUICK: Effort = Effort { lognormal: 2_500, gamma: 500, margins: 10_000 };

const LOGNORMAL: [&str; 4] = ["nll", "∂/∂D", "∂/∂μ", "∂/∂σ"];
const GAMMA: [&str; 4] = ["nll", "∂/∂D", "∂/∂shape", "∂/∂scale"];
const D_SIGMA: usize = 3;

/// Absolute and relative, of one case of every set.
fn main_table(out: &mut impl Write, study: &Study, margin: f64) -> io::Result<()> {
    writeln!(out, "LogNormal σ = 0.5, K = 16, D = {margin}")?;
    writeln!(out, "{:<32} {:>9}   {:<6} {:>8}  {:>9} {:>8}", "", "bias", "s.e.", "sd", "bias/|·|", "sd/|·|")?;
    for (j, name) in LOGNORMAL.into_iter().enumerate() {
        for set in PointSet::ALL {
            let m = study.of(set, 16, 0.5, margin).moments[j];
            let value = if set == PointSet::Iid { format!("{:.4}", m.exact) } else { String::new() };
            let name = if set == PointSet::Iid { name } else { "" };
            let error = if m.error > 0.0 { format!("± {:.0e}", m.error) } else { String::new() };
            writeln!(
                out,
                "{name:<4} {value:>7} {:<22} {:>+8.1e} {error:<6} {:>8}  {:>+9.1e} {:>8}",
                set.name(),
                m.bias,
                or_dash(m.sd),
                m.relative_bias(),
                or_dash(m.relative_sd()),
            )?;
        }
    }
    writeln!(out)
}

/// Relative, with columns of cases in the order of the sets.
fn relative_table(
    out: &mut impl Write,
    title: &str,
    quantities: &[(usize, &str)],
    columns: &[(String, Vec<&Case>)],
) -> io::Result<()> {
    write!(out, "{title:<31}")?;
    columns.iter().try_for_each(|(head, _)| write!(out, "  {head:^18}"))?;
    write!(out, "\n{:31}", "")?;
    columns.iter().try_for_each(|_| write!(out, "  {:>10} {:>7}", "bias/|·|", "sd/|·|"))?;
    writeln!(out)?;
    for &(j, name) in quantities {
        for (i, set) in PointSet::ALL.into_iter().enumerate() {
            let name = if i == 0 { name } else { "" };
            write!(out, "{name:<8} {:<22}", set.name())?;
            for (_, cases) in columns {
                let m = cases[i].moments[j];
                write!(out, "  {:>10} {:>7}", relative_bias(&m), or_dash(m.relative_sd()))?;
            }
            writeln!(out)?;
        }
    }
    writeln!(out)
}

/// In brackets what could be chance.
fn relative_bias(m: &Moments) -> String {
    let bias = format!("{:+.1e}", m.relative_bias());
    if m.is_sure() { format!("{bias} ") } else { format!("({bias})") }
}

fn or_dash(sd: f64) -> String {
    if sd > 0.0 { format!("{sd:.1e}") } else { "-".into() }
}

fn lognormal_tables(out: &mut impl Write, study: &Study) -> io::Result<()> {
    for (sigma, margin) in SIGMAS.into_iter().flat_map(|sigma| MARGINS.map(|margin| (sigma, margin))) {
        let columns = [4, 16, 64].map(|draws| {
            let cases = PointSet::ALL.map(|set| study.of(set, draws, sigma, margin));
            (format!("K = {draws}"), cases.to_vec())
        });
        let title = format!("LogNormal σ = {sigma}, D = {margin}");
        relative_table(out, &title, &[(0, "nll"), (D_SIGMA, "∂/∂σ")], &columns)?;
    }
    Ok(())
}

fn gamma_tables(out: &mut impl Write, study: &Study) -> io::Result<()> {
    for cv in CVS {
        let columns = MARGINS.map(|margin| {
            let cases = PointSet::ALL.map(|set| study.of(set, 16, cv, margin));
            (format!("D = {margin}"), cases.to_vec())
        });
        let quantities: Vec<_> = GAMMA.into_iter().enumerate().collect();
        relative_table(out, &format!("Gamma cv = {cv}, K = 16"), &quantities, &columns)?;
    }
    Ok(())
}

/// μ and σ, of strengths with mean 1, and with median 1.
const BATCHES: [(&str, f64, f64); 3] =
    [("σ = 0.5, E[β] = 1", -0.125, 0.5), ("σ = 1, E[β] = 1", -0.5, 1.0), ("σ = 1, median 1", 0.0, 1.0)];

fn batch_table(out: &mut impl Write, pairs: usize) -> Outcome {
    let margins = training_margins(pairs)?;
    let mut strengths = Vec::new();
    for (_, mu, sigma) in BATCHES {
        strengths.push(LogNormal::from_mu_sigma(mu, sigma)?);
    }
    writeln!(
        out,
        "Σ ∂L/∂σ over a batch with margins D ~ N(0.2, 0.5²), K = 16: expected share of the exact sum"
    )?;
    writeln!(out, "± s.e., and sd of the share of {BATCH} pairs with draws of their own")?;
    write!(out, "{:22}", "")?;
    BATCHES.iter().try_for_each(|(head, ..)| write!(out, "  {head:>22}"))?;
    writeln!(out)?;
    let mut independent = Vec::new();
    for set in PointSet::ALL {
        let shares = shares(set, &strengths, &margins)?;
        write!(out, "{:22}", set.name())?;
        shares.iter().try_for_each(|share| write!(out, "  {:>22}", share_cell(share)))?;
        writeln!(out)?;
        if set == PointSet::Iid {
            independent = shares;
        }
    }
    writeln!(
        out,
        "Why: the exact terms have both signs and nearly cancel, the biases of iid have one sign. Per pair:"
    )?;
    for ((head, ..), share) in BATCHES.iter().zip(&independent) {
        let [[below, bias_below], [above, bias_above]] = share.sides;
        writeln!(
            out,
            "  {head:<18} D < 0: {below:+.4} bias {bias_below:+.4};  D > 0: {above:+.4} bias {bias_above:+.4};  \
             sum: {:+.4} bias {:+.4}",
            below + above,
            bias_below + bias_above,
        )?;
    }
    Ok(writeln!(out)?)
}

fn share_cell(share: &Share) -> String {
    if share.error == 0.0 {
        return format!("{:.4} {:>8} {:>6}", share.mean, "", "-");
    }
    format!("{:.4} {:>8} {:>6.3}", share.mean, format!("± {:.0e}", share.error), share.sd)
}

/// How many independent draws have the deviation (or error) of 16 of each set.
fn equal_accuracy(out: &mut impl Write, study: &Study) -> io::Result<()> {
    writeln!(
        out,
        "How many independent draws are as accurate as 16 of a set, LogNormal σ = 0.5, D = 1: 16·(sd iid/sd)²"
    )?;
    writeln!(out, "{:22}  {:>8} {:>8}", "", "nll", "∂/∂σ")?;
    let independent = study.of(PointSet::Iid, 16, 0.5, 1.0).moments;
    for set in PointSet::ALL {
        let moments = study.of(set, 16, 0.5, 1.0).moments;
        let draws = [0, D_SIGMA].map(|j| {
            let error = if moments[j].sd > 0.0 { moments[j].sd } else { moments[j].bias.abs() };
            let draws = 16.0 * (independent[j].sd / error).powi(2);
            if draws < 1e5 { format!("{draws:.0}") } else { format!("{draws:.0e}") }
        });
        let note = if set == PointSet::GaussHermite { "  by its error, which is no noise" } else { "" };
        writeln!(out, "{:22}  {:>8} {:>8}{note}", set.name(), draws[0], draws[1])?;
    }
    writeln!(out)
}

fn time_table(out: &mut impl Write) -> Outcome {
    writeln!(
        out,
        "Time per margin, {BATCH} margins, LogNormal σ = 0.5, f64, {}, one thread:",
        Level::best()
    )?;
    for (name, ns) in times()? {
        writeln!(out, "  {name:<40} {ns:>6.0} ns")?;
    }
    Ok(writeln!(out)?)
}

fn picture(study: &Study) -> Result<String, std::fmt::Error> {
    let curves = |sets: &[PointSet], value: fn(&Moments) -> (f64, bool)| {
        let curve = |&set: &PointSet| {
            let point = |draws| {
                let (value, sure) = value(&study.of(set, draws, 0.5, 1.0).moments[D_SIGMA]);
                Point { draws, value, sure }
            };
            (set, DRAWS.map(point).into())
        };
        sets.iter().map(curve).collect()
    };
    let random: Vec<PointSet> = PointSet::ALL.into_iter().filter(|&s| s != PointSet::GaussHermite).collect();
    let panels = [
        Panel {
            title: ["Standard deviation", "of one estimate ÷ |exact value|"],
            decades: (-2, 1),
            step: 1,
            curves: curves(&random, |m| (m.relative_sd(), true)),
        },
        Panel {
            title: ["Bias", "|mean − exact| ÷ |exact value|"],
            decades: (-12, 0),
            step: 2,
            curves: curves(&PointSet::ALL, |m| (m.relative_bias().abs(), m.is_sure())),
        },
    ];
    chart::svg(
        "What sampling costs: the gradient in σ",
        "∂L/∂σ of one pair with D·E[β] = 1, LogNormal β with σ = 0.5. Logarithmic axes.",
        &DRAWS,
        &panels,
    )
}

/// All or nothing.
fn write(path: &Path, text: &str) -> Result<(), String> {
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    let part = PathBuf::from(name);
    let written = fs::write(&part, text).and_then(|()| fs::rename(&part, path));
    written.map_err(|e| {
        // There may be none.
        let _ = fs::remove_file(&part);
        format!("{}: {e}", path.display())
    })
}

fn run(effort: &Effort, svg: Option<&Path>) -> Outcome {
    let mut out = io::stdout().lock();
    let lognormal = Study::lognormal(effort.lognormal)?;
    writeln!(
        out,
        "Errors of one estimate, from {} replications; |·| is of the exact value.\n",
        effort.lognormal
    )?;
    MARGINS.iter().try_for_each(|&margin| main_table(&mut out, &lognormal, margin))?;
    writeln!(out, "Biases in brackets are below two standard errors.\n")?;
    lognormal_tables(&mut out, &lognormal)?;
    let gamma = Study::gamma(effort.gamma)?;
    writeln!(out, "Gamma: {} replications.\n", effort.gamma)?;
    gamma_tables(&mut out, &gamma)?;
    batch_table(&mut out, effort.margins)?;
    equal_accuracy(&mut out, &lognormal)?;
    time_table(&mut out)?;
    let [(first, n), (second, m)] = [lognormal.drift(), gamma.drift()];
    let largest = first.max(second);
    writeln!(out, "Plain means agree with these biases: largest of {} differences {largest:.1} s.e.", n + m)?;
    if let Some(path) = svg {
        write(path, &picture(&lognormal)?)?;
        writeln!(out, "wrote {}", path.display())?;
    }
    Ok(())
}

/// What the command line asks for; nothing if it asks for help.
fn arguments(args: impl Iterator<Item = OsString>) -> Result<Option<(Effort, Option<PathBuf>)>, String> {
    let (mut quick, mut svg, mut args) = (false, None, args);
    while let Some(arg) = args.next() {
        match arg.to_str() {
            Some("--quick") => quick = true,
            Some("--svg") => svg = Some(PathBuf::from(args.next().ok_or("`--svg` needs a value")?)),
            Some("--help" | "-h") => return Ok(None),
            _ => return Err(format!("unknown argument `{}`", arg.display())),
        }
    }
    if quick {
        return Ok(Some((QUICK, svg)));
    }
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/sampling.svg");
    Ok(Some((FULL, Some(svg.unwrap_or_else(default)))))
}

fn main() -> ExitCode {
    let (effort, svg) = match arguments(std::env::args_os().skip(1)) {
        Ok(Some(asked)) => asked,
        Ok(None) => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(message) => {
            eprintln!("sampling: {message}\n{USAGE}");
            return ExitCode::FAILURE;
        }
    };
    match run(&effort, svg.as_deref()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sampling: {error}");
            ExitCode::FAILURE
        }
    }
}
