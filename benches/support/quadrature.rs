//! Gauss rules of any orthogonal polynomials.

/// Nodes, ascending, and weights, which sum to 1: of the polynomials orthonormal under a density, with
/// b(j + 1)·pⱼ₊₁ = (x − a(j))·pⱼ − b(j)·pⱼ₋₁ and all roots between `ends`.
pub(crate) fn gauss<const N: usize>(
    a: impl Fn(usize) -> f64,
    b: impl Fn(usize) -> f64,
    ends: [f64; 2],
) -> ([f64; N], [f64; N]) {
    // How many roots of the last are above x, which is how often the signs change, and the sum of squares of the
    // others.
    let above = |x: f64| {
        let (mut before, mut p, mut changes, mut squares) = (0.0, 1.0_f64, 0, 0.0);
        for j in 0..N {
            squares += p * p;
            let back = if j == 0 { 0.0 } else { b(j) };
            let next = ((x - a(j)) * p - back * before) / b(j + 1);
            changes += usize::from((next < 0.0) != (p < 0.0));
            (before, p) = (p, next);
        }
        (changes, squares)
    };
    let (mut nodes, mut weights) = ([0.0; N], [0.0; N]);
    for (i, (node, weight)) in nodes.iter_mut().zip(&mut weights).enumerate() {
        let [mut low, mut high] = ends;
        for _ in 0..100 {
            let middle = 0.5 * (low + high);
            if above(middle).0 >= N - i { low = middle } else { high = middle }
        }
        *node = 0.5 * (low + high);
        *weight = 1.0 / above(*node).1;
    }
    (nodes, weights)
}

/// For the standard normal density.
pub(crate) fn hermite<const N: usize>() -> ([f64; N], [f64; N]) {
    let end = 2.0 * (N as f64).sqrt() + 1.0;
    gauss(|_| 0.0, |j| (j as f64).sqrt(), [-end, end])
}
