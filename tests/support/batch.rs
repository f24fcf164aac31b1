//! Batches by every way in, as rows.

use super::tail_scale;
use prefstrength::batch::{Batch, BatchError, Coordinates, Direct, PerElement, Plan, Rows, Sums};
use prefstrength::{Fixed, Gamma, Level, LogNormal, Real, Smoothing, Strength};

/// A number type with its name and its units.
pub trait Precision: Real {
    const NAME: &'static str;
    /// eps and the smallest positive number.
    const UNITS: (f64, f64);
    const MAX: f64;
    fn of_bits(bits: u64) -> Self;
    /// `n` units in the last place further from 0.
    fn step(x: f64, n: i64) -> f64;
}

impl Precision for f64 {
    const NAME: &'static str = "f64";
    const UNITS: (f64, f64) = (f64::EPSILON, 5e-324);
    const MAX: f64 = f64::MAX;
    fn of_bits(bits: u64) -> Self {
        Self::from_bits(bits)
    }
    fn step(x: f64, n: i64) -> f64 {
        f64::from_bits(x.to_bits().wrapping_add_signed(n))
    }
}

impl Precision for f32 {
    const NAME: &'static str = "f32";
    const UNITS: (f64, f64) = (f32::EPSILON as f64, f32::from_bits(1) as f64);
    const MAX: f64 = f32::MAX as f64;
    fn of_bits(bits: u64) -> Self {
        Self::from_bits((bits >> 16) as u32)
    }
    fn step(x: f64, n: i64) -> f64 {
        f64::from(f32::from_bits((x as f32).to_bits().wrapping_add_signed(n as i32)))
    }
}

/// A family; two parameters go with it, of which a fixed strength uses the first.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Family {
    Fixed,
    Gamma,
    LogNormal,
}

impl Family {
    pub const ALL: [Self; 3] = [Self::Fixed, Self::Gamma, Self::LogNormal];

    pub fn name(self) -> &'static str {
        match self {
            Self::Fixed => "fixed",
            Self::Gamma => "gamma",
            Self::LogNormal => "lognormal",
        }
    }

    /// How many parameters, natively or in other coordinates.
    pub fn params(self, coordinates: Coordinates) -> usize {
        if self == Self::Fixed && coordinates == Coordinates::Native { 1 } else { 2 }
    }

    pub fn valid<T: Real>(self, [a, b]: [T; 2]) -> bool {
        match self {
            Self::Fixed => Fixed::new(a).is_ok(),
            Self::Gamma => Gamma::from_shape_scale(a, b).is_ok(),
            Self::LogNormal => LogNormal::from_mu_sigma(a, b).is_ok(),
        }
    }

    /// The scalar kernels' row in f64: the truth where there is no reference vector.
    pub fn scalar(self, [a, b]: [f64; 2], margin: f64, smoothing: f64, coordinates: Coordinates) -> [f64; 4] {
        fn row<S: Strength<f64>>(
            beta: S,
            margin: f64,
            smoothing: f64,
            coordinates: Coordinates,
            native: impl Fn(S::Gradient) -> [f64; 4],
        ) -> [f64; 4] {
            let smoothing = Smoothing::new(smoothing).expect("valid");
            match coordinates {
                Coordinates::Native => native(beta.smoothed_nll_gradient(margin, smoothing)),
                Coordinates::LnMeanLnCv => {
                    let g = beta.smoothed_nll_gradient_ln_mean_ln_cv(margin, smoothing);
                    [g.value, g.d_margin, g.d_ln_mean, g.d_ln_cv]
                }
                Coordinates::LnMeanV => {
                    let g = beta.smoothed_nll_gradient_ln_mean_v(margin, smoothing);
                    [g.value, g.d_margin, g.d_ln_mean, g.d_v]
                }
            }
        }
        match self {
            Self::Fixed => row(Fixed::new(a).expect("valid"), margin, smoothing, coordinates, |g| {
                [g.value, g.d_margin, g.d_beta, 0.0]
            }),
            Self::Gamma => {
                row(Gamma::from_shape_scale(a, b).expect("valid"), margin, smoothing, coordinates, |g| {
                    [g.value, g.d_margin, g.d_shape, g.d_scale]
                })
            }
            Self::LogNormal => {
                row(LogNormal::from_mu_sigma(a, b).expect("valid"), margin, smoothing, coordinates, |g| {
                    [g.value, g.d_margin, g.d_mu, g.d_sigma]
                })
            }
        }
    }

    /// What the errors of a plain row are relative to: for D > 0 times 1 + |ln T|; ∂/∂σ is a difference of
    /// two terms that can cancel.
    pub fn scales(
        self,
        params: [f64; 2],
        margin: f64,
        truth: [f64; 4],
        coordinates: Coordinates,
    ) -> [f64; 4] {
        let mut size = truth.map(f64::abs);
        if self == Self::LogNormal && coordinates == Coordinates::Native && margin.is_finite() {
            let mean_part = params[1] * (margin * truth[1]);
            size[3] = mean_part.abs() + (truth[3] - mean_part).abs();
        }
        size.map(|x| x * tail_scale(margin, truth[0]))
    }

    /// [`PerElement`].
    pub fn per_element<'a, T: Real>(self, [a, b]: [&'a [T]; 2]) -> Result<PerElement<'a, T>, BatchError> {
        match self {
            Self::Fixed => PerElement::fixed(a),
            Self::Gamma => PerElement::gamma(a, b),
            Self::LogNormal => PerElement::lognormal(a, b),
        }
    }

    /// [`Direct`] and [`Plan`].
    pub fn shared<T: Real>(self, [a, b]: [T; 2], level: Level, coordinates: Coordinates) -> Shared<T> {
        match self {
            Self::Fixed => shared(Fixed::new(a).expect("valid"), level, coordinates),
            Self::Gamma => shared(Gamma::from_shape_scale(a, b).expect("valid"), level, coordinates),
            Self::LogNormal => shared(LogNormal::from_mu_sigma(a, b).expect("valid"), level, coordinates),
        }
    }
}

/// A path by name.
pub type Shared<T> = [(&'static str, Box<Evaluate<'static, T>>); 2];

/// Both paths of one p(β).
pub fn shared<T: Real, S: Strength<T>>(beta: S, level: Level, coordinates: Coordinates) -> Shared<T> {
    let direct = Direct::new(&beta).with_level(level).with_coordinates(coordinates);
    let plan = Plan::with_level(&beta, level).with_coordinates(coordinates);
    [
        ("direct", Box::new(move |batch: &Batch<'_, T>, rows: Rows<'_, T>| direct.evaluate(batch, rows))),
        ("plan", Box::new(move |batch: &Batch<'_, T>, rows: Rows<'_, T>| plan.evaluate(batch, rows))),
    ]
}

/// Any `evaluate`.
pub type Evaluate<'a, T> = dyn Fn(&Batch<'_, T>, Rows<'_, T>) -> Result<Sums, BatchError> + 'a;

/// Loss, d_margin and the derivatives in up to two parameters of every element, and the sums.
pub fn rows<T: Real>(
    batch: &Batch<'_, T>,
    params: usize,
    evaluate: &Evaluate<'_, T>,
) -> Result<(Vec<[T; 4]>, Sums), BatchError> {
    let mut columns = [(); 4].map(|()| vec![T::zero(); batch.len()]);
    let [nll, d_margin, p0, p1] = &mut columns;
    let rows = Rows::none().nll(nll).d_margin(d_margin);
    let rows = if params == 1 { rows.d_params([p0]) } else { rows.d_params([p0, p1]) };
    let sums = evaluate(batch, rows)?;
    Ok(((0..batch.len()).map(|i| columns.each_ref().map(|column| column[i])).collect(), sums))
}

/// The levels of this machine; says which ones are missing.
pub fn levels() -> Vec<Level> {
    Level::NAMES
        .into_iter()
        .filter_map(|name| {
            let level = Level::from_name(name).ok();
            if level.is_none() {
                println!("SKIPPED: level {name}");
            }
            level
        })
        .collect()
}

/// Random bits from a counter (splitmix64): the same on every machine.
pub struct Random(pub u64);

impl Random {
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform.
    pub fn between(&mut self, from: f64, to: f64) -> f64 {
        from + (to - from) * (self.bits() >> 11) as f64 / 2f64.powi(53)
    }

    /// 10ᵉ with uniform e.
    pub fn decades(&mut self, from: f64, to: f64) -> f64 {
        10f64.powf(self.between(from, to))
    }

    /// x or −x.
    pub fn sign(&mut self, x: f64) -> f64 {
        if self.bits() & 1 == 0 { x } else { -x }
    }
}
