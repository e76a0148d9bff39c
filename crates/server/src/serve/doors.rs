//! The server's own doors: HTTP or HTTPS, and MQTT over TLS. Plain MQTT is opened by the broker.
//!
//! `serve` opens them before anything else, so that a bad certificate or a port in use is told at once, and lets
//! people in when everything behind them stands.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderName, HeaderValue};
use axum::middleware;
use tokio::net::TcpListener;
use tower_http::set_header::SetResponseHeaderLayer;

use super::http::crowd::Crowd;
use super::{ServeError, http};
use crate::access::Gate;
use crate::arrival::{self, Way};
use crate::config::Config;
use crate::mqtt_ws::Door;
use crate::mqtts;
use crate::source::embedded::EmbeddedBroker;
use crate::tls::accept::{HttpsListener, Running};
use crate::tls::{Tls, reload};

/// Half a year. Not for the host's subdomains, which may be other people's.
const HSTS: HeaderValue = HeaderValue::from_static("max-age=15768000");

pub struct Doors {
    pub http: SocketAddr,
    pub secure: Option<Secure>,
    listener: TcpListener,
    way: Way,
    crowd: Arc<Crowd>,
}

/// What there is where there is a certificate.
pub struct Secure {
    pub tls: Arc<Tls>,
    pub mqtts: SocketAddr,
    listener: TcpListener,
}

impl Doors {
    /// Reads the certificate and takes the ports; nobody is answered yet.
    ///
    /// # Errors
    /// When the certificate cannot be used or a port cannot be listened on.
    pub async fn open(config: &Config) -> Result<Self, ServeError> {
        let (listener, http) = listen(config.http, "HTTP", "--http").await?;
        let secure = match &config.transport.tls {
            None => None,
            Some(transport) => {
                let bound = [config.http.ip(), config.mqtt.ip(), transport.mqtts.ip()];
                let tls = Tls::open(&transport.certificate, &config.data, &config.org, &bound)?;
                let (listener, mqtts) = listen(transport.mqtts, "MQTT over TLS", "--mqtts").await?;
                Some(Secure { tls: Arc::new(tls), mqtts, listener })
            }
        };
        let way = Way { secure: secure.is_some(), proxies: config.transport.proxies.clone() };
        let crowd = Crowd::new(config.transport.connections, way.proxies.clone());
        Ok(Self { http, secure, listener, way, crowd })
    }

    /// Where a browser on this machine finds the dashboard.
    pub fn url(&self) -> String {
        let address = match self.http.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => {
                SocketAddr::from((Ipv4Addr::LOCALHOST, self.http.port()))
            }
            IpAddr::V6(ip) if ip.is_unspecified() => {
                SocketAddr::from((Ipv6Addr::LOCALHOST, self.http.port()))
            }
            _ => self.http,
        };
        format!("{}://{address}/", if self.secure.is_some() { "https" } else { "http" })
    }

    /// Whether others than this machine can reach the broker through one of these doors or through a proxy, whose
    /// clients look as if they came from this machine.
    pub fn is_exposed(&self) -> bool {
        let is_open = |secure: &Secure| !secure.mqtts.ip().to_canonical().is_loopback();
        self.way.proxies.is_some() || self.secure.as_ref().is_some_and(is_open)
    }

    /// Serves until it fails or is dropped.
    ///
    /// # Errors
    /// When the HTTP server fails.
    pub async fn serve(self, app: Router, broker: &EmbeddedBroker, gate: Gate) -> Result<(), ServeError> {
        let app = app.layer(middleware::from_fn_with_state(self.way, arrival::note));
        let Some(secure) = self.secure else {
            http::serve(self.listener, app, http::HEAD_MAX, self.crowd).await;
            return Ok(());
        };
        let app = if secure.tls.is_real() {
            let name = HeaderName::from_static("strict-transport-security");
            app.layer(SetResponseHeaderLayer::overriding(name, HSTS))
        } else {
            app
        };
        let is_local = secure.mqtts.ip().to_canonical().is_loopback();
        let door = Door { bridge: broker.bridge(secure.mqtts.port()), gate, is_local };
        let _mqtts = mqtts::start(secure.listener, Arc::clone(&secure.tls.mqtts), door);
        let _reload = Running::spawn(reload::watch(Arc::clone(&secure.tls)));
        let https =
            HttpsListener::new(self.listener, Arc::clone(&secure.tls.https)).map_err(ServeError::Serve)?;
        http::serve(https, app, http::HEAD_MAX, self.crowd).await;
        Ok(())
    }
}

async fn listen(
    address: SocketAddr,
    purpose: &'static str,
    flag: &'static str,
) -> Result<(TcpListener, SocketAddr), ServeError> {
    let failed = |reason| ServeError::Listen { address, purpose, flag, reason };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}
