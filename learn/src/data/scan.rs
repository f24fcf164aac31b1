//! Margins that have been looked through, for pass after pass.

use super::cells::{MarginSummary, Nodes};
use super::margins::{CACHED, ChunkSink, GroupedSink, Margins, visit_elements};
use super::octaves::Octaves;
use crate::error::{LearnError, check_length};
use crate::limits::TOTAL_WEIGHT;
use crate::model::ChoiceCurve;
use crate::prepared::{CurveSums, Prepared};

/// Sizes that differ by less say nothing about a spread.
const ONE_SIZE: f64 = 0.01;
/// From so many margins on, fewer stand for them.
const LARGE: usize = 1 << 13;

/// Margins that have been looked through, in units in which the usual one is of everyday size: not the largest, which
/// may be an outlier.
pub(crate) struct Scanned<M> {
    source: M,
    /// Margins here are those of the source times this power of two.
    pub(crate) scale: f64,
    pub(crate) number: usize,
    /// How many a pass has.
    rows: usize,
    pub(crate) weight: f64,
    /// Whether all that are not 0 have the same size, or nearly.
    pub(crate) one_size: bool,
    /// Whether Σ wD > 0: if not, plain DPO is best at mean 0.
    pub(crate) rising: bool,
    /// ln of 2Σ wD/Σ wD², Newton's first step of plain DPO from mean 0, where `rising`. The curvature is largest
    /// there, so that the maximum is never below.
    pub(crate) ln_first_step: f64,
    /// ln of the octave of the median of |D|: what no few margins can move.
    pub(crate) ln_typical: f64,
    /// What stands for many.
    nodes: Option<Nodes>,
    grouped: bool,
}

impl<M: Margins> Scanned<M> {
    /// The first pass.
    pub(crate) fn new(mut source: M) -> Result<Self, LearnError> {
        let (mut number, mut weight, mut moments) = (0, 0.0, [0.0; 2]);
        let (mut least, mut largest) = (f64::INFINITY, 0.0_f64);
        let (mut positive, mut negative) = (false, false);
        let mut octaves = Octaves::new();
        source.for_each(&mut |margins, weights| {
            visit_elements(number, margins, weights, |_, d, w| {
                weight += w;
                if d != 0.0 {
                    (positive, negative) = (positive || d > 0.0, negative || d < 0.0);
                    (least, largest) = (least.min(d.abs()), largest.max(d.abs()));
                    moments = [moments[0] + w * d, moments[1] + w * d * d];
                    octaves.add(d, w);
                }
            })?;
            number += margins.len();
            Ok(())
        })?;
        match () {
            () if number == 0 => return Err(LearnError::NoMargins),
            () if weight == 0.0 => return Err(LearnError::NoWeight),
            () if !TOTAL_WEIGHT.contains(&weight) => return Err(LearnError::WeightOutOfRange),
            () if !(positive || negative) => return Err(LearnError::AllZero),
            () if !negative => return Err(LearnError::Separable),
            () if !positive => return Err(LearnError::MeanVanishes),
            () => {}
        }
        // What is not everyday is brought there by a power of two, which rounds nothing. The largest stays finite.
        let typical = octaves.median().unwrap_or(largest);
        let everyday = (1e-20..1e20).contains(&typical);
        let scale = if everyday { 1.0 } else { power_of_two(-typical.log2(), 1000.0 - largest.log2()) };
        let summarised = source.stands_for();
        let mut data = Self {
            source,
            scale,
            number: summarised.unwrap_or(number),
            rows: number,
            weight,
            one_size: largest - least <= ONE_SIZE * largest,
            rising: false,
            ln_first_step: 0.0,
            ln_typical: (typical * scale).ln(),
            nodes: None,
            grouped: true,
        };
        // Squares of margins of 1e±20 are far from the ends of the range; others are summed in units of the largest.
        let mut unit = 1.0;
        if scale != 1.0 || !(1e-20..1e20).contains(&largest) {
            (unit, moments) = (power_of_two(-(largest * scale).log2(), 1000.0), [0.0; 2]);
            data.for_each(&mut |margins, weights| {
                visit_elements(0, margins, weights, |_, d, w| {
                    let d = d * unit;
                    moments = [moments[0] + w * d, moments[1] + w * d * d];
                })
            })?;
        }
        data.rising = moments[0] > 0.0;
        data.ln_first_step = (2.0 * moments[0] / moments[1]).ln() + unit.ln();
        if number >= LARGE && summarised.is_none() {
            let (mut cells, mut grouped) = (MarginSummary::new(), false);
            data.for_each_with_groups(&mut |margins, weights, groups| {
                grouped |= groups.is_some();
                cells.add(margins, weights)
            })?;
            (data.nodes, data.grouped) = (Some(cells.nodes()), grouped);
        }
        Ok(data)
    }

    /// One more pass, in this struct's units: over all margins, or over fewer of as much weight, of which sums of smooth
    /// functions are the same to rounding.
    pub(crate) fn for_each(&mut self, take: &mut ChunkSink<'_>) -> Result<(), LearnError> {
        if let Some(nodes) = &self.nodes {
            return take(&nodes.margins, Some(&nodes.weights));
        }
        let (rows, scale) = (self.rows, self.scale);
        let mut pass = Pass { scale, number: 0, buffer: Vec::new() };
        self.source.for_each(&mut |margins, weights| {
            pass.cut(margins, weights, None, &mut |margins, weights, _| take(margins, weights))
        })?;
        if pass.number == rows { Ok(()) } else { Err(LearnError::Changed) }
    }

    /// One more pass: over all margins where there are groups.
    pub(crate) fn for_each_with_groups(&mut self, take: &mut GroupedSink<'_>) -> Result<(), LearnError> {
        if !self.grouped {
            return self.for_each(&mut |margins, weights| take(margins, weights, None));
        }
        let (rows, scale) = (self.rows, self.scale);
        let mut pass = Pass { scale, number: 0, buffer: Vec::new() };
        self.source
            .for_each_with_groups(&mut |margins, weights, groups| pass.cut(margins, weights, groups, take))?;
        if pass.number == rows { Ok(()) } else { Err(LearnError::Changed) }
    }

    /// Sums in (ln mean, v) under several models, in one pass; with the derivative in γ if they are `curved`.
    pub(crate) fn sum_losses(
        &mut self,
        curves: &[ChoiceCurve],
        curved: bool,
    ) -> Result<Vec<CurveSums>, LearnError> {
        let prepare = |curve| Prepared::new(curve, self.number).with_curvature(curved);
        let losses: Vec<Prepared> = curves.iter().map(prepare).collect();
        let mut sums = vec![CurveSums::default(); curves.len()];
        self.for_each(&mut |margins, weights| {
            for (sum, loss) in sums.iter_mut().zip(&losses) {
                *sum += loss.sum(margins, weights)?;
            }
            Ok(())
        })?;
        Ok(sums)
    }

    /// Σ w ln|D|/Σ w over margins other than 0.
    pub(crate) fn mean_ln_size(&mut self) -> Result<f64, LearnError> {
        let (mut sum, mut weight) = (0.0, 0.0);
        self.for_each(&mut |margins, weights| {
            visit_elements(0, margins, weights, |_, d, w| {
                if d != 0.0 {
                    sum += w * d.abs().ln();
                    weight += w;
                }
            })
        })?;
        Ok(if weight > 0.0 { sum / weight } else { 0.0 })
    }
}

/// A pass under way.
struct Pass {
    scale: f64,
    number: usize,
    buffer: Vec<f64>,
}

impl Pass {
    /// Hands a chunk on in parts that a cache holds, in other units.
    fn cut(
        &mut self,
        margins: &[f64],
        weights: Option<&[f64]>,
        groups: Option<&[u32]>,
        take: &mut GroupedSink<'_>,
    ) -> Result<(), LearnError> {
        // The batch would notice, after the cuts below went wrong.
        check_length("weights", weights, margins.len())?;
        check_length("groups", groups, margins.len())?;
        self.number += margins.len();
        for start in (0..margins.len()).step_by(CACHED) {
            let range = start..margins.len().min(start + CACHED);
            let (weights, groups) = (weights.map(|w| &w[range.clone()]), groups.map(|g| &g[range.clone()]));
            if self.scale == 1.0 {
                take(&margins[range], weights, groups)?;
            } else {
                self.buffer.clear();
                self.buffer.extend(margins[range].iter().map(|d| d * self.scale));
                take(&self.buffer, weights, groups)?;
            }
        }
        Ok(())
    }
}

/// 2 to so much, rounded down, at most `most`.
fn power_of_two(exponent: f64, most: f64) -> f64 {
    2.0_f64.powi(exponent.min(most).clamp(-1000.0, 1000.0).floor() as i32)
}
