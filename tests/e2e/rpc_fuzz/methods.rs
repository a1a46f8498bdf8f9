//! The methods that there are, as the server's own descriptors have them: a new one is called without a line here.

use http::uri::PathAndQuery;
use prost_reflect::{DescriptorPool, MessageDescriptor};

const SERVICE: &str = "hookwright.v1.WebhookService";

#[derive(Clone, Debug)]
pub(super) struct Method {
    pub(super) name: String,
    pub(super) path: PathAndQuery,
    pub(super) input: MessageDescriptor,
    pub(super) output: MessageDescriptor,
    /// Its answers go on for as long as the caller likes; the first one comes at once.
    pub(super) goes_on: bool,
}

pub(super) fn all() -> Vec<Method> {
    let pool = DescriptorPool::decode(hookwright_proto::FILE_DESCRIPTOR_SET).unwrap();
    let service = pool.get_service_by_name(SERVICE).expect(SERVICE);
    let methods: Vec<_> = service
        .methods()
        .map(|method| {
            // A stream of one message that is answered by one looks like any other call.
            assert!(
                !method.is_client_streaming() || method.is_server_streaming(),
                "teach RawClient to call {}",
                method.full_name()
            );
            Method {
                name: method.name().to_owned(),
                path: format!("/{SERVICE}/{}", method.name()).parse().unwrap(),
                input: method.input(),
                output: method.output(),
                goes_on: method.is_server_streaming() && !method.is_client_streaming(),
            }
        })
        .collect();
    assert!(!methods.is_empty());
    methods
}
