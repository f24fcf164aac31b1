//! Which of two models, neither part of the other, is closer to the data.

use crate::compare::{Fitted, Rival};
use crate::data::places::Places;
use crate::model::Model;
use prefstrength::Family;

/// Differences of losses between the best model and others, summed within units that are independent of each other:
/// groups, or choices.
pub(crate) struct Differences {
    places: Places,
    /// As many numbers for every group as there are others.
    groups: Vec<f64>,
    sums: Vec<f64>,
    squares: Vec<f64>,
    weight: f64,
}

impl Differences {
    /// From so many others.
    pub(crate) fn new(others: usize) -> Self {
        let zeros = || vec![0.0; others];
        Self { places: Places::default(), groups: Vec::new(), sums: zeros(), squares: zeros(), weight: 0.0 }
    }

    /// One choice: its loss under the best model, and under the others. A weight counts as repetition.
    pub(crate) fn add(
        &mut self,
        group: Option<u32>,
        weight: f64,
        best: f64,
        others: impl Iterator<Item = f64>,
    ) {
        match group {
            Some(group) => {
                let (n, place) = (self.sums.len(), self.places.place(group));
                self.groups.resize(n * self.places.number(), 0.0);
                let sums = &mut self.groups[n * place..n * (place + 1)];
                sums.iter_mut().zip(others).for_each(|(sum, other)| *sum += weight * (other - best));
            }
            None => {
                self.weight += weight;
                for ((sum, square), other) in self.sums.iter_mut().zip(&mut self.squares).zip(others) {
                    *sum += weight * (other - best);
                    *square += weight * (other - best).powi(2);
                }
            }
        }
    }

    /// z of each: Σd/√Σ(d − d̄)², positive where the best is closer. `None` without variation.
    pub(crate) fn finish(mut self) -> Vec<Option<f64>> {
        for sums in self.groups.chunks_exact(self.sums.len().max(1)) {
            self.weight += 1.0;
            for ((sum, square), d) in self.sums.iter_mut().zip(&mut self.squares).zip(sums) {
                *sum += d;
                *square += d * d;
            }
        }
        let z = |(sum, square): (&f64, &f64)| {
            let variance = square - sum * sum / self.weight;
            let z = sum / variance.sqrt();
            // Models that say the same differ by rounding.
            (variance > 1e-16 * square && *square > 1e-20 && z.is_finite()).then_some(z)
        };
        self.sums.iter().zip(&self.squares).map(z).collect()
    }
}

/// The models that have a maximum of their own, each once, the one with the least AIC first.
pub(crate) fn rank<'a, F: Fitted>(models: impl Iterator<Item = &'a F>) -> Vec<&'a F> {
    let charge = |fit: &F| 2.0 * (fit.parameter_count() as f64 + fit.penalty() - fit.log_likelihood());
    let mut ranked: Vec<&F> = models.filter(|fit| fit.has_own_maximum()).collect();
    ranked.sort_by(|a, b| charge(a).total_cmp(&charge(b)));
    ranked
}

/// What the others are worth beside the first.
pub(crate) fn rivals<F: Fitted>(ranked: &[&F], z: Vec<Option<f64>>) -> Vec<Rival> {
    let Some((best, others)) = ranked.split_first() else { return Vec::new() };
    let value = |fit: &F| fit.log_likelihood() - fit.penalty();
    let rival = |(fit, z): (&&F, Option<f64>)| Rival {
        model: fit.model(),
        worse: value(best) - value(fit),
        aic: 2.0 * (value(best) - value(fit))
            + 2.0 * (fit.parameter_count() as f64 - best.parameter_count() as f64),
        // Of a model that is part of the other the difference has another distribution.
        vuong_z: z.filter(|_| !contains(best.model(), fit.model()) && !contains(fit.model(), best.model())),
    };
    others.iter().zip(z).map(rival).collect()
}

/// Whether the second is the first with something held.
fn contains(large: Model, small: Model) -> bool {
    let family = small.family == large.family || small.family == Family::Fixed;
    family && (large.lapse || !small.lapse) && (large.curvature || !small.curvature)
}
