//! Many margins as few: what sums of smooth functions need of them.
//!
//! The likelihood sees margins through Σ w f(D), f analytic in D about every D ≠ 0 in a circle whose radius is of the
//! order of |D| or more (poles of ln σ(βD) are at βD = ±iπ, and where it is steep it is nothing). Margins within 1/64 of
//! each other can therefore be replaced by three points with weights that have the same moments up to the fifth: Gauss'
//! rule for the margins themselves. What is left is about (1/128)⁶/720·|D|⁶f⁽⁶⁾: below rounding.

use super::margins::{ChunkSink, Margins, visit_elements};
use crate::error::LearnError;

/// Bits of a f64 below those that name its cell: six of the 52 of the fraction are left, 64 cells to an octave.
const BELOW: u32 = 46;
/// Signs and cells.
const NAMES: usize = 1 << (64 - BELOW);
/// Moments of a cell: w, wt, …, wt⁵.
const MOMENTS: usize = 6;
/// Variances of t, and of what two points leave, below which a point less does as well: (1/128)² and (1/128)⁴ of them is
/// what is lost.
const POINT: f64 = 1e-13;
const PAIR: f64 = 1e-10;

/// Margins as their moments in narrow cells of |D|: as good as the margins themselves for every likelihood, in memory that
/// does not grow with them, usually half a MiB and at most 14.
///
/// Summaries of shards [merge](Self::merge) to that of all, so that one pass over data on many machines is enough for
/// [`fit`](crate::fit), [`heterogeneity`](crate::heterogeneity) and its verdict, and [`Calibration`](crate::Calibration):
/// it is [`Margins`]. Who chose is not in it, and tests between people ask for the margins.
///
/// * Method: 64 cells to an octave; Σ w tᵏ, k ≤ 5, in each; three points of Gauss' rule stand for a cell. Sums of what
///   likelihoods are made of are the same to 3e-14 of the sum of the terms' sizes (docs/math.md §10).
/// * Moments are sums: merged in another order they differ by rounding.
///
/// ```
/// use prefstrength::Family;
/// use prefstrength_learn::{self as learn, LearnError, MarginSummary, Options};
/// let shard = |k: u32| -> Vec<f64> {
///     (0..20_000).map(|i| f64::from((i * 7 + k) % 500 + 1) / 100.0 * if i % 4 == 0 { -1.0 } else { 1.0 }).collect()
/// };
/// // On every worker; what travels is the summary.
/// let summaries = (0..3).map(|k| {
///     let mut summary = MarginSummary::new();
///     summary.add(&shard(k), None)?;
///     Ok::<_, LearnError>(summary)
/// });
/// let mut all = MarginSummary::new();
/// for summary in summaries {
///     all.merge(&summary?);
/// }
/// let fit = learn::fit(Family::Gamma, &mut all, &Options::default())?;
/// assert!(fit.number == 60_000 && (fit.weight - 60_000.0).abs() < 1e-6);
/// let margins = [shard(0), shard(1), shard(2)].concat();
/// let direct = learn::fit(Family::Gamma, &margins[..], &Options::default())?;
/// assert!((fit.log_likelihood - direct.log_likelihood).abs() < 1e-9 * direct.log_likelihood.abs());
/// # Ok::<(), LearnError>(())
/// ```
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(into = "Stored", try_from = "Stored"))]
pub struct MarginSummary {
    /// The place of each cell among those that hold something, from 1 on.
    places: Vec<u32>,
    cells: Vec<Cell>,
    number: usize,
}

/// One that holds something.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Cell {
    name: u32,
    moments: [f64; MOMENTS],
}

/// As it is written: cells by name.
#[cfg(feature = "serde")]
#[derive(serde::Serialize, serde::Deserialize)]
struct Stored {
    number: usize,
    cells: Vec<Cell>,
}

#[cfg(feature = "serde")]
impl From<MarginSummary> for Stored {
    fn from(summary: MarginSummary) -> Self {
        Self { number: summary.number, cells: summary.sorted() }
    }
}

#[cfg(feature = "serde")]
impl TryFrom<Stored> for MarginSummary {
    type Error = LearnError;
    fn try_from(Stored { number, cells }: Stored) -> Result<Self, LearnError> {
        let mut summary = Self { number, ..Self::new() };
        for Cell { name, moments } in cells {
            let [weight, ..] = moments;
            // |t| ≤ 1 in every cell, and a name comes once.
            let bounded = moments.iter().all(|m| m.abs() <= weight * (1.0 + 1e-9) && m.is_finite());
            let new = (name as usize) < NAMES && summary.places[name as usize] == 0;
            if !(bounded && new && number > 0) {
                return Err(LearnError::Summary);
            }
            *summary.cell(name) = moments;
        }
        Ok(summary)
    }
}

impl Default for MarginSummary {
    fn default() -> Self {
        Self::new()
    }
}

impl PartialEq for MarginSummary {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number && self.sorted() == other.sorted()
    }
}

/// A few margins with weights.
pub(crate) struct Nodes {
    pub(crate) margins: Vec<f64>,
    pub(crate) weights: Vec<f64>,
}

impl MarginSummary {
    /// Of no margins.
    #[must_use]
    pub fn new() -> Self {
        Self { places: vec![0; NAMES], cells: Vec::new(), number: 0 }
    }

    /// Adds margins, with as many weights if there are any.
    ///
    /// # Errors
    /// [`LearnError::Batch`] for slices of different lengths; [`LearnError::Margin`] and [`LearnError::Weight`] for what
    /// is not finite, or negative; nothing is added then. What has weight 0 may be anything.
    pub fn add(&mut self, margins: &[f64], weights: Option<&[f64]>) -> Result<(), LearnError> {
        visit_elements(0, margins, weights, |_, _, _| {})?;
        self.number += margins.len();
        visit_elements(0, margins, weights, |_, d, w| {
            let name = (d.to_bits() >> BELOW) as u32;
            let [middle, half] = span(name);
            // Exact, and in [−1, 1].
            let t = (d.abs() - middle) / half;
            let mut power = w;
            for moment in self.cell(name) {
                *moment += power;
                power *= t;
            }
        })
    }

    /// Adds those of another.
    pub fn merge(&mut self, other: &Self) {
        self.number += other.number;
        for Cell { name, moments } in &other.cells {
            self.cell(*name).iter_mut().zip(moments).for_each(|(to, from)| *to += from);
        }
    }

    /// How many margins there were.
    #[must_use]
    pub fn number(&self) -> usize {
        self.number
    }

    /// Their total weight.
    #[must_use]
    pub fn weight(&self) -> f64 {
        self.cells.iter().map(|cell| cell.moments[0]).sum()
    }

    fn cell(&mut self, name: u32) -> &mut [f64; MOMENTS] {
        let place = &mut self.places[name as usize];
        if *place == 0 {
            self.cells.push(Cell { name, moments: [0.0; MOMENTS] });
            *place = self.cells.len() as u32;
        }
        &mut self.cells[*place as usize - 1].moments
    }

    /// In the same order for the same margins in any order.
    fn sorted(&self) -> Vec<Cell> {
        let mut cells = self.cells.clone();
        cells.sort_by_key(|cell| cell.name);
        cells
    }

    /// From small to large margins, first those with the choice.
    pub(crate) fn nodes(&self) -> Nodes {
        let mut nodes = Nodes { margins: Vec::new(), weights: Vec::new() };
        for Cell { name, moments } in self.sorted() {
            let [middle, half] = span(name);
            let sign = if name as usize >= NAMES / 2 { -1.0 } else { 1.0 };
            for (t, weight) in gauss(&moments) {
                if weight > 0.0 {
                    // The cell of 0 holds what is next to it as well.
                    nodes.margins.push(sign * (middle + half * t).max(0.0));
                    nodes.weights.push(weight);
                }
            }
        }
        nodes
    }
}

impl Margins for MarginSummary {
    fn for_each(&mut self, take: &mut ChunkSink<'_>) -> Result<(), LearnError> {
        let Nodes { margins, weights } = self.nodes();
        take(&margins, Some(&weights))
    }

    fn stands_for(&self) -> Option<usize> {
        Some(self.number)
    }
}

/// Middle and half width of a cell of |D|.
fn span(name: u32) -> [f64; 2] {
    let low = f64::from_bits((u64::from(name) << BELOW) & (u64::MAX >> 1));
    // A power of two over 128; of numbers below the normal ones the spacing is that of the least octave.
    let octave = f64::from_bits((low.to_bits() & (0x7ff << 52)).max(1 << 52));
    let half = octave / f64::from(1 << 7);
    [low + half, half]
}

/// Gauss' rule of up to three points for moments on [−1, 1], by the Jacobi matrix of the polynomials that are orthogonal
/// in these margins. Source: W. Gautschi, Orthogonal Polynomials (2004), 1.4 and 2.1.
fn gauss(moments: &[f64; MOMENTS]) -> Vec<(f64, f64)> {
    let [weight, ..] = *moments;
    let m = moments.map(|x| x / weight);
    let mean = m[1];
    // Moments about the mean; what cancels here is of the size of rounding, and weighs (1/128)² and less.
    let c2 = m[2] - mean * mean;
    if c2.is_nan() || c2 <= POINT {
        return vec![(mean, weight)];
    }
    let c3 = m[3] - mean * (3.0 * m[2] - 2.0 * mean * mean);
    let c4 = m[4] - mean * (4.0 * m[3] - mean * (6.0 * m[2] - 3.0 * mean * mean));
    let c5 = m[5] - mean * (5.0 * m[4] - mean * (10.0 * m[3] - mean * (10.0 * m[2] - 4.0 * mean * mean)));
    // p₁ = x, p₂ = x² − a₁x − b₁, p₃ = (x − a₂)p₂ − b₂x; ‖p₂‖² = b₁b₂.
    let (a1, b1) = (c3 / c2, c2);
    let left = c4 - c3 * a1 - c2 * c2;
    let p2 = |x: f64| x * (x - a1) - b1;
    let root = (0.25 * a1 * a1 + b1).sqrt();
    let ends = [0.5 * a1 - root, 0.5 * a1 + root];
    if left <= PAIR {
        let upper = -ends[0] / (ends[1] - ends[0]);
        return vec![(mean + ends[0], weight * (1.0 - upper)), (mean + ends[1], weight * upper)];
    }
    let b2 = left / b1;
    let of_x = c5 - 2.0 * a1 * c4 + (a1 * a1 - 2.0 * b1) * c3 + 2.0 * a1 * b1 * c2;
    let a2 = of_x / left;
    let p3 = |x: f64| (x - a2) * p2(x) - b2 * x;
    // The zeros of p₂ part those of p₃, which lie among the margins.
    let brackets = [[-1.0 - mean, ends[0]], ends, [ends[1], 1.0 - mean]];
    let mut points: Vec<(f64, f64)> = brackets
        .iter()
        .map(|&[low, high]| {
            let x = bisect(p3, low, high);
            let christoffel = 1.0 + x * x / b1 + p2(x).powi(2) / left;
            (mean + x, weight / christoffel)
        })
        .collect();
    let sum: f64 = points.iter().map(|(_, w)| w).sum();
    points.iter_mut().for_each(|(_, w)| *w *= weight / sum);
    points
}

/// A zero of what rises or falls through it; an end where rounding has taken it beyond.
fn bisect(f: impl Fn(f64) -> f64, mut low: f64, mut high: f64) -> f64 {
    let rises = f(high) > f(low);
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if (f(middle) < 0.0) == rises { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}

#[cfg(test)]
mod tests {
    use super::*;
    use prefstrength::math::log_sigmoid;

    /// Sums of what likelihoods are made of, against those of all margins.
    #[test]
    fn sums_are_those_of_the_margins() {
        // Of any size and number to a cell.
        let mut state = 1_u64;
        let mut uniform = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / (1_u64 << 53) as f64
        };
        let mut margins: Vec<f64> = (0..60_000)
            .map(|i| {
                let size = match i % 3 {
                    0 => 40.0 * uniform(),
                    1 => (30.0 * uniform() - 25.0).exp(),
                    _ => 5.0 * (1.0 - uniform()).ln().abs(),
                };
                if uniform() < 0.4 { -size } else { size }
            })
            .collect();
        margins.extend([0.0, -0.0, 1e-310, -5e-324, 700.0, 1e300, -1e300, -800.0, 1.0, 1.0, 1.0]);
        let weights: Vec<f64> = margins.iter().map(|_| (4.0 * uniform()).floor()).collect();
        let mut cells = MarginSummary::new();
        for (margins, weights) in margins.chunks(1000).zip(weights.chunks(1000)) {
            cells.add(margins, Some(weights)).unwrap();
        }
        let nodes = cells.nodes();
        assert!(nodes.margins.len() < 20_000 && nodes.weights.iter().all(|w| *w > 0.0));
        let functions: [fn(f64) -> f64; 7] = [
            |_| 1.0,
            |d| log_sigmoid(d).max(-1e6),
            |d| log_sigmoid(0.02 * d).max(-1e6),
            |d| if d.abs() < 700.0 { d * d / (1.0 + d.exp()) } else { 0.0 },
            // A gamma of cv 2, roughly, next to its saturation.
            |d| (-(1.0 + 4.0 * d.abs()).ln()).exp(),
            |d| log_sigmoid(d.signum() * d.abs().powf(0.3)),
            |d| d.abs().max(1e-13).ln(),
        ];
        for (k, f) in functions.iter().enumerate() {
            let sum = |d: &[f64], w: &[f64], g: &dyn Fn(f64) -> f64| {
                d.iter().zip(w).map(|(&d, &w)| w * g(d)).sum::<f64>()
            };
            let (all, few) = (sum(&margins, &weights, f), sum(&nodes.margins, &nodes.weights, f));
            let size = sum(&margins, &weights, &|d| f(d).abs());
            assert!((all - few).abs() <= 3e-14 * size, "{k}: {all} {few} {:e}", (all - few) / size);
        }
    }

    #[test]
    fn rules() {
        let moments = |points: &[(f64, f64)]| {
            let mut m = [0.0; MOMENTS];
            for &(t, w) in points {
                for (k, m) in m.iter_mut().enumerate() {
                    *m += w * t.powi(k as i32);
                }
            }
            m
        };
        let sets: [&[(f64, f64)]; 7] = [
            &[(0.3, 2.0)],
            &[(-1.0, 1.0), (1.0, 3.0)],
            &[(-0.5, 1.0), (0.1, 1e-6), (0.9, 5.0)],
            &[(0.2, 1.0), (0.2 + 1e-9, 1.0), (0.2 - 1e-9, 7.0)],
            &[(-0.9, 1.0), (-0.3, 2.0), (0.0, 1.0), (0.4, 9.0), (1.0, 1e-3)],
            &[(0.1, 1.0), (0.1 + 1e-4, 1.0), (0.1 - 2e-4, 1.0), (0.1 + 3e-4, 1.0)],
            &[(0.5, 1e-90), (0.6, 2e-90), (-0.6, 2e-90)],
        ];
        for points in sets {
            let (given, rule) = (moments(points), gauss(&moments(points)));
            assert!(rule.len() <= 3 && rule.iter().all(|(t, w)| t.abs() <= 1.0 + 1e-12 && *w >= 0.0));
            for (k, (a, b)) in given.iter().zip(moments(&rule)).enumerate() {
                // What is left out below `POINT` and `PAIR` is as small as these.
                assert!((a - b).abs() <= 1e-9 * given[0], "{points:?} {k}: {a} {b}");
            }
        }
    }
}
