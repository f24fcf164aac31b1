// One p(β) for all margins. Workgroup b does elements 4096b … 4096b + 4095.

@group(0) @binding(3) var<storage, read> table: array<vec4<f32>>;
@group(0) @binding(8) var<storage, read_write> partials: array<vec4<u32>>;

const BLOCK: u32 = 4096u;

// Rows of D ∂/∂D and ∂/∂v beside those of the loss and the margin.
struct Rows { nll: u32, d_margin: u32, elastic: u32, spread: u32 }

fn from_table(w: f32) -> Logit {
    let bits = bitcast<u32>(w);
    let piece = (bits >> (23u - PIECE_BITS)) + 1u;
    let row = min(max(piece, params.first_bits) - params.first_bits, params.pieces - 1u);
    let fraction = bitcast<f32>(((bits << PIECE_BITS) & 0x007fffffu) | 0x3f800000u) - 1.5;
    // start is a power of two: so is its inverse.
    let inverse = bitcast<f32>(0x7f000000u - bitcast<u32>(params.start));
    let first = w < params.start;
    let value = table_row(row, select(fraction, w * inverse - 0.5, first));
    return Logit(w * value.x, value.y, select(w, (w * w) * w, first) * value.z);
}

fn rows(bits: u32) -> Rows {
    let negative = (bits & SIGN) != 0u;
    if special(bits) {
        if nan(bits) {
            return Rows(NAN, NAN, NAN, NAN);
        }
        let share = share_at_infinity(negative);
        if share == 0.0 {
            return Rows(0u, 0u, 0u, 0u);
        }
        let d_margin = select(0.0, select(share, -share, negative) * params.unit, params.family == FIXED);
        let elastic = family_elastic_at_infinity(params.family, params.shape, share);
        return Rows(INFINITY, bitcast<u32>(d_margin), elastic, INFINITY | SIGN);
    }
    let d = bitcast<f32>(bits);
    let w = abs(d) * params.unit;
    var logit: Logit;
    let at_zero = w == 0.0 && (params.flags & ZERO_IS_BEYOND) == 0u;
    if params.pieces > 0u && w < params.end && (w >= params.least || at_zero) {
        logit = from_table(w);
    } else {
        if !family_covers(params.family, w, params.shape) {
            return Rows(NAN, NAN, NAN, NAN);
        }
        logit = family_logit(params.family, w, params.shape);
    }
    let at = loss(d, logit.value);
    let r = select(at.against, -at.against, d < 0.0);
    return Rows(
        bitcast<u32>(at.nll * at.down),
        bitcast<u32>((r * (logit.slope * params.unit)) * at.down),
        bitcast<u32>((at.against * (logit.slope * w)) * at.down),
        bitcast<u32>(-(at.against * logit.spread) * at.down),
    );
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    var all = Accumulator(vec4(0.0), vec4(0u));
    for (var g = 0u; g < 4u; g++) {
        var sum = vec4(0.0);
        for (var j = 0u; j < 16u; j++) {
            let i = workgroup.x * BLOCK + (16u * g + j) * THREADS + thread;
            if i >= params.n {
                break;
            }
            let bits = margins[i];
            let weight = weight_of(i);
            let plain = rows(bits);
            let nll = weighted(plain.nll, weight, bits);
            let elastic = weighted(plain.elastic, weight, bits);
            let spread = weighted(plain.spread, weight, bits);
            if (params.flags & (WRITE_NLL | WRITE_D_MARGIN | WRITE_P0 | WRITE_P1)) != 0u {
                let m = params.matrix;
                var p0 = entry(m.x, m.y, plain.elastic, plain.spread);
                var p1 = entry(m.z, m.w, plain.elastic, plain.spread);
                p0 = weighted(p0, weight, bits);
                p1 = weighted(p1, weight, bits);
                write(i, nll, weighted(plain.d_margin, weight, bits), p0, p1);
            }
            let row = vec4(weight, nll, elastic, spread);
            let seen = sightings(row);
            all.seen |= seen;
            sum += finite(row, seen);
        }
        all.sum += sum;
    }
    let total = tree(thread, all);
    if thread == 0u {
        partials[workgroup.x] = total;
    }
}
