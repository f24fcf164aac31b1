// src/math/elementary.rs in f32. Only + - * / and bit operations: the built-in exp and log are not good
// enough, and what the compiler must not rearrange goes through `hold`.

// x, through bits that the compiler cannot see through: bit 31 of the flags is never set. Without it a
// compiler with "fast math" (Metal's default) may rearrange the sums on either side.
fn hold(x: f32) -> f32 {
    return bitcast<f32>(bitcast<u32>(x) ^ (params.flags & 0x80000000u));
}

// 2ⁿ for integral n within the exponents of normal numbers.
fn exp2_int(n: f32) -> f32 {
    return bitcast<f32>(u32(i32(n) + 127) << 23u);
}

struct Split { m: f32, n: f32 }

// x = m·2ⁿ, m in [1, 2), for positive normal x.
fn split(x: f32) -> Split {
    let bits = bitcast<u32>(x);
    return Split(bitcast<f32>((bits & 0x007fffffu) | 0x3f800000u), f32(i32(bits >> 23u) - 127));
}

struct Reduced { n: f32, r: f32 }

// y = n ln 2 + r, |r| ≤ ½ ln 2.
fn reduced(y: f32) -> Reduced {
    let n = round(y * LOG2_E);
    return Reduced(n, hold(y - n * LN_2_HI) - n * LN_2_LO);
}

// eʳ − 1 for |r| ≤ ½ ln 2.
fn reduced_m1(r: f32) -> f32 {
    return (r * r) * exp_tail(r) + r;
}

// eʸ; 0 below EXP_NORMAL.
fn exp_node(y: f32) -> f32 {
    let at = reduced(min(max(y, EXP_NORMAL - 0.5), EXP_INFINITY - 1.0));
    let scale = exp2_int(at.n);
    let value = reduced_m1(at.r) * scale + scale;
    return select(value, 0.0, y < EXP_NORMAL);
}

struct ExpNeg { exp: f32, one_minus: f32 }

// eʸ for y ≤ 0, e^EXP_NORMAL from there down, and 1 − eʸ.
fn exp_neg_parts(y: f32) -> ExpNeg {
    let at = reduced(max(y, EXP_NORMAL));
    let scale = exp2_int(at.n);
    let m1 = reduced_m1(at.r);
    return ExpNeg(m1 * scale + scale, hold(1.0 - scale) - scale * m1);
}

fn exp_neg(y: f32) -> f32 {
    let at = reduced(max(y, EXP_NORMAL));
    let scale = exp2_int(at.n);
    return reduced_m1(at.r) * scale + scale;
}

struct ExpParts { exp: f32, exp_m1_my: f32 }

// eʸ and eʸ − 1 − y.
fn exp_parts(y0: f32) -> ExpParts {
    let y = min(max(y0, EXP_NORMAL + 0.5), EXP_INFINITY - 1.0);
    let at = reduced(y);
    let scale = exp2_int(at.n);
    let p = (at.r * at.r) * exp_tail(at.r);
    let m1 = scale * (at.r + p) + hold(scale - 1.0);
    return ExpParts(scale * (1.0 + (at.r + p)), select(hold(m1) - y, p, at.n * at.n < 0.5));
}

// ln x for positive normal x.
fn ln(x: f32) -> f32 {
    let at = split(x);
    let high = select(0.0, 1.0, SQRT_2 < at.m);
    let m = at.m - at.m * high * 0.5;
    let n = at.n + high;
    let f = m - 1.0;
    let s = f / (m + 1.0);
    let w = s * s;
    let ln_m = f - (s * f - (w * s) * 2.0 * atanh_tail(w));
    return n * LN_2_HI + (n * LN_2_LO + ln_m);
}

// ln(1 + z) for z ≥ 0.
fn ln_1p(z: f32) -> f32 {
    let at = split(1.0 + z);
    let small = z < 1.0;
    let n = select(at.n, 0.0, small);
    let s = select(at.m - 1.0, z, small) / select(at.m + 1.0, 2.0 + z, small);
    let w = s * s;
    let cubic = 2.0 * s * w * atanh_tail(w);
    let ln_m = 2.0 * s + cubic;
    return n * LN_2_HI + (n * LN_2_LO + ln_m);
}
