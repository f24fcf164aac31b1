//! Losses, gradients and posteriors for the rows of a CSV file: the example `evaluate` and `prefstrength evaluate`.

#[path = "on_gpu.rs"]
mod on_gpu;
#[path = "rows.rs"]
mod rows;

use prefstrength::batch::{self, Batch, BatchError, PerElement, Plan};
use prefstrength::lerch::lerch_phi_m1_gradient;
use prefstrength::{Fixed, Gamma, Level, LogNormal, ParamError, Real, Strength};
use rows::Rows;
use std::error::Error;
use std::fmt::Display;
use std::io::{Read, Write};
use std::str::FromStr;

/// How losses are evaluated.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Path {
    Scalar,
    Direct(Level),
    Plan(Level),
    Gpu,
}

impl Path {
    /// Rows that are evaluated together.
    fn rows_at_once(self) -> usize {
        match self {
            Self::Scalar => 1,
            Self::Direct(_) => 4096,
            Self::Plan(_) => usize::MAX,
            Self::Gpu => 1 << 20,
        }
    }
}

/// What a header asks for.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Task {
    Fixed,
    Gamma,
    LogNormal,
    Lerch,
}

impl Task {
    const LOSSES: [Self; 3] = [Self::Gamma, Self::LogNormal, Self::Fixed];

    /// Input columns beside `margin`.
    fn parameters(self) -> &'static [&'static str] {
        match self {
            Self::Fixed => &["beta"],
            Self::Gamma => &["k", "theta"],
            Self::LogNormal => &["mu", "sigma"],
            Self::Lerch => &["s", "a"],
        }
    }

    fn outputs(self, path: Path) -> Vec<String> {
        if self == Self::Lerch {
            return ["phi", "dphi_ds", "dphi_da", "scaled", "log_phi"].map(String::from).to_vec();
        }
        let scalar = path == Path::Scalar;
        let names: &[&str] = match scalar {
            true => &["expected_sigmoid", "nll", "dnll_dmargin", "d2nll_dmargin2"],
            false => &["nll", "dnll_dmargin"],
        };
        let mut names: Vec<_> = names.iter().copied().map(String::from).collect();
        names.extend(self.parameters().iter().map(|p| format!("dnll_d{p}")));
        if scalar {
            names.extend(["posterior_mean", "posterior_variance"].map(String::from));
        }
        names
    }
}

/// The eight columns of a loss row, one derivative fewer for [`Fixed`].
fn loss_row<T: Real, S: Strength<T>>(
    strength: &S,
    margin: T,
    native: impl Fn(S::Gradient) -> Vec<T>,
) -> Vec<T> {
    let posterior = strength.posterior(margin);
    let gradient = native(strength.nll_gradient(margin));
    let mut row =
        vec![strength.expected_sigmoid(margin), gradient[0], gradient[1], strength.nll_d2_margin(margin)];
    row.extend_from_slice(&gradient[2..]);
    row.extend([posterior.mean, posterior.variance]);
    row
}

fn evaluate<T: Real>(task: Task, x: &[T]) -> Result<Vec<T>, Box<dyn Error>> {
    Ok(match task {
        Task::Fixed => loss_row(&Fixed::new(x[1])?, x[0], |g| vec![g.value, g.d_margin, g.d_beta]),
        Task::Gamma => loss_row(&Gamma::from_shape_scale(x[1], x[2])?, x[0], |g| {
            vec![g.value, g.d_margin, g.d_shape, g.d_scale]
        }),
        Task::LogNormal => loss_row(&LogNormal::from_mu_sigma(x[1], x[2])?, x[0], |g| {
            vec![g.value, g.d_margin, g.d_mu, g.d_sigma]
        }),
        Task::Lerch => {
            let phi = lerch_phi_m1_gradient(x[0].to_f64(), x[1].to_f64());
            if phi.scaled.is_nan() {
                return Err("s and a must be positive, at least 2.3e-308 and at most 1e300".into());
            }
            [phi.value, phi.d_s, phi.d_a, phi.scaled, phi.ln].map(T::from_f64).to_vec()
        }
    })
}

/// Whether a row's parameters are of its family; all paths refuse the same rows.
fn check<T: Real>(task: Task, x: &[T]) -> Result<(), ParamError> {
    match task {
        Task::Fixed => Fixed::new(x[1]).map(|_| ()),
        Task::Gamma => Gamma::from_shape_scale(x[1], x[2]).map(|_| ()),
        Task::LogNormal => LogNormal::from_mu_sigma(x[1], x[2]).map(|_| ()),
        Task::Lerch => Ok(()),
    }
}

/// Loss, d_margin and the native derivatives of every row, by columns like the inputs.
fn by_batch<T: Real>(task: Task, path: Path, inputs: &[Vec<T>]) -> Result<Vec<Vec<T>>, BatchError> {
    let margins = &inputs[0];
    let mut results = vec![vec![T::zero(); margins.len()]; 1 + inputs.len()];
    match (path, task) {
        (Path::Direct(level), _) => {
            let loss = match task {
                Task::Fixed | Task::Lerch => PerElement::new(Family::Fixed, &[&inputs[1]]),
                Task::Gamma => PerElement::gamma(&inputs[1], &inputs[2]),
                Task::LogNormal => PerElement::lognormal(&inputs[1], &inputs[2]),
            };
            loss?.with_level(level).evaluate(&Batch::new(margins), into(&mut results))?;
        }
        (Path::Plan(level), Task::Gamma) => {
            let gamma = |i: usize| Gamma::from_shape_scale(inputs[1][i], inputs[2][i]);
            by_plans(level, inputs, gamma, &mut results)?;
        }
        (Path::Plan(level), Task::LogNormal) => {
            let lognormal = |i: usize| LogNormal::from_mu_sigma(inputs[1][i], inputs[2][i]);
            by_plans(level, inputs, lognormal, &mut results)?;
        }
        (Path::Plan(level), _) => by_plans(level, inputs, |i| Fixed::new(inputs[1][i]), &mut results)?,
        (Path::Scalar | Path::Gpu, _) => {}
    }
    Ok(results)
}

/// The same on the GPU, in f32, which the numbers are.
fn by_gpu<T: Real>(task: Task, inputs: &[Vec<T>]) -> Result<Vec<Vec<T>>, String> {
    let narrow = |column: &Vec<T>| -> Vec<f32> { column.iter().map(|&x| Real::to_f64(x) as f32).collect() };
    let columns: Vec<_> = inputs.iter().map(narrow).collect();
    let losses = match task {
        Task::Fixed | Task::Lerch => PerElement::new(Family::Fixed, &[&columns[1]]),
        Task::Gamma => PerElement::gamma(&columns[1], &columns[2]),
        Task::LogNormal => PerElement::lognormal(&columns[1], &columns[2]),
    };
    let mut results = vec![vec![0.0; columns[0].len()]; 1 + columns.len()];
    on_gpu::evaluate(&losses.map_err(|e| e.to_string())?, &columns[0], into(&mut results))?;
    Ok(results.iter().map(|column| column.iter().map(|&x| T::from_f64(x.into())).collect()).collect())
}

/// A batch's rows into columns.
fn into<T: Real>(columns: &mut [Vec<T>]) -> batch::Rows<'_, T> {
    let rows = batch::Rows::new();
    match columns {
        [nll, d_margin, p] => rows.nll(nll).d_margin(d_margin).d_params([p]),
        [nll, d_margin, p0, p1] => rows.nll(nll).d_margin(d_margin).d_params([p0, p1]),
        _ => rows,
    }
}

/// A plan per set of parameters, evaluated on all of its rows.
fn by_plans<T: Real, S: Strength<T>>(
    level: Level,
    inputs: &[Vec<T>],
    strength: impl Fn(usize) -> Result<S, ParamError>,
    results: &mut [Vec<T>],
) -> Result<(), BatchError> {
    let bits = |i: usize| inputs[1..].iter().map(move |column| column[i].to_f64().to_bits());
    let mut order: Vec<usize> = (0..inputs[0].len()).collect();
    order.sort_by(|&i, &j| bits(i).cmp(bits(j)));
    let mut plan: Option<Box<Plan<T, S>>> = None;
    for group in order.chunk_by(|&i, &j| bits(i).eq(bits(j))) {
        let beta = strength(group[0]).map_err(|error| BatchError::Param { index: group[0], error })?;
        let plan = plan.get_or_insert_with(|| Box::new(Plan::with_level(&beta, level)));
        plan.prepare(&beta);
        let margins: Vec<T> = group.iter().map(|&i| inputs[0][i]).collect();
        let mut columns = vec![vec![T::zero(); group.len()]; results.len()];
        plan.evaluate(&Batch::new(&margins), into(&mut columns))?;
        for (to, from) in results.iter_mut().zip(&columns) {
            group.iter().zip(from).for_each(|(&i, &x)| to[i] = x);
        }
    }
    Ok(())
}

/// The one position of `name`.
fn column(header: &csv::StringRecord, name: &str) -> Result<Option<usize>, String> {
    let mut found = header.iter().enumerate().filter(|(_, h)| *h == name).map(|(i, _)| i);
    match (found.next(), found.next()) {
        (first, None) => Ok(first),
        _ => Err(format!("header: the column `{name}` occurs twice")),
    }
}

/// The task and the positions of its inputs.
fn plan(header: &csv::StringRecord, lerch: bool) -> Result<(Task, Vec<usize>), String> {
    let find = |names: &[&str]| -> Result<Option<Vec<usize>>, String> {
        names.iter().map(|n| column(header, n)).collect()
    };
    if lerch {
        let columns = find(&["s", "a"])?.ok_or("header: needs the columns `s` and `a`")?;
        return Ok((Task::Lerch, columns));
    }
    let margin = column(header, "margin")?.ok_or("header: needs the column `margin`")?;
    let mut chosen = None;
    for task in Task::LOSSES {
        if let Some(columns) = find(task.parameters())? {
            if chosen.is_some() {
                return Err("header: holds the parameters of more than one family".into());
            }
            chosen = Some((task, [vec![margin], columns].concat()));
        }
    }
    chosen.ok_or_else(|| "header: needs `k,theta`, `mu,sigma` or `beta` beside `margin`".into())
}

fn run<T: Real + FromStr>(lerch: bool, path: Path, input: impl Read, output: impl Write) -> Result<(), String>
where
    <T as FromStr>::Err: Display,
{
    let mut rows = Rows::new(input)?;
    let header = rows.header.clone();
    let (task, columns) = plan(&header, lerch)?;

    let mut writer = csv::Writer::from_writer(output);
    let write = |e: csv::Error| format!("output: {e}");
    let names = task.outputs(path);
    writer.write_record(header.iter().chain(names.iter().map(String::as_str))).map_err(write)?;
    let mut end = None;
    while end.is_none() {
        let mut records = Vec::new();
        let mut inputs = vec![Vec::new(); columns.len()];
        let mut results = Vec::new();
        while end.is_none() && records.len() < path.rows_at_once() {
            let next = rows.next().map(|record| {
                let (line, record) = record?;
                let row = parse::<T>(&columns, &header, line, &record)?;
                if path == Path::Scalar {
                    results = evaluate(task, &row).map_err(|e| format!("line {line}: {e}"))?;
                } else {
                    check(task, &row).map_err(|e| format!("line {line}: {e}"))?;
                }
                Ok((row, record))
            });
            match next {
                Some(Ok((row, record))) => {
                    records.push(record);
                    inputs.iter_mut().zip(row).for_each(|(column, x)| column.push(x));
                }
                // The rows before a bad one count.
                Some(Err(message)) => end = Some(Err(message)),
                None => end = Some(Ok(())),
            }
        }
        if path != Path::Scalar {
            let columns = match path {
                Path::Gpu => by_gpu(task, &inputs)?,
                _ => by_batch(task, path, &inputs).map_err(|e| e.to_string())?,
            };
            results = (0..records.len()).flat_map(|i| columns.iter().map(move |column| column[i])).collect();
        }
        for (record, values) in records.iter().zip(results.chunks(names.len())) {
            writer
                .write_record(record.iter().map(String::from).chain(values.iter().map(|v| format!("{v:?}"))))
                .map_err(write)?;
        }
    }
    writer.flush().map_err(|e| format!("output: {e}"))?;
    end.unwrap_or(Ok(()))
}

fn parse<T: Real + FromStr>(
    columns: &[usize],
    header: &csv::StringRecord,
    line: u64,
    record: &csv::StringRecord,
) -> Result<Vec<T>, String>
where
    <T as FromStr>::Err: Display,
{
    columns
        .iter()
        .map(|&i| {
            record[i]
                .parse::<T>()
                .map_err(|e| format!("line {line}, column `{}`: `{}`: {e}", &header[i], &record[i]))
        })
        .collect()
}

/// The path and level of the command line.
fn path(path: &str, level: Option<&str>) -> Result<Path, String> {
    let asked = || match level {
        Some(name) => name.parse::<Level>().map_err(|e| format!("--level {name}: {e}")),
        None => Ok(Level::best()),
    };
    match path {
        "scalar" | "gpu" if level.is_some() => {
            Err("--level goes with --path direct or plan: the other paths have no levels".into())
        }
        "scalar" => Ok(Path::Scalar),
        "direct" => asked().map(Path::Direct),
        "plan" => asked().map(Path::Plan),
        "gpu" => on_gpu::open().map(|()| Path::Gpu),
        other => Err(format!("--path {other}: the paths are scalar, direct, plan, gpu")),
    }
}

/// What is asked for, by the words of a command line.
pub(crate) struct Request<'a> {
    pub(crate) precision: &'a str,
    pub(crate) function: &'a str,
    pub(crate) path: &'a str,
    pub(crate) level: Option<&'a str>,
}

/// A request that can be met on this machine.
pub(crate) struct Evaluation {
    single: bool,
    lerch: bool,
    path: Path,
}

impl Evaluation {
    pub(crate) fn new(request: &Request<'_>) -> Result<Self, String> {
        let path = path(request.path, request.level)?;
        let (single, lerch) = match (request.precision, request.function) {
            ("f64", "loss") if path == Path::Gpu => return Err("--path gpu goes with --precision f32".into()),
            ("f64", "lerch") if path != Path::Scalar => {
                return Err("--function lerch has the scalar path alone".into());
            }
            (precision @ ("f64" | "f32"), "loss") => (precision == "f32", false),
            ("f64", "lerch") => (false, true),
            _ => return Err("no such precision or function".into()),
        };
        Ok(Self { single, lerch, path })
    }

    /// Results of all rows; those before a bad one are written, too.
    pub(crate) fn run(&self, input: impl Read, output: impl Write) -> Result<(), String> {
        if self.single {
            run::<f32>(self.lerch, self.path, input, output)
        } else {
            run::<f64>(self.lerch, self.path, input, output)
        }
    }
}
