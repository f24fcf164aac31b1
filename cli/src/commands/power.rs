//! `prefstrength power`: how many choices, or people, it takes.

use super::failure::Failure;
use super::options::{FormatName, number};
use super::rows::{Names, weight};
use crate::input::{self, Accept, Refusal, Table, Wanted};
use crate::output::write_to;
use crate::progress::Progress;
use crate::report::{Sizes, explain, of_sizes};
use crate::spool::Spool;
use clap::Args;
use prefstrength_learn::{Design, LearnError, PowerTarget};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// How many choices or people it takes to find a spread of β, or to tell it from label noise.
///
/// Without a file, for studies that are planned: margins are normal, and the
/// standard deviation s of βD says how far they reach. Three tables:
///
///   choices, each with a β of its own: how many show that one β for all is not
///     enough, if the spread of β (Gamma) has this coefficient of variation (cv)
///   people with a β of their own, some choices each: how many show that they differ
///   label noise or spread: the labels that are flipped look like a spread, and a
///     spread like flipped labels; how many choices tell which of the two it is
///
/// With a file, for the data at hand: margins as `fit` reads them. Which cv would
/// have been found in them, and how many choices or people are needed for another.
///
/// Examples: prefstrength power --cv 0.4,0.8 --size 2 --choices 50
///           prefstrength power margins.csv --group annotator
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub(crate) struct PowerArgs {
    /// A CSV, JSON lines or Parquet file of margins; - is standard input. Without one, margins are normal.
    file: Option<PathBuf>,
    /// Column of margins.
    #[arg(long, value_name = "COLUMN", default_value = "margin", requires = "file")]
    margin: String,
    /// Column of groups: people, annotators. How many choices each has made counts for the tests between them.
    #[arg(long, value_name = "COLUMN", requires = "file")]
    group: Option<String>,
    /// Column of weights ≥ 0: weight 3 counts as three choices. A row of weight 0 is left out, whatever its numbers are.
    #[arg(long, value_name = "COLUMN", requires = "file")]
    weight: Option<String>,
    /// The format of the file; by default by its name (.csv, .jsonl, .ndjson, .parquet), else by how it begins.
    #[arg(long, value_enum, requires = "file")]
    format: Option<FormatName>,
    /// Spreads to be found: coefficients of variation of β, 0.01 to 10; here and below, several with commas.
    #[arg(long, value_name = "CV", value_delimiter = ',', allow_negative_numbers = true)]
    #[arg(default_values_t = [0.3, 0.5, 1.0], value_parser = cv)]
    cv: Vec<f64>,
    /// Shares of flipped labels, above 0 and at most 0.45.
    #[arg(long, value_name = "SHARE", value_delimiter = ',', allow_negative_numbers = true)]
    #[arg(default_values_t = [0.05, 0.1], value_parser = lapse)]
    lapse: Vec<f64>,
    /// Standard deviations of βD, 0.05 to 100: 1 is a study of near ties, at 3 most choices are clear. A file has its own.
    #[arg(long, value_name = "S", value_delimiter = ',', allow_negative_numbers = true)]
    #[arg(default_values_t = [0.5, 1.0, 2.0, 3.0, 6.0], value_parser = size, conflicts_with = "file")]
    size: Vec<f64>,
    /// Choices of a person, at least 2. A file with groups has its own.
    #[arg(long, value_name = "T", value_delimiter = ',')]
    #[arg(default_values_t = [5, 20, 100], value_parser = clap::value_parser!(u32).range(2..=1_000_000_000))]
    choices: Vec<u32>,
    /// Level of the tests, one-sided: how often they may find something where there is nothing.
    #[arg(long, default_value_t = 0.05, allow_negative_numbers = true, value_parser = level)]
    level: f64,
    /// How often they shall find something where there is: 0.5 to below 1.
    #[arg(long, default_value_t = 0.8, allow_negative_numbers = true, value_parser = power)]
    power: f64,
    /// Print one JSON object for machines instead of tables.
    #[arg(long)]
    json: bool,
    /// No progress bar.
    #[arg(long, short)]
    quiet: bool,
}

fn cv(text: &str) -> Result<f64, String> {
    number(text, |x| (0.01..=10.0).contains(&x), "a number from 0.01 to 10")
}

fn lapse(text: &str) -> Result<f64, String> {
    number(text, |x| x > 0.0 && x <= 0.45, "a number above 0 and at most 0.45")
}

fn size(text: &str) -> Result<f64, String> {
    number(text, |x| (0.05..=100.0).contains(&x), "a number from 0.05 to 100")
}

fn level(text: &str) -> Result<f64, String> {
    number(text, |x| (1e-12..0.5).contains(&x), "a number from 1e-12 to below 0.5")
}

fn power(text: &str) -> Result<f64, String> {
    number(text, |x| (0.5..=1.0 - 1e-12).contains(&x), "a number from 0.5 to below 1")
}

impl PowerArgs {
    pub(crate) fn run(&self) -> Result<ExitCode, Failure> {
        let failed = |e: LearnError| e.to_string();
        let target = PowerTarget::new(self.level, self.power).map_err(failed)?;
        let mut sizes = Sizes::new(target, &self.cv, &self.lapse, &self.choices);
        match &self.file {
            None => {
                for &size in &self.size {
                    sizes.plan(&Design::normal(size).map_err(failed)?).map_err(failed)?;
                }
            }
            Some(file) => {
                let mut progress = Progress::new(self.quiet);
                let name = input::name_of(file);
                let (mut spool, people) = self.read(file, &mut progress)?;
                progress.phase("fitting plain DPO");
                let of_file = |e: LearnError| explain(&name, &e, &[]);
                let design = Design::of_margins(progress.watch(&mut spool)).map_err(of_file)?;
                sizes.look_at(&name, &design, people.as_deref()).map_err(of_file)?;
            }
        }
        let text = if self.json {
            serde_json::to_string_pretty(&sizes).map_err(|e| format!("output: {e}"))? + "\n"
        } else {
            of_sizes(&sizes)
        };
        write_to(None, |out| out.write_all(text.as_bytes()).map_err(|e| format!("output: {e}")))?;
        Ok(ExitCode::SUCCESS)
    }

    /// The margins, and how many choices every group has made.
    fn read(&self, file: &Path, progress: &mut Progress) -> Result<(Spool, Option<Vec<usize>>), String> {
        let table = Table::open(file, self.format.map(Into::into)).map_err(|e| e.to_string())?;
        let find = |name: &String| table.column(name).map_err(|e| e.to_string());
        let margin = find(&self.margin)?;
        let weighted = self.weight.as_ref().map(find).transpose()?;
        let group = self.group.as_ref().map(find).transpose()?;
        let columns: Vec<usize> = [Some(margin), weighted].into_iter().flatten().collect();
        let wanted = Wanted {
            numbers: &columns,
            texts: group.as_slice(),
            // The weight is the second number.
            accept: if weighted.is_some() { Accept::Masked(1) } else { Accept::Finite },
        };
        let (mut spool, mut names, mut each) =
            (Spool::new(weighted.is_some(), false), Names::default(), vec![]);
        let failed = |e: std::io::Error| Refusal { column: None, why: format!("temporary file: {e}") };
        let mut take = |row: &input::Row<'_>| {
            let w = match (weighted, row.numbers.get(1)) {
                (Some(column), Some(&w)) => weight(w, column)?,
                _ => 1.0,
            };
            if group.is_some() {
                let of = names.number(row.text(0), group, "group")? as usize;
                if of == each.len() {
                    each.push(0);
                }
                each[of] += usize::from(w > 0.0);
            }
            spool.push(row.numbers[0], w, 0).map_err(failed)
        };
        let mut read = |bytes: u64, total: Option<u64>| progress.read(bytes, total);
        table.read(&wanted, &mut read, &mut take).map_err(|e| e.to_string())?;
        spool.finish().map_err(|e| format!("temporary file: {e}"))?;
        each.retain(|&choices| choices > 0);
        Ok((spool, group.is_some().then_some(each)))
    }
}
