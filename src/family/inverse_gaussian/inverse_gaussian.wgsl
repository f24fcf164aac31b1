// src/family/inverse_gaussian/lanes.rs.

struct InverseGaussianSinCos { sin: f32, cos: f32 }

// sin x and cos x for |x| < 6400.
fn inverse_gaussian_sin_cos(x: f32) -> InverseGaussianSinCos {
    let n = round(x * INVERSE_GAUSSIAN_TWO_OVER_PI);
    let r = hold(x - n * INVERSE_GAUSSIAN_PI_2_HI) - n * INVERSE_GAUSSIAN_PI_2_LO;
    let w = r * r;
    let s = r + r * w * inverse_gaussian_sin_tail(w);
    let c = 1.0 - (0.5 * w - w * w * inverse_gaussian_cos_tail(w));
    let quarter = i32(n);
    let odd = (quarter & 1) != 0;
    let sin = select(s, c, odd);
    let cos = select(c, s, odd);
    return InverseGaussianSinCos(
        select(sin, -sin, (quarter & 2) != 0),
        select(cos, -cos, ((quarter + 1) & 2) != 0),
    );
}

// One node of Abel–Plana: H, ∂H/∂x and −(∂H/∂v)/x².
fn inverse_gaussian_node(x: f32, c: f32, t: f32, weight: f32) -> vec3<f32> {
    let tc = t * c;
    let a = tc + tc;
    let size = sqrt(a * a + 1.0);
    let p = sqrt(0.5 * size + 0.5);
    let p1 = 1.0 + p;
    let pp = p * p1;
    let inv = 1.0 / (pp * size);
    let inv_p = inv * (p1 * size);
    let q = tc * inv_p;
    let angle = (t * x) * inv_p;
    let decay = (tc * angle) * (inv * size);
    let scale = exp_neg(-decay) * weight;
    let turn = inverse_gaussian_sin_cos(angle);
    let re = scale * turn.cos;
    let im = scale * turn.sin;
    let first = p * re - q * im;
    let second = (p1 - p * p) * im + (q * p1) * re;
    return vec3(im, (t * (inv * pp)) * first, ((t * t) * (inv * inv_p)) * second);
}

fn inverse_gaussian_near(x: f32, v: f32) -> Logit {
    let at = inverse_gaussian_half(x, x * v);
    let lower = 0.5 - at.x;
    let scale = 1.0 / (lower * (0.5 + at.x));
    return Logit(ln_1p((at.x + at.x) / lower), at.y * scale, (x * x) * (at.z * scale));
}

struct InverseGaussianStart { g: f32, y: f32, c: f32, power: f32 }

// The tilted start.
fn inverse_gaussian_start(x: f32, v: f32) -> InverseGaussianStart {
    let c = x * v;
    let r = sqrt(1.0 + (c + c));
    let r1 = 1.0 + r;
    let both = 1.0 / (r * r1);
    let g = both * r1;
    return InverseGaussianStart(g, x * g, (c * g) * g, (x + x) * (both * r));
}

fn inverse_gaussian_shifted(at: InverseGaussianStart) -> Logit {
    let half = inverse_gaussian_half(at.y, at.c);
    let inv_s = 1.0 / (0.5 + half.x);
    let rest = 1.0 - at.c;
    let slope = at.g * (1.0 - (rest * half.y + (at.c * at.c) * half.z) * inv_s);
    let inv_r1 = 1.0 / (1.0 + at.g);
    let leading = (2.0 * inv_r1) * inv_r1;
    let spread = (at.y * (at.y * at.g)) * (leading - (rest * half.z + half.y) * inv_s);
    var logit = from_ln_tail(-(at.power + neg_ln_1m(0.5 - half.x)), slope, spread);
    // Where T is near ½.
    let q = exp_neg_parts(-at.power);
    let h = 0.5 * q.one_minus - q.exp * half.x;
    if h < 0.125 {
        logit.value = two_atanh(2.0 * h);
    }
    return logit;
}

struct InverseGaussianTerm { phi: f32, inv_rho: f32, q: f32 }

// Term j of the tilted sum.
fn inverse_gaussian_term(j: f32, y: f32, c: f32, g: f32) -> InverseGaussianTerm {
    let two_j = 2.0 * j;
    let rho = sqrt(two_j * c + 1.0);
    let rho1 = 1.0 + rho;
    let rho_g = g + rho;
    let both = rho1 * rho_g;
    let inv = 1.0 / (both * rho);
    let phi = exp_neg(-((two_j * y) * ((inv * rho) * rho_g)));
    return InverseGaussianTerm(phi, inv * both, (j + 1.0) * ((inv * rho) * rho1));
}

fn inverse_gaussian_far(at: InverseGaussianStart) -> Logit {
    let y = min(at.y, INVERSE_GAUSSIAN_Y_MAX);
    var sum = vec3<f32>(0.0);
    var j = 1.0;
    var sign = 1.0;
    for (var i = 1u; i < INVERSE_GAUSSIAN_TERMS; i++) {
        let term = inverse_gaussian_term(j, y, at.c, at.g);
        sum += (sign * term.phi)
            * vec3(1.0, (j + 1.0) * term.inv_rho - 1.0, (term.q * term.q) * term.inv_rho);
        j += 1.0;
        sign = -sign;
    }
    let term = inverse_gaussian_term(j, y, at.c, at.g);
    let n = j + 1.0;
    let inv_rho2 = term.inv_rho * term.inv_rho;
    let inv_y = 1.0 / y;
    let y_v = -(0.5 * n) * (inv_rho2 * term.inv_rho);
    let w_v = (0.5 * (at.g * at.g)) * (inv_y * (inv_rho2 * inv_rho2));
    let tail = inverse_gaussian_tail(y * term.inv_rho, at.c * inv_rho2, n, y_v, w_v);
    let along_v = ((term.q * term.q) * term.inv_rho) * tail.x + tail.z;
    sum += (sign * term.phi) * vec3(tail.x, tail.y * inv_y - tail.x, along_v);
    let inv_s = 1.0 / (1.0 - sum.x);
    let slope = at.g * (1.0 - sum.y * inv_s);
    let inv_r1 = 1.0 / (1.0 + at.g);
    let spread = (2.0 * at.y) * (at.y * at.g) * ((inv_r1 * inv_r1 - sum.z) * inv_s);
    return from_ln_tail(-(at.power + neg_ln_1m(sum.x)), slope, spread);
}

// For 0 ≤ x < X_MAX, 0 ≤ v < INVERSE_GAUSSIAN_V_MAX.
fn inverse_gaussian_logit(x: f32, v: f32) -> Logit {
    let c = x * v;
    if x <= INVERSE_GAUSSIAN_NEAR_X && c <= INVERSE_GAUSSIAN_NEAR_C {
        return inverse_gaussian_near(x, v);
    }
    let at = inverse_gaussian_start(x, v);
    if x * x <= INVERSE_GAUSSIAN_NEAR_X * INVERSE_GAUSSIAN_NEAR_X * (1.0 + (c + c)) {
        return inverse_gaussian_shifted(at);
    }
    return inverse_gaussian_far(at);
}

fn inverse_gaussian_covers(x: f32, v: f32) -> bool {
    return x < X_MAX && v < INVERSE_GAUSSIAN_V_MAX;
}

fn inverse_gaussian_elastic_at_infinity(v: f32, share: f32) -> u32 {
    return infinite(share);
}

// Mean and shape, or mean and cv.
fn inverse_gaussian_element(a: f32, b: f32, mean_cv: bool) -> Element {
    if mean_cv {
        return Element(a > 0.0 && b >= 0.0, b * b == 0.0, a, b * b);
    }
    let valid = a > 0.0 && b > 0.0;
    return Element(valid, false, a, a / select(1.0, b, valid));
}

// −ln T = √(2λ|D|) − λ/m + o(1): at fixed λ that in m is λ/m².
fn inverse_gaussian_limits(e: Element, a: f32, b: f32, mean_cv: bool, share: f32) -> vec2<u32> {
    if mean_cv {
        return vec2(infinite(share), infinite(-share));
    }
    return vec2(bitcast<u32>(share * ((b / a) / a)), infinite(share));
}

fn inverse_gaussian_params_cover(a: f32, b: f32, mean_cv: bool, size: f32) -> bool {
    return true;
}

fn inverse_gaussian_params(e: Element, a: f32, b: f32, mean_cv: bool, against: f32, at: Logit, size: f32) -> vec2<f32> {
    let spread = -(against * at.spread);
    let by_mean = against * (at.slope * size);
    if mean_cv {
        return vec2(by_mean, (2.0 * b) * spread);
    }
    // v = m/λ.
    return vec2(by_mean + spread / b, -(e.shape / b) * spread);
}
