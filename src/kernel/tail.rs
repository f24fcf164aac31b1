//! T(x, v) = E[σ(−xB)] with its derivatives, and the loss that they make on either side of the margin.

use crate::math::elementary::{exp, ln, ln_1p};
use crate::math::{neg_ln_1m, two_atanh};

/// T, its logarithm, and its derivatives in x and v: everything a loss is made of.
///
/// Returned by the functions of [`crate::canonical`]. Ratios to T are kept instead of the
/// derivatives themselves, so that nothing underflows while ln T is a number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tail {
    /// x, for the conversions
    pub(crate) x: f64,
    /// Whether the derivatives below are plain (∂/∂x) or logarithmic (x ∂/∂x, x² ∂²/∂x²).
    pub(crate) plain: bool,
    /// T
    pub(crate) t: f64,
    /// ½ − T
    pub(crate) h: f64,
    /// ln T
    pub(crate) ln: f64,
    /// What rounding took from ln T, as far as it is known
    pub(crate) ln_lo: f64,
    /// What the rounding of x took from T, relative to it: known where it is not in T already
    pub(crate) t_lo: f64,
    /// −T′/T
    pub(crate) d1: f64,
    /// T″/T
    pub(crate) d2: f64,
    /// (ln T)″ = d2 − d1², from a form that does not cancel
    pub(crate) ln_d2: f64,
    /// (∂T/∂v)/T
    pub(crate) d_v: f64,
    /// v(∂T/∂v)/T
    pub(crate) v_d_v: f64,
}

impl Tail {
    /// Every field NaN: the answer for NaN, or for arguments outside the domain.
    pub(crate) const NAN: Self = Self {
        x: f64::NAN,
        plain: true,
        t: f64::NAN,
        h: f64::NAN,
        ln: f64::NAN,
        ln_lo: f64::NAN,
        t_lo: f64::NAN,
        d1: f64::NAN,
        d2: f64::NAN,
        ln_d2: f64::NAN,
        d_v: f64::NAN,
        v_d_v: f64::NAN,
    };

    /// T = E\[σ(−xB)\], in [0, ½]; 0 once it underflows, where [`ln`](Self::ln) still has it.
    ///
    /// x = ∞: 0. NaN outside the domain. Max error: that of ln T, times 1 + |ln T|.
    ///
    /// ```
    /// assert_eq!(prefstrength::canonical::gamma(0.0, 0.5).value(), 0.5);
    /// ```
    #[must_use]
    pub fn value(&self) -> f64 {
        self.t
    }

    /// ½ − T = ½ E\[tanh(xB/2)\], to full relative accuracy for small x.
    ///
    /// x = ∞: ½. NaN outside the domain. Max error: 8 eps, LogNormal 16.
    ///
    /// ```
    /// let h = prefstrength::canonical::gamma(1e-20, 0.5).half_minus();
    /// assert!((h - 0.25e-20).abs() < 1e-34); // x/4 for small x
    /// ```
    #[must_use]
    pub fn half_minus(&self) -> f64 {
        self.h
    }

    /// ln T, which does not underflow.
    ///
    /// x = ∞: −∞. NaN outside the domain. Max error: 4 eps, LogNormal 16.
    ///
    /// ```
    /// let tail = prefstrength::canonical::fixed(1e5);
    /// assert_eq!((tail.value(), tail.ln()), (0.0, -1e5));
    /// ```
    #[must_use]
    pub fn ln(&self) -> f64 {
        self.ln
    }

    /// −(∂T/∂x)/T = −∂ ln T/∂x > 0.
    ///
    /// x = ∞: 0, or 1 at v = 0. NaN outside the domain. Max error: 8 eps, LogNormal 16.
    ///
    /// ```
    /// let slope = prefstrength::canonical::gamma(0.0, 0.5).neg_d_x_over_value();
    /// assert!((slope - 0.5).abs() < 1e-15); // σ(xB) at x = 0
    /// ```
    #[must_use]
    pub fn neg_d_x_over_value(&self) -> f64 {
        match self.plain {
            true => self.d1,
            // ∞/∞ for a LogNormal: the limit is 0.
            false if self.x == f64::INFINITY => 0.0,
            false => self.d1 / self.x,
        }
    }

    /// ∂² ln T/∂x². Changes sign, unless v = 0: negative at x = 0, positive for large x.
    ///
    /// x = ∞: 0. NaN outside the domain. Max error: 16 eps of max(|itself|, (−T_x/T)²).
    ///
    /// ```
    /// use prefstrength::canonical::gamma;
    /// assert!((gamma(0.0, 0.5).ln_d_xx() + 0.25).abs() < 1e-15);
    /// assert!(gamma(3.0, 0.5).ln_d_xx() > 0.0);
    /// ```
    #[must_use]
    pub fn ln_d_xx(&self) -> f64 {
        match self.plain {
            true => self.ln_d2,
            false if self.x == f64::INFINITY => 0.0,
            false => self.ln_d2 / self.x / self.x,
        }
    }

    /// (∂T/∂v)/T = ∂ ln T/∂v ≥ 0, at fixed x.
    ///
    /// x = 0: 0, x = ∞: ∞. NaN outside the domain. Max error: 24 eps, LogNormal 16.
    ///
    /// ```
    /// let tail = prefstrength::canonical::gamma(3.0, 0.0);
    /// let fixed = prefstrength::canonical::fixed(3.0);
    /// assert!(tail.ln_d_v() > 0.0 && (tail.ln_d_v() - fixed.ln_d_v()).abs() < 1e-14);
    /// ```
    #[must_use]
    pub fn ln_d_v(&self) -> f64 {
        self.d_v
    }

    /// The effective logit ℓ = ln((1 − T)/T) ≥ 0.
    ///
    /// x = 0: 0, x = ∞: ∞. NaN outside the domain. Max error: 8 eps, LogNormal 16.
    ///
    /// ```
    /// let logit = prefstrength::canonical::gamma(3.0, 0.5).effective_logit();
    /// assert!(logit > 2.0 && logit < 3.0); // below x, concave
    /// ```
    #[must_use]
    pub fn effective_logit(&self) -> f64 {
        if self.h < 0.125 { two_atanh(2.0 * self.h) } else { -neg_ln_1m(self.t) - self.ln }
    }

    /// ∂ℓ/∂x = −T_x/(T(1 − T)).
    ///
    /// x = 0: 1. x = ∞: 0, or 1 at v = 0. NaN outside the domain. Max error: that of −T_x/T and 4 eps.
    ///
    /// ```
    /// let slope = prefstrength::canonical::gamma(0.0, 0.5).effective_logit_d_x();
    /// assert!((slope - 1.0).abs() < 1e-15);
    /// ```
    #[must_use]
    pub fn effective_logit_d_x(&self) -> f64 {
        self.neg_d_x_over_value() / (0.5 + self.h)
    }

    /// ∂ℓ/∂v = −T_v/(T(1 − T)), at fixed x; ≤ 0.
    ///
    /// x = 0: 0, x = ∞: −∞. NaN outside the domain. Max error: that of T_v/T and 4 eps.
    ///
    /// ```
    /// let tail = prefstrength::canonical::fixed(2.0);
    /// let expected = -0.5 * 4.0 * 1.0_f64.tanh(); // −x² tanh(x/2)/2 at v = 0
    /// assert!((tail.effective_logit_d_v() - expected).abs() < 1e-14);
    /// ```
    #[must_use]
    pub fn effective_logit_d_v(&self) -> f64 {
        -self.d_v / (0.5 + self.h)
    }

    /// A = ε + (1 − ε − ε̄)T, ε the lapse of this side and ε̄ that of the other: an affine map of the tail, after which
    /// everything is as before. Up to ¾ where ε > ε̄. ε = ε̄ = 0 is the tail itself.
    pub(crate) fn lapsed(&self, [lapse, other]: [f64; 2]) -> Self {
        if lapse == 0.0 && other == 0.0 {
            return *self;
        }
        let kept = 1.0 - lapse - other;
        // Beside a lapse T itself counts, not its logarithm.
        let own = self.t + self.t * self.t_lo;
        let t = lapse + kept * own;
        // The share of A that is no lapse, which scales every logarithmic derivative.
        let (ln, ln_lo, share) = if lapse == 0.0 {
            (self.ln + ln_1p(-other), self.ln_lo, 1.0)
        } else if self.ln < -690.0 || lapse < 1e-290 {
            // T or ε may be subnormal: by logarithms.
            let (own, lapse) = (self.ln + self.t_lo + ln_1p(-(lapse + other)), ln(lapse));
            if own > lapse {
                let odds = exp(lapse - own);
                (own + ln_1p(odds), self.ln_lo, 1.0 / (1.0 + odds))
            } else {
                let odds = exp(own - lapse);
                let odds = odds + odds * self.ln_lo;
                (lapse + ln_1p(odds), 0.0, odds / (1.0 + odds))
            }
        } else {
            let share = kept * own / t;
            if lapse < own {
                (self.ln + ln(kept + lapse / own), self.ln_lo * share, share)
            } else {
                (ln(lapse) + ln_1p(kept * own / lapse), 0.0, share)
            }
        };
        // At x = ∞ a derivative may be infinite, of something that no longer counts.
        let scaled = |z: f64| if share == 0.0 { 0.0 } else { share * z };
        Self {
            t,
            // Symmetric: ½ − A = (1 − 2ε)(½ − T), without a difference.
            h: 0.5 * (other - lapse) + kept * self.h,
            ln,
            ln_lo,
            t_lo: 0.0,
            d1: scaled(self.d1),
            d2: scaled(self.d2),
            // (ln A)″: the second term is the spread between a lapse and none.
            ln_d2: if share == 0.0 { 0.0 } else { share * (self.ln_d2 + (1.0 - share) * self.d1 * self.d1) },
            d_v: scaled(self.d_v),
            v_d_v: scaled(self.v_d_v),
            ..*self
        }
    }

    /// ∂nll/∂ε and ∂nll/∂ε̄ of the lapsed tail that this one became, and their sum from a form that does not cancel;
    /// on the side of the margin's sign.
    pub(crate) fn d_lapse(&self, lapsed: &Self, negative: bool) -> [f64; 3] {
        let (upper, twice) = (0.5 + self.h, 2.0 * self.h);
        if !negative {
            let inverse = 1.0 / (0.5 + lapsed.h);
            return [upper * inverse, -self.t * inverse, twice * inverse];
        }
        // Without a lapse this grows like 1/T, beyond every number.
        let inverse = if lapsed.ln < -700.0 {
            let inverse = exp(-lapsed.ln);
            if inverse < f64::INFINITY { inverse - inverse * lapsed.ln_lo } else { inverse }
        } else {
            1.0 / lapsed.t
        };
        [
            -upper * inverse,
            if self.t == 0.0 { lapsed.t_over(self) } else { self.t / lapsed.t },
            -twice * inverse,
        ]
    }

    /// T of another tail over this one, where both may underflow.
    fn t_over(&self, other: &Self) -> f64 {
        // Both −∞ at x = ∞ without a lapse: what is left is the constant factor.
        if self.ln == other.ln { 1.0 } else { exp(other.ln - self.ln) }
    }

    /// −ln E[σ] and its derivatives on the side of the margin's sign.
    pub(crate) fn nll(&self, negative: bool) -> Nll {
        if negative {
            return Nll {
                plain: self.plain,
                value: -self.ln,
                d1: self.d1,
                d2: -self.ln_d2,
                d_v: -self.d_v,
                v_d_v: -self.v_d_v,
                scale: [1.0; 4],
            };
        }
        let (scale, value, odds) = if self.ln < -690.0 {
            // T may be subnormal while its derivatives are not: keep it as a fourth power.
            let root = exp(0.25 * self.ln);
            let root = root + root * (0.25 * self.ln_lo);
            ([root; 4], (root * root) * (root * root), 0.0)
        } else {
            let odds = self.t / (0.5 + self.h);
            // More than ½ after a one-sided lapse only.
            let value = if self.h >= 0.0 { neg_ln_1m(self.t) } else { -ln(0.5 + self.h) };
            ([odds, 1.0, 1.0, 1.0], value, odds)
        };
        // Below e^−2900 not even 1/D² brings T back: zeros, rather than 0·∞.
        let keep = |z: f64| if self.ln < -2900.0 { 0.0 } else { z };
        Nll {
            plain: self.plain,
            value,
            d1: keep(self.d1),
            d2: keep(self.d2 + self.d1 * (self.d1 * odds)),
            d_v: keep(self.d_v),
            v_d_v: keep(self.v_d_v),
            scale,
        }
    }
}

/// −ln E[σ] at one sign of the margin, with derivatives in x (of either sign) and v.
///
/// `d1`, `d2`, `d_v` and `v_d_v` are still to be multiplied by all `scale`s: see [`Nll::times`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Nll {
    /// As in [`Tail`].
    pub(crate) plain: bool,
    pub(crate) value: f64,
    /// |∂nll/∂x|
    pub(crate) d1: f64,
    /// ∂²nll/∂x²
    pub(crate) d2: f64,
    /// ∂nll/∂v at fixed x
    pub(crate) d_v: f64,
    /// v ∂nll/∂v
    pub(crate) v_d_v: f64,
    scale: [f64; 4],
}

impl Nll {
    /// A quantity formed from the derivatives, brought to scale: `z` first, so that a small scale
    /// meets a large factor before either is lost.
    #[inline]
    pub(crate) fn times(&self, z: f64) -> f64 {
        self.scale.iter().fold(z, |z, s| z * s)
    }

    /// |∂nll/∂D| for a strength of mean (or other unit of x) `unit`, at |D| = `size`.
    #[inline]
    pub(crate) fn slope(&self, unit: f64, size: f64) -> f64 {
        match self.plain {
            true => self.times(unit * self.d1),
            // ∞/∞ for a LogNormal: the limit is 0.
            false if size == f64::INFINITY => 0.0,
            // 1/D may overflow where T/D does not.
            false => {
                let [a, b, c, d] = self.scale;
                self.d1 * a / size * b * c * d
            }
        }
    }

    /// ∂²nll/∂D².
    #[inline]
    pub(crate) fn curvature(&self, unit: f64, size: f64) -> f64 {
        match self.plain {
            true => self.times(unit * self.d2 * unit),
            false if size == f64::INFINITY => 0.0,
            false => {
                let [a, b, c, d] = self.scale;
                self.d2 * a / size * b * c / size * d
            }
        }
    }

    /// |D ∂nll/∂D| for x = unit·size, before scaling.
    #[inline]
    pub(crate) fn elasticity(&self, unit: f64, size: f64) -> f64 {
        if !self.plain || self.d1 == 0.0 {
            return self.d1;
        }
        if unit == 0.0 {
            return 0.0;
        }
        let x = unit * size;
        // The median of β|D| may leave the range where its mean does not.
        if (f64::MIN_POSITIVE..f64::INFINITY).contains(&x) { x * self.d1 } else { unit * self.d1 * size }
    }
}
