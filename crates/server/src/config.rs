//! What the server is told: flags, environment variables and the configuration file, in that order of weight.
//!
//! All three know the same settings by the same names (`--http`, `ROLLCALL_HTTP`, `http = `). Called by `main`;
//! reads the file, changes nothing.

mod retention;
mod transport;
mod value;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::journal::Retention;
use crate::naming::{Naming, NamingError};
use retention::{Age, Size};
pub use transport::{Transport, TransportArgs, TransportError};

/// Flags of `rollcall serve`. A flag beats its environment variable, which beats the file.
#[derive(Debug, Default, clap::Args)]
pub struct ServeArgs {
    /// Address and port of the dashboard, the APIs and MQTT over WebSocket [default: 127.0.0.1:8080]
    #[arg(long, env = "ROLLCALL_HTTP", value_name = "ADDRESS:PORT", value_parser = value::address)]
    pub http: Option<SocketAddr>,
    /// Address and port of the embedded MQTT broker [default: 127.0.0.1:1883]
    #[arg(long, env = "ROLLCALL_MQTT", value_name = "ADDRESS:PORT", value_parser = value::address)]
    pub mqtt: Option<SocketAddr>,
    /// Folder of the journal and the credentials; made when it is missing [default: rollcall-data]
    #[arg(long, env = "ROLLCALL_DATA", value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Organisation in the client ids of devices, gateways and applications [default: acme01]
    #[arg(long, env = "ROLLCALL_ORG", value_name = "ID")]
    pub org: Option<String>,
    /// Demo clients to run beside the real ones, 0 for none [default: 0]
    #[arg(long, env = "ROLLCALL_DEMO", value_name = "N", value_parser = clap::value_parser!(u32).range(0..=DEMO_MAX))]
    pub demo: Option<u32>,
    /// Where client ids outside Watson's grammar name their device: a regular expression with a group “type”, and
    /// “id” if there is one; may be repeated, the first that matches counts [default: all are of the type mqtt]
    #[arg(long, env = "ROLLCALL_DEVICE_TYPE_PATTERN", value_name = "REGEX", value_delimiter = '\n')]
    pub device_type_pattern: Option<Vec<String>>,
    /// How long the connection log is kept, in hours, days or weeks, or “unlimited” [default: 30d]
    #[arg(long, env = "ROLLCALL_LOG_RETENTION", value_name = "TIME")]
    pub log_retention: Option<Age>,
    /// How much disk space the connection log may take before its oldest entries go, or “unlimited” [default: 10GB]
    #[arg(long, env = "ROLLCALL_LOG_MAX_SIZE", value_name = "SIZE")]
    pub log_max_size: Option<Size>,
    #[command(flatten)]
    pub transport: TransportArgs,
    /// Configuration file (TOML) with the same settings, “_” for “-”: http, mqtt, data, tls_cert and so on
    #[arg(long, env = "ROLLCALL_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// Every demo client takes four sockets of this process, which can have 20,000 files open on many systems.
const DEMO_MAX: i64 = 4_500;

/// The configuration file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default, deserialize_with = "value::address_in_file")]
    http: Option<SocketAddr>,
    #[serde(default, deserialize_with = "value::address_in_file")]
    mqtt: Option<SocketAddr>,
    data: Option<PathBuf>,
    org: Option<String>,
    demo: Option<u32>,
    #[serde(default, deserialize_with = "value::list_in_file")]
    device_type_pattern: Option<Vec<String>>,
    log_retention: Option<Age>,
    log_max_size: Option<Size>,
    tls_cert: Option<PathBuf>,
    tls_key: Option<PathBuf>,
    tls_self_signed: Option<bool>,
    #[serde(default, deserialize_with = "value::address_in_file")]
    mqtts: Option<SocketAddr>,
    behind_proxy: Option<bool>,
    #[serde(default, deserialize_with = "value::list_in_file")]
    trusted_proxies: Option<Vec<String>>,
    allow_plain_mqtt: Option<bool>,
    #[serde(default, deserialize_with = "value::count_in_file")]
    http_connections: Option<NonZeroU32>,
    #[serde(default, deserialize_with = "value::count_in_file")]
    http_connections_per_address: Option<NonZeroU32>,
}

impl File {
    fn transport(&mut self) -> TransportArgs {
        TransportArgs {
            tls_cert: self.tls_cert.take(),
            tls_key: self.tls_key.take(),
            tls_self_signed: self.tls_self_signed,
            mqtts: self.mqtts,
            behind_proxy: self.behind_proxy,
            trusted_proxies: self.trusted_proxies.take(),
            allow_plain_mqtt: self.allow_plain_mqtt,
            http_connections: self.http_connections,
            http_connections_per_address: self.http_connections_per_address,
        }
    }
}

/// The settings in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    pub http: SocketAddr,
    pub mqtt: SocketAddr,
    pub data: PathBuf,
    pub org: String,
    pub demo_clients: u32,
    /// What client ids outside Watson's grammar say of their devices.
    pub naming: Naming,
    pub retention: Retention,
    pub transport: Transport,
}

#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("cannot read the configuration file {path}: {reason}")]
    Unreadable { path: String, reason: std::io::Error },
    #[error("the configuration file {path} is not valid: line {line} ({text}): {reason}")]
    Invalid { path: String, line: usize, text: String, reason: String },
    #[error("“{0}” cannot be an organisation: use letters, digits, “-”, “_” and “.”, at most 36")]
    Org(String),
    #[error("demo = {0} is too many: at most {DEMO_MAX} demo clients can run in one process")]
    Demo(u32),
    #[error(transparent)]
    Naming(#[from] NamingError),
    #[error(transparent)]
    Transport(#[from] TransportError),
}

/// The organisation where none is given.
pub const DEFAULT_ORG: &str = "acme01";

impl ServeArgs {
    /// Brings flags, environment (which the flags already hold), file and defaults together.
    ///
    /// # Errors
    /// When the file cannot be read or has an unknown key or a bad value, a value cannot be, or strangers could
    /// listen to what is said.
    pub fn resolve(self) -> Result<Config, ConfigError> {
        let mut file = self.config.as_deref().map(read_file).transpose()?.unwrap_or_default();
        let loopback = |port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
        let http = self.http.or(file.http).unwrap_or_else(|| loopback(8080));
        let mqtt = self.mqtt.or(file.mqtt).unwrap_or_else(|| loopback(1883));
        let transport = self.transport.over(file.transport());
        let patterns = self.device_type_pattern.or(file.device_type_pattern.take()).unwrap_or_default();
        let config = Config {
            http,
            mqtt,
            transport: transport.resolve(http, mqtt)?,
            data: self.data.or(file.data).unwrap_or_else(default_data),
            org: checked_org(self.org.or(file.org))?,
            demo_clients: self.demo.or(file.demo).unwrap_or(0),
            naming: Naming::new(&patterns)?,
            retention: retention::resolve(
                self.log_retention.or(file.log_retention),
                self.log_max_size.or(file.log_max_size),
            ),
        };
        if i64::from(config.demo_clients) > DEMO_MAX {
            return Err(ConfigError::Demo(config.demo_clients));
        }
        Ok(config)
    }
}

/// The data folder where none is given.
#[must_use]
pub fn default_data() -> PathBuf {
    PathBuf::from("rollcall-data")
}

/// The organisation to use.
///
/// # Errors
/// When it could not stand in a client id.
pub fn checked_org(org: Option<String>) -> Result<String, ConfigError> {
    let org = org.unwrap_or_else(|| DEFAULT_ORG.to_owned());
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    if org.is_empty() || org.len() > 36 || !org.bytes().all(allowed) {
        Err(ConfigError::Org(org))
    } else {
        Ok(org)
    }
}

/// What is shown of the line of the configuration file that is not valid.
const LINE_CHARS_MAX: usize = 80;

fn read_file(path: &Path) -> Result<File, ConfigError> {
    let shown = path.display().to_string();
    let text = std::fs::read_to_string(path)
        .map_err(|reason| ConfigError::Unreadable { path: shown.clone(), reason })?;
    toml::from_str(&text).map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let above = before.matches('\n').count();
        let line = text.lines().nth(above).unwrap_or_default().trim();
        ConfigError::Invalid {
            path: shown,
            line: above + 1,
            text: line.chars().take(LINE_CHARS_MAX).collect(),
            // The message alone: the error's own text is several lines long.
            reason: error.message().replace('\n', "; "),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_file(text: &str, args: ServeArgs) -> Result<Config, ConfigError> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("rollcall.toml");
        std::fs::write(&path, text).unwrap();
        ServeArgs { config: Some(path), ..args }.resolve()
    }

    #[test]
    fn a_flag_beats_the_file_and_the_file_beats_the_default() {
        let args = ServeArgs { demo: Some(7), ..ServeArgs::default() };
        let config = with_file("http = \"127.0.0.1:9000\"\ndemo = 3\n", args).unwrap();
        assert_eq!((config.http.port(), config.mqtt.port(), config.demo_clients), (9000, 1883, 7));
    }

    #[test]
    fn the_file_knows_the_settings_of_tls_and_proxies() {
        let text = "tls_self_signed = true\nmqtts = \"127.0.0.1:9\"\nbehind_proxy = true\n\
            trusted_proxies = [\"10.0.0.0/8\"]\nmqtt = \"0.0.0.0:1883\"\nallow_plain_mqtt = true\n";
        let transport = with_file(text, ServeArgs::default()).unwrap().transport;
        assert_eq!(transport.tls.unwrap().mqtts.port(), 9);
        assert!(transport.proxies.is_some());
        let limits = with_file("http_connections = 9\n", ServeArgs::default()).unwrap().transport.connections;
        assert_eq!((limits.all.get(), limits.per_address.get()), (9, 1_000));
        assert!(with_file("http_connections = 0\n", ServeArgs::default()).is_err());
        let text = "tls_cert = \"a\"\n";
        assert!(with_file(text, ServeArgs::default()).is_err());
    }

    #[test]
    fn an_unknown_key_is_named_with_its_line_in_one_line() {
        let error = with_file("org = \"acme01\"\nhtpp = 1\n", ServeArgs::default()).unwrap_err().to_string();
        assert!(error.contains("line 2") && error.contains("htpp") && !error.contains('\n'), "{error}");
    }

    /// Of a bad value the error told its line and what the parser had expected, not which setting it was.
    #[test]
    fn a_bad_value_is_named_with_its_setting_and_what_would_be_right() {
        let address = "write numbers, as in 127.0.0.1:8080";
        let check = |line: &str, expect: &str| {
            let error =
                with_file(&format!("demo = 0\n{line}\n"), ServeArgs::default()).unwrap_err().to_string();
            let named = error.contains(&format!("line 2 ({line})"));
            assert!(named && error.contains(expect) && !error.contains('\n'), "{error}");
        };
        check("http = \"localhost:8080\"", address);
        check("mqtt = 1883", address);
        check("mqtts = \":8883\"", address);
        check("http_connections = 0", "a whole number from 1 is needed");
        check("trusted_proxies = 7", "a text is needed, or a list of texts");
        check("log_retention = \"5\"", "as in 30d");
    }

    #[test]
    fn a_list_with_one_entry_needs_no_brackets() {
        let text = "behind_proxy = true\ntrusted_proxies = \"10.0.0.2, 192.0.2.0/24\"\n";
        let listed = "behind_proxy = true\ntrusted_proxies = [\"10.0.0.2\", \"192.0.2.0/24\"]\n";
        let transport = |text| with_file(text, ServeArgs::default()).unwrap().transport;
        assert_eq!(transport(text), transport(listed));
        assert!(with_file("device_type_pattern = '^(?<type>[a-z]+)/'\n", ServeArgs::default()).is_ok());
    }

    #[test]
    fn patterns_for_device_types_come_from_the_flag_or_the_file_and_bad_ones_are_refused() {
        let naming = |pattern: &str| Naming::new(&[pattern.to_owned()]).unwrap();
        let text = "device_type_pattern = ['^(?<type>[a-z]+)/(?<id>\\d+)$']\n";
        let of_file = with_file(text, ServeArgs::default()).unwrap().naming;
        assert_eq!(of_file, naming(r"^(?<type>[a-z]+)/(?<id>\d+)$"));
        let flag = Some(vec!["(?<type>x)".to_owned()]);
        let args = ServeArgs { device_type_pattern: flag, ..ServeArgs::default() };
        assert_eq!(with_file(text, args).unwrap().naming, naming("(?<type>x)"));
        assert!(with_file("device_type_pattern = ['(']\n", ServeArgs::default()).is_err());
    }

    #[test]
    fn an_organisation_that_could_not_stand_in_a_client_id_is_refused() {
        for org in ["", "a:b", "a/b", "näm", &"x".repeat(37)] {
            assert!(checked_org(Some(org.to_owned())).is_err(), "{org}");
        }
    }
}
