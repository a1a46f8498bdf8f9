//! A name server in the hands of an attacker.

use std::{
    collections::VecDeque,
    future::{pending, ready},
    io,
    net::IpAddr,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use hookwright_server::{Resolve, Resolving};

/// Gives the prepared answers, one after the other, and the last one again and again.
#[derive(Debug)]
pub(crate) struct Scripted {
    answers: Mutex<VecDeque<Reply>>,
    lookups: AtomicUsize,
}

/// What is answered.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    Addresses(Vec<IpAddr>),
    /// There is no such name.
    Unknown,
    /// Nothing, ever.
    Silence,
}

impl Scripted {
    pub(crate) fn new(answers: impl IntoIterator<Item = Reply>) -> Self {
        Self {
            answers: Mutex::new(answers.into_iter().collect()),
            lookups: AtomicUsize::new(0),
        }
    }

    /// From now on.
    pub(crate) fn answer(&self, reply: Reply) {
        *self.answers.lock().unwrap() = [reply].into();
    }

    pub(crate) fn lookups(&self) -> usize {
        self.lookups.load(Ordering::Relaxed)
    }
}

impl Resolve for Scripted {
    fn resolve(&self, _: &str) -> Resolving {
        self.lookups.fetch_add(1, Ordering::Relaxed);
        let mut answers = self.answers.lock().unwrap();
        let reply = if answers.len() > 1 {
            answers.pop_front()
        } else {
            answers.front().cloned()
        };
        match reply.unwrap() {
            Reply::Addresses(addresses) => Box::pin(ready(Ok(addresses))),
            Reply::Unknown => Box::pin(ready(Err(io::Error::other("no such name")))),
            Reply::Silence => Box::pin(pending()),
        }
    }
}

pub(crate) fn to(addresses: &[&str]) -> Reply {
    Reply::Addresses(addresses.iter().map(|address| address.parse().unwrap()).collect())
}
