//! Whether the kernels are the instructions that their level names: this program, disassembled.
//!
//! What is not inlined into the function that enables an instruction set is compiled for the baseline, and
//! costs a call per operation. The functions that enable one are found by name; their arithmetic must be on
//! its registers and fused, and what they call must have no arithmetic of its own.
#![cfg(target_arch = "x86_64")]

#[path = "it/support/mod.rs"]
mod support;

use prefstrength::Coordinates;
use prefstrength::LogNormal;
use prefstrength::batch::{Batch, Number};
use prefstrength::sampling::MonteCarlo;
use std::collections::{HashMap, HashSet};
use std::process::Command;
use support::batch::{Family, Ways, levels, rows};

/// Runs every kernel, so that this program holds all of them.
fn instantiate<T: Number>() {
    let margins = [-3.0, 0.1, 2.0, 50.0, 1e4].map(T::from_f64);
    let (a, b, weights) = ([T::one(); 5], [T::from_f64(0.5); 5], [T::from_f64(0.2); 5]);
    for level in levels() {
        for family in Family::ALL {
            let loss = family.per_element([&a, &b]).expect("valid").with_level(level);
            let params = family.params(Coordinates::Native);
            rows(&Batch::new(&margins), params, &|b, r| loss.evaluate(b, r)).expect("checked");
            for (_, evaluate) in family.shared([T::one(), T::from_f64(0.5)], level, Coordinates::LnMeanV) {
                rows(&Batch::new(&margins), 2, &*evaluate).expect("checked");
            }
        }
        let beta = LogNormal::from_mu_sigma(T::zero(), T::one()).expect("valid");
        let shared = MonteCarlo::lognormal(&beta, &a).expect("valid").with_level(level);
        let each = MonteCarlo::lognormal_per_pair(&beta, 1, &a).expect("valid").with_level(level);
        let weighted = shared.weights(&weights).expect("valid");
        for estimator in [shared, each, weighted] {
            rows(&Batch::new(&margins), 2, &|b, r| estimator.evaluate(b, r)).expect("checked");
        }
    }
}

/// Arithmetic on floating-point numbers, by the middle of its mnemonic.
const ARITHMETIC: [&str; 5] = ["mul", "add", "sub", "div", "sqrt"];

/// The ends of all that compute, and of those that compute more than one number.
const ALL: [&str; 4] = ["ps", "pd", "ss", "sd"];
const PACKED: [&str; 2] = ["ps", "pd"];

/// A function's name, where it begins, and its instructions.
struct Function {
    name: String,
    address: String,
    lines: Vec<String>,
}

impl Function {
    /// Fused multiply-adds on `register`, and all other arithmetic on it, by instructions that end in one of `ends`.
    fn arithmetic(&self, register: &str, ends: &[&str]) -> (usize, usize) {
        // Of "  4:\tvmulpd %zmm0,%zmm1,%zmm2" the mnemonic; packed or scalar, of either precision.
        let on = |line: &str, wanted: &dyn Fn(&str) -> bool| {
            line.contains(register)
                && line
                    .split_whitespace()
                    .nth(1)
                    .is_some_and(|word| ends.iter().any(|end| word.ends_with(end)) && wanted(word))
        };
        let fused = |word: &str| word.starts_with("vfm") || word.starts_with("vfnm");
        let plain = |word: &str| {
            !fused(word) && ARITHMETIC.iter().any(|op| word.trim_start_matches('v').starts_with(op))
        };
        let count = |wanted: &dyn Fn(&str) -> bool| self.lines.iter().filter(|line| on(line, wanted)).count();
        (count(&fused), count(&plain))
    }

    /// Where its calls, and jumps to other functions, go: addresses.
    fn callees(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().filter_map(|line| {
            let mut words = line.split_whitespace().skip(1);
            let (mnemonic, target) = (words.next()?, words.next()?);
            ["call", "jmp"].iter().any(|jump| mnemonic.starts_with(jump)).then_some(target)
        })
    }
}

/// The functions of a program by address.
struct Program(HashMap<String, Function>);

impl Program {
    /// Arithmetic among what a function calls, at any depth: their names.
    fn arithmetic_below<'a>(&'a self, function: &'a Function, seen: &mut HashSet<&'a str>) -> Vec<String> {
        let mut found = Vec::new();
        for callee in function.callees().filter_map(|address| self.0.get(address)) {
            // Messages about a broken bound may be written in any way.
            let message = ["panic", "fail", "fmt"].iter().any(|word| callee.name.contains(word));
            if message || !seen.insert(&callee.address) {
                continue;
            }
            if callee.arithmetic("%xmm", &ALL) != (0, 0) || callee.arithmetic("%ymm", &ALL) != (0, 0) {
                found.push(callee.name.clone());
            }
            found.extend(self.arithmetic_below(callee, seen));
        }
        found
    }
}

/// This program, or `None` without objdump.
fn disassemble() -> Option<Program> {
    let program = std::env::current_exe().expect("this program is a file");
    let output =
        Command::new("objdump").args(["-d", "--no-show-raw-insn", "-C"]).arg(program).output().ok()?;
    assert!(output.status.success(), "objdump: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout);
    let mut functions = HashMap::new();
    let mut last: Option<Function> = None;
    for line in text.lines() {
        if let Some((address, name)) = line.strip_suffix(">:").and_then(|line| line.split_once(" <")) {
            let address = address.trim_start_matches('0').to_owned();
            let next = Function { name: name.to_owned(), address, lines: Vec::new() };
            functions.extend(last.replace(next).map(|done| (done.address.clone(), done)));
        } else if let Some(function) = &mut last {
            function.lines.push(line.to_owned());
        }
    }
    functions.extend(last.map(|done| (done.address.clone(), done)));
    Some(Program(functions))
}

/// `entry` is the function that enables the level, `register` what its operands must be.
fn check(program: &Program, level: &str, entry: &str, register: &str) {
    let entries: Vec<_> = program.0.values().filter(|f| f.name.contains(entry)).collect();
    // Kernels of both precisions and all families, tables, weights and sums.
    assert!(entries.len() >= 10, "{level}: {} functions {entry}", entries.len());
    let (mut fused_on, mut failures) = (0, Vec::new());
    for function in &entries {
        fused_on += function.arithmetic(register, &ALL).0;
        let ((fused, plain), (all_fused, all_plain)) =
            (function.arithmetic("%", &PACKED), function.arithmetic("%", &ALL));
        // Narrower packed arithmetic is a row of a table, four polynomials at once. Arithmetic on one number is the end
        // of a sum; a few functions have little else. What fuses nothing is no kernel: the preparation of a table, in
        // plain f64.
        if all_fused > 0 && all_fused + all_plain > 40 && 4 * (fused + plain) < 3 * (all_fused + all_plain) {
            failures.push(format!(
                "{} at {}: {fused} of {all_fused} fused operations and {plain} of {all_plain} others packed",
                function.name, function.address
            ));
        }
        for callee in program.arithmetic_below(function, &mut HashSet::new()) {
            failures.push(format!("{} at {} leaves arithmetic to {callee}", function.name, function.address));
        }
    }
    println!("{level}: {} functions, {fused_on} fused operations on {register}", entries.len());
    assert!(failures.is_empty(), "{level}:\n{}", failures.join("\n"));
    assert!(fused_on >= 1000, "{level}: {fused_on} fused operations on {register} in all");
}

#[test]
fn kernels_are_inlined_and_wide() {
    instantiate::<f32>();
    instantiate::<f64>();
    let Some(program) = disassemble() else {
        println!("SKIPPED: objdump is not installed");
        return;
    };
    // An intrinsic that is a function of its own is one that some kernel calls.
    let intrinsics = |function: &Function| {
        let called = function.callees().filter_map(|address| program.0.get(address));
        called.filter(|f| f.name.contains("core_arch::x86")).map(|f| f.name.clone()).collect::<Vec<_>>()
    };
    for function in program.0.values().filter(|f| f.name.contains("prefstrength::")) {
        assert_eq!(intrinsics(function), Vec::<String>::new(), "called by {}", function.name);
    }
    check(&program, "avx2", "lanes::x86::on_avx2", "%ymm");
    check(&program, "avx512", "lanes::x86::on_avx512", "%zmm");
}
