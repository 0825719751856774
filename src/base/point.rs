//! Where a peer is: address rules and groups. An address is a `SocketAddr`; it never resolves names.
//! The pool groups and judges addresses with it, the session puts a group into a cookie.

use ipnet::IpNet;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// One host can be there: the address is neither unspecified nor multicast nor broadcast.
pub fn is_host(ip: IpAddr) -> bool {
    match canonical(ip) {
        IpAddr::V4(v4) => !v4.is_unspecified() && !v4.is_broadcast() && !v4.is_multicast(),
        IpAddr::V6(v6) => !v6.is_unspecified() && !v6.is_multicast(),
    }
}

/// An IPv4-mapped IPv6 address as the IPv4 address that it is; every address is made canonical where it enters.
pub fn canonical(ip: IpAddr) -> IpAddr {
    ip.to_canonical()
}

/// A set of addresses that one party is likely to hold: IPv4 /16, IPv6 /32, as CometBFT and Bitcoin have it. An IPv6 address that only carries
/// an IPv4 one is in that one's group. Special IPv4 addresses (loopback, private ones) are grouped by /24, so that a network on one machine
/// or in one house has as many groups as it has /24s.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Group {
    V4([u8; 2]),
    V4Local([u8; 3]),
    V6([u8; 4]),
    /// A /36 of a provider that leases parts of its /32 to everybody; the last four bits are 0.
    V6Leased([u8; 5]),
    /// Everything that one network announces, where the operator has a map of them.
    As(u32),
}

/// Hurricane Electric's tunnels: everybody gets a /48 of this /32 (CometBFT and Bitcoin group it by /36).
const LEASED: [u16; 2] = [0x2001, 0x0470];

impl Group {
    pub fn of(ip: IpAddr) -> Group {
        match canonical(ip) {
            IpAddr::V4(v4) => Group::of_v4(v4),
            IpAddr::V6(v6) => match carried_v4(v6) {
                Some(v4) => Group::of_v4(v4),
                None if v6.segments()[..2] == LEASED => {
                    let [a, b, c, d, e]: [u8; 5] = first(v6.octets());
                    Group::V6Leased([a, b, c, d, e & 0xf0])
                }
                None => Group::V6(first(v6.octets())),
            },
        }
    }

    fn of_v4(v4: Ipv4Addr) -> Group {
        if is_global_v4(v4) { Group::V4(first(v4.octets())) } else { Group::V4Local(first(v4.octets())) }
    }

    /// The group as bytes, no two alike: what a keyed place is drawn from.
    pub fn to_bytes(self) -> [u8; 6] {
        match self {
            Group::V4([a, b]) => [0, a, b, 0, 0, 0],
            Group::V4Local([a, b, c]) => [1, a, b, c, 0, 0],
            Group::V6([a, b, c, d]) => [2, a, b, c, d, 0],
            Group::V6Leased([a, b, c, d, e]) => [3, a, b, c, d, e],
            Group::As(number) => {
                let [a, b, c, d] = number.to_be_bytes();
                [4, a, b, c, d, 0]
            }
        }
    }
}

/// The IPv4 address that an IPv6 address carries: translated (RFC 6052, RFC 6145), 6to4 (RFC 3964) and Teredo (RFC 4380), which hides it.
fn carried_v4(v6: Ipv6Addr) -> Option<Ipv4Addr> {
    let [a, b, c, d, e, f, g, h] = v6.segments();
    let v4 = |high: u16, low: u16| Some(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)));
    match [a, b, c, d, e, f] {
        [0x0064, 0xff9b, 0, 0, 0, 0] | [0, 0, 0, 0, 0xffff, 0] => v4(g, h),
        [0x2002, high, low, ..] => v4(high, low),
        [0x2001, 0, ..] => v4(!g, !h),
        _ => None,
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pair = |a: u8, b: u8| u16::from_be_bytes([a, b]);
        match self {
            Group::V4([a, b]) => write!(f, "{a}.{b}.0.0/16"),
            Group::V4Local([a, b, c]) => write!(f, "{a}.{b}.{c}.0/24"),
            Group::V6([a, b, c, d]) => write!(f, "{:x}:{:x}::/32", pair(*a, *b), pair(*c, *d)),
            Group::V6Leased([a, b, c, d, e]) => write!(f, "{:x}:{:x}:{:x}::/36", pair(*a, *b), pair(*c, *d), pair(*e, 0)),
            Group::As(number) => write!(f, "AS{number}"),
        }
    }
}

/// A text that is no group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a group is AS and a number, or a prefix of 16, 24, 32 or 36 bits as it is shown")]
pub struct GroupError;

impl FromStr for Group {
    type Err = GroupError;
    /// Reads what `Display` writes. The length alone says which kind it is: what is special lies within greater prefixes that are not.
    fn from_str(text: &str) -> Result<Group, GroupError> {
        let group = match text.strip_prefix("AS") {
            Some(number) => number.parse().ok().map(Group::As),
            None => match text.parse() {
                Ok(IpNet::V4(net)) if net.prefix_len() == 16 => Some(Group::V4(first(net.addr().octets()))),
                Ok(IpNet::V4(net)) if net.prefix_len() == 24 => Some(Group::V4Local(first(net.addr().octets()))),
                Ok(IpNet::V6(net)) if net.prefix_len() == 32 => Some(Group::V6(first(net.addr().octets()))),
                Ok(IpNet::V6(net)) if net.prefix_len() == 36 => Some(Group::V6Leased(first(net.addr().octets()))),
                _ => None,
            },
        };
        group.filter(|group| group.to_string() == text).ok_or(GroupError)
    }
}

/// The prefix that half-open limits and cookies use: IPv4 /24 (3 bytes) or IPv6 /64 (8 bytes) (design, section 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Prefix {
    V4([u8; 3]),
    V6([u8; 8]),
}

impl Prefix {
    pub fn of(ip: IpAddr) -> Prefix {
        match canonical(ip) {
            IpAddr::V4(v4) => Prefix::V4(first(v4.octets())),
            IpAddr::V6(v6) => Prefix::V6(first(v6.octets())),
        }
    }

    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Prefix::V4(bytes) => bytes,
            Prefix::V6(bytes) => bytes,
        }
    }
}

/// The unit that automatic lists judge by: one IPv4 address, one IPv6 /64 (threat T31).
pub fn host(ip: IpAddr) -> IpAddr {
    match canonical(ip) {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
    }
}

/// True for an address that other hosts of the Internet could reach (RFC 6890's special ranges are not).
pub fn is_global(ip: IpAddr) -> bool {
    match canonical(ip) {
        IpAddr::V4(v4) => is_global_v4(v4),
        IpAddr::V6(v6) => {
            let [a, b, ..] = v6.segments();
            // Only 2000::/3 is handed out; out of it: documentation, Teredo/ORCHID block, 6to4.
            a & 0xe000 == 0x2000 && !(a == 0x2001 && b == 0x0db8) && !(a == 0x2001 && b < 0x0200) && a != 0x2002 && a != 0x3fff
        }
    }
}

fn is_global_v4(v4: Ipv4Addr) -> bool {
    let [a, b, c, _] = v4.octets();
    let special = a == 0
        || v4.is_private()
        || v4.is_loopback()
        || v4.is_link_local()
        || v4.is_documentation()
        || a >= 224
        || a == 100 && (64..128).contains(&b)
        || a == 192 && b == 0 && c == 0
        || a == 198 && (18..20).contains(&b)
        || a == 192 && b == 88 && c == 99;
    !special
}

fn first<const N: usize, const M: usize>(bytes: [u8; M]) -> [u8; N] {
    const { assert!(N <= M, "a prefix is no longer than its address") };
    std::array::from_fn(|i| bytes[i])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("a literal address")
    }

    #[test]
    fn mapped_addresses_are_judged_as_ipv4() {
        assert_eq!(Group::of(ip("::ffff:8.8.4.4")), Group::V4([8, 8]));
        assert_eq!(Prefix::of(ip("::ffff:198.51.100.7")).as_bytes(), [198, 51, 100]);
        assert_eq!(host(ip("2001:db8:1:2:3:4:5:6")), ip("2001:db8:1:2::"));
    }

    #[test]
    fn special_ranges_are_not_global() {
        for text in [
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "127.0.0.1",
            "169.254.1.1",
            "192.168.0.1",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "fe80::1",
            "fc00::1",
            "2001:db8::1",
            "2001:10::1",
            "2002::1",
            "ff02::1",
        ] {
            assert!(!is_global(ip(text)), "{text}");
        }
        for text in ["8.8.8.8", "100.128.0.1", "2606:4700::1111"] {
            assert!(is_global(ip(text)), "{text}");
        }
    }

    /// CometBFT's strict rows have one group each for local and unroutable addresses: here they are not global, and get into no book but
    /// that of a private network, where each /24 is a group. Its names for OnionCat's addresses have no like: they are not global either.
    #[test]
    fn groups_agree_with_cometbfts_table() {
        let table: serde_json::Value =
            serde_json::from_str(include_str!("../../tests/vectors/cometbft/group_keys.json")).expect("JSON");
        let rows = |name: &str| {
            let rows = table[name].as_array().expect("rows").clone();
            rows.into_iter().map(|row| ["ip", "key"].map(|field| row[field].as_str().expect("a text").to_owned()))
        };
        let mut counts = [0; 3];
        for [address, key] in rows("non_strict") {
            if key.starts_with("tor:") {
                assert!(!is_global(ip(&address)), "{address}");
                counts[0] += 1;
                continue;
            }
            let group = Group::of(ip(&address)).to_string();
            assert_eq!(group.split('/').next(), Some(key.as_str()), "{address}");
            counts[1] += 1;
        }
        for [address, key] in rows("strict") {
            assert!(["local", "unroutable"].contains(&key.as_str()) && !is_global(ip(&address)), "{address}");
            counts[2] += 1;
        }
        assert_eq!(counts, [3, 11, 13], "all 27 rows");
    }

    /// All of IPv4 by /16 and what is special in it by /24; of IPv6 samples of each kind, and what only carries IPv4.
    #[test]
    fn every_group_is_read_back_from_its_text() {
        let read_back = |group: Group| assert_eq!(group.to_string().parse(), Ok(group));
        for [a, b] in (0..=u16::MAX).map(u16::to_be_bytes) {
            read_back(Group::V4([a, b]));
            for c in [0, 1, 2, 99, 100, 113, 255] {
                read_back(Group::of(Ipv4Addr::new(a, b, c, 9).into()));
            }
        }
        for text in [
            "::",
            "::1",
            "::5:6",
            "64:ff9b::192.0.78.9",
            "64:ff9b:1::1",
            "::ffff:0:192.0.78.9",
            "100::1",
            "1:2::3",
            "2001::1",
            "2001:0:c000:204::1",
            "2001:db8::1",
            "2001:470::1",
            "2001:470:1000::1",
            "2001:470:f000::1",
            "2002:c000:4e09::1",
            "2606:4700::1111",
            "fe80::1",
            "ffff:ffff:ffff::",
        ] {
            read_back(Group::of(ip(text)));
        }
        for number in [0, 1, u32::MAX] {
            read_back(Group::As(number));
        }
        for text in
            ["", "AS", "AS-1", "AS+1", "AS01", "8.8.0.0", "8.8.1.0/16", "8.8.0.0/17", "2001:470:f80::/36", "2001:DB8::/32", "x"]
        {
            assert_eq!(text.parse::<Group>(), Err(GroupError), "{text}");
        }
    }

    #[test]
    fn no_two_groups_have_the_same_bytes() {
        let groups =
            ["8.8.1.1", "10.8.1.1", "2606:808::1", "2001:470:1000::1", "2001:470:2000::1"].map(|text| Group::of(ip(text)));
        let bytes: std::collections::BTreeSet<_> =
            groups.into_iter().chain([Group::As(0x0808_0000)]).map(Group::to_bytes).collect();
        assert_eq!(bytes.len(), 6);
    }

    #[test]
    fn loopback_networks_have_a_group_each() {
        assert_ne!(Group::of(ip("127.0.1.1")), Group::of(ip("127.0.2.1")));
        assert_eq!(Group::of(ip("8.8.1.1")), Group::of(ip("8.8.2.2")));
    }
}
