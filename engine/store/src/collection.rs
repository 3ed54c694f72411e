//! What all collections have in common, so that commands can find, make and delete them alike.

use crate::entry::{Entry, Value};
use squall_clock::UnixMs;

/// A data type that holds elements. `Default` is one without any.
pub trait Collection: Default {
    fn of(value: &Value) -> Option<&Self>;

    fn of_mut(value: &mut Value) -> Option<&mut Self>;

    fn into_value(self) -> Value;

    /// Whether its key is to be deleted. A type that may be empty (a stream) says no.
    fn is_empty(&self) -> bool;

    /// How many bytes it holds on the heap, apart from itself.
    fn heap_bytes(&self) -> usize;

    /// When the first of its elements expires, if any does.
    fn next_expiry(&self) -> Option<UnixMs> {
        None
    }
}

impl Entry {
    /// The value, if it is of this type.
    #[inline]
    pub fn collection<T: Collection>(&self) -> Option<&T> {
        self.rich().and_then(T::of)
    }
}
