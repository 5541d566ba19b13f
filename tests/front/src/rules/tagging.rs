//! The Resource Groups Tagging API: `GetResources`.
//!
//! Moto makes each page while others change what it lists, and then crashes or forgets the rest; it
//! does not count a page's first tags, and has names of its own for types. So the front walks moto's
//! pages at once, selects types itself, and cuts pages as it does for other lists.
//!
//! Known to be missing: what once had tags and has none, which AWS lists too.

use serde_json::{Value, json};

use super::elbv2;
use crate::front::Front;
use crate::request::Call;
use crate::shape::{Answer, Failure};

/// The services whose things moto lists, so far as anyone here may want them. A list that would have
/// to have others in it is refused loudly.
const SERVICES: &[&str] = &[
    "acm",
    "cloudfront",
    "ec2",
    "ecs",
    "elasticache",
    "elasticloadbalancing",
    "kms",
    "lambda",
    "logs",
    "rds",
    "s3",
    "secretsmanager",
    "sns",
    "sqs",
    "ssm",
];

/// How often a walk is begun.
const WALKS: usize = 10;

pub async fn check(front: &Front, call: &Call) -> Result<Option<Answer>, Failure> {
    if call.operation != "GetResources" {
        return Ok(None);
    }
    let services = words(call, "ResourceTypeFilters").map(|kind| kind.split(':').next());
    let services = services.chain(words(call, "ResourceARNList").map(|arn| arn.split(':').nth(2)));
    let services: Vec<&str> = services.flatten().collect();
    let known = services.iter().all(|service| SERVICES.contains(service));
    if services.is_empty() || !known || call.json.get("TagsPerPage").is_some() {
        return Err(Failure::not_implemented(call));
    }
    for _ in 0..WALKS {
        match walk(front, call).await? {
            answer if answer.is_emulator_page() => {}
            mut answer => {
                elbv2::show_kinds(front, call, &mut answer).await?;
                return Ok(Some(answer));
            }
        }
    }
    Err(Failure::not_implemented(call))
}

/// The whole list, or the first answer of moto that is no part of it.
async fn walk(front: &Front, call: &Call) -> Result<Answer, Failure> {
    let mut page = call.clone();
    let mut asked = json!({
        "ResourcesPerPage": 100,
        "TagsPerPage": 500,
        "TagFilters": call.json.get("TagFilters").unwrap_or(&json!([])),
        "ResourceARNList": call.json.get("ResourceARNList").unwrap_or(&json!([])),
    });
    let mut all = Vec::new();
    loop {
        page.set_json(asked.clone());
        let body = page.body.clone();
        let answer = front.upstream.send(&page.method, &page.target, &page.headers, body).await?;
        if !answer.is_ok() {
            return Ok(answer);
        }
        let mut found: Value = serde_json::from_slice(&answer.body).unwrap_or(Value::Null);
        if let Some(Value::Array(list)) = found.get_mut("ResourceTagMappingList").map(Value::take) {
            all.extend(list);
        }
        match found.get("PaginationToken") {
            Some(Value::String(token)) if !token.is_empty() => {
                asked["PaginationToken"] = json!(token);
            }
            _ => break,
        }
    }
    let types: Vec<&str> = words(call, "ResourceTypeFilters").collect();
    let wanted = |arn: &str| types.is_empty() || types.iter().any(|kind| is_of_type(arn, kind));
    all.retain(|mapping: &Value| mapping["ResourceARN"].as_str().is_some_and(wanted));
    Ok(Answer::json(&json!({"PaginationToken": "", "ResourceTagMappingList": all})))
}

/// A list of strings in a request.
fn words<'a>(call: &'a Call, name: &str) -> impl Iterator<Item = &'a str> {
    let list = call.json.get(name).and_then(Value::as_array);
    list.into_iter().flatten().filter_map(Value::as_str)
}

/// Whether an ARN is of a type like `logs` or `logs:log-group`. ARNs of buckets, queues and topics
/// have no type in them.
fn is_of_type(arn: &str, kind: &str) -> bool {
    let mut words = arn.splitn(6, ':').skip(2);
    let service = words.next().unwrap_or_default();
    let resource = words.nth(2).unwrap_or_default();
    match kind.split_once(':') {
        None => kind == service,
        Some((of, kind)) => {
            let found = resource.split_once([':', '/']).map_or(kind, |(found, _)| found);
            (of, kind) == (service, found)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::is_of_type;

    #[test]
    fn types_are_read_from_arns() {
        let group = "arn:aws:logs:us-east-1:123456789012:log-group:/team/web";
        assert!(is_of_type(group, "logs") && is_of_type(group, "logs:log-group"));
        assert!(!is_of_type(group, "logs:destination") && !is_of_type(group, "ec2"));
        assert!(is_of_type("arn:aws:ec2:us-east-1:1:vpc/vpc-1", "ec2:vpc"));
        assert!(
            is_of_type("arn:aws:s3:::bucket", "s3") && is_of_type("arn:aws:s3:::b", "s3:bucket")
        );
    }
}
