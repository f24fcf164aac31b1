//! Learning p(β), the distribution of the strength of preference, beside a policy or from margins that it gives; and
//! telling whether its spread is real.
//!
//! The loss of a preference pair with margin D is −ln E\[σ(βD)\], by the crate [`prefstrength`]; this crate is what
//! stands on top of it. Without spread, v = cv² = 0, the loss is plain DPO.
//!
//! | way in | for |
//! | --- | --- |
//! | [`StrengthParams`] | p(β) as two numbers that any optimiser trains beside the policy |
//! | [`LapseParams`] | the chance of a flipped label, trained beside it |
//! | [`train()`], [`train_all`] | a linear policy and p(β) together, by maximum likelihood |
//! | [`cross_validate`] | whether a spread also predicts pairs that were not learned from |
//! | [`fit()`] | the maximum-likelihood p(β) for margins at hand, in memory or streamed |
//! | [`heterogeneity`] | all families, a score test, likelihood ratios, and the verdict in words |
//! | [`SoftLabels`] | labels that are probabilities, in any of these |
//! | [`Davidson`], [`fit_ties`] | plain DPO where choices may end in a tie |
//! | [`LossSums`] | loss and gradient over margins that lie on several workers: they add up |
//! | [`Calibration`] | predicted against observed choices, by the size of the margin |
//! | [`Choices`] | score tests: of people, items, curvature and position, and of a spread beyond label noise |
//! | [`Design`] | how many choices or people it takes to find a spread, or to tell it from label noise |
//! | [`Ratio`] | what one feature is worth in units of another, with Fieller's interval |
//! | [`ByGroup`] | margins, accuracy, likelihood and posterior strength by group: who decides strongly, who weakly |
//! | [`Extremes`] | how many margins lie far beyond the usual ones, and the fit without them |
//! | [`TotalWeight`] | weights that are no sample size |
//!
//! [`Margins`] is where margins come from, [`Persons`] the choices of persons with one β each, [`Pairs`] are features;
//! [`Comparison`] is what all families beside each other say; [`limits`] has the limits.
//! [`AnyStrength`](prefstrength::AnyStrength) is any of the strengths, [`Family`](prefstrength::Family) its name.
//!
//! # A training loop
//!
//! Margins come from the policy, batch by batch, and ∂loss/∂margin goes back into it. Here the policy is one number; the
//! example `trainer` has masks, micro-batches, threads and a checkpoint, and `policy_training` Adam.
//!
//! ```
//! use prefstrength::Family;
//! use prefstrength::batch::{Batch, Rows};
//! use prefstrength_learn::{LearnError, StrengthParams};
//!
//! // Differences of a feature, chosen minus rejected; margin = w·f.
//! let features: Vec<f32> = (0..4000).map(|i| (i % 40 + 1) as f32 * if i % 4 < 3 { 0.1 } else { -0.05 }).collect();
//! let mut w = 1.0_f32;
//! // The scale of β is one of w: it is held, and w has it.
//! let mut p_beta = StrengthParams::in_ln_mean_v(Family::Gamma, 0.1)?.with_scale_held();
//! let mut last = f64::INFINITY;
//! for _ in 0..50 {
//!     let margins: Vec<f32> = features.iter().map(|f| w * f).collect();
//!     let mut d_margin = vec![0.0; margins.len()];
//!     let sums = p_beta.evaluate(&Batch::new(&margins), Rows::new().d_margin(&mut d_margin))?;
//!     assert!(sums.mean_nll() < last);
//!     last = sums.mean_nll();
//!     // Gradients are those of the sum: the mean is what an optimiser sees.
//!     let d_w = features.iter().zip(&d_margin).map(|(f, d)| f * d).sum::<f32>() / margins.len() as f32;
//!     w -= 10.0 * d_w;
//!     let [_, v] = p_beta.params();
//!     p_beta.set([0.0, v - sums.d_params[1] / sums.weight])?; // put back to v ≥ 0
//! }
//! println!("w = {w}, cv = {}", p_beta.strength().cv());
//! # Ok::<(), LearnError>(())
//! ```
//!
//! # Is the spread real?
//!
//! ```
//! use prefstrength::Family;
//! use prefstrength_learn::{self as learn, LearnError, Options};
//! // The chosen answer has the larger margin in three of four pairs, however large the margins are.
//! let margins: Vec<f64> = (0..4000).map(|i| f64::from(i % 40 + 1) * if i % 4 < 3 { 0.2 } else { -0.2 }).collect();
//! let comparison = learn::heterogeneity(&margins[..], &Options::default())?;
//! let score = comparison.score.expect("plain DPO does better than a coin");
//! println!("{}: p = {}", comparison.verdict(), score.p);
//! assert!(score.p < 1e-6);
//! # let fit = learn::fit(Family::Fixed, &margins[..], &Options::default())?;
//! # assert_eq!(fit, comparison.fits[Family::Fixed]);
//! # Ok::<(), LearnError>(())
//! ```
//!
//! # What surprises
//!
//! * **v is clipped, and not trained in ln v.** Plain DPO is the boundary v = 0; in ln v it is infinitely far away, and
//!   a homogeneous population is never reached.
//! * **A spread is found or is 0, each half of the time, where there is none**: it cannot be negative. So p(LR) is under
//!   ½χ²₀ + ½χ²₁, and p = 1 for a fit at the boundary.
//! * **The likelihood is not concave**: every fit starts from several places, and [`FitStatus`] says what it is worth.
//! * **E\[β\] of a policy that can grow means nothing**: w and β share a scale. [`train()`] fixes E\[β\] = 1.
//! * **Choices, not people**: β is drawn anew for every pair. Where the same people answer many pairs,
//!   [`StrengthParams::evaluate_panel`] has one β for each of them; whether one person keeps theirs, [`ByGroup`] asks.
//! * **Flipped labels look like a spread**: [`LapseParams`] and docs/label-noise.md.
//! * **Weight 0 is absence**, also where the margin is NaN or infinite: a mask masks.
//!
//! | feature | default | |
//! | --- | --- | --- |
//! | `rayon` | no | several threads: the same bits |
//! | `serde` | no | parameters, sums, fits and comparisons can be stored and sent |
//!
//! This crate allocates: tables of p(β), and buffers of a few thousand numbers; margins are streamed, pairs are kept.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod bootstrap;
mod calibration;
mod chi_square;
mod cholesky;
mod compare;
mod covariance;
mod cross_validation;
mod data;
mod descent;
mod error;
mod extremes;
mod fit;
mod groups;
mod labels;
mod lapse_params;
pub mod limits;
mod margin_starts;
mod model;
mod objective;
mod options;
mod people;
mod power;
mod prepared;
mod profile;
mod ratio;
mod score;
mod separation;
mod starts;
mod status;
mod strength_params;
mod sums;
mod ties;
mod total_weight;
mod train;
mod verdict;
mod vuong;

pub use bootstrap::{Bootstrap, bootstrap, bootstrap_training};
pub use calibration::{Calibration, CalibrationBin};
pub use compare::{Comparison, Fitted, LikelihoodRatio, Rival, ShapeErrors, Test};
pub use cross_validation::{CrossValidation, HeldOut, cross_validate, cross_validate_margins};
pub use data::cells::MarginSummary;
pub use data::margins::{ChunkSink, GroupedSink, Margins, Weighted};
pub use data::pairs::Pairs;
pub use data::persons::{PersonBlock, PersonSink, Persons, PersonsInMemory};
pub use error::LearnError;
pub use extremes::{Extremes, WithoutExtremes};
pub use fit::{Fit, StandardErrors, fit, heterogeneity};
pub use groups::{Averages, ByGroup, Group, GroupEffectTest};
pub use labels::SoftLabels;
pub use lapse_params::LapseParams;
pub use model::{ChoiceCurve, Model};
pub use options::Options;
pub use people::{
    People, PersonStrength, compare_people, compare_people_of_margins, person_strengths,
    person_strengths_of_margins, train_people,
};
pub use power::{Design, Explanation, Nearest, PowerTarget, Truth};
pub use profile::Profile;
pub use ratio::{Ratio, RatioInterval};
pub use score::{Choices, ItemTest, PeopleTests, Repeats, ScoreTest};
pub use separation::Separated;
pub use status::FitStatus;
pub use strength_params::{Penalty, StrengthParams};
pub use sums::LossSums;
pub use ties::{Davidson, TieFit, TieGradient, fit_ties};
pub use total_weight::TotalWeight;
pub use train::{Trained, TrainedErrors, train, train_all};
pub use verdict::{ChoicesVerdict, PeopleVerdict, Verdict};

/// The code of the guide, as a test.
#[cfg(doctest)]
#[doc = include_str!("../../docs/guide.md")]
struct Guide;

/// And that of the page on label noise.
#[cfg(doctest)]
#[doc = include_str!("../../docs/label-noise.md")]
struct LabelNoise;
