//! The density of x = ln(β/E\[β\]): normal, of mean −q/2 and variance q = σ².

use crate::family::law::{Curvature, Law, TERMS};
use crate::math::elementary::{ExpParts, ln};

/// Of σ² and v = e^{σ²} − 1.
#[derive(Clone, Copy, Debug)]
pub(super) struct LogNormalLaw {
    pub(super) q: f64,
    pub(super) v: f64,
}

impl Law for LogNormalLaw {
    fn ln_density(&self, x: f64) -> [f64; 3] {
        let z = x + 0.5 * self.q;
        let value = -0.5 * (z * z / self.q + ln(2.0 * core::f64::consts::PI * self.q));
        [value, -z / self.q, -1.0 / self.q]
    }
    fn difference(&self, x: f64, _: &ExpParts<f64>, step: f64, _: &ExpParts<f64>) -> f64 {
        let z = x + 0.5 * self.q;
        -step * (z + 0.5 * step) / self.q
    }
    fn v(&self) -> f64 {
        self.v
    }
    fn mode(&self) -> f64 {
        -0.5 * self.q
    }
    fn concave(&self) -> bool {
        false
    }
    fn left_rate(&self) -> f64 {
        f64::INFINITY
    }
    fn score(&self, x: f64, _: &ExpParts<f64>) -> f64 {
        // ∂/∂q at fixed mean; dq/dv = 1/(1 + v).
        let z = x + 0.5 * self.q;
        0.5 * ((z * z / self.q - 1.0) / self.q - z / self.q) / (1.0 + self.v)
    }
    fn curvature(&self) -> Curvature {
        // The heat equation: ∂/∂q E[g(B)] = ½E[B²g″(B)], exactly.
        let mut coefficients = [0.0; TERMS];
        let half = 0.5 / (1.0 + self.v);
        (coefficients[0], coefficients[1], coefficients[2]) = (half, 2.0 * half, half);
        Curvature { coefficients, reach: if self.q <= 1.0 { f64::INFINITY } else { 0.0 } }
    }
}
