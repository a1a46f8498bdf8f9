//! Where and with what a figure was measured.

use std::{fs, path::Path, process::Command, thread};

use anyhow::Result;
use serde::{Deserialize, Serialize};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::exchange;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Machine {
    pub(crate) cpu: String,
    pub(crate) cores: usize,
    pub(crate) memory_bytes: u64,
    pub(crate) kernel: String,
    /// Of the last minute, before the test.
    pub(crate) load_average: f64,
    /// See [`exchange`]. Zero in results of before it was measured.
    #[serde(default)]
    pub(crate) exchanges_per_s: f64,
}

impl Machine {
    /// Takes a second.
    pub(crate) fn this() -> Result<Self> {
        Ok(Self {
            cpu: line_of("/proc/cpuinfo", "model name").unwrap_or_else(|| std::env::consts::ARCH.into()),
            cores: thread::available_parallelism().map_or(0, usize::from),
            memory_bytes: memory_bytes().unwrap_or_default(),
            kernel: read("/proc/sys/kernel/osrelease").unwrap_or_else(|| "unknown".into()),
            load_average: read("/proc/loadavg")
                .and_then(|text| text.split(' ').next()?.parse().ok())
                .unwrap_or_default(),
            exchanges_per_s: exchange::per_second()?,
        })
    }
}

/// The checked-out commit, with `+dirty` when files differ from it, other than documents and earlier results. `unknown`
/// outside of a repository.
pub(crate) fn commit() -> String {
    let Some(commit) = git(&["rev-parse", "--short", "HEAD"]) else {
        return "unknown".into();
    };
    match git(&["status", "--porcelain", "--", ":/", ":/!docs", ":/!bench/results"]) {
        Some(changes) if !changes.is_empty() => commit + "+dirty",
        Some(_) | None => commit,
    }
}

pub(crate) fn today() -> String {
    // Only tells people when the figures were taken; nothing is computed from it.
    OffsetDateTime::now_utc()
        .replace_nanosecond(0)
        .ok()
        .and_then(|now| now.format(&Rfc3339).ok())
        .unwrap_or_default()
}

/// What makes figures from this folder worthless as figures of durable storage, if anything.
pub(crate) fn not_durable(folder: &Path) -> Option<String> {
    let system = rustix::fs::statfs(folder).ok()?;
    (system.f_type == 0x0102_1994).then(|| {
        format!(
            "{} is in memory (tmpfs): writing durably costs nothing there",
            folder.display()
        )
    })
}

fn git(args: &[&str]) -> Option<String> {
    let output = Command::new("git").args(args).output().ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn memory_bytes() -> Option<u64> {
    let kibibytes: u64 = line_of("/proc/meminfo", "MemTotal")?
        .strip_suffix(" kB")?
        .parse()
        .ok()?;
    Some(kibibytes * 1024)
}

fn line_of(file: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    text.lines().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        (found.trim() == name).then(|| value.trim().to_owned())
    })
}

fn read(file: &str) -> Option<String> {
    Some(fs::read_to_string(file).ok()?.trim().to_owned())
}
