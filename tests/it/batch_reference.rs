//! Every level and path of the batch engine against the reference vectors, against the scalar kernels on
//! rows that no vector holds, and densely where a kernel or a piece of a table ends.

use crate::reference::Rows;
use crate::support::batch::{Family, Precision, Random, Ways, levels, rows, shared};
use crate::support::{Errors, tail_scale};
use prefstrength::Coordinates;
use prefstrength::batch::{Batch, PerElement};
use prefstrength::{AnyStrength, Level, LogNormal, Strength};

/// What a row should be, and the scale of each of its errors.
struct Row<T> {
    margin: T,
    params: [T; 2],
    truth: [f64; 4],
    scale: [f64; 4],
}

fn row<T: Precision>(family: Family, margin: f64, params: [f64; 2], truth: [f64; 4]) -> Row<T> {
    let scale = family.scales(params, margin, truth, Coordinates::Native);
    // What the precision cannot hold is ∞ there.
    let round = |x: f64| if x.abs() > T::MAX { x.signum() * f64::INFINITY } else { x };
    Row { margin: T::from_f64(margin), params: params.map(T::from_f64), truth: truth.map(round), scale }
}

/// The reference vectors of a family, those in native parameters and those in mean and cv.
fn reference<T: Precision>(family: Family) -> [Vec<Row<T>>; 2] {
    let mut all = [Vec::new(), Vec::new()];
    let files = match T::NAME {
        "f64" => ["", "extra_"].map(|prefix| Rows::find(prefix, family, "")),
        name => [Rows::find("", family, &format!("_{name}")), None],
    };
    for file in files.into_iter().flatten() {
        let mean_cv = file.coordinates == Coordinates::MeanCv;
        file.each(|v| {
            let truth = [v.nll, v.d_margin, v.d_p[0], v.d_p[1]];
            let row: Row<T> = match mean_cv {
                true => plain_row(v.margin, v.parameters, truth),
                false => row(family, v.margin, v.parameters, truth),
            };
            all[usize::from(mean_cv)].push(row);
        });
    }
    all
}

/// A row whose errors are relative to the numbers themselves.
fn plain_row<T: Precision>(margin: f64, params: [f64; 2], truth: [f64; 4]) -> Row<T> {
    let scale = truth.map(|x| x.abs() * tail_scale(margin, truth[0]));
    Row { margin: T::from_f64(margin), params: params.map(T::from_f64), truth, scale }
}

/// Rows from everyday ones to the box's walls, the same on every machine.
fn unseen<T: Precision>(family: Family, seed: u64, n: usize) -> Vec<Row<T>> {
    let mut random = Random(seed);
    let mut all = Vec::new();
    while all.len() < n {
        let wide = all.len().is_multiple_of(2);
        let round = |x: f64| T::from_f64(x).to_f64();
        let x = if wide { random.decades(-6.0, 4.0) } else { random.decades(-2.0, 1.5) };
        let mean = random.decades(-2.0, 1.0);
        let params = match family {
            Family::Gamma => {
                let v = if wide { random.decades(-8.0, 3.0) } else { random.decades(-2.0, 0.5) };
                [1.0 / v, mean * v]
            }
            Family::LogNormal => {
                [mean.ln(), if wide { random.between(0.0, 2.6) } else { random.between(0.1, 1.2) }]
            }
            _ => {
                let v = if wide { random.decades(-8.0, 3.0) } else { random.decades(-2.0, 0.5) };
                let v = if family == Family::Fixed { 0.0 } else { v };
                AnyStrength::from_mean_v(family, mean, v).expect("valid").parameters()
            }
        }
        .map(round);
        let margin = round(random.sign(x / mean));
        let truth = family.scalar(params, margin, 0.0, Coordinates::Native);
        all.push(row(family, margin, params, truth));
    }
    all
}

/// Names in the table of tolerances.
const QUANTITIES: [&str; 4] = ["nll", "d_margin", "params", "params"];

/// Holds rows against a batch.
struct Check {
    errors: Errors,
}

impl Check {
    fn record<T: Precision>(&mut self, family: Family, path: &str, level: Level, row: &Row<T>, got: [T; 4]) {
        let at = format!("{level} {:?}, margin = {:?}", row.params, row.margin);
        for (i, name) in QUANTITIES.into_iter().enumerate() {
            let name = format!("{} {path} {} {name}", T::NAME, family.name());
            let all = [got[i].to_f64(), row.truth[i], row.scale[i]];
            self.errors.record(&name, all, T::UNITS, &at);
        }
    }

    /// All rows at once, each with its own parameters.
    fn per_element<T: Precision>(&mut self, family: Family, level: Level, all: &[Row<T>]) {
        let margins: Vec<T> = all.iter().map(|row| row.margin).collect();
        let [a, b] = [0, 1].map(|j| all.iter().map(|row| row.params[j]).collect::<Vec<_>>());
        let loss = family.per_element([&a, &b]).expect("valid rows").with_level(level);
        let (got, _) = rows(&Batch::new(&margins), 2, &|b, r| loss.evaluate(b, r)).expect("checked");
        for (row, got) in all.iter().zip(got) {
            self.record(family, "direct", level, row, got);
        }
    }

    /// The same, of mean and cv.
    fn per_element_mean_cv<T: Precision>(&mut self, family: Family, level: Level, all: &[Row<T>]) {
        if all.is_empty() {
            return;
        }
        let margins: Vec<T> = all.iter().map(|row| row.margin).collect();
        let [mean, cv] = [0, 1].map(|j| all.iter().map(|row| row.params[j]).collect::<Vec<_>>());
        let loss = PerElement::from_mean_cv(family, &mean, &cv).expect("valid rows").with_level(level);
        let (got, _) = rows(&Batch::new(&margins), 2, &|b, r| loss.evaluate(b, r)).expect("checked");
        for (row, got) in all.iter().zip(got) {
            self.record(family, "direct", level, row, got);
        }
    }

    /// A row of mean and cv by paths that have one p(β).
    fn shared_mean_cv<T: Precision>(&mut self, family: Family, level: Level, row: &Row<T>) {
        let [mean, cv] = row.params;
        let beta = AnyStrength::from_mean_cv(family, mean, cv).expect("valid");
        for (path, evaluate) in shared(beta, level, Coordinates::MeanCv) {
            let (got, _) = rows(&Batch::new(&[row.margin]), 2, &*evaluate).expect("checked");
            self.record(family, path, level, row, got[0]);
        }
    }

    /// A row by paths that have one p(β).
    fn shared<T: Precision>(&mut self, family: Family, level: Level, row: &Row<T>) {
        let margins = [row.margin];
        for (path, evaluate) in family.shared(row.params, level, Coordinates::Native) {
            let (got, _) = rows(&Batch::new(&margins), 2, &*evaluate).expect("checked");
            self.record(family, path, level, row, got[0]);
        }
    }

    /// Dense margins under one p(β) of unit 1 in (ln mean, v), where nothing cancels.
    fn dense<T: Precision, S: Strength<T>>(
        &mut self,
        family: Family,
        level: Level,
        beta: &S,
        truth: &dyn Fn(f64) -> [f64; 4],
        margins: &[f64],
        name: &str,
    ) {
        let as_t: Vec<T> = margins.iter().map(|&d| T::from_f64(d)).collect();
        let batch = Batch::new(&as_t);
        for (path, evaluate) in shared(*beta, level, Coordinates::LnMeanV) {
            let all = rows(&batch, 2, &*evaluate).expect("checked").0;
            for (&d, got) in margins.iter().zip(all) {
                let truth = truth(d);
                let steep = tail_scale(d, truth[0]);
                for (i, quantity) in QUANTITIES.into_iter().enumerate() {
                    let label = format!("{} {path} {} {quantity}", T::NAME, family.name());
                    let numbers = [got[i].to_f64(), truth[i], truth[i].abs() * steep];
                    self.errors.record(&label, numbers, T::UNITS, &format!("{level} {name}, margin = {d:?}"));
                }
            }
        }
    }
}

/// Margins of both signs at, next to and between the edges of the table's pieces, and at 0.
fn edges<T: Precision>(random: &mut Random) -> Vec<f64> {
    let mut w = vec![0.0];
    for e in -20..=10 {
        for quarter in 0..4 {
            let edge = 2f64.powi(e) * (1.0 + 0.25 * f64::from(quarter));
            w.extend([-1, 0, 1].map(|n| T::step(edge, n)));
            w.push(T::from_f64(edge * random.between(1.0, 1.25)).to_f64());
        }
    }
    w.into_iter().flat_map(|w| [w, -w]).collect()
}

/// Margins of both signs around a seam, ulp by ulp.
fn seam<T: Precision>(at: f64) -> impl Iterator<Item = f64> {
    let at = T::from_f64(at).to_f64();
    (-8..=8).map(move |n| T::step(at, n)).flat_map(|w| [w, -w])
}

/// Every level and path of a family in one precision.
pub fn all<T: Precision>(family: Family) {
    let mut check = Check { errors: Errors::default() };
    let ([native, mean_cv], unseen) = (reference::<T>(family), unseen::<T>(family, 1, 30_000));
    for level in levels() {
        check.per_element(family, level, &native);
        check.per_element_mean_cv(family, level, &mean_cv);
        check.per_element(family, level, &unseen);
        let mut random = Random(2);
        // Each takes a preparation.
        for row in native.iter().chain(unseen.iter().take(1500)) {
            if random.bits().is_multiple_of(16) {
                check.shared(family, level, row);
            }
        }
        for row in &mean_cv {
            if random.bits().is_multiple_of(16) {
                check.shared_mean_cv(family, level, row);
            }
        }
        let mut margins = edges::<T>(&mut random);
        if family == Family::LogNormal {
            margins.extend(seam::<T>(1.0));
            for sigma in [0.0, 1e-6, 0.1, 0.5, 1.0, 1.5, 2.0, 2.4] {
                let sigma = T::from_f64(sigma).to_f64();
                let beta = LogNormal::<T>::from_mu_sigma(T::zero(), T::from_f64(sigma)).expect("valid");
                let wide = LogNormal::<f64>::from_mu_sigma(0.0, sigma).expect("valid");
                check.dense(family, level, &beta, &truth(&wide), &margins, &format!("sigma = {sigma}"));
            }
            continue;
        }
        let spreads: &[f64] =
            if family == Family::Fixed { &[0.0] } else { &[0.0, 1e-6, 0.01, 0.1, 0.25, 1.0, 4.0, 100.0] };
        for &v in spreads {
            let v = T::from_f64(v).to_f64();
            let beta = AnyStrength::<T>::from_mean_v(family, T::one(), T::from_f64(v)).expect("valid");
            let wide = AnyStrength::<f64>::from_mean_v(family, 1.0, v).expect("valid");
            let before = margins.len();
            margins.extend([0.75, 1.25, 1.5, 2.0].into_iter().flat_map(seam::<T>));
            if v > 0.0 {
                margins.extend([0.25, 0.5, 1.0].into_iter().flat_map(|c| seam::<T>(c / v)));
            }
            check.dense(family, level, &beta, &truth(&wide), &margins, &format!("v = {v}"));
            margins.truncate(before);
        }
    }
    check.errors.check();
}

/// The scalar kernels in (ln mean, v).
fn truth<S: Strength<f64>>(beta: &S) -> impl Fn(f64) -> [f64; 4] {
    move |d| {
        let g = beta.nll_gradient_in(d, Coordinates::LnMeanV);
        [g.value, g.d_margin, g.d_params[0], g.d_params[1]]
    }
}
