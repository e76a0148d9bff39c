//! How large a message is on its way to a client of MQTT 5, which may have said how much it takes in one packet.
//!
//! The broker's library ends the connection of a client for which a message is too large. The hooks ask here before a
//! message is sent, so that it is dropped instead (MQTT 5, section 3.1.2.11.4). Nothing in here knows a session.

use rmqtt::codec::v5::PublishProperties;
use rmqtt::types::{CodecPublish, QoS};

/// What the library takes every fixed header for, in bytes, before it compares a packet with what the client takes.
const FIXED_HEADER_MAX: usize = 5;

/// The bytes of the PUBLISH packet of version 5 (MQTT 5, section 3.3), with the longest fixed header there is.
pub fn publish_bytes(message: &CodecPublish) -> usize {
    let packet_id = if message.qos == QoS::AtMostOnce { 0 } else { 2 };
    let properties = message.properties.as_ref().map_or(0, properties_bytes);
    let body = text(&message.topic) + packet_id + prefixed(properties) + message.payload.len();
    FIXED_HEADER_MAX + body
}

fn properties_bytes(properties: &PublishProperties) -> usize {
    let ids = properties.subscription_ids.iter().map(|id| 1 + length_bytes(id.get() as usize));
    sent_properties_bytes(properties) + ids.sum::<usize>()
}

/// What the sender has put into a message: topic, payload and properties, in bytes. The same for every subscriber.
pub fn sent_bytes(message: &CodecPublish) -> usize {
    let properties = message.properties.as_ref().map_or(0, sent_properties_bytes);
    message.topic.len() + message.payload.len() + properties
}

fn sent_properties_bytes(properties: &PublishProperties) -> usize {
    let optional = |is_there: bool, bytes: usize| if is_there { 1 + bytes } else { 0 };
    let user = properties.user_properties.iter().map(|(name, value)| 1 + text(name) + text(value));
    optional(properties.is_utf8_payload, 1)
        + optional(properties.message_expiry_interval.is_some(), 4)
        + properties.content_type.as_ref().map_or(0, |content_type| 1 + text(content_type))
        + properties.response_topic.as_ref().map_or(0, |topic| 1 + text(topic))
        + properties.correlation_data.as_ref().map_or(0, |data| 3 + data.len())
        + user.sum::<usize>()
}

/// A text and its length.
fn text(text: &str) -> usize {
    2 + text.len()
}

/// So many bytes and, in front, how many they are.
const fn prefixed(bytes: usize) -> usize {
    length_bytes(bytes) + bytes
}

/// The bytes of a number that is written as a variable byte integer (MQTT 5, section 1.5.5).
const fn length_bytes(number: usize) -> usize {
    match number {
        0..=127 => 1,
        128..=16_383 => 2,
        16_384..=2_097_151 => 3,
        _ => 4,
    }
}
