//! Fits of published data against independent ones. The data are not part of the project: the folder that has them is
//! named by `PREFSTRENGTH_DATA`.
//!
//! `PREFSTRENGTH_DATA=folder cargo test --release -p prefstrength-learn --test reference -- --ignored --nocapture`
#[path = "../examples/support/pairs.rs"]
#[allow(dead_code, unreachable_pub, reason = "shared with examples, which use other parts")]
mod pairs;

use prefstrength::Family;
use prefstrength_learn::{self as learn, Options, Pairs};
use std::path::PathBuf;
use std::time::Instant;

fn load(name: &str) -> Pairs {
    let folder =
        std::env::var_os("PREFSTRENGTH_DATA").expect("PREFSTRENGTH_DATA names the folder of the data");
    let path = PathBuf::from(folder).join(format!("{name}.csv"));
    let file = std::fs::File::open(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    pairs::read(std::io::BufReader::new(file)).unwrap()
}

/// Log-likelihoods and spreads of plain DPO and of both families with one β per person; standard errors, and those by
/// person; label noise.
struct Reference {
    name: &'static str,
    fixed: f64,
    gamma: [f64; 4],
    lognormal: [f64; 4],
    noise: [f64; 2],
}

const REFERENCES: [Reference; 3] = [
    Reference {
        name: "train_pairs",
        fixed: -1_724.150_028,
        gamma: [-1_657.773_667, 1.0214, 0.0977, 0.1554],
        lognormal: [-1_662.000_753, 1.0992, 0.1170, 0.1902],
        noise: [-1715.375, 0.136],
    },
    Reference {
        name: "mtbench_pairs",
        fixed: -1_108.020_059,
        gamma: [-1_103.554_895, 0.2372, 0.0586, 0.0542],
        lognormal: [-1_103.592_947, 0.2392, 0.0605, 0.0555],
        noise: [-1104.630, 0.031],
    },
    Reference {
        name: "electricity_pairs",
        fixed: -2_370.578_245,
        gamma: [-2_342.897_266, 0.6203, 0.0674, 0.0981],
        lognormal: [-2_345.022_724, 0.6289, 0.0753, 0.1109],
        noise: [-2_370.578_245, 0.0],
    },
];

#[track_caller]
fn close(what: &str, value: f64, right: f64, within: f64) {
    assert!((value - right).abs() <= within, "{what}: {value}, not {right} within {within}");
}

#[test]
#[ignore = "needs the data"]
fn fits() {
    for reference in REFERENCES {
        let (pairs, options, start) = (load(reference.name), Options::default(), Instant::now());
        let all = learn::train_all(&pairs, &options).unwrap();
        println!("{}: all of the choices {:?}", reference.name, start.elapsed());
        for (name, fit) in all.fits.iter().chain(all.lapsed.iter()) {
            println!(
                "  {name} {} {:?}: {:.4}, cv {:.4} ± {:?} ({:?}), ε {:.4} ± {:?} ({:?}), {} iterations, |g| {:.1e}",
                fit.model,
                fit.status,
                fit.log_likelihood,
                fit.strength.cv(),
                fit.errors.cv,
                fit.robust.cv,
                fit.lapse,
                fit.errors.lapse,
                fit.robust.lapse,
                fit.iterations,
                fit.gradient
            );
        }
        let curved = &all.curved;
        println!(
            "  curved {:?}: {:.4}, γ {:.3} ± {:?}, |g| {:.1e}, {} iterations",
            curved.status,
            curved.log_likelihood,
            curved.curvature,
            curved.errors.curvature,
            curved.gradient,
            curved.iterations
        );
        println!(
            "  best {}, cv {:?}, ε {:?}",
            all.best,
            all.cv.as_ref().map(|p| (p.interval, p.points.len())),
            all.lapse.as_ref().map(|p| (p.interval, p.points.len()))
        );
        for rival in &all.rivals {
            println!(
                "    {}: worse {:.3}, AIC {:.3}, z {:?}",
                rival.model, rival.worse, rival.aic, rival.vuong_z
            );
        }
        close("Fixed", all.fits[Family::Fixed].log_likelihood, reference.fixed, 1e-5);
        let noise = &all.lapsed[Family::Fixed];
        close("noise", noise.log_likelihood, reference.noise[0], 0.005);
        close("ε", noise.lapse, reference.noise[1], 0.0005);
        for (family, [ln_l, spread, error, robust]) in
            [(Family::Gamma, reference.gamma), (Family::LogNormal, reference.lognormal)]
        {
            let start = Instant::now();
            let fit = learn::train_people(family, &pairs, &options).unwrap();
            println!(
                "  {} {:?}: {:.6}, cv {:.4} ± {:?} ({:?}), {} iterations, |g| {:.1e}, {:?}",
                fit.model,
                fit.status,
                fit.log_likelihood,
                fit.strength.cv(),
                fit.errors.cv,
                fit.robust.cv,
                fit.iterations,
                fit.gradient,
                start.elapsed()
            );
            let v = fit.strength.v();
            // σ of LogNormal: σ² = ln(1 + v), ∂σ/∂v = 1/(2σ(1 + v)).
            let (value, slope) = match family {
                Family::LogNormal => (v.ln_1p().sqrt(), 0.5 / (v.ln_1p().sqrt() * (1.0 + v))),
                _ => (v.sqrt(), 0.5 / v.sqrt()),
            };
            close("ln L", fit.log_likelihood, ln_l, 1e-4);
            close("spread", value, spread, 1e-4);
            close("s.e.", fit.errors.v.unwrap() * slope, error, 0.003 * error);
            close("s.e. by person", fit.robust.v.unwrap() * slope, robust, 0.003 * robust);
        }
        let start = Instant::now();
        let people = learn::compare_people(&pairs, &options).unwrap();
        println!(
            "  people {:?}: {:?}, lapse {:.4}",
            start.elapsed(),
            people.cv.as_ref().map(|cv| cv.interval),
            people.lapsed.lapse
        );
        println!("=> {}", all.verdict_with(Some(&people)));
        let start = Instant::now();
        let strengths = learn::person_strengths(&pairs, people.best()).unwrap();
        println!("  {} strengths in {:?}: {:?}", strengths.len(), start.elapsed(), strengths[0]);
    }
}
