// The logistic loss of src/batch/engine/losses.rs, and the limits at ±∞.

struct Params {
    n: u32,
    flags: u32,
    family: u32,
    // 0: no table.
    pieces: u32,
    unit: f32,
    shape: f32,
    epsilon: f32,
    // The first piece is [0, start); the others begin where the bits are first_bits.
    start: f32,
    first_bits: u32,
    end: f32,
    least: f32,
    // Of parameters per element: whether they are mean and cv, and not the native ones.
    mean_cv: u32,
    matrix: vec4<f32>,
}

const HAS_WEIGHTS: u32 = 1u;
const WRITE_NLL: u32 = 2u;
const WRITE_D_MARGIN: u32 = 4u;
const WRITE_P0: u32 = 8u;
const WRITE_P1: u32 = 16u;
const ZERO_IS_BEYOND: u32 = 32u;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> margins: array<u32>;
@group(0) @binding(2) var<storage, read> weights: array<u32>;
@group(0) @binding(4) var<storage, read_write> to_nll: array<u32>;
@group(0) @binding(5) var<storage, read_write> to_d_margin: array<u32>;
@group(0) @binding(6) var<storage, read_write> to_p0: array<u32>;
@group(0) @binding(7) var<storage, read_write> to_p1: array<u32>;

struct Loss {
    nll: f32,
    // −∂L/∂ℓ on the side of D<0, its negative on the other.
    against: f32,
    // Still to be multiplied with everything.
    down: f32,
}

// With e = e^{−ℓ}: L = ln(1 + e) + aℓ, a = 1 − ε for D < 0 and ε otherwise.
fn loss(d: f32, value: f32) -> Loss {
    let epsilon = params.epsilon;
    let plain = epsilon == 0.0;
    let flipped = epsilon == 1.0;
    let negative = d < 0.0;
    var e = exp_neg(-value);
    var down = 1.0;
    // Where e is so small that what comes from it may be subnormal, a power of two lifts it.
    if GRADUAL < value && ((plain && 0.0 < d) || (flipped && negative)) {
        let lifted = value - LIFT_LN;
        e = select(0.0, exp_neg(-lifted), lifted < -EXP_NORMAL);
        down = LIFT;
    }
    let both = logistic(e);
    let upper = both.upper;
    let lower = e * upper;
    let own = select(lower, upper, negative);
    let other = select(upper, lower, negative);
    var nll = select(0.0, value, negative) + both.ln;
    var r = own;
    if !plain {
        nll = select(epsilon, 1.0 - epsilon, negative) * value + both.ln;
        r = (1.0 - epsilon) * own - epsilon * other;
    }
    return Loss(nll, select(-r, r, negative), down);
}

// The part of the loss at D = ±∞ that is infinite.
fn share_at_infinity(negative: bool) -> f32 {
    return select(params.epsilon, 1.0 - params.epsilon, negative);
}

// A row times the weight of its element.
fn weighted(row: u32, weight: u32, margin: u32) -> u32 {
    if (params.flags & HAS_WEIGHTS) == 0u {
        return row;
    }
    // A mask, whatever the margin.
    if (weight & ~SIGN) == 0u {
        return 0u;
    }
    if special(weight) || nan(margin) {
        return NAN;
    }
    return times(bitcast<f32>(weight), row);
}

fn weight_of(i: u32) -> u32 {
    if (params.flags & HAS_WEIGHTS) == 0u {
        return 0x3f800000u;
    }
    return weights[i];
}

fn write(i: u32, nll: u32, d_margin: u32, p0: u32, p1: u32) {
    if (params.flags & WRITE_NLL) != 0u {
        to_nll[i] = nll;
    }
    if (params.flags & WRITE_D_MARGIN) != 0u {
        to_d_margin[i] = d_margin;
    }
    if (params.flags & WRITE_P0) != 0u {
        to_p0[i] = p0;
    }
    if (params.flags & WRITE_P1) != 0u {
        to_p1[i] = p1;
    }
}
