//! The address table against the registries, written down a second time as text.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use hookwright_egress::{AddressRules, EgressRules, TargetError};
use ipnet::IpNet;
use proptest::prelude::*;

/// The IANA special-purpose registries for IPv4 and IPv6, multicast and class E, what is deprecated, and the internal
/// services of clouds that stand in public space.
const FORBIDDEN: &[&str] = &[
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.31.196.0/24",
    "192.52.193.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "192.175.48.0/24",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
    "255.255.255.255/32",
    "168.63.129.16/32",
    "::/128",
    "::1/128",
    "::/96",
    "::ffff:0:0/96",
    "64:ff9b::/96",
    "64:ff9b:1::/48",
    "100::/64",
    "100:0:0:1::/64",
    "2001::/23",
    "2001::/32",
    "2001:1::1/128",
    "2001:1::2/128",
    "2001:1::3/128",
    "2001:2::/48",
    "2001:3::/32",
    "2001:4:112::/48",
    "2001:10::/28",
    "2001:20::/28",
    "2001:30::/28",
    "2001:db8::/32",
    "2002::/16",
    "2620:4f:8000::/48",
    "3fff::/20",
    "5f00::/16",
    "fc00::/7",
    "fe80::/10",
    "fec0::/10",
    "ff00::/8",
    "fd00:ec2::254/128",
    "fd20:ce::254/128",
];

fn forbidden() -> Vec<IpNet> {
    FORBIDDEN.iter().map(|network| network.parse().unwrap()).collect()
}

/// By the text above: what is in one of its networks, and IPv6 outside of global unicast.
fn is_forbidden(address: IpAddr) -> bool {
    let unicast: IpNet = "2000::/3".parse().unwrap();
    forbidden().iter().any(|network| network.contains(&address))
        || address.is_ipv6() && !unicast.contains(&address)
}

/// Random addresses would hardly ever meet a small network, so half of them come from around one.
fn address() -> impl Strategy<Value = IpAddr> {
    let near = (0..FORBIDDEN.len(), any::<u128>(), -2_i8..=2).prop_map(|(index, random, step)| {
        let network: IpNet = FORBIDDEN[index].parse().unwrap();
        match network {
            IpNet::V4(network) => {
                let host = u32::try_from(random & u128::from(network.hostmask().to_bits())).unwrap_or(0);
                let inside = network.network().to_bits() | host;
                let edge = [network.network().to_bits(), network.broadcast().to_bits(), inside]
                    [usize::from(step.unsigned_abs())];
                IpAddr::from(Ipv4Addr::from_bits(edge.wrapping_add_signed(i32::from(step))))
            }
            IpNet::V6(network) => {
                let inside = network.network().to_bits() | random & network.hostmask().to_bits();
                let edge = [network.network().to_bits(), network.broadcast().to_bits(), inside]
                    [usize::from(step.unsigned_abs())];
                IpAddr::from(Ipv6Addr::from_bits(edge.wrapping_add_signed(i128::from(step))))
            }
        }
    });
    prop_oneof![
        4 => near,
        1 => any::<u32>().prop_map(|bits| Ipv4Addr::from_bits(bits).into()),
        1 => any::<u128>().prop_map(|bits| Ipv6Addr::from_bits(bits).into()),
        1 => any::<u128>().prop_map(|bits| Ipv6Addr::from_bits(bits >> 3 | 1 << 125).into()),
    ]
}

fn full_width(text: &str) -> String {
    let wide = |digit: u32| char::from_u32(0xff10 + digit).unwrap();
    text.chars().map(|c| c.to_digit(10).map_or(c, wide)).collect()
}

#[test]
fn every_forbidden_network_is_refused_from_its_first_to_its_last_address() {
    for network in forbidden() {
        for address in [network.network(), network.broadcast()] {
            assert!(!AddressRules::Public.allow(address), "{address} of {network}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_096, failure_persistence: None, ..ProptestConfig::default() })]

    /// A gap in the table lets strangers into the network; a hole too many shuts receivers out.
    #[test]
    fn the_table_allows_exactly_what_the_registries_do_not_forbid(address in address()) {
        prop_assert_eq!(AddressRules::Public.allow(address), !is_forbidden(address), "{}", address);
    }

    /// An address is the same address in every way to write it.
    #[test]
    fn every_way_to_write_an_address_is_judged_alike(address in address(), form in 0..8_u8) {
        let host = match (address, form) {
            (IpAddr::V4(v4), 0) => v4.to_bits().to_string(),
            (IpAddr::V4(v4), 1) => format!("{:#x}", v4.to_bits()),
            (IpAddr::V4(v4), 2) => format!("0{:o}", v4.to_bits()),
            (IpAddr::V4(v4), 3) => v4.octets().map(|octet| format!("{octet:#x}")).join("."),
            (IpAddr::V4(v4), 4) => format!("{}.{}", v4.octets()[0], v4.to_bits() & 0x00ff_ffff),
            (IpAddr::V4(v4), 5) => format!("{v4}."),
            (IpAddr::V4(v4), 6) => full_width(&v4.to_string()),
            (IpAddr::V4(v4), _) => v4.to_string(),
            (IpAddr::V6(v6), 0) => {
                format!("[{}]", v6.segments().map(|segment| format!("{segment:04X}")).join(":"))
            }
            (IpAddr::V6(v6), _) => format!("[{v6}]"),
        };
        let result = EgressRules::default().check(&format!("https://{host}/hooks"));
        if is_forbidden(address) {
            prop_assert_eq!(result, Err(TargetError::BlockedAddress(address)), "{}", host);
        } else {
            prop_assert!(result.is_ok(), "{host}: {result:?}");
        }
    }

    /// An IPv4 address inside an IPv6 one is how a private address gets past a filter.
    #[test]
    fn ipv4_inside_ipv6_is_refused_whatever_it_is(bits: u32) {
        let low = u128::from(bits);
        for prefix in ["::", "::ffff:0:0", "64:ff9b::", "64:ff9b:1::"] {
            let prefix: Ipv6Addr = prefix.parse().unwrap();
            prop_assert!(!AddressRules::Public.allow(Ipv6Addr::from_bits(prefix.to_bits() | low).into()));
        }
        let six_to_four = (0x2002_u128 << 112) | (low << 80);
        let teredo = (0x2001_u128 << 112) | low;
        prop_assert!(!AddressRules::Public.allow(Ipv6Addr::from_bits(six_to_four).into()));
        prop_assert!(!AddressRules::Public.allow(Ipv6Addr::from_bits(teredo).into()));
    }

    /// Whatever strangers send as a URL is answered and not a crash, and what is accepted is sendable.
    #[test]
    fn any_text_is_judged(text in "\\PC{0,60}|https?://[\\PC]{0,40}|https://[0-9a-fx.:\\[\\]@#%]{0,40}") {
        if let Ok(url) = EgressRules::default().check(&text) {
            prop_assert_eq!(url.scheme(), "https");
            prop_assert!(url.username().is_empty() && url.password().is_none() && url.fragment().is_none());
            prop_assert_eq!(EgressRules::default().check(url.as_str()), Ok(url.clone()));
        }
    }

    /// An entry of the list opens its network and not one address more.
    #[test]
    fn an_allowed_network_allows_itself_only(address in address(), bits in 0_u8..=24) {
        let network = format!("10.1.2.3/{bits}");
        let rules = EgressRules { allowed: vec![network.parse().unwrap()], ..EgressRules::default() };
        let is_inside = network.parse::<IpNet>().unwrap().contains(&address);
        let is_allowed = rules.vet("any.example", [address]).is_ok();
        prop_assert_eq!(is_allowed, is_inside || !is_forbidden(address));
    }
}
