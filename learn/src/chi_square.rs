//! The tail of sums over few groups, which are skew.

use prefstrength::Gamma;
use prefstrength::math::normal_cdf;

/// P((χ²_f − f)/√(2f) ≥ z): of mean 0, variance 1 and skewness √(8/f); for a large f it is the normal one.
pub(crate) fn upper_tail(f: f64, z: f64) -> f64 {
    let at = f + z * (2.0 * f).sqrt();
    match f {
        _ if at <= 0.0 => 1.0,
        // χ²_f is Gamma of shape f/2 and scale 2.
        0.0..1e8 => Gamma::from_shape_scale(0.5 * f, 2.0).map_or(f64::NAN, |chi_square| chi_square.sf(at)),
        // Normal, to 1e-5.
        _ => normal_cdf(-z),
    }
}
