//! Which instructions are used.

use crate::vector::{Simd, plain::Plain};
use std::sync::OnceLock;

/// A set of instructions of the processor, in the order of what they can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// What the program was compiled for.
    Plain,
    /// x86-64 with AVX2 and FMA.
    Avx2,
    /// x86-64 with AVX-512 F, DQ, VL and BW.
    Avx512,
}

static BEST: OnceLock<Level> = OnceLock::new();

/// What a level can do, for code that is compiled for each of them.
pub trait Arch: crate::real::sealed::Sealed + 'static {
    /// The level has fused multiply-add. Without it, `f64::mul_add` is a call of a slow function.
    const FMA: bool;

    /// a b + c, rounded once where the level can.
    #[inline(always)]
    fn mul_add(a: f64, b: f64, c: f64) -> f64 {
        if Self::FMA { a.mul_add(b, c) } else { a * b + c }
    }
}

/// A function that is compiled for each level. All that `run` calls must be `#[inline(always)]`: what is not inlined into it is
/// compiled for the plain level.
pub trait Task {
    /// What it gives.
    type Output;

    /// Does it. The implementation must be `#[inline(always)]`.
    fn run<A: Arch>(self) -> Self::Output;
}

/// As [`Task`], with vectors.
pub(crate) trait Kernel {
    type Output;
    fn run<S: Simd>(self) -> Self::Output;
}

struct Tasked<T>(T);

impl<T: Task> Kernel for Tasked<T> {
    type Output = T::Output;

    #[inline(always)]
    fn run<S: Simd>(self) -> T::Output {
        self.0.run::<S>()
    }
}

impl Level {
    /// The best level of this machine.
    pub fn best() -> Level {
        *BEST.get_or_init(detect)
    }

    /// Has this process use no level above `highest`, to measure what a machine without it would do. False, and nothing
    /// is changed, if the machine does not have that level or a level has been chosen already.
    pub fn limit(highest: Level) -> bool {
        highest <= detect() && BEST.set(highest).is_ok()
    }

    /// The levels of this machine, plain first.
    pub fn available() -> impl Iterator<Item = Level> {
        [Level::Plain, Level::Avx2, Level::Avx512].into_iter().filter(|&level| level <= Level::best())
    }

    /// Runs a task with the instructions of this level, or with the best there are.
    #[inline]
    pub fn run<T: Task>(self, task: T) -> T::Output {
        self.dispatch(Tasked(task))
    }

    #[inline]
    #[allow(unsafe_code)]
    pub(crate) fn dispatch<K: Kernel>(self, kernel: K) -> K::Output {
        match self.min(Level::best()) {
            // SAFETY: `best` has found the features of the level.
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => unsafe { x86::avx512(kernel) },
            // SAFETY: `best` has found the features of the level.
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => unsafe { x86::avx2(kernel) },
            _ => kernel.run::<Plain>(),
        }
    }
}

#[cfg(target_arch = "x86_64")]
fn detect() -> Level {
    let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
    let avx512 = is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512bw");
    match (avx2, avx512) {
        (true, true) => Level::Avx512,
        (true, false) => Level::Avx2,
        _ => Level::Plain,
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn detect() -> Level {
    Level::Plain
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::Kernel;
    use crate::vector::x86::{Avx2, Avx512};

    #[target_feature(enable = "avx2,fma")]
    pub fn avx2<K: Kernel>(kernel: K) -> K::Output {
        kernel.run::<Avx2>()
    }

    #[target_feature(enable = "avx2,fma,avx512f,avx512dq,avx512vl,avx512bw")]
    pub fn avx512<K: Kernel>(kernel: K) -> K::Output {
        kernel.run::<Avx512>()
    }
}
