//! Maximum likelihood for (w, v): margin = w·f, E[β] = 1, v = cv² ≥ 0.

use super::pairs::Pairs;
use argmin::core::{CostFunction, Error, Executor, Gradient, State};
use argmin::solver::linesearch::MoreThuenteLineSearch;
use argmin::solver::quasinewton::LBFGS;
use prefstrength::{Fixed, Gamma, LogNormal, ParamError, Strength};
use special::Error as _;
use std::cell::{Cell, RefCell};

/// Largest spread a fit may take. Nearly all β are then next to 0, and a likelihood that still rises
/// is on its way to a step function of the margin.
pub(crate) const CAP_CV: f64 = 5.0;
/// Gradient norm, in units of about one standard error per coordinate, at which a fit counts as
/// converged; the optimiser itself aims lower.
const CONVERGED: f64 = 1e-3;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Family {
    LogNormal,
    Gamma,
}

/// Total loss and derivatives over all pairs.
struct Totals {
    nll: f64,
    d_w: Vec<f64>,
    d_v: f64,
    /// ∂²/∂w∂wᵀ, row-major, lower triangle; empty unless asked for.
    d2_w: Vec<f64>,
}

fn totals<S: Strength<f64>>(beta: &S, pairs: &Pairs, w: &[f64], second: bool) -> Totals {
    let n = pairs.dim;
    let mut sum =
        Totals { nll: 0.0, d_w: vec![0.0; n], d_v: 0.0, d2_w: vec![0.0; if second { n * n } else { 0 }] };
    for f in pairs.rows() {
        let margin = dot(w, f);
        let loss = beta.nll_gradient_ln_mean_v(margin);
        sum.nll += loss.value;
        sum.d_v += loss.d_v;
        add_scaled(&mut sum.d_w, loss.d_margin, f);
        if second {
            add_outer(&mut sum.d2_w, beta.nll_d2_margin(margin), f);
        }
    }
    sum
}

impl Family {
    fn totals(self, pairs: &Pairs, w: &[f64], v: f64, second: bool) -> Result<Totals, ParamError> {
        Ok(match self {
            Self::LogNormal => totals(&LogNormal::from_mean_v(1.0, v)?, pairs, w, second),
            Self::Gamma => totals(&Gamma::from_mean_v(1.0, v)?, pairs, w, second),
        })
    }

    /// Symbol and value of the spread this family is usually described by: σ or cv.
    pub(crate) fn spread(self, v: f64) -> (&'static str, f64) {
        match self {
            Self::LogNormal => ("σ", v.ln_1p().sqrt()),
            Self::Gamma => ("cv", v.sqrt()),
        }
    }

    /// Derivative of that spread in v, for the delta method.
    fn d_spread(self, v: f64) -> f64 {
        let (_, spread) = self.spread(v);
        match self {
            Self::LogNormal => 0.5 / (spread * (1.0 + v)),
            Self::Gamma => 0.5 / spread,
        }
    }
}

/// Plain DPO: the fit at v = 0, and the score test there.
pub(crate) struct Logit {
    pub(crate) w: Vec<f64>,
    pub(crate) log_likelihood: f64,
    pub(crate) iterations: usize,
    pub(crate) gradient: f64,
    /// Score of v divided by its standard deviation: positive where spread would help.
    pub(crate) z: f64,
    /// Information of v at v = 0 with w profiled out.
    information_v: f64,
    /// Factor of the information of w, which whitens it.
    whiten: Cholesky,
}

/// Newton's method. The loss is convex, and has a minimum unless a direction of w separates the
/// pairs, along which Newton's steps then never shrink.
pub(crate) fn fit_logit(pairs: &Pairs) -> Result<Logit, String> {
    const SEPARABLE: &str = "the pairs are separable: some w puts (almost) every chosen answer first, \
                             the likelihood rises as |w| grows and has no finite maximum";
    let beta = Fixed::new(1.0).map_err(|e| e.to_string())?;
    let mut w = vec![0.0; pairs.dim];
    let mut now = totals(&beta, pairs, &w, true);
    for iterations in 0..60 {
        let whiten = Cholesky::new(&now.d2_w, pairs.dim).map_err(|column| match iterations {
            0 => {
                format!("column `f{}` is zero or a linear combination of the features before it", column + 1)
            }
            _ => SEPARABLE.into(),
        })?;
        let mut step = now.d_w.clone();
        whiten.solve_lower(&mut step);
        let gradient = norm(&step);
        whiten.solve_upper(&mut step);
        let reach = pairs.rows().map(|f| dot(&step, f).abs()).fold(0.0, f64::max);
        if reach < 1e-7 {
            let (z, information_v) = score_test(&beta, pairs, &w, &now, &whiten);
            let log_likelihood = -now.nll;
            return Ok(Logit { w, log_likelihood, iterations, gradient, z, information_v, whiten });
        }
        let mut length = 1.0;
        loop {
            let trial: Vec<f64> = w.iter().zip(&step).map(|(w, s)| w - length * s).collect();
            let next = totals(&beta, pairs, &trial, true);
            // The last steps gain less than the sum's rounding.
            if next.nll <= now.nll * (1.0 + 1e-13) || length < 1e-6 {
                (w, now) = (trial, next);
                break;
            }
            length *= 0.5;
        }
        if pairs.rows().all(|f| dot(&w, f) >= 0.0) {
            break;
        }
    }
    Err(SEPARABLE.into())
}

/// Score test of v = 0 against v > 0, for any family: z and the efficient information of v.
///
/// Expected information: averaged over both outcomes of each pair, with the fitted probabilities.
fn score_test(beta: &Fixed<f64>, pairs: &Pairs, w: &[f64], at: &Totals, whiten: &Cholesky) -> (f64, f64) {
    let (mut i_vv, mut i_wv) = (0.0, vec![0.0; pairs.dim]);
    for f in pairs.rows() {
        let margin = dot(w, f);
        let (p, q) = (beta.expected_sigmoid(margin), beta.expected_sigmoid(-margin));
        let (with, against) = (beta.nll_gradient_ln_mean_v(margin), beta.nll_gradient_ln_mean_v(-margin));
        i_vv += p * with.d_v * with.d_v + q * against.d_v * against.d_v;
        add_scaled(&mut i_wv, p * with.d_margin * with.d_v - q * against.d_margin * against.d_v, f);
    }
    whiten.solve_lower(&mut i_wv);
    let information = i_vv - dot(&i_wv, &i_wv);
    // Without any signal in w the data say nothing about v.
    if information > 1e-12 * i_vv { (-at.d_v / information.sqrt(), information) } else { (0.0, 0.0) }
}

/// What became of the spread.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Spread {
    /// The maximum is at v = 0.
    Boundary,
    /// A maximum, with the standard error of σ or cv (none if the information is not positive).
    Interior { v: f64, error: Option<f64> },
    /// The likelihood still rises at [`CAP_CV`].
    Unbounded,
    /// The optimiser stopped short.
    NotConverged { v: f64 },
}

pub(crate) struct Fit {
    pub(crate) family: Family,
    pub(crate) w: Vec<f64>,
    pub(crate) log_likelihood: f64,
    pub(crate) spread: Spread,
    pub(crate) iterations: u64,
    pub(crate) gradient: f64,
}

/// The loss in coordinates y in which it is close to a unit bowl.
///
/// * v = sinh²s is even in s, so that the boundary v = 0 is an ordinary stationary point;
///   s = S sin(τ/S) does the same at the cap v = sinh²S.
/// * w = u cosh s: holding u = w/√(1 + v) fixed while the spread moves takes out most of the
///   correlation (0.87 to 0.97) of scale and spread, and lets the logit's w be the start.
/// * u and τ are measured in standard errors, by the information of the logit.
struct Joint<'a> {
    family: Family,
    pairs: &'a Pairs,
    logit: &'a Logit,
    unit: f64,
    costs: Cell<u32>,
    /// The optimiser asks for loss and gradient at one point separately.
    last: RefCell<(Vec<f64>, f64, Vec<f64>)>,
}

/// The model's own parameters at some y.
struct Point {
    u: Vec<f64>,
    w: Vec<f64>,
    s: f64,
    v: f64,
    ds_dtau: f64,
}

impl<'a> Joint<'a> {
    fn new(family: Family, pairs: &'a Pairs, logit: &'a Logit) -> Self {
        let unit = (1.0 / logit.information_v.sqrt()).min(1.0);
        Self { family, pairs, logit, unit, costs: Cell::new(0), last: RefCell::default() }
    }

    fn start(&self, cv: f64) -> Vec<f64> {
        let mut y = self.logit.w.clone();
        self.logit.whiten.times_upper(&mut y);
        y.push(cv.asinh() / self.unit);
        y
    }

    fn point(&self, y: &[f64]) -> Point {
        let (y_tau, y_u) = (y[self.pairs.dim], &y[..self.pairs.dim]);
        let cap = CAP_CV.asinh();
        let angle = y_tau * self.unit / cap;
        let (s, ds_dtau) = (cap * angle.sin(), angle.cos());
        let mut u = y_u.to_vec();
        self.logit.whiten.solve_upper(&mut u);
        Point { w: u.iter().map(|u| u * s.cosh()).collect(), u, s, v: s.sinh().powi(2), ds_dtau }
    }

    /// ∂nll/∂s at fixed u.
    fn d_s(&self, u: &[f64], s: f64, sum: &Totals) -> f64 {
        dot(&sum.d_w, u) * s.sinh() + sum.d_v * (2.0 * s).sinh()
    }

    fn evaluate<R>(&self, y: &[f64], read: impl FnOnce(f64, &[f64]) -> R) -> Result<R, Error> {
        let mut last = self.last.borrow_mut();
        if last.0 != y {
            let at = self.point(y);
            let sum = self.family.totals(self.pairs, &at.w, at.v, false)?;
            let mut gradient: Vec<f64> = sum.d_w.iter().map(|g| g * at.s.cosh()).collect();
            self.logit.whiten.solve_lower(&mut gradient);
            gradient.push(self.d_s(&at.u, at.s, &sum) * at.ds_dtau * self.unit);
            *last = (y.to_vec(), sum.nll, gradient);
        }
        Ok(read(last.1, &last.2))
    }
}

impl CostFunction for &Joint<'_> {
    type Param = Vec<f64>;
    type Output = f64;
    fn cost(&self, y: &Vec<f64>) -> Result<f64, Error> {
        // A line search has no limit of its own.
        self.costs.set(self.costs.get() + 1);
        if self.costs.get() > 500 {
            return Err(Error::msg("too many evaluations"));
        }
        self.evaluate(y, |nll, _| nll)
    }
}

impl Gradient for &Joint<'_> {
    type Param = Vec<f64>;
    type Gradient = Vec<f64>;
    fn gradient(&self, y: &Vec<f64>) -> Result<Vec<f64>, Error> {
        self.evaluate(y, |_, gradient| gradient.to_vec())
    }
}

/// Learns w and the spread together.
pub(crate) fn fit_joint(family: Family, pairs: &Pairs, logit: &Logit) -> Result<Fit, String> {
    let joint = Joint::new(family, pairs, logit);
    let text = |e: Error| e.to_string();
    // From well inside, also where the score at v = 0 is negative: the likelihood is not concave,
    // and a local maximum at the boundary proves little.
    let solver = LBFGS::new(MoreThuenteLineSearch::new(), 10).with_tolerance_grad(1e-5).map_err(text)?;
    let run = Executor::new(&joint, solver)
        .configure(|state| state.param(joint.start(0.8)).max_iters(200))
        .timer(false)
        .run()
        .map_err(text)?;
    let y = run.state.get_best_param().ok_or("the optimiser found no point at all")?;
    let gradient = joint.evaluate(y, |_, g| norm(g)).map_err(text)?;
    let Point { u, w, s, v, .. } = joint.point(y);
    let sum = family.totals(pairs, &w, v, true).map_err(|e| e.to_string())?;
    let rising = joint.d_s(&u, s, &sum) * s < 0.0;
    let fit = |w: &[f64], log_likelihood, spread| Fit {
        family,
        w: w.to_vec(),
        log_likelihood,
        spread,
        iterations: run.state.get_iter(),
        gradient,
    };
    let gain = -sum.nll - logit.log_likelihood;
    Ok(if logit.z <= 0.0 && gain <= 1e-6 {
        fit(&logit.w, logit.log_likelihood, Spread::Boundary)
    } else if s.abs() > 0.999 * CAP_CV.asinh() && rising {
        fit(&w, -sum.nll, Spread::Unbounded)
    } else if gradient > CONVERGED || gain < -1e-6 {
        fit(&w, -sum.nll, Spread::NotConverged { v })
    } else {
        let error = standard_error(family, pairs, &w, v, &sum.d2_w).map_err(|e| e.to_string())?;
        fit(&w, -sum.nll, Spread::Interior { v, error })
    })
}

/// Standard error of σ or cv by the observed information in (w, v): ∂²/∂w² is analytic, the rest a
/// central difference of the analytic gradient in v.
fn standard_error(
    family: Family,
    pairs: &Pairs,
    w: &[f64],
    v: f64,
    d2_w: &[f64],
) -> Result<Option<f64>, ParamError> {
    let h = 1e-3 * v;
    let (up, down) = (family.totals(pairs, w, v + h, false)?, family.totals(pairs, w, v - h, false)?);
    let mut i_wv: Vec<f64> = up.d_w.iter().zip(&down.d_w).map(|(a, b)| (a - b) / (2.0 * h)).collect();
    let Ok(whiten) = Cholesky::new(d2_w, pairs.dim) else { return Ok(None) };
    whiten.solve_lower(&mut i_wv);
    let information = (up.d_v - down.d_v) / (2.0 * h) - dot(&i_wv, &i_wv);
    Ok((information > 0.0).then(|| family.d_spread(v) / information.sqrt()))
}

/// P(LR ≥ lr) without spread: half the time the maximum is at the boundary and LR = 0.
pub(crate) fn p_likelihood_ratio(lr: f64) -> f64 {
    if lr > 0.0 { 0.5 * (0.5 * lr).sqrt().compl_error() } else { 1.0 }
}

/// P(Z ≥ z) of a standard normal.
pub(crate) fn p_normal(z: f64) -> f64 {
    0.5 * (z * std::f64::consts::FRAC_1_SQRT_2).compl_error()
}

pub(crate) fn norm(x: &[f64]) -> f64 {
    dot(x, x).sqrt()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn add_scaled(sum: &mut [f64], c: f64, x: &[f64]) {
    for (s, x) in sum.iter_mut().zip(x) {
        *s += c * x;
    }
}

/// Lower triangle of sum + c x xᵀ.
fn add_outer(sum: &mut [f64], c: f64, x: &[f64]) {
    for (i, row) in sum.chunks_exact_mut(x.len()).enumerate() {
        add_scaled(&mut row[..=i], c * x[i], x);
    }
}

/// A = L Lᵀ, L row-major.
struct Cholesky {
    l: Vec<f64>,
    n: usize,
}

impl Cholesky {
    /// The error is the first column that depends on those before it, to rounding.
    fn new(lower: &[f64], n: usize) -> Result<Self, usize> {
        let mut l = vec![0.0; n * n];
        for i in 0..n {
            for j in 0..=i {
                let rest = lower[i * n + j] - dot(&l[i * n..i * n + j], &l[j * n..j * n + j]);
                l[i * n + j] = if j < i {
                    rest / l[j * n + j]
                } else if rest > 1e-12 * lower[i * n + i] {
                    rest.sqrt()
                } else {
                    return Err(i);
                };
            }
        }
        Ok(Self { l, n })
    }

    /// L⁻¹x in place.
    fn solve_lower(&self, x: &mut [f64]) {
        for i in 0..self.n {
            let row = &self.l[i * self.n..=i * self.n + i];
            x[i] = (x[i] - dot(&row[..i], &x[..i])) / row[i];
        }
    }

    /// L⁻ᵀx in place.
    fn solve_upper(&self, x: &mut [f64]) {
        for i in (0..self.n).rev() {
            let row = &self.l[i * self.n..=i * self.n + i];
            x[i] /= row[i];
            let xi = x[i];
            add_scaled(&mut x[..i], -xi, row);
        }
    }

    /// Lᵀx in place.
    fn times_upper(&self, x: &mut [f64]) {
        for i in 0..self.n {
            let row = &self.l[i * self.n..=i * self.n + i];
            let xi = x[i];
            x[i] = 0.0;
            add_scaled(&mut x[..=i], xi, row);
        }
    }
}
