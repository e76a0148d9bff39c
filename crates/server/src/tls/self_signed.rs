//! A certificate for trying out: a CA of this server's own and a server certificate that it signs.
//!
//! Called at start and then once an hour. Both are kept in one folder and used again for as long as they are
//! good: whoever has told a browser to trust the CA need not do so again. The CA is not confined to certain names:
//! with such a constraint, rustls takes the `*.localhost` of the server certificate for malformed.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose,
};
use time::OffsetDateTime;
use x509_parser::extensions::GeneralName;
use x509_parser::pem::Pem;
use x509_parser::prelude::X509Certificate;

use super::certificate;
use crate::clock;

const DAY_S: i64 = 86_400;
const CA_DAYS: i64 = 3_650;
/// Some systems accept no server certificate that is valid for longer than 398 days.
const SERVER_DAYS: i64 = 397;
/// A certificate that ends sooner is made anew.
const RENEW_DAYS: i64 = 30;

#[derive(Debug, thiserror::Error)]
pub enum SelfSignedError {
    #[error("cannot keep a self-signed certificate in {path}: {reason}")]
    Folder { path: String, reason: std::io::Error },
    #[error("cannot make a self-signed certificate: {0}")]
    Make(#[from] rcgen::Error),
}

/// The folder of the certificates, and the names that the server's is for.
#[derive(Debug)]
pub struct SelfSigned {
    folder: PathBuf,
    names: BTreeSet<String>,
}

impl SelfSigned {
    #[must_use]
    pub fn new(folder: &Path, org: &str, bound: &[IpAddr]) -> Self {
        Self { folder: folder.to_owned(), names: names(org, bound) }
    }

    /// What a client must trust.
    #[must_use]
    pub fn ca(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    #[must_use]
    pub fn certificate(&self) -> PathBuf {
        self.folder.join("server.pem")
    }

    #[must_use]
    pub fn key(&self) -> PathBuf {
        self.folder.join("server-key.pem")
    }

    fn ca_key(&self) -> PathBuf {
        self.folder.join("ca-key.pem")
    }

    /// Makes what is missing, damaged or about to end. Says whether there is a new server certificate.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn ensure(&self) -> Result<bool, SelfSignedError> {
        self.ensure_at(clock::now().millis() / 1_000)
    }

    /// `now` in seconds since 1970.
    fn ensure_at(&self, now: i64) -> Result<bool, SelfSignedError> {
        std::fs::create_dir_all(&self.folder).map_err(|reason| failed(&self.folder, reason))?;
        let (ca, ca_key) = match self.usable_ca(now) {
            Some(ca) => ca,
            None => self.make_ca(now)?,
        };
        if self.is_server_usable(&ca, now) {
            return Ok(false);
        }
        let issuer = Issuer::from_ca_cert_pem(&ca, ca_key)?;
        let mut params = CertificateParams::new(self.names.iter().cloned().collect::<Vec<_>>())?;
        params.distinguished_name = named("Rollcall, for trying out");
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        params.not_before = day(now, -1);
        params.not_after = day(now, SERVER_DAYS);
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &issuer)?;
        self.write(&self.key(), &key.serialize_pem(), 0o600)?;
        self.write(&self.certificate(), &certificate.pem(), 0o644)?;
        Ok(true)
    }

    /// The CA's certificate and key of an earlier start, unless something is wrong with them.
    fn usable_ca(&self, now: i64) -> Option<(String, KeyPair)> {
        let pem = std::fs::read_to_string(self.ca()).ok()?;
        let key = KeyPair::from_pem(&std::fs::read_to_string(self.ca_key()).ok()?).ok()?;
        let is_good = with_certificate(&pem, |ca| {
            ca.public_key().subject_public_key.data.as_ref() == key.public_key_raw()
                // It must outlive what it signs.
                && ca.validity().not_after.timestamp() > now + (SERVER_DAYS + 1) * DAY_S
        });
        is_good.unwrap_or(false).then_some((pem, key))
    }

    fn make_ca(&self, now: i64) -> Result<(String, KeyPair), SelfSignedError> {
        let mut params = CertificateParams::default();
        params.distinguished_name = named("Rollcall's own CA, for trying out");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.not_before = day(now, -1);
        params.not_after = day(now, CA_DAYS);
        let key = KeyPair::generate()?;
        let pem = params.self_signed(&key)?.pem();
        self.write(&self.ca_key(), &key.serialize_pem(), 0o600)?;
        self.write(&self.ca(), &pem, 0o644)?;
        Ok((pem, key))
    }

    /// Whether the server certificate of an earlier start is still the right one.
    fn is_server_usable(&self, ca: &str, now: i64) -> bool {
        if certificate::load(&self.certificate(), &self.key()).is_err() {
            return false;
        }
        let Ok(pem) = std::fs::read_to_string(self.certificate()) else {
            return false;
        };
        let is_good = with_certificate(&pem, |own| {
            let is_signed = with_certificate(ca, |ca| own.verify_signature(Some(ca.public_key())).is_ok());
            is_signed == Some(true)
                && own.validity().not_after.timestamp() > now + RENEW_DAYS * DAY_S
                && names_of(own) == self.names
        });
        is_good.unwrap_or(false)
    }

    /// Whole or not at all: a reader never sees half a file.
    fn write(&self, path: &Path, text: &str, mode: u32) -> Result<(), SelfSignedError> {
        let mut new = path.as_os_str().to_owned();
        new.push(".new");
        let new = PathBuf::from(new);
        let write = || {
            // What an interrupted start has left there may have another mode.
            match std::fs::remove_file(&new) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&new)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            std::fs::rename(&new, path)
        };
        write().map_err(|reason| failed(path, reason))
    }
}

fn failed(path: &Path, reason: std::io::Error) -> SelfSignedError {
    SelfSignedError::Folder { path: path.display().to_string(), reason }
}

/// `*.localhost` alone would not do: OpenSSL, Firefox and rustls accept no wildcard directly below a top-level
/// name, so the organisation's own host names stand beside it.
fn names(org: &str, bound: &[IpAddr]) -> BTreeSet<String> {
    let mut names: BTreeSet<String> =
        ["localhost", "*.localhost", "messaging.localhost", "*.messaging.localhost"].map(Into::into).into();
    // A host name has no “_”, and neither has a certificate.
    if org.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.')) {
        names.insert(format!("{}.localhost", org.to_ascii_lowercase()));
    }
    let loopback = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
    let bound = bound
        .iter()
        .filter_map(|address| if address.is_unspecified() { outward(*address) } else { Some(*address) });
    names.extend(loopback.into_iter().chain(bound).map(|address| address.to_string()));
    names
}

/// The address by which other machines reach this one, where the server listens on all of them. Connecting a UDP
/// socket sends nothing; it only asks the system which way it would go.
fn outward(unspecified: IpAddr) -> Option<IpAddr> {
    let elsewhere: IpAddr = match unspecified {
        IpAddr::V4(_) => Ipv4Addr::new(192, 0, 2, 1).into(),
        IpAddr::V6(_) => Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into(),
    };
    let socket = UdpSocket::bind(SocketAddr::new(unspecified, 0)).ok()?;
    socket.connect(SocketAddr::new(elsewhere, 9)).ok()?;
    socket.local_addr().ok().map(|address| address.ip())
}

fn names_of(certificate: &X509Certificate<'_>) -> BTreeSet<String> {
    let Ok(Some(names)) = certificate.subject_alternative_name() else {
        return BTreeSet::new();
    };
    let name = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => match bytes.len() {
            4 => <[u8; 4]>::try_from(*bytes).ok().map(|bytes| IpAddr::from(bytes).to_string()),
            _ => <[u8; 16]>::try_from(*bytes).ok().map(|bytes| IpAddr::from(bytes).to_string()),
        },
        _ => None,
    };
    names.value.general_names.iter().filter_map(name).collect()
}

/// What `ask` says of the first certificate in the text, if there is one.
fn with_certificate<T>(pem: &str, ask: impl FnOnce(&X509Certificate<'_>) -> T) -> Option<T> {
    let pem = Pem::iter_from_buffer(pem.as_bytes()).next()?.ok()?;
    Some(ask(&pem.parse_x509().ok()?))
}

fn named(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::OrganizationName, "Rollcall");
    name.push(DnType::CommonName, common_name);
    name
}

/// The moment so many days after `now`, which is in seconds since 1970.
fn day(now: i64, days: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(now + days * DAY_S).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_certificate_is_made_anew_before_it_ends_and_not_earlier() {
        let folder = tempfile::tempdir().unwrap();
        let own = SelfSigned::new(folder.path(), "acme01", &[]);
        let read = || [own.ca(), own.certificate()].map(|path| std::fs::read_to_string(path).unwrap());
        let now = clock::now().millis() / 1_000;
        assert!(own.ensure_at(now).unwrap());
        let [first_ca, first] = read();
        assert!(!own.ensure_at(now + (SERVER_DAYS - RENEW_DAYS - 1) * DAY_S).unwrap());
        assert!(own.ensure_at(now + (SERVER_DAYS - RENEW_DAYS + 1) * DAY_S).unwrap());
        let [second_ca, second] = read();
        assert!(second_ca == first_ca && second != first);
        assert!(own.ensure_at(now + (CA_DAYS - SERVER_DAYS) * DAY_S).unwrap());
        assert!(read()[0] != first_ca);
    }

    #[test]
    fn a_certificate_names_the_organisation_and_the_addresses() {
        let bound = ["192.0.2.7".parse().unwrap(), "127.0.0.1".parse().unwrap()];
        let names = names("Acme", &bound).into_iter().collect::<Vec<_>>().join(" ");
        let expect = "*.localhost *.messaging.localhost 127.0.0.1 192.0.2.7 ::1 acme.localhost localhost \
            messaging.localhost";
        assert_eq!(names, expect);
        assert!(!super::names("a_b", &[]).iter().any(|name| name.contains('_')));
    }
}
