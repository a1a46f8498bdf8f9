//! Which addresses requests may be sent to.
//!
//! Strangers choose the URLs, so a name may resolve to this machine, to its neighbours or to a cloud's metadata
//! service. Everything that is not plainly public is refused; the ranges are those of the IANA special-purpose registries
//! (RFC 6890 and its successors) and of cloud providers' internal services.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What may be dialled.
///
/// A network that is listed by IANA as globally reachable and serves only the Internet's own machinery (AS112, AMT
/// relays, protocol anycast) is refused like the others: no receiver lives there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AddressRules {
    /// Public addresses only.
    #[default]
    Public,
    /// Any address, this machine and private networks included. For development and tests.
    Any,
}

impl AddressRules {
    /// Whether a request may be sent to this address.
    pub fn allow(self, address: IpAddr) -> bool {
        match (self, address) {
            (Self::Any, _) => true,
            (Self::Public, IpAddr::V4(address)) => is_public_v4(address),
            (Self::Public, IpAddr::V6(address)) => is_public_v6(address),
        }
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    !NON_PUBLIC_V4.iter().any(|(network, bits)| {
        shares_prefix(address.to_bits().into(), u128::from(network.to_bits()), 32 - bits)
    })
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    // Only global unicast, less what is carved out of it. IPv4 inside IPv6 (mapped, translated, tunnelled) is refused as a
    // whole: no receiver needs it, and it is how a private IPv4 address gets past a filter.
    shares_prefix(address.to_bits(), GLOBAL_UNICAST.to_bits(), 125)
        && !NON_PUBLIC_V6
            .iter()
            .any(|(network, bits)| shares_prefix(address.to_bits(), network.to_bits(), 128 - bits))
}

fn shares_prefix(a: u128, b: u128, low_bits: u32) -> bool {
    a >> low_bits == b >> low_bits
}

const GLOBAL_UNICAST: Ipv6Addr = Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0);

const NON_PUBLIC_V4: [(Ipv4Addr, u32); 19] = [
    (Ipv4Addr::UNSPECIFIED, 8),            // this network
    (Ipv4Addr::new(10, 0, 0, 0), 8),       // private
    (Ipv4Addr::new(100, 64, 0, 0), 10),    // carrier-grade NAT
    (Ipv4Addr::new(127, 0, 0, 0), 8),      // loopback
    (Ipv4Addr::new(168, 63, 129, 16), 32), // Azure's host service
    (Ipv4Addr::new(169, 254, 0, 0), 16),   // link-local, metadata services
    (Ipv4Addr::new(172, 16, 0, 0), 12),    // private
    (Ipv4Addr::new(192, 0, 0, 0), 24),     // protocol assignments
    (Ipv4Addr::new(192, 0, 2, 0), 24),     // documentation
    (Ipv4Addr::new(192, 31, 196, 0), 24),  // AS112
    (Ipv4Addr::new(192, 52, 193, 0), 24),  // AMT relays
    (Ipv4Addr::new(192, 88, 99, 0), 24),   // 6to4 relays
    (Ipv4Addr::new(192, 168, 0, 0), 16),   // private
    (Ipv4Addr::new(192, 175, 48, 0), 24),  // AS112
    (Ipv4Addr::new(198, 18, 0, 0), 15),    // benchmarking
    (Ipv4Addr::new(198, 51, 100, 0), 24),  // documentation
    (Ipv4Addr::new(203, 0, 113, 0), 24),   // documentation
    (Ipv4Addr::new(224, 0, 0, 0), 4),      // multicast
    (Ipv4Addr::new(240, 0, 0, 0), 4),      // reserved, broadcast
];

const NON_PUBLIC_V6: [(Ipv6Addr, u32); 5] = [
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23), // protocol assignments, Teredo, ORCHID
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32), // documentation
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16), // 6to4
    (Ipv6Addr::new(0x2620, 0x4f, 0x8000, 0, 0, 0, 0, 0), 48), // AS112
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20), // documentation
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_public_addresses_is_dialled() {
        for refused in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "168.63.129.16",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.192",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:8.8.8.8",
            "::7f00:1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:10::1",
            "2001:20::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "4000::1",
        ] {
            assert!(!AddressRules::Public.allow(refused.parse().unwrap()), "{refused}");
        }
    }

    #[test]
    fn public_addresses_are_dialled() {
        for allowed in [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "168.63.129.17",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2001:4860:4860::8888",
            "2606:4700:4700::1111",
            "2a00:1450:4001::1",
            "2003::1",
        ] {
            assert!(AddressRules::Public.allow(allowed.parse().unwrap()), "{allowed}");
        }
    }

    #[test]
    fn development_may_dial_this_machine() {
        assert!(AddressRules::Any.allow(IpAddr::V4(Ipv4Addr::LOCALHOST)));
    }
}
