//! Units of data, groups or single choices, that count more or less: for folds and for the bootstrap.

use super::margins::{ChunkSink, GroupedSink, Margins, visit_elements};
use super::places::Places;
use crate::error::LearnError;

/// A bijection that leaves no pattern: the finaliser of SplitMix64 (G. Steele, D. Lea, C. Flood, 2014).
pub(crate) fn scramble(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// Margins with weights times a number for every unit: a group by its id, or, without groups, a choice by its place among
/// those that count.
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
                let weight = weights.map_or(1.0, |weights| weights[i]);
                if weight == 0.0 {
                    return 0.0;
                }
                let unit = groups.map_or(first, |groups| u64::from(groups[i]));
                first += 1;
                times(unit) * weight
            }));
            take(margins, Some(&own), groups)
        })
    }
}

/// What there is to draw from: whatever has weight.
pub(crate) enum Units {
    /// The ids of groups, ascending.
    Groups(Vec<u32>),
    /// So many choices.
    Choices(usize),
}

impl Units {
    pub(crate) fn find(margins: &mut impl Margins) -> Result<Self, LearnError> {
        let (mut seen, mut ids, mut number, mut first) = (Places::default(), Vec::new(), 0, 0);
        margins.for_each_with_groups(&mut |margins, weights, groups| {
            visit_elements(first, margins, weights, |i, _, _| match groups {
                Some(groups) => {
                    if seen.place(groups[i]) == ids.len() {
                        ids.push(groups[i]);
                    }
                }
                None => number += 1,
            })?;
            first += margins.len();
            Ok(())
        })?;
        ids.sort_unstable();
        Ok(if ids.is_empty() { Self::Choices(number) } else { Self::Groups(ids) })
    }

    pub(crate) fn number(&self) -> usize {
        match self {
            Self::Groups(ids) => ids.len(),
            Self::Choices(number) => *number,
        }
    }

    /// The fold of every unit, all of the same size or one apart, in an order that looks random and is always the same.
    pub(crate) fn deal(self, folds: u32) -> impl Fn(u64) -> u32 {
        let folds = u64::from(folds);
        let of_groups = match self {
            Self::Choices(_) => None,
            Self::Groups(mut ids) => {
                ids.sort_by_cached_key(|&id| scramble(u64::from(id)));
                let mut dealt: Vec<(u32, u32)> =
                    ids.into_iter().enumerate().map(|(i, id)| (id, (i as u64 % folds) as u32)).collect();
                dealt.sort_unstable();
                Some(dealt)
            }
        };
        move |unit| match &of_groups {
            // Every run of as many choices as folds goes to all of them, each run begun elsewhere.
            None => ((unit % folds + scramble(unit / folds)) % folds) as u32,
            Some(dealt) => {
                let at = dealt.binary_search_by_key(&unit, |(id, _)| u64::from(*id));
                at.map_or(0, |at| dealt[at].1)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folds_are_of_one_size() {
        for (units, folds) in [(5_u32, 5_u32), (40, 20), (12, 12), (103, 10), (400, 400)] {
            let groups = Units::Groups((0..units).map(|i| i * 7919).collect()).deal(folds);
            let choices = Units::Choices(units as usize).deal(folds);
            for (fold, times) in [(&groups as &dyn Fn(u64) -> u32, 7919), (&choices, 1)] {
                let mut sizes = vec![0; folds as usize];
                (0..u64::from(units)).for_each(|i| sizes[fold(i * times) as usize] += 1);
                let least = units / folds;
                assert!(sizes.iter().all(|&n| n == least || n == least + 1), "{units} {folds} {sizes:?}");
            }
        }
    }
}
