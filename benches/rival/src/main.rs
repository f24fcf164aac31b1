//! Times the loss, without gradients, by `lerch_phi` of scirs2-special, the one implementation of the Lerch
//! transcendent on crates.io, where `benches/batch.rs` puts its results. Builds for minutes.
//!
//! ```text
//! cargo run --release --manifest-path benches/rival/Cargo.toml --target-dir target/rival
//! ```

#[path = "../../support/margins.rs"]
mod margins;

use criterion::{BenchmarkId, Criterion, Throughput};
use margins::Kind;
use prefstrength::{Gamma, Strength};
use scirs2_special::lerch_phi;
use std::env;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Shape and scale, as in `benches/batch.rs`.
const K: f64 = 4.0;
const THETA: f64 = 0.25;

/// −ln E[σ(βD)], from E[σ(β|D|)] = aᵏΦ(−1, k, a) with a = 1/(θ|D|).
fn nll(margin: f64) -> f64 {
    let a = 1.0 / (THETA * margin.abs());
    let scaled = lerch_phi(-1.0, K, a).map_or(f64::NAN, |phi| a.powf(K) * phi);
    if margin < 0.0 { -(-scaled).ln_1p() } else { -scaled.ln() }
}

/// Where criterion writes for `cargo bench` in the checkout.
fn criterion_home() -> PathBuf {
    let target = || env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    env::var_os("CRITERION_HOME").map_or_else(
        || {
            target()
                .unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target"))
                .join("criterion")
        },
        PathBuf::from,
    )
}

fn main() {
    let beta = Gamma::from_shape_scale(K, THETA).unwrap();
    let mut criterion = Criterion::default()
        .sample_size(12)
        .nresamples(2000)
        .warm_up_time(Duration::from_millis(150))
        .measurement_time(Duration::from_millis(400))
        .output_directory(&criterion_home());
    let mut group = criterion.benchmark_group("batch");
    for kind in Kind::ALL {
        let margins = kind.margins(4096);
        let error = margins.iter().map(|&d| (nll(d) / beta.nll(d) - 1.0).abs()).fold(0.0, f64::max);
        println!("{} margins: largest relative error of the loss {error:.1e}", kind.name());
        let mut to = vec![0.0; margins.len()];
        group.throughput(Throughput::Elements(margins.len() as u64));
        let id = BenchmarkId::new("lerch_phi-f64", format_args!("plain-{}-{}", kind.name(), margins.len()));
        group.bench_function(id, |b| {
            b.iter(|| {
                for (to, &margin) in to.iter_mut().zip(black_box(&margins)) {
                    *to = nll(margin);
                }
                black_box(&to);
            });
        });
    }
    group.finish();
}
