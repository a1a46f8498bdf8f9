//! File descriptors: every connection needs one, and so do deliveries and the store.

/// The store, the log, the port and what the runtime has.
const OTHERS: u64 = 128;

/// How many of the wanted connections this process can have and still deliver, after its limit is raised as far as it may.
///
/// When callers could take all descriptors, attempts would fail for want of one, and count against their receivers.
pub(crate) fn connections_max(wanted: u32, attempts_max: u32) -> usize {
    let Some(limit) = raised() else {
        return wanted as usize;
    };
    let possible = connections_within(limit, attempts_max);
    if possible < u64::from(wanted) {
        tracing::warn!(
            files = limit,
            connections = possible,
            "the limit of open files allows fewer connections than --connections-max; raise it (ulimit -n, LimitNOFILE)"
        );
    }
    usize::try_from(possible)
        .unwrap_or(usize::MAX)
        .min(wanted as usize)
}

/// An attempt has a connection, and about as many idle ones are kept for the next attempts. Where that leaves nothing,
/// callers get a quarter: a service that nobody can call is of no use.
fn connections_within(limit: u64, attempts_max: u32) -> u64 {
    limit
        .saturating_sub(2 * u64::from(attempts_max) + OTHERS)
        .max(limit / 4)
}

/// The limit of open files, once it is as high as the system lets us have it. None is no limit.
#[cfg(unix)]
fn raised() -> Option<u64> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let limit = getrlimit(Resource::Nofile);
    let wanted = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    // What cannot be raised stays as it is.
    let _ = setrlimit(Resource::Nofile, wanted);
    getrlimit(Resource::Nofile).current
}

#[cfg(not(unix))]
fn raised() -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deliveries_keep_their_share() {
        assert_eq!(connections_within(20_000, 1_024), 17_824);
        // What many systems give: not even enough for the attempts.
        assert_eq!(connections_within(1_024, 1_024), 256);
    }
}
