//! A device with the crate's pipelines, and passes on it.

use super::GpuError;
use super::shader::{Kernel, source};
use std::string::ToString;
use std::sync::mpsc;
use std::time::Duration;
use std::vec::Vec;
use wgpu::{Buffer, BufferBinding, BufferUsages, CommandEncoder, ComputePipeline, Device, Queue};

/// Elements of a block of the sums, which is a workgroup of the shared kernel.
pub(super) const BLOCK: usize = 4096;
/// Bytes of its partial sums: `Partial` in `sums.wgsl`.
pub(super) const PARTIAL: u64 = 32;
/// Invocations of a workgroup.
const WORKGROUP: usize = 64;
/// Longest wait for one pass: a few million elements, on a slow software driver too.
const PATIENCE: Duration = Duration::from_secs(120);

/// A GPU: a device, its queue, and the compiled kernels. Cheap to clone; may be used from several threads.
///
/// ```no_run
/// use prefstrength::gpu::Gpu;
/// let gpu = Gpu::new()?;
/// println!("{}", gpu.adapter().name);
/// # Ok::<(), prefstrength::gpu::GpuError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Gpu {
    device: Device,
    queue: Queue,
    shared: ComputePipeline,
    per_element: ComputePipeline,
    sum: ComputePipeline,
    /// Stand-ins for bindings that are not used, one each.
    unused: [Buffer; BINDINGS],
}

/// Storage bindings of the two large kernels, from binding 1 on.
pub(super) const BINDINGS: usize = 8;

/// One pass of a large kernel: what is bound, `None` for what is not used.
pub(super) struct Pass<'a> {
    pub(super) params: Params,
    pub(super) bindings: [Option<BufferBinding<'a>>; BINDINGS],
}

/// The uniform of the large kernels, word by word; see `loss.wgsl`.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Params {
    pub(super) n: u32,
    pub(super) flags: u32,
    pub(super) family: u32,
    pub(super) pieces: u32,
    pub(super) unit: f32,
    pub(super) shape: f32,
    pub(super) opposite: f32,
    pub(super) start: f32,
    pub(super) first_bits: u32,
    pub(super) end: f32,
    pub(super) least: f32,
    pub(super) mean_cv: u32,
    pub(super) matrix: [f32; 4],
    pub(super) lapse: [f32; 2],
    pub(super) stride: u32,
}

/// Bits of the flags, as `loss.wgsl` has them.
impl Params {
    pub(super) const HAS_WEIGHTS: u32 = 1;
    /// Loss, ∂/∂D, and derivatives in the parameters and in the lapse.
    pub(super) const WRITE: [u32; 6] = [2, 4, 8, 16, 1024, 2048];
    pub(super) const ZERO_IS_BEYOND: u32 = 32;
    pub(super) const HAS_LAPSE: u32 = 64;
    pub(super) const LAPSE_PER_ELEMENT: u32 = 128;
    pub(super) const LAPSE_BY_SIDE: u32 = 256;
    pub(super) const FAR_IS_BEYOND: u32 = 512;
}

impl Params {
    fn words(&self) -> [u32; 20] {
        let Self { n, flags, family, pieces, first_bits, mean_cv, stride, .. } = *self;
        let [unit, shape, opposite, start] =
            [self.unit, self.shape, self.opposite, self.start].map(f32::to_bits);
        let [end, least] = [self.end, self.least].map(f32::to_bits);
        let [a, b, c, d] = self.matrix.map(f32::to_bits);
        let [floor, ceiling] = self.lapse.map(f32::to_bits);
        [
            n, flags, family, pieces, unit, shape, opposite, start, first_bits, end, least, mean_cv, a, b, c,
            d, floor, ceiling, stride, 0,
        ]
    }
}

impl Gpu {
    /// The fastest adapter that the system offers, with as large buffers as it allows. Blocks.
    ///
    /// # Errors
    /// [`GpuError::NoAdapter`], [`GpuError::NoDevice`], [`GpuError::Shader`].
    pub fn new() -> Result<Self, GpuError> {
        pollster::block_on(Self::new_async())
    }

    /// The same, without blocking.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub async fn new_async() -> Result<Self, GpuError> {
        if wgpu::Instance::enabled_backend_features().is_empty() {
            return Err(GpuError::NoAdapter("wgpu was built without a back end".to_string()));
        }
        let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle_from_env());
        let options = wgpu::RequestAdapterOptions {
            power_preference: wgpu::PowerPreference::HighPerformance,
            ..Default::default()
        };
        let adapter =
            instance.request_adapter(&options).await.map_err(|e| GpuError::NoAdapter(e.to_string()))?;
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("prefstrength"),
            required_limits: adapter.limits(),
            ..Default::default()
        };
        let (device, queue) =
            adapter.request_device(&descriptor).await.map_err(|e| GpuError::NoDevice(e.to_string()))?;
        Self::from_wgpu(device, queue)
    }

    /// On a device that the caller has, with its queue. Nothing of the device is changed.
    ///
    /// # Errors
    /// [`GpuError::Shader`] if a kernel does not compile there.
    pub fn from_wgpu(device: Device, queue: Queue) -> Result<Self, GpuError> {
        let compiled = scoped(&device, || {
            let [shared, per_element, sum] =
                [Kernel::Shared, Kernel::PerElement, Kernel::Sum].map(|kernel| {
                    let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
                        label: Some("prefstrength"),
                        source: wgpu::ShaderSource::Wgsl(source(kernel).into()),
                    });
                    device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                        label: Some("prefstrength"),
                        layout: None,
                        module: &module,
                        entry_point: Some("main"),
                        compilation_options: wgpu::PipelineCompilationOptions::default(),
                        cache: None,
                    })
                });
            let unused = core::array::from_fn(|_| buffer(&device, 16, BufferUsages::STORAGE));
            (shared, per_element, sum, unused)
        });
        let (shared, per_element, sum, unused) = compiled.map_err(|error| match error {
            GpuError::Validation(why) => GpuError::Shader(why),
            other => other,
        })?;
        Ok(Self { device, queue, shared, per_element, sum, unused })
    }

    /// The device, for buffers of the caller's own.
    #[must_use]
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// The queue of the device.
    #[must_use]
    pub fn queue(&self) -> &Queue {
        &self.queue
    }

    /// Name, kind and driver of the adapter.
    #[must_use]
    pub fn adapter(&self) -> wgpu::AdapterInfo {
        self.device.adapter_info()
    }

    /// How many elements one pass can take: what fits a binding, a buffer and a dispatch.
    #[must_use]
    pub fn max_elements(&self) -> usize {
        let limits = self.device.limits();
        let bytes = limits.max_buffer_size.min(limits.max_storage_buffer_binding_size);
        let dispatch = limits.max_compute_workgroups_per_dimension as usize * BLOCK;
        let elements = usize::try_from(bytes / 4).unwrap_or(usize::MAX).min(dispatch).min(1 << 31);
        elements / BLOCK * BLOCK
    }

    /// Runs `work` with every error of the device caught.
    pub(super) fn scoped<R>(&self, work: impl FnOnce() -> R) -> Result<R, GpuError> {
        scoped(&self.device, work)
    }

    /// A new buffer.
    pub(super) fn buffer(&self, bytes: u64, usage: BufferUsages) -> Buffer {
        buffer(&self.device, bytes, usage)
    }

    /// A new buffer with these bytes, for passes encoded from now on. Inside [`scoped`](Self::scoped).
    pub(super) fn filled(&self, bytes: &[u8], usage: BufferUsages) -> Buffer {
        let filled = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("prefstrength"),
            size: bytes.len() as u64,
            usage,
            mapped_at_creation: true,
        });
        // Refused on a device that was lost: the pass is as well.
        if let Ok(mut view) = filled.get_mapped_range_mut(..) {
            view.slice(..).copy_from_slice(bytes);
        }
        filled.unmap();
        filled
    }

    fn uniform(&self, words: &[u32]) -> Buffer {
        self.filled(bytemuck::cast_slice(words), BufferUsages::UNIFORM)
    }

    /// Encodes a pass of the shared kernel: a workgroup per block.
    pub(super) fn encode_shared(&self, encoder: &mut CommandEncoder, pass: &Pass<'_>) {
        let workgroups = (pass.params.n as usize).div_ceil(BLOCK);
        self.encode_large(encoder, &self.shared, pass, workgroups);
    }

    /// Encodes a pass of the kernel for parameters per element, whose loop has a stride.
    pub(super) fn encode_per_element(&self, encoder: &mut CommandEncoder, pass: &Pass<'_>) {
        let limit = self.device.limits().max_compute_workgroups_per_dimension as usize;
        let workgroups = (pass.params.n as usize).div_ceil(WORKGROUP).min(limit);
        self.encode_large(encoder, &self.per_element, pass, workgroups);
    }

    fn encode_large(
        &self,
        encoder: &mut CommandEncoder,
        pipeline: &ComputePipeline,
        pass: &Pass<'_>,
        workgroups: usize,
    ) {
        let params = self.uniform(&pass.params.words());
        let mut entries = Vec::from([entry(0, params.as_entire_buffer_binding())]);
        for (i, binding) in pass.bindings.iter().enumerate() {
            let unused = || self.unused[i].as_entire_buffer_binding();
            entries.push(entry(i as u32 + 1, binding.clone().unwrap_or_else(unused)));
        }
        self.encode(encoder, pipeline, &entries, workgroups);
    }

    /// Encodes the sum of `count` partial sums into `to`, 16 bytes: Σw, Σ loss and both parameters. With a lapse 16 more.
    pub(super) fn encode_sum(
        &self,
        encoder: &mut CommandEncoder,
        partials: BufferBinding<'_>,
        to: BufferBinding<'_>,
        count: usize,
        params: &Params,
    ) {
        let [a, b, c, d] = params.matrix.map(f32::to_bits);
        let has_lapse = u32::from(params.flags & Params::HAS_LAPSE != 0);
        let params = self.uniform(&[count as u32, has_lapse, 0, 0, a, b, c, d]);
        let entries = [entry(0, params.as_entire_buffer_binding()), entry(1, partials), entry(2, to)];
        self.encode(encoder, &self.sum, &entries, 1);
    }

    fn encode(
        &self,
        encoder: &mut CommandEncoder,
        pipeline: &ComputePipeline,
        entries: &[wgpu::BindGroupEntry<'_>],
        workgroups: usize,
    ) {
        let group = self.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("prefstrength"),
            layout: &pipeline.get_bind_group_layout(0),
            entries,
        });
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        pass.set_pipeline(pipeline);
        pass.set_bind_group(0, &group, &[]);
        pass.dispatch_workgroups(workgroups as u32, 1, 1);
    }

    /// Submits, waits, and hands the bytes of a mapped buffer to `read`.
    pub(super) fn finish<R>(
        &self,
        encoder: CommandEncoder,
        staging: &Buffer,
        bytes: u64,
        read: impl FnOnce(&[f32]) -> R,
    ) -> Result<R, GpuError> {
        let (sender, receiver) = mpsc::channel();
        let submission = self.scoped(|| {
            let submission = self.queue.submit([encoder.finish()]);
            staging.map_async(wgpu::MapMode::Read, ..bytes, move |result| {
                // Nobody waits any more after a timeout.
                let _ = sender.send(result);
            });
            submission
        })?;
        let wait = wgpu::PollType::Wait { submission_index: Some(submission), timeout: Some(PATIENCE) };
        match self.device.poll(wait) {
            Ok(_) => {}
            Err(wgpu::PollError::Timeout) => return Err(GpuError::Timeout),
            Err(_) => return Err(GpuError::Lost),
        }
        // Another thread that polls may be about to call it.
        match receiver.recv_timeout(PATIENCE) {
            Ok(Ok(())) => {}
            _ => return Err(GpuError::Lost),
        }
        // A device that is destroyed meanwhile reports that as a validation error.
        let result = self.scoped(|| {
            let result = staging.get_mapped_range(..bytes).map(|view| read(bytemuck::cast_slice(&view)));
            staging.unmap();
            result
        });
        result.map_err(|_| GpuError::Lost)?.map_err(|_| GpuError::Lost)
    }
}

fn entry(binding: u32, resource: BufferBinding<'_>) -> wgpu::BindGroupEntry<'_> {
    wgpu::BindGroupEntry { binding, resource: wgpu::BindingResource::Buffer(resource) }
}

fn buffer(device: &Device, size: u64, usage: BufferUsages) -> Buffer {
    let label = Some("prefstrength");
    device.create_buffer(&wgpu::BufferDescriptor { label, size, usage, mapped_at_creation: false })
}

/// Runs `work` with every error of the device caught, the first one given back.
fn scoped<R>(device: &Device, work: impl FnOnce() -> R) -> Result<R, GpuError> {
    use wgpu::ErrorFilter::{Internal, OutOfMemory, Validation};
    let [a, b, c] = [Internal, OutOfMemory, Validation].map(|filter| device.push_error_scope(filter));
    let result = work();
    // Each is known at once; scopes end in reverse.
    let errors = [pollster::block_on(c.pop()), pollster::block_on(b.pop()), pollster::block_on(a.pop())];
    match errors.into_iter().flatten().next() {
        Some(error) => Err(error.into()),
        None => Ok(result),
    }
}
