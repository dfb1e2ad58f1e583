//! Loops over rows of numbers, compiled for each level of vector instructions and chosen where they run.
//!
//! Bodies are `#[inline(always)]` loops of plain additions and products in one order: every level gives the same bits.

pub(crate) use blackbeam_kernels::Real;

/// `fn name(arguments) = body`: the body compiled for all levels; a call takes the best of this machine.
macro_rules! levels {
    ($($(#[$doc:meta])* $vis:vis fn $name:ident $(<$($real:ident),+>)? ($($argument:ident: $type:ty),* $(,)?) = $body:ident;)*) => {$(
        $(#[$doc])*
        $vis fn $name $(<$($real: $crate::chain::levels::Real),+>)? ($($argument: $type),*) {
            struct Call<A>(A);
            impl $(<$($real: $crate::chain::levels::Real),+>)? blackbeam_kernels::Task for Call<($($type,)*)> {
                type Output = ();

                #[inline(always)]
                fn run<A: blackbeam_kernels::Arch>(self) {
                    let Call(($($argument,)*)) = self;
                    $body($($argument),*)
                }
            }
            blackbeam_kernels::Level::best().run(Call(($($argument,)*)))
        }
    )*};
}

pub(crate) use levels;

/// Largest integer not above `x`, for 0 <= x < 2^51: vectorised where the baseline has no instruction for it.
#[inline(always)]
pub(crate) fn floor(x: f64) -> f64 {
    const TWO_52: f64 = 4_503_599_627_370_496.0;
    let nearest = (x + TWO_52) - TWO_52;
    if nearest > x { nearest - 1.0 } else { nearest }
}

/// `x` between two bounds; the lower one for what is no number.
#[inline(always)]
pub(crate) fn clip(x: f64, low: f64, high: f64) -> f64 {
    let x = if x > low { x } else { low };
    if x < high { x } else { high }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floors_and_clips() {
        for x in [0.0, 0.25, 0.5, 0.99999, 1.0, 1.5, 2.5, 3.0 - 1e-12, 16_777_215.5, 1e15 + 0.25] {
            assert_eq!(floor(x), x.floor());
        }
        assert_eq!([-1.0, 0.5, 7.0, f64::NAN].map(|x| clip(x, 0.0, 2.0)), [0.0, 0.5, 2.0, 0.0]);
        assert_eq!(clip(f64::INFINITY, f64::NEG_INFINITY, f64::INFINITY), f64::INFINITY);
    }
}
