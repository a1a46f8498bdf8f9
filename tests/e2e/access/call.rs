//! Calls of any method that there is, with JSON.

use bytes::Bytes;
use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, MethodDescriptor};
use serde_json::Value;
use tonic::{Request, Status, client::Grpc, transport::Channel};

use crate::{access::bearer, rpc_fuzz::AsTheyAre};

/// Every method of the service, from its own descriptors.
pub(super) fn methods() -> Vec<MethodDescriptor> {
    let pool = DescriptorPool::decode(hookwright_proto::FILE_DESCRIPTOR_SET).unwrap();
    let methods: Vec<_> = pool
        .services()
        .filter(|service| service.full_name().starts_with("hookwright."))
        .flat_map(|service| service.methods().collect::<Vec<_>>())
        .collect();
    assert!(!methods.is_empty());
    methods
}

/// Calls a method, as JSON in and out. A stream is sent one message, and its first answer is returned.
pub(super) async fn call(
    channel: &Channel,
    method: &MethodDescriptor,
    key: &str,
    request: Value,
) -> Result<Value, Status> {
    let message = DynamicMessage::deserialize(method.input(), request).unwrap();
    let path = format!("/{}/{}", method.parent_service().full_name(), method.name());
    let mut client = Grpc::new(channel.clone());
    client.ready().await.unwrap();
    let mut request = Request::new(tokio_stream::once(Bytes::from(message.encode_to_vec())));
    request.metadata_mut().insert("authorization", bearer(key));
    let answers = client
        .streaming(request, path.parse().unwrap(), AsTheyAre)
        .await?;
    let answer = answers.into_inner().message().await?;
    let answer = DynamicMessage::decode(method.output(), answer.unwrap_or_default()).unwrap();
    Ok(serde_json::to_value(&answer).unwrap())
}
