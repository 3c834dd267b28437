//! Which addresses may be called.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use ipnet::IpNet;

/// The public internet, and what the operator allows beside it.
#[derive(Clone, Debug)]
pub(super) struct Reach(Arc<[IpNet]>);

impl Reach {
    pub(super) fn new(allow: Vec<IpNet>) -> Self {
        Self(allow.into())
    }

    pub(super) fn permits(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        let is_public = match address {
            IpAddr::V4(address) => is_public_v4(address),
            IpAddr::V6(address) => is_public_v6(address),
        };
        is_public || self.0.iter().any(|range| range.contains(&address))
    }
}

/// RFC 6890 and the IANA registry of special-purpose addresses.
fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let is_special = address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_documentation()
        // This network; shared by carriers; protocol assignments and the relays of 6to4; benchmarks; reserved.
        || a == 0
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 192 && b == 88 && c == 99)
        || (a == 198 && (b == 18 || b == 19))
        || a >= 240;
    !is_special
}

/// Only what is assigned as global unicast, without the ranges in it that lead elsewhere.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let [first, second, ..] = address.segments();
    // 2000::/3 is all that IANA has assigned to the public internet.
    let is_assigned = (0x2000..0x4000).contains(&first);
    // Teredo and other protocol assignments (2001::/23), documentation, 6to4, which each may hold any IPv4 address.
    let is_special = (first == 0x2001 && (second < 0x0200 || second == 0x0db8))
        || first == 0x2002
        || (first == 0x3fff && second < 0x1000);
    is_assigned && !is_special
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permits(allow: &[&str], address: &str) -> bool {
        let allow = allow.iter().map(|range| range.parse().unwrap()).collect();
        Reach::new(allow).permits(address.parse().unwrap())
    }

    #[test]
    fn only_the_public_internet_is_called() {
        for public in [
            "1.1.1.1",
            "8.8.8.8",
            "192.0.1.1",
            "2606:4700::1111",
            "2001:4860:4860::8888",
        ] {
            assert!(permits(&[], public), "{public}");
        }
        for special in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "127.8.8.8",
            "169.254.169.254",
            "172.16.0.1",
            "192.0.0.1",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::7f00:1",
            "100::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff::1",
        ] {
            assert!(!permits(&[], special), "{special}");
        }
    }

    #[test]
    fn the_operator_may_allow_a_range() {
        assert!(permits(&["127.0.0.1/32"], "127.0.0.1"));
        assert!(permits(&["127.0.0.1/32"], "::ffff:127.0.0.1"));
        assert!(!permits(&["127.0.0.1/32"], "127.0.0.2"));
        assert!(permits(&["fd00::/8"], "fd12::1"));
    }
}
