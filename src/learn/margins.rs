//! Where margins come from, and passes over them.

use super::beta::Prepared;
use super::{Beta, LearnError};
use crate::batch::{Batch, Sums};
use crate::float::Real;

/// Elements that are converted, scaled or looked at row by row at once.
pub(super) const CHUNK: usize = 4096;
/// Elements that several p(β) see before the next ones are read.
const CACHED: usize = 1 << 16;

/// So many margins, about, make a sample, and four times as many need one.
const SAMPLE: usize = 1 << 16;

/// Takes one chunk: margins, and as many weights if there are any.
pub type Take<'a> = dyn FnMut(&[f64], Option<&[f64]>) -> Result<(), LearnError> + 'a;

/// A source of margins that can be read again and again. Slices of f32 and f64 are, and [`Weighted`] ones;
/// implement it for data that do not fit into memory.
///
/// A weight counts as repetition: weight 3 is the pair three times.
///
/// ```
/// use prefstrength::learn::{self, Family, LearnError, Margins, Options, Take};
///
/// /// A million margins that are nowhere all at once.
/// struct Shards;
///
/// impl Margins for Shards {
///     fn for_each(&mut self, take: &mut Take<'_>) -> Result<(), LearnError> {
///         for shard in 0..10 {
///             // From a file: std::fs::read(…).map_err(|e| LearnError::Source(e.to_string()))?
///             let margins: Vec<f64> = (0..1000).map(|i| f64::from(i * 7 % 1000 - 300 + shard)).collect();
///             take(&margins, None)?;
///         }
///         Ok(())
///     }
/// }
/// let fit = learn::fit(Family::Fixed, Shards, &Options::default())?;
/// assert!(fit.number == 10_000 && fit.beta.mean() > 0.0);
/// # Ok::<(), LearnError>(())
/// ```
pub trait Margins {
    /// Hands every chunk to `take`: margins, and as many weights ≥ 0 if there are any. The same margins every
    /// time, in chunks of any length; an error of `take` is to be passed on.
    ///
    /// # Errors
    /// Those of `take`, and [`LearnError::Source`] for its own.
    fn for_each(&mut self, take: &mut Take<'_>) -> Result<(), LearnError>;
}

impl<M: Margins + ?Sized> Margins for &mut M {
    fn for_each(&mut self, take: &mut Take<'_>) -> Result<(), LearnError> {
        (**self).for_each(take)
    }
}

impl<T: Real> Margins for &[T] {
    fn for_each(&mut self, take: &mut Take<'_>) -> Result<(), LearnError> {
        Weighted { margins: self, weights: None }.for_each(take)
    }
}

/// Slices of margins and weights.
///
/// ```
/// use prefstrength::learn::{self, Family, Options, Weighted};
/// let twice = Weighted::new(&[1.0_f32, 2.0, -0.5], &[2.0, 1.0, 1.0])?;
/// let fit = learn::fit(Family::Fixed, twice, &Options::default())?;
/// let repeated = learn::fit(Family::Fixed, &[1.0_f32, 1.0, 2.0, -0.5][..], &Options::default())?;
/// assert!((fit.log_likelihood - repeated.log_likelihood).abs() < 1e-12);
/// # Ok::<(), prefstrength::learn::LearnError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Weighted<'a, T> {
    margins: &'a [T],
    weights: Option<&'a [T]>,
}

impl<'a, T: Real> Weighted<'a, T> {
    /// As many weights as margins.
    ///
    /// # Errors
    /// [`LearnError::Batch`] if not.
    pub fn new(margins: &'a [T], weights: &'a [T]) -> Result<Self, LearnError> {
        Self::maybe(margins, Some(weights))
    }

    /// With weights, if there are any.
    pub(super) fn maybe(margins: &'a [T], weights: Option<&'a [T]>) -> Result<Self, LearnError> {
        crate::batch::length("weights", weights, margins.len())?;
        Ok(Self { margins, weights })
    }
}

impl<T: Real> Margins for Weighted<'_, T> {
    fn for_each(&mut self, take: &mut Take<'_>) -> Result<(), LearnError> {
        let mut buffers = [Vec::new(), Vec::new()];
        for start in (0..self.margins.len()).step_by(CACHED) {
            let end = self.margins.len().min(start + CACHED);
            let [margins, weights] = &mut buffers;
            let convert = |from: &[T], to: &mut Vec<f64>| {
                to.clear();
                to.extend(from[start..end].iter().map(|&x| Real::to_f64(x)));
            };
            convert(self.margins, margins);
            if let Some(from) = self.weights {
                convert(from, weights);
            }
            take(margins, self.weights.map(|_| &weights[..]))?;
        }
        Ok(())
    }
}

/// Calls `f` with the index, margin and weight of every element, which are checked.
pub(super) fn elements(
    first: usize,
    margins: &[f64],
    weights: Option<&[f64]>,
    mut f: impl FnMut(usize, f64, f64),
) -> Result<(), LearnError> {
    crate::batch::length("weights", weights, margins.len())?;
    for (i, &d) in margins.iter().enumerate() {
        let (index, w) = (first + i, weights.map_or(1.0, |w| w[i]));
        if !d.is_finite() {
            return Err(LearnError::Margin { index });
        }
        if !(w >= 0.0 && w.is_finite()) {
            return Err(LearnError::Weight { index });
        }
        f(i, d, w);
    }
    Ok(())
}

/// Margins that have been looked through, in units in which the largest is of everyday size.
pub(super) struct Data<M> {
    source: M,
    /// Margins here are those of the source times this power of two.
    pub(super) scale: f64,
    pub(super) number: usize,
    pub(super) weight: f64,
    /// Whether all that are not 0 have the same size.
    pub(super) one_size: bool,
    /// Σ wD and Σ wD².
    pub(super) moments: [f64; 2],
}

impl<M: Margins> Data<M> {
    /// The first pass.
    pub(super) fn new(mut source: M) -> Result<Self, LearnError> {
        let (mut number, mut weight, mut moments) = (0, 0.0, [0.0; 2]);
        let (mut least, mut largest) = (f64::INFINITY, 0.0_f64);
        let (mut positive, mut negative) = (false, false);
        source.for_each(&mut |margins, weights| {
            elements(number, margins, weights, |_, d, w| {
                weight += w;
                if w > 0.0 && d != 0.0 {
                    (positive, negative) = (positive || d > 0.0, negative || d < 0.0);
                    (least, largest) = (least.min(d.abs()), largest.max(d.abs()));
                    moments = [moments[0] + w * d, moments[1] + w * d * d];
                }
            })?;
            number += margins.len();
            Ok(())
        })?;
        match () {
            () if number == 0 => return Err(LearnError::NoMargins),
            () if weight == 0.0 => return Err(LearnError::NoWeight),
            () if !(1e-100..=1e100).contains(&weight) => return Err(LearnError::WeightOutOfRange),
            () if !(positive || negative) => return Err(LearnError::AllZero),
            () if !negative => return Err(LearnError::Separable),
            () if !positive => return Err(LearnError::MeanVanishes),
            () => {}
        }
        let everyday = (1e-20..1e20).contains(&largest);
        let scale = if everyday { 1.0 } else { 2.0_f64.powi(-(largest.log2() as i32).clamp(-1000, 1000)) };
        let mut data = Self { source, scale, number, weight, one_size: least == largest, moments };
        if !everyday {
            let mut moments = [0.0; 2];
            data.for_each(&mut |margins, weights| {
                elements(0, margins, weights, |_, d, w| {
                    moments = [moments[0] + w * d, moments[1] + w * d * d];
                })
            })?;
            data.moments = moments;
        }
        Ok(data)
    }

    /// One more pass, in this struct's units.
    pub(super) fn for_each(&mut self, take: &mut Take<'_>) -> Result<(), LearnError> {
        let (mut number, scale) = (0, self.scale);
        let mut buffer = Vec::new();
        self.source.for_each(&mut |margins, weights| {
            // `elements` or the batch would notice, after the cuts below went wrong.
            crate::batch::length("weights", weights, margins.len())?;
            number += margins.len();
            for start in (0..margins.len()).step_by(CACHED) {
                let range = start..margins.len().min(start + CACHED);
                let weights = weights.map(|w| &w[range.clone()]);
                if scale == 1.0 {
                    take(&margins[range], weights)?;
                } else {
                    buffer.clear();
                    buffer.extend(margins[range].iter().map(|d| d * scale));
                    take(&buffer, weights)?;
                }
            }
            Ok(())
        })?;
        if number == self.number { Ok(()) } else { Err(LearnError::Changed) }
    }

    /// Some of them, in memory, if there are many; `None` also if these few happen to have no answer.
    pub(super) fn sample(&mut self) -> Result<Option<Data<Sample>>, LearnError> {
        if self.number < 4 * SAMPLE {
            return Ok(None);
        }
        let (mut index, stride) = (0_u64, (self.number / SAMPLE) as u64);
        let mut sample = Sample { margins: Vec::new(), weights: Vec::new() };
        self.for_each(&mut |margins, weights| {
            for (i, &d) in margins.iter().enumerate() {
                // Multiplicative hashing: a regular stride could fall in step with the data.
                index = index.wrapping_add(0x9e37_79b9_7f4a_7c15);
                if (index >> 32) % stride == 0 {
                    sample.margins.push(d);
                    sample.weights.push(weights.map_or(1.0, |w| w[i]));
                }
            }
            Ok(())
        })?;
        Ok(Data::new(sample).ok().filter(|data| !data.one_size))
    }

    /// Sums in (ln mean, v) under several p(β), in one pass.
    pub(super) fn sums<const N: usize>(&mut self, betas: &[Beta; N]) -> Result<[Sums; N], LearnError> {
        let losses = betas.each_ref().map(|beta| Prepared::new(beta, self.number));
        let mut sums = [Sums::default(); N];
        self.for_each(&mut |margins, weights| {
            let batch = Batch::weighted(margins, weights);
            for (sum, loss) in sums.iter_mut().zip(&losses) {
                *sum = sum.plus(loss.sums(&batch)?);
            }
            Ok(())
        })?;
        Ok(sums)
    }
}

/// Margins that are kept.
pub(super) struct Sample {
    margins: Vec<f64>,
    weights: Vec<f64>,
}

impl Margins for Sample {
    fn for_each(&mut self, take: &mut Take<'_>) -> Result<(), LearnError> {
        take(&self.margins, Some(&self.weights))
    }
}
