//! The likelihood of a linear policy and the shapes where each person has one β.

use super::point::{HeldHessian, LAPSE, Objective, Point, SPREAD, d_epsilon, epsilon_at, pick};
use crate::cholesky::{Cholesky, add_outer, add_scaled, dot};
use crate::error::LearnError;
use crate::model::{Model, SHAPES};
use prefstrength::panel::{Panel, PanelBatch, PanelRows, PanelSums};
use prefstrength::{AnyStrength, Coordinates, Lapse};

/// Step of the differences of gradients, in margins and in shapes: truncation 1e-8, noise 1e-10.
const STEP: f64 = 1e-4;
/// Gradient norm, in units of standard errors, from which on the outer product of scores is good enough for a step: it
/// costs no further evaluation.
const FAR: f64 = 0.5;
/// r and s from which on they are inside.
const INSIDE: f64 = 0.15;

/// Choices of some persons, one whole person after the other.
pub(crate) struct PersonChoices<'a> {
    /// `dim` numbers for every choice.
    pub(crate) features: &'a [f64],
    /// Where the choices of each person end, as [`PanelBatch`] has it.
    pub(crate) ends: &'a [usize],
    /// Of each person.
    pub(crate) weights: Option<&'a [f64]>,
    /// Their ids.
    pub(crate) persons: &'a [u32],
}

/// Where choices of persons come from, again and again.
pub(crate) trait PersonRows {
    fn dim(&self) -> usize;

    fn for_each_block(
        &mut self,
        take: &mut dyn FnMut(&PersonChoices<'_>) -> Result<(), LearnError>,
    ) -> Result<(), LearnError>;
}

/// Σ wᵢ nllᵢ + ½λ|w|² + ½v/τ² in (u, r, s), w = u cosh s, E\[β\] = 1, nllᵢ = −ln ∫ p(β) Πₜ P(chosen | β w·fᵢₜ) dβ.
pub(crate) struct PanelLoss<'a, R> {
    pub(crate) rows: &'a mut R,
    pub(crate) model: Model,
    /// λ.
    pub(crate) ridge: f64,
    /// 1/τ².
    pub(crate) prior: f64,
    /// The information of w where all margins are 0, of which lengths of u are.
    pub(crate) metric: &'a Cholesky,
    /// Root mean square of each feature.
    pub(crate) sizes: &'a [f64],
    /// How many choices.
    pub(crate) number: usize,
    /// The length of plain DPO's policy; 0 if it is not known.
    pub(crate) reference: f64,
    /// The last Hessian, which holds nearby.
    pub(crate) nearby: Option<Nearby>,
    pub(crate) held: Option<HeldHessian>,
}

/// A Hessian, where it was taken, and of which shapes.
pub(crate) struct Nearby {
    y: Vec<f64>,
    shapes: Vec<usize>,
    lower: Vec<f64>,
}

/// What one pass at several points adds up.
struct Pass {
    sums: PanelSums,
    d_w: Vec<f64>,
}

/// Squared distance, in standard errors, within which a Hessian is as good as one taken there: it moves by some 1e-3.
const NEARBY: f64 = 1e-3;

impl Nearby {
    fn holds_at(&self, y: &[f64], shapes: &[usize]) -> bool {
        let d = y.len() - SHAPES;
        let difference: Vec<f64> = y.iter().zip(&self.y).map(|(a, b)| a - b).collect();
        let held = (0..SHAPES).filter(|k| !shapes.contains(k)).all(|k| difference[d + k] == 0.0);
        if shapes != self.shapes || !held {
            return false;
        }
        let moved = pick(&difference, d, shapes);
        let n = moved.len();
        // xᵀHx of the lower triangle.
        let product = |i: usize| {
            (0..=i)
                .map(|j| self.lower[i * n + j] * moved[i] * moved[j] * if i == j { 1.0 } else { 2.0 })
                .sum::<f64>()
        };
        (0..n).map(product).sum::<f64>().abs() < NEARBY && moved.iter().all(|x| x.is_finite())
    }
}

/// One person's gradient of the loss in (u, r, s).
pub(crate) struct PersonScore<'a> {
    pub(crate) weight: f64,
    /// Without the weight.
    pub(crate) gradient: &'a [f64],
}

impl<R: PersonRows> PanelLoss<'_, R> {
    fn dim(&self) -> usize {
        self.rows.dim()
    }

    fn panel(&self, y: &[f64]) -> Option<Panel<AnyStrength>> {
        let d = y.len() - SHAPES;
        let strength = AnyStrength::from_mean_v(self.model.family, 1.0, y[d + SPREAD].sinh().powi(2)).ok()?;
        let panel = Panel::new(&strength).with_coordinates(Coordinates::LnMeanV);
        match epsilon_at(y[d + LAPSE]) {
            0.0 => Some(panel),
            epsilon => Some(panel.with_lapse(Lapse::new(epsilon).ok()?)),
        }
    }

    /// Sums at several points, in one pass over the choices.
    fn pass(&mut self, points: &[Vec<f64>]) -> Result<Option<Vec<Pass>>, LearnError> {
        let Some(panels) = points.iter().map(|y| self.panel(y)).collect::<Option<Vec<_>>>() else {
            return Ok(None);
        };
        let d = self.dim();
        let weights: Vec<Vec<f64>> = points.iter().map(|y| weights_at(y, d)).collect();
        let zero = || Pass { sums: PanelSums::default(), d_w: vec![0.0; d] };
        let mut passes: Vec<Pass> = points.iter().map(|_| zero()).collect();
        let [mut margins, mut slopes] = [const { Vec::new() }; 2];
        self.rows.for_each_block(&mut |block| {
            for ((panel, w), pass) in panels.iter().zip(&weights).zip(&mut passes) {
                margins.clear();
                margins.extend(block.features.chunks_exact(d).map(|f| dot(w, f)));
                slopes.clear();
                slopes.resize(margins.len(), 0.0);
                pass.sums += evaluate(panel, &margins, block, PanelRows::new().d_margin(&mut slopes))?;
                for (&slope, f) in slopes.iter().zip(block.features.chunks_exact(d)) {
                    add_scaled(&mut pass.d_w, slope, f);
                }
            }
            Ok(())
        })?;
        Ok(Some(passes))
    }

    fn evaluate_all(&mut self, points: &[Vec<f64>]) -> Result<Option<Vec<Point>>, LearnError> {
        let Some(passes) = self.pass(points)? else { return Ok(None) };
        Ok(Some(points.iter().zip(&passes).map(|(y, pass)| self.point(y.clone(), pass)).collect()))
    }

    fn point(&self, y: Vec<f64>, pass: &Pass) -> Point {
        let d = self.dim();
        let (r, s) = (y[d + LAPSE], y[d + SPREAD]);
        let w = weights_at(&y, d);
        let square = dot(&w, &w);
        let mut gradient = vec![0.0; d];
        add_scaled(&mut gradient, s.cosh(), &pass.d_w);
        add_scaled(&mut gradient, self.ridge * s.cosh(), &w);
        let d_v = pass.sums.d_params[1] + 0.5 * self.prior;
        let along_w = dot(&w, &pass.d_w) + self.ridge * square;
        let along = [0.0, d_epsilon(r) * pass.sums.d_lapse[0], s.tanh() * along_w + (2.0 * s).sinh() * d_v];
        let shapes = self.model.shapes();
        gradient.extend((0..SHAPES).map(|k| if shapes[k] { along[k] } else { 0.0 }));
        let nll = pass.sums.nll;
        let value = nll + 0.5 * self.ridge * square + 0.5 * self.prior * s.sinh().powi(2);
        Point { y, nll, value, gradient, d_v }
    }

    /// Visits every person's part of the gradient in (u, r, s): of the scale, then of the given shapes. `false` beyond
    /// the family.
    pub(crate) fn for_each_score(
        &mut self,
        at: &Point,
        shapes: &[usize],
        visit: &mut dyn FnMut(&PersonScore<'_>),
    ) -> Result<bool, LearnError> {
        let Some(panel) = self.panel(&at.y) else { return Ok(false) };
        let d = self.dim();
        let (w, r, s) = (weights_at(&at.y, d), at.r(), at.s());
        let [mut margins, mut slopes] = [const { Vec::new() }; 2];
        let mut persons = [const { Vec::new() }; 3];
        let mut g = vec![0.0; d + shapes.len()];
        self.rows.for_each_block(&mut |block| {
            margins.clear();
            margins.extend(block.features.chunks_exact(d).map(|f| dot(&w, f)));
            slopes.clear();
            slopes.resize(margins.len(), 0.0);
            for row in &mut persons {
                row.clear();
                row.resize(block.ends.len(), 0.0);
            }
            let [d_mean, d_v, d_lapse] = &mut persons;
            let mut by_side = vec![0.0; block.ends.len()];
            let to = PanelRows::new().d_margin(&mut slopes).d_params([d_mean, d_v]);
            // Weights are the visitor's.
            let plain = PersonChoices { weights: None, ..*block };
            evaluate(&panel, &margins, &plain, to.d_lapse([d_lapse, &mut by_side]))?;
            let mut start = 0;
            for (p, &end) in block.ends.iter().enumerate() {
                g.fill(0.0);
                let mut along_w = 0.0;
                for i in start..end {
                    add_scaled(&mut g[..d], s.cosh() * slopes[i], &block.features[i * d..(i + 1) * d]);
                    along_w += if slopes[i] == 0.0 { 0.0 } else { slopes[i] * margins[i] };
                }
                start = end;
                for (to, &k) in g[d..].iter_mut().zip(shapes) {
                    *to = match k {
                        LAPSE => d_epsilon(r) * persons[2][p],
                        SPREAD => s.tanh() * along_w + (2.0 * s).sinh() * persons[1][p],
                        _ => 0.0,
                    };
                }
                let weight = block.weights.map_or(1.0, |w| w[p]);
                visit(&PersonScore { weight, gradient: &g });
            }
            Ok(())
        })?;
        Ok(true)
    }

    /// Σ wᵢggᵀ, lower triangle, in the scale and the given shapes.
    pub(crate) fn outer(&mut self, at: &Point, shapes: &[usize]) -> Result<Option<Vec<f64>>, LearnError> {
        let n = self.dim() + shapes.len();
        let mut sum = vec![0.0; n * n];
        let inside =
            self.for_each_score(at, shapes, &mut |score| add_outer(&mut sum, score.weight, score.gradient))?;
        Ok(inside.then_some(sum))
    }
}

/// w = u cosh s.
fn weights_at(y: &[f64], d: usize) -> Vec<f64> {
    let cosh = y[d + SPREAD].cosh();
    y[..d].iter().map(|u| u * cosh).collect()
}

/// On several threads with feature `rayon`: the same bits.
fn evaluate(
    panel: &Panel<AnyStrength>,
    margins: &[f64],
    block: &PersonChoices<'_>,
    rows: PanelRows<'_, f64>,
) -> Result<PanelSums, LearnError> {
    let batch = PanelBatch::new(margins, block.ends);
    let batch = block.weights.map_or(batch, |weights| batch.weights(weights));
    #[cfg(feature = "rayon")]
    return Ok(panel.par_evaluate(&batch, rows)?);
    #[cfg(not(feature = "rayon"))]
    Ok(panel.evaluate(&batch, rows)?)
}

impl<R: PersonRows> Objective for PanelLoss<'_, R> {
    fn shapes(&self) -> [bool; SHAPES] {
        self.model.shapes()
    }

    fn evaluate(&mut self, y: Vec<f64>) -> Result<Option<Point>, LearnError> {
        Ok(self.evaluate_all(&[y])?.and_then(|mut points| points.pop()))
    }

    fn hessian(&mut self, at: &Point, shapes: &[usize]) -> Result<Option<Vec<f64>>, LearnError> {
        let (d, n) = (self.dim(), self.dim() + shapes.len());
        if let Some(lower) = HeldHessian::of(self.held.as_ref(), shapes) {
            return Ok(Some(lower));
        }
        if let Some(nearby) = self.nearby.as_ref().filter(|nearby| nearby.holds_at(&at.y, shapes)) {
            return Ok(Some(nearby.lower.clone()));
        }
        let Some(mut outer) = self.outer(at, shapes)? else { return Ok(None) };
        let square = at.s().cosh().powi(2);
        for i in 0..d {
            outer[i * n + i] += square * self.ridge;
        }
        let slopes: Vec<f64> =
            at.gradient[..d].iter().copied().chain(shapes.iter().map(|k| at.gradient[d + k])).collect();
        // Next to a boundary the scores of r and s vanish together, and their outer product says nothing.
        let inner = shapes.iter().all(|k| at.y[d + k] > INSIDE);
        let far = inner
            && Cholesky::new(outer.clone(), n).is_ok_and(|outer| {
                let mut g = slopes;
                outer.solve_lower(&mut g);
                dot(&g, &g).sqrt() > FAR
            });
        if far {
            return Ok(Some(outer));
        }
        // A margin moves by about the same, whatever the units of its feature.
        let step = |i: usize| if i < d { STEP / (self.sizes[i] * at.s().cosh()).max(1e-300) } else { STEP };
        let steps: Vec<f64> = (0..n).map(step).collect();
        let place = |i: usize| if i < d { i } else { d + shapes[i - d] };
        let points: Vec<Vec<f64>> = (0..n)
            .flat_map(|i| [1.0, -1.0].map(|sign| (i, sign)))
            .map(|(i, sign)| {
                let mut y = at.y.clone();
                y[place(i)] += sign * steps[i];
                y
            })
            .collect();
        let Some(points) = self.evaluate_all(&points)? else { return Ok(None) };
        let slope = |i: usize, j: usize| {
            let (up, down) = (&points[2 * i].gradient, &points[2 * i + 1].gradient);
            (up[place(j)] - down[place(j)]) / (2.0 * steps[i])
        };
        let mut hessian = vec![0.0; n * n];
        for i in 0..n {
            for j in 0..=i {
                hessian[i * n + j] = 0.5 * (slope(i, j) + slope(j, i));
            }
        }
        let (y, shapes, lower) = (at.y.clone(), shapes.to_vec(), hessian.clone());
        self.nearby = Some(Nearby { y, shapes, lower });
        Ok(Some(hessian))
    }

    /// The outer product of scores, with the ridge.
    fn information(&mut self, at: &Point, _hessian: &[f64]) -> Result<Option<Vec<f64>>, LearnError> {
        let d = self.dim();
        Ok(self.outer(at, &[])?.map(|mut outer| {
            let square = at.s().cosh().powi(2);
            for i in 0..d {
                outer[i * d + i] += square * self.ridge;
            }
            outer
        }))
    }

    /// The policy becomes at most three times as long at once.
    fn limit_step(&self, at: &Point, step: &[f64]) -> f64 {
        let size = self.metric.square(at.scale()).sqrt();
        if size > 0.0 { 2.0 * size / self.metric.square(step).sqrt() } else { 1.0 }
    }

    /// Root mean square of the changes of margins: the metric is a quarter of the sum of their squares.
    fn reach(&self, at: &Point, step: &[f64]) -> f64 {
        (4.0 * self.metric.square(step) / self.number as f64).sqrt() * at.s().cosh()
    }

    fn aim(&self) -> f64 {
        if self.held.is_some() { HeldHessian::AIM } else { 1e-6 }
    }

    fn hold_hessian(&mut self, held: Option<HeldHessian>) {
        self.held = held;
    }

    fn growth(&self, at: &Point) -> f64 {
        if self.reference > 0.0 { self.metric.square(at.scale()).sqrt() / self.reference } else { 0.0 }
    }
}
