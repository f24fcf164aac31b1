//! The Gamma family near zero: ℓ = ln((1 − T)/T) and both derivatives from one polynomial.
//!
//! ℓ = x (1 − cR), c = xv. R(x, c) is smooth down to c = 0, and 1 − cR, dℓ/dx and −dℓ/dv keep their
//! relative accuracy because each is formed from R by a few operations that do not cancel badly.
//! How the polynomials are made: `xtask/generators/near.py`; what one is: `piece.rs`.

use super::near_tables::{C_SPLIT, NEAR_HIGH, NEAR_HIGH_WIDE, NEAR_LOW, NEAR_LOW_WIDE, NEAR32, X_SPLIT};
use crate::kernel::Logit;
use crate::lanes::{Lanes, Scalar};

/// A number type with its pieces.
pub trait Near: Scalar {
    /// The pieces cover 0 ≤ x ≤ this, 0 ≤ c ≤ 1.
    const NEAR_MAX: f64;
    /// How many pieces.
    const PIECES: usize;

    /// The piece of every lane, as a number.
    fn piece<V: Lanes<Scalar = Self>>(x: V, c: V) -> V;
    /// ℓ and its derivatives by the polynomial of one piece.
    fn near<V: Lanes<Scalar = Self>>(piece: usize, x: V, c: V) -> Logit<V>;
}

impl Near for f32 {
    const NEAR_MAX: f64 = 1.25;
    const PIECES: usize = 1;
    #[inline(always)]
    fn piece<V: Lanes<Scalar = Self>>(_x: V, _c: V) -> V {
        V::splat(0.0)
    }
    #[inline(always)]
    fn near<V: Lanes<Scalar = Self>>(_piece: usize, x: V, c: V) -> Logit<V> {
        const { &NEAR32 }.eval(x, c)
    }
}

impl Near for f64 {
    const NEAR_MAX: f64 = 2.0;
    const PIECES: usize = 4;
    #[inline(always)]
    fn piece<V: Lanes<Scalar = Self>>(x: V, c: V) -> V {
        let wide = V::splat(C_SPLIT).select_lt(c, V::splat(1.0), V::splat(0.0));
        wide + V::splat(X_SPLIT).select_lt(x, V::splat(2.0), V::splat(0.0))
    }
    #[inline(always)]
    fn near<V: Lanes<Scalar = Self>>(piece: usize, x: V, c: V) -> Logit<V> {
        match piece {
            0 => const { &NEAR_LOW }.eval(x, c),
            1 => const { &NEAR_LOW_WIDE }.eval(x, c),
            2 => const { &NEAR_HIGH }.eval(x, c),
            _ => const { &NEAR_HIGH_WIDE }.eval(x, c),
        }
    }
}
