//! Batches that already lie on the device.

use super::device::{BINDINGS, Params};
use super::host::with_lapses;
use super::{Gpu, GpuError};
use crate::batch::Lapses;
use crate::kernel::Limits;
use crate::loss::{Lapse, Smoothing};
use core::num::NonZeroU64;
use wgpu::BufferBinding;

/// What of a batch lies in buffers of the device: margins, and where results go. f32, one per element.
///
/// Every buffer needs the usage `STORAGE`, and must come from the device of the [`Gpu`]: one of another instance
/// is not detected. Offsets are multiples of the device's `min_storage_buffer_offset_alignment`; a `size` of
/// `None` is the rest of the buffer. Outputs must not overlap, and no output may be in a buffer that holds an
/// input. What is not asked for is not written.
///
/// An element beyond the box of the kernels (unit·|D| ≥ 1e9; LogNormal e^μ|D| ≥ 1e4; with parameters per
/// element also v ≥ 1e4, σ ≥ 2, k|D| or θ|D| ≥ 1e30, |μ| ≥ 87) gets NaN in every row, and with a
/// [lapse](Self::lapse) so does D = ±∞.
#[derive(Clone, Debug)]
pub struct Resident<'a> {
    pub(super) len: usize,
    pub(super) margins: BufferBinding<'a>,
    pub(super) weights: Option<BufferBinding<'a>>,
    pub(super) smoothing: Smoothing<f32>,
    pub(super) lapse: Option<Lapse<f32>>,
    /// Loss, ∂/∂D and the derivatives in the parameters.
    pub(super) rows: [Option<BufferBinding<'a>>; 4],
    pub(super) sums: Option<BufferBinding<'a>>,
}

impl<'a> Resident<'a> {
    /// The first `len` margins of a buffer.
    #[must_use]
    pub fn new(margins: BufferBinding<'a>, len: usize) -> Self {
        let rows = [const { None }; 4];
        Self { len, margins, weights: None, smoothing: Smoothing::none(), lapse: None, rows, sums: None }
    }

    /// A weight wᵢ ≥ 0 per element, as in [`Batch::weights`](crate::batch::Batch::weights); not checked.
    #[must_use]
    pub fn weights(self, weights: BufferBinding<'a>) -> Self {
        Self { weights: Some(weights), ..self }
    }

    /// Label smoothing of all elements, conservative or robust.
    #[must_use]
    pub fn smoothing(self, smoothing: Smoothing<f32>) -> Self {
        Self { smoothing, ..self }
    }

    /// A lapse of all elements. Derivatives in it come as [sums](Self::sums), which are longer then.
    ///
    /// * Each ε is 0 or at least 1e-30. For D = ±∞ every row is NaN.
    /// * Where the effective logit ℓ = ln(E\[σ\]/(1 − E\[σ\])) is below −10, the share of E\[σ\] in the probability of
    ///   the label, and with it all derivatives, has a relative error of |ℓ| eps; the loss stays accurate. `evaluate`
    ///   leaves those elements to the CPU.
    ///
    /// ```no_run
    /// use prefstrength::gpu::{Gpu, Plan, Resident, wgpu};
    /// use prefstrength::{Gamma, Lapse};
    /// # fn train(margins: &wgpu::Buffer, sums: &wgpu::Buffer) -> Result<(), Box<dyn std::error::Error>> {
    /// let gpu = Gpu::new()?;
    /// let plan = Plan::new(&gpu, &Gamma::from_mean_cv(0.1, 0.5)?)?;
    /// let batch = Resident::new(margins.as_entire_buffer_binding(), 1_000_000)
    ///     .lapse(Lapse::new(0.05)?)
    ///     .sums(sums.as_entire_buffer_binding()); // 32 bytes
    /// let mut encoder = gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    /// plan.encode(&mut encoder, &batch)?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn lapse(self, lapse: Lapse<f32>) -> Self {
        Self { lapse: Some(lapse), ..self }
    }

    /// Losses.
    #[must_use]
    pub fn nll(mut self, to: BufferBinding<'a>) -> Self {
        self.rows[0] = Some(to);
        self
    }

    /// Derivatives in the margin.
    #[must_use]
    pub fn d_margin(mut self, to: BufferBinding<'a>) -> Self {
        self.rows[1] = Some(to);
        self
    }

    /// Derivatives in each of the two parameters.
    #[must_use]
    pub fn d_params(mut self, [first, second]: [BufferBinding<'a>; 2]) -> Self {
        self.rows[2] = Some(first);
        self.rows[3] = Some(second);
        self
    }

    /// Σw (the number of elements without weights), Σ loss and Σ of the derivatives in both parameters: four
    /// f32. With a [lapse](Self::lapse) eight: also Σ of the derivatives in ε and 0, or in ε₀ and ε₁, and two zeros.
    /// With shared parameters only.
    #[must_use]
    pub fn sums(self, to: BufferBinding<'a>) -> Self {
        Self { sums: Some(to), ..self }
    }

    /// Bytes of the sums.
    pub(super) fn sums_bytes(&self) -> u64 {
        if self.lapse.is_some() { 32 } else { 16 }
    }

    /// A uniform with what is known of the batch.
    pub(super) fn params(&self, params: Params) -> Result<Params, GpuError> {
        let lapses = self.lapse.map_or(Lapses::None, Lapses::All);
        let params = with_lapses(params, &lapses);
        if params.lapse.iter().any(|&epsilon| epsilon != 0.0 && f64::from(epsilon) < f32::LAPSE_MIN) {
            return Err(GpuError::Parameters);
        }
        Ok(Params { opposite: self.smoothing.opposite(), ..params })
    }

    /// Flags and bindings of a pass, `third` and `last` being those that differ between the kernels.
    pub(super) fn bind(
        &self,
        gpu: &Gpu,
        third: BufferBinding<'a>,
        last: Option<BufferBinding<'a>>,
    ) -> Result<(u32, [Option<BufferBinding<'a>>; BINDINGS]), GpuError> {
        let limit = gpu.max_elements();
        if self.len > limit {
            return Err(GpuError::TooLarge { elements: self.len, limit });
        }
        let bytes = 4 * self.len as u64;
        let margins = range("margins", &self.margins, bytes)?;
        let inputs = [Some(&self.margins), self.weights.as_ref(), Some(&third), last.as_ref()];
        for (name, to) in ["nll", "d_margin", "d_params", "d_params"].into_iter().zip(&self.rows) {
            if let Some(to) = to
                && inputs.iter().flatten().any(|from| from.buffer == to.buffer)
            {
                return Err(GpuError::Shared { name });
            }
        }
        let mut found = 0;
        let mut optional = |bit: u32, name, binding: &Option<BufferBinding<'a>>| {
            let Some(binding) = binding else { return Ok(None) };
            found |= bit;
            range(name, binding, bytes).map(Some)
        };
        let [write_nll, write_d_margin, write_p0, write_p1, ..] = Params::WRITE;
        let [nll, d_margin, p0, p1] = &self.rows;
        let bindings = [
            Some(margins),
            optional(Params::HAS_WEIGHTS, "weights", &self.weights)?,
            Some(third),
            optional(write_nll, "nll", nll)?,
            optional(write_d_margin, "d_margin", d_margin)?,
            optional(write_p0, "d_params", p0)?,
            optional(write_p1, "d_params", p1)?,
            last,
        ];
        Ok((found, bindings))
    }
}

/// The first bytes of a binding.
pub(super) fn range<'a>(
    name: &'static str,
    binding: &BufferBinding<'a>,
    needed: u64,
) -> Result<BufferBinding<'a>, GpuError> {
    let rest = binding.buffer.size().saturating_sub(binding.offset);
    let found = binding.size.map_or(rest, |size| size.get().min(rest));
    if found < needed {
        return Err(GpuError::Buffer { name, found, needed });
    }
    Ok(BufferBinding { buffer: binding.buffer, offset: binding.offset, size: NonZeroU64::new(needed) })
}
