//! An export of clients that somebody picked, whatever filter they pass: a few are asked for one by one; of more, every
//! page of the fleet is read for them. Called by the export.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

use rollcall_model::StateDoc;
use rollcall_model::query::Field;

use super::Format;
use super::csv::line;
use crate::api::{self, ApiError, Token};
use crate::json::{object_of, text};

/// More are found sooner by reading the fleet, a thousand with each question.
const EACH_MAX: usize = 1_000;
/// How many questions are open at once. A browser keeps more waiting itself.
const AT_ONCE: usize = 6;

/// Few clients, and how many of them have been asked for.
pub struct Each {
    ids: Vec<String>,
    asked: usize,
}

impl Each {
    /// `None` for too many.
    #[must_use]
    pub fn of(ids: &[String]) -> Option<Self> {
        (ids.len() <= EACH_MAX).then(|| Self { ids: ids.to_vec(), asked: 0 })
    }

    #[must_use]
    pub fn is_over(&self) -> bool {
        self.asked >= self.ids.len()
    }

    /// The next few, without those that the server does not know any more. After a failure the same can be asked for again.
    ///
    /// # Errors
    /// When the server cannot be reached or refuses.
    pub async fn next(&mut self, token: &Token) -> Result<Vec<StateDoc>, ApiError> {
        let ids = self.ids.iter().skip(self.asked).take(AT_ONCE);
        let asking: Vec<_> = ids.map(|id| Box::pin(api::client(id, token))).collect();
        let count = asking.len();
        let answers: Result<Vec<_>, _> = all(asking).await.into_iter().collect();
        let docs = answers?.into_iter().flatten().collect();
        self.asked += count;
        Ok(docs)
    }
}

/// What all of them come to, in their order.
async fn all<F: Future>(mut asking: Vec<Pin<Box<F>>>) -> Vec<F::Output> {
    let mut answers: Vec<Option<F::Output>> = asking.iter().map(|_| None).collect();
    poll_fn(|context| {
        for (asked, answer) in asking.iter_mut().zip(&mut answers) {
            if answer.is_none()
                && let Poll::Ready(is) = asked.as_mut().poll(context)
            {
                *answer = Some(is);
            }
        }
        if answers.iter().all(Option::is_some) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    answers.into_iter().flatten().collect()
}

/// The states as rows of a file.
pub fn text_of(docs: &[StateDoc], format: Format) -> String {
    let row = |doc: &StateDoc| match format {
        Format::Ndjson => json_of(doc) + "\n",
        Format::Csv => line(&Field::ALL.map(|field| field.text(doc).unwrap_or_default())),
    };
    docs.iter().map(row).collect()
}

/// A state as the API tells it. Written by hand: what serde would compile for it is several times as much code.
#[must_use]
pub fn json_of(doc: &StateDoc) -> String {
    let member = |field: Field| {
        let value = field.text(doc)?;
        let is_bare =
            matches!(field, Field::MqttReasonCode | Field::CloseCode | Field::Secure | Field::RecentConnects);
        Some((field.name(), if is_bare { value } else { text(&value) }))
    };
    object_of(&Field::ALL.into_iter().filter_map(member).collect::<Vec<_>>())
}
