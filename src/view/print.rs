//! The table on paper: the rows that pass the filter and not only those on screen, with what they are and how many of
//! how many.
//!
//! A browser does not wait when it prints by itself, so the page prints when it has the rows: after the print key and the
//! button in the dialog of exports. When the browser's own menu prints, there is what the page holds. The rows stand in an
//! element of their own that only paper shows. Called where its code is here.

use leptos::prelude::{GetUntracked, document, untrack};
use leptos::task::spawn_local;
use rollcall_model::StateDoc;
use rollcall_model::query::{Field, SortKey};
use wasm_bindgen::prelude::Closure;
use wasm_bindgen::{JsCast, JsValue};

use super::cells;
use super::chips::name_of_term;
use super::dom::{El, el};
use crate::i18n::t;
use crate::store::{Stores, paper};
use crate::{format, words};

const CLASS: &str = "on-paper";
/// The width that columns are chosen for when the reader has chosen none, as if paper were a screen.
const PAPER_PX: f64 = 1_300.0;

/// Asks for the rows and prints them; or, where the browser prints and does not wait, puts those that the page holds on
/// paper, unless there are some.
pub fn print(stores: Stores, asks: bool) {
    if asks {
        spawn_local(ask_and_print(stores));
    } else if document().query_selector(&format!(".{CLASS}")).ok().flatten().is_none() {
        put(stores, &paper::held(stores.table));
    }
}

async fn ask_and_print(stores: Stores) {
    let rows = match paper::first(stores.table).await {
        Some(rows) => rows,
        // Without a server what is here is better than nothing, and says how much it is.
        None => paper::held(stores.table),
    };
    clear();
    put(stores, &rows);
    // Where a page may not print, nothing happens.
    let _ = web_sys::window().map(|window| window.print());
}

/// Takes it away again.
fn clear() {
    while let Ok(Some(old)) = document().query_selector(&format!(".{CLASS}")) {
        old.remove();
    }
}

fn put(stores: Stores, rows: &paper::Rows) {
    let page = untrack(|| page(stores, rows));
    if let (Some(body), Some(page)) = (document().body(), page.element()) {
        let _ = body.append_child(page);
    }
    let Some(window) = web_sys::window() else { return };
    let after: JsValue = Closure::once_into_js(clear);
    // Whoever prints again brings a new one.
    let _ = window.add_event_listener_with_callback("afterprint", after.unchecked_ref());
}

fn page(stores: Stores, rows: &paper::Rows) -> El {
    let now = stores.clock.exact();
    let org = stores.status.with(|status| status.org.clone()).unwrap_or_default();
    let filter = stores.view.with(|view| view.effective_filter(stores.status.hides_demo()));
    let filters: Vec<String> = filter.terms.iter().map(name_of_term).collect();
    let (_, sort) = stores.table.asked.get_untracked().unwrap_or_default();
    let sort: Vec<String> = sort.iter().map(name_of_key).collect();
    let told = [filters.join(" · "), sort.join(", "), format::exact(now)];
    let told: Vec<El> =
        told.iter().filter(|text| !text.is_empty()).map(|text| el("p", "").text(text)).collect();
    let columns: Vec<Field> = stores.layout().shown(PAPER_PX, false);
    let heads: Vec<El> =
        columns.iter().map(|field| el("th", "").attr("scope", "col").text(&words::field(*field))).collect();
    let line = |doc: &StateDoc| {
        let cells: Vec<El> = columns.iter().map(|field| el("td", "").text(&cell(*field, doc, now))).collect();
        el("tr", "").children(&cells)
    };
    let lines: Vec<El> = rows.docs.iter().map(line).collect();
    el("section", CLASS)
        .attr("data-testid", "on-paper")
        .child(&el("h1", "").text(&format!("Rollcall {org} · {}", t::page_clients())))
        .children(&told)
        .child(&el("p", "").child(&el("b", "").text(&how_many(rows))))
        .child(&el("table", "").children(&[
            el("thead", "").child(&el("tr", "").children(&heads)),
            el("tbody", "").children(&lines),
        ]))
}

fn how_many(rows: &paper::Rows) -> String {
    let count = rows.docs.len() as u64;
    let (from, to) = (format::number(rows.above + count.min(1)), format::number(rows.above + count));
    match rows.total {
        Some(total) => t::print_rows(&from, &to, &format::number(total)),
        None => t::export_so_far(&to),
    }
}

fn name_of_key(key: &SortKey) -> String {
    format!("{} {}", words::field(key.field), if key.descending { "▼" } else { "▲" })
}

/// What a cell says on paper: whole ids, and times that do not grow old.
fn cell(field: Field, doc: &StateDoc, now: rollcall_model::Timestamp) -> String {
    if let Some(time) = cells::time_of(field, doc) {
        return format::moment_exact(time, now);
    }
    if field == Field::Id {
        return crate::text::limited(&doc.id, 200);
    }
    let parts = cells::content(field, doc, now).map(|part| part.text);
    parts.iter().filter(|text| !text.is_empty()).cloned().collect::<Vec<_>>().join(" ")
}
