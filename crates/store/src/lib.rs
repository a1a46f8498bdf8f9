//! Everything that hookwright stores, and every SQL statement it uses.
//!
//! The store is a log. An event row names the webhooks it goes to and the node that accepted it; that node attempts the
//! deliveries from memory and appends what came of them. There is no delivery row: a delivery is an event and a webhook,
//! and its state follows from the rows there are.
//!
//! ```text
//!   rows                                        state
//!   attempt "delivered"                         delivered
//!   retry row                                   scheduled, or held while its webhook is stopped
//!   last attempt "dead", no retry row           dead
//!   only the event row, its node alive          leased
//!   anything else without a retry row           cancelled
//! ```
//!
//! A delivery that succeeds at once costs two appended rows and no update. Retry rows exist for what failed, found no
//! room in memory (spilled), takes long (parked), or was left by a node that died (recovered).
//!
//! [`Store`] is configuration, reads and retention; [`Node`] is a living process on it: leases, group-committed publishing,
//! claims and results. PostgreSQL and SQLite keep the same rules, proved by one suite that runs against both.

mod access;
mod alert;
mod attempt;
mod clock;
mod connection;
mod delivery;
mod engine;
mod error;
mod event;
mod event_type;
mod fail_point;
mod hold;
mod id;
mod journal;
pub mod node;
mod operations;
mod ordering;
mod page;
mod postgres;
mod registration;
mod replay;
mod retry;
mod sealing;
mod secrets;
#[cfg(feature = "simulation")]
pub mod simulation;
mod sqlite;
mod stats;
mod stop;
mod store;
mod webhook;

pub use self::{
    access::{
        AccessChanges, AccessCursor, Actor, AuditEntry, KEYS_MAX, Key, KeyCreation, KeyHash, KeyText, NewKey,
        Quotas, Scope, Scopes, Tenant, TenantDeletion,
    },
    alert::{Digest, News, Notice, REASON_OWNER, Recovery, Standing, StandingState, state_of},
    attempt::{Attempt, AttemptEnd, End, Finish, Next, Origin, Outcome, Verdict},
    clock::{Clock, Timestamp},
    connection::{
        Authentication, ClientCertificate, ConnectionSettings, DeliveryMethod, Sensitive, TlsSettings,
    },
    delivery::{Delivery, DeliveryDetail, DeliveryState, LastAttempt},
    error::{PublishError, StoreError},
    event::{Accepted, Destination, Event, NewEvent, Published, Slot},
    event_type::{Catalogue, EventType, ImportOutcome},
    fail_point::{FAIL_POINT_VARIABLE, FailPoint, Passed},
    hold::HoldPolicy,
    id::{AuditId, DeliveryId, EventId, IdError, Incarnation, KeyId, Lane, ReplayId, TenantId, WebhookId},
    journal::{AttemptMade, Change, Place, PlaceError, Stretch},
    node::{Finisher, Heartbeat, Node, NodeOptions, Publisher},
    ordering::Ordering,
    page::{Page, PageSize},
    registration::{Registration, RegistrationKey},
    replay::{
        Cancelled, CountedFrom, NewReplay, Replay, ReplayFilter, ReplayFrom, ReplayState, ReplayStep,
        Replayed,
    },
    retry::{Due, Upcoming, Want},
    sealing::{EncryptionKeys, KeyError, Resealed},
    secrets::{Rotated, SECRETS_MAX},
    stats::{Counts, Granularity, Histogram},
    stop::{DisabledReason, Stop, StopCause},
    store::{DeliveryFilter, Retention, Store, StoreAddress, TenantWebhooks},
    webhook::{
        CustomHeaders, FailingWebhook, Handshake, HandshakeProtocol, HoldLimits, RateLimit, Removal,
        RetryLimits, SigningWebhook, Webhook, WebhookSettings,
    },
};
