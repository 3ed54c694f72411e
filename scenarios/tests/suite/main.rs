//! The scenarios, the squall binary as its user sees it, and the tidiness of the whole workspace.

mod command_line;
mod crash_points;
mod determinism;
mod durability_stories;
mod hunting;
mod planting;
mod real;
mod refusals;
mod report_page;
mod stories;
mod summaries;
mod tidy;
mod workloads;
