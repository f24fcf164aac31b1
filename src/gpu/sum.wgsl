// Partial sums of all blocks, and the derivatives in the parameters: one workgroup.

struct Params {
    count: u32,
    // Whether the derivatives in the lapse are wanted as well.
    has_lapse: u32,
    unused_a: u32,
    unused_b: u32,
    matrix: vec4<f32>,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> partials: array<Partial>;
@group(0) @binding(2) var<storage, read_write> result: array<vec4<u32>>;

fn part(i: u32, of_lapse: bool) -> vec4<u32> {
    if of_lapse {
        return partials[i].lapse;
    }
    return partials[i].loss;
}

// The sum over the blocks, for thread 0.
fn total_of(thread: u32, of_lapse: bool) -> vec4<u32> {
    // Groups of 16, of 16 groups, of those: short sums have small errors.
    var seen = vec4(0u);
    var ones = vec4(0.0);
    var tens = vec4(0.0);
    var hundreds = vec4(0.0);
    var added = 0u;
    for (var i = thread; i < params.count; i += THREADS) {
        let row = part(i, of_lapse);
        let here = sightings(row);
        seen |= here;
        ones += finite(row, here);
        added += 1u;
        if added % 16u == 0u {
            tens += ones;
            ones = vec4(0.0);
        }
        if added % 256u == 0u {
            hundreds += tens;
            tens = vec4(0.0);
        }
    }
    return tree(thread, Accumulator(hundreds + (tens + ones), seen));
}

@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) thread: u32) {
    let total = total_of(thread, false);
    if thread == 0u {
        let m = params.matrix;
        let p0 = entry(m.x, m.y, total.z, total.w);
        let p1 = entry(m.z, m.w, total.z, total.w);
        // A margin that is NaN counts in every parameter, also where the matrix is 0.
        let none = nan(total.z) || nan(total.w);
        result[0] = vec4(total.x, total.y, select(p0, NAN, none), select(p1, NAN, none));
    }
    if params.has_lapse != 0u {
        let in_lapse = total_of(thread, true);
        if thread == 0u {
            result[1] = in_lapse;
        }
    }
}
