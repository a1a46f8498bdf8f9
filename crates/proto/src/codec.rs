//! Messages as the server reads and writes them.

use std::{collections::HashMap, marker::PhantomData};

use prost::Message;
use tonic::{
    Code, Status,
    codec::{BufferSettings, Codec, DecodeBuf, Decoder},
};
use tonic_prost::{ProstCodec, ProstEncoder};
use tonic_types::{ErrorDetails, StatusExt as _};

/// The codec of Prost, but for the answer to a message that cannot be read. Prost's says `INTERNAL`, as if the service were
/// at fault, and whoever is woken by that code would be woken by any caller.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ServerCodec<Answer, Request>(PhantomData<(Answer, Request)>);

/// Reads what callers send.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RequestDecoder<Request>(PhantomData<Request>);

impl<Answer, Request> Default for ServerCodec<Answer, Request> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<Answer, Request> Codec for ServerCodec<Answer, Request>
where
    Answer: Message + Send + 'static,
    Request: Message + Default + Send + 'static,
{
    type Encode = Answer;
    type Decode = Request;
    type Encoder = ProstEncoder<Answer>;
    type Decoder = RequestDecoder<Request>;

    fn encoder(&mut self) -> Self::Encoder {
        ProstCodec::<Answer, Request>::raw_encoder(BufferSettings::default())
    }

    fn decoder(&mut self) -> Self::Decoder {
        RequestDecoder(PhantomData)
    }
}

impl<Request: Message + Default> Decoder for RequestDecoder<Request> {
    type Item = Request;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Request>, Status> {
        Request::decode(buffer)
            .map(Some)
            .map_err(|error| malformed(&error))
    }
}

fn malformed(error: &prost::DecodeError) -> Status {
    Status::with_error_details(
        Code::InvalidArgument,
        format!("the message cannot be read: {error}"),
        ErrorDetails::with_error_info("MALFORMED_MESSAGE", "hookwright", HashMap::new()),
    )
}
