//! Choices that end in a tie: Davidson's model.

use crate::cholesky::Cholesky;
use crate::data::margins::{Weighted, visit_elements};
use crate::descent::descend;
use crate::error::{LearnError, check_length};
use crate::fit::fit;
use crate::limits::TOTAL_WEIGHT;
use crate::model::SHAPES;
use crate::objective::point::{Objective, Point, join};
use crate::options::Options;
use crate::status::FitStatus;
use prefstrength::{AnyStrength, Family, Real};

/// ln mean and ln ν move by so much in one step.
const LARGEST_STEP: f64 = 4.0;

/// Plain DPO with ties, by Davidson (1970): of two answers, x = βD the logit of the one ahead by D against the other,
///
/// P(ahead) = e^{x/2}/Z, P(behind) = e^{−x/2}/Z, P(tie) = ν/Z, Z = e^{x/2} + e^{−x/2} + ν,
///
/// ν ≥ 0: a tie is the likelier the closer the answers are, at most ν/(2 + ν) at D = 0, and ν = 0 is plain DPO.
/// Margins here are logits x; [`fit_ties`] has ν, and the β of margins.
///
/// **Ties may be dropped for one β**: given that there is no tie, the choice is σ(x), whatever ν is, so plain DPO on
/// the other pairs is consistent. Ties tell more about β, and the loss is convex in x and ln ν.
///
/// **With a random β they are dropped, too, and that is consistent for each β**: given β and no tie, the choice is
/// σ(βD). It is not quite that for their distribution. Who prefers strongly ties less: among choices that are no tie,
/// β has the density p(β)·P(no tie | β, D) up to a factor, and not p(β); a mean and a spread from pairs without ties
/// are of that population. With D ~ N(0, 2²), Gamma, E\[β\] = 1 and cv = 1, a fit without the ties says, from very
/// many choices:
///
/// | ν | 0 | 0.5 | 1 | 2 |
/// | --- | --- | --- | --- | --- |
/// | ties | 0 % | 16 % | 27 % | 42 % |
/// | E\[β\] | 1.00 | 1.01 | 1.02 | 1.04 |
/// | cv | 1.00 | 0.94 | 0.89 | 0.82 |
///
/// Source: R. R. Davidson, On extending the Bradley–Terry model to accommodate ties in paired comparison experiments,
/// J. Amer. Statist. Assoc. 65 (1970), 317–328.
///
/// ```
/// use prefstrength_learn::{Davidson, LearnError};
/// let davidson = Davidson::new(0.5)?;
/// let [ahead, behind, tie] = davidson.probabilities(2.0);
/// assert!((ahead + behind + tie - 1.0).abs() < 1e-15 && (ahead / behind - 2.0_f64.exp()).abs() < 1e-13);
/// assert!((davidson.choice(2.0).nll + ahead.ln()).abs() < 1e-15);
/// assert!((davidson.tie(2.0).nll + tie.ln()).abs() < 1e-15);
/// # Ok::<(), LearnError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(try_from = "f64", into = "f64"))]
pub struct Davidson {
    nu: f64,
    ln_nu: f64,
}

/// A loss of [`Davidson`] and its gradient.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TieGradient {
    /// −ln P of what happened.
    pub nll: f64,
    /// ∂nll/∂x in the margin, which is the logit.
    pub d_margin: f64,
    /// ∂nll/∂ln ν.
    pub d_ln_nu: f64,
}

impl Davidson {
    /// 0 ≤ ν < ∞.
    ///
    /// # Errors
    /// [`LearnError::TieParameter`] otherwise.
    pub fn new(nu: f64) -> Result<Self, LearnError> {
        // −0 is 0.
        if (0.0..f64::INFINITY).contains(&nu) {
            Ok(Self { nu: nu.abs(), ln_nu: nu.abs().ln() })
        } else {
            Err(LearnError::TieParameter)
        }
    }

    /// From ln ν, what an optimiser has: −∞, for ν = 0, or from −745 to 709, where ν is neither 0 nor ∞.
    ///
    /// # Errors
    /// [`LearnError::TieParameter`] otherwise.
    pub fn from_ln_nu(ln_nu: f64) -> Result<Self, LearnError> {
        let nu = ln_nu.exp();
        if (nu > 0.0 && nu < f64::INFINITY) || ln_nu == f64::NEG_INFINITY {
            Ok(Self { nu, ln_nu })
        } else {
            Err(LearnError::TieParameter)
        }
    }

    /// ν.
    #[must_use]
    pub fn nu(&self) -> f64 {
        self.nu
    }

    /// ln ν, −∞ for ν = 0.
    #[must_use]
    pub fn ln_nu(&self) -> f64 {
        self.ln_nu
    }

    /// \[P(ahead), P(behind), P(tie)\] at a logit x. Small ones do not cancel: the error is relative, of a few ulp and
    /// of the rounding of ln ν ± x/2. NaN at NaN.
    #[must_use]
    pub fn probabilities(&self, margin: f64) -> [f64; 3] {
        // At ±∞ the limits.
        let half = 0.5 * if margin.is_infinite() { f64::MAX.copysign(margin) } else { margin };
        let largest = half.abs().max(self.ln_nu);
        let terms = [half, -half, self.ln_nu].map(|x| (x - largest).exp());
        let sum = terms[0] + terms[1] + terms[2];
        terms.map(|term| term / sum)
    }

    /// The loss where the answer ahead by x was chosen, x < 0 where it was behind: ln(1 + e^{−x} + νe^{−x/2}), which is
    /// −ln σ(x) for ν = 0.
    ///
    /// * Domain: every x. 0 at ∞, ∞ at −∞, NaN at NaN.
    /// * Gradient: −(P(behind) + ½P(tie)) in x, P(tie) in ln ν.
    #[must_use]
    pub fn choice(&self, margin: f64) -> TieGradient {
        let [_, behind, tie] = self.probabilities(margin);
        let nll = ln_1p_sum_exp(-margin, self.ln_nu - 0.5 * margin);
        TieGradient { nll, d_margin: -(behind + 0.5 * tie), d_ln_nu: tie }
    }

    /// The loss of a tie between answers x apart: ln(1 + 2cosh(x/2)/ν), of both signs alike.
    ///
    /// * Domain: every x. ∞ at ±∞, and everywhere for ν = 0; NaN at NaN.
    /// * Gradient: ½(P(ahead) − P(behind)) in x, P(tie) − 1 in ln ν.
    #[must_use]
    pub fn tie(&self, margin: f64) -> TieGradient {
        let [ahead, behind, _] = self.probabilities(margin);
        let half = 0.5 * margin;
        let nll = ln_1p_sum_exp(half - self.ln_nu, -half - self.ln_nu);
        // Rounding may have it beyond 1.
        let decided = if ahead + behind > 1.0 { 1.0 } else { ahead + behind };
        // The difference, without cancellation.
        let difference = -ahead.max(behind) * (-margin.abs()).exp_m1();
        TieGradient { nll, d_margin: 0.5 * difference.copysign(margin), d_ln_nu: -decided }
    }
}

#[cfg(feature = "serde")]
impl From<Davidson> for f64 {
    fn from(davidson: Davidson) -> Self {
        davidson.nu
    }
}

#[cfg(feature = "serde")]
impl TryFrom<f64> for Davidson {
    type Error = LearnError;
    fn try_from(nu: f64) -> Result<Self, LearnError> {
        Self::new(nu)
    }
}

/// ln(1 + eᵃ + eᵇ), small where it is small.
fn ln_1p_sum_exp(a: f64, b: f64) -> f64 {
    let largest = a.max(b);
    match largest {
        f64::INFINITY => f64::INFINITY,
        largest if largest > 0.0 => largest + ((-largest).exp() + (a.min(b) - largest).exp()).ln_1p(),
        // NaN of both goes this way.
        _ => (a.exp() + b.exp()).ln_1p(),
    }
}

/// What [`fit_ties`] found.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct TieFit {
    /// `Fixed`, or `NotConverged`.
    pub status: FitStatus,
    /// β: the logit of the answer ahead by D is βD.
    pub mean: f64,
    /// ν; 0 where there are no ties.
    pub davidson: Davidson,
    /// Σ w ln P there.
    pub log_likelihood: f64,
    /// Covariance of the estimates of ln β and ln ν by the observed information; `None` where that is not positive, and
    /// where there are no ties.
    pub covariance: Option<[[f64; 2]; 2]>,
    /// Gradient at the end, √(gᵀH⁻¹g): in units of standard errors.
    pub gradient: f64,
    /// Iterations of Newton's method.
    pub iterations: u32,
    /// How many pairs, ties among them.
    pub number: usize,
    /// Their total weight.
    pub weight: f64,
    /// The weight of ties.
    pub tie_weight: f64,
}

/// The β and the ν of plain DPO with ties under which what happened is likeliest: `margins` of the chosen answer, or of
/// either where `ties` says that there was none, with weights if there are any. See [`Davidson`].
///
/// Newton's method in (ln β, ln ν), damped. The likelihood is concave in (β, ln ν): there is one maximum, or none.
/// Without ties it is that of [`fit`] with `Fixed`, and ν = 0.
///
/// # Errors
/// [`LearnError::NoMargins`], [`LearnError::NoWeight`], [`LearnError::WeightOutOfRange`], [`LearnError::Margin`],
/// [`LearnError::Weight`], [`LearnError::AllZero`]; [`LearnError::Batch`] unless there are as many ties and weights as
/// margins; [`LearnError::OnlyTies`]; and where no β is the answer: [`LearnError::MeanVanishes`] unless Σ wD > 0 over
/// choices, [`LearnError::Separable`] where no chosen answer is behind, or ahead by less than those of some tie differ.
///
/// ```
/// use prefstrength_learn::{LearnError, fit_ties};
/// let margins = [2.0, 1.0, -0.5, 0.4, 3.0, 0.1, -0.2, 1.5];
/// let ties = [false, false, false, true, false, true, false, true];
/// let fit = fit_ties(&margins, &ties, None)?;
/// assert!(fit.mean > 0.5 && fit.davidson.nu() > 0.5);
/// // As many ties as there are, on average: the score in ln ν.
/// let expected: f64 = margins.iter().map(|d| fit.davidson.probabilities(fit.mean * d)[2]).sum();
/// assert!((expected - 3.0).abs() < 1e-6);
/// assert_eq!(fit_ties(&[1.0, 2.0], &[true, true], None), Err(LearnError::OnlyTies));
/// # Ok::<(), LearnError>(())
/// ```
pub fn fit_ties<T: Real>(margins: &[T], ties: &[bool], weights: Option<&[T]>) -> Result<TieFit, LearnError> {
    check_length("ties", Some(ties), margins.len())?;
    check_length("weights", weights, margins.len())?;
    let to_f64 = |from: &[T]| from.iter().map(|&x| x.to_f64()).collect::<Vec<f64>>();
    let (all, all_weights) = (to_f64(margins), weights.map(to_f64));
    let mut data = Outcomes::default();
    visit_elements(0, &all, all_weights.as_deref(), |i, d, w| data.add(d, ties[i], w))?;
    let [choices, tied] = data.weights;
    let weight = choices + tied;
    match () {
        () if margins.is_empty() => return Err(LearnError::NoMargins),
        () if weight == 0.0 => return Err(LearnError::NoWeight),
        () if !TOTAL_WEIGHT.contains(&weight) => return Err(LearnError::WeightOutOfRange),
        () if choices == 0.0 => return Err(LearnError::OnlyTies),
        () if tied == 0.0 => return without_ties(margins, weights),
        () if data.largest == 0.0 => return Err(LearnError::AllZero),
        () if data.least_choice >= data.largest_tie => return Err(LearnError::Separable),
        () => {}
    }
    let scale = data.rescale();
    let moments = data.moments();
    if moments[0] <= 0.0 {
        return Err(LearnError::MeanVanishes);
    }
    // Newton's first step from β = 0, and the ν of that place.
    let start = join([(2.0 * moments[0] / moments[1]).ln(), (2.0 * tied / choices).ln()], [0.0; SHAPES]);
    let limit = Options::default().max_iterations;
    let found = descend(&mut TieLoss(&data), start, 0.0, limit, &[])?.ok_or(LearnError::MeanVanishes)?;
    let converged = found.converged && found.hessian.is_some();
    let y = &found.point.y;
    // Checks its range.
    let strength = AnyStrength::from_mean_v(Family::Fixed, y[0].exp() * scale, 0.0)?;
    Ok(TieFit {
        status: if converged { FitStatus::Fixed } else { FitStatus::NotConverged },
        mean: strength.mean(),
        davidson: Davidson::from_ln_nu(y[1])?,
        log_likelihood: -found.point.nll,
        covariance: found.hessian.as_ref().filter(|_| converged).map(invert),
        gradient: found.gradient,
        iterations: found.iterations,
        number: margins.len(),
        weight,
        tie_weight: tied,
    })
}

fn without_ties<T: Real>(margins: &[T], weights: Option<&[T]>) -> Result<TieFit, LearnError> {
    let fit = fit(Family::Fixed, Weighted::maybe_weighted(margins, weights)?, &Options::default())?;
    Ok(TieFit {
        status: fit.status,
        mean: fit.strength.mean(),
        davidson: Davidson::new(0.0)?,
        log_likelihood: fit.log_likelihood,
        covariance: None,
        gradient: fit.gradient,
        iterations: fit.iterations,
        number: fit.number,
        weight: fit.weight,
        tie_weight: 0.0,
    })
}

fn invert(hessian: &Cholesky) -> [[f64; 2]; 2] {
    [[1.0, 0.0], [0.0, 1.0]].map(|mut column| {
        hessian.solve(&mut column);
        column
    })
}

/// What happened, of weight above 0.
#[derive(Debug)]
struct Outcomes {
    /// Margin, whether it was a tie, weight.
    rows: Vec<(f64, bool, f64)>,
    /// Of choices, and of ties.
    weights: [f64; 2],
    largest: f64,
    least_choice: f64,
    largest_tie: f64,
}

impl Default for Outcomes {
    fn default() -> Self {
        Self {
            rows: Vec::new(),
            weights: [0.0; 2],
            largest: 0.0,
            least_choice: f64::INFINITY,
            largest_tie: 0.0,
        }
    }
}

impl Outcomes {
    fn add(&mut self, d: f64, tie: bool, w: f64) {
        self.rows.push((d, tie, w));
        self.weights[usize::from(tie)] += w;
        self.largest = self.largest.max(d.abs());
        if tie {
            self.largest_tie = self.largest_tie.max(d.abs());
        } else {
            self.least_choice = self.least_choice.min(d);
        }
    }

    /// Brings margins that are not everyday there, by a power of two.
    fn rescale(&mut self) -> f64 {
        if (1e-20..1e20).contains(&self.largest) {
            return 1.0;
        }
        let scale = 2.0_f64.powi(-(self.largest.log2() as i32).clamp(-1000, 1000));
        self.rows.iter_mut().for_each(|(d, _, _)| *d *= scale);
        scale
    }

    /// Σ wD and Σ wD² of choices.
    fn moments(&self) -> [f64; 2] {
        let choices = self.rows.iter().filter(|(_, tie, _)| !tie);
        choices.fold([0.0; 2], |[first, second], &(d, _, w)| [first + w * d, second + w * d * d])
    }
}

/// Σ w nll in (ln β, ln ν).
struct TieLoss<'a>(&'a Outcomes);

impl Objective for TieLoss<'_> {
    fn shapes(&self) -> [bool; SHAPES] {
        [false; SHAPES]
    }

    fn evaluate(&mut self, y: Vec<f64>) -> Result<Option<Point>, LearnError> {
        let (beta, Ok(davidson)) = (y[0].exp(), Davidson::from_ln_nu(y[1])) else { return Ok(None) };
        let (mut nll, mut gradient) = (0.0, vec![0.0; y.len()]);
        for &(d, tie, w) in &self.0.rows {
            let x = beta * d;
            let of = if tie { davidson.tie(x) } else { davidson.choice(x) };
            nll += w * of.nll;
            gradient[0] += w * of.d_margin * x;
            gradient[1] += w * of.d_ln_nu;
        }
        Ok(nll.is_finite().then_some(Point { y, nll, value: nll, gradient, d_v: 0.0 }))
    }

    /// The information, and what ln β has beyond it for not being β.
    fn hessian(&mut self, at: &Point, _shapes: &[usize]) -> Result<Option<Vec<f64>>, LearnError> {
        let information = self.information(at, &[])?;
        Ok(information.map(|mut lower| {
            lower[0] += at.gradient[0];
            lower
        }))
    }

    /// In (β, ln ν), in which the likelihood is concave, times β.
    fn information(&mut self, at: &Point, _hessian: &[f64]) -> Result<Option<Vec<f64>>, LearnError> {
        let (beta, davidson) = (at.y[0].exp(), Davidson::from_ln_nu(at.y[1])?);
        let mut lower = vec![0.0; 4];
        for &(d, _, w) in &self.0.rows {
            let x = beta * d;
            let [ahead, behind, tie] = davidson.probabilities(x);
            let decided = ahead + behind;
            // Covariances of ½(ahead − behind) and tie: no number but the second one has differences.
            let variance = 0.25 * tie * decided + ahead * behind;
            lower[0] += w * (x * variance.sqrt()).powi(2);
            lower[2] -= w * 0.5 * (ahead - behind) * tie * x;
            lower[3] += w * tie * decided;
        }
        Ok(Some(lower))
    }

    fn limit_step(&self, _at: &Point, step: &[f64]) -> f64 {
        LARGEST_STEP / step[0].abs().max(step[1].abs())
    }

    fn reach(&self, _at: &Point, step: &[f64]) -> f64 {
        step[0].abs().max(step[1].abs())
    }

    /// Not asked for: where there is no maximum is known before.
    fn growth(&self, _at: &Point) -> f64 {
        0.0
    }
}
