//! Whom the operator names: an identity, or all addresses of a prefix, and its text. It knows no list; the pool's lists and every face that
//! changes them use it.

use super::peer::PeerId;
use super::text::shown;
use ipnet::IpNet;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

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
        Ok(Subject::Net(net.trunc()))
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
        for text in ["", "192.0.2.1/33", "example.org", "192.0.2.1:80", "ab"] {
            let error = text.parse::<Subject>().expect_err(text).to_string();
            assert!(error.contains("is neither a peer id"), "{error}");
        }
    }
}
