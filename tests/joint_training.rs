//! The main job's fits on populations whose truth is known.

#[path = "../examples/support/fit.rs"]
#[allow(dead_code, unreachable_pub)]
mod fit;
#[path = "../examples/support/pairs.rs"]
#[allow(dead_code, unreachable_pub)]
mod pairs;
#[path = "../examples/support/rows.rs"]
mod rows;

use fit::{Family, Spread};
use pairs::{TRUE_W, Truth};

const PAIRS: usize = 3000;

/// Homogeneous preferences: p(β) collapses, and the fit is plain DPO's.
#[test]
fn homogeneous_populations_collapse() {
    for seed in [11, 12, 13] {
        let pairs = pairs::simulate(Truth::Point, PAIRS, seed).unwrap();
        let logit = fit::fit_logit(&pairs).unwrap();
        for family in [Family::LogNormal, Family::Gamma] {
            let fit = fit::fit_joint(family, &pairs, &logit).unwrap();
            let gain = fit.log_likelihood - logit.log_likelihood;
            assert!((0.0..2.0).contains(&gain), "{family:?}, seed {seed}: gains {gain}");
            if logit.z < 0.0 {
                assert!(fit.spread == Spread::Boundary && gain == 0.0, "{family:?}, seed {seed}: {gain}");
            }
            assert!(fit::p_likelihood_ratio(2.0 * gain) > 0.02);
        }
        for (w, truth) in logit.w.iter().zip(TRUE_W) {
            assert!((w - truth).abs() < 0.25, "{w} {truth}");
        }
    }
}

/// Heterogeneous preferences: the spread is found, within four standard errors of the truth.
#[test]
fn heterogeneous_populations_are_recognised() {
    for (truth, family) in
        [(Truth::Gamma { cv: 1.2 }, Family::Gamma), (Truth::LogNormal { cv: 1.2 }, Family::LogNormal)]
    {
        let pairs = pairs::simulate(truth, PAIRS, 21).unwrap();
        let logit = fit::fit_logit(&pairs).unwrap();
        let fit = fit::fit_joint(family, &pairs, &logit).unwrap();
        assert!(logit.z > 3.0, "score test: {}", logit.z);
        assert!(fit::p_likelihood_ratio(2.0 * (fit.log_likelihood - logit.log_likelihood)) < 1e-3);
        let Spread::Interior { v, error: Some(error) } = fit.spread else { panic!("{family:?}: no maximum") };
        let (got, true_spread) = (family.spread(v).1, family.spread(1.2 * 1.2).1);
        assert!((got - true_spread).abs() < 4.0 * error, "{got} ± {error}, truth {true_spread}");
    }
}

/// A perfectly separable set has no fit, and is told so.
#[test]
fn separable_pairs_are_refused() {
    let features = (0..200).flat_map(|i| [1.0, f64::from(i % 7) - 3.0]).collect();
    let pairs = pairs::Pairs { features, dim: 2, grouped: false };
    assert!(fit::fit_logit(&pairs).err().is_some_and(|e| e.contains("separable")));
}

/// Messages name the line on which a bad row begins, blank lines and quoted line breaks counted.
#[test]
fn rows_know_their_lines() {
    let text = "\u{feff}a, b \r\n\n\n1,\"x\ny\"\n\n2,3\n4\n";
    let rows = rows::Rows::new(text.as_bytes()).unwrap();
    assert_eq!(rows.header, vec!["a", "b"]);
    let got: Vec<_> = rows.collect();
    assert_eq!(got[0].as_ref().unwrap().0, 4);
    assert_eq!(got[0].as_ref().unwrap().1, vec!["1", "x\ny"]);
    assert_eq!(got[1].as_ref().unwrap().0, 7);
    assert_eq!(got[2].as_ref().unwrap_err(), "line 8: 1 columns, the header has 2");
    assert!(rows::Rows::new("".as_bytes()).is_err());
    assert!(rows::Rows::new(&b"a,\xff\n"[..]).is_err());
}
