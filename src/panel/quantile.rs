//! Quantiles of β given a person's choices, from the nodes of the integral.

use super::integral::Workspace;
use super::person::{Known, Model, Spaces};
use crate::family::Calculus;
use crate::math::elementary::{exp, ln};
use crate::real::Real;

/// The distribution of ln β: masses of the nodes, in the order of β, are those of a density on an even grid.
struct Distribution<'a> {
    space: &'a Workspace,
    /// Nodes to the right of the peak, which come first, the peak included.
    right: usize,
}

impl<'a> Distribution<'a> {
    fn new(space: &'a Workspace) -> Self {
        let betas = space.laid.nodes().betas;
        let rising = betas.windows(2).take_while(|pair| pair[1] >= pair[0]).count();
        Self { space, right: (rising + 1).min(betas.len()) }
    }

    fn len(&self) -> usize {
        self.space.laid.nodes().betas.len()
    }

    /// β and mass of node `i` from the left.
    fn node(&self, i: usize) -> (f64, f64) {
        let left = self.len() - self.right;
        let place = if i >= left { i - left } else { self.right + (left - 1 - i) };
        (self.space.laid.nodes().betas[place], self.space.laid.nodes().weights[place])
    }

    /// The slope of the mass at node `i`, per node: a difference of fourth order.
    fn slope(&self, i: usize) -> f64 {
        let mass = |k: isize| {
            let i = i as isize + k;
            if i < 0 || i as usize >= self.len() { 0.0 } else { self.node(i as usize).1 }
        };
        (8.0 * (mass(1) - mass(-1)) - (mass(2) - mass(-2))) / 12.0
    }

    /// P(β ≤ that of node `i`) given the mass of all nodes before it: the trapezoidal rule with its first correction.
    fn up_to(&self, i: usize, before: f64) -> f64 {
        before + 0.5 * self.node(i).1 - self.slope(i) / 12.0
    }

    /// The step between nodes in which `inside` of (β and distribution function at its ends) turns true.
    fn step(&self, inside: impl Fn(f64, f64) -> bool) -> Option<Step> {
        let (mut before, mut low) = (0.0, 0.0_f64);
        for i in 0..self.len() {
            let (beta, mass) = self.node(i);
            // The corrections may leave a digit too many at the ends.
            let here = self.up_to(i, before).clamp(low, 1.0);
            if inside(beta, here) {
                let (left, left_mass) = if i == 0 { (beta, mass) } else { self.node(i - 1) };
                let around = [-2, -1, 0, 1].map(|k: isize| {
                    let place = i.saturating_add_signed(k).min(self.len() - 1);
                    self.node(place).0
                });
                let logs = if i < 2 || i + 1 == self.len() || around[0] <= 0.0 {
                    None
                } else {
                    Some(around.map(ln))
                };
                return Some(Step {
                    ends: [left, beta],
                    logs,
                    values: [low, here],
                    masses: [left_mass, mass],
                });
            }
            (low, before) = (here, before + mass);
        }
        None
    }

    /// P(β ≤ `beta`).
    fn cdf(&self, beta: f64) -> f64 {
        let Some(step) = self.step(|end, _| end >= beta) else { return 1.0 };
        let [left, right] = step.ends;
        if beta < left || left == right {
            step.values[0]
        } else {
            step.value(ln(beta / left) / ln(right / left))
        }
    }

    /// The β with P(strength ≤ β) = p.
    fn quantile(&self, p: f64) -> f64 {
        let Some(step) = self.step(|_, value| value >= p) else {
            return self.len().checked_sub(1).map_or(f64::NAN, |last| self.node(last).0);
        };
        step.beta(bisect([0.0, 1.0], |t| step.value(t) < p))
    }
}

/// Two neighbours among the nodes.
struct Step {
    ends: [f64; 2],
    /// ln β of the four nodes about it, which need not be at even distances.
    logs: Option<[f64; 4]>,
    /// The distribution function there.
    values: [f64; 2],
    /// The density there, per step.
    masses: [f64; 2],
}

impl Step {
    /// The distribution function at a fraction of the step: a cubic with the density as slope at its ends.
    fn value(&self, t: f64) -> f64 {
        let [low, high] = self.values;
        let [a, b] = self.masses;
        let rise = high - low;
        low + t * (a + t * ((3.0 * rise - 2.0 * a - b) + t * (a + b - 2.0 * rise)))
    }
}

impl Step {
    /// β at a fraction of the step: ln β as a cubic through four nodes.
    fn beta(&self, t: f64) -> f64 {
        let [left, right] = self.ends;
        match self.logs {
            Some([a, b, c, d]) => {
                let (p, q) = ((t + 1.0) * (t - 2.0), t * (t - 1.0));
                exp((b * (t - 1.0) - c * t) * (0.5 * p) + (d * (t + 1.0) - a * (t - 2.0)) * (q / 6.0))
            }
            None if left > 0.0 => left * exp(t * ln(right / left)),
            None => t * right,
        }
    }
}

/// Where `below` stops being true, between two places.
fn bisect([mut low, mut high]: [f64; 2], below: impl Fn(f64) -> bool) -> f64 {
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if below(middle) { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}

/// Quantiles of one person's β, of |β| where there are people of the opposite preference.
pub(super) fn quantiles<T: Real, S: Calculus>(model: &Model<S>, margins: &[T], p: &[T], to: &mut [T]) {
    let mut spaces = Spaces::new();
    let known = model.posterior_nodes(margins, &mut spaces);
    for (to, p) in to.iter_mut().zip(p) {
        let p = Real::to_f64(*p);
        *to = T::from_f64(match known {
            _ if !(0.0..=1.0).contains(&p) => f64::NAN,
            Known::Point(beta) => beta,
            Known::Nodes { unit, parts: [one, other] } => {
                let [plus, minus] = spaces.workspaces().map(Distribution::new);
                unit * match (one == 0.0, other == 0.0) {
                    (_, true) => plus.quantile(p),
                    (true, _) => minus.quantile(p),
                    _ => {
                        let (first, second) = (plus.quantile(p), minus.quantile(p));
                        let ends = [first.min(second), first.max(second)];
                        bisect(ends, |beta| one * plus.cdf(beta) + other * minus.cdf(beta) < p)
                    }
                }
            }
        });
    }
}
