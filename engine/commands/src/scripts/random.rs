//! The generator behind `math.random`: the 48-bit linear congruence of POSIX's `lrand48`, from its standard
//! start. Scripts see the numbers that they see in Redis, on any machine.

/// The state, a number of 48 bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Random(u64);

const MULTIPLIER: u64 = 0x5_DEEC_E66D;
const INCREMENT: u64 = 0xB;
const MASK: u64 = (1 << 48) - 1;
/// Numbers are drawn below this: 31 bits.
const RANGE: u64 = i32::MAX as u64;

impl Random {
    /// Where a machine's numbers begin.
    pub const START: Random = Random(0x1234_ABCD_330E);

    pub fn of_seed(seed: i32) -> Random {
        Random((u64::from(seed as u32) << 16) | 0x330E)
    }

    /// At least 0, below 1.
    pub fn fraction(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(MULTIPLIER).wrapping_add(INCREMENT) & MASK;
        ((self.0 >> 17) % RANGE) as f64 / RANGE as f64
    }
}
