//! The matrices of the plan's tables, from what they are for.

use super::tables;

/// Tₖ(2t).
fn chebyshev(k: usize, t: f64) -> f64 {
    let (mut a, mut b) = (1.0, 2.0 * t);
    for _ in 0..k {
        (a, b) = (b, 4.0 * t * b - a);
    }
    a
}

/// The matrices of a plan reproduce every polynomial up to their degree, on every part of an octave.
fn plan_tables<const N: usize, const M: usize, const P: usize>(
    (nodes, chebyshev_of): (&[f64; N], &[[f64; N]; N]),
    (octave_nodes, octave): (&[f64; M], &[[[f64; M]; N]; P]),
    monomial: &[[f64; N]; N],
) {
    let product = |row: &[f64], values: &[f64]| row.iter().zip(values).map(|(a, b)| a * b).sum::<f64>();
    let points = [-0.5, -0.3, -0.01, 0.2, 0.49];
    for degree in 0..N as i32 {
        let values = nodes.map(|t| t.powi(degree));
        let series = chebyshev_of.map(|row| product(&row, &values));
        for t in points {
            let sum: f64 = (0..N).map(|k| series[k] * chebyshev(k, t)).sum();
            assert!((sum - t.powi(degree)).abs() < 1e-15, "degree {degree} at {t}: {sum}");
        }
        let values = octave_nodes.map(|w| w.powi(degree));
        for (p, part) in octave.iter().enumerate() {
            let series = part.map(|row| product(&row, &values));
            for t in points {
                let sum: f64 = (0..N).map(|k| series[k] * chebyshev(k, t)).sum();
                let exact = (1.0 + (p as f64 + 0.5 + t) / P as f64).powi(degree);
                let off = (sum - exact).abs() / 2_f64.powi(degree);
                assert!(off < 2e-15, "degree {degree} on part {p} at {t}: {off:e}");
            }
        }
    }
    for t in points {
        let powers: [f64; N] = core::array::from_fn(|j| t.powi(j as i32));
        for k in 0..N {
            let sum = product(&monomial.map(|row| row[k]), &powers);
            // The entries of the largest degree reach 7000.
            assert!((sum - chebyshev(k, t)).abs() < 1e-12, "T{k} at {t}");
        }
    }
}

#[test]
fn plan_matrices() {
    plan_tables(
        (&tables::PLAN_F32_NODES, &tables::PLAN_F32_CHEBYSHEV),
        (&tables::PLAN_F32_OCTAVE_NODES, &tables::PLAN_F32_OCTAVE),
        &tables::PLAN_F32_MONOMIAL,
    );
    plan_tables(
        (&tables::PLAN_F64_NODES, &tables::PLAN_F64_CHEBYSHEV),
        (&tables::PLAN_F64_OCTAVE_NODES, &tables::PLAN_F64_OCTAVE),
        &tables::PLAN_F64_MONOMIAL,
    );
}
