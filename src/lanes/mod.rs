//! A narrow vector of numbers: what the kernels are written over.
//!
//! [`Lanes`] is one number (`f32`, `f64`), an aligned block of quadrature nodes ([`Block`]), or a
//! vector register: of the `wide` crate for the build's own target, of [`x86`] for what the machine turns
//! out to have. The functions written over it contain no branch on a lane. Inlining law: every function over lanes
//! is `#[inline(always)]`, none carries `#[target_feature]`, and none is a closure or goes to `map` or
//! `from_fn`, which nothing obliges the compiler to inline: the kernel is compiled for the features of
//! the one function that enters it ([`crate::level`]). `tests/instructions.rs` looks for what slipped through.
//!
//! Numbers and [`Block`] use IEEE-754 `+ − × ÷`, comparisons and bit operations alone: what they compute
//! is the same, bit for bit, on every target. Vector registers fuse [`Lanes::mul_add`] where they can.

mod block;
mod number;
pub(crate) mod polynomials;
mod portable;
#[cfg(target_arch = "x86_64")]
pub(crate) mod x86;

pub(crate) use block::Block;
pub(crate) use portable::Portable;

use core::ops::{Add, Div, Mul, Neg, Sub};

/// The number type of a lane, with what its elementary functions need. All constants fit an f32
/// where the type is f32.
pub trait Scalar: Copy + PartialOrd + Send + Sync + 'static {
    /// Adding and subtracting it rounds to an integer, ties to even; the low bits of the sum hold
    /// that integer in two's complement.
    const MAGIC: f64;
    /// The smallest normal number, and the spacing of the subnormals.
    const MIN_POSITIVE: f64;
    const MIN_SUBNORMAL: f64;
    /// A power of two that makes subnormals normal, and its exponent.
    const RAISE: (f64, f64);
    /// ln 2 in two parts, the first so short that its multiples by an exponent are exact.
    const LN_2: (f64, f64);
    /// π/2 in two parts, likewise for small multiples.
    const PI_2: (f64, f64);
    /// Where eʸ is 0, still normal, and ∞: below the first, above the second, above the third.
    const EXP_RANGE: [f64; 3];

    /// A [`crate::batch::Plan`] has 2ᵖ pieces per octave.
    const PIECE_BITS: u32;

    /// The nearest number of this type.
    fn num(x: f64) -> Self;
    /// The same number as an f64.
    fn wide(self) -> f64;
    /// An integral number from 0 to 31 as an integer.
    fn small_integer(self) -> u32;

    /// (eʳ − 1 − r)/r²: these are those of [`polynomials`], as long as the precision needs.
    fn exp_tail<V: Lanes<Scalar = Self>>(r: V) -> V;
    /// (atanh(s)/s − 1)/s² at w = s².
    fn atanh_tail<V: Lanes<Scalar = Self>>(w: V) -> V;
    /// (1 − atan(s)/s)/s² at w = s².
    fn atan_tail<V: Lanes<Scalar = Self>>(w: V) -> V;
    /// (sin(r)/r − 1)/r² at w = r².
    fn sin_tail<V: Lanes<Scalar = Self>>(w: V) -> V;
    /// (cos(r) − 1 + r²/2)/r⁴ at w = r².
    fn cos_tail<V: Lanes<Scalar = Self>>(w: V) -> V;

    /// The lanes of this type on an instruction set.
    type On<I: Isa>: Lanes<Scalar = Self>;
}

/// An instruction set: its vector registers.
pub trait Isa {
    /// f32 lanes.
    type F32: Lanes<Scalar = f32>;
    /// f64 lanes.
    type F64: Lanes<Scalar = f64>;
}

/// One element at a time.
pub(crate) struct Single;
impl Isa for Single {
    type F32 = f32;
    type F64 = f64;
}

/// Code that runs on any instruction set.
pub(crate) trait Vectorised {
    /// What it gives.
    type Output;
    /// Must be `#[inline(always)]`, and everything it calls as well: what is not inlined into the
    /// function that enables the instruction set does not use it.
    fn run<I: Isa>(self) -> Self::Output;
}

/// Virtual lanes of a sum: element i of a batch goes to lane i mod 16, on every instruction set.
pub(crate) const SUM_LANES: usize = 16;

/// Most lanes of any instruction set.
pub(crate) const MAX_LANES: usize = 16;

/// One or several numbers, computed in lockstep.
pub trait Lanes:
    Copy + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Div<Output = Self> + Neg<Output = Self>
{
    /// What a lane holds.
    type Scalar: Scalar;
    /// How many lanes; divides [`SUM_LANES`] for vector registers.
    const N: usize;

    /// The number nearest to x in every lane.
    fn splat(x: f64) -> Self;
    /// The first `N` numbers of a slice that holds at least so many.
    fn load(from: &[Self::Scalar]) -> Self;
    /// Writes the `N` numbers to the front of a slice that holds at least so many.
    fn store(self, to: &mut [Self::Scalar]);
    /// self·a + b, rounded once where the hardware can.
    fn mul_add(self, a: Self, b: Self) -> Self;
    /// `yes` where `self < rhs`, `no` elsewhere (also where either is NaN).
    fn select_lt(self, rhs: Self, yes: Self, no: Self) -> Self;
    /// |x|.
    fn abs(self) -> Self;
    /// √x.
    fn sqrt(self) -> Self;
    /// 2ⁿ for `self` = n + [`Scalar::MAGIC`], n integral and within the exponents of normal numbers.
    fn exp2_biased(self) -> Self;
    /// (m, n) with x = m·2ⁿ, m in [1, 2), n integral; x must be positive and normal.
    fn split(self) -> (Self, Self);

    /// 2ⁿ for integral n within the exponents of normal numbers.
    #[inline(always)]
    fn exp2_int(self) -> Self {
        (self + Self::splat(Self::Scalar::MAGIC)).exp2_biased()
    }

    /// The nearest integer, ties to even, for |x| < 2⁵¹ (f32: 2²²).
    #[inline(always)]
    fn round_int(self) -> Self {
        let magic = Self::splat(Self::Scalar::MAGIC);
        (self + magic) - magic
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

    /// Whether `self < rhs` in some lane.
    #[inline(always)]
    fn any_lt(self, rhs: Self) -> bool {
        let mut flags = [Self::Scalar::num(0.0); MAX_LANES];
        self.select_lt(rhs, Self::splat(1.0), Self::splat(0.0)).store(&mut flags);
        flags[..Self::N].iter().any(|&f| f.wide() != 0.0)
    }

    /// Where both are equal, lane by lane.
    #[inline(always)]
    fn equal(self, rhs: Self) -> [bool; MAX_LANES] {
        let zero = Self::Scalar::num(0.0);
        let (mut a, mut b, mut equal) = ([zero; MAX_LANES], [zero; MAX_LANES], [false; MAX_LANES]);
        self.store(&mut a);
        rhs.store(&mut b);
        for lane in 0..Self::N {
            equal[lane] = a[lane] == b[lane];
        }
        equal
    }

    /// Writes the lanes where `code` equals `region` side by side to the front of `to`, and returns
    /// their number. May write garbage behind them, up to `N` numbers in all.
    #[inline(always)]
    fn compress(self, code: Self, region: Self, to: &mut [Self::Scalar]) -> usize {
        let (mut lanes, taken) = ([Self::Scalar::num(0.0); MAX_LANES], code.equal(region));
        self.store(&mut lanes);
        let mut count = 0;
        for lane in 0..Self::N {
            to[count] = lanes[lane];
            count += usize::from(taken[lane]);
        }
        count
    }

    /// The inverse: `self` with the lanes where `code` equals `region` taken from the front of `from`, and
    /// their number. `from` must hold at least `N` numbers.
    #[inline(always)]
    fn expand(self, code: Self, region: Self, from: &[Self::Scalar]) -> (Self, usize) {
        let (mut lanes, taken) = ([Self::Scalar::num(0.0); MAX_LANES], code.equal(region));
        self.store(&mut lanes);
        let mut count = 0;
        for lane in 0..Self::N {
            lanes[lane] = if taken[lane] { from[count] } else { lanes[lane] };
            count += usize::from(taken[lane]);
        }
        (Self::load(&lanes), count)
    }

    /// Adds the lanes, as f64, to as many sums from the front of `sums`.
    #[inline(always)]
    fn add_to(self, sums: &mut [f64]) {
        let mut lanes = [Self::Scalar::num(0.0); MAX_LANES];
        self.store(&mut lanes);
        for (sum, lane) in sums[..Self::N].iter_mut().zip(lanes) {
            *sum += lane.wide();
        }
    }

    /// Which piece of a table a positive lane is in, and where: `index` gets the bits above the fraction
    /// within a piece (2ᵖ pieces per octave), less `first` − 1, between 0 and `last`; the result is that
    /// fraction, in [−½, ½).
    fn locate(self, first: u32, last: u32, index: &mut [u32; MAX_LANES]) -> Self;

    /// Four polynomials per lane by Horner's rule at `t`: lane i takes those of `rows[index[i]]`, whose
    /// entries are the coefficients of all four, of t⁰ first.
    #[inline(always)]
    fn rows<const D: usize>(rows: &[[[Self::Scalar; 4]; D]], index: &[u32; MAX_LANES], t: Self) -> [Self; 4] {
        let mut value = [Self::splat(0.0); 4];
        for j in (0..D).rev() {
            let mut columns = [[Self::Scalar::num(0.0); MAX_LANES]; 4];
            for lane in 0..Self::N {
                for (column, &c) in columns.iter_mut().zip(&rows[index[lane] as usize][j]) {
                    column[lane] = c;
                }
            }
            for (value, column) in value.iter_mut().zip(&columns) {
                let c = Self::load(column);
                *value = if j == D - 1 { c } else { value.mul_add(t, c) };
            }
        }
        value
    }

    /// Whether [`Lanes::columns`] is faster than [`Lanes::rows`].
    const COLUMNS: bool = false;

    /// As [`Lanes::rows`] for two registers and three polynomials of up to 32 rows, with the same bits, column
    /// by column: a column fits two registers, from which a permutation picks.
    #[inline(always)]
    fn columns<const D: usize>(
        columns: &[[[Self::Scalar; 32]; 3]; D],
        index: &[[u32; MAX_LANES]; 2],
        t: [Self; 2],
    ) -> [[Self; 3]; 2] {
        let mut value = [[Self::splat(0.0); 3]; 2];
        for j in (0..D).rev() {
            for f in 0..3 {
                for k in 0..2 {
                    let mut lanes = [Self::Scalar::num(0.0); MAX_LANES];
                    for lane in 0..Self::N {
                        lanes[lane] = columns[j][f][index[k][lane] as usize & 31];
                    }
                    let c = Self::load(&lanes);
                    value[k][f] = if j == D - 1 { c } else { value[k][f].mul_add(t[k], c) };
                }
            }
        }
        value
    }

    /// Σ cⱼ xʲ in every lane: Horner's rule on the even and the odd coefficients side by side,
    /// which halves the chain.
    #[inline(always)]
    fn poly<const N: usize>(self, c: &[f64; N]) -> Self {
        let square = self * self;
        let (mut last, mut other) = (Self::splat(c[N - 1]), Self::splat(c[N - 2]));
        let mut j = N - 2;
        while j >= 2 {
            last = last.mul_add(square, Self::splat(c[j - 1]));
            other = other.mul_add(square, Self::splat(c[j - 2]));
            j -= 2;
        }
        // An odd coefficient count leaves c[0] over.
        if N % 2 == 1 {
            other.mul_add(self, last.mul_add(square, Self::splat(c[0])))
        } else {
            last.mul_add(self, other)
        }
    }
}
