//! Fields that expire.

use super::{Fields, Form, Hash, Timed};
use crate::limits::Limits;
use crate::packed::{Item, Packed};
use crate::zset::ZSet;
use squall_clock::UnixMs;

/// No field expires later: a sorted set's scores hold such numbers exactly, and so does the form in RDB.
pub const FIELD_EXPIRY_MAX: UnixMs = UnixMs((1 << 48) - 2);

impl Hash {
    /// When a field expires, if it ever does.
    pub fn expiry(&self, field: &[u8]) -> Option<UnixMs> {
        self.times()?.score(field).map(|at| UnixMs(at as u64))
    }

    /// Whether a field is there for somebody who looks at this time.
    pub fn is_live(&self, field: &[u8], now: UnixMs) -> bool {
        self.expiry(field).is_none_or(|at| at > now)
    }

    /// The value of a field for somebody who looks at this time.
    pub fn get_at(&self, field: &[u8], now: UnixMs) -> Option<Item<'_>> {
        self.get(field).filter(|_| self.times().is_none() || self.is_live(field, now))
    }

    /// Fields and values for somebody who looks at this time.
    pub fn iter_at(&self, now: UnixMs) -> impl Iterator<Item = (Item<'_>, Item<'_>)> {
        let due = self.next_expiry().is_some_and(|at| at <= now);
        self.iter().filter(move |(field, _)| !due || self.is_live(&field.to_vec(), now))
    }

    /// Says when a field that is there expires, or that it does not.
    pub fn set_expiry(&mut self, field: &[u8], at: Option<UnixMs>, limits: &Limits) {
        assert!(at.is_none_or(|at| at <= FIELD_EXPIRY_MAX), "the caller has seen to the range");
        match (at, self.times_mut()) {
            (Some(at), Some(times)) => drop(times.insert(field, at.0 as f64, limits)),
            (Some(at), None) => {
                let mut times = ZSet::default();
                times.insert(field, at.0 as f64, limits);
                let fields = std::mem::replace(self.fields_mut(), Fields::Packed(Packed::empty()));
                self.form = Form::Timed(Box::new(Timed { fields, times }));
            }
            (None, Some(times)) => drop(times.remove(field)),
            (None, None) => {}
        }
    }

    /// When the first field expires, if any does.
    pub fn next_expiry(&self) -> Option<UnixMs> {
        let (_, at) = self.times()?.iter().next()?;
        Some(UnixMs(at as u64))
    }

    /// Removes up to `count` fields whose time has come, and gives their names.
    pub fn take_expired(&mut self, now: UnixMs, count: usize) -> Vec<Vec<u8>> {
        let Some(times) = self.times() else { return Vec::new() };
        let due = times.iter().take(count).take_while(|(_, at)| *at as u64 <= now.0);
        let fields: Vec<Vec<u8>> = due.map(|(field, _)| field.to_vec()).collect();
        for field in &fields {
            self.remove(field);
        }
        fields
    }
}
