//! Predicted against observed choices.

use crate::data::margins::{CHUNK, Margins, visit_elements};
use crate::error::{LearnError, check_length};
use crate::model::ChoiceCurve;
use crate::prepared::Prepared;
use prefstrength::batch::Rows;
use std::collections::BTreeMap;

/// Bits of |D| that do not count: 128 cells for every octave, 262 000 for all of f64.
const CELL_SHIFT: u32 = 45;
/// Φ⁻¹(0.975).
const Z: f64 = 1.959_963_984_540_054;

/// How often the answer with the larger margin is chosen, and how often some p(β) say that it is, by the size of
/// the margin.
///
/// A choice is predicted with P = E\[σ(β|D|)\] to go to the answer with the larger margin, and it did where D > 0.
/// Margins of 0 are left out, since every p(β) predicts ½ of them, and so is what has weight 0.
///
/// What is kept are sums over cells of |D|, 128 an octave: those of two shards [`merge`](Self::merge), and
/// [`bins`](Self::bins) of equal weight are put together from them at the end.
///
/// ```
/// use prefstrength::{AnyStrength, Family};
/// use prefstrength_learn::{Calibration, LearnError};
/// let margins: Vec<f64> = (0..4000).map(|i| f64::from(i % 40 + 1) * if i % 4 < 3 { 0.2 } else { -0.2 }).collect();
/// let strengths = [AnyStrength::from_mean_v(Family::Fixed, 0.3, 0.0)?, AnyStrength::from_mean_v(Family::Gamma, 5.0, 9.0)?];
/// let calibration = Calibration::measure(&strengths, &margins[..])?;
/// for bin in calibration.bins(10) {
///     println!("|D| about {}: {} chosen, predicted {:?}", bin.size, bin.observed, bin.predicted);
///     assert!((bin.observed - 0.75).abs() < 0.02 && bin.interval[0] < 0.75 && 0.75 < bin.interval[1]);
/// }
/// // Three of four at any size: plain DPO says almost all for large margins.
/// println!("mean deviations {} and {}", calibration.error(0, 10), calibration.error(1, 10));
/// assert!(calibration.error(0, 10) > 1.5 * calibration.error(1, 10));
/// # Ok::<(), LearnError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Calibration {
    curves: Vec<ChoiceCurve>,
    cells: BTreeMap<u32, Cell>,
}

/// Sums over margins of nearly one size.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Cell {
    smallest: f64,
    largest: f64,
    number: usize,
    weight: f64,
    /// Σ w².
    square: f64,
    /// Σ w|D|.
    size: f64,
    /// Σ w over D > 0.
    positive: f64,
    /// Σ wP for every p(β).
    predicted: Vec<f64>,
}

impl Cell {
    fn add(&mut self, other: &Self) {
        if self.number == 0 {
            self.clone_from(other);
            return;
        }
        self.smallest = self.smallest.min(other.smallest);
        self.largest = self.largest.max(other.largest);
        self.number += other.number;
        self.weight += other.weight;
        self.square += other.square;
        self.size += other.size;
        self.positive += other.positive;
        self.predicted.iter_mut().zip(&other.predicted).for_each(|(a, b)| *a += b);
    }
}

/// Choices at margins of similar size.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct CalibrationBin {
    /// Smallest |D|.
    pub smallest: f64,
    /// Largest |D|.
    pub largest: f64,
    /// Mean |D|.
    pub size: f64,
    /// How many choices.
    pub number: usize,
    /// Their weight.
    pub weight: f64,
    /// The share that went to the answer with the larger margin.
    pub observed: f64,
    /// A 95 % interval of it, by E. B. Wilson (1927), of (Σw)²/Σw² independent choices.
    pub interval: [f64; 2],
    /// The share that every model predicts.
    pub predicted: Vec<f64>,
}

impl Calibration {
    /// Goes through all margins of a source under every p(β), or every model, in one pass.
    ///
    /// # Errors
    /// [`LearnError::Margin`] and [`LearnError::Weight`] for what is not finite, or negative, and errors of the
    /// source.
    pub fn measure<C: Copy + Into<ChoiceCurve>>(
        curves: &[C],
        mut margins: impl Margins,
    ) -> Result<Self, LearnError> {
        let curves: Vec<ChoiceCurve> = curves.iter().map(|&curve| curve.into()).collect();
        let losses: Vec<Prepared> = curves.iter().map(|curve| Prepared::new(curve, CHUNK)).collect();
        let mut nll = vec![vec![0.0; CHUNK]; curves.len()];
        let (mut sizes, mut bent, mut first) = (Vec::with_capacity(CHUNK), Vec::new(), 0);
        let mut all = Self { curves, cells: BTreeMap::new() };
        margins.for_each(&mut |margins, weights| {
            check_length("weights", weights, margins.len())?;
            for start in (0..margins.len()).step_by(CHUNK) {
                let range = start..margins.len().min(start + CHUNK);
                let (margins, weights) = (&margins[range.clone()], weights.map(|w| &w[range]));
                sizes.clear();
                sizes.extend(margins.iter().map(|d| d.abs()));
                for (loss, nll) in losses.iter().zip(&mut nll) {
                    let counting = loss.bend(&sizes, &mut bent);
                    loss.evaluate(counting, None, Rows::new().nll(&mut nll[..sizes.len()]))?;
                }
                visit_elements(first, margins, weights, |i, d, w| {
                    if d == 0.0 {
                        return;
                    }
                    let size = d.abs();
                    let cell =
                        all.cells.entry((size.to_bits() >> CELL_SHIFT) as u32).or_insert_with(|| Cell {
                            smallest: size,
                            largest: size,
                            predicted: vec![0.0; losses.len()],
                            ..Cell::default()
                        });
                    cell.smallest = cell.smallest.min(size);
                    cell.largest = cell.largest.max(size);
                    cell.number += 1;
                    cell.weight += w;
                    cell.square += w * w;
                    cell.size += w * size;
                    cell.positive += if d > 0.0 { w } else { 0.0 };
                    cell.predicted.iter_mut().zip(&nll).for_each(|(p, nll)| *p += w * (-nll[i]).exp());
                })?;
                first += margins.len();
            }
            Ok(())
        })?;
        Ok(all)
    }

    /// Adds those of other margins under the same p(β).
    ///
    /// # Errors
    /// [`LearnError::OtherStrength`] under others; nothing is added then.
    ///
    /// ```
    /// use prefstrength::{AnyStrength, Family};
    /// use prefstrength_learn::{Calibration, LearnError};
    /// let strengths = [AnyStrength::from_mean_v(Family::Gamma, 0.5, 1.0)?];
    /// let mut all = Calibration::measure(&strengths, &[1.0, -2.0, 4.0][..])?;
    /// all.merge(&Calibration::measure(&strengths, &[3.0, -0.5][..])?)?;
    /// assert_eq!(all.bins(1)[0].number, 5);
    /// # Ok::<(), LearnError>(())
    /// ```
    pub fn merge(&mut self, other: &Self) -> Result<(), LearnError> {
        if self.curves != other.curves {
            return Err(LearnError::OtherStrength);
        }
        for (&key, cell) in &other.cells {
            self.cells.entry(key).or_default().add(cell);
        }
        Ok(())
    }

    /// The models, in the order of [`CalibrationBin::predicted`].
    #[must_use]
    pub fn curves(&self) -> &[ChoiceCurve] {
        &self.curves
    }

    /// At most `most` bins of about equal weight, from small to large margins; fewer where many margins have one
    /// size.
    #[must_use]
    pub fn bins(&self, most: usize) -> Vec<CalibrationBin> {
        let total: f64 = self.cells.values().map(|cell| cell.weight).sum();
        let (mut bins, mut bin, mut seen) = (Vec::new(), Cell::default(), 0.0);
        for cell in self.cells.values() {
            bin.add(cell);
            seen += cell.weight;
            // One more bin is due for every share of the weight that has gone by.
            let due = seen / total * most as f64 * (1.0 + 1e-12);
            if due >= (bins.len() + 1) as f64 {
                bins.push(finish_bin(&bin));
                bin = Cell::default();
            }
        }
        if bin.number > 0 {
            bins.push(finish_bin(&bin));
        }
        bins
    }

    /// Σ share·|observed − predicted| over so many bins, by the p(β) at a place: the expected calibration error.
    /// NaN without margins, and without such a p(β).
    #[must_use]
    pub fn error(&self, place: usize, bins: usize) -> f64 {
        let bins = self.bins(bins);
        let total: f64 = bins.iter().map(|bin| bin.weight).sum();
        let off = |bin: &CalibrationBin| {
            bin.predicted.get(place).map_or(f64::NAN, |p| bin.weight / total * (bin.observed - p).abs())
        };
        bins.iter().map(off).reduce(|a, b| a + b).unwrap_or(f64::NAN)
    }
}

fn finish_bin(cell: &Cell) -> CalibrationBin {
    let average = |x: f64| x / cell.weight;
    let observed = average(cell.positive);
    CalibrationBin {
        smallest: cell.smallest,
        largest: cell.largest,
        size: average(cell.size).clamp(cell.smallest, cell.largest),
        number: cell.number,
        weight: cell.weight,
        observed,
        interval: wilson_interval(observed, cell.weight / cell.square * cell.weight),
        predicted: cell.predicted.iter().map(|&p| average(p)).collect(),
    }
}

/// Where the true share lies, after a share p of n.
fn wilson_interval(p: f64, n: f64) -> [f64; 2] {
    let z = Z * Z / n;
    let (middle, half) = (p + 0.5 * z, (z * (p * (1.0 - p) + 0.25 * z)).max(0.0).sqrt());
    [middle - half, middle + half].map(|x| (x / (1.0 + z)).clamp(0.0, 1.0))
}
