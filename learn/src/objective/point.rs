//! What a descent asks of an objective.
//!
//! The unknowns are those of the scale (ln E\[β\], or the weights of a policy) and the shapes: curvature, lapse, spread.
//! They are in coordinates in which the negative log-likelihood is close to a bowl:
//!
//! * v = sinh² s is even in s, and ε = ½ tanh² r in r, so that the boundaries v = 0 and ε = 0 are ordinary stationary
//!   points, which Newton's method neither avoids nor hits a wall at. s, r ≥ 0 are enough.
//! * The scale is divided by cosh s = √(1 + v): holding mean/√(1 + v) while the spread moves takes out most of the
//!   correlation of scale and spread (above 0.9 otherwise), and lets the scale of `Fixed` be the start.

use crate::error::LearnError;
use crate::model::SHAPES;

/// Where the unknowns are, and the slope of what is minimised.
#[derive(Clone, Debug)]
pub(crate) struct Point {
    /// The unknowns of the scale, then ln γ, r and s; 0 for what the model does not have.
    pub(crate) y: Vec<f64>,
    /// Σ w nll, and with the penalties.
    pub(crate) nll: f64,
    pub(crate) value: f64,
    /// In y; 0 for what there is not to learn.
    pub(crate) gradient: Vec<f64>,
    /// ∂/∂v of what is minimised: at v = 0 minus the score of heterogeneity, with the penalty's share.
    pub(crate) d_v: f64,
}

/// Places of the shapes behind the scale.
pub(crate) const CURVATURE: usize = 0;
pub(crate) const LAPSE: usize = 1;
pub(crate) const SPREAD: usize = 2;

impl Point {
    /// How many unknowns the scale has.
    pub(crate) fn dim(&self) -> usize {
        self.y.len() - SHAPES
    }

    /// The unknowns of the scale.
    pub(crate) fn scale(&self) -> &[f64] {
        &self.y[..self.dim()]
    }

    fn shape(&self, which: usize) -> f64 {
        self.y[self.dim() + which]
    }

    pub(crate) fn s(&self) -> f64 {
        self.shape(SPREAD)
    }

    pub(crate) fn r(&self) -> f64 {
        self.shape(LAPSE)
    }

    pub(crate) fn v(&self) -> f64 {
        self.s().sinh().powi(2)
    }

    /// ε.
    pub(crate) fn epsilon(&self) -> f64 {
        epsilon_at(self.r())
    }

    /// γ.
    pub(crate) fn gamma(&self) -> f64 {
        self.shape(CURVATURE).exp()
    }
}

/// ε = ½ tanh² r.
pub(crate) fn epsilon_at(r: f64) -> f64 {
    0.5 * r.tanh().powi(2)
}

/// ∂ε/∂r.
pub(crate) fn d_epsilon(r: f64) -> f64 {
    let t = r.tanh();
    t * (1.0 - t * t)
}

/// r of an ε below ½.
pub(crate) fn r_of(epsilon: f64) -> f64 {
    (2.0 * epsilon).sqrt().atanh()
}

/// A point of the scale, and shapes.
pub(crate) fn join(scale: impl IntoIterator<Item = f64>, [curvature, r, s]: [f64; SHAPES]) -> Vec<f64> {
    scale.into_iter().chain([curvature, r, s]).collect()
}

/// The entries of the scale and of some shapes.
pub(crate) fn pick(y: &[f64], d: usize, shapes: &[usize]) -> Vec<f64> {
    y[..d].iter().copied().chain(shapes.iter().map(|k| y[d + k])).collect()
}

/// A Hessian that stands in for those of all points near by, as that of a sample does for all of the data.
#[derive(Clone, Debug)]
pub(crate) struct HeldHessian {
    /// Of the scale and these shapes.
    pub(crate) shapes: Vec<usize>,
    /// Lower triangle.
    pub(crate) lower: Vec<f64>,
}

impl HeldHessian {
    /// Gradient norm that is aimed at under it, in units of standard errors: the likelihood is off by half of the square.
    pub(crate) const AIM: f64 = 1e-3;

    /// If it is of these shapes.
    pub(crate) fn of(held: Option<&Self>, shapes: &[usize]) -> Option<Vec<f64>> {
        held.filter(|held| held.shapes == shapes).map(|held| held.lower.clone())
    }
}

/// A negative log-likelihood of one model.
pub(crate) trait Objective {
    /// Which of the shapes are unknowns.
    fn shapes(&self) -> [bool; SHAPES];

    /// `None` beyond the family.
    fn evaluate(&mut self, y: Vec<f64>) -> Result<Option<Point>, LearnError>;

    /// Lower triangle of the Hessian in the scale and the given shapes, which ascend; `None` next to the end of the
    /// family.
    fn hessian(&mut self, at: &Point, shapes: &[usize]) -> Result<Option<Vec<f64>>, LearnError>;

    /// Lower triangle of a matrix for the scale that is positive where the Hessian need not be, and as small as that
    /// far out, where a multiple of any fixed matrix would stop all movement.
    fn information(&mut self, at: &Point, hessian: &[f64]) -> Result<Option<Vec<f64>>, LearnError>;

    /// How much of a step of the scale may be taken at once.
    fn limit_step(&self, at: &Point, step: &[f64]) -> f64;

    /// How far a step of the scale moves what the scale is for. Along a direction that separates the data the gradient
    /// vanishes and the steps do not.
    fn reach(&self, at: &Point, step: &[f64]) -> f64;

    /// By what factor the scale has grown beyond that of plain DPO; 0 where that is not known.
    fn growth(&self, at: &Point) -> f64;

    /// Gradient norm, in units of standard errors, that a search aims at; rounding permits less.
    fn aim(&self) -> f64 {
        1e-7
    }

    /// Takes a Hessian for all points to come, or gives it back.
    fn hold_hessian(&mut self, _held: Option<HeldHessian>) {}

    /// The same, at which a search that gains no more has arrived.
    fn close(&self) -> f64 {
        1e-3
    }
}
