//! One request over the browser's `fetch`, with a time limit and a handle that gives it up.
//!
//! Whatever is asked for, the answer can be that nobody is signed in (any more): this is told to one listener, here,
//! so that no caller can forget it.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use js_sys::{Reflect, Uint8Array};
use leptos::prelude::{TimeoutHandle, set_timeout_with_handle};
use serde::de::DeserializeOwned;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    AbortController, Headers, ReadableStreamDefaultReader, RequestCredentials, RequestInit, Response,
};

use super::{STATUS, first};
use crate::later::{Asking, answer, later};
use crate::{browser, json};

/// A request that takes longer has failed: whoever looks at the page must know.
const LIMIT: Duration = Duration::from_secs(15);

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ApiError {
    /// No answer came: no network, no server, or not in time.
    Unreachable,
    /// The request was given up by the dashboard itself.
    Aborted,
    /// The server answered, but not with what was asked for.
    Refused {
        status: u16,
        message: String,
        /// After how many seconds the server wants to be asked again, if it says so.
        retry_after_s: Option<u64>,
        /// A browser would ask for a password because of this, had the request carried its cookies.
        is_challenge: bool,
    },
    /// The answer is not what the contract says.
    Malformed,
}

const NOT_MODIFIED: u16 = 304;
/// Under this name the browser remembers that it had a session here.
const HAD_SESSION: &str = "rollcall-session";

thread_local! {
    static UNAUTHORIZED: RefCell<Option<Rc<dyn Fn()>>> = const { RefCell::new(None) };
    /// Counts the sessions. A question of an older one says nothing about this one.
    static SESSION_SERIAL: Cell<u32> = const { Cell::new(0) };
    /// Whether the server speaks Watson's API and nothing more; `None` before it is known.
    static IS_PLAIN: Cell<Option<bool>> = const { Cell::new(None) };
    static LOGIN: RefCell<Option<Login>> = const { RefCell::new(None) };
    static SENDS_COOKIES: Cell<bool> = Cell::new(browser::may_remember(HAD_SESSION));
}

/// The key and the token that every request carries to a server that knows no sessions. In memory only.
#[derive(Debug, Clone)]
pub struct Login {
    /// The value of the header `Authorization`.
    pub basic: String,
    /// User and password on MQTT: the same key and token.
    pub mqtt: (String, String),
    /// An application of the key's organization.
    pub client_id: String,
}

/// The server has said, or failed to say, what it is: what is asked from now on goes by that.
pub fn learn_dialect(is_plain: bool) {
    IS_PLAIN.set(Some(is_plain));
}

/// Whether the server speaks Watson's API and nothing more, as far as is known.
#[must_use]
pub fn is_plain() -> bool {
    IS_PLAIN.get() == Some(true)
}

/// Whether it is known what the server speaks.
#[must_use]
pub fn is_dialect_known() -> bool {
    IS_PLAIN.get().is_some()
}

/// Whether requests carry the browser's cookies. A browser that may send them asks for a password itself when a server
/// challenges it (Fetch standard, "HTTP-network-or-cache fetch": 401 where credentials are included), and covers the page with
/// that. So they are sent only where there may be a session, or where nothing comes of it without them.
#[must_use]
pub fn sends_cookies() -> bool {
    SENDS_COOKIES.get()
}

pub fn send_cookies(are_sent: bool) {
    SENDS_COOKIES.set(are_sent);
}

/// This browser has a session here from now on, or what is here has no sessions.
pub fn remember_session(is_there: bool) {
    browser::remember(HAD_SESSION, is_there.then_some("1"));
}

/// From now on requests carry these credentials, or none.
pub fn log_in(login: Option<Login>) {
    LOGIN.set(login);
}

/// What requests carry.
#[must_use]
pub fn login() -> Option<Login> {
    LOGIN.with_borrow(Clone::clone)
}

/// Calls `then` whenever an answer says that nobody is signed in.
pub fn on_unauthorized(then: Rc<dyn Fn()>) {
    UNAUTHORIZED.set(Some(then));
}

/// A session has begun: answers to what was asked before it do not end it.
pub fn accept_answers_from_now_on() {
    SESSION_SERIAL.set(SESSION_SERIAL.get().wrapping_add(1));
}

/// Gives the requests that carry its token up when it is dropped.
#[derive(Debug, Default)]
pub struct Abort {
    token: Token,
}

impl Abort {
    #[must_use]
    pub fn token(&self) -> Token {
        self.token.clone()
    }
}

impl Drop for Abort {
    fn drop(&mut self) {
        self.token.abort();
    }
}

/// What a request carries so that it can be given up. The default one nobody gives up but the time limit.
#[derive(Debug, Clone)]
pub struct Token {
    controller: Option<AbortController>,
    is_late: Rc<Cell<bool>>,
    limit: Duration,
}

impl Default for Token {
    fn default() -> Self {
        Self::within(LIMIT)
    }
}

impl Token {
    /// For a request that has failed after less time than usual.
    #[must_use]
    pub fn within(limit: Duration) -> Self {
        Self { controller: AbortController::new().ok(), is_late: Rc::default(), limit }
    }

    fn abort(&self) {
        if let Some(controller) = &self.controller {
            controller.abort();
        }
    }

    /// What an exception of `fetch` means.
    fn failure(&self) -> ApiError {
        let is_aborted = self.controller.as_ref().is_some_and(|controller| controller.signal().aborted());
        if is_aborted && !self.is_late.get() { ApiError::Aborted } else { ApiError::Unreachable }
    }

    fn start_limit(&self) -> TimeLimit {
        let token = self.clone();
        let expire = move || {
            token.is_late.set(true);
            token.abort();
        };
        TimeLimit(set_timeout_with_handle(expire, self.limit).ok())
    }
}

struct TimeLimit(Option<TimeoutHandle>);

impl Drop for TimeLimit {
    fn drop(&mut self) {
        if let Some(handle) = self.0.take() {
            handle.clear();
        }
    }
}

/// An answer with status 2xx.
pub(super) struct Answer {
    pub body: String,
    pub etag: Option<String>,
    pub link: Option<String>,
    /// When it was made, by the server's clock, to the second.
    pub date: Option<String>,
}

impl Answer {
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, ApiError> {
        json::from_str(&self.body).map_err(|_| ApiError::Malformed)
    }
}

pub(super) async fn get_json<T: DeserializeOwned>(address: &str, token: &Token) -> Result<T, ApiError> {
    get(address, None, token).await?.ok_or(ApiError::Malformed)?.parse()
}

/// What is asked for.
pub(super) struct Request<'a> {
    pub method: &'static str,
    pub address: &'a str,
    pub etag: Option<&'a str>,
    /// A body.
    pub json: Option<String>,
}

impl<'a> Request<'a> {
    pub fn get(address: &'a str) -> Self {
        Self { method: "GET", address, etag: None, json: None }
    }

    fn options(&self, token: &Token) -> RequestInit {
        let options = RequestInit::new();
        options.set_method(self.method);
        if !sends_cookies() {
            options.set_credentials(RequestCredentials::Omit);
        }
        if let Some(controller) = &token.controller {
            options.set_signal(Some(&controller.signal()));
        }
        if let Ok(headers) = Headers::new() {
            // The browser refuses names and values of headers that are malformed; these are not.
            // Beyond loopback without TLS a browser does not say by itself that a page asks (`Sec-Fetch-Mode`).
            let _ = headers.set("X-Requested-With", "XMLHttpRequest");
            if let Some(etag) = self.etag {
                let _ = headers.set("If-None-Match", etag);
            }
            if let Some(login) = login() {
                let _ = headers.set("Authorization", &login.basic);
            }
            if let Some(json) = &self.json {
                let _ = headers.set("Content-Type", "application/json");
                options.set_body(&JsValue::from_str(json));
            }
            options.set_headers(&headers);
        }
        options
    }
}

later!(doubting(error: ApiError, token: Token) -> Asking<Option<Answer>> {
    Box::pin(first::doubt(error, token))
});

/// Asks for data. `None` for "not modified", which only a request with an `etag` can get.
pub(super) async fn get(
    address: &str,
    etag: Option<&str>,
    token: &Token,
) -> Result<Option<Answer>, ApiError> {
    noticing(async {
        match send(&Request { etag, ..Request::get(address) }, token).await {
            Err(error) if address == STATUS && first::is_doubtful(&error) => {
                answer(doubting(error, token.clone())).await
            }
            told => told,
        }
    })
    .await
}

/// Tells the listener when the answer says that nobody is signed in.
async fn noticing<T>(asking: impl Future<Output = Result<T, ApiError>>) -> Result<T, ApiError> {
    let session = SESSION_SERIAL.get();
    let answer = asking.await;
    if matches!(answer, Err(ApiError::Refused { status: 401, .. })) && session == SESSION_SERIAL.get() {
        let listener = UNAUTHORIZED.with_borrow(Clone::clone);
        if let Some(listener) = listener {
            listener();
        }
    }
    answer
}

/// Asks, and leaves it to the caller what a refusal means.
pub(super) async fn send(request: &Request<'_>, token: &Token) -> Result<Option<Answer>, ApiError> {
    let _limit = token.start_limit();
    let response = respond(request, token).await?;
    if response.status() == NOT_MODIFIED {
        return Ok(None);
    }
    let body = text_of(&response, token).await?;
    let header = |name| header_of(&response, name);
    Ok(Some(Answer { etag: header("etag"), link: header("link"), date: header("date"), body }))
}

/// Asks; the body of the answer is still to be read.
async fn respond(request: &Request<'_>, token: &Token) -> Result<Response, ApiError> {
    let window = web_sys::window().ok_or(ApiError::Unreachable)?;
    let response = window.fetch_with_str_and_init(request.address, &request.options(token));
    let response = JsFuture::from(response).await;
    let response: Response =
        response.map_err(|_| token.failure())?.dyn_into().map_err(|_| ApiError::Unreachable)?;
    if response.ok() || response.status() == NOT_MODIFIED {
        return Ok(response);
    }
    Err(ApiError::Refused {
        message: message_of(&text_of(&response, token).await?),
        status: response.status(),
        is_challenge: response.status() == 401 && header_of(&response, "www-authenticate").is_some(),
        retry_after_s: header_of(&response, "retry-after").and_then(|seconds| seconds.trim().parse().ok()),
    })
}

async fn text_of(response: &Response, token: &Token) -> Result<String, ApiError> {
    let body = JsFuture::from(response.text().map_err(|_| ApiError::Unreachable)?).await;
    Ok(body.map_err(|_| token.failure())?.as_string().unwrap_or_default())
}

fn header_of(response: &Response, name: &str) -> Option<String> {
    response.headers().get(name).ok().flatten()
}

/// An answer that is read as it comes, each part within the time limit.
pub struct Stream {
    reader: ReadableStreamDefaultReader,
    token: Token,
}

impl Stream {
    /// Asks; returns the headers with it.
    pub(super) async fn open(address: &str, token: Token) -> Result<(Self, Headers), ApiError> {
        let limit = token.start_limit();
        let response = noticing(respond(&Request::get(address), &token)).await?;
        drop(limit);
        let body = response.body().ok_or(ApiError::Malformed)?;
        let reader = body.get_reader().dyn_into().map_err(|_| ApiError::Malformed)?;
        Ok((Self { reader, token }, response.headers()))
    }

    /// The next part; `None` after the last.
    ///
    /// # Errors
    /// When the answer is broken off, or the next part does not come in time.
    pub async fn next(&self) -> Result<Option<Uint8Array>, ApiError> {
        let _limit = self.token.start_limit();
        let part = JsFuture::from(self.reader.read()).await.map_err(|_| self.token.failure())?;
        // `undefined` after the last.
        Ok(Reflect::get(&part, &"value".into()).ok().and_then(|value| value.dyn_into().ok()))
    }
}

/// The `message` of an error answer.
fn message_of(body: &str) -> String {
    #[derive(serde::Deserialize)]
    struct Problem {
        message: String,
    }
    json::from_str(body).map(|problem: Problem| problem.message).unwrap_or_default()
}
