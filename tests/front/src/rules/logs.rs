//! CloudWatch Logs: names, classes, retention and keys of log groups.
//!
//! Moto has no classes and cannot change a key, but shows whatever JSON it was given for a group's
//! key and retention. There the front hides both, so that they come and go with the group.
//!
//! Known to be missing: what a class cannot do, and selecting groups by anything but a prefix, which
//! is refused loudly.

use serde_json::{Value, json};

use super::{ask_json, tags};
use crate::front::Front;
use crate::request::Call;
use crate::shape::{Answer, Failure};

const TARGET: &str = "Logs_20140328";

/// The retentions that AWS offers, in days.
/// <https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html>
const RETENTIONS: &[i64] = &[
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922,
    3288, 3653,
];

/// What moto cannot change, with the member of a group that each call changes; all four go to moto
/// as one ([`change`]).
const CHANGES: &[(&str, &str)] = &[
    ("PutRetentionPolicy", "retentionInDays"),
    ("DeleteRetentionPolicy", "retentionInDays"),
    ("AssociateKmsKey", "kmsKeyId"),
    ("DisassociateKmsKey", "kmsKeyId"),
];

pub async fn check(front: &Front, call: &mut Call) -> Result<Option<Answer>, Failure> {
    match call.operation.as_str() {
        "CreateLogGroup" => {
            check_name(call.member("logGroupName").unwrap_or_default())?;
            check_class(call)?;
            check_key(front, call).await?;
            keep_class(call);
        }
        "DeleteLogGroup" => return delete(front, call).await.map(Some),
        "PutRetentionPolicy" => check_retention(call)?,
        "AssociateKmsKey" => check_key(front, call).await?,
        "TagResource" | "UntagResource" | "ListTagsForResource" => check_arn(front, call).await?,
        "DescribeLogGroups" => {
            // Moto ignores them.
            let selections = ["logGroupNamePattern", "logGroupIdentifiers", "logGroupClass"];
            if selections.iter().any(|name| call.json.get(name).is_some()) {
                return Err(Failure::not_implemented(call));
            }
        }
        _ => {}
    }
    match CHANGES.iter().find(|(operation, _)| *operation == call.operation) {
        Some((_, member)) => change(front, call, member).await.map(Some),
        None => Ok(None),
    }
}

/// Shows a group's class and key where AWS does.
pub fn mend(call: &Call, answer: &mut Answer) {
    if call.operation != "DescribeLogGroups" || !answer.is_ok() {
        return;
    }
    let mut shown: Value = serde_json::from_slice(&answer.body).unwrap_or(Value::Null);
    if let Some(groups) = shown.get_mut("logGroups").and_then(Value::as_array_mut) {
        groups.iter_mut().for_each(unpack);
        answer.body = shown.to_string().into();
    }
}

/// Hides the class, which moto drops, in the key, which it keeps as it is.
fn keep_class(call: &mut Call) {
    if let Some(class) = call.member("logGroupClass") {
        let mut json = call.json.clone();
        json["kmsKeyId"] = json!({"logGroupClass": class, "kmsKeyId": json.get("kmsKeyId")});
        call.set_json(json);
    }
}

/// Hides the key along with the retention, which moto also keeps as it is.
async fn change(front: &Front, call: &Call, member: &str) -> Result<Answer, Failure> {
    let name = group_name(call)?;
    let mut group = find(front, call, name).await?.unwrap_or_default();
    group[member] = json!(call.json.get(member));
    let kept = json!({
        "retentionInDays": group.get("retentionInDays"),
        "kmsKeyId": group.get("kmsKeyId"),
    });
    // Of a group that is not there moto says what AWS says.
    let asked = json!({"logGroupName": name, "retentionInDays": kept});
    let put = front.upstream.ask_json(call, "logs", TARGET, "PutRetentionPolicy", &asked);
    put.await.map(|(answer, _)| answer)
}

/// Puts what is hidden in a group's members back in its place.
fn unpack(group: &mut Value) {
    let Some(group) = group.as_object_mut() else {
        return;
    };
    for name in ["kmsKeyId", "retentionInDays"] {
        if let Some(Value::Object(kept)) = group.get(name).cloned() {
            group.remove(name);
            group.extend(kept);
        }
    }
    group.retain(|_, value| !value.is_null());
    group.entry("logGroupClass").or_insert_with(|| json!("STANDARD"));
}

/// Takes the tags along, which moto would give to the next group of that name.
async fn delete(front: &Front, call: &Call) -> Result<Answer, Failure> {
    let group = find(front, call, group_name(call)?).await?;
    let answer = front.upstream.forward(call).await?;
    if let (Some(group), true) = (group, answer.is_ok()) {
        let arn = &group["logGroupArn"];
        let asked = json!({"resourceArn": arn});
        let tags = ask_logs(front, call, "ListTagsForResource", &asked).await?;
        let keys: Vec<String> =
            tags::of_json(&tags, "tags").into_iter().map(|tag| tag.key).collect();
        let asked = json!({"resourceArn": arn, "tagKeys": keys});
        ask_logs(front, call, "UntagResource", &asked).await?;
    }
    Ok(answer)
}

/// The group that a call names; `resourceIdentifier` is its ARN.
fn group_name(call: &Call) -> Result<&str, Failure> {
    let of_arn = || Some(call.member("resourceIdentifier")?.split_once(":log-group:")?.1);
    let name = call.member("logGroupName").or_else(of_arn);
    name.ok_or_else(|| Failure::not_implemented(call))
}

/// Asks moto; a refusal reads as null.
async fn ask_logs(
    front: &Front,
    call: &Call,
    operation: &str,
    asked: &Value,
) -> Result<Value, Failure> {
    ask_json(front, call, ("logs", TARGET, operation), asked).await
}

/// A log group as AWS shows it.
async fn find(front: &Front, call: &Call, name: &str) -> Result<Option<Value>, Failure> {
    // Groups come in the order of their names, so that the very name is the first with it.
    let asked = json!({"logGroupNamePrefix": name, "limit": 1});
    let mut found = ask_logs(front, call, "DescribeLogGroups", &asked).await?;
    let group = found.pointer_mut("/logGroups/0").map(Value::take);
    Ok(group.filter(|group| group["logGroupName"] == name).map(|mut group| {
        unpack(&mut group);
        group
    }))
}

/// Moto tags what is not there.
async fn check_arn(front: &Front, call: &Call) -> Result<(), Failure> {
    let arn = call.member("resourceArn").unwrap_or_default();
    let Some((_, name)) = arn.split_once(":log-group:") else {
        return Ok(());
    };
    if arn.ends_with('*') {
        return Err(invalid(format!(
            "1 validation error detected: Value '{arn}' at 'resourceArn' failed to satisfy \
             constraint: Member must satisfy regular expression pattern: [\\w+=/:,.@-]*"
        )));
    }
    if find(front, call, name).await?.is_none() {
        let message = "The specified resource does not exist.";
        return Err(Failure::refuse("ResourceNotFoundException", message));
    }
    Ok(())
}

fn check_name(name: &str) -> Result<(), Failure> {
    const MARKS: &str = ".-_/#";
    let allowed = |sign: char| sign.is_ascii_alphanumeric() || MARKS.contains(sign);
    let constraint = if name.is_empty() {
        "Member must have length greater than or equal to 1"
    } else if name.len() > 512 {
        "Member must have length less than or equal to 512"
    } else if !name.chars().all(allowed) {
        r"Member must satisfy regular expression pattern: [\.\-_/#A-Za-z0-9]+"
    } else if name.starts_with("aws/") {
        return Err(invalid("Log group names starting with aws/ are reserved for AWS.".to_owned()));
    } else {
        return Ok(());
    };
    Err(invalid(format!(
        "1 validation error detected: Value '{name}' at 'logGroupName' failed to satisfy constraint: \
         {constraint}"
    )))
}

fn check_class(call: &Call) -> Result<(), Failure> {
    match call.member("logGroupClass") {
        None | Some("STANDARD" | "INFREQUENT_ACCESS" | "DELIVERY") => Ok(()),
        Some(other) => Err(invalid(format!(
            "1 validation error detected: Value '{other}' at 'logGroupClass' failed to satisfy \
             constraint: Member must satisfy enum value set: [STANDARD, INFREQUENT_ACCESS, DELIVERY]"
        ))),
    }
}

fn check_retention(call: &Call) -> Result<(), Failure> {
    let days = call.json.get("retentionInDays").and_then(Value::as_i64);
    match days {
        Some(days) if RETENTIONS.contains(&days) => Ok(()),
        _ => Err(invalid(format!(
            "1 validation error detected: Value '{}' at 'retentionInDays' failed to satisfy \
             constraint: Member must satisfy enum value set: {RETENTIONS:?}",
            days.map_or_else(|| "null".to_owned(), |days| days.to_string())
        ))),
    }
}

/// The key must be an enabled one; AWS wants its ARN.
async fn check_key(front: &Front, call: &Call) -> Result<(), Failure> {
    let Some(key) = call.member("kmsKeyId") else {
        return Ok(());
    };
    let asked = json!({"KeyId": key});
    let found = ask_json(front, call, ("kms", "TrentService", "DescribeKey"), &asked).await?;
    let enabled = found.pointer("/KeyMetadata/Enabled").and_then(Value::as_bool) == Some(true);
    if enabled && key.starts_with("arn:") {
        return Ok(());
    }
    let group = group_name(call)?;
    Err(invalid(format!(
        "The specified KMS key does not exist or is not allowed to be used with LogGroup '{group}'"
    )))
}

fn invalid(message: String) -> Failure {
    Failure::refuse("InvalidParameterException", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for name in ["a", "/ecs/web#1", "A.b-c_d"] {
            assert!(check_name(name).is_ok(), "{name}");
        }
        for name in ["", "a b!", "aws/lambda", "é", &"a".repeat(513)] {
            assert!(check_name(name).is_err(), "{name}");
        }
    }

    #[test]
    fn what_is_hidden_is_shown_in_its_place() {
        let shown = |mut group: Value| {
            unpack(&mut group);
            group
        };
        let plain = json!({"kmsKeyId": "k", "retentionInDays": 7, "logGroupClass": "STANDARD"});
        assert_eq!(shown(json!({"kmsKeyId": "k", "retentionInDays": 7})), plain);
        let made = json!({"logGroupClass": "DELIVERY", "kmsKeyId": "k"});
        let changed = json!({"retentionInDays": null, "kmsKeyId": "l"});
        assert_eq!(shown(json!({"kmsKeyId": made, "retentionInDays": 7}))["kmsKeyId"], "k");
        assert_eq!(
            shown(json!({"kmsKeyId": made, "retentionInDays": changed})),
            json!({"logGroupClass": "DELIVERY", "kmsKeyId": "l"})
        );
    }
}
