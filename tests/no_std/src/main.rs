//! Prints the results of `grid.rs` without std: through libc's `write` alone.
//!
//! That it links proves std absent: std defines the language item `panic_handler` and the symbol
//! `rust_eh_personality`, as this program does, so that a dependency that pulled std in would be a
//! compile error (E0152: duplicate lang item).
#![no_std]
#![no_main]

mod grid;

use core::ffi::{c_int, c_void};
use core::fmt::{self, Write};
use core::panic::PanicInfo;

// rustc links no_std programs with -nodefaultlibs.
#[link(name = "c")]
unsafe extern "C" {
    fn write(fd: c_int, buffer: *const c_void, count: usize) -> isize;
    fn _exit(status: c_int) -> !;
}

/// Standard output behind a small buffer.
struct Stdout {
    buffer: [u8; 4096],
    len: usize,
}

impl Stdout {
    fn flush(&mut self) -> fmt::Result {
        let mut rest = &self.buffer[..self.len];
        while !rest.is_empty() {
            // SAFETY: pointer and length are those of one live slice, which `write` only reads.
            let n = unsafe { write(1, rest.as_ptr().cast(), rest.len()) };
            match usize::try_from(n) {
                Ok(n) if n > 0 => rest = &rest[n..],
                _ => return Err(fmt::Error),
            }
        }
        self.len = 0;
        Ok(())
    }
}

impl Write for Stdout {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for &byte in text.as_bytes() {
            if self.len == self.buffer.len() {
                self.flush()?;
            }
            self.buffer[self.len] = byte;
            self.len += 1;
        }
        Ok(())
    }
}

/// The entry point that the C runtime calls.
// SAFETY: no other item of the program is called `main`.
#[unsafe(no_mangle)]
extern "C" fn main(_argc: c_int, _argv: *const *const u8) -> c_int {
    let mut out = Stdout { buffer: [0; 4096], len: 0 };
    c_int::from(grid::evaluate(&mut out).and_then(|()| out.flush()).is_err())
}

#[panic_handler]
fn panic(_info: &PanicInfo<'_>) -> ! {
    // SAFETY: `_exit` has no preconditions.
    unsafe { _exit(101) }
}

/// What the compiled core library, which is built to unwind, refers to; `panic = "abort"` never
/// calls it.
// SAFETY: std, the other owner of this name, is not linked.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}
