//! Places of ids, in the order in which they come.

use std::collections::HashMap;

/// Ids below this have their places in a table.
const TABLE: usize = 1 << 22;

/// A place 0, 1, 2, … for every id: sums by group are numbers in a row then.
#[derive(Clone, Debug, Default)]
pub(crate) struct Places {
    /// Place + 1 of small ids; 0 for none yet.
    table: Vec<u32>,
    others: HashMap<u32, u32>,
    number: u32,
}

impl Places {
    /// That of an id, a new one if it has not been seen.
    pub(crate) fn place(&mut self, id: u32) -> usize {
        let next = self.number;
        let place = if (id as usize) < TABLE {
            let at = id as usize;
            if at >= self.table.len() {
                self.table.resize((2 * at).clamp(64, TABLE).max(at + 1), 0);
            }
            if self.table[at] == 0 {
                self.table[at] = next + 1;
            }
            self.table[at] - 1
        } else {
            *self.others.entry(id).or_insert(next)
        };
        if place == next {
            self.number += 1;
        }
        place as usize
    }

    /// How many ids.
    pub(crate) fn number(&self) -> usize {
        self.number as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_in_order() {
        let mut places = Places::default();
        let ids = [7, 0, u32::MAX, 7, 1 << 30, 0, u32::MAX, (1 << 22) - 1];
        assert_eq!(ids.map(|id| places.place(id)), [0, 1, 2, 0, 3, 1, 2, 4]);
        assert_eq!(places.number(), 5);
    }
}
