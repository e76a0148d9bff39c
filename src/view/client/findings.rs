//! What the diagnosis found, one line each; opened, a line shows the entries that it rests on.

use leptos::prelude::With;
use rollcall_model::Timestamp;

use super::dom::{El, effect, el};
use crate::api::Finding;
use crate::i18n::t;
use crate::store::stores;
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
            let all: Vec<El> = findings.with(|all| all.iter().map(|finding| line(finding, now)).collect());
            holder.fill(&all);
        }
    });
    holder
}

fn line(finding: &Finding, now: Timestamp) -> El {
    let doubt = if finding.confidence == "high" { t::finding_high() } else { t::finding_medium() };
    let sentence = sentence(finding, now).unwrap_or_else(|| text::limited(&finding.message, 1_000));
    let summary = el("summary", "")
        .child(&el("span", "").text(&sentence))
        .text(" ")
        .child(&el("span", "why").text(&t::finding_why()));
    let since = format::moment_exact(finding.since, now);
    let when = match finding.until {
        Some(until) => t::range_from_to(&since, &format::moment_exact(until, now)),
        None => t::range_from(&since),
    };
    let list =
        finding.evidence.iter().fold(el("ol", ""), |list, entry| list.child(&super::log::row(entry, now)));
    el("details", "note warning log")
        .attr("data-testid", "finding")
        .attr("data-kind", &finding.kind)
        .child(&summary)
        .child(&el("p", "").text(&doubt).text(" ").text(&when))
        .child(&list)
}

/// In the reader's language; `None` for what this dashboard does not know.
fn sentence(finding: &Finding, now: Timestamp) -> Option<String> {
    let span = |ms: Option<i64>| ms.map(|ms| format::duration(ms.max(1_000)));
    let since = format::moment_exact(finding.since, now);
    let from = || {
        let all: Vec<String> = finding.addresses.iter().take(4).map(|addr| text::limited(addr, 60)).collect();
        all.join(", ")
    };
    let why = || {
        let cause = Cause {
            mqtt: finding.mqtt_reason_code,
            close: finding.close_code,
            text: finding.reason.clone(),
            ..Cause::default()
        };
        cause.short()
    };
    Some(match finding.kind.as_str() {
        "sharedId" => t::finding_shared_id(finding.takeovers?, &span(finding.hold_ms)?, &from()),
        "regularTimeout" => {
            t::finding_regular(finding.sessions?, &span(finding.interval_ms)?, &span(finding.spread_ms)?)
        }
        "refused" if finding.while_connected => t::finding_stranger(finding.attempts?, &since, &why()),
        "refused" => t::finding_refused(finding.attempts?, &since, &why()),
        "flapping" => {
            t::finding_flapping(finding.losses?, &span(finding.over_ms)?, &span(finding.session_ms)?)
        }
        "silent" => t::finding_silent(&span(finding.silent_ms)?, &span(finding.usual_gap_ms)?),
        "massDisconnect" => {
            let incident = finding.incident.as_ref()?;
            t::finding_mass(incident.clients, &format::moment_exact(incident.since, now))
        }
        _ => return None,
    })
}
