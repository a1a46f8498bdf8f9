//! Load, crash, takeover and endurance tests of hookwright, and the tables and charts of what they measured.
//!
//! ```text
//!            publishes                  delivers
//! publisher ───────────► service under ─────────► receiver
//!     │                      test                     │
//!     │ publications           ▲             arrivals │
//!     └───────────► parent ◄───│──────────────────────┘
//!                     └────────┘ starts, samples, kills
//! ```
//!
//! Each box is a process of its own, so that the CPU time of each can be told. Publications and arrivals carry times
//! of one clock, `CLOCK_MONOTONIC`, and are joined on the event's id. See README.md for what the figures mean.

use std::process::ExitCode;

use anyhow::{Result, bail};
use args::{Cli, Command};
use clap::Parser as _;

mod all;
mod args;
mod bed;
mod clock;
mod closed_loop;
mod connections;
mod crash;
mod crowd;
mod drain;
mod duplicates;
mod exchange;
mod front_door;
mod helpers;
mod key;
mod ledger;
mod machine;
mod manner;
mod measurement;
mod memory;
mod nodes;
mod open_loop;
mod payload;
mod percentiles;
mod plan;
mod plot;
mod poison;
mod poison_receiver;
mod postgres;
mod prepared;
mod publisher;
mod receiver;
mod recorded;
mod records;
mod report;
mod run;
mod sample;
mod scratch;
mod series;
mod service;
mod soak;
mod store;
mod stream;
mod takeover;
mod timeline;
mod usage;
mod watchers;

fn main() -> ExitCode {
    match dispatch(Cli::parse().command) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Returns whether the test passed.
fn dispatch(command: Command) -> Result<bool> {
    match command {
        Command::Run(args) => interruptible(run::run(&args)),
        Command::Crash(args) => interruptible(crash::run(&args)),
        Command::Takeover(args) => interruptible(takeover::run(&args)),
        Command::Poison(args) => interruptible(poison::run(&args)),
        Command::Memory(args) => interruptible(memory::run(&args)),
        Command::Nodes(args) => interruptible(nodes::run(&args)),
        Command::FrontDoor(args) => interruptible(front_door::run(&args)),
        Command::Soak(args) => interruptible(soak::run(&args)),
        Command::All(args) => interruptible(all::run(&args)),
        Command::Plot(args) => plot::run(&args).map(|()| true),
        Command::Receiver(args) => receiver::run(&args).map(|()| true),
        Command::Publisher => publisher::run().map(|()| true),
    }
}

/// On Ctrl-C everything is dropped, which kills the processes that we started.
fn interruptible(test: impl Future<Output = Result<bool>>) -> Result<bool> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        tokio::select! {
            result = test => result,
            _ = tokio::signal::ctrl_c() => bail!("interrupted"),
        }
    })
}
