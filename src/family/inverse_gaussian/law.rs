//! The density of x = ln(β/E\[β\]): (2πv)^{−½}·e^{−x/2 − (cosh x − 1)/v}.

use crate::family::law::{Curvature, Law, exp_parts_of};
use crate::math::elementary::{ExpParts, ln};
use num_traits::Float;

/// Of squared coefficient of variation v.
#[derive(Clone, Copy, Debug)]
pub(super) struct InverseGaussianLaw {
    pub(super) v: f64,
}

/// cosh x − 1 and sinh x.
fn hyperbolic(x: f64) -> [f64; 2] {
    let (up, down) = (exp_parts_of(x), exp_parts_of(-x));
    [0.5 * (up.exp_m1_my + down.exp_m1_my), 0.5 * (up.exp_m1 - down.exp_m1)]
}

impl Law for InverseGaussianLaw {
    fn ln_density(&self, x: f64) -> [f64; 3] {
        let [cosh_m1, sinh] = hyperbolic(x);
        let value = -0.5 * (ln(2.0 * core::f64::consts::PI * self.v) + x) - cosh_m1 / self.v;
        [value, -0.5 - sinh / self.v, -(1.0 + cosh_m1) / self.v]
    }
    fn difference(&self, x: f64, _: &ExpParts<f64>, step: f64, _: &ExpParts<f64>) -> f64 {
        let ([cosh_m1, sinh], [step_cosh_m1, step_sinh]) = (hyperbolic(x), hyperbolic(step));
        let rise = if step.abs() > 1.0 {
            // The products may be huge where their sum is not.
            hyperbolic(x + step)[0] - cosh_m1
        } else {
            (1.0 + cosh_m1) * step_cosh_m1 + sinh * step_sinh
        };
        -0.5 * step - rise / self.v
    }
    fn v(&self) -> f64 {
        self.v
    }
    fn mode(&self) -> f64 {
        Float::asinh(-0.5 * self.v)
    }
    fn concave(&self) -> bool {
        false
    }
    fn left_rate(&self) -> f64 {
        f64::INFINITY
    }
    fn score(&self, x: f64, _: &ExpParts<f64>) -> f64 {
        (hyperbolic(x)[0] / self.v - 0.5) / self.v
    }
    fn curvature(&self) -> Curvature {
        Curvature::small(self.v, &CURVATURE)
    }
}

/// vⁱδʲ of κ (`python3 xtask/generators/curvature.py`).
const CURVATURE: [&[f64]; 7] = [
    &[
        1.0 / 2.0,
        1.0,
        3.0 / 8.0,
        -1.0 / 8.0,
        1.0 / 32.0,
        0.0,
        -1.0 / 128.0,
        1.0 / 128.0,
        -3.0 / 512.0,
        1.0 / 256.0,
        -5.0 / 2048.0,
        3.0 / 2048.0,
        -7.0 / 8192.0,
    ],
    &[
        -3.0 / 8.0,
        -3.0 / 4.0,
        -3.0 / 16.0,
        3.0 / 16.0,
        -9.0 / 128.0,
        0.0,
        3.0 / 128.0,
        -3.0 / 128.0,
        33.0 / 2048.0,
        -9.0 / 1024.0,
        15.0 / 4096.0,
    ],
    &[
        15.0 / 32.0,
        15.0 / 16.0,
        15.0 / 128.0,
        -45.0 / 128.0,
        45.0 / 256.0,
        0.0,
        -75.0 / 1024.0,
        75.0 / 1024.0,
        -375.0 / 8192.0,
    ],
    &[-105.0 / 128.0, -105.0 / 64.0, 0.0, 105.0 / 128.0, -525.0 / 1024.0, 0.0, 525.0 / 2048.0],
    &[945.0 / 512.0, 945.0 / 256.0, -945.0 / 2048.0, -4725.0 / 2048.0, 14175.0 / 8192.0],
    &[-10395.0 / 2048.0, -10395.0 / 1024.0, 10395.0 / 4096.0],
    &[135_135.0 / 8192.0],
];
