// src/family/fixed/lanes.rs.

fn fixed_logit(w: f32, shape: f32) -> Logit {
    let e = exp_neg_parts(-w);
    let half = 0.5 * w;
    return Logit(w, 1.0, (half * w) * (e.one_minus * logistic(e.exp).upper));
}

fn fixed_covers(w: f32, shape: f32) -> bool {
    return w < X_MAX;
}

// D ∂nll/∂D at D = ±∞, for the part `share` of the loss that is infinite there.
fn fixed_elastic_at_infinity(shape: f32, share: f32) -> u32 {
    return infinite(share);
}

// β; or mean and cv, of which the second must be 0.
fn fixed_element(a: f32, b: f32, mean_cv: bool) -> Element {
    return Element(a >= 0.0 && (!mean_cv || b == 0.0), true, a, 0.0);
}

fn fixed_limits(e: Element, a: f32, b: f32, mean_cv: bool, share: f32) -> vec2<u32> {
    return vec2(infinite(share), 0u);
}

fn fixed_params_cover(a: f32, b: f32, mean_cv: bool, size: f32) -> bool {
    return true;
}

fn fixed_params(e: Element, a: f32, b: f32, mean_cv: bool, against: f32, at: Logit, size: f32) -> vec2<f32> {
    return vec2(against * (at.slope * size), 0.0);
}
