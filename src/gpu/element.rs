//! Parameters per element, on the device.

use super::device::{BLOCK, Params, Pass};
use super::host::{Job, factors, weight};
use super::resident::{Resident, range};
use super::{Gpu, GpuError};
use crate::batch::{self, Batch, Rows, Sums};
use wgpu::{BufferBinding, CommandEncoder};

/// A family whose parameters lie on the device.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Family<'a> {
    /// β ≥ 0.
    Fixed(BufferBinding<'a>),
    /// Shape and scale.
    Gamma(BufferBinding<'a>, BufferBinding<'a>),
    /// μ and σ.
    LogNormal(BufferBinding<'a>, BufferBinding<'a>),
}

/// Parameters per element: every element from the integral itself.
///
/// * Max error, in f32 eps (for D > 0 times 1 + |ln T|): nll 8, d_margin 16, derivatives in parameters 64;
///   results below 1.2e-38 may be 0, and derivatives in parameters lose digits where unit·|D| is below that. The
///   unit of the margin is rounded: kθ and e^μ, as on the CPU.
///
/// ```no_run
/// use prefstrength::batch::{self, Batch, Rows};
/// use prefstrength::gpu::{Gpu, PerElement};
/// let (shape, scale) = ([2.0, 5.0], [0.1, 0.02]);
/// let losses = batch::PerElement::gamma(&shape, &scale)?;
/// let sums = PerElement::new(&Gpu::new()?).evaluate(&losses, &Batch::new(&[0.3, -1.0]), Rows::none())?;
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
        if batch.is_empty() {
            return Ok(Sums::default());
        }
        let product = factors(batch)?;
        let (family, parameters) = losses.parameters();
        // Losses in any case: what the kernels do not cover is NaN there.
        let [_, d_margin, p0, p1] = rows.wanted();
        let params = Params { family, epsilon: batch.smoothing.epsilon(), ..Params::default() };
        let job = Job {
            margins: batch.margins,
            factors: product.as_deref().or(batch.weights),
            parameters,
            table: None,
            wanted: [true, d_margin, p0, p1],
            params,
        };
        let mut found = job.run(&self.gpu)?;
        let mut sums = Sums::default();
        for start in (0..batch.len()).step_by(BLOCK) {
            let range = start..(start + BLOCK).min(batch.len());
            let block = batch.slice(range.clone());
            let nll = &found.rows[0][range.clone()];
            let these = if nll.iter().any(|x| x.is_nan()) {
                losses.slice(range.clone()).evaluate(&block, found.rows_of(range))?
            } else {
                let nll = nll.iter().map(|&x| f64::from(x)).sum();
                Sums { weight: weight(&block), nll, d_params: [0.0; 2] }
            };
            sums = sums.plus(these);
        }
        found.write(rows);
        Ok(sums)
    }

    /// Encodes losses and gradients of a batch that lies on the device, with parameters that do. Neither submits
    /// nor waits. Parameters are not checked: those of no member of the family give NaN or nonsense.
    ///
    /// # Errors
    /// [`GpuError`], also for sums, which are for shared parameters; nothing useful has been encoded then.
    pub fn encode(
        &self,
        encoder: &mut CommandEncoder,
        family: &Family<'_>,
        batch: &Resident<'_>,
    ) -> Result<(), GpuError> {
        if batch.sums.is_some() {
            return Err(GpuError::Parameters);
        }
        if batch.len == 0 {
            return Ok(());
        }
        let bytes = 4 * batch.len as u64;
        let (number, first, second) = match family {
            Family::Fixed(beta) => (0, range("beta", beta, bytes)?, None),
            Family::Gamma(shape, scale) => {
                (1, range("shape", shape, bytes)?, Some(range("scale", scale, bytes)?))
            }
            Family::LogNormal(mu, sigma) => (2, range("mu", mu, bytes)?, Some(range("sigma", sigma, bytes)?)),
        };
        let (flags, bindings) = batch.bind(&self.gpu, first, second)?;
        let epsilon = batch.smoothing.epsilon();
        let params = Params { n: batch.len as u32, flags, family: number, epsilon, ..Params::default() };
        self.gpu.scoped(|| self.gpu.encode_per_element(encoder, &Pass { params, bindings }))
    }
}
