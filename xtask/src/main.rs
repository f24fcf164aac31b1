//! What makes the project's tables and reports.
//!
//! ```text
//! cargo run --release -p xtask -- benchmark-report [FOLDER]    docs/benchmarks.{md,svg} from criterion's results
//! cargo run -p xtask -- tables                                 the generated tables of the source (python3, mpmath)
//! ```
//!
//! Reference vectors come from the programs in `generators/`, whose heads say how.

#[path = "../../benches/support/alternatives.rs"]
mod alternatives;
mod benchmark_report;
#[path = "../../benches/support/estimators.rs"]
mod estimators;
#[path = "../../benches/support/margins.rs"]
mod margins;

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// A generator, its arguments, and the file that it prints.
const TABLES: [(&str, &str, &str); 5] = [
    ("tables.py", "lanes", "src/lanes/polynomials.rs"),
    ("tables.py", "math", "src/math/tables.rs"),
    ("tables.py", "batch", "src/batch/tables.rs"),
    ("near.py", "tables", "src/family/gamma/near_tables.rs"),
    ("inverse_gaussian.py", "nodes", "src/family/inverse_gaussian/nodes.rs"),
];

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    let task = args.next().unwrap_or_default();
    let result = match task.to_str() {
        Some("benchmark-report") => benchmark_report::report(args.next().map(PathBuf::from)),
        Some("tables") => tables(),
        _ => Err("the tasks are benchmark-report [FOLDER] and tables".into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Writes every generated table again.
fn tables() -> Result<(), Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for (generator, argument, file) in TABLES {
        let script = root.join("xtask/generators").join(generator);
        let output = Command::new("python3").arg(script).arg(argument).output()?;
        if !output.status.success() {
            let why = String::from_utf8_lossy(&output.stderr);
            return Err(format!("{generator} {argument}: {}", why.trim()).into());
        }
        fs::write(root.join(file), output.stdout)?;
        println!("{file}");
    }
    Ok(())
}
