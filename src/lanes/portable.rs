//! Vector registers of the build's own target, by the crate `wide`: SSE2, AVX where the whole build has
//! it, NEON, wasm simd128, or plain code. What `wide` is depends on the build's target features, not on
//! the machine: see [`super::x86`] for that.

use super::{Isa, Lanes, MAX_LANES, Scalar};
use wide::{f32x8, f64x4, u32x8, u64x4};

/// What the build's target features give.
pub(crate) struct Portable;
impl Isa for Portable {
    type F32 = f32x8;
    type F64 = f64x4;
}

macro_rules! register {
    ($v:ident, $t:ident, $n:literal, $bits:ident, $u:ident, $mantissa:literal, $two:literal, $bias:literal) => {
        impl Lanes for $v {
            type Scalar = $t;
            const N: usize = $n;
            #[inline(always)]
            fn splat(x: f64) -> Self {
                Self::splat(x as $t)
            }
            #[inline(always)]
            fn load(from: &[$t]) -> Self {
                let mut lanes = [0.0; $n];
                lanes.copy_from_slice(&from[..$n]);
                Self::from(lanes)
            }
            #[inline(always)]
            fn store(self, to: &mut [$t]) {
                to[..$n].copy_from_slice(&self.to_array());
            }
            #[inline(always)]
            fn mul_add(self, a: Self, b: Self) -> Self {
                Self::mul_add(self, a, b)
            }
            #[inline(always)]
            fn select_lt(self, rhs: Self, yes: Self, no: Self) -> Self {
                self.simd_lt(rhs).select(yes, no)
            }
            #[inline(always)]
            fn any_lt(self, rhs: Self) -> bool {
                self.simd_lt(rhs).any()
            }
            #[inline(always)]
            fn abs(self) -> Self {
                Self::abs(self)
            }
            #[inline(always)]
            fn sqrt(self) -> Self {
                Self::sqrt(self)
            }
            #[inline(always)]
            fn exp2_biased(self) -> Self {
                let one: $t = 1.0;
                let integer: $bits = wide::bytemuck::cast(self);
                wide::bytemuck::cast((integer << $mantissa) + $bits::splat(one.to_bits()))
            }
            #[inline(always)]
            fn split(self) -> (Self, Self) {
                const FRACTION: $u = (1 << $mantissa) - 1;
                let (one, two): ($t, $t) = (1.0, $two);
                let bits: $bits = wide::bytemuck::cast(self);
                // As for one number: the biased exponent becomes the low bits of 2⁵² (2²³).
                let exponent: Self = wide::bytemuck::cast((bits >> $mantissa) | $bits::splat(two.to_bits()));
                let mantissa: Self =
                    wide::bytemuck::cast((bits & $bits::splat(FRACTION)) | $bits::splat(one.to_bits()));
                (mantissa, exponent - Self::splat(two + $bias))
            }
            #[inline(always)]
            fn locate(self, first: u32, last: u32, index: &mut [u32; MAX_LANES]) -> Self {
                const FRACTION: $u = (1 << $mantissa) - 1;
                let one: $t = 1.0;
                let bits: $bits = wide::bytemuck::cast(self);
                for (index, bits) in index.iter_mut().zip(bits.to_array()) {
                    let piece = (bits >> ($mantissa - $t::PIECE_BITS)) as u32;
                    *index = (piece + 1).saturating_sub(first).min(last);
                }
                let fraction = (bits << $t::PIECE_BITS) & $bits::splat(FRACTION);
                let t: Self = wide::bytemuck::cast(fraction | $bits::splat(one.to_bits()));
                t - Self::splat(1.5)
            }
        }
    };
}
register!(f64x4, f64, 4, u64x4, u64, 52_u32, 4_503_599_627_370_496.0, 1023.0);
register!(f32x8, f32, 8, u32x8, u32, 23_u32, 8_388_608.0, 127.0);
