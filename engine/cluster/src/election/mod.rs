//! How a replica takes the place of its primary.
//!
//! - `candidate`: when it stands, and what it does with the votes;
//! - `voter`: whom a primary votes for, at most once per epoch, durably;
//! - `manual`: an operator's hand-over, which loses nothing; `hand_over`: the primary's part in it.

mod candidate;
mod hand_over;
mod manual;
mod voter;

pub(crate) use candidate::Election;
pub(crate) use hand_over::HandOver;
pub use manual::FailoverKind;
pub(crate) use manual::ManualFailover;
