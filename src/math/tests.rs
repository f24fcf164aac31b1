//! Accuracy of the elementary functions on every instruction set, in f64 against
//! `tests/data/elementary.csv` (1000-bit reference values, `xtask/generators/elementary.py`) and in f32 against f64;
//! the operations of [`Lanes`]; the tables of `tables.rs` and of the polynomials from their definitions; and limits of the quantile's
//! derivative in a Gamma shape.

// The crate is no_std without the feature `std`; its tests are not.
#[allow(unused_extern_crates, reason = "with the feature `std` it is there already")]
extern crate std;

use super::elementary::{atan_parts, exp, exp_m1, exp_node, exp_parts, ln, ln_1p, ln_1p_parts, sin_cos};
use super::gamma_shape::{NODES, WEIGHTS, shape_elasticity};
use super::tables::{ABEL_PLANA_T, ABEL_PLANA_W, ATANH5, BOOLE};
use super::twofold::{ln_1p_twofold, ln_twofold, product_error, two_prod, two_sum};
use super::{log_sigmoid, neg_ln_1m, sigmoid, softplus, two_atanh};
use crate::lanes::polynomials::{ATAN, ATAN_F32, ATANH, ATANH_F32, COS, COS_F32, EXP, EXP_F32, SIN, SIN_F32};
use crate::lanes::{Block, Isa, Lanes, MAX_LANES, Scalar, Vectorised};
use crate::level::Level;
use core::f64::consts::{FRAC_2_PI, LN_2, PI};
use core::marker::PhantomData;
use num_traits::Float;
use std::vec::Vec;
use std::{println, vec};

/// What is measured, the bound on its error in units of the spacing of its type at the result, and why
/// it is not smaller. The bounds are some 10 % above the worst of 25 000 random points per function (f32:
/// of every 13th number), on any level; the bits of single numbers do not depend on the target.
const BOUNDS: [(&str, f64, &str); 43] = [
    ("exp", 1.0, "½ for the last sum, the rest from p and r"),
    ("exp, subnormal", 0.6, "½ for rounding to the coarse grid"),
    ("exp_node", 1.0, "as exp"),
    ("exp_parts.exp", 1.0, "as exp"),
    ("exp_parts.exp_m1, near", 1.0, "½ for the last sum, the rest from p"),
    ("exp_parts.exp_m1, far", 2.2, "2ⁿ − 1 is up to 2.4 times the result"),
    ("exp_parts.exp_m1_my, near", 2.6, "two products and the polynomial"),
    ("exp_parts.exp_m1_my, far", 10.5, "at |y| = ½ ln 2, eʸ − 1 is 6 times the result"),
    ("exp_m1", 1.3, "½ for the last sum, and p, which is ⅛ of the result at y = ½ ln 2 and doubled there"),
    ("ln", 1.25, "three roundings at a result near ½ ln 2: f, s·f and the sum"),
    ("ln_1p", 1.1, "½ for the last sum, the rest from s·f"),
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
    ("exp, f32", 1.05, "as in f64, with subnormal results"),
    ("exp_node, f32", 1.05, "as exp"),
    ("exp_parts.exp, f32", 1.05, "as exp"),
    ("exp_parts.exp_m1, f32", 1.8, "as in f64"),
    ("exp_parts.exp_m1_my, near, f32", 3.2, "as in f64"),
    ("exp_parts.exp_m1_my, far, f32", 8.0, "as in f64"),
    ("exp_m1, f32", 1.3, "as in f64"),
    ("ln, f32", 1.25, "as in f64"),
    ("ln_1p, f32", 1.1, "as in f64"),
    ("ln_1p_parts.0, f32", 2.2, "as in f64"),
    ("ln_1p_parts.1, f32", 11.0, "as in f64"),
    ("atan_parts.0, f32", 1.4, "as in f64"),
    ("atan_parts.1, near, f32", 6.5, "as in f64; in 1/(1 + τ²) − Q, ATAN_F32 errs by an ulp more"),
    ("atan_parts.1, far, f32", 16.5, "as in f64"),
    ("sin, f32", 1.6, "as in f64"),
    ("cos, f32", 1.6, "as sin"),
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

/// The levels of this machine; says which it lacks.
fn levels() -> Vec<Level> {
    let found = |name: &&str| name.parse::<Level>().inspect_err(|_| println!("SKIPPED: level {name}")).ok();
    Level::NAMES.iter().filter_map(found).collect()
}

/// A function on lanes of any kind.
trait Function: Copy {
    fn at<V: Lanes>(self, x: V) -> V;
}

macro_rules! functions {
    ($($name:ident($x:ident) = $value:expr;)*) => {$(
        #[derive(Clone, Copy)]
        struct $name;
        impl Function for $name {
            #[inline(always)]
            fn at<V: Lanes>(self, $x: V) -> V {
                $value
            }
        }
    )*};
}
functions! {
    Exp(x) = exp(x);
    ExpNode(x) = exp_node(x);
    PartsExp(x) = exp_parts(x).exp;
    PartsExpM1(x) = exp_parts(x).exp_m1;
    PartsExpM1My(x) = exp_parts(x).exp_m1_my;
    ExpM1(x) = exp_m1(x);
    Ln(x) = ln(x);
    Ln1p(x) = ln_1p(x);
    PartsLn1p(x) = ln_1p_parts(x).0;
    PartsLn1pRest(x) = ln_1p_parts(x).1;
    Atan(x) = atan_parts(x).0;
    AtanRest(x) = atan_parts(x).1;
    Sin(x) = sin_cos(x).0;
    Cos(x) = sin_cos(x).1;
}

/// Writes f(x) for every x, whose number is a multiple of that of the lanes.
struct Map<'a, T, F>(F, &'a [T], &'a mut [T]);

impl<T: Scalar, F: Function> Vectorised for Map<'_, T, F> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let n = <T::On<I>>::N;
        for (x, y) in self.1.chunks_exact(n).zip(self.2.chunks_exact_mut(n)) {
            self.0.at(<T::On<I>>::load(x)).store(y);
        }
    }
}

/// f(x) for every x on a level.
fn map<T: Scalar>(level: Level, f: impl Function, x: &[T]) -> Vec<T> {
    let mut padded = x.to_vec();
    padded.resize(x.len().next_multiple_of(MAX_LANES), T::num(1.0));
    let mut y = padded.clone();
    level.dispatch(Map(f, &padded, &mut y));
    y.truncate(x.len());
    y
}

/// As [`errors`], on a level.
fn errors_on(level: Level, name: &str, part: usize, f: impl Function) -> impl Iterator<Item = (f64, f64)> {
    let (x, r): (Vec<f64>, Vec<Vec<Reference>>) = rows(name).map(|(x, r)| (x[0], r)).unzip();
    let y = map(level, f, &x);
    (0..x.len()).map(move |i| (r[i][part].error(y[i], 0.0), x[i]))
}

#[test]
fn exp_accuracy() {
    for level in levels() {
        println!("level {level}");
        let normal = |e: &(f64, f64)| e.1 >= -708.39;
        let all = || errors_on(level, "exp", 0, Exp);
        check("exp", all().filter(normal));
        check("exp, subnormal", all().filter(|e| !normal(e)));
        let node = errors_on(level, "exp", 0, ExpNode);
        check("exp_node", node.filter(|e| (-707.0..=709.0).contains(&e.1)));
        check("exp_parts.exp", errors_on(level, "exp_parts", 0, PartsExp));
        // |y| ≤ ½ ln 2 is the range without reduction.
        let near = |e: &(f64, f64)| e.1.abs() <= 0.5 * LN_2;
        let m1 = || errors_on(level, "exp_parts", 1, PartsExpM1);
        check("exp_parts.exp_m1, near", m1().filter(near));
        check("exp_parts.exp_m1, far", m1().filter(|e| !near(e)));
        let m1_my = || errors_on(level, "exp_parts", 2, PartsExpM1My);
        check("exp_parts.exp_m1_my, near", m1_my().filter(near));
        check("exp_parts.exp_m1_my, far", m1_my().filter(|e| !near(e)));
        check("exp_m1", errors_on(level, "exp_parts", 1, ExpM1));
    }
}

#[test]
fn ln_accuracy() {
    for level in levels() {
        println!("level {level}");
        check("ln", errors_on(level, "ln", 0, Ln));
        check("ln_1p_parts.0", errors_on(level, "ln_1p_parts", 0, PartsLn1p));
        check("ln_1p_parts.1", errors_on(level, "ln_1p_parts", 1, PartsLn1pRest));
        // Negative arguments: −ln(1 − t) for t ≤ ½, and ln u where u − 1 is exact.
        let positive = errors_on(level, "ln_1p_parts", 0, Ln1p);
        let (z, r): (Vec<f64>, Vec<Reference>) = rows("neg_ln_1m")
            .map(|(t, mut r)| (-t[0], r.remove(0)))
            .chain(rows("ln").map(|(u, mut r)| (u[0] - 1.0, u[0], r.remove(0))).filter_map(|(z, u, r)| {
                // Of a sum without rounding.
                (two_sum(u, -1.0).1 == 0.0 && z < 0.0)
                    .then_some((z, Reference { hi: -r.hi, rest: -r.rest, ..r }))
            }))
            .unzip();
        let y = map(level, Ln1p, &z);
        check("ln_1p", positive.chain((0..z.len()).map(|i| (r[i].error(-y[i], 0.0), z[i]))));
    }
}

#[test]
fn atan_accuracy() {
    for level in levels() {
        println!("level {level}");
        check("atan_parts.0", errors_on(level, "atan_parts", 0, Atan));
        let rest = || errors_on(level, "atan_parts", 1, AtanRest);
        check("atan_parts.1, near", rest().filter(|e| e.1 < 0.61));
        check("atan_parts.1, far", rest().filter(|e| e.1 >= 0.61));
    }
}

#[test]
fn sin_cos_accuracy() {
    for level in levels() {
        println!("level {level}");
        let x: Vec<f64> = rows("sin_cos").map(|(x, _)| x[0]).collect();
        let (sin, cos) = (map(level, Sin, &x), map(level, Cos, &x));
        // n π/2 is known to |n|·6e−27: what the error exceeds that by.
        let beyond = |r: &Reference, got: f64, x: f64| {
            (r.error(got, 0.0) - (x * FRAC_2_PI).round().abs() * 6e-27 / r.spacing).max(0.0)
        };
        let at = || rows("sin_cos").enumerate();
        check("sin", at().map(|(i, (x, r))| (beyond(&r[0], sin[i], x[0]), x[0])));
        check("cos", at().map(|(i, (x, r))| (beyond(&r[1], cos[i], x[0]), x[0])));
        // Without reduction nothing is forgiven.
        let near = |e: &(f64, f64)| e.1.abs() <= 0.78;
        check("sin, |x| < π/4", errors_on(level, "sin_cos", 0, Sin).filter(near));
        check("cos, |x| < π/4", errors_on(level, "sin_cos", 1, Cos).filter(near));
    }
}

/// Every 2⁹th f32 of some intervals, each of one sign, from its end nearer 0; and the neighbours of
/// the ends, of the powers of two and of the seams (n + ½) ln 2 there.
fn singles(intervals: &[(f32, f32)]) -> Vec<f32> {
    let mut x = vec![];
    for &(inner, outer) in intervals {
        let (inner, outer) = (inner.to_bits(), outer.to_bits());
        x.extend((inner..=outer).step_by(1 << 9));
        let powers = (0..256).map(|e| e << 23 | inner & 1 << 31);
        let seams = (0..128).map(|n| ((n as f32 + 0.5) * LN_2 as f32).to_bits() | inner & 1 << 31);
        for near in powers.chain(seams).chain([inner, outer]) {
            let around = near.saturating_sub(3)..=near.saturating_add(3);
            x.extend(around.filter(|bits| (inner..=outer).contains(bits)));
        }
    }
    x.into_iter().map(f32::from_bits).collect()
}

/// Checks f in f32 on every level against f in f64, forgiving an absolute error.
fn check_f32(name: &str, f: impl Function, intervals: &[(f32, f32)], forgiven: impl Fn(f64) -> f64) {
    let x = singles(intervals);
    let same: Vec<f64> = x.iter().map(|&x| f64::from(x)).collect();
    // Beyond the largest number, ∞ is right: both as the next power of two.
    let finite = |y: f64| y.clamp(-2f64.powi(128), 2f64.powi(128));
    // The bounds of f64 hold on every level.
    let exact = map(Level::best(), f, &same);
    for level in levels() {
        println!("level {level}");
        let y = map(level, f, &x);
        check(
            name,
            (0..x.len()).map(|i| {
                let exact = finite(exact[i]);
                let size = exact.abs().max(f64::from(f32::MIN_POSITIVE));
                // The power of two of the exponent, 23 binades down.
                let spacing = f64::from_bits(size.to_bits() & 0x7ff << 52) * 2f64.powi(-23);
                let error = (finite(f64::from(y[i])) - exact).abs() - forgiven(same[i]);
                // `max` would pass over NaN.
                (if error.is_nan() { f64::INFINITY } else { error.max(0.0) / spacing }, same[i])
            }),
        );
    }
}

#[test]
fn exp_accuracy_f32() {
    let none = |_| 0.0;
    check_f32("exp, f32", Exp, &[(1e-9, 100.0), (-1e-9, -110.0)], none);
    check_f32("exp_node, f32", ExpNode, &[(1e-9, 87.7), (-1e-9, -86.9)], none);
    let parts = [(1e-12, 87.7), (-1e-12, -86.5)];
    check_f32("exp_parts.exp, f32", PartsExp, &parts, none);
    check_f32("exp_parts.exp_m1, f32", PartsExpM1, &parts, none);
    let near = [(1e-12, 0.34657), (-1e-12, -0.34657)];
    check_f32("exp_parts.exp_m1_my, near, f32", PartsExpM1My, &near, none);
    let far = [(0.34658, 87.7), (-0.34658, -86.5)];
    check_f32("exp_parts.exp_m1_my, far, f32", PartsExpM1My, &far, none);
    check_f32("exp_m1, f32", ExpM1, &[(0.0, f32::INFINITY), (-0.0, f32::NEG_INFINITY)], none);
}

#[test]
fn ln_accuracy_f32() {
    let none = |_| 0.0;
    check_f32("ln, f32", Ln, &[(f32::from_bits(1), f32::MAX)], none);
    check_f32("ln_1p, f32", Ln1p, &[(0.0, f32::MAX), (-0.0, -1f32.next_down())], none);
    check_f32("ln_1p_parts.0, f32", PartsLn1p, &[(0.0, 1e38)], none);
    check_f32("ln_1p_parts.1, f32", PartsLn1pRest, &[(1e-18, 1e38)], none);
}

#[test]
fn atan_and_sin_cos_accuracy_f32() {
    let none = |_| 0.0;
    check_f32("atan_parts.0, f32", Atan, &[(0.0, 1e18)], none);
    check_f32("atan_parts.1, near, f32", AtanRest, &[(1e-12, 0.61f32.next_down())], none);
    check_f32("atan_parts.1, far, f32", AtanRest, &[(0.61, 1e18)], none);
    // n π/2 is known to |n|·5e−13.
    let reduction = |x: f64| (x * FRAC_2_PI).round().abs() * 5e-13;
    for intervals in [[(1e-12, 0.785), (-1e-12, -0.785)], [(0.785, 6400.0), (-0.785, -6400.0)]] {
        check_f32("sin, f32", Sin, &intervals, reduction);
        check_f32("cos, f32", Cos, &intervals, reduction);
    }
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
    assert!(exp(f64::NAN).is_nan() && ln(f64::NAN).is_nan() && ln(-1e-300_f64).is_nan() && ln(-inf).is_nan());
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

/// Asserts f(x) bit for bit, NaN for NaN, in every lane of every level.
fn exactly<T: Scalar>(f: impl Function, cases: &[(f64, f64)]) {
    for level in Level::available() {
        for &(x, y) in cases {
            for got in map(level, f, &[T::num(x); MAX_LANES]) {
                let (got, y) = (got.wide(), T::num(y).wide());
                let same = got.to_bits() == y.to_bits() || got.is_nan() && y.is_nan();
                assert!(same, "{got:e} instead of {y:e} at {x:e}, level {level}");
            }
        }
    }
}

/// Asserts that f(x) is y, rounded a few times.
fn nearly<T: Scalar + Float>(f: impl Function, x: T, y: f64) {
    for level in Level::available() {
        for got in map(level, f, &[x; MAX_LANES]) {
            let error = (got.wide() - y).abs();
            assert!(error <= 2.0 * T::epsilon().wide() * y.abs(), "{} at {}, {level}", got.wide(), x.wide());
        }
    }
}

fn special_values_of<T: Scalar + Float>() {
    let (inf, nan) = (f64::INFINITY, f64::NAN);
    let (tiny, least) = (T::MIN_SUBNORMAL, T::MIN_POSITIVE);
    let below = least - tiny;
    let [zero, normal, top] = T::EXP_RANGE;
    exactly::<T>(Exp, &[(nan, nan), (-inf, 0.0), (-1e30, 0.0), (zero - 1.0, 0.0), (zero, 0.0), (-tiny, 1.0)]);
    exactly::<T>(
        Exp,
        &[(-0.0, 1.0), (0.0, 1.0), (tiny, 1.0), (below, 1.0), (top, inf), (1e30, inf), (inf, inf)],
    );
    // Gradual underflow, and the same grid.
    for level in levels() {
        let y = [least.ln() - 1.0, least.ln() - 3.0, (1.1 * tiny).ln()].map(T::num);
        for (x, y) in y.iter().zip(map(level, Exp, &y)) {
            assert!(y.wide() > 0.0 && y.wide() < least, "{} at {}, {level}", y.wide(), x.wide());
            assert!((y.wide() - x.wide().exp()).abs() <= 0.6 * tiny);
        }
        assert!(map(level, ExpNode, &[T::num(nan)]).iter().all(|y| !y.wide().is_nan()));
    }
    exactly::<T>(ExpNode, &[(-inf, 0.0), (normal - 0.1, 0.0), (-0.0, 1.0), (0.0, 1.0), (tiny, 1.0)]);
    exactly::<T>(
        ExpM1,
        &[(nan, nan), (-inf, -1.0), (-1e30, -1.0), (-51.0, -1.0), (-50.0, -1.0), (-49.0, -1.0)],
    );
    exactly::<T>(ExpM1, &[(0.0, 0.0), (-0.0, -0.0), (top, inf), (1e30, inf), (inf, inf)]);
    exactly::<T>(Ln, &[(nan, nan), (-inf, nan), (-1.0, nan), (-least, nan), (-tiny, nan)]);
    exactly::<T>(Ln, &[(0.0, -inf), (-0.0, -inf), (1.0, 0.0), (inf, inf)]);
    exactly::<T>(Ln1p, &[(nan, nan), (-inf, nan), (-2.0, nan), (-1.0 - T::epsilon().wide(), nan)]);
    exactly::<T>(Ln1p, &[(-1.0, -inf), (0.0, 0.0), (inf, inf)]);
    for x in [tiny, 2.0 * tiny, 7.0 * tiny, below, least, 1.5 * least] {
        exactly::<T>(ExpM1, &[(x, x), (-x, -x)]);
        exactly::<T>(Ln1p, &[(x, x), (-x, -x)]);
        nearly(Ln, T::num(x), x.ln());
    }
    let largest = T::max_value();
    nearly(Ln, largest, largest.wide().ln());
    nearly(Ln1p, largest, largest.wide().ln());
    nearly(Ln1p, T::num(T::epsilon().wide() * 0.5 - 1.0), (T::epsilon().wide() * 0.5).ln());
    // The last arguments whose 2ⁿ is one binade too large: the result is not.
    let last = T::num(largest.wide().ln() - 1e-4);
    exactly::<T>(Sin, &[(nan, nan), (0.0, 0.0), (tiny, tiny)]);
    exactly::<T>(Cos, &[(nan, nan), (0.0, 1.0), (tiny, 1.0)]);
    exactly::<T>(Atan, &[(nan, nan), (0.0, 0.0), (tiny, tiny)]);
    for level in levels() {
        let (e, m1) = (map(level, Exp, &[last])[0].wide(), map(level, ExpM1, &[last])[0].wide());
        assert!(e < inf && (e / last.wide().exp() - 1.0).abs() <= 2.0 * T::epsilon().wide());
        assert!(m1 < inf && (m1 / last.wide().exp() - 1.0).abs() <= 2.0 * T::epsilon().wide());
    }
}

#[test]
fn special_values_on_every_level() {
    special_values_of::<f64>();
    special_values_of::<f32>();
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

/// Numbers of all sizes, and the special ones; as many as fill registers.
fn mixed<T: Scalar + Float>() -> Vec<T> {
    let mut random = Random(4);
    let (tiny, least, inf) = (T::MIN_SUBNORMAL, T::MIN_POSITIVE, f64::INFINITY);
    let special = [0.0, tiny, least - tiny, least, 0.5, 1.0, 1.5, 2.5, 87.9, 709.4, inf, f64::NAN];
    let mut x: Vec<T> = special.iter().flat_map(|&x| [T::num(x), T::num(-x)]).collect();
    x.extend([T::max_value(), -T::max_value(), T::one() + T::epsilon(), T::one() - T::epsilon()]);
    let widest = least.log2();
    while x.len() < 1000 || !x.len().is_multiple_of(MAX_LANES) {
        let size = if x.len().is_multiple_of(2) { 8.0 } else { -widest };
        let y = random.uniform(-size, size).exp2();
        x.push(T::num(if random.bits() & 1 == 0 { y } else { -y }));
    }
    // The special ones among the others.
    for i in (1..x.len()).rev() {
        x.swap(i, random.bits() as usize % (i + 1));
    }
    x
}

fn same_bits<T: Scalar>(x: T, y: T) -> bool {
    let (x, y) = (x.wide(), y.wide());
    x.to_bits() == y.to_bits() || x.is_nan() && y.is_nan()
}

/// What a lane gives does not depend on its place, nor on the others.
fn independent<T: Scalar + Float>(f: impl Function) {
    let x = mixed::<T>();
    for level in Level::available() {
        for (i, (&x, y)) in x.iter().zip(map(level, f, &x)).enumerate() {
            for alone in map(level, f, &[x; MAX_LANES]) {
                let (x, y, a) = (x.wide(), y.wide(), alone.wide());
                assert!(same_bits(y, a), "{y:e} at {i}, {a:e} alone: {x:e}, {level}");
            }
        }
    }
}

#[test]
fn lanes_are_independent() {
    macro_rules! all {
        ($($f:ident)*) => {$(
            independent::<f64>($f);
            independent::<f32>($f);
        )*};
    }
    all!(Exp ExpNode PartsExp PartsExpM1 PartsExpM1My ExpM1 Ln Ln1p PartsLn1p PartsLn1pRest Atan AtanRest Sin Cos);
}

/// The operations of [`Lanes`] on one instruction set, against those of single numbers.
struct Operations<T>(PhantomData<T>);

impl<T: Scalar + Float + Lanes<Scalar = T>> Vectorised for Operations<T> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let (n, x) = (<T::On<I>>::N, mixed::<T>());
        assert!(MAX_LANES.is_multiple_of(n));
        let load = |x: &[T]| <T::On<I>>::load(x);
        let stored = |v: T::On<I>| {
            let mut out = [T::num(-77.0); MAX_LANES + 1];
            v.store(&mut out);
            assert!(out[n..].iter().all(|x| x.wide() == -77.0), "a store beyond the lanes");
            out
        };
        let same = |name: &str, v: T::On<I>, single: &dyn Fn(usize) -> T| {
            for (i, &x) in stored(v)[..n].iter().enumerate() {
                let y = single(i);
                assert!(same_bits(x, y), "{name}: {} instead of {}", x.wide(), y.wide());
            }
        };
        // Exact operations: the bits of single numbers.
        for (a, b) in x.chunks_exact(n).zip(x[n..].chunks_exact(n)) {
            let (u, v) = (load(a), load(b));
            same("load", u, &|i| a[i]);
            same("+", u + v, &|i| a[i] + b[i]);
            same("-", u - v, &|i| a[i] - b[i]);
            same("*", u * v, &|i| a[i] * b[i]);
            same("/", u / v, &|i| a[i] / b[i]);
            same("neg", -u, &|i| -a[i]);
            same("abs", u.abs(), &|i| Lanes::abs(a[i]));
            same("sqrt", u.sqrt(), &|i| Lanes::sqrt(a[i]));
            same("select_lt", u.select_lt(v, u, -v), &|i| if a[i] < b[i] { a[i] } else { -b[i] });
            same("select_lt, equal", u.select_lt(u, u, v), &|i| b[i]);
            for edge in [0.0, -0.0, 1.0, -3.0] {
                let e = T::num(edge);
                same("at_least", u.at_least(edge), &|i| if e < a[i] { a[i] } else { e });
                same("at_most", u.at_most(edge), &|i| if a[i] < e { a[i] } else { e });
            }
            assert_eq!(u.any_lt(v), (0..n).any(|i| a[i] < b[i]));
            let mut sums = [1.0; MAX_LANES + 1];
            u.add_to(&mut sums);
            assert!((0..n).all(|i| same_bits(sums[i], 1.0 + a[i].wide())));
            assert!(sums[n..].iter().all(|&s| s == 1.0), "a sum beyond the lanes");
        }
        let splat = |x: f64| <T::On<I>>::splat(x);
        // One lane alone decides; NaN is not less.
        for odd_one in 0..n {
            for (odd, less) in [(1.0, true), (3.0, false), (f64::NAN, false)] {
                let a: [T; MAX_LANES] =
                    core::array::from_fn(|i| T::num(if i == odd_one { odd } else { 2.0 }));
                assert_eq!(load(&a).any_lt(splat(2.0)), less);
            }
        }
        assert!(!splat(f64::NAN).any_lt(splat(f64::NAN)) && !splat(1.0).any_lt(splat(f64::NAN)));
        // Ties to even, up to a quarter of the magic number.
        let end = T::MAGIC / 3.0;
        let ties = [0.5, 1.5, 2.5, -0.5, -1.5, -2.5, end - 0.5, end - 1.5, 0.5 - end, 1.5 - end];
        let near = [0.499, -0.499, 0.501, -0.501, 0.0, 1e-30, -1e-30, 1023.4999, -1022.5001, end, -end, 7.0];
        for x in ties.into_iter().chain(near) {
            let x = T::num(x);
            let y = stored(splat(x.wide()).round_int());
            assert!(y[..n].iter().all(|y| y.wide() == x.wide().round_ties_even()), "round_int {}", x.wide());
        }
        // Every exponent of a normal number.
        let last = T::max_value().wide().log2().floor() as i32 - i32::from(T::max_value().wide() == f64::MAX);
        for e in (1 - last)..=last {
            let power = 2f64.powi(e);
            let place = <T::On<I>>::load(&core::array::from_fn::<_, MAX_LANES, _>(|i| {
                T::num(f64::from(if i % 2 == 0 { e } else { -e.min(last - 1) }))
            }));
            let other = 2f64.powi(-e.min(last - 1));
            same("exp2_int", place.exp2_int(), &|i| T::num(if i % 2 == 0 { power } else { other }));
            // Both ends and the middle of its binade.
            for m in [1.0, 1.0 + T::epsilon().wide(), 1.5, 2.0 - T::epsilon().wide()] {
                let (mantissa, exponent) = splat(m * power).split();
                same("split, mantissa", mantissa, &|_| T::num(m));
                same("split, exponent", exponent, &|_| T::num(f64::from(e)));
            }
        }
        for a in x.chunks_exact(n) {
            let a: Vec<T> =
                a.iter().map(|a| if a.is_normal() { Lanes::abs(*a) } else { T::num(3.0) }).collect();
            let (mantissa, exponent) = load(&a).split();
            same("split, mantissa", mantissa, &|i| a[i].split().0);
            same("split, exponent", exponent, &|i| a[i].split().1);
            // A fused sum is within the rounding of its product.
            let sum = stored(load(&a).mul_add(mantissa, splat(-1.0)));
            for (i, a) in a.iter().enumerate() {
                let product = (*a * a.split().0).wide();
                let error = (sum[i].wide() - (product - 1.0)).abs();
                assert!(!error.is_finite() || error <= 2.0 * T::epsilon().wide() * (product.abs() + 1.0));
            }
        }
        // Pieces from 2⁻³ on, below and above the table as well; the index of lanes that are not there stays.
        let octave = 1 << T::PIECE_BITS;
        let bias = (1 - T::MIN_POSITIVE.log2() as i32) as u32;
        let (first, last) = ((bias - 3) * octave, 9 * octave + 1);
        for a in x.chunks_exact(n) {
            let a: Vec<T> = a.iter().map(|a| if a.is_nan() { T::num(0.7) } else { Lanes::abs(*a) }).collect();
            let mut index = [99; MAX_LANES];
            let t = load(&a).locate(first, last, &mut index);
            let single = |i: usize| {
                let mut one = [0; MAX_LANES];
                (a[i].locate(first, last, &mut one), one[0])
            };
            same("locate", t, &|i| single(i).0);
            assert!((0..n).all(|i| index[i] == single(i).1) && index[n..].iter().all(|&i| i == 99));
        }
        rows_of::<T, I>();
    }
}

/// [`Lanes::rows`] against Horner's rule in f64, and its lanes against each other.
#[inline(always)]
fn rows_of<T: Scalar + Float, I: Isa>() {
    const ROWS: usize = 21;
    let n = <T::On<I>>::N;
    let mut random = Random(5);
    let mut draw = |size: f64| T::num(random.uniform(-size, size));
    let table: [[[T; 4]; 6]; ROWS] =
        core::array::from_fn(|_| core::array::from_fn(|_| core::array::from_fn(|_| draw(2.0))));
    let stored = |v: [T::On<I>; 4]| {
        v.map(|v| {
            let mut out = [T::num(0.0); MAX_LANES];
            v.store(&mut out);
            out
        })
    };
    for round in 0..50 {
        let at: [T; MAX_LANES] = core::array::from_fn(|_| draw(0.5));
        let index: [u32; MAX_LANES] = core::array::from_fn(|i| ((round * 7 + i * i * 5) % ROWS) as u32);
        let got = stored(<T::On<I>>::rows(&table, &index, <T::On<I>>::load(&at)));
        for lane in 0..n {
            let row = &table[index[lane] as usize];
            let t = at[lane].wide();
            let alone = stored(<T::On<I>>::rows(&table, &[index[lane]; MAX_LANES], <T::On<I>>::splat(t)));
            for f in 0..4 {
                let exact = row.iter().rev().fold(0.0, |sum, c| sum * t + c[f].wide());
                let error = (got[f][lane].wide() - exact).abs();
                assert!(
                    error <= 4.0 * T::epsilon().wide() * 2.0,
                    "row {}, lane {lane}: {error:e}",
                    index[lane]
                );
                assert!(alone[f][..n].iter().all(|&y| same_bits(y, got[f][lane])), "lane {lane} differs");
            }
        }
    }
}

#[test]
fn operations_on_every_level() {
    for level in levels() {
        level.dispatch(Operations::<f64>(PhantomData));
        level.dispatch(Operations::<f32>(PhantomData));
    }
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
    for x in [0.5_f64, 1.5, 2.5, -0.5, -1.5, -2.5, 0.49999999999999994, 2_251_799_813_685_247.5] {
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

/// The f32 tables are fits: what they add to a result, whose bound is in units of 2⁻²⁴.
#[test]
fn f32_polynomials() {
    let value = |c: &[f64], x: f64| c.iter().rev().fold(0.0, |sum, &c| sum * x + c);
    let single = |c: &[f64]| c.iter().all(|&c| f64::from(c as f32) == c);
    let close = |name: &str, short: &[f64], long: &[f64], [low, high]: [f64; 2], stated: f64| {
        let at = |i: i32| low + (high - low) * f64::from(i) / 2000.0;
        let worst = (0..=2000).map(|i| (value(short, at(i)) - value(long, at(i))).abs()).fold(0.0, f64::max);
        assert!(single(short) && worst <= 1.1 * stated && worst >= 0.9 * stated, "{name}: {worst:e}");
    };
    let quarter = PI * PI / 16.0;
    close("EXP_F32", &EXP_F32, &EXP, [-0.346575, 0.346575], 4.0e-9);
    close("ATANH_F32", &ATANH_F32, &ATANH, [0.0, 0.11112], 1.5e-7);
    close("ATAN_F32", &ATAN_F32, &ATAN, [0.0, 0.3722], 4.8e-8);
    close("SIN_F32", &SIN_F32, &SIN, [0.0, quarter], 2.5e-8);
    close("COS_F32", &COS_F32, &COS, [0.0, quarter], 2.5e-9);
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

#[test]
fn gauss_legendre_table() {
    // Exact for polynomials of degree 63: ∫ tᵈ = 1/(d + 1).
    for degree in 0..64 {
        let sum: f64 = NODES.iter().zip(&WEIGHTS).map(|(t, w)| w * t.powi(degree)).sum();
        assert!((sum * f64::from(degree + 1) - 1.0).abs() < 4e-15, "{degree}");
    }
}

#[test]
fn shape_elasticity_limits() {
    // eˣE₁(x), from both forms and next to where they meet, x = e^{−γ}.
    for (x, limit) in [
        (1e-300, 690.1983122333122),
        (0.5, 0.9229106324837305),
        (0.56, 0.8631164839271234),
        (0.57, 0.8540023157149415),
        (2.0, 0.3613286168882226),
        (700.0, 0.0014265364183008867),
    ] {
        for a in [1e-20, 1e-300, f64::MIN_POSITIVE] {
            let got = shape_elasticity(a, x, Float::ln(x));
            assert!((got / limit - 1.0).abs() < 2e-15, "{a} {x} {got:e}");
        }
    }
    for a in [1e20, 1e100, 1e300, f64::MAX] {
        let got = shape_elasticity(a, a, Float::ln(a));
        assert!((got - 1.0).abs() < 2e-15, "{a} {got}");
    }
    // ψ(a + 1) − ln x where x underflows.
    for (a, limit) in [(1.0, 10_000.422_784_335_098), (1e3, 10_006.908_255_195_649)] {
        let got = shape_elasticity(a, 0.0, -1e4);
        assert!((got / limit - 1.0).abs() < 2e-15, "{a} {got}");
    }
}

#[test]
fn lambert_w_solves_its_equation() {
    use super::lambert::{FULL, lambert_w, lambert_w_of_exp};
    for e in -3000..=2900 {
        let a = Float::powf(10.0, f64::from(e) / 10.0);
        let w: f64 = lambert_w(a, FULL);
        // More steps change rounding alone.
        let settled: f64 = lambert_w(a, FULL + 6);
        assert!((w - settled).abs() <= 2.0 * f64::EPSILON * w, "{a:e}: {w:e} {settled:e}");
        // w eʷ = a, of which an ulp of w costs 1 + w.
        let back = w * exp(w);
        assert!((back / a - 1.0).abs() <= 4.0 * f64::EPSILON * (1.0 + w), "{a:e}: {w:e} {back:e}");
        if e > 2700 {
            let other = lambert_w_of_exp(ln(a));
            assert!((other - w).abs() <= 4.0 * f64::EPSILON * w, "{a:e}: {w:e} {other:e}");
        }
    }
    assert_eq!(lambert_w(0.0_f64, FULL), 0.0);
}
