//! Ratios of weights: the shapes of Fieller's set, and that it has its confidence.

use prefstrength_learn::{LearnError, Ratio, RatioInterval};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Distribution, StandardNormal};

const Z: f64 = 1.959963984540054;

/// What the set is by definition.
fn accepts(estimates: [f64; 2], covariance: [[f64; 2]; 2], r: f64) -> bool {
    let ([a, b], [[va, _], [vab, vb]]) = (estimates, covariance);
    (a - r * b).powi(2) <= Z * Z * (va - 2.0 * r * vab + r * r * vb)
}

/// All shapes, at many r on both sides of the ends.
#[test]
fn sets_are_what_they_are_defined_to_be() {
    let mut shapes = [0; 3];
    for a in [-7.0, -2.5, -0.3, 0.0, 1.0, 3.0, 40.0] {
        for b in [-9.0, -2.2, -0.5, 0.0, 0.7, 2.0, 25.0] {
            for rho in [-1.0, -0.7, 0.0, 0.4, 0.99, 1.0] {
                for [sa, sb] in [[1.0, 1.0], [0.3, 2.0]] {
                    let (estimates, cross) = ([a * sa, b * sb], rho * sa * sb);
                    let covariance = [[sa * sa, cross], [cross, sb * sb]];
                    let ratio = Ratio::new(estimates, covariance).expect("valid");
                    let set = ratio.fieller(0.95).expect("a confidence");
                    shapes[match set {
                        RatioInterval::Between { low, high } => {
                            assert!(low <= ratio.value() && ratio.value() <= high, "{set:?} {ratio:?}");
                            0
                        }
                        RatioInterval::Outside { below, above } => {
                            assert!(below <= above, "{set:?}");
                            1
                        }
                        RatioInterval::Everything => 2,
                    }] += 1;
                    for i in -400..=400 {
                        let r = (f64::from(i) / 20.0).sinh() * 1e-3 * sa / sb + 1e-9;
                        let edge = |r: f64| {
                            accepts(estimates, covariance, r * (1.0 - 1e-9))
                                != accepts(estimates, covariance, r * (1.0 + 1e-9))
                        };
                        assert!(
                            set.contains(r) == accepts(estimates, covariance, r) || edge(r),
                            "{a} {b} {rho}: {set:?} at {r}"
                        );
                    }
                }
            }
        }
    }
    assert!(shapes.iter().all(|&n| n > 20), "{shapes:?}");
}

/// Known well, the denominator is a number, and Fieller's set is the delta method's interval.
#[test]
fn a_sharp_denominator_leaves_the_delta_method() {
    let ratio = Ratio::new([3.0, -2.0], [[0.04, 1e-9], [1e-9, 1e-12]]).expect("valid");
    let RatioInterval::Between { low, high } = ratio.fieller(0.95).expect("a confidence") else {
        panic!("bounded")
    };
    assert!((ratio.error() - 0.1).abs() < 1e-6);
    assert!((low - (-1.5 - Z * 0.1)).abs() < 1e-6 && (high - (-1.5 + Z * 0.1)).abs() < 1e-6);
}

#[test]
fn corners() {
    let alone = [[1.0, 0.0], [0.0, 1.0]];
    let zero = Ratio::new([5.0, 0.0], alone).expect("valid");
    assert!(zero.value() == f64::INFINITY && zero.error().is_nan());
    let RatioInterval::Outside { below, above } = zero.fieller(0.95).expect("a confidence") else {
        panic!("outside")
    };
    assert!(
        (below + above).abs() < 1e-12 && zero.fieller(0.95).expect("a confidence").contains(f64::INFINITY)
    );
    assert_eq!(Ratio::new([0.0, 0.0], alone).expect("valid").fieller(0.5), Ok(RatioInterval::Everything));
    assert!(!RatioInterval::Everything.contains(f64::NAN));
    assert_eq!(Ratio::new([f64::NAN, 1.0], alone), Err(LearnError::NotFinite));
    for bad in [[[0.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [2.0, 1.0]], [[1.0, 0.0], [f64::NAN, 1.0]]] {
        assert_eq!(Ratio::new([1.0, 1.0], bad), Err(LearnError::Covariance));
    }
    for bad in [0.0, 1.0, -1.0, f64::NAN] {
        assert!(matches!(zero.fieller(bad), Err(LearnError::Design(_))));
    }
    let (w, covariance) = ([1.0, 2.0, 4.0], [4.0, 0.1, 0.2, 0.1, 5.0, 0.3, 0.2, 0.3, 6.0]);
    let ratio = Ratio::of_weights(&w, &covariance, 2, 0).expect("valid");
    assert_eq!(ratio, Ratio::new([4.0, 1.0], [[6.0, 0.2], [0.2, 4.0]]).expect("valid"));
    assert!(Ratio::of_weights(&w, &covariance, 3, 0).is_err() && Ratio::of_weights(&w, &w, 1, 0).is_err());
    assert_eq!(Ratio::of_weights(&w, &covariance, 1, 1), Err(LearnError::Covariance));
}

/// Fieller's set has its 95 % for any denominator. The interval of the delta method has not: next to 0 it has more or
/// less than it says.
#[test]
fn the_set_has_its_confidence() {
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let sets = 20_000;
    for (truth, rho) in
        [([2.0, 8.0], 0.0), ([6.0, 2.0], 0.6), ([3.0, 0.5], -0.5), ([0.0, 1.0], 0.3), ([6.0, 1.5], 0.9)]
    {
        let (mut fieller, mut delta) = (0, 0);
        for _ in 0..sets {
            let [x, y]: [f64; 2] = [StandardNormal.sample(&mut random), StandardNormal.sample(&mut random)];
            let estimates = [truth[0] + x, truth[1] + rho * x + (1.0 - rho * rho).sqrt() * y];
            let ratio = Ratio::new(estimates, [[1.0, rho], [rho, 1.0]]).expect("valid");
            let r = truth[0] / truth[1];
            fieller += u32::from(ratio.fieller(0.95).expect("a confidence").contains(r));
            delta += u32::from((ratio.value() - r).abs() <= Z * ratio.error());
        }
        let [fieller, delta] = [fieller, delta].map(|hits| 100.0 * f64::from(hits) / f64::from(sets));
        println!(
            "a/b = {}/{}, correlation {rho}: Fieller {fieller:.1} %, delta {delta:.1} %",
            truth[0], truth[1]
        );
        // Three standard errors.
        assert!((fieller - 95.0).abs() < 0.47, "{truth:?} {rho}: {fieller} %");
        if truth == [6.0, 1.5] {
            assert!(delta < 90.0, "{delta} %");
        }
    }
}
