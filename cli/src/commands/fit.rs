//! `prefstrength fit`: p(β) for given margins.

use super::failure::Failure;
use super::options::Common;
use super::rows::{Names, weight};
use crate::input::{self, Accept, Refusal, Table, Wanted};
use crate::progress::Progress;
use crate::report::{self, FamilySummary, Groups, Summary, calibrate, explain, fitted, present};
use crate::spool::Spool;
use clap::Args;
use prefstrength::{Family, PerFamily};
use prefstrength_learn::{self as learn, ByGroup, LearnError, Options};
use prefstrength_learn::{Comparison, Fit};
use std::path::PathBuf;
use std::process::ExitCode;

/// Fit p(β) to margins of a trained policy, and test whether its spread is real.
///
/// Reads a table with a column of margins, D = log-ratio of the chosen answer
/// minus that of the rejected one, one row per preference pair, and fits a
/// strength of each family; Fixed is plain DPO. Prints for each the
/// log-likelihood, mean and cv of β with standard errors, the likelihood ratio
/// against plain DPO with its p-value, AIC and BIC; then a score test of
/// heterogeneity, the verdict, the calibration (are choices as frequent as
/// predicted?), and with --group who decides strongly and who weakly.
///
/// Margins should come from pairs that the policy was not trained on: on its own
/// training pairs it is too sure.
///
/// Memory does not grow with the file (but for the names of groups): what does not
/// fit into a small buffer goes to a temporary file.
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
    /// Column of groups: annotators, prompts, data sets.
    #[arg(long, value_name = "COLUMN")]
    group: Option<String>,
    #[command(flatten)]
    common: Common,
}

impl FitArgs {
    pub(crate) fn run(&self) -> Result<ExitCode, Failure> {
        let mut progress = Progress::new(self.common.quiet);
        let file = input::name_of(&self.file);
        let (mut spool, names) = self.read(&mut progress)?;
        let failed = |e: LearnError| explain(&file, &e, &[]);
        progress.phase("fitting");
        let options = Options { max_cv: self.common.max_cv, ..Options::default() };
        let report = learn::heterogeneity(progress.watch(&mut spool), &options).map_err(failed)?;
        let families = PerFamily::from_fn(|family| FamilySummary::of_fit(&report, family));
        progress.phase("calibrating");
        let calibration = calibrate(&fitted(&families), progress.watch(&mut spool), self.common.bins);
        let (calibrated, sizes) = calibration.map_err(failed)?;
        let rows = (report.fits[Family::Fixed].number, report.fits[Family::Fixed].weight);
        let best = (report.best_by_aic(), report.best_by_bic());
        let verdict = report.verdict();
        let mut summary = Summary::new("fit", file, rows, verdict, report.score, best, families);
        (summary.calibration, summary.sizes) = (vec![calibrated], sizes);
        if self.group.is_some() {
            progress.phase("looking at groups");
            let groups = self.groups(&mut spool, &names.list(), &report, summary.described_by);
            summary.groups = Some(groups.map_err(|e| explain(&summary.file, &e, &[]))?);
        }
        drop(progress);
        Ok(present(&summary, self.common.svg.as_deref(), self.common.json)?)
    }

    fn read(&self, progress: &mut Progress) -> Result<(Spool, Names), String> {
        let table = Table::open(&self.file, self.common.format.map(Into::into)).map_err(|e| e.to_string())?;
        let find = |name: &String| table.column(name).map_err(|e| e.to_string());
        let margin = find(&self.margin)?;
        let weighted = self.common.weight.as_ref().map(find).transpose()?;
        let group = self.group.as_ref().map(find).transpose()?;
        let columns: Vec<usize> = [Some(margin), weighted].into_iter().flatten().collect();
        let wanted = Wanted {
            numbers: &columns,
            texts: group.as_slice(),
            // The weight is the second number.
            accept: if weighted.is_some() { Accept::Masked(1) } else { Accept::Finite },
        };
        let (mut spool, mut names) = (Spool::new(weighted.is_some(), group.is_some()), Names::default());
        let failed = |e: std::io::Error| Refusal { column: None, why: format!("temporary file: {e}") };
        let mut each = |row: &input::Row<'_>| {
            let w = match (weighted, row.numbers.get(1)) {
                (Some(column), Some(&w)) => weight(w, column)?,
                _ => 1.0,
            };
            let of = if group.is_some() { names.number(row.text(0), group)? } else { 0 };
            spool.push(row.numbers[0], w, of).map_err(failed)
        };
        let mut read = |bytes: u64, total: Option<u64>| progress.read(bytes, total);
        table.read(&wanted, &mut read, &mut each).map_err(|e| e.to_string())?;
        spool.finish().map_err(|e| format!("temporary file: {e}"))?;
        Ok((spool, names))
    }

    fn groups(
        &self,
        spool: &mut Spool,
        names: &[String],
        report: &Comparison<Fit>,
        family: Family,
    ) -> Result<Groups, LearnError> {
        let mut by_group = ByGroup::new(report.fits[family].strength);
        spool.pass(&mut |margins, weights, groups| by_group.add(margins, groups, weights))?;
        Ok(report::groups(&by_group, names))
    }
}
