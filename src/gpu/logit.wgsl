// src/kernel/logit.rs, and what the families share.

// ℓ(w), ∂ℓ/∂w and −∂ℓ/∂v (LogNormal: −∂ℓ/∂q, q = σ²).
struct Logit { value: f32, slope: f32, spread: f32 }

// 2 atanh s for 0 ≤ s ≤ ⅓.
fn two_atanh(s: f32) -> f32 {
    let w = s * s;
    let two = 2.0 * s;
    return (two * w) * atanh_tail(w) + two;
}

// −ln(1 − t) for 0 ≤ t ≤ ½.
fn neg_ln_1m(t: f32) -> f32 {
    return two_atanh(t / (2.0 - t));
}

struct Logistic { upper: f32, ln: f32 }

// 1/(1 + e) and ln(1 + e) for 0 ≤ e ≤ 1.
fn logistic(e: f32) -> Logistic {
    let a = 1.0 + e;
    let b = 2.0 + e;
    let inv = 1.0 / (a * b);
    return Logistic(b * inv, two_atanh(e * a * inv));
}

// From ln T, −T_w/T and T_v/T where T ≤ ¼ or so.
fn from_ln_tail(ln_t: f32, slope: f32, spread: f32) -> Logit {
    let t = exp_neg(ln_t);
    let upper = 1.0 / (1.0 - t);
    return Logit(-ln_t - neg_ln_1m(t), slope * upper, spread * upper);
}

// Parameters of one element: unit of the margin and shape; whether they are of the family, and a point mass.
struct Element { valid: bool, point: bool, unit: f32, shape: f32 }
