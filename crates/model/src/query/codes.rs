//! Values that are codes: `mqttReasonCode=0x8D,0x8E`. Called by [`super::parse_set`] only.

use super::{MAX_VALUES, too_many_values};

/// Codes may be decimal or, as they stand in the MQTT standard, hexadecimal (`0x8D`).
///
/// # Errors
/// A sentence, when one is no code up to `max`, or there are too many.
pub fn parse(value: &str, max: u32) -> Result<Vec<String>, String> {
    let parse = |code: &str| {
        let code = code.trim();
        let hex = code.strip_prefix("0x").or_else(|| code.strip_prefix("0X"));
        let number = hex.map_or_else(|| code.parse().ok(), |hex| u32::from_str_radix(hex, 16).ok());
        number.filter(|number| *number <= max).map(|number| number.to_string())
    };
    if value.split(',').count() > MAX_VALUES {
        return Err(too_many_values());
    }
    let codes = value.split(',').map(|code| {
        parse(code).ok_or_else(|| format!("codes from 0 to {max} are needed, as in 141 or 0x8D"))
    });
    Ok(once_each(codes.collect::<Result<Vec<_>, _>>()?))
}

/// The values in their order, each where it stands first.
pub fn once_each(values: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut each = Vec::new();
    for value in values {
        if !each.contains(&value) {
            each.push(value);
        }
    }
    each
}
