//! Point sets: quadrature against closed forms, moments and a reference; random sets against their
//! definitions and the statistics they promise; the same bits from the same generator.

use crate::support::batch::Random;
use crate::support::{EPS, Vectors};
use prefstrength::math::sigmoid;
use prefstrength::sampling::{PointSet, SamplingError};
use prefstrength::{LogNormal, Real, Strength};

const RANDOM: [PointSet; 5] = [
    PointSet::Iid,
    PointSet::Antithetic,
    PointSet::Stratified,
    PointSet::StratifiedAntithetic,
    PointSet::Lattice,
];

fn scores<T: Real>(set: PointSet, uniforms: &[f64], draws: usize) -> Vec<T> {
    let mut z = vec![T::nan(); draws];
    set.scores(uniforms, &mut z).expect("valid");
    z
}

/// Nodes and weights.
fn quadrature(draws: usize) -> (Vec<f64>, Vec<f64>) {
    let mut w = vec![f64::NAN; draws];
    PointSet::GaussHermite.weights(&mut w).expect("valid");
    (scores(PointSet::GaussHermite, &[], draws), w)
}

/// `count` numbers (n + ½)·2⁻⁵².
fn uniforms(random: &mut Random, count: usize) -> Vec<f64> {
    (0..count).map(|_| ((random.bits() >> 12) as f64 + 0.5) * EPS).collect()
}

/// Sets from uniforms of their own.
fn sets(set: PointSet, draws: usize, seed: u64) -> impl Iterator<Item = Vec<f64>> {
    let mut random = Random(seed);
    std::iter::repeat_with(move || scores(set, &uniforms(&mut random, set.uniforms(draws)), draws))
}

/// Φ(z), and 1 − Φ(z).
fn normal(z: f64) -> (f64, f64) {
    let exp_z = LogNormal::from_mu_sigma(0.0, 1.0).expect("valid");
    (exp_z.cdf(z.exp()), exp_z.sf(z.exp()))
}

/// Mean and its standard error.
fn mean(of: &[f64]) -> (f64, f64) {
    let n = of.len() as f64;
    let mean = of.iter().sum::<f64>() / n;
    (mean, (of.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n * (n - 1.0))).sqrt())
}

#[test]
fn names() {
    let mut names = PointSet::ALL.map(PointSet::name).to_vec();
    assert!(PointSet::ALL.into_iter().all(|set| set.name().parse() == Ok(set)));
    assert_eq!(["", "Iid", "sobol"].map(|name| name.parse::<PointSet>().is_ok()), [false; 3]);
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), 6);
}

#[test]
fn quadrature_in_closed_form() {
    // 3 − √6 = 3/(3 + √6)
    let s = 3.0 + 6_f64.sqrt();
    let (outer, inner, few, many) = (s.sqrt(), (3.0 / s).sqrt(), 0.25 / s, s / 12.0);
    let rules: [(&[f64], &[f64]); 4] = [
        (&[0.0], &[1.0]),
        (&[-1.0, 1.0], &[0.5, 0.5]),
        (&[-3_f64.sqrt(), 0.0, 3_f64.sqrt()], &[1.0 / 6.0, 2.0 / 3.0, 1.0 / 6.0]),
        (&[-outer, -inner, inner, outer], &[few, many, many, few]),
    ];
    for (nodes, weights) in rules {
        let (z, w) = quadrature(nodes.len());
        for (got, expected) in z.iter().zip(nodes).chain(w.iter().zip(weights)) {
            assert!((got - expected).abs() <= 2.0 * EPS * expected.abs(), "{got:e}, not {expected:e}");
        }
    }
}

/// Σ w z²ᵐ = (2m − 1)!! as far as the rule is exact, and not beyond; odd moments vanish by symmetry.
#[test]
fn quadrature_has_the_moments_of_the_normal_distribution() {
    let mut worst = 0.0_f64;
    for draws in 1..=128 {
        let (z, w) = quadrature(draws);
        assert!(z.is_sorted_by(|a, b| a < b));
        for j in 0..draws {
            assert_eq!((z[j], w[j]), (-z[draws - 1 - j], w[draws - 1 - j]), "{draws}");
        }
        // w z²ᵐ/(2m − 1)!!: neither power nor factorial need fit into an f64.
        let mut terms = w;
        for m in 0..=draws {
            let error = (terms.iter().sum::<f64>() - 1.0).abs();
            if m < draws {
                worst = worst.max(error);
                assert!(error < 1e-13, "K = {draws}, moment {}: {error:e}", 2 * m);
            } else if m < 20 {
                // K!/(2K − 1)!! short.
                assert!(error > 1e-6, "K = {draws}, moment {}: {error:e}", 2 * m);
            }
            terms.iter_mut().zip(&z).for_each(|(t, z)| *t *= z * z / (2 * m + 1) as f64);
        }
    }
    println!("moments: {worst:e}");
}

#[test]
fn quadrature_against_the_reference() {
    let mut worst = [0.0_f64; 2];
    let mut rule = (vec![], vec![]);
    let (mut draws, mut j) = (0, 0);
    Vectors::load("gauss_hermite").each(|get, _| {
        if get("n") as usize != draws {
            assert_eq!(j, draws, "the rows of a rule are complete");
            draws = get("n") as usize;
            rule = quadrature(draws);
            j = draws / 2;
        }
        for (worst, (got, truth)) in worst.iter_mut().zip([(rule.0[j], get("z")), (rule.1[j], get("w"))]) {
            let error = if truth == 0.0 { got.abs() } else { (got / truth - 1.0).abs() };
            *worst = worst.max(error / EPS);
        }
        j += 1;
    });
    println!("nodes, weights: {worst:?} eps");
    assert!(j == 128 && worst.iter().all(|&error| error <= 1.0), "{worst:?} eps");
}

/// Φ(zⱼ) is the uⱼ of the definition, in both tails.
#[test]
fn scores_are_quantiles_of_the_uniforms_stated() {
    let mut random = Random(1);
    for set in RANDOM {
        for draws in (1..=17).chain([64, 1000]) {
            let u = uniforms(&mut random, set.uniforms(draws));
            let k = draws as f64;
            for (j, z) in scores::<f64>(set, &u, draws).into_iter().enumerate() {
                let (below, above) = match set {
                    PointSet::Iid => (u[j], 1.0 - u[j]),
                    PointSet::Antithetic if j % 2 == 0 => (u[j / 2], 1.0 - u[j / 2]),
                    PointSet::Antithetic => (1.0 - u[j / 2], u[j / 2]),
                    PointSet::Lattice => {
                        let u = (j as f64 / k + u[0]).fract();
                        (u, 1.0 - u)
                    }
                    _ if j < u.len() => ((j as f64 + u[j]) / k, 1.0 - (j as f64 + u[j]) / k),
                    _ => {
                        let j = draws - 1 - j;
                        (1.0 - (j as f64 + u[j]) / k, (j as f64 + u[j]) / k)
                    }
                };
                let got = normal(z);
                let error = (got.0 - below).abs().max((got.1 - above).abs());
                // u itself is rounded at 1, and exp(z) feels z.
                assert!(error <= 4.0 * EPS, "{}, K = {draws}, {j}: {got:?}, not {below}", set.name());
            }
        }
    }
}

#[test]
fn one_score_per_stratum() {
    for draws in [1, 2, 3, 16, 101] {
        for set in [PointSet::Stratified, PointSet::StratifiedAntithetic, PointSet::Lattice] {
            for z in sets(set, draws, 2).take(100) {
                let u: Vec<f64> = z.iter().map(|&z| normal(z).0).collect();
                let mut strata: Vec<_> = u.iter().map(|u| (u * draws as f64) as usize).collect();
                if set == PointSet::Lattice {
                    // Ascending from where it starts, in equal steps round a circle.
                    for j in 0..draws {
                        let step = (u[(j + 1) % draws] - u[j]).rem_euclid(1.0) * draws as f64;
                        assert!(draws == 1 || (step - 1.0).abs() < 1e-12, "K = {draws}, {j}: {step}");
                    }
                    strata.sort_unstable();
                }
                assert!(strata.into_iter().eq(0..draws), "{}, K = {draws}", set.name());
            }
        }
    }
}

#[test]
fn antithetic_scores_are_exact_negatives() {
    for draws in 1..=9 {
        for z in sets(PointSet::Antithetic, draws, 3).take(100) {
            assert!(z.chunks_exact(2).all(|pair| pair[0] == -pair[1]));
        }
        for z in sets(PointSet::StratifiedAntithetic, draws, 3).take(100) {
            assert!((0..draws / 2).all(|j| z[j] == -z[draws - 1 - j] && z[j] < 0.0));
        }
    }
}

/// The complements of the uniforms, in reverse, give the mirror image to the bit.
#[test]
fn the_upper_tail_is_as_fine_as_the_lower() {
    let mut random = Random(4);
    for draws in 1..=33 {
        for set in [PointSet::Iid, PointSet::Stratified] {
            // Within a few units of the ends of strata.
            let n = |bits: u64| ((bits % 4) as f64 + 0.5) * EPS;
            let u: Vec<f64> = (0..draws)
                .map(|_| if random.bits() & 1 == 0 { n(random.bits()) } else { 1.0 - n(random.bits()) })
                .collect();
            let mirrored: Vec<f64> = u.iter().rev().map(|u| 1.0 - u).collect();
            let (z, image) = (scores::<f64>(set, &u, draws), scores::<f64>(set, &mirrored, draws));
            assert!(z.iter().zip(image.iter().rev()).all(|(a, b)| *a == -b), "{}, {draws}", set.name());
        }
    }
    // The last stratum of 2¹⁰, 2⁻⁵³ of it from the end: u rounds to 1.
    let mut u = vec![0.5; 1024];
    u[1023] = 1.0 - 0.5 * EPS;
    let top = scores::<f64>(PointSet::Stratified, &u, 1024)[1023];
    assert!((top - 9.004_403_971_492_415).abs() < 1e-14, "{top}");
}

#[test]
fn extreme_uniforms_give_finite_scores() {
    for set in PointSet::ALL {
        for draws in (1..=17).chain([128]) {
            for u in [f64::from_bits(1), f64::MIN_POSITIVE, 0.5 * EPS, 0.25, 0.5, 1.0 - 0.5 * EPS] {
                let u = vec![u; set.uniforms(draws)];
                let z = scores::<f64>(set, &u, draws);
                assert!(z.iter().all(|z| z.abs() < 38.6), "{}, {u:?}: {z:?}", set.name());
                assert!(scores::<f32>(set, &u, draws).iter().all(|z| z.is_finite()));
            }
        }
    }
    // A lattice that hits 0 stays 2⁻⁵³ of a step away from it.
    let edge = scores::<f64>(PointSet::Lattice, &[0.5], 1024);
    assert_eq!(edge[512], -9.004_403_971_492_415);
    // Φ⁻¹(2⁻¹⁰⁷⁴)
    assert!((scores::<f64>(PointSet::Iid, &[f64::from_bits(1)], 1)[0] + 38.467_4).abs() < 1e-3);
}

/// Φ⁻¹ is what it is where K = 1.
#[test]
fn sets_of_one() {
    for u in [1e-300, 0.1, 0.5, 0.9] {
        let [first, rest @ ..] = RANDOM.map(|set| scores::<f64>(set, &[u], 1)[0]);
        assert_eq!(rest, [first; 4]);
    }
    assert_eq!(scores::<f64>(PointSet::Iid, &[0.5], 1), [0.0]);
}

#[test]
fn weights_are_equal_and_sum_to_one() {
    for set in PointSet::ALL {
        for draws in 1..=128 {
            let (mut w, mut narrow) = (vec![f64::NAN; draws], vec![f32::NAN; draws]);
            set.weights(&mut w).expect("valid");
            set.weights(&mut narrow).expect("valid");
            assert!((w.iter().sum::<f64>() - 1.0).abs() < 1e-14);
            assert!(narrow.iter().zip(&w).all(|(&a, &b)| a == b as f32));
            assert!(set == PointSet::GaussHermite || w.iter().all(|&w| w == 1.0 / draws as f64));
        }
    }
}

#[test]
fn f32_scores_are_rounded_f64_scores() {
    let mut random = Random(5);
    for set in PointSet::ALL {
        for draws in [1, 2, 7, 16, 128] {
            let u = uniforms(&mut random, set.uniforms(draws));
            let narrow: Vec<f32> = scores::<f64>(set, &u, draws).into_iter().map(|z| z as f32).collect();
            assert_eq!(scores::<f32>(set, &u, draws), narrow);
        }
    }
}

#[test]
fn every_pair_has_a_set_of_its_own() {
    let mut random = Random(6);
    for set in PointSet::ALL {
        for (pairs, draws) in [(1, 1), (1, 5), (3, 1), (3, 4), (7, 5), (10, 16)] {
            let u = uniforms(&mut random, pairs * set.uniforms(draws));
            let mut z = vec![f64::NAN; pairs * draws];
            set.scores_per_pair(pairs, &u, &mut z).expect("valid");
            for i in 0..pairs {
                let own = |of: &[f64]| of.iter().skip(i).step_by(pairs).copied().collect::<Vec<_>>();
                assert_eq!(own(&z), scores::<f64>(set, &own(&u), draws), "{}", set.name());
            }
        }
    }
}

#[test]
fn errors_come_before_anything_is_written() {
    let refused = |set: PointSet, pairs: usize, u: &[f64], len: usize, error: SamplingError| {
        let mut z = vec![7.0_f32; len];
        let what = format!("{}, {pairs} pairs, {u:?}, {len} scores", set.name());
        assert_eq!(set.scores_per_pair(pairs, u, &mut z), Err(error), "{what}");
        if pairs == 1 {
            assert_eq!(set.scores(u, &mut z), Err(error), "{what}");
        }
        assert!(z.iter().all(|&z| z == 7.0), "{what}");
    };
    let length = |slice, expected, found| SamplingError::Length { slice, expected, found };
    for set in PointSet::ALL {
        refused(set, 1, &[], 0, SamplingError::NoDraws);
        refused(set, usize::MAX, &[], 0, SamplingError::NoDraws);
        assert_eq!(set.weights::<f64>(&mut []), Err(SamplingError::NoDraws));
        for (pairs, len, expected) in
            [(0, 4, 0), (3, 4, 6), (5, 4, 5), (usize::MAX, 4, usize::MAX), (1 << 63, 1, 1 << 63)]
        {
            refused(set, pairs, &[], len, length("z", expected, len));
        }
        for pairs in [1, 2] {
            let needed = pairs * set.uniforms(5);
            for found in (0..12).filter(|&found| found != needed) {
                refused(set, pairs, &vec![0.5; found], 5 * pairs, length("uniforms", needed, found));
            }
            for index in 0..needed {
                for outside in [0.0, -0.0, 1.0, -0.5, 1.5, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
                    let mut u = vec![0.5; needed];
                    u[index] = outside;
                    let error = SamplingError::Value { slice: "uniforms", index };
                    refused(set, pairs, &u, 5 * pairs, error);
                }
            }
        }
        // No pairs.
        assert_eq!(set.scores_per_pair::<f64>(0, &[], &mut []), Ok(()));
        refused(set, 0, &[0.5], 0, length("uniforms", 0, 1));
    }
    let many = SamplingError::TooManyDraws { limit: 128 };
    for len in [129, 1000] {
        refused(PointSet::GaussHermite, 1, &[], len, many);
        refused(PointSet::GaussHermite, 2, &[], 2 * len, many);
        let mut w = vec![7.0; len];
        assert_eq!(PointSet::GaussHermite.weights(&mut w), Err(many));
        assert!(w.iter().all(|&w| w == 7.0));
    }
}

/// Means of z and z² over 20 000 sets, within five standard errors of 0 and 1.
#[test]
fn random_sets_are_unbiased() {
    for set in RANDOM {
        for draws in [1, 2, 5, 16] {
            let moment = |power: i32| {
                let of = |z: Vec<f64>| z.iter().map(|z| z.powi(power)).sum::<f64>() / draws as f64;
                mean(&sets(set, draws, 7).take(20_000).map(of).collect::<Vec<_>>())
            };
            for (power, truth) in [(1, 0.0), (2, 1.0)] {
                let (mean, error) = moment(power);
                assert!(
                    (mean - truth).abs() <= 5.0 * error,
                    "{}, K = {draws}: E z^{power} = {mean} ± {error}",
                    set.name()
                );
            }
        }
    }
}

/// Kolmogorov–Smirnov at 1e-3 for independent scores: all of an iid set, draw 0 of those whose draws are
/// normal one by one; √2 wider for pairs. Stratified scores only come closer.
#[test]
fn scores_are_normal() {
    let statistic = |mut z: Vec<f64>| {
        z.sort_unstable_by(f64::total_cmp);
        let n = z.len() as f64;
        let distance = |(j, z): (usize, &f64)| (normal(*z).0 * n - j as f64 - 0.5).abs() + 0.5;
        z.iter().enumerate().map(distance).fold(0.0, f64::max) / n.sqrt()
    };
    for set in RANDOM {
        for draws in [1, 5, 16] {
            let all = statistic(sets(set, draws, 8).take(4000).flatten().collect());
            assert!(all < 1.95 * 2_f64.sqrt(), "{}, K = {draws}: {all}", set.name());
            if matches!(set, PointSet::Iid | PointSet::Antithetic | PointSet::Lattice) {
                let first = statistic(sets(set, draws, 9).take(20_000).map(|z| z[0]).collect());
                assert!(first < 1.95, "{}, K = {draws}: {first}", set.name());
            }
        }
    }
}

/// The documented standard deviations of the loss; quadrature against the exact loss.
#[test]
fn errors_of_the_loss() {
    let (sigma, draws) = (0.5_f64, 16);
    let mu = -0.5 * sigma * sigma;
    let loss = |z: &[f64], w: &[f64]| {
        -z.iter().zip(w).map(|(z, w)| w * sigmoid((mu + sigma * z).exp())).sum::<f64>().ln()
    };
    let exact = LogNormal::from_mu_sigma(mu, sigma).expect("valid").nll(1.0);
    for (set, expected) in RANDOM.into_iter().zip([3.0e-2, 6.4e-3, 3.5e-3, 1.6e-3, 1.04e-2]) {
        let losses: Vec<f64> =
            sets(set, draws, 10).take(20_000).map(|z| loss(&z, &[1.0 / 16.0; 16])).collect();
        let (mean, error) = mean(&losses);
        let deviation = error * 20_000_f64.sqrt();
        println!("{}: {deviation:.3e}, bias {:.1e} ± {error:.1e}", set.name(), mean - exact);
        assert!((deviation / expected - 1.0).abs() < 0.1, "{}: {deviation:e}", set.name());
    }
    let (z, w) = quadrature(draws);
    let error = loss(&z, &w) - exact;
    println!("gauss-hermite: {error:.1e}");
    assert!(error.abs() < 1e-9, "{error:e}");
}

#[cfg(feature = "rand")]
mod generator {
    use super::*;
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::{Rng, SeedableRng};

    /// (n + ½)·2⁻⁵², n the upper 52 bits, in order; not one number more than the scores need.
    #[test]
    fn draws_are_scores_of_the_uniforms_stated() {
        for set in PointSet::ALL {
            for (pairs, draws) in [(1, 1), (1, 16), (3, 5), (7, 2)] {
                let [mut rng, mut same] = [2, 2].map(ChaCha8Rng::seed_from_u64);
                let uniform = |_| ((same.next_u64() >> 12) as f64 + 0.5) * EPS;
                let u: Vec<f64> = (0..pairs * set.uniforms(draws)).map(uniform).collect();
                let (mut drawn, mut expected) = (vec![f64::NAN; pairs * draws], vec![0.0; pairs * draws]);
                set.draw_per_pair(pairs, &mut rng, &mut drawn).expect("valid");
                set.scores_per_pair(pairs, &u, &mut expected).expect("valid");
                assert_eq!(drawn, expected, "{}", set.name());
                assert_eq!(rng.next_u64(), same.next_u64(), "{}", set.name());
                if pairs == 1 {
                    set.draw(&mut ChaCha8Rng::seed_from_u64(2), &mut drawn).expect("valid");
                    assert_eq!(drawn, expected, "{}", set.name());
                }
            }
        }
    }

    /// No u64 gives 0 or 1, and complements give opposites.
    #[test]
    fn any_bits_give_finite_scores() {
        struct Constant(u64);
        impl rand_chacha::rand_core::TryRng for Constant {
            type Error = std::convert::Infallible;
            fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
                Ok(self.0 as u32)
            }
            fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
                Ok(self.0)
            }
            fn try_fill_bytes(&mut self, to: &mut [u8]) -> Result<(), Self::Error> {
                to.fill(self.0 as u8);
                Ok(())
            }
        }
        for bits in [0, u64::MAX, 1 << 63, u64::MAX >> 1, 0xfff] {
            let [z, opposite] = [bits, !bits].map(|bits| {
                let mut z = [f64::NAN];
                PointSet::Iid.draw(&mut Constant(bits), &mut z).expect("valid");
                z[0]
            });
            assert_eq!(z, -opposite);
            assert!(z.abs() < 8.21, "{bits:x}: {z}");
        }
    }

    #[test]
    fn errors_leave_the_generator_alone() {
        let [mut rng, mut same] = [3, 3].map(ChaCha8Rng::seed_from_u64);
        let mut z = [7.0; 4];
        for set in PointSet::ALL {
            assert_eq!(set.draw::<f64, _>(&mut rng, &mut []), Err(SamplingError::NoDraws));
            for (pairs, expected) in [(0, 0), (3, 6), (usize::MAX, usize::MAX)] {
                let error = SamplingError::Length { slice: "z", expected, found: 4 };
                assert_eq!(set.draw_per_pair(pairs, &mut rng, &mut z), Err(error));
            }
            assert_eq!(set.draw_per_pair::<f64, _>(0, &mut rng, &mut []), Ok(()));
        }
        let many = SamplingError::TooManyDraws { limit: 128 };
        assert_eq!(PointSet::GaussHermite.draw(&mut rng, &mut [0.0; 129]), Err(many));
        assert_eq!((z, rng.next_u64()), ([7.0; 4], same.next_u64()));
    }

    /// A seed means the same scores in every version.
    #[test]
    fn values_are_stable() {
        #[rustfmt::skip]
        const BITS: [[u64; 5]; 6] = [
            [0xbfcf_9b06_3176_af61, 0xbff6_709e_d30d_f694, 0x3fcf_4a40_4b64_528a, 0xbfe8_c882_9519_edef, 0xbfe2_4d1b_aaf2_b4a9],
            [0xbfcf_9b06_3176_af61, 0x3fcf_9b06_3176_af61, 0xbff6_709e_d30d_f694, 0x3ff6_709e_d30d_f694, 0x3fcf_4a40_4b64_528a],
            [0xbff6_6d82_223b_eae5, 0xbfe9_22e9_e582_7ba5, 0x3fa8_cb6d_11b3_c663, 0x3fd7_9a90_a8b4_f08c, 0x3ff1_0d6d_ccb4_e97b],
            [0xbff6_6d82_223b_eae5, 0xbfe9_22e9_e582_7ba5, 0x3fa8_cb6d_11b3_c663, 0x3fe9_22e9_e582_7ba5, 0x3ff6_6d82_223b_eae5],
            [0xbfcf_9b06_3176_af61, 0x3fd0_a056_6d40_34ad, 0x3feb_3791_8b2a_7da6, 0xc006_7899_221c_f6bd, 0xbfea_a618_e83b_f7d7],
            [0xc006_db13_1839_e414, 0xbff5_b0a5_13c9_7441, 0x0000_0000_0000_0000, 0x3ff5_b0a5_13c9_7441, 0x4006_db13_1839_e414],
        ];
        for (set, bits) in PointSet::ALL.into_iter().zip(BITS) {
            let mut z = [f64::NAN; 5];
            set.draw(&mut ChaCha8Rng::seed_from_u64(1), &mut z).expect("valid");
            assert_eq!(z.map(f64::to_bits), bits, "{}: {z:?}", set.name());
        }
    }
}
