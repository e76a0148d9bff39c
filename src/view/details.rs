//! Every field of a client's state, exact, with a link to all clients that share the value.

use std::sync::Arc;

use crate::view::live::{live, say};
use leptos::prelude::*;
use rollcall_model::query::Field;
use rollcall_model::{StateDoc, Timestamp};

use crate::i18n::t;
use crate::store::stores;
use crate::words;
use crate::{format, text};

/// The fields, in the order in which they are read.
const FIELDS: [Field; 17] = [
    Field::ClientType,
    Field::DeviceType,
    Field::DeviceId,
    Field::LastConnectTime,
    Field::LastDisconnectTime,
    Field::LastActivityTime,
    Field::LastActivityEvent,
    Field::DisconnectInitiator,
    Field::MqttReasonCode,
    Field::CloseCode,
    Field::Reason,
    Field::MqttConnectProtocol,
    Field::ClientAddr,
    Field::Secure,
    Field::RecentConnects,
    Field::LastRefusedTime,
    Field::Certainty,
];

#[component]
pub fn Details(#[prop(into)] doc: Signal<Option<Arc<StateDoc>>>) -> impl IntoView {
    let item = |doc: &StateDoc, field: Field| {
        let raw = field.text(doc)?;
        let value = shown(field, doc, &raw);
        let link = can_filter(field).then(|| view! { <Same field=field value=raw/> });
        Some(
            view! { <div><dt>{live(move || words::field(field))}</dt><dd><bdi>{value}</bdi>{link}</dd></div> },
        )
    };
    let items = move || {
        let doc = doc.get()?;
        Some(FIELDS.into_iter().filter_map(|field| item(&doc, field)).collect_view())
    };
    view! {
        <section class="details">
            <h3>{say(t::details_title)}</h3>
            <dl>{items}</dl>
        </section>
    }
}

fn shown(field: Field, doc: &StateDoc, raw: &str) -> leptos::prelude::AnyView {
    let time = match field {
        Field::LastConnectTime => doc.last_connect_time,
        Field::LastDisconnectTime => doc.last_disconnect_time,
        Field::LastActivityTime => doc.last_activity_time,
        Field::LastRefusedTime => doc.last_refused_time,
        _ => None,
    };
    match (field, time) {
        (_, Some(time)) => exact(time).into_any(),
        (Field::Secure, _) => if doc.secure == Some(true) { t::yes() } else { t::no() }.into_any(),
        (Field::MqttReasonCode, _) => {
            let name =
                doc.mqtt_reason_code.and_then(rollcall_model::reason::mqtt_reason_name).unwrap_or_default();
            format!("{} {name}", words::value(field, raw)).into_any()
        }
        (Field::Reason, _) => text::limited(raw, 500).into_any(),
        _ => words::value(field, &text::limited(raw, 300)).into_any(),
    }
}

fn exact(time: Timestamp) -> impl IntoView {
    view! { <time datetime=time.to_string() title=live(move || format::exact(time))>{live(move || format::exact_local(time))}</time> }
}

/// Fields whose values are worth asking for: who else has it.
const fn can_filter(field: Field) -> bool {
    matches!(
        field,
        Field::ClientType
            | Field::DeviceType
            | Field::LastActivityEvent
            | Field::DisconnectInitiator
            | Field::MqttReasonCode
            | Field::CloseCode
            | Field::MqttConnectProtocol
            | Field::Certainty
    )
}

#[component]
fn Same(field: Field, value: String) -> impl IntoView {
    let view = stores().view;
    let label = {
        let value = value.clone();
        live(move || t::filter_by(&words::field(field), &words::value(field, &value)))
    };
    let choose = move |_| {
        let value = value.clone();
        view.change(|view| view.set_values(field, vec![value]));
    };
    view! {
        <button class="plain same" type="button" title=label aria-label=label on:click=choose>
            <span aria-hidden="true">"≡"</span>
        </button>
    }
}
