//! Where effective logits come from: the trait, and the columns that it fills.

use super::column::{Column, List};
use crate::family::Precision;
use crate::kernel::{KernelParams, Logit};
use crate::lanes::{Lanes, Scalar};
use crate::level::Level;
use crate::loss::{Labels, Row};

/// w = unit·|D| and the shape (v or σ) of every element.
pub(crate) struct KernelInputs<T> {
    pub(crate) w: Column<T>,
    pub(crate) shape: Column<T>,
    /// Whether the shape is the same everywhere.
    pub(crate) shared: bool,
}

/// ℓ and its derivatives.
pub(crate) struct LogitColumns<T> {
    pub(crate) value: Column<T>,
    pub(crate) slope: Column<T>,
    pub(crate) spread: Column<T>,
}

impl<T: Scalar> LogitColumns<T> {
    pub(crate) fn new() -> Self {
        Self { value: Column::new(0.0), slope: Column::new(0.0), spread: Column::new(0.0) }
    }

    #[inline(always)]
    pub(crate) fn put<V: Lanes<Scalar = T>>(&mut self, g: usize, lane: usize, logit: Logit<V>) {
        self.value.put(g, lane, logit.value);
        self.slope.put(g, lane, logit.slope);
        self.spread.put(g, lane, logit.spread);
    }
}

/// unit and the matrix of [`KernelParams`], for all elements or for each.
pub(crate) enum Scales<T> {
    Shared { unit: T, matrix: [T; 4] },
    Each { unit: Column<T>, matrix: [Column<T>; 4] },
}

impl<T: Scalar> Scales<T> {
    pub(crate) fn shared(params: &KernelParams) -> Self {
        let [[a, b], [c, d]] = params.jacobian;
        Self::Shared { unit: T::num(params.unit), matrix: [T::num(a), T::num(b), T::num(c), T::num(d)] }
    }

    pub(crate) fn each() -> Self {
        let zero = Column::new(0.0);
        Self::Each { unit: zero, matrix: [zero; 4] }
    }

    /// unit.
    #[inline(always)]
    pub(super) fn unit<V: Lanes<Scalar = T>>(&self, g: usize, lane: usize) -> V {
        match self {
            Self::Shared { unit, .. } => V::splat(unit.wide()),
            Self::Each { unit, .. } => unit.get(g, lane),
        }
    }

    /// An entry of the matrix.
    #[inline(always)]
    pub(super) fn entry<V: Lanes<Scalar = T>>(&self, j: usize, g: usize, lane: usize) -> V {
        match self {
            Self::Shared { matrix, .. } => V::splat(matrix[j].wide()),
            Self::Each { matrix, .. } => matrix[j].get(g, lane),
        }
    }
}

/// Where the effective logits of a batch come from.
pub(crate) trait LogitSource<T: Precision>: Sync {
    /// The instruction set.
    fn level(&self) -> Level;
    /// Whether parameters differ from element to element.
    fn per_element(&self) -> bool;
    /// The jacobian of [`KernelParams`], in full precision, where parameters are shared.
    fn jacobian(&self) -> [[f64; 2]; 2];
    /// Unit, matrix and shapes: once for all elements if they are shared, else of the `n` elements from
    /// number `first` on, filling up the last group.
    fn setup(&self, first: usize, n: usize, points: &mut KernelInputs<T>, scales: &mut Scales<T>);
    /// Effective logits of the first `n` points, whose elements begin at number `first`.
    fn logits(
        &self,
        first: usize,
        points: &KernelInputs<T>,
        n: usize,
        logits: &mut LogitColumns<T>,
        outside: &mut List,
    );
    /// Everything about element `index` by the scalar kernels.
    fn scalar_row(&self, index: usize, margin: T, labels: Labels<T>) -> Row;
}
