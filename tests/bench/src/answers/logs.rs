//! CloudWatch Logs, and the tagging API, which tells the tags of log groups.
//! <https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/Welcome.html>
//! <https://docs.aws.amazon.com/resourcegroupstagging/latest/APIReference/API_GetResources.html>

use super::{Page, texts};
use crate::account::{MADE_SECONDS, Region};
use iasql_front::request::Call;
use iasql_front::shape::Answer;
use serde_json::{Value, json};

pub fn answer(region: Region<'_>, call: &Call) -> Option<Answer> {
    if call.json.get("logGroupNamePrefix").is_some() {
        return None;
    }
    match call.operation.as_str() {
        "DescribeLogGroups" => {
            let page = Page::json(region.log_groups, call, "limit", 50, 50);
            Some(page.answer("logGroups", |number| group(region, number)))
        }
        "ListTagsForResource" => Some(Answer::json(&json!({"tags": {"team": "bench"}}))),
        _ => None,
    }
}

pub fn tags(region: Region<'_>, call: &Call) -> Option<Answer> {
    if call.operation != "GetResources" || texts(call, "ResourceTypeFilters") != ["logs"] {
        return None;
    }
    let asked = call.json.get("ResourcesPerPage").and_then(Value::as_u64);
    let asked = asked.and_then(|size| usize::try_from(size).ok());
    let token = call.member("PaginationToken").filter(|token| !token.is_empty());
    let page = Page::of(region.log_groups, asked, 100, token);
    let one = |number| {
        let arn = region.arn("logs", &format!("log-group:{}", name(number)));
        json!({"ResourceARN": arn, "Tags": [{"Key": "team", "Value": "bench"}]})
    };
    let found: Vec<Value> = page.range.clone().map(one).collect();
    let next = page.next.unwrap_or_default();
    Some(Answer::json(&json!({"ResourceTagMappingList": found, "PaginationToken": next})))
}

fn name(number: usize) -> String {
    format!("/bench/group-{number:06}")
}

fn group(region: Region<'_>, number: usize) -> Value {
    let name = name(number);
    let arn = region.arn("logs", &format!("log-group:{name}"));
    json!({
        "arn": format!("{arn}:*"),
        "creationTime": MADE_SECONDS as u64 * 1000,
        "logGroupArn": arn,
        "logGroupClass": "STANDARD",
        "logGroupName": name,
        "metricFilterCount": 0,
        "retentionInDays": 7,
        "storedBytes": 0,
    })
}
