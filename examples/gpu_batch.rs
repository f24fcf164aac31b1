//! Ten million margins on the GPU: the adapter, the throughput, and the difference from the CPU.
//!
//! ```text
//! cargo run --release --features gpu --example gpu_batch [-- ELEMENTS]
//! ```

use prefstrength::batch::{self, Batch, Rows, Sums};
use prefstrength::gpu::{Gpu, GpuError, PerElement, Plan};
use prefstrength::{Family, Gamma, LogNormal, Strength};
use std::error::Error;
use std::process::ExitCode;
use std::time::Instant;

/// Margins as in training, N(0.2, 0.5²) for E[β] = 1.
fn margins(n: usize) -> Vec<f32> {
    let mut x = 1_u64;
    let mut uniform = || {
        x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((x >> 11) as f64 + 0.5) / 2_f64.powi(53)
    };
    // Box and Muller.
    (0..n)
        .map(|_| {
            let (u, v) = (uniform(), uniform());
            (0.2 + 0.5 * (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()) as f32
        })
        .collect()
}

/// Losses and ∂/∂margin.
struct Found {
    nll: Vec<f32>,
    d_margin: Vec<f32>,
    sums: Sums,
    seconds: f64,
}

fn timed<E>(n: usize, evaluate: impl Fn(Rows<'_, f32>) -> Result<Sums, E>) -> Result<Found, E> {
    let (mut nll, mut d_margin) = (vec![0.0; n], vec![0.0; n]);
    // Once for pages and pipelines.
    evaluate(Rows::new().nll(&mut nll).d_margin(&mut d_margin))?;
    let start = Instant::now();
    let sums = evaluate(Rows::new().nll(&mut nll).d_margin(&mut d_margin))?;
    Ok(Found { nll, d_margin, sums, seconds: start.elapsed().as_secs_f64() })
}

/// The largest relative difference.
fn difference(a: &[f32], b: &[f32]) -> f64 {
    a.iter()
        .zip(b)
        .map(|(&a, &b)| f64::from((a - b).abs() / b.abs().max(f32::MIN_POSITIVE)))
        .fold(0.0, f64::max)
}

fn line(name: &str, gpu: &Found, cpu: &Found) {
    let n = gpu.nll.len() as f64;
    let sum = |s: &Sums| s.nll;
    println!(
        "{name:24} GPU {:8.2} ns per margin with transfers, CPU {:6.2}; differences: loss {:.1e}, d_margin {:.1e}, \
         summed loss {:.1e}",
        gpu.seconds / n * 1e9,
        cpu.seconds / n * 1e9,
        difference(&gpu.nll, &cpu.nll),
        difference(&gpu.d_margin, &cpu.d_margin),
        (sum(&gpu.sums) - sum(&cpu.sums)).abs() / sum(&cpu.sums).abs().max(f64::MIN_POSITIVE),
    );
}

fn shared<S: Strength<f32>>(gpu: &Gpu, name: &str, beta: &S, margins: &[f32]) -> Result<(), Box<dyn Error>> {
    let batch = Batch::new(margins);
    let plan = Plan::new(gpu, beta)?;
    let on_gpu = timed(margins.len(), |rows| plan.evaluate(&batch, rows))?;
    let on_cpu = timed(margins.len(), |rows| batch::Plan::new(beta).evaluate(&batch, rows))?;
    line(name, &on_gpu, &on_cpu);
    Ok(())
}

fn run(n: usize) -> Result<(), Box<dyn Error>> {
    let gpu = Gpu::new()?;
    let adapter = gpu.adapter();
    println!(
        "{} ({:?}, {:?}), {} elements per pass",
        adapter.name,
        adapter.device_type,
        adapter.backend,
        gpu.max_elements()
    );
    println!("{n} margins, f32: losses and ∂/∂margin back, gradient in the parameters summed");
    let margins = margins(n);
    shared(&gpu, "Gamma, shared", &Gamma::from_mean_cv(1.0, 0.5)?, &margins)?;
    shared(&gpu, "LogNormal, shared", &LogNormal::from_mean_cv(1.0, 0.5)?, &margins)?;
    let (shape, scale) = (vec![4.0; n], vec![0.25; n]);
    let losses = batch::PerElement::new(Family::Gamma, &[&shape, &scale])?;
    let batch = Batch::new(&margins);
    let on = PerElement::new(&gpu);
    let on_gpu = timed(n, |rows| on.evaluate(&losses, &batch, rows))?;
    let on_cpu = timed(n, |rows| losses.evaluate(&batch, rows))?;
    line("Gamma, per element", &on_gpu, &on_cpu);
    Ok(())
}

fn main() -> ExitCode {
    let n = match std::env::args().nth(1).map(|n| n.parse()) {
        None => 10_000_000,
        Some(Ok(n)) if n > 0 => n,
        _ => {
            eprintln!("usage: gpu_batch [ELEMENTS]");
            return ExitCode::FAILURE;
        }
    };
    match run(n) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let missing = error.downcast_ref().is_some_and(|e| matches!(e, GpuError::NoAdapter(_)));
            eprintln!("gpu_batch: {error}{}", if missing { " (is a Vulkan driver installed?)" } else { "" });
            ExitCode::FAILURE
        }
    }
}
