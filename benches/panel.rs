//! Panel speed, one thread unless said otherwise: losses of persons and ∂/∂margin as rows, summed parameter gradients.
//! Beside it, in the same run, what people use instead; before, the errors of all of them.
//!
//! ```text
//! cargo bench --bench panel --features rayon
//! ```
//!
//! A benchmark is called `panel/<what>/<level>-<choices of a person>`; times are per choice. The whole takes about a
//! minute.

#[path = "support/panels.rs"]
mod panels;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use panels::{Alternative, Prior, Rule, choices};
use prefstrength::panel::{Panel, PanelBatch, PanelRows};
use prefstrength::{Coordinates, Gamma, Lapse, Level, LogNormal, Strength};
use std::hint::black_box;
use std::time::Duration;

type Group<'a> = BenchmarkGroup<'a, WallTime>;

const MIDDLE: usize = 30;
/// Choices of a person, beside [`MIDDLE`].
const OTHERS: [usize; 3] = [1, 5, 1000];

fn gamma(cv: f64) -> Panel<Gamma<f64>> {
    Panel::new(&Gamma::from_mean_cv(1.0, cv).unwrap()).with_coordinates(Coordinates::LnMeanV)
}

fn lognormal(cv: f64) -> Panel<LogNormal<f64>> {
    Panel::new(&LogNormal::from_mean_cv(1.0, cv).unwrap()).with_coordinates(Coordinates::LnMeanV)
}

/// Choices, and where results go.
struct Data {
    margins: Vec<f64>,
    ends: Vec<usize>,
    nll: Vec<f64>,
    d_margin: Vec<f64>,
}

impl Data {
    fn new(each: usize) -> Self {
        let (margins, ends) = choices(each, if each > 100 { 30 } else { 1000 });
        Self { nll: vec![0.0; ends.len()], d_margin: vec![0.0; margins.len()], margins, ends }
    }

    fn each(&self) -> usize {
        self.ends[0]
    }

    /// Measures `f` of margins, ends, losses and ∂/∂margin.
    fn run<O>(
        &mut self,
        group: &mut Group<'_>,
        (what, level): (&str, &str),
        mut f: impl FnMut(&[f64], &[usize], &mut [f64], &mut [f64]) -> O,
    ) {
        let id = BenchmarkId::new(what, format_args!("{level}-{}", self.each()));
        group.throughput(Throughput::Elements(self.margins.len() as u64));
        group.bench_function(id, |b| {
            b.iter(|| {
                f(
                    black_box(&self.margins),
                    black_box(&self.ends),
                    black_box(&mut self.nll),
                    black_box(&mut self.d_margin),
                )
            });
        });
    }

    fn panel<S: Strength<f64>>(&mut self, group: &mut Group<'_>, what: &str, panel: Panel<S>) {
        for level in Level::available() {
            let panel = panel.with_level(level);
            self.run(group, (what, level.name()), |margins, ends, nll, d_margin| {
                let rows = PanelRows::new().nll(nll).d_margin(d_margin);
                panel.evaluate(&PanelBatch::new(margins, ends), rows).unwrap()
            });
        }
    }

    #[cfg(feature = "rayon")]
    fn threads<S: Strength<f64> + Sync>(&mut self, group: &mut Group<'_>, name: &str, panel: Panel<S>) {
        for threads in [1, 2] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let what = format!("threads{threads}-{name}");
            self.run(group, (&what, Level::best().name()), |margins, ends, nll, d_margin| {
                let rows = PanelRows::new().nll(nll).d_margin(d_margin);
                pool.install(|| panel.par_evaluate(&PanelBatch::new(margins, ends), rows).unwrap())
            });
        }
    }

    fn alternatives(&mut self, group: &mut Group<'_>, (name, prior): (&str, Prior)) {
        for (what, alternative) in alternatives(&prior) {
            self.run(group, (&format!("{what}-{name}"), "plain"), |margins, ends, nll, d_margin| {
                alternative.evaluate(margins, ends, nll, d_margin)
            });
        }
    }

    /// Prints the largest errors: of a person's log-likelihood and of ∂/∂margin, and of Σ∂/∂v relative to that.
    fn errors<S: Strength<f64>>(&mut self, (name, panel, prior): (&str, Panel<S>, Prior)) {
        let Self { margins, ends, nll, d_margin } = self;
        let (mut true_nll, mut true_d_margin) = (nll.clone(), d_margin.clone());
        let fine = Alternative::Shared(Rule::fine(&prior));
        let [.., true_d_v] = fine.evaluate(margins, ends, &mut true_nll, &mut true_d_margin);
        let each = ends[0];
        let print = |what: &str, nll: &[f64], d_margin: &[f64], d_v: f64| {
            let largest =
                |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            eprintln!(
                "{name:<14} {each:>5} {what:<11} {:>10.1e} {:>10.1e} {:>10.1e}",
                largest(nll, &true_nll),
                largest(d_margin, &true_d_margin),
                (d_v / true_d_v - 1.0).abs(),
            );
        };
        let rows = PanelRows::new().nll(nll).d_margin(d_margin);
        let sums = panel.evaluate(&PanelBatch::new(margins, ends), rows).unwrap();
        print("evaluate", nll, d_margin, sums.d_params[1]);
        for (what, alternative) in alternatives(&prior) {
            let [.., d_v] = alternative.evaluate(margins, ends, nll, d_margin);
            print(what, nll, d_margin, d_v);
        }
    }
}

fn alternatives(prior: &Prior) -> [(&'static str, Alternative); 2] {
    [("textbook64", Alternative::Shared(Rule::textbook(prior))), ("adaptive15", Alternative::adaptive(prior))]
}

fn run(c: &mut Criterion) {
    let (narrow, wide) = (0.6, 1.5);
    let mut data = Data::new(MIDDLE);
    let mut others = OTHERS.map(Data::new);
    eprintln!("{:<14} {:>5} {:<11} {:>10} {:>10} {:>10}", "β", "each", "errors of", "loss", "∂/∂D", "Σ∂/∂v");
    data.errors(("gamma0.6", gamma(narrow), Prior::gamma(narrow)));
    data.errors(("lognormal0.6", lognormal(narrow), Prior::lognormal(narrow)));
    data.errors(("lognormal1.5", lognormal(wide), Prior::lognormal(wide)));
    for data in &mut others {
        data.errors(("gamma0.6", gamma(narrow), Prior::gamma(narrow)));
    }

    let mut group = c.benchmark_group("panel");
    data.panel(&mut group, "evaluate-gamma0.6", gamma(narrow));
    data.alternatives(&mut group, ("gamma0.6", Prior::gamma(narrow)));
    data.panel(&mut group, "evaluate-lognormal0.6", lognormal(narrow));
    data.alternatives(&mut group, ("lognormal0.6", Prior::lognormal(narrow)));
    data.panel(&mut group, "evaluate-lognormal1.5", lognormal(wide));
    data.alternatives(&mut group, ("lognormal1.5", Prior::lognormal(wide)));
    let lapse = Lapse::new(0.05).unwrap();
    data.panel(&mut group, "evaluate-gamma0.6-lapse0.05", gamma(narrow).with_lapse(lapse));
    #[cfg(feature = "rayon")]
    data.threads(&mut group, "gamma0.6", gamma(narrow));
    for data in &mut others {
        data.panel(&mut group, "evaluate-gamma0.6", gamma(narrow));
        data.alternatives(&mut group, ("gamma0.6", Prior::gamma(narrow)));
    }
    group.finish();
}

/// Medians of few samples, as in `batch`.
fn config() -> Criterion {
    Criterion::default()
        .sample_size(20)
        .nresamples(2000)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_secs(1))
}

criterion_group!(name = benches; config = config(); targets = run);
criterion_main!(benches);
