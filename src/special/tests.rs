//! Accuracy of the elementary functions against `tests/data/elementary.csv` (1000-bit reference values,
//! `tools/elementary.py`), and the tables of `tables.rs` from their definitions.

// The crate is no_std without the feature `std`; its tests are not.
#[allow(unused_extern_crates)]
extern crate std;

use super::elementary::{atan_parts, exp, exp_node, exp_parts, ln, ln_1p_parts, sin_cos};
use super::tables::{ABEL_PLANA_T, ABEL_PLANA_W, ATAN, ATANH, ATANH5, BOOLE, COS, EXP, SIN};
use super::twofold::{ln_1p_twofold, ln_twofold, product_error, two_prod, two_sum};
use super::{log_sigmoid, neg_ln_1m, sigmoid, softplus, two_atanh};
use crate::lanes::{Block, Lanes};
use core::f64::consts::{FRAC_2_PI, LN_2, PI};
use std::vec::Vec;
use std::{println, vec};

/// What is measured, the bound on its error in units of the spacing of f64 at the result, and why it
/// is not smaller. The bounds are some 10 % above the worst of 25 000 random points per function; the
/// bits do not depend on the target.
const BOUNDS: [(&str, f64, &str); 25] = [
    ("exp", 1.0, "½ for the last sum, the rest from p and r"),
    ("exp, subnormal", 0.6, "½ for rounding to the coarse grid"),
    ("exp_node", 1.0, "as exp"),
    ("exp_parts.exp", 1.0, "as exp"),
    ("exp_parts.exp_m1, near", 1.0, "½ for the last sum, the rest from p"),
    ("exp_parts.exp_m1, far", 2.2, "2ⁿ − 1 is up to 2.4 times the result"),
    ("exp_parts.exp_m1_my, near", 2.6, "two products and the polynomial"),
    ("exp_parts.exp_m1_my, far", 10.5, "at |y| = ½ ln 2, eʸ − 1 is 6 times the result"),
    ("ln", 1.25, "three roundings at a result near ½ ln 2: f, s·f and the sum"),
    ("ln_1p_parts.0", 2.1, "2 + z, s and the sum 2s + 2s³P, each rounded"),
    ("ln_1p_parts.1", 10.5, "at z = 1, ln(1 + z) is 3.6 times the result"),
    ("atan_parts.0", 1.25, "base and t rounded, then their sum"),
    ("atan_parts.1, near", 4.8, "1/(1 + τ²) is 1.5 times the difference, and three products"),
    ("atan_parts.1, far", 15.0, "at τ = 0.61, atan τ is 5 times the result"),
    ("sin", 1.5, "½ for r, up to twice that for a cosine at r = π/4, and the last sum"),
    ("cos", 1.5, "as sin"),
    ("sin, |x| < π/4", 0.8, "½ for the last sum"),
    ("cos, |x| < π/4", 1.05, "½ for the last sum, the rest from w = r²"),
    ("sigmoid", 2.4, "exp, 1 + e and the quotient"),
    ("softplus", 2.7, "exp and ln_1p_parts.0"),
    ("log_sigmoid", 2.7, "as softplus"),
    ("neg_ln_1m", 1.8, "2 − t and s rounded, then two_atanh"),
    ("two_atanh", 0.65, "½ for the last sum"),
    ("ln_twofold, 2⁻⁶⁰", 0.5, "s⁵(…) in one part, and the error of ATANH5"),
    ("ln_1p_twofold, 2⁻⁶⁰", 0.5, "as ln_twofold"),
];

/// hi + rest·spacing.
struct Reference {
    hi: f64,
    rest: f64,
    spacing: f64,
}

impl Reference {
    fn new(text: &str) -> Self {
        let (hi, rest) = text.split_once(':').unwrap();
        let (hi, rest) = (number(hi), rest.parse::<f64>().unwrap());
        let size = hi.abs();
        let outward = rest * hi.signum() >= 0.0;
        Self { hi, rest, spacing: if outward { size.next_up() - size } else { size - size.next_down() } }
    }

    /// |x + lo − reference| in spacings.
    fn error(&self, x: f64, lo: f64) -> f64 {
        let error = ((x - self.hi) / self.spacing - self.rest) + lo / self.spacing;
        // `max` would pass over NaN.
        if error.is_nan() { f64::INFINITY } else { error.abs() }
    }
}

fn number(bits: &str) -> f64 {
    f64::from_bits(u64::from_str_radix(bits, 16).unwrap())
}

/// Inputs and references of one function.
fn rows(name: &str) -> impl Iterator<Item = (Vec<f64>, Vec<Reference>)> {
    include_str!("../../tests/data/elementary.csv").lines().filter_map(move |line| {
        let fields = line.strip_prefix(name)?.strip_prefix(',')?.split(',');
        let (results, inputs): (Vec<&str>, Vec<&str>) = fields.partition(|field| field.contains(':'));
        Some((inputs.into_iter().map(number).collect(), results.into_iter().map(Reference::new).collect()))
    })
}

/// Asserts the bound, and that it is not loose: at most three times the error found.
fn check(name: &str, errors: impl Iterator<Item = (f64, f64)>) {
    let (worst, at) = errors.fold((0.0, f64::NAN), |a, b| if b.0 > a.0 { b } else { a });
    println!("{name}: {worst:.4} at {at:e}");
    let (_, bound, why) = BOUNDS.iter().find(|b| b.0 == name).unwrap();
    assert!(worst <= *bound, "{name}: error {worst} at {at:e}, bound {bound} ({why})");
    assert!(3.0 * worst >= *bound, "{name}: the bound {bound} is loose, the error is {worst}");
}

/// The errors of a function of one argument with one result; `part` selects the reference.
fn errors(name: &str, part: usize, f: impl Fn(f64) -> f64) -> impl Iterator<Item = (f64, f64)> {
    rows(name).map(move |(x, r)| (r[part].error(f(x[0]), 0.0), x[0]))
}

#[test]
fn exp_accuracy() {
    let normal = |x: f64| x >= -708.39;
    check("exp", errors("exp", 0, exp).filter(|e| normal(e.1)));
    check("exp, subnormal", errors("exp", 0, exp).filter(|e| !normal(e.1)));
    check("exp_node", errors("exp", 0, exp_node).filter(|e| (-707.0..=709.0).contains(&e.1)));
    check("exp_parts.exp", errors("exp_parts", 0, |y| exp_parts(y).exp));
    // |y| ≤ ½ ln 2 is the range without reduction.
    let near = |e: &(f64, f64)| e.1.abs() <= 0.5 * LN_2;
    let m1 = || errors("exp_parts", 1, |y| exp_parts(y).exp_m1);
    check("exp_parts.exp_m1, near", m1().filter(near));
    check("exp_parts.exp_m1, far", m1().filter(|e| !near(e)));
    let m1_my = || errors("exp_parts", 2, |y| exp_parts(y).exp_m1_my);
    check("exp_parts.exp_m1_my, near", m1_my().filter(near));
    check("exp_parts.exp_m1_my, far", m1_my().filter(|e| !near(e)));
}

#[test]
fn ln_accuracy() {
    check("ln", errors("ln", 0, ln));
    check("ln_1p_parts.0", errors("ln_1p_parts", 0, |z| ln_1p_parts(z).0));
    check("ln_1p_parts.1", errors("ln_1p_parts", 1, |z| ln_1p_parts(z).1));
}

#[test]
fn atan_accuracy() {
    check("atan_parts.0", errors("atan_parts", 0, |t| atan_parts(t).0));
    check("atan_parts.1, near", errors("atan_parts", 1, |t| atan_parts(t).1).filter(|e| e.1 < 0.61));
    check("atan_parts.1, far", errors("atan_parts", 1, |t| atan_parts(t).1).filter(|e| e.1 >= 0.61));
}

#[test]
fn sin_cos_accuracy() {
    // n π/2 is known to |n|·6e−27: what the error exceeds that by.
    let beyond = |r: &Reference, got: f64, x: f64| {
        (r.error(got, 0.0) - (x * FRAC_2_PI).round().abs() * 6e-27 / r.spacing).max(0.0)
    };
    check("sin", rows("sin_cos").map(|(x, r)| (beyond(&r[0], sin_cos(x[0]).0, x[0]), x[0])));
    check("cos", rows("sin_cos").map(|(x, r)| (beyond(&r[1], sin_cos(x[0]).1, x[0]), x[0])));
    // Without reduction nothing is forgiven.
    let near = |e: &(f64, f64)| e.1.abs() <= 0.78;
    check("sin, |x| < π/4", errors("sin_cos", 0, |x| sin_cos(x).0).filter(near));
    check("cos, |x| < π/4", errors("sin_cos", 1, |x| sin_cos(x).1).filter(near));
}

#[test]
fn logistic_accuracy() {
    check("sigmoid", errors("logistic", 0, sigmoid::<f64>));
    check("softplus", errors("logistic", 1, softplus::<f64>));
    check("log_sigmoid", errors("logistic", 1, |x| -log_sigmoid(-x)));
    check("neg_ln_1m", errors("neg_ln_1m", 0, neg_ln_1m));
    check("two_atanh", errors("two_atanh", 0, two_atanh));
}

#[test]
fn twofold_accuracy() {
    // In units of 2⁻⁶⁰ of the result.
    let relative = |r: &Reference, (hi, lo): (f64, f64)| {
        let error = r.error(hi, lo);
        if error == 0.0 { 0.0 } else { error * (r.spacing / r.hi.abs()) * 2f64.powi(60) }
    };
    check(
        "ln_twofold, 2⁻⁶⁰",
        rows("ln_twofold").map(|(x, r)| (relative(&r[0], ln_twofold(x[0], x[1])), x[0])),
    );
    check(
        "ln_1p_twofold, 2⁻⁶⁰",
        rows("ln_1p_twofold").map(|(x, r)| (relative(&r[0], ln_1p_twofold(x[0])), x[0])),
    );
}

#[test]
fn special_values() {
    let inf = f64::INFINITY;
    let same = |x: f64, y: f64| assert!(x.to_bits() == y.to_bits(), "{x:e} instead of {y:e}");
    assert!(exp(f64::NAN).is_nan() && ln(f64::NAN).is_nan() && ln(-1e-300).is_nan() && ln(-inf).is_nan());
    for (x, y) in
        [(-inf, 0.0), (-1e300, 0.0), (-746.0, 0.0), (-0.0, 1.0), (0.0, 1.0), (709.8, inf), (inf, inf)]
    {
        same(exp(x), y);
    }
    for (x, y) in [(-inf, 0.0), (-707.1, 0.0), (0.0, 1.0), (-0.0, 1.0)] {
        same(exp_node(x), y);
    }
    assert!(!exp_node(f64::NAN).is_nan());
    for (x, y) in [(0.0, -inf), (-0.0, -inf), (1.0, 0.0), (inf, inf)] {
        same(ln(x), y);
    }
    let low = exp_parts(-inf);
    same(low.exp, exp(-700.0));
    same(low.exp_m1, -1.0);
    same(low.exp_m1_my, 699.0);
    let zero = exp_parts(0.0);
    assert!((zero.exp, zero.exp_m1, zero.exp_m1_my) == (1.0, 0.0, 0.0));
    assert!(ln_1p_parts(0.0) == (0.0, 0.0) && atan_parts(0.0) == (0.0, 0.0) && sin_cos(0.0) == (0.0, 1.0));
    assert!(neg_ln_1m(0.0) == 0.0 && two_atanh(0.0) == 0.0);
    assert!(ln_twofold(1.0, 0.0) == (0.0, 0.0) && ln_1p_twofold(5e-324) == (5e-324, 0.0));
    for (x, s, l, p) in
        [(-inf, 0.0, -inf, 0.0), (inf, 1.0, -0.0, inf), (0.0, 0.5, -LN_2, LN_2), (-0.0, 0.5, -LN_2, LN_2)]
    {
        same(sigmoid(x), s);
        same(log_sigmoid(x), l);
        same(softplus(x), p);
    }
    assert!(sigmoid(f64::NAN).is_nan() && log_sigmoid(f64::NAN).is_nan() && softplus(f64::NAN).is_nan());
    assert!(
        sigmoid(f32::NAN).is_nan() && sigmoid(-200f32) == 0.0 && sigmoid(-100f32) == (-100f64).exp() as f32
    );
}

/// Random bits (splitmix64).
struct Random(u64);

impl Random {
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    fn uniform(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * (self.bits() >> 11) as f64 * 2f64.powi(-53)
    }

    /// An integer of at most `size` bits with its sign.
    fn integer(&mut self, size: u32) -> i64 {
        let x = (self.bits() >> (64 - size)) as i64;
        if self.bits() & 1 == 0 { x } else { -x }
    }
}

/// Asserts that blocks of 4 and 8 lanes give the bits that single numbers give.
macro_rules! same_in_blocks {
    ($inputs:expr, $x:ident => $($result:expr),+) => {
        for chunk in $inputs.chunks_exact(8) {
            let eight: Vec<[f64; 8]> = { let $x = Block::<8>::load(chunk); vec![$($result.0),+] };
            let low: Vec<[f64; 4]> = { let $x = Block::<4>::load(chunk); vec![$($result.0),+] };
            let high: Vec<[f64; 4]> = { let $x = Block::<4>::load(&chunk[4..]); vec![$($result.0),+] };
            for (i, &$x) in chunk.iter().enumerate() {
                let one: Vec<f64> = vec![$($result),+];
                for (k, &one) in one.iter().enumerate() {
                    let four = if i < 4 { low[k][i] } else { high[k][i - 4] };
                    for y in [four, eight[k][i]] {
                        let same = one.to_bits() == y.to_bits() || (one.is_nan() && y.is_nan());
                        assert!(same, "result {k} at {:e}: {one:e} alone, {y:e} in a block", $x);
                    }
                }
            }
        }
    };
}

#[test]
fn blocks_equal_single_numbers() {
    let mut random = Random(1);
    let mut draw = |low, high| -> Vec<f64> { (0..8000).map(|_| random.uniform(low, high)).collect() };
    let (logs, angles, moderate) = (draw(-46.0, 300.0), draw(-1e5, 1e5), draw(-760.0, 720.0));
    let positive: Vec<f64> = logs.iter().map(|x| x.exp()).collect();
    let mut any: Vec<f64> = (0..8000).map(|_| f64::from_bits(random.bits())).collect();
    any.extend([f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, -0.0, 5e-324, 1.0, -1.0]);

    for inputs in [&any, &moderate] {
        same_in_blocks!(inputs, x => exp(x), exp_node(x), exp_parts(x).exp, exp_parts(x).exp_m1, exp_parts(x).exp_m1_my);
        same_in_blocks!(inputs, x => ln(x), x + x, x - x * x, x / (x + x), -x, x.poly(&[0.5, -2.0, 3.0]));
        same_in_blocks!(inputs, x => x.at_least(-3.0), x.at_most(3.0), x.select_lt(Lanes::splat(1.0), x, -x));
    }
    same_in_blocks!(positive, x => ln(x), ln_1p_parts(x).0, ln_1p_parts(x).1, x.split().0, x.split().1);
    same_in_blocks!(positive, x => atan_parts(x).0, atan_parts(x).1);
    same_in_blocks!(angles, x => sin_cos(x).0, sin_cos(x).1, x.round_int(), x.poly(&EXP), x.poly(&SIN));
    same_in_blocks!(moderate, x => x.round_int().exp2_int());
}

#[test]
fn lanes() {
    for n in -1022..=1023 {
        assert_eq!(f64::from(n).exp2_int(), 2f64.powi(n));
    }
    let mut random = Random(2);
    for _ in 0..10_000 {
        let x = random.uniform(-1.0, 1.0) * 2f64.powi(random.integer(6) as i32).min(2f64.powi(51));
        assert_eq!(x.round_int(), x.round_ties_even());
        let x = f64::from_bits(random.bits() >> 1);
        if x.is_normal() {
            let (m, n) = x.split();
            assert!(
                (1.0..2.0).contains(&m)
                    && x == m * (n * 0.5).floor().exp2_int() * (n * 0.5).ceil().exp2_int()
            );
        }
    }
    for x in [0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 0.49999999999999994, 2_251_799_813_685_247.5] {
        assert_eq!(x.round_int(), x.round_ties_even());
    }
    assert!(f64::NAN.at_least(2.0) == 2.0 && 1.0.at_least(2.0) == 2.0 && 3.0.at_least(2.0) == 3.0);
    assert!(f64::NAN.at_most(2.0) == 2.0 && 1.0.at_most(2.0) == 1.0 && 3.0.at_most(2.0) == 2.0);
    assert!(f64::NAN.select_lt(1.0, 2.0, 3.0) == 3.0 && 0.0.select_lt(f64::NAN, 2.0, 3.0) == 3.0);
    // Even and odd lengths: Σ (j + 1)·3ʲ exactly.
    macro_rules! poly {
        ($($n:literal)*) => {$(
            let c: [f64; $n] = core::array::from_fn(|j| (j + 1) as f64);
            let exact: i64 = (0..$n).map(|j| (j + 1) * 3i64.pow(j as u32)).sum();
            assert_eq!(3.0.poly(&c), exact as f64);
        )*};
    }
    poly!(2 3 4 5 6 7 12 13);
    assert_eq!(Block::<8>::from_fn(|j| j as f64).sum(), 28.0);
    assert_eq!(Block::<4>::load(&[1.0, 2.0, 4.0, 8.0, 16.0]).sum(), 15.0);
}

/// x·2^scale, an integer.
fn integer(x: f64, scale: i32) -> i128 {
    let scaled = x * 2f64.powi(scale);
    assert!(scaled == scaled.trunc() && scaled.abs() < 2f64.powi(126));
    scaled as i128
}

#[test]
fn sums_and_products_are_exact() {
    let mut random = Random(3);
    for _ in 0..50_000 {
        let (a, b) = (random.integer(53), random.integer(53));
        let shift = (random.bits() % 70) as i32;
        let (x, y) = (a as f64, b as f64 * 2f64.powi(-shift));
        for (x, y) in [(x, y), (y, x)] {
            let (hi, lo) = two_sum(x, y);
            assert_eq!(hi, x + y);
            assert_eq!(integer(hi, shift) + integer(lo, shift), integer(x, shift) + integer(y, shift));
        }
        let (hi, lo) = two_prod(a as f64, b as f64);
        assert_eq!(hi, a as f64 * b as f64);
        assert_eq!(integer(hi, 0) + integer(lo, 0), i128::from(a) * i128::from(b));
        // Exponents at the ends of the range where the halves still fit.
        let (x, y) = (a as f64 * 2f64.powi(900), b as f64 * 2f64.powi(-900));
        assert_eq!(two_prod(x, y), (hi, lo));

        let (a, b) = (a.abs().max(1), b.abs().max(1));
        let (x, y) = (a as f64, b as f64);
        let exact = i128::from(a) * i128::from(b) - integer(x * y, 0);
        let delta = exact as f64 / (x * y);
        for (x, y) in [(x, y), (x * 2f64.powi(-1000), y * 2f64.powi(960))] {
            let got = product_error(x, y);
            assert!((got - delta).abs() <= f64::EPSILON * delta.abs(), "{x} {y}");
        }
    }
    for odd in [0.0, 5e-324, f64::INFINITY, f64::NAN] {
        assert!(product_error(odd, 3.0) == 0.0 && product_error(3.0, odd) == 0.0);
    }
}

/// Double-double arithmetic, to 100 bits and more.
type Twofold = (f64, f64);

fn add(a: Twofold, b: Twofold) -> Twofold {
    let (hi, lo) = two_sum(a.0, b.0);
    two_sum(hi, lo + (a.1 + b.1))
}

fn mul(a: Twofold, b: Twofold) -> Twofold {
    let (hi, lo) = two_prod(a.0, b.0);
    two_sum(hi, lo + (a.0 * b.1 + a.1 * b.0))
}

fn reciprocal(d: f64) -> Twofold {
    let hi = 1.0 / d;
    let (back, rest) = two_prod(hi, d);
    (hi, ((1.0 - back) - rest) / d)
}

/// Σ cⱼwʲ.
fn horner(c: impl DoubleEndedIterator<Item = Twofold>, w: f64) -> Twofold {
    c.rev().fold((0.0, 0.0), |sum, c| add(mul(sum, (w, 0.0)), c))
}

/// Asserts that the largest error on (0, `end`] of a polynomial for Σ (±w)ʲ/(2j + `first`) is the one
/// that its documentation states.
fn approximates(polynomial: &[f64], first: i32, sign: f64, end: f64, stated: f64) {
    let mut worst: f64 = 0.0;
    for i in 1..=4000 {
        let w = end * f64::from(i) / 4000.0;
        // Until the terms are below 2⁻¹⁰⁰.
        let series = (0..80).map(|j| {
            let (hi, lo) = reciprocal(f64::from(2 * j + first));
            let sign = sign.powi(j);
            (sign * hi, sign * lo)
        });
        let exact = horner(series, w);
        let approximation = horner(polynomial.iter().map(|&c| (c, 0.0)), w);
        let difference = add(approximation, (-exact.0, -exact.1));
        worst = worst.max(difference.0.abs());
    }
    // Stated with two digits, from another grid.
    assert!(worst <= 1.02 * stated && worst >= 0.9 * stated, "{worst:e} instead of {stated:e}");
}

#[test]
fn atanh_and_atan_polynomials() {
    approximates(&ATANH, 3, 1.0, 0.11112, 6.8e-17);
    approximates(&ATANH5, 5, 1.0, 0.02945, 1.5e-16);
    approximates(&ATAN, 3, -1.0, 0.3722, 3.5e-17);
}

#[test]
fn taylor_tables() {
    // n! is exact up to n = 18, so that 1/n! is correctly rounded.
    let factorial = |n: usize| (1..=n).map(|i| i as f64).product::<f64>();
    let sign = |n: usize| if n.is_multiple_of(2) { 1.0 } else { -1.0 };
    for (n, &c) in EXP.iter().enumerate() {
        assert_eq!(c, 1.0 / factorial(n + 2));
    }
    for (n, &c) in SIN.iter().enumerate() {
        assert_eq!(c, -sign(n) / factorial(2 * n + 3));
    }
    for (n, &c) in COS.iter().enumerate() {
        assert_eq!(c, sign(n) / factorial(2 * n + 4));
    }
    // f = ½ tanh(u/2) has f′ = ¼ − f², so (2i + 1)bᵢ = −Σ bⱼbₗ over j + l = i − 1: no cancellation.
    let mut b = vec![(0.25, 0.0)];
    for i in 1..BOOLE.len() {
        let sum = (0..i).fold((0.0, 0.0), |sum, j| add(sum, mul(b[j], b[i - 1 - j])));
        b.push(mul((-sum.0, -sum.1), reciprocal((2 * i + 1) as f64)));
    }
    assert!(BOOLE.iter().zip(&b).all(|(x, y)| *x == y.0));
}

#[test]
fn abel_plana_tables() {
    let close =
        |x: f64, y: f64, ulp: f64| assert!((x - y).abs() <= ulp * f64::EPSILON * y, "{x} instead of {y}");
    let n = ABEL_PLANA_T.len();
    let h = 15.5f64.asinh() / (n as f64 - 0.5);
    for (j, (&t, &w)) in ABEL_PLANA_T.iter().zip(&ABEL_PLANA_W).enumerate() {
        // An error of half an ulp in u ≤ 3.5 is one of 1.75 ulp in its sinh.
        let u = (j as f64 + 0.5) * h;
        close(t, u.sinh(), 6.0);
        // sinh πt, with the rounding of πt ≤ 49 put back.
        let (p, rest) = two_prod(PI, t);
        let rest = rest + 1.224_646_799_147_353_2e-16 * t;
        close(w, h * u.cosh() / (p.sinh() + p.cosh() * rest), 6.0);
    }
    assert_eq!(ABEL_PLANA_T[n - 1], 15.5);
}
