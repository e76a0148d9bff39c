//! What the diagnosis found, one line each; opened, a line shows the entries that it rests on.

use leptos::prelude::With;
use rollcall_model::Timestamp;
use web_sys::Element;

use crate::api::Finding;
use crate::boxed::effect;
use crate::i18n::t;
use crate::store::stores;
use crate::view::dom::{El, el};
use crate::words::Cause;
use crate::{format, text};

pub fn findings() -> El {
    let stores = stores();
    let findings = stores.detail.findings.findings;
    let holder = el("div", "findings").attr("data-testid", "findings");
    effect({
        let holder = holder.clone();
        move || {
            let now = stores.clock.exact();
            let open = open_kinds(&holder);
            let line = |finding: &Finding| {
                let line = line(finding, now);
                if open.iter().any(|kind| *kind == finding.text("kind")) {
                    line.attr("open", "")
                } else {
                    line
                }
            };
            let all: Vec<El> = findings.with(|all| all.iter().map(line).collect());
            holder.fill(&all);
        }
    });
    holder
}

/// What the reader has opened stays open when there is more to say.
fn open_kinds(holder: &El) -> Vec<String> {
    let Some(lines) = holder.element().map(Element::children) else { return Vec::new() };
    let open = (0..lines.length()).filter_map(|at| lines.item(at)).filter(|line| line.has_attribute("open"));
    open.filter_map(|line| line.get_attribute("data-kind")).collect()
}

fn line(finding: &Finding, now: Timestamp) -> El {
    let doubt = if finding.text("confidence") == "high" { t::finding_high() } else { t::finding_medium() };
    let sentence = sentence(finding, now).unwrap_or_else(|| text::limited(&finding.text("message"), 1_000));
    let summary = el("summary", "")
        .child(&el("span", "").text(&sentence))
        .text(" ")
        .child(&el("span", "why").text(&t::finding_why()));
    let moment = |name| finding.time(name).map(|time| format::moment_exact(time, now));
    let since = moment("since").unwrap_or_default();
    let when = match moment("until") {
        Some(until) => t::range_from_to(&since, &until),
        None => t::range_from(&since),
    };
    let rows: Vec<El> = finding.evidence().iter().map(|entry| super::log::row(entry, now)).collect();
    el("details", "note warning log")
        .attr("data-testid", "finding")
        .attr("data-kind", &finding.text("kind"))
        .children(&[summary, el("p", "").text(&format!("{when} · {doubt}")), el("ol", "").children(&rows)])
}

/// In the reader's language; `None` for what this dashboard does not know.
fn sentence(finding: &Finding, now: Timestamp) -> Option<String> {
    let span = |name| finding.number(name).map(|ms| format::duration(ms.max(1_000)));
    let count = |name| finding.number(name).and_then(|number| u64::try_from(number).ok());
    let since = format::moment_exact(finding.time("since")?, now);
    let why = || {
        let cause = Cause {
            mqtt: count("mqttReasonCode").and_then(|code| code.try_into().ok()),
            close: count("closeCode").and_then(|code| code.try_into().ok()),
            text: Some(finding.text("reason")).filter(|text| !text.is_empty()),
            ..Cause::default()
        };
        cause.short()
    };
    Some(match finding.text("kind").as_str() {
        "sharedId" => {
            let from = finding.addresses();
            let from: Vec<String> = from.iter().take(4).map(|addr| text::limited(addr, 60)).collect();
            t::finding_shared_id(count("takeovers")?, &span("holdMs")?, &from.join(", "))
        }
        "regularTimeout" => t::finding_regular(count("sessions")?, &span("intervalMs")?, &span("spreadMs")?),
        "refused" if finding.flag("whileConnected") => {
            t::finding_stranger(count("attempts")?, &since, &why())
        }
        "refused" => t::finding_refused(count("attempts")?, &since, &why()),
        "flapping" => t::finding_flapping(count("losses")?, &span("overMs")?, &span("sessionMs")?),
        "silent" => t::finding_silent(&span("silentMs")?, &span("usualGapMs")?),
        "massDisconnect" => {
            let incident = finding.incident()?;
            let clients = incident.number("clients").and_then(|number| u64::try_from(number).ok())?;
            t::finding_mass(clients, &format::moment_exact(incident.time("since")?, now))
        }
        _ => return None,
    })
}
