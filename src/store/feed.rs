//! The monitor feed and what it moves: hands events to the table and the open client, follows whether the page is
//! visible, and lets the reader pause.

use std::rc::Rc;

use leptos::prelude::{
    Get, GetUntracked, LocalStorage, RwSignal, Set, SetValue, StoredValue, Update, WithValue,
    window_event_listener_untyped,
};
use rollcall_model::ConnectionEvent;

use super::{ApiState, Detail, Overview, Phase, Session, StatusStore, Table};
use crate::api;
use crate::boxed::effect;
use crate::browser;
use crate::monitor::{FeedState, Monitor, Tell};

#[derive(Clone, Copy)]
pub struct Feed {
    pub state: RwSignal<FeedState>,
    /// The reader stopped the page from changing.
    pub is_paused: RwSignal<bool>,
    /// How many connects, refusals and disconnects the pause has kept from the page.
    pub waiting: RwSignal<u64>,
    monitor: StoredValue<Option<Monitor>, LocalStorage>,
    table: Table,
    detail: Detail,
    overview: Overview,
    status: StatusStore,
    session: Session,
}

impl Feed {
    pub(super) fn new(
        table: Table,
        detail: Detail,
        overview: Overview,
        status: StatusStore,
        session: Session,
    ) -> Self {
        Self {
            state: RwSignal::new(FeedState::Off),
            is_paused: RwSignal::new(false),
            waiting: RwSignal::new(0),
            monitor: StoredValue::new_local(None),
            table,
            detail,
            overview,
            status,
            session,
        }
    }

    pub(super) fn start(self) {
        let monitor = Monitor::new(Rc::new(move |tell| self.hear(tell)));
        self.monitor.set_value(Some(monitor));
        let mut was_wanted = false;
        effect(move || {
            // After the first rows: a connection that is made meanwhile holds them up.
            let is_shown = self.table.api.get() != ApiState::Loading;
            let is_wanted = is_shown && self.status.is_known() && self.session.phase.get() == Phase::In;
            match (was_wanted, is_wanted) {
                (false, true) if !browser::is_hidden() => self.connect(),
                (true, false) => self.disconnect(),
                _ => {}
            }
            was_wanted = is_wanted;
        });
        window_event_listener_untyped("visibilitychange", move |_| self.follow_visibility());
    }

    /// Stops the page from changing, or lets it go on from what is true then.
    pub fn toggle_pause(self) {
        let is_paused = !self.is_paused.get_untracked();
        self.is_paused.set(is_paused);
        self.waiting.set(0);
        self.table.set_paused(is_paused);
        self.overview.set_paused(is_paused);
        self.detail.set_paused(is_paused);
    }

    fn connect(self) {
        let given = self.status.with_untracked(|status| {
            let org = status.org.clone();
            (status.monitor_client_id.clone(), org)
        });
        let login = api::login();
        let client_id = match given {
            Some((Some(id), _)) => id,
            Some((None, org)) => api::made_up_client_id(&org),
            None => match &login {
                Some(login) => login.client_id.clone(),
                None => api::made_up_client_id("org"),
            },
        };
        self.monitor.with_value(|monitor| {
            if let Some(monitor) = monitor {
                monitor.start(client_id, login.map(|login| login.mqtt), !self.status.is_watson());
            }
        });
    }

    fn disconnect(self) {
        self.monitor.with_value(|monitor| {
            if let Some(monitor) = monitor {
                monitor.stop();
            }
        });
    }

    fn hear(self, tell: Tell) {
        match tell {
            Tell::State(state) => {
                let was_live = matches!(self.state.get_untracked(), FeedState::Live { .. });
                self.state.set(state);
                let is_live = matches!(state, FeedState::Live { .. });
                self.table.set_live(is_live);
                self.detail.set_live(is_live);
                if is_live != was_live {
                    self.overview.look_again(is_live);
                }
                if matches!(state, FeedState::Down { .. }) {
                    // Perhaps because the session is over: only an answer of the API can say so.
                    self.status.ask();
                }
                if is_live && !was_live {
                    // What happened while nobody listened.
                    self.table.refresh();
                }
            }
            Tell::Events(events) if !self.is_paused.get_untracked() => {
                self.table.apply(&events);
                self.detail.apply(&events);
                self.overview.hear(&events);
            }
            Tell::Events(events) => {
                let is_new =
                    |(event, is_retained): &&(_, bool)| !is_retained && ConnectionEvent::is_logged(event);
                let new = events.iter().filter(is_new).count() as u64;
                if new > 0 {
                    self.waiting.update(|waiting| *waiting += new);
                }
            }
        }
    }

    /// A hidden page costs nothing: no feed, no questions. It catches up when it is seen again.
    fn follow_visibility(self) {
        if browser::is_hidden() {
            self.disconnect();
        } else if !self.session.is_in() {
            // Perhaps somebody signed in on another page.
            self.session.ask_again();
        } else if self.status.is_known() {
            self.status.ask();
            self.table.wake_up();
            self.connect();
        } else {
            self.status.ask();
        }
    }

    /// What the indicator says, tracked.
    #[must_use]
    pub fn shown(self) -> (FeedState, bool) {
        (self.state.get(), self.is_paused.get())
    }
}
