//! Score tests of v = 0 where each person has made several choices: within choices, between them, and both.

use super::beyond::step_without_ridge;
use super::rows::{PairRows, Row, Rows};
use super::{Choice, Clusters, ScoreTest, leave_efficient};
use crate::chi_square::upper_tail;
use crate::cholesky::{Cholesky, add_scaled, dot};
use crate::data::margins::visit_elements;
use crate::data::pairs::Pairs;
use crate::data::places::Places;
use crate::error::{LearnError, check_length};
use crate::limits::GROUPS;
use crate::objective::pairs::WeightedPairs;
use crate::prepared::Prepared;
use prefstrength::batch;

/// (z₀.₉₅ + z₀.₈)²: a one-sided test at 5 % that finds what is there four times out of five.
const POWER: f64 = 6.182_557_2;

/// Partial sums of features and persons that are kept at once, about.
const KEPT: usize = 1 << 18;

/// Score tests at plain DPO of whether people differ: v = 0 against one β for each person.
///
/// With x = w·f, p = σ(x), q = 1 − p, X = xq and c = x²pq, the score of v of a person is, summed over their choices,
///
/// ½\[(ΣX)² − Σc\] = Σ ½x²q(1 − 2p) + Σ over t < t' of XₜXₜ'
///
/// The first part is *within* choices, the test of [`Comparison::score`](crate::Comparison::score); the second one is
/// *between* them: it is large where those who go against the margin once do so again. They are uncorrelated, and
/// their sum is the test of a *panel*. Between needs no spread within single choices: where β is drawn once for each
/// person it is by far the stronger.
///
/// * Expected information: within as in [`ScoreTest`]; between Σ over persons of Σ over t < t' of cₜcₜ', whatever w is.
///   The sum of both for the panel.
/// * Outer variance: the squares of persons' sums; those of the within part have the policy profiled out. `None` for
///   fewer than [`GROUPS`] persons (between: who count).
/// * p of the between tests is under a χ² with the skewness of the sum; the normal one of the others is too small
///   where there are few persons. p_outer is normal.
/// * That w is an estimate lowers z a little, by at most about (parameters)/√(2·groups): with few persons the test
///   finds less, not more.
/// * People who prefer the opposite, or whose tastes differ, trip the between test as well: "people differ", not
///   "strength differs". [`features`](Self::features) asks the same of every feature by itself, X = fⱼq: tastes differ
///   where these are larger than that of the scale. Hess and Rose, Can scale and coefficient heterogeneity be
///   separated in random coefficients models?, Transportation 39 (2012).
/// * A weight is repetition: the three choices of a weight of 3 make three pairs. A part of a choice makes no
///   pair with itself.
///
/// ```
/// use prefstrength::Family;
/// use prefstrength_learn::{self as learn, LearnError, Options, PeopleTests, Pairs};
/// // Of thirty persons every third goes against what the others prefer.
/// let (mut features, mut groups) = (Vec::new(), Vec::new());
/// for i in 0..600_u32 {
///     let (group, size) = (i % 30, f64::from(i * 7 % 20 + 1) / 10.0);
///     let with = if group % 3 == 0 { i / 30 % 4 == 0 } else { i / 30 % 5 > 0 };
///     features.push(if with { size } else { -size });
///     groups.push(group);
/// }
/// let pairs = Pairs::new(features, 1)?.with_groups(groups)?;
/// let fixed = learn::train(Family::Fixed, &pairs, &Options::default())?;
/// let tests = PeopleTests::of_pairs(&pairs, &fixed.w)?.expect("enough people");
/// println!("between: z = {}, p = {}", tests.between.z, tests.between.p);
/// assert!(tests.between.z > 4.0 && tests.between.z_outer.is_some_and(|z| z > 2.0));
/// assert_eq!((tests.groups, tests.counting), (30, 30));
/// # Ok::<(), LearnError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct PeopleTests {
    /// Within choices; `None` where it has no information, as with margins of one size.
    pub within: Option<ScoreTest>,
    /// Between the choices of a person.
    pub between: ScoreTest,
    /// Both together.
    pub panel: ScoreTest,
    /// Between, of every feature of pairs; `None` for one without information. Empty for margins.
    pub features: Vec<Option<ScoreTest>>,
    /// How many persons.
    pub groups: usize,
    /// How many of them have two choices or more.
    pub counting: usize,
    /// How many choices: their weight.
    pub choices: f64,
    /// Mean over choices of c = x²pq.
    pub mean_c: f64,
    /// Mean over persons of the pairs among their choices, T(T − 1)/2 of T.
    pub mean_pairs: f64,
    /// How much more the scores of v within choices vary when summed by person than choices of different people would:
    /// Σ over persons of (Σs)² over Σ s². About 1 where choices depend on nothing but their margin, whatever the curve;
    /// 1 where there is no test within.
    pub dependence: f64,
    /// (Σ i)²/Σ i² of the information i of each person between their choices: so many persons of equal information would
    /// tell as much. Far below [`counting`](Self::counting) where a few outweigh the rest.
    pub effective: f64,
    /// Expected information of v within choices, all together, with the policy profiled out; 0 where there is none.
    pub information_within: f64,
    /// And between them.
    pub information_between: f64,
}

impl PeopleTests {
    /// Of pairs with groups at the w of plain DPO without a ridge; [`Choices`](crate::Choices) takes other groups, and
    /// a ridge. `None` without groups, for one person or where nobody has two choices, and where nothing is left to
    /// learn from: all choices are certain, or beyond what f64 holds.
    ///
    /// # Errors
    /// [`LearnError::Batch`] unless w has a number for every feature, [`LearnError::NotFinite`].
    pub fn of_pairs(pairs: &Pairs, w: &[f64]) -> Result<Option<Self>, LearnError> {
        let data = WeightedPairs::new(pairs, None);
        pairs.groups().map_or(Ok(None), |groups| test_people_of_pairs(&data, groups, w, 0.0))
    }

    /// How many persons, of as many choices each as here, show a spread of this cv in four sets out of five, by the
    /// between test at 5 %: 6.18/v² over the information of a person. Infinite for cv = 0.
    ///
    /// ```
    /// # use prefstrength::Family;
    /// # use prefstrength_learn::{self as learn, Choices, LearnError};
    /// let margins: Vec<f64> = (0..400).map(|i| f64::from(i % 9) - 3.0).collect();
    /// let groups: Vec<u32> = (0..400).map(|i| i / 20).collect();
    /// let fixed = learn::fit(Family::Fixed, &margins[..], &learn::Options::default())?;
    /// let choices = Choices::of_margins(&margins, None, fixed.strength.mean())?.with_groups(&groups)?;
    /// let tests = choices.test_people()?.expect("enough people");
    /// // About what the averages say, were all choices of equal information.
    /// let about = 6.18 / (0.3_f64.powi(4) * tests.mean_pairs * tests.mean_c.powi(2));
    /// assert!((tests.groups_needed(0.3) / about - 1.0).abs() < 0.1);
    /// # Ok::<(), LearnError>(())
    /// ```
    #[must_use]
    pub fn groups_needed(&self, cv: f64) -> f64 {
        needed(cv, self.information_between / self.groups as f64)
    }

    /// How many choices show it by the within test, 6.18/v² over the information of a choice: what is needed where
    /// everyone chooses once. Infinite where the within test has no information.
    #[must_use]
    pub fn choices_needed(&self, cv: f64) -> f64 {
        needed(cv, self.information_within / self.choices)
    }
}

fn needed(cv: f64, information: f64) -> f64 {
    let v = cv * cv;
    POWER / (v * v * information)
}

/// Of pairs and a group of each, at the w of plain DPO.
pub(crate) fn test_people_of_pairs(
    data: &WeightedPairs<'_>,
    groups: &[u32],
    w: &[f64],
    ridge: f64,
) -> Result<Option<PeopleTests>, LearnError> {
    check_length("groups", Some(groups), data.pairs.len())?;
    test_people(&mut PairRows::new(*data, Some(groups), w)?, ridge)
}

/// Of rows at plain DPO, in three passes, and more where persons and features are many.
pub(crate) fn test_people(rows: &mut dyn Rows, ridge: f64) -> Result<Option<PeopleTests>, LearnError> {
    let (_, ridge) = step_without_ridge(rows, 0.0, ridge)?;
    let Some(policy) = Policy::new(rows, ridge)? else { return Ok(None) };
    let scale = policy.of_index.sqrt();
    let (mut places, mut people) = (Places::default(), Vec::<Person>::new());
    let mut squares = 0.0;
    rows.for_each(&mut |row| {
        let choice = Choice::new(row.x);
        // `Policy` has seen that there are groups.
        let place = places.place(row.group.unwrap_or(0));
        people.resize_with(places.number(), Person::default);
        let person = &mut people[place];
        person.cross.add(row.weight, choice.moments(row.x / scale));
        person.choices.add(row.weight, [1.0; 3]);
        if policy.efficient.is_some() && choice.q != 0.0 {
            let score = choice.q * (choice.b - dot(&policy.k, row.features));
            person.within += row.weight * score;
            squares += row.weight * score * score;
        }
    })?;
    if people.len() < 2 {
        return Ok(None);
    }
    let sum = BetweenSum::new(people.iter().map(|person| &person.cross));
    let Some(between) = sum.test() else { return Ok(None) };
    // Back from the units of `scale`.
    let information_between = sum.variance * policy.of_index * policy.of_index;
    let (mut within, mut panel) = (Clusters::default(), Clusters::default());
    let (mut of_within, mut of_panel) = (0.0, 0.0);
    for (place, person) in people.iter().enumerate() {
        let both = person.within + policy.of_index * person.cross.score();
        of_within += person.within;
        of_panel += both;
        within.add(Some(place as u32), 1.0, person.within);
        panel.add(Some(place as u32), 1.0, both);
    }
    let dependence = within.sum().map_or(1.0, |by_person| by_person / squares);
    let within = policy.efficient.and_then(|i| ScoreTest::checked(of_within, i, within.sum()));
    let information_within = policy.efficient.unwrap_or(0.0);
    let panel = ScoreTest::checked(of_panel, information_within + information_between, panel.sum());
    let Some(panel) = panel else { return Ok(None) };
    let features = if rows.has_features() { test_features(rows, &policy, &mut places)? } else { Vec::new() };
    Ok(Some(PeopleTests {
        within,
        between,
        panel,
        features,
        groups: people.len(),
        counting: people.iter().filter(|person| person.choices.c[1] > 0.0).count(),
        choices: policy.weight,
        mean_c: policy.of_index / policy.weight,
        mean_pairs: people.iter().map(|person| person.choices.c[1]).sum::<f64>() / people.len() as f64,
        dependence: if dependence.is_finite() { dependence } else { 1.0 },
        effective: sum.variance / sum.squares * sum.variance,
        information_within,
        information_between,
    }))
}

/// The between test of every feature, of as many at once as there is room for.
fn test_features(
    rows: &mut dyn Rows,
    policy: &Policy,
    places: &mut Places,
) -> Result<Vec<Option<ScoreTest>>, LearnError> {
    let dim = rows.dim();
    let scale: Vec<f64> = policy.of_features.iter().map(|i| i.sqrt()).collect();
    let (block, mut tests) = ((KEPT / places.number()).clamp(1, dim), Vec::with_capacity(dim));
    for start in (0..dim).step_by(block) {
        let here = start..dim.min(start + block);
        let width = here.len();
        let mut sums = vec![Cross::default(); places.number() * width];
        rows.for_each(&mut |row| {
            let choice = Choice::new(row.x);
            let place = places.place(row.group.unwrap_or(0));
            let Some(sums) = sums.get_mut(place * width..(place + 1) * width) else { return };
            for ((sum, f), scale) in
                sums.iter_mut().zip(&row.features[here.clone()]).zip(&scale[here.clone()])
            {
                if *f != 0.0 && *scale > 0.0 {
                    sum.add(row.weight, choice.moments(f / scale));
                }
            }
        })?;
        tests.extend((0..width).map(|j| BetweenSum::new(sums.iter().skip(j).step_by(width)).test()));
    }
    Ok(tests)
}

/// What is known of the policy, and sums over all choices.
struct Policy {
    /// I_ww⁻¹I_wv.
    k: Vec<f64>,
    /// I_vv − I_vw I_ww⁻¹ I_wv; `None` where that is rounding, or I_ww is singular.
    efficient: Option<f64>,
    /// Σ c = Σ x²pq, the information of the scale.
    of_index: f64,
    /// Σ fⱼ²pq.
    of_features: Vec<f64>,
    /// Of all choices.
    weight: f64,
}

impl Policy {
    /// `None` if there are choices without a group, or all of them are certain.
    fn new(rows: &mut dyn Rows, ridge: f64) -> Result<Option<Self>, LearnError> {
        let dim = rows.dim();
        let mut information = rows.sum_products(&|x| Choice::new(x).pq)?;
        let of_features = (0..dim).map(|i| information[i * dim + i]).collect();
        for i in 0..dim {
            information[i * dim + i] += ridge;
        }
        let (mut i_vv, mut of_index, mut weight, mut grouped) = (0.0, 0.0, 0.0, true);
        let mut k = vec![0.0; dim];
        rows.for_each(&mut |Row { x, features, weight: w, group, .. }| {
            let Choice { pq, b, .. } = Choice::new(x);
            weight += w;
            grouped &= group.is_some();
            if pq > 0.0 {
                i_vv += w * pq * b * b;
                of_index += w * pq * x * x;
                add_scaled(&mut k, w * pq * b, features);
            }
        })?;
        if !(grouped && of_index > 0.0 && of_index.is_finite()) {
            return Ok(None);
        }
        let i_wv = k.clone();
        let efficient = Cholesky::new(information, dim).ok().and_then(|information| {
            information.solve(&mut k);
            leave_efficient(i_vv, dot(&i_wv, &k))
        });
        Ok(Some(Self { k, efficient, of_index, of_features, weight }))
    }
}

/// Sums over the choices of a person.
#[derive(Clone, Debug, Default)]
struct Person {
    /// Efficient score of v within.
    within: f64,
    /// X = xq, in units in which Σ c of all persons is 1.
    cross: Cross,
    /// How many choices: as if X = 1.
    choices: Cross,
}

impl Choice {
    /// X = hq, its variance c = h²pq and its third moment h³pq(q − p), for what moves x in proportion to h.
    pub(super) fn moments(&self, h: f64) -> [f64; 3] {
        // h² may overflow where p or q has underflowed.
        let c = if self.pq > 0.0 { self.pq * h * h } else { 0.0 };
        // q − p is 2q − 1: q = 1 − p to rounding.
        [if self.q == 0.0 { 0.0 } else { h * self.q }, c, c * h * (2.0 * self.q - 1.0)]
    }
}

/// What different choices of one unit have in common: elementary symmetric sums eₖ of X, of its variances c and of its
/// third moments m, added up without the cancellation of ½\[(ΣX)² − ΣX²\].
///
/// A choice of weight w comes in as (1 + Xs)^w, the generating function of w choices; a part of one has no pairs.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cross {
    x: [f64; 2],
    c: [f64; 3],
    m: [f64; 2],
}

impl Cross {
    pub(super) fn add(&mut self, w: f64, [x, c, m]: [f64; 3]) {
        let two = 0.5 * w * (w - 1.0).max(0.0);
        let three = two * (w - 2.0).max(0.0) / 3.0;
        let add = |e: &mut [f64], y: f64| {
            e[1] += w * y * e[0] + two * y * y;
            e[0] += w * y;
        };
        self.c[2] += w * c * self.c[1] + two * c * c * self.c[0] + three * c * c * c;
        add(&mut self.c, c);
        add(&mut self.x, x);
        add(&mut self.m, m);
    }

    /// Σ over t < t' of XₜXₜ'.
    pub(super) fn score(&self) -> f64 {
        self.x[1]
    }

    /// Sums of X, of its variance and of its third moment, as if they were those of one.
    pub(super) fn total(&self) -> [f64; 3] {
        [self.x[0], self.c[0], self.m[0]]
    }

    /// The pairs of all, e₂ of c.
    pub(super) fn variance(&self) -> f64 {
        self.c[1]
    }
}

/// A between test in the making.
#[derive(Default)]
pub(super) struct BetweenSum {
    score: f64,
    variance: f64,
    /// E S³: of three choices each pair once, in 3! orders, and of two their third moments.
    third: f64,
    outer: f64,
    /// Σ of the squares of units' variances.
    squares: f64,
    pub(super) counting: usize,
}

impl BetweenSum {
    pub(super) fn new<'a>(units: impl Iterator<Item = &'a Cross>) -> Self {
        let mut sum = Self::default();
        for unit in units.filter(|unit| unit.variance() > 0.0) {
            let score = unit.score();
            sum.score += score;
            sum.variance += unit.variance();
            sum.third += 6.0 * unit.c[2] + unit.m[1];
            sum.outer += score * score;
            sum.squares += unit.variance() * unit.variance();
            sum.counting += 1;
        }
        sum
    }

    /// `None` where nobody counts.
    pub(super) fn test(&self) -> Option<ScoreTest> {
        let outer = (self.counting >= GROUPS).then_some(self.outer);
        let test = ScoreTest::checked(self.score, self.variance, outer)?;
        // A χ² of f degrees of freedom has the skewness √(8/f).
        let skewness = self.third / self.variance.sqrt().powi(3);
        let freedom = 8.0 / (skewness * skewness);
        let skew = skewness > 0.0 && freedom > 1e-2 && freedom.is_finite();
        Some(if skew { ScoreTest { p: upper_tail(freedom, test.z), ..test } } else { test })
    }
}

/// The test between people at any model of single choices: X = −∂nll/∂ln mean, with the variance and the third moment that
/// it has under that model. At plain DPO it is that of [`PeopleTests::between`].
#[derive(Default)]
pub(crate) struct BetweenAt {
    places: Places,
    people: Vec<Cross>,
    rows: [Vec<f64>; 4],
    bent: Vec<f64>,
}

impl BetweenAt {
    /// Adds choices, each with its group.
    pub(crate) fn add(
        &mut self,
        model: &Prepared,
        margins: &[f64],
        weights: Option<&[f64]>,
        groups: &[u32],
    ) -> Result<(), LearnError> {
        check_length("groups", Some(groups), margins.len())?;
        self.rows.iter_mut().for_each(|row| row.resize(margins.len(), 0.0));
        let [nll, slope, other_nll, other_slope] = &mut self.rows;
        let mut unused = vec![0.0; margins.len()];
        let curved = model.bend(margins, &mut self.bent);
        model.evaluate(curved, None, batch::Rows::new().nll(nll).d_params([slope, &mut unused]))?;
        let against: Vec<f64> = curved.iter().map(|d| -d).collect();
        let rows = batch::Rows::new().nll(other_nll).d_params([other_slope, &mut unused]);
        model.evaluate(&against, None, rows)?;
        let [nll, slope, other_nll, other_slope] = &self.rows;
        let (places, people) = (&mut self.places, &mut self.people);
        visit_elements(0, margins, weights, |i, _, weight| {
            let chances = [(-nll[i]).exp(), (-other_nll[i]).exp()];
            let scores = [-slope[i], -other_slope[i]];
            // A score may be infinite where its chance is nothing.
            let moment = |k: i32| {
                let terms = chances.iter().zip(scores).filter(|(p, _)| **p > 0.0);
                terms.map(|(p, x)| p * x.powi(k)).sum::<f64>()
            };
            let place = places.place(groups[i]);
            people.resize_with(places.number(), Cross::default);
            people[place].add(weight, [scores[0], moment(2), moment(3)]);
        })
    }

    /// `None` for one person, or where nobody has two choices.
    pub(crate) fn finish(&self) -> Option<ScoreTest> {
        if self.people.len() < 2 { None } else { BetweenSum::new(self.people.iter()).test() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Weights as repetition, and eₖ against the sums over pairs and triples.
    #[test]
    fn cross_products() {
        let values = [([0.3, 0.5, -0.1], 2.0), ([-1.2, 0.7, 0.4], 1.0), ([0.9, 0.2, -0.3], 3.0)];
        let (mut weighted, mut repeated, mut all) = (Cross::default(), Cross::default(), Vec::new());
        for (value, weight) in values {
            weighted.add(weight, value);
            for _ in 0..weight as usize {
                repeated.add(1.0, value);
                all.push(value);
            }
        }
        let (mut pairs, mut triples) = ([0.0; 3], 0.0);
        for i in 0..all.len() {
            for j in 0..i {
                (0..3).for_each(|k| pairs[k] += all[i][k] * all[j][k]);
                triples += (0..j).map(|k| all[i][1] * all[j][1] * all[k][1]).sum::<f64>();
            }
        }
        for cross in [weighted, repeated] {
            let found = [cross.x[1], cross.c[1], cross.m[1], cross.c[2]];
            for (found, truth) in found.iter().zip([pairs[0], pairs[1], pairs[2], triples]) {
                assert!((found - truth).abs() < 1e-14, "{found} {truth}");
            }
        }
        // Half a choice has no pair with itself.
        let mut half = Cross::default();
        half.add(0.5, [2.0; 3]);
        assert_eq!(half.variance(), 0.0);
    }
}
