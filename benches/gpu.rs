//! Batches on the GPU: what its kernels make of resident buffers, beside a plain copy of the same bytes, and
//! the round trip from slices of the host.
//!
//! ```text
//! cargo bench --bench gpu --features gpu      # PREFSTRENGTH_BENCH_LARGE=1: also 1e8 margins, 2 GB
//! ```
//!
//! Kernels read a margin and write loss and ∂/∂margin (12 bytes, with two parameters per element 20); shared ones
//! also sum the gradient in the parameters. The copy moves 6 bytes per element, 12 with reading. A sample is
//! several passes in one submission.

#[allow(dead_code, reason = "the other kinds")]
#[path = "support/margins.rs"]
mod margins;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput};
use prefstrength::batch::{Batch, Rows};
use prefstrength::gpu::wgpu::{
    Buffer, BufferDescriptor, BufferUsages, CommandEncoder, CommandEncoderDescriptor, PollType,
};
use prefstrength::gpu::{Gpu, GpuError, Parameters, PerElement, Plan, Resident};
use prefstrength::{Family, Fixed, Gamma, LogNormal};
use std::hint::black_box;

/// Margins as in training.
fn training(n: usize) -> Vec<f32> {
    margins::Kind::Training.margins(n).into_iter().map(|d| d as f32).collect()
}

/// Passes per submission.
const PASSES: u64 = 10;

fn buffer(gpu: &Gpu, bytes: usize) -> Buffer {
    gpu.device().create_buffer(&BufferDescriptor {
        label: None,
        size: bytes as u64,
        usage: BufferUsages::STORAGE | BufferUsages::COPY_DST | BufferUsages::COPY_SRC,
        mapped_at_creation: false,
    })
}

fn upload(gpu: &Gpu, numbers: &[f32]) -> Buffer {
    let buffer = buffer(gpu, 4 * numbers.len());
    let bytes: Vec<u8> = numbers.iter().flat_map(|x| x.to_ne_bytes()).collect();
    gpu.queue().write_buffer(&buffer, 0, &bytes);
    buffer
}

/// Times passes over buffers that stay on the device.
fn resident(c: &mut Criterion, gpu: &Gpu, name: &str, n: usize, encode: impl Fn(&mut CommandEncoder)) {
    let mut group = c.benchmark_group("gpu");
    group.sample_size(10).throughput(Throughput::Elements(n as u64 * PASSES));
    group.bench_function(BenchmarkId::new(name, n), |b| {
        let encoded = || {
            let mut encoder = gpu.device().create_command_encoder(&CommandEncoderDescriptor::default());
            (0..PASSES).for_each(|_| encode(&mut encoder));
            encoder.finish()
        };
        let run = |commands| {
            gpu.queue().submit([commands]);
            gpu.device().poll(PollType::wait_indefinitely()).expect("finished");
        };
        b.iter_batched(encoded, run, BatchSize::PerIteration);
    });
    group.finish();
}

fn kernels(c: &mut Criterion, gpu: &Gpu, n: usize) {
    let margins = upload(gpu, &training(n));
    let [nll, d_margin] = [(); 2].map(|()| buffer(gpu, 4 * n));
    let sums = buffer(gpu, 16);
    let rows = Resident::new(margins.as_entire_buffer_binding(), n)
        .nll(nll.as_entire_buffer_binding())
        .d_margin(d_margin.as_entire_buffer_binding());
    let (from, to) = (buffer(gpu, 6 * n), buffer(gpu, 6 * n));
    resident(c, gpu, "copy", n, |encoder| encoder.copy_buffer_to_buffer(&from, 0, &to, 0, from.size()));
    let summed = rows.clone().sums(sums.as_entire_buffer_binding());
    let fixed = Plan::new(gpu, &Fixed::new(1.0).expect("valid")).expect("plan");
    resident(c, gpu, "fixed", n, |encoder| fixed.encode(encoder, &summed).expect("encoded"));
    let gamma = Plan::new(gpu, &Gamma::from_mean_cv(1.0, 0.5).expect("valid")).expect("plan");
    resident(c, gpu, "gamma-shared", n, |encoder| gamma.encode(encoder, &summed).expect("encoded"));
    let lognormal = Plan::new(gpu, &LogNormal::from_mean_cv(1.0, 0.5).expect("valid")).expect("plan");
    resident(c, gpu, "lognormal-shared", n, |encoder| lognormal.encode(encoder, &summed).expect("encoded"));
    let (shape, scale) = (upload(gpu, &vec![4.0; n]), upload(gpu, &vec![0.25; n]));
    let bindings = [&shape, &scale].map(|buffer| buffer.as_entire_buffer_binding());
    let parameters = Parameters::native(Family::Gamma, bindings);
    let each = PerElement::new(gpu);
    resident(c, gpu, "gamma-per_element", n, |encoder| {
        each.encode(encoder, &parameters, &rows).expect("encoded")
    });
}

/// Slices of the host, there and back.
fn round_trip(c: &mut Criterion, gpu: &Gpu, n: usize) {
    let margins = training(n);
    let plan = Plan::new(gpu, &Gamma::from_mean_cv(1.0, 0.5).expect("valid")).expect("plan");
    let (mut nll, mut d_margin) = (vec![0.0; n], vec![0.0; n]);
    let mut group = c.benchmark_group("gpu");
    group.sample_size(10).throughput(Throughput::Elements(n as u64));
    group.bench_function(BenchmarkId::new("gamma-round_trip", n), |b| {
        b.iter(|| {
            let rows = Rows::new().nll(&mut nll).d_margin(&mut d_margin);
            black_box(plan.evaluate(&Batch::new(&margins), rows).expect("evaluated"))
        });
    });
    group.finish();
}

fn main() {
    let gpu = match Gpu::new() {
        Ok(gpu) => gpu,
        Err(GpuError::NoAdapter(why)) => return println!("SKIPPED: no GPU adapter: {why}"),
        Err(error) => panic!("{error}"),
    };
    let adapter = gpu.adapter();
    println!("adapter: {} ({:?}, {:?})", adapter.name, adapter.device_type, adapter.backend);
    let mut criterion = Criterion::default().configure_from_args();
    let large = std::env::var_os("PREFSTRENGTH_BENCH_LARGE").map(|_| 100_000_000);
    for n in [1_000_000, 10_000_000].into_iter().chain(large) {
        kernels(&mut criterion, &gpu, n.min(gpu.max_elements()));
        round_trip(&mut criterion, &gpu, n);
    }
    criterion.final_summary();
}
