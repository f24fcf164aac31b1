//! Batches of the host, in chunks that the device can take.

use super::device::{BINDINGS, BLOCK, PARTIAL, Params, Pass};
use super::{Gpu, GpuError};
use crate::batch::{Batch, Lapses, Rows};
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
    pub(super) lapses: Lapses<'a, f32>,
    /// Parameters per element.
    pub(super) parameters: [Option<&'a [f32]>; 2],
    /// The table of shared parameters.
    pub(super) table: Option<&'a Buffer>,
    /// Which rows come back.
    pub(super) wanted: [bool; 6],
    pub(super) params: Params,
}

/// What came back.
#[derive(Default)]
pub(super) struct Found {
    pub(super) rows: [Vec<f32>; 6],
    /// With shared parameters: of every block.
    pub(super) partials: Vec<[f32; PARTIAL as usize / 4]>,
}

/// Where rows lie: binding, and section. There are no more than eight storage buffers on every device, so derivatives
/// in the lapse lie behind the losses, and lapses per element behind the weights.
const PLACES: [(usize, usize); 6] = [(3, 0), (4, 0), (5, 0), (6, 0), (3, 1), (3, 2)];

/// The buffers of a chunk, in the order of the bindings, and one to read from.
struct Buffers {
    /// Elements of a section.
    chunk: usize,
    bound: [Option<Buffer>; BINDINGS],
    staging: Buffer,
}

/// Something that is read back.
struct Output {
    /// The row; `None` for partial sums.
    row: Option<usize>,
    binding: usize,
    offset: u64,
    bytes: u64,
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
        let sections = self.sections();
        let most = gpu.max_elements() / sections.into_iter().fold(1, usize::max) / BLOCK * BLOCK;
        let chunk = most.min(CHUNK).min(n.next_multiple_of(BLOCK)).min(room);
        if chunk == 0 {
            return Err(GpuError::TooLarge { elements: n, limit: 0 });
        }
        let buffers = gpu.scoped(|| self.buffers(gpu, chunk, sections))?;
        for start in (0..n).step_by(chunk) {
            self.chunk(gpu, &buffers, start..(start + chunk).min(n), &mut found)?;
        }
        Ok(found)
    }

    /// Slices that a chunk is given, with their binding and section.
    fn inputs(&self) -> [(usize, usize, Option<&[f32]>); 6] {
        let [floor, ceiling] = match self.lapses {
            Lapses::Each { slices: [floor, ceiling], by_side } => [Some(floor), by_side.then_some(ceiling)],
            Lapses::None | Lapses::All(_) => [None; 2],
        };
        let [first, second] = self.parameters;
        [
            (0, 0, Some(self.margins)),
            (1, 0, self.factors),
            (1, 1, floor),
            (1, 2, ceiling),
            (2, 0, first),
            (7, 0, second),
        ]
    }

    /// How many sections each buffer has, up to the last that is used.
    fn sections(&self) -> [usize; BINDINGS] {
        let mut sections = [0; BINDINGS];
        let inputs = self.inputs().into_iter().filter(|(.., slice)| slice.is_some());
        let rows = PLACES.into_iter().zip(self.wanted).filter(|(_, wanted)| *wanted);
        for (binding, section) in
            inputs.map(|(i, section, _)| (i, section)).chain(rows.map(|(place, _)| place))
        {
            sections[binding] = sections[binding].max(section + 1);
        }
        sections
    }

    fn buffers(&self, gpu: &Gpu, chunk: usize, sections: [usize; BINDINGS]) -> Buffers {
        let size = 4 * chunk as u64;
        let usage = BufferUsages::STORAGE | BufferUsages::COPY_DST | BufferUsages::COPY_SRC;
        let mut bound = sections.map(|n| (n > 0).then(|| gpu.buffer(n as u64 * size, usage)));
        let partials = PARTIAL * (chunk / BLOCK) as u64;
        if self.table.is_some() {
            bound[7] = Some(gpu.buffer(partials, usage));
        }
        let read = self.rows() as u64 * size + partials;
        let staging = gpu.buffer(read, BufferUsages::MAP_READ | BufferUsages::COPY_DST);
        Buffers { chunk, bound, staging }
    }

    /// How many rows come back.
    fn rows(&self) -> usize {
        self.wanted.iter().filter(|wanted| **wanted).count()
    }

    fn chunk(
        &self,
        gpu: &Gpu,
        buffers: &Buffers,
        range: Range<usize>,
        found: &mut Found,
    ) -> Result<(), GpuError> {
        let n = range.len();
        let Buffers { chunk, bound, staging } = buffers;
        let (encoder, bytes) = gpu.scoped(|| {
            for (i, section, slice) in self.inputs() {
                if let (Some(buffer), Some(slice)) = (&bound[i], slice) {
                    let offset = 4 * (section * chunk) as u64;
                    gpu.queue().write_buffer(buffer, offset, bytemuck::cast_slice(&slice[range.clone()]));
                }
            }
            let mut encoder = gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
            self.encode(gpu, &mut encoder, buffers, n);
            let mut at = 0;
            for Output { binding, offset, bytes, .. } in self.outputs(n, *chunk) {
                if let Some(buffer) = &bound[binding] {
                    encoder.copy_buffer_to_buffer(buffer, offset, staging, at, bytes);
                    at += bytes;
                }
            }
            (encoder, at)
        })?;
        gpu.finish(encoder, staging, bytes, |words| {
            let mut words = words;
            for Output { row, bytes, .. } in self.outputs(n, *chunk) {
                let (these, rest) = words.split_at(bytes as usize / 4);
                words = rest;
                match row {
                    Some(j) => found.rows[j].extend_from_slice(these),
                    None => found.partials.extend_from_slice(these.as_chunks().0),
                }
            }
        })
    }

    /// What is read back, in order.
    fn outputs(&self, n: usize, chunk: usize) -> impl Iterator<Item = Output> {
        let rows = self.wanted.into_iter().zip(PLACES).enumerate().filter(|(_, (wanted, _))| *wanted);
        let rows = rows.map(move |(j, (_, (binding, section)))| {
            let (offset, bytes) = (4 * (section * chunk) as u64, 4 * n as u64);
            Output { row: Some(j), binding, offset, bytes }
        });
        let bytes = PARTIAL * n.div_ceil(BLOCK) as u64;
        rows.chain(self.table.is_some().then_some(Output { row: None, binding: 7, offset: 0, bytes }))
    }

    fn encode(&self, gpu: &Gpu, encoder: &mut CommandEncoder, buffers: &Buffers, n: usize) {
        let mut bindings = buffers.bound.each_ref().map(|b| b.as_ref().map(Buffer::as_entire_buffer_binding));
        let params = with_lapses(self.params, &self.lapses);
        let mut flags = params.flags | Params::FAR_IS_BEYOND;
        if self.factors.is_some() {
            flags |= Params::HAS_WEIGHTS;
        }
        for (wanted, bit) in self.wanted.into_iter().zip(Params::WRITE) {
            flags |= if wanted { bit } else { 0 };
        }
        let params = Params { n: n as u32, flags, stride: buffers.chunk as u32, ..params };
        if let Some(table) = self.table {
            bindings[2] = Some(table.as_entire_buffer_binding());
            gpu.encode_shared(encoder, &Pass { params, bindings });
        } else {
            gpu.encode_per_element(encoder, &Pass { params, bindings });
        }
    }
}

/// A uniform with the lapses, and what to know about them.
pub(super) fn with_lapses(params: Params, lapses: &Lapses<'_, f32>) -> Params {
    let (lapse, per_element) = match lapses {
        Lapses::None => return params,
        Lapses::All(lapse) => (lapse.epsilon(), 0),
        Lapses::Each { .. } => ([0.0; 2], Params::LAPSE_PER_ELEMENT),
    };
    let by_side = if lapses.parameters() == 2 { Params::LAPSE_BY_SIDE } else { 0 };
    Params { lapse, flags: params.flags | Params::HAS_LAPSE | per_element | by_side, ..params }
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
    /// The sum of a row over some elements; 0 if it was not wanted.
    pub(super) fn total(&self, j: usize, range: Range<usize>) -> f64 {
        let row = self.rows[j].get(range).unwrap_or_default();
        row.iter().map(|&x| f64::from(x)).sum()
    }

    /// The rows of some elements, for the CPU to write.
    pub(super) fn rows_of(&mut self, range: Range<usize>) -> Rows<'_, f32> {
        let mut rows = Rows::new();
        let [nll, d_margin, p0, p1, l0, l1] = &mut self.rows;
        rows.nll = nll.get_mut(range.clone());
        rows.d_margin = d_margin.get_mut(range.clone());
        rows.d_params = [p0.get_mut(range.clone()), p1.get_mut(range.clone())];
        rows.d_lapse = [l0.get_mut(range.clone()), l1.get_mut(range)];
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
