//! The dialog that saves what is filtered, or what is selected, as a file.

use std::time::Duration;

use leptos::html;
use leptos::prelude::*;
use wasm_bindgen::JsCast;

use super::banner::name_of;
use super::later;
use super::live::{flag, live, maybe, say};
use super::parts::{button, either, note};
use super::ui::Ui;
use crate::boxed::{dynamic, effect_with_first};
use crate::browser;
use crate::format;
use crate::i18n::t;
use crate::store::paper::ROWS_MAX;
use crate::store::{Format, Problem, Stage, stores};

pub fn export(ui: Ui) -> AnyView {
    let stores = stores();
    let export = stores.export;
    let is_ndjson = RwSignal::new(false);
    let stack = NodeRef::<html::Div>::new();
    let kind = either(
        [live(|| "CSV".to_owned()), live(|| "NDJSON".to_owned())],
        ["export-csv", "export-ndjson"],
        is_ndjson.into(),
        Callback::new(move |choice| is_ndjson.set(choice)),
    );
    let selection = ui.selection;
    let is_all = RwSignal::new(selection.is_empty());
    let total = move || {
        stores.table.revision.track();
        stores.table.read(|window| window.total())
    };
    // Who has selected something means that.
    let what = (!selection.is_empty()).then(|| {
        either(
            [
                live(move || t::selected(selection.count())),
                live(move || total().map_or_else(t::all_time, t::export_matching)),
            ],
            ["export-selected", "export-all"],
            is_all.into(),
            Callback::new(move |choice| is_all.set(choice)),
        )
    });
    let start = Callback::new(move |()| {
        let picked = (!is_all.get_untracked()).then(|| selection.sorted());
        export.start(if is_ndjson.get_untracked() { Format::Ndjson } else { Format::Csv }, picked);
    });
    let rows = maybe(move || {
        let rows = if is_all.get() { total() } else { Some(selection.count()) };
        rows.map(t::export_rows)
    });
    let print = Callback::new(move |()| {
        ui.close();
        later::print(stores, true);
    });
    let cancel = Callback::new(move |()| export.cancel());
    let close = Callback::new(move |()| {
        export.cancel();
        ui.close();
    });
    let content = move || {
        match export.stage.get() {
        Stage::Idle => view! {
            <p>{rows}</p>{note(t::export_hint)}
            {button("primary", "export-start", live(t::export_start), start)}
            {button("", "print", live(|| t::print_table(&format::number(u64::from(ROWS_MAX)))), print)}
        }
        .into_any(),
        Stage::Running { .. } => button("", "export-cancel", live(t::cancel), cancel),
        Stage::Failed { problem, wait, .. } => view! {
            <p class="note failure" role="alert">{told(&problem, wait)}</p>
            {button("primary", "export-go-on", live(t::export_go_on), Callback::new(move |()| export.go_on()))}
            {button("", "export-cancel", live(t::cancel), cancel)}
        }
        .into_any(),
        Stage::Done(rows) => view! {
            <p data-testid="export-done" role="status">{t::export_done(rows)}</p>
            {button("primary", "export-close", live(t::done), close)}
        }
        .into_any(),
    }
    };
    let content = {
        // The progress alone must not make the buttons anew: the focus is on one of them.
        let stage = Memo::new(move |_| match export.stage.get() {
            Stage::Running { .. } => Stage::Running { done: 0, total: None },
            other => other,
        });
        keep_focus(stage, stack);
        dynamic(move || {
            // A memo that nobody reads follows nothing.
            stage.with(|_| ());
            untrack(content)
        })
    };
    view! {
        <div class="stack" node_ref=stack>
            <div class="stack" hidden=flag(move || export.stage.get() != Stage::Idle)>{what}{kind}</div>
            {progress()}
            {content}
        </div>
    }
    .into_any()
}

/// With each stage other buttons come. The focus goes to the first of them, unless the reader is elsewhere by then.
fn keep_focus(stage: Memo<Stage>, stack: NodeRef<html::Div>) {
    effect_with_first(move |is_first| {
        stage.with(|_| ());
        if is_first {
            return;
        }
        request_animation_frame(move || {
            let stack = stack.try_get_untracked().flatten().filter(|_| browser::has_no_focus());
            let next =
                stack.and_then(|stack| stack.query_selector(".primary, [data-testid=export-cancel]").ok()?);
            if let Some(next) = next.and_then(|next| next.dyn_into::<web_sys::HtmlElement>().ok()) {
                let _ = next.focus();
            }
        });
    });
}

/// What stopped it, and when it goes on by itself.
fn told(problem: &Problem, wait: Option<Duration>) -> String {
    let again = wait.map(|wait| t::retry_in(&format::duration(wait.as_millis().max(1_000) as i64)));
    format!("{} {}", name_of(problem), again.unwrap_or_default())
}

/// How far it is: a bar where the end is known, and in numbers.
fn progress() -> AnyView {
    let export = stores().export;
    let now = move || match export.stage.get() {
        Stage::Running { done, total } | Stage::Failed { done, total, .. } => Some((done, total)),
        _ => None,
    };
    let text = maybe(move || {
        now().map(|(done, total)| match total {
            Some(total) => t::export_progress(&format::number(done), &format::number(total)),
            None => t::export_so_far(&format::number(done)),
        })
    });
    let value = maybe(move || now().and_then(|(done, total)| total.map(|_| done.to_string())));
    let max = maybe(move || now().and_then(|(_, total)| total.map(|total| total.max(1).to_string())));
    view! {
        <div class="progress" hidden=flag(move || now().is_none())>
            <progress data-testid="export-progress" aria-label=say(t::export_title) value=value max=max></progress>
            <span>{text}</span>
        </div>
    }
    .into_any()
}
