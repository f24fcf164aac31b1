//! Several numbers as lanes, in an array: the nodes of a quadrature.

use super::{Lanes, MAX_LANES};
use core::ops::{Add, Div, Mul, Neg, Sub};

/// `N` numbers side by side, which the compiler turns into vector instructions of whatever width the
/// build has: the nodes of a quadrature.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub(crate) struct Block<const N: usize>(pub(crate) [f64; N]);

impl<const N: usize> Block<N> {
    /// `f` applied to every lane.
    #[inline(always)]
    fn map(self, f: impl Fn(f64) -> f64) -> Self {
        let mut out = self.0;
        for x in &mut out {
            *x = f(*x);
        }
        Self(out)
    }

    /// `f` applied to every pair of lanes.
    #[inline(always)]
    fn zip(self, rhs: Self, f: impl Fn(f64, f64) -> f64) -> Self {
        let mut out = self.0;
        for (x, &y) in out.iter_mut().zip(&rhs.0) {
            *x = f(*x, y);
        }
        Self(out)
    }

    /// `f(j)` in lane j.
    #[inline(always)]
    pub(crate) fn from_fn(f: impl FnMut(usize) -> f64) -> Self {
        Self(core::array::from_fn(f))
    }

    /// The sum of all lanes, folded in halves (N a power of two).
    #[inline(always)]
    pub(crate) fn sum(self) -> f64 {
        let mut x = self.0;
        let mut n = N;
        while n > 1 {
            n /= 2;
            for j in 0..n {
                x[j] += x[j + n];
            }
        }
        x[0]
    }
}

macro_rules! lanewise {
    ($($trait:ident $method:ident $op:tt),*) => {$(
        impl<const N: usize> $trait for Block<N> {
            type Output = Self;
            #[inline(always)]
            fn $method(self, rhs: Self) -> Self {
                self.zip(rhs, |x, y| x $op y)
            }
        }
    )*};
}
lanewise!(Add add +, Sub sub -, Mul mul *, Div div /);

impl<const N: usize> Neg for Block<N> {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        self.map(|x| -x)
    }
}

impl<const N: usize> Lanes for Block<N> {
    type Scalar = f64;
    const N: usize = N;
    #[inline(always)]
    fn splat(x: f64) -> Self {
        Self([x; N])
    }
    #[inline(always)]
    fn load(from: &[f64]) -> Self {
        let mut out = [0.0; N];
        out.copy_from_slice(&from[..N]);
        Self(out)
    }
    #[inline(always)]
    fn store(self, to: &mut [f64]) {
        to[..N].copy_from_slice(&self.0);
    }
    #[inline(always)]
    fn mul_add(self, a: Self, b: Self) -> Self {
        self * a + b
    }
    #[inline(always)]
    fn select_lt(self, rhs: Self, yes: Self, no: Self) -> Self {
        Self::from_fn(|j| self.0[j].select_lt(rhs.0[j], yes.0[j], no.0[j]))
    }
    #[inline(always)]
    fn abs(self) -> Self {
        self.map(Lanes::abs)
    }
    #[inline(always)]
    fn sqrt(self) -> Self {
        self.map(Lanes::sqrt)
    }
    #[inline(always)]
    fn exp2_biased(self) -> Self {
        self.map(Lanes::exp2_biased)
    }
    #[inline(always)]
    fn split(self) -> (Self, Self) {
        (self.map(|x| x.split().0), self.map(|x| x.split().1))
    }
    #[inline(always)]
    fn locate(self, first: u32, last: u32, index: &mut [u32; MAX_LANES]) -> Self {
        Self::from_fn(|j| {
            let mut one = [0; MAX_LANES];
            let t = self.0[j].locate(first, last, &mut one);
            index[j] = one[0];
            t
        })
    }
}
