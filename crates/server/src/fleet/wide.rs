//! Loops over columns, with the widest instructions that the processor has. The scans of the fleet go through here; a
//! loop gives the same whichever way it is taken.

use fearless_simd::Level;
#[cfg(target_arch = "x86_64")]
use fearless_simd::Simd as _;

/// Runs a loop. It is compiled once for each kind of processor, with all that it calls and that is `inline(always)`;
/// the closure must be that, too, or it is a function of its own that is compiled for the oldest.
#[inline(always)]
pub fn wide<R>(run: impl FnOnce() -> R) -> R {
    let level = Level::new();
    #[cfg(target_arch = "x86_64")]
    {
        if let Some(avx512) = level.as_avx512() {
            return avx512.vectorize(run);
        }
        if let Some(avx2) = level.as_avx2() {
            return avx2.vectorize(run);
        }
    }
    // Elsewhere the least that every processor has is wide enough.
    let _ = level;
    run()
}
