//! Steps at which a test ends this process, as a crash at the worst moment would.
//!
//! With the feature `failpoints` the environment variable `HOOKWRIGHT_FAIL_POINT=publish.committed:7` makes the process
//! send itself SIGKILL when it passes that step for the seventh time. Without the feature, which is off by default and
//! in no release, [`FailPoint::pass`] is empty and the variable means nothing.
//!
//! The steps are one list, so that a test can go through all of them, those of tomorrow included. That, and an end by
//! SIGKILL, is why this is no crate: theirs have names scattered over the code, and return, panic or sleep.

/// The environment variable that says where to end: the name of a step, a colon, and how often it is passed until then.
pub const FAIL_POINT_VARIABLE: &str = "HOOKWRIGHT_FAIL_POINT";

macro_rules! fail_points {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal, $passed:ident;)+) => {
        /// A step of a process that must be able to end there without losing anything.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum FailPoint { $($(#[doc = $doc])+ $variant,)+ }

        impl FailPoint {
            /// All of them, in the order of a delivery's life.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// As the environment variable has it: what is done, and how far that is.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// What has happened by then, and what has not.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),+).trim_ascii(),)+ }
            }

            /// How often it is passed.
            pub const fn passed(self) -> Passed {
                match self { $(Self::$variant => Passed::$passed,)+ }
            }
        }
    };
}

/// How often a step is passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passed {
    /// Again and again while there is load.
    Often,
    /// At least once by a process that begins where another one died, and has load.
    Seldom,
    /// The same, but only where several nodes can share a store: on PostgreSQL.
    SeldomAmongSeveral,
}

fail_points! {
    /// A batch of events has ids; nothing of it is in the store.
    PublishGathered = "publish.gathered", Often;
    /// The events are being stored; whether they are is not known yet.
    PublishStoring = "publish.storing", Often;
    /// The events are durable; nobody knows it, and no delivery of theirs is in memory.
    PublishCommitted = "publish.committed", Often;
    /// The first deliveries of the batch are in memory; their caller is not answered.
    PublishHandedOver = "publish.handed_over", Often;
    /// A caller of the batch is answered; others may not be.
    PublishAnswered = "publish.answered", Often;
    /// A request is signed; nothing is sent.
    AttemptRendered = "attempt.rendered", Often;
    /// The receiver has answered; only the attempt itself knows.
    AttemptAnswered = "attempt.answered", Often;
    /// The result of an attempt waits to be written.
    AttemptReported = "attempt.reported", Often;
    /// An attempt takes so long that its retry row waits to be written; it goes on.
    AttemptParked = "attempt.parked", Seldom;
    /// A batch of results is taken from the queue; nothing of it is in the store.
    FinishGathered = "finish.gathered", Often;
    /// The results are being stored; whether they are is not known yet.
    FinishStoring = "finish.storing", Often;
    /// Attempts and retry rows of failures are written; the next ones of their queues are not made due.
    FinishRescheduled = "finish.rescheduled", Often;
    /// The next one of a queue is made due, in a transaction that is not committed.
    FinishPromoted = "finish.promoted", Often;
    /// The results are durable; memory still says that they are not, and keeps the low-water mark back.
    FinishCommitted = "finish.committed", Often;
    /// The low-water mark may pass the results; nobody has looked for the retry rows.
    FinishSettled = "finish.settled", Often;
    /// Deliveries that are not the first of their queue are sent in line; the heads are not claimed.
    ClaimSentInLine = "claim.sent_in_line", Seldom;
    /// Due deliveries are claimed; no attempt has begun.
    ClaimMade = "claim.made", Often;
    /// The lease and the low-water mark are about to be written.
    LeaseRenewing = "lease.renewing", Often;
    /// The lease and the low-water mark are written; nothing else of the heartbeat is done.
    LeaseRenewed = "lease.renewed", Often;
    /// The node has a row; it has taken over nothing and holds no lanes.
    LeaseEnlisted = "lease.enlisted", Seldom;
    /// Lanes have this node as their owner; it has claimed nothing of theirs.
    LanesClaimed = "lanes.claimed", SeldomAmongSeveral;
    /// A dead node's row is deleted, in a transaction; what it held is nobody's.
    RecoverBegun = "recover.begun", Seldom;
    /// Its lanes are free, in the same transaction; its deliveries have no retry rows.
    RecoverFreed = "recover.freed", Seldom;
    /// Its deliveries have retry rows; the transaction is not committed.
    RecoverWritten = "recover.written", Seldom;
    /// The take-over is durable; nobody has looked for the retry rows.
    RecoverCommitted = "recover.committed", Seldom;
    /// This node has the replay jobs of a dead one; no step is made.
    ReplayClaimed = "replay.claimed", Seldom;
    /// Deliveries of a step of a replay have retry rows, in a transaction; its cursor is where it was.
    ReplayScheduled = "replay.scheduled", Seldom;
    /// The cursor has moved, in the same transaction; it is not committed.
    ReplayMoved = "replay.moved", Seldom;
    /// The step is durable; nobody has looked for the retry rows.
    ReplayCommitted = "replay.committed", Seldom;
    /// An operational event is published; its notice is still there to be told.
    NoticePublished = "notice.published", Seldom;
    /// The webhook's alert is written, in a transaction; the notice is still there.
    NoticeMarked = "notice.marked", Seldom;
    /// A notice is told, for good.
    NoticeTold = "notice.told", Seldom;
}

impl FailPoint {
    /// Ends the process if it is to end here.
    #[cfg(feature = "failpoints")]
    pub fn pass(self) {
        armed::pass(self);
    }

    /// Does nothing.
    #[cfg(not(feature = "failpoints"))]
    #[inline]
    pub fn pass(self) {
        let _ = self;
    }

    /// Passes this step when the operation has begun and its end is not known. With a statement: it is on its way to the
    /// server, or there.
    #[cfg(feature = "failpoints")]
    pub async fn during<T>(self, operation: impl Future<Output = T>) -> T {
        let mut operation = std::pin::pin!(operation);
        let first = std::future::poll_fn(|context| std::task::Poll::Ready(operation.as_mut().poll(context)));
        let first = first.await;
        self.pass();
        match first {
            std::task::Poll::Ready(result) => result,
            std::task::Poll::Pending => operation.await,
        }
    }

    /// Does the operation.
    #[cfg(not(feature = "failpoints"))]
    #[inline]
    pub async fn during<T>(self, operation: impl Future<Output = T>) -> T {
        operation.await
    }
}

#[cfg(feature = "failpoints")]
mod armed {
    use std::{
        sync::{
            LazyLock,
            atomic::{AtomicU32, Ordering},
        },
        thread,
    };

    use rustix::process::{Signal, getpid, kill_process};

    use super::{FAIL_POINT_VARIABLE, FailPoint};

    static ARMED: LazyLock<Option<Armed>> = LazyLock::new(|| {
        let text = std::env::var(FAIL_POINT_VARIABLE).ok()?;
        let armed = Armed::parse(&text);
        if armed.is_none() {
            // A test that believes in a crash which never comes would show nothing.
            eprintln!("{FAIL_POINT_VARIABLE}={text} is no step and number, such as publish.committed:7");
            std::process::abort();
        }
        armed
    });

    pub(super) struct Armed {
        pub(super) point: FailPoint,
        pub(super) left: AtomicU32,
    }

    impl Armed {
        pub(super) fn parse(text: &str) -> Option<Self> {
            let (name, count) = text.split_once(':')?;
            let point = FailPoint::ALL.iter().find(|point| point.name() == name)?;
            let count: u32 = count.parse().ok().filter(|count| *count > 0)?;
            Some(Self {
                point: *point,
                left: AtomicU32::new(count),
            })
        }
    }

    pub(super) fn pass(point: FailPoint) {
        if let Some(armed) = &*ARMED
            && armed.point == point
            && armed.left.fetch_sub(1, Ordering::Relaxed) == 1
        {
            die();
        }
    }

    /// No destructor runs and nothing is flushed: for everybody else it is as if the power were gone.
    fn die() -> ! {
        let _ = kill_process(getpid(), Signal::KILL);
        loop {
            thread::park();
        }
    }
}

#[cfg(all(test, feature = "failpoints"))]
mod tests {
    use std::{collections::HashSet, sync::atomic::Ordering};

    use super::{FailPoint, armed::Armed};

    #[test]
    fn names_are_those_of_one_step_each() {
        let names: HashSet<&str> = FailPoint::ALL.iter().map(|point| point.name()).collect();
        assert_eq!(names.len(), FailPoint::ALL.len());
        assert!(FailPoint::ALL.iter().all(|point| point.meaning().ends_with('.')));
    }

    #[test]
    fn a_step_and_a_number_arm_it_and_nothing_else_does() {
        for point in FailPoint::ALL {
            let armed = Armed::parse(&format!("{}:7", point.name())).unwrap();
            assert_eq!((armed.point, armed.left.load(Ordering::Relaxed)), (*point, 7));
        }
        for text in [
            "",
            "publish.committed",
            "publish.committed:0",
            "publish.committed:x",
            "nowhere:1",
        ] {
            assert!(Armed::parse(text).is_none(), "{text}");
        }
    }
}
