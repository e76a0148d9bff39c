//! What the components of the page share and no store needs to know: the active row, what is selected and what is open.

use std::rc::Rc;

use leptos::prelude::{
    Get, GetValue, LocalStorage, RwSignal, Set, SetValue, StoredValue, WithValue, expect_context,
    provide_context,
};
use rollcall_model::query::Field;
use web_sys::{HtmlElement, HtmlInputElement};

use super::select::Selection;
use crate::boxed::effect_with_first;
use crate::scroll::Position;
use crate::store::stores;

/// Where the keyboard sends the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    Rows(i64),
    Pages(i64),
    First,
    Last,
    Open,
    /// Selects the active row, or no longer.
    Select,
}

/// What opens over the page, one at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Popup {
    Help,
    Columns,
    Sort,
    Views,
    Export,
    /// Which filter to add.
    Filters,
    /// One filter; whether it excludes.
    Filter(Field, bool),
}

impl Popup {
    /// How buttons and tests name it.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::Filter(field, negated) => filter_name(field, negated),
            Self::Help => "help".to_owned(),
            Self::Columns => "columns".to_owned(),
            Self::Sort => "sort".to_owned(),
            Self::Views => "views".to_owned(),
            Self::Export => "export".to_owned(),
            Self::Filters => "filters".to_owned(),
        }
    }
}

fn filter_name(field: Field, negated: bool) -> String {
    format!("filter-{}{}", field.name(), if negated { "-not" } else { "" })
}

/// The row that the keyboard is on. It follows its client when rows move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Active {
    pub index: u64,
    pub id: Option<String>,
}

type Commanded = Rc<dyn Fn(Command, bool)>;

#[derive(Clone, Copy)]
pub struct Ui {
    pub active: RwSignal<Option<Active>>,
    pub selection: Selection,
    pub popup: RwSignal<Option<Popup>>,
    /// Rows that came above what is in view and have not been looked at.
    pub arrived: RwSignal<u64>,
    /// The row at the upper edge, counted from 1.
    pub top_row: RwSignal<u64>,
    /// The field, once it is made.
    pub search: StoredValue<Option<HtmlInputElement>, LocalStorage>,
    pub grid: StoredValue<Option<HtmlElement>, LocalStorage>,
    /// Where the table is scrolled to. The reader comes back there, from the overview or after signing in again.
    pub position: RwSignal<Position>,
    commanded: StoredValue<Option<Commanded>, LocalStorage>,
}

impl Ui {
    pub fn provide() -> Self {
        let ui = Self {
            active: RwSignal::new(None),
            selection: Selection::new(stores().table),
            popup: RwSignal::new(None),
            arrived: RwSignal::new(0),
            top_row: RwSignal::new(1),
            search: StoredValue::new_local(None),
            grid: StoredValue::new_local(None),
            position: RwSignal::default(),
            commanded: StoredValue::new_local(None),
        };
        provide_context(ui);
        let asked = stores().table.asked;
        effect_with_first(move |is_first| {
            asked.get();
            // Another question starts at its first row, wherever the reader is.
            if !is_first {
                ui.position.set(Position::default());
                ui.arrived.set(0);
                ui.active.set(None);
            }
        });
        ui
    }

    pub fn on_command(self, then: Commanded) {
        self.commanded.set_value(Some(then));
    }

    /// Moves the active row; `extends` selects the rows that it passes.
    pub fn command(self, command: Command, extends: bool) {
        if let Some(then) = self.commanded.with_value(Clone::clone) {
            then(command, extends);
        }
    }

    pub fn open(self, popup: Popup) {
        self.popup.set(Some(popup));
    }

    pub fn close(self) {
        self.popup.set(None);
    }

    pub fn focus_search(self) {
        if let Some(input) = self.search.get_value() {
            let _ = input.focus();
            input.select();
        }
    }

    pub fn focus_grid(self) {
        if let Some(grid) = self.grid.get_value() {
            let options = web_sys::FocusOptions::new();
            options.set_prevent_scroll(true);
            let _ = grid.focus_with_options(&options);
        }
    }
}

#[must_use]
pub fn ui() -> Ui {
    expect_context()
}
