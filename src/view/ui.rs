//! What the components of the page share and no store needs to know: the active row and what is open.

use std::rc::Rc;

use leptos::html;
use leptos::prelude::{
    Get, GetUntracked, LocalStorage, NodeRef, RwSignal, SetValue, StoredValue, WithValue, expect_context,
    provide_context,
};

/// Where the keyboard sends the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    Rows(i64),
    Pages(i64),
    First,
    Last,
    Open,
}

/// The row that the keyboard is on. It follows its client when rows move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Active {
    pub index: u64,
    pub id: Option<String>,
}

type Commanded = Rc<dyn Fn(Command)>;

#[derive(Clone, Copy)]
pub struct Ui {
    pub active: RwSignal<Option<Active>>,
    pub has_help: RwSignal<bool>,
    /// The filters are unfolded, where they do not fit beside each other.
    pub has_sheet: RwSignal<bool>,
    /// Rows that came above what is in view and have not been looked at.
    pub arrived: RwSignal<u64>,
    /// The row at the upper edge, counted from 1.
    pub top_row: RwSignal<u64>,
    pub search: NodeRef<html::Input>,
    pub grid: NodeRef<html::Div>,
    commanded: StoredValue<Option<Commanded>, LocalStorage>,
}

impl Ui {
    pub fn provide() -> Self {
        let ui = Self {
            active: RwSignal::new(None),
            has_help: RwSignal::new(false),
            has_sheet: RwSignal::new(false),
            arrived: RwSignal::new(0),
            top_row: RwSignal::new(1),
            search: NodeRef::new(),
            grid: NodeRef::new(),
            commanded: StoredValue::new_local(None),
        };
        provide_context(ui);
        ui
    }

    pub fn on_command(self, then: Commanded) {
        self.commanded.set_value(Some(then));
    }

    pub fn command(self, command: Command) {
        if let Some(then) = self.commanded.with_value(Clone::clone) {
            then(command);
        }
    }

    pub fn focus_search(self) {
        if let Some(input) = self.search.get_untracked() {
            let _ = input.focus();
            input.select();
        }
    }

    pub fn focus_grid(self) {
        if let Some(grid) = self.grid.get_untracked() {
            let options = web_sys::FocusOptions::new();
            options.set_prevent_scroll(true);
            let _ = grid.focus_with_options(&options);
        }
    }

    #[must_use]
    pub fn is_help_open(self) -> bool {
        self.has_help.get()
    }
}

#[must_use]
pub fn ui() -> Ui {
    expect_context()
}
