//! Which addresses requests may go to. Who writes an action or a template must not reach what only this machine can
//! reach: its own services, its network, a cloud's metadata.

mod network;
#[cfg(test)]
mod tests;

use crate::error::Error;
use network::Network;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use url::{Host, Url};

/// Most entries of `[egress] allow`.
const MAX_ALLOWED: usize = 256;

/// The addresses that providers may be reached at: public ones, and those that the configuration allows. Endpoints that
/// only an operator can set, such as `aws_endpoint_url` and proxies, are not subject to it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EgressPolicy {
    allowed: Vec<Network>,
    /// The entries as written.
    written: Vec<String>,
}

impl EgressPolicy {
    /// Allows networks beside public addresses: `10.1.0.0/16`, `::1/128`, `192.168.0.7`, or the words `loopback` (this
    /// machine) and `private` (RFC 1918 and unique local addresses).
    ///
    /// # Errors
    /// [`Error::Config`] with the entry that is neither.
    pub fn allowing<S: AsRef<str>>(entries: impl IntoIterator<Item = S>) -> Result<Self, Error> {
        let bad = |problem: String| Error::Config { key: "egress.allow", problem };
        let mut policy = Self::default();
        for entry in entries {
            let entry = entry.as_ref().trim();
            let networks = network::parse(entry).ok_or_else(|| {
                bad(format!("has {entry:?}; use a network such as 10.1.0.0/16, an address, `loopback` or `private`"))
            })?;
            policy.allowed.extend(networks);
            policy.written.push(entry.to_owned());
        }
        if policy.written.len() > MAX_ALLOWED {
            return Err(bad(format!("has {} entries; the limit is {MAX_ALLOWED}", policy.written.len())));
        }
        Ok(policy)
    }

    /// The entries as written.
    #[must_use]
    pub fn entries(&self) -> &[String] {
        &self.written
    }

    /// Allows this machine too.
    #[must_use]
    pub fn with_loopback(mut self) -> Self {
        self.allowed.extend(network::parse("loopback").unwrap_or_default());
        self.written.push("loopback".to_owned());
        self
    }

    /// Says why an address is refused; `None` if it is not.
    pub(crate) fn refusal(&self, address: IpAddr) -> Option<Refused> {
        let canonical = canonical(address);
        let kind = match canonical {
            IpAddr::V4(address) => kind_v4(address),
            IpAddr::V6(address) => kind_v6(address),
        }?;
        let is_allowed = self.allowed.iter().any(|network| network.contains(canonical));
        (!is_allowed).then_some(Refused { address, kind })
    }

    /// Keeps the addresses of a name that may be reached.
    ///
    /// # Errors
    /// There are some, and none of them may be.
    pub(crate) fn admit(&self, addresses: Vec<IpAddr>) -> Result<Vec<IpAddr>, Refused> {
        let mut refused = None;
        let mut admitted = Vec::with_capacity(addresses.len());
        for address in addresses {
            match self.refusal(address) {
                Some(why) => refused = Some(why),
                None => admitted.push(address),
            }
        }
        match refused {
            Some(why) if admitted.is_empty() => Err(why),
            _ => Ok(admitted),
        }
    }

    /// Checks a URL whose host is an address; a name is checked when it is resolved.
    pub(crate) fn check_literal(&self, url: &Url) -> Result<(), Refused> {
        let address = match url.host() {
            Some(Host::Ipv4(address)) => IpAddr::V4(address),
            Some(Host::Ipv6(address)) => IpAddr::V6(address),
            _ => return Ok(()),
        };
        self.refusal(address).map_or(Ok(()), Err)
    }
}

/// An address that may not be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refused {
    address: IpAddr,
    kind: &'static str,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, kind } = self;
        write!(f, "{address} is {kind}; if requests shall go there, name it in [egress] allow")
    }
}

impl std::error::Error for Refused {}

/// The IPv4 address that an IPv6 one leads to by mapping, translation or a tunnel, or the address itself.
fn canonical(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    let segments = v6.segments();
    let v4 = |high: u16, low: u16| IpAddr::V4(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)));
    match segments {
        // `::1` and `::` are addresses of their own.
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => address,
        // Mapped, translated (SIIT), and the deprecated compatible form.
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0, 0, 0, 0, 0xffff, 0, high, low] | [0, 0, 0, 0, 0, 0, high, low] => {
            v4(high, low)
        }
        // NAT64.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => v4(high, low),
        // 6to4.
        [0x2002, high, low, ..] => v4(high, low),
        _ => address,
    }
}

/// What an IPv4 address is, if it is not a public one.
fn kind_v4(address: Ipv4Addr) -> Option<&'static str> {
    Some(match address.octets() {
        [169, 254, 169, 254] | [100, 100, 100, 200] | [168, 63, 129, 16] => "a cloud's metadata address",
        [0, ..] => "unspecified",
        [127, ..] => "loopback",
        [10, ..] | [192, 168, ..] => "private",
        [172, second, ..] if (16..32).contains(&second) => "private",
        [169, 254, ..] => "link-local",
        [100, second, ..] if (64..128).contains(&second) => "shared by a provider's customers (CGNAT)",
        [192, 0, 0, _] => "reserved",
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => "for documentation only",
        [192, 88, 99, _] => "reserved",
        [198, 18 | 19, ..] => "for benchmarks only",
        [first, ..] if (224..240).contains(&first) => "multicast",
        [first, ..] if first >= 240 => "reserved",
        _ => return None,
    })
}

/// The same for an IPv6 address.
fn kind_v6(address: Ipv6Addr) -> Option<&'static str> {
    Some(match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => "unspecified",
        [0, 0, 0, 0, 0, 0, 0, 1] => "loopback",
        [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254] => "a cloud's metadata address",
        [first, ..] if first & 0xfe00 == 0xfc00 => "private",
        [first, ..] if first & 0xffc0 == 0xfe80 => "link-local",
        [first, ..] if first & 0xffc0 == 0xfec0 => "site-local",
        [first, ..] if first & 0xff00 == 0xff00 => "multicast",
        // Teredo, ORCHID, benchmarks and protocol assignments; documentation.
        [0x2001, second, ..] if second < 0x200 => "reserved",
        [0x2001, 0xdb8, ..] => "for documentation only",
        [first, ..] if first & 0xfff0 == 0x3ff0 => "for documentation only",
        // Only 2000::/3 is given out as global unicast.
        [first, ..] if first & 0xe000 != 0x2000 => "reserved",
        _ => return None,
    })
}
