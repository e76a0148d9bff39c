//! A connection on which even requests that cannot be read get an answer with a body.
//!
//! To a request line or a head that is too long, or no HTTP at all, the HTTP library itself answers, without a body
//! and before any route or layer of ours sees a request. This puts the API's error in the place of that answer.
//! It also reads on for a moment before it closes: closing with bytes unread resets the connection, and the client
//! would never see the answer.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use super::crowd::Place;
use crate::api::error::ApiError;

/// How long, and for how many bytes, the rest of a refused request is read.
const REST_MAX: Duration = Duration::from_secs(2);
const REST_BYTES_MAX: usize = 4 * 1_024 * 1_024;

pub struct Answering<S> {
    stream: S,
    state: State,
    _place: Place,
}

enum State {
    Passing,
    /// Our answer is being written in the place of the library's.
    Replacing {
        answer: Vec<u8>,
        written: usize,
    },
    /// Nothing more is said.
    Answered {
        read: usize,
        until: Option<Pin<Box<Sleep>>>,
    },
}

impl<S> Answering<S> {
    pub const fn new(stream: S, place: Place) -> Self {
        Self { stream, state: State::Passing, _place: place }
    }
}

/// What to say instead of an answer that the library made up: it has no body, which none of ours with these codes is
/// without.
fn replacement(head: &[u8]) -> Option<Vec<u8>> {
    const EMPTY: &[u8] = b"\r\ncontent-length: 0\r\n";
    let code = head.strip_prefix(b"HTTP/1.1 ")?.get(..3)?;
    let error = match code {
        b"400" => ApiError::no_http(),
        b"414" => ApiError::path_too_long(),
        b"431" => ApiError::head_too_large(),
        _ => return None,
    };
    let is_whole = head.ends_with(b"\r\n\r\n") && memchr::memmem::find(head, EMPTY).is_some();
    is_whole.then(|| error.to_wire())
}

impl<S: AsyncWrite + Unpin> Answering<S> {
    /// Writes the replacement to its end. `len` is the length of what it replaces.
    fn poll_replace(&mut self, context: &mut Context<'_>, len: usize) -> Poll<io::Result<usize>> {
        if let State::Replacing { answer, written } = &mut self.state {
            while let Some(rest) = answer.get(*written..).filter(|rest| !rest.is_empty()) {
                let more = ready!(Pin::new(&mut self.stream).poll_write(context, rest))?;
                if more == 0 {
                    return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                }
                *written += more;
            }
            self.state = State::Answered { read: 0, until: None };
        }
        Poll::Ready(Ok(len))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Answering<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Answering<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if matches!(self.state, State::Passing) {
            match replacement(bytes) {
                Some(answer) => self.state = State::Replacing { answer, written: 0 },
                None => return Pin::new(&mut self.stream).poll_write(context, bytes),
            }
        }
        self.poll_replace(context, bytes.len())
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let first = slices.iter().find(|slice| !slice.is_empty()).map_or(&[][..], |slice| slice);
        if matches!(self.state, State::Passing) && replacement(first).is_none() {
            return Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        }
        self.poll_write(context, first)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_shutdown(context))?;
        let this = &mut *self;
        let State::Answered { read, until } = &mut this.state else { return Poll::Ready(Ok(())) };
        let until = until.get_or_insert_with(|| Box::pin(tokio::time::sleep(REST_MAX)));
        let mut scratch = [0; 8 * 1_024];
        while *read < REST_BYTES_MAX && until.as_mut().poll(context).is_pending() {
            let mut rest = ReadBuf::new(&mut scratch);
            ready!(Pin::new(&mut this.stream).poll_read(context, &mut rest))?;
            if rest.filled().is_empty() {
                break;
            }
            *read += rest.filled().len();
        }
        Poll::Ready(Ok(()))
    }
}
