//! How many choices, or people, it takes.

use crate::data::margins::{Margins, visit_elements};
use crate::error::LearnError;
use crate::fit::fit;
use crate::options::Options;
use prefstrength::math::sigmoid;
use prefstrength::{AnyStrength, Coordinates, Family, LogNormal, Strength};
use std::collections::BTreeMap;

/// Step of the trapezoidal rule over normal margins x = c·sinh t, c = min(s, 1): σ is analytic for |Im x| < π, and the
/// error about e^(−π²/2h), 1e-17.
const STEP: f64 = 0.125;
/// Standard deviations of normal margins that count.
const REACH: f64 = 10.0;
/// Bins of the margins of data for each factor of e in size. Integrals have an error of 1/12 of the squared width.
const BINS: f64 = 16.0;
/// Sizes beyond e^±FAR are at it.
const FAR: f64 = 30.0;
/// Places at which the integral over β is taken.
const PLACES: u32 = 96;
/// What cv may be; it also bounds the search for one.
const CVS: core::ops::RangeInclusive<f64> = 0.01..=10.0;
/// Factor between the values of cv at which that search looks.
const STRIDE: f64 = 1.25;
/// Largest v of a model that is fitted.
const LARGEST_V: f64 = 1e4;
/// Largest ε of it.
const LARGEST_LAPSE: f64 = 0.4999;

/// What a test shall do: level and power.
///
/// A z test of one side rejects with this power where its expected z is z₁₋ₗₑᵥₑₗ + z_power; the square of that is the
/// [noncentrality](Self::noncentrality), 6.18 for 80 % at the 5 % level.
///
/// ```
/// use prefstrength_learn::{LearnError, PowerTarget};
/// assert!((PowerTarget::default().noncentrality() - 6.1826).abs() < 1e-4);
/// assert!((PowerTarget::new(0.01, 0.9)?.noncentrality() - 13.017).abs() < 1e-3);
/// # Ok::<(), LearnError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct PowerTarget {
    level: f64,
    power: f64,
    z_level: f64,
    z_power: f64,
}

impl PowerTarget {
    /// A one-sided level and a power.
    ///
    /// # Errors
    /// [`LearnError::Design`] unless 1e-12 ≤ level < ½ ≤ power ≤ 1 − 1e-12.
    pub fn new(level: f64, power: f64) -> Result<Self, LearnError> {
        let domain =
            LearnError::Design("the level must lie from 1e-12 to below ½, the power from ½ to below 1");
        if !(1e-12..0.5).contains(&level) || !(0.5..=1.0 - 1e-12).contains(&power) {
            return Err(domain);
        }
        Ok(Self { level, power, z_level: -normal_quantile(level)?, z_power: normal_quantile(power)? })
    }

    /// P of a rejection where there is nothing to find.
    #[must_use]
    pub fn level(&self) -> f64 {
        self.level
    }

    /// P of a rejection where there is.
    #[must_use]
    pub fn power(&self) -> f64 {
        self.power
    }

    /// (z₁₋ₗₑᵥₑₗ + z_power)².
    #[must_use]
    pub fn noncentrality(&self) -> f64 {
        (self.z_level + self.z_power).powi(2)
    }
}

impl Default for PowerTarget {
    /// 80 % at the 5 % level.
    fn default() -> Self {
        Self { level: 0.05, power: 0.8, z_level: 1.6448536269514722, z_power: 0.8416212335729142 }
    }
}

/// Of 0 < p < 1.
pub(crate) fn normal_quantile(p: f64) -> Result<f64, LearnError> {
    Ok(LogNormal::from_mu_sigma(0.0, 1.0)?.quantile(p).ln())
}

/// How choices come about, in the experiment of thought that asks for a sample size.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Truth {
    /// β varies from choice to choice: Gamma with this coefficient of variation, from 0.01 to 10.
    Spread(f64),
    /// One β, and a share ε of flipped labels, 0 < ε ≤ 0.45: P = ε + (1 − 2ε)σ(βD).
    Lapse(f64),
}

impl Truth {
    fn check(self) -> Result<Self, LearnError> {
        match self {
            Self::Spread(cv) if !CVS.contains(&cv) => Err(LearnError::Design("cv must lie from 0.01 to 10")),
            Self::Lapse(lapse) if !(lapse > 0.0 && lapse <= 0.45) => {
                Err(LearnError::Design("the share of flipped labels must be above 0 and at most 0.45"))
            }
            truth => Ok(truth),
        }
    }

    fn model(self, ln_mean: f64) -> Model {
        match self {
            Self::Spread(cv) => Model { ln_mean, v: cv * cv, lapse: 0.0 },
            Self::Lapse(lapse) => Model { ln_mean, v: 0.0, lapse },
        }
    }
}

/// A model that a [`Truth`] is held against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Explanation {
    /// Plain DPO: one β.
    Plain,
    /// A Gamma spread of β.
    Spread,
    /// One β, and flipped labels.
    Lapse,
}

/// The model of a kind that comes closest to a [`Truth`]: what a fit to very many choices would find.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Nearest {
    /// The Kullback–Leibler divergence of one choice from it: what the log-likelihood of the truth gains on it with
    /// every choice.
    pub divergence: f64,
    /// The variance of that gain from choice to choice; twice the divergence where that is small.
    pub variance: f64,
    /// Its E\[β\], in units of that of the truth.
    pub mean: f64,
    /// Its cv; 0 but for [`Explanation::Spread`].
    pub cv: f64,
    /// Its share of flipped labels; 0 but for [`Explanation::Lapse`].
    pub lapse: f64,
}

impl Nearest {
    /// How many choices a likelihood ratio of one more parameter needs to reject this model, with the truth among those
    /// of the larger one. Against [`Explanation::Plain`] it is the test of the spread, or of the lapse; against another it is
    /// that within Gamma with a lapse, which has both.
    ///
    /// n = (z₁₋ₗₑᵥₑₗ + z_power·r)²/(2·divergence), r² = variance/(2·divergence): the root of the ratio has the mean
    /// √(2n·divergence) and the standard deviation r. r = 1 is the textbook's n = noncentrality/(2·divergence), which
    /// promises a little too much. Of 1000 simulated studies of this n, for cv = 0.5 and 1 and s = 2 to 6, the likelihood
    /// ratio of Gamma rejected plain DPO in 75 to 79 %.
    ///
    /// Infinite where the divergence is 0.
    #[must_use]
    pub fn choices(&self, target: &PowerTarget) -> f64 {
        let double = 2.0 * self.divergence;
        let n = (target.z_level + target.z_power * (self.variance / double).sqrt()).powi(2) / double;
        if n.is_nan() { f64::INFINITY } else { n }
    }
}

/// The margins of a study, x = E\[β\]·D, and what one choice at them tells.
///
/// | | formula |
/// | --- | --- |
/// | information about ln E\[β\] | c̄ = E\[x²σσ̄\], σ = σ(x), σ̄ = 1 − σ |
/// | about v = cv², ln E\[β\] profiled out | i = E\[¼x⁴σσ̄(1−2σ)²\] − E\[½x³σσ̄(1−2σ)\]²/c̄ |
/// | choices that find a spread ([`nearest`](Self::nearest)) | tends to n = λ/(v²·i) as v → 0 |
/// | people that show it ([`people`](Self::people)) | tends to G = λ/(v²·½T(T−1)·c̄²) as v → 0, T choices each |
///
/// λ is [`PowerTarget::noncentrality`]. The limits promise too much where v is not small: for s = 3 and cv = 1 the first
/// is 56 choices, and the likelihood ratio needs 437; for s = 2, T = 20 and cv = 0.5 the second is 9 people, and the test
/// between them needs 28.
///
/// Of normal margins integrals have an error near 1e-14 relative; of data, c̄ and i are exact, and everything else comes
/// from sizes in bins of width 1/16 in the logarithm, 1e-3 relative.
///
/// ```
/// use prefstrength_learn::{Design, LearnError, PowerTarget, Explanation, Truth};
/// let design = Design::normal(3.0)?; // βD has a standard deviation of 3
/// let target = PowerTarget::default();
/// let flips = Truth::Lapse(0.1);
/// // A tenth of the labels flipped: soon seen as something, …
/// let plain = design.nearest(flips, Explanation::Plain)?;
/// assert!((plain.choices(&target) - 357.0).abs() < 1.0);
/// // … and not as what it is: for long it looks like a spread of β.
/// let spread = design.nearest(flips, Explanation::Spread)?;
/// assert!(spread.choices(&target) > 4477.0 && (spread.cv - 0.94).abs() < 0.01);
/// # Ok::<(), LearnError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Design {
    /// Sizes |x| > 0 and their shares, which add up to 1 less that of x = 0.
    nodes: Vec<(f64, f64)>,
    size: f64,
    of_ln_mean: f64,
    of_v: f64,
    /// Of data, where x is that of the fit of plain DPO, and not that of the truth.
    data: Option<Data>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Data {
    mean: f64,
    number: usize,
    weight: f64,
}

impl Design {
    /// Normal margins around 0, with a standard deviation of x.
    ///
    /// # Errors
    /// [`LearnError::Design`] unless 0.05 ≤ size ≤ 100.
    pub fn normal(size: f64) -> Result<Self, LearnError> {
        if !(0.05..=100.0).contains(&size) {
            return Err(LearnError::Design("the size of the margins must lie from 0.05 to 100"));
        }
        let c = size.min(1.0);
        let number = ((REACH * size / c).asinh() / STEP).ceil() as u32;
        let node = |j: u32| {
            // Even in t: both halves at once, midpoints.
            let t = STEP * (f64::from(j) + 0.5);
            let (x, z) = (c * t.sinh(), c * t.sinh() / size);
            let density = (-0.5 * z * z).exp() / (size * (2.0 * core::f64::consts::PI).sqrt());
            (x, 2.0 * STEP * c * t.cosh() * density)
        };
        let nodes: Vec<_> = (0..number).map(node).collect();
        let mut sums = Sums::default();
        nodes.iter().for_each(|&(x, w)| sums.add(x, w));
        let (of_ln_mean, of_v) = sums.information(1.0).ok_or(LearnError::OneSize)?;
        Ok(Self { nodes, size, of_ln_mean, of_v, data: None })
    }

    /// Those of data: x at the fit of plain DPO, in three passes or so. A [`Truth`] is then one whose choices plain DPO
    /// would fit with the same E\[β\].
    ///
    /// # Errors
    /// Those of [`fit`](crate::fit()) of `Fixed`; [`LearnError::OneSize`] where the margins tell nothing of a spread.
    ///
    /// ```
    /// use prefstrength_learn::{Design, LearnError, PowerTarget};
    /// let margins: Vec<f64> = (1..4000).map(|i| f64::from(i % 40) * if i % 4 < 3 { 0.1 } else { -0.1 }).collect();
    /// let design = Design::of_margins(&margins[..])?;
    /// let cv = design.cv_of_choices(margins.len() as f64, &PowerTarget::default())?;
    /// println!("a cv of {cv:?} would be found with 80 %");
    /// assert!(cv.is_some_and(|cv| cv > 0.5));
    /// # Ok::<(), LearnError>(())
    /// ```
    pub fn of_margins(mut margins: impl Margins) -> Result<Self, LearnError> {
        let plain = fit(Family::Fixed, &mut margins, &Options::default())?;
        let mean = plain.strength.mean();
        let mut bins: BTreeMap<i32, [f64; 2]> = BTreeMap::new();
        let (mut sums, mut squares) = (Sums::default(), 0.0);
        let mut first = 0;
        margins.for_each(&mut |margins, weights| {
            visit_elements(first, margins, weights, |_, d, w| {
                let x = (mean * d).abs();
                if x > 0.0 {
                    let bin = (x.ln().clamp(-FAR, FAR) * BINS).floor() as i32;
                    let [sum, weight] = bins.entry(bin).or_default();
                    *sum += w * x.min(FAR.exp());
                    *weight += w;
                    sums.add(x, w);
                    squares += w / plain.weight * x * x;
                }
            })?;
            first += margins.len();
            Ok(())
        })?;
        let nodes = bins.into_values().map(|[sum, weight]| (sum / weight, weight / plain.weight)).collect();
        let (of_ln_mean, of_v) = sums.information(plain.weight).ok_or(LearnError::OneSize)?;
        let data = Data { mean, number: plain.number, weight: plain.weight };
        Ok(Self { nodes, size: squares.sqrt(), of_ln_mean, of_v, data: Some(data) })
    }

    /// s: the standard deviation of x, of data the root mean square.
    #[must_use]
    pub fn size(&self) -> f64 {
        self.size
    }

    /// E\[β\] of plain DPO, of data.
    #[must_use]
    pub fn mean(&self) -> Option<f64> {
        self.data.map(|data| data.mean)
    }

    /// How many margins there are, of data.
    #[must_use]
    pub fn number(&self) -> Option<usize> {
        self.data.map(|data| data.number)
    }

    /// Their total weight, which counts as sample size.
    #[must_use]
    pub fn weight(&self) -> Option<f64> {
        self.data.map(|data| data.weight)
    }

    /// c̄: the information of a choice about ln E\[β\], at v = 0.
    #[must_use]
    pub fn information_of_ln_mean(&self) -> f64 {
        self.of_ln_mean
    }

    /// i: that about v, at v = 0, with ln E\[β\] profiled out.
    #[must_use]
    pub fn information_of_v(&self) -> f64 {
        self.of_v
    }

    /// The model of a kind that comes closest to the truth, in Kullback–Leibler divergence.
    ///
    /// # Errors
    /// [`LearnError::Design`] outside the domain of [`Truth`], and where no such truth agrees with the fit of plain DPO
    /// to the data.
    pub fn nearest(&self, truth: Truth, rival: Explanation) -> Result<Nearest, LearnError> {
        let truth = self.anchor(truth.check()?)?;
        self.nearest_to(&self.against(&truth), truth.ln_mean, rival)
    }

    /// The smallest cv of a Gamma spread that a likelihood ratio finds with so many choices; `None` where it takes more
    /// than 10. Of a fit of plain DPO to `n` choices it is the bound of what the data could have shown.
    ///
    /// # Errors
    /// [`LearnError::Design`] unless 0 < choices < ∞.
    pub fn cv_of_choices(&self, choices: f64, target: &PowerTarget) -> Result<Option<f64>, LearnError> {
        if !(choices > 0.0 && choices < f64::INFINITY) {
            return Err(LearnError::Design("the number of choices must be positive"));
        }
        let enough = |cv: f64| {
            self.nearest(Truth::Spread(cv), Explanation::Plain).map(|plain| plain.choices(target) <= choices)
        };
        least_cv(enough)
    }

    /// How many people it takes for the test between them to find that each has a β of their own, of a Gamma
    /// distribution of this cv. `each` is how many choices a person makes; where they differ in that, a list over which
    /// people are spread evenly.
    ///
    /// Of U = Σ X_t X_t' over the pairs of choices of a person, X = D(y − σ), the test has the variance without spread,
    /// T(T−1)/2·c̄². Where there is one, U has the mean T(T−1)/2·E\[g²\], g = E\[X | β\], and a larger variance, in
    /// which the people themselves are drawn: both count, so that G = ((z₁₋ₗₑᵥₑₗ·σ₀ + z_power·σ₁)/mean)². The normal
    /// approximation wants ten people or more ([`GROUPS`](crate::limits::GROUPS)), and so do the tests.
    /// Of 1000 simulated studies with so many people 76 to 84 % found the spread, for s = 1 to 6, T = 5 to 20 and
    /// cv = 0.3 to 1.
    ///
    /// Infinite where nobody chooses twice.
    ///
    /// # Errors
    /// [`LearnError::Design`] unless cv is from 0.01 to 10, and for numbers of choices that are none, 0, or more than
    /// 10⁹.
    ///
    /// ```
    /// use prefstrength_learn::{Design, LearnError, PowerTarget};
    /// let design = Design::normal(2.0)?;
    /// let people = design.people(0.3, &[20], &PowerTarget::default())?;
    /// assert!(people > 69.0 && people < 130.0); // 69: the limit of small spreads
    /// # Ok::<(), LearnError>(())
    /// ```
    pub fn people(&self, cv: f64, each: &[usize], target: &PowerTarget) -> Result<f64, LearnError> {
        self.people_of(cv, &Choosers::of(each)?, target)
    }

    /// The smallest cv of people that the test between them finds, of as many people as `each` has places; `None` where
    /// it takes more than 10, or a spread is not found however large it is.
    ///
    /// # Errors
    /// As [`people`](Self::people).
    pub fn cv_of_people(&self, each: &[usize], target: &PowerTarget) -> Result<Option<f64>, LearnError> {
        let choosers = Choosers::of(each)?;
        least_cv(|cv| Ok(self.people_of(cv, &choosers, target)? <= choosers.number))
    }

    fn people_of(&self, cv: f64, each: &Choosers, target: &PowerTarget) -> Result<f64, LearnError> {
        let truth = self.anchor(Truth::Spread(cv).check()?)?;
        let plain = self.nearest_to(&self.against(&truth), truth.ln_mean, Explanation::Plain)?;
        let strength = truth.strength()?;
        let fitted = plain.mean * truth.ln_mean.exp();
        let plainly = |&(x, w): &(f64, f64)| [x, w, sigmoid(fitted * x), sigmoid(-fitted * x)];
        let plainly: Vec<[f64; 4]> = self.nodes.iter().map(plainly).collect();
        let null: f64 = plainly.iter().map(|&[x, w, with, against]| w * x * x * with * against).sum();
        // E over β of g², g⁴, τ⁴ and g²τ², τ² = Var(X | β).
        let mut moments = [0.0; 4];
        for j in 0..PLACES {
            // Midpoints in t of p = t³(10 − 15t + 6t²), which flattens the ends.
            let t = (f64::from(j) + 0.5) / f64::from(PLACES);
            let p = t * t * t * (10.0 - 15.0 * t + 6.0 * t * t);
            let share = 30.0 * (t * (1.0 - t)).powi(2) / f64::from(PLACES);
            let beta = strength.quantile(p);
            let (mut g, mut square) = (0.0, 0.0);
            for &[x, w, with, against] in &plainly {
                let (own, other) = (sigmoid(beta * x), sigmoid(-beta * x));
                g += w * x * (against - other);
                square += w * x * x * (own * against * against + other * with * with);
            }
            let (g2, tau2) = (g * g, square - g * g);
            for (sum, term) in moments.iter_mut().zip([g2, g2 * g2, tau2 * tau2, g2 * tau2]) {
                *sum += share * term;
            }
        }
        let [g2, g4, tau4, g2_tau2] = moments;
        let (mean, of_null) = (each.pairs * g2, null * each.pairs.sqrt());
        let variance = each.pairs * (tau4 + 2.0 * g2_tau2)
            + each.triples * g2_tau2
            + each.squared_pairs * (g4 - g2 * g2).max(0.0);
        let root = (target.z_level * of_null + target.z_power * variance.sqrt()) / mean;
        let people = each.number * (root * root);
        Ok(if people.is_nan() { f64::INFINITY } else { people })
    }

    /// P of the choice against the margin at every node, which is at most ½, and its logarithm.
    fn against(&self, model: &Model) -> Vec<(f64, f64)> {
        let at = |&(x, _): &(f64, f64)| {
            let against = model.against(x);
            (against.value, against.ln)
        };
        self.nodes.iter().map(at).collect()
    }

    /// The truth, with the mean that plain DPO fits as 1 where x is that of a fit.
    fn anchor(&self, truth: Truth) -> Result<Model, LearnError> {
        if self.data.is_none() {
            return Ok(truth.model(0.0));
        }
        // The equation of plain DPO at its fit: E x(P − σ(x)) = 0, and rising with the mean.
        let excess = |ln_mean: f64| {
            let model = truth.model(ln_mean);
            let term = |&(x, w): &(f64, f64)| w * x * (sigmoid(-x) - model.against(x).value);
            self.nodes.iter().map(term).sum::<f64>()
        };
        let (mut low, mut high) = (-5.0, 20.0);
        if excess(low) > 0.0 || excess(high) < 0.0 {
            return Err(LearnError::Design("plain DPO fits the data better than it would with such choices"));
        }
        while high - low > 1e-9 {
            let middle = 0.5 * (low + high);
            if excess(middle) < 0.0 { low = middle } else { high = middle }
        }
        Ok(truth.model(0.5 * (low + high)))
    }

    fn nearest_to(
        &self,
        truth: &[(f64, f64)],
        ln_mean: f64,
        rival: Explanation,
    ) -> Result<Nearest, LearnError> {
        let starts: &[Model] = &match rival {
            Explanation::Plain => [0.0; 3].map(|_| Model { ln_mean, v: 0.0, lapse: 0.0 }),
            Explanation::Spread => [0.02, 0.3, 2.0].map(|v| Model { ln_mean, v, lapse: 0.0 }),
            Explanation::Lapse => [0.003, 0.03, 0.2].map(|lapse| Model { ln_mean, v: 0.0, lapse }),
        };
        let starts = if rival == Explanation::Plain { &starts[..1] } else { starts };
        let ends = starts.iter().map(|start| self.descend(truth, *start, rival));
        let (divergence, best) = ends
            .reduce(|a, b| if b.0 < a.0 { b } else { a })
            .filter(|(divergence, _)| divergence.is_finite())
            .ok_or(LearnError::Design("no model of this kind comes close"))?;
        Ok(Nearest {
            divergence,
            variance: self.variance(truth, &best, divergence),
            mean: (best.ln_mean - ln_mean).exp(),
            cv: best.v.sqrt(),
            lapse: best.lapse,
        })
    }

    /// Fisher's scoring, damped, from a start.
    fn descend(&self, truth: &[(f64, f64)], start: Model, rival: Explanation) -> (f64, Model) {
        let mut now = start;
        let mut at = self.divergence(truth, &now, rival);
        let mut damping = 0.0;
        for _ in 0..200 {
            let Divergence { value, slope: [a, b], information: [aa, ab, bb] } = at;
            let (aa, bb) = (aa * (1.0 + damping), bb * (1.0 + damping));
            let determinant = aa * bb - ab * ab;
            let steps = if rival != Explanation::Plain && determinant > 1e-12 * aa * bb {
                [(bb * a - ab * b) / determinant, (aa * b - ab * a) / determinant]
            } else {
                [a / aa, 0.0]
            };
            let mut next = now;
            next.ln_mean -= steps[0].clamp(-2.0, 2.0);
            match rival {
                Explanation::Plain => {}
                Explanation::Spread => {
                    next.v = (now.v - steps[1]).clamp(0.1 * now.v, LARGEST_V.min(10.0 * now.v))
                }
                Explanation::Lapse => {
                    next.lapse = (now.lapse - steps[1]).clamp(0.1 * now.lapse, LARGEST_LAPSE)
                }
            }
            let there = self.divergence(truth, &next, rival);
            if there.value <= value {
                let done = value - there.value <= 1e-13 * value;
                (now, at) = (next, there);
                damping = if damping > 1e-3 { 0.1 * damping } else { 0.0 };
                if done {
                    break;
                }
            } else {
                damping = if damping == 0.0 { 1e-3 } else { 8.0 * damping };
                if damping > 1e12 {
                    break;
                }
            }
        }
        (at.value, now)
    }

    /// Of the gain in log-likelihood, whose mean is `divergence`.
    fn variance(&self, truth: &[(f64, f64)], model: &Model, divergence: f64) -> f64 {
        let term = |(&(x, w), &(p, ln_p)): (&(f64, f64), &(f64, f64))| {
            let Against { value: q, ln: ln_q, .. } = model.against(x);
            let against = if p == 0.0 { 0.0 } else { ln_ratio(p, q).unwrap_or(ln_p - ln_q) };
            // Both are at least ½.
            let with = ((q - p) / (1.0 - q)).ln_1p();
            w * (p * against * against + (1.0 - p) * with * with)
        };
        let square: f64 = self.nodes.iter().zip(truth).map(term).sum();
        (square - divergence * divergence).max(0.0)
    }

    fn divergence(&self, truth: &[(f64, f64)], model: &Model, rival: Explanation) -> Divergence {
        let mut sum = Divergence::default();
        for (&(x, w), &(p, ln_p)) in self.nodes.iter().zip(truth) {
            let Against { value: q, ln: ln_q, slopes: [a, of_v, of_lapse] } = model.against(x);
            let b = if rival == Explanation::Lapse { of_lapse } else { of_v };
            // Both outcomes: p·h(q/p − 1) + …, h(u) = u − ln(1 + u) ≥ 0, in which nothing cancels.
            let difference = q - p;
            let with = (1.0 - p) * excess(-difference / (1.0 - p));
            let against = match p {
                0.0 => q,
                _ if difference.abs() < 0.5 * p => p * excess(difference / p),
                _ => difference + p * (ln_p - ln_q),
            };
            sum.value += w * (with + against);
            let slope = w * difference / (1.0 - q);
            sum.slope[0] += slope * a;
            sum.slope[1] += slope * b;
            let weight = w * q / (1.0 - q);
            for (sum, term) in sum.information.iter_mut().zip([a * a, a * b, b * b]) {
                *sum += if weight > 0.0 { weight * term } else { 0.0 };
            }
        }
        sum
    }
}

/// ln(p/q), if p and q are alike.
fn ln_ratio(p: f64, q: f64) -> Option<f64> {
    let u = (p - q) / q;
    (u.abs() < 0.5).then(|| u.ln_1p())
}

/// u − ln(1 + u).
fn excess(u: f64) -> f64 {
    if u.abs() < 1e-3 {
        u * u * (0.5 - u * (1.0 / 3.0 - u * (0.25 - u * (0.2 - u / 6.0))))
    } else {
        u - u.ln_1p()
    }
}

/// The least cv that is enough, of a grid and then to 1e-6.
fn least_cv(enough: impl Fn(f64) -> Result<bool, LearnError>) -> Result<Option<f64>, LearnError> {
    let (mut low, most) = CVS.into_inner();
    let mut high = low;
    while !enough(high)? {
        if high >= most {
            return Ok(None);
        }
        (low, high) = (high, most.min(high * STRIDE));
    }
    while high > low * (1.0 + 1e-6) {
        let middle = (low * high).sqrt();
        if enough(middle)? { high = middle } else { low = middle }
    }
    Ok(Some(high))
}

/// Sums over people with T choices each: of T(T−1)/2, T(T−1)(T−2) and (T(T−1)/2)².
struct Choosers {
    number: f64,
    pairs: f64,
    triples: f64,
    squared_pairs: f64,
}

impl Choosers {
    fn of(each: &[usize]) -> Result<Self, LearnError> {
        let mut sums = Self { number: each.len() as f64, pairs: 0.0, triples: 0.0, squared_pairs: 0.0 };
        for &t in each {
            if !(1..=1_000_000_000).contains(&t) {
                return Err(LearnError::Design("a person must make from 1 to a billion choices"));
            }
            let t = t as f64;
            let pairs = 0.5 * t * (t - 1.0);
            sums.pairs += pairs;
            sums.triples += 2.0 * pairs * (t - 2.0);
            sums.squared_pairs += pairs * pairs;
        }
        if each.is_empty() {
            return Err(LearnError::Design("there must be people"));
        }
        Ok(sums)
    }
}

/// KL divergence, its gradient in ln mean and in v or ε, and the expected information there.
#[derive(Default)]
struct Divergence {
    value: f64,
    slope: [f64; 2],
    information: [f64; 3],
}

/// ε + (1 − 2ε)E\[σ(βx)\], β Gamma.
#[derive(Clone, Copy)]
struct Model {
    ln_mean: f64,
    v: f64,
    lapse: f64,
}

/// The chance of a choice against the margin, its logarithm, and the derivatives of that in ln mean, v and ε.
struct Against {
    value: f64,
    ln: f64,
    slopes: [f64; 3],
}

impl Model {
    fn strength(&self) -> Result<AnyStrength, LearnError> {
        Ok(AnyStrength::from_mean_v(Family::Gamma, self.ln_mean.exp(), self.v)?)
    }

    /// NaN outside the family.
    fn against(&self, x: f64) -> Against {
        let Ok(strength) = self.strength() else {
            return Against { value: f64::NAN, ln: f64::NAN, slopes: [0.0; 3] };
        };
        let loss = strength.nll_gradient_in(-x, Coordinates::LnMeanV);
        let [d_ln_mean, d_v] = loss.d_params;
        let g = (-loss.value).exp();
        if self.lapse == 0.0 {
            // Also where g underflows.
            return Against { value: g, ln: -loss.value, slopes: [-d_ln_mean, -d_v, loss.value.exp() - 2.0] };
        }
        let part = 1.0 - 2.0 * self.lapse;
        let value = self.lapse + part * g;
        let share = part * g / value;
        let slopes = [-share * d_ln_mean, -share * d_v, (1.0 - 2.0 * g) / value];
        Against { value, ln: value.ln(), slopes }
    }
}

/// Sums of σσ̄(aa, ab, bb), a = x, b = ½x²(1 − 2σ): information about (ln mean, v) at v = 0.
#[derive(Default)]
struct Sums([f64; 3]);

impl Sums {
    fn add(&mut self, x: f64, w: f64) {
        let (p, q) = (sigmoid(x), sigmoid(-x));
        if x < 700.0 {
            let (a, b) = (x, 0.5 * x * x * (q - p));
            for (sum, term) in self.0.iter_mut().zip([a * a, a * b, b * b]) {
                *sum += w * p * q * term;
            }
        }
    }

    /// c̄ and i.
    fn information(&self, weight: f64) -> Option<(f64, f64)> {
        let [aa, ab, bb] = self.0.map(|x| x / weight);
        let left = bb - ab * (ab / aa);
        (left > 1e-12 * bb && left.is_finite()).then_some((aa, left))
    }
}
