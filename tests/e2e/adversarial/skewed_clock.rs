//! Processes that are told a wrong time by the operating system.

use std::process::Command;

use super::preloaded::Preloaded;
use crate::{harness::Database, nodes::Process};

/// Loaded before the C library, it adds to what that says of the wall clock. Monotonic clocks are left alone, as they are
/// by whoever sets a machine's clock wrong.
const SOURCE: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>

int clock_gettime(clockid_t clock, struct timespec *now) {
    int (*original)(clockid_t, struct timespec *) = dlsym(RTLD_NEXT, "clock_gettime");
    int result = original(clock, now);
    if (result == 0 && clock == CLOCK_REALTIME) now->tv_sec += atol(getenv("SKEW_SECONDS"));
    return result;
}
"#;

pub(crate) struct SkewedClock(Preloaded);

impl SkewedClock {
    pub(crate) fn build() -> Self {
        Self(Preloaded::build(SOURCE))
    }

    pub(crate) async fn start(&self, database: &Database, skew_seconds: i64) -> Process {
        let environment = self.environment(skew_seconds);
        let environment = environment
            .each_ref()
            .map(|(name, value)| (*name, value.as_str()));
        Process::start_in(database, &[], &environment).await
    }

    /// Of processes that are to believe in another time.
    pub(crate) fn environment(&self, skew_seconds: i64) -> [(&'static str, String); 2] {
        let environment = [
            ("LD_PRELOAD", self.0.path().to_owned()),
            ("SKEW_SECONDS", skew_seconds.to_string()),
        ];
        let variables = environment
            .each_ref()
            .map(|(name, value)| (*name, value.as_str()));
        // Otherwise the test would show nothing.
        let says = seconds(&variables) - seconds(&[]);
        assert!(
            (says - skew_seconds).abs() < 60,
            "the clock is {says} s off, not {skew_seconds}"
        );
        environment
    }
}

/// What the real binary takes for the time: it signs it.
fn seconds(environment: &[(&str, &str)]) -> i64 {
    let output = Command::new(crate::command_line::binary())
        .args(["sign", "--profile", "generic", "--json"])
        .env("HOOKWRIGHT_SECRET", "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX")
        .env_remove("HOOKWRIGHT_PROFILES")
        .envs(environment.iter().copied())
        .output()
        .unwrap();
    let signed: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    signed["headers"]["webhook-timestamp"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap()
}
