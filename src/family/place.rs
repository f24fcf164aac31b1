//! Where a β lies, for densities and distribution functions: at a place with known values, or inside.
//!
//! Everything is computed in f64 and rounded once; exponents in two words where they may be large.

use crate::real::Real;

/// ½ ln(2πe)
pub(super) const HALF_LN_2PI_E: f64 = 1.418_938_533_204_672_8;

/// Where a β lies: at a place with known values, or where something is to be computed.
pub(super) enum Place {
    Special(Known),
    Inside(f64),
}

pub(super) struct Known {
    pub(super) pdf: f64,
    pub(super) cdf: f64,
    pub(super) sf: f64,
}

/// `atom` is where a point mass lies, `edge` the density at 0 of anything else.
pub(super) fn locate<T: Real>(beta: T, atom: Option<T>, edge: f64) -> Place {
    if let Some(atom) = atom {
        return Place::Special(step(beta, atom));
    }
    let b = beta.to_f64();
    Place::Special(if b.is_nan() {
        Known { pdf: b, cdf: b, sf: b }
    } else if b <= 0.0 {
        Known { pdf: if b == 0.0 { edge } else { 0.0 }, cdf: 0.0, sf: 1.0 }
    } else if b == f64::INFINITY {
        Known { pdf: 0.0, cdf: 1.0, sf: 0.0 }
    } else {
        return Place::Inside(b);
    })
}

/// A point mass, compared in T, where β is given: cdf(quantile(p)) must not fall on its other side.
pub(super) fn step<T: Real>(beta: T, atom: T) -> Known {
    let nan_or = |x: f64| if beta.is_nan() { f64::NAN } else { x };
    let cdf = nan_or(if beta < atom { 0.0 } else { 1.0 });
    Known { pdf: nan_or(if beta == atom { f64::INFINITY } else { 0.0 }), cdf, sf: 1.0 - cdf }
}

/// NaN for p outside [0, 1], the atom of a point mass, 0 and ∞ at p = 0 and 1.
pub(super) fn quantile(p: f64, atom: Option<f64>, inside: impl FnOnce(f64) -> f64) -> f64 {
    match (p, atom) {
        (p, _) if !(0.0..=1.0).contains(&p) => f64::NAN,
        (_, Some(atom)) => atom,
        (0.0, _) => 0.0,
        (1.0, _) => f64::INFINITY,
        _ => inside(p),
    }
}
