//! The median of sizes, to an octave.

/// Weights of numbers by the octave of their size.
pub(crate) struct Octaves(Vec<f64>);

impl Octaves {
    pub(crate) fn new() -> Self {
        // One for every exponent of f64.
        Self(vec![0.0; 1 << 11])
    }

    /// A finite number other than 0.
    pub(crate) fn add(&mut self, x: f64, weight: f64) {
        self.0[(x.abs().to_bits() >> 52) as usize] += weight;
    }

    /// A power of two: the lower end of the octave of the weighted median; `None` without weight.
    pub(crate) fn median(&self) -> Option<f64> {
        let half = 0.5 * self.0.iter().sum::<f64>();
        let mut seen = 0.0;
        let exponent = self.0.iter().position(|w| {
            seen += w;
            *w > 0.0 && seen >= half
        })?;
        // Those of numbers below the normal ones are all of them next to 0.
        Some(f64::from_bits((exponent.max(1) as u64) << 52))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_of_weights_and_to_an_octave() {
        let of = |numbers: &[(f64, f64)]| {
            let mut octaves = Octaves::new();
            numbers.iter().for_each(|&(x, w)| octaves.add(x, w));
            octaves.median()
        };
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[(1.0, 0.0)]), None);
        assert_eq!(of(&[(-1.5, 1.0), (1e300, 0.5), (1e-300, 0.4)]), Some(1.0));
        assert_eq!(of(&[(3.0, 1.0), (5.0, 1.0), (-100.0, 3.0)]), Some(64.0));
        assert_eq!(of(&[(5e-324, 1.0)]), Some(f64::MIN_POSITIVE));
        assert_eq!(of(&[(f64::MAX, 1.0)]), Some(2.0_f64.powi(1023)));
    }
}
