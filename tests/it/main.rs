//! The integration tests: one binary, so that everything is linked once.

#![allow(unreachable_pub, reason = "a binary has no outside: `pub` is for the modules of the tests")]

mod batch;
mod batch_reference;
mod differences;
mod hostile;
mod inverse_gaussian;
mod lapse;
mod logit_rows;
mod monte_carlo;
mod panel;
mod points;
mod properties;
mod reference;
mod sampling_strength;
mod seams;
mod statistics;
mod suite;
mod support;

// One line for every family.
suite::suite!(gamma, Gamma);
suite::suite!(lognormal, LogNormal);
suite::suite!(inverse_gaussian_suite, InverseGaussian);
