//! Which cases the properties of whole clusters are tried on.

use proptest::test_runner::{Config, RngSeed};

/// A failure is made smaller for no longer than this: each attempt runs to the end of a world's patience.
const SHRINKING_MS_MAX: u32 = 20_000;
const SEED: u64 = 1;

/// The suite plays the same few cases each time, so that a change is judged by what it changes. By hand,
/// `PROPTEST_CASES` asks for as many as it says, and `PROPTEST_RNG_SEED` for others.
#[allow(clippy::disallowed_methods, reason = "a test may be asked for more")]
pub fn chosen_cases(few: u32) -> Config {
    let asked = Config::default();
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(few);
    let rng_seed = match asked.rng_seed {
        RngSeed::Random => RngSeed::Fixed(SEED),
        chosen => chosen,
    };
    Config { cases, rng_seed, max_shrink_time: SHRINKING_MS_MAX, ..asked }
}
