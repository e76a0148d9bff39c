//! The packets that a demo client sends, in the MQTT version that it speaks.

use mqtt_protocol_core::mqtt::Version;
use mqtt_protocol_core::mqtt::packet::{Packet, Qos, SubEntry, SubOpts, v3_1_1, v5_0};
use mqtt_protocol_core::mqtt::result_code::{DisconnectReasonCode, MqttError};

/// How a client introduces itself.
#[derive(Debug, Clone)]
pub struct Hello {
    pub client_id: String,
    pub version: Version,
    pub keep_alive_s: u16,
    pub user: String,
    pub password: String,
    /// Topic and payload.
    pub will: Option<(&'static str, String)>,
}

pub fn connect(hello: &Hello) -> Result<Packet, MqttError> {
    macro_rules! build {
        ($builder:expr) => {{
            let mut builder = $builder
                .client_id(hello.client_id.as_str())?
                .clean_start(true)
                .keep_alive(hello.keep_alive_s);
            if let Some((topic, payload)) = &hello.will {
                builder = builder.will_message(*topic, payload.as_str(), Qos::AtMostOnce, false)?;
            }
            builder = builder.user_name(hello.user.as_str())?.password(hello.password.as_str())?;
            builder.build()?.into()
        }};
    }
    Ok(match hello.version {
        Version::V5_0 => build!(v5_0::Connect::builder()),
        _ => build!(v3_1_1::Connect::builder()),
    })
}

pub fn publish(version: Version, topic: &str, payload: &str) -> Result<Packet, MqttError> {
    macro_rules! build {
        ($builder:expr) => {
            $builder.topic_name(topic)?.qos(Qos::AtMostOnce).payload(payload).build()?.into()
        };
    }
    Ok(match version {
        Version::V5_0 => build!(v5_0::Publish::builder()),
        _ => build!(v3_1_1::Publish::builder()),
    })
}

pub fn subscribe(version: Version, packet_id: u16, filter: &str) -> Result<Packet, MqttError> {
    let entries = vec![SubEntry::new(filter, SubOpts::new())?];
    Ok(match version {
        Version::V5_0 => v5_0::Subscribe::builder().packet_id(packet_id).entries(entries).build()?.into(),
        _ => v3_1_1::Subscribe::builder().packet_id(packet_id).entries(entries).build()?.into(),
    })
}

pub fn unsubscribe(version: Version, packet_id: u16, filter: &str) -> Result<Packet, MqttError> {
    Ok(match version {
        Version::V5_0 => v5_0::Unsubscribe::builder().packet_id(packet_id).entries([filter])?.build()?.into(),
        _ => v3_1_1::Unsubscribe::builder().packet_id(packet_id).entries([filter])?.build()?.into(),
    })
}

/// MQTT 3.1.1 knows only the goodbye without a will.
pub fn disconnect(version: Version, with_will: bool) -> Result<Packet, MqttError> {
    let code = match with_will {
        true => DisconnectReasonCode::DisconnectWithWillMessage,
        false => DisconnectReasonCode::NormalDisconnection,
    };
    Ok(match version {
        Version::V5_0 => v5_0::Disconnect::builder().reason_code(code).build()?.into(),
        _ => v3_1_1::Disconnect::builder().build()?.into(),
    })
}
