//! Batches on a GPU, through [`wgpu`] (feature `gpu`): f32, Vulkan, Metal or Direct3D 12.
//!
//! | | |
//! | --- | --- |
//! | [`Gpu`] | a device with the compiled kernels: the system's fastest, or the caller's own |
//! | [`Plan`] | one p(β) for all margins |
//! | [`PerElement`] | parameters per element |
//! | [`Resident`] | a batch in buffers of the device, for `encode`, which neither submits nor waits |
//!
//! `evaluate` takes and fills slices of the host, of any length, in passes that the device can take; what the
//! kernels do not cover (beyond the box that [`Resident`] states, and labels that are unlikely without a lapse) it
//! takes from the CPU. Weights, label smoothing, lapses, NaN and ±∞ are as in [`crate::batch`]; upstream gradients,
//! lapses per element and rows of derivatives in a lapse in `evaluate` alone. Errors come before anything is written,
//! and no error of wgpu panics but those that it defers to the caller's own `CommandEncoder::finish`.

mod device;
mod element;
mod error;
mod host;
mod plan;
mod resident;
mod shader;

pub use device::Gpu;
pub use element::{Parameters, PerElement};
pub use error::GpuError;
pub use plan::Plan;
pub use resident::Resident;
pub use wgpu;

/// The complete WGSL text of every kernel, by name.
#[doc(hidden)]
#[must_use]
pub fn shader_sources() -> [(&'static str, std::string::String); 3] {
    use shader::{Kernel, source};
    [
        ("shared", source(Kernel::Shared)),
        ("per_element", source(Kernel::PerElement)),
        ("sum", source(Kernel::Sum)),
    ]
}
