//! Choices of persons, whole persons at a time.

use prefstrength::batch::BatchError;
use prefstrength::panel::{ByPerson, Panel, PanelBatch, PanelRows, PanelSums};
use prefstrength::{Coordinates, LogNormal};
use prefstrength_learn::{LearnError, PersonBlock, PersonSink, Persons, PersonsInMemory};

/// Ids and margins of so many choices, of persons in turn.
fn mixed(choices: usize, persons: u32) -> (Vec<u32>, Vec<f64>) {
    let id = |i: usize| (i as u32).wrapping_mul(2_654_435_761) >> 8;
    let ids: Vec<u32> = (0..choices).map(|i| id(i) % persons).collect();
    (ids, (0..choices).map(|i| (i % 83) as f64 * 0.1 - 3.0).collect())
}

/// Margins, ends and persons of all blocks.
fn blocks(mut source: impl Persons) -> Vec<(Vec<f64>, Vec<usize>, Vec<u32>)> {
    let mut all = Vec::new();
    let pass = source.for_each_block(&mut |block| {
        all.push((block.margins().to_vec(), block.ends().to_vec(), block.persons().to_vec()));
        Ok(())
    });
    assert_eq!(pass, Ok(()));
    all
}

/// All choices of everyone, in the order of ids and then of rows, in blocks that do not grow with the data.
#[test]
fn blocks_are_whole_persons() {
    let (ids, margins) = mixed(300_000, 7000);
    let persons = PersonsInMemory::new(&margins, &ids, None).unwrap();
    let expected = ByPerson::new(&ids);
    assert_eq!(persons.block().persons(), expected.persons());
    assert_eq!(persons.block().ends(), expected.ends());
    assert_eq!(persons.block().margins(), expected.gather(&margins).unwrap());
    let gathered: Vec<f64> = persons.order().iter().map(|&i| margins[i]).collect();
    assert_eq!(persons.block().margins(), gathered);
    let all = blocks(persons.clone());
    assert!(all.len() > 4 && all.iter().all(|(margins, _, _)| margins.len() <= 1 << 16));
    let joined: Vec<f64> = all.iter().flat_map(|(margins, _, _)| margins.clone()).collect();
    assert_eq!(joined, persons.block().margins());
    let ids: Vec<u32> = all.iter().flat_map(|(_, _, persons)| persons.clone()).collect();
    assert_eq!(ids, persons.block().persons());
}

/// One who has more choices than a block stands alone, and nobody is divided.
#[test]
fn a_person_is_never_divided() {
    let counts = [1, 1 << 16, 1, (1 << 16) - 1, (1 << 16) + 1, 200_000, 2];
    let ids: Vec<u32> = (0..).zip(counts).flat_map(|(id, n)| std::iter::repeat_n(id, n)).collect();
    let margins = vec![0.5_f32; ids.len()];
    let all = blocks(PersonsInMemory::new(&margins, &ids, None).unwrap());
    let persons: Vec<Vec<u32>> = all.iter().map(|(_, _, persons)| persons.clone()).collect();
    assert_eq!(persons, [vec![0], vec![1], vec![2, 3], vec![4], vec![5], vec![6]]);
    let sizes: Vec<usize> = all.iter().map(|(margins, _, _)| margins.len()).collect();
    assert_eq!(sizes, [1, 1 << 16, 1 << 16, (1 << 16) + 1, 200_000, 2]);
}

/// How the rows of different persons are mixed changes no bit.
#[test]
fn the_order_of_rows_does_not_matter() {
    let (ids, margins) = mixed(50_000, 900);
    let sorted = ByPerson::new(&ids);
    let (by_id, by_margin) = (sorted.gather(&ids).unwrap(), sorted.gather(&margins).unwrap());
    let [a, b] = [(&margins, &ids), (&by_margin, &by_id)]
        .map(|(margins, ids)| PersonsInMemory::new(margins, ids, None).unwrap());
    assert_eq!(a.block(), b.block());
}

/// Weight 0 is absence, of a choice or of a person; other weights are those of persons.
#[test]
fn weights_are_those_of_persons() {
    let margins = [1.0, f64::NAN, 2.0, f64::INFINITY, -1.0, 4.0];
    let (ids, weights) = ([5, 5, 2, 9, 5, 2], [0.5, 0.0, 3.0, 0.0, 0.5, 3.0]);
    let persons = PersonsInMemory::new(&margins, &ids, Some(&weights)).unwrap();
    let block = persons.block();
    let all: Vec<(u32, &[f64], f64)> = block.iter().collect();
    assert_eq!(all, [(2, &[2.0, 4.0][..], 3.0), (5, &[1.0, -1.0], 0.5)]);
    assert_eq!(persons.order(), [2, 5, 0, 4]);
    let refused = |i: usize, weight: f64| {
        let mut weights = weights;
        weights[i] = weight;
        PersonsInMemory::new(&margins, &ids, Some(&weights)).unwrap_err()
    };
    assert_eq!(refused(4, 0.25), LearnError::PersonWeight { index: 4 });
    assert_eq!(refused(1, 0.5), LearnError::Margin { index: 1 });
    assert_eq!(refused(3, 1.0), LearnError::Margin { index: 3 });
    assert_eq!(refused(2, -1.0), LearnError::Weight { index: 2 });
    assert_eq!(refused(2, f64::NAN), LearnError::Weight { index: 2 });
    let length = |slice, found| Err(BatchError::Length { slice, expected: 6, found }.into());
    assert_eq!(PersonsInMemory::new(&margins, &ids[1..], None), length("groups", 5));
    assert_eq!(PersonsInMemory::new(&margins, &ids, Some(&weights[2..])), length("weights", 4));
    assert_eq!(blocks(PersonsInMemory::new::<f64>(&[], &[], None).unwrap()), []);
    assert_eq!(blocks(PersonsInMemory::new(&margins[1..2], &[1], Some(&[0.0])).unwrap()), []);
}

#[test]
fn blocks_are_checked() {
    let block = |ends: &[usize], persons: &[u32], weights: Option<&[f64]>| {
        PersonBlock::new(&[1.0, 2.0, 3.0], ends, persons, weights).map(|block| block.iter().len())
    };
    assert_eq!(block(&[1, 1, 3], &[1, 2, 3], None), Ok(3));
    assert_eq!(block(&[2, 1, 3], &[1, 2, 3], None), Err(BatchError::Person { index: 1 }.into()));
    assert_eq!(block(&[2, 4], &[1, 2], None), Err(BatchError::Person { index: 1 }.into()));
    let length = |slice, expected, found| Err(BatchError::Length { slice, expected, found }.into());
    assert_eq!(block(&[1, 2], &[1, 2], None), length("ends", 3, 2));
    assert_eq!(block(&[], &[], None), length("ends", 3, 0));
    assert_eq!(block(&[1, 3], &[1], None), length("persons", 2, 1));
    assert_eq!(block(&[1, 3], &[1, 2], Some(&[1.0])), length("weights", 2, 1));
    for bad in [-1.0, f64::NAN, f64::INFINITY] {
        assert_eq!(block(&[1, 3], &[1, 2], Some(&[0.0, bad])), Err(BatchError::Weight { index: 1 }.into()));
    }
}

/// The likelihood of a panel and its gradient, block by block, are those of one call, also from a borrowed source.
#[test]
fn a_panel_block_by_block() {
    let (ids, margins) = mixed(150_000, 5000);
    let weights: Vec<f64> = ids.iter().map(|id| f64::from(id % 4) * 0.5).collect();
    let mut persons = PersonsInMemory::new(&margins, &ids, Some(&weights)).unwrap();
    let panel =
        Panel::new(&LogNormal::from_mean_cv(0.4, 0.8).unwrap()).with_coordinates(Coordinates::LnMeanV);
    // From all choices, also of those who have weight 0.
    let by_person = ByPerson::new(&ids);
    let sorted = by_person.gather(&margins).unwrap();
    let of_persons: Vec<f64> = by_person.persons().iter().map(|id| f64::from(id % 4) * 0.5).collect();
    let batch = PanelBatch::new(&sorted, by_person.ends()).weights(&of_persons);
    let whole = panel.evaluate(&batch, PanelRows::new()).unwrap();
    let (mut sums, mut blocks) = (PanelSums::default(), 0);
    let mut add = |block: &PersonBlock<'_>| {
        blocks += 1;
        sums += panel.evaluate(&block.batch(), PanelRows::new())?;
        Ok(())
    };
    fn pass(mut source: impl Persons, take: &mut PersonSink<'_>) -> Result<(), LearnError> {
        source.for_each_block(take)
    }
    assert_eq!(pass(&mut persons, &mut add), Ok(()));
    assert!(blocks > 1);
    let near = |a: f64, b: f64| assert!((a - b).abs() <= 1e-13 * whole.nll, "{a} {b}");
    near(sums.weight, whole.weight);
    near(sums.nll, whole.nll);
    (0..2).for_each(|i| near(sums.d_params[i], whole.d_params[i]));
    let stop = persons.for_each_block(&mut |_| Err(LearnError::NoWeight));
    assert_eq!(stop, Err(LearnError::NoWeight));
}
