//! The scenarios, the squall binary as its user sees it, and the tidiness of the whole workspace.

#[macro_use]
mod told;

mod cluster_stories;
mod command_line;
mod crash_points;
mod crash_points_full_sync;
mod determinism;
mod hunting;
mod planting;
mod real;
mod refusals;
mod report_page;
mod stories;
mod summaries;
mod tidy;
mod workloads;
