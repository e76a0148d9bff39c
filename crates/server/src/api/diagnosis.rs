//! `GET /api/v0002/clientconnectionstates/{clientId}/diagnosis`: what is wrong with one client.

use axum::Json;
use axum::extract::State;
use rollcall_model::diagnosis::{Base, HISTORY_MS, Incident, diagnose};
use rollcall_model::query::{Field, Filter, Query, Term, Test};
use rollcall_model::state::ConnectionStatus;
use rollcall_model::statistics::Diagnosis;
use rollcall_model::time::TimeExpr;
use rollcall_model::{ClientState, Timestamp};

use super::error::{ApiError, ErrorBody, violation};
use super::params::{Pairs, Segments};
use super::schema::diagnosis::DiagnosisAnswer;
use super::{ApiState, SharedState, devices};
use crate::fleet::Fleet;
use crate::identity::IdentityError;
use crate::journal::{JournalError, LogQuery};

/// The newest entries that a diagnosis reads.
const ENTRIES_MAX: u32 = 1_000;
/// How many clients of the fleet, evenly spread, tell what is common in it.
const SAMPLE: usize = 10_000;

/// What is wrong with a client, and what shows it.
///
/// Reads up to 1,000 entries of the past 30 days of its log. A client that is well has no findings; neither has one
/// whose trouble has an innocent explanation, or was over a day ago.
#[utoipa::path(
    get,
    path = "/api/v0002/clientconnectionstates/{clientId}/diagnosis",
    operation_id = "getDiagnosis",
    tag = "Diagnosis",
    params((
        "clientId" = String, Path, example = "d:acme01:thermo:t-17",
        description = "The client id, percent-encoded; colons may stay as they are, a slash is `%2F`."
    )),
    responses(
        (status = 200, description = "The findings, the most specific first.", body = DiagnosisAnswer),
        (status = 400, description = "The id is not UTF-8, or there is a parameter.", body = ErrorBody),
        (
            status = 404, body = ErrorBody,
            description = "No client of that id is known; `exception.properties` is the id."
        ),
    ),
)]
pub async fn get(
    State(shared): SharedState,
    Segments(client_id): Segments<String>,
    pairs: Pairs,
) -> Result<Json<Diagnosis>, ApiError> {
    let unknown = pairs.iter().map(|(name, value)| violation(name, value, "this parameter is not known"));
    let unknown: Vec<_> = unknown.collect();
    if !unknown.is_empty() {
        return Err(ApiError::invalid(unknown));
    }
    let now = shared.now();
    let id = client_id.clone();
    let found = shared.busy(move |api| find(api, id, now)).await?;
    let diagnosis = found.map_err(|error| ApiError::internal(&error))?;
    diagnosis.map(Json).ok_or_else(|| ApiError::not_found("client", &client_id))
}

#[derive(Debug, thiserror::Error)]
enum FindError {
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error(transparent)]
    Identity(#[from] IdentityError),
}

/// `None` when the client is not known.
fn find(api: &ApiState, client_id: String, now: Timestamp) -> Result<Option<Diagnosis>, FindError> {
    let log = api.journal.log(&LogQuery {
        client_id: client_id.clone(),
        from: Some(now.plus_ms(-HISTORY_MS)),
        to: None,
        events: Vec::new(),
        limit: ENTRIES_MAX,
        offset: 0,
        after: None,
    })?;
    let state = api.fleet.doc(&client_id, now);
    // Who only ever was refused need not be in the fleet, but is in the log.
    if state.is_none() && log.entries.is_empty() && !devices::is_known(api, &client_id)? {
        return Ok(None);
    }
    let state = state.unwrap_or_else(|| ClientState::new(client_id.clone()).doc(now, None));
    let findings = diagnose(&state, &log.entries, &incidents(api, now), now);
    Ok(Some(Diagnosis { client_id, now, entries: log.entries.len() as u64, findings }))
}

/// The fleet's incidents of the past day.
pub fn incidents(api: &ApiState, now: Timestamp) -> Vec<Incident> {
    let mut incidents = api.statistics.incidents(now, || {
        let mut base = Base::default();
        let stride = api.fleet.len().div_ceil(SAMPLE).max(1);
        for slot in (0..api.fleet.len()).step_by(stride) {
            let state = u32::try_from(slot).ok().and_then(|slot| api.fleet.state_at(slot));
            // A stranger that was refused is no part of the fleet.
            if let Some((id, session)) = state.and_then(|state| Some((state.id, state.current?))) {
                let version = session.peer.protocol.map(|protocol| protocol.version);
                base.add(&id, session.peer.addr.as_deref(), version);
            }
        }
        base
    });
    for incident in &mut incidents {
        incident.still_away = Some(still_away(&api.fleet, incident, now));
    }
    incidents
}

/// How many of the incident's clients are disconnected since: of the ways in which they ended, those who ended so then.
/// Who came back and left again is not among them.
fn still_away(fleet: &Fleet, incident: &Incident, now: Timestamp) -> u64 {
    let until = incident.until.map(|until| until.plus_ms(1));
    let term = |field, test| Term { field, test, negated: false };
    let any_of = |field, value: String| term(field, Test::AnyOf(vec![value]));
    let mut during = vec![
        any_of(Field::ConnectionStatus, ConnectionStatus::Disconnected.as_str().to_owned()),
        term(Field::LastDisconnectTime, Test::After(vec![TimeExpr::At(incident.since)])),
    ];
    during
        .extend(until.map(|until| term(Field::LastDisconnectTime, Test::Before(vec![TimeExpr::At(until)]))));
    let away = incident.ends.iter().map(|end| {
        let mut terms = during.clone();
        let initiator = end.initiator.map(|by| any_of(Field::DisconnectInitiator, by.as_str().to_owned()));
        let code = end.mqtt_reason_code.map(|code| any_of(Field::MqttReasonCode, code.to_string()));
        terms.extend(initiator.into_iter().chain(code));
        let query = Query { filter: Filter { terms }, limit: 1, ..Query::default() };
        // Without a bookmark there is none to be refused.
        let found = fleet.query(&query, now).map_or(0, |page| page.total_rows);
        // Where it is not known how they ended, others pass, too.
        found.min(end.clients)
    });
    away.sum()
}
