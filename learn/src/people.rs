//! One β per person: panel fits of margins and of pairs.

use crate::cholesky::Cholesky;
use crate::compare::Fitted;
use crate::covariance::{Covariance, Variance};
use crate::data::pairs::Pairs;
use crate::descent::{Baseline, Solution, classify, find_minima, least, least_gain};
use crate::error::LearnError;
use crate::limits::GROUPS;
use crate::model::Model;
use crate::objective::pairs::{WeightedPairs, scale};
use crate::objective::panel::{PanelLoss, PersonChoices, PersonRows};
use crate::objective::point::{epsilon_at, join};
use crate::options::Options;
use crate::status::FitStatus;
use crate::train::{Trained, start_at, train, trained_errors};
use prefstrength::{AnyStrength, Family, ParamError};

/// Starts of s, and of r beside it.
const SPREADS: [f64; 2] = [0.3, 0.9];
const LAPSE: f64 = 0.3;

/// Pairs, person after person.
pub(crate) struct PairPersons {
    features: Vec<f64>,
    dim: usize,
    ends: Vec<usize>,
    weights: Option<Vec<f64>>,
    persons: Vec<u32>,
}

impl PairPersons {
    /// Brings the choices of each group together, in the order of their ids, then of their rows.
    ///
    /// # Errors
    /// [`LearnError::NoGroups`], and [`LearnError::PersonWeight`] where choices of one person that count have several
    /// weights.
    pub(crate) fn new(data: &WeightedPairs<'_>) -> Result<Self, LearnError> {
        let pairs = data.pairs;
        let groups = pairs.groups().ok_or(LearnError::NoGroups)?;
        let mut order: Vec<usize> = (0..pairs.len()).filter(|&i| data.weight(i) > 0.0).collect();
        order.sort_by_key(|&i| groups[i]);
        let mut all = Self {
            features: Vec::with_capacity(order.len() * pairs.dim()),
            dim: pairs.dim(),
            ends: Vec::new(),
            weights: data.weights().map(|_| Vec::new()),
            persons: Vec::new(),
        };
        for person in order.chunk_by(|&a, &b| groups[a] == groups[b]) {
            let weight = data.weight(person[0]);
            if let Some(&index) = person.iter().find(|&&i| data.weight(i) != weight) {
                return Err(LearnError::PersonWeight { index });
            }
            for &i in person {
                all.features.extend_from_slice(pairs.block(i..i + 1));
            }
            all.persons.push(groups[person[0]]);
            all.weights.iter_mut().for_each(|weights| weights.push(weight));
            all.ends.push(all.features.len() / all.dim);
        }
        Ok(all)
    }
}

impl PersonRows for PairPersons {
    fn dim(&self) -> usize {
        self.dim
    }

    fn for_each_block(
        &mut self,
        take: &mut dyn FnMut(&PersonChoices<'_>) -> Result<(), LearnError>,
    ) -> Result<(), LearnError> {
        take(&PersonChoices {
            features: &self.features,
            ends: &self.ends,
            weights: self.weights.as_deref(),
            persons: &self.persons,
        })
    }
}

/// Choices of persons that have been looked through.
pub(crate) struct Paneling<'a, R> {
    pub(crate) rows: R,
    options: &'a Options,
    /// 1/τ².
    prior: f64,
    metric: Cholesky,
    sizes: Vec<f64>,
    /// How many choices, their weight, and how many persons.
    number: usize,
    weight: f64,
    pub(crate) persons: usize,
}

impl<'a, R: PersonRows> Paneling<'a, R> {
    /// The first pass.
    pub(crate) fn new(mut rows: R, options: &'a Options) -> Result<Self, LearnError> {
        let prior = options.check()?;
        let d = rows.dim();
        let (mut lower, mut squares) = (vec![0.0; d * d], vec![0.0; d]);
        let (mut number, mut weight, mut persons) = (0, 0.0, 0);
        rows.for_each_block(&mut |block| {
            let mut start = 0;
            for (p, &end) in block.ends.iter().enumerate() {
                let w = block.weights.map_or(1.0, |w| w[p]);
                for f in block.features[start * d..end * d].chunks_exact(d) {
                    crate::cholesky::add_outer(&mut lower, 0.25 * w, f);
                    squares.iter_mut().zip(f).for_each(|(sum, f)| *sum += f * f);
                }
                weight += w * (end - start) as f64;
                start = end;
            }
            number += start;
            persons += block.ends.len();
            Ok(())
        })?;
        if number == 0 {
            return Err(LearnError::NoMargins);
        }
        for i in 0..d {
            lower[i * d + i] += options.ridge;
        }
        let metric = Cholesky::new(lower, d).map_err(|feature| LearnError::Collinear { feature })?;
        let sizes = squares.iter().map(|sum| (sum / number as f64).sqrt()).collect();
        Ok(Self { rows, options, prior, metric, sizes, number, weight, persons })
    }

    fn loss(&mut self, model: Model, reference: f64) -> PanelLoss<'_, R> {
        PanelLoss {
            rows: &mut self.rows,
            model,
            ridge: self.options.ridge,
            prior: self.prior,
            metric: &self.metric,
            sizes: &self.sizes,
            number: self.number,
            reference,
        }
    }

    /// A model with one β per person, above plain DPO and the models of persons that it contains.
    pub(crate) fn fit(
        &mut self,
        model: Model,
        fixed: &Trained,
        nested: &[&Trained],
    ) -> Result<Trained, LearnError> {
        let (cap, limit) = (self.options.max_cv.asinh(), self.options.max_iterations);
        let starts: Vec<Vec<f64>> = if nested.is_empty() {
            let r = if model.lapse { LAPSE } else { 0.0 };
            // Flipped labels flatten the curve by 1 − 2ε next to 0.
            let steeper = 1.0 / (1.0 - 2.0 * epsilon_at(r));
            SPREADS.iter().map(|&s| join(scale(&fixed.w, steeper), [0.0, r, s.min(0.9 * cap)])).collect()
        } else {
            nested.iter().map(|trained| start_at(model, trained, cap)).collect()
        };
        let size = self.metric.square(&fixed.w).sqrt();
        let mut loss = self.loss(model, size);
        let solutions = find_minima(&mut loss, starts, cap, limit)?;
        let best = least(solutions).ok_or(ParamError::MeanOutOfRange)?;
        let value = |trained: &Trained| trained.log_likelihood - trained.penalty;
        let smaller = nested.iter().filter(|trained| trained.is_maximum());
        let smaller = smaller.reduce(|a, b| if value(b) > value(a) { b } else { a });
        if let Some(smaller) = smaller.filter(|other| -best.point.value - value(other) <= least_gain(&best)) {
            return Ok(Trained { model, status: FitStatus::Boundary, ..(**smaller).clone() });
        }
        // At v = 0 a panel is plain DPO; whether it falls there is asked of the panel.
        let at_zero = join(fixed.w.iter().copied(), [0.0; 3]);
        let zero = crate::objective::point::Objective::evaluate(&mut loss, at_zero)?;
        let baseline = Baseline {
            value: -value(fixed),
            is_maximum: fixed.is_maximum(),
            falling: zero.is_none_or(|point| point.d_v >= 0.0),
        };
        match classify(&best, Some(&baseline), model.shapes()) {
            status @ FitStatus::Boundary => {
                let strength = AnyStrength::from_mean_v(model.family, 1.0, 0.0)?;
                Ok(Trained { model, status, strength, ..fixed.clone() })
            }
            status => self.finish(model, status, &best),
        }
    }

    fn finish(&mut self, model: Model, status: FitStatus, found: &Solution) -> Result<Trained, LearnError> {
        let point = &found.point;
        let (number, weight, persons) = (self.number, self.weight, self.persons);
        let outer = self.loss(model, 0.0).outer(point, &found.free)?.filter(|_| persons >= GROUPS);
        let covariance = Covariance::new(found, outer);
        Ok(Trained {
            model,
            status,
            strength: AnyStrength::from_mean_v(model.family, 1.0, point.v())?,
            lapse: point.epsilon(),
            curvature: 1.0,
            w: scale(point.scale(), point.s().cosh()),
            log_likelihood: -point.nll,
            penalty: point.value - point.nll,
            errors: trained_errors(status, &covariance, Variance::Observed),
            robust: trained_errors(status, &covariance, Variance::Robust),
            robust_units: Some(persons),
            gradient: found.gradient,
            iterations: found.iterations,
            number,
            weight,
        })
    }
}

/// [`train`] where each group is a person with one β: pairs have groups.
pub fn train_people(
    model: impl Into<Model>,
    pairs: &Pairs,
    options: &Options,
) -> Result<Trained, LearnError> {
    let model = model.into();
    if model.curvature || !model.has_spread() {
        return Err(LearnError::Model);
    }
    let rows = PairPersons::new(&WeightedPairs::new(pairs, None))?;
    let fixed = train(Family::Fixed, pairs, options)?;
    Paneling::new(rows, options)?.fit(model.per_person(), &fixed, &[])
}
