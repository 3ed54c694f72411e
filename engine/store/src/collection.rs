//! What all collections have in common, so that commands can find, make and delete them alike.

use crate::db::EntryMut;
use crate::entry::{Entry, Value};

/// A data type that holds elements. `Default` is one without any.
pub trait Collection: Default {
    fn of(value: &Value) -> Option<&Self>;

    fn of_mut(value: &mut Value) -> Option<&mut Self>;

    fn into_value(self) -> Value;

    /// Whether its key is to be deleted. A type that may be empty (a stream) says no.
    fn is_empty(&self) -> bool;
}

impl Entry {
    /// The value, if it is of this type.
    #[inline]
    pub fn collection<T: Collection>(&self) -> Option<&T> {
        self.rich().and_then(T::of)
    }
}

impl EntryMut<'_> {
    /// The value, if it is of this type, to be changed in place. What it weighs is counted when the borrow ends.
    #[inline]
    pub fn collection_mut<T: Collection>(&mut self) -> Option<&mut T> {
        self.rich_mut().and_then(T::of_mut)
    }
}
