//! Numbers of 106 bits as sums of two f64, for differences in higher precision than the crate's own.
//! `mul_add` is the exact fused operation of the standard library.

use std::ops::{Add, Div, Mul, Neg, Sub};

#[derive(Clone, Copy, Debug)]
pub struct Dd(pub f64, pub f64);

impl From<f64> for Dd {
    fn from(x: f64) -> Self {
        Self(x, 0.0)
    }
}

fn fast(a: f64, b: f64) -> Dd {
    let s = a + b;
    Dd(s, b - (s - a))
}

impl Add for Dd {
    type Output = Self;
    fn add(self, o: Self) -> Self {
        let s = self.0 + o.0;
        let b = s - self.0;
        let e = (self.0 - (s - b)) + (o.0 - b);
        let t = self.1 + o.1;
        let tb = t - self.1;
        let te = (self.1 - (t - tb)) + (o.1 - tb);
        let v = fast(s, e + t);
        fast(v.0, v.1 + te)
    }
}

impl Neg for Dd {
    type Output = Self;
    fn neg(self) -> Self {
        Self(-self.0, -self.1)
    }
}

impl Sub for Dd {
    type Output = Self;
    fn sub(self, o: Self) -> Self {
        self + -o
    }
}

impl Mul for Dd {
    type Output = Self;
    fn mul(self, o: Self) -> Self {
        let p = self.0 * o.0;
        fast(p, self.0.mul_add(o.0, -p) + (self.0 * o.1 + self.1 * o.0))
    }
}

impl Div for Dd {
    type Output = Self;
    fn div(self, o: Self) -> Self {
        let a = self.0 / o.0;
        let r = self - o * a.into();
        let b = r.0 / o.0;
        let r = r - o * b.into();
        fast(a, b) + (r.0 / o.0).into()
    }
}

impl Dd {
    /// e^self by halving 9 times below ln 2/1024 and the Taylor series, for |self| < 700.
    pub fn exp(self) -> Self {
        // ln 2 to 160 bits
        const LN2: [f64; 3] =
            [std::f64::consts::LN_2, 2.319_046_813_846_299_6e-17, 5.707_708_438_416_212e-34];
        let n = (self.0 / LN2[0]).round();
        let r = self - Self(LN2[0], LN2[1]) * n.into() - Self::from(LN2[2] * n);
        let r = Self(r.0 / 512.0, r.1 / 512.0);
        // e^r − 1, whose doublings (1 + y)² − 1 = 2y + y² lose nothing.
        let mut term = r;
        let mut y = r;
        for k in 2..9 {
            term = term * r / f64::from(k).into();
            y = y + term;
        }
        for _ in 0..9 {
            y = y + y + y * y;
        }
        let y = y + 1.0.into();
        let scale = 2f64.powi(n as i32);
        Self(y.0 * scale, y.1 * scale)
    }

    /// ln self by Newton's method from the f64 logarithm.
    pub fn ln(self) -> Self {
        let y = Self::from(self.0.ln());
        let y = y + self * (-y).exp() - 1.0.into();
        y + self * (-y).exp() - 1.0.into()
    }
}
