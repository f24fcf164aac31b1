//! The number types of batches, and the one way from them to the kernels.

use super::gate::Gate;
use crate::real::Real;

/// f32 or f64, with the kernels over vector registers. Sealed; it adds nothing that could be called or named to
/// [`Real`], but what a generic function has to ask for.
///
/// ```
/// use prefstrength::batch::{self, Batch, Number, Rows};
/// use prefstrength::Strength;
/// fn mean_loss<T: Number, S: Strength<T>>(beta: &S, margins: &[T]) -> Option<f64> {
///     Some(batch::evaluate(beta, &Batch::new(margins), Rows::new()).ok()?.mean_nll())
/// }
/// # assert!(mean_loss(&prefstrength::Fixed::new(0.1_f32).unwrap(), &[1.0]).is_some());
/// ```
pub trait Number: Real + Gate {}
impl Number for f32 {}
impl Number for f64 {}
