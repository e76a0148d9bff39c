//! `GET /api/v0002/incidents`: what hit many clients at once.

use axum::Json;
use axum::extract::State;
use rollcall_model::diagnosis::RECENT_MS;
use rollcall_model::statistics::Incidents;

use super::error::{ApiError, ErrorBody};
use super::params::Pairs;
use super::schema::diagnosis::IncidentsAnswer;
use super::{SharedState, diagnosis, span};

/// Mass disconnects: many clients lost within minutes, compared with the usual rate, and what they have in common
/// compared with the whole fleet.
///
/// Those of the past 24 hours are known.
#[utoipa::path(
    get,
    path = "/api/v0002/incidents",
    operation_id = "listIncidents",
    tag = "Diagnosis",
    params(span::SpanParameters),
    responses(
        (status = 200, description = "The incidents, newest first.", body = IncidentsAnswer),
        (
            status = 400, body = ErrorBody,
            description = "A parameter is not known or has a value that it cannot have; `violations` says which."
        ),
    ),
)]
pub async fn list(State(shared): SharedState, pairs: Pairs) -> Result<Json<Incidents>, ApiError> {
    let now = shared.now();
    let span = span::Span::parse(&pairs, &[], now).map_err(ApiError::invalid)?;
    if span.from >= span.to {
        return Err(span.refuse("this is not before toTime"));
    }
    let answer = shared.busy(move |api| {
        let statistics = &api.statistics;
        let incidents = diagnosis::incidents(api, now);
        let within = |since, last| since < span.to && last >= span.from;
        Incidents {
            from: span.from,
            to: span.to,
            complete_from: statistics.losses_complete_from().max(now.plus_ms(-RECENT_MS)),
            incidents: incidents
                .into_iter()
                .filter(|incident| within(incident.since, incident.last()))
                .collect(),
        }
    });
    answer.await.map(Json)
}
