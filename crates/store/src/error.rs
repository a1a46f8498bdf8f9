//! What can go wrong in the store, by whose fault it is.

/// A store operation that did not happen.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The database could not be reached or answered with an error. Trying again may help.
    #[error("the database did not answer as it should: {0}")]
    Database(#[from] sqlx::Error),
    /// The schema could not be brought up to date.
    #[error("the database schema could not be migrated: {0}")]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// The store's address cannot be used.
    #[error("cannot use the store at {url}: {problem}")]
    Address {
        /// The address, without a password.
        url: String,
        /// What is wrong with it, and what to do.
        problem: String,
    },
    /// A stored row does not fit this version of the program.
    #[error("{table} row {row} does not fit this version of hookwright: {problem}")]
    Inconsistent {
        /// The table.
        table: &'static str,
        /// Which row.
        row: String,
        /// Why not.
        problem: String,
    },
    /// A key is needed that was not given.
    #[error(
        "secrets in the store are sealed with encryption key {id:?}, which is not given; add it with \
         --encryption-key-file or HOOKWRIGHT_ENCRYPTION_KEYS"
    )]
    UnknownEncryptionKey {
        /// The id of the key.
        id: String,
    },
    /// This node's lease was taken away; another node has its deliveries.
    #[error("this node's lease ended and its deliveries were taken over")]
    Fenced,
    /// The node is shutting down or has stopped.
    #[error("the node has stopped")]
    Stopped,
}

/// Why an event was not accepted. Nothing was stored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// The tenant's webhooks changed since the destinations were chosen: choose again.
    #[error("the webhooks changed meanwhile")]
    StaleWebhooks,
    /// The idempotency key was used before, for another type or payload.
    #[error("the idempotency key was used for another event, {0}")]
    KeyReused(crate::EventId),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
