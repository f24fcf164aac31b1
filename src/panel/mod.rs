//! One β per person: the likelihood of all choices of a person, and what they tell about that person's β.
//!
//! In [`batch`](crate::batch) every choice has a β of its own. Where the same people answer many pairs, a person's choices
//! share one: L = −ln E\[Πₜ σ(βDₜ)\]. That is another likelihood, it says more about p(β), and unlike that of single choices
//! it tells people who differ from labels that are wrong.
//!
//! | item | for |
//! | --- | --- |
//! | [`Panel`] | losses and gradients of persons; what is known of each person's β |
//! | [`PanelBatch`], [`PanelRows`], [`PanelSums`] | what it is given, and gives |
//! | [`ByPerson`] | choices in any order, with ids of persons (feature `std`) |
//!
//! * Person i of a panel is bit-equal to the panel of that person alone, on the same level.
//! * Sums are added in an order that depends on the number of persons alone: the same bits for every number of threads.
//! * Errors come before anything is written.

mod choices;
mod evaluation;
mod input;
mod integral;
#[cfg(feature = "std")]
mod order;
mod person;
mod places;
mod quantile;
mod remainder;

pub use evaluation::{Panel, PersonPosterior};
pub use input::{PanelBatch, PanelRows, PanelSums};
#[cfg(feature = "std")]
pub use order::ByPerson;
