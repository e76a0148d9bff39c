//! The one error type of the APIs, and its body, which keeps the shape that IBM's SDKs parse.
//!
//! Which constructor when: [`ApiError::invalid`] for parameters that cannot be what they are,
//! [`ApiError::not_found`] for a client or device that is not known, [`ApiError::no_such_path`] and
//! [`ApiError::method_not_allowed`] for requests that no handler takes, [`ApiError::internal`] for what is our
//! own fault: that one is logged here, and its cause is not told to the caller.

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use rollcall_model::query::Violation;
use serde::Serialize;
use utoipa::ToSchema;

/// Watson's id of a request with constraint violations.
const INVALID_REQUEST: &str = "CUDRS0007E";
/// Rollcall's own ids, for errors of which Watson's are not known.
const INVALID_VALUE: &str = "ROLLC0400E";
const NOT_FOUND: &str = "ROLLC0404E";
const NO_SUCH_PATH: &str = "ROLLC0001E";
const METHOD_NOT_ALLOWED: &str = "ROLLC0405E";
const INTERNAL: &str = "ROLLC0500E";

#[derive(Debug)]
pub struct ApiError {
    status: StatusCode,
    body: Box<ErrorBody>,
}

/// The body of every error.
#[derive(Debug, Serialize, ToSchema)]
pub struct ErrorBody {
    /// What happened, to what, and what to do; begins with the id.
    #[schema(example = "CUDRS0007E: The request was not valid. Review the constraint violations provided.")]
    message: String,
    exception: ExceptionBody,
    /// For a request that was not valid: each parameter that is wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    violations: Vec<ViolationBody>,
}

/// The error in a form for programs.
#[derive(Debug, Serialize, ToSchema)]
pub struct ExceptionBody {
    #[schema(example = "CUDRS0007E")]
    id: &'static str,
    /// What the error is about: the client id of a client that is not known; parameter and value of a violation.
    properties: Vec<String>,
}

/// One thing that is wrong with a request.
#[derive(Debug, Serialize, ToSchema)]
pub struct ViolationBody {
    message: String,
    exception: ExceptionBody,
}

impl ApiError {
    fn new(status: StatusCode, id: &'static str, message: &str, properties: Vec<String>) -> Self {
        let message = format!("{id}: {message}");
        let exception = ExceptionBody { id, properties };
        Self { status, body: Box::new(ErrorBody { message, exception, violations: Vec::new() }) }
    }

    #[must_use]
    pub fn invalid(violations: Vec<Violation>) -> Self {
        let message = "The request was not valid. Review the constraint violations provided.";
        let mut error = Self::new(StatusCode::BAD_REQUEST, INVALID_REQUEST, message, Vec::new());
        error.body.violations = violations.into_iter().map(ViolationBody::from).collect();
        error
    }

    /// One parameter is wrong.
    #[must_use]
    pub fn invalid_one(parameter: &str, value: &str, problem: &str) -> Self {
        Self::invalid(vec![violation(parameter, value, problem)])
    }

    /// `kind` is what was looked for (“client”), `id` which one.
    #[must_use]
    pub fn not_found(kind: &str, id: &str) -> Self {
        let message = format!("The {kind} “{}” is not known.", shortened(id));
        Self::new(StatusCode::NOT_FOUND, NOT_FOUND, &message, vec![id.to_owned()])
    }

    #[must_use]
    pub fn no_such_path(path: &str) -> Self {
        let message = format!(
            "Nothing is at “{}”. The description of this API is at /api/openapi.json.",
            shortened(path)
        );
        Self::new(StatusCode::NOT_FOUND, NO_SUCH_PATH, &message, vec![shortened(path)])
    }

    #[must_use]
    pub fn method_not_allowed(method: &str) -> Self {
        let message =
            format!("The method {method} is not allowed here; the header Allow names those that are.");
        Self::new(StatusCode::METHOD_NOT_ALLOWED, METHOD_NOT_ALLOWED, &message, vec![method.to_owned()])
    }

    /// Logs the cause; the caller only learns that it is not their fault.
    #[must_use]
    pub fn internal(cause: &dyn std::error::Error) -> Self {
        tracing::error!(%cause, "a request failed");
        let message = "The server could not answer. The server's log says why; try again later.";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, INTERNAL, message, Vec::new())
    }
}

/// A sentence about a parameter, as [`ApiError::invalid`] takes it.
#[must_use]
pub fn violation(parameter: &str, value: &str, problem: &str) -> Violation {
    Violation { parameter: parameter.to_owned(), value: shortened(value), problem: problem.to_owned() }
}

fn shortened(text: &str) -> String {
    text.chars().take(200).collect()
}

impl From<Violation> for ViolationBody {
    fn from(violation: Violation) -> Self {
        let Violation { parameter, value, problem } = violation;
        Self {
            message: format!(
                "{INVALID_VALUE}: The parameter {parameter} has the value “{value}”: {problem}."
            ),
            exception: ExceptionBody { id: INVALID_VALUE, properties: vec![parameter, value] },
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        (self.status, [(header::CACHE_CONTROL, "no-store")], Json(*self.body)).into_response()
    }
}
