//! Many simulated sets, and tables of them in markdown.
#![allow(dead_code, reason = "shared by binaries that use other parts")]

use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

/// `work` of every seed, on all cores, in the order of the seeds.
pub(crate) fn each<R: Send>(seeds: Range<u64>, work: impl Fn(u64) -> R + Sync) -> Vec<R> {
    let next = AtomicU64::new(seeds.start);
    let worker = || {
        let mut results = Vec::new();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return results;
            }
            results.push((seed, work(seed)));
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut results: Vec<(u64, R)> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().flat_map(|w| w.join().unwrap()).collect()
    });
    results.sort_by_key(|&(seed, _)| seed);
    results.into_iter().map(|(_, result)| result).collect()
}

/// So many of so many; displayed in per cent, with its binomial standard error.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Share {
    hits: u32,
    of: u32,
}

impl Share {
    pub(crate) fn of(hits: impl IntoIterator<Item = bool>) -> Self {
        let mut share = Self::default();
        for hit in hits {
            share.hits += u32::from(hit);
            share.of += 1;
        }
        share
    }

    pub(crate) fn percent(self) -> f64 {
        100.0 * f64::from(self.hits) / f64::from(self.of)
    }

    /// Binomial, of a share that is `p` per cent in truth.
    pub(crate) fn error_at(self, p: f64) -> f64 {
        (p * (100.0 - p) / f64::from(self.of)).sqrt()
    }

    /// What is wrong if that is above `p` per cent and two standard errors of so many sets.
    pub(crate) fn above(self, p: f64, what: &str) -> Option<String> {
        let bound = p + 2.0 * self.error_at(p);
        (self.percent() > bound).then(|| format!("{what}: {self} %, above {bound:.1}"))
    }

    /// What is wrong if that is below `p` per cent by more than two standard errors of so many sets.
    pub(crate) fn below(self, p: f64, what: &str) -> Option<String> {
        let bound = p - 2.0 * self.error_at(p);
        (self.percent() < bound).then(|| format!("{what}: {self} %, below {bound:.1}"))
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} ± {:.1}", self.percent(), self.error_at(self.percent()))
    }
}

/// A row of a table in markdown.
pub(crate) fn row(cells: &[&dyn fmt::Display]) {
    let cells: Vec<String> = cells.iter().map(|cell| cell.to_string()).collect();
    println!("| {} |", cells.join(" | "));
}
