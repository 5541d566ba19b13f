//! Tags: at most fifty on a thing, keys of 1 to 128 characters, values of at most 256, and no key
//! that begins with `aws:`. The same for every service; only the error codes differ.

use serde_json::{Value, json};

use super::{ask, ask_json};
use crate::front::Front;
use crate::request::Call;
use crate::shape::Failure;

/// AWS's limit for one thing.
const MOST: usize = 50;

/// One tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    pub key: String,
    pub value: String,
}

/// The codes for too many tags and for a bad tag.
fn codes(call: &Call) -> (&'static str, &'static str) {
    match (call.service.as_str(), call.operation.as_str()) {
        ("ec2", _) => ("TagLimitExceeded", "InvalidParameterValue"),
        ("ecr" | "ecr-public", _) => ("TooManyTagsException", "InvalidTagParameterException"),
        ("logs", "TagResource") => ("TooManyTagsException", "InvalidParameterException"),
        ("elbv2", _) => ("TooManyTags", "ValidationError"),
        ("iam", _) => ("LimitExceeded", "InvalidInput"),
        _ => ("InvalidParameterException", "InvalidParameterException"),
    }
}

/// Checks the tags that a call brings, alone and together with those that are there.
pub async fn check_call(front: &Front, call: &Call) -> Result<(), Failure> {
    match call.service.as_str() {
        "ec2" => {
            let new = of_form(call);
            check(call, &new)?;
            if call.operation == "CreateTags" {
                let ids = call.form.iter().filter(|(name, _)| name.starts_with("ResourceId."));
                for (_, id) in ids {
                    let filter = [("Filter.1.Name", "resource-id"), ("Filter.1.Value.1", id)];
                    let old = ask(front, call, ("ec2", "DescribeTags"), &filter, |root| {
                        let tag = |item: &crate::xml::Element<'_>| Tag {
                            key: item.get("key").into_owned(),
                            value: item.get("value").into_owned(),
                        };
                        root.list(&["tagSet"]).iter().map(tag).collect::<Vec<_>>()
                    })
                    .await?;
                    check_count(call, merge(&old, new.clone()).len())?;
                }
            }
        }
        // Moto counts what is there itself.
        "elbv2" | "iam" => check(call, &of_form(call))?,
        "ecr" | "ecs" | "logs" => {
            let new = of_json(&call.json, "tags");
            check(call, &new)?;
            if call.operation == "TagResource" {
                let arn = call.member("resourceArn").unwrap_or_default();
                let target = match call.service.as_str() {
                    "ecr" => "AmazonEC2ContainerRegistry_V20150921",
                    "ecs" => "AmazonEC2ContainerServiceV20141113",
                    _ => "Logs_20140328",
                };
                let question = (call.service.as_str(), target, "ListTagsForResource");
                let asked = json!({"resourceArn": arn});
                let old = of_json(&ask_json(front, call, question, &asked).await?, "tags");
                check_count(call, merge(&old, new).len())?;
            }
        }
        _ => {}
    }
    Ok(())
}

/// Checks tags for themselves.
pub fn check(call: &Call, tags: &[Tag]) -> Result<(), Failure> {
    let bad = |message: String| Err(Failure::refuse(codes(call).1, message));
    for (at, Tag { key, value }) in tags.iter().enumerate() {
        if key.is_empty() || key.chars().count() > 128 || value.chars().count() > 256 {
            return bad(format!(
                "Tag keys can have a maximum character length of 128 characters, and tag values can \
                 have a maximum length of 256 characters: '{key:.140}'"
            ));
        }
        if key.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("aws:")) {
            return bad(format!(
                "Tag keys starting with 'aws:' are reserved for internal use: '{key}'"
            ));
        }
        if tags[..at].iter().any(|other| other.key == *key) {
            let code = if call.service == "elbv2" { "DuplicateTagKeys" } else { codes(call).1 };
            let message = format!("Duplicate tag key '{key}' specified.");
            return Err(Failure::refuse(code, message));
        }
    }
    check_count(call, tags.len())
}

/// Checks how many tags a thing would have.
pub fn check_count(call: &Call, count: usize) -> Result<(), Failure> {
    if count <= MOST {
        return Ok(());
    }
    let message = format!("The resource would have {count} tags; the maximum is {MOST}.");
    Err(Failure::refuse(codes(call).0, message))
}

/// The tags that are there after new ones are put over old ones.
pub fn merge(old: &[Tag], new: Vec<Tag>) -> Vec<Tag> {
    let stays = |tag: &&Tag| !new.iter().any(|other| other.key == tag.key);
    let mut tags: Vec<Tag> = old.iter().filter(stays).cloned().collect();
    tags.extend(new);
    tags
}

/// Tags in JSON: a list of pairs or, as Logs has it, a map.
pub fn of_json(json: &Value, name: &str) -> Vec<Tag> {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
    match json.get(name) {
        Some(Value::Object(map)) => map
            .iter()
            .map(|(key, value)| Tag { key: key.clone(), value: text(Some(value)) })
            .collect(),
        Some(Value::Array(list)) => list
            .iter()
            .map(|pair| Tag {
                key: text(pair.get("Key").or(pair.get("key"))),
                value: text(pair.get("Value").or(pair.get("value"))),
            })
            .collect(),
        _ => Vec::new(),
    }
}

/// Tags in a form: of EC2 those of the first `TagSpecification`, and those of `CreateTags`; of others
/// those of `Tags`.
fn of_form(call: &Call) -> Vec<Tag> {
    let tree = call.tree();
    let places = ["/TagSpecification/0/Tag", "/Tag", "/Tags/member"];
    let list = places.iter().find_map(|place| tree.pointer(place));
    of_json(&json!({"tags": list}), "tags")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::example;

    fn refusal(body: &str) -> Option<String> {
        let form = [("content-type", "application/x-www-form-urlencoded")];
        let call = example("ec2", &form, body);
        check(&call, &of_form(&call)).err().map(|failure| failure.code)
    }

    #[test]
    fn bad_tags_are_refused() {
        let start =
            "Action=CreateVpc&TagSpecification.1.ResourceType=vpc&TagSpecification.1.Tag.1.Key";
        assert_eq!(refusal(&format!("{start}=a")), None);
        assert_eq!(refusal(&format!("{start}=aws%3Aa")).as_deref(), Some("InvalidParameterValue"));
        let long = "a".repeat(129);
        assert_eq!(refusal(&format!("{start}={long}")).as_deref(), Some("InvalidParameterValue"));
        let many: String = (1..=51).map(|n| format!("&Tag.{n}.Key=k{n}")).collect();
        let many = refusal(&format!("Action=CreateTags{many}"));
        assert_eq!(many.as_deref(), Some("TagLimitExceeded"));
    }
}
