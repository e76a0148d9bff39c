//! Addresses and networks, as the filter on the address of a client has them.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// All addresses that begin with the same bits; a single address is a network, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Network {
    /// Its other bits are zero.
    address: IpAddr,
    bits: u8,
}

impl Network {
    /// The network of an address that has its first `bits` bits. An IPv4 address that is written as one of IPv6 counts
    /// as what it is.
    #[must_use]
    pub fn around(address: IpAddr, bits: u8) -> Self {
        const MAPPED_BITS: u8 = 96;
        let (address, bits) = match address.to_canonical() {
            IpAddr::V4(mapped) if address.is_ipv6() => match bits.checked_sub(MAPPED_BITS) {
                Some(bits) => (mapped.into(), bits),
                None => (address, bits),
            },
            _ => (address, bits),
        };
        match address {
            IpAddr::V4(address) => {
                let bits = bits.min(32);
                let mask = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
                Self { address: Ipv4Addr::from(u32::from(address) & mask).into(), bits }
            }
            IpAddr::V6(address) => {
                let bits = bits.min(128);
                let mask = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
                Self { address: Ipv6Addr::from(u128::from(address) & mask).into(), bits }
            }
        }
    }

    /// Reads `10.0.0.7`, `10.0.7.0/24`, `2001:db8::/32`; `None` when it is none of these.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse::<u8>().ok()?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let all = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.unwrap_or(all);
        (bits <= all).then(|| Self::around(address, bits))
    }

    #[must_use]
    pub const fn address(self) -> IpAddr {
        self.address
    }

    #[must_use]
    pub const fn bits(self) -> u8 {
        self.bits
    }

    #[must_use]
    pub fn holds(self, address: IpAddr) -> bool {
        let address = match (self.address, address) {
            (IpAddr::V4(_), IpAddr::V6(_)) => address.to_canonical(),
            _ => address,
        };
        self.address.is_ipv4() == address.is_ipv4() && Self::around(address, self.bits) == self
    }
}

/// A single address without its length.
impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.address, self.bits) {
            (IpAddr::V4(address), 32) => address.fmt(f),
            (IpAddr::V6(address), 128) => address.fmt(f),
            (address, bits) => write!(f, "{address}/{bits}"),
        }
    }
}
