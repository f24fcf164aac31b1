//! One number as a lane: f32 and f64, and what their elementary functions need.

use super::{Isa, Lanes, MAX_LANES, Scalar, polynomials as tables};

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
