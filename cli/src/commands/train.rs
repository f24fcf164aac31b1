//! `prefstrength train`: a linear policy and p(β) together.

use super::failure::Failure;
use super::options::{Common, number};
use super::rows::{Names, weight};
use crate::input::{self, Accept, Refusal, Row, Table, Wanted};
use crate::progress::Progress;
use crate::report::{
    FamilySummary, Penalties, Predicts, Summary, calibrate, explain, groups, present, shorten,
};
use clap::Args;
use prefstrength::{Family, PerFamily};
use prefstrength_learn::{self as learn, ByGroup, LearnError, Options, Pairs, Trained, Weighted, limits};
use std::path::PathBuf;
use std::process::ExitCode;

/// Learn a linear policy and p(β) together from features of preference pairs.
///
/// Reads a table with one row per pair: features of the chosen answer minus those
/// of the rejected one, by default all columns named f1, f2, …; the margin is
/// w·f. Fits w and a strength of each family, with E[β] = 1 (a scale of β is one
/// of w), by maximum likelihood, and reports as `fit` does, with w.
///
/// A column group_id (or --group) tells who chose: standard errors and tests then
/// allow for the dependence of choices of one group where they say so,
/// cross-validation keeps groups together, and groups are reported.
///
/// The likelihood of few pairs with many features may rise for ever with the
/// spread, or with w: the report says so. --ridge and --prior-cv bound it,
/// --folds tells by cross-validation whether a spread also predicts new pairs.
///
/// Example: prefstrength train pairs.csv --folds 10 --svg pictures
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub(crate) struct TrainArgs {
    /// A CSV, JSON lines or Parquet file; - is standard input. The pairs are kept in memory.
    file: PathBuf,
    /// Feature columns, separated by commas; by default f1, f2, … as far as there are.
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    features: Vec<String>,
    /// Column of groups; by default `group_id`, if there is one.
    #[arg(long, value_name = "COLUMN")]
    group: Option<String>,
    /// λ ≥ 0 of the penalty ½λ|w|²: a normal prior of variance 1/λ on every weight, in the units of its feature.
    #[arg(long, value_name = "LAMBDA", default_value_t = 0.0, allow_negative_numbers = true, value_parser = ridge)]
    ridge: f64,
    /// τ > 0 of the penalty ½cv²/τ²: a half-normal prior on cv.
    #[arg(long, value_name = "TAU", allow_negative_numbers = true, value_parser = prior_cv)]
    prior_cv: Option<f64>,
    /// Cross-validate with so many folds.
    #[arg(long, value_name = "FOLDS", value_parser = clap::value_parser!(u32).range(2..))]
    folds: Option<u32>,
    #[command(flatten)]
    common: Common,
}

fn ridge(text: &str) -> Result<f64, String> {
    number(text, |x| (0.0..=1e100).contains(&x), "a number from 0 to 1e100")
}

fn prior_cv(text: &str) -> Result<f64, String> {
    number(text, |x| (1e-100..=1e100).contains(&x), "a number from 1e-100 to 1e100")
}

/// The group column that is taken without being asked for.
const GROUP: &str = "group_id";

impl TrainArgs {
    pub(crate) fn run(&self) -> Result<ExitCode, Failure> {
        let mut progress = Progress::new(self.common.quiet);
        let file = input::name_of(&self.file);
        let (pairs, features, names) = self.read(&mut progress)?;
        let failed = |e: LearnError| explain(&file, &e, &features);
        let options = Options {
            max_cv: self.common.max_cv,
            ridge: self.ridge,
            prior_cv: self.prior_cv,
            ..Options::default()
        };
        progress.phase("training");
        let report = learn::train_all(&pairs, &options).map_err(failed)?;
        progress.phase("cross-validating");
        // Where it fails the rest of the report is as good as ever.
        let (cross_validation, cross_validation_error) =
            match self.folds.map(|folds| learn::cross_validate(&pairs, &options, folds)) {
                None => (None, None),
                Some(Ok(held_out)) => (Some(held_out), None),
                Some(Err(error)) => (None, Some(error.to_string())),
            };
        drop(progress);
        let families = PerFamily::from_fn(|family| FamilySummary::of_trained(&report, family, &features));
        let rows = (report.fits[Family::Fixed].number, report.fits[Family::Fixed].weight);
        let best = (report.best_by_aic(), report.best_by_bic());
        let verdict = report.verdict();
        let mut summary = Summary::new("train", file.clone(), rows, verdict, report.score, best, families);
        let described_by = summary.described_by;
        if self.ridge > 0.0 || self.prior_cv.is_some() {
            summary.penalties = Some(Penalties { ridge: self.ridge, prior_cv: self.prior_cv });
        }
        summary.predicts = cross_validation.as_ref().map(|held_out| Predicts::of(held_out, described_by));
        (summary.cross_validation, summary.cross_validation_error) =
            (cross_validation, cross_validation_error);
        // Margins are each family's own. A collapsed family is plain DPO, and says the same.
        for family in Family::ALL {
            let fit: &Trained = &report.fits[family];
            if summary.family(family).has_own_spread() {
                let margins = pairs.margins(&fit.w).map_err(failed)?;
                let (calibrated, s) = match pairs.weights() {
                    Some(weights) => {
                        let weighted = Weighted::new(&margins, weights).map_err(failed)?;
                        calibrate(&[fit.strength], weighted, self.common.bins)
                    }
                    None => calibrate(&[fit.strength], &margins[..], self.common.bins),
                }
                .map_err(failed)?;
                summary.calibration.push(calibrated);
                if family == described_by {
                    summary.sizes = s;
                }
            }
        }
        if let Some(of) = pairs.groups() {
            let fit = &report.fits[described_by];
            let mut by_group = ByGroup::new(fit.strength);
            let margins = pairs.margins(&fit.w).map_err(failed)?;
            by_group.add(&margins, of, pairs.weights()).map_err(failed)?;
            summary.groups = Some(groups(&by_group, &names.list()));
        }
        Ok(present(&summary, self.common.svg.as_deref(), self.common.json)?)
    }

    fn read(&self, progress: &mut Progress) -> Result<(Pairs, Vec<String>, Names), String> {
        let table = Table::open(&self.file, self.common.format.map(Into::into)).map_err(|e| e.to_string())?;
        let find = |name: &String| table.column(name).map_err(|e| e.to_string());
        let by_default = table.columns().iter().any(|c| c == GROUP).then(|| GROUP.to_owned());
        let group = self.group.clone().or(by_default);
        let features = if self.features.is_empty() {
            // What is a weight or a group is not a feature, too.
            let others = [self.common.weight.as_ref(), group.as_ref()];
            numbered(table.columns()).filter(|name| !others.contains(&Some(name))).cloned().collect()
        } else {
            self.features.clone()
        };
        let most = *limits::FEATURES.end();
        if features.is_empty() || features.len() > most {
            let what = match features.len() {
                0 => "no feature columns f1, f2, …: name them with --features".to_owned(),
                n => format!("{n} feature columns; 1 to {most} can be learned from"),
            };
            let columns: Vec<String> = table.columns().iter().take(20).map(|c| shorten(c, 40)).collect();
            return Err(format!(
                "{}: {what}; the columns are {}",
                input::name_of(&self.file),
                columns.join(", ")
            ));
        }
        let mut columns = features.iter().map(find).collect::<Result<Vec<_>, _>>()?;
        let weighted = self.common.weight.as_ref().map(find).transpose()?;
        columns.extend(weighted);
        let group = group.as_ref().map(find).transpose()?;
        let dim = features.len();
        let (mut numbers, mut weights) = (Vec::new(), weighted.map(|_| Vec::new()));
        let (mut names, mut of) = (Names::default(), group.map(|_| Vec::new()));
        let wanted = Wanted {
            numbers: &columns,
            texts: group.as_slice(),
            // The weight comes after the features.
            accept: if weighted.is_some() { Accept::Masked(dim) } else { Accept::Finite },
        };
        let mut each = |row: &Row<'_>| {
            let (f, rest) = row.numbers.split_at(dim);
            let w = match (weighted, rest) {
                (Some(column), [w]) => weight(*w, column)?,
                _ => 1.0,
            };
            let largest = limits::LARGEST_FEATURE;
            let too_large = |x: &f64| x.abs() > largest;
            match f.iter().position(too_large) {
                None => numbers.extend_from_slice(f),
                // Nothing of a row of weight 0 counts; its numbers may be any that stand for a missing one.
                Some(_) if w == 0.0 => numbers.extend(std::iter::repeat_n(0.0, dim)),
                Some(j) => {
                    let why = format!("{:e} is beyond ±{largest:e}", f[j]);
                    return Err(Refusal { column: Some(columns[j]), why });
                }
            }
            if let Some(weights) = &mut weights {
                weights.push(w);
            }
            if let Some(of) = &mut of {
                of.push(names.number(row.text(0), group)?);
            }
            Ok(())
        };
        let mut read = |bytes: u64, total: Option<u64>| progress.read(bytes, total);
        table.read(&wanted, &mut read, &mut each).map_err(|e| e.to_string())?;
        let failed = |e: LearnError| explain(&input::name_of(&self.file), &e, &features);
        if numbers.is_empty() {
            return Err(format!("{}: there are no rows", input::name_of(&self.file)));
        }
        let mut pairs = Pairs::new(numbers, dim).map_err(failed)?;
        if let Some(weights) = weights {
            pairs = pairs.with_weights(weights).map_err(failed)?;
        }
        if let Some(of) = of {
            pairs = pairs.with_groups(of).map_err(failed)?;
        }
        Ok((pairs, features, names))
    }
}

/// The columns f1, f2, …, in the order of the table.
fn numbered(columns: &[String]) -> impl Iterator<Item = &String> {
    columns.iter().filter(|name| {
        name.strip_prefix('f').is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
    })
}
