//! Work on several threads: items are taken in order, results come as they are ready, and memory holds no more
//! than what is under way. Each run is a world of its own on a thread of its own, so nothing is shared.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, PoisonError};

/// Asks everyone to stop after what they are doing now.
#[derive(Clone, Default, Debug)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    pub fn ask(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// For who can only set a flag.
    pub fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.0)
    }
}

/// Applies `work` to all items on `jobs` threads and hands each result to `take`, on the calling thread.
pub fn each<I, R>(
    jobs: usize,
    items: impl Iterator<Item = I> + Send,
    stop: &Stop,
    work: impl Fn(I) -> R + Sync,
    mut take: impl FnMut(R),
) where
    R: Send,
{
    let items = Mutex::new(items);
    let next = || items.lock().unwrap_or_else(PoisonError::into_inner).next();
    let (results, inbox) = sync_channel(jobs.max(1));
    std::thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            let (results, next, work) = (results.clone(), &next, &work);
            scope.spawn(move || {
                while !stop.is_asked()
                    && let Some(item) = next()
                {
                    if results.send(work(item)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(results);
        inbox.into_iter().for_each(&mut take);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_items_are_worked_on_once_and_a_stop_is_heard() {
        let mut squares = Vec::new();
        each(3, 0..100_u64, &Stop::default(), |n| n * n, |square| squares.push(square));
        squares.sort_unstable();
        assert_eq!(squares, (0..100).map(|n| n * n).collect::<Vec<_>>());
        let (stop, mut taken) = (Stop::default(), 0);
        each(
            2,
            0..,
            &stop,
            |n: u64| n,
            |n| {
                taken += 1;
                if n > 10 {
                    stop.ask();
                }
            },
        );
        assert!((11..40).contains(&taken), "{taken}");
    }
}
