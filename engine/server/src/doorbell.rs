//! How one task wakes another, on one thread: whoever rings leaves a mark and wakes the owner, who looks for
//! the mark when it is polled next. No queue and no allocation.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

#[derive(Default)]
pub(crate) struct Doorbell {
    rung: Cell<bool>,
    closed: Cell<bool>,
    owner: RefCell<Option<Waker>>,
}

/// Which of two futures was ready.
pub(crate) enum First<A, B> {
    Left(A),
    Right(B),
}

impl Doorbell {
    /// Asks the owner to look at what concerns it.
    pub fn ring(&self) {
        if !self.rung.replace(true) {
            self.wake();
        }
    }

    /// Asks the owner to end.
    pub fn close(&self) {
        self.closed.set(true);
        self.ring();
    }

    pub fn is_closed(&self) -> bool {
        self.closed.get()
    }

    /// Whether it was rung since the last call.
    pub fn answer(&self) -> bool {
        self.rung.take()
    }

    /// Makes the task that is being polled the owner.
    pub fn attend(&self, cx: &Context<'_>) {
        let mut owner = self.owner.borrow_mut();
        match &*owner {
            Some(waker) if waker.will_wake(cx.waker()) => {}
            _ => *owner = Some(cx.waker().clone()),
        }
    }

    /// Completes when it is rung.
    pub async fn heard(&self) {
        poll_fn(|cx| {
            self.attend(cx);
            if self.answer() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    /// Completes when it is closed.
    pub async fn heard_closing(&self) {
        while !self.is_closed() {
            self.heard().await;
        }
    }

    fn wake(&self) {
        if let Some(waker) = &*self.owner.borrow() {
            waker.wake_by_ref();
        }
    }
}

/// Runs both until one is ready; `left` is asked first, so that every run takes the same turn.
pub(crate) async fn first_of<A, B>(
    left: impl Future<Output = A>,
    right: impl Future<Output = B>,
) -> First<A, B> {
    let mut left = pin!(left);
    let mut right = pin!(right);
    poll_fn(|cx| {
        if let Poll::Ready(value) = left.as_mut().poll(cx) {
            return Poll::Ready(First::Left(value));
        }
        right.as_mut().poll(cx).map(First::Right)
    })
    .await
}
