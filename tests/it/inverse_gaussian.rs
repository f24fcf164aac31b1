//! What the inverse Gaussian family has beside the suite: native derivatives, posteriors and the distribution
//! against vectors of 25 digits (`xtask/generators/inverse_gaussian.py`, `xtask/generators/inverse_gaussian_statistics.py`), seams, limits.

use prefstrength::canonical::inverse_gaussian;
use prefstrength::math::{normal_cdf, softplus};
use prefstrength::sampling::Reparameterised;
use prefstrength::{InverseGaussian, Strength};
use std::collections::BTreeMap;

const EPS: f64 = f64::EPSILON;

/// Rows of `tests/data/<name>.csv` by column name.
fn load(name: &str) -> Vec<BTreeMap<String, String>> {
    let path = format!("{}/tests/data/{name}.csv", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).expect(&path);
    let mut lines = text.lines();
    let names: Vec<_> = lines.next().expect("header").split(',').map(str::to_owned).collect();
    lines.map(|line| names.iter().cloned().zip(line.split(',').map(str::to_owned)).collect()).collect()
}

/// The largest error by quantity, and where.
#[derive(Default)]
struct Worst(BTreeMap<&'static str, (f64, String)>);

impl Worst {
    /// In eps of `scale`; in the spacing of subnormals where that is coarser.
    fn see(
        &mut self,
        name: &'static str,
        have: f64,
        truth: f64,
        scale: f64,
        eps: f64,
        place: &dyn std::fmt::Debug,
    ) {
        if have == truth {
            self.0.entry(name).or_default();
            return;
        }
        let error = (have - truth).abs() / (scale.abs() * eps).max(4.0 * 5e-324);
        let error = if error.is_nan() { f64::INFINITY } else { error };
        let worst = self.0.entry(name).or_default();
        if error > worst.0 {
            *worst = (error, format!("{have:e} for {truth:e} at {place:?}"));
        }
    }

    fn check(&self, bounds: &[(&str, f64)]) {
        for (name, (error, place)) in &self.0 {
            println!("{name:24} {error:8.2}  {place}");
        }
        for (name, bound) in bounds {
            let (error, place) = &self.0[name];
            assert!(error <= bound, "{name}: {error} eps, {place}");
        }
    }
}

/// 1 + |ln T| for D > 0.
fn stretch(margin: f64, p: f64, nll: f64) -> f64 {
    if margin > 0.0 {
        1.0 + if p < 0.9 { (-(-nll).exp_m1()).ln().abs() } else { nll.ln().abs() }
    } else {
        1.0
    }
}

/// Derivatives in mean and shape, where those in mean and v cancel as well.
#[test]
fn native() {
    let mut worst = Worst::default();
    for row in load("native_inverse_gaussian") {
        let number = |name: &str| row[name].parse::<f64>().expect("a number");
        let (mean, shape, margin) = (number("mean"), number("shape"), number("margin"));
        let found = InverseGaussian::<f64>::from_mean_shape(mean, shape).expect("valid").nll_gradient(margin);
        let place = (mean, shape, margin, mean * mean / shape * margin.abs());
        let nll = number("nll");
        let s = if nll == 0.0 { 1.0 } else { stretch(margin, 0.0, nll) };
        let d_mean = number("dnll_dmean");
        worst.see("d_mean", found.d_mean, d_mean, d_mean * s, EPS, &place);
        worst.see("d_shape", found.d_shape, number("dnll_dshape"), number("dnll_dshape") * s, EPS, &place);
    }
    worst.check(&[("d_mean", 16.0), ("d_shape", 9.0)]);
}

/// Everywhere a number, in order, and without a step where the kernel changes.
#[test]
fn everywhere() {
    for e in (-300..=300).step_by(12) {
        for f in (-300..=300).step_by(12) {
            let (x, v) = (10.0_f64.powi(e), 10.0_f64.powi(f));
            let at = inverse_gaussian(x, v);
            let plain = |z: f64| z >= 0.0 && !z.is_nan();
            assert!(
                plain(at.value())
                    && plain(at.half_minus())
                    && at.ln() < 0.0
                    && plain(at.neg_d_x_over_value())
                    && plain(at.ln_d_v()),
                "{x} {v} {at:?}"
            );
            assert!(
                !at.ln_d_xx().is_nan() && (at.value() + at.half_minus() - 0.5).abs() < 1e-15,
                "{x} {v} {at:?}"
            );
            let more = inverse_gaussian(2.0 * x, v);
            assert!(at.ln() >= more.ln() && at.half_minus() <= more.half_minus(), "{x} {v}");
            for margin in [x, -x] {
                let Ok(beta) = InverseGaussian::<f64>::from_mean_v(1.0, v) else { continue };
                let g = beta.nll_gradient(margin);
                assert!(
                    !(g.value + g.d_margin + g.d_mean).is_nan() && !g.d_shape.is_nan(),
                    "{margin} {v} {g:?}"
                );
                let p = beta.posterior(margin);
                assert!(p.mean >= 0.0 && p.variance >= 0.0, "{margin} {v} {p:?}");
            }
        }
    }
    let close = |a: f64, b: f64| (a - b).abs() <= 1e-13 * a.abs();
    for (x, v) in [(1.5, 0.1), (1.0, 0.5), (1e-5, 0.5e5), (3.0, 1.5), (1e3, 1e37), (1e-20, 1e60)] {
        let [a, b] = [1.0 - 1e-15, 1.0 + 1e-15].map(|z| inverse_gaussian(x * z, v));
        assert!(
            close(a.ln(), b.ln()) && close(a.half_minus(), b.half_minus()) && close(a.ln_d_v(), b.ln_d_v()),
            "{x} {v} {a:?} {b:?}"
        );
        assert!(close(a.neg_d_x_over_value(), b.neg_d_x_over_value()), "{x} {v} {a:?} {b:?}");
    }
}

#[test]
fn limits() {
    let beta = InverseGaussian::<f64>::from_mean_shape(2.0, 0.5).expect("valid");
    let g = beta.nll_gradient(f64::NEG_INFINITY);
    assert_eq!((g.value, g.d_margin, g.d_mean, g.d_shape), (f64::INFINITY, 0.0, 0.125, f64::INFINITY));
    let g = beta.nll_gradient(f64::INFINITY);
    assert_eq!((g.value, g.d_margin, g.d_mean, g.d_shape), (0.0, 0.0, 0.0, 0.0));
    let g = beta.nll_gradient(0.0);
    assert_eq!((g.value, g.d_margin, g.d_mean, g.d_shape), (core::f64::consts::LN_2, -1.0, 0.0, 0.0));
    assert!(beta.nll_gradient(f64::NAN).d_mean.is_nan());
    assert_eq!((beta.posterior(f64::NEG_INFINITY).mean, beta.posterior(f64::INFINITY).mean), (0.0, 2.0));
    // Where x overflows, ln T is a number: √(2x/v).
    let wide = InverseGaussian::<f64>::from_mean_v(1e200, 1e300).expect("valid");
    assert!((wide.nll(-1e200) / (2e100_f64).sqrt() - 1.0).abs() < 1e-15);
    let point = InverseGaussian::<f64>::from_mean_v(2.0, 0.0).expect("valid");
    assert_eq!(point.nll(-1.0), softplus(2.0));
    assert_eq!(point.nll_gradient(f64::INFINITY).d_mean, 0.0);
    assert_eq!(
        (point.quantile(0.3), point.sample(1.0).value, point.sample_at(2.0).d_params),
        (2.0, 2.0, [1.0, 0.0])
    );
    assert_eq!((beta.quantile(0.0), beta.quantile(1.0), beta.cdf(0.0)), (0.0, f64::INFINITY, 0.0));
}

#[test]
fn posterior() {
    let mut worst = Worst::default();
    for row in load("posterior_inverse_gaussian") {
        let number = |name: &str| row[name].parse::<f64>().expect("a number");
        let (mean, v, margin) = (number("mean"), number("v"), number("margin"));
        let found = InverseGaussian::<f64>::from_mean_v(mean, v).expect("valid").posterior(margin);
        let place = (mean, v, margin, mean * margin.abs());
        worst.see("mean", found.mean, number("posterior_mean"), number("posterior_mean"), EPS, &place);
        worst.see("variance", found.variance, number("posterior_var"), number("posterior_var"), EPS, &place);
    }
    worst.check(&[("mean", 4.0), ("variance", 8.0)]);
}

#[test]
fn statistics() {
    let mut worst = Worst::default();
    for row in load("statistics_inverse_gaussian") {
        let number = |name: &str| row[name].parse::<f64>().expect("a number");
        let (mean, v, at, truth) = (number("first"), number("second"), number("argument"), number("truth"));
        let beta = InverseGaussian::<f64>::from_mean_v(mean, v).expect("valid");
        let place = (mean, v, at);
        let off = (at - mean) / mean;
        // What half an ulp of v does to an exponent.
        let exponent = off * off / (2.0 * v * at / mean);
        let (name, have, scale) = match row["function"].as_str() {
            "pdf" => ("pdf", beta.pdf(at), 1.0 + exponent / 10.0),
            "ln_pdf" => ("ln_pdf", beta.ln_pdf(at), 1.0f64.max(exponent).max(truth.abs()) / truth.abs()),
            "cdf" => ("cdf", beta.cdf(at), 1.0 + exponent / 10.0),
            "sf" => ("sf", beta.sf(at), 1.0 + exponent / 10.0),
            // dp/p = β·pdf/p·dβ/β
            "quantile" => {
                let tail = if at <= 0.5 { at } else { 1.0 - at };
                let own = truth * beta.pdf(truth) / tail;
                ("quantile", beta.quantile(at), 1.0 + 4.0 / own)
            }
            "mode" => ("mode", beta.mode(), 1.0),
            "entropy" => ("entropy", beta.entropy(), (1.0 + (mean.ln().abs() + v.ln().abs())) / truth.abs()),
            "d_mean" => ("d_mean", beta.sample_at(at).d_params[0], 1.0),
            "d_shape" => (
                "d_shape",
                beta.sample_at(at).d_params[1],
                1.0 + at * v / mean * (off.abs() / (1.0 + at / mean)) / truth.abs(),
            ),
            "draw" => {
                let own = truth * beta.pdf(truth) / normal_cdf(-at.abs());
                ("draw", beta.sample(at).value, 1.0 + 4.0 / own)
            }
            other => panic!("{other}"),
        };
        worst.see(name, have, truth, truth * scale, EPS, &place);
    }
    for name in ["pdf", "ln_pdf", "cdf", "sf", "quantile", "mode", "entropy", "d_mean", "d_shape", "draw"] {
        worst.check(&[(name, 4.0)]);
    }
}

/// cdf and sf of quantiles, from next to no spread to a distribution on hundreds of decades.
#[test]
fn round_trips() {
    for e in (-30..=40).step_by(5) {
        let beta = InverseGaussian::<f64>::from_mean_v(3.0, 10.0_f64.powi(e)).expect("valid");
        for p in [1e-300, 1e-30, 1e-6, 0.1, 0.4, 0.5, 0.6, 0.9, 1.0 - 1e-6, 1.0 - 1e-15] {
            let q = beta.quantile(p);
            assert!(q > 0.0 && q < f64::INFINITY, "1e{e} {p} {q}");
            let (tail, have) = if p <= 0.5 { (p, beta.cdf(q)) } else { (1.0 - p, beta.sf(q)) };
            // Half an ulp of β, and of v in the exponent.
            let share = q * beta.pdf(q) / tail * 4.0 + (1.0 - tail.ln());
            assert!((have - tail).abs() <= tail * EPS * (40.0 + share), "1e{e} {p} {q:e} {have:e}");
            let slopes = beta.sample_at(q).d_params;
            assert!(slopes[0] > 0.0 && slopes[1].is_finite(), "1e{e} {p} {slopes:?}");
        }
        for z in [-40.0, -3.0, 0.0, 2.0, 40.0] {
            let draw = beta.sample(z).value;
            assert!(draw > 0.0 && draw < f64::INFINITY, "1e{e} {z} {draw}");
        }
        assert!(!beta.entropy().is_nan() && beta.mode() > 0.0);
    }
}

/// ∂/∂λ where x³ or v ∂/∂v leave the normal numbers: by the leading term ∓D³m⁴(1 + 2v)/(8λ²) in rational arithmetic,
/// exact to rounding there.
#[test]
fn small_derivatives_in_the_shape() {
    let cases = [
        (1.2889884463069017e-99, 2.703394585767634e-74, 3.277115212558007, -1.6617372765655421e-248),
        (4.4291122185028845e-99, 8.87275281103702e-51, -0.1809098861703819, 3.6178194133583085e-297),
        (1e-110, 1e-209, 1.0, -2.5000000000000003e+76),
        (1e-300, 1e-240, -1e200, 1.2500000000000002e-121),
    ];
    for (mean, shape, margin, truth) in cases {
        let found =
            InverseGaussian::<f64>::from_mean_shape(mean, shape).expect("valid").nll_gradient(margin).d_shape;
        assert!(
            (found - truth).abs() <= 8.0 * EPS * truth.abs(),
            "{found:e}, not {truth:e} at {mean:e} {shape:e} {margin}"
        );
    }
}
