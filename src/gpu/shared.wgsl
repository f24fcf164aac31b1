// One p(β) for all margins. Workgroup b does elements 4096b … 4096b + 4095.

@group(0) @binding(3) var<storage, read> table: array<vec4<f32>>;
@group(0) @binding(8) var<storage, read_write> partials: array<Partial>;

const BLOCK: u32 = 4096u;
const WRITE_ANY: u32 = WRITE_NLL | WRITE_D_MARGIN | WRITE_P0 | WRITE_P1 | WRITE_L0 | WRITE_L1;

// Rows of D ∂/∂D and ∂/∂v beside those of the loss and the margin.
struct Rows { nll: u32, d_margin: u32, elastic: u32, spread: u32, lapse: vec2<u32> }

fn unknown() -> Rows {
    return Rows(NAN, NAN, NAN, NAN, vec2(NAN));
}

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

fn rows(i: u32, bits: u32) -> Rows {
    let negative = (bits & SIGN) != 0u;
    if special(bits) {
        // With a lapse the limits are the scalar kernel's.
        if nan(bits) || (params.flags & HAS_LAPSE) != 0u {
            return unknown();
        }
        let share = share_at_infinity(negative);
        if share == 0.0 {
            return Rows(0u, 0u, 0u, 0u, vec2(0u));
        }
        let d_margin = select(0.0, select(share, -share, negative) * params.unit, params.family == FIXED);
        let elastic = family_elastic_at_infinity(params.family, params.shape, share);
        return Rows(infinite(share), bitcast<u32>(d_margin), elastic, infinite(-share), vec2(0u));
    }
    let d = bitcast<f32>(bits);
    let w = abs(d) * params.unit;
    var logit: Logit;
    let at_zero = w == 0.0 && (params.flags & ZERO_IS_BEYOND) == 0u;
    if params.pieces > 0u && w < params.end && (w >= params.least || at_zero) {
        logit = from_table(w);
    } else {
        if !family_covers(params.family, w, params.shape) {
            return unknown();
        }
        logit = family_logit(params.family, w, params.shape);
    }
    let lapse = lapse_of(i);
    if !lapse_covers(d, logit.value, lapse) {
        return unknown();
    }
    let at = loss(d, logit.value, lapse);
    let r = select(at.against, -at.against, d < 0.0);
    return Rows(
        bitcast<u32>(at.nll * at.down),
        bitcast<u32>((r * (logit.slope * params.unit)) * at.down),
        bitcast<u32>((at.against * (logit.slope * w)) * at.down),
        bitcast<u32>(-(at.against * logit.spread) * at.down),
        at.lapse,
    );
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    var all = Accumulator(vec4(0.0), vec4(0u));
    var all_lapse = Accumulator(vec4(0.0), vec4(0u));
    let has_lapse = (params.flags & HAS_LAPSE) != 0u;
    for (var g = 0u; g < 4u; g++) {
        var sum = vec4(0.0);
        var sum_lapse = vec4(0.0);
        for (var j = 0u; j < 16u; j++) {
            let i = workgroup.x * BLOCK + (16u * g + j) * THREADS + thread;
            if i >= params.n {
                break;
            }
            let bits = margins[i];
            let weight = weight_of(i);
            let plain = rows(i, bits);
            let nll = weighted(plain.nll, weight, bits);
            let elastic = weighted(plain.elastic, weight, bits);
            let spread = weighted(plain.spread, weight, bits);
            var in_lapse = vec2(0u);
            if has_lapse {
                in_lapse = vec2(weighted(plain.lapse.x, weight, bits), weighted(plain.lapse.y, weight, bits));
                let row = vec4(in_lapse, 0u, 0u);
                let seen = sightings(row);
                all_lapse.seen |= seen;
                sum_lapse += finite(row, seen);
            }
            if (params.flags & WRITE_ANY) != 0u {
                let m = params.matrix;
                var p0 = entry(m.x, m.y, plain.elastic, plain.spread);
                var p1 = entry(m.z, m.w, plain.elastic, plain.spread);
                p0 = weighted(p0, weight, bits);
                p1 = weighted(p1, weight, bits);
                write(i, nll, weighted(plain.d_margin, weight, bits), p0, p1, in_lapse);
            }
            let row = vec4(weight, nll, elastic, spread);
            let seen = sightings(row);
            all.seen |= seen;
            sum += finite(row, seen);
        }
        all.sum += sum;
        all_lapse.sum += sum_lapse;
    }
    let total = tree(thread, all);
    var total_lapse = vec4(0u);
    if has_lapse {
        total_lapse = tree(thread, all_lapse);
    }
    if thread == 0u {
        partials[workgroup.x] = Partial(total, total_lapse);
    }
}
