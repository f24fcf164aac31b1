//! Evaluates the public interface on a fixed grid and writes a line per call: `name inputs = results`,
//! every number as its f64 bit pattern (exact for f32). Compiled into the no_std program and into
//! `tests/no_std.rs`.

use core::fmt::{Result, Write};
use prefstrength::canonical::{self, Tail};
use prefstrength::lerch::{lerch_phi_m1, lerch_phi_m1_gradient, lerch_phi_m1_scaled, ln_lerch_phi_m1};
use prefstrength::math::{log_sigmoid, sigmoid, softplus};
use prefstrength::{Coordinates, Fixed, Gamma, InverseGaussian, LogNormal, Real, Smoothing, Strength};

const INF: f64 = f64::INFINITY;

/// |margins|; each is taken with both signs.
const SIZES: [f64; 22] = [
    0.0, 5e-324, 1e-300, 1e-12, 1e-3, 0.1, 0.7, 1.0, 1.9, 2.1, 5.0, 11.0, 30.0, 100.0, 345.0, 710.0, 1e3,
    1e5, 1e18, 1e38, 1e300, INF,
];

fn margins() -> impl Iterator<Item = f64> {
    SIZES.into_iter().flat_map(|d| [d, -d]).chain([f64::NAN])
}

/// One line; NaN is written as one pattern, since neither sign nor payload of a NaN is specified.
fn line<const N: usize, const M: usize>(
    out: &mut impl Write,
    name: &str,
    inputs: [f64; N],
    results: [f64; M],
) -> Result {
    let bits = |x: f64| if x.is_nan() { f64::NAN.to_bits() } else { x.to_bits() };
    out.write_str(name)?;
    for x in inputs {
        write!(out, " {:016x}", bits(x))?;
    }
    out.write_str(" =")?;
    for x in results {
        write!(out, " {:016x}", bits(x))?;
    }
    out.write_char('\n')
}

/// Every method of `Strength` at every margin, for one family in one precision.
macro_rules! strength {
    ($out:ident, $name:literal, $t:ty, $p:expr, $beta:expr, $($field:ident),*) => {{
        let (beta, [p0, p1]) = ($beta, $p);
        line($out, concat!($name, "/parameters"), [p0, p1], [beta.mean(), beta.variance(), beta.cv()].map(Real::to_f64))?;
        for d in margins() {
            let at = [p0, p1, d];
            let d = d as $t;
            macro_rules! call {
                ($method:literal, $values:expr) => {
                    line($out, concat!($name, "/", $method), at, $values.map(Real::to_f64))?
                };
            }
            call!("expected_sigmoid", [beta.expected_sigmoid(d)]);
            call!("nll", [beta.nll(d), beta.log_expected_sigmoid(d)]);
            call!("nll_gradient", {
                let g = beta.nll_gradient(d);
                [g.value, g.d_margin $(, g.$field)*]
            });
            call!("nll_gradient_ln_mean_ln_cv", {
                let g = beta.nll_gradient_in(d, Coordinates::LnMeanLnCv);
                [g.value, g.d_margin, g.d_params[0], g.d_params[1]]
            });
            call!("nll_gradient_ln_mean_v", {
                let g = beta.nll_gradient_in(d, Coordinates::LnMeanV);
                [g.value, g.d_margin, g.d_params[0], g.d_params[1]]
            });
            call!("nll_d2_margin", [beta.nll_d2_margin(d)]);
            call!("effective_logit", [beta.effective_logit(d)]);
            call!("effective_beta", [beta.effective_beta(d)]);
            call!("posterior", {
                let p = beta.posterior(d);
                [p.mean, p.variance]
            });
            call!("smoothed_nll_gradient", {
                let g = beta.smoothed_nll_gradient(d, Smoothing::new(0.125).unwrap());
                [g.value, g.d_margin $(, g.$field)*]
            });
        }
    }};
}

macro_rules! families {
    ($out:ident, $t:ty, $fixed:literal, $gamma:literal, $lognormal:literal, $inverse_gaussian:literal) => {{
        for b in [0.0, 0.1, 1.0, 1e30] {
            strength!($out, $fixed, $t, [b, 0.0], Fixed::<$t>::new(b as $t).unwrap(), d_beta);
        }
        for p in [[4.0, 0.025], [0.3, 2.0], [1.0, 1.0], [1e-3, 5.0], [50.0, 0.01], [1e8, 1e-9], [1e30, 1e-30]]
        {
            let [k, theta] = p.map(|x| x as $t);
            strength!(
                $out,
                $gamma,
                $t,
                p,
                Gamma::<$t>::from_shape_scale(k, theta).unwrap(),
                d_shape,
                d_scale
            );
        }
        for p in [[0.1, 0.0], [0.1, 0.5], [1.0, 3.0]] {
            let [mean, cv] = p.map(|x| x as $t);
            strength!($out, $gamma, $t, p, Gamma::<$t>::from_mean_cv(mean, cv).unwrap(), d_shape, d_scale);
            strength!(
                $out,
                $lognormal,
                $t,
                p,
                LogNormal::<$t>::from_mean_cv(mean, cv).unwrap(),
                d_mu,
                d_sigma
            );
            strength!(
                $out,
                $inverse_gaussian,
                $t,
                p,
                InverseGaussian::<$t>::from_mean_cv(mean, cv).unwrap(),
                d_mean,
                d_shape
            );
        }
        for p in [[0.1, 0.1], [1.0, 4.0], [0.1, 1e-3], [1.0, 1e-4], [20.0, 0.3], [1e-3, 1e6], [1e30, 1e30]] {
            let [mean, shape] = p.map(|x| x as $t);
            strength!(
                $out,
                $inverse_gaussian,
                $t,
                p,
                InverseGaussian::<$t>::from_mean_shape(mean, shape).unwrap(),
                d_mean,
                d_shape
            );
        }
        for p in [[-2.3, 0.5], [0.0, 1.0], [3.0, 2.5], [0.5, 1e-6], [-20.0, 6.0], [0.0, 12.0], [-690.0, 0.3]]
        {
            let [mu, sigma] = p.map(|x| x as $t);
            strength!(
                $out,
                $lognormal,
                $t,
                p,
                LogNormal::<$t>::from_mu_sigma(mu, sigma).unwrap(),
                d_mu,
                d_sigma
            );
        }
    }};
}

fn tail(t: &Tail) -> [f64; 9] {
    [
        t.value(),
        t.half_minus(),
        t.ln(),
        t.neg_d_x_over_value(),
        t.ln_d_xx(),
        t.ln_d_v(),
        t.effective_logit(),
        t.effective_logit_d_x(),
        t.effective_logit_d_v(),
    ]
}

/// Writes everything.
pub(crate) fn evaluate(out: &mut impl Write) -> Result {
    for x in margins() {
        line(out, "f64/logistic", [x], [sigmoid(x), log_sigmoid(x), softplus(x)])?;
        let y = x as f32;
        line(out, "f32/logistic", [x], [sigmoid(y), log_sigmoid(y), softplus(y)].map(Real::to_f64))?;
        line(out, "canonical/fixed", [x], tail(&canonical::fixed(x)))?;
        for v in [0.0, 1e-320, 1e-9, 0.01, 0.25, 1.0, 7.0, 1e4, 1e60, 1e200, INF, -1.0, f64::NAN] {
            line(out, "canonical/gamma", [x, v], tail(&canonical::gamma(x, v)))?;
            line(out, "canonical/lognormal", [x, v], tail(&canonical::lognormal(x, v)))?;
            line(out, "canonical/inverse_gaussian", [x, v], tail(&canonical::inverse_gaussian(x, v)))?;
        }
    }
    let arguments =
        [1e-300, 1e-6, 0.3, 0.5, 1.0, 1.5, 2.0, 7.3, 40.0, 333.3, 1e4, 1e12, 1e299, 0.0, -1.0, INF, f64::NAN];
    for s in arguments {
        for a in arguments {
            line(out, "lerch/scaled", [s, a], [lerch_phi_m1_scaled(s, a)])?;
            line(out, "lerch/ln", [s, a], [ln_lerch_phi_m1(s, a)])?;
            line(out, "lerch/phi", [s, a], [lerch_phi_m1(s, a)])?;
            let phi = lerch_phi_m1_gradient(s, a);
            line(out, "lerch/gradient", [s, a], [phi.value, phi.d_s, phi.d_a, phi.scaled, phi.ln])?;
        }
    }
    families!(out, f64, "f64/fixed", "f64/gamma", "f64/lognormal", "f64/inverse_gaussian");
    families!(out, f32, "f32/fixed", "f32/gamma", "f32/lognormal", "f32/inverse_gaussian");
    Ok(())
}
