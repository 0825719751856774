//! Whom a node turns away before it spends anything on him: the part of the lists that an address alone decides, as it was at one moment.
//! It never changes; the pool makes one, the door of the bus shows it, the reactor asks it. Identities are no matter of it.

use super::point;
use super::sizes;
use super::time::Time;
use ipnet::IpNet;
use std::net::IpAddr;

/// Prefixes, and until when each of them counts.
#[derive(Clone, Debug, Default)]
pub struct Nets {
    rows: Vec<(IpNet, Time)>,
    /// The prefix lengths in use: a look-up tries only these.
    lengths: Vec<u8>,
}

impl FromIterator<(IpNet, Time)> for Nets {
    fn from_iter<I: IntoIterator<Item = (IpNet, Time)>>(rows: I) -> Nets {
        let mut rows: Vec<_> = rows.into_iter().collect();
        rows.sort_unstable();
        rows.shrink_to_fit();
        let mut lengths: Vec<u8> = rows.iter().map(|(net, _)| net.prefix_len()).collect();
        lengths.sort_unstable();
        lengths.dedup();
        lengths.shrink_to_fit();
        Nets { rows, lengths }
    }
}

impl Nets {
    fn hold(&self, now: Time, ip: IpAddr) -> bool {
        let until = |length: &u8| {
            let net = IpNet::new(ip, *length).ok()?.trunc();
            self.rows.binary_search_by_key(&net, |(net, _)| *net).ok().map(|at| self.rows[at].1)
        };
        self.lengths.iter().filter_map(until).any(|until| now < until)
    }
}

/// See the file's head.
#[derive(Clone, Debug, Default)]
pub struct Shut {
    /// Later ones have more.
    pub version: u64,
    pub banned: Nets,
    pub trusted: Nets,
    /// Hosts on the greylist, in order.
    pub greylisted: Vec<(IpAddr, Time)>,
    /// Only the trusted are let in, and none of them is known by his identity alone.
    pub is_trusted_only: bool,
}

const _: () = assert!(size_of::<(IpNet, Time)>() <= sizes::ROW_OF_DOOR && size_of::<(IpAddr, Time)>() <= sizes::ROW_OF_DOOR);

impl Shut {
    /// True if a connection from there is not worth a word: a ban beats trust, trust beats the rest.
    pub fn turns_away(&self, now: Time, ip: IpAddr) -> bool {
        let ip = point::canonical(ip);
        if self.banned.hold(now, ip) {
            return true;
        }
        !self.trusted.hold(now, ip) && (self.is_trusted_only || self.has_greylisted(now, ip))
    }

    fn has_greylisted(&self, now: Time, ip: IpAddr) -> bool {
        let row = self.greylisted.binary_search_by_key(&point::host(ip), |(host, _)| *host);
        row.is_ok_and(|at| now < self.greylisted[at].1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn nets(texts: &[&str], until: Time) -> Nets {
        texts.iter().map(|text| (text.parse().expect("a prefix"), until)).collect()
    }

    #[test]
    fn bans_beat_trust_and_trust_beats_the_greylist_and_each_ends_in_time() {
        let end = Time::ZERO + Duration::from_secs(10);
        let mut shut = Shut {
            banned: nets(&["198.51.100.0/24", "2001:db8::/32"], end),
            trusted: nets(&["198.51.100.7/32", "203.0.113.0/24"], Time::MAX),
            ..Shut::default()
        };
        shut.greylisted = ["192.0.2.1", "203.0.113.9"].map(|text| (text.parse().expect("an address"), end)).to_vec();
        let rows = [
            ("198.51.100.7", true),
            ("::ffff:198.51.100.8", true),
            ("2001:db8:1::1", true),
            ("2001:db9::1", false),
            ("192.0.2.1", true),
            ("192.0.2.2", false),
            ("203.0.113.9", false),
        ];
        for (text, is_shut) in rows {
            let ip = text.parse().expect("an address");
            assert_eq!(shut.turns_away(Time::ZERO, ip), is_shut, "{text}");
            assert!(!shut.turns_away(end, ip), "{text} when all has ended");
        }
        shut.is_trusted_only = true;
        assert!(shut.turns_away(end, "192.0.2.2".parse().expect("an address")));
        assert!(!shut.turns_away(end, "203.0.113.9".parse().expect("an address")));
    }
}
