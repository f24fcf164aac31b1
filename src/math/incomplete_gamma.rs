//! The regularised incomplete gamma functions P(a, x) and Q(a, x), the smaller one to 1e-14 relative.
//!
//! Exponents that may reach −745 are carried in two words, since half an ulp of 700 alone would cost
//! 6e-14 of e⁻⁷⁰⁰.
//!
//! The crate `special` supplies ln Γ. Its incomplete gamma function is not used: it does not return
//! for NaN, has no upper tail, and takes its exponent from ln Γ, which cancels.

use super::elementary::{exp, exp_m1, ln, ln_1p};
use super::normal::{FRAC_1_SQRT_2PI, half_erfc};
use super::twofold::{
    Twofold, add, div, exp_twofold, ln_positive, ln_quotient, mul, neg, sub, times, two_sum,
};
use crate::lanes::{Lanes, Scalar};
use num_traits::Float;

/// From this shape on Stirling's series of ln Γ(a + 1) has a remainder below 1e-17.
const STIRLING: f64 = 20.0;
/// From this shape on, and for |η| ≤ 0.8, `TEMME` serves.
const UNIFORM: f64 = 200.0;
const UNIFORM_ETA: f64 = 0.8;
/// Below this x, shapes under 1 take the power series: rounding costs the continued fraction 1e-14 at
/// x = 1, and cancellation the series of Q 2e-15 at 1.5.
const SMALL: f64 = 1.5;
/// Terms of either expansion; the slowest case, a = x = 200, needs 132.
const MAX_TERMS: usize = 500;

/// A shape a, an argument x > 0 and an exponent E of the incomplete gamma functions.
pub(crate) struct Point {
    a: f64,
    x: f64,
    /// ln x; only for a < `STIRLING`.
    ln_x: f64,
    /// a < `STIRLING`: x − a ln x. Else aφ(x/a − 1) ≥ 0.
    exponent: Twofold,
}

/// P(a, x), Q(a, x) and their slope x^a e^{−x}/Γ(a) = dP/d ln x.
pub(crate) struct Tails {
    pub(crate) p: f64,
    pub(crate) q: f64,
    pub(crate) slope: f64,
}

impl Point {
    /// x = β/θ for 0 < β, θ < ∞.
    pub(crate) fn from_scale(a: f64, beta: f64, theta: f64) -> Self {
        let x = div((beta, 0.0), (theta, 0.0));
        if a >= STIRLING {
            let mu = div(add(x, (-a, 0.0)), (a, 0.0));
            let phi = phi(mu, || sub(ln_quotient(beta, theta, x), ln_positive(a)));
            return Self { a, x: x.0, ln_x: f64::NAN, exponent: times(phi, a) };
        }
        let ln_x = ln_quotient(beta, theta, x);
        Self { a, x: x.0, ln_x: ln_x.0, exponent: sub(x, times(ln_x, a)) }
    }

    /// x = aβ/mean for a ≥ `STIRLING`, 0 < β, mean < ∞: where a is large, the rounding of
    /// θ = mean/a would count √a times.
    pub(crate) fn from_mean(a: f64, beta: f64, mean: f64) -> Self {
        let mu = div(two_sum(beta, -mean), (mean, 0.0));
        let ratio = div((beta, 0.0), (mean, 0.0));
        let phi = phi(mu, || ln_quotient(beta, mean, ratio));
        Self { a, x: a * ratio.0, ln_x: f64::NAN, exponent: times(phi, a) }
    }

    /// Both regularised incomplete gamma functions; the smaller one is computed as such.
    ///
    /// * a ≥ 200, |η| ≤ 0.8: Temme's uniform expansion.
    /// * x < a, or x < 1.5 where a < 1: the power series of P; Q by its own series for a < 1, where
    ///   it may be small.
    /// * elsewhere: Legendre's continued fraction of Q.
    ///
    /// The last two are reached only while e^{−E} has not underflowed, that is for a below 2500:
    /// the number of terms is bounded.
    pub(crate) fn tails(&self) -> Tails {
        let Self { a, x, ln_x, exponent } = *self;
        let below = x < if a < 1.0 { SMALL } else { a };
        let power = exp_twofold(neg(exponent));
        // x^a e^{−x}/Γ(a + 1)
        let front = power * factor(a) / if a < STIRLING { 1.0 } else { Float::sqrt(a) };
        let slope = front * a;
        // P below, Q above.
        let tail = if a >= UNIFORM && exponent.0 <= 0.5 * UNIFORM_ETA * UNIFORM_ETA * a {
            let eta = Float::sqrt(2.0 * (exponent.0 / a));
            let rest = power * FRAC_1_SQRT_2PI / Float::sqrt(a) * temme(if below { -eta } else { eta }, a);
            half_erfc(exponent) + if below { -rest } else { rest }
        } else if front <= 0.0 {
            // Also where x or E overflowed.
            0.0
        } else if below {
            front * power_series(a, x)
        } else {
            slope * continued_fraction(a, x)
        };
        let tail = tail.clamp(0.0, 1.0);
        if !below {
            Tails { p: 1.0 - tail, q: tail, slope }
        } else if a < 1.0 {
            Tails { p: tail, q: small_shape_upper(a, x, ln_x), slope }
        } else {
            Tails { p: tail, q: 1.0 - tail, slope }
        }
    }

    /// y with x^a e^{−x}/Γ(a) = eʸc, c the [`factor`](Self::factor): what may not be representable.
    pub(crate) fn slope_exponent(&self) -> Twofold {
        let (hi, lo) = ln_positive(self.a);
        sub(if self.a < STIRLING { (hi, lo) } else { (0.5 * hi, 0.5 * lo) }, self.exponent)
    }

    /// c of [`slope_exponent`](Self::slope_exponent).
    pub(crate) fn factor(&self) -> f64 {
        factor(self.a)
    }

    /// ln c of [`slope_exponent`](Self::slope_exponent).
    pub(crate) fn ln_factor(&self) -> f64 {
        if self.a < STIRLING { -ln_gamma_1p(self.a) } else { ln(FRAC_1_SQRT_2PI) - stirling(self.a) }
    }
}

/// c with x^a e^{−x}/Γ(a + 1) = e^{−E}c for a < `STIRLING`, e^{−E}c/√a elsewhere.
fn factor(a: f64) -> f64 {
    if a < STIRLING { reciprocal_gamma_1p(a) } else { FRAC_1_SQRT_2PI * exp(-stirling(a)) }
}

/// φ(μ) = μ − ln(1 + μ) ≥ 0 for μ > −1, to 1/100 ulp; `ln` gives ln(1 + μ).
///
/// |μ| ≤ 0.03: with r = μ/(2 + μ), ln(1 + μ) = 2 atanh r and μ − 2r = rμ: φ = rμ − 2r³(⅓ + r²/5 + …),
/// of which only rμ needs the second word.
fn phi(mu: Twofold, ln: impl FnOnce() -> Twofold) -> Twofold {
    if mu.0.abs() > 0.03 {
        return sub(mu, ln());
    }
    let below = two_sum(2.0, mu.0);
    let lead = div(mul(mu, mu), (below.0, below.1 + mu.1));
    let r = mu.0 / (2.0 + mu.0);
    let w = r * r;
    let (hi, lo) = two_sum(lead.0, -2.0 * r * w * f64::atanh_tail(w));
    (hi, lo + lead.1)
}

/// Σ xⁿ/((a + 1)…(a + n)), n ≥ 0, for x < a, or x < `SMALL` where a < 1.
fn power_series(a: f64, x: f64) -> f64 {
    let (mut term, mut sum, mut n) = (1.0, 1.0, a);
    for _ in 0..MAX_TERMS {
        n += 1.0;
        term *= x / n;
        sum += term;
        if term < 1e-17 * sum {
            break;
        }
    }
    sum
}

/// 1/(x + 1 − a − 1(1 − a)/(x + 3 − a − 2(2 − a)/(x + 5 − a − …))) for x ≥ a and x ≥ 1, by Lentz's
/// method.
fn continued_fraction(a: f64, x: f64) -> f64 {
    let mut b = x + 1.0 - a;
    let (mut c, mut d) = (f64::INFINITY, 1.0 / b);
    let (mut h, mut n) = (d, 0.0);
    for _ in 0..MAX_TERMS {
        n += 1.0;
        let numerator = n * (a - n);
        b += 2.0;
        d = 1.0 / (numerator * d + b);
        c = b + numerator / c;
        let factor = c * d;
        h *= factor;
        if (factor - 1.0).abs() < 1e-16 {
            break;
        }
    }
    h
}

/// Q(a, x) for a < 1, 0 ≤ x < `SMALL`: 1 − x^a(1 + a·g)(1 + a·S) with 1/Γ(1 + a) = 1 + a·g and
/// S = Σ (−x)ⁿ/((a + n)n!), n ≥ 1, multiplied out so that a factor a comes out of every term.
fn small_shape_upper(a: f64, x: f64, ln_x: f64) -> f64 {
    let (mut power, mut s, mut n) = (1.0, 0.0, 0.0);
    for _ in 0..MAX_TERMS {
        n += 1.0;
        power *= -x / n;
        let term = power / (a + n);
        s += term;
        if term.abs() <= 1e-17 * s.abs() {
            break;
        }
    }
    let g = reciprocal_gamma_slope(a);
    let rest = g + s + a * g * s;
    let grown = exp_m1(a * ln_x);
    (-(grown * (1.0 + a * rest) + a * rest)).clamp(0.0, 1.0)
}

/// Σₙ C_n(η) a⁻ⁿ of Temme's expansion (DLMF 8.12.8) for a ≥ `UNIFORM`, |η| ≤ `UNIFORM_ETA`:
/// Q = ½erfc(η√(a/2)) + e^{−aη²/2}/√(2πa)·Σ, ½η² = φ(x/a − 1).
fn temme(eta: f64, a: f64) -> f64 {
    let series = |row: &[f64]| row.iter().rev().fold(0.0, |sum, &c| sum * eta + c);
    TEMME.iter().rev().fold(0.0, |sum, row| sum / a + series(row))
}

/// δ(a) = ln Γ(a + 1) − ½ ln(2πa) − a ln a + a for a ≥ `STIRLING`.
fn stirling(a: f64) -> f64 {
    let r = 1.0 / a;
    r * (r * r).poly(&STIRLING_SERIES)
}

/// 1/Γ(1 + a) for 0 ≤ a < `STIRLING`.
fn reciprocal_gamma_1p(a: f64) -> f64 {
    // Γ(1 + a) = a(a − 1)…Γ(1 + a − n): `special` is 5e-15 off at a = 15.
    let (mut rest, mut product) = (a, 1.0);
    while rest >= 1.0 {
        product *= rest;
        rest -= 1.0;
    }
    (1.0 + rest * reciprocal_gamma_slope(rest)) / product
}

/// (1/Γ(1 + a) − 1)/a for 0 ≤ a ≤ 1.
fn reciprocal_gamma_slope(a: f64) -> f64 {
    a.poly(&RECIPROCAL_GAMMA)
}

/// k ln k − k − ln Γ(k), the logarithm of the largest density of ln B for B of Gamma(k, 1/k).
pub(crate) fn ln_gamma_peak(k: f64) -> f64 {
    if k < STIRLING {
        return (k + 1.0) * ln(k) - k - ln_gamma_1p(k);
    }
    0.5 * ln(k / (2.0 * core::f64::consts::PI)) - stirling(k)
}

/// ln Γ(1 + a) for a ≥ 0.
pub(crate) fn ln_gamma_1p(a: f64) -> f64 {
    if a < 1.0 { -ln_1p(a * reciprocal_gamma_slope(a)) } else { ::special::Gamma::ln_gamma(1.0 + a).0 }
}

/// B₂ⱼ/(2j(2j − 1)), j ≥ 1: Stirling's series of ln Γ(a + 1) in 1/a².
const STIRLING_SERIES: [f64; 7] =
    [1.0 / 12.0, -1.0 / 360.0, 1.0 / 1260.0, -1.0 / 1680.0, 1.0 / 1188.0, -691.0 / 360_360.0, 1.0 / 156.0];

/// Taylor coefficients of (1/Γ(1 + a) − 1)/a (`python3 xtask/generators/statistics.py tables`).
const RECIPROCAL_GAMMA: [f64; 26] = [
    0.5772156649015329,
    -0.6558780715202539,
    -0.04200263503409524,
    0.16653861138229148,
    -0.04219773455554433,
    -0.009621971527876973,
    0.0072189432466631,
    -0.0011651675918590652,
    -0.00021524167411495098,
    0.0001280502823881162,
    -2.013485478078824e-05,
    -1.2504934821426706e-06,
    1.133027231981696e-06,
    -2.056338416977607e-07,
    6.116095104481416e-09,
    5.002007644469223e-09,
    -1.18127457048702e-09,
    1.0434267116911005e-10,
    7.782263439905071e-12,
    -3.696805618642206e-12,
    5.100370287454476e-13,
    -2.0583260535665066e-14,
    -5.348122539423018e-15,
    1.2267786282382608e-15,
    -1.1812593016974588e-16,
    1.1866922547516004e-18,
];

/// Taylor coefficients of C_n(η) in Temme's expansion, rows n = 0..7, each cut where its terms fall
/// below 3e-19·aⁿ at η = 0.8, a = 200 (`python3 xtask/generators/statistics.py tables`).
const TEMME: [&[f64]; 7] = [
    &[
        -0.3333333333333333,
        0.08333333333333333,
        -0.014814814814814815,
        0.0011574074074074073,
        0.0003527336860670194,
        -0.0001787551440329218,
        3.919263178522438e-05,
        -2.185448510679992e-06,
        -1.85406221071516e-06,
        8.296711340953087e-07,
        -1.7665952736826078e-07,
        6.707853543401498e-09,
        1.0261809784240309e-08,
        -4.382036018453353e-09,
        9.14769958223679e-10,
        -2.5514193994946248e-11,
        -5.830772132550426e-11,
        2.4361948020667415e-11,
        -5.0276692801141755e-12,
        1.1004392031956135e-13,
        3.371763262400985e-13,
        -1.392388722418162e-13,
        2.8534893807047445e-14,
        -5.139111834242572e-16,
        -1.9752288294349442e-15,
        8.099521156704561e-16,
        -1.6522531216398162e-16,
    ],
    &[
        -0.001851851851851852,
        -0.003472222222222222,
        0.0026455026455026454,
        -0.0009902263374485596,
        0.00020576131687242798,
        -4.018775720164609e-07,
        -1.8098550334489977e-05,
        7.64916091608111e-06,
        -1.6120900894563446e-06,
        4.647127802807434e-09,
        1.378633446915721e-07,
        -5.752545603517705e-08,
        1.1951628599778148e-08,
        -1.7543241719747647e-11,
        -1.0091543710600413e-09,
        4.162792991842583e-10,
        -8.56390702649298e-11,
        6.067215101604758e-14,
        7.1624989648114856e-12,
        -2.933186643771437e-12,
        5.996696365683689e-13,
        -2.1671786527323313e-16,
        -4.978339972369262e-14,
        2.0291628823713425e-14,
    ],
    &[
        0.004133597883597883,
        -0.0026813271604938273,
        0.0007716049382716049,
        2.0093878600823047e-06,
        -0.0001073665322636516,
        5.2923448829120125e-05,
        -1.2760635188618728e-05,
        3.423578734096138e-08,
        1.3721957309062934e-06,
        -6.298992138380055e-07,
        1.4280614206064242e-07,
        -2.0477098421990866e-10,
        -1.409252991086752e-08,
        6.228974084922022e-09,
        -1.3670488396617114e-09,
        9.428356159014678e-13,
        1.2872252400089318e-10,
        -5.5645956134363323e-11,
        1.197593554636698e-11,
    ],
    &[
        0.0006494341563786008,
        0.00022947209362139917,
        -0.0004691894943952557,
        0.00026772063206283885,
        -7.561801671883977e-05,
        -2.396505113867297e-07,
        1.1082654115347302e-05,
        -5.6749528269915965e-06,
        1.4230900732435883e-06,
        -2.7861080291528143e-11,
        -1.6958404091930278e-07,
        8.099464905388083e-08,
        -1.9111168485973655e-08,
        2.3928620439808118e-12,
        2.0620131815488797e-09,
        -9.460496661855133e-10,
        2.1541049775774907e-10,
    ],
    &[
        -0.0008618882909167117,
        0.0007840392217200666,
        -0.0002990724803031902,
        -1.4638452578843418e-06,
        6.641498215465122e-05,
        -3.968365047179435e-05,
        1.1375726970678419e-05,
        2.507497226237533e-10,
        -1.6954149536558305e-06,
        8.907507532205309e-07,
        -2.292934834000805e-07,
        2.956794137544049e-11,
        2.8865829742708783e-08,
        -1.4189739437803219e-08,
    ],
    &[
        -0.00033679855336635813,
        -6.972813758365857e-05,
        0.0002772753244959392,
        -0.00019932570516188847,
        6.797780477937208e-05,
        1.419062920643967e-07,
        -1.3594048189768693e-05,
        8.018470256334202e-06,
        -2.291481176508095e-06,
    ],
    &[
        0.0005313079364639922,
        -0.0005921664373536939,
        0.0002708782096718045,
        7.902353232660328e-07,
        -8.153969367561969e-05,
    ],
];
