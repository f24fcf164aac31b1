//! Symmetric positive definite matrices: A = LLᵀ, row-major, lower triangles.

/// Pivots below this part of their diagonal entry are rounding.
const PIVOT: f64 = 1e-12;

pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    // Eight sums, since the compiler may not reorder one.
    let (mut sums, (a8, b8)) = ([0.0; 8], (a.chunks_exact(8), b.chunks_exact(8)));
    let tail: f64 = a8.remainder().iter().zip(b8.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in a8.zip(b8) {
        for i in 0..8 {
            sums[i] += a[i] * b[i];
        }
    }
    let [a, b, c, d, e, f, g, h] = sums;
    ((a + e) + (c + g)) + ((b + f) + (d + h)) + tail
}

/// sum += c·x.
pub(crate) fn add_scaled(sum: &mut [f64], c: f64, x: &[f64]) {
    for (s, x) in sum.iter_mut().zip(x) {
        *s += c * x;
    }
}

/// Lower triangle of sum + c·xxᵀ.
pub(crate) fn add_outer(sum: &mut [f64], c: f64, x: &[f64]) {
    for (i, row) in sum.chunks_exact_mut(x.len()).enumerate() {
        add_scaled(&mut row[..=i], c * x[i], x);
    }
}

/// The factor L.
#[derive(Clone, Debug)]
pub(crate) struct Cholesky {
    l: Vec<f64>,
    n: usize,
}

impl Cholesky {
    /// Of the lower triangle of a matrix. The error is the first column that depends on those before it, to
    /// rounding, or makes the matrix indefinite.
    pub(crate) fn new(mut l: Vec<f64>, n: usize) -> Result<Self, usize> {
        for i in 0..n {
            let (above, rest) = l.split_at_mut(i * n);
            let row = &mut rest[..=i];
            for j in 0..i {
                let other = &above[j * n..=j * n + j];
                row[j] = (row[j] - dot(&row[..j], &other[..j])) / other[j];
            }
            let pivot = row[i] - dot(&row[..i], &row[..i]);
            let good = pivot > PIVOT * row[i] && pivot < f64::INFINITY;
            if !good {
                return Err(i);
            }
            row[i] = pivot.sqrt();
        }
        Ok(Self { l, n })
    }

    pub(crate) fn dim(&self) -> usize {
        self.n
    }

    fn row(&self, i: usize) -> &[f64] {
        &self.l[i * self.n..=i * self.n + i]
    }

    /// L⁻¹x in place; of the leading block for a shorter x, here and in [`solve`](Self::solve).
    pub(crate) fn solve_lower(&self, x: &mut [f64]) {
        for i in 0..x.len() {
            let row = self.row(i);
            x[i] = (x[i] - dot(&row[..i], &x[..i])) / row[i];
        }
    }

    /// A⁻¹x in place.
    pub(crate) fn solve(&self, x: &mut [f64]) {
        self.solve_lower(x);
        for i in (0..x.len()).rev() {
            let row = self.row(i);
            x[i] /= row[i];
            let xi = x[i];
            add_scaled(&mut x[..i], -xi, &row[..i]);
        }
    }

    /// xᵀAx.
    pub(crate) fn square(&self, x: &[f64]) -> f64 {
        // |Lᵀx|², column by column.
        let mut product = vec![0.0; self.n];
        for (i, &xi) in x.iter().enumerate() {
            add_scaled(&mut product, xi, self.row(i));
        }
        dot(&product, &product)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A = BBᵀ + 1 for some B.
    fn matrix(n: usize) -> Vec<f64> {
        let b: Vec<f64> = (0..n * n).map(|i| ((i * 7919 % 101) as f64 - 50.0) / 25.0).collect();
        let mut a = vec![0.0; n * n];
        for i in 0..n {
            for j in 0..n {
                a[i * n + j] = dot(&b[i * n..][..n], &b[j * n..][..n]) + f64::from(u8::from(i == j));
            }
        }
        a
    }

    #[test]
    fn solves_what_it_factors() {
        for n in [1, 2, 7, 8, 9, 20, 33] {
            let a = matrix(n);
            let truth: Vec<f64> = (0..n).map(|i| 1.0 + i as f64).collect();
            let product: Vec<f64> = a.chunks_exact(n).map(|row| dot(row, &truth)).collect();
            let cholesky = Cholesky::new(a, n).unwrap();
            assert!((cholesky.square(&truth) / dot(&product, &truth) - 1.0).abs() < 1e-12);
            let mut x = product;
            cholesky.solve(&mut x);
            for (x, truth) in x.iter().zip(truth) {
                assert!((x - truth).abs() < 1e-8 * truth, "{n}: {x} {truth}");
            }
        }
    }

    #[test]
    fn names_the_column_that_depends_on_others() {
        let mut a = vec![0.0; 9];
        for x in [[1.0, 2.0, 3.0], [-1.0, 1.0, 0.0], [4.0, 0.0, 4.0]] {
            add_outer(&mut a, 0.5, &x);
        }
        assert_eq!(Cholesky::new(a, 3).unwrap_err(), 2);
        assert_eq!(Cholesky::new(vec![0.0; 4], 2).unwrap_err(), 0);
        assert_eq!(Cholesky::new(vec![f64::NAN; 4], 2).unwrap_err(), 0);
        assert_eq!(Cholesky::new(vec![1.0, 0.0, 2.0, 1.0], 2).unwrap_err(), 1);
    }
}
