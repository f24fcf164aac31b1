//! Rows of the effective logit: against the scalar kernels, on every level, and what a loss on top of them gives.

use crate::support::Errors;
use crate::support::batch::{Precision, Random, levels};
use prefstrength::batch::{Batch, BatchError, Direct, LogitRows, PerElement, Plan, Reach, Rows};
use prefstrength::math::sigmoid;
use prefstrength::{AnyStrength, Coordinates, Family, Real, Strength};

/// ℓ, ∂ℓ/∂D and the derivatives in (ln mean, v), of a wrong choice's gradient.
fn truth(beta: &AnyStrength, margin: f64) -> [f64; 4] {
    let behind = beta.nll_gradient_in(-margin.abs(), Coordinates::LnMeanV);
    let upper = sigmoid(beta.effective_logit(margin.abs()));
    let sign = if margin < 0.0 { -1.0 } else { 1.0 };
    let [p0, p1] = behind.d_params.map(|d| sign * d / upper);
    [beta.effective_logit(margin), beta.effective_beta(margin), p0, p1]
}

fn rows<T: Precision>(
    len: usize,
    evaluate: impl FnOnce(LogitRows<'_, T>) -> Result<(), BatchError>,
) -> [Vec<f64>; 4] {
    let mut columns = [(); 4].map(|()| vec![T::from_f64(7.0); len]);
    let [logit, d_margin, p0, p1] = &mut columns;
    evaluate(LogitRows::new().logit(logit).d_margin(d_margin).d_params([p0, p1])).expect("checked");
    columns.map(|column| column.iter().map(|&x| Real::to_f64(x)).collect())
}

fn compare<T: Precision>(errors: &mut Errors) {
    let mut random = Random(16);
    for family in [Family::Gamma, Family::LogNormal, Family::InverseGaussian] {
        for _ in 0..12 {
            let round = |x: f64| Real::to_f64(T::from_f64(x));
            let (mean, v) = (random.decades(-1.5, 0.5), round(random.decades(-3.0, 0.3)));
            let beta =
                AnyStrength::<T>::from_mean_v(family, T::from_f64(mean), T::from_f64(v)).expect("valid");
            let margins: Vec<f64> = (0..300)
                .map(|i| {
                    let x = if i % 3 == 0 { random.decades(-8.0, 3.0) } else { random.decades(-1.0, 1.3) };
                    round(random.sign(x / mean))
                })
                .collect();
            let given: Vec<T> = margins.iter().map(|&d| T::from_f64(d)).collect();
            let [mean, v] = [beta.mean(), beta.v()].map(Real::to_f64);
            let wide = match (beta.family(), beta.parameters().map(Real::to_f64)) {
                (Family::LogNormal, [mu, sigma]) => {
                    AnyStrength::from(prefstrength::LogNormal::from_mu_sigma(mu, sigma).expect("valid"))
                }
                (Family::Gamma, [shape, scale]) => {
                    AnyStrength::from(prefstrength::Gamma::from_shape_scale(shape, scale).expect("valid"))
                }
                _ => AnyStrength::from_mean_v(family, mean, v).expect("valid"),
            };
            for level in levels() {
                let in_v = Coordinates::LnMeanV;
                let direct = Direct::new(&beta).with_level(level).with_coordinates(in_v);
                let plan = Plan::with_level(&beta, level).with_coordinates(in_v);
                let ways = [
                    ("direct", rows(300, |to| direct.effective_logits(&given, to))),
                    ("plan", rows(300, |to| plan.effective_logits(&given, to))),
                ];
                for (way, got) in ways {
                    for (i, &d) in margins.iter().enumerate() {
                        let truth = truth(&wide, d);
                        for k in 0..4 {
                            let what = ["value", "d_margin", "d_params", "d_params"][k];
                            let name = format!("{} {way} logit {what}", T::NAME);
                            let at = format!("{beta} at {d:e}, {k}, {level}");
                            errors.record(&name, [got[k][i], truth[k], truth[k].abs()], T::UNITS, &at);
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn rows_are_those_of_the_scalar_kernels() {
    let mut errors = Errors::default();
    compare::<f64>(&mut errors);
    compare::<f32>(&mut errors);
    errors.check();
}

/// A logistic loss of the rows is the loss itself, and its gradients come by the chain rule; elements are alike on every
/// path that has them, on threads and off them.
#[test]
fn a_loss_on_top_is_the_loss() {
    let special = [0.0, -0.0, 1e-300, -1e300, f64::INFINITY, f64::NEG_INFINITY, f64::NAN, 30.0, -30.0, 0.5];
    for family in Family::ALL {
        let v = if family == Family::Fixed { 0.0 } else { 0.7 };
        let beta = AnyStrength::from_mean_v(family, 0.8, v).expect("valid");
        let mut margins = special.to_vec();
        margins.extend((0..20_000).map(|i| f64::from(i) * 1e-3 - 10.0));
        let n = margins.len();
        let direct = Direct::new(&beta).with_coordinates(Coordinates::LnMeanV);
        let [logit, d_margin, p0, p1] = rows(n, |to| direct.effective_logits(&margins, to));
        let (mut nll, mut slopes, mut q0, mut q1) = (vec![0.0; n], vec![0.0; n], vec![0.0; n], vec![0.0; n]);
        let losses = Rows::new().nll(&mut nll).d_margin(&mut slopes).d_params([&mut q0, &mut q1]);
        direct.evaluate(&Batch::new(&margins), losses).expect("checked");
        for (i, &d) in margins.iter().enumerate() {
            let at = format!("{beta} at {d:e}");
            if d.is_nan() {
                assert!([&logit, &d_margin, &p0, &p1].iter().all(|row| row[i].is_nan()), "{at}");
                continue;
            }
            assert!(logit[i] * d >= 0.0 && (logit[i] == 0.0) == (d == 0.0), "{at}: the sign");
            assert!((d.is_infinite() && logit[i] == d) || logit[i].is_finite(), "{at}");
            let near =
                |a: f64, b: f64| a == b || (a - b).abs() <= 1e-13 * (1.0 + b.abs()) * (1.0 + nll[i].abs());
            assert!(near(-prefstrength::math::log_sigmoid(logit[i]), nll[i]), "{at}");
            if d.abs() < 1e10 {
                let g = -sigmoid(-logit[i]);
                assert!(near(g * d_margin[i], slopes[i]), "{at}");
                assert!(near(g * p0[i], q0[i]) && near(g * p1[i], q1[i]), "{at}: {} {}", g * p1[i], q1[i]);
            }
        }
        // Alone, per element, and on threads: the same bits.
        let alone = rows(1, |to| direct.effective_logits(&margins[17..18], to));
        assert_eq!(
            alone.map(|row| row[0].to_bits()),
            [&logit, &d_margin, &p0, &p1].map(|row| row[17].to_bits())
        );
        let (means, cvs) = (vec![0.8; n], vec![f64::sqrt(v); n]);
        let each = PerElement::from_mean_cv(family, &means, &cvs).expect("valid");
        let by_element = rows(n, |to| each.effective_logits(&margins, to));
        for (i, (a, b)) in by_element[0].iter().zip(&logit).enumerate() {
            assert!(a == b || (a - b).abs() <= 1e-14 * b.abs() || b.is_nan(), "{beta} element {i}: {a} {b}");
        }
        #[cfg(feature = "rayon")]
        {
            let threads = rows(n, |to| direct.par_effective_logits(&margins, to));
            for (a, b) in threads.iter().zip([&logit, &d_margin, &p0, &p1]) {
                assert!(a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits()));
            }
        }
    }
}

#[test]
fn errors_come_before_anything_is_written() {
    let beta = AnyStrength::from_mean_v(Family::Gamma, 1.0, 0.5).expect("valid");
    let (direct, margins) = (Direct::new(&beta), [1.0, 2.0]);
    let (mut short, mut right) = ([7.0], [7.0; 2]);
    let refused = direct.effective_logits(&margins, LogitRows::new().logit(&mut short).d_margin(&mut right));
    assert_eq!(refused, Err(BatchError::Length { slice: "logit", expected: 2, found: 1 }));
    assert_eq!((short, right), ([7.0], [7.0; 2]));
    let refused = direct.effective_logits(&margins, LogitRows::new().d_params([&mut right]));
    assert_eq!(refused, Err(BatchError::ParamCount { expected: 2, found: 1 }));
    let each = PerElement::from_mean_cv(Family::Gamma, &[1.0], &[0.5]).expect("valid");
    let refused = each.effective_logits(&margins, LogitRows::new().logit(&mut right));
    assert_eq!(refused, Err(BatchError::Length { slice: "mean", expected: 2, found: 1 }));
    assert!(Direct::new(&beta).effective_logits(&[0.0_f64; 0], LogitRows::new()).is_ok());
}

/// The table as plain numbers says what the plan says, wherever it reaches; and it says where that is.
#[test]
fn tables_are_plain_numbers() {
    fn check<T: Precision>() {
        let mut random = Random(3);
        for family in Family::ALL {
            for v in [0.0, 1e-6, 0.3, 2.0, 30.0] {
                if family == Family::Fixed && v > 0.0 {
                    continue;
                }
                let beta =
                    AnyStrength::<T>::from_mean_v(family, T::from_f64(0.7), T::from_f64(v)).expect("valid");
                let plan = Plan::new(&beta).with_coordinates(Coordinates::LnMeanV);
                let table = plan.table();
                assert_eq!((table.version, table.params), (1, 2), "{beta}");
                assert_eq!(table.coefficients.len(), table.pieces() * table.terms, "{beta}");
                assert_eq!(table.reach == Reach::PointMass, v == 0.0, "{beta}: {:?}", table.reach);
                let mut margins = vec![T::from_f64(0.0)];
                for _ in 0..400 {
                    let size = random.decades(-6.0, 3.5);
                    margins.push(T::from_f64(random.sign(size)));
                }
                let got = rows(margins.len(), |to| plan.effective_logits(&margins, to));
                let mut within = 0;
                for (i, d) in margins.iter().map(|&d| Real::to_f64(d)).enumerate() {
                    let Some(expected) = table.effective_logit(d) else { continue };
                    within += 1;
                    for k in 0..4 {
                        let (a, b) = (got[k][i], expected[k]);
                        // A rounding of w moves every one of them, and Horner's rule a few.
                        assert!(
                            (a - b).abs() <= 24.0 * T::UNITS.0 * b.abs() + T::UNITS.1,
                            "{beta} at {d:e}, {k}: {a:e} {b:e}"
                        );
                    }
                }
                assert!(within > 150, "{beta}: {within} of 401 within {:?}", table.reach);
                assert!(
                    [f64::NAN, 1e300]
                        .iter()
                        .all(|&d| v == 0.0 && d == 1e300 || table.effective_logit(d).is_none())
                );
            }
        }
    }
    check::<f64>();
    check::<f32>();
}
