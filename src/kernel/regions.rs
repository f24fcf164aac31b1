//! What a family's kernels over lanes are to the batch engine: regions of (w, shape), and a kernel for each.

use super::{Limits, Logit};
use crate::lanes::Lanes;

/// How accurate a kernel has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    /// As its own precision permits.
    Lane,
    /// As a table of f32 polynomials needs, whatever precision samples it: a coarser quadrature does.
    SingleTable,
}

/// A family's kernels on one kind of register: which one an element takes, and what it gives.
pub trait LaneKernels<V: Lanes>: Sized {
    /// How many regions there are; this number is the outside, which only the scalar kernels cover.
    fn count() -> usize;
    /// Ready for points of these shapes: if `shared`, all have that of `shape`, and what depends on it alone is
    /// computed here, once.
    fn prepare(shape: V, shared: bool, goal: Goal) -> Self;
    /// The region of every lane, as a number. Region 0 is the usual one.
    fn region(&self, w: V, shape: V) -> V;
    /// The kernel of a region.
    fn logit(&self, region: usize, w: V, shape: V) -> Logit<V>;
}

/// A family's kernels over lanes of `T`, on every instruction set.
pub trait FamilyKernels<T: Limits> {
    /// On one kind of register.
    type On<V: Lanes<Scalar = T>>: LaneKernels<V>;
    /// Whether a shape lies in the kernels' box.
    fn covers(shape: f64) -> bool;
    /// The batch length from which on a table is faster than the kernels, its preparation included. Measured:
    /// docs/benchmarks.md.
    const BREAK_EVEN: usize;
    /// log₂ of the end of a table's first piece, from w = 0 on: where a polynomial of the table's degree still
    /// reaches its precision, as found by `tests/it/batch_reference.rs`. `goal` tells whose table it is.
    fn first_exponent(goal: Goal, shape: f64) -> f64;
    /// log₂ of unit/E\[β\]: the end of the first piece is stated for margins in units of the mean.
    fn unit_exponent(shape: f64) -> f64;
}

/// What is done with a family's kernels, once it is known which family it is.
pub trait KernelVisitor<T: Limits> {
    /// What comes of it.
    type Output;
    /// Does it.
    fn visit<K: FamilyKernels<T>>(self) -> Self::Output;
}
