//! Batches of the host, in chunks that the device can take.

use super::device::{BINDINGS, BLOCK, Params, Pass};
use super::{Gpu, GpuError};
use crate::batch::{Batch, Rows};
use core::ops::Range;
use std::vec::Vec;
use wgpu::{Buffer, BufferUsages, CommandEncoder};

/// Elements of a chunk at most: a few passes overlap nothing, and more memory gains nothing.
const CHUNK: usize = 1 << 24;

/// What a batch of the host needs from the device.
pub(super) struct Job<'a> {
    pub(super) margins: &'a [f32],
    /// Weights times upstream gradients.
    pub(super) factors: Option<&'a [f32]>,
    /// Parameters per element.
    pub(super) parameters: [Option<&'a [f32]>; 2],
    /// The table of shared parameters.
    pub(super) table: Option<&'a Buffer>,
    /// Which rows come back.
    pub(super) wanted: [bool; 4],
    pub(super) params: Params,
}

/// What came back.
#[derive(Default)]
pub(super) struct Found {
    pub(super) rows: [Vec<f32>; 4],
    /// With shared parameters: of every block.
    pub(super) partials: Vec<[f32; 4]>,
}

impl Job<'_> {
    /// Runs all chunks.
    pub(super) fn run(&self, gpu: &Gpu) -> Result<Found, GpuError> {
        let n = self.margins.len();
        let mut found = Found::default();
        for (row, _) in found.rows.iter_mut().zip(self.wanted).filter(|(_, wanted)| *wanted) {
            row.try_reserve_exact(n).map_err(|_| GpuError::OutOfMemory)?;
        }
        // All that is read back lies in one buffer, with a few bytes per block beside the rows.
        let room = gpu.device().limits().max_buffer_size / (4 * self.rows() as u64 + 1);
        let room = usize::try_from(room).unwrap_or(usize::MAX) / BLOCK * BLOCK;
        let chunk = gpu.max_elements().min(CHUNK).min(n.next_multiple_of(BLOCK)).min(room);
        if chunk == 0 {
            return Err(GpuError::TooLarge { elements: n, limit: 0 });
        }
        let buffers = gpu.scoped(|| self.buffers(gpu, chunk))?;
        for start in (0..n).step_by(chunk) {
            self.chunk(gpu, &buffers, start..(start + chunk).min(n), &mut found)?;
        }
        Ok(found)
    }

    /// The buffers of a chunk, in the order of the bindings, and one to read from.
    fn buffers(&self, gpu: &Gpu, chunk: usize) -> ([Option<Buffer>; BINDINGS], Buffer) {
        let [nll, d_margin, p0, p1] = self.wanted;
        let [first, second] = self.parameters.map(|p| p.is_some());
        let used = [true, self.factors.is_some(), first, nll, d_margin, p0, p1, second];
        let size = 4 * chunk as u64;
        let usage = BufferUsages::STORAGE | BufferUsages::COPY_DST | BufferUsages::COPY_SRC;
        let mut buffers = used.map(|used| used.then(|| gpu.buffer(size, usage)));
        if self.table.is_some() {
            buffers[7] = Some(gpu.buffer(16 * (chunk / BLOCK) as u64, usage));
        }
        let read = self.rows() as u64 * size + 16 * (chunk / BLOCK) as u64;
        (buffers, gpu.buffer(read.max(16), BufferUsages::MAP_READ | BufferUsages::COPY_DST))
    }

    /// How many rows come back.
    fn rows(&self) -> usize {
        self.wanted.iter().filter(|wanted| **wanted).count()
    }

    fn chunk(
        &self,
        gpu: &Gpu,
        (buffers, staging): &([Option<Buffer>; BINDINGS], Buffer),
        range: Range<usize>,
        found: &mut Found,
    ) -> Result<(), GpuError> {
        let n = range.len();
        let [first, second] = self.parameters;
        let inputs = [(0, Some(self.margins)), (1, self.factors), (2, first), (7, second)];
        let (encoder, bytes) = gpu.scoped(|| {
            for (i, slice) in inputs {
                if let (Some(buffer), Some(slice)) = (&buffers[i], slice) {
                    gpu.queue().write_buffer(buffer, 0, bytemuck::cast_slice(&slice[range.clone()]));
                }
            }
            let mut encoder = gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
            self.encode(gpu, &mut encoder, buffers, n);
            let mut at = 0;
            for (i, bytes) in self.outputs(n) {
                if let Some(buffer) = &buffers[i] {
                    encoder.copy_buffer_to_buffer(buffer, 0, staging, at, bytes);
                    at += bytes;
                }
            }
            (encoder, at)
        })?;
        gpu.finish(encoder, staging, bytes, |words| {
            let mut words = words;
            for (i, bytes) in self.outputs(n) {
                let (these, rest) = words.split_at(bytes as usize / 4);
                words = rest;
                match i {
                    7 => found.partials.extend_from_slice(these.as_chunks().0),
                    _ => found.rows[i - 3].extend_from_slice(these),
                }
            }
        })
    }

    /// Bindings that are read back, and their bytes, in order.
    fn outputs(&self, n: usize) -> impl Iterator<Item = (usize, u64)> {
        let rows = self.wanted.into_iter().enumerate().filter(|(_, wanted)| *wanted);
        let rows = rows.map(move |(i, _)| (3 + i, 4 * n as u64));
        let partials = self.table.is_some().then_some((7, 16 * n.div_ceil(BLOCK) as u64));
        rows.chain(partials)
    }

    fn encode(
        &self,
        gpu: &Gpu,
        encoder: &mut CommandEncoder,
        buffers: &[Option<Buffer>; BINDINGS],
        n: usize,
    ) {
        let mut bindings = buffers.each_ref().map(|b| b.as_ref().map(Buffer::as_entire_buffer_binding));
        let bit = |i: usize, bit: u32| if buffers[i].is_some() { bit } else { 0 };
        let flags = bit(1, 1) | bit(3, 2) | bit(4, 4) | bit(5, 8) | bit(6, 16);
        let params = Params { n: n as u32, flags: self.params.flags | flags, ..self.params };
        if let Some(table) = self.table {
            bindings[2] = Some(table.as_entire_buffer_binding());
            gpu.encode_shared(encoder, &Pass { params, bindings });
        } else {
            gpu.encode_per_element(encoder, &Pass { params, bindings });
        }
    }
}

/// Weights times upstream gradients, if there are any.
pub(super) fn factors(batch: &Batch<'_, f32>) -> Result<Option<Vec<f32>>, GpuError> {
    let Some(upstream) = batch.upstream else { return Ok(None) };
    let mut product = Vec::new();
    product.try_reserve_exact(upstream.len()).map_err(|_| GpuError::OutOfMemory)?;
    for (i, (g, d)) in upstream.iter().zip(batch.margins).enumerate() {
        let weight = batch.weights.map_or(1.0, |w| w[i]);
        let factor = g * weight;
        // 0·∞ and 0·NaN: the kernels take a factor of 0 for a mask. NaN makes them leave it to the CPU.
        let lost = factor == 0.0 && weight != 0.0 && !d.is_finite();
        product.push(if lost { f32::NAN } else { factor });
    }
    Ok(Some(product))
}

/// Σ of the weights of a block.
pub(super) fn weight(batch: &Batch<'_, f32>) -> f64 {
    match batch.weights {
        Some(weights) => weights.iter().map(|&w| f64::from(w)).sum(),
        None => batch.len() as f64,
    }
}

impl Found {
    /// The rows of some elements, for the CPU to write.
    pub(super) fn rows_of(&mut self, range: Range<usize>) -> Rows<'_, f32> {
        let mut rows = Rows::new();
        let [nll, d_margin, p0, p1] = &mut self.rows;
        rows.nll = nll.get_mut(range.clone());
        rows.d_margin = d_margin.get_mut(range.clone());
        rows.d_params = [p0.get_mut(range.clone()), p1.get_mut(range)];
        rows
    }

    /// Everything to where it belongs.
    pub(super) fn write(&self, mut rows: Rows<'_, f32>) {
        for (to, from) in rows.columns().into_iter().zip(&self.rows) {
            if let Some(to) = to {
                to.copy_from_slice(from);
            }
        }
    }
}
