//! What is left of the log-likelihood beyond its tangent, with all its digits.
//!
//! E\[∂ ln p/∂v\] and E\[(B − 1) ∂ ln p/∂v\] are 0, B = β/E\[β\]. So of a likelihood that hardly depends on β, only what it
//! has beyond its tangent at E\[β\] counts in ∂/∂v; a sum of scores, each of size 1/v, would lose it.

use super::choices::{BLOCK, Choices, Chunk, Sides};
use crate::lanes::{Isa, Lanes, Vectorised};
use crate::math::elementary::{exp_m1, exp_parts, ln_1p};
use crate::math::{sigmoid, two_atanh_cubic};
use crate::real::Real;

impl<T: Real> Choices<'_, T> {
    /// Σ ln A(yβ) − ln A(y) − (β − 1)·d/dβ ln A(y) at eight β next to 1.
    pub(super) fn remainders(&self, betas: &[f64; BLOCK], chunk: &mut Chunk) -> [f64; BLOCK] {
        let mut all = [0.0; BLOCK];
        self.each(chunk, |chunk| {
            self.level.dispatch(Remainders { y: chunk.choices(), betas, sides: &self.sides, sums: &mut all });
        });
        all
    }
}

/// The choices at eight β: lanes are β.
struct Remainders<'a> {
    y: &'a [f64],
    betas: &'a [f64; BLOCK],
    sides: &'a Sides,
    sums: &'a mut [f64; BLOCK],
}

/// ln(1 + w) − w for w > −1.
#[inline(always)]
fn ln_1p_less<V: Lanes<Scalar = f64>>(w: V) -> V {
    let two = V::splat(2.0);
    let s = w / (two + w);
    let near = two_atanh_cubic(s) - s * w;
    V::splat(1.0 / 3.0).select_lt(s.abs(), ln_1p(w) - w, near)
}

impl Vectorised for Remainders<'_> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let one = I::F64::splat(1.0);
        let mut at = 0;
        while at < BLOCK {
            let away = I::F64::load(&self.betas[at..]) - one;
            let mut sum = I::F64::splat(0.0);
            for &y in self.y {
                // p = σ(−y), and ω the share of σ(y) in A.
                let (p, omega) = self.sides.at(y);
                let (p, omega) = (I::F64::splat(p), I::F64::splat(omega));
                let d = away * I::F64::splat(y);
                let parts = exp_parts(-d);
                let z = p * parts.exp_m1;
                let inverse = one / (one + z);
                // A(yβ)/A(y) = 1 + w, w = −ωz/(1 + z), less its tangent ωpd: terms of second order alone.
                let w = -(omega * z * inverse);
                // Quotients first: far out both of their parts are huge.
                let beyond = omega * (p * (parts.exp_m1_my * inverse) + (p * d) * (z * inverse));
                sum = sum + (ln_1p_less(w) - beyond);
            }
            sum.add_to(&mut self.sums[at..]);
            at += I::F64::N;
        }
    }
}

impl Sides {
    /// σ(−y), and the share of σ(y) in A(y).
    #[inline(always)]
    fn at(&self, y: f64) -> (f64, f64) {
        let [floor, _] = self.against;
        let (p, up) = (sigmoid(-y), sigmoid(y));
        let own = self.kept() * up;
        (p, own / (floor + own))
    }
}

/// 1 − (1 + u)e^{−(u + r)} for |u| ≤ 1 and small r: how much of a likelihood e^{u + r} its tangent 1 + u leaves.
pub(super) fn beyond_tangent(u: f64, r: f64) -> f64 {
    let parts = exp_parts(u);
    // e^{u + r} − 1 − u
    let whole = parts.exp_m1_my + parts.exp * exp_m1(r);
    whole * crate::math::elementary::exp(-(u + r))
}
