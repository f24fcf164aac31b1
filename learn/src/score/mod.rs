//! Score tests: of v = 0 within single choices here, of people and of other alternatives to plain DPO beside it.

mod beyond;
mod choices;
mod items;
mod people;
mod rows;

pub use choices::Choices;
pub use items::{ItemTest, Repeats};
pub use people::PeopleTests;

pub(crate) use beyond::{Alternative, test_beyond};
pub(crate) use people::{BetweenAt, test_people};
pub(crate) use rows::{MarginRow, MarginRows, PairRows};

use crate::cholesky::{Cholesky, add_scaled, dot};
use crate::data::margins::{Margins, visit_elements};
use crate::data::places::Places;
use crate::data::scan::Scanned;
use crate::error::LearnError;
use crate::limits::GROUPS;
use crate::objective::pairs::WeightedPairs;
use prefstrength::math::{normal_cdf, sigmoid};

/// Score test of v = 0 against v > 0, with the mean, or all of a policy, as nuisance. It needs no family: the slope at
/// v = 0 is the same for all.
///
/// z = S/√I, S = −Σ w ∂nll/∂v at the fit of `Fixed`, I = I_vv − I_mv²/I_mm the information of v with ln mean
/// profiled out. With x = mean·D, σ = σ(x): ∂nll/∂v = −½x²(1 − σ)(1 − 2σ).
///
/// * Expected information: over both outcomes of each pair, Σ w σ(1 − σ)(a, b)ᵀ(a, b), a = x, b = ½x²(1 − 2σ).
/// * Of a policy: x = w·f, a = f, and the efficient score of a pair is (1 − σ)(b − k·f), k = I_ww⁻¹I_wv. That form
///   holds for any good estimate of w; with a ridge, w goes one step of Newton's method without it first (J. Neyman's
///   C(α)).
/// * A z far below 0 says that the curve is steeper than plain DPO allows: another misfit, which no spread mends.
/// * Source: C. R. Rao's score test; A. Chesher, Testing for neglected heterogeneity, Econometrica 52 (1984).
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ScoreTest {
    /// z by the expected information: positive where a spread would help.
    pub z: f64,
    /// P(Z ≥ z) of a standard normal: one-sided, unless the test says otherwise.
    pub p: f64,
    /// z by the sum of squares of scores instead: needs no model of the choices, and more data. Of pairs with groups,
    /// scores are summed within groups first. `None` where that is singular, or there are too few groups.
    pub z_outer: Option<f64>,
    /// Its P, on as many sides.
    pub p_outer: Option<f64>,
    /// The expected information of the parameter in all choices, with the nuisances profiled out: an effect of size a is
    /// found by z ≈ a√information.
    pub information: f64,
}

impl ScoreTest {
    /// Of a score and its variance, expected and by the outer product.
    fn new(score: f64, expected: f64, outer: Option<f64>) -> Self {
        let p = |z: f64| normal_cdf(-z);
        let z = score / expected.sqrt();
        let z_outer = outer.filter(|&v| v > 0.0 && v.is_finite()).map(|variance| score / variance.sqrt());
        Self { z, p: p(z), z_outer, p_outer: z_outer.map(p), information: expected }
    }

    /// The same where it says anything: `None` for a variance that is 0, and for what is not finite.
    fn checked(score: f64, expected: f64, outer: Option<f64>) -> Option<Self> {
        let test = Self::new(score, expected, outer);
        let outer = test.z_outer.is_none_or(f64::is_finite);
        let test = if outer { test } else { Self { z_outer: None, p_outer: None, ..test } };
        (expected > 0.0 && expected.is_finite() && test.z.is_finite()).then_some(test)
    }

    /// With P(|Z| ≥ |z|).
    fn two_sided(self) -> Self {
        let p = |z: f64| (2.0 * normal_cdf(-z.abs())).min(1.0);
        Self { p: p(self.z), p_outer: self.z_outer.map(p), ..self }
    }
}

/// One choice at v = 0: the score of x is q, that of v is qb, and their expected information pq(1, b)(1, b)ᵀ.
struct Choice {
    /// σ(x)(1 − σ(x)).
    pq: f64,
    /// 1 − σ(x), the chance of the other choice.
    q: f64,
    /// ½x²(1 − 2σ(x)).
    b: f64,
}

impl Choice {
    fn new(x: f64) -> Self {
        // 1 − 2σ is odd and exact in both.
        let (p, q) = (sigmoid(x), sigmoid(-x));
        // Where q underflows, x² may overflow: the product is 0.
        let b = if q == 0.0 { 0.0 } else { 0.5 * x * x * (q - p) };
        // Beyond 700 pq underflows, before x⁴ could make up for it.
        let pq = if x.abs() < 700.0 { p * q } else { 0.0 };
        Self { pq, q, b }
    }
}

/// What of the information of v is left once the nuisance has taken its share; `None` where that is rounding.
fn leave_efficient(of_v: f64, explained: f64) -> Option<f64> {
    let left = of_v - explained;
    (left > 1e-12 * of_v && left.is_finite()).then_some(left)
}

/// Sums of (aa, ab, bb): information of (ln mean, v).
#[derive(Clone, Copy, Default)]
struct Information([f64; 3]);

impl Information {
    fn add(&mut self, weight: f64, a: f64, b: f64) {
        for (sum, term) in self.0.iter_mut().zip([a * a, a * b, b * b]) {
            *sum += weight * term;
        }
    }

    fn merge(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0).for_each(|(a, b)| *a += b);
    }

    /// Of v with ln mean profiled out.
    fn efficient(&self) -> Option<f64> {
        let [aa, ab, bb] = self.0;
        leave_efficient(bb, ab * (ab / aa))
    }
}

/// Of margins, in one pass.
pub(crate) fn test_margins<M: Margins>(data: &mut Scanned<M>, mean: f64) -> Result<ScoreTest, LearnError> {
    let (mut score, mut expected, mut outer) = (0.0, Information::default(), Information::default());
    data.for_each(&mut |margins, weights| {
        // Sums of chunks: rounding grows with the chunk, not with all that there is.
        let (mut part, mut e, mut o) = (0.0, Information::default(), Information::default());
        visit_elements(0, margins, weights, |_, d, w| {
            let x = mean * d;
            let Choice { pq, q, b } = Choice::new(x);
            let a = if q == 0.0 { 0.0 } else { x };
            part += w * q * b;
            o.add(w, q * a, q * b);
            if pq > 0.0 {
                e.add(w * pq, a, b);
            }
        })?;
        score += part;
        expected.merge(&e);
        outer.merge(&o);
        Ok(())
    })?;
    let information = expected.efficient().ok_or(LearnError::OneSize)?;
    Ok(ScoreTest::new(score, information, outer.efficient()))
}

/// Of pairs, at the w of plain DPO.
pub(crate) fn test_pairs(data: &WeightedPairs<'_>, w: &[f64], ridge: f64) -> Result<ScoreTest, LearnError> {
    // A ridge moves w by more than the efficient score forgives: one step of Newton's method without it leads back.
    if ridge > 0.0
        && let Some(step) = step_without_ridge(data, w)?
    {
        let w: Vec<f64> = w.iter().zip(step).map(|(w, x)| w + x).collect();
        if let Ok(test) = test_pairs_at(data, &w, 0.0) {
            return Ok(test);
        }
    }
    test_pairs_at(data, w, ridge)
}

/// I_ww⁻¹ Σ w (1 − σ)f; `None` where the information is singular.
fn step_without_ridge(data: &WeightedPairs<'_>, w: &[f64]) -> Result<Option<Vec<f64>>, LearnError> {
    let margins = data.pairs.margins(w)?;
    let information = data.sum_products(|i, _| sigmoid(margins[i]) * sigmoid(-margins[i]))?;
    let Ok(information) = Cholesky::new(information, data.pairs.dim()) else { return Ok(None) };
    let mut step = vec![0.0; data.pairs.dim()];
    for (i, f) in data.pairs.rows().enumerate() {
        add_scaled(&mut step, data.weight(i) * sigmoid(-margins[i]), f);
    }
    information.solve(&mut step);
    Ok(step.iter().all(|x| x.is_finite()).then_some(step))
}

fn test_pairs_at(data: &WeightedPairs<'_>, w: &[f64], ridge: f64) -> Result<ScoreTest, LearnError> {
    let margins = data.pairs.margins(w)?;
    let choice = |i: usize| Choice::new(margins[i]);
    let d = data.pairs.dim();
    let mut information = data.sum_products(|i, _| choice(i).pq)?;
    for i in 0..d {
        // Singular only where a ridge had to help.
        information[i * d + i] += ridge;
    }
    let information = Cholesky::new(information, d).map_err(|_| LearnError::OneSize)?;
    let (mut i_vv, mut k) = (0.0, vec![0.0; d]);
    for (i, f) in data.pairs.rows().enumerate() {
        let Choice { pq, b, .. } = choice(i);
        if pq > 0.0 {
            i_vv += data.weight(i) * pq * b * b;
            add_scaled(&mut k, data.weight(i) * pq * b, f);
        }
    }
    let i_wv = k.clone();
    information.solve(&mut k);
    let efficient = leave_efficient(i_vv, dot(&i_wv, &k)).ok_or(LearnError::OneSize)?;
    let mut score = 0.0;
    let mut squares = Squares::new(data.pairs.groups());
    for (i, f) in data.pairs.rows().enumerate() {
        let Choice { q, b, .. } = choice(i);
        let e = q * (b - dot(&k, f));
        score += data.weight(i) * e;
        squares.add(i, data.weight(i), e);
    }
    Ok(ScoreTest::new(score, efficient, squares.sum()))
}

/// Σ w x², or Σ (Σ w x)² over groups.
pub(crate) struct Squares<'a> {
    groups: Option<&'a [u32]>,
    sums: Clusters,
}

impl<'a> Squares<'a> {
    pub(crate) fn new(groups: Option<&'a [u32]>) -> Self {
        Self { groups, sums: Clusters::default() }
    }

    pub(crate) fn add(&mut self, i: usize, weight: f64, x: f64) {
        self.sums.add(self.groups.map(|groups| groups[i]), weight, x);
    }

    /// `None` for too few groups.
    pub(crate) fn sum(&self) -> Option<f64> {
        self.sums.sum()
    }
}

/// [`Squares`] of what has its group with it: none, or all of one sum have one.
#[derive(Default)]
struct Clusters {
    places: Places,
    groups: Vec<f64>,
    sum: f64,
}

impl Clusters {
    fn add(&mut self, group: Option<u32>, weight: f64, x: f64) {
        match group {
            Some(group) => {
                let place = self.places.place(group);
                self.groups.resize(self.places.number(), 0.0);
                self.groups[place] += weight * x;
            }
            None => self.sum += weight * x * x,
        }
    }

    fn sum(&self) -> Option<f64> {
        let enough = self.groups.is_empty() || self.groups.len() >= GROUPS;
        enough.then(|| self.sum + self.groups.iter().map(|x| x * x).sum::<f64>())
    }
}
