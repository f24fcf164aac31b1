//! No jump anywhere: each boundary between two methods is walked ulp by ulp, and both families run
//! into plain DPO as their spread goes to 0.

use prefstrength::Coordinates;
use prefstrength::{Fixed, Gamma, LogNormal, Strength};

/// Steps on each side of a seam.
const ULPS: i64 = 48;

/// Two neighbouring arguments may differ by this much in any result, in eps of its scale: twice the
/// largest error of the kernels, plus what the function itself moves in an ulp.
const JUMP: f64 = 12.0;

fn ulps(x: f64, n: i64) -> f64 {
    f64::from_bits((x.to_bits() as i64 + n) as u64)
}

/// (value, scale) pairs must not jump between neighbours.
fn walk<const M: usize>(seam: &str, centre: f64, f: impl Fn(f64) -> [(f64, f64); M]) {
    let mut last = f(ulps(centre, -ULPS));
    for n in 1 - ULPS..=ULPS {
        let next = f(ulps(centre, n));
        for (i, ((a, scale), (b, _))) in last.into_iter().zip(next).enumerate() {
            let jump = if a == b { 0.0 } else { (a - b).abs() / (scale * f64::EPSILON) };
            assert!(
                jump <= JUMP,
                "{seam}, result {i}, at {n} ulps from {centre:?}: {a:e} to {b:e}, {jump} eps"
            );
        }
        last = next;
    }
}

/// Loss, slopes, second derivative and posterior mean, each with the scale of its accuracy claim.
fn gamma(k: f64, theta: f64, d: f64) -> [(f64, f64); 8] {
    let beta = Gamma::from_shape_scale(k, theta).unwrap();
    let (g, w) = (beta.nll_gradient(d), beta.nll_gradient_in(d, Coordinates::LnMeanV));
    let p = beta.posterior(d);
    let d2 = beta.nll_d2_margin(d);
    // Deep in the tail a step of an ulp in x moves ln T by |ln T| ulp.
    let steep = 1.0 + beta.effective_logit(d).abs();
    [
        (g.value, g.value * steep),
        (g.d_margin, g.d_margin.abs() * steep),
        (g.d_shape, g.d_shape.abs() * steep),
        (g.d_scale, g.d_scale.abs() * steep),
        // A combination of up to three terms.
        (w.d_params[1], 2.0 * w.d_params[1].abs() * steep),
        (d2, d2.abs().max(g.d_margin * g.d_margin) * steep),
        (p.mean, p.mean),
        (p.variance, 4.0 * p.variance),
    ]
}

fn lognormal(mu: f64, sigma: f64, d: f64) -> [(f64, f64); 7] {
    let beta = LogNormal::from_mu_sigma(mu, sigma).unwrap();
    let (g, w) = (beta.nll_gradient(d), beta.nll_gradient_in(d, Coordinates::LnMeanV));
    let p = beta.posterior(d);
    let d2 = beta.nll_d2_margin(d);
    let steep = 1.0 + beta.effective_logit(d).abs();
    let terms = (sigma * g.d_mu).abs() + (g.d_sigma - sigma * g.d_mu).abs();
    [
        (g.value, g.value * steep),
        (g.d_margin, g.d_margin.abs() * steep),
        (g.d_mu, g.d_mu.abs() * steep),
        (g.d_sigma, terms * steep),
        // A combination of up to three terms.
        (w.d_params[1], 2.0 * w.d_params[1].abs() * steep),
        (d2, d2.abs().max(g.d_margin * g.d_margin) * steep),
        // An ulp of σ moves e^{σ²/2} by σ² ulp.
        (p.mean, p.mean * (1.0 + sigma * sigma)),
    ]
}

#[test]
fn gamma_margins() {
    for sign in [1.0, -1.0] {
        for k in [1e-3, 0.1, 0.5, 1.0, 1.9, 2.5, 10.0, 700.5, 1e3, 1e6, 1e12] {
            let theta = 1.0 / k;
            // x = 2, c = 1, y = x/(1 + c) = 2, y = 700, and the block cut of the direct sum.
            walk("x = 2", 2.0, |d| gamma(k, theta, sign * d));
            walk("c = 1", k, |d| gamma(k, theta, sign * d));
            if k > 2.0 {
                walk("y = 2", 2.0 / (1.0 - 2.0 / k), |d| gamma(k, theta, sign * d));
            }
            if k > 700.0 {
                walk("y = 700", 700.0 / (1.0 - 700.0 / k), |d| gamma(k, theta, sign * d));
            }
            for d in [0.7, 1.0, 6.0, 40.0, 690.0, 1e4] {
                walk("elsewhere", d, |d| gamma(k, theta, sign * d));
            }
            walk("c = 1e-3", 1e-3 * k, |d| gamma(k, theta, sign * d));
            walk("c = 1e-6", 1e-6 * k, |d| gamma(k, theta, sign * d));
        }
    }
}

#[test]
fn gamma_parameters() {
    for d in [-7.0, -1.3, 0.4, 2.0, 11.0] {
        for k in [0.1, 1.0, 3.0, 1e4] {
            walk("shape", k, |k| gamma(k, 0.7, d));
            walk("scale", 1.0 / f64::abs(d), |theta| gamma(k, theta, d));
            walk("scale at x = 2", 2.0 / f64::abs(d) / k, |theta| gamma(k, theta, d));
        }
    }
}

#[test]
fn lognormal_margins() {
    for sign in [1.0, -1.0] {
        for sigma in [1e-9, 1e-6, 1e-3, 0.05, 0.5, 1.0, 2.0, 5.0, 10.0] {
            walk("median 1", 1.0, |d| lognormal(0.0, sigma, sign * d));
            // The saddle reaches X = 30 at ξ = 30e^{30σ²}.
            let deep = 30.0 * (30.0 * sigma * sigma).exp();
            if deep < 1e280 {
                walk("saddle 30", deep, |d| lognormal(0.0, sigma, sign * d));
            }
            // The centre of the near sum moves from σ to −ln ξ/σ at ξ = e^{−σ²}.
            walk("near centre", (-sigma * sigma).exp(), |d| lognormal(0.0, sigma, sign * d));
            for d in [1e-8, 0.1, 7.0, 690.0] {
                walk("elsewhere", d, |d| lognormal(0.0, sigma, sign * d));
            }
        }
    }
}

#[test]
fn lognormal_parameters() {
    for d in [-40.0, -7.0, -1.3, 0.4, 2.0, 40.0] {
        for sigma in [1e-6, 1e-3, 0.3, 1.0, 4.0] {
            walk("sigma", sigma, |s| lognormal(0.1, s, d));
            walk("mu", 0.3, |mu| lognormal(mu, sigma, d));
        }
    }
}

/// As v → 0 loss and gradient in (ln mean, v) tend to plain DPO's, at rate v, from the first ulp on.
#[test]
fn collapse() {
    let spreads = [
        0.0, 5e-324, 1e-310, 2.2e-308, 1e-300, 1e-290, 1e-200, 1e-100, 1e-40, 1e-17, 1e-16, 1e-12, 1e-9, 1e-6,
    ];
    for d in [-30.0, -3.0, -1.0, -1e-3, 0.0, 1e-3, 0.5, 2.0, 5.0, 30.0, 700.0] {
        for mean in [0.1, 1.0, 3.0] {
            let dpo = Fixed::new(mean).unwrap().nll_gradient_in(d, Coordinates::LnMeanV);
            let x: f64 = mean * f64::abs(d);
            for v in spreads {
                let gamma = Gamma::from_mean_v(mean, v).unwrap().nll_gradient_in(d, Coordinates::LnMeanV);
                let lognormal =
                    LogNormal::from_mean_v(mean, v).unwrap().nll_gradient_in(d, Coordinates::LnMeanV);
                for got in [gamma, lognormal] {
                    // The next term of the expansion in v is of relative size x²v, times rounding in T.
                    let tolerance = (4.0 + 2.0 * x * x) * v + (8.0 + 2.0 * x) * f64::EPSILON;
                    let same = |a: f64, b: f64| (a - b).abs() <= tolerance * b.abs();
                    assert!(same(got.value, dpo.value), "value {v:e} {d}: {got:?} {dpo:?}");
                    assert!(same(got.d_margin, dpo.d_margin), "d_margin {v:e} {d}: {got:?} {dpo:?}");
                    assert!(same(got.d_params[0], dpo.d_params[0]), "d_ln_mean {v:e} {d}: {got:?} {dpo:?}");
                    let tolerance = (10.0 + 8.0 * x * x) * v + (32.0 + 2.0 * x) * f64::EPSILON;
                    assert!(
                        (got.d_params[1] - dpo.d_params[1]).abs() <= tolerance * dpo.d_params[1].abs(),
                        "d_v {v:e} {d}: {got:?} {dpo:?}"
                    );
                }
            }
        }
    }
}

/// Products that go subnormal on the way keep the digits of those that do not.
#[test]
fn subnormal_products() {
    let close = |a: f64, b: f64| (a - b).abs() <= 16.0 * f64::EPSILON * b.abs();
    // c = xv is subnormal or 0, x is not: the logit is x to first order.
    for (mean, v, d) in
        [(1.0, 3e-308, 1e-8), (1.0, 1e-20, 1e-304), (1.0, 1e-12, 1e-300), (1e-300, 1e-30, 1e290)]
    {
        let gamma = Gamma::from_mean_v(mean, v).unwrap();
        assert!(close(gamma.effective_logit(d), mean * d), "{mean} {v} {d}: {}", gamma.effective_logit(d));
        let dpo = Fixed::new(mean).unwrap().nll_gradient_in(d, Coordinates::LnMeanV).d_params[1];
        assert!(close(gamma.nll_gradient_in(d, Coordinates::LnMeanV).d_params[1], dpo), "{mean} {v} {d}");
        assert!(close(gamma.posterior(d).mean, mean));
    }
    // The median of β|D| is subnormal or 0, its mean is not.
    for (mean, v, d) in [(1.0, 1e40, 1e-300), (1.0, 1e60, 1e-295), (1e-5, 1e50, 1e-290)] {
        let lognormal = LogNormal::from_mean_v(mean, v).unwrap();
        assert!(
            close(lognormal.effective_logit(d), mean * d),
            "{mean} {v} {d}: {}",
            lognormal.effective_logit(d)
        );
        assert!(close(lognormal.nll_gradient(d).d_margin, -0.5 * mean), "{mean} {v} {d}");
    }
    // A scale that is subnormal: θ = mean·v has lost its digits, x and v have not.
    let gamma = Gamma::<f64>::from_mean_v(9.582731251122298e-307, 4.356782485102988e-18).unwrap();
    let truth: f64 = Fixed::new(9.582731251122298e-307).unwrap().nll(2.639823370803807e305);
    assert!((gamma.nll(2.639823370803807e305) - truth).abs() < 1e-15);
}

/// Large shapes and small sigmas in native parameters too.
#[test]
fn collapse_in_native_parameters() {
    for d in [-3.0f64, -0.2, 0.2, 3.0] {
        let dpo = Fixed::new(0.5).unwrap().nll_gradient(d);
        for k in [1e6, 1e9, 1e12, 1e15, 1e100, 1e290] {
            let g = Gamma::from_shape_scale(k, 0.5 / k).unwrap().nll_gradient(d);
            assert!((g.value - dpo.value).abs() <= (9.0 / k + 8.0 * f64::EPSILON) * dpo.value, "{k:e} {d}");
            // θ∂/∂θ moves the mean.
            let d_mean = g.d_scale * (0.5 / k) / 0.5;
            assert!(
                (d_mean - dpo.d_beta).abs() <= (9.0 / k + 16.0 * f64::EPSILON) * dpo.d_beta.abs(),
                "{k:e} {d}"
            );
        }
        for sigma in [1e-3, 1e-6, 1e-9, 1e-12, 1e-100, 1e-200, 0.0] {
            let g = LogNormal::from_mu_sigma(0.5f64.ln(), sigma).unwrap().nll_gradient(d);
            let tolerance = 9.0 * sigma * sigma + 8.0 * f64::EPSILON;
            assert!((g.value - dpo.value).abs() <= tolerance * dpo.value, "{sigma:e} {d}");
            assert!((g.d_mu - 0.5 * dpo.d_beta).abs() <= 2.0 * tolerance * dpo.d_beta.abs(), "{sigma:e} {d}");
        }
    }
}
