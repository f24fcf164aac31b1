//! Properties that need no reference values, over the declared domain.

use prefstrength::Coordinates;
use prefstrength::lerch::{lerch_phi_m1, lerch_phi_m1_gradient, lerch_phi_m1_scaled};
use prefstrength::{Fixed, Gamma, LogNormal, Smoothing, Strength, canonical};
use proptest::prelude::*;
use std::f64::consts::{LN_2, PI};

/// No regression files: a failure prints its seed and input.
fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

/// σ(x), from the standard library.
fn sigmoid(x: f64) -> f64 {
    if x < 0.0 { x.exp() / (1.0 + x.exp()) } else { 1.0 / (1.0 + (-x).exp()) }
}

/// ∫ f over ln β by the trapezoidal rule; f falls off doubly exponentially or as a Gaussian. Shares
/// nothing with the kernels, which never integrate over β.
fn integrate(from: f64, to: f64, steps: usize, f: impl Fn(f64) -> f64) -> f64 {
    let h = (to - from) / steps as f64;
    (0..=steps).map(|i| f(from + h * i as f64)).sum::<f64>() * h
}

/// E[σ(βD)] and −E[βσ′(βD)]/E[σ(βD)] for Gamma(k, θ), normalised numerically.
fn gamma_by_integration(k: f64, theta: f64, d: f64) -> (f64, f64) {
    // ln of the density of u = ln(β/θk), relative to its peak at u = 0: k(u − eᵘ + 1).
    let density = |u: f64| (k * (u - u.exp_m1())).exp();
    let from = if k < 10.0 { -45.0 / k.min(1.0) - 5.0 } else { -60.0 / k.sqrt() };
    let to = if k < 10.0 { (60.0 / k).ln().max(1.0) + 1.0 } else { 15.0 / k.sqrt() };
    let total = |f: &dyn Fn(f64) -> f64| integrate(from, to, 20_000, |u| density(u) * f(theta * k * u.exp()));
    let mass = total(&|_| 1.0);
    let p = total(&|beta| sigmoid(beta * d)) / mass;
    (p, -total(&|beta| beta * sigmoid(beta * d) * sigmoid(-beta * d)) / mass / p)
}

/// The same for LogNormal(μ, σ).
fn lognormal_by_integration(mu: f64, sigma: f64, d: f64) -> (f64, f64) {
    // For large −βD the mass lies ten and more standard deviations below the mean.
    let total = |f: &dyn Fn(f64) -> f64| {
        integrate(-40.0, 10.0 + 2.0 * sigma, 12_000, |z| {
            (-0.5 * z * z).exp() * f((mu + sigma * z).exp()) / (2.0 * PI).sqrt()
        })
    };
    let p = total(&|beta| sigmoid(beta * d));
    (p, -total(&|beta| beta * sigmoid(beta * d) * sigmoid(-beta * d)) / p)
}

/// Agreement of two independent double-precision routes: both lose digits to their exponentials.
const QUADRATURE: f64 = 2e-12;

fn close(a: f64, b: f64, tolerance: f64) -> bool {
    (a - b).abs() <= tolerance * (1.0 + a.abs().max(b.abs()).min(1e300)) && !a.is_nan() && !b.is_nan()
        || a == b
}

/// Margins of all practical sizes and signs.
fn margin() -> impl Strategy<Value = f64> {
    prop_oneof![
        -30.0..30.0,
        -1.0..1.0,
        (-12.0..4.0f64, any::<bool>()).prop_map(|(e, s)| {
            let d = 10f64.powf(e);
            if s { d } else { -d }
        })
    ]
}

/// 10ᵉ.
fn decades(from: f64, to: f64) -> impl Strategy<Value = f64> {
    (from..to).prop_map(|e| 10f64.powf(e))
}

proptest! {
    #![proptest_config(cases(64))]

    #[test]
    fn gamma_is_the_beta_integral(k in decades(-0.7, 4.0), mean in decades(-1.0, 1.0), d in -15.0..15.0) {
        let beta = Gamma::from_shape_scale(k, mean / k).unwrap();
        let (p, slope) = gamma_by_integration(k, mean / k, d);
        prop_assert!(close(beta.expected_sigmoid(d), p, QUADRATURE), "{} {p}", beta.expected_sigmoid(d));
        prop_assert!(close(beta.nll_gradient(d).d_margin, slope, 10.0 * QUADRATURE));
    }

    #[test]
    fn lognormal_is_the_beta_integral(mu in -2.0..2.0, sigma in 0.01..3.0, d in -15.0..15.0) {
        let beta = LogNormal::from_mu_sigma(mu, sigma).unwrap();
        let (p, slope) = lognormal_by_integration(mu, sigma, d);
        prop_assert!(close(beta.expected_sigmoid(d), p, QUADRATURE), "{} {p}", beta.expected_sigmoid(d));
        prop_assert!(close(beta.nll_gradient(d).d_margin, slope, 10.0 * QUADRATURE));
    }
}

/// What must hold of any strength at any margin.
fn holds<S: Strength<f64>>(beta: &S, mean: f64, d: f64) -> Result<(), TestCaseError> {
    let (p, q) = (beta.expected_sigmoid(d), beta.expected_sigmoid(-d));
    prop_assert!((p + q - 1.0).abs() <= 2.0 * f64::EPSILON, "symmetry: {p} + {q}");
    prop_assert_eq!(beta.effective_logit(d), -beta.effective_logit(-d));
    // The effective logit and nll are the same number: nll = softplus(−ℓ).
    let (nll, logit) = (beta.nll(d), beta.effective_logit(d));
    let soft = prefstrength::math::softplus(-logit);
    prop_assert!(
        (nll - soft).abs() <= 8.0 * f64::EPSILON * nll * (1.0 + logit.abs()) + 1e-322,
        "{nll:e} {soft:e}"
    );
    // Jensen: on the side of the margin, σ(βD) is concave in β.
    prop_assert!(logit.abs() <= mean * d.abs() * (1.0 + 4.0 * f64::EPSILON), "{logit} {}", mean * d);
    prop_assert!(beta.effective_beta(d) <= mean * (1.0 + 8.0 * f64::EPSILON));
    let posterior = beta.posterior(d);
    prop_assert!(posterior.mean >= 0.0 && posterior.variance >= 0.0);
    let against = beta.posterior(-d.abs()).mean;
    let with = beta.posterior(d.abs()).mean;
    prop_assert!(against <= mean * (1.0 + 1e-13) && with >= mean * (1.0 - 1e-13), "{against} {mean} {with}");
    Ok(())
}

proptest! {
    #![proptest_config(cases(512))]

    #[test]
    fn gamma_invariants(k in decades(-6.0, 12.0), mean in decades(-6.0, 6.0), d in margin()) {
        let beta = Gamma::from_shape_scale(k, mean / k).unwrap();
        holds(&beta, beta.mean(), d)?;
    }

    #[test]
    fn lognormal_invariants(mu in -10.0..10.0, sigma in prop_oneof![0.0..10.0, decades(-9.0, 1.0)], d in margin()) {
        let beta = LogNormal::from_mu_sigma(mu, sigma).unwrap();
        holds(&beta, beta.mean(), d)?;
    }

    #[test]
    fn fixed_is_plain_dpo(b in 0.0..100.0, d in margin()) {
        let beta = Fixed::new(b).unwrap();
        holds(&beta, b, d)?;
        let logit = beta.effective_logit(d);
        prop_assert!((logit - b * d).abs() <= 4.0 * f64::EPSILON * logit.abs(), "{logit} {}", b * d);
    }

    /// Scaling β up by a power of two and the margin down changes no bit.
    #[test]
    fn scale_invariance(k in decades(-3.0, 6.0), theta in decades(-3.0, 3.0), j in -20i32..20, d in margin()) {
        let f = 2f64.powi(j);
        let a = Gamma::from_shape_scale(k, theta).unwrap().nll_gradient(d);
        let b = Gamma::from_shape_scale(k, theta * f).unwrap().nll_gradient(d / f);
        prop_assert_eq!(a.value, b.value);
        prop_assert_eq!(a.d_shape, b.d_shape);
        // Subnormal numbers do not scale exactly.
        prop_assert!(a.d_margin == b.d_margin / f || a.d_margin.abs() < 1e-290);
    }

    /// Larger margins never cost more.
    #[test]
    fn nll_falls_with_the_margin(k in decades(-3.0, 6.0), sigma in 0.0..5.0, d in margin(), step in decades(-3.0, 1.0)) {
        let gamma = Gamma::from_shape_scale(k, 1.0 / k).unwrap();
        prop_assert!(gamma.nll(d + step * d.abs()) < gamma.nll(d) || gamma.nll(d) < 1e-290);
        let lognormal = LogNormal::from_mu_sigma(0.0, sigma).unwrap();
        prop_assert!(lognormal.nll(d + step * d.abs()) < lognormal.nll(d) || lognormal.nll(d) < 1e-290);
    }

    /// T, −T_x and T_v are positive, and T rises with v.
    #[test]
    fn tail_rises_with_the_spread(x in decades(-6.0, 3.0), v in decades(-6.0, 3.0)) {
        for tail in [canonical::gamma, canonical::lognormal] {
            let (low, high) = (tail(x, v), tail(x, 1.5 * v));
            // A step in v that rounding could hide is no counterexample.
            let seen = low.ln_d_v() * 0.5 * v > 1e-14 * (1.0 + low.ln().abs());
            prop_assert!(high.ln() > low.ln() || !seen, "{} {}", low.ln(), high.ln());
            prop_assert!(low.ln_d_v() > 0.0 && low.neg_d_x_over_value() > 0.0);
            prop_assert!(low.effective_logit() <= x * (1.0 + 4.0 * f64::EPSILON));
        }
    }

    /// Φ(−1, s, a) + Φ(−1, s, a + 1) = a⁻ˢ.
    #[test]
    fn lerch_recurrence(s in decades(-6.0, 2.0), a in decades(-3.0, 3.0)) {
        // a + 1 must be exact for the identity to be.
        let a = (a * 1e6).round() / 1_048_576.0 + 2f64.powi(-20);
        let power = a.powf(-s);
        let sum = lerch_phi_m1(s, a) + lerch_phi_m1(s, a + 1.0);
        prop_assert!((sum - power).abs() <= 4.0 * f64::EPSILON * power, "{sum} {power}");
        prop_assert!((0.5..=1.0).contains(&lerch_phi_m1_scaled(s, a)));
    }

    /// ∂Φ/∂s against Richardson's differences of Φ.
    #[test]
    fn lerch_slopes(s in 0.1..20.0, a in 0.1..20.0) {
        let phi = lerch_phi_m1_gradient(s, a);
        let diff = |f: &dyn Fn(f64) -> f64, x: f64| {
            let h = 1e-3 * x;
            let d = |h: f64| (f(x + h) - f(x - h)) / (2.0 * h);
            (64.0 * d(h / 4.0) - 20.0 * d(h / 2.0) + d(h)) / 45.0
        };
        let size = phi.value * (1.0 + a.ln().abs() + s / a);
        prop_assert!((diff(&|s| lerch_phi_m1(s, a), s) - phi.d_s).abs() < 1e-10 * size * (1.0 + 1.0 / s));
        prop_assert!((diff(&|a| lerch_phi_m1(s, a), a) - phi.d_a).abs() < 1e-10 * size * (1.0 + 1.0 / a));
    }

    /// Label smoothing mixes both signs, and every coordinate system tells the same story.
    #[test]
    fn smoothing_and_coordinates(cv in 0.05..2.0, mean in 0.1..5.0, d in -10.0..10.0, eps in 0.0..=1.0) {
        let smoothing = Smoothing::new(eps).unwrap();
        let near = |a: f64, b: f64, scale: f64| (a - b).abs() <= 1e-12 * scale;
        let gamma = Gamma::<f64>::from_mean_cv(mean, cv).unwrap();
        let (plus, minus) = (gamma.nll_gradient(d), gamma.nll_gradient(-d));
        let g = gamma.smoothed_nll_gradient(d, smoothing);
        let size = 1.0 + d.abs() * mean;
        prop_assert!(near(g.value, (1.0 - eps) * plus.value + eps * minus.value, size));
        prop_assert!(near(gamma.smoothed_nll(d, smoothing), g.value, size));
        prop_assert!(near(g.d_margin, (1.0 - eps) * plus.d_margin - eps * minus.d_margin, mean));
        prop_assert!(near(g.d_shape, (1.0 - eps) * plus.d_shape + eps * minus.d_shape, size));
        // k = cv⁻², θ = mean·cv²: ∂/∂ln mean = θ∂θ, ∂/∂ln cv = −2k∂k + 2θ∂θ.
        let c = gamma.smoothed_nll_gradient_in(d, smoothing, Coordinates::LnMeanLnCv);
        let (k, theta) = (gamma.shape(), gamma.scale());
        let terms = (k * g.d_shape).abs() + (theta * g.d_scale).abs() + 1e-3;
        prop_assert!(near(c.d_params[0], theta * g.d_scale, terms));
        prop_assert!(near(c.d_params[1], 2.0 * (theta * g.d_scale - k * g.d_shape), 10.0 * terms));
        let w = gamma.smoothed_nll_gradient_in(d, smoothing, Coordinates::LnMeanV);
        prop_assert!(near(2.0 * cv * cv * w.d_params[1], c.d_params[1], terms));
        // μ = ln mean − ½ln(1 + cv²), σ² = ln(1 + cv²).
        let lognormal = LogNormal::<f64>::from_mean_cv(mean, cv).unwrap();
        let (g, c) = (lognormal.smoothed_nll_gradient(d, smoothing), lognormal.smoothed_nll_gradient_in(d, smoothing, Coordinates::LnMeanLnCv));
        let per = cv * cv / (1.0 + cv * cv);
        let terms = g.d_mu.abs() + g.d_sigma.abs() / lognormal.sigma() + 1e-3;
        prop_assert!(near(c.d_params[0], g.d_mu, terms));
        prop_assert!(near(c.d_params[1], per * (g.d_sigma / lognormal.sigma() - g.d_mu), 10.0 * terms));
    }

    /// First and second derivatives in the margin against differences of the exact first.
    #[test]
    fn second_derivative(k in decades(-1.0, 3.0), sigma in 0.05..1.0, d in 0.5..20.0, sign in any::<bool>()) {
        let d: f64 = if sign { d } else { -d };
        fn check<S: Strength<f64>>(beta: &S, d: f64, first: impl Fn(f64) -> f64) -> Result<(), TestCaseError> {
            let h = 2e-3;
            let slope = |h: f64| (first(d + h) - first(d - h)) / (2.0 * h);
            let difference = (4.0 * slope(h / 2.0) - slope(h)) / 3.0;
            let second = beta.nll_d2_margin(d);
            prop_assert!((difference - second).abs() < 1e-8, "{difference} {second}");
            Ok(())
        }
        let gamma = Gamma::from_shape_scale(k, 1.0 / k).unwrap();
        check(&gamma, d, |d| gamma.nll_gradient(d).d_margin)?;
        let lognormal = LogNormal::from_mu_sigma(-0.5 * sigma * sigma, sigma).unwrap();
        check(&lognormal, d, |d| lognormal.nll_gradient(d).d_margin)?;
    }
}

#[test]
fn at_zero_margin() {
    for cv in [0.0, 1e-9, 0.5, 3.0] {
        let gamma = Gamma::from_mean_cv(2.0, cv).unwrap();
        assert_eq!(gamma.nll(0.0), LN_2);
        assert_eq!(gamma.nll_gradient(-0.0).d_margin, -1.0);
        assert_eq!(gamma.effective_beta(0.0), 2.0);
        let lognormal = LogNormal::from_mean_cv(2.0, cv).unwrap();
        assert_eq!(lognormal.nll(0.0), LN_2);
        assert!((lognormal.nll_gradient(0.0).d_margin + 1.0).abs() < 1e-14);
        assert!((lognormal.nll_d2_margin(0.0) - 1.0).abs() < 1e-14);
        assert!((gamma.nll_d2_margin(0.0) - 1.0).abs() < 1e-14);
    }
}

/// At infinite margins every output is its limit.
#[test]
fn limits_at_infinity() {
    let inf = f64::INFINITY;
    let gamma = Gamma::from_shape_scale(2.0, 0.5).unwrap();
    let (up, down) = (gamma.nll_gradient(inf), gamma.nll_gradient(-inf));
    assert_eq!((up.value, up.d_margin, up.d_shape, up.d_scale), (0.0, 0.0, 0.0, 0.0));
    assert_eq!((down.value, down.d_margin, down.d_shape, down.d_scale), (inf, 0.0, inf, 4.0));
    assert_eq!(gamma.posterior(inf).mean, 1.0);
    assert_eq!(gamma.posterior(-inf).mean, 0.0);
    assert_eq!((gamma.effective_logit(-inf), gamma.effective_beta(inf)), (-inf, 0.0));

    let lognormal = LogNormal::from_mu_sigma(0.0, 0.5).unwrap();
    let (up, down) = (lognormal.nll_gradient(inf), lognormal.nll_gradient(-inf));
    assert_eq!((up.value, up.d_margin, up.d_mu, up.d_sigma), (0.0, 0.0, 0.0, 0.0));
    assert_eq!((down.value, down.d_margin, down.d_mu, down.d_sigma), (inf, 0.0, inf, -inf));
    assert_eq!(lognormal.posterior(-inf).mean, 0.0);
    assert_eq!((lognormal.effective_logit(inf), lognormal.effective_beta(inf)), (inf, 0.0));

    let fixed = Fixed::new(0.5).unwrap();
    assert_eq!((fixed.nll(inf), fixed.nll(-inf), fixed.nll_gradient(-inf).d_margin), (0.0, inf, -0.5));
    assert_eq!((fixed.nll_gradient(inf).d_beta, fixed.nll_gradient(-inf).d_beta), (0.0, inf));
    assert_eq!(Fixed::new(0.0).unwrap().nll(-inf), LN_2);
}
