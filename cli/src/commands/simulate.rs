//! `prefstrength simulate`: choices whose p(β) is known, and what else is in them.

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
///
/// The answer ahead by D is chosen with probability σ(βD). Impostors change that in ways that a fit may take for a
/// spread of β, or that hide one; with --cv 0 all that a fit finds is theirs. They combine, and one seed makes the same
/// margins and strengths with them as without.
#[derive(Debug, Subcommand)]
pub(crate) enum Simulate {
    Margins(MarginsArgs),
    Pairs(PairsArgs),
}

/// A CSV file for `fit`: the columns margin and, with --groups, group; with --write-side, side.
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

/// A CSV file for `train`: the columns pair_id, with --groups group_id, f1, …, fn and, with --write-side, side. E[β]
/// is 1.
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
    #[command(flatten)]
    impostors: Impostors,
}

/// With all of them the answer ahead by D is chosen with probability σ(β/E[β]·(E[β]·sign(D)|D|^G + A·s + SD·z)).
#[derive(Args, Debug)]
#[command(next_help_heading = "Impostors")]
struct Impostors {
    /// Share of labels that are flipped: the other answer is written down as chosen.
    #[arg(long, value_name = "P", default_value_t = 0.0, allow_negative_numbers = true, value_parser = share)]
    flips: f64,
    /// Share of people who choose by a coin, β = 0: of groups; of choices where there are no groups.
    #[arg(long, value_name = "P", default_value_t = 0.0, allow_negative_numbers = true, value_parser = share)]
    guessers: f64,
    /// Share of people who prefer the opposite, −β for β: of groups; of choices where there are no groups.
    #[arg(long, value_name = "P", default_value_t = 0.0, allow_negative_numbers = true, value_parser = share)]
    reversed: f64,
    /// What the answer shown first gains by that, on the scale of E[β]·D; a coin decides which one is.
    #[arg(long, value_name = "A", default_value_t = 0.0, allow_negative_numbers = true, value_parser = signed)]
    intercept: f64,
    /// Choices go by sign(D)|D|^G instead of D: concave below 1.
    #[arg(long, value_name = "G", default_value_t = 1.0, allow_negative_numbers = true, value_parser = exponent)]
    curvature: f64,
    /// Standard deviation of what people see and D leaves out, which is normal, on the scale of E[β]·D.
    #[arg(long, value_name = "SD", default_value_t = 0.0, allow_negative_numbers = true, value_parser = size)]
    omitted: f64,
    /// Share of junk: rows whose margin or features are written ten times too large.
    #[arg(long, value_name = "P", default_value_t = 0.0, allow_negative_numbers = true, value_parser = share)]
    junk: f64,
    /// Add a column side: 1 where the chosen answer was shown first, −1 where it was shown second.
    #[arg(long)]
    write_side: bool,
}

/// By how much junk is too large.
const JUNK: f64 = 10.0;

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

fn share(text: &str) -> Result<f64, String> {
    number(text, |x| (0.0..=1.0).contains(&x), "a number from 0 to 1")
}

fn signed(text: &str) -> Result<f64, String> {
    number(text, |x| (-1e50..=1e50).contains(&x), "a number from -1e50 to 1e50")
}

fn exponent(text: &str) -> Result<f64, String> {
    number(text, |x| (0.01..=3.0).contains(&x), "a number from 0.01 to 3")
}

/// How someone chooses.
#[derive(Clone, Copy)]
enum Taste {
    Own,
    Coin,
    Opposite,
}

/// What impostors draw, each from a stream of its own: none of them changes what the others, or β and D, draw.
struct Draws {
    flips: ChaCha8Rng,
    tastes: ChaCha8Rng,
    sides: ChaCha8Rng,
    omitted: ChaCha8Rng,
    junk: ChaCha8Rng,
}

impl Draws {
    fn new(seed: u64) -> Self {
        // Stream 0 draws β, D and the choice.
        let stream = |number| {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            rng.set_stream(number);
            rng
        };
        Self { flips: stream(1), tastes: stream(2), sides: stream(3), omitted: stream(4), junk: stream(5) }
    }
}

fn happens(rng: &mut ChaCha8Rng, probability: f64) -> bool {
    let uniform: f64 = StandardUniform.sample(rng);
    uniform < probability
}

/// A choice, as it is written down.
struct Choice {
    /// From 1.
    group: u64,
    /// Whether it goes the way of the margin.
    agrees: bool,
    /// Whether the chosen answer was shown first.
    first: bool,
    /// What the margin is multiplied with.
    factor: f64,
}

impl Choice {
    /// A margin, or a feature, of the chosen answer against the other one.
    fn turn(&self, d: f64) -> f64 {
        let d = if self.factor == 1.0 { d } else { short(self.factor * d) };
        if self.agrees { d } else { -d }
    }
}

/// Strengths and choices, one after the other.
struct Choices<'a> {
    beta: AnyStrength,
    mean: f64,
    impostors: &'a Impostors,
    rng: ChaCha8Rng,
    draws: Draws,
    /// A group's own, if there are others than usual.
    tastes: Vec<Taste>,
    /// A group's own.
    own: Vec<f64>,
    groups: u64,
    at: u64,
}

impl<'a> Choices<'a> {
    fn new(population: &'a Population, mean: f64) -> Result<Self, Failure> {
        let impostors = &population.impostors;
        if impostors.guessers + impostors.reversed > 1.0 {
            let message = "the shares --guessers and --reversed add up to more than 1";
            return Err(Failure::Usage(message.to_owned()));
        }
        let family = population.family.parse::<Family>().map_err(|e| e.to_string())?;
        let cv = population.cv;
        let beta = AnyStrength::from_mean_v(family, mean, cv * cv).map_err(|e| format!("p(β): {e}"))?;
        let mut choices = Self {
            beta,
            mean,
            impostors,
            rng: ChaCha8Rng::seed_from_u64(population.seed),
            draws: Draws::new(population.seed),
            tastes: Vec::new(),
            own: Vec::new(),
            groups: population.groups.into(),
            at: 0,
        };
        // No more than will choose.
        let groups = population.number.min(population.groups.into());
        if population.own_strength {
            choices.own = (0..groups).map(|_| choices.strength()).collect();
        }
        if impostors.guessers + impostors.reversed > 0.0 {
            choices.tastes = (0..groups).map(|_| choices.taste()).collect();
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

    /// Drawn where there are others than usual.
    fn taste(&mut self) -> Taste {
        let Impostors { guessers, reversed, .. } = *self.impostors;
        if guessers + reversed == 0.0 {
            return Taste::Own;
        }
        let uniform: f64 = StandardUniform.sample(&mut self.draws.tastes);
        match uniform {
            u if u < reversed => Taste::Opposite,
            u if u < reversed + guessers => Taste::Coin,
            _ => Taste::Own,
        }
    }

    /// The next choice, by someone who sees `margin`.
    fn choose(&mut self, margin: f64) -> Choice {
        let group = if self.groups > 0 { self.at % self.groups } else { 0 };
        self.at += 1;
        let beta = match self.own.get(group as usize) {
            Some(&own) => own,
            None => self.strength(),
        };
        let taste = match self.tastes.get(group as usize) {
            Some(&own) => own,
            None => self.taste(),
        };
        let Impostors { flips, intercept, curvature, omitted, junk, write_side, .. } = *self.impostors;
        let first = (intercept != 0.0 || write_side) && happens(&mut self.draws.sides, 0.5);
        let mut seen = if curvature == 1.0 { margin } else { margin.signum() * margin.abs().powf(curvature) };
        if intercept != 0.0 {
            seen += (if first { intercept } else { -intercept }) / self.mean;
        }
        if omitted > 0.0 {
            let normal: f64 = StandardNormal.sample(&mut self.draws.omitted);
            seen += omitted * normal / self.mean;
        }
        let p = match taste {
            Taste::Own => 1.0 / (1.0 + (-beta * seen).exp()),
            Taste::Coin => 0.5,
            Taste::Opposite => 1.0 / (1.0 + (beta * seen).exp()),
        };
        let chosen = self.uniform() < p;
        let agrees = chosen != (flips > 0.0 && happens(&mut self.draws.flips, flips));
        let factor = if junk > 0.0 && happens(&mut self.draws.junk, junk) { JUNK } else { 1.0 };
        Choice { group: group + 1, agrees, first: first == agrees, factor }
    }

    /// The end of the header.
    fn side_name(&self) -> &'static str {
        if self.impostors.write_side { ",side" } else { "" }
    }

    /// The end of a row: the side, if it is wanted.
    fn side(&self, choice: &Choice) -> &'static str {
        match (self.impostors.write_side, choice.first) {
            (false, _) => "",
            (true, true) => ",1",
            (true, false) => ",-1",
        }
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

fn margins(choices: &mut Choices<'_>, number: u64, size: f64, out: &mut dyn Write) -> std::io::Result<()> {
    let grouped = choices.groups > 0;
    writeln!(out, "margin{}{}", if grouped { ",group" } else { "" }, choices.side_name())?;
    for _ in 0..number {
        let d = short(size * choices.normal());
        let choice = choices.choose(d);
        let (margin, side) = (choice.turn(d), choices.side(&choice));
        match grouped {
            true => writeln!(out, "{margin},{}{side}", choice.group),
            false => writeln!(out, "{margin}{side}"),
        }?;
    }
    Ok(())
}

fn pairs(
    choices: &mut Choices<'_>,
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
    writeln!(out, "{}", choices.side_name())?;
    for pair in 1..=number {
        let f: Vec<f64> = w.iter().map(|_| short(choices.normal())).collect();
        let margin: f64 = f.iter().zip(&w).map(|(f, w)| f * w).sum();
        let choice = choices.choose(margin);
        write!(out, "{pair}")?;
        if grouped {
            write!(out, ",{}", choice.group)?;
        }
        for f in f {
            write!(out, ",{}", choice.turn(f))?;
        }
        writeln!(out, "{}", choices.side(&choice))?;
    }
    Ok(())
}
