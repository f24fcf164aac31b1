//! What the families share, and everything above them takes: T with its derivatives, the effective logit over
//! lanes, the coordinates of p(β).
//!
//! What the scalar kernels of a family do everywhere, its kernels over lanes do in the box where training happens,
//! in the precision of the lane, without branches.

pub(crate) mod coordinates;
pub(crate) mod limits;
pub(crate) mod logit;
pub(crate) mod regions;
pub(crate) mod tail;

pub use coordinates::Coordinates;
pub(crate) use coordinates::{Integral, KernelParams, Local};
pub(crate) use limits::Limits;
pub(crate) use logit::{Logit, logistic, within};
pub(crate) use regions::{FamilyKernels, Goal, KernelVisitor, LaneKernels};
pub(crate) use tail::Nll;
pub use tail::Tail;
