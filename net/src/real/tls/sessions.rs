//! Sessions that a client may take up again without a whole handshake: so many at most, each for so long.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;
use std::time::Duration;

use tokio_rustls::rustls::server::StoresServerSessions;

use crate::SessionCache;
use crate::real::monotonic;

#[derive(Debug)]
pub(super) struct Sessions {
    sessions_max: usize,
    lifetime: Duration,
    kept: Mutex<Kept>,
}

#[derive(Default, Debug)]
struct Kept {
    /// Each with the moment at which it is too old.
    by_key: BTreeMap<Vec<u8>, (Vec<u8>, std::time::Instant)>,
    /// The keys, oldest first; some may be gone already.
    by_age: VecDeque<Vec<u8>>,
}

impl Sessions {
    pub fn new(cache: SessionCache) -> Sessions {
        Sessions {
            sessions_max: cache.sessions_max,
            lifetime: Duration::from_secs(cache.lifetime_seconds),
            kept: Mutex::default(),
        }
    }

    /// A panic elsewhere cannot leave a map of bytes in a state that matters.
    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl StoresServerSessions for Sessions {
    fn put(&self, key: Vec<u8>, value: Vec<u8>) -> bool {
        let mut kept = self.kept();
        while kept.by_age.len() >= self.sessions_max.max(1)
            && let Some(oldest) = kept.by_age.pop_front()
        {
            kept.by_key.remove(&oldest);
        }
        kept.by_age.push_back(key.clone());
        kept.by_key.insert(key, (value, monotonic() + self.lifetime));
        true
    }

    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        let kept = self.kept();
        let (value, until) = kept.by_key.get(key)?;
        (monotonic() < *until).then(|| value.clone())
    }

    fn take(&self, key: &[u8]) -> Option<Vec<u8>> {
        let (value, until) = self.kept().by_key.remove(key)?;
        (monotonic() < until).then_some(value)
    }

    fn can_cache(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_sessions_are_forgotten_by_number_and_by_age() {
        let few = Sessions::new(SessionCache { sessions_max: 2, lifetime_seconds: 1000 });
        for key in [b"a", b"b", b"c"] {
            few.put(key.to_vec(), b"value".to_vec());
        }
        assert_eq!((few.get(b"a"), few.get(b"b")), (None, Some(b"value".to_vec())));
        assert_eq!((few.take(b"c"), few.get(b"c")), (Some(b"value".to_vec()), None));
        let brief = Sessions::new(SessionCache { sessions_max: 2, lifetime_seconds: 0 });
        brief.put(b"a".to_vec(), b"value".to_vec());
        assert_eq!((brief.get(b"a"), brief.take(b"a")), (None, None));
    }
}
