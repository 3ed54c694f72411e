//! What the protocol promises, through its public functions.

mod replies;
mod requests;
