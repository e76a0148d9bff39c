//! How many clients are connected, disconnected and stale. Every number is a link that filters by it.

use crate::boxed::then;
use crate::view::live::{flag, live, maybe, say};
use leptos::prelude::*;
use rollcall_model::query::Field;

use super::later;
use crate::format;
use crate::i18n::t;
use crate::store::stores;
use crate::url::View;

/// What a count stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Count {
    Connected,
    Disconnected,
    Stale,
}

impl Count {
    const fn test_id(self) -> &'static str {
        match self {
            Self::Connected => "status-connected",
            Self::Disconnected => "status-disconnected",
            Self::Stale => "status-stale",
        }
    }

    const fn mark(self) -> &'static str {
        match self {
            Self::Connected => "mark mark-connected",
            Self::Disconnected => "mark mark-disconnected",
            Self::Stale => "mark mark-stale",
        }
    }

    fn word(self) -> String {
        match self {
            Self::Connected => t::status_connected(),
            Self::Disconnected => t::status_disconnected(),
            Self::Stale => t::status_stale(),
        }
    }

    const fn status(self) -> Option<&'static str> {
        match self {
            Self::Connected => Some("connected"),
            Self::Disconnected => Some("disconnected"),
            Self::Stale => None,
        }
    }

    fn is_chosen(self, view: &View) -> bool {
        match self.status() {
            Some(status) => view.values(Field::ConnectionStatus) == [status],
            None => view.stale() == Some(true),
        }
    }

    /// Filters by it or, when that is so already, no longer.
    fn toggle(self, view: &mut View) {
        let is_chosen = self.is_chosen(view);
        let status = self.status().filter(|_| !is_chosen).map(str::to_owned);
        view.set_values(Field::ConnectionStatus, status.into_iter().collect());
        view.set_stale((self == Self::Stale && !is_chosen).then_some(true));
    }
}

#[component]
pub fn Summary() -> impl IntoView {
    view! {
        <nav class="summary" aria-label=say(t::summary)>
            <CountLink count=Count::Connected/>
            <CountLink count=Count::Disconnected/>
            <CountLink count=Count::Stale/>
            <span class="trend-place">{later::trend()}</span>
        </nav>
    }
}

#[component]
fn CountLink(count: Count) -> impl IntoView {
    let stores = stores();
    let number = live(move || {
        let counts = stores.table.counts.get();
        let known = match count {
            Count::Connected => counts.connected,
            Count::Disconnected => counts.disconnected,
            Count::Stale => counts.stale,
        };
        // What a server never tells has a dash; what is not known yet has its room and is not seen (style/header.css).
        let never = || if stores.status.is_known() && stores.status.is_watson() { "–" } else { "" };
        let Some(number) = known.map(format::number) else { return never().to_owned() };
        if counts.is_so_far { t::export_so_far(&number) } else { number }
    });
    let is_chosen = move || stores.view.with(|view| count.is_chosen(view));
    let address = live(move || {
        stores.view.with(|view| {
            let mut view = view.clone();
            count.toggle(&mut view);
            view.link()
        })
    });
    let choose = move |event: leptos::ev::MouseEvent| {
        // A click with a modifier opens the link in another tab, as any link.
        if !(event.ctrl_key() || event.meta_key() || event.shift_key()) {
            event.prevent_default();
            stores.view.change(|view| count.toggle(view));
        }
    };
    view! {
        <a class="count" class:chosen=flag(is_chosen) href=address data-testid=count.test_id()
            aria-current=maybe(move || is_chosen().then(|| "true".to_owned())) on:click=then(choose)>
            <i class=count.mark() aria-hidden="true"></i>
            <b>{number}</b>
            <span class="word">{live(move || count.word())}</span>
        </a>
    }
}
