//! What reading an account costs at the least: the calls that it takes, side by side, as fast as AWS's limits
//! let them, with the SDK that the extension uses; the answers are thrown away.
//!
//! `iasql-baseline MODE REGION...` where MODE is `first` or `again`. What never changes is read the first
//! time only. It prints how many calls in a row the longest chain had.

#![expect(
    clippy::disallowed_methods,
    reason = "the list is for what runs inside PostgreSQL; this is a program of its own"
)]

mod chains;
#[path = "../../src/limits.rs"]
mod limits;
mod pace;

use crate::chains::Chains;
use aws_config::retry::RetryConfig;
use aws_config::{BehaviorVersion, Region};
use std::error::Error;

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result {
    let mut words = std::env::args().skip(1);
    let first = match words.next().as_deref() {
        Some("first") => true,
        Some("again") => false,
        _ => return Err("usage: iasql-baseline first|again REGION...".into()),
    };
    let regions: Vec<String> = words.collect();
    let home = regions.first().ok_or("no region")?.clone();
    let http = aws_smithy_http_client::Builder::new().build_http();
    let config = aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new(home.clone()))
        .http_client(http)
        // On a busy machine a call may come too early all the same.
        .retry_config(RetryConfig::standard().with_max_attempts(10))
        .load()
        .await;
    let chains = Chains::new(config);
    let everywhere = regions.iter().map(|region| chains.region(region, first));
    let (global, regional) = futures_util::join!(
        chains.account(&home, first),
        futures_util::future::join_all(everywhere)
    );
    let mut longest = global?;
    for depth in regional {
        longest = longest.max(depth?);
    }
    println!("{longest}");
    Ok(())
}
