//! URLs and allow-lists of strangers, and the addresses that their names resolve to: nothing panics, and nothing that the
//! table forbids is ever allowed. An input is a URL, a line with entries of the allow-list, and one with addresses.
//!
//! ```text
//! https://0x7f.1/hooks
//! 10.1.0.0/16 hooks.internal
//! 10.1.0.1 ::ffff:127.0.0.1
//! ```

#![no_main]

use std::net::{IpAddr, Ipv4Addr};

use hookwright_egress::{AllowedTarget, EgressRules, TargetError};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &str| {
    let mut lines = input.split('\n');
    let (text, entries, addresses) = (
        lines.next().unwrap_or_default(),
        lines.next().unwrap_or_default(),
        lines.next().unwrap_or_default(),
    );
    let strict = EgressRules {
        allow_http: true,
        ..EgressRules::default()
    };
    let checked = strict.check(text);
    match &checked {
        Ok(url) => {
            assert!(matches!(url.scheme(), "http" | "https"));
            assert!(url.username().is_empty() && url.password().is_none() && url.fragment().is_none());
            let host = url.host_str().expect("a destination has a host");
            if let Ok(address) = host.trim_matches(['[', ']']).parse::<IpAddr>() {
                assert!(!is_plainly_private(address), "{address}");
            }
            // What was accepted is accepted again as it is stored.
            assert_eq!(strict.check(url.as_str()).as_ref(), Ok(url));
        }
        Err(TargetError::BlockedAddress(address)) => {
            // What stands in a URL and what a name resolves to is judged alike.
            assert!(strict.vet("any.example", [*address]).is_err());
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }

    let allowed: Vec<AllowedTarget> = entries
        .split(' ')
        .filter_map(|entry| entry.parse().ok())
        .collect();
    for entry in &allowed {
        assert_eq!(entry.to_string().parse().as_ref(), Ok(entry));
    }
    let open = EgressRules {
        allowed: allowed.clone(),
        ..strict.clone()
    };
    // A longer list never forbids.
    assert!(checked.is_err() || open.check(text).is_ok());
    let addresses: Vec<IpAddr> = addresses
        .split(' ')
        .filter_map(|address| address.parse().ok())
        .collect();
    for address in &addresses {
        if is_plainly_private(*address) {
            assert!(strict.vet("any.example", [*address]).is_err(), "{address}");
            let is_listed = allowed.iter().any(|entry| match entry {
                AllowedTarget::Network(network) => network.contains(address),
                AllowedTarget::Host(host) => host == "any.example",
            });
            assert_eq!(
                open.vet("any.example", [*address]).is_ok(),
                is_listed,
                "{address}"
            );
        }
    }
    // One bad address is enough.
    let each_is_fine = addresses
        .iter()
        .all(|address| open.vet("any.example", [*address]).is_ok());
    assert_eq!(open.vet("any.example", addresses).is_ok(), each_is_fine);
});

/// By the standard library, which knows less than the table does.
fn is_plainly_private(address: IpAddr) -> bool {
    let is_v4 = |v4: Ipv4Addr| {
        v4.is_private()
            || v4.is_loopback()
            || v4.is_link_local()
            || v4.is_multicast()
            || v4.is_unspecified()
            || v4.is_broadcast()
            || v4.is_documentation()
    };
    match address {
        IpAddr::V4(v4) => is_v4(v4),
        IpAddr::V6(v6) => {
            v6.is_loopback()
                || v6.is_unspecified()
                || v6.is_multicast()
                || v6.is_unique_local()
                || v6.is_unicast_link_local()
                || v6.to_ipv4_mapped().is_some()
        }
    }
}
