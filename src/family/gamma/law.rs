//! The density of x = ln(β/E\[β\]): kᵏ/Γ(k)·e^{k(x − eˣ)}.

use crate::family::law::{Curvature, Law, exp_parts_of};
use crate::math::elementary::ExpParts;
use crate::math::gamma_shape::ln_less_digamma;
use crate::math::incomplete_gamma::ln_gamma_peak;

/// Of shape k, with what every node needs of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct GammaLaw {
    k: f64,
    ln_peak: f64,
    ln_less_digamma: f64,
}

impl GammaLaw {
    pub(super) fn new(k: f64) -> Self {
        Self { k, ln_peak: ln_gamma_peak(k), ln_less_digamma: ln_less_digamma(k) }
    }
}

impl Law for GammaLaw {
    fn ln_density(&self, x: f64) -> [f64; 3] {
        let parts = exp_parts_of(x);
        [self.ln_peak - self.k * parts.exp_m1_my, -self.k * parts.exp_m1, -self.k * parts.exp]
    }
    fn difference(&self, _x: f64, at: &ExpParts<f64>, step: f64, parts: &ExpParts<f64>) -> f64 {
        -self.k * (at.exp * parts.exp_m1_my + at.exp_m1 * step)
    }
    fn v(&self) -> f64 {
        1.0 / self.k
    }
    fn mode(&self) -> f64 {
        0.0
    }
    fn concave(&self) -> bool {
        true
    }
    fn left_rate(&self) -> f64 {
        self.k
    }
    fn score(&self, _x: f64, parts: &ExpParts<f64>) -> f64 {
        // ∂/∂v = −k² ∂/∂k
        self.k * self.k * (parts.exp_m1_my - self.ln_less_digamma)
    }
    fn curvature(&self) -> Curvature {
        Curvature::small(1.0 / self.k, &CURVATURE)
    }
}

/// vⁱδʲ of κ (`python3 xtask/generators/curvature.py`).
const CURVATURE: [&[f64]; 7] = [
    &[
        1.0 / 2.0,
        2.0 / 3.0,
        1.0 / 12.0,
        -1.0 / 30.0,
        1.0 / 60.0,
        -1.0 / 105.0,
        1.0 / 168.0,
        -1.0 / 252.0,
        1.0 / 360.0,
        -1.0 / 495.0,
        1.0 / 660.0,
        -1.0 / 858.0,
        1.0 / 1092.0,
    ],
    &[
        -1.0 / 12.0,
        -1.0 / 15.0,
        1.0 / 60.0,
        -1.0 / 210.0,
        1.0 / 840.0,
        0.0,
        -1.0 / 2520.0,
        1.0 / 1980.0,
        -1.0 / 1980.0,
        1.0 / 2145.0,
        -5.0 / 12012.0,
    ],
    &[
        0.0,
        -1.0 / 105.0,
        -1.0 / 840.0,
        1.0 / 420.0,
        -1.0 / 504.0,
        1.0 / 693.0,
        -1.0 / 990.0,
        1.0 / 1430.0,
        -29.0 / 60060.0,
    ],
    &[1.0 / 120.0, 1.0 / 210.0, -1.0 / 280.0, 5.0 / 2772.0, -1.0 / 1386.0, 1.0 / 6435.0, 1.0 / 8580.0],
    &[0.0, 5.0 / 1386.0, -1.0 / 2772.0, -37.0 / 45045.0, 3.0 / 2860.0],
    &[-1.0 / 252.0, -74.0 / 45045.0, 419.0 / 180_180.0],
    &[0.0],
];
