//! `GET /api/v0002/statistics`: the fleet over time, the numbers behind the charts of the overview.

use axum::Json;
use axum::extract::State;
use rollcall_model::statistics::Statistics;

use super::error::{ApiError, ErrorBody, violation};
use super::params::Pairs;
use super::schema::diagnosis::StatisticsAnswer;
use super::{SharedState, span};
use crate::statistics::{Range, Step};

/// How many clients were connected, came, went and were refused over time, by whom and why; and who did so most.
///
/// Minutes are known for the past 24 hours, hours for the past 30 days. At most 1,500 buckets.
#[utoipa::path(
    get,
    path = "/api/v0002/statistics",
    operation_id = "getStatistics",
    tag = "Diagnosis",
    params(span::SpanParameters, span::StepParameter),
    responses(
        (status = 200, description = "The buckets, oldest first, and the lists.", body = StatisticsAnswer),
        (
            status = 400, body = ErrorBody,
            description = "A parameter is not known or has a value that it cannot have; `violations` says which."
        ),
    ),
)]
pub async fn get(State(shared): SharedState, pairs: Pairs) -> Result<Json<Statistics>, ApiError> {
    let now = shared.now();
    let span = span::Span::parse(&pairs, &["step"], now).map_err(ApiError::invalid)?;
    let text = pairs.get("step");
    let step = text.map(str::parse::<Step>).transpose();
    let range = step.and_then(|step| Range::new(span.from, span.to, step, now)).map_err(|error| {
        let parameter = error.parameter();
        let value = pairs.get(parameter).unwrap_or_default();
        ApiError::invalid(vec![violation(parameter, value, &error.to_string())])
    })?;
    shared.busy(move |api| api.statistics.series(range)).await.map(Json)
}
