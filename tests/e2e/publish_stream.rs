//! Many events over one call.

use std::collections::{HashMap, HashSet};

use hookwright_proto::v1::{self, publish_stream_response::Result as Answered};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, Streaming, transport::Endpoint};
use tonic_types::StatusExt as _;

use crate::harness::{
    Client, Database, PATIENCE, Receiver, deliveries_when, on_both_stores, register, start, webhook,
};

/// One call. Events go in whether answers are read or not.
struct Call {
    events: mpsc::Sender<v1::PublishStreamRequest>,
    answers: Streaming<v1::PublishStreamResponse>,
}

impl Call {
    async fn start(client: &mut Client) -> Self {
        let (events, queue) = mpsc::channel(1);
        let answers = client
            .publish_stream(ReceiverStream::new(queue))
            .await
            .unwrap()
            .into_inner();
        Self { events, answers }
    }

    /// Sends events from a task of their own, as fast as they are taken, then says that there are no more.
    fn send_all(
        self,
        events: impl IntoIterator<Item = v1::PublishRequest, IntoIter: Send + 'static>,
    ) -> Streaming<v1::PublishStreamResponse> {
        let Self {
            events: sender,
            answers,
        } = self;
        let events = events.into_iter();
        tokio::spawn(async move {
            for (sequence, event) in (0..).zip(events) {
                // The service may have ended the call.
                if sender.send(numbered(sequence, event)).await.is_err() {
                    return;
                }
            }
        });
        answers
    }
}

fn numbered(sequence: u64, event: v1::PublishRequest) -> v1::PublishStreamRequest {
    v1::PublishStreamRequest {
        sequence,
        event: Some(event),
    }
}

fn event(payload: &str) -> v1::PublishRequest {
    v1::PublishRequest {
        event_type: "user.created".to_owned(),
        payload: payload.to_owned().into(),
        ..v1::PublishRequest::default()
    }
}

async fn next(answers: &mut Streaming<v1::PublishStreamResponse>) -> Result<Option<(u64, Answered)>, Status> {
    let answer = tokio::time::timeout(PATIENCE, answers.message())
        .await
        .expect("no answer");
    Ok(answer?.map(|answer| (answer.sequence, answer.result.expect("a result"))))
}

/// The ids of the events by their numbers, when all of them were stored and the call has ended well.
async fn all_published(mut answers: Streaming<v1::PublishStreamResponse>) -> HashMap<u64, String> {
    let mut published = HashMap::new();
    while let Some((sequence, answer)) = next(&mut answers).await.unwrap() {
        let Answered::Published(answer) = answer else {
            panic!("{sequence}: {answer:?}")
        };
        assert_eq!(
            published.insert(sequence, answer.event_id),
            None,
            "{sequence} was answered twice"
        );
    }
    published
}

on_both_stores! {
    /// An event could be answered and not stored, stored and not answered, or answered as another one.
    async fn every_event_of_a_stream_is_stored_answered_and_delivered_once(database: &Database) {
        const EVENTS: u64 = 2_000;
        let (server, mut client) = start(database).await;
        let mut receiver = Receiver::start().await;
        register(&mut client, webhook(receiver.url(), "generic", &[])).await;
        let events = (0..EVENTS).map(|number| event(&format!(r#"{{"number":{number}}}"#)));
        let published = all_published(Call::start(&mut client).await.send_all(events)).await;
        assert_eq!(published.len() as u64, EVENTS);

        let mut arrived = HashMap::new();
        for _ in 0..EVENTS {
            let request = receiver.next().await;
            let body: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
            let number = body["data"]["number"].as_u64().unwrap();
            assert_eq!(arrived.insert(number, body["id"].as_str().unwrap().to_owned()), None);
        }
        assert_eq!(arrived.len() as u64, EVENTS);
        for (number, id) in &published {
            assert_eq!(&arrived[number], id);
        }
        server.stop().await.unwrap();
    }

    /// One bad event would take all that come after it along.
    async fn a_refused_event_is_answered_with_its_reason_and_the_stream_goes_on(database: &Database) {
        let (server, mut client) = start(database).await;
        let keyed = |payload: &str| v1::PublishRequest { idempotency_key: "k".to_owned(), ..event(payload) };
        let call = Call::start(&mut client).await;
        let mut answers = call.answers;
        let mut exchange = async |request: v1::PublishStreamRequest| {
            let sent = request.sequence;
            call.events.send(request).await.unwrap();
            let (sequence, answer) = next(&mut answers).await.unwrap().expect("an answer");
            assert_eq!(sequence, sent);
            answer
        };
        let refusals = [
            (v1::PublishStreamRequest { sequence: 7, event: None }, Code::InvalidArgument, "MISSING_FIELD", "event"),
            (numbered(7, v1::PublishRequest { event_type: "User!".to_owned(), ..event("{}") }),
                Code::InvalidArgument, "INVALID_EVENT_TYPE", "event_type"),
            (numbered(u64::MAX, event("{")), Code::InvalidArgument, "INVALID_PAYLOAD", "payload"),
            (numbered(0, event(&format!("\"{}\"", "x".repeat(300 * 1_024)))),
                Code::InvalidArgument, "PAYLOAD_TOO_LARGE", "payload"),
            (numbered(1, keyed("[1]")), Code::AlreadyExists, "IDEMPOTENCY_KEY_REUSED", ""),
        ];
        let Answered::Published(first) = exchange(numbered(1, keyed("[]"))).await else { panic!("refused") };
        for (request, code, reason, field) in refusals {
            let Answered::Error(error) = exchange(request).await else { panic!("{reason}: accepted") };
            assert_eq!((error.code, error.reason.as_str()), (i32::from(code), reason), "{}", error.message);
            assert!(!error.message.is_empty());
            assert_eq!(error.retry_delay, None, "the same event will not do better");
            let fields: Vec<&str> = error.field_violations.iter().map(|it| it.field.as_str()).collect();
            assert_eq!(fields, if field.is_empty() { vec![] } else { vec![field] });
        }
        let Answered::Published(again) = exchange(numbered(2, keyed("[]"))).await else { panic!("refused") };
        assert_eq!((again.event_id, again.duplicate), (first.event_id, true));
        drop(call.events);
        assert!(next(&mut answers).await.unwrap().is_none(), "it ends well");
        server.stop().await.unwrap();
    }

    /// A few callers that only send could use up what all streams share.
    async fn callers_that_do_not_read_hold_up_nobody(database: &Database) {
        /// More than the service keeps of one call, answers and events.
        const UNREAD: usize = 5_000;
        let (server, mut client) = start(database).await;
        let mut unread = Vec::new();
        for _ in 0..2 {
            let endpoint = Endpoint::from_shared(format!("http://{}", server.local_addr())).unwrap();
            // Answers stay with the service.
            let channel = endpoint.initial_stream_window_size(1_024).connect().await.unwrap();
            let mut client = Client::new(channel);
            let events = std::iter::repeat_n(event("1"), UNREAD);
            unread.push((Call::start(&mut client).await.send_all(events), client));
        }
        let published = all_published(Call::start(&mut client).await.send_all((0..500).map(|_| event("{}")))).await;
        assert_eq!(published.len(), 500);
        for (answers, _client) in unread {
            let published = all_published(answers).await;
            assert_eq!(published.len(), UNREAD);
        }
        server.stop().await.unwrap();
    }

    /// A deployment would cut answers off, and callers would publish everything twice.
    async fn a_stop_answers_what_it_has_read_and_says_that_it_stops(database: &Database) {
        let (server, mut client) = start(database).await;
        let receiver = Receiver::start().await;
        register(&mut client, webhook(receiver.url(), "generic", &[])).await;
        let mut answers = Call::start(&mut client).await.send_all(std::iter::repeat_with(|| event("{}")));
        let mut published = HashSet::new();
        let (mut server, mut stop) = (Some(server), None);
        let status = loop {
            match next(&mut answers).await {
                Ok(Some((_, Answered::Published(answer)))) => {
                    published.insert(answer.event_id);
                }
                Ok(Some((_, Answered::Error(error)))) => assert_eq!(error.reason, "SHUTTING_DOWN"),
                Ok(None) => panic!("it ends as if all had been read"),
                Err(status) => break status,
            }
            if published.len() == 200
                && let Some(server) = server.take()
            {
                stop = Some(tokio::spawn(server.stop()));
            }
        };
        assert_eq!(status.code(), Code::Unavailable, "{status}");
        assert_eq!(status.get_error_details().error_info().unwrap().reason, "SHUTTING_DOWN");
        stop.expect("it was stopped").await.unwrap().unwrap();

        let (server, mut client) = start(database).await;
        for id in &published {
            deliveries_when(&mut client, id, |delivery| delivery.state() == v1::DeliveryState::Delivered).await;
        }
        server.stop().await.unwrap();
    }
}
