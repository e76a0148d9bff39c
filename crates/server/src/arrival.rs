//! Where a request comes from: the address of the client, and whether its bytes were encrypted on the way.
//!
//! The HTTP server puts [`note`] around all its routes; whoever asks for a client's address (the WebSocket bridge,
//! the limits on sign-in) takes [`Arrival`] or axum's `ConnectInfo<SocketAddr>` and gets the same answer. What a
//! reverse proxy says in `X-Forwarded-For`, `X-Forwarded-Proto` or `Forwarded` is believed only with
//! `--behind-proxy` and only from a trusted proxy: anybody can write such headers. Nothing in here decides
//! whether a client may come in.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, header};
use axum::middleware::Next;
use axum::response::Response;
use rollcall_model::query::Network;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// The client of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// Behind a proxy: the address that the proxy tells, with the port of the proxy's own connection.
    pub client: SocketAddr,
    /// Over TLS, this server's or a trusted proxy's.
    pub secure: bool,
}

impl<S: Sync> FromRequestParts<S> for Arrival {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let noted = parts.extensions.get::<Self>().copied();
        Ok(noted.unwrap_or_else(|| Self { client: connected(&parts.extensions), secure: false }))
    }
}

/// What counts as one address where addresses are counted: whoever has one of IPv6 has the other 2^64 of its network, too.
pub(crate) fn neighbourhood(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) if !address.is_loopback() => {
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64))
        }
        address => address,
    }
}

/// What the server knows of the way to itself.
#[derive(Debug, Clone, Default)]
pub struct Way {
    /// The server itself speaks TLS.
    pub secure: bool,
    /// Present with `--behind-proxy`.
    pub proxies: Option<Arc<TrustedProxies>>,
}

/// Notes the arrival of a request for the handlers.
pub async fn note(State(way): State<Way>, mut request: Request, next: Next) -> Response {
    let direct = Arrival { client: connected(request.extensions()), secure: way.secure };
    let arrival = match &way.proxies {
        Some(proxies) => proxies.arrival(direct, request.headers()),
        None => direct,
    };
    request.extensions_mut().insert(arrival);
    request.extensions_mut().insert(ConnectInfo(arrival.client));
    next.run(request).await
}

/// The other end of the connection, of IP version 4 where it is in truth. A server that was started without
/// connect info knows none.
fn connected(extensions: &axum::http::Extensions) -> SocketAddr {
    let unknown = SocketAddr::from(([0, 0, 0, 0], 0));
    extensions
        .get::<ConnectInfo<SocketAddr>>()
        .map_or(unknown, |ConnectInfo(addr)| SocketAddr::new(addr.ip().to_canonical(), addr.port()))
}

/// The reverse proxies whose word counts: those on this machine, and those that were named.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<Network>);

impl TrustedProxies {
    #[must_use]
    pub const fn new(networks: Vec<Network>) -> Self {
        Self(networks)
    }

    /// Whether what comes from this address is believed.
    pub(crate) fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_loopback() || self.0.iter().any(|network| network.holds(address))
    }

    /// Every proxy appends the address that it saw, so the list is believed from its end for as long as the
    /// addresses are those of trusted proxies. The first other one is the client.
    fn arrival(&self, direct: Arrival, headers: &HeaderMap) -> Arrival {
        if !self.trusts(direct.client.ip()) {
            return direct;
        }
        let told = told(headers);
        let mut client = direct.client.ip();
        for address in told.addresses.iter().rev() {
            match address {
                Some(address) => client = address.to_canonical(),
                None => break,
            }
            if !self.trusts(client) {
                break;
            }
        }
        Arrival {
            client: SocketAddr::new(client, direct.client.port()),
            secure: direct.secure || told.secure,
        }
    }
}

/// What the headers say, the nearest proxy's word last.
#[derive(Debug, Default, PartialEq, Eq)]
struct Told {
    /// An entry that is no address (`unknown`, a made-up name) is `None`.
    addresses: Vec<Option<IpAddr>>,
    secure: bool,
}

/// `X-Forwarded-For` counts where it is, else `Forwarded` (RFC 7239): most proxies set the first and pass on
/// whatever the client wrote into the second.
fn told(headers: &HeaderMap) -> Told {
    let is_secure = |proto: &str| matches!(proto.to_ascii_lowercase().as_str(), "https" | "wss");
    let elements = |name: &HeaderName| -> Vec<String> {
        let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split(',')).map(|element| element.trim().to_owned()).collect()
    };
    let forwarded_for = elements(&FORWARDED_FOR);
    let forwarded = elements(&header::FORWARDED);
    if forwarded_for.is_empty() && !forwarded.is_empty() {
        let secure = forwarded.last().and_then(|last| parameter(last, "proto")).is_some_and(is_secure);
        let addresses = forwarded.iter().map(|one| parameter(one, "for").and_then(address)).collect();
        return Told { addresses, secure };
    }
    let secure = elements(&FORWARDED_PROTO).last().is_some_and(|last| is_secure(last));
    Told { addresses: forwarded_for.iter().map(|one| address(one)).collect(), secure }
}

/// A parameter of an element of `Forwarded`, such as `for="[2001:db8::1]:4711";proto=https`.
fn parameter<'a>(element: &'a str, name: &str) -> Option<&'a str> {
    element.split(';').find_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim().trim_matches('"'))
    })
}

/// An address with or without port, one of version 6 with or without brackets.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    bare.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Client and `secure` of a request from `peer`, where `10.0.0.0/8` is trusted beside loopback.
    fn check(peer: &str, headers: &[(&'static str, &str)], expect: (&str, bool)) {
        let proxies = TrustedProxies::new(vec![Network::parse("10.0.0.0/8").unwrap()]);
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        let direct = Arrival { client: SocketAddr::new(peer.parse().unwrap(), 4711), secure: false };
        let arrival = proxies.arrival(direct, &map);
        assert_eq!((arrival.client.ip().to_string().as_str(), arrival.secure), expect, "{headers:?}");
        assert_eq!(arrival.client.port(), 4711);
    }

    #[test]
    fn only_a_trusted_proxy_is_believed() {
        let headers = [("x-forwarded-for", "192.0.2.7"), ("x-forwarded-proto", "https")];
        check("127.0.0.1", &headers, ("192.0.2.7", true));
        check("::1", &headers, ("192.0.2.7", true));
        check("10.1.2.3", &headers, ("192.0.2.7", true));
        check("::ffff:10.1.2.3", &headers, ("192.0.2.7", true));
        check("198.51.100.1", &headers, ("198.51.100.1", false));
        check("127.0.0.1", &[], ("127.0.0.1", false));
    }

    #[test]
    fn what_the_client_wrote_before_the_proxies_is_not_believed() {
        check("127.0.0.1", &[("x-forwarded-for", "1.2.3.4, 192.0.2.7, 10.0.0.1")], ("192.0.2.7", false));
        check(
            "127.0.0.1",
            &[("x-forwarded-for", "1.2.3.4"), ("x-forwarded-for", "192.0.2.7")],
            ("192.0.2.7", false),
        );
        check("127.0.0.1", &[("x-forwarded-for", "1.2.3.4, nonsense")], ("127.0.0.1", false));
        check("127.0.0.1", &[("x-forwarded-for", "10.0.0.9")], ("10.0.0.9", false));
        check("127.0.0.1", &[("x-forwarded-proto", "https, http")], ("127.0.0.1", false));
    }

    #[test]
    fn the_standard_header_counts_where_the_common_one_is_missing() {
        let forwarded = "for=1.2.3.4, for=\"[2001:db8::1]:4711\";Proto=https;by=10.0.0.1";
        check("127.0.0.1", &[("forwarded", forwarded)], ("2001:db8::1", true));
        check("127.0.0.1", &[("forwarded", "for=unknown;proto=http")], ("127.0.0.1", false));
        let both = [("forwarded", "for=1.2.3.4;proto=https"), ("x-forwarded-for", "192.0.2.7:80")];
        check("127.0.0.1", &both, ("192.0.2.7", false));
    }

    #[test]
    fn a_network_is_an_address_or_the_bits_it_begins_with() {
        let contains =
            |network: &str, address: &str| Network::parse(network).unwrap().holds(address.parse().unwrap());
        assert!(contains("192.0.2.7", "192.0.2.7") && !contains("192.0.2.7", "192.0.2.8"));
        assert!(contains("192.0.2.0/24", "192.0.2.8") && !contains("192.0.2.0/24", "192.0.3.8"));
        assert!(contains("0.0.0.0/0", "203.0.113.1") && !contains("0.0.0.0/0", "::1"));
        assert!(contains("2001:db8::/32", "2001:db8:1::1") && !contains("2001:db8::/32", "2001:db9::1"));
        for text in ["", "192.0.2.7/33", "::/129", "proxy", "192.0.2.7/x"] {
            assert!(Network::parse(text).is_none(), "{text}");
        }
    }
}
