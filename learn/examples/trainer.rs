//! A trainer in forty lines: p(β) beside a policy in f32, with masked pairs, gradients accumulated over micro-batches,
//! threads if there are any, and a checkpoint from which training goes on with the same bits.
//!
//! ```text
//! cargo run --release --example trainer --features prefstrength-learn/rayon,prefstrength-learn/serde
//! ```

use prefstrength::Family;
use prefstrength::batch::{Batch, Rows, Sums};
use prefstrength_learn::StrengthParams;
use std::error::Error;

/// What a checkpoint keeps: the policy, here margin = w·f, and p(β) in (ln mean, ln cv).
type State = ([f32; 2], StrengthParams);

/// One step: value and gradients of all micro-batches, then the optimiser.
fn step((w, p_beta): &mut State, pairs: &[[f32; 2]], mask: &[f32]) -> Result<f64, Box<dyn Error>> {
    let (mut sums, mut d_w) = (Sums::default(), [0.0_f32; 2]);
    for (pairs, mask) in pairs.chunks(10_000).zip(mask.chunks(10_000)) {
        let margins: Vec<f32> = pairs.iter().map(|f| w[0] * f[0] + w[1] * f[1]).collect();
        let mut d_margin = vec![0.0; margins.len()];
        let batch = Batch::new(&margins).weights(mask); // weight 0 masks whatever the margin is
        let rows = Rows::new().d_margin(&mut d_margin);
        #[cfg(feature = "rayon")]
        let part = p_beta.par_evaluate(&batch, rows)?; // the same bits as `evaluate`
        #[cfg(not(feature = "rayon"))]
        let part = p_beta.evaluate(&batch, rows)?;
        sums += part;
        for ((f, d), mask) in pairs.iter().zip(&d_margin).zip(mask) {
            // 0·NaN would be NaN: a feature that is none must not get here.
            (0..2).filter(|_| *mask > 0.0).for_each(|j| d_w[j] += d * f[j]);
        }
    }
    // Gradients are those of the sum.
    (0..2).for_each(|j| w[j] -= 2.0 * d_w[j] / sums.weight as f32);
    let [ln_mean, ln_cv] = p_beta.params();
    let [d_ln_mean, d_ln_cv] = sums.d_params.map(|d| d / sums.weight);
    p_beta.set([ln_mean - d_ln_mean, ln_cv - 5.0 * d_ln_cv])?;
    Ok(sums.mean_nll())
}

fn main() -> Result<(), Box<dyn Error>> {
    // Choices by w = (1, −2) and strengths 0 or 2, and some pairs that are padding.
    let mut pairs: Vec<[f32; 2]> = (0..40_000_u32)
        .map(|i| {
            let random =
                |k: u32| (i.wrapping_mul(k) ^ (i >> 3)).wrapping_mul(0x9e37_79b9) as f32 / 2_f32.powi(32);
            let f = [4.0 * random(0x85eb_ca6b) - 2.0, 4.0 * random(0xc2b2_ae35) - 2.0];
            let logit = if i % 2 == 0 { 0.0 } else { 2.0 * (f[0] - 2.0 * f[1]) };
            if random(0x27d4_eb2f) < 1.0 / (1.0 + (-logit).exp()) { f } else { f.map(|x| -x) }
        })
        .collect();
    let mut mask = vec![1.0; pairs.len()];
    for i in (0..pairs.len()).step_by(7) {
        (pairs[i], mask[i]) = ([f32::NAN; 2], 0.0);
    }
    // The scale of β is one of w: w has it, and cv moves without it.
    let p_beta = StrengthParams::in_ln_mean_ln_cv(Family::Gamma, 1.0)?.with_scale_held();
    let mut state: State = ([0.1, -0.1], p_beta);
    let first = step(&mut state, &pairs, &mask)?;
    for _ in 0..20 {
        step(&mut state, &pairs, &mask)?;
    }
    #[cfg(feature = "serde")]
    let checkpoint = serde_json::to_string(&state)?; // of serde_json's feature `float_roundtrip`
    #[cfg(not(feature = "serde"))]
    let checkpoint = state;
    let train_on = |state: &mut State| (0..20).try_fold(first, |_, _| step(state, &pairs, &mask));
    let loss = train_on(&mut state)?;
    #[cfg(feature = "serde")]
    let mut restarted: State = serde_json::from_str(&checkpoint)?;
    #[cfg(not(feature = "serde"))]
    let mut restarted = checkpoint;
    assert_eq!(train_on(&mut restarted)?.to_bits(), loss.to_bits());
    assert_eq!(restarted.0.map(f32::to_bits), state.0.map(f32::to_bits));
    assert_eq!(restarted.1, state.1);
    assert!(loss < first && loss.is_finite());
    println!("mean loss {first:.4} → {loss:.4}, w {:?}, {}", state.0, state.1.strength());
    println!("a restart from the checkpoint went on with the same bits");
    Ok(())
}
