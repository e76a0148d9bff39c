//! What the page of the open client shows, as a part of the query string. Called by the view's codec; pure.

use rollcall_model::log::LogEvent;
use rollcall_model::time::TimeUnit;

/// The parts of the page, one at a time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Tab {
    Sessions,
    #[default]
    Log,
    Details,
}

impl Tab {
    pub const ALL: [Self; 3] = [Self::Sessions, Self::Log, Self::Details];

    /// The one of that name, or the default.
    #[must_use]
    pub fn of(name: &str) -> Self {
        Self::ALL.into_iter().find(|tab| tab.name() == name).unwrap_or_default()
    }

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sessions => "sessions",
            Self::Log => "log",
            Self::Details => "details",
        }
    }
}

/// How far back the time line goes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Span {
    #[default]
    Day,
    Week,
    Month,
}

impl Span {
    pub const ALL: [Self; 3] = [Self::Day, Self::Week, Self::Month];

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Day => "24h",
            Self::Week => "7d",
            Self::Month => "30d",
        }
    }

    /// As it is said: in hours or in days.
    #[must_use]
    pub const fn amount(self) -> (u32, TimeUnit) {
        match self {
            Self::Day => (24, TimeUnit::Hour),
            Self::Week => (7, TimeUnit::Day),
            Self::Month => (30, TimeUnit::Day),
        }
    }

    #[must_use]
    pub const fn ms(self) -> i64 {
        let days = match self {
            Self::Day => 1,
            Self::Week => 7,
            Self::Month => 30,
        };
        days * 86_400_000
    }
}

/// The kinds of log entry, in the order of the buttons, as the Connection Logs API spells them.
pub const EVENTS: [(LogEvent, &str); 3] = [
    (LogEvent::Connect, "connect"),
    (LogEvent::Disconnect, "disconnect"),
    (LogEvent::FailedConnect, "failedConnect"),
];

/// What the page of the open client shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClientPage {
    pub tab: Tab,
    pub span: Span,
    /// Over the whole page instead of beside the table.
    pub is_full: bool,
    /// The kinds that the log shows; none means all.
    pub events: Vec<LogEvent>,
}

const TAB: &str = "tab";
const SPAN: &str = "span";
const FULL: &str = "full";
const EVENT: &str = "logEvent";

impl ClientPage {
    /// Reads a parameter; returns whether it is one of the page's. An unknown value leaves the default.
    pub fn read(&mut self, name: &str, value: &str) -> bool {
        match name {
            TAB => self.tab = Tab::of(value),
            SPAN => self.span = Span::ALL.into_iter().find(|span| span.name() == value).unwrap_or_default(),
            FULL => self.is_full = value == "1",
            EVENT => {
                let names: Vec<&str> = value.split(',').collect();
                self.events = EVENTS.into_iter().filter(|e| names.contains(&e.1)).map(|e| e.0).collect();
            }
            _ => return false,
        }
        true
    }

    /// The parameters that differ from their defaults.
    #[must_use]
    pub fn pairs(&self) -> Vec<(String, String)> {
        let default = Self::default();
        let pairs = [
            (self.is_full, FULL, "1".to_owned()),
            (self.span != default.span, SPAN, self.span.name().to_owned()),
            (self.tab != default.tab, TAB, self.tab.name().to_owned()),
            (!self.events.is_empty(), EVENT, names(&self.events)),
        ];
        pairs.into_iter().filter(|pair| pair.0).map(|(_, name, value)| (name.to_owned(), value)).collect()
    }
}

/// Kinds as the API wants them: `connect,disconnect`.
#[must_use]
pub fn names(events: &[LogEvent]) -> String {
    let names: Vec<&str> = EVENTS.iter().filter(|e| events.contains(&e.0)).map(|e| e.1).collect();
    names.join(",")
}
