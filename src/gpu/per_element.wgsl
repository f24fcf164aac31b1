// Parameters per element: the native ones of the family, or mean and cv.

@group(0) @binding(3) var<storage, read> first: array<u32>;
@group(0) @binding(8) var<storage, read> second: array<u32>;

fn element(i: u32) {
    let bits = margins[i];
    let weight = weight_of(i);
    let negative = (bits & SIGN) != 0u;
    let mean_cv = params.mean_cv != 0u;
    let a_bits = first[i];
    var b_bits = 0u;
    if params.family != FIXED || mean_cv {
        b_bits = second[i];
    }
    // What no constructor lets pass.
    let a = bitcast<f32>(select(a_bits, 0u, special(a_bits)));
    let b = bitcast<f32>(select(b_bits, 0u, special(b_bits)));
    let e = family_element(params.family, a, b, mean_cv);
    var valid = e.valid && !special(a_bits) && !special(b_bits);
    var nll = NAN;
    var d_margin = NAN;
    var p0 = NAN;
    var p1 = NAN;
    var in_lapse = vec2(NAN);
    if special(bits) {
        // With a lapse the limits are the scalar kernel's.
        if valid && !nan(bits) && (params.flags & HAS_LAPSE) == 0u {
            let share = share_at_infinity(negative);
            let both = 0.0 < share && share < 1.0;
            var limits = family_limits(params.family, e, a, b, mean_cv, share);
            nll = infinite(share);
            d_margin = 0u;
            if e.point {
                d_margin = bitcast<u32>(select(share, -share, negative) * e.unit);
                limits = vec2(infinite(share), 0u);
            }
            if share == 0.0 {
                nll = 0u;
                d_margin = 0u;
                limits = vec2(0u, 0u);
            }
            if params.family == FIXED && e.unit == 0.0 {
                nll = bitcast<u32>(LN_2_HI + LN_2_LO);
                d_margin = 0u;
                limits.x = select(select(INFINITY | SIGN, INFINITY, share >= 1.0), NAN, both);
            }
            p0 = limits.x;
            p1 = limits.y;
        }
    } else {
        let d = bitcast<f32>(bits);
        let size = abs(d);
        let w = size * e.unit;
        // A point mass of any family is plain DPO.
        let kernel = select(params.family, FIXED, e.point);
        valid = valid && family_covers(kernel, w, e.shape);
        valid = valid && family_params_cover(params.family, a, b, mean_cv, size);
        var logit = Logit(0.0, 0.0, 0.0);
        let lapse = lapse_of(i);
        if valid {
            logit = family_logit(kernel, w, e.shape);
            valid = lapse_covers(d, logit.value, lapse);
        }
        if valid {
            let at = loss(d, logit.value, lapse);
            let r = select(at.against, -at.against, d < 0.0);
            nll = bitcast<u32>(at.nll * at.down);
            d_margin = bitcast<u32>((r * (logit.slope * e.unit)) * at.down);
            let both = family_params(params.family, e, a, b, mean_cv, at.against, logit, size);
            p0 = bitcast<u32>(both.x * at.down);
            p1 = bitcast<u32>(both.y * at.down);
            in_lapse = at.lapse;
        }
    }
    write(
        i,
        weighted(nll, weight, bits),
        weighted(d_margin, weight, bits),
        weighted(p0, weight, bits),
        weighted(p1, weight, bits),
        vec2(weighted(in_lapse.x, weight, bits), weighted(in_lapse.y, weight, bits)),
    );
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) thread: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>) {
    for (var i = thread.x; i < params.n; i += workgroups.x * 64u) {
        element(i);
    }
}
