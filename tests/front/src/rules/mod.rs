//! What AWS enforces and moto does not, one file a service.
//!
//! A rule asks the emulator what it needs to know; the front keeps no copy of its state. Error
//! codes are AWS's; messages are AWS's own where they are known.

mod ec2;
pub mod ecr;
pub mod ecs;
mod elbv2;
mod holders;
mod iam;
mod logs;
mod permission;
mod security_group;
mod tagging;
pub mod tags;

use serde_json::Value;

use crate::front::Front;
use crate::request::Call;
use crate::shape::{Answer, Failure};
use crate::xml;

/// Checks a call before it goes to the emulator. It may be rewritten, refused, or answered at once.
pub async fn check(front: &Front, call: &mut Call) -> Result<Option<Answer>, Failure> {
    if call.service == "ec2" && call.is_mutating() && call.is_dry_run() {
        let message = "Request would have succeeded, but DryRun flag is set.";
        return Err(Failure::new(412, "DryRunOperation", message));
    }
    tags::check_call(front, call).await?;
    match call.service.as_str() {
        "ec2" => ec2::check(front, call).await,
        "ecr" => ecr::check(front, call).await.map(|()| None),
        "ecs" => ecs::check(front, call).await,
        "elbv2" => elbv2::check(front, call).await,
        "iam" => iam::check(front, call).await.map(|()| None),
        "logs" => logs::check(front, call).await,
        "tagging" => tagging::check(front, call).await,
        _ => Ok(None),
    }
}

/// Mends an answer of the emulator before the client sees it.
pub async fn mend(front: &Front, call: &Call, answer: &mut Answer) -> Result<(), Failure> {
    match call.service.as_str() {
        "ec2" => ec2::mend(front, call, answer).await,
        "ecs" => ecs::mend(front, call, answer).await,
        "elbv2" => elbv2::mend(front, call, answer).await,
        "logs" => {
            logs::mend(call, answer);
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Asks a query service and hands the tree of its answer to `read`. A refusal of the emulator,
/// which is most often a thing that does not exist, reads as nothing.
async fn ask<T: Default>(
    front: &Front,
    call: &Call,
    (service, operation): (&str, &str),
    parameters: &[(&str, &str)],
    read: impl FnOnce(&xml::Element<'_>) -> T,
) -> Result<T, Failure> {
    let answer = front.upstream.ask_query(call, service, operation, parameters).await?;
    if !answer.is_ok() {
        return Ok(T::default());
    }
    Ok(xml::parse(answer.text()).map(|root| read(&root)).unwrap_or_default())
}

/// Asks a JSON service, given as its signing name and its target prefix; a refusal reads as null.
async fn ask_json(
    front: &Front,
    call: &Call,
    (service, target, operation): (&str, &str, &str),
    parameters: &Value,
) -> Result<Value, Failure> {
    let upstream = &front.upstream;
    let (answer, value) = upstream.ask_json(call, service, target, operation, parameters).await?;
    Ok(if answer.is_ok() { value } else { Value::Null })
}
