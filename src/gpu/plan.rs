//! One p(β) for all margins, on the device.

use super::device::{BLOCK, PARTIAL, Params, Pass};
use super::host::{Job, factors, weight};
use super::resident::{Resident, range};
use super::{Gpu, GpuError};
use crate::batch::evaluation::{Evaluator as _, scored};
use crate::batch::{self, Batch, Lapses, Reach, Rows, Sums, tables};
use crate::family::Family;
use crate::kernel::{Coordinates, Integral, Limits};
use crate::loss::Strength;
use wgpu::{Buffer, BufferUsages, CommandEncoder};

/// One p(β) for all margins: the table of [`batch::Plan`] on the device, evaluated in a few multiply-adds per
/// element, so that results hardly depend on the driver.
///
/// * Max error, in f32 eps (for D > 0 times 1 + |ln T|): nll 8, d_margin 16, derivatives in parameters 64;
///   results below 1.2e-38 may be 0, and derivatives in parameters lose digits where unit·|D| or D ∂/∂D is
///   below that. Sums are f32 within blocks of 4096 elements and f64 beyond (`encode`: f32): 1e-6 of the sum of
///   the absolute terms.
/// * With a lapse the same, A in the place of E\[σ\], and derivatives in it 64; where 1 − E\[σ\] is below 1.2e-38 all
///   other derivatives may be 0. A block of 4096 elements goes to the CPU for one whose effective logit is below −10
///   or above 10(1 + |ln ε₁|), with label smoothing beyond ±10.
/// * NaN, ±∞ and everything else as in [`batch`](crate::batch).
///
/// ```no_run
/// use prefstrength::batch::{Batch, Rows};
/// use prefstrength::gpu::{Gpu, Plan};
/// use prefstrength::Gamma;
/// let gpu = Gpu::new()?;
/// let plan = Plan::new(&gpu, &Gamma::from_mean_cv(0.1, 0.5)?)?;
/// let margins = vec![0.3; 10_000_000];
/// let mut d_margin = vec![0.0; margins.len()];
/// let sums = plan.evaluate(&Batch::new(&margins), Rows::new().d_margin(&mut d_margin))?;
/// println!("mean loss {}", sums.mean_nll());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Plan<S> {
    gpu: Gpu,
    plan: batch::Plan<f32, S>,
    table: Buffer,
}

impl<S: Strength<f32>> Plan<S> {
    /// Prepared for `beta`, in native coordinates.
    ///
    /// # Errors
    /// [`GpuError`] if the device refuses a buffer of a few KB.
    pub fn new(gpu: &Gpu, beta: &S) -> Result<Self, GpuError> {
        let plan = batch::Plan::new(beta);
        let table = upload(gpu, &plan)?;
        Ok(Self { gpu: gpu.clone(), plan, table })
    }

    /// Gradients in other coordinates; the table is the same.
    #[must_use]
    pub fn with_coordinates(mut self, coordinates: Coordinates) -> Self {
        self.plan = self.plan.with_coordinates(coordinates);
        self
    }

    /// Prepares it again: for what is evaluated or encoded from now on. What was encoded before keeps the
    /// parameters that it had, and so does a clone.
    ///
    /// # Errors
    /// [`GpuError`] if the device is lost.
    pub fn prepare(&mut self, beta: &S) -> Result<(), GpuError> {
        let mut plan = self.plan.clone();
        plan.prepare(beta);
        self.table = upload(&self.gpu, &plan)?;
        self.plan = plan;
        Ok(())
    }

    /// Losses and gradients of a batch of the host, of any length. Blocks until they are there.
    ///
    /// # Errors
    /// [`GpuError`]; nothing is written then. An empty batch gives zeros.
    pub fn evaluate(&self, batch: &Batch<'_, f32>, rows: Rows<'_, f32>) -> Result<Sums, GpuError> {
        self.plan.check(batch, &rows)?;
        let batch = &scored(batch, &rows);
        let Some(params) = self.params() else {
            return Ok(self.plan.evaluate(batch, rows)?);
        };
        if batch.is_empty() {
            return Ok(Sums::default());
        }
        let product = factors(batch)?;
        let job = Job {
            margins: batch.margins,
            factors: product.as_deref().or(batch.weights),
            parameters: [None; 2],
            table: Some(&self.table),
            lapses: batch.lapses,
            wanted: rows.wanted(),
            params: Params { opposite: batch.smoothing.opposite(), ..params },
        };
        let mut found = job.run(&self.gpu)?;
        let mut sums = Sums::default();
        for (b, start) in (0..batch.len()).step_by(BLOCK).enumerate() {
            let range = start..(start + BLOCK).min(batch.len());
            let block = batch.slice(range.clone());
            let [_, nll, elastic, spread, d_floor, d_ceiling, ..] = found.partials[b].map(f64::from);
            let these = if [nll, elastic, spread, d_floor, d_ceiling].iter().all(|sum| sum.is_finite()) {
                let d_params = batch::chain(self.plan.params().jacobian, [elastic, spread]);
                Sums { weight: weight(&block), nll, d_params, d_lapse: [d_floor, d_ceiling] }
            } else {
                // Something beyond the box of the kernels, a NaN or infinite margin, or more than f32 holds.
                self.plan.evaluate(&block, found.rows_of(range))?
            };
            sums += these;
        }
        if let Lapses::Each { .. } = batch.lapses {
            sums.d_lapse = [0.0; 2];
        }
        found.write(rows);
        Ok(sums)
    }

    /// Encodes losses and gradients of a batch that lies on the device. Neither submits nor waits.
    ///
    /// # Errors
    /// [`GpuError`]; nothing useful has been encoded then. An empty batch clears the sums.
    pub fn encode(&self, encoder: &mut CommandEncoder, batch: &Resident<'_>) -> Result<(), GpuError> {
        let params = batch.params(self.params().ok_or(GpuError::Parameters)?)?;
        let sums = batch.sums.as_ref().map(|sums| range("sums", sums, batch.sums_bytes())).transpose()?;
        if batch.len == 0 {
            let Some(sums) = sums else { return Ok(()) };
            let none = self.table.as_entire_buffer_binding();
            return self.gpu.scoped(|| self.gpu.encode_sum(encoder, none, sums, 0, &params));
        }
        let blocks = batch.len.div_ceil(BLOCK);
        // First, for its checks: a buffer for the partial sums of too many elements must not be tried.
        let (used, bindings) = batch.bind(&self.gpu, self.table.as_entire_buffer_binding(), None)?;
        let partials = self.gpu.scoped(|| self.gpu.buffer(PARTIAL * blocks as u64, BufferUsages::STORAGE))?;
        let [margins, weights, table, nll, d_margin, p0, p1, _] = bindings;
        let last = Some(partials.as_entire_buffer_binding());
        let bindings = [margins, weights, table, nll, d_margin, p0, p1, last];
        let params = Params { n: batch.len as u32, flags: params.flags | used, ..params };
        self.gpu.scoped(|| {
            self.gpu.encode_shared(encoder, &Pass { params, bindings });
            if let Some(sums) = sums {
                let partials = partials.as_entire_buffer_binding();
                self.gpu.encode_sum(encoder, partials, sums, blocks, &params);
            }
        })
    }

    /// The uniform, but for the batch; `None` where the kernels do not reach.
    fn params(&self) -> Option<Params> {
        let model = self.plan.params();
        let family = match model.integral {
            Integral::PointMass => Family::Fixed,
            Integral::Own => self.plan.family()?,
            Integral::Scalar => return None,
        };
        let table = self.plan.table();
        let power = |e: i32| f32::from_bits(((127 + e) as u32) << 23);
        let [[a, b], [c, d]] = model.jacobian;
        let ([first, last], from_zero) = (table.exponents, table.reach == Reach::FromZero);
        let (start, end) = (power(first), power(last));
        Some(Params {
            flags: if from_zero { 0 } else { Params::ZERO_IS_BEYOND },
            family: family as u32,
            pieces: table.pieces() as u32,
            unit: model.unit as f32,
            shape: model.shape as f32,
            start,
            first_bits: ((127 + first) as u32) << 1,
            end,
            least: if from_zero { f32::X_MIN as f32 } else { start },
            matrix: [a, b, c, d].map(|x| x as f32),
            ..Params::default()
        })
    }
}

/// The table, in a buffer of its own.
fn upload<S: Strength<f32>>(gpu: &Gpu, plan: &batch::Plan<f32, S>) -> Result<Buffer, GpuError> {
    let rows: &[[[f32; 4]; tables::PLAN_F32_NODES.len()]] = &plan.stored().rows;
    gpu.scoped(|| gpu.filled(bytemuck::cast_slice(rows), BufferUsages::STORAGE))
}
