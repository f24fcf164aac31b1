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

mod portable;
#[cfg(target_arch = "x86_64")]
pub(crate) mod x86;

pub(crate) use portable::Portable;

use crate::special::tables;
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

    /// (eʳ − 1 − r)/r²: these are polynomials of [`crate::special::tables`], as long as the precision needs.
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

macro_rules! number {
    ($t:ident, $bits:ident, $mantissa:literal, $two:literal, $bias:literal) => {
        impl Lanes for $t {
            type Scalar = $t;
            const N: usize = 1;
            #[inline(always)]
            fn splat(x: f64) -> Self {
                x as $t
            }
            #[inline(always)]
            fn load(from: &[$t]) -> Self {
                from[0]
            }
            #[inline(always)]
            fn store(self, to: &mut [$t]) {
                to[0] = self;
            }
            #[inline(always)]
            fn mul_add(self, a: Self, b: Self) -> Self {
                self * a + b
            }
            #[inline(always)]
            fn select_lt(self, rhs: Self, yes: Self, no: Self) -> Self {
                if self < rhs { yes } else { no }
            }
            #[inline(always)]
            fn abs(self) -> Self {
                $t::from_bits(self.to_bits() & ($bits::MAX >> 1))
            }
            #[inline(always)]
            fn sqrt(self) -> Self {
                num_traits::Float::sqrt(self)
            }
            #[inline(always)]
            fn exp2_biased(self) -> Self {
                const ONE: $bits = ($bias as $bits) << $mantissa;
                $t::from_bits((self.to_bits() << $mantissa).wrapping_add(ONE))
            }
            #[inline(always)]
            fn split(self) -> (Self, Self) {
                const FRACTION: $bits = (1 << $mantissa) - 1;
                let bits = self.to_bits();
                // The biased exponent, as the low bits of 2⁵² (2²³): an integer-to-float conversion
                // in one OR.
                let two: $t = $two;
                let one: $t = 1.0;
                let exponent = $t::from_bits(bits >> $mantissa | two.to_bits());
                let mantissa = $t::from_bits(bits & FRACTION | one.to_bits());
                (mantissa, exponent - (two + $bias as $t))
            }
            #[inline(always)]
            fn locate(self, first: u32, last: u32, index: &mut [u32; MAX_LANES]) -> Self {
                const FRACTION: $bits = (1 << $mantissa) - 1;
                let one: $t = 1.0;
                let bits = self.to_bits();
                let piece = (bits >> ($mantissa - $t::PIECE_BITS)) as u32;
                index[0] = (piece + 1).saturating_sub(first).min(last);
                $t::from_bits((bits << $t::PIECE_BITS) & FRACTION | one.to_bits()) - 1.5
            }
        }
    };
}
number!(f64, u64, 52, 4_503_599_627_370_496.0, 1023);
number!(f32, u32, 23, 8_388_608.0, 127);

impl Scalar for f64 {
    #[inline(always)]
    fn small_integer(self) -> u32 {
        (self + 4_503_599_627_370_496.0).to_bits() as u32 & 31
    }
    #[inline(always)]
    fn num(x: f64) -> Self {
        x
    }
    #[inline(always)]
    fn wide(self) -> f64 {
        self
    }
    const MAGIC: f64 = 6_755_399_441_055_744.0;
    const MIN_POSITIVE: f64 = f64::MIN_POSITIVE;
    const MIN_SUBNORMAL: f64 = f64::MIN_POSITIVE * f64::EPSILON;
    const RAISE: (f64, f64) = (18_014_398_509_481_984.0, 54.0);
    // 32 bits, so that n·hi is exact for |n| < 2²¹.
    const LN_2: (f64, f64) = (f64::from_bits(0x3fe6_2e42_fee0_0000), 1.908_214_929_270_587_7e-10);
    // 33 bits, so that n·hi is exact for |n| < 2²⁰.
    const PI_2: (f64, f64) = (f64::from_bits(0x3ff9_21fb_5440_0000), 6.077_100_506_506_192e-11);
    const EXP_RANGE: [f64; 3] = [-750.0, -707.0, 710.0];
    const PIECE_BITS: u32 = 2;
    #[inline(always)]
    fn exp_tail<V: Lanes<Scalar = Self>>(r: V) -> V {
        r.poly(&tables::EXP)
    }
    #[inline(always)]
    fn atanh_tail<V: Lanes<Scalar = Self>>(w: V) -> V {
        w.poly(&tables::ATANH)
    }
    #[inline(always)]
    fn atan_tail<V: Lanes<Scalar = Self>>(w: V) -> V {
        w.poly(&tables::ATAN)
    }
    #[inline(always)]
    fn sin_tail<V: Lanes<Scalar = Self>>(w: V) -> V {
        w.poly(&tables::SIN)
    }
    #[inline(always)]
    fn cos_tail<V: Lanes<Scalar = Self>>(w: V) -> V {
        w.poly(&tables::COS)
    }
    type On<I: Isa> = I::F64;
}

impl Scalar for f32 {
    #[inline(always)]
    fn small_integer(self) -> u32 {
        (self + 8_388_608.0).to_bits() & 31
    }
    #[inline(always)]
    fn num(x: f64) -> Self {
        x as Self
    }
    #[inline(always)]
    fn wide(self) -> f64 {
        f64::from(self)
    }
    const MAGIC: f64 = 12_582_912.0;
    const MIN_POSITIVE: f64 = f32::MIN_POSITIVE as f64;
    const MIN_SUBNORMAL: f64 = (f32::MIN_POSITIVE * f32::EPSILON) as f64;
    const RAISE: (f64, f64) = (33_554_432.0, 25.0);
    // 15 bits, so that n·hi is exact for |n| < 2⁹.
    const LN_2: (f64, f64) = (0.693_145_751_953_125, 1.428_606_820_309_417_3e-6);
    // 12 bits: exact for |n| < 2¹².
    const PI_2: (f64, f64) = (1.570_800_781_25, -4.454_455_103_380_768_7e-6);
    const EXP_RANGE: [f64; 3] = [-104.0, -87.0, 88.75];
    const PIECE_BITS: u32 = 1;
    #[inline(always)]
    fn exp_tail<V: Lanes<Scalar = Self>>(r: V) -> V {
        r.poly(&tables::EXP_F32)
    }
    #[inline(always)]
    fn atanh_tail<V: Lanes<Scalar = Self>>(w: V) -> V {
        w.poly(&tables::ATANH_F32)
    }
    #[inline(always)]
    fn atan_tail<V: Lanes<Scalar = Self>>(w: V) -> V {
        w.poly(&tables::ATAN_F32)
    }
    #[inline(always)]
    fn sin_tail<V: Lanes<Scalar = Self>>(w: V) -> V {
        w.poly(&tables::SIN_F32)
    }
    #[inline(always)]
    fn cos_tail<V: Lanes<Scalar = Self>>(w: V) -> V {
        w.poly(&tables::COS_F32)
    }
    type On<I: Isa> = I::F32;
}

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
