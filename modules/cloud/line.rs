//! The line in which answers wait to be made sense of. A thread has one, and hundreds of answers may come
//! at once.
//!
//! They go one at a time, and in between what has come from the network is taken in: else a long
//! answer would come in piece by piece, with all the others between two pieces. And those go first that
//! lead on to a next page, since its round trip can be had meanwhile: in the end it is a long list that
//! everything has been waiting for.

use super::answer;
use super::pace::on_drop;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use tokio::sync::Semaphore;
use tokio::task::{JoinSet, yield_now};

#[derive(Debug)]
pub struct Line {
    desk: Semaphore,
    /// How many are in it that lead on.
    leading: AtomicUsize,
}

impl Default for Line {
    fn default() -> Self {
        Self { desk: Semaphore::new(1), leading: AtomicUsize::new(0) }
    }
}

impl Line {
    /// Waits for an answer's turn.
    pub async fn turn(self: &Arc<Self>, answer: &[u8]) {
        let (line, leads_on) = (self.clone(), !answer::next(answer).is_empty());
        // A task, since whoever asked may be left alone for a while, with all others behind it. In a
        // set, since that takes it along when it is dropped.
        let mut task = JoinSet::new();
        task.spawn(async move { line.stand(leads_on).await });
        task.join_next().await;
    }

    async fn stand(&self, leads_on: bool) {
        self.leading.fetch_add(usize::from(leads_on), Relaxed);
        let _gone = on_drop(|| _ = self.leading.fetch_sub(usize::from(leads_on), Relaxed));
        loop {
            // Whoever has to let another one pass goes to the end.
            let _turn = self.desk.acquire().await;
            yield_now().await;
            if leads_on || self.leading.load(Relaxed) == 0 {
                break;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::future::join_all;
    use futures_util::poll;
    use std::cell::RefCell;

    #[tokio::test]
    async fn what_leads_on_to_a_page_goes_first() {
        let (line, gone) = (Arc::new(Line::default()), RefCell::new(Vec::new()));
        let more: &[u8] = b"<a><NextToken>x</NextToken></a>";
        let through = |(at, answer): (usize, &'static [u8])| {
            let (line, gone) = (&line, &gone);
            async move {
                line.turn(answer).await;
                gone.borrow_mut().push(at);
            }
        };
        join_all([b"{}", b"{}", more, b"{}", more].into_iter().enumerate().map(through)).await;
        assert_eq!(gone.borrow()[..2], [2, 4]);
        assert_eq!(gone.borrow().len(), 5);
    }

    #[tokio::test]
    async fn whoever_gives_up_or_is_left_alone_keeps_nobody_waiting() {
        let line = Arc::new(Line::default());
        let mut alone = Box::pin(line.turn(b"{\"nextToken\":\"x\"}"));
        assert!(poll!(&mut alone).is_pending());
        line.turn(b"{}").await;
        assert!(poll!(alone).is_ready());

        let desk = line.desk.acquire().await;
        assert!(poll!(Box::pin(line.turn(b"{\"nextToken\":\"x\"}"))).is_pending());
        drop(desk);
        line.turn(b"{}").await;
        assert_eq!(line.leading.load(Relaxed), 0);
    }
}
