//! Batch speed, one thread unless said otherwise: losses and ∂/∂margin as rows, summed parameter gradients.
//! Beside it, in the same run, a copy of the same bytes, plain DPO, the estimators of this crate, and what people
//! use instead; then drawing by itself.
//!
//! ```text
//! cargo bench --bench batch --features rayon && cargo run --release -p xtask -- benchmark-report
//! ```
//!
//! A benchmark is called `batch/<what>-<precision>/<level>-<margins>-<length>`. The whole takes about two
//! minutes. `PREFSTRENGTH_BENCH_LARGE=1` adds 10⁸ margins (1.2 GB).

#[path = "support/alternatives.rs"]
mod alternatives;
#[path = "support/estimators.rs"]
mod estimators;
#[path = "support/margins.rs"]
mod margins;

use alternatives::{Nodes, Number, Series, normals};
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use margins::Kind;
use prefstrength::batch::{self, Batch, Direct, PerElement, Plan, Rows};
use prefstrength::sampling::{PointSet, Reparameterised, Sample};
use prefstrength::{Family, Fixed, Gamma, InverseGaussian, Level, LogNormal, Real, Strength};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Distribution, Uniform};
use std::hint::black_box;
use std::time::Duration;

type Group<'a> = BenchmarkGroup<'a, WallTime>;

const SHORT: usize = 64;
const MIDDLE: usize = 4096;
const LONG: usize = 1_000_000;
/// Per pair.
const DRAWS: usize = 16;
/// Short batches are windows of as many margins.
const POOL: usize = 1 << 18;

/// What all of them share; E[β] = 1.
fn gamma<T: Number + Real>(v: f64) -> Gamma<T> {
    Gamma::from_mean_v(T::one(), T::of(v)).unwrap()
}

fn inverse_gaussian<T: Number + Real>(v: f64) -> InverseGaussian<T> {
    InverseGaussian::from_mean_v(T::one(), T::of(v)).unwrap()
}

fn lognormal<T: Number + Real>(sigma: f64) -> LogNormal<T> {
    LogNormal::from_mu_sigma(T::of(-0.5 * sigma * sigma), T::of(sigma)).unwrap()
}

trait Precision: Real + Number + prefstrength::batch::Number {
    const NAME: &'static str;
}

impl Precision for f32 {
    const NAME: &'static str = "f32";
}

impl Precision for f64 {
    const NAME: &'static str = "f64";
}

/// Margins of each kind, and where results go.
struct Data<T> {
    margins: [Vec<T>; 3],
    nll: Vec<T>,
    d_margin: Vec<T>,
}

impl<T: Precision> Data<T> {
    fn new(len: usize) -> Self {
        let margins = Kind::ALL.map(|kind| kind.margins(len).into_iter().map(T::of).collect());
        Self { margins, nll: vec![T::zero(); len], d_margin: vec![T::zero(); len] }
    }

    /// Measures `f` of margins, losses and ∂/∂margin on `n` at a time.
    fn run<O>(
        &mut self,
        group: &mut Group<'_>,
        (what, level): (&str, &str),
        (kind, n): (Kind, usize),
        mut f: impl FnMut(&[T], &mut [T], &mut [T]) -> O,
    ) {
        let margins = &self.margins[Kind::ALL.iter().position(|&k| k == kind).unwrap()];
        let (nll, d_margin) = (&mut self.nll[..n], &mut self.d_margin[..n]);
        // Every call gets other margins, as in training: branch predictors learn few of them by heart.
        let windows = (margins.len().min(POOL) / n).max(1);
        let id = BenchmarkId::new(format!("{what}-{}", T::NAME), format_args!("{level}-{}-{n}", kind.name()));
        group.throughput(Throughput::Elements(n as u64));
        group.bench_function(id, |b| {
            let mut window = 0;
            b.iter(|| {
                window = (window + 1) % windows;
                let margins = &margins[window * n..][..n];
                f(black_box(margins), black_box(&mut *nll), black_box(&mut *d_margin))
            });
        });
    }

    fn direct<S: Strength<T>>(
        &mut self,
        group: &mut Group<'_>,
        (name, beta): (&str, S),
        level: Level,
        on: (Kind, usize),
    ) {
        let direct = Direct::new(&beta).with_level(level);
        self.run(group, (&format!("direct-{name}"), level.name()), on, |margins, nll, d_margin| {
            direct.evaluate(&Batch::new(margins), Rows::new().nll(nll).d_margin(d_margin)).unwrap()
        });
    }

    fn plan<S: Strength<T>>(
        &mut self,
        group: &mut Group<'_>,
        (name, beta): (&str, S),
        level: Level,
        on: (Kind, usize),
    ) {
        let plan = Plan::with_level(&beta, level);
        self.run(group, (&format!("plan-{name}"), level.name()), on, |margins, nll, d_margin| {
            plan.evaluate(&Batch::new(margins), Rows::new().nll(nll).d_margin(d_margin)).unwrap()
        });
    }

    /// `batch::evaluate`, the table of a plan included where it makes one.
    fn front_door<S: Strength<T>>(&mut self, group: &mut Group<'_>, (name, beta): (&str, S), n: usize) {
        let level = Level::best().name();
        self.run(
            group,
            (&format!("evaluate-{name}"), level),
            (Kind::Training, n),
            |margins, nll, d_margin| {
                let rows = Rows::new().nll(nll).d_margin(d_margin);
                batch::evaluate(black_box(&beta), &Batch::new(margins), rows).unwrap()
            },
        );
    }

    /// The same bytes: margins read once, two arrays written.
    fn copy(&mut self, group: &mut Group<'_>, n: usize) {
        self.run(group, ("copy", "plain"), (Kind::Training, n), |margins, nll, d_margin| {
            let to = nll.chunks_mut(1024).zip(d_margin.chunks_mut(1024));
            for (from, (nll, d_margin)) in margins.chunks(1024).zip(to) {
                nll.copy_from_slice(from);
                d_margin.copy_from_slice(from);
            }
        });
    }

    fn alternatives(&mut self, group: &mut Group<'_>, n: usize) {
        let on = (Kind::Training, n);
        let (mu, sigma) = (-0.125, 0.5);
        let draws = Nodes::<T, 16>::draws(mu, sigma);
        self.run(group, ("monte_carlo16", "plain"), on, |m, l, d| draws.mean_of_sigmoids(m, l, d));
        self.run(group, ("monte_carlo16_log", "plain"), on, |m, l, d| draws.log_mean_exp(m, l, d));
        let nodes = Nodes::<T, 16>::hermite(mu, sigma);
        self.run(group, ("hermite16", "plain"), on, |m, l, d| nodes.mean_of_sigmoids(m, l, d));
        let nodes = Nodes::<T, 32>::hermite(mu, sigma);
        self.run(group, ("hermite32", "plain"), on, |m, l, d| nodes.mean_of_sigmoids(m, l, d));
        let series = Series::<T>::new(4.0, 0.25);
        self.run(group, ("series20", "plain"), on, |m, l, d| series.evaluate(m, l, d));
    }

    /// The estimators of this crate, scores given.
    fn estimators(&mut self, group: &mut Group<'_>) {
        for (what, estimate) in estimators::estimators::<T>((-0.125, 0.5), MIDDLE) {
            self.run(group, (what, Level::best().name()), (Kind::Training, MIDDLE), estimate);
        }
    }

    /// Everything of one precision on one thread.
    fn all(group: &mut Group<'_>) {
        let (best, mut data) = (Level::best(), Self::new(LONG));
        let (gamma, lognormal) = (("gamma", gamma(0.25)), ("lognormal0.5", lognormal(0.5)));
        let inverse_gaussian = ("inverse_gaussian", inverse_gaussian(0.25));
        let fixed = ("fixed", Fixed::new(T::one()).unwrap());
        for n in [SHORT, MIDDLE, LONG] {
            data.copy(group, n);
            data.direct(group, fixed, best, (Kind::Training, n));
            data.front_door(group, gamma, n);
            data.front_door(group, lognormal, n);
        }
        for n in [SHORT, MIDDLE] {
            data.alternatives(group, n);
        }
        data.estimators(group);
        for kind in Kind::ALL {
            for n in [MIDDLE, LONG] {
                data.plan(group, gamma, best, (kind, n));
                data.plan(group, lognormal, best, (kind, n));
                data.plan(group, inverse_gaussian, best, (kind, n));
            }
            data.direct(group, gamma, best, (kind, MIDDLE));
            data.direct(group, inverse_gaussian, best, (kind, MIDDLE));
            for sigma in [0.1, 0.5, 1.0] {
                let named = (&*format!("lognormal{sigma}"), self::lognormal(sigma));
                data.direct(group, named, best, (kind, MIDDLE));
            }
        }
        data.direct(group, gamma, best, (Kind::Training, LONG));
        data.direct(group, lognormal, best, (Kind::Training, LONG));
        data.direct(group, inverse_gaussian, best, (Kind::Training, LONG));
        for level in Level::available().filter(|&level| level != best) {
            let on = (Kind::Training, MIDDLE);
            data.direct(group, fixed, level, on);
            data.direct(group, gamma, level, on);
            data.direct(group, lognormal, level, on);
            data.direct(group, inverse_gaussian, level, on);
            data.plan(group, gamma, level, on);
            data.plan(group, lognormal, level, on);
            data.plan(group, inverse_gaussian, level, on);
        }
        data.per_element(group);
    }

    /// Parameters and their gradients per element.
    fn per_element(&mut self, group: &mut Group<'_>) {
        let level = Level::best().name();
        let on = (Kind::Training, MIDDLE);
        let spreads: Vec<f64> = (0..MIDDLE).map(|i| 0.3 + 0.4 * ((i * 7) % 10) as f64 / 10.0).collect();
        let column = |f: &dyn Fn(f64) -> f64| -> Vec<T> { spreads.iter().map(|&s| T::of(f(s))).collect() };
        let mut to = [vec![T::zero(); MIDDLE], vec![T::zero(); MIDDLE]];
        let mut measure = |name: &str, beta: PerElement<'_, T>| {
            self.run(group, (name, level), on, |margins, nll, d_margin| {
                let [a, b] = &mut to;
                let rows = Rows::new().nll(nll).d_margin(d_margin).d_params([&mut *a, &mut *b]);
                beta.evaluate(&Batch::new(margins), rows).unwrap()
            });
        };
        let (k, theta) = (column(&|s| (s * s).recip()), column(&|s| s * s));
        measure("per_element-gamma", PerElement::new(Family::Gamma, &[&k, &theta]).unwrap());
        let (mu, sigma) = (column(&|s| -0.5 * s * s), column(&|s| s));
        measure("per_element-lognormal", PerElement::new(Family::LogNormal, &[&mu, &sigma]).unwrap());
        let (mean, shape) = (column(&|_| 1.0), column(&|s| (s * s).recip()));
        let each = PerElement::new(Family::InverseGaussian, &[&mean, &shape]).unwrap();
        measure("per_element-inverse_gaussian", each);
    }

    /// Preparation of a plan for parameters that have moved.
    fn prepare<S: Strength<T>>(group: &mut Group<'_>, name: &str, betas: [S; 2], level: Level) {
        let id = BenchmarkId::new(format!("prepare-{name}-{}", T::NAME), level.name());
        let mut plan = Plan::<T, S>::with_level(&betas[0], level);
        group.throughput(Throughput::Elements(1));
        group.bench_function(id, |b| {
            let mut turn = 0;
            b.iter(|| {
                // Equal parameters would be no work.
                turn = 1 - turn;
                plan.prepare(black_box(&betas[turn]));
                black_box(&plan);
            });
        });
    }

    fn preparations(group: &mut Group<'_>) {
        for level in Level::available() {
            Self::prepare(group, "gamma", [0.25, 0.26].map(gamma), level);
            Self::prepare(group, "inverse_gaussian", [0.25, 0.26].map(inverse_gaussian), level);
            for sigma in [0.1, 0.5, 1.0] {
                if sigma == 0.5 || level == Level::best() {
                    let betas = [sigma, 0.99 * sigma].map(lognormal);
                    Self::prepare(group, &format!("lognormal{sigma}"), betas, level);
                }
            }
        }
    }

    /// Measures `f`, which draws `n` numbers.
    fn draw(group: &mut Group<'_>, what: &str, n: usize, mut f: impl FnMut()) {
        let id = BenchmarkId::new(format!("{what}-{}", T::NAME), format_args!("scalar-{n}"));
        group.throughput(Throughput::Elements(n as u64));
        group.bench_function(id, |b| b.iter(&mut f));
    }

    /// Scores of pairs from uniforms, and strengths with their derivatives.
    fn sampling(group: &mut Group<'_>) {
        let (rng, all) = (ChaCha8Rng::seed_from_u64(4096), DRAWS * MIDDLE);
        let uniforms: Vec<f64> = Uniform::new(0.0, 1.0).unwrap().sample_iter(rng).take(all).collect();
        let mut scores = vec![T::zero(); all];
        for set in [PointSet::Iid, PointSet::StratifiedAntithetic] {
            let uniforms = &uniforms[..set.uniforms(DRAWS) * MIDDLE];
            Self::draw(group, &format!("scores-{}", set.name()), all, || {
                set.scores_per_pair(MIDDLE, black_box(uniforms), black_box(&mut scores)).unwrap();
            });
        }
        let (gamma, lognormal) = (gamma::<T>(0.25), lognormal::<T>(0.5));
        let scores: Vec<T> = normals().take(MIDDLE).map(T::of).collect();
        let strengths: Vec<T> = scores.iter().map(|&z| gamma.sample(z).value).collect();
        Self::samples(group, "sample-gamma", &scores, |z| gamma.sample(z));
        Self::samples(group, "sample_at-gamma", &strengths, |beta| gamma.sample_at(beta));
        Self::samples(group, "sample-lognormal", &scores, |z| lognormal.sample(z));
    }

    fn samples(group: &mut Group<'_>, what: &str, from: &[T], sample: impl Fn(T) -> Sample<T>) {
        let mut to: Vec<_> = from.iter().map(|&x| sample(x)).collect();
        Self::draw(group, what, from.len(), || {
            to.iter_mut().zip(black_box(from)).for_each(|(to, &x)| *to = sample(x));
            black_box(&mut to);
        });
    }

    /// From the first-level cache to memory; and threads.
    fn scaling(group: &mut Group<'_>, lengths: &[usize]) {
        let longest = lengths.iter().copied().max().unwrap_or(0);
        let base: Vec<T> = Kind::Training.margins(LONG).into_iter().map(T::of).collect();
        let repeated: Vec<T> = base.iter().copied().cycle().take(longest).collect();
        let mut data = Self {
            margins: [repeated, Vec::new(), Vec::new()],
            nll: vec![T::zero(); longest],
            d_margin: vec![T::zero(); longest],
        };
        let beta = gamma(0.25);
        for &n in lengths {
            let on = (Kind::Training, n);
            // The rest is there already.
            if ![MIDDLE, LONG].contains(&n) {
                data.copy(group, n);
                data.plan(group, ("gamma", beta), Level::best(), on);
            }
            #[cfg(feature = "rayon")]
            if n >= LONG {
                let (plan, level) = (Plan::new(&beta), Level::best().name());
                for threads in [1, 2] {
                    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                    let what = format!("threads{threads}-plan-gamma");
                    data.run(group, (&what, level), on, |margins, nll, d_margin| {
                        let rows = Rows::new().nll(nll).d_margin(d_margin);
                        pool.install(|| plan.par_evaluate(&Batch::new(margins), rows).unwrap())
                    });
                }
            }
        }
    }
}

fn run(c: &mut Criterion) {
    let mut group = c.benchmark_group("batch");
    Data::<f32>::all(&mut group);
    Data::<f64>::all(&mut group);
    Data::<f32>::preparations(&mut group);
    Data::<f64>::preparations(&mut group);
    Data::<f32>::sampling(&mut group);
    Data::<f64>::sampling(&mut group);
    let mut lengths = vec![MIDDLE, 65_536, LONG, 10_000_000];
    Data::<f64>::scaling(&mut group, &lengths);
    if std::env::var_os("PREFSTRENGTH_BENCH_LARGE").is_some() {
        lengths.push(100_000_000);
    }
    Data::<f32>::scaling(&mut group, &lengths);
    group.finish();
}

/// Medians of few samples: many comparisons in one sitting rather than one to four digits.
fn config() -> Criterion {
    Criterion::default()
        .sample_size(12)
        .nresamples(2000)
        .warm_up_time(Duration::from_millis(150))
        .measurement_time(Duration::from_millis(400))
}

criterion_group!(name = benches; config = config(); targets = run);
criterion_main!(benches);
