//! Whom the operator names: an identity, or all addresses of a prefix, and its text. It knows no list; the pool's lists and every face that
//! changes them use it.

use super::peer::PeerId;
use super::text::shown;
use ipnet::IpNet;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// Length of the prefix of IPv4-mapped addresses, ::ffff:0:0/96 (RFC 4291, 2.5.5.2).
const MAPPED_LEN: u8 = 96;

/// Whom the operator names: an identity, or all addresses of a prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    Peer(PeerId),
    Net(IpNet),
}

impl Subject {
    /// One address.
    pub fn host(ip: IpAddr) -> Subject {
        Subject::Net(IpNet::from(ip.to_canonical()))
    }

    /// The same by the name that lists and files use: a prefix by its first address, one of IPv4-mapped IPv6 addresses as that of IPv4.
    pub fn canonical(self) -> Subject {
        let Subject::Net(net) = self else { return self };
        let net = net.trunc();
        let mapped = match net {
            IpNet::V6(v6) if v6.prefix_len() >= MAPPED_LEN => v6.addr().to_ipv4_mapped(),
            _ => None,
        };
        let as_v4 = mapped.and_then(|v4| IpNet::new(v4.into(), net.prefix_len() - MAPPED_LEN).ok());
        Subject::Net(as_v4.unwrap_or(net))
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Subject::Peer(peer) => write!(f, "{peer}"),
            Subject::Net(net) if net.prefix_len() == net.max_prefix_len() => write!(f, "{}", net.addr()),
            Subject::Net(net) => write!(f, "{net}"),
        }
    }
}

/// A text that names nobody.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is neither a peer id of 64 hex digits nor an address such as 192.0.2.1, 192.0.2.0/24 or 2001:db8::/32")]
pub struct SubjectError(String);

impl FromStr for Subject {
    type Err = SubjectError;
    fn from_str(text: &str) -> Result<Subject, SubjectError> {
        if let Ok(peer) = text.parse() {
            return Ok(Subject::Peer(peer));
        }
        if let Ok(ip) = text.parse::<IpAddr>() {
            return Ok(Subject::host(ip));
        }
        let net: IpNet = text.parse().map_err(|_| SubjectError(shown(text)))?;
        Ok(Subject::Net(net).canonical())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_print_as_they_are_read_and_wrong_texts_say_why() {
        for text in ["192.0.2.1", "192.0.2.0/24", "2001:db8::/32", &"ab".repeat(32)] {
            assert_eq!(text.parse::<Subject>().expect("a subject").to_string(), text);
        }
        for (text, shown) in [
            ("192.0.2.9/24", "192.0.2.0/24"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("::ffff:192.0.2.1/128", "192.0.2.1"),
            ("::ffff:192.0.2.0/120", "192.0.2.0/24"),
            ("::ffff:0.0.0.0/96", "0.0.0.0/0"),
            ("::/0", "::/0"),
        ] {
            let subject: Subject = text.parse().expect("a subject");
            assert_eq!((subject.to_string().as_str(), subject.to_string().parse()), (shown, Ok(subject)));
        }
        for text in ["", "192.0.2.1/33", "example.org", "192.0.2.1:80", "ab"] {
            let error = text.parse::<Subject>().expect_err(text).to_string();
            assert!(error.contains("is neither a peer id"), "{error}");
        }
    }
}
