//! How rows are evaluated: one by one with all results, or as batches.

use super::gpu;
use super::task::{Function, Task};
use prefstrength::batch::{self, Batch, BatchError, Number, PerElement, Plan};
use prefstrength::lerch::lerch_phi_m1_gradient;
use prefstrength::panel::{Panel, PanelBatch, PanelRows};
use prefstrength::{AnyStrength, Coordinates, Lapse, Level, ParamError, Real, Strength};

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Path {
    /// All results of one row.
    Scalar,
    /// The batch kernels, parameters per row.
    Direct(Level),
    /// One table for each set of parameters.
    Plan(Level),
    /// The kernels of the GPU, parameters per row.
    Gpu,
}

impl Path {
    /// The path and level of a command line; a GPU is opened.
    pub(crate) fn new(path: &str, asked: Option<&str>) -> Result<Self, String> {
        let level = || match asked {
            Some(name) => name.parse().map_err(|e| format!("--level {name}: {e}")),
            None => Ok(Level::best()),
        };
        match path {
            "scalar" | "gpu" if asked.is_some() => {
                Err("--level goes with --path direct or plan: the other paths have no levels".into())
            }
            "scalar" => Ok(Self::Scalar),
            "direct" => level().map(Self::Direct),
            "plan" => level().map(Self::Plan),
            "gpu" => gpu::open().map(|()| Self::Gpu),
            other => Err(format!("--path {other}: the paths are scalar, direct, plan, gpu")),
        }
    }

    /// Rows that are evaluated together.
    pub(crate) fn rows_at_once(self) -> usize {
        match self {
            Self::Scalar => 1,
            Self::Direct(_) => 4096,
            // Rows of one set of parameters may stand anywhere in the file.
            Self::Plan(_) => usize::MAX,
            Self::Gpu => 1 << 20,
        }
    }
}

/// The strength of a row: a margin, then parameters, then the lapse if there is one.
fn strength<T: Real>(task: Task, x: &[T]) -> Result<Option<(AnyStrength<T>, Coordinates)>, ParamError> {
    if task.function == Function::Lerch {
        return Ok(None);
    }
    let parameters = &x[1..=task.parameters().len()];
    Ok(match task.function {
        Function::Native(family) => {
            Some((AnyStrength::from_parameters(family, parameters)?, Coordinates::Native))
        }
        Function::MeanCv(family) | Function::Panel(family) => {
            Some((AnyStrength::from_mean_cv(family, parameters[0], parameters[1])?, Coordinates::MeanCv))
        }
        Function::Lerch => None,
    })
}

/// The lapse of a row; ε = 0 where there is none.
fn lapse<T: Real>(task: Task, x: &[T]) -> Result<Lapse<T>, ParamError> {
    match x.last() {
        Some(&epsilon) if task.lapse => Lapse::new(epsilon),
        _ => Ok(Lapse::none()),
    }
}

/// Refuses a row whose parameters are not of its family; all paths refuse the same rows.
pub(crate) fn check<T: Real>(task: Task, x: &[T]) -> Result<(), String> {
    strength(task, x).and_then(|_| lapse(task, x)).map(|_| ()).map_err(|e| e.to_string())
}

/// All results of one row.
pub(crate) fn of_row<T: Real>(task: Task, x: &[T]) -> Result<Vec<T>, String> {
    let text = |e: ParamError| e.to_string();
    let Some((beta, coordinates)) = strength(task, x).map_err(text)? else {
        let phi = lerch_phi_m1_gradient(x[0].to_f64(), x[1].to_f64());
        if phi.scaled.is_nan() {
            return Err("s and a must be positive, at least 2.3e-308 and at most 1e300".into());
        }
        return Ok([phi.value, phi.d_s, phi.d_a, phi.scaled, phi.ln].map(T::from_f64).to_vec());
    };
    let margin = x[0];
    let noisy = beta.with_lapse(lapse(task, x).map_err(text)?);
    let gradient = noisy.nll_gradient_in(margin, coordinates);
    let mut row =
        vec![beta.expected_sigmoid(margin), gradient.value, gradient.d_margin, noisy.nll_d2_margin(margin)];
    row.extend_from_slice(&gradient.d_params[..task.parameters().len()]);
    row.extend(task.lapse.then_some(gradient.d_lapse[0]));
    let posterior = noisy.posterior(margin);
    row.extend([posterior.mean, posterior.variance]);
    Ok(row)
}

/// The likelihood of all choices of a person: mean, cv and the lapse if there is one, and the margins.
pub(crate) fn of_panel<T: Real>(task: Task, path: Path, x: &[T], margins: &[T]) -> Result<Vec<T>, String> {
    let text = |e: ParamError| e.to_string();
    // The place of the margin is not looked at.
    let x: Vec<T> = std::iter::once(T::zero()).chain(x.iter().copied()).collect();
    let Some((beta, _)) = strength(task, &x).map_err(text)? else { return Ok(Vec::new()) };
    let mut panel = Panel::new(&beta).with_coordinates(Coordinates::LnMeanV);
    if task.lapse {
        panel = panel.with_lapse(lapse(task, &x).map_err(text)?);
    }
    if let Path::Direct(level) = path {
        panel = panel.with_level(level);
    }
    let zero = [T::zero()];
    let [mut nll, mut d_ln_mean, mut d_v, mut d_lapse, mut none, mut mean, mut sd] = [zero; 7];
    let mut d_margin = vec![T::zero(); margins.len()];
    let rows = PanelRows::new().nll(&mut nll).d_params([&mut d_ln_mean, &mut d_v]).d_margin(&mut d_margin);
    let rows = rows.posterior_mean(&mut mean).posterior_sd(&mut sd);
    let rows = if task.lapse { rows.d_lapse([&mut d_lapse, &mut none]) } else { rows };
    panel.evaluate(&PanelBatch::new(margins, &[margins.len()]), rows).map_err(|e| e.to_string())?;
    let mut row = vec![-nll[0], -d_ln_mean[0], -d_v[0], mean[0], sd[0], -d_margin[0]];
    row.extend(task.lapse.then_some(-d_lapse[0]));
    Ok(row)
}

/// Loss, d_margin and the derivatives of every row, by columns like the inputs.
pub(crate) fn of_rows<T: Number>(task: Task, path: Path, inputs: &[Vec<T>]) -> Result<Vec<Vec<T>>, String> {
    let text = |e: BatchError| e.to_string();
    let mut results = vec![vec![T::zero(); inputs[0].len()]; 1 + inputs.len()];
    match (path, task) {
        (Path::Direct(level), _) => {
            let losses = per_row(task, inputs)?.with_level(level);
            losses.evaluate(&batch_of(task, inputs), into(task, &mut results)).map_err(text)?;
        }
        (Path::Plan(level), _) => by_plans(task, level, inputs, &mut results).map_err(text)?,
        (Path::Gpu, _) => return by_gpu(task, inputs),
        (Path::Scalar, _) => {}
    }
    Ok(results)
}

/// The margins, with the lapses if there are any.
fn batch_of<T: Real>(task: Task, inputs: &[Vec<T>]) -> Batch<'_, T> {
    let batch = Batch::new(&inputs[0]);
    match inputs.last() {
        Some(lapses) if task.lapse => batch.lapses(lapses),
        _ => batch,
    }
}

/// Losses with the parameters of every row.
fn per_row<T: Number>(task: Task, inputs: &[Vec<T>]) -> Result<PerElement<'_, T>, String> {
    match task.function {
        Function::MeanCv(family) => PerElement::from_mean_cv(family, &inputs[1], &inputs[2]),
        Function::Native(family) => {
            let columns: Vec<&[T]> = inputs[1..=task.parameters().len()].iter().map(Vec::as_slice).collect();
            PerElement::new(family, &columns)
        }
        Function::Lerch | Function::Panel(_) => return Err("only the loss has batches of rows".into()),
    }
    .map_err(|e| e.to_string())
}

/// In f32, which the numbers are.
fn by_gpu<T: Real>(task: Task, inputs: &[Vec<T>]) -> Result<Vec<Vec<T>>, String> {
    let narrow = |column: &Vec<T>| -> Vec<f32> { column.iter().map(|&x| Real::to_f64(x) as f32).collect() };
    let columns: Vec<_> = inputs.iter().map(narrow).collect();
    let mut results = vec![vec![0.0; columns[0].len()]; 1 + columns.len()];
    gpu::evaluate(&per_row(task, &columns)?, &batch_of(task, &columns), into(task, &mut results))?;
    Ok(results.iter().map(|column| column.iter().map(|&x| T::from_f64(x.into())).collect()).collect())
}

/// A batch's rows into columns.
fn into<T: Real>(task: Task, columns: &mut [Vec<T>]) -> batch::Rows<'_, T> {
    let (columns, lapse) = columns.split_at_mut(2 + task.parameters().len());
    let rows = match lapse {
        [lapse] => batch::Rows::new().d_lapse([lapse]),
        _ => batch::Rows::new(),
    };
    match columns {
        [nll, d_margin, p] => rows.nll(nll).d_margin(d_margin).d_params([p]),
        [nll, d_margin, p0, p1] => rows.nll(nll).d_margin(d_margin).d_params([p0, p1]),
        _ => rows,
    }
}

/// A plan per set of parameters, evaluated on all of its rows.
fn by_plans<T: Number>(
    task: Task,
    level: Level,
    inputs: &[Vec<T>],
    results: &mut [Vec<T>],
) -> Result<(), BatchError> {
    // By bits: −0 and 0 are told apart as a plan does.
    let bits =
        |i: usize| inputs[1..=task.parameters().len()].iter().map(move |column| column[i].to_f64().to_bits());
    let mut order: Vec<usize> = (0..inputs[0].len()).collect();
    order.sort_by(|&i, &j| bits(i).cmp(bits(j)));
    let mut plan: Option<Box<Plan<T, AnyStrength<T>>>> = None;
    for group in order.chunk_by(|&i, &j| bits(i).eq(bits(j))) {
        let row: Vec<T> = inputs.iter().map(|column| column[group[0]]).collect();
        let beta = strength(task, &row).map_err(|error| BatchError::Param { index: group[0], error })?;
        let Some((beta, coordinates)) = beta else { return Ok(()) };
        let new = || Box::new(Plan::with_level(&beta, level).with_coordinates(coordinates));
        let plan = plan.get_or_insert_with(new);
        plan.prepare(&beta);
        let of_group = |column: &Vec<T>| -> Vec<T> { group.iter().map(|&i| column[i]).collect() };
        let ours: Vec<Vec<T>> = inputs.iter().map(of_group).collect();
        let mut columns = vec![vec![T::zero(); group.len()]; results.len()];
        plan.evaluate(&batch_of(task, &ours), into(task, &mut columns))?;
        for (to, from) in results.iter_mut().zip(&columns) {
            group.iter().zip(from).for_each(|(&i, &x)| to[i] = x);
        }
    }
    Ok(())
}
