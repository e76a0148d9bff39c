//! Every field of a client's state, exact, with a way to all clients that share the value.

use leptos::prelude::{StoredValue, UpdateValue};
use rollcall_model::query::{Field, Filter, Network};
use rollcall_model::{StateDoc, Timestamp};
use wasm_bindgen::JsCast;
use web_sys::{Element, Event};

use super::{copied, id, tools, with_doc};
use crate::boxed::effect;
use crate::i18n::{self, t};
use crate::store::stores;
use crate::view::cells;
use crate::view::dom::{El, el};
use crate::words;
use crate::{api, format, text};

/// The fields, in the order in which they are read.
const FIELDS: [Field; 18] = [
    Field::ClientType,
    Field::DeviceType,
    Field::DeviceId,
    Field::LastConnectTime,
    Field::LastDisconnectTime,
    Field::LastActivityTime,
    Field::LastPublishTime,
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

pub fn details() -> El {
    let view = stores().view;
    let list = el("dl", "").attr("data-testid", "details");
    let kept = StoredValue::new_local(Kept::default());
    effect({
        let list = list.clone();
        move || {
            let lines = with_doc(|doc| Some(lines(doc))).unwrap_or_default();
            kept.update_value(|kept| show(&list, &lines, kept));
        }
    });
    let choose = move |event: &Event| {
        let target = event.target().and_then(|target| target.dyn_into::<Element>().ok());
        let button = target.and_then(|target| target.closest("[data-field]").ok().flatten());
        let name = button.and_then(|button| button.get_attribute("data-field")).unwrap_or_default();
        let Some(field) = FIELDS.into_iter().find(|field| field.name() == name) else { return };
        let Some(value) = with_doc(|doc| value_to_filter(field, doc)) else { return };
        view.change(|view| {
            // All of them, whatever the table showed.
            view.filter = Filter::default();
            view.set_values(field, vec![value]);
            view.page.is_full = false;
        });
    };
    el("section", "details").children(&[
        el("header", "").children(&[
            tools::gap(),
            tools::copy(t::copy_json, "copy-state", || {
                with_doc(|doc| Some(copied::state(doc))).unwrap_or_default()
            }),
            tools::api_link(|| api::client_address(&id())),
        ]),
        list.on("click", choose),
    ])
}

/// A field, its value in words, and for a time the time.
type Line = (Field, String, Option<Timestamp>);

fn lines(doc: &StateDoc) -> Vec<Line> {
    let line = |field: Field| {
        let raw = field.text(doc)?;
        let time = cells::time_of(field, doc);
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
fn show(list: &El, lines: &[Line], kept: &mut Kept) {
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
            if can_filter(*field, shown) {
                cell = cell.child(&same(*field, shown));
            }
            rows.push(el("div", "").child(&el("dt", "").text(&words::field(*field))).child(&cell));
        }
    }
    if !is_same {
        list.fill(&rows);
    }
}

fn same(field: Field, shown: &str) -> El {
    let label = t::filter_by(&words::field(field), shown);
    el("button", "plain same")
        .attr("type", "button")
        .attr("title", &label)
        .attr("aria-label", &label)
        .attr("data-field", field.name())
        .child(&el("span", "").attr("aria-hidden", "true").text(&t::show_all()))
}

/// What a filter for the client's value says; an address is written as filters write it.
fn value_to_filter(field: Field, doc: &StateDoc) -> Option<String> {
    let value = field.text(doc)?;
    if field == Field::ClientAddr { Network::parse(&value).map(|it| it.to_string()) } else { Some(value) }
}

/// Fields whose values are worth asking for: who else has it. A broker may call an address what is none.
fn can_filter(field: Field, shown: &str) -> bool {
    if field == Field::ClientAddr {
        return Network::parse(shown).is_some() && stores().status.can_filter(field);
    }
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
