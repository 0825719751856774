//! A node's address as people, configuration and PEX write it: `[bowline://][<peer id>@]host:port`. It never resolves.
//! Settings, the public calls and the exchange worker parse and print with it.

use super::peer::{PeerId, PeerIdError};
use super::point::is_host;
use super::sizes;
use super::text::shown;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

/// Longest address text that is looked at, bytes: scheme 16, id 64, name 253 (RFC 1035), port 6 and signs.
pub const ADDRESS_TEXT_MAX: usize = 350;

/// Which wire dialect an address speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scheme {
    #[default]
    Bowline,
    /// Tendermint's and CometBFT's multiplexed connection; a peer known only by such addresses is asked with PEX v1.
    Mconn,
}

impl Scheme {
    pub const fn name(self) -> &'static str {
        match self {
            Scheme::Bowline => "bowline",
            Scheme::Mconn => "mconn",
        }
    }
}

/// A host: an address, or a name that a resolver must be asked for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Host {
    Ip(IpAddr),
    Name(String),
}

/// A node's address: how to reach it and, where known, who must answer there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    pub scheme: Scheme,
    pub id: Option<PeerId>,
    pub host: Host,
    pub port: u16,
}

const _: () = assert!(size_of::<Address>() <= sizes::ADDRESS);

impl Address {
    /// The address of a bowline node at a known socket address.
    pub fn of(at: SocketAddr, id: Option<PeerId>) -> Address {
        Address { scheme: Scheme::Bowline, id, host: Host::Ip(at.ip().to_canonical()), port: at.port() }
    }

    /// The socket address, unless a name must be resolved first.
    pub fn socket(&self) -> Option<SocketAddr> {
        match self.host {
            Host::Ip(ip) => Some(SocketAddr::new(ip, self.port)),
            Host::Name(_) => None,
        }
    }

    /// Whether a node can be dialed there at all.
    ///
    /// # Errors
    /// `Foreign`, or `Nowhere`.
    pub fn check_dialable(&self) -> Result<(), AddressError> {
        match self.host {
            _ if self.scheme != Scheme::Bowline => Err(AddressError::Foreign(self.scheme)),
            Host::Ip(ip) if !is_host(ip) => Err(AddressError::Nowhere(ip)),
            Host::Ip(_) | Host::Name(_) => Ok(()),
        }
    }
}

impl fmt::Display for Address {
    /// The canonical text: always with scheme, so that it can be parsed anywhere.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://", self.scheme.name())?;
        if let Some(id) = self.id {
            write!(f, "{id}@")?;
        }
        match &self.host {
            Host::Ip(IpAddr::V6(v6)) => write!(f, "[{v6}]:{}", self.port),
            Host::Ip(IpAddr::V4(v4)) => write!(f, "{v4}:{}", self.port),
            Host::Name(name) => write!(f, "{name}:{}", self.port),
        }
    }
}

/// A text that is no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    #[error("an address has at most {ADDRESS_TEXT_MAX} bytes, this one {0}")]
    TooLong(usize),
    #[error("unknown scheme '{0}': bowline and mconn are known")]
    Scheme(String),
    #[error(transparent)]
    Id(#[from] PeerIdError),
    #[error("'{0}' has no port: write host:port, or [host]:port for IPv6")]
    NoPort(String),
    #[error("'{0}' is no port: 1 to 65535 are")]
    Port(String),
    #[error("'{0}' is neither an IP address nor a host name")]
    Host(String),
    #[error("{} addresses are not dialed by this node: give one of bowline", .0.name())]
    Foreign(Scheme),
    #[error("no node can be at {0}, which is unspecified, multicast or broadcast: give the address of one host")]
    Nowhere(IpAddr),
}

impl FromStr for Address {
    type Err = AddressError;
    fn from_str(text: &str) -> Result<Address, AddressError> {
        if text.len() > ADDRESS_TEXT_MAX {
            return Err(AddressError::TooLong(text.len()));
        }
        let (scheme, rest) = match text.split_once("://") {
            None => (Scheme::Bowline, text),
            Some(("bowline", rest)) => (Scheme::Bowline, rest),
            Some(("mconn", rest)) => (Scheme::Mconn, rest),
            Some((other, _)) => return Err(AddressError::Scheme(shown(other))),
        };
        let (id, rest) = match rest.split_once('@') {
            None => (None, rest),
            Some((id, rest)) => (Some(id.parse()?), rest),
        };
        let (host, port) = rest.rsplit_once(':').ok_or_else(|| AddressError::NoPort(shown(rest)))?;
        let number = if port.bytes().all(|b| b.is_ascii_digit()) { port.parse().ok() } else { None };
        let port = number.filter(|port| *port != 0).ok_or_else(|| AddressError::Port(shown(port)))?;
        Ok(Address { scheme, id, host: parse_host(host)?, port })
    }
}

fn parse_host(text: &str) -> Result<Host, AddressError> {
    let wrong = || AddressError::Host(shown(text));
    if let Some(inner) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return inner.parse().map(|v6| Host::Ip(IpAddr::V6(v6).to_canonical())).map_err(|_| wrong());
    }
    if let Ok(v4) = text.parse() {
        return Ok(Host::Ip(IpAddr::V4(v4)));
    }
    let label = |label: &str| {
        !label.is_empty() && label.len() <= 63 && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    // A name whose last label is a number would be read as an address by some resolvers.
    let last_is_number = text.rsplit('.').next().is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()));
    if text.len() <= 253 && !last_is_number && text.split('.').all(label) {
        return Ok(Host::Name(text.to_ascii_lowercase()));
    }
    Err(wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn printed_addresses_parse_again() {
        let id = "ab".repeat(32);
        for text in
            [format!("bowline://{id}@10.0.0.1:9732"), "bowline://[2001:db8::1]:1".into(), "mconn://seed.example.org:26656".into()]
        {
            let address: Address = text.parse().expect("valid");
            assert_eq!(address.to_string(), text);
        }
        let short: Address = "Seed.example:9".parse().expect("valid");
        assert_eq!(short.to_string(), "bowline://seed.example:9");
    }

    #[test]
    fn wrong_texts_say_what_is_wrong() {
        for (text, says) in [
            ("http://a:1", "unknown scheme 'http'"),
            ("a", "'a' has no port"),
            ("a:0", "'0' is no port"),
            ("a:+1", "'+1' is no port"),
            ("a:65536", "'65536' is no port"),
            ("12@a:1", "a peer id is 64 hex digits"),
            ("1.2.3.999:1", "'1.2.3.999' is neither"),
            ("2001:db8::1:80", "neither"),
            ("a b:1", "'a b' is neither"),
            (":1", "'' is neither"),
        ] {
            let error = text.parse::<Address>().expect_err(text).to_string();
            assert!(error.contains(says), "{text}: {error}");
        }
        assert!("a".repeat(400).parse::<Address>().is_err());
    }
}
