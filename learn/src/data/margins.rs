//! Where margins come from, and passes over them.

use crate::error::{LearnError, check_length};
use prefstrength::Real;

/// Elements that are converted, scaled or looked at row by row at once.
pub(crate) const CHUNK: usize = 4096;
/// Elements that several p(β) see before the next ones are read.
pub(crate) const CACHED: usize = 1 << 16;

/// Takes one chunk: margins, and as many weights if there are any.
pub type ChunkSink<'a> = dyn FnMut(&[f64], Option<&[f64]>) -> Result<(), LearnError> + 'a;

/// Takes one chunk: margins, as many weights, and as many groups, if there are any.
pub type GroupedSink<'a> = dyn FnMut(&[f64], Option<&[f64]>, Option<&[u32]>) -> Result<(), LearnError> + 'a;

/// A source of margins that can be read again and again. Slices of f32 and f64 are, and [`Weighted`] ones;
/// implement it for data that do not fit into memory.
///
/// A weight counts as repetition: weight 3 is the pair three times, and weight 0 is absence, also where the margin is
/// NaN or infinite: a mask.
///
/// ```
/// use prefstrength::Family;
/// use prefstrength_learn::{self as learn, ChunkSink, LearnError, Margins, Options};
///
/// /// A million margins that are nowhere all at once.
/// struct Shards;
///
/// impl Margins for Shards {
///     fn for_each(&mut self, take: &mut ChunkSink<'_>) -> Result<(), LearnError> {
///         for shard in 0..10 {
///             // From a file: std::fs::read(…).map_err(|e| LearnError::Source(e.to_string()))?
///             let margins: Vec<f64> = (0..1000).map(|i| f64::from(i * 7 % 1000 - 300 + shard)).collect();
///             take(&margins, None)?;
///         }
///         Ok(())
///     }
/// }
/// let fit = learn::fit(Family::Fixed, Shards, &Options::default())?;
/// assert!(fit.number == 10_000 && fit.strength.mean() > 0.0);
/// # Ok::<(), LearnError>(())
/// ```
pub trait Margins {
    /// Hands every chunk to `take`: margins, and as many weights ≥ 0 if there are any. The same margins every
    /// time, in chunks of any length; an error of `take` is to be passed on.
    ///
    /// # Errors
    /// Those of `take`, and [`LearnError::Source`] for its own.
    fn for_each(&mut self, take: &mut ChunkSink<'_>) -> Result<(), LearnError>;

    /// The same with the group of every margin, who chose, if the source has groups: standard errors are by group then.
    /// A source without groups need not implement it.
    ///
    /// # Errors
    /// As [`for_each`](Self::for_each).
    fn for_each_with_groups(&mut self, take: &mut GroupedSink<'_>) -> Result<(), LearnError> {
        self.for_each(&mut |margins, weights| take(margins, weights, None))
    }

    /// How many margins the chunks stand for, where that is not how many they hold: a
    /// [`MarginSummary`](crate::MarginSummary) hands out few with large weights. A source of margins need not implement
    /// it.
    fn stands_for(&self) -> Option<usize> {
        None
    }
}

impl<M: Margins + ?Sized> Margins for &mut M {
    fn for_each(&mut self, take: &mut ChunkSink<'_>) -> Result<(), LearnError> {
        (**self).for_each(take)
    }
    fn for_each_with_groups(&mut self, take: &mut GroupedSink<'_>) -> Result<(), LearnError> {
        (**self).for_each_with_groups(take)
    }
    fn stands_for(&self) -> Option<usize> {
        (**self).stands_for()
    }
}

impl<T: Real> Margins for &[T] {
    fn for_each(&mut self, take: &mut ChunkSink<'_>) -> Result<(), LearnError> {
        Weighted::equally(self).for_each(take)
    }
}

/// Slices of margins, weights and groups.
///
/// ```
/// use prefstrength::Family;
/// use prefstrength_learn::{self as learn, LearnError, Options, Weighted};
/// let twice = Weighted::new(&[1.0_f32, 2.0, -0.5, f32::NAN], &[2.0, 1.0, 1.0, 0.0])?;
/// let fit = learn::fit(Family::Fixed, twice, &Options::default())?;
/// let repeated = learn::fit(Family::Fixed, &[1.0_f32, 1.0, 2.0, -0.5][..], &Options::default())?;
/// assert!((fit.log_likelihood - repeated.log_likelihood).abs() < 1e-12);
/// # Ok::<(), LearnError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Weighted<'a, T> {
    margins: &'a [T],
    weights: Option<&'a [T]>,
    groups: Option<&'a [u32]>,
}

impl<'a, T: Real> Weighted<'a, T> {
    /// As many weights as margins.
    ///
    /// # Errors
    /// [`LearnError::Batch`] if not.
    pub fn new(margins: &'a [T], weights: &'a [T]) -> Result<Self, LearnError> {
        Self::maybe_weighted(margins, Some(weights))
    }

    /// All with weight 1.
    #[must_use]
    pub fn equally(margins: &'a [T]) -> Self {
        Self { margins, weights: None, groups: None }
    }

    /// With the group of every margin: who chose.
    ///
    /// # Errors
    /// [`LearnError::Batch`] unless there are as many.
    ///
    /// ```
    /// use prefstrength::Family;
    /// use prefstrength_learn::{self as learn, LearnError, Options, Weighted};
    /// let margins: Vec<f64> = (0..400).map(|i| (f64::from(i % 9) + 0.5) * if i % 3 > 0 { 1.0 } else { -1.0 }).collect();
    /// let groups: Vec<u32> = (0..400).map(|i| i / 20).collect();
    /// let source = Weighted::equally(&margins).with_groups(&groups)?;
    /// let fit = learn::fit(Family::Fixed, source, &Options::default())?;
    /// assert!(fit.robust.ln_mean.is_some() && fit.robust_units == Some(20)); // by group
    /// # Ok::<(), LearnError>(())
    /// ```
    pub fn with_groups(self, groups: &'a [u32]) -> Result<Self, LearnError> {
        check_length("groups", Some(groups), self.margins.len())?;
        Ok(Self { groups: Some(groups), ..self })
    }

    /// With weights, if there are any.
    pub(crate) fn maybe_weighted(margins: &'a [T], weights: Option<&'a [T]>) -> Result<Self, LearnError> {
        check_length("weights", weights, margins.len())?;
        Ok(Self { margins, weights, groups: None })
    }
}

impl<T: Real> Margins for Weighted<'_, T> {
    fn for_each(&mut self, take: &mut ChunkSink<'_>) -> Result<(), LearnError> {
        self.for_each_with_groups(&mut |margins, weights, _| take(margins, weights))
    }

    fn for_each_with_groups(&mut self, take: &mut GroupedSink<'_>) -> Result<(), LearnError> {
        let mut buffers = [Vec::new(), Vec::new()];
        for start in (0..self.margins.len()).step_by(CACHED) {
            let range = start..self.margins.len().min(start + CACHED);
            let [margins, weights] = &mut buffers;
            let convert = |from: &[T], to: &mut Vec<f64>| {
                to.clear();
                to.extend(from[range.clone()].iter().map(|&x| Real::to_f64(x)));
            };
            convert(self.margins, margins);
            if let Some(from) = self.weights {
                convert(from, weights);
            }
            take(margins, self.weights.map(|_| &weights[..]), self.groups.map(|g| &g[range.clone()]))?;
        }
        Ok(())
    }
}

/// Calls `visit` with the place, margin and weight of every element that counts: margin and weight have been checked,
/// and what has weight 0 is passed over. `first` is the number of those before this chunk, for messages.
pub(crate) fn visit_elements(
    first: usize,
    margins: &[f64],
    weights: Option<&[f64]>,
    mut visit: impl FnMut(usize, f64, f64),
) -> Result<(), LearnError> {
    check_length("weights", weights, margins.len())?;
    for (i, &d) in margins.iter().enumerate() {
        let (index, w) = (first + i, weights.map_or(1.0, |w| w[i]));
        if !(w >= 0.0 && w.is_finite()) {
            return Err(LearnError::Weight { index });
        }
        // A mask masks, also what is NaN.
        if w == 0.0 {
            continue;
        }
        if !d.is_finite() {
            return Err(LearnError::Margin { index });
        }
        visit(i, d, w);
    }
    Ok(())
}
