//! The estimators of this crate as a step of training calls them: parameters and scores in, construction
//! included, losses and ∂/∂margin as rows, parameter gradients as sums.

use crate::alternatives::{Number, normals};
use prefstrength::LogNormal;
use prefstrength::batch::{self, Batch, Rows};
use prefstrength::sampling::{MonteCarlo, PointSet, SamplingError};

const DRAWS: usize = 16;

/// Of margins, losses and ∂/∂margin. Returns Σ∂/∂μ and Σ∂/∂σ.
pub(crate) type Estimator<T> = Box<dyn Fn(&[T], &mut [T], &mut [T]) -> [f64; 2]>;

/// By name, for batches of `pairs`. Shared draws are those of the alternatives.
pub(crate) fn estimators<T: Number + batch::Number>(
    (mu, sigma): (f64, f64),
    pairs: usize,
) -> [(&'static str, Estimator<T>); 3] {
    let beta = LogNormal::from_mu_sigma(T::of(mu), T::of(sigma)).expect("valid");
    let scores = |n: usize| -> Vec<T> { normals().take(n).map(T::of).collect() };
    let (shared, own) = (scores(DRAWS), scores(DRAWS * pairs));
    let [mut nodes, mut weights] = [[T::zero(); DRAWS]; 2];
    PointSet::GaussHermite.scores(&[], &mut nodes).expect("few nodes");
    PointSet::GaussHermite.weights(&mut weights).expect("few nodes");
    [
        (
            "monte_carlo-shared16",
            Box::new(move |m, l, d| evaluate(MonteCarlo::lognormal(&beta, &shared), m, l, d)),
        ),
        (
            "monte_carlo-per_pair16",
            Box::new(move |m, l, d| evaluate(MonteCarlo::lognormal_per_pair(&beta, DRAWS, &own), m, l, d)),
        ),
        (
            "monte_carlo-hermite16",
            Box::new(move |m, l, d| {
                let unweighted = MonteCarlo::lognormal(&beta, &nodes);
                evaluate(unweighted.and_then(|estimator| estimator.weights(&weights)), m, l, d)
            }),
        ),
    ]
}

fn evaluate<T: batch::Number>(
    estimator: Result<MonteCarlo<'_, T>, SamplingError>,
    margins: &[T],
    nll: &mut [T],
    d_margin: &mut [T],
) -> [f64; 2] {
    let rows = Rows::new().nll(nll).d_margin(d_margin);
    let sums = estimator.expect("finite scores").evaluate(&Batch::new(margins), rows);
    sums.expect("equal lengths").d_params
}
