//! How a story is told by a test: the scenario of its name says what must hold, and passes.

use squall_scenarios::catalog::find;
use squall_scenarios::{RunOptions, play};

/// A test for each story, which does with the scenario's name what `plays` does where this stands.
macro_rules! stories {
    ($($test:ident: $name:literal,)*) => {
        $(
            #[test]
            fn $test() {
                plays($name);
            }
        )*
    };
}

pub fn plays(name: &str) {
    let found = find(name).unwrap_or_else(|error| panic!("{error}"));
    assert!(found.scenario.about.contains("Invariant: "), "{name} does not say what must hold");
    let options = RunOptions { seed: 7, ..RunOptions::default() };
    let report = play(name, &found.scenario, options).unwrap_or_else(|failure| panic!("{failure}"));
    assert!(report.passed(), "{report}");
}
