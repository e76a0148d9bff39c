//! What the diagnosis found, one line each; opened, a line shows the entries that it rests on.

use leptos::prelude::With;
use rollcall_model::Timestamp;
use web_sys::Element;

use crate::api::Finding;
use crate::boxed::effect;
use crate::i18n::t;
use crate::store::stores;
use crate::view::dom::{El, el};
use crate::view::overview;
use crate::words::Cause;
use crate::{format, text};

/// So many addresses are named.
const ADDRESSES_TOLD: usize = 3;
const MINUTE_MS: i64 = 60_000;

pub fn findings() -> El {
    let stores = stores();
    let findings = stores.detail.findings.findings;
    let holder = el("div", "findings").attr("data-testid", "findings").on("click", overview::follow);
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
    let since_exact = finding.time("since").map(format::exact).unwrap_or_default();
    let summary = el("summary", "")
        .attr("title", &since_exact)
        .child(&el("span", "").text(&sentence))
        .text(" ")
        .child(&el("span", "why").text(&t::finding_why()));
    let moment = |name| finding.time(name).map(|time| format::moment_exact(time, now));
    let incident = finding.incident();
    // Of many that were lost together, when they were.
    let since = incident.as_ref().map(|all| format::moment_exact(all.since, now)).or(moment("since"));
    let since = since.unwrap_or_default();
    let when = match moment("until") {
        Some(until) if until == since => since,
        Some(until) => t::range_from_to(&since, &until),
        None => t::range_from(&since),
    };
    let rows: Vec<El> = finding.evidence().iter().map(|entry| super::log::row(entry, now)).collect();
    el("details", "note warning log")
        .attr("data-testid", "finding")
        .attr("data-kind", &finding.text("kind"))
        .children(&[summary, el("p", "").text(&format!("{when} · {doubt}"))])
        .children(&incident.as_ref().map(overview::shared).unwrap_or_default())
        .child(&el("ol", "").children(&rows))
}

/// From where, if these are few.
fn with_addresses(sentence: String, finding: &Finding) -> String {
    let all = finding.addresses();
    if all.is_empty() || all.len() > ADDRESSES_TOLD {
        return sentence;
    }
    format!("{sentence} ({})", t::log_from(&listed(&all)))
}

fn listed(addresses: &[String]) -> String {
    let shown: Vec<String> = addresses.iter().map(|addr| text::limited(addr, 60)).collect();
    shown.join(", ")
}

/// To whole minutes where seconds say nothing.
const fn rounded(ms: i64) -> i64 {
    if ms < 10 * MINUTE_MS { ms } else { (ms + MINUTE_MS / 2) / MINUTE_MS * MINUTE_MS }
}

/// In the reader's language; `None` for what this dashboard does not know.
fn sentence(finding: &Finding, now: Timestamp) -> Option<String> {
    let span = |name| finding.number(name).map(|ms| format::duration(rounded(ms.max(1_000))));
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
            let mut from = finding.addresses();
            from.truncate(4);
            t::finding_shared_id(count("takeovers")?, &span("holdMs")?, &listed(&from))
        }
        "regularTimeout" => t::finding_regular(count("sessions")?, &span("intervalMs")?, &span("spreadMs")?),
        "refused" if finding.flag("whileConnected") => {
            with_addresses(t::finding_stranger(count("attempts")?, &since, &why()), finding)
        }
        "refused" => with_addresses(t::finding_refused(count("attempts")?, &since, &why()), finding),
        "flapping" => t::finding_flapping(count("losses")?, &span("overMs")?, &span("sessionMs")?),
        "silent" => t::finding_silent(&span("silentMs")?, &span("usualGapMs")?),
        "massDisconnect" => {
            let incident = finding.incident()?;
            t::finding_mass(incident.clients, &since)
        }
        _ => return None,
    })
}
