//! Margins far beyond the usual ones.

use crate::data::margins::{CHUNK, ChunkSink, Margins, visit_elements};
use crate::error::{LearnError, check_length};
use std::collections::BTreeMap;

/// Bits of |D| that do not count for the median: 128 cells for every octave, as for a calibration.
const CELL_SHIFT: u32 = 45;

/// How many margins lie beyond so many times the usual size, and how far.
///
/// The usual size is the weighted median of |D| over margins other than 0, which half of the margins would have to
/// move. Beyond `times` of it, 10 say, hardly any p(β) changes its mind: such margins are placeholders for missing
/// values, slips of the unit, answers of another kind — or real. One on the wrong side alone decides a fit of `Fixed`,
/// and asks a spread for a tail; many on the right side make calibration look better than it is. So they are to be
/// looked at, and the fit [`without`](Self::without) them beside the one with them.
///
/// Two passes; what is kept are sums over cells of |D|, 128 an octave: the median is within 0.6 %.
///
/// ```
/// use prefstrength::Family;
/// use prefstrength_learn::{self as learn, Extremes, LearnError, Options};
/// let mut margins: Vec<f64> = (0..400).map(|i| f64::from(i % 40 + 1) * if i % 4 < 3 { 0.1 } else { -0.05 }).collect();
/// margins.push(-99_999.0);
/// let extremes = Extremes::measure(&margins[..], 10.0)?;
/// assert_eq!((extremes.number(), extremes.negative), (1, 1));
/// assert!(extremes.largest == 99_999.0 && (1.0..2.0).contains(&extremes.usual));
/// // Plain DPO is a coin with that margin, and is not without.
/// let options = Options::default();
/// assert_eq!(learn::fit(Family::Fixed, &margins[..], &options), Err(LearnError::MeanVanishes));
/// let fit = learn::fit(Family::Fixed, extremes.without(&margins[..]), &options)?;
/// assert!(fit.weight == 400.0 && fit.strength.mean() > 0.1);
/// # Ok::<(), LearnError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Extremes {
    /// The median of |D|, by weight.
    pub usual: f64,
    /// `times` that: |D| beyond it is extreme.
    pub limit: f64,
    /// The largest |D|.
    pub largest: f64,
    /// Extreme margins of chosen answers that have the larger score.
    pub positive: usize,
    /// Extreme margins of chosen answers that have the smaller score.
    pub negative: usize,
    /// The weight of both.
    pub weight: f64,
}

impl Extremes {
    /// Goes through all margins of a source. What has weight 0 does not count, nor do margins of 0 in the median.
    ///
    /// # Errors
    /// [`LearnError::AllZero`] unless there is a margin other than 0; [`LearnError::Margin`] and [`LearnError::Weight`]
    /// for what is not finite, or negative; errors of the source; [`LearnError::Times`] unless 1 ≤ `times` < ∞.
    pub fn measure(mut margins: impl Margins, times: f64) -> Result<Self, LearnError> {
        if !(times >= 1.0 && times.is_finite()) {
            return Err(LearnError::Times);
        }
        let usual = measure_median(&mut margins)?;
        // An infinite limit is one that no margin is beyond.
        let limit = usual * times;
        let mut found = Self { usual, limit, largest: 0.0, positive: 0, negative: 0, weight: 0.0 };
        for_each_element(&mut margins, |d, w| {
            found.largest = found.largest.max(d.abs());
            if d.abs() > limit {
                found.weight += w;
                if d > 0.0 {
                    found.positive += 1;
                } else {
                    found.negative += 1;
                }
            }
        })?;
        Ok(found)
    }

    /// How many margins are extreme.
    #[must_use]
    pub fn number(&self) -> usize {
        self.positive + self.negative
    }

    /// How many times the usual size the largest margin is.
    #[must_use]
    pub fn how_far(&self) -> f64 {
        self.largest / self.usual
    }

    /// The margins of a source, those that are extreme with weight 0: what a fit without them is to see.
    pub fn without<M: Margins>(&self, margins: M) -> WithoutExtremes<M> {
        WithoutExtremes { source: margins, limit: self.limit }
    }
}

/// Margins within a limit, by [`Extremes::without`]: others have weight 0.
#[derive(Clone, Debug)]
pub struct WithoutExtremes<M> {
    source: M,
    limit: f64,
}

impl<M: Margins> Margins for WithoutExtremes<M> {
    fn for_each(&mut self, take: &mut ChunkSink<'_>) -> Result<(), LearnError> {
        let (limit, mut kept) = (self.limit, Vec::new());
        self.source.for_each(&mut |margins, weights| {
            check_length("weights", weights, margins.len())?;
            for start in (0..margins.len()).step_by(CHUNK) {
                let range = start..margins.len().min(start + CHUNK);
                let weights = weights.map(|w| &w[range.clone()]);
                let margins = &margins[range];
                kept.clear();
                kept.extend(margins.iter().enumerate().map(|(i, d)| match weights.map_or(1.0, |w| w[i]) {
                    // A weight that is refused stays what it is, and so does a margin that is no number.
                    w if d.is_finite() && d.abs() > limit && w >= 0.0 && w.is_finite() => 0.0,
                    w => w,
                }));
                take(margins, Some(&kept))?;
            }
            Ok(())
        })
    }
}

/// Calls `visit` with every margin that counts, and its weight.
fn for_each_element(margins: &mut impl Margins, mut visit: impl FnMut(f64, f64)) -> Result<(), LearnError> {
    let mut first = 0;
    margins.for_each(&mut |margins, weights| {
        visit_elements(first, margins, weights, |_, d, w| visit(d, w))?;
        first += margins.len();
        Ok(())
    })
}

/// Of |D| other than 0, by weight: the mean of its cell.
fn measure_median(margins: &mut impl Margins) -> Result<f64, LearnError> {
    // The weight and the mean of sizes in every cell, which does not overflow as their sum may.
    let mut cells = BTreeMap::<u32, [f64; 2]>::new();
    for_each_element(margins, |d, w| {
        if d != 0.0 {
            let [weight, mean] = cells.entry((d.abs().to_bits() >> CELL_SHIFT) as u32).or_default();
            *weight += w;
            *mean += (d.abs() - *mean) * (w / *weight);
        }
    })?;
    let half = 0.5 * cells.values().map(|[weight, _]| weight).sum::<f64>();
    let mut seen = 0.0;
    let reached = cells.values().find(|[weight, _]| {
        seen += weight;
        seen >= half
    });
    reached.map(|&[_, mean]| mean).ok_or(LearnError::AllZero)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::margins::Weighted;

    #[test]
    fn nothing_is_extreme_among_equals_and_everything_is_counted() {
        let found = Extremes::measure(&[2.0, -2.0, 2.0, 0.0][..], 1.0).unwrap();
        assert_eq!((found.usual, found.number(), found.largest, found.how_far()), (2.0, 0, 2.0, 1.0));
        let margins = [1.0, -1.0, 1.0, 1.0, 11.0, -12.0, 1e300, f64::NAN];
        let weights = [1.0, 1.0, 1.0, 3.0, 1.0, 0.5, 0.25, 0.0];
        let source = Weighted::new(&margins, &weights).unwrap();
        let found = Extremes::measure(source, 10.0).unwrap();
        assert_eq!((found.usual, found.limit, found.largest), (1.0, 10.0, 1e300));
        assert_eq!((found.positive, found.negative, found.weight), (2, 1, 1.75));
        let mut seen = Vec::new();
        let mut sink = |d: &[f64], w: Option<&[f64]>| {
            seen.extend(d.iter().zip(w.unwrap()).map(|(_, w)| *w));
            Ok(())
        };
        found.without(source).for_each(&mut sink).unwrap();
        assert_eq!(seen, [1.0, 1.0, 1.0, 3.0, 0.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn the_median_is_that_of_the_sizes() {
        // Sizes of e^±7, half of them negative.
        let margins: Vec<f64> = (0..1001)
            .map(|i| f64::from(i * 7 % 1001 - 500) / 71.0)
            .map(|x| if x > 3.0 { -x.exp() } else { x.exp() })
            .collect();
        let mut sizes: Vec<f64> = margins.iter().map(|d| d.abs()).collect();
        sizes.sort_by(f64::total_cmp);
        let found = Extremes::measure(&margins[..], 10.0).unwrap();
        assert!((found.usual / sizes[500] - 1.0).abs() < 0.006, "{found:?}");
        let beyond = sizes.iter().filter(|&&d| d > found.limit).count();
        assert_eq!(found.number(), beyond);
        assert!(beyond > 300);
    }

    #[test]
    fn what_has_no_median_is_refused() {
        let measure = |margins: &[f64], times| Extremes::measure(margins, times);
        assert_eq!(measure(&[], 10.0), Err(LearnError::AllZero));
        assert_eq!(measure(&[0.0], 10.0), Err(LearnError::AllZero));
        assert_eq!(measure(&[1.0, f64::INFINITY], 10.0), Err(LearnError::Margin { index: 1 }));
        for times in [0.5, 0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(measure(&[1.0], times), Err(LearnError::Times));
        }
        // At the ends of the range nothing overflows into a limit that is none.
        for size in [f64::MAX, f64::MIN_POSITIVE, 5e-324] {
            let found = measure(&[size, -size, size], 10.0).unwrap();
            assert_eq!((found.number(), found.usual), (0, size));
        }
    }
}
