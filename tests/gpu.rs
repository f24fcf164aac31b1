//! Batches on the GPU, on whatever adapter there is: `PREFSTRENGTH_REQUIRE_GPU=1` makes its absence a failure.
#![cfg(feature = "gpu")]

#[path = "it/support/mod.rs"]
mod support;

use prefstrength::Coordinates;
use prefstrength::batch::{self, Batch, Direct, Rows, Sums};
use prefstrength::gpu::{self, Gpu, GpuError, Resident, wgpu};
use prefstrength::{AnyStrength, Fixed, Gamma, InverseGaussian, Level, LogNormal, Smoothing, Strength};
use std::sync::OnceLock;
use support::batch::{Family, Ways};
use wgpu::{Buffer, BufferUsages};

/// The adapter of all tests.
fn gpu() -> Option<Gpu> {
    static GPU: OnceLock<Option<Gpu>> = OnceLock::new();
    GPU.get_or_init(|| match Gpu::new() {
        Ok(gpu) => {
            println!("adapter: {} ({:?})", gpu.adapter().name, gpu.adapter().backend);
            Some(gpu)
        }
        Err(GpuError::NoAdapter(why)) => {
            assert_ne!(std::env::var("PREFSTRENGTH_REQUIRE_GPU").as_deref(), Ok("1"), "no adapter: {why}");
            println!("SKIPPED: no GPU adapter: {why}");
            None
        }
        Err(error) => panic!("{error}"),
    })
    .clone()
}

/// A device of its own, with small buffers.
fn small_device() -> Option<(wgpu::Device, wgpu::Queue)> {
    gpu()?;
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle_from_env());
    let adapter =
        pollster(instance.request_adapter(&wgpu::RequestAdapterOptions::default())).expect("adapter");
    let required_limits = wgpu::Limits {
        max_storage_buffer_binding_size: 1 << 20,
        max_buffer_size: 1 << 20,
        ..adapter.limits()
    };
    let descriptor = wgpu::DeviceDescriptor { required_limits, ..Default::default() };
    Some(pollster(adapter.request_device(&descriptor)).expect("device"))
}

/// Waits for a future that is ready soon.
fn pollster<F: Future>(future: F) -> F::Output {
    let mut future = std::pin::pin!(future);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    loop {
        if let std::task::Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
        std::thread::yield_now();
    }
}

/// Margins of every size and sign.
fn margins(n: usize) -> Vec<f32> {
    let mut x = 0x9E37_79B9_7F4A_7C15_u64;
    (0..n)
        .map(|_| {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            let size = 10_f64.powf((x >> 40) as f64 / 2_f64.powi(24) * 6.0 - 3.0);
            (if x & 1 == 0 { size } else { -size }) as f32
        })
        .collect()
}

/// Rows and sums.
type Outcome = ([Vec<f32>; 4], Sums);

fn rows<E: std::fmt::Debug>(
    n: usize,
    params: usize,
    f: impl FnOnce(Rows<'_, f32>) -> Result<Sums, E>,
) -> Outcome {
    let mut out: [Vec<f32>; 4] = std::array::from_fn(|_| vec![7.0; n]);
    let [nll, d_margin, p0, p1] = &mut out;
    let rows = Rows::new().nll(nll).d_margin(d_margin);
    let sums = f(if params == 1 { rows.d_params([p0]) } else { rows.d_params([p0, p1]) }).expect("evaluated");
    (out, sums)
}

fn close(a: f64, b: f64, tolerance: f64) -> bool {
    (a.is_nan() && b.is_nan()) || a == b || (a - b).abs() <= tolerance
}

/// The largest errors of nll, d_margin and parameters in f32 eps, as for the CPU's batches.
fn worst(
    family: Family,
    params: impl Fn(usize) -> [f32; 2],
    margins: &[f32],
    found: &[Vec<f32>; 4],
) -> [f64; 3] {
    let native = |i: usize, d: f64| {
        let params = params(i).map(f64::from);
        let truth = family.scalar(params, d, 0.0, Coordinates::Native);
        (truth, family.scales(params, d, truth, Coordinates::Native))
    };
    worst_of(family, native, margins, found)
}

/// The same in mean and cv.
fn worst_in_mean_cv(
    family: Family,
    params: impl Fn(usize) -> [f32; 2],
    margins: &[f32],
    found: &[Vec<f32>; 4],
) -> [f64; 3] {
    let of = |i: usize, d: f64| {
        let [mean, cv] = params(i).map(f64::from);
        let beta = AnyStrength::from_mean_cv(family, mean, cv).expect("valid");
        let g = beta.nll_gradient_in(d, Coordinates::MeanCv);
        let truth = [g.value, g.d_margin, g.d_params[0], g.d_params[1]];
        (truth, family.scales([mean, cv], d, truth, Coordinates::MeanCv))
    };
    worst_of(family, of, margins, found)
}

fn worst_of(
    family: Family,
    of: impl Fn(usize, f64) -> ([f64; 4], [f64; 4]),
    margins: &[f32],
    found: &[Vec<f32>; 4],
) -> [f64; 3] {
    let mut worst = [0.0_f64; 3];
    for (i, &d) in margins.iter().enumerate() {
        let (truth, scales) = of(i, f64::from(d));
        for j in 0..4 {
            if family == Family::Fixed && j == 3 {
                continue;
            }
            let error = (f64::from(found[j][i]) - truth[j]).abs();
            // Below the smallest normal number results may be 0.
            let error = if error <= 1.2e-38 { 0.0 } else { error / scales[j] / f64::from(f32::EPSILON) };
            assert!(
                error.is_finite(),
                "{family:?}, element {i}, row {j} at {d}: {} of {}",
                found[j][i],
                truth[j]
            );
            let k = j.min(2);
            if error > worst[k] {
                worst[k] = error;
            }
        }
    }
    worst
}

const BOUNDS: [f64; 3] = [8.0, 16.0, 64.0];

fn report(name: &str, worst: [f64; 3]) {
    println!("{name}: nll {:.1}, d_margin {:.1}, parameters {:.1} f32 eps", worst[0], worst[1], worst[2]);
    assert!((0..3).all(|k| worst[k] <= BOUNDS[k]), "{name}: {worst:?} of {BOUNDS:?}");
}

fn larger(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    std::array::from_fn(|k| a[k].max(b[k]))
}

#[test]
fn shared_parameters_are_accurate() {
    let Some(gpu) = gpu() else { return };
    let margins = margins(3000);
    fn run<S: Strength<f32>>(gpu: &Gpu, beta: S, margins: &[f32], params: usize) -> Outcome {
        let plan = gpu::Plan::new(gpu, &beta).expect("plan");
        rows(margins.len(), params, |rows| plan.evaluate(&Batch::new(margins), rows))
    }
    let mut found = [0.0; 3];
    for v in [1e-6_f32, 0.01, 0.25, 1.0, 20.0, 5e3] {
        let beta = Gamma::from_mean_v(1.0, v).expect("valid");
        let params = [beta.shape(), beta.scale()];
        let (out, _) = run(&gpu, beta, &margins, 2);
        found = larger(found, worst(Family::Gamma, |_| params, &margins, &out));
    }
    report("gamma, shared", found);
    let mut found = [0.0; 3];
    for sigma in [1e-3_f32, 0.1, 0.5, 1.0, 1.6, 1.95] {
        let beta = LogNormal::from_mu_sigma(-0.2, sigma).expect("valid");
        let (out, _) = run(&gpu, beta, &margins, 2);
        found = larger(found, worst(Family::LogNormal, |_| [-0.2, sigma], &margins, &out));
    }
    report("lognormal, shared", found);
    let mut found = [0.0; 3];
    for v in [1e-6_f32, 0.01, 0.25, 1.0, 20.0, 400.0] {
        let beta = InverseGaussian::from_mean_v(1.0, v).expect("valid");
        let params = [beta.mean(), beta.shape()];
        let (out, _) = run(&gpu, beta, &margins, 2);
        found = larger(found, worst(Family::InverseGaussian, |_| params, &margins, &out));
    }
    report("inverse gaussian, shared", found);
    let (out, _) = run(&gpu, Fixed::new(0.7_f32).expect("valid"), &margins, 1);
    report("fixed, shared", worst(Family::Fixed, |_| [0.7, 0.0], &margins, &out));
}

#[test]
fn parameters_per_element_are_accurate() {
    let Some(gpu) = gpu() else { return };
    let margins = margins(4000);
    let cycle = |list: &[f32], step: usize| -> Vec<f32> {
        (0..margins.len()).map(|i| list[i / step % list.len()]).collect()
    };
    let on = gpu::PerElement::new(&gpu);
    let batch = Batch::new(&margins);
    let (shape, scale) =
        (cycle(&[1e-3, 0.1, 0.5, 1.0, 4.0, 100.0, 1e5], 1), cycle(&[0.01, 0.3, 1.0, 20.0], 7));
    let losses = batch::PerElement::new(Family::Gamma, &[&shape, &scale]).expect("valid");
    let (out, _) = rows(margins.len(), 2, |rows| on.evaluate(&losses, &batch, rows));
    report("gamma, per element", worst(Family::Gamma, |i| [shape[i], scale[i]], &margins, &out));
    let (mu, sigma) = (cycle(&[-3.0, -0.5, 0.0, 1.0], 1), cycle(&[0.0, 1e-3, 0.1, 0.5, 1.0, 1.5, 1.9], 4));
    let losses = batch::PerElement::new(Family::LogNormal, &[&mu, &sigma]).expect("valid");
    let (out, sums) = rows(margins.len(), 2, |rows| on.evaluate(&losses, &batch, rows));
    report("lognormal, per element", worst(Family::LogNormal, |i| [mu[i], sigma[i]], &margins, &out));
    let total: f64 = out[0].iter().map(|&x| f64::from(x)).sum();
    assert!(close(sums.nll, total, 1e-9 * total) && sums.d_params == [0.0; 2]);
    let (mean, shape) = (cycle(&[0.01, 0.3, 1.0, 20.0], 1), cycle(&[1e-3, 0.1, 1.0, 30.0, 1e4], 4));
    let losses = batch::PerElement::new(Family::InverseGaussian, &[&mean, &shape]).expect("valid");
    let (out, _) = rows(margins.len(), 2, |rows| on.evaluate(&losses, &batch, rows));
    report(
        "inverse gaussian, per element",
        worst(Family::InverseGaussian, |i| [mean[i], shape[i]], &margins, &out),
    );
    let beta = cycle(&[0.0, 0.1, 1.0, 30.0], 1);
    let losses = batch::PerElement::new(Family::Fixed, &[&beta]).expect("valid");
    let (out, _) = rows(margins.len(), 1, |rows| on.evaluate(&losses, &batch, rows));
    report("fixed, per element", worst(Family::Fixed, |i| [beta[i], 0.0], &margins, &out));
}

#[test]
fn means_and_cvs_per_element_are_accurate() {
    let Some(gpu) = gpu() else { return };
    let margins = margins(4000);
    let cycle = |list: &[f32], step: usize| -> Vec<f32> {
        (0..margins.len()).map(|i| list[i / step % list.len()]).collect()
    };
    let (mean, cv) = (cycle(&[0.01, 0.3, 1.0, 20.0], 7), cycle(&[0.0, 1e-3, 0.1, 0.5, 1.0, 3.0], 1));
    for family in Family::ALL.into_iter().filter(|&family| family != Family::Fixed) {
        let losses = batch::PerElement::from_mean_cv(family, &mean, &cv).expect("valid");
        let (out, _) = rows(margins.len(), 2, |rows| {
            gpu::PerElement::new(&gpu).evaluate(&losses, &Batch::new(&margins), rows)
        });
        report(
            &format!("{family}, mean and cv per element"),
            worst_in_mean_cv(family, |i| [mean[i], cv[i]], &margins, &out),
        );
    }
}

/// The kernels are the scalar lane kernels, operation by operation, but for fused multiply-adds and the edges of
/// the range.
#[test]
fn twins() {
    let Some(gpu) = gpu() else { return };
    let margins = margins(5000);
    let on = gpu::PerElement::new(&gpu);
    for (family, [a, b]) in [
        (Family::Gamma, [2.0_f32, 0.5]),
        (Family::LogNormal, [-0.3, 0.8]),
        (Family::InverseGaussian, [0.8, 1.5]),
    ] {
        let (a, b) = (vec![a; margins.len()], vec![b; margins.len()]);
        let losses = family.per_element([&a, &b]).expect("valid");
        let batch = Batch::new(&margins);
        let (found, _) = rows(margins.len(), 2, |rows| on.evaluate(&losses, &batch, rows));
        let (twin, _) =
            rows(margins.len(), 2, |rows| losses.with_level(Level::scalar()).evaluate(&batch, rows));
        for j in 0..4 {
            for i in 0..margins.len() {
                let (x, y) = (f64::from(found[j][i]), f64::from(twin[j][i]));
                let eps = f64::from(f32::EPSILON) * [8.0, 16.0, 64.0, 64.0][j];
                let depth = (1.0 + f64::from(margins[i].abs())) * (x.abs() + y.abs());
                assert!(
                    close(x, y, eps * depth + 1.2e-38),
                    "{family:?}, row {j} at {}: {x}, {y}",
                    margins[i]
                );
            }
        }
    }
}

const LENGTHS: [usize; 7] = [0, 1, 63, 64, 65, 4097, 65_535 * 64 + 1];

#[test]
fn lengths() {
    let Some(gpu) = gpu() else { return };
    let beta = Gamma::<f32>::from_mean_cv(1.0, 0.5).expect("valid");
    let plan = gpu::Plan::new(&gpu, &beta).expect("plan");
    for n in LENGTHS {
        let margins = margins(n);
        let batch = Batch::new(&margins);
        let (found, sums) = rows(n, 2, |rows| plan.evaluate(&batch, rows));
        let (cpu, expected) = rows(n, 2, |rows| batch::Plan::new(&beta).evaluate(&batch, rows));
        compare(&cpu, &found, &margins);
        compare_sums(&expected, &sums, &cpu);
    }
}

fn compare(cpu: &[Vec<f32>; 4], gpu: &[Vec<f32>; 4], margins: &[f32]) {
    for j in 0..4 {
        for (i, (&x, &y)) in cpu[j].iter().zip(&gpu[j]).enumerate() {
            let (x, y) = (f64::from(x), f64::from(y));
            let tolerance = 1e-6 * [8.0, 16.0, 64.0, 64.0][j] * x.abs() * (1.0 + f64::from(margins[i].abs()));
            assert!(close(x, y, tolerance + 1.2e-38), "row {j}, element {i} at {}: {x}, {y}", margins[i]);
        }
    }
}

/// Sums to 1e-5 of their absolute terms.
fn compare_sums(cpu: &Sums, gpu: &Sums, rows: &[Vec<f32>; 4]) {
    let absolute = |j: usize| rows[j].iter().map(|x| f64::from(x.abs())).sum::<f64>();
    assert_eq!(cpu.weight, gpu.weight);
    assert!(close(cpu.nll, gpu.nll, 1e-5 * absolute(0)), "{cpu:?}, {gpu:?}");
    for k in 0..2 {
        assert!(close(cpu.d_params[k], gpu.d_params[k], 2e-5 * absolute(2 + k)), "{cpu:?}, {gpu:?}");
    }
}

#[test]
fn several_chunks_on_a_device_of_the_caller() {
    let Some((device, queue)) = small_device() else { return };
    let gpu = Gpu::from_wgpu(device, queue).expect("kernels");
    assert_eq!(gpu.max_elements(), 1 << 18);
    let margins = margins(1_000_000);
    let weights: Vec<f32> = (0..margins.len()).map(|i| (i % 5) as f32 * 0.5).collect();
    let upstream: Vec<f32> = (0..margins.len()).map(|i| (i % 7) as f32 - 3.0).collect();
    let smoothing = Smoothing::new(0.1).expect("valid");
    let batch = Batch::new(&margins).weights(&weights).upstream(&upstream).smoothing(smoothing);
    let beta = LogNormal::<f32>::from_mean_cv(1.0, 0.6).expect("valid");
    let plan = gpu::Plan::new(&gpu, &beta).expect("plan").with_coordinates(Coordinates::LnMeanLnCv);
    let (found, sums) = rows(margins.len(), 2, |rows| plan.evaluate(&batch, rows));
    let cpu = batch::Plan::new(&beta).with_coordinates(Coordinates::LnMeanLnCv);
    let (expected, cpu_sums) = rows(margins.len(), 2, |rows| cpu.evaluate(&batch, rows));
    // With smoothing a row may be a difference: against the terms.
    for j in 0..4 {
        for i in 0..margins.len() {
            let (x, y) = (f64::from(expected[j][i]), f64::from(found[j][i]));
            let size = f64::from(margins[i].abs()).max(1.0) * f64::from(weights[i]) * 3.0;
            assert!(close(x, y, 2e-6 * size), "row {j} at {}: {x}, {y}", margins[i]);
        }
    }
    assert!((sums.weight - cpu_sums.weight).abs() < 1e-6 * cpu_sums.weight);
    compare_sums(&Sums { weight: sums.weight, ..cpu_sums }, &sums, &expected);
    let losses = [margins.iter().map(|_| 2.0).collect::<Vec<f32>>(), margins.iter().map(|_| 0.5).collect()];
    let losses = batch::PerElement::new(Family::Gamma, &[&losses[0], &losses[1]]).expect("valid");
    let on = gpu::PerElement::new(&gpu);
    let (found, _) = rows(margins.len(), 2, |rows| on.evaluate(&losses, &Batch::new(&margins), rows));
    let (expected, _) = rows(margins.len(), 2, |rows| losses.evaluate(&Batch::new(&margins), rows));
    compare(&expected, &found, &margins);
}

#[test]
fn specials() {
    let Some(gpu) = gpu() else { return };
    let margins = [
        f32::NAN,
        f32::INFINITY,
        f32::NEG_INFINITY,
        0.0,
        -0.0,
        1e-45,
        -1e-45,
        1e-30,
        f32::MIN_POSITIVE,
        1e9,
        -1e9,
        3e38,
        -3e38,
        1e5,
        -1e5,
        f32::from_bits(0xffc0_0001),
        1.0,
    ];
    let batch = Batch::new(&margins);
    let check = |name: &str, found: &Outcome, expected: &Outcome| {
        for j in 0..4 {
            for (i, d) in margins.iter().enumerate() {
                let (x, y) = (f64::from(found.0[j][i]), f64::from(expected.0[j][i]));
                // ∂/∂σ is a difference of terms as large as ∂/∂μ.
                let size = y.abs() + if j == 3 { f64::from(expected.0[2][i]).abs() } else { 0.0 };
                let size = if size.is_finite() { size } else { 0.0 };
                let tolerance = 1e-5 * size + 1.2e-38;
                assert!(close(x, y, tolerance), "{name}, row {j} at {d:e}: {x:e} of {y:e}");
            }
        }
        assert!(found.1.nll.is_nan() && found.1.weight == margins.len() as f64, "{name}");
    };
    fn shared<S: Strength<f32>>(gpu: &Gpu, beta: S, batch: &Batch<'_, f32>, params: usize) -> [Outcome; 2] {
        let plan = gpu::Plan::new(gpu, &beta).expect("plan");
        [
            rows(batch.len(), params, |rows| plan.evaluate(batch, rows)),
            rows(batch.len(), params, |rows| Direct::new(&beta).evaluate(batch, rows)),
        ]
    }
    for v in [0.25, 30.0, 2e4] {
        let [found, expected] = shared(&gpu, Gamma::from_mean_v(1.0, v).expect("valid"), &batch, 2);
        check("gamma", &found, &expected);
    }
    for sigma in [0.0, 0.5, 1.5, 3.0] {
        let [found, expected] = shared(&gpu, LogNormal::from_mu_sigma(0.0, sigma).expect("valid"), &batch, 2);
        check("lognormal", &found, &expected);
    }
    let [found, expected] = shared(&gpu, Fixed::new(2.0).expect("valid"), &batch, 1);
    check("fixed", &found, &expected);
    let on = gpu::PerElement::new(&gpu);
    let n = margins.len();
    for (family, a, b) in [
        (Family::Gamma, 2.0, 0.5),
        (Family::Gamma, 1e-5, 10.0),
        (Family::LogNormal, 0.0, 0.5),
        (Family::LogNormal, 1.0, 4.0),
        (Family::InverseGaussian, 1.0, 2.0),
        (Family::InverseGaussian, 1.0, 1e-3),
        (Family::Fixed, 2.0, 0.0),
        (Family::Fixed, 0.0, 0.0),
    ] {
        let (a, b) = (vec![a; n], vec![b; n]);
        let losses = family.per_element([&a, &b]).expect("valid");
        let params = family.params(Coordinates::Native);
        let found = rows(n, params, |rows| on.evaluate(&losses, &batch, rows));
        let expected = rows(n, params, |rows| losses.evaluate(&batch, rows));
        check(&format!("{family:?} per element"), &found, &expected);
    }
}

#[test]
fn infinities_in_sums_and_products() {
    let Some(gpu) = gpu() else { return };
    let same = |a: &Outcome, b: &Outcome| {
        for (x, y) in a.0.iter().flatten().zip(b.0.iter().flatten()) {
            let (x, y) = (f64::from(*x), f64::from(*y));
            assert!(close(x, y, 1e-5 * y.abs() + 1.2e-38), "{x} of {y}");
        }
        let sums = |o: &Outcome| [o.1.nll, o.1.d_params[0], o.1.d_params[1]];
        for (x, y) in sums(a).into_iter().zip(sums(b)) {
            assert!(close(x, y, 1e-5 * y.abs()), "{:?} of {:?}", a.1, b.1);
        }
    };
    fn both<S: Strength<f32>>(gpu: &Gpu, beta: S, batch: &Batch<'_, f32>) -> [Outcome; 2] {
        let plan = gpu::Plan::new(gpu, &beta).expect("plan");
        [
            rows(batch.len(), 2, |rows| plan.evaluate(batch, rows)),
            rows(batch.len(), 2, |rows| Direct::new(&beta).evaluate(batch, rows)),
        ]
    }
    let lognormal = LogNormal::from_mu_sigma(-2.0_f32, 0.5).expect("valid");
    let [found, expected] = both(&gpu, lognormal, &Batch::new(&[1.0, f32::NEG_INFINITY, 2.0]));
    same(&found, &expected);
    let gamma = Gamma::from_mean_cv(1.0_f32, 0.5).expect("valid");
    let batch = Batch::new(&[1.0, f32::NEG_INFINITY, 2.0]).upstream(&[1.0, 0.0, -1.0]);
    let [found, expected] = both(&gpu, gamma, &batch);
    same(&found, &expected);
    let (large, weights) = (vec![-1e8; 4096], vec![1e27; 4096]);
    let [found, expected] = both(&gpu, gamma, &Batch::new(&large).weights(&weights));
    same(&found, &expected);
    let margins = [1e8, 1e33, 80.0, 1.0];
    let (shape, scale) = ([1e32, 1e6, 1e38, 2.0], [1e-34, 1e-36, 1e-38, 0.5]);
    let losses = batch::PerElement::new(Family::Gamma, &[&shape, &scale]).expect("valid");
    let batch = Batch::new(&margins);
    let found = rows(4, 2, |rows| gpu::PerElement::new(&gpu).evaluate(&losses, &batch, rows));
    same(&found, &rows(4, 2, |rows| losses.evaluate(&batch, rows)));
}

fn upload(gpu: &Gpu, numbers: &[f32]) -> Buffer {
    let buffer = gpu.device().create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size: 4 * numbers.len() as u64,
        usage: BufferUsages::STORAGE | BufferUsages::COPY_DST | BufferUsages::COPY_SRC,
        mapped_at_creation: false,
    });
    let bytes: Vec<u8> = numbers.iter().flat_map(|x| x.to_ne_bytes()).collect();
    gpu.queue().write_buffer(&buffer, 0, &bytes);
    buffer
}

fn download(gpu: &Gpu, buffer: &Buffer) -> Vec<f32> {
    let staging = gpu.device().create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size: buffer.size(),
        usage: BufferUsages::MAP_READ | BufferUsages::COPY_DST,
        mapped_at_creation: false,
    });
    let mut encoder = gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    encoder.copy_buffer_to_buffer(buffer, 0, &staging, 0, buffer.size());
    gpu.queue().submit([encoder.finish()]);
    staging.map_async(wgpu::MapMode::Read, .., |result| result.expect("mapped"));
    gpu.device().poll(wgpu::PollType::wait_indefinitely()).expect("finished");
    let view = staging.get_mapped_range(..).expect("mapped");
    view.chunks_exact(4).map(|b| f32::from_ne_bytes(b.try_into().expect("four"))).collect()
}

#[test]
fn resident_buffers() {
    let Some(gpu) = gpu() else { return };
    let n = 10_000;
    let margins = margins(n);
    // Behind 256 other bytes, in a buffer that is larger than needed.
    let padded: Vec<f32> =
        std::iter::repeat_n(9.0, 64).chain(margins.iter().copied()).chain([9.0; 10]).collect();
    let input = upload(&gpu, &padded);
    let weights = upload(&gpu, &vec![0.5; n]);
    let outputs: [Buffer; 4] = std::array::from_fn(|_| upload(&gpu, &vec![7.0; n + 1]));
    let sums = upload(&gpu, &[0.0; 4]);
    let [nll, d_margin, p0, p1] = outputs.each_ref().map(Buffer::as_entire_buffer_binding);
    let resident = Resident::new(wgpu::BufferBinding { buffer: &input, offset: 256, size: None }, n)
        .weights(weights.as_entire_buffer_binding())
        .nll(nll)
        .d_margin(d_margin)
        .d_params([p0, p1]);
    let beta = Gamma::<f32>::from_mean_cv(1.0, 0.5).expect("valid");
    let mut plan = gpu::Plan::new(&gpu, &Gamma::from_mean_cv(2.0, 1.0).expect("valid")).expect("plan");
    // The training loop: new parameters, the same buffers.
    plan.prepare(&beta).expect("uploaded");
    let mut encoder = gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    let summed = resident.clone().sums(sums.as_entire_buffer_binding());
    plan.encode(&mut encoder, &summed).expect("encoded");
    gpu.queue().submit([encoder.finish()]);
    let found = outputs.each_ref().map(|buffer| download(&gpu, buffer));
    let weights = vec![0.5; n];
    let batch = Batch::new(&margins).weights(&weights);
    let (cpu, expected) = rows(n, 2, |rows| batch::Plan::new(&beta).evaluate(&batch, rows));
    assert!(found.iter().all(|column| column[n] == 7.0));
    let found = found.map(|column| column[..n].to_vec());
    compare(&cpu, &found, &margins);
    let [weight, nll, a, b] = download(&gpu, &sums)[..].try_into().expect("four");
    let [weight, nll, a, b] = [weight, nll, a, b].map(f64::from);
    compare_sums(&expected, &Sums { weight, nll, d_params: [a, b] }, &cpu);

    // Parameters of their own: the same numbers.
    let (shape, scale) = (upload(&gpu, &vec![beta.shape(); n]), upload(&gpu, &vec![beta.scale(); n]));
    let bindings = [&shape, &scale].map(|buffer| buffer.as_entire_buffer_binding());
    let parameters = gpu::Parameters::native(Family::Gamma, bindings);
    let mut encoder = gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    gpu::PerElement::new(&gpu).encode(&mut encoder, &parameters, &resident).expect("encoded");
    gpu.queue().submit([encoder.finish()]);
    let found = outputs.each_ref().map(|buffer| download(&gpu, buffer)[..n].to_vec());
    compare(&cpu, &found, &margins);

    // What was encoded before `prepare` keeps its parameters, and so does a clone.
    let kept = plan.clone();
    let mut encoder = gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    plan.encode(&mut encoder, &summed).expect("encoded");
    plan.prepare(&Gamma::from_mean_cv(3.0, 4.0).expect("valid")).expect("uploaded");
    gpu.queue().submit([encoder.finish()]);
    assert_eq!(f64::from(download(&gpu, &sums)[1]), nll);
    let clone = kept.evaluate(&batch, Rows::new()).expect("evaluated");
    assert!(close(clone.nll, expected.nll, 1e-5 * expected.nll));

    // An empty batch clears the sums, in a buffer with no other usage.
    let mut encoder = gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    let only_storage = gpu.device().create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size: 16,
        usage: BufferUsages::STORAGE,
        mapped_at_creation: false,
    });
    let empty = Resident::new(input.as_entire_buffer_binding(), 0);
    plan.encode(&mut encoder, &empty.clone().sums(only_storage.as_entire_buffer_binding())).expect("encoded");
    let empty = empty.sums(sums.as_entire_buffer_binding());
    plan.encode(&mut encoder, &empty).expect("encoded");
    gpu.queue().submit([encoder.finish()]);
    assert_eq!(download(&gpu, &sums), [0.0; 4]);
}

#[test]
fn typed_errors() {
    let Some(gpu) = gpu() else { return };
    let beta = Gamma::<f32>::from_mean_cv(1.0, 0.5).expect("valid");
    let plan = gpu::Plan::new(&gpu, &beta).expect("plan");
    let mut nll = [7.0; 3];
    let refused = plan.evaluate(&Batch::new(&[1.0; 2]), Rows::new().nll(&mut nll));
    assert!(matches!(refused, Err(GpuError::Batch(batch::BatchError::Length { .. }))), "{refused:?}");
    let refused =
        plan.evaluate(&Batch::new(&[1.0; 3]).weights(&[1.0, f32::NAN, 1.0]), Rows::new().nll(&mut nll));
    assert!(matches!(refused, Err(GpuError::Batch(batch::BatchError::Weight { index: 1 }))), "{refused:?}");
    assert_eq!(nll, [7.0; 3]);

    let mut encoder = gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    let small = upload(&gpu, &[1.0; 10]);
    let binding = || small.as_entire_buffer_binding();
    let refused = plan.encode(&mut encoder, &Resident::new(binding(), 11));
    assert_eq!(refused, Err(GpuError::Buffer { name: "margins", found: 40, needed: 44 }));
    let other = upload(&gpu, &[1.0; 10]);
    let offset = wgpu::BufferBinding { buffer: &other, offset: 1000, size: None };
    let refused = plan.encode(&mut encoder, &Resident::new(binding(), 10).nll(offset));
    assert_eq!(refused, Err(GpuError::Buffer { name: "nll", found: 0, needed: 40 }));
    let refused = plan.encode(
        &mut encoder,
        &Resident::new(binding(), 10).sums(wgpu::BufferBinding { buffer: &small, offset: 32, size: None }),
    );
    assert_eq!(refused, Err(GpuError::Buffer { name: "sums", found: 8, needed: 16 }));
    // 8 GiB, and more than memory has addresses for.
    for elements in [1_usize << 31, usize::MAX] {
        let refused = plan.encode(&mut encoder, &Resident::new(binding(), elements));
        assert_eq!(refused, Err(GpuError::TooLarge { elements, limit: gpu.max_elements() }));
    }
    // An output in a buffer that holds an input, in whatever ranges.
    let both = upload(&gpu, &[1.0; 200]);
    let apart = wgpu::BufferBinding { buffer: &both, offset: 512, size: None };
    let refused =
        plan.encode(&mut encoder, &Resident::new(both.as_entire_buffer_binding(), 10).d_margin(apart));
    assert_eq!(refused, Err(GpuError::Shared { name: "d_margin" }));
    // Without the usage that it needs, and at an offset that no device takes.
    let wrong = gpu.device().create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size: 64,
        usage: BufferUsages::COPY_DST,
        mapped_at_creation: false,
    });
    let odd = wgpu::BufferBinding { buffer: &small, offset: 4, size: None };
    for bad in [wrong.as_entire_buffer_binding(), odd] {
        let mut encoder = gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        let refused = plan.encode(&mut encoder, &Resident::new(bad, 4));
        assert!(matches!(refused, Err(GpuError::Validation(_))), "{refused:?}");
    }
    // Parameters beyond the kernels: the host takes over, the device cannot.
    let wide = gpu::Plan::new(&gpu, &LogNormal::from_mu_sigma(0.0, 5.0).expect("valid")).expect("plan");
    assert_eq!(wide.encode(&mut encoder, &Resident::new(binding(), 10)), Err(GpuError::Parameters));
    assert!(wide.evaluate(&Batch::new(&[1.0, -2.0]), Rows::new()).expect("on the CPU").nll > 0.0);
    // Sums are for shared parameters.
    let refused = gpu::PerElement::new(&gpu).encode(
        &mut encoder,
        &gpu::Parameters::native(Family::Fixed, [binding()]),
        &Resident::new(binding(), 10).sums(binding()),
    );
    assert_eq!(refused, Err(GpuError::Parameters));
}

#[test]
fn a_device_that_is_destroyed() {
    let Some((device, queue)) = small_device() else { return };
    let gpu = Gpu::from_wgpu(device.clone(), queue).expect("kernels");
    let beta = Gamma::<f32>::from_mean_cv(1.0, 0.5).expect("valid");
    let plan = gpu::Plan::new(&gpu, &beta).expect("plan");
    let margins = margins(300_000);
    // In flight: another thread destroys it while this one evaluates again and again.
    let (mut nll, mut last) = (vec![7.0; margins.len()], vec![7.0; margins.len()]);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(std::time::Duration::from_millis(200));
            device.destroy();
        });
        let error = loop {
            last.copy_from_slice(&nll);
            match plan.evaluate(&Batch::new(&margins), Rows::new().nll(&mut nll)) {
                Ok(_) => {}
                Err(error) => break error,
            }
        };
        assert!(matches!(error, GpuError::Lost | GpuError::Validation(_)), "{error:?}");
    });
    assert_eq!(nll, last);
    let again = plan.evaluate(&Batch::new(&margins), Rows::new().nll(&mut nll));
    assert!(again.is_err() && nll == last);
}

#[test]
fn threads_share_a_device() {
    let Some(gpu) = gpu() else { return };
    let beta = Gamma::<f32>::from_mean_cv(1.0, 0.5).expect("valid");
    let plan = gpu::Plan::new(&gpu, &beta).expect("plan");
    let margins = margins(50_000);
    let (once, sums) = rows(margins.len(), 2, |rows| plan.evaluate(&Batch::new(&margins), rows));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let (found, again) =
                    rows(margins.len(), 2, |rows| plan.evaluate(&Batch::new(&margins), rows));
                // The same bits, whatever else the device does.
                assert_eq!((&found, again), (&once, sums));
            });
        }
    });
}

/// No driver at all: everything but the arithmetic.
#[cfg(feature = "internal-gpu-tests")]
#[test]
fn plumbing_on_the_no_op_device() {
    let (device, queue) = wgpu::Device::noop(&wgpu::DeviceDescriptor::default());
    let gpu = Gpu::from_wgpu(device, queue).expect("kernels");
    let beta = Fixed::<f32>::new(1.0).expect("valid");
    let plan = gpu::Plan::new(&gpu, &beta).expect("plan");
    let margins = margins(5000);
    let (found, sums) = rows(margins.len(), 1, |rows| plan.evaluate(&Batch::new(&margins), rows));
    assert!(found[0].iter().chain(&found[2]).all(|&x| x == 0.0) && found[3][0] == 7.0);
    assert_eq!((sums.weight, sums.nll), (5000.0, 0.0));
}
