// Partial sums of all blocks, and the derivatives in the parameters: one workgroup.

struct Params {
    count: u32,
    unused_a: u32,
    unused_b: u32,
    unused_c: u32,
    matrix: vec4<f32>,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> partials: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read_write> result: array<vec4<u32>>;

@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) thread: u32) {
    // Groups of 16, of 16 groups, of those: short sums have small errors.
    var seen = vec4(0u);
    var ones = vec4(0.0);
    var tens = vec4(0.0);
    var hundreds = vec4(0.0);
    var added = 0u;
    for (var i = thread; i < params.count; i += THREADS) {
        let row = partials[i];
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
    let total = tree(thread, Accumulator(hundreds + (tens + ones), seen));
    if thread == 0u {
        let m = params.matrix;
        let p0 = entry(m.x, m.y, total.z, total.w);
        let p1 = entry(m.z, m.w, total.z, total.w);
        // A margin that is NaN counts in every parameter, also where the matrix is 0.
        let none = nan(total.z) || nan(total.w);
        result[0] = vec4(total.x, total.y, select(p0, NAN, none), select(p1, NAN, none));
    }
}
