//! The bootstrap and the cross-validation of margins.

use crate::simulate::Truth;
use prefstrength::Family;
use prefstrength_learn::{self as learn, ChunkSink, LearnError, Margins, Model, Options, Pairs, Weighted};

/// By group, a bootstrap says what the sandwich says, and not what independent choices would.
#[test]
fn bootstraps_agree_with_sandwiches() {
    let choices = Truth::spread(2.0, Family::Gamma, 0.8).panel(150, 20, 5);
    let margins = Weighted::equally(&choices.margins).with_groups(&choices.persons).unwrap();
    let options = Options::default();
    let found = learn::bootstrap(Family::Fixed, margins, &options, 300, 1).unwrap();
    assert_eq!((found.units, found.replicates.len(), found.failed), (150, 300, 0));
    let of = |fit: &learn::Fit| fit.strength.mean().ln();
    let error = found.standard_error(of).unwrap();
    let [robust, plain] = [found.fit.robust, found.fit.errors].map(|errors| errors.ln_mean.unwrap());
    // 300 replicates tell a standard error to 4 %.
    assert!((error / robust - 1.0).abs() < 0.16 && error > 1.5 * plain, "{error} {robust} {plain}");
    let [low, high] = found.interval(0.95, of).unwrap();
    assert!(((high - low) / (3.92 * robust) - 1.0).abs() < 0.25, "{low} {high} {robust}");
    // The same of pairs, draw by draw; and another seed draws others.
    let found = learn::bootstrap(Family::Gamma, margins, &options, 20, 1).unwrap();
    let pairs = Pairs::new(choices.margins.clone(), 1).unwrap().with_groups(choices.persons.clone()).unwrap();
    let trained = learn::bootstrap_training(Family::Gamma, &pairs, &options, 20, 1).unwrap();
    for (fit, trained) in found.replicates.iter().zip(&trained.replicates) {
        assert!((fit.strength.mean() / trained.w[0] - 1.0).abs() < 1e-5);
        assert!((fit.strength.cv() - trained.strength.cv()).abs() < 1e-5);
    }
    let other = learn::bootstrap_training(Family::Gamma, &pairs, &options, 20, 2).unwrap();
    assert!(other.fit == trained.fit && other.replicates != trained.replicates);
}

/// A source that fails after so many passes.
struct Failing(Vec<f64>, u32);

impl Margins for Failing {
    fn for_each(&mut self, take: &mut ChunkSink<'_>) -> Result<(), LearnError> {
        self.1 = self.1.checked_sub(1).ok_or_else(|| LearnError::Source("gone".into()))?;
        take(&self.0, None)
    }
}

#[test]
fn what_cannot_be_drawn_is_refused() {
    let options = Options::default();
    let margins: Vec<f64> = (0..90)
        .map(|i| f64::from(i % 9) + 1.0)
        .zip((0..90).map(|i| if i % 4 == 0 { -1.0 } else { 1.0 }))
        .map(|(x, s)| x * s)
        .collect();
    for replicates in [0, 1, 100_001, u32::MAX] {
        let refused = learn::bootstrap(Family::Fixed, &margins[..], &options, replicates, 0);
        assert_eq!(refused, Err(LearnError::Replicates));
    }
    let groups: Vec<u32> = (0..90).map(|i| i / 10).collect();
    let grouped = Weighted::equally(&margins).with_groups(&groups).unwrap();
    assert_eq!(
        learn::bootstrap(Family::Fixed, grouped, &options, 10, 0),
        Err(LearnError::TooFewUnits { units: 9 })
    );
    let pairs = Pairs::new(margins.clone(), 1).unwrap().with_groups(groups).unwrap();
    let refused = learn::bootstrap_training(Family::Fixed, &pairs, &options, 10, 0);
    assert_eq!(refused, Err(LearnError::TooFewUnits { units: 9 }));
    // What is wrong with the data, or with their source, is no replicate's fault.
    let right = vec![1.0; 50];
    assert_eq!(learn::bootstrap(Family::Fixed, &right[..], &options, 10, 0), Err(LearnError::Separable));
    let gone = Err(LearnError::Source("gone".into()));
    assert_eq!(learn::bootstrap(Family::Fixed, Failing(margins.clone(), 30), &options, 1000, 0), gone);
    // One choice against the margin is not in every replicate.
    let mut one = [1.0, 2.0, 3.0, 0.5].repeat(10);
    one.push(-1.0);
    let found = learn::bootstrap(Family::Fixed, &one[..], &options, 200, 0).unwrap();
    assert!((40..110).contains(&found.failed) && found.replicates.len() as u32 + found.failed == 200);
    let model = Model::new(Family::Fixed).with_lapse();
    assert!(
        learn::bootstrap(model, &margins[..], &options, 20, 0)
            .unwrap()
            .replicates
            .iter()
            .all(|fit| fit.lapse < 0.5)
    );
}

#[test]
fn folds_of_margins() {
    let options = Options::default();
    let of = |truth: Truth, groups: bool, folds: u32| {
        let choices = truth.panel(400, 10, 11);
        let margins = Weighted::equally(&choices.margins);
        match groups {
            true => {
                learn::cross_validate_margins(margins.with_groups(&choices.persons).unwrap(), &options, folds)
            }
            false => learn::cross_validate_margins(margins, &options, folds),
        }
    };
    for groups in [false, true] {
        let homogeneous = of(Truth::control(3.0), groups, 5).unwrap().families[Family::Gamma];
        assert!(homogeneous.gain < 1.0 && homogeneous.gain > -6.0, "{homogeneous:?}");
        let spread =
            of(Truth { redrawn: true, ..Truth::spread(3.0, Family::Gamma, 1.2) }, groups, 5).unwrap();
        let [fixed, gamma] = [Family::Fixed, Family::Gamma].map(|family| spread.families[family]);
        assert!(gamma.gain > 2.0 * gamma.gain_error && gamma.gain_error > 0.0, "{gamma:?}");
        assert!((gamma.log_likelihood - fixed.log_likelihood - gamma.gain).abs() < 1e-8);
        assert_eq!((fixed.gain, fixed.gain_error, fixed.unbounded), (0.0, 0.0, 0));
    }
    for folds in [0, 1, 401, u32::MAX] {
        assert_eq!(of(Truth::control(3.0), true, folds), Err(LearnError::Folds));
    }
    // What no fold can be predicted without.
    let mut one = [1.0, 2.0, 3.0, 0.5].repeat(10);
    one.push(-1.0);
    let refused = learn::cross_validate_margins(&one[..], &options, 4);
    assert!(
        matches!(&refused, Err(LearnError::Fold { error, .. }) if **error == LearnError::Separable),
        "{refused:?}"
    );
    assert_eq!(
        learn::cross_validate_margins(&[f64::NAN, 1.0, -1.0][..], &options, 2),
        Err(LearnError::Margin { index: 0 })
    );
}

/// Rows of weight 0 are no units: they move no draw and no fold, wherever they stand.
#[test]
fn what_has_no_weight_is_not_drawn() {
    let choices = Truth::control(2.0).panel(30, 10, 3);
    let options = Options::default();
    let (mut margins, mut persons) = (vec![f64::NAN; 40], (500..540).collect::<Vec<u32>>());
    let mut weights = vec![0.0; 40];
    margins.extend(&choices.margins);
    persons.extend(&choices.persons);
    weights.extend(vec![1.0; choices.margins.len()]);
    let padded = || Weighted::new(&margins, &weights).unwrap();
    let plain = || Weighted::equally(&choices.margins);
    let means = |found: &learn::Bootstrap<learn::Fit>| {
        found.replicates.iter().map(|fit| fit.strength.mean()).collect::<Vec<_>>()
    };
    let near = |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(a, b)| (a / b - 1.0).abs() < 1e-9);
    let [a, b] = [
        learn::bootstrap(Family::Fixed, plain(), &options, 10, 4),
        learn::bootstrap(Family::Fixed, padded(), &options, 10, 4),
    ]
    .map(Result::unwrap);
    assert!(a.units == 300 && b.units == 300 && near(&means(&a), &means(&b)));
    let [a, b] = [plain().with_groups(&choices.persons), padded().with_groups(&persons)]
        .map(|margins| learn::bootstrap(Family::Fixed, margins.unwrap(), &options, 10, 4).unwrap());
    assert!(a.units == 30 && b.units == 30 && near(&means(&a), &means(&b)));
    let folds = |margins: Weighted<'_, f64>| {
        learn::cross_validate_margins(margins, &options, 30).unwrap().families[Family::Fixed]
    };
    assert!((folds(plain()).log_likelihood - folds(padded()).log_likelihood).abs() < 1e-9);
    // One person a fold.
    let [a, b] = [plain().with_groups(&choices.persons), padded().with_groups(&persons)]
        .map(|margins| folds(margins.unwrap()));
    assert!((a.log_likelihood - b.log_likelihood).abs() < 1e-9);
    let pairs = Pairs::new(margins.iter().map(|d| if d.is_nan() { 0.0 } else { *d }).collect(), 1).unwrap();
    let pairs = pairs.with_weights(weights).unwrap().with_groups(persons).unwrap();
    let trained = learn::bootstrap_training(Family::Fixed, &pairs, &options, 10, 4).unwrap();
    assert_eq!(trained.units, 30);
}

/// Summaries of shards, in any order, are that of all; what is stored is checked.
#[test]
fn summaries_merge() {
    let margins = Truth::spread(2.0, Family::LogNormal, 1.0).margins(30_000, 8);
    let weights: Vec<f64> = (0..margins.len()).map(|i| f64::from(i as u32 % 3)).collect();
    let mut whole = learn::MarginSummary::new();
    whole.add(&margins, Some(&weights)).unwrap();
    let mut merged = learn::MarginSummary::default();
    for shard in [20_000..30_000, 0..500, 500..20_000] {
        let mut summary = learn::MarginSummary::new();
        summary.add(&margins[shard.clone()], Some(&weights[shard])).unwrap();
        merged.merge(&summary);
    }
    assert_eq!((merged.number(), merged.weight()), (30_000, whole.weight()));
    let options = Options::default();
    let direct = learn::heterogeneity(Weighted::new(&margins, &weights).unwrap(), &options).unwrap();
    for mut summary in [whole.clone(), merged] {
        let found = learn::heterogeneity(&mut summary, &options).unwrap();
        assert_eq!((found.best, found.verdict().choices), (direct.best, direct.verdict().choices));
        for (family, fit) in found.fits.iter() {
            let other = &direct.fits[family];
            assert_eq!(fit.number, 30_000);
            assert!((fit.log_likelihood / other.log_likelihood - 1.0).abs() < 1e-11, "{family}");
            assert!((fit.strength.cv() - other.strength.cv()).abs() < 1e-6, "{family}");
        }
    }
    // Nothing is added where something is wrong.
    let before = whole.clone();
    assert_eq!(whole.add(&[1.0, f64::NAN], None), Err(LearnError::Margin { index: 1 }));
    assert_eq!(whole.add(&[1.0, 2.0], Some(&[1.0, -1.0])), Err(LearnError::Weight { index: 1 }));
    assert!(whole.add(&[1.0], Some(&[])).is_err() && whole == before);
    assert_eq!(learn::fit(Family::Fixed, learn::MarginSummary::new(), &options), Err(LearnError::NoMargins));
    #[cfg(feature = "serde")]
    {
        let text = serde_json::to_string(&whole).unwrap();
        assert_eq!(serde_json::from_str::<learn::MarginSummary>(&text).unwrap(), whole);
        for (from, to) in [("\"name\":", "\"name\":9"), ("\"moments\":[", "\"moments\":[-")] {
            let hostile = text.replacen(from, to, 1);
            assert!(
                hostile == text || serde_json::from_str::<learn::MarginSummary>(&hostile).is_err(),
                "{from}"
            );
        }
    }
}
