//! `prefstrength train`: a linear policy and p(β) together.

use super::failure::Failure;
use super::options::{Common, number};
use super::people::{Panel, PeopleArgs};
use super::rows::{Names, sample_factor, weight};
use crate::input::{self, Accept, Refusal, Row, Table, Wanted};
use crate::progress::Progress;
use crate::report::{
    Against, Bootstrapped, Penalties, Position, SEED, Summary, calibrate, explain, groups, note_no_people,
    note_sample, notes_of_pairs, people_summary, present, shorten,
};
use clap::Args;
use prefstrength::Family;
use prefstrength_learn::{
    self as learn, ByGroup, Choices, Fitted, LearnError, Options, Pairs, TotalWeight, Trained, Weighted,
    limits,
};
use std::path::PathBuf;
use std::process::ExitCode;

/// Learn a linear policy and p(β) together from features of preference pairs.
///
/// Reads a table with one row per pair: features of the chosen answer minus those
/// of the rejected one, by default all columns named f1, f2, …; the margin is
/// w·f. Fits w and a strength of each family, with E[β] = 1 (a scale of β is one
/// of w), by maximum likelihood, and reports as `fit` does, with w.
///
/// A column group_id (or --group) tells who chose: standard errors, those of the
/// sandwich, and tests are then by group, cross-validation keeps groups together,
/// it is tested whether people differ, in strength or in what they like, and one
/// β per person is fitted. Without it choices are taken for independent.
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
    /// Column of the position of the chosen answer, 1 where it was shown first and −1 where second: one more feature.
    #[arg(long, value_name = "COLUMN")]
    position: Option<String>,
    /// λ ≥ 0 of the penalty ½λ|w|²: a normal prior of variance 1/λ on every weight, in the units of its feature.
    #[arg(long, value_name = "LAMBDA", default_value_t = 0.0, allow_negative_numbers = true, value_parser = ridge)]
    ridge: f64,
    /// τ > 0 of the penalty ½cv²/τ²: a half-normal prior on cv.
    #[arg(long, value_name = "TAU", allow_negative_numbers = true, value_parser = prior_cv)]
    prior_cv: Option<f64>,
    #[command(flatten)]
    people: PeopleArgs,
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

/// Pairs that have been read, with the names of features and of groups.
pub(super) struct PairsRead {
    pairs: Pairs,
    features: Vec<String>,
    groups: Names,
    /// The item of every pair, if asked for.
    items: Option<Vec<u32>>,
    /// What is to say of sampling weights.
    sample: Option<String>,
}

impl TrainArgs {
    pub(crate) fn run(&self) -> Result<ExitCode, Failure> {
        let mut progress = Progress::new(self.common.quiet);
        let file = input::name_of(&self.file);
        let read = self.read(&mut progress)?;
        let options = Options {
            max_cv: self.common.max_cv,
            ridge: self.ridge,
            prior_cv: self.prior_cv,
            ..Options::default()
        };
        let (people, common) = (&self.people, &self.common);
        let summary = report_pairs("train", file, read, &options, people, common, &mut progress)?;
        drop(progress);
        Ok(present(&summary, self.common.svg.as_deref(), self.common.json)?)
    }

    fn read(&self, progress: &mut Progress) -> Result<PairsRead, String> {
        let table = Table::open(&self.file, self.common.format.map(Into::into)).map_err(|e| e.to_string())?;
        let by_default = table.columns().iter().any(|c| c == GROUP).then(|| GROUP.to_owned());
        let group = self.group.clone().or(by_default);
        let mut features = if self.features.is_empty() {
            // What is a weight, a group or an item is not a feature, too.
            let others = [self.common.weight.as_ref(), group.as_ref(), self.people.item.as_ref()];
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
        // It is a feature like any other.
        features.extend(self.position.clone().filter(|position| !features.contains(position)));
        read_pairs(table, features, group, &self.people, &self.common, progress)
    }
}

/// Reads the columns that are asked for.
pub(super) fn read_pairs(
    table: Table,
    features: Vec<String>,
    group: Option<String>,
    people: &PeopleArgs,
    common: &Common,
    progress: &mut Progress,
) -> Result<PairsRead, String> {
    let file = table.name().to_owned();
    if people.panel == Panel::On && group.is_none() {
        return Err(format!("{file}: --panel=on needs --group, the column of who chose"));
    }
    let find = |name: &String| table.column(name).map_err(|e| e.to_string());
    let mut columns = features.iter().map(find).collect::<Result<Vec<_>, _>>()?;
    let weighted = common.weight.as_ref().map(find).transpose()?;
    columns.extend(weighted);
    let group = group.as_ref().map(find).transpose()?;
    let item = people.item.as_ref().map(find).transpose()?;
    let texts: Vec<usize> = [group, item].into_iter().flatten().collect();
    let dim = features.len();
    let (mut numbers, mut weights) = (Vec::new(), weighted.map(|_| Vec::new()));
    let (mut names, mut of) = (Names::default(), group.map(|_| Vec::new()));
    let (mut items, mut of_items) = (Names::default(), item.map(|_| Vec::new()));
    let wanted = Wanted {
        numbers: &columns,
        texts: &texts,
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
            of.push(names.number(row.text(0), group, "group")?);
        }
        if let Some(of) = &mut of_items {
            of.push(items.number(row.text(usize::from(group.is_some())), item, "item")?);
        }
        Ok(())
    };
    let mut read = |bytes: u64, total: Option<u64>| progress.read(bytes, total);
    table.read(&wanted, &mut read, &mut each).map_err(|e| e.to_string())?;
    let failed = |e: LearnError| explain(&file, &e, &features);
    if numbers.is_empty() {
        return Err(format!("{file}: there are no rows"));
    }
    let mut pairs = Pairs::new(numbers, dim).map_err(failed)?;
    let mut sample = None;
    if let Some(mut weights) = weights {
        if common.sampling_weights {
            let total = TotalWeight::of_weights(&weights).map_err(failed)?;
            let factor = sample_factor(&total).map_err(|why| format!("{file}: {why}"))?;
            sample = note_sample(&total);
            weights.iter_mut().for_each(|w| *w *= factor);
        }
        pairs = pairs.with_weights(weights).map_err(failed)?;
    }
    if let Some(of) = of {
        pairs = pairs.with_groups(of).map_err(failed)?;
    }
    Ok(PairsRead { pairs, features, groups: names, items: of_items, sample })
}

/// Everything that there is to say of pairs.
#[allow(clippy::too_many_arguments, reason = "what was read, and what was asked for")]
pub(super) fn report_pairs(
    command: &'static str,
    file: String,
    read: PairsRead,
    options: &Options,
    people: &PeopleArgs,
    common: &Common,
    progress: &mut Progress,
) -> Result<Summary, String> {
    let PairsRead { pairs, features, groups: names, items, sample } = read;
    let failed = |e: LearnError| explain(&file, &e, &features);
    progress.phase("training");
    let report = learn::train_all(&pairs, options).map_err(failed)?;
    let mut panel = None;
    if report.people.is_some() && people.panel.wanted(pairs.groups().is_some(), pairs.dim()) {
        progress.phase("fitting people");
        panel = Some(learn::compare_people(&pairs, options).and_then(|people| {
            let strengths = learn::person_strengths(&pairs, people.best())?;
            Ok((people, strengths))
        }));
    }
    let fits = panel.as_ref().and_then(|panel| panel.as_ref().ok()).map(|(people, _)| people);
    let verdict = report.verdict_with(fits);
    let mut summary = Summary::of_trained(command, file.clone(), &report, &verdict, &features);
    let described_by = summary.described_by;
    if common.sampling_weights {
        summary.of_a_sample();
    }
    if command == "fit" {
        summary.position = Position::new(&report, &features, summary.standard_errors);
    }
    if options.ridge > 0.0 || options.prior_cv.is_some() {
        summary.penalties = Some(Penalties { ridge: options.ridge, prior_cv: options.prior_cv });
    }
    if let Some(folds) = common.folds {
        progress.phase("cross-validating");
        summary.cross_validated(learn::cross_validate(&pairs, options, folds));
    }
    if let Some(replicates) = common.bootstrap {
        progress.phase("drawing replicates");
        let found = learn::bootstrap_training(summary.main, &pairs, options, replicates, SEED);
        summary.bootstrapped(found.as_ref(), |found| Bootstrapped::of_trained(found, &features));
    }
    // Margins are each model's own. A collapsed family is plain DPO, and says the same.
    let mut all: Vec<&Trained> = report.fits.values().collect();
    all.extend([&report.lapsed[Family::Fixed], &report.curved]);
    let own: Vec<&Trained> = all.into_iter().filter(|fit| fit.has_own_maximum()).collect();
    let mut against: Option<Against> = None;
    let fixed = &report.fits[Family::Fixed];
    let counting = weights_of_rest(&pairs, fixed);
    let weights = counting.as_deref().or(pairs.weights());
    for fit in own {
        let margins = pairs.margins(&fit.w).map_err(failed)?;
        let curve = [(fit.model, fit.curve())];
        let (calibrated, sizes, here) = match weights {
            Some(weights) => {
                let weighted = Weighted::new(&margins, weights).map_err(failed)?;
                calibrate(&curve, weighted, common.bins)
            }
            None => calibrate(&curve, &margins[..], common.bins),
        }
        .map_err(failed)?;
        if fit.model == summary.main {
            summary.sizes = sizes;
        }
        if fit.model == summary.main && common.svg.is_some() {
            against = Some(alternatives(weights, &margins, options, here).map_err(failed)?);
        }
        summary.calibration.push(calibrated);
    }
    summary.against = against;
    let margins = pairs.margins(&fixed.w).map_err(failed)?;
    let weights_count = !common.sampling_weights;
    summary.notes = notes_of_pairs(&pairs, &features, &margins, weights, weights_count).map_err(failed)?;
    summary.notes.extend(sample);
    let names = names.list();
    if let Some(of) = pairs.groups() {
        let fit = &report.fits[described_by];
        let mut by_group = ByGroup::new(fit.strength);
        let margins = pairs.margins(&fit.w).map_err(failed)?;
        by_group.add(&margins, of, pairs.weights()).map_err(failed)?;
        let groups = groups(&by_group, &names);
        if report.people.is_none() {
            summary.notes.push(note_no_people(&groups));
        }
        summary.groups = Some(groups);
        summary.people =
            people_summary(report.people.clone(), report.people_at_best, &features, panel, &names);
    }
    if let Some(items) = &items {
        let choices = Choices::of_pairs(&pairs, &fixed.w).and_then(|choices| choices.test_items(items));
        summary.items = Some(choices.map_err(failed)?);
    }
    Ok(summary)
}

/// Weights of 0 for pairs that separated features decide: the weights that stand for infinite ones say nothing of margins.
fn weights_of_rest(pairs: &Pairs, fixed: &Trained) -> Option<Vec<f64>> {
    let decided = |f: &[f64]| fixed.separated.iter().any(|separated| f[separated.feature] != 0.0);
    let weight = |(i, f): (usize, &[f64])| match decided(f) {
        true => 0.0,
        false => pairs.weights().map_or(1.0, |w| w[i]),
    };
    (!fixed.separated.is_empty()).then(|| pairs.rows().enumerate().map(weight).collect())
}

/// Models beside each other for a picture, which has the margins of one policy: their scale and shape are fitted to
/// these.
fn alternatives(
    weights: Option<&[f64]>,
    margins: &[f64],
    options: &Options,
    own: Against,
) -> Result<Against, LearnError> {
    let options = Options { max_cv: options.max_cv, ..Options::default() };
    let found = match weights {
        Some(weights) => learn::heterogeneity(Weighted::new(margins, weights)?, &options),
        None => learn::heterogeneity(margins, &options),
    };
    // Margins that say nothing beside the features they are of.
    let Ok(found) = found else { return Ok(own) };
    let all = found.fits.values().chain([&found.lapsed[Family::Fixed], &found.curved]);
    let curves = all.filter(|fit| fit.has_own_maximum()).map(|fit| (fit.model, fit.curve())).collect();
    Ok(Against { curves, ..own })
}

/// The columns f1, f2, …, in the order of the table.
fn numbered(columns: &[String]) -> impl Iterator<Item = &String> {
    columns.iter().filter(|name| {
        name.strip_prefix('f').is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
    })
}
