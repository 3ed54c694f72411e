//! Scenarios: what a file says ([`file`]), whether it can be ([`check`]), how it is played in a simulated world
//! ([`stage`]) or by real processes ([`real`]), what came of it ([`measures`]) and how that is told ([`report`]). The `squall` binary is a thin
//! command line over this.
#![forbid(unsafe_code)]

mod agent;
mod agreement;
pub mod artefacts;
mod audit;
mod cast;
pub mod catalog;
mod check;
mod cluster;
mod evidence;
pub mod file;
pub mod fleet;
mod formation;
pub mod hunt;
mod lag;
mod measures;
mod operator;
mod picture;
pub mod planted;
mod polity;
pub mod real;
mod report;
mod reshard;
pub mod seeds;
pub mod shrink;
mod stage;
pub mod study;

pub use check::ScenarioError;
pub use file::Scenario;
pub use measures::{Amount, MEASURES, Measures};
pub use report::{Failure, Report, Telling, Wall};
pub use stage::{RunOptions, play};
