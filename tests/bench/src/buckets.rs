//! The buckets of an account, as far as they have been emptied.

use crate::limits::{self, Key, Limit};
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// What is left of a bucket.
pub struct Bucket {
    pub burst: f64,
    pub refill: f64,
    /// Calls that came for a token.
    pub asked: u64,
    tokens: f64,
    at: Instant,
}

impl Bucket {
    fn new(limit: &Limit) -> Self {
        let Limit { burst, refill, .. } = *limit;
        Self { burst, refill, asked: 0, tokens: burst, at: Instant::now() }
    }

    fn fill(&mut self, now: Instant) {
        let gained = (now - self.at).as_secs_f64() * self.refill;
        self.tokens = (self.tokens + gained).min(self.burst);
        self.at = now;
    }

    /// How long until there is a token.
    fn wait(&self) -> Duration {
        Duration::from_secs_f64(((1.0 - self.tokens) / self.refill).max(0.0))
    }
}

/// All buckets, full until they are used.
#[derive(Default)]
pub struct Buckets(pub HashMap<Key, Bucket>);

impl Buckets {
    /// Takes a token from every bucket of a call, or from none and says how long it will be.
    pub fn take(&mut self, region: &str, service: &str, operation: &str) -> Result<(), Duration> {
        let (all, now) = (limits::of(region, service, operation), Instant::now());
        let mut wait = Duration::ZERO;
        for (key, limit) in &all {
            let bucket = self.0.entry(key.clone()).or_insert_with(|| Bucket::new(limit));
            bucket.fill(now);
            wait = wait.max(bucket.wait());
        }
        if !wait.is_zero() {
            return Err(wait);
        }
        for (key, _) in &all {
            if let Some(bucket) = self.0.get_mut(key) {
                bucket.tokens -= 1.0;
                bucket.asked += 1;
            }
        }
        Ok(())
    }

    /// Counts calls as if they had come, without a look at the tokens.
    pub fn count(&mut self, region: &str, service: &str, operation: &str, calls: u64) {
        for (key, limit) in limits::of(region, service, operation) {
            self.0.entry(key).or_insert_with(|| Bucket::new(limit)).asked += calls;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_gives_its_burst_and_then_says_how_long() {
        let mut buckets = Buckets::default();
        let mut take = |region| buckets.take(region, "logs", "ListTagsForResource");
        assert!((0..5).all(|_| take("eu-west-1").is_ok()));
        let wait = take("eu-west-1").expect_err("the burst is used up");
        assert!(
            wait > Duration::from_millis(150) && wait <= Duration::from_millis(200),
            "{wait:?}"
        );
        assert!(take("us-east-1").is_ok(), "each region has its own");
    }

    #[test]
    fn load_balancing_takes_from_two_buckets_or_from_none() {
        let mut buckets = Buckets::default();
        let mut take = |operation| buckets.take("us-east-1", "elbv2", operation).is_ok();
        assert_eq!((0..30).filter(|_| take("CreateListener")).count(), 20);
        assert_eq!((0..30).filter(|_| take("DescribeTags")).count(), 20, "of the account's 40");
    }
}
