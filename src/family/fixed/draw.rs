//! A draw from a point mass.

/// β is at its place for every z, and moves with it: ∂β/∂β = 1.
pub(super) fn draw(beta: f64) -> (f64, [f64; 2]) {
    (beta, if beta.is_nan() { [beta, beta] } else { [1.0, 0.0] })
}
