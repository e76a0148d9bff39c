//! Values of settings that flags, environment and file read alike, and what to do about bad ones. Called by [`super`] only.

use std::net::SocketAddr;
use std::num::NonZeroU32;

use serde::de::{Deserialize as _, Deserializer, Error};

/// Where to listen.
pub fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        format!("“{text}” is no address with a port: write numbers, as in 127.0.0.1:8080, 0.0.0.0:443 or [::1]:8080")
    })
}

/// How many there may be.
pub fn count(text: &str) -> Result<NonZeroU32, String> {
    text.parse().map_err(|_| format!("“{text}” is no such number: a whole number from 1 is needed"))
}

pub fn address_in_file<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SocketAddr>, D::Error> {
    address(&written(&value(deserializer)?)).map(Some).map_err(Error::custom)
}

pub fn count_in_file<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<NonZeroU32>, D::Error> {
    count(&written(&value(deserializer)?)).map(Some).map_err(Error::custom)
}

/// Several texts, or one without brackets.
pub fn list_in_file<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<String>>, D::Error> {
    let texts = match value(deserializer)? {
        toml::Value::String(text) => Some(vec![text]),
        toml::Value::Array(values) => values.iter().map(|value| value.as_str().map(str::to_owned)).collect(),
        _ => None,
    };
    let texts = texts.ok_or("a text is needed, or a list of texts, as in [\"…\", \"…\"]");
    texts.map(Some).map_err(Error::custom)
}

fn value<'de, D: Deserializer<'de>>(deserializer: D) -> Result<toml::Value, D::Error> {
    toml::Value::deserialize(deserializer)
}

fn written(value: &toml::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
