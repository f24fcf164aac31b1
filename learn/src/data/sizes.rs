//! The usual sizes of features, which no few pairs can move.

use super::octaves::Octaves;

/// Times the usual size: what is beyond bends a fit.
const EXTREME: f64 = 16.0;
/// Times the usual size: the most that a row counts for in a metric.
const SHRUNK: f64 = 128.0;
/// Features that are looked at in one pass.
const AT_ONCE: usize = 64;

/// The median of |f| of every feature over pairs that have it, to an octave; empty where nothing is to be measured.
#[derive(Clone, Debug, Default)]
pub(crate) struct UsualSizes {
    usual: Vec<f64>,
    /// Whether a number lies far beyond the usual size of its feature, and a row so far that it is shrunk.
    pub(crate) extreme: bool,
    pub(crate) shrunk: bool,
}

impl UsualSizes {
    /// Of rows of `dim` numbers with their weights.
    pub(crate) fn measure<'a, R>(rows: impl Fn() -> R, dim: usize) -> Self
    where
        R: Iterator<Item = (&'a [f64], f64)>,
    {
        let mut usual = Vec::with_capacity(dim);
        for start in (0..dim).step_by(AT_ONCE) {
            let end = dim.min(start + AT_ONCE);
            let mut octaves: Vec<Octaves> = (start..end).map(|_| Octaves::new()).collect();
            for (f, weight) in rows() {
                for (octaves, &x) in octaves.iter_mut().zip(&f[start..end]) {
                    if x != 0.0 {
                        octaves.add(x, weight);
                    }
                }
            }
            // A feature that nobody has is nowhere extreme.
            usual.extend(octaves.iter().map(|octaves| octaves.median().unwrap_or(1.0)));
        }
        let mut all = Self { usual, extreme: false, shrunk: false };
        for (f, weight) in rows() {
            if weight > 0.0 {
                let times = all.times(f);
                (all.extreme, all.shrunk) = (all.extreme || times > EXTREME, all.shrunk || times > SHRUNK);
            }
        }
        all
    }

    /// The most that a number of a row is of its usual size.
    fn times(&self, f: &[f64]) -> f64 {
        f.iter().zip(&self.usual).fold(0.0, |most, (x, usual)| most.max(x.abs() / usual))
    }

    /// Times what a row counts: 1 but for one that is far beyond the others.
    pub(crate) fn shrink(&self, f: &[f64]) -> f64 {
        if self.shrunk { (SHRUNK / self.times(f)).min(1.0) } else { 1.0 }
    }

    /// A row with every number within a quarter of what is extreme.
    pub(crate) fn clip(&self, f: &[f64]) -> impl Iterator<Item = f64> {
        f.iter().zip(&self.usual).map(|(x, usual)| x.clamp(-0.25 * EXTREME * usual, 0.25 * EXTREME * usual))
    }

    /// Its signs, in units of the usual sizes.
    pub(crate) fn sign(&self, f: &[f64]) -> impl Iterator<Item = f64> {
        f.iter().zip(&self.usual).map(|(&x, usual)| if x == 0.0 { 0.0 } else { usual.copysign(x) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_row_moves_nothing() {
        let mut rows: Vec<[f64; 2]> =
            (0..30).map(|i| [f64::from(i % 7 - 3), 1e-9 * f64::from(i % 3 - 1)]).collect();
        let measure = |rows: &[[f64; 2]]| UsualSizes::measure(|| rows.iter().map(|row| (&row[..], 1.0)), 2);
        let before = measure(&rows);
        assert!(!before.extreme && !before.shrunk && before.shrink(&[1e9, 1.0]) == 1.0);
        rows.push([-99_999.0, 1e-9]);
        let after = measure(&rows);
        assert!(after.usual == before.usual && after.extreme && after.shrunk);
        assert_eq!(
            (after.shrink(&rows[0]), after.shrink(&rows[30])),
            (1.0, 128.0 * after.usual[0] / 99_999.0)
        );
        assert_eq!(after.clip(&rows[30]).collect::<Vec<_>>(), [-4.0 * after.usual[0], 1e-9]);
        assert_eq!(after.sign(&[-7.0, 0.0]).collect::<Vec<_>>(), [-after.usual[0], 0.0]);
        // Nor does one of weight 0, whatever it is.
        let masked =
            UsualSizes::measure(|| rows.iter().map(|row| (&row[..], f64::from(u8::from(row[0] > -9.0)))), 2);
        assert!(!masked.extreme && masked.usual == before.usual);
    }
}
