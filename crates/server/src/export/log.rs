//! The log, oldest entry first, through the filters of the Connection Logs API.

use rollcall_model::query::Violation;
use rollcall_model::time::TimeExpr;
use rollcall_model::{ClientId, ConnectionEvent, EventKind, Timestamp};

use super::ExportError;
use super::format::{self, Format};
use super::output::Output;
use crate::journal::Journal;

/// Which entries; without values in a list, all.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Filter {
    client_ids: Vec<String>,
    type_ids: Vec<String>,
    device_ids: Vec<String>,
    events: Vec<String>,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
}

const EVENTS: [&str; 3] = ["connect", "failedConnect", "disconnect"];

impl Filter {
    /// # Errors
    /// One violation for each parameter that is not known or has a value that it cannot have.
    pub fn parse(pairs: &[(&str, &str)], now: Timestamp) -> Result<Self, Vec<Violation>> {
        let (mut filter, mut violations) = (Self::default(), Vec::new());
        for (name, value) in pairs {
            if let Err(problem) = filter.read(name, value, now) {
                let (parameter, value) = ((*name).to_owned(), value.chars().take(200).collect());
                violations.push(Violation { parameter, value, problem });
            }
        }
        if violations.is_empty() { Ok(filter) } else { Err(violations) }
    }

    fn read(&mut self, name: &str, value: &str, now: Timestamp) -> Result<(), String> {
        let time = || TimeExpr::parse(value).map(|time| time.resolve(now)).map_err(|error| error.to_string());
        match name {
            "clientId" => self.client_ids.push(value.to_owned()),
            "typeId" | "deviceType" => self.type_ids.push(value.to_owned()),
            "deviceId" => self.device_ids.push(value.to_owned()),
            "fromTime" => self.from = Some(time()?),
            "toTime" => self.to = Some(time()?),
            "event" => {
                for event in value.split(',').map(str::trim) {
                    if !EVENTS.contains(&event) {
                        return Err(format!("one or more of {} are needed", EVENTS.join(", ")));
                    }
                    self.events.push(event.to_owned());
                }
            }
            _ => {
                return Err(
                    "this is no filter of the log; the filters are clientId, typeId, deviceId, fromTime, \
                            toTime, event"
                        .to_owned(),
                );
            }
        }
        Ok(())
    }

    fn matches(&self, event: &ConnectionEvent) -> bool {
        let any = |values: &[String], value: Option<&str>| {
            values.is_empty() || value.is_some_and(|value| values.iter().any(|wanted| wanted == value))
        };
        let kind = match event.kind {
            EventKind::Connect { .. } => "connect",
            EventKind::FailedConnect { .. } => "failedConnect",
            EventKind::Disconnect { .. } => "disconnect",
            EventKind::Activity { .. } | EventKind::Missed => return false,
        };
        if self.from.is_some_and(|from| event.time < from) || self.to.is_some_and(|to| event.time > to) {
            return false;
        }
        if !any(&self.events, Some(kind)) || !any(&self.client_ids, Some(&event.client_id)) {
            return false;
        }
        if self.type_ids.is_empty() && self.device_ids.is_empty() {
            return true;
        }
        let id = ClientId::parse(&event.client_id);
        any(&self.type_ids, id.device_type) && any(&self.device_ids, id.device_id)
    }
}

/// Writes the entries.
///
/// # Errors
/// When the journal cannot be read or the output fails.
pub fn write(
    journal: &dyn Journal,
    filter: &Filter,
    format: Format,
    output: &mut Output,
) -> Result<(), ExportError> {
    format::start_log(format, output.buffer());
    let mut result = Ok(());
    // Parts of the log outside of the range are not read at all. What is asked for includes the last millisecond.
    let before = filter.to.map(|to| Timestamp::from_millis(to.millis().saturating_add(1)));
    journal.replay(filter.from, before, &mut |event| {
        if filter.matches(&event) {
            result = output.push(|out| format::push_event(format, out, &event));
        }
        result.is_ok()
    })?;
    result
}
