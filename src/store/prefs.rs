//! What this browser remembers of its reader: theme, language, zone, the columns of the table, and views saved by name.

mod saved;

use leptos::prelude::{Get, GetUntracked, RwSignal, Set, Update};
use leptos::task::spawn_local;

use crate::boxed::effect;
use crate::columns::Layout;
use crate::i18n::{self, Catalogue, LANGUAGES};
use crate::{api, browser, format};

pub use saved::{SavedView, clean_name};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Theme {
    /// As the system says.
    Auto,
    Light,
    Dark,
}

impl Theme {
    const fn name(self) -> Option<&'static str> {
        match self {
            Self::Auto => None,
            Self::Light => Some("light"),
            Self::Dark => Some("dark"),
        }
    }

    /// The theme after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        match self {
            Self::Auto => Self::Light,
            Self::Light => Self::Dark,
            Self::Dark => Self::Auto,
        }
    }
}

const THEME: &str = "rollcall.theme";
const LANGUAGE: &str = "rollcall.language";
const ZONE: &str = "rollcall.zone";
const UTC: &str = "utc";
const LETTERS: &str = "rollcall.letters";
const OFF: &str = "off";
const COLUMNS: &str = "rollcall.columns";
const VIEWS: &str = "rollcall.views";

#[derive(Clone, Copy)]
pub struct Prefs {
    pub theme: RwSignal<Theme>,
    pub language: RwSignal<&'static str>,
    /// The words of the first language are there, or cannot be had.
    pub is_worded: RwSignal<bool>,
    /// Times are told in UTC.
    pub is_utc: RwSignal<bool>,
    /// Single letters and signs are shortcuts.
    pub has_letters: RwSignal<bool>,
    pub layout: RwSignal<Layout>,
    pub views: RwSignal<Vec<SavedView>>,
}

impl Prefs {
    /// Reads what is remembered and applies it, now and at every change.
    #[must_use]
    pub fn load() -> Self {
        let theme = match browser::remembered(THEME).as_deref() {
            Some("light") => Theme::Light,
            Some("dark") => Theme::Dark,
            _ => Theme::Auto,
        };
        let text = |key| browser::remembered(key).unwrap_or_default();
        let language = first_language();
        let prefs = Self {
            theme: RwSignal::new(theme),
            language: RwSignal::new(language),
            is_worded: RwSignal::new(language == Catalogue::source().language),
            is_utc: RwSignal::new(text(ZONE) == UTC),
            has_letters: RwSignal::new(text(LETTERS) != OFF),
            layout: RwSignal::new(Layout::parse(&text(COLUMNS))),
            views: RwSignal::new(saved::parse(&text(VIEWS))),
        };
        effect(move || apply_theme(prefs.theme.get()));
        effect(move || format::set_utc(prefs.is_utc.get()));
        effect(move || prefs.apply_language(prefs.language.get()));
        prefs
    }

    pub fn choose_theme(self, theme: Theme) {
        browser::remember(THEME, theme.name());
        self.theme.set(theme);
    }

    pub fn toggle_utc(self) {
        let is_utc = !self.is_utc.get_untracked();
        browser::remember(ZONE, is_utc.then_some(UTC));
        self.is_utc.set(is_utc);
    }

    pub fn toggle_letters(self) {
        let has_letters = !self.has_letters.get_untracked();
        browser::remember(LETTERS, (!has_letters).then_some(OFF));
        self.has_letters.set(has_letters);
    }

    /// Changes the columns and remembers them.
    pub fn arrange(self, change: impl FnOnce(&mut Layout)) {
        self.layout.update(change);
        let text = self.layout.get_untracked().to_text();
        browser::remember(COLUMNS, Some(text.as_str()).filter(|text| !text.is_empty()));
    }

    /// Changes the views saved by name and remembers them.
    pub fn change_views(self, change: impl FnOnce(&mut Vec<SavedView>)) {
        self.views.update(change);
        let text = saved::to_text(&self.views.get_untracked());
        browser::remember(VIEWS, Some(text.as_str()).filter(|text| !text.is_empty()));
    }

    fn apply_language(self, language: &'static str) {
        if language == Catalogue::source().language {
            return show(Catalogue::source());
        }
        spawn_local(async move {
            let text = api::catalogue(language, &api::Token::default()).await;
            match text.ok().and_then(|text| Catalogue::parse(language, &text).ok()) {
                Some(catalogue) => show(catalogue),
                // The page stays in the language that it is in, and says so where languages are chosen.
                None => {
                    if let Some(shown) = known(&i18n::shown().language) {
                        self.language.set(shown);
                    }
                }
            }
            if !self.is_worded.get_untracked() {
                self.is_worded.set(true);
            }
        });
    }

    pub fn choose_language(self, language: &str) {
        if let Some(known) = known(language) {
            browser::remember(LANGUAGE, Some(known));
            self.language.set(known);
        }
    }
}

/// The language with exactly this tag.
fn known(language: &str) -> Option<&'static str> {
    LANGUAGES.iter().find(|(tag, _)| *tag == language).map(|(tag, _)| *tag)
}

/// The remembered language, else the first of the browser's that there is a catalogue for.
fn first_language() -> &'static str {
    let wanted = browser::remembered(LANGUAGE).into_iter().chain(browser_languages());
    let known = |wanted: String| {
        let base = |tag: &str| tag.split('-').next().unwrap_or_default().to_ascii_lowercase();
        let exact = LANGUAGES.iter().find(|(tag, _)| tag.eq_ignore_ascii_case(&wanted));
        exact.or_else(|| LANGUAGES.iter().find(|(tag, _)| base(tag) == base(&wanted))).map(|(tag, _)| *tag)
    };
    wanted.into_iter().find_map(known).unwrap_or("en")
}

fn browser_languages() -> Vec<String> {
    let languages = web_sys::window().map(|window| window.navigator().languages());
    languages.map(|list| list.iter().filter_map(|tag| tag.as_string()).collect()).unwrap_or_default()
}

fn apply_theme(theme: Theme) {
    let Some(root) = root() else { return };
    let _ = match theme.name() {
        Some(name) => root.set_attribute("data-theme", name),
        None => root.remove_attribute("data-theme"),
    };
}

fn show(catalogue: Catalogue) {
    if let Some(root) = root() {
        let _ = root.set_attribute("lang", &catalogue.language);
    }
    i18n::set_catalogue(catalogue);
}

fn root() -> Option<web_sys::Element> {
    web_sys::window()?.document()?.document_element()
}
