//! In which parameters of p(β) a gradient is taken, and how it comes from that in the margin and in v.

use super::tail::Nll;

/// In which parameters of p(β) gradients are given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Coordinates {
    /// The family's own: (shape, scale), (μ, σ), (mean, λ), or β.
    #[default]
    Native,
    /// (ln mean, ln cv), unconstrained; the second derivative is 0 at cv = 0.
    LnMeanLnCv,
    /// (ln mean, v = cv²): v = 0 is the boundary where MixDPO is plain DPO. There the negative of the second
    /// derivative is the score of heterogeneity, the same for every family.
    LnMeanV,
    /// (mean, cv); the second derivative is 0 at cv = 0.
    MeanCv,
}

/// One p(β), as the batch kernels see it.
#[derive(Clone, Copy, Debug)]
pub struct KernelParams {
    /// Unit of the margin: E\[β\], or e^μ for a LogNormal.
    pub(crate) unit: f64,
    /// v, or σ for a LogNormal.
    pub(crate) shape: f64,
    /// ∂/∂pᵢ = jacobian\[i\]\[0\]·D ∂nll/∂D + jacobian\[i\]\[1\]·∂nll/∂v (LogNormal: ∂q, q = σ²).
    pub(crate) jacobian: [[f64; 2]; 2],
    /// How many parameters the coordinates have.
    pub(crate) params: usize,
    /// Which kernels over lanes serve.
    pub(crate) integral: Integral,
}

/// Which kernels over lanes serve a p(β).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Integral {
    /// Those of the family.
    Own,
    /// Plain DPO: all mass is at one β, and the shape is not used.
    PointMass,
    /// None, the scalar kernels alone: parameters next to the end of the range, or a point mass in a family's
    /// native parameters, which it does not have.
    Scalar,
}

/// Everything at one margin, in f64: the families differ in the native parameters alone.
#[derive(Clone, Copy, Debug)]
pub struct Local {
    pub(crate) nll: Nll,
    pub(crate) unit: f64,
    pub(crate) size: f64,
    pub(crate) negative: bool,
    /// By what a lapse has scaled the derivatives of ln T in `nll`.
    pub(crate) share: f64,
}

impl Local {
    /// Of a quantity that is odd in the margin and grows against it.
    pub(crate) fn signed(&self, z: f64) -> f64 {
        if self.negative { z } else { -z }
    }

    /// D ∂nll/∂D, before scaling.
    pub(crate) fn d_ln_margin(&self) -> f64 {
        self.signed(self.nll.elasticity(self.unit, self.size))
    }

    /// ∂nll/∂(mean) at fixed shape of p(β): D ∂nll/∂D over the mean, without a D·unit that may underflow.
    pub(crate) fn d_mean(&self, mean: f64) -> f64 {
        let Nll { plain, d1, .. } = self.nll;
        let slope = match plain {
            _ if d1 == 0.0 => 0.0,
            true => self.unit / mean * self.size * d1,
            false => d1 / mean,
        };
        self.nll.times(self.signed(slope))
    }
}
