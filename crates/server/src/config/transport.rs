//! Settings of the ways into the server: TLS, reverse proxies, and what may be open to the network.
//!
//! [`super::ServeArgs::resolve`] calls this. It decides only by what it is told: certificates are read later, by
//! [`crate::tls`].

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;

use clap::builder::BoolishValueParser;
use rollcall_model::query::Network;

use super::value;
use crate::arrival::TrustedProxies;
use crate::serve::Limits;
use crate::tls::CertificateSource;

/// Where MQTT over TLS is served unless told otherwise.
const MQTTS_DEFAULT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8883);

/// A browser has six connections and a WebSocket; the rest of the files that a process may open is for MQTT.
const CONNECTIONS_DEFAULT: NonZeroU32 = NonZeroU32::new(4_000).unwrap();
const PER_ADDRESS_DEFAULT: NonZeroU32 = NonZeroU32::new(1_000).unwrap();

/// Flags and environment variables, or the same settings from the file.
#[derive(Debug, Default, clap::Args)]
pub struct TransportArgs {
    /// The server's certificate (PEM), with those that lead to its CA: for HTTPS, wss and MQTT over TLS
    #[arg(long, env = "ROLLCALL_TLS_CERT", value_name = "FILE")]
    pub tls_cert: Option<PathBuf>,
    /// The private key of the certificate (PEM, no passphrase)
    #[arg(long, env = "ROLLCALL_TLS_KEY", value_name = "FILE")]
    pub tls_key: Option<PathBuf>,
    /// For trying out: TLS with a certificate made by the server, whose CA is DIR/tls/ca.pem
    #[arg(
        long, env = "ROLLCALL_TLS_SELF_SIGNED", value_name = "BOOL", num_args = 0..=1, require_equals = true,
        default_missing_value = "true", value_parser = BoolishValueParser::new()
    )]
    pub tls_self_signed: Option<bool>,
    /// Address and port of MQTT over TLS [default: 127.0.0.1:8883 where there is a certificate]
    #[arg(long, env = "ROLLCALL_MQTTS", value_name = "ADDRESS:PORT", value_parser = value::address)]
    pub mqtts: Option<SocketAddr>,
    /// A reverse proxy on this machine, or a trusted one, does TLS and tells the clients' addresses
    #[arg(
        long, env = "ROLLCALL_BEHIND_PROXY", value_name = "BOOL", num_args = 0..=1, require_equals = true,
        default_missing_value = "true", value_parser = BoolishValueParser::new()
    )]
    pub behind_proxy: Option<bool>,
    /// Addresses or networks of proxies on other machines, separated by commas; needs --behind-proxy
    #[arg(long, env = "ROLLCALL_TRUSTED_PROXIES", value_name = "ADDRESSES", value_delimiter = ',')]
    pub trusted_proxies: Option<Vec<String>>,
    /// Let MQTT clients come over the network without TLS: anybody on the way reads their tokens
    #[arg(
        long, env = "ROLLCALL_ALLOW_PLAIN_MQTT", value_name = "BOOL", num_args = 0..=1, require_equals = true,
        default_missing_value = "true", value_parser = BoolishValueParser::new()
    )]
    pub allow_plain_mqtt: Option<bool>,
    /// HTTP connections at once, WebSockets of dashboards included [default: 4000]
    #[arg(long, env = "ROLLCALL_HTTP_CONNECTIONS", value_name = "N", value_parser = value::count)]
    pub http_connections: Option<NonZeroU32>,
    /// HTTP connections at once from one address; trusted proxies are exempt [default: 1000]
    #[arg(long, env = "ROLLCALL_HTTP_CONNECTIONS_PER_ADDRESS", value_name = "N", value_parser = value::count)]
    pub http_connections_per_address: Option<NonZeroU32>,
}

/// The settings in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transport {
    pub tls: Option<TlsTransport>,
    /// Present with `--behind-proxy`.
    pub proxies: Option<Arc<TrustedProxies>>,
    pub connections: Limits,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsTransport {
    pub certificate: CertificateSource,
    pub mqtts: SocketAddr,
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum TransportError {
    #[error("--tls-cert and --tls-key belong together: {0} is missing")]
    Half(&'static str),
    #[error(
        "--tls-self-signed makes its own certificate: leave out --tls-cert and --tls-key, or leave it out"
    )]
    TwoCertificates,
    #[error(
        "--mqtts needs a certificate: add --tls-cert FILE --tls-key FILE or, for trying out, --tls-self-signed"
    )]
    MqttsWithoutCertificate,
    #[error("--trusted-proxies: {0}")]
    Proxy(String),
    #[error("--trusted-proxies counts only with --behind-proxy: add it")]
    ProxiesWithoutProxy,
    #[error(
        "--http {0} is open to the network without TLS: add --tls-cert FILE --tls-key FILE (or --tls-self-signed for trying out), or --behind-proxy if a reverse proxy does TLS, or bind it to 127.0.0.1"
    )]
    PlainHttp(SocketAddr),
    #[error(
        "--mqtt {0} is open to the network without TLS: let clients use --mqtts instead and bind this to 127.0.0.1, or add --behind-proxy if a proxy does TLS, or --allow-plain-mqtt if tokens may be read on the way"
    )]
    PlainMqtt(SocketAddr),
}

impl TransportArgs {
    /// These settings, and the others where these say nothing. The two ways to a certificate are one setting: a
    /// flag for one beats the file's other.
    #[must_use]
    pub fn over(self, other: Self) -> Self {
        let has_files = self.tls_cert.is_some() || self.tls_key.is_some();
        let is_self_signed = self.tls_self_signed == Some(true);
        let other_files = |path: Option<PathBuf>| path.filter(|_| !is_self_signed);
        Self {
            tls_cert: self.tls_cert.or_else(|| other_files(other.tls_cert)),
            tls_key: self.tls_key.or_else(|| other_files(other.tls_key)),
            tls_self_signed: self.tls_self_signed.or(other.tls_self_signed.filter(|_| !has_files)),
            mqtts: self.mqtts.or(other.mqtts),
            behind_proxy: self.behind_proxy.or(other.behind_proxy),
            trusted_proxies: self.trusted_proxies.or(other.trusted_proxies),
            allow_plain_mqtt: self.allow_plain_mqtt.or(other.allow_plain_mqtt),
            http_connections: self.http_connections.or(other.http_connections),
            http_connections_per_address: self
                .http_connections_per_address
                .or(other.http_connections_per_address),
        }
    }

    /// # Errors
    /// When settings contradict each other, or strangers could listen to what is said.
    pub fn resolve(self, http: SocketAddr, mqtt: SocketAddr) -> Result<Transport, TransportError> {
        let certificate = match (self.tls_cert, self.tls_key, self.tls_self_signed.unwrap_or(false)) {
            (None, None, false) => None,
            (None, None, true) => Some(CertificateSource::SelfSigned),
            (Some(certificate), Some(key), false) => Some(CertificateSource::Files { certificate, key }),
            (Some(_), None, false) => return Err(TransportError::Half("--tls-key")),
            (None, Some(_), false) => return Err(TransportError::Half("--tls-cert")),
            (_, _, true) => return Err(TransportError::TwoCertificates),
        };
        if certificate.is_none() && self.mqtts.is_some() {
            return Err(TransportError::MqttsWithoutCertificate);
        }
        let is_behind_proxy = self.behind_proxy.unwrap_or(false);
        let networks: Vec<Network> = self
            .trusted_proxies
            .unwrap_or_default()
            .iter()
            .flat_map(|networks| networks.split(','))
            .map(|text| {
                let text = text.trim();
                Network::parse(text).ok_or_else(|| {
                    TransportError::Proxy(format!(
                        "“{text}” is neither an address (192.0.2.7) nor a network (192.0.2.0/24)"
                    ))
                })
            })
            .collect::<Result<_, _>>()?;
        if !is_behind_proxy && !networks.is_empty() {
            return Err(TransportError::ProxiesWithoutProxy);
        }
        if !http.ip().is_loopback() && certificate.is_none() && !is_behind_proxy {
            return Err(TransportError::PlainHttp(http));
        }
        if !mqtt.ip().is_loopback() && !is_behind_proxy && !self.allow_plain_mqtt.unwrap_or(false) {
            return Err(TransportError::PlainMqtt(mqtt));
        }
        let mqtts = self.mqtts.unwrap_or(MQTTS_DEFAULT);
        Ok(Transport {
            tls: certificate.map(|certificate| TlsTransport { certificate, mqtts }),
            proxies: is_behind_proxy.then(|| Arc::new(TrustedProxies::new(networks))),
            connections: Limits {
                all: self.http_connections.unwrap_or(CONNECTIONS_DEFAULT),
                per_address: self.http_connections_per_address.unwrap_or(PER_ADDRESS_DEFAULT),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Flags {
        #[command(flatten)]
        transport: TransportArgs,
    }

    fn parse(flags: &str) -> TransportArgs {
        Flags::try_parse_from(std::iter::once("rollcall").chain(flags.split_whitespace())).unwrap().transport
    }

    fn resolve(flags: &str, http: &str, mqtt: &str) -> Result<Transport, TransportError> {
        parse(flags).resolve(http.parse().unwrap(), mqtt.parse().unwrap())
    }

    const LOCAL: &str = "127.0.0.1:1";
    const OPEN: &str = "0.0.0.0:1";

    #[test]
    fn contradictions_are_refused() {
        let check = |flags: &str, expect: TransportError| {
            assert_eq!(resolve(flags, LOCAL, LOCAL), Err(expect), "{flags}");
        };
        check("--tls-cert a", TransportError::Half("--tls-key"));
        check("--tls-key a", TransportError::Half("--tls-cert"));
        check("--tls-cert a --tls-key b --tls-self-signed", TransportError::TwoCertificates);
        check("--tls-cert a --tls-self-signed", TransportError::TwoCertificates);
        check("--mqtts 127.0.0.1:8883", TransportError::MqttsWithoutCertificate);
        check("--trusted-proxies 192.0.2.1", TransportError::ProxiesWithoutProxy);
        let text = "“proxy” is neither an address (192.0.2.7) nor a network (192.0.2.0/24)";
        check("--behind-proxy --trusted-proxies 192.0.2.1,proxy", TransportError::Proxy(text.to_owned()));
    }

    #[test]
    fn nothing_is_open_to_the_network_in_the_clear_unless_it_is_asked_for() {
        let http: SocketAddr = OPEN.parse().unwrap();
        assert_eq!(resolve("", OPEN, LOCAL), Err(TransportError::PlainHttp(http)));
        assert_eq!(resolve("--allow-plain-mqtt", OPEN, LOCAL), Err(TransportError::PlainHttp(http)));
        assert_eq!(resolve("", "[::]:1", LOCAL), Err(TransportError::PlainHttp("[::]:1".parse().unwrap())));
        assert!(resolve("", "[::1]:1", "127.8.8.8:1").is_ok());
        assert!(resolve("--tls-self-signed", OPEN, LOCAL).is_ok());
        assert!(resolve("--tls-cert a --tls-key b --mqtts 0.0.0.0:1", OPEN, LOCAL).is_ok());
        assert!(resolve("--behind-proxy", OPEN, OPEN).is_ok());
        assert_eq!(resolve("", LOCAL, OPEN), Err(TransportError::PlainMqtt(http)));
        assert_eq!(resolve("--tls-self-signed", LOCAL, OPEN), Err(TransportError::PlainMqtt(http)));
        assert!(resolve("--allow-plain-mqtt", LOCAL, OPEN).is_ok());
        assert!(resolve("--behind-proxy=false", OPEN, LOCAL).is_err());
    }

    #[test]
    fn mqtt_over_tls_is_served_where_there_is_a_certificate() {
        let mqtts = |flags| resolve(flags, LOCAL, LOCAL).unwrap().tls.map(|tls| tls.mqtts.to_string());
        assert_eq!(mqtts(""), None);
        assert_eq!(mqtts("--tls-self-signed").as_deref(), Some("127.0.0.1:8883"));
        assert_eq!(mqtts("--tls-self-signed --mqtts [::1]:9").as_deref(), Some("[::1]:9"));
    }

    #[test]
    fn a_flag_for_one_kind_of_certificate_beats_the_files_other() {
        let file = || TransportArgs {
            tls_cert: Some("cert".into()),
            tls_key: Some("key".into()),
            ..TransportArgs::default()
        };
        let local: SocketAddr = LOCAL.parse().unwrap();
        let source = |args: TransportArgs| args.resolve(local, local).unwrap().tls.unwrap().certificate;
        assert_eq!(source(parse("--tls-self-signed").over(file())), CertificateSource::SelfSigned);
        let files = CertificateSource::Files { certificate: "mine".into(), key: "key".into() };
        assert_eq!(source(parse("--tls-cert mine").over(file())), files);
        let self_signed = TransportArgs { tls_self_signed: Some(true), ..TransportArgs::default() };
        let files = CertificateSource::Files { certificate: "a".into(), key: "b".into() };
        assert_eq!(source(parse("--tls-cert a --tls-key b").over(self_signed)), files);
    }
}
