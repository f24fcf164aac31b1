//! One polynomial in two variables near zero: ℓ = x(1 − cR(x, c)), c = xv, and both derivatives.

use crate::kernel::Logit;
use crate::lanes::Lanes;

/// Σ aᵢⱼ uⁱ zʲ, u = x − centre, z = alpha − 1/(c + pole): R itself, or with U also W in
/// R = x U(x²) + c W.
pub(crate) struct Piece<const N: usize, const M: usize, const K: usize> {
    pub(crate) centre: f64,
    pub(crate) pole: f64,
    pub(crate) alpha: f64,
    /// Powers of z in each row, a row for every power of u.
    pub(crate) lens: [usize; M],
    /// The rows one after another.
    pub(crate) coef: [f64; N],
    /// U in powers of x²; none where the polynomial is R.
    pub(crate) u: [f64; K],
}

/// A polynomial and its derivative by Horner's rule. The derivative moves first: it takes the value
/// of the step before.
#[inline(always)]
fn horner<V: Lanes>(c: &[f64], z: V) -> (V, V) {
    let mut j = c.len() - 1;
    let top = V::splat(c[j]);
    if j == 0 {
        return (top, V::splat(0.0));
    }
    j -= 1;
    let (mut p, mut d) = (top.mul_add(z, V::splat(c[j])), top);
    while j > 0 {
        j -= 1;
        d = d.mul_add(z, p);
        p = p.mul_add(z, V::splat(c[j]));
    }
    (p, d)
}

impl<const N: usize, const M: usize, const K: usize> Piece<N, M, K> {
    /// ℓ, dℓ/dx at fixed v, −dℓ/dv at fixed x.
    #[inline(always)]
    pub(super) fn eval<V: Lanes>(&self, x: V, c: V) -> Logit<V> {
        let u = x - V::splat(self.centre);
        let r = V::splat(1.0) / (c + V::splat(self.pole));
        let z = V::splat(self.alpha) - r;

        // Rows from the highest power of u down; they do not wait for one another.
        let mut end = N - self.lens[M - 1];
        let (mut p, mut pz) = horner(&self.coef[end..], z);
        let mut pu = p;
        let mut i = M - 1;
        while i > 0 {
            i -= 1;
            let start = end - self.lens[i];
            let (row, row_z) = horner(&self.coef[start..end], z);
            end = start;
            if i + 2 < M {
                pu = pu.mul_add(u, p);
            }
            p = p.mul_add(u, row);
            pz = pz.mul_add(u, row_z);
        }

        let three = V::splat(3.0);
        // c ∂/∂c: dz/dc = 1/(c + pole)².
        let cr = c * r;
        let c_pc = pz * (cr * r);
        let x_px = x * pu;
        let x2 = x * x;
        let two = V::splat(2.0);
        if K == 0 {
            // p = R.
            let l = (-x).mul_add(c * p, x);
            let slope = (-c).mul_add(two.mul_add(p, x_px + c_pc), V::splat(1.0));
            Logit { value: l, slope, spread: x2 * (p + c_pc) }
        } else {
            // p = W; a = x U(x²) = R at c = 0, x da/dx = a + 2 x³ U'.
            let (q, dq) = horner(&self.u, x2);
            let a = x * q;
            let x_ax = (x * x2).mul_add(two * dq, a);
            let l = (-x).mul_add(c * c.mul_add(p, a), x);
            let s = c.mul_add(three.mul_add(p, x_px + c_pc), two.mul_add(a, x_ax));
            let slope = (-c).mul_add(s, V::splat(1.0));
            Logit { value: l, slope, spread: x2 * c.mul_add(two.mul_add(p, c_pc), a) }
        }
    }
}
