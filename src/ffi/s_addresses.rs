//! Section S of the header: addresses as plain values. Nothing here resolves a name.

use super::b_errors::bowline_result;
use super::guard::{Failure, guard};
use super::raw::{self, Out};
use std::ffi::{c_char, c_void};
use std::mem::size_of;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

/// bowline_addr.family of an IPv4 address.
pub const BOWLINE_AF_IPV4: u8 = 4;
/// bowline_addr.family of an IPv6 address.
pub const BOWLINE_AF_IPV6: u8 = 6;
/// A buffer of this size holds the text of every address: two brackets, 39 characters, "%" and 10 digits, ":" and 5 digits, NUL.
pub const BOWLINE_ADDR_TEXT_MAX: usize = 64;

/// An IP address with its port. All zeros is no address.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct bowline_addr {
    /// BOWLINE_AF_IPV4 or BOWLINE_AF_IPV6; 0 is no address.
    pub family: u8,
    /// Zero.
    pub reserved: u8,
    /// Port, in the byte order of this machine.
    pub port: u16,
    /// Interface of a link-local IPv6 address, else zero.
    pub scope: u32,
    /// 4 bytes and zeros, or 16 bytes.
    pub ip: [u8; 16],
}

impl bowline_addr {
    /// No address.
    pub const NONE: bowline_addr = bowline_addr { family: 0, reserved: 0, port: 0, scope: 0, ip: [0; 16] };

    pub fn of(at: SocketAddr) -> bowline_addr {
        let mut addr = bowline_addr { port: at.port(), ..bowline_addr::NONE };
        match at.ip().to_canonical() {
            IpAddr::V4(v4) => {
                addr.family = BOWLINE_AF_IPV4;
                addr.ip[..4].copy_from_slice(&v4.octets());
            }
            IpAddr::V6(v6) => {
                addr.family = BOWLINE_AF_IPV6;
                addr.ip = v6.octets();
                addr.scope = if let SocketAddr::V6(at) = at { at.scope_id() } else { 0 };
            }
        }
        addr
    }

    /// The address that a caller built. What has no meaning must be zero, so that it can get one later.
    pub fn socket(&self) -> Result<SocketAddr, Failure> {
        let wrong = |says: &str| Err(Failure::new(bowline_result::BOWLINE_E_INVALID, says));
        if self.reserved != 0 {
            return wrong("bowline_addr.reserved must be 0");
        }
        match self.family {
            BOWLINE_AF_IPV4 => {
                let [a, b, c, d, rest @ ..] = self.ip;
                if self.scope != 0 || rest != [0; 12] {
                    return wrong("an IPv4 bowline_addr has scope 0 and zeros after its 4 bytes");
                }
                Ok(SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::new(a, b, c, d), self.port)))
            }
            BOWLINE_AF_IPV6 => Ok(SocketAddr::V6(SocketAddrV6::new(Ipv6Addr::from(self.ip), self.port, 0, self.scope))),
            other => wrong(&format!("bowline_addr.family is {other}: BOWLINE_AF_IPV4 (4) and BOWLINE_AF_IPV6 (6) are known")),
        }
    }
}

fn parse(text: &str, default_port: u16) -> Result<SocketAddr, Failure> {
    if let Ok(at) = text.parse() {
        return Ok(at);
    }
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let ip = match bare {
        Some(inner) => inner.parse().map(IpAddr::V6),
        None => text.parse(),
    };
    ip.map(|ip| SocketAddr::new(ip, default_port)).map_err(|_| {
        let shown = crate::base::text::shown(text);
        Failure::new(bowline_result::BOWLINE_E_INVALID, format!("'{shown}' is no IP address with or without a port"))
    })
}

/// Reads a numeric address: "192.0.2.1:9732", "[2001:db8::1]:9732", or either without a port. Never resolves a name.
///
/// @param text          the address
/// @param default_port  the port if the text has none
/// @param out           the address
/// @return BOWLINE_OK, INVALID, NULL, UTF8.
/// @threads any
/// @since 0.1
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_addr_parse(text: *const c_char, default_port: u16, out: *mut bowline_addr) -> bowline_result {
    guard(|| {
        // SAFETY: the header asks for a text and a writable address, or NULL.
        let (out, text) = unsafe { (Out::of(out)?, raw::text(text)?) };
        out.put(bowline_addr::of(parse(text, default_port)?));
        Ok(())
    })
}

/// Writes an address as text, with its port.
///
/// @param addr    the address
/// @param buf     where to; BOWLINE_ADDR_TEXT_MAX bytes are always enough
/// @param cap     bytes there
/// @param needed  may be NULL; the bytes that the text takes with its NUL, also when they are not there
/// @return BOWLINE_OK, BUFFER, INVALID, NULL.
/// @threads any
/// @since 0.1
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_addr_format(
    addr: *const bowline_addr,
    buf: *mut c_char,
    cap: usize,
    needed: *mut usize,
) -> bowline_result {
    guard(|| {
        // SAFETY: the header asks for an address and a buffer of `cap` bytes, or NULL.
        unsafe {
            let text = raw::read(addr)?.socket()?.to_string();
            raw::fill(&text, buf, cap, needed)
        }
    })
}

/// Takes the address out of a struct sockaddr_in or sockaddr_in6.
///
/// @param sa      the socket address
/// @param sa_len  its length in bytes, as accept(2) and getaddrinfo(3) give it
/// @param out     the address
/// @return BOWLINE_OK, INVALID if the length does not fit the family, NULL, UNSUPPORTED family.
/// @threads any
/// @since 0.1
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_addr_from_sockaddr(sa: *const c_void, sa_len: usize, out: *mut bowline_addr) -> bowline_result {
    guard(|| {
        // SAFETY: the header asks for `sa_len` bytes and a writable address, or NULL.
        let (out, bytes) = unsafe { (Out::of(out)?, raw::bytes(sa, sa_len)?) };
        if sa.is_null() {
            return Err(bowline_result::BOWLINE_E_NULL.into());
        }
        out.put(bowline_addr::of(from_sockaddr(bytes)?));
        Ok(())
    })
}

fn from_sockaddr(bytes: &[u8]) -> Result<SocketAddr, Failure> {
    let family_end = std::mem::offset_of!(libc::sockaddr, sa_family) + size_of::<libc::sa_family_t>();
    let family = if bytes.len() < family_end {
        return Err(too_short(bytes.len()));
    } else {
        let field = &bytes[family_end - size_of::<libc::sa_family_t>()..family_end];
        libc::sa_family_t::from_ne_bytes(field.try_into().expect("the slice has the length of the type"))
    };
    match i32::from(family) {
        libc::AF_INET => {
            let v4: libc::sockaddr_in = plain(bytes)?;
            Ok(SocketAddr::from((v4.sin_addr.s_addr.to_ne_bytes(), u16::from_be(v4.sin_port))))
        }
        libc::AF_INET6 => {
            let v6: libc::sockaddr_in6 = plain(bytes)?;
            let ip = Ipv6Addr::from(v6.sin6_addr.s6_addr);
            Ok(SocketAddr::V6(SocketAddrV6::new(ip, u16::from_be(v6.sin6_port), 0, v6.sin6_scope_id)))
        }
        other => Err(Failure::new(
            bowline_result::BOWLINE_E_UNSUPPORTED,
            format!("address family {other} is neither AF_INET nor AF_INET6"),
        )),
    }
}

fn too_short(len: usize) -> Failure {
    Failure::new(bowline_result::BOWLINE_E_INVALID, format!("{len} bytes are too few for a socket address of that family"))
}

/// A C struct of integers out of bytes of any alignment.
fn plain<T: Copy>(bytes: &[u8]) -> Result<T, Failure> {
    if bytes.len() < size_of::<T>() {
        return Err(too_short(bytes.len()));
    }
    // SAFETY: there are enough bytes, and the socket address structs this is used for allow every bit pattern.
    Ok(unsafe { bytes.as_ptr().cast::<T>().read_unaligned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(addr: &bowline_addr) -> String {
        addr.socket().expect("a valid address").to_string()
    }

    #[test]
    fn addresses_read_and_print() {
        for (from, to) in [
            ("192.0.2.1:80", "192.0.2.1:80"),
            ("192.0.2.1", "192.0.2.1:7"),
            ("[2001:db8::1]:80", "[2001:db8::1]:80"),
            ("[2001:db8::1]", "[2001:db8::1]:7"),
            ("2001:db8::1", "[2001:db8::1]:7"),
            ("[::ffff:192.0.2.1]:80", "192.0.2.1:80"),
            ("[fe80::1%4294967295]:65535", "[fe80::1%4294967295]:65535"),
        ] {
            let addr = bowline_addr::of(parse(from, 7).expect(from));
            assert_eq!(text(&addr), to);
            assert_eq!(parse(&text(&addr), 0).map(bowline_addr::of).ok(), Some(addr));
        }
        for wrong in ["", "localhost:1", "1.2.3.4:", "1.2.3.4:65536", "[1.2.3.4]", "[::1", "1.2.3.4 "] {
            assert!(parse(wrong, 7).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_longest_text_fits() {
        let longest = format!("[{}%{}]:65535", "ffff:".repeat(7) + "ffff", u32::MAX);
        assert!(parse(&longest, 0).expect("valid").to_string().len() < BOWLINE_ADDR_TEXT_MAX);
    }

    #[test]
    fn bytes_without_meaning_must_be_zero() {
        let good = bowline_addr::of(parse("192.0.2.1:80", 0).expect("valid"));
        let mut rest = good;
        rest.ip[4] = 1;
        for wrong in
            [bowline_addr { reserved: 1, ..good }, bowline_addr { scope: 1, ..good }, rest, bowline_addr { family: 5, ..good }]
        {
            assert!(wrong.socket().is_err(), "{wrong:?}");
        }
    }
}
