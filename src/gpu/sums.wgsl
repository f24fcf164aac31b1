// Sums of four columns over the 64 threads of a workgroup. NaN and infinities are counted, not added.

const THREADS: u32 = 64u;

// Sums of a block: of weights, losses, D ∂/∂D and ∂/∂v; and of the derivatives in the lapse, with two words to spare.
struct Partial { loss: vec4<u32>, lapse: vec4<u32> }

struct Accumulator {
    sum: vec4<f32>,
    // 1: NaN, 2: ∞, 4: −∞.
    seen: vec4<u32>,
}

var<workgroup> shared_sum: array<vec4<f32>, THREADS>;
var<workgroup> shared_seen: array<vec4<u32>, THREADS>;

// What there is of NaN and infinities in four numbers.
fn sightings(row: vec4<u32>) -> vec4<u32> {
    let size = row & vec4(~SIGN);
    let infinite = select(vec4(2u), vec4(4u), row > vec4(SIGN));
    return select(select(vec4(0u), infinite, size == vec4(INFINITY)), vec4(1u), size > vec4(INFINITY));
}

// A number, or 0 where it was seen to be none.
fn finite(row: vec4<u32>, seen: vec4<u32>) -> vec4<f32> {
    return bitcast<vec4<f32>>(select(row, vec4(0u), seen != vec4(0u)));
}

// The sum over the threads, for thread 0.
fn tree(thread: u32, own: Accumulator) -> vec4<u32> {
    // A tree before this one may still be read.
    workgroupBarrier();
    shared_sum[thread] = own.sum;
    shared_seen[thread] = own.seen;
    for (var half = THREADS / 2u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if thread < half {
            shared_sum[thread] += shared_sum[thread + half];
            shared_seen[thread] |= shared_seen[thread + half];
        }
    }
    let sum = bitcast<vec4<u32>>(shared_sum[thread]);
    let seen = shared_seen[thread];
    let infinite = select(vec4(INFINITY), vec4(INFINITY | SIGN), seen == vec4(4u));
    let none = (seen & vec4(1u)) != vec4(0u);
    let opposed = seen == vec4(6u);
    return select(select(sum, infinite, seen != vec4(0u)), vec4(NAN), none | opposed);
}
