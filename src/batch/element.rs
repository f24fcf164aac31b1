//! Parameters per element: per annotator, per group.

use super::engine::{Integrate, KernelInputs, List, LogitColumns, LogitSource, Scales};
use super::error::{BatchError, length};
use super::evaluation::{Evaluator, methods};
use super::gate::Opened;
use super::input::Batch;
use super::logits::{LogitEvaluator, logit_methods};
use super::number::Number;
use super::rows::Rows;
use super::shared::representable;
use crate::family::dispatch::MemberVisitor;
use crate::family::{Family, Inside, Member, ParamError, Precision};
use crate::kernel::{Coordinates, Goal, Integral, KernelParams};
use crate::level::Level;
use crate::loss::{Labels, Row, logit_row, row};

/// What a kernel of the device takes: the family, whether parameters and derivatives are mean and cv, and the
/// slices of the parameters.
#[cfg(feature = "gpu")]
pub(crate) type DeviceParameters<'a, T> = (Family, bool, [Option<&'a [T]>; 2]);

/// Parameters of p(β) for every element of a batch; derivatives in them go to
/// [`Rows::d_params`], and are not summed.
///
/// * Accuracy, NaN and ±∞: as [`Direct`](super::Direct).
///
/// ```
/// use prefstrength::batch::{Batch, PerElement, Rows};
/// use prefstrength::Family;
/// // Two annotators, looked up per pair.
/// let (mu, sigma) = ([-2.0, -2.0, -3.0], [0.3, 0.3, 0.8]);
/// let (mut d_mu, mut d_sigma) = ([0.0; 3], [0.0; 3]);
/// let rows = Rows::new().d_params([&mut d_mu, &mut d_sigma]);
/// let losses = PerElement::new(Family::LogNormal, &[&mu, &sigma])?;
/// let sums = losses.evaluate(&Batch::new(&[1.0, -4.0, 2.5]), rows)?;
/// assert!(sums.nll > 0.0 && d_mu[1] > 0.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct PerElement<'a, T> {
    family: Family,
    given: Given<'a, T>,
    coordinates: Coordinates,
    level: Level,
}

/// In what the parameters are given.
#[derive(Clone, Copy, Debug)]
enum Given<'a, T> {
    /// The native ones; the second slice is the first again where there is one.
    Native([&'a [T]; 2]),
    /// Mean and cv.
    MeanCv([&'a [T]; 2]),
}

impl<'a, T> Given<'a, T> {
    fn slices(&self) -> [&'a [T]; 2] {
        let (Self::Native(slices) | Self::MeanCv(slices)) = *self;
        slices
    }
}

impl<'a, T: Number> PerElement<'a, T> {
    /// The native parameters of every element, a slice for each of [`Family::parameters`]; derivatives in them.
    ///
    /// # Errors
    /// [`BatchError::ParamCount`] for another number of slices, [`BatchError::Length`] unless all are of one length,
    /// [`BatchError::Param`] where the family's constructor refuses an element.
    pub fn new(family: Family, parameters: &[&'a [T]]) -> Result<Self, BatchError> {
        let (expected, found) = (family.parameters().len(), parameters.len());
        let slices = match *parameters {
            [only] if expected == 1 => [only, only],
            [first, second] if expected == 2 => [first, second],
            _ => return Err(BatchError::ParamCount { expected, found }),
        };
        Self::checked(family, Given::Native(slices), Coordinates::Native)
    }

    /// Mean and cv of every element; derivatives in them ([`Coordinates::MeanCv`]).
    ///
    /// # Errors
    /// As [`new`](Self::new).
    ///
    /// ```
    /// use prefstrength::batch::{Batch, PerElement, Rows};
    /// use prefstrength::{Coordinates, Family, Gamma, Strength};
    /// let (mean, cv) = ([0.1, 0.2], [0.5, 0.0]); // the second annotator has one β
    /// let (mut d_mean, mut d_cv) = ([0.0; 2], [0.0; 2]);
    /// let rows = Rows::new().d_params([&mut d_mean, &mut d_cv]);
    /// PerElement::from_mean_cv(Family::Gamma, &mean, &cv)?.evaluate(&Batch::new(&[3.0, -1.0]), rows)?;
    /// let alone = Gamma::<f64>::from_mean_cv(0.1, 0.5)?.nll_gradient_in(3.0, Coordinates::MeanCv);
    /// assert!((d_mean[0] - alone.d_params[0]).abs() < 1e-14 && d_cv[1] == 0.0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn from_mean_cv(family: Family, mean: &'a [T], cv: &'a [T]) -> Result<Self, BatchError> {
        Self::checked(family, Given::MeanCv([mean, cv]), Coordinates::MeanCv)
    }

    fn checked(family: Family, given: Given<'a, T>, coordinates: Coordinates) -> Result<Self, BatchError> {
        let this = Self { family, given, coordinates, level: Level::best() };
        let [first, second] = this.given.slices();
        length(this.names()[1], Some(second), first.len())?;
        family.visit_member(Check(&this))?;
        Ok(this)
    }

    /// What the slices are called.
    fn names(&self) -> [&'static str; 2] {
        match (self.given, self.family.parameters()) {
            (Given::MeanCv(_), _) => ["mean", "cv"],
            (_, &[first, second]) => [first, second],
            (_, names) => [names.first().copied().unwrap_or_default(); 2],
        }
    }

    /// On another level.
    #[must_use]
    pub fn with_level(self, level: Level) -> Self {
        Self { level, ..self }
    }

    /// Derivatives in other coordinates.
    #[must_use]
    pub fn with_coordinates(self, coordinates: Coordinates) -> Self {
        Self { coordinates, ..self }
    }

    methods!([] [] T);
    logit_methods!([] [] T);

    /// How many parameters the derivatives are taken in.
    fn params(&self) -> usize {
        match self.coordinates {
            Coordinates::Native => self.family.parameters().len(),
            _ => 2,
        }
    }

    /// The strength of element `i`.
    fn member<S: Member<T>>(&self, i: usize) -> Result<S, ParamError> {
        match self.given {
            Given::Native([first, second]) => S::from_native([first[i], second[i]]),
            Given::MeanCv([mean, cv]) => S::from_mean_and_cv(mean[i], cv[i]),
        }
    }

    /// `None` where the device has no kernel for the coordinates.
    #[cfg(feature = "gpu")]
    pub(crate) fn for_device(&self) -> Option<DeviceParameters<'a, T>> {
        let [first, second] = self.given.slices();
        match (self.given, self.coordinates) {
            (Given::Native(_), Coordinates::Native) => {
                Some((self.family, false, [Some(first), (self.params() == 2).then_some(second)]))
            }
            (Given::MeanCv(_), Coordinates::MeanCv) => Some((self.family, true, [Some(first), Some(second)])),
            _ => None,
        }
    }

    /// The parameters of some elements.
    #[cfg(feature = "gpu")]
    pub(crate) fn slice(&self, range: core::ops::Range<usize>) -> Self {
        let given = match self.given {
            Given::Native(slices) => Given::Native(slices.map(|s| &s[range.clone()])),
            Given::MeanCv(slices) => Given::MeanCv(slices.map(|s| &s[range.clone()])),
        };
        Self { given, ..*self }
    }
}

/// Looks for an element that its family refuses.
struct Check<'a, 'b, T>(&'a PerElement<'b, T>);

impl<T: Number> MemberVisitor<T> for Check<'_, '_, T> {
    type Output = Result<(), BatchError>;
    fn visit<S: Member<T>>(self) -> Result<(), BatchError> {
        let len = self.0.given.slices()[0].len();
        match (0..len).find_map(|index| Some((index, self.0.member::<S>(index).err()?))) {
            Some((index, error)) => Err(BatchError::Param { index, error }),
            None => Ok(()),
        }
    }
}

impl<T: Number> Evaluator<T> for PerElement<'_, T> {
    fn check(&self, batch: &Batch<'_, T>, rows: &Rows<'_, T>) -> Result<(), BatchError> {
        length(self.names()[0], Some(self.given.slices()[0]), batch.len())?;
        batch.check()?;
        rows.check(batch.len(), self.params(), batch.lapses.parameters())
    }
    fn source(&self) -> impl LogitSource<T>
    where
        T: Opened,
    {
        Elements(self)
    }
    // Sums over elements of different parameters are not asked for.
    fn sums_params(&self) -> bool {
        false
    }
}

impl<T: Number> LogitEvaluator<T> for PerElement<'_, T> {
    fn params(&self) -> usize {
        Self::params(self)
    }
    fn scalar_logit(&self, i: usize, margin: T) -> [f64; 4] {
        self.family.visit_member(OneLogit { elements: self, i, margin })
    }
}

/// Parameters per element behind the gate.
struct Elements<'a, 'b, T>(&'a PerElement<'b, T>);

impl<T: Opened + Number> LogitSource<T> for Elements<'_, '_, T> {
    fn level(&self) -> Level {
        self.0.level
    }
    fn per_element(&self) -> bool {
        true
    }
    fn jacobian(&self) -> [[f64; 2]; 2] {
        [[0.0; 2]; 2]
    }
    fn setup(&self, first: usize, n: usize, points: &mut KernelInputs<T>, scales: &mut Scales<T>) {
        self.0.family.visit_member(Setup { elements: self.0, first, n, points, scales });
    }
    fn logits(
        &self,
        _first: usize,
        points: &KernelInputs<T>,
        n: usize,
        logits: &mut LogitColumns<T>,
        outside: &mut List,
    ) {
        let family = self.0.family;
        Integrate { level: self.0.level, goal: Goal::Lane, points, n, logits, outside }
            .by(Integral::Own, |job| family.visit_kernels(job));
    }
    fn scalar_row(&self, i: usize, margin: T, labels: Labels<T>) -> Row {
        self.0.family.visit_member(OneRow { elements: self.0, i, margin, labels })
    }
}

/// Units, shapes and Jacobians of a chunk.
struct Setup<'a, 'b, T> {
    elements: &'a PerElement<'b, T>,
    first: usize,
    n: usize,
    points: &'a mut KernelInputs<T>,
    scales: &'a mut Scales<T>,
}

impl<T: Precision + Number> MemberVisitor<T> for Setup<'_, '_, T> {
    type Output = ();
    fn visit<S: Member<T>>(self) {
        let Scales::Each { unit, matrix } = self.scales else { return };
        let fill = self.n.next_multiple_of(crate::lanes::SUM_LANES);
        for i in 0..fill {
            // Checked when the parameters came. The last group is filled up with the last element.
            let Ok(beta) = self.elements.member::<S>(self.first + i.min(self.n - 1)) else { continue };
            let params: KernelParams = beta.kernel_params(self.elements.coordinates, Inside);
            // What the vector kernels cannot take gets a unit that no region covers. A point mass among others has
            // the shape 0, which every family's kernels take.
            let inside = params.integral != Integral::Scalar && representable(&params, T::SCALES);
            self.points.shape.flat_mut()[i] = T::num(params.shape);
            unit.flat_mut()[i] = T::num(if inside { params.unit } else { f64::NAN });
            let [[a, b], [c, d]] = params.jacobian;
            for (column, x) in matrix.iter_mut().zip([a, b, c, d]) {
                column.flat_mut()[i] = T::num(x);
            }
        }
    }
}

/// Everything about one element by the scalar kernels.
struct OneRow<'a, 'b, T> {
    elements: &'a PerElement<'b, T>,
    i: usize,
    margin: T,
    labels: Labels<T>,
}

impl<T: Number> MemberVisitor<T> for OneRow<'_, '_, T> {
    type Output = Row;
    fn visit<S: Member<T>>(self) -> Row {
        let beta = self.elements.member::<S>(self.i);
        let all = beta.map(|beta| row(&beta, self.margin, self.labels, self.elements.coordinates));
        all.unwrap_or([f64::NAN; 6])
    }
}

/// The effective logit of one element by the scalar kernels.
struct OneLogit<'a, 'b, T> {
    elements: &'a PerElement<'b, T>,
    i: usize,
    margin: T,
}

impl<T: Number> MemberVisitor<T> for OneLogit<'_, '_, T> {
    type Output = [f64; 4];
    fn visit<S: Member<T>>(self) -> [f64; 4] {
        let beta = self.elements.member::<S>(self.i);
        beta.map_or([f64::NAN; 4], |beta| logit_row(&beta, self.margin, self.elements.coordinates))
    }
}
