//! What a panel is given, and where its results go.

use crate::batch::{BatchError, check_weights, length};
use crate::real::Real;
use core::iter::Sum;
use core::ops::{Add, AddAssign, Range};

/// Choices of several persons, person after person, and what goes with them.
///
/// ```
/// use prefstrength::panel::{Panel, PanelBatch, PanelRows};
/// use prefstrength::Gamma;
/// // Two persons of three choices and one.
/// let (margins, ends) = ([1.2, 0.4, -2.0, 0.7], [3, 4]);
/// let mut nll = [0.0; 2];
/// let panel = Panel::new(&Gamma::from_mean_cv(1.0, 0.8)?);
/// panel.evaluate(&PanelBatch::new(&margins, &ends), PanelRows::new().nll(&mut nll))?;
/// assert!(nll[0] > nll[1]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct PanelBatch<'a, T> {
    pub(super) margins: &'a [T],
    pub(super) ends: &'a [usize],
    pub(super) weights: Option<&'a [T]>,
    pub(super) upstream: Option<&'a [T]>,
    pub(super) mask: Option<&'a [bool]>,
}

impl<'a, T: Real> PanelBatch<'a, T> {
    /// Margins D, and for each person where their choices end: person p has those from `ends[p − 1]`, or 0, to below
    /// `ends[p]`, in any number, none included. [`ByPerson`](super::ByPerson) makes both from ids in any order.
    #[must_use]
    pub fn new(margins: &'a [T], ends: &'a [usize]) -> Self {
        Self { margins, ends, weights: None, upstream: None, mask: None }
    }

    /// A weight ≥ 0, finite, per person: rows and sums are those of wᵢLᵢ. A person of weight 0 is left out (zeros),
    /// whatever their margins.
    #[must_use]
    pub fn weights(self, weights: &'a [T]) -> Self {
        Self { weights: Some(weights), ..self }
    }

    /// Upstream gradients of the persons' losses, as in [`Batch::upstream`](crate::batch::Batch::upstream).
    #[must_use]
    pub fn upstream(self, upstream: &'a [T]) -> Self {
        Self { upstream: Some(upstream), ..self }
    }

    /// Which choices count, one flag per margin. What does not count is as if it were not there, whatever its margin:
    /// padding.
    #[must_use]
    pub fn mask(self, mask: &'a [bool]) -> Self {
        Self { mask: Some(mask), ..self }
    }

    /// How many persons.
    #[must_use]
    pub fn persons(&self) -> usize {
        self.ends.len()
    }

    /// The choices of a person.
    pub(super) fn range(&self, person: usize) -> Range<usize> {
        let start = person.checked_sub(1).map_or(0, |before| self.ends[before]);
        start..self.ends[person]
    }

    pub(super) fn check(&self) -> Result<(), BatchError> {
        let mut last = 0;
        for (person, &end) in self.ends.iter().enumerate() {
            if end < last || end > self.margins.len() {
                return Err(BatchError::Person { index: person });
            }
            last = end;
        }
        if last != self.margins.len() {
            return Err(BatchError::Length { slice: "ends", expected: self.margins.len(), found: last });
        }
        length("weights", self.weights, self.persons())?;
        length("upstream", self.upstream, self.persons())?;
        length("mask", self.mask, self.margins.len())?;
        check_weights(self.weights)
    }
}

/// Where the results of a panel go: any of these. Losses and derivatives are times the person's weight and upstream
/// gradient; what is told about β is not.
#[derive(Debug)]
pub struct PanelRows<'a, T> {
    /// One per person, in the order of [`FIELDS`].
    pub(super) persons: [Option<&'a mut [T]>; FIELDS.len()],
    /// One per margin.
    pub(super) d_margin: Option<&'a mut [T]>,
}

/// The results that there is one of for each person.
pub(super) const FIELDS: [&str; 8] =
    ["nll", "d_params", "d_params", "d_lapse", "d_lapse", "posterior_mean", "posterior_sd", "reversed"];

impl<T> Default for PanelRows<'_, T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<'a, T> PanelRows<'a, T> {
    /// Sums alone.
    #[must_use]
    pub fn new() -> Self {
        Self { persons: [const { None }; FIELDS.len()], d_margin: None }
    }

    /// The loss of each person, −ln of the likelihood of all their choices.
    #[must_use]
    pub fn nll(mut self, to: &'a mut [T]) -> Self {
        self.persons[0] = Some(to);
        self
    }

    /// Derivatives in every margin: what flows into the policy. Of the sum of the losses over persons.
    #[must_use]
    pub fn d_margin(self, to: &'a mut [T]) -> Self {
        Self { d_margin: Some(to), ..self }
    }

    /// Each person's derivatives in the two parameters of p(β).
    #[must_use]
    pub fn d_params(mut self, [first, second]: [&'a mut [T]; 2]) -> Self {
        self.persons[1] = Some(first);
        self.persons[2] = Some(second);
        self
    }

    /// Each person's derivatives in ε₀ and ε₁; of a symmetric lapse in ε and 0.
    #[must_use]
    pub fn d_lapse(mut self, [first, second]: [&'a mut [T]; 2]) -> Self {
        self.persons[3] = Some(first);
        self.persons[4] = Some(second);
        self
    }

    /// E\[β | the person's choices\], of |β| where there are people of the opposite preference.
    #[must_use]
    pub fn posterior_mean(mut self, to: &'a mut [T]) -> Self {
        self.persons[5] = Some(to);
        self
    }

    /// The standard deviation of β given the person's choices.
    #[must_use]
    pub fn posterior_sd(mut self, to: &'a mut [T]) -> Self {
        self.persons[6] = Some(to);
        self
    }

    /// The probability that the person is of the opposite preference.
    #[must_use]
    pub fn reversed(mut self, to: &'a mut [T]) -> Self {
        self.persons[7] = Some(to);
        self
    }

    /// Whether derivatives in the lapse were asked for.
    pub(super) fn wants_lapse(&self) -> bool {
        self.persons[3].is_some()
    }

    pub(super) fn check(&self, persons: usize, margins: usize) -> Result<(), BatchError> {
        for (name, row) in FIELDS.into_iter().zip(&self.persons) {
            length(name, row.as_deref(), persons)?;
        }
        length("d_margin", self.d_margin.as_deref(), margins)
    }

    /// The rows before a person and before a margin, and the rest.
    pub(super) fn split_at(self, person: usize, margin: usize) -> (Self, Self) {
        let mut low = Self::new();
        let mut high = Self::new();
        for ((row, low), high) in self.persons.into_iter().zip(&mut low.persons).zip(&mut high.persons) {
            (*low, *high) = row.map(|row| row.split_at_mut(person)).unzip();
        }
        (low.d_margin, high.d_margin) = self.d_margin.map(|row| row.split_at_mut(margin)).unzip();
        (low, high)
    }
}

/// Sums over persons: of wᵢ, and of wᵢLᵢ and its derivatives (times upstream gradients). Those of two panels add up.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct PanelSums {
    /// Σ wᵢ; the number of persons without weights.
    pub weight: f64,
    /// Σ of the losses.
    pub nll: f64,
    /// Σ of the derivatives in the parameters of p(β), in the coordinates asked for.
    pub d_params: [f64; 2],
    /// Σ of the derivatives in the lapse: in ε and 0, or in ε₀ and ε₁. Zeros where neither a lapse nor derivatives in it
    /// were asked for.
    pub d_lapse: [f64; 2],
    /// Σ of the derivatives in the share of people of the opposite preference; 0 where there are none.
    pub d_reversed: f64,
}

impl Add for PanelSums {
    type Output = Self;
    fn add(self, rhs: Self) -> Self {
        let both = |a: [f64; 2], b: [f64; 2]| [a[0] + b[0], a[1] + b[1]];
        Self {
            weight: self.weight + rhs.weight,
            nll: self.nll + rhs.nll,
            d_params: both(self.d_params, rhs.d_params),
            d_lapse: both(self.d_lapse, rhs.d_lapse),
            d_reversed: self.d_reversed + rhs.d_reversed,
        }
    }
}

impl AddAssign for PanelSums {
    fn add_assign(&mut self, rhs: Self) {
        *self = *self + rhs;
    }
}

impl Sum for PanelSums {
    fn sum<I: Iterator<Item = Self>>(sums: I) -> Self {
        sums.fold(Self::default(), Add::add)
    }
}
