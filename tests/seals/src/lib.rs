//! What a crate outside might try with `T: Real`, `T: Number` and `S: Strength<T>`. Every line with `//~` must be
//! refused, and no other.

use prefstrength::batch::Number;
use prefstrength::{AnyStrength, Coordinates, Gamma, Real, Strength};

pub fn of_real<T: Real>(x: T) {
    let _ = T::MAGIC; //~ a constant of the lanes
    let _ = T::PIECE_BITS; //~
    let _ = T::V_MAX; //~ a family's box
    let _ = T::SCALES; //~
    let _ = x.wide(); //~ a method of the lanes
    let _ = T::num(1.0); //~
    let _ = x.to_f64(); // public
    let _ = T::from_f64(1.0); // public
}

pub fn of_number<T: Number>(x: T) {
    let _ = T::MAGIC; //~
    let _ = T::FIRST_NODES; //~ the plan's nodes
    let _ = T::GRADUAL; //~
    let _ = x.wide(); //~
    let _ = x.mul_add(x, x); // of num_traits::Float, public
    let _ = T::scales(()); //~ the gate, called
    let _: Option<T::Table<()>> = None; //~ the gate's type
    let _: Option<T::Rows> = None; //~
}

pub fn of_strength<S: Strength<f64>>(s: S) {
    let _ = s.kernel_params(Coordinates::Native); //~
    let _ = s.tail_at(1.0, false); //~
    let _ = s.unit_of(); //~
    let _ = s.posterior_at(1.0, true); //~
    let _ = s.draw(0.3); //~
    let _ = s.draw_jacobian(()); //~
    let _ = s.family_of(()); //~
    s.visit_law(&mut |_| {}, ()); //~ the law of ln β
    let _ = s.kernel_spread(1.0, ()); //~
    let _ = s.model(Coordinates::Native); //~
    let _ = S::Gradient::pack([0.0; 4], ()); //~
    let _ = s.nll(1.0); // public
}

pub fn of_families(gamma: Gamma<f64>, any: AnyStrength) {
    let _ = gamma.unit_of(()); //~
    let _ = gamma.k; //~
    let _ = gamma.moments(); //~
    let _ = Gamma::<f64>::from_native([1.0, 1.0]); //~
    let _ = any.spread_slopes(); //~
    let _ = prefstrength::family::sealed::Inside; //~
    let _ = prefstrength::kernel::Local { unit: 1.0 }; //~
    let _ = gamma.shape(); // public
}

// Each by itself: the compiler keeps such errors back where there are others.

pub fn name_of_number_1<T: Number>() {
    let _ = T::scales; //~ the gate, named without a call
}

pub fn name_of_number_2<T: Number>() {
    let _ = T::empty_table; //~
}

pub fn name_of_strength_1<S: Strength<f64>>() {
    let _ = S::unit_of; //~
}

pub fn name_of_strength_2<S: Strength<f64>>() {
    let _ = S::kernel_params; //~
}

pub struct Mine;
impl prefstrength::batch::Number for Mine {} //~
impl Real for Mine {} //~
