//! Units of data, groups or single choices, that count more or less: for folds and for the bootstrap.

use super::margins::{ChunkSink, GroupedSink, Margins};
use super::places::Places;
use crate::error::LearnError;

/// A bijection that leaves no pattern: the finaliser of SplitMix64 (G. Steele, D. Lea, C. Flood, 2014).
pub(crate) fn scramble(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// Margins with weights times a number for every unit: a group by its id, or, without groups, a choice by its place.
pub(crate) struct Resampled<'a, M, F> {
    source: &'a mut M,
    times: F,
}

impl<'a, M: Margins, F: Fn(u64) -> f64> Resampled<'a, M, F> {
    pub(crate) fn new(source: &'a mut M, times: F) -> Self {
        Self { source, times }
    }
}

impl<M: Margins, F: Fn(u64) -> f64> Margins for Resampled<'_, M, F> {
    fn for_each(&mut self, take: &mut ChunkSink<'_>) -> Result<(), LearnError> {
        self.for_each_with_groups(&mut |margins, weights, _| take(margins, weights))
    }

    fn for_each_with_groups(&mut self, take: &mut GroupedSink<'_>) -> Result<(), LearnError> {
        let (mut first, mut own, times) = (0_u64, Vec::new(), &self.times);
        self.source.for_each_with_groups(&mut |margins, weights, groups| {
            own.clear();
            own.extend((0..margins.len()).map(|i| {
                let unit = groups.map_or(first + i as u64, |groups| u64::from(groups[i]));
                times(unit) * weights.map_or(1.0, |weights| weights[i])
            }));
            first += margins.len() as u64;
            take(margins, Some(&own), groups)
        })
    }
}

/// How many units there are.
pub(crate) fn count_units(margins: &mut impl Margins) -> Result<usize, LearnError> {
    let (mut places, mut number) = (Places::default(), 0);
    margins.for_each_with_groups(&mut |margins, _, groups| {
        match groups {
            Some(groups) => groups.iter().for_each(|&group| _ = places.place(group)),
            None => number += margins.len(),
        }
        Ok(())
    })?;
    Ok(number + places.number())
}
