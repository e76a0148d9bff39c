//! Every field of a client's state, exact, with a way to all clients that share the value.

use std::sync::Arc;

use leptos::ev;
use leptos::html;
use leptos::prelude::*;
use rollcall_model::query::Field;
use rollcall_model::{StateDoc, Timestamp};
use wasm_bindgen::JsCast;
use web_sys::Element;

use super::dom::{self, El, el, fill};
use super::tools::{ApiLink, Copy};
use crate::i18n::{self, t};
use crate::store::stores;
use crate::view::live::live;
use crate::words;
use crate::{api, format, text};

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
pub fn Details(doc: Signal<Option<Arc<StateDoc>>>) -> impl IntoView {
    let view = stores().view;
    let list = NodeRef::<html::Dl>::new();
    let kept = StoredValue::new_local(Kept::default());
    Effect::new(move || {
        let Some(list) = list.get() else { return };
        let lines = doc.with(|doc| doc.as_ref().map(|doc| lines(doc)).unwrap_or_default());
        kept.update_value(|kept| show(&list, &lines, kept));
    });
    let choose = move |event: ev::MouseEvent| {
        let target = event.target().and_then(|target| target.dyn_into::<Element>().ok());
        let button = target.and_then(|target| target.closest("[data-field]").ok().flatten());
        let name = button.and_then(|button| button.get_attribute("data-field"));
        let Some(field) = name.and_then(|name| FIELDS.into_iter().find(|field| field.name() == name)) else {
            return;
        };
        let Some(value) = doc.get_untracked().and_then(|doc| field.text(&doc)) else { return };
        view.change(|view| {
            view.set_values(field, vec![value]);
            view.page.is_full = false;
        });
    };
    let address =
        live(move || api::client_address(&view.with(|view| view.client.clone()).unwrap_or_default()));
    let copied = Callback::new(move |()| {
        doc.with_untracked(|doc| doc.as_ref().map(|doc| dom::json(&**doc))).unwrap_or_default()
    });
    view! {
        <section class="details">
            <header>
                <span class="grow"></span>
                <Copy label=t::copy_json text=copied test_id="copy-state"/>
                <ApiLink address=address/>
            </header>
            <dl data-testid="details" node_ref=list on:click=choose></dl>
        </section>
    }
}

/// A field, its value in words, and for a time the time.
type Line = (Field, String, Option<Timestamp>);

fn lines(doc: &StateDoc) -> Vec<Line> {
    let line = |field: Field| {
        let raw = field.text(doc)?;
        let time = match field {
            Field::LastConnectTime => doc.last_connect_time,
            Field::LastDisconnectTime => doc.last_disconnect_time,
            Field::LastActivityTime => doc.last_activity_time,
            Field::LastRefusedTime => doc.last_refused_time,
            _ => None,
        };
        let name =
            || doc.mqtt_reason_code.and_then(rollcall_model::reason::mqtt_reason_name).unwrap_or_default();
        let shown = match (field, time) {
            (_, Some(time)) => format::exact_local(time),
            (Field::Secure, _) => {
                if doc.secure == Some(true) {
                    t::yes()
                } else {
                    t::no()
                }
            }
            (Field::MqttReasonCode, _) => format!("{} {}", words::value(field, &raw), name()),
            (Field::Reason, _) => text::limited(&raw, 500),
            _ => words::value(field, &text::limited(&raw, 300)),
        };
        Some((field, shown, time))
    };
    FIELDS.into_iter().filter_map(line).collect()
}

/// The lines on screen, and the language of their names.
#[derive(Default)]
struct Kept {
    language: String,
    lines: Vec<(Field, El)>,
}

/// Writes the values; makes the lines anew only when there are other ones, so that the focus stays where it is.
fn show(list: &Element, lines: &[Line], kept: &mut Kept) {
    let language = &i18n::current().language;
    let fields = kept.lines.iter().map(|(field, _)| field);
    let is_same = kept.language == *language && fields.eq(lines.iter().map(|(field, ..)| field));
    if !is_same {
        kept.language.clone_from(language);
        kept.lines = lines.iter().map(|(field, ..)| (*field, el("bdi", ""))).collect();
    }
    let mut rows = Vec::new();
    for ((field, shown, time), (_, value)) in lines.iter().zip(&kept.lines) {
        let Some(element) = value.element() else { continue };
        if element.text_content().as_deref() != Some(shown) {
            element.set_text_content(Some(shown));
        }
        if let Some(time) = time {
            let _ = element.set_attribute("title", &format::exact(*time));
        }
        if !is_same {
            let mut cell = el("dd", "").child(value);
            if can_filter(*field) {
                cell = cell.child(&same(*field, shown));
            }
            rows.push(el("div", "").child(&el("dt", "").text(&words::field(*field))).child(&cell));
        }
    }
    if !is_same {
        fill(list, &rows);
    }
}

fn same(field: Field, shown: &str) -> El {
    let label = t::filter_by(&words::field(field), shown);
    el("button", "plain same")
        .attr("type", "button")
        .attr("title", &label)
        .attr("aria-label", &label)
        .attr("data-field", field.name())
        .child(&el("span", "").attr("aria-hidden", "true").text("≡"))
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
