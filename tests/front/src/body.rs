//! The bodies that the front sends: whole ones, and halves after which the connection breaks.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::Response;
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::Sleep;

use crate::shape::Answer;

/// A body, whole or broken.
pub type AnswerBody = Either<Full<Bytes>, Half>;

/// The connection is closed without an answer.
#[derive(Debug)]
pub struct Closed;

impl fmt::Display for Closed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("closed on purpose")
    }
}

impl std::error::Error for Closed {}

/// Promises a length, sends half of it, and fails.
pub struct Half {
    first: Option<Bytes>,
    promised: u64,
    /// Time for the first half to leave before the connection is torn down.
    pause: Pin<Box<Sleep>>,
}

impl Body for Half {
    type Data = Bytes;
    type Error = Closed;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Closed>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(Frame::data(first))));
        }
        ready!(self.pause.as_mut().poll(context));
        Poll::Ready(Some(Err(Closed)))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.promised)
    }
}

pub fn whole(answer: Answer) -> Response<AnswerBody> {
    let body = Full::new(answer.body.clone());
    response(answer, Either::Left(body))
}

pub fn half(answer: Answer) -> Response<AnswerBody> {
    let length = answer.body.len();
    let body = Half {
        first: Some(answer.body.slice(..length / 2)),
        promised: length.max(1) as u64,
        pause: Box::pin(tokio::time::sleep(Duration::from_millis(20))),
    };
    response(answer, Either::Right(body))
}

fn response(answer: Answer, body: AnswerBody) -> Response<AnswerBody> {
    let mut response = Response::new(body);
    *response.status_mut() = answer.status;
    *response.headers_mut() = answer.headers;
    response
}
