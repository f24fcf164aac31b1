//! Who decides strongly, who weakly.

use crate::chi_square::upper_tail;
use crate::data::margins::visit_elements;
use crate::error::{LearnError, check_length};
use crate::limits::GROUPS;
use prefstrength::{AnyStrength, Strength};
use std::collections::BTreeMap;

/// Choices by group: margins, accuracy, log-likelihood, and the posterior of β.
///
/// The posterior mean of β given one choice, E\[βσ(βD)\]/E\[σ(βD)\], lies above E\[β\] after a choice with the
/// margin and below after one against it, and is E\[β\] on average if p(β) is true. Averaged over the choices of a
/// group it says who decides strongly and who weakly. It leans towards E\[β\]: one choice tells little.
///
/// Sums of two shards [`merge`](Self::merge).
///
/// ```
/// use prefstrength::{AnyStrength, Family};
/// use prefstrength_learn::{ByGroup, LearnError};
/// let mut by_group = ByGroup::new(AnyStrength::from_mean_v(Family::Gamma, 1.0, 1.0)?);
/// // 0 goes with the margin, 1 often against it.
/// by_group.add(&[2.0, 1.0, 3.0, -2.0, 1.0, -0.5], &[0, 0, 0, 1, 1, 1], None)?;
/// let groups = by_group.groups();
/// assert!(groups[&0].strength() > 1.0 && groups[&1].strength() < 1.0);
/// assert_eq!((groups[&0].accuracy(), groups[&1].number), (1.0, 3));
/// assert_eq!(by_group.micro().accuracy, 4.0 / 6.0);
/// # Ok::<(), LearnError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ByGroup {
    strength: AnyStrength,
    groups: BTreeMap<u32, Group>,
}

/// Sums over the choices of one group, w their weights.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Group {
    /// How many choices.
    pub number: usize,
    /// Σ w.
    pub weight: f64,
    /// Σ wD.
    pub margins: f64,
    /// Σ w over D > 0, half of it for D = 0.
    pub right: f64,
    /// Σ w ln E\[σ(βD)\].
    pub log_likelihood: f64,
    /// Σ r, Σ r², Σ r⁴ of r = w(E\[β | choice\]/E\[β\] − 1).
    pub residuals: [f64; 3],
}

impl Group {
    /// Mean margin. NaN, as all that follow, without weight.
    #[must_use]
    pub fn margin(&self) -> f64 {
        self.margins / self.weight
    }

    /// Share of the choices that went to the answer with the larger margin; a tie is half of one.
    #[must_use]
    pub fn accuracy(&self) -> f64 {
        self.right / self.weight
    }

    /// Mean posterior β as a multiple of E\[β\]: above 1 for a group that decides strongly.
    #[must_use]
    pub fn strength(&self) -> f64 {
        1.0 + self.residuals[0] / self.weight
    }

    /// Standard error of [`strength`](Self::strength), from its variation over the choices; `None` for fewer than
    /// two, or without variation.
    #[must_use]
    pub fn strength_error(&self) -> Option<f64> {
        let (n, [sum, square, _]) = (self.number as f64, self.residuals);
        let variance = (square - sum / n * sum) * (n / (n - 1.0));
        let error = variance.sqrt() / self.weight;
        (error > 0.0 && error.is_finite()).then_some(error)
    }

    fn merge(&mut self, other: &Self) {
        self.number += other.number;
        self.weight += other.weight;
        self.margins += other.margins;
        self.right += other.right;
        self.log_likelihood += other.log_likelihood;
        self.residuals.iter_mut().zip(other.residuals).for_each(|(a, b)| *a += b);
    }
}

/// Averages over choices or over groups.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Averages {
    /// Of the margin.
    pub margin: f64,
    /// Of the share of choices that went to the answer with the larger margin.
    pub accuracy: f64,
    /// Of ln E\[σ(βD)\].
    pub log_likelihood: f64,
    /// Of the posterior mean of β over E\[β\].
    pub strength: f64,
}

/// Whether the choices of a group have something in common that p(β) does not know.
///
/// Under one p(β), drawn anew for every choice, residuals r of different choices are independent with mean 0. Then
/// S = Σ over groups of Σ rᵢrⱼ, i ≠ j, has mean 0 and the variance 2 Σ Σ rᵢ²rⱼ², and z = S/√variance has variance 1.
/// It is skew where there are few groups or a few that outweigh the rest: about Σ V(χ²₁ − 1) with V = Σ r² of every
/// group, whose tail is that of a χ² with as much skewness, of (Σ V²)³/(Σ V³)² degrees of freedom. z is large where
/// some groups decide strongly throughout, others weakly. That the policy is an estimate lowers it a little, by at
/// most about (parameters)/√(2·groups).
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct GroupEffectTest {
    /// S in units of its standard deviation.
    pub z: f64,
    /// P of as much or more: one-sided.
    pub p: f64,
    /// Groups that count: those with two choices or more.
    pub groups: usize,
}

impl ByGroup {
    /// Without choices yet.
    #[must_use]
    pub fn new(strength: AnyStrength) -> Self {
        Self { strength, groups: BTreeMap::new() }
    }

    /// Adds choices: a margin, a group and perhaps a weight ≥ 0 of each. Those of weight 0 do not count.
    ///
    /// # Errors
    /// [`LearnError::Batch`] for slices of different lengths, [`LearnError::Margin`] and [`LearnError::Weight`] for
    /// what is not finite, or negative; nothing is added then. What has weight 0 may be anything.
    pub fn add(
        &mut self,
        margins: &[f64],
        groups: &[u32],
        weights: Option<&[f64]>,
    ) -> Result<(), LearnError> {
        check_length("groups", Some(groups), margins.len())?;
        visit_elements(0, margins, weights, |_, _, _| {})?;
        let mean = self.strength.mean();
        let one = |(i, &d): (usize, &f64)| {
            let strength = if mean > 0.0 { self.strength.posterior(d).mean / mean } else { 1.0 };
            let weight = weights.map_or(1.0, |w| w[i]);
            let r = weight * (strength - 1.0);
            Group {
                number: 1,
                weight,
                margins: weight * d,
                right: weight
                    * if d > 0.0 {
                        1.0
                    } else if d < 0.0 {
                        0.0
                    } else {
                        0.5
                    },
                log_likelihood: -weight * self.strength.nll(d),
                residuals: [r, r * r, r * r * r * r],
            }
        };
        #[cfg(feature = "rayon")]
        let parts: Vec<Group> = {
            use rayon::prelude::*;
            margins.par_iter().enumerate().with_min_len(64).map(one).collect()
        };
        #[cfg(not(feature = "rayon"))]
        let parts = margins.iter().enumerate().map(one);
        for (group, one) in groups.iter().zip(parts) {
            if one.weight > 0.0 {
                self.groups.entry(*group).or_default().merge(&one);
            }
        }
        Ok(())
    }

    /// Adds those of other choices under the same p(β).
    ///
    /// # Errors
    /// [`LearnError::OtherStrength`] under another; nothing is added then.
    pub fn merge(&mut self, other: &Self) -> Result<(), LearnError> {
        if self.strength != other.strength {
            return Err(LearnError::OtherStrength);
        }
        for (&group, sums) in &other.groups {
            self.groups.entry(group).or_default().merge(sums);
        }
        Ok(())
    }

    /// The p(β).
    #[must_use]
    pub fn strength(&self) -> AnyStrength {
        self.strength
    }

    /// Every group that has choices.
    #[must_use]
    pub fn groups(&self) -> &BTreeMap<u32, Group> {
        &self.groups
    }

    /// Averages over choices, by weight. NaN without any.
    #[must_use]
    pub fn micro(&self) -> Averages {
        let mut all = Group::default();
        self.groups.values().for_each(|group| all.merge(group));
        averages_of(&all)
    }

    /// Averages over groups, each counting the same: a group with many choices does not drown the others. NaN
    /// without any.
    #[must_use]
    pub fn macro_average(&self) -> Averages {
        let n = self.groups.len() as f64;
        let average =
            |f: fn(&Averages) -> f64| self.groups.values().map(|g| f(&averages_of(g))).sum::<f64>() / n;
        Averages {
            margin: average(|a| a.margin),
            accuracy: average(|a| a.accuracy),
            log_likelihood: average(|a| a.log_likelihood),
            strength: average(|a| a.strength),
        }
    }

    /// The test of [`GroupEffectTest`]; `None` with fewer than [`GROUPS`] groups of two choices or more, and for a p(β) without
    /// spread.
    ///
    /// ```
    /// use prefstrength::{AnyStrength, Family};
    /// use prefstrength_learn::{ByGroup, LearnError};
    /// let beta = AnyStrength::from_mean_v(Family::Gamma, 1.0, 1.0)?;
    /// let mut by_group = ByGroup::new(beta);
    /// // Every other group of twenty always goes with the margin.
    /// for group in 0..20 {
    ///     let mut shard = ByGroup::new(beta);
    ///     let margins = [1.5, -2.0, 1.0, -1.0].map(|d: f64| if group % 2 == 0 { d.abs() } else { d });
    ///     shard.add(&margins, &[group; 4], None)?;
    ///     by_group.merge(&shard)?;
    /// }
    /// let test = by_group.test_group_effect().expect("enough groups");
    /// println!("z = {}, p = {}", test.z, test.p);
    /// # assert_eq!(test.groups, 20);
    /// # Ok::<(), LearnError>(())
    /// ```
    #[must_use]
    pub fn test_group_effect(&self) -> Option<GroupEffectTest> {
        let counting = || self.groups.values().filter(|group| group.number > 1);
        let sum = counting().map(|g| g.residuals[0] * g.residuals[0] - g.residuals[1]).sum::<f64>();
        let variance =
            counting().map(|g| 2.0 * (g.residuals[1] * g.residuals[1] - g.residuals[2])).sum::<f64>();
        let (z, groups) = (sum / variance.sqrt(), counting().count());
        let power = |n: i32| counting().map(|g| g.residuals[1].powi(n)).sum::<f64>();
        let freedom = power(2).powi(3) / power(3).powi(2);
        (groups >= GROUPS && variance > 0.0 && z.is_finite()).then(|| GroupEffectTest {
            z,
            p: upper_tail(freedom, z),
            groups,
        })
    }
}

fn averages_of(group: &Group) -> Averages {
    Averages {
        margin: group.margin(),
        accuracy: group.accuracy(),
        log_likelihood: group.log_likelihood / group.weight,
        strength: group.strength(),
    }
}
