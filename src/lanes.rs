//! A narrow vector of `f64`: what the kernels are written over.
//!
//! [`Lanes`] is one number (`f64`) or an aligned block of them ([`Block`]). The functions written
//! over it contain no branch, call or table look-up, so that the compiler turns a `Block` into
//! vector instructions of whatever width the target has. Inlining law: every method is
//! `#[inline(always)]`, and none carries `#[target_feature]`.
//!
//! Only IEEE-754 `+ − × ÷`, comparisons and bit operations occur: what is computed here is the same,
//! bit for bit, for every lane count, target and feature set.

use core::ops::{Add, Div, Mul, Neg, Sub};

/// Adding and subtracting it rounds to an integer, ties to even, for |x| < 2⁵¹; the low bits of
/// the sum hold that integer in two's complement.
const MAGIC: f64 = 6_755_399_441_055_744.0;

/// 2⁵²: its low bits count units.
const TWO_52: f64 = 4_503_599_627_370_496.0;

/// One or several `f64`, computed in lockstep.
pub(crate) trait Lanes:
    Copy + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Div<Output = Self> + Neg<Output = Self>
{
    /// The same number in every lane.
    fn splat(x: f64) -> Self;
    /// `yes` where `self < rhs`, `no` elsewhere (also where either is NaN).
    fn select_lt(self, rhs: Self, yes: Self, no: Self) -> Self;
    /// 2ⁿ for integral n in −1022..=1023.
    fn exp2_int(self) -> Self;
    /// (m, n) with x = m·2ⁿ, m in [1, 2), n integral; x must be positive and normal.
    fn split(self) -> (Self, Self);

    /// The nearest integer, ties to even, for |x| < 2⁵¹.
    #[inline(always)]
    fn round_int(self) -> Self {
        (self + Self::splat(MAGIC)) - Self::splat(MAGIC)
    }

    /// The larger one; `floor` where `self` is NaN.
    #[inline(always)]
    fn at_least(self, floor: f64) -> Self {
        let floor = Self::splat(floor);
        floor.select_lt(self, self, floor)
    }

    /// The smaller one; `cap` where `self` is NaN.
    #[inline(always)]
    fn at_most(self, cap: f64) -> Self {
        let cap = Self::splat(cap);
        self.select_lt(cap, self, cap)
    }

    /// Σ cⱼ xʲ in every lane: Horner's rule on the even and the odd coefficients side by side,
    /// which halves the chain.
    #[inline(always)]
    fn poly<const N: usize>(self, c: &[f64; N]) -> Self {
        let square = self * self;
        let (mut last, mut other) = (Self::splat(c[N - 1]), Self::splat(c[N - 2]));
        let mut j = N - 2;
        while j >= 2 {
            last = last * square + Self::splat(c[j - 1]);
            other = other * square + Self::splat(c[j - 2]);
            j -= 2;
        }
        // An odd coefficient count leaves c[0] over.
        if N % 2 == 1 { other * self + (last * square + Self::splat(c[0])) } else { last * self + other }
    }
}

impl Lanes for f64 {
    #[inline(always)]
    fn splat(x: f64) -> Self {
        x
    }
    #[inline(always)]
    fn select_lt(self, rhs: Self, yes: Self, no: Self) -> Self {
        if self < rhs { yes } else { no }
    }
    #[inline(always)]
    fn exp2_int(self) -> Self {
        f64::from_bits(((self + MAGIC).to_bits() << 52).wrapping_add(1.0_f64.to_bits()))
    }
    #[inline(always)]
    fn split(self) -> (Self, Self) {
        const FRACTION: u64 = (1 << 52) - 1;
        let bits = self.to_bits();
        // The biased exponent, as the low bits of 2⁵²: an integer-to-float conversion in one OR.
        let exponent = f64::from_bits(bits >> 52 | TWO_52.to_bits());
        let mantissa = f64::from_bits(bits & FRACTION | 1.0_f64.to_bits());
        (mantissa, exponent - (TWO_52 + 1023.0))
    }
}

/// `N` numbers side by side.
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

    /// The first `N` numbers of a slice that holds at least so many.
    #[inline(always)]
    pub(crate) fn load(from: &[f64]) -> Self {
        let mut out = [0.0; N];
        out.copy_from_slice(&from[..N]);
        Self(out)
    }

    /// `f(j)` in lane j.
    #[inline(always)]
    pub(crate) fn from_fn(f: impl Fn(usize) -> f64) -> Self {
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
    #[inline(always)]
    fn splat(x: f64) -> Self {
        Self([x; N])
    }
    #[inline(always)]
    fn select_lt(self, rhs: Self, yes: Self, no: Self) -> Self {
        Self::from_fn(|j| self.0[j].select_lt(rhs.0[j], yes.0[j], no.0[j]))
    }
    #[inline(always)]
    fn exp2_int(self) -> Self {
        self.map(Lanes::exp2_int)
    }
    #[inline(always)]
    fn split(self) -> (Self, Self) {
        (self.map(|x| x.split().0), self.map(|x| x.split().1))
    }
}
