//! Margins to measure with: deterministic, E\[β\] = 1.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Distribution, Normal, Uniform};

/// How margins are distributed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    /// As in training: N(0.2, 0.5²).
    Training,
    /// As late in training: N(2, 4²).
    Late,
    /// log₁₀|D| uniform on [−3, 3], either sign.
    Wide,
}

impl Kind {
    pub(crate) const ALL: [Self; 3] = [Self::Training, Self::Late, Self::Wide];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Training => "training",
            Self::Late => "late",
            Self::Wide => "wide",
        }
    }

    pub(crate) fn margins(self, n: usize) -> Vec<f64> {
        let mut rng = ChaCha8Rng::seed_from_u64(20_260_106);
        let (mean, sd) = if self == Self::Training { (0.2, 0.5) } else { (2.0, 4.0) };
        let normal = Normal::new(mean, sd).unwrap();
        let decades = Uniform::new(-3.0_f64, 3.0).unwrap();
        let sign = Uniform::new(-1.0_f64, 1.0).unwrap();
        let mut draw = || match self {
            Self::Wide => 10_f64.powf(decades.sample(&mut rng)).copysign(sign.sample(&mut rng)),
            _ => normal.sample(&mut rng),
        };
        (0..n).map(|_| draw()).collect()
    }
}
