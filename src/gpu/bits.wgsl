// Numbers that may be NaN or infinite are u32: compilers may assume that no f32 is.

const NAN: u32 = 0x7fc00000u;
const INFINITY: u32 = 0x7f800000u;
const SIGN: u32 = 0x80000000u;

// Whether it is infinite or NaN.
fn special(bits: u32) -> bool {
    return (bits & INFINITY) == INFINITY;
}

fn nan(bits: u32) -> bool {
    return (bits & ~SIGN) > INFINITY;
}

// ∞ with the sign of a number.
fn infinite(x: f32) -> u32 {
    return INFINITY | (bitcast<u32>(x) & SIGN);
}

// A finite factor times a number; 0 for the factor 0.
fn times(factor: f32, bits: u32) -> u32 {
    if special(bits) {
        let infinite = bits ^ (bitcast<u32>(factor) & SIGN);
        return select(select(infinite, 0u, factor == 0.0), NAN, nan(bits));
    }
    return bitcast<u32>(factor * bitcast<f32>(bits));
}

// a·elastic + b·spread. Where both are infinite, spread counts: it is the one that grows faster.
fn entry(a: f32, b: f32, elastic: u32, spread: u32) -> u32 {
    let x = times(a, elastic);
    let y = times(b, spread);
    if special(x) || special(y) {
        return select(select(x, y, special(y)), NAN, nan(elastic) || nan(spread));
    }
    return bitcast<u32>(bitcast<f32>(x) + bitcast<f32>(y));
}
