//! The crate without std: `tests/no_std` is a `#![no_std] #![no_main]` program over the feature `libm`
//! that is built and run here, and must print what the same code computes in this process.

#[path = "no_std/src/grid.rs"]
mod grid;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// How far a result may be from that of the std build, in units of 2⁻⁵² (f64) or 2⁻²³ (f32) of the larger
/// one. Nearly everything is the crate's own arithmetic on `+ − × ÷` and √: equal bit for bit.
fn tolerance(name: &str) -> f64 {
    match name {
        // Their powf is that of std or libm; two units of their last place are two or four of these.
        "lerch/phi" | "lerch/gradient" => 4.0,
        _ => 0.0,
    }
}

/// Builds the program and returns its path.
fn build() -> PathBuf {
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args([
            "build",
            "--release",
            "--locked",
            "--message-format=json-render-diagnostics",
            "--manifest-path",
        ])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/no_std/Cargo.toml"))
        .arg("--target-dir")
        .arg(concat!(env!("CARGO_TARGET_TMPDIR"), "/no_std"))
        // Flags meant for this process, such as coverage, may need std.
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env_remove("RUSTFLAGS")
        .stderr(Stdio::inherit())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "the no_std program does not build");
    let messages = String::from_utf8(output.stdout).expect("JSON is UTF-8");
    let (_, rest) = messages.split_once(r#""executable":""#).expect("cargo names the executable");
    rest.split('"').next().expect("a path").into()
}

/// Whether a program holds std's runtime: the name of the environment variable that its panic handler reads.
fn holds_std(program: &Path) -> bool {
    let needle = b"RUST_BACKTRACE";
    std::fs::read(program).expect("the program is a file").windows(needle.len()).any(|w| w == needle)
}

/// The results of a line.
fn results(line: &str) -> Vec<f64> {
    let (_, results) = line.split_once('=').expect("a line has results");
    let bits = results.split_whitespace().map(|x| u64::from_str_radix(x, 16).expect("hexadecimal"));
    bits.map(f64::from_bits).collect()
}

/// |a − b| in units of `eps` of the larger one; ∞ unless both are finite or equal.
fn distance(a: f64, b: f64, eps: f64) -> f64 {
    if a.to_bits() == b.to_bits() {
        return 0.0;
    }
    let d = (a - b).abs() / (a.abs().max(b.abs()).max(f64::MIN_POSITIVE) * eps);
    if d.is_nan() { f64::INFINITY } else { d }
}

#[test]
fn same_results_without_std() {
    if !cfg!(unix) {
        println!("SKIPPED: the no_std program needs libc's `write`");
        return;
    }
    let program = build();
    // The test's own executable shows that the needle is found where std is.
    assert!(holds_std(&std::env::current_exe().expect("this is a program")), "the check for std is blind");
    assert!(!holds_std(&program), "std is linked");

    let run = Command::new(&program).output().expect("the program runs");
    assert!(run.status.success(), "the no_std program failed: {:?}", run.status);
    let without = String::from_utf8(run.stdout).expect("ASCII");
    let mut with = String::new();
    grid::evaluate(&mut with).expect("a String takes everything");

    assert_eq!(with.lines().count(), without.lines().count());
    assert!(with.lines().count() > 10_000, "the grid is nearly empty");
    let mut differing = BTreeMap::<&str, (usize, f64)>::new();
    for (a, b) in with.lines().zip(without.lines()) {
        let (call, _) = a.split_once('=').expect("a line has results");
        assert!(b.starts_with(call), "different calls:\n{a}\n{b}");
        let name = call.split(' ').next().expect("a line has a name");
        let eps = if name.starts_with("f32") { 2f64.powi(-23) } else { f64::EPSILON };
        let x = results(a);
        let y = results(b);
        assert_eq!(x.len(), y.len());
        let d = x.iter().zip(&y).map(|(&x, &y)| distance(x, y, eps)).fold(0.0, f64::max);
        let allowed = tolerance(name);
        assert!(d <= allowed, "{d} eps apart, {allowed} allowed\n{a}\n{b}");
        if d > 0.0 {
            let entry = differing.entry(name).or_default();
            *entry = (entry.0 + 1, d.max(entry.1));
        }
    }
    for (name, (count, d)) in differing {
        println!("{name}: {count} lines differ, by at most {d:.2} eps");
    }
}
