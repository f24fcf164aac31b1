//! What `fit` and `train` take from a row alike: its weight and its group.

use crate::input::Refusal;
use std::collections::HashMap;

/// Group names by the number that they got: in the order in which they appear.
#[derive(Debug, Default)]
pub(super) struct Names(HashMap<Box<str>, u32>);

impl Names {
    pub(super) fn number(&mut self, name: &str, column: Option<usize>) -> Result<u32, Refusal> {
        let name = name.trim();
        if let Some(&number) = self.0.get(name) {
            return Ok(number);
        }
        if name.is_empty() {
            return Err(Refusal { column, why: "the group is empty".into() });
        }
        let number = u32::try_from(self.0.len())
            .map_err(|_| Refusal { column, why: "there are too many groups".into() })?;
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

/// Refuses a weight that is negative.
pub(super) fn weight(weight: f64, column: usize) -> Result<f64, Refusal> {
    if weight < 0.0 {
        return Err(Refusal { column: Some(column), why: format!("the weight {weight} is negative") });
    }
    Ok(weight)
}
