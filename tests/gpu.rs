//! Batches on the GPU, on whatever adapter there is: `PREFSTRENGTH_REQUIRE_GPU=1` makes its absence a failure.
#![cfg(feature = "gpu")]

#[path = "it/support/mod.rs"]
mod support;

use prefstrength::Coordinates;
use prefstrength::batch::{self, Batch, Direct, Rows, Sums};
use prefstrength::gpu::{self, Gpu, GpuError, Resident, wgpu};
use prefstrength::{
    AnyStrength, Fixed, Gamma, InverseGaussian, Lapse, Level, LogNormal, Smoothing, Strength,
};
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

/// All rows, and sums.
type Full = ([Vec<f32>; 6], Sums);

fn full_rows<E: std::fmt::Debug>(
    n: usize,
    params: usize,
    lapse: usize,
    f: impl FnOnce(Rows<'_, f32>) -> Result<Sums, E>,
) -> Full {
    let mut d_lapse = [vec![7.0; n], vec![7.0; n]];
    let ([nll, d_margin, p0, p1], sums) = rows(n, params, |rows| {
        let [l0, l1] = &mut d_lapse;
        f(if lapse == 1 { rows.d_lapse([l0]) } else { rows.d_lapse([l0, l1]) })
    });
    let [l0, l1] = d_lapse;
    ([nll, d_margin, p0, p1, l0, l1], sums)
}

/// A row in f64 with a lapse, and what its errors are relative to.
fn lapsed_row(family: Family, params: [f64; 2], d: f64, lapse: Lapse<f64>) -> ([f64; 6], [f64; 6]) {
    let beta = support::batch::strength(family, params).expect("valid");
    let g = beta.with_lapse(lapse).nll_gradient(d);
    let ([p0, p1], [l0, l1]) = (g.d_params, g.d_lapse);
    let plain = [g.value, g.d_margin, p0, p1];
    let [nll, d_margin, size0, size1] = family.scales(params, d, plain, Coordinates::Native);
    let scale = support::tail_scale(d, g.value);
    ([g.value, g.d_margin, p0, p1, l0, l1], [nll, d_margin, size0, size1, l0.abs() * scale, l1.abs() * scale])
}

/// The same with both labels in the loss: as far as they count.
fn labelled_row(
    family: Family,
    params: [f64; 2],
    d: f64,
    lapse: Lapse<f64>,
    opposite: f64,
) -> ([f64; 6], [f64; 6]) {
    let (mut truth, mut sizes) = ([0.0; 6], [0.0; 6]);
    for (flip, share) in [(false, 1.0 - opposite), (true, opposite)] {
        if share == 0.0 {
            continue;
        }
        let (d, lapse) = if flip { (-d, lapse.mirrored()) } else { (d, lapse) };
        let (mut row, mut size) = lapsed_row(family, params, d, lapse);
        if flip {
            row[1] = -row[1];
            if lapse.parameters() == 2 {
                row.swap(4, 5);
                size.swap(4, 5);
            }
        }
        for j in 0..6 {
            truth[j] += share * row[j];
            sizes[j] += share.abs() * size[j];
        }
    }
    (truth, sizes)
}

/// What stands between p(β) and the loss of an element.
type Label = ([f64; 2], Lapse<f32>);

/// The largest errors in f32 eps: nll, d_margin, parameters, lapse.
fn worst_lapsed(
    family: Family,
    of: impl Fn(usize) -> Label,
    margins: &[f32],
    smoothing: Smoothing<f32>,
    found: &[Vec<f32>; 6],
) -> [f64; 4] {
    let mut worst = [0.0_f64; 4];
    for (i, &d) in margins.iter().enumerate() {
        let (params, lapse) = of(i);
        let [floor, ceiling] = lapse.epsilon().map(f64::from);
        let wide = if lapse.parameters() == 2 { Lapse::by_side(floor, ceiling) } else { Lapse::new(floor) };
        let opposite = f64::from(smoothing.opposite());
        let (truth, sizes) = labelled_row(family, params, f64::from(d), wide.expect("valid"), opposite);
        for j in 0..6 {
            if (family == Family::Fixed && j == 3) || (lapse.parameters() == 1 && j == 5) {
                continue;
            }
            // What f32 does not hold is infinite, and below the smallest normal number factors may be 0.
            let (x, tiny) = (f64::from(found[j][i]), 1.2e-38 * (1.0 + f64::from(d.abs())));
            let error = (x - truth[j]).abs();
            let error = match truth[j].abs() > f64::from(f32::MAX) {
                true if x == truth[j].signum() * f64::INFINITY => 0.0,
                _ if error <= tiny => 0.0,
                _ => error / sizes[j] / f64::from(f32::EPSILON),
            };
            assert!(
                error.is_finite(),
                "{family:?} {params:?}, {lapse:?}, {smoothing:?}, row {j} at {d}: {x} of {}",
                truth[j]
            );
            let k = [0, 1, 2, 2, 3, 3][j];
            worst[k] = worst[k].max(error);
        }
    }
    worst
}

fn report_lapsed(name: &str, worst: [f64; 4]) {
    let [nll, d_margin, params, lapse] = worst;
    println!(
        "{name}: nll {nll:.1}, d_margin {d_margin:.1}, parameters {params:.1}, lapse {lapse:.1} f32 eps"
    );
    let bounds = [BOUNDS[0], BOUNDS[1], BOUNDS[2], 64.0];
    assert!((0..4).all(|k| worst[k] <= bounds[k]), "{name}: {worst:?} of {bounds:?}");
}

/// Margins with a block that the kernels do themselves, for means of 1, and some elements of every size.
fn near_and_far(n: usize) -> Vec<f32> {
    let near = |(i, d): (usize, f32)| if i < 4096 { d % 9.5 } else { d };
    margins(n).into_iter().enumerate().map(near).collect()
}

fn lapses() -> [Lapse<f32>; 7] {
    let by_side = |floor, ceiling| Lapse::by_side(floor, ceiling).expect("valid");
    let new = |epsilon| Lapse::new(epsilon).expect("valid");
    [
        new(0.05),
        by_side(0.1, 0.02),
        new(1e-6),
        by_side(0.0, 0.03),
        by_side(0.2, 0.0),
        new(0.49),
        Lapse::none(),
    ]
}

fn smoothings() -> [Smoothing<f32>; 4] {
    let conservative = |epsilon| Smoothing::new(epsilon).expect("valid");
    [Smoothing::none(), conservative(0.1), Smoothing::robust(0.1).expect("valid"), conservative(1.0)]
}

/// Sums against the rows: `zeros` are not summed.
fn check_sums(name: &str, (rows, sums): &Full, zeros: &[usize]) {
    let [p0, p1] = sums.d_params;
    let [l0, l1] = sums.d_lapse;
    for (j, found) in [(0, sums.nll), (2, p0), (3, p1), (4, l0), (5, l1)] {
        // A row that was not asked for.
        let none = zeros.contains(&j) || rows[j].first() == Some(&7.0);
        let row = rows[j].iter().map(|&x| if none { 0.0 } else { f64::from(x) });
        let (sum, size) = row.fold((0.0, 0.0), |(sum, size), x| (sum + x, size + x.abs()));
        assert!(close(sum, found, 1e-5 * size), "{name}, row {j}: {found} of {sum}");
    }
}

const LAPSED: [(Family, [f32; 2]); 4] = [
    (Family::Gamma, [4.0, 0.25]),
    (Family::LogNormal, [-0.2, 0.5]),
    (Family::InverseGaussian, [1.0, 2.0]),
    (Family::Fixed, [1.0, 0.0]),
];

#[test]
fn lapses_of_all_elements_are_accurate() {
    let Some(gpu) = gpu() else { return };
    let margins = near_and_far(4399);
    for (family, params) in LAPSED {
        let beta = support::batch::strength(family, params).expect("valid");
        let plan = gpu::Plan::new(&gpu, &beta).expect("plan");
        let columns = params.map(|x| vec![x; margins.len()]);
        let losses = family.per_element(columns.each_ref().map(|x| &x[..])).expect("valid");
        let mut worst = [[0.0_f64; 4]; 2];
        for (lapse, smoothing) in lapses().into_iter().flat_map(|l| smoothings().map(|s| (l, s))) {
            let batch = Batch::new(&margins).lapse(lapse).smoothing(smoothing);
            let (n, p, l) = (margins.len(), family.params(Coordinates::Native), lapse.parameters());
            let shared = full_rows(n, p, l, |rows| plan.evaluate(&batch, rows));
            let each = full_rows(n, p, l, |rows| gpu::PerElement::new(&gpu).evaluate(&losses, &batch, rows));
            let name = format!("{family}, {lapse:?}, {smoothing:?}");
            check_sums(&name, &shared, &[]);
            check_sums(&name, &each, &[2, 3]);
            for (worst, found) in worst.iter_mut().zip([shared, each]) {
                let of = |_| (params.map(f64::from), lapse);
                let these = worst_lapsed(family, of, &margins, smoothing, &found.0);
                *worst = std::array::from_fn(|k| worst[k].max(these[k]));
            }
        }
        report_lapsed(&format!("{family}, shared, lapse"), worst[0]);
        report_lapsed(&format!("{family}, per element, lapse"), worst[1]);
    }
}

/// ε₀ and ε₁ of elements; in the part for the CPU also one that is too small for the kernels.
fn lapse_columns(n: usize) -> [Vec<f32>; 2] {
    let pick = |i: usize, list: [f32; 7]| {
        if (4097..8000).contains(&i) && i.is_multiple_of(50) { 1e-35 } else { list[i % 7] }
    };
    [
        (0..n).map(|i| pick(i, [0.05, 0.0, 1e-6, 0.49, 0.3, -0.0, 1e-3])).collect(),
        (0..n).map(|i| pick(i / 2, [0.0, 0.02, 0.3, 1e-8, 0.0, 0.1, 0.45])).collect(),
    ]
}

#[test]
fn lapses_per_element_are_accurate() {
    let Some(gpu) = gpu() else { return };
    let margins = near_and_far(4399);
    let n = margins.len();
    let [floor, ceiling] = lapse_columns(n);
    let by_side = |i: usize| Lapse::by_side(floor[i], ceiling[i]).expect("valid");
    let alike = |i: usize| Lapse::new(floor[i]).expect("valid");
    let weights: Vec<f32> = (0..n).map(|i| if i % 9 == 0 { 0.0 } else { 1.0 }).collect();
    for (family, params) in LAPSED {
        let beta = support::batch::strength(family, params).expect("valid");
        let plan = gpu::Plan::new(&gpu, &beta).expect("plan");
        let each: [Vec<f32>; 2] =
            std::array::from_fn(|j| (0..n).map(|i| params[j] * [1.0, 1.05, 0.9][i % 3]).collect());
        let losses = family.per_element(each.each_ref().map(|x| &x[..])).expect("valid");
        let count = family.params(Coordinates::Native);
        let mut worst = [0.0_f64; 4];
        for smoothing in smoothings() {
            let plain = Batch::new(&margins).smoothing(smoothing);
            for (batch, sides) in [(plain.lapses(&floor), 1), (plain.lapses_by_side([&floor, &ceiling]), 2)] {
                let lapse = |i: usize| if sides == 2 { by_side(i) } else { alike(i) };
                let found = full_rows(n, count, sides, |rows| plan.evaluate(&batch, rows));
                check_sums("shared parameters", &found, &[4, 5]);
                let of = |i: usize| (params.map(f64::from), lapse(i));
                let these = worst_lapsed(family, of, &margins, smoothing, &found.0);
                worst = std::array::from_fn(|k| worst[k].max(these[k]));
                // Masks leave out what they are for, and change nothing else.
                let masked = full_rows(n, count, sides, |rows| plan.evaluate(&batch.weights(&weights), rows));
                for (whole, masked) in found.0.iter().zip(&masked.0) {
                    let expected = whole.iter().zip(&weights).map(|(x, w)| if *w == 0.0 { 0.0 } else { *x });
                    assert!(whole[0] == 7.0 || masked.iter().copied().eq(expected), "{family}");
                }
                let on = gpu::PerElement::new(&gpu);
                let found = full_rows(n, count, sides, |rows| on.evaluate(&losses, &batch, rows));
                check_sums("parameters per element", &found, &[2, 3, 4, 5]);
                let of = |i: usize| (each.each_ref().map(|x| f64::from(x[i])), lapse(i));
                let these = worst_lapsed(family, of, &margins, smoothing, &found.0);
                worst = std::array::from_fn(|k| worst[k].max(these[k]));
            }
        }
        report_lapsed(&format!("{family}, lapse per element"), worst);
    }
}

/// No lapse, a lapse of 0, and 0 among other lapses: the same bits.
#[test]
fn a_lapse_of_zero_is_none() {
    let Some(gpu) = gpu() else { return };
    let margins: Vec<f32> = margins(5000).into_iter().map(|d| d % 9.5).collect();
    let n = margins.len();
    let zeros = vec![0.0; n];
    let mixed: Vec<f32> = (0..n).map(|i| (i % 3) as f32 * 0.1).collect();
    let bits = |rows: &[Vec<f32>]| -> Vec<Vec<u32>> {
        rows[..4].iter().map(|row| row.iter().map(|x| x.to_bits()).collect()).collect()
    };
    for ((family, params), smoothing) in LAPSED.into_iter().flat_map(|x| smoothings().map(|s| (x, s))) {
        let beta = support::batch::strength(family, params).expect("valid");
        let plan = gpu::Plan::new(&gpu, &beta).expect("plan");
        let columns = params.map(|x| vec![x; n]);
        let losses = family.per_element(columns.each_ref().map(|x| &x[..])).expect("valid");
        let plain = Batch::new(&margins).smoothing(smoothing);
        let count = family.params(Coordinates::Native);
        for shared in [true, false] {
            let evaluate = |batch: &Batch<'_, f32>, rows: Rows<'_, f32>| match shared {
                true => plan.evaluate(batch, rows),
                false => gpu::PerElement::new(&gpu).evaluate(&losses, batch, rows),
            };
            let (today, sums) = rows(n, count, |rows| evaluate(&plain, rows));
            assert_eq!(sums.d_lapse, [0.0; 2]);
            for batch in [plain, plain.lapse(Lapse::none()), plain.lapses(&zeros)] {
                let (found, again) = full_rows(n, count, 1, |rows| evaluate(&batch, rows));
                assert_eq!(bits(&found), bits(&today), "{family}, {smoothing:?}, {batch:?}");
                assert_eq!((again.nll, again.d_params), (sums.nll, sums.d_params));
            }
            let (found, _) = full_rows(n, count, 1, |rows| evaluate(&plain.lapses(&mixed), rows));
            for (found, today) in bits(&found).into_iter().zip(bits(&today)) {
                assert!((0..n).step_by(3).all(|i| found[i] == today[i]), "{family}, {smoothing:?}");
            }
        }
    }
}

/// Lapses behind weights, and derivatives in them behind losses, in several chunks.
#[test]
fn lapses_in_several_chunks() {
    let Some((device, queue)) = small_device() else { return };
    let gpu = Gpu::from_wgpu(device, queue).expect("kernels");
    let mut margins: Vec<f32> = margins(200_001).into_iter().map(|d| d % 9.5).collect();
    margins[150_000] = f32::NEG_INFINITY;
    margins[150_001] = f32::INFINITY;
    let n = margins.len();
    let [floor, ceiling] = lapse_columns(n);
    let weights: Vec<f32> = (0..n).map(|i| (i % 5) as f32 * 0.5).collect();
    let upstream: Vec<f32> = (0..n).map(|i| (i % 7) as f32 - 3.0).collect();
    let beta = LogNormal::<f32>::from_mean_cv(1.0, 0.6).expect("valid");
    let plan = gpu::Plan::new(&gpu, &beta).expect("plan");
    let plain = Batch::new(&margins).lapses_by_side([&floor, &ceiling]);
    for batch in [plain, plain.weights(&weights).upstream(&upstream)] {
        let (found, sums) = full_rows(n, 2, 2, |rows| plan.evaluate(&batch, rows));
        let (cpu, expected) = full_rows(n, 2, 2, |rows| batch::Plan::new(&beta).evaluate(&batch, rows));
        for j in 0..6 {
            for (i, (&x, &y)) in cpu[j].iter().zip(&found[j]).enumerate() {
                let (x, y) = (f64::from(x), f64::from(y));
                // ∂/∂σ is a difference of terms as large as ∂/∂μ.
                let size = x.abs() + if j == 3 { f64::from(cpu[2][i].abs()) } else { 0.0 };
                let size = if size.is_finite() { size } else { 0.0 };
                let tolerance = 1e-5 * size * (1.0 + f64::from(margins[i].abs()).min(1e3)) + 1.2e-38;
                assert!(close(x, y, tolerance), "row {j}, element {i} at {}: {y} of {x}", margins[i]);
            }
        }
        assert!((sums.weight - expected.weight).abs() <= 1e-6 * expected.weight);
        assert!(close(sums.nll, expected.nll, 1e-5 * expected.nll.abs()), "{sums:?} of {expected:?}");
        assert_eq!(sums.d_lapse, [0.0; 2]);
    }
    // Losses that nobody asked for leave their place empty.
    let mut d_lapse = [vec![7.0; n], vec![7.0; n]];
    let [l0, l1] = &mut d_lapse;
    plan.evaluate(&plain, Rows::new().d_lapse([l0, l1])).expect("evaluated");
    let (all, _) = full_rows(n, 2, 2, |rows| plan.evaluate(&plain, rows));
    assert!(d_lapse == [all[4].clone(), all[5].clone()]);
}

/// The loss of the opposite label with whatever weight, at ±∞ and with a lapse.
#[test]
fn smoothing_and_lapses_at_infinity() {
    let Some(gpu) = gpu() else { return };
    let margins = [f32::INFINITY, f32::NEG_INFINITY, 1.0, f32::NAN];
    let on = gpu::PerElement::new(&gpu);
    let same = |name: &str, found: &Full, expected: &Full| {
        for (j, (x, y)) in found.0.iter().zip(&expected.0).enumerate() {
            for (i, (&x, &y)) in x.iter().zip(y).enumerate() {
                let size = if y.is_finite() { f64::from(y.abs()) } else { 0.0 };
                assert!(close(x.into(), y.into(), 1e-5 * size), "{name}, row {j}, element {i}: {x} of {y}");
            }
        }
    };
    let cases = [
        (Family::Gamma, [2.0, 0.5]),
        (Family::LogNormal, [0.0, 0.5]),
        (Family::LogNormal, [0.5, 0.0]),
        (Family::InverseGaussian, [1.0, 2.0]),
        (Family::Fixed, [2.0, 0.0]),
        (Family::Fixed, [0.0, 0.0]),
    ];
    for ((family, params), smoothing) in cases.into_iter().flat_map(|x| smoothings().map(|s| (x, s))) {
        let [a, b] = params.map(|x| [x; 4]);
        let mean_cv = Strength::<f32>::mean(&support::batch::strength(family, params).expect("valid"));
        let (mean, cv) = ([mean_cv; 4], [if family == Family::Fixed { 0.0 } else { 0.7 }; 4]);
        let native = family.per_element([&a, &b]).expect("valid");
        let means = batch::PerElement::from_mean_cv(family, &mean, &cv).expect("valid");
        let plain = Batch::new(&margins).smoothing(smoothing);
        for lapse in [None, Some(Lapse::none()), Some(Lapse::by_side(0.1, 0.0).expect("valid"))] {
            let batch = lapse.map_or(plain, |lapse| plain.lapse(lapse));
            let sides = lapse.map_or(1, |lapse| lapse.parameters());
            for (losses, count) in [(native, family.params(Coordinates::Native)), (means, 2)] {
                // Without a lapse, and without derivatives in it, the limits are the device's.
                let rows = |f: &dyn Fn(Rows<'_, f32>) -> Sums| match lapse {
                    Some(_) => full_rows(4, count, sides, |rows| Ok::<_, ()>(f(rows))),
                    None => {
                        let ([nll, d_margin, p0, p1], sums) = rows(4, count, |rows| Ok::<_, ()>(f(rows)));
                        ([nll, d_margin, p0, p1, vec![], vec![]], sums)
                    }
                };
                let found = rows(&|rows| on.evaluate(&losses, &batch, rows).expect("evaluated"));
                let expected = rows(&|rows| losses.evaluate(&batch, rows).expect("evaluated"));
                same(&format!("{family} {params:?}, {smoothing:?}, {lapse:?}"), &found, &expected);
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
    compare_sums(&expected, &Sums { weight, nll, d_params: [a, b], ..Sums::default() }, &cpu);

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
fn resident_buffers_with_a_lapse() {
    let Some(gpu) = gpu() else { return };
    let margins = margins(5001);
    let n = margins.len();
    let input = upload(&gpu, &margins);
    let outputs: [Buffer; 4] = std::array::from_fn(|_| upload(&gpu, &vec![7.0; n]));
    let sums = upload(&gpu, &[7.0; 8]);
    let [nll, d_margin, p0, p1] = outputs.each_ref().map(Buffer::as_entire_buffer_binding);
    let plain =
        Resident::new(input.as_entire_buffer_binding(), n).nll(nll).d_margin(d_margin).d_params([p0, p1]);
    let params = [4.0, 0.25];
    let beta = Gamma::from_shape_scale(params[0], params[1]).expect("valid");
    let plan = gpu::Plan::new(&gpu, &beta).expect("plan");
    let submit = |encode: &dyn Fn(&mut wgpu::CommandEncoder) -> Result<(), GpuError>| {
        let mut encoder = gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        encode(&mut encoder).expect("encoded");
        gpu.queue().submit([encoder.finish()]);
        outputs.each_ref().map(|buffer| download(&gpu, buffer))
    };
    for (lapse, smoothing) in lapses().into_iter().flat_map(|l| smoothings().map(|s| (l, s))) {
        let batch = plain.clone().lapse(lapse).smoothing(smoothing);
        let found =
            submit(&|encoder| plan.encode(encoder, &batch.clone().sums(sums.as_entire_buffer_binding())));
        let [nll, d_margin, p0, p1] = found;
        let totals = download(&gpu, &sums);
        assert_eq!(totals[6..], [0.0; 2]);
        let sides = lapse.parameters();
        let host = Batch::new(&margins).lapse(lapse).smoothing(smoothing);
        let (cpu, expected) = full_rows(n, 2, sides, |rows| batch::Plan::new(&beta).evaluate(&host, rows));
        for (found, expected, row) in [
            (totals[1], expected.nll, 0),
            (totals[2], expected.d_params[0], 2),
            (totals[3], expected.d_params[1], 3),
            (totals[4], expected.d_lapse[0], 4),
            (totals[5], expected.d_lapse[1], 5),
        ] {
            let size: f64 = match row == 5 && sides == 1 {
                true => 0.0,
                false => cpu[row].iter().map(|x| f64::from(x.abs())).sum(),
            };
            assert!(
                close(found.into(), expected, 1e-5 * size),
                "{lapse:?}, {smoothing:?}, {row}: {found} of {expected}"
            );
        }
        // Far from the margin 0 the share of E[σ] has fewer digits, but the loss has all.
        let found = [nll, d_margin, p0, p1];
        for (i, &d) in margins.iter().enumerate() {
            let [floor, ceiling] = lapse.epsilon().map(f64::from);
            let wide = Lapse::by_side(floor, ceiling).expect("valid");
            let opposite = f64::from(smoothing.opposite());
            let (truth, sizes) = labelled_row(Family::Gamma, params.map(f64::from), d.into(), wide, opposite);
            for j in 0..4 {
                let bound = [BOUNDS[0], 64.0, 64.0, 64.0][j];
                let error = (f64::from(found[j][i]) - truth[j]).abs();
                assert!(
                    error
                        <= bound * f64::from(f32::EPSILON) * sizes[j] + 1.2e-38 * (1.0 + f64::from(d.abs())),
                    "{lapse:?}, {smoothing:?}, row {j} at {d}: {} of {}",
                    found[j][i],
                    truth[j]
                );
            }
        }
        let (shape, scale) = (upload(&gpu, &vec![params[0]; n]), upload(&gpu, &vec![params[1]; n]));
        let bindings = [&shape, &scale].map(|buffer| buffer.as_entire_buffer_binding());
        let parameters = gpu::Parameters::native(Family::Gamma, bindings);
        let each = submit(&|encoder| gpu::PerElement::new(&gpu).encode(encoder, &parameters, &batch));
        for (x, y) in each.iter().flatten().zip(found.iter().flatten()) {
            assert!((x - y).abs() <= 1e-3 * y.abs() + 1e-35, "{x} of {y}");
        }
    }

    // A label that is impossible without a lapse: the score at ε₀ = 0 is beyond f32.
    let input = upload(&gpu, &[-200.0, 1.0]);
    let impossible = Resident::new(input.as_entire_buffer_binding(), 2)
        .lapse(Lapse::by_side(0.0, 0.1).expect("valid"))
        .sums(sums.as_entire_buffer_binding());
    let plan = gpu::Plan::new(&gpu, &Fixed::new(1.0).expect("valid")).expect("plan");
    submit(&|encoder| plan.encode(encoder, &impossible));
    let [weight, nll, d_beta, d_floor, d_ceiling] = [0, 1, 2, 4, 5].map(|j| download(&gpu, &sums)[j]);
    assert_eq!((weight, d_floor), (2.0, f32::NEG_INFINITY));
    assert!((nll - 200.5).abs() < 0.1 && (d_beta - 199.8).abs() < 0.1 && d_ceiling > 0.0);

    // An empty batch clears the sums, and a lapse that the kernels do not reach is an error.
    let none = |lapse, len| {
        Resident::new(input.as_entire_buffer_binding(), len)
            .lapse(Lapse::new(lapse).expect("valid"))
            .sums(sums.as_entire_buffer_binding())
    };
    submit(&|encoder| plan.encode(encoder, &none(0.1, 0)));
    assert_eq!(download(&gpu, &sums), [0.0; 8]);
    let mut encoder = gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    assert_eq!(plan.encode(&mut encoder, &none(1e-35, 2)), Err(GpuError::Parameters));
    let small = upload(&gpu, &[0.0; 4]);
    let refused = plan.encode(&mut encoder, &none(0.1, 2).sums(small.as_entire_buffer_binding()));
    assert_eq!(refused, Err(GpuError::Buffer { name: "sums", found: 16, needed: 32 }));
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
    let lapses = vec![0.1; margins.len()];
    let batch = Batch::new(&margins).lapses(&lapses);
    let (found, _) = full_rows(margins.len(), 1, 1, |rows| plan.evaluate(&batch, rows));
    assert!(found[0].iter().chain(&found[4]).all(|&x| x == 0.0) && found[5][0] == 7.0);
}
