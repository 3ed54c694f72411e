//! The comparison itself, with a fixed set of seeds; and that it can fail.

mod comparison;
