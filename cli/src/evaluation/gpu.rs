//! Batches on the GPU, where the tool was built with the feature `gpu`.

#[cfg(feature = "gpu")]
mod device {
    use prefstrength::batch::{self, Batch, Rows};
    use prefstrength::gpu::{Gpu, PerElement};
    use std::sync::OnceLock;

    static GPU: OnceLock<Gpu> = OnceLock::new();

    /// Opens the device, before anything is read or written.
    pub(crate) fn open() -> Result<(), String> {
        let gpu = Gpu::new().map_err(|e| format!("--path gpu: {e}"))?;
        GPU.get_or_init(|| gpu);
        Ok(())
    }

    /// Writes the rows that were asked for.
    pub(crate) fn evaluate(
        losses: &batch::PerElement<'_, f32>,
        batch: &Batch<'_, f32>,
        rows: Rows<'_, f32>,
    ) -> Result<(), String> {
        let gpu = GPU.get().ok_or("the device is not open")?;
        let sums = PerElement::new(gpu).evaluate(losses, batch, rows);
        sums.map(|_| ()).map_err(|e| e.to_string())
    }
}

#[cfg(not(feature = "gpu"))]
mod device {
    use prefstrength::batch::{Batch, PerElement, Rows};

    const MISSING: &str = "--path gpu needs a tool built with the feature `gpu` (cargo build -p prefstrength-cli --features gpu)";

    pub(crate) fn open() -> Result<(), String> {
        Err(MISSING.into())
    }

    pub(crate) fn evaluate(
        _losses: &PerElement<'_, f32>,
        _batch: &Batch<'_, f32>,
        _rows: Rows<'_, f32>,
    ) -> Result<(), String> {
        Err(MISSING.into())
    }
}

pub(super) use device::{evaluate, open};
