//! What a finding and an incident say in English. The dashboard has its own sentences in each language.

use super::incident::{Incident, ShareField};
use super::{Cause, FindingKind, HOUR_MS, MINUTE_MS, SECOND_MS};
use crate::event::Certainty;
use crate::reason;
use crate::time::Timestamp;

pub(super) fn of(kind: &FindingKind, since: Timestamp, until: Option<Timestamp>) -> String {
    let when = until.map_or_else(|| format!("since {since}"), |until| format!("from {since} to {until}"));
    match kind {
        FindingKind::SharedId { takeovers, addresses, hold_ms } => {
            let from = match addresses.as_slice() {
                [] => String::new(),
                [one] => format!(", both from {one}"),
                all => format!(", from {}", all.join(" and ")),
            };
            format!(
                "Two clients use this id in turn{from}: it was taken over {takeovers} times {when}, every {}.",
                span(*hold_ms)
            )
        }
        FindingKind::RegularTimeout { interval_ms, spread_ms, sessions, cause } => format!(
            "The connection is lost after {} (± {}) each time, {sessions} times {when}: {}. A NAT, a load balancer or \
             a watchdog with this time limit is likely.",
            span(*interval_ms),
            span((*spread_ms).max(SECOND_MS)),
            ended(*cause)
        ),
        FindingKind::Refused { attempts, mqtt_reason_code, reason, while_connected, .. } => {
            let named = mqtt_reason_code.and_then(reason::mqtt_reason_name).map(str::to_owned);
            let why = reason.clone().or(named).unwrap_or_else(|| "no reason was given".to_owned());
            let why = why.trim_end_matches('.');
            if *while_connected {
                format!("Somebody else tries this id: {attempts} attempts were refused {when} ({why}).")
            } else {
                format!("Refused {when}, {attempts} times without a success: {why}.")
            }
        }
        FindingKind::Flapping { losses, over_ms, session_ms, cause } => format!(
            "The connection was lost and made again {losses} times in {} {when}; half of the sessions lasted less \
             than {}. Most often {}.",
            span(*over_ms),
            span((*session_ms).max(SECOND_MS)),
            ended(*cause)
        ),
        FindingKind::Silent { silent_ms, usual_gap_ms, sessions } => format!(
            "Connected but silent for {}; in its last {sessions} sessions a message came every {}.",
            span(*silent_ms),
            span((*usual_gap_ms).max(SECOND_MS))
        ),
        FindingKind::MassDisconnect { incident } => {
            format!("Lost together with others. {}", incident.message)
        }
    }
}

pub(super) fn of_incident(incident: &Incident) -> String {
    let what = match incident.cause {
        Cause::ServerShutdown => "The server was shut down and ended the connections",
        Cause::Administrator => "An administrator ended the connections",
        Cause::Server => "The server ended the connections",
        Cause::KeepAlive => "Keep-alives ran out",
        _ => "The network dropped the connections",
    };
    let shares: Vec<String> = incident
        .shares
        .iter()
        .map(|share| {
            let field = match share.field {
                ShareField::Subnet => "are in the subnet",
                ShareField::DeviceType => "have the device type",
                ShareField::MqttConnectProtocol => "speak MQTT",
                ShareField::MqttReasonCode => "have the reason code",
            };
            let base = share.base_share.map(|base| format!(" (of all {:.0} %)", base * 100.0));
            format!(" {:.0} % {field} {}{}.", share.share * 100.0, share.value, base.unwrap_or_default())
        })
        .collect();
    format!(
        "{what} of {} clients at {}; usual are {} in that time.{}{}",
        incident.clients,
        incident.since,
        incident.usual,
        shares.concat(),
        if incident.certainty == Certainty::Reported { "" } else { " Not all of these ends were reported." }
    )
}

const fn ended(cause: Cause) -> &'static str {
    match cause {
        Cause::Goodbye => "the client said goodbye",
        Cause::TakenOver => "the client had already connected anew",
        Cause::KeepAlive => "the keep-alive ran out",
        Cause::Network => "the network dropped it",
        Cause::ServerShutdown => "the server was shut down",
        Cause::Administrator => "an administrator ended it",
        Cause::Server => "the server ended it",
        Cause::Unknown => "how it ended is not known",
    }
}

/// A duration in the largest unit that leaves at least two of it.
fn span(ms: i64) -> String {
    let of = |unit_ms: i64, name: &str| {
        let number = (ms + unit_ms / 2) / unit_ms;
        format!("{number} {name}{}", if number == 1 { "" } else { "s" })
    };
    match ms {
        _ if ms >= 48 * HOUR_MS => of(24 * HOUR_MS, "day"),
        _ if ms >= 2 * HOUR_MS => of(HOUR_MS, "hour"),
        _ if ms >= 2 * MINUTE_MS => of(MINUTE_MS, "minute"),
        _ if ms >= SECOND_MS => of(SECOND_MS, "second"),
        _ => format!("{ms} ms"),
    }
}
