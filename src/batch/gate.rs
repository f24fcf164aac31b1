//! The gate between the public number type and the kernels: what is behind it takes a key.

use super::table::{Table, Tabulated};
use crate::family::{Inside, Key};
use crate::kernel::Limits;
use core::fmt::Debug;

/// What is behind the gate.
pub trait Gate: Sized {
    /// A [`Table`] of this type.
    type Table<K: Key>: Clone + Send + Sync + Debug;
    /// An empty one.
    fn empty_table<K: Key>(key: K) -> Self::Table<K>;
    /// Largest unit of the margin and largest factor, as [`Limits`](crate::kernel::Limits) has them.
    fn scales(key: impl Key) -> (f64, f64);
    /// Runs what needs the kernels.
    fn enter<C: Call<Self>>(call: C, key: impl Key) -> C::Output;
}

/// What runs with the kernels of `T` at hand.
pub trait Call<T: Gate> {
    /// What comes of it.
    type Output;
    /// Runs it.
    fn call(self) -> Self::Output
    where
        T: Opened;
}

/// A number type seen from behind the gate.
pub trait Opened: Gate + Tabulated {
    /// The table, of which a struct may hold no more than the name.
    fn table<K: Key>(table: &Self::Table<K>) -> &Table<Self>;
    /// The same, to be filled.
    fn table_mut<K: Key>(table: &mut Self::Table<K>) -> &mut Table<Self>;
}

macro_rules! numbers {
    ($($t:ident)*) => {$(
        impl Gate for $t {
            type Table<K: Key> = Table<$t>;
            fn empty_table<K: Key>(_: K) -> Table<$t> {
                Table::empty()
            }
            fn scales(_: impl Key) -> (f64, f64) {
                Self::SCALES
            }
            #[inline]
            fn enter<C: Call<Self>>(call: C, _: impl Key) -> C::Output {
                call.call()
            }
        }
        impl Opened for $t {
            #[inline]
            fn table<K: Key>(table: &Table<$t>) -> &Table<$t> {
                table
            }
            #[inline]
            fn table_mut<K: Key>(table: &mut Table<$t>) -> &mut Table<$t> {
                table
            }
        }
    )*};
}
numbers!(f32 f64);

/// A table inside a struct that is generic over the number type.
pub(crate) type Stored<T> = <T as Gate>::Table<Inside>;
