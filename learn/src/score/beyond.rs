//! Score tests of one more parameter: a spread beyond label noise, curvature, a column that was left out.

use super::rows::{Row, Rows};
use super::{Choice, Clusters, ScoreTest, leave_efficient};
use crate::cholesky::{Cholesky, add_scaled, dot};
use crate::error::LearnError;

/// The parameter that is 0 (or 1) at the null model P = ε + (1 − 2ε)σ(x). Its P_θ is (1 − 2ε)σ(x)(1 − σ(x))·t.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Alternative {
    /// v = 0 against v > 0: t = ½x²(1 − 2σ(x)).
    Spread,
    /// γ = 1 of sign(x)|x|^γ, on both sides: t = x ln|x|.
    Curvature,
    /// α = 0 of x + αs, on both sides: t = s.
    Column,
}

/// A choice at the null model: scores P_θ/P, and the roots P_θ/√(P(1 − P)) of their expected information.
struct Local {
    /// By x.
    of_x: Term,
    /// By ε; 0 at ε = 0, where it is no nuisance.
    of_lapse: Term,
    /// By the parameter that is tested.
    of_tested: Term,
}

#[derive(Clone, Copy, Default)]
struct Term {
    score: f64,
    root: f64,
}

impl Term {
    fn times(self, t: f64) -> Self {
        // t may have overflowed where a factor is 0.
        let product = |x: f64| if x == 0.0 { 0.0 } else { x * t };
        Self { score: product(self.score), root: product(self.root) }
    }
}

impl Local {
    fn new(row: &Row<'_>, epsilon: f64, alternative: Alternative) -> Self {
        let x = row.x;
        let Choice { pq, q, b } = Choice::new(x);
        let (of_x, of_lapse) = if epsilon > 0.0 {
            let left = 1.0 - 2.0 * epsilon;
            let p = prefstrength::math::sigmoid(x);
            let (chance, other) = (epsilon + left * p, epsilon + left * q);
            let root = chance.sqrt() * other.sqrt();
            let of_x = Term { score: left * pq / chance, root: left * pq / root };
            (of_x, Term { score: (q - p) / chance, root: (q - p) / root })
        } else {
            (Term { score: q, root: pq.sqrt() }, Term::default())
        };
        let t = match alternative {
            Alternative::Spread => b,
            Alternative::Curvature if x == 0.0 => 0.0,
            Alternative::Curvature => x * x.abs().ln(),
            Alternative::Column => row.column,
        };
        Self { of_x, of_lapse, of_tested: of_x.times(t) }
    }
}

/// Score test of the parameter, with the policy (or the mean) as nuisance, and ε where it is positive: at ε = 0 it is
/// at the end of its range. `rows` stand at the fit of that null model. Of a fit with a ridge, the nuisances go one
/// step of Newton's method without it first, as in the test of v = 0 at plain DPO. The outer variance is by squares of
/// the efficient scores, summed within groups first if rows have groups. `None` where the information is singular or
/// something overflows.
pub(crate) fn test_beyond(
    rows: &mut dyn Rows,
    epsilon: f64,
    alternative: Alternative,
    ridge: f64,
) -> Result<Option<ScoreTest>, LearnError> {
    let (epsilon, ridge) = step_without_ridge(rows, epsilon, ridge)?;
    let dim = rows.dim();
    let Ok(information) = information(rows, epsilon, ridge)? else { return Ok(None) };
    let (mut i_tt, mut k) = (0.0, vec![0.0; dim + 1]);
    rows.for_each(&mut |row| {
        let Local { of_x, of_lapse, of_tested } = Local::new(&row, epsilon, alternative);
        if of_tested.root != 0.0 {
            let t = row.weight * of_tested.root;
            i_tt += t * of_tested.root;
            add_scaled(&mut k[..dim], t * of_x.root, row.features);
            k[dim] += t * of_lapse.root;
        }
    })?;
    k.truncate(information.dim());
    let i_nt = k.clone();
    information.solve(&mut k);
    let Some(efficient) = leave_efficient(i_tt, dot(&i_nt, &k)) else { return Ok(None) };
    let of_lapse_k = k.get(dim).copied().unwrap_or(0.0);
    let (mut score, mut squares) = (0.0, Clusters::default());
    rows.for_each(&mut |row| {
        let Local { of_x, of_lapse, of_tested } = Local::new(&row, epsilon, alternative);
        let of_w = of_x.times(dot(&k[..dim], row.features)).score;
        let e = of_tested.score - of_w - of_lapse_k * of_lapse.score;
        score += row.weight * e;
        squares.add(row.group, row.weight, e);
    })?;
    let test = ScoreTest::checked(score, efficient, squares.sum());
    Ok(if alternative == Alternative::Spread { test } else { test.map(ScoreTest::two_sided) })
}

/// A step of Newton's method without the ridge from a fit with one; then there is no ridge any more. The ε and the
/// ridge at which to go on.
pub(crate) fn step_without_ridge(
    rows: &mut dyn Rows,
    epsilon: f64,
    ridge: f64,
) -> Result<(f64, f64), LearnError> {
    if ridge == 0.0 {
        return Ok((epsilon, ridge));
    }
    let dim = rows.dim();
    let Ok(information) = information(rows, epsilon, 0.0)? else { return Ok((epsilon, ridge)) };
    let mut step = vec![0.0; dim + 1];
    rows.for_each(&mut |row| {
        let Local { of_x, of_lapse, .. } = Local::new(&row, epsilon, Alternative::Column);
        if of_x.score != 0.0 {
            add_scaled(&mut step[..dim], row.weight * of_x.score, row.features);
        }
        step[dim] += row.weight * of_lapse.score;
    })?;
    step.truncate(information.dim());
    information.solve(&mut step);
    if !step.iter().all(|x| x.is_finite()) {
        return Ok((epsilon, ridge));
    }
    rows.step(&step[..dim]);
    // At most half of the way to the end of the range.
    let of_lapse = step.get(dim).copied().unwrap_or(0.0);
    Ok(((epsilon + of_lapse).clamp(0.5 * epsilon, 0.5 * epsilon + 0.25), 0.0))
}

/// Of the policy, and of ε if it is positive; the column that is singular as an error.
fn information(rows: &mut dyn Rows, epsilon: f64, ridge: f64) -> Result<Result<Cholesky, usize>, LearnError> {
    let dim = rows.dim();
    let n = dim + usize::from(epsilon > 0.0);
    let local = |row: &Row<'_>| Local::new(row, epsilon, Alternative::Column);
    let of_w = rows.sum_products(&|x| {
        let row = Row { x, features: &[], weight: 1.0, group: None, item: 0, side: 0.0, column: 0.0 };
        local(&row).of_x.root.powi(2)
    })?;
    let mut lower = vec![0.0; n * n];
    for (to, from) in lower.chunks_exact_mut(n).zip(of_w.chunks_exact(dim)) {
        to[..dim].copy_from_slice(from);
    }
    for i in 0..dim {
        lower[i * n + i] += ridge;
    }
    if n > dim {
        let border = &mut lower[dim * n..];
        rows.for_each(&mut |row| {
            let Local { of_x, of_lapse, .. } = local(&row);
            let c = row.weight * of_lapse.root;
            if of_x.root != 0.0 {
                add_scaled(&mut border[..dim], c * of_x.root, row.features);
            }
            border[dim] += c * of_lapse.root;
        })?;
    }
    Ok(Cholesky::new(lower, n))
}
