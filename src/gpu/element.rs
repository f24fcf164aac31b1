//! Parameters per element, on the device.

use super::device::{BLOCK, Params, Pass};
use super::host::{Job, factors, weight};
use super::resident::{Resident, range};
use super::{Gpu, GpuError};
use crate::batch::evaluation::{Evaluator as _, scored};
use crate::batch::{self, Batch, Lapses, Rows, Sums};
use crate::family::Family;
use std::vec::Vec;
use wgpu::{BufferBinding, CommandEncoder};

/// Parameters that lie on the device: the native ones of a family, a binding for each of
/// [`Family::parameters`], or mean and cv.
#[derive(Clone, Debug)]
pub struct Parameters<'a> {
    family: Family,
    mean_cv: bool,
    bindings: Vec<BufferBinding<'a>>,
}

impl<'a> Parameters<'a> {
    /// Native parameters; derivatives in them.
    #[must_use]
    pub fn native(family: Family, bindings: impl IntoIterator<Item = BufferBinding<'a>>) -> Self {
        Self { family, mean_cv: false, bindings: bindings.into_iter().collect() }
    }

    /// Mean and cv; derivatives in them.
    #[must_use]
    pub fn mean_cv(family: Family, mean: BufferBinding<'a>, cv: BufferBinding<'a>) -> Self {
        Self { family, mean_cv: true, bindings: Vec::from([mean, cv]) }
    }

    /// What they are called.
    fn names(&self) -> &'static [&'static str] {
        if self.mean_cv { &["mean", "cv"] } else { self.family.parameters() }
    }
}

/// Parameters per element: every element from the integral itself.
///
/// * Max error, in f32 eps (for D > 0 times 1 + |ln T|): nll 8, d_margin 16, derivatives in parameters 64;
///   results below 1.2e-38 may be 0, and derivatives in parameters lose digits where unit·|D| is below that. The
///   unit of the margin is rounded: kθ and e^μ, as on the CPU.
/// * With a lapse as [`Plan`](super::Plan).
///
/// ```no_run
/// use prefstrength::batch::{self, Batch, Rows};
/// use prefstrength::Family;
/// use prefstrength::gpu::{Gpu, PerElement};
/// let (shape, scale) = ([2.0, 5.0], [0.1, 0.02]);
/// let losses = batch::PerElement::new(Family::Gamma, &[&shape, &scale])?;
/// let sums = PerElement::new(&Gpu::new()?).evaluate(&losses, &Batch::new(&[0.3, -1.0]), Rows::new())?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct PerElement {
    gpu: Gpu,
}

impl PerElement {
    /// On a device.
    #[must_use]
    pub fn new(gpu: &Gpu) -> Self {
        Self { gpu: gpu.clone() }
    }

    /// Losses and gradients of a batch of the host, of any length. Blocks until they are there.
    ///
    /// # Errors
    /// [`GpuError`]; nothing is written then. An empty batch gives zeros.
    pub fn evaluate(
        &self,
        losses: &batch::PerElement<'_, f32>,
        batch: &Batch<'_, f32>,
        rows: Rows<'_, f32>,
    ) -> Result<Sums, GpuError> {
        losses.check(batch, &rows)?;
        let batch = &scored(batch, &rows);
        if batch.is_empty() {
            return Ok(Sums::default());
        }
        let product = factors(batch)?;
        let Some((family, mean_cv, parameters)) = losses.for_device() else {
            // No kernel has derivatives in other coordinates than those of the parameters.
            return Ok(losses.evaluate(batch, rows)?);
        };
        // Losses in any case: what the kernels do not cover is NaN there. And what is summed.
        let mut wanted = rows.wanted();
        wanted[0] = true;
        if let Lapses::All(lapse) = batch.lapses {
            wanted[4] = true;
            wanted[5] = lapse.is_by_side();
        }
        let (family, mean_cv) = (family as u32, u32::from(mean_cv));
        let params = Params { family, mean_cv, opposite: batch.smoothing.opposite(), ..Params::default() };
        let job = Job {
            margins: batch.margins,
            factors: product.as_deref().or(batch.weights),
            parameters,
            table: None,
            lapses: batch.lapses,
            wanted,
            params,
        };
        let mut found = job.run(&self.gpu)?;
        let mut sums = Sums::default();
        for start in (0..batch.len()).step_by(BLOCK) {
            let range = start..(start + BLOCK).min(batch.len());
            let block = batch.slice(range.clone());
            let these = if found.rows[0][range.clone()].iter().any(|x| x.is_nan()) {
                losses.slice(range.clone()).evaluate(&block, found.rows_of(range))?
            } else {
                let [nll, d_floor, d_ceiling] = [0, 4, 5].map(|j| found.total(j, range.clone()));
                Sums { weight: weight(&block), nll, d_params: [0.0; 2], d_lapse: [d_floor, d_ceiling] }
            };
            sums += these;
        }
        if let Lapses::Each { .. } = batch.lapses {
            sums.d_lapse = [0.0; 2];
        }
        found.write(rows);
        Ok(sums)
    }

    /// Encodes losses and gradients of a batch that lies on the device, with parameters that do. Neither submits
    /// nor waits. Parameters are not checked: those of no member of the family give NaN or nonsense.
    ///
    /// # Errors
    /// [`GpuError`], also for sums, which are for shared parameters and the only derivatives in a lapse, and for another number of bindings than the
    /// family has parameters; nothing useful has been encoded then.
    pub fn encode(
        &self,
        encoder: &mut CommandEncoder,
        parameters: &Parameters<'_>,
        batch: &Resident<'_>,
    ) -> Result<(), GpuError> {
        if batch.sums.is_some() {
            return Err(GpuError::Parameters);
        }
        if batch.len == 0 {
            return Ok(());
        }
        let bytes = 4 * batch.len as u64;
        let names = parameters.names();
        if names.len() != parameters.bindings.len() {
            return Err(GpuError::Parameters);
        }
        let mut ranges =
            names.iter().zip(&parameters.bindings).map(|(name, binding)| range(name, binding, bytes));
        let first = ranges.next().ok_or(GpuError::Parameters)??;
        let second = ranges.next().transpose()?;
        let (used, bindings) = batch.bind(&self.gpu, first, second)?;
        let (family, mean_cv) = (parameters.family as u32, u32::from(parameters.mean_cv));
        let params = batch.params(Params { family, mean_cv, ..Params::default() })?;
        let params = Params { n: batch.len as u32, flags: params.flags | used, ..params };
        self.gpu.scoped(|| self.gpu.encode_per_element(encoder, &Pass { params, bindings }))
    }
}
