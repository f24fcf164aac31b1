//! Weights that are no sample size.

use crate::data::margins::{Margins, visit_elements};
use crate::error::LearnError;

/// Σw beside the number of choices: whether weights count repetitions, which is what every fit takes them for.
///
/// Sampling weights (one over the chance of a choice to be in the sample) sum to 1, or to a population. A likelihood
/// with them has its maximum where it should be, but Σw for sample size: standard errors are wrong by √(Σw/n), and a
/// likelihood ratio by Σw/n. With weights that sum to 1 nothing is ever significant, with 10⁶ each everything is. Times
/// [`factor`](Self::factor) they have mean 1, and Σw = n.
///
/// They still overstate the sample where they differ much:
/// [`effective_number`](Self::effective_number) choices of one weight would say as much (L. Kish, Survey Sampling,
/// 1965).
///
/// ```
/// use prefstrength::Family;
/// use prefstrength_learn::{self as learn, LearnError, Options, TotalWeight, Weighted};
/// let margins: Vec<f64> = (0..400).map(|i| f64::from(i % 40 + 1) * if i % 4 < 3 { 0.1 } else { -0.05 }).collect();
/// let weights = vec![1.0 / 400.0; 400];
/// let total = TotalWeight::of(Weighted::new(&margins, &weights)?)?;
/// assert!(!total.is_sample_size() && (total.factor() - 400.0).abs() < 1e-9);
/// let ones: Vec<f64> = weights.iter().map(|w| w * total.factor()).collect();
/// let error = |weights: &[f64]| {
///     let fit = learn::fit(Family::Fixed, Weighted::new(&margins, weights)?, &Options::default())?;
///     Ok::<_, LearnError>(fit.errors.ln_mean.unwrap_or(f64::NAN))
/// };
/// assert!((error(&weights)? / error(&ones)? - 20.0).abs() < 1e-3);
/// # Ok::<(), LearnError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct TotalWeight {
    /// How many choices have a weight above 0.
    pub number: usize,
    /// Σw.
    pub sum: f64,
    /// Σw².
    pub square: f64,
    /// How many of them are no whole numbers, and cannot be repetitions.
    pub fractional: usize,
}

impl TotalWeight {
    /// Of the margins of a source, in one pass.
    ///
    /// # Errors
    /// [`LearnError::Margin`] and [`LearnError::Weight`] for what is not finite, or negative, and errors of the source.
    pub fn of(mut margins: impl Margins) -> Result<Self, LearnError> {
        let (mut total, mut first) = (Self::default(), 0);
        margins.for_each(&mut |margins, weights| {
            visit_elements(first, margins, weights, |_, _, w| total.add(w))?;
            first += margins.len();
            Ok(())
        })?;
        Ok(total)
    }

    /// Of weights, of [`Pairs`](crate::Pairs) for example.
    ///
    /// # Errors
    /// [`LearnError::Weight`] for one that is negative or not finite.
    pub fn of_weights(weights: &[f64]) -> Result<Self, LearnError> {
        let mut total = Self::default();
        for (index, &w) in weights.iter().enumerate() {
            if !(w >= 0.0 && w.is_finite()) {
                return Err(LearnError::Weight { index });
            }
            total.add(w);
        }
        Ok(total)
    }

    fn add(&mut self, w: f64) {
        if w > 0.0 {
            self.number += 1;
            self.sum += w;
            self.square += w * w;
            self.fractional += usize::from(w.fract() != 0.0);
        }
    }

    /// n/Σw, which makes the mean weight 1; 1 without any weight.
    #[must_use]
    pub fn factor(&self) -> f64 {
        if self.number > 0 { self.number as f64 / self.sum } else { 1.0 }
    }

    /// Whether n/2 ≤ Σw ≤ 2n. Weights that are repetitions may be beyond it, so that this asks for a question rather
    /// than for a correction.
    #[must_use]
    pub fn is_sample_size(&self) -> bool {
        (0.5..=2.0).contains(&self.factor())
    }

    /// (Σw)²/Σw², whatever the scale of the weights; 0 without any, at most n.
    #[must_use]
    pub fn effective_number(&self) -> f64 {
        if self.number > 0 { self.sum / self.square * self.sum } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::margins::Weighted;

    #[test]
    fn sums_are_compared_with_the_number_of_choices() {
        let of = |weights: &[f64]| TotalWeight::of_weights(weights).unwrap();
        assert!(of(&[]).is_sample_size() && of(&[0.0]).factor() == 1.0);
        for (weights, usual) in [
            (vec![1.0; 10], true),
            (vec![2.0; 10], true),
            (vec![0.5; 10], true),
            (vec![2.1; 10], false),
            (vec![0.4; 10], false),
            (vec![0.1; 10], false),
            (vec![1e6; 10], false),
            // A mask is no small weight.
            (vec![0.0, 0.0, 0.0, 0.0, 1.0], true),
        ] {
            let total = of(&weights);
            assert_eq!(total.is_sample_size(), usual, "{weights:?}");
            let mean = weights.iter().map(|w| w * total.factor()).sum::<f64>() / total.number as f64;
            assert!((mean - 1.0).abs() < 1e-12);
            assert!((total.effective_number() - total.number as f64).abs() < 1e-9);
        }
        assert!((of(&[3.0, 1.0]).effective_number() - 1.6).abs() < 1e-12);
        assert_eq!(TotalWeight::of_weights(&[1.0, -1.0]), Err(LearnError::Weight { index: 1 }));
        let source = Weighted::new(&[1.0, -2.0, f64::NAN], &[0.5, 0.25, 0.0]).unwrap();
        assert_eq!(TotalWeight::of(source).unwrap(), of(&[0.5, 0.25]));
        assert_eq!(TotalWeight::of(&[1.0, 2.0][..]).unwrap(), of(&[1.0, 1.0]));
    }
}
