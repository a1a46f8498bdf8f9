//! The gRPC API: one file per RPC, each reads "validate, do, answer".

mod access_error;
mod alert;
mod cancel_delivery;
mod cancel_replay;
mod clauses;
mod connection;
mod convert;
mod create_replay;
mod delete_webhook;
mod dry_run_publish;
mod error;
mod event_types;
mod flow;
mod get_delivery;
mod get_replay;
mod get_stats;
mod get_webhook;
mod handshake;
mod keys;
mod list_audit_entries;
mod list_deliveries;
mod list_replays;
mod list_webhooks;
mod ordering;
mod page_token;
mod policies;
mod publish;
mod publish_stream;
mod register;
mod replay_delivery;
mod rotate_secret;
mod sealed;
mod send_test;
mod settings;
mod status;
mod tenants;
mod update_webhook;
mod validate;
mod verify;
mod verify_rate;
mod watch_cursor;
mod watch_deliveries;
mod webhook_state;

use std::{fmt, num::NonZeroU32, sync::Arc};

use hookwright_egress::Egress;
use hookwright_proto::v1::{self, webhook_service_server::WebhookService};
use hookwright_store::Store;
use tokio::sync::Semaphore;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::{Request, Response, Status, Streaming};

use self::verify_rate::VerifyRate;
pub(crate) use self::{
    handshake::Handshaker,
    status::{DOMAIN, RETRY_DELAY},
};
use crate::{
    access::{Caller, Keyring, caller_of},
    catalogue::Catalogues,
    directory::Directory,
    engine::Intake,
    watch::Watches,
};

/// The service behind `hookwright.v1.WebhookService`.
pub(crate) struct Service {
    store: Store,
    keyring: Keyring,
    intake: Intake,
    directory: Arc<Directory>,
    catalogues: Catalogues,
    egress: Egress,
    handshaker: Handshaker,
    watches: Watches,
    limits: Limits,
    verify_rate: VerifyRate,
    /// Memory for the events of all streams, in KiB.
    streamed: Arc<Semaphore>,
    calls: TaskTracker,
    /// Ends streams, which would otherwise last as long as their callers like.
    stop: CancellationToken,
}

/// The service, for calls that share it with streams, which outlive their call.
#[derive(Clone, Debug)]
pub(crate) struct SharedService(Arc<Service>);

/// How much is accepted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Largest payload of an event.
    pub(crate) payload_bytes: usize,
    /// Largest body that is verified.
    pub(crate) verify_bytes: usize,
    /// Requests that are verified in a second.
    pub(crate) verify_per_second: Option<NonZeroU32>,
}

impl Service {
    #[expect(clippy::too_many_arguments, reason = "a service is made of many things, once")]
    pub(crate) fn new(
        keyring: Keyring,
        intake: Intake,
        directory: Arc<Directory>,
        egress: Egress,
        handshaker: Handshaker,
        watches: Watches,
        limits: Limits,
        stop: CancellationToken,
    ) -> Self {
        let store = keyring.store().clone();
        Self {
            catalogues: Catalogues::new(store.clone()),
            store,
            keyring,
            intake,
            directory,
            egress,
            handshaker,
            watches,
            limits,
            verify_rate: VerifyRate::new(limits.verify_per_second),
            streamed: Arc::new(Semaphore::new(publish_stream::STREAMED_KIB_MAX)),
            calls: TaskTracker::new(),
            stop,
        }
    }

    /// What is done for callers beside the tasks of their connections. It ends soon after the service is told to stop.
    pub(crate) fn calls(&self) -> TaskTracker {
        self.calls.clone()
    }

    /// The store for changes that this caller makes.
    fn store_for(&self, caller: &Caller) -> Store {
        self.store.acting_as(caller.actor())
    }

    pub(crate) fn shared(self) -> SharedService {
        SharedService(Arc::new(self))
    }
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service").finish_non_exhaustive()
    }
}

/// Answers an RPC with the method of the same name.
macro_rules! rpcs {
    ($($name:ident($request:ident) -> $response:ident;)+) => {
        #[tonic::async_trait]
        impl WebhookService for SharedService {
            type PublishStreamStream = publish_stream::Answers;
            type WatchDeliveriesStream = watch_deliveries::Answers;

            async fn publish_stream(
                &self,
                request: Request<Streaming<v1::PublishStreamRequest>>,
            ) -> Result<Response<Self::PublishStreamStream>, Status> {
                let caller = caller_of(&request)?;
                Ok(Response::new(publish_stream::start(Arc::clone(&self.0), caller, request.into_inner())))
            }

            async fn watch_deliveries(
                &self,
                request: Request<v1::WatchDeliveriesRequest>,
            ) -> Result<Response<Self::WatchDeliveriesStream>, Status> {
                let caller = caller_of(&request)?;
                Ok(Response::new(self.0.watch_deliveries(&caller, request.into_inner()).await?))
            }

            $(async fn $name(&self, request: Request<v1::$request>) -> Result<Response<v1::$response>, Status> {
                let caller = caller_of(&request)?;
                match self.0.$name(&caller, request.into_inner()).await {
                    Ok(response) => Ok(Response::new(response)),
                    Err(error) => Err(error.into()),
                }
            })+
        }
    };
}

rpcs! {
    register(RegisterRequest) -> RegisterResponse;
    get_webhook(GetWebhookRequest) -> GetWebhookResponse;
    list_webhooks(ListWebhooksRequest) -> ListWebhooksResponse;
    update_webhook(UpdateWebhookRequest) -> UpdateWebhookResponse;
    delete_webhook(DeleteWebhookRequest) -> DeleteWebhookResponse;
    pause_webhook(PauseWebhookRequest) -> PauseWebhookResponse;
    resume_webhook(ResumeWebhookRequest) -> ResumeWebhookResponse;
    publish(PublishRequest) -> PublishResponse;
    dry_run_publish(DryRunPublishRequest) -> DryRunPublishResponse;
    list_event_types(ListEventTypesRequest) -> ListEventTypesResponse;
    import_event_types(ImportEventTypesRequest) -> ImportEventTypesResponse;
    delete_event_type(DeleteEventTypeRequest) -> DeleteEventTypeResponse;
    list_deliveries(ListDeliveriesRequest) -> ListDeliveriesResponse;
    get_delivery(GetDeliveryRequest) -> GetDeliveryResponse;
    get_stats(GetStatsRequest) -> GetStatsResponse;
    verify(VerifyRequest) -> VerifyResponse;
    rotate_secret(RotateSecretRequest) -> RotateSecretResponse;
    send_test(SendTestRequest) -> SendTestResponse;
    replay_delivery(ReplayDeliveryRequest) -> ReplayDeliveryResponse;
    cancel_delivery(CancelDeliveryRequest) -> CancelDeliveryResponse;
    create_replay(CreateReplayRequest) -> CreateReplayResponse;
    get_replay(GetReplayRequest) -> GetReplayResponse;
    list_replays(ListReplaysRequest) -> ListReplaysResponse;
    cancel_replay(CancelReplayRequest) -> CancelReplayResponse;
    create_key(CreateKeyRequest) -> CreateKeyResponse;
    list_keys(ListKeysRequest) -> ListKeysResponse;
    revoke_key(RevokeKeyRequest) -> RevokeKeyResponse;
    create_tenant(CreateTenantRequest) -> CreateTenantResponse;
    list_tenants(ListTenantsRequest) -> ListTenantsResponse;
    update_tenant(UpdateTenantRequest) -> UpdateTenantResponse;
    delete_tenant(DeleteTenantRequest) -> DeleteTenantResponse;
    list_audit_entries(ListAuditEntriesRequest) -> ListAuditEntriesResponse;
}
