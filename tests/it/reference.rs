//! Every public quantity against reference vectors of 25 digits (`tests/data`): practical rows, many
//! decades, regime seams and edges. `extra_*` come from `xtask/generators/reference.py`, an independent method.

use crate::support::{EPS, Errors, Vectors, tail_scale};
use prefstrength::lerch::lerch_phi_m1_gradient;
use prefstrength::{AnyStrength, Coordinates, Family, Gamma, LogNormal, Real, Strength};

/// −ln E[σ], its derivatives, the second derivative and E[σ], at one margin.
struct Row {
    value: f64,
    d_margin: f64,
    d_p: [f64; 2],
    d2: f64,
    expected: f64,
}

fn evaluate<T: Real>(beta: &AnyStrength<T>, margin: T, coordinates: Coordinates) -> Row {
    let g = beta.nll_gradient_in(margin, coordinates);
    Row {
        value: g.value.to_f64(),
        d_margin: g.d_margin.to_f64(),
        d_p: g.d_params.map(Real::to_f64),
        d2: beta.nll_d2_margin(margin).to_f64(),
        expected: beta.expected_sigmoid(margin).to_f64(),
    }
}

/// The vectors of a family: its parameters in them, native or mean and cv, and the names of the derivatives.
pub struct Rows {
    vectors: Vectors,
    pub coordinates: Coordinates,
    columns: [String; 2],
    derivatives: [String; 2],
}

/// One row of a family's vectors.
pub struct Vector {
    pub parameters: [f64; 2],
    pub margin: f64,
    pub nll: f64,
    pub d_margin: f64,
    pub d_p: [f64; 2],
    d2: f64,
    expected: f64,
}

impl Rows {
    /// Of `tests/data/<prefix><family><suffix>.csv`, if there is one.
    pub fn find(prefix: &str, family: Family, suffix: &str) -> Option<Self> {
        let vectors = Vectors::find(&format!("{prefix}{}{suffix}", family.name().replace('-', "_")))?;
        let symbols = match family.symbols() {
            [only] => [*only, *only],
            symbols => [symbols[0], symbols[1]],
        };
        let (coordinates, names) = match vectors.has("cv") {
            true => (Coordinates::MeanCv, ["mean", "cv"]),
            false => (Coordinates::Native, symbols),
        };
        let derivatives = names.map(|name| format!("dnll_d{name}"));
        Some(Self { vectors, coordinates, columns: names.map(String::from), derivatives })
    }

    pub fn each(&self, mut f: impl FnMut(&Vector)) {
        self.vectors.each(|get, _| {
            f(&Vector {
                parameters: self.columns.each_ref().map(|name| get(name)),
                margin: get("margin"),
                nll: get("nll"),
                d_margin: get("dnll_dmargin"),
                d_p: self.derivatives.each_ref().map(|name| get(name)),
                d2: get("d2nll_dmargin2"),
                expected: get("expected_sigmoid"),
            });
        });
    }

    /// The strength of a row.
    pub fn strength<T: Real>(&self, family: Family, parameters: [T; 2]) -> AnyStrength<T> {
        match self.coordinates {
            Coordinates::MeanCv => AnyStrength::from_mean_cv(family, parameters[0], parameters[1]),
            _ => AnyStrength::from_parameters(family, &parameters[..family.parameters().len()]),
        }
        .expect("a valid row")
    }

    /// What errors of the derivatives in parameters are relative to, before 1 + |ln T|: ∂/∂σ of a LogNormal is a
    /// difference of two terms that can cancel.
    pub fn sizes(&self, family: Family, row: &Vector) -> [f64; 2] {
        let mut sizes = row.d_p.map(f64::abs);
        if family == Family::LogNormal && self.coordinates == Coordinates::Native {
            let mean_part = row.parameters[1] * (row.margin * row.d_margin);
            sizes[1] = mean_part.abs() + (row.d_p[1] - mean_part).abs();
        }
        sizes
    }
}

/// Every quantity of a family in f64.
pub fn in_f64(family: Family) {
    let mut errors = Errors::default();
    let mut files = 0;
    for prefix in ["", "extra_"] {
        let Some(rows) = Rows::find(prefix, family, "") else { continue };
        files += 1;
        let names = match rows.coordinates {
            Coordinates::MeanCv => ["mean", "cv"],
            _ => [family.parameters()[0], family.parameters().get(1).copied().unwrap_or_default()],
        };
        rows.each(|row| {
            let beta = rows.strength(family, row.parameters);
            let got = evaluate(&beta, row.margin, rows.coordinates);
            let at = format!("{:?}, margin = {:?}", row.parameters, row.margin);
            let scale = tail_scale(row.margin, row.nll);
            let mut record = |name: &str, got, truth: f64, size: f64| {
                errors.record_f64(&format!("{} {name}", family.name()), got, truth, size, &at);
            };
            let plain = |truth: f64| truth.abs() * scale;
            // Gamma keeps ln T in two parts.
            let both = 1.0 + row.expected.min(1.0 - row.expected).max(5e-324).ln().abs();
            let both = if family == Family::Gamma { 1.0 } else { both };
            record("expected_sigmoid", got.expected, row.expected, row.expected * both);
            record("nll", got.value, row.nll, plain(row.nll));
            record("d_margin", got.d_margin, row.d_margin, plain(row.d_margin));
            let sizes = rows.sizes(family, row);
            for i in 0..if family == Family::Fixed { 1 } else { 2 } {
                record(&format!("d_{}", names[i]), got.d_p[i], row.d_p[i], scale * sizes[i]);
            }
            record("d2_margin", got.d2, row.d2, scale * row.d2.abs().max(row.d_margin.powi(2)));
        });
    }
    assert!(files > 0, "no vectors of {family}");
    errors.check();
}

/// The same in f32, where there are vectors whose inputs are f32: computed in f64 and rounded once.
pub fn in_f32(family: Family) {
    let Some(rows) = Rows::find("", family, "_f32") else { return };
    let mut errors = Errors::default();
    rows.each(|row| {
        let beta = rows.strength(family, row.parameters.map(|p| p as f32));
        let got = evaluate(&beta, row.margin as f32, rows.coordinates);
        let at = format!("{family}: {:?}, margin = {:?}", row.parameters, row.margin);
        let mut record = |got: f64, truth: f64| {
            let truth =
                if truth.abs() > f64::from(f32::MAX) { truth.signum() * f64::INFINITY } else { truth };
            let precision = (f64::from(f32::EPSILON), f64::from(f32::from_bits(1)));
            errors.record("f32", [got, truth, truth.abs()], precision, &at);
        };
        record(got.expected, row.expected);
        record(got.value, row.nll);
        record(got.d_margin, row.d_margin);
        record(got.d_p[0], row.d_p[0]);
        record(got.d_p[1], row.d_p[1]);
        record(got.d2, row.d2);
    });
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
