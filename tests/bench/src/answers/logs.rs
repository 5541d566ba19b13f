//! CloudWatch Logs, and the tagging API, which tells the tags of log groups.
//! <https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/Welcome.html>
//! <https://docs.aws.amazon.com/resourcegroupstagging/latest/APIReference/API_GetResources.html>

use super::{All, Page, json_text, missing, texts};
use crate::account::{MADE_SECONDS, Region};
use crate::made::member;
use iasql_front::request::Call;
use iasql_front::shape::Answer;
use serde_json::{Value, json};

const GROUPS: &str = "log groups";

pub fn answer(region: Region<'_>, call: &Call) -> Option<Answer> {
    match call.operation.as_str() {
        "DescribeLogGroups" => {
            let counted = |number| group(region, &name(number), Some(7));
            let start = call.member("logGroupNamePrefix");
            let start: Vec<_> =
                start.map(|it| format!("\"logGroupName\":\"{it}")).into_iter().collect();
            let all = All::of(region, GROUPS, &start, region.log_groups, &counted);
            let page = Page::json(all.len(), call, "limit", 50, 50);
            Some(page.answer("logGroups", |at| all.get(at)))
        }
        "ListTagsForResource" => Some(Answer::json(&json!({"tags": {"team": "bench"}}))),
        "CreateLogGroup" if call.json.get("tags").is_none() => {
            region.keep(GROUPS, group(region, call.member("logGroupName")?, None));
            Some(json_text(String::new()))
        }
        "DeleteLogGroup" => {
            match region.drop(GROUPS, member("logGroupName", call.member("logGroupName")?)) {
                true => Some(json_text(String::new())),
                false => Some(missing(call, "ResourceNotFoundException")),
            }
        }
        _ => None,
    }
}

/// Of those with tags; what was made has none.
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

fn group(region: Region<'_>, name: &str, days: Option<u32>) -> String {
    let arn = region.arn("logs", &format!("log-group:{name}"));
    let mut group = json!({
        "arn": format!("{arn}:*"),
        "creationTime": MADE_SECONDS as u64 * 1000,
        "logGroupArn": arn,
        "logGroupClass": "STANDARD",
        "logGroupName": name,
        "metricFilterCount": 0,
        "storedBytes": 0,
    });
    if let Some(days) = days {
        group["retentionInDays"] = json!(days);
    }
    group.to_string()
}
