//! Every public quantity against reference vectors of 25 digits (`tests/data`): practical rows, many
//! decades, regime seams and edges. `extra_*` come from `tools/reference.py`, an independent method.

use crate::support::{EPS, Errors, Vectors, tail_scale};
use prefstrength::lerch::lerch_phi_m1_gradient;
use prefstrength::{Gamma, LogNormal, Real, Strength};

/// −ln E[σ], its derivatives, the second derivative and E[σ], of one row of a family.
struct Row {
    value: f64,
    d_margin: f64,
    d_p: [f64; 2],
    d2: f64,
    expected: f64,
}

fn gamma_row<T: Real>(k: T, theta: T, margin: T) -> Row {
    let beta = Gamma::from_shape_scale(k, theta).expect("valid row");
    let g = beta.nll_gradient(margin);
    Row {
        value: g.value.to_f64(),
        d_margin: g.d_margin.to_f64(),
        d_p: [g.d_shape.to_f64(), g.d_scale.to_f64()],
        d2: beta.nll_d2_margin(margin).to_f64(),
        expected: beta.expected_sigmoid(margin).to_f64(),
    }
}

fn lognormal_row<T: Real>(mu: T, sigma: T, margin: T) -> Row {
    let beta = LogNormal::from_mu_sigma(mu, sigma).expect("valid row");
    let g = beta.nll_gradient(margin);
    Row {
        value: g.value.to_f64(),
        d_margin: g.d_margin.to_f64(),
        d_p: [g.d_mu.to_f64(), g.d_sigma.to_f64()],
        d2: beta.nll_d2_margin(margin).to_f64(),
        expected: beta.expected_sigmoid(margin).to_f64(),
    }
}

#[test]
fn gamma_f64() {
    let mut errors = Errors::default();
    for file in ["gamma", "extra_gamma"] {
        Vectors::load(file).each(|get, _| {
            let (k, theta, d) = (get("k"), get("theta"), get("margin"));
            let row = gamma_row(k, theta, d);
            let at = format!("k = {k:?}, theta = {theta:?}, margin = {d:?}");
            let scale = tail_scale(d, get("nll"));
            let mut record =
                |name, got, truth: f64, size: f64| errors.record_f64(name, got, truth, size, &at);
            let plain = |truth: f64| truth.abs() * scale;
            record("gamma expected_sigmoid", row.expected, get("expected_sigmoid"), get("expected_sigmoid"));
            record("gamma nll", row.value, get("nll"), plain(get("nll")));
            record("gamma d_margin", row.d_margin, get("dnll_dmargin"), plain(get("dnll_dmargin")));
            record("gamma d_shape", row.d_p[0], get("dnll_dk"), plain(get("dnll_dk")));
            record("gamma d_scale", row.d_p[1], get("dnll_dtheta"), plain(get("dnll_dtheta")));
            let d2 = get("d2nll_dmargin2");
            record("gamma d2_margin", row.d2, d2, scale * d2.abs().max(get("dnll_dmargin").powi(2)));
        });
    }
    errors.check();
}

#[test]
fn lognormal_f64() {
    let mut errors = Errors::default();
    for file in ["lognormal", "extra_lognormal"] {
        Vectors::load(file).each(|get, _| {
            let (mu, sigma, d) = (get("mu"), get("sigma"), get("margin"));
            let row = lognormal_row(mu, sigma, d);
            let at = format!("mu = {mu:?}, sigma = {sigma:?}, margin = {d:?}");
            let scale = tail_scale(d, get("nll"));
            let mut record =
                |name, got, truth: f64, size: f64| errors.record_f64(name, got, truth, size, &at);
            let plain = |truth: f64| truth.abs() * scale;
            let expected = get("expected_sigmoid");
            let both = 1.0 + expected.min(1.0 - expected).max(5e-324).ln().abs();
            record("lognormal expected_sigmoid", row.expected, expected, expected * both);
            record("lognormal nll", row.value, get("nll"), plain(get("nll")));
            record("lognormal d_margin", row.d_margin, get("dnll_dmargin"), plain(get("dnll_dmargin")));
            record("lognormal d_mu", row.d_p[0], get("dnll_dmu"), plain(get("dnll_dmu")));
            let (total, mean_part) = (get("dnll_dsigma"), sigma * (d * get("dnll_dmargin")));
            record(
                "lognormal d_sigma",
                row.d_p[1],
                total,
                scale * (mean_part.abs() + (total - mean_part).abs()),
            );
            let d2 = get("d2nll_dmargin2");
            record("lognormal d2_margin", row.d2, d2, scale * d2.abs().max(get("dnll_dmargin").powi(2)));
        });
    }
    errors.check();
}

#[test]
fn f32_is_rounded_once() {
    let mut errors = Errors::default();
    let names = [["dnll_dk", "dnll_dtheta"], ["dnll_dmu", "dnll_dsigma"]];
    for (file, inputs, params) in
        [("gamma_f32", ["k", "theta"], names[0]), ("lognormal_f32", ["mu", "sigma"], names[1])]
    {
        Vectors::load(file).each(|get, _| {
            let (a, b, d) = (get(inputs[0]) as f32, get(inputs[1]) as f32, get("margin") as f32);
            let row = if file == "gamma_f32" { gamma_row(a, b, d) } else { lognormal_row(a, b, d) };
            let at = format!("{file}: {a:?}, {b:?}, margin = {d:?}");
            let mut record = |got: f64, truth: f64| {
                let truth =
                    if truth.abs() > f64::from(f32::MAX) { truth.signum() * f64::INFINITY } else { truth };
                let precision = (f64::from(f32::EPSILON), f64::from(f32::from_bits(1)));
                errors.record("f32", [got, truth, truth.abs()], precision, &at);
            };
            record(row.expected, get("expected_sigmoid"));
            record(row.value, get("nll"));
            record(row.d_margin, get("dnll_dmargin"));
            record(row.d_p[0], get(params[0]));
            record(row.d_p[1], get(params[1]));
            record(row.d2, get("d2nll_dmargin2"));
        });
    }
    errors.check();
}

#[test]
fn posterior() {
    let mut errors = Errors::default();
    for file in ["posterior", "extra_posterior"] {
        Vectors::load(file).each(|get, family| {
            let (p1, p2, d) = (get("p1"), get("p2"), get("margin"));
            let got = match family {
                "gamma" => Gamma::from_shape_scale(p1, p2).expect("valid row").posterior(d),
                _ => LogNormal::from_mu_sigma(p1, p2).expect("valid row").posterior(d),
            };
            let at = format!("{family}, {p1:?}, {p2:?}, margin = {d:?}");
            let (mean, variance) = (get("posterior_mean"), get("posterior_var"));
            errors.record_f64("posterior mean", got.mean, mean, mean, &at);
            errors.record_f64("posterior variance", got.variance, variance, variance, &at);
        });
    }
    errors.check();
}

#[test]
fn lerch() {
    let mut errors = Errors::default();
    for file in ["lerch", "extra_lerch", "extra_lerch_zeros"] {
        Vectors::load(file).each(|get, _| {
            let (s, a) = (get("s"), get("a"));
            let phi = lerch_phi_m1_gradient(s, a);
            let at = format!("s = {s:?}, a = {a:?}");
            let mut record =
                |name, got, truth: f64, size: f64| errors.record_f64(name, got, truth, size, &at);
            record("lerch value", phi.value, get("phi"), get("phi"));
            record("lerch d_s", phi.d_s, get("dphi_ds"), get("dphi_ds").abs());
            record("lerch d_a", phi.d_a, get("dphi_da"), get("dphi_da").abs());
            record("lerch scaled", phi.scaled, get("scaled"), get("scaled"));
            record("lerch ln", phi.ln, get("log_phi"), get("log_phi").abs().max(1.0));
        });
    }
    errors.check();
}

#[test]
fn eps_is_two_to_the_minus_52() {
    assert_eq!(EPS, 2f64.powi(-52));
}
