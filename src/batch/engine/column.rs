//! Elements in groups of sixteen, and chunks of them that stay in the first-level cache.

use crate::lanes::{Lanes, MAX_LANES, SUM_LANES, Scalar};

/// Elements per chunk: whole groups, and indices fit a byte.
pub(crate) const CHUNK: usize = 256;

/// Groups per chunk.
pub(super) const GROUPS: usize = CHUNK / SUM_LANES;

/// Runs the body for every register of some groups; it begins at lane `lane` of group `g`. No
/// function that takes a closure: nothing would oblige the compiler to inline it.
macro_rules! registers {
    ($v:ty, $groups:expr, |$g:ident, $lane:ident| $body:block) => {
        for $g in $groups {
            let mut $lane = 0;
            while $lane < SUM_LANES {
                $body
                $lane += <$v as Lanes>::N;
            }
        }
    };
}
pub(crate) use registers;

/// Groups that hold the first `n` elements of a chunk.
#[inline(always)]
pub(crate) fn groups(n: usize) -> usize {
    n.div_ceil(SUM_LANES).min(GROUPS)
}

/// Sixteen numbers: whole registers of every instruction set, and the virtual lanes of the sums.
pub(crate) type Group<T> = [T; SUM_LANES];

/// One number per element of a chunk, and room for a register behind them.
#[derive(Clone, Copy)]
#[repr(align(64))]
pub(crate) struct Column<T>(pub(super) [Group<T>; GROUPS + 1]);

impl<T: Scalar> Column<T> {
    pub(crate) fn new(x: f64) -> Self {
        Self([[T::num(x); SUM_LANES]; GROUPS + 1])
    }

    /// The numbers one by one.
    #[inline(always)]
    pub(crate) fn flat(&self) -> &[T] {
        self.0.as_flattened()
    }

    #[inline(always)]
    pub(crate) fn flat_mut(&mut self) -> &mut [T] {
        self.0.as_flattened_mut()
    }

    /// A register from lane `lane` of group `g` on.
    #[inline(always)]
    pub(crate) fn get<V: Lanes<Scalar = T>>(&self, g: usize, lane: usize) -> V {
        V::load(&self.0[g][lane..])
    }

    #[inline(always)]
    pub(crate) fn put<V: Lanes<Scalar = T>>(&mut self, g: usize, lane: usize, x: V) {
        x.store(&mut self.0[g][lane..]);
    }

    /// Copies `from` to the front, and fills the last group up.
    pub(super) fn fill(&mut self, from: &[T], pad: T) {
        let end = from.len().next_multiple_of(SUM_LANES);
        let flat = self.flat_mut();
        flat[..from.len()].copy_from_slice(from);
        flat[from.len()..end].fill(pad);
    }
}

/// Indices into a chunk.
pub(crate) struct List {
    items: [u8; CHUNK],
    len: usize,
}

impl List {
    pub(crate) const fn new() -> Self {
        Self { items: [0; CHUNK], len: 0 }
    }

    pub(crate) fn push(&mut self, index: usize) {
        // An element comes once at most: there is room.
        if let Some(item) = self.items.get_mut(self.len) {
            *item = index as u8;
            self.len += 1;
        }
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.items[..self.len]
    }

    /// Appends the elements of a register from number `at` on whose flag is positive, below `n`.
    #[inline(always)]
    pub(crate) fn push_flagged<V: Lanes>(&mut self, flags: V, at: usize, n: usize) {
        if !V::splat(0.0).any_lt(flags) {
            return;
        }
        let mut lanes = [V::Scalar::num(0.0); MAX_LANES];
        flags.store(&mut lanes);
        for (i, flag) in lanes[..V::N].iter().enumerate() {
            if flag.wide() > 0.0 && at + i < n {
                self.push(at + i);
            }
        }
    }
}
