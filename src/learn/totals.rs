//! Loss and gradient over margins that lie on several workers.

use super::beta::Prepared;
use super::margins::{CHUNK, elements};
use super::{Beta, LearnError, Margins};
use crate::batch::{Batch, Rows};
use core::iter::Sum;
use core::ops::{Add, AddAssign};

/// Sums over margins D under one p(β), in (ln mean, v): those of two shards add up to those of both.
///
/// Every worker makes its own under the same p(β), and one adds them: a step of an optimiser, or of Newton's
/// method with `outer` for a Hessian, then needs seven numbers from each.
///
/// ```
/// use prefstrength::learn::{Beta, Family, Totals};
/// let beta = Beta::from_mean_v(Family::Gamma, 0.1, 0.25)?;
/// let shards = [vec![3.0, -1.0, 0.4], vec![7.0, -0.2]];
/// let totals: Totals = shards.iter().map(|shard| Totals::of(&beta, &shard[..])).sum::<Result<_, _>>()?;
/// assert_eq!((totals.number, totals.weight), (5, 5.0));
/// assert!((totals.nll - shards.concat().iter().map(|&d| beta.nll(d)).sum::<f64>()).abs() < 1e-14);
/// # Ok::<(), prefstrength::learn::LearnError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Totals {
    /// How many margins.
    pub number: usize,
    /// Σ w; their number without weights.
    pub weight: f64,
    /// Σ w·nll.
    pub nll: f64,
    /// Σ w·(∂nll/∂ln mean, ∂nll/∂v).
    pub gradient: [f64; 2],
    /// Σ w·ggᵀ, g the gradient of one loss: an estimate of the information in (ln mean, v).
    pub outer: [[f64; 2]; 2],
}

impl Totals {
    /// Of all margins of a source, in one pass, with buffers of a few thousand numbers. Zeros without margins.
    ///
    /// # Errors
    /// [`LearnError::Margin`] and [`LearnError::Weight`] for what is not finite, or negative, and errors of the
    /// source.
    pub fn of(beta: &Beta, mut margins: impl Margins) -> Result<Self, LearnError> {
        // A table is made when there turn out to be enough margins for it.
        let (mut loss, mut planned) = (Prepared::new(beta, 0), false);
        let mut buffers = [const { Vec::new() }; 3];
        for buffer in &mut buffers {
            buffer.resize(CHUNK, 0.0);
        }
        let [nll, d_ln_mean, d_v] = &mut buffers;
        let mut all = Self::default();
        margins.for_each(&mut |margins, weights| {
            crate::batch::length("weights", weights, margins.len())?;
            for start in (0..margins.len()).step_by(CHUNK) {
                let range = start..margins.len().min(start + CHUNK);
                let (n, margins) = (range.len(), &margins[range.clone()]);
                if !planned && all.number + n >= CHUNK {
                    (loss, planned) = (Prepared::new(beta, CHUNK), true);
                }
                let (p0, p1) = (&mut d_ln_mean[..n], &mut d_v[..n]);
                loss.evaluate(&Batch::new(margins), Rows::none().nll(&mut nll[..n]).d_params([p0, p1]))?;
                let mut sum = Self { number: n, ..Self::default() };
                elements(all.number, margins, weights.map(|w| &w[range]), |i, _, w| {
                    let (a, b) = (d_ln_mean[i], d_v[i]);
                    sum.weight += w;
                    // 0·∞ counts as 0.
                    if w > 0.0 {
                        sum.nll += w * nll[i];
                        sum.gradient = [sum.gradient[0] + w * a, sum.gradient[1] + w * b];
                        let [[aa, ab], [_, bb]] = sum.outer;
                        let ab = ab + w * a * b;
                        sum.outer = [[aa + w * a * a, ab], [ab, bb + w * b * b]];
                    }
                })?;
                all += sum;
            }
            Ok(())
        })?;
        Ok(all)
    }

    /// Adds those of other margins under the same p(β).
    pub fn merge(&mut self, other: &Self) {
        self.number += other.number;
        self.weight += other.weight;
        self.nll += other.nll;
        for i in 0..2 {
            self.gradient[i] += other.gradient[i];
            for j in 0..2 {
                self.outer[i][j] += other.outer[i][j];
            }
        }
    }
}

impl AddAssign for Totals {
    fn add_assign(&mut self, other: Self) {
        self.merge(&other);
    }
}

impl Add for Totals {
    type Output = Self;
    fn add(mut self, other: Self) -> Self {
        self.merge(&other);
        self
    }
}

impl Sum for Totals {
    fn sum<I: Iterator<Item = Self>>(iter: I) -> Self {
        iter.fold(Self::default(), Add::add)
    }
}
