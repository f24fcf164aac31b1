//! `prefstrength evaluate`: losses for the rows of a table.

use super::failure::Failure;
use super::options::FormatName;
use crate::evaluation::{Function, LAPSE, Path, Task, check, of_panel, of_row, of_rows};
use crate::input::{Accept, InputError, Refusal, Row, Table, Wanted};
use crate::output::write_to;
use crate::printable::short;
use clap::Args;
use clap::builder::PossibleValuesParser;
use csv::StringRecord;
use prefstrength::Family;
use prefstrength::batch::Number;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// The columns of each family, for the help.
fn parameter_columns() -> String {
    let columns = Family::ALL.map(|family| format!("  {family}: {}", family.symbols().join(",")));
    format!(
        "Columns of parameters, beside `margin`:\n{}\n  --family: mean,cv\n\
         Column `lapse`, if it is there: the chance that the label was flipped; its derivative is dnll_dlapse.\n\
         --function panel: mean,cv,margins, the margins of all choices of a person separated by `;`; --family",
        columns.join("\n")
    )
}

/// Losses, gradients and posteriors for the rows of a table, each with its own parameters.
///
/// The table has `margin` and the columns of a family's parameters, listed below; with --family, `mean,cv`; and
/// optionally `lapse`. The output is CSV: other columns pass through, and results are appended as columns: shortest decimals that parse back to the
/// same number.
///
/// Example: prefstrength evaluate rows.csv --path direct -o results.csv
#[derive(Args, Debug)]
#[command(after_help = parameter_columns())]
pub(crate) struct EvaluateArgs {
    /// A CSV, JSON lines or Parquet file; - is standard input.
    #[arg(default_value = "-")]
    file: PathBuf,
    /// The format of the file; by default by its name (.csv, .jsonl, .ndjson, .parquet), else by how it begins.
    #[arg(long, value_enum)]
    format: Option<FormatName>,
    /// The family of p(β) whose mean and cv the columns `mean,cv` hold.
    #[arg(long, value_parser = PossibleValuesParser::new(Family::ALL.map(Family::name)))]
    family: Option<String>,
    /// Number type of inputs, computation on the batch paths, and results: f64 or f32.
    #[arg(long, default_value = "f64", value_parser = ["f64", "f32"])]
    precision: String,
    /// `loss`; `panel`: the log-likelihood of all choices of a person, who draws β once; or `lerch`: Φ(−1, s, a) of the
    /// columns s and a.
    #[arg(long, default_value = "loss", value_parser = ["loss", "panel", "lerch"])]
    function: String,
    /// `scalar`: all results, row by row. `direct`: losses and first derivatives by the batch kernels. `plan`: the
    /// same by one table for every set of parameters, which holds the file in memory. `gpu`: direct, on a GPU (f32).
    #[arg(long, default_value = "scalar", value_parser = ["scalar", "direct", "plan", "gpu"])]
    path: String,
    /// Vector registers of direct and plan: scalar, portable, avx2, avx512; by default the best of this machine.
    #[arg(long)]
    level: Option<String>,
    /// Write here instead of to standard output; the file appears when it is complete.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Bytes of rows that wait for the end of their batch: a few long rows make a short batch.
const HELD: usize = 64 << 20;

impl EvaluateArgs {
    pub(crate) fn run(&self) -> Result<ExitCode, Failure> {
        let path = Path::new(&self.path, self.level.as_deref()).map_err(Failure::Usage)?;
        let (single, lerch) = (self.precision == "f32", self.function == "lerch");
        let panel = self.function == "panel";
        let wrong = |message: &str| Err(Failure::Usage(message.into()));
        match () {
            () if path == Path::Gpu && !single => return wrong("--path gpu goes with --precision f32"),
            () if lerch && single => return wrong("--function lerch goes with --precision f64"),
            () if lerch && path != Path::Scalar => {
                return wrong("--function lerch has the scalar path alone");
            }
            () if lerch && self.family.is_some() => return wrong("--function lerch has no --family"),
            () if panel && matches!(path, Path::Plan(_) | Path::Gpu) => {
                return wrong("--function panel has the paths scalar and direct");
            }
            () if panel && self.family.is_none() => return wrong("--function panel needs --family"),
            () => {}
        }
        let failed = |e: InputError| e.to_string();
        let table = Table::open(&self.file, self.format.map(Into::into)).map_err(failed)?;
        let (task, columns) = if lerch {
            let task = Task { function: Function::Lerch, lapse: false };
            let columns = task.numbers().map(|name| table.column(name)).collect::<Result<_, _>>();
            (task, columns.map_err(failed)?)
        } else if panel {
            self.panel(&table).map_err(failed)?
        } else {
            self.loss(&table).map_err(failed)?
        };
        write_to(self.output.as_deref(), |out| match single {
            true => run::<f32>(task, path, table, &columns, out),
            false => run::<f64>(task, path, table, &columns, out),
        })?;
        Ok(ExitCode::SUCCESS)
    }

    /// What the columns of a table ask for, and where its inputs are.
    fn loss(&self, table: &Table) -> Result<(Task, Vec<usize>), InputError> {
        let margin = table.column("margin")?;
        // The columns of a task, if they are all there.
        let lapse = table.find(LAPSE)?.is_some();
        let find = |function: Function| -> Result<Option<(Task, Vec<usize>)>, InputError> {
            let task = Task { function, lapse };
            let columns: Option<Vec<usize>> =
                task.numbers().map(|name| table.find(name)).collect::<Result<_, _>>()?;
            Ok(columns.map(|columns| (task, [vec![margin], columns].concat())))
        };
        let list = |names: &[&str]| names.join(",");
        let mut native = None;
        for family in Family::ALL {
            if let Some(found) = find(Function::Native(family))? {
                if native.is_some() {
                    return Err(table.refuse("the columns hold the parameters of more than one family"));
                }
                native = Some((family, found));
            }
        }
        let asked = self.family.as_deref().and_then(|name| name.parse().ok());
        // Without --family these two are columns as any other.
        let by_mean_cv = match asked {
            Some(family) => find(Function::MeanCv(family))?,
            None => None,
        };
        match (native, asked, by_mean_cv) {
            (Some((family, _)), Some(asked), _) if family != asked => Err(table.refuse(format!(
                "the columns `{}` are of the family {}, not {}",
                list(family.symbols()),
                family.name(),
                asked.name()
            ))),
            (Some((family, _)), _, Some(_)) => Err(table.refuse(format!(
                "there are both `{}` and `mean,cv`: leave out --family, or one of the two",
                list(family.symbols())
            ))),
            (Some((_, found)), ..) | (None, _, Some(found)) => Ok(found),
            (None, Some(family), None) => Err(table.refuse(format!(
                "needs `mean,cv` or `{}` beside `margin`; the columns are {}",
                list(family.symbols()),
                table.names()
            ))),
            (None, None, None) if table.find("mean")?.and(table.find("cv")?).is_some() => {
                let names = Family::ALL.map(Family::name);
                Err(table.refuse(format!("the columns `mean,cv` need --family {}", names.join("|"))))
            }
            (None, None, None) => {
                let native = Family::ALL.map(|family| format!("`{}`", list(family.symbols())));
                Err(table.refuse(format!(
                    "needs {} or `mean,cv` beside `margin`; the columns are {}",
                    native.join(", "),
                    table.names()
                )))
            }
        }
    }
}

impl EvaluateArgs {
    /// What the columns of a table of persons ask for, and where its inputs are: the numbers, then the margins.
    fn panel(&self, table: &Table) -> Result<(Task, Vec<usize>), InputError> {
        let family = self.family.as_deref().and_then(|name| name.parse().ok()).unwrap_or(Family::Gamma);
        let task = Task { function: Function::Panel(family), lapse: table.find(LAPSE)?.is_some() };
        let mut columns = task.numbers().map(|name| table.column(name)).collect::<Result<Vec<_>, _>>()?;
        columns.push(table.column("margins")?);
        Ok((task, columns))
    }
}

/// Margins of one person's choices, separated by `;`.
fn margins_of<T: Number>(cell: &str) -> Result<Vec<T>, String> {
    let one = |text: &str| {
        let text = text.trim();
        // By way of f64 an f32 would be rounded twice.
        let number = match size_of::<T>() == size_of::<f32>() {
            true => text.parse::<f32>().map(f64::from),
            false => text.parse::<f64>(),
        };
        number.map(T::from_f64).map_err(|_| format!("`{}` is not a number", short(text)))
    };
    cell.split(';').map(one).collect()
}

/// Results of all rows; those before a bad one are written, too.
fn run<T: Number>(
    task: Task,
    path: Path,
    table: Table,
    columns: &[usize],
    out: &mut dyn Write,
) -> Result<(), String> {
    // The margins of a panel are a text.
    let panel = matches!(task.function, Function::Panel(_));
    let (columns, margins) = match columns.split_last() {
        Some((&margins, numbers)) if panel => (numbers, margins),
        _ => (columns, 0),
    };
    let mut results = Results::<T>::new(task, path, table.columns(), columns.len(), out);
    let all: Vec<usize> = (0..table.columns().len()).collect();
    let single = size_of::<T>() == size_of::<f32>();
    let wanted = Wanted { numbers: columns, texts: &all, accept: Accept::Everything { single } };
    // What goes wrong with the output is no fault of the row that it happens at.
    let mut output = Ok(());
    let mut each = |row: &Row<'_>| {
        let refused = |why: String| Refusal { column: None, why };
        let x: Vec<T> = row.numbers.iter().map(|&x| T::from_f64(x)).collect();
        let record: StringRecord = all.iter().map(|&column| row.text(column)).collect();
        output = if panel {
            let refused = |why: String| Refusal { column: Some(margins), why };
            let values = margins_of(row.text(margins)).map_err(refused)?;
            let values = of_panel(task, path, &x, &values).map_err(|why| Refusal { column: None, why })?;
            results.write(&record, &values)
        } else if path == Path::Scalar {
            let values = of_row(task, &x).map_err(refused)?;
            results.write(&record, &values)
        } else {
            check(task, &x).map_err(refused)?;
            results.hold(record, &x)
        };
        output.clone().map_err(refused)
    };
    let read = table.read(&wanted, &mut |_, _| {}, &mut each);
    output?;
    if read.as_ref().is_err_and(|e| !e.is_of_a_row()) {
        return read.map(|_| ()).map_err(|e| e.to_string());
    }
    results.finish()?;
    read.map(|_| ()).map_err(|e| e.to_string())
}

/// The output, and rows that wait to be evaluated together.
struct Results<'a, T> {
    task: Task,
    path: Path,
    writer: csv::Writer<&'a mut dyn Write>,
    /// The header, until it is written: the first row may show that the file is none.
    header: Option<Vec<String>>,
    records: Vec<StringRecord>,
    inputs: Vec<Vec<T>>,
    bytes: usize,
}

impl<'a, T: Number> Results<'a, T> {
    fn new(task: Task, path: Path, names: &[String], inputs: usize, out: &'a mut dyn Write) -> Self {
        let mut header = names.to_vec();
        header.extend(task.outputs(path == Path::Scalar));
        Self {
            task,
            path,
            writer: csv::Writer::from_writer(out),
            header: Some(header),
            records: Vec::new(),
            inputs: vec![Vec::new(); inputs],
            bytes: 0,
        }
    }

    fn write(&mut self, record: &StringRecord, values: &[T]) -> Result<(), String> {
        let failed = |e: csv::Error| format!("output: {e}");
        if let Some(header) = self.header.take() {
            self.writer.write_record(&header).map_err(failed)?;
        }
        let texts = record.iter().map(String::from);
        // As `{:?}`: the shortest decimal, with an exponent where that is shorter.
        self.writer.write_record(texts.chain(values.iter().map(|x| format!("{x:?}")))).map_err(failed)
    }

    fn hold(&mut self, record: StringRecord, x: &[T]) -> Result<(), String> {
        self.bytes += record.as_slice().len();
        self.records.push(record);
        self.inputs.iter_mut().zip(x).for_each(|(column, &x)| column.push(x));
        let full = self.bytes >= HELD && !matches!(self.path, Path::Plan(_));
        if full || self.records.len() >= self.path.rows_at_once() { self.release() } else { Ok(()) }
    }

    /// Evaluates and writes the rows that wait.
    fn release(&mut self) -> Result<(), String> {
        if self.records.is_empty() {
            return Ok(());
        }
        let results = of_rows(self.task, self.path, &self.inputs)?;
        self.inputs.iter_mut().for_each(Vec::clear);
        self.bytes = 0;
        for (i, record) in std::mem::take(&mut self.records).iter().enumerate() {
            let values: Vec<T> = results.iter().map(|column| column[i]).collect();
            self.write(record, &values)?;
        }
        Ok(())
    }

    fn finish(mut self) -> Result<(), String> {
        self.release()?;
        if let Some(header) = self.header.take() {
            self.writer.write_record(&header).map_err(|e| format!("output: {e}"))?;
        }
        self.writer.flush().map_err(|e| format!("output: {e}"))
    }
}
