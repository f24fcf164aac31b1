//! What a descent asks of an objective.
//!
//! The unknowns are those of the scale (ln E\[β\], or the weights of a policy) and the spread, in coordinates in which
//! the negative log-likelihood is close to a bowl:
//!
//! * v = sinh² s is even in s, so that the boundary v = 0 is an ordinary stationary point, which Newton's method
//!   neither avoids nor hits a wall at. s ≥ 0 is enough.
//! * The scale is divided by cosh s = √(1 + v): holding mean/√(1 + v) while the spread moves takes out most of the
//!   correlation of scale and spread (above 0.9 otherwise), and lets the scale of `Fixed` be the start.

use crate::error::LearnError;

/// Where the unknowns are, and the slope of what is minimised.
#[derive(Clone, Debug)]
pub(crate) struct Point {
    /// The unknowns of the scale, then s.
    pub(crate) y: Vec<f64>,
    /// Σ w nll, and with the penalties.
    pub(crate) nll: f64,
    pub(crate) value: f64,
    /// In y; 0 for s where there is no spread to learn.
    pub(crate) gradient: Vec<f64>,
    /// ∂/∂v of what is minimised: at v = 0 minus the score of heterogeneity, with the penalty's share.
    pub(crate) d_v: f64,
}

impl Point {
    /// The unknowns of the scale, and s.
    pub(crate) fn split(&self) -> (&[f64], f64) {
        let last = self.y.len() - 1;
        (&self.y[..last], self.y[last])
    }

    pub(crate) fn s(&self) -> f64 {
        self.split().1
    }

    pub(crate) fn v(&self) -> f64 {
        self.s().sinh().powi(2)
    }
}

/// A negative log-likelihood of one family.
pub(crate) trait Objective {
    /// Whether s is one of the unknowns.
    fn has_spread(&self) -> bool;

    /// `None` beyond the family.
    fn evaluate(&mut self, y: Vec<f64>) -> Result<Option<Point>, LearnError>;

    /// Lower triangle of the Hessian in the scale and s, or in the scale alone; `None` next to the end of the family.
    fn hessian(&mut self, at: &Point, with_s: bool) -> Result<Option<Vec<f64>>, LearnError>;

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
}
