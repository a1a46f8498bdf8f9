//! Publishing over `PublishStream`: one call for each connection, opened again when it has ended.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use hookwright_proto::v1::{
    PublishRequest, PublishResponse, PublishStreamRequest, PublishStreamResponse,
    publish_stream_response::Result as Answered, webhook_service_client::WebhookServiceClient,
};
use tokio::sync::{Mutex as AsyncMutex, mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, Streaming, transport::Channel};

/// Events on their way to the connection. What the service does not read yet waits with its publisher.
const QUEUED_MAX: usize = 64;

type Answer = Result<PublishResponse, Status>;

/// A call, shared by all publishers of a connection.
#[derive(Debug)]
pub(crate) struct StreamClient {
    client: WebhookServiceClient<Channel>,
    open: AsyncMutex<Option<Arc<Call>>>,
}

#[derive(Debug)]
struct Call {
    events: mpsc::Sender<PublishStreamRequest>,
    waiting: Waiting,
}

/// Who waits for which answer. None when the call has ended.
#[derive(Clone, Debug)]
struct Waiting(Arc<Mutex<Option<BySequence>>>);

type BySequence = HashMap<u64, oneshot::Sender<Answer>>;

impl StreamClient {
    pub(crate) fn new(client: WebhookServiceClient<Channel>) -> Self {
        Self {
            client,
            open: AsyncMutex::new(None),
        }
    }

    /// Publishes and waits for the answer. `sequence` differs from those of all others that wait.
    pub(crate) async fn publish(&self, sequence: u64, event: PublishRequest) -> Answer {
        let call = self.call().await?;
        let (answer, answered) = oneshot::channel();
        call.waiting.add(sequence, answer)?;
        let request = PublishStreamRequest {
            sequence,
            event: Some(event),
        };
        // Whoever ends the call answers all who wait, so both errors say the same.
        call.events.send(request).await.map_err(|_| ended())?;
        answered.await.map_err(|_| ended())?
    }

    async fn call(&self) -> Result<Arc<Call>, Status> {
        let mut open = self.open.lock().await;
        if let Some(call) = open.as_ref().filter(|call| call.waiting.is_open()) {
            return Ok(Arc::clone(call));
        }
        let (events, queue) = mpsc::channel(QUEUED_MAX);
        let mut client = self.client.clone();
        let answers = client.publish_stream(ReceiverStream::new(queue)).await?;
        let waiting = Waiting(Arc::new(Mutex::new(Some(HashMap::new()))));
        tokio::spawn(hand_out(answers.into_inner(), waiting.clone()));
        let call = Arc::new(Call { events, waiting });
        *open = Some(Arc::clone(&call));
        Ok(call)
    }
}

async fn hand_out(mut answers: Streaming<PublishStreamResponse>, waiting: Waiting) {
    let end = loop {
        match answers.message().await {
            Ok(Some(answer)) => waiting.answer(answer),
            Ok(None) => break ended(),
            Err(status) => break status,
        }
    };
    waiting.end(&end);
}

impl Waiting {
    fn lock(&self) -> MutexGuard<'_, Option<BySequence>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_open(&self) -> bool {
        self.lock().is_some()
    }

    fn add(&self, sequence: u64, answer: oneshot::Sender<Answer>) -> Result<(), Status> {
        let mut waiting = self.lock();
        let waiting = waiting.as_mut().ok_or_else(ended)?;
        waiting.insert(sequence, answer);
        Ok(())
    }

    fn answer(&self, answer: PublishStreamResponse) {
        let waits = self
            .lock()
            .as_mut()
            .and_then(|waiting| waiting.remove(&answer.sequence));
        let result = match answer.result {
            Some(Answered::Published(published)) => Ok(published),
            Some(Answered::Error(error)) => Err(Status::new(Code::from_i32(error.code), error.message)),
            None => Err(Status::data_loss("an answer without a result")),
        };
        if let Some(waits) = waits {
            // A publisher that was ended does not mind.
            let _ = waits.send(result);
        }
    }

    fn end(&self, status: &Status) {
        for (_, waits) in self.lock().take().unwrap_or_default() {
            let _ = waits.send(Err(status.clone()));
        }
    }
}

fn ended() -> Status {
    Status::unavailable("the stream has ended")
}
