//! The one error type of the APIs, and its body, which keeps the shape that IBM's SDKs parse.
//!
//! Which constructor when: [`ApiError::invalid`] for parameters that cannot be what they are,
//! [`ApiError::not_found`] for a client or device that is not known, [`ApiError::no_such_path`] and
//! [`ApiError::method_not_allowed`] for requests that no handler takes, [`ApiError::internal`] for what is our
//! own fault: that one is logged here, and its cause is not told to the caller. [`ApiError::unauthorized`],
//! [`ApiError::refused`] and [`ApiError::forbidden`] are for whoever may not ask; those were logged before.

use axum::Json;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use rollcall_model::query::Violation;
use serde::Serialize;
use utoipa::ToSchema;

use crate::identity::{Refusal, Role};

/// Watson's id of a request with constraint violations.
const INVALID_REQUEST: &str = "CUDRS0007E";
/// Rollcall's own ids, for errors of which Watson's are not known.
const INVALID_VALUE: &str = "ROLLC0400E";
const NOT_FOUND: &str = "ROLLC0404E";
const NO_SUCH_PATH: &str = "ROLLC0001E";
const NO_HTTP: &str = "ROLLC0002E";
const UNAUTHORIZED: &str = "ROLLC0401E";
const FORBIDDEN: &str = "ROLLC0403E";
const METHOD_NOT_ALLOWED: &str = "ROLLC0405E";
const TOO_LARGE: &str = "ROLLC0413E";
const NOT_JSON: &str = "ROLLC0415E";
const PATH_TOO_LONG: &str = "ROLLC0414E";
const TOO_MANY: &str = "ROLLC0429E";
const HEAD_TOO_LARGE: &str = "ROLLC0431E";
const UNAVAILABLE: &str = "ROLLC0503E";
const INTERNAL: &str = "ROLLC0500E";

#[derive(Debug)]
pub struct ApiError {
    status: StatusCode,
    body: Box<ErrorBody>,
    header: Option<(HeaderName, HeaderValue)>,
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
        let body = Box::new(ErrorBody { message, exception, violations: Vec::new() });
        Self { status, body, header: None }
    }

    fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.header = Some((name, value));
        self
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

    /// Nobody is signed in, or with wrong credentials.
    #[must_use]
    pub fn unauthorized(reason: &str) -> Self {
        let message = format!(
            "{reason}. Send an API key and its token with Basic authentication, or sign in at the dashboard; \
             `rollcall keys add` makes a key."
        );
        Self::new(StatusCode::UNAUTHORIZED, UNAUTHORIZED, &message, Vec::new())
    }

    /// Asks for Basic authentication. A browser shows its own prompt for this, over the page.
    #[must_use]
    pub fn asking_for_basic(self) -> Self {
        if self.status != StatusCode::UNAUTHORIZED {
            return self;
        }
        self.with_header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"Rollcall\""))
    }

    /// The credentials did not open the door.
    #[must_use]
    pub fn refused(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Token | Refusal::Key | Refusal::Link | Refusal::Missing => {
                Self::unauthorized(&refusal.to_string())
            }
            Refusal::Organization => Self::forbidden(&refusal.to_string()),
            Refusal::TooMany(wait_s) => {
                let message = format!("{refusal}.");
                let error = Self::new(StatusCode::TOO_MANY_REQUESTS, TOO_MANY, &message, Vec::new());
                error.with_header(header::RETRY_AFTER, HeaderValue::from(wait_s))
            }
            Refusal::Store => {
                let message =
                    "The server cannot check credentials. The server's log says why; try again later.";
                Self::unavailable(message, 5)
            }
        }
    }

    /// Whoever asks may not do this.
    #[must_use]
    pub fn forbidden(reason: &str) -> Self {
        Self::new(StatusCode::FORBIDDEN, FORBIDDEN, &format!("{reason}."), Vec::new())
    }

    /// Whoever asks may do less than this takes.
    #[must_use]
    pub fn forbidden_to(role: Role, required: Role) -> Self {
        let (role, required) = (role.as_str(), required.as_str());
        let message = format!("This takes the role “{required}”; these credentials have the role “{role}”");
        let mut error = Self::forbidden(&message);
        error.body.exception.properties = vec![required.to_owned()];
        error
    }

    /// The body is not said to be JSON.
    #[must_use]
    pub fn not_json() -> Self {
        let message = "The body must be JSON, with the header Content-Type: application/json.";
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, NOT_JSON, message, Vec::new())
    }

    /// The body has more bytes than anything that is asked for here.
    #[must_use]
    pub fn too_large(limit_bytes: usize) -> Self {
        let message = format!("The body is too large; it may have {limit_bytes} bytes.");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, TOO_LARGE, &message, Vec::new())
    }

    /// More is asked at the same time than the server can answer soon.
    #[must_use]
    pub fn overloaded() -> Self {
        Self::unavailable("The server has more requests than it can answer; try again in a second.", 1)
    }

    /// The server ends before it has done what was asked.
    #[must_use]
    pub fn stopping() -> Self {
        Self::unavailable("The server is shutting down; try again when it is back.", 1)
    }

    /// There are as many connections as there may be.
    #[must_use]
    pub fn crowded() -> Self {
        let message =
            "The server, or your address, has as many connections as allowed; try again in a while.";
        Self::unavailable(message, 10)
    }

    /// It may help to try again after so many seconds.
    fn unavailable(message: &str, after_s: u32) -> Self {
        let error = Self::new(StatusCode::SERVICE_UNAVAILABLE, UNAVAILABLE, message, Vec::new());
        error.with_header(header::RETRY_AFTER, HeaderValue::from(after_s))
    }

    /// What came is no request.
    #[must_use]
    pub fn no_http() -> Self {
        let message = "The request is not valid HTTP/1.1: method, path or headers have what cannot be there.";
        Self::new(StatusCode::BAD_REQUEST, NO_HTTP, message, Vec::new())
    }

    /// Path and query have more bytes than the HTTP library can hold.
    #[must_use]
    pub fn path_too_long() -> Self {
        let message = "Path and query may have 65,534 bytes together. A client whose encoded id is longer is \
            found with the filter “search” and a part of its id.";
        Self::new(StatusCode::URI_TOO_LONG, PATH_TOO_LONG, message, Vec::new())
    }

    #[must_use]
    pub fn head_too_large() -> Self {
        let message = "The headers of the request are too many (at most 100) or too large (at most 400 KiB).";
        Self::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, HEAD_TOO_LARGE, message, Vec::new())
    }

    /// The whole answer, for a connection on which no request was understood. It is the last one there.
    #[must_use]
    pub fn to_wire(&self) -> Vec<u8> {
        let body = serde_json::to_vec(&self.body).unwrap_or_default();
        let mut answer = format!(
            "HTTP/1.1 {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\ncache-control: no-store\r\nconnection: close\r\n",
            self.status,
            body.len()
        )
        .into_bytes();
        if let Some((name, value)) = &self.header {
            answer.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
        }
        answer.extend(b"\r\n");
        answer.extend(body);
        answer
    }

    /// Whether trying again later may help.
    #[must_use]
    pub fn is_overload(&self) -> bool {
        self.status == StatusCode::SERVICE_UNAVAILABLE
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
        let mut answer =
            (self.status, [(header::CACHE_CONTROL, "no-store")], Json(*self.body)).into_response();
        if let Some((name, value)) = self.header {
            answer.headers_mut().insert(name, value);
        }
        answer
    }
}
