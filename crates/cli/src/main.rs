//! `hookwright`: the service and its command line.

mod alerts;
mod args;
mod client;
mod commands;
mod configuration;
mod descriptors;
mod failure;
mod front_door;
mod hang_up;
mod input;
mod keys;
mod profiles;
mod receiver;
mod seen;
mod settings;
mod stop;
mod terminal;

use std::process::ExitCode;

use mimalloc::MiMalloc;

use crate::{
    args::{Command, Options},
    failure::Failure,
};

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    keep_pages_small();
    let options = match configuration::options() {
        Ok(options) => options,
        Err(failure) => return failure.report(),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return Failure::Failed(format!("cannot start: {error}")).report(),
    };
    match runtime.block_on(run(options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

/// With huge pages an idle service keeps 23 MiB more and a busy one delivers nothing more (docs/performance.md).
fn keep_pages_small() {
    // Where the system refuses, the service merely takes more memory.
    #[cfg(target_os = "linux")]
    let _ = rustix::thread::disable_transparent_huge_pages(true);
}

async fn run(options: Options) -> Result<(), Failure> {
    match options.command {
        Command::Serve(args) => commands::serve::run(args).await,
        Command::Config(args) => commands::config::run(args),
        Command::Dev(args) => commands::dev::run(args).await,
        Command::Demo(args) => commands::demo::run(args).await,
        Command::Register(args) => commands::register::run(args).await,
        Command::Webhooks(args) => commands::webhooks::run(args).await,
        Command::Update(args) => commands::webhooks::update(args).await,
        Command::Publish(args) => commands::publish::run(args).await,
        Command::EventTypes(args) => commands::event_types::run(args).await,
        Command::Deliveries(args) => commands::deliveries::run(args).await,
        Command::Stats(args) => commands::stats::run(args).await,
        Command::Pause(args) => commands::webhook_state::pause(args).await,
        Command::Resume(args) => commands::webhook_state::resume(args).await,
        Command::RotateSecret(args) => commands::rotate_secret::run(args).await,
        Command::SendTest(args) => commands::send_test::run(args).await,
        Command::Replay(args) => commands::replay::run(args).await,
        Command::Replays(args) => commands::replay::list(args).await,
        Command::Cancel(args) => commands::replay::cancel(args).await,
        Command::Keys(args) => commands::api_keys::run(args).await,
        Command::Tenants(args) => commands::tenants::run(args).await,
        Command::Audit(args) => commands::audit::run(args).await,
        Command::Verify(args) => commands::verify::run(args).await,
        Command::Sign(args) => commands::sign::run(args),
        Command::GenerateEncryptionKey(args) => commands::encryption_key::generate(args),
        Command::RotateEncryptionKey(args) => commands::encryption_key::rotate(args).await,
        Command::Conformance(args) => commands::conformance::run(&args),
        Command::Openapi => commands::openapi::run(),
    }
}
