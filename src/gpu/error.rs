//! Why the GPU gave no result.

use crate::batch::BatchError;
use core::fmt;
use std::string::{String, ToString};

/// Why the GPU gave no result. Nothing has been written to the caller's slices then.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GpuError {
    /// The batch itself is refused, as on the CPU.
    Batch(BatchError),
    /// No adapter: no GPU, or no driver for it.
    NoAdapter(String),
    /// The adapter gave no device.
    NoDevice(String),
    /// A shader does not compile on this device.
    Shader(String),
    /// More elements than one pass on this device can take.
    TooLarge {
        /// How many there are.
        elements: usize,
        /// How many there can be.
        limit: usize,
    },
    /// A buffer, or its range, is too small.
    Buffer {
        /// What it was to hold.
        name: &'static str,
        /// Its bytes.
        found: u64,
        /// The bytes that are needed.
        needed: u64,
    },
    /// An output shares its buffer with an input, which no device allows, in whatever ranges.
    Shared {
        /// Which output.
        name: &'static str,
    },
    /// The parameters are beyond what the kernels cover; [`crate::batch`] covers them.
    Parameters,
    /// The host or the device is out of memory.
    OutOfMemory,
    /// The device refused a command, for example a buffer without the usage it needs.
    Validation(String),
    /// The device did not finish in time.
    Timeout,
    /// The device was lost or destroyed.
    Lost,
}

impl fmt::Display for GpuError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Batch(error) => error.fmt(f),
            Self::NoAdapter(why) => write!(f, "no adapter: {why}"),
            Self::NoDevice(why) => write!(f, "no device: {why}"),
            Self::Shader(why) => write!(f, "a shader does not compile: {why}"),
            Self::TooLarge { elements, limit } => {
                write!(f, "{elements} elements, where one pass takes {limit}")
            }
            Self::Buffer { name, found, needed } => {
                write!(f, "the buffer for {name} has {found} bytes where {needed} are needed")
            }
            Self::Shared { name } => write!(f, "the buffer for {name} is that of an input as well"),
            Self::Parameters => f.write_str("the parameters are beyond what the GPU kernels cover"),
            Self::OutOfMemory => f.write_str("out of memory"),
            Self::Validation(why) => write!(f, "the device refused a command: {why}"),
            Self::Timeout => f.write_str("the device did not finish in time"),
            Self::Lost => f.write_str("the device was lost"),
        }
    }
}

impl core::error::Error for GpuError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Batch(error) => Some(error),
            _ => None,
        }
    }
}

impl From<BatchError> for GpuError {
    fn from(error: BatchError) -> Self {
        Self::Batch(error)
    }
}

impl From<wgpu::Error> for GpuError {
    fn from(error: wgpu::Error) -> Self {
        match error {
            wgpu::Error::OutOfMemory { .. } => Self::OutOfMemory,
            other => Self::Validation(other.to_string()),
        }
    }
}
