//! `prefstrength simulate`: choices whose p(β) is known.

use super::failure::Failure;
use super::options::number;
use crate::output::write_to;
use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use prefstrength::{AnyStrength, Family};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Distribution, StandardNormal, StandardUniform};
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// Simulate choices whose p(β) is known: to see what a fit makes of them, and how many it takes.
#[derive(Debug, Subcommand)]
pub(crate) enum Simulate {
    Margins(MarginsArgs),
    Pairs(PairsArgs),
}

/// A CSV file for `fit`: the columns margin and, with --groups, group.
#[derive(Args, Debug)]
pub(crate) struct MarginsArgs {
    /// E[β].
    #[arg(long, default_value_t = 0.1, allow_negative_numbers = true, value_parser = mean)]
    mean: f64,
    /// Standard deviation of the log-ratio differences, which are normal around 0.
    #[arg(long, default_value_t = 15.0, allow_negative_numbers = true, value_parser = size)]
    size: f64,
    #[command(flatten)]
    population: Population,
}

/// A CSV file for `train`: the columns pair_id, with --groups group_id, and f1, …, fn. E[β] is 1.
#[derive(Args, Debug)]
pub(crate) struct PairsArgs {
    /// How many features; their differences are standard normal.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=1000))]
    features: u16,
    /// |w| of the policy, whose weights shrink from feature to feature and alternate in sign.
    #[arg(long, default_value_t = 1.5, allow_negative_numbers = true, value_parser = size)]
    norm: f64,
    #[command(flatten)]
    population: Population,
}

#[derive(Args, Debug)]
struct Population {
    /// The family of p(β).
    #[arg(long, default_value = Family::Gamma.name(), value_parser = PossibleValuesParser::new(with_spread()))]
    family: String,
    /// Coefficient of variation of β; 0 for plain DPO.
    #[arg(long, default_value_t = 1.0, allow_negative_numbers = true, value_parser = cv)]
    cv: f64,
    /// How many choices.
    #[arg(long, short, default_value_t = 5000)]
    number: u64,
    /// How many groups, which choose in turn; 0 for none.
    #[arg(long, default_value_t = 0)]
    groups: u32,
    /// A group draws its β once, not for every choice: some decide strongly throughout, others weakly.
    #[arg(long, requires = "groups")]
    own_strength: bool,
    /// The same seed makes the same file.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Write here instead of to standard output; the file appears when it is complete.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// The families to choose from; without a spread they are all plain DPO.
fn with_spread() -> impl Iterator<Item = &'static str> {
    Family::ALL.into_iter().filter(|&family| family != Family::Fixed).map(Family::name)
}

fn mean(text: &str) -> Result<f64, String> {
    number(text, |x| (1e-50..=1e50).contains(&x), "a number from 1e-50 to 1e50")
}

fn size(text: &str) -> Result<f64, String> {
    number(text, |x| (0.0..=1e50).contains(&x), "a number from 0 to 1e50")
}

fn cv(text: &str) -> Result<f64, String> {
    number(text, |x| (0.0..=1e3).contains(&x), "a number from 0 to 1000")
}

/// Strengths and choices, one after the other.
struct Choices {
    beta: AnyStrength,
    rng: ChaCha8Rng,
    /// A group's own.
    own: Vec<f64>,
    groups: u64,
    at: u64,
}

impl Choices {
    fn new(population: &Population, mean: f64) -> Result<Self, String> {
        let family = population.family.parse::<Family>().map_err(|e| e.to_string())?;
        let cv = population.cv;
        let beta = AnyStrength::from_mean_v(family, mean, cv * cv).map_err(|e| format!("p(β): {e}"))?;
        let mut choices = Self {
            beta,
            rng: ChaCha8Rng::seed_from_u64(population.seed),
            own: Vec::new(),
            groups: population.groups.into(),
            at: 0,
        };
        if population.own_strength {
            // No more than will choose.
            let groups = population.number.min(population.groups.into());
            choices.own = (0..groups).map(|_| choices.strength()).collect();
        }
        Ok(choices)
    }

    fn uniform(&mut self) -> f64 {
        StandardUniform.sample(&mut self.rng)
    }

    fn normal(&mut self) -> f64 {
        StandardNormal.sample(&mut self.rng)
    }

    fn strength(&mut self) -> f64 {
        let p = self.uniform();
        self.beta.quantile(p)
    }

    /// The group of the next choice, and whether it goes the way of `margin`.
    fn choose(&mut self, margin: f64) -> (u64, bool) {
        let group = if self.groups > 0 { self.at % self.groups } else { 0 };
        self.at += 1;
        let beta = match self.own.get(group as usize) {
            Some(&own) => own,
            None => self.strength(),
        };
        let p = 1.0 / (1.0 + (-beta * margin).exp());
        (group + 1, self.uniform() < p)
    }
}

/// With six significant digits, which are what the file has.
fn short(x: f64) -> f64 {
    format!("{x:.5e}").parse().unwrap_or(x)
}

impl Simulate {
    pub(crate) fn run(&self) -> Result<ExitCode, Failure> {
        let population = match self {
            Self::Margins(args) => &args.population,
            Self::Pairs(args) => &args.population,
        };
        let (mean, size) = match self {
            Self::Margins(args) => (args.mean, args.size),
            Self::Pairs(args) => (1.0, args.norm),
        };
        let mut choices = Choices::new(population, mean)?;
        write_to(population.output.as_deref(), |out| {
            let written = match self {
                Self::Margins(_) => margins(&mut choices, population.number, size, out),
                Self::Pairs(args) => pairs(&mut choices, population.number, size, args.features, out),
            };
            written.map_err(|e| format!("output: {e}"))
        })?;
        Ok(ExitCode::SUCCESS)
    }
}

fn margins(choices: &mut Choices, number: u64, size: f64, out: &mut dyn Write) -> std::io::Result<()> {
    let grouped = choices.groups > 0;
    writeln!(out, "margin{}", if grouped { ",group" } else { "" })?;
    for _ in 0..number {
        let d = short(size * choices.normal());
        let (group, agrees) = choices.choose(d);
        let margin = if agrees { d } else { -d };
        if grouped { writeln!(out, "{margin},{group}") } else { writeln!(out, "{margin}") }?;
    }
    Ok(())
}

fn pairs(
    choices: &mut Choices,
    number: u64,
    norm: f64,
    features: u16,
    out: &mut dyn Write,
) -> std::io::Result<()> {
    let raw = (0..i32::from(features)).map(|i| 0.8_f64.powi(i) * if i % 2 == 0 { 1.0 } else { -1.0 });
    let raw: Vec<f64> = raw.collect();
    let length = raw.iter().map(|x| x * x).sum::<f64>().sqrt();
    let w: Vec<f64> = raw.iter().map(|x| norm * x / length).collect();
    let grouped = choices.groups > 0;
    write!(out, "pair_id{}", if grouped { ",group_id" } else { "" })?;
    for i in 1..=features {
        write!(out, ",f{i}")?;
    }
    writeln!(out)?;
    for pair in 1..=number {
        let f: Vec<f64> = w.iter().map(|_| short(choices.normal())).collect();
        let margin: f64 = f.iter().zip(&w).map(|(f, w)| f * w).sum();
        let (group, agrees) = choices.choose(margin);
        write!(out, "{pair}")?;
        if grouped {
            write!(out, ",{group}")?;
        }
        for f in f {
            write!(out, ",{}", if agrees { f } else { -f })?;
        }
        writeln!(out)?;
    }
    Ok(())
}
