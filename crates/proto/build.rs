//! Compiles `proto/` with a Rust protobuf compiler, so that building needs no `protoc`.

use std::{env, error::Error, fs, path::PathBuf};

const FILES: [&str; 12] = [
    "hookwright/v1/access.proto",
    "hookwright/v1/json_form.proto",
    "hookwright/v1/webhook.proto",
    "hookwright/v1/webhook_state.proto",
    "hookwright/v1/event.proto",
    "hookwright/v1/delivery.proto",
    "hookwright/v1/matching.proto",
    "hookwright/v1/event_type.proto",
    "hookwright/v1/operation.proto",
    "hookwright/v1/stats.proto",
    "hookwright/v1/watch.proto",
    "hookwright/v1/webhook_service.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("../../proto");
    println!("cargo::rerun-if-changed={}", root.display());

    let mut compiler = protox::Compiler::new([&root])?;
    compiler
        .include_source_info(true)
        .include_imports(true)
        .open_files(FILES)?;
    let files = compiler.file_descriptor_set();
    // Reflection serves these bytes; the JSON mapping is generated from them.
    let encoded = compiler.encode_file_descriptor_set();
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("hookwright_descriptor.bin"), &encoded)?;

    tonic_prost_build::configure()
        .build_client(false)
        .codec_path("crate::codec::ServerCodec")
        .bytes(".")
        .compile_well_known_types(true)
        .extern_path(".google.protobuf", "::pbjson_types")
        .compile_fds(files.clone())?;
    // Apart from the server, because what cannot be read means different things on the two sides.
    let client = out.join("client");
    fs::create_dir_all(&client)?;
    tonic_prost_build::configure()
        .build_server(false)
        .out_dir(client)
        .compile_well_known_types(true)
        .extern_path(".google.protobuf", "::pbjson_types")
        .extern_path(".hookwright.v1", "crate::v1")
        .compile_fds(files)?;
    pbjson_build::Builder::new()
        .register_descriptors(&encoded)?
        .build(&[".hookwright"])?;
    Ok(())
}
