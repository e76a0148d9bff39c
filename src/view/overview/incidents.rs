//! Mass disconnects: how many, when, why, and what the clients have in common.

use leptos::prelude::{Get, With};
use rollcall_model::query::Field;

use super::{link, links};
use crate::api::{Incident, Share};
use crate::format;
use crate::i18n::t;
use crate::store::stores;
use crate::url::Period;
use crate::view::dom::{El, el};
use crate::{text, words};

pub fn incidents() -> El {
    let list = el("ol", "incidents").live(|| {
        stores().overview.incidents.with(|all| match all.as_deref() {
            None => Vec::new(),
            Some([]) => vec![el("li", "none").text(&t::no_incident())],
            Some(all) => {
                // The newest first, but what needs somebody before what is over.
                let mut all: Vec<&Incident> = all.iter().collect();
                all.sort_by_key(|incident| !incident.is_urgent());
                all.into_iter().map(show).collect()
            }
        })
    });
    let title = el("h2", "").live_text(t::incidents);
    let card = el("section", "card wide").attr("data-testid", "incidents").children(&[title, list]);
    // Where none is shown, that is said there.
    card.child(&el("p", "hint").maybe_text(|| {
        let overview = stores().overview;
        let is_long = matches!(overview.period.get(), Some(Period::Week | Period::Month));
        let has_any = overview.incidents.with(|all| all.as_ref().is_some_and(|all| !all.is_empty()));
        (is_long && has_any).then(t::hint_incidents_day)
    }))
}

fn show(incident: &Incident) -> El {
    let class = if incident.is_urgent() { "note failure" } else { "note warning" };
    let item = el("li", class).attr("data-cause", &incident.cause);
    item.child(&headline(incident)).children(&shared(incident))
}

/// What happened, and when.
pub fn headline(incident: &Incident) -> El {
    let now = stores().clock.exact();
    let since = format::moment_exact(incident.since, now);
    let when = match incident.until {
        Some(until) if until > incident.since => t::range_from_to(&since, &format::moment_exact(until, now)),
        Some(_) => since,
        None => t::goes_on_since(&since),
    };
    let mut story = t::incident(incident.clients, &why(&incident.cause));
    if incident.is_inferred {
        story = format!("{story} ({})", t::inferred_mark());
    }
    let head = el("p", "").attr("title", &format::exact(incident.since));
    head.child(&el("b", "").text(&story)).text(" ").text(&when)
}

/// How many are still away, and a link to them.
pub fn away(incident: &Incident) -> El {
    let text = match incident.still_away {
        Some(0) => return el("span", "").attr("data-testid", "incident-back").text(&t::all_back()),
        Some(count) => t::still_away(count),
        None => t::show_away(),
    };
    link(&links::still_away(incident).0).attr("data-testid", "incident-away").child(&el("b", "").text(&text))
}

/// What the clients have in common, and links to them.
pub fn shared(incident: &Incident) -> Vec<El> {
    let mut parts: Vec<El> = incident.shares.iter().filter_map(|share| show_share(incident, share)).collect();
    let (_, is_wider) = links::still_away(incident);
    let links = el("p", "links").children(&[
        away(incident),
        link(&links::all_of(incident)).attr("data-testid", "incident-clients").text(&t::show_these()),
    ]);
    let hint = if is_wider {
        format!("{} {}", t::hint_incident(), t::hint_incident_away())
    } else {
        t::hint_incident()
    };
    let hint = el("p", "hint").attr("data-testid", "incident-hint").text(&hint);
    parts.extend([links, hint]);
    parts
}

fn why(cause: &str) -> String {
    match cause {
        "network" => t::cause_dropped(),
        "keepAlive" => t::cause_keep_alive(),
        "serverShutdown" => t::cause_shutting_down(),
        "administrator" => t::cause_administrator(),
        "server" => t::cause_unspecified(),
        _ => t::cause_unknown(),
    }
}

/// What nearly all have, with a link where there is a filter for it.
fn show_share(incident: &Incident, share: &Share) -> Option<El> {
    let part = t::share(&format::number(share.percent));
    let tell = |field: Field| format!("{}: {}", words::field(field), words::value(field, &share.value));
    let mqtt = share.value.parse().ok();
    let reason = words::Cause { mqtt, ..words::Cause::default() }.short();
    if share.field == "mqttReasonCode" && reason == why(&incident.cause) {
        // The headline has said it.
        return None;
    }
    let reason = || format!("{reason} ({})", mqtt.map(words::code).unwrap_or_default());
    let linked = |field: Field| {
        let more = [("connectionStatus", "disconnected"), (field.name(), share.value.as_str())];
        // The reason is known only of those that are away.
        let more = if field == Field::MqttReasonCode { &more[..] } else { &more[1..] };
        let told = if field == Field::MqttReasonCode { reason() } else { tell(field) };
        link(&links::incident(incident, more)).text(&told)
    };
    let what = match share.field.as_str() {
        "deviceType" => linked(Field::DeviceType),
        "mqttConnectProtocol" => linked(Field::MqttConnectProtocol),
        "mqttReasonCode" => linked(Field::MqttReasonCode),
        "subnet" => {
            let more = [(Field::ClientAddr.name(), share.value.as_str())];
            let subnet = t::from_subnet(&text::limited(&share.value, 60));
            link(&links::incident(incident, &more)).attr("data-testid", "share-subnet").text(&subnet)
        }
        _ => return None,
    };
    Some(el("p", "").text(&part).text(" ").child(&what))
}
