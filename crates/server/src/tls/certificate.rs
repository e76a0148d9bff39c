//! Reads a certificate and its key from their files and says what is wrong with them.
//!
//! Called at start and at every renewal. It does not ask whether clients will trust the certificate: the CA may
//! be anyone's.

use std::path::Path;

use rollcall_model::Timestamp;
use tokio_rustls::rustls;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::sign::CertifiedKey;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::provider;
use crate::clock;

#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    #[error("cannot read the TLS certificate {path}: {reason}")]
    UnreadableCertificate { path: String, reason: std::io::Error },
    #[error("cannot read the TLS key {path}: {reason}")]
    UnreadableKey { path: String, reason: std::io::Error },
    #[error(
        "there is no certificate in {path}: it must hold the server's certificate in PEM, then those that lead to its CA"
    )]
    NoCertificate { path: String },
    #[error("there is no private key in {path}: it must hold one in PEM, without a passphrase")]
    NoKey { path: String },
    #[error("the certificate in {path} is damaged: {reason}")]
    BadCertificate { path: String, reason: String },
    #[error("the private key in {path} cannot be used: {reason}")]
    BadKey { path: String, reason: String },
    #[error("the private key in {key} does not belong to the certificate in {certificate}")]
    Mismatch { certificate: String, key: String },
    #[error("the certificate in {path} expired at {since}: renew it")]
    Expired { path: String, since: Timestamp },
    #[error("the certificate in {path} is not valid before {from}: look at the clock of this machine")]
    Early { path: String, from: Timestamp },
}

/// A certificate that can be used now.
#[derive(Debug)]
pub struct Loaded {
    pub key: CertifiedKey,
    /// Signed by its own key: no CA stands behind it.
    pub is_self_issued: bool,
}

/// Reads both files.
///
/// # Errors
/// When one is missing or no PEM, the two do not belong together, or the certificate is not valid now.
pub fn load(certificate: &Path, key: &Path) -> Result<Loaded, CertificateError> {
    let path = certificate.display().to_string();
    let key_path = key.display().to_string();
    let pem = std::fs::read(certificate)
        .map_err(|reason| CertificateError::UnreadableCertificate { path: path.clone(), reason })?;
    let key_pem = std::fs::read(key)
        .map_err(|reason| CertificateError::UnreadableKey { path: key_path.clone(), reason })?;

    let damaged = |reason: String| CertificateError::BadCertificate { path: path.clone(), reason };
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<_, _>>()
        .map_err(|error| damaged(error.to_string()))?;
    let own = chain.first().ok_or_else(|| CertificateError::NoCertificate { path: path.clone() })?;
    let is_self_issued = checked(own, &path)?;
    let key = PrivateKeyDer::from_pem_slice(&key_pem).map_err(|error| match error {
        rustls::pki_types::pem::Error::NoItemsFound => CertificateError::NoKey { path: key_path.clone() },
        error => CertificateError::BadKey { path: key_path.clone(), reason: error.to_string() },
    })?;
    // In two steps: the error of the one that does both does not say which file is to blame.
    let signing = provider()
        .key_provider
        .load_private_key(key)
        .map_err(|error| CertificateError::BadKey { path: key_path.clone(), reason: error.to_string() })?;
    let key = CertifiedKey::new(chain, signing);
    match key.keys_match() {
        Ok(()) => Ok(Loaded { key, is_self_issued }),
        Err(rustls::Error::InconsistentKeys(_)) => {
            Err(CertificateError::Mismatch { certificate: path, key: key_path })
        }
        Err(error) => Err(damaged(error.to_string())),
    }
}

/// Whether the certificate is its own issuer.
fn checked(own: &CertificateDer<'_>, path: &str) -> Result<bool, CertificateError> {
    let path = path.to_owned();
    let (_, parsed) = match X509Certificate::from_der(own) {
        Ok(parsed) => parsed,
        Err(error) => return Err(CertificateError::BadCertificate { path, reason: error.to_string() }),
    };
    let seconds = |time: x509_parser::time::ASN1Time| Timestamp::from_millis(time.timestamp() * 1_000);
    let (from, until) = (seconds(parsed.validity().not_before), seconds(parsed.validity().not_after));
    let now = clock::now();
    if now > until {
        Err(CertificateError::Expired { path, since: until })
    } else if now < from {
        Err(CertificateError::Early { path, from })
    } else {
        Ok(parsed.issuer() == parsed.subject())
    }
}
