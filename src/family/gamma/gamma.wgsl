// src/family/gamma/lanes.rs and the form of near.rs with W.

fn gamma_near(x: f32, c: f32) -> Logit {
    let r = 1.0 / (c + NEAR_POLE);
    let p = near_w(x - NEAR_CENTRE, NEAR_ALPHA - r);
    let cr = c * r;
    let c_pc = p.z * (cr * r);
    let x_px = x * p.y;
    let x2 = x * x;
    let q = near_u(x2);
    let a = x * q.x;
    let x_ax = (x * x2) * (2.0 * q.y) + a;
    let l = -x * (c * (c * p.x + a)) + x;
    let s = c * (3.0 * p.x + (x_px + c_pc)) + (2.0 * a + x_ax);
    return Logit(l, -c * s + 1.0, x2 * (c * (2.0 * p.x + c_pc) + a));
}

struct Log { ln: f32, inv: f32, k2g: f32 }

// ln(1 + z), 1/(1 + z) and k²g(z), for kz to full accuracy.
fn gamma_log(z: f32, kz: f32, k: f32) -> Log {
    let u = 1.0 + z;
    let at = split(u);
    let small = z < 1.0;
    let n = select(at.n, 0.0, small);
    let num = select(at.m - 1.0, z, small);
    let den = select(at.m + 1.0, 2.0 + z, small);
    let both = 1.0 / (den * u);
    let inv = den * both;
    let inv_den = u * both;
    let s = num * inv_den;
    let w = s * s;
    let p = atanh_tail(w);
    let twice = 2.0 * s;
    let ln_m = (twice * w) * p + twice;
    let ln = n * LN_2_HI + (n * LN_2_LO + ln_m);
    let near = (kz * kz) * inv_den * ((twice * p) * inv_den + inv);
    let far = (k * k) * (ln - z * inv);
    return Log(ln, inv, select(far, near, small));
}

struct Recursion { rest: f32, kappa: f32, y: f32, power: f32, k2g: f32 }

fn gamma_recursion(x: f32, v: f32, k: f32) -> Recursion {
    let c = x * v;
    let log = gamma_log(c, x, k);
    return Recursion(log.inv, c * log.inv, x * log.inv, k * log.ln, log.k2g);
}

fn gamma_shifted(x: f32, v0: f32) -> Logit {
    let v = max(v0, GAMMA_V_MIN);
    let k = 1.0 / v;
    let at = gamma_recursion(x, v, k);
    let inner = gamma_near(at.y, at.kappa);
    let e = exp_neg_parts(-inner.value);
    let upper = 1.0 / (1.0 + e.exp);
    let lower = e.exp * upper;
    let ln_t = -(at.power + neg_ln_1m(lower));
    let slope = at.rest - lower * inner.slope * (at.rest * at.rest);
    let spread = at.k2g - lower * ((at.y * at.y) * inner.slope + inner.spread);
    var logit = from_ln_tail(ln_t, slope, spread);
    // Where T is near ½.
    let q = exp_neg_parts(-at.power);
    let h = 0.5 * q.one_minus - q.exp * (0.5 * e.one_minus * upper);
    if h < 0.125 {
        logit.value = two_atanh(2.0 * h);
    }
    return logit;
}

struct Boole { rest: f32, y_d_y: f32, neg_d_v: f32 }

fn gamma_boole(y: f32, kappa: f32, k: f32) -> Boole {
    var s = vec3<f32>(0.0);
    var at = 1.0;
    var sign = 1.0;
    for (var n = 1u; n < GAMMA_NODES; n++) {
        let ny = at * y;
        let log = gamma_log(at * kappa, ny, k);
        let phi = sign * exp_neg(-(k * log.ln));
        s += phi * vec3<f32>(1.0, ny * log.inv, log.k2g);
        at += 1.0;
        sign = -sign;
    }
    let my = at * y;
    let log = gamma_log(at * kappa, my, k);
    let phi = sign * exp_neg(-(k * log.ln));
    let e = log.inv;
    let ym = y * e;
    let wm = kappa * e;
    // Σ BOOLE term by term: a, a1 and a_w.
    let tail = gamma_tail(ym, wm);
    let along_y = my * e * tail.x - e * tail.y;
    let along_v = log.k2g * tail.x - (at * ym) * (tail.y - wm * tail.z) + ym * e * tail.z;
    s += phi * vec3<f32>(tail.x, along_y, along_v);
    return Boole(s.x, s.y, s.z);
}

fn gamma_far(x: f32, v0: f32) -> Logit {
    let v = max(v0, GAMMA_V_MIN);
    let k = 1.0 / v;
    let at = gamma_recursion(x, v, k);
    let sum = gamma_boole(min(at.y, GAMMA_Y_MAX), at.kappa, k);
    let inv_s = 1.0 / (1.0 - sum.rest);
    let w1 = sum.y_d_y * inv_s;
    let ln_t = -(at.power + neg_ln_1m(sum.rest));
    let slope = at.rest - at.rest * w1 / x;
    let spread = at.k2g - (sum.neg_d_v * inv_s + at.y * w1);
    return from_ln_tail(ln_t, slope, spread);
}

fn gamma_covers(x: f32, v: f32) -> bool {
    return x < X_MAX && v < GAMMA_V_MAX;
}

// Where it covers, x ≥ 0 and v ≥ 0.
fn gamma_logit(x: f32, v: f32) -> Logit {
    let c = x * v;
    if x <= NEAR_MAX && c <= 1.0 {
        return gamma_near(x, c);
    }
    if x * (1.0 / (1.0 + c)) <= NEAR_MAX {
        return gamma_shifted(x, v);
    }
    return gamma_far(x, v);
}

// The shape k.
fn gamma_elastic_at_infinity(v: f32, share: f32) -> u32 {
    return bitcast<u32>(share / v);
}

// Shape and scale, or mean and cv.
fn gamma_element(a: f32, b: f32, mean_cv: bool) -> Element {
    if mean_cv {
        return Element(a > 0.0 && b >= 0.0, b * b == 0.0, a, b * b);
    }
    let valid = a > 0.0 && b > 0.0;
    return Element(valid, false, a * b, 1.0 / select(1.0, a, valid));
}

fn gamma_limits(e: Element, a: f32, b: f32, mean_cv: bool, share: f32) -> vec2<u32> {
    if mean_cv {
        return vec2(bitcast<u32>(share / (e.shape * a)), infinite(-share));
    }
    return vec2(infinite(share), bitcast<u32>(share * (a / b)));
}

// ∂/∂k and ∂/∂θ come from θ|D| and k|D|.
fn gamma_params_cover(a: f32, b: f32, mean_cv: bool, size: f32) -> bool {
    return mean_cv || (a * size < 1e30 && b * size < 1e30);
}

fn gamma_params(e: Element, a: f32, b: f32, mean_cv: bool, against: f32, at: Logit, size: f32) -> vec2<f32> {
    let spread = -(against * at.spread);
    if mean_cv {
        return vec2(against * (at.slope * size), (2.0 * b) * spread);
    }
    // D ∂/∂D over k and θ without a w that may have underflown: x/k = θ|D|, x/θ = k|D|.
    let by_k = against * (at.slope * (b * size));
    let by_theta = against * (at.slope * (a * size));
    return vec2(by_k - (e.shape * e.shape) * spread, by_theta);
}
