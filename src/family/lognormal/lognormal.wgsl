// src/family/lognormal/lanes.rs.

struct Grid {
    z: f32,
    h: f32,
    // e^{sh}, e^{−sh}
    growth: vec2<f32>,
    // φ(z ± h)/φ(z)
    ratio: vec2<f32>,
    // e^{−h²}
    decay: f32,
}

fn grid_step_at(s: f32, eta: f32, weight: f32) -> f32 {
    let se = s * eta;
    let w = se * se;
    let ln_cos = (0.5 * w) * lognormal_ln_cos(w);
    let growth = weight * ln_cos + ((0.5 * eta) * eta + LOGNORMAL_RULE_DIGITS);
    return TWO_PI * eta / growth;
}

fn grid_step(s: f32, bend: f32, weight: f32) -> f32 {
    let free = sqrt((2.0 * LOGNORMAL_RULE_DIGITS) / bend);
    let eta = min(free, LOGNORMAL_POLE / s);
    return max(grid_step_at(s, eta, weight), grid_step_at(s, LOGNORMAL_NEARER * eta, weight));
}

fn new_grid(s: f32, z: f32, h: f32) -> Grid {
    let sh = s * h;
    let square = h * h;
    let half = 0.5 * square;
    let hz = h * z;
    return Grid(z, h, vec2(exp_node(sh), exp_neg(-sh)), vec2(exp_node(-hz - half), exp_node(hz - half)), exp_neg(-square));
}

// Node pairs δ = ±jh.
struct Pairs { e: vec2<f32>, w: vec2<f32>, ratio: vec2<f32> }

fn new_pairs(grid: Grid) -> Pairs {
    return Pairs(grid.growth, grid.ratio, grid.ratio * grid.decay);
}

// To pair j.
fn next_pairs(old: Pairs, grid: Grid, j: u32) -> Pairs {
    let e = old.e * grid.growth;
    if j % LOGNORMAL_REFRESH == 0u {
        let delta = f32(j) * grid.h;
        let square = -0.5 * (delta * delta);
        let ahead = (-0.5 - f32(j)) * (grid.h * grid.h);
        let shift = delta * grid.z;
        let step = grid.h * grid.z;
        return Pairs(
            e,
            vec2(exp_node(square - shift), exp_node(square + shift)),
            vec2(exp_node(ahead - step), exp_node(ahead + step)),
        );
    }
    return Pairs(e, old.w * old.ratio, old.ratio * grid.decay);
}

// 1/(1 + a) and 1/(1 + b).
fn reciprocals(u: vec2<f32>) -> vec2<f32> {
    let a = 1.0 + u;
    return a.yx * (1.0 / (a.x * a.y));
}

fn lognormal_near(xi: f32, s0: f32) -> Logit {
    let s = max(s0, LOGNORMAL_S_MIN);
    // On the lattices of Rust.
    let h = round(grid_step(s, 1.0, 0.0) * LOGNORMAL_LATTICE) / LOGNORMAL_LATTICE;
    let z = round((s + s) * LOGNORMAL_LATTICE) / LOGNORMAL_LATTICE;
    let grid = new_grid(s, z, h);
    let end = (LOGNORMAL_RULE_REACH + s) / h + 1.0;
    let s_hi = round(s * LOGNORMAL_FINER) / LOGNORMAL_FINER;
    let beta = exp_node(s_hi * z) * exp_node((s - s_hi) * z);
    let norm = LOGNORMAL_NORM * h * exp_node(-0.5 * (z * z));

    let x = max(xi, LOGNORMAL_XI_MIN) * beta;
    let centre = exp_neg_parts(-x);
    let r = 1.0 / (1.0 + centre.exp);
    let first = (centre.exp * r) * r;
    var sums = vec3(r * centre.one_minus, first, first * (r * centre.one_minus));
    var nodes = new_pairs(grid);
    for (var j = 1u; j < LOGNORMAL_MAX_NODES; j++) {
        if f32(j) >= end {
            break;
        }
        let right = exp_neg_parts(-(x * nodes.e.x));
        let left = exp_neg_parts(-(x * nodes.e.y));
        let u = vec2(right.exp, left.exp);
        let m1 = vec2(right.one_minus, left.one_minus);
        let r = reciprocals(u);
        let wr = nodes.w * r;
        let er = nodes.e * r;
        let first = wr * u * er;
        let zeroth = wr * m1;
        let second = (first * er) * m1;
        sums += vec3(zeroth.x, first.x, second.x);
        sums += vec3(zeroth.y, first.y, second.y);
        nodes = next_pairs(nodes, grid, j + 1u);
    }
    let half = 0.5 * norm * sums.x;
    let scale = norm * beta / ((0.5 - half) * (0.5 + half));
    let spread = 0.5 * (xi * (xi * beta)) * (scale * sums.z);
    let value = ln_1p((half + half) / (0.5 - half));
    return Logit(select(0.0, value, 0.0 < xi), scale * sums.y, spread);
}

struct Saddle { s: f32, z: f32, x: f32, shrink: f32, grid: Grid }

fn new_saddle(xi: f32, s0: f32, steps: u32) -> Saddle {
    let s = max(s0, LOGNORMAL_S_MIN);
    let a = (s * s) * xi;
    let l = ln_1p(a);
    var w = l * (1.0 - ln_1p(l) / (2.0 + l));
    for (var i = 0u; i < steps; i++) {
        w = w - (w - a * exp_neg(-w)) / (1.0 + w);
    }
    let shrink = exp_neg(-w);
    let x = xi * shrink;
    let z = -(w / s);
    let h = grid_step(s, (s * s) * x + 1.0, x);
    return Saddle(s, z, x, shrink, new_grid(s, z, h));
}

fn saddle_logit(at: Saddle, sums: vec3<f32>, left_out: f32) -> Logit {
    let ln_t = ((-0.5 * at.z) * at.z - left_out) + ln(LOGNORMAL_NORM * at.grid.h * sums.x);
    let inv = 1.0 / sums.x;
    let slope = at.shrink * (sums.y * inv);
    let spread = (0.5 * at.x) * (at.x * (sums.z * inv));
    return from_ln_tail(ln_t, slope, spread);
}

fn lognormal_far(xi: f32, s: f32) -> Logit {
    let at = new_saddle(xi, s, 1u);
    let centre = exp_neg(-at.x);
    let r = 1.0 / (1.0 + centre);
    let zeroth = centre * r;
    let first = zeroth * r;
    var sums = vec3(zeroth, first, first * r * (1.0 - centre));
    var nodes = new_pairs(at.grid);
    for (var j = 1u; j < LOGNORMAL_MAX_NODES; j++) {
        let u = vec2(exp_node(-(at.x * nodes.e.x)), exp_node(-(at.x * nodes.e.y)));
        let r = reciprocals(u);
        let er = nodes.e * r;
        let zeroth = (nodes.w * u) * r;
        let first = zeroth * er;
        let second = first * er * (1.0 - u);
        sums += vec3(zeroth.x, first.x, second.x);
        sums += vec3(zeroth.y, first.y, second.y);
        if LOGNORMAL_RULE_LAST * sums.z >= second.x && LOGNORMAL_RULE_LAST * sums.x >= zeroth.y {
            break;
        }
        nodes = next_pairs(nodes, at.grid, j + 1u);
    }
    return saddle_logit(at, sums, 0.0);
}

fn lognormal_deep(xi: f32, s: f32) -> Logit {
    let at = new_saddle(xi, s, 3u);
    let slope = at.s * at.x + at.z;
    var sums = vec3<f32>(0.0);
    for (var side = 0u; side < 2u; side++) {
        let h = select(-at.grid.h, at.grid.h, side == 0u);
        for (var j = side; j < LOGNORMAL_MAX_NODES; j++) {
            let delta = f32(j) * h;
            let parts = exp_parts(at.s * delta);
            let quadratic = delta * (0.5 * delta + slope);
            let zeroth = exp_node(-(at.x * parts.exp_m1_my + quadratic));
            let first = zeroth * parts.exp;
            let terms = vec3(zeroth, first, first * parts.exp);
            sums += terms;
            let slowest = select(terms.x, terms.z, side == 0u);
            if LOGNORMAL_RULE_LAST * select(sums.x, sums.z, side == 0u) >= slowest {
                break;
            }
        }
    }
    return saddle_logit(at, sums, at.x);
}

fn lognormal_covers(xi: f32, s: f32) -> bool {
    return xi < LOGNORMAL_XI_MAX && s < LOGNORMAL_S_MAX;
}

// Where it covers, ξ ≥ 0 and s ≥ 0.
fn lognormal_logit(xi: f32, s: f32) -> Logit {
    if xi < 1.0 {
        return lognormal_near(xi, s);
    }
    if xi < LOGNORMAL_RULE_DEEP * exp_node((s * s) * LOGNORMAL_RULE_DEEP) {
        return lognormal_far(xi, s);
    }
    return lognormal_deep(xi, s);
}

fn lognormal_elastic_at_infinity(s: f32, share: f32) -> u32 {
    return infinite(share);
}

// μ and σ, or mean and cv.
fn lognormal_element(a: f32, b: f32, mean_cv: bool) -> Element {
    if mean_cv {
        // Below, the square underflows, and σ = cv.
        let s = select(sqrt(ln_1p(b * b)), b, b < 1e-4);
        return Element(a > 0.0 && b >= 0.0, b == 0.0, a / sqrt(1.0 + b * b), s);
    }
    // An e^μ that f32 does not hold is the scalar kernel's.
    return Element(b >= 0.0 && abs(a) < -EXP_NORMAL, b == 0.0, exp_node(a), b);
}

fn lognormal_limits(e: Element, a: f32, b: f32, mean_cv: bool, share: f32) -> vec2<u32> {
    return vec2(infinite(share), infinite(-share));
}

fn lognormal_params_cover(a: f32, b: f32, mean_cv: bool, size: f32) -> bool {
    return true;
}

fn lognormal_params(e: Element, a: f32, b: f32, mean_cv: bool, against: f32, at: Logit, size: f32) -> vec2<f32> {
    let spread = -(against * at.spread);
    if mean_cv {
        let square = 1.0 + b * b;
        return vec2(against * (at.slope * (size / sqrt(square))), (2.0 * b) * spread / square);
    }
    let elastic = against * (at.slope * (size * e.unit));
    return vec2(elastic, e.shape * elastic + (2.0 * e.shape) * spread);
}
