//! Where a report goes: pictures into a folder, then text or JSON to standard output.

use super::pictures;
use super::summary::Summary;
use super::text::report;
use crate::output::{write_folder, write_to};
use std::path::Path;
use std::process::ExitCode;

/// Status of a report that has no fit to tell of.
const NO_FIT: u8 = 3;

/// Writes pictures, if there is a folder for them, then the report.
pub(crate) fn present(summary: &Summary, svg: Option<&Path>, json: bool) -> Result<ExitCode, String> {
    if let Some(folder) = svg {
        write_folder(folder, &pictures::draw(summary))?;
    }
    let text = if json {
        serde_json::to_string_pretty(summary).map_err(|e| format!("output: {e}"))? + "\n"
    } else {
        report(summary)
    };
    write_to(None, |out| out.write_all(text.as_bytes()).map_err(|e| format!("output: {e}")))?;
    Ok(if summary.is_fit { ExitCode::SUCCESS } else { ExitCode::from(NO_FIT) })
}
