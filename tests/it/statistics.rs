//! Densities, distribution functions, quantiles and moments of the families.
//!
//! Truth: `tests/data/statistics.csv`, from `python3 xtask/generators/statistics.py vectors` (mpmath, 50 digits).

use approx::assert_relative_eq;
use prefstrength::{Fixed, Gamma, LogNormal, Real};
use proptest::prelude::*;

/// One function's tolerance: relative, absolute, and the reason.
struct Tolerance {
    family: &'static str,
    function: &'static str,
    relative: f64,
    absolute: f64,
}

const fn tolerance(family: &'static str, function: &'static str, relative: f64, absolute: f64) -> Tolerance {
    Tolerance { family, function, relative, absolute }
}

#[rustfmt::skip]
const TOLERANCES: &[Tolerance] = &[
    // Up to 150 rounded terms or factors of a series or a continued fraction.
    tolerance("gamma", "cdf", 1e-14, 0.0),
    tolerance("gamma", "sf", 1e-14, 0.0),
    // exp, a Stirling factor or a product of up to 20 factors.
    tolerance("gamma", "pdf", 4e-15, 0.0),
    // A sum that may cancel: 2 ulp of its largest term, which is at most 40 where |ln pdf| is small.
    tolerance("gamma", "ln_pdf", 6e-16, 1e-14),
    // Newton's last step, plus what p and k amplify: see `allowance`.
    tolerance("gamma", "quantile", 2e-14, 0.0),
    // One or two roundings.
    tolerance("gamma", "mode", 5e-16, 0.0),
    tolerance("gamma", "std_dev", 3e-16, 0.0),
    tolerance("gamma", "skewness", 3e-16, 0.0),
    tolerance("gamma", "kurtosis_excess", 3e-16, 0.0),
    // k, ln Γ(k) and (1 − k)ψ(k), each up to 20, cancel to order 1.
    tolerance("gamma", "entropy", 1e-15, 1e-14),
    // erfc, its first-order correction; e^μ rounds: see `allowance`.
    tolerance("lognormal", "cdf", 1e-15, 0.0),
    tolerance("lognormal", "sf", 1e-15, 0.0),
    tolerance("lognormal", "pdf", 2e-15, 0.0),
    tolerance("lognormal", "ln_pdf", 6e-16, 1e-15),
    // e^μ, exp and z, which is off by up to an ulp of 1: see `allowance`.
    tolerance("lognormal", "quantile", 1e-15, 0.0),
    // exp and a product or two.
    tolerance("lognormal", "median", 4e-16, 0.0),
    tolerance("lognormal", "mode", 8e-16, 0.0),
    tolerance("lognormal", "std_dev", 1e-14, 0.0),
    tolerance("lognormal", "entropy", 6e-16, 1e-15),
    // e^{σ²} with a rounded σ² ≤ 144, to the power 3/2 or 4.
    tolerance("lognormal", "skewness", 3e-14, 0.0),
    tolerance("lognormal", "kurtosis_excess", 1e-13, 0.0),
];

/// What the condition of the problem adds to the relative tolerance.
fn allowance(family: &str, function: &str, first: f64, second: f64, argument: f64) -> f64 {
    let eps = f64::EPSILON;
    match (family, function) {
        // ln x = (ln p + ln Γ(k + 1))/k for small k, rounded.
        ("gamma", "quantile") if first < 1.0 => eps * (2.0 - argument.ln()) / first,
        // e^μ rounds by an ulp (μ = 0 does not, nor does the mean of the other constructors).
        ("lognormal", "cdf" | "sf" | "pdf") => {
            let z = (argument.ln() - first) / second;
            eps * first.abs().min(1.0) * (1.0 + z.abs()) / second
        }
        ("lognormal", "ln_pdf") => {
            let z = (argument.ln() - first) / second;
            eps * first.abs().min(1.0) * (1.0 + z.abs()) / second / (0.5 * z * z).max(0.05)
        }
        ("lognormal", "quantile") => eps * second,
        _ => 0.0,
    }
}

macro_rules! evaluate {
    ($beta:expr, $function:expr, $x:expr) => {{
        let (beta, x) = ($beta, $x);
        match $function {
            "pdf" => beta.pdf(x),
            "ln_pdf" => beta.ln_pdf(x),
            "cdf" => beta.cdf(x),
            "sf" => beta.sf(x),
            "quantile" => beta.quantile(x),
            "median" => beta.median(),
            "mode" => beta.mode(),
            "std_dev" => beta.std_dev(),
            "entropy" => beta.entropy(),
            "skewness" => beta.skewness(),
            "kurtosis_excess" => beta.kurtosis_excess(),
            other => panic!("no function {other}"),
        }
    }};
}

fn gamma(k: f64, theta: f64) -> Gamma<f64> {
    Gamma::from_shape_scale(k, theta).unwrap()
}

fn lognormal(mu: f64, sigma: f64) -> LogNormal<f64> {
    LogNormal::from_mu_sigma(mu, sigma).unwrap()
}

#[test]
fn vectors() {
    let mut reader = csv::Reader::from_path("tests/data/statistics.csv").unwrap();
    let mut used = std::collections::BTreeMap::new();
    for record in reader.records() {
        let record = record.unwrap();
        let number = |i: usize| record[i].parse::<f64>().unwrap();
        let (family, function, first, second, x, truth) =
            (&record[0], &record[1], number(2), number(3), number(4), number(5));
        let value = match family {
            "gamma" => evaluate!(gamma(first, second), function, x),
            _ => evaluate!(lognormal(first, second), function, x),
        };
        let (i, t) = TOLERANCES
            .iter()
            .enumerate()
            .find(|(_, t)| t.family == family && t.function == function)
            .unwrap_or_else(|| panic!("no tolerance for {family} {function}"));
        *used.entry(i).or_insert(0) += 1;
        let relative = t.relative + allowance(family, function, first, second, x);
        let error = (value - truth).abs();
        assert!(
            error <= relative * truth.abs() + t.absolute,
            "{family}({first}, {second}).{function}({x}) = {value:e}, not {truth:e}: {:e} > {relative:e}",
            error / truth.abs()
        );
    }
    assert_eq!(used.len(), TOLERANCES.len());
    assert!(used.values().sum::<i32>() > 1000);
}

#[test]
fn edges_of_gamma() {
    assert_eq!(gamma(0.5, 2.0).pdf(0.0), f64::INFINITY);
    assert_eq!(gamma(1.0, 2.0).pdf(0.0), 0.5);
    assert_eq!(gamma(1.5, 2.0).pdf(0.0), 0.0);
    assert_eq!(gamma(1.5, 2.0).pdf(-0.0), 0.0);
    for k in [1e-300, 1e-3, 0.5, 1.0, 3.0, 500.0, 1e4, 1e100, 1e300] {
        let beta = gamma(k, 2.0_f64.powi(-3));
        for below in [-f64::MIN_POSITIVE, -1.0, f64::NEG_INFINITY] {
            assert_eq!((beta.pdf(below), beta.cdf(below), beta.sf(below)), (0.0, 0.0, 1.0));
            assert_eq!(beta.ln_pdf(below), f64::NEG_INFINITY);
        }
        assert_eq!((beta.cdf(0.0), beta.sf(0.0)), (0.0, 1.0));
        let top = f64::INFINITY;
        assert_eq!((beta.pdf(top), beta.cdf(top), beta.sf(top)), (0.0, 1.0, 0.0));
        assert_eq!((beta.quantile(0.0), beta.quantile(1.0)), (0.0, top));
        for outside in [-1e-300, 1.0 + f64::EPSILON, f64::NAN, top, -top] {
            assert!(beta.quantile(outside).is_nan());
        }
    }
    // Beyond any f64 resolution of the mean the law is a step at it.
    let narrow = gamma(1e300, 1.0);
    assert_eq!((narrow.cdf(0.999e300), narrow.sf(0.999e300)), (0.0, 1.0));
    assert_eq!((narrow.cdf(1.001e300), narrow.sf(1.001e300)), (1.0, 0.0));
    assert_eq!(narrow.cdf(1e300), 0.5);
    assert_eq!(narrow.median(), 1e300);
    // Half the mass of a tiny shape lies below the smallest f64.
    assert_eq!(gamma(1e-5, 1.0).median(), 0.0);
    assert_eq!(gamma(1e-5, 1.0).mode(), 0.0);
    // x^k does not underflow with x.
    assert_relative_eq!(gamma(1e-3, 1e5).cdf(1e-305), 0.490_061_206_119_644_6, max_relative = 1e-14);
    // x = β/θ overflows, or is ∞ for a subnormal θ.
    for k in [3.0, 999.0, 1001.0] {
        let beta = Gamma::from_mean_v(f64::MIN_POSITIVE, 1.0 / k).unwrap();
        assert_eq!((beta.pdf(0.4), beta.sf(0.4)), (0.0, 0.0));
        assert!(beta.ln_pdf(0.4) < -1e307);
    }
    // Finite logarithms beyond the range of the density.
    assert_relative_eq!(gamma(3.0, 1.0).ln_pdf(1e10), -1e10, max_relative = 1e-8);
    assert_eq!(gamma(3.0, 1.0).pdf(1e10), 0.0);
    assert_relative_eq!(
        gamma(3.0, 1.0).ln_pdf(1e-320),
        2.0 * 1e-320_f64.ln() - 2.0_f64.ln(),
        max_relative = 1e-15
    );
}

#[test]
fn edges_of_lognormal() {
    let beta = lognormal(0.3, 1.5);
    for below in [0.0, -0.0, -1.0, f64::NEG_INFINITY] {
        assert_eq!((beta.pdf(below), beta.cdf(below), beta.sf(below)), (0.0, 0.0, 1.0));
        assert_eq!(beta.ln_pdf(below), f64::NEG_INFINITY);
    }
    let top = f64::INFINITY;
    assert_eq!((beta.pdf(top), beta.cdf(top), beta.sf(top)), (0.0, 1.0, 0.0));
    assert_eq!((beta.quantile(0.0), beta.quantile(1.0)), (0.0, top));
    assert_eq!(beta.quantile(0.5), beta.median());
    for outside in [-1e-300, 1.0 + f64::EPSILON, f64::NAN, top, -top] {
        assert!(beta.quantile(outside).is_nan());
    }
    // e^{4σ²} is beyond f32.
    assert_eq!(LogNormal::<f32>::from_mu_sigma(0.0, 12.0).unwrap().kurtosis_excess(), f32::INFINITY);
}

/// A point mass at `atom`.
fn assert_atom<T: Real>(atom: T, cdf: impl Fn(T) -> T, sf: impl Fn(T) -> T, quantile: impl Fn(T) -> T) {
    let (zero, one) = (T::zero(), T::one());
    let (before, after) = (atom * T::from_f64(0.999), atom * T::from_f64(1.001));
    for (x, below) in [(before, true), (atom, false), (after, false), (T::infinity(), false), (-one, true)] {
        assert_eq!(cdf(x), if below { zero } else { one });
        assert_eq!(sf(x), if below { one } else { zero });
    }
    for p in [0.0, 1e-30, 0.5, 1.0] {
        assert_eq!(quantile(T::from_f64(p)), atom);
    }
    for nan in [cdf(T::nan()), sf(T::nan()), quantile(T::nan()), quantile(-one), quantile(one + one)] {
        assert!(nan.is_nan());
    }
}

fn point_masses_in<T: Real>() {
    let (tenth, zero, inf) = (T::from_f64(0.1), T::zero(), T::infinity());
    let fixed = Fixed::new(tenth).unwrap();
    assert_atom(tenth, |x| fixed.cdf(x), |x| fixed.sf(x), |p| fixed.quantile(p));
    assert_eq!((fixed.median(), fixed.mode(), fixed.std_dev(), fixed.entropy()), (tenth, tenth, zero, -inf));
    let g = Gamma::from_mean_cv(tenth, zero).unwrap();
    assert_atom(tenth, |x| g.cdf(x), |x| g.sf(x), |p| g.quantile(p));
    assert_eq!((g.pdf(tenth), g.pdf(tenth + tenth), g.ln_pdf(tenth), g.ln_pdf(zero)), (inf, zero, inf, -inf));
    assert_eq!((g.median(), g.mode(), g.std_dev(), g.entropy()), (tenth, tenth, zero, -inf));
    assert_eq!((g.skewness(), g.kurtosis_excess()), (zero, zero));
    let l = LogNormal::from_mu_sigma(T::from_f64(-2.3), zero).unwrap();
    assert_atom(l.median(), |x| l.cdf(x), |x| l.sf(x), |p| l.quantile(p));
    assert_eq!((l.pdf(l.median()), l.pdf(tenth + tenth), l.ln_pdf(l.median())), (inf, zero, inf));
    assert_eq!((l.mode(), l.std_dev(), l.entropy()), (l.median(), zero, -inf));
    assert_eq!((l.skewness(), l.kurtosis_excess()), (zero, zero));
}

#[test]
fn point_masses() {
    point_masses_in::<f32>();
    point_masses_in::<f64>();
    let never = Fixed::new(0.0).unwrap();
    assert_eq!((never.cdf(-0.0), never.cdf(-1e-300), never.sf(0.0)), (1.0, 0.0, 0.0));
}

/// The regimes of the incomplete gamma functions meet without a step.
#[test]
fn regimes_meet() {
    for k in [1.0, 20.0, 200.0, 1000.0] {
        let (before, after) = (gamma(k * (1.0 - 1e-15), 1.0), gamma(k * (1.0 + 1e-15), 1.0));
        for z in [-6.0, -1.0, 0.0, 2.0, 8.0] {
            let x = k * (1.0 + z / (3.0 * k.sqrt()) - 1.0 / (9.0 * k)).max(0.05_f64).powi(3);
            for (a, b) in
                [(before.cdf(x), after.cdf(x)), (before.sf(x), after.sf(x)), (before.pdf(x), after.pdf(x))]
            {
                assert_relative_eq!(a, b, max_relative = 2e-13);
            }
        }
    }
    for (k, x) in [(0.4, 1.5), (0.99, 1.5), (5.0, 5.0), (150.0, 150.0), (700.0, 1500.0), (500.0, 200.0)] {
        let beta = gamma(k, 1.0);
        let mut last = beta.sf(x * (1.0 - 4e-3));
        for i in -400..400 {
            let sf = beta.sf(x * (1.0 + 1e-5 * f64::from(i)));
            assert!(sf <= last, "k = {k}, x = {x}, i = {i}");
            last = sf;
        }
    }
}

/// Shapes and scales of every size a constructor takes.
fn any_gamma() -> impl Strategy<Value = Gamma<f64>> {
    (any::<u64>(), any::<u64>(), any::<bool>()).prop_filter_map("refused", |(a, b, shape)| {
        let (a, b) = (f64::from_bits(a >> 1), f64::from_bits(b >> 1));
        if shape { Gamma::from_shape_scale(a, b).ok() } else { Gamma::from_mean_cv(a, b).ok() }
    })
}

fn practical_gamma() -> impl Strategy<Value = Gamma<f64>> {
    (-3.0..6.0, -20..20).prop_map(|(k, theta)| gamma(10.0_f64.powf(k), 2.0_f64.powi(theta)))
}

fn practical_lognormal() -> impl Strategy<Value = LogNormal<f64>> {
    (-5.0..5.0, 0.01..12.0).prop_map(|(mu, sigma)| lognormal(mu, sigma))
}

/// p in (0, 1), both ends on a logarithmic scale.
fn probability() -> impl Strategy<Value = f64> {
    prop_oneof![
        1e-3..0.999,
        (-290.0..-1.0).prop_map(|e| 10.0_f64.powf(e)),
        (-15.5..-1.0).prop_map(|e| 1.0 - 10.0_f64.powf(e))
    ]
}

macro_rules! assert_sound {
    ($beta:expr, $x:expr) => {{
        let (beta, x) = ($beta, $x);
        let (p, q) = (beta.cdf(x), beta.sf(x));
        if x.is_nan() {
            prop_assert!(p.is_nan() && q.is_nan() && beta.pdf(x).is_nan() && beta.ln_pdf(x).is_nan());
        } else {
            prop_assert!((0.0..=1.0).contains(&p) && (0.0..=1.0).contains(&q), "{} {}", p, q);
            prop_assert!((p + q - 1.0).abs() < 4e-15, "{} {}", p, q);
            prop_assert!(beta.pdf(x) >= 0.0);
            prop_assert!(!beta.ln_pdf(x).is_nan());
        }
        let quantile = beta.quantile(x);
        prop_assert_eq!(quantile.is_nan(), !(0.0..=1.0).contains(&x));
        prop_assert!(quantile.is_nan() || quantile >= 0.0);
        for moment in [beta.median(), beta.mode(), beta.std_dev(), beta.skewness(), beta.kurtosis_excess()] {
            prop_assert!(moment >= 0.0);
        }
        prop_assert!(!beta.entropy().is_nan());
    }};
}

/// Relative error of cdf(quantile(p)), of the smaller tail, and the share of half an ulp of β.
macro_rules! assert_round_trip {
    ($beta:expr, $p:expr) => {{
        let (beta, p) = ($beta, $p);
        let x = beta.quantile(p);
        if x > 1e-300 && x < 1e300 {
            let (value, target) = if p <= 0.5 { (beta.cdf(x), p) } else { (beta.sf(x), 1.0 - p) };
            let condition = 1.0 + x * beta.pdf(x) / target;
            prop_assert!(
                (value / target - 1.0).abs() < 2e-14 + f64::EPSILON * condition,
                "p = {:e}, x = {:e}, off by {:e}, condition {:e}",
                p,
                x,
                value / target - 1.0,
                condition
            );
        }
    }};
}

macro_rules! assert_slope {
    ($beta:expr, $p:expr) => {{
        let (beta, p) = ($beta, $p);
        let x = beta.quantile(p);
        if x > 1e-290 && x < 1e290 {
            // Five points, step a fraction of the scale on which the tail changes.
            let pdf = beta.pdf(x);
            let tail = |x: f64| if p <= 0.5 { beta.cdf(x) } else { -beta.sf(x) };
            let h = 0.02 * (p.min(1.0 - p) / pdf).min(x);
            let slope =
                (8.0 * (tail(x + h) - tail(x - h)) - (tail(x + 2.0 * h) - tail(x - 2.0 * h))) / (12.0 * h);
            prop_assert!((slope / pdf - 1.0).abs() < 1e-5, "{} {} at {:e}", slope, pdf, x);
            prop_assert!((beta.ln_pdf(x) - pdf.ln()).abs() < 1e-12 * (1.0 + pdf.ln().abs()));
        }
    }};
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bits_gamma(beta in any_gamma(), bits in any::<u64>(), p in 0.0..=1.0, near in -1.0..1.0) {
        let x = f64::from_bits(bits);
        assert_sound!(beta, x);
        assert_sound!(beta, p);
        assert_sound!(beta, beta.mean() * (1.0 + near));
    }

    #[test]
    fn any_bits_lognormal(mu in any::<f64>(), sigma in 0.0..=12.0, tiny in any::<u64>(), bits in any::<u64>(), p in 0.0..=1.0) {
        let x = f64::from_bits(bits);
        for sigma in [sigma, f64::from_bits(tiny >> 1)] {
            if let Ok(beta) = LogNormal::from_mu_sigma(mu, sigma) {
                assert_sound!(beta, x);
                assert_sound!(beta, p);
                assert_sound!(beta, beta.median());
            }
        }
    }

    #[test]
    fn any_bits_fixed(bits in any::<u32>(), x in any::<u32>()) {
        let x = f32::from_bits(x);
        if let Ok(beta) = Fixed::new(f32::from_bits(bits)) {
            prop_assert_eq!(beta.cdf(x).is_nan(), x.is_nan());
            prop_assert_eq!(beta.quantile(x).is_nan(), !(0.0..=1.0).contains(&x));
            prop_assert!(x.is_nan() || beta.cdf(x) + beta.sf(x) == 1.0);
        }
    }

    #[test]
    fn round_trip_gamma(beta in practical_gamma(), p in probability()) {
        assert_round_trip!(beta, p);
    }

    #[test]
    fn round_trip_lognormal(beta in practical_lognormal(), p in probability()) {
        assert_round_trip!(beta, p);
    }

    #[test]
    fn slope_gamma(beta in practical_gamma(), p in 1e-9..0.999_999) {
        assert_slope!(beta, p);
    }

    #[test]
    fn slope_lognormal(beta in practical_lognormal(), p in 1e-9..0.999_999) {
        assert_slope!(beta, p);
    }

    /// Rounding may undo the order of neighbours, so the points keep 1e-10 apart.
    #[test]
    fn monotone(g in practical_gamma(), l in practical_lognormal(), p in probability(), step in 1e-10..1.0) {
        for (x, cdf) in [
            (g.quantile(p), &(|x| (g.cdf(x), g.sf(x))) as &dyn Fn(f64) -> (f64, f64)),
            (l.quantile(p), &|x| (l.cdf(x), l.sf(x))),
        ] {
            let (low, high) = (cdf(x), cdf(x * (1.0 + step)));
            prop_assert!(low.0 <= high.0 * (1.0 + 1e-14) && high.1 <= low.1 * (1.0 + 1e-14));
        }
        prop_assert!(g.quantile(p) <= g.quantile(p + step * (1.0 - p)));
        prop_assert!(l.quantile(p) <= l.quantile(p + step * (1.0 - p)));
    }

    /// f32 is the f64 result, rounded.
    #[test]
    fn single(k in 0.01f32..1e4, theta in 1e-3f32..10.0, p in 0.01f32..0.99) {
        let (narrow, wide) = (Gamma::from_shape_scale(k, theta).unwrap(), gamma(f64::from(k), f64::from(theta)));
        let x = narrow.quantile(p);
        prop_assert_eq!(x, wide.quantile(f64::from(p)) as f32);
        prop_assert_eq!(narrow.cdf(x), wide.cdf(f64::from(x)) as f32);
        prop_assert_eq!(narrow.pdf(x), wide.pdf(f64::from(x)) as f32);
        prop_assert_eq!(narrow.entropy(), wide.entropy() as f32);
    }
}
