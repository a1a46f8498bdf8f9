//! What happens on a connection, and whether that is enough to keep it.
//!
//! The HTTP libraries know about good clients. Of those that say nothing, or a byte at a time, or never listen, they leave
//! some to us: the bytes before the version is known, a second request that never comes, an answer that nobody reads.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

use super::limits::ListenerLimits;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// The preface and the head of the settings that must follow it.
const OPENING_BYTES: usize = PREFACE.len() + 9;
/// How long a connection that was asked to end may take to.
const FAREWELL: Duration = Duration::from_secs(5);

/// What happens on a connection. Times are milliseconds since it began, plus one: zero is "not".
///
/// The task of the connection writes and judges; calls, which have tasks of their own, tell only that they begin and end.
#[derive(Debug)]
pub(super) struct Activity {
    began: Instant,
    /// How far the opening is known, and what it is.
    opening: AtomicUsize,
    calls: AtomicUsize,
    idle_since: AtomicU64,
    /// A head that has begun and is not complete.
    head_since: AtomicU64,
    stalled_since: AtomicU64,
    farewell_since: AtomicU64,
}

/// Values of `opening` beyond counts of bytes that fit the preface so far.
const IS_HTTP1: usize = usize::MAX;
const IS_HTTP2: usize = usize::MAX - 1;

/// What to do with a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Look again in a while.
    Keep(Duration),
    /// Let it end in order.
    Farewell,
    /// Hang up.
    Close(Cause),
}

/// Why a connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    SlowHead,
    Unread,
    Idle,
}

impl Activity {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            began: Instant::now(),
            opening: AtomicUsize::new(0),
            calls: AtomicUsize::new(0),
            idle_since: AtomicU64::new(1),
            head_since: AtomicU64::new(1),
            stalled_since: AtomicU64::new(0),
            farewell_since: AtomicU64::new(0),
        })
    }

    /// Bytes came.
    pub(super) fn received(&self, bytes: &[u8]) {
        match self.opening.load(Ordering::Relaxed) {
            // Once it is open, HTTP/2 says when a client is gone: by a ping.
            IS_HTTP2 => {}
            IS_HTTP1 => self.head_has_begun(),
            known => {
                let next = opening_after(known, bytes);
                self.opening.store(next, Ordering::Relaxed);
                if next == IS_HTTP2 {
                    self.head_since.store(0, Ordering::Relaxed);
                }
            }
        }
    }

    fn head_has_begun(&self) {
        if self.calls.load(Ordering::Relaxed) == 0 && self.head_since.load(Ordering::Relaxed) == 0 {
            self.head_since.store(self.now(), Ordering::Relaxed);
        }
    }

    /// Bytes could be written, or not.
    pub(super) fn wrote(&self, is_taken: bool) {
        let since = self.stalled_since.load(Ordering::Relaxed);
        if is_taken && since != 0 {
            self.stalled_since.store(0, Ordering::Relaxed);
        } else if !is_taken && since == 0 {
            self.stalled_since.store(self.now(), Ordering::Relaxed);
        }
    }

    /// A call begins; it ends when what is returned is dropped.
    pub(super) fn call(self: &Arc<Self>) -> Call {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.head_since.store(0, Ordering::Relaxed);
        Call(Arc::clone(self))
    }

    pub(super) fn farewell(&self) {
        self.farewell_since.store(self.now(), Ordering::Relaxed);
    }

    pub(super) fn judge(&self, limits: &ListenerLimits) -> Verdict {
        let now = self.now();
        let is_over = |since: &AtomicU64, limit: Duration| match since.load(Ordering::Relaxed) {
            0 => false,
            since => Duration::from_millis(now.saturating_sub(since)) >= limit,
        };
        if is_over(&self.head_since, limits.header_timeout) {
            return Verdict::Close(Cause::SlowHead);
        }
        if is_over(&self.stalled_since, limits.write_timeout) {
            return Verdict::Close(Cause::Unread);
        }
        if self.calls.load(Ordering::Relaxed) == 0 {
            if is_over(&self.farewell_since, FAREWELL) {
                return Verdict::Close(Cause::Idle);
            }
            if self.farewell_since.load(Ordering::Relaxed) == 0
                && is_over(&self.idle_since, limits.idle_timeout)
            {
                return Verdict::Farewell;
            }
        }
        // What begins now is over by then at the earliest; what began meanwhile is found out a little late.
        let shortest = limits.header_timeout.min(limits.write_timeout);
        Verdict::Keep(shortest.min(limits.idle_timeout).max(Duration::from_millis(10)))
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX - 1) + 1
    }
}

/// A call under way: from its head until the last byte of its answer is handed over.
#[derive(Debug)]
pub(super) struct Call(Arc<Activity>);

impl Drop for Call {
    fn drop(&mut self) {
        // Before it is counted out, so that no judge sees an old time.
        self.0.idle_since.store(self.0.now(), Ordering::Relaxed);
        self.0.calls.fetch_sub(1, Ordering::Release);
    }
}

/// Tells the versions apart as the HTTP library does: by the first byte that is not of the preface.
fn opening_after(known: usize, bytes: &[u8]) -> usize {
    let expected = PREFACE.get(known..).unwrap_or_default();
    let compared = expected.len().min(bytes.len());
    if expected[..compared] != bytes[..compared] {
        return IS_HTTP1;
    }
    match known + bytes.len() {
        far if far >= OPENING_BYTES => IS_HTTP2,
        known => known,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> ListenerLimits {
        ListenerLimits {
            header_timeout: Duration::from_secs(10),
            write_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(100),
            ..ListenerLimits::default()
        }
    }

    async fn after(seconds: u64) {
        tokio::time::advance(Duration::from_secs(seconds)).await;
    }

    /// A connection that says nothing, or not enough, would be held for ever.
    #[tokio::test(start_paused = true)]
    async fn an_opening_has_to_come_in_time() {
        let settings = [PREFACE, b"\0\0\0\x04\0\0\0\0\0"].concat();
        for (said, is_enough) in [
            (&b""[..], false),
            (b"P", false),
            (b"GET / HTTP/1.1\r\nHost: a long name that goes on and on", false),
            (PREFACE, false),
            (&settings, true),
        ] {
            let activity = Activity::new();
            for byte in said {
                activity.received(&[*byte]);
            }
            after(9).await;
            assert!(matches!(activity.judge(&limits()), Verdict::Keep(_)), "{said:?}");
            after(1).await;
            let closed = activity.judge(&limits()) == Verdict::Close(Cause::SlowHead);
            assert_eq!(closed, !is_enough, "{said:?}");
        }
    }

    /// The second request of a connection could come a byte at a time.
    #[tokio::test(start_paused = true)]
    async fn the_next_head_has_to_come_in_time() {
        let activity = Activity::new();
        activity.received(b"GET / HTTP/1.1\r\n\r\n");
        drop(activity.call());
        after(60).await;
        assert!(matches!(activity.judge(&limits()), Verdict::Keep(_)));
        activity.received(b"G");
        after(5).await;
        activity.received(b"E");
        after(5).await;
        assert_eq!(activity.judge(&limits()), Verdict::Close(Cause::SlowHead));
    }

    /// Streams without events would be cut, or idle connections kept.
    #[tokio::test(start_paused = true)]
    async fn only_connections_without_calls_are_idle() {
        let activity = Activity::new();
        activity.received(&[PREFACE, &[0; 9]].concat());
        let call = activity.call();
        after(1_000).await;
        assert!(matches!(activity.judge(&limits()), Verdict::Keep(_)));
        drop(call);
        after(99).await;
        assert!(matches!(activity.judge(&limits()), Verdict::Keep(_)));
        after(1).await;
        assert_eq!(activity.judge(&limits()), Verdict::Farewell);
        activity.farewell();
        assert!(matches!(activity.judge(&limits()), Verdict::Keep(_)));
        after(5).await;
        assert_eq!(activity.judge(&limits()), Verdict::Close(Cause::Idle));
    }

    /// A client that never reads would keep its answers in memory.
    #[tokio::test(start_paused = true)]
    async fn what_is_written_has_to_be_taken() {
        let activity = Activity::new();
        let _call = activity.call();
        activity.wrote(false);
        after(20).await;
        activity.wrote(true);
        activity.wrote(false);
        after(20).await;
        activity.wrote(false);
        assert!(matches!(activity.judge(&limits()), Verdict::Keep(_)));
        after(10).await;
        assert_eq!(activity.judge(&limits()), Verdict::Close(Cause::Unread));
    }
}
