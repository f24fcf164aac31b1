//! Error-free sums and products without fused multiply-add (Knuth; Dekker, Veltkamp).

/// a + b = hi + lo exactly.
#[inline]
pub(crate) fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let hi = a + b;
    let bb = hi - a;
    (hi, (a - (hi - bb)) + (b - bb))
}

/// a·b = hi + lo exactly, for |a|, |b| < 2⁹⁹⁵ and no underflow of the low part.
#[inline]
pub(crate) fn two_prod(a: f64, b: f64) -> (f64, f64) {
    let hi = a * b;
    let (a1, a2) = halves(a);
    let (b1, b2) = halves(b);
    (hi, ((a1 * b1 - hi) + a1 * b2 + a2 * b1) + a2 * b2)
}

/// a as a sum of two numbers of 26 bits.
#[inline]
fn halves(a: f64) -> (f64, f64) {
    let t = 134_217_729.0 * a;
    let high = t - (t - a);
    (high, a - high)
}
