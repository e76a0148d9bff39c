//! The menu of views: the ready-made ones, those that the reader saved by name, and links to share.

use leptos::prelude::*;

use super::copied::Copied;
use super::live::{flag, live, maybe, say};
use super::parts::{button, icon, note};
use super::ui::Ui;
use crate::boxed::{dynamic, then};
use crate::i18n::t;
use crate::store::{SavedView, Stores, clean_name, stores};
use crate::text;
use crate::url::View;

type Name = fn() -> String;

/// Ready-made views: how tests name them, what they are called, and their query strings.
const READY: [(&str, Name, &str); 8] = [
    ("connected", t::view_connected, "connectionStatus=connected&_sort=-lastConnectTime"),
    (
        "absent",
        t::view_absent,
        "connectionStatus=disconnected&disconnectedBefore=now-1d&_sort=-lastDisconnectTime",
    ),
    (
        "network",
        t::view_network,
        "connectionStatus=disconnected&disconnectInitiator=network&_sort=-lastDisconnectTime",
    ),
    (
        "server",
        t::view_server,
        "connectionStatus=disconnected&disconnectInitiator=server&_sort=-lastDisconnectTime",
    ),
    ("refused", t::view_refused, "refusedAfter=now-24h&_sort=-lastRefusedTime"),
    ("flapping", t::view_flapping, "minRecentConnects=6&_sort=-recentConnects"),
    (
        "silent",
        t::view_silent,
        // Who has just come has had no time to say anything.
        "connectionStatus=connected&connectedBefore=now-1h&publishedBefore=now-1h&_sort=lastPublishTime",
    ),
    ("stale", t::view_stale, "stale=true&_sort=staleSince"),
];

/// The last but one for a server that does not tell messages from pings.
const SILENT_BY_ACTIVITY: (&str, Name, &str) =
    ("silent", t::view_silent, "connectionStatus=connected&activeBefore=now-1h&_sort=lastActivityTime");

/// The parts of the view that a saved view is: what is filtered, how it is sorted, and which columns were chosen.
fn saved(stores: Stores) -> View {
    let view = stores.view.get_untracked();
    let layout = untrack(|| stores.layout());
    let columns = (!layout.is_automatic()).then(|| layout.shown(f64::MAX, false));
    View { filter: view.filter, sort: view.sort, shows_demo: view.shows_demo, columns, ..View::default() }
}

fn apply(stores: Stores, query: &str, ui: Ui) {
    let chosen = View::from_query_string(query);
    stores.view.change(|view| {
        view.filter = chosen.filter;
        view.sort = chosen.sort;
        view.shows_demo = chosen.shows_demo;
        if chosen.columns.is_some() {
            view.columns = chosen.columns;
        }
    });
    ui.close();
    ui.focus_grid();
}

/// A link, so that it can be opened in another tab; a plain click stays on the page.
fn link(stores: Stores, ui: Ui, test_id: String, name: Signal<String>, query: String) -> AnyView {
    let wanted = View::from_query_string(&query);
    let is_here =
        flag(move || stores.view.with(|view| view.filter == wanted.filter && view.sort == wanted.sort));
    let address = format!("?{query}");
    let click = move |event: leptos::ev::MouseEvent| {
        if !(event.ctrl_key() || event.meta_key() || event.shift_key()) {
            event.prevent_default();
            apply(stores, &query, ui);
        }
    };
    view! {
        <a class="item" class:chosen=is_here href=address data-testid=test_id
            aria-current=maybe(move || is_here.get().then(|| "true".to_owned())) on:click=then(click)><bdi>{name}</bdi></a>
    }
    .into_any()
}

pub fn views(ui: Ui) -> AnyView {
    let stores = stores();
    let can_show = |query: &str| {
        let view = View::from_query_string(query);
        view.filter.terms.iter().all(|term| stores.status.can_filter(term.field))
    };
    let ready = READY
        .into_iter()
        .filter(|(_, _, query)| can_show(query))
        .chain(stores.status.is_plain().then_some(SILENT_BY_ACTIVITY))
        .map(|(key, name, query)| link(stores, ui, format!("view-{key}"), live(name), query.to_owned()));
    let state = Editing {
        stores,
        name: RwSignal::default(),
        renamed: RwSignal::new(None),
        deleted: RwSignal::new(None),
        is_taken: RwSignal::new(false),
    };
    let own = move || stores.prefs.views.get().into_iter().enumerate();
    let items = dynamic(move || own().map(|(at, view)| state.item(at, view, ui)).collect_view());
    let has_own = flag(move || !stores.prefs.views.with(Vec::is_empty));
    view! {
        <div class="stack">
            <div class="items">{ready.collect_view()}</div>
            // Above what it adds to: after a click the button is still where it was, not a button that deletes.
            {state.form()}
            <h3 hidden=flag(move || !has_own.get())>{say(t::views_own)}</h3>
            <div class="own">{items}</div>
            {state.undo()}{copy_link(stores)}
        </div>
    }
    .into_any()
}

/// What is being done to the reader's own views.
#[derive(Clone, Copy)]
struct Editing {
    stores: Stores,
    name: RwSignal<String>,
    /// The place of the view that gets another name.
    renamed: RwSignal<Option<usize>>,
    /// The view that was deleted last, and its place.
    deleted: RwSignal<Option<(usize, SavedView)>>,
    /// Another view has the name that was typed.
    is_taken: RwSignal<bool>,
}

impl Editing {
    fn item(self, at: usize, view: SavedView, ui: Ui) -> AnyView {
        let prefs = self.stores.prefs;
        let name = text::limited(&view.name, 80);
        let label = {
            let name = name.clone();
            live(move || name.clone())
        };
        let rename = {
            let name = view.name.clone();
            Callback::new(move |()| {
                self.name.set(name.clone());
                self.is_taken.set(false);
                self.renamed.set(Some(at));
            })
        };
        let delete = Callback::new(move |()| {
            prefs.change_views(|views| {
                if at < views.len() {
                    self.deleted.set(Some((at, views.remove(at))));
                }
            });
            self.renamed.set(None);
        });
        let never = flag(|| false);
        view! {
            <div class="own-view">
                {link(self.stores, ui, "own-view".to_owned(), label, view.query)}
                {icon("✎", "own-rename".to_owned(), live(move || t::view_rename(&label.get())), never, rename)}
                {icon("✕", "own-delete".to_owned(), live(move || t::view_delete(&label.get())), never, delete)}
            </div>
        }
        .into_any()
    }

    fn undo(self) -> AnyView {
        let undo = Callback::new(move |()| {
            if let Some((at, view)) = self.deleted.get_untracked() {
                self.stores.prefs.change_views(|views| views.insert(at.min(views.len()), view));
                self.deleted.set(None);
            }
        });
        let message = dynamic(move || {
            self.deleted.get().map(|(_, view)| {
                let name = text::limited(&view.name, 80);
                view! { <p class="note">{t::view_deleted(&name)}" "{button("plain", "view-undo", live(t::undo), undo)}</p> }
            })
        });
        view! { <div role="status">{message}</div> }.into_any()
    }

    /// Saves what is shown under a name, or gives a view another name.
    fn form(self) -> AnyView {
        let submit = move |event: leptos::ev::SubmitEvent| {
            event.prevent_default();
            let Some(name) = clean_name(&self.name.get_untracked()) else { return };
            let renamed = self.renamed.get_untracked();
            let is_other = |(at, view): (usize, &SavedView)| view.name == name && renamed != Some(at);
            if renamed.is_some()
                && self.stores.prefs.views.with_untracked(|all| all.iter().enumerate().any(is_other))
            {
                return self.is_taken.set(true);
            }
            let query = saved(self.stores).to_query_string();
            self.stores.prefs.change_views(|views| match renamed.and_then(|at| views.get_mut(at)) {
                Some(view) => view.name = name,
                None => {
                    // The same name again is the same view, with what is shown now.
                    views.retain(|view| view.name != name);
                    views.push(SavedView { name, query });
                }
            });
            self.name.set(String::new());
            self.renamed.set(None);
        };
        let typed = move |event: leptos::ev::Event| {
            self.is_taken.set(false);
            self.name.set(event_target_value(&event));
        };
        let verb = live(move || if self.renamed.get().is_some() { t::rename() } else { t::save() });
        view! {
            <form class="save" on:submit=then(submit)>
                <input type="text" data-testid="view-name" maxlength="80" autocomplete="off" placeholder=say(t::view_name)
                    aria-label=say(t::view_name) aria-invalid=live(move || self.is_taken.get().to_string())
                    prop:value=self.name on:input=then(typed)/>
                <button type="submit" data-testid="view-save">{verb}</button>
            </form>
            <p class="note failure" role="alert" data-testid="view-taken" hidden=flag(move || !self.is_taken.get())>{say(t::view_taken)}</p>
        }
        .into_any()
    }
}

fn copy_link(stores: Stores) -> AnyView {
    let copied = Copied::new();
    let copy = Callback::new(move |()| copied.copy(&stores.view.address_of(&saved(stores))));
    let label = live(move || copied.or(t::copy_link));
    view! { {button("", "copy-link", label, copy)}{note(t::copy_link_hint)} }.into_any()
}
