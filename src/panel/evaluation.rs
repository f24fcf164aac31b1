//! Losses and gradients of panels.

use super::input::{PanelBatch, PanelRows, PanelSums};
use super::person::{Model, Person, Spaces};
use super::quantile::quantiles;
use crate::batch::{BatchError, chain, length};
use crate::family::{Inside, ParamError};
use crate::kernel::Coordinates;
use crate::level::Level;
use crate::loss::{Lapse, Strength, is_lapse};
use crate::real::Real;
use num_traits::Float;

/// Persons of a leaf of the tree of sums.
const LEAF: usize = 64;

/// One β per person: every person draws β from p(β) once, and decides all pairs with it.
///
/// * Formula: Lᵢ = −ln E\[Πₜ σ(βDᵢₜ)\]; with a lapse every σ is A = ε₀ + (1 − ε₀ − ε₁)σ, and with a share ρ of people of
///   the opposite preference Lᵢ = −ln((1 − ρ)E\[Π A(D)\] + ρE\[Π A(−D)\]).
/// * A panel of persons of one choice each is [`batch`](crate::batch). Repeated choices of one person tell their β, and
///   so tell heterogeneity from label noise: docs/label-noise.md.
/// * Domain: any number of choices per person; no choice, or none that counts, gives the loss 0. NaN in a person's
///   margins gives NaN in all that is told of that person. +∞ is a choice that anyone makes; −∞, without a lapse, is a
///   loss of ∞ and a posterior at β = 0, with no slope in the margins (at v = 0: −E\[β\] in that one).
/// * Margins beyond 1e80/E\[β\] give NaN where 4000 nodes are too few (a cv above 3), or terms overflow or cancel.
/// * Max error of the loss: 1e-12·max(1, |Lᵢ|), 5e-12 beyond 1000 choices a person; gradients 1e-10 of the sum of their
///   terms' sizes. Computed in f64, also for f32. Measured: README.
/// * Work per person is that of 30 to 200 values of β for every choice; no allocation. 300 KB of stack.
/// * Source: the panel likelihood of the mixed logit (Revelt and Train 1998), docs/math.md §12.
///
/// ```
/// use prefstrength::panel::{Panel, PanelBatch, PanelRows};
/// use prefstrength::{Coordinates, LogNormal};
/// let panel = Panel::new(&LogNormal::from_mean_cv(1.0, 1.0)?).with_coordinates(Coordinates::LnMeanV);
/// // One who decides by the margin, and one who does not.
/// let (margins, ends) = ([2.0, 3.0, 1.5, 2.5, 2.0, -3.0, -1.5, 2.5], [4, 8]);
/// let (mut d_margin, mut mean) = ([0.0; 8], [0.0; 2]);
/// let rows = PanelRows::new().d_margin(&mut d_margin).posterior_mean(&mut mean);
/// let sums = panel.evaluate(&PanelBatch::new(&margins, &ends), rows)?;
/// assert!(mean[0] > 1.0 && mean[1] < 0.5);
/// assert!(d_margin.iter().all(|d| *d < 0.0)); // a larger margin is likelier for whoever chose
/// let [d_ln_mean, d_v] = sums.d_params;
/// # assert!(d_ln_mean.is_finite() && d_v.is_finite());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Panel<S> {
    model: Model<S>,
    coordinates: Coordinates,
    by_side: bool,
}

/// What a person's choices tell about their β.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PersonPosterior<T> {
    /// E\[β | choices\].
    pub mean: T,
    /// Its standard deviation.
    pub sd: T,
    /// The probability of the opposite preference.
    pub reversed: T,
}

impl<S: Copy> Panel<S> {
    /// Under one p(β), on the best level of this machine, in native coordinates, without a lapse.
    #[must_use]
    pub fn new(beta: &S) -> Self {
        let model =
            Model { beta: *beta, level: Level::best(), lapse: [0.0; 2], with_lapse: false, reversed: 0.0 };
        Self { model, coordinates: Coordinates::Native, by_side: false }
    }

    /// On another level.
    #[must_use]
    pub fn with_level(mut self, level: Level) -> Self {
        self.model.level = level;
        self
    }

    /// Gradients in other coordinates.
    #[must_use]
    pub fn with_coordinates(self, coordinates: Coordinates) -> Self {
        Self { coordinates, ..self }
    }

    /// Labels that may be flipped, each by itself.
    #[must_use]
    pub fn with_lapse<T: Real>(mut self, lapse: Lapse<T>) -> Self {
        self.model.lapse = lapse.epsilon().map(Real::to_f64);
        self.model.with_lapse = true;
        self.by_side = lapse.is_by_side();
        self
    }

    /// A share 0 ≤ ρ < ½ of people of the opposite preference: all of their choices go by −D.
    ///
    /// # Errors
    /// [`ParamError::ReversedNotBelowHalf`], also for NaN.
    ///
    /// ```
    /// use prefstrength::panel::Panel;
    /// use prefstrength::Gamma;
    /// let panel = Panel::new(&Gamma::from_mean_cv(1.0, 0.5)?).with_reversed(0.1)?;
    /// let posterior = panel.posterior(&[-2.0, -1.0, -3.0, 0.5, -2.0]);
    /// assert!(posterior.reversed > 0.9);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn with_reversed(mut self, share: f64) -> Result<Self, ParamError> {
        if !is_lapse(share) {
            return Err(ParamError::ReversedNotBelowHalf);
        }
        self.model.reversed = share.abs();
        Ok(self)
    }

    /// Losses and gradients of a panel. Without persons: zeros.
    ///
    /// # Errors
    /// [`BatchError`] for slices of different lengths, ends that do not ascend or do not end with the margins, and
    /// weights that are negative or not finite; nothing is written then.
    pub fn evaluate<T: Real>(
        &self,
        batch: &PanelBatch<'_, T>,
        rows: PanelRows<'_, T>,
    ) -> Result<PanelSums, BatchError>
    where
        S: Strength<T>,
    {
        let panel = self.checked(batch, &rows)?;
        Ok(panel.tree(batch, 0, batch.persons(), rows))
    }

    /// The same, bit for bit, with the persons on the threads of rayon.
    ///
    /// # Errors
    /// As [`evaluate`](Self::evaluate).
    #[cfg(feature = "rayon")]
    pub fn par_evaluate<T: Real>(
        &self,
        batch: &PanelBatch<'_, T>,
        rows: PanelRows<'_, T>,
    ) -> Result<PanelSums, BatchError>
    where
        S: Strength<T>,
    {
        let panel = self.checked(batch, &rows)?;
        Ok(panel.par_tree(batch, 0, batch.persons(), rows))
    }

    /// What the choices of one person tell about their β.
    ///
    /// ```
    /// use prefstrength::panel::Panel;
    /// use prefstrength::Gamma;
    /// let panel = Panel::new(&Gamma::from_mean_cv(1.0, 0.8)?);
    /// let few = panel.posterior(&[2.0, 1.0]);
    /// let many = panel.posterior(&[2.0, 1.0].repeat(20));
    /// assert!(many.mean > few.mean && many.sd > few.sd); // all with the margin: β is large, how large is open
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn posterior<T: Real>(&self, margins: &[T]) -> PersonPosterior<T>
    where
        S: Strength<T>,
    {
        let person = self.model.person(margins, None, &mut Spaces::new(), None, 1.0);
        let [mean, sd, reversed] =
            [person.mean, Float::sqrt(person.variance), person.reversed].map(T::from_f64);
        PersonPosterior { mean, sd, reversed }
    }

    /// Quantiles of β given the choices of one person: the β with P(strength ≤ β | choices) = p. NaN for p outside
    /// \[0, 1\] and for NaN margins.
    ///
    /// * Max error: 1e-6 in p, for 1e-9 ≤ p ≤ 1 − 1e-9.
    ///
    /// # Errors
    /// [`BatchError::Length`] where `to` is not as long as `p`.
    ///
    /// ```
    /// use prefstrength::panel::Panel;
    /// use prefstrength::Gamma;
    /// let panel = Panel::new(&Gamma::from_mean_cv(1.0, 0.8)?);
    /// let mut interval = [0.0; 2];
    /// panel.quantiles(&[2.0, 1.0, -0.5, 3.0], &[0.025, 0.975], &mut interval)?;
    /// let mean = panel.posterior(&[2.0, 1.0, -0.5, 3.0]).mean;
    /// assert!(interval[0] < mean && mean < interval[1]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn quantiles<T: Real>(&self, margins: &[T], p: &[T], to: &mut [T]) -> Result<(), BatchError>
    where
        S: Strength<T>,
    {
        length("to", Some(&*to), p.len())?;
        quantiles(&self.model, margins, p, to);
        Ok(())
    }

    /// This, after the checks, with a lapse if a derivative in it is wanted.
    fn checked<T: Real>(&self, batch: &PanelBatch<'_, T>, rows: &PanelRows<'_, T>) -> Result<Self, BatchError>
    where
        S: Strength<T>,
    {
        batch.check()?;
        rows.check(batch.persons(), batch.margins.len())?;
        let mut panel = *self;
        panel.model.with_lapse |= rows.wants_lapse();
        Ok(panel)
    }

    fn tree<T: Real>(
        &self,
        batch: &PanelBatch<'_, T>,
        low: usize,
        high: usize,
        rows: PanelRows<'_, T>,
    ) -> PanelSums
    where
        S: Strength<T>,
    {
        if high - low <= LEAF {
            return self.leaf(batch, low, high, rows);
        }
        let (middle, [before, after]) = halves(batch, low, high, rows);
        let sums = self.tree(batch, low, middle, before);
        sums + self.tree(batch, middle, high, after)
    }

    #[cfg(feature = "rayon")]
    fn par_tree<T: Real>(
        &self,
        batch: &PanelBatch<'_, T>,
        low: usize,
        high: usize,
        rows: PanelRows<'_, T>,
    ) -> PanelSums
    where
        S: Strength<T>,
    {
        if high - low <= LEAF {
            return self.leaf(batch, low, high, rows);
        }
        let (middle, [before, after]) = halves(batch, low, high, rows);
        let (a, b) = rayon::join(
            || self.par_tree(batch, low, middle, before),
            || self.par_tree(batch, middle, high, after),
        );
        a + b
    }

    // A call, as its workspace is large: inlined, every level of the tree would hold one.
    #[inline(never)]
    fn leaf<T: Real>(
        &self,
        batch: &PanelBatch<'_, T>,
        low: usize,
        high: usize,
        mut rows: PanelRows<'_, T>,
    ) -> PanelSums
    where
        S: Strength<T>,
    {
        let mut sums = PanelSums::default();
        if low == high {
            return sums;
        }
        let mut spaces = Spaces::new();
        let jacobian = self.model.beta.kernel_params(self.coordinates, Inside).jacobian;
        let first = batch.range(low).start;
        for person in low..high {
            let range = batch.range(person);
            let weight = batch.weights.map_or(1.0, |w| w[person].to_f64());
            let mut to =
                rows.d_margin.as_deref_mut().map(|to| &mut to[range.start - first..range.end - first]);
            if weight == 0.0 {
                // A mask: nothing, whatever the margins.
                if let Some(to) = &mut to {
                    to.fill(T::zero());
                }
                rows.persons.iter_mut().flatten().for_each(|row| row[person - low] = T::zero());
                continue;
            }
            let factor = weight * batch.upstream.map_or(1.0, |g| g[person].to_f64());
            let mask = batch.mask.map(|mask| &mask[range.clone()]);
            let found = self.model.person(&batch.margins[range], mask, &mut spaces, to, factor);
            let Person { nll, elastic, d_v, d_lapse: [floor, ceiling, both], .. } = found;
            let d_params = chain(jacobian, [elastic, self.model.beta.kernel_spread(d_v, Inside)]);
            let d_params = if nll.is_nan() { [nll; 2] } else { d_params };
            let d_lapse = match (self.model.with_lapse, self.by_side) {
                _ if nll.is_nan() => [nll; 2],
                (false, _) => [0.0; 2],
                (true, false) => [both, 0.0],
                (true, true) => [floor, ceiling],
            };
            let times = |x: f64| if factor == 0.0 { 0.0 } else { factor * x };
            let told = [
                times(nll),
                times(d_params[0]),
                times(d_params[1]),
                times(d_lapse[0]),
                times(d_lapse[1]),
                found.mean,
                Float::sqrt(found.variance),
                found.reversed,
            ];
            for (row, x) in rows.persons.iter_mut().zip(told) {
                if let Some(row) = row {
                    row[person - low] = T::from_f64(x);
                }
            }
            sums += PanelSums {
                weight,
                nll: told[0],
                d_params: [told[1], told[2]],
                d_lapse: [told[3], told[4]],
                d_reversed: times(found.d_reversed),
            };
        }
        sums
    }
}

/// Where the tree divides the persons `low..high`, and the rows of both parts: the same sums for any number of threads.
fn halves<'a, T: Real>(
    batch: &PanelBatch<'_, T>,
    low: usize,
    high: usize,
    rows: PanelRows<'a, T>,
) -> (usize, [PanelRows<'a, T>; 2]) {
    let middle = low + (high - low).div_ceil(LEAF).next_power_of_two() / 2 * LEAF;
    let margins = batch.range(middle - 1).end - batch.range(low).start;
    (middle, rows.split_at(middle - low, margins).into())
}
