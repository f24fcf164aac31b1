//! `prefstrength fit`: p(β) for given margins.

use super::failure::Failure;
use super::options::Common;
use super::people::{Panel, PeopleArgs};
use super::rows::{Names, sample_factor, weight};
use super::train::{PairsRead, report_pairs};
use crate::input::{self, Accept, Refusal, Table, Wanted};
use crate::persons::PersonSpool;
use crate::progress::Progress;
use crate::report::{
    self, Bootstrapped, SEED, Summary, calibrate, explain, note_no_people, note_sample, notes_of_margins,
    people_summary, present,
};
use crate::spool::Spool;
use clap::Args;
use prefstrength::Family;
use prefstrength_learn::{
    self as learn, ByGroup, Choices, ItemTest, LearnError, Options, People, TotalWeight,
};
use std::path::PathBuf;
use std::process::ExitCode;

/// Fit p(β) to margins of a trained policy: label noise, a strength that varies, or people who differ?
///
/// Reads a table with a column of margins, D = log-ratio of the chosen answer
/// minus that of the rejected one, one row per preference pair. Fits plain DPO
/// (Fixed), label noise, a curved margin, and a strength of each family, alone and
/// beside label noise; prints log-likelihoods, mean and cv of β, the share ε of
/// flipped labels, likelihood ratios with p-values, AIC, BIC and Vuong's z; the
/// verdict, marked =>, with the values of cv and noise that the data allow; and
/// the calibration (are choices as frequent as predicted?).
///
/// Standard errors are by the curvature of the likelihood, which takes choices for
/// independent of each other. With --group (who chose) they are those of the
/// sandwich by group, and so are all tests; it is tested whether people differ,
/// and one β per person is fitted, with the strength of each.
///
/// Margins should come from pairs that the policy was not trained on: on its own
/// training pairs it is too sure.
///
/// Memory does not grow with the file (but for the names of groups, and with --item
/// or --position): what does not fit into a small buffer goes to temporary files.
///
/// Example: prefstrength fit margins.csv --group annotator --svg pictures
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub(crate) struct FitArgs {
    /// A CSV, JSON lines or Parquet file; - is standard input.
    file: PathBuf,
    /// Column of margins.
    #[arg(long, value_name = "COLUMN", default_value = "margin")]
    margin: String,
    /// Column of groups: who chose. Other groups, as prompts or data sets, make standard errors by them, and what is said
    /// of people is then said of these.
    #[arg(long, value_name = "COLUMN")]
    group: Option<String>,
    /// Column of the position of the chosen answer, 1 where it was shown first and −1 where second: β(D + α·position)
    /// then decides. Any other feature beside the margin will do as well. The rows are kept in memory.
    #[arg(long, value_name = "COLUMN")]
    position: Option<String>,
    #[command(flatten)]
    people: PeopleArgs,
    #[command(flatten)]
    common: Common,
}

/// Margins that have been read.
struct MarginsRead {
    spool: Spool,
    groups: Names,
    /// The item of every margin, if asked for.
    items: Option<Vec<u32>>,
}

impl FitArgs {
    pub(crate) fn run(&self) -> Result<ExitCode, Failure> {
        let mut progress = Progress::new(self.common.quiet);
        let file = input::name_of(&self.file);
        if self.people.panel == Panel::On && self.group.is_none() {
            return Err(Failure::Usage("--panel=on needs --group, the column of who chose".into()));
        }
        if let Some(position) = &self.position {
            let read = self.read_pairs(position, &mut progress)?;
            let summary = report_pairs(
                "fit",
                file,
                read,
                &Options::default(),
                &self.people,
                &self.common,
                &mut progress,
            )?;
            drop(progress);
            return Ok(present(&summary, self.common.svg.as_deref(), self.common.json)?);
        }
        let MarginsRead { mut spool, groups, items } = self.read(&mut progress)?;
        let failed = |e: LearnError| explain(&file, &e, &[]);
        let mut sample = None;
        if self.common.sampling_weights {
            let total = TotalWeight::of(&mut spool).map_err(failed)?;
            spool.scale_weights(sample_factor(&total).map_err(|why| format!("{file}: {why}"))?);
            sample = note_sample(&total);
        }
        progress.phase("fitting");
        let options = Options { max_cv: self.common.max_cv, ..Options::default() };
        let report = learn::heterogeneity(progress.watch(&mut spool), &options).map_err(failed)?;
        let fixed = &report.fits[Family::Fixed];
        // Their names are wanted in the end, and their number now.
        let names = groups.list();
        let mut panel: Option<Result<(People, Vec<learn::PersonStrength>), LearnError>> = None;
        if report.people.is_some() && self.people.panel.wanted(self.group.is_some(), 1) {
            progress.phase("fitting people");
            panel = Some(PersonSpool::new(&mut spool).and_then(|mut persons| {
                let people = learn::compare_people_of_margins(fixed, progress.watch(&mut persons), &options)?;
                let strengths = learn::person_strengths_of_margins(&mut persons, people.best())?;
                Ok((people, strengths))
            }));
        }
        let people = panel.as_ref().and_then(|panel| panel.as_ref().ok()).map(|(people, _)| people);
        let verdict = report.verdict_with(people);
        let mut summary = Summary::of_fit(file.clone(), &report, &verdict);
        if let Some(folds) = self.common.folds {
            progress.phase("cross-validating");
            summary.cross_validated(learn::cross_validate_margins(&mut spool, &options, folds));
        }
        if let Some(replicates) = self.common.bootstrap {
            progress.phase("drawing replicates");
            let found = learn::bootstrap(summary.main, &mut spool, &options, replicates, SEED);
            summary.bootstrapped(found.as_ref(), Bootstrapped::of_fit);
        }
        progress.phase("calibrating");
        let curves: Vec<_> = summary.models().map(|f| (f.of, f.curve)).collect();
        let calibration = calibrate(&curves, progress.watch(&mut spool), self.common.bins);
        let (calibrated, sizes, against) = calibration.map_err(failed)?;
        (summary.calibration, summary.sizes, summary.against) = (vec![calibrated], sizes, Some(against));
        progress.phase("looking at extreme margins");
        let weights_count = self.common.weight.is_some() && !self.common.sampling_weights;
        summary.notes = notes_of_margins(progress.watch(&mut spool), weights_count).map_err(failed)?;
        summary.notes.extend(sample);
        if self.common.sampling_weights {
            summary.of_a_sample();
        }
        if let Some(items) = &items {
            progress.phase("looking at items");
            summary.items = self.test_items(&mut spool, fixed, items).map_err(failed)?;
        }
        if self.group.is_some() {
            progress.phase("looking at groups");
            let family = summary.described_by;
            let mut by_group = ByGroup::new(report.fits[family].strength);
            let done = spool.pass(&mut |margins, weights, groups| by_group.add(margins, groups, weights));
            done.map_err(failed)?;
            let groups = report::groups(&by_group, &names);
            if report.people.is_none() {
                summary.notes.push(note_no_people(&groups));
            }
            summary.groups = Some(groups);
            summary.people = people_summary(report.people.clone(), report.people_at_best, &[], panel, &names);
        }
        drop(progress);
        Ok(present(&summary, self.common.svg.as_deref(), self.common.json)?)
    }

    /// The columns asked for, and where they are.
    fn read(&self, progress: &mut Progress) -> Result<MarginsRead, String> {
        let table = Table::open(&self.file, self.common.format.map(Into::into)).map_err(|e| e.to_string())?;
        let find = |name: &String| table.column(name).map_err(|e| e.to_string());
        let margin = find(&self.margin)?;
        let weighted = self.common.weight.as_ref().map(find).transpose()?;
        let group = self.group.as_ref().map(find).transpose()?;
        let item = self.people.item.as_ref().map(find).transpose()?;
        let columns: Vec<usize> = [Some(margin), weighted].into_iter().flatten().collect();
        let texts: Vec<usize> = [group, item].into_iter().flatten().collect();
        let wanted = Wanted {
            numbers: &columns,
            texts: &texts,
            // The weight is the second number.
            accept: if weighted.is_some() { Accept::Masked(1) } else { Accept::Finite },
        };
        let (mut spool, mut names) = (Spool::new(weighted.is_some(), group.is_some()), Names::default());
        let (mut items, mut of_items) = (Names::default(), item.map(|_| Vec::new()));
        let failed = |e: std::io::Error| Refusal { column: None, why: format!("temporary file: {e}") };
        let mut each = |row: &input::Row<'_>| {
            let w = match (weighted, row.numbers.get(1)) {
                (Some(column), Some(&w)) => weight(w, column)?,
                _ => 1.0,
            };
            let of = if group.is_some() { names.number(row.text(0), group, "group")? } else { 0 };
            if let Some(to) = &mut of_items {
                to.push(items.number(row.text(usize::from(group.is_some())), item, "item")?);
            }
            spool.push(row.numbers[0], w, of).map_err(failed)
        };
        let mut read = |bytes: u64, total: Option<u64>| progress.read(bytes, total);
        table.read(&wanted, &mut read, &mut each).map_err(|e| e.to_string())?;
        spool.finish().map_err(|e| format!("temporary file: {e}"))?;
        Ok(MarginsRead { spool, groups: names, items: of_items })
    }

    /// Margin and position as pairs of two features.
    fn read_pairs(&self, position: &str, progress: &mut Progress) -> Result<PairsRead, String> {
        let table = Table::open(&self.file, self.common.format.map(Into::into)).map_err(|e| e.to_string())?;
        let features = vec![self.margin.clone(), position.to_owned()];
        super::train::read_pairs(table, features, self.group.clone(), &self.people, &self.common, progress)
    }

    fn test_items(
        &self,
        spool: &mut Spool,
        fixed: &learn::Fit,
        items: &[u32],
    ) -> Result<Option<ItemTest>, LearnError> {
        if fixed.status != learn::FitStatus::Fixed {
            return Ok(None);
        }
        let (mut all, mut weights, mut groups) = (Vec::new(), Vec::new(), Vec::new());
        spool.pass(&mut |margins, of, by| {
            all.extend_from_slice(margins);
            weights.extend(of.unwrap_or_default());
            groups.extend_from_slice(by);
            Ok(())
        })?;
        let weights = (!weights.is_empty()).then_some(&weights[..]);
        let choices = Choices::of_margins(&all, weights, fixed.strength.mean())?;
        let choices = if groups.is_empty() { choices } else { choices.with_groups(&groups)? };
        choices.test_items(items).map(Some)
    }
}
