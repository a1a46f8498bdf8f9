//! The wire types of `hookwright.v1`: messages, client and server, generated from `proto/hookwright/v1`.
//!
//! Messages serialise with serde as [proto3 JSON](https://protobuf.dev/programming-guides/json/). Field comments of
//! the proto files are the documentation; nothing is added by hand here.

mod codec;

/// `hookwright.v1`, version 1 of the service.
#[expect(
    missing_docs,
    clippy::pedantic,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    reason = "generated code"
)]
pub mod v1 {
    tonic::include_proto!("hookwright.v1");
    include!(concat!(env!("OUT_DIR"), "/client/hookwright.v1.rs"));
    include!(concat!(env!("OUT_DIR"), "/hookwright.v1.serde.rs"));
}

/// The compiled descriptors of `proto/`, for gRPC reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/hookwright_descriptor.bin"));
