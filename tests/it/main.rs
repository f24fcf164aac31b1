//! The integration tests: one binary, so that everything is linked once.

mod batch;
mod batch_reference;
mod differences;
mod hostile;
mod monte_carlo;
mod points;
mod properties;
mod reference;
mod sampling_strength;
mod seams;
mod statistics;
mod support;
