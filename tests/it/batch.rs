//! What the batch engine promises beyond accuracy: rows that depend on nothing but themselves, sums in one
//! order, errors before anything is written, limits and weights.

use crate::support::batch::{Evaluate, Family, Precision, Random, Ways, levels, rows};
use prefstrength::Coordinates;
use prefstrength::batch::{self, Batch, BatchError, Direct, PerElement, Plan, Rows, Sums};
use prefstrength::{Fixed, Gamma, Level, LogNormal, ParamError, Real, Smoothing, Strength};
use proptest::prelude::*;

const COORDINATES: [Coordinates; 3] = [Coordinates::Native, Coordinates::LnMeanLnCv, Coordinates::LnMeanV];

/// No regression files: a failure prints its seed and input. `PROPTEST_CASES` raises the number.
fn cases(cases: u32) -> ProptestConfig {
    let asked = std::env::var_os("PROPTEST_CASES").map_or(0, |_| ProptestConfig::default().cases);
    ProptestConfig { cases: asked.max(cases), failure_persistence: None, ..ProptestConfig::default() }
}

/// A margin of any size and kind: everyday, of all decades, special, or any bits.
fn margin<T: Precision>(random: &mut Random) -> T {
    let special =
        [0.0, -0.0, f64::INFINITY, f64::NEG_INFINITY, f64::NAN, T::MAX, -T::MAX, T::UNITS.1, -T::UNITS.1];
    match random.bits() % 10 {
        0 => T::of_bits(random.bits()),
        1 => T::from_f64(special[random.bits() as usize % special.len()]),
        2..5 => {
            let size = random.decades(-6.0, 6.0);
            T::from_f64(random.sign(size))
        }
        _ => T::from_f64(random.between(-8.0, 8.0)),
    }
}

/// Parameters that the family takes: everyday ones, or any.
fn params<T: Precision>(family: Family, random: &mut Random) -> [T; 2] {
    loop {
        let everyday = !random.bits().is_multiple_of(4);
        let p = match (family, everyday) {
            (Family::Fixed, true) => [random.decades(-2.0, 1.0), 0.0],
            (Family::Gamma, true) => {
                let v = random.decades(-2.0, 1.0);
                [1.0 / v, random.decades(-2.0, 1.0) * v]
            }
            (Family::LogNormal, true) => [random.between(-4.0, 2.0), random.between(0.0, 2.0)],
            (Family::LogNormal, false) => [random.between(-700.0, 700.0), random.between(0.0, 12.0)],
            _ => [T::of_bits(random.bits()).to_f64().abs(), T::of_bits(random.bits()).to_f64().abs()],
        };
        let p = p.map(T::from_f64);
        if family.valid(p) {
            return p;
        }
    }
}

fn smoothing<T: Real>(epsilon: f64) -> Smoothing<T> {
    Smoothing::new(T::from_f64(epsilon)).expect("valid")
}

/// All inputs of a batch.
#[derive(Clone, Debug)]
struct Inputs<T> {
    margins: Vec<T>,
    params: [Vec<T>; 2],
    weights: Option<Vec<T>>,
    upstream: Option<Vec<T>>,
    epsilon: f64,
}

impl<T: Precision> Inputs<T> {
    fn new(family: Family, random: &mut Random, len: usize) -> Self {
        let mut column =
            |f: &mut dyn FnMut(&mut Random) -> T| (0..len).map(|_| f(random)).collect::<Vec<T>>();
        let margins = column(&mut margin);
        // Eighths, whose sums are exact; a quarter of them 0.
        let weights =
            column(&mut |r| T::from_f64((r.bits() % 16) as f64 / 8.0 * (r.bits() % 4).min(1) as f64));
        let upstream = column(&mut |r| T::from_f64(r.between(-2.0, 2.0)));
        let (a, b) = (0..len).map(|_| params::<T>(family, random)).map(|[a, b]| (a, b)).unzip();
        Self {
            margins,
            params: [a, b],
            weights: (random.bits().is_multiple_of(2)).then_some(weights),
            upstream: (random.bits().is_multiple_of(2)).then_some(upstream),
            epsilon: [0.0, 0.0, 0.1, 0.5, 1.0][random.bits() as usize % 5],
        }
    }

    fn batch(&self) -> Batch<'_, T> {
        self.part(0, self.margins.len())
    }

    /// The elements from `from` to `to`.
    fn part(&self, from: usize, to: usize) -> Batch<'_, T> {
        let mut batch = Batch::new(&self.margins[from..to]).smoothing(smoothing(self.epsilon));
        if let Some(weights) = &self.weights {
            batch = batch.weights(&weights[from..to]);
        }
        if let Some(upstream) = &self.upstream {
            batch = batch.upstream(&upstream[from..to]);
        }
        batch
    }

    fn per_element(&self, family: Family, level: Level, from: usize, to: usize) -> PerElement<'_, T> {
        let [a, b] = self.params.each_ref().map(|p| &p[from..to]);
        family.per_element([a, b]).expect("valid").with_level(level)
    }

    /// One p(β) for all.
    fn first(&self, family: Family) -> [T; 2] {
        let fallback = [T::one(), if family == Family::Fixed { T::zero() } else { T::one() }];
        if self.margins.is_empty() { fallback } else { self.params.each_ref().map(|p| p[0]) }
    }
}

/// Bits, but for those of a NaN, which nobody promises.
fn same<T: Real>(a: T, b: T) -> bool {
    a.to_f64().to_bits() == b.to_f64().to_bits() || a.is_nan() && b.is_nan()
}

fn same_sums(a: Sums, b: Sums) -> bool {
    let all = |s: Sums| [s.weight, s.nll, s.d_params[0], s.d_params[1]];
    all(a).into_iter().zip(all(b)).all(|(a, b)| same(a, b))
}

#[track_caller]
fn assert_rows<T: Precision>(got: &[T; 4], expected: &[T; 4], what: impl Fn() -> String) {
    assert!(got.iter().zip(expected).all(|(&a, &b)| same(a, b)), "{}: {got:?}, not {expected:?}", what());
}

/// Σ of rows and weights, and that of their sizes; one after another.
fn naive<T: Precision>(inputs: &Inputs<T>, rows: &[[T; 4]], params: usize, sums: Sums, what: &str) {
    let weight = match &inputs.weights {
        Some(weights) => weights.iter().map(|&w| Real::to_f64(w)).sum(),
        None => rows.len() as f64,
    };
    assert_eq!(sums.weight, weight, "{what}");
    for (got, j) in [sums.nll, sums.d_params[0], sums.d_params[1]].into_iter().zip([0, 2, 3]).take(1 + params)
    {
        let column = || rows.iter().map(|row| row[j].to_f64());
        let (sum, size): (f64, f64) = (column().sum(), column().map(f64::abs).sum());
        if size.is_finite() {
            assert!((got - sum).abs() <= 1e-14 * size, "{what}: sum {j} is {got:e}, not {sum:e}");
        } else if column().any(|x| !x.is_finite())
            && column().filter(|x| x.is_finite()).map(f64::abs).sum::<f64>() < 1e308
        {
            assert!(same(got, sum), "{what}: sum {j} is {got:e}, not {sum:e}");
        }
    }
}

/// Element i of a batch is the batch of element i; offsets of slices do not count; sums are those of rows.
/// `which` picks the elements that are evaluated alone.
fn alone<T: Precision>(family: Family, seed: u64, len: usize, offset: usize, which: impl Fn(usize) -> bool) {
    let mut random = Random(seed);
    let inputs = Inputs::<T>::new(family, &mut random, len);
    // The long ones are there for the ends of blocks, which no level knows about.
    let levels = if len < 1000 { levels() } else { vec![Level::portable(), Level::best()] };
    for level in levels {
        let path = |name| format!("{} {} {name} {level}, seed {seed}, length {len}", T::NAME, family.name());
        let loss = inputs.per_element(family, level, 0, len);
        let params = family.params(Coordinates::Native);
        let (together, sums) = rows(&inputs.batch(), params, &|b, r| loss.evaluate(b, r)).expect("checked");
        let per_element_sums = Sums {
            d_params: together
                .iter()
                .fold([0.0; 2], |[a, b], row| [a + row[2].to_f64(), b + row[3].to_f64()]),
            ..sums
        };
        assert_eq!(sums.d_params, [0.0; 2]);
        naive(&inputs, &together, params, per_element_sums, &path("per element"));
        for i in (0..len).filter(|&i| which(i)) {
            let loss = inputs.per_element(family, level, i, i + 1);
            let (one, _) =
                rows(&inputs.part(i, i + 1), params, &|b, r| loss.evaluate(b, r)).expect("checked");
            assert_rows(&together[i], &one[0], || {
                format!("{}, element {i} of {inputs:?}", path("per element"))
            });
        }
        let coordinates = COORDINATES[(seed % 3) as usize];
        let params = family.params(coordinates);
        for (name, evaluate) in family.shared(inputs.first(family), level, coordinates) {
            let (together, sums) = rows(&inputs.batch(), params, &*evaluate).expect("checked");
            naive(&inputs, &together, params, sums, &path(name));
            let (again, sums_again) = rows(&inputs.batch(), params, &*evaluate).expect("checked");
            assert!(same_sums(sums, sums_again), "{}", path(name));
            for (a, b) in together.iter().zip(&again) {
                assert_rows(a, b, || path(name));
            }
            for i in (0..len).filter(|&i| which(i)) {
                let (one, _) = rows(&inputs.part(i, i + 1), params, &*evaluate).expect("checked");
                assert_rows(&together[i], &one[0], || {
                    format!(
                        "{}, element {i}, {:?}, margin {:?}",
                        path(name),
                        inputs.first(family),
                        inputs.margins[i]
                    )
                });
            }
            // The same slices somewhere else in memory.
            let shift = |v: &[T]| [vec![T::one(); offset], v.to_vec()].concat();
            let margins = shift(&inputs.margins);
            let (weights, upstream) =
                (inputs.weights.as_deref().map(shift), inputs.upstream.as_deref().map(shift));
            let mut batch = Batch::new(&margins[offset..]).smoothing(smoothing(inputs.epsilon));
            if let Some(weights) = &weights {
                batch = batch.weights(&weights[offset..]);
            }
            if let Some(upstream) = &upstream {
                batch = batch.upstream(&upstream[offset..]);
            }
            let mut to = [1, 2, 3, 0].map(|more| vec![T::zero(); offset + more + len]);
            let [nll, d_margin, p0, p1] = &mut to;
            let ends = Rows::new().nll(&mut nll[offset + 1..]).d_margin(&mut d_margin[offset + 2..]);
            let (p0, p1) = (&mut p0[offset + 3..], &mut p1[offset..]);
            let ends = if params == 1 { ends.d_params([p0]) } else { ends.d_params([p0, p1]) };
            assert!(same_sums(evaluate(&batch, ends).expect("checked"), sums), "{}", path(name));
            for (i, row) in together.iter().enumerate() {
                let mut moved = [1, 2, 3, 0].map(|more| offset + more + i);
                if params == 1 {
                    moved[3] = 0;
                }
                for j in 0..2 + params {
                    assert!(same(to[j][moved[j]], row[j]), "{}, offset {offset}, element {i}", path(name));
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(cases(24))]

    #[test]
    fn an_element_is_its_own_batch(seed in any::<u64>(), len in 0usize..200, offset in 0usize..20) {
        for family in Family::ALL {
            // Every element of short batches, every ninth of the others.
            let which = |i: usize| len < 20 || (i as u64 + seed).is_multiple_of(9);
            alone::<f32>(family, seed, len, offset, which);
            alone::<f64>(family, seed, len, offset, which);
        }
    }
}

/// Around the ends of chunks and of the blocks of the sums.
#[test]
fn long_batches() {
    for (seed, len) in [255, 256, 257, 4095, 4096, 4097, 10_000].into_iter().enumerate() {
        for family in Family::ALL {
            let which =
                |i: usize| i.is_multiple_of(509) || i + 1 == len || [255, 256, 4095, 4096].contains(&i);
            alone::<f32>(family, seed as u64, len, 1 + seed, which);
            alone::<f64>(family, seed as u64, len, 1 + seed, which);
        }
    }
}

/// Equal parameters for all elements are one p(β).
fn direct_is_per_element<T: Precision>(family: Family, seed: u64, len: usize) {
    let mut random = Random(seed);
    let mut inputs = Inputs::<T>::new(family, &mut random, len);
    let p = inputs.first(family);
    inputs.params = p.map(|x| vec![x; len]);
    for level in levels() {
        let params = family.params(Coordinates::Native);
        let loss = inputs.per_element(family, level, 0, len);
        let (each, _) = rows(&inputs.batch(), params, &|b, r| loss.evaluate(b, r)).expect("checked");
        let [(_, direct), _] = family.shared(p, level, Coordinates::Native);
        let (shared, _) = rows(&inputs.batch(), params, &*direct).expect("checked");
        for (i, (a, b)) in each.iter().zip(&shared).enumerate() {
            assert_rows(a, b, || {
                format!(
                    "{} {} {level} {p:?}, margin {:?}, epsilon {}",
                    T::NAME,
                    family.name(),
                    inputs.margins[i],
                    inputs.epsilon
                )
            });
        }
    }
}

/// Near enough for what this file asks: the accuracy is held in `batch_reference.rs`.
const NEAR: f64 = 160.0;

/// |got − truth| within `NEAR` eps of `scale`, or both beyond the precision.
fn near<T: Precision>(got: T, truth: f64, scale: f64) -> bool {
    let (eps, tiny) = T::UNITS;
    let got = got.to_f64();
    if got == truth || got.is_nan() || truth.is_nan() {
        return got == truth || truth.is_nan() && got.is_nan();
    }
    let error = NEAR * eps * scale + 8.0 * tiny;
    if got.is_infinite() {
        return got.signum() == truth.signum() && truth.abs() + error >= T::MAX;
    }
    (got - truth).abs() <= error
}

/// A row against the scalar kernels', label smoothing included.
fn assert_near<T: Precision>(
    family: Family,
    p: [T; 2],
    d: T,
    epsilon: f64,
    coordinates: Coordinates,
    got: &[T; 4],
    what: impl Fn() -> String,
) {
    let (p64, d64) = (p.map(Real::to_f64), d.to_f64());
    // ε as the precision holds it.
    let epsilon = T::from_f64(epsilon).to_f64();
    let truth = family.scalar(p64, d64, epsilon, coordinates);
    let side = |d: f64| family.scales(p64, d, family.scalar(p64, d, 0.0, coordinates), coordinates);
    let (with, against) = (side(d64), side(-d64));
    // The second parameter's derivative of a fixed strength in its native coordinate is none.
    for i in 0..2 + family.params(coordinates) {
        let part = |weight: f64, x: f64| if weight == 0.0 { 0.0 } else { weight * x };
        let scale = part(1.0 - epsilon, with[i]) + part(epsilon, against[i]);
        assert!(
            near(got[i], truth[i], scale),
            "{}: {} {} {p:?} {coordinates:?} margin {d:?} epsilon {epsilon}, result {i}: {:?}, not {:e} ({} eps)",
            what(),
            T::NAME,
            family.name(),
            got[i],
            truth[i],
            (got[i].to_f64() - truth[i]).abs() / scale / T::UNITS.0
        );
    }
}

/// Rows of all paths against the scalar kernels', for any parameters and margins.
fn as_scalar<T: Precision>(family: Family, seed: u64, len: usize) {
    let mut random = Random(seed);
    let mut inputs = Inputs::<T>::new(family, &mut random, len);
    (inputs.weights, inputs.upstream) = (None, None);
    for level in levels() {
        let loss = inputs.per_element(family, level, 0, len);
        let native = Coordinates::Native;
        let (each, _) =
            rows(&inputs.batch(), family.params(native), &|b, r| loss.evaluate(b, r)).expect("checked");
        for (i, row) in each.iter().enumerate() {
            let p = inputs.params.each_ref().map(|p| p[i]);
            assert_near(family, p, inputs.margins[i], inputs.epsilon, native, row, || {
                format!("per element {level}")
            });
        }
        let coordinates = COORDINATES[(seed % 3) as usize];
        let p = inputs.first(family);
        for (name, evaluate) in family.shared(p, level, coordinates) {
            let (all, _) = rows(&inputs.batch(), family.params(coordinates), &*evaluate).expect("checked");
            for (&d, row) in inputs.margins.iter().zip(&all) {
                assert_near(family, p, d, inputs.epsilon, coordinates, row, || format!("{name} {level}"));
            }
        }
    }
}

proptest! {
    #![proptest_config(cases(32))]

    #[test]
    fn direct_is_per_element_with_equal_parameters(seed in any::<u64>(), len in 1usize..100) {
        for family in Family::ALL {
            direct_is_per_element::<f32>(family, seed, len);
            direct_is_per_element::<f64>(family, seed, len);
        }
    }

    #[test]
    fn rows_are_those_of_the_scalar_kernels(seed in any::<u64>(), len in 1usize..60) {
        for family in Family::ALL {
            as_scalar::<f32>(family, seed, len);
            as_scalar::<f64>(family, seed, len);
        }
    }
}

/// Weights and upstream gradients multiply rows, in this order, rounded in the precision of the rows.
fn products<T: Precision>(family: Family, seed: u64) {
    let mut random = Random(seed);
    let len = 150;
    let mut inputs = Inputs::<T>::new(family, &mut random, len);
    let upstream: Vec<T> = (0..len).map(|_| T::from_f64(random.between(-3.0, 3.0))).collect();
    let weights: Vec<T> = (0..len)
        .map(|i| T::from_f64(if i.is_multiple_of(5) { 0.0 } else { random.between(0.0, 3.0) }))
        .collect();
    (inputs.weights, inputs.upstream) = (None, None);
    for level in levels() {
        for (name, evaluate) in family.shared(inputs.first(family), level, Coordinates::LnMeanV) {
            let all = |batch: &Batch<'_, T>| rows(batch, 2, &*evaluate).expect("checked").0;
            let plain = all(&inputs.batch());
            let chained = all(&inputs.batch().upstream(&upstream));
            let weighted = all(&inputs.batch().weights(&weights));
            let both = all(&inputs.batch().upstream(&upstream).weights(&weights));
            for i in 0..len {
                let (d, g, w) = (inputs.margins[i], upstream[i], weights[i]);
                let what = || format!("{name} {level} {}, margin {d:?}, weight {w:?}", T::NAME);
                // A weight of 0 leaves out what may be infinite, and does not hide a NaN.
                let times = |x: T| match (w == T::zero(), d.is_nan()) {
                    (true, true) => T::nan(),
                    (true, false) => T::zero(),
                    _ => x * w,
                };
                assert_rows(&chained[i], &plain[i].map(|x| x * g), what);
                assert_rows(&weighted[i], &plain[i].map(times), what);
                assert_rows(&both[i], &plain[i].map(|x| times(x * g)), what);
            }
        }
    }
}

#[test]
fn weights_and_upstream() {
    for family in Family::ALL {
        for seed in 0..4 {
            products::<f32>(family, seed);
            products::<f64>(family, seed);
        }
    }
}

/// A NaN margin is NaN at its place and in the sums, and nowhere else.
#[test]
fn nan_margins() {
    fn check<T: Precision>(family: Family) {
        let p = [T::one(), T::from_f64(0.5)];
        let good: Vec<T> = (0..40).map(|i| T::from_f64(0.3 * f64::from(i) - 5.0)).collect();
        for level in levels() {
            for (name, evaluate) in family.shared(p, level, Coordinates::LnMeanV) {
                let (expected, _) = rows(&Batch::new(&good), 2, &*evaluate).expect("checked");
                for at in [0, 7, 17, 39] {
                    let mut margins = good.clone();
                    margins[at] = T::nan();
                    for epsilon in [0.0, 0.1, 1.0] {
                        let batch = Batch::new(&margins).smoothing(smoothing(epsilon));
                        let (got, sums) = rows(&batch, 2, &*evaluate).expect("checked");
                        assert!(got[at].iter().all(|x| x.is_nan()), "{name} {level}: {:?}", got[at]);
                        assert!(sums.nll.is_nan() && sums.d_params[0].is_nan() && sums.d_params[1].is_nan());
                        assert_eq!(sums.weight, 40.0);
                        for i in (0..40).filter(|&i| i != at) {
                            assert!(!got[i].iter().any(|x| x.is_nan()));
                            if epsilon == 0.0 {
                                assert_rows(&got[i], &expected[i], || format!("{name} {level}, element {i}"));
                            }
                        }
                    }
                }
            }
        }
    }
    for family in Family::ALL {
        check::<f32>(family);
        check::<f64>(family);
    }
}

/// Infinite margins have the limits of the scalar kernels, exactly, smoothed or not.
#[test]
fn limits_at_infinity() {
    fn check<T: Precision>(family: Family, p: [f64; 2]) {
        let as_t = p.map(T::from_f64);
        let p = as_t.map(Real::to_f64);
        for (level, d) in
            levels().into_iter().flat_map(|level| [(level, f64::INFINITY), (level, -f64::INFINITY)])
        {
            for (coordinates, epsilon) in
                COORDINATES.into_iter().flat_map(|c| [(c, 0.0), (c, 0.25), (c, 1.0)])
            {
                let margins = [T::from_f64(d)];
                let batch = Batch::new(&margins).smoothing(smoothing(epsilon));
                let params = family.params(coordinates);
                let limits = family.scalar(p, d, epsilon, coordinates).map(T::from_f64);
                let assert = |got: &[T; 4], name: &str| {
                    for i in 0..2 + params {
                        let what = format!(
                            "{name} {level} {} {p:?} {coordinates:?} {d} {epsilon}: {got:?}, not {limits:?}",
                            family.name()
                        );
                        assert!(got[i] == limits[i] || got[i].is_nan() && limits[i].is_nan(), "{what}");
                    }
                };
                for (name, evaluate) in family.shared(as_t, level, coordinates) {
                    assert(&rows(&batch, params, &*evaluate).expect("checked").0[0], name);
                }
                if coordinates == Coordinates::Native {
                    let [a, b] = as_t.map(|x| [x]);
                    let loss = family.per_element([&a, &b]).expect("valid").with_level(level);
                    assert(
                        &rows(&batch, params, &|b, r| loss.evaluate(b, r)).expect("checked").0[0],
                        "per element",
                    );
                }
            }
        }
    }
    for (family, p) in [
        (Family::Fixed, [0.5, 0.0]),
        (Family::Fixed, [0.0, 0.0]),
        (Family::Gamma, [2.0, 0.5]),
        (Family::Gamma, [1e4, 1e-4]),
        (Family::LogNormal, [0.0, 0.5]),
        (Family::LogNormal, [-1.0, 0.0]),
        (Family::LogNormal, [-1.0, 5.0]),
    ] {
        check::<f32>(family, p);
        check::<f64>(family, p);
    }
}

/// Zeros of both signs and subnormal margins.
#[test]
fn next_to_zero() {
    fn check<T: Precision>(family: Family) {
        let tiny = T::UNITS.1;
        for p in [[1.0, 0.5], [4.0, 0.025]].map(|p| p.map(T::from_f64)) {
            for level in levels() {
                for (name, evaluate) in family.shared(p, level, Coordinates::LnMeanV) {
                    for d in [0.0, -0.0, tiny, -tiny, 1e3 * tiny, -1e5 * tiny, 1e12 * tiny].map(T::from_f64) {
                        let margins = [d];
                        let got = rows(&Batch::new(&margins), 2, &*evaluate).expect("checked").0[0];
                        let what = || format!("{name} {level}");
                        assert_near(family, p, d, 0.0, Coordinates::LnMeanV, &got, what);
                    }
                }
            }
        }
    }
    for family in Family::ALL {
        check::<f32>(family);
        check::<f64>(family);
    }
}

/// Means, spreads and margins up to the ends of f64.
#[test]
fn hostile_parameters() {
    let margins = [0.0, 1e-300, 1e-30, 1e-3, 1.0, 30.0, 1e5, 1e30, 1e300, f64::MAX];
    let margins: Vec<f64> = margins.into_iter().flat_map(|d| [d, -d]).collect();
    for level in levels() {
        let check = |family: Family, p: [f64; 2]| {
            if !family.valid(p) {
                return;
            }
            for coordinates in COORDINATES {
                let params = family.params(coordinates);
                for (name, evaluate) in family.shared(p, level, coordinates) {
                    let all = rows(&Batch::new(&margins), params, &*evaluate).expect("checked").0;
                    for (&d, got) in margins.iter().zip(&all) {
                        assert_near(family, p, d, 0.0, coordinates, got, || format!("{name} {level}"));
                    }
                }
            }
            let [a, b] = p.map(|x| vec![x; margins.len()]);
            let loss = family.per_element([&a, &b]).expect("valid").with_level(level);
            let native = Coordinates::Native;
            let all = rows(&Batch::new(&margins), family.params(native), &|b, r| loss.evaluate(b, r))
                .expect("checked")
                .0;
            for (&d, got) in margins.iter().zip(&all) {
                assert_near(family, p, d, 0.0, native, got, || format!("per element {level}"));
            }
        };
        for mean in [1e-300, 1e-200, 1e-99, 1e-20, 1.0, 1e20, 1e99, 1e200, 1e300] {
            check(Family::Fixed, [mean, 0.0]);
            for v in [1e-300, 1e-100, 1e-30, 1e-12, 1e-3, 1.0, 1e3, 9e4, 1e5] {
                check(Family::Gamma, [1.0 / v, mean * v]);
            }
            for sigma in [0.0, 1e-300, 1e-19, 1e-8, 0.5, 2.0, 2.49, 2.51, 6.0, 12.0] {
                check(Family::LogNormal, [mean.ln(), sigma]);
            }
        }
        check(Family::Fixed, [0.0, 0.0]);
    }
}

/// A plan follows its parameters, the front door its paths.
#[test]
fn plans() {
    fn follow<T: Precision, S: Strength<T>>(strengths: &[S], params: usize) {
        let mut random = Random(5);
        let margins: Vec<T> = (0..300).map(|_| margin(&mut random)).collect();
        let batch = Batch::new(&margins);
        let assert_same = |a: &Evaluate<'_, T>, b: &Evaluate<'_, T>, params: usize| {
            let ((a, a_sums), (b, b_sums)) =
                (rows(&batch, params, a).expect("checked"), rows(&batch, params, b).expect("checked"));
            for (i, (a, b)) in a.iter().zip(&b).enumerate() {
                assert_rows(a, b, || format!("{} {strengths:?}, margin {:?}", T::NAME, margins[i]));
            }
            assert!(same_sums(a_sums, b_sums));
        };
        for level in levels() {
            let mut plan = Plan::<T, S>::with_level(&strengths[0], level);
            for beta in strengths.iter().chain(strengths.iter().rev()) {
                plan.prepare(beta);
                let fresh = Plan::with_level(beta, level);
                assert_same(&|b, r| plan.evaluate(b, r), &|b, r| fresh.evaluate(b, r), params);
                for coordinates in [Coordinates::LnMeanLnCv, Coordinates::LnMeanV] {
                    let (plan, mut late) = (plan.clone().with_coordinates(coordinates), plan.clone());
                    let fresh = fresh.clone().with_coordinates(coordinates);
                    assert_same(&|b, r| plan.evaluate(b, r), &|b, r| fresh.evaluate(b, r), 2);
                    // Coordinates that were chosen before the parameters moved stay.
                    late = late.with_coordinates(coordinates);
                    late.prepare(&strengths[0]);
                    late.prepare(beta);
                    assert_same(&|b, r| late.evaluate(b, r), &|b, r| fresh.evaluate(b, r), 2);
                }
            }
        }
    }
    fn front<T: Precision, S: Strength<T>>(beta: &S, params: usize, plan_for_long: bool) {
        let mut random = Random(6);
        for (len, long) in [(1, false), (300, false), (20_000, true)] {
            let margins: Vec<T> = (0..len).map(|_| T::from_f64(random.between(-4.0, 4.0))).collect();
            let batch = Batch::new(&margins);
            let (got, sums) = rows(&batch, params, &|b, r| batch::evaluate(beta, b, r)).expect("checked");
            let (expected, expected_sums) = if long && plan_for_long {
                let plan = Plan::new(beta);
                rows(&batch, params, &|b, r| plan.evaluate(b, r)).expect("checked")
            } else {
                let direct = Direct::new(beta);
                rows(&batch, params, &|b, r| direct.evaluate(b, r)).expect("checked")
            };
            assert!(same_sums(sums, expected_sums));
            for (a, b) in got.iter().zip(&expected) {
                assert_rows(a, b, || format!("{} {beta:?}, length {len}", T::NAME));
            }
        }
    }
    fn both<T: Precision>() {
        let t = T::from_f64;
        let gamma = |v: f64, mean: f64| Gamma::from_mean_v(t(mean), t(v)).expect("valid");
        let gammas = [
            (1.0, 1.0),
            (1.0, 2.0),
            (0.3, 2.0),
            (0.0, 2.0),
            (100.0, 0.1),
            (1.0, 1e30),
            (1e6, 1.0),
            (0.3, 1.0),
        ];
        let lognormal = |sigma: f64, mu: f64| LogNormal::from_mu_sigma(t(mu), t(sigma)).expect("valid");
        let lognormals = [
            (0.5, 0.0),
            (0.5, 2.0),
            (0.0, 2.0),
            (1.9, -2.0),
            (2.4, 0.0),
            (0.5, 100.0),
            (7.0, 0.0),
            (0.1, 0.0),
        ];
        follow::<T, _>(&gammas.map(|(v, mean)| gamma(v, mean)), 2);
        follow::<T, _>(&lognormals.map(|(sigma, mu)| lognormal(sigma, mu)), 2);
        follow::<T, _>(&[0.1, 0.0, 3.0].map(|beta| Fixed::new(t(beta)).expect("valid")), 1);
        front::<T, _>(&gamma(0.3, 1.0), 2, true);
        front::<T, _>(&lognormal(0.5, 0.0), 2, true);
        front::<T, _>(&Fixed::new(t(0.1)).expect("valid"), 1, false);
    }
    both::<f32>();
    both::<f64>();
}

/// Every refusal, with nothing written.
fn refusals<T: Precision>(family: Family) {
    const LEN: usize = 5;
    let sentinel = T::from_f64(-123.25);
    let one = |n: usize| vec![T::one(); n];
    let good = one(LEN);
    let params = family.params(Coordinates::Native);
    let level = Level::best();
    let loss = family.per_element([&good, &good]).expect("valid");
    let [(_, direct), (_, plan)] = family.shared([T::one(), T::one()], level, Coordinates::Native);
    let each: Box<Evaluate<'_, T>> = Box::new(move |b, r| loss.evaluate(b, r));
    for evaluate in [direct, plan, each] {
        // Lengths of nll, d_margin and the parameters' slices, and how many of the latter.
        let refuse = |batch: &Batch<'_, T>, lens: [usize; 4], count: usize, expected: BatchError| {
            let mut to = lens.map(|n| vec![sentinel; n]);
            let [nll, d_margin, p0, p1] = &mut to;
            let rows = Rows::new().nll(nll).d_margin(d_margin);
            let rows = match count {
                0 => rows.d_params([]),
                1 => rows.d_params([p0]),
                2 => rows.d_params([p0, p1]),
                _ => rows.d_params([p0, p1, &mut []]),
            };
            assert_eq!(evaluate(batch, rows), Err(expected), "{}", expected);
            assert!(to.iter().flatten().all(|&x| same(x, sentinel)), "written in spite of: {expected}");
        };
        let batch = Batch::new(&good);
        for wrong in [0, LEN - 1, LEN + 1] {
            let length = |slice| BatchError::Length { slice, expected: LEN, found: wrong };
            refuse(&batch, [wrong, LEN, LEN, LEN], params, length("nll"));
            refuse(&batch, [LEN, wrong, LEN, LEN], params, length("d_margin"));
            refuse(&batch, [LEN, LEN, wrong, LEN], params, length("d_params"));
            if params == 2 {
                refuse(&batch, [LEN, LEN, LEN, wrong], params, length("d_params"));
            }
            refuse(&batch.weights(&one(wrong)), [LEN; 4], params, length("weights"));
            refuse(&batch.upstream(&one(wrong)), [LEN; 4], params, length("upstream"));
        }
        for found in (0..4).filter(|&found| found != params) {
            refuse(&batch, [LEN; 4], found, BatchError::ParamCount { expected: params, found });
        }
        for (index, bad) in
            [-1.0, f64::NAN, f64::INFINITY, -T::UNITS.1, f64::NEG_INFINITY].into_iter().enumerate()
        {
            let mut weights = one(LEN);
            weights[index] = T::from_f64(bad);
            refuse(&batch.weights(&weights), [LEN; 4], params, BatchError::Weight { index });
        }
        // −0 is 0.
        let weights = vec![T::from_f64(-0.0); LEN];
        let sums = evaluate(&batch.weights(&weights), Rows::new()).expect("not negative");
        assert_eq!((sums.weight, sums.nll), (0.0, 0.0));
    }
    // A batch of another length than the parameters.
    let loss = family.per_element([&good, &good]).expect("valid");
    let mut nll = one(LEN + 1);
    let slice = family.parameters()[0];
    assert_eq!(
        loss.evaluate(&Batch::new(&one(LEN + 1)), Rows::new().nll(&mut nll)),
        Err(BatchError::Length { slice, expected: LEN + 1, found: LEN })
    );
    assert_eq!(nll, one(LEN + 1));
}

#[test]
fn typed_errors() {
    for family in Family::ALL {
        refusals::<f32>(family);
        refusals::<f64>(family);
    }
    let (one, inf) = ([1.0; 3], f64::INFINITY);
    let param = |index, error| Some(BatchError::Param { index, error });
    assert_eq!(
        PerElement::new(Family::Fixed, &[&[1.0, -1.0, 1.0]]).err(),
        param(1, ParamError::BetaNegative)
    );
    assert_eq!(
        PerElement::new(Family::Gamma, &[&[1.0, 1.0, 0.0], &one]).err(),
        param(2, ParamError::ShapeNotPositive)
    );
    assert_eq!(
        PerElement::new(Family::Gamma, &[&one, &[f64::NAN, 1.0, 1.0]]).err(),
        param(0, ParamError::ScaleNotPositive)
    );
    assert_eq!(
        PerElement::new(Family::Gamma, &[&[1e200; 3], &[1.0, 1e200, 1.0]]).err(),
        param(1, ParamError::MeanOutOfRange)
    );
    assert_eq!(
        PerElement::new(Family::LogNormal, &[&[0.0, inf, 0.0], &one]).err(),
        param(1, ParamError::MuNotFinite)
    );
    assert_eq!(
        PerElement::new(Family::LogNormal, &[&one, &[1.0, 1.0, -1.0]]).err(),
        param(2, ParamError::SigmaNegative)
    );
    assert_eq!(
        PerElement::new(Family::LogNormal, &[&one, &[12.5f32, 1.0, 1.0].map(f64::from)]).err(),
        param(0, ParamError::SigmaTooLarge)
    );
    let length = |slice, found| Some(BatchError::Length { slice, expected: 3, found });
    assert_eq!(PerElement::new(Family::Gamma, &[&one, &[1.0; 2]]).err(), length("scale", 2));
    assert_eq!(PerElement::new(Family::LogNormal, &[&one, &[1.0; 4]]).err(), length("sigma", 4));
    let error = BatchError::Param { index: 2, error: ParamError::SigmaNegative };
    assert_eq!(error.to_string(), format!("element 2: {}", ParamError::SigmaNegative));
    assert!(std::error::Error::source(&error).is_some());
}

/// Nothing in, zeros out.
#[test]
fn empty_batches() {
    fn check<T: Precision>(family: Family) {
        let params = family.params(Coordinates::Native);
        for level in levels() {
            let loss = family.per_element([&[], &[]]).expect("nothing is valid").with_level(level);
            let (none, sums) =
                rows::<T>(&Batch::new(&[]), params, &|b, r| loss.evaluate(b, r)).expect("fine");
            assert!(none.is_empty() && sums == Sums::default());
            for (_, evaluate) in family.shared([T::one(), T::one()], level, Coordinates::Native) {
                let batch = Batch::new(&[]).weights(&[]).upstream(&[]);
                assert_eq!(rows(&batch, params, &*evaluate).expect("fine").1, Sums::default());
            }
        }
        let sums = batch::evaluate(&Fixed::new(T::one()).expect("valid"), &Batch::new(&[]), Rows::new());
        assert_eq!(sums, Ok(Sums::default()));
    }
    for family in Family::ALL {
        check::<f32>(family);
        check::<f64>(family);
    }
}

/// Which rows are asked for changes neither the others nor the sums.
#[test]
fn optional_rows() {
    fn check<T: Precision>(family: Family) {
        let mut random = Random(8);
        let inputs = Inputs::<T>::new(family, &mut random, 700);
        for level in levels() {
            for (name, evaluate) in family.shared(inputs.first(family), level, Coordinates::LnMeanLnCv) {
                let (all, sums) = rows(&inputs.batch(), 2, &*evaluate).expect("checked");
                for mask in 0..8 {
                    let mut to = [(); 4].map(|()| vec![T::zero(); 700]);
                    let [nll, d_margin, p0, p1] = &mut to;
                    let mut some = Rows::new();
                    if mask & 1 != 0 {
                        some = some.nll(nll);
                    }
                    if mask & 2 != 0 {
                        some = some.d_margin(d_margin);
                    }
                    if mask & 4 != 0 {
                        some = some.d_params([p0, p1]);
                    }
                    let some = evaluate(&inputs.batch(), some).expect("checked");
                    assert!(
                        same_sums(some, sums),
                        "{name} {level} {} {mask}: {some:?}, not {sums:?}",
                        T::NAME
                    );
                    for (j, bit) in [1, 2, 4, 4].into_iter().enumerate().filter(|(_, bit)| mask & bit != 0) {
                        let equal = to[j].iter().zip(&all).all(|(&x, row)| same(x, row[j]));
                        assert!(equal, "{name} {level} {} {mask}: column {j} ({bit})", T::NAME);
                    }
                }
            }
        }
    }
    for family in Family::ALL {
        check::<f32>(family);
        check::<f64>(family);
    }
}

/// The same bits for every number of threads.
#[cfg(feature = "rayon")]
#[test]
fn threads() {
    fn compare<T: Precision>(
        inputs: &Inputs<T>,
        params: usize,
        one: &Evaluate<'_, T>,
        par: impl Fn(&Batch<'_, T>, Rows<'_, T>) -> Result<Sums, BatchError> + Sync,
        pools: &[rayon::ThreadPool],
    ) {
        let (expected, sums) = rows(&inputs.batch(), params, one).expect("checked");
        for pool in pools {
            let (got, par_sums) =
                pool.install(|| rows(&inputs.batch(), params, &|b, r| par(b, r))).expect("checked");
            let n = pool.current_num_threads();
            assert!(same_sums(par_sums, sums), "{n} threads: {par_sums:?}, not {sums:?}");
            for (i, (a, b)) in got.iter().zip(&expected).enumerate() {
                assert_rows(a, b, || format!("{n} threads, element {i}"));
            }
        }
    }
    fn strength<T: Precision, S: Strength<T>>(
        beta: &S,
        inputs: &Inputs<T>,
        params: usize,
        pools: &[rayon::ThreadPool],
    ) {
        let (direct, plan) = (Direct::new(beta), Plan::new(beta));
        compare(inputs, params, &|b, r| direct.evaluate(b, r), |b, r| direct.par_evaluate(b, r), pools);
        compare(inputs, params, &|b, r| plan.evaluate(b, r), |b, r| plan.par_evaluate(b, r), pools);
    }
    fn check<T: Precision>(pools: &[rayon::ThreadPool]) {
        let t = T::from_f64;
        for len in [100, 16_385, 40_001] {
            for family in Family::ALL {
                // Everyday margins, so that sums have bits to differ in.
                let mut inputs = Inputs::<T>::new(family, &mut Random(len as u64), len);
                inputs
                    .margins
                    .iter_mut()
                    .filter(|d| d.is_nan() || d.abs() > t(1e6))
                    .for_each(|d| *d = T::one());
                let params = family.params(Coordinates::Native);
                let loss = inputs.per_element(family, Level::best(), 0, len);
                compare(&inputs, params, &|b, r| loss.evaluate(b, r), |b, r| loss.par_evaluate(b, r), pools);
                let v = if family == Family::Fixed { 0.0 } else { 0.5 };
                let beta = prefstrength::AnyStrength::from_mean_v(family, t(0.3), t(v)).expect("valid");
                strength(&beta, &inputs, params, pools);
            }
        }
        // Errors come from there as well.
        let refused = Direct::new(&Fixed::new(t(0.3)).expect("valid"))
            .par_evaluate(&Batch::new(&[T::one()]).weights(&[]), Rows::new());
        assert_eq!(refused, Err(BatchError::Length { slice: "weights", expected: 1, found: 0 }));
    }
    let pools =
        [1, 2, 3, 7].map(|n| rayon::ThreadPoolBuilder::new().num_threads(n).build().expect("threads start"));
    check::<f32>(&pools);
    check::<f64>(&pools);
}
