//! The canonical integral T(x, v) = E[σ(−xB)], B a strength of mean 1 and variance v.
//!
//! Every quantity of the crate comes from this lower tail. With a strength β of mean m and squared
//! coefficient of variation v, and a margin D, put x = m|D|: then E[σ(βD)] is T(x, v) for D ≤ 0
//! and 1 − T(x, v) for D ≥ 0. T falls from ½ at x = 0, rises with v, and
//!
//! * **effective logit** ℓ(x, v) = ln((1 − T)/T): odd in the margin, ℓ = x at v = 0, concave for
//!   x > 0. DPO on the transformed margin ℓ is MixDPO on the margin.
//!
//! The functions here take x ≥ 0 and v ≥ 0 directly, one per family: each is re-exported from the family's room.
//! The distributions at the crate's root are the way in for most users.

pub use crate::family::strengths::canonical::*;
pub use crate::kernel::Tail;
