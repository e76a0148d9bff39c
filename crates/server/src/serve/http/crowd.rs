//! How many connections there may be at once, altogether and from one address.
//!
//! The HTTP server asks for a [`Place`] for each connection, which keeps it until the connection has ended, as a
//! WebSocket too. Who gets none is refused; how many those were is logged once in a while, because whoever brings
//! this about must not fill the log.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};

use ahash::AHashMap;

use crate::arrival::{TrustedProxies, neighbourhood};
use crate::seldom::Seldom;

/// What is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    pub all: NonZeroU32,
    /// From one address, or from one network of 64 bits in IPv6, which is what one customer gets.
    pub per_address: NonZeroU32,
}

#[derive(Debug)]
pub struct Crowd {
    limits: Limits,
    /// Behind a proxy all connections come from the proxy's address: for these only the one limit holds.
    proxies: Option<Arc<TrustedProxies>>,
    present: Mutex<Present>,
}

#[derive(Debug, Default)]
struct Present {
    all: u32,
    by_address: AHashMap<IpAddr, u32>,
    refused: Seldom,
}

/// Makes room when it is dropped.
#[derive(Debug)]
pub struct Place {
    crowd: Arc<Crowd>,
    address: IpAddr,
}

impl Crowd {
    pub fn new(limits: Limits, proxies: Option<Arc<TrustedProxies>>) -> Arc<Self> {
        Arc::new(Self { limits, proxies, present: Mutex::default() })
    }

    /// A place for a connection from this address, if there is one.
    pub fn enter(self: &Arc<Self>, address: IpAddr) -> Option<Place> {
        let address = neighbourhood(address);
        let is_proxy = self.proxies.as_ref().is_some_and(|proxies| proxies.trusts(address));
        let mut present = self.present.lock().unwrap_or_else(PoisonError::into_inner);
        let here = present.by_address.get(&address).copied().unwrap_or_default();
        if present.all >= self.limits.all.get() || (here >= self.limits.per_address.get() && !is_proxy) {
            present.refuse(address);
            return None;
        }
        present.all += 1;
        present.by_address.insert(address, here + 1);
        drop(present);
        Some(Place { crowd: Arc::clone(self), address })
    }
}

impl Present {
    fn refuse(&mut self, address: IpAddr) {
        if let Some(refused) = self.refused.count(1) {
            tracing::warn!(
                connections = self.all,
                refused,
                last = %address,
                "HTTP connections were refused: there are as many as --http-connections and --http-connections-per-address allow"
            );
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut present = self.crowd.present.lock().unwrap_or_else(PoisonError::into_inner);
        present.all = present.all.saturating_sub(1);
        if let Some(here) = present.by_address.get_mut(&self.address) {
            *here -= 1;
            if *here == 0 {
                present.by_address.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crowd(all: u32, per_address: u32, proxies: Option<TrustedProxies>) -> Arc<Crowd> {
        let limit = |limit| NonZeroU32::new(limit).unwrap();
        Crowd::new(Limits { all: limit(all), per_address: limit(per_address) }, proxies.map(Arc::new))
    }

    fn enter(crowd: &Arc<Crowd>, address: &str) -> Option<Place> {
        crowd.enter(address.parse().unwrap())
    }

    #[test]
    fn there_is_room_for_so_many_altogether_and_from_one_address_and_again_when_they_go() {
        let crowd = crowd(3, 2, None);
        let first = enter(&crowd, "192.0.2.1").unwrap();
        let _second = enter(&crowd, "::ffff:192.0.2.1").unwrap();
        assert!(enter(&crowd, "192.0.2.1").is_none());
        let third = enter(&crowd, "192.0.2.2").unwrap();
        assert!(enter(&crowd, "192.0.2.3").is_none());
        drop(first);
        let _fourth = enter(&crowd, "192.0.2.1").unwrap();
        drop(third);
        assert!(enter(&crowd, "192.0.2.1").is_none());
        let _fifth = enter(&crowd, "192.0.2.2").unwrap();
        assert!(enter(&crowd, "192.0.2.2").is_none());
    }

    #[test]
    fn a_network_of_64_bits_counts_as_one_address_and_a_trusted_proxy_as_none() {
        let crowd = crowd(9, 1, Some(TrustedProxies::default()));
        let _first = enter(&crowd, "2001:db8::1").unwrap();
        assert!(enter(&crowd, "2001:db8::2").is_none());
        let _other = enter(&crowd, "2001:db8:0:1::1").unwrap();
        let _proxied = (enter(&crowd, "127.0.0.1").unwrap(), enter(&crowd, "127.0.0.1").unwrap());
        let _v6 = (enter(&crowd, "::1").unwrap(), enter(&crowd, "::1").unwrap());
    }
}
