//! How many of a node's links are to lead to peers with a capability: what a quota is, its text, and which quotas fit a node. It knows no
//! peers. Settings and faces read it, the pool goes by it.

use super::limits::QUOTAS_MAX;
use super::text::{is_name, shown};
use std::fmt;
use std::str::FromStr;

/// The least that there are to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quota {
    /// So many links.
    Count(u32),
    /// So many of a hundred of all links, rounded up.
    Percent(u32),
}

impl Quota {
    /// How many of so many links are to be at peers with the capability.
    pub fn of(self, links: usize) -> usize {
        match self {
            Quota::Count(count) => count as usize,
            Quota::Percent(percent) => (links * percent as usize).div_ceil(100),
        }
    }
}

/// A capability, and how many links are to lead to peers that have it. As text: `archive=2` or `archive=10%`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleQuota {
    pub capability: String,
    pub quota: Quota,
}

impl fmt::Display for RoleQuota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.quota {
            Quota::Count(count) => write!(f, "{}={count}", self.capability),
            Quota::Percent(percent) => write!(f, "{}={percent}%", self.capability),
        }
    }
}

impl FromStr for RoleQuota {
    type Err = ();
    /// Reads what `Display` prints. Whether the name and the number are allowed is `check`'s to say.
    fn from_str(text: &str) -> Result<RoleQuota, ()> {
        let (name, number) = text.rsplit_once('=').ok_or(())?;
        let (digits, make): (_, fn(u32) -> Quota) = match number.strip_suffix('%') {
            Some(percent) => (percent, Quota::Percent),
            None => (number, Quota::Count),
        };
        let is_number = digits.bytes().all(|b| b.is_ascii_digit());
        let number = digits.parse().ok().filter(|_| is_number).ok_or(())?;
        Ok(RoleQuota { capability: name.to_owned(), quota: make(number) })
    }
}

/// A quota that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QuotaError {
    #[error(
        "the capability '{0}' of a quota is no name of 1 to 32 printable ASCII characters without a comma, and without a blank at its ends"
    )]
    Name(String),
    #[error("a quota of 0 for '{0}' asks for nothing: give at least 1, or leave it out")]
    Zero(String),
    #[error("a quota of {1} % for '{0}': at most 100 % of the links can have it")]
    Percent(String, u32),
    #[error("'{0}' has two quotas: one is enough")]
    Twice(String),
    #[error("{0} quotas: a node has at most {QUOTAS_MAX}")]
    TooMany(usize),
    #[error(
        "the quotas ask for {wanted} links together, and there are never more than {max} (pool.max): lower them, or raise it"
    )]
    TooMuch { wanted: u64, max: u32 },
}

/// Whether one quota makes sense by itself.
///
/// # Errors
/// `Name`, `Zero`, `Percent`.
pub fn check_one(RoleQuota { capability, quota }: &RoleQuota) -> Result<(), QuotaError> {
    // A list of quotas is one text, with commas between; blanks around its entries do not count.
    if !is_name(capability) || capability.contains(',') || capability.trim_ascii() != capability {
        return Err(QuotaError::Name(shown(capability)));
    }
    match *quota {
        Quota::Count(0) | Quota::Percent(0) => Err(QuotaError::Zero(capability.clone())),
        Quota::Percent(percent) if percent > 100 => Err(QuotaError::Percent(capability.clone(), percent)),
        Quota::Count(_) | Quota::Percent(_) => Ok(()),
    }
}

/// Whether these quotas fit a node of at most `links_max` links. A peer may have several capabilities, but none can be counted on to.
///
/// # Errors
/// What is wrong first.
pub fn check(quotas: &[RoleQuota], links_max: u32) -> Result<(), QuotaError> {
    if quotas.len() > QUOTAS_MAX {
        return Err(QuotaError::TooMany(quotas.len()));
    }
    for (i, one) in quotas.iter().enumerate() {
        check_one(one)?;
        if quotas[..i].iter().any(|earlier| earlier.capability == one.capability) {
            return Err(QuotaError::Twice(one.capability.clone()));
        }
    }
    let wanted = quotas.iter().map(|one| one.quota.of(links_max as usize) as u64).sum();
    if wanted > u64::from(links_max) { Err(QuotaError::TooMuch { wanted, max: links_max }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quotas(texts: &[&str]) -> Vec<RoleQuota> {
        texts.iter().map(|text| text.parse().expect("a quota")).collect()
    }

    #[test]
    fn a_share_is_rounded_up() {
        let of = |percent, links| Quota::Percent(percent).of(links);
        assert_eq!([of(10, 0), of(10, 1), of(10, 10), of(10, 11), of(100, 7)], [0, 1, 1, 2, 7]);
        assert_eq!((Quota::Count(3).of(0), Quota::Count(3).of(100)), (3, 3));
    }

    #[test]
    fn what_is_printed_is_read_and_nothing_else() {
        for text in ["archive=2", "a=b=10%", "two words=4294967295"] {
            assert_eq!(text.parse::<RoleQuota>().map(|quota| quota.to_string()), Ok(text.to_owned()));
        }
        for text in [
            "",
            "archive",
            "archive=",
            "archive=%",
            "archive=-1",
            "archive=+1",
            "archive=1.5",
            "archive= 1",
            "archive=4294967296",
        ] {
            assert_eq!(text.parse::<RoleQuota>(), Err(()), "{text}");
        }
    }

    #[test]
    fn every_wrong_quota_says_what_is_wrong_with_it() {
        let long = format!("{}=1", "x".repeat(33));
        let many: Vec<String> = (0..17).map(|number| format!("{number}=1")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        for (wrong, says) in [
            (&["=1"][..], "the capability '' of a quota is no name"),
            (&["a\n=1"], "the capability 'a\\n' of a quota is no name"),
            (&["a,b=1"], "the capability 'a,b'"),
            (&[" a=1"], "the capability ' a'"),
            (&[&long], "is no name of 1 to 32 printable"),
            (&["archive=0"], "a quota of 0 for 'archive' asks for nothing"),
            (&["archive=0%"], "a quota of 0 for 'archive'"),
            (&["archive=101%"], "a quota of 101 % for 'archive': at most 100 %"),
            (&["archive=1", "archive=2"], "'archive' has two quotas"),
            (&many, "17 quotas: a node has at most 16"),
            (&["archive=101"], "the quotas ask for 101 links together, and there are never more than 100 (pool.max)"),
            (&["a=60", "b=41%"], "the quotas ask for 101 links together"),
            (&["a=4294967295", "b=4294967295"], "the quotas ask for 8589934590 links together"),
        ] {
            let error = check(&quotas(wrong), 100).expect_err("it is wrong").to_string();
            assert!(error.contains(says), "{error}");
        }
        assert_eq!(check(&quotas(&["a=60", "b=40%"]), 100), Ok(()));
        assert_eq!(check(&quotas(&many[..16]), 100), Ok(()));
    }
}
