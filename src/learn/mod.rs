//! Learning p(β) from margins that a policy gives, and telling whether its spread is real.
//!
//! | way in | for |
//! | --- | --- |
//! | [`Trainable`] | p(β) as two numbers that any optimiser trains beside the policy |
//! | [`train`], [`train_all`] | a linear policy and p(β) together, by maximum likelihood |
//! | [`cross_validate`] | whether a spread also predicts pairs that were not learned from |
//! | [`fit`] | the maximum-likelihood p(β) for margins at hand, in memory or streamed |
//! | [`heterogeneity`] | all families, a score test, likelihood ratios, and the verdict in words |
//! | [`Totals`] | loss and gradient over margins that lie on several workers: they add up |
//! | [`Calibration`] | predicted against observed choices, by the size of the margin |
//! | [`ByGroup`] | margins, accuracy, likelihood and posterior strength by group: who decides strongly, who weakly |
//!
//! [`Beta`] is any of the three strengths, [`Family`] its name; [`Margins`] is where margins come from.
//!
//! ```
//! use prefstrength::learn::{self, Family, Options};
//! // The chosen answer has the larger margin in three of four pairs, however large the margins are.
//! let margins: Vec<f64> = (0..4000).map(|i| f64::from(i % 40 + 1) * if i % 4 < 3 { 0.2 } else { -0.2 }).collect();
//! let report = learn::heterogeneity(&margins[..], &Options::default())?;
//! println!("{}: p = {}", report.verdict(), report.score.p);
//! assert!(report.score.p < 1e-6);
//! # let fit = learn::fit(Family::Fixed, &margins[..], &Options::default())?;
//! # assert_eq!(fit, report.fixed);
//! # Ok::<(), prefstrength::learn::LearnError>(())
//! ```
//!
//! Unlike the rest of the crate, this room allocates: tables, and buffers of a few thousand numbers.
//! Feature `serde`: everything here can be stored and sent.

mod beta;
mod calibration;
mod cholesky;
mod cross_validation;
mod error;
mod fit;
mod groups;
mod heterogeneity;
mod joint;
mod margins;
mod newton;
mod pairs;
mod starts;
mod totals;
mod train;
mod trainable;

pub use beta::{Beta, Family};
pub use calibration::{Calibration, CalibrationBin};
pub use cross_validation::{CrossValidation, HeldOut, cross_validate};
pub use error::LearnError;
pub use fit::{Fit, Options, Spread, StandardErrors, fit};
pub use groups::{Alike, Averages, ByGroup, Group};
pub use heterogeneity::{LikelihoodRatio, Report, ScoreTest, Verdict, heterogeneity};
pub use margins::{Margins, Take, Weighted};
pub use pairs::Pairs;
pub use totals::Totals;
pub use train::{TrainOptions, Trained, TrainedErrors, TrainingReport, train, train_all};
pub use trainable::{Penalty, Trainable};
