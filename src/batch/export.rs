//! A plan's table as plain numbers, for evaluation where this crate is not.

use crate::real::Real;
use num_traits::Float;

/// Where a [`PlanTable`] holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reach {
    /// 0 ≤ w < 2^last.
    FromZero,
    /// 2^first ≤ w < 2^last: the first piece is not used, and w = 0 is beyond as well.
    FromFirst,
    /// Everywhere, without coefficients: all mass is at one β, ℓ = w, ∂ℓ/∂w = 1, −∂ℓ/∂v = ½w² tanh(w/2).
    PointMass,
    /// Nowhere: this p(β) is one for [`Direct`](super::Direct) or the scalar kernels.
    Nowhere,
}

/// The table of a [`Plan`](super::Plan), as plain numbers: enough to evaluate effective logits with their derivatives in
/// any language and on any device.
///
/// With w = unit·|D|, in `reach`:
/// * piece 0 for w < 2^first, with t = w/2^first − ½; else, of the 2^`piece_bits` equal parts of the octave of w, the one
///   that w lies in: piece 1 + (e − first)·2^piece_bits + part, e = ⌊log₂ w⌋, with t ∈ \[−½, ½) from its lower to its upper
///   end. By the bits of w: the piece is the exponent and the first `piece_bits` bits of the fraction, and t what is
///   left of them.
/// * \[a, s, c, 0\] = Σⱼ coefficients\[piece·`terms` + j\]·tʲ, j < `terms`.
/// * ℓ = ±w·a with the sign of D, ∂ℓ/∂|D| = unit·s, −∂ℓ/∂v = w·c (w³·c in piece 0; of a LogNormal ∂/∂q, q = σ²).
/// * ∂ℓ/∂pᵢ = ±(jacobian\[i\]\[0\]·w·s − jacobian\[i\]\[1\]·(−∂ℓ/∂v)) in the plan's coordinates.
/// * −ln E\[σ(βD)\] = −ln σ(ℓ).
///
/// Beyond `reach`, and for NaN, evaluate on the host. Accuracy: that of the plan, where t and the sums are evaluated in
/// the table's precision; a coefficient fewer or a lower precision is another table.
///
/// ```
/// use prefstrength::batch::{Plan, Reach};
/// use prefstrength::{Gamma, Strength};
/// let beta = Gamma::from_mean_cv(0.1, 0.5)?;
/// let plan = Plan::<f64, _>::new(&beta);
/// let table = plan.table();
/// assert_eq!((table.version, table.reach), (1, Reach::FromZero));
/// assert_eq!(table.coefficients.len(), table.pieces() * table.terms);
/// let [logit, slope, ..] = table.effective_logit(30.0).expect("within reach");
/// assert!((logit - beta.effective_logit(30.0)).abs() < 1e-14);
/// assert!((slope - beta.effective_beta(30.0)).abs() < 1e-15);
/// # Ok::<(), prefstrength::ParamError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct PlanTable<'a, T> {
    /// Of this format: raised whenever one of these formulas changes.
    pub version: u32,
    /// Where it holds.
    pub reach: Reach,
    /// E\[β\], or e^μ of a LogNormal.
    pub unit: f64,
    /// From D ∂ℓ/∂D and ∂ℓ/∂v to the parameters.
    pub jacobian: [[f64; 2]; 2],
    /// How many parameters there are.
    pub params: usize,
    /// first and last.
    pub exponents: [i32; 2],
    /// Pieces of an octave, as a power of two.
    pub piece_bits: u32,
    /// Coefficients of a polynomial: its degree and 1.
    pub terms: usize,
    /// Of a, s, c and 0; those of t⁰ of the first piece first.
    pub coefficients: &'a [[T; 4]],
}

impl<T> PlanTable<'_, T> {
    /// The format that is written.
    pub const VERSION: u32 = 1;

    /// How many pieces there are.
    #[must_use]
    pub fn pieces(&self) -> usize {
        self.coefficients.len() / self.terms.max(1)
    }
}

impl<T: Real> PlanTable<'_, T> {
    /// ℓ, ∂ℓ/∂D, and the derivatives in the parameters (0 where there is one), by the formulas above, in f64: to hold
    /// another implementation against. `None` beyond reach.
    #[must_use]
    pub fn effective_logit(&self, margin: f64) -> Option<[f64; 4]> {
        let w = self.unit * margin.abs();
        let [first, last] = self.exponents.map(|e| Float::powi(2.0_f64, e));
        let [value, slope, spread] = match self.reach {
            Reach::PointMass if !w.is_nan() => [w, 1.0, 0.5 * w * w * Float::tanh(0.5 * w)],
            Reach::FromZero if (0.0..last).contains(&w) => self.piece(w, first),
            Reach::FromFirst if (first..last).contains(&w) => self.piece(w, first),
            _ => return None,
        };
        let sign = if margin < 0.0 { -1.0 } else { 1.0 };
        let of = |[a, b]: [f64; 2]| sign * (a * (w * slope) - b * spread);
        let [p0, p1] = self.jacobian.map(of);
        Some([sign * value, self.unit * slope, p0, if self.params == 2 { p1 } else { 0.0 }])
    }

    /// ℓ, ∂ℓ/∂w and −∂ℓ/∂v.
    fn piece(&self, w: f64, first: f64) -> [f64; 3] {
        let (piece, t) = if w < first {
            (0, w / first - 0.5)
        } else {
            let bits = w.to_bits();
            let (exponent, fraction) = ((bits >> 52) as i32 - 1023, (bits << 12) >> 12);
            let part = (fraction >> (52 - self.piece_bits)) as usize;
            let rest = (fraction << self.piece_bits) & ((1 << 52) - 1);
            let octave = (exponent - self.exponents[0]) as usize;
            (1 + (octave << self.piece_bits) + part, rest as f64 / Float::powi(2.0_f64, 52) - 0.5)
        };
        let [mut a, mut s, mut c] = [0.0; 3];
        for row in self.coefficients[piece * self.terms..(piece + 1) * self.terms].iter().rev() {
            let [x, y, z, _] = row.map(Real::to_f64);
            (a, s, c) = (a * t + x, s * t + y, c * t + z);
        }
        [w * a, s, if piece == 0 { w * w * w * c } else { w * c }]
    }
}
