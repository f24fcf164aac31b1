// The logistic loss of src/batch/engine/losses.rs, and the limits at ±∞.

struct Params {
    n: u32,
    flags: u32,
    family: u32,
    // 0: no table.
    pieces: u32,
    unit: f32,
    shape: f32,
    // The weight q of the opposite label; negative for robust DPO.
    opposite: f32,
    // The first piece is [0, start); the others begin where the bits are first_bits.
    start: f32,
    first_bits: u32,
    end: f32,
    least: f32,
    // Of parameters per element: whether they are mean and cv, and not the native ones.
    mean_cv: u32,
    matrix: vec4<f32>,
    // The lapse of all elements.
    floor: f32,
    ceiling: f32,
    // Where the next section of a buffer begins: lapses per element behind the weights, derivatives in them behind the
    // losses.
    stride: u32,
    unused: u32,
}

const HAS_WEIGHTS: u32 = 1u;
const WRITE_NLL: u32 = 2u;
const WRITE_D_MARGIN: u32 = 4u;
const WRITE_P0: u32 = 8u;
const WRITE_P1: u32 = 16u;
const ZERO_IS_BEYOND: u32 = 32u;
const HAS_LAPSE: u32 = 64u;
const LAPSE_PER_ELEMENT: u32 = 128u;
const LAPSE_BY_SIDE: u32 = 256u;
const FAR_IS_BEYOND: u32 = 512u;
const WRITE_L0: u32 = 1024u;
const WRITE_L1: u32 = 2048u;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> margins: array<u32>;
@group(0) @binding(2) var<storage, read> weights: array<u32>;
@group(0) @binding(4) var<storage, read_write> to_nll: array<u32>;
@group(0) @binding(5) var<storage, read_write> to_d_margin: array<u32>;
@group(0) @binding(6) var<storage, read_write> to_p0: array<u32>;
@group(0) @binding(7) var<storage, read_write> to_p1: array<u32>;

// ε₀ and ε₁ of an element.
struct Lapse { floor: f32, ceiling: f32 }

fn lapse_of(i: u32) -> Lapse {
    if (params.flags & LAPSE_PER_ELEMENT) == 0u {
        return Lapse(params.floor, params.ceiling);
    }
    // −0 is 0.
    let floor = abs(bitcast<f32>(weights[params.stride + i]));
    if (params.flags & LAPSE_BY_SIDE) == 0u {
        return Lapse(floor, floor);
    }
    return Lapse(floor, abs(bitcast<f32>(weights[2u * params.stride + i])));
}

// Whether the lapse is 0 or large enough, and the logit small enough for e^{−ℓ} beside it: `Far` of losses.rs.
fn lapse_covers(d: f32, value: f32, lapse: Lapse) -> bool {
    if (params.flags & HAS_LAPSE) == 0u {
        return true;
    }
    if (lapse.floor != 0.0 && lapse.floor < LAPSE_MIN) || (lapse.ceiling != 0.0 && lapse.ceiling < LAPSE_MIN) {
        return false;
    }
    if (params.flags & FAR_IS_BEYOND) == 0u {
        return true;
    }
    // With the loss of the opposite label in it, either side may be the wrong one.
    if d < 0.0 || params.opposite != 0.0 {
        return value <= FAR;
    }
    return lapse.ceiling == 0.0 || value <= FAR * (1.0 - ln(lapse.ceiling));
}

struct Loss {
    nll: f32,
    // −∂L/∂ℓ on the side of D<0, its negative on the other.
    against: f32,
    // Still to be multiplied with both.
    down: f32,
    // Derivatives in the lapse, in their final size: in ε and 0, or in ε₀ and ε₁.
    lapse: vec2<u32>,
}

// With e = e^{−ℓ}: L = ln(1 + e) + aℓ, a = 1 − q for D < 0 and q otherwise. Where there is a lapse: `lapsed`.
fn loss(d: f32, value: f32, lapse: Lapse) -> Loss {
    let opposite = params.opposite;
    let plain = opposite == 0.0;
    let flipped = opposite == 1.0;
    let negative = d < 0.0;
    var e = exp_neg(-value);
    var down = 1.0;
    // Where e is so small that what comes from it may be subnormal, a power of two lifts it; a lapse is what it is
    // added to.
    let alone = select(lapse.ceiling, lapse.floor, negative) == 0.0;
    if GRADUAL < value && alone && ((plain && 0.0 < d) || (flipped && negative)) {
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
        nll = select(opposite, 1.0 - opposite, negative) * value + both.ln;
        r = (1.0 - opposite) * own - opposite * other;
    }
    let bare = Loss(nll, select(-r, r, negative), down, vec2(0u));
    if (params.flags & HAS_LAPSE) == 0u {
        return bare;
    }
    var noisy = lapsed(negative, value, e, down, lapse);
    // ε₀ = ε₁ = 0 has the bits of no lapse.
    if lapse.floor + lapse.ceiling == 0.0 {
        noisy.nll = bare.nll;
        noisy.against = bare.against;
    }
    return noisy;
}

// `Losses::lapsed` of losses.rs: both sides of the margin, times their weights in the loss.
fn lapsed(negative: bool, value: f32, lifted: f32, down: f32, at: Lapse) -> Loss {
    let lapse = select(at.ceiling, at.floor, negative);
    let other = select(at.floor, at.ceiling, negative);
    // Beside a lapse, where exp_neg stops there is nothing.
    let e = select(lifted, 0.0, 0.0 < lapse && -value < EXP_NORMAL);
    let kept = (1.0 - lapse) - other;
    let slope = kept * (e * (1.0 / (1.0 + e)));
    let rarer = (1.0 - other) * e + lapse;
    let likelier = other * e + (1.0 - lapse);
    let m1 = exp_neg_parts(-value).one_minus;
    let share = share_at_infinity(negative);
    let rest = share_at_infinity(!negative);
    var nll = 0.0;
    var against = 0.0;
    // In ε, in ε̄ and in both at once.
    var d = vec3(0.0);
    var infinite_d = false;
    if rest != 0.0 {
        let inverse = 1.0 / likelier;
        nll = rest * ln_1p(rarer * inverse);
        against = -(rest * (slope * inverse));
        d = rest * vec3(inverse, -((e * down) * inverse), m1 * inverse);
    }
    // At 0 the less likely answer may be infinitely unlikely, and does not count.
    if share != 0.0 {
        let inverse = 1.0 / rarer;
        var ln_rarer = 0.0;
        var of_rarest = inverse;
        if 0.0 < lapse {
            ln_rarer = ln_1p(likelier * inverse);
        } else {
            ln_rarer = value + logistic(e).ln - ln_1p(-other);
            // In two factors: beyond the first e^{−ℓ} is no normal number.
            infinite_d = -value < EXP_NORMAL;
            let half = 1.0 / exp_neg(-0.5 * min(value, -EXP_NORMAL));
            of_rarest = half * (half * (1.0 / (1.0 - other)));
        }
        nll += share * ln_rarer;
        against += share * (slope * inverse);
        d += share * vec3(-of_rarest, e * inverse, -(m1 * of_rarest));
    }
    let in_lapse = select(bitcast<u32>(d.x), infinite(-share), infinite_d);
    let in_both = select(bitcast<u32>(d.z), infinite(-share), infinite_d);
    let in_other = bitcast<u32>(d.y);
    let by_side = vec2(select(in_other, in_lapse, negative), select(in_lapse, in_other, negative));
    let rows = select(vec2(in_both, 0u), by_side, (params.flags & LAPSE_BY_SIDE) != 0u);
    return Loss(nll, against, down, rows);
}

// The part of the loss at D = ±∞ that is infinite.
fn share_at_infinity(negative: bool) -> f32 {
    return select(params.opposite, 1.0 - params.opposite, negative);
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

fn write(i: u32, nll: u32, d_margin: u32, p0: u32, p1: u32, lapse: vec2<u32>) {
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
    if (params.flags & WRITE_L0) != 0u {
        to_nll[params.stride + i] = lapse.x;
    }
    if (params.flags & WRITE_L1) != 0u {
        to_nll[2u * params.stride + i] = lapse.y;
    }
}
