//! How many clients are connected, disconnected and stale. Every number is a link that filters by it.

use leptos::prelude::*;
use rollcall_model::query::Field;

use super::dom::{El, el};
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

pub fn summary() -> El {
    el("nav", "summary")
        .says("aria-label", t::summary)
        .children(&[Count::Connected, Count::Disconnected, Count::Stale].map(link))
        .child(&el("span", "trend-place").piece(later::trend()))
}

fn link(count: Count) -> El {
    let stores = stores();
    let number = move || {
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
    };
    let is_chosen = move || stores.view.with(|view| count.is_chosen(view));
    let address = move || {
        stores.view.with(|view| {
            let mut view = view.clone();
            count.toggle(&mut view);
            Some(view.link())
        })
    };
    el("a", "count")
        .attr("data-testid", count.test_id())
        .live_class("chosen", is_chosen)
        .live_attr("href", address)
        .live_attr("aria-current", move || is_chosen().then(|| "true".to_owned()))
        .children(&[
            el("i", count.mark()).attr("aria-hidden", "true"),
            el("b", "").live_text(number),
            el("span", "word").live_text(move || count.word()),
        ])
        .on_plain_click(move || stores.view.change(|view| count.toggle(view)))
}
