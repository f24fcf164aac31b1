//! Standard errors of what is a function of the unknowns: by the observed information, and by scores.

use crate::cholesky::{add_outer, add_scaled, dot};
use crate::data::places::Places;
use crate::descent::Solution;
use crate::objective::point::{CURVATURE, LAPSE, SPREAD, d_epsilon};

/// What a standard error rests on.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Variance {
    /// The inverse of the Hessian of what was maximised.
    Observed,
    /// The sandwich, with the squares of scores of independent units.
    Robust,
}

/// Where a search ended, and how much its unknowns vary.
pub(crate) struct Covariance<'a> {
    solution: &'a Solution,
    /// Lower triangle of Σ ggᵀ over independent units, in the scale and the free shapes.
    outer: Option<Vec<f64>>,
}

impl<'a> Covariance<'a> {
    pub(crate) fn new(solution: &'a Solution, outer: Option<Vec<f64>>) -> Self {
        Self { solution, outer }
    }

    /// The place of a shape among the unknowns that are free.
    fn place(&self, shape: usize) -> Option<usize> {
        let at = self.solution.free.iter().position(|&k| k == shape)?;
        Some(self.solution.point.dim() + at)
    }

    /// How many unknowns the scale has.
    pub(crate) fn dim(&self) -> usize {
        self.solution.point.dim()
    }

    fn unknowns(&self) -> usize {
        self.solution.point.dim() + self.solution.free.len()
    }

    /// The gradient of w_j = u_j cosh s.
    pub(crate) fn weight(&self, j: usize) -> Vec<f64> {
        let point = &self.solution.point;
        let mut a = vec![0.0; self.unknowns()];
        a[j] = point.s().cosh();
        if let Some(s) = self.place(SPREAD) {
            a[s] = point.scale()[j] * point.s().sinh();
        }
        a
    }

    /// That of ln mean = γ ln u + ln cosh s, u in units of so much more.
    pub(crate) fn ln_mean(&self, ln_unit: f64) -> Vec<f64> {
        let (point, mut a) = (&self.solution.point, vec![0.0; self.unknowns()]);
        a[0] = point.gamma();
        if let Some(s) = self.place(SPREAD) {
            a[s] = point.s().tanh();
        }
        if let Some(ln_gamma) = self.place(CURVATURE) {
            a[ln_gamma] = point.gamma() * (point.scale()[0] + ln_unit);
        }
        a
    }

    fn of_shape(&self, shape: usize, slope: f64) -> Option<Vec<f64>> {
        let mut a = vec![0.0; self.unknowns()];
        a[self.place(shape)?] = slope;
        Some(a)
    }

    /// That of v = sinh² s.
    pub(crate) fn v(&self) -> Option<Vec<f64>> {
        self.of_shape(SPREAD, (2.0 * self.solution.point.s()).sinh())
    }

    /// That of cv = sinh s.
    pub(crate) fn cv(&self) -> Option<Vec<f64>> {
        self.of_shape(SPREAD, self.solution.point.s().cosh())
    }

    /// That of ε.
    pub(crate) fn lapse(&self) -> Option<Vec<f64>> {
        self.of_shape(LAPSE, d_epsilon(self.solution.point.r()))
    }

    /// That of γ.
    pub(crate) fn curvature(&self) -> Option<Vec<f64>> {
        self.of_shape(CURVATURE, self.solution.point.gamma())
    }

    /// By the observed information, or by the sandwich.
    pub(crate) fn variance(&self, by: Variance, a: &[f64], b: &[f64]) -> Option<f64> {
        match by {
            Variance::Observed => self.observed(a, b),
            Variance::Robust => self.robust(a, b),
        }
    }

    /// aᵀH⁻¹b.
    fn observed(&self, a: &[f64], b: &[f64]) -> Option<f64> {
        let x = self.solution.solve(a.to_vec())?;
        Some(dot(&x, b)).filter(|c| c.is_finite())
    }

    /// aᵀH⁻¹(Σ ggᵀ)H⁻¹b: the sandwich.
    fn robust(&self, a: &[f64], b: &[f64]) -> Option<f64> {
        let outer = self.outer.as_ref()?;
        let n = self.unknowns();
        let (x, y) = (self.solution.solve(a.to_vec())?, self.solution.solve(b.to_vec())?);
        let mut sum = 0.0;
        for i in 0..n {
            for j in 0..i {
                sum += outer[i * n + j] * (x[i] * y[j] + x[j] * y[i]);
            }
            sum += outer[i * n + i] * x[i] * y[i];
        }
        Some(sum).filter(|c| c.is_finite())
    }
}

/// √variance, where that is one.
pub(crate) fn root(variance: Option<f64>) -> Option<f64> {
    variance.filter(|&v| v > 0.0).map(f64::sqrt)
}

/// Sums of scores within units that are independent of each other: groups, or single choices.
pub(crate) struct ScoreSums {
    n: usize,
    places: Places,
    /// `n` numbers for every group.
    groups: Vec<f64>,
    outer: Vec<f64>,
}

impl ScoreSums {
    pub(crate) fn new(n: usize) -> Self {
        Self { n, places: Places::default(), groups: Vec::new(), outer: vec![0.0; n * n] }
    }

    /// The gradient of one choice of a weight, which counts as repetition.
    pub(crate) fn add(&mut self, group: Option<u32>, weight: f64, gradient: &[f64]) {
        match group {
            Some(group) => {
                let place = self.places.place(group);
                self.groups.resize(self.n * self.places.number(), 0.0);
                add_scaled(&mut self.groups[self.n * place..self.n * (place + 1)], weight, gradient);
            }
            None => add_outer(&mut self.outer, weight, gradient),
        }
    }

    /// Σ ggᵀ over units, and how many groups there are.
    pub(crate) fn finish(mut self) -> (Vec<f64>, Option<usize>) {
        for sum in self.groups.chunks_exact(self.n) {
            add_outer(&mut self.outer, 1.0, sum);
        }
        let groups = Some(self.places.number()).filter(|&groups| groups > 0);
        (self.outer, groups)
    }
}
