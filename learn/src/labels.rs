//! Labels that are probabilities.

use crate::data::margins::{CACHED, ChunkSink, Margins, visit_elements};
use crate::error::{LearnError, check_length};
use prefstrength::Real;

/// Margins with soft labels: the chance p, 0 ≤ p ≤ 1, that the answer ahead by D is the preferred one, for a loss of
/// p·nll(D) + (1 − p)·nll(−D) per pair.
///
/// It is a [`Margins`]: two choices, D of weight p and −D of weight 1 − p, of which only the first one is there
/// at p = 1 and only the second one at p = 0. So hard labels give the bits of hard labels, and no infinite loss is
/// multiplied by 0. What it means depends on where p comes from:
///
/// * **A share of m people**, each of whom drew a β: with weight m it is the binomial likelihood of their choices, up
///   to a constant. Standard errors and tests mean what they say.
/// * **A number of a judge or a reward model**: a binomial quasi-likelihood (Wedderburn, Biometrika 61, 1974; for
///   shares, Papke and Wooldridge, J. Appl. Econometrics 11, 1996). Where p is right on average, E\[p | D\] =
///   E\[σ(βD)\], the fit is consistent. But it takes labels to vary by P(1 − P), and soft ones vary less: standard
///   errors by information are too wide then, and tests of a spread reject too seldom.
/// * **One p for all pairs**: label smoothing, [`Smoothing`](prefstrength::Smoothing) with ε = 1 − p; not a model of
///   flips, which is [`Lapse`](prefstrength::Lapse).
///
/// What has weight 0 is absent, whatever its margin and label are.
///
/// ```
/// use prefstrength::Family;
/// use prefstrength_learn::{self as learn, LearnError, Options, SoftLabels};
/// // Shares of votes for the answer ahead, and how many votes there were.
/// let (margins, shares, votes) = ([0.5, 1.0, 3.0, 9.0], [0.5, 0.75, 0.8, 0.9], [8.0, 4.0, 10.0, 10.0]);
/// let fit = learn::fit(Family::Gamma, SoftLabels::weighted(&margins, &shares, &votes)?, &Options::default())?;
/// assert!((fit.weight - 32.0).abs() < 1e-12 && fit.strength.cv() > 0.5);
/// assert_eq!(SoftLabels::new(&margins, &[0.5, 1.0, 1.1, 0.0]).unwrap_err(), LearnError::Label { index: 2 });
/// # Ok::<(), LearnError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct SoftLabels<'a, T> {
    margins: &'a [T],
    labels: &'a [T],
    weights: Option<&'a [T]>,
}

impl<'a, T: Real> SoftLabels<'a, T> {
    /// As many labels as margins.
    ///
    /// # Errors
    /// [`LearnError::Batch`] if not, [`LearnError::Margin`] for a margin that is not finite, and [`LearnError::Label`]
    /// for a label that is not within \[0, 1\].
    pub fn new(margins: &'a [T], labels: &'a [T]) -> Result<Self, LearnError> {
        Self { margins, labels, weights: None }.checked()
    }

    /// With a weight ≥ 0 for every pair.
    ///
    /// # Errors
    /// As [`new`](Self::new) of what has a weight above 0, and [`LearnError::Weight`] for a weight that is negative or
    /// not finite.
    pub fn weighted(margins: &'a [T], labels: &'a [T], weights: &'a [T]) -> Result<Self, LearnError> {
        Self { margins, labels, weights: Some(weights) }.checked()
    }

    fn checked(self) -> Result<Self, LearnError> {
        check_length("labels", Some(self.labels), self.margins.len())?;
        check_length("weights", self.weights, self.margins.len())?;
        for index in 0..self.margins.len() {
            let [d, p, w] = self.pair(index);
            visit_elements(index, &[d], Some(&[w]), |_, _, _| {})?;
            if w > 0.0 && !(0.0..=1.0).contains(&p) {
                return Err(LearnError::Label { index });
            }
        }
        Ok(self)
    }

    /// Margin, label and weight.
    fn pair(&self, index: usize) -> [f64; 3] {
        [self.margins[index], self.labels[index], self.weights.map_or(T::from_f64(1.0), |w| w[index])]
            .map(Real::to_f64)
    }

    /// The two choices of a pair: margins and weights.
    fn halves(&self, index: usize) -> [(f64, f64); 2] {
        let [d, p, w] = self.pair(index);
        // What is absent need not have a label.
        if w == 0.0 { [(d, 0.0), (-d, 0.0)] } else { [(d, w * p), (-d, w * (1.0 - p))] }
    }

    /// Margins and weights for a [`Batch`](prefstrength::batch::Batch), two choices for every pair: D₁, −D₁, D₂, −D₂, …
    /// with weights w₁p₁, w₁(1 − p₁), …; a weight of 0 masks.
    ///
    /// ```
    /// use prefstrength::Gamma;
    /// use prefstrength::batch::{Batch, Rows, evaluate};
    /// use prefstrength_learn::SoftLabels;
    /// let pairs = SoftLabels::new(&[2.0, -1.0], &[0.9, 0.4])?;
    /// let (margins, weights) = pairs.expand();
    /// let mut d_choices = [0.0; 4];
    /// let batch = Batch::new(&margins).weights(&weights);
    /// evaluate(&Gamma::from_mean_cv(1.0, 0.5)?, &batch, Rows::new().d_margin(&mut d_choices))?;
    /// let mut d_margin = [0.0; 2];
    /// pairs.fold_gradient(&d_choices, &mut d_margin)?; // into the policy
    /// # assert!(d_margin[0] > -0.1 && d_margin[1] < 0.0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn expand(&self) -> (Vec<T>, Vec<T>) {
        let halves = (0..self.margins.len()).flat_map(|index| self.halves(index));
        halves.map(|(d, w)| (T::from_f64(d), T::from_f64(w))).unzip()
    }

    /// The gradient in the margins from that in those of [`expand`](Self::expand), as a batch with these weights gives
    /// it: ∂/∂Dᵢ is the first one of two minus the second one.
    ///
    /// # Errors
    /// [`LearnError::Batch`] unless `d_choices` has two numbers for every pair, and `d_margin` one; nothing is written
    /// then.
    pub fn fold_gradient(&self, d_choices: &[T], d_margin: &mut [T]) -> Result<(), LearnError> {
        check_length("d_choices", Some(d_choices), 2 * self.margins.len())?;
        check_length("d_margin", Some(d_margin), self.margins.len())?;
        for (d, halves) in d_margin.iter_mut().zip(d_choices.chunks_exact(2)) {
            *d = T::from_f64(halves[0].to_f64() - halves[1].to_f64());
        }
        Ok(())
    }
}

impl<T: Real> Margins for SoftLabels<'_, T> {
    fn for_each(&mut self, take: &mut ChunkSink<'_>) -> Result<(), LearnError> {
        let (mut margins, mut weights) = (Vec::new(), Vec::new());
        for start in (0..self.margins.len()).step_by(CACHED) {
            margins.clear();
            weights.clear();
            for index in start..self.margins.len().min(start + CACHED) {
                let [first, second] = self.halves(index);
                // One choice for a hard label; one that is masked, for what is absent.
                let first = (first.1 > 0.0 || second.1 == 0.0).then_some(first);
                for (d, w) in first.into_iter().chain((second.1 > 0.0).then_some(second)) {
                    margins.push(d);
                    weights.push(w);
                }
            }
            take(&margins, Some(&weights))?;
        }
        Ok(())
    }
}
