//! A table of the effective logit for one p(β), evaluated at streaming speed.

use super::engine::{Column, KernelInputs, List, LogitColumns, LogitSource, Scales};
use super::error::BatchError;
use super::evaluation::{Evaluator, methods};
use super::export::{PlanTable, Reach};
use super::gate::{Call, Opened, Stored};
use super::input::Batch;
use super::logits::{LogitEvaluator, logit_methods};
use super::number::Number;
use super::rows::Rows;
use super::shared::Shared;
use super::table::{Table, TableLogits};
use crate::family::Inside;
use crate::kernel::{Coordinates, FamilyKernels, Integral, KernelVisitor};
use crate::level::Level;
use crate::loss::{Labels, Row, Strength, logit_row, row};

/// One p(β) for all margins, prepared once as a table: the fastest way for long batches.
///
/// The table holds piecewise polynomials of the effective logit: of ℓ/w, ℓ′ and −ℓ_v/w (in the first piece −ℓ_v/w³)
/// in w = unit·|D|. Preparing costs some hundred evaluations of the integral, and evaluating a few multiply-adds per
/// element and polynomial. The table lies in the plan itself (f32 8.5 KB, f64 44 KB; `Box` it to move it
/// around): nothing is allocated, also when it is prepared again for new parameters.
///
/// * Max error, in eps of the precision (for D > 0 times 1 + |ln T|): f64 nll and derivatives 40; f32 nll
///   8, d_margin 16, derivatives in parameters 64. Measured: README.
/// * The table reaches from w = 0, or 2⁻¹⁶ for σ above 1.2 (f32 1.5) and in f64 for v above 4900, to 2¹⁰ (f32
///   2⁸ for σ above 0.7 and v above 5). Margins beyond it, NaN and ±∞ are evaluated as by [`Direct`](super::Direct).
///
/// ```
/// use prefstrength::batch::{Batch, Plan, Rows};
/// use prefstrength::{LogNormal, Strength};
/// let margins: Vec<f32> = (0..10_000).map(|i| i as f32 * 1e-3 - 5.0).collect();
/// let mut nll = vec![0.0; margins.len()];
/// let mut beta = LogNormal::from_mean_cv(1.0, 0.5)?;
/// let mut plan = Plan::new(&beta);
/// for step in 0..3 {
///     let sums = plan.evaluate(&Batch::new(&margins), Rows::new().nll(&mut nll))?;
///     assert!((nll[0] - beta.nll(-5.0)).abs() < 1e-5);
///     // A step of an optimiser moves the parameters; the table follows in place.
///     let d_sigma = sums.d_params[1] / sums.weight;
///     beta = LogNormal::from_mu_sigma(beta.mu(), beta.sigma() - 0.1 * d_sigma as f32)?;
///     plan.prepare(&beta);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Plan<T: Number, S> {
    shared: Shared<S>,
    table: Stored<T>,
}

impl<T: Number, S: Strength<T>> Plan<T, S> {
    /// Prepared for `beta`, on the best level of this machine, in native coordinates.
    #[must_use]
    pub fn new(beta: &S) -> Self {
        Self::with_level(beta, Level::best())
    }

    /// On another level.
    #[must_use]
    pub fn with_level(beta: &S, level: Level) -> Self {
        let shared = Shared::new(beta, level, Coordinates::Native, T::scales(Inside));
        let mut plan = Self { shared, table: T::empty_table(Inside) };
        plan.fill();
        plan
    }

    /// Gradients in other coordinates; the table is the same.
    #[must_use]
    pub fn with_coordinates(mut self, coordinates: Coordinates) -> Self {
        let old = self.shared.params.integral;
        self.shared = Shared::new(&self.shared.beta, self.shared.level, coordinates, T::scales(Inside));
        // Coordinates decide whether the kernels over lanes serve at all.
        if old != self.shared.params.integral {
            self.fill();
        }
        self
    }

    /// Prepares it again, in place; at once if `beta` is the one it has.
    pub fn prepare(&mut self, beta: &S) {
        let key = |shared: &Shared<S>| {
            (shared.beta.family_of(Inside), shared.params.integral, shared.params.shape.to_bits())
        };
        let old = key(&self.shared);
        self.shared = Shared::new(beta, self.shared.level, self.shared.coordinates, T::scales(Inside));
        // The unit scales margins, not the table.
        if old != key(&self.shared) {
            self.fill();
        }
    }

    /// The length of a batch from which on a plan for `beta` pays for its preparation; `usize::MAX` where a table is
    /// never faster. Depends on the family alone. Measured on AVX-512: docs/benchmarks.md.
    ///
    /// ```
    /// use prefstrength::batch::Plan;
    /// use prefstrength::{Fixed, Gamma};
    /// assert_eq!(Plan::<f32, _>::break_even(&Gamma::from_mean_cv(0.1, 0.5)?), 2048);
    /// assert_eq!(Plan::<f32, _>::break_even(&Fixed::new(0.1)?), usize::MAX); // plain DPO needs no table
    /// # Ok::<(), prefstrength::ParamError>(())
    /// ```
    #[must_use]
    pub fn break_even(beta: &S) -> usize {
        match beta.kernel_params(Coordinates::Native, Inside).integral {
            Integral::Own => T::enter(BreakEven(beta), Inside),
            Integral::PointMass | Integral::Scalar => usize::MAX,
        }
    }

    methods!([] [] T);
    logit_methods!([] [] T);

    /// The table as plain numbers.
    #[must_use]
    pub fn table(&self) -> PlanTable<'_, T> {
        T::enter(Export(self), Inside)
    }

    fn fill(&mut self) {
        T::enter(Fill(self), Inside);
    }
}

struct Export<'a, T: Number, S>(&'a Plan<T, S>);

impl<'a, T: Number, S: Strength<T>> Call<T> for Export<'a, T, S> {
    type Output = PlanTable<'a, T>;
    fn call(self) -> PlanTable<'a, T>
    where
        T: Opened,
    {
        let Plan { shared, table } = self.0;
        let (table, params) = (T::table(table), &shared.params);
        let own = table.filled && params.integral == Integral::Own;
        let reach = match params.integral {
            Integral::Own if own && table.from_zero => Reach::FromZero,
            Integral::Own if own => Reach::FromFirst,
            Integral::Own | Integral::PointMass if shared.beta.v() == T::num(0.0) => Reach::PointMass,
            _ => Reach::Nowhere,
        };
        let used = if own { table.pieces() * T::POLYNOMIAL } else { 0 };
        PlanTable {
            version: PlanTable::<T>::VERSION,
            reach,
            unit: params.unit,
            jacobian: params.jacobian,
            params: params.params,
            exponents: if own { table.exponents } else { [0; 2] },
            piece_bits: T::PIECE_BITS,
            terms: T::POLYNOMIAL,
            coefficients: &T::flat(&table.rows)[..used],
        }
    }
}

struct BreakEven<'a, S>(&'a S);

impl<T: Number, S: Strength<T>> Call<T> for BreakEven<'_, S> {
    type Output = usize;
    fn call(self) -> usize
    where
        T: Opened,
    {
        struct Found;
        impl<T: Opened> KernelVisitor<T> for Found {
            type Output = usize;
            fn visit<K: FamilyKernels<T>>(self) -> usize {
                K::BREAK_EVEN
            }
        }
        self.0.visit_kernels::<T, _>(Found, Inside)
    }
}

/// Fills the table of a plan.
struct Fill<'a, T: Number, S>(&'a mut Plan<T, S>);

impl<T: Number, S: Strength<T>> Call<T> for Fill<'_, T, S> {
    type Output = ();
    fn call(self)
    where
        T: Opened,
    {
        let Plan { shared, table } = self.0;
        let table = T::table_mut(table);
        match shared.params.integral {
            Integral::Own => shared.beta.visit_kernels(Prepare { table, shared }, Inside),
            Integral::PointMass | Integral::Scalar => table.filled = false,
        }
    }
}

struct Prepare<'a, T: Opened, S> {
    table: &'a mut Table<T>,
    shared: &'a Shared<S>,
}

impl<T: Opened, S> KernelVisitor<f64> for Prepare<'_, T, S> {
    type Output = ();
    fn visit<K: FamilyKernels<f64>>(self) {
        // A table cannot be faster than plain DPO.
        if K::BREAK_EVEN < usize::MAX {
            self.table.prepare::<K>(self.shared.params.shape, self.shared.level);
        } else {
            self.table.filled = false;
        }
    }
}

impl<T: Number, S: Strength<T>> Evaluator<T> for Plan<T, S> {
    fn check(&self, batch: &Batch<'_, T>, rows: &Rows<'_, T>) -> Result<(), BatchError> {
        batch.check()?;
        rows.check(batch.len(), self.shared.params.params, batch.lapses.parameters())
    }
    fn source(&self) -> impl LogitSource<T>
    where
        T: Opened,
    {
        Tabled { shared: &self.shared, table: T::table(&self.table) }
    }
}

impl<T: Number, S: Strength<T>> LogitEvaluator<T> for Plan<T, S> {
    fn params(&self) -> usize {
        self.shared.params.params
    }
    fn scalar_logit(&self, _index: usize, margin: T) -> [f64; 4] {
        logit_row(&self.shared.beta, margin, self.shared.coordinates)
    }
}

/// What another device needs to evaluate the same table.
#[cfg(feature = "gpu")]
impl<S: Strength<f32>> Plan<f32, S> {
    pub(crate) fn params(&self) -> &crate::kernel::KernelParams {
        &self.shared.params
    }

    /// The family, if its kernels cover the shape.
    pub(crate) fn family(&self) -> Option<crate::Family> {
        struct Covers(f64);
        impl KernelVisitor<f32> for Covers {
            type Output = bool;
            fn visit<K: FamilyKernels<f32>>(self) -> bool {
                K::covers(self.0)
            }
        }
        let covers = self.shared.beta.visit_kernels(Covers(self.shared.params.shape), Inside);
        covers.then(|| self.shared.beta.family_of(Inside))
    }

    pub(crate) fn stored(&self) -> &Table<f32> {
        &self.table
    }
}

/// A plan behind the gate.
struct Tabled<'a, T: Opened, S> {
    shared: &'a Shared<S>,
    table: &'a Table<T>,
}

impl<T: Opened, S: Strength<T>> LogitSource<T> for Tabled<'_, T, S> {
    fn level(&self) -> Level {
        self.shared.level
    }
    fn per_element(&self) -> bool {
        false
    }
    fn jacobian(&self) -> [[f64; 2]; 2] {
        self.shared.params.jacobian
    }
    fn setup(&self, first: usize, n: usize, points: &mut KernelInputs<T>, scales: &mut Scales<T>) {
        self.shared.setup(first, n, points, scales);
    }
    fn logits(
        &self,
        first: usize,
        points: &KernelInputs<T>,
        n: usize,
        logits: &mut LogitColumns<T>,
        outside: &mut List,
    ) {
        if !self.table.filled || self.shared.params.integral != Integral::Own {
            return self.shared.logits(first, points, n, logits, outside);
        }
        let mut beyond = List::new();
        let table = self.table;
        self.shared.level.dispatch(TableLogits { table, points, n, logits, beyond: &mut beyond });
        if beyond.as_slice().is_empty() {
            return;
        }
        let mut few = KernelInputs { w: Column::new(1.0), shape: points.shape, shared: true };
        for (w, &i) in few.w.flat_mut().iter_mut().zip(beyond.as_slice()) {
            *w = points.w.flat()[i as usize];
        }
        let mut found = LogitColumns::new();
        let mut still = List::new();
        self.shared.logits(first, &few, beyond.as_slice().len(), &mut found, &mut still);
        for (j, &i) in beyond.as_slice().iter().enumerate() {
            logits.value.flat_mut()[i as usize] = found.value.flat()[j];
            logits.slope.flat_mut()[i as usize] = found.slope.flat()[j];
            logits.spread.flat_mut()[i as usize] = found.spread.flat()[j];
        }
        for &j in still.as_slice() {
            outside.push(beyond.as_slice()[j as usize] as usize);
        }
    }
    fn scalar_row(&self, _index: usize, margin: T, labels: Labels<T>) -> Row {
        row(&self.shared.beta, margin, labels, self.shared.coordinates)
    }
}
