//! One person: the likelihood of all their choices under one β, and what it tells about that β.

use super::choices::{Choices, Chunk, Sides};
use super::integral::{Integral, Integrand, Workspace, point_mass};
use crate::family::{Calculus, Inside};
use crate::level::Level;
use crate::math::elementary::{exp, ln, ln_1p};
use crate::real::Real;

/// Largest |y| that is not scaled down: eˣ reaches from e⁻⁷⁰⁰ to e⁷⁰⁰.
const LN_LARGEST: f64 = 575.0;

/// How much closer nodes lie for quantiles than the integral needs.
const FINER: f64 = 4.0;

/// What all persons share.
#[derive(Clone, Copy, Debug)]
pub(super) struct Model<S> {
    pub(super) beta: S,
    pub(super) level: Level,
    /// ε₀ and ε₁.
    pub(super) lapse: [f64; 2],
    /// Whether there is a lapse, or a derivative in it is wanted.
    pub(super) with_lapse: bool,
    /// The share of people of the opposite preference.
    pub(super) reversed: f64,
}

/// Memory for both signs of the preference.
#[derive(Debug)]
pub(super) struct Spaces {
    sides: [Workspace; 2],
}

/// What is known of β given the choices.
#[derive(Clone, Copy, Debug)]
pub(super) enum Known {
    /// All of it is at one place.
    Point(f64),
    /// Nodes in the workspaces, in units of β, and the part of either preference.
    Nodes { unit: f64, parts: [f64; 2] },
}

impl Spaces {
    pub(super) fn workspaces(&self) -> [&Workspace; 2] {
        self.sides.each_ref()
    }

    /// In the frame of the caller, and not moved there from a frame of its own.
    #[inline(always)]
    pub(super) fn new() -> Self {
        Self { sides: [Workspace::EMPTY; 2] }
    }
}

/// The log-likelihood of one person, with derivatives.
#[derive(Clone, Copy, Debug)]
pub(super) struct Person {
    pub(super) nll: f64,
    /// Σ D ∂nll/∂D.
    pub(super) elastic: f64,
    /// ∂nll/∂v at fixed mean.
    pub(super) d_v: f64,
    /// In ε₀, in ε₁, and in both.
    pub(super) d_lapse: [f64; 3],
    pub(super) d_reversed: f64,
    /// Of β given the choices.
    pub(super) mean: f64,
    pub(super) variance: f64,
    /// The probability of the opposite preference.
    pub(super) reversed: f64,
}

impl Person {
    fn all(x: f64) -> Self {
        Self { nll: x, elastic: x, d_v: x, d_lapse: [x; 3], d_reversed: x, mean: x, variance: x, reversed: x }
    }
}

/// What the margins of a person hold beside numbers.
enum Kind {
    /// ln of the largest finite y; how many margins are −∞ and ∞.
    Numbers {
        ln_most: f64,
        infinite: [f64; 2],
    },
    NotANumber,
    Impossible,
}

impl<S: Calculus> Model<S> {
    fn kind<T: Real>(&self, margins: &[T], mask: Option<&[bool]>) -> Kind {
        let (mut most, mut infinite) = (0.0_f64, [0.0; 2]);
        for (i, &d) in margins.iter().enumerate() {
            if mask.is_some_and(|mask| !mask[i]) {
                continue;
            }
            let d = d.to_f64();
            if d.is_nan() {
                return Kind::NotANumber;
            }
            if d.is_finite() {
                most = most.max(d.abs());
            } else if self.mean() > 0.0 {
                infinite[usize::from(d > 0.0)] += 1.0;
            }
        }
        let ln_most = if most > 0.0 && self.mean() > 0.0 { ln(most) + ln(self.mean()) } else { 0.0 };
        match self.possible(infinite) {
            [false, false] => Kind::Impossible,
            _ => Kind::Numbers { ln_most, infinite },
        }
    }

    /// Whether choices at infinite margins, so many at −∞ and ∞, are possible, for either preference: those against the
    /// label are not, without a lapse.
    fn possible(&self, [minus, plus]: [f64; 2]) -> [bool; 2] {
        let sure = self.lapse[0] == 0.0;
        [!(sure && minus > 0.0), self.reversed > 0.0 && !(sure && plus > 0.0)]
    }

    fn mean(&self) -> f64 {
        self.beta.mean_and_cv(Inside)[0]
    }

    /// E\[β\], or less of it where margins are huge, and ln of how much less.
    fn unit(&self, ln_most: f64) -> (f64, f64) {
        let shift = (ln_most - LN_LARGEST).max(0.0);
        (if shift > 0.0 { exp(ln(self.mean()) - shift) } else { self.mean() }, shift)
    }

    /// The margins as this model's integrals take them.
    fn choices<'a, T: Real>(&self, margins: &'a [T], mask: Option<&'a [bool]>, unit: f64) -> Choices<'a, T> {
        Choices { margins, mask, unit, sides: Sides::new(self.lapse, self.with_lapse), level: self.level }
    }

    /// The integral of choices, with nodes finer by a factor.
    fn integral<T: Real>(
        &self,
        choices: &Choices<'_, T>,
        shift: f64,
        space: &mut Workspace,
        finer: f64,
    ) -> Integral {
        let mut result = None;
        self.beta.visit_law(
            &mut |law| {
                result = Some(match law {
                    None => point_mass(choices, space),
                    Some(law) => Integrand { law, choices, shift }.integrate(space, finer),
                });
            },
            Inside,
        );
        result.unwrap_or_else(|| point_mass(choices, space))
    }

    /// The likelihood of one person. `write` gets ∂nll/∂D of every choice, one after the other, if wanted.
    pub(super) fn person<T: Real>(
        &self,
        margins: &[T],
        mask: Option<&[bool]>,
        spaces: &mut Spaces,
        mut write: Option<&mut [T]>,
        factor: f64,
    ) -> Person {
        let (ln_most, infinite) = match self.kind(margins, mask) {
            Kind::Numbers { ln_most, infinite } => (ln_most, infinite),
            Kind::NotANumber => {
                if let Some(to) = write {
                    to.fill(T::nan());
                }
                return Person::all(f64::NAN);
            }
            Kind::Impossible => return self.impossible(margins, mask, write, factor),
        };
        let (unit, shift) = self.unit(ln_most);
        let integrals = self.integrals(margins, mask, infinite, [unit, shift, 1.0], spaces);
        let (value, parts) = self.mixture(&integrals);
        if let Some(to) = &mut write {
            to.fill(T::zero());
        }
        let mut out = Person { nll: -value, reversed: parts[1], ..Person::all(0.0) };
        for (side, integral) in integrals.into_iter().enumerate() {
            let Some(integral) = integral else { continue };
            let part = parts[side];
            // What has no part has none of an infinite score either.
            if part == 0.0 {
                continue;
            }
            let (unit, infinite) = of_side(side, unit, infinite);
            let choices = self.choices(margins, mask, unit);
            let Workspace { chunk, laid } = &mut spaces.sides[side];
            let mut elastic = 0.0;
            let d_lapse = choices.pull(laid.nodes(), chunk, |i, pull| {
                let slope = part * (unit * pull);
                // An infinite margin has no slope.
                if slope != 0.0 {
                    elastic += slope * margins[i].to_f64();
                }
                if let Some(to) = &mut write {
                    to[i] = T::from_f64(to[i].to_f64() - factor * slope);
                }
            });
            let constant = if self.with_lapse { choices.infinite(infinite).1 } else { [0.0; 3] };
            let d_lapse: [f64; 3] = core::array::from_fn(|i| d_lapse[i] + constant[i]);
            out.elastic -= elastic;
            out.d_v -= part * integral.d_v;
            let known = if integral.holds_lapse { 1.0 } else { f64::NAN };
            out.d_lapse.iter_mut().zip(d_lapse).for_each(|(all, d)| *all -= known * (part * d));
            out.mean += part * (unit.abs() * integral.mean);
        }
        for (part, integral) in parts.into_iter().zip(integrals) {
            if let Some(integral) = integral {
                let apart = unit * integral.mean - out.mean;
                out.variance += part * (unit * integral.variance * unit + apart * apart);
            }
        }
        // (L₊ − L₋)/L
        if self.reversed > 0.0 {
            out.d_reversed = parts[0] / (1.0 - self.reversed) - parts[1] / self.reversed;
        }
        out
    }

    /// The distribution of β given the choices, its nodes laid closer.
    pub(super) fn posterior_nodes<T: Real>(&self, margins: &[T], spaces: &mut Spaces) -> Known {
        let spread = self.rate().is_some();
        let (ln_most, infinite) = match self.kind(margins, None) {
            Kind::Numbers { ln_most, infinite } if spread => (ln_most, infinite),
            Kind::NotANumber => return Known::Point(f64::NAN),
            Kind::Impossible if spread => return Known::Point(0.0),
            _ => return Known::Point(self.mean()),
        };
        let (unit, shift) = self.unit(ln_most);
        let integrals = self.integrals(margins, None, infinite, [unit, shift, FINER], spaces);
        Known::Nodes { unit, parts: self.mixture(&integrals).1 }
    }

    /// How fast the law falls to the left; `None` for a point mass.
    fn rate(&self) -> Option<f64> {
        let mut rate = None;
        self.beta.visit_law(&mut |law| rate = law.map(|law| law.left_rate()), Inside);
        rate
    }

    /// The integrals of either preference, if it is possible.
    fn integrals<T: Real>(
        &self,
        margins: &[T],
        mask: Option<&[bool]>,
        infinite: [f64; 2],
        [unit, shift, finer]: [f64; 3],
        spaces: &mut Spaces,
    ) -> [Option<Integral>; 2] {
        let mut integrals = [None; 2];
        let possible = self.possible(infinite);
        for (side, integral) in integrals.iter_mut().enumerate() {
            if possible[side] {
                let space = &mut spaces.sides[side];
                space.chunk = Chunk::EMPTY;
                let (unit, infinite) = of_side(side, unit, infinite);
                let choices = self.choices(margins, mask, unit);
                let mut found = self.integral(&choices, shift, space, finer);
                found.ln += choices.infinite(infinite).0;
                *integral = Some(found);
            }
        }
        integrals
    }

    /// ln((1 − ρ)L₊ + ρL₋), and the part of either.
    fn mixture(&self, integrals: &[Option<Integral>; 2]) -> (f64, [f64; 2]) {
        let ln_of = |side: usize| integrals[side].map_or(f64::NEG_INFINITY, |integral| integral.ln);
        if self.reversed == 0.0 {
            return (ln_of(0), [1.0, 0.0]);
        }
        let (plus, minus) = (ln_1p(-self.reversed) + ln_of(0), ln(self.reversed) + ln_of(1));
        let value = plus.max(minus) + ln_1p(exp(-(plus - minus).abs()));
        (value, [exp(plus - value), exp(minus - value)])
    }

    /// A margin of −∞ that nothing explains: the limits as the margin goes there.
    fn impossible<T: Real>(
        &self,
        margins: &[T],
        mask: Option<&[bool]>,
        write: Option<&mut [T]>,
        factor: f64,
    ) -> Person {
        let rate = self.rate();
        if let Some(to) = write {
            for (i, (to, &d)) in to.iter_mut().zip(margins).enumerate() {
                let counts = mask.is_none_or(|mask| mask[i]) && d == T::neg_infinity();
                // A point mass cannot give way to β = 0.
                let slope = if counts && rate.is_none() { -self.mean() } else { 0.0 };
                *to = T::from_f64(factor * slope);
            }
        }
        let spread = rate.is_some();
        let beta = if spread { 0.0 } else { self.mean() };
        Person {
            nll: f64::INFINITY,
            elastic: rate.unwrap_or(f64::INFINITY),
            d_v: f64::NEG_INFINITY,
            d_lapse: [f64::NEG_INFINITY, 0.0, f64::NEG_INFINITY],
            d_reversed: f64::NAN,
            mean: beta,
            variance: 0.0,
            reversed: self.reversed,
        }
    }
}

/// The unit, and the choices at infinite margins, against and with the label, as this preference has them: the opposite
/// one sees every margin negated.
fn of_side(side: usize, unit: f64, [minus, plus]: [f64; 2]) -> (f64, [f64; 2]) {
    if side == 0 { (unit, [minus, plus]) } else { (-unit, [plus, minus]) }
}
