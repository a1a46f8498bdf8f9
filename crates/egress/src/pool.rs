//! Connections that wait for the next request.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http2::SendRequest;
use tokio::time::Instant;

use crate::{connector::LateRefusal, http1::Http1};

/// Idle connections kept per receiver for as long as that.
const IDLE_PER_ORIGIN: usize = 64;
/// And as many more of a burst, for the next one a moment later: to connect anew costs both sides more than a request.
const SURPLUS_PER_ORIGIN: usize = 448;
/// Shorter than the keep-alive of common servers, so that a connection is rarely closed under a request.
const IDLE_TIMEOUT: Duration = Duration::from_secs(50);
/// How long those of a burst wait for another one.
const SURPLUS_TIMEOUT: Duration = Duration::from_secs(5);
/// How long what a receiver has closed is kept open on our side.
const SWEEP_EVERY: Duration = Duration::from_secs(5);
/// How long a receiver has to take note of our good-bye.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// A connection, with what was said on it after its handshake.
#[derive(Debug)]
pub(crate) struct Pooled<C> {
    pub(crate) connection: C,
    pub(crate) refusal: LateRefusal,
}

/// One that any number of requests share. A task of its own does its work, and ends when nobody has it any more.
pub(crate) type Http2 = SendRequest<Full<Bytes>>;

/// The idle connections to all receivers, by origin (`https://example.com:8443`). Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pool(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    origins: HashMap<Box<str>, Origin>,
    is_swept: bool,
}

#[derive(Debug, Default)]
struct Origin {
    /// The one that was used last comes last, and is used first.
    http1: Vec<(Instant, Pooled<Box<Http1>>)>,
    http2: Option<(Instant, Pooled<Http2>)>,
}

impl Pool {
    /// The open HTTP/2 connection to this origin.
    pub(crate) fn http2(&self, origin: &str) -> Option<Pooled<Http2>> {
        let mut state = self.lock();
        let (used_at, pooled) = state.origins.get_mut(origin)?.http2.as_mut()?;
        if pooled.connection.is_closed() {
            return None;
        }
        *used_at = Instant::now();
        Some(Pooled {
            connection: pooled.connection.clone(),
            refusal: pooled.refusal.clone(),
        })
    }

    /// Shares a new HTTP/2 connection, unless somebody was faster: then that one is returned.
    pub(crate) fn share_http2(&self, origin: &str, new: Pooled<Http2>) -> Pooled<Http2> {
        if let Some(first) = self.http2(origin) {
            return first;
        }
        let shared = Pooled {
            connection: new.connection.clone(),
            refusal: new.refusal.clone(),
        };
        self.change(origin, |known| known.http2 = Some((Instant::now(), shared)));
        new
    }

    /// An idle HTTP/1 connection to this origin, for one exchange.
    pub(crate) fn take_http1(&self, origin: &str) -> Option<Pooled<Box<Http1>>> {
        loop {
            let (_, mut pooled) = self.lock().origins.get_mut(origin)?.http1.pop()?;
            if pooled.connection.is_alive() {
                return Some(pooled);
            }
        }
    }

    /// Takes a connection back after an exchange, if another request can follow.
    pub(crate) fn put_http1(&self, origin: &str, mut pooled: Pooled<Box<Http1>>) {
        if pooled.connection.is_alive() {
            self.change(origin, |known| {
                if known.http1.len() < IDLE_PER_ORIGIN + SURPLUS_PER_ORIGIN {
                    known.http1.push((Instant::now(), pooled));
                }
            });
        }
    }

    fn change(&self, origin: &str, change: impl FnOnce(&mut Origin)) {
        let mut state = self.lock();
        match state.origins.get_mut(origin) {
            Some(known) => change(known),
            None => change(state.origins.entry(origin.into()).or_default()),
        }
        if !state.is_swept {
            state.is_swept = true;
            tokio::spawn(sweep(Arc::downgrade(&self.0)));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.0)
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Closes what is idle for too long or was closed by its receiver, for as long as there is anything.
async fn sweep(pool: Weak<Mutex<State>>) {
    let mut goes_on = true;
    while goes_on {
        tokio::time::sleep(SWEEP_EVERY).await;
        let Some(pool) = pool.upgrade() else { return };
        let expired;
        (expired, goes_on) = lock(&pool).remove_expired(Instant::now());
        for pooled in expired {
            tokio::spawn(tokio::time::timeout(CLOSE_TIMEOUT, pooled.connection.close()));
        }
    }
}

impl State {
    /// Returns what is open still and should not be, and whether anything is left.
    fn remove_expired(&mut self, now: Instant) -> (Vec<Pooled<Box<Http1>>>, bool) {
        let idle_for = |since: Instant| now.saturating_duration_since(since);
        let is_fresh = |since: Instant| idle_for(since) < IDLE_TIMEOUT;
        let mut expired = Vec::new();
        self.origins.retain(|_, origin| {
            let surplus = origin.http1.len().saturating_sub(IDLE_PER_ORIGIN);
            let stale = origin.http1.partition_point(|(since, _)| !is_fresh(*since));
            let unused =
                origin.http1[..surplus].partition_point(|(since, _)| idle_for(*since) >= SURPLUS_TIMEOUT);
            let closing = origin.http1.drain(..stale.max(unused));
            expired.extend(closing.map(|(_, pooled)| pooled));
            origin
                .http1
                .retain_mut(|(_, pooled)| pooled.connection.is_alive());
            origin
                .http2
                .take_if(|(used_at, pooled)| !is_fresh(*used_at) || pooled.connection.is_closed());
            !origin.http1.is_empty() || origin.http2.is_some()
        });
        self.is_swept = !self.origins.is_empty();
        (expired, self.is_swept)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::DuplexStream;

    use super::*;
    use crate::connector::Stream;

    const ORIGIN: &str = "https://example.com";

    /// A connection, and its other side.
    async fn open() -> (Pooled<Box<Http1>>, DuplexStream) {
        let (ours, theirs) = tokio::io::duplex(1_024);
        let stream = Stream::plain(ours, false);
        let refusal = stream.refusal();
        let connection = Box::new(Http1::open(stream).await.unwrap());
        (Pooled { connection, refusal }, theirs)
    }

    #[tokio::test]
    async fn connections_wait_for_a_while_and_those_of_a_burst_for_a_moment() {
        let pool = Pool::default();
        let mut receivers = Vec::new();
        for _ in 0..IDLE_PER_ORIGIN + SURPLUS_PER_ORIGIN + 6 {
            let (connection, receiver) = open().await;
            pool.put_http1(ORIGIN, connection);
            receivers.push(receiver);
        }
        let now = Instant::now();
        let expired_at = |idle_for| {
            let (expired, goes_on) = pool.lock().remove_expired(now + idle_for);
            (expired.len(), goes_on)
        };
        assert_eq!(expired_at(Duration::ZERO), (0, true));
        assert_eq!(expired_at(SURPLUS_TIMEOUT), (SURPLUS_PER_ORIGIN, true));
        assert_eq!(expired_at(IDLE_TIMEOUT), (IDLE_PER_ORIGIN, false));
        assert!(pool.take_http1(ORIGIN).is_none());
    }

    #[tokio::test]
    async fn what_its_receiver_has_closed_is_let_go() {
        let pool = Pool::default();
        let (connection, receiver) = open().await;
        let (closed, gone) = open().await;
        pool.put_http1(ORIGIN, connection);
        pool.put_http1(ORIGIN, closed);
        drop(gone);
        pool.lock().remove_expired(Instant::now());
        assert_eq!(pool.lock().origins[ORIGIN].http1.len(), 1);
        drop(receiver);
        assert!(pool.take_http1(ORIGIN).is_none());
    }
}
