//! Values and gradients against the integral over β in double-double arithmetic: nothing is shared with
//! the kernels, and the differences are taken with 32 digits.

use crate::support::dd::Dd;
use prefstrength::Coordinates;
use prefstrength::{Gamma, LogNormal, Strength};
use proptest::prelude::*;

/// Σ f(u) over a grid of step 2⁻⁵ that covers the integrand: doubly exponential or Gaussian decay, and
/// poles at distance π/2 (in ln β) or more, so the rule is exact to 1e−32.
fn sum(from: f64, to: f64, f: impl Fn(Dd) -> Dd) -> Dd {
    let step = 1.0 / 32.0;
    // Exact multiples of the step: a rounded grid is not equidistant.
    let from = (from / step).floor() * step;
    let steps = ((to - from) / step) as i32;
    (0..=steps).fold(Dd(0.0, 0.0), |s, i| s + f(Dd::from(from + step * f64::from(i))))
}

/// 1/(1 + e⁻ʸ).
fn sigmoid(y: Dd) -> Dd {
    if y.0 < -600.0 {
        return Dd(0.0, 0.0);
    }
    if y.0 > 600.0 {
        return Dd(1.0, 0.0);
    }
    Dd::from(1.0) / (Dd::from(1.0) + (-y).exp())
}

/// −ln E[σ(βD)], β ~ Gamma(k, θ): over u = ln(β/θ), density ∝ e^{ku − eᵘ}.
fn gamma_nll(k: Dd, theta: Dd, d: Dd) -> Dd {
    let density = |u: Dd| {
        let e = u.exp();
        // Relative to the peak, so that nothing over- or underflows.
        let exponent = k * u - e - (k * k.ln() - k);
        if exponent.0 < -650.0 { Dd(0.0, 0.0) } else { exponent.exp() }
    };
    let (from, to) = (k.0.ln() - 80.0 / k.0 - 4.0, (k.0 + 30.0 * k.0.sqrt() + 90.0).ln());
    let total = sum(from, to, density);
    let hit = sum(from, to, |u| density(u) * sigmoid(u.exp() * theta * d));
    -(hit / total).ln()
}

/// −ln E[σ(βD)], ln β ~ Normal(μ, σ²): over z.
fn lognormal_nll(mu: Dd, sigma: Dd, d: Dd) -> Dd {
    let density = |z: Dd| (z * z * (-0.5).into()).exp();
    let total = sum(-14.0, 14.0, density);
    let hit = sum(-14.0, 14.0, |z| density(z) * sigmoid((mu + sigma * z).exp() * d));
    -(hit / total).ln()
}

/// f′(x) by Richardson's central differences with steps up to `unit`/1024, the scale on which f varies:
/// relative error about 1e−18.
fn slope(x: f64, unit: f64, f: impl Fn(Dd) -> Dd) -> f64 {
    let h = 2f64.powi(-10) * unit;
    let d = |h: f64| {
        let x = Dd::from(x);
        (f(x + h.into()) - f(x - h.into())) / (2.0 * h).into()
    };
    let (a, b, c) = (d(h), d(h / 2.0), d(h / 4.0));
    let first = (b * 4.0.into() - a) / 3.0.into();
    let second = (c * 4.0.into() - b) / 3.0.into();
    ((second * 16.0.into() - first) / 15.0.into()).0
}

/// |got − truth| in eps of `scale`.
fn eps(got: f64, truth: f64, scale: f64) -> f64 {
    if got == truth { 0.0 } else { (got - truth).abs() / (scale * f64::EPSILON) }
}

/// Allowed error: the reference tests' bounds, and the 1e−18 that the differences themselves may miss.
const BOUND: f64 = 6.0;

/// The same for ∂/∂v: up to three terms, the largest four times the result (measured: 18 and 9).
const SPREAD: f64 = 24.0;

/// Nearer to 0, ∂/∂v ~ d³ sinks below what differences of nll = ln 2 − … can show in 32 digits.
fn margin() -> impl Strategy<Value = f64> {
    (0.02..6.0f64, any::<bool>()).prop_map(|(d, negative)| if negative { -d } else { d })
}

fn dd_square(x: f64) -> Dd {
    Dd::from(x) * Dd::from(x)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn gamma(k in 0.8..60.0, mean in 0.3..3.0, d in margin()) {
        let theta = mean / k;
        let g = Gamma::from_shape_scale(k, theta).unwrap().nll_gradient(d);
        let (kk, tt, dd) = (Dd::from(k), Dd::from(theta), Dd::from(d));
        let value = gamma_nll(kk, tt, dd).0;
        let scale = 1.0 + if d > 0.0 { (-(-value).exp_m1()).ln().abs() } else { 0.0 };
        prop_assert!(eps(g.value, value, value) < BOUND * scale, "value {:e} {value:e}", g.value);
        let truth = slope(d, 0.25, |d| gamma_nll(kk, tt, d));
        prop_assert!(eps(g.d_margin, truth, truth.abs()) < BOUND * scale, "d_margin {:e} {truth:e}", g.d_margin);
        let truth = slope(k, k, |k| gamma_nll(k, tt, dd));
        prop_assert!(eps(g.d_shape, truth, truth.abs()) < BOUND * scale, "d_shape {:e} {truth:e}", g.d_shape);
        let truth = slope(theta, theta, |t| gamma_nll(kk, t, dd));
        prop_assert!(eps(g.d_scale, truth, truth.abs()) < BOUND * scale, "d_scale {:e} {truth:e}", g.d_scale);
        // At fixed mean; v = 1/k is rounded, which moves the slope by an ulp or two.
        let mean = kk * tt;
        let truth = slope(1.0 / k, 1.0 / k, |v| gamma_nll(Dd::from(1.0) / v, mean * v, dd));
        let d_v = Gamma::from_shape_scale(k, theta).unwrap().nll_gradient_in(d, Coordinates::LnMeanV).d_params[1];
        prop_assert!(eps(d_v, truth, truth.abs()) < SPREAD * scale, "d_v {d_v:e} {truth:e}");
    }

    #[test]
    fn lognormal(mu in -1.5..1.5, sigma in 0.05..1.5, d in margin()) {
        let g = LogNormal::from_mu_sigma(mu, sigma).unwrap().nll_gradient(d);
        let (m, s, dd) = (Dd::from(mu), Dd::from(sigma), Dd::from(d));
        let value = lognormal_nll(m, s, dd).0;
        let scale = 1.0 + if d > 0.0 { (-(-value).exp_m1()).ln().abs() } else { 0.0 };
        prop_assert!(eps(g.value, value, value) < BOUND * scale, "value {:e} {value:e}", g.value);
        let truth = slope(d, 0.25, |d| lognormal_nll(m, s, d));
        prop_assert!(eps(g.d_margin, truth, truth.abs()) < BOUND * scale, "d_margin {:e} {truth:e}", g.d_margin);
        let truth = slope(mu, 0.25, |mu| lognormal_nll(mu, s, dd));
        prop_assert!(eps(g.d_mu, truth, truth.abs()) < BOUND * scale, "d_mu {:e} {truth:e}", g.d_mu);
        let truth = slope(sigma, 0.25, |s| lognormal_nll(m, s, dd));
        let terms = (sigma * g.d_mu).abs() + (truth - sigma * g.d_mu).abs();
        prop_assert!(eps(g.d_sigma, truth, terms) < BOUND * scale, "d_sigma {:e} {truth:e}", g.d_sigma);
        // At fixed mean: ∂/∂σ = 2σ(1 + v) ∂/∂v, v = e^{σ²} − 1.
        let truth = slope(sigma, 0.25, |s| lognormal_nll(m + (dd_square(sigma) - s * s) * 0.5.into(), s, dd));
        let truth = truth / (2.0 * sigma * dd_square(sigma).exp().0);
        let d_v = LogNormal::from_mu_sigma(mu, sigma).unwrap().nll_gradient_in(d, Coordinates::LnMeanV).d_params[1];
        prop_assert!(eps(d_v, truth, truth.abs()) < SPREAD * scale, "d_v {d_v:e} {truth:e}");
    }
}
