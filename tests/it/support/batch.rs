//! Batches by every way in, as rows.

use super::tail_scale;
use prefstrength::batch::{Batch, BatchError, Direct, Number, PerElement, Plan, Rows, Sums};
use prefstrength::{
    AnyStrength, Coordinates, Fixed, Gamma, Level, LogNormal, ParamError, Real, Smoothing, Strength,
};

/// A number type with its name and its units.
pub trait Precision: Number {
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

pub use prefstrength::Family;

/// A strength of a family from two native parameters, of which the second may not count.
pub fn strength<T: Real>(family: Family, parameters: [T; 2]) -> Result<AnyStrength<T>, ParamError> {
    AnyStrength::from_parameters(family, &parameters[..family.parameters().len()])
}

/// What the tests of batches ask of a family.
pub trait Ways: Copy {
    /// How many parameters, natively or in other coordinates.
    fn params(self, coordinates: Coordinates) -> usize;

    fn valid<T: Real>(self, parameters: [T; 2]) -> bool;

    /// The scalar kernels' row in f64: the truth where there is no reference vector.
    fn scalar(self, parameters: [f64; 2], margin: f64, smoothing: f64, coordinates: Coordinates) -> [f64; 4];

    /// What the errors of a plain row are relative to: for D > 0 times 1 + |ln T|; of a native derivative the larger of
    /// its two terms, where they can cancel.
    fn scales(self, params: [f64; 2], margin: f64, truth: [f64; 4], coordinates: Coordinates) -> [f64; 4];

    /// [`PerElement`].
    fn per_element<'a, T: Number>(self, slices: [&'a [T]; 2]) -> Result<PerElement<'a, T>, BatchError>;

    /// [`Direct`] and [`Plan`].
    fn shared<T: Number>(self, parameters: [T; 2], level: Level, coordinates: Coordinates) -> Shared<T>;
}

impl Ways for Family {
    fn params(self, coordinates: Coordinates) -> usize {
        if coordinates == Coordinates::Native { self.parameters().len() } else { 2 }
    }

    fn valid<T: Real>(self, parameters: [T; 2]) -> bool {
        strength(self, parameters).is_ok()
    }

    fn scalar(self, parameters: [f64; 2], margin: f64, smoothing: f64, coordinates: Coordinates) -> [f64; 4] {
        let (beta, smoothing) = (strength(self, parameters).expect("valid"), Smoothing::new(smoothing));
        let g = beta.smoothed_nll_gradient_in(margin, smoothing.expect("valid"), coordinates);
        [g.value, g.d_margin, g.d_params[0], g.d_params[1]]
    }

    fn scales(self, params: [f64; 2], margin: f64, truth: [f64; 4], coordinates: Coordinates) -> [f64; 4] {
        let mut size = truth.map(f64::abs);
        if coordinates == Coordinates::Native && margin.is_finite() {
            let names = self.parameters().len();
            for (i, size) in size[2..2 + names].iter_mut().enumerate() {
                // ∂/∂pᵢ has a part by way of the mean, and one by way of v: how the mean follows, from differences.
                let h = 1e-6 * params[i].abs().max(1e-9);
                let ln_mean = |step: f64| {
                    let mut moved = params;
                    moved[i] += step;
                    strength(self, moved).map_or(f64::NAN, |beta| beta.mean().ln())
                };
                let by_mean = (ln_mean(h) - ln_mean(-h)) / (2.0 * h) * (margin * truth[1]);
                if by_mean.is_finite() {
                    *size = by_mean.abs().max((truth[2 + i] - by_mean).abs()).max(*size);
                }
            }
        }
        size.map(|x| x * tail_scale(margin, truth[0]))
    }

    fn per_element<'a, T: Number>(self, slices: [&'a [T]; 2]) -> Result<PerElement<'a, T>, BatchError> {
        PerElement::new(self, &slices[..self.parameters().len()])
    }

    fn shared<T: Number>(self, parameters: [T; 2], level: Level, coordinates: Coordinates) -> Shared<T> {
        // The families' own types, so that their own code is tested; `any_strength` compares the other.
        match self {
            Self::Fixed => shared(Fixed::new(parameters[0]).expect("valid"), level, coordinates),
            Self::Gamma => {
                let [shape, scale] = parameters;
                shared(Gamma::from_shape_scale(shape, scale).expect("valid"), level, coordinates)
            }
            Self::LogNormal => {
                let [mu, sigma] = parameters;
                shared(LogNormal::from_mu_sigma(mu, sigma).expect("valid"), level, coordinates)
            }
            _ => shared(strength(self, parameters).expect("valid"), level, coordinates),
        }
    }
}

/// A path by name.
pub type Shared<T> = [(&'static str, Box<Evaluate<'static, T>>); 2];

/// Both paths of one p(β).
pub fn shared<T: Number, S: Strength<T>>(beta: S, level: Level, coordinates: Coordinates) -> Shared<T> {
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
pub fn rows<T: Number>(
    batch: &Batch<'_, T>,
    params: usize,
    evaluate: &Evaluate<'_, T>,
) -> Result<(Vec<[T; 4]>, Sums), BatchError> {
    let mut columns = [(); 4].map(|()| vec![T::zero(); batch.len()]);
    let [nll, d_margin, p0, p1] = &mut columns;
    let rows = Rows::new().nll(nll).d_margin(d_margin);
    let rows = if params == 1 { rows.d_params([p0]) } else { rows.d_params([p0, p1]) };
    let sums = evaluate(batch, rows)?;
    Ok(((0..batch.len()).map(|i| columns.each_ref().map(|column| column[i])).collect(), sums))
}

/// The levels of this machine; says which ones are missing.
pub fn levels() -> Vec<Level> {
    Level::NAMES
        .into_iter()
        .filter_map(|name| {
            let level = name.parse().ok();
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
