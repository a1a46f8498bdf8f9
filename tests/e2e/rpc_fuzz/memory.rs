//! How much memory the process has had at most.

use std::fs;

/// Requests are at most a few MiB and are worked on one after the other.
const PEAK_BYTES_MAX: u64 = 1024 * 1024 * 1024;

/// For runs that have the process to themselves, on systems that tell.
pub(super) fn assert_bounded() {
    let Ok(status) = fs::read_to_string("/proc/self/status") else {
        return;
    };
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak: u64 = peak
        .and_then(|peak| peak.trim().strip_suffix(" kB"))
        .unwrap()
        .parse()
        .unwrap();
    println!("{} MiB of memory at most", peak / 1024);
    assert!(peak * 1024 <= PEAK_BYTES_MAX, "{peak} kB");
}
