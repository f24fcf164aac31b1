// Parameters per element: β; shape and scale; μ and σ.

@group(0) @binding(3) var<storage, read> first: array<u32>;
@group(0) @binding(8) var<storage, read> second: array<u32>;

fn not_a_number(i: u32) {
    write(i, NAN, NAN, NAN, NAN);
}

fn element(i: u32) {
    let bits = margins[i];
    let weight = weight_of(i);
    let negative = (bits & SIGN) != 0u;
    let a_bits = first[i];
    var b_bits = 0u;
    if params.family != FIXED {
        b_bits = second[i];
    }
    var family = params.family;
    // What no constructor lets pass, and an e^μ that f32 does not hold.
    let a = bitcast<f32>(select(a_bits, 0u, special(a_bits)));
    let b = bitcast<f32>(select(b_bits, 0u, special(b_bits)));
    var valid = !special(a_bits) && !special(b_bits);
    var unit = a;
    var shape = 0.0;
    if family == GAMMA {
        valid = valid && a > 0.0 && b > 0.0;
        shape = 1.0 / select(1.0, a, valid);
        unit = a * b;
    } else if family == LOGNORMAL {
        valid = valid && b >= 0.0 && abs(a) < -EXP_NORMAL;
        shape = b;
        unit = exp_node(a);
        // A point mass.
        family = select(LOGNORMAL, FIXED, b == 0.0);
    } else {
        valid = valid && a >= 0.0;
    }
    var nll = NAN;
    var d_margin = NAN;
    var p0 = NAN;
    var p1 = NAN;
    if special(bits) {
        if valid && !nan(bits) {
            let share = share_at_infinity(negative);
            let both = 0.0 < share && share < 1.0;
            nll = INFINITY;
            d_margin = 0u;
            p0 = INFINITY;
            p1 = INFINITY | SIGN;
            if params.family == GAMMA {
                p1 = bitcast<u32>(share * (a / b));
            }
            if family == FIXED {
                d_margin = bitcast<u32>(select(share, -share, negative) * unit);
                p1 = 0u;
            }
            if share == 0.0 {
                nll = 0u;
                d_margin = 0u;
                p0 = 0u;
                p1 = 0u;
            }
            if params.family == FIXED && unit == 0.0 {
                nll = bitcast<u32>(LN_2_HI + LN_2_LO);
                d_margin = 0u;
                p0 = select(select(INFINITY | SIGN, INFINITY, share == 1.0), NAN, both);
            }
        }
    } else {
        let d = bitcast<f32>(bits);
        let size = abs(d);
        let w = size * unit;
        var logit: Logit;
        if family == LOGNORMAL {
            valid = valid && w < LOGNORMAL_XI_MAX && shape < LOGNORMAL_S_MAX;
            if valid {
                logit = lognormal_logit(w, shape);
            }
        } else {
            valid = valid && w < GAMMA_X_MAX && shape < GAMMA_V_MAX;
            // ∂/∂k and ∂/∂θ come from θ|D| and k|D|.
            valid = valid && (family != GAMMA || (a * size < 1e30 && b * size < 1e30));
            if valid && family == GAMMA {
                logit = gamma_logit(w, shape);
            } else if valid {
                logit = fixed_logit(w);
            }
        }
        if valid {
            let at = loss(d, logit.value);
            let r = select(at.against, -at.against, d < 0.0);
            nll = bitcast<u32>(at.nll * at.down);
            d_margin = bitcast<u32>((r * (logit.slope * unit)) * at.down);
            let spread = -(at.against * logit.spread);
            if params.family == GAMMA {
                // D ∂/∂D over k and θ without a w that may have underflown: x/k = θ|D|, x/θ = k|D|.
                let by_k = at.against * (logit.slope * (b * size));
                let by_theta = at.against * (logit.slope * (a * size));
                p0 = bitcast<u32>((by_k - (shape * shape) * spread) * at.down);
                p1 = bitcast<u32>(by_theta * at.down);
            } else if params.family == LOGNORMAL {
                let elastic = at.against * (logit.slope * w);
                p0 = bitcast<u32>(elastic * at.down);
                p1 = bitcast<u32>((shape * elastic + (2.0 * shape) * spread) * at.down);
            } else {
                p0 = bitcast<u32>((at.against * (logit.slope * size)) * at.down);
                p1 = 0u;
            }
        }
    }
    write(
        i,
        weighted(nll, weight, bits),
        weighted(d_margin, weight, bits),
        weighted(p0, weight, bits),
        weighted(p1, weight, bits),
    );
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) thread: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>) {
    for (var i = thread.x; i < params.n; i += workgroups.x * 64u) {
        element(i);
    }
}
