//! What the members of an incident have in common, and whether that is worth saying: “all have type X” means
//! nothing where nearly the whole fleet has type X.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Loss;
use crate::client_id::ClientId;
use crate::event::MqttVersion;
use crate::query::Network;
use crate::state::StateDoc;

/// At least this part of the members has it,
const SHARE_MIN: f64 = 0.8;
/// and at most this part of all.
const BASE_MAX: f64 = 0.5;
/// A fleet (or a number of other losses) that is smaller says nothing about what is common in it.
const BASE_CLIENTS_MIN: u64 = 20;

/// Something that nearly all members of an incident have.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Share {
    pub field: ShareField,
    pub value: String,
    /// The part of the members that has it, from 0 to 1.
    pub share: f64,
    /// The part of the fleet that has it, as far as the fleet knows the field (of `mqttReasonCode`: the part of
    /// the other losses); absent when that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_share: Option<f64>,
}

impl Share {
    fn network(&self) -> Option<Network> {
        (self.field == ShareField::Subnet).then(|| Network::parse(&self.value))?
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ShareField {
    /// The narrowest of the networks around an address ([`Subnet::and_wider`]).
    Subnet,
    DeviceType,
    MqttConnectProtocol,
    MqttReasonCode,
}

/// Sizes of networks, the narrowest first: those of a site, of a region, of a provider.
const BITS_V4: [u8; 5] = [24, 20, 16, 12, 8];
const BITS_V6: [u8; 4] = [64, 56, 48, 32];

/// The network around an address that is taken for its neighbourhood: the /24 of an IPv4 address, the /64 of an IPv6
/// address, or one that is wider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subnet(Network);

impl Subnet {
    /// The subnet of an address in text; `None` when it is none.
    #[must_use]
    pub fn of(addr: &str) -> Option<Self> {
        let address = addr.parse::<IpAddr>().ok()?.to_canonical();
        Some(Self(Network::around(address, if address.is_ipv4() { BITS_V4[0] } else { BITS_V6[0] })))
    }

    /// This one and those around it, the narrowest first.
    fn and_wider(self) -> impl Iterator<Item = Self> {
        let address = self.0.address();
        let bits: &[u8] = if address.is_ipv4() { &BITS_V4 } else { &BITS_V6 };
        bits.iter().map(move |bits| Self(Network::around(address, *bits)))
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A trait of a client.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Trait {
    Subnet(Subnet),
    DeviceType(Arc<str>),
    Version(MqttVersion),
    Reason(u8),
}

impl Trait {
    const fn field(&self) -> ShareField {
        match self {
            Self::Subnet(_) => ShareField::Subnet,
            Self::DeviceType(_) => ShareField::DeviceType,
            Self::Version(_) => ShareField::MqttConnectProtocol,
            Self::Reason(_) => ShareField::MqttReasonCode,
        }
    }

    fn share(&self, share: f64, base_share: Option<f64>) -> Share {
        let value = match self {
            Self::Subnet(subnet) => subnet.to_string(),
            Self::DeviceType(name) => name.to_string(),
            Self::Version(version) => version.as_str().to_owned(),
            Self::Reason(code) => code.to_string(),
        };
        Share { field: self.field(), value, share: rounded(share), base_share: base_share.map(rounded) }
    }
}

/// To three digits. What not all have does not become what all have.
fn rounded(share: f64) -> f64 {
    let rounded = (share * 1_000.0).round() / 1_000.0;
    if share < 1.0 { rounded.min(0.999) } else { rounded }
}

/// What is common in the whole fleet, or in an even sample of it.
#[derive(Debug, Clone, Default)]
pub struct Base {
    /// Of how many clients the fleet knows this field.
    known: BTreeMap<ShareField, u64>,
    counts: BTreeMap<Trait, u64>,
}

impl Base {
    /// Counts one client of the fleet.
    pub fn add(&mut self, id: &str, addr: Option<&str>, version: Option<MqttVersion>) {
        let device_type = ClientId::parse(id).device_type.map(|name| Trait::DeviceType(Arc::from(name)));
        let subnet = addr.and_then(Subnet::of);
        for found in
            [device_type, subnet.map(Trait::Subnet), version.map(Trait::Version)].into_iter().flatten()
        {
            *self.known.entry(found.field()).or_default() += 1;
            *self.counts.entry(found).or_default() += 1;
        }
        for wider in subnet.into_iter().flat_map(|subnet| subnet.and_wider().skip(1)) {
            *self.counts.entry(Trait::Subnet(wider)).or_default() += 1;
        }
    }

    /// The same for a state as the API tells it.
    pub fn add_doc(&mut self, doc: &StateDoc) {
        let name = doc.mqtt_connect_protocol.as_deref();
        let version = MqttVersion::ALL.into_iter().find(|version| Some(version.as_str()) == name);
        self.add(&doc.id, doc.client_addr.as_deref(), version);
    }

    fn share(&self, of: &Trait) -> Option<f64> {
        let count = self.counts.get(of).copied().unwrap_or(0);
        let known = self.known.get(&of.field()).copied().unwrap_or(0);
        (known >= BASE_CLIENTS_MIN).then(|| count as f64 / known as f64)
    }
}

/// How often each reason code ended sessions.
#[derive(Debug, Clone, Default)]
pub(super) struct Reasons {
    losses: u64,
    counts: BTreeMap<u8, u64>,
}

impl Reasons {
    pub fn of(losses: &[&Loss]) -> Self {
        let mut reasons = Self { losses: losses.len() as u64, counts: BTreeMap::new() };
        for code in losses.iter().filter_map(|loss| loss.mqtt_reason_code) {
            *reasons.counts.entry(code).or_default() += 1;
        }
        reasons
    }

    /// Those of the other losses.
    pub fn without(&self, some: &[&Loss]) -> Self {
        let some = Self::of(some);
        let rest = |code: &u8, count: &u64| count - some.counts.get(code).copied().unwrap_or(0).min(*count);
        Self {
            losses: self.losses.saturating_sub(some.losses),
            counts: self.counts.iter().map(|(code, count)| (*code, rest(code, count))).collect(),
        }
    }

    fn share(&self, code: u8) -> Option<f64> {
        let count = self.counts.get(&code).copied().unwrap_or(0);
        (self.losses >= BASE_CLIENTS_MIN).then(|| count as f64 / self.losses as f64)
    }
}

/// What the members share; `others` are the reasons of the other losses of the kind.
pub(super) fn find(members: &[&Loss], others: &Reasons, base: &Base) -> Vec<Share> {
    let mut counts = BTreeMap::<Trait, u64>::new();
    for found in members.iter().flat_map(|loss| traits(loss)) {
        *counts.entry(found).or_default() += 1;
    }
    let common = counts
        .into_iter()
        .map(|(found, count)| (found, count as f64 / members.len() as f64))
        .filter(|(_, share)| *share >= SHARE_MIN);
    let shares = common.filter_map(|(found, share)| {
        let base_share = match &found {
            Trait::Reason(code) => others.share(*code),
            other => base.share(other),
        };
        // Without a base only the reason is told: it is what happened, not what was hit.
        let is_known = base_share.is_some() || matches!(found, Trait::Reason(_));
        let is_told = is_known && base_share.is_none_or(|base| base <= BASE_MAX);
        is_told.then(|| found.share(share, base_share))
    });
    let mut shares: Vec<Share> = shares.collect();
    // Around a network are others that hold it.
    let narrowest = shares.iter().filter_map(Share::network).max_by_key(|network| network.bits());
    shares.retain(|share| share.network().is_none_or(|network| Some(network) == narrowest));
    shares
}

fn traits(loss: &Loss) -> impl Iterator<Item = Trait> {
    let subnets = loss.subnet.into_iter().flat_map(Subnet::and_wider).map(Trait::Subnet);
    let found = [
        loss.device_type.clone().map(Trait::DeviceType),
        loss.version.map(Trait::Version),
        loss.mqtt_reason_code.map(Trait::Reason),
    ];
    found.into_iter().flatten().chain(subnets)
}
