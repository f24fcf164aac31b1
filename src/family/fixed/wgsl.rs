//! The shader of plain DPO: `fixed.wgsl`.

use std::string::String;

/// The text.
pub(crate) fn source() -> String {
    include_str!("fixed.wgsl").into()
}
