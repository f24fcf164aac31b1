//! `prefstrength fit`: p(β) for given margins.

use crate::Common;
use crate::describe::{self, calibrate, explain, fitted};
use crate::input::{Refusal, Table, printable};
use crate::progress::Progress;
use crate::spool::Spool;
use crate::summary::{Described, Groups, Summary};
use crate::text::present;
use clap::Args;
use prefstrength::learn::{self, ByGroup, Family, LearnError, Options};
use std::collections::HashMap;
use std::path::PathBuf;
use std::process::ExitCode;

/// Fit p(β) to margins of a trained policy, and test whether its spread is real.
///
/// Reads a table with a column of margins, D = log-ratio of the chosen answer
/// minus that of the rejected one, one row per preference pair, and fits Fixed
/// (plain DPO), Gamma and LogNormal strengths. Prints for each family the
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
#[derive(Args)]
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

/// Group names by the number that they got: in the order in which they appear.
#[derive(Default)]
pub(crate) struct Names(HashMap<Box<str>, u32>);

impl Names {
    pub(crate) fn number(&mut self, name: &str, column: Option<usize>) -> Result<u32, Refusal> {
        let name = name.trim();
        if let Some(&number) = self.0.get(name) {
            return Ok(number);
        }
        if name.is_empty() {
            return Err(Refusal { column, why: "the group is empty".into() });
        }
        let number = u32::try_from(self.0.len())
            .map_err(|_| Refusal { column, why: "there are too many groups".into() })?;
        self.0.insert(name.into(), number);
        Ok(number)
    }

    pub(crate) fn list(self) -> Vec<String> {
        let mut names = vec![String::new(); self.0.len()];
        for (name, number) in self.0 {
            names[number as usize] = name.into();
        }
        names
    }
}

/// Refuses a weight that is negative.
pub(crate) fn weight(weight: f64, column: usize) -> Result<f64, Refusal> {
    if weight < 0.0 {
        return Err(Refusal { column: Some(column), why: format!("the weight {weight} is negative") });
    }
    Ok(weight)
}

/// What messages call the file.
pub(crate) fn name(file: &std::path::Path) -> String {
    if file == std::path::Path::new("-") {
        "standard input".into()
    } else {
        printable(&file.to_string_lossy())
    }
}

impl FitArgs {
    pub(crate) fn run(&self) -> Result<ExitCode, String> {
        let mut progress = Progress::new(self.common.quiet);
        let file = name(&self.file);
        let (mut spool, names) = self.read(&mut progress)?;
        let failed = |e: LearnError| explain(&file, &e, &[]);
        progress.phase("fitting");
        let options = Options { max_cv: self.common.max_cv, ..Options::default() };
        let report = learn::heterogeneity(progress.watch(&mut spool), &options).map_err(failed)?;
        let families = Family::ALL.map(|family| Described::of_fit(&report, family));
        progress.phase("calibrating");
        let calibration = calibrate(&fitted(&families), progress.watch(&mut spool), self.common.bins);
        let (calibrated, sizes) = calibration.map_err(failed)?;
        let rows = (report.fixed.number, report.fixed.weight);
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
        present(&summary, &self.common)
    }

    fn read(&self, progress: &mut Progress) -> Result<(Spool, Names), String> {
        let table = Table::open(&self.file, self.common.format.map(Into::into)).map_err(|e| e.to_string())?;
        let find = |name: &String| table.column(name).map_err(|e| e.to_string());
        let margin = find(&self.margin)?;
        let weighted = self.common.weight.as_ref().map(find).transpose()?;
        let group = self.group.as_ref().map(find).transpose()?;
        let columns: Vec<usize> = [Some(margin), weighted].into_iter().flatten().collect();
        let (mut spool, mut names) = (Spool::new(weighted.is_some(), group.is_some()), Names::default());
        let failed = |e: std::io::Error| Refusal { column: None, why: format!("temporary file: {e}") };
        let mut each = |row: &crate::input::Row<'_>| {
            let w = match (weighted, row.numbers.get(1)) {
                (Some(column), Some(&w)) => weight(w, column)?,
                _ => 1.0,
            };
            let of = row.group.map_or(Ok(0), |name| names.number(name, group))?;
            spool.push(row.numbers[0], w, of).map_err(failed)
        };
        let mut read = |bytes: u64, total: Option<u64>| progress.read(bytes, total);
        table.read(&columns, group, &mut read, &mut each).map_err(|e| e.to_string())?;
        spool.finish().map_err(|e| format!("temporary file: {e}"))?;
        Ok((spool, names))
    }

    fn groups(
        &self,
        spool: &mut Spool,
        names: &[String],
        report: &learn::Report,
        family: Family,
    ) -> Result<Groups, LearnError> {
        let mut by_group = ByGroup::new(report.fit(family).beta);
        spool.pass(&mut |margins, weights, groups| by_group.add(margins, groups, weights))?;
        Ok(describe::groups(&by_group, names))
    }
}
