//! No pair of bit patterns panics, hangs or yields a number where none is defined.

use prefstrength::Coordinates;
use prefstrength::lerch::{lerch_phi_m1, lerch_phi_m1_gradient, lerch_phi_m1_scaled, ln_lerch_phi_m1};
use prefstrength::math::{log_sigmoid, sigmoid, softplus};
use prefstrength::{Fixed, Gamma, LogNormal, ParamError, Real, Smoothing, Strength, canonical};
use proptest::prelude::*;

fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

/// Any f64: uniform bits, and the patterns that uniform bits never hit.
fn any_bits() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => any::<u64>().prop_map(f64::from_bits),
        3 => (-330.0..310.0f64, any::<bool>()).prop_map(|(e, s)| if s { 10f64.powf(e) } else { -(10f64.powf(e)) }),
        1 => prop::sample::select(vec![
            0.0, -0.0, 5e-324, -5e-324, f64::MIN_POSITIVE, f64::MAX, f64::MIN, f64::INFINITY, f64::NEG_INFINITY,
            f64::NAN, 1.0, -1.0, 2.0, 12.0, 0.75, 1e300, 1e-300,
        ]),
    ]
}

/// Everything a strength says about a margin: defined, of the right sign, NaN only for NaN.
fn sane<T: Real, S: Strength<T>>(
    beta: &S,
    d: T,
    native: impl Fn(S::Gradient) -> Vec<T>,
) -> Result<(), TestCaseError> {
    let smoothing = Smoothing::new(T::from_f64(0.1)).unwrap();
    let (c, v) =
        (beta.nll_gradient_in(d, Coordinates::LnMeanLnCv), beta.nll_gradient_in(d, Coordinates::LnMeanV));
    let posterior = beta.posterior(d);
    let p = beta.expected_sigmoid(d);
    let mut all = vec![p, beta.nll(d), beta.log_expected_sigmoid(d), beta.effective_logit(d)];
    all.extend([beta.effective_beta(d), beta.nll_d2_margin(d)]);
    all.extend([
        c.value,
        c.d_margin,
        c.d_params[0],
        c.d_params[1],
        v.value,
        v.d_margin,
        v.d_params[0],
        v.d_params[1],
    ]);
    all.extend([posterior.mean, posterior.variance]);
    all.extend(native(beta.nll_gradient(d)));
    if d.is_nan() {
        prop_assert!(all.iter().all(|x| x.is_nan()), "{beta:?}: a number for NaN: {all:?}");
        return Ok(());
    }
    prop_assert!(!all.iter().any(|x| x.is_nan()), "{beta:?} at {d:?}: {all:?}");
    prop_assert!(p >= T::zero() && p <= T::one());
    prop_assert!(beta.nll(d) >= T::zero());
    prop_assert!(
        posterior.mean >= T::zero() && posterior.variance >= T::zero(),
        "{beta:?} at {d:?}: {posterior:?}"
    );
    prop_assert!(c.d_margin <= T::zero());
    // Both signs at once may be ∞ − ∞ in a parameter, never a panic; value and slope stay defined.
    let mixed = native(beta.smoothed_nll_gradient(d, smoothing));
    prop_assert!(!mixed[0].is_nan() && !mixed[1].is_nan(), "{beta:?} at {d:?}: {mixed:?}");
    Ok(())
}

proptest! {
    #![proptest_config(cases(4000))]

    #[test]
    fn arbitrary_bits(a in any_bits(), b in any_bits(), d in any_bits()) {
        if let Ok(s) = Fixed::new(a) { sane(&s, d, |g| vec![g.value, g.d_margin, g.d_beta])?; }
        for s in [Gamma::from_shape_scale(a, b), Gamma::from_shape_rate(a, b)].into_iter().flatten() {
            sane(&s, d, |g| vec![g.value, g.d_margin, g.d_shape, g.d_scale])?;
        }
        for s in [Gamma::from_mean_cv(a, b), Gamma::from_mean_v(a, b)].into_iter().flatten() {
            // At cv = 0 the scale is 0 and its derivative is not defined.
            sane(&s, d, |g| if s.cv() > 0.0 { vec![g.value, g.d_margin, g.d_shape, g.d_scale] } else { vec![g.value, g.d_margin] })?;
        }
        for s in [LogNormal::from_mu_sigma(a, b), LogNormal::from_mean_cv(a, b), LogNormal::from_mean_v(a, b)]
            .into_iter()
            .flatten()
        {
            sane(&s, d, |g| vec![g.value, g.d_margin, g.d_mu, g.d_sigma])?;
        }
        let nan = a.is_nan();
        prop_assert!(sigmoid(a).is_nan() == nan && log_sigmoid(a).is_nan() == nan && softplus(a).is_nan() == nan);
    }

    #[test]
    fn arbitrary_bits_f32(a in any::<u32>(), b in any::<u32>(), d in any::<u32>()) {
        let [a, b, d] = [a, b, d].map(f32::from_bits);
        if let Ok(s) = Fixed::new(a) { sane(&s, d, |g| vec![g.value, g.d_margin, g.d_beta])?; }
        if let Ok(s) = Gamma::from_shape_scale(a.abs(), b.abs()) {
            sane(&s, d, |g| vec![g.value, g.d_margin, g.d_shape, g.d_scale])?;
        }
        if let Ok(s) = LogNormal::from_mu_sigma(a, b.abs() % 12.0) {
            sane(&s, d, |g| vec![g.value, g.d_margin, g.d_mu, g.d_sigma])?;
        }
    }

    #[test]
    fn arbitrary_bits_in_functions(a in any_bits(), b in any_bits()) {
        for tail in [canonical::fixed(a), canonical::gamma(a, b), canonical::lognormal(a, b)] {
            let all = [
                tail.value(), tail.half_minus(), tail.ln(), tail.effective_logit(), tail.neg_d_x_over_value(),
                tail.ln_d_xx(), tail.ln_d_v(), tail.effective_logit_d_x(), tail.effective_logit_d_v(),
            ];
            prop_assert!(all.iter().all(|x| x.is_nan()) || !all.iter().any(|x| x.is_nan()), "{a:?} {b:?}: {tail:?}");
        }
        let phi = lerch_phi_m1_gradient(a, b);
        let inside = (f64::MIN_POSITIVE..=1e300).contains(&a) && (f64::MIN_POSITIVE..=1e300).contains(&b);
        prop_assert_eq!(phi.scaled.is_nan(), !inside);
        prop_assert_eq!(ln_lerch_phi_m1(a, b).is_nan(), !inside);
        if inside {
            prop_assert!((0.5..=1.0).contains(&phi.scaled));
            prop_assert!(!phi.value.is_nan() && !phi.d_a.is_nan() && !phi.d_s.is_nan(), "{a:?} {b:?}: {phi:?}");
            prop_assert_eq!(phi.value.to_bits(), lerch_phi_m1(a, b).to_bits());
            prop_assert_eq!(phi.scaled, lerch_phi_m1_scaled(a, b));
        }
    }
}

/// Each error names the predicate that fails, NaN included.
#[test]
fn typed_errors() {
    let nan = f64::NAN;
    let inf = f64::INFINITY;
    for x in [0.0, -0.0, -1.0, nan, inf, -inf] {
        assert_eq!(Gamma::from_shape_scale(x, 1.0).unwrap_err(), ParamError::ShapeNotPositive);
        assert_eq!(Gamma::from_shape_scale(1.0, x).unwrap_err(), ParamError::ScaleNotPositive);
        assert_eq!(Gamma::from_shape_rate(1.0, x).unwrap_err(), ParamError::RateNotPositive);
        assert_eq!(Gamma::from_mean_cv(x, 0.0).unwrap_err(), ParamError::MeanNotPositive);
        assert_eq!(LogNormal::from_mean_cv(x, 0.0).unwrap_err(), ParamError::MeanNotPositive);
        assert_eq!(LogNormal::from_mean_v(x, 0.0).unwrap_err(), ParamError::MeanNotPositive);
    }
    for x in [-5e-324, -1.0, nan, inf, -inf] {
        assert_eq!(Fixed::new(x).unwrap_err(), ParamError::BetaNegative);
        assert_eq!(Gamma::from_mean_cv(1.0, x).unwrap_err(), ParamError::CvNegative);
        assert_eq!(Gamma::from_mean_v(1.0, x).unwrap_err(), ParamError::VNegative);
        assert_eq!(LogNormal::from_mu_sigma(0.0, x).unwrap_err(), ParamError::SigmaNegative);
        assert_eq!(LogNormal::from_mean_cv(1.0, x).unwrap_err(), ParamError::CvNegative);
        assert_eq!(Smoothing::new(x).unwrap_err(), ParamError::SmoothingNotInUnit);
    }
    for x in [nan, inf, -inf] {
        assert_eq!(LogNormal::from_mu_sigma(x, 1.0).unwrap_err(), ParamError::MuNotFinite);
    }
    assert_eq!(LogNormal::from_mu_sigma(0.0, 12.1).unwrap_err(), ParamError::SigmaTooLarge);
    assert_eq!(LogNormal::from_mean_cv(1.0, 1e100).unwrap_err(), ParamError::SigmaTooLarge);
    assert_eq!(Gamma::from_shape_scale(1e200, 1e200).unwrap_err(), ParamError::MeanOutOfRange);
    assert_eq!(Gamma::from_shape_scale(1e-200, 1e-200).unwrap_err(), ParamError::MeanOutOfRange);
    assert_eq!(Smoothing::new(1.5).unwrap_err(), ParamError::SmoothingNotInUnit);
    assert_eq!(ParamError::SigmaTooLarge.to_string(), "sigma must be at most 12");
}
