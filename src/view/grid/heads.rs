//! The heads of the columns; a click sorts.

use crate::view::live::live;
use leptos::prelude::*;
use rollcall_model::query::{Field, SortKey};

use crate::i18n::t;
use crate::store::stores;
use crate::words;

/// The columns, their classes, and the names of their test hooks.
const COLUMNS: [(Field, &str, &str); 9] = [
    (Field::ConnectionStatus, "c-status", "col-connectionStatus"),
    (Field::Id, "c-id", "col-id"),
    (Field::DeviceType, "c-type", "col-deviceType"),
    (Field::LastConnectTime, "c-connect", "col-lastConnectTime"),
    (Field::LastDisconnectTime, "c-disconnect", "col-lastDisconnectTime"),
    (Field::LastActivityTime, "c-activity", "col-lastActivityTime"),
    (Field::LastActivityEvent, "c-event", "col-lastActivityEvent"),
    (Field::DisconnectInitiator, "c-ended", "col-disconnectInitiator"),
    (Field::MqttReasonCode, "c-reason", "col-mqttReasonCode"),
];

/// Times are wanted newest first.
const fn starts_descending(field: Field) -> bool {
    matches!(field, Field::LastConnectTime | Field::LastDisconnectTime | Field::LastActivityTime)
}

/// The sort after a click: the other way round, then back to the default order.
fn next_sort(sort: &[SortKey], field: Field) -> Vec<SortKey> {
    let first = SortKey { field, descending: starts_descending(field) };
    let second = SortKey { field, descending: !first.descending };
    match sort {
        [key] if *key == first => vec![second],
        // Without a sort the order is by id already.
        [] if field == Field::Id => vec![second],
        [key] if *key == second => Vec::new(),
        _ => vec![first],
    }
}

#[component]
pub fn Heads() -> impl IntoView {
    let head = |(field, class, test_id): (Field, &'static str, &'static str)| {
        let view = stores().view;
        // Without a sort the order is that of the ids.
        let direction = move || {
            view.with(|view| match view.sort.first() {
                None => (field == Field::Id).then_some("ascending"),
                Some(key) if key.field != field => None,
                Some(key) => Some(if key.descending { "descending" } else { "ascending" }),
            })
        };
        let sort = move |_| view.change(|view| view.sort = next_sort(&view.sort, field));
        let arrow = live(move || {
            match direction() {
                Some("ascending") => " ▲",
                Some(_) => " ▼",
                None => "",
            }
            .to_owned()
        });
        view! {
            <div role="columnheader" class=format!("head {class}") data-testid=test_id
                aria-sort=live(move || direction().unwrap_or("none").to_owned())>
                <button type="button" title=live(move || t::sort_by(&words::field(field))) on:click=sort>
                    <span class="name">{live(move || words::field(field))}</span>
                    <span class="arrow" aria-hidden="true">{arrow}</span>
                </button>
            </div>
        }
    };
    view! {
        <div class="heads" role="row" aria-rowindex="1">
            {COLUMNS.into_iter().map(head).collect_view()}
        </div>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_is_sorted_one_way_then_the_other_then_not_at_all() {
        let key = |field, descending| SortKey { field, descending };
        for (field, descending) in [(Field::Id, false), (Field::LastConnectTime, true)] {
            let first = next_sort(&[key(Field::Reason, true)], field);
            assert_eq!(first, [key(field, descending)]);
            let second = next_sort(&first, field);
            assert_eq!(second, [key(field, !descending)]);
            assert_eq!(next_sort(&second, field), []);
        }
        assert_eq!(next_sort(&[], Field::Id), [key(Field::Id, true)]);
    }
}
