//! One p(β) for all elements, as the engine sees it.

use super::engine::{Column, Integrate, KernelInputs, List, LogitColumns, LogitSource, Scales};
use crate::family::{Dispatch, Inside, Precision};
use crate::kernel::{Coordinates, Goal, Integral, KernelParams};
use crate::level::Level;
use crate::loss::{Labels, Row, Strength, row};

/// One p(β) with what its kernels take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shared<S> {
    pub(super) beta: S,
    pub(super) level: Level,
    pub(super) coordinates: Coordinates,
    pub(super) params: KernelParams,
}

impl<S: Dispatch> Shared<S> {
    /// For elements of a precision of these scales.
    pub(super) fn new(beta: &S, level: Level, coordinates: Coordinates, scales: (f64, f64)) -> Self {
        let mut params = beta.kernel_params(coordinates, Inside);
        if !representable(&params, scales) {
            params.integral = Integral::Scalar;
        }
        Self { beta: *beta, level, coordinates, params }
    }
}

/// Whether unit and Jacobian are far enough from the ends of the precision's range.
pub(super) fn representable(params: &KernelParams, (unit, factor): (f64, f64)) -> bool {
    let [[a, b], [c, d]] = params.jacobian;
    let fits = |x: f64| x == 0.0 || (1.0 / factor..factor).contains(&x.abs());
    (1.0 / unit..unit).contains(&params.unit) && fits(a) && fits(c) && fits(d) && b.abs() < factor
}

impl<T: Precision, S: Strength<T>> LogitSource<T> for Shared<S> {
    fn level(&self) -> Level {
        self.level
    }
    fn per_element(&self) -> bool {
        false
    }
    fn jacobian(&self) -> [[f64; 2]; 2] {
        self.params.jacobian
    }
    fn setup(&self, _first: usize, _n: usize, points: &mut KernelInputs<T>, scales: &mut Scales<T>) {
        points.shape = Column::new(self.params.shape);
        *scales = Scales::shared(&self.params);
    }
    fn logits(
        &self,
        _first: usize,
        points: &KernelInputs<T>,
        n: usize,
        logits: &mut LogitColumns<T>,
        outside: &mut List,
    ) {
        Integrate { level: self.level, goal: Goal::Lane, points, n, logits, outside }
            .by(self.params.integral, |job| self.beta.visit_kernels(job, Inside));
    }
    fn scalar_row(&self, _index: usize, margin: T, labels: Labels<T>) -> Row {
        row(&self.beta, margin, labels, self.coordinates)
    }
}
