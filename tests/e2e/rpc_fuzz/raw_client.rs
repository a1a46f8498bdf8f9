//! A client that sends whatever bytes it is given as a message, and returns those of the answer.

use bytes::{Buf as _, BufMut as _, Bytes};
use http::uri::PathAndQuery;
use tonic::{
    Request, Status,
    client::Grpc,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    transport::Channel,
};

/// Answers are small, but a page of long ones is larger than what a client accepts by itself.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

#[derive(Clone)]
pub(super) struct RawClient(Grpc<Channel>);

impl RawClient {
    pub(super) fn new(channel: Channel) -> Self {
        Self(Grpc::new(channel).max_decoding_message_size(ANSWER_BYTES_MAX))
    }

    /// The answer; the first one of a method whose answers go on.
    pub(super) async fn call(
        &mut self,
        path: &PathAndQuery,
        message: Bytes,
        goes_on: bool,
    ) -> Result<Bytes, Status> {
        self.0
            .ready()
            .await
            .map_err(|error| Status::unknown(format!("no connection: {error}")))?;
        let request = Request::new(message);
        if goes_on {
            let answers = self.0.server_streaming(request, path.clone(), AsTheyAre).await?;
            let first = answers.into_inner().message().await?;
            return first.ok_or_else(|| Status::unknown("the answers end before the first"));
        }
        self.0
            .unary(request, path.clone(), AsTheyAre)
            .await
            .map(tonic::Response::into_inner)
    }
}

/// Messages as bytes.
#[derive(Clone, Copy)]
pub(crate) struct AsTheyAre;

impl Codec for AsTheyAre {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for AsTheyAre {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(item);
        Ok(())
    }
}

impl Decoder for AsTheyAre {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining())))
    }
}
