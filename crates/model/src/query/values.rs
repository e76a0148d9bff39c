//! What the value of a filter's parameter means: as a test, and beside a value that stood there before. Called by
//! [`super::Query::parse`] only.

use super::{Field, Kind, Network, Parameter, Test, codes};
use crate::state::RECENT_CONNECTS_MAX;
use crate::time::TimeExpr;

/// What a filter's value asks for.
///
/// # Errors
/// A sentence that says which values there can be.
pub(super) fn parse(parameter: &Parameter, value: &str) -> Result<Test, String> {
    let time = || TimeExpr::parse(value).map(|time| vec![time]).map_err(|error| error.to_string());
    Ok(match parameter.kind {
        Kind::Set => Test::AnyOf(parse_set(parameter.field, value)?),
        Kind::After => Test::After(time()?),
        Kind::Before => Test::Before(time()?),
        Kind::Contains => Test::Contains(vec![value.to_owned()]),
        Kind::AtLeast => {
            let least = value.parse().ok().filter(|least| *least as usize <= RECENT_CONNECTS_MAX);
            let problem =
                || format!("a whole number from 0 to {RECENT_CONNECTS_MAX} is needed: more are not counted");
            Test::AtLeast(least.ok_or_else(problem)?)
        }
        // Read by `presence`.
        Kind::Present => return Err("true or false is needed".to_owned()),
    })
}

/// The alternatives of one parameter, each once.
fn parse_set(field: Field, value: &str) -> Result<Vec<String>, String> {
    if let Some(list) = field.closed_list() {
        let values: Vec<_> = value.split(',').map(str::trim).collect();
        return match values.iter().find(|value| !list.contains(value)) {
            Some(_) => Err(format!("one or more of {} are needed", list.join(", "))),
            None => Ok(codes::once_each(values.into_iter().map(str::to_owned))),
        };
    }
    match field {
        Field::MqttReasonCode => codes::parse(value, u32::from(u8::MAX)),
        Field::CloseCode => codes::parse(value, u32::from(u16::MAX)),
        Field::ClientAddr => match Network::parse(value) {
            Some(network) => Ok(vec![network.to_string()]),
            None => {
                Err("an address or a network is needed, as in 10.0.0.7, 10.0.7.0/24 or 2001:db8::/32"
                    .to_owned())
            }
        },
        _ => Ok(vec![value.to_owned()]),
    }
}

/// A repeated parameter adds alternatives to its filter; of a lower bound the lowest counts.
pub(super) fn add_alternatives(test: &mut Test, more: Test) {
    match (test, more) {
        (Test::AnyOf(values), Test::AnyOf(more)) => {
            for value in more {
                if !values.contains(&value) {
                    values.push(value);
                }
            }
        }
        (Test::Contains(values), Test::Contains(more)) => values.extend(more),
        (Test::After(times), Test::After(more)) | (Test::Before(times), Test::Before(more)) => {
            times.extend(more);
        }
        (Test::AtLeast(least), Test::AtLeast(more)) => *least = more.min(*least),
        (test, more) => *test = more,
    }
}
