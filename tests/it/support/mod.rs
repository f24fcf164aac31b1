//! What the tests share: reference vectors, and the one table of tolerances.
#![allow(dead_code, unreachable_pub, reason = "shared by several test crates")]

pub mod batch;
pub mod dd;

use std::collections::HashMap;

/// Units in which relative errors are counted.
pub const EPS: f64 = f64::EPSILON;

/// Rows of a reference file as numbers; text beyond f64 reads as 0 or ∞, which is what it is there.
pub struct Vectors {
    columns: HashMap<String, usize>,
    rows: Vec<Vec<f64>>,
    first: Vec<String>,
    texts: Vec<Vec<String>>,
}

impl Vectors {
    /// Reads `tests/data/<name>.csv`.
    pub fn load(name: &str) -> Self {
        let path = format!("{}/tests/data/{name}.csv", env!("CARGO_MANIFEST_DIR"));
        let mut reader = csv::Reader::from_path(&path).expect(&path);
        let header = reader.headers().expect("header").clone();
        let columns = header.iter().enumerate().map(|(i, h)| (h.to_owned(), i)).collect();
        let mut rows = Vec::new();
        let mut first = Vec::new();
        let mut texts = Vec::new();
        for record in reader.records() {
            let record = record.expect("row");
            first.push(record[0].to_owned());
            texts.push(record.iter().map(String::from).collect());
            // Only the family name of the posterior file is no number.
            rows.push(record.iter().map(|x| x.parse().unwrap_or(f64::NAN)).collect());
        }
        assert!(!rows.is_empty(), "{path} is empty");
        Self { columns, rows, first, texts }
    }

    /// The same, if there is such a file.
    pub fn find(name: &str) -> Option<Self> {
        let path = format!("{}/tests/data/{name}.csv", env!("CARGO_MANIFEST_DIR"));
        std::path::Path::new(&path).exists().then(|| Self::load(name))
    }

    /// Whether there is such a column.
    pub fn has(&self, column: &str) -> bool {
        self.columns.contains_key(column)
    }

    /// Calls `f` with look-ups of numbers and of texts.
    pub fn each_text(&self, mut f: impl FnMut(&dyn Fn(&str) -> f64, &dyn Fn(&str) -> String)) {
        for (row, texts) in self.rows.iter().zip(&self.texts) {
            let place = |name: &str| *self.columns.get(name).unwrap_or_else(|| panic!("no column {name}"));
            f(&|name| row[place(name)], &|name| texts[place(name)].clone());
        }
    }

    /// Calls `f` with a look-up by column name and the first cell as text.
    pub fn each(&self, mut f: impl FnMut(&dyn Fn(&str) -> f64, &str)) {
        for (row, first) in self.rows.iter().zip(&self.first) {
            f(&|name| row[*self.columns.get(name).unwrap_or_else(|| panic!("no column {name}"))], first);
        }
    }
}

/// The allowed error of one quantity, in `EPS` (or f32 eps) of its scale, and why.
pub struct Tolerance {
    pub name: &'static str,
    pub bound: f64,
    pub reason: &'static str,
}

/// Every tolerance of the reference tests. `Errors::check` fails when an entry is exceeded, and also
/// when it is more than three times what was measured: slack that is no longer needed.
///
/// Scale: |truth|, for margin > 0 times 1 + |ln T|; exceptions are named in the reason. All errors
/// include up to ½ eps from the rounding of the truth itself.
pub const TOLERANCES: &[Tolerance] = &[
    Tolerance { name: "gamma expected_sigmoid", bound: 4.0, reason: "unscaled: ln T is kept in two parts" },
    Tolerance { name: "gamma nll", bound: 2.0, reason: "one rounding each in x, ln and the sum" },
    Tolerance { name: "gamma d_margin", bound: 4.5, reason: "a sum and its derivative, then a quotient" },
    Tolerance { name: "gamma d_shape", bound: 4.5, reason: "two derivatives of equal sign, added" },
    Tolerance { name: "gamma d_scale", bound: 3.5, reason: "d_margin times k|D|/m" },
    Tolerance {
        name: "gamma d2_margin", bound: 8.0, reason: "of max(|itself|, d_margin²): it changes sign"
    },
    Tolerance { name: "lognormal expected_sigmoid", bound: 2.0, reason: "times 1 + |ln T| on both sides" },
    Tolerance { name: "lognormal nll", bound: 2.0, reason: "sum of positive terms, ln, saddle" },
    Tolerance { name: "lognormal d_margin", bound: 4.5, reason: "quotient of two sums over nodes" },
    Tolerance { name: "lognormal d_mu", bound: 4.5, reason: "the same times |D|" },
    Tolerance {
        name: "lognormal d_sigma",
        bound: 5.0,
        reason: "of the sum of its two terms: it has true zeros",
    },
    Tolerance { name: "lognormal d2_margin", bound: 11.0, reason: "of max(|itself|, d_margin²)" },
    Tolerance { name: "posterior mean", bound: 4.0, reason: "quotient of sums" },
    Tolerance {
        name: "posterior variance",
        bound: 40.0,
        reason: "centred, but squares the centre's rounding",
    },
    Tolerance { name: "lerch value", bound: 2.0, reason: "a⁻ˢ by pow, times the scaled sum" },
    Tolerance {
        name: "lerch d_s",
        bound: 8.0,
        reason: "a difference of two terms, next to its zeros in two parts",
    },
    Tolerance { name: "lerch d_a", bound: 2.0, reason: "−sΦ(s + 1), a pow and a scaled sum" },
    Tolerance { name: "lerch scaled", bound: 1.1, reason: "1 − T with T ≤ ½" },
    Tolerance { name: "lerch ln", bound: 1.5, reason: "of max(1, |ln Φ|)" },
    Tolerance {
        name: "gamma sample beta",
        bound: 3.0,
        reason: "times 1 + (2 + z²/2)/k: Newton's last step, and rounding of Φ(z) and its logarithm over k",
    },
    Tolerance {
        name: "gamma sample d_shape",
        bound: 6.0,
        reason: "the same, times a sum over nodes or terms",
    },
    Tolerance { name: "gamma sample d_scale", bound: 3.0, reason: "β over the scale" },
    Tolerance {
        name: "gamma sample_at d_shape",
        bound: 8.0,
        reason: "unscaled: nodes or terms of one sign; next to ψ(k + 1) = ln x the first of them is rounding",
    },
    Tolerance { name: "gamma sample_at d_scale", bound: 1.5, reason: "β over the scale or the mean" },
    Tolerance { name: "f32", bound: 0.51, reason: "computed in f64 and rounded once" },
    // Batches, in eps of their own precision; rows against reference vectors and against the scalar kernels,
    // whose own error counts. "params" are the native derivatives, and those in ln mean and v.
    Tolerance {
        name: "f64 direct gamma nll",
        bound: 4.5,
        reason: "the polynomial near zero or Boole's sum, then one logistic",
    },
    Tolerance {
        name: "f64 direct gamma d_margin",
        bound: 7.5,
        reason: "two derivatives of one sign, and a quotient",
    },
    Tolerance {
        name: "f64 direct gamma params",
        bound: 12.5,
        reason: "the derivative in v has the longest chain of products",
    },
    Tolerance {
        name: "f64 direct lognormal nll",
        bound: 10.0,
        reason: "plain sums over nodes, without a second part",
    },
    Tolerance {
        name: "f64 direct lognormal d_margin",
        bound: 18.0,
        reason: "the weights' recurrence drifts over the nodes of a wide rule",
    },
    Tolerance {
        name: "f64 direct lognormal params",
        bound: 21.0,
        reason: "the same with one more power of the drift",
    },
    Tolerance { name: "f64 plan gamma nll", bound: 4.6, reason: "Horner's rule on fitted coefficients" },
    Tolerance { name: "f64 plan gamma d_margin", bound: 6.5, reason: "the same, fitted to derivatives" },
    Tolerance { name: "f64 plan gamma params", bound: 40.0, reason: "ℓ_v/w varies most within a piece" },
    Tolerance {
        name: "f64 plan lognormal nll",
        bound: 10.0,
        reason: "fitted to what the direct kernel gives",
    },
    Tolerance {
        name: "f64 plan lognormal d_margin",
        bound: 25.0,
        reason: "fitted to what the direct kernel gives",
    },
    Tolerance {
        name: "f64 plan lognormal params", bound: 40.0, reason: "ℓ_v/w varies most within a piece"
    },
    Tolerance {
        name: "f32 direct gamma nll",
        bound: 3.0,
        reason: "w, v and the unit are rounded before anything else",
    },
    Tolerance {
        name: "f32 direct gamma d_margin",
        bound: 4.7,
        reason: "and so are the slope and its factors",
    },
    Tolerance {
        name: "f32 direct gamma params",
        bound: 23.0,
        reason: "the derivative in v amplifies the rounding of v",
    },
    Tolerance {
        name: "f32 direct lognormal nll",
        bound: 5.0,
        reason: "the rounding of sigma, amplified where the tail is wide",
    },
    Tolerance { name: "f32 direct lognormal d_margin", bound: 11.0, reason: "the same, and a coarse rule" },
    Tolerance { name: "f32 direct lognormal params", bound: 30.0, reason: "the same with one more power" },
    Tolerance { name: "f32 plan gamma nll", bound: 2.7, reason: "the table is made in f64" },
    Tolerance { name: "f32 plan gamma d_margin", bound: 5.0, reason: "the table is made in f64" },
    Tolerance { name: "f32 plan gamma params", bound: 5.0, reason: "ℓ_v/w varies most within a piece" },
    Tolerance { name: "f32 plan lognormal nll", bound: 2.9, reason: "the table is made in f64" },
    Tolerance {
        name: "f32 plan lognormal d_margin",
        bound: 7.0,
        reason: "direct next to 0 where sigma is large",
    },
    Tolerance {
        name: "f32 plan lognormal params",
        bound: 15.0,
        reason: "direct next to 0 where sigma is large",
    },
    // Rows of the effective logit against the scalar kernels, in (ln mean, v): relative, on both sides.
    Tolerance {
        name: "f64 direct logit value",
        bound: 12.0,
        reason: "that of the loss on the wrong side; e^μ of a LogNormal",
    },
    Tolerance {
        name: "f64 direct logit d_margin",
        bound: 12.0,
        reason: "a quotient of sums, times the unit",
    },
    Tolerance {
        name: "f64 direct logit d_params",
        bound: 18.0,
        reason: "the same, times w, or the derivative in v",
    },
    Tolerance {
        name: "f64 plan logit value",
        bound: 12.0,
        reason: "that of the loss on the wrong side; e^μ of a LogNormal",
    },
    Tolerance { name: "f64 plan logit d_margin", bound: 13.0, reason: "a quotient of sums, times the unit" },
    Tolerance {
        name: "f64 plan logit d_params",
        bound: 24.0,
        reason: "the same, times w, or the derivative in v",
    },
    Tolerance {
        name: "f32 direct logit value",
        bound: 8.0,
        reason: "that of the loss on the wrong side; e^μ of a LogNormal",
    },
    Tolerance { name: "f32 direct logit d_margin", bound: 7.0, reason: "a quotient of sums, times the unit" },
    Tolerance {
        name: "f32 direct logit d_params",
        bound: 24.0,
        reason: "the same, times w, or the derivative in v",
    },
    Tolerance {
        name: "f32 plan logit value",
        bound: 4.0,
        reason: "that of the loss on the wrong side; e^μ of a LogNormal",
    },
    Tolerance { name: "f32 plan logit d_margin", bound: 4.0, reason: "a quotient of sums, times the unit" },
    Tolerance {
        name: "f32 plan logit d_params",
        bound: 12.0,
        reason: "the same, times w, or the derivative in v",
    },
    // Inverse Gaussian: the scalar kernel against vectors, batches against them and the scalar kernel.
    Tolerance {
        name: "inverse-gaussian expected_sigmoid",
        bound: 1.5,
        reason: "times 1 + |ln T| on both sides",
    },
    Tolerance {
        name: "inverse-gaussian nll",
        bound: 2.0,
        reason: "peeled terms and one integral, then one ln",
    },
    Tolerance { name: "inverse-gaussian d_margin", bound: 3.0, reason: "a quotient of two such sums" },
    Tolerance { name: "inverse-gaussian d_mean", bound: 4.0, reason: "the same over the mean" },
    Tolerance {
        name: "inverse-gaussian d_cv",
        bound: 9.0,
        reason: "cv is squared, and v ∂/∂v has the longest chain",
    },
    Tolerance { name: "inverse-gaussian d2_margin", bound: 9.0, reason: "of max(|itself|, d_margin²)" },
    Tolerance {
        name: "f64 direct inverse-gaussian nll",
        bound: 5.0,
        reason: "Abel–Plana or Boole's sum, a logistic",
    },
    Tolerance {
        name: "f64 direct inverse-gaussian d_margin",
        bound: 12.0,
        reason: "integrals that cancel near x₀",
    },
    Tolerance {
        name: "f64 direct inverse-gaussian params",
        bound: 20.0,
        reason: "the same with one more power",
    },
    Tolerance {
        name: "f64 plan inverse-gaussian nll",
        bound: 5.0,
        reason: "fitted to what the direct kernel gives",
    },
    Tolerance {
        name: "f64 plan inverse-gaussian d_margin",
        bound: 12.0,
        reason: "fitted to the direct kernel",
    },
    Tolerance {
        name: "f64 plan inverse-gaussian params",
        bound: 16.0,
        reason: "ℓ_v/w varies most within a piece",
    },
    Tolerance {
        name: "f32 direct inverse-gaussian nll",
        bound: 4.0,
        reason: "w, v and the unit are rounded first",
    },
    Tolerance {
        name: "f32 direct inverse-gaussian d_margin",
        bound: 7.0,
        reason: "and so are the slope and its factors",
    },
    Tolerance {
        name: "f32 direct inverse-gaussian params",
        bound: 24.0,
        reason: "the rounding of v, amplified",
    },
    Tolerance { name: "f32 plan inverse-gaussian nll", bound: 4.0, reason: "the table is made in f64" },
    Tolerance { name: "f32 plan inverse-gaussian d_margin", bound: 4.5, reason: "the table is made in f64" },
    Tolerance {
        name: "f32 plan inverse-gaussian params",
        bound: 12.0,
        reason: "the chain rule rounds to f32",
    },
    // Labels that may be flipped.
    Tolerance {
        name: "lapse fixed nll",
        bound: 2.0,
        reason: "where A > ½ times 1 + |ln(1 − A)|; one more rounding than without a lapse",
    },
    Tolerance {
        name: "lapse gamma nll",
        bound: 3.0,
        reason: "where A > ½ times 1 + |ln(1 − A)|; one more rounding than without a lapse",
    },
    Tolerance {
        name: "lapse lognormal nll",
        bound: 3.0,
        reason: "where A > ½ times 1 + |ln(1 − A)|; one more rounding than without a lapse",
    },
    Tolerance { name: "lapse fixed d_margin", bound: 4.0, reason: "e^{−x} with what rounding took from x" },
    Tolerance { name: "lapse fixed d_p", bound: 4.0, reason: "the same" },
    Tolerance { name: "lapse fixed d_lapse", bound: 2.0, reason: "a quotient of sums without differences" },
    Tolerance { name: "lapse gamma d_margin", bound: 3.0, reason: "times the share of T in A" },
    Tolerance { name: "lapse gamma d_p", bound: 4.0, reason: "the same" },
    Tolerance { name: "lapse gamma d_lapse", bound: 3.0, reason: "the share of T in A has the error of T" },
    Tolerance { name: "lapse lognormal d_margin", bound: 5.0, reason: "times the share of T in A" },
    Tolerance { name: "lapse lognormal d_p", bound: 5.0, reason: "of the sum of its two terms in sigma" },
    Tolerance {
        name: "lapse lognormal d_lapse",
        bound: 5.0,
        reason: "the share of T in A has the error of T",
    },
    Tolerance { name: "lapse batch fixed nll", bound: 1.5, reason: "one logarithm of a quotient" },
    Tolerance {
        name: "lapse batch fixed d_margin",
        bound: 3.0,
        reason: "the share of T in A: ℓ times the error of ℓ, up to where the scalar kernels take over",
    },
    Tolerance { name: "lapse batch fixed d_p", bound: 3.0, reason: "the same" },
    Tolerance { name: "lapse batch fixed d_lapse", bound: 2.5, reason: "the same" },
    Tolerance { name: "lapse batch gamma nll", bound: 2.5, reason: "one logarithm of a quotient" },
    Tolerance {
        name: "lapse batch gamma d_margin",
        bound: 16.0,
        reason: "the share of T in A: ℓ times the error of ℓ, up to where the scalar kernels take over",
    },
    Tolerance { name: "lapse batch gamma d_p", bound: 16.0, reason: "the same" },
    Tolerance { name: "lapse batch gamma d_lapse", bound: 8.0, reason: "the same" },
    Tolerance { name: "lapse batch lognormal nll", bound: 4.0, reason: "one logarithm of a quotient" },
    Tolerance {
        name: "lapse batch lognormal d_margin",
        bound: 16.0,
        reason: "the share of T in A: ℓ times the error of ℓ, up to where the scalar kernels take over",
    },
    Tolerance { name: "lapse batch lognormal d_p", bound: 16.0, reason: "the same" },
    Tolerance { name: "lapse batch lognormal d_lapse", bound: 12.0, reason: "the same" },
    Tolerance { name: "panel ln", bound: 16.0, reason: "of max(1, |ln L|): a sum of a logarithm per choice" },
    Tolerance {
        name: "panel d_ln_mean",
        bound: 40.0,
        reason: "of the pulls of all choices; e^{−βD} where that is all there is",
    },
    Tolerance {
        name: "panel d_v",
        bound: 1_800.0,
        reason: "of the terms of ½β²(L′² + L″): a sum over nodes that cancels",
    },
    Tolerance { name: "panel d_margin", bound: 16.0, reason: "times 1 + |ln|: an expectation over nodes" },
    Tolerance { name: "panel mean", bound: 20.0, reason: "a quotient of sums over nodes" },
    Tolerance {
        name: "panel sd",
        bound: 320.0,
        reason: "differences of β: of max(itself, 1e-3 of the mean)",
    },
    Tolerance {
        name: "panel d_lapse",
        bound: 250.0,
        reason: "of the number of choices: terms of both signs",
    },
    Tolerance {
        name: "panel d_reversed",
        bound: 32.0,
        reason: "a quotient of likelihoods: |ln| of it, times eps",
    },
];

/// Smallest positive f64.
const TINY: f64 = 5e-324;
/// Where the scale is subnormal: absolute error in units of [`TINY`]; deep LogNormal tails lose
/// |ln T| = 710 eps of a number of 2⁵² units at most.
const SUBNORMAL_UNITS: f64 = 4.0;

/// The largest error per quantity.
#[derive(Default)]
pub struct Errors(HashMap<String, (f64, String)>);

impl Errors {
    /// Records |got − truth| in eps of `scale` ≥ |truth|; `(eps, tiny)` are the precision's.
    pub fn record(&mut self, name: &str, [got, truth, scale]: [f64; 3], (eps, tiny): (f64, f64), at: &str) {
        let error = if truth.is_infinite() {
            if got == truth { 0.0 } else { f64::INFINITY }
        } else if scale < tiny / eps {
            // Subnormal: every unit counts, and a few are allowed.
            let units = (got - truth).abs() / tiny;
            if units <= SUBNORMAL_UNITS { 0.0 } else { f64::INFINITY }
        } else {
            (got - truth).abs() / scale / eps
        };
        let error = if error.is_nan() { f64::INFINITY } else { error };
        let worst = self.0.entry(name.to_owned()).or_insert((0.0, String::new()));
        if error >= worst.0 {
            *worst = (error, format!("got {got:e}, truth {truth:e}, at {at}"));
        }
    }

    /// The same for f64 results.
    pub fn record_f64(&mut self, name: &str, got: f64, truth: f64, scale: f64, at: &str) {
        self.record(name, [got, truth, scale], (EPS, TINY), at);
    }

    /// Holds every recorded quantity against [`TOLERANCES`].
    pub fn check(&self) {
        assert!(!self.0.is_empty(), "nothing was compared");
        let mut failures = Vec::new();
        for (name, (error, at)) in &self.0 {
            let Some(tolerance) = TOLERANCES.iter().find(|t| t.name == *name) else {
                failures.push(format!("no tolerance {name}: measured {error}, {at}"));
                continue;
            };
            println!("{name:28} {error:8.3} of {:6.2} eps   {at}", tolerance.bound);
            if *error > tolerance.bound {
                failures.push(format!("{name}: {error} > {} eps, {at}", tolerance.bound));
            }
            if error * 3.0 < tolerance.bound {
                failures.push(format!("{name}: bound {} is slack, measured {error}", tolerance.bound));
            }
        }
        assert!(failures.is_empty(), "{}", failures.join("\n"));
    }
}

/// 1 + |ln T| for margin > 0, T = 1 − e^{−nll}, else 1.
pub fn tail_scale(margin: f64, nll: f64) -> f64 {
    // nll below the smallest number stands for |ln T| of at least 745.
    if margin > 0.0 { 1.0 + (-(-nll).exp_m1()).max(TINY).ln().abs() } else { 1.0 }
}
