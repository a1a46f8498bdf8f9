//! What waits for one webhook, and whether the next of it may start.

use std::{collections::VecDeque, sync::Arc};

use hookwright_store::{TenantId, Timestamp};

use super::{
    attempt::Job,
    fair::Class,
    flow::{Flow, Gauge, Readiness},
};

/// The queue of a webhook.
#[derive(Debug)]
pub(super) struct Queue {
    pub(super) tenant: TenantId,
    pub(super) flow: Flow,
    pub(super) gauge: Arc<Gauge>,
    waiting: [VecDeque<Job>; 2],
    in_flight: [usize; 2],
    /// Whether it is in the ring of each class.
    pub(super) in_turns: [bool; 2],
    last: Class,
    /// When it is to be looked at again.
    pub(super) alarm: Option<Timestamp>,
    /// Whether its failing is written down.
    pub(super) is_noted: bool,
    pub(super) idle_since: Option<Timestamp>,
}

impl Queue {
    pub(super) fn new(tenant: TenantId, flow: Flow, gauge: Arc<Gauge>) -> Self {
        Self {
            tenant,
            flow,
            gauge,
            waiting: [VecDeque::new(), VecDeque::new()],
            in_flight: [0; 2],
            in_turns: [false; 2],
            last: Class::Stored,
            alarm: None,
            is_noted: false,
            idle_since: None,
        }
    }

    pub(super) fn push(&mut self, job: Job) {
        self.waiting[Class::of(job.origin) as usize].push_back(job);
    }

    pub(super) fn waits(&self, class: Class) -> bool {
        !self.waiting[class as usize].is_empty()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.iter().all(VecDeque::is_empty)
    }

    /// Places that it holds.
    pub(super) fn held(&self) -> usize {
        self.in_flight.iter().sum()
    }

    /// Whether this class may have another place in the window. While both classes wait each has its share, and where
    /// attempts are made one by one they take turns.
    pub(super) fn permits(&self, class: Class) -> bool {
        if !self.waits(class.other()) {
            return true;
        }
        match self.flow.window() as usize {
            1 => self.last != class,
            _ if self.flow.is_rated() => self.last != class,
            window => self.in_flight[class as usize] < class.share_of(window),
        }
    }

    pub(super) fn readiness(&mut self, now: Timestamp) -> Readiness {
        self.flow.readiness(now)
    }

    /// The next job of a class, which is to be started.
    pub(super) fn pop(&mut self, class: Class) -> Option<Job> {
        let job = self.waiting[class as usize].pop_front()?;
        self.left(class);
        self.in_flight[class as usize] += 1;
        self.last = class;
        Some(job)
    }

    /// A started job has ended.
    pub(super) fn ended(&mut self, class: Class) {
        let in_flight = &mut self.in_flight[class as usize];
        *in_flight = in_flight.saturating_sub(1);
    }

    /// Everything that waits, to be given back.
    pub(super) fn drain(&mut self) -> Vec<Job> {
        let mut jobs = Vec::new();
        for class in Class::ALL {
            while let Some(job) = self.waiting[class as usize].pop_front() {
                self.left(class);
                jobs.push(job);
            }
        }
        jobs
    }

    /// The fresh jobs at the front that have waited for too long.
    pub(super) fn drain_fresh_while(&mut self, is_overdue: impl Fn(&Job) -> bool) -> Vec<Job> {
        let fresh = &mut self.waiting[Class::Fresh as usize];
        let count = fresh.iter().take_while(|job| is_overdue(job)).count();
        fresh.drain(..count).collect()
    }

    fn left(&self, class: Class) {
        if class == Class::Stored {
            self.gauge.unclaimed();
        }
    }
}
