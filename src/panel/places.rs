//! Where eight nodes are, and their weights: what every node costs beside the choices.

use super::choices::BLOCK;
use crate::lanes::{Isa, Lanes, Vectorised};
use crate::math::elementary::{ExpParts, exp, exp_parts, ln_1p};

/// Eight numbers.
pub(super) type Eight = [f64; BLOCK];

/// Places of nodes relative to the top of the integrand.
#[derive(Clone, Copy, Debug)]
pub(super) struct Places {
    /// Steps in x.
    pub(super) steps: Eight,
    /// ln dx/du.
    pub(super) density: Eight,
    /// eˢ, eˢ − 1 and eˢ − 1 − s of the steps.
    pub(super) exp: Eight,
    pub(super) exp_m1: Eight,
    pub(super) exp_m1_my: Eight,
}

impl Places {
    /// Those of step `i`.
    pub(super) fn parts(&self, i: usize) -> ExpParts<f64> {
        ExpParts { exp: self.exp[i], exp_m1: self.exp_m1[i], exp_m1_my: self.exp_m1_my[i] }
    }
}

/// Places of the nodes u = `first`, `first` + `step`, …; u is x where nothing is drawn in.
pub(super) struct Lay {
    pub(super) first: f64,
    pub(super) step: f64,
    /// c and eᶜ.
    pub(super) drawn: Option<[f64; 2]>,
}

impl Vectorised for Lay {
    type Output = Places;
    #[inline(always)]
    fn run<I: Isa>(self) -> Places {
        let none = [0.0; BLOCK];
        let mut to = Places { steps: none, density: none, exp: none, exp_m1: none, exp_m1_my: none };
        let mut u = none;
        for (i, u) in u.iter_mut().enumerate() {
            *u = self.first + i as f64 * self.step;
        }
        let (one, wide) = (I::F64::splat(1.0), I::F64::splat(-690.0));
        let mut at = 0;
        while at < BLOCK {
            let u = I::F64::load(&u[at..]);
            let (mut step, mut density) = (u, I::F64::splat(0.0));
            if let Some([from, none]) = self.drawn {
                let down = exp(I::F64::splat(from) - u);
                step = u - (down - I::F64::splat(none));
                density = ln_1p(down);
            }
            let parts = exp_parts(step);
            // `exp_parts` stops at −700.
            step.store(&mut to.steps[at..]);
            density.store(&mut to.density[at..]);
            step.select_lt(wide, I::F64::splat(0.0), parts.exp).store(&mut to.exp[at..]);
            step.select_lt(wide, -one, parts.exp_m1).store(&mut to.exp_m1[at..]);
            step.select_lt(wide, -one - step, parts.exp_m1_my).store(&mut to.exp_m1_my[at..]);
            at += I::F64::N;
        }
        to
    }
}

/// Exponentials.
pub(super) struct Exponentials(pub(super) Eight);

impl Vectorised for Exponentials {
    type Output = Eight;
    #[inline(always)]
    fn run<I: Isa>(self) -> Eight {
        let mut to = [0.0; BLOCK];
        let mut at = 0;
        while at < BLOCK {
            exp(I::F64::load(&self.0[at..])).store(&mut to[at..]);
            at += I::F64::N;
        }
        to
    }
}
