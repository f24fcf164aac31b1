//! Loss and gradient over margins that lie on several workers.

use crate::data::margins::{CHUNK, Margins, visit_elements};
use crate::error::{LearnError, check_length};
use crate::prepared::{Prepared, has_spread};
use core::iter::Sum;
use core::ops::{Add, AddAssign};
use prefstrength::batch::Rows;
use prefstrength::{AnyStrength, Family};

/// Sums over margins D under one p(β), in (ln mean, v): those of two shards add up to those of both.
///
/// Every worker makes its own under the same p(β), and one adds them: a step of an optimiser, or of Newton's
/// method with [`evaluate_with_hessian`](Self::evaluate_with_hessian), then needs ten numbers from each. At v = 0 of any family
/// `gradient[1]` is minus the score of heterogeneity.
///
/// ```
/// use prefstrength::{AnyStrength, Family, Strength};
/// use prefstrength_learn::{LearnError, LossSums};
/// let beta = AnyStrength::from_mean_v(Family::Gamma, 0.1, 0.25)?;
/// let shards = [vec![3.0, -1.0, 0.4], vec![7.0, -0.2]];
/// let sums: LossSums = shards.iter().map(|shard| LossSums::evaluate(&beta, &shard[..])).sum::<Result<_, _>>()?;
/// assert_eq!((sums.number, sums.weight), (5, 5.0));
/// assert!((sums.nll - shards.concat().iter().map(|&d| beta.nll(d)).sum::<f64>()).abs() < 1e-14);
/// # Ok::<(), LearnError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct LossSums {
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
    /// Σ w·∂²nll/∂(ln mean, v)², the observed information, if it was asked for.
    pub hessian: Option<[[f64; 2]; 2]>,
}

/// Step of differences of gradients.
const STEP: f64 = 1e-4;

impl LossSums {
    /// Goes through all margins of a source, in one pass, with buffers of a few thousand numbers. Zeros without margins.
    ///
    /// # Errors
    /// [`LearnError::Margin`] and [`LearnError::Weight`] for what is not finite, or negative, and errors of the
    /// source.
    pub fn evaluate(beta: &AnyStrength, margins: impl Margins) -> Result<Self, LearnError> {
        Self::sum_up(beta, margins, None)
    }

    /// The same with `hessian`: by central differences of analytic gradients, of step 1e-4 in ln mean and 1e-4·(1 + v)
    /// in v; next to v = 0 by one-sided ones of second order. For `Fixed` its entry of v twice is 0: it depends on the
    /// family. Five evaluations instead of one.
    ///
    /// # Errors
    /// As [`evaluate`](Self::evaluate), and [`LearnError::Param`] for a p(β) next to the end of its range.
    ///
    /// ```
    /// use prefstrength::{AnyStrength, Family};
    /// use prefstrength_learn::{LearnError, LossSums};
    /// let beta = AnyStrength::from_mean_v(Family::Gamma, 0.1, 0.25)?;
    /// let sums = LossSums::evaluate_with_hessian(&beta, &[3.0, -1.0, 0.4, -7.0][..])?;
    /// let [[mm, mv], [_, vv]] = sums.hessian.unwrap_or_default();
    /// // One of Newton's steps in (ln mean, v), where the Hessian is positive definite.
    /// let ([a, b], determinant) = (sums.gradient, mm * vv - mv * mv);
    /// let step = [(mv * b - vv * a) / determinant, (mv * a - mm * b) / determinant];
    /// # assert!(step[0].is_finite() && step[1].is_finite());
    /// # Ok::<(), LearnError>(())
    /// ```
    pub fn evaluate_with_hessian(beta: &AnyStrength, margins: impl Margins) -> Result<Self, LearnError> {
        Self::sum_up(beta, margins, Some(Differences::new(beta)?))
    }

    fn sum_up(
        beta: &AnyStrength,
        mut margins: impl Margins,
        mut differences: Option<Differences>,
    ) -> Result<Self, LearnError> {
        // A table is made when there turn out to be enough margins for it.
        let (mut loss, mut planned) = (Prepared::of(beta, 0), false);
        let mut buffers = [const { Vec::new() }; 3];
        for buffer in &mut buffers {
            buffer.resize(CHUNK, 0.0);
        }
        let [nll, d_ln_mean, d_v] = &mut buffers;
        let mut all = Self::default();
        margins.for_each(&mut |margins, weights| {
            check_length("weights", weights, margins.len())?;
            for start in (0..margins.len()).step_by(CHUNK) {
                let range = start..margins.len().min(start + CHUNK);
                let (n, margins) = (range.len(), &margins[range.clone()]);
                if !planned && all.number + n >= CHUNK {
                    (loss, planned) = (Prepared::of(beta, CHUNK), true);
                    differences.iter_mut().for_each(|d| d.prepare(CHUNK));
                }
                let (p0, p1) = (&mut d_ln_mean[..n], &mut d_v[..n]);
                loss.evaluate(margins, None, Rows::new().nll(&mut nll[..n]).d_params([p0, p1]))?;
                let mut sum = Self { number: n, ..Self::default() };
                let weights = weights.map(|w| &w[range]);
                visit_elements(all.number, margins, weights, |i, _, w| {
                    let (a, b) = (d_ln_mean[i], d_v[i]);
                    sum.weight += w;
                    sum.nll += w * nll[i];
                    sum.gradient = [sum.gradient[0] + w * a, sum.gradient[1] + w * b];
                    let [[aa, ab], [_, bb]] = sum.outer;
                    let ab = ab + w * a * b;
                    sum.outer = [[aa + w * a * a, ab], [ab, bb + w * b * b]];
                })?;
                // Weights have been checked.
                sum.hessian = differences.as_ref().map(|d| d.hessian(margins, weights)).transpose()?;
                all += sum;
            }
            Ok(())
        })?;
        Ok(all)
    }
}

/// Those of other margins under the same p(β). There is a Hessian of both if there is one of each; sums over no
/// margins do without.
impl AddAssign for LossSums {
    fn add_assign(&mut self, other: Self) {
        self.hessian = match (self.hessian, other.hessian) {
            (of_other, hessian) if self.number == 0 => hessian.or(of_other),
            (hessian, _) if other.number == 0 => hessian,
            (Some(a), Some(b)) => Some([0, 1].map(|i| [0, 1].map(|j| a[i][j] + b[i][j]))),
            _ => None,
        };
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

impl Add for LossSums {
    type Output = Self;
    fn add(mut self, other: Self) -> Self {
        self += other;
        self
    }
}

impl Sum for LossSums {
    fn sum<I: Iterator<Item = Self>>(iter: I) -> Self {
        iter.fold(Self::default(), Add::add)
    }
}

/// p(β) around one, for second derivatives.
struct Differences {
    family: Family,
    /// Up and down in ln mean, then two in v; and how they add up to a slope in v.
    betas: [AnyStrength; 4],
    losses: [Prepared; 4],
    /// Of the gradients at v itself (by up and down in ln mean), and at the two others.
    of_v: [f64; 3],
}

impl Differences {
    fn new(beta: &AnyStrength) -> Result<Self, LearnError> {
        let (family, mean, v) = (beta.family(), beta.mean(), beta.v());
        let at = |a: f64, v: f64| {
            // `Fixed` has no other v.
            let v = if has_spread(family) { v } else { 0.0 };
            AnyStrength::from_mean_v(family, mean * (a * STEP).exp(), v)
        };
        let h = STEP * (1.0 + v);
        let (others, of_v) = match v < h {
            true => ([v + h, v + 2.0 * h], [-1.5 / h, 2.0 / h, -0.5 / h]),
            false => ([v + h, v - h], [0.0, 0.5 / h, -0.5 / h]),
        };
        let betas = [at(1.0, v)?, at(-1.0, v)?, at(0.0, others[0])?, at(0.0, others[1])?];
        Ok(Self { family, betas, losses: betas.map(|beta| Prepared::of(&beta, 0)), of_v })
    }

    fn prepare(&mut self, number: usize) {
        self.losses = self.betas.map(|beta| Prepared::of(&beta, number));
    }

    fn hessian(&self, margins: &[f64], weights: Option<&[f64]>) -> Result<[[f64; 2]; 2], LearnError> {
        let mut slopes = [[0.0; 2]; 4];
        for (slope, loss) in slopes.iter_mut().zip(&self.losses) {
            *slope = loss.evaluate(margins, weights, Rows::new())?.d_params;
        }
        let [up, down, first, second] = slopes;
        let along_mean = [0, 1].map(|i| (up[i] - down[i]) / (2.0 * STEP));
        if !has_spread(self.family) {
            return Ok([along_mean, [along_mean[1], 0.0]]);
        }
        let [a, b, c] = self.of_v;
        let along_v = [0, 1].map(|i| a * 0.5 * (up[i] + down[i]) + b * first[i] + c * second[i]);
        let mixed = if a == 0.0 { 0.5 * (along_mean[1] + along_v[0]) } else { along_mean[1] };
        Ok([[along_mean[0], mixed], [mixed, along_v[1]]])
    }
}
