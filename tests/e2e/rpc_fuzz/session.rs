//! One run: a server of its own, and calls that build on each other.

use std::collections::BTreeMap;

use bytes::Bytes;
use hookwright_proto::v1::{self, webhook_service_client::WebhookServiceClient};
use hookwright_server::Server;
use prost::Message as _;
use prost_reflect::DynamicMessage;
use rand::{RngExt as _, rngs::StdRng, seq::IndexedRandom as _};
use tonic::{Code, Status, transport::Channel};

use super::{
    generator::{self, Generator},
    learned::Learned,
    ledger::Ledger,
    methods::{self, Method},
    mutation, panics,
    raw_client::RawClient,
    seeds, surroundings,
    values::Surroundings,
    verdict,
};
use crate::harness::{self, Client, Database, PATIENCE, Receiver};

/// How much of a request is printed when it was answered wrongly.
const SHOWN_BYTES: usize = 4_000;

pub(super) struct Session {
    seed: u64,
    /// What the threads of the server are called.
    threads: String,
    random: StdRng,
    methods: Vec<Method>,
    raw: RawClient,
    client: Client,
    around: Surroundings,
    learned: Learned,
    ledger: Ledger,
    /// How often there was which answer: a run whose requests are all refused at the door proves nothing.
    answers: BTreeMap<String, BTreeMap<String, usize>>,
}

/// The answer to a request, and what was sent.
struct Exchanged<'a> {
    method: &'a Method,
    sent: Bytes,
    answer: Result<Bytes, Status>,
}

/// Runs one seed from an empty store to a stopped server, and tells which answers there were.
pub(super) async fn run(
    database: &Database,
    seed: u64,
    calls: usize,
    threads: &str,
) -> BTreeMap<String, BTreeMap<String, usize>> {
    let mut receiver = Receiver::start().await;
    let mut config = surroundings::hardened(database);
    if seed % 2 == 1 {
        config.encryption_keys = Some(surroundings::keys());
    }
    let server = Server::start(config).await.unwrap();
    let channel = Channel::from_shared(format!("http://{}", server.local_addr()))
        .unwrap()
        .connect()
        .await
        .unwrap();
    let mut session = Session {
        seed,
        threads: threads.to_owned(),
        random: seeds::random(seed),
        methods: methods::all(),
        raw: RawClient::new(channel.clone()),
        client: WebhookServiceClient::new(channel).max_decoding_message_size(usize::MAX),
        around: surroundings::of(&receiver),
        learned: Learned::default(),
        ledger: Ledger::default(),
        answers: BTreeMap::new(),
    };
    for number in 0..calls {
        session.step(number).await;
        receiver.rest();
    }
    session.ledger.settle(&mut session.client).await;
    serves_as_ever(&mut session.client, &receiver).await;
    server.stop().await.unwrap();
    session.answers
}

impl Session {
    async fn step(&mut self, number: usize) {
        // Each method now and then, and more often those that there is nothing without.
        let method = match self.random.random_range(0..10) {
            0 => self
                .methods
                .iter()
                .find(|method| method.name == "Register")
                .cloned(),
            1 => self
                .methods
                .iter()
                .find(|method| method.name == "Publish")
                .cloned(),
            _ => self.methods.choose(&mut self.random).cloned(),
        };
        let method = method.expect("the service has methods");
        let request = self.generated(&method);
        let sent = match self.random.random_range(0..20) {
            0 => mutation::noise(&mut self.random),
            1..=3 => {
                let other = self.generated(&method).encode_to_vec();
                mutation::mutated(&mut self.random, &request.encode_to_vec(), &other)
            }
            _ => request.encode_to_vec().into(),
        };
        let before = self.named_webhook(&method, &sent).await;
        let call = self.raw.call(&method.path, sent.clone(), method.goes_on);
        let answer = tokio::time::timeout(PATIENCE * 2, call).await;
        let answer = answer
            .unwrap_or_else(|_| panic!("{}", self.report(number, &method, &sent, "there is no answer")));
        let exchanged = Exchanged {
            method: &method,
            sent,
            answer,
        };
        if let Err(problem) = self.judge(&exchanged) {
            panic!(
                "{}",
                self.report(
                    number,
                    &method,
                    &exchanged.sent,
                    &format!("{problem}\n{:?}", exchanged.answer)
                )
            );
        }
        if let Some(before) = before.filter(|_| exchanged.answer.is_err()) {
            let after = self.webhook(before.id.clone()).await;
            let is_same = after
                .as_ref()
                .is_some_and(|after| comparable(after) == comparable(&before));
            assert!(
                is_same,
                "{}\nwas {before:?}\nis  {after:?}",
                self.report(number, &method, &exchanged.sent, "a refused update changed")
            );
        }
    }

    fn generated(&mut self, method: &Method) -> DynamicMessage {
        Generator::new(&mut self.random, &self.learned, &self.around).request(method)
    }

    /// Whether the answer is one that may be given; if it is, remembers what it tells.
    fn judge(&mut self, Exchanged { method, sent, answer }: &Exchanged<'_>) -> Result<(), String> {
        let told = match answer {
            Ok(answer) => {
                let decode = |of, bytes: &Bytes| {
                    DynamicMessage::decode(of, bytes.clone()).map_err(|error| error.to_string())
                };
                let answer = decode(method.output.clone(), answer)?;
                let request = decode(method.input.clone(), sent)?;
                self.ledger.note(&method.name, &request, &answer);
                self.learned.learn(&method.name, &request, &answer);
                String::from("OK")
            }
            Err(status) => {
                let reason = verdict::of(status)?;
                if reason == "MALFORMED_MESSAGE" && generator::is_readable(&method.input, sent) {
                    return Err(String::from("a message that can be read is called malformed"));
                }
                reason
            }
        };
        let panics = panics::taken(&self.threads);
        if !panics.is_empty() {
            return Err(panics.join("\n"));
        }
        *self
            .answers
            .entry(method.name.clone())
            .or_default()
            .entry(told)
            .or_default() += 1;
        Ok(())
    }

    /// The webhook that an update is about, as it is before.
    async fn named_webhook(&mut self, method: &Method, sent: &Bytes) -> Option<v1::Webhook> {
        if method.name != "UpdateWebhook" {
            return None;
        }
        let request = v1::UpdateWebhookRequest::decode(sent.clone()).ok()?;
        self.webhook(request.webhook?.id).await
    }

    async fn webhook(&mut self, id: String) -> Option<v1::Webhook> {
        match self.client.get_webhook(v1::GetWebhookRequest { id }).await {
            Ok(answer) => answer.into_inner().webhook,
            Err(status) if matches!(status.code(), Code::NotFound | Code::InvalidArgument) => None,
            Err(status) => panic!("{status:?}"),
        }
    }

    fn report(&self, number: usize, method: &Method, sent: &Bytes, problem: &str) -> String {
        let readable = DynamicMessage::decode(method.input.clone(), sent.clone());
        let mut request = readable.map_or_else(|_| format!("{sent:?}"), |message| format!("{message}"));
        request.truncate(request.floor_char_boundary(SHOWN_BYTES));
        format!(
            "call {number} of seed {}: {}: {problem}\nrequest of {} bytes: {request}\n{}",
            self.seed,
            method.name,
            sent.len(),
            seeds::hint(self.seed)
        )
    }
}

/// Apart from how it is doing, which changes by itself.
fn comparable(webhook: &v1::Webhook) -> v1::Webhook {
    v1::Webhook {
        state: 0,
        status: None,
        update_time: None,
        etag: String::new(),
        ..webhook.clone()
    }
}

/// After all that, an event of a new webhook arrives.
async fn serves_as_ever(client: &mut Client, receiver: &Receiver) {
    let (id, _) = harness::register(client, harness::webhook(receiver.url(), "generic", &[])).await;
    harness::publish(client, "after.all", "{}").await;
    let request = v1::ListDeliveriesRequest {
        webhook_id: id,
        state: v1::DeliveryState::Delivered.into(),
        ..v1::ListDeliveriesRequest::default()
    };
    let client = &*client;
    harness::until("the event arrives", async || {
        let listed = client
            .clone()
            .list_deliveries(request.clone())
            .await
            .unwrap()
            .into_inner();
        !listed.deliveries.is_empty()
    })
    .await;
}
