//! The suite of every family, instantiated by one line in `main.rs`: reference vectors, every level and path of the
//! batch engine, hostile numbers, properties against integrals over β, the distribution.
//!
//! What a family has beside these is in the files of its own: seams, differences, statistics.

use crate::support::batch::Precision;
use prefstrength::sampling::Reparameterised;
use prefstrength::{AnyStrength, Coordinates, Family, Real, Smoothing, Strength};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

/// `suite!(module, Family)`.
macro_rules! suite {
    ($module:ident, $family:ident) => {
        mod $module {
            use prefstrength::Family;

            const FAMILY: Family = Family::$family;

            #[test]
            fn reference_f64() {
                crate::reference::in_f64(FAMILY);
            }

            #[test]
            fn reference_f32() {
                crate::reference::in_f32(FAMILY);
            }

            #[test]
            fn batches_f64() {
                crate::batch_reference::all::<f64>(FAMILY);
            }

            #[test]
            fn batches_f32() {
                crate::batch_reference::all::<f32>(FAMILY);
            }

            #[test]
            fn hostile() {
                crate::suite::hostile::<f32>(FAMILY);
                crate::suite::hostile::<f64>(FAMILY);
            }

            #[test]
            fn is_the_integral_over_beta() {
                crate::suite::integral(FAMILY);
            }

            #[test]
            fn coordinates_agree() {
                crate::suite::coordinates(FAMILY);
            }

            #[test]
            fn distribution() {
                crate::suite::distribution(FAMILY);
            }
        }
    };
}
pub(crate) use suite;

fn run<S: Strategy>(cases: u32, input: S, test: impl Fn(S::Value) -> Result<(), TestCaseError>) {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    TestRunner::new(config).run(&input, test).unwrap_or_else(|failure| panic!("{failure}"));
}

fn spread(family: Family, v: f64) -> f64 {
    if family == Family::Fixed { 0.0 } else { v }
}

/// No pair of bit patterns panics, hangs or yields a number where none is defined.
pub fn hostile<T: Precision>(family: Family) {
    let bits = prop_oneof![
        4 => any::<u64>(),
        2 => (-330.0..310.0f64, any::<bool>())
            .prop_map(|(e, s)| T::from_f64(if s { 10f64.powf(e) } else { -(10f64.powf(e)) }).to_f64().to_bits()),
    ];
    let number =
        move |bits: u64| if T::NAME == "f64" { T::from_f64(f64::from_bits(bits)) } else { T::of_bits(bits) };
    run(1500, (bits.clone(), bits.clone(), bits), |(a, b, d)| {
        let [a, b, d] = [a, b, d].map(number);
        let native = AnyStrength::from_parameters(family, &[a, b][..family.parameters().len()]);
        let others = [AnyStrength::from_mean_cv(family, a, b), AnyStrength::from_mean_v(family, a, b)];
        for beta in [native].into_iter().chain(others).flatten() {
            sane(&beta, d)?;
        }
        Ok(())
    });
}

/// Everything a strength says about a margin: defined, of the right sign, NaN only for NaN.
fn sane<T: Real>(beta: &AnyStrength<T>, d: T) -> Result<(), TestCaseError> {
    let p = beta.expected_sigmoid(d);
    let posterior = beta.posterior(d);
    let mut all = vec![p, beta.nll(d), beta.log_expected_sigmoid(d), beta.effective_logit(d)];
    all.extend([beta.effective_beta(d), beta.nll_d2_margin(d), posterior.mean, posterior.variance]);
    // A point mass of a family has no native parameters.
    let native = beta.parameters().iter().all(|p| p.is_finite())
        && (beta.v() > T::zero() || beta.family() == Family::Fixed);
    let coordinates =
        [Coordinates::LnMeanLnCv, Coordinates::LnMeanV, Coordinates::MeanCv, Coordinates::Native];
    let far_fixed = beta.mean() == T::zero() && d.is_infinite();
    for coordinates in coordinates.into_iter().take(if native { 4 } else { 3 }) {
        let g = beta.nll_gradient_in(d, coordinates);
        all.extend([g.value, g.d_margin]);
        // 0·∞ has no limit for a strength of 0 in its mean.
        if !(far_fixed && matches!(coordinates, Coordinates::Native | Coordinates::MeanCv)) {
            all.extend(
                &g.d_params
                    [..if coordinates == Coordinates::Native { beta.family().parameters().len() } else { 2 }],
            );
        }
        let mixed =
            beta.smoothed_nll_gradient_in(d, Smoothing::new(T::from_f64(0.1)).expect("valid"), coordinates);
        prop_assert!(
            d.is_nan() || !mixed.value.is_nan() && !mixed.d_margin.is_nan(),
            "{beta} at {d:?}: {mixed:?}"
        );
    }
    if d.is_nan() {
        prop_assert!(all.iter().all(|x| x.is_nan()), "{beta}: a number for NaN: {all:?}");
        return Ok(());
    }
    prop_assert!(!all.iter().any(|x| x.is_nan()), "{beta} at {d:?}: {all:?}");
    prop_assert!(p >= T::zero() && p <= T::one() && beta.nll(d) >= T::zero());
    prop_assert!(
        posterior.mean >= T::zero() && posterior.variance >= T::zero(),
        "{beta} at {d:?}: {posterior:?}"
    );
    Ok(())
}

/// E\[σ(βD)\], its slope and the posterior mean against sums over β = F⁻¹(Φ(z)): nothing in common with the kernels.
pub fn integral(family: Family) {
    let sigmoid = |x: f64| if x < 0.0 { x.exp() / (1.0 + x.exp()) } else { 1.0 / (1.0 + (-x).exp()) };
    run(48, (-1.5..0.5f64, -1.0..1.0f64, -15.0..15.0f64), |(v, mean, d)| {
        let beta =
            AnyStrength::from_mean_v(family, 10f64.powf(mean), spread(family, 10f64.powf(v))).expect("valid");
        let (mut mass, mut p, mut slope) = (0.0, 0.0, 0.0);
        for i in -450..=450 {
            let z = 0.02 * f64::from(i);
            let (weight, b) = ((-0.5 * z * z).exp(), beta.sample(z).value);
            mass += weight;
            p += weight * sigmoid(b * d);
            slope += weight * b * sigmoid(b * d);
        }
        let (expected, posterior) = (p / mass, slope / p);
        let close = |a: f64, b: f64, tolerance: f64| (a - b).abs() <= tolerance * b.abs();
        // Where the mass is beyond z = ±9, the sum does not see it.
        if expected > 1e-6 {
            prop_assert!(
                close(beta.expected_sigmoid(d), expected, 1e-9),
                "{beta} {d}: {} {expected}",
                beta.expected_sigmoid(d)
            );
            prop_assert!(
                close(beta.posterior(d).mean, posterior, 1e-8),
                "{beta} {d}: {:?} {posterior}",
                beta.posterior(d)
            );
        }
        let q = beta.expected_sigmoid(-d);
        prop_assert!((beta.expected_sigmoid(d) + q - 1.0).abs() <= 2.0 * f64::EPSILON);
        prop_assert_eq!(beta.effective_logit(d), -beta.effective_logit(-d));
        // Jensen: on the side of the margin, σ(βD) is concave in β.
        prop_assert!(beta.effective_logit(d).abs() <= beta.mean() * d.abs() * (1.0 + 4.0 * f64::EPSILON));
        Ok(())
    });
}

/// Gradients in every coordinates against differences of the loss, and draws against the distribution function.
pub fn coordinates(family: Family) {
    run(64, (-2.0..0.7f64, -1.0..1.0f64, -12.0..12.0f64), |(v, mean, d)| {
        let (mean, v) = (10f64.powf(mean), spread(family, 10f64.powf(v)));
        let beta = AnyStrength::from_mean_v(family, mean, v).expect("valid");
        // Fourth order in the step.
        let differentiate =
            |f: &dyn Fn(f64) -> f64, h: f64| (8.0 * (f(h) - f(-h)) - (f(2.0 * h) - f(-2.0 * h))) / (12.0 * h);
        let nll = |beta: Result<AnyStrength, _>| beta.map_or(f64::NAN, |beta: AnyStrength| beta.nll(d));
        let close = |a: f64, b: f64, size: f64| (a - b).abs() <= 1e-7 * (size + b.abs());
        let g = beta.nll_gradient_in(d, Coordinates::LnMeanV);
        let size = 1.0 + mean * d.abs();
        let of_mean = differentiate(&|h| nll(AnyStrength::from_mean_v(family, mean * h.exp(), v)), 1e-3);
        prop_assert!(close(g.d_params[0], of_mean, size), "{beta} {d}: {g:?} {of_mean}");
        prop_assert!(close(g.d_params[0], d * g.d_margin, size));
        let c = beta.nll_gradient_in(d, Coordinates::LnMeanLnCv);
        let m = beta.nll_gradient_in(d, Coordinates::MeanCv);
        prop_assert!(close(m.d_params[0] * mean, g.d_params[0], size));
        if v > 0.0 {
            let of_v = differentiate(&|h| nll(AnyStrength::from_mean_v(family, mean, v * h.exp())), 1e-3);
            prop_assert!(close(v * g.d_params[1], of_v, size), "{beta} {d}: {g:?} {of_v}");
            prop_assert!(close(c.d_params[1], 2.0 * v * g.d_params[1], size));
            prop_assert!(close(m.d_params[1] * v.sqrt(), c.d_params[1], size));
        }
        let n = beta.nll_gradient_in(d, Coordinates::Native);
        let native = beta.parameters();
        let names = family.parameters().len();
        for i in 0..names {
            // In steps of the parameter, or of 1 where it is a logarithm.
            let step = if family == Family::LogNormal && i == 0 { 1.0 } else { native[i] };
            let moved = |h: f64| {
                let mut moved = native;
                moved[i] += h * step;
                AnyStrength::from_parameters(family, &moved[..names])
            };
            let slope = differentiate(&|h| nll(moved(h)), 1e-3);
            prop_assert!(close(n.d_params[i] * step, slope, size), "{beta} {d}: {n:?} {slope} in {i}");
            for z in [-1.0, 0.3, 1.5] {
                let draw = beta.sample(z);
                let slope = differentiate(&|h| moved(h).map_or(f64::NAN, |b| b.sample(z).value), 1e-3);
                prop_assert!(
                    (draw.d_params[i] * step - slope).abs() <= 1e-6 * (mean + draw.value),
                    "{beta} z = {z}: {draw:?} {slope} in {i}"
                );
            }
        }
        Ok(())
    });
}

/// Distribution functions, quantiles and density belong together.
pub fn distribution(family: Family) {
    run(128, (-2.0..0.7f64, -1.0..1.0f64, 1e-6..0.999_999f64), |(v, mean, p)| {
        let (mean, v) = (10f64.powf(mean), spread(family, 10f64.powf(v)));
        let beta = AnyStrength::from_mean_v(family, mean, v).expect("valid");
        let x = beta.quantile(p);
        if v == 0.0 {
            prop_assert_eq!((x, beta.cdf(x), beta.sf(x)), (mean, 1.0, 0.0));
            prop_assert_eq!((beta.cdf(0.999 * mean), beta.ln_pdf(mean)), (0.0, f64::INFINITY));
            return Ok(());
        }
        prop_assert!((beta.cdf(x) - p).abs() <= 1e-12 * p, "{beta}: {p} {x} {}", beta.cdf(x));
        prop_assert!((beta.cdf(x) + beta.sf(x) - 1.0).abs() <= 1e-14);
        let h = 1e-4 * x;
        let slope = (8.0 * (beta.cdf(x + h) - beta.cdf(x - h))
            - (beta.cdf(x + 2.0 * h) - beta.cdf(x - 2.0 * h)))
            / (12.0 * h);
        prop_assert!(
            (slope / beta.ln_pdf(x).exp() - 1.0).abs() <= 1e-6 + 1e-10 / (slope * x),
            "{beta} at {x}: {slope}"
        );
        for bad in [-0.1, 1.1, f64::NAN] {
            prop_assert!(beta.quantile(bad).is_nan());
        }
        prop_assert_eq!((beta.cdf(0.0), beta.sf(0.0), beta.cdf(f64::INFINITY)), (0.0, 1.0, 1.0));
        prop_assert!(beta.cdf(f64::NAN).is_nan() && beta.ln_pdf(f64::NAN).is_nan());
        Ok(())
    });
}

/// A strength chosen at run time is the strength itself, bit for bit.
#[test]
fn any_strength_is_the_strength() {
    use prefstrength::{Gamma, LogNormal};
    let gamma = Gamma::from_shape_scale(2.5, 0.3).expect("valid");
    let lognormal = LogNormal::from_mu_sigma(-0.4, 0.8).expect("valid");
    for d in [-30.0, -1.0, 0.0, 0.1, 4.0, 900.0] {
        let (named, any) = (gamma.nll_gradient(d), AnyStrength::from(gamma).nll_gradient(d));
        assert_eq!(
            [named.value, named.d_margin, named.d_shape, named.d_scale],
            [any.value, any.d_margin, any.d_params[0], any.d_params[1]]
        );
        let (named, any) = (lognormal.nll_gradient(d), AnyStrength::from(lognormal).nll_gradient(d));
        assert_eq!(
            [named.value, named.d_margin, named.d_mu, named.d_sigma],
            [any.value, any.d_margin, any.d_params[0], any.d_params[1]]
        );
    }
    assert_eq!(format!("{gamma} {lognormal:?}"), "Gamma(shape 2.5, scale 0.3) LogNormal(mu -0.4, sigma 0.8)");
    assert_eq!(Gamma::from_mean_v(2.0, 0.0).expect("valid").to_string(), "Gamma(mean 2, v 0)");
}

#[test]
fn names() {
    for family in Family::ALL {
        assert_eq!(family.name().parse(), Ok(family));
        assert_eq!(family.to_string().parse(), Ok(family));
        assert!(["", "GAMMA", "gamma "].iter().all(|name| name.parse::<Family>().is_err()));
        assert_eq!(family.parameters().len(), family.symbols().len());
    }
    let message = "normal".parse::<Family>().expect_err("no such family").to_string();
    assert!(Family::ALL.iter().all(|family| message.contains(family.name())), "{message}");
}
