//! Waiting for what AWS does in its own time.

use super::failure::{Error, Result};
use std::time::Duration;

/// Asks again and again, ever more slowly, until there is an answer. Something AWS has not heard of
/// yet, since it was made a moment ago, is no answer either. `what` is awaited, for the error.
pub async fn until<T>(
    what: &str,
    at_most: Duration,
    mut answer: impl AsyncFnMut() -> Result<Option<T>>,
) -> Result<T> {
    let give_up = tokio::time::Instant::now() + at_most;
    let mut pause = Duration::from_millis(200);
    loop {
        match answer().await {
            Ok(Some(answer)) => return Ok(answer),
            Ok(None) => (),
            Err(error) if error.not_found() => (),
            Err(error) => return Err(error),
        }
        if tokio::time::Instant::now() + pause > give_up {
            return Err(Error::TooSlow(what.to_owned()));
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 3 / 2).min(Duration::from_secs(5));
    }
}
