//! Sets of standard normal scores, made from uniforms.

use super::error::SamplingError;
use crate::math::hermite::{MAX_NODES, gauss_hermite};
use crate::math::normal::normal_quantile;
use crate::real::Real;
use core::fmt;
use core::str::FromStr;
use num_traits::Float;

/// How K standard normal scores zⱼ, and weights wⱼ, stand for E f(z) ≈ Σ wⱼ f(zⱼ).
///
/// zⱼ = Φ⁻¹(uⱼ), j from 0, with uⱼ from independent uniforms U in (0, 1):
///
/// | set | uⱼ | uniforms | scores |
/// | --- | --- | --- | --- |
/// | `Iid` | Uⱼ | K | independent |
/// | `Antithetic` | U₀, 1 − U₀, U₁, 1 − U₁, … | ⌈K/2⌉ | neighbours are opposite; of odd K the last is alone |
/// | `Stratified` | (j + Uⱼ)/K | K | ascending, one per stratum of probability 1/K |
/// | `StratifiedAntithetic` | the same for j < K/2, 1 − u of K − 1 − j above | ⌈K/2⌉ | ascending, opposite ends are opposite; of odd K the middle is alone |
/// | `Lattice` | frac(j/K + U) | 1 | one per stratum, equally spaced in u |
/// | `GaussHermite` | | 0 | ascending nodes, the same every time |
///
/// All but the last are unbiased, with weights 1/K; opposite scores are exact negatives. `GaussHermite` is
/// exact for polynomials of degree 2K − 1, for K ≤ 128: its error is a bias, and falls geometrically where f
/// is analytic.
///
/// Standard deviation of −ln Σ wⱼ σ(βⱼ), the loss at D = 1 for a LogNormal β of mean 1 and σ = ½, at K = 16:
/// iid 3.0e-2, antithetic 6.4e-3, stratified 3.5e-3, stratified and antithetic 1.6e-3.
///
/// Φ⁻¹ takes the smaller of u and 1 − u, each formed from its own end: the upper tail is as fine as the
/// lower, and every score is finite. Max error for that argument, if normal: 1 ulp for |z| ≥ 1, 2.5e-16 below.
/// An f32 score is the f64 score rounded. A lattice with KU whole, which would hit u = 0, moves up by 2⁻⁵³/K.
///
/// ```
/// use prefstrength::sampling::PointSet;
/// let (mut z, mut w) = ([0.0; 4], [0.0; 4]);
/// PointSet::StratifiedAntithetic.scores(&[0.5, 0.25], &mut z)?; // u = ⅛, 5/16, 11/16, ⅞
/// PointSet::StratifiedAntithetic.weights(&mut w)?;
/// assert_eq!((z[3], z[2], w), (-z[0], -z[1], [0.25; 4]));
/// # assert!((z[0] + 1.150_349_380_376_008_f64).abs() < 1e-15);
/// # Ok::<(), prefstrength::sampling::SamplingError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PointSet {
    /// Independent scores.
    Iid,
    /// Pairs of opposite scores.
    Antithetic,
    /// One score in each of K strata of equal probability.
    Stratified,
    /// One in each stratum of the lower half, and their opposites.
    StratifiedAntithetic,
    /// Equal steps of probability, shifted by one uniform.
    Lattice,
    /// Nodes and weights of Gauss–Hermite quadrature for the normal density; not random.
    GaussHermite,
}

impl PointSet {
    /// Every set.
    pub const ALL: [Self; 6] = [
        Self::Iid,
        Self::Antithetic,
        Self::Stratified,
        Self::StratifiedAntithetic,
        Self::Lattice,
        Self::GaussHermite,
    ];

    /// `"iid"`, `"antithetic"`, `"stratified"`, `"stratified-antithetic"`, `"lattice"` or `"gauss-hermite"`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Iid => "iid",
            Self::Antithetic => "antithetic",
            Self::Stratified => "stratified",
            Self::StratifiedAntithetic => "stratified-antithetic",
            Self::Lattice => "lattice",
            Self::GaussHermite => "gauss-hermite",
        }
    }

    /// How many uniforms one set of `draws` scores takes.
    ///
    /// ```
    /// use prefstrength::sampling::PointSet;
    /// assert_eq!(PointSet::ALL.map(|set| set.uniforms(5)), [5, 3, 5, 3, 1, 0]);
    /// ```
    #[must_use]
    pub fn uniforms(self, draws: usize) -> usize {
        match self {
            Self::Iid | Self::Stratified => draws,
            Self::Antithetic | Self::StratifiedAntithetic => draws.div_ceil(2),
            Self::Lattice => 1,
            Self::GaussHermite => 0,
        }
    }

    /// One set of K = `z.len()` scores from [`uniforms(K)`](Self::uniforms) numbers of (0, 1).
    ///
    /// # Errors
    /// [`SamplingError`] for K = 0, for `GaussHermite` beyond K = 128, for uniforms that are too few, too many
    /// or not inside (0, 1); nothing is written then.
    ///
    /// ```
    /// use prefstrength::sampling::PointSet;
    /// let mut z = [0.0; 3];
    /// PointSet::Antithetic.scores(&[0.975, 0.5], &mut z)?;
    /// assert!((z[0] - 1.959_963_984_540_054_f64).abs() < 1e-14);
    /// assert_eq!(z[1..], [-z[0], 0.0]);
    /// # Ok::<(), prefstrength::sampling::SamplingError>(())
    /// ```
    pub fn scores<T: Real>(self, uniforms: &[f64], z: &mut [T]) -> Result<(), SamplingError> {
        self.scores_per_pair(1, uniforms, z)
    }

    /// A set of its own for each of `pairs` pairs, K = `z.len()/pairs`: `z[j·pairs + i]` is draw j of pair i,
    /// and `uniforms[l·pairs + i]` uniform l of pair i. Each is bit-equal to [`scores`](Self::scores).
    ///
    /// # Errors
    /// Those of [`scores`](Self::scores), and for a length of `z` that `pairs` does not divide. No pairs and no
    /// scores are none.
    ///
    /// ```
    /// use prefstrength::sampling::PointSet;
    /// let mut z = [0.0_f32; 6]; // 2 draws for each of 3 pairs
    /// PointSet::Antithetic.scores_per_pair(3, &[0.1, 0.5, 0.7], &mut z)?;
    /// assert!(z[0] < 0.0 && z[1] == 0.0 && z[2] > 0.0);
    /// assert_eq!(z[3..], [-z[0], -z[1], -z[2]]);
    /// # Ok::<(), prefstrength::sampling::SamplingError>(())
    /// ```
    pub fn scores_per_pair<T: Real>(
        self,
        pairs: usize,
        uniforms: &[f64],
        z: &mut [T],
    ) -> Result<(), SamplingError> {
        let draws = self.draws(pairs, z.len())?;
        // At most z.len().
        let expected = self.uniforms(draws) * pairs;
        if uniforms.len() != expected {
            return Err(SamplingError::Length { slice: "uniforms", expected, found: uniforms.len() });
        }
        if let Some(index) = uniforms.iter().position(|&u| !(u > 0.0 && u < 1.0)) {
            return Err(SamplingError::Value { slice: "uniforms", index });
        }
        self.fill(pairs, draws, uniforms.iter().copied(), z);
        Ok(())
    }

    /// The weights of K = `w.len()` scores, which sum to 1: 1/K each, or those of Gauss–Hermite quadrature,
    /// within 1 ulp. In f32 the outer ones of these underflow.
    ///
    /// # Errors
    /// [`SamplingError`] for K = 0, and for `GaussHermite` beyond K = 128; nothing is written then.
    ///
    /// ```
    /// use prefstrength::sampling::PointSet;
    /// let (mut z, mut w) = ([0.0; 3], [0.0; 3]);
    /// PointSet::GaussHermite.scores(&[], &mut z)?;
    /// PointSet::GaussHermite.weights(&mut w)?;
    /// assert_eq!((z, w), ([-3_f64.sqrt(), 0.0, 3_f64.sqrt()], [1.0 / 6.0, 2.0 / 3.0, 1.0 / 6.0]));
    /// # Ok::<(), prefstrength::sampling::SamplingError>(())
    /// ```
    pub fn weights<T: Real>(self, w: &mut [T]) -> Result<(), SamplingError> {
        let draws = self.draws(1, w.len())?;
        if self == Self::GaussHermite {
            gauss_hermite(draws, |j, _, weight| w[j] = T::from_f64(weight));
        } else {
            w.fill(T::from_f64(1.0 / draws as f64));
        }
        Ok(())
    }

    /// One set of K = `z.len()` scores from a generator: [`scores`](Self::scores) of as many uniforms as it
    /// takes, in order, each (n + ½)·2⁻⁵² with n the upper 52 bits of a `u64`: never 0 or 1, and as likely as
    /// 1 − itself. No |z| exceeds 8.21, or Φ⁻¹ of 2⁻⁵³/K where there are strata.
    ///
    /// # Errors
    /// Those of [`scores`](Self::scores); the generator is left alone then.
    ///
    /// ```
    /// use prefstrength::sampling::PointSet;
    /// use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
    /// let mut z = [0.0; 16];
    /// PointSet::Stratified.draw(&mut ChaCha8Rng::seed_from_u64(1), &mut z)?;
    /// assert!(z.is_sorted());
    /// # Ok::<(), prefstrength::sampling::SamplingError>(())
    /// ```
    #[cfg(feature = "rand")]
    pub fn draw<T: Real, R: rand_core::Rng + ?Sized>(
        self,
        rng: &mut R,
        z: &mut [T],
    ) -> Result<(), SamplingError> {
        self.draw_per_pair(1, rng, z)
    }

    /// A set of its own for each of `pairs` pairs: [`scores_per_pair`](Self::scores_per_pair) of uniforms as
    /// in [`draw`](Self::draw), taken in the order of that slice (uniform 0 of every pair, then uniform 1).
    ///
    /// # Errors
    /// Those of [`scores_per_pair`](Self::scores_per_pair); the generator is left alone then.
    ///
    /// ```
    /// use prefstrength::sampling::PointSet;
    /// use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
    /// let mut z = [0.0; 4 * 100]; // 4 draws for each of 100 pairs
    /// PointSet::Antithetic.draw_per_pair(100, &mut ChaCha8Rng::seed_from_u64(1), &mut z)?;
    /// assert_eq!(z[7], -z[107]);
    /// # Ok::<(), prefstrength::sampling::SamplingError>(())
    /// ```
    #[cfg(feature = "rand")]
    pub fn draw_per_pair<T: Real, R: rand_core::Rng + ?Sized>(
        self,
        pairs: usize,
        rng: &mut R,
        z: &mut [T],
    ) -> Result<(), SamplingError> {
        let draws = self.draws(pairs, z.len())?;
        // With 53 bits n + ½ would round, in the end to 1.
        let uniform = || ((rng.next_u64() >> 12) as f64 + 0.5) * f64::EPSILON;
        self.fill(pairs, draws, core::iter::repeat_with(uniform), z);
        Ok(())
    }

    /// K, for `scores` scores of `pairs` pairs.
    fn draws(self, pairs: usize, scores: usize) -> Result<usize, SamplingError> {
        // No overflow: at most `pairs`, or twice `scores`.
        let expected = scores.checked_next_multiple_of(pairs).unwrap_or(0);
        if scores != expected {
            return Err(SamplingError::Length { slice: "z", expected, found: scores });
        }
        match scores.checked_div(pairs) {
            None => Ok(0),
            Some(0) => Err(SamplingError::NoDraws),
            Some(draws) if self == Self::GaussHermite && draws > MAX_NODES => {
                Err(SamplingError::TooManyDraws { limit: MAX_NODES })
            }
            Some(draws) => Ok(draws),
        }
    }

    /// Scores of checked arguments, from uniforms in their order; takes no more of them than it needs.
    fn fill<T: Real>(self, pairs: usize, draws: usize, mut uniforms: impl Iterator<Item = f64>, z: &mut [T]) {
        if self == Self::GaussHermite {
            return gauss_hermite(draws, |j, node, _| z[j * pairs..][..pairs].fill(T::from_f64(node)));
        }
        for l in 0..self.uniforms(draws) {
            for (i, u) in (0..pairs).zip(&mut uniforms) {
                self.place(draws, l, u, |j, score| z[j * pairs + i] = T::from_f64(score));
            }
        }
    }

    /// Calls `put` with the draws of a set that uniform l decides, and their scores.
    fn place(self, draws: usize, l: usize, u: f64, mut put: impl FnMut(usize, f64)) {
        let k = draws as f64;
        let stratum = |j: usize, u: f64| score((j as f64 + u) / k, ((draws - 1 - j) as f64 + (1.0 - u)) / k);
        match self {
            Self::Iid => put(l, score(u, 1.0 - u)),
            Self::Antithetic => {
                let z = score(u, 1.0 - u);
                put(2 * l, z);
                if 2 * l + 1 < draws {
                    put(2 * l + 1, -z);
                }
            }
            Self::Stratified => put(l, stratum(l, u)),
            Self::StratifiedAntithetic => {
                let (z, mirror) = (stratum(l, u), draws - 1 - l);
                // The middle first as its own mirror image, then as itself.
                put(mirror, -z);
                put(l, z);
            }
            Self::Lattice => {
                // A stratified set with one jitter, frac(KU), that starts in stratum ⌊KU⌋. A jitter of 0
                // would put one score at −∞: it is as large as the rounding of U.
                let first = Float::floor(k * u);
                let jitter = if k * u > first { k * u - first } else { 0.5 * f64::EPSILON };
                (0..draws).for_each(|j| put(j, stratum((first as usize + j) % draws, jitter)));
            }
            // Takes no uniforms.
            Self::GaussHermite => {}
        }
    }
}

/// Φ⁻¹ of the probability `below`, which leaves `above`.
fn score(below: f64, above: f64) -> f64 {
    if below <= above {
        // A share of the smallest number may round to 0.
        normal_quantile(below.max(f64::from_bits(1))).0
    } else {
        -normal_quantile(above).0
    }
}

impl fmt::Display for PointSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for PointSet {
    type Err = SamplingError;

    /// By [`name`](Self::name).
    ///
    /// ```
    /// use prefstrength::sampling::{PointSet, SamplingError};
    /// assert_eq!("lattice".parse(), Ok(PointSet::Lattice));
    /// assert_eq!("Lattice".parse::<PointSet>(), Err(SamplingError::UnknownPointSet));
    /// ```
    fn from_str(name: &str) -> Result<Self, SamplingError> {
        Self::ALL.into_iter().find(|set| set.name() == name).ok_or(SamplingError::UnknownPointSet)
    }
}
