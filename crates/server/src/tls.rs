//! TLS for HTTPS, `wss` and MQTT over TLS: one certificate for all of them.
//!
//! `serve` opens a [`Tls`] once and gives its two configurations to the listeners ([`accept`]); [`reload::watch`]
//! swaps the certificate when its files are renewed. A swap counts for the handshakes that begin after it; open
//! connections keep what they have. Nothing in here knows what is carried inside.

pub mod accept;
pub mod certificate;
pub mod reload;
pub mod self_signed;

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{self, ServerConfig};

use self::certificate::{CertificateError, Loaded};
use self::self_signed::{SelfSigned, SelfSignedError};

/// Where the certificate comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CertificateSource {
    /// `--tls-cert` and `--tls-key`.
    Files { certificate: PathBuf, key: PathBuf },
    /// `--tls-self-signed`.
    SelfSigned,
}

#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    #[error(transparent)]
    SelfSigned(#[from] SelfSignedError),
    #[error("TLS cannot be set up: {0}")]
    Setup(#[from] rustls::Error),
}

/// The certificate in use and what speaks with it.
#[derive(Debug)]
pub struct Tls {
    /// For HTTPS and `wss`: offers HTTP/1.1.
    pub https: Arc<ServerConfig>,
    /// For MQTT over TLS. Whatever protocol a client asks for by ALPN is ignored, as MQTT needs none.
    pub mqtts: Arc<ServerConfig>,
    certificate: PathBuf,
    key: PathBuf,
    self_signed: Option<SelfSigned>,
    is_self_issued: bool,
    current: Arc<Current>,
}

impl Tls {
    /// Loads the certificate, or makes one in `data`/tls for the organisation and the addresses bound.
    ///
    /// # Errors
    /// When there is no usable certificate; the message names the file.
    pub fn open(
        source: &CertificateSource,
        data: &Path,
        org: &str,
        bound: &[IpAddr],
    ) -> Result<Self, TlsError> {
        let (certificate, key, self_signed) = match source {
            CertificateSource::Files { certificate, key } => (certificate.clone(), key.clone(), None),
            CertificateSource::SelfSigned => {
                let own = SelfSigned::new(&data.join("tls"), org, bound);
                own.ensure()?;
                (own.certificate(), own.key(), Some(own))
            }
        };
        let loaded = certificate::load(&certificate, &key)?;
        let is_self_issued = loaded.is_self_issued;
        let current = Arc::new(Current::new(loaded));
        Ok(Self {
            https: Arc::new(config(&current, &[b"http/1.1"])?),
            mqtts: Arc::new(config(&current, &[])?),
            certificate,
            key,
            self_signed,
            is_self_issued,
            current,
        })
    }

    /// Where the certificate of the CA lies, if the server made its own.
    #[must_use]
    pub fn ca(&self) -> Option<PathBuf> {
        self.self_signed.as_ref().map(SelfSigned::ca)
    }

    /// Whether a browser may be told never to come without TLS again: not for a certificate that nobody has
    /// reason to trust, because then it would let its person in no more.
    #[must_use]
    pub fn is_real(&self) -> bool {
        self.self_signed.is_none() && !self.is_self_issued
    }

    /// Loads the files anew and uses them from now on.
    ///
    /// # Errors
    /// When they are not usable. Then the certificate in use stays.
    pub fn reload(&self) -> Result<(), CertificateError> {
        self.current.set(certificate::load(&self.certificate, &self.key)?);
        Ok(())
    }
}

/// TLS 1.2 and 1.3, without client certificates.
fn config(current: &Arc<Current>, alpn: &[&[u8]]) -> Result<ServerConfig, rustls::Error> {
    let certificate = Arc::<Current>::clone(current);
    let mut config = ServerConfig::builder_with_provider(Arc::new(provider()))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
        .with_no_client_auth()
        .with_cert_resolver(certificate);
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    Ok(config)
}

fn provider() -> CryptoProvider {
    ring::default_provider()
}

/// The certificate of the next handshake, whatever name the client asks for: the server answers on any.
#[derive(Debug)]
struct Current(RwLock<Arc<CertifiedKey>>);

impl Current {
    fn new(loaded: Loaded) -> Self {
        Self(RwLock::new(Arc::new(loaded.key)))
    }

    fn set(&self, loaded: Loaded) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(loaded.key);
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner)))
    }
}
