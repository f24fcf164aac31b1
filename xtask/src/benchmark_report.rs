//! Writes `docs/benchmarks.md` and `docs/benchmarks.svg` from what criterion has measured.
//!
//! ```text
//! cargo bench --bench batch --features rayon && cargo run --release -p xtask -- benchmark-report
//! ```
//!
//! A folder after that takes the place of `docs`.

use crate::alternatives::{Nodes, Number, Series};
use crate::estimators::estimators;
use crate::margins::Kind;
use prefstrength::batch::{self, Batch, Direct, Plan, Rows};
use prefstrength::{Fixed, Gamma, Level, LogNormal, Strength};
use serde_json::Value;
use std::collections::BTreeMap;
use std::env;
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Median nanoseconds per element by `<what>-<precision>/<level>-<margins>-<length>`.
struct Measured(BTreeMap<String, f64>);

impl Measured {
    fn read(criterion: &Path) -> Result<Self, Box<dyn Error>> {
        let mut all = BTreeMap::new();
        for what in folders(&criterion.join("batch"))? {
            for which in folders(&what)? {
                let json = |name: &str| -> Result<Value, Box<dyn Error>> {
                    Ok(serde_json::from_str(&fs::read_to_string(which.join("new").join(name))?)?)
                };
                // Folders named `report` and runs cut short have none.
                let (Ok(id), Ok(estimates)) = (json("benchmark.json"), json("estimates.json")) else {
                    continue;
                };
                let name = id["full_id"].as_str().and_then(|name| name.strip_prefix("batch/"));
                let median = estimates["median"]["point_estimate"].as_f64();
                let elements = id["throughput"]["Elements"].as_f64();
                if let (Some(name), Some(median), Some(elements)) = (name, median, elements) {
                    all.insert(name.to_owned(), median / elements);
                }
            }
        }
        Ok(Self(all))
    }

    fn ns(&self, what: &str, precision: &str, which: &str) -> Option<f64> {
        self.0.get(&format!("{what}-{precision}/{which}")).copied()
    }
}

fn folders(path: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let entries = fs::read_dir(path)?.collect::<Result<Vec<_>, _>>()?;
    Ok(entries.into_iter().map(|entry| entry.path()).filter(|path| path.is_dir()).collect())
}

/// Largest relative errors on training margins: loss, ∂/∂margin; and of the sum of ∂/∂(spread parameter).
#[derive(Clone, Copy)]
struct Errors([f64; 3]);

const BATCH: usize = 4096;
const GAMMA: (f64, f64) = (4.0, 0.25);
const LOGNORMAL: (f64, f64) = (-0.125, 0.5);

/// Losses, ∂/∂margin, and the sum of ∂/∂(spread parameter).
fn errors<T: Number>(
    truth: impl Fn(f64) -> [f64; 3],
    evaluate: impl Fn(&[T], &mut [T], &mut [T]) -> f64,
) -> Errors {
    let margins: Vec<T> = Kind::Training.margins(BATCH).into_iter().map(T::of).collect();
    let (mut nll, mut d_margin) = (vec![T::zero(); BATCH], vec![T::zero(); BATCH]);
    let sum = evaluate(&margins, &mut nll, &mut d_margin);
    let (mut worst, mut true_sum) = ([0.0_f64; 2], 0.0);
    for ((&d, &nll), &d_margin) in margins.iter().zip(&nll).zip(&d_margin) {
        let [value, slope, d_spread] = truth(d.into());
        worst[0] = worst[0].max((nll.into() / value - 1.0).abs());
        worst[1] = worst[1].max((d_margin.into() / slope - 1.0).abs());
        true_sum += d_spread;
    }
    Errors([worst[0], worst[1], (sum / true_sum - 1.0).abs()])
}

fn gamma_truth(d: f64) -> [f64; 3] {
    let g = Gamma::from_shape_scale(GAMMA.0, GAMMA.1).expect("valid").nll_gradient(d);
    [g.value, g.d_margin, g.d_scale]
}

fn lognormal_truth(d: f64) -> [f64; 3] {
    let g = LogNormal::from_mu_sigma(LOGNORMAL.0, LOGNORMAL.1).expect("valid").nll_gradient(d);
    [g.value, g.d_margin, g.d_sigma]
}

fn ours<T: Number + batch::Number, S: Strength<T>>(
    truth: impl Fn(f64) -> [f64; 3] + Copy,
    beta: S,
) -> [Errors; 2] {
    let (direct, plan) = (Direct::new(&beta), Plan::<T, S>::new(&beta));
    let direct = errors::<T>(truth, |margins, nll, d_margin| {
        let rows = Rows::new().nll(nll).d_margin(d_margin);
        direct.evaluate(&Batch::new(margins), rows).expect("equal lengths").d_params[1]
    });
    let plan = errors::<T>(truth, |margins, nll, d_margin| {
        let rows = Rows::new().nll(nll).d_margin(d_margin);
        plan.evaluate(&Batch::new(margins), rows).expect("equal lengths").d_params[1]
    });
    [direct, plan]
}

#[derive(Clone, Copy, PartialEq)]
enum Class {
    Reference,
    Ours,
    Alternative,
}

/// A row of the main table and a bar of the picture.
struct Entry {
    what: &'static str,
    label: &'static str,
    /// In the picture; empty where it is not there.
    short: &'static str,
    class: Class,
    /// What to think of its results.
    quality: &'static str,
    errors: Option<Errors>,
}

fn entries<T: Number + batch::Number>() -> Vec<Entry> {
    let gamma = Gamma::from_shape_scale(T::of(GAMMA.0), T::of(GAMMA.1)).expect("valid");
    let lognormal = LogNormal::from_mu_sigma(T::of(LOGNORMAL.0), T::of(LOGNORMAL.1)).expect("valid");
    let fixed = Fixed::new(T::one()).expect("valid");
    let (mu, sigma) = LOGNORMAL;
    let [direct_gamma, plan_gamma] = ours(gamma_truth, gamma);
    let [direct_lognormal, plan_lognormal] = ours(lognormal_truth, lognormal);
    let plain = errors::<T>(
        |d| {
            let g = Fixed::new(1.0).expect("valid").nll_gradient(d);
            [g.value, g.d_margin, g.d_beta]
        },
        |margins, nll, d_margin| {
            let rows = Rows::new().nll(nll).d_margin(d_margin);
            Direct::new(&fixed).evaluate(&Batch::new(margins), rows).expect("equal lengths").d_params[0]
        },
    );
    let draws = Nodes::<T, 16>::draws(mu, sigma);
    let (hermite16, hermite32) = (Nodes::<T, 16>::hermite(mu, sigma), Nodes::<T, 32>::hermite(mu, sigma));
    let series = Series::<T>::new(GAMMA.0, GAMMA.1);
    let [shared, per_pair, weighted] = estimators::<T>(LOGNORMAL, BATCH)
        .map(|(what, estimate)| (what, errors::<T>(lognormal_truth, |m, l, d| estimate(m, l, d)[1])));
    let entry = |what, [label, short]: [_; 2], class, quality, errors| Entry {
        what,
        label,
        short,
        class,
        quality,
        errors,
    };
    use Class::{Alternative, Ours, Reference};
    vec![
        entry("copy", ["copy of the same bytes"; 2], Reference, "", None),
        entry(
            "direct-fixed",
            ["plain DPO: `Fixed`, direct", "plain DPO, fixed β"],
            Reference,
            "",
            Some(plain),
        ),
        entry("plan-gamma", ["`Gamma`, prepared plan", "Gamma, plan"], Ours, "exact", Some(plan_gamma)),
        entry(
            "plan-lognormal0.5",
            ["`LogNormal`, prepared plan", "LogNormal, plan"],
            Ours,
            "exact",
            Some(plan_lognormal),
        ),
        entry("direct-gamma", ["`Gamma`, direct", "Gamma, direct"], Ours, "exact", Some(direct_gamma)),
        entry(
            "direct-lognormal0.5",
            ["`LogNormal`, direct", "LogNormal, direct"],
            Ours,
            "exact",
            Some(direct_lognormal),
        ),
        entry(
            shared.0,
            ["`MonteCarlo::lognormal`, 16 shared draws", "Monte Carlo, vectorised"],
            Ours,
            "noisy",
            Some(shared.1),
        ),
        entry(
            per_pair.0,
            ["`MonteCarlo::lognormal_per_pair`, 16 draws each", ""],
            Ours,
            "noisy",
            Some(per_pair.1),
        ),
        entry(
            weighted.0,
            ["`MonteCarlo::lognormal`, 16 Gauss–Hermite nodes", "Gauss–Hermite, vectorised"],
            Ours,
            "quadrature",
            Some(weighted.1),
        ),
        entry(
            "monte_carlo16",
            ["plain Rust: LogNormal, Monte Carlo, 16 shared draws", "Monte Carlo, 16 draws"],
            Alternative,
            "noisy",
            Some(errors::<T>(lognormal_truth, |m, l, d| draws.mean_of_sigmoids(m, l, d)[1])),
        ),
        entry(
            "monte_carlo16_log",
            ["plain Rust: the same by log-mean-exp", ""],
            Alternative,
            "noisy",
            Some(errors::<T>(lognormal_truth, |m, l, d| draws.log_mean_exp(m, l, d)[1])),
        ),
        entry(
            "hermite16",
            ["plain Rust: LogNormal, Gauss–Hermite, 16 nodes", "Gauss–Hermite, 16"],
            Alternative,
            "quadrature",
            Some(errors::<T>(lognormal_truth, |m, l, d| hermite16.mean_of_sigmoids(m, l, d)[1])),
        ),
        entry(
            "hermite32",
            ["plain Rust: LogNormal, Gauss–Hermite, 32 nodes", "Gauss–Hermite, 32"],
            Alternative,
            "quadrature",
            Some(errors::<T>(lognormal_truth, |m, l, d| hermite32.mean_of_sigmoids(m, l, d)[1])),
        ),
        entry(
            "series20",
            ["plain Rust: Gamma, accelerated series, 20 terms", "series, 20 terms"],
            Alternative,
            "series",
            Some(errors::<T>(gamma_truth, |m, l, d| series.evaluate(m, l, d)[1])),
        ),
        entry(
            "lerch_phi",
            ["`lerch_phi` of scirs2-special 0.6: Gamma, loss alone", "scirs2 lerch_phi"],
            Alternative,
            "loss alone",
            None,
        ),
    ]
}

/// Three significant digits.
fn three(x: f64) -> String {
    match x {
        x if x < 1.0 => format!("{x:.3}"),
        x if x < 10.0 => format!("{x:.2}"),
        x if x < 100.0 => format!("{x:.1}"),
        x => format!("{x:.0}"),
    }
}

fn cell(x: Option<f64>) -> String {
    x.map_or("–".to_owned(), three)
}

fn ratio(x: Option<f64>, to: Option<f64>) -> Option<f64> {
    Some(x? / to?)
}

fn error(x: f64) -> String {
    match x {
        0.0 => "0".to_owned(),
        x if x >= 0.001 => format!("{} %", two(100.0 * x)),
        x => format!("{x:.0e}"),
    }
}

const TITLES: [(&str, &str); 2] = [("f32", "Single precision"), ("f64", "Double precision")];

struct Report<'a> {
    measured: &'a Measured,
    entries: [&'a [Entry]; 2],
    best: &'static str,
}

impl Report<'_> {
    fn level(&self, class: Class, what: &str) -> &'static str {
        if class == Class::Alternative || what == "copy" { "plain" } else { self.best }
    }

    /// Nanoseconds per margin.
    fn ns(&self, what: &str, precision: &str, kind: &str, n: usize) -> Option<f64> {
        let level = self.level(Class::Reference, what);
        self.measured.ns(what, precision, &format!("{level}-{kind}-{n}"))
    }

    fn comparison(&self, to: &mut String, which: usize) -> std::fmt::Result {
        let precision = TITLES[which].0;
        let at = |entry: &Entry, n: usize| {
            let level = self.level(entry.class, entry.what);
            self.measured.ns(entry.what, precision, &format!("{level}-training-{n}"))
        };
        let fixed = self.ns("direct-fixed", precision, "training", BATCH);
        let copy = self.ns("copy", precision, "training", BATCH);
        writeln!(
            to,
            "| {precision} | ns, {BATCH} | ns, 10⁶ | × copy | × plain DPO | error: loss | ∂/∂D | Σ∂/∂spread |"
        )?;
        writeln!(to, "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")?;
        for entry in self.entries[which] {
            let ns = at(entry, BATCH);
            if ns.is_none() && precision == "f32" && entry.what == "lerch_phi" {
                continue; // f64 only
            }
            let [loss, slope, spread] =
                entry.errors.map_or(["", "", ""].map(str::to_owned), |errors| errors.0.map(error));
            writeln!(
                to,
                "| {} | {} | {} | {} | {} | {loss} | {slope} | {spread} |",
                entry.label,
                cell(ns),
                at(entry, 1_000_000).map_or(String::new(), three),
                cell(ratio(ns, copy)),
                cell(ratio(ns, fixed)),
            )?;
        }
        writeln!(to)
    }

    /// One row per name, one column per `columns`, of `f(what, column)`.
    fn table(
        to: &mut String,
        corner: &str,
        columns: &[String],
        rows: &[(String, Vec<Option<f64>>)],
    ) -> std::fmt::Result {
        writeln!(to, "| {corner} | {} |", columns.join(" | "))?;
        writeln!(to, "| --- |{}", " ---: |".repeat(columns.len()))?;
        for (name, values) in rows {
            let cells: Vec<String> = values.iter().map(|&x| cell(x)).collect();
            writeln!(to, "| {name} | {} |", cells.join(" | "))?;
        }
        writeln!(to)
    }

    fn by_margins(&self, to: &mut String) -> std::fmt::Result {
        let kinds = Kind::ALL.map(Kind::name);
        let columns: Vec<String> =
            TITLES.iter().flat_map(|(p, _)| kinds.map(|kind| format!("{p} {kind}"))).collect();
        let row = |name: &str, what: &str, n: usize| {
            let values = TITLES.iter().flat_map(|(p, _)| kinds.map(|kind| self.ns(what, p, kind, n)));
            (name.to_owned(), values.collect())
        };
        let rows = [
            row("Gamma, plan, 4096", "plan-gamma", BATCH),
            row("Gamma, plan, 10⁶", "plan-gamma", 1_000_000),
            row("LogNormal σ = 0.5, plan, 4096", "plan-lognormal0.5", BATCH),
            row("LogNormal σ = 0.5, plan, 10⁶", "plan-lognormal0.5", 1_000_000),
            row("Gamma, direct", "direct-gamma", BATCH),
            row("LogNormal σ = 0.1, direct", "direct-lognormal0.1", BATCH),
            row("LogNormal σ = 0.5, direct", "direct-lognormal0.5", BATCH),
            row("LogNormal σ = 1, direct", "direct-lognormal1", BATCH),
        ];
        Self::table(to, "ns per margin", &columns, &rows)
    }

    fn by_length(&self, to: &mut String) -> std::fmt::Result {
        let lengths = [(64, "64"), (BATCH, "4096"), (1_000_000, "10⁶")];
        let columns: Vec<String> =
            TITLES.iter().flat_map(|(p, _)| lengths.map(|(_, n)| format!("{p}, {n}"))).collect();
        let row = |name: &str, what: &str| {
            let values =
                TITLES.iter().flat_map(|(p, _)| lengths.map(|(n, _)| self.ns(what, p, "training", n)));
            (name.to_owned(), values.collect())
        };
        let rows = [
            row("copy of the same bytes", "copy"),
            row("plain DPO", "direct-fixed"),
            row("`evaluate`, Gamma", "evaluate-gamma"),
            row("`evaluate`, LogNormal σ = 0.5", "evaluate-lognormal0.5"),
        ];
        Self::table(to, "ns per margin", &columns, &rows)
    }

    fn preparation(&self, to: &mut String) -> std::fmt::Result {
        let columns: Vec<String> = TITLES.iter().map(|(p, _)| (*p).to_owned()).collect();
        let rows = [
            ("Gamma", "gamma"),
            ("LogNormal σ = 0.1", "lognormal0.1"),
            ("LogNormal σ = 0.5", "lognormal0.5"),
            ("LogNormal σ = 1", "lognormal1"),
        ]
        .map(|(name, what)| {
            let us = |(p, _): &(&str, _)| {
                Some(self.measured.ns(&format!("prepare-{what}"), p, self.best)? / 1000.0)
            };
            (name.to_owned(), TITLES.iter().map(us).collect())
        });
        Self::table(to, "µs", &columns, &rows)
    }

    fn by_level(&self, to: &mut String) -> std::fmt::Result {
        let levels: Vec<&str> = Level::available().map(|level| level.name()).collect();
        let columns: Vec<String> = levels.iter().map(|&level| level.to_owned()).collect();
        let mut rows = Vec::new();
        for (precision, _) in TITLES {
            for (name, what) in [
                ("plain DPO", "direct-fixed"),
                ("Gamma, plan", "plan-gamma"),
                ("LogNormal, plan", "plan-lognormal0.5"),
                ("Gamma, direct", "direct-gamma"),
                ("LogNormal, direct", "direct-lognormal0.5"),
            ] {
                let at =
                    |level: &&str| self.measured.ns(what, precision, &format!("{level}-training-{BATCH}"));
                rows.push((format!("{precision} {name}"), levels.iter().map(at).collect()));
            }
            for (name, what) in [("Gamma", "prepare-gamma"), ("LogNormal", "prepare-lognormal0.5")] {
                let at = |level: &&str| Some(self.measured.ns(what, precision, level)? / 1000.0);
                rows.push((
                    format!("{precision} {name}, preparation of a plan, µs"),
                    levels.iter().map(at).collect(),
                ));
            }
        }
        Self::table(to, "ns per margin", &columns, &rows)
    }

    fn per_element(&self, to: &mut String) -> std::fmt::Result {
        let columns: Vec<String> = TITLES.iter().map(|(p, _)| (*p).to_owned()).collect();
        let rows = [("Gamma", "gamma"), ("LogNormal", "lognormal")].map(|(name, what)| {
            let ns = |(p, _): &(&str, _)| self.ns(&format!("per_element-{what}"), p, "training", BATCH);
            (name.to_owned(), TITLES.iter().map(ns).collect())
        });
        Self::table(to, "ns per margin", &columns, &rows)
    }

    fn sampling(&self, to: &mut String) -> std::fmt::Result {
        let columns: Vec<String> = TITLES.iter().map(|(p, _)| (*p).to_owned()).collect();
        let rows = [
            ("score: `PointSet::Iid`", "scores-iid", 16 * BATCH),
            ("score: `PointSet::StratifiedAntithetic`", "scores-stratified-antithetic", 16 * BATCH),
            ("strength: `Gamma::sample`", "sample-gamma", BATCH),
            ("strength: `Gamma::sample_at`", "sample_at-gamma", BATCH),
            ("strength: `LogNormal::sample`", "sample-lognormal", BATCH),
        ]
        .map(|(name, what, n)| {
            let ns = |(p, _): &(&str, _)| self.measured.ns(what, p, &format!("scalar-{n}"));
            (name.to_owned(), TITLES.iter().map(ns).collect())
        });
        Self::table(to, "ns each", &columns, &rows)
    }

    fn scaling(&self, to: &mut String) -> std::fmt::Result {
        let columns = ["copy", "plan", "`par_evaluate`, 1 thread", "2 threads", "gain"].map(str::to_owned);
        let mut rows = Vec::new();
        for (precision, _) in TITLES {
            let lengths = [(BATCH, "4096"), (65_536, "65 536"), (1_000_000, "10⁶"), (10_000_000, "10⁷")];
            for (n, name) in lengths.into_iter().chain([(100_000_000, "10⁸")]) {
                let ns = |what: &str| self.ns(what, precision, "training", n);
                let (one, two) = (ns("threads1-plan-gamma"), ns("threads2-plan-gamma"));
                let values = vec![ns("copy"), ns("plan-gamma"), one, two, ratio(one, two)];
                if values.iter().any(Option::is_some) {
                    rows.push((format!("{precision}, {name} margins"), values));
                }
            }
        }
        Self::table(to, "ns per margin", &columns, &rows)
    }

    fn markdown(&self) -> Result<String, std::fmt::Error> {
        let mut to = String::new();
        to.push_str(HEAD);
        write!(to, "{}", machine())?;
        to.push_str(MAIN);
        for which in 0..2 {
            self.comparison(&mut to, which)?;
        }
        to.push_str(AFTER_MAIN);
        to.push_str("## Where the margins lie\n\nBatches of 4096 unless said otherwise.\n\n");
        self.by_margins(&mut to)?;
        to.push_str(LENGTH);
        self.by_length(&mut to)?;
        to.push_str("Preparing a plan for new parameters, once per step of an optimiser:\n\n");
        self.preparation(&mut to)?;
        to.push_str("## Parameters per element\n\n4096 margins, four rows written: loss, ∂/∂D and both parameters.\n\n");
        self.per_element(&mut to)?;
        to.push_str(SAMPLING);
        self.sampling(&mut to)?;
        to.push_str("## Instruction sets\n\nEvery level that this machine has, asked for by name; training margins, 4096.\n\n");
        self.by_level(&mut to)?;
        to.push_str(SCALING);
        self.scaling(&mut to)?;
        to.push('\n');
        to.push_str(GPU);
        Ok(format!("{}\n", to.trim_end()))
    }

    fn svg(&self) -> Result<String, std::fmt::Error> {
        /// Left and right end of the axis, and its first decade.
        const AXIS: (f64, f64) = (208.0, 440.0);
        const FIRST: f64 = -2.0;
        const ROW: f64 = 23.0;
        /// Keeps text legible on grid lines.
        const HALO: &str = r##"paint-order="stroke" stroke="#ffffff" stroke-width="4""##;
        let bars: Vec<Vec<(&Entry, f64)>> = (0..2)
            .map(|which| {
                let ns = |entry: &Entry| {
                    let level = self.level(entry.class, entry.what);
                    self.measured.ns(entry.what, TITLES[which].0, &format!("{level}-training-{BATCH}"))
                };
                let shown = self.entries[which].iter().filter(|entry| !entry.short.is_empty());
                shown.filter_map(|entry| Some((entry, ns(entry)?))).collect()
            })
            .collect();
        let longest = bars.iter().flatten().map(|bar| bar.1).fold(100.0, f64::max);
        let last = longest.log10() + 0.05;
        let x = |ns: f64| {
            let along = ((ns.log10() - FIRST) / (last - FIRST)).max(0.005);
            AXIS.0 + along * (AXIS.1 - AXIS.0)
        };
        let height = 120.0 + bars.iter().map(|bars| 38.0 + ROW * bars.len() as f64).sum::<f64>();
        let mut to = String::new();
        writeln!(
            to,
            r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 {height}" width="640" height="{height}" role="img" font-family="Helvetica, Arial, 'DejaVu Sans', sans-serif" font-size="13" fill="#1a1a1a">
<title>Nanoseconds per margin for loss and gradients, this crate and alternatives</title>
<rect width="640" height="{height}" fill="#ffffff"/>
<text x="16" y="26" font-size="17" font-weight="bold">Time per margin for loss and all gradients</text>
<text x="16" y="46" fill="#444444">One thread, {BATCH} margins as in training. In brackets: error of loss and slope.</text>"##
        )?;
        let colour = |class| match class {
            Class::Reference => "#767676",
            Class::Ours => "#0b5cad",
            Class::Alternative => "#c4560a",
        };
        let legend = [
            (16, Class::Ours, "this crate"),
            (116, Class::Alternative, "alternatives, plain Rust"),
            (306, Class::Reference, "for scale"),
        ];
        for (at, class, name) in legend {
            writeln!(
                to,
                r#"<rect x="{at}" y="57" width="13" height="13" fill="{}"/><text x="{}" y="68">{name}</text>"#,
                colour(class),
                at + 19
            )?;
        }
        let (top, bottom) = (82.0, height - 36.0);
        for decade in FIRST as i32..=last as i32 {
            let (at, ns) = (x(10_f64.powi(decade)).max(AXIS.0), 10_f64.powi(decade));
            writeln!(
                to,
                r##"<path d="M{at:.1} {top}V{bottom}" stroke="#d9d9d9"/><text x="{at:.1}" y="{}" text-anchor="middle" font-size="12">{ns}</text>"##,
                bottom + 15.0
            )?;
        }
        writeln!(
            to,
            r#"<text x="{}" y="{}" text-anchor="middle">nanoseconds per margin (logarithmic)</text>"#,
            0.5 * (AXIS.0 + AXIS.1),
            bottom + 31.0
        )?;
        let mut y = top;
        for (bars, (precision, title)) in bars.iter().zip(TITLES) {
            y += 22.0;
            writeln!(to, r#"<text x="16" y="{y}" font-weight="bold" {HALO}>{title} ({precision})</text>"#)?;
            y += 10.0;
            for (entry, ns) in bars {
                let (from, end, text) = (AXIS.0, x(*ns), y + 0.5 * ROW + 4.5);
                let worst = entry.errors.map_or(0.0, |errors| errors.0[0].max(errors.0[1]));
                let quality = match (entry.quality, entry.errors) {
                    ("", _) => String::new(),
                    (quality, None) => format!(", {quality}"),
                    (quality, Some(_)) => format!(", {quality} ({})", error(worst)),
                };
                let weight = if entry.class == Class::Ours { r#" font-weight="bold""# } else { "" };
                writeln!(
                    to,
                    r#"<text x="{}" y="{text}" text-anchor="end"{weight}>{}</text><rect x="{from}" y="{}" width="{:.1}" height="{}" fill="{}"/><text x="{:.1}" y="{text}"{weight} {HALO}>{} ns{quality}</text>"#,
                    from - 8.0,
                    entry.short,
                    y + 3.0,
                    end - from,
                    ROW - 6.0,
                    colour(entry.class),
                    end + 6.0,
                    two(*ns),
                )?;
                y += ROW;
            }
            y += 6.0;
        }
        to.push_str("</svg>\n");
        Ok(to)
    }
}

/// Two significant digits or all before the point.
fn two(x: f64) -> String {
    match x {
        x if x < 1.0 => format!("{x:.2}"),
        x if x < 10.0 => format!("{x:.1}"),
        x => format!("{x:.0}"),
    }
}

/// Processor and compiler; nothing that names the machine.
fn machine() -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        let line = cpu.lines().find(|line| line.split(':').next().is_some_and(|key| key.trim() == name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let model = match (field("model name"), field("cpu family"), field("model")) {
        (Some(name), Some(family), Some(model)) => format!("{name} (family {family}, model {model})"),
        (Some(name), ..) => name,
        _ => "unknown".to_owned(),
    };
    let cores = std::thread::available_parallelism().map_or("?".to_owned(), |n| n.to_string());
    let virtually = if cpu.contains(" hypervisor") { ", virtual" } else { "" };
    let rustc = Command::new("rustc").arg("--version").output().ok();
    let rustc = rustc.and_then(|output| String::from_utf8(output.stdout).ok());
    format!(
        "| | |\n| --- | --- |\n| processor | {model}, {cores} cores{virtually} |\n| levels | {}; the best is used unless said otherwise |\n| target | {}-{}, baseline features (no `target-cpu`) |\n| compiler | {} |\n",
        Level::available().map(|level| level.name()).collect::<Vec<_>>().join(", "),
        env::consts::ARCH,
        env::consts::OS,
        rustc.as_deref().map_or("unknown", str::trim),
    )
}

const HEAD: &str = "# Benchmarks

![Time per margin for loss and all gradients](benchmarks.svg)

What is timed: margins in, losses and ∂/∂D out as rows, the gradient in the parameters of p(β) as a sum. One
thread unless said otherwise. This page and its picture are made by one command, in about three minutes:

```sh
cargo bench --bench batch --features rayon && cargo run --release -p xtask -- benchmark-report
```

`PREFSTRENGTH_BENCH_LARGE=1` before it adds 10⁸ margins (1.2 GB). `lerch_phi` of scirs2-special brings a hundred
crates, three minutes to compile, and is measured apart, before that command:

```sh
cargo run --release --manifest-path benches/rival/Cargo.toml --target-dir target/rival
```

";

const MAIN: &str = "
Numbers are medians of 12 samples of criterion, from one run: they scatter by ten per cent, at times by more. Compare
within this page, not across machines.

Margins are those of E[β] = 1: *training* D ~ N(0.2, 0.5²), *late* D ~ N(2, 4²), *wide* log₁₀|D| uniform on
[−3, 3] with either sign. Gamma has v = cv² = 0.25, LogNormal σ = 0.5. Short batches are windows that move over
2¹⁸ margins, so that no call sees those of the call before.

## Beside the alternatives

Training margins. `plan` is evaluation with the table prepared; the table costs what is said [below](#batch-length).
Errors are relative, against the scalar kernels in f64: the largest over 4096 margins, and that of the sum of ∂/∂scale
or ∂/∂σ.

";

const AFTER_MAIN: &str = "`MonteCarlo` is this crate's own estimator on vector instructions, construction from parameters and scores included.
*Plain Rust* is what the author of a trainer would write, compiled as the crate is: a loop over the batch with `exp` and
`ln` of the standard library, which the compiler does not vectorise ([source](../benches/support/alternatives.rs)).
Shared draws are the same in both. Scores are given; [drawing them](#sampling) costs extra. The series has the weights of
Cohen, Rodriguez Villegas and Zagier.

";

const LENGTH: &str = "## Batch length

`evaluate` picks the path by the length, and everything it does is included: where it prepares a plan, that too.

";

const SAMPLING: &str = "## Sampling

What drawing costs, scalar: standard normal scores from uniforms that are given, 16 for each of 4096 pairs, and strengths
with both derivatives, `sample` from a score, `sample_at` from β. An estimate takes 16 of them per margin unless the
batch shares them.

";

const SCALING: &str = "## Scaling

Gamma, prepared plan. Threads are those of rayon; results are the same bits. A gain needs two free cores: on a busy
machine the second thread waits.

";

const GPU: &str = "## GPU

`cargo bench --bench gpu --features gpu` measures the kernels on buffers that stay on the device, beside a copy of the
same bytes, and the round trip from slices of the host. It ran on the software Vulkan driver (llvmpipe, Mesa 22.3.6);
on a real GPU nothing has been measured yet.
";

pub(crate) fn report(docs: Option<PathBuf>) -> Result<(), Box<dyn Error>> {
    let criterion = env::var_os("CRITERION_HOME").map_or_else(
        || {
            let target = env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
            let checkout = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target");
            target.unwrap_or_else(checkout).join("criterion")
        },
        PathBuf::from,
    );
    let advice = "run `cargo bench --bench batch --features rayon` first";
    let measured = Measured::read(&criterion)
        .map_err(|e| format!("no results in {}: {e}; {advice}", criterion.display()))?;
    let (single, double) = (entries::<f32>(), entries::<f64>());
    let report = Report { measured: &measured, entries: [&single, &double], best: Level::best().name() };
    for (precision, _) in TITLES {
        for what in ["copy", "direct-fixed", "plan-gamma", "monte_carlo-shared16", "hermite32"] {
            let class = if what == "hermite32" { Class::Alternative } else { Class::Ours };
            let which = format!("{}-training-{BATCH}", report.level(class, what));
            if measured.ns(what, precision, &which).is_none() {
                return Err(format!("no result for {what}-{precision}/{which}; {advice}").into());
            }
        }
    }
    let docs = docs.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs"));
    fs::write(docs.join("benchmarks.md"), report.markdown()?)?;
    fs::write(docs.join("benchmarks.svg"), report.svg()?)?;
    println!("{} results; wrote benchmarks.md and benchmarks.svg to {}", measured.0.len(), docs.display());
    Ok(())
}
