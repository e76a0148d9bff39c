//! What the server's diagnosis says of the open client. Asked when it is opened and, not more often than now and then,
//! when something happened: a diagnosis reads a month of the log.

use std::time::Duration;

use leptos::prelude::{
    GetUntracked, GetValue, LocalStorage, RwSignal, Set, SetValue, StoredValue, UpdateValue, WithValue,
    set_timeout,
};
use leptos::task::spawn_local;

use crate::api::{self, Abort, Finding};

/// The least time between two diagnoses of one client.
const REST: Duration = Duration::from_secs(10);

#[derive(Clone, Copy)]
pub struct FindingStore {
    pub findings: RwSignal<Vec<Finding>>,
    id: StoredValue<Option<String>>,
    is_resting: StoredValue<bool>,
    is_asked: StoredValue<bool>,
    abort: StoredValue<Option<Abort>, LocalStorage>,
}

impl FindingStore {
    pub(super) fn new() -> Self {
        Self {
            findings: RwSignal::default(),
            id: StoredValue::new(None),
            is_resting: StoredValue::new(false),
            is_asked: StoredValue::new(false),
            abort: StoredValue::new_local(None),
        }
    }

    /// Another client, or none.
    pub(super) fn begin(self, id: Option<String>) {
        self.abort.set_value(None);
        self.id.set_value(id);
        self.is_resting.set_value(false);
        self.findings.set(Vec::new());
    }

    /// Asks now, or when the rest is over.
    pub(super) fn read(self) {
        if self.is_resting.get_value() {
            self.is_asked.set_value(true);
            return;
        }
        let Some(id) = self.id.with_value(Clone::clone) else { return };
        self.is_resting.set_value(true);
        let rest = move || {
            self.is_resting.set_value(false);
            if self.is_asked.try_update_value(std::mem::take) == Some(true) {
                self.read();
            }
        };
        set_timeout(rest, REST);
        let abort = Abort::default();
        let token = abort.token();
        self.abort.set_value(Some(abort));
        spawn_local(async move {
            // Without an answer the page says what it said before: findings are an addition.
            if let Ok(found) = api::diagnosis(&id, &token).await
                && found != self.findings.get_untracked()
            {
                self.findings.set(found);
            }
        });
    }
}
