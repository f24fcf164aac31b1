//! Effective logits from the integrals themselves: elements sorted by region, a kernel for each region.

use super::column::{Column, List, groups, registers};
use super::source::{KernelInputs, LogitColumns};
use crate::family::{Precision, fixed};
use crate::kernel::{FamilyKernels, Goal, Integral, KernelVisitor, LaneKernels, Logit};
use crate::lanes::{Isa, Lanes, SUM_LANES, Scalar, Vectorised};
use crate::level::Level;

/// Effective logits of the first `n` points from the integrals themselves; w and shape must be numbers up
/// to the end of the last group. What no kernel covers goes to `outside`, its logits undefined.
pub(crate) struct Integrate<'a, T> {
    pub(crate) level: Level,
    /// How fine a quadrature has to be.
    pub(crate) goal: Goal,
    pub(crate) points: &'a KernelInputs<T>,
    pub(crate) n: usize,
    pub(crate) logits: &'a mut LogitColumns<T>,
    pub(crate) outside: &'a mut List,
}

impl<T: Precision> Integrate<'_, T> {
    /// By the kernels that serve: those of the family by `own`, which hands them to the visitor that it gets.
    pub(crate) fn by(self, integral: Integral, own: impl FnOnce(Self)) {
        match integral {
            Integral::Own => own(self),
            Integral::PointMass => self.visit::<fixed::lanes::Kernels>(),
            Integral::Scalar => (0..self.n).for_each(|i| self.outside.push(i)),
        }
    }
}

impl<T: Precision> KernelVisitor<T> for Integrate<'_, T> {
    type Output = ();
    /// Every family is entered by itself, so that each is a function of its own.
    fn visit<K: FamilyKernels<T>>(self) {
        self.level.dispatch(ByRegion::<_, K>(self, core::marker::PhantomData));
    }
}

/// Runs a family's kernels on an instruction set.
struct ByRegion<'a, T, K>(Integrate<'a, T>, core::marker::PhantomData<K>);

impl<T: Precision, K: FamilyKernels<T>> Vectorised for ByRegion<'_, T, K> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let Integrate { goal, points, .. } = self.0;
        let kernels = K::On::<T::On<I>>::prepare(points.shape.get(0, 0), points.shared, goal);
        by_region::<T::On<I>, _>(&kernels, self.0);
    }
}

/// Sorts the first `n` points by region, and runs each region's kernel over its points, a register at a
/// time. Where all are in region 0, the usual case, nothing has to move.
#[inline(always)]
fn by_region<V: Lanes, K: LaneKernels<V>>(
    kernels: &K,
    Integrate { points, n, logits, outside, .. }: Integrate<'_, V::Scalar>,
) {
    let groups = groups(n);
    if K::count() == 1 {
        // Nothing to sort: one pass.
        registers!(V, 0..groups, |g, lane| {
            let (w, shape) = (points.w.get::<V>(g, lane), points.shape.get(g, lane));
            logits.put(g, lane, kernels.logit(0, w, shape));
            outside.push_flagged(kernels.region(w, shape), g * SUM_LANES + lane, n);
        });
        return;
    }
    let mut codes = Column::new(0.0);
    let mut mixed = false;
    registers!(V, 0..groups, |g, lane| {
        let code = kernels.region(points.w.get(g, lane), points.shape.get(g, lane));
        mixed |= V::splat(0.5).any_lt(code);
        codes.put(g, lane, code);
    });
    if !mixed {
        registers!(V, 0..groups, |g, lane| {
            let logit = kernels.logit(0, points.w.get::<V>(g, lane), points.shape.get(g, lane));
            logits.put(g, lane, logit);
        });
        return;
    }
    let count = K::count();
    let mut present = 0_u32;
    for code in &codes.flat()[..groups * SUM_LANES] {
        present |= 1 << code.small_integer();
    }
    if present >> count & 1 == 1 {
        for (i, code) in codes.flat()[..n].iter().enumerate() {
            if code.small_integer() as usize == count {
                outside.push(i);
            }
        }
    }
    let mut sorted = KernelInputs { w: Column::new(1.0), shape: points.shape, shared: points.shared };
    let mut found = LogitColumns::new();
    for region in 0..count {
        if present >> region & 1 == 0 {
            continue;
        }
        let this = V::splat(region as f64);
        let mut len = 0;
        registers!(V, 0..groups, |g, lane| {
            let code = codes.get::<V>(g, lane);
            if !points.shared {
                points.shape.get::<V>(g, lane).compress(code, this, &mut sorted.shape.flat_mut()[len..]);
            }
            len += points.w.get::<V>(g, lane).compress(code, this, &mut sorted.w.flat_mut()[len..]);
        });
        // The last register repeats the last element: what else it held may be slow.
        if len > 0 {
            let end = len.next_multiple_of(V::N);
            let (w, shape) = (sorted.w.flat()[len - 1], sorted.shape.flat()[len - 1]);
            sorted.w.flat_mut()[len..end].fill(w);
            sorted.shape.flat_mut()[len..end].fill(shape);
        }
        registers!(V, 0..self::groups(len), |g, lane| {
            if g * SUM_LANES + lane < len {
                let logit = kernels.logit(region, sorted.w.get::<V>(g, lane), sorted.shape.get(g, lane));
                found.put(g, lane, logit);
            }
        });
        let mut at = 0;
        registers!(V, 0..groups, |g, lane| {
            let code = codes.get::<V>(g, lane);
            let (value, _) = logits.value.get::<V>(g, lane).expand(code, this, &found.value.flat()[at..]);
            let (slope, _) = logits.slope.get::<V>(g, lane).expand(code, this, &found.slope.flat()[at..]);
            let (spread, taken) =
                logits.spread.get::<V>(g, lane).expand(code, this, &found.spread.flat()[at..]);
            logits.put(g, lane, Logit { value, slope, spread });
            at += taken;
        });
    }
}
