//! What is sealed cannot be called or named from outside: `tests/seals` tries, and every try must be refused.

use std::collections::BTreeSet;
use std::process::Command;

const SOURCE: &str = include_str!("seals/src/lib.rs");

#[test]
fn nothing_sealed_is_callable_or_nameable() {
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["check", "--message-format=short", "--manifest-path"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/seals/Cargo.toml"))
        .arg("--target-dir")
        .arg(concat!(env!("CARGO_TARGET_TMPDIR"), "/seals"))
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env_remove("RUSTFLAGS")
        .output()
        .expect("cargo runs");
    let text = String::from_utf8_lossy(&output.stderr);
    let number = |line: &str| line.split(':').nth(1).and_then(|n| n.parse::<usize>().ok());
    let refused: BTreeSet<usize> = text
        .lines()
        .filter(|line| line.starts_with("src/lib.rs:") && line.contains(" error"))
        .filter_map(number)
        .collect();
    let marked = |mark: &str| -> BTreeSet<usize> {
        let lines = SOURCE.lines().enumerate().filter(|(_, line)| line.contains(mark));
        lines.map(|(i, _)| i + 1).filter(|&n| n > 3).collect()
    };
    let tries = marked("//~");
    assert!(tries.len() > 30, "{} tries", tries.len());
    let line = |n: &usize| format!("{n}: {}", SOURCE.lines().nth(n - 1).unwrap_or_default().trim());
    let accepted: Vec<String> = tries.difference(&refused).map(line).collect();
    let wrong: Vec<String> = refused.difference(&tries).map(line).collect();
    assert!(accepted.is_empty(), "accepted from outside:\n{}\n{text}", accepted.join("\n"));
    assert!(wrong.is_empty(), "refused, and is public:\n{}\n{text}", wrong.join("\n"));
}
