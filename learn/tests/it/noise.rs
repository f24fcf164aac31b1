//! Labels that are flipped and people who differ: ε beside p(β), in single choices and in panels.

use prefstrength::batch::{Batch, Rows};
use prefstrength::math::sigmoid;
use prefstrength::panel::{PanelBatch, PanelRows};
use prefstrength::{AnyStrength, Coordinates, Family, Lapse};
use prefstrength_learn::{LapseParams, LearnError, StrengthParams};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Distribution, StandardNormal, StandardUniform};

/// Margins of persons with strengths of their own, some of whose labels are flipped.
fn choices(random: &mut ChaCha8Rng, persons: usize, each: usize, cv: f64, flips: f64) -> Vec<f64> {
    let beta = AnyStrength::from_mean_cv(Family::Gamma, 1.0, cv).expect("valid");
    let mut margins = Vec::new();
    for i in 0..persons {
        let own = beta.quantile((i as f64 + 0.5) / persons as f64);
        for _ in 0..each {
            let normal: f64 = StandardNormal.sample(random);
            let (d, uniform): (f64, f64) = (3.0 * normal, StandardUniform.sample(random));
            let likely = flips + (1.0 - 2.0 * flips) * sigmoid(own * d);
            margins.push(if uniform < likely { d } else { -d });
        }
    }
    margins
}

/// (mean, v, ε) by plain descent from a start with all of them.
fn descend(margins: &[f64], each: Option<usize>, with_lapse: bool) -> [f64; 3] {
    let start = AnyStrength::from_mean_v(Family::Gamma, 0.8, 0.1).expect("valid");
    let mut p_beta = StrengthParams::from_strength(&start, Coordinates::LnMeanV).expect("valid");
    let mut lapse = LapseParams::new(0.03).expect("valid");
    let ends: Vec<usize> =
        each.map_or_else(Vec::new, |each| (1..=margins.len() / each).map(|i| i * each).collect());
    let n = margins.len() as f64;
    for _ in 0..600 {
        let noise = if with_lapse { lapse.lapse().expect("in range") } else { Lapse::none() };
        let (d_params, d_lapse) = match each {
            None => {
                let sums = p_beta.evaluate(&Batch::new(margins).lapse(noise), Rows::new()).expect("a batch");
                (sums.d_params, sums.d_lapse)
            }
            Some(_) => {
                let batch = PanelBatch::new(margins, &ends);
                let sums = p_beta.evaluate_panel(&batch, PanelRows::new(), noise).expect("a panel");
                (sums.d_params, sums.d_lapse)
            }
        };
        let [ln_mean, v] = p_beta.params();
        p_beta.set([ln_mean - 4.0 * d_params[0] / n, v - 4.0 * d_params[1] / n]).expect("finite");
        let [d_rho, _] = lapse.gradient(d_lapse);
        lapse.set([lapse.params()[0] - 40.0 * d_rho / n, 0.0]).expect("finite");
    }
    let epsilon = if with_lapse { lapse.epsilon()[0] } else { 0.0 };
    [p_beta.strength().mean(), p_beta.strength().v(), epsilon]
}

/// What the lapse and the panel are for: flips that pass for a spread in single choices do not where ε is learned; and
/// people who differ are found as such beside it.
#[test]
fn flips_are_not_a_spread() {
    let mut random = ChaCha8Rng::seed_from_u64(11);
    let flipped = choices(&mut random, 300, 20, 0.0, 0.1);
    let [_, v, _] = descend(&flipped, None, false);
    assert!(v > 0.3, "flips look like a spread: {v}");
    let [mean, v, epsilon] = descend(&flipped, None, true);
    assert!(v < 0.06 && (epsilon - 0.1).abs() < 0.02 && (mean - 1.0).abs() < 0.15, "{mean} {v} {epsilon}");
    // In a panel everyone's choices are alike, with and without ε.
    let [mean, v, epsilon] = descend(&flipped, Some(20), true);
    assert!(v < 0.03 && (epsilon - 0.1).abs() < 0.02 && (mean - 1.0).abs() < 0.15, "{mean} {v} {epsilon}");
    // People who differ, and flips as well.
    let mixed = choices(&mut random, 400, 20, 0.7, 0.05);
    let [mean, v, epsilon] = descend(&mixed, Some(20), true);
    assert!(
        (v.sqrt() - 0.7).abs() < 0.1 && (epsilon - 0.05).abs() < 0.02 && (mean - 1.0).abs() < 0.15,
        "{mean} {v} {epsilon}"
    );
}

/// Gradients in all parameters, with what is held, against differences.
#[test]
fn gradients() {
    let mut random = ChaCha8Rng::seed_from_u64(5);
    let margins = choices(&mut random, 12, 5, 0.5, 0.05);
    let ends: Vec<usize> = (1..=12).map(|i| 5 * i).collect();
    let start = AnyStrength::from_mean_v(Family::LogNormal, 0.8, 0.3).expect("valid");
    for held in 0..3 {
        for coordinates in [Coordinates::LnMeanV, Coordinates::LnMeanLnCv] {
            let p_beta = StrengthParams::from_strength(&start, coordinates).expect("valid");
            let p_beta = [p_beta, p_beta.with_mean_held(), p_beta.with_scale_held()][held];
            let lapse = LapseParams::by_side(0.04, 0.2).expect("valid");
            let at = |steps: [f64; 4]| {
                let (mut p_beta, mut lapse) = (p_beta, lapse);
                let [a, b] = p_beta.params();
                p_beta.set([a + steps[0], b + steps[1]]).expect("finite");
                let [c, d] = lapse.params();
                lapse.set([c + steps[2], d + steps[3]]).expect("finite");
                let batch = PanelBatch::new(&margins, &ends);
                p_beta
                    .evaluate_panel(&batch, PanelRows::new(), lapse.lapse().expect("in range"))
                    .expect("a panel")
            };
            let sums = at([0.0; 4]);
            let d_logits = lapse.gradient(sums.d_lapse);
            for (i, d) in sums.d_params.into_iter().chain(d_logits).enumerate() {
                let value = |h: f64| {
                    let mut steps = [0.0; 4];
                    steps[i] = h;
                    at(steps).nll
                };
                let h = 1e-3;
                let slope = (8.0 * (value(h) - value(-h)) - (value(2.0 * h) - value(-2.0 * h))) / (12.0 * h);
                assert!((d - slope).abs() < 1e-7, "{held} {coordinates:?} {i}: {d} {slope}");
            }
        }
    }
}

#[test]
fn parameters() {
    for bad in [0.0, 0.5, -0.1, 0.7, f64::NAN] {
        assert_eq!(LapseParams::new(bad), Err(LearnError::NotFinite));
        assert!(LapseParams::by_side(0.1, bad).is_err());
    }
    let mut lapse = LapseParams::new(0.2).expect("valid");
    assert!((lapse.epsilon()[0] - 0.2).abs() < 1e-16 && lapse.epsilon()[0] == lapse.epsilon()[1]);
    assert_eq!(lapse.set([f64::NAN, 0.0]), Err(LearnError::NotFinite));
    for far in [-1e300, 1e300] {
        lapse.set([far, f64::NAN]).expect("the second is not looked at");
        assert!(lapse.lapse::<f32>().expect("in range").epsilon()[0] > 0.0);
        assert!(lapse.lapse::<f64>().is_ok() && lapse.params()[1] == 0.0);
    }
    #[cfg(feature = "serde")]
    for lapse in [LapseParams::new(0.123), LapseParams::by_side(0.1, 0.01)] {
        let lapse = lapse.expect("valid");
        let text = serde_json::to_string(&lapse).expect("JSON");
        let back: LapseParams = serde_json::from_str(&text).expect("JSON");
        assert_eq!(back.params().map(f64::to_bits), lapse.params().map(f64::to_bits));
        assert!(serde_json::from_str::<LapseParams>(r#"{"logits":[null,0],"by_side":false}"#).is_err());
        let lapse: Lapse<f64> = lapse.lapse().expect("in range");
        let text = serde_json::to_string(&lapse).expect("JSON");
        assert_eq!(serde_json::from_str::<Lapse<f64>>(&text).expect("JSON"), lapse);
        assert!(serde_json::from_str::<Lapse<f64>>(r#"{"epsilon":[0.1,0.7],"by_side":true}"#).is_err());
        assert!(serde_json::from_str::<Lapse<f64>>(r#"{"epsilon":[0.1,0.2],"by_side":false}"#).is_err());
    }
}
