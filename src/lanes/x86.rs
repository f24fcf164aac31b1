//! AVX2 with FMA, and AVX-512: vector registers that a machine turns out to have, and the way into code
//! that uses them. The only room of the crate with `unsafe`.
//!
//! The register types are private: generic code meets them as [`Isa::F32`] and [`Isa::F64`] inside
//! [`Avx2::enter`] and [`Avx512::enter`] alone, and these are methods of tokens that only a successful
//! detection hands out. So wherever an operation of a register runs, the machine has the instruction.
#![allow(unsafe_code, reason = "intrinsics; each use says why it is sound")]

use super::{Isa, Lanes, MAX_LANES, Scalar, Vectorised};
use core::arch::x86_64::*;
use core::ops::{Add, Div, Mul, Neg, Sub};

/// Proof that the machine has AVX2 and FMA.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Avx2(());

/// Proof that the machine has AVX-512 F, VL, DQ, and AVX2 and FMA.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Avx512(());

impl Avx2 {
    /// Asks the machine.
    #[cfg(feature = "std")]
    pub(crate) fn detect() -> Option<Self> {
        let has = std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma");
        has.then_some(Self(()))
    }

    /// Runs code on these registers.
    #[inline]
    pub(crate) fn enter<K: Vectorised>(self, kernel: K) -> K::Output {
        // SAFETY: `self` proves the features.
        unsafe { on_avx2(kernel) }
    }
}

impl Avx512 {
    /// Asks the machine.
    #[cfg(feature = "std")]
    pub(crate) fn detect() -> Option<Self> {
        let has = std::arch::is_x86_feature_detected!("avx512f")
            && std::arch::is_x86_feature_detected!("avx512vl")
            && std::arch::is_x86_feature_detected!("avx512dq");
        (has && Avx2::detect().is_some()).then_some(Self(()))
    }

    /// Runs code on these registers.
    #[inline]
    pub(crate) fn enter<K: Vectorised>(self, kernel: K) -> K::Output {
        // SAFETY: `self` proves the features.
        unsafe { on_avx512(kernel) }
    }
}

#[target_feature(enable = "avx2,fma")]
fn on_avx2<K: Vectorised>(kernel: K) -> K::Output {
    kernel.run::<Avx2Registers>()
}

#[target_feature(enable = "avx512f,avx512vl,avx512dq,avx2,fma")]
fn on_avx512<K: Vectorised>(kernel: K) -> K::Output {
    kernel.run::<Avx512Registers>()
}

struct Avx2Registers;
impl Isa for Avx2Registers {
    type F32 = F32x8;
    type F64 = F64x4;
}

struct Avx512Registers;
impl Isa for Avx512Registers {
    type F32 = F32x16;
    type F64 = F64x8;
}

/// Intrinsics on registers alone.
macro_rules! op {
    ($e:expr) => {
        // SAFETY: values of the register types exist only inside `on_avx2` and `on_avx512` (see the
        // head of this file), so the machine has the instruction. It touches no memory.
        unsafe { $e }
    };
}

/// An intrinsic that reads or writes memory: as many numbers from the pointer on as its register has lanes.
macro_rules! memory {
    ($e:expr) => {
        // SAFETY: the machine has the instruction, as above. The pointer is that of an array of at least so many
        // numbers, by its type or by the check beside it; the unaligned forms ask for no alignment.
        unsafe { $e }
    };
}

macro_rules! operators {
    ($v:ident, $($trait:ident $method:ident $intrinsic:ident),*) => {$(
        impl $trait for $v {
            type Output = Self;
            #[inline(always)]
            fn $method(self, rhs: Self) -> Self {
                Self(op!($intrinsic(self.0, rhs.0)))
            }
        }
    )*};
}

/// Everything that the four register types share but for names.
macro_rules! register {
    (
        $v:ident($r:ident): $n:literal lanes of $t:ident,
        add $add:ident, sub $sub:ident, mul $mul:ident, div $div:ident, fma $fma:ident, sqrt $sqrt:ident,
        max $max:ident, min $min:ident, splat $set1:ident, load $loadu:ident, store $storeu:ident;
        bits of $bits:ident: xor $xor:ident, and $and:ident, or $or:ident, to $cast:ident, from $back:ident,
        splat $set_bits:ident, add $iadd:ident, shift_left $isll:ident, shift_right $isrl:ident, sub_32 $isub:ident,
        max_32 $imax:ident, min_32 $imin:ident, store $istore:ident;
        mantissa $mantissa:literal, two_to_it $two:literal, bias $bias:literal, piece_bits $piece:literal,
        above $above:literal
    ) => {
        #[derive(Clone, Copy)]
        struct $v($r);
        operators!($v, Add add $add, Sub sub $sub, Mul mul $mul, Div div $div);
        impl Neg for $v {
            type Output = Self;
            #[inline(always)]
            fn neg(self) -> Self {
                Self(op!($back($xor($cast(self.0), $cast($set1(-0.0))))))
            }
        }
        impl Lanes for $v {
            type Scalar = $t;
            const N: usize = $n;
            #[inline(always)]
            fn splat(x: f64) -> Self {
                Self(op!($set1(x as $t)))
            }
            #[inline(always)]
            fn load(from: &[$t]) -> Self {
                let from: &[$t; $n] = from.first_chunk().expect("a slice of at least N");
                Self(memory!($loadu(from.as_ptr())))
            }
            #[inline(always)]
            fn store(self, to: &mut [$t]) {
                let to: &mut [$t; $n] = to.first_chunk_mut().expect("a slice of at least N");
                memory!($storeu(to.as_mut_ptr(), self.0));
            }
            #[inline(always)]
            fn mul_add(self, a: Self, b: Self) -> Self {
                Self(op!($fma(self.0, a.0, b.0)))
            }
            #[inline(always)]
            fn abs(self) -> Self {
                Self(op!($back($and($cast(self.0), $set_bits($bits::MAX)))))
            }
            #[inline(always)]
            fn sqrt(self) -> Self {
                Self(op!($sqrt(self.0)))
            }
            // The second operand is the answer where one is NaN.
            #[inline(always)]
            fn at_least(self, floor: f64) -> Self {
                Self(op!($max(self.0, $set1(floor as $t))))
            }
            #[inline(always)]
            fn at_most(self, cap: f64) -> Self {
                Self(op!($min(self.0, $set1(cap as $t))))
            }
            #[inline(always)]
            fn exp2_biased(self) -> Self {
                let one: $t = 1.0;
                let integer = op!($cast(self.0));
                Self(op!($back($iadd($isll::<$mantissa>(integer), $set_bits(one.to_bits() as $bits)))))
            }
            #[inline(always)]
            fn split(self) -> (Self, Self) {
                let (one, two): ($t, $t) = (1.0, $two);
                let bits = op!($cast(self.0));
                let exponent = op!($back($or($isrl::<$mantissa>(bits), $set_bits(two.to_bits() as $bits))));
                let fraction = op!($and(bits, $set_bits((1 << $mantissa) - 1)));
                let mantissa = op!($back($or(fraction, $set_bits(one.to_bits() as $bits))));
                (Self(mantissa), Self(exponent) - Self(op!($set1(two + $bias))))
            }
            #[inline(always)]
            fn locate(self, first: u32, last: u32, index: &mut [u32; MAX_LANES]) -> Self {
                const _: () = assert!($piece == <$t as Scalar>::PIECE_BITS && $above == $mantissa - $piece);
                let one: $t = 1.0;
                let bits = op!($cast(self.0));
                // What is above the fraction fits 31 bits, also in a lane of 64: 32-bit arithmetic serves.
                let piece = op!($isub($isrl::<$above>(bits), $set_bits(first as $bits - 1)));
                let piece = op!($imin($imax(piece, $set_bits(0)), $set_bits(last as $bits)));
                let mut lanes = [0 as $bits; $n];
                // In bounds: one register into an array of its size.
                memory!($istore(lanes.as_mut_ptr().cast(), piece));
                for (index, lane) in index.iter_mut().zip(lanes) {
                    *index = lane as u32;
                }
                let fraction = op!($and($isll::<$piece>(bits), $set_bits((1 << $mantissa) - 1)));
                let t = op!($back($or(fraction, $set_bits(one.to_bits() as $bits))));
                Self(op!($sub(t, $set1(1.5))))
            }
            register!(@$v);
        }
    };
    (@F32x8) => {
        #[inline(always)]
        fn compress(self, code: Self, region: Self, to: &mut [f32]) -> usize {
            let mask = op!(_mm256_movemask_ps(_mm256_cmp_ps::<_CMP_EQ_OQ>(code.0, region.0))) as usize & 255;
            Self(op!(_mm256_permutevar8x32_ps(self.0, order(COMPRESS_8[mask])))).store(to);
            mask.count_ones() as usize
        }
        #[inline(always)]
        fn expand(self, code: Self, region: Self, from: &[f32]) -> (Self, usize) {
            let equal = op!(_mm256_cmp_ps::<_CMP_EQ_OQ>(code.0, region.0));
            let mask = op!(_mm256_movemask_ps(equal)) as usize & 255;
            let lanes = op!(_mm256_permutevar8x32_ps(Self::load(from).0, order(EXPAND_8[mask])));
            (Self(op!(_mm256_blendv_ps(self.0, lanes, equal))), mask.count_ones() as usize)
        }
        #[inline(always)]
        fn select_lt(self, rhs: Self, yes: Self, no: Self) -> Self {
            Self(op!(_mm256_blendv_ps(no.0, yes.0, _mm256_cmp_ps::<_CMP_LT_OQ>(self.0, rhs.0))))
        }
        #[inline(always)]
        fn any_lt(self, rhs: Self) -> bool {
            op!(_mm256_movemask_ps(_mm256_cmp_ps::<_CMP_LT_OQ>(self.0, rhs.0))) != 0
        }
        #[inline(always)]
        fn add_to(self, sums: &mut [f64]) {
            F64x4(op!(_mm256_cvtps_pd(_mm256_castps256_ps128(self.0)))).add_to(sums);
            F64x4(op!(_mm256_cvtps_pd(_mm256_extractf128_ps::<1>(self.0)))).add_to(&mut sums[4..]);
        }
        #[inline(always)]
        fn rows<const D: usize>(rows: &[[[f32; 4]; D]], index: &[u32; MAX_LANES], t: Self) -> [Self; 4] {
            let [a, b] = rows_f32(rows, index, t);
            let mut out = [t; 4];
            for f in 0..4 {
                out[f] = Self(op!(_mm256_set_m128(b[f], a[f])));
            }
            out
        }
    };
    (@F64x4) => {
        #[inline(always)]
        fn compress(self, code: Self, region: Self, to: &mut [f64]) -> usize {
            let mask = op!(_mm256_movemask_pd(_mm256_cmp_pd::<_CMP_EQ_OQ>(code.0, region.0))) as usize & 15;
            let halves = op!(_mm256_permutevar8x32_ps(_mm256_castpd_ps(self.0), order(COMPRESS_4[mask])));
            Self(op!(_mm256_castps_pd(halves))).store(to);
            mask.count_ones() as usize
        }
        #[inline(always)]
        fn expand(self, code: Self, region: Self, from: &[f64]) -> (Self, usize) {
            let equal = op!(_mm256_cmp_pd::<_CMP_EQ_OQ>(code.0, region.0));
            let mask = op!(_mm256_movemask_pd(equal)) as usize & 15;
            let from = op!(_mm256_castpd_ps(Self::load(from).0));
            let lanes = op!(_mm256_castps_pd(_mm256_permutevar8x32_ps(from, order(EXPAND_4[mask]))));
            (Self(op!(_mm256_blendv_pd(self.0, lanes, equal))), mask.count_ones() as usize)
        }
        #[inline(always)]
        fn select_lt(self, rhs: Self, yes: Self, no: Self) -> Self {
            Self(op!(_mm256_blendv_pd(no.0, yes.0, _mm256_cmp_pd::<_CMP_LT_OQ>(self.0, rhs.0))))
        }
        #[inline(always)]
        fn any_lt(self, rhs: Self) -> bool {
            op!(_mm256_movemask_pd(_mm256_cmp_pd::<_CMP_LT_OQ>(self.0, rhs.0))) != 0
        }
        #[inline(always)]
        fn add_to(self, sums: &mut [f64]) {
            (Self::load(sums) + self).store(sums);
        }
        #[inline(always)]
        fn rows<const D: usize>(rows: &[[[f64; 4]; D]], index: &[u32; MAX_LANES], t: Self) -> [Self; 4] {
            let [a, b, c, d] = rows_f64(rows, index, t);
            [Self(a), Self(b), Self(c), Self(d)]
        }
    };
    (@F32x16) => {
        const COLUMNS: bool = true;
        #[inline(always)]
        fn columns<const D: usize>(
            columns: &[[[f32; 32]; 3]; D],
            index: &[[u32; MAX_LANES]; 2],
            t: [Self; 2],
        ) -> [[Self; 3]; 2] {
            // In bounds: one register from an array of its size; the permutation uses five bits of an index.
            let index = [
                memory!(_mm512_loadu_si512(index[0].as_ptr().cast())),
                memory!(_mm512_loadu_si512(index[1].as_ptr().cast())),
            ];
            let mut value = [[t[0]; 3]; 2];
            for j in (0..D).rev() {
                for f in 0..3 {
                    let (low, high) = columns[j][f].split_at(16);
                    let (low, high) = (Self::load(low), Self::load(high));
                    for k in 0..2 {
                        let c = Self(op!(_mm512_permutex2var_ps(low.0, index[k], high.0)));
                        value[k][f] = if j == D - 1 { c } else { value[k][f].mul_add(t[k], c) };
                    }
                }
            }
            value
        }
        #[inline(always)]
        fn compress(self, code: Self, region: Self, to: &mut [Self::Scalar]) -> usize {
            let mask = op!(_mm512_cmp_ps_mask::<_CMP_EQ_OQ>(code.0, region.0));
            Self(op!(_mm512_maskz_compress_ps(mask, self.0))).store(to);
            mask.count_ones() as usize
        }
        #[inline(always)]
        fn expand(self, code: Self, region: Self, from: &[Self::Scalar]) -> (Self, usize) {
            let mask = op!(_mm512_cmp_ps_mask::<_CMP_EQ_OQ>(code.0, region.0));
            let lanes = op!(_mm512_mask_expand_ps(self.0, mask, Self::load(from).0));
            (Self(lanes), mask.count_ones() as usize)
        }
        #[inline(always)]
        fn select_lt(self, rhs: Self, yes: Self, no: Self) -> Self {
            Self(op!(_mm512_mask_blend_ps(_mm512_cmp_ps_mask::<_CMP_LT_OQ>(self.0, rhs.0), no.0, yes.0)))
        }
        #[inline(always)]
        fn any_lt(self, rhs: Self) -> bool {
            op!(_mm512_cmp_ps_mask::<_CMP_LT_OQ>(self.0, rhs.0)) != 0
        }
        #[inline(always)]
        fn add_to(self, sums: &mut [f64]) {
            let [low, high] = self.halves();
            F64x8(op!(_mm512_cvtps_pd(low.0))).add_to(sums);
            F64x8(op!(_mm512_cvtps_pd(high.0))).add_to(&mut sums[8..]);
        }
        #[inline(always)]
        fn rows<const D: usize>(rows: &[[[f32; 4]; D]], index: &[u32; MAX_LANES], t: Self) -> [Self; 4] {
            let [low, high] = t.halves();
            let mut upper = [0; MAX_LANES];
            upper[..8].copy_from_slice(&index[8..]);
            let a = F32x8::rows(rows, index, low);
            let b = F32x8::rows(rows, &upper, high);
            let mut out = [t; 4];
            for f in 0..4 {
                out[f] = Self(op!(_mm512_insertf32x8::<1>(_mm512_castps256_ps512(a[f].0), b[f].0)));
            }
            out
        }
    };
    (@F64x8) => {
        #[inline(always)]
        fn compress(self, code: Self, region: Self, to: &mut [Self::Scalar]) -> usize {
            let mask = op!(_mm512_cmp_pd_mask::<_CMP_EQ_OQ>(code.0, region.0));
            Self(op!(_mm512_maskz_compress_pd(mask, self.0))).store(to);
            mask.count_ones() as usize
        }
        #[inline(always)]
        fn expand(self, code: Self, region: Self, from: &[Self::Scalar]) -> (Self, usize) {
            let mask = op!(_mm512_cmp_pd_mask::<_CMP_EQ_OQ>(code.0, region.0));
            let lanes = op!(_mm512_mask_expand_pd(self.0, mask, Self::load(from).0));
            (Self(lanes), mask.count_ones() as usize)
        }
        #[inline(always)]
        fn select_lt(self, rhs: Self, yes: Self, no: Self) -> Self {
            Self(op!(_mm512_mask_blend_pd(_mm512_cmp_pd_mask::<_CMP_LT_OQ>(self.0, rhs.0), no.0, yes.0)))
        }
        #[inline(always)]
        fn any_lt(self, rhs: Self) -> bool {
            op!(_mm512_cmp_pd_mask::<_CMP_LT_OQ>(self.0, rhs.0)) != 0
        }
        #[inline(always)]
        fn add_to(self, sums: &mut [f64]) {
            (Self::load(sums) + self).store(sums);
        }
        #[inline(always)]
        fn rows<const D: usize>(rows: &[[[f64; 4]; D]], index: &[u32; MAX_LANES], t: Self) -> [Self; 4] {
            let mut upper = [0; MAX_LANES];
            upper[..4].copy_from_slice(&index[4..8]);
            let a = rows_f64(rows, index, F64x4(op!(_mm512_castpd512_pd256(t.0))));
            let b = rows_f64(rows, &upper, F64x4(op!(_mm512_extractf64x4_pd::<1>(t.0))));
            let mut out = [t; 4];
            for f in 0..4 {
                out[f] = Self(op!(_mm512_insertf64x4::<1>(_mm512_castpd256_pd512(a[f]), b[f])));
            }
            out
        }
    };
}

register!(
    F32x8(__m256): 8 lanes of f32,
    add _mm256_add_ps, sub _mm256_sub_ps, mul _mm256_mul_ps, div _mm256_div_ps, fma _mm256_fmadd_ps, sqrt _mm256_sqrt_ps,
    max _mm256_max_ps, min _mm256_min_ps, splat _mm256_set1_ps, load _mm256_loadu_ps, store _mm256_storeu_ps;
    bits of i32: xor _mm256_xor_si256, and _mm256_and_si256, or _mm256_or_si256, to _mm256_castps_si256, from _mm256_castsi256_ps,
    splat _mm256_set1_epi32, add _mm256_add_epi32, shift_left _mm256_slli_epi32, shift_right _mm256_srli_epi32, sub_32 _mm256_sub_epi32,
    max_32 _mm256_max_epi32, min_32 _mm256_min_epi32, store _mm256_storeu_si256;
    mantissa 23, two_to_it 8_388_608.0, bias 127.0, piece_bits 1, above 22
);
register!(
    F64x4(__m256d): 4 lanes of f64,
    add _mm256_add_pd, sub _mm256_sub_pd, mul _mm256_mul_pd, div _mm256_div_pd, fma _mm256_fmadd_pd, sqrt _mm256_sqrt_pd,
    max _mm256_max_pd, min _mm256_min_pd, splat _mm256_set1_pd, load _mm256_loadu_pd, store _mm256_storeu_pd;
    bits of i64: xor _mm256_xor_si256, and _mm256_and_si256, or _mm256_or_si256, to _mm256_castpd_si256, from _mm256_castsi256_pd,
    splat _mm256_set1_epi64x, add _mm256_add_epi64, shift_left _mm256_slli_epi64, shift_right _mm256_srli_epi64, sub_32 _mm256_sub_epi32,
    max_32 _mm256_max_epi32, min_32 _mm256_min_epi32, store _mm256_storeu_si256;
    mantissa 52, two_to_it 4_503_599_627_370_496.0, bias 1023.0, piece_bits 2, above 50
);
register!(
    F32x16(__m512): 16 lanes of f32,
    add _mm512_add_ps, sub _mm512_sub_ps, mul _mm512_mul_ps, div _mm512_div_ps, fma _mm512_fmadd_ps, sqrt _mm512_sqrt_ps,
    max _mm512_max_ps, min _mm512_min_ps, splat _mm512_set1_ps, load _mm512_loadu_ps, store _mm512_storeu_ps;
    bits of i32: xor _mm512_xor_si512, and _mm512_and_si512, or _mm512_or_si512, to _mm512_castps_si512, from _mm512_castsi512_ps,
    splat _mm512_set1_epi32, add _mm512_add_epi32, shift_left _mm512_slli_epi32, shift_right _mm512_srli_epi32, sub_32 _mm512_sub_epi32,
    max_32 _mm512_max_epi32, min_32 _mm512_min_epi32, store _mm512_storeu_si512;
    mantissa 23, two_to_it 8_388_608.0, bias 127.0, piece_bits 1, above 22
);
register!(
    F64x8(__m512d): 8 lanes of f64,
    add _mm512_add_pd, sub _mm512_sub_pd, mul _mm512_mul_pd, div _mm512_div_pd, fma _mm512_fmadd_pd, sqrt _mm512_sqrt_pd,
    max _mm512_max_pd, min _mm512_min_pd, splat _mm512_set1_pd, load _mm512_loadu_pd, store _mm512_storeu_pd;
    bits of i64: xor _mm512_xor_si512, and _mm512_and_si512, or _mm512_or_si512, to _mm512_castpd_si512, from _mm512_castsi512_pd,
    splat _mm512_set1_epi64, add _mm512_add_epi64, shift_left _mm512_slli_epi64, shift_right _mm512_srli_epi64, sub_32 _mm512_sub_epi32,
    max_32 _mm512_max_epi32, min_32 _mm512_min_epi32, store _mm512_storeu_si512;
    mantissa 52, two_to_it 4_503_599_627_370_496.0, bias 1023.0, piece_bits 2, above 50
);

impl F32x16 {
    #[inline(always)]
    fn halves(self) -> [F32x8; 2] {
        [F32x8(op!(_mm512_castps512_ps256(self.0))), F32x8(op!(_mm512_extractf32x8_ps::<1>(self.0)))]
    }
}

/// [`Lanes::rows`] with the four polynomials of an element side by side: eight elements, their results as
/// two halves of four lanes.
#[inline(always)]
fn rows_f32<const D: usize>(rows: &[[[f32; 4]; D]], index: &[u32; MAX_LANES], t: F32x8) -> [[__m128; 4]; 2] {
    let mut at = [0.0; 8];
    t.store(&mut at);
    let mut row = [&rows[0]; 8];
    for lane in 0..8 {
        row[lane] = &rows[index[lane] as usize];
    }
    let mut value = [op!(_mm_setzero_ps()); 8];
    for lane in 0..8 {
        // In bounds, here and below: four f32 of an array of four.
        value[lane] = memory!(_mm_loadu_ps(row[lane][D - 1].as_ptr()));
    }
    for j in (0..D - 1).rev() {
        for lane in 0..8 {
            let c = memory!(_mm_loadu_ps(row[lane][j].as_ptr()));
            value[lane] = op!(_mm_fmadd_ps(value[lane], _mm_set1_ps(at[lane]), c));
        }
    }
    let [a, b, c, d, e, f, g, h] = value;
    [transposed([a, b, c, d]), transposed([e, f, g, h])]
}

/// Rows to columns.
#[inline(always)]
fn transposed(v: [__m128; 4]) -> [__m128; 4] {
    let (a, b) = op!((_mm_unpacklo_ps(v[0], v[1]), _mm_unpackhi_ps(v[0], v[1])));
    let (c, d) = op!((_mm_unpacklo_ps(v[2], v[3]), _mm_unpackhi_ps(v[2], v[3])));
    op!([_mm_movelh_ps(a, c), _mm_movehl_ps(c, a), _mm_movelh_ps(b, d), _mm_movehl_ps(d, b)])
}

/// The same for four f64.
#[inline(always)]
fn rows_f64<const D: usize>(rows: &[[[f64; 4]; D]], index: &[u32; MAX_LANES], t: F64x4) -> [__m256d; 4] {
    let mut at = [0.0; 4];
    t.store(&mut at);
    let mut row = [&rows[0]; 4];
    for lane in 0..4 {
        row[lane] = &rows[index[lane] as usize];
    }
    let mut v = [op!(_mm256_setzero_pd()); 4];
    for lane in 0..4 {
        // In bounds, here and below: four f64 of an array of four.
        v[lane] = memory!(_mm256_loadu_pd(row[lane][D - 1].as_ptr()));
    }
    for j in (0..D - 1).rev() {
        for lane in 0..4 {
            let c = memory!(_mm256_loadu_pd(row[lane][j].as_ptr()));
            v[lane] = op!(_mm256_fmadd_pd(v[lane], _mm256_set1_pd(at[lane]), c));
        }
    }
    let (a, b) = op!((_mm256_unpacklo_pd(v[0], v[1]), _mm256_unpackhi_pd(v[0], v[1])));
    let (c, d) = op!((_mm256_unpacklo_pd(v[2], v[3]), _mm256_unpackhi_pd(v[2], v[3])));
    op!([
        _mm256_permute2f128_pd::<0x20>(a, c),
        _mm256_permute2f128_pd::<0x20>(b, d),
        _mm256_permute2f128_pd::<0x31>(a, c),
        _mm256_permute2f128_pd::<0x31>(b, d),
    ])
}

/// For every mask of 8 lanes, which lane comes to which place: the set ones to the front.
const COMPRESS_8: [u64; 256] = orders(8, false);
/// The inverse.
const EXPAND_8: [u64; 256] = orders(8, true);
/// The same for 4 lanes of two halves each.
const COMPRESS_4: [u64; 16] = orders(4, false);
const EXPAND_4: [u64; 16] = orders(4, true);

/// Eight bytes per mask: the source of each 32-bit place.
const fn orders<const M: usize>(lanes: usize, expand: bool) -> [u64; M] {
    let halves = 8 / lanes;
    let mut table = [0; M];
    let mut mask = 0;
    while mask < M {
        let (mut lane, mut front) = (0, 0);
        while lane < lanes {
            if mask >> lane & 1 == 1 {
                let (to, from) = if expand { (lane, front) } else { (front, lane) };
                let mut half = 0;
                while half < halves {
                    table[mask] |= ((from * halves + half) as u64) << (8 * (to * halves + half));
                    half += 1;
                }
                front += 1;
            }
            lane += 1;
        }
        mask += 1;
    }
    table
}

/// Eight bytes as eight integers.
#[inline(always)]
fn order(bytes: u64) -> __m256i {
    op!(_mm256_cvtepu8_epi32(_mm_cvtsi64_si128(bytes as i64)))
}
