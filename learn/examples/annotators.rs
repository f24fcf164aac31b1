//! One β per annotator: the pairs of a step are those of a few people each, who draw their strength from p(β) once. The
//! policy, p(β) and the chance of a flipped label are learned together; a checkpoint goes on with the same bits.
//!
//! ```text
//! cargo run --release --example annotators --features prefstrength-learn/rayon,prefstrength-learn/serde
//! ```

use prefstrength::Family;
use prefstrength::math::sigmoid;
use prefstrength::panel::{ByPerson, PanelBatch, PanelRows};
use prefstrength_learn::{LapseParams, StrengthParams};
use std::error::Error;

/// A pair: whose it is, and the difference of its features.
type Pair = (u32, [f32; 2]);

/// What a checkpoint keeps: the policy, here margin = w·f, p(β) in (ln mean, ln cv), and the lapse.
type State = ([f32; 2], StrengthParams, LapseParams);

/// One step on some pairs, in any order.
fn step((w, p_beta, lapse): &mut State, pairs: &[Pair], rate: f64) -> Result<f64, Box<dyn Error>> {
    let ids: Vec<u32> = pairs.iter().map(|(id, _)| *id).collect();
    let margins: Vec<f32> = pairs.iter().map(|(_, f)| w[0] * f[0] + w[1] * f[1]).collect();
    let by_person = ByPerson::new(&ids);
    let sorted = by_person.gather(&margins)?;
    let (mut d_sorted, mut d_margin) = (vec![0.0; pairs.len()], vec![0.0; pairs.len()]);
    let batch = PanelBatch::new(&sorted, by_person.ends());
    let rows = PanelRows::new().d_margin(&mut d_sorted);
    #[cfg(feature = "rayon")]
    let sums = p_beta.par_evaluate_panel(&batch, rows, lapse.lapse()?)?; // the same bits as `evaluate_panel`
    #[cfg(not(feature = "rayon"))]
    let sums = p_beta.evaluate_panel(&batch, rows, lapse.lapse()?)?;
    by_person.scatter(&d_sorted, &mut d_margin)?;
    // Gradients are those of the sum over persons.
    let size = rate / pairs.len() as f64;
    for j in 0..2 {
        let d_w: f32 = pairs.iter().zip(&d_margin).map(|((_, f), d)| f[j] * d).sum();
        w[j] -= 4.0 * size as f32 * d_w;
    }
    let [_, ln_cv] = p_beta.params();
    p_beta.set([0.0, ln_cv - 20.0 * size * sums.d_params[1]])?;
    let [d_rho, _] = lapse.gradient(sums.d_lapse);
    lapse.set([lapse.params()[0] - 20.0 * size * d_rho, 0.0])?;
    Ok(sums.nll / pairs.len() as f64)
}

fn main() -> Result<(), Box<dyn Error>> {
    // 300 people of 30 pairs each, by w = (1, −2), strengths Gamma of cv 0.8 and 6 % of flipped labels.
    let uniform = |i: u32, k: u32| {
        let z = (i ^ k).wrapping_mul(0x9e37_79b9);
        let z = (z ^ (z >> 15)).wrapping_mul(0x85eb_ca6b);
        let z = (z ^ (z >> 13)).wrapping_mul(0xc2b2_ae35);
        ((z ^ (z >> 16)) >> 8) as f32 / 2_f32.powi(24)
    };
    let beta = prefstrength::Gamma::<f64>::from_mean_cv(1.0, 0.8)?;
    let pairs: Vec<Pair> = (0..9000_u32)
        .map(|i| {
            let id = i.wrapping_mul(2_654_435_761) % 300;
            let f = [0x1357_9bdf, 0x2468_ace0].map(|k| 4.0 * uniform(i, k) - 2.0);
            let own = beta.quantile((f64::from(id) + 0.5) / 300.0);
            let likely = sigmoid(own * f64::from(f[0] - 2.0 * f[1]));
            let chosen = f64::from(uniform(i, 0x5bd1_e995)) < 0.06 + 0.88 * likely;
            (id, if chosen { f } else { f.map(|x| -x) })
        })
        .collect();
    // The scale of β is one of w: w has it, and cv moves without it.
    let p_beta = StrengthParams::in_ln_mean_ln_cv(Family::Gamma, 1.0)?.with_scale_held();
    let mut state: State = ([0.1, -0.1], p_beta, LapseParams::new(0.02)?);
    let epoch = |state: &mut State, rate: f64| {
        let losses = pairs.chunks(1500).map(|step_of| step(state, step_of, rate));
        losses.sum::<Result<f64, _>>().map(|sum| sum / 6.0)
    };
    let first = epoch(&mut state, 1.0)?;
    (0..40).try_for_each(|_| epoch(&mut state, 1.0).map(|_| ()))?;
    #[cfg(feature = "serde")]
    let checkpoint = serde_json::to_string(&state)?; // of serde_json's feature `float_roundtrip`
    #[cfg(not(feature = "serde"))]
    let checkpoint = state;
    let train_on = |state: &mut State| (0..40).try_fold(first, |_, _| epoch(state, 0.3));
    let loss = train_on(&mut state)?;
    #[cfg(feature = "serde")]
    let mut restarted: State = serde_json::from_str(&checkpoint)?;
    #[cfg(not(feature = "serde"))]
    let mut restarted = checkpoint;
    assert_eq!(train_on(&mut restarted)?.to_bits(), loss.to_bits());
    assert_eq!(
        (restarted.0.map(f32::to_bits), restarted.1, restarted.2),
        (state.0.map(f32::to_bits), state.1, state.2)
    );
    let (w, p_beta, lapse) = &state;
    println!("mean loss {first:.4} → {loss:.4}, w {w:?} (1 : −2)");
    println!("cv {:.3} (0.8), flipped labels {:.3} (0.06)", p_beta.strength().cv(), lapse.epsilon()[0]);
    println!("a restart from the checkpoint went on with the same bits");
    Ok(())
}
