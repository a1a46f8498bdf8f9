//! Bodies whose bytes are counted.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tonic::Status;

use super::{activity::Call, refusal::Refusal};

/// Bytes of all bodies under way.
#[derive(Debug)]
pub(super) struct Budget {
    used: AtomicUsize,
    max: usize,
}

impl Budget {
    pub(super) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self {
            used: AtomicUsize::new(0),
            max,
        })
    }

    fn take(&self, bytes: usize) -> bool {
        if self.used.fetch_add(bytes, Ordering::Relaxed) + bytes > self.max {
            self.used.fetch_sub(bytes, Ordering::Relaxed);
            return false;
        }
        true
    }
}

/// What is known of a body while its request is answered. Its bytes are given back when this is dropped, not when they
/// are read: then they are somewhere else in memory.
#[derive(Debug)]
pub(super) struct Meter {
    budget: Arc<Budget>,
    taken: AtomicUsize,
    is_complete: AtomicBool,
    is_refused: AtomicBool,
}

impl Meter {
    pub(super) fn new(budget: &Arc<Budget>, body: &Incoming) -> Arc<Self> {
        Arc::new(Self {
            budget: Arc::clone(budget),
            taken: AtomicUsize::new(0),
            is_complete: AtomicBool::new(body.is_end_stream()),
            is_refused: AtomicBool::new(false),
        })
    }

    /// Whether all of it has come.
    pub(super) fn is_complete(&self) -> bool {
        self.is_complete.load(Ordering::Relaxed)
    }

    /// Whether there was no memory for it.
    pub(super) fn is_refused(&self) -> bool {
        self.is_refused.load(Ordering::Relaxed)
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        self.budget
            .used
            .fetch_sub(self.taken.load(Ordering::Relaxed), Ordering::Relaxed);
    }
}

/// The body of a request.
#[derive(Debug)]
pub(super) struct MeteredBody {
    body: Incoming,
    meter: Arc<Meter>,
}

impl MeteredBody {
    pub(super) fn new(body: Incoming, meter: Arc<Meter>) -> Self {
        Self { body, meter }
    }
}

impl Body for MeteredBody {
    type Data = Bytes;
    type Error = tonic::codegen::StdError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let frame = match ready!(Pin::new(&mut self.body).poll_frame(context)) {
            None => {
                self.meter.is_complete.store(true, Ordering::Relaxed);
                return Poll::Ready(None);
            }
            Some(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
            Some(Ok(frame)) => frame,
        };
        let bytes = frame.data_ref().map_or(0, Bytes::len);
        if !self.meter.budget.take(bytes) {
            self.meter.is_refused.store(true, Ordering::Relaxed);
            let status: Status = Refusal::Overloaded.status();
            return Poll::Ready(Some(Err(status.into())));
        }
        self.meter.taken.fetch_add(bytes, Ordering::Relaxed);
        if self.body.is_end_stream() {
            self.meter.is_complete.store(true, Ordering::Relaxed);
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The body of an answer. Its call lasts as long as it.
#[derive(Debug)]
pub(super) struct AnswerBody {
    body: axum::body::Body,
    _call: Call,
}

impl AnswerBody {
    pub(super) fn new(body: axum::body::Body, call: Call) -> Self {
        Self { body, _call: call }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_never_exceeded_and_what_was_refused_is_not_counted() {
        let budget = Budget::new(10);
        assert!(budget.take(6));
        assert!(!budget.take(5));
        assert!(budget.take(4));
        assert!(!budget.take(1));
        assert_eq!(budget.used.load(Ordering::Relaxed), 10);
    }
}
