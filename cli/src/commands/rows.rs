//! What `fit` and `train` take from a row alike: its weight and its group.

use crate::input::Refusal;
use prefstrength_learn::TotalWeight;
use std::collections::HashMap;

/// Group names by the number that they got: in the order in which they appear.
#[derive(Debug, Default)]
pub(super) struct Names(HashMap<Box<str>, u32>);

impl Names {
    /// Of a group, or whatever `what` says.
    pub(super) fn number(&mut self, name: &str, column: Option<usize>, what: &str) -> Result<u32, Refusal> {
        let name = name.trim();
        if let Some(&number) = self.0.get(name) {
            return Ok(number);
        }
        if name.is_empty() {
            return Err(Refusal { column, why: format!("the {what} is empty") });
        }
        let number = u32::try_from(self.0.len())
            .map_err(|_| Refusal { column, why: format!("there are too many {what}s") })?;
        self.0.insert(name.into(), number);
        Ok(number)
    }

    pub(super) fn list(self) -> Vec<String> {
        let mut names = vec![String::new(); self.0.len()];
        for (name, number) in self.0 {
            names[number as usize] = name.into();
        }
        names
    }
}

/// What sampling weights are multiplied with: their sum is then the number of choices of one weight that would say as
/// much.
pub(super) fn sample_factor(total: &TotalWeight) -> Result<f64, String> {
    let factor = total.effective_number() / total.sum;
    // Without any weight the fit says so.
    match total.number {
        0 => Ok(1.0),
        _ if factor > 0.0 && factor.is_finite() => Ok(factor),
        _ => Err("the weights are too large, too small or too far apart to be scaled".into()),
    }
}

/// Refuses a weight that is negative.
pub(super) fn weight(weight: f64, column: usize) -> Result<f64, Refusal> {
    if weight < 0.0 {
        return Err(Refusal { column: Some(column), why: format!("the weight {weight} is negative") });
    }
    Ok(weight)
}
