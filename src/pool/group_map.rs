//! The map of networks: which prefixes belong to which network (AS), as the operator has written them down. It reads text and looks addresses
//! up; the node reads the file.

use super::policy::Grouping;
use crate::base::point::canonical;
use crate::base::text::shown;
use ipnet::IpNet;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// A line that is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} is '{text}': a prefix and a number are needed, such as 192.0.2.0/24 64496")]
pub struct GroupMapError {
    pub line: usize,
    pub text: String,
}

/// Reads a map: a prefix and a number a line, `#` begins a comment. An address is in the network of the longest prefix that has it.
///
/// # Errors
/// The first line that is wrong.
pub fn parse(text: &str) -> Result<Grouping, GroupMapError> {
    let mut prefixes: BTreeMap<IpNet, u32> = BTreeMap::new();
    for (line, said) in text.lines().enumerate() {
        let said = said.split('#').next().unwrap_or_default().trim();
        if said.is_empty() {
            continue;
        }
        let entry = entry(said).ok_or_else(|| GroupMapError { line: line + 1, text: shown(said) })?;
        prefixes.insert(entry.0, entry.1);
    }
    // Longest first; a map has some twenty lengths of the 129.
    let lengths: BTreeSet<u8> = prefixes.keys().map(IpNet::prefix_len).collect();
    let lengths: Vec<u8> = lengths.into_iter().rev().collect();
    Ok(Grouping::by(move |ip| number_of(&prefixes, &lengths, ip)))
}

fn entry(said: &str) -> Option<(IpNet, u32)> {
    let mut words = said.split_whitespace();
    let (prefix, number) = (words.next()?, words.next()?);
    let number = number.strip_prefix("AS").unwrap_or(number);
    let prefix: IpNet = prefix.parse().ok()?;
    words.next().is_none().then_some((prefix.trunc(), number.parse().ok()?))
}

/// `lengths` are those of the prefixes, of either family, longest first.
fn number_of(prefixes: &BTreeMap<IpNet, u32>, lengths: &[u8], ip: IpAddr) -> Option<u32> {
    let ip = canonical(ip);
    let prefix = |length: &u8| IpNet::new(ip, *length).ok().map(|prefix| prefix.trunc());
    lengths.iter().find_map(|length| prefixes.get(&prefix(length)?).copied())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::point::Group;

    fn group(map: &Grouping, ip: &str) -> Group {
        map.group(ip.parse().expect("an address"))
    }

    #[test]
    fn the_longest_prefix_names_the_network_and_who_is_not_named_is_grouped_by_prefix() {
        let map =
            parse("# ours\n10.0.0.0/8 1\n10.1.0.0/16 AS2 # a part of it\n\n2001:db8::/32 3\n8.8.0.9/16 4\n").expect("a map");
        for (ip, number) in [("10.2.0.1", 1), ("10.1.255.1", 2), ("2001:db8::1", 3), ("8.8.8.8", 4), ("::ffff:10.1.0.1", 2)] {
            assert_eq!(group(&map, ip), Group::As(number), "{ip}");
        }
        assert_eq!(group(&map, "9.9.1.1").to_string(), "9.9.0.0/16");
        let all = parse("0.0.0.0/0 9\n2001:db8::/16 5\n").expect("a map");
        assert_eq!((group(&all, "9.9.1.1"), group(&all, "2001:dead::1")), (Group::As(9), Group::As(5)));
        assert_eq!(group(&all, "2a00::1").to_string(), "2a00:0::/32", "no prefix of the other family holds it");
        assert_eq!(group(&map, "10.1.0.1").to_string(), "AS2");
    }

    #[test]
    fn a_line_that_is_none_is_named() {
        for (text, line) in
            [("10.0.0.0/8", 1), ("\n10.0.0.0/33 1", 2), ("10.0.0.0/8 x", 1), ("10.0.0.0/8 1 2", 1), ("10.0.0.0/8 -1", 1)]
        {
            let error = parse(text).expect_err(text);
            assert_eq!(error.line, line, "{text}");
            assert!(error.to_string().contains("192.0.2.0/24 64496"), "{error}");
        }
    }
}
