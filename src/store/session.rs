//! Whether somebody is signed in, and who: by the code of a sign-in link in the address, by key and token, or by the
//! cookie that the browser still has.
//!
//! The other stores ask it before they ask the server. It never stores a secret, neither in the browser's storage nor
//! in the address; a code leaves the address before anything else reads it.

use std::rc::Rc;

use leptos::prelude::{Get, GetUntracked, Memo, RwSignal, Set, window_event_listener_untyped};
use leptos::task::spawn_local;

use crate::api::{self, ApiError, Credentials, Who};
use crate::browser;

/// What the page shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// It is not known yet whether anybody is signed in.
    Checking,
    /// The dashboard. Also with a server that knows no sessions.
    In,
    /// The sign-in page.
    Out,
}

/// Why a sign-in did not succeed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignInProblem {
    WrongKey,
    /// The link was used already, or is too old.
    LinkOver,
    TooMany {
        wait_s: u64,
    },
    Unreachable,
    Forbidden(String),
    Refused {
        status: u16,
        message: String,
    },
    Malformed,
}

/// Why the sign-in page is shown to somebody who was signed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    ByServer,
    ByReader,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    /// The first answer of the server says it.
    Checking,
    /// A sign-in link is being used.
    Entering,
    In(Account),
    Out(Option<Ended>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Account {
    Known(Who),
    /// The server knows no sessions.
    None,
    /// The server could not be asked.
    Unsure,
}

#[derive(Clone, Copy)]
pub struct Session {
    pub phase: Memo<Phase>,
    /// What the last attempt to sign in came to.
    pub problem: RwSignal<Option<SignInProblem>>,
    /// An attempt is under way.
    pub is_signing_in: RwSignal<bool>,
    /// The last attempt to sign out did not reach the server.
    pub is_stuck: RwSignal<bool>,
    state: RwSignal<State>,
}

/// What precedes the code in the fragment of a sign-in link.
const CODE: &str = "#code=";

impl Session {
    /// Takes the code of a sign-in link out of the address and uses it. Without one, the first answer that the server gives
    /// ([`Self::hear_first`]) says whether anybody is signed in: who it is can be asked beside the rest.
    #[must_use]
    pub fn load() -> Self {
        let code = browser::take_fragment(CODE);
        let state = RwSignal::new(State::Checking);
        let phase = Memo::new(move |_| match state.get() {
            State::Checking | State::Entering => Phase::Checking,
            State::In(_) => Phase::In,
            State::Out(_) => Phase::Out,
        });
        let this = Self {
            phase,
            problem: RwSignal::new(None),
            is_signing_in: RwSignal::new(false),
            is_stuck: RwSignal::new(false),
            state,
        };
        api::on_unauthorized(Rc::new(move || this.lose()));
        // A link that is opened where the page is open already changes nothing but the fragment.
        window_event_listener_untyped("hashchange", move |_| {
            if let Some(code) = browser::take_fragment(CODE) {
                this.use_link(code);
            }
        });
        if let Some(code) = code {
            this.use_link(code);
        }
        this
    }

    /// The server has answered a question for data, or failed to, with anything but that nobody is signed in. A plain one lets
    /// everybody in then, and has no sessions.
    pub(super) fn hear_first(self, has_answered: bool, is_plain: bool) {
        if self.state.get_untracked() != State::Checking {
            return;
        }
        if is_plain {
            return self.enter(Account::None);
        }
        // Whatever is wrong with the server, the dashboard itself has words for it.
        self.enter(Account::Unsure);
        if has_answered {
            self.ask_again();
        }
    }

    /// Whether the server may be asked for data, untracked: somebody is signed in, or the answer will say so.
    #[must_use]
    pub(super) fn may_ask(self) -> bool {
        matches!(self.state.get_untracked(), State::Checking | State::In(_))
    }

    /// Whether it is known who is signed in, tracked.
    #[must_use]
    pub fn is_sure(self) -> bool {
        self.state.get() != State::In(Account::Unsure)
    }

    /// Whether the server may be asked, untracked.
    #[must_use]
    pub fn is_in(self) -> bool {
        matches!(self.state.get_untracked(), State::In(_))
    }

    /// Who is signed in, tracked; `None` with a server that knows no sessions.
    #[must_use]
    pub fn who(self) -> Option<Who> {
        match self.state.get() {
            State::In(Account::Known(who)) => Some(who),
            _ => None,
        }
    }

    /// Why nobody is signed in any more, tracked.
    #[must_use]
    pub fn ended(self) -> Option<Ended> {
        match self.state.get() {
            State::Out(ended) => ended,
            _ => None,
        }
    }

    /// Signs in with an API key.
    pub fn sign_in(self, key: String, token: String) {
        if self.is_signing_in.get_untracked() {
            return;
        }
        self.is_signing_in.set(true);
        self.problem.set(None);
        spawn_local(async move {
            let answer = api::sign_in_with(key, token).await;
            self.is_signing_in.set(false);
            match answer {
                Ok(who) => self.enter(Account::Known(who)),
                Err(error) => self.problem.set(Some(problem_of(error, SignInProblem::WrongKey))),
            }
        });
    }

    /// Closes the session, here and at the server.
    pub fn sign_out(self) {
        self.is_stuck.set(false);
        spawn_local(async move {
            match api::sign_out().await {
                Ok(()) => self.leave(Some(Ended::ByReader)),
                Err(_) => self.is_stuck.set(true),
            }
        });
    }

    /// Asks who is signed in: after the first answer, and when somebody may have signed in on another page.
    pub(super) fn ask_again(self) {
        spawn_local(async move {
            let answer = api::who_am_i().await;
            if self.is_in() && !self.is_unsure() {
                return;
            }
            match answer {
                Ok(Some(who)) => self.enter(Account::Known(who)),
                Ok(None) => self.enter(Account::None),
                Err(ApiError::Refused { status: 401, .. }) => self.lose(),
                // Whatever is wrong with the server, the dashboard itself has words for it.
                Err(_) if self.state.get_untracked() == State::Checking => self.enter(Account::Unsure),
                Err(_) => {}
            }
        });
    }

    pub(super) fn ask_if_unsure(self) {
        if self.is_unsure() {
            self.ask_again();
        }
    }

    fn is_unsure(self) -> bool {
        self.state.get_untracked() == State::In(Account::Unsure)
    }

    fn use_link(self, code: String) {
        let was_in = self.is_in();
        if !was_in {
            self.state.set(State::Entering);
        }
        self.problem.set(None);
        spawn_local(async move {
            let error = match api::sign_in(&Credentials::Code { code }).await {
                Ok(who) => return self.enter(Account::Known(who)),
                // A link that is followed twice does no harm to who is signed in.
                Err(_) if was_in => return,
                Err(error) => error,
            };
            if let Ok(Some(who)) = api::who_am_i().await {
                return self.enter(Account::Known(who));
            }
            self.problem.set(Some(problem_of(error, SignInProblem::LinkOver)));
            self.leave(None);
        });
    }

    /// The server says that nobody is signed in.
    fn lose(self) {
        match self.state.get_untracked() {
            State::Checking => self.leave(None),
            State::In(Account::Known(_)) => self.leave(Some(Ended::ByServer)),
            State::In(_) => self.leave(None),
            // The link says who, or that it does not open anything.
            State::Entering | State::Out(_) => {}
        }
    }

    fn enter(self, account: Account) {
        self.problem.set(None);
        self.is_stuck.set(false);
        self.state.set(State::In(account));
    }

    fn leave(self, ended: Option<Ended>) {
        self.state.set(State::Out(ended));
    }
}

/// `unauthorized` is what a refusal for want of credentials means.
fn problem_of(error: ApiError, unauthorized: SignInProblem) -> SignInProblem {
    match error {
        ApiError::Refused { status: 401, .. } => unauthorized,
        ApiError::Refused { status: 403, message, .. } => SignInProblem::Forbidden(message),
        ApiError::Refused { status: 429, retry_after_s, .. } => {
            SignInProblem::TooMany { wait_s: retry_after_s.unwrap_or(60) }
        }
        ApiError::Refused { status, message, .. } => SignInProblem::Refused { status, message },
        ApiError::Unreachable | ApiError::Aborted => SignInProblem::Unreachable,
        ApiError::Malformed => SignInProblem::Malformed,
    }
}
